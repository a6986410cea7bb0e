/* Convolutions drawn at random, their three sums written out in double, and their bits on one kind of CPU: for the tests of
 * every road that a convolution may take. */
#ifndef GANDER_TESTS_CONVOLUTION_H
#define GANDER_TESTS_CONVOLUTION_H

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../nn/kernels/kernel.h"
#include "test.h"

enum { MAP, IMAGE, WEIGHT, PASSES, MAP_BIAS = PASSES, IMAGE_BIAS, INPUTS }; /* the first three are sums of the other two */
enum { RESULTS = 5 };                                                       /* of case_passes */

typedef struct Case {
  long n, image[2], c, k, kernel[2];
  ConvShape s;
  long map[2], output_padding[2]; /* set by case_measure */
} Case;

typedef struct Reference {
  double *sum, *size, *square; /* of the terms, of how large they are, and of their squares */
  long n;
} Reference;

static inline void case_measure(Case *t) {
  if (!t->s.groups) t->s.groups = 1;
  for (int i = 0; i < 2; i++) {
    long room = t->image[i] + 2 * t->s.padding[i] - t->s.dilation[i] * (t->kernel[i] - 1) - 1;
    t->map[i] = room < 0 ? 0 : room / t->s.stride[i] + 1;
    t->output_padding[i] = room < 0 ? 0 : room % t->s.stride[i]; /* what a transposed convolution adds to come back to the image */
  }
}

static inline long case_between(long low, long high) {
  return low + (long)random_below((uint64_t)(high - low + 1));
}

/* The i-th of a row of cases: each third is dilated, each fourth in groups, and few have many channels or no images. */
static inline Case case_draw(int i, long kernel, long padding) {
  Case t = {.n = i % 16 ? case_between(1, 4) : 0, .c = case_between(1, 17), .k = case_between(1, 17), .s.groups = 1};
  if (i % 8 == 3) t.c = case_between(18, 70);
  if (i % 8 == 1) t.k = case_between(18, 70);
  if (i % 4 == 2) {
    t.s.groups = case_between(2, i % 8 == 2 ? 5 : 40);
    t.c = t.s.groups * case_between(1, i % 16 == 2 ? 4 : 1);
    t.k = t.s.groups * case_between(1, i % 32 < 16 ? 3 : 1);
  }
  for (int d = 0; d < 2; d++) {
    t.kernel[d] = case_between(1, kernel);
    t.s.stride[d] = case_between(1, 3);
    t.s.dilation[d] = i % 3 ? 1 : case_between(1, 3);
    t.s.padding[d] = case_between(0, padding);
    long covered = t.s.dilation[d] * (t.kernel[d] - 1) + 1 - 2 * t.s.padding[d], least = covered < 1 ? 1 : covered;
    t.image[d] = case_between(least, least + 9);
  }
  case_measure(&t);
  return t;
}

static inline const char *case_text(const Case *t) {
  static char text[240];
  snprintf(text, sizeof text,
           "(%ld,%ld,%ld,%ld) to %ld, kernel %ldx%ld, stride %ldx%ld, padding %ldx%ld, dilation %ldx%ld, %ld groups", t->n,
           t->image[0], t->image[1], t->c, t->k, t->kernel[0], t->kernel[1], t->s.stride[0], t->s.stride[1], t->s.padding[0],
           t->s.padding[1], t->s.dilation[0], t->s.dilation[1], t->s.groups);
  return text;
}

/* in[INPUTS] of random numbers. */
static inline void case_inputs(const Case *t, Tensor **in) {
  in[IMAGE] = tensor_randn(4, (long[]){t->n, t->image[0], t->image[1], t->c});
  in[WEIGHT] = tensor_randn(4, (long[]){t->kernel[0], t->kernel[1], t->c / t->s.groups, t->k});
  in[MAP] = tensor_randn(4, (long[]){t->n, t->map[0], t->map[1], t->k});
  in[MAP_BIAS] = tensor_randn(1, &t->k), in[IMAGE_BIAS] = tensor_randn(1, &t->c);
}

