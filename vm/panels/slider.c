/* A number that is set by dragging a knob. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "panel.h"

static bool copy(void *to, const void *from) {
  memcpy(to, from, sizeof(Slider));
  return true;
}

static void clear(void *data) {
  (void)data;
}

enum { BEFORE = 110, BEHIND = 84 }; /* units for the name and the value */

static Rect track_of(const Canvas *c, Rect area) {
  int left = area.x + canvas_units(c, BEFORE), right = area.x + area.w - canvas_units(c, BEHIND);
  return (Rect){left, area.y + area.h / 2 - canvas_units(c, 2), right > left ? right - left : 1, canvas_units(c, 4)};
}

/* Three digits are what a hand can set. */
static double three_digits(double value) {
  char text[32];
  double out = value;
  snprintf(text, sizeof text, "%.3g", value);
  sscanf(text, "%lf", &out);
  return out;
}

double slider_at(const Panel *p, const Canvas *c, Rect area, int x) {
  const Slider *s = p->data;
  Rect track = track_of(c, area);
  double part = fmin(fmax((double)(x - track.x) / track.w, 0), 1);
  if (part <= 0) return s->from;
  if (part >= 1) return s->to;
  return three_digits(s->log ? s->from * pow(s->to / s->from, part) : s->from + part * (s->to - s->from));
}

static double part_of(const Slider *s) {
  double part = s->log ? log(s->value / s->from) / log(s->to / s->from) : (s->value - s->from) / (s->to - s->from);
  return part >= 0 ? fmin(part, 1) : 0;
}

static void draw(const Panel *p, Canvas *c, Rect area, const Theme *theme) {
  const Slider *s = p->data;
  Rect track = track_of(c, area), done = track;
  char value[32];
  float y = (float)area.y + (float)area.h / 2, pad = (float)canvas_units(c, 14);
  done.w = (int)lround(part_of(s) * track.w);
  text_draw(c, (float)area.x + pad, y, ALIGN_LEFT, (Face){13, true}, theme->text, p->name);
  canvas_round(c, track, (float)track.h / 2, theme->grid);
  canvas_round(c, done, (float)track.h / 2, theme->accent[1]);
  mask_begin(c, area);
  mask_disc(c, (Point){(float)(done.x + done.w), y}, 8 * c->scale);
  mask_paint(c, theme->accent[1]);
  rate_text(value, sizeof value, s->value);
  text_draw(c, (float)(area.x + area.w) - pad, y, ALIGN_RIGHT, (Face){13, true}, theme->text, value);
}

const PanelKind panel_slider = {sizeof(Slider), SHAPE_LINE, copy, clear, draw};
