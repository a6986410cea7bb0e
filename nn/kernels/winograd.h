/* Convolutions with fewer multiplications (Winograd 1980; Lavin and Gray 2015, arXiv 1509.09308).
 *
 * Two neighbouring results of a filter of three taps, y0 = d0 g0 + d1 g1 + d2 g2 and y1 = d1 g0 + d2 g1 + d3 g2, take four
 * products instead of six, F(2,3), of two taps three instead of four, F(2,2), and three results of two taps four instead of
 * six, F(3,2):
 *
 *   point   F(2,2)              F(2,3)                            F(3,2)
 *   0       (d0 - d1) g0        (d0 - d2) g0                      (d0 - d2) g0
 *   1       d1 (g0 + g1)        (d1 + d2) (g0 + g1 + g2) / 2      (d1 + d2) (g0 + g1) / 2
 *   2                           (d2 - d1) (g0 - g1 + g2) / 2      (d2 - d1) (g0 - g1) / 2
 *   3       (d1 - d2) g1        (d1 - d3) g2                      (d1 - d3) -g1
 *
 *   of two results  y0 = m0 + m1 + m2   y1 = m1 - m2 - m3
 *   of three        y0 = m0 + m1 + m2   y1 = m1 - m2        y2 = m1 + m2 + m3
 *
 * In two dimensions they are nested: 9 products for 16, 16 for 36. The results of each are made of products in the same way,
 * so longer filters are split: 5 taps are 3 and 2 (49 products for 100), and a stride of 2 gives each of both halves of the
 * taps every other pixel (Yepez and Ko 2020, arXiv 2002.00552); what belongs to the same point is summed before it is
 * transformed back. A tile of F(3,2) that has only two results does without the last point, so that lines of any length
 * are cut into threes and twos. There are only additions and halves in it: the errors are those of sums written out (measured:
 * 1.8e-7 to 3e-7 of the result, root mean square). Other points would give fewer products still, but lose digits. */
#ifndef GANDER_WINOGRAD_H
#define GANDER_WINOGRAD_H

#include "conv.h"
#include "gather.h"

enum {
  POINTS = 4,
  MOST_RESULTS = 3, /* of a tile, along each side */
  MOST_TAPS = 3,
  MOST_PARTS = 4,
  MOST_TERMS = MOST_PARTS * POINTS,
  MOST_KERNEL = 8,
  WINOGRAD_MOST = 4 /* gathers that are run as one */
};

/* ---- sums of rows (winograd_mix.c) ---- */

/* A sum of up to three of something: a, b, c. */
typedef enum How {
  NOTHING,
  ZERO,         /* 0 */
  COPY,         /* a */
  MINUS,        /* -a */
  ADD,          /* a + b */
  SUB,          /* a - b */
  HALF_ADD,     /* (a + b) / 2 */
  HALF_SUB,     /* (a - b) / 2 */
  SUM,          /* a + b + c */
  SUB_ADD,      /* a - b + c */
  SUB_SUB,      /* a - b - c */
  HALF_SUM,     /* (a + b + c) / 2 */
  HALF_SUB_ADD, /* (a - b + c) / 2 */
  ADD_HALF,     /* a + (b + c) / 2 */
  HALF_SUB_SUB  /* (a - b) / 2 - c */
} How;

typedef struct Mix {
  How how;
  int from[3];
} Mix;

typedef struct Rows {
  real *to;
  const real *from[3];
  long to_step, from_step, rows, n; /* numbers from row to row, and in a row */
} Rows;
void mix_rows(How how, const Rows *r);
void mix_row(How how, real *to, const real *a, const real *b, const real *c, long n);

/* F(results, taps); F22_EVEN has F(3,2)'s first points, whose errors are smaller, but one result alone takes all of them */
typedef enum Kind { F21, F22, F22_EVEN, F23, F32, KINDS } Kind;
/* Derivatives of the transforms of points into results, BACK + kind, and of a tile of F(3,2) that has two. */
enum { BACK = KINDS, BACK_TWO = 2 * KINDS, ALL_KINDS };

extern const Mix winograd_input[ALL_KINDS][POINTS];      /* of d, or of the results */
extern const Mix winograd_kernel[KINDS][POINTS];         /* of g */
extern const Mix winograd_output[KINDS][MOST_RESULTS];   /* of the points; of the longest part's kind */
extern const Mix winograd_kernel_back[KINDS][MOST_TAPS]; /* of the points: the derivative of winograd_kernel */

