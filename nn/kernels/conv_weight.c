/* The weight's gradient: weight[u,v,c,k] = sum over samples and map pixels of image[..., c] map[..., k], for each tap a sum
 * of outer products over the pixels whose tap lies inside the image. */
#include <string.h>

#include "conv_groups.h"
#include "margins.h"
#include "tile.h"
#include "turn.h"
#include "winograd.h"

enum {
  FEW = 16,     /* channels: with fewer, the taps of a kernel row are taken together, over a copy with margins */
  PIXELS = 512, /* summed before the sum is added to the result: they stay in the second cache */
  TILES = 8,    /* of a piece of work, one below the other */
  PARTS = 8,    /* that the batch is cut into where the result is smaller than SMALL, so that there is work to share */
  SMALL = 8192,
  MOST_WIDTH = 64
};

/* An operand: pictures, and how far map pixels are apart in them. */
typedef struct Side {
  const real *data;
  long channels, line, lines, step[2];
} Side;

typedef struct Sum {
  const Conv *v;
  const Tile *tile;
  Side image, map, tail; /* tail: the last columns, which do not fill a vector, filled up with zeros */
  long first, taps[2];   /* of a tap of the image's line; taps[1] is 1 when those of a kernel row are taken together */
  bool swapped;          /* rows of tiles are channels of the map, columns those of the image */
  long rows, columns;    /* of a tap's result */
  long tiles, panels;    /* in it */
  long samples, height;  /* of a block of pixels */
  long blocks, parts;
  real *out; /* parts of the batch, each a whole result */
  long size;
} Sum;

/* ---- one tile ---- */

/* Which of the map's pixels have the tap at `offset` inside the image. */
static void inside(long map, long image, long stride, long offset, long *from, long *to) {
  *from = offset < 0 ? (-offset + stride - 1) / stride : 0;
  *to = offset < image ? (image - 1 - offset) / stride + 1 : 0;
  if (*to > map) *to = map;
  if (*from > *to) *from = *to;
}

static void steps(const Side *s, long *step) {
  step[0] = s->lines * s->line * s->channels;
  step[1] = s->step[0] * s->line * s->channels;
  step[2] = s->step[1] * s->channels;
}

/* The pixel of the side that map pixel y, x of sample n meets, moved by a tap's offset. */
static const real *pixel(const Side *s, long n, long y, long x) {
  return s->data + ((n * s->lines + y) * s->line + x) * s->channels;
}

/* The pixels of a block that take part in a tap, as `image` and `map` side (of which one may be the tail). */
static void walk(const Sum *s, long block, long tap, const Side *image, const Side *map, Walk *w, const real **a, const real **b) {
  const Conv *v = s->v;
  long bands = (v->map[0] + s->height - 1) / s->height, n = block / bands * s->samples, y = block % bands * s->height;
  long dy = tap / s->taps[1] * v->dilation[0] - v->padding[0], dx = s->first + tap % s->taps[1] * v->dilation[1];
  long top, bottom, left = 0, right = v->map[1];
  inside(v->map[0], v->image[0], v->stride[0], dy, &top, &bottom);
  if (s->taps[1] == v->kernel[1]) inside(v->map[1], v->image[1], v->stride[1], dx, &left, &right);
  if (top < y) top = y;
  if (bottom > y + s->height) bottom = y + s->height;
  if (bottom < top) bottom = top;
  w->count[0] = v->n - n < s->samples ? v->n - n : s->samples;
  w->count[1] = bottom - top, w->count[2] = right - left;
  steps(image, s->swapped ? w->b_step : w->a_step);
  steps(map, s->swapped ? w->a_step : w->b_step);
  *(s->swapped ? b : a) = pixel(image, n, top * v->stride[0] + dy, left * v->stride[1] + dx);
  *(s->swapped ? a : b) = pixel(map, n, top, left);
  walk_collapse(w);
}

static void sum_tile(const Sum *s, long block, long tap, long tile, long panel, bool add, real *weight) {
  long width = s->tile->width, whole = s->tail.data ? s->columns - s->columns % s->tile->lanes : s->columns;
  long column = panel * width < whole ? panel * width : whole, columns = whole - column < width ? whole - column : width;
  long row = tile * s->rows / s->tiles, k = s->v->k;
  int height = (int)((tile + 1) * s->rows / s->tiles - row);
  bool last = column == whole;
  const Side *image = last && s->swapped ? &s->tail : &s->image, *map = last && !s->swapped ? &s->tail : &s->map;
  real held[MOST_HEIGHT * MOST_WIDTH], *out[MOST_HEIGHT];
  real *to = weight + (s->swapped ? (tap * s->columns + column) * k + row : (tap * s->rows + row) * k + column);
  for (int r = 0; r < height; r++) out[r] = s->swapped ? held + r * MOST_WIDTH : to + r * k;
  Finish f = {.columns = (int)(last ? s->columns - whole : columns), .add = add && !s->swapped, .out = out};
  Walk w;
  const real *a, *b;
  walk(s, block, tap, image, map, &w, &a, &b);
  s->tile->outer(height, a + row, b + (last ? 0 : column), &w, &f);
  if (s->swapped) turn(height, f.columns, held, MOST_WIDTH, to, k, add);
}

/* ---- sharing out ---- */

