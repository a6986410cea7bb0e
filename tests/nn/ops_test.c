/* Makers, elementwise ops, reductions and softmax: values, broadcasting, NaN, empty tensors, threads and errors. */
#include "test.h"

#include <stdlib.h>

#define SHAPE(...)                                                                                                                 \
  (int)(sizeof((long[]){__VA_ARGS__}) / sizeof(long)), (long[]) {                                                                  \
    __VA_ARGS__                                                                                                                    \
  }

static Tensor *row(int n, const double *values) {
  Tensor *t = tensor_zeros(1, (long[]){n});
  for (int i = 0; i < n && t; i++) t->data[i] = (real)values[i];
  return t;
}
#define ROW(...) row((int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})

static void check_values(const Tensor *t, const Tensor *want) {
  CHECK(t && want && tensor_numel(t) == tensor_numel(want));
  for (long i = 0; t && want && i < tensor_numel(want); i++) {
    if (isnan(want->data[i]))
      CHECK(isnan(t->data[i]));
    else
      CHECK_NEAR((double)t->data[i], (double)want->data[i], 1e-6 * fmax(1, fabs((double)want->data[i])));
  }
}

/* ---- broadcasting against the definition ---- */

static double element(const Tensor *t, int ndim, const long *place) {
  long at = 0;
  for (int i = 0; i < t->ndim; i++) {
    long here = place[ndim - t->ndim + i];
    at = at * t->shape[i] + (t->shape[i] == 1 ? 0 : here);
  }
  return (double)t->data[at];
}

static long next_place(int ndim, const long *shape, long *place) {
  for (int d = ndim - 1; d >= 0; d--) {
    if (++place[d] < shape[d]) return 1;
    place[d] = 0;
  }
  return 0;
}

static long differences(const Tensor *y, const Tensor *a, const Tensor *b, const Tensor *condition) {
  long place[NN_DIMS] = {0}, wrong = 0, i = 0;
  if (!tensor_numel(y)) return 0;
  do {
    double p = element(a, y->ndim, place), q = element(b, y->ndim, place);
    double want = !condition ? (double)(real)(p - q) : element(condition, y->ndim, place) != 0 ? p : q;
    wrong += (double)y->data[i++] != want;
  } while (next_place(y->ndim, y->shape, place));
  return wrong;
}

static void broadcasting_follows_its_definition(void) {
  random_seed(1);
  for (int round = 0; round < 400; round++) {
    size_t scope = scope_enter();
    long shape[3][NN_DIMS];
    int ndim[3], most = 1 + (int)random_below(5);
    const long extents[] = {1, 2, 3, 5, 17, 40};
    for (int d = 0; d < most; d++) {
      long extent = random_below(40) ? extents[random_below(6)] : 0;
      for (int k = 0; k < 3; k++) shape[k][d] = random_below(3) ? extent : 1;
    }
    Tensor *x[3];
    for (int k = 0; k < 3; k++) {
      ndim[k] = (int)random_below((uint64_t)most + 1);
      x[k] = tensor_randn(ndim[k], shape[k] + most - ndim[k]);
    }
    Tensor *condition = tensor_gt(x[2], tensor_scalar(0));
    Tensor *y = tensor_sub(x[0], x[1]), *z = tensor_where(condition, x[0], x[1]);
    CHECK(y && differences(y, x[0], x[1], NULL) == 0);
    CHECK(z && differences(z, x[0], x[1], condition) == 0);
    scope_leave(scope, NULL);
  }
}

static void shapes_that_do_not_broadcast_are_named(void) {
  CHECK(!tensor_add(tensor_zeros(SHAPE(2, 3)), tensor_zeros(SHAPE(4))));
  CHECK_ERROR("add(a, b): shapes (2,3) and (4) do not broadcast");
}

/* ---- NaN ---- */

