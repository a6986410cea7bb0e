/* Softmax and its logarithm along one dimension, and the logarithm of sums of powers of e. */
#include <math.h>

#include "../kernels/softmax.h"
#include "each.h"
#include "fold.h"

enum { GRAIN = 4096 };

/* A tensor seen as (outer, count, inner), worked on by columns: pieces are (outer, chunk of inner). */
typedef struct Columns {
  void (*rows)(real *y, const real *x, long rows, long n);                    /* `one` where each is a row */
  void (*rows_two)(real *y, const real *g, const real *x, long rows, long n); /* and `two` */
  void (*one)(real *y, const real *x, long count, long stride, long width);
  void (*two)(real *y, const real *g, const real *x, long count, long stride, long width);
  real *y;
  const real *g, *x;
  long count, inner, chunks;
} Columns;

static void run_columns(void *job, long from, long to) {
  const Columns *s = job;
  if (s->inner == 1 && s->rows) {
    s->rows(s->y + from * s->count, s->x + from * s->count, to - from, s->count);
    return;
  }
  if (s->inner == 1 && s->rows_two) {
    s->rows_two(s->y + from * s->count, s->g + from * s->count, s->x + from * s->count, to - from, s->count);
    return;
  }
  for (long piece = from; piece < to; piece++) {
    long column = piece % s->chunks * SOFTMAX_WIDTH, at = piece / s->chunks * s->count * s->inner + column;
    long width = s->inner - column < SOFTMAX_WIDTH ? s->inner - column : SOFTMAX_WIDTH;
    if (s->one)
      s->one(s->y + at, s->x + at, s->count, s->inner, width);
    else
      s->two(s->y + at, s->g + at, s->x + at, s->count, s->inner, width);
  }
}

static bool along(Call *c, Columns s) {
  const Tensor *t = c->out;
  int dim = (int)c->param[0].number;
  long outer = 1;
  if (!tensor_numel(t)) return true;
  if (dim < 0) dim += t->ndim;
  s.count = s.inner = 1;
  for (int i = 0; i < t->ndim; i++) *(i < dim ? &outer : i == dim ? &s.count : &s.inner) *= t->shape[i];
  s.chunks = (s.inner + SOFTMAX_WIDTH - 1) / SOFTMAX_WIDTH;
  s.y = t->data;
  long work = s.count * (s.inner < SOFTMAX_WIDTH ? s.inner : SOFTMAX_WIDTH);
  workers_for(outer * s.chunks, GRAIN / work + 1, run_columns, &s);
  return true;
}

static bool check_dim(Call *c) {
  int ndim = c->in[0]->ndim;
  long dim = (long)c->param[0].number;
  if (!ndim) return call_fail(c, "x must have at least one dimension, got %s", tensor_shape_text(c->in[0]));
  return dim_check(ndim, &dim) || call_failed(c);
}

static bool along_shape(Call *c) {
  return check_dim(c) && call_same(c);
}

static bool slope_shape(Call *c) {
  return check_dim(c) && call_alike(c);
}

static Tensor *sum_along(Call *c, Tensor *t) {
  return tensor_sum(t, 1, (long[]){(long)c->param[0].number}, true);
}

/* ---- softmax ---- */

static void softmax_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool softmax_backward_forward(Call *c) {
  return along(c, (Columns){.rows_two = softmax_rows_slope, .two = softmax_slope, .g = c->in[0]->data, .x = c->in[1]->data});
}

static const Op softmax_backward_row = {"softmax_backward",
                                        "grad, y, dim:dim=-1",
                                        "softmax's gradient: y (grad - sum of grad y), y being softmax's result.",
                                        "tensor.randn(2,3):softmax_backward(tensor.rand(2,3))\n"
                                        "tensor.randn(2,3):softmax_backward(tensor.rand(2,3), 1)",
                                        .shape = slope_shape,
                                        .forward = softmax_backward_forward,
                                        .backward = softmax_backward_backward,
                                        .needs = "grad y"};

/* dg = y (v - sum of v y), dy = v (g - sum of g y) - g (sum of v y) */
static void softmax_backward_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *y = c->in[1];
  if (c->want[0]) d[0] = op_call(&softmax_backward_row, 2, (Tensor *[]){v, y}, c->param);
  if (!c->want[1]) return;
  Tensor *gy = sum_along(c, tensor_mul(g, y)), *vy = sum_along(c, tensor_mul(v, y));
  d[1] = tensor_sub(tensor_mul(v, tensor_sub(g, gy)), tensor_mul(g, vy));
}

static bool softmax_forward(Call *c) {
  return along(c, (Columns){.rows = softmax_rows, .one = softmax_columns, .x = c->in[0]->data});
}

static void softmax_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = op_call(&softmax_backward_row, 2, (Tensor *[]){g, c->out}, c->param);
}

