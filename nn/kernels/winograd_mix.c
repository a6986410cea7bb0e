/* The transforms of the Winograd algorithms: tables of sums, and the loops that take them over rows. */
#include "kernel.h"
#include "winograd.h"

/* d0 .. d3, or the results, for the four points */
const Mix winograd_input[ALL_KINDS][POINTS] = {
    [F21] = {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {COPY, {1}}},
    [F22] = {{SUB, {0, 1}}, {COPY, {1}}, {NOTHING, {0}}, {SUB, {1, 2}}},
    [F22_EVEN] = {{SUB, {0, 2}}, {ADD, {1, 2}}, {SUB, {2, 1}}, {NOTHING, {0}}},
    [F23] = {{SUB, {0, 2}}, {ADD, {1, 2}}, {SUB, {2, 1}}, {SUB, {1, 3}}},
    [F32] = {{SUB, {0, 2}}, {ADD, {1, 2}}, {SUB, {2, 1}}, {SUB, {1, 3}}},
    [BACK + F21] = {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {MINUS, {1}}},
    [BACK + F22] = {{COPY, {0}}, {ADD, {0, 1}}, {NOTHING, {0}}, {MINUS, {1}}},
    [BACK + F22_EVEN] = {{COPY, {0}}, {ADD, {0, 1}}, {SUB, {0, 1}}, {NOTHING, {0}}},
    [BACK + F23] = {{COPY, {0}}, {ADD, {0, 1}}, {SUB, {0, 1}}, {MINUS, {1}}},
    [BACK + F32] = {{COPY, {0}}, {SUM, {0, 1, 2}}, {SUB_ADD, {0, 1, 2}}, {COPY, {2}}},
    [BACK_TWO] = {{COPY, {0}}, {ADD, {0, 1}}, {SUB, {0, 1}}, {ZERO, {0}}},
};

const Mix winograd_kernel[KINDS][POINTS] = {
    [F21] = {{COPY, {0}}, {NOTHING, {0}}, {NOTHING, {0}}, {MINUS, {0}}},
    [F22] = {{COPY, {0}}, {ADD, {0, 1}}, {NOTHING, {0}}, {COPY, {1}}},
    [F22_EVEN] = {{COPY, {0}}, {HALF_ADD, {0, 1}}, {HALF_SUB, {0, 1}}, {NOTHING, {0}}},
    [F23] = {{COPY, {0}}, {HALF_SUM, {0, 1, 2}}, {HALF_SUB_ADD, {0, 1, 2}}, {COPY, {2}}},
    [F32] = {{COPY, {0}}, {HALF_ADD, {0, 1}}, {HALF_SUB, {0, 1}}, {MINUS, {1}}},
};

const Mix winograd_output[KINDS][MOST_RESULTS] = {
    [F21] = {{COPY, {0}}, {MINUS, {3}}},
    [F22] = {{ADD, {0, 1}}, {SUB, {1, 3}}},
    [F22_EVEN] = {{SUM, {0, 1, 2}}, {SUB, {1, 2}}},
    [F23] = {{SUM, {0, 1, 2}}, {SUB_SUB, {1, 2, 3}}},
    [F32] = {{SUM, {0, 1, 2}}, {SUB, {1, 2}}, {SUM, {1, 2, 3}}},
};

const Mix winograd_kernel_back[KINDS][MOST_TAPS] = {
    [F21] = {{SUB, {0, 3}}},
    [F22] = {{ADD, {0, 1}}, {ADD, {1, 3}}},
    [F22_EVEN] = {{ADD_HALF, {0, 1, 2}}, {HALF_SUB, {1, 2}}},
    [F23] = {{ADD_HALF, {0, 1, 2}}, {HALF_SUB, {1, 2}}, {ADD_HALF, {3, 1, 2}}},
    [F32] = {{ADD_HALF, {0, 1, 2}}, {HALF_SUB_SUB, {1, 2, 3}}},
};

/* ---- loops ---- */

typedef real Vector __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
enum { LANES = sizeof(Vector) / sizeof(real) };

