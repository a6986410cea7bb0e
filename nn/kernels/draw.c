/* Philox 4x32-10 for many blocks side by side (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011).
 */
#include "draw.h"

#include <string.h>

#include "math.h"

enum { ROUNDS = 10, LANES = 32, GROUP = 4 * LANES }; /* blocks at a time, and the numbers they hold */

/* The words of `blocks` blocks from at.position on, at most LANES, those of a block one below the other. */
INLINE void philox_blocks(Random at, const int blocks, uint32_t word[4][LANES]) {
  uint32_t k0 = (uint32_t)at.seed, k1 = (uint32_t)(at.seed >> 32);
  uint32_t *c0 = word[0], *c1 = word[1], *c2 = word[2], *c3 = word[3];
  const uint32_t low = (uint32_t)at.position, high = (uint32_t)(at.position >> 32);
  for (int i = 0; i < blocks; i++) {
    c0[i] = low + (uint32_t)i;
    c1[i] = high + (c0[i] < low); /* the carry */
    c2[i] = c3[i] = 0;
  }
  for (int round = 0; round < ROUNDS; round++, k0 += 0x9E3779B9, k1 += 0xBB67AE85)
    for (int i = 0; i < blocks; i++) {
      const uint64_t a = (uint64_t)0xD2511F53 * c0[i], b = (uint64_t)0xCD9E8D57 * c2[i];
      c0[i] = (uint32_t)(b >> 32) ^ c1[i] ^ k0;
      c2[i] = (uint32_t)(a >> 32) ^ c3[i] ^ k1;
      c1[i] = (uint32_t)b;
      c3[i] = (uint32_t)a;
    }
}

INLINE void philox(Random at, uint32_t word[4][LANES]) {
  philox_blocks(at, LANES, word);
}

void draw_block(Random at, uint32_t word[4]) {
  uint32_t words[4][LANES];
  philox_blocks(at, 1, words);
  for (int i = 0; i < 4; i++) word[i] = words[i][0];
}

KERNEL(draw_integers, (Random at, uint64_t *out, long n), (at, out, n)) {
  uint32_t word[4][LANES];
  uint64_t pair[2 * LANES];
  for (; n > 0; n -= 2 * LANES, out += 2 * LANES, at.position += LANES) {
    philox(at, word);
    for (int i = 0; i < LANES; i++)
      for (int k = 0; k < 2; k++) pair[2 * i + k] = (uint64_t)word[2 * k + 1][i] << 32 | word[2 * k][i];
    memcpy(out, pair, (size_t)(n < 2 * LANES ? n : 2 * LANES) * sizeof *pair);
  }
}

/* 24 bits: exact in a float, from 0 to below 1. */
INLINE real unit(uint32_t word) {
  return (real)(int32_t)(word >> 8) * (real)(1.0 / 16777216);
}

INLINE void uniform_group(Random at, real out[GROUP]) {
  uint32_t word[4][LANES];
  philox(at, word);
  for (int i = 0; i < LANES; i++)
    for (int k = 0; k < 4; k++) out[4 * i + k] = unit(word[k][i]);
}

/* Box-Muller: two words are two numbers. 1 - u is above 0, so its logarithm is finite; the angle is split while it is an integer.
 */
#ifdef NN_DOUBLE

INLINE void box_muller(uint32_t u, uint32_t turn, real *a, real *b) {
  const real r = sqrt(-2 * log(1 - unit(u))), angle = 6.283185307179586 * turn / 4294967296.0;
  *a = r * cos(angle);
  *b = r * sin(angle);
}

#else

INLINE void box_muller(uint32_t u, uint32_t turn, real *a, real *b) {
  const uint32_t quarter = (turn + 0x20000000) >> 30;
  const real angle = (real)(int32_t)(turn - (quarter << 30)) * (real)(6.283185307179586 / 4294967296.0);
  const real r = sqrtf(-2 * log_of(1 - unit(u)));
  *a = r * cos_of_quarter(angle, quarter);
  *b = r * sin_of_quarter(angle, quarter);
}

#endif

