/* Winograd convolutions against sums written out in double, and that they are what is computed. */
#include "convolution.h"
#include "kernels/winograd.h"

/* sqrt(sum of squared errors / sum of squares of what is expected of random numbers) */
static double error(const Reference *r, const Tensor *got, const Tensor *bias) {
  double errors = 0, sizes = 0;
  if (!got || tensor_numel(got) != r->n) return INFINITY;
  for (long i = 0; i < r->n; i++) {
    double b = bias ? (double)bias->data[i % bias->shape[0]] : 0, e = (double)got->data[i] - r->sum[i] - b;
    errors += e * e;
    sizes += r->square[i] + b * b;
  }
  return errors ? sqrt(errors / sizes) : 0;
}

/* Of float: less than sums written out have, which take more terms in one go; a weight's gradient sums over all pixels of all
 * samples. Of double: the reference's. */
static double bound(const char *pass, bool exact) {
  if (sizeof(real) == 8) return 2e-15;
  return exact ? 1e-6 : strcmp(pass, "conv2d_weight") ? 4e-7 : 6e-7;
}

static void check_error(const Case *t, const char *pass, const Tensor *got, const Reference *r, const Tensor *bias) {
  static const Tensor *written_out[RESULTS]; /* a case's results by sums written out, which come first */
  static int written, compared;
  bool exact = exact_enabled();
  if (exact) {
    if (compared) written = compared = 0;
    written_out[written++] = got;
  } else {
    exact = same_bits(got, written_out[compared++]); /* it does not suit */
  }
  double e = error(r, got, bias), most = bound(pass, exact);
  if (!(e <= most)) printf("%s of %s%s: error %.3g\n", pass, case_text(t), exact ? ", exact" : "", e);
  CHECK(e <= most);
}

static void random_shapes(void) {
  for (int i = 0; i < 300; i++) case_check(case_draw(i, 6, 4), true, check_error);
}

static void odd_shapes(void) {
  const ConvShape one = {{1, 1}, {0, 0}, {1, 1}, 1}, same = {{1, 1}, {1, 1}, {1, 1}, 1}, half = {{2, 2}, {1, 1}, {1, 1}, 1};
  const Case cases[] = {
      {0, {4, 4}, 3, 2, {3, 3}, same, {0}, {0}},                            /* no images */
      {3, {1, 1}, 17, 16, {3, 3}, same, {0}, {0}},                          /* of one pixel */
      {2, {1, 2}, 6, 5, {5, 7}, {{1, 1}, {2, 3}, {1, 1}, 1}, {0}, {0}},     /* kernel larger than the image */
      {1, {2, 2}, 4, 4, {4, 4}, {{2, 2}, {5, 6}, {1, 1}, 1}, {0}, {0}},     /* padding wider than the kernel */
      {2, {4, 4}, 16, 16, {4, 4}, one, {0}, {0}},                           /* one pixel left */
      {2, {7, 9}, 5, 3, {4, 4}, half, {0}, {0}},                            /* odd sides, pixels no kernel touches */
      {2, {8, 8}, 20, 33, {4, 4}, half, {0}, {0}},                          /* a vector and a rest */
      {2, {7, 7}, 40, 33, {5, 5}, {{2, 2}, {2, 2}, {1, 1}, 1}, {0}, {0}},   /* three and two taps */
      {1, {6, 30}, 3, 70, {5, 5}, {{1, 1}, {2, 2}, {1, 1}, 1}, {0}, {0}},   /* long lines */
      {9, {14, 14}, 9, 20, {3, 3}, same, {0}, {0}},                         /* more than one block */
      {2, {9, 9}, 4, 7, {8, 8}, one, {0}, {0}},                             /* many parts */
      {2, {9, 9}, 4, 7, {3, 4}, {{2, 1}, {1, 2}, {1, 1}, 1}, {0}, {0}},     /* sides that differ */
      {2, {9, 11}, 4, 7, {3, 3}, {{2, 2}, {2, 2}, {2, 2}, 1}, {0}, {0}},    /* gaps as wide as the stride */
      {1, {10, 12}, 4, 7, {6, 6}, {{3, 3}, {1, 2}, {1, 1}, 1}, {0}, {0}},   /* three phases */
      {1, {1, 300}, 20, 33, {1, 5}, {{1, 1}, {0, 2}, {1, 1}, 1}, {0}, {0}}, /* a long line */
      {40, {5, 5}, 18, 18, {2, 2}, one, {0}, {0}},                          /* many small images */
      {40, {16, 16}, 20, 3, {4, 4}, half, {0}, {0}},                        /* phases that share their pixels */
      {30, {15, 18}, 18, 3, {4, 4}, {{2, 2}, {2, 1}, {1, 1}, 1}, {0}, {0}}, /* across alone */
      {30, {10, 42}, 32, 4, {4, 4}, {{2, 2}, {0, 1}, {1, 1}, 1}, {0}, {0}},
      {90, {12, 14}, 33, 4, {5, 4}, {{2, 2}, {2, 1}, {1, 1}, 1}, {0}, {0}}, /* of five taps down */
      {1, {64, 8}, 34, 300, {4, 4}, half, {0}, {0}},                        /* columns in groups */
      {25, {16, 14}, 20, 18, {4, 4}, half, {0}, {0}},                       /* three results and two, one and two times */
      {25, {20, 5}, 18, 20, {2, 2}, one, {0}, {0}},                         /* three down, two across */
      {12, {7, 9}, 20, 18, {5, 5}, {{1, 1}, {2, 2}, {1, 1}, 1}, {0}, {0}},  /* the first result outside */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) case_check(cases[i], true, check_error);
  /* more tiles in a picture than in a round: of float, the algorithm would not suit */
  if (sizeof(real) == 8) case_check((Case){1, {1, 3078}, 18, 17, {1, 2}, one, {0}, {0}}, true, check_error);
}

