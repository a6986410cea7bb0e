/* Reverse-mode differentiation over the graph that op_call records. */
#include <stdlib.h>
#include <string.h>

#include "row.h"

static bool enabled = true;
static uint64_t order;

enum { SEEN = 1, LEADS = 2, WANTED = 4 }; /* marks of a pass */

bool grad_enabled(void) {
  return enabled;
}

bool grad_enable(bool on) {
  bool was = enabled;
  enabled = on;
  return was;
}

/* ---- nodes ---- */

static Node *node_new(int n, int params) {
  size_t tensors = (size_t)n * sizeof(Tensor *), versions = ((size_t)n * sizeof(unsigned) + 7) / 8 * 8;
  Node *node = memory_new(sizeof *node + tensors + versions + (size_t)params * sizeof(Param));
  if (!node) return NULL;
  char *at = (char *)(node + 1);
  node->refs = 1;
  node->order = ++order;
  node->n = n;
  node->params = params;
  node->in = (Tensor **)at;
  node->version = (unsigned *)(at + tensors);
  node->param = (Param *)(at + tensors + versions);
  return node;
}

Node *node_keep(Node *node) {
  if (node) node->refs++;
  return node;
}

/* Lets go of what backward would have read. */
static void node_release(Node *node) {
  for (int i = 0; i < node->n; i++) tensor_drop(node->in[i]);
  for (int i = 0; i < CALL_EXTRAS; i++) {
    tensor_drop(node->extra[i]);
    node->extra[i] = NULL;
  }
  tensor_drop(node->out);
  node->out = NULL;
  node->n = 0;
}

/* Dropping the end of a graph drops all of it; a list instead of recursion, since graphs can be long. */
void node_drop(Node *node) {
  static Node *dying;
  static bool draining;
  if (!node || --node->refs) return;
  node->pending = (Tensor *)(void *)dying; /* free at this point: used as the link of the list */
  dying = node;
  if (draining) return;
  draining = true;
  while (dying) {
    Node *dead = dying;
    dying = (Node *)(void *)dead->pending;
    tensor_drop(dead->grad);
    node_release(dead);
    memory_free(dead);
  }
  draining = false;
}

const Arg *signature_slot(const Signature *s, int i) {
  int slot = 0;
  for (int a = 0; a < s->count; a++) {
    ArgKind kind = s->arg[a].kind;
    if (kind != ARG_TENSOR && kind != ARG_CONSTANT && kind != ARG_TENSORS) continue;
    if (s->list || slot++ == i) return &s->arg[a];
  }
  return NULL;
}

/* Does the list `needs`, of words with spaces between them, have this name? */
static bool is_needed(const Op *op, const char *name) {
  size_t n = strlen(name);
  for (const char *at = op->needs; at && *at;) {
    size_t length = strcspn(at, " ");
    if (length == n && !strncmp(at, name, n)) return true;
    at += length + strspn(at + length, " ");
  }
  return false;
}

/* What the node keeps of an argument. A constant leads no further: its graph is not kept. */
static Tensor *keep_argument(const Op *op, const Arg *arg, Tensor *in) {
  bool needed = is_needed(op, arg->name);
  if (needed && (arg->kind != ARG_CONSTANT || !in->node)) return tensor_keep(in);
  Tensor *kept = tensor_shell(in, needed);
  if (kept && arg->kind == ARG_CONSTANT) {
    node_drop(kept->node);
    kept->node = NULL;
  }
  return kept;
}

bool node_record(Call *c, Tensor *out) {
  const Signature *s = op_signature(c->op);
  Node *node = node_new(c->n, s->params);
  if (!node) {
    for (int i = 0; i < CALL_EXTRAS; i++) tensor_drop(c->extra[i]);
    return false;
  }
  node->op = c->op;
  for (int i = 0; i < c->n; i++) {
    if (!c->in[i]) continue;
    node->in[i] = keep_argument(c->op, signature_slot(s, i), c->in[i]);
    node->version[i] = tensor_version(c->in[i]);
  }
  if (s->params) memcpy(node->param, c->param, (size_t)s->params * sizeof(Param));
  memcpy(node->extra, c->extra, sizeof node->extra);
  node->out = tensor_shell(out, is_needed(c->op, "out")); /* out has no node yet: no cycle */
  node->out_version = tensor_version(out);
  out->node = node;
  return !nn_failed();
}

/* ---- leaves ---- */

bool tensor_is_leaf(const Tensor *t) {
  return !t->node || !t->node->op;
}

bool tensor_requires_grad(const Tensor *t) {
  return t->node && (t->node->op || t->node->requires_grad);
}

bool tensor_set_requires_grad(Tensor *t, bool on) {
  if (!tensor_is_leaf(t))
    return nn_fail("requires_grad: only of a leaf; this tensor is the result of %s, use detach() first", t->node->op->name), false;
  if (on && !t->node) t->node = node_new(0, 0);
  if (on && !t->node) return false;
  if (t->node) t->node->requires_grad = on;
  if (!on && t->node && !t->node->grad) {
    node_drop(t->node);
    t->node = NULL;
  }
  return true;
}

