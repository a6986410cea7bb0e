/* One group after the other, unless they are many of few channels: its channels are copied out, convolved as any others, and the
 * result is copied to its place. */
#include "conv_groups.h"

#include "conv_lanes.h"

enum { IMAGE, WEIGHT, MAP, SIDES, GRAIN = 1024 };

/* Some columns of rows: one group's channels of all pixels, or of all taps. */
typedef struct Copy {
  const real *from;
  real *to;
  long from_row, to_row, columns;
} Copy;

static void copy_rows(void *job, long from, long to) {
  const Copy *c = job;
  for (long i = from; i < to; i++) {
    const real *a = c->from + i * c->from_row;
    real *b = c->to + i * c->to_row;
    for (long k = 0; k < c->columns; k++) b[k] = a[k];
  }
}

/* Image, weight and map of all groups, and room for those of one. */
typedef struct Groups {
  Conv one;
  long rows[SIDES], columns[SIDES]; /* of one group */
  Tensor *part[SIDES];
} Groups;

static bool groups_begin(Groups *g, const Conv *v) {
  bool ok = true;
  g->one = *v;
  g->one.groups = 1;
  g->one.keep = NULL;
  g->one.c = g->columns[IMAGE] = v->c / v->groups;
  g->one.k = g->columns[MAP] = g->columns[WEIGHT] = v->k / v->groups;
  g->rows[IMAGE] = v->n * v->image[0] * v->image[1];
  g->rows[MAP] = v->n * v->map[0] * v->map[1];
  g->rows[WEIGHT] = v->kernel[0] * v->kernel[1] * g->one.c;
  for (int i = 0; i < SIDES; i++) {
    g->part[i] = tensor_new(2, (long[]){g->rows[i], g->columns[i]});
    ok = ok && g->part[i];
  }
  return ok;
}

static bool groups_end(Groups *g, bool ok) {
  for (int i = 0; i < SIDES; i++) tensor_drop(g->part[i]);
  return ok;
}

static real *take(const Groups *g, int side, const real *from, long group, long groups) {
  long n = g->columns[side];
  workers_for(g->rows[side], GRAIN, copy_rows, &(Copy){from + group * n, g->part[side]->data, n * groups, n, n});
  return g->part[side]->data;
}

static void put(const Groups *g, int side, real *to, long group, long groups) {
  long n = g->columns[side];
  workers_for(g->rows[side], GRAIN, copy_rows, &(Copy){g->part[side]->data, to + group * n, n, n * groups, n});
}

bool groups_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map) {
  if (lanes_suit(v)) return lanes_map(v, image, weight, bias, map);
  Groups g;
  bool ok = groups_begin(&g, v);
  for (long i = 0; ok && i < v->groups; i++) {
    const real *x = take(&g, IMAGE, image, i, v->groups), *w = take(&g, WEIGHT, weight, i, v->groups);
    ok = conv_map(&g.one, x, w, bias ? bias + i * g.one.k : NULL, g.part[MAP]->data);
    if (ok) put(&g, MAP, map, i, v->groups);
  }
  return groups_end(&g, ok);
}

bool groups_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  if (lanes_suit(v)) return lanes_image(v, map, weight, bias, image);
  Groups g;
  bool ok = groups_begin(&g, v);
  for (long i = 0; ok && i < v->groups; i++) {
    const real *y = take(&g, MAP, map, i, v->groups), *w = take(&g, WEIGHT, weight, i, v->groups);
    ok = conv_image(&g.one, y, w, bias ? bias + i * g.one.c : NULL, g.part[IMAGE]->data);
    if (ok) put(&g, IMAGE, image, i, v->groups);
  }
  return groups_end(&g, ok);
}

bool groups_weight(const Conv *v, const real *image, const real *map, real *weight) {
  if (lanes_suit(v)) return lanes_weight(v, image, map, weight);
  Groups g;
  bool ok = groups_begin(&g, v);
  for (long i = 0; ok && i < v->groups; i++) {
    const real *x = take(&g, IMAGE, image, i, v->groups), *y = take(&g, MAP, map, i, v->groups);
    ok = conv_weight(&g.one, x, y, g.part[WEIGHT]->data);
    if (ok) put(&g, WEIGHT, weight, i, v->groups);
  }
  return groups_end(&g, ok);
}
