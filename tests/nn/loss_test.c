/* Losses against PyTorch 2 (float64), for inputs (3,4): x_i = 1.5 sin(2 i + 1), y_i = cos(3 i), bits_i = 1 where 3 divides i,
 * i from 0; labels {2, 4, 1}; p = softmax(y). */
#include "test.h"

enum { N = 3, C = 4 };

static Tensor *made(double (*value)(int i)) {
  real values[N * C];
  for (int i = 0; i < N * C; i++) values[i] = (real)value(i);
  return tensor_from(2, (long[]){N, C}, values);
}

static double x_value(int i) {
  return 1.5 * sin(2 * i + 1);
}

static double y_value(int i) {
  return cos(3 * i);
}

static double bit(int i) {
  return i % 3 == 0;
}

static double signs(int i) {
  return i % 3 == 0 ? 1 : -1;
}

static Tensor *named(const char *name) {
  if (!strcmp(name, "x")) return made(x_value);
  if (!strcmp(name, "y")) return made(y_value);
  if (!strcmp(name, "unit")) return tensor_sigmoid(made(x_value));
  if (!strcmp(name, "log_p")) return tensor_log_softmax(made(x_value), -1);
  if (!strcmp(name, "p")) return tensor_softmax(made(y_value), -1);
  if (!strcmp(name, "logp2")) return tensor_log_softmax(made(y_value), -1);
  if (!strcmp(name, "bits")) return made(bit);
  if (!strcmp(name, "signs")) return made(signs);
  return tensor_from(1, (long[]){N}, (real[]){2, 4, 1});
}

static const struct {
  const char *name;
  double option; /* after the reduction */
  const char *input, *target;
  double mean, sum, first, last; /* first and last with reduction none */
  double grad[N * C];            /* of the mean */
} cases[] = {
    {"MSELoss",
     0,
     "x",
     "y",
     1.69353121,
     20.3223745,
     0.0687522367,
     1.5776713,
     {0.0437010795, 0.200278751, -0.39975945, 0.316101693, -0.0376127051, -0.123382899, -0.0050110255, 0.25386017, -0.311045874,
      0.0861591039, 0.183455335, -0.20934231}},
    {"L1Loss",
     0,
     "x",
     "y",
     1.0848552,
     13.0182624,
     0.262206477,
     1.25605386,
     {0.0833333333, 0.0833333333, -0.0833333333, 0.0833333333, -0.0833333333, -0.0833333333, -0.0833333333, 0.0833333333,
      -0.0833333333, 0.0833333333, 0.0833333333, -0.0833333333}},
    {"CrossEntropyLoss",
     0,
     "x",
     "labels",
     1.94872164,
     5.84616493,
     1.82763836,
     3.10551534,
     {0.153243949, -0.279735715, 0.0102927339, 0.116199032, 0.0935857122, 0.0112538995, 0.0947224041, -0.199562016, -0.318399525,
      0.0790863036, 0.221563084, 0.0177501379}},
    {"CrossEntropyLoss",
     0.1,
     "x",
     "labels",
     1.93594527,
     5.80783581,
     1.82328186,
     2.9920964,
     {0.144910616, -0.254735715, 0.0019594006, 0.107865699, 0.0852523789, 0.00292056612, 0.0863890708, -0.174562016, -0.293399525,
      0.0707529703, 0.21322975, 0.00941680459}},
    {"CrossEntropyLoss",
     0,
     "x",
     "p",
     1.83466987,
     5.5040096,
     2.01496548,
     2.07538693,
     {0.00480305113, 0.033306274, -0.132352002, 0.0942426768, -0.0524731555, -0.0181306166, -0.0268454399, 0.097449212,
      -0.100101552, 0.0228860235, 0.133741087, -0.0565255589}},
    {"CrossEntropyLoss",
     0.2,
     "x",
     "p",
     1.83192747,
     5.49578242,
     1.96878706,
     2.05457474,
     {0.0178245641, 0.0206978762, -0.120489721, 0.0819672811, -0.0399280486, -0.0289203801, -0.0191985377, 0.0880469665,
      -0.0937611462, 0.0174594128, 0.13463882, -0.0583370862}},
    {"NLLLoss",
     0,
     "log_p",
     "labels",
     1.94872164,
     5.84616493,
     1.82763836,
     3.10551534,
     {0, -0.333333333, 0, 0, 0, 0, 0, -0.333333333, -0.333333333, 0, 0, 0}},
    {"BCELoss",
     0,
     "unit",
     "bits",
     0.592464605,
     7.10957526,
     0.249223564,
     0.247656379,
     {-0.10691907, 0.1863127, 0.103109198, -0.114438338, 0.237961971, 0.101927786, -0.127704865, 0.304359344, 0.103035968,
      -0.149888609, 0.375648362, 0.106751639}},
    {"BCEWithLogitsLoss",
     1,
     "x",
     "bits",
     0.592464605,
     7.10957526,
     0.249223564,
     0.247656379,
     {-0.0183828578, 0.0460602733, 0.0159829455, -0.0226504839, 0.0541503323, 0.0152023096, -0.0289544773, 0.0605167365,
      0.0159350787, -0.0370026315, 0.0648467774, 0.0182809886}},
    {"BCEWithLogitsLoss",
     2.5,
     "x",
     "bits",
     0.790005616,
     9.48006739,
     0.623058911,
     0.247656379,
     {-0.0459571444, 0.0460602733, 0.0159829455, -0.0566262097, 0.0541503323, 0.0152023096, -0.0723861932, 0.0605167365,
      0.0159350787, -0.0925065788, 0.0648467774, 0.0182809886}},
    {"HingeLoss",
     0,
     "x",
     "signs",
     0.684977224,
     8.21972669,
     0,
     0,
     {0, 0.0833333333, 0, -0.0833333333, 0.0833333333, 0, -0.0833333333, 0.0833333333, 0, -0.0833333333, 0.0833333333, 0}},
    {"KLDivLoss",
     0,
     "log_p",
     "p",
     0.157721108,
     1.89265329,
     -0.014180947,
     0.318952584,
     {-0.0371102246, -0.005072836, -0.035661184, -0.00548908879, -0.0365147169, -0.00734612902, -0.030391961, -0.00908052639,
      -0.0287588399, -0.01405007, -0.0219554992, -0.0185689242}},
    {"KLDivLoss",
     1,
     "log_p",
     "logp2",
     0.157721108,
     1.89265329,
     -0.014180947,
     0.318952584,
     {-0.0371102246, -0.005072836, -0.035661184, -0.00548908879, -0.0365147169, -0.00734612902, -0.030391961, -0.00908052639,
      -0.0287588399, -0.01405007, -0.0219554992, -0.0185689242}},
};

