/* Convolutions of images (N,H,W,C). conv2d, conv2d_input and conv2d_weight are bilinear and each other's derivatives,
 * so that all of them can be differentiated any number of times; conv_transpose2d is conv2d_input with a bias. */
#include "../kernels/conv.h"
#include "../row.h"
#include "each.h"

static const long MOST = 0x7fffffff; /* of any size here: their products stay within a long */

/* ---- shapes ---- */

/* stride, padding, dilation, groups */
enum { OPTIONS = 4 };

static ConvShape options(const Param *p) {
  return (ConvShape){{p[0].list[0], p[0].list[1]}, {p[1].list[0], p[1].list[1]}, {p[2].list[0], p[2].list[1]}, (long)p[3].number};
}

static bool check_pair(Call *c, const char *name, const long *pair, long least) {
  for (int i = 0; i < 2; i++)
    if (pair[i] < least || pair[i] > MOST)
      return call_fail(c, "%s must be whole numbers from %ld to %ld, got {%ld,%ld}", name, least, MOST, pair[0], pair[1]);
  return true;
}

static bool check_options(Call *c, const ConvShape *s) {
  if (!check_pair(c, "stride", s->stride, 1) || !check_pair(c, "padding", s->padding, 0) ||
      !check_pair(c, "dilation", s->dilation, 1))
    return false;
  if (s->groups >= 1 && s->groups <= MOST) return true;
  return call_fail(c, "groups must be a whole number from 1 to %ld, got %ld", MOST, s->groups);
}

static bool check_images(Call *c, const char *name, const Tensor *x) {
  if (x->ndim != 4) return call_fail(c, "%s must be images (N,H,W,C), got %s", name, tensor_shape_text(x));
  return x->shape[1] <= MOST && x->shape[2] <= MOST ? true : call_fail(c, "%s is too large: %s", name, tensor_shape_text(x));
}

static bool check_weight(Call *c, const Tensor *w, const char *layout) {
  if (w->ndim != 4) return call_fail(c, "weight must be %s, got %s", layout, tensor_shape_text(w));
  return check_pair(c, "the kernel's sides", w->shape, 1);
}

/* Channels that are cut into groups, in the last dimension of t. */
static bool check_groups(Call *c, const char *name, const Tensor *t, long groups) {
  if (t->shape[3] % groups == 0) return true;
  return call_fail(c, "%s's channels, its last dimension, must be a multiple of groups, got %s and %ld groups", name,
                   tensor_shape_text(t), groups);
}

/* The image's channels, of which the weight has those of one group. */
static bool check_channels(Call *c, const Tensor *w, long groups) {
  if (w->shape[2] <= MOST / groups) return true;
  return call_fail(c, "weight %s in %ld groups makes more than %ld channels", tensor_shape_text(w), groups, MOST);
}

static bool check_bias(Call *c, const Tensor *bias, long channels) {
  if (!bias || (bias->ndim == 1 && bias->shape[0] == channels)) return true;
  return call_fail(c, "bias must be (%ld), one number for each channel of the result, got %s", channels, tensor_shape_text(bias));
}

/* map = floor((image + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 */
static bool map_size(Call *c, const long *image, const long *kernel, const ConvShape *s, long *map) {
  long padded[2], reach[2];
  for (int i = 0; i < 2; i++) {
    padded[i] = image[i] + 2 * s->padding[i];
    reach[i] = s->dilation[i] * (kernel[i] - 1) + 1;
    map[i] = (padded[i] - reach[i]) / s->stride[i] + 1;
  }
  if (reach[0] <= padded[0] && reach[1] <= padded[1]) return true;
  return call_fail(c, "the kernel covers %ldx%ld pixels, more than the image with its padding, which has %ldx%ld", reach[0],
                   reach[1], padded[0], padded[1]);
}