/* A piece: a part of the batch, a panel, a run of tiles one below the other. */
static void sum_pieces(void *job, long from, long to) {
  const Sum *s = job;
  long tiles = s->taps[0] * s->taps[1] * s->tiles, runs = (tiles + TILES - 1) / TILES;
  for (long piece = from; piece < to; piece++) {
    long part = piece / runs / s->panels, panel = piece / runs % s->panels, run = piece % runs;
    long first = part * s->blocks / s->parts, end = (part + 1) * s->blocks / s->parts;
    for (long block = first; block < end; block++)
      for (long tile = run * tiles / runs; tile < (run + 1) * tiles / runs; tile++)
        sum_tile(s, block, tile / s->tiles, tile % s->tiles, panel, block > first, s->out + part * s->size);
  }
}

typedef struct Parts {
  const real *parts;
  long count, size;
  real *sum;
} Parts;

static void sum_parts(void *job, long from, long to) {
  const Parts *p = job;
  for (long i = from; i < to; i++) {
    real sum = p->parts[i];
    for (long part = 1; part < p->count; part++) sum += p->parts[part * p->size + i];
    p->sum[i] = sum;
  }
}

static bool sum_run(Sum *s, real *weight) {
  const Conv *v = s->v;
  long pixels = v->map[0] * v->map[1];
  s->samples = pixels < PIXELS ? PIXELS / pixels : 1;
  s->height = pixels <= PIXELS ? v->map[0] : v->map[1] < PIXELS ? PIXELS / v->map[1] : 1;
  s->blocks = (v->n + s->samples - 1) / s->samples * ((v->map[0] + s->height - 1) / s->height);
  s->size = v->kernel[0] * v->kernel[1] * v->c * v->k;
  s->parts = s->size >= SMALL ? 1 : s->blocks < PARTS ? s->blocks : PARTS;
  s->tiles = (s->rows + s->tile->height - 1) / s->tile->height;
  long runs = (s->taps[0] * s->taps[1] * s->tiles + TILES - 1) / TILES;
  Tensor *parts = s->parts > 1 ? tensor_new(2, (long[]){s->parts, s->size}) : NULL;
  if (s->parts > 1 && !parts) return false;
  s->out = parts ? parts->data : weight;
  workers_for(s->parts * s->panels * runs, 1, sum_pieces, s);
  if (parts) workers_for(s->size, 1024, sum_parts, &(Parts){parts->data, s->parts, s->size, weight});
  tensor_drop(parts);
  return true;
}

/* ---- operands ---- */

typedef struct Tail {
  const Side *from;
  real *to;
  long first, lanes;
} Tail;

static void copy_tail(void *job, long from, long to) {
  const Tail *t = job;
  long columns = t->from->channels - t->first;
  for (long i = from; i < to; i++) {
    memcpy(t->to + i * t->lanes, t->from->data + i * t->from->channels + t->first, (size_t)columns * sizeof(real));
    memset(t->to + i * t->lanes + columns, 0, (size_t)(t->lanes - columns) * sizeof(real));
  }
}

/* Fills s->tail if the columns' side does not end with a whole vector. */
static bool add_tail(Sum *s, Tensor **memory) {
  const Side *side = s->swapped ? &s->image : &s->map;
  long lanes = s->tile->lanes, rest = s->columns % lanes, pixels = s->v->n * side->lines * side->line;
  long whole = s->columns - rest;
  s->panels = (whole + s->tile->width - 1) / s->tile->width + (rest > 0);
  if (!rest) return true;
  *memory = tensor_new(2, (long[]){pixels, lanes});
  if (!*memory) return false;
  workers_for(pixels, 4096, copy_tail, &(Tail){side, (*memory)->data, whole, lanes});
  s->tail = *side;
  s->tail.data = (*memory)->data;
  s->tail.channels = lanes;
  return true;
}

/* Takes the taps of a kernel row as one, with margins where they reach outside the image. */
static bool merge(Sum *s, Tensor **memory) {
  const Conv *v = s->v;
  long c = v->c, left = v->padding[1], reach = (v->map[1] - 1) * v->stride[1] - left + v->kernel[1];
  long right = reach > v->image[1] ? reach - v->image[1] : 0;
  s->taps[1] = 1;
  s->rows = v->kernel[1] * c;
  s->first = 0;
  if (!left && !right) return true;
  *memory = margins_new(s->image.data, v->n * v->image[0], v->image[1] * c, left * c, right * c);
  if (!*memory) return false;
  s->image.data = (*memory)->data;
  s->image.line = left + v->image[1] + right;
  return true;
}

bool conv_weight(const Conv *v, const real *image, const real *map, real *weight) {
  if (v->groups > 1) return groups_weight(v, image, map, weight);
  Sum s = {.v = v, .tile = tile_best(), .first = -v->padding[1], .taps = {v->kernel[0], v->kernel[1]}};
  s.image = (Side){image, v->c, v->image[1], v->image[0], {v->stride[0], v->stride[1]}};
  s.map = (Side){map, v->k, v->map[1], v->map[0], {1, 1}};
  if (!s.tile) return false;
  if (!v->n || !v->c || !v->k) return memset(weight, 0, (size_t)(v->kernel[0] * v->kernel[1] * v->c * v->k) * sizeof(real)), true;
  if (winograd_suits_weight(v)) return winograd_weight(v, image, map, weight);
  Tensor *wide = NULL, *tail = NULL;
  s.swapped = v->k < FEW && v->c >= FEW;
  s.rows = s.swapped ? v->k : v->c;
  s.columns = s.swapped ? v->c : v->k;
  bool merged = v->c < FEW && v->dilation[1] == 1 && v->kernel[1] > 1;
  bool ok = (!merged || merge(&s, &wide)) && add_tail(&s, &tail) && sum_run(&s, weight);
  tensor_drop(wide);
  tensor_drop(tail);
  return ok;
}