static const Op softmax_row = {"softmax",
                               "x, dim:dim=-1",
                               "e^x along a dimension, divided by its sum: positive numbers that add up to 1.",
                               "tensor.randn(2,3):softmax()\n"
                               "tensor.randn(2,3,4):softmax(2)",
                               .shape = along_shape,
                               .forward = softmax_forward,
                               .backward = softmax_backward,
                               .needs = "out"};

Tensor *tensor_softmax(Tensor *x, long dim) {
  return op_call(&softmax_row, 1, &x, &(Param){.number = (double)dim});
}

/* ---- log_softmax ---- */

static void log_softmax_backward_backward(Call *c, Tensor *v, Tensor **d);

static bool log_softmax_backward_forward(Call *c) {
  return along(c, (Columns){.two = log_softmax_slope, .g = c->in[0]->data, .x = c->in[1]->data});
}

static const Op log_softmax_backward_row = {"log_softmax_backward",
                                            "grad, y, dim:dim=-1",
                                            "log_softmax's gradient: grad - e^y (sum of grad), y being log_softmax's result.",
                                            "tensor.randn(2,3):log_softmax_backward(tensor.randn(2,3))\n"
                                            "tensor.randn(2,3):log_softmax_backward(tensor.randn(2,3), 1)",
                                            .shape = slope_shape,
                                            .forward = log_softmax_backward_forward,
                                            .backward = log_softmax_backward_backward,
                                            .needs = "grad y"};

/* dg = v - sum of v e^y, dy = -v e^y (sum of g) */
static void log_softmax_backward_backward(Call *c, Tensor *v, Tensor **d) {
  Tensor *g = c->in[0], *powers = tensor_mul(v, tensor_exp(c->in[1]));
  if (c->want[0]) d[0] = tensor_sub(v, sum_along(c, powers));
  if (c->want[1]) d[1] = tensor_mul(powers, tensor_neg(sum_along(c, g)));
}

static bool log_softmax_forward(Call *c) {
  return along(c, (Columns){.rows = log_softmax_rows, .one = log_softmax_columns, .x = c->in[0]->data});
}

static void log_softmax_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = op_call(&log_softmax_backward_row, 2, (Tensor *[]){g, c->out}, c->param);
}

static const Op log_softmax_row = {"log_softmax",
                                   "x, dim:dim=-1",
                                   "Logarithm of softmax, exact where softmax is close to 0.",
                                   "tensor.randn(2,3):log_softmax()\n"
                                   "tensor.randn(2,3,4):log_softmax(2)",
                                   .shape = along_shape,
                                   .forward = log_softmax_forward,
                                   .backward = log_softmax_backward,
                                   .needs = "out"};

Tensor *tensor_log_softmax(Tensor *x, long dim) {
  return op_call(&log_softmax_row, 1, &x, &(Param){.number = (double)dim});
}

/* ---- logsumexp ---- */

static void log_and_shift(double *folded, const real *largest, long n, double number) {
  (void)number;
  for (long i = 0; i < n; i++) folded[i] = log(folded[i]) + (double)largest[i];
}

static bool logsumexp_forward(Call *c) {
  Folded f;
  long n = tensor_numel(c->out);
  Storage *largest = storage_new((size_t)n * sizeof(real));
  bool ok = largest && fold_see(&f, c->in[0], &c->param[0]) && fold(&f, &fold_largest, largest->data, NULL, NULL, 0);
  real *shift = ok ? largest->data : NULL;
  for (long i = 0; i < n && ok; i++)
    if (isinf(shift[i])) shift[i] = 0; /* infinity less infinity is no number */
  ok = ok && fold(&f, &fold_exps, c->out->data, shift, log_and_shift, 0);
  storage_drop(largest);
  return ok;
}

/* g e^(x - out) */
static void logsumexp_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(fold_like(c, g), tensor_exp(tensor_sub(c->in[0], fold_like(c, c->out))));
}

static const Op logsumexp_row = {"logsumexp",
                                 "x, dims:dims=nil, keepdim:boolean=false",
                                 "log of the sum of e^x over the given dimensions, or over all, without overflow.",
                                 "tensor.randn(2,3):logsumexp()\n"
                                 "tensor.randn(2,3,4):logsumexp(2)\n"
                                 "tensor.randn(2,3,4):logsumexp({1,3}, true)",
                                 .shape = fold_shape,
                                 .forward = logsumexp_forward,
                                 .backward = logsumexp_backward,
                                 .needs = "x out"};

Tensor *tensor_logsumexp(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&logsumexp_row, x, count, dims, keepdim, false);
}

const Op *const ops_softmax[] = {&softmax_row, &softmax_backward_row, &log_softmax_row, &log_softmax_backward_row, &logsumexp_row,
                                 NULL};
