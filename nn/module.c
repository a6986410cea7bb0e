/* Modules: parameters, buffers, children and a forward function; calls and walks over trees of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "row.h"

static uint64_t walks, calls;

uint64_t walk_begin(void) {
  return ++walks;
}

/* ---- making ---- */

static Module *module_blank(const char *name) {
  Module *m = memory_new(sizeof *m);
  if (!m) return NULL;
  m->refs = 1;
  m->training = true;
  m->output_ndim = -1;
  m->name = memory_new(strlen(name) + 1);
  if (!m->name) {
    memory_free(m);
    return NULL;
  }
  strcpy(m->name, name);
  return m;
}

static bool take_params(Module *m, const Param *params) {
  Signature s;
  if (!signature_parse(m->layer->args, &s)) return false;
  for (int i = 0; i < s.count; i++) {
    bool given = params && !params[i].nil;
    m->param[i] = given ? params[i] : s.arg[i].fallback;
    if (!given && !s.arg[i].optional && s.arg[i].kind != ARG_MODULES)
      return nn_fail("nn.%s(%s): %s is missing", m->name, m->layer->args, s.arg[i].name), false;
  }
  return true;
}

Module *module_new(const Layer *layer, const Param *params) {
  if (nn_failed()) return NULL;
  Module *m = module_blank(layer->name);
  if (!m) return NULL;
  m->layer = layer;
  m->forward = layer->forward;
  size_t scope = scope_enter();
  bool ok = take_params(m, params) && (!layer->build || layer->build(m));
  scope_leave(scope, NULL);
  if (ok && !nn_failed()) return m;
  module_drop(m);
  return NULL;
}

/* Numbers fill the arguments in order: a pair takes one for both sides, a size all that are left. */
static void params_from(const Signature *s, const double *numbers, Param *params) {
  for (int i = 0; i < s->count; i++) {
    Param *p = &params[i];
    p->nil = *numbers == NN_END;
    if (p->nil) continue;
    p->number = *numbers;
    if (s->arg[i].kind == ARG_PAIR) p->count = 2, p->list[0] = p->list[1] = (long)*numbers;
    if (s->arg[i].kind == ARG_SIZE)
      while (*numbers != NN_END && p->count < NN_DIMS) p->list[p->count++] = (long)*numbers++;
    else
      numbers++;
  }
}

Module *module_from(const char *layer, const double *numbers) {
  if (nn_failed()) return NULL;
  const Layer *row = layers_find(layer);
  Signature s;
  Param params[NN_ARGS] = {0};
  if (!row) return nn_fail("module_make: there is no layer called %s", layer);
  if (!signature_parse(row->args, &s)) return NULL;
  params_from(&s, numbers, params);
  return module_new(row, params);
}

Module *module_custom(const char *name, Tensor *(*forward)(Module *, int, Tensor *const *), void *data, void (*free_data)(void *)) {
  Module *m = nn_failed() ? NULL : module_blank(name);
  if (!m) return NULL;
  m->forward = forward;
  m->data = data;
  m->free_data = free_data;
  return m;
}

Module *module_sequential(int n, Module *const *modules) {
  Module *m = module_new(&sequential, NULL);
  for (int i = 0; m && i < n; i++) {
    char name[16];
    snprintf(name, sizeof name, "%d", i + 1);
    if (module_add_child(m, name, modules[i])) continue;
    module_drop(m);
    m = NULL;
  }
  return m;
}

Module *module_keep(Module *m) {
  if (m) m->refs++;
  return m;
}

void module_drop(Module *m) {
  if (!m || --m->refs) return;
  for (int i = 0; i < m->tensors; i++) {
    tensor_drop(m->tensor[i].tensor);
    memory_free(m->tensor[i].name);
  }
  for (int i = 0; i < m->children; i++) {
    module_drop(m->child[i].module);
    memory_free(m->child[i].name);
  }
  if (m->free_data) m->free_data(m->data);
  free(m->tensor);
  free(m->child);
  memory_free(m->name);
  memory_free(m);
}