/* Sets `to` to a mix of x, y and z; the compiler leaves out what the mix, which it knows, does not have. */
#define SET(to, how, x, y, z)                                                                                                      \
  switch (how) {                                                                                                                   \
    case ZERO: to = (__typeof__(to)){0}; break;                                                                                    \
    case MINUS: to = -x; break;                                                                                                    \
    case ADD: to = x + y; break;                                                                                                   \
    case SUB: to = x - y; break;                                                                                                   \
    case HALF_ADD: to = (x + y) * half; break;                                                                                     \
    case HALF_SUB: to = (x - y) * half; break;                                                                                     \
    case SUM: to = x + y + z; break;                                                                                               \
    case SUB_ADD: to = x - y + z; break;                                                                                           \
    case SUB_SUB: to = x - y - z; break;                                                                                           \
    case HALF_SUM: to = (x + y + z) * half; break;                                                                                 \
    case HALF_SUB_ADD: to = (x - y + z) * half; break;                                                                             \
    case ADD_HALF: to = x + (y + z) * half; break;                                                                                 \
    case HALF_SUB_SUB: to = (x - y) * half - z; break;                                                                             \
    default: to = x;                                                                                                               \
  }

/* What is there for a vector of numbers is done for each number of the last few. */
#define EACH_NUMBER(body, n)                                                                                                       \
  {                                                                                                                                \
    long k = 0;                                                                                                                    \
    for (; k + LANES <= n; k += LANES) body(Vector) for (; k < n; k++) body(real)                                                  \
  }

#define MIX(type)                                                                                                                  \
  {                                                                                                                                \
    const type x = *(const type *)(a + k), y = *(const type *)(b + k), z = *(const type *)(c + k);                                 \
    SET(*(type *)(to + k), how, x, y, z)                                                                                           \
  }

/* What a mix does not have is read as a again. */
INLINE void loop(How how, const Rows *r) {
  const real half = (real)0.5;
  const long n = r->n, step = r->from_step, to_step = r->to_step;
  const real *a = r->from[0], *b = how >= ADD ? r->from[1] : a, *c = how >= SUM ? r->from[2] : a;
  real *to = r->to;
  for (long i = r->rows; i; i--, a += step, b += step, c += step, to += to_step) EACH_NUMBER(MIX, n)
}

KERNEL(mix_rows, (How how, const Rows *r), (how, r)) {
  switch (how) {
    case NOTHING: break;
    case ZERO: loop(ZERO, r); break;
    case COPY: loop(COPY, r); break;
    case MINUS: loop(MINUS, r); break;
    case ADD: loop(ADD, r); break;
    case SUB: loop(SUB, r); break;
    case HALF_ADD: loop(HALF_ADD, r); break;
    case HALF_SUB: loop(HALF_SUB, r); break;
    case SUM: loop(SUM, r); break;
    case SUB_ADD: loop(SUB_ADD, r); break;
    case SUB_SUB: loop(SUB_SUB, r); break;
    case HALF_SUM: loop(HALF_SUM, r); break;
    case HALF_SUB_ADD: loop(HALF_SUB_ADD, r); break;
    case ADD_HALF: loop(ADD_HALF, r); break;
    case HALF_SUB_SUB: loop(HALF_SUB_SUB, r); break;
  }
}

void mix_row(How how, real *to, const real *a, const real *b, const real *c, long n) {
  mix_rows(how, &(Rows){to, {a, b, c}, 0, 0, 1, n});
}

/* ---- all points of a part ---- */

#define POINT(type, p)                                                                                                             \
  if (mix[p].how != NOTHING) {                                                                                                     \
    SET(*(type *)(to + k), mix[p].how, d[mix[p].from[0]], d[mix[p].from[1]], d[mix[p].from[2]])                                    \
    to += r->plane;                                                                                                                \
  }

#define PIXELS(type)                                                                                                               \
  {                                                                                                                                \
    const type d[POINTS] = {*(const type *)(d0 + k), *(const type *)(d1 + k), *(const type *)(d2 + k), *(const type *)(d3 + k)};   \
    real *to = start;                                                                                                              \
    POINT(type, 0) POINT(type, 1) POINT(type, 2) POINT(type, 3)                                                                    \
  }

