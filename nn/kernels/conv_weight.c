/* The weight's gradient: weight[u,v,c,k] = sum over samples and map pixels of image[..., c] map[..., k], for each tap a sum
 * of outer products over the pixels whose tap lies inside the image. Where there are many pixels, the columns of a block of them
 * are copied into panels, which stay in the first cache while the tiles pass by; rows that are far apart are copied, too. */
#include <limits.h>
#include <string.h>

#include "conv_groups.h"
#include "kernel.h"
#include "margins.h"
#include "tile.h"
#include "turn.h"
#include "winograd.h"

enum {
  FEW = 16,        /* channels: with fewer, the taps of a kernel row are taken together, over a copy with margins */
  PIXELS = 256,    /* of a block, about */
  STRIPS = 8,      /* that are copied at once */
  MOST_TILES = 20, /* of a piece of work, one below the other */
  MOST_PANELS = 4, /* of a piece */
  PIECES = 4,      /* to share out */
  PARTS = 8,       /* that the batch is cut into where the result is smaller than SMALL, so that there is work to share */
  SMALL = 8192,
  MANY = 256, /* pixels from which on copying columns pays, if they meet as many rows as DEEP */
  DEEP = 48,
  FAR = 96, /* numbers from one pixel to the next */
  MOST_WIDTH = 64
};

/* An operand: pictures, and how far map pixels are apart in them. */
typedef struct Side {
  const real *data;
  long channels, line, lines, step[2];
} Side;

/* Pixels of the map: samples, lines, and columns. */
typedef struct Area {
  long first[3], count[3];
} Area;

/* What the pixels of an area meet in a side, or in a copy of it. */
typedef struct Operand {
  const real *at;
  long step[3];
} Operand;

typedef struct Sum {
  const Conv *v;
  const Tile *tile;
  Side image, map;
  long first, taps[2];        /* of a tap of the image's line; taps[1] is 1 when those of a kernel row are taken together */
  bool swapped;               /* rows of tiles are channels of the map, columns those of the image */
  bool packed, far;           /* columns are copied; rows are far apart, and copied, too */
  long rows, columns;         /* of a tap's result */
  long tiles, panels;         /* in it */
  long runs, groups;          /* of tiles of all taps, of panels: a piece is one of each */
  long samples, height;       /* of a block of pixels */
  long blocks, parts, pixels; /* pixels: the most in a block */
  real *out;                  /* parts of the batch, each a whole result */
  long size;
  real *memory; /* of each thread, for copies */
  long room;
} Sum;

/* ---- operands ---- */

/* Which of the map's pixels have the tap at `offset` inside the image. */
static void inside(long map, long image, long stride, long offset, long *from, long *to) {
  *from = offset < 0 ? (-offset + stride - 1) / stride : 0;
  *to = offset < image ? (image - 1 - offset) / stride + 1 : 0;
  if (*to > map) *to = map;
  if (*from > *to) *from = *to;
}

static Area block_area(const Sum *s, long block) {
  const Conv *v = s->v;
  const long bands = (v->map[0] + s->height - 1) / s->height, n = block / bands * s->samples, y = block % bands * s->height;
  return (Area){{n, y, 0},
                {v->n - n < s->samples ? v->n - n : s->samples, v->map[0] - y < s->height ? v->map[0] - y : s->height, v->map[1]}};
}

/* How far a tap moves a pixel of the image. */
static void tap_move(const Sum *s, long tap, long *move) {
  move[0] = tap / s->taps[1] * s->v->dilation[0] - s->v->padding[0];
  move[1] = s->first + tap % s->taps[1] * s->v->dilation[1];
}

/* Those pixels of the area whose tap is inside the image. */
static Area tap_area(const Sum *s, const Area *block, const long *move) {
  const Conv *v = s->v;
  Area a = *block;
  for (int i = 0; i < 2; i++) {
    long from = 0, to = v->map[i], first = a.first[i + 1], end = first + a.count[i + 1];
    if (!i || s->taps[1] == v->kernel[1]) inside(v->map[i], v->image[i], v->stride[i], move[i], &from, &to);
    if (from > first) first = from;
    if (to < end) end = to;
    a.first[i + 1] = first, a.count[i + 1] = end < first ? 0 : end - first;
  }
  return a;
}

