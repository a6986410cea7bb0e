/* Activation functions. Where training would take several passes, the gradient is an op of its own that takes one:
 * g is the gradient of the result y, x the argument, v the gradient of a gradient. */
#include "../kernels/activate.h"
#include "each.h"

static Tensor *call_one(const Op *op, Tensor *x) {
  return op_call(op, 1, &x, NULL);
}

static Tensor *call_two(const Op *op, Tensor *a, Tensor *b, const Param *p) {
  return op_call(op, 2, (Tensor *[]){a, b}, p);
}

/* ---- tanh ---- */

static void tanh_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool tanh_backward_forward(Call *c) {
  return call_each(c, each_tanh_backward, NULL);
}

static const Op tanh_backward_row = {"tanh_backward",
                                     "grad, y",
                                     "tanh's gradient: grad (1 - y^2), y being tanh's result.",
                                     "tensor.randn(2,3):tanh_backward(tensor.randn(2,3))",
                                     .shape = call_alike,
                                     .forward = tanh_backward_forward,
                                     .backward = tanh_backward_backward,
                                     .needs = "grad y"};

/* dg = v (1 - y^2), dy = -2 v g y */
static void tanh_backward_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *y = c->in[1];
  if (c->want[0]) d[0] = call_two(&tanh_backward_row, v, y, NULL);
  if (c->want[1]) d[1] = tensor_mul(tensor_mul(v, g), tensor_scale(y, -2));
}

static bool tanh_forward(Call *c) {
  return call_each(c, each_tanh, NULL);
}

static void tanh_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&tanh_backward_row, g, c->out, NULL);
}

static const Op tanh_row = {"tanh",
                            "x",
                            "Hyperbolic tangent, between -1 and 1.",
                            "tensor.randn(2,3):tanh()",
                            .shape = call_same,
                            .forward = tanh_forward,
                            .backward = tanh_backward,
                            .needs = "out"};

Tensor *tensor_tanh(Tensor *x) {
  return call_one(&tanh_row, x);
}

/* ---- sigmoid ---- */

static void sigmoid_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool sigmoid_backward_forward(Call *c) {
  return call_each(c, each_sigmoid_backward, NULL);
}

static const Op sigmoid_backward_row = {"sigmoid_backward",
                                        "grad, y",
                                        "sigmoid's gradient: grad y (1 - y), y being sigmoid's result.",
                                        "tensor.randn(2,3):sigmoid_backward(tensor.rand(2,3))",
                                        .shape = call_alike,
                                        .forward = sigmoid_backward_forward,
                                        .backward = sigmoid_backward_backward,
                                        .needs = "grad y"};

/* dg = v y (1 - y), dy = v g (1 - 2 y) */
static void sigmoid_backward_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *y = c->in[1];
  if (c->want[0]) d[0] = call_two(&sigmoid_backward_row, v, y, NULL);
  if (c->want[1]) d[1] = tensor_mul(tensor_mul(v, g), tensor_shift(tensor_scale(y, -2), 1));
}

static bool sigmoid_forward(Call *c) {
  return call_each(c, each_sigmoid, NULL);
}

static void sigmoid_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&sigmoid_backward_row, g, c->out, NULL);
}

static const Op sigmoid_row = {"sigmoid",
                               "x",
                               "1 / (1 + e^-x), between 0 and 1.",
                               "tensor.randn(2,3):sigmoid()",
                               .shape = call_same,
                               .forward = sigmoid_forward,
                               .backward = sigmoid_backward,
                               .needs = "out"};

Tensor *tensor_sigmoid(Tensor *x) {
  return call_one(&sigmoid_row, x);
}

/* ---- relu ---- */

static void relu_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool relu_backward_forward(Call *c) {
  return call_each(c, each_relu_backward, NULL);
}

static const Op relu_backward_row = {"relu_backward",
                                     "grad, y:constant",
                                     "relu's gradient: grad where y, relu's result, is above 0, else 0.",
                                     "tensor.randn(2,3):relu_backward(tensor.randn(2,3))",
                                     .shape = call_alike,
                                     .forward = relu_backward_forward,
                                     .backward = relu_backward_backward,
                                     .needs = "y"};

static void relu_backward_backward(Call *c, Tensor *v, Tensor **d) {
  d[0] = call_two(&relu_backward_row, v, c->in[1], NULL);
}

static bool relu_forward(Call *c) {
  return call_each(c, each_relu, NULL);
}

static void relu_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&relu_backward_row, g, c->out, NULL);
}

static const Op relu_row = {"relu",
                            "x",
                            "x where it is positive, else 0.",
                            "tensor{{-1.5,0.5},{2,-0.3}}:relu()",
                            .shape = call_same,
                            .forward = relu_forward,
                            .backward = relu_backward,
                            .needs = "out"};

Tensor *tensor_relu(Tensor *x) {
  return call_one(&relu_row, x);
}

/* ---- leaky_relu: as the slope is not negative, the result has the sign of x ---- */