static void nan_goes_through(void) {
  Tensor *x = ROW(NAN, 1, -1), *y = ROW(0, NAN, 0);
  check_values(tensor_maximum(x, y), ROW(NAN, NAN, 0));
  check_values(tensor_minimum(x, y), ROW(NAN, NAN, -1));
  check_values(tensor_relu(x), ROW(NAN, 1, 0));
  check_values(tensor_leaky_relu(x, 0.5), ROW(NAN, 1, -0.5));
  check_values(tensor_clamp(x, -0.5, 0.5), ROW(NAN, 0.5, -0.5));
  check_values(tensor_sigmoid(ROW(NAN, 0, INFINITY, -INFINITY)), ROW(NAN, 0.5, 1, 0));
  check_values(tensor_gelu(ROW(NAN, 0, 20, -20)), ROW(NAN, 0, 20, 0));
  CHECK(isnan(tensor_item(tensor_max(x, 0, NULL, false))));
  CHECK(isnan(tensor_item(tensor_min(ROW(3, NAN, 1), 0, NULL, false))));
  CHECK_NEAR(tensor_item(tensor_argmax(ROW(3, NAN, 7, NAN), 0, false)), 2, 0);
  CHECK_NEAR(tensor_item(tensor_argmin(ROW(3, -7, 2, -7), 0, false)), 2, 0);
}

static void largest_is_found_wherever_it_is(void) {
  for (long n = 1; n < 200; n += 7)
    for (long at = 0; at < n; at += 3) {
      size_t scope = scope_enter();
      Tensor *x = tensor_full(-1, 1, &n);
      x->data[at] = 5;
      CHECK_NEAR(tensor_item(tensor_max(x, 0, NULL, false)), 5, 0);
      CHECK_NEAR(tensor_item(tensor_min(tensor_neg(x), 0, NULL, false)), -5, 0);
      CHECK_NEAR(tensor_item(tensor_argmax(x, 0, false)), (double)at + 1, 0);
      x->data[at] = NAN;
      CHECK(isnan(tensor_item(tensor_max(x, 0, NULL, false))));
      scope_leave(scope, NULL);
    }
}

/* ---- reductions against the definition ---- */

typedef struct Moments {
  double sum, squares, largest, product, count;
} Moments;

/* Of the elements that belong to one result: those whose place agrees with `at` in the dimensions that stay. */
static Moments moments(const Tensor *x, const bool *folded, const long *at) {
  Moments m = {0, 0, -INFINITY, 1, 0};
  long place[NN_DIMS] = {0}, i = 0;
  do {
    double value = (double)x->data[i++];
    bool belongs = true;
    for (int d = 0; d < x->ndim; d++) belongs = belongs && (folded[d] || place[d] == at[d]);
    if (!belongs) continue;
    m.sum += value, m.squares += value * value, m.product *= value, m.count++;
    if (value > m.largest) m.largest = value;
  } while (next_place(x->ndim, x->shape, place));
  return m;
}

static void check_reductions(Tensor *x, int count, const long *dims) {
  size_t scope = scope_enter();
  bool folded[NN_DIMS] = {false};
  long at[NN_DIMS] = {0}, i = 0;
  for (int d = 0; d < x->ndim; d++) folded[d] = !count;
  for (int k = 0; k < count; k++) folded[dims[k]] = true;
  Tensor *sum = tensor_sum(x, count, dims, true), *mean = tensor_mean(x, count, dims, false),
         *max = tensor_max(x, count, dims, false);
  Tensor *var = tensor_var(x, count, dims, false, false), *norm = tensor_norm(x, count, dims, false);
  Tensor *logsumexp = tensor_logsumexp(tensor_log(tensor_square(x)), count, dims, false),
         *product = tensor_prod(x, count, dims, false);
  CHECK(sum && mean && max && var && norm && logsumexp && product);
  do {
    Moments m = moments(x, folded, at);
    double average = m.sum / m.count;
    CHECK_NEAR((double)sum->data[i], m.sum, 2e-6 * m.count);
    CHECK_NEAR((double)mean->data[i], average, 2e-6);
    CHECK_NEAR((double)max->data[i], m.largest, 0);
    CHECK_NEAR((double)var->data[i], m.squares / m.count - average * average, 1e-5);
    CHECK_NEAR((double)norm->data[i], sqrt(m.squares), 1e-6 * m.count);
    CHECK_NEAR((double)logsumexp->data[i], log(m.squares), 2e-6 * fmax(1, fabs(log(m.squares))));
    CHECK_NEAR((double)product->data[i], m.product, 1e-5 * fmax(1, fabs(m.product)));
    i++;
  } while (next_place(x->ndim, sum->shape, at));
  scope_leave(scope, NULL);
}