static Operand operand(const Side *s, const Area *a, const long *move) {
  const long y = a->first[1] * s->step[0] + move[0], x = a->first[2] * s->step[1] + move[1];
  return (Operand){s->data + ((a->first[0] * s->lines + y) * s->line + x) * s->channels,
                   {s->lines * s->line * s->channels, s->step[0] * s->line * s->channels, s->step[1] * s->channels}};
}

/* The pixels of an area in a copy of those of `all`, `width` numbers each. */
static Operand copied(const real *copy, const Area *all, const Area *a, long width) {
  const long *count = all->count, n = a->first[0] - all->first[0], y = a->first[1] - all->first[1], x = a->first[2] - all->first[2];
  return (Operand){copy + ((n * count[1] + y) * count[2] + x) * width, {count[1] * count[2] * width, count[2] * width, width}};
}

/* Strips of `width` numbers of each pixel, that begin at start[], go to places to_strip apart, filled up with zeros where the
 * pixel has fewer than that. All strips of a pixel are read at once, since memory is read fastest in its order. */
typedef struct Copy {
  Walk walk; /* a_step: of the pixels */
  const real *from;
  long numbers; /* of a pixel, from `from` on */
  int strips;
  long start[STRIPS];
  real *to;
  long to_strip;
} Copy;

typedef real Vector __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
enum { LANES = sizeof(Vector) / sizeof(real) };

INLINE void copy_line(const Copy *c, const int width, const real *from, real *to) {
  for (long x = c->walk.count[2]; x; x--, from += c->walk.a_step[2], to += width)
    for (int i = 0; i < c->strips; i++) {
      const real *strip = from + c->start[i];
      real *place = to + i * c->to_strip;
      const long left = c->numbers - c->start[i];
      int k = 0;
      for (; k < width && k + LANES <= left; k += LANES) *(Vector *)(place + k) = *(const Vector *)(strip + k);
      for (; k < width; k++) place[k] = k < left ? strip[k] : 0;
    }
}

INLINE void copy_lines(const Copy *c, const int width) {
  const Walk *w = &c->walk;
  real *to = c->to;
  for (long n = 0; n < w->count[0]; n++)
    for (long y = 0; y < w->count[1]; y++, to += w->count[2] * width)
      copy_line(c, width, c->from + n * w->a_step[0] + y * w->a_step[1], to);
}

static KERNEL(copy_strips, (const Copy *c, int width), (c, width)) {
  switch (width) {
    case 32: copy_lines(c, 32); break;
    case 16: copy_lines(c, 16); break;
    case 8: copy_lines(c, 8); break;
    default: copy_lines(c, width);
  }
}

static void copy_pixels(const Operand *o, const long *count, int width, Copy *c) {
  Walk *w = &c->walk;
  for (int i = 0; i < 3; i++) w->count[i] = count[i], w->a_step[i] = o->step[i];
  w->b_step[2] = width, w->b_step[1] = count[2] * width, w->b_step[0] = count[1] * w->b_step[1];
  walk_collapse(w);
  c->from = o->at;
  copy_strips(c, width);
}

/* ---- a block of pixels ---- */

/* Tiles from..to of all taps, in panels first..end. */
typedef struct Piece {
  long from, to, first, end;
} Piece;

static int row_width(const Sum *s) {
  return s->tile->height <= 8 ? 8 : 16;
}

/* From panel to panel, and from tile to tile, of what is copied: not a multiple of the page, whose lines would take the same place
 * in the cache. */
static long panel_room(const Sum *s) {
  return s->pixels * s->tile->width + 16;
}
static long tile_room(const Sum *s) {
  return s->pixels * row_width(s) + 16;
}

static long tile_row(const Sum *s, long tile) {
  return tile * s->rows / s->tiles;
}

static const long none[2];

