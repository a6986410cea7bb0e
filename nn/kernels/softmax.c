/* Softmax: the largest element is taken off first, so that no power overflows; sums are kept in double. */
#include <tgmath.h>

#include "softmax.h"

static void find_largest(real *largest, const real *x, long count, long stride, long width) {
  for (long i = 0; i < width; i++) largest[i] = x[i];
  for (long row = 1; row < count; row++)
    for (long i = 0; i < width; i++) {
      real v = x[row * stride + i];
      largest[i] = v > largest[i] || v != v ? v : largest[i];
    }
}

void softmax_columns(real *y, const real *x, long count, long stride, long width) {
  real largest[SOFTMAX_WIDTH];
  double sum[SOFTMAX_WIDTH] = {0};
  find_largest(largest, x, count, stride, width);
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) {
      y[row * stride + i] = exp(x[row * stride + i] - largest[i]);
      sum[i] += (double)y[row * stride + i];
    }
  for (long i = 0; i < width; i++) sum[i] = 1 / sum[i];
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) y[row * stride + i] = (real)((double)y[row * stride + i] * sum[i]);
}

void log_softmax_columns(real *y, const real *x, long count, long stride, long width) {
  real largest[SOFTMAX_WIDTH];
  double sum[SOFTMAX_WIDTH] = {0};
  find_largest(largest, x, count, stride, width);
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) sum[i] += (double)exp(x[row * stride + i] - largest[i]);
  for (long i = 0; i < width; i++) sum[i] = (double)largest[i] + log(sum[i]);
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) y[row * stride + i] = (real)((double)x[row * stride + i] - sum[i]);
}

void softmax_slope(real *dx, const real *g, const real *y, long count, long stride, long width) {
  double sum[SOFTMAX_WIDTH] = {0};
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) sum[i] += (double)g[row * stride + i] * (double)y[row * stride + i];
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++)
      dx[row * stride + i] = (real)((double)y[row * stride + i] * ((double)g[row * stride + i] - sum[i]));
}

void log_softmax_slope(real *dx, const real *g, const real *y, long count, long stride, long width) {
  double sum[SOFTMAX_WIDTH] = {0};
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) sum[i] += (double)g[row * stride + i];
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++)
      dx[row * stride + i] = (real)((double)g[row * stride + i] - (double)exp(y[row * stride + i]) * sum[i]);
}
