/* Normalisation against its definition in double, its running statistics, and dropout. */
#include "test.h"

enum { R = 1003, C = 70 };

static double mean_of(const real *x, long n, long step) {
  double sum = 0;
  for (long i = 0; i < n; i++) sum += (double)x[i * step];
  return sum / (double)n;
}

static double var_of(const real *x, long n, long step) {
  double mean = mean_of(x, n, step), sum = 0;
  for (long i = 0; i < n; i++) sum += ((double)x[i * step] - mean) * ((double)x[i * step] - mean);
  return sum / (double)n;
}

static Tensor *random_vector(long n) {
  return tensor_shift(tensor_rand(1, &n), 0.5);
}

/* Channels far from 0, each with its own mean and spread. */
static Tensor *channels(void) {
  Tensor *spread = random_vector(C), *mean = tensor_scale(tensor_randn(1, (long[]){C}), 30);
  return tensor_add(tensor_mul(tensor_randn(3, (long[]){17, R / 17, C}), spread), mean);
}

static double largest_difference(const Tensor *a, const Tensor *b) {
  double worst = 0;
  for (long i = 0; i < tensor_numel(a); i++) worst = fmax(worst, fabs((double)a->data[i] - (double)b->data[i]));
  return worst;
}

static void batch_norm_follows_its_definition(void) {
  Tensor *x = channels(), *weight = random_vector(C), *bias = random_vector(C);
  Tensor *running_mean = tensor_ones(1, (long[]){C}), *running_var = tensor_ones(1, (long[]){C}), *want = tensor_zeros(3, x->shape);
  unsigned version = tensor_version(running_mean);
  Tensor *y = tensor_batch_norm(x, weight, bias, running_mean, running_var, true, 0.1, 1e-5);
  CHECK(y && tensor_same_shape(x, y));
  long rows = tensor_numel(x) / C;
  double worst = 0;
  for (long c = 0; c < C; c++) {
    double mean = mean_of(x->data + c, rows, C), var = var_of(x->data + c, rows, C);
    for (long i = c; i < rows * C; i += C)
      want->data[i] = (real)(((double)x->data[i] - mean) / sqrt(var + 1e-5) * (double)weight->data[c] + (double)bias->data[c]);
    worst = fmax(worst, fabs((double)running_mean->data[c] - (0.9 + 0.1 * mean)));
    worst = fmax(worst, fabs((double)running_var->data[c] - (0.9 + 0.1 * var * (double)rows / (double)(rows - 1))));
  }
  CHECK_NEAR(worst, 0, 1e-5);
  CHECK_NEAR(largest_difference(y, want), 0, 3e-5);
  CHECK(tensor_version(running_mean) != version);
  Tensor *fixed = tensor_batch_norm(x, NULL, NULL, tensor_zeros(1, (long[]){C}), tensor_ones(1, (long[]){C}), false, 0.1, 0);
  CHECK(!memcmp(fixed->data, x->data, (size_t)(rows * C) * sizeof(real)));
}

static void layer_norm_follows_its_definition(void) {
  Tensor *x = channels(), *weight = random_vector(C), *bias = random_vector(C), *y = tensor_layer_norm(x, weight, bias, 1e-5);
  CHECK(y != NULL);
  double worst = 0;
  for (long at = 0; y && at < tensor_numel(x); at += 7 * C) { /* every seventh row */
    double mean = mean_of(x->data + at, C, 1), rstd = 1 / sqrt(var_of(x->data + at, C, 1) + 1e-5);
    for (long c = 0; c < C; c++) {
      double want = ((double)x->data[at + c] - mean) * rstd * (double)weight->data[c] + (double)bias->data[c];
      worst = fmax(worst, fabs(want - (double)y->data[at + c]));
    }
  }
  CHECK_NEAR(worst, 0, 1e-5);
}

static Tensor *norm(Tensor *x, Tensor *weight, Tensor *bias, bool layer) {
  return layer ? tensor_layer_norm(x, weight, bias, 1e-5) : tensor_batch_norm(x, weight, bias, NULL, NULL, true, 0.1, 1e-5);
}

/* Gradients without a graph, with one, and on three threads are the same; the last to the bit. */
static void gradients_agree(bool layer) {
  Tensor *in[] = {channels(), random_vector(C), random_vector(C)}, *plain[3], *graph[3], *threads[3];
  Tensor *seed = tensor_randn(3, in[0]->shape);
  for (int i = 0; i < 3; i++) tensor_set_requires_grad(in[i], true);
  int were = workers_count();
  workers_set(1);
  CHECK(tensor_gradients(norm(in[0], in[1], in[2], layer), seed, 3, in, 0, plain));
  CHECK(tensor_gradients(norm(in[0], in[1], in[2], layer), seed, 3, in, GRAD_CREATE_GRAPH, graph));
  workers_set(3);
  CHECK(tensor_gradients(norm(in[0], in[1], in[2], layer), seed, 3, in, 0, threads));
  workers_set(were);
  for (int i = 0; i < 3 && !nn_failed(); i++) {
    CHECK_NEAR(largest_difference(plain[i], graph[i]), 0, i ? 2e-3 : 1e-4); /* the mean of x is about 30 */
    CHECK(!memcmp(plain[i]->data, threads[i]->data, (size_t)tensor_numel(plain[i]) * sizeof(real)));
  }
}

