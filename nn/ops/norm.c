/* Normalisation and dropout. batch_norm looks at x (...,C) down the columns of a matrix (R,C), layer_norm along its rows. */
#include <math.h>
#include <string.h>

#include "../row.h"

enum { ROWS = 512, COLUMNS = 64 }; /* of a piece of work: fixed, so that sums do not depend on threads */

static long last(const Tensor *x) {
  return x->shape[x->ndim - 1];
}

static Tensor *as_rows(Tensor *x) {
  return x ? tensor_reshape(x, 2, (long[]){last(x) ? tensor_numel(x) / last(x) : 0, last(x)}) : NULL;
}

static bool check_vector(Call *c, int i, const char *name, long n) {
  Tensor *v = c->n > i ? c->in[i] : NULL;
  if (!v || (v->ndim == 1 && v->shape[0] == n)) return true;
  return call_fail(c, "%s must be (%ld), as the last dimension of x, got %s", name, n, tensor_shape_text(v));
}

static const real *values(Call *c, int i) {
  return c->n > i && c->in[i] ? c->in[i]->data : NULL;
}

/* ---- sums down the columns ---- */

/* Adds up two functions of each element (row r, column c) of a matrix. */
typedef struct Columns {
  const real *x, *g;  /* g may be NULL: sums of x and of (x - mean)^2, else of g and of g * (x - mean) */
  const double *mean; /* NULL: zero */
  long rows, n;       /* rows and columns */
  double *sums;       /* for each band of rows, 2 n of them */
} Columns;

static void column_piece(void *job, long from, long to) {
  const Columns *s = job;
  long bands = (s->n + COLUMNS - 1) / COLUMNS;
  for (long piece = from; piece < to; piece++) {
    long row = piece / bands * ROWS, until = row + ROWS < s->rows ? row + ROWS : s->rows;
    long first = piece % bands * COLUMNS, n = s->n - first < COLUMNS ? s->n - first : COLUMNS;
    double a[COLUMNS] = {0}, b[COLUMNS] = {0}, mean[COLUMNS] = {0};
    if (s->mean) memcpy(mean, s->mean + first, (size_t)n * sizeof *mean);
    for (; row < until; row++) {
      const real *x = s->x + row * s->n + first, *g = s->g ? s->g + row * s->n + first : NULL;
      if (g)
        for (long i = 0; i < n; i++) a[i] += g[i], b[i] += g[i] * (x[i] - mean[i]);
      else
        for (long i = 0; i < n; i++) a[i] += x[i], b[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
    }
    double *sums = s->sums + piece / bands * 2 * s->n + first;
    memcpy(sums, a, (size_t)n * sizeof *a);
    memcpy(sums + s->n, b, (size_t)n * sizeof *b);
  }
}

/* first[n] and second[n] are the sums over all rows. */
static bool column_sums(const real *x, const real *g, const double *mean, long rows, long n, double *first, double *second) {
  long bands = (rows + ROWS - 1) / ROWS;
  double *sums = memory_new((size_t)(bands * 2 * n) * sizeof *sums);
  if (!sums) return false;
  workers_for(bands * ((n + COLUMNS - 1) / COLUMNS), 1, column_piece, &(Columns){x, g, mean, rows, n, sums});
  for (long i = 0; i < n; i++) first[i] = second[i] = 0;
  for (long band = 0; band < bands; band++)
    for (long i = 0; i < n; i++) first[i] += sums[band * 2 * n + i], second[i] += sums[band * 2 * n + n + i];
  memory_free(sums);
  return true;
}

/* ---- batch_norm ---- */

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };
enum { TRAINING, MOMENTUM, EPS }; /* parameters */

static bool batch_norm_shape(Call *c) {
  Tensor *x = c->in[X];
  if (!x->ndim) return call_fail(c, "x must be (...,C), got a number");
  const char *names[] = {"weight", "bias", "running_mean", "running_var"};
  for (int i = 0; i < 4; i++)
    if (!check_vector(c, i + 1, names[i], last(x))) return false;
  bool training = c->param[TRAINING].number != 0;
  if (training && last(x) && tensor_numel(x) / last(x) < 2)
    return call_fail(c, "training takes more than one value for each channel, got %s", tensor_shape_text(x));
  if (!training && (!values(c, RUNNING_MEAN) || !values(c, RUNNING_VAR)))
    return call_fail(c, "without training it needs running_mean and running_var");
  return call_same(c);
}

