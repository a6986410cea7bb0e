/* Ops that give the same elements another shape or order. Reshapes share memory, and so does what moves no element. */
#include <string.h>

#include "../kernels/strided.h"
#include "../row.h"

/* Calls an op of one tensor and a list of numbers. */
static Tensor *call_list(const Op *op, Tensor *x, int count, const long *list) {
  Param p = {.count = count};
  if (count < 0 || count > NN_DIMS) return nn_fail("%s: takes at most %d numbers, got %d", op->name, NN_DIMS, count);
  if (count) memcpy(p.list, list, (size_t)count * sizeof *list);
  return op_call(op, 1, &x, &p);
}

/* ---- reshape, flatten ---- */

/* What -1 stands for when the other sides of `shape` multiply to `known`; -1 when nothing fits. */
static long missing_side(long n, long known) {
  return known > 0 && n % known == 0 ? n / known : -1;
}

static bool reshape_shape(Call *c) {
  const Param *to = &c->param[0];
  long n = tensor_numel(c->in[0]), known = 1;
  int open = -1;
  bool fits = true;
  call_shape(c, to->count, to->list);
  for (int i = 0; i < c->ndim && fits; i++)
    if (to->list[i] == -1 && open < 0)
      open = i;
    else
      fits = to->list[i] >= 0 && !__builtin_mul_overflow(known, to->list[i], &known);
  if (fits && open >= 0) c->shape[open] = missing_side(n, known);
  if (!fits || (open < 0 ? known != n : c->shape[open] < 0))
    return call_fail(c, "the %ld elements of %s do not fill %s; sides are from 0, and one may be -1 to be worked out", n,
                     tensor_shape_text(c->in[0]), shape_text(to->count, to->list));
  return c->view = true;
}

static void reshape_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_reshape(g, c->in[0]->ndim, c->in[0]->shape);
}

static const Op reshape_row = {"reshape",
                               "x, shape:size",
                               "The same elements in another shape; one side may be -1 and is worked out. Shares memory.",
                               "tensor.randn(2,6):reshape(3,-1)\n"
                               "tensor.randn(1,1):reshape({})",
                               .shape = reshape_shape,
                               .backward = reshape_backward};

Tensor *tensor_reshape(Tensor *x, int ndim, const long *shape) {
  return call_list(&reshape_row, x, ndim, shape);
}

static bool flatten_shape(Call *c) {
  Tensor *x = c->in[0];
  c->view = true;
  if (!x->ndim) return call_shape(c, 1, (long[]){1});
  int from = call_get_dim(c, 0, x->ndim), to = from < 0 ? -1 : call_get_dim(c, 1, x->ndim);
  if (to < 0) return false;
  if (to < from) return call_fail(c, "from must not come after to, got %d and %d", from + 1, to + 1);
  call_same(c);
  c->ndim = x->ndim - (to - from);
  c->shape[from] = shape_product(x->shape, from, to + 1);
  memcpy(c->shape + from + 1, x->shape + to + 1, (size_t)(x->ndim - to - 1) * sizeof *c->shape);
  return true;
}

static const Op flatten_row = {"flatten",
                               "x, from:dim=1, to:dim=-1",
                               "Joins the dimensions from..to into one. Shares memory.",
                               "tensor.randn(2,3,2):flatten()\n"
                               "tensor.randn(2,3,2):flatten(2)\n"
                               "tensor.randn(2,3,2,2):flatten(2, -2)",
                               .shape = flatten_shape,
                               .backward = reshape_backward};

Tensor *tensor_flatten(Tensor *x, long from, long to) {
  return op_call(&flatten_row, 1, &x, (Param[]){{.number = (double)from}, {.number = (double)to}});
}

/* ---- transpose, permute: dimension i of the result is dimension order[i] of x ---- */

static bool order_shape(Call *c, const long *order) {
  Tensor *x = c->in[0];
  long last = -1;
  c->ndim = x->ndim;
  c->view = true; /* unless two sides other than 1 change places */
  for (int i = 0; i < x->ndim; i++) {
    c->shape[i] = x->shape[order[i]];
    if (c->shape[i] == 1) continue;
    if (order[i] < last) c->view = false;
    last = order[i];
  }
  return true;
}

static bool copy_in_order(Call *c, const long *order) {
  Tensor *x = c->in[0];
  Box box = {.out = c->out->data, .in = x->data};
  for (int i = 0; i < c->ndim; i++)
    box_add(&box, c->shape[i], shape_product(c->shape, i + 1, c->ndim), shape_product(x->shape, (int)order[i] + 1, x->ndim));
  box_copy(&box);
  return true;
}

