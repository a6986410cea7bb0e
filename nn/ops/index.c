/* Ops that pick by tensors of indices, which count from 1, and those that add back to where was picked. */
#include <string.h>

#include "../row.h"

enum { GRAIN = 64 };

/* A tensor seen as (outer, side, inner) around one dimension. */
typedef struct Around {
  int dim;
  long outer, side, inner;
} Around;

static bool see_around(Call *c, const Tensor *x, Around *a) {
  long dim = (long)c->param[0].number;
  a->dim = (int)(dim < 0 ? dim + x->ndim : dim);
  if (a->dim < 0 || a->dim >= x->ndim)
    return call_fail(c, "dimension %ld of a tensor with %d dimensions", dim < 0 ? dim : dim + 1, x->ndim);
  a->outer = a->inner = 1;
  a->side = x->shape[a->dim];
  for (int i = 0; i < a->dim; i++) a->outer *= x->shape[i];
  for (int i = a->dim + 1; i < x->ndim; i++) a->inner *= x->shape[i];
  return true;
}

/* All indices from 0, checked; to memory_free(). */
static long *read_indices(const Tensor *indices, long side) {
  long n = tensor_numel(indices), *at = memory_new((size_t)n * sizeof *at);
  for (long i = 0; at && i < n; i++)
    if ((at[i] = index_at(indices, i, side)) < 0) {
      memory_free(at);
      return NULL;
    }
  return at;
}

typedef struct Pick {
  Around a;
  const long *at;
  long n; /* indices (index_select, index_add); places of a line (gather, scatter_add) */
  const real *from;
  real *to;
} Pick;

static bool picked(Call *c, void (*body)(void *, long, long), Pick *p, long pieces, long grain) {
  Tensor *indices = c->in[1];
  long *at = read_indices(indices, p->a.side);
  if (!at) return false;
  p->at = at;
  workers_for(pieces, grain, body, p);
  memory_free(at);
  return true;
}

/* ---- index_select: whole slices; index_add adds slices ---- */

static void select_slices(void *job, long from, long to) {
  const Pick *p = job;
  for (long i = from; i < to; i++) /* i runs over (outer, n) */
    memcpy(p->to + i * p->a.inner, p->from + (i / p->n * p->a.side + p->at[i % p->n]) * p->a.inner,
           (size_t)p->a.inner * sizeof(real));
}

static bool index_select_shape(Call *c) {
  Around a;
  if (!see_around(c, c->in[0], &a)) return false;
  if (c->in[1]->ndim != 1) return call_fail(c, "indices must have one dimension, got %s", tensor_shape_text(c->in[1]));
  call_same(c);
  c->shape[a.dim] = c->in[1]->shape[0];
  return true;
}

static bool index_select_forward(Call *c) {
  Pick p = {.n = c->in[1]->shape[0], .from = c->in[0]->data, .to = c->out->data};
  return see_around(c, c->in[0], &p.a) && picked(c, select_slices, &p, p.a.outer * p.n, GRAIN);
}

static void index_select_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  d[0] = tensor_index_add(tensor_zeros(x->ndim, x->shape), (long)c->param[0].number, c->in[1], g);
}

static const Op index_select_row = {"index_select",
                                    "x, dim:dim, indices:constant",
                                    "The slices of a dimension that the indices name, in their order.",
                                    "tensor.randn(3,2):index_select(1, tensor{3,1,1})\n"
                                    "tensor.randn(2,3,2):index_select(2, tensor{2,3})",
                                    index_select_shape,
                                    index_select_forward,
                                    index_select_backward,
                                    "indices"};

Tensor *tensor_index_select(Tensor *x, long dim, Tensor *indices) {
  return op_call(&index_select_row, 2, (Tensor *[]){x, indices}, (Param[]){{.number = (double)dim}});
}

/* Each worker adds a band of the inner elements, all indices in order: sums do not depend on threads. */
static void add_slices(void *job, long from, long to) {
  const Pick *p = job;
  for (long o = 0; o < p->a.outer; o++)
    for (long i = 0; i < p->n; i++) {
      real *out = p->to + (o * p->a.side + p->at[i]) * p->a.inner;
      const real *in = p->from + (o * p->n + i) * p->a.inner;
      for (long j = from; j < to; j++) out[j] += in[j];
    }
}

