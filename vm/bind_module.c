/* Modules as objects of the language: calling them, their parts by name and number, their methods. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"

static Module *self(lua_State *L) {
  return value_check(L, 1, KIND_MODULE, bind_topic(L)->who, "its object");
}

static int return_self(lua_State *L, bool ok) {
  if (!ok) return bind_error(L);
  lua_settop(L, 1);
  return 1;
}

/* ---- calling ---- */

enum { INPUTS = 16 };

/* A module of C: arguments and results are tensors. */
static int call_tensors(lua_State *L, Module *m) {
  Tensor *x[INPUTS];
  int n = lua_gettop(L) - 1;
  if (n > INPUTS) return bind_fail(L, "%s: at most %d tensors can be given, got %d", m->name, INPUTS, n);
  for (int i = 0; i < n; i++) {
    x[i] = value_test(L, i + 2, KIND_TENSOR);
    if (!x[i]) return bind_fail(L, "%s: argument %d: a tensor expected, got %s", m->name, i + 1, value_type(L, i + 2));
  }
  Box *box[1 + MODULE_MORE];
  const int results = 1 + m->more;
  luaL_checkstack(L, results + 4, m->name);
  for (int i = 0; i < results; i++) box[i] = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *y[1 + MODULE_MORE] = {0};
  y[0] = results > 1 ? module_call_all(m, n, x, y + 1) : module_call(m, n, x);
  for (int i = 0; i < results && y[i]; i++) value_set(L, n + 2 + i, box[i], y[i]);
  scope_leave(scope, NULL);
  if (!y[0]) return bind_error(L);
  lua_settop(L, n + 1 + results);
  return results;
}

static int module_call_lua(lua_State *L) {
  Module *m = value_check(L, 1, KIND_MODULE, "module", "what is called");
  return class_of(L, 1) ? class_forward(L, m) : call_tensors(L, m);
}

/* ---- parts ---- */

static int child_named(const Module *m, const char *name) {
  for (int i = 0; i < m->children; i++)
    if (!strcmp(m->child[i].name, name)) return i;
  return -1;
}

static int tensor_named(const Module *m, const char *name) {
  for (int i = 0; i < m->tensors; i++)
    if (!strcmp(m->tensor[i].name, name)) return i;
  return -1;
}

/* An argument that its layer was made with: conv.stride */
static bool push_setting(lua_State *L, const Module *m, const char *key) {
  static Signature s;
  if (!m->layer || !signature_parse(m->layer->args, &s)) return false;
  for (int i = 0; i < s.count; i++) {
    if (strcmp(s.arg[i].name, key) != 0 || s.arg[i].kind == ARG_MODULES) continue;
    bind_push_param(L, &s.arg[i], &m->param[i]);
    return true;
  }
  return false;
}

static bool push_child(lua_State *L, const Module *m, double i) {
  bool there = i >= 1 && i <= m->children && i == floor(i);
  value_push(L, KIND_MODULE, there ? m->child[(int)i - 1].module : NULL);
  return true;
}

/* Its own fields, its parts, its class; then a method; at last its settings. */
static bool get_field(lua_State *L, void *object, const char *key) {
  Module *m = object;
  if (lua_type(L, 2) == LUA_TNUMBER) return push_child(L, m, lua_tonumber(L, 2));
  if (class_field(L, 1, true)) return true;
  if (!key) return lua_pushnil(L), true;
  int child = child_named(m, key), tensor = tensor_named(m, key);
  if (child >= 0) return value_push(L, KIND_MODULE, m->child[child].module), true;
  if (tensor >= 0) return value_push(L, KIND_TENSOR, m->tensor[tensor].tensor), true;
  if (class_field(L, 1, false)) return true;
  bind_methods(L, KIND_MODULE);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL || push_setting(L, m, key)) return true;
  if (!strcmp(key, "training"))
    lua_pushboolean(L, m->training);
  else if (!strcmp(key, "name"))
    lua_pushstring(L, m->name);
  else
    lua_pushnil(L); /* scripts ask `if m.weight then` */
  return true;
}

