/* Pooling and upsampling against the definitions, pixel by pixel; what they refuse. */
#include "test.h"

#include <stdlib.h>

static const long kernels[][2] = {{1, 1}, {2, 2}, {3, 2}, {2, 5}, {4, 4}}, strides[][2] = {{1, 1}, {2, 2}, {3, 1}};

static double pixel(const Tensor *x, long n, long row, long column, long channel) {
  return (double)x->data[((n * x->shape[1] + row) * x->shape[2] + column) * x->shape[3] + channel];
}

/* The sum of a window, and its largest element. */
static double window(const Tensor *x, const long *place, const long *kernel, const long *stride, const long *padding,
                     double *largest) {
  double sum = 0;
  *largest = -1e30;
  for (long i = 0; i < kernel[0]; i++)
    for (long j = 0; j < kernel[1]; j++) {
      long row = place[1] * stride[0] - padding[0] + i, column = place[2] * stride[1] - padding[1] + j;
      if (row < 0 || column < 0 || row >= x->shape[1] || column >= x->shape[2]) continue;
      double value = pixel(x, place[0], row, column, place[3]);
      sum += value;
      if (value > *largest) *largest = value;
    }
  return sum;
}

static void pools(Tensor *x, const long *kernel, const long *stride, const long *padding) {
  Tensor *most = tensor_max_pool2d(x, kernel, stride, padding), *mean = tensor_avg_pool2d(x, kernel, stride, padding);
  CHECK(most && mean && tensor_same_shape(most, mean));
  if (!most || !mean) return;
  CHECK(most->shape[1] == (x->shape[1] + 2 * padding[0] - kernel[0]) / stride[0] + 1);
  double worst = 0;
  for (long i = 0; i < tensor_numel(most); i++) {
    long place[4], rest = i;
    for (int d = 3; d >= 0; d--) place[d] = rest % most->shape[d], rest /= most->shape[d];
    double largest, sum = window(x, place, kernel, stride, padding, &largest);
    worst = fmax(worst, fabs(largest - (double)most->data[i]));
    worst = fmax(worst, fabs(sum / (double)(kernel[0] * kernel[1]) - (double)mean->data[i]));
  }
  CHECK_NEAR(worst, 0, 1e-6);
}

static void pools_of_all_kinds(void) {
  Tensor *x = tensor_randn(4, (long[]){2, 7, 6, 3});
  for (int k = 0; k < 5; k++)
    for (int s = 0; s < 3; s++)
      for (long padding = 0; padding < 4; padding++)
        if (2 * (padding & 1) <= kernels[k][0] && 2 * (padding >> 1) <= kernels[k][1])
          pools(x, kernels[k], strides[s], (long[]){padding & 1, padding >> 1});
  Tensor *same = tensor_max_pool2d(x, (long[]){2, 3}, NULL, NULL);
  CHECK(same && same->shape[1] == 3 && same->shape[2] == 2);
}

/* What a pass without a graph gives, against one with it. Whole numbers: their sums are exact in any order. */
static void largest_goes_back(Tensor *x, const long *kernel, const long *stride, const long *padding) {
  Tensor *y = tensor_max_pool2d(x, kernel, stride, padding), *plain = NULL, *with_graph = NULL;
  Tensor *g = y ? tensor_randint(-9, 9, 4, y->shape) : NULL;
  CHECK(g && tensor_gradients(y, g, 1, &x, GRAD_RETAIN_GRAPH, &plain));
  CHECK(tensor_gradients(y, g, 1, &x, GRAD_CREATE_GRAPH, &with_graph));
  CHECK(plain && with_graph && !memcmp(plain->data, with_graph->data, (size_t)tensor_numel(x) * sizeof(real)));
}

static void gradients_of_all_kinds(void) {
  Tensor *x = tensor_randint(1, 5, 4, (long[]){2, 7, 6, 3});
  tensor_set_requires_grad(x, true);
  for (int k = 0; k < 5; k++)
    for (int s = 0; s < 3; s++)
      for (long padding = 0; padding < 4; padding++)
        if (2 * (padding & 1) <= kernels[k][0] && 2 * (padding >> 1) <= kernels[k][1])
          largest_goes_back(x, kernels[k], strides[s], (long[]){padding & 1, padding >> 1});
}