static bool check_slope(Call *c) {
  if (c->param[0].number >= 0) return true;
  return call_fail(c, "%s must be 0 or more, got %g", op_signature(c->op)->arg[c->n].name, c->param[0].number);
}

static bool sloped_shape(Call *c) {
  return check_slope(c) && call_same(c);
}

static bool sloped_backward_shape(Call *c) {
  return check_slope(c) && call_alike(c);
}

static void leaky_relu_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool leaky_relu_backward_forward(Call *c) {
  return call_each(c, each_leaky_relu_backward, NULL);
}

static const Op leaky_relu_backward_row = {
    "leaky_relu_backward",
    "grad, y:constant, negative_slope:number=0.01",
    "leaky_relu's gradient: grad where y, its result, is above 0, else grad * negative_slope.",
    "tensor.randn(2,3):leaky_relu_backward(tensor.randn(2,3), 0.2)",
    .shape = sloped_backward_shape,
    .forward = leaky_relu_backward_forward,
    .backward = leaky_relu_backward_backward,
    .needs = "y"};

static void leaky_relu_backward_backward(Call *c, Tensor *v, Tensor **d) {
  d[0] = call_two(&leaky_relu_backward_row, v, c->in[1], c->param);
}

static bool leaky_relu_forward(Call *c) {
  return call_each(c, each_leaky_relu, NULL);
}

static void leaky_relu_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&leaky_relu_backward_row, g, c->out, c->param);
}

static const Op leaky_relu_row = {"leaky_relu",
                                  "x, negative_slope:number=0.01",
                                  "x where it is positive, else x * negative_slope.",
                                  "tensor{{-1.5,0.5},{2,-0.3}}:leaky_relu(0.2)\n"
                                  "tensor{{-1.5,0.5},{2,-0.3}}:leaky_relu()",
                                  .shape = sloped_shape,
                                  .forward = leaky_relu_forward,
                                  .backward = leaky_relu_backward,
                                  .needs = "out"};

Tensor *tensor_leaky_relu(Tensor *x, double negative_slope) {
  return op_call(&leaky_relu_row, 1, &x, &(Param){.number = negative_slope});
}

/* ---- elu ---- */

static void elu_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool elu_backward_forward(Call *c) {
  return call_each(c, each_elu_backward, NULL);
}

static const Op elu_backward_row = {"elu_backward",
                                    "grad, y, alpha:number=1",
                                    "elu's gradient: grad where y, elu's result, is above 0, else grad (y + alpha).",
                                    "tensor.randn(4):elu_backward(tensor{-0.9,-0.2,0.5,2}, 1)",
                                    .shape = sloped_backward_shape,
                                    .forward = elu_backward_forward,
                                    .backward = elu_backward_backward,
                                    .needs = "grad y"};

/* dg = v elu'(x), dy = v g where y is not above 0 */
static void elu_backward_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *y = c->in[1];
  if (c->want[0]) d[0] = call_two(&elu_backward_row, v, y, c->param);
  if (c->want[1]) d[1] = tensor_mul(tensor_mul(v, g), tensor_le(y, tensor_scalar(0)));
}

static bool elu_forward(Call *c) {
  return call_each(c, each_elu, NULL);
}

static void elu_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&elu_backward_row, g, c->out, c->param);
}

static const Op elu_row = {"elu",
                           "x, alpha:number=1",
                           "x where it is positive, else alpha (e^x - 1).",
                           "tensor{{-1.5,0.5},{2,-0.3}}:elu()\n"
                           "tensor{{-1.5,0.5},{2,-0.3}}:elu(0.5)",
                           .shape = sloped_shape,
                           .forward = elu_forward,
                           .backward = elu_backward,
                           .needs = "out"};

Tensor *tensor_elu(Tensor *x, double alpha) {
  return op_call(&elu_row, 1, &x, &(Param){.number = alpha});
}

/* ---- gelu: x Phi(x), Phi being the normal distribution, phi its density ---- */

static void gelu_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool gelu_backward_forward(Call *c) {
  return call_each(c, each_gelu_backward, NULL);
}

static const Op gelu_backward_row = {
    "gelu_backward",
    "grad, x",
    "gelu's gradient: grad (Phi(x) + x phi(x)), with the normal distribution Phi and its density phi.",
    "tensor.randn(2,3):gelu_backward(tensor.randn(2,3))",
    .shape = call_alike,
    .forward = gelu_backward_forward,
    .backward = gelu_backward_backward,
    .needs = "grad x"};

/* dg = v gelu'(x), dx = v g phi(x) (2 - x^2) */
static void gelu_backward_backward(Call *c, Tensor *v, Tensor **d) {
  const double peak = 0.39894228040143267794; /* 1/sqrt(2 pi) */
  Tensor *g = c->in[0], *x = c->in[1];
  if (c->want[0]) d[0] = call_two(&gelu_backward_row, v, x, NULL);
  if (!c->want[1]) return;
  Tensor *square = tensor_square(x), *phi = tensor_scale(tensor_exp(tensor_scale(square, -0.5)), peak);
  d[1] = tensor_mul(tensor_mul(v, g), tensor_mul(phi, tensor_shift(tensor_neg(square), 2)));
}

