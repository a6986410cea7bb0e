/* Softmax and its relatives along `count` elements that stand `stride` apart, for `width` neighbouring columns. */
#ifndef GANDER_SOFTMAX_H
#define GANDER_SOFTMAX_H

#include "../nn.h"

enum { SOFTMAX_WIDTH = 64 }; /* most columns at a time */

void softmax_columns(real *y, const real *x, long count, long stride, long width);     /* e^x / sum of e^x */
void log_softmax_columns(real *y, const real *x, long count, long stride, long width); /* x - log(sum of e^x) */
/* The same along n neighbours, of each row. */
void softmax_rows(real *y, const real *x, long rows, long n);
void log_softmax_rows(real *y, const real *x, long rows, long n);
/* Gradients by x, from the gradient g of the result y. */
void softmax_slope(real *dx, const real *g, const real *y, long count, long stride, long width);     /* y (g - sum of g y) */
void log_softmax_slope(real *dx, const real *g, const real *y, long count, long stride, long width); /* g - e^y (sum of g) */
void softmax_rows_slope(real *dx, const real *g, const real *y, long rows, long n);

#endif