static void reductions_follow_their_definition(void) {
  random_seed(2);
  Tensor *small = tensor_rand(SHAPE(3, 4, 2, 5));
  for (long subset = 0; subset < 16; subset++) {
    long dims[4];
    int count = 0;
    for (long d = 0; d < 4; d++)
      if (subset >> d & 1) dims[count++] = d;
    check_reductions(small, count, dims);
  }
  check_reductions(tensor_rand(SHAPE(40000)), 0, NULL);
  check_reductions(tensor_rand(SHAPE(9000, 3)), 1, (long[]){0});
  check_reductions(tensor_rand(SHAPE(2, 700, 40)), 1, (long[]){1});
  check_reductions(tensor_rand(SHAPE(300, 200)), 1, (long[]){0});
  check_reductions(tensor_rand(SHAPE(7, 70)), 1, (long[]){1});
}

static void long_sums_keep_their_precision(void) {
  Tensor *x = tensor_full(0.1, SHAPE(4000000));
  CHECK_NEAR(tensor_item(tensor_sum(x, 0, NULL, false)), 4e6 * (double)(real)0.1, 0.02);
  Tensor *far = tensor_shift(tensor_randn(SHAPE(100000)), 10000);
  CHECK_NEAR(tensor_item(tensor_var(far, 0, NULL, false, true)), 1, 0.02);
}

static void empty_tensors_reduce(void) {
  Tensor *none = tensor_zeros(SHAPE(0, 3));
  CHECK_NEAR(tensor_item(tensor_sum(none, 0, NULL, false)), 0, 0);
  CHECK_NEAR(tensor_item(tensor_prod(none, 0, NULL, false)), 1, 0);
  CHECK_NEAR(tensor_item(tensor_norm(none, 0, NULL, false)), 0, 0);
  CHECK(isnan(tensor_item(tensor_mean(none, 0, NULL, false))));
  CHECK(isnan(tensor_item(tensor_var(tensor_ones(SHAPE(1)), 0, NULL, false, true))));
  CHECK(tensor_item(tensor_logsumexp(none, 0, NULL, false)) == -INFINITY);
  check_values(tensor_sum(none, 1, (long[]){0}, false), ROW(0, 0, 0));
  CHECK(tensor_numel(tensor_softmax(none, -1)) == 0);
  CHECK(tensor_numel(tensor_max(none, 1, (long[]){1}, false)) == 0);
  CHECK(!tensor_max(none, 0, NULL, false));
  CHECK_ERROR("max(x, dims, keepdim): there is no max of no elements, got (0,3)");
  CHECK(!tensor_argmin(none, 0, false));
  CHECK_ERROR("argmin(x, dim, keepdim): there is no argmin of no elements, got (0,3)");
}

static void wrong_dimensions_are_named(void) {
  Tensor *x = tensor_zeros(SHAPE(2, 3));
  CHECK(!tensor_sum(x, 1, (long[]){2}, false));
  CHECK_ERROR("sum(x, dims, keepdim): dimension 3 of a tensor with 2 dimensions");
  CHECK(!tensor_mean(x, 2, (long[]){1, -1}, false));
  CHECK_ERROR("dimension 2 given twice");
  CHECK(!tensor_softmax(x, 5));
  CHECK_ERROR("softmax");
  CHECK(!tensor_sum_to(x, SHAPE(4)));
  CHECK_ERROR("sum_to(x, shape): x must be what shape broadcasts to, got (2,3) and (4)");
}

/* ---- gradients where formulas have holes ---- */

static Tensor *gradient(Tensor *y, Tensor *x) {
  Tensor *grad = NULL;
  tensor_gradients(tensor_sum(y, 0, NULL, false), NULL, 1, &x, 0, &grad);
  return grad;
}

static Tensor *leaf(Tensor *x) {
  tensor_set_requires_grad(x, true);
  return x;
}

