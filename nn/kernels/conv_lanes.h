/* Convolutions in groups of few channels, like one for each channel: a lane of a vector computes a channel of the result, so that
 * groups need not fill vectors. Sizes are those of conv.h and conv_groups.h. */
#ifndef GANDER_CONV_LANES_H
#define GANDER_CONV_LANES_H

#include "conv.h"

bool lanes_suit(const Conv *v);
bool lanes_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map);
bool lanes_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image);
bool lanes_weight(const Conv *v, const real *image, const real *map, real *weight);

#endif
