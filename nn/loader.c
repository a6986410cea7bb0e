/* The order in which a data set is gone through, batch by batch, epoch after epoch. Of pictures the next batch is made by
 * workers that wait while the last one is used. */
#include "batch.h"
#include "row.h"

/* The next batch reads the order, which can change only after this. */
static void forget_next(Loader *l) {
  workers_finish(l->next);
  batch_drop(l->next);
}

/* An epoch's order depends on the stream alone, not on the order before it. */
static void begin_epoch(Loader *l) {
  forget_next(l);
  l->epoch_start = l->random;
  l->place = 0;
  for (long i = 0; i < l->set->n; i++) l->order[i] = i;
  if (!l->shuffle) return;
  Random *before = random_use(&l->random);
  random_shuffle(l->order, l->set->n);
  random_use(before);
}

static bool check_options(const Dataset *set, long batch, bool drop_last) {
  if (!set || nn_failed()) return nn_fail("data.loader(set, options): set is missing"), false;
  if (batch < 1) return nn_fail("data.loader(set, options): batch must be at least 1, got %ld", batch), false;
  if (!set->n) return nn_fail("data.loader(set, options): the set has no samples"), false;
  if (drop_last && batch > set->n)
    return nn_fail("data.loader(set, options): a batch of %ld is more than the %ld samples of the set, and drop_last leaves none",
                   batch, set->n),
           false;
  return true;
}

Loader *loader_new(Dataset *set, long batch, bool shuffle, bool drop_last) {
  if (!check_options(set, batch, drop_last)) return NULL;
  Loader *l = memory_new(sizeof *l);
  if (!l) return NULL;
  l->refs = 1;
  l->set = dataset_keep(set);
  l->batch = batch;
  l->shuffle = shuffle;
  l->drop_last = drop_last;
  l->order = memory_new((size_t)set->n * sizeof *l->order);
  l->next = memory_new(sizeof *l->next);
  if (!l->order || !l->next) {
    loader_drop(l);
    return NULL;
  }
  l->random = random_split();
  begin_epoch(l);
  return l;
}

Loader *loader_keep(Loader *l) {
  if (l) l->refs++;
  return l;
}

void loader_drop(Loader *l) {
  if (!l || --l->refs) return;
  if (l->free_data) l->free_data(l->data);
  if (l->next) forget_next(l);
  memory_free(l->next);
  dataset_drop(l->set);
  memory_free(l->order);
  memory_free(l);
}

long loader_batches(const Loader *l) {
  return (l->set->n + (l->drop_last ? 0 : l->batch - 1)) / l->batch;
}

bool loader_ended(const Loader *l) {
  long left = l->set->n - l->place;
  return !left || (l->drop_last && left < l->batch);
}

static Tensor *augmented(Loader *l, Tensor *x) {
  if (!l->augment || !x) return x;
  Random *before = random_use(&l->random);
  x = l->augment(l->data, x);
  random_use(before);
  return x ? x : nn_fail("data.loader: the augmentation returned nothing");
}

static long next_size(const Loader *l) {
  long left = l->set->n - l->place;
  return left < l->batch ? left : l->batch;
}

/* Not of numbers, which a program may change meanwhile. */
static void begin_next(Loader *l) {
  Batch *b = l->next;
  if (loader_ended(l) || !l->set->bytes) return;
  bool begun = batch_begin(b, l->set, next_size(l), l->order + l->place, true);
  if (!begun) nn_clear_error(); /* it is made when it is needed */
  if (begun && !workers_for_later(b->n, batch_grain(b), batch_fill, b)) batch_drop(b);
}

static Tensor *take_next(Loader *l, Tensor **labels) {
  Batch *b = l->next;
  workers_finish(b);
  if (b->x && b->which == l->order + l->place) return batch_take(b, labels);
  batch_drop(b);
  return dataset_batch(l->set, next_size(l), l->order + l->place, labels);
}

bool loader_next(Loader *l, Tensor **x, Tensor **labels) {
  *x = NULL;
  if (labels) *labels = NULL;
  if (nn_failed()) return false;
  long n = next_size(l);
  if (loader_ended(l)) {
    l->epoch++;
    begin_epoch(l);
    return true;
  }
  Random before = l->random;
  *x = augmented(l, take_next(l, labels));
  if (!*x) {
    l->random = before;
    return false;
  }
  l->place += n;
  begin_next(l);
  return true;
}

void loader_rewind(Loader *l) {
  if (l->place) begin_epoch(l);
}

bool loader_seek(Loader *l, Random epoch_start, long epoch, long place) {
  if (nn_failed()) return false;
  if (epoch < 0 || place < 0 || place > l->set->n)
    return nn_fail("data.loader: place %ld of epoch %ld is outside the set's %ld samples", place, epoch, l->set->n), false;
  l->random = epoch_start;
  l->epoch = epoch;
  begin_epoch(l);
  l->place = place;
  return true;
}