INLINE void normal_group(Random at, real out[GROUP]) {
  uint32_t word[4][LANES];
  real value[4][LANES];
  philox(at, word);
  for (int k = 0; k < 4; k += 2)
    for (int i = 0; i < LANES; i++) box_muller(word[k][i], word[k + 1][i], &value[k][i], &value[k + 1][i]);
  for (int i = 0; i < LANES; i++)
    for (int k = 0; k < 4; k++) out[4 * i + k] = value[k][i];
}

/* Groups into out[0..n), the last by way of a place of its own where it is not whole. */
INLINE void fill(Random at, real *out, long n, void (*group)(Random at, real *out)) {
  for (; n >= GROUP; n -= GROUP, out += GROUP, at.position += LANES) group(at, out);
  real rest[GROUP];
  if (n) group(at, rest), memcpy(out, rest, (size_t)n * sizeof(real));
}

KERNEL(draw_uniform, (Random at, real *out, long n), (at, out, n)) {
  fill(at, out, n, uniform_group);
}

KERNEL(draw_normal, (Random at, real *out, long n), (at, out, n)) {
  fill(at, out, n, normal_group);
}

/* low + the high half of word x range (Lemire: Fast random integer generation in an interval. TOMACS 2019). Where the low half is
 * below 2^32 mod range the first numbers would come up more often: those are NaN, to be drawn again. */
KERNEL(draw_range, (Random at, uint32_t range, int32_t low, real *out, long n), (at, range, low, out, n)) {
  const uint32_t least = -range % range;
  for (long from = 0; from < n; from += GROUP, at.position += LANES) {
    uint32_t word[4][LANES];
    real group[GROUP];
    philox(at, word);
    for (int i = 0; i < LANES; i++)
      for (int k = 0; k < 4; k++) {
        const uint64_t product = (uint64_t)word[k][i] * range;
        const real number = (real)(low + (int32_t)(product >> 32));
        group[4 * i + k] = (uint32_t)product < least ? NAN : number;
      }
    memcpy(out + from, group, (size_t)(n - from < GROUP ? n - from : GROUP) * sizeof *out);
  }
}

/* ---- dropout ---- */

/* x scale where the bit of an element is set, else 0 */
INLINE void scale_bits(uint32_t bits, const real *x, real scale, int n, real *y) {
  for (int i = 0; i < n; i++) y[i] = x[i] * (bits & (uint32_t)1 << i ? scale : 0);
}

INLINE void scale_words(const uint32_t *kept, const real *x, real scale, long n, real *y) {
  for (; n >= DRAW_BITS; n -= DRAW_BITS, x += DRAW_BITS, y += DRAW_BITS) scale_bits(*kept++, x, scale, DRAW_BITS, y);
  if (n) scale_bits(*kept, x, scale, (int)n, y);
}

KERNEL(scale_kept, (const uint32_t *kept, const real *x, real scale, long n, real *y), (kept, x, scale, n, y)) {
  scale_words(kept, x, scale, n, y);
}

/* An element is kept if the 24 bits of its number are at least `least`. */
INLINE void keep_group(Random at, uint32_t least, uint32_t kept[GROUP / DRAW_BITS]) {
  uint32_t word[4][LANES], flat[GROUP];
  philox(at, word);
  for (int i = 0; i < LANES; i++)
    for (int k = 0; k < 4; k++) flat[4 * i + k] = word[k][i] >> 8;
  for (int part = 0; part < GROUP / DRAW_BITS; part++) {
    uint32_t bits = 0;
    for (int i = 0; i < DRAW_BITS; i++) bits |= (uint32_t)(flat[part * DRAW_BITS + i] >= least) << i;
    kept[part] = bits;
  }
}

KERNEL(draw_kept, (Random at, double p, const real *x, real scale, long n, uint32_t *kept, real *y),
       (at, p, x, scale, n, kept, y)) {
  const uint32_t least = (uint32_t)ceil(p * 16777216);
  enum { WORDS = GROUP / DRAW_BITS };
  for (long from = 0; from < n; from += GROUP, kept += WORDS, at.position += LANES) {
    uint32_t bits[WORDS];
    const long left = n - from < GROUP ? n - from : GROUP;
    keep_group(at, least, bits);
    memcpy(kept, bits, (size_t)((left + DRAW_BITS - 1) / DRAW_BITS) * sizeof *bits);
    scale_words(bits, x + from, scale, left, y + from);
  }
}
