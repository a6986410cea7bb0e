/* Copies a box of elements: the two innermost dimensions are a matrix, cut into pieces that the workers share. */
#include "strided.h"

#include <string.h>

#include "kernel.h"

enum { PIECE = 16384, TILE = 16, SHORT = 16 };

typedef struct Matrix {
  long rows, columns, row_to, row_from, to, from; /* to, from: the steps along a row */
} Matrix;

typedef struct Plan {
  const Box *box;
  int outer; /* dimensions before the matrix */
  Matrix m;
  long band, bands, strip, strips; /* rows and columns of a piece, and how many there are */
} Plan;

/* Dimensions of 1 are left out, and those joined that one step walks through. */
void box_add(Box *box, long side, long to, long from) {
  int last = box->ndim - 1;
  if (side == 1) return;
  if (box->ndim && box->to[last] == to * side && box->from[last] == from * side) {
    box->side[last] *= side;
  } else {
    last = box->ndim++;
    box->side[last] = side;
  }
  box->to[last] = to;
  box->from[last] = from;
}

/* ---- one piece: a matrix ---- */

INLINE void copy_row(real *restrict out, const real *restrict in, long n, long to, long from) {
  if (to == 1 && from == 1 && n >= SHORT)
    memcpy(out, in, (size_t)n * sizeof *out);
  else if (to == 1 && from == 1)
    for (long i = 0; i < n; i++) out[i] = in[i];
  else if (to == 1 && from == -1)
    for (long i = 0; i < n; i++) out[i] = in[-i];
  else if (to == 1 && from == 0)
    for (long i = 0; i < n; i++) out[i] = *in;
  else if (to == 1)
    for (long i = 0; i < n; i++) out[i] = in[i * from];
  else
    for (long i = 0; i < n; i++) out[i * to] = in[i * from];
}

INLINE void copy_rows(real *out, const real *in, Matrix m) {
  for (long row = 0; row < m.rows; row++) copy_row(out + row * m.row_to, in + row * m.row_from, m.columns, m.to, m.from);
}

/* By tiles, so that both sides are read and written in whole cache lines. */
INLINE void transpose(real *out, const real *in, Matrix m) {
  for (long row = 0; row < m.rows; row += TILE)
    for (long column = 0; column < m.columns; column += TILE) {
      long rows = m.rows - row < TILE ? m.rows - row : TILE, columns = m.columns - column < TILE ? m.columns - column : TILE;
      real *to = out + row * m.row_to + column;
      const real *from = in + row + column * m.from;
      for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) to[i * m.row_to + j] = from[i + j * m.from];
    }
}

static KERNEL(copy_pieces, (void *job, long from, long to), (job, from, to)) {
  const Plan *p = job;
  const Box *box = p->box;
  for (long piece = from; piece < to; piece++) {
    long column = piece % p->strips * p->strip, row = piece / p->strips % p->bands * p->band;
    long place = piece / p->strips / p->bands;
    Matrix m = p->m;
    real *out = box->out + row * m.row_to + column * m.to;
    const real *in = box->in + row * m.row_from + column * m.from;
    for (int d = p->outer - 1; d >= 0; d--) {
      out += place % box->side[d] * box->to[d];
      in += place % box->side[d] * box->from[d];
      place /= box->side[d];
    }
    m.rows = m.rows - row < p->band ? m.rows - row : p->band;
    m.columns = m.columns - column < p->strip ? m.columns - column : p->strip;
    if (m.row_from == 1 && m.to == 1 && m.from > 1)
      transpose(out, in, m);
    else
      copy_rows(out, in, m);
  }
}

/* ---- the whole ---- */

static void exchange(Box *box, int a, int b) {
  long *const of[] = {box->side, box->to, box->from};
  for (int i = 0; i < 3; i++) {
    long held = of[i][a];
    of[i][a] = of[i][b];
    of[i][b] = held;
  }
}

/* Where rows are not neighbours in `in` but another dimension's are, the two make a matrix to be transposed. */
static void pair_for_transpose(Box *box) {
  int last = box->ndim - 1;
  if (last < 1 || box->from[last] == 1 || box->from[last] == 0) return;
  for (int d = last - 1; d >= 0; d--)
    if (box->from[d] == 1) {
      exchange(box, d, last - 1);
      return;
    }
}

void box_copy(const Box *given) {
  Box box = *given;
  pair_for_transpose(&box);
  int n = box.ndim;
  Plan p = {.box = &box, .outer = n > 2 ? n - 2 : 0};
  p.m = (Matrix){.rows = n > 1 ? box.side[n - 2] : 1, .columns = n ? box.side[n - 1] : 1};
  if (n > 1) p.m.row_to = box.to[n - 2], p.m.row_from = box.from[n - 2];
  if (n) p.m.to = box.to[n - 1], p.m.from = box.from[n - 1];
  long outer = 1;
  for (int d = 0; d < p.outer; d++) outer *= box.side[d];
  if (!outer || !p.m.rows || !p.m.columns) return;
  p.strip = p.m.columns < PIECE ? p.m.columns : PIECE;
  p.strips = (p.m.columns + p.strip - 1) / p.strip;
  p.band = PIECE / p.strip + TILE - 1;
  p.band -= p.band % TILE;
  if (p.band > p.m.rows) p.band = p.m.rows;
  p.bands = (p.m.rows + p.band - 1) / p.band;
  workers_for(outer * p.bands * p.strips, PIECE / (p.band * p.strip) + 1, copy_pieces, &p);
}
