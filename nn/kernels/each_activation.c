/* Activation functions and their gradients: g is the gradient of the result y, x the argument. */
#include "activate.h"
#include "each_loop.h"
#include "math.h"

KERNEL(each_tanh, (const Run *r), (r)) {
  each1(r, tanh_of);
}

KERNEL(each_tanh_backward, (const Run *r), (r)) {
  each2(r, tanh_slope);
}

KERNEL(each_sigmoid, (const Run *r), (r)) {
  each1(r, sigmoid_of);
}

KERNEL(each_sigmoid_backward, (const Run *r), (r)) {
  each2(r, sigmoid_slope);
}

KERNEL(each_relu, (const Run *r), (r)) {
  each1(r, relu);
}

KERNEL(each_relu_backward, (const Run *r), (r)) {
  each2(r, relu_slope);
}

KERNEL(each_leaky_relu, (const Run *r), (r)) {
  each1p(r, leaky_relu);
}

KERNEL(each_leaky_relu_backward, (const Run *r), (r)) {
  each2p(r, leaky_relu_slope);
}

/* x, or alpha (e^x - 1) below 0 */
INLINE real elu(real x, real alpha) {
  const real low = alpha * expm1_of(x > 0 ? 0 : x);
  return x > 0 ? x : low;
}
KERNEL(each_elu, (const Run *r), (r)) {
  each1p(r, elu);
}

INLINE real elu_slope(real g, real y, real alpha) {
  const real low = g * (y + alpha);
  return y > 0 ? g : low;
}
KERNEL(each_elu_backward, (const Run *r), (r)) {
  each2p(r, elu_slope);
}

KERNEL(each_gelu, (const Run *r), (r)) {
  each1(r, gelu_of);
}

/* g (Phi(x) + x phi(x)), Phi(x) being the share of the normal distribution below x, with the density phi(x) = e^(-x^2/2) / sqrt(2
 * pi) */
INLINE real gelu_slope(real g, real x) {
  const real peak = (real)0.39894228040143267794;
  real falling;
  const real below = normal_with(x, &falling);
  return g * (below + x * (peak * falling));
}
KERNEL(each_gelu_backward, (const Run *r), (r)) {
  each2(r, gelu_slope);
}

/* x sigmoid(x), as x / (1 + e^-x), or x e^x / (1 + e^x) where x is negative */
INLINE real silu(real x) {
  const real e = exp_below(x < 0 ? x : -x);
  return x * (x < 0 ? e : 1) / (1 + e);
}
KERNEL(each_silu, (const Run *r), (r)) {
  each1(r, silu);
}

/* g s (1 + x (1 - s)), s = sigmoid(x) */
INLINE real silu_slope(real g, real x) {
  const real s = sigmoid_of(x);
  return g * (s * (1 + x * (1 - s)));
}
KERNEL(each_silu_backward, (const Run *r), (r)) {
  each2(r, silu_slope);
}

/* log(1 + e^x), written so that nothing overflows */
INLINE real softplus(real x) {
  const real size = x < 0 ? -x : x;
  return (x < 0 ? 0 : x) + log1p_of(exp_of(-size));
}
KERNEL(each_softplus, (const Run *r), (r)) {
  each1(r, softplus);
}
