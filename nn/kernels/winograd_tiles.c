/* Pictures cut into tiles, and their transform: first of whole lines, down the window, then along each line, tile by tile. */
#include <string.h>

#include "winograd.h"

/* ---- tiles ---- */

long tiles_result(const Tiles *t, int side, long tile) {
  long narrow = tile - t->whole[side];
  return tile * t->filter[side].results - (narrow > 0 ? narrow : 0) - t->before[side];
}

/* Results that a tile's algorithm gives it. */
static long results(const Tiles *t, int side, long tile) {
  return t->filter[side].results - (tile >= t->whole[side]);
}

long tiles_outside(const Tiles *t, int side, long tile) {
  return tile ? 0 : t->before[side];
}

long tiles_results(const Tiles *t, int side, long tile) {
  long left = t->grid[side] - tiles_result(t, side, tile), all = results(t, side, tile);
  return (left < all ? left : all) - tiles_outside(t, side, tile);
}

long tiles_alike(const Tiles *t, int side, long tile, long n) {
  long alike = 1;
  while (alike < n && tiles_results(t, side, tile + alike) == tiles_results(t, side, tile)) alike++;
  return alike;
}

/* The first and the last point are of the first and the last result alone. */
static bool has_point(const Tiles *t, int side, long tile, int point) {
  if (point == 0) return !tiles_outside(t, side, tile);
  return point < POINTS - 1 || (tile < t->whole[side] && tiles_result(t, side, tile) + t->filter[side].results <= t->grid[side]);
}

static bool is_inside(const Tiles *t, int side, long tile, const Term *term) {
  long at = tiles_result(t, side, tile) * t->step[side] + t->first[side];
  bool inside = false;
  for (int i = 0; i < 3; i++) {
    long pixel = at + term->mix.from[i]; /* those that the mix does not have are its part's first pixel */
    inside = inside || (pixel >= 0 && pixel < t->size[side]);
  }
  return inside;
}

static bool is_used(const Tiles *t, int side, long tile, const Term *term) {
  return has_point(t, side, tile, term->point) && is_inside(t, side, tile, term);
}

static void use_terms(Tiles *t, int side) {
  for (int i = 0; i < t->filter[side].terms; i++) {
    const Term *term = &t->filter[side].term[i];
    long from = 0, to = t->count[side];
    while (from < to && !is_used(t, side, from, term)) from++;
    while (from < to && !is_used(t, side, to - 1, term)) to--;
    t->from[side][i] = from, t->to[side][i] = to;
  }
}

/* Ways to cut a line into tiles: of two results, of which the last or, where the line is odd, the first may lie half outside; of
 * threes and at the end at most two twos. */
typedef enum Way { TWOS, TWOS_BEFORE, THREES, WAYS } Way;

static bool cut_side(Tiles *t, int side, long taps, long tap_step, Way way) {
  long grid = t->grid[side], each = way == THREES ? 3 : 2;
  if (way == TWOS_BEFORE && grid % 2 == 0) return false;
  if (!filter_make(&t->filter[side], taps, tap_step, t->step[side], (int)each, grid % each == 0)) return false;
  t->before[side] = way == TWOS_BEFORE;
  t->count[side] = (grid + each - 1) / each;
  t->whole[side] = each < 3 ? t->count[side] : grid / 3 - (grid % 3 == 1 && grid > 1);
  use_terms(t, side);
  return true;
}

static long side_products(const Tiles *t, int side) {
  long products = 0;
  for (int i = 0; i < t->filter[side].terms; i++) products += t->to[side][i] - t->from[side][i];
  return products;
}

long tiles_products(const Tiles *t) {
  return side_products(t, 0) * side_products(t, 1);
}

static bool has_gaps(const Tiles *t, int side) {
  long products = 0;
  for (int i = 0; i < t->filter[side].terms; i++)
    for (long tile = 0; tile < t->count[side]; tile++) products += has_point(t, side, tile, t->filter[side].term[i].point);
  return products > side_products(t, side);
}

/* In products of all pictures; a number of the transformed kernel costs as much as KERNEL_COST of them. */
static double cost(const Tiles *t) {
  return (double)t->n * (double)tiles_products(t) + KERNEL_COST * t->filter[0].terms * t->filter[1].terms;
}

bool tiles_cut(Tiles *t, const long *taps, const long *tap_step) {
  const Tiles uncut = *t;
  bool found = false;
  for (int ways = 0; ways < WAYS * WAYS; ways++) {
    Tiles other = uncut;
    bool cut = cut_side(&other, 0, taps[0], tap_step[0], ways / WAYS) && cut_side(&other, 1, taps[1], tap_step[1], ways % WAYS);
    if (!cut || (found && cost(&other) >= cost(t))) continue;
    *t = other;
    found = true;
  }
  t->gaps = found && (has_gaps(t, 0) || has_gaps(t, 1));
  return found;
}

