/* Normalisation and dropout. x (...,C) is seen as a matrix (R,C): batch_norm takes statistics down its columns, layer_norm along
 * its rows, and with xhat = (x - mean) rstd both gradients are made of sums of g and of g xhat. */
#include <math.h>
#include <string.h>

#include "../kernels/draw.h"
#include "../kernels/normalize.h"
#include "../row.h"
#include "each.h"

enum { GRAIN = 16384 }; /* elements of dropout at a time: whole words of bits and blocks of random numbers */

static Rows rows_of(const Tensor *x) {
  return (Rows){shape_product(x->shape, 0, x->ndim - 1), x->shape[x->ndim - 1]};
}

static Tensor *as_rows(Tensor *x) {
  Rows m = rows_of(x);
  return tensor_reshape(x, 2, (long[]){m.rows, m.n});
}

static Tensor *given(Call *c, int i) {
  return i < c->n ? c->in[i] : NULL;
}

static const real *values(Call *c, int i) {
  return given(c, i) ? c->in[i]->data : NULL;
}

static bool wanted(Call *c, int i) {
  return i < c->n && c->want[i];
}

/* x must be (...,C), and the tensors after it, if given, (C). */
static bool check_vectors(Call *c, int count) {
  Tensor *x = c->in[0];
  if (!x->ndim) return call_fail(c, "x must be (...,C), got one number");
  long n = x->shape[x->ndim - 1];
  for (int i = 1; i <= count; i++) {
    Tensor *v = given(c, i);
    if (v && (v->ndim != 1 || v->shape[0] != n))
      return call_fail(c, "%s must be (%ld), a number for each channel of x %s, got %s", op_signature(c->op)->arg[i].name, n,
                       tensor_shape_text(x), tensor_shape_text(v));
  }
  return true;
}

/* ---- normalize_sums: (2,1,C) or (2,R,1), sums of g and of g xhat over dimension dim ---- */

/* Are the statistics of x (R,C) of its columns, (1,C), or of its rows, (R,1)? */
static bool of_columns(const Tensor *x, const Tensor *mean) {
  return mean->ndim == 2 && mean->shape[0] == 1 && mean->shape[1] == x->shape[1];
}

/* x and g are (R,C); the statistics that follow are all of columns or all of rows. */
static bool check_matrices(Call *c, int statistics) {
  Tensor *g = c->in[0], *x = c->in[1], *mean = c->in[2];
  if (x->ndim != 2 || !tensor_same_shape(g, x))
    return call_fail(c, "grad and x must be matrices of one shape, got %s and %s", tensor_shape_text(g), tensor_shape_text(x));
  if (!of_columns(x, mean) && !(mean->ndim == 2 && mean->shape[0] == x->shape[0] && mean->shape[1] == 1))
    return call_fail(c, "mean must be (1,%ld) or (%ld,1), got %s", x->shape[1], x->shape[0], tensor_shape_text(mean));
  for (int i = 3; i < 2 + statistics; i++)
    if (!tensor_same_shape(c->in[i], mean))
      return call_fail(c, "%s must be as mean, %s, got %s", op_signature(c->op)->arg[i].name, tensor_shape_text(mean),
                       tensor_shape_text(c->in[i]));
  return true;
}

static Normal normal_of(Call *c) {
  return (Normal){.x = c->in[1]->data, .mean = c->in[2]->data, .rstd = c->in[3]->data, .of_rows = !of_columns(c->in[1], c->in[2])};
}

static Tensor *normalize_sums(Tensor *g, Tensor *x, Tensor *mean, Tensor *rstd, long dim);

static Tensor *xhat_of(Tensor *x, Tensor *mean, Tensor *rstd) {
  return tensor_mul(tensor_sub(x, mean), rstd);
}

