/* Products of two matrices. The rows of the first are found through pointers, a row in several runs (taps), so that
 * the patches of a convolution need not be written out; the second is packed into panels as wide as a tile. */
#ifndef GANDER_PRODUCT_H
#define GANDER_PRODUCT_H

#include "tile.h"

/* A matrix (depth, columns) as [panel][depth][width], the last panel filled up with zeros. */
typedef struct Panels {
  long depth, columns;
  int width; /* of a tile; or 1: few columns, summed along the depth by Tile.dot */
  real *data;
  Tensor *memory;
} Panels;

bool panels_new(Panels *p, long depth, long columns, long run); /* run: the depth that is contiguous in the first matrix */
void panels_drop(Panels *p);
/* Packs rows first..first+rows of the matrix; row i, column j stands at b[i * row_step + j * column_step]. */
void panels_fill(const Panels *p, long first, long rows, const real *b, long row_step, long column_step);

typedef struct Product {
  long rows, taps, depth; /* of the first matrix: each row is `taps` runs of `depth` numbers */
  const Panels *panels;
  const real *bias; /* a number for each column, or NULL */
  bool whole;       /* rows of the result have room for whole panels */
  /* Where runs tap..tap+taps of rows row..row+rows begin, in a[t * rows + r], and where their results do */
  void (*locate)(const void *job, long row, int rows, long tap, long taps, const real **a, real **out);
  const void *job;
} Product;

void product_run(const Product *p);

/* c (m,n) = a (m,k) b + bias, where b is given as to panels_fill. */
bool product(long m, long k, long n, const real *a, const real *b, long row_step, long column_step, const real *bias, real *c);

/* Rows that follow each other: the job of product_rows, a `locate` for one tap. */
typedef struct ProductRows {
  const real *a;
  long a_step;
  real *out;
  long out_step;
} ProductRows;
void product_rows(const void *job, long row, int rows, long tap, long taps, const real **a, real **out);

#endif
