/* Picking elements along one dimension by position, and adding back to where was picked. */
#ifndef GANDER_KERNELS_PICK_H
#define GANDER_KERNELS_PICK_H

#include "../nn.h"

/* x is (outer, side, inner) and y (outer, n, inner). Index i, from 1 to side, holds for the whole slice i of y, or, when
 * `each`, every element of y has its own. */
typedef struct Pick {
  long outer, side, n, inner;
  const real *index;
  bool each;
} Pick;

bool pick_check(const real *index, long n, long side); /* are all of them whole numbers from 1 to side? The others rely on it */
void pick(const Pick *p, const real *x, real *y);      /* y = x[index] */
void pick_add(const Pick *p, const real *x, const real *y, real *sum); /* sum = x with y added at index, in y's order */

#endif
