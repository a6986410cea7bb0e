/* Storage, scopes, random numbers, workers, signatures and the rules of the graph. */
#include "folder.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "blocks.h"
#include "machine.h"

static void cache_serves_what_was_dropped(void) {
  memory_drop_cache();
  size_t live = memory_use().live;
  for (int i = 0; i < 100; i++) {
    size_t scope = scope_enter();
    Tensor *x = tensor_zeros(2, (long[]){300, 1000});
    CHECK(x != NULL);
    scope_leave(scope, NULL);
  }
  unsigned long fresh = memory_use().fresh;
  size_t scope = scope_enter();
  tensor_zeros(2, (long[]){1000, 300});
  CHECK(memory_use().live > live);
  scope_leave(scope, NULL);
  CHECK(memory_use().fresh == fresh);
  CHECK(memory_use().live == live);
  CHECK(memory_use().cached > 0);
  memory_drop_cache();
  CHECK(memory_use().cached == 0);
}

/* Blocks of all sizes lie apart, also when some of them went back meanwhile. */
static void blocks_lie_apart(void) {
  enum { BLOCKS = 400 };
  unsigned char *block[BLOCKS];
  size_t bytes[BLOCKS];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < BLOCKS; i++) {
      if (round && i % 3) continue;
      bytes[i] = i % 40 ? (size_t)1 << (i % 20) : (size_t)3 << 20;
      block[i] = block_new(bytes[i]);
      CHECK(block[i] && (uintptr_t)block[i] % 64 == 0);
      memset(block[i], i & 0xff, bytes[i]);
    }
    for (int i = 0; i < BLOCKS; i++) {
      size_t k = 0;
      while (k < bytes[i] && block[i][k] == (i & 0xff)) k++;
      CHECK(k == bytes[i]);
      if (round == 2 || i % 3 == 0) block_free(block[i], bytes[i]);
    }
  }
}

static int collected;

static void collect(void *data) {
  (void)data;
  collected++;
}

static void running_out_is_an_error_that_passes(void) {
  memory_on_full(collect, NULL);
  CHECK(tensor_zeros(2, (long[]){1L << 30, 1L << 6}) == NULL);
  CHECK(collected == 1);
  CHECK_ERROR("out of memory: 274877.9 MB asked for");
  CHECK(tensor_zeros(1, (long[]){-1}) == NULL);
  CHECK_ERROR("negative");
  CHECK(tensor_zeros(3, (long[]){1L << 40, 1L << 40, 1L << 40}) == NULL);
  CHECK_ERROR("out of memory");
  memory_limit(1 << 20);
  CHECK(tensor_zeros(1, (long[]){1 << 20}) == NULL);
  CHECK_ERROR("of 1.0 MB in use");
  memory_limit(0);
  memory_on_full(NULL, NULL);
  CHECK(tensor_zeros(1, (long[]){1 << 20}) != NULL);
}

/* A failure at any allocation of an expression leaves nothing behind. */
static void every_allocation_may_fail(void) {
  size_t live = memory_use().live;
  long failures = 0;
  for (long at = 1; at < 1000; at++) {
    size_t scope = scope_enter();
    memory_fail_after(at);
    Tensor *w = tensor_ones(2, (long[]){3, 3});
    if (w) tensor_set_requires_grad(w, true);
    Tensor *y = tensor_mean(tensor_square(tensor_matmul(w, w)), 0, NULL, false);
    if (y) tensor_backward(y, NULL, 0, NULL, 0);
    memory_fail_after(-1);
    bool failed = nn_failed();
    nn_clear_error();
    scope_leave(scope, NULL);
    if (!failed) break;
    failures++;
  }
  CHECK(failures > 10);
  CHECK(memory_use().live == live);
}