typedef struct Affine { /* y = (x - mean) * scale + shift */
  const real *x, *mean, *scale, *shift;
  real *y;
  long n;
} Affine;

static void affine_rows(void *job, long from, long to) {
  const Affine *a = job;
  for (long row = from; row < to; row++) {
    const real *x = a->x + row * a->n;
    real *y = a->y + row * a->n;
    if (a->shift)
      for (long i = 0; i < a->n; i++) y[i] = (x[i] - a->mean[i]) * a->scale[i] + a->shift[i];
    else
      for (long i = 0; i < a->n; i++) y[i] = (x[i] - a->mean[i]) * a->scale[i];
  }
}

/* Mean and variance of the batch into mean[] and rstd[]; the running statistics move towards them. */
static bool batch_statistics(Call *c, long rows, long n, real *mean, real *rstd) {
  double *m = memory_new((size_t)(3 * n) * sizeof *m), *square = m + n, *unused = m + 2 * n, momentum = c->param[MOMENTUM].number;
  bool ok = m && column_sums(c->in[X]->data, NULL, NULL, rows, n, m, square);
  for (long i = 0; ok && i < n; i++) m[i] /= (double)rows;
  ok = ok && column_sums(c->in[X]->data, NULL, m, rows, n, unused, square);
  bool moves = ok && values(c, RUNNING_MEAN) && values(c, RUNNING_VAR);
  if (moves) {
    bool was = grad_enable(false);
    ok = tensor_begin_write(c->in[RUNNING_MEAN], "batch_norm") && tensor_begin_write(c->in[RUNNING_VAR], "batch_norm");
    grad_enable(was);
  }
  for (long i = 0; ok && i < n; i++) {
    double var = square[i] / (double)rows;
    mean[i] = (real)m[i];
    rstd[i] = (real)(1 / sqrt(var + c->param[EPS].number));
    if (!moves) continue;
    real *running_mean = &c->in[RUNNING_MEAN]->data[i], *running_var = &c->in[RUNNING_VAR]->data[i];
    *running_mean = (real)((1 - momentum) * (double)*running_mean + momentum * m[i]);
    *running_var = (real)((1 - momentum) * (double)*running_var + momentum * square[i] / (double)(rows - 1));
  }
  memory_free(m);
  return ok;
}

static bool batch_norm_forward(Call *c) {
  long n = last(c->in[X]), rows = n ? tensor_numel(c->in[X]) / n : 0;
  c->extra[0] = tensor_new(1, &n); /* mean */
  c->extra[1] = tensor_new(1, &n); /* 1 / standard deviation */
  Tensor *scale = tensor_own(tensor_new(1, &n));
  if (!scale || !c->extra[0] || !c->extra[1]) return false;
  real *mean = c->extra[0]->data, *rstd = c->extra[1]->data;
  if (c->param[TRAINING].number != 0) {
    if (!batch_statistics(c, rows, n, mean, rstd)) return false;
  } else {
    memcpy(mean, values(c, RUNNING_MEAN), (size_t)n * sizeof *mean);
    for (long i = 0; i < n; i++) rstd[i] = (real)(1 / sqrt((double)values(c, RUNNING_VAR)[i] + c->param[EPS].number));
  }
  const real *weight = values(c, WEIGHT);
  for (long i = 0; i < n; i++) scale->data[i] = weight ? rstd[i] * weight[i] : rstd[i];
  workers_for(rows, ROWS, affine_rows, &(Affine){c->in[X]->data, mean, scale->data, values(c, BIAS), c->out->data, n});
  return true;
}

/* dx = scale (g - mean(g) - xhat mean(g xhat)), as a + b x + scale g for each column. */
typedef struct ColumnGrad {
  const real *x, *g, *scale;
  const double *a, *b;
  real *d;
  long n;
} ColumnGrad;

static void column_grad(void *job, long from, long to) {
  const ColumnGrad *k = job;
  for (long row = from; row < to; row++)
    for (long i = 0, at = row * k->n; i < k->n; i++, at++)
      k->d[at] = (real)(k->a[i] + k->b[i] * (double)k->x[at]) + k->scale[i] * k->g[at];
}

