/* Attention a block of queries at a time, so that no matrix of queries by keys is ever whole in memory; the way back finds the
 * block's probabilities again from each query's largest score and sum (Dao et al. 2022, arXiv 2205.14135). A piece of work is
 * a head of a sample. */
#include "attention.h"

#include <math.h>
#include <string.h>

#include "fold.h"
#include "kernel.h"
#include "math.h"
#include "product.h"

enum { ROWS = 64 }; /* queries in a block */

typedef struct Job {
  const Attention *a;
  Side grad, dq, dk, dv;
  Panels across, along, values; /* kT (D,S) and k (S,D); v (S,E) or, on the way back, vT (E,S) */
  Panels block_q, block_grad;   /* (ROWS,D), (ROWS,E) of a block */
  Tensor *room;                 /* for scores of a block and their gradients, a part for each thread */
  long stride;                  /* from a row of it to the next */
  real scale;
} Job;

typedef struct Head { /* what a piece works with */
  long n, h;          /* its sample and head */
  Panels across, along, values, block_q, block_grad;
  real *score[ROWS], *slope[ROWS];
} Head;

static real *row_of(const Side *s, long rows, long n, long h, long width, long row) {
  return s->data + (n * rows + row) * s->step + h * width;
}

static Head head_of(const Job *j, long piece) {
  const int self = workers_self();
  Head head = {.n = piece / j->a->heads, .h = piece % j->a->heads};
  for (int i = 0; i < ROWS; i++) {
    head.score[i] = j->room->data + (self * 2 * ROWS + i) * j->stride;
    head.slope[i] = head.score[i] + ROWS * j->stride;
  }
  head.across = panels_at(&j->across, self);
  head.values = panels_at(&j->values, self);
  if (!j->grad.data) return head;
  head.along = panels_at(&j->along, self);
  head.block_q = panels_at(&j->block_q, self);
  head.block_grad = panels_at(&j->block_grad, self);
  return head;
}

/* Keys that queries before `until` see. */
static long seen(const Attention *a, long until) {
  return a->causal && until < a->keys ? until : a->keys;
}

/* Columns in whole vectors: rows of scores have room for whole panels. */
static long whole(const Panels *p, long columns) {
  const long lanes = p->width / 2, up = (columns + lanes - 1) / lanes * lanes;
  return up < p->columns || p->columns % lanes ? up : columns;
}

/* Scores of queries from..to-1. */
static void score_block(const Job *j, const Head *head, long from, long to) {
  const Attention *a = j->a;
  const real *q[ROWS];
  for (long i = from; i < to; i++) q[i - from] = row_of(&a->q, a->queries, head->n, head->h, a->depth, i);
  product_few(&head->across, a->depth, whole(&head->across, seen(a, to)), to - from, q, head->score, false);
}

static KERNEL(powers, (real * score, long n, real scale, real largest), (score, n, scale, largest)) {
  for (long i = 0; i < n; i++) score[i] = exp_of(score[i] * scale - largest);
}

static KERNEL(multiply, (real * x, long n, real factor), (x, n, factor)) {
  for (long i = 0; i < n; i++) x[i] *= factor;
}

static KERNEL(add_mask, (real *restrict score, const real *restrict mask, long n, real scale), (score, mask, n, scale)) {
  for (long i = 0; i < n; i++) score[i] = score[i] * scale + mask[i];
}

static const real *mask_line(const Mask *m, long query) {
  const real *line = m->data;
  for (int d = m->ndim - 1; d >= 0; query /= m->side[d--]) line += query % m->side[d] * m->step[d];
  return line;
}

