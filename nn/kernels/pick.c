/* Pieces of a pick are rows of y; pieces of a sum are columns, so that what is added to one element is added in order. */
#include "pick.h"

#include <stdatomic.h>
#include <string.h>

#include "kernel.h"

enum {
  PIECE = 16384,
  STRIP = 32,
  STRIPS = 8,
  EXACT = 1 << 23
}; /* columns of a strip, at least; strips where there are no more outer places */

typedef struct Job {
  const Pick *p;
  const real *x, *y;
  real *out;
  long strip, strips;
} Job;

typedef struct Check {
  const real *index;
  double side;
  atomic_bool wrong;
} Check;

/* Of a side below EXACT, to which adding a number that floats have no fractions from on leaves a whole one. Without && and ||,
 * which would be branches. */
INLINE bool any_wrong(const real *index, long n, real side) {
  const real to_whole = (real)(sizeof(real) == sizeof(float) ? 0x1p23 : 0x1p52);
  int32_t wrong = 0;
  for (long i = 0; i < n; i++) {
    const real at = index[i], whole = (at + to_whole) - to_whole;
    wrong |= !(at >= 1) | !(at <= side) | (whole != at);
  }
  return wrong;
}

static KERNEL(check_piece, (void *job, long from, long to), (job, from, to)) {
  Check *j = job;
  const real *index = j->index;
  long wrong = 0;
  if (j->side < EXACT) wrong = any_wrong(index + from, to - from, (real)j->side), from = to;
  for (long i = from; i < to; i++) {
    bool inside = (double)index[i] >= 1 && (double)index[i] <= j->side;
    wrong += !inside || (double)(long)(inside ? index[i] : 0) != (double)index[i];
  }
  if (wrong) atomic_store(&j->wrong, true);
}

bool pick_check(const real *index, long n, long side) {
  Check job = {.index = index, .side = (double)side};
  workers_for(n, PIECE, check_piece, &job);
  return !atomic_load(&job.wrong);
}

/* Where the slice or element that an index names begins, in steps of inner elements. */
INLINE long place(const Pick *p, real index) {
  return ((long)index - 1) * p->inner;
}

/* n rows of one outer place: single elements, slices, or a slice of elements that are each picked. */
INLINE void pick_elements(const Pick *p, const real *x, const real *index, long n, real *out) {
  if (p->side < EXACT)
    for (long i = 0; i < n; i++) out[i] = x[(int32_t)index[i] - 1];
  else
    for (long i = 0; i < n; i++) out[i] = x[(long)index[i] - 1];
}

INLINE void pick_slices(const Pick *p, const real *x, const real *index, long n, real *out) {
  for (long i = 0; i < n; i++, out += p->inner) {
    const real *slice = x + place(p, index[i]);
    for (long k = 0; k < p->inner; k++) out[k] = slice[k];
  }
}

INLINE void pick_each(const Pick *p, const real *x, const real *index, long n, real *out) {
  for (long i = 0; i < n; i++, out += p->inner, index += p->inner)
    for (long k = 0; k < p->inner; k++) out[k] = x[place(p, index[k]) + k];
}

static KERNEL(pick_rows, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Pick *p = j->p;
  for (long row = from, n; row < to; row += n) { /* the rows of one outer place */
    const long outer = row / p->n, first = row - outer * p->n;
    const real *x = j->x + outer * p->side * p->inner, *index = p->index + (p->each ? row * p->inner : first);
    real *out = j->out + row * p->inner;
    n = p->n - first < to - row ? p->n - first : to - row;
    if (p->inner == 1)
      pick_elements(p, x, index, n, out);
    else if (p->each)
      pick_each(p, x, index, n, out);
    else
      pick_slices(p, x, index, n, out);
  }
}

void pick(const Pick *p, const real *x, real *y) {
  Job job = {.p = p, .x = x, .out = y};
  if (p->n) workers_for(p->outer * p->n, PIECE / (p->inner + 1) + 1, pick_rows, &job);
}

INLINE void copy_strip(const Pick *p, const real *x, long width, real *out) {
  if (width == p->inner) {
    memcpy(out, x, (size_t)(p->side * width) * sizeof *out);
    return;
  }
  for (long i = 0; i < p->side; i++, x += p->inner, out += p->inner)
    for (long k = 0; k < width; k++) out[k] = x[k];
}

INLINE void add_strip(const Job *j, long outer, long first, long width) {
  const Pick *p = j->p;
  const real *y = j->y + outer * p->n * p->inner + first, *index = p->index + (p->each ? outer * p->n * p->inner + first : 0);
  real *out = j->out + outer * p->side * p->inner + first;
  copy_strip(p, j->x + outer * p->side * p->inner + first, width, out);
  if (p->inner == 1) {
    for (long i = 0; i < p->n; i++) out[(long)index[i] - 1] += y[i];
    return;
  }
  for (long i = 0; i < p->n; i++, y += p->inner) {
    real *to = out + (p->each ? 0 : place(p, index[i]));
    if (p->each)
      for (long k = 0; k < width; k++) to[place(p, index[i * p->inner + k]) + k] += y[k];
    else
      for (long k = 0; k < width; k++) to[k] += y[k];
  }
}

static KERNEL(add_strips, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  for (long piece = from; piece < to; piece++) {
    long first = piece % j->strips * j->strip, rest = j->p->inner - first;
    add_strip(j, piece / j->strips, first, rest < j->strip ? rest : j->strip);
  }
}

void pick_add(const Pick *p, const real *x, const real *y, real *sum) {
  Job job = {.p = p, .x = x, .y = y, .out = sum};
  long wanted = p->outer < STRIPS ? STRIPS : 1, wide = (p->inner + wanted - 1) / wanted;
  job.strip = (wide + STRIP - 1) / STRIP * STRIP;
  job.strips = (p->inner + job.strip - 1) / job.strip;
  long work = (p->side + p->n) * (p->inner < job.strip ? p->inner : job.strip);
  workers_for(p->outer * job.strips, PIECE / (work + 1) + 1, add_strips, &job);
}
