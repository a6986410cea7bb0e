/* A lane of a vector is a channel of the result. Lines of a picture are copied with zeros around them, so that the c-th channels of
 * a strip's groups stand side by side. From there tiles sum whole vectors, with lanes in the order of the groups: if there are four
 * groups, of each the first channel, then of each the second. */
#include "conv_lanes.h"

#include <string.h>

#include "activate.h"
#include "kernel.h"
#include "tile.h"

enum {
  ROOM = 128 * 1024, /* numbers of a band, about: of its copy, or half of what is copied from; both stay in the second cache */
  MOST_ROOM = 1 << 20,
  FEW = 16,       /* channels of a group */
  FEW_ODD = 8,    /* the same where strips do not consist of whole groups: so many vectors become of a pixel */
  MOST_PARTS = 8, /* that the batch is cut into where weights' gradients are summed */
  TURN = 8        /* strips that are copied from a band one after the other */
};

typedef real Half __attribute__((vector_size(STRIP / 2 * sizeof(real)), aligned(sizeof(real)), may_alias));
#ifdef NN_DOUBLE
typedef int64_t Place;
#else
typedef int32_t Place;
#endif
typedef Place Places __attribute__((vector_size(STRIP / 2 * sizeof(Place))));

/* Where number i of a strip's columns, read one after the other, stands in its rows. */
INLINE long turned(const long rows, long i) {
  return i % rows * (STRIP / rows) + i / rows;
}

INLINE void turn_strip(const long rows, const real *from, real *to) {
#define AT(i) (Place) turned(rows, half + i)
#pragma GCC unroll 2
  for (int half = 0; half < STRIP; half += STRIP / 2) {
    const Places at = {AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7)};
#ifdef __clang__
    for (int i = 0; i < STRIP / 2; i++) to[half + i] = from[at[i]];
#else
    *(Half *)(to + half) = __builtin_shuffle(*(const Half *)from, *(const Half *)(from + STRIP / 2), at);
#endif
  }
#undef AT
}

/* n strips that are from_step apart go to places that are to_step apart. Of each `held` numbers are there, others are 0; and `room`
 * are written. */
typedef struct Turn {
  long rows, n;
  const real *from;
  long from_step, held;
  real *to;
  long to_step, room;
} Turn;

INLINE void turn_whole(const long rows, const Turn *t) {
  for (long x = 0; x < t->n; x++) turn_strip(rows, t->from + x * t->from_step, t->to + x * t->to_step);
}

INLINE void turn_part(const long rows, const Turn *t) {
  for (long x = 0; x < t->n; x++)
    for (long i = 0; i < t->room; i++) {
      const long at = turned(rows, i);
      t->to[x * t->to_step + i] = at < t->held ? t->from[x * t->from_step + at] : 0;
    }
}

/* Of strips that stay as they are, the first numbers, a few at a time. */
INLINE void copy_part(const Turn *t) {
  const long n = t->held < t->room ? t->held : t->room;
  for (long x = 0; x < t->n; x++) {
    const real *from = t->from + x * t->from_step;
    real *to = t->to + x * t->to_step;
    long i = 0;
    for (; i + STRIP / 2 <= n; i += STRIP / 2) *(Half *)(to + i) = *(const Half *)(from + i);
    for (; i < n; i++) to[i] = from[i];
    for (; i < t->room; i++) to[i] = 0;
  }
}

/* The numbers of rows that there can be, each known to the loops: they divide by it. */
INLINE void turn_strips(const Turn *t) {
  const bool whole = t->held == STRIP && t->room == STRIP;
  switch (t->rows) {
#define CASE(rows)                                                                                                                 \
  case rows:                                                                                                                       \
    if (whole)                                                                                                                     \
      turn_whole(rows, t);                                                                                                         \
    else                                                                                                                           \
      turn_part(rows, t);                                                                                                          \
    break;
    CASE(2)
    CASE(4)
    CASE(8)
#undef CASE
    default:
      if (whole)
        turn_whole(1, t);
      else
        copy_part(t);
  }
}

static KERNEL(turn_pixels, (const Turn *t), (t)) {
  turn_strips(t);
}

/* ---- lines ---- */

typedef struct Side {
  long size[2], channels, depth; /* channels of all groups and of one */
} Side;

/* Where results meet what they are made of, along one side: result i meets pixel (i mul + add + tap tap_step) / div, if that is
 * whole. */
typedef struct Meet {
  long mul, add, tap_step, div;
} Meet;

