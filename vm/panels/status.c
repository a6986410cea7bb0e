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

/* Draws pale, bold and pale text from x on if they fit before `right`; returns where the next begins. */
static int item(Canvas *c, int x, int y, int right, const char *before, const char *value, const char *after, const Theme *theme) {
  const char *text[3] = {before, value, after};
  int width[3], all = 0, gap = canvas_units(c, 5);
  for (int i = 0; i < 3; i++) {
    width[i] = text[i][0] ? text_width(c, (Face){13, i == 1}, text[i]) + gap : 0;
    all += width[i];
  }
  if (x + all - gap > right) return right;
  for (int i = 0; i < 3; i++) {
    text_draw(c, (float)x, (float)y, ALIGN_LEFT, (Face){13, i == 1}, i == 1 ? theme->text : theme->faint, text[i]);
    x += width[i];
  }
  return x + canvas_units(c, 18);
}

/* "3" or "3 of 20" */
static void count_text(char *out, size_t size, long now, long all) {
  char a[32], b[32];
  tick_text(a, sizeof a, (double)now, -1);
  tick_text(b, sizeof b, (double)all, -1);
  snprintf(out, size, all > 0 ? "%s of %s" : "%s", a, b);
}

static void numbers(char *epoch, char *step, size_t size, const Status *s) {
  bool between = s->until < 0 && s->epoch > 0 && s->epoch_steps && s->step % s->epoch_steps == 0; /* at rest after a whole epoch */
  long now = s->epoch + !between, all = s->until > 0 && s->epoch_steps ? (s->until + s->epoch_steps - 1) / s->epoch_steps : 0;
  count_text(step, size, s->step, s->until);
  count_text(epoch, size, all && now > all ? all : now, all);
}

static void rates(char *out, size_t size, const Status *s) {
  size_t at = 0;
  for (int i = 0; i < s->lrs && at < size; i++) {
    if (i && s->lr[i] == s->lr[0] && s->lrs == 2) break;
    if (i) at += (size_t)snprintf(out + at, size - at, " / ");
    if (at < size) at += rate_text(out + at, size - at, s->lr[i]);
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
  if (s->epoch_steps) x = item(c, x, y, right, "epoch", a, "", theme);
  x = item(c, x, y, right, "step", b, "", theme);
  if (s->seconds_per_step > 0) {
    double rate = 1 / s->seconds_per_step;
    snprintf(a, sizeof a, rate >= 100 ? "%.0f" : rate >= 10 ? "%.1f" : "%.2f", rate);
    x = item(c, x, y, right, "", a, "steps/s", theme);
    if (s->until > s->step) {
      status_duration(a, sizeof a, (double)(s->until - s->step) * s->seconds_per_step);
      x = item(c, x, y, right, "", a, "left", theme);
    }
  }
  rates(a, sizeof a, s);
  if (s->lrs) x = item(c, x, y, right, "lr", a, "", theme);
  if (s->walk) {
    snprintf(a, sizeof a, "%d at %+.1f", s->walk, s->angle);
    item(c, x, y, right, "direction", a, "", theme);
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
  const char *text = view_clock() < s->message_until ? s->message : s->hint ? s->hint : "";
  text_draw(c, (float)right, (float)(area.y + area.h / 2), ALIGN_RIGHT, face, theme->faint, text);
  right -= text_width(c, face, text) + canvas_units(c, 16);
  if (s->trains) draw_training(c, area, s, right, theme);
}

const PanelKind panel_status = {sizeof(Status), SHAPE_LINE, copy, clear, draw};
