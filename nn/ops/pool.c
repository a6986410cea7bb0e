/* Pooling and upsampling of images (N,H,W,C). The largest is found where it stood, so that its gradient is a scatter_add; the
 * mean and the upsampling are linear, and each other's derivative with an op that goes back. */
#include <math.h>
#include <string.h>

#include "../kernels/pool.h"
#include "../kernels/resample.h"
#include "../row.h"

static const long MOST = 0x7fffffff; /* of any side here: sums and products of two stay within a long */

static bool check_images(Call *c, const char *name, const Tensor *x) {
  if (x->ndim != 4) return call_fail(c, "%s must be images (N,H,W,C), got %s", name, tensor_shape_text(x));
  if (x->shape[1] >= 1 && x->shape[2] >= 1 && x->shape[1] <= MOST && x->shape[2] <= MOST) return true;
  return call_fail(c, "%s must have a height and width from 1 to %ld, got %s", name, MOST, tensor_shape_text(x));
}

static bool check_size(Call *c, const char *name, const long *size) {
  if (size[0] >= 1 && size[1] >= 1 && size[0] <= MOST && size[1] <= MOST) return true;
  return call_fail(c, "%s must be a height and width from 1 to %ld, got {%ld,%ld}", name, MOST, size[0], size[1]);
}

static Param pair_param(const long *pair) {
  return pair ? (Param){.count = 2, .list = {pair[0], pair[1]}} : (Param){.nil = true};
}

/* ---- windows: kernel, stride, padding are three parameters ---- */

static bool check_windows(Call *c, const Pool *p) {
  for (int i = 0; i < 2; i++) {
    if (p->kernel[i] < 1 || p->kernel[i] > MOST || p->stride[i] < 1 || p->stride[i] > MOST)
      return call_fail(c, "kernel and stride must be from 1 to %ld, got {%ld,%ld} and {%ld,%ld}", MOST, p->kernel[0], p->kernel[1],
                       p->stride[0], p->stride[1]);
    if (p->padding[i] < 0 || p->padding[i] > p->kernel[i] / 2)
      return call_fail(c, "padding must be from 0 to half the kernel, got {%ld,%ld} for a kernel {%ld,%ld}", p->padding[0],
                       p->padding[1], p->kernel[0], p->kernel[1]);
    if (p->image[i] + 2 * p->padding[i] < p->kernel[i])
      return call_fail(c, "a kernel {%ld,%ld} does not fit images of %ldx%ld with padding {%ld,%ld}", p->kernel[0], p->kernel[1],
                       p->image[0], p->image[1], p->padding[0], p->padding[1]);
  }
  return true;
}

/* map = floor((image + 2 padding - kernel) / stride) + 1. The stride is the kernel when not given. */
static bool describe(Call *c, Pool *p, const Tensor *x, const long *image, const Param *windows) {
  const Param *stride = windows[1].nil ? &windows[0] : &windows[1];
  *p = (Pool){.n = x->shape[0], .channels = x->shape[3]};
  for (int i = 0; i < 2; i++) {
    p->image[i] = image[i];
    p->kernel[i] = windows[0].list[i];
    p->stride[i] = stride->list[i];
    p->padding[i] = windows[2].nil ? 0 : windows[2].list[i];
  }
  if (!check_windows(c, p)) return false;
  for (int i = 0; i < 2; i++) p->map[i] = (p->image[i] + 2 * p->padding[i] - p->kernel[i]) / p->stride[i] + 1;
  return true;
}

static bool pool_shape(Call *c) {
  Tensor *x = c->in[0];
  Pool p;
  if (!check_images(c, "x", x) || !describe(c, &p, x, x->shape + 1, c->param)) return false;
  return call_shape(c, 4, (long[]){p.n, p.map[0], p.map[1], p.channels});
}

static Tensor *call_pool(const Op *op, Tensor *x, const long *kernel, const long *stride, const long *padding) {
  return op_call(op, 1, &x, (Param[]){pair_param(kernel), pair_param(stride), pair_param(padding)});
}

/* ---- max_pool2d ---- */

/* Places are kept in the numbers of a tensor, so they must be exact in them. */
static bool max_pool2d_shape(Call *c) {
  const double whole = sizeof(real) == sizeof(float) ? 16777216.0 : 9007199254740992.0;
  const long *x = c->in[0]->shape;
  if (!pool_shape(c)) return false;
  if ((double)x[1] * (double)x[2] <= whole) return true;
  return call_fail(c, "images may have at most %.0f pixels, got %ldx%ld", whole, x[1], x[2]);
}

static bool max_pool2d_forward(Call *c) {
  Tensor *x = c->in[0];
  bool places = grad_enabled() && x->node;
  Pool p;
  if (!describe(c, &p, x, x->shape + 1, c->param)) return false;
  if (places && !(c->extra[0] = tensor_new(c->ndim, c->shape))) return false;
  pool_largest(&p, x->data, c->out->data, places ? c->extra[0]->data : NULL);
  return true;
}

