/* Software drawing: filled shapes, images, and anti-aliased lines by distance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canvas.h"

bool canvas_resize(Canvas *c, int width, int height) {
  if (c->pixel && c->width == width && c->height == height) return true;
  size_t n = (size_t)width * (size_t)height;
  uint8_t *pixel = malloc(n * 4), *mask = calloc(n, 1);
  if (!pixel || !mask) {
    free(pixel);
    free(mask);
    return false;
  }
  canvas_free(c);
  c->pixel = pixel;
  c->mask = mask;
  c->width = width;
  c->height = height;
  return true;
}

void canvas_free(Canvas *c) {
  free(c->pixel);
  free(c->mask);
  c->pixel = c->mask = NULL;
  c->width = c->height = 0;
}

int canvas_units(const Canvas *c, float units) {
  int pixels = (int)lroundf(units * c->scale);
  return pixels < 1 ? 1 : pixels;
}

Colour colour_mix(Colour a, Colour b, float t) {
  return (Colour){(uint8_t)lroundf((float)a.r + t * (float)(b.r - a.r)), (uint8_t)lroundf((float)a.g + t * (float)(b.g - a.g)),
                  (uint8_t)lroundf((float)a.b + t * (float)(b.b - a.b)), 255};
}

Colour colour_fade(Colour c, float opacity) {
  c.a = (uint8_t)lroundf((float)c.a * opacity);
  return c;
}

Rect rect_inset(Rect r, int by) {
  return (Rect){r.x + by, r.y + by, r.w > 2 * by ? r.w - 2 * by : 0, r.h > 2 * by ? r.h - 2 * by : 0};
}

static Rect clipped(const Canvas *c, Rect r) {
  int right = r.x + r.w < c->width ? r.x + r.w : c->width, below = r.y + r.h < c->height ? r.y + r.h : c->height;
  Rect out = {r.x > 0 ? r.x : 0, r.y > 0 ? r.y : 0, 0, 0};
  out.w = right > out.x ? right - out.x : 0;
  out.h = below > out.y ? below - out.y : 0;
  return out;
}

static uint8_t *pixel_at(const Canvas *c, int x, int y) {
  return c->pixel + ((size_t)y * (size_t)c->width + (size_t)x) * 4;
}

/* p = p + (colour - p) * cover / 255, rounded */
static void blend(uint8_t *p, Colour colour, unsigned cover) {
  const uint8_t from[3] = {colour.r, colour.g, colour.b};
  for (int i = 0; i < 3; i++) {
    unsigned v = p[i] * (255 - cover) + from[i] * cover + 128;
    p[i] = (uint8_t)((v + (v >> 8)) >> 8);
  }
  p[3] = 255;
}

void canvas_fill(Canvas *c, Rect r, Colour colour) {
  r = clipped(c, r);
  if (!r.w || !r.h) return;
  if (colour.a == 255) { /* one row, then copies of it */
    uint8_t *first = pixel_at(c, r.x, r.y);
    for (int x = 0; x < r.w; x++) memcpy(first + 4 * x, &colour, 4);
    for (int y = 1; y < r.h; y++) memcpy(pixel_at(c, r.x, r.y + y), first, (size_t)r.w * 4);
    return;
  }
  for (int y = 0; y < r.h; y++) {
    uint8_t *p = pixel_at(c, r.x, r.y + y);
    for (int x = 0; x < r.w; x++) blend(p + 4 * x, colour, colour.a);
  }
}

/* One corner: pixels of the square at x, y whose circle has its centre at cx, cy. */
static void corner(Canvas *c, int x, int y, int size, float cx, float cy, float radius, Colour colour) {
  Rect r = clipped(c, (Rect){x, y, size, size});
  for (int v = r.y; v < r.y + r.h; v++)
    for (int u = r.x; u < r.x + r.w; u++) {
      float cover = radius + 0.5F - hypotf((float)u + 0.5F - cx, (float)v + 0.5F - cy);
      if (cover <= 0) continue;
      blend(pixel_at(c, u, v), colour, (unsigned)((cover < 1 ? cover : 1) * (float)colour.a + 0.5F));
    }
}

void canvas_round(Canvas *c, Rect r, float radius, Colour colour) {
  int size = (int)ceilf(radius);
  if (2 * size > r.w) size = r.w / 2;
  if (2 * size > r.h) size = r.h / 2;
  float s = (float)size, left = (float)r.x + s, top = (float)r.y + s, right = (float)(r.x + r.w) - s,
        below = (float)(r.y + r.h) - s;
  canvas_fill(c, (Rect){r.x + size, r.y, r.w - 2 * size, size}, colour);
  canvas_fill(c, (Rect){r.x, r.y + size, r.w, r.h - 2 * size}, colour);
  canvas_fill(c, (Rect){r.x + size, r.y + r.h - size, r.w - 2 * size, size}, colour);
  corner(c, r.x, r.y, size, left, top, s, colour);
  corner(c, r.x + r.w - size, r.y, size, right, top, s, colour);
  corner(c, r.x, r.y + r.h - size, size, left, below, s, colour);
  corner(c, r.x + r.w - size, r.y + r.h - size, size, right, below, s, colour);
}