/* A second forward moves the running statistics before the first one's backward. */
static void two_forwards_then_backward(void) {
  Tensor *mean = tensor_zeros(1, (long[]){2}), *var = tensor_ones(1, (long[]){2}), *weight = tensor_ones(1, (long[]){2});
  tensor_set_requires_grad(weight, true);
  Tensor *a = tensor_batch_norm(tensor_randn(2, (long[]){8, 2}), weight, NULL, mean, var, true, 0.1, 1e-5);
  Tensor *b = tensor_batch_norm(tensor_randn(2, (long[]){8, 2}), weight, NULL, mean, var, true, 0.1, 1e-5);
  CHECK(tensor_backward(tensor_sum(tensor_square(tensor_add(a, b)), 0, NULL, false), NULL, 0, NULL, 0));
}

static void norms_refuse(void) {
  Tensor *x = tensor_randn(2, (long[]){4, 3}), *two = tensor_ones(1, (long[]){2}), *three = tensor_ones(1, (long[]){3});
  CHECK(tensor_batch_norm(x, two, NULL, NULL, NULL, true, 0.1, 1e-5) == NULL);
  CHECK_ERROR("eps): weight must be (3), a number for each channel of x (4,3), got (2)");
  CHECK(tensor_batch_norm(x, NULL, NULL, three, NULL, true, 0.1, 1e-5) == NULL);
  CHECK_ERROR("running_mean and running_var go together, got only running_mean");
  CHECK(tensor_batch_norm(x, NULL, NULL, NULL, NULL, false, 0.1, 1e-5) == NULL);
  CHECK_ERROR("are needed without training, got neither");
  CHECK(tensor_batch_norm(tensor_ones(2, (long[]){1, 3}), NULL, NULL, NULL, NULL, true, 0.1, 1e-5) == NULL);
  CHECK_ERROR("training takes more than one value for each channel, got x (1,3)");
  CHECK(tensor_batch_norm(tensor_scalar(1), NULL, NULL, NULL, NULL, true, 0.1, 1e-5) == NULL);
  CHECK_ERROR("x must be (...,C), got one number");
  CHECK(tensor_layer_norm(x, NULL, two, 1e-5) == NULL);
  CHECK_ERROR("layer_norm(x, weight, bias, eps): bias must be (3)");
  CHECK(tensor_numel(tensor_layer_norm(tensor_ones(2, (long[]){4, 0}), NULL, NULL, 1e-5)) == 0);
  CHECK(tensor_numel(tensor_batch_norm(tensor_ones(2, (long[]){4, 0}), NULL, NULL, NULL, NULL, true, 0.1, 1e-5)) == 0);
  CHECK(tensor_numel(tensor_batch_norm(tensor_ones(2, (long[]){0, 3}), NULL, NULL, three, three, false, 0.1, 1e-5)) == 0);
}

static void dropout_keeps_the_mean(void) {
  Tensor *x = tensor_ones(1, (long[]){100000});
  tensor_set_requires_grad(x, true);
  Tensor *y = tensor_dropout(x, 0.3, true);
  CHECK(tensor_backward(y, x, 0, NULL, 0));
  long kept = 0, agree = 0;
  for (long i = 0; i < 100000; i++) {
    kept += y->data[i] == (real)(1 / 0.7);
    agree += (y->data[i] == 0 || y->data[i] == (real)(1 / 0.7)) && tensor_grad(x)->data[i] == y->data[i];
  }
  CHECK(agree == 100000);
  CHECK_NEAR((double)kept / 1e5, 0.7, 0.006); /* four standard deviations */
  CHECK(tensor_item(tensor_sum(tensor_dropout(x, 1, true), 0, NULL, false)) == 0);
  CHECK(tensor_dropout(x, 0.5, false)->data == x->data);
  CHECK(tensor_dropout(x, 1.5, true) == NULL);
  CHECK_ERROR("dropout(x, p, training): p must be a probability from 0 to 1, got 1.5");
}

int main(void) {
  random_seed(1);
  batch_norm_follows_its_definition();
  layer_norm_follows_its_definition();
  gradients_agree(false);
  gradients_agree(true);
  two_forwards_then_backward();
  norms_refuse();
  dropout_keeps_the_mean();
  return test_done();
}
