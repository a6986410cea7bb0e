/* Products of matrices against sums written out in double. */
#include "test.h"

#include <stdlib.h>

/* c (m,n) against a (m,k) times b (k,n), or b (n,k) when transposed; relative to the size of the terms. */
static double worst(const real *a, const real *b, const real *c, long m, long k, long n, bool transposed) {
  double most = 0;
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) {
      double sum = 0, size = 1e-30;
      for (long p = 0; p < k; p++) {
        double term = (double)a[i * k + p] * (double)(transposed ? b[j * k + p] : b[p * n + j]);
        sum += term, size += fabs(term);
      }
      double error = fabs((double)c[i * n + j] - sum) / size;
      if (!(error <= most)) most = error;
    }
  return most;
}

static void check(const char *what, double error, long m, long k, long n) {
  bool ok = error < (sizeof(real) == 4 ? 1e-6 : 1e-14);
  if (!ok) printf("%s (%ld,%ld)(%ld,%ld): error %.3g\n", what, m, k, k, n, error);
  CHECK(ok);
}

static void one(long m, long k, long n) {
  size_t scope = scope_enter();
  Tensor *a = tensor_randn(2, (long[]){m, k}), *b = tensor_randn(2, (long[]){k, n}), *w = tensor_randn(2, (long[]){n, k});
  Tensor *c = tensor_matmul(a, b), *y = tensor_linear(a, w, NULL), *d = tensor_linear_weight(b, tensor_transpose(a, 0, 1));
  CHECK(c && y && d);
  if (c && y && d) {
    check("matmul", worst(a->data, b->data, c->data, m, k, n, false), m, k, n);
    check("linear_weight", worst(a->data, b->data, d->data, m, k, n, false), m, k, n);
    check("linear", worst(a->data, w->data, y->data, m, k, n, true), m, k, n);
  }
  scope_leave(scope, NULL);
}

/* Products of many, and their gradients: g bT, and aT g, which is the transpose of gT a. */
static void many(long batch, long m, long k, long n, bool broadcast) {
  size_t scope = scope_enter();
  Tensor *a = tensor_randn(3, (long[]){broadcast ? 1 : batch, m, k}), *b = tensor_randn(3, (long[]){batch, k, n}), *d[2];
  tensor_set_requires_grad(a, true), tensor_set_requires_grad(b, true);
  Tensor *c = tensor_matmul(a, b), *g = tensor_randn(3, (long[]){batch, m, n});
  CHECK(c && tensor_numel(c) == batch * m * n && tensor_gradients(c, g, 2, (Tensor *[]){a, b}, 0, d));
  for (long i = 0; !nn_failed() && i < batch; i++) {
    const real *ai = a->data + (broadcast ? 0 : i * m * k), *bi = b->data + i * k * n, *gi = g->data + i * m * n;
    Tensor *turned = tensor_transpose(tensor_from(2, (long[]){m, k}, ai), 0, 1);
    check("batched", worst(ai, bi, c->data + i * m * n, m, k, n, false), m, k, n);
    if (!broadcast) check("batched, gradient of a", worst(gi, bi, d[0]->data + i * m * k, m, n, k, true), m, n, k);
    check("batched, gradient of b", worst(turned->data, gi, d[1]->data + i * k * n, k, m, n, false), k, m, n);
  }
  scope_leave(scope, NULL);
}

static long few(long most) {
  return (long)random_below((uint64_t)most + 1);
}

static void values(void) {
  for (int i = 0; i < 100; i++) one(1 + few(119), 1 + few(89), 1 + few(119));
  for (int i = 0; i < 100; i++) one(few(17), few(17), few(17));
  for (int i = 0; i < 150; i++) many(few(9), few(i % 5 ? 17 : 70), few(i % 4 ? 17 : 70), few(i % 3 ? 17 : 70), i % 2);
  one(1, 1, 1);
  one(1, 300, 200);  /* a vector from the left */
  one(200, 300, 1);  /* and from the right */
  one(33, 5000, 34); /* sums in parts */
  one(5, 5000, 3);
  one(300, 64, 256);              /* whole tiles */
  for (long i = 1; i <= 5; i++) { /* few rows, columns, and products in a sum, of more than a piece and with ends */
    one(i, 900, 1100);
    one(700, 333, i);
    one(600, i, 413);
    one(i, 9000, i);
  }
  many(2, 30, 20, 40, false);
  many(20, 17, 9, 33, false);
  many(20, 17, 9, 32, true);
  many(9, 100, 40, 3, false);
  for (long i = 1; i <= 3; i++) { /* one row of each, as when tokens are generated one by one */
    many(7, i, 200, 150, i == 3);
    many(7, i, 300, 150, false);
    many(5, 150, 40, i, i == 2);
  }
}

