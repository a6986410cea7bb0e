/* The loops of folds, inlined with a known step. */
#include "fold.h"
#include "math.h"

enum { LANES = 16, CHOICE_LANES = 64 }; /* partial results of a line: independent, so that they fit vectors */

typedef double Step(double so_far, double x, double about);
typedef double Join(double a, double b);

INLINE void fold_lanes(double *lane, int half, Join *join) {
  for (int k = 0; k < half; k++) lane[k] = join(lane[k], lane[k + half]);
}

INLINE double join_lanes(double *lane, Join *join) {
  fold_lanes(lane, 8, join);
  fold_lanes(lane, 4, join);
  fold_lanes(lane, 2, join);
  fold_lanes(lane, 1, join);
  return lane[0];
}

INLINE void add_lanes(double *lane, const real *x, double about, Step *step) {
  for (int k = 0; k < LANES; k++) lane[k] = step(lane[k], (double)x[k], about);
}

INLINE double line(const real *x, long n, double about, double start, Step *step, Join *join) {
  double lane[LANES];
  long i = 0;
  for (int k = 0; k < LANES; k++) lane[k] = start;
  for (; i + LANES <= n; i += LANES) add_lanes(lane, x + i, about, step);
  for (int k = 0; i + k < n; k++) lane[k] = step(lane[k], (double)x[i + k], about);
  return join_lanes(lane, join);
}

/* The same in four times as many lanes, for sums of steps that are quickly done. */
INLINE double quick_line(const real *x, long n, double about, Step *step, Join *join) {
  double one[LANES] = {0}, two[LANES] = {0}, three[LANES] = {0}, four[LANES] = {0};
  long i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    add_lanes(one, x + i, about, step);
    add_lanes(two, x + i + LANES, about, step);
    add_lanes(three, x + i + 2 * LANES, about, step);
    add_lanes(four, x + i + 3 * LANES, about, step);
  }
  for (; i + LANES <= n; i += LANES) add_lanes(one, x + i, about, step);
  for (int k = 0; i + k < n; k++) one[k] = step(one[k], (double)x[i + k], about);
  for (int k = 0; k < LANES; k++) one[k] = join(join(one[k], two[k]), join(three[k], four[k]));
  return join_lanes(one, join);
}

/* The inner choice is b when either is NaN; NaN stays once it is there. */
INLINE real larger_of(real a, real b) {
  const real choice = a > b ? a : b;
  return a != a ? a : choice;
}
INLINE real smaller_of(real a, real b) {
  const real choice = a < b ? a : b;
  return a != a ? a : choice;
}

/* Choices need no double. Compilers make vectors of them only when the lanes are in memory. */
INLINE double line_of_choices(const real *x, long n, real start, real (*choose)(real a, real b)) {
  real lane[CHOICE_LANES];
  long i = 0;
  for (int k = 0; k < CHOICE_LANES; k++) lane[k] = start;
  for (; i + CHOICE_LANES <= n; i += CHOICE_LANES)
    for (int k = 0; k < CHOICE_LANES; k++) lane[k] = choose(lane[k], x[i + k]);
  for (int k = 0; i + k < n; k++) lane[k] = choose(lane[k], x[i + k]);
  for (int half = CHOICE_LANES / 2; half; half /= 2)
    for (int k = 0; k < half; k++) lane[k] = choose(lane[k], lane[k + half]);
  return (double)lane[0];
}

INLINE void rows(double *restrict sum, const real *x, long n, long stride, long width, const double *about, Step *step) {
  for (long row = 0; row < n; row++, x += stride)
    for (long i = 0; i < width; i++) sum[i] = step(sum[i], (double)x[i], about[i]);
}

/* The same, eight at a time: for steps that are quickly done. */
INLINE void quick_rows(double *restrict sum, const real *x, long n, long stride, long width, const double *about, Step *step) {
  enum { TOGETHER = 8 };
  long row = 0;
  for (; row + TOGETHER <= n; row += TOGETHER, x += TOGETHER * stride)
    for (long i = 0; i < width; i++) {
      double so_far = sum[i];
      for (int k = 0; k < TOGETHER; k++) so_far = step(so_far, (double)x[i + k * stride], about[i]);
      sum[i] = so_far;
    }
  rows(sum, x, n - row, stride, width, about, step);
}

