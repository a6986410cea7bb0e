/* LSTM (Hochreiter and Schmidhuber 1997, with forget gates as in PyTorch). A piece of work is a few samples through all
 * steps: no step waits for the samples of other threads, and the packed weights stay in the second cache. */
#include "lstm.h"

#include <string.h>

#include "kernel.h"
#include "math.h"
#include "product.h"

enum { SAMPLES = 8 };

typedef struct Job {
  const Lstm *l;
  Panels weight; /* forward (H,4H), backward (4H,H) */
  long blocks;
  const real *inputs, *index;
  const real *grad;
  real *slope, *before;
} Job;

/* Where a state of sample n before step t stands. */
static const real *before(const Lstm *l, const real *all, const real *first, long n, long t) {
  return t ? all + (n * l->steps + t - 1) * l->hidden : first + n * l->hidden;
}

/* c = f c_before + i g, h = o tanh(c) */
static KERNEL(cell, (real *restrict gates, const real *restrict c_before, real *restrict c, real *restrict h, long n),
              (gates, c_before, c, h, n)) {
  real *restrict i = gates, *restrict f = gates + n, *restrict g = f + n, *restrict o = g + n;
  for (long k = 0; k < 2 * n; k++) gates[k] = sigmoid_of(gates[k]);
  for (long k = 0; k < n; k++) g[k] = tanh_of(g[k]);
  for (long k = 0; k < n; k++) o[k] = sigmoid_of(o[k]);
  for (long k = 0; k < n; k++) c[k] = f[k] * c_before[k] + i[k] * g[k];
  for (long k = 0; k < n; k++) h[k] = o[k] * tanh_of(c[k]);
}

/* What step t of sample n gets besides the weighted state. */
static const real *input(const Job *j, long n, long t) {
  const long step = n * j->l->steps + t;
  return j->inputs + (j->index ? (long)j->index[step] - 1 : step) * 4 * j->l->hidden;
}

static void run_block(const Job *j, long from, long to) {
  const Lstm *l = j->l;
  const real *h[SAMPLES];
  real *gates[SAMPLES];
  for (long t = 0; t < l->steps; t++) {
    for (long n = from; n < to; n++) {
      h[n - from] = before(l, l->h, l->first_h, n, t);
      gates[n - from] = l->gates + (n * l->steps + t) * 4 * l->hidden;
      memcpy(gates[n - from], input(j, n, t), (size_t)(4 * l->hidden) * sizeof(real));
    }
    product_few(&j->weight, l->hidden, 4 * l->hidden, to - from, h, gates, true);
    for (long n = from; n < to; n++) {
      long at = (n * l->steps + t) * l->hidden;
      cell(gates[n - from], before(l, l->c, l->first_c, n, t), l->c + at, l->h + at, l->hidden);
    }
  }
}

static void run_blocks(void *job, long from, long to) {
  const Job *j = job;
  for (long b = from; b < to; b++) run_block(j, b * j->l->n / j->blocks, (b + 1) * j->l->n / j->blocks);
}

/* dh and dc are the gradients that the step after this one hands back; dc leaves as that of c_before. */
static KERNEL(cell_back,
              (const real *restrict gates, const real *restrict c_before, const real *restrict c, const real *restrict grad_h,
               const real *restrict grad_c, const real *restrict dh, real *restrict dc, real *restrict slope, long n),
              (gates, c_before, c, grad_h, grad_c, dh, dc, slope, n)) {
  for (long k = 0; k < n; k++) {
    const real i = gates[k], f = gates[n + k], g = gates[2 * n + k], o = gates[3 * n + k], y = tanh_of(c[k]);
    const real of_h = grad_h[k] + dh[k], of_c = grad_c[k] + dc[k] + of_h * o * (1 - y * y);
    slope[k] = of_c * g * i * (1 - i);
    slope[n + k] = of_c * c_before[k] * f * (1 - f);
    slope[2 * n + k] = of_c * i * (1 - g * g);
    slope[3 * n + k] = of_h * y * o * (1 - o);
    dc[k] = of_c * f;
  }
}

static void back_block(const Job *j, long from, long to) {
  const Lstm *l = j->l;
  const real *slope[SAMPLES];
  real *dh[SAMPLES], *all_dh = j->before, *all_dc = j->before + l->n * l->hidden;
  const real *grad_c = j->grad + l->n * l->steps * l->hidden;
  memset(all_dh + from * l->hidden, 0, (size_t)((to - from) * l->hidden) * sizeof(real));
  memset(all_dc + from * l->hidden, 0, (size_t)((to - from) * l->hidden) * sizeof(real));
  for (long t = l->steps - 1; t >= 0; t--) {
    for (long n = from; n < to; n++) {
      long at = (n * l->steps + t) * l->hidden;
      slope[n - from] = j->slope + 4 * at;
      dh[n - from] = all_dh + n * l->hidden;
      cell_back(l->gates + 4 * at, before(l, l->c, l->first_c, n, t), l->c + at, j->grad + at, grad_c + at, dh[n - from],
                all_dc + n * l->hidden, j->slope + 4 * at, l->hidden);
    }
    product_few(&j->weight, 4 * l->hidden, l->hidden, to - from, slope, dh, false);
  }
}

static void back_blocks(void *job, long from, long to) {
  const Job *j = job;
  for (long b = from; b < to; b++) back_block(j, b * j->l->n / j->blocks, (b + 1) * j->l->n / j->blocks);
}

static bool run(Job *j, bool back) {
  const Lstm *l = j->l;
  const long h = l->hidden;
  if (!l->n) return true;
  j->blocks = (l->n + SAMPLES - 1) / SAMPLES;
  if (!panels_new(&j->weight, back ? 4 * h : h, back ? h : 4 * h, 1, 1)) return false;
  if (back)
    panels_fill(&j->weight, 0, 4 * h, l->weight, h, 1);
  else
    panels_fill(&j->weight, 0, h, l->weight, 1, h);
  work_add((double)l->n * (double)l->steps * 4 * (double)h * (double)h);
  workers_for(j->blocks, 1, back ? back_blocks : run_blocks, j);
  panels_drop(&j->weight);
  return true;
}

bool lstm_run(const Lstm *l, const real *inputs, const real *index) {
  return run(&(Job){.l = l, .inputs = inputs, .index = index}, false);
}

bool lstm_back(const Lstm *l, const real *grad, real *slope, real *before) {
  return run(&(Job){.l = l, .grad = grad, .slope = slope, .before = before}, true);
}