/* ---- what it consists of ---- */

/* A copy of a name that may be part of a dotted one. */
static char *name_copy(const Module *m, const char *name) {
  if (!*name || strchr(name, '.')) return nn_fail("%s: '%s' cannot be the name of a part: it is empty or has a dot", m->name, name);
  char *copy = memory_new(strlen(name) + 1);
  return copy ? strcpy(copy, name) : NULL;
}

/* Room for one more in a list that grows by doubling. */
static void *room_for(void *list, int n, size_t size) {
  if (n & (n - 1)) return list;
  void *grown = realloc(list, (n ? 2 * (size_t)n : 1) * size);
  return grown ? grown : nn_fail("out of memory: a module with %d parts", n);
}

static bool may_be_parameter(const Module *m, const char *name, const Tensor *t) {
  if (tensor_is_leaf(t)) return true;
  return nn_fail("%s.%s: a parameter must be a leaf, not the result of an operation; detach() makes one", m->name, name), false;
}

bool module_add_tensor(Module *m, const char *name, Tensor *t, bool buffer) {
  if (!m || nn_failed()) return false;
  if (t && !buffer && (!may_be_parameter(m, name, t) || !tensor_set_requires_grad(t, true))) return false;
  for (int i = 0; i < m->tensors; i++) {
    if (strcmp(m->tensor[i].name, name)) continue;
    tensor_keep(t);
    tensor_drop(m->tensor[i].tensor);
    m->tensor[i].tensor = t;
    m->tensor[i].buffer = buffer;
    return true;
  }
  Named *list = room_for(m->tensor, m->tensors, sizeof *list);
  if (!list) return false;
  m->tensor = list;
  char *copy = name_copy(m, name);
  if (!copy) return false;
  list[m->tensors++] = (Named){copy, tensor_keep(t), buffer};
  return true;
}

static bool contains(Module *m, const Module *part, uint64_t walk) {
  if (m == part) return true;
  if (m->walk == walk) return false;
  m->walk = walk;
  for (int i = 0; i < m->children; i++)
    if (contains(m->child[i].module, part, walk)) return true;
  return false;
}

/* Notes that so many modules stand above m. Depth only grows: a module that once stood deep may again. */
static bool sink(Module *m, int depth) {
  if (m->depth >= depth) return true;
  if (depth >= MODULE_DEPTH) return nn_fail("%s: modules nest less than %d deep", m->name, MODULE_DEPTH), false;
  m->depth = depth;
  for (int i = 0; i < m->children; i++)
    if (!sink(m->child[i].module, depth + 1)) return false;
  return true;
}

bool module_add_child(Module *m, const char *name, Module *child) {
  if (!m || !child || nn_failed()) return false;
  if (contains(child, m, walk_begin()))
    return nn_fail("%s.%s: a module cannot contain itself, and %s contains %s", m->name, name, child->name, m->name), false;
  if (!sink(child, m->depth + 1)) return false;
  for (int i = 0; i < m->children; i++) {
    if (strcmp(m->child[i].name, name)) continue;
    module_keep(child);
    module_drop(m->child[i].module);
    m->child[i].module = child;
    return true;
  }
  Child *list = room_for(m->child, m->children, sizeof *list);
  if (!list) return false;
  m->child = list;
  char *copy = name_copy(m, name);
  if (!copy) return false;
  list[m->children++] = (Child){copy, module_keep(child)};
  return true;
}

/* ---- calling ---- */

static Module *road[MODULE_DEPTH];
static int length;       /* of the road: modules whose forward is running, each called by the one before */
static uint64_t started; /* the number of calls when the first of them was called */

static bool road_enter(Module *m) {
  if (length == MODULE_DEPTH)
    return nn_fail("%s: calls of modules nest more than %d deep; does its forward call itself?", m->name, MODULE_DEPTH), false;
  if (!length) started = calls;
  road[length++] = module_keep(m); /* a script may let go of it meanwhile */
  return true;
}

