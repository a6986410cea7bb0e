/* The loops of tile.h, for vectors of VECTOR bytes and tiles of HEIGHT rows and two vectors. The sums stand in named
 * variables: compilers keep those in registers, but not arrays. HEIGHT, its list EACH_ROW and VECTOR come from the
 * including file. */
#include <string.h>

#include "tile.h"

#define INLINE static inline __attribute__((always_inline))

typedef real Vector __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));
typedef real Lanes __attribute__((vector_size(32), aligned(sizeof(real)), may_alias)); /* of dot, on all CPUs */

enum { LANES = VECTOR / sizeof(real), WIDTH = 2 * LANES, DOT_LANES = 32 / sizeof(real) };

/* A row that ends within a vector. */
static __attribute__((noinline)) void finish_part(const Finish *f, real *out, const real *sum) {
  for (int i = 0; i < f->columns; i++) out[i] = f->add ? out[i] + sum[i] : sum[i];
}

INLINE void finish_row(const Finish *f, int row, int vectors, Vector s, Vector t) {
  Vector *to = (Vector *)f->out[row];
  if (f->columns != vectors * LANES) {
    Vector sum[2] = {s, t};
    finish_part(f, f->out[row], (const real *)sum);
    return;
  }
  if (f->add) s += to[0];
  to[0] = s;
  if (vectors == 1) return;
  if (f->add) t += to[1];
  to[1] = t;
}

/* Results that are in no cache: their rows are on their way while the sums go on. */
INLINE void fetch_rows(int height, int vectors, const Finish *f) {
  for (int r = 0; r < height; r++) {
    __builtin_prefetch(f->out[r], 1);
    if (vectors > 1) __builtin_prefetch(f->out[r] + LANES, 1);
  }
}

/* ---- gather ---- */

