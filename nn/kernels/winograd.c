/* A piece of work is a block of tiles times some of the columns: its transformed pixels, a term of the filter down at a time,
 * are multiplied with the transformed kernel and summed for each point, then transformed back. All of it stays in the second
 * cache but for the kernel, which passes by. */
#include "winograd.h"

#include <string.h>

#include "activate.h"
#include "winograd_kernel.h"

enum {
  BLOCK = 56,     /* tiles */
  SUMS = 1 << 17, /* numbers that a block's sums may take: with more columns they are done in groups */
  PIECES = 16,    /* to share out, where there are enough panels */
  CHANNELS = 48,  /* summed before the sum is added to the result, about: errors grow with its root */
  MOST_HEIGHT = 16
};

typedef struct Run {
  const Gather *g;
  const Tile *tile;
  Tiles tiles;
  Kernel kernel;
  long blocks, groups, width; /* width: columns of the sums of a group */
  long plane, row;            /* of transformed pixels: from term to term, from tile to tile */
  real *memory;               /* of each thread */
  long room;
} Run;

/* What a thread works in. */
typedef struct Room {
  real *line, *pixels, *sums, *rows;
} Room;

static Room room_of(const Run *r) {
  Room room = {.line = r->memory + workers_self() * r->room};
  room.pixels = room.line + tiles_room(&r->tiles);
  room.sums = room.pixels + r->tiles.filter[1].terms * r->plane;
  room.rows = room.sums + POINTS * POINTS * BLOCK * r->width;
  return room;
}

static real *sums_at(const Run *r, const Room *room, int down, int across) {
  return room->sums + (down * POINTS + across) * BLOCK * r->width;
}

/* ---- products ---- */

/* One tile of a product, from row `first` of the block on: the sum over the terms across that have the point. */
static void multiply_tile(const Run *r, const Room *room, int point, long first, const real *b, int height, Finish *f) {
  const Filter *across = &r->tiles.filter[1];
  long c = r->tiles.channels, chunks = (c + CHANNELS / 2) / CHANNELS;
  const real *a[MOST_HEIGHT];
  if (!chunks) chunks = 1;
  for (int x = 0; x < across->terms; x++) {
    if (across->term[x].point != point) continue;
    const real *pixels = room->pixels + x * r->plane + first * r->row;
    for (long chunk = 0; chunk < chunks; chunk++) {
      long from = chunk * c / chunks, depth = (chunk + 1) * c / chunks - from;
      for (int i = 0; i < height; i++) a[i] = pixels + i * r->row + from;
      r->tile->gather(height, a, 1, depth, b, r->kernel.width, f);
      b += depth * r->kernel.width;
      f->add = true;
    }
  }
}

static void multiply(const Run *r, const Room *room, long tiles, long group, int term, int point, bool add) {
  long count = (tiles + r->tile->height - 1) / r->tile->height, panels = r->kernel.panels;
  long first = group * panels / r->groups, last = (group + 1) * panels / r->groups;
  real *sums = sums_at(r, room, r->tiles.filter[0].term[term].point, point), *out[MOST_HEIGHT];
  for (long panel = first; panel < last; panel++, sums += r->kernel.width) {
    const real *b = kernel_panel(&r->kernel, r->tiles.filter, term, point, panel);
    for (long i = 0; i < count; i++) {
      long from = i * tiles / count;
      int height = (int)((i + 1) * tiles / count - from);
      for (int j = 0; j < height; j++) out[j] = sums + (from + j) * r->width;
      multiply_tile(r, room, point, from, b, height, &(Finish){r->kernel.width, add, NULL, out});
    }
  }
}

/* ---- back ---- */

static void add_bias(const real *bias, real *out, long n) {
  for (long i = 0; i < n; i++) out[i] += bias[i];
}