/* Hands a gradient of xhat on to x, mean and rstd, which stand at 1, 2 and 3. */
static void xhat_backward(Call *c, Tensor *e, Tensor **d) {
  Tensor *x = c->in[1], *mean = c->in[2], *rstd = c->in[3], *dx = tensor_mul(e, rstd);
  if (c->want[1]) d[1] = dx;
  if (c->want[2] && dx) d[2] = tensor_neg(tensor_sum_to(dx, 2, mean->shape));
  if (c->want[3]) d[3] = tensor_sum_to(tensor_mul(e, tensor_sub(x, mean)), 2, rstd->shape);
}

static bool normalize_sums_shape(Call *c) {
  if (!check_matrices(c, 2)) return false;
  int dim = call_get_dim(c, 0, 2);
  if (dim < 0) return false;
  const long *x = c->in[1]->shape;
  return call_shape(c, 3, (long[]){2, dim ? x[0] : 1, dim ? 1 : x[1]});
}

static bool normalize_sums_forward(Call *c) {
  Rows m = rows_of(c->in[1]);
  Normal x = normal_of(c);
  real *sum = c->out->data, *dot = sum + tensor_numel(c->out) / 2;
  if (call_get_dim(c, 0, 2) == 0) return column_sums(m, &x, c->in[0]->data, sum, dot);
  row_sums(m, &x, c->in[0]->data, sum, dot);
  return true;
}

static void normalize_sums_backward(Call *c, Tensor *u, Tensor **d) {
  Tensor *of_sum = tensor_select(u, 0, 0), *of_dot = tensor_select(u, 0, 1);
  if (c->want[0]) d[0] = tensor_add(tensor_mul(xhat_of(c->in[1], c->in[2], c->in[3]), of_dot), of_sum);
  xhat_backward(c, tensor_mul(c->in[0], of_dot), d);
}

static const Op normalize_sums_row = {
    "normalize_sums",
    "grad, x, mean, rstd, dim:dim",
    "Sums over a dimension of matrices (R,C): of grad, and of grad times (x - mean) rstd, statistics being (1,C) or (R,1). "
    "What the gradients of batch_norm and layer_norm are made of.",
    "tensor.randn(4,3):normalize_sums(tensor.randn(4,3), tensor.randn(1,3), tensor.rand(1,3), 1)\n"
    "tensor.randn(4,3):normalize_sums(tensor.randn(4,3), tensor.randn(4,1), tensor.rand(4,1), 1)\n"
    "tensor.randn(6,3):normalize_sums(tensor.randn(6,3), tensor.randn(6,1), tensor.rand(6,1), -1)\n"
    "tensor.randn(2,9):normalize_sums(tensor.randn(2,9), tensor.randn(1,9), tensor.rand(1,9), 2)",
    .shape = normalize_sums_shape,
    .forward = normalize_sums_forward,
    .backward = normalize_sums_backward,
    .needs = "grad x mean rstd"};

static Tensor *normalize_sums(Tensor *g, Tensor *x, Tensor *mean, Tensor *rstd, long dim) {
  return op_call(&normalize_sums_row, 4, (Tensor *[]){g, x, mean, rstd}, &(Param){.number = (double)dim});
}

/* ---- normalize_input: scale (g - (sum + xhat dot) / M), where M elements share a statistic ---- */

static bool normalize_input_shape(Call *c) {
  if (!check_matrices(c, 3)) return false;
  Tensor *mean = c->in[2], *sums = c->in[5];
  if (sums->ndim == 3 && sums->shape[0] == 2 && !memcmp(sums->shape + 1, mean->shape, 2 * sizeof *mean->shape)) return call_same(c);
  return call_fail(c, "sums must be (2,%ld,%ld), got %s", mean->shape[0], mean->shape[1], tensor_shape_text(sums));
}

static bool normalize_input_forward(Call *c) {
  Normal x = normal_of(c);
  const real *sum = c->in[5]->data, *dot = sum + tensor_numel(c->in[5]) / 2;
  normalize_back(rows_of(c->in[1]), &x, c->in[0]->data, c->in[4]->data, sum, dot, c->out->data);
  return true;
}

