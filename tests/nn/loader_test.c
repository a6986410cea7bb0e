/* Data sets in memory and the order in which a loader gives them out. */
#include "batch.h"
#include "test.h"

#include <stdlib.h>

/* Sample i of n holds the number i; its label is 1 + i % 3. */
static Dataset *counting(long n) {
  Dataset *set = dataset_new(1, (long[]){1}, n, false, true);
  for (long i = 0; set && i < n; i++) {
    set->reals->data[i] = (real)i;
    set->labels[i] = (int32_t)(i % 3) + 1;
  }
  return set;
}

/* The batches up to the end of an epoch, as one list of samples; returns how many. */
static long epoch_of(Loader *l, long *samples) {
  long n = 0;
  for (;;) {
    size_t scope = scope_enter();
    Tensor *x, *labels;
    CHECK(loader_next(l, &x, &labels));
    for (long i = 0; x && i < x->shape[0]; i++) {
      samples[n++] = (long)x->data[i];
      CHECK(labels->data[i] == (real)((long)x->data[i] % 3 + 1));
    }
    bool end = !x;
    scope_leave(scope, NULL);
    if (end) return n;
  }
}

static void bytes_become_minus_one_to_one(void) {
  size_t scope = scope_enter();
  Dataset *set = dataset_new(3, (long[]){16, 16, 1}, 3, true, false);
  for (int i = 0; i < 3 * 256; i++) set->bytes[i] = (uint8_t)(i / 256 == 1 ? i % 256 : 9);
  Tensor *labels, *x = dataset_batch(set, 2, (long[]){1, 0}, &labels);
  CHECK(x && !labels && x->ndim == 4 && x->shape[0] == 2 && x->shape[1] == 16 && x->shape[3] == 1);
  CHECK(x->data[0] == -1 && x->data[255] == 1);
  for (int i = 0; i < 256; i++) CHECK_NEAR((double)x->data[i], i / 127.5 - 1, 1e-6);
  CHECK(x->data[256] == x->data[9]);
  CHECK(dataset_batch(set, 1, (long[]){3}, NULL) == NULL);
  CHECK_ERROR("sample 4 asked for, there are 3");
  dataset_drop(set);
  scope_leave(scope, NULL);
}

static void every_sample_comes_once_an_epoch(void) {
  long samples[10], seen[10], second[10];
  Dataset *set = counting(10);
  Loader *plain = loader_new(set, 4, false, false), *mixed = loader_new(set, 4, true, false), *cut = loader_new(set, 4, true, true);
  CHECK(loader_batches(plain) == 3 && loader_batches(cut) == 2);
  CHECK(epoch_of(plain, samples) == 10);
  for (long i = 0; i < 10; i++) CHECK(samples[i] == i);
  CHECK(epoch_of(mixed, samples) == 10 && mixed->epoch == 1 && mixed->place == 0);
  memset(seen, 0, sizeof seen);
  for (long i = 0; i < 10; i++) seen[samples[i]]++;
  for (long i = 0; i < 10; i++) CHECK(seen[i] == 1);
  CHECK(epoch_of(mixed, second) == 10 && memcmp(samples, second, sizeof samples));
  CHECK(epoch_of(cut, samples) == 8 && epoch_of(cut, samples) == 8 && cut->epoch == 2);
  loader_drop(plain), loader_drop(mixed), loader_drop(cut);
  dataset_drop(set);
}

/* The order is the loader's own: what else draws from the random stream changes nothing. */
static void order_is_a_matter_of_the_seed(void) {
  long a[50], b[50];
  Dataset *set = counting(50);
  random_seed(5);
  Loader *one = loader_new(set, 7, true, false);
  random_seed(5);
  Loader *two = loader_new(set, 7, true, false);
  for (int epoch = 0; epoch < 3; epoch++) {
    random_below(10);
    CHECK(epoch_of(one, a) == 50 && epoch_of(two, b) == 50 && !memcmp(a, b, sizeof a));
  }
  loader_drop(one), loader_drop(two);
  dataset_drop(set);
}

