/* Walking over tensors that broadcast together, as few and as long runs as their shapes allow. */
#include "each.h"

enum { GRAIN = 16384, OPERANDS = 3, NUMBERS = 4, SHORT = 32, REPEATED = 256 };

/* Dimensions from the innermost outwards; those that all operands pass through alike are joined into one. */
typedef struct Walk {
  void (*kernel)(const Run *);
  int n, ndim;
  long shape[NN_DIMS], stride[OPERANDS][NN_DIMS];
  real *y;
  const real *x[OPERANDS], *p;
  long period; /* of the rows that are written out in `repeated`; 0: none is */
  bool repeats[OPERANDS];
  real (*repeated)[REPEATED];
} Walk;

static bool joins(const Walk *w, const long *stride) {
  for (int k = 0; k < w->n; k++)
    if (stride[k] != w->stride[k][w->ndim - 1] * w->shape[w->ndim - 1]) return false;
  return true;
}

static void add_dim(Walk *w, long extent, const long *stride) {
  if (extent == 1) return;
  if (w->ndim && joins(w, stride)) {
    w->shape[w->ndim - 1] *= extent;
    return;
  }
  w->shape[w->ndim] = extent;
  for (int k = 0; k < w->n; k++) w->stride[k][w->ndim] = stride[k];
  w->ndim++;
}

static void plan(Walk *w, const Call *c) {
  long size[OPERANDS] = {1, 1, 1}; /* of what lies inside dimension d of each operand */
  for (int d = 1; d <= c->ndim; d++) {
    long stride[OPERANDS] = {0};
    for (int k = 0; k < w->n; k++) {
      const Tensor *x = c->in[k];
      long extent = d <= x->ndim ? x->shape[x->ndim - d] : 1;
      if (extent > 1) stride[k] = size[k];
      size[k] *= extent;
    }
    add_dim(w, c->shape[c->ndim - d], stride);
  }
  if (!w->ndim) w->shape[w->ndim++] = 1; /* of one element */
}

/* Is operand k one short row, the same everywhere, as a bias of three channels is? */
static bool is_short_row(const Walk *w, int k) {
  for (int d = 1; d < w->ndim; d++)
    if (w->stride[k][d]) return false;
  return w->stride[k][0] == 1;
}

/* Runs of a few elements would cost more to begin than to do. So a short row is written out many times, after which
 * the two innermost dimensions are one long run to all. */
static void write_out_short_rows(Walk *w) {
  const long width = w->shape[0];
  if (w->ndim < 2 || width >= SHORT) return;
  for (int k = 0; k < w->n; k++) {
    w->repeats[k] = is_short_row(w, k);
    if (!w->repeats[k] && w->stride[k][1] != width * w->stride[k][0]) return;
  }
  w->period = REPEATED / width * width;
  for (int k = 0; k < w->n; k++)
    for (long i = 0; i < w->period && w->repeats[k]; i++) w->repeated[k][i] = w->x[k][i % width];
  w->shape[0] *= w->shape[1];
  w->ndim--;
  for (int d = 1; d < w->ndim; d++) {
    w->shape[d] = w->shape[d + 1];
    for (int k = 0; k < w->n; k++) w->stride[k][d] = w->stride[k][d + 1];
  }
}

/* Sets the operands of a run that begins at `place` of its row, at[] being where that is; shortens it to what there is. */
static void find_operands(const Walk *w, Run *run, long place, const long *at) {
  const long phase = w->period ? place % w->period : 0;
  if (w->period && run->n > w->period - phase) run->n = w->period - phase;
  for (int k = 0; k < w->n; k++) run->x[k] = w->period && w->repeats[k] ? w->repeated[k] + phase : w->x[k] + at[k];
}

/* Whole rows, `rows` of them and one at least, one after the other; the run stands at the first. */
static void walk_rows(const Walk *w, Run *run, long rows) {
  for (w->kernel(run); --rows; w->kernel(run)) {
    run->y += run->n;
    for (int k = 0; k < w->n; k++) run->x[k] += w->stride[k][1];
  }
}

static void walk(void *job, long from, long to) {
  const Walk *w = job;
  long place[NN_DIMS], at[OPERANDS] = {0}, rest = from;
  Run run = {.p = w->p};
  for (int d = 0; d < w->ndim; d++) {
    place[d] = rest % w->shape[d];
    rest /= w->shape[d];
    for (int k = 0; k < w->n; k++) at[k] += place[d] * w->stride[k][d];
  }
  for (int k = 0; k < w->n; k++) run.step[k] = w->stride[k][0];
  while (from < to) {
    run.n = w->shape[0] - place[0] < to - from ? w->shape[0] - place[0] : to - from;
    run.y = w->y + from;
    find_operands(w, &run, place[0], at);
    if (!w->period && w->ndim > 1 && run.n == w->shape[0]) {
      long rows = (to - from) / run.n, left = w->shape[1] - place[1];
      rows = rows < left ? rows : left;
      walk_rows(w, &run, rows);
      from += (rows - 1) * run.n;
      place[1] += rows - 1;
      for (int k = 0; k < w->n; k++) at[k] += (rows - 1) * w->stride[k][1];
    } else {
      w->kernel(&run);
    }
    from += run.n;
    place[0] += run.n;
    for (int k = 0; k < w->n; k++) at[k] += run.n * run.step[k];
    for (int d = 0; d + 1 < w->ndim && place[d] == w->shape[d]; d++) { /* to the next row */
      place[d] = 0;
      place[d + 1]++;
      for (int k = 0; k < w->n; k++) at[k] += w->stride[k][d + 1] - w->shape[d] * w->stride[k][d];
    }
  }
}

bool call_each(Call *c, void (*kernel)(const Run *), const real *p) {
  real numbers[NUMBERS] = {0}, repeated[OPERANDS][REPEATED];
  if (!tensor_numel(c->out)) return true;
  int given = op_signature(c->op)->params;
  for (int i = 0; i < given && i < NUMBERS && !p; i++) numbers[i] = (real)c->param[i].number;
  Walk w = {.kernel = kernel, .n = c->n, .y = c->out->data, .p = p ? p : numbers, .repeated = repeated};
  for (int k = 0; k < w.n; k++) w.x[k] = c->in[k]->data;
  plan(&w, c);
  write_out_short_rows(&w);
  workers_for(tensor_numel(c->out), GRAIN, walk, &w);
  return true;
}

bool call_alike(Call *c) {
  if (!tensor_same_shape(c->in[0], c->in[1]))
    return call_fail(c, "both tensors must have the same shape, got %s and %s", tensor_shape_text(c->in[0]),
                     tensor_shape_text(c->in[1]));
  return call_same(c);
}