/* The three gradients at once, where no graph is wanted. */
static bool batch_norm_fused(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[X];
  long n = last(x), rows = n ? tensor_numel(x) / n : 0;
  const real *mean = c->extra[0]->data, *rstd = c->extra[1]->data, *weight = values(c, WEIGHT);
  double *work = memory_new((size_t)(5 * n) * sizeof *work), *m = work, *sum = work + n, *dot = work + 2 * n, *a = work + 3 * n,
         *b = work + 4 * n;
  for (long i = 0; work && i < n; i++) m[i] = (double)mean[i];
  bool ok = work && column_sums(x->data, g->data, m, rows, n, sum, dot);
  Tensor *scale = ok ? tensor_own(tensor_new(1, &n)) : NULL;
  if (scale && c->want[X] && (d[X] = tensor_own(tensor_new(x->ndim, x->shape)))) {
    for (long i = 0; i < n; i++) {
      double r = (double)rstd[i], s = weight ? r * (double)weight[i] : r;
      scale->data[i] = (real)s;
      b[i] = -s * r * r * dot[i] / (double)rows;
      a[i] = -s * sum[i] / (double)rows - b[i] * m[i];
    }
    workers_for(rows, ROWS, column_grad, &(ColumnGrad){x->data, g->data, scale->data, a, b, d[X]->data, n});
  }
  if (scale && c->n > WEIGHT && c->want[WEIGHT] && (d[WEIGHT] = tensor_own(tensor_new(1, &n))))
    for (long i = 0; i < n; i++) d[WEIGHT]->data[i] = (real)(dot[i] * (double)rstd[i]);
  if (scale && c->n > BIAS && c->want[BIAS] && (d[BIAS] = tensor_own(tensor_new(1, &n))))
    for (long i = 0; i < n; i++) d[BIAS]->data[i] = (real)sum[i];
  memory_free(work);
  return scale != NULL;
}

static Tensor *mean_of(Tensor *x, long dim) {
  return tensor_mean(x, 1, &dim, true);
}

/* The same in ops. The matrices are normalised over `dim`: xhat = (x - mean) r; with h = g weight,
 * dx = r (h - mean(h) - xhat mean(h xhat)), dweight = sum over rows of g xhat, dbias that of g. */
static void norm_in_ops(Call *c, Tensor *g, Tensor **d, long dim, double eps) {
  Tensor *x = as_rows(c->in[0]), *weight = c->n > 1 ? c->in[1] : NULL;
  g = as_rows(g);
  Tensor *centred = tensor_sub(x, mean_of(x, dim)), *r = tensor_rsqrt(tensor_shift(mean_of(tensor_square(centred), dim), eps));
  Tensor *xhat = tensor_mul(centred, r), *h = weight ? tensor_mul(g, weight) : g;
  if (c->want[0]) {
    Tensor *rest = tensor_sub(tensor_sub(h, mean_of(h, dim)), tensor_mul(xhat, mean_of(tensor_mul(h, xhat), dim)));
    d[0] = tensor_reshape(tensor_mul(r, rest), c->in[0]->ndim, c->in[0]->shape);
  }
  if (c->n > 1 && c->want[1]) d[1] = tensor_sum(tensor_mul(g, xhat), 1, (long[]){0}, false);
  if (c->n > 2 && c->want[2]) d[2] = tensor_sum(g, 1, (long[]){0}, false);
}

/* With fixed statistics each column is scaled and shifted. */
static void batch_norm_fixed(Call *c, Tensor *g, Tensor **d) {
  Tensor *rows = as_rows(g), *mean = c->extra[0], *rstd = c->extra[1];
  if (c->want[X]) {
    Tensor *scale = c->n > WEIGHT && c->in[WEIGHT] ? tensor_mul(c->in[WEIGHT], rstd) : rstd;
    d[X] = tensor_mul(g, scale);
  }
  if (c->n > WEIGHT && c->want[WEIGHT])
    d[WEIGHT] = tensor_sum(tensor_mul(rows, tensor_mul(tensor_sub(as_rows(c->in[X]), mean), rstd)), 1, (long[]){0}, false);
  if (c->n > BIAS && c->want[BIAS]) d[BIAS] = tensor_sum(rows, 1, (long[]){0}, false);
}

