/* Checkpoints. One walk over everything that the next step depends on serves three times: to write it, to check a file
 * against what is there, and, when all of it fits, to take it over. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../row.h"
#include "../training.h"
#include "archive.h"

typedef struct Walk Walk;
struct Walk {
  enum { SAVE, CHECK, TAKE } mode;
  const char *path, *who, *what; /* the file; "module:load"; "network" or "trainer" */
  ArchiveWriter writer;
  Archive archive;
  char prefix[64];  /* "generator/" */
  Tensor **staged;  /* tensors made while checking, so that taking over cannot fail */
  int stages, next; /* how many; the next to be taken */
  char *note;
};

enum { NAME = 4000 };

static bool full_name(const Walk *w, const char *name, char out[NAME]) {
  int n = snprintf(out, NAME, "%s%s", w->prefix, name);
  return n < NAME || nn_fail("%s: the name %.60s... is too long", w->path, out);
}

static void *lacks(const Walk *w, const char *name) {
  return nn_fail("%s lacks %s, which the %s has", w->path, name, w->what);
}

/* The entry of that name, if it is of the type and shape wanted. */
static ArchiveEntry *wanted(Walk *w, const char *name, const char *types, int ndim, const long *shape) {
  ArchiveEntry *e = archive_find(&w->archive, name);
  if (!e) return nn_fail("%s lacks %s %s, which the %s has", w->path, name, shape_text(ndim, shape), w->what);
  e->used = true;
  if (!strchr(types, e->type)) return nn_fail("%s holds %s with values of another type", w->path, name);
  if (e->ndim != ndim || memcmp(e->shape, shape, (size_t)ndim * sizeof *shape))
    return nn_fail("%s holds %s %s, the %s wants %s", w->path, name, shape_text(e->ndim, e->shape), w->what,
                   shape_text(ndim, shape));
  return e;
}

/* ---- tensors ---- */

static void copy_values(const ArchiveEntry *e, real *to) {
  if (e->type == ARCHIVE_REAL) {
    if (e->n) memcpy(to, e->bytes, (size_t)e->n * sizeof(real));
    return;
  }
  for (long i = 0; i < e->n; i++) {
    float single = 0;
    double twice = 0;
    if (e->type == 'f') memcpy(&single, e->bytes + 4 * i, 4);
    if (e->type == 'd') memcpy(&twice, e->bytes + 8 * i, 8);
    to[i] = e->type == 'f' ? (real)single : (real)twice;
  }
}

/* A tensor that keeps its shape. */
static bool walk_tensor(Walk *w, const char *part, Tensor *t) {
  char name[NAME];
  if (!full_name(w, part, name)) return false;
  if (!t->data) return nn_fail("%s: the memory of %s was freed", w->path, name), false;
  if (w->mode == SAVE) return archive_put(&w->writer, name, ARCHIVE_REAL, t->ndim, t->shape, t->data), true;
  ArchiveEntry *e = wanted(w, name, "fd", t->ndim, t->shape);
  if (!e) return false;
  if (w->mode == TAKE && tensor_begin_write(t, "load")) copy_values(e, t->data);
  return !nn_failed();
}

/* A tensor that the file's takes the place of: of `like`'s shape, with any number of rows if `any_rows`. One
 * that is optional may be missing here or there. */
static bool walk_place(Walk *w, const char *part, Tensor **place, const Tensor *like, bool optional, bool any_rows) {
  char name[NAME];
  if (!full_name(w, part, name)) return false;
  if (w->mode == SAVE) return !*place || walk_tensor(w, part, *place);
  ArchiveEntry *e = archive_find(&w->archive, name);
  if (w->mode == CHECK && (e || !optional)) {
    long shape[NN_DIMS];
    memcpy(shape, like->shape, sizeof shape);
    if (e && any_rows && e->ndim && e->shape[0] > 0) shape[0] = e->shape[0];
    if (!wanted(w, name, "fd", like->ndim, shape)) return false;
    Tensor *t = tensor_new(e->ndim, e->shape);
    if (!t) return false;
    copy_values(e, t->data);
    w->staged[w->stages++] = t;
  }
  if (w->mode == TAKE) {
    tensor_drop(*place);
    *place = e ? w->staged[w->next++] : NULL;
  }
  return true;
}

/* ---- numbers and texts ---- */

