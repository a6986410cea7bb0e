/* Clipping of gradients, in place. */
#include <math.h>

#include "kernels/fold.h"
#include "nn.h"

enum { BLOCK = 16384 }; /* elements whose squares are summed at a time: fixed, so that the sum is the same on any threads */

static long blocks_of(const Tensor *t) {
  return (tensor_numel(t) + BLOCK - 1) / BLOCK;
}

/* Can all gradients be read, and how many blocks have they? Parameters without one are passed over. */
static bool check(const char *who, int n, Tensor *const *params, long *blocks) {
  *blocks = 0;
  if (nn_failed()) return false;
  for (int i = 0; i < n; i++) {
    Tensor *g = params[i] ? tensor_grad(params[i]) : NULL;
    if (!params[i]) return nn_fail("%s: parameter %d is missing", who, i + 1), false;
    if (g && !g->data) return nn_fail("%s: the memory of gradient %d was freed", who, i + 1), false;
    if (g) *blocks += blocks_of(g);
  }
  return true;
}

typedef struct Squares {
  const real **x; /* of each block, with its length */
  long *n;
  double *sum;
} Squares;

static void sum_squares(void *job, long from, long to) {
  const Squares *s = job;
  for (long block = from; block < to; block++) s->sum[block] = fold_squares.line(s->x[block], s->n[block], 0);
}

/* The blocks of all gradients are shared out together: many are small. */
static double norm(int n, Tensor *const *params, long blocks) {
  double total = 0, *sum = memory_new((size_t)blocks * (sizeof *sum + sizeof(long) + sizeof(real *)));
  if (!sum) return NAN;
  Squares s = {.sum = sum, .n = (long *)(sum + blocks)};
  s.x = (const real **)(void *)(s.n + blocks);
  long at = 0;
  for (int i = 0; i < n; i++) {
    Tensor *g = tensor_grad(params[i]);
    for (long from = 0, size = g ? tensor_numel(g) : 0; from < size; from += BLOCK, at++) {
      s.x[at] = g->data + from;
      s.n[at] = size - from < BLOCK ? size - from : BLOCK;
    }
  }
  workers_for(blocks, 4, sum_squares, &s);
  for (long i = 0; i < blocks; i++) total += sum[i];
  memory_free(sum);
  return sqrt(total);
}

typedef struct Change {
  real *x, factor, bound;
} Change;

static void scale(void *job, long from, long to) {
  const Change *c = job;
  for (long i = from; i < to; i++) c->x[i] *= c->factor;
}

static void bound_values(void *job, long from, long to) {
  const Change *c = job;
  for (long i = from; i < to; i++) c->x[i] = c->x[i] > c->bound ? c->bound : c->x[i] < -c->bound ? -c->bound : c->x[i];
}

static bool change(const char *who, int n, Tensor *const *params, void (*body)(void *, long, long), Change c) {
  bool was = grad_enable(false), ok = true;
  for (int i = 0; ok && i < n; i++) {
    Tensor *g = tensor_grad(params[i]);
    if (!g) continue;
    ok = tensor_begin_write(g, who);
    c.x = g->data;
    if (ok) workers_for(tensor_numel(g), BLOCK, body, &c);
  }
  grad_enable(was);
  return ok;
}

double clip_grad_norm(int n, Tensor *const *params, double max_norm) {
  const char *who = "clip_grad_norm";
  long blocks;
  if (!(max_norm >= 0)) nn_fail("%s: max_norm must be at least 0, got %g", who, max_norm);
  if (!check(who, n, params, &blocks)) return NAN;
  double before = norm(n, params, blocks), factor = max_norm / (before + 1e-6);
  if (nn_failed()) return NAN;
  if (!(factor >= 1)) change(who, n, params, scale, (Change){.factor = (real)factor});
  return before;
}

bool clip_grad_value(int n, Tensor *const *params, double bound) {
  const char *who = "clip_grad_value";
  long blocks;
  if (!(bound >= 0)) nn_fail("%s: the bound must be at least 0, got %g", who, bound);
  return check(who, n, params, &blocks) && change(who, n, params, bound_values, (Change){.bound = (real)bound});
}
