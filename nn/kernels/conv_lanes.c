/* Lines of a picture are copied so that the same channel of LANES groups stands side by side, with zeros around them. From
 * there whole vectors are summed, each lane by itself: products and sums are rounded one by one, on all CPUs in one order. */
#include "conv_lanes.h"

#include <string.h>

#include "activate.h"
#include "kernel.h"

enum {
  LANES = 16,
  PIXELS = 8,       /* of a tile */
  ROOM = 64 * 1024, /* numbers that a band's lines take, about: they stay in the second cache */
  MOST_ROOM = 1 << 20,
  FEW = 8,  /* channels of a group, if its lanes are all used */
  PARTS = 8 /* that the batch is cut into where weights' gradients are summed */
};

typedef real Vector __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

/* ---- lines ---- */

/* A picture, and how its lines are copied: `left` zeros, then a pixel in each spread-th place, in all `line` numbers. */
typedef struct Side {
  long size[2], channels, depth; /* channels of all groups and of one */
  long left, spread, line;
} Side;

/* Where results meet what they are made of, along one side: result i meets pixel (i mul + add + tap tap_step) / div, if that is
 * whole. */
typedef struct Meet {
  long mul, add, tap_step, div;
} Meet;

typedef struct Lanes {
  Side in, out;
  long n, groups, kernel[2];
  Meet meet[2];
  long strips;              /* of LANES groups */
  long band, bands, lines;  /* rows of results that share copied lines; and how many of these there are at most */
  const real *from, *other; /* other: weights as packed, or the map */
  const real *bias;
  real *to, *room;
  long room_size; /* of each thread's */
  Activation then;
} Lanes;

