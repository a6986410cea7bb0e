/* Products of matrices: our own, or OpenBLAS's with GANDER_BLAS=1. */
#include <string.h>

#include "../kernels/activate.h"
#include "../kernels/blas.h"
#include "../row.h"
#include "each.h"

enum { GRAIN = 64 }; /* rows */

static void add_bias(void *job, long from, long to) {
  const Multiply *m = job;
  for (long row = from; row < to; row++)
    for (long i = 0; i < m->n; i++) m->c[row * m->n + i] += m->bias[i];
}

static bool multiply(const Multiply *m) {
  work_add((double)m->batch * (double)m->m * (double)m->n * (double)m->k);
  if (!m->batch || !m->m || !m->n) return true;
  if (m->k && !blas_wanted()) return multiply_run(m);
  if (!m->k)
    memset(m->c, 0, (size_t)(m->batch * m->m * m->n) * sizeof(real));
  else if (!blas_multiply(m))
    return false;
  if (m->bias) workers_for(m->batch * m->m, GRAIN, add_bias, (void *)m);
  activate_all(m->c, m->batch * m->m * m->n, m->then);
  return true;
}

/* ---- matmul: c = a b ---- */

/* The sides of the product; a vector is a matrix of one row (a) or one column (b). */
static void sides(const Tensor *a, const Tensor *b, long *m, long *k, long *n) {
  *m = a->ndim > 1 ? a->shape[a->ndim - 2] : 1;
  *k = a->shape[a->ndim - 1];
  *n = b->ndim > 1 ? b->shape[b->ndim - 1] : 1;
}

static int lead(const Tensor *t) {
  return t->ndim > 2 ? t->ndim - 2 : 0;
}

static bool matmul_shape(Call *c) {
  Tensor *a = c->in[0], *b = c->in[1];
  if (!a->ndim || !b->ndim)
    return call_fail(c, "takes matrices or vectors, got %s and %s", tensor_shape_text(a), tensor_shape_text(b));
  long m, k, n, shape[NN_DIMS + 2];
  int leading;
  sides(a, b, &m, &k, &n);
  if (b->shape[b->ndim > 1 ? b->ndim - 2 : 0] != k)
    return call_fail(c, "a's columns must equal b's rows, got %s and %s", tensor_shape_text(a), tensor_shape_text(b));
  if (!broadcast_shapes(lead(a), a->shape, lead(b), b->shape, &leading, shape))
    return call_fail(c, "the leading dimensions do not broadcast, got %s and %s", tensor_shape_text(a), tensor_shape_text(b));
  if (a->ndim > 1) shape[leading++] = m;
  if (b->ndim > 1) shape[leading++] = n;
  return call_shape(c, leading, shape);
}

/* Where matrix i of the result's batch begins in t, whose leading dimensions are broadcast. */
static long matrix_at(const Tensor *t, int ndim, const long *batch, long i, long size) {
  long at = 0, step = size;
  for (int d = 1; d <= ndim; d++) {
    long place = i % batch[ndim - d];
    i /= batch[ndim - d];
    if (d > lead(t)) continue;
    long extent = t->shape[lead(t) - d];
    if (extent > 1) at += place * step;
    step *= extent;
  }
  return at;
}

static bool matmul_forward(Call *c) {
  Tensor *a = c->in[0], *b = c->in[1];
  Multiply p = {.batch = 1, .a = a->data, .b = b->data, .c = c->out->data};
  sides(a, b, &p.m, &p.k, &p.n);
  int leading = c->ndim - (a->ndim > 1) - (b->ndim > 1);
  for (int i = 0; i < leading; i++) p.batch *= c->shape[i];
  if (lead(b) == 0) { /* one b for all: the batch is more rows */
    p.m *= p.batch, p.batch = 1;
    p.keep = keeper(b);
    return multiply(&p);
  }
  long *at = memory_new((size_t)p.batch * 2 * sizeof *at + 1);
  if (!at) return false;
  for (long i = 0; i < p.batch; i++) {
    at[i] = matrix_at(a, leading, c->shape, i, p.m * p.k);
    at[p.batch + i] = matrix_at(b, leading, c->shape, i, p.k * p.n);
  }
  p.a_at = at;
  p.b_at = at + p.batch;
  bool ok = multiply(&p);
  memory_free(at);
  return ok;
}

static Tensor *as_matrix(Tensor *t, bool column) {
  if (!t || t->ndim != 1) return t;
  return tensor_reshape(t, 2, column ? (long[]){t->shape[0], 1} : (long[]){1, t->shape[0]});
}

