/* Functions of one element. */
#include <tgmath.h>

#include "each_loop.h"

static inline real neg(real x) {
  return -x;
}
void each_neg(const Run *r) {
  each1(r, neg);
}

static inline real magnitude(real x) {
  return fabs(x);
}
void each_abs(const Run *r) {
  each1(r, magnitude);
}

static inline real sign(real x) {
  return (real)((x > 0) - (x < 0));
}
void each_sign(const Run *r) {
  each1(r, sign);
}

static inline real to_exp(real x) {
  return exp(x);
}
void each_exp(const Run *r) {
  each1(r, to_exp);
}

static inline real to_log(real x) {
  return log(x);
}
void each_log(const Run *r) {
  each1(r, to_log);
}

static inline real to_log1p(real x) {
  return log1p(x);
}
void each_log1p(const Run *r) {
  each1(r, to_log1p);
}

static inline real root(real x) {
  return sqrt(x);
}
void each_sqrt(const Run *r) {
  each1(r, root);
}

static inline real inverse_root(real x) {
  return 1 / sqrt(x);
}
void each_rsqrt(const Run *r) {
  each1(r, inverse_root);
}

static inline real square(real x) {
  return x * x;
}
void each_square(const Run *r) {
  each1(r, square);
}

static inline real sine(real x) {
  return sin(x);
}
void each_sin(const Run *r) {
  each1(r, sine);
}

static inline real cosine(real x) {
  return cos(x);
}
void each_cos(const Run *r) {
  each1(r, cosine);
}

static inline real error_function(real x) {
  return erf(x);
}
void each_erf(const Run *r) {
  each1(r, error_function);
}

static inline real scale(real x, real factor) {
  return x * factor;
}
void each_scale(const Run *r) {
  each1p(r, scale);
}

static inline real shift(real x, real term) {
  return x + term;
}
void each_shift(const Run *r) {
  each1p(r, shift);
}

/* NaN compares false and so passes both tests. */
void each_clamp(const Run *r) {
  real *restrict y = r->y;
  const real *x = r->x[0], low = r->p[0], high = r->p[1];
  for (long i = 0; i < r->n; i++) {
    real v = x[i] < low ? low : x[i];
    y[i] = v > high ? high : v;
  }
}

/* g where low <= x <= high */
void each_clamp_backward(const Run *r) {
  real *restrict y = r->y;
  const real *g = r->x[0], *x = r->x[1], low = r->p[0], high = r->p[1];
  for (long i = 0; i < r->n; i++) y[i] = (x[i] >= low) & (x[i] <= high) ? g[i] : 0;
}