/* avg_pool2d's gradient: each pixel of a window gets its part. Adds to `to` what pixel i of g gives. */
static void spread(const Tensor *x, const Tensor *g, long i, const long *kernel, const long *stride, const long *padding,
                   double *to) {
  long place[4], rest = i;
  for (int d = 3; d >= 0; d--) place[d] = rest % g->shape[d], rest /= g->shape[d];
  for (long j = 0; j < kernel[0] * kernel[1]; j++) {
    long row = place[1] * stride[0] - padding[0] + j / kernel[1], column = place[2] * stride[1] - padding[1] + j % kernel[1];
    if (row < 0 || column < 0 || row >= x->shape[1] || column >= x->shape[2]) continue;
    to[((place[0] * x->shape[1] + row) * x->shape[2] + column) * x->shape[3] + place[3]] +=
        (double)g->data[i] / (double)(kernel[0] * kernel[1]);
  }
}

static void mean_goes_back(Tensor *x, const long *kernel, const long *stride, const long *padding) {
  Tensor *y = tensor_avg_pool2d(x, kernel, stride, padding), *d = NULL, *g = y ? tensor_randn(4, y->shape) : NULL;
  CHECK(g && tensor_gradients(y, g, 1, &x, 0, &d));
  double *want = calloc((size_t)tensor_numel(x) + 1, sizeof *want), worst = 0;
  for (long i = 0; g && i < tensor_numel(g); i++) spread(x, g, i, kernel, stride, padding, want);
  for (long i = 0; d && i < tensor_numel(x); i++) worst = fmax(worst, fabs(want[i] - (double)d->data[i]));
  CHECK_NEAR(worst, 0, 2e-6);
  free(want);
}

static long from_to(long low, long high) {
  return low + (long)random_below((uint64_t)(high - low + 1));
}

static void pools_of_random_shapes(void) {
  for (int i = 0; i < 200; i++) {
    size_t scope = scope_enter();
    long kernel[2], stride[2], padding[2], side[2], channels = i % 4 ? from_to(1, 17) : from_to(18, 70);
    for (int d = 0; d < 2; d++) {
      kernel[d] = from_to(1, 5), stride[d] = from_to(1, 4), padding[d] = from_to(0, kernel[d] / 2);
      long least = kernel[d] - 2 * padding[d];
      side[d] = from_to(least < 1 ? 1 : least, kernel[d] + 9);
    }
    Tensor *x = tensor_randint(-5, 5, 4, (long[]){from_to(0, 3), side[0], side[1], channels});
    pools(x, kernel, stride, padding);
    tensor_set_requires_grad(x, true);
    largest_goes_back(x, kernel, stride, padding);
    mean_goes_back(x, kernel, stride, padding);
    scope_leave(scope, NULL);
  }
}

/* The gradient goes to the first of equals; NaN is the largest; -infinity has a place too. */
static void largest_has_one_place(void) {
  const real values[] = {1, 1, 0, 2, (real)NAN, 2, -(real)INFINITY, -(real)INFINITY};
  Tensor *x = tensor_from(4, (long[]){1, 1, 8, 1}, values);
  tensor_set_requires_grad(x, true);
  Tensor *y = tensor_max_pool2d(x, (long[]){1, 2}, NULL, NULL);
  CHECK(y && y->data[0] == 1 && y->data[1] == 2 && y->data[2] != y->data[2] && y->data[3] == values[7]);
  CHECK(tensor_backward(y, tensor_ones(4, y->shape), 0, NULL, 0));
  const real want[] = {1, 0, 0, 1, 1, 0, 1, 0};
  CHECK(!memcmp(tensor_grad(x)->data, want, sizeof want));
}

static double between(const Tensor *x, double row, double column, long channel) {
  row = fmax(row, 0), column = fmax(column, 0);
  long low = (long)row, left = (long)column, high = low + 1 < x->shape[1] ? low + 1 : low;
  long right = left + 1 < x->shape[2] ? left + 1 : left;
  double v = row - (double)low, h = column - (double)left;
  return (1 - v) * ((1 - h) * pixel(x, 1, low, left, channel) + h * pixel(x, 1, low, right, channel)) +
         v * ((1 - h) * pixel(x, 1, high, left, channel) + h * pixel(x, 1, high, right, channel));
}

