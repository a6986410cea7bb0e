/* Layers that nn.Sequential calls together give the bits that they give one by one: results, first and second gradients, and
 * what print() and errors say. */
#include "test.h"

#include <math.h>

enum { MOST = 12 };

typedef struct Case {
  Module *layer, *next;
  long shape[NN_DIMS];
  int ndim;
} Case;

/* Results of a pass: y, the gradients of x and of the parameters, and second derivatives. */
typedef struct Pass {
  Tensor *value[MOST];
  int n;
} Pass;

static void pass_add(Pass *p, Tensor *t) {
  CHECK(t != NULL && p->n < MOST);
  p->value[p->n++] = tensor_keep(t);
}

static void pass_drop(Pass *p) {
  for (int i = 0; i < p->n; i++) tensor_drop(p->value[i]);
  p->n = 0;
}

/* Gradients of a sum of squares of y, and then of a sum of squares of those. */
static void differentiate(Pass *p, Module *layer, Tensor *x, Tensor *y) {
  Tensor *leaf[MOST] = {x}, *grad[MOST], *second[MOST];
  int n = 1, flags[] = {0, GRAD_CREATE_GRAPH};
  for (int i = 0; i < layer->tensors; i++)
    if (layer->tensor[i].tensor && !layer->tensor[i].buffer) leaf[n++] = layer->tensor[i].tensor;
  Tensor *out = tensor_sum(tensor_square(y), 0, NULL, false), *total = NULL;
  for (int pass = 0; pass < 2; pass++) {
    CHECK(tensor_gradients(out, NULL, n, leaf, flags[pass] | GRAD_RETAIN_GRAPH, grad));
    for (int i = 0; i < n && !pass; i++) pass_add(p, grad[i]);
  }
  for (int i = 0; i < n; i++) {
    Tensor *sum = tensor_sum(tensor_square(grad[i]), 0, NULL, false);
    total = total ? tensor_add(total, sum) : sum;
  }
  CHECK(tensor_gradients(total, NULL, n, leaf, 0, second));
  for (int i = 0; i < n; i++) pass_add(p, second[i]);
}

static Tensor *input(const Case *c) {
  random_seed(7);
  Tensor *x = tensor_randn(c->ndim, c->shape);
  CHECK(tensor_set_requires_grad(x, true));
  return x;
}

static void keep_buffers(Pass *p, Module *m) {
  for (int i = 0; i < m->tensors; i++)
    if (m->tensor[i].buffer)
      pass_add(p, tensor_from(m->tensor[i].tensor->ndim, m->tensor[i].tensor->shape, m->tensor[i].tensor->data));
}

static void reset_buffers(Module *m) {
  for (int i = 0; i < m->tensors; i++)
    if (m->tensor[i].buffer) tensor_fill(m->tensor[i].tensor, 1);
}

static void check_same(const Pass *a, const Pass *b, const char *what) {
  CHECK(a->n == b->n);
  for (int i = 0; i < a->n; i++) {
    bool same = tensor_same_shape(a->value[i], b->value[i]) &&
                !memcmp(a->value[i]->data, b->value[i]->data, (size_t)tensor_numel(a->value[i]) * sizeof(real));
    if (!same) printf("%s: value %d of %s differs\n", what, i + 1, tensor_shape_text(a->value[i]));
    CHECK(same);
  }
}

static void run_case(Case c) {
  Pass joined = {.n = 0}, single = {.n = 0};
  char what[200];
  snprintf(what, sizeof what, "%s, %s of %s", module_label(c.layer), module_label(c.next), shape_text(c.ndim, c.shape));
  Module *net = module_sequential(2, (Module *[]){c.layer, c.next});
  size_t scope = scope_enter();
  int ndim = 0;
  long output[NN_DIMS];
  for (int way = 0; way < 2; way++) {
    Pass *p = way ? &single : &joined;
    reset_buffers(c.layer);
    Tensor *x = input(&c), *y = way ? module_forward(c.next, module_forward(c.layer, x)) : module_forward(net, x);
    CHECK(y != NULL);
    if (!y) continue;
    pass_add(p, y);
    keep_buffers(p, c.layer);
    differentiate(p, c.layer, x, y);
    CHECK(c.next->output_ndim == y->ndim && !memcmp(c.next->output, y->shape, (size_t)y->ndim * sizeof(long)));
    CHECK(!way || (c.layer->output_ndim == ndim && !memcmp(c.layer->output, output, (size_t)ndim * sizeof(long))));
    ndim = c.layer->output_ndim;
    memcpy(output, c.layer->output, sizeof output);
    CHECK(c.layer->called < c.next->called);
  }
  check_same(&joined, &single, what);
  pass_drop(&joined), pass_drop(&single);
  scope_leave(scope, NULL);
  module_drop(net), module_drop(c.layer), module_drop(c.next);
}

