/* Pixels of a byte as the numbers that networks take. */
#ifndef GANDER_KERNELS_PIXELS_H
#define GANDER_KERNELS_PIXELS_H

#include "../nn.h"

void pixels_to_reals(const uint8_t *pixel, long n, real *out); /* p / 127.5 - 1: 0..255 becomes -1..1 */

#endif