static long round_up(long n, long to) {
  return (n + to - 1) / to * to;
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

/* Numbers of a line's copy, of which tiles may read more than results need. */
static long line_length(const Lanes *l) {
  const Meet *m = &l->meet[1];
  long reach = (l->kernel[1] - 1) * m->tap_step, last = (l->in.size[1] - 1) * m->div;
  long read = (round_up(l->out.size[1], PIXELS) - 1) * m->mul + m->add + (reach > 0 ? reach : 0);
  return (l->in.left + (read > last ? read : last) + 1) * l->in.depth * LANES;
}

/* Copies a line of `lanes` groups, the first of which is at `from`. */
INLINE void copy_line(const Side *s, const real *from, long lanes, real *to) {
  const long depth = s->depth, place = s->spread * depth * LANES, before = s->left * depth * LANES,
             end = before + s->size[1] * place;
  memset(to, 0, (size_t)(s->spread > 1 ? s->line : before) * sizeof(real));
  if (end < s->line) memset(to + end, 0, (size_t)(s->line - end) * sizeof(real));
  to += before;
  for (long x = 0; x < s->size[1]; x++, from += s->channels, to += place) {
    if (depth == 1 && lanes == LANES)
      *(Vector *)to = *(const Vector *)from;
    else if (lanes == LANES)
      for (long c = 0; c < depth; c++)
        for (long i = 0; i < LANES; i++) to[c * LANES + i] = from[i * depth + c];
    else
      for (long c = 0; c < depth; c++)
        for (long i = 0; i < LANES; i++) to[c * LANES + i] = i < lanes ? from[i * depth + c] : 0;
  }
}

INLINE void copy_lines(const Side *s, const real *from, long n, long first, long end, long group, long lanes, real *to) {
  from += (n * s->size[0] + first) * s->size[1] * s->channels + group * s->depth;
  for (long y = first; y < end; y++, from += s->size[1] * s->channels, to += s->line) copy_line(s, from, lanes, to);
}

/* The copy of the line that result row y meets with a tap, NULL if there is none. */
INLINE const real *line_met(const Lanes *l, const real *lines, long first, long y, long tap) {
  const Meet *m = &l->meet[0];
  long at = y * m->mul + m->add + tap * m->tap_step;
  if (m->div > 1) { /* a division would take as long as a tap */
    if (at % m->div) return NULL;
    at /= m->div;
  }
  return at >= 0 && at < l->in.size[0] ? lines + (at - first) * l->in.line : NULL;
}

static long lanes_of(const Lanes *l, long group) {
  return l->groups - group < LANES ? l->groups - group : LANES;
}

static void cut_bands(Lanes *l) {
  const Meet *m = &l->meet[0];
  long reach = (l->kernel[0] - 1) * (m->tap_step < 0 ? -m->tap_step : m->tap_step);
  l->band = (ROOM / l->in.line * m->div - reach) / m->mul;
  if (l->band < 1) l->band = 1;
  if (l->band > l->out.size[0]) l->band = l->out.size[0];
  l->lines = ((l->band - 1) * m->mul + reach) / m->div + 1;
  if (l->lines > l->in.size[0]) l->lines = l->in.size[0];
  l->bands = l->band ? (l->out.size[0] + l->band - 1) / l->band : 0;
}

static void lanes_begin(Lanes *l, const Conv *v) {
  const Meet *m = &l->meet[1];
  l->n = v->n;
  l->groups = v->groups;
  l->strips = (v->groups + LANES - 1) / LANES;
  for (int i = 0; i < 2; i++) l->kernel[i] = v->kernel[i];
  long reach = (v->kernel[1] - 1) * m->tap_step, least = m->add + (reach < 0 ? reach : 0);
  l->in.left = least < 0 ? -least : 0;
  l->in.spread = m->div;
  l->in.line = line_length(l);
  cut_bands(l);
}

static Side side(const long *size, long channels, long groups) {
  return (Side){.size = {size[0], size[1]}, .channels = channels, .depth = channels / groups};
}

/* The map is made of the image. */
static Lanes of_map(const Conv *v) {
  Lanes l = {.in = side(v->image, v->c, v->groups), .out = side(v->map, v->k, v->groups)};
  for (int i = 0; i < 2; i++) l.meet[i] = (Meet){v->stride[i], -v->padding[i], v->dilation[i], 1};
  lanes_begin(&l, v);
  return l;
}

/* The image is made of the map. */
static Lanes of_image(const Conv *v) {
  Lanes l = {.in = side(v->map, v->k, v->groups), .out = side(v->image, v->c, v->groups)};
  for (int i = 0; i < 2; i++) l.meet[i] = (Meet){1, v->padding[i], -v->dilation[i], v->stride[i]};
  lanes_begin(&l, v);
  return l;
}

/* ---- map and image ---- */

#define EACH_PIXEL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

/* Channel k of a group, of PIXELS results of row y from x on. */
INLINE void sum_tile(const Lanes *l, const real *lines, long first, long y, long x, const real *w, const real *start, Vector *out) {
  const Meet *m = &l->meet[1];
  const long depth = l->in.depth, step = m->mul * depth * LANES;
#define START(p) Vector s##p = *(const Vector *)start;
  EACH_PIXEL(START)
  for (long u = 0; u < l->kernel[0]; u++) {
    const real *line = line_met(l, lines, first, y, u);
    if (!line) {
      w += l->kernel[1] * depth * LANES;
      continue;
    }
    line += (l->in.left + x * m->mul + m->add) * depth * LANES;
    for (long v = 0; v < l->kernel[1]; v++, line += m->tap_step * depth * LANES)
      for (long c = 0; c < depth; c++, w += LANES) {
        const Vector b = *(const Vector *)w;
        const real *a = line + c * LANES;
#define ADD(p) s##p += *(const Vector *)(a + p * step) * b;
        EACH_PIXEL(ADD)
      }
  }
#define FINISH(p) out[p] = s##p;
  EACH_PIXEL(FINISH)
#undef START
#undef ADD
#undef FINISH
}

/* Writes the k-th channel of groups from `group` on. */
INLINE void put_tile(const Lanes *l, const Vector *tile, long group, long k, long pixels, real *to) {
  const long depth = l->out.depth, lanes = lanes_of(l, group);
  to += group * depth + k;
  for (long p = 0; p < pixels; p++, to += l->out.channels) {
    if (depth == 1 && lanes == LANES)
      *(Vector *)to = tile[p];
    else
      for (long i = 0; i < lanes; i++) to[i * depth] = ((const real *)&tile[p])[i];
  }
}

INLINE void sum_row(const Lanes *l, const real *lines, long first, long y, long group, real *to) {
  const long depth = l->out.depth, weights = l->kernel[0] * l->kernel[1] * l->in.depth * LANES, width = l->out.size[1];
  const long lanes = lanes_of(l, group);
  for (long k = 0; k < depth; k++) {
    const real *w = l->other + (group / LANES * depth + k) * weights;
    real start[LANES] = {0};
    for (long i = 0; l->bias && i < lanes; i++) start[i] = l->bias[(group + i) * depth + k];
    for (long x = 0; x < width; x += PIXELS) {
      Vector tile[PIXELS];
      sum_tile(l, lines, first, y, x, w, start, tile);
      put_tile(l, tile, group, k, width - x < PIXELS ? width - x : PIXELS, to + x * l->out.channels);
    }
  }
  if (l->then.kind)
    for (long x = 0; x < width; x++) activate(to + x * l->out.channels + group * depth, lanes * depth, l->then);
}

/* A piece: a band of rows of a sample's results, for LANES groups. */
static KERNEL(sum_bands, (void *job, long from, long to), (job, from, to)) {
  const Lanes *l = job;
  real *lines = l->room + workers_self() * l->room_size;
  for (long piece = from; piece < to; piece++) {
    long n = piece / l->strips / l->bands, y = piece / l->strips % l->bands * l->band, group = piece % l->strips * LANES;
    long last = y + l->band < l->out.size[0] ? y + l->band : l->out.size[0], first, end;
    met(&l->meet[0], l->kernel[0], l->in.size[0], y, last, &first, &end);
    copy_lines(&l->in, l->from, n, first, end, group, lanes_of(l, group), lines);
    for (; y < last; y++) sum_row(l, lines, first, y, group, l->to + (n * l->out.size[0] + y) * l->out.size[1] * l->out.channels);
  }
}

/* Weights as tiles read them: strip, channel of the result, tap, channel summed over, lane. */
static Tensor *pack(const Lanes *l, const Conv *v, const real *weight, long in_step, long out_step) {
  const long taps = l->kernel[0] * l->kernel[1], in = l->in.depth, out = l->out.depth;
  Tensor *packed = tensor_new(5, (long[]){l->strips, out, taps, in, LANES});
  for (long i = 0; packed && i < tensor_numel(packed); i++) {
    long c = i / LANES % in, tap = i / LANES / in % taps, k = i / LANES / in / taps % out;
    long group = i / LANES / in / taps / out * LANES + i % LANES;
    const real *w = weight + tap * (v->c / v->groups * v->k) + group * (v->k / v->groups);
    packed->data[i] = group < l->groups ? w[c * in_step + k * out_step] : 0;
  }
  return packed;
}

static bool run(Lanes *l, Tensor *weight, const real *from, const real *bias, Activation then, real *to) {
  l->room_size = l->lines * l->in.line;
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
  return run(&l, pack(&l, v, weight, v->k, 1), image, bias, v->then, map);
}

bool lanes_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  Lanes l = of_image(v);
  return run(&l, pack(&l, v, weight, 1, v->k), map, bias, v->then, image);
}

