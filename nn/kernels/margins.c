#include "margins.h"

#include <string.h>

typedef struct Margins {
  const real *from;
  real *to;
  size_t left, row, right;
} Margins;

static void copy_lines(void *job, long from, long to) {
  const Margins *m = job;
  size_t line = m->left + m->row + m->right;
  for (long i = from; i < to; i++) {
    real *at = m->to + (size_t)i * line;
    memset(at, 0, m->left * sizeof(real));
    memcpy(at + m->left, m->from + (size_t)i * m->row, m->row * sizeof(real));
    memset(at + m->left + m->row, 0, m->right * sizeof(real));
  }
}

Tensor *margins_new(const real *lines, long n, long row, long left, long right) {
  Tensor *wide = tensor_new(2, (long[]){n, left + row + right});
  if (wide) workers_for(n, 64, copy_lines, &(Margins){lines, wide->data, (size_t)left, (size_t)row, (size_t)right});
  return wide;
}
