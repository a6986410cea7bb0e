/* Copying between layouts: transposes, broadcasts, flips and slices are all a walk with other strides. */
#include "strided.h"

#include <string.h>

enum { GRAIN = 16384, TILE = 16 };

typedef struct Walk {
  real *out;
  const real *in;
  int ndim;
  long shape[NN_DIMS], stride[NN_DIMS];
  long out_step, in_step, run; /* of copy_runs */
} Walk;

/* Leaves out dimensions of 1 and joins those that one stride walks through. */
static void simplify(Walk *w, int ndim, const long *shape, const long *stride) {
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 1) continue;
    int last = w->ndim - 1;
    if (w->ndim && w->stride[last] == stride[i] * shape[i]) {
      w->shape[last] *= shape[i];
      w->stride[last] = stride[i];
    } else {
      w->shape[w->ndim] = shape[i];
      w->stride[w->ndim++] = stride[i];
    }
  }
  if (!w->ndim) w->ndim = 1, w->shape[0] = 1, w->stride[0] = 0;
}

static const real *start_of(const Walk *w, long place, int dims) {
  const real *at = w->in;
  for (int d = dims - 1; d >= 0; d--) {
    at += place % w->shape[d] * w->stride[d];
    place /= w->shape[d];
  }
  return at;
}

static void rows(void *job, long from, long to) {
  const Walk *w = job;
  long n = w->shape[w->ndim - 1], stride = w->stride[w->ndim - 1];
  for (long row = from; row < to; row++) {
    const real *in = start_of(w, row, w->ndim - 1);
    real *out = w->out + row * n;
    if (stride == 1)
      memcpy(out, in, (size_t)n * sizeof(real));
    else if (!stride)
      for (long i = 0; i < n; i++) out[i] = *in;
    else
      for (long i = 0; i < n; i++) out[i] = in[i * stride];
  }
}

/* A matrix whose columns are contiguous in `in`: by tiles, so that both sides are read and written in lines. */
static void transpose_tile(const real *in, long column, real *out, long row, long m, long n) {
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) out[i * row + j] = in[i + j * column];
}

static void transposed(void *job, long from, long to) {
  const Walk *w = job;
  int d = w->ndim - 2;
  long m = w->shape[d], n = w->shape[d + 1], bands = (m + TILE - 1) / TILE, column = w->stride[d + 1];
  for (long i = from; i < to; i++) {
    long matrix = i / bands, row = i % bands * TILE, height = m - row < TILE ? m - row : TILE;
    const real *in = start_of(w, matrix, d) + row;
    real *out = w->out + (matrix * m + row) * n;
    for (long j = 0; j < n; j += TILE) transpose_tile(in + j * column, column, out + j, n, height, n - j < TILE ? n - j : TILE);
  }
}

void copy_strided(real *out, int ndim, const long *shape, const real *in, const long *stride) {
  Walk w = {.out = out, .in = in};
  long n = 1;
  for (int i = 0; i < ndim; i++) n *= shape[i];
  if (!n) return;
  simplify(&w, ndim, shape, stride);
  long last = w.shape[w.ndim - 1];
  if (w.ndim > 1 && w.stride[w.ndim - 2] == 1 && w.stride[w.ndim - 1] > 1) {
    long bands = (w.shape[w.ndim - 2] + TILE - 1) / TILE;
    workers_for(n / (w.shape[w.ndim - 2] * last) * bands, GRAIN / (TILE * last) + 1, transposed, &w);
  } else {
    workers_for(n / last, GRAIN / last + 1, rows, &w);
  }
}

static void runs(void *job, long from, long to) {
  const Walk *w = job;
  for (long i = from; i < to; i++) memcpy(w->out + i * w->out_step, w->in + i * w->in_step, (size_t)w->run * sizeof(real));
}

void copy_runs(real *out, long out_step, const real *in, long in_step, long n, long run) {
  if (!run) return;
  Walk w = {.out = out, .in = in, .out_step = out_step, .in_step = in_step, .run = run};
  workers_for(n, GRAIN / run + 1, runs, &w);
}
