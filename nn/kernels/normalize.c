/* Columns are summed in bands of rows and strips of columns, four rows at a time and in double from there on; what a band gives
 * is joined in order. Rows are summed in lanes. Both orders come from the shape alone. */
#include "normalize.h"

#include <math.h>
#include <string.h>

#include "../row.h"
#include "activate.h"

enum { BAND = 256, SLAB = 64, STRIP = 64, LANES = 16, CHUNK = 512, PIECE = 16384, GATED = 32, AT_ONCE = 2048 };

typedef struct Job {
  Rows m;
  const Normal *x;
  const real *g, *a, *b, *c; /* g: gradient; a, b, c: what else is read */
  real *y, *mean, *rstd;
  Activation then;
  double eps, *first, *second; /* of each band: n of each */
} Job;

static long pieces_of(long n, long size) {
  return (n + size - 1) / size;
}

static long grain(Rows m) {
  return PIECE / (m.n + 1) + 1;
}

/* ---- sums of a band and strip, of which `rows` and `width` are left ---- */

typedef struct Patch {
  const real *x, *g, *mean, *rstd; /* at its first element; its first row or column */
  long rows, width, stride, g_stride;
} Patch;

INLINE void add_rows(const Patch *p, const real *x, long s, double *sum) {
  long row = 0;
  for (; row + 4 <= p->rows; row += 4, x += 4 * s)
    for (long i = 0; i < p->width; i++) sum[i] += (double)((x[i] + x[i + s]) + (x[i + 2 * s] + x[i + 3 * s]));
  for (; row < p->rows; row++, x += s)
    for (long i = 0; i < p->width; i++) sum[i] += (double)x[i];
}

INLINE real squared(real x) {
  return x * x;
}

INLINE void add_squares(const Patch *p, const real *mean, double *sum) {
  const real *x = p->x;
  long row = 0, s = p->stride;
  for (; row + 4 <= p->rows; row += 4, x += 4 * s)
    for (long i = 0; i < p->width; i++)
      sum[i] += (double)((squared(x[i] - mean[i]) + squared(x[i + s] - mean[i])) +
                         (squared(x[i + 2 * s] - mean[i]) + squared(x[i + 3 * s] - mean[i])));
  for (; row < p->rows; row++, x += s)
    for (long i = 0; i < p->width; i++) sum[i] += (double)squared(x[i] - mean[i]);
}

/* Sums of g (x - mean): rstd is a factor of the column. */
INLINE void add_products(const Patch *p, double *sum) {
  const real *x = p->x, *g = p->g, *mean = p->mean;
  long row = 0, s = p->stride, t = p->g_stride;
  for (; row + 4 <= p->rows; row += 4, x += 4 * s, g += 4 * t)
    for (long i = 0; i < p->width; i++)
      sum[i] += (double)((g[i] * (x[i] - mean[i]) + g[i + t] * (x[i + s] - mean[i])) +
                         (g[i + 2 * t] * (x[i + 2 * s] - mean[i]) + g[i + 3 * t] * (x[i + 3 * s] - mean[i])));
  for (; row < p->rows; row++, x += s, g += t)
    for (long i = 0; i < p->width; i++) sum[i] += (double)(g[i] * (x[i] - mean[i]));
}

/* Sums of g xhat with statistics of rows. */
INLINE void add_products_of_rows(const Patch *p, double *sum) {
  for (long row = 0; row < p->rows; row++) {
    const real *x = p->x + row * p->stride, *g = p->g + row * p->stride;
    real mean = p->mean[row], rstd = p->rstd[row];
    for (long i = 0; i < p->width; i++) sum[i] += (double)(g[i] * ((x[i] - mean) * rstd));
  }
}

INLINE Patch patch_of(const Job *j, long band, long column) {
  long row = band * BAND, rows = j->m.rows - row, width = j->m.n - column, at = row * j->m.n + column;
  Patch p = {.x = j->x->x + at, .rows = rows < BAND ? rows : BAND, .width = width < STRIP ? width : STRIP, .stride = j->m.n};
  if (!j->g) return p;
  p.g = j->g + at;
  p.g_stride = j->m.n;
  p.mean = j->x->mean + (j->x->of_rows ? row : column);
  p.rstd = j->x->rstd + (j->x->of_rows ? row : column);
  return p;
}

