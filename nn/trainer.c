/* What all trainers have in common: steps, reports, schedules, pictures. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "network.h"
#include "training.h"

/* ---- making ---- */

Trainer *trainer_new(const TrainerKind *kind, Loader *loader, size_t self) {
  Trainer *t = nn_failed() ? NULL : memory_new(sizeof *t);
  if (!t) return NULL;
  t->refs = 1;
  t->kind = kind;
  t->loader = loader_keep(loader);
  t->random = random_split();
  t->self = memory_new(self);
  if (t->self) return t;
  trainer_drop(t);
  return NULL;
}

Trainer *trainer_keep(Trainer *t) {
  if (t) t->refs++;
  return t;
}

void trainer_drop(Trainer *t) {
  if (!t || --t->refs) return;
  if (t->self) t->kind->free(t);
  for (int i = 0; i < t->schedules; i++) schedule_drop(t->schedule[i]);
  memory_free(t->schedule);
  memory_free(t->self);
  loader_drop(t->loader);
  memory_free(t);
}

bool trainer_add_schedule(Trainer *t, Schedule *s) {
  if (!t || !s || nn_failed()) return false;
  Schedule **list = memory_new((size_t)(t->schedules + 1) * sizeof *list);
  if (!list) return false;
  for (int i = 0; i < t->schedules; i++) list[i] = t->schedule[i];
  list[t->schedules++] = schedule_keep(s);
  memory_free(t->schedule);
  t->schedule = list;
  return true;
}

/* ---- the report ---- */

static int report_find(const Report *r, const char *name) {
  int i = 0;
  while (i < r->n && strcmp(r->name[i], name)) i++;
  return i;
}

void report_set(Report *r, const char *name, double value) {
  int i = report_find(r, name);
  if (i == REPORT_VALUES) return;
  if (i == r->n) snprintf(r->name[r->n++], sizeof r->name[0], "%s", name);
  r->value[i] = value;
}

double report_get(const Report *r, const char *name) {
  int i = report_find(r, name);
  return i < r->n ? r->value[i] : NAN;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The mean of the first steps, then of about the last ten; starts anew after a checkpoint was loaded. */
static void report_time(Report *r, double taken) {
  double share = r->seconds_per_step == 0 ? 1 : r->step < 10 ? 1 / (double)r->step : 0.1;
  r->seconds_per_step += share * (taken - r->seconds_per_step);
}

/* ---- modes ---- */

/* Walks over a tree: counts its modules, or with m puts them into m's list. */
static int modes_walk(Module *module, uint64_t walk, Modes *m) {
  if (module->walk == walk) return 0;
  module->walk = walk;
  if (m) m->module[m->n++] = module;
  int n = 1;
  for (int i = 0; i < module->children; i++) n += modes_walk(module->child[i].module, walk, m);
  return n;
}

bool modes_set(Modes *m, Trainer *t, bool training) {
  const char *name[TRAINER_PARTS];
  Module *network[TRAINER_PARTS];
  int networks = t->kind->modules(t, name, network), n = 0;
  uint64_t walk = walk_begin();
  for (int i = 0; i < networks; i++) n += modes_walk(network[i], walk, NULL);
  *m = (Modes){0, memory_new((size_t)n * sizeof *m->module), memory_new((size_t)n * sizeof *m->was)};
  if (!m->module || !m->was) {
    modes_restore(m);
    return false;
  }
  walk = walk_begin();
  for (int i = 0; i < networks; i++) modes_walk(network[i], walk, m);
  for (int i = 0; i < m->n; i++) {
    module_keep(m->module[i]); /* a script may take it out of the network meanwhile */
    m->was[i] = m->module[i]->training;
    m->module[i]->training = training;
  }
  return true;
}

void modes_restore(Modes *m) {
  for (int i = 0; i < m->n; i++) {
    m->module[i]->training = m->was[i];
    module_drop(m->module[i]);
  }
  memory_free(m->module);
  memory_free(m->was);
  *m = (Modes){0};
}

/* ---- steps ---- */

bool trainer_batch(Trainer *t, Tensor **x, Tensor **labels) {
  bool ok = loader_next(t->loader, x, labels);
  if (ok && !*x) ok = loader_next(t->loader, x, labels);
  return ok;
}

/* The step has happened: whatever comes now, it counts. */
static void count_step(Trainer *t, double taken) {
  t->report.step++;
  t->report.epoch = t->loader->epoch + loader_ended(t->loader);
  report_time(&t->report, taken);
  for (int i = 0; i < t->schedules; i++) schedule_step(t->schedule[i]);
}

static bool step_in_mode(Trainer *t) {
  Modes modes;
  double start = seconds();
  if (!modes_set(&modes, t, true)) return false;
  bool was = grad_enable(true), ok = t->kind->step(t);
  grad_enable(was);
  modes_restore(&modes);
  if (ok) count_step(t, seconds() - start);
  return ok && (!t->kind->after || t->kind->after(t));
}

bool trainer_step(Trainer *t) {
  if (!t || nn_failed()) return false;
  if (t->running) return nn_fail("%s: a step was asked for inside a step", t->kind->name), false;
  size_t scope = scope_enter();
  Random *before = random_use(&t->random);
  t->running = true;
  trainer_keep(t);
  bool ok = step_in_mode(t);
  random_use(before);
  scope_leave(scope, NULL);
  t->running = false;
  trainer_drop(t);
  return ok;
}

Tensor *trainer_picture(Trainer *t) {
  Modes modes;
  if (!t || nn_failed() || !t->kind->picture) return NULL;
  size_t scope = scope_enter();
  if (!modes_set(&modes, t, false)) return NULL;
  Random aside = t->random, *before = random_use(&aside);
  bool was = grad_enable(false);
  Tensor *picture = t->kind->picture(t);
  grad_enable(was);
  random_use(before);
  modes_restore(&modes);
  return scope_leave(scope, nn_failed() ? NULL : picture);
}
