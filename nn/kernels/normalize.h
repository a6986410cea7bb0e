/* Normalising a matrix (rows, n): statistics and gradients. Statistics belong to columns (batch_norm) or rows (layer_norm). */
#ifndef GANDER_KERNELS_NORMALIZE_H
#define GANDER_KERNELS_NORMALIZE_H

#include "../nn.h"

typedef struct Rows {
  long rows, n;
} Rows;

/* Mean and biased variance of each column. They may fail for want of memory, as may column_sums. */
bool column_moments(Rows m, const real *x, double *mean, double *var);

/* y = (x - mean) scale + shift, all three of columns, and then an activation; shift may be NULL. */
void normalize_columns(Rows m, const real *x, const real *mean, const real *scale, const real *shift, Activation then, real *y);

/* mean and rstd = 1 / sqrt(variance + eps) of each row; y = (x - mean) rstd weight + bias, those two of columns or NULL. */
void normalize_rows(Rows m, const real *x, const real *weight, const real *bias, double eps, real *mean, real *rstd, real *y);

/* Where (x - mean) scale + shift was activated by relu or leaky_relu, whose slope a gradient g must first be multiplied by. */
typedef struct Gate {
  Activation then;
  const real *scale, *shift; /* of columns */
} Gate;

/* xhat = (x - mean) rstd, where statistics are of rows or of columns. */
typedef struct Normal {
  const real *x, *mean, *rstd;
  bool of_rows;
  const Gate *gate; /* for column_sums and normalize_back, with statistics of columns; NULL: none */
} Normal;

/* Sums of g and of g xhat, down each column or along each row. */
bool column_sums(Rows m, const Normal *x, const real *g, real *sum, real *dot);
void row_sums(Rows m, const Normal *x, const real *g, real *sum, real *dot);

/* dx = scale (g - (sum + xhat dot) / count); scale, sum and dot are of columns or rows as the statistics are. */
void normalize_back(Rows m, const Normal *x, const real *g, const real *scale, const real *sum, const real *dot, real *dx);

/* The gradient of normalize_rows by x; weight may be NULL. */
void normalize_rows_input(Rows m, const Normal *x, const real *g, const real *weight, real *dx);
/* The gradients of normalize_rows by x, bias (sum) and weight (dot); weight may be NULL. It may fail for want of memory. */
bool normalize_rows_back(Rows m, const Normal *x, const real *g, const real *weight, real *dx, real *sum, real *dot);

#endif
