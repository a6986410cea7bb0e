/* Supervised training: a model, a loss, data; accuracy where there are labels. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "training.h"

enum { LATELY = 50, MOST = 1024 }; /* batches over which accuracy is averaged; samples evaluated at a time */

typedef struct Fit {
  Module *model, *own_loss; /* the one or the other loss */
  const Loss *loss;
  Param param[NN_ARGS];
  Optimizer *optim;
  Loader *test;
  double tested; /* epochs after which the test set was evaluated */
} Fit;

/* The share of rows of y (N,K) whose largest element is at the label; NaN where that has no meaning. */
static double accuracy(const Tensor *y, const Tensor *labels) {
  if (!labels || y->ndim != 2 || y->shape[1] < 2 || labels->shape[0] != y->shape[0]) return NAN;
  long hits = 0, classes = y->shape[1];
  for (long i = 0; i < y->shape[0]; i++) {
    const real *row = y->data + i * classes;
    long best = 0;
    for (long k = 1; k < classes; k++)
      if (row[k] > row[best]) best = k;
    hits += (real)(best + 1) == labels->data[i];
  }
  return (double)hits / (double)y->shape[0];
}

/* The mean over the first batches, then mostly over the last LATELY. */
static void report_accuracy(Report *r, double value) {
  if (isnan(value)) return;
  double before = report_get(r, "accuracy"), share = r->step < LATELY ? 1 / (double)(r->step + 1) : 1.0 / LATELY;
  report_set(r, "accuracy", isnan(before) ? value : before + share * (value - before));
}

static Tensor *loss_of(Fit *f, Tensor *y, Tensor *target) {
  if (!y) return NULL;
  Tensor *l = f->own_loss ? module_call(f->own_loss, 2, (Tensor *[]){y, target}) : f->loss->forward(f->param, y, target);
  if (!l || tensor_numel(l) == 1) return l;
  return nn_fail("loss: one number expected, as a sum or a mean gives, got %s", tensor_shape_text(l));
}

static bool fit_gradients(Trainer *t, const Update *u, double *loss) {
  Fit *f = t->self;
  Tensor *x, *labels;
  if (!trainer_batch(t, &x, &labels)) return false;
  Tensor *y = update_forward("model", f->model, x);
  Tensor *l = loss_of(f, y, labels ? labels : x);
  if (!l || !tensor_backward(l, NULL, u->n, u->param, 0)) return false;
  *loss = tensor_item(l);
  report_set(&t->report, "loss", *loss);
  report_accuracy(&t->report, accuracy(y, labels));
  return true;
}

/* ---- evaluation ---- */

typedef struct Sums {
  double loss, hits;
  long n;
} Sums;

static bool evaluate_batch(Fit *f, Loader *l, long from, Sums *sums) {
  long which[MOST], n = l->batch < MOST ? l->batch : MOST;
  if (n > l->set->n - from) n = l->set->n - from;
  for (long i = 0; i < n; i++) which[i] = from + i;
  size_t scope = scope_enter();
  Tensor *labels, *x = dataset_batch(l->set, n, which, &labels), *y = x ? module_forward(f->model, x) : NULL;
  Tensor *loss = loss_of(f, y, labels ? labels : x);
  if (loss) {
    sums->loss += tensor_item(loss) * (double)n;
    sums->hits += accuracy(y, labels) * (double)n;
    sums->n += n;
  }
  scope_leave(scope, NULL);
  return loss && !nn_failed();
}

/* Goes through the set in its own order: the loader's place is not touched. */
bool fit_trainer_evaluate(Trainer *t, Loader *data, double *loss, double *accuracy) {
  Modes modes;
  if (!t || !data || nn_failed() || !modes_set(&modes, t, false)) return false;
  Sums sums = {0};
  Random aside = t->random, *before = random_use(&aside);
  bool was = grad_enable(false), ok = true;
  for (long at = 0; ok && at < data->set->n; at += data->batch < MOST ? data->batch : MOST)
    ok = evaluate_batch(t->self, data, at, &sums);
  grad_enable(was);
  random_use(before);
  modes_restore(&modes);
  *loss = sums.loss / (double)sums.n;
  *accuracy = sums.hits / (double)sums.n;
  return ok;
}

/* Is due after the last batch of an epoch, and if it failed then, before the next step. */
static bool test_if_due(Trainer *t) {
  Fit *f = t->self;
  double epochs = (double)(t->loader->epoch + loader_ended(t->loader)), loss, share;
  if (!f->test || f->tested >= epochs) return true;
  if (!fit_trainer_evaluate(t, f->test, &loss, &share)) {
    nn_fail_in("nn.Trainer: evaluating the test set after epoch %.0f", epochs);
    return false;
  }
  report_set(&t->report, "test_loss", loss);
  if (!isnan(share)) report_set(&t->report, "test_accuracy", share);
  f->tested = epochs;
  return true;
}

static bool fit_step(Trainer *t) {
  Fit *f = t->self;
  double norm;
  if (!test_if_due(t)) return false;
  if (!update_run(t, (Update){.module = f->model, .optim = f->optim, .gradients = fit_gradients}, &norm)) return false;
  report_set(&t->report, "grad", norm);
  return true;
}

/* ---- its state ---- */

static int fit_modules(Trainer *t, const char **name, Module **m) {
  const Fit *f = t->self;
  name[0] = "model", m[0] = f->model;
  name[1] = "loss", m[1] = f->own_loss;
  return f->own_loss ? 2 : 1;
}

static int fit_optims(Trainer *t, const char **name, Optimizer **o) {
  name[0] = "optim", o[0] = ((Fit *)t->self)->optim;
  return 1;
}

static int fit_numbers(Trainer *t, TrainerNumber *number) {
  number[0] = (TrainerNumber){"tested", &((Fit *)t->self)->tested, 0, 1e15, true};
  return 1;
}

static void fit_free(Trainer *t) {
  Fit *f = t->self;
  module_drop(f->model);
  module_drop(f->own_loss);
  optim_drop(f->optim);
  loader_drop(f->test);
}

static const TrainerKind fit_kind = {
    "nn.Trainer", fit_step, test_if_due, NULL, fit_modules, fit_optims, NULL, fit_numbers, fit_free,
};

/* ---- making ---- */

static bool take_loss(Fit *f, const FitOptions *o) {
  const Param *given = o->loss_params;
  Signature s;
  f->own_loss = module_keep(o->own_loss);
  f->loss = o->loss;
  if (f->own_loss) return true;
  if (!signature_parse(f->loss->args, &s)) return false;
  for (int i = 0; i < s.count; i++) f->param[i] = given && !given[i].nil ? given[i] : s.arg[i].fallback;
  return true;
}

Trainer *fit_trainer_new(const FitOptions *o) {
  if (nn_failed()) return NULL;
  const char *missing = !o->model ? "model" : !o->loss && !o->own_loss ? "loss" : !o->optim ? "optim" : !o->data ? "data" : NULL;
  if (missing) return nn_fail("nn.Trainer: %s is missing", missing);
  if (!update_check("nn.Trainer", "model", o->model, "optim", o->optim)) return NULL;
  Trainer *t = trainer_new(&fit_kind, o->data, sizeof(Fit));
  if (!t) return NULL;
  Fit *f = t->self;
  f->model = module_keep(o->model);
  f->optim = optim_keep(o->optim);
  f->test = loader_keep(o->test);
  t->report.epoch_steps = loader_batches(o->data);
  if (take_loss(f, o)) return t;
  trainer_drop(t);
  return NULL;
}