static Module *activation(int i) {
  switch (i % 4) {
    case 0: return module_make("ReLU", NN_END);
    case 1: return module_make("LeakyReLU", 0.2, NN_END);
    case 2: return module_make("Sigmoid", NN_END);
    default: return module_make("Tanh", NN_END);
  }
}

static Tensor *weight(Module *m, int i) {
  return m->tensor[i].tensor;
}

/* Sizes that take each road of a product: few or many rows, one vector or several, few columns, long and short sums. */
static void test_linear(void) {
  const long sizes[][3] = {{1, 1, 1},      {5, 3, 2},     {5, 300, 4},   {200, 33, 65}, {7, 33, 130}, {40, 2100, 70},
                           {150, 5000, 3}, {1, 700, 200}, {3, 600, 170}, {90, 3, 200},  {0, 3, 4}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int k = 0; k < 4; k++)
      run_case(
          (Case){module_make("Linear", sizes[i][1], sizes[i][2], k % 2, NN_END), activation(k), {sizes[i][0], sizes[i][1]}, 2});
}

/* With few and many channels, few pixels, strides, dilation, groups, and pixels that no tap reaches. */
static void test_convolutions(void) {
  const double sizes[][9] = {/* N, side, in, out, kernel, stride, padding, dilation, groups */
                             {2, 6, 3, 5, 3, 1, 1, 1, 1},    {2, 8, 20, 40, 4, 2, 1, 1, 1}, {1, 5, 1, 70, 5, 2, 2, 1, 1},
                             {2, 7, 4, 2, 1, 3, 0, 1, 1},    {3, 4, 33, 1, 4, 1, 0, 1, 1},  {1, 9, 2, 3, 3, 2, 2, 2, 1},
                             {2, 1, 17, 16, 1, 1, 0, 1, 1},  {2, 6, 3, 4, 2, 4, 1, 1, 1},   {4, 16, 64, 48, 4, 2, 1, 1, 1},
                             {4, 11, 40, 65, 3, 1, 1, 1, 1}, {2, 9, 6, 9, 3, 1, 1, 1, 3},   {2, 9, 40, 40, 3, 2, 1, 1, 40},
                             {3, 6, 20, 40, 5, 1, 2, 1, 20}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int k = 0; k < 4; k++) {
      const double *s = sizes[i];
      Case c = {NULL, activation(k), {(long)s[0], (long)s[1], (long)s[1], (long)s[2]}, 4};
      c.layer = module_make("Conv2d", s[2], s[3], s[4], s[5], s[6], s[7], s[8], k / 2, NN_END);
      run_case(c);
      c.next = activation(k);
      c.layer = module_make("ConvTranspose2d", s[2], s[3], s[4], s[5], s[6], 0, s[8], k / 2, s[7], NN_END);
      run_case(c);
    }
}

static void test_batch_norm(void) {
  const long sizes[][4] = {{2, 1, 1, 1}, {3, 2, 2, 5}, {4, 8, 8, 64}, {5, 9, 7, 130}, {33, 1, 1, 700}};
  for (int i = 0; i < 40; i++) {
    Case c = {module_make("BatchNorm", (double)sizes[i / 8][3], 1e-5, 0.1, i / 4 % 2, NN_END), activation(i), {0}, 4};
    memcpy(c.shape, sizes[i / 8], 4 * sizeof(long));
    if (i / 4 % 2) {
      init_normal(weight(c.layer, 0), 0, 1);
      init_normal(weight(c.layer, 1), 0, 1);
    }
    Case evaluated = {module_keep(c.layer), activation(i), {c.shape[0], c.shape[3]}, 2};
    run_case(c);
    module_train(evaluated.layer, false);
    run_case(evaluated);
  }
}

/* Windows that touch, overlap and leave gaps; some hold nothing above zero, several times the largest, or NaN. */
static void test_pools(void) {
  const double sizes[][6] = {/* N, side, channels, kernel, stride, padding */
                             {2, 8, 5, 2, 2, 0},
                             {3, 9, 40, 3, 2, 1},
                             {1, 7, 3, 2, 3, 0},
                             {2, 6, 17, 3, 1, 1},
                             {0, 4, 3, 2, 2, 0}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const double *s = sizes[i];
    Module *pool = module_make("MaxPool2d", s[3], s[4], s[5], NN_END);
    run_case((Case){module_make("ReLU", NN_END), pool, {(long)s[0], (long)s[1], (long)s[1], (long)s[2]}, 4});
  }
}

