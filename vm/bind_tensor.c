/* Functions and methods of tensors that are not ops: reading, writing in place, gradients, files, random numbers. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

static Tensor *self(lua_State *L) {
  return value_check(L, 1, KIND_TENSOR, bind_topic(L)->who, "its object");
}

/* Ends a function whose result is out, made since scope: fills the box at that index or raises the error. */
static int finish(lua_State *L, size_t scope, int index, Tensor *out) {
  if (out) value_set(L, index, lua_touserdata(L, index), out);
  scope_leave(scope, NULL);
  if (!out) return bind_error(L);
  lua_pushvalue(L, index);
  return 1;
}

static int return_self(lua_State *L, bool ok) {
  if (!ok) return bind_error(L);
  lua_settop(L, 1);
  return 1;
}

/* ---- reading ---- */

static int tensor_item_call(lua_State *L) {
  double x = tensor_item(self(L));
  if (nn_failed()) return bind_error(L);
  lua_pushnumber(L, x);
  return 1;
}

/* Pushes the part of t from dimension dim on that begins at element *at. */
static void push_part(lua_State *L, const Tensor *t, int dim, long *at) {
  if (dim == t->ndim) {
    lua_pushnumber(L, (double)t->data[(*at)++]);
    return;
  }
  lua_createtable(L, (int)t->shape[dim], 0);
  for (long i = 0; i < t->shape[dim]; i++) {
    push_part(L, t, dim + 1, at);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static int tensor_totable(lua_State *L) {
  Tensor *t = self(L);
  long at = 0;
  if (!t->data) return bind_fail(L, "tensor:totable: the tensor's memory was freed");
  for (int i = 0; i < t->ndim; i++)
    if (t->shape[i] > INT32_MAX) return bind_fail(L, "tensor:totable: %s is too large for a table", tensor_shape_text(t));
  luaL_checkstack(L, NN_DIMS + 2, "tensor:totable");
  push_part(L, t, 0, &at);
  return 1;
}

static int tensor_dim(lua_State *L) {
  lua_pushinteger(L, self(L)->ndim);
  return 1;
}

static int tensor_numel_call(lua_State *L) {
  lua_pushinteger(L, tensor_numel(self(L)));
  return 1;
}

/* ---- writing in place ---- */

static int tensor_free(lua_State *L) {
  tensor_free_memory(self(L));
  return 0;
}

static int tensor_zero(lua_State *L) {
  return return_self(L, tensor_fill(self(L), 0));
}

static int tensor_fill_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return return_self(L, tensor_fill(self(L), a.param[0].number));
}

static int tensor_copy_call(lua_State *L) {
  Arguments a;
  size_t scope = scope_enter();
  bind_own_arguments(L, &a);
  bool ok = tensor_copy_to(self(L), a.in[0]);
  scope_leave(scope, NULL);
  return return_self(L, ok);
}

/* t = change(t, other * alpha), broadcast, without a graph */
static int change(lua_State *L, Tensor *(*op)(Tensor *, Tensor *)) {
  Arguments a;
  Tensor *t = self(L);
  size_t scope = scope_enter();
  bind_own_arguments(L, &a);
  bool ok = tensor_begin_write(t, bind_topic(L)->who), was = grad_enable(false);
  Tensor *other = ok && a.s->params && a.param[0].number != 1 ? tensor_scale(a.in[0], a.param[0].number) : a.in[0];
  if (ok) ok = tensor_copy_to(t, op(t, other));
  grad_enable(was);
  scope_leave(scope, NULL);
  return return_self(L, ok);
}

static int tensor_add_call(lua_State *L) {
  return change(L, tensor_add);
}

static int tensor_mul_call(lua_State *L) {
  return change(L, tensor_mul);
}

/* ---- gradients ---- */

static int tensor_requires_grad_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  Tensor *t = self(L);
  if (!tensor_set_requires_grad(t, a.param[0].number != 0)) return bind_error(L);
  value_remember(L, 1); /* a parameter is always the same userdata */
  return return_self(L, true);
}

static int flags_of(const Arguments *a, int first) {
  return (a->param[first].number != 0 ? GRAD_RETAIN_GRAPH : 0) | (a->param[first + 1].number != 0 ? GRAD_CREATE_GRAPH : 0);
}