static void batch_norm_backward(Call *c, Tensor *g, Tensor **d) {
  if (c->param[TRAINING].number == 0)
    batch_norm_fixed(c, g, d);
  else if (grad_enabled())
    norm_in_ops(c, g, d, 0, c->param[EPS].number);
  else
    batch_norm_fused(c, g, d);
}

static const Op batch_norm_row = {
    "batch_norm",
    "x, weight?, bias?, running_mean:constant?, running_var:constant?, training:boolean=true, momentum:number=0.1, eps:number=1e-5",
    "Each channel (the last dimension) to mean 0 and variance 1 over the batch, times weight, plus bias. In training the running "
    "statistics move by momentum; otherwise they take the batch's place. Ioffe and Szegedy 2015.",
    "tensor.randn(4,3):batch_norm(tensor.randn(3), tensor.randn(3))\n"
    "tensor.randn(2,2,2,3):batch_norm()\n"
    "tensor.randn(4,2):batch_norm(tensor.randn(2), tensor.randn(2), tensor.randn(2), tensor.rand(2), {training=false})",
    batch_norm_shape,
    batch_norm_forward,
    batch_norm_backward,
    "x weight"};

Tensor *tensor_batch_norm(Tensor *x, Tensor *weight, Tensor *bias, Tensor *running_mean, Tensor *running_var, bool training,
                          double momentum, double eps) {
  return op_call(&batch_norm_row, 5, (Tensor *[]){x, weight, bias, running_mean, running_var},
                 (Param[]){{.number = training}, {.number = momentum}, {.number = eps}});
}

/* ---- layer_norm ---- */

static bool layer_norm_shape(Call *c) {
  Tensor *x = c->in[0];
  if (!x->ndim) return call_fail(c, "x must be (...,C), got a number");
  return check_vector(c, 1, "weight", last(x)) && check_vector(c, 2, "bias", last(x)) && call_same(c);
}

typedef struct RowNorm {
  const real *x, *g, *weight, *bias;
  real *y, *mean, *rstd;
  long n;
  double eps;
} RowNorm;

static void norm_rows(void *job, long from, long to) {
  const RowNorm *k = job;
  for (long row = from; row < to; row++) {
    const real *x = k->x + row * k->n;
    real *y = k->y + row * k->n;
    double sum = 0, square = 0;
    for (long i = 0; i < k->n; i++) sum += (double)x[i];
    double mean = sum / (double)k->n;
    for (long i = 0; i < k->n; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean);
    double r = 1 / sqrt(square / (double)k->n + k->eps);
    k->mean[row] = (real)mean;
    k->rstd[row] = (real)r;
    for (long i = 0; i < k->n; i++) {
      real xhat = (real)(((double)x[i] - mean) * r);
      y[i] = (k->weight ? xhat * k->weight[i] : xhat) + (k->bias ? k->bias[i] : 0);
    }
  }
}

static bool layer_norm_forward(Call *c) {
  long n = last(c->in[0]), rows = n ? tensor_numel(c->in[0]) / n : 0;
  c->extra[0] = tensor_new(1, &rows);
  c->extra[1] = tensor_new(1, &rows);
  if (!c->extra[0] || !c->extra[1]) return false;
  RowNorm k = {c->in[0]->data,    NULL, values(c, 1),      values(c, 2), c->out->data, c->extra[0]->data,
               c->extra[1]->data, n,    c->param[0].number};
  workers_for(rows, ROWS, norm_rows, &k);
  return true;
}

static void norm_rows_grad(void *job, long from, long to) {
  const RowNorm *k = job;
  for (long row = from; row < to; row++) {
    const real *x = k->x + row * k->n, *g = k->g + row * k->n;
    real *d = k->y + row * k->n;
    double mean = (double)k->mean[row], r = (double)k->rstd[row], sum = 0, dot = 0;
    for (long i = 0; i < k->n; i++) {
      double h = (double)(k->weight ? g[i] * k->weight[i] : g[i]);
      sum += h;
      dot += h * ((double)x[i] - mean) * r;
    }
    for (long i = 0; i < k->n; i++) {
      double h = (double)(k->weight ? g[i] * k->weight[i] : g[i]), xhat = ((double)x[i] - mean) * r;
      d[i] = (real)(r * (h - sum / (double)k->n - xhat * dot / (double)k->n));
    }
  }
}

