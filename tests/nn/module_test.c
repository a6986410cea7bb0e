/* Modules, layers and initialisation: what they contain, what they compute, how they say that something does not fit. */
#include <stdlib.h>

#include "test.h"

static Tensor *weight(Module *m, const char *name) {
  for (int i = 0; i < m->tensors; i++)
    if (!strcmp(m->tensor[i].name, name)) return m->tensor[i].tensor;
  return NULL;
}

static double largest(Tensor *t) {
  double most = 0;
  for (long i = 0; i < tensor_numel(t); i++)
    if (fabs((double)t->data[i]) > most) most = fabs((double)t->data[i]);
  return most;
}

static double mean_square(Tensor *t) {
  if (!t) return NAN;
  double sum = 0;
  for (long i = 0; i < tensor_numel(t); i++) sum += (double)t->data[i] * (double)t->data[i];
  return sum / (double)tensor_numel(t);
}

static Module *chain(int n, Module **parts) { /* takes the parts over */
  Module *m = module_sequential(n, parts);
  for (int i = 0; i < n; i++) module_drop(parts[i]);
  return m;
}

static Module *small_net(void) {
  Module *inner[] = {module_make("Linear", 6, 4, NN_END), module_make("BatchNorm", 4, NN_END)};
  return chain(3, (Module *[]){module_make("Linear", 3, 6, NN_END), module_make("ReLU", NN_END), chain(2, inner)});
}

/* ---- what a network contains ---- */

static bool note(void *data, const char *name, Module *owner, Named *entry) {
  char *text = data;
  (void)owner;
  sprintf(text + strlen(text), "%s%s ", name, entry->buffer ? "*" : "");
  return true;
}

static void test_visit(void) {
  Module *net = small_net();
  char names[400] = "";
  CHECK(module_visit(net, note, names));
  CHECK(!strcmp(names, "1.weight 1.bias 3.1.weight 3.1.bias 3.2.weight 3.2.bias 3.2.running_mean* 3.2.running_var* "));
  int n;
  Tensor **list = module_parameters(net, &n);
  CHECK(n == 6);
  for (int i = 0; i < n; i++) CHECK(tensor_requires_grad(list[i]) && tensor_is_leaf(list[i]));
  memory_free(list);
  CHECK(!tensor_requires_grad(weight(net->child[2].module->child[1].module, "running_mean")));
  CHECK(net->training && net->child[2].module->child[1].module->training);
  module_train(net, false);
  CHECK(!net->training && !net->child[2].module->child[1].module->training);
  module_drop(net);
}

static void test_shared(void) {
  Module *part = module_make("Linear", 3, 3, NN_END), *net = module_sequential(3, (Module *[]){part, part, part});
  char names[100] = "";
  int n;
  module_visit(net, note, names);
  CHECK(!strcmp(names, "1.weight 1.bias "));
  memory_free(module_parameters(net, &n));
  CHECK(n == 2);
  Module *other = module_make("Linear", 3, 3, NN_END); /* tied weights: one tensor in two modules */
  CHECK(module_add_tensor(other, "weight", weight(part, "weight"), false));
  CHECK(module_add_child(net, "4", other));
  memory_free(module_parameters(net, &n));
  CHECK(n == 3);
  char *text = module_text(net);
  CHECK(strstr(text, "shared") && strstr(text, "total: 15 parameters"));
  memory_free(text);
  module_drop(part), module_drop(other), module_drop(net);
}

