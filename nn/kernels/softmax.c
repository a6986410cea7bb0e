/* Softmax: the largest element is taken off first, so that no power overflows; sums are kept in double. */
#include "softmax.h"
#include "fold.h"
#include "math.h"

/* ---- along neighbours ---- */

static KERNEL(log_softmax_line_slope, (real * dx, const real *g, const real *y, long n), (dx, g, y, n)) {
  const real sum = (real)fold_sum.line(g, n, 0);
  for (long i = 0; i < n; i++) dx[i] = g[i] - exp_of(y[i]) * sum;
}

/* ---- along elements that stand apart ---- */

static KERNEL(find_largest, (real * largest, const real *x, long count, long stride, long width),
              (largest, x, count, stride, width)) {
  for (long i = 0; i < width; i++) largest[i] = x[i];
  for (long row = 1; row < count; row++)
    for (long i = 0; i < width; i++) {
      real v = x[row * stride + i];
      largest[i] = v > largest[i] || v != v ? v : largest[i];
    }
}

KERNEL(softmax_columns, (real * y, const real *x, long count, long stride, long width), (y, x, count, stride, width)) {
  real largest[SOFTMAX_WIDTH];
  double sum[SOFTMAX_WIDTH] = {0};
  find_largest(largest, x, count, stride, width);
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) {
      y[row * stride + i] = exp_below(x[row * stride + i] - largest[i]);
      sum[i] += (double)y[row * stride + i];
    }
  for (long i = 0; i < width; i++) sum[i] = 1 / sum[i];
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) y[row * stride + i] = (real)((double)y[row * stride + i] * sum[i]);
}

KERNEL(log_softmax_columns, (real * y, const real *x, long count, long stride, long width), (y, x, count, stride, width)) {
  real largest[SOFTMAX_WIDTH];
  double sum[SOFTMAX_WIDTH] = {0};
  find_largest(largest, x, count, stride, width);
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) sum[i] += (double)exp_below(x[row * stride + i] - largest[i]);
  for (long i = 0; i < width; i++) sum[i] = (double)largest[i] + log(sum[i]);
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) y[row * stride + i] = (real)((double)x[row * stride + i] - sum[i]);
}

KERNEL(softmax_slope, (real * dx, const real *g, const real *y, long count, long stride, long width),
       (dx, g, y, count, stride, width)) {
  double sum[SOFTMAX_WIDTH] = {0};
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) sum[i] += (double)g[row * stride + i] * (double)y[row * stride + i];
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++)
      dx[row * stride + i] = (real)((double)y[row * stride + i] * ((double)g[row * stride + i] - sum[i]));
}

KERNEL(log_softmax_slope, (real * dx, const real *g, const real *y, long count, long stride, long width),
       (dx, g, y, count, stride, width)) {
  if (stride == 1) {
    log_softmax_line_slope(dx, g, y, count);
    return;
  }
  double sum[SOFTMAX_WIDTH] = {0};
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++) sum[i] += (double)g[row * stride + i];
  for (long row = 0; row < count; row++)
    for (long i = 0; i < width; i++)
      dx[row * stride + i] = (real)((double)g[row * stride + i] - (double)exp_of(y[row * stride + i]) * sum[i]);
}
