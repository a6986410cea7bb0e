/* Pooling of images (N,H,W,C) over windows, and the gradients. */
#ifndef GANDER_KERNELS_POOL_H
#define GANDER_KERNELS_POOL_H

#include "../nn.h"

/* x is (n, image[0], image[1], channels), y (n, map[0], map[1], channels). Every window meets the image. */
typedef struct Pool {
  long n, channels, image[2], map[2];
  long kernel[2], stride[2], padding[2];
} Pool;

/* places, if not NULL, receives where in the image each largest element stands, its pixels counted from 1. */
void pool_largest(const Pool *p, const real *x, real *y, real *places);
void pool_largest_back(const Pool *p, const real *grad, real *places, real *dx);
void pool_mean(const Pool *p, const real *x, real *y); /* what lies outside the image counts as 0 */
void pool_mean_back(const Pool *p, const real *grad, real *dx);

#endif
