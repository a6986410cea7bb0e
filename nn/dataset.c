/* Samples in memory, and batches of them as tensors. */
#include <string.h>

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

typedef struct Gather {
  const Dataset *set;
  const long *which;
  real *out;
  long size; /* elements of a sample */
} Gather;

static void gather_bytes(void *job, long from, long to) {
  const Gather *g = job;
  for (long i = from; i < to; i++) pixels_to_reals(g->set->bytes + g->which[i] * g->size, g->size, g->out + i * g->size);
}

static void gather_reals(void *job, long from, long to) {
  const Gather *g = job;
  for (long i = from; i < to; i++)
    memcpy(g->out + i * g->size, g->set->reals->data + g->which[i] * g->size, (size_t)g->size * sizeof(real));
}

static bool check_which(const Dataset *d, long n, const long *which) {
  for (long i = 0; i < n; i++)
    if (which[i] < 0 || which[i] >= d->n) return nn_fail("dataset: sample %ld asked for, there are %ld", which[i] + 1, d->n), false;
  return true;
}

static Tensor *gather_labels(const Dataset *d, long n, const long *which) {
  Tensor *labels = tensor_own(tensor_new(1, &n));
  for (long i = 0; labels && i < n; i++) labels->data[i] = (real)d->labels[which[i]];
  return labels;
}

Tensor *dataset_batch(Dataset *d, long n, const long *which, Tensor **labels) {
  long shape[NN_DIMS] = {n};
  if (labels) *labels = NULL;
  if (!d || nn_failed() || !check_which(d, n, which)) return NULL;
  memcpy(shape + 1, d->shape, (size_t)d->ndim * sizeof *shape);
  Tensor *x = tensor_own(tensor_new(d->ndim + 1, shape));
  if (!x) return NULL;
  Gather g = {d, which, x->data, elements(d->ndim, d->shape, 1)};
  long grain = g.size < GRAIN ? GRAIN / (g.size ? g.size : 1) : 1;
  workers_for(n, grain, d->bytes ? gather_bytes : gather_reals, &g);
  if (labels && d->labels && !(*labels = gather_labels(d, n, which))) return NULL;
  return x;
}
