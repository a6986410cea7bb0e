/* Ops that move elements without changing them. Reshapes and slices of the first dimension share memory. */
#include <string.h>

#include "../kernels/strided.h"
#include "../row.h"

static long product(const long *shape, int from, int to) {
  long n = 1;
  for (int i = from; i < to; i++) n *= shape[i];
  return n;
}

static void strides_of(const Tensor *x, long *stride) {
  long step = 1;
  for (int i = x->ndim - 1; i >= 0; i--) {
    stride[i] = step;
    step *= x->shape[i];
  }
}

/* The dimension in parameter p, from 0; -1 and an error if x has no such. */
static int dim_of(Call *c, int p, int ndim) {
  long dim = (long)c->param[p].number, at = dim < 0 ? dim + ndim : dim;
  if (at >= 0 && at < ndim) return (int)at;
  call_fail(c, "dimension %ld of a tensor with %d dimension%s", dim < 0 ? dim : dim + 1, ndim, ndim == 1 ? "" : "s");
  return -1;
}

static bool view_at(Call *c, long offset) {
  c->view = true;
  c->offset = offset;
  return true;
}

/* ---- reshape, flatten ---- */

static bool reshape_shape(Call *c) {
  const Param *p = &c->param[0];
  Tensor *x = c->in[0];
  long n = tensor_numel(x), known = 1, free = -1;
  for (int i = 0; i < p->count; i++) {
    if (p->list[i] == -1 && free < 0)
      free = i;
    else if (p->list[i] < 0)
      return call_fail(c, "sides are at least 0, and one may be -1, got %s", shape_text(p->count, p->list));
    else
      known *= p->list[i];
  }
  call_shape(c, p->count, p->list);
  if (free >= 0 && known && n % known == 0) c->shape[free] = n / known;
  if (free >= 0 ? c->shape[free] < 0 : known != n)
    return call_fail(c, "%s has %ld elements, which %s cannot hold", tensor_shape_text(x), n, shape_text(p->count, p->list));
  return view_at(c, 0);
}

static void reshape_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_reshape(g, c->in[0]->ndim, c->in[0]->shape);
}

static const Op reshape_row = {"reshape",
                               "x, shape:size",
                               "The same elements in another shape; one side may be -1 and is worked out. Shares memory.",
                               "tensor.randn(2,6):reshape(3,-1)",
                               reshape_shape,
                               NULL,
                               reshape_backward,
                               ""};

static Param size_param(int count, const long *sizes) {
  Param p = {.count = count};
  if (count > 0 && count <= NN_DIMS) memcpy(p.list, sizes, (size_t)count * sizeof *sizes);
  return p;
}

Tensor *tensor_reshape(Tensor *x, int ndim, const long *shape) {
  if (ndim > NN_DIMS) return nn_fail("reshape: a tensor has at most %d dimensions, not %d", NN_DIMS, ndim);
  return op_call(&reshape_row, 1, &x, (Param[]){size_param(ndim, shape)});
}

static bool flatten_shape(Call *c) {
  Tensor *x = c->in[0];
  if (!x->ndim) return call_shape(c, 1, (long[]){1}) && view_at(c, 0);
  int from = dim_of(c, 0, x->ndim), to = from < 0 ? -1 : dim_of(c, 1, x->ndim);
  if (to < 0) return false;
  if (to < from) return call_fail(c, "from comes after to: %d, %d", from + 1, to + 1);
  long shape[NN_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[from] = product(x->shape, from, to + 1);
  memmove(shape + from + 1, x->shape + to + 1, (size_t)(x->ndim - to - 1) * sizeof *shape);
  return call_shape(c, x->ndim - (to - from), shape) && view_at(c, 0);
}

static const Op flatten_row = {"flatten",
                               "x, from:dim=1, to:dim=-1",
                               "Dimensions from..to as one. Shares memory.",
                               "tensor.randn(2,3,2):flatten(2)\ntensor.randn(2,3,2):flatten()",
                               flatten_shape,
                               NULL,
                               reshape_backward,
                               ""};

Tensor *tensor_flatten(Tensor *x, long from, long to) {
  return op_call(&flatten_row, 1, &x, (Param[]){{.number = (double)from}, {.number = (double)to}});
}

/* ---- transpose, permute ---- */

static bool copy_permuted(Call *c, const long *order) {
  long stride[NN_DIMS], permuted[NN_DIMS];
  strides_of(c->in[0], stride);
  for (int i = 0; i < c->ndim; i++) permuted[i] = stride[order[i]];
  copy_strided(c->out->data, c->ndim, c->shape, c->in[0]->data, permuted);
  return true;
}

static bool transpose_shape(Call *c) {
  int a = dim_of(c, 0, c->in[0]->ndim), b = a < 0 ? -1 : dim_of(c, 1, c->in[0]->ndim);
  if (b < 0) return false;
  call_same(c);
  c->shape[a] = c->in[0]->shape[b];
  c->shape[b] = c->in[0]->shape[a];
  return true;
}

static bool transpose_forward(Call *c) {
  int a = dim_of(c, 0, c->ndim), b = dim_of(c, 1, c->ndim);
  long order[NN_DIMS] = {0, 1, 2, 3, 4, 5, 6, 7};
  order[a] = b;
  order[b] = a;
  return copy_permuted(c, order);
}

static void transpose_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_transpose(g, (long)c->param[0].number, (long)c->param[1].number);
}