static void test_special_values_in_pools(void) {
  const real values[] = {0, (real)-0.0, -1, 2, 2, NAN, INFINITY, -INFINITY, 1, -2};
  Module *parts[] = {module_make("ReLU", NN_END), module_make("MaxPool2d", 2, NN_END)}, *net = module_sequential(2, parts);
  size_t scope = scope_enter();
  Tensor *x = tensor_new(4, (long[]){20, 10, 10, 3});
  random_seed(2);
  for (long i = 0; i < tensor_numel(x); i++) x->data[i] = values[random_below(sizeof values / sizeof *values)];
  CHECK(tensor_set_requires_grad(x, true));
  Pass pass[2] = {{.n = 0}, {.n = 0}};
  for (int way = 0; way < 2; way++) {
    Tensor *y = way ? module_forward(parts[1], module_forward(parts[0], x)) : module_forward(net, x), *grad;
    CHECK(tensor_gradients(y, tensor_ones(4, y->shape), 1, &x, 0, &grad));
    pass_add(&pass[way], y), pass_add(&pass[way], grad);
  }
  check_same(&pass[0], &pass[1], "special values");
  pass_drop(&pass[0]), pass_drop(&pass[1]);
  scope_leave(scope, NULL);
  tensor_drop(x);
  for (int i = 0; i < 2; i++) module_drop(parts[i]);
  module_drop(net);
}

/* A ReLU that is done with a pool is not done with the convolution. */
static void test_three(void) {
  for (int stride = 1; stride <= 2; stride++) {
    Module *parts[] = {module_make("Conv2d", 3, 20, 3, NN_END), module_make("ReLU", NN_END),
                       module_make("MaxPool2d", 2, (double)stride, NN_END), module_make("ReLU", NN_END)};
    Module *net = module_sequential(4, parts);
    size_t scope = scope_enter();
    random_seed(3);
    Tensor *x = tensor_randn(4, (long[]){2, 12, 12, 3}), *y = x, *z = module_forward(net, x);
    CHECK(parts[0]->output[1] == 10 && parts[1]->output[1] == 10 && parts[2]->output[1] == (stride == 1 ? 9 : 5));
    CHECK(parts[0]->called < parts[1]->called && parts[1]->called < parts[2]->called && parts[2]->called < parts[3]->called);
    for (int i = 0; i < 4; i++) y = module_forward(parts[i], y);
    CHECK(y && z && tensor_same_shape(y, z) && !memcmp(y->data, z->data, (size_t)tensor_numel(y) * sizeof(real)));
    scope_leave(scope, NULL);
    for (int i = 0; i < 4; i++) module_drop(parts[i]);
    module_drop(net);
  }
}

/* ---- what must not change ---- */

static Tensor *twice(Module *m, int n, Tensor *const *x) {
  (void)m, (void)n;
  return tensor_scale(x[0], 2);
}

static void test_others_stay(void) {
  Module *parts[] = {module_make("Linear", 3, 4, NN_END), module_custom("Twice", twice, NULL, NULL), module_make("ReLU", NN_END),
                     module_make("ReLU", NN_END), module_make("Linear", 4, 2, NN_END)};
  Module *net = module_sequential(5, parts);
  size_t scope = scope_enter();
  random_seed(3);
  Tensor *x = tensor_randn(2, (long[]){6, 3}), *y = x, *z = module_forward(net, x);
  for (int i = 0; i < 5; i++) y = module_forward(parts[i], y);
  CHECK(y && z && !memcmp(y->data, z->data, 12 * sizeof(real)));
  scope_leave(scope, NULL);
  for (int i = 0; i < 5; i++) module_drop(parts[i]);
  module_drop(net);
}

static void test_errors(void) {
  Module *parts[] = {module_make("Conv2d", 3, 4, 5, NN_END), module_make("ReLU", NN_END)};
  Module *refused[] = {module_make("Linear", 3, 4, NN_END), module_make("LeakyReLU", -1, NN_END)};
  Module *net = module_sequential(2, parts), *other = module_sequential(2, refused);
  size_t scope = scope_enter();
  CHECK(!module_forward(net, tensor_ones(4, (long[]){1, 4, 4, 3})));
  CHECK(strstr(nn_error(), "conv2d(x, weight, bias, stride, padding, dilation, groups): the kernel covers 5x5") != NULL);
  CHECK_ERROR("layer 1 (Conv2d");
  CHECK(!module_forward(other, tensor_ones(2, (long[]){2, 3})));
  CHECK(strstr(nn_error(), "leaky_relu(x, negative_slope): negative_slope must be 0 or more, got -1") != NULL);
  CHECK_ERROR("layer 2 (LeakyReLU");
  CHECK(!tensor_linear_activated(tensor_ones(2, (long[]){2, 3}), tensor_ones(2, (long[]){4, 3}), NULL,
                                 (Activation){ACTIVATION_LEAKY_RELU, -1}));
  CHECK_ERROR("negative_slope must be 0 or more");
  scope_leave(scope, NULL);
  for (int i = 0; i < 2; i++) module_drop(parts[i]), module_drop(refused[i]);
  module_drop(net), module_drop(other);
}

int main(void) {
  test_linear();
  test_convolutions();
  test_batch_norm();
  test_pools();
  test_special_values_in_pools();
  test_three();
  test_others_stay();
  test_errors();
  return test_done();
}
