/* Functions of one element. g is the gradient of the result, d that of the argument. */
#include "each.h"

#include <math.h>

static Tensor *call_one(const Op *op, Tensor *x) {
  return op_call(op, 1, &x, NULL);
}

static Tensor *call_number(const Op *op, Tensor *x, double p) {
  return op_call(op, 1, &x, &(Param){.number = p});
}

/* ---- signs ---- */

static bool neg_forward(Call *c) {
  return call_each(c, each_neg, NULL);
}

static void neg_backward(Call *c, Tensor *g, Tensor **d) {
  (void)c;
  d[0] = tensor_neg(g);
}

static const Op neg_row = {
    "neg", "x", "-x.", "tensor.randn(2,3):neg()", .shape = call_same, .forward = neg_forward, .backward = neg_backward};

static bool abs_forward(Call *c) {
  return call_each(c, each_abs, NULL);
}

static void abs_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(g, tensor_sign(c->in[0]));
}

static const Op abs_row = {"abs",
                           "x",
                           "x without its sign.",
                           "tensor{{-1.5,0.5},{2,-0.3}}:abs()",
                           .shape = call_same,
                           .forward = abs_forward,
                           .backward = abs_backward,
                           .needs = "x"};

static bool sign_forward(Call *c) {
  return call_each(c, each_sign, NULL);
}

static const Op sign_row = {"sign",
                            "x",
                            "-1, 0 or 1 as x is negative, zero or positive; without gradient.",
                            "tensor{-2,0,3}:sign()",
                            .shape = call_same,
                            .forward = sign_forward};

/* ---- powers and logarithms ---- */

static bool exp_forward(Call *c) {
  return call_each(c, each_exp, NULL);
}

static void exp_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(g, c->out);
}

static const Op exp_row = {"exp",
                           "x",
                           "e to the power x.",
                           "tensor.randn(2,3):exp()",
                           .shape = call_same,
                           .forward = exp_forward,
                           .backward = exp_backward,
                           .needs = "out"};

static bool log_forward(Call *c) {
  return call_each(c, each_log, NULL);
}

static void log_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_div(g, c->in[0]);
}

static const Op log_row = {"log",
                           "x",
                           "Natural logarithm.",
                           "tensor{{0.2,1.5},{1,7}}:log()",
                           .shape = call_same,
                           .forward = log_forward,
                           .backward = log_backward,
                           .needs = "x"};

static bool log1p_forward(Call *c) {
  return call_each(c, each_log1p, NULL);
}

static void log1p_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_div(g, tensor_shift(c->in[0], 1));
}

static const Op log1p_row = {"log1p",
                             "x",
                             "log(1 + x), exact for small x.",
                             "tensor{{-0.5,0.1},{1,7}}:log1p()",
                             .shape = call_same,
                             .forward = log1p_forward,
                             .backward = log1p_backward,
                             .needs = "x"};

static bool sqrt_forward(Call *c) {
  return call_each(c, each_sqrt, NULL);
}

/* g / (2 sqrt(x)) */
static void sqrt_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_div(tensor_scale(g, 0.5), c->out);
}

static const Op sqrt_row = {"sqrt",
                            "x",
                            "Square root.",
                            "tensor{{0.2,1.5},{1,7}}:sqrt()",
                            .shape = call_same,
                            .forward = sqrt_forward,
                            .backward = sqrt_backward,
                            .needs = "out"};

static bool rsqrt_forward(Call *c) {
  return call_each(c, each_rsqrt, NULL);
}

/* -g x^(-3/2) / 2 */
static void rsqrt_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(tensor_scale(g, -0.5), tensor_mul(tensor_square(c->out), c->out));
}

static const Op rsqrt_row = {"rsqrt",
                             "x",
                             "1 / sqrt(x).",
                             "tensor{{0.2,1.5},{1,7}}:rsqrt()",
                             .shape = call_same,
                             .forward = rsqrt_forward,
                             .backward = rsqrt_backward,
                             .needs = "out"};

static bool square_forward(Call *c) {
  return call_each(c, each_square, NULL);
}

static void square_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(g, tensor_scale(c->in[0], 2));
}

static const Op square_row = {"square",
                              "x",
                              "x times x.",
                              "tensor.randn(2,3):square()",
                              .shape = call_same,
                              .forward = square_forward,
                              .backward = square_backward,
                              .needs = "x"};

/* ---- of angles, and of the normal distribution ---- */

static bool sin_forward(Call *c) {
  return call_each(c, each_sin, NULL);
}

static void sin_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(g, tensor_cos(c->in[0]));
}

static const Op sin_row = {"sin",
                           "x",
                           "Sine of x in radians.",
                           "tensor.randn(2,3):sin()",
                           .shape = call_same,
                           .forward = sin_forward,
                           .backward = sin_backward,
                           .needs = "x"};

static bool cos_forward(Call *c) {
  return call_each(c, each_cos, NULL);
}

static void cos_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(g, tensor_neg(tensor_sin(c->in[0])));
}

static const Op cos_row = {"cos",
                           "x",
                           "Cosine of x in radians.",
                           "tensor.randn(2,3):cos()",
                           .shape = call_same,
                           .forward = cos_forward,
                           .backward = cos_backward,
                           .needs = "x"};

static bool erf_forward(Call *c) {
  return call_each(c, each_erf, NULL);
}

/* g 2/sqrt(pi) e^(-x^2) */
static void erf_backward(Call *c, Tensor *g, Tensor **d) {
  const double slope_at_0 = 1.12837916709551257390;
  d[0] = tensor_mul(tensor_scale(g, slope_at_0), tensor_exp(tensor_neg(tensor_square(c->in[0]))));
}

