/* Folding dimensions of a tensor away: sums, products, largest elements. */
#ifndef GANDER_OPS_FOLD_H
#define GANDER_OPS_FOLD_H

#include "../kernels/fold.h"
#include "../row.h"

/* A tensor seen as (outer, count, inner), of which count is folded away. */
typedef struct Folded {
  const real *x;
  long outer, count, inner;
} Folded;

/* For rows whose params begin with dims, keepdim. */
bool fold_shape(Call *c);              /* a shape function */
long fold_count(Call *c);              /* elements that become one */
Tensor *fold_like(Call *c, Tensor *t); /* t, of the result's shape, with the folded dimensions as 1 */
Tensor *fold_back(Call *c, Tensor *t); /* ... broadcast to the argument's shape */
Tensor *fold_op(const Op *op, Tensor *x, int count, const long *dims, bool keepdim, bool unbiased); /* calls it, from C */
bool fold_see(Folded *f, Tensor *x, const Param *dims); /* dimensions that are apart are brought together in a copy */

/* y[i] is what finish, if given, makes of the fold of the elements that belong to it; about is the kernel's and may be NULL. */
typedef void Finish(double *folded, const real *about, long n, double number);
bool fold(const Folded *f, const Fold *kernel, real *y, const real *about, Finish *finish, double number);

#endif
