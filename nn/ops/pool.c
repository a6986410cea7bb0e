/* Pooling and upsampling of images (N,H,W,C). */
#include <math.h>
#include <string.h>

#include "../row.h"

/* ---- windows ---- */

typedef struct Window {
  const real *x;
  real *y, *chosen;
  long height, width, channels, out_height, out_width;
  long kernel[2], stride[2], padding[2];
} Window;

enum { KERNEL, STRIDE, PADDING }; /* parameters of both pools */

static void pair_of(const Param *p, const Param *otherwise, long pair[2]) {
  const Param *from = p->nil && otherwise ? otherwise : p;
  pair[0] = from->list[0];
  pair[1] = from->list[1];
}

/* The sizes of a pool over an image (N,height,width,C); false and an error when no window fits. */
static bool window_sizes(Call *c, Window *w, const Tensor *x, int first) {
  if (x->ndim != 4) return call_fail(c, "x must be (N,H,W,C), got %s", tensor_shape_text(x));
  pair_of(&c->param[first + KERNEL], NULL, w->kernel);
  pair_of(&c->param[first + STRIDE], &c->param[first + KERNEL], w->stride);
  pair_of(&c->param[first + PADDING], NULL, w->padding);
  for (int i = 0; i < 2; i++) {
    if (w->kernel[i] < 1 || w->stride[i] < 1)
      return call_fail(c, "kernel and stride must be at least 1, got %ld and %ld", w->kernel[i], w->stride[i]);
    if (w->padding[i] < 0 || 2 * w->padding[i] > w->kernel[i])
      return call_fail(c, "padding must be from 0 to half the kernel, got %ld for a kernel of %ld", w->padding[i], w->kernel[i]);
  }
  w->channels = x->shape[3];
  return true;
}

static bool window_over(Call *c, Window *w, long height, long width) {
  w->height = height;
  w->width = width;
  long rows = height + 2 * w->padding[0] - w->kernel[0], columns = width + 2 * w->padding[1] - w->kernel[1];
  if (rows < 0 || columns < 0)
    return call_fail(c, "a kernel of %ldx%ld does not fit an image of %ldx%ld with its padding", w->kernel[0], w->kernel[1], height,
                     width);
  w->out_height = rows / w->stride[0] + 1;
  w->out_width = columns / w->stride[1] + 1;
  return true;
}

static bool pool_window(Call *c, Window *w) {
  const Tensor *x = c->in[0];
  return window_sizes(c, w, x, 0) && window_over(c, w, x->shape[1], x->shape[2]);
}

static bool pool_shape(Call *c) {
  Window w;
  const Tensor *x = c->in[0];
  return pool_window(c, &w) && call_shape(c, 4, (long[]){x->shape[0], w.out_height, w.out_width, w.channels});
}

/* The rows (or columns) of the image that window number i covers. */
static void covered(const Window *w, int axis, long i, long *from, long *to) {
  long size = axis ? w->width : w->height, start = i * w->stride[axis] - w->padding[axis];
  *from = start < 0 ? 0 : start;
  *to = start + w->kernel[axis] < size ? start + w->kernel[axis] : size;
}

static const Param *pool_params(const long kernel[2], const long stride[2], const long padding[2], Param p[3]) {
  p[KERNEL] = (Param){.count = 2, .list = {kernel[0], kernel[1]}};
  p[STRIDE] = stride ? (Param){.count = 2, .list = {stride[0], stride[1]}} : (Param){.nil = true};
  p[PADDING] = padding ? (Param){.count = 2, .list = {padding[0], padding[1]}} : (Param){.count = 2};
  return p;
}

/* ---- max_pool2d ---- */

/* chosen holds the place (from 1) in the image of each largest element, so that backward is a scatter_add. */
static void max_rows(void *job, long from, long to) {
  const Window *w = job;
  for (long row = from; row < to; row++) { /* row runs over (N, out_height) */
    const real *image = w->x + row / w->out_height * w->height * w->width * w->channels;
    long y0, y1, x0, x1;
    covered(w, 0, row % w->out_height, &y0, &y1);
    for (long column = 0; column < w->out_width; column++) {
      long at = (row * w->out_width + column) * w->channels;
      real *best = w->y + at, *chosen = w->chosen + at;
      covered(w, 1, column, &x0, &x1);
      for (long c = 0; c < w->channels; c++) best[c] = -(real)INFINITY, chosen[c] = (real)(y0 * w->width + x0 + 1);
      for (long y = y0; y < y1; y++)
        for (long x = x0; x < x1; x++) {
          const real *value = image + (y * w->width + x) * w->channels;
          real place = (real)(y * w->width + x + 1);
          for (long c = 0; c < w->channels; c++) {
            bool better = value[c] > best[c] || value[c] != value[c]; /* NaN wins */
            best[c] = better ? value[c] : best[c];
            chosen[c] = better ? place : chosen[c];
          }
        }
    }
  }
}