static const Op erf_row = {"erf",
                           "x",
                           "The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.",
                           "tensor.randn(2,3):erf()",
                           .shape = call_same,
                           .forward = erf_forward,
                           .backward = erf_backward,
                           .needs = "x"};

/* ---- with numbers ---- */

static bool scale_forward(Call *c) {
  return call_each(c, each_scale, NULL);
}

static void scale_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_scale(g, c->param[0].number);
}

static const Op scale_row = {"scale",
                             "x, factor:number",
                             "x times a number.",
                             "tensor.randn(2,3):scale(-2.5)",
                             .shape = call_same,
                             .forward = scale_forward,
                             .backward = scale_backward};

static bool shift_forward(Call *c) {
  return call_each(c, each_shift, NULL);
}

static void shift_backward(Call *c, Tensor *g, Tensor **d) {
  (void)c;
  d[0] = g;
}

static const Op shift_row = {"shift",
                             "x, term:number",
                             "x plus a number.",
                             "tensor.randn(2,3):shift(3)",
                             .shape = call_same,
                             .forward = shift_forward,
                             .backward = shift_backward};

/* ---- clamp ---- */

static bool clamp_bounds(Call *c, double *low, double *high) {
  const Param *min = &c->param[0], *max = &c->param[1];
  *low = min->nil ? -INFINITY : min->number;
  *high = max->nil ? INFINITY : max->number;
  if (*low <= *high) return true; /* false for NaN */
  return call_fail(c, "min must not be above max, got %g and %g", *low, *high);
}

static bool clamp_shape(Call *c) {
  double low, high;
  if (c->param[0].nil && c->param[1].nil) return call_fail(c, "give min, max or both");
  return clamp_bounds(c, &low, &high) && call_same(c);
}

static bool clamp_fill(Call *c, void (*kernel)(const Run *)) {
  double low, high;
  clamp_bounds(c, &low, &high);
  return call_each(c, kernel, (real[]){(real)low, (real)high});
}

static bool clamp_forward(Call *c) {
  return clamp_fill(c, each_clamp);
}

static bool clamp_backward_forward(Call *c) {
  return clamp_fill(c, each_clamp_backward);
}

static bool clamp_backward_shape(Call *c) {
  double low, high;
  return clamp_bounds(c, &low, &high) && call_alike(c);
}

static void clamp_backward_backward(Call *c, Tensor *g, Tensor **d);

static const Op clamp_backward_row = {"clamp_backward",
                                      "grad, x:constant, min:number=nil, max:number=nil",
                                      "clamp's gradient: grad where min <= x <= max, else 0.",
                                      "tensor.randn(4):clamp_backward(tensor{-2,-0.5,0.5,2}, -1, 1)",
                                      .shape = clamp_backward_shape,
                                      .forward = clamp_backward_forward,
                                      .backward = clamp_backward_backward,
                                      .needs = "x"};

static void clamp_backward_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = op_call(&clamp_backward_row, 2, (Tensor *[]){g, c->in[1]}, c->param);
}

static void clamp_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = op_call(&clamp_backward_row, 2, (Tensor *[]){g, c->in[0]}, c->param);
}

static const Op clamp_row = {"clamp",
                             "x, min:number=nil, max:number=nil",
                             "x, but no less than min and no more than max.",
                             "tensor{-2,-0.5,0.5,2}:clamp(-1, 1)\n"
                             "tensor{-2,-0.5,0.5,2}:clamp(0)\n"
                             "tensor{-2,-0.5,0.5,2}:clamp(nil, 1)",
                             .shape = clamp_shape,
                             .forward = clamp_forward,
                             .backward = clamp_backward,
                             .needs = "x"};

/* ---- for C ---- */

Tensor *tensor_neg(Tensor *x) {
  return call_one(&neg_row, x);
}
Tensor *tensor_abs(Tensor *x) {
  return call_one(&abs_row, x);
}
Tensor *tensor_sign(Tensor *x) {
  return call_one(&sign_row, x);
}
Tensor *tensor_exp(Tensor *x) {
  return call_one(&exp_row, x);
}
Tensor *tensor_log(Tensor *x) {
  return call_one(&log_row, x);
}
Tensor *tensor_log1p(Tensor *x) {
  return call_one(&log1p_row, x);
}
Tensor *tensor_sqrt(Tensor *x) {
  return call_one(&sqrt_row, x);
}
Tensor *tensor_rsqrt(Tensor *x) {
  return call_one(&rsqrt_row, x);
}
Tensor *tensor_square(Tensor *x) {
  return call_one(&square_row, x);
}
Tensor *tensor_sin(Tensor *x) {
  return call_one(&sin_row, x);
}
Tensor *tensor_cos(Tensor *x) {
  return call_one(&cos_row, x);
}
Tensor *tensor_erf(Tensor *x) {
  return call_one(&erf_row, x);
}
Tensor *tensor_scale(Tensor *x, double factor) {
  return call_number(&scale_row, x, factor);
}
Tensor *tensor_shift(Tensor *x, double term) {
  return call_number(&shift_row, x, term);
}
Tensor *tensor_clamp(Tensor *x, double min, double max) {
  return op_call(&clamp_row, 1, &x, (Param[]){{.number = min}, {.number = max}});
}

const Op *const ops_elementwise[] = {
    &neg_row, &abs_row, &sign_row, &exp_row,   &log_row,   &log1p_row, &sqrt_row,           &rsqrt_row, &square_row,
    &sin_row, &cos_row, &erf_row,  &scale_row, &shift_row, &clamp_row, &clamp_backward_row, NULL};