static bool index_add_shape(Call *c) {
  Around a;
  Tensor *x = c->in[0], *indices = c->in[1], *source = c->in[2];
  if (!see_around(c, x, &a)) return false;
  if (indices->ndim != 1) return call_fail(c, "indices must have one dimension, got %s", tensor_shape_text(indices));
  bool fits = source->ndim == x->ndim;
  for (int i = 0; i < x->ndim && fits; i++) fits = source->shape[i] == (i == a.dim ? indices->shape[0] : x->shape[i]);
  if (!fits)
    return call_fail(c, "source must be as x, but %ld along dimension %d, got %s for %s", indices->shape[0], a.dim + 1,
                     tensor_shape_text(source), tensor_shape_text(x));
  return call_same(c);
}

static bool index_add_forward(Call *c) {
  Pick p = {.n = c->in[1]->shape[0], .from = c->in[2]->data, .to = c->out->data};
  memcpy(c->out->data, c->in[0]->data, (size_t)tensor_numel(c->out) * sizeof(real));
  return see_around(c, c->in[0], &p.a) && picked(c, add_slices, &p, p.a.inner, GRAIN);
}

static void index_add_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = g;
  if (c->want[2]) d[2] = tensor_index_select(g, (long)c->param[0].number, c->in[1]);
}

static const Op index_add_row = {"index_add",
                                 "x, dim:dim, indices:constant, source",
                                 "x, with the slices of source added where the indices say.",
                                 "tensor.randn(3,2):index_add(1, tensor{3,1,3}, tensor.randn(3,2))\n"
                                 "tensor.randn(2,3):index_add(2, tensor{2,2}, tensor.randn(2,2))",
                                 index_add_shape,
                                 index_add_forward,
                                 index_add_backward,
                                 "indices"};

Tensor *tensor_index_add(Tensor *x, long dim, Tensor *indices, Tensor *source) {
  return op_call(&index_add_row, 3, (Tensor *[]){x, indices, source}, (Param[]){{.number = (double)dim}});
}

/* ---- gather: single elements; scatter_add adds them ---- */

/* The indices have x's shape but along dim, so both are (outer, side or n, inner). */
static bool check_places(Call *c, const Tensor *x, const Tensor *indices, Around *a) {
  if (!see_around(c, x, a)) return false;
  bool fits = indices->ndim == x->ndim;
  for (int i = 0; i < x->ndim && fits; i++) fits = i == a->dim || indices->shape[i] == x->shape[i];
  return fits || call_fail(c, "indices must have x's shape but along dimension %d, got %s for %s", a->dim + 1,
                           tensor_shape_text(indices), tensor_shape_text(x));
}

static void gather_places(void *job, long from, long to) {
  const Pick *p = job;
  long inner = p->a.inner, line = p->n * inner;
  for (long i = from; i < to; i++) /* i runs over (outer, n) */
    for (long j = 0; j < inner; j++) {
      long k = i * inner + j;
      p->to[k] = p->from[k / line * p->a.side * inner + p->at[k] * inner + j];
    }
}

static bool gather_shape(Call *c) {
  Around a;
  return check_places(c, c->in[0], c->in[1], &a) && call_shape(c, c->in[1]->ndim, c->in[1]->shape);
}

static bool gather_forward(Call *c) {
  Pick p = {.from = c->in[0]->data, .to = c->out->data};
  if (!see_around(c, c->in[0], &p.a)) return false;
  p.n = c->shape[p.a.dim];
  return picked(c, gather_places, &p, p.a.outer * p.n, GRAIN);
}

static void gather_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0];
  d[0] = tensor_scatter_add(tensor_zeros(x->ndim, x->shape), (long)c->param[0].number, c->in[1], g);
}

static const Op gather_row = {"gather",
                              "x, dim:dim, indices:constant",
                              "For each place of indices, the element of x whose position along dim it names.",
                              "tensor.randn(2,3):gather(2, tensor{{3,1},{2,2}})\n"
                              "tensor.randn(3,2):gather(1, tensor{{1,3}})",
                              gather_shape,
                              gather_forward,
                              gather_backward,
                              "indices"};

Tensor *tensor_gather(Tensor *x, long dim, Tensor *indices) {
  return op_call(&gather_row, 2, (Tensor *[]){x, indices}, (Param[]){{.number = (double)dim}});
}