/* The module at index 1 gets the one at `child` as its part, in place of one of that name. */
bool put_child(lua_State *L, const char *name, int child) {
  Module *m = value_test(L, 1, KIND_MODULE);
  int old = child_named(m, name);
  const Module *was = old >= 0 ? m->child[old].module : NULL;
  if (!module_add_child(m, name, value_test(L, child, KIND_MODULE))) return false;
  for (int i = 0; was && i < m->children; i++)
    if (m->child[i].module == was) was = NULL; /* it stands elsewhere too */
  if (was) value_release(L, 1, was);
  value_anchor(L, 1, child);
  return true;
}

/* G[1] = module: in place of a child, or behind the last. */
static bool set_child(lua_State *L, Module *m, double i) {
  char name[16];
  value_check(L, 3, KIND_MODULE, m->name, "a numbered part");
  if (i < 1 || i > m->children + 1 || i != floor(i))
    bind_fail(L, "%s: parts are numbered 1 to %d, and %d adds one; got %s", m->name, m->children, m->children + 1,
              value_type(L, 2));
  snprintf(name, sizeof name, "%d", (int)i);
  if (!put_child(L, (int)i <= m->children ? m->child[(int)i - 1].name : name, 3)) bind_error(L);
  return true;
}

static bool set_tensor(lua_State *L, Module *m, const char *key, Tensor *t, int old) {
  Tensor *was = old >= 0 ? m->tensor[old].tensor : NULL;
  if (t && was && !tensor_same_shape(t, was))
    bind_fail(L, "%s: %s must have shape %s, got %s", m->name, key, tensor_shape_text(was), tensor_shape_text(t));
  if (!module_add_tensor(m, key, t, old >= 0 && m->tensor[old].buffer)) bind_error(L);
  if (t) value_remember(L, 3);
  return true;
}

