/* A scene: panels, where they lie, and drawing them as cards. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

static bool panel_begin(Panel *p, const PanelKind *kind, const char *name) {
  *p = (Panel){.kind = kind, .version = 1, .data = calloc(1, kind->size)};
  snprintf(p->name, sizeof p->name, "%s", name);
  return p->data;
}

static void panel_end(Panel *p) {
  if (p->data) p->kind->clear(p->data);
  free(p->data);
  p->data = NULL;
}

bool scene_begin(Scene *s, const char *title, bool dark) {
  *s = (Scene){.dark = dark};
  snprintf(s->title, sizeof s->title, "%s", title);
  return panel_begin(&s->status, &panel_status, "status");
}

void scene_end(Scene *s) {
  for (int i = 0; i < s->panels; i++) panel_end(&s->panel[i]);
  if (s->status.kind) panel_end(&s->status);
  s->panels = 0;
}

Panel *scene_panel(Scene *s, const PanelKind *kind, const char *name) {
  for (int i = 0; i < s->panels; i++)
    if (s->panel[i].kind == kind && !strncmp(s->panel[i].name, name, PANEL_NAME - 1)) return &s->panel[i];
  if (s->panels == SCENE_PANELS) return nn_fail("window: it has %d panels already, \"%s\" is one too many", SCENE_PANELS, name);
  if (!panel_begin(&s->panel[s->panels], kind, name)) return nn_fail("window: no memory for panel \"%s\"", name);
  return &s->panel[s->panels++];
}

static bool panel_update(Panel *to, const Panel *from) {
  if (to->version == from->version) return false;
  if (to->kind->copy(to->data, from->data)) to->version = from->version;
  return true;
}

unsigned scene_copy(Scene *to, const Scene *from, unsigned which) {
  unsigned changed = 0;
  if (to->dark != from->dark || to->panels != from->panels) which = changed = SCENE_ALL;
  to->dark = from->dark;
  while (to->panels < from->panels) {
    const Panel *new = &from->panel[to->panels];
    if (!panel_begin(&to->panel[to->panels], new->kind, new->name)) break;
    to->panel[to->panels++].version = 0;
  }
  for (int i = 0; i < to->panels; i++)
    if (which & 1U << i && panel_update(&to->panel[i], &from->panel[i])) changed |= 1U << i;
  if (which & SCENE_STATUS && panel_update(&to->status, &from->status)) changed |= SCENE_STATUS;
  return changed;
}

/* ---- layout ---- */

enum { DESIGN_WIDTH = 1180, DESIGN_HEIGHT = 740 }; /* where a unit is a pixel */

float scene_scale(int width, int height, float density) {
  float scale = fminf((float)width / DESIGN_WIDTH, (float)height / DESIGN_HEIGHT);
  scale = fmaxf(scale, 0.85F * density);
  return roundf(scale * 20) / 20; /* few different sizes of glyphs while a window is dragged larger */
}

/* Fills area with n cells in the given number of columns, the last row stretched. */
static void tile(Rect area, int n, int columns, int gap, Rect *out) {
  int rows = (n + columns - 1) / columns;
  for (int i = 0; i < n; i++) {
    int row = i / columns, in_row = row == rows - 1 ? n - row * columns : columns, column = i % columns;
    int x0 = column * (area.w + gap) / in_row, x1 = (column + 1) * (area.w + gap) / in_row - gap;
    int y0 = row * (area.h + gap) / rows, y1 = (row + 1) * (area.h + gap) / rows - gap;
    out[i] = (Rect){area.x + x0, area.y + y0, x1 - x0, y1 - y0};
  }
}

typedef struct Layout {
  Rect title, status, panel[SCENE_PANELS];
} Layout;

/* Pictures at the left as near to a square as there is room, curves at the right; one above the other when it is narrow. */
static void split(Rect area, int pictures, int plots, int gap, Rect *left, Rect *right) {
  *left = *right = area;
  if (!pictures || !plots) return;
  int columns = pictures > 1 && area.w > area.h ? 2 : 1, rows = (pictures + columns - 1) / columns;
  if (area.w * 4 >= area.h * 5) {
    left->w = (int)fmin((double)area.h * columns / rows, 0.62 * area.w);
    right->x = area.x + left->w + gap;
    right->w = area.w - left->w - gap;
  } else {
    left->h = (int)fmin((double)area.w * rows / columns, 0.6 * area.h);
    right->y = area.y + left->h + gap;
    right->h = area.h - left->h - gap;
  }
}

static int count(const Scene *s, PanelShape shape) {
  int n = 0;
  for (int i = 0; i < s->panels; i++) n += s->panel[i].kind->shape == shape;
  return n;
}

