/* How one side of a kernel is split into parts of at most three taps. */
#include "winograd.h"

static bool exact, always = sizeof(real) == sizeof(double); /* the build that checks derivatives */

bool exact_enable(bool on) {
  bool was = exact;
  exact = on;
  return was;
}

bool exact_enabled(void) {
  return exact;
}

void winograd_always(bool on) {
  always = on;
}

bool winograd_is_wanted(bool pays) {
  return !exact && (pays || always);
}

/* Taps are taken in threes and twos; one is left alone only when it is the only one. */
static long next_part(long left) {
  return left == 2 || left == 4 ? 2 : left < MOST_TAPS ? left : MOST_TAPS;
}

/* Adds the terms of the last part, whose first tap reads pixel `at` of the window. */
static void add_terms(Filter *f, long at, long step) {
  const Part *p = &f->part[f->parts - 1];
  for (int point = 0; point < POINTS; point++) {
    Term *term = &f->term[f->terms];
    *term = (Term){f->parts - 1, point, winograd_input[p->taps - 1][point]};
    if (term->mix.how == NOTHING) continue;
    for (int i = 0; i < 3; i++) term->mix.from[i] = (int)(at + term->mix.from[i] * step);
    f->terms++;
  }
  if (at + p->taps * step >= f->window) f->window = at + p->taps * step + 1;
  if (p->taps > f->longest) f->longest = p->taps;
}

/* Taps whose pixels are the step apart belong together: `every` tap, in as many classes. */
bool filter_make(Filter *f, long taps, long tap_step, long step) {
  if (step % tap_step || taps > MOST_KERNEL || step > MOST_KERNEL) return false;
  *f = (Filter){.every = step / tap_step};
  for (long class = 0; class < f->every && class < taps; class ++) {
    long left = (taps - 1 - class) / f->every + 1, tap = class;
    while (left) {
      if (f->parts == MOST_PARTS) return false;
      long part = next_part(left);
      f->part[f->parts++] = (Part){(int)part, f->terms, tap};
      add_terms(f, tap * tap_step, step);
      left -= part, tap += part * f->every;
    }
  }
  return true;
}

bool filter_has(const Filter *f, int point) {
  return winograd_input[f->longest - 1][point].how != NOTHING;
}

int part_rank(const Part *p, int point) {
  int rank = 0;
  for (int i = 0; i < point; i++) rank += winograd_input[p->taps - 1][i].how != NOTHING;
  return rank;
}

void filter_make_back(Filter *back, const Filter *f) {
  *back = (Filter){.window = OUTPUTS};
  for (int point = 0; point < POINTS; point++)
    if (filter_has(f, point)) back->term[back->terms++] = (Term){0, point, winograd_output_back[point]};
}
