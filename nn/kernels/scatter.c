/* Patches = map weightT, then each patch is added into the image where its kernel stood. */
#include "scatter.h"

#include <string.h>

#include "activate.h"

#include "product.h"

enum { ROWS = 56 }; /* of a product, at least: so many samples are taken together */

typedef struct Scatter {
  const Conv *v;
  const real *map, *bias;
  real *image, *patches; /* patches: room for each thread */
  const Panels *weight;
  long pixels, samples, room; /* pixels of a map, samples at a time, numbers of a patch with its margin */
} Scatter;

/* Adds row i of the kernel, of the patch at map column x, into the image's line. */
static void add_run(const Conv *v, const real *patch, long x, real *line) {
  long left = x * v->stride[1] - v->padding[1], d = v->dilation[1], c = v->c;
  if (d == 1) {
    long from = left < 0 ? -left : 0, until = v->image[1] - left < v->kernel[1] ? v->image[1] - left : v->kernel[1];
    real *to = line + left * c;
    for (long k = from * c; k < until * c; k++) to[k] += patch[k];
    return;
  }
  for (long j = 0; j < v->kernel[1]; j++) {
    long w = left + j * d;
    if (w < 0 || w >= v->image[1]) continue;
    for (long k = 0; k < c; k++) line[w * c + k] += patch[j * c + k];
  }
}

static void add_patches(const Scatter *s, const real *patches, real *image) {
  const Conv *v = s->v;
  long pixels = v->image[0] * v->image[1], run = v->kernel[1] * v->c;
  if (s->bias)
    for (long p = 0; p < pixels; p++) memcpy(image + p * v->c, s->bias, (size_t)v->c * sizeof(real));
  else
    memset(image, 0, (size_t)(pixels * v->c) * sizeof(real));
  for (long y = 0; y < v->map[0]; y++)
    for (long i = 0; i < v->kernel[0]; i++) {
      long h = y * v->stride[0] - v->padding[0] + i * v->dilation[0];
      if (h < 0 || h >= v->image[0]) continue;
      const real *patch = patches + y * v->map[1] * s->room + i * run;
      for (long x = 0; x < v->map[1]; x++) add_run(v, patch + x * s->room, x, image + h * v->image[1] * v->c);
    }
}

static void scatter_samples(void *job, long from, long to) {
  const Scatter *s = job;
  const Conv *v = s->v;
  real *patches = s->patches + workers_self() * s->samples * s->pixels * s->room;
  ProductRows rows = {s->map + from * s->pixels * v->k, v->k, patches, s->room};
  product_run(&(Product){.rows = (to - from) * s->pixels,
                         .taps = 1,
                         .depth = v->k,
                         .panels = s->weight,
                         .whole = true,
                         .locate = product_rows,
                         .job = &rows});
  long size = v->image[0] * v->image[1] * v->c;
  for (long n = from; n < to; n++) {
    add_patches(s, patches + (n - from) * s->pixels * s->room, s->image + n * size);
    activate(s->image + n * size, size, v->then);
  }
}

typedef struct Pack {
  const Panels *panels;
  const real *weight;
} Pack;

static void pack(void *job, long from, long to) {
  const Pack *p = job;
  panels_fill(p->panels, from, to - from, p->weight + from, 1, p->panels->depth);
}

bool scatter_run(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  long patch = v->kernel[0] * v->kernel[1] * v->c, pixels = v->map[0] * v->map[1], together = (ROWS + pixels - 1) / pixels;
  Panels panels;
  KeptKey key = {{KEPT_SCATTER, v->keep ? weight - (const real *)v->keep->data : 0, v->k, patch}};
  bool fresh;
  if (!panels_kept(&panels, v->k, patch, v->k, v->keep, &key, &fresh)) return false;
  if (fresh) workers_for(v->k, 16, pack, &(Pack){&panels, weight});
  Scatter s = {.v = v, .map = map, .bias = bias, .image = image, .weight = &panels, .pixels = pixels};
  s.samples = together < v->n ? together : v->n;
  s.room = (patch + 15) / 16 * 16;
  Tensor *patches = tensor_new(4, (long[]){workers_count(), s.samples, pixels, s.room});
  if (patches) {
    s.patches = patches->data;
    workers_for(v->n, s.samples, scatter_samples, &s);
  }
  tensor_drop(patches);
  panels_drop(&panels);
  return patches != NULL;
}