static void normalize_input_backward(Call *c, Tensor *u, Tensor **d) {
  Tensor *g = c->in[0], *x = c->in[1], *mean = c->in[2], *rstd = c->in[3], *scale = c->in[4];
  Tensor *sum = tensor_select(c->in[5], 0, 0), *dot = tensor_select(c->in[5], 0, 1), *w = tensor_mul(u, scale);
  double share = (double)tensor_numel(mean) / (double)tensor_numel(x);
  if (c->want[0]) d[0] = w;
  if (c->want[4]) {
    Tensor *part = tensor_scale(tensor_add(tensor_mul(xhat_of(x, mean, rstd), dot), sum), share);
    d[4] = tensor_sum_to(tensor_mul(u, tensor_sub(g, part)), 2, scale->shape);
  }
  if (c->want[5]) d[5] = tensor_scale(normalize_sums(w, x, mean, rstd, of_columns(x, mean) ? 0 : 1), -share);
  xhat_backward(c, tensor_mul(w, tensor_scale(dot, -share)), d);
}

static const Op normalize_input_row = {
    "normalize_input",
    "grad, x, mean, rstd, scale, sums",
    "The gradient of a normalisation by x (R,C): scale (grad - (sums[1] + (x - mean) rstd sums[2]) / M), M elements to a mean. "
    "Statistics and scale are (1,C) or (R,1), sums are theirs from normalize_sums.",
    "tensor.randn(4,3):normalize_input(tensor.randn(4,3), tensor.randn(1,3), tensor.rand(1,3), tensor.rand(1,3), "
    "tensor.randn(2,1,3))\n"
    "tensor.randn(3,4):normalize_input(tensor.randn(3,4), tensor.randn(3,1), tensor.rand(3,1), tensor.rand(3,1), "
    "tensor.randn(2,3,1))",
    .shape = normalize_input_shape,
    .forward = normalize_input_forward,
    .backward = normalize_input_backward,
    .needs = "grad x mean rstd scale sums"};

static Tensor *normalize_input(Tensor *g, Tensor *x, Tensor *mean, Tensor *rstd, Tensor *scale, Tensor *sums) {
  return op_call(&normalize_input_row, 6, (Tensor *[]){g, x, mean, rstd, scale, sums}, NULL);
}

/* mean and rstd of the matrix over a dimension: those that forward left, or, for a graph, as functions of x. */
static void statistics(Call *c, Tensor *x, long dim, double eps, Tensor **mean, Tensor **rstd) {
  *mean = grad_enabled() ? tensor_mean(x, 1, &dim, true) : c->extra[0];
  *rstd = grad_enabled() ? tensor_rsqrt(tensor_shift(tensor_var(x, 1, &dim, true, false), eps)) : c->extra[1];
}

/* The gradients of weight and bias from sums (2,1,C). */
static void affine_backward(Call *c, Tensor *sums, Tensor **d) {
  if (wanted(c, 1)) d[1] = tensor_flatten(tensor_select(sums, 0, 1), 0, 1);
  if (wanted(c, 2)) d[2] = tensor_flatten(tensor_select(sums, 0, 0), 0, 1);
}

/* ---- batch_norm ---- */

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };
enum { TRAINING, MOMENTUM, EPS }; /* parameters */

static bool trains(const Call *c) {
  return c->param[TRAINING].number != 0;
}

static bool batch_norm_shape(Call *c) {
  if (!check_vectors(c, 4)) return false;
  bool mean = given(c, RUNNING_MEAN), var = given(c, RUNNING_VAR);
  if (mean != var || (!trains(c) && !mean))
    return call_fail(c, "running_mean and running_var go together%s, got %s", trains(c) ? "" : " and are needed without training",
                     mean  ? "only running_mean"
                     : var ? "only running_var"
                           : "neither");
  if (trains(c) && rows_of(c->in[X]).n && rows_of(c->in[X]).rows < 2)
    return call_fail(c, "training takes more than one value for each channel, got x %s", tensor_shape_text(c->in[X]));
  return call_same(c);
}

