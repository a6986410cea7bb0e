/* Attention and LSTM over random shapes against their formulas written out in double, with all gradients. */
#include "test.h"

#include <stdlib.h>

static long between(long low, long high) {
  return low + (long)random_below((uint64_t)(high - low + 1));
}

static double *zeros(long n) {
  return calloc((size_t)n + 1, sizeof(double));
}

static double *zeros_like(const Tensor *t) {
  return zeros(t ? tensor_numel(t) : 0);
}

static Tensor *leaf(int ndim, const long *shape, double scale) {
  Tensor *t = tensor_scale(tensor_randn(ndim, shape), scale);
  tensor_set_requires_grad(t = tensor_detach(t), true);
  return t;
}

/* ---- attention ---- */

typedef struct Attention {
  long n, steps, keys, heads, d, e;
  bool causal;
} Attention;

/* Of query row t and head h of sample n: the result, and what its gradient g adds to those of query, key and value. */
static void attend(const Attention *a, Tensor *const *in, const real *g, long n, long t, long h, double *y, double **grad) {
  const long wide = a->heads * a->d, wide_e = a->heads * a->e, seen = a->causal && t + 1 < a->keys ? t + 1 : a->keys;
  const long at = (n * a->steps + t) * wide + h * a->d, to = (n * a->steps + t) * wide_e + h * a->e;
  const real *q = in[0]->data + at, *k = in[1]->data + n * a->keys * wide + h * a->d;
  const real *v = in[2]->data + n * a->keys * wide_e + h * a->e;
  double *p = zeros(a->keys), *slope = zeros(a->keys), largest = -INFINITY, sum = 0, mean = 0, scale = 1 / sqrt((double)a->d);
  for (long s = 0; s < seen; s++) {
    for (long i = 0; i < a->d; i++) p[s] += scale * (double)q[i] * (double)k[s * wide + i];
    largest = fmax(largest, p[s]);
  }
  for (long s = 0; s < seen; s++) sum += p[s] = exp(p[s] - largest);
  for (long s = 0; s < seen; s++) {
    p[s] /= sum;
    for (long i = 0; i < a->e; i++) {
      y[to + i] += p[s] * (double)v[s * wide_e + i];
      slope[s] += (double)g[to + i] * (double)v[s * wide_e + i];
      grad[2][(n * a->keys + s) * wide_e + h * a->e + i] += p[s] * (double)g[to + i];
    }
    mean += p[s] * slope[s];
  }
  for (long s = 0; s < seen; s++)
    for (long i = 0; i < a->d; i++) {
      double by_score = p[s] * (slope[s] - mean) * scale;
      grad[0][at + i] += by_score * (double)k[s * wide + i];
      grad[1][(n * a->keys + s) * wide + h * a->d + i] += by_score * (double)q[i];
    }
  free(p), free(slope);
}

/* The score of an only key changes nothing: what its gradient is made of cancels out. */
static void check_nothing(const Tensor *gradient) {
  for (long i = 0, n = tensor_numel(gradient); i < n; i++) CHECK_NEAR(gradient->data[i], 0, sizeof(real) == 4 ? 5e-6 : 1e-14);
}

static void check_attention(const Attention *a) {
  const char *const names[] = {"query's gradient", "key's gradient", "value's gradient"};
  char shape[120];
  size_t scope = scope_enter();
  snprintf(shape, sizeof shape, "attention (%ld,%ld) to %ld keys, %ld heads of %ld and %ld%s", a->n, a->steps, a->keys, a->heads,
           a->d, a->e, a->causal ? ", causal" : "");
  Tensor *in[] = {leaf(3, (long[]){a->n, a->steps, a->heads * a->d}, 1), leaf(3, (long[]){a->n, a->keys, a->heads * a->d}, 1),
                  leaf(3, (long[]){a->n, a->keys, a->heads * a->e}, 1)};
  Tensor *y = tensor_attention(in[0], in[1], in[2], NULL, a->causal, a->heads), *grad[3] = {0};
  Tensor *g = y ? tensor_randn(3, y->shape) : NULL;
  CHECK(g && tensor_gradients(y, g, 3, in, 0, grad));
  double *want = zeros_like(y), *want_grad[] = {zeros_like(in[0]), zeros_like(in[1]), zeros_like(in[2])};
  for (long i = 0; g && i < a->n * a->steps * a->heads; i++)
    attend(a, in, g->data, i / a->heads / a->steps, i / a->heads % a->steps, i % a->heads, want, want_grad);
  test_close(y, want, "result", shape);
  for (int i = 0; i < 3; i++) {
    if (i < 2 && a->keys == 1 && grad[i])
      check_nothing(grad[i]);
    else
      test_close(grad[i], want_grad[i], names[i], shape);
  }
  free(want);
  for (int i = 0; i < 3; i++) free(want_grad[i]);
  scope_leave(scope, NULL);
}

