/* A piece of work is a block of tiles times some of the columns: its transformed pixels, a term of the filter down at a time,
 * are multiplied with the transformed kernel and summed for each point, then transformed back. All of it stays in the second
 * cache but for the kernel, which passes by. */
#include "winograd.h"

#include <string.h>

#include "activate.h"
#include "winograd_kernel.h"

enum {
  BLOCK = 56,     /* tiles */
  SUMS = 1 << 18, /* numbers that a block's sums may take: with more columns they are done in groups */
  PIECES = 8,     /* to share out, where there are enough panels */
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
  bool gaps;                  /* there are terms that some tiles do not use */
  real *memory;               /* of each thread */
  long room;
} Run;

/* What a thread works in. */
typedef struct Room {
  real *line, *pixels, *sums, *rows;
} Room;

static Room room_of(const Run *r) {
  Room room = {.line = r->memory + workers_self() * r->room};
  room.pixels = room.line + tiles_room(&r->tiles, BLOCK);
  room.sums = room.pixels + r->tiles.filter[1].terms * r->plane;
  room.rows = room.sums + POINTS * POINTS * BLOCK * r->width;
  return room;
}

static real *sums_at(const Run *r, const Room *room, int down, int across) {
  return room->sums + (down * POINTS + across) * BLOCK * r->width;
}

/* ---- products ---- */

/* Tiles of a block, counted from its first. */
typedef struct List {
  int n, tile[BLOCK];
} List;

/* For each term across, those in which it and a term down are used. */
static void list_tiles(const Tiles *t, long from, long to, int y, List *lists) {
  for (int x = 0; x < t->filter[1].terms; x++) lists[x].n = 0;
  for (long tile = from; tile < to;) {
    Span s = tiles_span(t, tile, to);
    bool used = s.y >= t->from[0][y] && s.y < t->to[0][y];
    for (int x = 0; x < t->filter[1].terms && used; x++) {
      long first = s.x < t->from[1][x] ? t->from[1][x] : s.x, last = s.x + s.tiles < t->to[1][x] ? s.x + s.tiles : t->to[1][x];
      for (long i = first; i < last; i++) lists[x].tile[lists[x].n++] = (int)(tile + i - s.x - from);
    }
    tile += s.tiles;
  }
}

/* Sets or adds to some tiles' sums of one panel: products of a term across, whose pixels begin at `pixels`. */
static void multiply_tiles(const Run *r, const real *pixels, const int *tile, int height, const real *b, real *sums, bool add) {
  long c = r->tiles.channels, chunks = (c + CHANNELS - 1) / CHANNELS;
  const real *a[MOST_HEIGHT];
  real *out[MOST_HEIGHT];
  for (int i = 0; i < height; i++) out[i] = sums + tile[i] * r->width;
  for (long chunk = 0; chunk < chunks; chunk++, add = true) {
    long from = chunk * c / chunks, depth = (chunk + 1) * c / chunks - from;
    for (int i = 0; i < height; i++) a[i] = pixels + tile[i] * r->row + from;
    r->tile->gather(height, a, 1, depth, b + from * r->kernel.width, r->kernel.width, &(Finish){r->kernel.width, add, NULL, out});
  }
}

/* All terms across with a point; lists are those of all terms across. */
static void multiply(const Run *r, const Room *room, const List *lists, long group, int y, int point, bool add) {
  const Filter *f = r->tiles.filter;
  long first = group * r->kernel.panels / r->groups, last = (group + 1) * r->kernel.panels / r->groups;
  real *sums = sums_at(r, room, f[0].term[y].point, point);
  for (long panel = first; panel < last; panel++, sums += r->kernel.width) {
    const real *b = kernel_panel(&r->kernel, f, y, point, panel);
    bool more = add;
    for (int x = 0; x < f[1].terms; x++) {
      const List *list = &lists[x];
      int count = (list->n + r->tile->height - 1) / r->tile->height;
      if (f[1].term[x].point != point) continue;
      for (int i = 0; i < count; i++) {
        int from = i * list->n / count, height = (i + 1) * list->n / count - from;
        multiply_tiles(r, room->pixels + x * r->plane, list->tile + from, height, b, sums, more);
      }
      b += r->kernel.channels * r->kernel.width;
      more = true;
    }
  }
}

/* ---- back ---- */

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
    if (g->bias) mix_row(ADD, out, out, g->bias + column, NULL, columns);
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
  const Tiles *t = &r->tiles;
  Room room = room_of(r);
  long all = t->n * t->count[0] * t->count[1], from = block * all / r->blocks, to = (block + 1) * all / r->blocks;
  const Place place = {room.pixels, t->channels, r->plane, 0, r->row};
  bool begun[POINTS] = {r->gaps, r->gaps, r->gaps, r->gaps};
  List lists[MOST_TERMS];
  if (r->gaps) memset(room.sums, 0, (size_t)(POINTS * POINTS * BLOCK * r->width) * sizeof(real));
  for (int y = 0; y < t->filter[0].terms; y++) {
    int down = t->filter[0].term[y].point;
    tiles_transform(t, from, to, y, room.line, &place);
    if (r->gaps || !y) list_tiles(t, from, to, y, lists);
    for (int point = 0; point < POINTS; point++)
      if (filter_has(&t->filter[1], point)) multiply(r, &room, lists, group, y, point, begun[down]);
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
    if (!filter_make(&t->filter[i], g->taps[i], g->tap_step[i], g->step[i])) return false;
  }
  tiles_cut(t, g->grid);
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
  double tiles = (double)t->count[0] * (double)t->count[1], direct = (double)g->grid[0] * (double)g->grid[1] * taps;
  double picture =
      (double)tiles_products(t) + tiles * (9 * terms / (double)g->columns + 13 * (double)points(t->filter) / (double)g->channels);
  return g->columns > MOST_HEIGHT && (double)g->n * picture + 40 * (terms - taps) < 0.9 * (double)g->n * direct;
}

bool winograd_suits_gather(const Gather *g) {
  Tiles t;
  if (!g->channels || !g->columns || !winograd_is_wanted(g->taps[0] * g->taps[1] > 1) || !cut(&t, g)) return false;
  return winograd_is_wanted(pays(g, &t));
}

static bool prepare(Run *r, const Gather *g) {
  *r = (Run){.g = g, .tile = tile_best(), .row = g->channels + 16};
  if (!r->tile || !cut(&r->tiles, g) || !kernel_make(&r->kernel, g, r->tiles.filter)) return false;
  const Tiles *t = &r->tiles;
  long tiles = g->n * t->count[0] * t->count[1], columns = r->kernel.panels * r->kernel.width;
  r->blocks = (tiles + BLOCK - 1) / BLOCK;
  r->groups = (points(t->filter) * BLOCK * columns + SUMS - 1) / SUMS;
  r->plane = BLOCK * r->row;
  r->gaps = tiles_products(t) < t->filter[0].terms * t->filter[1].terms * t->count[0] * t->count[1];
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
    long wants = tiles_room(&r->tiles, BLOCK) + r->tiles.filter[1].terms * r->plane + POINTS * (POINTS + 1) * BLOCK * r->width;
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
