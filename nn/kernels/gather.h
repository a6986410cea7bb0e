/* Sums over the taps of a kernel that moves over pictures, without writing out its patches:
 *
 *   out[n,i,j,:] = bias + sum over u,v,c of picture[n, i step + first + u tap_step, the same for j and v, c] * weight[u,v,c,:]
 *
 * Pairs are {height, width}; outside a picture there are zeros. */
#ifndef GANDER_GATHER_H
#define GANDER_GATHER_H

#include "../row.h"

typedef struct Gather {
  long n;
  const real *picture;
  long size[2], channels;
  long grid[2], step[2]; /* pixels made of each picture, and how far the kernel moves for the next */
  long taps[2], first[2], tap_step[2];
  const real *weight;                         /* of tap 0,0 */
  long weight_step[2], row_step, column_step; /* to the next tap, channel and column */
  Storage *keep;                              /* of the weight, when it is to keep what is packed of it; else NULL */
  const real *bias;
  Activation then; /* of the result */
  real *out;       /* images of out_size, whose pixels out_first + i out_step are set */
  long out_size[2], out_first[2], out_step[2], columns;
} Gather;

bool gather_run(Gather *g);
KeptKey gather_key(const Gather *g, long kind, long shape); /* of its weight, packed in a shape of this kind */

#endif
