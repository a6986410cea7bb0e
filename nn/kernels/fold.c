/* The loops of folds, inlined with a known step. */
#include <math.h>

#include "fold.h"

enum { LANES = 16 }; /* partial results of a line: independent, so that they fit vectors */

typedef double Step(double so_far, double x, double about);
typedef double Join(double a, double b);

#define INLINE static inline __attribute__((always_inline))

INLINE double line(const real *x, long n, double about, double start, Step *step, Join *join) {
  double lane[LANES];
  long i = 0;
  for (int k = 0; k < LANES; k++) lane[k] = start;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) lane[k] = step(lane[k], (double)x[i + k], about);
  for (int k = 0; i + k < n; k++) lane[k] = step(lane[k], (double)x[i + k], about);
  for (int half = LANES / 2; half; half /= 2)
    for (int k = 0; k < half; k++) lane[k] = join(lane[k], lane[k + half]);
  return lane[0];
}

INLINE void rows(double *restrict sum, const real *x, long n, long stride, long width, const double *about, Step *step) {
  for (long row = 0; row < n; row++, x += stride)
    for (long i = 0; i < width; i++) sum[i] = step(sum[i], (double)x[i], about[i]);
}

static inline double add(double a, double b) {
  return a + b;
}
static inline double multiply(double a, double b) {
  return a * b;
}
static inline double larger(double a, double b) {
  return b > a || b != b ? b : a;
}
static inline double smaller(double a, double b) {
  return b < a || b != b ? b : a;
}

static inline double sum_step(double so_far, double x, double about) {
  (void)about;
  return so_far + x;
}
static double sum_line(const real *x, long n, double about) {
  return line(x, n, about, 0, sum_step, add);
}
static void sum_rows(double *sum, const real *x, long n, long stride, long width, const double *about) {
  rows(sum, x, n, stride, width, about, sum_step);
}
const Fold fold_sum = {0, sum_line, sum_rows, add};

static inline double squares_step(double so_far, double x, double about) {
  (void)about;
  return so_far + x * x;
}
static double squares_line(const real *x, long n, double about) {
  return line(x, n, about, 0, squares_step, add);
}
static void squares_rows(double *sum, const real *x, long n, long stride, long width, const double *about) {
  rows(sum, x, n, stride, width, about, squares_step);
}
const Fold fold_squares = {0, squares_line, squares_rows, add};

static inline double deviations_step(double so_far, double x, double mean) {
  return so_far + (x - mean) * (x - mean);
}
static double deviations_line(const real *x, long n, double mean) {
  return line(x, n, mean, 0, deviations_step, add);
}
static void deviations_rows(double *sum, const real *x, long n, long stride, long width, const double *mean) {
  rows(sum, x, n, stride, width, mean, deviations_step);
}
const Fold fold_deviations = {0, deviations_line, deviations_rows, add};

/* e^(x - largest) */
static inline double exps_step(double so_far, double x, double largest) {
  return so_far + exp(x - largest);
}
static double exps_line(const real *x, long n, double largest) {
  return line(x, n, largest, 0, exps_step, add);
}
static void exps_rows(double *sum, const real *x, long n, long stride, long width, const double *largest) {
  rows(sum, x, n, stride, width, largest, exps_step);
}
const Fold fold_exps = {0, exps_line, exps_rows, add};

static inline double product_step(double so_far, double x, double about) {
  (void)about;
  return so_far * x;
}
static double product_line(const real *x, long n, double about) {
  return line(x, n, about, 1, product_step, multiply);
}
static void product_rows(double *sum, const real *x, long n, long stride, long width, const double *about) {
  rows(sum, x, n, stride, width, about, product_step);
}
const Fold fold_product = {1, product_line, product_rows, multiply};

static inline double largest_step(double so_far, double x, double about) {
  (void)about;
  return larger(so_far, x);
}
static double largest_line(const real *x, long n, double about) {
  return line(x, n, about, -INFINITY, largest_step, larger);
}
static void largest_rows(double *sum, const real *x, long n, long stride, long width, const double *about) {
  rows(sum, x, n, stride, width, about, largest_step);
}
const Fold fold_largest = {-INFINITY, largest_line, largest_rows, larger};

static inline double smallest_step(double so_far, double x, double about) {
  (void)about;
  return smaller(so_far, x);
}
static double smallest_line(const real *x, long n, double about) {
  return line(x, n, about, INFINITY, smallest_step, smaller);
}
static void smallest_rows(double *sum, const real *x, long n, long stride, long width, const double *about) {
  rows(sum, x, n, stride, width, about, smallest_step);
}
const Fold fold_smallest = {INFINITY, smallest_line, smallest_rows, smaller};