static Conv describe(const long *image, const long *weight, const long *map, const ConvShape *s) {
  Conv v = {.n = image[0], .c = image[3], .k = map[3], .groups = s->groups};
  for (int i = 0; i < 2; i++) {
    v.image[i] = image[1 + i];
    v.map[i] = map[1 + i];
    v.kernel[i] = weight[i];
    v.stride[i] = s->stride[i];
    v.padding[i] = s->padding[i];
    v.dilation[i] = s->dilation[i];
  }
  work_add((double)shape_product(map, 0, 4) * (double)shape_product(weight, 0, 3));
  return v;
}

static void write_options(Param *p, const ConvShape *s) {
  for (int i = 0; i < 2; i++) {
    p[0].list[i] = s->stride[i];
    p[1].list[i] = s->padding[i];
    p[2].list[i] = s->dilation[i];
  }
  for (int i = 0; i < 3; i++) p[i].count = 2;
  p[3] = (Param){.number = s->groups ? (double)s->groups : 1};
}

static Tensor *bias_gradient(Tensor *g) {
  return tensor_sum_to(g, 1, &g->shape[3]);
}

/* ---- conv2d ---- */

static bool conv2d_shape(Call *c) {
  Tensor *x = c->in[0], *w = c->in[1], *bias = c->n > 2 ? c->in[2] : NULL;
  ConvShape s = options(c->param);
  long map[2];
  if (!check_images(c, "x", x) || !check_weight(c, w, "(KH,KW,Cin,Cout)") || !check_options(c, &s)) return false;
  if (s.groups == 1 && x->shape[3] != w->shape[2])
    return call_fail(c, "x's channels must equal weight's third dimension, got %s and %s", tensor_shape_text(x),
                     tensor_shape_text(w));
  if (x->shape[3] != w->shape[2] * s.groups)
    return call_fail(c, "x's channels must equal weight's third dimension times groups, got %s, %s and %ld groups",
                     tensor_shape_text(x), tensor_shape_text(w), s.groups);
  if (!check_groups(c, "weight", w, s.groups)) return false;
  if (!check_bias(c, bias, w->shape[3]) || !map_size(c, x->shape + 1, w->shape, &s, map)) return false;
  return call_shape(c, 4, (long[]){x->shape[0], map[0], map[1], w->shape[3]});
}

static bool conv2d_run(Call *c, Activation then) {
  Tensor *x = c->in[0], *w = c->in[1], *bias = c->n > 2 ? c->in[2] : NULL;
  ConvShape s = options(c->param);
  Conv v = describe(x->shape, w->shape, c->shape, &s);
  v.then = then;
  v.keep = keeper(w);
  return conv_map(&v, x->data, w->data, bias ? bias->data : NULL, c->out->data);
}

static bool conv2d_forward(Call *c) {
  return conv2d_run(c, (Activation){0});
}

static void conv2d_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *w = c->in[1];
  ConvShape s = options(c->param);
  if (c->want[0]) d[0] = tensor_conv2d_input(g, w, x->shape[1], x->shape[2], s);
  if (c->want[1]) d[1] = tensor_conv2d_weight(x, g, w->shape[0], w->shape[1], s);
  if (c->n > 2 && c->want[2]) d[2] = bias_gradient(g);
}

static const Op conv2d = {
    "conv2d",
    "x, weight, bias?, stride:pair=1, padding:pair=0, dilation:pair=1, groups:integer=1",
    "Convolution of images x (N,H,W,Cin) with weight (KH,KW,Cin/groups,Cout), plus bias (Cout). Both kinds of channels are cut "
    "into groups, and each part of Cout is made of one part of Cin.",
    "tensor.randn(2,4,5,2):conv2d(tensor.randn(3,3,2,3), tensor.randn(3))\n"
    "tensor.randn(1,6,6,2):conv2d(tensor.randn(4,4,2,3), tensor.randn(3), {stride=2, padding=1})\n"
    "tensor.randn(1,5,7,1):conv2d(tensor.randn(2,3,1,2), nil, {stride={2,3}, padding={1,0}, dilation={1,2}})\n"
    "tensor.randn(2,1,2,3):conv2d(tensor.randn(5,3,3,2), nil, {padding={2,1}})\n"
    "tensor.randn(1,4,5,4):conv2d(tensor.randn(3,2,2,6), tensor.randn(6), {stride={1,2}, padding=1, groups=2})\n"
    "tensor.randn(1,4,3,3):conv2d(tensor.randn(3,3,1,3), nil, {groups=3})",
    .shape = conv2d_shape,
    .forward = conv2d_forward,
    .backward = conv2d_backward,
    .needs = "x weight"};