static void upsamples(void) {
  const long sizes[][2] = {{5, 4}, {10, 8}, {3, 9}, {1, 1}, {13, 2}};
  Tensor *x = tensor_randn(4, (long[]){2, 5, 4, 3});
  for (int s = 0; s < 5; s++) {
    long height = sizes[s][0], width = sizes[s][1];
    Tensor *near = tensor_upsample(x, height, width, UPSAMPLE_NEAREST),
           *mixed = tensor_upsample(x, height, width, UPSAMPLE_BILINEAR);
    double worst = 0;
    for (long i = 0; near && mixed && i < height * width * 3; i++) {
      long row = i / 3 / width, column = i / 3 % width, channel = i % 3;
      double y = ((double)row + 0.5) * 5 / (double)height - 0.5, z = ((double)column + 0.5) * 4 / (double)width - 0.5;
      worst = fmax(worst, fabs(pixel(near, 1, row, column, channel) - pixel(x, 1, row * 5 / height, column * 4 / width, channel)));
      worst = fmax(worst, fabs(pixel(mixed, 1, row, column, channel) - between(x, y, z, channel)));
    }
    CHECK(near && mixed);
    CHECK_NEAR(worst, 0, 1e-6);
  }
}

static void refuses(void) {
  Tensor *x = tensor_randn(4, (long[]){2, 7, 6, 3});
  const long one[] = {1, 1}, two[] = {2, 2}, none[] = {0, 0}, huge[] = {1L << 62, 1L << 62}, eight[] = {8, 2};
  CHECK(tensor_max_pool2d(tensor_zeros(2, two), two, two, none) == NULL);
  CHECK_ERROR("max_pool2d(x, kernel, stride, padding): x must be images (N,H,W,C), got (2,2)");
  CHECK(tensor_max_pool2d(x, two, none, none) == NULL);
  CHECK_ERROR("kernel and stride must be from 1 to 2147483647, got {2,2} and {0,0}");
  CHECK(tensor_avg_pool2d(x, huge, two, none) == NULL);
  CHECK_ERROR("kernel and stride must be from 1");
  CHECK(tensor_avg_pool2d(x, two, two, huge) == NULL);
  CHECK_ERROR("padding must be from 0 to half the kernel");
  CHECK(tensor_max_pool2d(x, one, one, one) == NULL);
  CHECK_ERROR("padding must be from 0 to half the kernel, got {1,1} for a kernel {1,1}");
  CHECK(tensor_avg_pool2d(x, eight, one, none) == NULL);
  CHECK_ERROR("a kernel {8,2} does not fit images of 7x6 with padding {0,0}");
  CHECK(tensor_max_pool2d(tensor_zeros(4, (long[]){1, 0, 2, 1}), two, two, one) == NULL);
  CHECK_ERROR("x must have a height and width from 1 to 2147483647, got (1,0,2,1)");
  CHECK(tensor_upsample(x, 0, 3, UPSAMPLE_NEAREST) == NULL);
  CHECK_ERROR("upsample(x, size, mode): size must be a height and width from 1 to 2147483647, got {0,3}");
  CHECK(tensor_upsample(x, 1L << 62, 3, UPSAMPLE_NEAREST) == NULL);
  CHECK_ERROR("size must be a height and width");
  CHECK(tensor_numel(tensor_max_pool2d(tensor_zeros(4, (long[]){0, 4, 4, 3}), two, two, none)) == 0);
  CHECK(tensor_numel(tensor_upsample(tensor_zeros(4, (long[]){2, 4, 4, 0}), 8, 8, UPSAMPLE_BILINEAR)) == 0);
}

int main(void) {
  random_seed(1);
  pools_of_all_kinds();
  gradients_of_all_kinds();
  pools_of_random_shapes();
  largest_has_one_place();
  upsamples();
  refuses();
  return test_done();
}
