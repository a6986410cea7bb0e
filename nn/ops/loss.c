/* Losses of logits, each one op: binary cross entropy element by element, cross entropy of labels row by row. */
#include <string.h>

#include "../kernels/softmax.h"
#include "each.h"

/* ---- bce_with_logits ---- */

static bool bce_with_logits_forward(Call *c) {
  return call_each(c, each_entropy, NULL);
}

static Tensor *bce_slope(Tensor *g, Tensor *x, Tensor *target, const Param *p);

static void bce_with_logits_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *target = c->in[1];
  if (c->want[0]) d[0] = tensor_sum_to(bce_slope(g, x, target, c->param), x->ndim, x->shape);
  if (c->want[1]) { /* p log(1 + e^-x) - log(1 + e^x) */
    Tensor *yes = tensor_scale(tensor_softplus(tensor_neg(x)), c->param[0].number);
    d[1] = tensor_sum_to(tensor_mul(g, tensor_sub(yes, tensor_softplus(x))), target->ndim, target->shape);
  }
}

static const Op bce_with_logits_row = {
    "bce_with_logits",
    "x, target, pos_weight:number=1",
    "pos_weight target log(1 + e^-x) + (1 - target) log(1 + e^x): binary cross entropy of logits, element by element.",
    "tensor.randn(3,2):bce_with_logits(tensor.rand(3,2))\n"
    "tensor.randn(3,2):bce_with_logits(tensor.rand(1), 2.5)",
    .shape = call_broadcast,
    .forward = bce_with_logits_forward,
    .backward = bce_with_logits_backward,
    .needs = "x target"};

Tensor *tensor_bce_with_logits(Tensor *x, Tensor *target, double pos_weight) {
  return op_call(&bce_with_logits_row, 2, (Tensor *[]){x, target}, &(Param){.number = pos_weight});
}

/* Its gradient by x before sums over what was broadcast: g ((1 - t + p t) s - p t), s = sigmoid(x). */
static bool bce_slope_forward(Call *c) {
  return call_each(c, each_entropy_slope, NULL);
}

/* dg = v ((1 - t + p t) s - p t), dx = v g (1 - t + p t) s (1 - s), dt = v g ((p - 1) s - p) */
static void bce_slope_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *x = c->in[1], *t = c->in[2], *vg = tensor_mul(v, g), *s = tensor_sigmoid(x);
  const double p = c->param[0].number;
  if (c->want[0]) d[0] = tensor_sum_to(bce_slope(v, x, t, c->param), g->ndim, g->shape);
  if (c->want[1]) {
    Tensor *bend = tensor_mul(s, tensor_shift(tensor_neg(s), 1)), *share = tensor_shift(tensor_scale(t, p - 1), 1);
    d[1] = tensor_sum_to(tensor_mul(vg, tensor_mul(share, bend)), x->ndim, x->shape);
  }
  if (c->want[2]) d[2] = tensor_sum_to(tensor_mul(vg, tensor_shift(tensor_scale(s, p - 1), -p)), t->ndim, t->shape);
}

static const Op bce_slope_row = {
    "bce_with_logits_backward",
    "grad, x, target, pos_weight:number=1",
    "bce_with_logits's gradient by x: grad ((1 - target + pos_weight target) sigmoid(x) - pos_weight target).",
    "tensor.randn(3,2):bce_with_logits_backward(tensor.randn(3,2), tensor.rand(3,2))\n"
    "tensor.randn(3,2):bce_with_logits_backward(tensor.randn(3,2), tensor.rand(1), 2.5)",
    .shape = call_broadcast,
    .forward = bce_slope_forward,
    .backward = bce_slope_backward,
    .needs = "grad x target"};

static Tensor *bce_slope(Tensor *g, Tensor *x, Tensor *target, const Param *p) {
  return op_call(&bce_slope_row, 3, (Tensor *[]){g, x, target}, p);
}

/* ---- cross_entropy ---- */