/* Copies the columns of an area for all panels of a piece. */
static void copy_columns(const Sum *s, const Piece *p, const Area *area, const long *move, real *room) {
  const Side *side = s->swapped ? &s->image : &s->map;
  const Operand o = operand(side, area, s->swapped ? move : none);
  for (long panel = p->first; panel < p->end;) {
    Copy c = {.numbers = s->columns, .to = room + (panel - p->first) * panel_room(s), .to_strip = panel_room(s)};
    for (; panel < p->end && c.strips < STRIPS; panel++) c.start[c.strips++] = panel * s->tile->width;
    copy_pixels(&o, area->count, s->tile->width, &c);
  }
}

/* Copies the rows of an area for tiles from..to of one tap. */
static void copy_rows(const Sum *s, const Area *area, const long *move, long from, long to, real *room) {
  const Side *side = s->swapped ? &s->map : &s->image;
  const Operand o = operand(side, area, s->swapped ? none : move);
  while (from < to) {
    Copy c = {.numbers = s->rows, .to = room, .to_strip = tile_room(s)};
    for (; from < to && c.strips < STRIPS; from++, room += tile_room(s)) c.start[c.strips++] = tile_row(s, from);
    copy_pixels(&o, area->count, row_width(s), &c);
  }
}

static void sum_tile(const Sum *s, const Area *area, const Operand *a, const Operand *b, long tap, long tile, long panel, bool add,
                     real *weight) {
  const long width = s->tile->width, column = panel * width, columns = s->columns - column < width ? s->columns - column : width;
  const long k = s->v->k, row = tile_row(s, tile);
  const int height = (int)(tile_row(s, tile + 1) - row);
  real held[MOST_HEIGHT * MOST_WIDTH], *out[MOST_HEIGHT];
  real *to = weight + (s->swapped ? (tap * s->columns + column) * k + row : (tap * s->rows + row) * k + column);
  for (int r = 0; r < height; r++) out[r] = s->swapped ? held + r * MOST_WIDTH : to + r * k;
  Walk w;
  memcpy(w.count, area->count, sizeof w.count);
  memcpy(w.a_step, a->step, sizeof w.a_step);
  memcpy(w.b_step, b->step, sizeof w.b_step);
  walk_collapse(&w);
  s->tile->outer(height, a->at, b->at, &w, &(Finish){.columns = (int)columns, .add = add && !s->swapped, .out = out});
  if (s->swapped) turn(height, columns, held, MOST_WIDTH, to, k, add);
}

/* Tiles from..to of one tap, in all panels of a piece; `all` is what the columns are copied of. */
static void sum_tap(const Sum *s, const Piece *p, const Area *all, const Area *area, const long *move, long tap, long from, long to,
                    bool add, real *weight) {
  real *columns = s->memory + workers_self() * s->room, *rows = columns + (p->end - p->first) * panel_room(s);
  if (s->far) copy_rows(s, area, move, from, to, rows);
  const Operand row = operand(s->swapped ? &s->map : &s->image, area, s->swapped ? none : move);
  const Operand column = operand(s->swapped ? &s->image : &s->map, area, s->swapped ? move : none);
  for (long panel = p->first; panel < p->end; panel++) {
    Operand b = column;
    b.at += panel * s->tile->width;
    if (s->packed) b = copied(columns + (panel - p->first) * panel_room(s), all, area, s->tile->width);
    for (long tile = from; tile < to; tile++) {
      Operand a = row;
      a.at += tile_row(s, tile);
      if (s->far) a = copied(rows + (tile - from) * tile_room(s), area, area, row_width(s));
      sum_tile(s, area, &a, &b, tap, tile, panel, add, weight);
    }
  }
}

static void sum_block(const Sum *s, const Piece *p, long block, bool add, real *weight) {
  real *columns = s->memory + workers_self() * s->room;
  const Area all = block_area(s, block);
  if (s->packed && !s->swapped) copy_columns(s, p, &all, none, columns);
  for (long from = p->from, to; from < p->to; from = to) {
    const long tap = from / s->tiles;
    long move[2];
    to = (tap + 1) * s->tiles < p->to ? (tap + 1) * s->tiles : p->to;
    tap_move(s, tap, move);
    const Area area = tap_area(s, &all, move);
    if (s->packed && s->swapped) copy_columns(s, p, &area, move, columns);
    sum_tap(s, p, s->swapped ? &area : &all, &area, move, tap, from - tap * s->tiles, to - tap * s->tiles, add, weight);
  }
}