typedef struct Lanes {
  const Tile *tile;
  Side in, out;
  long n, kernel[2];
  Meet meet[2];
  long strips, wide;        /* of STRIP channels of the result; groups of each, or STRIP where these are not whole */
  long pixel;               /* numbers of a pixel's copy */
  long left, right, line;   /* a line's copy: pixels of zeros on both sides, and numbers in all */
  long parts;               /* of the batch */
  long band, bands, lines;  /* rows of results that share copied lines; and how many of these there are at most */
  const real *from, *other; /* other: weights as packed, or the map */
  const real *bias;
  real *to, *room;
  long room_size; /* of each thread's */
  Activation then;
} Lanes;

/* STRIP channels of the result, or what is left of them. */
typedef struct Strip {
  long first, lanes;
  long place[STRIP]; /* of the first channels of groups in a pixel that is copied; for each lane if groups are not whole */
} Strip;

static Strip strip_of(const Lanes *l, long number) {
  const long first = number * STRIP, left = l->out.channels - first, run = STRIP / l->wide;
  Strip s = {.first = first, .lanes = left < STRIP ? left : STRIP};
  for (long i = 0; i * run < s.lanes; i++) s.place[i] = (first + i * run) / l->out.depth * l->in.depth;
  return s;
}

static bool in_order(const Lanes *l) {
  return l->wide == 1 || l->wide == STRIP;
}

/* The pixels 0..size-1 along a side that results from .. to-1 meet. */
static void met(const Meet *m, long taps, long size, long from, long to, long *first, long *end) {
  long reach = (taps - 1) * m->tap_step, low = from * m->mul + m->add, high = (to - 1) * m->mul + m->add;
  *(reach < 0 ? &low : &high) += reach;
  *first = low <= 0 ? 0 : (low + m->div - 1) / m->div;
  *end = high < 0 ? 0 : high / m->div + 1;
  if (*end > size) *end = size;
  if (*first > *end) *first = *end;
}

/* Sets the margins of lines, which go on for tiles of any height that instruction sets have. */
static void measure_lines(Lanes *l) {
  const Meet *m = &l->meet[1];
  const long reach = (l->kernel[1] - 1) * m->tap_step, least = m->add + (reach < 0 ? reach : 0), last = l->in.size[1] - 1;
  const long most = ((l->out.size[1] - 1) * m->mul + m->add + (reach > 0 ? reach : 0)) / m->div;
  l->left = least < 0 ? (m->div - 1 - least) / m->div : 0;
  l->right = most > last ? most - last : 0;
  l->line = (l->left + l->in.size[1] + l->right + MOST_HEIGHT * m->mul) * l->pixel;
}

INLINE void copy_pixels(const Lanes *l, const Strip *s, const real *from, real *to) {
  const long depth = l->in.depth, wide = l->wide, width = l->in.size[1], channels = l->in.channels;
  const long last = wide == STRIP ? s->lanes - 1 : s->lanes == STRIP ? wide - 1 : 0; /* of the places that are known */
  if (l->pixel == STRIP && (wide == STRIP || s->lanes == STRIP) && s->place[last] == s->place[0] + last * depth) {
    turn_strips(&(Turn){wide, width, from + s->place[0], channels, last + 1 < wide ? last + 1 : STRIP, to, STRIP, STRIP});
    return;
  }
  for (long x = 0; x < width; x++, from += channels)
    for (long c = 0; c < depth; c++)
      for (long i = 0; i < wide; i++) *to++ = from[s->place[i] + c];
}

static KERNEL(copy_lines, (const Lanes *l, const Strip *s, long n, long first, long end, real *to), (l, s, n, first, end, to)) {
  const long row = l->in.size[1] * l->in.channels, before = l->left * l->pixel, after = before + l->in.size[1] * l->pixel;
  const real *from = l->from + (n * l->in.size[0] + first) * row;
  for (long y = first; y < end; y++, from += row, to += l->line) {
    memset(to, 0, (size_t)before * sizeof(real));
    memset(to + after, 0, (size_t)(l->right * l->pixel) * sizeof(real));
    copy_pixels(l, s, from, to + before);
  }
}

static void cut_bands(Lanes *l) {
  const Meet *m = &l->meet[0];
  long reach = (l->kernel[0] - 1) * (m->tap_step < 0 ? -m->tap_step : m->tap_step);
  long line = l->in.size[1] * l->in.channels / 2;
  if (line < l->line) line = l->line;
  l->band = (ROOM / line * m->div - reach) / m->mul;
  if (l->band < 1) l->band = 1;
  if (l->band > l->out.size[0]) l->band = l->out.size[0];
  l->lines = ((l->band - 1) * m->mul + reach) / m->div + 1;
  if (l->lines > l->in.size[0]) l->lines = l->in.size[0];
  l->bands = l->band ? (l->out.size[0] + l->band - 1) / l->band : 0;
}