/* Root mean square of the error over that of the result, c (m,n) = a (m,k) times b (k,n). */
static double spread(const Tensor *a, const Tensor *b, const Tensor *c) {
  long m = a->shape[0], k = a->shape[1], n = b->shape[1];
  double error = 0, size = 0;
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) {
      double sum = 0;
      for (long p = 0; p < k; p++) sum += (double)a->data[i * k + p] * (double)b->data[p * n + j];
      error += pow((double)c->data[i * n + j] - sum, 2), size += sum * sum;
    }
  return sqrt(error / size);
}

/* Sums of any length are as exact as those of a few hundred products. */
static void long_sums(void) {
  const double most = sizeof(real) == 4 ? 4e-7 : 7.5e-16;
  static const long sides[][2] = {{30, 40}, {1, 600}, {2, 600}, {600, 1}};
  for (int i = 0; i < 4; i++)
    for (long k = 784; k <= 6272; k *= 2) {
      size_t scope = scope_enter();
      Tensor *a = tensor_randn(2, (long[]){sides[i][0], k}), *b = tensor_randn(2, (long[]){k, sides[i][1]});
      CHECK(spread(a, b, tensor_matmul(a, b)) < most);
      CHECK(spread(a, b, tensor_linear(a, tensor_transpose(b, 0, 1), NULL)) < most);
      CHECK(spread(a, b, tensor_linear_weight(b, tensor_transpose(a, 0, 1))) < most);
      scope_leave(scope, NULL);
    }
}

static void empty(void) {
  one(0, 3, 4);
  one(3, 4, 0);
  Tensor *c = tensor_matmul(tensor_zeros(2, (long[]){3, 0}), tensor_zeros(2, (long[]){0, 40}));
  CHECK(c && tensor_numel(c) == 120 && c->data[0] == 0 && c->data[119] == 0);
}

static void wrong_shapes_are_explained(void) {
  CHECK(!tensor_linear_weight(tensor_zeros(2, (long[]){5, 3}), tensor_zeros(2, (long[]){4, 2})));
  CHECK_ERROR("linear_weight(x, grad): x and grad must have the same shape but for the last dimension, got (5,3) and (4,2)");
}

/* m, k, n of products that are shared out in all ways that there are. */
static void threads_give_the_same_bits(void) {
  static const long sides[][3] = {{840, 90, 50}, {70, 90, 300}, {1, 900, 1500}, {2, 900, 1500}, {1500, 900, 1}, {900, 2, 700}};
  int threads = workers_count();
  for (int s = 0; s < 6; s++) {
    size_t scope = scope_enter();
    const long m = sides[s][0], k = sides[s][1], n = sides[s][2];
    Tensor *a = tensor_randn(3, (long[]){12, m, k}), *b = tensor_randn(3, (long[]){12, k, n}), *x = tensor_randn(2, (long[]){m, k}),
           *w = tensor_randn(2, (long[]){n, k}), *g = tensor_randn(2, (long[]){m, n}), *y[4][2];
    for (int i = 0; i < 2; i++) {
      workers_set(i ? 3 : 1);
      y[0][i] = tensor_matmul(a, b);
      y[1][i] = tensor_linear(x, w, NULL);
      y[2][i] = tensor_matmul(g, w);
      y[3][i] = tensor_linear_weight(x, g);
    }
    for (int i = 0; i < 4; i++)
      CHECK(y[i][0] && y[i][1] && !memcmp(y[i][0]->data, y[i][1]->data, (size_t)tensor_numel(y[i][0]) * sizeof(real)));
    scope_leave(scope, NULL);
  }
  workers_set(threads);
}

int main(void) {
  random_seed(2);
  values();
  long_sums();
  empty();
  wrong_shapes_are_explained();
  threads_give_the_same_bits();
  return test_done();
}
