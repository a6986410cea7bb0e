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
  CHANNELS = 64,  /* summed before the sum is added to the result, at most: errors grow with its root and that of how often */
  FEWER = 24      /* where there are few of them, or three taps, whose products are larger */
};

typedef struct Run {
  const Gather *g;
  const Tile *tile;
  Tiles tiles;
  Kernel kernel;
  long blocks, groups, width; /* width: columns of the sums of a group */
  long span;                  /* channels that are summed at once */
  long plane, row;            /* of transformed pixels: from term to term, from tile to tile */
  long numbers;               /* of transformed pixels */
  real *memory;               /* of each thread */
  long room;
} Run;

/* What a thread works in. */
typedef struct Room {
  real *line, *pixels, *sums;
} Room;

/* From point to point: not a multiple of the page, whose lines would take the same place in the cache. */
static long sums_plane(const Run *r) {
  return BLOCK * r->width + 32;
}

static long sums_numbers(const Run *r) {
  return POINTS * POINTS * sums_plane(r);
}

static Room room_of(const Run *r) {
  Room room = {.line = r->memory + workers_self() * r->room};
  room.pixels = room.line + tiles_room(&r->tiles, BLOCK);
  room.sums = room.pixels + r->numbers;
  return room;
}

static real *sums_at(const Run *r, const Room *room, int down, int across) {
  return room->sums + (down * POINTS + across) * sums_plane(r);
}

/* ---- products ---- */

/* Tiles of a block, counted from its first, and where their pixels are. */
typedef struct List {
  int n, tile[BLOCK];
  const real *pixels[BLOCK];
} List;

/* For each term across, those in which it and a term down are used. */
static void list_tiles(const Run *r, const Room *room, long from, long to, int y, List *lists) {
  const Tiles *t = &r->tiles;
  for (int x = 0; x < t->filter[1].terms; x++) lists[x].n = 0;
  for (long tile = from; tile < to;) {
    Span s = tiles_span(t, tile, to);
    bool used = s.y >= t->from[0][y] && s.y < t->to[0][y];
    for (int x = 0; x < t->filter[1].terms && used; x++) {
      long first = s.x < t->from[1][x] ? t->from[1][x] : s.x, last = s.x + s.tiles < t->to[1][x] ? s.x + s.tiles : t->to[1][x];
      for (long i = first; i < last; i++) {
        List *list = &lists[x];
        list->tile[list->n] = (int)(tile + i - s.x - from);
        list->pixels[list->n] = room->pixels + x * r->plane + list->tile[list->n] * r->row;
        list->n++;
      }
    }
    tile += s.tiles;
  }
}

/* Sets or adds to the sums of one panel tile i of n of lists of the same tiles: products of so many terms across. */
static void multiply_tile(const Run *r, const List *const *list, int terms, int i, int n, const real *b, real *sums, bool add) {
  const long c = r->tiles.channels, width = r->kernel.width;
  const int first = i * list[0]->n / n, height = (i + 1) * list[0]->n / n - first;
  const real *a[MOST_TERMS * MOST_HEIGHT];
  real *out[MOST_HEIGHT];
  for (int t = 0; t < height; t++) out[t] = sums + list[0]->tile[first + t] * r->width;
  for (int x = 0; x < terms; x++)
    for (int t = 0; t < height; t++) a[x * height + t] = list[x]->pixels[first + t];
  const real *next = b + terms * c * width; /* of the kernel, from a cache further away */
  const Finish f = {.columns = (int)width, .add = add, .out = out, .span = r->span, .next = next + i * terms * c * width / n};
  r->tile->gather(height, a, terms, c, b, width, &f);
}

static bool same_tiles(const List *a, const List *b) {
  return a->n == b->n && !memcmp(a->tile, b->tile, (size_t)a->n * sizeof *a->tile);
}