static void max_pool2d_backward(Call *c, Tensor *g, Tensor **d) {
  const long *x = c->in[0]->shape, image[] = {x[0], x[1] * x[2], x[3]}, map[] = {x[0], c->shape[1] * c->shape[2], x[3]};
  Tensor *places = tensor_reshape(c->extra[0], 3, map);
  d[0] = tensor_reshape(tensor_scatter_add(tensor_zeros(3, image), 1, places, tensor_reshape(g, 3, map)), 4, x);
}

static void max_pool2d_fused(Call *c, Tensor *g, Tensor **d) {
  Pool p;
  d[0] = tensor_own(tensor_new(4, c->in[0]->shape));
  if (d[0] && describe(c, &p, c->in[0], c->in[0]->shape + 1, c->param))
    pool_largest_back(&p, g->data, c->extra[0]->data, d[0]->data);
}

static const Op max_pool2d_row = {"max_pool2d",
                                  "x, kernel:pair, stride:pair=nil, padding:pair=0",
                                  "The largest element of each window of x (N,H,W,C); the stride is the kernel unless given.",
                                  "tensor.randn(2,4,4,2):max_pool2d(2)\n"
                                  "tensor.randn(1,5,6,2):max_pool2d({3,2}, {stride={2,1}, padding=1})\n"
                                  "tensor.randn(1,7,5,1):max_pool2d(2, {stride=3, padding={0,1}})",
                                  .shape = max_pool2d_shape,
                                  .forward = max_pool2d_forward,
                                  .backward = max_pool2d_backward,
                                  .fused = max_pool2d_fused};

Tensor *tensor_max_pool2d(Tensor *x, const long kernel[2], const long stride[2], const long padding[2]) {
  return call_pool(&max_pool2d_row, x, kernel, stride, padding);
}

/* ---- avg_pool2d ---- */

static const Op avg_pool2d_grad_row;

static bool avg_pool2d_forward(Call *c) {
  Tensor *x = c->in[0];
  Pool p;
  if (!describe(c, &p, x, x->shape + 1, c->param)) return false;
  pool_mean(&p, x->data, c->out->data);
  return true;
}

static void avg_pool2d_backward(Call *c, Tensor *g, Tensor **d) {
  Param p[4] = {pair_param(c->in[0]->shape + 1), c->param[0], c->param[1], c->param[2]};
  d[0] = op_call(&avg_pool2d_grad_row, 1, &g, p);
}

static const Op avg_pool2d_row = {
    "avg_pool2d",
    "x, kernel:pair, stride:pair=nil, padding:pair=0",
    "The mean of each window of x (N,H,W,C), padding counted as zeros; the stride is the kernel unless given.",
    "tensor.randn(2,4,4,2):avg_pool2d(2)\n"
    "tensor.randn(1,5,6,2):avg_pool2d({3,2}, {stride={2,1}, padding=1})\n"
    "tensor.randn(1,7,5,1):avg_pool2d(2, {stride=3, padding={0,1}})",
    .shape = pool_shape,
    .forward = avg_pool2d_forward,
    .backward = avg_pool2d_backward};

Tensor *tensor_avg_pool2d(Tensor *x, const long kernel[2], const long stride[2], const long padding[2]) {
  return call_pool(&avg_pool2d_row, x, kernel, stride, padding);
}

/* Its derivative by images of a given height and width: each window's gradient is shared out over what it covered. */
static bool avg_pool2d_grad_shape(Call *c) {
  const Tensor *g = c->in[0];
  if (!check_images(c, "grad", g) || !check_size(c, "size", c->param[0].list)) return false;
  Pool p;
  if (!describe(c, &p, g, c->param[0].list, c->param + 1)) return false;
  if (g->shape[1] == p.map[0] && g->shape[2] == p.map[1])
    return call_shape(c, 4, (long[]){p.n, p.image[0], p.image[1], p.channels});
  return call_fail(c, "grad must be (N,%ld,%ld,C), a number for each window, got %s", p.map[0], p.map[1], tensor_shape_text(g));
}

static bool avg_pool2d_grad_forward(Call *c) {
  Pool p;
  if (!describe(c, &p, c->in[0], c->param[0].list, c->param + 1)) return false;
  pool_mean_back(&p, c->in[0]->data, c->out->data);
  return true;
}

static void avg_pool2d_grad_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = op_call(&avg_pool2d_row, 1, &g, c->param + 1);
}