/* Of the last two sides; a row or a column stays where it is. */
static Tensor *turned(Tensor *t) {
  if (!t || (t->shape[t->ndim - 1] != 1 && t->shape[t->ndim - 2] != 1)) return tensor_transpose(t, -1, -2);
  long shape[NN_DIMS];
  memcpy(shape, t->shape, sizeof shape);
  shape[t->ndim - 1] = t->shape[t->ndim - 2], shape[t->ndim - 2] = t->shape[t->ndim - 1];
  return tensor_reshape(t, t->ndim, shape);
}

/* a bT and aT b, for which large matrices are not turned where vectors will do. */
static Tensor *times_turned(Tensor *a, Tensor *b) {
  if (a && a->shape[a->ndim - 2] == 1) return turned(tensor_matmul(b, turned(a)));
  return tensor_matmul(a, turned(b));
}
static Tensor *turned_times(Tensor *a, Tensor *b) {
  if (b && b->shape[b->ndim - 1] == 1) return turned(tensor_matmul(turned(b), a));
  return tensor_matmul(turned(a), b);
}

/* da = g bT, db = aT g; what was broadcast is summed. */
static void matmul_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *a = as_matrix(c->in[0], false), *b = as_matrix(c->in[1], true);
  if (c->in[0]->ndim == 1 || c->in[1]->ndim == 1) { /* give g back the side that a vector took away */
    long shape[NN_DIMS], m, k, n;
    int leading = c->ndim - (c->in[0]->ndim > 1) - (c->in[1]->ndim > 1);
    sides(c->in[0], c->in[1], &m, &k, &n);
    memcpy(shape, c->shape, sizeof shape);
    shape[leading] = m, shape[leading + 1] = n;
    g = tensor_reshape(g, leading + 2, shape);
  }
  if (c->want[0]) {
    Tensor *da = b && b->ndim == 2 ? tensor_linear(g, b, NULL) : times_turned(g, b);
    da = da ? tensor_sum_to(da, a->ndim, a->shape) : NULL;
    d[0] = da ? tensor_reshape(da, c->in[0]->ndim, c->in[0]->shape) : NULL;
  }
  if (c->want[1]) {
    Tensor *db = b && b->ndim == 2 ? tensor_linear_weight(g, a) : turned_times(a, g);
    db = db ? tensor_sum_to(db, b->ndim, b->shape) : NULL;
    d[1] = db ? tensor_reshape(db, c->in[1]->ndim, c->in[1]->shape) : NULL;
  }
}

static const Op matmul = {"matmul",
                          "a, b",
                          "Matrix product of a (...,m,k) and b (...,k,n); leading dimensions broadcast, vectors act as in NumPy.",
                          "tensor.randn(2,3):matmul(tensor.randn(3,4))\n"
                          "tensor.randn(5,2,3):matmul(tensor.randn(3,4))\n"
                          "tensor.randn(2,1,2,3):matmul(tensor.randn(4,3,2))\n"
                          "tensor.randn(3):matmul(tensor.randn(3,4))\n"
                          "tensor.randn(2,3):matmul(tensor.randn(3))",
                          .shape = matmul_shape,
                          .forward = matmul_forward,
                          .backward = matmul_backward,
                          .needs = "a b"};

Tensor *tensor_matmul(Tensor *a, Tensor *b) {
  return op_call(&matmul, 2, (Tensor *[]){a, b}, NULL);
}

/* ---- linear: y = x weightT + bias ---- */

static bool linear_shape(Call *c) {
  Tensor *x = c->in[0], *w = c->in[1], *b = c->n > 2 ? c->in[2] : NULL;
  if (w->ndim != 2) return call_fail(c, "weight must be (out,in), got %s", tensor_shape_text(w));
  if (!x->ndim || x->shape[x->ndim - 1] != w->shape[1])
    return call_fail(c, "the last dimension of x must be %ld, got %s", w->shape[1], tensor_shape_text(x));
  if (b && (b->ndim != 1 || b->shape[0] != w->shape[0]))
    return call_fail(c, "bias must be (%ld), got %s", w->shape[0], tensor_shape_text(b));
  call_same(c);
  c->shape[c->ndim - 1] = w->shape[0];
  return true;
}

static bool linear_run(Call *c, Activation then) {
  Tensor *x = c->in[0], *w = c->in[1], *b = c->n > 2 ? c->in[2] : NULL;
  long rows = w->shape[1] ? tensor_numel(x) / w->shape[1] : tensor_numel(c->out) / (w->shape[0] ? w->shape[0] : 1);
  const Multiply m = {.batch = 1,
                      .m = rows,
                      .k = w->shape[1],
                      .n = w->shape[0],
                      .a = x->data,
                      .b = w->data,
                      .c = c->out->data,
                      .bias = b ? b->data : NULL,
                      .then = then,
                      .b_transposed = true,
                      .keep = keeper(w)};
  return multiply(&m);
}

