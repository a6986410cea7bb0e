/* Which matrix of a plain product is packed: the second, but when it is transposed, the larger one and costs more to pack than
 * that gains, then the first takes its place and the result is turned; and when the first has few rows it is not worth packing
 * anything. */
#include "multiply.h"

#include "conv.h"
#include "product.h"
#include "thin.h"
#include "turn.h"

enum {
  FEW = 96,        /* rows that do not pay for packing */
  LARGE = 1 << 19, /* numbers that do not pay for turning them as they are packed: they are in no cache then */
  MANY = 384,      /* rows that do not pay for packing as many numbers as HUGE */
  HUGE = 1 << 21,
  TOGETHER = 8, /* matrices of a batch that are shared out one to a thread, not each among all */
  PACKED = 64   /* rows packed at a time */
};

typedef struct Plan {
  const Multiply *m;
  bool filled;  /* are the panels? */
  bool swapped; /* rows are those of b, columns those of a */
  long rows, columns;
  Panels panels;
} Plan;

static const real *first(const Plan *p, long i) {
  const Multiply *m = p->m;
  return p->swapped ? m->b + (m->b_at ? m->b_at[i] : 0) : m->a + (m->a_at ? m->a_at[i] : 0);
}

static const real *second(const Plan *p, long i) {
  const Multiply *m = p->m;
  return p->swapped ? m->a + (m->a_at ? m->a_at[i] : 0) : m->b + (m->b_at ? m->b_at[i] : 0);
}

typedef struct Fill {
  const Panels *panels;
  const real *from;
  long row_step, column_step;
} Fill;

static void fill_rows(void *job, long from, long to) {
  const Fill *f = job;
  panels_fill(f->panels, from, to - from, f->from + from * f->row_step, f->row_step, f->column_step);
}

static void run_matrix(const Plan *p, Panels panels, long i) {
  const Multiply *m = p->m;
  bool across = p->swapped || m->b_transposed;
  if (panels.room && !p->filled)
    workers_for(m->k, PACKED, fill_rows, &(Fill){&panels, second(p, i), across ? 1 : m->n, across ? m->k : 1});
  if (!panels.room) panels.data = second(p, i);
  real *c = m->c + i * m->m * m->n;
  product_run(&(Product){.rows = p->rows,
                         .taps = 1,
                         .depth = m->k,
                         .panels = &panels,
                         .bias = m->bias,
                         .then = m->then,
                         .turned = p->swapped ? m->n : 0,
                         .locate = product_rows,
                         .job = &(ProductRows){first(p, i), m->k, c, p->swapped ? 1 : m->n}});
}

static void run_matrices(void *job, long from, long to) {
  const Plan *p = job;
  for (long i = from; i < to; i++) run_matrix(p, p->panels.room ? panels_at(&p->panels, workers_self()) : p->panels, i);
}

/* Panels of the second matrix: kept with it where it is one of those that the caches hold. */
static bool find_panels(Plan *p, int copies) {
  const Multiply *m = p->m;
  Storage *keep = m->batch == 1 && !p->swapped && m->k * m->n <= LARGE ? m->keep : NULL;
  const KeptKey key = {{KEPT_MATRIX, keep ? m->b - (const real *)keep->data : 0, m->k, m->n, m->b_transposed}};
  bool fresh = true;
  if (!(keep ? panels_kept(&p->panels, m->k, p->columns, m->k, keep, &key, &fresh)
             : panels_new(&p->panels, m->k, p->columns, m->k, copies)))
    return false;
  p->filled = !fresh;
  return true;
}

/* A sum of outer products over the rows: the weight's gradient of a convolution that takes pixel by pixel. */
static bool run_outer(const Multiply *m) {
  const Conv v = {
      .n = 1, .c = m->m, .k = m->n, .image = {m->k, 1}, .map = {m->k, 1}, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
  return conv_weight(&v, m->a, m->b, m->c);
}

typedef struct Turned {
  Multiply whole; /* with a as it is meant */
  const Multiply *m;
  real *a;
  long *at;
} Turned;

static void turn_matrices(void *job, long from, long to) {
  const Turned *t = job;
  const Multiply *m = t->m;
  for (long i = from; i < to; i++) {
    t->at[i] = i * m->m * m->k;
    turn(m->k, m->m, m->a + m->a_at[i], m->m, t->a + t->at[i], m->k, false);
  }
}

static bool run_turned(const Multiply *m) {
  Tensor *a = tensor_new(3, (long[]){m->batch, m->m, m->k});
  Turned t = {*m, m, a ? a->data : NULL, memory_new((size_t)m->batch * sizeof(long))};
  bool ok = a && t.at;
  if (ok) {
    workers_for(m->batch, 1, turn_matrices, &t);
    t.whole.a = t.a, t.whole.a_at = t.at, t.whole.a_transposed = false;
    ok = multiply_run(&t.whole);
  }
  tensor_drop(a);
  memory_free(t.at);
  return ok;
}

bool multiply_run(const Multiply *m) {
  const Tile *tile = tile_best();
  if (!tile) return false;
  if (thin_suits(m)) return thin_run(m);
  if (m->a_transposed) return m->batch == 1 ? run_outer(m) : run_turned(m);
  const bool costly = m->m <= FEW || m->k * m->n > LARGE;
  Plan p = {.m = m, .swapped = m->b_transposed && m->m < m->n && costly, .rows = m->m, .columns = m->n};
  if (p.swapped) p.rows = m->n, p.columns = m->m;
  const bool in_place = m->m <= FEW || (m->m <= MANY && m->k * m->n > HUGE);
  bool together = m->batch >= TOGETHER, packed = m->b_transposed || !in_place || m->n % tile->lanes;
  if (!packed)
    p.panels = (Panels){.depth = m->k, .columns = m->n, .step = m->n, .panel_step = tile->width, .width = tile->width};
  else if (!find_panels(&p, together ? workers_count() : 1))
    return false;
  if (together)
    workers_for(m->batch, 1, run_matrices, &p);
  else
    for (long i = 0; i < m->batch; i++) run_matrix(&p, p.panels, i);
  if (packed) panels_drop(&p.panels);
  return true;
}
