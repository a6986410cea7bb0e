/* Optimizers: groups of parameters with their hyperparameters and state, and the step that updates them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn.h"

enum { BLOCK = 16384, SLOTS = 4 }; /* weights updated at a time; most slots of a row */

/* ---- hyperparameters: the numbers of a row's arguments in order, lists laid out ---- */

static int numbers_in(const Arg *arg) {
  if (arg->kind == ARG_TENSORS) return 0;
  return arg->kind == ARG_NUMBERS ? arg->fallback.count : 1;
}

/* The argument that hyperparameter i belongs to, and its place in it; NULL after the last. */
static const Arg *argument_of(const Signature *s, int i, int *place) {
  for (int a = 0; a < s->count; a++) {
    int n = numbers_in(&s->arg[a]);
    *place = i;
    if (i < n) return &s->arg[a];
    i -= n;
  }
  return NULL;
}

const char *optim_hyper_name(const OptimRow *row, int i) {
  static char names[8][40];
  static unsigned next;
  Signature s;
  int place;
  if (!signature_parse(row->args, &s)) return NULL;
  const Arg *arg = argument_of(&s, i, &place);
  if (!arg) return NULL;
  char *name = names[next++ % 8];
  if (arg->kind == ARG_NUMBERS) /* betas: beta1, beta2 */
    snprintf(name, sizeof names[0], "%.*s%d", (int)strlen(arg->name) - 1, arg->name, place + 1);
  else
    snprintf(name, sizeof names[0], "%s", arg->name);
  return name;
}

/* Is this the name of an argument, or of the number at `place` of a list? */
static bool is_called(const Arg *arg, int place, const char *name) {
  const size_t n = strlen(arg->name) - 1;
  if (!strcmp(name, arg->name)) return true;
  return arg->kind == ARG_NUMBERS && !strncmp(name, arg->name, n) && name[n] == '1' + place && !name[n + 1];
}

static int hyper_place(const OptimRow *row, const char *name) {
  Signature s;
  int place;
  if (!signature_parse(row->args, &s)) return -1;
  for (int i = 0;; i++) {
    const Arg *arg = argument_of(&s, i, &place);
    if (!arg) return -1;
    if (is_called(arg, place, name)) return i;
  }
}

int optim_hyper(const Optimizer *o, const char *name) {
  return hyper_place(o->row, name);
}

static bool hyper_check(const OptimRow *row, const double *hyper) {
  Signature s;
  int place;
  if (!signature_parse(row->args, &s)) return false;
  for (int i = 0;; i++) {
    const Arg *arg = argument_of(&s, i, &place);
    if (!arg) return !row->check || row->check(hyper);
    bool below_one = arg->kind == ARG_NUMBERS;
    if (isfinite(hyper[i]) && hyper[i] >= 0 && (!below_one || hyper[i] < 1)) continue;
    return nn_fail("optim.%s: %s must be at least 0%s, got %g", row->name, optim_hyper_name(row, i),
                   below_one ? " and below 1" : "", hyper[i]),
           false;
  }
}

/* params in order of the arguments after `params`; those that are nil, or all when it is NULL, take their defaults. */
static bool hyper_take(const OptimRow *row, const Param *params, double *hyper) {
  Signature s;
  if (!signature_parse(row->args, &s)) return false;
  int at = 0;
  for (int a = 1; a < s.count; a++) {
    const Param *p = params && !params[a - 1].nil ? &params[a - 1] : &s.arg[a].fallback;
    int n = numbers_in(&s.arg[a]);
    if (s.arg[a].kind != ARG_NUMBERS) {
      hyper[at++] = p->number;
      continue;
    }
    if (p->count != n) return nn_fail("optim.%s: %s must be %d numbers, got %d", row->name, s.arg[a].name, n, p->count), false;
    for (int i = 0; i < n; i++) hyper[at++] = p->value[i];
  }
  return hyper_check(row, hyper);
}

static bool group_set(Optimizer *o, ParamGroup *group, const char *name, double value) {
  double hyper[NN_ARGS];
  int place = optim_hyper(o, name);
  if (place < 0) return nn_fail("optim.%s has no hyperparameter %s; it has (%s)", o->row->name, name, o->row->args), false;
  memcpy(hyper, group->hyper, sizeof hyper);
  hyper[place] = value;
  if (!hyper_check(o->row, hyper)) return false;
  group->hyper[place] = value;
  return true;
}