/* running = (1 - momentum) running + momentum of the batch's; its variance unbiased */
static bool move_running(Call *c, Rows m, const double *mean, const double *var) {
  Tensor *running_mean = given(c, RUNNING_MEAN), *running_var = given(c, RUNNING_VAR);
  if (!running_mean) return true;
  bool was = grad_enable(false);
  bool ok = tensor_begin_write(running_mean, "batch_norm") && tensor_begin_write(running_var, "batch_norm");
  grad_enable(was);
  double momentum = c->param[MOMENTUM].number, unbiased = (double)m.rows / (double)(m.rows - 1);
  for (long i = 0; ok && i < m.n; i++) {
    running_mean->data[i] = (real)((1 - momentum) * (double)running_mean->data[i] + momentum * mean[i]);
    running_var->data[i] = (real)((1 - momentum) * (double)running_var->data[i] + momentum * unbiased * var[i]);
  }
  return ok;
}

static bool find_statistics(Call *c, Rows m, double *mean, double *var) {
  if (trains(c)) return column_moments(m, c->in[X]->data, mean, var) && move_running(c, m, mean, var);
  for (long i = 0; i < m.n; i++) {
    mean[i] = (double)values(c, RUNNING_MEAN)[i];
    var[i] = (double)values(c, RUNNING_VAR)[i];
  }
  return true;
}

enum { MEAN, RSTD, AFFINE }; /* extras: (1,C), (1,C) and (2,C): what x - mean is multiplied by, and what is added */

static bool batch_norm_run(Call *c, Activation then) {
  Rows m = rows_of(c->in[X]);
  for (int i = MEAN; i <= AFFINE; i++)
    if (!(c->extra[i] = tensor_new(2, (long[]){i == AFFINE ? 2 : 1, m.n}))) return false;
  Storage *memory = storage_new((size_t)m.n * 2 * sizeof(double));
  if (!memory) return false;
  double *mean = memory->data, *var = mean + m.n;
  real *means = c->extra[MEAN]->data, *rstds = c->extra[RSTD]->data, *scale = c->extra[AFFINE]->data, *shift = scale + m.n;
  const real *weight = values(c, WEIGHT), *bias = values(c, BIAS);
  bool ok = find_statistics(c, m, mean, var);
  for (long i = 0; ok && i < m.n; i++) {
    double rstd = 1 / sqrt(var[i] + c->param[EPS].number);
    means[i] = (real)mean[i];
    rstds[i] = (real)rstd;
    scale[i] = (real)(weight ? rstd * (double)weight[i] : rstd);
    shift[i] = bias ? bias[i] : 0;
  }
  if (ok) normalize_columns(m, c->in[X]->data, means, scale, bias ? shift : NULL, then, c->out->data);
  storage_drop(memory);
  return ok;
}

static bool batch_norm_forward(Call *c) {
  return batch_norm_run(c, (Activation){0});
}

/* Without training the statistics are constants, and dx is only g scale. */
static void batch_norm_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = as_rows(c->in[X]), *weight = given(c, WEIGHT), *mean = c->extra[0], *rstd = c->extra[1], *sums = NULL;
  g = as_rows(g);
  if (trains(c)) statistics(c, x, 0, c->param[EPS].number, &mean, &rstd);
  if (trains(c) || wanted(c, WEIGHT) || wanted(c, BIAS)) sums = normalize_sums(g, x, mean, rstd, 0);
  if (c->want[X]) {
    Tensor *scale = weight ? tensor_mul(rstd, weight) : rstd;
    Tensor *dx = trains(c) ? normalize_input(g, x, mean, rstd, scale, sums) : tensor_mul(g, scale);
    d[X] = tensor_reshape(dx, c->ndim, c->shape);
  }
  affine_backward(c, sums, d);
}

