/* Ops that cut parts out of tensors, put tensors together and put borders around them. */
#include <string.h>

#include "../kernels/strided.h"
#include "../row.h"

/* Copies n runs of `run` neighbours from every `from`-th element to every `to`-th. */
static void copy_runs(real *out, long to, const real *in, long from, long n, long run) {
  Box box = {.out = out, .in = in};
  box_add(&box, n, to, from);
  box_add(&box, run, 1, 1);
  box_copy(&box);
}

/* ---- narrow, select: positions from .. from + n - 1 of a dimension ---- */

static bool find_part(Call *c, int *dim, long *from, long n) {
  Tensor *x = c->in[0];
  *dim = call_get_dim(c, 0, x->ndim);
  if (*dim < 0) return false;
  long side = x->shape[*dim], given = (long)c->param[1].number;
  *from = given < 0 ? given + side : given;
  if (n < 0) return call_fail(c, "n must be from 0, got %ld", n);
  if (*from >= 0 && n <= side && *from <= side - n) return true;
  return call_fail(c, "dimension %d of %s has positions 1 to %ld, asked for %ld from %ld on", *dim + 1, tensor_shape_text(x), side,
                   n, given < 0 ? given : given + 1);
}

/* A part of the first dimension is a view. */
static bool view_part(Call *c, int dim, long from) {
  c->view = dim == 0;
  c->offset = from * shape_product(c->in[0]->shape, 1, c->in[0]->ndim);
  return true;
}

static bool copy_part(Call *c, long n) {
  Tensor *x = c->in[0];
  int dim;
  long from;
  if (!find_part(c, &dim, &from, n)) return false;
  long inner = shape_product(x->shape, dim + 1, x->ndim);
  copy_runs(c->out->data, n * inner, x->data + from * inner, x->shape[dim] * inner, shape_product(x->shape, 0, dim), n * inner);
  return true;
}

/* Zeros as x, but g where the part was cut from. */
static Tensor *put_back(Call *c, Tensor *g, long n) {
  Tensor *x = c->in[0];
  int dim;
  long from;
  if (!find_part(c, &dim, &from, n)) return NULL;
  long outer = shape_product(x->shape, 0, dim), inner = shape_product(x->shape, dim + 1, x->ndim), after = x->shape[dim] - from - n;
  g = tensor_pad(tensor_reshape(g, 3, (long[]){outer, n, inner}), 4, (long[]){0, 0, from, after}, 0);
  return tensor_reshape(g, x->ndim, x->shape);
}

static bool narrow_shape(Call *c) {
  int dim;
  long from, n = (long)c->param[2].number;
  if (!find_part(c, &dim, &from, n)) return false;
  call_same(c);
  c->shape[dim] = n;
  return view_part(c, dim, from);
}

static bool narrow_forward(Call *c) {
  return copy_part(c, (long)c->param[2].number);
}

static void narrow_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = put_back(c, g, (long)c->param[2].number);
}

static const Op narrow_row = {"narrow",
                              "x, dim:dim, from:position, n:integer",
                              "n positions of a dimension, from position `from` on. Of the first dimension it shares memory.",
                              "tensor.randn(4,3):narrow(1, 2, 2)\n"
                              "tensor.randn(2,4,2):narrow(-2, 2, 3)\n"
                              "tensor.randn(2,4):narrow(2, -3, 2)\n"
                              "tensor.randn(1,1,2,1,1,3):narrow(6, 1, 2)",
                              .shape = narrow_shape,
                              .forward = narrow_forward,
                              .backward = narrow_backward};

Tensor *tensor_narrow(Tensor *x, long dim, long from, long n) {
  return op_call(&narrow_row, 1, &x, (Param[]){{.number = (double)dim}, {.number = (double)from}, {.number = (double)n}});
}

