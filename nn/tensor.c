/* Tensors: shapes over shared storage, and the scopes that own the temporary ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/update.h"
#include "row.h"

/* ---- scopes: a stack of tensors, cut back by scope_leave ---- */

static Tensor **stack;
static size_t stacked, room;

size_t scope_enter(void) {
  return stacked;
}

Tensor *tensor_own(Tensor *t) {
  if (!t) return NULL;
  if (stacked == room) {
    size_t more = room ? 2 * room : 256;
    Tensor **grown = realloc(stack, more * sizeof *stack);
    if (!grown) {
      tensor_drop(t);
      return nn_fail("out of memory: %zu temporary tensors", stacked);
    }
    stack = grown;
    room = more;
  }
  return stack[stacked++] = t;
}

Tensor *scope_leave(size_t scope, Tensor *result) {
  tensor_keep(result);
  while (stacked > scope) tensor_drop(stack[--stacked]);
  return tensor_own(result);
}

/* ---- shapes ---- */

const char *shape_text(int ndim, const long *shape) {
  static char texts[16][NN_DIMS * 21 + 4];
  static unsigned next;
  char *text = texts[next++ % 16];
  int at = sprintf(text, "(");
  for (int i = 0; i < ndim; i++) at += sprintf(text + at, i ? ",%ld" : "%ld", shape[i]);
  sprintf(text + at, ")");
  return text;
}

const char *tensor_shape_text(const Tensor *t) {
  return t ? shape_text(t->ndim, t->shape) : "(nothing)";
}

bool tensor_same_shape(const Tensor *a, const Tensor *b) {
  return a->ndim == b->ndim && !memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof(long));
}

long tensor_numel(const Tensor *t) {
  long n = 1;
  for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
  return n;
}

bool dim_check(int ndim, long *dim) {
  const long given = *dim;
  if (given < 0) *dim += ndim;
  if (*dim >= 0 && *dim < ndim) return true;
  const long asked = given < 0 ? given : given + 1;
  if (ndim > 1)
    nn_fail("dimension %ld of a tensor with %d dimensions: 1..%d or -%d..-1 expected", asked, ndim, ndim, ndim);
  else if (ndim)
    nn_fail("dimension %ld of a tensor with 1 dimension: 1 or -1 expected", asked);
  else
    nn_fail("dimension %ld of a tensor without dimensions", asked);
  return false;
}

/* ---- making ---- */

/* The bytes of a shape, or false when there are too many dimensions or elements to count: the product of any of its sides other
 * than 0 fits a long. */
static bool shape_bytes(int ndim, const long *shape, size_t *bytes) {
  *bytes = sizeof(real);
  if (ndim < 0 || ndim > NN_DIMS) return nn_fail("a tensor has at most %d dimensions, not %d", NN_DIMS, ndim), false;
  bool empty = false;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0) return nn_fail("a dimension cannot be negative: %s", shape_text(ndim, shape)), false;
    if (!shape[i]) empty = true;
  }
  for (int i = 0; i < ndim; i++) {
    if (!shape[i]) continue;
    if ((size_t)shape[i] > ((size_t)1 << 46) / *bytes)
      return nn_fail("out of memory: a tensor of shape %s", shape_text(ndim, shape)), false;
    *bytes *= (size_t)shape[i];
  }
  if (empty) *bytes = 0;
  return true;
}

static Tensor *tensor_head(int ndim, const long *shape) {
  Tensor *t = memory_new(sizeof *t);
  if (!t) return NULL;
  t->refs = 1;
  t->ndim = ndim;
  if (ndim) memcpy(t->shape, shape, (size_t)ndim * sizeof *shape);
  return t;
}

Tensor *tensor_new(int ndim, const long *shape) {
  size_t bytes;
  if (nn_failed() || !shape_bytes(ndim, shape, &bytes)) return NULL;
  Tensor *t = tensor_head(ndim, shape);
  if (!t) return NULL;
  t->storage = storage_new(bytes);
  if (!t->storage) {
    tensor_drop(t);
    return NULL;
  }
  t->data = t->storage->data;
  return t;
}

Tensor *tensor_from(int ndim, const long *shape, const real *values) {
  Tensor *t = tensor_new(ndim, shape);
  if (t) memcpy(t->data, values, (size_t)tensor_numel(t) * sizeof(real));
  return tensor_own(t);
}