static const Op avg_pool2d_grad_row = {"avg_pool2d_grad",
                                       "grad, size:pair, kernel:pair, stride:pair=nil, padding:pair=0",
                                       "The derivative of avg_pool2d by its images, whose height and width are given.",
                                       "tensor.randn(1,2,3,2):avg_pool2d_grad({4,6}, 2)\n"
                                       "tensor.randn(1,3,7,1):avg_pool2d_grad({5,6}, {3,2}, {stride={2,1}, padding=1})\n"
                                       "tensor.randn(1,2,2,1):avg_pool2d_grad({7,5}, 2, {stride=3, padding={0,1}})",
                                       .shape = avg_pool2d_grad_shape,
                                       .forward = avg_pool2d_grad_forward,
                                       .backward = avg_pool2d_grad_backward};

/* ---- upsample ---- */

/* Nearest: row i comes from floor(i from / to). Bilinear: pixels are squares, so that row i lies at (i + 1/2) from / to - 1/2,
 * which is PyTorch's align_corners=False. */
static Mix mix_at(long i, long from, long to, int mode) {
  if (mode == UPSAMPLE_NEAREST) return (Mix){i * from / to, i * from / to, 0};
  double at = fmax(((double)i + 0.5) * (double)from / (double)to - 0.5, 0);
  long low = (long)at;
  return (Mix){low, low + 1 < from ? low + 1 : low, (real)(at - (double)low)};
}

static bool run_resample(Call *c, const long *from, const long *to, void (*kernel)(const Resample *, const real *, real *)) {
  Resample r = {from[0], from[3], {from[1], from[2]}, {to[1], to[2]}, {NULL, NULL}};
  Storage *memory = storage_new((size_t)(to[1] + to[2]) * sizeof(Mix));
  if (!memory) return false;
  Mix *mix = memory->data;
  for (int axis = 0; axis < 2; axis++) {
    r.mix[axis] = mix;
    for (long i = 0; i < r.to[axis]; i++) *mix++ = mix_at(i, r.from[axis], r.to[axis], (int)c->param[1].number);
  }
  kernel(&r, c->in[0]->data, c->out->data);
  storage_drop(memory);
  return true;
}

static bool resized_shape(Call *c) {
  const long *x = c->in[0]->shape, *size = c->param[0].list;
  const char *name = op_signature(c->op)->arg[0].name;
  return check_images(c, name, c->in[0]) && check_size(c, "size", size) && call_shape(c, 4, (long[]){x[0], size[0], size[1], x[3]});
}

static Tensor *call_resize(const Op *op, Tensor *x, const long *size, double mode) {
  return op_call(op, 1, &x, (Param[]){pair_param(size), {.number = mode}});
}

static const Op upsample_grad_row;

static bool upsample_forward(Call *c) {
  return run_resample(c, c->in[0]->shape, c->shape, resample);
}

static void upsample_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_resize(&upsample_grad_row, g, c->in[0]->shape + 1, c->param[1].number);
}

static const Op upsample_row = {"upsample",
                                "x, size:pair, mode:nearest|bilinear=nearest",
                                "Images (N,H,W,C) in another height and width.",
                                "tensor.randn(1,2,3,2):upsample({4,6})\n"
                                "tensor.randn(1,3,4,1):upsample({5,3})\n"
                                "tensor.randn(2,2,3,2):upsample({5,4}, {mode=\"bilinear\"})\n"
                                "tensor.randn(1,5,1,1):upsample({3,2}, {mode=\"bilinear\"})",
                                .shape = resized_shape,
                                .forward = upsample_forward,
                                .backward = upsample_backward};

Tensor *tensor_upsample(Tensor *x, long height, long width, int mode) {
  return call_resize(&upsample_row, x, (long[]){height, width}, mode);
}

/* Its derivative by images of a given height and width: every pixel gives back to those it was mixed from. */
static bool upsample_grad_forward(Call *c) {
  return run_resample(c, c->shape, c->in[0]->shape, resample_back);
}

static void upsample_grad_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = call_resize(&upsample_row, g, c->in[0]->shape + 1, c->param[1].number);
}

static const Op upsample_grad_row = {"upsample_grad",
                                     "grad, size:pair, mode:nearest|bilinear=nearest",
                                     "The derivative of upsample by its images, whose height and width are given.",
                                     "tensor.randn(1,4,6,2):upsample_grad({2,3})\n"
                                     "tensor.randn(1,5,3,1):upsample_grad({3,4})\n"
                                     "tensor.randn(2,5,4,2):upsample_grad({2,3}, {mode=\"bilinear\"})\n"
                                     "tensor.randn(1,3,2,1):upsample_grad({5,1}, {mode=\"bilinear\"})",
                                     .shape = resized_shape,
                                     .forward = upsample_grad_forward,
                                     .backward = upsample_grad_backward};

const Op *const ops_pool[] = {&max_pool2d_row, &avg_pool2d_row, &avg_pool2d_grad_row, &upsample_row, &upsample_grad_row, NULL};
