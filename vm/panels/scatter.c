/* Points in the plane over the pale points they should fall on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"

typedef struct Cloud {
  long n, room;
  Point *point;
} Cloud;

typedef struct Scatter {
  Cloud real, points;
  Point low, high; /* grows only, so that the picture stands still; fixed by the real points when there are any */
} Scatter;

enum { MOST_POINTS = 20000, MOST_BEHIND = 1500 };

static bool grow(Cloud *cloud, long n) {
  if (n > cloud->room) {
    Point *more = realloc(cloud->point, (size_t)n * sizeof *more);
    if (!more) return false;
    cloud->point = more;
    cloud->room = n;
  }
  cloud->n = n;
  return true;
}

static bool copy_cloud(Cloud *to, const Cloud *from) {
  if (!grow(to, from->n)) return false;
  if (from->n) memcpy(to->point, from->point, (size_t)from->n * sizeof *from->point);
  return true;
}

static bool copy(void *to, const void *from) {
  Scatter *a = to;
  const Scatter *b = from;
  a->low = b->low;
  a->high = b->high;
  return copy_cloud(&a->real, &b->real) && copy_cloud(&a->points, &b->points);
}

static void clear(void *data) {
  Scatter *s = data;
  free(s->real.point);
  free(s->points.point);
}

static void widen(Scatter *s, const Cloud *cloud) {
  for (long i = 0; i < cloud->n; i++) {
    Point p = cloud->point[i];
    if (!isfinite(p.x) || !isfinite(p.y)) continue;
    s->low = (Point){fminf(s->low.x, p.x), fminf(s->low.y, p.y)};
    s->high = (Point){fmaxf(s->high.x, p.x), fmaxf(s->high.y, p.y)};
  }
}

/* The first so many points of x. */
static bool take(Cloud *cloud, const Tensor *x, long most, const char *who) {
  if (x->ndim != 2 || x->shape[1] != 2 || !x->data) return nn_fail("%s: points are (N,2), got %s", who, tensor_shape_text(x));
  long n = x->shape[0] < most ? x->shape[0] : most;
  if (!grow(cloud, n)) return nn_fail("%s: no memory for %ld points", who, n);
  for (long i = 0; i < n; i++) cloud->point[i] = (Point){(float)x->data[2 * i], (float)x->data[2 * i + 1]};
  return true;
}

static void forget_range(Scatter *s) {
  s->low = (Point){INFINITY, INFINITY};
  s->high = (Point){-INFINITY, -INFINITY};
}

bool scatter_behind(Panel *p, const Tensor *real, const char *who) {
  Scatter *s = p->data;
  if (!take(&s->real, real, MOST_BEHIND, who)) return false;
  forget_range(s);
  widen(s, &s->real);
  return true;
}

bool scatter_set(Panel *p, const Tensor *x, const char *who) {
  Scatter *s = p->data;
  bool first = !s->points.room && !s->real.n;
  if (!take(&s->points, x, MOST_POINTS, who)) return false;
  if (first) forget_range(s);
  if (!s->real.n) widen(s, &s->points);
  return true;
}

/* ---- drawing ---- */

/* The plane, with units of the same length both ways and a margin around. */
typedef struct Plane {
  Rect area;
  double x, y, unit; /* what stands in the middle; pixels a unit */
} Plane;

static Plane plane_of(const Scatter *s, Rect in) {
  Point low = s->low, high = s->high;
  if (!(low.x <= high.x)) low = (Point){-1, -1}, high = (Point){1, 1};
  double w = fmax((double)high.x - low.x, 1e-6), h = fmax((double)high.y - low.y, 1e-6);
  double unit = fmin(in.w / (w * 1.24), in.h / (h * 1.24));
  return (Plane){in, ((double)low.x + high.x) / 2, ((double)low.y + high.y) / 2, unit};
}

static Point place(const Plane *p, double x, double y) {
  return (Point){(float)(p->area.x + p->area.w / 2.0 + (x - p->x) * p->unit),
                 (float)(p->area.y + p->area.h / 2.0 - (y - p->y) * p->unit)};
}

