/* Tensors from tables, a[i], a[{i, j}], a.shape, a.grad, #a and pairs(a). */
#include <math.h>
#include <string.h>

#include "vm.h"

static Tensor *self(lua_State *L) {
  return value_check(L, 1, KIND_TENSOR, "tensor", "what is indexed");
}

/* ---- from tables ---- */

/* "[2][1]": where one is in nested tables */
static const char *place_text(lua_State *L, const long *at, int depth) {
  lua_pushliteral(L, "");
  for (int i = 0; i < depth; i++) {
    lua_pushfstring(L, "%s[%d]", lua_tostring(L, -1), (int)at[i] + 1);
    lua_remove(L, -2);
  }
  return lua_tostring(L, -1);
}

static void check_no_names(lua_State *L) { /* of the table on top, which has no numbered elements */
  lua_pushnil(L);
  if (lua_next(L, -2)) bind_fail(L, "tensor: a list of numbers expected, got a table with the key %s", value_type(L, -2));
}

/* The shape along the first elements of the table on top. */
static int table_shape(lua_State *L, long *shape) {
  int ndim = 0, top = lua_gettop(L);
  while (lua_type(L, -1) == LUA_TTABLE) {
    if (ndim == NN_DIMS) return bind_fail(L, "tensor: tables nest deeper than %d, the most dimensions a tensor has", NN_DIMS);
    shape[ndim++] = (long)lua_rawlen(L, -1);
    if (!shape[ndim - 1]) {
      check_no_names(L);
      break;
    }
    lua_rawgeti(L, -1, 1);
  }
  lua_settop(L, top);
  return ndim;
}

static bool read_number(lua_State *L, real *out) { /* of the value on top */
  Tensor *t = value_test(L, -1, KIND_TENSOR);
  if (lua_type(L, -1) == LUA_TNUMBER)
    *out = (real)lua_tonumber(L, -1);
  else if (t && t->data && tensor_numel(t) == 1)
    *out = t->data[0];
  else
    return false;
  return true;
}

/* Copies the table on top, `depth` deep at place at[], to the next elements of t. */
static void read_part(lua_State *L, Tensor *t, int depth, long *at, real **next) {
  if (depth == t->ndim) {
    if (!read_number(L, *next)) {
      const char *got = value_type(L, -1);
      bind_fail(L, "tensor: a number expected at %s, got %s", place_text(L, at, depth), got);
    }
    ++*next;
    return;
  }
  if (lua_type(L, -1) != LUA_TTABLE || (long)lua_rawlen(L, -1) != t->shape[depth]) {
    const char *got = lua_type(L, -1) == LUA_TTABLE ? lua_pushfstring(L, "%d", (int)lua_rawlen(L, -1)) : value_type(L, -1);
    bind_fail(L, "tensor: a table of %d expected at %s, as at the first place, got %s", (int)t->shape[depth],
              place_text(L, at, depth), got);
  }
  for (at[depth] = 0; at[depth] < t->shape[depth]; at[depth]++) {
    lua_rawgeti(L, -1, (lua_Integer)at[depth] + 1);
    read_part(L, t, depth + 1, at, next);
    lua_pop(L, 1);
  }
}

static int from_table(lua_State *L) {
  long shape[NN_DIMS], at[NN_DIMS];
  luaL_checkstack(L, 2 * NN_DIMS + 8, "tensor");
  lua_settop(L, 1);
  int ndim = table_shape(L, shape);
  Box *box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *t = tensor_zeros(ndim, shape);
  if (t) value_set(L, 2, box, t);
  scope_leave(scope, NULL);
  if (!t) return bind_error(L);
  real *next = t->data;
  lua_pushvalue(L, 1);
  read_part(L, t, 0, at, &next);
  lua_settop(L, 2);
  return 1;
}

