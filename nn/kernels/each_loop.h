/* The loops themselves. They are inlined with a known f, so the compiler makes a vector loop of each use. */
#ifndef GANDER_EACH_LOOP_H
#define GANDER_EACH_LOOP_H

#include "each.h"
#include "kernel.h"

/* Parameters are where compilers heed restrict: then no store waits between two vectors. */
INLINE void each1_of(real *restrict y, const real *restrict x, long n, real (*f)(real x)) {
  for (long i = 0; i < n; i++) y[i] = f(x[i]);
}

INLINE void each1(const Run *r, real (*f)(real x)) {
  each1_of(r->y, r->x[0], r->n, f);
}

/* With one number of the op's. */
INLINE void each1p(const Run *r, real (*f)(real x, real p)) {
  real *restrict y = r->y;
  const real *x = r->x[0], p = r->p[0];
  for (long i = 0; i < r->n; i++) y[i] = f(x[i], p);
}

INLINE void each2(const Run *r, real (*f)(real a, real b)) {
  real *restrict y = r->y;
  const real *a = r->x[0], *b = r->x[1];
  if (r->step[0] && r->step[1]) {
    for (long i = 0; i < r->n; i++) y[i] = f(a[i], b[i]);
  } else if (r->step[0]) {
    const real one = *b;
    for (long i = 0; i < r->n; i++) y[i] = f(a[i], one);
  } else {
    const real one = *a;
    for (long i = 0; i < r->n; i++) y[i] = f(one, b[i]);
  }
}

/* Both operands have the shape of the result, as in gradients; with one number of the op's. */
INLINE void each2p(const Run *r, real (*f)(real a, real b, real p)) {
  real *restrict y = r->y;
  const real *a = r->x[0], *b = r->x[1], p = r->p[0];
  for (long i = 0; i < r->n; i++) y[i] = f(a[i], b[i], p);
}

#endif
