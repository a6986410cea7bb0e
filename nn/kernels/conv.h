/* The three products of a convolution, each the others' derivative:
 *
 *   map[n,y,x,k] = bias[k] + sum over i,j,c of image[n, y stride - padding + i dilation, ..., c] * weight[i,j,c,k]
 *
 * conv_map computes the map, conv_image the image that a map's gradient comes from (a transposed convolution),
 * conv_weight the weight's gradient. Outside the image there are zeros. */
#ifndef GANDER_CONV_H
#define GANDER_CONV_H

#include "../row.h"

/* Pairs are {height, width}. */
typedef struct Conv {
  long n, c, k; /* samples, channels of the image, channels of the map */
  long groups;  /* that both kinds of channels are cut into: see conv_groups.h */
  long image[2], map[2], kernel[2];
  long stride[2], padding[2], dilation[2];
  Activation then; /* of the result of conv_map or conv_image */
  Storage *keep;   /* of the weight, when it is to keep what is packed of it; else NULL */
} Conv;

bool conv_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map);
bool conv_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image); /* bias (c) */
bool conv_weight(const Conv *v, const real *image, const real *map, real *weight);

#endif
