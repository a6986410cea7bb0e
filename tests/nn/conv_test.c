/* Convolutions against sums written out in double, over random and over odd shapes. */
#include "test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Case {
  long n, h, w, c, k, kernel[2];
  ConvShape s;
  long map[2], output_padding[2];
} Case;

static void measure(Case *t) {
  for (int i = 0; i < 2; i++) {
    long room = (i ? t->w : t->h) + 2 * t->s.padding[i] - t->s.dilation[i] * (t->kernel[i] - 1) - 1;
    t->map[i] = room < 0 ? 0 : room / t->s.stride[i] + 1;
    t->output_padding[i] = room < 0 ? 0 : room % t->s.stride[i]; /* what a transposed convolution adds to come back to h, w */
  }
}

/* Adds x[...] w[...] of every term into y, and its size into `size`: the three passes differ in which array is y. */
static void sums(const Case *t, const real *image, const real *weight, const real *map, double *y, double *size, int pass) {
  for (long n = 0; n < t->n; n++)
    for (long a = 0; a < t->map[0]; a++)
      for (long b = 0; b < t->map[1]; b++)
        for (long i = 0; i < t->kernel[0]; i++)
          for (long j = 0; j < t->kernel[1]; j++) {
            long h = a * t->s.stride[0] - t->s.padding[0] + i * t->s.dilation[0];
            long w = b * t->s.stride[1] - t->s.padding[1] + j * t->s.dilation[1];
            if (h < 0 || h >= t->h || w < 0 || w >= t->w) continue;
            for (long c = 0; c < t->c; c++)
              for (long k = 0; k < t->k; k++) {
                long at[3] = {((n * t->h + h) * t->w + w) * t->c + c, ((i * t->kernel[1] + j) * t->c + c) * t->k + k,
                              ((n * t->map[0] + a) * t->map[1] + b) * t->k + k};
                double term = pass == 0   ? (double)image[at[0]] * (double)weight[at[1]]
                              : pass == 1 ? (double)map[at[2]] * (double)weight[at[1]]
                                          : (double)map[at[2]] * (double)image[at[0]];
                long to = pass == 0 ? at[2] : pass == 1 ? at[0] : at[1];
                y[to] += term;
                size[to] += fabs(term);
              }
          }
}

/* The worst error of `got` by the size of its terms. */
static double worst(const Tensor *got, const double *want, const double *size, const real *bias, long channels) {
  double most = 0;
  for (long i = 0, n = tensor_numel(got); i < n; i++) {
    double b = bias ? (double)bias[i % channels] : 0,
           error = fabs((double)got->data[i] - want[i] - b) / (size[i] + fabs(b) + 1e-30);
    if (!(error <= most)) most = error;
  }
  return most;
}

static void check_pass(const Case *t, const char *name, const Tensor *got, long numel, int pass, Tensor *const *in) {
  double *want = calloc((size_t)numel * 2 + 1, sizeof *want), *size = want + numel, error = 1;
  long channels = pass == 0 ? t->k : t->c;
  sums(t, in[0]->data, in[1]->data, in[2]->data, want, size, pass);
  if (got && tensor_numel(got) == numel) error = worst(got, want, size, in[3] ? in[3]->data : NULL, channels);
  if (!(error < (sizeof(real) == 4 ? 1e-6 : 1e-14)))
    printf("%s: error %.3g; image %ldx%ldx%ldx%ld to %ld channels, kernel %ldx%ld, stride %ld %ld, padding %ld %ld, dilation %ld "
           "%ld\n",
           name, error, t->n, t->h, t->w, t->c, t->k, t->kernel[0], t->kernel[1], t->s.stride[0], t->s.stride[1], t->s.padding[0],
           t->s.padding[1], t->s.dilation[0], t->s.dilation[1]);
  CHECK(error < (sizeof(real) == 4 ? 1e-6 : 1e-14));
  free(want);
}