static void test_nesting(void) {
  Module *a = module_make("Sequential", NN_END), *b = module_sequential(1, &a);
  CHECK(!module_add_child(a, "1", b));
  CHECK_ERROR("Sequential.1: a module cannot contain itself");
  CHECK(!module_add_child(a, "1", a));
  CHECK_ERROR("Sequential.1: a module cannot contain itself");
  Module *relu = module_make("ReLU", NN_END);
  CHECK(!module_add_child(a, "a.b", relu) && a->children == 0);
  CHECK_ERROR("Sequential: 'a.b' cannot be the name of a part");
  module_drop(relu), module_drop(a);
  for (int i = 0; i < MODULE_DEPTH + 5 && b; i++) b = chain(1, &b);
  CHECK(!b);
  CHECK_ERROR("modules nest less than 100 deep");
  Module *double_chain = module_make("ReLU", NN_END); /* 2^60 roads lead down: walks meet each module once */
  for (int i = 0; i < 60; i++) {
    Module *twice = module_sequential(2, (Module *[]){double_chain, double_chain});
    module_drop(double_chain);
    double_chain = twice;
  }
  int n;
  module_train(double_chain, false);
  memory_free(module_parameters(double_chain, &n));
  memory_free(module_text(double_chain));
  CHECK(n == 0);
  module_drop(double_chain);
}

static int freed;

static void count_free(void *data) {
  freed += *(int *)data;
}

/* A script's own module: x + fc(x). */
static Tensor *residual(Module *m, int n, Tensor *const *x) {
  if (n != 1) return nn_fail("takes one tensor");
  return tensor_add(x[0], module_forward(m->child[0].module, x[0]));
}

static Tensor *nothing(Module *m, int n, Tensor *const *x) {
  (void)m, (void)n, (void)x;
  return NULL;
}

static Tensor *itself(Module *m, int n, Tensor *const *x) {
  return module_call(m, n, x);
}

static Module *residual_new(int *data) {
  Module *m = module_custom("Residual", residual, data, count_free), *fc = module_make("Linear", 4, 4, NN_END);
  module_add_child(m, "fc", fc);
  module_drop(fc);
  return m;
}

static void test_custom(void) {
  int one = 1;
  Module *net = chain(3, (Module *[]){module_make("Linear", 3, 4, NN_END), residual_new(&one), residual_new(&one)});
  char names[200] = "";
  module_visit(net, note, names);
  CHECK(!strcmp(names, "1.weight 1.bias 2.fc.weight 2.fc.bias 3.fc.weight 3.fc.bias "));
  size_t scope = scope_enter();
  Tensor *y = module_forward(net, tensor_randn(2, (long[]){5, 3}));
  CHECK(y && y->shape[0] == 5 && y->shape[1] == 4);
  CHECK(tensor_backward(tensor_sum(y, 0, NULL, false), NULL, 0, NULL, 0));
  Tensor *deep = weight(net->child[2].module->child[0].module, "weight");
  CHECK(tensor_grad(deep) != NULL);
  module_zero_grad(net);
  CHECK(tensor_grad(deep) == NULL);
  CHECK(!module_call(net->child[1].module, 2, (Tensor *[]){y, y}));
  CHECK_ERROR("Residual: takes one tensor");
  Module *bad = module_custom("Silent", nothing, NULL, NULL), *loop = module_custom("Loop", itself, NULL, NULL);
  CHECK(!module_forward(bad, y));
  CHECK_ERROR("Silent: forward returned no tensor");
  CHECK(!module_forward(loop, y));
  CHECK_ERROR("calls of modules nest more than 100 deep; does its forward call itself?");
  scope_leave(scope, NULL);
  module_drop(bad), module_drop(loop), module_drop(net);
  CHECK(freed == 2);
}

static void test_parts(void) {
  size_t scope = scope_enter();
  Module *m = module_make("Linear", 2, 2, NN_END);
  Tensor *w = weight(m, "weight"), *other = tensor_zeros(2, w->shape);
  CHECK(!module_add_tensor(m, "sum", tensor_neg(w), false));
  CHECK_ERROR("Linear.sum: a parameter must be a leaf");
  CHECK(!module_add_tensor(m, "a.b", other, false));
  CHECK_ERROR("Linear: 'a.b' cannot be the name of a part");
  CHECK(module_add_tensor(m, "weight", other, false) && m->tensors == 2 && weight(m, "weight") == other);
  CHECK(tensor_requires_grad(other));
  module_drop(m);
  scope_leave(scope, NULL);
}

/* ---- as text ---- */

