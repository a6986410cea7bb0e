/* Layers with weights, initialised as PyTorch does; and the list of all layers. Forward composes ops. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network.h"

/* ---- the list ---- */

static const Layer *const *const tables[] = {layers_weighted, layers_activation, layers_plain, layers_sequence};
enum { TABLES = sizeof tables / sizeof *tables };

const Layer *layers_at(int i) {
  for (int t = 0; t < TABLES; t++)
    for (const Layer *const *row = tables[t]; *row; row++)
      if (!i--) return *row;
  return NULL;
}

int layers_count(void) {
  int n = 0;
  while (layers_at(n)) n++;
  return n;
}

const Layer *layers_find(const char *name) {
  for (int i = 0; layers_at(i); i++)
    if (!strcmp(layers_at(i)->name, name)) return layers_at(i);
  return NULL;
}

/* ---- what rows check ---- */

enum { MOST = 1 << 30 }; /* no side or kernel is larger */

bool layer_at_least(const Module *m, int i, long least) {
  const Param *p = &m->param[i];
  Signature s;
  bool pair = p->count > 0;
  double got = p->number;
  if (p->nil) return true;
  for (int k = 0; k < (pair ? p->count : 1); k++) {
    if (pair) got = (double)p->list[k];
    if (got >= (double)least && got <= MOST && got == floor(got)) continue;
    if (!signature_parse(m->layer->args, &s)) return false;
    nn_fail("nn.%s: %s must be a whole number of at least %ld, got %g", m->name, s.arg[i].name, least, got);
    return false;
  }
  return true;
}

bool layer_wants(int n, Tensor *const *x, int ndim, long channels, const char *shape) {
  char text[80];
  if (n != 1) return nn_fail("takes one tensor, got %d", n), false;
  if (!x[0]) return nn_fail("x is missing"), false;
  bool fits = ndim ? x[0]->ndim == ndim : x[0]->ndim > 0;
  if (fits && (!channels || x[0]->shape[x[0]->ndim - 1] == channels)) return true;
  int at = 0;
  for (; *shape; shape++)
    if (!strncmp(shape, "%ld", 3))
      at += snprintf(text + at, sizeof text - (size_t)at, "%ld", channels), shape += 2;
    else
      text[at++] = *shape;
  text[at] = 0;
  return nn_fail("wants x of shape %s, got %s", text, tensor_shape_text(x[0])), false;
}

/* ---- making weights ---- */

/* A parameter drawn uniformly from -bound..bound. */
static bool weight_new(Module *m, const char *name, int ndim, const long *shape, double bound) {
  Tensor *t = tensor_new(ndim, shape);
  bool ok = t && init_uniform(t, -bound, bound) && module_add_tensor(m, name, t, false);
  tensor_drop(t);
  return ok;
}

static bool constant_new(Module *m, const char *name, long n, double value, bool buffer) {
  Tensor *t = tensor_new(1, &n);
  bool ok = t && tensor_fill(t, value) && module_add_tensor(m, name, t, buffer);
  tensor_drop(t);
  return ok;
}

/* PyTorch's kaiming_uniform with a = sqrt(5): 1 / sqrt(fan_in), for the weight and for the bias. */
static bool linear_weights(Module *m, int ndim, const long *shape, long fan_in, bool bias, long out) {
  double bound = fan_in > 0 ? 1 / sqrt((double)fan_in) : 0;
  if (!weight_new(m, "weight", ndim, shape, bound)) return false;
  return bias ? weight_new(m, "bias", 1, &out, bound) : module_add_tensor(m, "bias", NULL, false);
}

static Tensor *part(const Module *m, int i) {
  return m->tensor[i].tensor;
}

static long whole(const Module *m, int i) {
  return (long)m->param[i].number;
}

/* ---- Linear: in_features, out_features, bias ---- */

static bool linear_build(Module *m) {
  if (!layer_at_least(m, 0, 1) || !layer_at_least(m, 1, 1)) return false;
  long in = whole(m, 0), out = whole(m, 1);
  return linear_weights(m, 2, (long[]){out, in}, in, m->param[2].number != 0, out);
}

static Tensor *linear_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 0, whole(m, 0), "(...,%ld)")) return NULL;
  Activation a = layer_take(m, ACTIVATION_TANH);
  return a.kind ? tensor_linear_activated(x[0], part(m, 0), part(m, 1), a) : tensor_linear(x[0], part(m, 0), part(m, 1));
}

