/* Digits drawn by code: what there is to train on when there are no files. Each digit is a few strokes, in a square of
 * side 1 with y downwards; each sample moves, turns, slants and thickens them by random amounts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../nn.h"

enum { SIDE = 28, DIGITS = 10, STROKES = 3, STEPS = 14, RANDOMS = 8 };

/* A piece of an ellipse, from one angle to another (in degrees, 0 to the right, 90 downwards), or with rx = 0 a line
 * from (x, y) to (from, to). Strokes of a digit are drawn one after the other. */
typedef struct Stroke {
  double x, y, rx, ry, from, to;
} Stroke;

static const Stroke digit[DIGITS][STROKES] = {
    {{.5, .5, .3, .48, 0, 360}},
    {{.3, .22, 0, 0, .54, .02}, {.54, .02, 0, 0, .54, .98}},
    {{.5, .28, .3, .26, 180, 390}, {.76, .41, 0, 0, .2, .97}, {.2, .97, 0, 0, .82, .97}},
    {{.48, .26, .28, .24, 200, 450}, {.48, .74, .3, .24, 270, 520}},
    {{.62, .02, 0, 0, .16, .68}, {.16, .68, 0, 0, .86, .68}, {.64, .4, 0, 0, .64, .98}},
    {{.76, .03, 0, 0, .28, .03}, {.28, .03, 0, 0, .25, .45}, {.46, .68, .32, .3, 228, 520}},
    {{.5, .7, .28, .28, 0, 360}, {.86, .66, .64, .64, 180, 250}},
    {{.18, .03, 0, 0, .82, .03}, {.82, .03, 0, 0, .4, .98}},
    {{.5, .26, .24, .24, 0, 360}, {.5, .74, .29, .24, 0, 360}},
    {{.5, .3, .28, .28, 0, 360}, {.14, .34, .64, .64, 0, 70}},
};

typedef struct Point {
  double x, y;
} Point;

static Point stroke_point(const Stroke *s, double at) {
  if (s->rx == 0) return (Point){s->x + (s->from - s->x) * at, s->y + (s->to - s->y) * at};
  double angle = (s->from + (s->to - s->from) * at) * 3.14159265358979 / 180;
  return (Point){s->x + s->rx * cos(angle), s->y + s->ry * sin(angle)};
}

/* Slant, turn and size about the middle, then shift; to pixels. random: eight numbers in 0..1. */
static Point placed(Point p, const real *random) {
  double x = p.x - 0.5, y = p.y - 0.5, turn = ((double)random[0] - 0.5) * 0.4, slant = ((double)random[1] - 0.5) * 0.4;
  double width = 13 + 6 * (double)random[2], height = 16 + 5 * (double)random[3];
  x = (x - slant * y) * width;
  y *= height;
  return (Point){SIDE / 2.0 + x * cos(turn) - y * sin(turn) + ((double)random[4] - 0.5) * 5,
                 SIDE / 2.0 + x * sin(turn) + y * cos(turn) + ((double)random[5] - 0.5) * 4};
}

static double distance(Point p, Point a, Point b) {
  double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  double at = length > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length : 0;
  at = at < 0 ? 0 : at > 1 ? 1 : at;
  dx = a.x + at * dx - p.x, dy = a.y + at * dy - p.y;
  return sqrt(dx * dx + dy * dy);
}

static int pixel_of(double at) {
  return at < 0 ? 0 : at > SIDE - 1 ? SIDE - 1 : (int)at;
}

/* Ink fades over one pixel at a line's edge; where lines meet the darker one counts. */
static void draw_line(Point a, Point b, double thickness, double ink, uint8_t *pixel) {
  double reach = thickness + 0.5;
  int left = pixel_of(fmin(a.x, b.x) - reach), right = pixel_of(fmax(a.x, b.x) + reach);
  int top = pixel_of(fmin(a.y, b.y) - reach), bottom = pixel_of(fmax(a.y, b.y) + reach);
  for (int y = top; y <= bottom; y++)
    for (int x = left; x <= right; x++) {
      double cover = reach - distance((Point){x + 0.5, y + 0.5}, a, b);
      long value = lround(ink * (cover < 0 ? 0 : cover > 1 ? 1 : cover));
      if (value > pixel[y * SIDE + x]) pixel[y * SIDE + x] = (uint8_t)value;
    }
}

/* A stroke is drawn as short lines. */
static void draw_stroke(const Stroke *s, const real *random, uint8_t *pixel) {
  int steps = s->rx == 0 ? 1 : STEPS;
  for (int i = 0; i < steps; i++)
    draw_line(placed(stroke_point(s, (double)i / steps), random), placed(stroke_point(s, (double)(i + 1) / steps), random),
              0.7 + 1.1 * (double)random[6], 200 + 55 * (double)random[7], pixel);
}

typedef struct Glyphs {
  Dataset *set;
  const real *random; /* (n, RANDOMS) */
} Glyphs;

static void draw_glyphs(void *job, long from, long to) {
  const Glyphs *g = job;
  for (long i = from; i < to; i++) {
    const Stroke *strokes = digit[i % DIGITS];
    for (int s = 0; s < STROKES && strokes[s].x > 0; s++)
      draw_stroke(&strokes[s], g->random + i * RANDOMS, g->set->bytes + i * SIDE * SIDE);
    g->set->labels[i] = (int32_t)(i % DIGITS) + 1;
  }
}

static bool name_classes(Dataset *set) {
  set->classes = DIGITS;
  set->class_name = memory_new(DIGITS * sizeof *set->class_name);
  if (!set->class_name) return false;
  for (int i = 0; i < DIGITS; i++) {
    set->class_name[i] = memory_new(2);
    if (!set->class_name[i]) return false;
    set->class_name[i][0] = (char)('0' + i);
  }
  return true;
}

Dataset *data_glyphs(long n, uint64_t seed) {
  if (nn_failed()) return NULL;
  if (n < 1) return nn_fail("data.glyphs(n): n must be at least 1, got %ld", n);
  Dataset *set = dataset_new(3, (long[]){SIDE, SIDE, 1}, n, true, true);
  if (!set) return NULL;
  strcpy(set->name, "glyphs");
  size_t scope = scope_enter();
  Random stream = {seed, 0}, *before = random_use(&stream);
  Tensor *random = tensor_rand(2, (long[]){n, RANDOMS});
  random_use(before);
  bool ok = random && name_classes(set);
  memset(set->bytes, 0, (size_t)(n * SIDE * SIDE));
  if (ok) workers_for(n, 16, draw_glyphs, &(Glyphs){set, random->data});
  scope_leave(scope, NULL);
  if (ok) return set;
  dataset_drop(set);
  return NULL;
}