/* ---- weight ---- */

#define EACH_TAP(X) X(0) X(1) X(2) X(3) X(4)
enum { TAPS = 5, SPAN = 256 }; /* SPAN: pixels whose products become one sum, about */

/* Pixels of the image and of the map that meet, `rows` lines of n. */
typedef struct Met {
  const real *a, *b;
  long a_step, b_step, a_line, b_line, a_tap, n, rows;
} Met;

/* Adds sums of their products to those of `taps` neighbouring taps. Two sums of each at a time share what they read: those of
 * two channels of the map, or of one channel, that of every other pixel and that of the others. */
INLINE void add_taps(const int taps, const bool two, const Met *m, real *to, long to_tap) {
  const long a_step = m->a_step, b_step = m->b_step, a_tap = m->a_tap;
  const long pixels = two ? 1 : 2, a_next = two ? 0 : a_step, b_next = two ? LANES : b_step;
#define START(t) Vector s##t = {0}, r##t = {0};
#define ADD(t)                                                                                                                     \
  if (t < taps) s##t += *(const Vector *)(a + t * a_tap) * b0;
#define ADD_NEXT(t)                                                                                                                \
  if (t < taps) r##t += *(const Vector *)(a + a_next + t * a_tap) * b1;
#define FINISH(t)                                                                                                                  \
  if (t < taps) {                                                                                                                  \
    Vector *sum = (Vector *)(to + t * to_tap);                                                                                     \
    sum[0] += s##t;                                                                                                                \
    sum[two] += r##t;                                                                                                              \
  }
  EACH_TAP(START)
  for (long row = 0; row < m->rows; row++) {
    const real *a = m->a + row * m->a_line, *b = m->b + row * m->b_line;
    long n = m->n;
    for (; n >= pixels; n -= pixels, a += pixels * a_step, b += pixels * b_step) {
      const Vector b0 = *(const Vector *)b, b1 = *(const Vector *)(b + b_next);
      EACH_TAP(ADD)
      EACH_TAP(ADD_NEXT)
    }
    if (n) {
      const Vector b0 = *(const Vector *)b;
      EACH_TAP(ADD)
    }
  }
  EACH_TAP(FINISH)
#undef START
#undef ADD
#undef ADD_NEXT
#undef FINISH
}

