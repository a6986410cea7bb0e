/* Indirect convolution (Dukhan 2019, arXiv 1907.02129): the product's rows are pointers into the pictures, and where
 * the kernel reaches outside of them, to zeros. */
#include "gather.h"

#include <string.h>

#include "margins.h"
#include "product.h"
#include "winograd.h"

enum { FEW = 24 }; /* channels: with so few, a run of one tap is too short, and copying pictures with their margins is cheap */

/* The columns of a picture that the kernel reads, less those that it has. */
static void reach(const Gather *g, long *left, long *right) {
  long last = (g->grid[1] - 1) * g->step[1] + g->first[1] + (g->taps[1] - 1) * g->tap_step[1];
  *left = g->first[1] < 0 ? -g->first[1] : 0;
  *right = last >= g->size[1] ? last + 1 - g->size[1] : 0;
}

static Tensor *with_margins(Gather *g, long left, long right) {
  long c = g->channels;
  Tensor *wide = margins_new(g->picture, g->n * g->size[0], g->size[1] * c, left * c, right * c);
  if (!wide) return NULL;
  g->picture = wide->data;
  g->size[1] += left + right;
  g->first[1] += left;
  return wide;
}

/* ---- pointers ---- */

typedef struct Indirect {
  const Gather *g;
  bool merged; /* the taps of a kernel row lie side by side: they are one run */
  const real *zeros;
} Indirect;

/* Pixels side by side in a row of results, the first of whose kernels begins at y, x of `picture`. */
typedef struct Strip {
  const real *picture;
  long y, x, pixels;
} Strip;

/* One tap of a strip. */
static void locate_tap(const Indirect *d, const Strip *s, long u, long v, const real **a) {
  const Gather *g = d->g;
  long h = s->y + u * g->tap_step[0], w = s->x + v * g->tap_step[1], step = g->step[1], width = g->size[1];
  const real *zeros = d->zeros, *picture = s->picture;
  if (h < 0 || h >= g->size[0]) {
    for (long i = 0; i < s->pixels; i++) a[i] = zeros;
    return;
  }
  long at = (h * width + w) * g->channels, across = step * g->channels;
  if (d->merged || (w >= 0 && w + (s->pixels - 1) * step < width)) {
    for (long i = 0; i < s->pixels; i++, at += across) a[i] = picture + at;
    return;
  }
  for (long i = 0; i < s->pixels; i++, at += across, w += step) a[i] = w >= 0 && w < width ? picture + at : zeros;
}

static void locate_strip(const Indirect *d, const Strip *s, long tap, long taps, const real **a, int rows) {
  long across = d->merged ? 1 : d->g->taps[1], u = tap / across, v = tap % across;
  for (long t = 0; t < taps; t++, a += rows) {
    locate_tap(d, s, u, v, a);
    if (++v == across) v = 0, u++;
  }
}

static void locate(const void *job, long row, int rows, long tap, long taps, const real **a, real **out) {
  const Indirect *d = job;
  const Gather *g = d->g;
  long line = row / g->grid[1], n = line / g->grid[0], i = line % g->grid[0], j = row % g->grid[1];
  for (long r = 0; r < rows;) {
    Strip s = {.picture = g->picture + n * g->size[0] * g->size[1] * g->channels,
               .y = i * g->step[0] + g->first[0],
               .x = j * g->step[1] + g->first[1],
               .pixels = g->grid[1] - j < rows - r ? g->grid[1] - j : rows - r};
    locate_strip(d, &s, tap, taps, a + r, rows);
    long y = g->out_first[0] + i * g->out_step[0], x = g->out_first[1] + j * g->out_step[1];
    real *to = g->out + ((n * g->out_size[0] + y) * g->out_size[1] + x) * g->columns;
    for (long p = 0; p < s.pixels; p++, r++) out[r] = to + p * g->out_step[1] * g->columns;
    j = 0;
    if (++i == g->grid[0]) i = 0, n++;
  }
}

/* ---- weights ---- */

typedef struct Pack {
  const Gather *g;
  const Panels *panels;
} Pack;

static void pack_taps(void *job, long from, long to) {
  const Pack *p = job;
  const Gather *g = p->g;
  for (long t = from; t < to; t++) {
    const real *weight = g->weight + t / g->taps[1] * g->weight_step[0] + t % g->taps[1] * g->weight_step[1];
    panels_fill(p->panels, t * g->channels, g->channels, weight, g->row_step, g->column_step);
  }
}

KeptKey gather_key(const Gather *g, long kind, long shape) {
  return (KeptKey){{kind, shape, g->keep ? g->weight - (const real *)g->keep->data : 0, g->channels, g->columns, g->taps[0],
                    g->taps[1], g->tap_step[0], g->tap_step[1], g->step[0], g->step[1], g->weight_step[0], g->weight_step[1],
                    g->row_step, g->column_step}};
}

static bool run_indirect(const Gather *g, bool merged) {
  long runs = merged ? g->taps[0] : g->taps[0] * g->taps[1], depth = merged ? g->taps[1] * g->channels : g->channels;
  Panels panels;
  Tensor *zeros = tensor_new(1, &depth);
  KeptKey key = gather_key(g, KEPT_PANELS, depth);
  bool fresh, ok = zeros && panels_kept(&panels, runs * depth, g->columns, depth, g->keep, &key, &fresh);
  if (ok) {
    memset(zeros->data, 0, (size_t)depth * sizeof(real));
    if (fresh) workers_for(g->taps[0] * g->taps[1], 1, pack_taps, &(Pack){g, &panels});
    product_run(&(Product){.rows = g->n * g->grid[0] * g->grid[1],
                           .taps = runs,
                           .depth = depth,
                           .panels = &panels,
                           .bias = g->bias,
                           .then = g->then,
                           .locate = locate,
                           .job = &(Indirect){g, merged, zeros->data}});
    panels_drop(&panels);
  }
  tensor_drop(zeros);
  return ok;
}

bool gather_run(Gather *g) {
  if (winograd_suits_gather(g)) return winograd_gather(g, 1);
  long left, right;
  reach(g, &left, &right);
  bool side_by_side = g->taps[1] == 1 || g->tap_step[1] == 1, outside = left || right;
  if (!side_by_side || !outside || g->taps[1] == 1 || g->channels > FEW) return run_indirect(g, side_by_side && !outside);
  Gather inside = *g;
  Tensor *wide = with_margins(&inside, left, right);
  bool ok = wide && run_indirect(&inside, true);
  tensor_drop(wide);
  return ok;
}