/* n doubles, whole ones if asked for; those outside least..most are refused unless least is NaN. */
static bool walk_doubles(Walk *w, const char *part, double *value, long n, double least, double most, bool whole) {
  char name[NAME];
  if (!full_name(w, part, name)) return false;
  if (w->mode == SAVE) return archive_put(&w->writer, name, 'd', 1, &n, value), true;
  ArchiveEntry *e = wanted(w, name, "d", 1, &n);
  if (!e) return false;
  if (w->mode == TAKE) memcpy(value, e->bytes, (size_t)n * sizeof *value);
  for (long i = 0; i < n && !isnan(least); i++) {
    double v;
    memcpy(&v, e->bytes + 8 * i, sizeof v);
    if (!(v >= least && v <= most) || (whole && v != floor(v)))
      return nn_fail("%s holds %g as %s, it must be %g to %g%s", w->path, v, name, least, most, whole ? " and whole" : ""), false;
  }
  return true;
}

static bool walk_longs(Walk *w, const char *part, long *value, long n, long least, long most) {
  char name[NAME];
  if (!full_name(w, part, name)) return false;
  if (w->mode == SAVE) return archive_put(&w->writer, name, 'i', 1, &n, value), true;
  ArchiveEntry *e = wanted(w, name, "i", 1, &n);
  if (!e) return false;
  if (w->mode == TAKE) memcpy(value, e->bytes, (size_t)n * sizeof *value);
  for (long i = 0; i < n; i++) {
    int64_t v;
    memcpy(&v, e->bytes + 8 * i, sizeof v);
    if (v < least || v > most)
      return nn_fail("%s holds %lld as %s, it must be %ld to %ld", w->path, (long long)v, name, least, most), false;
  }
  return true;
}

static bool walk_random(Walk *w, const char *part, Random *r) {
  long value[2] = {(long)r->seed, (long)r->position};
  bool ok = walk_longs(w, part, value, 2, LONG_MIN, LONG_MAX);
  if (ok && w->mode == TAKE) *r = (Random){(uint64_t)value[0], (uint64_t)value[1]};
  return ok;
}

/* What must be the same in the file: the kind of an object, the size of a data set. */
static bool walk_same_text(Walk *w, const char *part, const char *text) {
  char name[NAME];
  long n = (long)strlen(text);
  if (!full_name(w, part, name)) return false;
  if (w->mode == SAVE) return archive_put(&w->writer, name, 'c', 1, &n, text), true;
  ArchiveEntry *e = archive_find(&w->archive, name);
  if (!e) return lacks(w, name), false;
  e->used = true;
  if (e->type == 'c' && e->n == n && !memcmp(e->bytes, text, (size_t)n)) return true;
  return nn_fail("%s: its %s is %.*s, here it is %s", w->path, name, e->type == 'c' && e->n < 100 ? (int)e->n : 0,
                 (const char *)e->bytes, text),
         false;
}

static bool walk_same_numbers(Walk *w, const char *part, const double *value, long n) {
  char name[NAME];
  if (!full_name(w, part, name)) return false;
  if (w->mode == SAVE) return archive_put(&w->writer, name, 'd', 1, &n, value), true;
  ArchiveEntry *e = wanted(w, name, "d", 1, &n);
  for (long i = 0; e && i < n; i++) {
    double v;
    memcpy(&v, e->bytes + 8 * i, sizeof v);
    if (v != value[i]) return nn_fail("%s: its %s is %g, here it is %g", w->path, name, v, value[i]), false;
  }
  return e != NULL;
}

/* ---- networks ---- */

static bool visit_tensor(void *walk, const char *name, Module *owner, Named *entry) {
  (void)owner;
  return walk_tensor(walk, name, entry->tensor);
}

static bool walk_module(Walk *w, const char *prefix, Module *m) {
  snprintf(w->prefix, sizeof w->prefix, "%s", prefix);
  bool ok = module_visit(m, visit_tensor, w);
  *w->prefix = 0;
  return ok;
}

static bool walk_network(Walk *w, void *m) {
  return walk_same_text(w, "kind", "network") && walk_module(w, "", m);
}

/* ---- optimizers and schedules ---- */

static bool walk_slots(Walk *w, const Optimizer *o, ParamGroup *group, int i) {
  const char *at = o->row->slot_names;
  for (int k = 0; k < o->row->slots; k++) {
    char part[80];
    int n = (int)strcspn(at, " ");
    snprintf(part, sizeof part, "%d/%.*s", i + 1, n, at);
    at += n + (at[n] == ' ');
    if (!walk_place(w, part, &group->slot[i * o->row->slots + k], group->param[i], true, false)) return false;
  }
  return true;
}