static inline void reference_add(Reference *r, long at, double a, double b) {
  r->sum[at] += a * b;
  r->size[at] += fabs(a * b);
  r->square[at] += a * b * a * b;
}

/* The three sums of one pair of pixels: map from image, image from map, weight from both. */
static inline void reference_add_pixels(const Case *t, long image, long map, long tap, Tensor *const *in, Reference *r) {
  long depth = t->c / t->s.groups, columns = t->k / t->s.groups;
  for (long k = 0; k < t->k; k++)
    for (long c = 0; c < depth; c++) {
      long of_map = map * t->k + k, of_image = image * t->c + k / columns * depth + c, of_weight = (tap * depth + c) * t->k + k;
      double x = (double)in[IMAGE]->data[of_image], w = (double)in[WEIGHT]->data[of_weight], y = (double)in[MAP]->data[of_map];
      reference_add(&r[MAP], of_map, x, w);
      reference_add(&r[IMAGE], of_image, y, w);
      reference_add(&r[WEIGHT], of_weight, x, y);
    }
}

/* Fills r[PASSES], to reference_drop. */
static inline void reference_make(const Case *t, Tensor *const *in, Reference *r) {
  for (int i = 0; i < PASSES; i++) {
    r[i].n = tensor_numel(in[i]);
    r[i].sum = calloc((size_t)r[i].n * 3 + 1, sizeof(double));
    r[i].size = r[i].sum + r[i].n;
    r[i].square = r[i].size + r[i].n;
  }
  for (long map = 0; map < t->n * t->map[0] * t->map[1]; map++)
    for (long tap = 0; tap < t->kernel[0] * t->kernel[1]; tap++) {
      long n = map / t->map[1] / t->map[0], at[2] = {map / t->map[1] % t->map[0], map % t->map[1]};
      long of[2] = {tap / t->kernel[1], tap % t->kernel[1]};
      bool inside = true;
      for (int i = 0; i < 2; i++) {
        at[i] = at[i] * t->s.stride[i] - t->s.padding[i] + of[i] * t->s.dilation[i];
        inside = inside && at[i] >= 0 && at[i] < t->image[i];
      }
      if (inside) reference_add_pixels(t, (n * t->image[0] + at[0]) * t->image[1] + at[1], map, tap, in, r);
    }
}

static inline void reference_drop(Reference *r) {
  for (int i = 0; i < PASSES; i++) free(r[i].sum);
}

/* Is told a pass's name, its result, what it should be, and the bias that is to be added, or NULL. */
typedef void CaseCheck(const Case *t, const char *pass, const Tensor *got, const Reference *want, const Tensor *bias);

static inline void case_passes(const Case *t, Tensor *const *in, const Reference *r, CaseCheck *check) {
  Tensor *x = in[IMAGE], *w = in[WEIGHT], *y = in[MAP], *bias = in[MAP_BIAS], *bias_c = in[IMAGE_BIAS];
  check(t, "conv2d", tensor_conv2d(x, w, NULL, t->s), &r[MAP], NULL);
  check(t, "conv2d with bias", tensor_conv2d(x, w, bias, t->s), &r[MAP], bias);
  check(t, "conv2d_input", tensor_conv2d_input(y, w, t->image[0], t->image[1], t->s), &r[IMAGE], NULL);
  check(t, "conv2d_weight", tensor_conv2d_weight(x, y, t->kernel[0], t->kernel[1], t->s), &r[WEIGHT], NULL);
  if (t->map[0] && t->map[1])
    check(t, "conv_transpose2d", tensor_conv_transpose2d(y, w, bias_c, t->s, t->output_padding), &r[IMAGE], bias_c);
  CHECK(!nn_failed());
}

/* All passes of a case by sums written out, and then, if wanted, by whichever road is the fastest. */
static inline void case_check(Case t, bool fast, CaseCheck *check) {
  size_t scope = scope_enter();
  Tensor *in[INPUTS];
  Reference r[PASSES];
  case_measure(&t);
  case_inputs(&t, in);
  reference_make(&t, in, r);
  for (int exact = 1; exact >= !fast; exact--) {
    exact_enable(exact);
    case_passes(&t, in, r, check);
  }
  exact_enable(false);
  reference_drop(r);
  scope_leave(scope, NULL);
}

