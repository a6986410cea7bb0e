/* Ops that move elements, against walks element by element; views; what they refuse. */
#include "test.h"

#include <stdlib.h>

static Tensor *numbered(int ndim, const long *shape) {
  Tensor *x = tensor_zeros(ndim, shape);
  for (long i = 0; x && i < tensor_numel(x); i++) x->data[i] = (real)(i + 1);
  return x;
}

static void places(const Tensor *t, long i, long *place) {
  for (int d = t->ndim - 1; d >= 0; d--) {
    place[d] = i % t->shape[d];
    i /= t->shape[d];
  }
}

static real at(const Tensor *t, const long *place) {
  long i = 0;
  for (int d = 0; d < t->ndim; d++) i = i * t->shape[d] + place[d];
  return t->data[i];
}

/* Does y[place] equal x[from(place)] everywhere? */
static bool moved(const Tensor *y, const Tensor *x, void (*from)(const Tensor *x, long *place)) {
  if (!y || !x) return false;
  for (long i = 0; i < tensor_numel(y); i++) {
    long place[NN_DIMS];
    places(y, i, place);
    from(x, place);
    if (y->data[i] != at(x, place)) return false;
  }
  return true;
}

static long order[NN_DIMS];

static void by_order(const Tensor *x, long *place) {
  long given[NN_DIMS];
  memcpy(given, place, sizeof given);
  for (int d = 0; d < x->ndim; d++) place[order[d]] = given[d];
}

static void permutes_in_every_order(void) {
  const long sides[] = {1, 2, 3, 17, 33, 40}, wide[] = {2, 2000, 30};
  for (int trial = 0; trial < 60; trial++) {
    size_t scope = scope_enter();
    int ndim = 1 + (int)random_below(5);
    long shape[NN_DIMS];
    for (int d = 0; d < ndim; d++) shape[d] = sides[random_below(ndim > 3 ? 4 : 6)], order[d] = d;
    random_shuffle(order, ndim);
    Tensor *x = numbered(ndim, shape);
    CHECK(moved(tensor_permute(x, ndim, order), x, by_order));
    scope_leave(scope, NULL);
  }
  Tensor *x = numbered(3, wide);
  memcpy(order, (long[]){1, 2, 0}, 3 * sizeof *order);
  CHECK(moved(tensor_permute(x, 3, order), x, by_order));
  memcpy(order, (long[]){0, 2, 1}, 3 * sizeof *order);
  CHECK(moved(tensor_transpose(x, -1, 1), x, by_order));
}

static void modulo(const Tensor *x, long *place) { /* new dimensions came in front: of those here there are two */
  for (int d = 0; d < x->ndim; d++) place[d] = place[d + 2] % x->shape[d];
}

static void expands_and_repeats(void) {
  Tensor *x = numbered(3, (long[]){3, 1, 5});
  CHECK(moved(tensor_expand(x, 5, (long[]){2, 4, 3, 7, -1}), x, modulo));
  CHECK(moved(tensor_repeat(x, 5, (long[]){2, 1, 3, 2, 2}), x, modulo));
  Tensor *all = tensor_repeat(numbered(8, (long[]){2, 1, 2, 1, 2, 1, 2, 1}), 8, (long[]){1, 2, 2, 2, 1, 2, 2, 2});
  CHECK(all && tensor_numel(all) == 1024 && all->data[1023] == 16);
  CHECK(tensor_item(tensor_expand(tensor_scalar(3), 0, NULL)) == 3);
  CHECK(tensor_numel(tensor_expand(tensor_scalar(3), 2, (long[]){0, 4})) == 0);
  CHECK(tensor_expand(tensor_zeros(1, (long[]){0}), 3, (long[]){1L << 40, 1L << 40, 0}) == NULL);
  CHECK_ERROR("out of memory: a tensor of shape (1099511627776,1099511627776,0)");
  CHECK(tensor_expand(x, 2, (long[]){3, 5}) == NULL);
  CHECK_ERROR("expand(x, shape): (3,1,5) cannot become (3,5)");
  CHECK(tensor_repeat(x, 2, (long[]){1, 1}) == NULL);
  CHECK_ERROR("repeat(x, times): times needs a number for each of the 3 dimensions of (3,1,5), got 2");
  CHECK(tensor_repeat(x, 3, (long[]){1L << 62, 1, 1}) == NULL);
  CHECK_ERROR("repeat(x, times): times must be from 0");
}

static void backwards(const Tensor *x, long *place) {
  place[0] = x->shape[0] - 1 - place[0];
  place[2] = x->shape[2] - 1 - place[2];
}

static void flips(void) {
  Tensor *x = numbered(4, (long[]){3, 2, 4, 5});
  CHECK(moved(tensor_flip(x, 2, (long[]){-2, 0}), x, backwards));
  CHECK(tensor_flip(x, 0, NULL)->data[0] == 120);
  CHECK(tensor_numel(tensor_flip(tensor_zeros(2, (long[]){0, 3}), 0, NULL)) == 0);
  CHECK(tensor_flip(x, 2, (long[]){1, -3}) == NULL);
  CHECK_ERROR("flip(x, dims): dimension 2 given twice");
}

static void shifted(const Tensor *x, long *place) {
  (void)x;
  place[1] += 2;
}