/* Known answer of Philox 4x32-10 for counter 0 and key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
static void random_is_philox(void) {
  real x[4], y[3000], z[3000];
  const uint32_t words[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  random_seed(0);
  random_uniform(x, 4);
  for (int i = 0; i < 4; i++) CHECK(x[i] == (real)((words[i] >> 8) / 16777216.0));
  CHECK(random_current()->position == 1);
  random_seed(5);
  workers_set(1);
  random_normal(y, 3000);
  random_seed(5);
  workers_set(3);
  random_normal(z, 3000);
  CHECK(!memcmp(y, z, sizeof y));
  double mean = 0, square = 0;
  for (int i = 0; i < 3000; i++) mean += y[i] / 3000, square += y[i] * y[i] / 3000;
  CHECK_NEAR(mean, 0, 0.06);
  CHECK_NEAR(square, 1, 0.1);
  long order[100], seen = 0;
  for (long i = 0; i < 100; i++) order[i] = i;
  random_shuffle(order, 100);
  for (long i = 0; i < 100; i++) seen += order[i];
  CHECK(seen == 4950 && (order[0] != 0 || order[1] != 1));
}

/* Chi-squared of 23 degrees of freedom: above 49.7 once in a thousand times, and of one seed always or never. */
static void every_order_is_as_likely(void) {
  enum { TIMES = 24000 };
  int count[256] = {0}, orders = 0;
  double chi_squared = 0;
  random_seed(17);
  for (int i = 0; i < TIMES; i++) {
    long order[4] = {0, 1, 2, 3};
    random_shuffle(order, 4);
    count[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
  }
  for (int i = 0; i < 256; i++)
    if (count[i]) orders++, chi_squared += (count[i] - TIMES / 24) * (double)(count[i] - TIMES / 24) / (TIMES / 24);
  CHECK(orders == 24 && chi_squared < 49.7);
}

static void count_pieces(void *job, long from, long to) {
  for (long i = from; i < to; i++) ((int *)job)[i]++;
}

static void workers_do_each_piece_once(void) {
  static int done[10001];
  for (int threads = 1; threads <= 4; threads++) {
    workers_set(threads);
    for (int round = 0; round < 200; round++) workers_for(10001, 7, count_pieces, done);
  }
  int wrong = 0;
  for (int i = 0; i < 10001; i++) wrong += done[i] != 800;
  CHECK(wrong == 0);
}

/* Also when loops are run meanwhile; what they left, workers_finish does. */
static void waiting_workers_do_what_is_needed_later(void) {
  static int done[10001], meanwhile[1000];
  workers_set(1);
  CHECK(!workers_for_later(10001, 7, count_pieces, done));
  for (int threads = 2; threads <= 4; threads++) {
    workers_set(threads);
    for (int round = 0; round < 100; round++) {
      CHECK(workers_for_later(10001, 7, count_pieces, done));
      for (int i = 0; i < round % 10; i++) workers_for(1000, 7, count_pieces, meanwhile);
      workers_finish(meanwhile);
      workers_finish(done);
    }
  }
  int wrong = 0;
  for (int i = 0; i < 10001; i++) wrong += done[i] != 300;
  for (int i = 0; i < 1000; i++) wrong += meanwhile[i] != 3 * 450;
  CHECK(wrong == 0);
}

static void add_piece(void *job, long from, long to) {
  atomic_fetch_add((atomic_long *)job, to - from);
}

static void nobody_need_finish_it(void) {
  static int meanwhile[1000];
  atomic_long done = 0;
  workers_set(2);
  CHECK(workers_for_later(1000, 1, add_piece, &done));
  for (time_t end = time(NULL) + 20; atomic_load(&done) < 1000 && time(NULL) < end;) workers_for(1000, 7, count_pieces, meanwhile);
  CHECK(atomic_load(&done) == 1000);
  workers_finish(&done);
  CHECK(atomic_load(&done) == 1000);
}

static bool child_did_well(pid_t child) {
  int status;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A forked process has workers of its own, as many, and computes the same. */
static void workers_survive_fork(void) {
#ifdef __SANITIZE_THREAD__
  return; /* it does not let forked processes have threads */
#endif
  size_t scope = scope_enter();
  workers_set(3);
  Tensor *a = tensor_randn(2, (long[]){300, 70}), *b = tensor_randn(2, (long[]){70, 200}), *c = tensor_matmul(a, b);
  for (int i = 0; i < 20; i++) {
    tensor_matmul(a, b); /* workers may be on their way to sleep */
    pid_t child = fork();
    if (!child) {
      alarm(60);
      Tensor *d = tensor_matmul(a, b);
      bool same = d && !memcmp(c->data, d->data, (size_t)tensor_numel(c) * sizeof(real));
      _exit(!same || workers_count() != 3);
    }
    CHECK(child_did_well(child));
  }
  scope_leave(scope, NULL);
}

/* ---- limits of control groups, of both versions ---- */

static void put_text(const char *group, const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", group, name);
  file_put(path, text, strlen(text));
}

/* Quotas for two cores' time, half a core's and none, on `cores` cores; name: of a folder for them. */
static void check_quotas(const char *name, int cores) {
  char groups[512], cpu[520];
  snprintf(groups, sizeof groups, "%s", path_of(name));
  snprintf(cpu, sizeof cpu, "%s/cpu", groups);
  CHECK(!mkdir(groups, 0700) && cores_usable(groups) == cores);
  CHECK(!mkdir(cpu, 0700));
  put_text(cpu, "cpu.cfs_period_us", "50000\n");
  put_text(cpu, "cpu.cfs_quota_us", "-1\n");
  CHECK(cores_usable(groups) == cores);
  put_text(cpu, "cpu.cfs_quota_us", "25000\n");
  CHECK(cores_usable(groups) == 1);
  put_text(groups, "cpu.max", "max 100000\n");
  CHECK(cores_usable(groups) == cores);
  put_text(groups, "cpu.max", "150000 100000\n");
  CHECK(cores_usable(groups) == (cores < 2 ? cores : 2));
  put_text(groups, "cpu.max", "1000 100000\n");
  CHECK(cores_usable(groups) == 1);
}

static void memory_is_what_the_container_may_use(void) {
  const size_t all = memory_usable(folder);
  CHECK(all > 0 && !mkdir(path_of("memory"), 0700));
  put_text(folder, "memory.max", "max\n");
  CHECK(memory_usable(folder) == all);
  put_text(folder, "memory.max", "1048576\n");
  CHECK(memory_usable(folder) == 1048576);
  put_text(folder, "memory.max", "9223372036854771712\n");
  CHECK(memory_usable(folder) == all);
  put_text(folder, "memory/memory.limit_in_bytes", "2097152\n");
  CHECK(memory_usable(folder) == 2097152);
}

static void workers_are_as_many_as_usable_cores(void) {
#ifdef __linux__
  cpu_set_t set, one;
  CHECK(!sched_getaffinity(0, sizeof set, &set));
  check_quotas("all", CPU_COUNT(&set));
  CPU_ZERO(&one);
  for (int i = 0; !CPU_COUNT(&one); i++)
    if (CPU_ISSET(i, &set)) CPU_SET(i, &one);
  CHECK(!sched_setaffinity(0, sizeof one, &one));
  check_quotas("one", 1);
  pid_t child = fork();
  if (!child) {
    unsetenv("GANDER_THREADS");
    _exit(workers_count() != 1);
  }
  CHECK(child_did_well(child));
  CHECK(!sched_setaffinity(0, sizeof set, &set));
#endif
}

static void signatures_are_read(void) {
  Signature s;
  CHECK(signature_parse("x, weight, bias?, stride:pair=2, dim:dim=-1, keepdim:boolean=true, mode:nearest|bilinear=bilinear", &s));
  CHECK(s.count == 7 && s.tensors == 3 && s.params == 4);
  CHECK(!s.arg[0].optional && s.arg[2].optional && s.arg[3].fallback.list[1] == 2);
  CHECK(s.arg[4].fallback.number == -1 && s.arg[5].fallback.number == 1 && s.arg[6].fallback.number == 1);
  CHECK(choice_find(&s.arg[6], "nearest") == 0 && choice_find(&s.arg[6], "near") == -1);
  CHECK(!signature_parse("x:thing", &s));
  CHECK_ERROR("unknown kind thing");
}

static void the_graph_says_what_is_wrong(void) {
  Tensor *w = tensor_ones(1, (long[]){3});
  CHECK(!tensor_backward(w, NULL, 0, NULL, 0));
  CHECK_ERROR("does not depend on anything that requires a gradient");
  tensor_set_requires_grad(w, true);
  Tensor *y = tensor_mul(w, w);
  CHECK(!tensor_backward(y, NULL, 0, NULL, 0));
  CHECK_ERROR("got shape (3)");
  Tensor *total = tensor_sum(y, 0, NULL, false);
  CHECK(tensor_backward(total, NULL, 0, NULL, 0));
  CHECK(tensor_grad(w)->data[0] == 2);
  CHECK(!tensor_backward(total, NULL, 0, NULL, 0));
  CHECK_ERROR("freed by an earlier backward");
  CHECK(!tensor_fill(w, 1));
  CHECK_ERROR("requires a gradient");
  total = tensor_sum(tensor_mul(w, w), 0, NULL, false);
  bool was = grad_enable(false);
  CHECK(tensor_fill(w, 3));
  grad_enable(was);
  CHECK(!tensor_backward(total, NULL, 0, NULL, 0));
  CHECK_ERROR("written to in place");
  total = tensor_sum(tensor_mul(w, w), 0, NULL, false);
  CHECK(tensor_backward(total, NULL, 0, NULL, 0));
  CHECK(tensor_grad(w)->data[0] == 2 + 6);
}

/* Only what leads to the inputs asked for is computed, and .grad of the rest stays empty. */
static void gradients_go_only_where_asked(void) {
  Tensor *a = tensor_full(2, 0, NULL), *b = tensor_full(3, 0, NULL), *grad;
  tensor_set_requires_grad(a, true);
  tensor_set_requires_grad(b, true);
  CHECK(tensor_backward(tensor_mul(a, b), NULL, 1, &a, 0));
  CHECK(tensor_item(tensor_grad(a)) == 3 && tensor_grad(b) == NULL);
  Tensor *cube = tensor_mul(a, tensor_square(a));
  CHECK(tensor_gradients(cube, NULL, 1, &a, GRAD_CREATE_GRAPH, &grad));
  CHECK_NEAR(tensor_item(grad), 12, 1e-5);
  CHECK(tensor_gradients(grad, NULL, 1, &a, 0, &grad));
  CHECK_NEAR(tensor_item(grad), 12, 1e-5);
  CHECK(tensor_item(tensor_grad(a)) == 3);
}

static void long_graphs_end_without_recursion(void) {
  size_t live = memory_use().live, scope = scope_enter();
  Tensor *x = tensor_full(1, 0, NULL);
  tensor_set_requires_grad(x, true);
  Tensor *y = tensor_shift(x, 0);
  for (int i = 0; i < 200000; i++) {
    size_t inner = scope_enter();
    y = scope_leave(inner, tensor_shift(y, 0));
  }
  scope_leave(scope, NULL);
  CHECK(memory_use().live == live);
}

int main(void) {
  if (!folder_new()) return 1;
  workers_are_as_many_as_usable_cores(); /* first: before there are threads */
  memory_is_what_the_container_may_use();
  cache_serves_what_was_dropped();
  blocks_lie_apart();
  running_out_is_an_error_that_passes();
  every_allocation_may_fail();
  random_is_philox();
  every_order_is_as_likely();
  workers_do_each_piece_once();
  waiting_workers_do_what_is_needed_later();
  nobody_need_finish_it();
  workers_survive_fork();
  signatures_are_read();
  the_graph_says_what_is_wrong();
  gradients_go_only_where_asked();
  long_graphs_end_without_recursion();
  return test_done();
}
