/* Weights packed for kernels: packed once, anew after every kind of write, gone with the weight or when memory runs out. */
#include "folder.h"

enum { LAYERS = 5, RESULTS = 3, SIZE = 10, STRIDE = 2, ROWS = 100 };

/* c, k, kernel: the roads of Winograd's algorithm, of plain sums, of the image of three channels, of a single column; where
 * the kernel is 0, a linear layer of so many rows that its weight is packed. */
static const long layers[LAYERS][3] = {{48, 56, 4}, {8, 20, 3}, {3, 40, 4}, {64, 1, 4}, {70, 50, 0}};
static const ConvShape shape = {{STRIDE, STRIDE}, {1, 1}, {1, 1}, 1};

/* Of the layer's weight: how many dimensions it has, and their sizes. */
static int sides(int layer, long *shape) {
  const long *l = layers[layer], conv[4] = {l[2], l[2], l[0], l[1]}, linear[2] = {l[1], l[0]};
  memcpy(shape, l[2] ? conv : linear, l[2] ? sizeof conv : sizeof linear);
  return l[2] ? 4 : 2;
}

static Tensor *weight_of(int layer) {
  long shape[4];
  return tensor_randn(sides(layer, shape), shape);
}

/* A convolution, its gradient by the image, a transposed convolution; or products with a weight and with its transpose. */
static void results(int layer, Tensor *w, Tensor **out) {
  const long *l = layers[layer], map = (SIZE + 2 - l[2]) / STRIDE + 1;
  random_seed(3);
  if (!l[2]) {
    Tensor *x = tensor_randn(2, (long[]){ROWS, l[0]}), *y = tensor_randn(2, (long[]){ROWS, l[1]});
    out[0] = tensor_linear(x, w, NULL);
    out[1] = tensor_matmul(y, w);
    out[2] = tensor_linear_activated(x, w, NULL, (Activation){ACTIVATION_SIGMOID, 0});
    return;
  }
  Tensor *x = tensor_randn(4, (long[]){4, SIZE, SIZE, l[0]}), *y = tensor_randn(4, (long[]){4, map, map, l[1]});
  out[0] = tensor_conv2d(x, w, NULL, shape);
  out[1] = tensor_conv2d_input(y, w, SIZE, SIZE, shape);
  out[2] = tensor_conv_transpose2d(y, w, NULL, shape, (long[]){0, 0});
}

static bool same_bits(const Tensor *a, const Tensor *b) {
  return a && b && !memcmp(a->data, b->data, (size_t)tensor_numel(a) * sizeof(real));
}

/* Are the results those of a weight that is new? */
static bool up_to_date(int layer, Tensor *w) {
  size_t scope = scope_enter();
  Tensor *got[RESULTS], *want[RESULTS];
  results(layer, w, got);
  results(layer, tensor_from(w->ndim, w->shape, w->data), want);
  bool same = true;
  for (int i = 0; i < RESULTS; i++) same = same && same_bits(got[i], want[i]);
  scope_leave(scope, NULL);
  return same;
}

/* ---- writes ---- */

static void by_view(Tensor *w) {
  tensor_fill(tensor_view(w, 1, (long[]){7}, 5), 0.5);
}

static void by_detached(Tensor *w) {
  tensor_add_to(tensor_detach(w), tensor_ones(w->ndim, w->shape), 0.25);
}

static void by_reshaped(Tensor *w) {
  bool was = grad_enable(false);
  tensor_copy_to(tensor_reshape(w, 1, (long[]){-1}), tensor_randn(1, (long[]){tensor_numel(w)}));
  grad_enable(was);
}

static void without_gradient(Tensor *w) {
  bool was = grad_enable(false);
  tensor_fill(w, 0.125);
  grad_enable(was);
}

static void by_initialisation(Tensor *w) {
  init_normal(w, 0, 1);
}

static void by_optimizer(Tensor *w) {
  Optimizer *o = optim_new(optims_find("Adam"), 1, &w, NULL);
  tensor_backward(tensor_sum(tensor_square(w), 0, NULL, false), NULL, 0, NULL, 0);
  CHECK(o && optim_step(o));
  optim_drop(o);
}

static void by_loading(Tensor *w) {
  Module *from = module_custom("layer", NULL, NULL, NULL), *to = module_custom("layer", NULL, NULL, NULL);
  module_add_tensor(from, "weight", tensor_randn(w->ndim, w->shape), false);
  module_add_tensor(to, "weight", w, false);
  CHECK(module_save(from, path_of("layer")) && module_load(to, path_of("layer")));
  module_drop(from);
  module_drop(to);
}

static void writes_are_seen(void) {
  void (*const writes[])(Tensor *) = {by_view,           by_detached,  by_reshaped, without_gradient,
                                      by_initialisation, by_optimizer, by_loading};
  for (int layer = 0; layer < LAYERS; layer++) {
    Tensor *w = weight_of(layer);
    tensor_set_requires_grad(w, true);
    CHECK(up_to_date(layer, w));
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
      Tensor *before = tensor_from(w->ndim, w->shape, w->data);
      writes[i](w);
      CHECK(!nn_failed() && !same_bits(before, w));
      CHECK(up_to_date(layer, w));
    }
  }
}

