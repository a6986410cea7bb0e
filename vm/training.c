/* Who trains: the background's trainers take turns, one step each, and a run in the foreground is a loop of the same steps. */
#include <stdatomic.h>
#include <stdlib.h>

#include "engine.h"

typedef struct Work {
  Trainer *trainer;
  long until; /* step at which it ends, < 0: never */
  bool stop;
  struct Work *next;
} Work;

static Work *background;        /* in the order they were started */
static Work *foreground;        /* the innermost run, on the C stack */
static const Trainer *stepping; /* is in the middle of a step */
static atomic_bool paused;

static Work *find(Work *list, const Trainer *t) {
  while (list && list->trainer != t) list = list->next;
  return list;
}

static Work *find_anywhere(const Trainer *t) {
  Work *work = find(foreground, t);
  return work ? work : find(background, t);
}

static bool finished(const Work *work) {
  return work->stop || (work->until >= 0 && work->trainer->report.step >= work->until);
}

void engine_start(Trainer *t, long until_step) {
  Work *work = find_anywhere(t), **end = &background;
  if (!work && !(work = memory_new(sizeof *work))) return;
  if (!work->trainer) {
    work->trainer = trainer_keep(t);
    while (*end) end = &(*end)->next;
    *end = work;
  }
  work->until = until_step;
  work->stop = false;
  engine_ring();
}

static void drop_background(Work *work) {
  Work **place = &background;
  while (*place != work) place = &(*place)->next;
  *place = work->next;
  trainer_drop(work->trainer);
  memory_free(work);
}

void engine_stop(Trainer *t) {
  for (Work *work = foreground; work; work = work->next)
    if (work->trainer == t) work->stop = true;
  Work *work = find(background, t);
  if (work) work->stop = true;
  engine_ring();
}

bool engine_running(const Trainer *t) {
  const Work *work = find_anywhere(t);
  return work && !finished(work);
}

long engine_until(const Trainer *t) {
  const Work *work = find_anywhere(t);
  return work ? work->until : -1;
}

void engine_pause(bool pause) {
  paused = pause;
  engine_ring();
}

bool engine_paused(void) {
  return paused;
}

bool engine_step(lua_State *L, Trainer *t) {
  (void)L;
  if (stepping == t) return nn_fail("step(): the trainer is in the middle of a step, from which it cannot take another"), false;
  const Trainer *outer = stepping;
  stepping = t;
  Activity before = interrupt_activity(TRAINING);
  bool ok = trainer_step(t);
  if (ok) views_after_step(t);
  interrupt_activity(before);
  stepping = outer;
  if (before == RUNNING && interrupt_asked()) interrupt_arm(); /* Ctrl-C came in a step that a script's own loop made */
  return ok;
}

/* The steps of a run. False: a step failed, or it was interrupted. */
static bool run(lua_State *L, Work *work) {
  while (!finished(work)) {
    engine_serve(L);
    if (interrupt_asked()) {
      interrupt_taken();
      return nn_fail("interrupted at step %ld", work->trainer->report.step), false;
    }
    if (finished(work)) break;
    if (paused)
      engine_sleep();
    else if (!engine_step(L, work->trainer))
      return false;
    else {
      progress_step(work->trainer, work->until);
      training_step(L);
    }
  }
  return true;
}

bool engine_run(lua_State *L, Trainer *t, long until_step) {
  if (stepping == t) return nn_fail("run(): the trainer is in the middle of a step, from which it cannot take another"), false;
  Work work = {trainer_keep(t), until_step, false, foreground};
  Work *behind = find(background, t);
  if (behind) behind->stop = true; /* the foreground takes over */
  foreground = &work;
  Activity before = interrupt_activity(TRAINING);
  engine_offer_prompt();
  bool ok = run(L, &work);
  engine_progress("");
  interrupt_activity(before);
  foreground = work.next;
  trainer_drop(t);
  return ok;
}

static void report(const Work *work) {
  long step = work->trainer->report.step;
  const char *name = work->trainer->kind->name;
  if (nn_failed())
    engine_say("%s stopped at step %ld: %s", name, step, nn_error());
  else if (finished(work))
    engine_say("%s is done at step %ld", name, step);
  else
    engine_say("%s stopped at step %ld; :start() goes on", name, step);
  nn_clear_error();
}

bool training_step(lua_State *L) {
  static bool inside; /* a run inside a step of the background's leaves the background to the loop below it */
  bool any = false;
  if (inside) return false;
  inside = true;
  for (Work *work = background, *next; work && !paused && !interrupt_asked(); work = next) {
    any = true;
    bool ok = finished(work) || engine_step(L, work->trainer);
    next = work->next; /* a step may start others, which join at the end; only this loop takes them away */
    if (ok && !finished(work)) continue;
    if (!work->stop) report(work);
    drop_background(work);
  }
  inside = false;
  return any;
}

bool training_waits(void) {
  return background != NULL;
}

void training_interrupt(void) {
  while (background) {
    report(background);
    drop_background(background);
  }
}

void training_end(void) {
  while (background) drop_background(background);
}
