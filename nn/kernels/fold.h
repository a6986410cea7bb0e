/* Folds many elements into one, in double and in a fixed order. `about` is a number that belongs to the result, like the
 * mean from which deviations are counted. */
#ifndef GANDER_FOLD_H
#define GANDER_FOLD_H

#include "../nn.h"

typedef struct Fold {
  double start;
  double (*line)(const real *x, long n, double about); /* n neighbours */
  /* sum[i] = step(sum[i], x[row * stride + i], about[i]) for `rows` rows of `width` */
  void (*rows)(double *sum, const real *x, long rows, long stride, long width, const double *about);
  double (*join)(double a, double b);
} Fold;

extern const Fold fold_sum, fold_squares, fold_deviations, fold_exps, fold_product, fold_largest, fold_smallest;

#endif
