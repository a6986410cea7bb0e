#include "blas.h"

#include <stdlib.h>
#include <string.h>

#include "../openblas.h"

enum { ROWS = 64 }; /* of the result, that a worker multiplies at a time: fixed, so that bits do not depend on threads */

static const char wish_name[] = "GANDER_BLAS=1";

bool blas_wanted(void) {
  static int wish = -1;
  if (wish < 0) wish = getenv("GANDER_BLAS") && !strcmp(getenv("GANDER_BLAS"), "1");
  return wish;
}

typedef struct Rows {
  const OpenBlas *blas;
  const Multiply *m;
  long blocks; /* of rows in one matrix */
} Rows;

static void multiply_rows(void *job, long from, long to) {
  const Rows *r = job;
  const Multiply *m = r->m;
  for (long i = from; i < to; i++) {
    long matrix = i / r->blocks, row = i % r->blocks * ROWS, rows = m->m - row < ROWS ? m->m - row : ROWS;
    const real *a = m->a + (m->a_at ? m->a_at[matrix] : 0) + row * (m->a_transposed ? 1 : m->k),
               *b = m->b + (m->b_at ? m->b_at[matrix] : 0);
    r->blas->gemm(CblasRowMajor, m->a_transposed ? CblasTrans : CblasNoTrans, m->b_transposed ? CblasTrans : CblasNoTrans,
                  (int)rows, (int)m->n, (int)m->k, 1, a, (int)(m->a_transposed ? m->m : m->k), b,
                  (int)(m->b_transposed ? m->k : m->n), 0, m->c + (matrix * m->m + row) * m->n, (int)m->n);
  }
}

bool blas_multiply(const Multiply *m) {
  Rows r = {openblas(wish_name), m, (m->m + ROWS - 1) / ROWS};
  if (r.blas) workers_for(m->batch * r.blocks, 1, multiply_rows, &r);
  return r.blas;
}
