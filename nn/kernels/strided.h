/* Copying between layouts. */
#ifndef GANDER_KERNELS_STRIDED_H
#define GANDER_KERNELS_STRIDED_H

#include "../nn.h"

/* out, contiguous with the given shape, takes in[sum of place[d] * stride[d]]; strides may be 0 or negative. */
void copy_strided(real *out, int ndim, const long *shape, const real *in, const long *stride);

/* Copies `n` runs of `run` elements: out[i * out_step] from in[i * in_step]. */
void copy_runs(real *out, long out_step, const real *in, long in_step, long n, long run);

#endif