static void test_text(void) {
  Module *net = chain(4, (Module *[]){module_make("Linear", 100, 1000, 0, NN_END), module_make("LeakyReLU", 0.3, NN_END),
                                      module_make("Dropout", NN_END), residual_new(&(int){0})});
  module_add_child(net, "4", net->child[1].module); /* the same name: replaces */
  char *text = module_text(net);
  CHECK(!strcmp(text, "layer                               output  parameters\n"
                      "Sequential                          -                -\n"
                      "  1  Linear(100, 1000, bias=false)  -          100,000\n"
                      "  2  LeakyReLU(0.3)                 -                -\n"
                      "  3  Dropout()                      -                -\n"
                      "  4  LeakyReLU(0.3)                 -           shared\n"
                      "total: 100,000 parameters, 0.4 MB") ||
        sizeof(real) == 8);
  memory_free(text);
  size_t scope = scope_enter();
  CHECK(module_forward(net, tensor_zeros(2, (long[]){7, 100})) != NULL);
  scope_leave(scope, NULL);
  tensor_set_requires_grad(weight(net->child[0].module, "weight"), false);
  text = module_text(net);
  CHECK(strstr(text, "  1  Linear(100, 1000, bias=false)  (N,1000)     100,000\n") != NULL);
  CHECK(strstr(text, ", 100,000 of them frozen") != NULL);
  memory_free(text);
  module_drop(net);
  Module *conv = module_make("Conv2d", 3, 8, 4, 2, 1, NN_END);
  CHECK(!strcmp(module_label(conv), "Conv2d(3, 8, 4, stride=2, padding=1)"));
  module_drop(conv);
  Module *pool = module_make("MaxPool2d", 2, NN_END);
  CHECK(!strcmp(module_label(pool), "MaxPool2d(2)"));
  module_drop(pool);
  Module *reshape = module_make("Reshape", 7, 7, 256, NN_END);
  CHECK(!strcmp(module_label(reshape), "Reshape(7, 7, 256)"));
  module_drop(reshape);
  Module *unflatten = module_make("Unflatten", 1, 2, 3, NN_END);
  CHECK(!strcmp(module_label(unflatten), "Unflatten(2, {2, 3})"));
  module_drop(unflatten);
}

static void test_road(void) {
  Module *inner = chain(2, (Module *[]){module_make("Linear", 5, 4, NN_END), module_make("ReLU", NN_END)});
  Module *net = chain(3, (Module *[]){module_make("Linear", 3, 4, NN_END), module_make("Tanh", NN_END), inner});
  size_t scope = scope_enter();
  Tensor *x = tensor_randn(2, (long[]){8, 3});
  CHECK(!module_forward(net, x));
  CHECK_ERROR("layer 3.1 (Linear(5, 4)): wants x of shape (...,5), got (8,4)\n"
              "    1    Linear(3, 4)  (8,4)\n"
              "    2    Tanh()        (8,4)\n"
              "  > 3.1  Linear(5, 4)  got (8,4)");
  CHECK(!module_forward(net->child[0].module, tensor_randn(1, (long[]){2})));
  CHECK_ERROR("Linear(3, 4): wants x of shape (...,3), got (2)");
  Module *conv = module_make("Conv2d", 3, 8, 5, NN_END);
  CHECK(!module_forward(conv, x));
  CHECK_ERROR("Conv2d(3, 8, 5): wants x of shape (N,H,W,3), got (8,3)");
  CHECK(!module_forward(conv, tensor_zeros(4, (long[]){1, 4, 4, 3})));
  CHECK_ERROR("Conv2d(3, 8, 5): conv2d(");
  module_drop(conv);
  module_drop(net);
  scope_leave(scope, NULL);
}

