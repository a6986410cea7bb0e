/* Folding dimensions away: planned by shape, shared out to the workers in blocks whose results are joined in order. */
#include <string.h>

#include "fold.h"

enum { CHUNK = 128, BLOCK = 16384, NARROW = 32 };

/* ---- shapes ---- */

static void mark_dims(const Param *dims, int ndim, bool folded[NN_DIMS]) {
  for (int i = 0; i < NN_DIMS; i++) folded[i] = !dims->count;
  for (int i = 0; i < dims->count; i++) folded[dims->list[i] < 0 ? dims->list[i] + ndim : dims->list[i]] = true;
}

bool fold_shape(Call *c) {
  const Tensor *x = c->in[0];
  bool folded[NN_DIMS];
  if (!call_check_dims(c, 0, x->ndim)) return false;
  mark_dims(&c->param[0], x->ndim, folded);
  c->ndim = 0;
  for (int i = 0; i < x->ndim; i++)
    if (!folded[i])
      c->shape[c->ndim++] = x->shape[i];
    else if (c->param[1].number != 0)
      c->shape[c->ndim++] = 1;
  return true;
}

long fold_count(Call *c) {
  const Tensor *x = c->in[0];
  bool folded[NN_DIMS];
  long count = 1;
  mark_dims(&c->param[0], x->ndim, folded);
  for (int i = 0; i < x->ndim; i++)
    if (folded[i]) count *= x->shape[i];
  return count;
}

Tensor *fold_like(Call *c, Tensor *t) {
  const Tensor *x = c->in[0];
  bool folded[NN_DIMS];
  long shape[NN_DIMS];
  if (!t || t->ndim == x->ndim) return t;
  mark_dims(&c->param[0], x->ndim, folded);
  for (int i = 0; i < x->ndim; i++) shape[i] = folded[i] ? 1 : x->shape[i];
  return tensor_reshape(t, x->ndim, shape);
}

Tensor *fold_back(Call *c, Tensor *t) {
  Tensor *like = fold_like(c, t);
  return like ? tensor_expand(like, c->in[0]->ndim, c->in[0]->shape) : NULL;
}

Tensor *fold_op(const Op *op, Tensor *x, int count, const long *dims, bool keepdim, bool unbiased) {
  Param p[3] = {{.count = count, .nil = !count}, {.number = keepdim}, {.number = unbiased}};
  if (count < 0 || count > NN_DIMS) return nn_fail("%s: from 0 to %d dimensions can be given, not %d", op->name, NN_DIMS, count);
  if (count) memcpy(p[0].list, dims, (size_t)count * sizeof *dims);
  return op_call(op, 1, &x, p);
}

/* ---- bringing the folded dimensions together ---- */

static bool see_in_place(Folded *f, const Tensor *x, const bool *folded) {
  int first = 0, end = x->ndim;
  while (first < x->ndim && (!folded[first] || x->shape[first] == 1)) first++;
  while (end > first && (!folded[end - 1] || x->shape[end - 1] == 1)) end--;
  *f = (Folded){x->data, 1, 1, 1};
  for (int i = 0; i < x->ndim; i++) {
    if (i >= first && i < end && !folded[i] && x->shape[i] != 1) return false;
    long *part = i < first ? &f->outer : i < end ? &f->count : &f->inner;
    *part *= x->shape[i];
  }
  return true;
}

bool fold_see(Folded *f, Tensor *x, const Param *dims) {
  bool folded[NN_DIMS];
  mark_dims(dims, x->ndim, folded);
  if (see_in_place(f, x, folded)) return true;
  long order[NN_DIMS];
  int n = 0;
  *f = (Folded){NULL, 1, 1, 1};
  for (int i = 0; i < x->ndim; i++)
    if (!folded[i]) order[n++] = i, f->outer *= x->shape[i];
  for (int i = 0; i < x->ndim; i++)
    if (folded[i]) order[n++] = i, f->count *= x->shape[i];
  bool was = grad_enable(false);
  Tensor *together = tensor_permute(x, n, order);
  grad_enable(was);
  f->x = together ? together->data : NULL;
  return together != NULL;
}

/* ---- the work ---- */

typedef struct Job {
  Folded f;
  const Fold *kernel;
  real *y;
  const real *about;
  Finish *finish;
  double number;
  long chunks, blocks, block_count; /* of columns; of what is folded, and how much each folds */
  double *part;                     /* (outer, blocks, inner), when there are several blocks */
} Job;

