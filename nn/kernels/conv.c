/* The roads of the three products of a convolution. */
#include "conv.h"

#include <string.h>

#include "activate.h"
#include "conv_groups.h"
#include "gather.h"
#include "scatter.h"
#include "winograd.h"

/* Sets n rows to what a sum of nothing gives: `bias` or zero, activated. */
static void fill(real *to, const real *bias, long n, long columns, Activation then) {
  for (long i = 0; i < n; i++)
    if (bias)
      memcpy(to + i * columns, bias, (size_t)columns * sizeof(real));
    else
      memset(to + i * columns, 0, (size_t)columns * sizeof(real));
  activate_all(to, n * columns, then);
}

bool conv_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map) {
  long k = v->k, c = v->c;
  if (v->groups > 1) return groups_map(v, image, weight, bias, map);
  if (!c || !k || !v->n) return fill(map, bias, v->n * v->map[0] * v->map[1], k, v->then), true;
  Gather g = {.n = v->n,
              .picture = image,
              .channels = c,
              .weight = weight,
              .bias = bias,
              .then = v->then,
              .out = map,
              .columns = k,
              .keep = v->keep};
  g.weight_step[0] = v->kernel[1] * c * k, g.weight_step[1] = c * k;
  g.row_step = k, g.column_step = 1;
  for (int i = 0; i < 2; i++) {
    g.size[i] = v->image[i];
    g.grid[i] = g.out_size[i] = v->map[i];
    g.step[i] = v->stride[i];
    g.taps[i] = v->kernel[i];
    g.first[i] = -v->padding[i];
    g.tap_step[i] = v->dilation[i];
    g.out_step[i] = 1;
  }
  return gather_run(&g);
}

/* ---- the image, in phases ----
 *
 * Pixel y of the image meets tap k where y + padding - k dilation is a multiple of the stride. Of one phase, y =
 * i stride + first, the taps are k0, k0 + stride / g, ... (g the greatest common divisor of stride and dilation), and the map
 * rows that they read decrease by dilation / g: a convolution with stride 1 of the map by some of the taps. */

static long common_divisor(long a, long b) {
  while (b) {
    long rest = a % b;
    a = b, b = rest;
  }
  return a;
}

static long tap_distance(const Conv *v, int i) {
  return v->stride[i] / common_divisor(v->stride[i], v->dilation[i]);
}

/* Taps with which phases begin. */
static long phases(const Conv *v, int i) {
  return tap_distance(v, i) < v->kernel[i] ? tap_distance(v, i) : v->kernel[i];
}

/* Describes, along one side, the phase of the taps k0, k0 + distance, ... in the order of the map rows they read. False if
 * the image has no pixel of it. */
static bool phase(const Conv *v, int i, long k0, Gather *g) {
  long stride = v->stride[i], distance = tap_distance(v, i), at = k0 * v->dilation[i] - v->padding[i];
  long first = (at % stride + stride) % stride, taps = (v->kernel[i] - 1 - k0) / distance + 1, last = k0 + (taps - 1) * distance;
  if (first >= v->image[i]) return false;
  g->size[i] = v->map[i];
  g->grid[i] = (v->image[i] - 1 - first) / stride + 1;
  g->step[i] = 1;
  g->taps[i] = taps;
  g->first[i] = (first + v->padding[i] - last * v->dilation[i]) / stride;
  g->tap_step[i] = v->dilation[i] * distance / stride;
  g->out_size[i] = v->image[i];
  g->out_first[i] = first;
  g->out_step[i] = stride;
  long next = (i ? 1 : v->kernel[1]) * v->c * v->k;
  g->weight += last * next;
  g->weight_step[i] = -distance * next;
  return true;
}

static bool image_by_phases(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  Gather fast[WINOGRAD_MOST];
  int n = 0;
  if (phases(v, 0) < v->stride[0] || phases(v, 1) < v->stride[1])
    fill(image, bias, v->n * v->image[0] * v->image[1], v->c, v->then);
  for (long i = 0; i < phases(v, 0); i++)
    for (long j = 0; j < phases(v, 1); j++) {
      Gather g = {.n = v->n,
                  .picture = map,
                  .channels = v->k,
                  .weight = weight,
                  .row_step = 1,
                  .column_step = v->k,
                  .bias = bias,
                  .then = v->then,
                  .keep = v->keep,
                  .out = image,
                  .columns = v->c};
      if (!phase(v, 0, i, &g) || !phase(v, 1, j, &g)) continue;
      if (n < WINOGRAD_MOST && winograd_suits_gather(&g))
        fast[n++] = g;
      else if (!gather_run(&g))
        return false;
    }
  return winograd_gather(fast, n);
}

/* Multiplications of the two roads, about: phases also multiply the zeros around the map, and fill up the last vector. */
static bool is_for_scatter(const Conv *v) {
  double taps = (double)v->kernel[0] * (double)v->kernel[1];
  double wide = (double)((v->c + 15) / 16 * 16), gathered = wide * taps / (double)v->stride[0] / (double)v->stride[1];
  gathered *= (double)v->image[0] * (double)v->image[1];
  double scattered = taps * (double)v->c * (double)v->map[0] * (double)v->map[1];
  return gathered > 2 * scattered;
}

bool conv_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  if (v->groups > 1) return groups_image(v, map, weight, bias, image);
  if (!v->c || !v->k || !v->n) return fill(image, bias, v->n * v->image[0] * v->image[1], v->c, v->then), true;
  return is_for_scatter(v) ? scatter_run(v, map, weight, bias, image) : image_by_phases(v, map, weight, bias, image);
}