static const Op batch_norm_row = {
    "batch_norm",
    "x, weight?, bias?, running_mean:constant?, running_var:constant?, training:boolean=true, momentum:number=0.1, eps:number=1e-5",
    "Each channel (the last dimension) to mean 0 and variance 1 over the batch, times weight, plus bias. In training the running "
    "statistics move by momentum; otherwise they take the batch's place. Ioffe and Szegedy 2015.",
    "tensor.randn(4,3):batch_norm(tensor.randn(3), tensor.randn(3))\n"
    "tensor.randn(2,2,2,3):batch_norm()\n"
    "tensor.randn(5,2):batch_norm(tensor.randn(2), tensor.randn(2), tensor.randn(2), tensor.rand(2), {eps=0.1})\n"
    "tensor.randn(4,2):batch_norm(tensor.randn(2), tensor.randn(2), tensor.randn(2), tensor.rand(2), {training=false})\n"
    "tensor.randn(1,2):batch_norm(nil, nil, tensor.randn(2), tensor.rand(2), {training=false})",
    .shape = batch_norm_shape,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
    .needs = "x weight"};

Tensor *tensor_batch_norm(Tensor *x, Tensor *weight, Tensor *bias, Tensor *running_mean, Tensor *running_var, bool training,
                          double momentum, double eps) {
  return op_call(&batch_norm_row, 5, (Tensor *[]){x, weight, bias, running_mean, running_var},
                 (Param[]){{.number = training}, {.number = momentum}, {.number = eps}});
}

/* ---- batch_norm_activated ---- */

static bool batch_norm_activated_shape(Call *c) {
  return activated_shape(c, &batch_norm_row, EPS + 1);
}

static bool batch_norm_activated_forward(Call *c) {
  return batch_norm_run(c, activation_read(c->param + EPS + 1));
}

static void batch_norm_activated_backward(Call *c, Tensor *g, Tensor **d) {
  Activation a = activation_read(c->param + EPS + 1);
  Rows m = rows_of(c->in[X]);
  const real *scale = c->extra[AFFINE]->data;
  Tensor *y = tensor_own(tensor_new(c->ndim, c->shape));
  if (!y) return;
  normalize_columns(m, c->in[X]->data, c->extra[MEAN]->data, scale, scale + m.n, a, y->data);
  g = activation_gradient(a, g, y);
  if (g) batch_norm_backward(c, g, d);
}

/* In training the activation's slope is found again from x, in the passes of batch_norm's gradient. */
static void batch_norm_activated_fused(Call *c, Tensor *g, Tensor **d) {
  if (!trains(c)) {
    batch_norm_activated_backward(c, g, d);
    return;
  }
  Rows m = rows_of(c->in[X]);
  const real *scale = c->extra[AFFINE]->data;
  const Gate gate = {activation_read(c->param + EPS + 1), scale, scale + m.n};
  const Normal x = {.x = c->in[X]->data, .mean = c->extra[MEAN]->data, .rstd = c->extra[RSTD]->data, .gate = &gate};
  Tensor *sums = tensor_own(tensor_new(3, (long[]){2, 1, m.n})), *weight = given(c, WEIGHT);
  if (!sums || !column_sums(m, &x, g->data, sums->data, sums->data + m.n)) return;
  affine_backward(c, sums, d);
  if (!c->want[X]) return;
  Tensor *factor = weight ? tensor_mul(c->extra[RSTD], weight) : c->extra[RSTD];
  d[X] = tensor_own(tensor_new(c->ndim, c->shape));
  if (factor && d[X]) normalize_back(m, &x, g->data, factor->data, sums->data, sums->data + m.n, d[X]->data);
}

