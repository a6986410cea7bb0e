/* What the files about trainers tell each other. */
#ifndef GANDER_TRAINING_H
#define GANDER_TRAINING_H

#include "nn.h"

/* A trainer with a zeroed `self` of so many bytes and a random stream of its own; the loader is kept. */
Trainer *trainer_new(const TrainerKind *kind, Loader *loader, size_t self);
void report_set(Report *r, const char *name, double value);
double report_get(const Report *r, const char *name);        /* NaN when it is not there */
bool trainer_batch(Trainer *t, Tensor **x, Tensor **labels); /* the next one, of the next epoch if need be */

/* Training flags of all of a trainer's modules. */
typedef struct Modes {
  int n;
  Module **module;
  bool *was;
} Modes;
bool modes_set(Modes *m, Trainer *t, bool training); /* false: nothing was changed */
void modes_restore(Modes *m);

/* One update of one network: gradients, then the optimizer's step, or nothing at all. */
typedef struct Update {
  const char *half; /* "the discriminator's half" of the step; NULL when a step is one update */
  Module *module;
  Optimizer *optim;
  /* Forward and backward passes: gradients of the parameters into .grad, values into the report. */
  bool (*gradients)(Trainer *t, const struct Update *u, double *loss);
  int n; /* of parameters; update_run fills these two */
  Tensor **param;
} Update;
/* When a trainer is made: has the network parameters, and does the optimizer hold any of them? */
bool update_check(const char *trainer, const char *network, Module *m, const char *optimizer, const Optimizer *o);
bool update_run(Trainer *t, Update u, double *norm);               /* norm: of all gradients */
Tensor *update_forward(const char *network, Module *m, Tensor *x); /* module_forward, with the network's name in errors */

/* Runs the update's passes once more and says in words what was the first to be not finite; "" if nothing was. */
void nonfinite_find(Trainer *t, const Update *u, char *text, size_t size);

#endif