/* ---- bits ---- */

enum { LAYERS = 5 };
static const long layers[LAYERS][4] = {/* c, k, kernel, stride */
                                       {48, 72, 4, 2},
                                       {64, 33, 5, 2},
                                       {50, 48, 5, 1},
                                       {40, 40, 3, 1},
                                       {40, 72, 2, 1}};

static void passes(Tensor **out, int layer) {
  random_seed(5);
  long c = layers[layer][0], k = layers[layer][1], size = layers[layer][2], stride = layers[layer][3];
  ConvShape s = {{stride, stride}, {1, 2}, {1, 1}, 1};
  Tensor *x = tensor_randn(4, (long[]){9, 13, 12, c}), *w = tensor_randn(4, (long[]){size, size, c, k}),
         *bias = tensor_randn(1, &k);
  out[0] = tensor_conv2d(x, w, bias, s);
  out[1] = tensor_conv2d_input(out[0], w, 13, 12, s);
  out[2] = tensor_conv2d_weight(x, out[0], size, size, s);
}

/* ---- the switch ---- */

static void exact_computes_the_sums_written_out(void) {
  CHECK(!exact_enabled());
  for (int layer = 0; layer < LAYERS; layer++) {
    Tensor *fast[PASSES], *exact[PASSES];
    size_t scope = scope_enter();
    passes(fast, layer);
    CHECK(!exact_enable(true));
    passes(exact, layer);
    CHECK(exact_enable(false));
    for (int i = 0; i < PASSES; i++) CHECK(fast[i] && exact[i] && !same_bits(fast[i], exact[i]));
    scope_leave(scope, NULL);
  }
}

static void activations_are_applied(void) {
  const Activation tanh = {ACTIVATION_TANH, 0};
  const ConvShape half = {{2, 2}, {1, 1}, {1, 1}, 1};
  Tensor *x = tensor_randn(4, (long[]){4, 12, 12, 48}), *w = tensor_randn(4, (long[]){4, 4, 48, 48}),
         *b = tensor_randn(1, (long[]){48});
  Tensor *y = tensor_tanh(tensor_conv2d(x, w, b, half)), *z = tensor_tanh(tensor_conv_transpose2d(x, w, b, half, (long[]){0, 0}));
  CHECK(same_bits(y, tensor_conv2d_activated(x, w, b, half, tanh)));
  CHECK(same_bits(z, tensor_conv_transpose2d_activated(x, w, b, half, (long[]){0, 0}, tanh)));
}

/* What is kept of a weight is not used where lines of another length take another algorithm. */
static void sizes_take_turns(void) {
  const ConvShape shapes[] = {{{2, 2}, {1, 1}, {1, 1}, 1}, {{2, 2}, {2, 2}, {1, 1}, 1}};
  const long kernels[] = {4, 5};
  for (int i = 0; i < 2; i++) {
    size_t scope = scope_enter();
    long size = kernels[i];
    Tensor *kept = tensor_randn(4, (long[]){size, size, 48, 48}), *plain = tensor_detach(kept);
    tensor_set_requires_grad(kept, true);
    for (int turn = 0; turn < 8; turn++) {
      long height = 8 + turn * 6 % 8, width = 8 + turn * 5 % 8, n = 10;
      Tensor *x = tensor_randn(4, (long[]){n, height, width, 48}), *y = tensor_conv2d(x, plain, NULL, shapes[i]);
      CHECK(same_bits(y, tensor_conv2d(x, kept, NULL, shapes[i])));
      CHECK(same_bits(tensor_conv2d_input(y, plain, height, width, shapes[i]),
                      tensor_conv2d_input(y, kept, height, width, shapes[i])));
    }
    scope_leave(scope, NULL);
  }
}

int main(void) {
  check_bits_on_all(LAYERS, passes); /* first: before there are threads */
  random_seed(1);
  exact_computes_the_sums_written_out();
  check_bits_on_threads(LAYERS, passes);
  activations_are_applied();
  sizes_take_turns();
  check_warm_step(0, passes);
  check_full_memory(1, passes);
  winograd_always(true); /* also where it does not pay */
  random_shapes();
  odd_shapes();
  return test_done();
}