/* Two weights in one memory, read in two shapes. */
static void views_are_kept_apart(void) {
  for (int layer = 0; layer < LAYERS; layer++) {
    long flat[4];
    const int ndim = sides(layer, flat);
    const long size = tensor_numel(weight_of(layer));
    Tensor *both = tensor_randn(1, (long[]){2 * size}), *view[2];
    for (int i = 0; i < 2; i++) {
      view[i] = tensor_view(both, ndim, flat, i * size);
      tensor_set_requires_grad(view[i], true);
    }
    for (int i = 0; i < 4; i++) CHECK(up_to_date(layer, view[i % 2]));
    tensor_fill(both, 0.5);
    for (int i = 0; i < 2; i++) CHECK(up_to_date(layer, view[i]));
  }
  Tensor *w = tensor_randn(4, (long[]){4, 4, 48, 56}), *turned = tensor_view(w, 4, (long[]){4, 4, 56, 48}, 0);
  tensor_set_requires_grad(w, true);
  tensor_set_requires_grad(turned, true);
  Tensor *x = tensor_randn(4, (long[]){4, SIZE, SIZE, 48}), *y = tensor_randn(4, (long[]){4, SIZE, SIZE, 56});
  tensor_conv2d(x, w, NULL, shape);
  Tensor *copy = tensor_from(4, turned->shape, turned->data);
  CHECK(same_bits(tensor_conv2d(y, turned, NULL, shape), tensor_conv2d(y, copy, NULL, shape)));
}

/* ---- that they are kept, and how long ---- */

/* Written to behind the library's back, a weight is read as it was. */
static void packed_once(void) {
  for (int layer = 0; layer < LAYERS; layer++) {
    size_t scope = scope_enter();
    Tensor *w = weight_of(layer), *before[RESULTS], *after[RESULTS];
    tensor_set_requires_grad(w, true);
    results(layer, w, before);
    for (long i = 0, n = tensor_numel(w); i < n; i++) w->data[i] = 1;
    results(layer, w, after);
    for (int i = 0; i < RESULTS; i++) CHECK(same_bits(before[i], after[i]));
    memory_drop_cache();
    CHECK(up_to_date(layer, w));
    scope_leave(scope, NULL);
  }
}

static size_t live_after(int layer, Tensor *w) {
  size_t scope = scope_enter();
  Tensor *out[RESULTS];
  results(layer, w, out);
  scope_leave(scope, NULL);
  return memory_use().live;
}

static void memory_is_counted_and_given_back(void) {
  size_t empty = memory_use().live;
  for (int layer = 0; layer < LAYERS; layer++) {
    size_t scope = scope_enter();
    Tensor *w = weight_of(layer);
    size_t alone = memory_use().live;
    CHECK(live_after(layer, w) == alone); /* not a parameter */
    tensor_set_requires_grad(w, true);
    size_t kept = live_after(layer, w);
    CHECK(kept > alone);
    CHECK(live_after(layer, w) == kept);
    tensor_add_to(tensor_detach(w), w, 1);
    CHECK(live_after(layer, w) == kept); /* in the place of the old */
    memory_drop_cache();
    CHECK(memory_use().live == alone);
    live_after(layer, w);
    scope_leave(scope, NULL);
    CHECK(memory_use().live == empty);
  }
}

static void a_full_memory_drops_them(void) {
  size_t scope = scope_enter();
  Tensor *w = weight_of(0);
  size_t alone = memory_use().live;
  tensor_set_requires_grad(w, true);
  size_t kept = live_after(0, w) - alone;
  memory_limit(alone + kept + (1 << 16));
  CHECK(tensor_zeros(1, (long[]){(long)(kept / sizeof(real) / 2)}) != NULL);
  CHECK(memory_use().live < alone + kept);
  memory_limit(0);
  CHECK(up_to_date(0, w));
  scope_leave(scope, NULL);
}

static void every_allocation_may_fail(void) {
  for (int layer = 0; layer < LAYERS; layer++) {
    size_t live = memory_use().live;
    bool failed = true;
    for (long at = 1; failed && at < 300; at++) {
      size_t scope = scope_enter();
      Tensor *w = weight_of(layer), *out[RESULTS];
      tensor_set_requires_grad(w, true);
      memory_fail_after(at);
      results(layer, w, out);
      memory_fail_after(-1);
      failed = nn_failed();
      if (failed) CHECK_ERROR("out of memory");
      CHECK(up_to_date(layer, w));
      scope_leave(scope, NULL);
      CHECK(memory_use().live == live);
    }
    CHECK(!failed);
  }
}

int main(void) {
  if (!folder_new()) return 1;
  writes_are_seen();
  views_are_kept_apart();
  size_t scope = scope_enter();
  packed_once();
  memory_is_counted_and_given_back();
  a_full_memory_drops_them();
  every_allocation_may_fail();
  scope_leave(scope, NULL);
  return test_done();
}