static bool select_shape(Call *c) {
  Tensor *x = c->in[0];
  int dim;
  long from;
  if (!find_part(c, &dim, &from, 1)) return false;
  call_same(c);
  c->ndim--;
  memcpy(c->shape + dim, x->shape + dim + 1, (size_t)(c->ndim - dim) * sizeof *c->shape);
  return view_part(c, dim, from);
}

static bool select_forward(Call *c) {
  return copy_part(c, 1);
}

static void select_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = put_back(c, g, 1);
}

static const Op select_row = {"select",
                              "x, dim:dim, at:position",
                              "One position of a dimension, which goes away. Of the first dimension it shares memory.",
                              "tensor.randn(3,2):select(1, 2)\n"
                              "tensor.randn(2,3,2):select(2, -1)\n"
                              "tensor.randn(3):select(1, 3)",
                              .shape = select_shape,
                              .forward = select_forward,
                              .backward = select_backward};

Tensor *tensor_select(Tensor *x, long dim, long at) {
  return op_call(&select_row, 1, &x, (Param[]){{.number = (double)dim}, {.number = (double)at}});
}

/* ---- cat, stack ---- */

/* Fills the result, which is (outer, all runs one after another), a list's tensors being (outer, run). */
static bool copy_list(Call *c, long outer) {
  real *out = c->out->data;
  long row = outer ? tensor_numel(c->out) / outer : 0;
  for (int i = 0; i < c->n && outer; i++) {
    long run = tensor_numel(c->in[i]) / outer;
    copy_runs(out, row, c->in[i]->data, run, outer, run);
    out += run;
  }
  return true;
}

static bool cat_shape(Call *c) {
  if (!c->n) return call_fail(c, "needs at least one tensor, the list is empty");
  Tensor *first = c->in[0];
  int dim = call_get_dim(c, 0, first->ndim);
  if (dim < 0) return false;
  call_same(c);
  for (int i = 1; i < c->n; i++) {
    Tensor *x = c->in[i];
    bool fits = x->ndim == first->ndim;
    for (int k = 0; k < first->ndim && fits; k++) fits = k == dim || x->shape[k] == first->shape[k];
    if (!fits)
      return call_fail(c, "all must have the same shape but for dimension %d; tensor %d has %s, tensor 1 %s", dim + 1, i + 1,
                       tensor_shape_text(x), tensor_shape_text(first));
    if (__builtin_add_overflow(c->shape[dim], x->shape[dim], &c->shape[dim]))
      return call_fail(c, "the sides add up to more than fits");
  }
  return true;
}

static bool cat_forward(Call *c) {
  return copy_list(c, shape_product(c->shape, 0, call_get_dim(c, 0, c->ndim)));
}

static void cat_backward(Call *c, Tensor *g, Tensor **d) {
  int dim = call_get_dim(c, 0, c->ndim);
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
                           "tensor.cat({tensor.randn(2,1,2), tensor.randn(2,3,2), tensor.randn(2,0,2)}, 2)\n"
                           "tensor.cat({tensor.randn(2,1), tensor.randn(2,2)}, -1)",
                           .shape = cat_shape,
                           .forward = cat_forward,
                           .backward = cat_backward};

Tensor *tensor_cat(int n, Tensor *const *xs, long dim) {
  return op_call(&cat_row, n, xs, (Param[]){{.number = (double)dim}});
}

static bool stack_shape(Call *c) {
  if (!c->n) return call_fail(c, "needs at least one tensor, the list is empty");
  Tensor *first = c->in[0];
  int dim = call_get_dim(c, 0, first->ndim + 1);
  if (dim < 0) return false;
  for (int i = 1; i < c->n; i++)
    if (!tensor_same_shape(c->in[i], first))
      return call_fail(c, "all must have the same shape; tensor %d has %s, tensor 1 %s", i + 1, tensor_shape_text(c->in[i]),
                       tensor_shape_text(first));
  long shape[NN_DIMS + 1];
  memcpy(shape, first->shape, (size_t)dim * sizeof *shape);
  shape[dim] = c->n;
  memcpy(shape + dim + 1, first->shape + dim, (size_t)(first->ndim - dim) * sizeof *shape);
  return call_shape(c, first->ndim + 1, shape);
}

