/* Reductions: over some dimensions, or over all. c->param[0] are the dimensions, c->param[1] is keepdim. */
#include <math.h>
#include <string.h>

#include "fold.h"

static bool fold_call(Call *c, const Fold *kernel, Finish *finish, double number) {
  Folded f;
  return fold_see(&f, c->in[0], &c->param[0]) && fold(&f, kernel, c->out->data, NULL, finish, number);
}

/* ---- sum and mean ---- */

static bool sum_forward(Call *c) {
  return fold_call(c, &fold_sum, NULL, 0);
}

static void sum_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = fold_back(c, g);
}

static const Op sum_row = {"sum",
                           "x, dims:dims=nil, keepdim:boolean=false",
                           "Sum over the given dimensions, or over all.",
                           "tensor.randn(2,3):sum()\n"
                           "tensor.randn(2,3,4):sum(2)\n"
                           "tensor.randn(2,3,4):sum({1,3}, true)",
                           .shape = fold_shape,
                           .forward = sum_forward,
                           .backward = sum_backward};

Tensor *tensor_sum(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&sum_row, x, count, dims, keepdim, false);
}

static void divide(double *folded, const real *about, long n, double number) {
  (void)about;
  for (long i = 0; i < n; i++) folded[i] /= number;
}

static bool mean_forward(Call *c) {
  return fold_call(c, &fold_sum, divide, (double)fold_count(c));
}

static void mean_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = fold_back(c, tensor_scale(g, 1 / (double)fold_count(c)));
}

static const Op mean_row = {"mean",
                            "x, dims:dims=nil, keepdim:boolean=false",
                            "Mean over the given dimensions, or over all.",
                            "tensor.randn(2,3):mean()\n"
                            "tensor.randn(2,3,4):mean(2)\n"
                            "tensor.randn(2,3,4):mean({1,2}, true)",
                            .shape = fold_shape,
                            .forward = mean_forward,
                            .backward = mean_backward};

Tensor *tensor_mean(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&mean_row, x, count, dims, keepdim, false);
}

/* Sums away what a broadcast from `shape` would add. */

static bool sum_to_shape(Call *c) {
  const Tensor *x = c->in[0];
  const Param *to = &c->param[0];
  int ndim;
  long shape[NN_DIMS];
  bool fits = broadcast_shapes(x->ndim, x->shape, to->count, to->list, &ndim, shape) && ndim == x->ndim &&
              !memcmp(shape, x->shape, (size_t)ndim * sizeof *shape);
  if (!fits)
    return call_fail(c, "x must be what shape broadcasts to, got %s and %s", tensor_shape_text(x), shape_text(to->count, to->list));
  long n = 1;
  for (int i = 0; i < to->count; i++) n *= to->list[i];
  c->view = n == tensor_numel(x); /* nothing to sum: at most dimensions of size 1 go */
  return call_shape(c, to->count, to->list);
}

static bool sum_to_forward(Call *c) {
  Tensor *x = c->in[0];
  Param dims = {0};
  Folded f;
  for (int i = 0; i < x->ndim; i++) {
    int to = i - (x->ndim - c->ndim);
    if (to < 0 || c->shape[to] != x->shape[i]) dims.list[dims.count++] = i;
  }
  return fold_see(&f, x, &dims) && fold(&f, &fold_sum, c->out->data, NULL, NULL, 0);
}

static void sum_to_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_expand(g, c->in[0]->ndim, c->in[0]->shape);
}

static const Op sum_to_row = {"sum_to",
                              "x, shape:size",
                              "Sums x down to a shape that broadcasts to x's; undoes a broadcast.",
                              "tensor.randn(2,3):sum_to(3)\n"
                              "tensor.randn(2,3,4):sum_to(3, 1)\n"
                              "tensor.randn(2,3):sum_to(2, 3)",
                              .shape = sum_to_shape,
                              .forward = sum_to_forward,
                              .backward = sum_to_backward};

Tensor *tensor_sum_to(Tensor *x, int ndim, const long *shape) {
  Param p = {.count = ndim};
  if (ndim < 0 || ndim > NN_DIMS) return nn_fail("sum_to: a tensor has at most %d dimensions, not %d", NN_DIMS, ndim);
  if (ndim) memcpy(p.list, shape, (size_t)ndim * sizeof *shape);
  return op_call(&sum_to_row, 1, &x, &p);
}

/* ---- max and min ---- */

