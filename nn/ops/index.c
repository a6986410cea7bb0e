/* Ops that pick by tensors of indices, which count from 1, and those that add back to where was picked. */
#include <stdio.h>
#include <string.h>

#include "../kernels/pick.h"
#include "../row.h"

/* x seen as (outer, side, inner) around the dimension that parameter 0 names; that dimension, or -1 and an error. */
static int see_around(Call *c, const Tensor *x, Pick *p) {
  int dim = call_get_dim(c, 0, x->ndim);
  if (dim < 0) return -1;
  *p = (Pick){.outer = shape_product(x->shape, 0, dim), .side = x->shape[dim], .inner = shape_product(x->shape, dim + 1, x->ndim)};
  return dim;
}

/* An error in the op's name tells which index is none. */
bool call_check_indices(Call *c, const Tensor *indices, long side) {
  long n = tensor_numel(indices), i = 0;
  if (pick_check(indices->data, n, side)) return true;
  while (i < n && index_at(indices, i, side) >= 0) i++;
  return call_failed(c);
}

static bool run_pick(Call *c, const Tensor *x, const Tensor *indices, Pick *p) {
  if (!call_check_indices(c, indices, p->side)) return false;
  p->index = indices->data;
  pick(p, x->data, c->out->data);
  return true;
}

static bool run_pick_add(Call *c, Pick *p) {
  if (!call_check_indices(c, c->in[1], p->side)) return false;
  p->index = c->in[1]->data;
  pick_add(p, c->in[0]->data, c->in[2]->data, c->out->data);
  return true;
}

static Tensor *call_along(const Op *op, long dim, int n, Tensor *const *in) {
  return op_call(op, n, in, &(Param){.number = (double)dim});
}

/* ---- index_select: whole slices; index_add adds slices ---- */

static bool check_line(Call *c) {
  if (c->in[1]->ndim == 1) return true;
  return call_fail(c, "indices must have one dimension, got %s", tensor_shape_text(c->in[1]));
}

static bool index_select_shape(Call *c) {
  Pick p;
  int dim = see_around(c, c->in[0], &p);
  if (dim < 0 || !check_line(c)) return false;
  call_same(c);
  c->shape[dim] = c->in[1]->shape[0];
  return true;
}

static bool index_select_forward(Call *c) {
  Pick p;
  see_around(c, c->in[0], &p);
  p.n = c->in[1]->shape[0];
  return run_pick(c, c->in[0], c->in[1], &p);
}

static void index_select_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  d[0] = tensor_index_add(tensor_zeros(x->ndim, x->shape), (long)c->param[0].number, c->in[1], g);
}

static const Op index_select_row = {"index_select",
                                    "x, dim:dim, indices:constant",
                                    "The slices of a dimension that the indices name, in their order.",
                                    "tensor.randn(3,2):index_select(1, tensor{3,1,1,2})\n"
                                    "tensor.randn(2,3,2):index_select(-2, tensor{2,3})\n"
                                    "tensor.randn(2,4):index_select(2, tensor{4})",
                                    .shape = index_select_shape,
                                    .forward = index_select_forward,
                                    .backward = index_select_backward,
                                    .needs = "indices"};

Tensor *tensor_index_select(Tensor *x, long dim, Tensor *indices) {
  return call_along(&index_select_row, dim, 2, (Tensor *[]){x, indices});
}

static bool index_add_shape(Call *c) {
  Pick p;
  Tensor *x = c->in[0], *source = c->in[2];
  int dim = see_around(c, x, &p);
  if (dim < 0 || !check_line(c)) return false;
  call_same(c);
  c->shape[dim] = c->in[1]->shape[0];
  if (source->ndim != c->ndim || memcmp(source->shape, c->shape, (size_t)c->ndim * sizeof *c->shape))
    return call_fail(c, "source must be %s, a slice of x for each index, got %s", shape_text(c->ndim, c->shape),
                     tensor_shape_text(source));
  return call_same(c);
}

static bool index_add_forward(Call *c) {
  Pick p;
  see_around(c, c->in[0], &p);
  p.n = c->in[1]->shape[0];
  return run_pick_add(c, &p);
}

static void index_add_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = g;
  if (c->want[2]) d[2] = tensor_index_select(g, (long)c->param[0].number, c->in[1]);
}

static const Op index_add_row = {"index_add",
                                 "x, dim:dim, indices:constant, source",
                                 "x, with the slices of source added where the indices say.",
                                 "tensor.randn(3,2):index_add(1, tensor{3,1,3}, tensor.randn(3,2))\n"
                                 "tensor.randn(2,3):index_add(-1, tensor{2,2}, tensor.randn(2,2))",
                                 .shape = index_add_shape,
                                 .forward = index_add_forward,
                                 .backward = index_add_backward,
                                 .needs = "indices"};

Tensor *tensor_index_add(Tensor *x, long dim, Tensor *indices, Tensor *source) {
  return call_along(&index_add_row, dim, 3, (Tensor *[]){x, indices, source});
}

/* ---- gather: single elements; scatter_add adds them ---- */

