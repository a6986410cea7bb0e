/* Ops that make tensors from numbers. */
#include <math.h>
#include <string.h>

#include "../kernels/each.h"
#include "../row.h"

enum { GRAIN = 16384 };

/* Whole numbers up to this are exact. */
static const double whole_limit = sizeof(real) == sizeof(float) ? 16777216.0 : 9007199254740992.0;

static bool check_whole(Call *c, int i) {
  double n = c->param[i].number;
  if (n == floor(n) && fabs(n) <= whole_limit) return true;
  return call_fail(c, "%s must be a whole number within %.0f, got %g", op_signature(c->op)->arg[i].name, whole_limit, n);
}

/* The shape is the i-th number of the call. */
static bool made_shape(Call *c, int i) {
  const Param *size = &c->param[i];
  for (int d = 0; d < size->count; d++)
    if (size->list[d] < 0) return call_fail(c, "a dimension cannot be negative, got %s", shape_text(size->count, size->list));
  return call_shape(c, size->count, size->list);
}

static bool shape_first(Call *c) {
  return made_shape(c, 0);
}

static bool shape_second(Call *c) {
  return made_shape(c, 1);
}

/* One dimension of n, a count among the numbers of the call. */
static bool count_shape(Call *c, int i, long sides) {
  double n = c->param[i].number;
  if (!(n >= 0) || n != floor(n) || n > whole_limit)
    return call_fail(c, "n must be a whole number from 0 to %.0f, got %g", whole_limit, n);
  return call_shape(c, (int)sides, (long[]){(long)n, (long)n});
}

static Tensor *call_size(const Op *op, const Param *first, int ndim, const long *shape) {
  Param p[2];
  if (first) p[0] = *first;
  Param *size = &p[first != NULL];
  if (ndim < 0 || ndim > NN_DIMS) return nn_fail("%s: a tensor has at most %d dimensions, not %d", op->name, NN_DIMS, ndim);
  *size = (Param){.count = ndim};
  if (ndim) memcpy(size->list, shape, (size_t)ndim * sizeof *shape);
  return op_call(op, 0, NULL, p);
}

/* ---- one value ---- */

typedef struct Fill {
  real *y;
  real value;
} Fill;

static void fill_piece(void *job, long from, long to) {
  const Fill *f = job;
  each_fill(&(Run){.y = f->y + from, .n = to - from, .p = &f->value});
}

static bool fill(Call *c, double value) {
  workers_for(tensor_numel(c->out), GRAIN, fill_piece, &(Fill){c->out->data, (real)value});
  return true;
}

static bool zeros_forward(Call *c) {
  return fill(c, 0);
}

static const Op zeros_row = {
    "zeros", "shape:size", "A tensor of zeros.", "tensor.zeros(2, 3)", .shape = shape_first, .forward = zeros_forward};

Tensor *tensor_zeros(int ndim, const long *shape) {
  return call_size(&zeros_row, NULL, ndim, shape);
}

static bool ones_forward(Call *c) {
  return fill(c, 1);
}

static const Op ones_row = {
    "ones", "shape:size", "A tensor of ones.", "tensor.ones(2, 3)", .shape = shape_first, .forward = ones_forward};

Tensor *tensor_ones(int ndim, const long *shape) {
  return call_size(&ones_row, NULL, ndim, shape);
}

static bool full_forward(Call *c) {
  return fill(c, c->param[0].number);
}

static const Op full_row = {"full",
                            "value:number, shape:size",
                            "A tensor filled with one value.",
                            "tensor.full(0.5, 2, 3)",
                            .shape = shape_second,
                            .forward = full_forward};

Tensor *tensor_full(double value, int ndim, const long *shape) {
  return call_size(&full_row, &(Param){.number = value}, ndim, shape);
}

/* ---- eye ---- */

static bool eye_shape(Call *c) {
  return count_shape(c, 0, 2);
}

static bool eye_forward(Call *c) {
  long n = c->shape[0];
  fill(c, 0);
  for (long i = 0; i < n; i++) c->out->data[i * n + i] = 1;
  return true;
}

static const Op eye_row = {"eye",           "n:integer",        "The unit matrix (n,n): ones on the diagonal.",
                           "tensor.eye(3)", .shape = eye_shape, .forward = eye_forward};

Tensor *tensor_eye(long n) {
  return op_call(&eye_row, 0, NULL, &(Param){.number = (double)n});
}

/* ---- arange, linspace ---- */

static bool arange_shape(Call *c) {
  double from = c->param[0].number, to = c->param[1].number, step = c->param[2].number;
  double steps = (to - from) / step;
  if (step == 0 || !isfinite(steps)) return call_fail(c, "step must be finite and not 0, got from %g to %g by %g", from, to, step);
  steps = floor(steps + 1e-10 * (1 + fabs(steps))); /* 0 to 0.3 by 0.1 has three steps, though 0.3 / 0.1 is below 3 */
  bool whole = from == floor(from) && step == floor(step);
  if (steps >= whole_limit || (whole && fmax(fabs(from), steps < 0 ? 0 : fabs(from + steps * step)) > whole_limit))
    return call_fail(c, "whole numbers are exact up to %.0f, got from %g to %g by %g", whole_limit, from, to, step);
  return call_shape(c, 1, (long[]){steps < 0 ? 0 : (long)steps + 1});
}

static bool arange_forward(Call *c) {
  double from = c->param[0].number, step = c->param[2].number;
  for (long i = 0; i < c->shape[0]; i++) c->out->data[i] = (real)(from + (double)i * step);
  return true;
}