static bool extreme_shape(Call *c) {
  if (!fold_shape(c)) return false;
  if (fold_count(c)) return true;
  return call_fail(c, "there is no %s of no elements, got %s", c->op->name, tensor_shape_text(c->in[0]));
}

/* Elements that share the extreme share the gradient. */
static void extreme_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *is = tensor_eq(c->in[0], fold_like(c, c->out));
  const Param *dims = &c->param[0];
  Tensor *ties = tensor_sum(is, dims->count, dims->list, true);
  d[0] = tensor_mul(is, tensor_div(fold_like(c, g), ties));
}

static bool max_forward(Call *c) {
  return fold_call(c, &fold_largest, NULL, 0);
}

static const Op max_row = {"max",
                           "x, dims:dims=nil, keepdim:boolean=false",
                           "The largest element over the given dimensions, or over all.",
                           "tensor.randn(2,3):max()\n"
                           "tensor.randn(2,3,4):max(2)\n"
                           "tensor.randn(2,3,4):max({1,3}, true)",
                           .shape = extreme_shape,
                           .forward = max_forward,
                           .backward = extreme_backward,
                           .needs = "x out"};

Tensor *tensor_max(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&max_row, x, count, dims, keepdim, false);
}

static bool min_forward(Call *c) {
  return fold_call(c, &fold_smallest, NULL, 0);
}

static const Op min_row = {"min",
                           "x, dims:dims=nil, keepdim:boolean=false",
                           "The smallest element over the given dimensions, or over all.",
                           "tensor.randn(2,3):min()\n"
                           "tensor.randn(2,3,4):min(2)\n"
                           "tensor.randn(2,3,4):min({1,3}, true)",
                           .shape = extreme_shape,
                           .forward = min_forward,
                           .backward = extreme_backward,
                           .needs = "x out"};

Tensor *tensor_min(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&min_row, x, count, dims, keepdim, false);
}

/* ---- prod ---- */

static bool prod_forward(Call *c) {
  return fold_call(c, &fold_product, NULL, 0);
}

/* x moved along dimension 1 of three by n places; ones come in at the end it leaves. */
static Tensor *move_ones_in(Tensor *x, long n) {
  long count = x->shape[1], away = n < 0 ? -n : n;
  Tensor *ones = tensor_ones(3, (long[]){x->shape[0], away, x->shape[2]});
  Tensor *rest = tensor_narrow(x, 1, n < 0 ? away : 0, count - away);
  return tensor_cat(2, n < 0 ? (Tensor *[]){rest, ones} : (Tensor *[]){ones, rest}, 1);
}

/* The product of all elements before (way 1) or after (way -1) each one along dimension 1, by doubling. */
static Tensor *running_product(Tensor *x, int way) {
  long count = x->shape[1];
  Tensor *product = move_ones_in(x, way);
  for (long n = 1; n < count && product; n *= 2) product = tensor_mul(product, move_ones_in(product, way * n));
  return product;
}

/* The product of all others, for each element: not out / x, which fails where x is 0. */
static Tensor *product_of_others(Tensor *x) {
  return tensor_mul(running_product(x, 1), running_product(x, -1));
}

/* The same for the dimensions of the call: they are brought together in the middle of three, and back. */
static Tensor *others(Call *c) {
  Tensor *x = c->in[0];
  long order[NN_DIMS], back[NN_DIMS], moved[NN_DIMS], count = fold_count(c);
  int n = 0;
  Tensor *kept = fold_like(c, c->out);
  if (!kept) return NULL;
  for (int folded = 0; folded < 2; folded++)
    for (int i = 0; i < x->ndim; i++)
      if ((kept->shape[i] != x->shape[i]) == folded) order[n++] = i;
  for (int i = 0; i < n; i++) back[order[i]] = i, moved[i] = x->shape[order[i]];
  Tensor *rows = tensor_reshape(tensor_permute(x, n, order), 3, (long[]){tensor_numel(kept), count, 1});
  return rows ? tensor_permute(tensor_reshape(product_of_others(rows), n, moved), n, back) : NULL;
}

static void prod_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  bool zero = false;
  for (long i = 0, n = tensor_numel(x); i < n && !zero; i++) zero = x->data[i] == 0;
  if (!tensor_numel(x))
    d[0] = tensor_zeros(x->ndim, x->shape);
  else if (zero)
    d[0] = tensor_mul(fold_like(c, g), others(c));
  else
    d[0] = tensor_div(fold_like(c, tensor_mul(g, c->out)), x);
}

