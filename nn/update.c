/* One update of one network: whole, or not at all and as if it had never been tried. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "training.h"

/* ---- what passes and the loader move, to be put back ---- */

typedef struct Before {
  Random random, loader_random, epoch_start;
  long epoch, place;
  Report report;
  int n;
  Tensor **buffer, **copy; /* running statistics of the networks */
} Before;

static bool count_buffer(void *data, const char *name, Module *owner, Named *entry) {
  (void)name, (void)owner;
  *(int *)data += entry->buffer;
  return true;
}

static bool copy_buffer(void *data, const char *name, Module *owner, Named *entry) {
  Before *b = data;
  (void)name, (void)owner;
  if (!entry->buffer || !entry->tensor->data) return true;
  b->copy[b->n] = tensor_keep(tensor_from(entry->tensor->ndim, entry->tensor->shape, entry->tensor->data));
  b->buffer[b->n] = tensor_keep(entry->tensor);
  return b->copy[b->n++] != NULL;
}

static void before_drop(Before *b) {
  for (int i = 0; i < b->n; i++) tensor_drop(b->buffer[i]), tensor_drop(b->copy[i]);
  memory_free(b->buffer);
  memory_free(b->copy);
}

static bool before_take(Before *b, Trainer *t) {
  const Loader *l = t->loader;
  *b = (Before){t->random, l->random, l->epoch_start, l->epoch, l->place, t->report, 0, NULL, NULL};
  const char *name[TRAINER_PARTS];
  Module *network[TRAINER_PARTS];
  int networks = t->kind->modules(t, name, network), n = 0;
  bool ok = true;
  for (int i = 0; ok && i < networks; i++) ok = module_visit(network[i], count_buffer, &n);
  b->buffer = memory_new((size_t)n * sizeof *b->buffer);
  b->copy = memory_new((size_t)n * sizeof *b->copy);
  ok = ok && b->buffer && b->copy;
  for (int i = 0; ok && i < networks; i++) ok = module_visit(network[i], copy_buffer, b);
  if (!ok) before_drop(b);
  return ok;
}

static void before_restore(const Before *b, Trainer *t) {
  Loader *l = t->loader;
  t->random = b->random;
  t->report = b->report;
  if (l->epoch != b->epoch || l->place != b->place) loader_seek(l, b->epoch_start, b->epoch, b->place);
  l->random = b->loader_random;
  bool was = grad_enable(false);
  for (int i = 0; i < b->n; i++) tensor_copy_to(b->buffer[i], b->copy[i]);
  grad_enable(was);
}

/* ---- the update ---- */

static bool holds(const Optimizer *o, const Tensor *t) {
  for (int g = 0; g < o->groups; g++)
    for (int i = 0; i < o->group[g].n; i++)
      if (o->group[g].param[i] == t) return true;
  return false;
}

bool update_check(const char *trainer, const char *network, Module *m, const char *optimizer, const Optimizer *o) {
  int n;
  bool any = false;
  Tensor **param = module_parameters(m, &n);
  if (!param) return false;
  for (int i = 0; i < n; i++) any = any || holds(o, param[i]);
  memory_free(param);
  if (!n) return nn_fail("%s: the %s has no parameters to train", trainer, network), false;
  return any || nn_fail("%s: %s holds no parameter of the %s, it should be made with %s:parameters()", trainer, optimizer, network,
                        network);
}

static const char *running; /* the network whose forward was begun */

Tensor *update_forward(const char *network, Module *m, Tensor *x) {
  running = network;
  Tensor *y = module_forward(m, x);
  if (y) running = NULL;
  return y;
}

static void clear_gradients(const Update *u) {
  optim_zero_grad(u->optim);
  for (int i = 0; i < u->n; i++) tensor_set_grad(u->param[i], NULL);
}

static bool passes(Trainer *t, const Update *u, double *loss) {
  size_t scope = scope_enter();
  clear_gradients(u);
  running = NULL;
  *loss = 0;
  bool ok = u->gradients(t, u, loss) && !nn_failed();
  scope_leave(scope, NULL);
  return ok;
}

/* Puts everything back (b may be NULL) and says in which step and half of it what went wrong. */
static void give_up(Trainer *t, const Update *u, const Before *b, const char *network) {
  char message[4096];
  snprintf(message, sizeof message, "%s", nn_error());
  nn_clear_error();
  clear_gradients(u);
  if (b) before_restore(b, t);
  nn_fail("%s: step %ld%s%s%s%s: %s", t->kind->name, t->report.step + 1, u->half ? ", " : "", u->half ? u->half : "",
          network ? ", in the " : "", network ? network : "", message);
}

/* A loss or a gradient is not finite: looks for where that began. */
static void fail_nonfinite(Trainer *t, const Update *u, const Before *b, double loss, double norm) {
  char found[600];
  before_restore(b, t);
  nonfinite_find(t, u, found, sizeof found);
  nn_clear_error();
  double bad = isfinite(loss) ? norm : loss;
  nn_fail("the %s is %s%s%s", isfinite(loss) ? "gradient's norm" : "loss",
          isnan(bad) ? "nan"
          : bad > 0  ? "inf"
                     : "-inf",
          *found ? "; " : "", found);
}

static bool attempt(Trainer *t, const Update *u, const Before *b, double *norm) {
  double loss;
  bool ok = passes(t, u, &loss);
  const char *network = ok ? NULL : running;
  if (ok) {
    *norm = clip_grad_norm(u->n, u->param, INFINITY);
    ok = !nn_failed();
    if (ok && !(isfinite(loss) && isfinite(*norm))) fail_nonfinite(t, u, b, loss, *norm), ok = false;
  }
  ok = ok && optim_step(u->optim);
  if (!ok) give_up(t, u, b, network);
  return ok;
}

bool update_run(Trainer *t, Update u, double *norm) {
  Before before;
  u.param = module_parameters(u.module, &u.n);
  bool taken = u.param && before_take(&before, t), ok = taken && attempt(t, &u, &before, norm);
  if (taken)
    before_drop(&before);
  else
    give_up(t, &u, NULL, NULL);
  memory_free(u.param);
  return ok;
}
