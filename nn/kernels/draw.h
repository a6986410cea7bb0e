/* Random numbers and what is made of them at once. Number i of a stream is word i % 4 of Philox block position + i / 4, so a run
 * of numbers begins with a block. */
#ifndef GANDER_KERNELS_DRAW_H
#define GANDER_KERNELS_DRAW_H

#include "../nn.h"

void draw_block(Random at, uint32_t word[4]);         /* block at.position of the stream at.seed */
void draw_integers(Random at, uint64_t *out, long n); /* of 64 bits, two of each block */
void draw_uniform(Random at, real *out, long n);
void draw_normal(Random at, real *out, long n);
void draw_range(Random at, uint32_t range, int32_t low, real *out, long n); /* whole, from low on; NaN: none that would be fair */

/* Which elements dropout keeps, 32 to a word: those whose uniform number is at least p. y = x scale, or 0. */
enum { DRAW_BITS = 32 };
void draw_kept(Random at, double p, const real *x, real scale, long n, uint32_t *kept, real *y);
void scale_kept(const uint32_t *kept, const real *x, real scale, long n, real *y);

#endif