static const Op transpose_row = {"transpose",
                                 "x, a:dim=-1, b:dim=-2",
                                 "Exchanges two dimensions, by default the last two.",
                                 "tensor.randn(2,3):transpose()\ntensor.randn(2,3,4):transpose(1,3)",
                                 transpose_shape,
                                 transpose_forward,
                                 transpose_backward,
                                 ""};

Tensor *tensor_transpose(Tensor *x, long a, long b) {
  return op_call(&transpose_row, 1, &x, (Param[]){{.number = (double)a}, {.number = (double)b}});
}

static void whole_order(const Call *c, long *order) {
  for (int i = 0; i < c->param[0].count; i++) {
    long dim = c->param[0].list[i];
    order[i] = dim < 0 ? dim + c->in[0]->ndim : dim;
  }
}

static bool permute_shape(Call *c) {
  Tensor *x = c->in[0];
  long order[NN_DIMS];
  if (c->param[0].count != x->ndim)
    return call_fail(c, "%d dimensions for a tensor with %d: each is named once", c->param[0].count, x->ndim);
  if (!call_check_dims(c, 0, x->ndim)) return false;
  whole_order(c, order);
  c->ndim = x->ndim;
  for (int i = 0; i < x->ndim; i++) c->shape[i] = x->shape[order[i]];
  return true;
}

static bool permute_forward(Call *c) {
  long order[NN_DIMS];
  whole_order(c, order);
  return copy_permuted(c, order);
}

static void permute_backward(Call *c, Tensor *g, Tensor **d) {
  long order[NN_DIMS], inverse[NN_DIMS];
  whole_order(c, order);
  for (int i = 0; i < c->ndim; i++) inverse[order[i]] = i;
  d[0] = tensor_permute(g, c->ndim, inverse);
}

static const Op permute_row = {"permute",
                               "x, order:dims",
                               "The dimensions in another order.",
                               "tensor.randn(2,3,4):permute(3,1,2)",
                               permute_shape,
                               permute_forward,
                               permute_backward,
                               ""};

Tensor *tensor_permute(Tensor *x, int ndim, const long *order) {
  return op_call(&permute_row, 1, &x, (Param[]){size_param(ndim, order)});
}

/* ---- narrow, select: a part of one dimension ---- */

/* The part of x from `from` on, that has the result's shape but for dimension dim. */
static bool copy_part(Call *c, int dim, long from, long count) {
  Tensor *x = c->in[0];
  long inner = product(x->shape, dim + 1, x->ndim), outer = product(x->shape, 0, dim);
  copy_runs(c->out->data, count * inner, x->data + from * inner, x->shape[dim] * inner, outer, count * inner);
  return true;
}

static bool narrow_range(Call *c, int *dim, long *from) {
  Tensor *x = c->in[0];
  *dim = dim_of(c, 0, x->ndim);
  if (*dim < 0) return false;
  long n = (long)c->param[2].number, size = x->shape[*dim];
  *from = (long)c->param[1].number;
  if (*from < 0) *from += size;
  if (n < 0 || *from < 0 || *from + n > size)
    return call_fail(c, "positions %ld to %ld of dimension %d of %s", *from + 1, *from + n, *dim + 1, tensor_shape_text(x));
  return true;
}

static bool narrow_shape(Call *c) {
  int dim;
  long from;
  if (!narrow_range(c, &dim, &from)) return false;
  call_same(c);
  c->shape[dim] = (long)c->param[2].number;
  return dim ? true : view_at(c, from * product(c->shape, 1, c->ndim));
}

