/* The transform of pictures: first of whole lines, down the window, then along each line, tile by tile. */
#include <string.h>

#include "winograd.h"

static bool is_used(const Tiles *t, int side, long tile, const Term *term, long grid) {
  long at = tile * OUTPUTS * t->step[side] + t->first[side];
  bool inside = false;
  for (int i = 0; i < 3; i++) {
    long pixel = at + term->mix.from[i]; /* those that the mix does not have are its part's first pixel */
    inside = inside || (pixel >= 0 && pixel < t->size[side]);
  }
  return inside && (term->point < POINTS - 1 || tile * OUTPUTS + 1 < grid); /* the last point is of the second result alone */
}

void tiles_cut(Tiles *t, const long *grid) {
  for (int side = 0; side < 2; side++) {
    t->count[side] = (grid[side] + OUTPUTS - 1) / OUTPUTS;
    for (int i = 0; i < t->filter[side].terms; i++) {
      long from = 0, to = t->count[side];
      while (from < to && !is_used(t, side, from, &t->filter[side].term[i], grid[side])) from++;
      while (from < to && !is_used(t, side, to - 1, &t->filter[side].term[i], grid[side])) to--;
      t->from[side][i] = from, t->to[side][i] = to;
    }
  }
}

void tiles_use_all(Tiles *t) {
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < MOST_TERMS; i++) t->from[side][i] = 0, t->to[side][i] = t->count[side];
}

long tiles_products(const Tiles *t) {
  long products[2] = {0, 0};
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < t->filter[side].terms; i++) products[side] += t->to[side][i] - t->from[side][i];
  return products[0] * products[1];
}

Span tiles_span(const Tiles *t, long from, long to) {
  Span s = {from / t->count[1] / t->count[0], from / t->count[1] % t->count[0], from % t->count[1], to - from};
  if (s.tiles > t->count[1] - s.x) s.tiles = t->count[1] - s.x;
  return s;
}

/* Pixels of a line that `tiles` tiles read. */
static long reach(const Tiles *t, long tiles) {
  return (tiles - 1) * OUTPUTS * t->step[1] + t->filter[1].window;
}

/* Numbers of a line that so many tiles read, at most. */
static long line_room(const Tiles *t, long tiles) {
  return reach(t, tiles < t->count[1] ? tiles : t->count[1]) * t->channels;
}

long tiles_room(const Tiles *t, long tiles) {
  return 2 * line_room(t, tiles);
}

/* One line of a span's window, mixed of the picture's lines, its pixels `row` numbers apart; zeros, filled in here, stand for
 * those outside. */
static void mix_lines(const Tiles *t, const Span *s, const Mix *m, real *zeros, real *line, long row) {
  long c = t->channels, left = s->x * OUTPUTS * t->step[1] + t->first[1], width = reach(t, s->tiles), right = left + width;
  long from = left < 0 ? 0 : left, to = right < t->size[1] ? right : t->size[1];
  if (to < from) to = from = left;
  Rows rows = {line + (from - left) * row, {0}, row, c, to - from, c};
  for (int i = 0; i < 3; i++) {
    long y = s->y * OUTPUTS * t->step[0] + t->first[0] + m->from[i];
    bool inside = y >= 0 && y < t->size[0];
    if (!inside) memset(zeros, 0, (size_t)((to - from) * c) * sizeof(real));
    rows.from[i] = inside ? t->picture + ((s->n * t->size[0] + y) * t->size[1] + from) * c : zeros;
  }
  if (row == c) rows.n *= rows.rows, rows.rows = 1;
  memset(line, 0, (size_t)((from - left) * row) * sizeof(real));
  mix_rows(m->how, &rows);
  memset(line + (to - left) * row, 0, (size_t)((right - to) * row) * sizeof(real));
}

/* A term across of the tiles of a span that use it, whose line is mixed; to: of the span's first tile. */
static void mix_tiles(const Tiles *t, const Span *s, int x, const real *line, real *to, const Place *p) {
  const Mix *m = &t->filter[1].term[x].mix;
  long c = t->channels, skip = t->from[1][x] > s->x ? t->from[1][x] - s->x : 0, step = OUTPUTS * t->step[1] * c;
  long tiles = (t->to[1][x] < s->x + s->tiles ? t->to[1][x] - s->x : s->tiles) - skip;
  to += skip * p->row;
  line += skip * step;
  for (long strip = 0; strip < c && tiles > 0; strip += p->strip, to += p->strip_step) {
    Rows rows = {to, {0}, p->row, step, tiles, c - strip < p->strip ? c - strip : p->strip};
    for (int i = 0; i < 3; i++) rows.from[i] = line + m->from[i] * c + strip;
    mix_rows(m->how, &rows);
  }
}

void tiles_transform(const Tiles *t, long from, long to, int term, real *room, const Place *place) {
  real *zeros = room + line_room(t, to - from);
  for (long tile = from; tile < to;) {
    Span s = tiles_span(t, tile, to);
    if (s.y >= t->from[0][term] && s.y < t->to[0][term]) {
      mix_lines(t, &s, &t->filter[0].term[term].mix, zeros, room, t->channels);
      for (int x = 0; x < t->filter[1].terms; x++)
        mix_tiles(t, &s, x, room, place->to + x * place->plane + (tile - from) * place->row, place);
    }
    tile += s.tiles;
  }
}

void tiles_lines(const Tiles *t, long from, long to, int term, real *zeros, real *lines, real *differences, long row) {
  for (long tile = from; tile < to;) {
    Span s = tiles_span(t, tile, to);
    long width = reach(t, s.tiles);
    if (s.y >= t->from[0][term] && s.y < t->to[0][term]) {
      mix_lines(t, &s, &t->filter[0].term[term].mix, zeros, lines, row);
      mix_rows(SUB, &(Rows){differences, {lines, lines + row}, row, row, width - 1, t->channels});
    }
    tile += s.tiles, lines += width * row, differences += width * row;
  }
}