/* Scores of a query to probabilities, and zeros up to `until`. */
static void probabilities(const Job *j, const Head *head, long query, real *score, long until, bool again) {
  const Attention *a = j->a;
  const long n = seen(a, query + 1), at = (head->n * a->heads + head->h) * a->queries + query;
  const real scale = a->mask.data ? 1 : j->scale;
  if (a->mask.data) add_mask(score, mask_line(&a->mask, at), n, j->scale);
  if (!again) {
    const real largest = (real)fold_largest.line(score, n, 0) * scale;
    a->largest[at] = largest > -INFINITY ? largest : 0;
  }
  powers(score, n, scale, a->largest[at]);
  if (!again) {
    const double sum = fold_sum.line(score, n, 0);
    a->share[at] = sum > 0 ? (real)(1 / sum) : 0;
  }
  multiply(score, n, a->share[at]);
  memset(score + n, 0, (size_t)(until - n) * sizeof(real));
}

static void run_block(const Job *j, const Head *head, long from, long to) {
  const Attention *a = j->a;
  const long keys = seen(a, to);
  real *out[ROWS];
  score_block(j, head, from, to);
  for (long i = from; i < to; i++) {
    probabilities(j, head, i, head->score[i - from], keys, false);
    out[i - from] = row_of(&a->out, a->queries, head->n, head->h, a->width, i);
  }
  product_few(&head->values, keys, a->width, to - from, (const real *const *)head->score, out, false);
}

static void run_heads(void *job, long from, long to) {
  const Job *j = job;
  const Attention *a = j->a;
  for (long piece = from; piece < to; piece++) {
    const Head head = head_of(j, piece);
    panels_fill(&head.across, 0, a->depth, row_of(&a->k, a->keys, head.n, head.h, a->depth, 0), 1, a->k.step);
    panels_fill(&head.values, 0, a->keys, row_of(&a->v, a->keys, head.n, head.h, a->width, 0), a->v.step, 1);
    for (long i = 0; i < a->queries; i += ROWS) run_block(j, &head, i, i + ROWS < a->queries ? i + ROWS : a->queries);
  }
}

/* ---- back ---- */

/* probability (slope - sum of grad out), the gradient of the scaled score */
static KERNEL(score_slope, (const real *restrict p, real *restrict slope, long n, real sum, real scale),
              (p, slope, n, sum, scale)) {
  for (long i = 0; i < n; i++) slope[i] = p[i] * (slope[i] - sum) * scale;
}