/* Results i .. i+n-1. */
static void finish(const Job *j, long i, long n, double *folded) {
  if (j->finish) j->finish(folded, j->about ? j->about + i : NULL, n, j->number);
  for (long k = 0; k < n; k++) j->y[i + k] = (real)folded[k];
}

/* Folds rows of a few columns: several rows are taken as one wide row, whose parts are joined at the end. */
static void fold_rows(const Job *j, const real *x, long rows, long width, double *sum, double *about) {
  const Fold *k = j->kernel;
  long inner = j->f.inner, merge = inner < NARROW ? 2 * NARROW / inner : 1, wide = merge * width;
  for (long i = 0; i < wide; i++) sum[i] = k->start;
  for (long i = width; i < wide; i++) about[i] = about[i - width];
  k->rows(sum, x, rows / merge, merge * inner, wide, about);
  k->rows(sum, x + rows / merge * merge * inner, rows % merge, inner, width, about);
  for (long i = width; i < wide; i++) sum[i % width] = k->join(sum[i % width], sum[i]);
}

/* Of one column: neighbours. */
static void fold_line(const Job *j, long piece) {
  const Folded *f = &j->f;
  long block = piece % j->blocks, outer = piece / j->blocks, from = block * j->block_count;
  long count = f->count - from < j->block_count ? f->count - from : j->block_count;
  double folded = j->kernel->line(f->x + outer * f->count + from, count, j->about ? (double)j->about[outer] : 0);
  if (j->blocks == 1)
    finish(j, outer, 1, &folded);
  else
    j->part[piece] = folded;
}

static void fold_piece(const Job *j, long piece) {
  const Folded *f = &j->f;
  long block = piece % j->blocks, chunk = piece / j->blocks % j->chunks, outer = piece / j->blocks / j->chunks;
  long from = block * j->block_count, count = f->count - from < j->block_count ? f->count - from : j->block_count;
  long column = chunk * CHUNK, width = f->inner - column < CHUNK ? f->inner - column : CHUNK;
  const real *x = f->x + (outer * f->count + from) * f->inner + column;
  double sum[CHUNK], about[CHUNK] = {0};
  for (long i = 0; i < width && j->about; i++) about[i] = (double)j->about[outer * f->inner + column + i];
  fold_rows(j, x, count, width, sum, about);
  if (j->blocks == 1)
    finish(j, outer * f->inner + column, width, sum);
  else
    memcpy(j->part + (outer * j->blocks + block) * f->inner + column, sum, (size_t)width * sizeof *sum);
}

static void fold_pieces(void *job, long from, long to) {
  const Job *j = job;
  for (long piece = from; piece < to; piece++)
    if (j->f.inner == 1)
      fold_line(j, piece);
    else
      fold_piece(j, piece);
}

static void join_blocks(void *job, long from, long to) {
  const Job *j = job;
  for (long i = from; i < to; i++) {
    const double *part = j->part + i / j->f.inner * j->blocks * j->f.inner + i % j->f.inner;
    double folded = part[0];
    for (long block = 1; block < j->blocks; block++) folded = j->kernel->join(folded, part[block * j->f.inner]);
    finish(j, i, 1, &folded);
  }
}

bool fold(const Folded *f, const Fold *kernel, real *y, const real *about, Finish *finish, double number) {
  Job j = {.f = *f, .kernel = kernel, .y = y, .about = about, .finish = finish, .number = number};
  long width = f->inner < CHUNK ? f->inner : CHUNK, outputs = f->outer * f->inner;
  if (!outputs) return true;
  j.chunks = (f->inner + CHUNK - 1) / CHUNK;
  j.block_count = BLOCK / width;
  j.blocks = f->count ? (f->count + j.block_count - 1) / j.block_count : 1;
  Storage *parts = j.blocks > 1 ? storage_new((size_t)(outputs * j.blocks) * sizeof *j.part) : NULL;
  if (j.blocks > 1 && !parts) return false;
  j.part = parts ? parts->data : NULL;
  long work = (f->count < j.block_count ? f->count : j.block_count) * width;
  workers_for(f->outer * j.chunks * j.blocks, work < BLOCK ? BLOCK / (work + 1) + 1 : 1, fold_pieces, &j);
  if (parts) workers_for(outputs, BLOCK / j.blocks + 1, join_blocks, &j);
  storage_drop(parts);
  return true;
}