static void stack_backward(Call *c, Tensor *g, Tensor **d) {
  int dim = call_get_dim(c, 0, c->ndim);
  for (int i = 0; i < c->n; i++)
    if (c->want[i]) d[i] = tensor_select(g, dim, i);
}

static const Op stack_row = {"stack",
                             "xs:tensors, dim:dim=1",
                             "The tensors, all of one shape, along a new dimension.",
                             "tensor.stack({tensor.randn(2,3), tensor.randn(2,3)})\n"
                             "tensor.stack({tensor.randn(2), tensor.randn(2), tensor.randn(2)}, 2)\n"
                             "tensor.stack({tensor.randn(2,2), tensor.randn(2,2)}, -2)",
                             .shape = stack_shape,
                             .forward = cat_forward,
                             .backward = stack_backward};

Tensor *tensor_stack(int n, Tensor *const *xs, long dim) {
  return op_call(&stack_row, n, xs, (Param[]){{.number = (double)dim}});
}

/* ---- pad ---- */

static long before(const Call *c, int dim) {
  return 2 * dim < c->param[0].count ? c->param[0].list[2 * dim] : 0;
}

static bool pad_shape(Call *c) {
  const Param *around = &c->param[0];
  call_same(c);
  if (around->count % 2 || around->count / 2 > c->ndim)
    return call_fail(c, "around must hold two numbers, before and after, for each of the first dimensions of %s, got %d",
                     tensor_shape_text(c->in[0]), around->count);
  for (int i = 0; i < around->count; i++)
    if (around->list[i] < 0 || __builtin_add_overflow(c->shape[i / 2], around->list[i], &c->shape[i / 2]))
      return call_fail(c, "what is put around must be from 0 and of a size that memory holds, got %s",
                       shape_text(around->count, around->list));
  return true;
}

static bool pad_forward(Call *c) {
  Tensor *x = c->in[0];
  real value = (real)c->param[1].number;
  Box all = {.out = c->out->data, .in = &value}, inside = {.out = c->out->data, .in = x->data};
  box_add(&all, tensor_numel(c->out), 1, 0);
  box_copy(&all);
  for (int i = 0; i < c->ndim; i++) {
    long step = shape_product(c->shape, i + 1, c->ndim);
    inside.out += before(c, i) * step;
    box_add(&inside, x->shape[i], step, shape_product(x->shape, i + 1, x->ndim));
  }
  box_copy(&inside);
  return true;
}

static void pad_backward(Call *c, Tensor *g, Tensor **d) {
  for (int i = 0; i < c->ndim; i++)
    if (c->shape[i] != c->in[0]->shape[i]) g = tensor_narrow(g, i, before(c, i), c->in[0]->shape[i]);
  d[0] = g;
}

static const Op pad_row = {"pad",
                           "x, around:size, value:number=0",
                           "Puts a value around x: before and after of the first dimension, then of the second, and so on.",
                           "tensor.randn(2,3):pad({1,0,2,1})\n"
                           "tensor.randn(2,2):pad({0,1}, 5)\n"
                           "tensor.randn(1,2,2,2):pad({0,0,1,1,0,2})",
                           .shape = pad_shape,
                           .forward = pad_forward,
                           .backward = pad_backward};

Tensor *tensor_pad(Tensor *x, int count, const long *before_after, double value) {
  Param p[2] = {{.count = count}, {.number = value}};
  if (count < 0 || count > NN_DIMS) return nn_fail("pad: takes at most %d numbers, got %d", NN_DIMS, count);
  if (count) memcpy(p[0].list, before_after, (size_t)count * sizeof *before_after);
  return op_call(&pad_row, 1, &x, p);
}

const Op *const ops_slice[] = {&narrow_row, &select_row, &cat_row, &stack_row, &pad_row, NULL};