static void gradients_are_finite_at_corners(void) {
  Tensor *zero = leaf(ROW(0, 0));
  check_values(gradient(tensor_norm(zero, 0, NULL, false), zero), ROW(0, 0));
  check_values(gradient(tensor_std(zero, 0, NULL, false, true), zero), ROW(0, 0));
  check_values(gradient(tensor_pow(zero, tensor_scalar(2)), zero), ROW(0, 0));
  check_values(gradient(tensor_pow(zero, tensor_scalar(0)), zero), ROW(0, 0));
  Tensor *ties = leaf(ROW(1, 3, 3, 2));
  check_values(gradient(tensor_max(ties, 0, NULL, false), ties), ROW(0, 0.5, 0.5, 0));
  check_values(gradient(tensor_maximum(ties, tensor_scalar(3)), ties), ROW(0, 0.5, 0.5, 0));
  Tensor *one_zero = leaf(ROW(2, 0, 5)), *two_zeros = leaf(ROW(0, 0, 5));
  check_values(gradient(tensor_prod(one_zero, 0, NULL, false), one_zero), ROW(0, 10, 0));
  check_values(gradient(tensor_prod(two_zeros, 0, NULL, false), two_zeros), ROW(0, 0, 0));
  Tensor *edges = leaf(ROW(-2, -1, 0, 1, 2));
  check_values(gradient(tensor_clamp(edges, -1, 1), edges), ROW(0, 1, 1, 1, 0));
  check_values(gradient(tensor_relu(edges), edges), ROW(0, 0, 0, 1, 1));
}

static void constants_take_no_part_in_graphs(void) {
  Tensor *x = leaf(ROW(1, 0, 2)), *a = leaf(ROW(4, 5, 6)), *condition = tensor_scale(x, 2);
  CHECK(!tensor_requires_grad(tensor_where(condition, ROW(1, 2, 3), tensor_scalar(0))));
  Tensor *chosen = tensor_where(condition, a, tensor_scalar(0));
  check_values(gradient(condition, x), ROW(2, 2, 2)); /* frees the graph of the condition */
  check_values(gradient(chosen, a), ROW(1, 0, 1));
}

/* ---- softmax ---- */

static void softmax_does_not_overflow(void) {
  check_values(tensor_softmax(ROW(1000, 1000, -INFINITY), 0), ROW(0.5, 0.5, 0));
  check_values(tensor_log_softmax(ROW(1000, 1000, 0), 0), ROW(-log(2), -log(2), -1000 - log(2)));
  CHECK_NEAR(tensor_item(tensor_logsumexp(ROW(-1000, -1000), 0, NULL, false)), -1000 + log(2), 1e-4);
  Tensor *x = tensor_randn(SHAPE(3, 70, 90));
  for (long dim = 0; dim < 3; dim++) {
    Tensor *total = tensor_sum(tensor_softmax(x, dim), 1, &dim, false);
    Tensor *same = tensor_sub(tensor_log(tensor_softmax(x, dim)), tensor_log_softmax(x, dim));
    CHECK_NEAR(tensor_item(tensor_max(total, 0, NULL, false)), 1, 1e-6);
    CHECK_NEAR(tensor_item(tensor_min(total, 0, NULL, false)), 1, 1e-6);
    CHECK_NEAR(tensor_item(tensor_max(tensor_abs(same), 0, NULL, false)), 0, 3e-6);
  }
}

/* ---- threads ---- */

static Tensor *everything(Tensor *x) {
  const long first[] = {0, 1};
  Tensor *parts[] = {tensor_sum(x, 0, NULL, false), tensor_sum(tensor_sum(x, 2, first, false), 0, NULL, false),
                     tensor_norm(tensor_softmax(x, 1), 0, NULL, false), tensor_std(tensor_tanh(x), 0, NULL, false, true),
                     tensor_logsumexp(tensor_add(x, tensor_mean(x, 2, first, false)), 0, NULL, false)};
  Tensor *all = tensor_zeros(SHAPE(5));
  for (int i = 0; i < 5; i++) all->data[i] = parts[i] ? parts[i]->data[0] : NAN;
  return all;
}

