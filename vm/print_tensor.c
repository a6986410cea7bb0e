/* Tensors as aligned columns: four digits, a common power of ten when numbers are very large or small, "..." in the middle
 * of what is long. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

enum { WIDTH = 78, ROWS = 12, BLOCKS = 6 };

typedef struct Format {
  const Tensor *t;
  FILE *out;
  long rows, columns, blocks;                   /* of the last two dimensions, and of those before */
  long shown_rows, shown_columns, shown_blocks; /* half of them from the beginning, half from the end */
  double scale;                                 /* numbers are divided by it */
  int exponent, decimals, width;
} Format;

/* Place k of `shown` among n: the first half counts from the beginning, the second from the end. */
static long place(long k, long shown, long n) {
  return k < (shown + 1) / 2 ? k : n - shown + k;
}

static bool gap_before(long k, long shown, long n) {
  return shown < n && k == (shown + 1) / 2;
}

static double element(const Format *f, long block, long row, long column) {
  return (double)f->t->data[(place(block, f->shown_blocks, f->blocks) * f->rows + place(row, f->shown_rows, f->rows)) * f->columns +
                            place(column, f->shown_columns, f->columns)];
}

static int number_text(const Format *f, double x, char *text, size_t size) {
  if (!isfinite(x)) return snprintf(text, size, isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
  return snprintf(text, size, "%.*f", f->decimals, x / f->scale);
}

typedef struct Range {
  double most; /* largest absolute value */
  bool whole;
} Range;

static Range range_of(const Format *f) {
  Range r = {0, true};
  for (long b = 0; b < f->shown_blocks; b++)
    for (long i = 0; i < f->shown_rows; i++)
      for (long j = 0; j < f->shown_columns; j++) {
        double x = element(f, b, i, j);
        if (!isfinite(x)) continue;
        if (x != floor(x)) r.whole = false;
        if (fabs(x) > r.most) r.most = fabs(x);
      }
  return r;
}

static void choose_digits(Format *f) {
  Range r = range_of(f);
  f->scale = 1;
  f->exponent = 0;
  f->decimals = 0;
  if (r.whole && r.most < 1e7) return;
  int power = r.most > 0 ? (int)floor(log10(r.most)) : 0;
  f->decimals = 3;
  if (power < -3 || power > 5) {
    f->exponent = power;
    f->scale = pow(10, power);
  } else {
    f->decimals = power < 3 ? 3 - power : 1;
  }
}

static void choose_width(Format *f) {
  char text[400];
  f->width = 0;
  for (long b = 0; b < f->shown_blocks; b++)
    for (long i = 0; i < f->shown_rows; i++)
      for (long j = 0; j < f->shown_columns; j++) {
        int n = number_text(f, element(f, b, i, j), text, sizeof text);
        if (n > f->width) f->width = n;
      }
}

/* Columns depend on the width of numbers, and that on which are shown: begin with few, then take what fits. */
static void choose(Format *f) {
  f->shown_blocks = f->blocks > BLOCKS ? BLOCKS : f->blocks;
  long rows = f->shown_blocks > 1 ? ROWS - 4 : ROWS;
  f->shown_rows = f->rows > rows ? rows : f->rows;
  f->shown_columns = f->columns > 24 ? 24 : f->columns;
  choose_digits(f);
  choose_width(f);
  long fit = WIDTH / (f->width + 2);
  if (fit < 2) fit = 2;
  if (f->shown_columns <= fit && f->shown_columns == f->columns) return;
  f->shown_columns = fit > 2 ? fit - 1 : fit;
  if (f->shown_columns > f->columns) f->shown_columns = f->columns;
  choose_digits(f);
  choose_width(f);
}

static void print_row(const Format *f, long block, long row) {
  char text[400];
  for (long j = 0; j < f->shown_columns; j++) {
    if (gap_before(j, f->shown_columns, f->columns)) fprintf(f->out, "  ...");
    number_text(f, element(f, block, row, j), text, sizeof text);
    fprintf(f->out, "  %*s", f->width, text);
  }
}

/* "[2,1]": where the block stands in the dimensions before the last two */
static void print_label(const Format *f, long block) {
  long at[NN_DIMS], rest = place(block, f->shown_blocks, f->blocks);
  for (int i = f->t->ndim - 3; i >= 0; i--) {
    at[i] = rest % f->t->shape[i];
    rest /= f->t->shape[i];
  }
  for (int i = 0; i < f->t->ndim - 2; i++) fprintf(f->out, i ? ",%ld" : "\n[%ld", at[i] + 1);
  fprintf(f->out, "]");
}

static void print_blocks(const Format *f) {
  for (long b = 0; b < f->shown_blocks; b++) {
    if (gap_before(b, f->shown_blocks, f->blocks)) fprintf(f->out, "\n...");
    if (f->t->ndim > 2) print_label(f, b);
    for (long i = 0; i < f->shown_rows; i++) {
      if (gap_before(i, f->shown_rows, f->rows)) fprintf(f->out, "\n  %*s", f->width, "...");
      fprintf(f->out, "\n");
      print_row(f, b, i);
    }
  }
}

void print_number(FILE *out, double x) {
  if (isnan(x))
    fprintf(out, "nan");
  else
    fprintf(out, "%.6g", x);
}

void print_tensor(FILE *out, const Tensor *t) {
  if (!t->ndim && t->data) {
    print_number(out, (double)t->data[0]);
    return;
  }
  fprintf(out, "tensor %s", tensor_shape_text(t));
  if (tensor_requires_grad(t)) fprintf(out, tensor_is_leaf(t) ? ", requires grad" : ", part of a graph");
  if (!t->data) fprintf(out, ", its memory was freed");
  if (!t->data || !tensor_numel(t)) return;
  Format f = {.t = t, .out = out, .columns = t->shape[t->ndim - 1], .rows = t->ndim > 1 ? t->shape[t->ndim - 2] : 1};
  f.blocks = tensor_numel(t) / (f.rows * f.columns);
  choose(&f);
  if (f.exponent) fprintf(out, ", times 1e%d", f.exponent);
  print_blocks(&f);
}
