/* Random numbers: Philox 4x32-10, a function of seed and position, so any thread can make any part.
 * Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011). */
#include <math.h>

#include "nn.h"

enum { ROUNDS = 10, GRAIN = 4096 };

static Random global = {0x67616e646572, 0};
static Random *current = &global;

/* The four words of block `counter` of the stream `seed`. */
static void philox(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int i = 0; i < ROUNDS; i++) {
    uint64_t a = (uint64_t)0xD2511F53 * c0, b = (uint64_t)0xCD9E8D57 * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)b;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

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
  real *out;
  long n;
  Random at;
} Fill;

static real unit(uint32_t word) {
  return (real)((word >> 8) * (1.0 / 16777216)); /* 24 bits: exact in a float, below 1 */
}

static void uniform_blocks(void *job, long from, long to) {
  Fill *f = job;
  for (long block = from; block < to; block++) {
    uint32_t word[4];
    philox(f->at.seed, f->at.position + (uint64_t)block, word);
    for (long i = 4 * block; i < 4 * block + 4 && i < f->n; i++) f->out[i] = unit(word[i & 3]);
  }
}

/* Box-Muller: two words make two numbers. 1 - u is in (0, 1], so its logarithm is finite. */
static void normal_blocks(void *job, long from, long to) {
  Fill *f = job;
  for (long block = from; block < to; block++) {
    uint32_t word[4];
    real value[4];
    philox(f->at.seed, f->at.position + (uint64_t)block, word);
    for (int i = 0; i < 4; i += 2) {
      double r = sqrt(-2 * log(1 - (word[i] >> 8) * (1.0 / 16777216))), angle = 6.283185307179586 * word[i + 1] / 4294967296.0;
      value[i] = (real)(r * cos(angle));
      value[i + 1] = (real)(r * sin(angle));
    }
    for (long i = 4 * block; i < 4 * block + 4 && i < f->n; i++) f->out[i] = value[i & 3];
  }
}

/* A call uses whole blocks of four, so that the next call starts on one. */
static void fill(real *out, long n, void (*blocks)(void *, long, long)) {
  Fill f = {out, n, *current};
  workers_for((n + 3) / 4, GRAIN, blocks, &f);
  current->position += (uint64_t)(n + 3) / 4;
}

void random_uniform(real *out, long n) {
  fill(out, n, uniform_blocks);
}

void random_normal(real *out, long n) {
  fill(out, n, normal_blocks);
}

uint64_t random_below(uint64_t n) {
  uint64_t reject = -n % n; /* values below this would make the first ones likelier */
  for (;;) {
    uint32_t word[4];
    philox(current->seed, current->position++, word);
    uint64_t x = (uint64_t)word[1] << 32 | word[0];
    if (x >= reject) return x % n;
  }
}

void random_shuffle(long *order, long n) {
  for (long i = n - 1; i > 0; i--) {
    long j = (long)random_below((uint64_t)i + 1), held = order[i];
    order[i] = order[j];
    order[j] = held;
  }
}