static void seeking_goes_on_as_before(void) {
  long a[50], b[50];
  size_t scope = scope_enter();
  Dataset *set = counting(50);
  Loader *one = loader_new(set, 7, true, false), *two = loader_new(set, 7, true, false);
  Tensor *x;
  epoch_of(one, a);
  for (int i = 0; i < 3; i++) CHECK(loader_next(one, &x, NULL));
  CHECK(loader_seek(two, one->epoch_start, one->epoch, one->place));
  for (int epoch = 0; epoch < 3; epoch++) {
    long n = epoch_of(one, a), m = epoch_of(two, b);
    CHECK(n == (epoch ? 50 : 29) && n == m && !memcmp(a, b, (size_t)n * sizeof *a));
    CHECK(one->epoch == two->epoch);
  }
  CHECK(!loader_seek(two, one->random, 0, 51));
  CHECK_ERROR("place 51 of epoch 0 is outside the set's 50 samples");
  CHECK(two->epoch == 4 && two->place == 0);
  loader_next(two, &x, NULL);
  loader_rewind(two);
  CHECK(two->epoch == 4 && epoch_of(two, b) == 50);
  loader_drop(one), loader_drop(two);
  dataset_drop(set);
  scope_leave(scope, NULL);
}

static Tensor *add_noise(void *data, Tensor *x) {
  ++*(long *)data;
  Tensor *noise = tensor_new(x->ndim, x->shape);
  random_uniform(noise->data, tensor_numel(noise));
  tensor_add_to(noise, x, 1);
  Tensor *out = tensor_from(noise->ndim, noise->shape, noise->data);
  tensor_drop(noise);
  return out;
}

static Tensor *add_nothing(void *data, Tensor *x) {
  (void)data, (void)x;
  return NULL;
}

static void augmentation_draws_from_the_loader(void) {
  size_t scope = scope_enter();
  long calls = 0;
  Dataset *set = counting(10);
  random_seed(3);
  Loader *l = loader_new(set, 5, true, false);
  l->augment = add_noise;
  l->data = &calls;
  Random outside = *random_current();
  Tensor *x, *again;
  CHECK(loader_next(l, &x, NULL) && calls == 1);
  CHECK(random_current()->position == outside.position);
  CHECK(x->data[0] != floor(x->data[0]));
  Random stream = l->random;
  CHECK(loader_next(l, &x, NULL));
  CHECK(loader_seek(l, l->epoch_start, 0, 5));
  l->random = stream; /* what the augmentation drew belongs to the place */
  CHECK(loader_next(l, &again, NULL) && !memcmp(x->data, again->data, 5 * sizeof(real)));
  CHECK(loader_seek(l, l->epoch_start, 0, 5));
  l->augment = add_nothing;
  CHECK(!loader_next(l, &x, NULL) && l->place == 5);
  CHECK_ERROR("returned nothing");
  loader_drop(l);
  dataset_drop(set);
  scope_leave(scope, NULL);
}

static void bad_options_are_refused(void) {
  Dataset *set = counting(10), *empty = counting(0);
  CHECK(!loader_new(set, 0, true, false));
  CHECK_ERROR("batch must be at least 1, got 0");
  CHECK(!loader_new(empty, 1, true, false));
  CHECK_ERROR("no samples");
  CHECK(!loader_new(set, 11, true, true));
  CHECK_ERROR("a batch of 11 is more than the 10 samples");
  CHECK(!loader_new(NULL, 1, true, false));
  CHECK_ERROR("set is missing");
  CHECK(!dataset_new(3, (long[]){100000, 100000, 3}, 1000, true, false));
  CHECK_ERROR("1000 samples of (100000,100000,3) do not fit into");
  CHECK(!dataset_new(3, (long[]){1L << 40, 1L << 40, 1L << 40}, 1000, true, false));
  CHECK_ERROR("do not fit");
  dataset_drop(set), dataset_drop(empty);
}

