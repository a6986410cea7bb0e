/* Pieces of a pick are rows of y; pieces of a sum are columns, so that what is added to one element is added in order. */
#include "pick.h"

enum { PIECE = 16384, STRIP = 32 };

typedef struct Job {
  const Pick *p;
  const real *x, *y;
  real *out;
  long strips;
} Job;

static void pick_rows(void *job, long from, long to) {
  const Job *j = job;
  const Pick *p = j->p;
  for (long row = from; row < to; row++) {
    long outer = row / p->n, i = row % p->n;
    const real *x = j->x + outer * p->side * p->inner;
    const long *at = p->each ? p->at + row * p->inner : p->at + i;
    real *out = j->out + row * p->inner;
    if (p->each)
      for (long k = 0; k < p->inner; k++) out[k] = x[at[k] * p->inner + k];
    else
      for (long k = 0; k < p->inner; k++) out[k] = x[*at * p->inner + k];
  }
}

void pick(const Pick *p, const real *x, real *y) {
  Job job = {.p = p, .x = x, .out = y};
  if (p->n) workers_for(p->outer * p->n, PIECE / (p->inner + 1) + 1, pick_rows, &job);
}

static void add_strip(const Job *j, long outer, long first, long width) {
  const Pick *p = j->p;
  const real *x = j->x + outer * p->side * p->inner + first, *y = j->y + outer * p->n * p->inner + first;
  real *out = j->out + outer * p->side * p->inner + first;
  for (long i = 0; i < p->side; i++)
    for (long k = 0; k < width; k++) out[i * p->inner + k] = x[i * p->inner + k];
  for (long i = 0; i < p->n; i++, y += p->inner) {
    const long *at = p->each ? p->at + (outer * p->n + i) * p->inner + first : p->at + i;
    real *to = out + *at * p->inner;
    if (p->each)
      for (long k = 0; k < width; k++) out[at[k] * p->inner + k] += y[k];
    else
      for (long k = 0; k < width; k++) to[k] += y[k];
  }
}

static void add_strips(void *job, long from, long to) {
  const Job *j = job;
  for (long piece = from; piece < to; piece++) {
    long first = piece % j->strips * STRIP, rest = j->p->inner - first;
    add_strip(j, piece / j->strips, first, rest < STRIP ? rest : STRIP);
  }
}

void pick_add(const Pick *p, const real *x, const real *y, real *sum) {
  Job job = {.p = p, .x = x, .y = y, .out = sum, .strips = (p->inner + STRIP - 1) / STRIP};
  long work = (p->side + p->n) * (p->inner < STRIP ? p->inner : STRIP);
  workers_for(p->outer * job.strips, PIECE / (work + 1) + 1, add_strips, &job);
}
