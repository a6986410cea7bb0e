/* Functions of one element. */
#include "angle.h"
#include "each_loop.h"
#include "math.h"

#include <tgmath.h>

CPU_VARIANTS void each_fill(const Run *r) {
  const real value = r->p[0];
  for (long i = 0; i < r->n; i++) r->y[i] = value;
}

INLINE real neg(real x) {
  return -x;
}
CPU_VARIANTS void each_neg(const Run *r) {
  each1(r, neg);
}

INLINE real magnitude(real x) {
  return fabs(x);
}
CPU_VARIANTS void each_abs(const Run *r) {
  each1(r, magnitude);
}

INLINE real sign(real x) {
  return (real)((x > 0) - (x < 0));
}
CPU_VARIANTS void each_sign(const Run *r) {
  each1(r, sign);
}

CPU_VARIANTS void each_exp(const Run *r) {
  each1(r, exp_of);
}

CPU_VARIANTS void each_log(const Run *r) {
  each1(r, log_of);
}

CPU_VARIANTS void each_log1p(const Run *r) {
  each1(r, log1p_of);
}

INLINE real root(real x) {
  return sqrt(x);
}
CPU_VARIANTS void each_sqrt(const Run *r) {
  each1(r, root);
}

INLINE real inverse_root(real x) {
  return 1 / sqrt(x);
}
CPU_VARIANTS void each_rsqrt(const Run *r) {
  each1(r, inverse_root);
}

INLINE real square(real x) {
  return x * x;
}
CPU_VARIANTS void each_square(const Run *r) {
  each1(r, square);
}

#ifdef NN_DOUBLE
INLINE void sines(const real *x, long n, uint32_t ahead, real *restrict y) {
  for (long i = 0; i < n; i++) y[i] = ahead ? cos(x[i]) : sin(x[i]);
}
#endif
CPU_VARIANTS void each_sin(const Run *r) {
  sines(r->x[0], r->n, 0, r->y);
}
CPU_VARIANTS void each_cos(const Run *r) {
  sines(r->x[0], r->n, 1, r->y);
}

CPU_VARIANTS void each_erf(const Run *r) {
  each1(r, erf_of);
}

INLINE real scale(real x, real factor) {
  return x * factor;
}
CPU_VARIANTS void each_scale(const Run *r) {
  each1p(r, scale);
}

INLINE real shift(real x, real term) {
  return x + term;
}
CPU_VARIANTS void each_shift(const Run *r) {
  each1p(r, shift);
}

/* NaN compares false and so passes both tests. */
CPU_VARIANTS void each_clamp(const Run *r) {
  real *restrict y = r->y;
  const real *x = r->x[0], low = r->p[0], high = r->p[1];
  for (long i = 0; i < r->n; i++) {
    real v = x[i] < low ? low : x[i];
    y[i] = v > high ? high : v;
  }
}

/* g where low <= x <= high */
CPU_VARIANTS void each_clamp_backward(const Run *r) {
  real *restrict y = r->y;
  const real *g = r->x[0], *x = r->x[1], low = r->p[0], high = r->p[1];
  for (long i = 0; i < r->n; i++) y[i] = x[i] >= low && x[i] <= high ? g[i] : 0;
}