static const Op batch_norm_activated_row = {
    "batch_norm_activated",
    "x, weight?, bias?, running_mean:constant?, running_var:constant?, training:boolean=true, momentum:number=0.1, "
    "eps:number=1e-5, "
    "activation:relu|leaky_relu=relu, negative_slope:number=0.01",
    "batch_norm and an activation of its result in one go, as nn.Sequential calls them.",
    "tensor.randn(4,3):batch_norm_activated(tensor.randn(3), tensor.randn(3))\n"
    "tensor.randn(2,2,2,3):batch_norm_activated({activation=\"leaky_relu\", negative_slope=0.2})\n"
    "tensor.randn(4,2):batch_norm_activated(tensor.randn(2), tensor.randn(2), tensor.randn(2), tensor.rand(2), {training=false})",
    .shape = batch_norm_activated_shape,
    .forward = batch_norm_activated_forward,
    .backward = batch_norm_activated_backward,
    .fused = batch_norm_activated_fused,
    .needs = "x weight"};

Tensor *tensor_batch_norm_activated(Tensor *x, Tensor *weight, Tensor *bias, Tensor *running_mean, Tensor *running_var,
                                    bool training, double momentum, double eps, Activation a) {
  Param p[EPS + 3] = {{.number = training}, {.number = momentum}, {.number = eps}};
  activation_write(p + EPS + 1, a);
  return op_call(&batch_norm_activated_row, 5, (Tensor *[]){x, weight, bias, running_mean, running_var}, p);
}

/* ---- layer_norm ---- */

static bool layer_norm_shape(Call *c) {
  return check_vectors(c, 2) && call_same(c);
}

static bool layer_norm_forward(Call *c) {
  Rows m = rows_of(c->in[0]);
  for (int i = 0; i < 2; i++)
    if (!(c->extra[i] = tensor_new(2, (long[]){m.rows, 1}))) return false;
  normalize_rows(m, c->in[0]->data, values(c, 1), values(c, 2), c->param[0].number, c->extra[0]->data, c->extra[1]->data,
                 c->out->data);
  return true;
}

static void layer_norm_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = as_rows(c->in[0]), *weight = given(c, 1), *mean, *rstd;
  g = as_rows(g);
  statistics(c, x, 1, c->param[0].number, &mean, &rstd);
  if (c->want[0]) {
    Tensor *h = weight ? tensor_mul(g, weight) : g;
    d[0] = tensor_reshape(normalize_input(h, x, mean, rstd, rstd, normalize_sums(h, x, mean, rstd, 1)), c->ndim, c->shape);
  }
  if (wanted(c, 1) || wanted(c, 2)) affine_backward(c, normalize_sums(g, x, mean, rstd, 0), d);
}

/* All three in one pass. */
static void layer_norm_all(Call *c, Rows m, const Normal *x, const Tensor *g, Tensor **d) {
  Tensor *sums = tensor_own(tensor_new(3, (long[]){2, 1, m.n})), *dx = tensor_own(tensor_new(c->ndim, c->shape));
  if (!sums || !dx || !normalize_rows_back(m, x, g->data, values(c, 1), dx->data, sums->data, sums->data + m.n)) return;
  affine_backward(c, sums, d);
  if (c->want[0]) d[0] = dx;
}

static void layer_norm_fused(Call *c, Tensor *g, Tensor **d) {
  Rows m = rows_of(c->in[0]);
  const Normal x = {.x = c->in[0]->data, .mean = c->extra[0]->data, .rstd = c->extra[1]->data, .of_rows = true};
  if (wanted(c, 1) || wanted(c, 2)) {
    layer_norm_all(c, m, &x, g, d);
  } else {
    d[0] = tensor_own(tensor_new(c->ndim, c->shape));
    if (d[0]) normalize_rows_input(m, &x, g->data, values(c, 1), d[0]->data);
  }
}