static const Op prod_row = {"prod",
                            "x, dims:dims=nil, keepdim:boolean=false",
                            "Product over the given dimensions, or over all.",
                            "tensor{{1,-2,3},{0.5,4,-1}}:prod()\n"
                            "tensor{{1,-2,3},{0.5,4,-1}}:prod(2)\n"
                            "tensor{{1,0,3},{0,0,-1},{0,2,0.5}}:prod(2, true)\n"
                            "tensor{{{1,2},{0,3}},{{0,5},{2,0}},{{4,5},{6,7}}}:prod({1,3})",
                            .shape = fold_shape,
                            .forward = prod_forward,
                            .backward = prod_backward,
                            .needs = "x out"};

Tensor *tensor_prod(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&prod_row, x, count, dims, keepdim, false);
}

/* ---- var, std, norm ---- */

/* What the sum of squared deviations is divided by; 0 and less give NaN. */
static double degrees(Call *c) {
  double n = (double)fold_count(c) - (c->param[2].number != 0);
  return n > 0 ? n : 0;
}

static void root_of_quotient(double *folded, const real *about, long n, double number) {
  (void)about;
  for (long i = 0; i < n; i++) folded[i] = sqrt(folded[i] / number);
}

static bool spread_forward(Call *c, Finish *finish) {
  Folded f;
  Storage *means = storage_new((size_t)tensor_numel(c->out) * sizeof(real));
  bool ok = means && fold_see(&f, c->in[0], &c->param[0]) &&
            fold(&f, &fold_sum, means->data, NULL, divide, (double)fold_count(c)) &&
            fold(&f, &fold_deviations, c->out->data, means->data, finish, degrees(c));
  storage_drop(means);
  return ok;
}

static Tensor *deviations(Call *c) {
  return tensor_sub(c->in[0], tensor_mean(c->in[0], c->param[0].count, c->param[0].list, true));
}

static bool var_forward(Call *c) {
  return spread_forward(c, divide);
}

/* 2 g (x - mean) / n */
static void var_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(deviations(c), fold_like(c, tensor_scale(g, 2 / degrees(c))));
}

static const Op var_row = {"var",
                           "x, dims:dims=nil, keepdim:boolean=false, unbiased:boolean=true",
                           "Variance over the given dimensions, or over all; unbiased divides by one less than the count.",
                           "tensor.randn(2,3):var()\n"
                           "tensor.randn(2,3,4):var(2)\n"
                           "tensor.randn(2,3,4):var({1,3}, true, false)",
                           .shape = fold_shape,
                           .forward = var_forward,
                           .backward = var_backward,
                           .needs = "x"};

Tensor *tensor_var(Tensor *x, int count, const long *dims, bool keepdim, bool unbiased) {
  return fold_op(&var_row, x, count, dims, keepdim, unbiased);
}

/* g / out, but 0 where out is 0: there the root has no slope */
static Tensor *over_root(Tensor *g, Tensor *out) {
  Tensor *zero = tensor_scalar(0), *none = tensor_eq(out, zero);
  return tensor_where(none, zero, tensor_div(g, tensor_add(out, none)));
}

static bool std_forward(Call *c) {
  return spread_forward(c, root_of_quotient);
}

/* g (x - mean) / (n std) */
static void std_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *slope = tensor_scale(over_root(g, c->out), 1 / degrees(c));
  d[0] = tensor_mul(deviations(c), fold_like(c, slope));
}

static const Op std_row = {"std",
                           "x, dims:dims=nil, keepdim:boolean=false, unbiased:boolean=true",
                           "Standard deviation over the given dimensions, or over all: the root of var.",
                           "tensor.randn(2,3):std()\n"
                           "tensor.randn(2,3,4):std(2)\n"
                           "tensor.randn(2,3,4):std({1,3}, true, false)",
                           .shape = fold_shape,
                           .forward = std_forward,
                           .backward = std_backward,
                           .needs = "x out"};

Tensor *tensor_std(Tensor *x, int count, const long *dims, bool keepdim, bool unbiased) {
  return fold_op(&std_row, x, count, dims, keepdim, unbiased);
}

static void root(double *folded, const real *about, long n, double number) {
  (void)about, (void)number;
  for (long i = 0; i < n; i++) folded[i] = sqrt(folded[i]);
}