static bool narrow_forward(Call *c) {
  int dim;
  long from;
  return narrow_range(c, &dim, &from) && copy_part(c, dim, from, c->shape[dim]);
}

/* g with zeros around it along one dimension, where x was cut. */
static Tensor *put_back(const Tensor *x, Tensor *g, int dim, long from, long n) {
  long around[2 * NN_DIMS] = {0};
  around[2 * dim] = from;
  around[2 * dim + 1] = x->shape[dim] - from - n;
  return tensor_pad(g, 2 * dim + 2, around, 0);
}

static void narrow_backward(Call *c, Tensor *g, Tensor **d) {
  int dim;
  long from;
  if (narrow_range(c, &dim, &from)) d[0] = put_back(c->in[0], g, dim, from, c->shape[dim]);
}

static const Op narrow_row = {"narrow",
                              "x, dim:dim, from:dim, n:integer",
                              "n positions of a dimension, beginning with position from. Of the first dimension it shares memory.",
                              "tensor.randn(4,3):narrow(1, 2, 2)\ntensor.randn(2,4,2):narrow(-2, 2, 3)",
                              narrow_shape,
                              narrow_forward,
                              narrow_backward,
                              ""};

Tensor *tensor_narrow(Tensor *x, long dim, long from, long n) {
  return op_call(&narrow_row, 1, &x, (Param[]){{.number = (double)dim}, {.number = (double)from}, {.number = (double)n}});
}

static bool select_place(Call *c, int *dim, long *at) {
  Tensor *x = c->in[0];
  *dim = dim_of(c, 0, x->ndim);
  if (*dim < 0) return false;
  *at = (long)c->param[1].number;
  if (*at < 0) *at += x->shape[*dim];
  if (*at >= 0 && *at < x->shape[*dim]) return true;
  return call_fail(c, "position %ld of dimension %d of %s", *at + 1, *dim + 1, tensor_shape_text(x));
}

static bool select_shape(Call *c) {
  Tensor *x = c->in[0];
  int dim;
  long at;
  if (!select_place(c, &dim, &at)) return false;
  call_same(c);
  memmove(c->shape + dim, x->shape + dim + 1, (size_t)(x->ndim - dim - 1) * sizeof *c->shape);
  c->ndim--;
  return dim ? true : view_at(c, at * product(x->shape, 1, x->ndim));
}

static bool select_forward(Call *c) {
  int dim;
  long at;
  return select_place(c, &dim, &at) && copy_part(c, dim, at, 1);
}

static void select_backward(Call *c, Tensor *g, Tensor **d) {
  int dim;
  long at, shape[NN_DIMS];
  if (!select_place(c, &dim, &at)) return;
  memcpy(shape, c->in[0]->shape, sizeof shape);
  shape[dim] = 1;
  d[0] = put_back(c->in[0], tensor_reshape(g, c->in[0]->ndim, shape), dim, at, 1);
}

static const Op select_row = {"select",
                              "x, dim:dim, at:dim",
                              "One position of a dimension, which goes away. Of the first dimension it shares memory.",
                              "tensor.randn(3,2):select(1, 2)\ntensor.randn(2,3,2):select(2, -1)",
                              select_shape,
                              select_forward,
                              select_backward,
                              ""};

Tensor *tensor_select(Tensor *x, long dim, long at) {
  return op_call(&select_row, 1, &x, (Param[]){{.number = (double)dim}, {.number = (double)at}});
}

/* ---- cat, stack ---- */

/* Copies the list into the result, which is (outer, sum of counts, inner). */
static bool copy_list(Call *c, long outer) {
  long whole = 0, at = 0;
  for (int i = 0; i < c->n; i++) whole += outer ? tensor_numel(c->in[i]) / outer : 0;
  for (int i = 0; i < c->n; i++) {
    long run = outer ? tensor_numel(c->in[i]) / outer : 0;
    copy_runs(c->out->data + at, whole, c->in[i]->data, run, outer, run);
    at += run;
  }
  return true;
}