/* In as many columns as bring each panel nearest to the shape it likes. */
static void tile_shape(const Scene *s, PanelShape shape, Rect area, int gap, Rect *out) {
  static const double likes[] = {[SHAPE_SQUARE] = 1.0, [SHAPE_WIDE] = 1.9, [SHAPE_LINE] = 9.0};
  Rect cell[SCENE_PANELS];
  int n = count(s, shape), columns = 1;
  double best = 1e9;
  for (int k = 1; k <= n; k++) {
    double w = (double)area.w / k, h = (double)area.h / ((n + k - 1) / k), far = fabs(log(w / h / likes[shape]));
    if (far < best) best = far, columns = k;
  }
  tile(area, n, columns, gap, cell);
  for (int i = 0, k = 0; i < s->panels; i++)
    if (s->panel[i].kind->shape == shape) out[i] = cell[k++];
}

/* Takes a strip of sliders from the bottom of the area, at most three beside each other. */
static Rect sliders_of(const Scene *s, const Canvas *c, Rect *area, int gap) {
  int rows = (count(s, SHAPE_LINE) + 2) / 3, height = rows * (canvas_units(c, 44) + gap);
  area->h -= height;
  return (Rect){area->x, area->y + area->h + gap, area->w, height - gap};
}

static Layout layout(const Scene *s, const Canvas *c) {
  Layout l;
  const Status *status = s->status.data;
  int margin = canvas_units(c, 14), gap = canvas_units(c, 12), head = canvas_units(c, 46);
  int foot = status->trains || status->hint ? canvas_units(c, 40) : 0;
  l.title = (Rect){0, 0, c->width, head};
  l.status = (Rect){0, c->height - foot, c->width, foot};
  Rect area = {margin, head, c->width - 2 * margin, c->height - head - foot - margin}, left, right;
  Rect strip = sliders_of(s, c, &area, gap);
  split(area, count(s, SHAPE_SQUARE), count(s, SHAPE_WIDE), gap, &left, &right);
  tile_shape(s, SHAPE_SQUARE, left, gap, l.panel);
  tile_shape(s, SHAPE_WIDE, right, gap, l.panel);
  tile_shape(s, SHAPE_LINE, strip, gap, l.panel);
  return l;
}

Rect scene_place(const Scene *s, const Canvas *c, int panel) {
  return layout(s, c).panel[panel];
}

/* ---- drawing ---- */

static void draw_card(const Panel *p, Canvas *c, Rect area, const Theme *theme) {
  if (area.w < 8 || area.h < 8) return;
  canvas_fill(c, area, theme->background);
  canvas_round(c, area, (float)canvas_units(c, 8), theme->card);
  p->kind->draw(p, c, area, theme);
}

int scene_draw(const Scene *s, Canvas *c, unsigned which, Rect *drawn) {
  const Theme *theme = s->dark ? &theme_dark : &theme_light;
  Layout l = layout(s, c);
  Rect part[SCENE_PARTS];
  int parts = 0;
  if (which == SCENE_ALL) {
    canvas_fill(c, (Rect){0, 0, c->width, c->height}, theme->background);
    float y = (float)l.title.h * 0.52F;
    text_draw(c, (float)canvas_units(c, 18), y, ALIGN_LEFT, (Face){19, true}, theme->text, s->title);
  }
  for (int i = 0; i < s->panels; i++) {
    if (!(which & 1U << i)) continue;
    draw_card(&s->panel[i], c, l.panel[i], theme);
    part[parts++] = l.panel[i];
  }
  if (which & SCENE_STATUS && l.status.h) {
    canvas_fill(c, l.status, theme->card);
    s->status.kind->draw(&s->status, c, l.status, theme);
    part[parts++] = l.status;
  }
  if (which == SCENE_ALL) part[0] = (Rect){0, 0, c->width, c->height}, parts = 1;
  if (drawn) memcpy(drawn, part, (size_t)parts * sizeof *part);
  return parts;
}

void scene_draw_wide(const Scene *s, Canvas *c) {
  const Theme *theme = s->dark ? &theme_dark : &theme_light;
  Rect cell[SCENE_PANELS], area = rect_inset((Rect){0, 0, c->width, c->height}, canvas_units(c, 12));
  tile_shape(s, SHAPE_WIDE, area, canvas_units(c, 12), cell);
  canvas_fill(c, (Rect){0, 0, c->width, c->height}, theme->background);
  for (int i = 0; i < s->panels; i++)
    if (s->panel[i].kind->shape == SHAPE_WIDE) draw_card(&s->panel[i], c, cell[i], theme);
}