/* Of each of some rows of pixels, which stand `pixel` numbers apart, the points, `plane` numbers apart. */
typedef struct InputRows {
  real *to;
  const real *from;
  long plane, pixel, to_step, from_step, rows, n; /* n: numbers of a pixel */
} InputRows;
void mix_input(int kind, const InputRows *r);

/* Results of tiles from points, plus a bias, which may be NULL; so many down and across are set, from first[] on. */
typedef struct OutputTiles {
  real *to;
  const real *from, *bias;
  long down, across, line, pixel; /* from point to point, from result to result */
  long to_step, from_step, tiles, n;
  long first[2], results[2];
} OutputTiles;
void mix_output(Kind down, Kind across, const OutputTiles *r);

/* ---- one side of a kernel (winograd_filter.c) ---- */

typedef struct Part {
  int kind, taps, term; /* term: its first */
  long tap, at;         /* its first tap, which reads pixel `at` of the window; the others follow `every` */
} Part;

/* Which pixels of a tile's window a part's point is the sum of. */
typedef struct Term {
  int part, point;
  Mix mix;
} Term;

typedef struct Filter {
  int parts, terms, results; /* results: of a tile */
  bool even;                 /* two taps are F22_EVEN */
  Kind kind;                 /* of the longest part */
  long every, window;        /* window: pixels that a tile reads */
  Part part[MOST_PARTS];
  Term term[MOST_TERMS]; /* part by part */
} Filter;

/* results: of a tile; even: all tiles have as many. False: there is none */
bool filter_make(Filter *f, long taps, long tap_step, long step, int results, bool even);
void filter_make_back(Filter *back, const Filter *f); /* the terms of results are those of its points */
bool filter_has(const Filter *f, int point);
int part_rank(const Part *p, int point); /* the term that a point of a part is, counted from its first */

enum { KERNEL_COST = 40 }; /* of a number of the transformed kernel, in products (measured) */

/* ---- pictures cut into tiles (winograd_tiles.c) ---- */

typedef struct Tiles {
  long n, channels, size[2], step[2], first[2], grid[2]; /* as in Gather */
  const real *picture;
  Filter filter[2];
  long count[2], whole[2];  /* tiles of a picture; the first have all results of a tile, the others one fewer */
  long before[2];           /* results of the first tile that are outside the grid */
  long from[2][MOST_TERMS]; /* for each term down and across, from.. to of these tiles: */
  long to[2][MOST_TERMS];   /* in others it is of zeros, or for a result that the tile does not have */
  bool gaps;                /* some are of zeros */
} Tiles;

bool tiles_cut(Tiles *t, const long *taps, const long *tap_step); /* sets what follows `picture`; false: there is no filter */
void tiles_cut_map(Tiles *map, const Tiles *image);               /* whose pixels are the image's results */
void tiles_use_all(Tiles *t);
long tiles_products(const Tiles *t); /* of a picture, tiles times terms */

/* The first result of a tile along a side, how many lie before the grid and then inside, and of n tiles that follow, the first
 * ones that have as many. */
long tiles_result(const Tiles *t, int side, long tile);
long tiles_outside(const Tiles *t, int side, long tile);
long tiles_results(const Tiles *t, int side, long tile);
long tiles_alike(const Tiles *t, int side, long tile, long n);

/* Of all tiles of all pictures, those of one row that lie side by side, at most until `to`. */
typedef struct Span {
  long n, y, x, tiles;
} Span;
Span tiles_span(const Tiles *t, long from, long to);
long tiles_room(const Tiles *t, long tiles); /* numbers that tiles_transform works in, for so many at a time */
/* Where transformed pixels go: `strip` channels of a tile together, the next tile's after them or later. */
typedef struct Place {
  real *to;                           /* the first tile's first term */
  long strip, plane, strip_step, row; /* plane: to the next term across; row: to the next tile */
} Place;
/* The terms (term, 0..) of tiles from..to, if the term is used in them. */
void tiles_transform(const Tiles *t, long from, long to, int term, real *room, const Place *place);

/* ---- whole convolutions ---- */

/* Whether they are used wherever they can be, for tests; otherwise, and with float, where they pay. */
void winograd_always(bool on);
bool winograd_is_wanted(bool pays);

bool winograd_suits_gather(const Gather *g);
bool winograd_gather(const Gather *g, int n); /* n of the same pictures, out and columns: see conv.c's phases */
bool winograd_suits_weight(const Conv *v);
bool winograd_weight(const Conv *v, const real *image, const real *map, real *weight);

#endif
