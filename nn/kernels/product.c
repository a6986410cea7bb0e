/* Sharing a product out into tiles. A piece of work is a block of tiles one below the other times some panels: the rows
 * of a block stay in the first cache while panel after panel passes by. */
#include "product.h"

#include <string.h>

#include "activate.h"
#include "turn.h"

enum {
  POINTERS = 4096, /* to runs, in a block */
  TILES = 8,       /* most of a block */
  MOST_WIDTH = 64,
  RUN = 2048,     /* numbers of a sum before it is added to the result: keeps panels in the second cache */
  TAPS = 256,     /* most in such a part: TAPS * MOST_HEIGHT pointers fit */
  LONG = 32,      /* a run that is worth summing in lanes */
  PIECES = 16,    /* to share out, where there are enough panels */
  SMALL = 1 << 19 /* multiplications that are not worth sharing */
};

/* ---- panels ---- */

static bool panels_shape(Panels *p, long depth, long columns, long run) {
  const Tile *tile = tile_best();
  if (!tile) return false;
  *p = (Panels){.depth = depth, .columns = columns, .width = columns <= DOT_COLUMNS && run >= LONG ? 1 : tile->width};
  p->step = p->width;
  p->panel_step = depth * p->width;
  return true;
}

bool panels_new(Panels *p, long depth, long columns, long run, int copies) {
  if (!panels_shape(p, depth, columns, run)) return false;
  p->memory = tensor_new(3, (long[]){copies, (columns + p->width - 1) / p->width, p->panel_step});
  if (!p->memory) return false;
  p->data = p->room = p->memory->data;
  return true;
}

bool panels_kept(Panels *p, long depth, long columns, long run, Storage *keep, const KeptKey *key, bool *fresh) {
  Tensor *kept = kept_find(keep, key);
  *fresh = !kept;
  if (*fresh) return panels_new(p, depth, columns, run, 1) && (kept_add(keep, key, p->memory) || (panels_drop(p), false));
  panels_shape(p, depth, columns, run);
  p->memory = kept;
  p->data = p->room = kept->data;
  return true;
}

Panels panels_at(const Panels *p, int copy) {
  Panels at = *p;
  at.data = at.room = p->room + copy * ((p->columns + p->width - 1) / p->width) * p->panel_step;
  return at;
}

void panels_drop(Panels *p) {
  tensor_drop(p->memory);
}

/* Rows that are contiguous in b. */
static void fill_rows(real *to, int width, long columns, long rows, const real *b, long row_step) {
  for (long i = 0; i < rows; i++, to += width, b += row_step) {
    memcpy(to, b, (size_t)columns * sizeof(real));
    for (long j = columns; j < width; j++) to[j] = 0;
  }
}

/* Columns that are contiguous in b. */
static void fill_columns(real *to, int width, long columns, long rows, const real *b, long column_step) {
  turn(columns, rows, b, column_step, to, width, false);
  for (long i = 0; columns < width && i < rows; i++)
    for (long j = columns; j < width; j++) to[i * width + j] = 0;
}

void panels_fill(const Panels *p, long first, long rows, const real *b, long row_step, long column_step) {
  for (long column = 0, panel = 0; column < p->columns; column += p->width, panel++) {
    long columns = p->columns - column < p->width ? p->columns - column : p->width;
    real *to = p->room + panel * p->panel_step + first * p->width;
    const real *from = b + column * column_step;
    if (column_step == 1)
      fill_rows(to, p->width, columns, rows, from, row_step);
    else
      fill_columns(to, p->width, columns, rows, from, column_step);
  }
}

/* ---- run ---- */

typedef struct Run {
  const Product *p;
  const Tile *tile;
  long tiles, blocks, panels, groups; /* tiles are in blocks, panels in groups: a piece is one of each */
  long taps;                          /* at once */
} Run;

typedef struct Block {
  long from, to; /* tiles */
  const real *a[POINTERS];
  real *out[TILES * MOST_HEIGHT];
} Block;

static long tile_row(const Run *run, long tile) {
  return tile * run->p->rows / run->tiles;
}

static void locate_block(const Run *run, Block *block, long tap, long taps) {
  const real **a = block->a;
  real **out = block->out;
  for (long tile = block->from; tile < block->to; tile++) {
    long row = tile_row(run, tile);
    int rows = (int)(tile_row(run, tile + 1) - row);
    run->p->locate(run->p->job, row, rows, tap, taps, a, out);
    a += rows * taps;
    out += rows;
  }
}

/* One tile's part of the sums, added to the result if `add`; out are its rows. */
static void run_tile(const Run *run, int rows, const real *const *a, long taps, long depth, const real *b, const Finish *f) {
  const Panels *panels = run->p->panels;
  if (panels->width == 1)
    run->tile->dot(rows, a, taps, depth, b, panels->panel_step, f);
  else
    run->tile->gather(rows, a, taps, depth, b, panels->step, f);
}

