/* conv_image for few channels, or maps of few pixels: each map pixel's patch by a product, then added into the image. */
#ifndef GANDER_SCATTER_H
#define GANDER_SCATTER_H

#include "conv.h"

bool scatter_run(const Conv *v, const real *map, const real *weight, const real *bias, real *image);

#endif