static const Op layer_norm_row = {
    "layer_norm",
    "x, weight?, bias?, eps:number=1e-5",
    "Each row (along the last dimension) to mean 0 and variance 1, times weight, plus bias. Ba, Kiros and Hinton 2016.",
    "tensor.randn(3,4):layer_norm(tensor.randn(4), tensor.randn(4))\n"
    "tensor.randn(2,2,3):layer_norm()\n"
    "tensor.randn(5):layer_norm(tensor.randn(5), nil, {eps=0.1})",
    .shape = layer_norm_shape,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
    .fused = layer_norm_fused,
    .needs = "x weight"};

Tensor *tensor_layer_norm(Tensor *x, Tensor *weight, Tensor *bias, double eps) {
  return op_call(&layer_norm_row, 3, (Tensor *[]){x, weight, bias}, &(Param){.number = eps});
}

/* ---- dropout ---- */

static bool dropout_shape(Call *c) {
  double p = c->param[0].number;
  if (!(p >= 0 && p <= 1)) return call_fail(c, "p must be a probability from 0 to 1, got %g", p);
  c->view = c->param[1].number == 0 || p == 0;
  return call_same(c);
}

/* For backward a bit for each element stays: was it kept? */
typedef struct Mask {
  const real *x;
  uint32_t *kept;
  real *y, scale;
  double p;
  Random at;
} Mask;

static Mask mask_of(Call *c, const real *x, real *y) {
  double p = c->param[0].number;
  return (Mask){.x = x, .kept = (uint32_t *)(void *)c->extra[0]->data, .y = y, .scale = (real)(p < 1 ? 1 / (1 - p) : 0), .p = p};
}

static void draw_mask(void *job, long from, long to) {
  const Mask *m = job;
  const Random at = {m->at.seed, m->at.position + (uint64_t)from / 4};
  draw_kept(at, m->p, m->x + from, m->scale, to - from, m->kept + from / DRAW_BITS, m->y + from);
}

static void apply_mask(void *job, long from, long to) {
  const Mask *m = job;
  scale_kept(m->kept + from / DRAW_BITS, m->x + from, m->scale, to - from, m->y + from);
}

static bool dropout_forward(Call *c) {
  const long n = tensor_numel(c->out), words = (n + DRAW_BITS - 1) / DRAW_BITS;
  c->extra[0] = tensor_new(1, &words);
  if (!c->extra[0]) return false;
  Mask m = mask_of(c, c->in[0]->data, c->out->data);
  m.at = random_take(n);
  workers_for(n, GRAIN, draw_mask, &m);
  return true;
}

static Tensor *masked(Call *c, Tensor *x) {
  Tensor *y = x ? tensor_own(tensor_new(x->ndim, x->shape)) : NULL;
  Mask m = mask_of(c, x ? x->data : NULL, y ? y->data : NULL);
  if (y) workers_for(tensor_numel(x), GRAIN, apply_mask, &m);
  return y;
}

static void dropout_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = c->extra[0] ? tensor_mul(g, masked(c, tensor_ones(g->ndim, g->shape))) : g;
}

static void dropout_fused(Call *c, Tensor *g, Tensor **d) {
  d[0] = c->extra[0] ? masked(c, g) : g;
}

static const Op dropout_row = {"dropout",
                               "x, p:number=0.5, training:boolean=true",
                               "In training each element becomes 0 with probability p and the others are divided by 1-p. "
                               "Srivastava et al. 2014.",
                               "tensor.randn(4,5):dropout(0.3)\n"
                               "tensor.randn(4):dropout(1)\n"
                               "tensor.randn(3):dropout(0.5, {training=false})",
                               .shape = dropout_shape,
                               .forward = dropout_forward,
                               .backward = dropout_backward,
                               .fused = dropout_fused};

Tensor *tensor_dropout(Tensor *x, double p, bool training) {
  return op_call(&dropout_row, 1, &x, (Param[]){{.number = p}, {.number = training}});
}

const Op *const ops_norm[] = {
    &batch_norm_row, &batch_norm_activated_row, &layer_norm_row, &normalize_sums_row, &normalize_input_row, &dropout_row, NULL};