INLINE double add(double a, double b) {
  return a + b;
}
INLINE double multiply(double a, double b) {
  return a * b;
}

INLINE double larger(double a, double b) {
  const double choice = a > b ? a : b;
  return a != a ? a : choice;
}
INLINE double smaller(double a, double b) {
  const double choice = a < b ? a : b;
  return a != a ? a : choice;
}

INLINE double sum_step(double so_far, double x, double about) {
  (void)about;
  return so_far + x;
}
static KERNEL_OF(double, sum_line, (const real *x, long n, double about), (x, n, about)) {
  return quick_line(x, n, about, sum_step, add);
}
static KERNEL(sum_rows, (double *sum, const real *x, long n, long stride, long width, const double *about),
              (sum, x, n, stride, width, about)) {
  quick_rows(sum, x, n, stride, width, about, sum_step);
}
const Fold fold_sum = {0, sum_line, sum_rows, add};

INLINE double squares_step(double so_far, double x, double about) {
  (void)about;
  return so_far + x * x;
}
static KERNEL_OF(double, squares_line, (const real *x, long n, double about), (x, n, about)) {
  return quick_line(x, n, about, squares_step, add);
}
static KERNEL(squares_rows, (double *sum, const real *x, long n, long stride, long width, const double *about),
              (sum, x, n, stride, width, about)) {
  quick_rows(sum, x, n, stride, width, about, squares_step);
}
const Fold fold_squares = {0, squares_line, squares_rows, add};

INLINE double deviations_step(double so_far, double x, double mean) {
  return so_far + (x - mean) * (x - mean);
}
static KERNEL_OF(double, deviations_line, (const real *x, long n, double mean), (x, n, mean)) {
  return quick_line(x, n, mean, deviations_step, add);
}
static KERNEL(deviations_rows, (double *sum, const real *x, long n, long stride, long width, const double *mean),
              (sum, x, n, stride, width, mean)) {
  quick_rows(sum, x, n, stride, width, mean, deviations_step);
}
const Fold fold_deviations = {0, deviations_line, deviations_rows, add};

/* e^(x - largest) */
INLINE double exps_step(double so_far, double x, double largest) {
  return so_far + (double)exp_of((real)(x - largest));
}
static KERNEL_OF(double, exps_line, (const real *x, long n, double largest), (x, n, largest)) {
  return line(x, n, largest, 0, exps_step, add);
}
static KERNEL(exps_rows, (double *sum, const real *x, long n, long stride, long width, const double *largest),
              (sum, x, n, stride, width, largest)) {
  rows(sum, x, n, stride, width, largest, exps_step);
}
const Fold fold_exps = {0, exps_line, exps_rows, add};

INLINE double product_step(double so_far, double x, double about) {
  (void)about;
  return so_far * x;
}
static KERNEL_OF(double, product_line, (const real *x, long n, double about), (x, n, about)) {
  return line(x, n, about, 1, product_step, multiply);
}
static KERNEL(product_rows, (double *sum, const real *x, long n, long stride, long width, const double *about),
              (sum, x, n, stride, width, about)) {
  rows(sum, x, n, stride, width, about, product_step);
}
const Fold fold_product = {1, product_line, product_rows, multiply};

INLINE double largest_step(double so_far, double x, double about) {
  (void)about;
  return larger(so_far, x);
}
static KERNEL_OF(double, largest_line, (const real *x, long n, double about), (x, n, about)) {
  (void)about;
  return line_of_choices(x, n, -INFINITY, larger_of);
}
static KERNEL(largest_rows, (double *sum, const real *x, long n, long stride, long width, const double *about),
              (sum, x, n, stride, width, about)) {
  rows(sum, x, n, stride, width, about, largest_step);
}
const Fold fold_largest = {-INFINITY, largest_line, largest_rows, larger};

INLINE double smallest_step(double so_far, double x, double about) {
  (void)about;
  return smaller(so_far, x);
}
static KERNEL_OF(double, smallest_line, (const real *x, long n, double about), (x, n, about)) {
  (void)about;
  return line_of_choices(x, n, INFINITY, smaller_of);
}
static KERNEL(smallest_rows, (double *sum, const real *x, long n, long stride, long width, const double *about),
              (sum, x, n, stride, width, about)) {
  rows(sum, x, n, stride, width, about, smallest_step);
}
const Fold fold_smallest = {INFINITY, smallest_line, smallest_rows, smaller};