/* ---- images ---- */

/* The source pixels that a pixel shows, and the weights of the first, those between, and the last. */
typedef struct Span {
  int from, to;
  float first, middle, last;
} Span;

/* Pixel `at` of `to` lies over (at..at+1) * from / to. */
static Span span_under(int at, int to, int from) {
  long begin = (long)at * from, end = begin + from; /* in units of 1 / to */
  Span s = {(int)(begin / to), (int)((end - 1) / to), 1, (float)to / (float)from, 0};
  if (s.from == s.to) return s;
  s.first = (float)((s.from + 1L) * to - begin) / (float)from;
  s.last = (float)(end - (long)s.to * to) / (float)from;
  return s;
}

static Span span_between(int at, int to, int from) {
  float centre = fmaxf(((float)at + 0.5F) * (float)from / (float)to - 0.5F, 0);
  int low = (int)centre;
  if (low + 1 >= from) return (Span){from - 1, from - 1, 1, 0, 0};
  return (Span){low, low + 1, (float)(low + 1) - centre, 0, centre - (float)low};
}

static Span *spans(int to, int from, bool smooth) {
  Span *s = malloc((size_t)to * sizeof *s);
  for (int i = 0; s && i < to; i++) s[i] = smooth && from < to ? span_between(i, to, from) : span_under(i, to, from);
  return s;
}

/* The n numbers of a row that lies over several. */
static void mix_rows(const Span *v, const uint8_t *pixel, int n, float *out) {
  for (int i = 0; i < n; i++) out[i] = v->first * (float)pixel[(size_t)v->from * (size_t)n + (size_t)i];
  for (int y = v->from + 1; y <= v->to; y++)
    for (int i = 0; i < n; i++) out[i] += (y < v->to ? v->middle : v->last) * (float)pixel[(size_t)y * (size_t)n + (size_t)i];
}

static uint8_t mix_columns(const Span *h, const float *row, int channels) {
  float sum = h->first * row[h->from * channels];
  for (int x = h->from + 1; x <= h->to; x++) sum += (x < h->to ? h->middle : h->last) * row[x * channels];
  return (uint8_t)(sum + 0.5F);
}

void canvas_image(Canvas *c, Rect to, const uint8_t *pixel, int w, int h, int channels, bool smooth) {
  Rect r = clipped(c, to);
  Span *across = spans(to.w, w, smooth), *down = spans(to.h, h, smooth);
  float *row = malloc((size_t)w * (size_t)channels * sizeof *row);
  for (int y = r.y; across && down && row && y < r.y + r.h; y++) {
    const Span *v = &down[y - to.y];
    if (y > r.y && v->from == v->to && v[-1].to == v->from && v[-1].from == v->from) {
      memcpy(pixel_at(c, r.x, y), pixel_at(c, r.x, y - 1), (size_t)r.w * 4);
      continue;
    }
    mix_rows(v, pixel, w * channels, row);
    for (int x = r.x; x < r.x + r.w; x++) {
      uint8_t *out = pixel_at(c, x, y);
      for (int i = 0; i < 3; i++) out[i] = i < channels ? mix_columns(&across[x - to.x], row + i, channels) : out[0];
      out[3] = 255;
    }
  }
  free(across);
  free(down);
  free(row);
}

/* ---- shapes collected as coverage ---- */

void mask_begin(Canvas *c, Rect area) {
  c->area = clipped(c, area);
  c->used = (Rect){0};
}

static void use(Canvas *c, int x0, int y0, int x1, int y1) {
  Rect *u = &c->used;
  if (x1 <= x0 || y1 <= y0) return;
  if (u->w) {
    if (u->x < x0) x0 = u->x;
    if (u->y < y0) y0 = u->y;
    if (u->x + u->w > x1) x1 = u->x + u->w;
    if (u->y + u->h > y1) y1 = u->y + u->h;
  }
  *u = (Rect){x0, y0, x1 - x0, y1 - y0};
}

static uint8_t *mask_at(const Canvas *c, int x, int y) {
  return c->mask + (size_t)y * (size_t)c->width + (size_t)x;
}

static void cover(uint8_t *m, float part) {
  uint8_t value = part >= 1 ? 255 : (uint8_t)(part * 255 + 0.5F);
  if (value > *m) *m = value;
}

/* Pixels whose centre is within half the width of the segment, with a soft edge one pixel wide. In each row only those are looked
 * at that are so near to the line it lies on; beside the segment that is the distance, beyond its ends that to the end. */
