/* Walking over tensors that broadcast together, as few and as long runs as their shapes allow. */
#include "each.h"

enum { GRAIN = 16384, OPERANDS = 3, NUMBERS = 4 };

/* Dimensions from the innermost outwards; those that all operands pass through alike are joined into one. */
typedef struct Walk {
  void (*kernel)(const Run *);
  int n, ndim;
  long shape[NN_DIMS], stride[OPERANDS][NN_DIMS];
  real *y;
  const real *x[OPERANDS], *p;
} Walk;

static bool joins(const Walk *w, const long *stride) {
  for (int k = 0; k < w->n; k++)
    if (stride[k] != w->stride[k][w->ndim - 1] * w->shape[w->ndim - 1]) return false;
  return true;
}

static void add_dim(Walk *w, long extent, const long *stride) {
  if (extent == 1) return;
  if (w->ndim && joins(w, stride)) {
    w->shape[w->ndim - 1] *= extent;
    return;
  }
  w->shape[w->ndim] = extent;
  for (int k = 0; k < w->n; k++) w->stride[k][w->ndim] = stride[k];
  w->ndim++;
}

static void plan(Walk *w, const Call *c) {
  long size[OPERANDS] = {1, 1, 1}; /* of what lies inside dimension d of each operand */
  for (int d = 1; d <= c->ndim; d++) {
    long stride[OPERANDS] = {0};
    for (int k = 0; k < w->n; k++) {
      const Tensor *x = c->in[k];
      long extent = d <= x->ndim ? x->shape[x->ndim - d] : 1;
      if (extent > 1) stride[k] = size[k];
      size[k] *= extent;
    }
    add_dim(w, c->shape[c->ndim - d], stride);
  }
  if (!w->ndim) w->shape[w->ndim++] = 1; /* of one element */
}

static void walk(void *job, long from, long to) {
  const Walk *w = job;
  long place[NN_DIMS], at[OPERANDS] = {0}, rest = from;
  Run run = {.p = w->p};
  for (int d = 0; d < w->ndim; d++) {
    place[d] = rest % w->shape[d];
    rest /= w->shape[d];
    for (int k = 0; k < w->n; k++) at[k] += place[d] * w->stride[k][d];
  }
  for (int k = 0; k < w->n; k++) run.step[k] = w->stride[k][0];
  while (from < to) {
    run.n = w->shape[0] - place[0] < to - from ? w->shape[0] - place[0] : to - from;
    run.y = w->y + from;
    for (int k = 0; k < w->n; k++) run.x[k] = w->x[k] + at[k];
    w->kernel(&run);
    from += run.n;
    for (int k = 0; k < w->n; k++) at[k] -= place[0] * run.step[k];
    place[0] = 0; /* whenever there is more to do, the run went to the end of its row */
    for (int d = 1; d < w->ndim; d++) {
      for (int k = 0; k < w->n; k++) at[k] += w->stride[k][d];
      if (++place[d] < w->shape[d]) break;
      for (int k = 0; k < w->n; k++) at[k] -= w->shape[d] * w->stride[k][d];
      place[d] = 0;
    }
  }
}

bool call_each(Call *c, void (*kernel)(const Run *), const real *p) {
  real numbers[NUMBERS] = {0};
  int given = op_signature(c->op)->params;
  for (int i = 0; i < given && i < NUMBERS && !p; i++) numbers[i] = (real)c->param[i].number;
  Walk w = {.kernel = kernel, .n = c->n, .y = c->out->data, .p = p ? p : numbers};
  for (int k = 0; k < w.n; k++) w.x[k] = c->in[k]->data;
  plan(&w, c);
  workers_for(tensor_numel(c->out), GRAIN, walk, &w);
  return true;
}

bool call_alike(Call *c) {
  if (!tensor_same_shape(c->in[0], c->in[1]))
    return call_fail(c, "both tensors must have the same shape, got %s and %s", tensor_shape_text(c->in[0]),
                     tensor_shape_text(c->in[1]));
  return call_same(c);
}
