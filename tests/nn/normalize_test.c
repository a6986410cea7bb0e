/* Normalisation and softmax over random shapes against their formulas written out in double, with all gradients. */
#include "test.h"

#include <stdlib.h>

static const double EPS = 0.1; /* so large that numbers which are nearly equal are not blown up */

static long between(long low, long high) {
  return low + (long)random_below((uint64_t)(high - low + 1));
}

static Tensor *leaf(int ndim, const long *shape) {
  Tensor *t = tensor_randn(ndim, shape);
  tensor_set_requires_grad(t, true);
  return t;
}

/* A line of numbers that are normalised together: n, `step` apart. Of each the weight is weight[i * every], if there is one. */
typedef struct Line {
  long at, n, step, first, every;
} Line;

typedef struct Norm {
  const real *x, *weight, *bias, *g; /* g: the gradient of the result */
  double *y, *dx, *dweight, *dbias;
} Norm;

static void normalize(const Norm *t, Line l) {
  double mean = 0, var = 0, of_g = 0, of_gx = 0;
  for (long i = 0; i < l.n; i++) mean += (double)t->x[l.at + i * l.step] / (double)l.n;
  for (long i = 0; i < l.n; i++) var += pow((double)t->x[l.at + i * l.step] - mean, 2) / (double)l.n;
  const double scale = 1 / sqrt(var + EPS);
  for (long i = 0; i < l.n; i++) {
    const long at = l.at + i * l.step, c = l.first + i * l.every;
    const double x = ((double)t->x[at] - mean) * scale, weight = t->weight ? (double)t->weight[c] : 1, g = (double)t->g[at];
    t->y[at] = x * weight + (t->bias ? (double)t->bias[c] : 0);
    t->dweight[c] += g * x;
    t->dbias[c] += g;
    of_g += g * weight / (double)l.n;
    of_gx += g * weight * x / (double)l.n;
  }
  for (long i = 0; i < l.n; i++) {
    const long at = l.at + i * l.step, c = l.first + i * l.every;
    const double x = ((double)t->x[at] - mean) * scale, weight = t->weight ? (double)t->weight[c] : 1;
    t->dx[at] = scale * ((double)t->g[at] * weight - of_g - x * of_gx);
  }
}

static void check_norm(long rows, long c, bool layer, bool affine) {
  size_t scope = scope_enter();
  char shape[80];
  snprintf(shape, sizeof shape, "%s_norm (%ld,%ld)%s", layer ? "layer" : "batch", rows, c, affine ? "" : " without weights");
  Tensor *in[] = {leaf(2, (long[]){rows, c}), leaf(1, &c), leaf(1, &c)}, *grad[3] = {0};
  Tensor *weight = affine ? in[1] : NULL, *bias = affine ? in[2] : NULL;
  Tensor *y =
      layer ? tensor_layer_norm(in[0], weight, bias, EPS) : tensor_batch_norm(in[0], weight, bias, NULL, NULL, true, 0.1, EPS);
  Tensor *g = tensor_randn(2, (long[]){rows, c});
  CHECK(y && tensor_gradients(y, g, affine ? 3 : 1, in, 0, grad));
  double *room = calloc((size_t)(2 * rows * c + 2 * c) + 1, sizeof *room);
  Norm t = {.x = in[0]->data, .weight = weight ? weight->data : NULL, .bias = bias ? bias->data : NULL, .g = g->data, .y = room};
  t.dx = room + rows * c, t.dweight = t.dx + rows * c, t.dbias = t.dweight + c;
  for (long i = 0; i < (layer ? rows : c); i++) normalize(&t, layer ? (Line){i * c, c, 1, 0, 1} : (Line){i, rows, c, i, 0});
  test_close(y, t.y, "result", shape);
  test_close(grad[0], t.dx, "x's gradient", shape);
  if (affine) test_close(grad[1], t.dweight, "weight's gradient", shape);
  if (affine) test_close(grad[2], t.dbias, "bias's gradient", shape);
  free(room);
  scope_leave(scope, NULL);
}

static void norms_of_random_shapes(void) {
  for (int i = 0; i < 200; i++) {
    const bool layer = i % 2;
    long rows = i % 8 < 6 ? between(2, 40) : between(200, 1200), c = i % 10 < 7 ? between(1, 17) : between(18, 150);
    if (layer && i % 20 == 1) rows = 0;
    check_norm(rows, c, layer, i % 3);
  }
}

/* ---- softmax ---- */

/* n numbers `step` apart: softmax, its logarithm, and the gradients of x by those of the two. */
static void softmax(const real *x, const real *g, long n, long step, double *const *to) {
  double largest = -INFINITY, sum = 0, of_g = 0, of_gy = 0;
  for (long i = 0; i < n; i++) largest = fmax(largest, (double)x[i * step]);
  for (long i = 0; i < n; i++) sum += exp((double)x[i * step] - largest);
  for (long i = 0; i < n; i++) {
    to[1][i * step] = (double)x[i * step] - largest - log(sum);
    to[0][i * step] = exp(to[1][i * step]);
    of_g += (double)g[i * step];
    of_gy += (double)g[i * step] * to[0][i * step];
  }
  for (long i = 0; i < n; i++) {
    to[2][i * step] = to[0][i * step] * ((double)g[i * step] - of_gy);
    to[3][i * step] = (double)g[i * step] - to[0][i * step] * of_g;
  }
}

static void check_softmax(int ndim, const long *shape, long dim) {
  size_t scope = scope_enter();
  char text[80];
  snprintf(text, sizeof text, "%s along %ld", shape_text(ndim, shape), dim + 1);
  Tensor *x = leaf(ndim, shape), *g = tensor_randn(ndim, shape), *y = tensor_softmax(x, dim), *log_y = tensor_log_softmax(x, dim);
  Tensor *dx = NULL, *log_dx = NULL;
  CHECK(y && log_y && tensor_gradients(y, g, 1, &x, 0, &dx) && tensor_gradients(log_y, g, 1, &x, 0, &log_dx));
  long n = tensor_numel(x), step = 1;
  for (int d = (int)dim + 1; d < ndim; d++) step *= shape[d];
  double *room = calloc((size_t)(4 * n) + 1, sizeof *room);
  for (long i = 0; i < n; i++)
    if (i / step % shape[dim] == 0)
      softmax(x->data + i, g->data + i, shape[dim], step, (double *[]){room + i, room + n + i, room + 2 * n + i, room + 3 * n + i});
  test_close(y, room, "softmax", text);
  test_close(log_y, room + n, "log_softmax", text);
  test_close(dx, room + 2 * n, "softmax's gradient", text);
  test_close(log_dx, room + 3 * n, "log_softmax's gradient", text);
  free(room);
  scope_leave(scope, NULL);
}

static void softmaxes_of_random_shapes(void) {
  for (int i = 0; i < 200; i++) {
    int ndim = (int)between(1, 4);
    long shape[4], dim = between(0, ndim - 1);
    for (int d = 0; d < ndim; d++) shape[d] = between(d != dim && i % 20 == 0 ? 0 : 1, 17);
    if (i % 4 == 0) shape[dim] = between(18, 300);
    check_softmax(ndim, shape, dim);
  }
}

int main(void) {
  random_seed(4);
  norms_of_random_shapes();
  softmaxes_of_random_shapes();
  return test_done();
}
