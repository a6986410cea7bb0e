/* Picking by indices and adding back, against walks element by element; what is refused. */
#include "test.h"

static Tensor *numbered(int ndim, const long *shape) {
  Tensor *x = tensor_zeros(ndim, shape);
  for (long i = 0; x && i < tensor_numel(x); i++) x->data[i] = (real)(i + 1);
  return x;
}

static Tensor *line(long n, const real *values) {
  return tensor_from(1, &n, values);
}

/* x (5,7,inner) and indices along dimension 1: whole slices, then single elements. */
static void picks_and_adds(long inner) {
  Tensor *x = numbered(3, (long[]){5, 7, inner}), *at = tensor_randint(1, 7, 1, (long[]){9});
  Tensor *y = tensor_index_select(x, 1, at), *sum = tensor_index_add(x, -2, at, y);
  Tensor *each = tensor_randint(1, 7, 3, (long[]){5, 4, inner}), *z = tensor_gather(x, 1, each);
  Tensor *sums = tensor_scatter_add(x, 1, each, z), *want = tensor_zeros(3, x->shape), *wants = tensor_zeros(3, x->shape);
  CHECK(y && sum && z && sums && wants);
  if (!wants) return;
  memcpy(want->data, x->data, (size_t)tensor_numel(x) * sizeof(real));
  memcpy(wants->data, x->data, (size_t)tensor_numel(x) * sizeof(real));
  bool ok = true;
  for (long o = 0; o < 5; o++)
    for (long k = 0; k < inner; k++) {
      for (long i = 0; i < 9; i++) {
        long from = (o * 7 + (long)at->data[i] - 1) * inner + k;
        ok = ok && y->data[(o * 9 + i) * inner + k] == x->data[from];
        want->data[from] += x->data[from];
      }
      for (long i = 0; i < 4; i++) {
        long place = (o * 4 + i) * inner + k, from = (o * 7 + (long)each->data[place] - 1) * inner + k;
        ok = ok && z->data[place] == x->data[from];
        wants->data[from] += x->data[from];
      }
    }
  CHECK(ok);
  CHECK(!memcmp(sum->data, want->data, (size_t)tensor_numel(x) * sizeof(real)));
  CHECK(!memcmp(sums->data, wants->data, (size_t)tensor_numel(x) * sizeof(real)));
}

static void embeds(void) {
  Tensor *weight = numbered(2, (long[]){4, 3}),
         *y = tensor_embedding(tensor_reshape(line(4, (real[]){4, 1, 1, 2}), 2, (long[]){2, 2}), weight);
  CHECK(y && y->ndim == 3 && y->data[0] == 10 && y->data[3] == 1 && y->data[6] == 1 && y->data[11] == 6);
  tensor_set_requires_grad(weight, true);
  y = tensor_embedding(line(3, (real[]){3, 1, 3}), weight);
  CHECK(tensor_backward(tensor_sum(y, 0, NULL, false), NULL, 0, NULL, 0));
  CHECK(tensor_grad(weight)->data[0] == 1 && tensor_grad(weight)->data[3] == 0 && tensor_grad(weight)->data[8] == 2);
  CHECK(tensor_numel(tensor_embedding(tensor_zeros(2, (long[]){0, 5}), weight)) == 0);
  CHECK(tensor_embedding(line(1, (real[]){5}), weight) == NULL);
  CHECK_ERROR("embedding(indices, weight): index 5 at position 1: indices are whole numbers from 1 to 4");
  CHECK(tensor_embedding(line(1, (real[]){1}), line(1, (real[]){1})) == NULL);
  CHECK_ERROR("weight must be (V,D), a row for each index, got (1)");
}

static void refuses(void) {
  Tensor *x = numbered(2, (long[]){2, 3});
  const real wrong[] = {0, 4, (real)1.5, -1, (real)NAN, (real)1e30};
  for (int i = 0; i < 6; i++) {
    CHECK(tensor_index_select(x, 1, line(2, (real[]){1, wrong[i]})) == NULL);
    CHECK_ERROR("at position 2: indices are whole numbers from 1 to 3");
  }
  CHECK(tensor_index_select(x, 1, x) == NULL);
  CHECK_ERROR("index_select(x, dim, indices): indices must have one dimension, got (2,3)");
  CHECK(tensor_index_select(x, 2, line(1, (real[]){1})) == NULL);
  CHECK_ERROR("dimension 3 of a tensor with 2 dimensions");
  CHECK(tensor_index_add(x, 0, line(1, (real[]){1}), x) == NULL);
  CHECK_ERROR("source must be (1,3), a slice of x for each index, got (2,3)");
  CHECK(tensor_gather(x, 1, line(1, (real[]){1})) == NULL);
  CHECK_ERROR("gather(x, dim, indices): indices must have x's shape but along dimension 2, got (1) for (2,3)");
  CHECK(tensor_scatter_add(x, 0, x, line(1, (real[]){1})) == NULL);
  CHECK_ERROR("scatter_add(x, dim, indices, source): source must have the shape of indices, got (1) for (2,3)");
  CHECK(tensor_numel(tensor_index_select(x, 0, tensor_zeros(1, (long[]){0}))) == 0);
  CHECK(tensor_same_shape(tensor_index_add(x, 0, tensor_zeros(1, (long[]){0}), tensor_zeros(2, (long[]){0, 3})), x));
}

int main(void) {
  random_seed(1);
  picks_and_adds(1);
  picks_and_adds(3);
  picks_and_adds(70);
  embeds();
  refuses();
  return test_done();
}
