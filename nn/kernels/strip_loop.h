/* The loops of convolutions in groups, for inclusion behind tile_loop.h: each lane has a sum of its own. */
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { TOGETHER = (int)STRIP > (int)LANES ? 2 : 1, HALF = HEIGHT / 2 }; /* vectors; rows */

_Static_assert(HEIGHT <= MOST_HEIGHT, "MOST_HEIGHT");

/* A vector of numbers that repeat, fewer than it has lanes. */
INLINE Vector repeated(const int wide, const real *at) {
#if defined __AVX512F__ && !defined NN_DOUBLE
  if (wide == 8) return (Vector)_mm512_broadcast_f32x8(_mm256_loadu_ps(at));
  if (wide == 4) return (Vector)_mm512_broadcast_f32x4(_mm_loadu_ps(at));
  if (wide == 2) return (Vector)_mm512_broadcastsd_pd(_mm_castps_pd(_mm_loadl_pi(_mm_setzero_ps(), (const __m64 *)at)));
#elif defined __AVX2__ && !defined NN_DOUBLE
  if (wide == 4) return (Vector)_mm256_broadcast_ps((const __m128 *)at);
  if (wide == 2) return (Vector)_mm256_broadcast_sd((const double *)at);
#endif
  real all[LANES];
  for (int i = 0; i < LANES; i++) all[i] = at[i % wide];
  return *(const Vector *)all;
}

/* Adds b times the numbers of all lanes at `at`. */
INLINE void add_product(Vector *sum, const int wide, const real *at, Vector b) {
  if (wide == 1)
    *sum += *at * b;
  else if (wide >= LANES)
    *sum += *(const Vector *)at * b;
  else
    *sum += repeated(wide, at) * b;
}

/* ---- sums of a tile ---- */