static int tensor_make(lua_State *L) {
  if (lua_type(L, 1) == LUA_TTABLE) return from_table(L);
  if (lua_type(L, 1) != LUA_TNUMBER && !value_test(L, 1, KIND_TENSOR))
    return bind_fail(L, "tensor: a number or a table of numbers expected, got %s", value_type(L, 1));
  Box *box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *t = bind_tensor(L, 1), *copy = NULL;
  if (t) copy = t->data ? tensor_from(t->ndim, t->shape, t->data) : nn_fail("tensor: the memory of the tensor was freed");
  if (copy) value_set(L, -1, box, copy);
  scope_leave(scope, NULL);
  return copy ? 1 : bind_error(L);
}

/* ---- shapes ---- */

static int shape_tostring(lua_State *L) {
  luaL_Buffer b;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_buffinit(L, &b);
  luaL_addchar(&b, '(');
  for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, 1); i <= n; i++) {
    if (i > 1) luaL_addchar(&b, ',');
    lua_rawgeti(L, 1, i);
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    luaL_addvalue(&b);
  }
  luaL_addchar(&b, ')');
  luaL_pushresult(&b);
  return 1;
}

static int shape_equal(lua_State *L) {
  bool equal = lua_type(L, 1) == LUA_TTABLE && lua_type(L, 2) == LUA_TTABLE && lua_rawlen(L, 1) == lua_rawlen(L, 2);
  for (lua_Integer i = 1; equal && i <= (lua_Integer)lua_rawlen(L, 1); i++) {
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 2, i);
    equal = lua_compare(L, -1, -2, LUA_OPEQ);
    lua_pop(L, 2);
  }
  lua_pushboolean(L, equal);
  return 1;
}

static int shape_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

