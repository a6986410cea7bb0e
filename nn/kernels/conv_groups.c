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
  long groups;
  long rows[SIDES], columns[SIDES]; /* of one group */
  Tensor *part[SIDES];
} Groups;

static bool groups_begin(Groups *g, const Conv *v) {
  bool ok = true;
  g->one = *v;
  g->groups = v->groups;
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

static real *take(const Groups *g, int side, const real *from, long group) {
  long n = g->columns[side], row = n * g->groups;
  workers_for(g->rows[side], GRAIN, copy_rows, &(Copy){from + group * n, g->part[side]->data, row, n, n});
  return g->part[side]->data;
}

static void put(const Groups *g, int side, real *to, long group) {
  long n = g->columns[side], row = n * g->groups;
  workers_for(g->rows[side], GRAIN, copy_rows, &(Copy){g->part[side]->data, to + group * n, n, row, n});
}

/* Makes one side of the two others, group by group; bias is the made side's, or NULL. */
static bool run(const Conv *v, int made, real *const *whole, const real *bias) {
  Groups g;
  bool ok = groups_begin(&g, v);
  for (long i = 0; ok && i < v->groups; i++) {
    real *part[SIDES];
    const real *start = bias ? bias + i * g.columns[made] : NULL;
    for (int side = 0; side < SIDES; side++) part[side] = side == made ? g.part[side]->data : take(&g, side, whole[side], i);
    ok = made == MAP     ? conv_map(&g.one, part[IMAGE], part[WEIGHT], start, part[MAP])
         : made == IMAGE ? conv_image(&g.one, part[MAP], part[WEIGHT], start, part[IMAGE])
                         : conv_weight(&g.one, part[IMAGE], part[MAP], part[WEIGHT]);
    if (ok) put(&g, made, whole[made], i);
  }
  return groups_end(&g, ok);
}

bool groups_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map) {
  if (lanes_suit(v)) return lanes_map(v, image, weight, bias, map);
  return run(v, MAP, (real *[]){[IMAGE] = (real *)image, [WEIGHT] = (real *)weight, [MAP] = map}, bias);
}

bool groups_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  if (lanes_suit(v)) return lanes_image(v, map, weight, bias, image);
  return run(v, IMAGE, (real *[]){[IMAGE] = image, [WEIGHT] = (real *)weight, [MAP] = (real *)map}, bias);
}

bool groups_weight(const Conv *v, const real *image, const real *map, real *weight) {
  if (lanes_suit(v)) return lanes_weight(v, image, map, weight);
  return run(v, WEIGHT, (real *[]){[IMAGE] = (real *)image, [WEIGHT] = weight, [MAP] = (real *)map}, NULL);
}
