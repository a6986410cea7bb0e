/* Winograd convolutions against sums written out in double, and that they are what is computed. */
#include "test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/winograd.h"

typedef struct Case {
  long n, image[2], c, k, kernel[2];
  ConvShape s;
  long map[2], output_padding[2];
} Case;

typedef struct Reference {
  double *sum, *size; /* size: squares of the terms, which is what the sum's square is on average */
  long n;
} Reference;

static void measure(Case *t) {
  for (int i = 0; i < 2; i++) {
    long room = t->image[i] + 2 * t->s.padding[i] - t->s.dilation[i] * (t->kernel[i] - 1) - 1;
    t->map[i] = room / t->s.stride[i] + 1;
    t->output_padding[i] = room % t->s.stride[i]; /* what a transposed convolution adds to come back to the image */
  }
}

static void add_term(Reference *r, long at, double term) {
  r->sum[at] += term;
  r->size[at] += term * term;
}

/* The three sums of one pair of pixels: map from image, image from map, weight from both. */
static void add_pixels(const Case *t, long image, long map, long tap, Tensor *const *in, Reference *r) {
  const real *x = in[0]->data + image * t->c, *w = in[1]->data + tap * t->c * t->k, *y = in[2]->data + map * t->k;
  for (long c = 0; c < t->c; c++)
    for (long k = 0; k < t->k; k++) {
      double weight = (double)w[c * t->k + k];
      add_term(&r[0], map * t->k + k, (double)x[c] * weight);
      add_term(&r[1], image * t->c + c, (double)y[k] * weight);
      add_term(&r[2], (tap * t->c + c) * t->k + k, (double)x[c] * (double)y[k]);
    }
}

static void add_all(const Case *t, Tensor *const *in, Reference *r) {
  for (long map = 0; map < t->n * t->map[0] * t->map[1]; map++)
    for (long tap = 0; tap < t->kernel[0] * t->kernel[1]; tap++) {
      long n = map / t->map[1] / t->map[0], at[2] = {map / t->map[1] % t->map[0], map % t->map[1]};
      long of[2] = {tap / t->kernel[1], tap % t->kernel[1]};
      bool inside = true;
      for (int i = 0; i < 2; i++) {
        at[i] = at[i] * t->s.stride[i] - t->s.padding[i] + of[i] * t->s.dilation[i];
        inside = inside && at[i] >= 0 && at[i] < t->image[i];
      }
      if (inside) add_pixels(t, (n * t->image[0] + at[0]) * t->image[1] + at[1], map, tap, in, r);
    }
}

/* sqrt(sum of squared errors / sum of squares of what is expected of random numbers) */
static double error(const Reference *r, const Tensor *got, const Tensor *bias) {
  double errors = 0, sizes = 0;
  if (!got || tensor_numel(got) != r->n) return INFINITY;
  for (long i = 0; i < r->n; i++) {
    double b = bias ? (double)bias->data[i % bias->shape[0]] : 0, e = (double)got->data[i] - r->sum[i] - b;
    errors += e * e;
    sizes += r->size[i] + b * b;
  }
  return errors ? sqrt(errors / sizes) : 0;
}

static const char *describe(const Case *t) {
  static char text[200];
  snprintf(text, sizeof text, "(%ld,%ld,%ld,%ld) to %ld, kernel %ldx%ld, stride %ldx%ld, padding %ldx%ld, dilation %ldx%ld", t->n,
           t->image[0], t->image[1], t->c, t->k, t->kernel[0], t->kernel[1], t->s.stride[0], t->s.stride[1], t->s.padding[0],
           t->s.padding[1], t->s.dilation[0], t->s.dilation[1]);
  return text;
}

/* Of float: less than sums written out have, which take more terms in one go; a weight's gradient sums over all pixels of all
 * samples. Of double: the reference's. */
static double bound(const char *pass) {
  if (sizeof(real) == 8) return 2e-15;
  return exact_enabled() ? 1e-6 : strcmp(pass, "conv2d_weight") ? 4e-7 : 6e-7;
}

static void check_error(const Case *t, const char *pass, double e) {
  if (!(e <= bound(pass))) printf("%s of %s%s: error %.3g\n", pass, describe(t), exact_enabled() ? ", exact" : "", e);
  CHECK(e <= bound(pass));
}

