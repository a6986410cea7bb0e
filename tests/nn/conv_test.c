/* Convolutions against sums written out in double, over random and over odd shapes; winograd_test.c has those that are not
 * exact. */
#include "convolution.h"

/* The worst error of an element, by the size of its terms. */
static void check_error(const Case *t, const char *pass, const Tensor *got, const Reference *r, const Tensor *bias) {
  double most = got && tensor_numel(got) == r->n ? 0 : INFINITY, bound = sizeof(real) == 4 ? 1e-6 : 1e-14;
  for (long i = 0; i < r->n && most < INFINITY; i++) {
    double b = bias ? (double)bias->data[i % bias->shape[0]] : 0;
    double error = fabs((double)got->data[i] - r->sum[i] - b) / (r->size[i] + fabs(b) + 1e-30);
    if (!(error <= most)) most = error;
  }
  if (!(most < bound)) printf("%s of %s: error %.3g\n", pass, case_text(t), most);
  CHECK(most < bound);
}

static void random_shapes(void) {
  for (int i = 0; i < 300; i++) case_check(case_draw(i, 5, 3), false, check_error);
}

static void odd_shapes(void) {
  const ConvShape one = {{1, 1}, {0, 0}, {1, 1}, 1}, half = {{2, 2}, {1, 1}, {1, 1}, 1};
  const Case cases[] = {
      {0, {4, 4}, 3, 2, {3, 3}, one, {0}, {0}},                             /* no images */
      {2, {5, 5}, 0, 2, {3, 3}, one, {0}, {0}},                             /* no channels in */
      {2, {5, 5}, 2, 0, {3, 3}, one, {0}, {0}},                             /* none out */
      {3, {1, 1}, 5, 7, {1, 1}, one, {0}, {0}},                             /* a product */
      {2, {4, 4}, 20, 1, {4, 4}, one, {0}, {0}},                            /* the end of a discriminator */
      {5, {4, 4}, 33, 12, {4, 4}, one, {0}, {0}},                           /* backwards, the beginning of a generator */
      {2, {16, 16}, 3, 40, {4, 4}, half, {0}, {0}},                         /* its end */
      {3, {14, 14}, 1, 20, {5, 5}, {{2, 2}, {2, 2}, {1, 1}, 1}, {0}, {0}},  /* one channel */
      {1, {9, 11}, 3, 4, {2, 3}, {{4, 5}, {0, 1}, {1, 1}, 1}, {0}, {0}},    /* pixels no kernel touches */
      {2, {1, 2}, 6, 5, {5, 7}, {{1, 1}, {2, 3}, {1, 1}, 1}, {0}, {0}},     /* kernel larger than the image */
      {1, {2, 2}, 4, 4, {2, 2}, {{1, 2}, {5, 6}, {1, 1}, 1}, {0}, {0}},     /* padding wider than the kernel */
      {1, {20, 3}, 3, 3, {3, 1}, {{2, 1}, {0, 0}, {8, 1}, 1}, {0}, {0}},    /* a kernel with wide gaps */
      {1, {40, 40}, 2, 3, {21, 20}, one, {0}, {0}},                         /* many taps */
      {2, {12, 12}, 48, 48, {3, 3}, {{1, 1}, {1, 1}, {1, 1}, 1}, {0}, {0}}, /* whole tiles */
      {4, {8, 8}, 64, 96, {4, 4}, half, {0}, {0}},
      {3, {7, 6}, 6, 4, {3, 3}, {{1, 1}, {1, 1}, {1, 1}, 2}, {0}, {0}},      /* two groups */
      {2, {9, 8}, 96, 64, {3, 3}, {{2, 2}, {1, 1}, {1, 1}, 2}, {0}, {0}},    /* large ones */
      {3, {1, 1}, 40, 40, {3, 3}, {{1, 1}, {1, 1}, {1, 1}, 40}, {0}, {0}},   /* each channel by itself, of one pixel */
      {2, {6, 5}, 128, 112, {3, 2}, {{1, 1}, {0, 1}, {1, 2}, 16}, {0}, {0}}, /* eight in a group */
      {2, {5, 7}, 33, 66, {4, 4}, {{3, 2}, {2, 1}, {1, 1}, 33}, {0}, {0}},
      {2, {19, 17}, 64, 64, {3, 3}, {{1, 1}, {2, 2}, {2, 2}, 64}, {0}, {0}},
      {1, {9, 40}, 48, 16, {5, 2}, {{1, 1}, {1, 1}, {1, 1}, 16}, {0}, {0}},
      {3, {6, 21}, 48, 48, {3, 6}, {{1, 2}, {1, 3}, {2, 1}, 3}, {0}, {0}}, /* a vector in a group */
      {1, {70, 9}, 32, 32, {3, 3}, {{2, 2}, {0, 4}, {1, 2}, 2}, {0}, {0}},
      {9, {11, 17}, 8, 8, {4, 7}, {{2, 3}, {1, 2}, {1, 1}, 4}, {0}, {0}},   /* few of few */
      {2, {13, 30}, 40, 40, {3, 2}, {{2, 2}, {1, 1}, {1, 3}, 5}, {0}, {0}}, /* two and a half vectors */
      {2, {9, 16}, 24, 20, {3, 3}, {{1, 1}, {1, 1}, {1, 1}, 4}, {0}, {0}},
      {0, {4, 4}, 4, 4, {3, 3}, {{1, 1}, {1, 1}, {1, 1}, 4}, {0}, {0}}, /* no images in groups */
      {2, {4, 4}, 0, 4, {3, 3}, {{1, 1}, {1, 1}, {1, 1}, 4}, {0}, {0}}, /* no channels in them */
      {70, {2, 2}, 9, 31, {2, 2}, one, {0}, {0}},                       /* many small images */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) case_check(cases[i], false, check_error);
}

