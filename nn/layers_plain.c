/* Layers without weights that resize, reshape, drop out or chain. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "row.h"

/* ---- MaxPool2d, AvgPool2d: kernel_size, stride, padding ---- */

static bool pool_build(Module *m) {
  return layer_at_least(m, 0, 1) && layer_at_least(m, 1, 1) && layer_at_least(m, 2, 0);
}

static const long *pool_stride(const Module *m) {
  return m->param[m->param[1].nil ? 0 : 1].list;
}

static Tensor *max_pool2d_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 4, 0, "(N,H,W,C)")) return NULL;
  return tensor_max_pool2d(x[0], m->param[0].list, pool_stride(m), m->param[2].list);
}

bool layer_is_smaller_pool(const Module *m) {
  const long *stride = m->forward == max_pool2d_forward ? pool_stride(m) : NULL;
  return stride && (stride[0] > 1 || stride[1] > 1);
}

static const Layer max_pool2d = {
    "MaxPool2d",
    "kernel_size:pair, stride:pair=nil, padding:pair=0",
    "Largest value of each window of an image (N,H,W,C); stride is kernel_size unless given.",
    "nn.MaxPool2d(2)(tensor.randn(1, 4, 4, 3))",
    pool_build,
    max_pool2d_forward,
};

static Tensor *avg_pool2d_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 4, 0, "(N,H,W,C)")) return NULL;
  return tensor_avg_pool2d(x[0], m->param[0].list, pool_stride(m), m->param[2].list);
}

static const Layer avg_pool2d = {
    "AvgPool2d",
    "kernel_size:pair, stride:pair=nil, padding:pair=0",
    "Mean of each window of an image (N,H,W,C); stride is kernel_size unless given.",
    "nn.AvgPool2d(2)(tensor.randn(1, 4, 4, 3))",
    pool_build,
    avg_pool2d_forward,
};

/* ---- Upsample: size, scale_factor, mode ---- */

static bool upsample_build(Module *m) {
  bool size = !m->param[0].nil, scale = !m->param[1].nil;
  if (size == scale) return nn_fail("nn.Upsample: give either size or scale_factor"), false;
  if (size) return layer_at_least(m, 0, 1);
  double factor = m->param[1].number;
  return (factor > 0 && isfinite(factor)) || nn_fail("nn.Upsample: scale_factor must be above 0, got %g", factor);
}

static Tensor *upsample_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 4, 0, "(N,H,W,C)")) return NULL;
  long side[2];
  for (int i = 0; i < 2; i++)
    side[i] = m->param[0].nil ? (long)floor((double)x[0]->shape[1 + i] * m->param[1].number) : m->param[0].list[i];
  return tensor_upsample(x[0], side[0], side[1], (int)m->param[2].number);
}

static const Layer upsample = {
    "Upsample",
    "size:pair=nil, scale_factor:number=nil, mode:nearest|bilinear=nearest",
    "Resizes images (N,H,W,C) to a size {H,W} or by a scale_factor.",
    "nn.Upsample{scale_factor=2}(tensor.randn(1, 3, 3, 2))\nnn.Upsample{size={5, 7}, mode=\"bilinear\"}(tensor.randn(1, 3, 3, 2))",
    upsample_build,
    upsample_forward,
};

/* ---- Dropout: p ---- */

static bool dropout_build(Module *m) {
  double p = m->param[0].number;
  return (p >= 0 && p <= 1) || nn_fail("nn.Dropout: p must lie between 0 and 1, got %g", p);
}

static Tensor *dropout_forward(Module *m, int n, Tensor *const *x) {
  if (n != 1) return nn_fail("takes one tensor, got %d", n);
  return tensor_dropout(x[0], m->param[0].number, m->training);
}

static const Layer dropout = {
    "Dropout",
    "p:number=0.5",
    "In training makes each element 0 with probability p and divides the others by 1-p.",
    "nn.Dropout(0.3)(tensor.randn(2, 3))",
    dropout_build,
    dropout_forward,
};