static const struct {
  const char *layer;
  double numbers[8];
  const char *error;
} wrong[] = {
    {"Linear", {3, NN_END}, "Linear(in_features:integer, out_features:integer, bias:boolean=true): out_features is missing"},
    {"Linear", {0, 3, NN_END}, "nn.Linear: in_features must be a whole number of at least 1, got 0"},
    {"Linear", {2.5, 3, NN_END}, "nn.Linear: in_features must be a whole number of at least 1, got 2.5"},
    {"Linear", {1e9, 1e9, NN_END}, "out of memory"},
    {"Conv2d", {3, 8, 0, NN_END}, "nn.Conv2d: kernel_size must be a whole number of at least 1, got 0"},
    {"Conv2d", {3, 8, 3, 1, -1, NN_END}, "nn.Conv2d: padding must be a whole number of at least 0, got -1"},
    {"Conv2d", {3, 8, 3, 1, 0, 1, 0, NN_END}, "nn.Conv2d: groups must be a whole number of at least 1, got 0"},
    {"Conv2d",
     {3, 8, 3, 1, 0, 1, 2, NN_END},
     "nn.Conv2d: in_channels and out_channels must be multiples of groups, got 3, 8 and 2"},
    {"ConvTranspose2d", {4, 6, 3, 1, 0, 0, 4, NN_END}, "out_channels must be multiples of groups, got 4, 6 and 4"},
    {"ConvTranspose2d", {3, 8, 3, 0, NN_END}, "nn.ConvTranspose2d: stride must be a whole number of at least 1, got 0"},
    {"BatchNorm", {-1, NN_END}, "nn.BatchNorm: num_features must be a whole number of at least 1, got -1"},
    {"Embedding", {3, 0, NN_END}, "nn.Embedding: embedding_dim must be a whole number of at least 1, got 0"},
    {"Dropout", {1.5, NN_END}, "nn.Dropout: p must lie between 0 and 1, got 1.5"},
    {"MaxPool2d", {0, NN_END}, "nn.MaxPool2d: kernel_size must be a whole number of at least 1, got 0"},
    {"Upsample", {NN_END}, "nn.Upsample: give either size or scale_factor"},
    {"Convolution", {NN_END}, "module_make: there is no layer called Convolution"},
};

static void test_refused(void) {
  size_t before = memory_use().live;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK(!module_from(wrong[i].layer, wrong[i].numbers));
    CHECK_ERROR(wrong[i].error);
  }
  CHECK(memory_use().live == before);
}

/* ---- what layers compute; their gradients are those of the ops ---- */

static void test_shapes(void) {
  static const struct {
    const char *layer;
    double numbers[8];
    int ndim, out_ndim;
    long in[4], out[4];
  } shapes[] = {
      {"Linear", {3, 4, NN_END}, 3, 3, {2, 5, 3}, {2, 5, 4}},
      {"Conv2d", {3, 8, 4, 2, 1, NN_END}, 4, 4, {2, 8, 6, 3}, {2, 4, 3, 8}},
      {"Conv2d", {4, 8, 3, 2, 1, 1, 4, NN_END}, 4, 4, {2, 8, 6, 4}, {2, 4, 3, 8}},
      {"ConvTranspose2d", {6, 4, 5, 2, 2, 1, 2, NN_END}, 4, 4, {2, 4, 3, 6}, {2, 8, 6, 4}},
      {"ConvTranspose2d", {3, 8, 5, 2, 2, 1, NN_END}, 4, 4, {2, 4, 3, 3}, {2, 8, 6, 8}},
      {"BatchNorm", {3, NN_END}, 4, 4, {2, 4, 3, 3}, {2, 4, 3, 3}},
      {"LayerNorm", {3, NN_END}, 2, 2, {2, 3}, {2, 3}},
      {"MaxPool2d", {2, NN_END}, 4, 4, {2, 4, 6, 3}, {2, 2, 3, 3}},
      {"AvgPool2d", {3, 1, NN_END}, 4, 4, {2, 4, 6, 3}, {2, 2, 4, 3}},
      {"Upsample", {7, NN_END}, 4, 4, {2, 4, 6, 3}, {2, 7, 7, 3}},
      {"Flatten", {NN_END}, 4, 2, {2, 4, 6, 3}, {2, 72}},
      {"Flatten", {NN_END}, 1, 1, {2}, {2}},
      {"Reshape", {-1, 6, NN_END}, 2, 3, {5, 12}, {5, 2, 6}},
      {"Unflatten", {1, 3, 4, NN_END}, 2, 3, {5, 12}, {5, 3, 4}},
      {"Softmax", {NN_END}, 2, 2, {5, 12}, {5, 12}},
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    size_t scope = scope_enter();
    Module *m = module_from(shapes[i].layer, shapes[i].numbers);
    Tensor *y = m ? module_forward(m, tensor_randn(shapes[i].ndim, shapes[i].in)) : NULL;
    CHECK(y && y->ndim == shapes[i].out_ndim && !memcmp(y->shape, shapes[i].out, (size_t)y->ndim * sizeof(long)));
    if (!y) printf("%s\n", shapes[i].layer);
    nn_clear_error();
    module_drop(m);
    scope_leave(scope, NULL);
  }
}