Tensor *tensor_conv2d(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s) {
  Param p[OPTIONS] = {0};
  write_options(p, &s);
  return op_call(&conv2d, 3, (Tensor *[]){x, weight, bias}, p);
}

static bool conv2d_activated_shape(Call *c) {
  return activated_shape(c, &conv2d, OPTIONS);
}

static bool conv2d_activated_forward(Call *c) {
  return conv2d_run(c, activation_read(c->param + OPTIONS));
}

static void conv2d_activated_backward(Call *c, Tensor *g, Tensor **d) {
  conv2d_backward(c, activation_gradient(activation_read(c->param + OPTIONS), g, c->out), d);
}

static const Op conv2d_activated = {
    "conv2d_activated",
    "x, weight, bias?, stride:pair=1, padding:pair=0, dilation:pair=1, groups:integer=1, " ACTIVATION_ARGS,
    "conv2d and an activation of its result in one go, as nn.Sequential calls them.",
    "tensor.randn(2,4,5,2):conv2d_activated(tensor.randn(3,3,2,3), tensor.randn(3), {activation=\"sigmoid\"})\n"
    "tensor.randn(1,6,6,2):conv2d_activated(tensor.randn(4,4,2,3), nil, {stride=2, activation=\"leaky_relu\", negative_slope=0.2})",
    .shape = conv2d_activated_shape,
    .forward = conv2d_activated_forward,
    .backward = conv2d_activated_backward,
    .needs = "x weight out"};

Tensor *tensor_conv2d_activated(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s, Activation a) {
  Param p[OPTIONS + 2] = {0};
  write_options(p, &s);
  activation_write(p + OPTIONS, a);
  return op_call(&conv2d_activated, 3, (Tensor *[]){x, weight, bias}, p);
}

/* ---- conv2d_input: the gradient of conv2d by x, whose height and width are given ---- */

static bool conv2d_input_shape(Call *c) {
  Tensor *g = c->in[0], *w = c->in[1];
  const long *size = c->param[0].list;
  ConvShape s = options(c->param + 1);
  long map[2];
  if (!check_images(c, "grad", g) || !check_weight(c, w, "(KH,KW,Cin,Cout)") || !check_options(c, &s)) return false;
  if (!check_groups(c, "weight", w, s.groups)) return false;
  if (!check_pair(c, "size", size, 0) || !map_size(c, size, w->shape, &s, map)) return false;
  if (map[0] != g->shape[1] || map[1] != g->shape[2] || g->shape[3] != w->shape[3])
    return call_fail(c, "grad must be as conv2d's result, (%ld,%ld,%ld,%ld) for x of %ldx%ld pixels and weight %s, got %s",
                     g->shape[0], map[0], map[1], w->shape[3], size[0], size[1], tensor_shape_text(w), tensor_shape_text(g));
  return check_channels(c, w, s.groups) && call_shape(c, 4, (long[]){g->shape[0], size[0], size[1], w->shape[2] * s.groups});
}

static bool conv2d_input_forward(Call *c) {
  Tensor *g = c->in[0], *w = c->in[1];
  ConvShape s = options(c->param + 1);
  Conv v = describe(c->shape, w->shape, g->shape, &s);
  v.keep = keeper(w);
  return conv_image(&v, g->data, w->data, NULL, c->out->data);
}

static void conv2d_input_backward(Call *c, Tensor *u, Tensor **d) {
  Tensor *g = c->in[0], *w = c->in[1];
  ConvShape s = options(c->param + 1);
  if (c->want[0]) d[0] = tensor_conv2d(u, w, NULL, s);
  if (c->want[1]) d[1] = tensor_conv2d_weight(u, g, w->shape[0], w->shape[1], s);
}