enum { ROWS = 64 }; /* that a worker takes at a time */

static bool cross_entropy_shape(Call *c) {
  Tensor *x = c->in[0], *labels = c->in[1];
  const bool rows = x->ndim && labels->ndim == x->ndim - 1;
  if (rows && !memcmp(labels->shape, x->shape, (size_t)labels->ndim * sizeof *x->shape))
    return call_shape(c, labels->ndim, labels->shape);
  return call_fail(c, "labels must be a number for each row of x (...,C), got %s for x %s", tensor_shape_text(labels),
                   tensor_shape_text(x));
}

typedef struct Job {
  const real *x, *labels, *g;
  real *log_p, *y; /* y: losses, or the gradient by x */
  long classes;
} Job;

static void lose_rows(void *job, long from, long to) {
  const Job *j = job;
  for (long row = from; row < to; row++) {
    log_softmax_columns(j->log_p + row * j->classes, j->x + row * j->classes, j->classes, 1, 1);
    j->y[row] = -j->log_p[row * j->classes + (long)j->labels[row] - 1];
  }
}

/* g (p - 1) at the label and g p elsewhere: minus what log_softmax's gradient makes of g at the label */
static void slope_rows(void *job, long from, long to) {
  const Job *j = job;
  for (long row = from; row < to; row++) {
    real *dx = j->y + row * j->classes;
    memset(dx, 0, (size_t)j->classes * sizeof *dx);
    dx[(long)j->labels[row] - 1] = -j->g[row];
    log_softmax_slope(dx, dx, j->log_p + row * j->classes, j->classes, 1, 1);
  }
}

static bool cross_entropy_forward(Call *c) {
  Tensor *x = c->in[0], *labels = c->in[1];
  const long rows = tensor_numel(labels), classes = x->shape[x->ndim - 1];
  if (!call_check_indices(c, labels, classes)) return false;
  c->extra[0] = tensor_new(x->ndim, x->shape);
  if (!c->extra[0]) return false;
  workers_for(rows, ROWS, lose_rows, &(Job){x->data, labels->data, NULL, c->extra[0]->data, c->out->data, classes});
  return true;
}

/* g softmax(x), and -g at the labels */
static void cross_entropy_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *labels = c->in[1];
  long column[NN_DIMS];
  memcpy(column, x->shape, sizeof column);
  column[x->ndim - 1] = 1;
  Tensor *at = tensor_reshape(labels, x->ndim, column), *each = tensor_reshape(g, x->ndim, column);
  d[0] = tensor_scatter_add(tensor_mul(tensor_softmax(x, -1), each), -1, at, tensor_neg(each));
}

static void cross_entropy_fused(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *labels = c->in[1];
  d[0] = tensor_own(tensor_new(x->ndim, x->shape));
  Job j = {NULL, labels->data, g->data, c->extra[0]->data, d[0] ? d[0]->data : NULL, x->shape[x->ndim - 1]};
  if (d[0]) workers_for(tensor_numel(labels), ROWS, slope_rows, &j);
}

static const Op cross_entropy_row = {"cross_entropy",
                                     "x, labels:constant",
                                     "Minus the log-probability that each row of logits x (...,C) gives to its label, from 1 to C.",
                                     "tensor.randn(4,3):cross_entropy(tensor{1,3,2,1})\n"
                                     "tensor.randn(2,2,5):cross_entropy(tensor{{1,5},{3,3}})",
                                     .shape = cross_entropy_shape,
                                     .forward = cross_entropy_forward,
                                     .backward = cross_entropy_backward,
                                     .fused = cross_entropy_fused,
                                     .needs = "x labels"};

Tensor *tensor_cross_entropy(Tensor *x, Tensor *labels) {
  return op_call(&cross_entropy_row, 2, (Tensor *[]){x, labels}, NULL);
}

const Op *const ops_loss[] = {&bce_with_logits_row, &bce_slope_row, &cross_entropy_row, NULL};