static bool max_pool2d_forward(Call *c) {
  Window w;
  if (!pool_window(c, &w)) return false;
  c->extra[0] = tensor_new(4, c->shape);
  if (!c->extra[0]) return false;
  w.x = c->in[0]->data, w.y = c->out->data, w.chosen = c->extra[0]->data;
  workers_for(c->shape[0] * w.out_height, 4, max_rows, &w);
  return true;
}

static void max_pool2d_backward(Call *c, Tensor *g, Tensor **d) {
  const long *x = c->in[0]->shape, flat[] = {x[0], x[1] * x[2], x[3]}, windows[] = {x[0], c->shape[1] * c->shape[2], x[3]};
  Tensor *places = tensor_reshape(c->extra[0], 3, windows);
  d[0] = tensor_reshape(tensor_scatter_add(tensor_zeros(3, flat), 1, places, tensor_reshape(g, 3, windows)), 4, x);
}

static const Op max_pool2d_row = {"max_pool2d",
                                  "x, kernel:pair, stride:pair=nil, padding:pair=0",
                                  "The largest element of each window of x (N,H,W,C); the stride is the kernel unless given.",
                                  "tensor.randn(2,4,4,2):max_pool2d(2)\n"
                                  "tensor.randn(1,5,6,2):max_pool2d({3,2}, {stride={2,1}, padding=1})",
                                  pool_shape,
                                  max_pool2d_forward,
                                  max_pool2d_backward,
                                  ""};

Tensor *tensor_max_pool2d(Tensor *x, const long kernel[2], const long stride[2], const long padding[2]) {
  Param p[3];
  return op_call(&max_pool2d_row, 1, &x, pool_params(kernel, stride, padding, p));
}

/* ---- avg_pool2d: the padding counts as zeros ---- */

static void avg_rows(void *job, long from, long to) {
  const Window *w = job;
  real share = 1 / (real)(w->kernel[0] * w->kernel[1]);
  for (long row = from; row < to; row++) {
    const real *image = w->x + row / w->out_height * w->height * w->width * w->channels;
    long y0, y1, x0, x1;
    covered(w, 0, row % w->out_height, &y0, &y1);
    for (long column = 0; column < w->out_width; column++) {
      real *sum = w->y + (row * w->out_width + column) * w->channels;
      covered(w, 1, column, &x0, &x1);
      for (long c = 0; c < w->channels; c++) sum[c] = 0;
      for (long y = y0; y < y1; y++)
        for (long x = x0; x < x1; x++)
          for (long c = 0; c < w->channels; c++) sum[c] += image[(y * w->width + x) * w->channels + c];
      for (long c = 0; c < w->channels; c++) sum[c] *= share;
    }
  }
}

static bool avg_pool2d_forward(Call *c) {
  Window w;
  if (!pool_window(c, &w)) return false;
  w.x = c->in[0]->data, w.y = c->out->data;
  workers_for(c->shape[0] * w.out_height, 4, avg_rows, &w);
  return true;
}

static Tensor *avg_pool2d_grad(Tensor *g, long height, long width, const Param *pool);

static void avg_pool2d_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = avg_pool2d_grad(g, c->in[0]->shape[1], c->in[0]->shape[2], c->param);
}

static const Op avg_pool2d_row = {
    "avg_pool2d",
    "x, kernel:pair, stride:pair=nil, padding:pair=0",
    "The mean of each window of x (N,H,W,C), padding counted as zeros; the stride is the kernel unless given.",
    "tensor.randn(2,4,4,2):avg_pool2d(2)\n"
    "tensor.randn(1,5,6,2):avg_pool2d({3,2}, {stride={2,1}, padding=1})",
    pool_shape,
    avg_pool2d_forward,
    avg_pool2d_backward,
    ""};

Tensor *tensor_avg_pool2d(Tensor *x, const long kernel[2], const long stride[2], const long padding[2]) {
  Param p[3];
  return op_call(&avg_pool2d_row, 1, &x, pool_params(kernel, stride, padding, p));
}

/* Its derivative: each window's gradient is shared out over what it covered. Parameters: image, then the pool's. */

static bool grad_window(Call *c, Window *w) {
  const Tensor *g = c->in[0];
  if (!window_sizes(c, w, g, 1) || !window_over(c, w, c->param[0].list[0], c->param[0].list[1])) return false;
  if (g->shape[1] == w->out_height && g->shape[2] == w->out_width) return true;
  return call_fail(c, "grad must be (N,%ld,%ld,C), got %s", w->out_height, w->out_width, tensor_shape_text(g));
}