static const Op conv2d_input = {
    "conv2d_input",
    "grad, weight, size:pair, stride:pair=1, padding:pair=0, dilation:pair=1, groups:integer=1",
    "Gradient of conv2d by its x, which is size {H,W}; grad (N,OH,OW,Cout) is the gradient of its result.",
    "tensor.randn(2,2,3,3):conv2d_input(tensor.randn(3,3,2,3), {4,5})\n"
    "tensor.randn(1,3,3,3):conv2d_input(tensor.randn(4,4,2,3), {7,6}, {stride=2, padding=1})\n"
    "tensor.randn(1,3,2,2):conv2d_input(tensor.randn(2,3,1,2), {5,8}, {stride={2,3}, padding={1,0}, dilation={1,2}})\n"
    "tensor.randn(1,2,2,1):conv2d_input(tensor.randn(1,1,2,1), {4,4}, {stride=3})\n"
    "tensor.randn(1,3,2,6):conv2d_input(tensor.randn(3,2,2,6), {3,4}, {stride={1,2}, padding={1,0}, groups=2})",
    .shape = conv2d_input_shape,
    .forward = conv2d_input_forward,
    .backward = conv2d_input_backward,
    .needs = "grad weight"};

Tensor *tensor_conv2d_input(Tensor *grad, Tensor *weight, long height, long width, ConvShape s) {
  Param p[1 + OPTIONS] = {{.count = 2, .list = {height, width}}};
  write_options(p + 1, &s);
  return op_call(&conv2d_input, 2, (Tensor *[]){grad, weight}, p);
}

/* ---- conv2d_weight: the gradient of conv2d by its weight, whose sides are given ---- */

static bool conv2d_weight_shape(Call *c) {
  Tensor *x = c->in[0], *g = c->in[1];
  const long *kernel = c->param[0].list;
  ConvShape s = options(c->param + 1);
  long map[2];
  if (!check_images(c, "x", x) || !check_images(c, "grad", g) || !check_options(c, &s)) return false;
  if (!check_pair(c, "kernel", kernel, 1) || !map_size(c, x->shape + 1, kernel, &s, map)) return false;
  if (map[0] != g->shape[1] || map[1] != g->shape[2] || g->shape[0] != x->shape[0])
    return call_fail(c, "grad must be as conv2d's result, (%ld,%ld,%ld,Cout) for x %s and a kernel of %ldx%ld, got %s", x->shape[0],
                     map[0], map[1], tensor_shape_text(x), kernel[0], kernel[1], tensor_shape_text(g));
  if (!check_groups(c, "x", x, s.groups) || !check_groups(c, "grad", g, s.groups)) return false;
  return call_shape(c, 4, (long[]){kernel[0], kernel[1], x->shape[3] / s.groups, g->shape[3]});
}

static bool conv2d_weight_forward(Call *c) {
  Tensor *x = c->in[0], *g = c->in[1];
  ConvShape s = options(c->param + 1);
  Conv v = describe(x->shape, c->shape, g->shape, &s);
  return conv_weight(&v, x->data, g->data, c->out->data);
}

static void conv2d_weight_backward(Call *c, Tensor *u, Tensor **d) {
  Tensor *x = c->in[0], *g = c->in[1];
  ConvShape s = options(c->param + 1);
  if (c->want[0]) d[0] = tensor_conv2d_input(g, u, x->shape[1], x->shape[2], s);
  if (c->want[1]) d[1] = tensor_conv2d(x, u, NULL, s);
}