static void bits_do_not_depend_on_threads(void) {
  random_seed(3);
  Tensor *x = tensor_randn(SHAPE(50, 333, 24)), *result[3];
  for (int threads = 1; threads <= 3; threads++) {
    workers_set(threads);
    result[threads - 1] = everything(x);
  }
  CHECK(!isnan(result[0]->data[4]));
  CHECK(!memcmp(result[0]->data, result[1]->data, 5 * sizeof(real)));
  CHECK(!memcmp(result[0]->data, result[2]->data, 5 * sizeof(real)));
}

/* ---- makers ---- */

static void makers_make(void) {
  check_values(tensor_arange(1, 5, 1), ROW(1, 2, 3, 4, 5));
  check_values(tensor_arange(0, 0.3, 0.1), ROW(0, 0.1, 0.2, 0.3));
  check_values(tensor_arange(1, 0, -0.25), ROW(1, 0.75, 0.5, 0.25, 0));
  CHECK(tensor_numel(tensor_arange(1, 0, 1)) == 0);
  check_values(tensor_linspace(-1, 1, 5), ROW(-1, -0.5, 0, 0.5, 1));
  check_values(tensor_eye(2), ROW(1, 0, 0, 1));
  check_values(tensor_full(2.5, SHAPE(2)), ROW(2.5, 2.5));
  Tensor *dice = tensor_randint(1, 6, SHAPE(6000));
  for (long face = 1; face <= 6; face++) {
    Tensor *hits = tensor_sum(tensor_eq(dice, tensor_scalar((double)face)), 0, NULL, false);
    CHECK_NEAR(tensor_item(hits), 1000, 150);
  }
  CHECK_NEAR(tensor_item(tensor_sum(tensor_randperm(1000), 0, NULL, false)), 500500, 0);
  CHECK_NEAR(tensor_item(tensor_mean(tensor_bernoulli(0.25, SHAPE(10000)), 0, NULL, false)), 0.25, 0.02);
}

static void makers_refuse(void) {
  CHECK(!tensor_arange(1, 5, 0));
  CHECK_ERROR("arange(from, to, step): step must be finite and not 0, got from 1 to 5 by 0");
  CHECK(!tensor_zeros(SHAPE(2, -1)));
  CHECK_ERROR("zeros(shape): a dimension cannot be negative, got (2,-1)");
  CHECK(!tensor_bernoulli(1.5, SHAPE(2)));
  CHECK_ERROR("bernoulli(p, shape): p is a probability from 0 to 1, got 1.5");
  CHECK(!tensor_randint(6, 1, SHAPE(2)));
  CHECK_ERROR("randint(low, high, shape): low must not be above high, got 6 and 1");
  CHECK(!tensor_eye(-1));
  CHECK_ERROR("eye(n): n must be a whole number from 0");
  CHECK(!tensor_clamp(tensor_ones(SHAPE(2)), 1, -1));
  CHECK_ERROR("clamp(x, min, max): min must not be above max, got 1 and -1");
  CHECK(!tensor_leaky_relu(tensor_ones(SHAPE(2)), -1));
  CHECK_ERROR("leaky_relu(x, negative_slope): negative_slope must be 0 or more, got -1");
  if (sizeof(real) > sizeof(float)) return;
  CHECK(!tensor_randint(0, 1L << 25, SHAPE(2)));
  CHECK_ERROR("randint(low, high, shape): high must be a whole number within 16777216, got 3.35544e+07");
  CHECK(!tensor_arange(1 << 24, (1 << 24) + 4, 1));
  CHECK_ERROR("whole numbers are exact up to 16777216");
}

int main(void) {
  size_t scope = scope_enter();
  broadcasting_follows_its_definition();
  shapes_that_do_not_broadcast_are_named();
  nan_goes_through();
  largest_is_found_wherever_it_is();
  reductions_follow_their_definition();
  long_sums_keep_their_precision();
  empty_tensors_reduce();
  wrong_dimensions_are_named();
  gradients_are_finite_at_corners();
  constants_take_no_part_in_graphs();
  softmax_does_not_overflow();
  bits_do_not_depend_on_threads();
  makers_make();
  makers_refuse();
  scope_leave(scope, NULL);
  return test_done();
}