/* Adds what they give to the taps of a kernel row. */
INLINE void add_row(const Lanes *l, Met m, real *to, long to_tap, bool two) {
  for (long v = 0; v < l->kernel[1]; v += TAPS, m.a += TAPS * m.a_tap, to += TAPS * to_tap) {
#define CASE(t)                                                                                                                    \
  case 2 * t: add_taps(t + 1, false, &m, to, to_tap); break;                                                                       \
  case 2 * t + 1: add_taps(t + 1, true, &m, to, to_tap); break;
    switch (2 * ((l->kernel[1] - v < TAPS ? l->kernel[1] - v : TAPS) - 1) + two) { EACH_TAP(CASE) }
#undef CASE
  }
}

/* Adds what rows from .. to-1 of a sample's map give to all taps. image: lines copied from line `first` on; map: from row `from`.
 */
INLINE void add_rows(const Lanes *l, const real *image, long first, Met m, long from, long to, real *sum) {
  const long in = l->in.depth, out = l->out.depth, to_tap = in * out * LANES;
  const Meet *h = &l->meet[0];
  const real *map = m.b;
  for (long u = 0; u < l->kernel[0]; u++, sum += l->kernel[1] * to_tap) {
    long y = from, end = to;
    while (y < end && !line_met(l, image, first, y, u)) y++;
    while (y < end && !line_met(l, image, first, end - 1, u)) end--;
    m.rows = end - y;
    if (!m.rows) continue;
    m.a_line = h->mul * l->in.line;
    const real *line = line_met(l, image, first, y, u) + (l->in.left + l->meet[1].add) * in * LANES;
    for (long c = 0; c < in; c++)
      for (long k = 0; k < out; k += 2) {
        m.a = line + c * LANES;
        m.b = map + (y - from) * m.b_line + k * LANES;
        add_row(l, m, sum + (c * out + k) * LANES, to_tap, k + 1 < out);
      }
  }
}