bool optim_set_group(Optimizer *o, int group, const char *name, double value) {
  if (!o || nn_failed()) return false;
  if (group < 0 || group >= o->groups)
    return nn_fail("optim.%s: there is no parameter group %d, only %d", o->row->name, group + 1, o->groups), false;
  return group_set(o, &o->group[group], name, value);
}

bool optim_set(Optimizer *o, const char *name, double value) {
  bool ok = o && !nn_failed();
  for (int i = 0; ok && i < o->groups; i++) ok = group_set(o, &o->group[i], name, value);
  return ok;
}

double optim_get(const Optimizer *o, const char *name) {
  int place = optim_hyper(o, name);
  return place < 0 ? NAN : o->group[0].hyper[place];
}

/* ---- making ---- */

static void group_free(ParamGroup *group, int slots) {
  for (int i = 0; group->param && i < group->n; i++) tensor_drop(group->param[i]);
  for (int i = 0; group->slot && i < group->n * slots; i++) tensor_drop(group->slot[i]);
  memory_free(group->param);
  memory_free(group->slot);
  memory_free(group->step);
}

static bool has_param(const Optimizer *o, const Tensor *t) {
  for (int g = 0; g < o->groups; g++)
    for (int i = 0; i < o->group[g].n; i++)
      if (o->group[g].param[i] == t) return true;
  return false;
}

static bool check_params(const Optimizer *o, int n, Tensor *const *params) {
  const char *name = o->row->name;
  if (n < 1) return nn_fail("optim.%s: the list of parameters is empty", name), false;
  if (o->groups == OPTIM_GROUPS) return nn_fail("optim.%s: more than %d parameter groups", name, OPTIM_GROUPS), false;
  for (int i = 0; i < n; i++) {
    if (!params[i]) return nn_fail("optim.%s: parameter %d is missing", name, i + 1), false;
    if (!tensor_is_leaf(params[i]))
      return nn_fail("optim.%s: parameter %d, of shape %s, is the result of an operation and cannot be optimized", name, i + 1,
                     tensor_shape_text(params[i])),
             false;
    bool twice = has_param(o, params[i]);
    for (int j = 0; j < i && !twice; j++) twice = params[j] == params[i];
    if (twice)
      return nn_fail("optim.%s: parameter %d, of shape %s, is given twice", name, i + 1, tensor_shape_text(params[i])), false;
  }
  return true;
}

bool optim_add_group(Optimizer *o, int n, Tensor *const *params, const Param *hyper) {
  if (!o || nn_failed() || !check_params(o, n, params)) return false;
  ParamGroup group = {.n = n};
  if (!hyper_take(o->row, hyper, group.hyper)) return false;
  ParamGroup *list = realloc(o->group, (size_t)(o->groups + 1) * sizeof *list);
  if (!list) return nn_fail("out of memory: a parameter group"), false;
  o->group = list;
  group.param = memory_new((size_t)n * sizeof *group.param);
  group.slot = memory_new((size_t)(n * o->row->slots) * sizeof *group.slot);
  group.step = memory_new((size_t)n * sizeof *group.step);
  if (!group.param || !group.slot || !group.step) {
    group_free(&group, o->row->slots);
    return false;
  }
  for (int i = 0; i < n; i++) group.param[i] = tensor_keep(params[i]);
  list[o->groups++] = group;
  return true;
}

Optimizer *optim_new(const OptimRow *row, int n, Tensor *const *params, const Param *hyper) {
  Optimizer *o = nn_failed() ? NULL : memory_new(sizeof *o);
  if (!o) return NULL;
  o->refs = 1;
  o->row = row;
  if (optim_add_group(o, n, params, hyper)) return o;
  optim_drop(o);
  return NULL;
}

Optimizer *optim_make(const char *name, Module *m, double lr) {
  const OptimRow *row = optims_find(name);
  if (!row) return nn_fail("optim_make: there is no optimizer called %s", name);
  int n;
  Tensor **params = module_parameters(m, &n);
  Optimizer *o = params ? optim_new(row, n, params, NULL) : NULL;
  memory_free(params);
  if (!o || optim_set(o, "lr", lr)) return o;
  optim_drop(o);
  return NULL;
}

Optimizer *optim_keep(Optimizer *o) {
  if (o) o->refs++;
  return o;
}

