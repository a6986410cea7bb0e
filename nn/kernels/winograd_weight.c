/* The weight's gradient: for each term of the transformed image and each channel, the sum over the tiles of its product with
 * the map's channels at the term's point (the map transformed by the derivative of the output's transform), at the end
 * transformed by the derivative of the kernel's transform. Tiles are taken in rounds, whose transformed pixels of one term down
 * stay in the second cache of the thread that also multiplies them. */
#include "tile.h"
#include "winograd.h"

enum {
  ROOM = 1 << 17, /* numbers of a round's pixels of one term down, about */
  FEWEST = 128,   /* tiles of a round */
  MOST = 1024,
  SUMMED = 128, /* tiles, before their sum is added to the result: errors grow with its root */
  BLOCK = 32,   /* tiles transformed at a time */
  TILES = 5,    /* tiles of a piece of a product, one below the other */
  CHUNK = 1024  /* numbers of the result transformed at a time */
};

typedef struct Sums {
  const Conv *v;
  const Tile *tile;
  Tiles image, map;
  real *results, *sums, *rooms;       /* results: the map of a round, transformed; rooms: of each thread */
  long round, from, to;               /* tiles in all rounds but the last; those of this one */
  long pixel_row, result_plane, room; /* results are packed into panels as wide as a tile */
  long pixels;                        /* of a term down: behind them in a room is what their transform works in */
  bool whole;                         /* rounds are of whole pictures */
  real *weight;
} Sums;

static long all_tiles(const Tiles *t) {
  return t->n * t->count[0] * t->count[1];
}

static long terms(const Filter *f) {
  return (long)f[0].terms * f[1].terms;
}

/* ---- transforms ---- */

/* Terms first..end down of tiles from..to; place: of the first term and the round's first tile. */
static void transform(const Sums *s, const Tiles *t, long from, long to, int first, int end, real *room, Place place) {
  place.to += (from - s->from) * place.row;
  for (int y = first; y < end; y++, place.to += t->filter[1].terms * place.plane) tiles_transform(t, from, to, y, room, &place);
}

static real *room_of(const Sums *s) {
  return s->rooms + workers_self() * s->room;
}

static void transform_map(void *job, long from, long to) {
  const Sums *s = job;
  const Place place = {s->results, s->tile->width, s->result_plane, s->round * s->tile->width, s->tile->width};
  for (long block = from; block < to; block++) {
    const long first = s->from + block * BLOCK, last = first + BLOCK < s->to ? first + BLOCK : s->to;
    transform(s, &s->map, first, last, 0, s->map.filter[0].terms, room_of(s), place);
  }
}

/* A term down of the image, all terms across. */
static void transform_image(const Sums *s, int y, real *pixels) {
  const Place place = {pixels, s->v->c, s->round * s->pixel_row, 0, s->pixel_row};
  for (long from = s->from; from < s->to; from += BLOCK)
    transform(s, &s->image, from, from + BLOCK < s->to ? from + BLOCK : s->to, y, y + 1, pixels + s->pixels, place);
}

/* ---- products ---- */

/* The tiles of a round that a term is used in, down and across: of each of n pictures, or of one run of all tiles. */
typedef struct Used {
  long n, from[2], count[2], line, picture; /* tiles of a line and of a picture */
} Used;

static Used used(const Sums *s, int y, int x) {
  const Tiles *t = &s->image;
  long picture = t->count[0] * t->count[1], all = s->to - s->from;
  if (!s->whole) return (Used){1, {0, 0}, {all, 1}, 1, all};
  return (Used){all / picture,
                {t->from[0][y], t->from[1][x]},
                {t->to[0][y] - t->from[0][y], t->to[1][x] - t->from[1][x]},
                t->count[1],
                picture};
}

/* A piece of the sums: of a term, which is term `across` of those transformed and `point` of the map, rows of tiles from..to of
 * `tiles`. */
typedef struct Piece {
  long term, across, point, from, to, tiles;
} Piece;

/* Sets the piece's rows of a panel to the sums over a walk that begins at tile `first` of the round, or adds them. */
static void multiply_walk(const Sums *s, const Piece *p, const real *pixels, long panel, long first, const Walk *walk, bool add) {
  long c = s->v->c, k = s->v->k, width = s->tile->width, column = panel * width;
  const real *a = pixels + (p->across * s->round + first) * s->pixel_row;
  const real *b = s->results + p->point * s->result_plane + (panel * s->round + first) * width;
  for (long i = p->from; i < p->to; i++) {
    long row = i * c / p->tiles;
    int height = (int)((i + 1) * c / p->tiles - row), columns = (int)(k - column < width ? k - column : width);
    real *out[MOST_HEIGHT];
    for (int r = 0; r < height; r++) out[r] = s->sums + (p->term * c + row + r) * k + column;
    s->tile->outer(height, a + row, b, walk, &(Finish){.columns = columns, .add = add, .out = out});
  }
}