static void check_passes(const Case *t, Tensor *const *in, const Reference *r) {
  Tensor *x = in[0], *w = in[1], *y = in[2], *bias = tensor_randn(1, &t->k), *bias_c = tensor_randn(1, &t->c);
  check_error(t, "conv2d", error(&r[0], tensor_conv2d(x, w, NULL, t->s), NULL));
  check_error(t, "conv2d with bias", error(&r[0], tensor_conv2d(x, w, bias, t->s), bias));
  check_error(t, "conv2d_input", error(&r[1], tensor_conv2d_input(y, w, t->image[0], t->image[1], t->s), NULL));
  check_error(t, "conv2d_weight", error(&r[2], tensor_conv2d_weight(x, y, t->kernel[0], t->kernel[1], t->s), NULL));
  Tensor *back = tensor_conv_transpose2d(y, w, bias_c, t->s, t->output_padding);
  check_error(t, "conv_transpose2d", error(&r[1], back, bias_c));
  CHECK(!nn_failed());
}

static void check_case(Case t) {
  size_t scope = scope_enter();
  measure(&t);
  Tensor *in[3] = {tensor_randn(4, (long[]){t.n, t.image[0], t.image[1], t.c}),
                   tensor_randn(4, (long[]){t.kernel[0], t.kernel[1], t.c, t.k}),
                   tensor_randn(4, (long[]){t.n, t.map[0], t.map[1], t.k})};
  const Tensor *like[3] = {in[2], in[0], in[1]};
  Reference r[3];
  for (int i = 0; i < 3; i++) {
    r[i].n = tensor_numel(like[i]);
    r[i].sum = calloc((size_t)r[i].n * 2 + 1, sizeof(double));
    r[i].size = r[i].sum + r[i].n;
  }
  add_all(&t, in, r);
  for (int exact = 0; exact < 2; exact++) {
    exact_enable(exact);
    check_passes(&t, in, r);
  }
  exact_enable(false);
  for (int i = 0; i < 3; i++) free(r[i].sum);
  scope_leave(scope, NULL);
}

static long among(long low, long high) {
  return low + (long)random_below((uint64_t)(high - low + 1));
}

static void random_shapes(void) {
  for (int i = 0; i < 300; i++) {
    Case t = {.n = among(0, 3), .c = among(1, 17), .k = among(1, 17)};
    if (i % 8 == 0) t.c = among(18, 70);
    if (i % 8 == 1) t.k = among(18, 70);
    for (int d = 0; d < 2; d++) {
      t.kernel[d] = among(1, 6);
      t.s.stride[d] = among(1, 3);
      t.s.dilation[d] = i % 5 ? 1 : among(1, 2);
      t.s.padding[d] = among(0, 4);
      long covered = t.s.dilation[d] * (t.kernel[d] - 1) + 1 - 2 * t.s.padding[d], least = covered < 1 ? 1 : covered;
      t.image[d] = among(least, least + 9);
    }
    check_case(t);
  }
}