static void scatter_places(void *job, long from, long to) {
  const Pick *p = job;
  long inner = p->a.inner;
  for (long o = from; o < to; o++)
    for (long i = 0; i < p->n; i++)
      for (long j = 0; j < inner; j++) {
        long k = (o * p->n + i) * inner + j;
        p->to[(o * p->a.side + p->at[k]) * inner + j] += p->from[k];
      }
}

static bool scatter_add_shape(Call *c) {
  Around a;
  if (!check_places(c, c->in[0], c->in[1], &a)) return false;
  if (!tensor_same_shape(c->in[1], c->in[2]))
    return call_fail(c, "source must have the shape of indices, got %s and %s", tensor_shape_text(c->in[2]),
                     tensor_shape_text(c->in[1]));
  return call_same(c);
}

static bool scatter_add_forward(Call *c) {
  Pick p = {.from = c->in[2]->data, .to = c->out->data};
  memcpy(c->out->data, c->in[0]->data, (size_t)tensor_numel(c->out) * sizeof(real));
  if (!see_around(c, c->in[0], &p.a)) return false;
  p.n = c->in[1]->shape[p.a.dim];
  return picked(c, scatter_places, &p, p.a.outer, 1);
}

static void scatter_add_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = g;
  if (c->want[2]) d[2] = tensor_gather(g, (long)c->param[0].number, c->in[1]);
}

static const Op scatter_add_row = {"scatter_add",
                                   "x, dim:dim, indices:constant, source",
                                   "x, with each element of source added to the position along dim that indices names.",
                                   "tensor.randn(2,3):scatter_add(2, tensor{{3,1},{2,2}}, tensor.randn(2,2))\n"
                                   "tensor.randn(3,2):scatter_add(1, tensor{{1,3}}, tensor.randn(1,2))",
                                   scatter_add_shape,
                                   scatter_add_forward,
                                   scatter_add_backward,
                                   "indices"};

Tensor *tensor_scatter_add(Tensor *x, long dim, Tensor *indices, Tensor *source) {
  return op_call(&scatter_add_row, 3, (Tensor *[]){x, indices, source}, (Param[]){{.number = (double)dim}});
}

/* ---- embedding: rows of a table ---- */

static bool embedding_shape(Call *c) {
  Tensor *indices = c->in[0], *weight = c->in[1];
  long shape[NN_DIMS + 1];
  if (weight->ndim != 2) return call_fail(c, "weight must be (V,D), got %s", tensor_shape_text(weight));
  memcpy(shape, indices->shape, sizeof indices->shape);
  shape[indices->ndim] = weight->shape[1];
  return call_shape(c, indices->ndim + 1, shape);
}

static bool embedding_forward(Call *c) {
  Tensor *indices = c->in[0], *weight = c->in[1];
  long n = tensor_numel(indices), *at = read_indices(indices, weight->shape[0]);
  if (!at) return false;
  Pick p = {.a = {.side = weight->shape[0], .inner = weight->shape[1]}, .at = at, .n = n, .from = weight->data, .to = c->out->data};
  workers_for(n, GRAIN, select_slices, &p);
  memory_free(at);
  return true;
}

static void embedding_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *weight = c->in[1], *flat = tensor_reshape(c->in[0], 1, (long[]){-1});
  Tensor *rows = tensor_reshape(g, 2, (long[]){tensor_numel(c->in[0]), weight->shape[1]});
  d[1] = tensor_index_add(tensor_zeros(2, weight->shape), 0, flat, rows);
}

static const Op embedding_row = {"embedding",
                                 "indices:constant, weight",
                                 "Rows of weight (V,D): indices (...), from 1, become (...,D).",
                                 "tensor{{1,3},{2,3}}:embedding(tensor.randn(4,2))",
                                 embedding_shape,
                                 embedding_forward,
                                 embedding_backward,
                                 "indices"};

Tensor *tensor_embedding(Tensor *indices, Tensor *weight) {
  return op_call(&embedding_row, 2, (Tensor *[]){indices, weight}, NULL);
}

const Op *const ops_index[] = {&index_select_row, &index_add_row, &gather_row, &scatter_add_row, &embedding_row, NULL};