static bool cat_shape(Call *c) {
  if (!c->n) return call_fail(c, "the list is empty");
  Tensor *first = c->in[0];
  int dim = dim_of(c, 0, first->ndim);
  if (dim < 0) return false;
  call_same(c);
  for (int i = 1; i < c->n; i++) {
    Tensor *x = c->in[i];
    bool fits = x->ndim == first->ndim;
    for (int k = 0; k < first->ndim && fits; k++) fits = k == dim || x->shape[k] == first->shape[k];
    if (!fits)
      return call_fail(c, "tensor %d must agree with the first but for dimension %d, got %s and %s", i + 1, dim + 1,
                       tensor_shape_text(x), tensor_shape_text(first));
    c->shape[dim] += x->shape[dim];
  }
  return true;
}

static bool cat_forward(Call *c) {
  return copy_list(c, product(c->shape, 0, dim_of(c, 0, c->ndim)));
}

static void cat_backward(Call *c, Tensor *g, Tensor **d) {
  int dim = dim_of(c, 0, c->ndim);
  long from = 0;
  for (int i = 0; i < c->n; i++) {
    if (c->want[i]) d[i] = tensor_narrow(g, dim, from, c->in[i]->shape[dim]);
    from += c->in[i]->shape[dim];
  }
}

static const Op cat_row = {"cat",
                           "xs:tensors, dim:dim=1",
                           "The tensors one after another along a dimension.",
                           "tensor.cat({tensor.randn(2,3), tensor.randn(1,3)})\n"
                           "tensor.cat({tensor.randn(2,1,2), tensor.randn(2,3,2)}, 2)",
                           cat_shape,
                           cat_forward,
                           cat_backward,
                           ""};

Tensor *tensor_cat(int n, Tensor *const *xs, long dim) {
  return op_call(&cat_row, n, xs, (Param[]){{.number = (double)dim}});
}

static bool stack_shape(Call *c) {
  if (!c->n) return call_fail(c, "the list is empty");
  Tensor *first = c->in[0];
  int dim = dim_of(c, 0, first->ndim + 1);
  if (dim < 0) return false;
  for (int i = 1; i < c->n; i++)
    if (!tensor_same_shape(c->in[i], first))
      return call_fail(c, "tensor %d must have the shape of the first, got %s and %s", i + 1, tensor_shape_text(c->in[i]),
                       tensor_shape_text(first));
  long shape[NN_DIMS + 1];
  memcpy(shape, first->shape, (size_t)dim * sizeof *shape);
  shape[dim] = c->n;
  memcpy(shape + dim + 1, first->shape + dim, (size_t)(first->ndim - dim) * sizeof *shape);
  return call_shape(c, first->ndim + 1, shape);
}

static bool stack_forward(Call *c) {
  return copy_list(c, product(c->shape, 0, dim_of(c, 0, c->ndim)));
}

static void stack_backward(Call *c, Tensor *g, Tensor **d) {
  int dim = dim_of(c, 0, c->ndim);
  for (int i = 0; i < c->n; i++)
    if (c->want[i]) d[i] = tensor_select(g, dim, i);
}

static const Op stack_row = {"stack",
                             "xs:tensors, dim:dim=1",
                             "The tensors, all of one shape, along a new dimension.",
                             "tensor.stack({tensor.randn(2,3), tensor.randn(2,3)})\n"
                             "tensor.stack({tensor.randn(2), tensor.randn(2), tensor.randn(2)}, 2)",
                             stack_shape,
                             stack_forward,
                             stack_backward,
                             ""};

Tensor *tensor_stack(int n, Tensor *const *xs, long dim) {
  return op_call(&stack_row, n, xs, (Param[]){{.number = (double)dim}});
}

/* ---- expand, repeat ---- */

static bool expand_shape(Call *c) {
  Tensor *x = c->in[0];
  const Param *to = &c->param[0];
  int added = to->count - x->ndim;
  bool fits = added >= 0;
  call_shape(c, to->count, to->list);
  for (int i = 0; i < to->count && fits; i++) {
    long side = i < added ? -1 : x->shape[i - added];
    if (c->shape[i] == -1) c->shape[i] = side;
    fits = c->shape[i] >= 0 && (i < added || side == 1 || side == c->shape[i]);
  }
  return fits || call_fail(c, "%s cannot become %s: sides of 1 grow, others stay, new ones come in front", tensor_shape_text(x),
                           shape_text(to->count, to->list));
}

static bool expand_forward(Call *c) {
  Tensor *x = c->in[0];
  long stride[NN_DIMS], expanded[NN_DIMS] = {0};
  int added = c->ndim - x->ndim;
  strides_of(x, stride);
  for (int i = 0; i < x->ndim; i++) expanded[added + i] = x->shape[i] == 1 ? 0 : stride[i];
  copy_strided(c->out->data, c->ndim, c->shape, x->data, expanded);
  return true;
}

