/* The rows of optimizers, with PyTorch's formulas and defaults. */
#include <math.h>
#include <string.h>

#include "kernels/update.h"
#include "nn.h"

/* ---- SGD (Sutskever et al. 2013) ---- */

enum { SGD_LR, SGD_MOMENTUM, SGD_DAMPENING, SGD_WEIGHT_DECAY, SGD_NESTEROV };

static void sgd_update(real *w, const real *g, real *const *slot, long n, const double *hyper, long step) {
  SgdStep s = {.lr = (real)hyper[SGD_LR],
               .momentum = (real)hyper[SGD_MOMENTUM],
               .share = (real)(1 - hyper[SGD_DAMPENING]),
               .weight_decay = (real)hyper[SGD_WEIGHT_DECAY],
               .nesterov = hyper[SGD_NESTEROV] != 0};
  if (step == 1) s.share = 1; /* the buffer begins as the first gradient */
  if (slot[0])
    update_momentum(w, g, slot[0], n, &s);
  else
    update_sgd(w, g, n, &s);
}

static bool sgd_uses(int slot, const double *hyper) {
  (void)slot;
  return hyper[SGD_MOMENTUM] != 0;
}

static bool sgd_check(const double *hyper) {
  if (!hyper[SGD_NESTEROV] || (hyper[SGD_MOMENTUM] > 0 && hyper[SGD_DAMPENING] == 0)) return true;
  nn_fail("optim.SGD: nesterov needs a momentum above 0 and a dampening of 0, got momentum %g and dampening %g",
          hyper[SGD_MOMENTUM], hyper[SGD_DAMPENING]);
  return false;
}

static const OptimRow sgd = {
    .name = "SGD",
    .args = "params:tensors, lr:number=1e-3, momentum:number=0, dampening:number=0, weight_decay:number=0, nesterov:boolean=false",
    .help = "Stochastic gradient descent, with momentum if that is not 0.",
    .example = "optim.SGD(nn.Linear(2, 3):parameters(), {lr=0.1, momentum=0.9})",
    .slots = 1,
    .slot_names = "momentum_buffer",
    .uses = sgd_uses,
    .check = sgd_check,
    .update = sgd_update,
};

/* ---- RMSprop (Hinton 2012) ---- */

enum { RMS_LR, RMS_ALPHA, RMS_EPS, RMS_WEIGHT_DECAY, RMS_MOMENTUM };

static void rmsprop_update(real *w, const real *g, real *const *slot, long n, const double *hyper, long step) {
  (void)step;
  RmspropStep s = {.lr = (real)hyper[RMS_LR],
                   .alpha = (real)hyper[RMS_ALPHA],
                   .share = (real)(1 - hyper[RMS_ALPHA]),
                   .eps = (real)hyper[RMS_EPS],
                   .weight_decay = (real)hyper[RMS_WEIGHT_DECAY],
                   .momentum = (real)hyper[RMS_MOMENTUM]};
  if (slot[1])
    update_rmsprop_momentum(w, g, slot[0], slot[1], n, &s);
  else
    update_rmsprop(w, g, slot[0], n, &s);
}

static bool rmsprop_uses(int slot, const double *hyper) {
  return slot == 0 || hyper[RMS_MOMENTUM] != 0;
}

static const OptimRow rmsprop = {
    .name = "RMSprop",
    .args = "params:tensors, lr:number=1e-2, alpha:number=0.99, eps:number=1e-8, weight_decay:number=0, momentum:number=0",
    .help = "Gradients divided by the root of a running mean of their squares.",
    .example = "optim.RMSprop(nn.Linear(2, 3):parameters(), {lr=5e-5})",
    .slots = 2,
    .slot_names = "square_avg momentum_buffer",
    .uses = rmsprop_uses,
    .update = rmsprop_update,
};

/* ---- Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019) ---- */

enum { ADAM_LR, ADAM_BETA1, ADAM_BETA2, ADAM_EPS, ADAM_WEIGHT_DECAY };

static AdamStep adam_step(const double *hyper, long step) {
  return (AdamStep){.rate = (real)(hyper[ADAM_LR] / (1 - pow(hyper[ADAM_BETA1], (double)step))),
                    .share1 = (real)(1 - hyper[ADAM_BETA1]),
                    .beta2 = (real)hyper[ADAM_BETA2],
                    .share2 = (real)(1 - hyper[ADAM_BETA2]),
                    .root = (real)sqrt(1 - pow(hyper[ADAM_BETA2], (double)step)),
                    .eps = (real)hyper[ADAM_EPS],
                    .shrink = 1};
}

static void adam_update(real *w, const real *g, real *const *slot, long n, const double *hyper, long step) {
  AdamStep s = adam_step(hyper, step);
  s.weight_decay = (real)hyper[ADAM_WEIGHT_DECAY];
  update_adam(w, g, slot[0], slot[1], n, &s);
}

static const OptimRow adam = {
    .name = "Adam",
    .args = "params:tensors, lr:number=1e-3, betas:numbers=0.9|0.999, eps:number=1e-8, weight_decay:number=0",
    .help = "Running means of the gradients, divided by the root of those of their squares; corrected for starting at 0.",
    .example = "optim.Adam(nn.Linear(2, 3):parameters(), {lr=2e-4, betas={0.5, 0.999}})",
    .slots = 2,
    .slot_names = "exp_avg exp_avg_sq",
    .update = adam_update,
};

static void adamw_update(real *w, const real *g, real *const *slot, long n, const double *hyper, long step) {
  AdamStep s = adam_step(hyper, step);
  s.shrink = (real)(1 - hyper[ADAM_LR] * hyper[ADAM_WEIGHT_DECAY]);
  update_adam(w, g, slot[0], slot[1], n, &s);
}

static const OptimRow adamw = {
    .name = "AdamW",
    .args = "params:tensors, lr:number=1e-3, betas:numbers=0.9|0.999, eps:number=1e-8, weight_decay:number=1e-2",
    .help = "Adam whose weight decay shrinks the weights themselves rather than adding to the gradients.",
    .example = "optim.AdamW(nn.Linear(2, 3):parameters(), {lr=1e-3})",
    .slots = 2,
    .slot_names = "exp_avg exp_avg_sq",
    .update = adamw_update,
};

/* ---- the list ---- */

static const OptimRow *const rows[] = {&sgd, &rmsprop, &adam, &adamw};
enum { ROWS = sizeof rows / sizeof *rows };

int optims_count(void) {
  return ROWS;
}

const OptimRow *optims_at(int i) {
  return rows[i];
}

const OptimRow *optims_find(const char *name) {
  for (int i = 0; i < ROWS; i++)
    if (!strcmp(rows[i]->name, name)) return rows[i];
  return NULL;
}