static bool exchange_order(Call *c, long *order) {
  int ndim = c->in[0]->ndim, a = call_get_dim(c, 0, ndim), b = a < 0 ? -1 : call_get_dim(c, 1, ndim);
  if (b < 0) return false;
  for (int i = 0; i < ndim; i++) order[i] = i;
  order[a] = b;
  order[b] = a;
  return true;
}

static bool transpose_shape(Call *c) {
  long order[NN_DIMS];
  return exchange_order(c, order) && order_shape(c, order);
}

static bool transpose_forward(Call *c) {
  long order[NN_DIMS];
  return exchange_order(c, order) && copy_in_order(c, order);
}

static void transpose_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_transpose(g, (long)c->param[0].number, (long)c->param[1].number);
}

static const Op transpose_row = {"transpose",
                                 "x, a:dim=-1, b:dim=-2",
                                 "Exchanges two dimensions, by default the last two.",
                                 "tensor.randn(2,3):transpose()\n"
                                 "tensor.randn(2,3,4):transpose(1,3)\n"
                                 "tensor.randn(2,1,3):transpose(1,-2)",
                                 .shape = transpose_shape,
                                 .forward = transpose_forward,
                                 .backward = transpose_backward};

Tensor *tensor_transpose(Tensor *x, long a, long b) {
  return op_call(&transpose_row, 1, &x, (Param[]){{.number = (double)a}, {.number = (double)b}});
}

static void read_order(const Call *c, long *order) {
  for (int i = 0; i < c->param[0].count; i++) {
    long dim = c->param[0].list[i];
    order[i] = dim < 0 ? dim + c->in[0]->ndim : dim;
  }
}

static bool permute_shape(Call *c) {
  Tensor *x = c->in[0];
  long order[NN_DIMS];
  if (!call_check_dims(c, 0, x->ndim)) return false;
  if (c->param[0].count != x->ndim)
    return call_fail(c, "order must name each of the %d dimensions of %s once, got %d", x->ndim, tensor_shape_text(x),
                     c->param[0].count);
  read_order(c, order);
  return order_shape(c, order);
}

static bool permute_forward(Call *c) {
  long order[NN_DIMS];
  read_order(c, order);
  return copy_in_order(c, order);
}

static void permute_backward(Call *c, Tensor *g, Tensor **d) {
  long order[NN_DIMS], inverse[NN_DIMS];
  read_order(c, order);
  for (int i = 0; i < c->ndim; i++) inverse[order[i]] = i;
  d[0] = tensor_permute(g, c->ndim, inverse);
}

static const Op permute_row = {"permute",
                               "x, order:dims",
                               "The dimensions in another order.",
                               "tensor.randn(2,3,4):permute(3,1,2)\n"
                               "tensor.randn(2,3,2,2):permute(-1,3,1,2)\n"
                               "tensor.randn(3,1,2):permute(2,1,3)",
                               .shape = permute_shape,
                               .forward = permute_forward,
                               .backward = permute_backward};

Tensor *tensor_permute(Tensor *x, int ndim, const long *order) {
  return call_list(&permute_row, x, ndim, order);
}

/* ---- expand, repeat ---- */

static bool expand_shape(Call *c) {
  Tensor *x = c->in[0];
  const Param *to = &c->param[0];
  int added = to->count - x->ndim;
  bool fits = added >= 0;
  call_shape(c, to->count, to->list);
  c->view = true; /* unless an element is needed twice */
  for (int i = 0; i < c->ndim && fits; i++) {
    long side = i < added ? 1 : x->shape[i - added];
    if (c->shape[i] == -1 && i >= added) c->shape[i] = side;
    fits = c->shape[i] >= 0 && (side == 1 || side == c->shape[i]);
    if (side != c->shape[i]) c->view = false;
  }
  return fits || call_fail(c, "%s cannot become %s: sides of 1 grow, others stay (-1 keeps any), new ones come in front",
                           tensor_shape_text(x), shape_text(to->count, to->list));
}

static bool expand_forward(Call *c) {
  Tensor *x = c->in[0];
  Box box = {.out = c->out->data, .in = x->data};
  int added = c->ndim - x->ndim;
  for (int i = 0; i < c->ndim; i++) {
    bool grows = i < added || x->shape[i - added] == 1;
    box_add(&box, c->shape[i], shape_product(c->shape, i + 1, c->ndim),
            grows ? 0 : shape_product(x->shape, i - added + 1, x->ndim));
  }
  box_copy(&box);
  return true;
}

static void expand_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_sum_to(g, c->in[0]->ndim, c->in[0]->shape);
}

