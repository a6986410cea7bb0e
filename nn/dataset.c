/* Samples in memory, and batches of them as tensors. */
#include <string.h>

#include "batch.h"
#include "kernels/pixels.h"
#include "row.h"

enum { GRAIN = 16384 }; /* values that a worker converts at a time */

/* n samples of the shape, counted in elements; -1 when there are too many to count. */
static long elements(int ndim, const long *shape, long n) {
  long total = n;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0 || (shape[i] && total > ((long)1 << 46) / shape[i])) return -1;
    total *= shape[i];
  }
  return total;
}

static bool check_size(int ndim, const long *shape, long n, bool bytes) {
  if (ndim < 0 || ndim > NN_DIMS - 1)
    return nn_fail("dataset: a sample has at most %d dimensions, not %d", NN_DIMS - 1, ndim), false;
  long total = n < 0 ? -1 : elements(ndim, shape, n);
  MemoryUse use = memory_use();
  size_t left = use.limit > use.live ? use.limit - use.live : 0;
  if (total < 0 || (size_t)total * (bytes ? 1 : sizeof(real)) > left)
    return nn_fail("dataset: %ld samples of %s do not fit into the %.0f MB of memory that are free", n, shape_text(ndim, shape),
                   (double)left / 1e6),
           false;
  return true;
}

static bool allocate(Dataset *d, bool bytes, bool labels) {
  long shape[NN_DIMS] = {d->n};
  memcpy(shape + 1, d->shape, (size_t)d->ndim * sizeof *shape);
  if (bytes)
    d->memory = storage_new((size_t)elements(d->ndim, d->shape, d->n) + DATASET_HEAD);
  else
    d->reals = tensor_new(d->ndim + 1, shape);
  if (d->memory) d->bytes = (uint8_t *)d->memory->data + DATASET_HEAD;
  if (labels) d->labels = memory_new((size_t)d->n * sizeof *d->labels);
  return (d->bytes || d->reals) && (d->labels || !labels);
}

Dataset *dataset_new(int ndim, const long *shape, long n, bool bytes, bool labels) {
  if (nn_failed() || !check_size(ndim, shape, n, bytes)) return NULL;
  Dataset *d = memory_new(sizeof *d);
  if (!d) return NULL;
  d->refs = 1;
  d->ndim = ndim;
  d->n = n;
  if (ndim) memcpy(d->shape, shape, (size_t)ndim * sizeof *shape);
  if (allocate(d, bytes, labels)) return d;
  dataset_drop(d);
  return NULL;
}

Dataset *dataset_keep(Dataset *d) {
  if (d) d->refs++;
  return d;
}

void dataset_drop(Dataset *d) {
  if (!d || --d->refs) return;
  for (long i = 0; d->class_name && i < d->classes; i++) memory_free(d->class_name[i]);
  memory_free(d->class_name);
  storage_drop(d->memory);
  memory_free(d->labels);
  tensor_drop(d->reals);
  memory_free(d);
}

/* ---- batches ---- */

void batch_fill(void *batch, long from, long to) {
  const Batch *b = batch;
  const Dataset *d = b->set;
  for (long i = from; i < to; i++) {
    real *out = b->x->data + i * b->size;
    if (d->bytes)
      pixels_to_reals(d->bytes + b->which[i] * b->size, b->size, out);
    else
      memcpy(out, d->reals->data + b->which[i] * b->size, (size_t)b->size * sizeof(real));
  }
}

long batch_grain(const Batch *b) {
  return b->size < GRAIN ? GRAIN / (b->size ? b->size : 1) : 1;
}

static bool check_which(const Dataset *d, long n, const long *which) {
  for (long i = 0; i < n; i++)
    if (which[i] < 0 || which[i] >= d->n) return nn_fail("dataset: sample %ld asked for, there are %ld", which[i] + 1, d->n), false;
  return true;
}

bool batch_begin(Batch *b, const Dataset *d, long n, const long *which, bool labels) {
  *b = (Batch){.set = d, .n = n, .which = which};
  if (!d || nn_failed() || !check_which(d, n, which)) return false;
  long shape[NN_DIMS] = {n};
  memcpy(shape + 1, d->shape, (size_t)d->ndim * sizeof *shape);
  b->size = elements(d->ndim, d->shape, 1);
  b->x = tensor_new(d->ndim + 1, shape);
  if (labels && d->labels) b->labels = tensor_new(1, &n);
  for (long i = 0; b->labels && i < n; i++) b->labels->data[i] = (real)d->labels[which[i]];
  if (nn_failed()) batch_drop(b);
  return b->x;
}

void batch_drop(Batch *b) {
  tensor_drop(b->x), tensor_drop(b->labels);
  *b = (Batch){0};
}

Tensor *batch_take(Batch *b, Tensor **labels) {
  if (labels)
    *labels = tensor_own(b->labels);
  else
    tensor_drop(b->labels);
  Tensor *x = tensor_own(b->x);
  *b = (Batch){0};
  return x;
}

Tensor *dataset_batch(Dataset *d, long n, const long *which, Tensor **labels) {
  Batch b;
  if (labels) *labels = NULL;
  if (!batch_begin(&b, d, n, which, labels != NULL)) return NULL;
  workers_for(n, batch_grain(&b), batch_fill, &b);
  return batch_take(&b, labels);
}