static const Layer linear = {
    "Linear",
    "in_features:integer, out_features:integer, bias:boolean=true",
    "Fully connected: x (...,in_features) times the transpose of weight (out_features,in_features), plus bias.",
    "nn.Linear(3, 4)(tensor.randn(2, 3))",
    linear_build,
    linear_forward,
};

/* ---- Conv2d: in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias ---- */

static bool groups_divide(const Module *m, long groups) {
  long in = whole(m, 0), out = whole(m, 1);
  if (in % groups == 0 && out % groups == 0) return true;
  return nn_fail("nn.%s: in_channels and out_channels must be multiples of groups, got %ld, %ld and %ld", m->name, in, out, groups),
         false;
}

static bool conv2d_build(Module *m) {
  for (int i = 0; i < 7; i++)
    if (!layer_at_least(m, i, i == 4 ? 0 : 1)) return false;
  if (!groups_divide(m, whole(m, 6))) return false;
  long in = whole(m, 0) / whole(m, 6), out = whole(m, 1);
  const long *kernel = m->param[2].list;
  return linear_weights(m, 4, (long[]){kernel[0], kernel[1], in, out}, in * kernel[0] * kernel[1], m->param[7].number != 0, out);
}

static ConvShape conv_shape(const Param *stride, const Param *padding, const Param *dilation, const Param *groups) {
  return (ConvShape){{stride->list[0], stride->list[1]},
                     {padding->list[0], padding->list[1]},
                     {dilation->list[0], dilation->list[1]},
                     (long)groups->number};
}

static Tensor *conv2d_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 4, whole(m, 0), "(N,H,W,%ld)")) return NULL;
  ConvShape s = conv_shape(&m->param[3], &m->param[4], &m->param[5], &m->param[6]);
  Activation a = layer_take(m, ACTIVATION_TANH);
  return a.kind ? tensor_conv2d_activated(x[0], part(m, 0), part(m, 1), s, a) : tensor_conv2d(x[0], part(m, 0), part(m, 1), s);
}

static const Layer conv2d = {
    "Conv2d",
    "in_channels:integer, out_channels:integer, kernel_size:pair, stride:pair=1, padding:pair=0, dilation:pair=1, "
    "groups:integer=1, bias:boolean=true",
    "Convolution of images (N,H,W,in_channels); weight (KH,KW,in_channels/groups,out_channels). Both kinds of channels are cut "
    "into groups, and each part of those out is made of one part of those in: with groups=in_channels each channel by itself.",
    "nn.Conv2d(3, 8, 4, {stride=2, padding=1})(tensor.randn(1, 8, 8, 3))\n"
    "nn.Conv2d(4, 4, 3, {padding=1, groups=4})(tensor.randn(1, 8, 8, 4))",
    conv2d_build,
    conv2d_forward,
};

/* ---- ConvTranspose2d: in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation ---- */

static bool conv_transpose2d_build(Module *m) {
  for (int i = 0; i < 9; i++)
    if (i != 7 && !layer_at_least(m, i, i == 4 || i == 5 ? 0 : 1)) return false;
  if (!groups_divide(m, whole(m, 6))) return false;
  long in = whole(m, 0), out = whole(m, 1), part = out / whole(m, 6);
  const long *kernel = m->param[2].list;
  return linear_weights(m, 4, (long[]){kernel[0], kernel[1], part, in}, part * kernel[0] * kernel[1], m->param[7].number != 0, out);
}

static Tensor *conv_transpose2d_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 4, whole(m, 0), "(N,H,W,%ld)")) return NULL;
  ConvShape s = conv_shape(&m->param[3], &m->param[4], &m->param[8], &m->param[6]);
  const long *extra = m->param[5].list;
  Activation a = layer_take(m, ACTIVATION_TANH);
  return a.kind ? tensor_conv_transpose2d_activated(x[0], part(m, 0), part(m, 1), s, extra, a)
                : tensor_conv_transpose2d(x[0], part(m, 0), part(m, 1), s, extra);
}

static const Layer conv_transpose2d = {
    "ConvTranspose2d",
    "in_channels:integer, out_channels:integer, kernel_size:pair, stride:pair=1, padding:pair=0, output_padding:pair=0, "
    "groups:integer=1, bias:boolean=true, dilation:pair=1",
    "Transposed convolution, which enlarges images (N,H,W,in_channels); weight (KH,KW,out_channels/groups,in_channels), groups as "
    "in "
    "nn.Conv2d.",
    "nn.ConvTranspose2d(8, 3, 4, {stride=2, padding=1})(tensor.randn(1, 4, 4, 8))",
    conv_transpose2d_build,
    conv_transpose2d_forward,
};

