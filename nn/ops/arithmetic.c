/* Functions of two elements, whose tensors broadcast together as in NumPy. What was broadcast is summed in gradients. */
#include "each.h"

static Tensor *call_two(const Op *op, Tensor *a, Tensor *b) {
  return op_call(op, 2, (Tensor *[]){a, b}, NULL);
}

/* A gradient of the result's shape, down to the shape of argument i. */
static Tensor *down_to(Call *c, int i, Tensor *g) {
  return tensor_sum_to(g, c->in[i]->ndim, c->in[i]->shape);
}

/* ---- arithmetic ---- */

static bool add_forward(Call *c) {
  return call_each(c, each_add, NULL);
}

static void add_backward(Call *c, Tensor *g, Tensor **d) {
  for (int i = 0; i < 2; i++)
    if (c->want[i]) d[i] = down_to(c, i, g);
}

static const Op add_row = {"add",
                           "a, b",
                           "a + b, element by element.",
                           "tensor.randn(2,3):add(tensor.randn(2,3))\n"
                           "tensor.randn(2,3):add(tensor.randn(3))\n"
                           "tensor.randn(2,1,3):add(tensor.randn(4,1))\n"
                           "tensor.randn(2,3):add(tensor.randn(1))",
                           .shape = call_broadcast,
                           .forward = add_forward,
                           .backward = add_backward};

Tensor *tensor_add(Tensor *a, Tensor *b) {
  return call_two(&add_row, a, b);
}

static bool sub_forward(Call *c) {
  return call_each(c, each_sub, NULL);
}

static void sub_backward(Call *c, Tensor *g, Tensor **d) {
  if (c->want[0]) d[0] = down_to(c, 0, g);
  if (c->want[1]) d[1] = tensor_neg(down_to(c, 1, g));
}

static const Op sub_row = {"sub",
                           "a, b",
                           "a - b, element by element.",
                           "tensor.randn(2,3):sub(tensor.randn(2,3))\n"
                           "tensor.randn(3):sub(tensor.randn(2,3))",
                           .shape = call_broadcast,
                           .forward = sub_forward,
                           .backward = sub_backward};

Tensor *tensor_sub(Tensor *a, Tensor *b) {
  return call_two(&sub_row, a, b);
}

static bool mul_forward(Call *c) {
  return call_each(c, each_mul, NULL);
}

static void mul_backward(Call *c, Tensor *g, Tensor **d) {
  if (c->want[0]) d[0] = down_to(c, 0, tensor_mul(g, c->in[1]));
  if (c->want[1]) d[1] = down_to(c, 1, tensor_mul(g, c->in[0]));
}

static const Op mul_row = {"mul",
                           "a, b",
                           "a * b, element by element.",
                           "tensor.randn(2,3):mul(tensor.randn(2,3))\n"
                           "tensor.randn(2,3):mul(tensor.randn(3))\n"
                           "tensor.randn(2,3):mul(tensor.randn(2,1))",
                           .shape = call_broadcast,
                           .forward = mul_forward,
                           .backward = mul_backward,
                           .needs = "a b"};

Tensor *tensor_mul(Tensor *a, Tensor *b) {
  return call_two(&mul_row, a, b);
}

static bool div_forward(Call *c) {
  return call_each(c, each_div, NULL);
}

/* da = g / b, db = -g (a / b) / b */
static void div_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *slope = tensor_div(g, c->in[1]);
  if (c->want[0]) d[0] = down_to(c, 0, slope);
  if (c->want[1]) d[1] = tensor_neg(down_to(c, 1, tensor_mul(slope, c->out)));
}

static const Op div_row = {"div",
                           "a, b",
                           "a / b, element by element.",
                           "tensor.randn(2,3):div(tensor{{1,-2,3},{0.5,4,-1}})\n"
                           "tensor.randn(2,3):div(tensor{1,-2,3})",
                           .shape = call_broadcast,
                           .forward = div_forward,
                           .backward = div_backward,
                           .needs = "b out"};

Tensor *tensor_div(Tensor *a, Tensor *b) {
  return call_two(&div_row, a, b);
}

static bool pow_forward(Call *c) {
  return call_each(c, each_pow, NULL);
}

