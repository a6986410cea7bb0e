/* Ops as functions, methods and operators of tensors. */
#include <stdio.h>

#include "vm.h"

static int op_function(lua_State *L) {
  const Topic *t = bind_topic(L);
  Arguments a;
  int last = lua_gettop(L);
  Box *box = value_new(L, KIND_TENSOR); /* first: Lua may run out of memory here, and later nothing may be lost */
  size_t scope = scope_enter();
  bind_arguments_to(L, 1, last, t->who, t->signature, &a);
  Tensor *out = op_call(t->row, a.n, a.many, a.param);
  if (out) value_set(L, last + 1, box, out);
  scope_leave(scope, NULL);
  if (!out) return bind_error(L);
  lua_pushvalue(L, last + 1);
  return 1;
}

/* Of an operator: Lua gives a second argument to those that have one. */
static int op_operator(lua_State *L) {
  const Topic *t = bind_topic(L);
  lua_settop(L, t->signature->count);
  return op_function(L);
}

static int no_order(lua_State *L) {
  return bind_fail(L, "tensors have no order: a:lt(b), a:le(b), a:gt(b), a:ge(b) compare element by element, "
                      "and a:item() is the number of a single element");
}

static void bind_operators(lua_State *L) {
  static const char *const events[][2] = {{"__add", "add"}, {"__sub", "sub"}, {"__mul", "mul"},
                                          {"__div", "div"}, {"__pow", "pow"}, {"__unm", "neg"}};
  value_metatable(L, KIND_TENSOR);
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    char name[32];
    snprintf(name, sizeof name, "tensor.%s", events[i][1]);
    lua_pushlightuserdata(L, (void *)topics_find(name));
    lua_pushcclosure(L, op_operator, 1);
    lua_setfield(L, -2, events[i][0]);
  }
  lua_pushcfunction(L, no_order);
  lua_setfield(L, -2, "__lt");
  lua_pushcfunction(L, no_order);
  lua_setfield(L, -2, "__le");
  lua_pop(L, 1);
}

/* tensor.NAME for each op, and x:NAME for those that begin with a tensor. */
void bind_ops(lua_State *L) {
  for (int i = 0; i < ops_count(); i++) {
    const Op *op = ops_at(i);
    Topic *t = bind_row(L, "tensor.", op->name, op->args, op->help, op->example, op, op_function);
    const Signature *s = topic_signature(t);
    if (!s) bind_error(L);
    t->method = s->count && (s->arg[0].kind == ARG_TENSOR || s->arg[0].kind == ARG_CONSTANT);
    if (!t->method) continue;
    bind_methods(L, KIND_TENSOR);
    bind_table(L, "tensor");
    lua_getfield(L, -1, op->name);
    lua_setfield(L, -3, op->name);
    lua_pop(L, 2);
  }
  bind_operators(L);
}
