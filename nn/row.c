/* Calling an op: check, allocate, compute, record. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "row.h"

#include "kernels/kernel.h"

static const Op *const *const tables[] = {ops_make,   ops_elementwise, ops_activation, ops_arithmetic, ops_compare,  ops_loss,
                                          ops_reduce, ops_softmax,     ops_shape,      ops_slice,      ops_index,    ops_matmul,
                                          ops_conv,   ops_pool,        ops_norm,       ops_lstm,       ops_attention};
enum { TABLES = sizeof tables / sizeof *tables, MOST_OPS = 256 };

static const Op *listed[MOST_OPS];
static int ops;

/* Signatures by the row's address: a call of an op looks its own up, so it must take no time. */
typedef struct Slot {
  const Op *op;
  Signature *signature;
} Slot;

static Slot slot[2 * MOST_OPS];

static void gather(void) {
  if (ops) return;
  for (int i = 0; i < TABLES; i++)
    for (const Op *const *op = tables[i]; *op && ops < MOST_OPS; op++) listed[ops++] = *op;
}

int ops_count(void) {
  gather();
  return ops;
}

const Op *ops_at(int i) {
  gather();
  return listed[i];
}

const Op *ops_find(const char *name) {
  gather();
  for (int i = 0; i < ops; i++)
    if (!strcmp(listed[i]->name, name)) return listed[i];
  return NULL;
}

const Signature *op_signature(const Op *op) {
  size_t at = (size_t)((uintptr_t)op / sizeof(Op)) % (2 * MOST_OPS);
  while (slot[at].op && slot[at].op != op) at = (at + 1) % (2 * MOST_OPS);
  if (slot[at].op) return slot[at].signature;
  Signature *signature = memory_new(sizeof *signature);
  if (!signature || !signature_parse(op->args, signature)) {
    memory_free(signature);
    return NULL;
  }
  slot[at] = (Slot){op, signature};
  return signature;
}

/* ---- for shape functions ---- */

/* "conv2d(x, weight, bias, stride, padding)" of a row. */
static void usage(const Op *op, char *text, size_t size) {
  size_t at = (size_t)snprintf(text, size, "%s(", op->name);
  const char *from = op->args;
  while (*from && at + 34 < size) {
    size_t n = strcspn(from, ":=?,");
    memcpy(text + at, from, n < 32 ? n : 32);
    at += n < 32 ? n : 32;
    from += strcspn(from, ",");
    if (*from) at += (size_t)snprintf(text + at, size - at, ", "), from += strspn(from, ", ");
  }
  snprintf(text + at, size - at, ")");
}

bool call_fail(Call *c, const char *format, ...) {
  char who[400], message[1200];
  usage(c->op, who, sizeof who);
  va_list list;
  va_start(list, format);
  vsnprintf(message, sizeof message, format, list);
  va_end(list);
  nn_fail("%s: %s", who, message);
  return false;
}

bool call_failed(Call *c) {
  char who[400];
  usage(c->op, who, sizeof who);
  nn_fail_in("%s", who);
  return false;
}

bool call_shape(Call *c, int ndim, const long *shape) {
  if (ndim > NN_DIMS) return call_fail(c, "the result would have %d dimensions, a tensor has at most %d", ndim, NN_DIMS);
  c->ndim = ndim;
  if (ndim) memmove(c->shape, shape, (size_t)ndim * sizeof *shape);
  return true;
}

bool call_same(Call *c) {
  return call_shape(c, c->in[0]->ndim, c->in[0]->shape);
}

bool broadcast_shapes(int an, const long *a, int bn, const long *b, int *n, long *shape) {
  long out[NN_DIMS];
  int dims = an > bn ? an : bn;
  for (int i = 0; i < dims; i++) { /* from the last dimension to the first */
    long p = i < an ? a[an - 1 - i] : 1, q = i < bn ? b[bn - 1 - i] : 1;
    if (p != q && p != 1 && q != 1) return false;
    out[dims - 1 - i] = p == 1 ? q : p;
  }
  *n = dims;
  memcpy(shape, out, (size_t)dims * sizeof *shape);
  return true;
}

