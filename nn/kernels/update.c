/* The loops of optimizers. */
#include "update.h"

#include "kernel.h"

#include <tgmath.h>

/* w -= lr (g + weight_decay w) */
KERNEL(update_sgd, (real *restrict w, const real *restrict g, long n, const SgdStep *s), (w, g, n, s)) {
  const real lr = s->lr, decay = s->weight_decay;
  for (long i = 0; i < n; i++) w[i] -= lr * (g[i] + decay * w[i]);
}

/* b = momentum b + (1 - dampening) d; w -= lr b, or lr (d + momentum b) with Nesterov's */
KERNEL(update_momentum, (real *restrict w, const real *restrict g, real *restrict buffer, long n, const SgdStep *s),
       (w, g, buffer, n, s)) {
  const real lr = s->lr, momentum = s->momentum, share = s->share, decay = s->weight_decay;
  const real of_d = s->nesterov, of_b = s->nesterov ? momentum : 1;
  for (long i = 0; i < n; i++) {
    real d = g[i] + decay * w[i];
    buffer[i] = momentum * buffer[i] + share * d;
    w[i] -= lr * (of_d * d + of_b * buffer[i]);
  }
}

/* v = alpha v + (1 - alpha) d^2; w -= lr d / (sqrt(v) + eps) */
KERNEL(update_rmsprop, (real *restrict w, const real *restrict g, real *restrict square_avg, long n, const RmspropStep *s),
       (w, g, square_avg, n, s)) {
  const real lr = s->lr, alpha = s->alpha, share = s->share, eps = s->eps, decay = s->weight_decay;
  for (long i = 0; i < n; i++) {
    real d = g[i] + decay * w[i];
    square_avg[i] = alpha * square_avg[i] + share * d * d;
    w[i] -= lr * d / (sqrt(square_avg[i]) + eps);
  }
}

/* v = alpha v + (1 - alpha) d^2; b = momentum b + d / (sqrt(v) + eps); w -= lr b */
KERNEL(update_rmsprop_momentum,
       (real *restrict w, const real *restrict g, real *restrict square_avg, real *restrict buffer, long n, const RmspropStep *s),
       (w, g, square_avg, buffer, n, s)) {
  const real lr = s->lr, alpha = s->alpha, share = s->share, eps = s->eps, decay = s->weight_decay, momentum = s->momentum;
  for (long i = 0; i < n; i++) {
    real d = g[i] + decay * w[i];
    square_avg[i] = alpha * square_avg[i] + share * d * d;
    buffer[i] = momentum * buffer[i] + d / (sqrt(square_avg[i]) + eps);
    w[i] -= lr * buffer[i];
  }
}

/* m += (1 - beta1) (d - m); v = beta2 v + (1 - beta2) d^2; w -= rate m / (sqrt(v) / root + eps) */
KERNEL(update_adam,
       (real *restrict w, const real *restrict g, real *restrict exp_avg, real *restrict exp_avg_sq, long n, const AdamStep *s),
       (w, g, exp_avg, exp_avg_sq, n, s)) {
  const real rate = s->rate, share1 = s->share1, beta2 = s->beta2, share2 = s->share2, root = s->root, eps = s->eps;
  const real decay = s->weight_decay, shrink = s->shrink;
  for (long i = 0; i < n; i++) {
    real at = w[i] * shrink, d = g[i] + decay * w[i];
    exp_avg[i] += share1 * (d - exp_avg[i]);
    exp_avg_sq[i] = beta2 * exp_avg_sq[i] + share2 * d * d;
    w[i] = at - rate * exp_avg[i] / (sqrt(exp_avg_sq[i]) / root + eps);
  }
}

/* w += scale g */
KERNEL(update_add, (real *restrict w, const real *restrict g, long n, real scale), (w, g, n, scale)) {
  for (long i = 0; i < n; i++) w[i] += scale * g[i];
}