/* All terms across with a point; lists are those of all terms across. */
static void multiply(const Run *r, const Room *room, const List *lists, long group, int y, int point, bool add) {
  const Filter *f = r->tiles.filter;
  const long first = group * r->kernel.panels / r->groups, last = (group + 1) * r->kernel.panels / r->groups;
  real *sums = sums_at(r, room, f[0].term[y].point, point);
  const List *list[MOST_TERMS];
  int n = 0;
  for (int x = 0; x < f[1].terms; x++)
    if (f[1].term[x].point == point) list[n++] = &lists[x];
  for (long panel = first; panel < last; panel++, sums += r->kernel.width) {
    const real *b = kernel_panel(&r->kernel, f, y, point, panel);
    for (int x = 0, alike; x < n; x += alike) {
      for (alike = 1; x + alike < n && same_tiles(list[x], list[x + alike]);) alike++;
      const int count = (list[x]->n + r->tile->height - 1) / r->tile->height;
      for (int i = 0; i < count; i++) multiply_tile(r, list + x, alike, i, count, b, sums, add || x);
      b += alike * r->kernel.channels * r->kernel.width;
    }
  }
}

/* ---- back ---- */

/* Sets the results of n tiles of a line, which have as many each, from column `column` on. */
static void put_tiles(const Run *r, const Span *s, long n, const real *sums, long column, long columns) {
  const Gather *g = r->g;
  const Tiles *t = &r->tiles;
  const long first[2] = {tiles_outside(t, 0, s->y), tiles_outside(t, 1, s->x)};
  long y = g->out_first[0] + (tiles_result(t, 0, s->y) + first[0]) * g->out_step[0], line = g->out_size[1] * g->columns;
  long x = g->out_first[1] + (tiles_result(t, 1, s->x) + first[1]) * g->out_step[1], pixel = g->out_step[1] * g->columns;
  OutputTiles all = {.to = g->out + (s->n * g->out_size[0] + y) * line + x * g->columns + column,
                     .from = sums,
                     .bias = g->bias ? g->bias + column : NULL,
                     .down = POINTS * sums_plane(r),
                     .across = sums_plane(r),
                     .line = g->out_step[0] * line,
                     .pixel = pixel,
                     .from_step = r->width,
                     .tiles = n,
                     .n = columns,
                     .first = {first[0], first[1]},
                     .results = {tiles_results(t, 0, s->y), tiles_results(t, 1, s->x)}};
  all.to_step = all.results[1] * pixel;
  mix_output(t->filter[0].kind, t->filter[1].kind, &all);
  for (long i = 0; i < all.results[0] && g->then.kind; i++)
    for (long j = 0; j < n * all.results[1]; j++) activate(all.to + i * all.line + j * pixel, columns, g->then);
}

static void put_block(const Run *r, const Room *room, long from, long to, long group) {
  long column = group * r->kernel.panels / r->groups * r->kernel.width, columns = r->g->columns - column;
  long until = (group + 1) * r->kernel.panels / r->groups * r->kernel.width;
  if (columns > until - column) columns = until - column;
  for (long tile = from, n; tile < to; tile += n) {
    Span s = tiles_span(&r->tiles, tile, to);
    n = tiles_alike(&r->tiles, 1, s.x, s.tiles);
    put_tiles(r, &s, n, room->sums + (tile - from) * r->width, column, columns);
  }
}

/* The products of one term down; those of all terms across that have the same point are summed. */
static void multiply_line(const Run *r, const Room *room, const List *lists, long group, int y, bool *begun) {
  int down = r->tiles.filter[0].term[y].point;
  for (int point = 0; point < POINTS; point++)
    if (filter_has(&r->tiles.filter[1], point)) multiply(r, room, lists, group, y, point, begun[down]);
  begun[down] = true;
}

static void begin(const Run *r, const Room *room, bool *begun) {
  for (int point = 0; point < POINTS; point++) begun[point] = r->tiles.gaps;
  if (r->tiles.gaps) memset(room->sums, 0, (size_t)sums_numbers(r) * sizeof(real));
}

static void run_piece(const Run *r, long from, long to, long group) {
  Room room = room_of(r);
  const Place place = {room.pixels, r->tiles.channels, r->plane, 0, r->row};
  bool begun[POINTS];
  List lists[MOST_TERMS];
  begin(r, &room, begun);
  for (int y = 0; y < r->tiles.filter[0].terms; y++) {
    tiles_transform(&r->tiles, from, to, y, room.line, &place);
    list_tiles(r, &room, from, to, y, lists);
    multiply_line(r, &room, lists, group, y, begun);
  }
  put_block(r, &room, from, to, group);
}

