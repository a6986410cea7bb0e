/* Tiles: the innermost loops of all products. A tile is a few rows and columns of a result, kept in registers while
 * its sum goes on. tile_loop.h, thin_loop.h and strip_loop.h have the loops, tile_*.c one compilation of them for each instruction
 * set.
 *
 * Each number of a result is a sum of chains of fused multiply-adds, in the order of the sum and as long, whatever the tile,
 * so that all instruction sets with fused multiply-add give the same bits. */
#ifndef GANDER_TILE_H
#define GANDER_TILE_H

#include "../nn.h"

/* How the three loops of a sum (samples, rows, pixels) step through its operands. */
typedef struct Walk {
  long count[3], a_step[3], b_step[3];
} Walk;

void walk_collapse(Walk *w); /* makes one loop of those that step evenly */

/* out[r][0..columns) are set to `start` (NULL: zeros) plus the sum; with `add` they grow by it. `start` and each row of b
 * are read in whole vectors, also past `columns`. */
typedef struct Finish {
  int columns;
  bool add;
  const real *start;
  real *const *out;
  /* of gather only: */
  long span;        /* products that are summed before their sum is added to the result; 0: SPAN */
  const real *next; /* memory that is read after this, NEXT numbers for each product, which is asked for meanwhile; or NULL */
} Finish;
enum { SPAN = 256, NEXT = 8 }; /* the errors of a sum grow with the root of its length */

enum { STRIP = 16, STRIP_TAPS = 5 }; /* lanes of a strip, and the most taps that strip_meet takes */

/* Lanes that each have a sum of their own: over u < rows, v < taps, k < depth of
 * a[u * a_row + v * a_tap + k * wide + lane % wide] * w[u * w_row + v * w_tap + k * STRIP + lane]. The a of each pixel of a tile is
 * a_step behind that of the one before. wide: a power of two. */
typedef struct StripSum {
  long rows, taps, depth, a_row, a_tap, a_step, w_row, w_tap;
  const real *w, *start;
  int wide;
} StripSum;

/* Pixels that meet, `rows` lines of n: a[row * a_line + pixel * a_step + tap * a_tap + lane % wide] and
 * b[row * b_line + pixel * b_step + lane]. */
typedef struct StripMet {
  const real *a, *b;
  long rows, n, a_line, a_step, a_tap, b_line, b_step, to_tap;
  int wide;
} StripMet;

typedef struct Tile {
  int height, width; /* the most rows and columns */
  int lanes;         /* columns of one vector */
  /* sum over t < taps, k < depth of a[t * height + r][k] * b[(t * depth + k) * b_step + column] */
  void (*gather)(int height, const real *const *a, long taps, long depth, const real *b, long b_step, const Finish *f);
  /* sum over the walk of a[r] * b[column] */
  void (*outer)(int height, const real *a, const real *b, const Walk *w, const Finish *f);
  /* as gather, for a few columns: b[column * b_step + t * depth + k] */
  void (*dot)(int height, const real *const *a, long taps, long depth, const real *b, long b_step, const Finish *f);
  /* out[0..columns) = start (NULL: zeros; may be out) plus the sum over k < depth of a[k * a_step] * b[k * b_step + column] */
  void (*mix)(int depth, long columns, const real *a, long a_step, const real *b, long b_step, const real *start, real *out);
  /* out[0..rows) = sum over k < depth of a[k] * b[row * b_step + k] */
  void (*line)(int rows, long depth, const real *a, const real *b, long b_step, real *out);
  /* out[pixel * out_step + lane] = start[lane] plus the sum, for `height` pixels */
  void (*strip_sum)(const StripSum *m, const real *a, real *out, long out_step);
  /* to[tap * to_tap + lane] grows by the sum over all pixels of a * b, for `taps` taps; with `two`, that of the next channel of a
   * goes to what is STRIP behind it */
  void (*strip_meet)(const StripMet *m, int taps, bool two, real *to);
} Tile;

enum { MOST_HEIGHT = 16 }; /* of all instruction sets */
enum { DOT_COLUMNS = 4 };  /* the most that dot takes */
enum { MIX_DEPTH = 4 };    /* the most that mix takes */

const Tile *tile_best(void); /* of cpu_set; NULL and nn_error() if GANDER_CPU names none */

#endif