static void test_modes(void) {
  size_t scope = scope_enter();
  Tensor *x = tensor_randn(2, (long[]){64, 3});
  Module *drop = module_make("Dropout", 0.5, NN_END), *norm = module_make("BatchNorm", 3, NN_END);
  CHECK(mean_square(tensor_sub(module_forward(drop, x), x)) > 0.1);
  module_train(drop, false);
  CHECK(mean_square(tensor_sub(module_forward(drop, x), x)) == 0);
  Tensor *y = module_forward(norm, tensor_shift(x, 5));
  CHECK_NEAR(mean_square(y), 1, 1e-3);
  CHECK(largest(weight(norm, "running_mean")) > 0.4);
  module_train(norm, false);
  CHECK(mean_square(module_forward(norm, tensor_shift(x, 5))) > 10);
  module_drop(drop), module_drop(norm);
  scope_leave(scope, NULL);
}

/* ---- initialisation ---- */

/* Uniform in -bounds..bounds, and fills it. */
static void check_uniform(Tensor *t, double bound) {
  CHECK(t && largest(t) <= bound * (1 + 1e-6) && largest(t) > 0.97 * bound);
  CHECK_NEAR(mean_square(t) / (bound * bound / 3), 1, 0.1);
}

static void test_defaults(void) {
  Module *linear = module_make("Linear", 50, 400, NN_END), *conv = module_make("Conv2d", 20, 400, 3, NN_END);
  Module *transposed = module_make("ConvTranspose2d", 20, 400, 3, NN_END), *embedding = module_make("Embedding", 100, 100, NN_END);
  check_uniform(weight(linear, "weight"), 1 / sqrt(50));
  check_uniform(weight(linear, "bias"), 1 / sqrt(50));
  check_uniform(weight(conv, "weight"), 1 / sqrt(20 * 9));
  check_uniform(weight(conv, "bias"), 1 / sqrt(20 * 9));
  check_uniform(weight(transposed, "weight"), 1 / sqrt(400 * 9));
  check_uniform(weight(transposed, "bias"), 1 / sqrt(400 * 9));
  CHECK_NEAR(mean_square(weight(embedding, "weight")), 1, 0.05);
  CHECK(weight(conv, "weight")->shape[2] == 20 && weight(transposed, "weight")->shape[3] == 20);
  module_drop(linear), module_drop(conv), module_drop(transposed), module_drop(embedding);
  Module *plain = module_make("Conv2d", 1, 1, 1, 1, 0, 1, 1, 0, NN_END), *norm = module_make("BatchNorm", 5, NN_END);
  CHECK(!weight(plain, "bias") && plain->tensors == 2);
  CHECK_NEAR((double)weight(norm, "weight")->data[4], 1, 0);
  CHECK_NEAR((double)weight(norm, "bias")->data[4], 0, 0);
  CHECK_NEAR((double)weight(norm, "running_var")->data[4], 1, 0);
  module_drop(plain), module_drop(norm);
}

