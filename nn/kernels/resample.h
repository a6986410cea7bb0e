/* Images in another size: every row and column of the result is mixed from at most two of the original's. */
#ifndef GANDER_KERNELS_RESAMPLE_H
#define GANDER_KERNELS_RESAMPLE_H

#include "../nn.h"

typedef struct Mix { /* (1 - part) * low + part * high */
  long low, high;
  real part;
} Mix;

typedef struct Resample {
  long n, channels, from[2], to[2]; /* (n, from[0], from[1], channels) becomes (n, to[0], to[1], channels) */
  const Mix *mix[2];                /* of each row, of each column of the result */
} Resample;

void resample(const Resample *r, const real *x, real *y);
void resample_back(const Resample *r, const real *grad, real *dx);

#endif