/* ---- sums along a row ---- */

typedef struct Line {
  const real *x, *g, *mean, *rstd; /* statistics of this row, or of the columns */
  const real *weight;              /* of columns, or NULL */
} Line;

INLINE real value(const Line *l, long i) {
  return l->x[i];
}

INLINE real squared_deviation(const Line *l, long i) {
  return squared(l->x[i] - *l->mean);
}

INLINE real gradient(const Line *l, long i) {
  return l->g[i];
}

INLINE real product_of_row(const Line *l, long i) {
  return l->g[i] * ((l->x[i] - *l->mean) * *l->rstd);
}

INLINE real product_of_columns(const Line *l, long i) {
  return l->g[i] * ((l->x[i] - l->mean[i]) * l->rstd[i]);
}

INLINE real weighted(const Line *l, long i) {
  return l->weight ? l->g[i] * l->weight[i] : l->g[i];
}

INLINE real weighted_product(const Line *l, long i) {
  return weighted(l, i) * ((l->x[i] - *l->mean) * *l->rstd);
}

/* Lanes add at most CHUNK elements before they are joined in double. */
INLINE double sum_of(real (*term)(const Line *l, long i), const Line *l, long n) {
  double sum = 0;
  for (long from = 0; from < n; from += CHUNK) {
    real lane[LANES] = {0};
    long i = from, to = from + CHUNK < n ? from + CHUNK : n;
    for (; i + LANES <= to; i += LANES)
      for (long k = 0; k < LANES; k++) lane[k] += term(l, i + k);
    for (long k = 0; i + k < to; k++) lane[k] += term(l, i + k);
    for (long half = LANES / 2; half; half /= 2)
      for (long k = 0; k < half; k++) lane[k] += lane[k + half];
    sum += (double)lane[0];
  }
  return sum;
}

/* ---- moments ---- */

/* Of each band the mean and the sum of squared deviations from it, while the band is in the cache. */
static KERNEL(moments_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  long strips = pieces_of(j->m.n, STRIP);
  for (long piece = from; piece < to; piece++) {
    long band = piece / strips, column = piece % strips * STRIP;
    Patch p = patch_of(j, band, column);
    double sum[STRIP] = {0}, square[STRIP] = {0};
    real mean[STRIP];
    add_rows(&p, p.x, p.stride, sum);
    for (long i = 0; i < p.width; i++) mean[i] = (real)(sum[i] / (double)p.rows);
    add_squares(&p, mean, square);
    for (long i = 0; i < p.width; i++) {
      double off = sum[i] / (double)p.rows - (double)mean[i]; /* what rounding the mean has added */
      square[i] -= (double)p.rows * off * off;
      sum[i] /= (double)p.rows;
    }
    memcpy(j->first + band * j->m.n + column, sum, (size_t)p.width * sizeof *sum);
    memcpy(j->second + band * j->m.n + column, square, (size_t)p.width * sizeof *square);
  }
}

static Storage *run_bands(Job *j, void (*body)(void *, long, long)) {
  long bands = pieces_of(j->m.rows, BAND), strips = pieces_of(j->m.n, STRIP);
  Storage *memory = storage_new((size_t)(2 * bands * j->m.n) * sizeof(double));
  if (!memory) return NULL;
  j->first = memory->data;
  j->second = j->first + bands * j->m.n;
  workers_for(bands * strips, PIECE / (BAND * STRIP), body, j);
  return memory;
}

