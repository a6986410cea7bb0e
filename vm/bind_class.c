/* nn.module: layers written in Lua.
 *
 *   Net = nn.module("Net", {init = function(self, n) ... end, forward = function(self, x) ... end})
 *
 * Net is a table whose call makes an instance: a module whose forward calls back into Lua, so it stands wherever modules
 * stand. What an instance keeps in self is in the fields of its box; their metatable's __index is the class. */
#include <string.h>

#include "module.h"

static Tensor *forward(Module *m, int n, Tensor *const *x);

bool class_of(lua_State *L, int index) {
  Module *m = value_test(L, index, KIND_MODULE);
  return m && m->forward == forward;
}

bool class_field(lua_State *L, int index, bool own) {
  if (!class_of(L, index)) return false;
  value_fields(L, index);
  lua_pushvalue(L, 2);
  if ((own ? lua_rawget(L, -2) : lua_gettable(L, -2)) != LUA_TNIL) return true;
  lua_pop(L, 2);
  return false;
}

/* ---- calling ---- */

/* Pushes forward and the module. */
static void push_forward(lua_State *L, Module *m) {
  value_push(L, KIND_MODULE, m);
  value_fields(L, -1);
  lua_getfield(L, -1, "forward");
  lua_replace(L, -2);
  lua_insert(L, -2);
}

/* The stack is the module and its arguments. All results are returned. */
int class_forward(lua_State *L, Module *m) {
  push_forward(L, m);
  lua_replace(L, 1);
  lua_insert(L, 1); /* forward, module, arguments */
  lua_pushvalue(L, 2);
  lua_insert(L, 1); /* so that the module stays while it runs */
  lua_call(L, lua_gettop(L) - 2, LUA_MULTRET);
  Tensor *y = lua_gettop(L) > 1 ? value_test(L, 2, KIND_TENSOR) : NULL;
  if (y) { /* for print(net) */
    m->output_ndim = y->ndim;
    memcpy(m->output, y->shape, sizeof m->output);
  }
  return lua_gettop(L) - 1;
}

typedef struct Forward {
  Module *module;
  int n;
  Tensor *const *x;
} Forward;

static int call_forward(lua_State *L) {
  const Forward *f = lua_touserdata(L, 1);
  luaL_checkstack(L, f->n + 4, f->module->name);
  push_forward(L, f->module);
  for (int i = 0; i < f->n; i++) value_push(L, KIND_TENSOR, f->x[i]);
  lua_call(L, f->n + 1, 1);
  return 1;
}

/* Called from C, inside a Sequential or a trainer. */
static Tensor *forward(Module *m, int n, Tensor *const *x) {
  return bind_call_back(call_forward, &(Forward){m, n, x});
}

/* ---- classes and instances ---- */

static void push_instance(lua_State *L, const char *name) {
  value_new(L, KIND_MODULE);
  Module *m = module_custom(name, forward, NULL, value_forget);
  if (m) m->data = m;
  value_give(L, lua_gettop(L), m);
  lua_pop(L, 1);
}

static int call_without_self(lua_State *L) { /* upvalue: the function */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_replace(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

void push_function_module(lua_State *L, const char *name, int function) {
  function = lua_absindex(L, function);
  push_instance(L, name);
  value_fields(L, -1);
  lua_pushvalue(L, function);
  lua_pushcclosure(L, call_without_self, 1);
  lua_setfield(L, -2, "forward");
  lua_pop(L, 1);
}

/* Upvalues: the class, the metatable of its instances' fields, the name. The stack: the class and the arguments of init. */
static int instantiate(lua_State *L) {
  push_instance(L, lua_tostring(L, lua_upvalueindex(3)));
  lua_replace(L, 1);
  value_fields(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  lua_pushvalue(L, 1);
  lua_insert(L, 1); /* the module stays below the call */
  if (lua_getfield(L, lua_upvalueindex(1), "init") == LUA_TNIL) {
    lua_settop(L, 1);
    return 1;
  }
  lua_insert(L, 2);
  lua_call(L, lua_gettop(L) - 2, 0);
  lua_settop(L, 1);
  return 1;
}

static int class_text(lua_State *L) {
  lua_pushfstring(L, "nn.module %s", lua_tostring(L, lua_upvalueindex(1)));
  return 1;
}

static void check_spec(lua_State *L, const char *name, int spec) {
  if (!*name || strchr(name, '.')) bind_fail(L, "nn.module: a name without dots expected, got \"%s\"", name);
  const char *functions[] = {"init", "forward"};
  for (int i = 0; i < 2; i++) {
    int type = lua_getfield(L, spec, functions[i]);
    if (type != LUA_TFUNCTION && (type != LUA_TNIL || i == 1))
      bind_fail(L, "nn.module: %s of %s must be a function, got %s", functions[i], name, value_type(L, -1));
    lua_pop(L, 1);
  }
}

/* nn.module(name, {init = ..., forward = ..., further methods}) */
static int new_class(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  const char *name = bind_text(L, &a, 0);
  check_spec(L, name, a.place[1]);
  lua_pushvalue(L, a.place[1]); /* the class is the table itself: methods can be added later */
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, -2);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_pushcclosure(L, instantiate, 3);
  lua_setfield(L, -2, "__call");
  lua_pushstring(L, name);
  lua_pushcclosure(L, class_text, 1);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, "nn.module");
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
  return 1;
}

const Function functions_class[] = {
    {"nn.module", "name:text, spec:table",
     "A layer of one's own. spec has forward(self, x, ...), mostly init(self, ...), and further methods; Net(...) makes one. In "
     "init, self.x = a module or a tensor that requires a gradient makes it a part of the network.",
     "Net = nn.module(\"Net\", {\n"
     "  init = function(self, n) self.fc = nn.Linear(n, n) end,\n"
     "  forward = function(self, x) return x + self.fc(x):relu() end})\n"
     "Net(3)(tensor.randn(2, 3))",
     new_class},
    {0}};
