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

/* The next part of `left` taps; false: there is none. For two results taps are taken in threes and twos, and one is left alone
 * only when it is the only one; for three results in twos. */
static bool next_part(long left, int results, bool even, Part *p) {
  p->taps = (int)(left == 2 || left == 4 || results > 2 ? 2 : left < MOST_TAPS ? left : MOST_TAPS);
  const Kind two[] = {F21, even ? F22_EVEN : F22, F23};
  p->kind = results > 2 ? F32 : two[p->taps - 1];
  return p->taps <= left;
}

static void add_terms(Filter *f, const Part *p, long step) {
  for (int point = 0; point < POINTS; point++) {
    Term *term = &f->term[f->terms];
    *term = (Term){f->parts - 1, point, winograd_input[p->kind][point]};
    if (term->mix.how == NOTHING) continue;
    for (int i = 0; i < 3; i++) term->mix.from[i] = (int)(p->at + term->mix.from[i] * step);
    f->terms++;
  }
}

/* Taps whose pixels are the step apart belong together: `every` tap, in as many classes. */
bool filter_make(Filter *f, long taps, long tap_step, long step, int results, bool even) {
  if (step % tap_step || taps > MOST_KERNEL || step > MOST_KERNEL) return false;
  *f = (Filter){.every = step / tap_step, .results = results};
  f->even = even = even && taps / f->every > 1; /* a tap alone needs the last point, for others too */
  for (long class = 0; class < f->every && class < taps; class ++) {
    long left = (taps - 1 - class) / f->every + 1, tap = class;
    while (left) {
      Part p = {.term = f->terms, .tap = tap, .at = tap * tap_step};
      if (f->parts == MOST_PARTS || !next_part(left, results, even, &p)) return false;
      f->part[f->parts++] = p;
      add_terms(f, &p, step);
      long last = p.at + (p.taps + results - 2) * step;
      if (last >= f->window) f->window = last + 1;
      if (p.kind > (int)f->kind) f->kind = (Kind)p.kind;
      left -= p.taps, tap += p.taps * f->every;
    }
  }
  return true;
}

bool filter_has(const Filter *f, int point) {
  return winograd_input[f->kind][point].how != NOTHING;
}

int part_rank(const Part *p, int point) {
  int rank = 0;
  for (int i = 0; i < point; i++) rank += winograd_input[p->kind][i].how != NOTHING;
  return rank;
}

void filter_make_back(Filter *back, const Filter *f) {
  const Part p = {.kind = BACK + (int)f->kind};
  *back = (Filter){.parts = 1, .results = f->results, .kind = f->kind, .window = f->results, .part = {p}};
  add_terms(back, &p, 1);
}