/* ---- Flatten, Unflatten, Reshape ---- */

static Tensor *flatten_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 0, 0, "(N,...)")) return NULL;
  long from = (long)m->param[0].number, to = (long)m->param[1].number;
  return from >= x[0]->ndim && to == -1 ? x[0] : tensor_flatten(x[0], from, to);
}

static const Layer flatten = {
    "Flatten",
    "start_dim:dim=2, end_dim:dim=-1",
    "Joins the dimensions from start_dim to end_dim: by default all but the first.",
    "nn.Flatten()(tensor.randn(2, 3, 4))",
    NULL,
    flatten_forward,
};

static Tensor *unflatten_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 0, 0, "(N,...)")) return NULL;
  long dim = (long)m->param[0].number, shape[2 * NN_DIMS];
  const Param *size = &m->param[1];
  if (!dim_check(x[0]->ndim, &dim)) return NULL;
  int ndim = x[0]->ndim - 1 + size->count;
  if (ndim > NN_DIMS) return nn_fail("the result would have %d dimensions, a tensor has at most %d", ndim, NN_DIMS);
  memcpy(shape, x[0]->shape, (size_t)dim * sizeof *shape);
  memcpy(shape + dim, size->list, (size_t)size->count * sizeof *shape);
  memcpy(shape + dim + size->count, x[0]->shape + dim + 1, (size_t)(x[0]->ndim - dim - 1) * sizeof *shape);
  return tensor_reshape(x[0], ndim, shape);
}

static const Layer unflatten = {
    "Unflatten",
    "dim:dim, unflattened_size:size",
    "Splits dimension dim into several.",
    "nn.Unflatten(2, {2, 3})(tensor.randn(4, 6))",
    NULL,
    unflatten_forward,
};

static Tensor *reshape_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 0, 0, "(N,...)")) return NULL;
  const Param *size = &m->param[0];
  if (size->count == NN_DIMS) return nn_fail("the result would have %d dimensions, a tensor has at most %d", NN_DIMS + 1, NN_DIMS);
  long shape[NN_DIMS] = {x[0]->shape[0]};
  memcpy(shape + 1, size->list, (size_t)size->count * sizeof *shape);
  return tensor_reshape(x[0], size->count + 1, shape);
}

static const Layer reshape = {
    "Reshape",
    "shape:size",
    "Gives each sample the shape, keeping the first dimension; one number may be -1, to be worked out.",
    "nn.Reshape(3, 2)(tensor.randn(4, 6))\nnn.Reshape(-1)(tensor.randn(4, 3, 2))",
    NULL,
    reshape_forward,
};

/* ---- Sequential ---- */

/* Each result is let go of as soon as the next layer has read it, unless the graph needs it. Neighbours that can be are called
 * together. */
static Tensor *sequential_forward(Module *m, int n, Tensor *const *x) {
  if (n < 1 || (n != 1 && !m->children)) return nn_fail("takes one tensor, got %d", n);
  Tensor *y = m->children ? NULL : tensor_keep(x[0]);
  bool both = false;
  for (int i = 0; i < m->children && !nn_failed(); i += 1 + both) {
    size_t scope = scope_enter();
    Tensor *result = tensor_keep(module_call_both(m->children - i, m->child + i, i ? 1 : n, i ? &y : x, &both));
    scope_leave(scope, NULL);
    tensor_drop(y);
    y = result;
  }
  return tensor_own(y);
}

const Layer sequential = {
    "Sequential",
    "modules:modules",
    "Calls the modules one after the other, each on what the one before returned.",
    "nn.Sequential{nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)}(tensor.randn(5, 3))",
    NULL,
    sequential_forward,
};

const Layer *const layers_plain[] = {&max_pool2d, &avg_pool2d, &upsample,   &dropout, &flatten,
                                     &unflatten,  &reshape,    &sequential, NULL};