bool call_broadcast(Call *c) {
  call_same(c);
  for (int i = 1; i < c->n; i++) {
    if (!c->in[i]) continue;
    if (!broadcast_shapes(c->ndim, c->shape, c->in[i]->ndim, c->in[i]->shape, &c->ndim, c->shape))
      return call_fail(c, "shapes %s and %s do not broadcast: going backwards, each pair of dimensions must be equal or 1",
                       shape_text(c->ndim, c->shape), tensor_shape_text(c->in[i]));
  }
  return true;
}

bool call_check_dims(Call *c, int param, int ndim) {
  const Param *p = &c->param[param];
  bool seen[NN_DIMS] = {false};
  for (int i = 0; i < p->count; i++) {
    long dim = p->list[i];
    if (!dim_check(ndim, &dim)) return call_failed(c);
    if (seen[dim]) return call_fail(c, "dimension %ld given twice", dim + 1);
    seen[dim] = true;
  }
  return true;
}

long shape_product(const long *shape, int from, int to) {
  long n = 1;
  for (int i = from; i < to; i++) n *= shape[i];
  return n;
}

int call_get_dim(Call *c, int param, int ndim) {
  long dim = (long)c->param[param].number;
  if (dim_check(ndim, &dim)) return (int)dim;
  call_failed(c);
  return -1;
}

/* ---- the work ---- */

static double work;

void work_add(double products) {
  work += 2 * products;
}

double work_done(void) {
  return work;
}

/* ---- the call ---- */

static bool check_given(Call *c) {
  const Signature *s = op_signature(c->op);
  if (!s) return false;
  if (!s->list && c->n > s->tensors) return call_fail(c, "%d tensors given, it takes %d", c->n, s->tensors);
  int slot = 0;
  for (int i = 0; i < s->count; i++) {
    ArgKind kind = s->arg[i].kind;
    if (kind != ARG_TENSOR && kind != ARG_CONSTANT) continue;
    bool given = slot < c->n && c->in[slot];
    if (!given && !s->arg[i].optional) return call_fail(c, "%s is missing", s->arg[i].name);
    slot++;
  }
  for (int i = 0; i < c->n; i++) {
    if (!c->in[i] && s->list) return call_fail(c, "tensor %d of the list is missing", i + 1);
    if (c->in[i] && !c->in[i]->data)
      return call_fail(c, "the memory of %s %s was freed", signature_slot(s, i)->name, tensor_shape_text(c->in[i]));
  }
  return true;
}

static bool wants_record(const Call *c) {
  if (!c->op->backward || !grad_enabled()) return false;
  const Signature *s = op_signature(c->op);
  for (int i = 0; i < c->n; i++)
    if (c->in[i] && tensor_requires_grad(c->in[i]) && signature_slot(s, i)->kind != ARG_CONSTANT) return true;
  return false;
}

static bool compute(Call *c) {
  if (c->view) {
    c->out = tensor_view(c->in[0], c->ndim, c->shape, c->offset);
    return c->out != NULL;
  }
  c->out = tensor_own(tensor_new(c->ndim, c->shape));
  return c->out && c->op->forward(c) && !nn_failed();
}

Tensor *op_call(const Op *op, int n, Tensor *const *in, const Param *params) {
  if (nn_failed() || !cpu_check()) return NULL;
  Call c = {.op = op, .n = n, .in = in, .param = params};
  if (!check_given(&c)) return NULL;
  gradcheck_call(&c, in);
  size_t scope = scope_enter();
  bool ok = op->shape(&c) && compute(&c);
  if (ok && wants_record(&c))
    ok = node_record(&c, c.out);
  else
    for (int i = 0; i < CALL_EXTRAS; i++) tensor_drop(c.extra[i]);
  return scope_leave(scope, ok ? c.out : NULL);
}