static real dot(const real *x, const real *y, long n) {
  double sum = 0;
  for (long i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
  return (real)sum;
}

/* Rows of `to` are set to, or grow by, columns of x (rows of a block by keys) times the block in panels. */
static void turned_product(const Job *j, real *const *x, long rows, long keys, const Panels *block, long width, real *to, long step,
                           bool add) {
  const Tile *tile = tile_best();
  const long tiles = (keys + tile->height - 1) / tile->height;
  const Walk walk = {{1, 1, rows}, {0, 0, j->stride}, {0, 0, block->width}};
  for (long column = 0; column < width; column += block->width)
    for (long t = 0; t < tiles; t++) {
      const long key = t * keys / tiles, height = (t + 1) * keys / tiles - key;
      real *out[ROWS];
      for (long r = 0; r < height; r++) out[r] = to + (key + r) * step + column;
      const int columns = (int)(width - column < block->width ? width - column : block->width);
      const Finish finish = {.columns = columns, .add = add, .out = out};
      tile->outer((int)height, x[0] + key, block->data + column / block->width * block->panel_step, &walk, &finish);
    }
}

static void back_block(const Job *j, const Head *head, long from, long to) {
  const Attention *a = j->a;
  const long keys = seen(a, to), rows = to - from, n = head->n, h = head->h;
  const real *grad[ROWS];
  real *dq[ROWS];
  for (long i = from; i < to; i++) {
    grad[i - from] = row_of(&j->grad, a->queries, n, h, a->width, i);
    dq[i - from] = row_of(&j->dq, a->queries, n, h, a->depth, i);
  }
  score_block(j, head, from, to);
  product_few(&head->values, a->width, whole(&head->values, keys), rows, grad, head->slope, false);
  for (long i = from; i < to; i++) {
    real *p = head->score[i - from];
    probabilities(j, head, i, p, keys, true);
    score_slope(p, head->slope[i - from], keys, dot(grad[i - from], row_of(&a->out, a->queries, n, h, a->width, i), a->width),
                j->scale);
  }
  product_few(&head->along, keys, a->depth, rows, (const real *const *)head->slope, dq, false);
  panels_fill(&head->block_q, 0, rows, row_of(&a->q, a->queries, n, h, a->depth, from), a->q.step, 1);
  panels_fill(&head->block_grad, 0, rows, grad[0], j->grad.step, 1);
  turned_product(j, head->slope, rows, keys, &head->block_q, a->depth, row_of(&j->dk, a->keys, n, h, a->depth, 0), j->dk.step,
                 true);
  turned_product(j, head->score, rows, keys, &head->block_grad, a->width, row_of(&j->dv, a->keys, n, h, a->width, 0), j->dv.step,
                 true);
}

static void clear(const Side *s, long rows, const Head *head, long width) {
  for (long i = 0; i < rows; i++) memset(row_of(s, rows, head->n, head->h, width, i), 0, (size_t)width * sizeof(real));
}

static void back_heads(void *job, long from, long to) {
  const Job *j = job;
  const Attention *a = j->a;
  for (long piece = from; piece < to; piece++) {
    const Head head = head_of(j, piece);
    const real *k = row_of(&a->k, a->keys, head.n, head.h, a->depth, 0), *v = row_of(&a->v, a->keys, head.n, head.h, a->width, 0);
    panels_fill(&head.across, 0, a->depth, k, 1, a->k.step);
    panels_fill(&head.along, 0, a->keys, k, a->k.step, 1);
    panels_fill(&head.values, 0, a->width, v, 1, a->v.step);
    clear(&j->dk, a->keys, &head, a->depth);
    clear(&j->dv, a->keys, &head, a->width);
    for (long i = 0; i < a->queries; i += ROWS) back_block(j, &head, i, i + ROWS < a->queries ? i + ROWS : a->queries);
  }
}

/* ---- both ---- */

static bool prepare(Job *j) {
  const Attention *a = j->a;
  const int threads = workers_count();
  const bool back = j->grad.data;
  j->scale = (real)(1 / sqrt((double)a->depth));
  if (!panels_new(&j->across, a->depth, a->keys, 1, threads)) return false;
  j->stride = (a->keys + j->across.width - 1) / j->across.width * j->across.width;
  j->room = tensor_new(2, (long[]){threads * 2 * ROWS, j->stride});
  if (!j->room || !panels_new(&j->values, back ? a->width : a->keys, back ? a->keys : a->width, 1, threads)) return false;
  return !back || (panels_new(&j->along, a->keys, a->depth, 1, threads) && panels_new(&j->block_q, ROWS, a->depth, 1, threads) &&
                   panels_new(&j->block_grad, ROWS, a->width, 1, threads));
}

static bool run(Job *j) {
  const Attention *a = j->a;
  const bool back = j->grad.data;
  const double products = (double)a->n * (double)a->heads * (double)a->queries * (double)a->keys;
  bool ok = !a->n || prepare(j);
  if (ok) workers_for(a->n * a->heads, 1, back ? back_heads : run_heads, j);
  if (ok) work_add(products * (double)(back ? 3 * a->depth + 2 * a->width : a->depth + a->width) / (a->causal ? 2 : 1));
  Tensor *memory[] = {j->room, j->across.memory, j->along.memory, j->values.memory, j->block_q.memory, j->block_grad.memory};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) tensor_drop(memory[i]);
  return ok;
}

bool attention_run(const Attention *a) {
  return run(&(Job){.a = a});
}

bool attention_back(const Attention *a, Side grad, Side dq, Side dk, Side dv) {
  return run(&(Job){.a = a, .grad = grad, .dq = dq, .dk = dk, .dv = dv});
}
