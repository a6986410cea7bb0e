/* Convolutions in groups: the channels of the image and those of the map are cut into v->groups parts, and each part of the map
 * is made of one part of the image. Sizes are those of conv.h, the weight is (KH,KW,c / groups,k). */
#ifndef GANDER_CONV_GROUPS_H
#define GANDER_CONV_GROUPS_H

#include "conv.h"

bool groups_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map);
bool groups_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image);
bool groups_weight(const Conv *v, const real *image, const real *map, real *weight);

#endif