/* A table that prints as (2,3), joins strings, and is equal to another with the same numbers. */
void bind_shape(lua_State *L, int ndim, const long *shape) {
  static const luaL_Reg events[] = {
      {"__tostring", shape_tostring}, {"__eq", shape_equal}, {"__concat", shape_concat}, {NULL, NULL}};
  lua_createtable(L, ndim, 0);
  for (int i = 0; i < ndim; i++) {
    lua_pushinteger(L, shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  if (luaL_newmetatable(L, "shape")) luaL_setfuncs(L, events, 0);
  lua_setmetatable(L, -2);
}

/* ---- reading and writing by position ---- */

/* The value at index as a position in a dimension of n, from 0. */
static long position(lua_State *L, int index, const Tensor *t, int dim) {
  long n = dim < t->ndim ? t->shape[dim] : 0;
  double at = lua_tonumber(L, index);
  if (!t->ndim) bind_fail(L, "tensor: a tensor without dimensions has no positions; :item() is its number");
  if (lua_type(L, index) != LUA_TNUMBER || at != floor(at))
    bind_fail(L, "tensor: positions are whole numbers, got %s", value_type(L, index));
  if (at < 0) at += (double)n + 1;
  if (at < 1 || at > (double)n)
    bind_fail(L, "tensor: position %s is outside 1..%d (dimension %d of a tensor %s)", luaL_tolstring(L, index, NULL), (int)n,
              dim + 1, tensor_shape_text(t));
  return (long)at - 1;
}

/* The positions of a[i] or a[{i, j}] for the key at index 2; how many. */
static int positions(lua_State *L, const Tensor *t, long *at) {
  if (lua_type(L, 2) != LUA_TTABLE) {
    at[0] = position(L, 2, t, 0);
    return 1;
  }
  lua_Unsigned n = lua_rawlen(L, 2);
  if (n > (lua_Unsigned)t->ndim)
    bind_fail(L, "tensor: %d positions for a tensor %s", (int)(n < 1000 ? n : 1000), tensor_shape_text(t));
  for (int i = 0; i < (int)n; i++) {
    lua_rawgeti(L, 2, i + 1);
    at[i] = position(L, -1, t, i);
    lua_pop(L, 1);
  }
  return (int)n;
}

static long offset_of(const Tensor *t, const long *at, int n) {
  long offset = 0;
  for (int i = 0; i < t->ndim; i++) offset = offset * t->shape[i] + (i < n ? at[i] : 0);
  return offset;
}

static bool get_part(lua_State *L, Tensor *t) {
  long at[NN_DIMS];
  bool number = lua_type(L, 2) == LUA_TTABLE;
  int n = positions(L, t, at);
  if (number && n == t->ndim && t->data) {
    lua_pushnumber(L, (double)t->data[offset_of(t, at, n)]);
    return true;
  }
  if (!n) return lua_pushvalue(L, 1), true;
  Box *box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *part = t;
  for (int i = 0; i < n; i++) part = tensor_select(part, 0, at[i]);
  if (part) value_set(L, -1, box, part);
  scope_leave(scope, NULL);
  if (!part) bind_error(L);
  return true;
}

static bool set_part(lua_State *L, Tensor *t) {
  long at[NN_DIMS];
  int n = positions(L, t, at);
  if (!value_test(L, 3, KIND_TENSOR) && lua_type(L, 3) != LUA_TNUMBER)
    bind_fail(L, "tensor: a number or a tensor can be written, got %s", value_type(L, 3));
  size_t scope = scope_enter();
  Tensor *part = tensor_begin_write(t, "tensor") ? tensor_view(t, t->ndim - n, t->shape + n, offset_of(t, at, n)) : NULL;
  bool ok = part && tensor_copy_to(part, bind_tensor(L, 3));
  scope_leave(scope, NULL);
  if (!ok) bind_error(L);
  return true;
}

static bool get_field(lua_State *L, void *object, const char *key) {
  Tensor *t = object;
  if (!key) {
    if (lua_type(L, 2) != LUA_TNUMBER && lua_type(L, 2) != LUA_TTABLE) return false;
    return get_part(L, t);
  }
  if (!strcmp(key, "shape"))
    bind_shape(L, t->ndim, t->shape);
  else if (!strcmp(key, "grad"))
    value_push(L, KIND_TENSOR, tensor_grad(t));
  else
    return false;
  return true;
}

static bool set_field(lua_State *L, void *object, const char *key) {
  Tensor *t = object, *grad = value_test(L, 3, KIND_TENSOR);
  if (!key) return (lua_type(L, 2) == LUA_TNUMBER || lua_type(L, 2) == LUA_TTABLE) && set_part(L, t);
  if (strcmp(key, "grad") != 0) return false;
  if (!grad && !lua_isnil(L, 3)) bind_fail(L, "tensor: grad is a tensor or nil, got %s", value_type(L, 3));
  if (grad && !tensor_same_shape(grad, t))
    bind_fail(L, "tensor: grad must have the tensor's shape %s, got %s", tensor_shape_text(t), tensor_shape_text(grad));
  tensor_set_grad(t, grad);
  return true;
}

/* ---- length and pairs ---- */

static int tensor_length(lua_State *L) {
  Tensor *t = self(L);
  if (!t->ndim) return bind_fail(L, "tensor: a tensor without dimensions has no length");
  lua_pushinteger(L, t->shape[0]);
  return 1;
}

static int next_part(lua_State *L) {
  Tensor *t = self(L);
  lua_Integer i = luaL_checkinteger(L, 2) + 1;
  if (i < 1 || !t->ndim || i > t->shape[0]) return 0;
  lua_pushinteger(L, i);
  lua_replace(L, 2);
  get_part(L, t);
  lua_pushvalue(L, 2);
  lua_insert(L, -2);
  return 2;
}

static int tensor_pairs(lua_State *L) {
  lua_pushcfunction(L, next_part);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

void bind_index(lua_State *L) {
  bind_fields(L, KIND_TENSOR, "shape grad", get_field, set_field);
  value_metatable(L, KIND_TENSOR);
  lua_pushcfunction(L, tensor_length);
  lua_setfield(L, -2, "__len");
  lua_pushcfunction(L, tensor_pairs);
  lua_setfield(L, -2, "__pairs");
  lua_pop(L, 1);
}

const Function functions_index[] = {{"tensor", "values:any",
                                     "A tensor from a number, a table of numbers, or nested tables of them; a copy of a tensor.",
                                     "tensor{{1, 2}, {3, 4}}", tensor_make},
                                    {0}};