static void lanes_begin(Lanes *l, const Conv *v) {
  l->n = v->n;
  l->parts = v->n < MOST_PARTS ? v->n : MOST_PARTS;
  l->strips = (l->out.channels + STRIP - 1) / STRIP;
  for (int i = 0; i < 2; i++) l->kernel[i] = v->kernel[i];
  l->wide = l->out.depth % STRIP == 0 ? 1 : STRIP % l->out.depth ? STRIP : STRIP / l->out.depth;
  l->pixel = l->in.depth * l->wide;
  measure_lines(l);
  cut_bands(l);
}

static Side side(const long *size, long channels, long groups) {
  return (Side){.size = {size[0], size[1]}, .channels = channels, .depth = channels / groups};
}

/* The map is made of the image. */
static Lanes of_map(const Conv *v) {
  Lanes l = {.tile = tile_best(), .in = side(v->image, v->c, v->groups), .out = side(v->map, v->k, v->groups)};
  for (int i = 0; i < 2; i++) l.meet[i] = (Meet){v->stride[i], -v->padding[i], v->dilation[i], 1};
  lanes_begin(&l, v);
  return l;
}

/* The image is made of the map. */
static Lanes of_image(const Conv *v) {
  Lanes l = {.tile = tile_best(), .in = side(v->map, v->k, v->groups), .out = side(v->image, v->c, v->groups)};
  for (int i = 0; i < 2; i++) l.meet[i] = (Meet){1, v->padding[i], -v->dilation[i], v->stride[i]};
  lanes_begin(&l, v);
  return l;
}

/* ---- map and image ---- */

/* Taps that results i, i + div, ... meet: `count` from `first` on, `apart` from each other, the first at pixel `at` of result i,
 * each other `step` pixels behind the one before. */
typedef struct Taps {
  long first, count, apart, at, step;
} Taps;

/* Those within pixels 0..size-1, or, with a size of -1, within the margins. */
static Taps taps_met(const Meet *m, long i, long taps, long size) {
  Taps t = {0};
  for (long tap = 0; tap < taps; tap++) {
    long at = i * m->mul + m->add + tap * m->tap_step;
    if (at % m->div) continue;
    at /= m->div;
    if (size >= 0 && (at < 0 || at >= size)) continue;
    if (t.count == 0) t.first = tap, t.at = at;
    if (t.count == 1) t.apart = tap - t.first, t.step = at - t.at;
    t.count++;
  }
  return t;
}

/* Row y of results; lines: copied from line `first` on. */
static void sum_row(const Lanes *l, const Strip *s, const real *lines, long first, long y, const real *w, real *to) {
  const long width = l->out.size[1], channels = l->out.channels, div = l->meet[1].div;
  const long tap = l->in.depth * STRIP, row = l->kernel[1] * tap, height = l->tile->height;
  const Taps down = taps_met(&l->meet[0], y, l->kernel[0], l->in.size[0]);
  real start[STRIP] = {0};
  if (l->bias) turn_pixels(&(Turn){l->wide, 1, l->bias + s->first, 0, s->lanes, start, 0, STRIP});
  for (long phase = 0; phase < div && phase < width; phase++) {
    const Taps across = taps_met(&l->meet[1], phase, l->kernel[1], -1);
    const StripSum sum = {.rows = down.count,
                          .taps = across.count,
                          .depth = l->in.depth,
                          .a_row = down.step * l->line,
                          .a_tap = across.step * l->pixel,
                          .a_step = l->meet[1].mul * l->pixel,
                          .w_row = down.apart * row,
                          .w_tap = across.apart * tap,
                          .w = w + down.first * row + across.first * tap,
                          .start = start,
                          .wide = (int)l->wide};
    const real *a = lines;
    if (down.count && across.count) a += (down.at - first) * l->line + (l->left + across.at) * l->pixel;
    for (long x = phase; x < width; x += height * div, a += height * sum.a_step) {
      const long left = (width - x + div - 1) / div, pixels = left < height ? left : height;
      real tile[MOST_HEIGHT * STRIP];
      const bool direct = pixels == height && s->lanes == STRIP && in_order(l);
      l->tile->strip_sum(&sum, a, direct ? to + x * channels : tile, direct ? div * channels : STRIP);
      if (!direct) turn_pixels(&(Turn){STRIP / l->wide, pixels, tile, STRIP, STRIP, to + x * channels, div * channels, s->lanes});
    }
  }
  if (l->then.kind)
    for (long x = 0; x < width; x++) activate(to + x * channels, s->lanes, l->then);
}