Tensor *tensor_grad(const Tensor *t) {
  return t->node ? t->node->grad : NULL;
}

void tensor_set_grad(Tensor *t, Tensor *grad) {
  if (!t->node) {
    if (!grad) return;
    t->node = node_new(0, 0);
    if (!t->node) return;
  }
  tensor_keep(grad);
  tensor_drop(t->node->grad);
  t->node->grad = grad;
}

/* ---- a pass ---- */

typedef struct Pass {
  Node **node; /* all that out depends on, newest first */
  long n, room;
  int inputs;
  Tensor *const *input;
  Tensor **result; /* NULL: into .grad */
  int flags;
} Pass;

static bool pass_add(Pass *p, Node *node) {
  if (node->mark & SEEN) return true;
  if (node->op && node->spent)
    return nn_fail("backward: the graph through %s was freed by an earlier backward; give that one {retain_graph=true}",
                   node->op->name),
           false;
  if (p->n == p->room) {
    long room = p->room ? 2 * p->room : 256;
    Node **grown = realloc(p->node, (size_t)room * sizeof *grown);
    if (!grown) return nn_fail("backward: out of memory for %ld nodes", room), false;
    p->node = grown;
    p->room = room;
  }
  node->mark |= SEEN;
  p->node[p->n++] = node;
  return true;
}

static int newest_first(const void *a, const void *b) {
  const Node *p = *(Node *const *)a, *q = *(Node *const *)b;
  return p->order < q->order ? 1 : p->order > q->order ? -1 : 0;
}

static bool pass_collect(Pass *p, Node *root) {
  if (!pass_add(p, root)) return false;
  for (long at = 0; at < p->n; at++)
    for (int i = 0; i < p->node[at]->n; i++) {
      Tensor *in = p->node[at]->in[i];
      if (in && in->node && !pass_add(p, in->node)) return false;
    }
  qsort(p->node, (size_t)p->n, sizeof *p->node, newest_first);
  return true;
}

/* Marks the nodes through which a wanted one is reached, so that nothing else is computed. */
static void pass_mark(Pass *p) {
  for (int i = 0; i < p->inputs; i++)
    if (p->input[i]->node) p->input[i]->node->mark |= WANTED;
  for (long at = p->n - 1; at >= 0; at--) {
    Node *node = p->node[at];
    bool leads = p->inputs ? node->mark & WANTED : !node->op && node->requires_grad;
    for (int i = 0; i < node->n && !leads; i++) leads = node->in[i] && node->in[i]->node && node->in[i]->node->mark & LEADS;
    if (leads) node->mark |= LEADS;
  }
}

bool tensor_is_alone(const Tensor *t) {
  return t->refs == 1 && t->storage && t->storage->refs == 1 && !t->node;
}

/* *sum += g, taking references as needed. */
static bool accumulate(Tensor **sum, Tensor *g) {
  if (!*sum) {
    *sum = tensor_keep(g);
    return true;
  }
  if (tensor_is_alone(*sum) && !g->node) return tensor_add_to(*sum, g, 1);
  Tensor *both = tensor_add(*sum, g);
  if (!both) return false;
  tensor_keep(both);
  tensor_drop(*sum);
  *sum = both;
  return true;
}

/* A leaf's gradient: its own memory, since users clip and scale it in place. */
static bool deliver(Node *leaf, Tensor *g, int flags) {
  size_t scope = scope_enter();
  bool ok = true;
  if (flags & GRAD_CREATE_GRAPH || leaf->grad) {
    ok = accumulate(&leaf->grad, g);
  } else if (tensor_is_alone(g) || (g->refs == 1 && g->storage->refs == 1)) {
    leaf->grad = tensor_keep(g);
  } else {
    leaf->grad = tensor_keep(tensor_from(g->ndim, g->shape, g->data));
    ok = leaf->grad != NULL;
  }
  scope_leave(scope, NULL);
  return ok;
}

static bool deliver_wanted(Pass *p, Node *node, Tensor *g) {
  if (!p->result) return deliver(node, g, p->flags);
  for (int i = 0; i < p->inputs; i++)
    if (p->input[i]->node == node && !p->result[i]) p->result[i] = tensor_keep(g);
  return true;
}

static bool check_versions(const Node *node) {
  if (node->out->storage && tensor_version(node->out) != node->out_version)
    return nn_fail("backward: the result of %s(%s), which its gradient needs, was written to in place", node->op->name,
                   node->op->args),
           false;
  for (int i = 0; i < node->n; i++)
    if (node->in[i] && node->in[i]->storage && tensor_version(node->in[i]) != node->version[i])
      return nn_fail("backward: a tensor that %s(%s) needs was written to in place after it was used", node->op->name,
                     node->op->args),
             false;
  for (int i = 0; i < node->n; i++)
    if (node->in[i] && node->in[i]->storage && !node->in[i]->data)
      return nn_fail("backward: the memory of a tensor that %s needs was freed", node->op->name), false;
  return true;
}

