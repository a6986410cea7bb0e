/* Windows are walked pixel by pixel with all channels at once. Workers take rows of the result. */
#include "pool.h"

#include <string.h>

#include "kernel.h"

enum { PIECE = 16384 };

typedef struct Job {
  const Pool *p;
  const real *x;
  real *y, *places;
  real share; /* of one pixel in a mean */
} Job;

typedef struct Span {
  long from, to;
} Span;

/* The rows (axis 0) or columns (1) of the image under window i. */
static Span covered(const Pool *p, int axis, long i) {
  long from = i * p->stride[axis] - p->padding[axis], to = from + p->kernel[axis];
  return (Span){from < 0 ? 0 : from, to < p->image[axis] ? to : p->image[axis]};
}

/* The windows over row or column i of the image. */
static Span covering(const Pool *p, int axis, long i) {
  long last = (i + p->padding[axis]) / p->stride[axis], before = i + p->padding[axis] - p->kernel[axis];
  return (Span){before < 0 ? 0 : before / p->stride[axis] + 1, last < p->map[axis] ? last + 1 : p->map[axis]};
}

static void over_rows(void (*body)(void *, long, long), Job *job, long rows, long columns) {
  long work = columns * job->p->channels * job->p->kernel[0] * job->p->kernel[1];
  workers_for(job->p->n * rows, PIECE / (work + 1) + 1, body, job);
}

/* ---- the largest ---- */

INLINE void take_larger(real *best, real *places, const real *x, real place, long channels) {
  if (places)
    for (long c = 0; c < channels; c++) places[c] = x[c] > best[c] || x[c] != x[c] ? place : places[c]; /* NaN wins */
  for (long c = 0; c < channels; c++) best[c] = x[c] > best[c] || x[c] != x[c] ? x[c] : best[c];
}

INLINE void largest_of(const Pool *p, const real *image, Span rows, Span columns, real *best, real *places) {
  const long n = p->channels;
  memcpy(best, image + (rows.from * p->image[1] + columns.from) * n, (size_t)n * sizeof *best);
  for (long c = 0; places && c < n; c++) places[c] = (real)(rows.from * p->image[1] + columns.from + 1);
  for (long y = rows.from; y < rows.to; y++)
    for (long x = columns.from; x < columns.to; x++) {
      long pixel = y * p->image[1] + x;
      take_larger(best, places, image + pixel * n, (real)(pixel + 1), n);
    }
}

/* The same of two by two pixels, which most windows have: all four at once. */
INLINE void largest_of_four(const Pool *p, const real *image, long y, long x, real *best, real *places) {
  const long n = p->channels, pixel = y * p->image[1] + x, below = pixel + p->image[1];
  const long at[4] = {pixel, pixel + 1, below, below + 1};
  for (long c = 0; c < n; c++) {
    real most = image[pixel * n + c], place = (real)(pixel + 1);
    for (int i = 0; i < 4; i++) {
      const real other = image[at[i] * n + c];
      const bool larger = other > most || other != other;
      most = larger ? other : most;
      place = larger ? (real)(at[i] + 1) : place;
    }
    best[c] = most;
    if (places) places[c] = place;
  }
}

static KERNEL(largest_rows, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Pool *p = j->p;
  for (long row = from; row < to; row++) {
    const real *image = j->x + row / p->map[0] * p->image[0] * p->image[1] * p->channels;
    Span rows = covered(p, 0, row % p->map[0]);
    for (long i = 0; i < p->map[1]; i++) {
      const Span columns = covered(p, 1, i);
      long at = (row * p->map[1] + i) * p->channels;
      real *places = j->places ? j->places + at : NULL;
      if (rows.to - rows.from == 2 && columns.to - columns.from == 2)
        largest_of_four(p, image, rows.from, columns.from, j->y + at, places);
      else
        largest_of(p, image, rows, columns, j->y + at, places);
    }
  }
}

void pool_largest(const Pool *p, const real *x, real *y, real *places) {
  over_rows(largest_rows, &(Job){.p = p, .x = x, .y = y, .places = places}, p->map[0], p->map[1]);
}

/* Adds a row of the map's gradient to row y of the image: to each pixel what the windows that chose it have. If each pixel
 * under them is `alone` under its window, it is set. */
