/* The line at the bottom: how far training is, how fast, how long it still takes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "panel.h"

static bool copy(void *to, const void *from) {
  memcpy(to, from, sizeof(Status));
  return true;
}

static void clear(void *data) {
  (void)data;
}

void status_duration(char *out, size_t size, double seconds) {
  long s = lround(seconds);
  if (s >= 3600)
    snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

/* Draws "label value" pairs from x on while they fit before `right`; returns where the next begins. */
static int item(Canvas *c, int x, int y, int right, const char *label, const char *value, const Theme *theme) {
  Face plain = {13, false}, bold = {13, true};
  int first = text_width(c, plain, label), second = text_width(c, bold, value), gap = first && second ? canvas_units(c, 5) : 0;
  if (x + first + gap + second > right) return right;
  text_draw(c, (float)x, (float)y, ALIGN_LEFT, plain, theme->faint, label);
  text_draw(c, (float)(x + first + gap), (float)y, ALIGN_LEFT, bold, theme->text, value);
  return x + first + gap + second + canvas_units(c, 22);
}

static void numbers(char *epoch, char *step, size_t size, const Status *s) {
  char a[32], b[32];
  tick_text(a, sizeof a, (double)(s->step), 0);
  snprintf(a, sizeof a, "%ld", s->step);
  bool bounded = s->until >= 0;
  if (bounded) snprintf(b, sizeof b, " of %ld", s->until);
  snprintf(step, size, "%s%s", a, bounded ? b : "");
  long now = s->epoch + 1, all = bounded && s->epoch_steps ? (s->until + s->epoch_steps - 1) / s->epoch_steps : 0;
  if (all && now > all) now = all;
  if (all)
    snprintf(epoch, size, "%ld of %ld", now, all);
  else
    snprintf(epoch, size, "%ld", now);
}

static void rates(char *out, size_t size, const Status *s) {
  size_t at = 0;
  for (int i = 0; i < s->lrs && at < size; i++) {
    if (i && s->lr[i] == s->lr[0] && s->lrs == 2) break;
    at += (size_t)snprintf(out + at, size - at, "%s%.3g", i ? " / " : "", s->lr[i]);
  }
}

static void draw_training(Canvas *c, Rect area, const Status *s, int right, const Theme *theme) {
  char a[64], b[64];
  int x = area.x + canvas_units(c, 14), y = area.y + area.h / 2;
  if (s->paused) {
    text_draw(c, (float)x, (float)y, ALIGN_LEFT, (Face){13, true}, theme->accent[0], "paused");
    x += text_width(c, (Face){13, true}, "paused") + canvas_units(c, 22);
  }
  numbers(a, b, sizeof a, s);
  if (s->epoch_steps) x = item(c, x, y, right, "epoch", a, theme);
  x = item(c, x, y, right, "step", b, theme);
  if (s->seconds_per_step > 0) {
    double rate = 1 / s->seconds_per_step;
    snprintf(a, sizeof a, rate >= 100 ? "%.0f" : rate >= 10 ? "%.1f" : "%.2f", rate);
    x = item(c, x, y, right, "steps/s", a, theme);
    if (s->until > s->step) {
      status_duration(a, sizeof a, (double)(s->until - s->step) * s->seconds_per_step);
      x = item(c, x, y, right, "left", a, theme);
    }
  }
  rates(a, sizeof a, s);
  if (s->lrs) x = item(c, x, y, right, "lr", a, theme);
  if (s->walk) {
    snprintf(a, sizeof a, "%d at %+.1f", s->walk, s->angle);
    item(c, x, y, right, "direction", a, theme);
  }
}

static void draw(const Panel *p, Canvas *c, Rect area, const Theme *theme) {
  const Status *s = p->data;
  if (s->trains && s->until > 0) { /* how much is done, as a line at the top */
    Rect bar = {area.x, area.y, area.w, canvas_units(c, 3)};
    canvas_fill(c, bar, theme->grid);
    bar.w = (int)lround((double)bar.w * fmin(1, (double)s->step / (double)s->until));
    canvas_fill(c, bar, theme->accent[1]);
  }
  int right = area.x + area.w - canvas_units(c, 14);
  Face face = {13, false};
  if (s->message[0]) {
    text_draw(c, (float)right, (float)(area.y + area.h / 2), ALIGN_RIGHT, face, theme->faint, s->message);
    right -= text_width(c, face, s->message) + canvas_units(c, 16);
  }
  if (s->trains) draw_training(c, area, s, right, theme);
}

const PanelKind panel_status = {sizeof(Status), true, copy, clear, draw};
