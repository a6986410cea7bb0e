/* Functions of one element. */
#include "angle.h"
#include "each_loop.h"
#include "math.h"

#include <tgmath.h>

KERNEL(each_fill, (const Run *r), (r)) {
  const real value = r->p[0];
  for (long i = 0; i < r->n; i++) r->y[i] = value;
}

INLINE real neg(real x) {
  return -x;
}
KERNEL(each_neg, (const Run *r), (r)) {
  each1(r, neg);
}

INLINE real magnitude(real x) {
  return fabs(x);
}
KERNEL(each_abs, (const Run *r), (r)) {
  each1(r, magnitude);
}

INLINE real sign(real x) {
  return (real)((x > 0) - (x < 0));
}
KERNEL(each_sign, (const Run *r), (r)) {
  each1(r, sign);
}

KERNEL(each_exp, (const Run *r), (r)) {
  each1(r, exp_of);
}

KERNEL(each_log, (const Run *r), (r)) {
  each1(r, log_of);
}

KERNEL(each_log1p, (const Run *r), (r)) {
  each1(r, log1p_of);
}

INLINE real root(real x) {
  return sqrt(x);
}
KERNEL(each_sqrt, (const Run *r), (r)) {
  each1(r, root);
}

INLINE real inverse_root(real x) {
  return 1 / sqrt(x);
}
KERNEL(each_rsqrt, (const Run *r), (r)) {
  each1(r, inverse_root);
}

INLINE real square(real x) {
  return x * x;
}
KERNEL(each_square, (const Run *r), (r)) {
  each1(r, square);
}

#ifdef NN_DOUBLE
INLINE void sines(const real *x, long n, uint32_t ahead, real *restrict y) {
  for (long i = 0; i < n; i++) y[i] = ahead ? cos(x[i]) : sin(x[i]);
}
#endif
KERNEL(each_sin, (const Run *r), (r)) {
  sines(r->x[0], r->n, 0, r->y);
}
KERNEL(each_cos, (const Run *r), (r)) {
  sines(r->x[0], r->n, 1, r->y);
}

KERNEL(each_erf, (const Run *r), (r)) {
  each1(r, erf_of);
}

INLINE real scale(real x, real factor) {
  return x * factor;
}
KERNEL(each_scale, (const Run *r), (r)) {
  each1p(r, scale);
}

INLINE real shift(real x, real term) {
  return x + term;
}
KERNEL(each_shift, (const Run *r), (r)) {
  each1p(r, shift);
}

/* NaN compares false and so passes both tests. */
KERNEL(each_clamp, (const Run *r), (r)) {
  real *restrict y = r->y;
  const real *x = r->x[0], low = r->p[0], high = r->p[1];
  for (long i = 0; i < r->n; i++) {
    real v = x[i] < low ? low : x[i];
    y[i] = v > high ? high : v;
  }
}

/* g where low <= x <= high */
KERNEL(each_clamp_backward, (const Run *r), (r)) {
  real *restrict y = r->y;
  const real *g = r->x[0], *x = r->x[1], low = r->p[0], high = r->p[1];
  for (long i = 0; i < r->n; i++) y[i] = x[i] >= low && x[i] <= high ? g[i] : 0;
}