/* b a^(b-1); where a and b are 0, and so is this, a^0 stands for the infinite a^-1. */
static Tensor *pow_slope(Tensor *a, Tensor *b) {
  Tensor *less = tensor_shift(b, -1), *zero = tensor_scalar(0);
  if (tensor_numel(b) != 1 || !b->data[0]) less = tensor_add(less, tensor_mul(tensor_eq(a, zero), tensor_eq(b, zero)));
  return tensor_mul(b, tensor_pow(a, less));
}

/* da = g b a^(b-1), db = g a^b log(a), which is 0 where a is */
static void pow_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *a = c->in[0], *b = c->in[1];
  if (c->want[0]) d[0] = down_to(c, 0, tensor_mul(g, pow_slope(a, b)));
  if (!c->want[1]) return;
  Tensor *logarithm = tensor_log(tensor_add(a, tensor_eq(a, tensor_scalar(0))));
  d[1] = down_to(c, 1, tensor_mul(g, tensor_mul(c->out, logarithm)));
}

static const Op pow_row = {"pow",
                           "a, b",
                           "a to the power b, element by element.",
                           "tensor{{0.5,1.5},{2,0.7}}:pow(tensor{{-1,2},{0.5,3}})\n"
                           "tensor{{0.5,1.5},{2,0.7}}:pow(tensor{2,0.3})\n"
                           "tensor{{0.5,1.5},{2,0.7}}:pow(2)\n"
                           "tensor{{0.5,1.5},{2,0.7}}:pow(-0.5)",
                           .shape = call_broadcast,
                           .forward = pow_forward,
                           .backward = pow_backward,
                           .needs = "a b out"};

Tensor *tensor_pow(Tensor *a, Tensor *b) {
  return call_two(&pow_row, a, b);
}

/* ---- the larger and the smaller ---- */

/* Gradients of a choice between a and b: one that loses gets nothing, equal ones half each. */
static void choice_backward(Call *c, Tensor *g, Tensor **d, Tensor *(*loses)(Tensor *, Tensor *)) {
  Tensor *a = c->in[0], *b = c->in[1], *tie = tensor_scale(tensor_eq(a, b), 0.5), *whole = tensor_scalar(1);
  if (c->want[0]) d[0] = down_to(c, 0, tensor_mul(g, tensor_sub(tensor_sub(whole, tie), loses(a, b))));
  if (c->want[1]) d[1] = down_to(c, 1, tensor_mul(g, tensor_sub(tensor_sub(whole, tie), loses(b, a))));
}

static bool maximum_forward(Call *c) {
  return call_each(c, each_maximum, NULL);
}

static void maximum_backward(Call *c, Tensor *g, Tensor **d) {
  choice_backward(c, g, d, tensor_lt);
}

static const Op maximum_row = {"maximum",
                               "a, b",
                               "The larger of a and b, element by element.",
                               "tensor{{1,-2},{0.5,3}}:maximum(tensor{{0.3,-1},{2,-3}})\n"
                               "tensor{{1,-2},{0.5,3}}:maximum(tensor{0.3,-1})",
                               .shape = call_broadcast,
                               .forward = maximum_forward,
                               .backward = maximum_backward,
                               .needs = "a b"};

Tensor *tensor_maximum(Tensor *a, Tensor *b) {
  return call_two(&maximum_row, a, b);
}

static bool minimum_forward(Call *c) {
  return call_each(c, each_minimum, NULL);
}

static void minimum_backward(Call *c, Tensor *g, Tensor **d) {
  choice_backward(c, g, d, tensor_gt);
}

static const Op minimum_row = {"minimum",
                               "a, b",
                               "The smaller of a and b, element by element.",
                               "tensor{{1,-2},{0.5,3}}:minimum(tensor{{0.3,-1},{2,-3}})\n"
                               "tensor{{1,-2},{0.5,3}}:minimum(tensor{0.3,-1})",
                               .shape = call_broadcast,
                               .forward = minimum_forward,
                               .backward = minimum_backward,
                               .needs = "a b"};

Tensor *tensor_minimum(Tensor *a, Tensor *b) {
  return call_two(&minimum_row, a, b);
}

const Op *const ops_arithmetic[] = {&add_row, &sub_row, &mul_row, &div_row, &pow_row, &maximum_row, &minimum_row, NULL};