/* Single channels of whole vectors of groups are read where they stand in the map. */
INLINE void add_band(const Lanes *l, long n, long from, long to, long group, real *lines, real *sum) {
  const long in = l->in.depth, out = l->out.depth, lanes = lanes_of(l, group), row = l->out.size[1] * l->out.channels;
  const bool in_place = out == 1 && lanes == LANES;
  real *copy = lines + l->lines * l->in.line;
  long first, end, some = SPAN / (l->out.size[1] + 1) + 1;
  Met m = {.a_step = l->meet[1].mul * in * LANES, .a_tap = l->meet[1].tap_step * in * LANES, .n = l->out.size[1]};
  m.b_step = in_place ? l->out.channels : out * LANES;
  m.b_line = in_place ? row : l->out.line;
  met(&l->meet[0], l->kernel[0], l->in.size[0], from, to, &first, &end);
  copy_lines(&l->in, l->from, n, first, end, group, lanes, lines);
  for (long y = from; y < to; y += some) {
    long last = y + some < to ? y + some : to;
    m.b = in_place ? l->other + (n * l->out.size[0] + y) * row + group : copy;
    if (!in_place) copy_lines(&l->out, l->other, n, y, last, group, lanes, copy);
    add_rows(l, lines, first, m, y, last, sum);
  }
}

/* A piece: a part of the batch, for LANES groups. */
static KERNEL(sum_parts, (void *job, long from, long to), (job, from, to)) {
  const Lanes *l = job;
  const long size = l->kernel[0] * l->kernel[1] * l->in.depth * l->out.depth * LANES;
  for (long piece = from; piece < to; piece++) {
    real *sum = l->to + piece * size;
    memset(sum, 0, (size_t)size * sizeof(real));
    long part = piece / l->strips, group = piece % l->strips * LANES;
    for (long n = part * l->n / PARTS; n < (part + 1) * l->n / PARTS; n++)
      for (long y = 0; y < l->out.size[0]; y += l->band)
        add_band(l, n, y, y + l->band < l->out.size[0] ? y + l->band : l->out.size[0], group,
                 l->room + workers_self() * l->room_size, sum);
  }
}

/* Joins the parts' sums, which stand as strip, tap, channel of the image, channel of the map, lane. */
static void unpack(const Lanes *l, const real *parts, real *weight) {
  const long in = l->in.depth, out = l->out.depth, taps = l->kernel[0] * l->kernel[1], size = l->strips * taps * in * out * LANES;
  for (long i = 0; i < size; i++) {
    long k = i / LANES % out, c = i / LANES / out % in, tap = i / LANES / out / in % taps;
    long group = i / LANES / out / in / taps * LANES + i % LANES;
    if (group >= l->groups) continue;
    real sum = 0;
    for (long part = 0; part < PARTS; part++) sum += parts[part * size + i];
    weight[(tap * in + c) * l->out.channels + group * out + k] = sum;
  }
}

bool lanes_weight(const Conv *v, const real *image, const real *map, real *weight) {
  Lanes l = of_map(v);
  l.out.spread = 1;
  l.out.line = l.out.size[1] * l.out.depth * LANES;
  l.room_size = l.lines * l.in.line + (SPAN / (l.out.size[1] + 1) + 1) * l.out.line;
  Tensor *parts = tensor_new(3, (long[]){PARTS, l.strips, v->kernel[0] * v->kernel[1] * l.in.depth * l.out.depth * LANES});
  Tensor *room = tensor_new(2, (long[]){workers_count(), l.room_size});
  bool ok = parts && room;
  if (ok) {
    l.from = image, l.other = map, l.to = parts->data, l.room = room->data;
    workers_for(PARTS * l.strips, 1, sum_parts, &l);
    unpack(&l, parts->data, weight);
  }
  tensor_drop(parts);
  tensor_drop(room);
  return ok;
}

/* ---- where it pays ---- */

bool lanes_suit(const Conv *v) {
  const long c = v->c / v->groups, k = v->k / v->groups, lanes = round_up(v->groups, LANES);
  if ((c > k ? c : k) * lanes > FEW * v->groups || !v->n || !c || !k) return false;
  Lanes map = of_map(v), image = of_image(v);
  return map.lines * map.in.line < MOST_ROOM && image.lines * image.in.line < MOST_ROOM;
}