static void check_case(Case t) {
  size_t scope = scope_enter();
  measure(&t);
  Tensor *x = tensor_randn(4, (long[]){t.n, t.h, t.w, t.c}), *w = tensor_randn(4, (long[]){t.kernel[0], t.kernel[1], t.c, t.k});
  Tensor *g = tensor_randn(4, (long[]){t.n, t.map[0], t.map[1], t.k}), *bias = tensor_randn(1, &t.k),
         *bias_c = tensor_randn(1, &t.c);
  Tensor *plain[] = {x, w, g, NULL}, *biased[] = {x, w, g, bias}, *biased_c[] = {x, w, g, bias_c};
  long image = t.n * t.h * t.w * t.c, map = t.n * t.map[0] * t.map[1] * t.k, weight = t.kernel[0] * t.kernel[1] * t.c * t.k;
  check_pass(&t, "conv2d", tensor_conv2d(x, w, NULL, t.s), map, 0, plain);
  check_pass(&t, "conv2d with bias", tensor_conv2d(x, w, bias, t.s), map, 0, biased);
  check_pass(&t, "conv2d_input", tensor_conv2d_input(g, w, t.h, t.w, t.s), image, 1, plain);
  check_pass(&t, "conv2d_weight", tensor_conv2d_weight(x, g, t.kernel[0], t.kernel[1], t.s), weight, 2, plain);
  check_pass(&t, "conv_transpose2d", tensor_conv_transpose2d(g, w, bias_c, t.s, t.output_padding), image, 1, biased_c);
  CHECK(!nn_failed());
  scope_leave(scope, NULL);
}

static long among(long low, long high) {
  return low + (long)random_below((uint64_t)(high - low + 1));
}

static void random_shapes(void) {
  for (int i = 0; i < 200; i++) {
    Case t = {.n = among(1, 4), .c = among(1, 17), .k = among(1, 17)};
    if (i % 8 == 0) t.c = among(18, 70);
    if (i % 8 == 1) t.k = among(18, 70);
    for (int d = 0; d < 2; d++) {
      t.kernel[d] = among(1, 5);
      t.s.stride[d] = among(1, 3);
      t.s.dilation[d] = i % 3 ? 1 : among(1, 3);
      t.s.padding[d] = among(0, 3);
      long covered = t.s.dilation[d] * (t.kernel[d] - 1) + 1 - 2 * t.s.padding[d], least = covered < 1 ? 1 : covered;
      *(d ? &t.w : &t.h) = among(least, least + 9);
    }
    check_case(t);
  }
}

