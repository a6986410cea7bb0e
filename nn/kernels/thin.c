#include "thin.h"

#include "activate.h"
#include "tile.h"
#include "turn.h"

enum {
  FEW = 4,         /* columns, each line of a is multiplied by */
  FEWER = 2,       /* rows, all of b passes by: for more, tiles are as fast */
  LONG = 32,       /* a sum that is worth a loop of its own */
  WIDE = 128,      /* a row that is */
  BLOCK = 1024,    /* columns at a time, whose sums stay in the first cache */
  PIECE = 1 << 16, /* products that are worth a piece of work */
  SMALL = 1 << 18  /* that are not worth sharing */
};

/* A matrix: element (row, column) stands at data[row * row_step + column * column_step]. */
typedef struct Side {
  const real *data;
  const long *at; /* where each of a batch begins */
  long row_step, column_step;
} Side;

/* The result is that of m, or its transpose if a and b are swapped. */
typedef struct Thin {
  const Multiply *m;
  const Tile *tile;
  void (*run)(const struct Thin *t, long matrix, long piece);
  bool swapped;
  long rows, depth, columns;
  Side a, b;
  long row_step, column_step; /* of the result */
  long pieces, grain;         /* of a matrix, and how many rows are in one */
  real *parts;                /* sums of all pieces but the first */
} Thin;

static const real *begin(const Side *s, long matrix) {
  return s->data + (s->at ? s->at[matrix] : 0);
}

static real *result(const Thin *t, long matrix) {
  return t->m->c + matrix * t->rows * t->columns;
}

/* ---- a row of the result at a time, of short sums ---- */

static void run_short(const Thin *t, long matrix, long piece) {
  const real *a = begin(&t->a, matrix), *b = begin(&t->b, matrix);
  const long end = (piece + 1) * t->grain < t->rows ? (piece + 1) * t->grain : t->rows;
  for (long row = piece * t->grain; row < end; row++) {
    real *out = result(t, matrix) + row * t->row_step;
    t->tile->mix((int)t->depth, t->columns, a + row * t->a.row_step, t->a.column_step, b, t->b.row_step, t->m->bias, out);
    if (t->m->then.kind) activate(out, t->columns, t->m->then);
  }
}

/* ---- few rows, that all of b passes by ---- */

static void run_few(const Thin *t, long matrix, long piece) {
  const long first = piece * SPAN, end = first + SPAN < t->depth ? first + SPAN : t->depth;
  const real *a = begin(&t->a, matrix), *b = begin(&t->b, matrix);
  real *to = piece ? t->parts + ((piece - 1) * t->m->batch + matrix) * t->rows * t->columns : result(t, matrix);
  for (long column = 0; column < t->columns; column += BLOCK) {
    const long columns = t->columns - column < BLOCK ? t->columns - column : BLOCK;
    for (long k = first; k < end; k += MIX_DEPTH)
      for (long row = 0; row < t->rows; row++) {
        real *out = to + row * t->columns + column;
        const real *start = k > first ? out : !piece && t->m->bias ? t->m->bias + column : NULL;
        t->tile->mix((int)(end - k < MIX_DEPTH ? end - k : MIX_DEPTH), columns, a + row * t->a.row_step + k * t->a.column_step,
                     t->a.column_step, b + k * t->b.row_step + column, t->b.row_step, start, out);
      }
  }
  if (t->pieces == 1) activate(to, t->rows * t->columns, t->m->then);
}

static void add_parts(void *job, long from, long to) {
  const Thin *t = job;
  const long size = t->m->batch * t->rows * t->columns;
  for (long part = 0; part < t->pieces - 1; part++)
    for (long i = from; i < to; i++) t->m->c[i] += t->parts[part * size + i];
  activate(t->m->c + from, to - from, t->m->then);
}

/* ---- many rows of a times few columns of b ---- */

static void run_lines(const Thin *t, long matrix, long piece) {
  const real *a = begin(&t->a, matrix), *b = begin(&t->b, matrix), *bias = t->m->bias;
  const long from = piece * t->grain, to = from + t->grain < t->rows ? from + t->grain : t->rows;
  real *out = result(t, matrix), sum[FEW];
  for (long row = from; row < to; row++) {
    t->tile->line((int)t->columns, t->depth, a + row * t->a.row_step, b, t->b.column_step, sum);
    for (long c = 0; c < t->columns; c++)
      out[row * t->row_step + c * t->column_step] = bias ? sum[c] + bias[t->swapped ? row : c] : sum[c];
  }
  if (t->swapped)
    for (long c = 0; c < t->columns; c++) activate(out + from + c * t->column_step, to - from, t->m->then);
  else
    activate(out + from * t->row_step, (to - from) * t->row_step, t->m->then);
}