static Tensor *call(const char *name, int reduction, double option, Tensor *input, Tensor *target) {
  return losses_find(name)->forward((Param[2]){[0] = {.number = reduction}, [1] = {.number = option}}, input, target);
}

static void test_values(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    size_t scope = scope_enter();
    Tensor *input = named(cases[k].input), *target = named(cases[k].target);
    tensor_set_requires_grad(input, true);
    Tensor *mean = call(cases[k].name, REDUCTION_MEAN, cases[k].option, input, target);
    CHECK_NEAR(tensor_item(mean), cases[k].mean, 2e-6);
    CHECK_NEAR(tensor_item(call(cases[k].name, REDUCTION_SUM, cases[k].option, input, target)), cases[k].sum, 2e-5);
    Tensor *none = call(cases[k].name, REDUCTION_NONE, cases[k].option, input, target);
    CHECK(none && none->shape[0] == N && none->ndim == (tensor_numel(none) == N ? 1 : 2));
    CHECK_NEAR((double)none->data[0], cases[k].first, 2e-6);
    CHECK_NEAR((double)none->data[tensor_numel(none) - 1], cases[k].last, 2e-6);
    CHECK(tensor_backward(mean, NULL, 0, NULL, 0));
    for (int i = 0; i < N * C; i++) CHECK_NEAR((double)tensor_grad(input)->data[i], cases[k].grad[i], 1e-6);
    scope_leave(scope, NULL);
  }
}

/* Second derivatives: of the sum of squares of the gradient, against central differences. */
static double penalty(const char *name, Tensor *input, Tensor *target, Tensor **grad) {
  Tensor *g;
  tensor_set_requires_grad(input, true);
  if (!tensor_gradients(loss_call(name, input, target), NULL, 1, &input, GRAD_CREATE_GRAPH, &g)) return NAN;
  Tensor *squares = tensor_sum(tensor_square(g), 0, NULL, false);
  if (grad && !tensor_gradients(squares, NULL, 1, &input, 0, grad)) return NAN;
  return tensor_item(squares);
}

