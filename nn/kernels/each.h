/* Loops over elements: y[i] = f(x[0][i], ...). A step of 0 repeats one element, so one loop serves every way to broadcast. */
#ifndef GANDER_EACH_H
#define GANDER_EACH_H

#include "../nn.h"

typedef struct Run {
  real *y;
  const real *x[3];
  long step[3]; /* 1, or 0 for an operand that is one element here */
  long n;
  const real *p; /* the op's numbers */
} Run;

void each_fill(const Run *r); /* y[i] = p[0] */
void each_neg(const Run *r);
void each_abs(const Run *r);
void each_sign(const Run *r);
void each_exp(const Run *r);
void each_log(const Run *r);
void each_log1p(const Run *r);
void each_sqrt(const Run *r);
void each_rsqrt(const Run *r);
void each_square(const Run *r);
void each_sin(const Run *r);
void each_cos(const Run *r);
void each_erf(const Run *r);
void each_scale(const Run *r);
void each_shift(const Run *r);
void each_clamp(const Run *r);
void each_clamp_backward(const Run *r);

void each_tanh(const Run *r);
void each_tanh_backward(const Run *r);
void each_sigmoid(const Run *r);
void each_sigmoid_backward(const Run *r);
void each_relu(const Run *r);
void each_relu_backward(const Run *r);
void each_leaky_relu(const Run *r);
void each_leaky_relu_backward(const Run *r);
void each_elu(const Run *r);
void each_elu_backward(const Run *r);
void each_gelu(const Run *r);
void each_gelu_backward(const Run *r);
void each_silu(const Run *r);
void each_silu_backward(const Run *r);
void each_softplus(const Run *r);

void each_add(const Run *r);
void each_sub(const Run *r);
void each_mul(const Run *r);
void each_div(const Run *r);
void each_pow(const Run *r);
void each_maximum(const Run *r);
void each_minimum(const Run *r);
void each_eq(const Run *r);
void each_ne(const Run *r);
void each_lt(const Run *r);
void each_le(const Run *r);
void each_gt(const Run *r);
void each_ge(const Run *r);
void each_where(const Run *r);

void each_entropy(const Run *r);
void each_entropy_slope(const Run *r);

#endif