/* Modules become children; leaves that require a gradient become parameters; the rest are fields of a module written in Lua. */
static bool set_field(lua_State *L, void *object, const char *key) {
  Module *m = object;
  if (lua_type(L, 2) == LUA_TNUMBER) return set_child(L, m, lua_tonumber(L, 2));
  Module *child = value_test(L, 3, KIND_MODULE);
  Tensor *t = value_test(L, 3, KIND_TENSOR);
  int old_child = key ? child_named(m, key) : -1, old = key ? tensor_named(m, key) : -1;
  if (key && child) {
    if (!put_child(L, key, 3)) bind_error(L);
    return true;
  }
  if (old_child >= 0) bind_fail(L, "%s: %s is a module and can only be replaced by one, got %s", m->name, key, value_type(L, 3));
  if (old >= 0 && !t && !lua_isnil(L, 3))
    bind_fail(L, "%s: %s is a tensor and can only be replaced by one, got %s", m->name, key, value_type(L, 3));
  if (old >= 0 || (key && t && tensor_is_leaf(t) && tensor_requires_grad(t))) return set_tensor(L, m, key, t, old);
  if (!class_of(L, 1)) bind_fail(L, "%s: has no field %s that could be set", m->name, key ? key : value_type(L, 2));
  value_fields(L, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return true;
}

static int module_length(lua_State *L) {
  Module *m = value_check(L, 1, KIND_MODULE, "module", "its object");
  lua_pushinteger(L, m->children);
  return 1;
}

/* ---- lists of parts ---- */

static int module_parameters_call(lua_State *L) {
  int n;
  Tensor **params = module_parameters(self(L), &n);
  if (!params) return bind_error(L);
  Tensor **list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *list, 0);
  memcpy(list, params, (size_t)n * sizeof *list);
  memory_free(params);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    value_push(L, KIND_TENSOR, list[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

typedef struct Parts { /* of a walk that fills the table on top of the stack */
  lua_State *L;
  int n;
  bool buffers, by_name;
} Parts;

static bool add_part(void *data, const char *name, Module *owner, Named *entry) {
  Parts *p = data;
  (void)owner;
  if (entry->buffer && !p->buffers) return true;
  value_push(p->L, KIND_TENSOR, entry->tensor);
  if (p->by_name) {
    lua_setfield(p->L, -2, name);
  } else {
    lua_rawseti(p->L, -2, p->n + 2);
    lua_pushstring(p->L, name);
    lua_rawseti(p->L, -2, p->n + 1);
    p->n += 2;
  }
  return true;
}

static int next_pair(lua_State *L) { /* upvalues: the list, the place */
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
  lua_pushinteger(L, i + 2);
  lua_replace(L, lua_upvalueindex(2));
  lua_rawgeti(L, lua_upvalueindex(1), i + 1);
  lua_rawgeti(L, lua_upvalueindex(1), i + 2);
  return 2;
}

static int module_named_parameters(lua_State *L) {
  Parts parts = {.L = L};
  Module *m = self(L);
  lua_newtable(L);
  if (!module_visit(m, add_part, &parts)) return bind_error(L);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_pair, 2);
  return 1;
}

static int module_state_dict(lua_State *L) {
  Parts parts = {.L = L, .buffers = true, .by_name = true};
  Module *m = self(L);
  lua_newtable(L);
  return module_visit(m, add_part, &parts) ? 1 : bind_error(L);
}

static int module_children(lua_State *L) {
  Module *m = self(L);
  lua_createtable(L, m->children, 0);
  for (int i = 0; i < m->children; i++) {
    value_push(L, KIND_MODULE, m->child[i].module);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* Appends m and what is in it to the table at `list`, parts before the whole, each once: list[m] tells. */
static void list_modules(lua_State *L, Module *m, int list, lua_Integer *n) {
  luaL_checkstack(L, 4, "modules");
  bool seen = lua_rawgetp(L, list, m) != LUA_TNIL;
  lua_pop(L, 1);
  if (seen) return;
  for (int i = 0; i < m->children; i++) list_modules(L, m->child[i].module, list, n);
  value_push(L, KIND_MODULE, m);
  lua_rawseti(L, list, ++*n);
  lua_pushboolean(L, true);
  lua_rawsetp(L, list, m);
}

/* Pushes the list of all modules in m, itself the last; returns how many. */
static lua_Integer push_modules(lua_State *L, Module *m) {
  lua_Integer n = 0;
  lua_newtable(L);
  int list = lua_gettop(L);
  list_modules(L, m, list, &n);
  lua_pushnil(L);
  while (lua_next(L, list)) { /* leave only the numbered ones */
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TLIGHTUSERDATA) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, list);
  }
  return n;
}

static int module_modules(lua_State *L) {
  push_modules(L, self(L));
  return 1;
}

static int module_apply(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  lua_Integer n = push_modules(L, self(L));
  int list = lua_gettop(L);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_pushvalue(L, a.place[0]);
    lua_rawgeti(L, list, i);
    lua_call(L, 1, 0);
  }
  return return_self(L, true);
}

/* ---- states ---- */

static int module_train_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  module_train(self(L), a.param[0].number != 0);
  return return_self(L, true);
}

static int module_eval(lua_State *L) {
  module_train(self(L), false);
  return return_self(L, true);
}

static int module_zero_grad_call(lua_State *L) {
  module_zero_grad(self(L));
  return return_self(L, true);
}

/* net:requires_grad(false) freezes it. */
static int module_requires_grad(lua_State *L) {
  Arguments a;
  int n;
  bind_own_arguments(L, &a);
  Tensor **params = module_parameters(self(L), &n);
  bool ok = params != NULL;
  for (int i = 0; ok && i < n; i++) ok = tensor_set_requires_grad(params[i], a.param[0].number != 0);
  memory_free(params);
  return return_self(L, ok);
}

static int module_save_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return return_self(L, module_save(self(L), bind_text(L, &a, 0)));
}

static int module_load_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return return_self(L, module_load(self(L), bind_text(L, &a, 0)));
}

/* ---- adding parts ---- */

