/* Random numbers: Philox 4x32-10, a function of seed and position, so any thread can make any part. */
#include "kernels/draw.h"

enum { GRAIN = 16384, AHEAD = 64 }; /* GRAIN is a multiple of four: pieces begin with a block */

static Random global = {0x67616e646572, 0};
static Random *current = &global;

Random *random_current(void) {
  return current;
}

Random *random_use(Random *stream) {
  Random *before = current;
  current = stream ? stream : &global;
  return before;
}

void random_seed(uint64_t seed) {
  *current = (Random){seed, 0};
}

typedef struct Fill {
  void (*draw)(Random at, real *out, long n);
  real *out;
  Random at;
} Fill;

static void fill_piece(void *job, long from, long to) {
  const Fill *f = job;
  f->draw((Random){f->at.seed, f->at.position + (uint64_t)from / 4}, f->out + from, to - from);
}

/* A call uses whole blocks of four, so that the next call starts on one. */
Random random_take(long n) {
  Random at = *current;
  current->position += (uint64_t)(n + 3) / 4;
  return at;
}

static void fill(real *out, long n, void (*draw)(Random at, real *out, long n)) {
  workers_for(n, GRAIN, fill_piece, &(Fill){draw, out, random_take(n)});
}

void random_uniform(real *out, long n) {
  fill(out, n, draw_uniform);
}

void random_normal(real *out, long n) {
  fill(out, n, draw_normal);
}

/* Half a block of the stream; some blocks are drawn ahead. */
static uint64_t next_integer(void) {
  static Random first;
  static uint64_t ahead[2 * AHEAD];
  static bool drawn;
  if (!drawn || current->seed != first.seed || current->position - first.position >= AHEAD) {
    first = *current;
    draw_integers(first, ahead, 2 * AHEAD);
    drawn = true;
  }
  return ahead[2 * (current->position++ - first.position)];
}

__extension__ typedef unsigned __int128 Wide;

/* x, of 64 random bits, becomes one of n numbers: the upper half of x n (Lemire, "Fast Random Integer Generation in an Interval",
 * https://arxiv.org/abs/1805.10941). A lower half below 2^64 mod n would make some numbers likelier; that is less than n, so it
 * is seldom looked at. */
static uint64_t below(uint64_t n, uint64_t x) {
  Wide product = (Wide)x * n;
  if ((uint64_t)product < n)
    for (uint64_t reject = -n % n; (uint64_t)product < reject;) product = (Wide)next_integer() * n;
  return (uint64_t)(product >> 64);
}

Random random_split(void) {
  return (Random){next_integer(), 0};
}

uint64_t random_below(uint64_t n) {
  return below(n, next_integer());
}

void random_shuffle(long *order, long n) {
  uint64_t drawn[2 * AHEAD];
  for (long i = n - 1, some; i > 0;) {
    some = i < 2 * AHEAD ? i : 2 * AHEAD;
    draw_integers(*current, drawn, some);
    current->position += (uint64_t)(some + 1) / 2;
    for (long k = 0; k < some; k++, i--) {
      long j = (long)below((uint64_t)i + 1, drawn[k]), held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
  }
}

typedef struct Range {
  Random at;
  uint32_t range;
  int32_t low;
  real *out;
} Range;

static void range_piece(void *job, long from, long to) {
  const Range *r = job;
  draw_range((Random){r->at.seed, r->at.position + (uint64_t)from / 4}, r->range, r->low, r->out + from, to - from);
}

void random_integers(real *out, long n, int32_t low, int32_t high) {
  const uint32_t range = (uint32_t)(high - low) + 1;
  workers_for(n, GRAIN, range_piece, &(Range){random_take(n), range, low, out});
  for (long i = 0; i < n; i++)
    if (out[i] != out[i]) out[i] = (real)(low + (int32_t)random_below(range));
}