static void layer_norm_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *fused = NULL;
  long n = last(x), rows = n ? tensor_numel(x) / n : 0;
  if (grad_enabled()) {
    norm_in_ops(c, g, d, 1, c->param[0].number);
    return;
  }
  if (c->want[0] && (fused = tensor_own(tensor_new(x->ndim, x->shape)))) {
    RowNorm k = {x->data, g->data, values(c, 1), NULL, fused->data, c->extra[0]->data, c->extra[1]->data, n, 0};
    workers_for(rows, ROWS, norm_rows_grad, &k);
    d[0] = fused;
  }
  Tensor *down = as_rows(g);
  if (c->n > 1 && c->want[1]) {
    Tensor *mean = tensor_reshape(c->extra[0], 2, (long[]){rows, 1}), *rstd = tensor_reshape(c->extra[1], 2, (long[]){rows, 1});
    d[1] = tensor_sum(tensor_mul(down, tensor_mul(tensor_sub(as_rows(x), mean), rstd)), 1, (long[]){0}, false);
  }
  if (c->n > 2 && c->want[2]) d[2] = tensor_sum(down, 1, (long[]){0}, false);
}

static const Op layer_norm_row = {
    "layer_norm",
    "x, weight?, bias?, eps:number=1e-5",
    "Each row (along the last dimension) to mean 0 and variance 1, times weight, plus bias. Ba et al. 2016.",
    "tensor.randn(3,4):layer_norm(tensor.randn(4), tensor.randn(4))\ntensor.randn(2,2,3):layer_norm()",
    layer_norm_shape,
    layer_norm_forward,
    layer_norm_backward,
    "x weight"};

Tensor *tensor_layer_norm(Tensor *x, Tensor *weight, Tensor *bias, double eps) {
  return op_call(&layer_norm_row, 3, (Tensor *[]){x, weight, bias}, (Param[]){{.number = eps}});
}

/* ---- dropout ---- */

static bool dropout_shape(Call *c) {
  double p = c->param[0].number;
  if (!(p >= 0 && p <= 1)) return call_fail(c, "p is a probability from 0 to 1, got %g", p);
  c->view = c->param[1].number == 0 || p == 0;
  return call_same(c);
}

typedef struct Mask {
  const real *x;
  real *mask, *y, p, scale;
} Mask;

static void apply_mask(void *job, long from, long to) {
  const Mask *m = job;
  for (long i = from; i < to; i++) {
    m->mask[i] = m->mask[i] >= m->p ? m->scale : 0;
    m->y[i] = m->x[i] * m->mask[i];
  }
}

static bool dropout_forward(Call *c) {
  Tensor *x = c->in[0], *mask = c->extra[0] = tensor_new(x->ndim, x->shape);
  if (!mask) return false;
  double p = c->param[0].number;
  random_uniform(mask->data, tensor_numel(mask));
  workers_for(tensor_numel(mask), 16384, apply_mask,
              &(Mask){x->data, mask->data, c->out->data, (real)p, (real)(p < 1 ? 1 / (1 - p) : 0)});
  return true;
}

static void dropout_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = c->extra[0] ? tensor_mul(g, c->extra[0]) : g;
}

static const Op dropout_row = {"dropout",
                               "x, p:number=0.5, training:boolean=true",
                               "In training each element becomes 0 with probability p, the others grow by 1/(1-p).",
                               "tensor.randn(4,5):dropout(0.3)\ntensor.randn(3):dropout(0.5, {training=false})",
                               dropout_shape,
                               dropout_forward,
                               dropout_backward,
                               ""};

Tensor *tensor_dropout(Tensor *x, double p, bool training) {
  return op_call(&dropout_row, 1, &x, (Param[]){{.number = p}, {.number = training}});
}

const Op *const ops_norm[] = {&batch_norm_row, &layer_norm_row, &dropout_row, NULL};