static bool avg_grad_shape(Call *c) {
  Window w;
  return grad_window(c, &w) && call_shape(c, 4, (long[]){c->in[0]->shape[0], w.height, w.width, w.channels});
}

static void avg_grad_images(void *job, long from, long to) {
  const Window *w = job;
  real share = 1 / (real)(w->kernel[0] * w->kernel[1]);
  long size = w->height * w->width * w->channels, y0, y1, x0, x1;
  for (long n = from; n < to; n++) {
    real *image = w->y + n * size;
    memset(image, 0, (size_t)size * sizeof *image);
    for (long row = 0; row < w->out_height; row++)
      for (long column = 0; column < w->out_width; column++) {
        const real *g = w->x + ((n * w->out_height + row) * w->out_width + column) * w->channels;
        covered(w, 0, row, &y0, &y1);
        covered(w, 1, column, &x0, &x1);
        for (long y = y0; y < y1; y++)
          for (long x = x0; x < x1; x++)
            for (long c = 0; c < w->channels; c++) image[(y * w->width + x) * w->channels + c] += share * g[c];
      }
  }
}

static bool avg_grad_forward(Call *c) {
  Window w;
  if (!grad_window(c, &w)) return false;
  w.x = c->in[0]->data, w.y = c->out->data;
  workers_for(c->shape[0], 1, avg_grad_images, &w);
  return true;
}

static void avg_grad_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = op_call(&avg_pool2d_row, 1, &g, c->param + 1);
}

static const Op avg_grad_row = {"avg_pool2d_grad",
                                "grad, image:pair, kernel:pair, stride:pair=nil, padding:pair=0",
                                "The derivative of avg_pool2d by its image of the given height and width.",
                                "tensor.randn(1,2,3,2):avg_pool2d_grad({4,6}, 2)\n"
                                "tensor.randn(1,3,7,1):avg_pool2d_grad({5,6}, {3,2}, {stride={2,1}, padding=1})",
                                avg_grad_shape,
                                avg_grad_forward,
                                avg_grad_backward,
                                ""};

static Tensor *avg_pool2d_grad(Tensor *g, long height, long width, const Param *pool) {
  Param p[4] = {{.count = 2, .list = {height, width}}};
  memcpy(p + 1, pool, 3 * sizeof *p);
  return op_call(&avg_grad_row, 1, &g, p);
}

/* ---- upsample: a row of the result is a weighted sum of two rows of x, and so are the columns ---- */

typedef struct Mix {
  long low, high;
  real part; /* of high */
} Mix;

typedef struct Scale {
  const real *x;
  real *y;
  long height, width, channels, out_height, out_width;
  Mix *rows, *columns;
} Scale;

/* Pixel centres as PyTorch's align_corners=False: position i lies at (i + 1/2) from / to - 1/2. */
static Mix mix_at(long i, long from, long to, int mode) {
  if (mode == UPSAMPLE_NEAREST) return (Mix){i * from / to, i * from / to, 0};
  double at = ((double)i + 0.5) * (double)from / (double)to - 0.5;
  if (at < 0) at = 0;
  long low = (long)at;
  return (Mix){low, low + 1 < from ? low + 1 : low, (real)(at - (double)low)};
}

static bool plan_scale(Scale *s, int mode) {
  s->rows = memory_new((size_t)(s->out_height + s->out_width) * sizeof *s->rows);
  if (!s->rows) return false;
  s->columns = s->rows + s->out_height;
  for (long i = 0; i < s->out_height; i++) s->rows[i] = mix_at(i, s->height, s->out_height, mode);
  for (long i = 0; i < s->out_width; i++) s->columns[i] = mix_at(i, s->width, s->out_width, mode);
  return true;
}

static void upsample_rows(void *job, long from, long to) {
  const Scale *s = job;
  for (long row = from; row < to; row++) { /* row runs over (N, out_height) */
    const real *image = s->x + row / s->out_height * s->height * s->width * s->channels;
    Mix v = s->rows[row % s->out_height];
    const real *above = image + v.low * s->width * s->channels, *below = image + v.high * s->width * s->channels;
    for (long column = 0; column < s->out_width; column++) {
      Mix h = s->columns[column];
      real *out = s->y + (row * s->out_width + column) * s->channels;
      const real *a = above + h.low * s->channels, *b = above + h.high * s->channels;
      const real *p = below + h.low * s->channels, *q = below + h.high * s->channels;
      for (long c = 0; c < s->channels; c++)
        out[c] = (1 - v.part) * ((1 - h.part) * a[c] + h.part * b[c]) + v.part * ((1 - h.part) * p[c] + h.part * q[c]);
    }
  }
}

