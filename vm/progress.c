/* The progress line of a run: where it is, what it reports, how fast, how long yet. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "engine.h"

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "3:07" or "1:02:45" */
static int write_time(char *text, size_t size, double s) {
  long whole = (long)s;
  if (whole < 3600) return snprintf(text, size, "%ld:%02ld", whole / 60, whole % 60);
  return snprintf(text, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

static void write_line(char *text, size_t size, const Report *r, long until) {
  int at = snprintf(text, size, "step %ld", r->step);
  if (until >= 0) at += snprintf(text + at, size - (size_t)at, "/%ld", until);
  if (r->epoch_steps) at += snprintf(text + at, size - (size_t)at, "  epoch %.2f", (double)r->step / (double)r->epoch_steps);
  for (int i = 0; i < r->n && at < (int)size - 120; i++)
    at += snprintf(text + at, size - (size_t)at, "  %s %.4g", r->name[i], r->value[i]);
  if (!(r->seconds_per_step > 0)) return;
  double rate = 1 / r->seconds_per_step;
  at += snprintf(text + at, size - (size_t)at, "  %.*f steps/s", rate < 10 ? 1 : 0, rate);
  if (until < 0) return;
  at += snprintf(text + at, size - (size_t)at, "  ");
  at += write_time(text + at, size - (size_t)at, ceil((double)(until - r->step) * r->seconds_per_step));
  snprintf(text + at, size - (size_t)at, " left");
}

void progress_step(const Trainer *t, long until) {
  static double last;
  char text[512];
  double now = seconds();
  if (now - last < 0.1 && t->report.step != until) return; /* ten times a second is enough to read */
  last = now;
  write_line(text, sizeof text, &t->report, until);
  engine_progress(text);
}