/* ---- all ---- */

typedef struct Runs {
  int n;
  bool together; /* block by block, since all read the same pixels; else one run after the other, since kernels are larger */
  Run run[WINOGRAD_MOST];
} Runs;

static void run_pieces(void *job, long first, long last) {
  const Runs *all = job;
  long blocks = all->run[0].blocks, parts = blocks * all->run[0].groups;
  for (long piece = first; piece < last; piece++) {
    const Run *r = &all->run[all->together ? piece % all->n : piece / parts];
    long part = all->together ? piece / all->n : piece % parts, tiles = r->tiles.n * r->tiles.count[0] * r->tiles.count[1];
    run_piece(r, part % blocks * tiles / blocks, (part % blocks + 1) * tiles / blocks, part / blocks);
  }
}

static bool cut(Tiles *t, const Gather *g) {
  *t = (Tiles){.n = g->n, .channels = g->channels, .picture = g->picture};
  for (int i = 0; i < 2; i++) {
    t->size[i] = g->size[i], t->step[i] = g->step[i], t->first[i] = g->first[i], t->grid[i] = g->grid[i];
  }
  return tiles_cut(t, g->taps, g->tap_step);
}

/* Numbers of a tile's sums for one column. */
static long points(const Filter *f) {
  long count[2] = {0, 0};
  for (int i = 0; i < 2; i++)
    for (int point = 0; point < POINTS; point++) count[i] += filter_has(&f[i], point);
  return count[0] * count[1];
}

/* In multiplications of a channel with a column, what the whole takes; a number transformed costs as much as 9 or 13 of them
 * (measured). The sums written out multiply all taps. */
static bool pays(const Gather *g, const Tiles *t) {
  double terms = t->filter[0].terms * t->filter[1].terms, taps = (double)g->taps[0] * (double)g->taps[1];
  double tiles = (double)t->count[0] * (double)t->count[1], direct = (double)g->grid[0] * (double)g->grid[1] * taps;
  double picture =
      (double)tiles_products(t) + tiles * (9 * terms / (double)g->columns + 13 * (double)points(t->filter) / (double)g->channels);
  return g->columns > MOST_HEIGHT && (double)g->n * picture + KERNEL_COST * (terms - taps) < 0.9 * (double)g->n * direct;
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
  bool few = t->filter[0].parts * t->filter[1].parts == 1 && (t->filter[1].kind == F23 || g->channels <= CHANNELS);
  const long most = few ? FEWER : CHANNELS, chunks = (g->channels + most - 1) / most;
  r->span = (g->channels + chunks - 1) / chunks;
  r->blocks = (tiles + BLOCK - 1) / BLOCK;
  r->groups = (points(t->filter) * BLOCK * columns + SUMS - 1) / SUMS;
  r->plane = BLOCK * r->row;
  return true;
}

/* Makes all runs have the same pieces, enough to share them out, and one room for each thread. */
static void share(Runs *all) {
  const Tiles *t = &all->run[0].tiles;
  long blocks = 0, groups = 0, room = 0, panels = all->run[0].kernel.panels;
  all->together = t->n * t->size[0] * t->size[1] * t->channels > tensor_numel(all->run[0].kernel.memory) * all->n;
  for (int i = 0; i < all->n; i++) {
    const Run *r = &all->run[i];
    if (r->blocks > blocks) blocks = r->blocks;
    if (r->groups > groups) groups = r->groups;
  }
  long jobs = all->n * blocks;
  if (groups * jobs < PIECES) groups = (PIECES + jobs - 1) / jobs;
  if (groups > panels) groups = panels;
  if (blocks > 1) blocks += blocks * groups % 2; /* two threads end together */
  for (int i = 0; i < all->n; i++) {
    Run *r = &all->run[i];
    r->blocks = blocks, r->groups = groups;
    r->width = (panels + groups - 1) / groups * r->kernel.width;
    r->numbers = r->tiles.filter[1].terms * r->plane;
    long wants = tiles_room(&r->tiles, BLOCK) + r->numbers + sums_numbers(r);
    if (wants > room) room = wants;
  }
  for (int i = 0; i < all->n; i++) all->run[i].room = room;
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