/* A part of the tiles at a time, which stay in the first cache while the rows pass by. */
static void multiply(const Sums *s, const Piece *p, const Used *u, const real *pixels, long panel) {
  long each = u->count[0] * u->count[1], pictures = each && each < SUMMED ? SUMMED / each : 1, rows = s->pixel_row;
  long lines = pictures > 1 || !each ? u->count[0] : (SUMMED + u->count[1] - 1) / u->count[1], width = s->tile->width;
  bool add = s->from > 0;
  for (long n = 0; n < u->n; n += pictures)
    for (long y = 0; !y || y < u->count[0]; y += lines ? lines : 1, add = true) {
      long count = u->count[0] - y < lines ? u->count[0] - y : lines;
      Walk walk = {{u->n - n < pictures ? u->n - n : pictures, count, u->count[1]},
                   {u->picture * rows, u->line * rows, rows},
                   {u->picture * width, u->line * width, width}};
      walk_collapse(&walk);
      multiply_walk(s, p, pixels, panel, n * u->picture + (u->from[0] + y) * u->line + u->from[1], &walk, add);
    }
}

/* Which of the map's terms is a point. */
static long place(const Filter *f, int point) {
  long i = 0;
  while (f->term[i].point != point) i++;
  return i;
}

/* Terms first..end across of term y down. */
static void multiply_terms(const Sums *s, int y, int first, int end) {
  const Filter *f = s->image.filter;
  const long tiles = (s->v->c + s->tile->height - 1) / s->tile->height, down = place(&s->map.filter[0], f[0].term[y].point);
  real *pixels = room_of(s);
  if (first < end) transform_image(s, y, pixels);
  for (int x = first; x < end; x++) {
    const long point = down * s->map.filter[1].terms + place(&s->map.filter[1], f[1].term[x].point);
    const Used u = used(s, y, x);
    for (long from = 0; from < tiles; from += TILES) {
      const Piece p = {y * f[1].terms + x, x, point, from, from + TILES < tiles ? from + TILES : tiles, tiles};
      for (long panel = 0; panel * s->tile->width < s->v->k; panel++) multiply(s, &p, &u, pixels, panel);
    }
  }
}

/* A piece of work is a term down; where the last of them are fewer than threads, each thread has some of their terms across. */
static void multiply_pieces(void *job, long from, long to) {
  const Sums *s = job;
  const long threads = workers_count(), down = s->image.filter[0].terms, across = s->image.filter[1].terms;
  const long whole = down / threads, pieces = whole + down % threads; /* of a thread */
  for (long piece = from; piece < to; piece++) {
    const long part = piece / pieces, i = piece % pieces;
    if (i < whole)
      multiply_terms(s, (int)(part * whole + i), 0, (int)across);
    else
      multiply_terms(s, (int)(threads * whole + i - whole), (int)(part * across / threads), (int)((part + 1) * across / threads));
  }
}

/* ---- the end ---- */

/* One of a part's taps from its points: sums of the part's first term stand at `from`, the next `step` numbers on. */
static void mix_points(const Part *p, int tap, const real *from, long step, real *to, long n) {
  const Mix *m = &winograd_kernel_back[p->kind][tap];
  const real *row[3];
  for (int i = 0; i < 3; i++) row[i] = from + (p->term + part_rank(p, m->from[i])) * step;
  mix_row(m->how, to, row[0], row[1], row[2], n);
}

static void finish_chunk(const Sums *s, long from, long n, real *mixed) {
  const Filter *down = &s->image.filter[0], *across = &s->image.filter[1];
  long size = s->v->c * s->v->k;
  for (int y = 0; y < down->parts; y++)
    for (int i = 0; i < down->part[y].taps; i++) {
      long u = down->part[y].tap + i * down->every;
      for (int term = 0; term < across->terms; term++)
        mix_points(&down->part[y], i, s->sums + term * size + from, across->terms * size, mixed + term * CHUNK, n);
      for (int x = 0; x < across->parts; x++)
        for (int j = 0; j < across->part[x].taps; j++) {
          long v = across->part[x].tap + j * across->every;
          mix_points(&across->part[x], j, mixed, CHUNK, s->weight + (u * s->v->kernel[1] + v) * size + from, n);
        }
    }
}