/* indices must be as x but along dim. */
static bool check_places(Call *c) {
  Pick p;
  Tensor *x = c->in[0], *indices = c->in[1];
  int dim = see_around(c, x, &p);
  if (dim < 0) return false;
  bool fits = indices->ndim == x->ndim;
  for (int i = 0; i < x->ndim && fits; i++) fits = i == dim || indices->shape[i] == x->shape[i];
  return fits || call_fail(c, "indices must have x's shape but along dimension %d, got %s for %s", dim + 1,
                           tensor_shape_text(indices), tensor_shape_text(x));
}

static Pick places(Call *c) {
  Pick p;
  int dim = see_around(c, c->in[0], &p);
  p.n = c->in[1]->shape[dim];
  p.each = true;
  return p;
}

static bool gather_shape(Call *c) {
  return check_places(c) && call_shape(c, c->in[1]->ndim, c->in[1]->shape);
}

static bool gather_forward(Call *c) {
  Pick p = places(c);
  return run_pick(c, c->in[0], c->in[1], &p);
}

static void gather_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  d[0] = tensor_scatter_add(tensor_zeros(x->ndim, x->shape), (long)c->param[0].number, c->in[1], g);
}

static const Op gather_row = {"gather",
                              "x, dim:dim, indices:constant",
                              "For each place of indices, the element of x whose position along dim it names.",
                              "tensor.randn(2,3):gather(2, tensor{{3,1},{2,2}})\n"
                              "tensor.randn(3,2):gather(1, tensor{{1,3}})\n"
                              "tensor.randn(2,3,2):gather(-2, tensor{{{1,3},{3,3}},{{2,1},{2,2}}})",
                              .shape = gather_shape,
                              .forward = gather_forward,
                              .backward = gather_backward,
                              .needs = "indices"};

Tensor *tensor_gather(Tensor *x, long dim, Tensor *indices) {
  return call_along(&gather_row, dim, 2, (Tensor *[]){x, indices});
}

static bool scatter_add_shape(Call *c) {
  if (!check_places(c)) return false;
  if (tensor_same_shape(c->in[1], c->in[2])) return call_same(c);
  return call_fail(c, "source must have the shape of indices, got %s for %s", tensor_shape_text(c->in[2]),
                   tensor_shape_text(c->in[1]));
}

static bool scatter_add_forward(Call *c) {
  Pick p = places(c);
  return run_pick_add(c, &p);
}

static void scatter_add_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = g;
  if (c->want[2]) d[2] = tensor_gather(g, (long)c->param[0].number, c->in[1]);
}

static const Op scatter_add_row = {"scatter_add",
                                   "x, dim:dim, indices:constant, source",
                                   "x, with each element of source added to the position along dim that indices names.",
                                   "tensor.randn(2,3):scatter_add(2, tensor{{3,1},{2,2}}, tensor.randn(2,2))\n"
                                   "tensor.randn(3,2):scatter_add(-2, tensor{{1,3}}, tensor.randn(1,2))",
                                   .shape = scatter_add_shape,
                                   .forward = scatter_add_forward,
                                   .backward = scatter_add_backward,
                                   .needs = "indices"};

Tensor *tensor_scatter_add(Tensor *x, long dim, Tensor *indices, Tensor *source) {
  return call_along(&scatter_add_row, dim, 3, (Tensor *[]){x, indices, source});
}

/* ---- embedding: rows of a table ---- */

static bool embedding_shape(Call *c) {
  Tensor *indices = c->in[0], *weight = c->in[1];
  long shape[NN_DIMS + 1];
  if (weight->ndim != 2) return call_fail(c, "weight must be (V,D), a row for each index, got %s", tensor_shape_text(weight));
  memcpy(shape, indices->shape, sizeof indices->shape);
  shape[indices->ndim] = weight->shape[1];
  return call_shape(c, indices->ndim + 1, shape);
}

static bool embedding_forward(Call *c) {
  Tensor *indices = c->in[0], *weight = c->in[1];
  Pick p = {.outer = 1, .side = weight->shape[0], .n = tensor_numel(indices), .inner = weight->shape[1]};
  return run_pick(c, weight, indices, &p);
}

static void embedding_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *weight = c->in[1], *zeros = tensor_zeros(2, weight->shape);
  long n = tensor_numel(c->in[0]);
  d[1] = tensor_index_add(zeros, 0, tensor_reshape(c->in[0], 1, &n), tensor_reshape(g, 2, (long[]){n, weight->shape[1]}));
}

static const Op embedding_row = {"embedding",
                                 "indices:constant, weight",
                                 "Rows of weight (V,D): indices (...), from 1, become (...,D).",
                                 "tensor{{1,3},{2,3}}:embedding(tensor.randn(4,2))\n"
                                 "tensor{2,2,1}:embedding(tensor.randn(2,3))",
                                 .shape = embedding_shape,
                                 .forward = embedding_forward,
                                 .backward = embedding_backward,
                                 .needs = "indices"};

Tensor *tensor_embedding(Tensor *indices, Tensor *weight) {
  return op_call(&embedding_row, 2, (Tensor *[]){indices, weight}, NULL);
}

const Op *const ops_index[] = {&index_select_row, &index_add_row, &gather_row, &scatter_add_row, &embedding_row, NULL};