static bool gelu_forward(Call *c) {
  return call_each(c, each_gelu, NULL);
}

static void gelu_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&gelu_backward_row, g, c->in[0], NULL);
}

static const Op gelu_row = {"gelu",
                            "x",
                            "x times the share of the normal distribution below x (the exact form, with erf).",
                            "tensor.randn(2,3):gelu()",
                            .shape = call_same,
                            .forward = gelu_forward,
                            .backward = gelu_backward,
                            .needs = "x"};

Tensor *tensor_gelu(Tensor *x) {
  return call_one(&gelu_row, x);
}

/* ---- silu: x s, s = sigmoid(x) ---- */

static void silu_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool silu_backward_forward(Call *c) {
  return call_each(c, each_silu_backward, NULL);
}

static const Op silu_backward_row = {"silu_backward",
                                     "grad, x",
                                     "silu's gradient: grad s (1 + x (1 - s)), with s = sigmoid(x).",
                                     "tensor.randn(2,3):silu_backward(tensor.randn(2,3))",
                                     .shape = call_alike,
                                     .forward = silu_backward_forward,
                                     .backward = silu_backward_backward,
                                     .needs = "grad x"};

/* dg = v silu'(x), dx = v g s (1 - s) (2 + x (1 - 2 s)) */
static void silu_backward_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *x = c->in[1];
  if (c->want[0]) d[0] = call_two(&silu_backward_row, v, x, NULL);
  if (!c->want[1]) return;
  Tensor *s = tensor_sigmoid(x), *slope = tensor_mul(s, tensor_shift(tensor_neg(s), 1));
  Tensor *bend = tensor_shift(tensor_mul(x, tensor_shift(tensor_scale(s, -2), 1)), 2);
  d[1] = tensor_mul(tensor_mul(v, g), tensor_mul(slope, bend));
}

static bool silu_forward(Call *c) {
  return call_each(c, each_silu, NULL);
}

static void silu_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_two(&silu_backward_row, g, c->in[0], NULL);
}

static const Op silu_row = {"silu",
                            "x",
                            "x sigmoid(x), also called swish.",
                            "tensor.randn(2,3):silu()",
                            .shape = call_same,
                            .forward = silu_forward,
                            .backward = silu_backward,
                            .needs = "x"};

Tensor *tensor_silu(Tensor *x) {
  return call_one(&silu_row, x);
}

/* ---- softplus ---- */

static bool softplus_forward(Call *c) {
  return call_each(c, each_softplus, NULL);
}

static void softplus_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(g, tensor_sigmoid(c->in[0]));
}

static const Op softplus_row = {"softplus",
                                "x",
                                "log(1 + e^x), a smooth relu.",
                                "tensor.randn(2,3):softplus()",
                                .shape = call_same,
                                .forward = softplus_forward,
                                .backward = softplus_backward,
                                .needs = "x"};

Tensor *tensor_softplus(Tensor *x) {
  return call_one(&softplus_row, x);
}

/* ---- activations of other ops' results ---- */

Activation activation_read(const Param *p) {
  return (Activation){(int)p[0].number + ACTIVATION_RELU, p[1].number};
}

void activation_write(Param *p, Activation a) {
  p[0] = (Param){.number = a.kind - ACTIVATION_RELU};
  p[1] = (Param){.number = a.slope};
}

bool activated_shape(Call *c, const Op *other, int param) {
  Call as_other = *c;
  as_other.op = other;
  if (!other->shape(&as_other)) return false;
  const double slope = c->param[param + 1].number;
  if (slope < 0) return call_fail(c, "negative_slope must be 0 or more, got %g", slope);
  return call_shape(c, as_other.ndim, as_other.shape);
}

/* Without a graph, and when nobody else has g, it is written over. */
Tensor *activation_gradient(Activation a, Tensor *g, Tensor *y) {
  if (g && !grad_enabled() && tensor_is_alone(g)) {
    activate_back(g->data, y->data, tensor_numel(g), a);
    return g;
  }
  switch (a.kind) {
    case ACTIVATION_RELU: return call_two(&relu_backward_row, g, y, NULL);
    case ACTIVATION_LEAKY_RELU: return call_two(&leaky_relu_backward_row, g, y, &(Param){.number = a.slope});
    case ACTIVATION_SIGMOID: return call_two(&sigmoid_backward_row, g, y, NULL);
    default: return call_two(&tanh_backward_row, g, y, NULL);
  }
}

const Op *const ops_activation[] = {&relu_row, &relu_backward_row, &leaky_relu_row, &leaky_relu_backward_row,
                                    &elu_row,  &elu_backward_row,  &gelu_row,       &gelu_backward_row,
                                    &silu_row, &silu_backward_row, &sigmoid_row,    &sigmoid_backward_row,
                                    &tanh_row, &tanh_backward_row, &softplus_row,   NULL};