void optim_drop(Optimizer *o) {
  if (!o || --o->refs) return;
  for (int i = 0; i < o->groups; i++) group_free(&o->group[i], o->row->slots);
  free(o->group);
  memory_free(o);
}

void optim_zero_grad(Optimizer *o) {
  for (int g = 0; g < o->groups; g++)
    for (int i = 0; i < o->group[g].n; i++) tensor_set_grad(o->group[g].param[i], NULL);
}

/* ---- the step: what can fail comes before the first weight changes ---- */

typedef struct Update { /* of one parameter */
  ParamGroup *group;
  int at;
  long first, n; /* its first block among those of all parameters; its elements */
  real *w, *slot[SLOTS];
  const real *g;
} Update;

typedef struct Pass {
  const OptimRow *row;
  Update *update;
  int n;
} Pass;

static bool slot_make(Tensor **slot, const Tensor *param) {
  if (*slot) return true;
  Tensor *t = tensor_new(param->ndim, param->shape);
  if (!t || !tensor_fill(t, 0)) {
    tensor_drop(t);
    return false;
  }
  *slot = t;
  return true;
}

static bool check_grad(const Optimizer *o, const Tensor *param, const Tensor *grad, int at) {
  const char *name = o->row->name;
  if (!param->data || !grad->data)
    return nn_fail("optim.%s: the memory of parameter %d or of its gradient was freed", name, at + 1), false;
  if (tensor_same_shape(param, grad)) return true;
  return nn_fail("optim.%s: the gradient of parameter %d has shape %s, the parameter %s", name, at + 1, tensor_shape_text(grad),
                 tensor_shape_text(param)),
         false;
}

static bool prepare(Optimizer *o, ParamGroup *group, int at, Pass *p) {
  Tensor *param = group->param[at], *grad = tensor_grad(param);
  if (!grad) return true;
  if (!check_grad(o, param, grad, at)) return false;
  Update *u = &p->update[p->n], *before = p->n ? u - 1 : NULL;
  *u = (Update){.group = group, .at = at, .n = tensor_numel(param), .w = param->data, .g = grad->data};
  u->first = before ? before->first + (before->n + BLOCK - 1) / BLOCK : 0;
  for (int k = 0; k < o->row->slots; k++) {
    Tensor **slot = &group->slot[at * o->row->slots + k];
    if (o->row->uses && !o->row->uses(k, group->hyper)) continue;
    if (!slot_make(slot, param)) return false;
    u->slot[k] = (*slot)->data;
  }
  p->n++;
  return true;
}

static void update_blocks(void *job, long from, long to) {
  const Pass *p = job;
  for (long block = from; block < to; block++) {
    int low = 0, high = p->n - 1;
    while (low < high) { /* the last update that begins at or before the block */
      int middle = (low + high + 1) / 2;
      if (p->update[middle].first <= block)
        low = middle;
      else
        high = middle - 1;
    }
    const Update *u = &p->update[low];
    long at = (block - u->first) * BLOCK, n = u->n - at < BLOCK ? u->n - at : BLOCK;
    real *slot[SLOTS] = {0};
    for (int k = 0; k < p->row->slots; k++) slot[k] = u->slot[k] ? u->slot[k] + at : NULL;
    p->row->update(u->w + at, u->g + at, slot, n, u->group->hyper, u->group->step[u->at]);
  }
}

static void apply(Pass *p) {
  if (!p->n) return;
  bool was = grad_enable(false);
  for (int i = 0; i < p->n; i++) {
    ParamGroup *group = p->update[i].group;
    tensor_begin_write(group->param[p->update[i].at], "optim.step");
    group->step[p->update[i].at]++;
  }
  grad_enable(was);
  const Update *last = &p->update[p->n - 1];
  workers_for(last->first + (last->n + BLOCK - 1) / BLOCK, 1, update_blocks, p);
}

bool optim_step(Optimizer *o) {
  if (!o || nn_failed()) return false;
  int params = 0;
  for (int g = 0; g < o->groups; g++) params += o->group[g].n;
  Pass p = {o->row, memory_new((size_t)params * sizeof *p.update), 0};
  bool ok = p.update != NULL;
  for (int g = 0; g < o->groups; g++)
    for (int i = 0; ok && i < o->group[g].n; i++) ok = prepare(o, &o->group[g], i, &p);
  if (ok) apply(&p);
  memory_free(p.update);
  return ok;
}