static void odd_shapes(void) {
  const ConvShape one = {{1, 1}, {0, 0}, {1, 1}}, half = {{2, 2}, {1, 1}, {1, 1}};
  const Case cases[] = {
      {0, 4, 4, 3, 2, {3, 3}, one, {0}, {0}},                          /* no images */
      {2, 5, 5, 0, 2, {3, 3}, one, {0}, {0}},                          /* no channels in */
      {2, 5, 5, 2, 0, {3, 3}, one, {0}, {0}},                          /* none out */
      {3, 1, 1, 5, 7, {1, 1}, one, {0}, {0}},                          /* a product */
      {2, 4, 4, 20, 1, {4, 4}, one, {0}, {0}},                         /* the end of a discriminator */
      {5, 4, 4, 33, 12, {4, 4}, one, {0}, {0}},                        /* backwards, the beginning of a generator */
      {2, 16, 16, 3, 40, {4, 4}, half, {0}, {0}},                      /* its end */
      {3, 14, 14, 1, 20, {5, 5}, {{2, 2}, {2, 2}, {1, 1}}, {0}, {0}},  /* one channel */
      {1, 9, 11, 3, 4, {2, 3}, {{4, 5}, {0, 1}, {1, 1}}, {0}, {0}},    /* pixels no kernel touches */
      {2, 1, 2, 6, 5, {5, 7}, {{1, 1}, {2, 3}, {1, 1}}, {0}, {0}},     /* kernel larger than the image */
      {1, 2, 2, 4, 4, {2, 2}, {{1, 2}, {5, 6}, {1, 1}}, {0}, {0}},     /* padding wider than the kernel */
      {1, 20, 3, 3, 3, {3, 1}, {{2, 1}, {0, 0}, {8, 1}}, {0}, {0}},    /* a kernel with wide gaps */
      {1, 40, 40, 2, 3, {21, 20}, one, {0}, {0}},                      /* many taps */
      {2, 12, 12, 48, 48, {3, 3}, {{1, 1}, {1, 1}, {1, 1}}, {0}, {0}}, /* whole tiles */
      {4, 8, 8, 64, 96, {4, 4}, half, {0}, {0}},
      {70, 2, 2, 9, 31, {2, 2}, one, {0}, {0}}, /* many small images */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(cases[i]);
}

/* All three passes of a layer, one after the other: their bits. */
static void passes(Tensor **out, long c, long k, long stride) {
  random_seed(5);
  ConvShape s = {{stride, stride}, {1, 1}, {1, 1}};
  Tensor *x = tensor_randn(4, (long[]){9, 12, 12, c}), *w = tensor_randn(4, (long[]){4, 4, c, k}), *bias = tensor_randn(1, &k);
  out[0] = tensor_conv2d(x, w, bias, s);
  out[1] = tensor_conv2d_input(out[0], w, 12, 12, s);
  out[2] = tensor_conv2d_weight(x, out[0], 4, 4, s);
}

static void threads_give_the_same_bits(void) {
  const long layers[][3] = {{3, 40, 2}, {40, 72, 2}, {40, 3, 1}, {33, 35, 1}};
  for (size_t layer = 0; layer < 4; layer++) {
    const long *l = layers[layer];
    size_t scope = scope_enter();
    Tensor *one[3], *many[3];
    int threads = workers_count();
    workers_set(1);
    passes(one, l[0], l[1], l[2]);
    workers_set(3);
    passes(many, l[0], l[1], l[2]);
    workers_set(threads);
    for (int i = 0; i < 3; i++)
      CHECK(one[i] && many[i] && !memcmp(one[i]->data, many[i]->data, (size_t)tensor_numel(one[i]) * sizeof(real)));
    scope_leave(scope, NULL);
  }
}

enum { HASHES = 12 };

/* The bits of all passes of some layers, on one CPU's tiles: in a process of its own, since the choice is made once. */
static bool hashes_on(const char *cpu, uint64_t *hash) {
  const long layers[][3] = {{3, 40, 2}, {40, 72, 2}, {40, 3, 1}, {21, 35, 1}};
  int end[2];
  if (pipe(end)) return false;
  pid_t child = fork();
  if (!child) {
    setenv("GANDER_CPU", cpu, 1);
    for (int i = 0; i < HASHES; i++) {
      Tensor *out[3];
      passes(out, layers[i / 3][0], layers[i / 3][1], layers[i / 3][2]);
      if (!out[i % 3]) _exit(1);
      hash[i] = 14695981039346656037u; /* FNV-1a */
      const unsigned char *bytes = (const unsigned char *)out[i % 3]->data;
      for (size_t b = 0; b < (size_t)tensor_numel(out[i % 3]) * sizeof(real); b++) hash[i] = (hash[i] ^ bytes[b]) * 1099511628211u;
    }
    _exit(write(end[1], hash, HASHES * sizeof *hash) != HASHES * sizeof *hash);
  }
  close(end[1]);
  ssize_t got = read(end[0], hash, HASHES * sizeof *hash);
  close(end[0]);
  waitpid(child, NULL, 0);
  return got == HASHES * sizeof *hash;
}

static void instruction_sets_give_the_same_bits(void) {
  uint64_t wide[HASHES], narrow[HASHES], generic[HASHES];
  CHECK(hashes_on("generic", generic));
  CHECK(!hashes_on("abacus", wide));
  if (!hashes_on("avx512", wide) || !hashes_on("avx2", narrow)) return; /* not this CPU's */
  for (int i = 0; i < HASHES; i++) CHECK(wide[i] == narrow[i] && narrow[i] == generic[i]);
}

static void a_warm_step_allocates_nothing(void) {
  Tensor *out[3];
  unsigned long fresh = 0;
  for (int i = 0; i < 4; i++) {
    if (i == 2) fresh = memory_use().fresh;
    size_t scope = scope_enter();
    passes(out, 20, 24, 2);
    scope_leave(scope, NULL);
  }
  CHECK(memory_use().fresh == fresh);
}

static void every_allocation_may_fail(void) {
  size_t live = memory_use().live;
  bool failed = true;
  for (long at = 1; failed && at < 200; at++) {
    size_t scope = scope_enter();
    Tensor *out[3];
    memory_fail_after(at);
    passes(out, 5, 3, 1);
    memory_fail_after(-1);
    failed = nn_failed();
    if (failed) CHECK_ERROR("out of memory");
    scope_leave(scope, NULL);
    CHECK(memory_use().live == live);
  }
  CHECK(!failed);
}

static Tensor *zeros(long a, long b, long c, long d) {
  return tensor_zeros(4, (long[]){a, b, c, d});
}

static void wrong_shapes_are_explained(void) {
  const ConvShape one = {{1, 1}, {0, 0}, {1, 1}};
  ConvShape wrong = one;
  Tensor *x = zeros(2, 5, 5, 3), *w = zeros(3, 3, 3, 4);
  CHECK(!tensor_conv2d(tensor_zeros(2, (long[]){5, 5}), w, NULL, one));
  CHECK_ERROR("conv2d(x, weight, bias, stride, padding, dilation): x must be images (N,H,W,C), got (5,5)");
  CHECK(!tensor_conv2d(x, tensor_zeros(1, (long[]){9}), NULL, one));
  CHECK_ERROR("weight must be (KH,KW,Cin,Cout), got (9)");
  CHECK(!tensor_conv2d(x, zeros(3, 3, 4, 3), NULL, one));
  CHECK_ERROR("x's channels must equal weight's third dimension, got (2,5,5,3) and (3,3,4,3)");
  CHECK(!tensor_conv2d(x, w, tensor_zeros(1, (long[]){3}), one));
  CHECK_ERROR("bias must be (4)");
  CHECK(!tensor_conv2d(x, zeros(6, 2, 3, 4), NULL, one));
  CHECK_ERROR("the kernel covers 6x2 pixels, more than the image with its padding, which has 5x5");
  wrong.stride[1] = 0;
  CHECK(!tensor_conv2d(x, w, NULL, wrong));
  CHECK_ERROR("stride must be whole numbers from 1 to 2147483647, got {1,0}");
  wrong = one, wrong.padding[0] = -1;
  CHECK(!tensor_conv2d(x, w, NULL, wrong));
  CHECK_ERROR("padding must be");
  CHECK(!tensor_conv2d_input(zeros(2, 3, 3, 4), w, 6, 5, one));
  CHECK_ERROR("grad must be as conv2d's result, (2,4,3,4) for x of 6x5 pixels and weight (3,3,3,4), got (2,3,3,4)");
  CHECK(!tensor_conv2d_weight(x, zeros(2, 3, 3, 4), 2, 3, one));
  CHECK_ERROR("grad must be as conv2d's result, (2,4,3,Cout) for x (2,5,5,3) and a kernel of 2x3, got (2,3,3,4)");
  CHECK(!tensor_conv_transpose2d(x, w, NULL, one, (long[]){0, 0}));
  CHECK_ERROR("x's channels must equal weight's last dimension, got (2,5,5,3) and (3,3,3,4)");
  CHECK(!tensor_conv_transpose2d(zeros(2, 5, 5, 4), w, NULL, one, (long[]){1, 0}));
  CHECK_ERROR("output_padding must be less than stride, got {1,0} and {1,1}");
  wrong = one, wrong.padding[0] = 4;
  CHECK(!tensor_conv_transpose2d(zeros(2, 5, 5, 4), w, NULL, wrong, (long[]){0, 0}));
  CHECK_ERROR("leaves no image");
  wrong = one, wrong.padding[0] = wrong.padding[1] = 0x7fffffff;
  CHECK(!tensor_conv2d(x, w, NULL, wrong));
  CHECK_ERROR("out of memory");
}

int main(void) {
  instruction_sets_give_the_same_bits(); /* first: before there are threads */
  random_seed(1);
  random_shapes();
  odd_shapes();
  threads_give_the_same_bits();
  a_warm_step_allocates_nothing();
  every_allocation_may_fail();
  wrong_shapes_are_explained();
  return test_done();
}