static void expand_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_sum_to(g, c->in[0]->ndim, c->in[0]->shape);
}

static const Op expand_row = {"expand",
                              "x, shape:size",
                              "Broadcast to a shape: sides of 1 are repeated, -1 keeps a side, new dimensions come in front.",
                              "tensor.randn(2,1,3):expand(2,4,3)\ntensor.randn(3):expand(2,-1)",
                              expand_shape,
                              expand_forward,
                              expand_backward,
                              ""};

Tensor *tensor_expand(Tensor *x, int ndim, const long *shape) {
  return op_call(&expand_row, 1, &x, (Param[]){size_param(ndim, shape)});
}

static bool repeat_shape(Call *c) {
  Tensor *x = c->in[0];
  const Param *times = &c->param[0];
  int added = times->count - x->ndim;
  if (added < 0) return call_fail(c, "%d numbers for a tensor with %d dimensions", times->count, x->ndim);
  call_shape(c, times->count, times->list);
  for (int i = 0; i < c->ndim; i++) {
    if (times->list[i] < 0) return call_fail(c, "times are at least 0, got %ld", times->list[i]);
    if (i >= added) c->shape[i] *= x->shape[i - added];
  }
  return true;
}

/* One dimension after another, from the last: each writes the part before it as often as it is repeated. */
static bool repeat_forward(Call *c) {
  Tensor *x = c->in[0];
  long shape[2 * NN_DIMS], stride[2 * NN_DIMS], own[NN_DIMS];
  int added = c->ndim - x->ndim;
  strides_of(x, own);
  Tensor *now = x;
  for (int dim = c->ndim - 1; dim >= 0; dim--) { /* now is (outer, side, inner), the copy (outer, times, side, inner) */
    long side = dim < added ? 1 : x->shape[dim - added], times = c->param[0].list[dim];
    long outer = dim < added ? 1 : product(x->shape, 0, dim - added), inner = product(c->shape, dim + 1, c->ndim);
    Tensor *next = dim ? tensor_own(tensor_new(4, (long[]){outer, times, side, inner})) : c->out;
    if (!next) return false;
    memcpy(shape, (long[]){outer, times, side * inner}, 3 * sizeof *shape);
    memcpy(stride, (long[]){side * inner, 0, 1}, 3 * sizeof *stride);
    copy_strided(next->data, 3, shape, now->data, stride);
    now = next;
  }
  if (!c->ndim) c->out->data[0] = x->data[0];
  return true;
}

static void repeat_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  int added = c->ndim - x->ndim;
  for (int dim = 0; dim < c->ndim && g; dim++) { /* dimensions before this one are x's again */
    long side = dim < added ? 1 : x->shape[dim - added];
    long outer = dim < added ? 1 : product(x->shape, 0, dim - added), inner = product(c->shape, dim + 1, c->ndim);
    g = tensor_sum(tensor_reshape(g, 4, (long[]){outer, c->param[0].list[dim], side, inner}), 1, (long[]){1}, false);
  }
  d[0] = tensor_reshape(g, x->ndim, x->shape);
}

static const Op repeat_row = {"repeat",
                              "x, times:size",
                              "The tensor so many times along each dimension.",
                              "tensor.randn(2,3)[\"repeat\"](tensor.randn(2,3), 2, 3)\n"
                              "tensor[\"repeat\"](tensor.randn(2), 3, 2)",
                              repeat_shape,
                              repeat_forward,
                              repeat_backward,
                              ""};

Tensor *tensor_repeat(Tensor *x, int ndim, const long *times) {
  return op_call(&repeat_row, 1, &x, (Param[]){size_param(ndim, times)});
}

/* ---- pad, flip ---- */

/* The pads of at most NN_DIMS / 2 dimensions fit a list, so the op pads up to that many; tensor_pad does more in two calls. */
static bool pad_shape(Call *c) {
  const Param *p = &c->param[0];
  call_same(c);
  if (p->count % 2 || p->count / 2 > c->ndim)
    return call_fail(c, "before and after of at most %d dimensions, from the first on, got %d numbers", c->ndim, p->count);
  for (int i = 0; i < p->count; i++) {
    if (p->list[i] < 0) return call_fail(c, "a pad is at least 0, got %ld", p->list[i]);
    c->shape[i / 2] += p->list[i];
  }
  return true;
}