/* Pixels that there are not are read as others; the compiler leaves that out. */
INLINE void input_loop(const Mix *mix, const int pixels, const InputRows *r) {
  const real half = (real)0.5;
  const real *d0 = r->from;
  real *start = r->to;
  for (long i = r->rows; i; i--, d0 += r->from_step, start += r->to_step) {
    const real *d1 = d0 + r->pixel, *d2 = pixels > 2 ? d1 + r->pixel : d0, *d3 = pixels > 3 ? d2 + r->pixel : d0;
    EACH_NUMBER(PIXELS, r->n)
  }
}

KERNEL(mix_input, (int kind, const InputRows *r), (kind, r)) {
  switch (kind) {
#define CASE(kind, pixels)                                                                                                         \
  case kind: input_loop(winograd_input[kind], pixels, r); break;
    CASE(F21, 2)
    CASE(F22, 3)
    CASE(F22_EVEN, 3)
    CASE(F23, 4)
    CASE(F32, 4)
    CASE(BACK + F21, 2)
    CASE(BACK + F22, 2)
    CASE(BACK + F22_EVEN, 2)
    CASE(BACK + F23, 2)
    CASE(BACK + F32, 3)
    CASE(BACK_TWO, 2)
#undef CASE
  }
}

/* ---- all results of a tile ---- */

/* A column of points becomes results, and the rows of these become results each. */
#define SUMS(type, y, x) (*(const type *)(from + (y)*r->down + (x)*r->across + k))
#define DOWN(type, i, x)                                                                                                           \
  if (down[i].how != NOTHING && points[x].how != NOTHING)                                                                          \
  SET(t[i][x], down[i].how, SUMS(type, down[i].from[0], x), SUMS(type, down[i].from[1], x), SUMS(type, down[i].from[2], x))
#define COLUMN(type, x) DOWN(type, 0, x) DOWN(type, 1, x) DOWN(type, 2, x)
#define RESULT(type, i, j)                                                                                                         \
  if (down[i].how != NOTHING && across[j].how != NOTHING && i >= top && i < bottom && j >= left && j < right) {                    \
    type sum;                                                                                                                      \
    SET(sum, across[j].how, t[i][across[j].from[0]], t[i][across[j].from[1]], t[i][across[j].from[2]])                             \
    if (r->bias) sum += *(const type *)(r->bias + k);                                                                              \
    *(type *)(to + (i - top) * r->line + (j - left) * r->pixel + k) = sum;                                                         \
  }
#define LINE(type, i) RESULT(type, i, 0) RESULT(type, i, 1) RESULT(type, i, 2)
#define RESULTS(type)                                                                                                              \
  {                                                                                                                                \
    type t[MOST_RESULTS][POINTS];                                                                                                  \
    COLUMN(type, 0) COLUMN(type, 1) COLUMN(type, 2) COLUMN(type, 3) LINE(type, 0) LINE(type, 1) LINE(type, 2)                      \
  }

INLINE void output_loop(const Mix *down, const Mix *across, const Mix *points, const OutputTiles *r) {
  const real half = (real)0.5;
  const long top = r->first[0], bottom = top + r->results[0], left = r->first[1], right = left + r->results[1];
  const real *from = r->from;
  real *to = r->to;
  for (long i = r->tiles; i; i--, from += r->from_step, to += r->to_step) EACH_NUMBER(RESULTS, r->n)
}

INLINE void output_loops(const Mix *down, Kind across, const OutputTiles *r) {
  switch (across) {
#define CASE(kind)                                                                                                                 \
  case kind: output_loop(down, winograd_output[kind], winograd_input[kind], r); break;
    CASE(F21)
    CASE(F22)
    CASE(F22_EVEN)
    CASE(F23)
    default: CASE(F32)
#undef CASE
  }
}

KERNEL(mix_output, (Kind down, Kind across, const OutputTiles *r), (down, across, r)) {
  switch (down) {
    case F21: output_loops(winograd_output[F21], across, r); break;
    case F22: output_loops(winograd_output[F22], across, r); break;
    case F22_EVEN: output_loops(winograd_output[F22_EVEN], across, r); break;
    case F23: output_loops(winograd_output[F23], across, r); break;
    default: output_loops(winograd_output[F32], across, r);
  }
}