static int add_tensor(lua_State *L, bool buffer) {
  Arguments a;
  bind_own_arguments(L, &a);
  const char *who = bind_topic(L)->who;
  Tensor *t = value_check(L, a.place[1], KIND_TENSOR, who, "argument 2 (t)");
  if (!module_add_tensor(self(L), bind_text(L, &a, 0), t, buffer)) return bind_error(L);
  value_remember(L, a.place[1]);
  return return_self(L, true);
}

static int module_register_buffer(lua_State *L) {
  return add_tensor(L, true);
}

static int module_register_parameter(lua_State *L) {
  return add_tensor(L, false);
}

static int module_add_module(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return return_self(L, put_child(L, bind_text(L, &a, 0), a.place[1]));
}

static int module_append(lua_State *L) {
  Arguments a;
  char name[16];
  Module *m = self(L);
  bind_own_arguments(L, &a);
  snprintf(name, sizeof name, "%d", m->children + 1);
  return return_self(L, put_child(L, name, a.place[0]));
}

#define NET "nn.Linear(2, 3)"
const Function functions_module[] = {
    {"module:forward", "", "The network's output for an input; m(x) is the same.", NET ":forward(tensor.randn(4, 2))",
     module_call_lua},
    {"module:parameters", "", "The tensors that are trained, as a table.", "#" NET ":parameters()", module_parameters_call},
    {"module:named_parameters", "", "Goes through the tensors that are trained and their names.",
     "for name, p in " NET ":named_parameters() do print(name, p.shape) end", module_named_parameters},
    {"module:state_dict", "", "All tensors that save() writes, by name: parameters and buffers.", NET ":state_dict()",
     module_state_dict},
    {"module:children", "", "The modules that it directly consists of.", "nn.Sequential{nn.ReLU()}:children()", module_children},
    {"module:modules", "", "All modules in it, parts before the whole, which comes last.", "nn.Sequential{nn.ReLU()}:modules()",
     module_modules},
    {"module:apply", "f:function", "Calls f with every module in it, at last with itself. Returns the module.",
     NET ":apply(function(m) if m.weight then nn.init.normal(m.weight, 0, 0.02) end end)", module_apply},
    {"module:train", "mode:boolean=true", "From now on it trains: dropout drops, batch norm normalises by the batch.",
     NET ":train()", module_train_call},
    {"module:eval", "", "From now on it is used: dropout lets all pass, batch norm takes its running statistics.", NET ":eval()",
     module_eval},
    {"module:zero_grad", "", "Forgets the gradients of its parameters.", NET ":zero_grad()", module_zero_grad_call},
    {"module:requires_grad", "flag:boolean=true", "Whether its parameters get gradients; false freezes it.",
     NET ":requires_grad(false)", module_requires_grad},
    {"module:save", "path:text", "Writes parameters and buffers to a file.", NET ":save(\"net.ckpt\")", module_save_call},
    {"module:load", "path:text", "Reads parameters and buffers from a file that save() wrote for a network built the same way.",
     NET ":save(\"net.ckpt\"):load(\"net.ckpt\")", module_load_call},
    {"module:register_buffer", "name:text, t:any", "Adds a tensor that is saved but not trained.",
     NET ":register_buffer(\"steps\", tensor{0})", module_register_buffer},
    {"module:register_parameter", "name:text, t:any", "Adds a tensor that is trained.",
     NET ":register_parameter(\"scale\", tensor{1})", module_register_parameter},
    {"module:add_module", "name:text, m:module", "Adds a part under a name; the same name again replaces it.",
     "nn.Sequential{}:add_module(\"last\", nn.Tanh())", module_add_module},
    {"module:append", "m:module", "Adds a part behind the last one.", "nn.Sequential{nn.Linear(2, 3)}:append(nn.Tanh())",
     module_append},
    {0}};
#undef NET

void bind_modules(lua_State *L) {
  bind_fields(L, KIND_MODULE, "training name", get_field, set_field);
  value_metatable(L, KIND_MODULE);
  lua_pushcfunction(L, module_call_lua);
  lua_setfield(L, -2, "__call");
  lua_pushcfunction(L, module_length);
  lua_setfield(L, -2, "__len");
  lua_pop(L, 1);
  bind_functions(L, functions_module);
}