static int tensor_backward_call(lua_State *L) {
  Arguments a;
  Tensor *t = self(L);
  size_t scope = scope_enter();
  bind_own_arguments(L, &a);
  bool ok = tensor_backward(t, a.in[0], 0, NULL, flags_of(&a, 0));
  scope_leave(scope, NULL);
  return ok ? 0 : bind_error(L);
}

/* The tensors of the table at index, in userdata left on the stack. */
static Tensor **inputs_of(lua_State *L, int index, int *n) {
  *n = (int)lua_rawlen(L, index);
  Tensor **inputs = lua_newuserdatauv(L, ((size_t)*n + 1) * sizeof *inputs, 0);
  for (int i = 0; i < *n; i++) {
    lua_rawgeti(L, index, i + 1);
    inputs[i] = value_test(L, -1, KIND_TENSOR);
    if (!inputs[i])
      bind_fail(L, "tensor.grad: argument 2 (inputs): a table of tensors expected, got %s at place %d", value_type(L, -1), i + 1);
    lua_pop(L, 1);
  }
  return inputs;
}

static int tensor_grad_call(lua_State *L) {
  Arguments a;
  int n;
  bind_own_arguments(L, &a);
  Tensor *out = value_check(L, a.place[0], KIND_TENSOR, "tensor.grad", "argument 1 (out)");
  Tensor *seed = a.place[2] ? value_check(L, a.place[2], KIND_TENSOR, "tensor.grad", "argument 3 (gradient)") : NULL;
  Tensor **inputs = inputs_of(L, a.place[1], &n), **grads = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *grads, 0);
  lua_createtable(L, n, 0);
  int table = lua_gettop(L);
  for (int i = 0; i < n; i++) {
    value_new(L, KIND_TENSOR);
    lua_rawseti(L, table, i + 1);
  }
  size_t scope = scope_enter();
  bool ok = tensor_gradients(out, seed, n, inputs, flags_of(&a, 3), grads);
  for (int i = 0; ok && i < n; i++) {
    lua_rawgeti(L, table, i + 1);
    value_set(L, -1, lua_touserdata(L, -1), grads[i]);
    lua_pop(L, 1);
  }
  scope_leave(scope, NULL);
  return ok ? 1 : bind_error(L);
}

static int tensor_detach_call(lua_State *L) {
  Tensor *t = self(L);
  value_new(L, KIND_TENSOR);
  int box = lua_gettop(L);
  size_t scope = scope_enter();
  return finish(L, scope, box, t->data ? tensor_detach(t) : nn_fail("tensor:detach: the tensor's memory was freed"));
}

static int tensor_clone(lua_State *L) {
  Tensor *t = self(L);
  value_new(L, KIND_TENSOR);
  int box = lua_gettop(L);
  size_t scope = scope_enter();
  return finish(L, scope, box,
                t->data ? tensor_from(t->ndim, t->shape, t->data) : nn_fail("tensor:copy: the tensor's memory was freed"));
}

/* A value that sets recording back when it is closed, however the function ends. */
static int recording_close(lua_State *L) {
  bool *was = lua_touserdata(L, 1);
  grad_enable(*was);
  return 0;
}

static int tensor_no_grad(lua_State *L) {
  if (lua_type(L, 1) != LUA_TFUNCTION)
    return bind_fail(L, "tensor.no_grad: argument 1 (f): a function expected, got %s", value_type(L, 1));
  int arguments = lua_gettop(L) - 1;
  bool *was = lua_newuserdatauv(L, sizeof *was, 0);
  *was = grad_enabled();
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, recording_close);
  lua_setfield(L, -2, "__close");
  lua_setmetatable(L, -2);
  lua_insert(L, 1);
  lua_toclose(L, 1);
  grad_enable(false);
  lua_call(L, arguments, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

/* ---- files and random numbers ---- */

static int tensor_load_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  value_new(L, KIND_TENSOR);
  int box = lua_gettop(L);
  size_t scope = scope_enter();
  return finish(L, scope, box, npy_load(bind_text(L, &a, 0)));
}

static int tensor_save_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return npy_save(bind_text(L, &a, 0), self(L)) ? 0 : bind_error(L);
}

