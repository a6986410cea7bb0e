/* Activation functions and their gradients: g is the gradient of the result y, x the argument. */
#include <tgmath.h>

#include "each_loop.h"

static const double half_root = 0.70710678118654752440, /* sqrt(1/2) */
    normal_peak = 0.39894228040143267794;               /* 1/sqrt(2 pi) */

static inline real to_tanh(real x) {
  return tanh(x);
}
void each_tanh(const Run *r) {
  each1(r, to_tanh);
}

/* g (1 - y^2) */
static inline real tanh_slope(real g, real y) {
  return g * (1 - y * y);
}
void each_tanh_backward(const Run *r) {
  each2(r, tanh_slope);
}

/* 1 / (1 + e^-x) */
static inline real sigmoid(real x) {
  return 1 / (1 + exp(-x));
}
void each_sigmoid(const Run *r) {
  each1(r, sigmoid);
}

/* g y (1 - y) */
static inline real sigmoid_slope(real g, real y) {
  return g * (y * (1 - y));
}
void each_sigmoid_backward(const Run *r) {
  each2(r, sigmoid_slope);
}

static inline real relu(real x) {
  return x < 0 ? 0 : x;
}
void each_relu(const Run *r) {
  each1(r, relu);
}

static inline real relu_slope(real g, real y) {
  return y <= 0 ? 0 : g;
}
void each_relu_backward(const Run *r) {
  each2(r, relu_slope);
}

static inline real leaky_relu(real x, real slope) {
  return x > 0 ? x : x * slope;
}
void each_leaky_relu(const Run *r) {
  each1p(r, leaky_relu);
}

static inline real leaky_relu_slope(real g, real y, real slope) {
  return y > 0 ? g : g * slope;
}
void each_leaky_relu_backward(const Run *r) {
  each2p(r, leaky_relu_slope);
}

/* x, or alpha (e^x - 1) below 0 */
static inline real elu(real x, real alpha) {
  return x > 0 ? x : alpha * expm1(x);
}
void each_elu(const Run *r) {
  each1p(r, elu);
}

static inline real elu_slope(real g, real y, real alpha) {
  return y > 0 ? g : g * (y + alpha);
}
void each_elu_backward(const Run *r) {
  each2p(r, elu_slope);
}

/* The normal distribution: its density is phi(x) = e^(-x^2/2) / sqrt(2 pi), Phi(x) the share below x. */
static inline real phi(real x) {
  return (real)normal_peak * exp(-x * x / 2);
}
static inline real below(real x) {
  return erfc(-x * (real)half_root) / 2;
}

/* x Phi(x) */
static inline real gelu(real x) {
  return x * below(x);
}
void each_gelu(const Run *r) {
  each1(r, gelu);
}

/* g (Phi(x) + x phi(x)) */
static inline real gelu_slope(real g, real x) {
  return g * (below(x) + x * phi(x));
}
void each_gelu_backward(const Run *r) {
  each2(r, gelu_slope);
}

/* x sigmoid(x) */
static inline real silu(real x) {
  return x / (1 + exp(-x));
}
void each_silu(const Run *r) {
  each1(r, silu);
}

/* g s (1 + x (1 - s)), s = sigmoid(x) */
static inline real silu_slope(real g, real x) {
  real s = sigmoid(x);
  return g * (s * (1 + x * (1 - s)));
}
void each_silu_backward(const Run *r) {
  each2(r, silu_slope);
}

/* log(1 + e^x), written so that nothing overflows */
static inline real softplus(real x) {
  return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
}
void each_softplus(const Run *r) {
  each1(r, softplus);
}