static void road_leave(void) {
  module_drop(road[--length]);
}

static void note_output(Module *m, int ndim, const long *shape) {
  m->called = ++calls;
  m->output_ndim = ndim;
  memcpy(m->output, shape, sizeof m->output);
}

Tensor *module_call(Module *m, int n, Tensor *const *x) {
  if (!m || nn_failed() || !road_enter(m)) return NULL;
  size_t scope = scope_enter();
  Tensor *y = m->forward(m, n, x);
  if (!y) nn_fail("%s: forward returned no tensor", m->name);
  if (nn_failed()) {
    road_tell(road, length, started, n, x);
    y = NULL;
  } else {
    note_output(m, y->ndim, y->shape);
  }
  road_leave();
  return scope_leave(scope, y);
}

/* What module_call_both offers to the layer it calls. */
static struct {
  const Module *to;
  Activation activation;
  Tensor *table;
} offer;

Activation layer_take(const Module *m, int last) {
  if (offer.to != m || offer.table || offer.activation.kind > last) return (Activation){0};
  offer.to = NULL;
  return offer.activation;
}

Tensor *layer_take_table(const Module *m) {
  if (offer.to != m || !offer.table) return NULL;
  offer.to = NULL;
  return offer.table;
}

/* Worth it where there are more indices than rows. */
static bool offer_table(const Module *m, const Module *next, int n, Tensor *const *x) {
  offer.table = n == 1 && x[0] && next ? layer_table(m) : NULL;
  return offer.table && tensor_numel(x[0]) > offer.table->shape[0] && layer_looks_up(next, offer.table, x[0]);
}

/* The module m, which only picks rows of the table on offer, is left out. */
static Tensor *call_looking_up(Module *m, Module *next, Tensor *x) {
  offer.to = next;
  Tensor *y = module_call(next, 1, &x);
  long shape[NN_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim] = offer.table->shape[1];
  if (y) note_output(m, x->ndim + 1, shape);
  return y;
}

/* The largest of relu is relu of the largest, with the same gradients, and there are fewer of them. */
static bool swap(const Module *m, const Module *next) {
  Activation a;
  return next && layer_is_activation(m, &a) && a.kind == ACTIVATION_RELU && layer_is_smaller_pool(next);
}

static Tensor *call_swapped(Module *m, Module *next, Tensor *x) {
  Tensor *largest = module_call(next, 1, &x), *y = module_call(m, 1, &largest);
  if (!y) return NULL;
  note_output(m, x->ndim, x->shape);
  note_output(next, y->ndim, y->shape);
  return y;
}

/* A module whose forward was replaced may look at its result, so that must be its own. */
Tensor *module_call_both(int modules, const Child *child, int n, Tensor *const *x, bool *both) {
  Module *m = child[0].module, *next = modules > 1 ? child[1].module : NULL;
  if (n == 1 && x[0] && swap(m, next)) return *both = true, call_swapped(m, next, x[0]);
  if (next && modules > 2 && swap(next, child[2].module)) next = NULL;
  if (offer_table(m, next, n, x)) return *both = true, call_looking_up(m, next, x[0]);
  offer.table = NULL;
  bool offered = m->layer && m->forward == m->layer->forward && !m->children && layer_is_activation(next, &offer.activation);
  offer.to = offered ? m : NULL;
  Tensor *y = module_call(m, n, x);
  *both = offered && !offer.to;
  offer.to = NULL;
  if (y && *both) note_output(next, y->ndim, y->shape);
  return y;
}

/* Who asks for the further results of a call, and what came of it. */
static struct {
  const Module *of;
  Tensor *more[MODULE_MORE];
  int count;
} asked;

bool layer_asked(const Module *m) {
  if (asked.of != m) return false;
  asked.of = NULL;
  return true;
}