static int tensor_seed(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  random_seed((uint64_t)(int64_t)a.param[0].number);
  return 0;
}

static int tensor_random_state(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  Random *r = random_current(), was = *r;
  if (a.place[0]) r->seed = (uint64_t)luaL_checkinteger(L, a.place[0]);
  if (a.place[1]) r->position = (uint64_t)luaL_checkinteger(L, a.place[1]);
  lua_pushinteger(L, (lua_Integer)was.seed);
  lua_pushinteger(L, (lua_Integer)was.position);
  return 2;
}

const Function functions_tensor[] = {
    {"tensor:item", "", "The number in a tensor of one element.", "tensor{5}:item()", tensor_item_call},
    {"tensor:totable", "", "The numbers as nested tables.", "tensor{{1, 2}, {3, 4}}:totable()", tensor_totable},
    {"tensor:dim", "", "The number of dimensions.", "tensor.zeros(2, 3):dim()", tensor_dim},
    {"tensor:numel", "", "The number of elements.", "tensor.zeros(2, 3):numel()", tensor_numel_call},
    {"tensor:free", "", "Lets its memory go now rather than when the collector comes by; `local t <close> = ...` does so too.",
     "tensor.zeros(9):free()", tensor_free},
    {"tensor:zero_", "", "Writes 0 into all elements.", "tensor.ones(2, 3):zero_()", tensor_zero},
    {"tensor:fill_", "value:number", "Writes a number into all elements.", "tensor.zeros(2, 3):fill_(5)", tensor_fill_call},
    {"tensor:copy_", "from", "Writes the elements of another tensor, broadcast, into this one.",
     "tensor.zeros(2, 3):copy_(tensor{1, 2, 3})", tensor_copy_call},
    {"tensor:add_", "other, alpha:number=1", "Adds alpha * other, broadcast, in place.",
     "tensor.ones(3):add_(tensor{1, 2, 3}, {alpha = -0.1})", tensor_add_call},
    {"tensor:mul_", "other", "Multiplies by other, broadcast, in place.", "tensor.ones(3):mul_(2)", tensor_mul_call},
    {"tensor:requires_grad", "flag:boolean=true", "From now on backward() puts gradients into .grad. Returns the tensor.",
     "tensor.randn(3, 3):requires_grad()", tensor_requires_grad_call},
    {"tensor:backward", "gradient?, retain_graph:boolean=false, create_graph:boolean=false",
     "Adds the derivatives by all tensors that require a gradient into their .grad; of one element, or with a gradient to begin "
     "with.",
     "w = tensor.ones(2):requires_grad(); w:square():sum():backward(); print(w.grad)", tensor_backward_call},
    {"tensor.grad", "out:any, inputs:table, gradient:any=nil, retain_graph:boolean=false, create_graph:boolean=false",
     "The derivatives of out by the inputs, as a table; .grad stays as it is. create_graph: they can be derived again.",
     "x = tensor.ones(2):requires_grad()\nprint(tensor.grad(x:pow(3):sum(), {x}, {create_graph = true})[1])", tensor_grad_call},
    {"tensor:detach", "", "The same memory outside the graph.", "tensor.ones(2):requires_grad():detach()", tensor_detach_call},
    {"tensor:copy", "", "The same numbers in memory of their own, outside the graph.", "tensor.ones(2):copy()", tensor_clone},
    {"tensor.no_grad", "f:function", "Calls f, with further arguments, without recording a graph; returns what f does.",
     "tensor.no_grad(function() return tensor.ones(2) * 2 end)", tensor_no_grad},
    {"tensor.load", "path:text", "A tensor from a file in NumPy's format.",
     "tensor.ones(2):save(\"ones.npy\"); tensor.load(\"ones.npy\")", tensor_load_call},
    {"tensor:save", "path:text", "Writes the tensor to a file in NumPy's format.", "tensor.ones(2):save(\"ones.npy\")",
     tensor_save_call},
    {"tensor.seed", "n:integer", "Begins the random numbers anew: the same seed gives the same numbers.", "tensor.seed(7)",
     tensor_seed},
    {"tensor.random_state", "seed:integer=nil, position:integer=nil",
     "The seed and position of the random numbers, and sets them if given: where one was, one can go on.", "tensor.random_state()",
     tensor_random_state},
    {0}};
