/* The transforms of the Winograd algorithms: tables of sums, and the loops that take them over rows. */
#include "kernel.h"
#include "winograd.h"

/* d0 .. d3, for the four points */
const Mix winograd_input[MOST_TAPS][POINTS] = {
    {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {COPY, {1}}},
    {{SUB, {0, 1}}, {COPY, {1}}, {NOTHING, {0}}, {SUB, {2, 1}}},
    {{SUB, {0, 2}}, {ADD, {1, 2}}, {SUB, {2, 1}}, {SUB, {3, 1}}},
};

const Mix winograd_kernel[MOST_TAPS][POINTS] = {
    {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {COPY, {0}}},
    {{COPY, {0}}, {ADD, {0, 1}}, {NOTHING, {0}}, {COPY, {1}}},
    {{COPY, {0}}, {HALF_SUM, {0, 1, 2}}, {HALF_SUB_ADD, {0, 1, 2}}, {COPY, {2}}},
};

const Mix winograd_output[MOST_TAPS][OUTPUTS] = {
    {{COPY, {0}}, {COPY, {3}}},
    {{ADD, {0, 1}}, {ADD, {1, 3}}},
    {{SUM, {0, 1, 2}}, {SUB_ADD, {1, 2, 3}}},
};

const Mix winograd_output_back[POINTS] = {{COPY, {0}}, {ADD, {0, 1}}, {SUB, {0, 1}}, {COPY, {1}}};

const Mix winograd_kernel_back[MOST_TAPS][MOST_TAPS] = {
    {{ADD, {0, 3}}},
    {{ADD, {0, 1}}, {ADD, {1, 3}}},
    {{ADD_HALF, {0, 1, 2}}, {HALF_SUB, {1, 2}}, {ADD_HALF, {3, 1, 2}}},
};

/* ---- loops ---- */

INLINE real mixed(How how, real a, real b, real c) {
  const real half = (real)0.5;
  switch (how) {
    case ADD: return a + b;
    case SUB: return a - b;
    case SUM: return a + b + c;
    case SUB_ADD: return a - b + c;
    case HALF_SUM: return (a + b + c) * half;
    case HALF_SUB_ADD: return (a - b + c) * half;
    case ADD_HALF: return a + (b + c) * half;
    case HALF_SUB: return (a - b) * half;
    default: return a;
  }
}

/* Those that a mix does not have are read as a again: the compiler leaves them out. */
INLINE void loop(How how, const Rows *r) {
  bool second = how != COPY, third = second && how != ADD && how != SUB && how != HALF_SUB;
  for (long i = 0; i < r->rows; i++) {
    real *restrict to = r->to + i * r->to_step;
    const real *a = r->from[0] + i * r->from_step, *b = second ? r->from[1] + i * r->from_step : a,
               *c = third ? r->from[2] + i * r->from_step : a;
    for (long k = 0; k < r->n; k++) to[k] = mixed(how, a[k], b[k], c[k]);
  }
}

CPU_VARIANTS void mix_rows(How how, const Rows *r) {
  switch (how) {
    case NOTHING: break;
    case COPY: loop(COPY, r); break;
    case ADD: loop(ADD, r); break;
    case SUB: loop(SUB, r); break;
    case SUM: loop(SUM, r); break;
    case SUB_ADD: loop(SUB_ADD, r); break;
    case HALF_SUM: loop(HALF_SUM, r); break;
    case HALF_SUB_ADD: loop(HALF_SUB_ADD, r); break;
    case ADD_HALF: loop(ADD_HALF, r); break;
    case HALF_SUB: loop(HALF_SUB, r); break;
  }
}

void mix_row(How how, real *to, const real *a, const real *b, const real *c, long n) {
  mix_rows(how, &(Rows){to, {a, b, c}, 0, 0, 1, n});
}