static void draw_grid(Canvas *c, const Plane *p, const Theme *theme) {
  double half_w = p->area.w / p->unit / 2, half_h = p->area.h / p->unit / 2;
  int most = (p->area.w < p->area.h ? p->area.w : p->area.h) / canvas_units(c, 70) + 1;
  Ticks step = ticks_for(p->x - fmin(half_w, half_h), p->x + fmin(half_w, half_h), most);
  char text[32];
  float left = (float)p->area.x, top = (float)p->area.y, right = left + (float)p->area.w, below = top + (float)p->area.h;
  float width = fmaxf(1, roundf(c->scale)), away = (float)canvas_units(c, 10);
  for (double v = ceil((p->x - half_w) / step.step) * step.step; v <= p->x + half_w; v += step.step) {
    float at = floorf(place(p, v, 0).x) + width / 2;
    canvas_line(c, p->area, (Point){at, top}, (Point){at, below}, width, theme->grid);
    tick_text(text, sizeof text, fabs(v) < step.step * 1e-6 ? 0 : v, step.decimals);
    if (at > left + 3 * away && at < right - 2 * away)
      text_draw(c, at, below - away, ALIGN_CENTRE, (Face){12, false}, theme->faint, text);
  }
  for (double v = ceil((p->y - half_h) / step.step) * step.step; v <= p->y + half_h; v += step.step) {
    float at = floorf(place(p, 0, v).y) + width / 2;
    canvas_line(c, p->area, (Point){left, at}, (Point){right, at}, width, theme->grid);
    tick_text(text, sizeof text, fabs(v) < step.step * 1e-6 ? 0 : v, step.decimals);
    if (at > top + away && at < below - 2 * away) text_draw(c, left + away, at, ALIGN_LEFT, (Face){12, false}, theme->faint, text);
  }
}

static void draw_cloud(Canvas *c, const Plane *p, const Cloud *cloud, float radius, Colour colour) {
  int reach = (int)ceilf(radius) + 2;
  for (long i = 0; i < cloud->n; i++) { /* one by one: where points lie thick, colours add up */
    if (!isfinite(cloud->point[i].x) || !isfinite(cloud->point[i].y)) continue;
    Point at = place(p, cloud->point[i].x, cloud->point[i].y);
    if (fabsf(at.x) > 1e6F || fabsf(at.y) > 1e6F) continue;
    Rect box = {(int)at.x - reach, (int)at.y - reach, 2 * reach, 2 * reach};
    int x0 = box.x > p->area.x ? box.x : p->area.x, x1 = box.x + box.w, right = p->area.x + p->area.w;
    int y0 = box.y > p->area.y ? box.y : p->area.y, y1 = box.y + box.h, below = p->area.y + p->area.h;
    box = (Rect){x0, y0, (x1 < right ? x1 : right) - x0, (y1 < below ? y1 : below) - y0};
    if (box.w <= 0 || box.h <= 0) continue;
    mask_begin(c, box);
    mask_disc(c, at, radius);
    mask_paint(c, colour);
  }
}

static void draw(const Panel *panel, Canvas *c, Rect area, const Theme *theme) {
  const Scatter *s = panel->data;
  char count[48];
  snprintf(count, sizeof count, "%ld points", s->points.n);
  Plane p = plane_of(s, panel_heading(c, area, panel->name, count, theme));
  if (p.area.w < 8 || p.area.h < 8) return;
  draw_grid(c, &p, theme);
  float radius = s->points.n > 4000 ? 1.4F : s->points.n > 1000 ? 1.9F : 2.6F;
  draw_cloud(c, &p, &s->real, 2.2F * c->scale, colour_fade(theme->faint, 0.22F));
  draw_cloud(c, &p, &s->points, radius * c->scale, colour_fade(theme->accent[0], 0.8F));
}

const PanelKind panel_scatter = {sizeof(Scatter), SHAPE_SQUARE, copy, clear, draw};