static void finish(void *job, long from, long to) {
  const Sums *s = job;
  finish_chunk(s, from, to - from, room_of(s));
}

/* ---- all ---- */

static bool cut(const Conv *v, Tiles *image, Tiles *map) {
  *image = (Tiles){.n = v->n, .channels = v->c};
  *map = (Tiles){.n = v->n, .channels = v->k};
  for (int i = 0; i < 2; i++)
    image->size[i] = v->image[i], image->step[i] = v->stride[i], image->first[i] = -v->padding[i], image->grid[i] = v->map[i];
  if (!tiles_cut(image, v->kernel, v->dilation)) return false;
  tiles_cut_map(map, image);
  return true;
}

/* Products of the sums written out: for each tap, of the map's pixels from which it reaches the image. */
static double direct_products(const Conv *v) {
  double products = 1;
  for (int i = 0; i < 2; i++) {
    long inside = 0;
    for (long tap = 0; tap < v->kernel[i]; tap++)
      for (long y = 0; y < v->map[i]; y++) {
        long at = y * v->stride[i] - v->padding[i] + tap * v->dilation[i];
        inside += at >= 0 && at < v->image[i];
      }
    products *= (double)inside;
  }
  return products * (double)v->n;
}

/* As pays() in winograd.c: a number transformed costs as much as 15 products, one of the result 10. */
static bool pays(const Conv *v, const Tiles *image, const Tiles *map) {
  double products = (double)terms(image->filter), results = (double)terms(map->filter);
  double tile = 15 * products / (double)v->k + 15 * results / (double)v->c;
  double all = (double)v->n * (double)tiles_products(image) + (double)all_tiles(image) * tile + 10 * products;
  return v->c > MOST_HEIGHT && v->k > MOST_HEIGHT && all < 0.85 * direct_products(v);
}

bool winograd_suits_weight(const Conv *v) {
  Tiles image, map;
  if (!winograd_is_wanted(v->kernel[0] * v->kernel[1] > 1) || !cut(v, &image, &map)) return false;
  return winograd_is_wanted(pays(v, &image, &map));
}

static void run(Sums *s) {
  const long all = all_tiles(&s->image), down = s->image.filter[0].terms, threads = workers_count();
  for (s->from = 0; s->from < all; s->from = s->to) {
    s->to = s->from + s->round < all ? s->from + s->round : all;
    workers_for((s->to - s->from + BLOCK - 1) / BLOCK, 1, transform_map, s);
    workers_for(threads * (down / threads + down % threads), 1, multiply_pieces, s);
  }
  workers_for(s->v->c * s->v->k, CHUNK, finish, s);
}

/* Tiles of a round, of so many numbers each: of whole pictures, unless those are large. */
static long round_of(long numbers, const Tiles *t) {
  long round = ROOM / numbers, all = all_tiles(t), picture = t->count[0] * t->count[1];
  if (round < FEWEST) round = FEWEST;
  if (round > MOST) round = MOST;
  if (picture <= MOST) round = round < picture ? picture : round / picture * picture;
  return round < all ? round : all;
}

static long larger(long a, long b) {
  return a > b ? a : b;
}

bool winograd_weight(const Conv *v, const real *image, const real *map, real *weight) {
  Sums s = {.v = v, .tile = tile_best(), .pixel_row = v->c + 16, .weight = weight};
  if (!s.tile || !cut(v, &s.image, &s.map)) return false;
  s.image.picture = image, s.map.picture = map;
  long columns = (v->k + s.tile->width - 1) / s.tile->width * s.tile->width;
  long pixels = s.image.filter[1].terms * s.pixel_row, results = terms(s.map.filter) * columns;
  s.round = round_of(pixels, &s.image);
  s.whole = s.image.count[0] * s.image.count[1] <= MOST;
  if (!s.whole) tiles_use_all(&s.image), tiles_use_all(&s.map);
  s.result_plane = s.round * columns;
  s.pixels = s.round * pixels;
  const long work = s.pixels + tiles_room(&s.image, BLOCK);
  s.room = larger(MOST_TERMS * CHUNK, larger(work, tiles_room(&s.map, BLOCK)));
  Tensor *memory[3] = {tensor_new(2, (long[]){s.round, results}), tensor_new(2, (long[]){terms(s.image.filter), v->c * v->k}),
                       tensor_new(2, (long[]){workers_count(), s.room})};
  bool ok = memory[0] && memory[1] && memory[2];
  if (ok) {
    s.results = memory[0]->data, s.sums = memory[1]->data, s.rooms = memory[2]->data;
    run(&s);
  }
  for (int i = 0; i < 3; i++) tensor_drop(memory[i]);
  return ok;
}
