/* Checking an op's derivatives against central differences, at the arguments of a real call.
 *
 * With random weights r and directions v, f(x) = sum(r * op(x)) is compared in its gradient by x, and
 * h(x, r) = sum(v * df/dx) in its gradient by x and by r: every first and second derivative of the op takes part. */
#include <math.h>
#include <stdio.h>

#include "row.h"

enum { MOST_TENSORS = 16 };

typedef struct Check {
  const Op *op;
  const Param *param;
  Random random; /* restored before each evaluation, so that random ops repeat themselves */
  int n, vars;
  Tensor *in[MOST_TENSORS];      /* copies; those that vary require a gradient */
  Tensor *var[MOST_TENSORS + 1]; /* the ones that vary, then r */
  Tensor *direction[MOST_TENSORS];
} Check;

static const Op *watched;
static GradCheck result;

void gradcheck_watch(const Op *op) {
  watched = op;
  result = (GradCheck){.ok = true};
}

GradCheck gradcheck_result(void) {
  watched = NULL;
  return result;
}

static Tensor *weighted_sum(Tensor *x, Tensor *weights) {
  return tensor_sum(tensor_mul(x, weights), 0, NULL, false);
}

static Tensor *evaluate(Check *k) {
  *random_current() = k->random;
  return op_call(k->op, k->n, k->in, k->param);
}

static double value_f(Check *k) {
  size_t scope = scope_enter();
  bool was = grad_enable(false);
  double f = tensor_item(weighted_sum(evaluate(k), k->var[k->vars]));
  grad_enable(was);
  scope_leave(scope, NULL);
  return f;
}

static Tensor *graph_h(Check *k) {
  Tensor *grads[MOST_TENSORS], *h = tensor_scalar(0), *f = weighted_sum(evaluate(k), k->var[k->vars]);
  if (!tensor_gradients(f, NULL, k->vars, k->var, GRAD_CREATE_GRAPH, grads)) return NULL;
  for (int i = 0; i < k->vars; i++) h = tensor_add(h, weighted_sum(grads[i], k->direction[i]));
  return h;
}

static double value_h(Check *k) {
  size_t scope = scope_enter();
  double h = tensor_item(graph_h(k));
  scope_leave(scope, NULL);
  return h;
}

static void put(Tensor *t, long i, double x) {
  bool was = grad_enable(false);
  if (tensor_begin_write(t, "gradcheck")) t->data[i] = (real)x;
  grad_enable(was);
}

/* The worst difference between the gradients and central differences of `value`, relative to their size, goes to *worst, and in
 * words to `where` when there is no worse one. */
static void compare(Check *k, int vars, Tensor *const *grads, double (*value)(Check *), const char *what, double *worst) {
  const double step = 1e-5;
  for (int v = 0; v < vars; v++)
    for (long i = 0, n = tensor_numel(k->var[v]); i < n && !nn_failed(); i++) {
      double held = (double)k->var[v]->data[i];
      put(k->var[v], i, held + step);
      double above = value(k);
      put(k->var[v], i, held - step);
      double below = value(k);
      put(k->var[v], i, held);
      double numeric = (above - below) / (2 * step), analytic = (double)grads[v]->data[i];
      double error = fabs(numeric - analytic) / fmax(1, fmax(fabs(numeric), fabs(analytic)));
      if (isnan(error)) error = INFINITY;
      if (error > fmax(result.first, result.second))
        snprintf(result.where, sizeof result.where, "%s derivative, tensor %d element %ld: %.12g, differences give %.12g", what,
                 v + 1, i + 1, analytic, numeric);
      *worst = fmax(*worst, error);
    }
}

static void prepare(Check *k, Tensor *const *in) {
  const Signature *s = op_signature(k->op);
  int slot = 0;
  for (int a = 0; a < s->count; a++) {
    ArgKind kind = s->arg[a].kind;
    if (kind != ARG_TENSOR && kind != ARG_CONSTANT && kind != ARG_TENSORS) continue;
    int until = kind == ARG_TENSORS ? k->n - (s->tensors - slot - 1) : slot + 1;
    for (; slot < until && slot < k->n; slot++) {
      if (!in[slot]) continue;
      k->in[slot] = tensor_from(in[slot]->ndim, in[slot]->shape, in[slot]->data);
      if (kind == ARG_CONSTANT || !k->in[slot]) continue;
      tensor_set_requires_grad(k->in[slot], true);
      k->direction[k->vars] = tensor_randn(in[slot]->ndim, in[slot]->shape);
      k->var[k->vars++] = k->in[slot];
    }
  }
}

static void check(Check *k, Tensor *const *in) {
  Tensor *grads[MOST_TENSORS + 1];
  prepare(k, in);
  k->random = *random_current();
  Tensor *out = evaluate(k);
  if (!out || !k->vars) return;
  Tensor *r = k->var[k->vars] = tensor_detach(tensor_randn(out->ndim, out->shape));
  k->random = *random_current();
  for (int road = 0; road <= (k->op->fused != NULL); road++) {
    const int flags = road ? GRAD_CREATE_GRAPH : 0;
    if (!tensor_gradients(weighted_sum(evaluate(k), r), NULL, k->vars, k->var, flags, grads)) return;
    compare(k, k->vars, grads, value_f, "first", &result.first);
  }
  tensor_set_requires_grad(r, true);
  Tensor *h = graph_h(k);
  if (!h) return;
  if (h->node && !tensor_gradients(h, NULL, k->vars + 1, k->var, 0, grads)) return;
  if (!h->node)
    for (int i = 0; i <= k->vars; i++) grads[i] = tensor_zeros(k->var[i]->ndim, k->var[i]->shape);
  compare(k, k->vars + 1, grads, value_h, "second", &result.second);
}

void gradcheck_call(Call *c, Tensor *const *in) {
  if (c->op != watched || c->n > MOST_TENSORS) return;
  watched = NULL;
  result.called = true;
  if (!c->op->backward) return;
  Random *stream = random_current(), random = *stream;
  size_t scope = scope_enter();
  bool was = grad_enable(true);
  check(&(Check){.op = c->op, .param = c->param, .n = c->n}, in);
  if (nn_failed()) snprintf(result.where, sizeof result.where, "%s", nn_error());
  result.ok = !nn_failed() && result.first <= 1e-6 && result.second <= 1e-6;
  nn_clear_error();
  grad_enable(was);
  scope_leave(scope, NULL);
  *stream = random;
}