static bool pad_forward(Call *c) {
  Tensor *x = c->in[0];
  const Param *p = &c->param[0];
  if (!tensor_fill(c->out, c->param[1].number)) return false;
  long n = x->ndim ? x->shape[x->ndim - 1] : 1, rows = n ? tensor_numel(x) / n : 0;
  for (long row = 0; row < rows; row++) {
    long place = row, at = 0, step = x->ndim ? c->shape[c->ndim - 1] : 1;
    for (int dim = x->ndim - 2; dim >= 0; dim--) {
      long before = 2 * dim < p->count ? p->list[2 * dim] : 0;
      at += (place % x->shape[dim] + before) * step;
      place /= x->shape[dim];
      step *= c->shape[dim];
    }
    if (x->ndim && 2 * (x->ndim - 1) < p->count) at += p->list[2 * (x->ndim - 1)];
    memcpy(c->out->data + at, x->data + row * n, (size_t)n * sizeof(real));
  }
  return true;
}

static void pad_backward(Call *c, Tensor *g, Tensor **d) {
  for (int dim = 0; 2 * dim < c->param[0].count; dim++) g = tensor_narrow(g, dim, c->param[0].list[2 * dim], c->in[0]->shape[dim]);
  d[0] = g;
}

static const Op pad_row = {"pad",
                           "x, around:size, value:number=0",
                           "Puts a value around x: before and after of the first dimension, then of the second, and so on.",
                           "tensor.randn(2,3):pad({1,0,2,1})\ntensor.randn(2,2):pad({0,1}, 5)",
                           pad_shape,
                           pad_forward,
                           pad_backward,
                           ""};

Tensor *tensor_pad(Tensor *x, int count, const long *around, double value) {
  if (count <= NN_DIMS) return op_call(&pad_row, 1, &x, (Param[]){size_param(count, around), {.number = value}});
  int first = count - NN_DIMS;
  long rest[2 * NN_DIMS] = {0};
  x = op_call(&pad_row, 1, &x, (Param[]){size_param(NN_DIMS, around), {.number = value}});
  if (!x) return NULL;
  memcpy(rest, around + NN_DIMS, (size_t)first * sizeof *rest); /* the later dimensions come to the front, are padded, go back */
  long order[NN_DIMS], back[NN_DIMS];
  for (int i = 0; i < x->ndim; i++) order[i] = (i + NN_DIMS / 2) % x->ndim, back[order[i]] = i;
  x = op_call(&pad_row, 1, (Tensor *[]){tensor_permute(x, x->ndim, order)}, (Param[]){size_param(first, rest), {.number = value}});
  return x ? tensor_permute(x, x->ndim, back) : NULL;
}

static bool flip_shape(Call *c) {
  return call_check_dims(c, 0, c->in[0]->ndim) && call_same(c);
}

static bool flip_forward(Call *c) {
  Tensor *x = c->in[0];
  const Param *dims = &c->param[0];
  long stride[NN_DIMS];
  const real *from = x->data;
  strides_of(x, stride);
  if (!tensor_numel(x)) return true;
  for (int i = 0; i < (dims->count ? dims->count : x->ndim); i++) {
    long dim = !dims->count ? i : dims->list[i] < 0 ? dims->list[i] + x->ndim : dims->list[i];
    from += (x->shape[dim] - 1) * stride[dim];
    stride[dim] = -stride[dim];
  }
  copy_strided(c->out->data, c->ndim, c->shape, from, stride);
  return true;
}

static void flip_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_flip(g, c->param[0].count, c->param[0].list);
}

static const Op flip_row = {"flip",
                            "x, dims:dims=nil",
                            "Backwards along the given dimensions, or along all.",
                            "tensor.randn(2,3):flip(2)\ntensor.randn(2,3):flip()",
                            flip_shape,
                            flip_forward,
                            flip_backward,
                            ""};

Tensor *tensor_flip(Tensor *x, int count, const long *dims) {
  return op_call(&flip_row, 1, &x, (Param[]){size_param(count, dims)});
}

const Op *const ops_shape[] = {&reshape_row, &flatten_row, &transpose_row, &permute_row, &narrow_row, &select_row, &cat_row,
                               &stack_row,   &expand_row,  &repeat_row,    &pad_row,     &flip_row,   NULL};