static void test_init(void) {
  size_t scope = scope_enter();
  Tensor *matrix = tensor_zeros(2, (long[]){300, 100}), *kernel = tensor_zeros(4, (long[]){3, 3, 30, 60});
  CHECK(init_xavier_uniform(matrix, 2));
  check_uniform(matrix, 2 * sqrt(6.0 / 400));
  CHECK(init_xavier_uniform(kernel, 1));
  check_uniform(kernel, sqrt(6.0 / (9 * 90)));
  CHECK(init_kaiming_uniform(kernel, 0.2));
  check_uniform(kernel, sqrt(2 / 1.04) * sqrt(3.0 / (9 * 30)));
  CHECK(init_kaiming_normal(matrix, 0));
  CHECK_NEAR(mean_square(matrix) * 100 / 2, 1, 0.05);
  CHECK(init_xavier_normal(kernel, 3));
  CHECK_NEAR(mean_square(kernel) / (9 * 2.0 / (9 * 90)), 1, 0.05);
  CHECK(init_normal(matrix, 5, 0.1) && fabs(mean_square(matrix) - 25.01) < 0.1);
  tensor_set_requires_grad(matrix, true);
  CHECK(init_constant(matrix, 3) && largest(matrix) == 3);
  CHECK(!init_kaiming_uniform(tensor_zeros(1, (long[]){3}), 0));
  CHECK_ERROR("init.kaiming_uniform: fans need a weight of 2 or more dimensions, got (3)");
  CHECK(!init_orthogonal(tensor_zeros(2, (long[]){0, 3}), 1));
  CHECK_ERROR("init.orthogonal: a weight without elements, got (0,3)");
  scope_leave(scope, NULL);
}

/* The products of rows, or of columns when there are more rows than columns, are gain^2 times those of the unit matrix. */
static void test_orthogonal(int ndim, const long *shape) {
  size_t scope = scope_enter();
  Tensor *t = tensor_zeros(ndim, shape);
  CHECK(init_orthogonal(t, 2));
  long columns = shape[ndim - 1], rows = tensor_numel(t) / columns;
  Tensor *m = tensor_reshape(t, 2, (long[]){rows, columns}), *turned = tensor_transpose(m, 0, 1);
  Tensor *product = rows > columns ? tensor_matmul(turned, m) : tensor_matmul(m, turned);
  CHECK(largest(tensor_sub(product, tensor_scale(tensor_eye(product->shape[0]), 4))) < 1e-5);
  scope_leave(scope, NULL);
}

/* Every allocation of a step fails once: an error, a network that is whole, and nothing is left over. */
static bool one_step(void) {
  size_t scope = scope_enter();
  Module *net = small_net();
  Optimizer *o = net ? optim_make("Adam", net, 0.1) : NULL;
  Tensor *x = tensor_randn(2, (long[]){4, 3}), *loss = net ? loss_call("MSELoss", module_forward(net, x), tensor_scalar(1)) : NULL;
  bool ok = o && loss && tensor_backward(loss, NULL, 0, NULL, 0) && optim_step(o);
  char *text = ok ? module_text(net) : NULL;
  ok = text != NULL;
  memory_free(text);
  optim_drop(o);
  module_drop(net);
  scope_leave(scope, NULL);
  return ok;
}

static void test_full(void) {
  size_t before = memory_use().live;
  bool ok = false;
  int failures = 0;
  for (int n = 1; !ok && n < 5000; n++) {
    memory_fail_after(n);
    ok = one_step();
    failures += !ok;
    if (ok == nn_failed() || memory_use().live != before) CHECK(!"a failed allocation leaves an error and nothing else");
    nn_clear_error();
    memory_drop_cache();
  }
  memory_fail_after(-1);
  CHECK(ok && failures > 50);
}

int main(void) {
  size_t scope = scope_enter();
  random_seed(3);
  test_visit();
  test_shared();
  test_nesting();
  test_custom();
  test_parts();
  test_text();
  test_road();
  test_refused();
  test_shapes();
  test_modes();
  test_defaults();
  test_init();
  test_orthogonal(2, (long[]){5, 9});
  test_orthogonal(2, (long[]){70, 33});
  test_orthogonal(4, (long[]){3, 3, 4, 7});
  test_full();
  scope_leave(scope, NULL);
  CHECK(memory_use().live == 0);
  return test_done();
}