static const Op expand_row = {"expand",
                              "x, shape:size",
                              "Broadcast to a shape: sides of 1 are repeated, -1 keeps a side, new dimensions come in front.",
                              "tensor.randn(2,1,3):expand(2,4,3)\n"
                              "tensor.randn(3,1):expand(2,-1,2)\n"
                              "tensor.randn(3):expand(1,3)",
                              .shape = expand_shape,
                              .forward = expand_forward,
                              .backward = expand_backward};

Tensor *tensor_expand(Tensor *x, int ndim, const long *shape) {
  return call_list(&expand_row, x, ndim, shape);
}

static bool repeat_shape(Call *c) {
  Tensor *x = c->in[0];
  const Param *times = &c->param[0];
  int added = times->count - x->ndim;
  if (added < 0)
    return call_fail(c, "times needs a number for each of the %d dimensions of %s, got %d", x->ndim, tensor_shape_text(x),
                     times->count);
  call_shape(c, times->count, times->list);
  for (int i = 0; i < c->ndim; i++)
    if (times->list[i] < 0 || (i >= added && __builtin_mul_overflow(times->list[i], x->shape[i - added], &c->shape[i])))
      return call_fail(c, "times must be from 0 and of a size that memory holds, got %s", shape_text(times->count, times->list));
  return true;
}

static bool repeat_forward(Call *c) {
  Tensor *x = c->in[0];
  Box box = {.out = c->out->data, .in = x->data};
  int added = c->ndim - x->ndim;
  for (int i = 0; i < c->ndim; i++) {
    long side = i < added ? 1 : x->shape[i - added], to = shape_product(c->shape, i + 1, c->ndim);
    box_add(&box, c->param[0].list[i], side * to, 0);
    box_add(&box, side, to, i < added ? 0 : shape_product(x->shape, i - added + 1, x->ndim));
  }
  box_copy(&box);
  return true;
}

/* Sums over the copies, one dimension after another. */
static void repeat_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  int added = c->ndim - x->ndim;
  for (int i = 0; i < c->ndim; i++) {
    long times = c->param[0].list[i], side = i < added ? 1 : x->shape[i - added];
    long outer = i < added ? 1 : shape_product(x->shape, 0, i - added), inner = shape_product(c->shape, i + 1, c->ndim);
    if (times != 1) g = tensor_sum(tensor_reshape(g, 3, (long[]){outer, times, side * inner}), 1, (long[]){1}, false);
  }
  d[0] = tensor_reshape(g, x->ndim, x->shape);
}

static const Op repeat_row = {"repeat",
                              "x, times:size",
                              "x so many times along each dimension; new dimensions come in front.",
                              "tensor[\"repeat\"](tensor.randn(2,3), 2, 3)\n"
                              "tensor[\"repeat\"](tensor.randn(2), 3, 1)\n"
                              "tensor[\"repeat\"](tensor.randn(2,1,2), 1, 2, 2)",
                              .shape = repeat_shape,
                              .forward = repeat_forward,
                              .backward = repeat_backward};

Tensor *tensor_repeat(Tensor *x, int ndim, const long *times) {
  return call_list(&repeat_row, x, ndim, times);
}

/* ---- flip ---- */

static bool flip_shape(Call *c) {
  return call_check_dims(c, 0, c->in[0]->ndim) && call_same(c);
}

static bool flip_forward(Call *c) {
  Tensor *x = c->in[0];
  const Param *dims = &c->param[0];
  bool flipped[NN_DIMS] = {false};
  for (int i = 0; i < dims->count; i++) flipped[dims->list[i] < 0 ? dims->list[i] + x->ndim : dims->list[i]] = true;
  Box box = {.out = c->out->data, .in = x->data};
  for (int i = 0; i < c->ndim; i++) {
    long step = shape_product(x->shape, i + 1, x->ndim);
    bool backwards = (flipped[i] || !dims->count) && c->shape[i];
    if (backwards) box.in += (c->shape[i] - 1) * step;
    box_add(&box, c->shape[i], step, backwards ? -step : step);
  }
  box_copy(&box);
  return true;
}

static void flip_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_flip(g, c->param[0].count, c->param[0].list);
}

static const Op flip_row = {"flip",
                            "x, dims:dims=nil",
                            "Backwards along the given dimensions, or along all.",
                            "tensor.randn(2,3):flip(2)\n"
                            "tensor.randn(2,3,2):flip({1,-1})\n"
                            "tensor.randn(2,3):flip()",
                            .shape = flip_shape,
                            .forward = flip_forward,
                            .backward = flip_backward};

Tensor *tensor_flip(Tensor *x, int count, const long *dims) {
  return call_list(&flip_row, x, count, dims);
}

const Op *const ops_shape[] = {&reshape_row, &flatten_row, &transpose_row, &permute_row, &expand_row, &repeat_row, &flip_row, NULL};