static bool walk_group(Walk *w, const Optimizer *o, ParamGroup *group) {
  long numbers = 0;
  while (optim_hyper_name(o->row, (int)numbers)) numbers++;
  bool ok =
      walk_doubles(w, "hyper", group->hyper, numbers, 0, 1e300, false) && walk_longs(w, "step", group->step, group->n, 0, LONG_MAX);
  for (int i = 0; ok && i < group->n; i++) ok = walk_slots(w, o, group, i);
  return ok;
}

static bool walk_optim(Walk *w, const char *name, Optimizer *o) {
  char part[40];
  snprintf(part, sizeof part, "%.32s", name);
  bool ok = walk_same_text(w, part, o->row->name);
  for (int g = 0; ok && g < o->groups; g++) {
    snprintf(w->prefix, sizeof w->prefix, "%.32s/%d/", name, g + 1);
    ok = walk_group(w, o, &o->group[g]);
  }
  *w->prefix = 0;
  return ok;
}

static bool walk_schedule(Walk *w, Schedule *s, int i) {
  double param[NN_ARGS];
  for (int k = 0; k < NN_ARGS; k++) param[k] = s->param[k].number;
  snprintf(w->prefix, sizeof w->prefix, "schedule/%d/", i + 1);
  bool ok = walk_same_text(w, "kind", s->row->name) && walk_same_numbers(w, "params", param, NN_ARGS) &&
            walk_doubles(w, "base", s->base, OPTIM_GROUPS, NAN, NAN, false) && walk_longs(w, "step", &s->step, 1, 0, LONG_MAX);
  *w->prefix = 0;
  return ok;
}

/* ---- trainers ---- */

static bool walk_parts(Walk *w, Trainer *t) {
  const char *name[TRAINER_PARTS];
  Module *module[TRAINER_PARTS];
  Optimizer *optim[TRAINER_PARTS];
  Tensor **place[TRAINER_PARTS];
  TrainerNumber number[TRAINER_PARTS];
  bool ok = true;
  int n = t->kind->modules(t, name, module);
  for (int i = 0; ok && i < n; i++) {
    char prefix[40];
    snprintf(prefix, sizeof prefix, "%.32s/", name[i]);
    ok = walk_module(w, prefix, module[i]);
  }
  n = t->kind->optims(t, name, optim);
  for (int i = 0; ok && i < n; i++) ok = walk_optim(w, name[i], optim[i]);
  n = t->kind->tensors ? t->kind->tensors(t, name, place) : 0;
  for (int i = 0; ok && i < n; i++) ok = walk_place(w, name[i], place[i], *place[i], false, true);
  n = t->kind->numbers ? t->kind->numbers(t, number) : 0;
  for (int i = 0; ok && i < n; i++)
    ok = walk_doubles(w, number[i].name, number[i].value, 1, number[i].least, number[i].most, number[i].whole);
  for (int i = 0; ok && i < t->schedules; i++) ok = walk_schedule(w, t->schedule[i], i);
  return ok;
}

static bool walk_loader(Walk *w, Loader *l) {
  double samples = (double)l->set->n;
  strcpy(w->prefix, "loader/");
  bool ok = walk_same_numbers(w, "samples", &samples, 1) && walk_random(w, "random", &l->random) &&
            walk_random(w, "epoch_start", &l->epoch_start) && walk_longs(w, "epoch", &l->epoch, 1, 0, LONG_MAX / 2) &&
            walk_longs(w, "place", &l->place, 1, 0, l->set->n);
  *w->prefix = 0;
  if (!ok || w->mode != TAKE) return ok;
  Random stream = l->random;
  loader_seek(l, l->epoch_start, l->epoch, l->place);
  l->random = stream;
  return true;
}

/* The values last told, each an entry of its own. The time a step takes is not the training's but the machine's, and is
 * left out. */