/* A piece: a band of rows of a sample's results, for a strip. */
static void sum_bands(void *job, long from, long to) {
  const Lanes *l = job;
  const long weights = l->kernel[0] * l->kernel[1] * l->in.depth * STRIP;
  real *lines = l->room + workers_self() * l->room_size;
  for (long piece = from; piece < to; piece++) {
    const Strip s = strip_of(l, piece % l->strips);
    long n = piece / l->strips / l->bands, y = piece / l->strips % l->bands * l->band;
    long last = y + l->band < l->out.size[0] ? y + l->band : l->out.size[0], first, end;
    met(&l->meet[0], l->kernel[0], l->in.size[0], y, last, &first, &end);
    copy_lines(l, &s, n, first, end, lines);
    for (; y < last; y++)
      sum_row(l, &s, lines, first, y, l->other + piece % l->strips * weights,
              l->to + (n * l->out.size[0] + y) * l->out.size[1] * l->out.channels + s.first);
  }
}

/* Weights as tiles read them: strip, tap, channel summed over, lane. */
static Tensor *pack(const Lanes *l, const Conv *v, const real *weight, bool of_map) {
  const long taps = l->kernel[0] * l->kernel[1], in = l->in.depth, out = l->out.depth;
  Tensor *packed = tensor_new(4, (long[]){l->strips, taps, in, STRIP});
  real *to = packed ? packed->data : NULL;
  for (long strip = 0; packed && strip < l->strips; strip++)
    for (long i = 0; i < taps * in; i++)
      for (long lane = 0; lane < STRIP; lane++, to++) {
        const long tap = i / in, c = i % in, made = strip * STRIP + turned(l->wide, lane), of_group = made % out,
                   group = made / out;
        const long row = of_map ? c : of_group, column = of_map ? made : group * in + c;
        *to = made < l->out.channels ? weight[(tap * (v->c / v->groups) + row) * v->k + column] : 0;
      }
  return packed;
}

static bool run(Lanes *l, Tensor *weight, const real *from, const real *bias, Activation then, real *to) {
  l->room_size = l->lines * l->line;
  Tensor *room = weight ? tensor_new(2, (long[]){workers_count(), l->room_size}) : NULL;
  if (room) {
    l->from = from, l->other = weight->data, l->bias = bias, l->to = to, l->room = room->data;
    l->then = then;
    workers_for(l->n * l->bands * l->strips, 1, sum_bands, l);
  }
  tensor_drop(weight);
  tensor_drop(room);
  return room != NULL;
}

bool lanes_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map) {
  Lanes l = of_map(v);
  return run(&l, pack(&l, v, weight, true), image, bias, v->then, map);
}

bool lanes_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  Lanes l = of_image(v);
  return run(&l, pack(&l, v, weight, false), map, bias, v->then, image);
}

/* ---- weight ---- */

/* Adds what rows from .. to-1 of a sample's map give to all taps. lines: of the image, copied from line `first` on; m->b: row
 * `from` of the map. */
static void add_rows(const Lanes *l, const real *lines, long first, const StripMet *met, long from, long to, real *sum) {
  const Meet *h = &l->meet[0];
  StripMet m = *met;
  for (long u = 0; u < l->kernel[0]; u++, sum += l->kernel[1] * m.to_tap) {
    const long ahead = h->add + u * h->tap_step;
    long y = from, end = to;
    while (y < end && y * h->mul + ahead < 0) y++;
    while (y < end && (end - 1) * h->mul + ahead >= l->in.size[0]) end--;
    m.rows = end - y;
    m.b = met->b + (y - from) * m.b_line;
    const real *line = lines + (y * h->mul + ahead - first) * l->line + (l->left + l->meet[1].add) * l->pixel;
    for (long c = 0; m.rows && c < l->in.depth; c += 2)
      for (long v = 0; v < l->kernel[1]; v += STRIP_TAPS) {
        const long taps = l->kernel[1] - v < STRIP_TAPS ? l->kernel[1] - v : STRIP_TAPS;
        m.a = line + c * l->wide + v * m.a_tap;
        l->tile->strip_meet(&m, (int)taps, c + 1 < l->in.depth, sum + v * m.to_tap + c * STRIP);
      }
  }
}

