/* Groups of many channels are copied apart and convolved one after the other as any convolution; then the results are joined. */
#include "conv_groups.h"

#include "conv_lanes.h"
#include "kernel.h"

enum { IMAGE, WEIGHT, MAP, SIDES, GRAIN = 64, WIDE = 16 };

/* Rows of all groups' channels, of all pixels or of all taps, and the same group by group. */
typedef struct Apart {
  long rows, columns, groups; /* columns: of one group */
  real *together, *apart;
  bool join; /* what is apart is copied together */
} Apart;

INLINE void copy_row(const real *from, real *to, long n) {
  for (; n >= WIDE; n -= WIDE, from += WIDE, to += WIDE)
    for (int k = 0; k < WIDE; k++) to[k] = from[k];
  for (long k = 0; k < n; k++) to[k] = from[k];
}

static KERNEL(copy_rows, (void *job, long from, long to), (job, from, to)) {
  const Apart *a = job;
  for (long i = from; i < to; i++)
    for (long g = 0; g < a->groups; g++) {
      real *joined = a->together + (i * a->groups + g) * a->columns, *part = a->apart + (g * a->rows + i) * a->columns;
      copy_row(a->join ? part : joined, a->join ? joined : part, a->columns);
    }
}

/* Makes one side of the two others; bias is the made side's, or NULL. */
static bool run(const Conv *v, int made, real *const *whole, const real *bias) {
  const long c = v->c / v->groups, k = v->k / v->groups;
  const long rows[SIDES] = {v->n * v->image[0] * v->image[1], v->kernel[0] * v->kernel[1] * c, v->n * v->map[0] * v->map[1]};
  const long columns[SIDES] = {c, k, k};
  Conv one = *v;
  Tensor *apart[SIDES];
  Apart sides[SIDES];
  bool ok = true;
  one.c = c, one.k = k, one.groups = 1, one.keep = NULL;
  for (int i = 0; i < SIDES; i++) {
    apart[i] = tensor_new(3, (long[]){v->groups, rows[i], columns[i]});
    ok = ok && apart[i];
    sides[i] = (Apart){rows[i], columns[i], v->groups, whole[i], apart[i] ? apart[i]->data : NULL, i == made};
  }
  for (int i = 0; ok && i < SIDES; i++)
    if (i != made) workers_for(rows[i], GRAIN, copy_rows, &sides[i]);
  for (long g = 0; ok && g < v->groups; g++) {
    real *part[SIDES];
    const real *start = bias ? bias + g * columns[made] : NULL;
    for (int i = 0; i < SIDES; i++) part[i] = sides[i].apart + g * rows[i] * columns[i];
    ok = made == MAP     ? conv_map(&one, part[IMAGE], part[WEIGHT], start, part[MAP])
         : made == IMAGE ? conv_image(&one, part[MAP], part[WEIGHT], start, part[IMAGE])
                         : conv_weight(&one, part[IMAGE], part[MAP], part[WEIGHT]);
  }
  if (ok) workers_for(rows[made], GRAIN, copy_rows, &sides[made]);
  for (int i = 0; i < SIDES; i++) tensor_drop(apart[i]);
  return ok;
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