static bool norm_forward(Call *c) {
  return fold_call(c, &fold_squares, root, 0);
}

/* g x / |x| */
static void norm_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_mul(c->in[0], fold_like(c, over_root(g, c->out)));
}

static const Op norm_row = {"norm",
                            "x, dims:dims=nil, keepdim:boolean=false",
                            "Euclidean length over the given dimensions, or over all: the root of the sum of squares.",
                            "tensor.randn(2,3):norm()\n"
                            "tensor.randn(2,3,4):norm(2)\n"
                            "tensor.randn(2,3,4):norm({1,3}, true)",
                            .shape = fold_shape,
                            .forward = norm_forward,
                            .backward = norm_backward,
                            .needs = "x out"};

Tensor *tensor_norm(Tensor *x, int count, const long *dims, bool keepdim) {
  return fold_op(&norm_row, x, count, dims, keepdim, false);
}

/* ---- argmax and argmin ---- */

typedef struct Search {
  const real *x;
  real *y;
  long count, inner;
  bool least;
} Search;

/* The first NaN wins, else the first of the extremes. */
static long search_from(const real *x, long count, long stride, bool least) {
  long best = 0;
  for (long i = 1; i < count; i++) {
    real here = x[i * stride], there = x[best * stride];
    if (there != there) break;
    if ((least ? here < there : here > there) || here != here) best = i;
  }
  return best;
}

static void search(void *job, long from, long to) {
  const Search *s = job;
  for (long i = from; i < to; i++) {
    const real *x = s->x + i / s->inner * s->count * s->inner + i % s->inner;
    s->y[i] = (real)(search_from(x, s->count, s->inner, s->least) + 1);
  }
}

/* The dimension as a list of one, so that the functions of folds apply; over all when it is nil. */
static Param one_dim(const Param *dim) {
  Param dims = {.count = !dim->nil, .list = {(long)dim->number}};
  return dims;
}

static bool search_shape(Call *c) {
  const Param *given = c->param, dims[2] = {one_dim(&given[0]), given[1]};
  c->param = dims;
  bool ok = extreme_shape(c);
  long count = ok ? fold_count(c) : 0;
  c->param = given;
  if (ok && count > 1L << 24 && sizeof(real) == sizeof(float))
    return call_fail(c, "an index above 2^24 has no exact float, got %ld elements", count);
  return ok;
}

static bool search_forward(Call *c, bool least) {
  Folded f;
  Param dims = one_dim(&c->param[0]);
  if (!fold_see(&f, c->in[0], &dims)) return false;
  Search s = {f.x, c->out->data, f.count, f.inner, least};
  workers_for(f.outer * f.inner, 16384 / f.count + 1, search, &s);
  return true;
}

static bool argmax_forward(Call *c) {
  return search_forward(c, false);
}

static const Op argmax_row = {"argmax",
                              "x, dim:dim=nil, keepdim:boolean=false",
                              "Where the largest element is along a dimension, or in all of x in reading order; counts from 1.",
                              "tensor{{1,5,2},{7,0,3}}:argmax(2)\n"
                              "tensor{{1,5,2},{7,0,3}}:argmax()",
                              .shape = search_shape,
                              .forward = argmax_forward};

static Tensor *call_dim(const Op *op, Tensor *x, long dim, bool keepdim) {
  return op_call(op, 1, &x, (Param[]){{.number = (double)dim}, {.number = keepdim}});
}

Tensor *tensor_argmax(Tensor *x, long dim, bool keepdim) {
  return call_dim(&argmax_row, x, dim, keepdim);
}

static bool argmin_forward(Call *c) {
  return search_forward(c, true);
}

static const Op argmin_row = {"argmin",
                              "x, dim:dim=nil, keepdim:boolean=false",
                              "Where the smallest element is along a dimension, or in all of x in reading order; counts from 1.",
                              "tensor{{1,5,2},{7,0,3}}:argmin(2)\n"
                              "tensor{{1,5,2},{7,0,3}}:argmin()",
                              .shape = search_shape,
                              .forward = argmin_forward};

Tensor *tensor_argmin(Tensor *x, long dim, bool keepdim) {
  return call_dim(&argmin_row, x, dim, keepdim);
}

const Op *const ops_reduce[] = {&sum_row, &mean_row, &sum_to_row, &max_row,    &min_row,    &prod_row,
                                &var_row, &std_row,  &norm_row,   &argmax_row, &argmin_row, NULL};