static const Op arange_row = {"arange",
                              "from:number, to:number, step:number=1",
                              "from, from + step, ... up to and with to, like Lua's for.",
                              "tensor.arange(1, 5)\n"
                              "tensor.arange(1, 0, -0.25)",
                              .shape = arange_shape,
                              .forward = arange_forward};

Tensor *tensor_arange(double from, double to, double step) {
  return op_call(&arange_row, 0, NULL, (Param[]){{.number = from}, {.number = to}, {.number = step}});
}

static bool linspace_shape(Call *c) {
  return count_shape(c, 2, 1);
}

/* From both ends, so that each is met exactly. */
static bool linspace_forward(Call *c) {
  double from = c->param[0].number, to = c->param[1].number;
  long n = c->shape[0];
  double step = n > 1 ? (to - from) / (double)(n - 1) : 0;
  for (long i = 0; i < n; i++)
    c->out->data[i] = (real)(i < (n + 1) / 2 ? from + (double)i * step : to - (double)(n - 1 - i) * step);
  return true;
}

static const Op linspace_row = {"linspace",
                                "from:number, to:number, n:integer",
                                "n numbers at equal distances, the first is from and the last is to.",
                                "tensor.linspace(-1, 1, 5)",
                                .shape = linspace_shape,
                                .forward = linspace_forward};

Tensor *tensor_linspace(double from, double to, long n) {
  return op_call(&linspace_row, 0, NULL, (Param[]){{.number = from}, {.number = to}, {.number = (double)n}});
}

/* ---- random ---- */

static bool rand_forward(Call *c) {
  random_uniform(c->out->data, tensor_numel(c->out));
  return true;
}

static const Op rand_row = {"rand",
                            "shape:size",
                            "Random numbers, evenly spread from 0 up to 1.",
                            "tensor.rand(2, 3)",
                            .shape = shape_first,
                            .forward = rand_forward};

Tensor *tensor_rand(int ndim, const long *shape) {
  return call_size(&rand_row, NULL, ndim, shape);
}

static bool randn_forward(Call *c) {
  random_normal(c->out->data, tensor_numel(c->out));
  return true;
}

static const Op randn_row = {"randn",
                             "shape:size",
                             "Random numbers of the normal distribution, with mean 0 and variance 1.",
                             "tensor.randn(2, 3)",
                             .shape = shape_first,
                             .forward = randn_forward};

Tensor *tensor_randn(int ndim, const long *shape) {
  return call_size(&randn_row, NULL, ndim, shape);
}

static bool randint_shape(Call *c) {
  if (!check_whole(c, 0) || !check_whole(c, 1)) return false;
  if (c->param[0].number > c->param[1].number)
    return call_fail(c, "low must not be above high, got %.0f and %.0f", c->param[0].number, c->param[1].number);
  return made_shape(c, 2);
}

static bool randint_forward(Call *c) {
  random_integers(c->out->data, tensor_numel(c->out), (int32_t)c->param[0].number, (int32_t)c->param[1].number);
  return true;
}

static const Op randint_row = {"randint",
                               "low:integer, high:integer, shape:size",
                               "Random whole numbers from low to high, both included.",
                               "tensor.randint(1, 10, 2, 3)",
                               .shape = randint_shape,
                               .forward = randint_forward};

Tensor *tensor_randint(long low, long high, int ndim, const long *shape) {
  Param p[3] = {{.number = (double)low}, {.number = (double)high}, {.count = ndim}};
  if (ndim < 0 || ndim > NN_DIMS) return nn_fail("randint: a tensor has at most %d dimensions, not %d", NN_DIMS, ndim);
  if (ndim) memcpy(p[2].list, shape, (size_t)ndim * sizeof *shape);
  return op_call(&randint_row, 0, NULL, p);
}

static bool randperm_shape(Call *c) {
  return count_shape(c, 0, 1);
}

static bool randperm_forward(Call *c) {
  long n = c->shape[0], *order = memory_new((size_t)n * sizeof *order);
  if (!order) return false;
  for (long i = 0; i < n; i++) order[i] = i + 1;
  random_shuffle(order, n);
  for (long i = 0; i < n; i++) c->out->data[i] = (real)order[i];
  memory_free(order);
  return true;
}

static const Op randperm_row = {"randperm",
                                "n:integer",
                                "The numbers 1 to n in random order.",
                                "tensor.randperm(5)",
                                .shape = randperm_shape,
                                .forward = randperm_forward};

Tensor *tensor_randperm(long n) {
  return op_call(&randperm_row, 0, NULL, &(Param){.number = (double)n});
}

static bool bernoulli_shape(Call *c) {
  double p = c->param[0].number;
  if (!(p >= 0 && p <= 1)) return call_fail(c, "p is a probability from 0 to 1, got %g", p);
  return made_shape(c, 1);
}

static bool bernoulli_forward(Call *c) {
  real *y = c->out->data, p = (real)c->param[0].number;
  long n = tensor_numel(c->out);
  random_uniform(y, n);
  for (long i = 0; i < n; i++) y[i] = y[i] < p;
  return true;
}

static const Op bernoulli_row = {"bernoulli",
                                 "p:number, shape:size",
                                 "1 with probability p, else 0.",
                                 "tensor.bernoulli(0.5, 2, 3)",
                                 .shape = bernoulli_shape,
                                 .forward = bernoulli_forward};

Tensor *tensor_bernoulli(double p, int ndim, const long *shape) {
  return call_size(&bernoulli_row, &(Param){.number = p}, ndim, shape);
}

const Op *const ops_make[] = {&zeros_row, &ones_row,  &full_row,    &eye_row,      &arange_row,    &linspace_row,
                              &rand_row,  &randn_row, &randint_row, &randperm_row, &bernoulli_row, NULL};
