/* Workers take rows of what is written; all channels of a pixel are mixed at once. */
#include "resample.h"

#include <string.h>

#include "kernel.h"

enum { PIECE = 16384 };

typedef struct Job {
  const Resample *r;
  const real *x;
  real *y;
} Job;

/* One row of the result from the rows `low` and `high` of the original. */
INLINE void mix_row(const Resample *r, const real *low, const real *high, real part, real *out) {
  long n = r->channels;
  for (long i = 0; i < r->to[1]; i++, out += n) {
    Mix m = r->mix[1][i];
    const real *a = low + m.low * n, *b = low + m.high * n, *c = high + m.low * n, *d = high + m.high * n;
    real wa = (1 - part) * (1 - m.part), wb = (1 - part) * m.part, wc = part * (1 - m.part), wd = part * m.part;
    for (long k = 0; k < n; k++) out[k] = wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
  }
}

INLINE void copy_row(const Resample *r, const real *row, real *out) {
  long n = r->channels;
  for (long i = 0; i < r->to[1]; i++)
    for (long k = 0; k < n; k++) out[i * n + k] = row[r->mix[1][i].low * n + k];
}

static bool mixes(const Mix *m, long n) {
  for (long i = 0; i < n; i++)
    if (m[i].part != 0) return true;
  return false;
}

static KERNEL(rows_to, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Resample *r = j->r;
  long width = r->from[1] * r->channels;
  bool columns_mix = mixes(r->mix[1], r->to[1]);
  for (long row = from; row < to; row++) {
    const real *image = j->x + row / r->to[0] * r->from[0] * width;
    Mix m = r->mix[0][row % r->to[0]];
    real *out = j->y + row * r->to[1] * r->channels;
    if (columns_mix || m.part != 0)
      mix_row(r, image + m.low * width, image + m.high * width, m.part, out);
    else
      copy_row(r, image + m.low * width, out);
  }
}

void resample(const Resample *r, const real *x, real *y) {
  workers_for(r->n * r->to[0], PIECE / (r->to[1] * r->channels + 1) + 1, rows_to, &(Job){r, x, y});
}

/* Adds a row of the gradient, weighted, to the row that it was mixed from. */
INLINE void give_back(const Resample *r, const real *grad, real weight, real *out) {
  long n = r->channels;
  for (long i = 0; i < r->to[1]; i++, grad += n) {
    Mix m = r->mix[1][i];
    real *low = out + m.low * n, *high = out + m.high * n, part = weight * m.part, rest = weight - part;
    for (long k = 0; k < n; k++) low[k] += rest * grad[k];
    if (m.part != 0)
      for (long k = 0; k < n; k++) high[k] += part * grad[k];
  }
}

static KERNEL(rows_from, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Resample *r = j->r;
  long width = r->to[1] * r->channels, size = r->from[1] * r->channels;
  for (long row = from; row < to; row++) {
    const real *grad = j->x + row / r->from[0] * r->to[0] * width;
    real *out = j->y + row * size;
    memset(out, 0, (size_t)size * sizeof *out);
    for (long i = 0; i < r->to[0]; i++) {
      Mix m = r->mix[0][i];
      real weight = (m.low == row % r->from[0] ? 1 - m.part : 0) + (m.high == row % r->from[0] ? m.part : 0);
      if (weight != 0) give_back(r, grad + i * width, weight, out);
    }
  }
}

void resample_back(const Resample *r, const real *grad, real *dx) {
  long work = (r->to[0] / (r->from[0] + 1) + 1) * r->to[1] * r->channels;
  workers_for(r->n * r->from[0], PIECE / (work + 1) + 1, rows_from, &(Job){r, grad, dx});
}