#define SUMS(r) Vector s##r = start0, t##r = start1;
#define FINISH(r)                                                                                                                  \
  if (r < height) finish_row(&part, r, vectors, s##r, t##r);
#define CLEAR(r) s##r = t##r = (Vector){0};
#define FLUSH                                                                                                                      \
  if (!left) {                                                                                                                     \
    EACH_ROW(FINISH)                                                                                                               \
    EACH_ROW(CLEAR)                                                                                                                \
    part.add = true;                                                                                                               \
    left = span;                                                                                                                   \
  }
#define START                                                                                                                      \
  Vector start0 = {0}, start1 = {0};                                                                                               \
  if (f->start) {                                                                                                                  \
    start0 = *(const Vector *)f->start;                                                                                            \
    if (vectors > 1) start1 = *(const Vector *)(f->start + LANES);                                                                 \
  }

/* apart: rows of b are not packed, and those of the next panel are fetched, which are in pages that no other hint leads to. */
INLINE void gather_tile(const int height, const int vectors, const bool apart, const real *const *a, long taps, long depth,
                        const real *b, long b_step, const Finish *f) {
  Finish part = *f;
  const long span = f->span ? f->span : SPAN;
  long left = span;
  const real *next = f->next ? f->next : b;
  const long step = apart || vectors == 1 ? b_step : WIDTH; /* of packed panels it is known */
  fetch_rows(height, vectors, f);
  START
  EACH_ROW(SUMS)
  for (long tap = 0; tap < taps; tap++, a += height) {
#define POINT(r) const real *a##r = a[r < height ? r : 0];
    EACH_ROW(POINT)
    for (long rest = depth; rest;) {
      FLUSH
      const long n = rest < left ? rest : left;
      left -= n, rest -= n;
#define PASS(r) a##r += n;
      EACH_ROW(PASS)
#undef PASS
      for (long k = -n; k; k++, b += step) { /* pointers behind the end, since there are hardly enough registers for them */
        if (apart) {
          __builtin_prefetch(b + WIDTH, 0, 2);
          __builtin_prefetch(b + WIDTH + LANES, 0, 2);
        } else {
          __builtin_prefetch(next, 0, 3);
          next += NEXT;
        }
        Vector b0 = *(const Vector *)b, b1 = b0;
        if (vectors > 1) b1 = *(const Vector *)(b + LANES);
#define ADD(r)                                                                                                                     \
  if (r < height) {                                                                                                                \
    s##r += a##r[k] * b0;                                                                                                          \
    if (vectors > 1) t##r += a##r[k] * b1;                                                                                         \
  }
        EACH_ROW(ADD)
#undef ADD
      }
    }
  }
  EACH_ROW(FINISH)
}

static void gather(int height, const real *const *a, long taps, long depth, const real *b, long b_step, const Finish *f) {
#define CASE(r)                                                                                                                    \
  case 3 * r: gather_tile(r + 1, 1, false, a, taps, depth, b, b_step, f); break;                                                   \
  case 3 * r + 1: gather_tile(r + 1, 2, false, a, taps, depth, b, b_step, f); break;                                               \
  case 3 * r + 2: gather_tile(r + 1, 2, true, a, taps, depth, b, b_step, f); break;
  switch (3 * (height - 1) + (f->columns > LANES) * (1 + (b_step > WIDTH))) { EACH_ROW(CASE) }
#undef CASE
}

/* ---- outer ---- */

INLINE void outer_tile(const int height, const int vectors, const real *a, const real *b, const Walk *w, const Finish *f) {
  Finish part = *f;
  const long span = SPAN;
  long left = span;
  fetch_rows(height, vectors, f);
  START
  EACH_ROW(SUMS)
  for (long n = 0; n < w->count[0]; n++)
    for (long y = 0; y < w->count[1]; y++) {
      const real *at = a + n * w->a_step[0] + y * w->a_step[1], *bt = b + n * w->b_step[0] + y * w->b_step[1];
      for (long x = 0; x < w->count[2];) {
        FLUSH
        const long end = w->count[2] - x < left ? w->count[2] : x + left;
        left -= end - x;
        for (; x < end; x++, at += w->a_step[2], bt += w->b_step[2]) {
          Vector b0 = *(const Vector *)bt, b1 = b0;
          if (vectors > 1) b1 = *(const Vector *)(bt + LANES);
#define ADD(r)                                                                                                                     \
  if (r < height) {                                                                                                                \
    s##r += at[r] * b0;                                                                                                            \
    if (vectors > 1) t##r += at[r] * b1;                                                                                           \
  }
          EACH_ROW(ADD)
#undef ADD
        }
      }
    }
  EACH_ROW(FINISH)
}

static void outer(int height, const real *a, const real *b, const Walk *w, const Finish *f) {
#define CASE(r)                                                                                                                    \
  case 2 * r: outer_tile(r + 1, 1, a, b, w, f); break;                                                                             \
  case 2 * r + 1: outer_tile(r + 1, 2, a, b, w, f); break;
  switch (2 * (height - 1) + (f->columns > LANES)) { EACH_ROW(CASE) }
#undef CASE
}

/* ---- dot ---- */

/* The lanes' sum, in an order that all CPUs have. */
INLINE real sum_lanes(const Lanes *v) {
  real lane[DOT_LANES];
  memcpy(lane, v, sizeof lane);
  for (int half = DOT_LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  return lane[0];
}

/* n numbers, fewer than lanes, and zeros: a loop over them would be compiled to other sums on other CPUs. */
static __attribute__((noinline)) void load_part(Lanes *to, const real *from, long n) {
  real *lane = (real *)to;
  for (int i = 0; i < DOT_LANES; i++) lane[i] = i < n ? from[i] : 0;
}

/* Two rows (or one twice) by `columns`, each sum in lanes along the depth. */
INLINE void dot_pair(const int columns, int height, int row, const real *const *a, long taps, long depth, const real *b,
                     long b_step, const Finish *f) {
  int next = row + 1 < height ? row + 1 : row;
  Lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, t0 = {0}, t1 = {0}, t2 = {0}, t3 = {0};
  for (long tap = 0; tap < taps; tap++, a += height, b += depth) {
    const real *p = a[row], *q = a[next];
    long k = 0;
#define ADD(c)                                                                                                                     \
  if (c < columns) {                                                                                                               \
    Lanes w = *(const Lanes *)(b + c * b_step + k);                                                                                \
    s##c += x * w;                                                                                                                 \
    t##c += y * w;                                                                                                                 \
  }
    for (; k + DOT_LANES <= depth; k += DOT_LANES) {
      Lanes x = *(const Lanes *)(p + k), y = *(const Lanes *)(q + k);
      ADD(0) ADD(1) ADD(2) ADD(3)
    }
#undef ADD
    if (k == depth) continue;
    Lanes x, y, w;
    load_part(&x, p + k, depth - k);
    load_part(&y, q + k, depth - k);
#define ADD(c)                                                                                                                     \
  if (c < columns) {                                                                                                               \
    load_part(&w, b + c * b_step + k, depth - k);                                                                                  \
    s##c += x * w;                                                                                                                 \
    t##c += y * w;                                                                                                                 \
  }
    ADD(0) ADD(1) ADD(2) ADD(3)
#undef ADD
  }
  const Lanes sums[2][DOT_COLUMNS] = {{s0, s1, s2, s3}, {t0, t1, t2, t3}};
  for (int r = 0; r < 1 + (next > row); r++)
    for (int c = 0; c < columns; c++) {
      real sum = sum_lanes(&sums[r][c]) + (f->start ? f->start[c] : 0), *out = f->out[row + r] + c;
      *out = f->add ? *out + sum : sum;
    }
}

static void dot(int height, const real *const *a, long taps, long depth, const real *b, long b_step, const Finish *f) {
  for (int row = 0; row < height; row += 2) switch (f->columns) {
      case 1: dot_pair(1, height, row, a, taps, depth, b, b_step, f); break;
      case 2: dot_pair(2, height, row, a, taps, depth, b, b_step, f); break;
      case 3: dot_pair(3, height, row, a, taps, depth, b, b_step, f); break;
      default: dot_pair(4, height, row, a, taps, depth, b, b_step, f); break;
    }
}