/* Adds a part of the sums, `taps` runs of `depth` numbers, into the columns of one panel. */
static void run_panel(const Run *run, const Block *block, long panel, long taps, long depth, long at, bool first) {
  const Product *p = run->p;
  const Panels *b = p->panels;
  int width = b->width == 1 ? DOT_COLUMNS : b->width;
  long column = panel * width, columns = b->columns - column < width ? b->columns - column : width;
  real start[MOST_WIDTH] = {0}, held[TILES * MOST_HEIGHT * MOST_WIDTH], *out[MOST_HEIGHT];
  bool begins = p->bias && first && !p->turned;
  if (begins) memcpy(start, p->bias + column, (size_t)columns * sizeof(real));
  if (p->whole && b->width > 1) columns = (columns + run->tile->lanes - 1) / run->tile->lanes * run->tile->lanes;
  Finish finish = {.columns = (int)columns, .add = !first && !p->turned, .start = begins ? start : NULL, .out = out};
  const real *from = b->data + column / b->width * b->panel_step + at * b->step, *const *a = block->a;
  real *const *to = block->out;
  for (long tile = block->from; tile < block->to; tile++) {
    int rows = (int)(tile_row(run, tile + 1) - tile_row(run, tile));
    for (int r = 0; r < rows; r++) out[r] = p->turned ? held + (to - block->out + r) * width : to[r] + column;
    run_tile(run, rows, a, taps, depth, from, &finish);
    a += rows * taps;
    to += rows;
  }
  if (p->turned) turn(to - block->out, columns, held, width, block->out[0] + column * p->turned, p->turned, !first);
}

/* What is left to do to the columns from .. to-1 of a block when their sums are complete. */
static void finish_block(const Run *run, const Block *block, long from, long to) {
  const Product *p = run->p;
  long row = tile_row(run, block->from), rows = tile_row(run, block->to) - row;
  if (!p->turned) {
    if (p->then.kind) activate_rows(block->out, rows, from, to - from, p->then);
    return;
  }
  for (long c = from; c < to && (p->bias || p->then.kind); c++) {
    real *out = block->out[0] + c * p->turned;
    for (long r = 0; p->bias && r < rows; r++) out[r] += p->bias[row + r];
    activate(out, rows, p->then);
  }
}

static void run_piece(const Run *run, long piece) {
  const Product *p = run->p;
  long number = piece / run->groups, group = piece % run->groups;
  long first = group * run->panels / run->groups, end = (group + 1) * run->panels / run->groups;
  Block block;
  block.from = number * run->tiles / run->blocks;
  block.to = (number + 1) * run->tiles / run->blocks;
  long pointers = tile_row(run, block.to) - tile_row(run, block.from);
  for (long tap = 0; tap < p->taps; tap += run->taps) {
    long taps = p->taps - tap < run->taps ? p->taps - tap : run->taps;
    locate_block(run, &block, tap, taps);
    for (long k = 0; k < p->depth; k += RUN) {
      long depth = p->depth - k < RUN ? p->depth - k : RUN;
      for (long panel = first; panel < end; panel++) run_panel(run, &block, panel, taps, depth, tap * p->depth + k, !tap && !k);
      if (k + depth < p->depth)
        for (long i = 0; i < pointers * taps; i++) block.a[i] += depth;
    }
  }
  long width = p->panels->width == 1 ? DOT_COLUMNS : p->panels->width, columns = p->panels->columns;
  finish_block(run, &block, first * width, end * width < columns ? end * width : columns);
}

static void run_pieces(void *job, long from, long to) {
  for (long piece = from; piece < to; piece++) run_piece(job, piece);
}

void product_run(const Product *p) {
  const Tile *tile = tile_best();
  long width = p->panels->width == 1 ? DOT_COLUMNS : p->panels->width, columns = p->panels->columns;
  if (!p->rows || !columns) return;
  Run run = {.p = p, .tile = tile, .tiles = (p->rows + tile->height - 1) / tile->height, .panels = (columns + width - 1) / width};
  run.taps = p->depth > RUN / 2 ? 1 : p->depth * TAPS <= RUN ? TAPS : RUN / p->depth;
  long taps = run.taps < p->taps ? run.taps : p->taps, tiles = POINTERS / (taps * tile->height);
  if (tiles > TILES) tiles = TILES;
  run.blocks = (run.tiles + tiles - 1) / tiles;
  run.groups = (PIECES + run.blocks - 1) / run.blocks;
  if (run.groups > run.panels) run.groups = run.panels;
  long pieces = run.blocks * run.groups;
  bool small = (double)p->rows * (double)columns * (double)p->taps * (double)p->depth < SMALL;
  workers_for(pieces, small ? pieces : 1, run_pieces, &run);
}

void product_rows(const void *job, long row, int rows, long tap, long taps, const real **a, real **out) {
  const ProductRows *p = job;
  (void)tap, (void)taps;
  for (int r = 0; r < rows; r++) {
    a[r] = p->a + (row + r) * p->a_step;
    out[r] = p->out + (row + r) * p->out_step;
  }
}

void product_few(const Panels *p, long depth, long columns, long rows, const real *const *from, real *const *to, bool add) {
  const Tile *tile = tile_best();
  const long tiles = (rows + tile->height - 1) / tile->height;
  real *out[MOST_HEIGHT];
  for (long column = 0; column < columns; column += p->width) {
    const int part = (int)(columns - column < p->width ? columns - column : p->width);
    const Finish finish = {.columns = part, .add = add, .out = out};
    for (long t = 0; t < tiles; t++) {
      const long row = t * rows / tiles, height = (t + 1) * rows / tiles - row;
      for (long r = 0; r < height; r++) out[r] = to[row + r] + column;
      tile->gather((int)height, from + row, 1, depth, p->data + column / p->width * p->panel_step, p->step, &finish);
    }
  }
}