static void attention_of_random_shapes(void) {
  for (int i = 0; i < 150; i++) {
    Attention a = {between(0, 3), between(1, 20), between(1, 20), between(1, 4), between(1, 17), between(1, 17), i % 2};
    if (i % 10 == 0) a.steps = between(30, 140);
    if (i % 10 == 1) a.keys = between(30, 140);
    if (i % 10 == 2) a.d = between(18, 70), a.e = between(18, 70);
    if (i % 4 == 3) a.keys = a.steps;
    check_attention(&a);
  }
  check_attention(&(Attention){1, 1, 1, 1, 1, 1, true});
  check_attention(&(Attention){2, 64, 64, 2, 32, 32, true});
}

/* ---- LSTM ---- */

enum { X, WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH, FIRST_H, FIRST_C, INPUTS };

typedef struct Lstm {
  long n, steps, in, hidden;
  Tensor *input[INPUTS];
  double *gate, *h, *c; /* (steps,4,hidden), and after each step, of one sample */
  double *grad[INPUTS];
} Lstm;

static double input_at(const Lstm *l, int i, long at) {
  return l->input[i] ? (double)l->input[i]->data[at] : 0;
}

static double state(const Lstm *l, const double *of, int first, long n, long t, long j) {
  return t ? of[(t - 1) * l->hidden + j] : input_at(l, first, n * l->hidden + j);
}

static void forward(const Lstm *l, long n, long t) {
  for (long row = 0; row < 4 * l->hidden; row++) {
    double z = input_at(l, BIAS_IH, row) + input_at(l, BIAS_HH, row);
    for (long i = 0; i < l->in; i++) z += input_at(l, X, (n * l->steps + t) * l->in + i) * input_at(l, WEIGHT_IH, row * l->in + i);
    for (long i = 0; i < l->hidden; i++) z += state(l, l->h, FIRST_H, n, t, i) * input_at(l, WEIGHT_HH, row * l->hidden + i);
    l->gate[t * 4 * l->hidden + row] = row / l->hidden == 2 ? tanh(z) : 1 / (1 + exp(-z));
  }
  for (long j = 0; j < l->hidden; j++) {
    const double *gate = l->gate + t * 4 * l->hidden + j;
    double c = gate[l->hidden] * state(l, l->c, FIRST_C, n, t, j) + gate[0] * gate[2 * l->hidden];
    l->c[t * l->hidden + j] = c;
    l->h[t * l->hidden + j] = gate[3 * l->hidden] * tanh(c);
  }
}

/* What the gradient of a gate's sum adds to those of all that it was made of. */
static void back_row(const Lstm *l, long n, long t, long row, double slope, double *h_before) {
  const long x = (n * l->steps + t) * l->in;
  for (long i = 0; i < l->in; i++) {
    l->grad[X][x + i] += slope * input_at(l, WEIGHT_IH, row * l->in + i);
    l->grad[WEIGHT_IH][row * l->in + i] += slope * input_at(l, X, x + i);
  }
  for (long i = 0; i < l->hidden; i++) {
    h_before[i] += slope * input_at(l, WEIGHT_HH, row * l->hidden + i);
    l->grad[WEIGHT_HH][row * l->hidden + i] += slope * state(l, l->h, FIRST_H, n, t, i);
  }
  l->grad[BIAS_IH][row] += slope;
  l->grad[BIAS_HH][row] += slope;
}

/* From the gradients of h and c after step t those before it, in place. */
static void back(const Lstm *l, long n, long t, double *dh, double *dc) {
  double *before = zeros(l->hidden);
  for (long j = 0; j < l->hidden; j++) {
    const double *at = l->gate + t * 4 * l->hidden + j;
    double i = at[0], f = at[l->hidden], g = at[2 * l->hidden], o = at[3 * l->hidden], y = tanh(l->c[t * l->hidden + j]);
    double d = dc[j] + dh[j] * o * (1 - y * y);
    back_row(l, n, t, j, d * g * i * (1 - i), before);
    back_row(l, n, t, l->hidden + j, d * state(l, l->c, FIRST_C, n, t, j) * f * (1 - f), before);
    back_row(l, n, t, 2 * l->hidden + j, d * i * (1 - g * g), before);
    back_row(l, n, t, 3 * l->hidden + j, dh[j] * y * o * (1 - o), before);
    dc[j] = d * f;
  }
  memcpy(dh, before, (size_t)l->hidden * sizeof *dh);
  free(before);
}