/* ---- BatchNorm: num_features, eps, momentum, affine, track_running_stats ---- */

static bool norm_weights(Module *m, long n, bool weight, bool bias) {
  if (!(weight ? constant_new(m, "weight", n, 1, false) : module_add_tensor(m, "weight", NULL, false))) return false;
  return bias ? constant_new(m, "bias", n, 0, false) : module_add_tensor(m, "bias", NULL, false);
}

static bool batch_norm_build(Module *m) {
  if (!layer_at_least(m, 0, 1)) return false;
  long n = whole(m, 0);
  bool affine = m->param[3].number != 0;
  if (!norm_weights(m, n, affine, affine)) return false;
  if (m->param[4].number == 0)
    return module_add_tensor(m, "running_mean", NULL, true) && module_add_tensor(m, "running_var", NULL, true);
  return constant_new(m, "running_mean", n, 0, true) && constant_new(m, "running_var", n, 1, true);
}

/* Without running statistics the batch's own are used in evaluation too. */
static Tensor *batch_norm_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 0, whole(m, 0), "(...,%ld)")) return NULL;
  Tensor *weight = part(m, 0), *bias = part(m, 1), *mean = part(m, 2), *var = part(m, 3);
  const bool training = m->training || !mean;
  const double momentum = m->param[2].number, eps = m->param[1].number;
  Activation a = layer_take(m, ACTIVATION_LEAKY_RELU);
  return a.kind ? tensor_batch_norm_activated(x[0], weight, bias, mean, var, training, momentum, eps, a)
                : tensor_batch_norm(x[0], weight, bias, mean, var, training, momentum, eps);
}

static const Layer batch_norm = {
    "BatchNorm",
    "num_features:integer, eps:number=1e-5, momentum:number=0.1, affine:boolean=true, track_running_stats:boolean=true",
    "Normalises each channel, the last dimension, over all others of the batch; in evaluation by the running statistics.",
    "nn.BatchNorm(3)(tensor.randn(4, 3))\nnn.BatchNorm(3)(tensor.randn(2, 5, 5, 3))",
    batch_norm_build,
    batch_norm_forward,
};

/* ---- LayerNorm: normalized_shape, eps, elementwise_affine, bias ---- */

static bool layer_norm_build(Module *m) {
  bool affine = m->param[2].number != 0;
  return layer_at_least(m, 0, 1) && norm_weights(m, whole(m, 0), affine, affine && m->param[3].number != 0);
}

static Tensor *layer_norm_forward(Module *m, int n, Tensor *const *x) {
  if (!layer_wants(n, x, 0, whole(m, 0), "(...,%ld)")) return NULL;
  return tensor_layer_norm(x[0], part(m, 0), part(m, 1), m->param[1].number);
}

static const Layer layer_norm = {
    "LayerNorm",
    "normalized_shape:integer, eps:number=1e-5, elementwise_affine:boolean=true, bias:boolean=true",
    "Normalises each sample over its last dimension.",
    "nn.LayerNorm(3)(tensor.randn(2, 5, 3))",
    layer_norm_build,
    layer_norm_forward,
};

/* ---- Embedding: num_embeddings, embedding_dim ---- */

static bool embedding_build(Module *m) {
  if (!layer_at_least(m, 0, 1) || !layer_at_least(m, 1, 1)) return false;
  Tensor *t = tensor_new(2, (long[]){whole(m, 0), whole(m, 1)});
  bool ok = t && init_normal(t, 0, 1) && module_add_tensor(m, "weight", t, false);
  tensor_drop(t);
  return ok;
}

static Tensor *embedding_forward(Module *m, int n, Tensor *const *x) {
  if (n != 1) return nn_fail("takes one tensor of indices, got %d", n);
  return tensor_embedding(x[0], part(m, 0));
}

Tensor *layer_table(const Module *m) {
  return m->forward == embedding_forward ? part(m, 0) : NULL;
}

static const Layer embedding = {
    "Embedding",
    "num_embeddings:integer, embedding_dim:integer",
    "A vector for each index from 1 to num_embeddings: x (...) to (...,embedding_dim).",
    "nn.Embedding(5, 3)(tensor{{1, 5}, {2, 2}})",
    embedding_build,
    embedding_forward,
};

const Layer *const layers_weighted[] = {&linear, &conv2d, &conv_transpose2d, &batch_norm, &layer_norm, &embedding, NULL};