void layer_give(Tensor *result) {
  if (asked.count < MODULE_MORE) asked.more[asked.count++] = tensor_keep(result);
}

Tensor *module_call_all(Module *m, int n, Tensor *const *x, Tensor **more) {
  asked.of = m;
  asked.count = 0;
  Tensor *y = module_call(m, n, x);
  asked.of = NULL;
  for (int i = 0; i < asked.count; i++) more[i] = tensor_own(asked.more[i]);
  return y;
}

Tensor *module_forward(Module *m, Tensor *x) {
  return module_call(m, 1, &x);
}

/* ---- walking ---- */

static void train_from(Module *m, bool training, uint64_t walk) {
  if (m->walk == walk) return;
  m->walk = walk;
  m->training = training;
  for (int i = 0; i < m->children; i++) train_from(m->child[i].module, training, walk);
}

void module_train(Module *m, bool training) {
  if (m) train_from(m, training, walk_begin());
}

typedef struct Visit {
  bool (*visit)(void *data, const char *name, Module *owner, Named *entry);
  void *data;
  uint64_t walk;
  char *name; /* of where the walk is, dotted, with room for `room` bytes */
  size_t room;
} Visit;

/* Puts `part` behind the first `at` bytes of the name; the new length, or 0 when memory is full. */
static size_t name_extend(Visit *v, size_t at, const char *part) {
  size_t n = strlen(part), dot = at > 0;
  if (at + dot + n + 1 > v->room) {
    size_t more = 2 * (at + dot + n + 1);
    char *grown = realloc(v->name, more);
    if (!grown) return nn_fail("out of memory: the names of a network's parts"), 0;
    v->name = grown;
    v->room = more;
  }
  if (dot) v->name[at] = '.';
  memcpy(v->name + at + dot, part, n + 1);
  return at + dot + n;
}

static bool visit_from(Visit *v, Module *m, size_t at) {
  if (m->walk == v->walk) return true;
  m->walk = v->walk;
  for (int i = 0; i < m->tensors; i++) {
    if (!m->tensor[i].tensor) continue;
    if (!name_extend(v, at, m->tensor[i].name) || !v->visit(v->data, v->name, m, &m->tensor[i])) return false;
  }
  for (int i = 0; i < m->children; i++) {
    size_t below = name_extend(v, at, m->child[i].name);
    if (!below || !visit_from(v, m->child[i].module, below)) return false;
  }
  return true;
}

bool module_visit(Module *m, bool (*visit)(void *, const char *, Module *, Named *), void *data) {
  if (!m || nn_failed()) return false;
  Visit v = {.visit = visit, .data = data, .walk = walk_begin()};
  bool ok = visit_from(&v, m, 0);
  free(v.name);
  return ok;
}

typedef struct Parameters {
  Tensor **list;
  int n;
} Parameters;

static bool collect(void *data, const char *name, Module *owner, Named *entry) {
  Parameters *p = data;
  (void)name, (void)owner;
  if (entry->buffer) return true;
  for (int i = 0; i < p->n; i++)
    if (p->list[i] == entry->tensor) return true;
  Tensor **list = room_for(p->list, p->n, sizeof *list);
  if (!list) return false;
  p->list = list;
  list[p->n++] = entry->tensor;
  return true;
}

Tensor **module_parameters(Module *m, int *n) {
  Parameters p = {room_for(NULL, 0, sizeof *p.list), 0};
  *n = 0;
  if (!p.list || !module_visit(m, collect, &p)) {
    free(p.list);
    return NULL;
  }
  *n = p.n;
  return p.list;
}

static bool clear_grad(void *data, const char *name, Module *owner, Named *entry) {
  (void)data, (void)name, (void)owner;
  if (!entry->buffer) tensor_set_grad(entry->tensor, NULL);
  return true;
}

void module_zero_grad(Module *m) {
  module_visit(m, clear_grad, NULL);
}