static bool linear_forward(Call *c) {
  return linear_run(c, (Activation){0});
}

/* dx = g weight, dweight = gT x, dbias = sum of g over the rows */
static void linear_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *w = c->in[1];
  if (c->want[0]) d[0] = tensor_matmul(g, w);
  if (c->want[1]) d[1] = tensor_linear_weight(x, g);
  if (c->n > 2 && c->want[2]) d[2] = tensor_sum_to(g, 1, &w->shape[0]);
}

static const Op linear = {"linear",
                          "x, weight, bias?",
                          "x (...,in) times the transpose of weight (out,in), plus bias (out).",
                          "tensor.randn(2,3):linear(tensor.randn(4,3), tensor.randn(4))\n"
                          "tensor.randn(2,2,3):linear(tensor.randn(4,3))",
                          .shape = linear_shape,
                          .forward = linear_forward,
                          .backward = linear_backward,
                          .needs = "x weight"};

Tensor *tensor_linear(Tensor *x, Tensor *weight, Tensor *bias) {
  return op_call(&linear, 3, (Tensor *[]){x, weight, bias}, NULL);
}

static bool linear_activated_shape(Call *c) {
  return activated_shape(c, &linear, 0);
}

static bool linear_activated_forward(Call *c) {
  return linear_run(c, activation_read(c->param));
}

static void linear_activated_backward(Call *c, Tensor *g, Tensor **d) {
  linear_backward(c, activation_gradient(activation_read(c->param), g, c->out), d);
}

static const Op linear_activated = {"linear_activated",
                                    "x, weight, bias?, " ACTIVATION_ARGS,
                                    "linear and an activation of its result in one go, as nn.Sequential calls them.",
                                    "tensor.randn(2,3):linear_activated(tensor.randn(4,3), tensor.randn(4), \"sigmoid\")\n"
                                    "tensor.randn(5,3):linear_activated(tensor.randn(2,3), nil, \"leaky_relu\", 0.2)",
                                    .shape = linear_activated_shape,
                                    .forward = linear_activated_forward,
                                    .backward = linear_activated_backward,
                                    .needs = "x weight out"};

Tensor *tensor_linear_activated(Tensor *x, Tensor *weight, Tensor *bias, Activation a) {
  Param p[2];
  activation_write(p, a);
  return op_call(&linear_activated, 3, (Tensor *[]){x, weight, bias}, p);
}

/* ---- linear_weight: the gradient of linear by weight, gradT x ---- */

static bool linear_weight_shape(Call *c) {
  Tensor *x = c->in[0], *g = c->in[1];
  bool fits = x->ndim && x->ndim == g->ndim;
  for (int i = 0; fits && i < x->ndim - 1; i++) fits = x->shape[i] == g->shape[i];
  if (!fits)
    return call_fail(c, "x and grad must have the same shape but for the last dimension, got %s and %s", tensor_shape_text(x),
                     tensor_shape_text(g));
  return call_shape(c, 2, (long[]){g->shape[g->ndim - 1], x->shape[x->ndim - 1]});
}

static bool linear_weight_forward(Call *c) {
  Tensor *x = c->in[0], *g = c->in[1];
  long rows = 1;
  for (int i = 0; i < x->ndim - 1; i++) rows *= x->shape[i];
  return multiply(&(Multiply){.batch = 1,
                              .m = c->shape[0],
                              .k = rows,
                              .n = c->shape[1],
                              .a = g->data,
                              .b = x->data,
                              .c = c->out->data,
                              .a_transposed = true});
}

static void linear_weight_backward(Call *c, Tensor *u, Tensor **d) {
  if (c->want[0]) d[0] = tensor_matmul(c->in[1], u);
  if (c->want[1]) d[1] = tensor_linear(c->in[0], u, NULL);
}

static const Op linear_weight = {
    "linear_weight",
    "x, grad",
    "Gradient of linear by its weight (out,in); grad (...,out) is the gradient of its result for x (...,in).",
    "tensor.randn(5,3):linear_weight(tensor.randn(5,4))\n"
    "tensor.randn(2,2,3):linear_weight(tensor.randn(2,2,1))",
    .shape = linear_weight_shape,
    .forward = linear_weight_forward,
    .backward = linear_weight_backward,
    .needs = "x grad"};

Tensor *tensor_linear_weight(Tensor *x, Tensor *grad) {
  return op_call(&linear_weight, 2, (Tensor *[]){x, grad}, NULL);
}

const Op *const ops_matmul[] = {&matmul, &linear, &linear_activated, &linear_weight, NULL};