INLINE void give_to_chosen(const Pool *p, const bool alone, const real *grad, const real *places, long y, real *image) {
  for (long i = 0; i < p->map[1]; i++, grad += p->channels, places += p->channels) {
    Span columns = covered(p, 1, i);
    for (long x = columns.from; x < columns.to; x++) {
      const real place = (real)(y * p->image[1] + x + 1);
      real *pixel = image + x * p->channels;
      for (long c = 0; c < p->channels; c++) pixel[c] = (alone ? 0 : pixel[c]) + (places[c] == place ? grad[c] : 0);
    }
  }
}

static KERNEL(largest_back_rows, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Pool *p = j->p;
  long image_row = p->image[1] * p->channels, map_row = p->map[1] * p->channels;
  bool alone = true; /* windows side by side */
  for (int i = 0; i < 2; i++) alone = alone && p->stride[i] == p->kernel[i] && !p->padding[i];
  for (long row = from; row < to; row++) {
    long n = row / p->image[0], y = row % p->image[0];
    Span windows = covering(p, 0, y);
    const long set = alone && windows.from < windows.to ? p->map[1] * p->kernel[1] * p->channels : 0;
    real *to = j->y + row * image_row;
    memset(to + set, 0, (size_t)(image_row - set) * sizeof(real));
    for (long i = windows.from; i < windows.to; i++) {
      long at = (n * p->map[0] + i) * map_row;
      if (alone)
        give_to_chosen(p, true, j->x + at, j->places + at, y, to);
      else
        give_to_chosen(p, false, j->x + at, j->places + at, y, to);
    }
  }
}

void pool_largest_back(const Pool *p, const real *grad, real *places, real *dx) {
  over_rows(largest_back_rows, &(Job){.p = p, .x = grad, .y = dx, .places = places}, p->image[0], p->map[1]);
}

/* ---- the mean ---- */

INLINE void mean_of(const Pool *p, const real *image, Span rows, Span columns, real share, real *sum) {
  memset(sum, 0, (size_t)p->channels * sizeof *sum);
  for (long y = rows.from; y < rows.to; y++)
    for (long x = columns.from; x < columns.to; x++) {
      const real *pixel = image + (y * p->image[1] + x) * p->channels;
      for (long c = 0; c < p->channels; c++) sum[c] += pixel[c];
    }
  for (long c = 0; c < p->channels; c++) sum[c] *= share;
}

static KERNEL(mean_rows, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Pool *p = j->p;
  for (long row = from; row < to; row++) {
    const real *image = j->x + row / p->map[0] * p->image[0] * p->image[1] * p->channels;
    Span rows = covered(p, 0, row % p->map[0]);
    for (long i = 0; i < p->map[1]; i++)
      mean_of(p, image, rows, covered(p, 1, i), j->share, j->y + (row * p->map[1] + i) * p->channels);
  }
}

static real share_of(const Pool *p) {
  return (real)(1 / ((double)p->kernel[0] * (double)p->kernel[1]));
}

void pool_mean(const Pool *p, const real *x, real *y) {
  over_rows(mean_rows, &(Job){.p = p, .x = x, .y = y, .share = share_of(p)}, p->map[0], p->map[1]);
}

/* Adds a row of the map's gradient to the row of the image under it. */
INLINE void give_back(const Pool *p, const real *grad, real share, real *image) {
  for (long i = 0; i < p->map[1]; i++, grad += p->channels) {
    Span columns = covered(p, 1, i);
    for (long x = columns.from; x < columns.to; x++)
      for (long c = 0; c < p->channels; c++) image[x * p->channels + c] += share * grad[c];
  }
}

static KERNEL(mean_back_rows, (void *job, long from, long to), (job, from, to)) {
  const Job *j = job;
  const Pool *p = j->p;
  long image_row = p->image[1] * p->channels, map_row = p->map[1] * p->channels;
  for (long row = from; row < to; row++) {
    Span windows = covering(p, 0, row % p->image[0]);
    const real *map = j->x + row / p->image[0] * p->map[0] * map_row;
    memset(j->y + row * image_row, 0, (size_t)image_row * sizeof(real));
    for (long i = windows.from; i < windows.to; i++) give_back(p, map + i * map_row, j->share, j->y + row * image_row);
  }
}

void pool_mean_back(const Pool *p, const real *grad, real *dx) {
  over_rows(mean_back_rows, &(Job){.p = p, .x = grad, .y = dx, .share = share_of(p)}, p->image[0], p->map[1]);
}