/* ---- sharing out ---- */

static void sum_pieces(void *job, long from, long to) {
  const Sum *s = job;
  const long tiles = s->taps[0] * s->taps[1] * s->tiles;
  for (long piece = from; piece < to; piece++) {
    const long part = piece / s->groups / s->runs, run = piece / s->groups % s->runs, group = piece % s->groups;
    const long first = part * s->blocks / s->parts, end = (part + 1) * s->blocks / s->parts;
    const Piece p = {run * tiles / s->runs, (run + 1) * tiles / s->runs, group * s->panels / s->groups,
                     (group + 1) * s->panels / s->groups};
    for (long block = first; block < end; block++) sum_block(s, &p, block, block > first, s->out + part * s->size);
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

/* Rows are read once for each group of panels, columns for each run of tiles: of all ways to have enough pieces, that in which
 * least is read. */
static void choose_pieces(Sum *s) {
  const long tiles = s->taps[0] * s->taps[1] * s->tiles, fewest = (s->panels + MOST_PANELS - 1) / MOST_PANELS;
  long least = LONG_MAX;
  for (long groups = fewest; groups <= s->panels; groups++) {
    long wanted = (PIECES - 1) / (s->parts * groups) + 1, runs = (tiles - 1) / MOST_TILES + 1;
    if (runs < wanted) runs = wanted;
    if (runs > tiles) runs = tiles;
    const long read = groups * s->rows + runs * s->columns;
    if (read >= least) continue;
    least = read;
    s->runs = runs, s->groups = groups;
  }
}

static void share_out(Sum *s) {
  const Conv *v = s->v;
  const long pixels = v->map[0] * v->map[1];
  s->samples = pixels < PIXELS ? PIXELS / pixels : 1;
  s->height = pixels <= PIXELS ? v->map[0] : v->map[1] < PIXELS ? PIXELS / v->map[1] : 1;
  s->blocks = (v->n + s->samples - 1) / s->samples * ((v->map[0] + s->height - 1) / s->height);
  s->pixels = s->samples * s->height * v->map[1];
  s->size = v->kernel[0] * v->kernel[1] * v->c * v->k;
  s->parts = s->size >= SMALL ? 1 : s->blocks < PARTS ? s->blocks : PARTS;
  s->tiles = (s->rows + s->tile->height - 1) / s->tile->height;
  s->panels = (s->columns + s->tile->width - 1) / s->tile->width;
  const bool many = v->n * pixels >= MANY && s->taps[0] * s->taps[1] * s->rows >= DEEP;
  s->packed = many || s->columns % s->tile->lanes;
  s->far = many && (s->swapped ? v->k : v->stride[1] * v->c) >= FAR && s->panels > 1;
  choose_pieces(s);
  s->room = (s->packed ? (s->panels / s->groups + 1) * panel_room(s) : 0) + (s->far ? MOST_TILES * tile_room(s) : 0);
}

static bool sum_run(Sum *s, real *weight) {
  share_out(s);
  Tensor *parts = s->parts > 1 ? tensor_new(2, (long[]){s->parts, s->size}) : NULL;
  Tensor *memory = tensor_new(2, (long[]){workers_count(), s->room});
  const bool ok = memory && (parts || s->parts == 1);
  if (ok) {
    s->out = parts ? parts->data : weight;
    s->memory = memory->data;
    workers_for(s->parts * s->groups * s->runs, 1, sum_pieces, s);
    if (parts) workers_for(s->size, 1024, sum_parts, &(Parts){parts->data, s->parts, s->size, weight});
  }
  tensor_drop(parts);
  tensor_drop(memory);
  return ok;
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
  Tensor *wide = NULL;
  s.swapped = v->k < FEW && v->c >= FEW;
  s.rows = s.swapped ? v->k : v->c;
  s.columns = s.swapped ? v->c : v->k;
  bool merged = v->c < FEW && v->dilation[1] == 1 && v->kernel[1] > 1;
  bool ok = (!merged || merge(&s, &wide)) && sum_run(&s, weight);
  tensor_drop(wide);
  return ok;
}