/* One sample: fills y (2,N,T,H) and adds to the gradients. g is the gradient of y. */
static void sample(const Lstm *l, long n, const real *g, double *y) {
  const long row = l->steps * l->hidden, c_from = l->n * row;
  double *dh = zeros(l->hidden), *dc = zeros(l->hidden);
  for (long t = 0; t < l->steps; t++) forward(l, n, t);
  memcpy(y + n * row, l->h, (size_t)row * sizeof *y);
  memcpy(y + c_from + n * row, l->c, (size_t)row * sizeof *y);
  for (long t = l->steps - 1; t >= 0; t--) {
    for (long j = 0; j < l->hidden; j++) {
      dh[j] += (double)g[n * row + t * l->hidden + j];
      dc[j] += (double)g[c_from + n * row + t * l->hidden + j];
    }
    back(l, n, t, dh, dc);
  }
  for (long j = 0; j < l->hidden; j++) {
    l->grad[FIRST_H][n * l->hidden + j] = dh[j];
    l->grad[FIRST_C][n * l->hidden + j] = dc[j];
  }
  free(dh), free(dc);
}

/* The inputs that are there, for their gradients; into `which` their places. */
static int present(const Lstm *l, Tensor **given, int *which) {
  int n = 0;
  for (int i = 0; i < INPUTS; i++)
    if (l->input[i]) which[n] = i, given[n++] = l->input[i];
  return n;
}

static void check_lstm(Lstm l, bool biases, bool states) {
  const char *const names[INPUTS] = {"gradient of x",       "gradient of weight_ih", "gradient of weight_hh", "gradient of bias_ih",
                                     "gradient of bias_hh", "gradient of h",         "gradient of c"};
  const long gates = 4 * l.hidden, n = l.n;
  size_t scope = scope_enter();
  Tensor *inputs[INPUTS] = {leaf(3, (long[]){n, l.steps, l.in}, 1), leaf(2, (long[]){gates, l.in}, 0.4),
                            leaf(2, (long[]){gates, l.hidden}, 0.4)};
  for (int i = BIAS_IH; biases && i <= BIAS_HH; i++) inputs[i] = leaf(1, &gates, 0.4);
  for (int i = FIRST_H; states && i <= FIRST_C; i++) inputs[i] = leaf(2, (long[]){n, l.hidden}, 0.7);
  memcpy(l.input, inputs, sizeof inputs);
  Tensor *bias = biases ? tensor_add(inputs[BIAS_IH], inputs[BIAS_HH]) : NULL;
  Tensor *y =
      tensor_lstm(tensor_linear(inputs[X], inputs[WEIGHT_IH], bias), inputs[WEIGHT_HH], NULL, inputs[FIRST_H], inputs[FIRST_C]);
  Tensor *g = y ? tensor_randn(4, y->shape) : NULL, *given[INPUTS], *grad[INPUTS] = {0};
  int which[INPUTS], count = present(&l, given, which);
  CHECK(g && tensor_gradients(y, g, count, given, 0, grad));
  double *want = zeros_like(y), *room = l.gate = zeros(6 * l.steps * l.hidden);
  l.h = l.gate + l.steps * gates, l.c = l.h + l.steps * l.hidden;
  const long sizes[INPUTS] = {n * l.steps * l.in, gates * l.in, gates * l.hidden, gates, gates, n * l.hidden, n * l.hidden};
  for (int i = 0; i < INPUTS; i++) l.grad[i] = zeros(sizes[i]);
  for (long i = 0; g && i < n; i++) sample(&l, i, g->data, want);
  char shape[100];
  snprintf(shape, sizeof shape, "LSTM (%ld,%ld,%ld) to %ld", n, l.steps, l.in, l.hidden);
  test_close(y, want, "result", shape);
  for (int i = 0; i < count; i++) test_close(grad[i], l.grad[which[i]], names[which[i]], shape);
  free(want), free(room);
  for (int i = 0; i < INPUTS; i++) free(l.grad[i]);
  scope_leave(scope, NULL);
}

static void lstm_of_random_shapes(void) {
  for (int i = 0; i < 150; i++) {
    Lstm l = {.n = between(0, 9), .steps = between(1, 9), .in = between(1, 17), .hidden = between(1, 17)};
    if (i % 10 == 0) l.n = between(10, 40);
    if (i % 10 == 1) l.hidden = between(18, 50);
    if (i % 10 == 2) l.in = between(18, 50);
    check_lstm(l, i % 3 != 0, i % 4 != 0);
  }
}

int main(void) {
  random_seed(3);
  attention_of_random_shapes();
  lstm_of_random_shapes();
  return test_done();
}