/* Two parts of na and nb elements: M2 = M2a + M2b + (mean_b - mean_a)^2 na nb / (na + nb). Chan, Golub and LeVeque 1983. */
bool column_moments(Rows m, const real *x, double *mean, double *var) {
  Job j = {.m = m, .x = &(Normal){.x = x}};
  Storage *memory = run_bands(&j, moments_pieces);
  if (!memory) return false;
  for (long i = 0; i < m.n; i++) mean[i] = var[i] = 0;
  for (long band = 0; band * BAND < m.rows; band++) {
    double na = (double)(band * BAND), nb = (double)(m.rows - band * BAND < BAND ? m.rows - band * BAND : BAND);
    for (long i = 0; i < m.n; i++) {
      double step = j.first[band * m.n + i] - mean[i];
      var[i] += j.second[band * m.n + i] + step * step * na * nb / (na + nb);
      mean[i] += step * nb / (na + nb);
    }
  }
  for (long i = 0; i < m.n; i++) var[i] /= (double)m.rows;
  storage_drop(memory);
  return true;
}

/* ---- normalising ---- */

INLINE void normalize_column_row(const Job *j, long row) {
  long n = j->m.n;
  const real *x = j->x->x + row * n, *mean = j->x->mean, *scale = j->a, *shift = j->b;
  real *y = j->y + row * n;
  if (shift)
    for (long i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
  else
    for (long i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i];
}

/* A few rows are activated at a time, while they are in the cache. */
static KERNEL(columns_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  long n = j->m.n, few = AT_ONCE / (n + 1) + 1;
  for (long end; from < to; from = end) {
    end = from + few < to ? from + few : to;
    for (long row = from; row < end; row++) normalize_column_row(j, row);
    if (j->then.kind) activate(j->y + from * n, (end - from) * n, j->then);
  }
}

void normalize_columns(Rows m, const real *x, const real *mean, const real *scale, const real *shift, Activation then, real *y) {
  Normal normal = {.x = x, .mean = mean};
  workers_for(m.rows, grain(m), columns_pieces, &(Job){.m = m, .x = &normal, .a = scale, .b = shift, .then = then, .y = y});
}

INLINE void normalize_row(const real *x, long n, real mean, real rstd, const real *weight, const real *bias, real *y) {
  if (weight && bias)
    for (long i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
  else if (weight)
    for (long i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * weight[i];
  else
    for (long i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd + (bias ? bias[i] : 0);
}

static KERNEL(rows_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  long n = j->m.n;
  for (long row = from; row < to; row++) {
    const real *x = j->x->x + row * n;
    real mean = (real)(sum_of(value, &(Line){.x = x}, n) / (double)n);
    double var = sum_of(squared_deviation, &(Line){.x = x, .mean = &mean}, n) / (double)n;
    real rstd = (real)(1 / sqrt(var + j->eps));
    normalize_row(x, n, mean, rstd, j->a, j->b, j->y + row * n);
    j->mean[row] = mean;
    j->rstd[row] = rstd;
  }
}

void normalize_rows(Rows m, const real *x, const real *weight, const real *bias, double eps, real *mean, real *rstd, real *y) {
  Job j = {.m = m, .x = &(Normal){.x = x}, .a = weight, .b = bias, .eps = eps, .mean = mean, .rstd = rstd, .y = y};
  workers_for(m.rows, grain(m), rows_pieces, &j);
}

/* ---- sums for gradients ---- */

/* Writes gradients g of a row, whose first column is `column`, as they are before the activation. */
INLINE void pass_gate(const Normal *x, const real *at, const real *g, long column, long width, real *to) {
  const Gate *gate = x->gate;
  const real *mean = x->mean + column, *scale = gate->scale + column, *shift = gate->shift + column, slope = (real)gate->then.slope;
  if (gate->then.kind == ACTIVATION_RELU)
    for (long i = 0; i < width; i++) to[i] = relu_slope(g[i], (at[i] - mean[i]) * scale[i] + shift[i]);
  else
    for (long i = 0; i < width; i++) to[i] = leaky_relu_slope(g[i], (at[i] - mean[i]) * scale[i] + shift[i], slope);
}

/* The sums of a patch whose gradients pass a gate, some rows (a multiple of four) at a time. */
INLINE void add_gated(const Job *j, const Patch *whole, long column, double *sum, double *dot) {
  real gated[GATED * STRIP];
  for (long row = 0; row < whole->rows; row += GATED) {
    Patch p = *whole;
    p.x += row * p.stride;
    p.rows = p.rows - row < GATED ? p.rows - row : GATED;
    for (long i = 0; i < p.rows; i++)
      pass_gate(j->x, p.x + i * p.stride, whole->g + (row + i) * p.stride, column, p.width, gated + i * STRIP);
    p.g = gated;
    p.g_stride = STRIP;
    add_rows(&p, p.g, STRIP, sum);
    add_products(&p, dot);
  }
}

static KERNEL(sums_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  long strips = pieces_of(j->m.n, STRIP);
  for (long piece = from; piece < to; piece++) {
    long band = piece / strips, column = piece % strips * STRIP;
    Patch p = patch_of(j, band, column);
    double sum[STRIP] = {0}, dot[STRIP] = {0};
    if (j->x->gate) {
      add_gated(j, &p, column, sum, dot);
    } else {
      add_rows(&p, p.g, p.g_stride, sum);
      if (j->x->of_rows)
        add_products_of_rows(&p, dot);
      else
        add_products(&p, dot);
    }
    memcpy(j->first + band * j->m.n + column, sum, (size_t)p.width * sizeof *sum);
    memcpy(j->second + band * j->m.n + column, dot, (size_t)p.width * sizeof *dot);
  }
}

bool column_sums(Rows m, const Normal *x, const real *g, real *sum, real *dot) {
  Job j = {.m = m, .x = x, .g = g};
  Storage *memory = run_bands(&j, sums_pieces);
  if (!memory) return false;
  for (long i = 0; i < m.n; i++) {
    double a = 0, b = 0;
    for (long band = 0; band * BAND < m.rows; band++) a += j.first[band * m.n + i], b += j.second[band * m.n + i];
    sum[i] = (real)a;
    dot[i] = (real)(x->of_rows ? b : b * (double)x->rstd[i]);
  }
  storage_drop(memory);
  return true;
}

static KERNEL(row_sums_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  long n = j->m.n;
  for (long row = from; row < to; row++) {
    Line line = {.x = j->x->x + row * n, .g = j->g + row * n, .mean = j->x->mean, .rstd = j->x->rstd};
    if (j->x->of_rows) line.mean += row, line.rstd += row;
    j->mean[row] = (real)sum_of(gradient, &line, n);
    j->rstd[row] = (real)(j->x->of_rows ? sum_of(product_of_row, &line, n) : sum_of(product_of_columns, &line, n));
  }
}

void row_sums(Rows m, const Normal *x, const real *g, real *sum, real *dot) {
  workers_for(m.rows, grain(m), row_sums_pieces, &(Job){.m = m, .x = x, .g = g, .mean = sum, .rstd = dot});
}

/* ---- the gradient ---- */

INLINE void back_of_columns(const Job *j, long row, real share) {
  const real *mean = j->x->mean, *rstd = j->x->rstd, *scale = j->a, *sum = j->b, *dot = j->c;
  real gated[CHUNK];
  for (long from = 0; from < j->m.n; from += CHUNK) {
    long n = j->m.n - from < CHUNK ? j->m.n - from : CHUNK, at = row * j->m.n + from;
    const real *x = j->x->x + at, *g = j->g + at;
    real *dx = j->y + at;
    if (j->x->gate) pass_gate(j->x, x, g, from, n, gated), g = gated;
    for (long i = 0; i < n; i++) {
      long c = from + i;
      dx[i] = scale[c] * (g[i] - share * (sum[c] + (x[i] - mean[c]) * rstd[c] * dot[c]));
    }
  }
}

INLINE void back_of_rows(const Job *j, long row, real share) {
  long n = j->m.n;
  const real *x = j->x->x + row * n, *g = j->g + row * n;
  real *dx = j->y + row * n, mean = j->x->mean[row], scale = j->a[row], sum = share * j->b[row];
  real slope = share * j->x->rstd[row] * j->c[row];
  for (long i = 0; i < n; i++) dx[i] = scale * (g[i] - sum - (x[i] - mean) * slope);
}

static KERNEL(back_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  real share = (real)(1 / (double)(j->x->of_rows ? j->m.n : j->m.rows));
  for (long row = from; row < to; row++)
    if (j->x->of_rows)
      back_of_rows(j, row, share);
    else
      back_of_columns(j, row, share);
}

void normalize_back(Rows m, const Normal *x, const real *g, const real *scale, const real *sum, const real *dot, real *dx) {
  workers_for(m.rows, grain(m), back_pieces, &(Job){.m = m, .x = x, .g = g, .a = scale, .b = sum, .c = dot, .y = dx});
}

/* ---- all gradients with statistics of rows, reading x and g once ---- */

INLINE void slope_of_row(const Job *j, long row, const real *weight) {
  long n = j->m.n;
  const real mean = j->x->mean[row], rstd = j->x->rstd[row];
  const Line line = {j->x->x + row * n, j->g + row * n, &mean, &rstd, weight};
  const real sum = (real)(sum_of(weighted, &line, n) / (double)n);
  const real dot = (real)(sum_of(weighted_product, &line, n) / (double)n);
  real *dx = j->y + row * n;
  for (long i = 0; i < n; i++) dx[i] = rstd * (weighted(&line, i) - sum - (line.x[i] - mean) * rstd * dot);
}

INLINE void slopes_of_rows(const Job *j, long from, long to) {
  for (long row = from; row < to; row++)
    if (j->a)
      slope_of_row(j, row, j->a);
    else
      slope_of_row(j, row, NULL);
}

static KERNEL(slope_pieces, (void *job, long from, long to), (job, from, to)) {
  slopes_of_rows(job, from, to);
}

void normalize_rows_input(Rows m, const Normal *x, const real *g, const real *weight, real *dx) {
  workers_for(m.rows, grain(m), slope_pieces, &(Job){.m = m, .x = x, .g = g, .a = weight, .y = dx});
}

/* Adds a row, or four of them, to the sums of g and g xhat. */
INLINE void add_rows_to(const Job *j, long row, const int rows, double *sum, double *dot) {
  const real *mean = j->x->mean + row, *rstd = j->x->rstd + row;
  const long n = j->m.n, last = rows - 1;
  const real *x = j->x->x + row * n, *g = j->g + row * n;
  for (long i = 0; i < n; i++) {
    real a = g[i], b = g[i] * ((x[i] - mean[0]) * rstd[0]);
    for (long r = 1; r <= last; r++) a += g[r * n + i], b += g[r * n + i] * ((x[r * n + i] - mean[r]) * rstd[r]);
    sum[i] += (double)a;
    dot[i] += (double)b;
  }
}

static KERNEL(slab_pieces, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  for (long slab = from; slab < to; slab++) {
    double *sum = j->first + slab * j->m.n, *dot = j->second + slab * j->m.n;
    for (long i = 0; i < j->m.n; i++) sum[i] = dot[i] = 0;
    long row = slab * SLAB, end = row + SLAB < j->m.rows ? row + SLAB : j->m.rows;
    for (; row + 4 <= end; row += 4) {
      slopes_of_rows(j, row, row + 4);
      add_rows_to(j, row, 4, sum, dot);
    }
    for (; row < end; row++) {
      slopes_of_rows(j, row, row + 1);
      add_rows_to(j, row, 1, sum, dot);
    }
  }
}

bool normalize_rows_back(Rows m, const Normal *x, const real *g, const real *weight, real *dx, real *sum, real *dot) {
  long slabs = pieces_of(m.rows, SLAB);
  Storage *memory = storage_new((size_t)(2 * slabs * m.n) * sizeof(double));
  if (!memory) return false;
  double *first = memory->data, *second = first + slabs * m.n;
  workers_for(slabs, 1, slab_pieces, &(Job){.m = m, .x = x, .g = g, .a = weight, .y = dx, .first = first, .second = second});
  for (long slab = 1; slab < slabs; slab++)
    for (long i = 0; i < m.n; i++) first[i] += first[slab * m.n + i], second[i] += second[slab * m.n + i];
  for (long i = 0; i < m.n; i++) {
    sum[i] = slabs ? (real)first[i] : 0;
    dot[i] = slabs ? (real)second[i] : 0;
  }
  storage_drop(memory);
  return true;
}