static bool walk_report(Walk *w, Report *r) {
  Report told = {.step = r->step, .epoch = r->epoch, .epoch_steps = r->epoch_steps};
  if (!walk_longs(w, "step", &told.step, 1, 0, LONG_MAX / 2) || !walk_longs(w, "epoch", &told.epoch, 1, 0, LONG_MAX / 2))
    return false;
  for (int i = 0; w->mode == SAVE && i < r->n; i++) {
    char name[40];
    snprintf(name, sizeof name, "report/%.16s", r->name[i]);
    archive_put(&w->writer, name, 'd', 0, NULL, &r->value[i]);
  }
  for (int i = 0; w->mode != SAVE && i < w->archive.entries; i++) {
    ArchiveEntry *e = &w->archive.entry[i];
    double value;
    if (strncmp(e->name, "report/", 7) || e->type != 'd' || e->n != 1) continue;
    e->used = true;
    memcpy(&value, e->bytes, sizeof value);
    report_set(&told, e->name + 7, value);
  }
  if (w->mode == TAKE) *r = told;
  return true;
}

static bool walk_note(Walk *w) {
  long n = w->note ? (long)strlen(w->note) : 0;
  if (w->mode == SAVE) return archive_put(&w->writer, "note", 'c', 1, &n, w->note), true;
  ArchiveEntry *e = archive_find(&w->archive, "note");
  if (!e || e->type != 'c') return lacks(w, "note"), false;
  e->used = true;
  if (w->mode == TAKE) return true;
  w->note = memory_new((size_t)e->n + 1);
  if (w->note && e->n) memcpy(w->note, e->bytes, (size_t)e->n);
  return w->note != NULL;
}

static bool walk_trainer(Walk *w, void *trainer) {
  Trainer *t = trainer;
  return walk_same_text(w, "kind", t->kind->name) && walk_note(w) && walk_random(w, "random", &t->random) &&
         walk_report(w, &t->report) && walk_loader(w, t->loader) && walk_parts(w, t);
}

/* ---- the three uses of a walk ---- */

static bool save(Walk *w, bool (*walk)(Walk *, void *), void *object) {
  bool ok = !nn_failed() && archive_create(&w->writer, w->path);
  w->mode = SAVE;
  if (ok && !(walk(w, object) && !nn_failed())) {
    archive_cancel(&w->writer);
    ok = false;
  }
  ok = ok && archive_finish(&w->writer);
  if (!ok) nn_fail_in("%s", w->who);
  return ok;
}

static bool all_used(const Walk *w) {
  for (int i = 0; i < w->archive.entries; i++) {
    const ArchiveEntry *e = &w->archive.entry[i];
    if (!e->used)
      return nn_fail("%s holds %s %s, which the %s lacks", w->path, e->name, shape_text(e->ndim, e->shape), w->what), false;
  }
  return true;
}

static bool load(Walk *w, bool (*walk)(Walk *, void *), void *object) {
  if (!archive_open(&w->archive, w->path)) return nn_fail_in("%s", w->who), false;
  w->mode = CHECK;
  w->staged = memory_new((size_t)w->archive.entries * sizeof *w->staged);
  bool ok = w->staged && walk(w, object) && all_used(w);
  if (ok) {
    bool was = grad_enable(false);
    w->mode = TAKE;
    ok = walk(w, object);
    grad_enable(was);
  }
  while (w->next < w->stages) tensor_drop(w->staged[w->next++]);
  memory_free(w->staged);
  archive_close(&w->archive);
  if (!ok) nn_fail_in("%s", w->who);
  return ok;
}

bool module_save(Module *m, const char *path) {
  return m && save(&(Walk){.path = path, .who = "module:save", .what = "network"}, walk_network, m);
}

bool module_load(Module *m, const char *path) {
  return m && load(&(Walk){.path = path, .who = "module:load", .what = "network"}, walk_network, m);
}

static bool at_rest(const Trainer *t) {
  return !t->running || nn_fail("%s: a checkpoint is made or taken between two steps, not inside one", t->kind->name);
}

bool trainer_save(Trainer *t, const char *path, const char *note) {
  char *text = (char *)(uintptr_t)note; /* only read */
  return t && !nn_failed() && at_rest(t) &&
         save(&(Walk){.path = path, .who = "trainer:save", .what = "trainer", .note = text}, walk_trainer, t);
}

bool trainer_load(Trainer *t, const char *path, char **note) {
  Walk w = {.path = path, .who = "trainer:resume", .what = "trainer"};
  bool ok = t && !nn_failed() && at_rest(t) && load(&w, walk_trainer, t);
  if (note) *note = ok ? w.note : NULL;
  if (!ok || !note) memory_free(w.note);
  return ok;
}
