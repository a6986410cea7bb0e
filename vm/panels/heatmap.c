/* A matrix as colours, with a bar that says what they mean. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"

typedef struct Heatmap {
  int h, w;
  float *value;
  size_t room;
} Heatmap;

static bool grow(Heatmap *m, size_t n) {
  if (n <= m->room) return true;
  float *more = realloc(m->value, n * sizeof *more);
  if (!more) return false;
  m->value = more;
  m->room = n;
  return true;
}

static bool copy(void *to, const void *from) {
  Heatmap *a = to;
  const Heatmap *b = from;
  size_t n = (size_t)b->h * (size_t)b->w;
  if (!grow(a, n)) return false;
  a->h = b->h;
  a->w = b->w;
  if (n) memcpy(a->value, b->value, n * sizeof *a->value);
  return true;
}

static void clear(void *data) {
  free(((Heatmap *)data)->value);
}

bool heatmap_set(Panel *p, const Tensor *x, const char *who) {
  Heatmap *m = p->data;
  bool fits = x->data && (x->ndim == 2 || (x->ndim == 3 && x->shape[2] == 1)) && x->shape[0] > 0 && x->shape[1] > 0;
  if (!fits || x->shape[0] > 8192 || x->shape[1] > 8192) {
    nn_fail("%s: a heatmap is (H,W) with 1 to 8192 rows and columns, got %s", who, tensor_shape_text(x));
    return false;
  }
  size_t n = (size_t)(x->shape[0] * x->shape[1]);
  if (!grow(m, n)) return nn_fail("%s: no memory for %zu values", who, n);
  m->h = (int)x->shape[0];
  m->w = (int)x->shape[1];
  for (size_t i = 0; i < n; i++) m->value[i] = (float)x->data[i];
  return true;
}

/* Nine points of matplotlib's viridis (van der Walt and Smith, CC0), linear between: even in lightness, safe for the colour-blind.
 */
static Colour viridis(float t) {
  static const uint8_t key[9][3] = {{68, 1, 84},    {71, 44, 122}, {59, 81, 139},  {44, 113, 142}, {33, 144, 141},
                                    {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37}};
  if (!(t > 0)) t = 0;
  if (t > 1) t = 1;
  int i = t >= 1 ? 7 : (int)(t * 8);
  Colour a = {key[i][0], key[i][1], key[i][2], 255}, b = {key[i + 1][0], key[i + 1][1], key[i + 1][2], 255};
  return colour_mix(a, b, t * 8 - (float)i);
}

static void range(const Heatmap *m, float *low, float *high) {
  *low = INFINITY;
  *high = -INFINITY;
  for (size_t i = 0; i < (size_t)m->h * (size_t)m->w; i++) {
    if (!isfinite(m->value[i])) continue;
    *low = fminf(*low, m->value[i]);
    *high = fmaxf(*high, m->value[i]);
  }
  if (!(*low <= *high)) *low = 0, *high = 1;
  if (*low == *high) *low -= 0.5F, *high += 0.5F;
}

static void draw_cells(Canvas *c, const Heatmap *m, Rect in, float low, float high, const Theme *theme) {
  size_t n = (size_t)m->h * (size_t)m->w;
  uint8_t *rgb = malloc(n * 3);
  if (!rgb) return;
  for (size_t i = 0; i < n; i++) {
    Colour colour = isfinite(m->value[i]) ? viridis((m->value[i] - low) / (high - low)) : theme->grid;
    memcpy(rgb + 3 * i, &colour, 3);
  }
  canvas_image(c, in, rgb, m->w, m->h, 3, false);
  free(rgb);
}

static void draw_bar(Canvas *c, Rect bar, float low, float high, const Theme *theme) {
  for (int y = 0; y < bar.h; y++) canvas_fill(c, (Rect){bar.x, bar.y + y, bar.w, 1}, viridis(1 - (float)y / (float)bar.h));
  Ticks t = ticks_for(low, high, bar.h / canvas_units(c, 50) + 1);
  char text[32];
  for (int i = 0; i < t.count; i++) {
    double value = t.first + i * t.step;
    float y = (float)bar.y + (float)((high - value) / (high - low)) * (float)bar.h;
    tick_text(text, sizeof text, fabs(value) < t.step * 1e-6 ? 0 : value, t.decimals);
    text_draw(c, (float)(bar.x + bar.w + canvas_units(c, 6)), y, ALIGN_LEFT, (Face){12, false}, theme->faint, text);
  }
}

static void draw(const Panel *p, Canvas *c, Rect area, const Theme *theme) {
  const Heatmap *m = p->data;
  if (!m->h) return;
  char size[48];
  snprintf(size, sizeof size, "%d × %d", m->h, m->w);
  Rect in = panel_heading(c, area, p->name, size, theme);
  int beside = canvas_units(c, 70), room = in.w - beside;
  if (room < 8 || in.h < 8) return;
  double scale = fmin((double)room / m->w, (double)in.h / m->h);
  Rect cells = {0, 0, (int)fmax(1, scale * m->w), (int)fmax(1, scale * m->h)};
  cells.x = in.x + (room - cells.w) / 2;
  cells.y = in.y + (in.h - cells.h) / 2;
  float low, high;
  range(m, &low, &high);
  draw_cells(c, m, cells, low, high, theme);
  draw_bar(c, (Rect){cells.x + cells.w + canvas_units(c, 12), cells.y, canvas_units(c, 12), cells.h}, low, high, theme);
}

const PanelKind panel_heatmap = {sizeof(Heatmap), SHAPE_SQUARE, copy, clear, draw};