/* Vectors that are soon done with are read where they stand in the map; others would be read there time and again. */
static void add_band(const Lanes *l, const Strip *s, long n, long from, long to, real *lines, real *sum) {
  const long row = l->out.size[1] * l->out.channels;
  const bool in_place = l->in.depth == 1 && s->lanes == STRIP && in_order(l);
  real *copy = lines + l->lines * l->line;
  long first, end, some = SPAN / (l->out.size[1] + 1) + 1;
  StripMet m = {.n = l->out.size[1],
                .a_line = l->meet[0].mul * l->line,
                .a_step = l->meet[1].mul * l->pixel,
                .a_tap = l->meet[1].tap_step * l->pixel,
                .b_line = in_place ? row : l->out.size[1] * STRIP,
                .b_step = in_place ? l->out.channels : STRIP,
                .to_tap = l->in.depth * STRIP,
                .wide = (int)l->wide};
  met(&l->meet[0], l->kernel[0], l->in.size[0], from, to, &first, &end);
  copy_lines(l, s, n, first, end, lines);
  for (long y = from; y < to; y += some) {
    long last = y + some < to ? y + some : to;
    const real *map = l->other + (n * l->out.size[0] + y) * row + s->first;
    if (!in_place) turn_pixels(&(Turn){l->wide, (last - y) * l->out.size[1], map, l->out.channels, s->lanes, copy, STRIP, STRIP});
    m.b = in_place ? map : copy;
    add_rows(l, lines, first, &m, y, last, sum);
  }
}

/* A piece: a part of the batch, for TURN strips, which take turns at each band. */
static void sum_parts(void *job, long from, long to) {
  const Lanes *l = job;
  const long size = l->kernel[0] * l->kernel[1] * l->in.depth * STRIP;
  for (long piece = from; piece < to; piece++) {
    const long part = piece % l->parts, first = piece / l->parts * TURN, end = first + TURN < l->strips ? first + TURN : l->strips;
    real *sums = l->to + part * l->strips * size;
    memset(sums + first * size, 0, (size_t)((end - first) * size) * sizeof(real));
    for (long n = part * l->n / l->parts; n < (part + 1) * l->n / l->parts; n++)
      for (long y = 0; y < l->out.size[0]; y += l->band)
        for (long strip = first; strip < end; strip++) {
          const Strip s = strip_of(l, strip);
          add_band(l, &s, n, y, y + l->band < l->out.size[0] ? y + l->band : l->out.size[0],
                   l->room + workers_self() * l->room_size, sums + strip * size);
        }
  }
}

/* Joins the parts' sums, which stand as strip, tap, channel of the image, lane. */
static void unpack(const Lanes *l, const real *parts, real *weight) {
  const long rows = l->kernel[0] * l->kernel[1] * l->in.depth, channels = l->out.channels;
  for (long row = 0; row < rows; row++)
    for (long k = 0; k < channels; k++) {
      const real *sums = parts + (k / STRIP * rows + row) * STRIP + turned(STRIP / l->wide, k % STRIP);
      real sum = 0;
      for (long part = 0; part < l->parts; part++) sum += sums[part * l->strips * rows * STRIP];
      weight[row * channels + k] = sum;
    }
}

bool lanes_weight(const Conv *v, const real *image, const real *map, real *weight) {
  Lanes l = of_map(v);
  l.room_size = l.lines * l.line + (SPAN / (l.out.size[1] + 1) + 1) * l.out.size[1] * STRIP;
  Tensor *parts = tensor_new(3, (long[]){l.parts, l.strips, v->kernel[0] * v->kernel[1] * l.in.depth * STRIP});
  Tensor *room = tensor_new(2, (long[]){workers_count(), l.room_size});
  bool ok = parts && room;
  if (ok) {
    l.from = image, l.other = map, l.to = parts->data, l.room = room->data;
    workers_for((l.strips + TURN - 1) / TURN * l.parts, 1, sum_parts, &l);
    unpack(&l, parts->data, weight);
  }
  tensor_drop(parts);
  tensor_drop(room);
  return ok;
}

/* ---- where it pays ---- */

bool lanes_suit(const Conv *v) {
  const long c = v->c / v->groups, k = v->k / v->groups;
  if (!v->n || !c || !k || !tile_best()) return false;
  if ((c > k ? c : k) > (STRIP % c || STRIP % k ? FEW_ODD : FEW)) return false;
  Lanes map = of_map(v), image = of_image(v);
  return map.lines * map.line < MOST_ROOM && image.lines * image.line < MOST_ROOM;
}
