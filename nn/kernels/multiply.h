/* Plain products of matrices, one or many. */
#ifndef GANDER_MULTIPLY_H
#define GANDER_MULTIPLY_H

#include "../row.h"

typedef struct Multiply {
  long batch, m, k, n; /* c (m,n) = a (m,k) b (k,n); k is at least 1 */
  const real *a, *b;
  real *c;
  const real *bias;        /* (n), added to each row of c; or NULL */
  Activation then;         /* of c */
  bool a_transposed;       /* a is written (k,m) */
  bool b_transposed;       /* b is written (n,k) */
  Storage *keep;           /* of b, when it is to keep what is packed of it; else NULL */
  const long *a_at, *b_at; /* where each matrix of the batch begins; NULL for one */
} Multiply;

bool multiply_run(const Multiply *m);

#endif