static void test_second(const char *name, const char *from, const char *to) {
  size_t scope = scope_enter();
  Tensor *input = named(from), *target = named(to), *grad = NULL;
  penalty(name, input, target, &grad);
  for (int i = 0; i < N * C && grad; i += 5) {
    const double h = sizeof(real) == 8 ? 1e-5 : 3e-3;
    double side[2];
    for (int s = 0; s < 2; s++) {
      Tensor *moved = tensor_from(2, input->shape, input->data);
      moved->data[i] += (real)(s ? h : -h);
      side[s] = penalty(name, moved, target, NULL);
    }
    double slope = (side[1] - side[0]) / (2 * h);
    CHECK_NEAR((double)grad->data[i], slope, (sizeof(real) == 8 ? 1e-6 : 1e-3) * (1 + fabs(slope)));
  }
  CHECK(grad != NULL);
  scope_leave(scope, NULL);
}

static Tensor *four(double a, double b, double c, double d) {
  return tensor_from(1, (long[]){4}, (real[]){(real)a, (real)b, (real)c, (real)d});
}

static void test_extremes(void) {
  Tensor *logits = four(200, -200, 200, -200), *targets = four(1, 0, 0, 1);
  tensor_set_requires_grad(logits, true);
  Tensor *loss = loss_call("BCEWithLogitsLoss", logits, targets);
  CHECK_NEAR(tensor_item(loss), 100, 1e-4);
  CHECK(tensor_backward(loss, NULL, 0, NULL, 0));
  CHECK_NEAR((double)tensor_grad(logits)->data[0], 0, 1e-7);
  CHECK_NEAR((double)tensor_grad(logits)->data[3], -0.25, 1e-7);
  Tensor *sure = four(1, 0, 1, 0);
  tensor_set_requires_grad(sure, true);
  loss = loss_call("BCELoss", sure, targets);
  CHECK_NEAR(tensor_item(loss), 50, 1e-4); /* two wrong, each bounded at 100 */
  CHECK(tensor_backward(loss, NULL, 0, NULL, 0));
  for (int i = 0; i < 4; i++) CHECK(isfinite((double)tensor_grad(sure)->data[i]));
  CHECK(isnan(tensor_item(loss_call("BCELoss", four(NAN, 0, 1, 0), targets))));
  CHECK(isnan(tensor_item(loss_call("BCEWithLogitsLoss", four(NAN, 0, 1, 0), targets))));
  CHECK_NEAR(tensor_item(loss_call("CrossEntropyLoss", tensor_reshape(four(1e4, 0, -1e4, 0), 2, (long[]){1, 4}),
                                   tensor_full(3, 1, (long[]){1}))),
             2e4, 1);
  CHECK_NEAR(tensor_item(loss_call("CrossEntropyLoss", four(0, 0, 0, 0), tensor_scalar(3))), log(4), 1e-6);
  Tensor *some = four(0, 0.5, 0.5, 0), *even = tensor_log(four(0.25, 0.25, 0.25, 0.25));
  CHECK_NEAR(tensor_item(call("KLDivLoss", REDUCTION_SUM, 0, even, some)), log(2), 1e-6);
  CHECK_NEAR(tensor_item(call("KLDivLoss", REDUCTION_NONE + 1, 0, named("log_p"), named("p"))), 0.63088443163, 2e-6);
  CHECK_NEAR(tensor_item(loss_call("MSELoss", four(1, 2, 3, 4), tensor_scalar(1))), 14 / 4.0, 1e-6);
}

/* Logits of pictures: a label for each pixel. */
static void test_pixels(void) {
  Tensor *logits = tensor_randn(4, (long[]){2, 3, 3, 5}), *labels = tensor_randint(1, 5, 3, (long[]){2, 3, 3});
  Tensor *flat = tensor_reshape(logits, 2, (long[]){18, 5}), *rows = tensor_reshape(labels, 1, (long[]){18});
  CHECK_NEAR(tensor_item(loss_call("CrossEntropyLoss", logits, labels)), tensor_item(loss_call("CrossEntropyLoss", flat, rows)), 0);
}