static const Op conv2d_weight = {
    "conv2d_weight",
    "x, grad, kernel:pair, stride:pair=1, padding:pair=0, dilation:pair=1, groups:integer=1",
    "Gradient of conv2d by its weight, whose sides are kernel {KH,KW}; grad (N,OH,OW,Cout) is the gradient of its result.",
    "tensor.randn(2,4,5,2):conv2d_weight(tensor.randn(2,2,3,3), 3)\n"
    "tensor.randn(1,7,6,2):conv2d_weight(tensor.randn(1,3,3,3), 4, {stride=2, padding=1})\n"
    "tensor.randn(1,5,8,1):conv2d_weight(tensor.randn(1,3,2,2), {2,3}, {stride={2,3}, padding={1,0}, dilation={1,2}})\n"
    "tensor.randn(1,3,4,4):conv2d_weight(tensor.randn(1,3,2,6), {3,2}, {stride={1,2}, padding={1,0}, groups=2})",
    .shape = conv2d_weight_shape,
    .forward = conv2d_weight_forward,
    .backward = conv2d_weight_backward,
    .needs = "x grad"};

Tensor *tensor_conv2d_weight(Tensor *x, Tensor *grad, long kernel_h, long kernel_w, ConvShape s) {
  Param p[1 + OPTIONS] = {{.count = 2, .list = {kernel_h, kernel_w}}};
  write_options(p + 1, &s);
  return op_call(&conv2d_weight, 2, (Tensor *[]){x, grad}, p);
}

/* ---- conv_transpose2d: an image from a map, larger by the stride ---- */

/* c->param: stride, padding, output_padding, groups, dilation. */
enum { TRANSPOSE_OPTIONS = 5 };

static ConvShape transpose_options(const Call *c) {
  return options((Param[]){c->param[0], c->param[1], c->param[4], c->param[3]});
}

static bool conv_transpose2d_shape(Call *c) {
  Tensor *x = c->in[0], *w = c->in[1], *bias = c->n > 2 ? c->in[2] : NULL;
  const long *extra = c->param[2].list;
  ConvShape s = transpose_options(c);
  long size[2];
  if (!check_images(c, "x", x) || !check_weight(c, w, "(KH,KW,Cout,Cin)") || !check_options(c, &s)) return false;
  if (x->shape[3] != w->shape[3])
    return call_fail(c, "x's channels must equal weight's last dimension, got %s and %s", tensor_shape_text(x),
                     tensor_shape_text(w));
  if (!check_groups(c, "x", x, s.groups) || !check_channels(c, w, s.groups)) return false;
  if (!check_bias(c, bias, w->shape[2] * s.groups) || !check_pair(c, "output_padding", extra, 0)) return false;
  for (int i = 0; i < 2; i++) {
    if (extra[i] >= s.stride[i])
      return call_fail(c, "output_padding must be less than stride, got {%ld,%ld} and {%ld,%ld}", extra[0], extra[1], s.stride[0],
                       s.stride[1]);
    size[i] = (x->shape[1 + i] - 1) * s.stride[i] - 2 * s.padding[i] + s.dilation[i] * (w->shape[i] - 1) + extra[i] + 1;
    if (!x->shape[1 + i] || size[i] < 1)
      return call_fail(c, "x of %ldx%ld pixels with weight %s and padding {%ld,%ld} leaves no image", x->shape[1], x->shape[2],
                       tensor_shape_text(w), s.padding[0], s.padding[1]);
  }
  return call_shape(c, 4, (long[]){x->shape[0], size[0], size[1], w->shape[2] * s.groups});
}

static bool conv_transpose2d_run(Call *c, Activation then) {
  Tensor *x = c->in[0], *w = c->in[1], *bias = c->n > 2 ? c->in[2] : NULL;
  ConvShape s = transpose_options(c);
  Conv v = describe(c->shape, w->shape, x->shape, &s);
  v.then = then;
  v.keep = keeper(w);
  return conv_image(&v, x->data, w->data, bias ? bias->data : NULL, c->out->data);
}

static bool conv_transpose2d_forward(Call *c) {
  return conv_transpose2d_run(c, (Activation){0});
}

static void conv_transpose2d_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *x = c->in[0], *w = c->in[1];
  ConvShape s = transpose_options(c);
  if (c->want[0]) d[0] = tensor_conv2d(g, w, NULL, s);
  if (c->want[1]) d[1] = tensor_conv2d_weight(g, x, w->shape[0], w->shape[1], s);
  if (c->n > 2 && c->want[2]) d[2] = bias_gradient(g);
}