Tensor *tensor_scalar(double value) {
  real one = (real)value;
  return tensor_from(0, NULL, &one);
}

Tensor *tensor_shell(const Tensor *t, bool data) {
  Tensor *shell = tensor_head(t->ndim, t->shape);
  if (!shell) return NULL;
  if (data) {
    shell->storage = storage_keep(t->storage);
    shell->data = t->data;
  }
  shell->node = node_keep(t->node);
  return shell;
}

Tensor *tensor_view(Tensor *t, int ndim, const long *shape, long offset) {
  size_t bytes;
  if (!t || nn_failed() || !shape_bytes(ndim, shape, &bytes)) return NULL;
  Tensor *view = tensor_head(ndim, shape);
  if (!view) return NULL;
  view->storage = storage_keep(t->storage);
  view->data = t->data ? t->data + offset : NULL;
  return tensor_own(view);
}

Tensor *tensor_detach(Tensor *t) {
  return t ? tensor_view(t, t->ndim, t->shape, 0) : NULL;
}

Tensor *tensor_keep(Tensor *t) {
  if (t) t->refs++;
  return t;
}

void tensor_drop(Tensor *t) {
  if (!t || --t->refs) return;
  storage_drop(t->storage);
  node_drop(t->node);
  memory_free(t);
}

void tensor_free_memory(Tensor *t) {
  storage_drop(t->storage);
  t->storage = NULL;
  t->data = NULL;
}

/* ---- reading and writing ---- */

double tensor_item(const Tensor *t) {
  if (!t) return NAN;
  if (!t->data) {
    nn_fail("item(x): the memory of x was freed");
    return NAN;
  }
  if (tensor_numel(t) != 1) {
    nn_fail("item(x): x must have one element, got shape %s", tensor_shape_text(t));
    return NAN;
  }
  return (double)t->data[0];
}

long index_at(const Tensor *indices, long i, long n) {
  double index = (double)indices->data[i];
  if (index >= 1 && index <= (double)n && index == (double)(long)index) return (long)index - 1;
  nn_fail("index %g at position %ld: indices are whole numbers from 1 to %ld", index, i + 1, n);
  return -1;
}

unsigned tensor_version(const Tensor *t) {
  return t->storage ? t->storage->version : 0;
}

bool tensor_begin_write(Tensor *t, const char *who) {
  if (!t || nn_failed()) return false;
  if (!t->data) return nn_fail("%s: the tensor's memory was freed", who), false;
  if (t->node && t->node->op && grad_enabled())
    return nn_fail("%s: the tensor is part of a graph that backward needs; write to a detach() or inside no_grad", who), false;
  if (t->node && t->node->requires_grad && grad_enabled())
    return nn_fail("%s: the tensor requires a gradient; write to it inside no_grad", who), false;
  t->storage->version++;
  kept_drop(t->storage);
  return true;
}

bool tensor_fill(Tensor *t, double value) {
  if (!tensor_begin_write(t, "fill")) return false;
  for (long i = 0, n = tensor_numel(t); i < n; i++) t->data[i] = (real)value;
  return true;
}

bool tensor_copy_to(Tensor *t, Tensor *from) {
  if (!t || !from || nn_failed()) return false;
  size_t scope = scope_enter();
  bool was = grad_enable(false);
  Tensor *source = tensor_same_shape(t, from) ? from : tensor_expand(from, t->ndim, t->shape);
  grad_enable(was);
  bool ok = source && source->data && tensor_begin_write(t, "copy");
  if (ok) memmove(t->data, source->data, (size_t)tensor_numel(t) * sizeof(real));
  scope_leave(scope, NULL);
  return ok;
}

typedef struct AddTo {
  real *to;
  const real *from;
  real scale;
} AddTo;

static void add_to(void *job, long from, long to) {
  AddTo *a = job;
  update_add(a->to + from, a->from + from, to - from, a->scale);
}

bool tensor_add_to(Tensor *t, Tensor *from, double scale) {
  if (!t || !from || nn_failed()) return false;
  if (!tensor_same_shape(t, from))
    return nn_fail("add: shapes %s and %s differ", tensor_shape_text(t), tensor_shape_text(from)), false;
  if (!from->data || !tensor_begin_write(t, "add")) return nn_fail("add: the tensor's memory was freed"), false;
  workers_for(tensor_numel(t), 16384, add_to, &(AddTo){t->data, from->data, (real)scale});
  return true;
}
