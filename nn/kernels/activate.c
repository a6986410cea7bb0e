#include "activate.h"

#include "math.h"

enum { GRAIN = 16384 };

INLINE void run(real *y, long n, Activation a) {
  const real slope = (real)a.slope;
  switch (a.kind) {
    case ACTIVATION_RELU:
      for (long i = 0; i < n; i++) y[i] = relu(y[i]);
      break;
    case ACTIVATION_LEAKY_RELU:
      for (long i = 0; i < n; i++) y[i] = leaky_relu(y[i], slope);
      break;
    case ACTIVATION_SIGMOID:
      for (long i = 0; i < n; i++) y[i] = sigmoid_of(y[i]);
      break;
    case ACTIVATION_TANH:
      for (long i = 0; i < n; i++) y[i] = tanh_of(y[i]);
      break;
    default: break;
  }
}

KERNEL(activate, (real * y, long n, Activation a), (y, n, a)) {
  run(y, n, a);
}

KERNEL(activate_rows, (real *const *row, long rows, long from, long n, Activation a), (row, rows, from, n, a)) {
  for (long r = 0; r < rows; r++) run(row[r] + from, n, a);
}

typedef struct Piece {
  real *y, *g;
  Activation a;
} Piece;

static void activate_piece(void *job, long from, long to) {
  const Piece *p = job;
  activate(p->y + from, to - from, p->a);
}

void activate_all(real *y, long n, Activation a) {
  if (a.kind) workers_for(n, GRAIN, activate_piece, &(Piece){.y = y, .a = a});
}

static KERNEL(back_piece, (void *job, long from, long to), (job, from, to)) {
  const Piece *p = job;
  const real *restrict y = p->y, slope = (real)p->a.slope;
  real *restrict g = p->g;
  switch (p->a.kind) {
    case ACTIVATION_RELU:
      for (long i = from; i < to; i++) g[i] = relu_slope(g[i], y[i]);
      break;
    case ACTIVATION_LEAKY_RELU:
      for (long i = from; i < to; i++) g[i] = leaky_relu_slope(g[i], y[i], slope);
      break;
    case ACTIVATION_SIGMOID:
      for (long i = from; i < to; i++) g[i] = sigmoid_slope(g[i], y[i]);
      break;
    case ACTIVATION_TANH:
      for (long i = from; i < to; i++) g[i] = tanh_slope(g[i], y[i]);
      break;
    default: break;
  }
}

void activate_back(real *g, const real *y, long n, Activation a) {
  workers_for(n, GRAIN, back_piece, &(Piece){.y = (real *)y, .g = g, .a = a});
}