/* Hands node->pending on to the node's inputs. */
static bool propagate(Node *node, bool *want, Tensor **grads) {
  Call c = {.op = node->op, .n = node->n, .in = node->in, .param = node->param, .want = want};
  if (!check_versions(node)) return false;
  memcpy(c.extra, node->extra, sizeof c.extra);
  c.out = tensor_own(tensor_shell(node->out, true)); /* the result with its place in the graph; the new graph may keep it */
  if (!c.out) return false;
  c.out->node = node_keep(node);
  c.ndim = c.out->ndim;
  memcpy(c.shape, c.out->shape, sizeof c.shape);
  for (int i = 0; i < node->n; i++) {
    Tensor *in = node->in[i];
    want[i] = in && in->node && in->node->mark & LEADS;
    grads[i] = NULL;
  }
  const bool fused = node->op->fused && !grad_enabled();
  (fused ? node->op->fused : node->op->backward)(&c, node->pending, grads);
  if (nn_failed()) return false;
  for (int i = 0; i < node->n; i++) {
    if (!want[i] || !grads[i]) continue;
    if (!tensor_same_shape(grads[i], node->in[i]))
      return nn_fail("backward of %s: gradient %d has shape %s, its argument %s", node->op->name, i + 1,
                     tensor_shape_text(grads[i]), tensor_shape_text(node->in[i])),
             false;
    if (!accumulate(&node->in[i]->node->pending, grads[i])) return false;
  }
  return true;
}

static bool pass_node(Pass *p, Node *node) {
  if (node->mark & WANTED || (!p->inputs && !node->op && node->requires_grad))
    if (!deliver_wanted(p, node, node->pending)) return false;
  if (!node->op || !(node->mark & LEADS)) return true;
  bool few_want[8], *want = few_want;
  Tensor *few_grads[8], **grads = few_grads;
  if (node->n > 8) {
    want = memory_new((size_t)node->n * sizeof *want);
    grads = memory_new((size_t)node->n * sizeof *grads);
  }
  size_t scope = scope_enter();
  bool ok = want && grads && propagate(node, want, grads);
  scope_leave(scope, NULL);
  if (node->n > 8) memory_free(want), memory_free(grads);
  return ok;
}

/* Goes from out backwards; what a node kept is let go as soon as its inputs have their gradients. */
static bool pass_run(Pass *p) {
  bool ok = true, retain = p->flags & (GRAD_RETAIN_GRAPH | GRAD_CREATE_GRAPH);
  for (long at = 0; at < p->n; at++) node_keep(p->node[at]); /* releasing one may free the next */
  for (long at = 0; at < p->n; at++) {
    Node *node = p->node[at];
    if (ok && node->pending) ok = pass_node(p, node);
    tensor_drop(node->pending);
    node->pending = NULL;
    node->mark = 0;
    if (!node->op || retain || !ok) continue;
    node_release(node);
    node->spent = true;
  }
  for (long at = 0; at < p->n; at++) node_drop(p->node[at]);
  return ok;
}

static Tensor *seed_of(Tensor *out, Tensor *seed) {
  if (seed) {
    if (tensor_same_shape(seed, out)) return seed;
    return nn_fail("backward: the seed has shape %s, the tensor %s", tensor_shape_text(seed), tensor_shape_text(out));
  }
  if (tensor_numel(out) != 1)
    return nn_fail("backward: of one element, or with a gradient to start from; got shape %s", tensor_shape_text(out));
  return tensor_full(1, out->ndim, out->shape);
}

static bool run(Pass *p, Tensor *out, Tensor *seed) {
  if (nn_failed() || !out) return false;
  if (!out->node) return nn_fail("backward: the tensor does not depend on anything that requires a gradient"), false;
  size_t scope = scope_enter();
  bool was = grad_enable(p->flags & GRAD_CREATE_GRAPH);
  seed = seed_of(out, seed);
  bool ok = seed && pass_collect(p, out->node);
  if (ok) {
    pass_mark(p);
    out->node->pending = tensor_keep(seed);
    ok = pass_run(p);
  } else {
    for (long at = 0; at < p->n; at++) p->node[at]->mark = 0;
  }
  for (int i = 0; i < p->inputs; i++)
    if (p->input[i]->node) p->input[i]->node->mark = 0;
  grad_enable(was);
  scope_leave(scope, NULL);
  free(p->node);
  return ok;
}

bool tensor_backward(Tensor *out, Tensor *seed, int n, Tensor *const *inputs, int flags) {
  return run(&(Pass){.inputs = n, .input = inputs, .flags = flags}, out, seed);
}

bool tensor_gradients(Tensor *out, Tensor *seed, int n, Tensor *const *inputs, int flags, Tensor **grads) {
  memset(grads, 0, (size_t)n * sizeof *grads);
  bool ok = run(&(Pass){.inputs = n, .input = inputs, .flags = flags, .result = grads}, out, seed);
  for (int i = 0; i < n; i++) {
    if (grads[i])
      tensor_own(grads[i]);
    else if (ok)
      grads[i] = tensor_zeros(inputs[i]->ndim, inputs[i]->shape);
  }
  return ok && !nn_failed();
}
