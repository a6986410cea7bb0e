/* Picking elements along one dimension by position, and adding back to where was picked. */
#ifndef GANDER_KERNELS_PICK_H
#define GANDER_KERNELS_PICK_H

#include "../nn.h"

/* x is (outer, side, inner) and y (outer, n, inner). Position at[i], from 0 to side-1, holds for the whole slice i of y, or,
 * when `each`, every element of y has its own. */
typedef struct Pick {
  long outer, side, n, inner;
  const long *at;
  bool each;
} Pick;

void pick(const Pick *p, const real *x, real *y);                      /* y = x[at] */
void pick_add(const Pick *p, const real *x, const real *y, real *sum); /* sum = x, but sum[at] = x[at] + y, in y's order */

#endif