/* ---- which of them ---- */

static Thin swap(const Thin *t) {
  Thin s = *t;
  s.swapped = true;
  s.rows = t->columns, s.columns = t->rows;
  s.a = (Side){t->b.data, t->b.at, t->b.column_step, t->b.row_step};
  s.b = (Side){t->a.data, t->a.at, t->a.column_step, t->a.row_step};
  s.row_step = t->column_step, s.column_step = t->row_step;
  return s;
}

static bool suits_lines(const Thin *t) {
  return t->columns <= FEW && t->depth >= LONG && t->a.column_step == 1 && t->b.row_step == 1;
}

/* Rows of b and of the result are contiguous, and worth a loop. */
static bool suits_mix(const Thin *t) {
  const bool few = t->depth <= MIX_DEPTH || t->rows <= FEWER;
  return few && t->columns >= WIDE && t->b.column_step == 1 && t->column_step == 1 && !(t->swapped && t->m->bias);
}

static bool choose(Thin *t) {
  const Thin swapped = swap(t);
  const bool lines = suits_lines(t), other_lines = suits_lines(&swapped);
  if (other_lines || (!lines && !suits_mix(t))) *t = swapped;
  if (lines || other_lines)
    t->run = run_lines;
  else if (suits_mix(t))
    t->run = t->depth <= MIX_DEPTH ? run_short : run_few;
  return t->run;
}

static Thin thin_of(const Multiply *m) {
  return (Thin){.m = m,
                .tile = tile_best(),
                .rows = m->m,
                .depth = m->k,
                .columns = m->n,
                .a = {m->a, m->a_at, m->a_transposed ? 1 : m->k, m->a_transposed ? m->m : 1},
                .b = {m->b, m->b_at, m->b_transposed ? 1 : m->n, m->b_transposed ? m->k : 1},
                .row_step = m->n,
                .column_step = 1};
}

/* Few columns that are not contiguous, but would suit if they were. */
static bool worth_turning(const Multiply *m) {
  return m->batch == 1 && !m->a_transposed && !m->b_transposed && m->n > 1 && m->n <= FEW && m->k >= LONG;
}

bool thin_suits(const Multiply *m) {
  Thin t = thin_of(m);
  return t.tile && (choose(&t) || worth_turning(m));
}

static bool run_turned(const Multiply *m) {
  Tensor *b = tensor_new(2, (long[]){m->n, m->k});
  if (!b) return false;
  turn(m->k, m->n, m->b, m->n, b->data, m->k, false);
  Multiply contiguous = *m;
  contiguous.b = b->data, contiguous.b_transposed = true;
  const bool ok = thin_run(&contiguous);
  tensor_drop(b);
  return ok;
}

static void run_pieces(void *job, long from, long to) {
  const Thin *t = job;
  for (long i = from; i < to; i++) t->run(t, i / t->pieces, i % t->pieces);
}

bool thin_run(const Multiply *m) {
  Thin t = thin_of(m);
  Tensor *parts = NULL;
  if (!choose(&t)) return run_turned(m);
  const double products = (double)t.rows * (double)t.columns * (double)t.depth;
  t.grain = 1 + PIECE / (t.depth * t.columns);
  t.pieces = t.run == run_few ? (t.depth + SPAN - 1) / SPAN : (t.rows + t.grain - 1) / t.grain;
  if (t.run == run_few && t.pieces > 1) {
    parts = tensor_new(4, (long[]){t.pieces - 1, m->batch, t.rows, t.columns});
    if (!parts) return false;
    t.parts = parts->data;
  }
  const long pieces = m->batch * t.pieces;
  workers_for(pieces, products * (double)m->batch < SMALL ? pieces : 1, run_pieces, &t);
  if (parts) workers_for(m->batch * t.rows * t.columns, BLOCK, add_parts, &t);
  tensor_drop(parts);
  return true;
}
