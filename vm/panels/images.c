/* A grid of pictures: whole multiples of their pixels where there is room, a thin gap between them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"

typedef struct Images {
  int n, h, w, channels;
  uint8_t *pixel; /* n * h * w * channels */
  size_t room;
} Images;

static bool grow(Images *im, size_t bytes) {
  if (bytes <= im->room) return true;
  uint8_t *more = realloc(im->pixel, bytes);
  if (!more) return false;
  im->pixel = more;
  im->room = bytes;
  return true;
}

static bool copy(void *to, const void *from) {
  Images *a = to;
  const Images *b = from;
  size_t bytes = (size_t)b->n * (size_t)b->h * (size_t)b->w * (size_t)b->channels;
  if (!grow(a, bytes)) return false;
  if (bytes) memcpy(a->pixel, b->pixel, bytes);
  a->n = b->n, a->h = b->h, a->w = b->w, a->channels = b->channels;
  return true;
}

static void clear(void *data) {
  free(((Images *)data)->pixel);
}

static long root(long n) { /* the side of a square of n, or 0 */
  long side = lround(sqrt((double)n));
  return side * side == n ? side : 0;
}

/* The pictures' n, h, w, channels in x, whose rows may be the pixels of squares; false when x is no picture. */
static bool layout(const Tensor *x, long out[4]) {
  const long *s = x->shape;
  bool rows = x->ndim == 2 && s[1] >= 16, wide = rows && s[1] % 3 == 0 && root(s[1] / 3);
  if (x->ndim == 4)
    memcpy(out, s, 4 * sizeof *out);
  else if (x->ndim == 3 && (s[2] == 1 || s[2] == 3))
    memcpy(out, (long[]){1, s[0], s[1], s[2]}, 4 * sizeof *out);
  else if (x->ndim == 3)
    memcpy(out, (long[]){s[0], s[1], s[2], 1}, 4 * sizeof *out);
  else if (rows && root(s[1]) && s[0] != s[1])
    memcpy(out, (long[]){s[0], root(s[1]), root(s[1]), 1}, 4 * sizeof *out);
  else if (wide && s[0] != s[1])
    memcpy(out, (long[]){s[0], root(s[1] / 3), root(s[1] / 3), 3}, 4 * sizeof *out);
  else if (x->ndim == 2)
    memcpy(out, (long[]){1, s[0], s[1], 1}, 4 * sizeof *out);
  else
    return false;
  return (out[3] == 1 || out[3] == 3) && out[0] > 0 && out[1] > 0 && out[2] > 0 && out[1] <= 16384 && out[2] <= 16384;
}

bool images_fits(const Tensor *x) {
  long shape[4];
  return layout(x, shape) && !(x->ndim == 2 && x->shape[1] == 2);
}

bool images_set(Panel *p, const Tensor *x, const char *who) {
  Images *im = p->data;
  long s[4];
  if (!layout(x, s) || !x->data) {
    nn_fail("%s: pictures are (N,H,W,1), (N,H,W,3), (H,W,1), (H,W,3) or (H,W), got %s", who, tensor_shape_text(x));
    return false;
  }
  long most = (64L << 20) / (s[1] * s[2] * s[3]), n = s[0] < most ? s[0] : most > 0 ? most : 1; /* more than a screen can show */
  size_t count = (size_t)(n * s[1] * s[2] * s[3]);
  if (!grow(im, count)) {
    nn_fail("%s: no memory for %zu bytes of pictures", who, count);
    return false;
  }
  for (size_t i = 0; i < count; i++) { /* a NaN becomes black */
    real v = x->data[i] * (real)127.5 + (real)128;
    im->pixel[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0;
  }
  im->n = (int)n, im->h = (int)s[1], im->w = (int)s[2], im->channels = (int)s[3];
  return true;
}

/* ---- drawing ---- */

typedef struct Grid {
  int columns, rows, gap, w, h; /* of one cell, in pixels */
} Grid;

/* Whole multiples of the pixels, unless they would leave a fifth of the room empty. */
static double multiple(double scale) {
  return scale >= 1 && floor(scale) >= 0.8 * scale ? floor(scale) : scale;
}

static const double ragged = 0.9; /* what a grid is worth whose last row is not full */

/* The number of columns that shows the pictures largest, in full rows if that costs little. */
static Grid arrange(const Images *im, int width, int height, int gap) {
  Grid best = {1, im->n, gap, 1, 1};
  double most = 0;
  for (int columns = 1; columns <= im->n; columns++) {
    int rows = (im->n + columns - 1) / columns;
    double scale =
        fmin((double)(width - gap * (columns - 1)) / columns / im->w, (double)(height - gap * (rows - 1)) / rows / im->h);
    scale = multiple(scale);
    double worth = im->n < rows * columns ? ragged * scale : scale;
    if (worth <= most) continue;
    most = worth;
    best = (Grid){columns, rows, gap, (int)(scale * im->w), (int)(scale * im->h)};
  }
  if (best.w < 1) best.w = 1;
  if (best.h < 1) best.h = 1;
  return best;
}

static void draw_grid(const Images *im, Canvas *c, Rect in, int gap) {
  Grid g = arrange(im, in.w, in.h, gap);
  int left = in.x + (in.w - g.columns * (g.w + gap) + gap) / 2, top = in.y + (in.h - g.rows * (g.h + gap) + gap) / 2;
  for (int i = 0; i < im->n; i++) {
    Rect cell = {left + i % g.columns * (g.w + gap), top + i / g.columns * (g.h + gap), g.w, g.h};
    if (cell.y >= in.y + in.h) break;
    const uint8_t *pixel = im->pixel + (size_t)i * (size_t)im->h * (size_t)im->w * (size_t)im->channels;
    canvas_image(c, cell, pixel, im->w, im->h, im->channels, false);
  }
}

static void draw(const Panel *p, Canvas *c, Rect area, const Theme *theme) {
  const Images *im = p->data;
  char size[64] = "";
  if (im->n) snprintf(size, sizeof size, "%d of %d × %d", im->n, im->w, im->h);
  Rect in = panel_heading(c, area, p->name, size, theme);
  if (im->n) draw_grid(im, c, in, canvas_units(c, 2));
}

bool images_grid(const Panel *p, Canvas *c, int side) {
  const Images *im = p->data;
  if (!im->n) return false;
  int columns = (int)ceil(sqrt((double)im->n * im->h / im->w)), rows = (im->n + columns - 1) / columns, gap = 2;
  int larger = side / (columns * im->w), scale = larger < 1 ? 1 : larger;
  int width = columns * (im->w * scale + gap) + gap, height = rows * (im->h * scale + gap) + gap;
  if (!canvas_resize(c, width, height)) return false;
  canvas_fill(c, (Rect){0, 0, width, height}, theme_dark.background);
  draw_grid(im, c, rect_inset((Rect){0, 0, width, height}, gap), gap);
  return true;
}

const PanelKind panel_images = {sizeof(Images), SHAPE_SQUARE, copy, clear, draw};
