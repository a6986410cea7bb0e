/* Copying between layouts: transposes, broadcasts, flips, slices and pads are all a walk with other steps. */
#ifndef GANDER_KERNELS_STRIDED_H
#define GANDER_KERNELS_STRIDED_H

#include "../nn.h"

enum { BOX_DIMS = 2 * NN_DIMS };

/* A box of elements: out[sum of place[d] * to[d]] takes in[sum of place[d] * from[d]]. Steps may be 0 (in `from`: one element
 * for many) or negative; no two places may meet in out. */
typedef struct Box {
  real *out;
  const real *in;
  int ndim;
  long side[BOX_DIMS], to[BOX_DIMS], from[BOX_DIMS];
} Box;

void box_add(Box *box, long side, long to, long from); /* a further dimension, from the outermost on */
void box_copy(const Box *box);

#endif
