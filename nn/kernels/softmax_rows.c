/* Softmax along neighbours. A few rows are taken through each step together, so that no step waits for the one before; what is
 * left of a row behind its last whole block of lanes is a block of its own, in which other lanes change nothing. */
#include "power.h"
#include "softmax.h"

enum { LANES = 16, ROWS = 16, AT_ONCE = 4096 }; /* rows and elements of a group, at most */

typedef struct Group {
  const real *x;
  real *y;
  long rows, n;
  real largest[ROWS];
  double sum[ROWS];
} Group;

#ifdef NN_DOUBLE

INLINE real largest_of(const real *x, long n) {
  real most = -INFINITY;
  for (long i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
  return most;
}

#else

/* Bits of floats as whole numbers in the same order, and back: those of negative ones are turned round. */
INLINE int32_t in_order(int32_t bits) {
  return bits ^ (bits >> 31 & 0x7fffffff);
}

/* Compilers keep the largest whole number in registers, which they do not with floats. Where NaN is overlooked it comes back in
 * the powers. */
INLINE real largest_of(const real *x, long n) {
  int32_t most = INT32_MIN;
  for (long i = 0; i < n; i++) {
    const int32_t rank = in_order((int32_t)bits_of(x[i]));
    most = rank > most ? rank : most;
  }
  return from_bits((uint32_t)in_order(most));
}

#endif

/* e^x for x <= 0. In a sum with 1 those below FLT_MIN count for nothing. */
INLINE real exp_beside_1(real x) {
#ifdef NN_DOUBLE
  return exp(x);
#else
  const real y = exp_scaled(x, WHOLE_TO(0));
  return x < -87 ? 0 : y;
#endif
}

INLINE double sum_of_lanes(double *lane) {
  for (int k = 0; k < 8; k++) lane[k] += lane[k + 8];
  for (int k = 0; k < 4; k++) lane[k] += lane[k + 4];
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* The sum of e^(x - largest), which are left in y if they are to be kept. */
INLINE double sum_of_powers(const real *x, long n, real largest, bool keep, real *restrict y) {
  double lane[LANES] = {0};
  long i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) {
      const real below = x[i + k] - largest, power = keep ? exp_below(below) : exp_beside_1(below);
      if (keep) y[i + k] = power;
      lane[k] += (double)power;
    }
  const int rest = (int)(n - i);
  if (rest)
    for (int k = 0; k < LANES; k++) {
      const real below = (k < rest ? x[i + k] : -INFINITY) - largest, power = keep ? exp_below(below) : exp_beside_1(below);
      if (keep && k < rest) y[i + k] = power;
      lane[k] += (double)power;
    }
  return sum_of_lanes(lane);
}

INLINE void see_powers(Group *g, bool keep) {
  for (long row = 0; row < g->rows; row++) g->largest[row] = largest_of(g->x + row * g->n, g->n);
  for (long row = 0; row < g->rows; row++)
    g->sum[row] = sum_of_powers(g->x + row * g->n, g->n, g->largest[row], keep, g->y + row * g->n);
}

INLINE void share_out(Group *g) {
  see_powers(g, true);
  for (long row = 0; row < g->rows; row++) {
    const real share = (real)(1 / g->sum[row]);
    real *y = g->y + row * g->n;
    for (long i = 0; i < g->n; i++) y[i] *= share;
  }
}

INLINE double log_of_sum(double sum) {
#ifdef NN_DOUBLE
  return log(sum);
#else
  return log2_of(sum) * 0.69314718055994531;
#endif
}

INLINE void take_logs(Group *g) {
  see_powers(g, false);
  for (int row = 0; row < ROWS; row++) g->sum[row] = (double)g->largest[row] + log_of_sum(g->sum[row]);
  for (long row = 0; row < g->rows; row++) {
    const real *x = g->x + row * g->n;
    real *restrict y = g->y + row * g->n;
    for (long i = 0; i < g->n; i++) y[i] = (real)((double)x[i] - g->sum[row]);
  }
}

INLINE void run(real *y, const real *x, long rows, long n, void (*step)(Group *g)) {
  const long together = n > AT_ONCE / ROWS ? AT_ONCE / n + 1 : ROWS;
  for (long row = 0; row < rows; row += together) {
    Group g = {.x = x + row * n, .y = y + row * n, .rows = rows - row < together ? rows - row : together, .n = n};
    for (int i = 0; i < ROWS; i++) g.largest[i] = 0, g.sum[i] = 1;
    step(&g);
  }
}

KERNEL(softmax_rows, (real * y, const real *x, long rows, long n), (y, x, rows, n)) {
  run(y, x, rows, n, share_out);
}

KERNEL(log_softmax_rows, (real * y, const real *x, long rows, long n), (y, x, rows, n)) {
  run(y, x, rows, n, take_logs);
}

/* ---- gradients ---- */

INLINE double sum_of_products(const real *g, const real *y, long n) {
  double lane[LANES] = {0};
  long i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) lane[k] += (double)(g[i + k] * y[i + k]);
  const int rest = (int)(n - i);
  if (rest)
    for (int k = 0; k < LANES; k++) lane[k] += (double)(k < rest ? g[i + k] * y[i + k] : 0);
  return sum_of_lanes(lane);
}

KERNEL(softmax_rows_slope, (real *restrict dx, const real *g, const real *y, long rows, long n), (dx, g, y, rows, n)) {
  for (long row = 0; row < rows; row++, g += n, y += n, dx += n) {
    const real sum = (real)sum_of_products(g, y, n);
    for (long i = 0; i < n; i++) dx[i] = y[i] * (g[i] - sum);
  }
}