static void odd_shapes(void) {
  const ConvShape one = {{1, 1}, {0, 0}, {1, 1}}, same = {{1, 1}, {1, 1}, {1, 1}}, half = {{2, 2}, {1, 1}, {1, 1}};
  const Case cases[] = {
      {0, {4, 4}, 3, 2, {3, 3}, same, {0}, {0}},                         /* no images */
      {3, {1, 1}, 17, 16, {3, 3}, same, {0}, {0}},                       /* of one pixel */
      {2, {1, 2}, 6, 5, {5, 7}, {{1, 1}, {2, 3}, {1, 1}}, {0}, {0}},     /* kernel larger than the image */
      {1, {2, 2}, 4, 4, {4, 4}, {{2, 2}, {5, 6}, {1, 1}}, {0}, {0}},     /* padding wider than the kernel */
      {2, {4, 4}, 16, 16, {4, 4}, one, {0}, {0}},                        /* one pixel left */
      {2, {7, 9}, 5, 3, {4, 4}, half, {0}, {0}},                         /* odd sides, pixels no kernel touches */
      {2, {8, 8}, 20, 33, {4, 4}, half, {0}, {0}},                       /* a vector and a rest */
      {2, {7, 7}, 40, 33, {5, 5}, {{2, 2}, {2, 2}, {1, 1}}, {0}, {0}},   /* three and two taps */
      {1, {6, 30}, 3, 70, {5, 5}, {{1, 1}, {2, 2}, {1, 1}}, {0}, {0}},   /* long lines */
      {9, {14, 14}, 9, 20, {3, 3}, same, {0}, {0}},                      /* more than one block */
      {2, {9, 9}, 4, 7, {8, 8}, one, {0}, {0}},                          /* many parts */
      {2, {9, 9}, 4, 7, {3, 4}, {{2, 1}, {1, 2}, {1, 1}}, {0}, {0}},     /* sides that differ */
      {2, {9, 11}, 4, 7, {3, 3}, {{2, 2}, {2, 2}, {2, 2}}, {0}, {0}},    /* gaps as wide as the stride */
      {1, {10, 12}, 4, 7, {6, 6}, {{3, 3}, {1, 2}, {1, 1}}, {0}, {0}},   /* three phases */
      {1, {1, 300}, 20, 33, {1, 5}, {{1, 1}, {0, 2}, {1, 1}}, {0}, {0}}, /* a long line */
      {40, {5, 5}, 18, 18, {2, 2}, one, {0}, {0}},                       /* many small images */
      {40, {16, 16}, 20, 3, {4, 4}, half, {0}, {0}},                     /* phases that share their pixels */
      {30, {15, 18}, 18, 3, {4, 4}, {{2, 2}, {2, 1}, {1, 1}}, {0}, {0}}, /* across alone */
      {30, {10, 42}, 32, 4, {4, 4}, {{2, 2}, {0, 1}, {1, 1}}, {0}, {0}},
      {90, {12, 14}, 33, 4, {5, 4}, {{2, 2}, {2, 1}, {1, 1}}, {0}, {0}}, /* of five taps down */
      {1, {64, 8}, 34, 300, {4, 4}, half, {0}, {0}},                     /* columns in groups */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(cases[i]);
}

/* ---- bits ---- */

enum { LAYERS = 4, PASSES = 3 };
static const long layers[LAYERS][4] = {{48, 72, 4, 2}, {64, 33, 5, 2}, {50, 48, 5, 1}, {40, 40, 3, 1}}; /* c, k, kernel, stride */

static void passes(Tensor **out, const long *layer) {
  random_seed(5);
  ConvShape s = {{layer[3], layer[3]}, {1, 2}, {1, 1}};
  long c = layer[0], k = layer[1], size = layer[2];
  Tensor *x = tensor_randn(4, (long[]){9, 13, 12, c}), *w = tensor_randn(4, (long[]){size, size, c, k}),
         *bias = tensor_randn(1, &k);
  out[0] = tensor_conv2d(x, w, bias, s);
  out[1] = tensor_conv2d_input(out[0], w, 13, 12, s);
  out[2] = tensor_conv2d_weight(x, out[0], size, size, s);
}

static bool same_bits(const Tensor *a, const Tensor *b) {
  return a && b && !memcmp(a->data, b->data, (size_t)tensor_numel(a) * sizeof(real));
}

static void threads_give_the_same_bits(void) {
  int threads = workers_count();
  for (int layer = 0; layer < LAYERS; layer++)
    for (int exact = 0; exact < 2; exact++) {
      size_t scope = scope_enter();
      Tensor *one[PASSES], *many[PASSES];
      exact_enable(exact);
      workers_set(1);
      passes(one, layers[layer]);
      for (int n = 2; n <= 3; n++) {
        workers_set(n);
        passes(many, layers[layer]);
        for (int i = 0; i < PASSES; i++) CHECK(same_bits(one[i], many[i]));
      }
      scope_leave(scope, NULL);
    }
  exact_enable(false);
  workers_set(threads);
}

/* The bits of all passes, on one CPU's tiles: in a process of its own, since the choice is made once. */
static bool hash_on(const char *cpu, uint64_t *hash) {
  int end[2];
  if (pipe(end)) return false;
  pid_t child = fork();
  if (!child) {
    setenv("GANDER_CPU", cpu, 1);
    for (int i = 0; i < LAYERS * PASSES; i++) {
      Tensor *out[PASSES], *t;
      passes(out, layers[i / PASSES]);
      if (!(t = out[i % PASSES])) _exit(1);
      hash[i] = 14695981039346656037u; /* FNV-1a */
      for (size_t b = 0; b < (size_t)tensor_numel(t) * sizeof(real); b++)
        hash[i] = (hash[i] ^ ((const unsigned char *)t->data)[b]) * 1099511628211u;
    }
    _exit(write(end[1], hash, LAYERS * PASSES * sizeof *hash) < 0);
  }
  close(end[1]);
  ssize_t got = read(end[0], hash, LAYERS * PASSES * sizeof *hash);
  close(end[0]);
  waitpid(child, NULL, 0);
  return got == LAYERS * PASSES * sizeof *hash;
}

static void instruction_sets_give_the_same_bits(void) {
  uint64_t wide[LAYERS * PASSES], narrow[LAYERS * PASSES], generic[LAYERS * PASSES];
  CHECK(hash_on("generic", generic));
  if (!hash_on("avx512", wide) || !hash_on("avx2", narrow)) return; /* not this CPU's */
  for (int i = 0; i < LAYERS * PASSES; i++) CHECK(wide[i] == narrow[i] && narrow[i] == generic[i]);
}

/* ---- the switch, and memory ---- */

static void exact_computes_the_sums_written_out(void) {
  CHECK(!exact_enabled());
  for (int layer = 0; layer < LAYERS; layer++) {
    Tensor *fast[PASSES], *exact[PASSES];
    size_t scope = scope_enter();
    passes(fast, layers[layer]);
    CHECK(!exact_enable(true));
    passes(exact, layers[layer]);
    CHECK(exact_enable(false));
    for (int i = 0; i < PASSES; i++) CHECK(fast[i] && exact[i] && !same_bits(fast[i], exact[i]));
    scope_leave(scope, NULL);
  }
}

static void activations_are_applied(void) {
  const Activation tanh = {ACTIVATION_TANH, 0};
  const ConvShape half = {{2, 2}, {1, 1}, {1, 1}};
  Tensor *x = tensor_randn(4, (long[]){4, 12, 12, 48}), *w = tensor_randn(4, (long[]){4, 4, 48, 48}),
         *b = tensor_randn(1, (long[]){48});
  Tensor *y = tensor_tanh(tensor_conv2d(x, w, b, half)), *z = tensor_tanh(tensor_conv_transpose2d(x, w, b, half, (long[]){0, 0}));
  CHECK(same_bits(y, tensor_conv2d_activated(x, w, b, half, tanh)));
  CHECK(same_bits(z, tensor_conv_transpose2d_activated(x, w, b, half, (long[]){0, 0}, tanh)));
}

static void a_warm_step_allocates_nothing(void) {
  unsigned long fresh = 0;
  for (int i = 0; i < 4; i++) {
    if (i == 2) fresh = memory_use().fresh;
    size_t scope = scope_enter();
    Tensor *out[PASSES];
    passes(out, layers[0]);
    scope_leave(scope, NULL);
  }
  CHECK(memory_use().fresh == fresh);
}

static void every_allocation_may_fail(void) {
  bool failed = true;
  for (long at = 1; failed && at < 200; at++) {
    size_t scope = scope_enter(), live = memory_use().live;
    Tensor *out[PASSES];
    memory_fail_after(at);
    passes(out, layers[1]);
    memory_fail_after(-1);
    failed = nn_failed();
    if (failed) CHECK_ERROR("out of memory");
    scope_leave(scope, NULL);
    CHECK(memory_use().live == live);
  }
  CHECK(!failed);
}

int main(void) {
  instruction_sets_give_the_same_bits(); /* first: before there are threads */
  random_seed(1);
  exact_computes_the_sums_written_out();
  threads_give_the_same_bits();
  activations_are_applied();
  a_warm_step_allocates_nothing();
  every_allocation_may_fail();
  winograd_always(true); /* also where it does not pay */
  random_shapes();
  odd_shapes();
  return test_done();
}