/* ---- bits ---- */

/* Three passes of each of `layers` layers: their bits, with the kernels of one kind of CPU. In a process of its own, as
 * weights are kept the way a set of kernels packs them. False if this is no such CPU. */
static inline bool hash_on(const char *cpu, int layers, void (*passes)(Tensor **out, int layer), uint64_t *hash) {
  int end[2];
  const size_t bytes = (size_t)layers * PASSES * sizeof *hash;
  if (pipe(end)) return false;
  pid_t child = fork();
  if (!child) {
    if (!cpu_choose(cpu)) _exit(1);
    for (int i = 0; i < layers * PASSES; i++) {
      Tensor *out[PASSES], *t;
      passes(out, i / PASSES);
      if (!(t = out[i % PASSES])) _exit(1);
      hash[i] = 14695981039346656037u; /* FNV-1a */
      for (size_t b = 0; b < (size_t)tensor_numel(t) * sizeof(real); b++)
        hash[i] = (hash[i] ^ ((const unsigned char *)t->data)[b]) * 1099511628211u;
    }
    _exit(write(end[1], hash, bytes) < 0);
  }
  close(end[1]);
  ssize_t got = read(end[0], hash, bytes);
  close(end[0]);
  waitpid(child, NULL, 0);
  return got == (ssize_t)bytes;
}

/* To be called before there are threads. */
static inline void check_bits_on_all(int layers, void (*passes)(Tensor **out, int layer)) {
  enum { MOST = 64 };
  uint64_t wide[MOST], narrow[MOST], generic[MOST];
  CHECK(layers * PASSES <= MOST);
  CHECK(hash_on("generic", layers, passes, generic));
  CHECK(!hash_on("abacus", layers, passes, wide));
  if (!hash_on("avx512", layers, passes, wide) || !hash_on("avx2", layers, passes, narrow)) return; /* not this CPU's */
  for (int i = 0; i < layers * PASSES; i++) CHECK(wide[i] == narrow[i] && narrow[i] == generic[i]);
}

static inline bool same_bits(const Tensor *a, const Tensor *b) {
  return a && b && !memcmp(a->data, b->data, (size_t)tensor_numel(a) * sizeof(real));
}

/* Three passes of each layer have the same bits on one thread and on several. */
static inline void check_bits_on_threads(int layers, void (*passes)(Tensor **out, int layer)) {
  int threads = workers_count();
  for (int layer = 0; layer < layers; layer++) {
    size_t scope = scope_enter();
    Tensor *one[PASSES], *many[PASSES];
    workers_set(1);
    passes(one, layer);
    for (int n = 2; n <= 3; n++) {
      workers_set(n);
      passes(many, layer);
      for (int i = 0; i < PASSES; i++) CHECK(same_bits(one[i], many[i]));
    }
    scope_leave(scope, NULL);
  }
  workers_set(threads);
}

/* ---- memory ---- */

static inline void check_warm_step(int layer, void (*passes)(Tensor **out, int layer)) {
  unsigned long fresh = 0;
  for (int i = 0; i < 4; i++) {
    if (i == 2) fresh = memory_use().fresh;
    size_t scope = scope_enter();
    Tensor *out[PASSES];
    passes(out, layer);
    scope_leave(scope, NULL);
  }
  CHECK(memory_use().fresh == fresh);
}

/* Every allocation may fail: an error then, and nothing leaks. */
static inline void check_full_memory(int layer, void (*passes)(Tensor **out, int layer)) {
  bool failed = true;
  for (long at = 1; failed && at < 1000; at++) {
    size_t scope = scope_enter(), live = memory_use().live;
    Tensor *out[PASSES];
    memory_fail_after(at);
    passes(out, layer);
    memory_fail_after(-1);
    failed = nn_failed();
    if (failed) CHECK_ERROR("out of memory");
    scope_leave(scope, NULL);
    CHECK(memory_use().live == live);
  }
  CHECK(!failed);
}

#endif