/* Whatever allocation fails, the loader stays where it was. */
static void failure_keeps_the_place(void) {
  Dataset *set = counting(10);
  Loader *l = loader_new(set, 4, true, false);
  size_t live = memory_use().live;
  long failures = 0;
  for (long n = 1; n < 100; n++) {
    size_t scope = scope_enter();
    Tensor *x, *labels;
    memory_fail_after(n);
    bool ok = loader_next(l, &x, &labels);
    memory_fail_after(-1);
    if (!ok) {
      failures++;
      CHECK(l->place == 0 && nn_failed());
    }
    nn_clear_error();
    scope_leave(scope, NULL);
    if (ok) break;
  }
  CHECK(failures >= 4 && l->place == 4 && memory_use().live == live);
  loader_drop(l);
  dataset_drop(set);
}

/* Pictures of 16x16; pixel j of sample i is i + j. */
static Dataset *pictures(long n) {
  Dataset *set = dataset_new(3, (long[]){16, 16, 1}, n, true, true);
  for (long i = 0; set && i < n * 256; i++) set->bytes[i] = (uint8_t)(i / 256 + i % 256);
  for (long i = 0; set && i < n; i++) set->labels[i] = (int32_t)i + 1;
  return set;
}

/* Is the batch what the order says? Returns its samples. */
static long check_batch(Loader *l, bool labelled) {
  size_t scope = scope_enter();
  Tensor *x, *labels = NULL, *expected_labels;
  long place = l->place;
  CHECK(loader_next(l, &x, labelled ? &labels : NULL));
  long n = x ? x->shape[0] : 0;
  if (x) {
    Tensor *expected = dataset_batch(l->set, n, l->order + place, &expected_labels);
    CHECK(!memcmp(x->data, expected->data, (size_t)tensor_numel(x) * sizeof(real)));
    CHECK(!labels || !memcmp(labels->data, expected_labels->data, (size_t)n * sizeof(real)));
  }
  scope_leave(scope, NULL);
  return n;
}

static void pictures_are_made_ahead(void) {
  int threads = workers_count();
  size_t live = memory_use().live;
  Dataset *set = pictures(50);
  workers_set(3);
  Loader *one = loader_new(set, 16, true, false), *two = loader_new(set, 7, true, true);
  CHECK(check_batch(one, true) == 16 && one->next->x && one->next->n == 16);
  for (int i = 0; i < 200; i++) {
    check_batch(one, i % 3);
    if (i % 2) check_batch(two, i % 5);
    if (i % 23 == 0) loader_rewind(one);
    if (i % 29 == 0) CHECK(loader_seek(two, one->epoch_start, 3, 14));
    if (i % 50 == 0) workers_set(1 + i / 50);
  }
  loader_rewind(one);
  while (check_batch(one, true) != 2) continue;
  CHECK(!one->next->x); /* the epoch is at its end */
  loader_rewind(one);
  check_batch(one, true);
  loader_drop(one), loader_drop(two);
  dataset_drop(set);
  CHECK(memory_use().live == live);
  workers_set(threads);
}

/* No memory for the next batch is no error yet. */
static void no_room_ahead_is_no_failure(void) {
  Dataset *set = pictures(50);
  Loader *l = loader_new(set, 16, false, false);
  workers_set(2);
  for (long n = 1; n < 100; n++) {
    size_t scope = scope_enter();
    Tensor *x;
    loader_rewind(l);
    memory_fail_after(n);
    bool ok = loader_next(l, &x, NULL);
    memory_fail_after(-1);
    CHECK(ok == !nn_failed() && l->place == (ok ? 16 : 0));
    nn_clear_error();
    scope_leave(scope, NULL);
    if (!l->next->x) CHECK(check_batch(l, true) == 16);
  }
  loader_drop(l);
  dataset_drop(set);
}

int main(void) {
  size_t live = memory_use().live;
  bytes_become_minus_one_to_one();
  every_sample_comes_once_an_epoch();
  order_is_a_matter_of_the_seed();
  seeking_goes_on_as_before();
  augmentation_draws_from_the_loader();
  bad_options_are_refused();
  failure_keeps_the_place();
  pictures_are_made_ahead();
  no_room_ahead_is_no_failure();
  CHECK(memory_use().live == live);
  return test_done();
}