static void segment(Canvas *c, Point a, Point b, float half) {
  float reach = half + 0.5F, dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  float slant = dy != 0 ? dx / dy : 0, wide = dy != 0 ? reach * sqrtf(length) / fabsf(dy) : INFINITY;
  float shrink = length > 0 ? 1 / sqrtf(length) : 0;
  Rect box = {(int)floorf(fminf(a.x, b.x) - reach), (int)floorf(fminf(a.y, b.y) - reach), 0, 0};
  int right = (int)ceilf(fmaxf(a.x, b.x) + reach), below = (int)ceilf(fmaxf(a.y, b.y) + reach);
  int x0 = box.x > c->area.x ? box.x : c->area.x, x1 = right < c->area.x + c->area.w ? right : c->area.x + c->area.w;
  int y0 = box.y > c->area.y ? box.y : c->area.y, y1 = below < c->area.y + c->area.h ? below : c->area.y + c->area.h;
  use(c, x0, y0, x1, y1);
  for (int y = y0; y < y1; y++) {
    float py = (float)y + 0.5F - a.y, middle = a.x + py * slant, left = middle - wide, beyond = middle + wide + 1;
    int from = left > (float)x0 ? (int)left : x0, to = beyond < (float)x1 ? (int)beyond : x1;
    uint8_t *row = mask_at(c, 0, y);
    for (int x = from; x < to; x++) {
      float px = (float)x + 0.5F - a.x, along = px * dx + py * dy, far;
      if (along <= 0)
        far = sqrtf(px * px + py * py);
      else if (along >= length)
        far = sqrtf((px - dx) * (px - dx) + (py - dy) * (py - dy));
      else
        far = fabsf(px * dy - py * dx) * shrink;
      if (far < reach) cover(row + x, reach - far);
    }
  }
}

/* Points far outside would make the boxes of their segments overflow an int. */
static Point tame(const Canvas *c, Point p) {
  float most = 4.0F * (float)(c->width + c->height);
  return (Point){fminf(fmaxf(p.x, -most), most), fminf(fmaxf(p.y, -most), most)};
}

void mask_line(Canvas *c, int n, const Point *p, float width) {
  for (int i = 0; i + 1 < n; i++)
    if (isfinite(p[i].y) && isfinite(p[i + 1].y)) segment(c, tame(c, p[i]), tame(c, p[i + 1]), width / 2);
}

void mask_disc(Canvas *c, Point centre, float radius) {
  if (isfinite(centre.x) && isfinite(centre.y)) segment(c, tame(c, centre), tame(c, centre), radius);
}

static void column(Canvas *c, int x, float top, float below) {
  if (x < c->area.x || x >= c->area.x + c->area.w) return;
  int y0 = (int)fmaxf(floorf(top), (float)c->area.y), y1 = (int)fminf(ceilf(below), (float)(c->area.y + c->area.h));
  use(c, x, y0, x + 1, y1);
  for (int y = y0; y < y1; y++) {
    bool whole = top <= (float)y && below >= (float)(y + 1);
    cover(mask_at(c, x, y), whole ? 1 : fminf(below, (float)(y + 1)) - fmaxf(top, (float)y));
  }
}

void mask_band(Canvas *c, int n, const Point *p, const float *y) {
  for (int i = 0; i + 1 < n; i++) {
    if (!isfinite(p[i].y) || !isfinite(p[i + 1].y) || p[i + 1].x <= p[i].x) continue;
    for (int x = (int)floorf(p[i].x); (float)x < p[i + 1].x; x++) {
      float t = fminf(fmaxf(((float)x + 0.5F - p[i].x) / (p[i + 1].x - p[i].x), 0), 1);
      column(c, x, y[i] + t * (y[i + 1] - y[i]), p[i].y + t * (p[i + 1].y - p[i].y));
    }
  }
}

static bool eight_empty(const uint8_t *m) {
  uint64_t all;
  memcpy(&all, m, sizeof all);
  return !all;
}

void mask_paint(Canvas *c, Colour colour) {
  const Rect u = c->used;
  for (int y = u.y; y < u.y + u.h; y++) {
    uint8_t *m = mask_at(c, u.x, y), *p = pixel_at(c, u.x, y);
    for (int x = 0; x < u.w; x++)
      if (x + 8 <= u.w && eight_empty(m + x)) /* as most are */
        x += 7;
      else if (m[x])
        blend(p + 4 * x, colour, (unsigned)(m[x] * colour.a + 127) / 255);
    memset(m, 0, (size_t)u.w);
  }
}

void canvas_line(Canvas *c, Rect clip, Point from, Point to, float width, Colour colour) {
  Point p[2] = {from, to};
  mask_begin(c, clip);
  mask_line(c, 2, p, width);
  mask_paint(c, colour);
}
