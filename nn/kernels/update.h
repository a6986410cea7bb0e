/* One step of an optimizer over n neighbouring weights: w the weights, g their gradients. Formulas are PyTorch's. What is
 * 1 minus something was subtracted in double: 1 - 0.999f would be off by 5e-5 of itself. */
#ifndef GANDER_UPDATE_H
#define GANDER_UPDATE_H

#include "../nn.h"

typedef struct SgdStep {
  real lr, momentum, share, weight_decay; /* share = 1 - dampening */
  bool nesterov;
} SgdStep;

typedef struct RmspropStep {
  real lr, alpha, share, eps, weight_decay, momentum; /* share = 1 - alpha */
} RmspropStep;

/* share1 = 1 - beta1, share2 = 1 - beta2; rate = lr / (1 - beta1^step); root = sqrt(1 - beta2^step) */
typedef struct AdamStep {
  real rate, share1, beta2, share2, root, eps;
  real weight_decay; /* added to the gradient */
  real shrink;       /* what the weights are multiplied by first; 1 for none */
} AdamStep;

void update_sgd(real *w, const real *g, long n, const SgdStep *s);
void update_momentum(real *w, const real *g, real *buffer, long n, const SgdStep *s);
void update_rmsprop(real *w, const real *g, real *square_avg, long n, const RmspropStep *s);
void update_rmsprop_momentum(real *w, const real *g, real *square_avg, real *buffer, long n, const RmspropStep *s);
void update_adam(real *w, const real *g, real *exp_avg, real *exp_avg_sq, long n, const AdamStep *s);
void update_add(real *w, const real *g, long n, real scale); /* w += scale g */

#endif
