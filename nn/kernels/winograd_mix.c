/* The transforms of the Winograd algorithms: tables of sums, and the loops that take them over rows. */
#include "kernel.h"
#include "winograd.h"

/* d0 .. d3, for the four points */
const Mix winograd_input[MOST_TAPS][POINTS] = {
    {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {COPY, {1}}},
    {{SUB, {0, 1}}, {COPY, {1}}, {NOTHING, {0}}, {SUB, {1, 2}}},
    {{SUB, {0, 2}}, {ADD, {1, 2}}, {SUB, {2, 1}}, {SUB, {1, 3}}},
};

const Mix winograd_kernel[MOST_TAPS][POINTS] = {
    {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {MINUS, {0}}},
    {{COPY, {0}}, {ADD, {0, 1}}, {NOTHING, {0}}, {COPY, {1}}},
    {{COPY, {0}}, {HALF_SUM, {0, 1, 2}}, {HALF_SUB_ADD, {0, 1, 2}}, {COPY, {2}}},
};

const Mix winograd_output[MOST_TAPS][OUTPUTS] = {
    {{COPY, {0}}, {MINUS, {3}}},
    {{ADD, {0, 1}}, {SUB, {1, 3}}},
    {{SUM, {0, 1, 2}}, {SUB_SUB, {1, 2, 3}}},
};

const Mix winograd_output_back[POINTS] = {{COPY, {0}}, {ADD, {0, 1}}, {SUB, {0, 1}}, {MINUS, {1}}};

const Mix winograd_kernel_back[MOST_TAPS][MOST_TAPS] = {
    {{SUB, {0, 3}}},
    {{ADD, {0, 1}}, {ADD, {1, 3}}},
    {{ADD_HALF, {0, 1, 2}}, {HALF_SUB, {1, 2}}, {ADD_HALF, {3, 1, 2}}},
};

/* ---- loops ---- */

typedef real Vector __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
enum { LANES = sizeof(Vector) / sizeof(real) };

/* One number or vector of a row, from place k on. */
#define MIX(type, k)                                                                                                               \
  {                                                                                                                                \
    const type x = *(const type *)(a + k), y = *(const type *)(b + k), z = *(const type *)(c + k);                                 \
    type *out = (type *)(to + k);                                                                                                  \
    switch (how) {                                                                                                                 \
      case ADD: *out = x + y; break;                                                                                               \
      case SUB: *out = x - y; break;                                                                                               \
      case SUM: *out = x + y + z; break;                                                                                           \
      case SUB_SUB: *out = x - y - z; break;                                                                                       \
      case HALF_SUM: *out = (x + y + z) * half; break;                                                                             \
      case HALF_SUB_ADD: *out = (x - y + z) * half; break;                                                                         \
      case ADD_HALF: *out = x + (y + z) * half; break;                                                                             \
      case HALF_SUB: *out = (x - y) * half; break;                                                                                 \
      case MINUS: *out = -x; break;                                                                                                \
      default: *out = x;                                                                                                           \
    }                                                                                                                              \
  }

/* What a mix does not have is read as a again: the compiler leaves it out. */
INLINE void loop(How how, const Rows *r) {
  const real half = (real)0.5;
  const bool second = how != COPY && how != MINUS, third = second && how != ADD && how != SUB && how != HALF_SUB;
  const long n = r->n, fours = n - n % (4 * LANES), vectors = n - n % LANES, step = r->from_step, to_step = r->to_step;
  const real *a = r->from[0], *b = second ? r->from[1] : a, *c = third ? r->from[2] : a;
  real *to = r->to;
  for (long i = r->rows; i; i--, a += step, b += step, c += step, to += to_step) {
    long k = 0;
    for (; k < fours; k += 4 * LANES) {
      MIX(Vector, k)
      MIX(Vector, k + LANES)
      MIX(Vector, k + 2 * LANES)
      MIX(Vector, k + 3 * LANES)
    }
    for (; k < vectors; k += LANES) MIX(Vector, k)
    for (; k < n; k++) MIX(real, k)
  }
}

CPU_VARIANTS void mix_rows(How how, const Rows *r) {
  switch (how) {
    case NOTHING: break;
    case COPY: loop(COPY, r); break;
    case MINUS: loop(MINUS, r); break;
    case ADD: loop(ADD, r); break;
    case SUB: loop(SUB, r); break;
    case SUM: loop(SUM, r); break;
    case SUB_SUB: loop(SUB_SUB, r); break;
    case HALF_SUM: loop(HALF_SUM, r); break;
    case HALF_SUB_ADD: loop(HALF_SUB_ADD, r); break;
    case ADD_HALF: loop(ADD_HALF, r); break;
    case HALF_SUB: loop(HALF_SUB, r); break;
  }
}

void mix_row(How how, real *to, const real *a, const real *b, const real *c, long n) {
  mix_rows(how, &(Rows){to, {a, b, c}, 0, 0, 1, n});
}
