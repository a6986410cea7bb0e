/* Comparisons, which give 1 or 0 and have no gradient, and the choice by them. */
#include "each.h"

static Tensor *call_two(const Op *op, Tensor *a, Tensor *b) {
  return op_call(op, 2, (Tensor *[]){a, b}, NULL);
}

static bool eq_forward(Call *c) {
  return call_each(c, each_eq, NULL);
}

static const Op eq_row = {
    "eq", "a, b", "1 where a equals b, else 0.", "tensor{1,2,3}:eq(2)", .shape = call_broadcast, .forward = eq_forward};

Tensor *tensor_eq(Tensor *a, Tensor *b) {
  return call_two(&eq_row, a, b);
}

static bool ne_forward(Call *c) {
  return call_each(c, each_ne, NULL);
}

static const Op ne_row = {
    "ne", "a, b", "1 where a differs from b, else 0.", "tensor{1,2,3}:ne(2)", .shape = call_broadcast, .forward = ne_forward};

Tensor *tensor_ne(Tensor *a, Tensor *b) {
  return call_two(&ne_row, a, b);
}

static bool lt_forward(Call *c) {
  return call_each(c, each_lt, NULL);
}

static const Op lt_row = {
    "lt", "a, b", "1 where a is less than b, else 0.", "tensor{1,2,3}:lt(2)", .shape = call_broadcast, .forward = lt_forward};

Tensor *tensor_lt(Tensor *a, Tensor *b) {
  return call_two(&lt_row, a, b);
}

static bool le_forward(Call *c) {
  return call_each(c, each_le, NULL);
}

static const Op le_row = {
    "le", "a, b", "1 where a is at most b, else 0.", "tensor{1,2,3}:le(2)", .shape = call_broadcast, .forward = le_forward};

Tensor *tensor_le(Tensor *a, Tensor *b) {
  return call_two(&le_row, a, b);
}

static bool gt_forward(Call *c) {
  return call_each(c, each_gt, NULL);
}

static const Op gt_row = {
    "gt", "a, b", "1 where a is greater than b, else 0.", "tensor{1,2,3}:gt(2)", .shape = call_broadcast, .forward = gt_forward};

Tensor *tensor_gt(Tensor *a, Tensor *b) {
  return call_two(&gt_row, a, b);
}

static bool ge_forward(Call *c) {
  return call_each(c, each_ge, NULL);
}

static const Op ge_row = {
    "ge", "a, b", "1 where a is at least b, else 0.", "tensor{1,2,3}:ge(2)", .shape = call_broadcast, .forward = ge_forward};

Tensor *tensor_ge(Tensor *a, Tensor *b) {
  return call_two(&ge_row, a, b);
}

/* ---- where ---- */

static bool where_forward(Call *c) {
  return call_each(c, each_where, NULL);
}

static void where_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *condition = c->in[0], *zero = tensor_scalar(0);
  if (c->want[1]) d[1] = tensor_sum_to(tensor_where(condition, g, zero), c->in[1]->ndim, c->in[1]->shape);
  if (c->want[2]) d[2] = tensor_sum_to(tensor_where(condition, zero, g), c->in[2]->ndim, c->in[2]->shape);
}

static const Op where_row = {"where",
                             "condition:constant, a, b",
                             "a where the condition is not 0, else b, element by element.",
                             "tensor{{1,0,1},{0,0,1}}:where(tensor.randn(2,3), tensor.randn(2,3))\n"
                             "tensor{{1},{0}}:where(tensor.randn(2,3), tensor.randn(3))\n"
                             "tensor{1,0,1}:where(tensor.randn(2,3), 0)",
                             .shape = call_broadcast,
                             .forward = where_forward,
                             .backward = where_backward,
                             .needs = "condition"};

Tensor *tensor_where(Tensor *condition, Tensor *a, Tensor *b) {
  return op_call(&where_row, 3, (Tensor *[]){condition, a, b}, NULL);
}

const Op *const ops_compare[] = {&eq_row, &ne_row, &lt_row, &le_row, &gt_row, &ge_row, &where_row, NULL};