/* Writes pixel `across` of each tile of a span, of the line that `rows` hold for each point. */
static void put_pixels(const Run *r, const Span *s, long y, int across, const real *rows, long column, long columns) {
  const Gather *g = r->g;
  const Mix *m = &winograd_output[r->tiles.filter[1].longest - 1][across];
  long x = s->x * OUTPUTS + across, tiles = s->tiles, step = OUTPUTS * g->out_step[1] * g->columns;
  if (x + (tiles - 1) * OUTPUTS >= g->grid[1]) tiles--;
  real *out =
      g->out +
      ((s->n * g->out_size[0] + g->out_first[0] + y * g->out_step[0]) * g->out_size[1] + g->out_first[1] + x * g->out_step[1]) *
          g->columns +
      column;
  Rows all = {out, {0}, step, r->width, tiles, columns};
  for (int i = 0; i < 3; i++) all.from[i] = rows + m->from[i] * BLOCK * r->width;
  mix_rows(m->how, &all);
  for (long t = 0; t < tiles; t++, out += step) {
    if (g->bias) add_bias(g->bias + column, out, columns);
    if (g->then.kind) activate(out, columns, g->then);
  }
}

static void put_block(const Run *r, const Room *room, long from, long to, long group) {
  const Filter *f = r->tiles.filter;
  long column = group * r->kernel.panels / r->groups * r->kernel.width, columns = r->g->columns - column;
  long until = (group + 1) * r->kernel.panels / r->groups * r->kernel.width;
  if (columns > until - column) columns = until - column;
  for (long tile = from; tile < to;) {
    Span s = tiles_span(&r->tiles, tile, to);
    for (int down = 0; down < OUTPUTS && s.y * OUTPUTS + down < r->g->grid[0]; down++) {
      const Mix *m = &winograd_output[f[0].longest - 1][down];
      for (int point = 0; point < POINTS; point++) {
        const real *sum[3];
        if (!filter_has(&f[1], point)) continue;
        for (int i = 0; i < 3; i++) sum[i] = sums_at(r, room, m->from[i], point) + (tile - from) * r->width;
        mix_row(m->how, room->rows + point * BLOCK * r->width, sum[0], sum[1], sum[2], s.tiles * r->width);
      }
      for (int across = 0; across < OUTPUTS; across++) put_pixels(r, &s, s.y * OUTPUTS + down, across, room->rows, column, columns);
    }
    tile += s.tiles;
  }
}

/* ---- all ---- */

static void run_piece(const Run *r, long block, long group) {
  const Filter *f = r->tiles.filter;
  Room room = room_of(r);
  long all = r->tiles.n * r->tiles.count[0] * r->tiles.count[1], from = block * all / r->blocks, to = (block + 1) * all / r->blocks;
  const Place place = {room.pixels, r->tiles.channels, r->plane, 0, r->row};
  bool begun[POINTS] = {false};
  for (int y = 0; y < f[0].terms; y++) {
    int down = f[0].term[y].point;
    tiles_transform(&r->tiles, from, to, y, room.line, &place);
    for (int point = 0; point < POINTS; point++)
      if (filter_has(&f[1], point)) multiply(r, &room, to - from, group, y, point, begun[down]);
    begun[down] = true;
  }
  put_block(r, &room, from, to, group);
}

typedef struct Runs {
  int n;
  bool together; /* block by block, since all read the same pixels; else one run after the other, since kernels are larger */
  Run run[WINOGRAD_MOST];
} Runs;

static void run_pieces(void *job, long from, long to) {
  const Runs *all = job;
  long blocks = all->run[0].blocks, each = blocks * all->run[0].groups;
  for (long piece = from; piece < to; piece++) {
    long run = all->together ? piece % all->n : piece / each, part = all->together ? piece / all->n : piece % each;
    run_piece(&all->run[run], part % blocks, part / blocks);
  }
}

static bool cut(Tiles *t, const Gather *g) {
  *t = (Tiles){.n = g->n, .channels = g->channels, .picture = g->picture};
  for (int i = 0; i < 2; i++) {
    t->size[i] = g->size[i], t->step[i] = g->step[i], t->first[i] = g->first[i];
    t->count[i] = (g->grid[i] + OUTPUTS - 1) / OUTPUTS;
    if (!filter_make(&t->filter[i], g->taps[i], g->tap_step[i], g->step[i])) return false;
  }
  return true;
}