static void test_refused(void) {
  Tensor *x = named("x"), *labels = named("labels");
  CHECK(!loss_call("MSELoss", x, labels));
  CHECK_ERROR("MSELoss(input, target): both must have the same shape, got (3,4) and (3)");
  labels->data[1] = 5;
  CHECK(!loss_call("CrossEntropyLoss", x, labels));
  CHECK_ERROR("CrossEntropyLoss(input, target): label 5 at position 2; labels are whole numbers from 1 to 4 for input (3,4)");
  labels->data[1] = 0;
  CHECK(!loss_call("NLLLoss", x, labels));
  CHECK_ERROR("NLLLoss(input, target): label 0 at position 2");
  labels->data[1] = (real)1.5;
  CHECK(!loss_call("CrossEntropyLoss", x, labels));
  CHECK_ERROR("label 1.5 at position 2");
  CHECK(!loss_call("CrossEntropyLoss", x, four(1, 2, 3, 4)));
  CHECK_ERROR(
      "CrossEntropyLoss(input, target): target must hold a label for each row, or probabilities: shape (3) or (3,4) for input "
      "(3,4), got (4)");
  CHECK(!loss_call("NLLLoss", x, x));
  CHECK_ERROR("NLLLoss(input, target): target must hold a label for each row: shape (3) for input (3,4), got (3,4)");
  CHECK(!call("CrossEntropyLoss", REDUCTION_MEAN, 1.5, x, named("p")));
  CHECK_ERROR("CrossEntropyLoss: label_smoothing must lie between 0 and 1, got 1.5");
  CHECK(!loss_call("BCELoss", x, named("bits")));
  CHECK_ERROR("BCELoss(input, target): input must lie between 0 and 1, got 1.26");
  CHECK(!loss_call("Huber", x, x));
  CHECK_ERROR("loss_call: there is no loss called Huber");
}

/* The ops of losses against what they stand for, forward and in passes without and with a graph; logits of any size. */
static void losses_are_one_op(void) {
  const long classes[] = {1, 2, 10, 65, 300}, last = -1;
  for (int i = 0; i < 5; i++) {
    size_t scope = scope_enter();
    Tensor *x = tensor_scale(tensor_randn(2, (long[]){7, classes[i]}), 30), *labels = tensor_randint(1, classes[i], 1, (long[]){7});
    Tensor *g = tensor_randn(1, (long[]){7}), *t = tensor_rand(2, x->shape), *h = tensor_randn(2, x->shape);
    tensor_set_requires_grad(x, true);
    Tensor *log_p = tensor_log_softmax(x, last), *column = tensor_reshape(labels, 2, (long[]){7, 1});
    Tensor *picked = tensor_neg(tensor_flatten(tensor_gather(log_p, last, column), 0, 1)), *one = tensor_cross_entropy(x, labels);
    Tensor *yes = tensor_mul(tensor_scale(t, 3), tensor_softplus(tensor_neg(x)));
    Tensor *pair = tensor_add(yes, tensor_mul(tensor_shift(tensor_neg(t), 1), tensor_softplus(x)));
    Tensor *both = tensor_bce_with_logits(x, t, 3), *want[2], *got[2], *graph[2];
    for (int k = 0; k < 2; k++) {
      Tensor *seed = k ? h : g;
      CHECK(tensor_gradients(k ? pair : picked, seed, 1, &x, GRAD_RETAIN_GRAPH, &want[k]));
      CHECK(tensor_gradients(k ? both : one, seed, 1, &x, GRAD_RETAIN_GRAPH, &got[k]));
      CHECK(tensor_gradients(k ? both : one, seed, 1, &x, GRAD_CREATE_GRAPH, &graph[k]));
    }
    for (long n = 0; n < 7; n++) CHECK_NEAR((double)one->data[n], (double)picked->data[n], 1e-5 * (1 + (double)picked->data[n]));
    for (long n = 0; n < tensor_numel(x); n++) {
      CHECK_NEAR((double)both->data[n], (double)pair->data[n], 1e-5 * (1 + (double)pair->data[n]));
      for (int k = 0; k < 2; k++) {
        CHECK_NEAR((double)got[k]->data[n], (double)want[k]->data[n], 1e-5);
        CHECK_NEAR((double)graph[k]->data[n], (double)want[k]->data[n], 1e-5);
      }
    }
    scope_leave(scope, NULL);
  }
  CHECK(tensor_cross_entropy(tensor_ones(2, (long[]){2, 3}), tensor_ones(1, (long[]){3})) == NULL);
  CHECK_ERROR("cross_entropy(x, labels): labels must be a number for each row of x (...,C), got (3) for x (2,3)");
}

int main(void) {
  size_t scope = scope_enter();
  test_values();
  test_second("MSELoss", "x", "y");
  test_second("CrossEntropyLoss", "x", "labels");
  test_second("CrossEntropyLoss", "x", "p");
  test_second("BCELoss", "unit", "bits");
  test_second("BCEWithLogitsLoss", "x", "bits");
  test_extremes();
  test_pixels();
  test_refused();
  scope_leave(scope, NULL);
  CHECK(memory_use().live == 0);
  losses_are_one_op();
  return test_done();
}