static void cuts_and_joins(void) {
  Tensor *x = numbered(3, (long[]){3, 6, 4});
  Tensor *part = tensor_narrow(x, 1, 2, 3);
  CHECK(moved(part, x, shifted));
  CHECK(tensor_narrow(x, 0, 3, 0) != NULL && tensor_narrow(x, 2, -4, 4) != NULL);
  Tensor *whole = tensor_cat(3, (Tensor *[]){tensor_narrow(x, 1, 0, 2), part, tensor_narrow(x, 1, 5, 1)}, -2);
  CHECK(whole && tensor_same_shape(whole, x) && !memcmp(whole->data, x->data, 72 * sizeof(real)));
  for (long dim = 0; dim < 3; dim++) {
    Tensor *slice[6], *again;
    for (long i = 0; i < x->shape[dim]; i++) slice[i] = tensor_select(x, dim, i);
    again = tensor_stack((int)x->shape[dim], slice, dim);
    CHECK(again && tensor_same_shape(again, x) && !memcmp(again->data, x->data, 72 * sizeof(real)));
  }
  CHECK(tensor_narrow(x, 1, 4, 3) == NULL);
  CHECK_ERROR("narrow(x, dim, from, n): dimension 2 of (3,6,4) has positions 1 to 6, asked for 3 from 5 on");
  CHECK(tensor_narrow(x, 1, 1L << 60, 1L << 60) == NULL);
  CHECK_ERROR("has positions 1 to 6");
  CHECK(tensor_select(x, 3, 0) == NULL);
  CHECK_ERROR("select(x, dim, at): dimension 4 of a tensor with 3 dimensions");
  CHECK(tensor_cat(2, (Tensor *[]){x, part}, 0) == NULL);
  CHECK_ERROR("cat(xs, dim): all must have the same shape but for dimension 1; tensor 2 has (3,3,4), tensor 1 (3,6,4)");
  CHECK(tensor_stack(2, (Tensor *[]){x, part}, 0) == NULL);
  CHECK_ERROR("stack(xs, dim): all must have the same shape; tensor 2 has (3,3,4), tensor 1 (3,6,4)");
  CHECK(tensor_cat(0, NULL, 0) == NULL);
  CHECK_ERROR("the list is empty");
}

static void pads(void) {
  Tensor *x = numbered(3, (long[]){2, 3, 4}), *y = tensor_pad(x, 6, (long[]){1, 0, 0, 2, 3, 1}, -1);
  CHECK(y && y->shape[0] == 3 && y->shape[1] == 5 && y->shape[2] == 8);
  Tensor *inside = tensor_narrow(tensor_narrow(tensor_narrow(y, 0, 1, 2), 1, 0, 3), 2, 3, 4);
  CHECK(inside && !memcmp(inside->data, x->data, 24 * sizeof(real)));
  CHECK(tensor_item(tensor_sum(y, 0, NULL, false)) == 300 - (120 - 24));
  CHECK(tensor_numel(tensor_pad(tensor_zeros(2, (long[]){0, 2}), 2, (long[]){1, 1}, 4)) == 4);
  CHECK(tensor_pad(x, 3, (long[]){1, 1, 1}, 0) == NULL);
  CHECK_ERROR("pad(x, around, value): around must hold two numbers");
  CHECK(tensor_pad(x, 2, (long[]){-1, 1}, 0) == NULL);
  CHECK_ERROR("must be from 0");
  CHECK(tensor_pad(x, 2, (long[]){1L << 62, 1L << 62}, 0) == NULL);
  CHECK_ERROR("of a size that memory holds");
}

static void reshapes(void) {
  Tensor *x = numbered(2, (long[]){4, 6}), *y = tensor_reshape(x, 3, (long[]){2, -1, 3});
  CHECK(y && y->shape[1] == 4 && y->data == x->data);
  CHECK(tensor_flatten(y, 0, -2)->shape[0] == 8);
  CHECK(tensor_reshape(tensor_zeros(2, (long[]){0, 3}), 2, (long[]){5, 0}) != NULL);
  CHECK(tensor_reshape(x, 2, (long[]){5, -1}) == NULL);
  CHECK_ERROR("reshape(x, shape): the 24 elements of (4,6) do not fill (5,-1)");
  CHECK(tensor_reshape(x, 2, (long[]){-1, -1}) == NULL);
  CHECK_ERROR("do not fill (-1,-1)");
  CHECK(tensor_reshape(tensor_zeros(1, (long[]){0}), 2, (long[]){0, -1}) == NULL);
  CHECK_ERROR("do not fill (0,-1)");
  CHECK(tensor_reshape(x, 3, (long[]){1L << 40, 1L << 40, 24}) == NULL);
  CHECK_ERROR("do not fill");
  CHECK(tensor_flatten(y, 2, 1) == NULL);
  CHECK_ERROR("flatten(x, from, to): from must not come after to, got 3 and 2");
}

/* Writes through a view are seen by both; a gradient goes through it. */
static void views_share_memory(void) {
  Tensor *x = numbered(3, (long[]){3, 1, 2});
  Tensor *views[] = {tensor_select(x, 0, 2), tensor_narrow(x, 0, 2, 1), tensor_reshape(x, 1, (long[]){-1}),
                     tensor_transpose(x, 0, 1), tensor_expand(x, 4, (long[]){1, 3, 1, 2})};
  for (int i = 0; i < 5; i++) CHECK(views[i] && views[i]->storage == x->storage);
  CHECK(views[0]->data == x->data + 4 && tensor_version(views[0]) == tensor_version(x));
  tensor_fill(views[0], 7);
  CHECK(x->data[4] == 7 && x->data[5] == 7 && tensor_version(x) == tensor_version(views[2]));
  tensor_set_requires_grad(x, true);
  CHECK(tensor_backward(tensor_sum(tensor_square(tensor_select(x, 0, 2)), 0, NULL, false), NULL, 0, NULL, 0));
  CHECK(tensor_grad(x)->data[3] == 0 && tensor_grad(x)->data[4] == 14);
}

int main(void) {
  random_seed(1);
  permutes_in_every_order();
  expands_and_repeats();
  flips();
  cuts_and_joins();
  pads();
  reshapes();
  views_share_memory();
  return test_done();
}
