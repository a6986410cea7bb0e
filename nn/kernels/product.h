/* Products of two matrices. The rows of the first are found through pointers, a row in several runs (taps), so that
 * the patches of a convolution need not be written out; the second is packed into panels as wide as a tile. */
#ifndef GANDER_PRODUCT_H
#define GANDER_PRODUCT_H

#include "../row.h"
#include "tile.h"

/* A matrix (depth, columns), cut into panels of columns: row i of panel p stands at data[p * panel_step + i * step]. Packed
 * panels follow each other, the last filled up with zeros. */
typedef struct Panels {
  long depth, columns, step, panel_step;
  int width; /* of a tile; or 1: few columns, summed along the depth by Tile.dot */
  const real *data;
  real *room; /* of packed panels: the same memory */
  Tensor *memory;
} Panels;

/* run: the depth that is contiguous in the first matrix; copies: room for so many such matrices (panels_at), at least 1. */
bool panels_new(Panels *p, long depth, long columns, long run, int copies);
/* The same for one matrix, found with the memory that keeps it (may be NULL) or new: `fresh` says that it is to be filled. */
bool panels_kept(Panels *p, long depth, long columns, long run, Storage *keep, const KeptKey *key, bool *fresh);
Panels panels_at(const Panels *p, int copy);
void panels_drop(Panels *p);
/* Packs rows first..first+rows of the matrix; row i, column j stands at b[i * row_step + j * column_step], and
 * one of the steps is 1. */
void panels_fill(const Panels *p, long first, long rows, const real *b, long row_step, long column_step);

typedef struct Product {
  long rows, taps, depth; /* of the first matrix: each row is `taps` runs of `depth` numbers */
  const Panels *panels;
  const real *bias; /* a number for each column, or NULL; where the result is turned, for each row */
  Activation then;  /* of the finished result */
  bool whole;       /* rows of the result have room for whole panels */
  long turned;      /* from one column of the result to the next, where its rows lie side by side; 0: the columns do */
  /* Where runs tap..tap+taps of rows row..row+rows begin, in a[t * rows + r], and where their results do */
  void (*locate)(const void *job, long row, int rows, long tap, long taps, const real **a, real **out);
  const void *job;
} Product;

void product_run(const Product *p);

/* A product of few rows, on this thread: to[i] is set to, or with `add` grows by, the `depth` numbers at from[i] times the matrix,
 * as far as its first `columns`. Such parts of the panels' depth and columns as are asked for are read. */
void product_few(const Panels *p, long depth, long columns, long rows, const real *const *from, real *const *to, bool add);

/* Rows that follow each other: the job of product_rows, a `locate` for one tap. */
typedef struct ProductRows {
  const real *a;
  long a_step;
  real *out;
  long out_step;
} ProductRows;
void product_rows(const void *job, long row, int rows, long tap, long taps, const real **a, real **out);

#endif
