/* Activation functions applied to results where they stand, while they are in the cache, and the elements of the cheap ones
 * and of their gradients (g is the gradient of the result y). */
#ifndef GANDER_KERNELS_ACTIVATE_H
#define GANDER_KERNELS_ACTIVATE_H

#include "../nn.h"
#include "kernel.h"

void activate(real *y, long n, Activation a);
/* The same for elements from .. from+n-1 of each row. */
void activate_rows(real *const *row, long rows, long from, long n, Activation a);
/* The same for n elements, shared out. */
void activate_all(real *y, long n, Activation a);
/* Makes gradients of y those of what was activated, shared out. */
void activate_back(real *g, const real *y, long n, Activation a);

/* Never -0: where several results are the largest, it is the same which of them is taken. */
INLINE real relu(real x) {
  return x <= 0 ? 0 : x;
}
INLINE real relu_slope(real g, real y) {
  return y <= 0 ? 0 : g;
}

/* g (1 - y^2) */
INLINE real tanh_slope(real g, real y) {
  return g * (1 - y * y);
}

/* g y (1 - y) */
INLINE real sigmoid_slope(real g, real y) {
  return g * (y * (1 - y));
}

INLINE real leaky_relu(real x, real slope) {
  const real low = x * slope;
  return x > 0 ? x : low;
}
INLINE real leaky_relu_slope(real g, real y, real slope) {
  const real low = g * slope;
  return y > 0 ? g : low;
}

#endif