INLINE void sum_some(const int wide, const long depth, const long step, const StripSum *m, const real *a, long lane, real *out,
                     long out_step) {
  const Vector start0 = *(const Vector *)(m->start + lane);
  const Vector start1 = TOGETHER > 1 ? *(const Vector *)(m->start + lane + LANES) : start0;
#define START_SUMS(r) Vector s##r = start0, t##r = start1;
#define AT(r) (r < HALF ? p + r * step : q + (r - HALF) * step)
#define ADD_PRODUCTS(r)                                                                                                            \
  add_product(&s##r, wide, AT(r), b);                                                                                              \
  if (TOGETHER > 1) add_product(&t##r, wide, AT(r) + (wide > LANES ? LANES : 0), c);
#define PUT_SUMS(r)                                                                                                                \
  *(Vector *)(out + lane + r * out_step) = s##r;                                                                                   \
  if (TOGETHER > 1) *(Vector *)(out + lane + LANES + r * out_step) = t##r;
  EACH_ROW(START_SUMS)
  for (long u = 0; u < m->rows; u++)
    for (long v = 0; v < m->taps; v++) {
      const real *p = a + u * m->a_row + v * m->a_tap + lane % wide, *w = m->w + u * m->w_row + v * m->w_tap + lane;
      const real *q = p + HALF * step;
      for (long k = 0; k < depth; k++, p += wide, q += wide, w += STRIP) {
        const Vector b = *(const Vector *)w, c = TOGETHER > 1 ? *(const Vector *)(w + LANES) : b;
        EACH_ROW(ADD_PRODUCTS)
      }
    }
  EACH_ROW(PUT_SUMS)
#undef START_SUMS
#undef AT
#undef ADD_PRODUCTS
#undef PUT_SUMS
}

static void strip_sum(const StripSum *m, const real *a, real *out, long out_step) {
  for (int lane = 0; lane < STRIP; lane += TOGETHER * LANES) switch (m->wide) {
      case 1: sum_some(1, m->depth, m->a_step, m, a, lane, out, out_step); break;
      case 2: sum_some(2, m->depth, m->a_step, m, a, lane, out, out_step); break;
      case 4: sum_some(4, m->depth, m->a_step, m, a, lane, out, out_step); break;
      case 8: sum_some(8, m->depth, m->a_step, m, a, lane, out, out_step); break;
      default:
        if (m->depth == 1 && m->a_step == STRIP) /* each channel by itself: offsets that are known take no registers */
          sum_some(STRIP, 1, STRIP, m, a, lane, out, out_step);
        else
          sum_some(STRIP, m->depth, m->a_step, m, a, lane, out, out_step);
    }
}

/* ---- sums over pixels ---- */

#define EACH_TAP(X) X(0) X(1) X(2) X(3) X(4)

/* Of a channel, the sums of every other pixel and those of the others; of two, those of each, and where taps are few those of every
 * other pixel too: additions that wait for one another would be too few. */
INLINE void meet_some(const int taps, const bool two, const int wide, const StripMet *m, long lane, real *to) {
  const long a_step = m->a_step, b_step = m->b_step, a_tap = m->a_tap, next = wide;
  const bool halves = !two || taps <= 3;
  const long pixels = halves ? 2 : 1;
#define START_SUMS(t) Vector s##t = {0}, r##t = {0}, q##t = {0}, p##t = {0};
#define ADD_EVEN(t)                                                                                                                \
  if (t < taps) {                                                                                                                  \
    add_product(&s##t, wide, a + t * a_tap, b0);                                                                                   \
    if (two) add_product(&r##t, wide, a + t * a_tap + next, b0);                                                                   \
  }
#define ADD_ODD(t)                                                                                                                 \
  if (t < taps && halves) {                                                                                                        \
    add_product(&q##t, wide, a + a_step + t * a_tap, b1);                                                                          \
    if (two) add_product(&p##t, wide, a + a_step + t * a_tap + next, b1);                                                          \
  }
#define PUT_SUMS(t)                                                                                                                \
  if (t < taps) {                                                                                                                  \
    *(Vector *)(to + t * m->to_tap) += s##t + q##t;                                                                                \
    if (two) *(Vector *)(to + t * m->to_tap + STRIP) += r##t + p##t;                                                               \
  }
  EACH_TAP(START_SUMS)
  for (long row = 0; row < m->rows; row++) {
    const real *a = m->a + lane % wide + row * m->a_line, *b = m->b + lane + row * m->b_line;
    long n = m->n;
    for (; n >= pixels; n -= pixels, a += pixels * a_step, b += pixels * b_step) {
      const Vector b0 = *(const Vector *)b, b1 = *(const Vector *)(b + (halves ? b_step : 0));
      EACH_TAP(ADD_EVEN)
      EACH_TAP(ADD_ODD)
    }
    if (n) {
      const Vector b0 = *(const Vector *)b;
      EACH_TAP(ADD_EVEN)
    }
  }
  EACH_TAP(PUT_SUMS)
#undef START_SUMS
#undef ADD_EVEN
#undef ADD_ODD
#undef PUT_SUMS
}

INLINE void meet_wide(const int wide, const StripMet *m, int taps, bool two, long lane, real *to) {
#define CASE(t)                                                                                                                    \
  case 2 * t: meet_some(t + 1, false, wide, m, lane, to); break;                                                                   \
  case 2 * t + 1: meet_some(t + 1, true, wide, m, lane, to); break;
  switch (2 * (taps - 1) + two) { EACH_TAP(CASE) }
#undef CASE
}

static void strip_meet(const StripMet *m, int taps, bool two, real *to) {
  for (int lane = 0; lane < STRIP; lane += LANES) switch (m->wide) {
      case 1: meet_wide(1, m, taps, two, lane, to + lane); break;
      case 2: meet_wide(2, m, taps, two, lane, to + lane); break;
      case 4: meet_wide(4, m, taps, two, lane, to + lane); break;
      case 8: meet_wide(8, m, taps, two, lane, to + lane); break;
      default: meet_wide(STRIP, m, taps, two, lane, to + lane);
    }
}