void tiles_cut_map(Tiles *map, const Tiles *image) {
  for (int side = 0; side < 2; side++) {
    map->size[side] = map->grid[side] = image->grid[side];
    map->step[side] = 1;
    map->count[side] = image->count[side], map->whole[side] = image->whole[side], map->before[side] = image->before[side];
    filter_make_back(&map->filter[side], &image->filter[side]);
    use_terms(map, side);
  }
}

void tiles_use_all(Tiles *t) {
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < MOST_TERMS; i++) t->from[side][i] = 0, t->to[side][i] = t->count[side];
}

Span tiles_span(const Tiles *t, long from, long to) {
  Span s = {from / t->count[1] / t->count[0], from / t->count[1] % t->count[0], from % t->count[1], to - from};
  if (s.tiles > t->count[1] - s.x) s.tiles = t->count[1] - s.x;
  return s;
}

/* ---- transform ---- */

/* Pixels of a line that a span's tiles read. */
static long reach(const Tiles *t, const Span *s) {
  return (tiles_result(t, 1, s->x + s->tiles - 1) - tiles_result(t, 1, s->x)) * t->step[1] + t->filter[1].window;
}

/* Numbers of a line that so many tiles read, at most. */
static long line_room(const Tiles *t, long tiles) {
  long most = tiles < t->count[1] ? tiles : t->count[1];
  return ((most - 1) * t->filter[1].results * t->step[1] + t->filter[1].window) * t->channels;
}

long tiles_room(const Tiles *t, long tiles) {
  return 2 * line_room(t, tiles);
}

static int kind_in(const Tiles *t, int side, long tile, int kind) {
  return kind == BACK + F32 && tile >= t->whole[side] ? BACK_TWO : kind;
}

static const Mix *line_mix(const Tiles *t, long y, const Term *term) {
  int kind = kind_in(t, 0, y, t->filter[0].part[term->part].kind);
  return kind == BACK_TWO ? &winograd_input[kind][term->point] : &term->mix;
}

/* A term of a span's window; zeros, filled in here, stand for lines outside the picture. */
static void mix_lines(const Tiles *t, const Span *s, int term, real *zeros, real *line) {
  const Mix *m = line_mix(t, s->y, &t->filter[0].term[term]);
  long c = t->channels, left = tiles_result(t, 1, s->x) * t->step[1] + t->first[1], right = left + reach(t, s);
  long from = left < 0 ? 0 : left, to = right < t->size[1] ? right : t->size[1];
  if (to < from) to = from = left;
  Rows rows = {line + (from - left) * c, {0}, 0, 0, 1, (to - from) * c};
  for (int i = 0; i < 3; i++) {
    long y = tiles_result(t, 0, s->y) * t->step[0] + t->first[0] + m->from[i];
    bool inside = y >= 0 && y < t->size[0];
    if (!inside) memset(zeros, 0, (size_t)((to - from) * c) * sizeof(real));
    rows.from[i] = inside ? t->picture + ((s->n * t->size[0] + y) * t->size[1] + from) * c : zeros;
  }
  memset(line, 0, (size_t)((from - left) * c) * sizeof(real));
  mix_rows(m->how, &rows);
  memset(line + (to - left) * c, 0, (size_t)((right - to) * c) * sizeof(real));
}

/* The terms across of n tiles from x on, which have as many results each; line: mixed, from the first one's window on. */
static void mix_tiles(const Tiles *t, long x, long n, const real *line, real *to, const Place *p) {
  const Filter *f = &t->filter[1];
  long c = t->channels, pixel = t->step[1] * c;
  InputRows rows = {.plane = p->plane, .pixel = pixel, .to_step = p->row, .from_step = results(t, 1, x) * pixel, .rows = n};
  for (int i = 0; i < f->parts; i++) {
    int kind = kind_in(t, 1, x, f->part[i].kind);
    const real *from = line + f->part[i].at * c;
    real *part = to + f->part[i].term * p->plane;
    for (long strip = 0; strip < c; strip += p->strip, part += p->strip_step) {
      rows.from = from + strip, rows.to = part, rows.n = c - strip < p->strip ? c - strip : p->strip;
      mix_input(kind, &rows);
    }
  }
}

void tiles_transform(const Tiles *t, long from, long to, int term, real *room, const Place *place) {
  real *zeros = room + line_room(t, to - from);
  for (long tile = from; tile < to;) {
    Span s = tiles_span(t, tile, to);
    if (s.y >= t->from[0][term] && s.y < t->to[0][term]) {
      mix_lines(t, &s, term, zeros, room);
      for (long i = 0, alike; i < s.tiles; i += alike) {
        long first = tiles_result(t, 1, s.x + i) - tiles_result(t, 1, s.x);
        alike = tiles_alike(t, 1, s.x + i, s.tiles - i);
        mix_tiles(t, s.x + i, alike, room + first * t->step[1] * t->channels, place->to + (tile - from + i) * place->row, place);
      }
    }
    tile += s.tiles;
  }
}