/* All three passes of a layer, one after the other: their bits. */
static const long layers[][4] = {{5, 3, 1, 1},   {6, 4, 1, 2},   {17, 17, 1, 17}, {3, 40, 2, 1},   {40, 72, 2, 1},
                                 {40, 3, 1, 1},  {33, 35, 1, 1}, {36, 60, 2, 12}, {37, 37, 1, 37}, {48, 72, 1, 2},
                                 {32, 48, 2, 2}, {32, 32, 1, 2}, {24, 24, 2, 3},  {16, 16, 1, 4}};
enum { LAYERS = sizeof layers / sizeof *layers, SMALL = 3 }; /* SMALL: the first ones, with which steps are tried often */

static void passes(Tensor **out, int layer) {
  random_seed(5);
  long c = layers[layer][0], k = layers[layer][1], stride = layers[layer][2], groups = layers[layer][3];
  ConvShape s = {{stride, stride}, {1, 1}, {1, 1}, groups};
  Tensor *x = tensor_randn(4, (long[]){9, 12, 12, c}), *w = tensor_randn(4, (long[]){4, 4, c / groups, k});
  out[0] = tensor_conv2d(x, w, tensor_randn(1, &k), s);
  out[1] = tensor_conv2d_input(out[0], w, 12, 12, s);
  out[2] = tensor_conv2d_weight(x, out[0], 4, 4, s);
}

static Tensor *zeros(long a, long b, long c, long d) {
  return tensor_zeros(4, (long[]){a, b, c, d});
}

static void wrong_shapes_are_explained(void) {
  const ConvShape one = {{1, 1}, {0, 0}, {1, 1}, 1};
  ConvShape wrong = one;
  Tensor *x = zeros(2, 5, 5, 3), *w = zeros(3, 3, 3, 4);
  CHECK(!tensor_conv2d(tensor_zeros(2, (long[]){5, 5}), w, NULL, one));
  CHECK_ERROR("conv2d(x, weight, bias, stride, padding, dilation, groups): x must be images (N,H,W,C), got (5,5)");
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
  wrong = one, wrong.groups = 2;
  CHECK(!tensor_conv2d(zeros(2, 5, 5, 4), w, NULL, wrong));
  CHECK_ERROR("x's channels must equal weight's third dimension times groups, got (2,5,5,4), (3,3,3,4) and 2 groups");
  CHECK(!tensor_conv2d(zeros(2, 5, 5, 6), zeros(3, 3, 3, 5), NULL, wrong));
  CHECK_ERROR("weight's channels, its last dimension, must be a multiple of groups, got (3,3,3,5) and 2 groups");
  CHECK(!tensor_conv2d_input(zeros(2, 3, 3, 5), zeros(3, 3, 3, 5), 5, 5, wrong));
  CHECK_ERROR("weight's channels, its last dimension, must be a multiple of groups");
  CHECK(!tensor_conv2d_weight(x, zeros(2, 3, 3, 4), 3, 3, wrong));
  CHECK_ERROR("x's channels, its last dimension, must be a multiple of groups, got (2,5,5,3) and 2 groups");
  CHECK(!tensor_conv2d_weight(zeros(2, 5, 5, 4), zeros(2, 3, 3, 3), 3, 3, wrong));
  CHECK_ERROR("grad's channels, its last dimension, must be a multiple of groups");
  CHECK(!tensor_conv_transpose2d(x, zeros(3, 3, 2, 3), NULL, wrong, (long[]){0, 0}));
  CHECK_ERROR("x's channels, its last dimension, must be a multiple of groups");
  CHECK(!tensor_conv_transpose2d(zeros(2, 5, 5, 4), w, zeros(1, 1, 1, 1), wrong, (long[]){0, 0}));
  CHECK_ERROR("bias must be (6)");
  wrong.groups = -1;
  CHECK(!tensor_conv2d(x, w, NULL, wrong));
  CHECK_ERROR("groups must be a whole number from 1 to 2147483647, got -1");
  wrong = one, wrong.padding[0] = 4;
  CHECK(!tensor_conv_transpose2d(zeros(2, 5, 5, 4), w, NULL, wrong, (long[]){0, 0}));
  CHECK_ERROR("leaves no image");
  wrong = one, wrong.padding[0] = wrong.padding[1] = 0x7fffffff;
  CHECK(!tensor_conv2d(x, w, NULL, wrong));
  CHECK_ERROR("out of memory");
}

int main(void) {
  check_bits_on_all(LAYERS, passes); /* first: before there are threads */
  random_seed(1);
  random_shapes();
  odd_shapes();
  check_bits_on_threads(LAYERS, passes);
  for (int i = 0; i < LAYERS; i++) check_warm_step(i, passes);
  for (int i = 0; i < SMALL; i++) check_full_memory(i, passes);
  wrong_shapes_are_explained();
  return test_done();
}