/* Numbers of a tile's sums for one column. */
static long points(const Filter *f) {
  long count[2] = {0, 0};
  for (int i = 0; i < 2; i++)
    for (int point = 0; point < POINTS; point++) count[i] += filter_has(&f[i], point);
  return count[0] * count[1];
}

/* In multiplications of a channel with a column, what the whole takes; a number transformed costs as much as 9 or 13 of them, one
 * of the kernel 40 (measured). The sums written out multiply all taps. */
static bool pays(const Gather *g, const Tiles *t) {
  double terms = t->filter[0].terms * t->filter[1].terms, taps = (double)g->taps[0] * (double)g->taps[1];
  double tiles = (double)t->n * (double)t->count[0] * (double)t->count[1],
         rows = (double)g->n * (double)g->grid[0] * (double)g->grid[1];
  double tile = terms * (1 + 9 / (double)g->columns) + 13 * (double)points(t->filter) / (double)g->channels;
  return g->columns > MOST_HEIGHT && tiles * tile + 40 * (terms - taps) < 0.9 * rows * taps;
}

bool winograd_suits_gather(const Gather *g) {
  Tiles t;
  return g->channels && g->columns && cut(&t, g) && winograd_is_wanted(pays(g, &t));
}

static bool prepare(Run *r, const Gather *g) {
  *r = (Run){.g = g, .tile = tile_best(), .row = g->channels + 16};
  if (!r->tile || !cut(&r->tiles, g) || !kernel_make(&r->kernel, g, r->tiles.filter)) return false;
  long tiles = g->n * r->tiles.count[0] * r->tiles.count[1], columns = r->kernel.panels * r->kernel.width;
  r->blocks = (tiles + BLOCK - 1) / BLOCK;
  r->groups = (points(r->tiles.filter) * BLOCK * columns + SUMS - 1) / SUMS;
  r->plane = BLOCK * r->row;
  return true;
}

/* Makes all runs have the same pieces, enough to share them out, and one room for each thread. */
static void share(Runs *all) {
  long blocks = 0, groups = 0, room = 0, panels = all->run[0].kernel.panels;
  for (int i = 0; i < all->n; i++) {
    const Run *r = &all->run[i];
    if (r->blocks > blocks) blocks = r->blocks;
    if (r->groups > groups) groups = r->groups;
  }
  if (groups * blocks * all->n < PIECES) groups = (PIECES + blocks * all->n - 1) / (blocks * all->n);
  if (groups > panels) groups = panels;
  for (int i = 0; i < all->n; i++) {
    Run *r = &all->run[i];
    r->blocks = blocks, r->groups = groups;
    r->width = (panels + groups - 1) / groups * r->kernel.width;
    long wants = tiles_room(&r->tiles) + r->tiles.filter[1].terms * r->plane + POINTS * (POINTS + 1) * BLOCK * r->width;
    if (wants > room) room = wants;
  }
  for (int i = 0; i < all->n; i++) all->run[i].room = room;
  const Tiles *t = &all->run[0].tiles;
  all->together = t->n * t->size[0] * t->size[1] * t->channels > tensor_numel(all->run[0].kernel.memory) * all->n;
}

bool winograd_gather(const Gather *g, int n) {
  Runs all = {.n = n};
  int ready = 0;
  Tensor *memory = NULL;
  while (ready < n && prepare(&all.run[ready], &g[ready])) ready++;
  if (n && ready == n) {
    share(&all);
    memory = tensor_new(2, (long[]){workers_count(), all.run[0].room});
  }
  if (memory) {
    long pieces = n * all.run[0].blocks * all.run[0].groups;
    for (int i = 0; i < n; i++) all.run[i].memory = memory->data;
    workers_for(pieces, all.together && pieces >= PIECES * n ? n : 1, run_pieces, &all);
  }
  tensor_drop(memory);
  for (int i = 0; i < ready; i++) kernel_drop(&all.run[i].kernel);
  return !n || memory;
}