static bool check_image(Call *c, const char *name) {
  if (c->in[0]->ndim != 4) return call_fail(c, "%s must be (N,H,W,C), got %s", name, tensor_shape_text(c->in[0]));
  if (c->param[0].list[0] < 1 || c->param[0].list[1] < 1)
    return call_fail(c, "height and width must be at least 1, got %ld and %ld", c->param[0].list[0], c->param[0].list[1]);
  if (c->in[0]->shape[1] < 1 || c->in[0]->shape[2] < 1)
    return call_fail(c, "%s must not be empty, got %s", name, tensor_shape_text(c->in[0]));
  return call_shape(c, 4, (long[]){c->in[0]->shape[0], c->param[0].list[0], c->param[0].list[1], c->in[0]->shape[3]});
}

static bool upsample_shape(Call *c) {
  return check_image(c, "x");
}

static bool upsample_forward(Call *c) {
  const long *x = c->in[0]->shape;
  Scale s = {c->in[0]->data, c->out->data, x[1], x[2], x[3], c->shape[1], c->shape[2], NULL, NULL};
  if (!plan_scale(&s, (int)c->param[1].number)) return false;
  workers_for(c->shape[0] * s.out_height, 4, upsample_rows, &s);
  memory_free(s.rows);
  return true;
}

static Tensor *upsample_grad(Tensor *g, long height, long width, double mode);

static void upsample_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = upsample_grad(g, c->in[0]->shape[1], c->in[0]->shape[2], c->param[1].number);
}

static const Op upsample_row = {"upsample",
                                "x, size:pair, mode:nearest|bilinear=nearest",
                                "Images (N,H,W,C) in another height and width.",
                                "tensor.randn(1,2,3,2):upsample({4,6})\ntensor.randn(1,2,3,2):upsample({5,4}, {mode=\"bilinear\"})",
                                upsample_shape,
                                upsample_forward,
                                upsample_backward,
                                ""};

Tensor *tensor_upsample(Tensor *x, long height, long width, int mode) {
  return op_call(&upsample_row, 1, &x, (Param[]){{.count = 2, .list = {height, width}}, {.number = mode}});
}

/* Its derivative: every pixel gives back to those it was mixed from. */

static void upsample_grad_images(void *job, long from, long to) {
  const Scale *s = job; /* x is the gradient, of the large size; y the small image */
  long size = s->height * s->width * s->channels;
  for (long n = from; n < to; n++) {
    real *image = s->y + n * size;
    memset(image, 0, (size_t)size * sizeof *image);
    for (long row = 0; row < s->out_height; row++)
      for (long column = 0; column < s->out_width; column++) {
        const real *g = s->x + ((n * s->out_height + row) * s->out_width + column) * s->channels;
        Mix v = s->rows[row], h = s->columns[column];
        real *a = image + (v.low * s->width + h.low) * s->channels, *b = image + (v.low * s->width + h.high) * s->channels;
        real *p = image + (v.high * s->width + h.low) * s->channels, *q = image + (v.high * s->width + h.high) * s->channels;
        for (long c = 0; c < s->channels; c++) {
          a[c] += (1 - v.part) * (1 - h.part) * g[c];
          b[c] += (1 - v.part) * h.part * g[c];
          p[c] += v.part * (1 - h.part) * g[c];
          q[c] += v.part * h.part * g[c];
        }
      }
  }
}

static bool upsample_grad_shape(Call *c) {
  return check_image(c, "grad");
}

static bool upsample_grad_forward(Call *c) {
  const long *g = c->in[0]->shape;
  Scale s = {c->in[0]->data, c->out->data, c->shape[1], c->shape[2], g[3], g[1], g[2], NULL, NULL};
  if (!plan_scale(&s, (int)c->param[1].number)) return false;
  workers_for(c->shape[0], 1, upsample_grad_images, &s);
  memory_free(s.rows);
  return true;
}

static void upsample_grad_backward(Call *c, Tensor *g, Tensor **d) {
  d[0] = tensor_upsample(g, c->in[0]->shape[1], c->in[0]->shape[2], (int)c->param[1].number);
}

static const Op upsample_grad_row = {"upsample_grad",
                                     "grad, size:pair, mode:nearest|bilinear=nearest",
                                     "The derivative of upsample by its image of the given height and width.",
                                     "tensor.randn(1,4,6,2):upsample_grad({2,3})\n"
                                     "tensor.randn(1,5,4,2):upsample_grad({2,3}, {mode=\"bilinear\"})",
                                     upsample_grad_shape,
                                     upsample_grad_forward,
                                     upsample_grad_backward,
                                     ""};

static Tensor *upsample_grad(Tensor *g, long height, long width, double mode) {
  return op_call(&upsample_grad_row, 1, &g, (Param[]){{.count = 2, .list = {height, width}}, {.number = mode}});
}

const Op *const ops_pool[] = {&max_pool2d_row, &avg_pool2d_row, &avg_grad_row, &upsample_row, &upsample_grad_row, NULL};