static const Op conv_transpose2d = {
    "conv_transpose2d",
    "x, weight, bias?, stride:pair=1, padding:pair=0, output_padding:pair=0, groups:integer=1, dilation:pair=1",
    "Transposed convolution: enlarges images x (N,H,W,Cin) with weight (KH,KW,Cout/groups,Cin), plus bias (Cout). Both kinds of "
    "channels are cut into groups, and each part of Cout is made of one part of Cin.",
    "tensor.randn(2,2,3,3):conv_transpose2d(tensor.randn(3,3,2,3), tensor.randn(2))\n"
    "tensor.randn(1,3,2,3):conv_transpose2d(tensor.randn(4,4,2,3), tensor.randn(2), {stride=2, padding=1})\n"
    "tensor.randn(1,2,2,2):conv_transpose2d(tensor.randn(5,5,1,2), nil, {stride=2, padding=2, output_padding=1})\n"
    "tensor.randn(1,2,3,2):conv_transpose2d(tensor.randn(2,3,1,2), nil, {stride={3,2}, output_padding={2,0}, dilation={2,1}})\n"
    "tensor.randn(1,2,3,4):conv_transpose2d(tensor.randn(3,3,3,4), tensor.randn(6), {stride=2, padding=1, groups=2})",
    .shape = conv_transpose2d_shape,
    .forward = conv_transpose2d_forward,
    .backward = conv_transpose2d_backward,
    .needs = "x weight"};

static void write_transpose_options(Param *p, const ConvShape *s, const long output_padding[2]) {
  Param plain[OPTIONS] = {0};
  write_options(plain, s);
  p[0] = plain[0], p[1] = plain[1], p[4] = plain[2], p[3] = plain[3];
  p[2] = (Param){.count = 2, .list = {output_padding[0], output_padding[1]}};
}

Tensor *tensor_conv_transpose2d(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s, const long output_padding[2]) {
  Param p[TRANSPOSE_OPTIONS];
  write_transpose_options(p, &s, output_padding);
  return op_call(&conv_transpose2d, 3, (Tensor *[]){x, weight, bias}, p);
}

static bool conv_transpose2d_activated_shape(Call *c) {
  return activated_shape(c, &conv_transpose2d, TRANSPOSE_OPTIONS);
}

static bool conv_transpose2d_activated_forward(Call *c) {
  return conv_transpose2d_run(c, activation_read(c->param + TRANSPOSE_OPTIONS));
}

static void conv_transpose2d_activated_backward(Call *c, Tensor *g, Tensor **d) {
  conv_transpose2d_backward(c, activation_gradient(activation_read(c->param + TRANSPOSE_OPTIONS), g, c->out), d);
}

static const Op conv_transpose2d_activated = {
    "conv_transpose2d_activated",
    "x, weight, bias?, stride:pair=1, padding:pair=0, output_padding:pair=0, groups:integer=1, dilation:pair=1, " ACTIVATION_ARGS,
    "conv_transpose2d and an activation of its result in one go, as nn.Sequential calls them.",
    "tensor.randn(1,3,2,3):conv_transpose2d_activated(tensor.randn(4,4,2,3), tensor.randn(2), {stride=2, activation=\"tanh\"})",
    .shape = conv_transpose2d_activated_shape,
    .forward = conv_transpose2d_activated_forward,
    .backward = conv_transpose2d_activated_backward,
    .needs = "x weight out"};

Tensor *tensor_conv_transpose2d_activated(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s, const long output_padding[2],
                                          Activation a) {
  Param p[TRANSPOSE_OPTIONS + 2];
  write_transpose_options(p, &s, output_padding);
  activation_write(p + TRANSPOSE_OPTIONS, a);
  return op_call(&conv_transpose2d_activated, 3, (Tensor *[]){x, weight, bias}, p);
}

const Op *const ops_conv[] = {&conv2d,           &conv2d_activated,           &conv2d_input, &conv2d_weight,
                              &conv_transpose2d, &conv_transpose2d_activated, NULL};
