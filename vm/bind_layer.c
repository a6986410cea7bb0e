/* Layers, losses, initialisation and clipping as functions of nn. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module.h"

/* ---- layers ---- */

/* The modules of the table at index 2 become the parts of the module at index 1, whose row is called who. */
static void add_children(lua_State *L, const char *who) {
  int n = (int)lua_rawlen(L, 2);
  for (int i = 1; i <= n; i++) {
    char name[16];
    lua_rawgeti(L, 2, i);
    if (!value_test(L, 3, KIND_MODULE))
      bind_fail(L, "%s: a table of modules expected, got %s at place %d", who, value_type(L, 3), i);
    snprintf(name, sizeof name, "%d", i);
    if (!put_child(L, name, 3)) bind_error(L);
    lua_pop(L, 1);
  }
}

/* nn.Sequential(a, b) as nn.Sequential{a, b} */
static void pack_modules(lua_State *L) {
  int n = lua_gettop(L);
  if (n && !value_test(L, 1, KIND_MODULE)) return;
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, 1);
  lua_settop(L, 1);
}

static int layer_call(lua_State *L) {
  const Topic *t = bind_topic(L);
  const Signature *s = topic_signature(t);
  Arguments a;
  if (!s) return bind_error(L);
  bool modules = s->count && s->arg[0].kind == ARG_MODULES;
  if (modules && !lua_gettop(L)) lua_newtable(L);
  if (modules) pack_modules(L);
  const int box = bind_begin(L, KIND_MODULE, &a);
  value_give(L, box, module_new(t->row, a.param));
  if (!modules) return 1;
  lua_insert(L, 1);
  lua_settop(L, 2); /* the module, its parts */
  add_children(L, t->who);
  lua_settop(L, 1);
  return 1;
}

/* ---- losses ---- */

static int loss_new(lua_State *L) {
  Arguments a;
  const int box = bind_begin(L, KIND_LOSS, &a);
  LossValue *loss = memory_new(sizeof *loss);
  if (!loss) return bind_error(L);
  loss->refs = 1;
  loss->row = bind_topic(L)->row;
  memcpy(loss->param, a.param, sizeof loss->param);
  return value_give(L, box, loss);
}

static int loss_call_lua(lua_State *L) {
  static const char *const names[] = {"", "input", "target"};
  LossValue *loss = value_check(L, 1, KIND_LOSS, "loss", "what is called");
  if (lua_gettop(L) > 3)
    return bind_fail(L, "%s: takes 2 arguments (input, target), got %s besides", loss->row->name, value_type(L, 4));
  lua_settop(L, 3);
  for (int i = 1; i <= 2; i++)
    if (!value_test(L, i + 1, KIND_TENSOR) && lua_type(L, i + 1) != LUA_TNUMBER)
      return bind_fail(L, "%s: argument %d (%s): a tensor expected, got %s", loss->row->name, i, names[i], value_type(L, i + 1));
  Box *box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *y = loss->row->forward(loss->param, bind_tensor(L, 2), bind_tensor(L, 3));
  if (y) value_set(L, 4, box, y);
  scope_leave(scope, NULL);
  return y ? 1 : bind_error(L);
}

static bool loss_field(lua_State *L, void *object, const char *key) {
  LossValue *loss = object;
  Signature s;
  if (!key || !signature_parse(loss->row->args, &s)) return false;
  for (int i = 0; i < s.count; i++)
    if (!strcmp(s.arg[i].name, key)) return bind_push_param(L, &s.arg[i], &loss->param[i]), true;
  return false;
}

/* ---- initialisation ---- */

typedef struct Init { /* one of the two has so many numbers */
  const char *name, *args, *help, *example;
  bool (*one)(Tensor *t, double a);
  bool (*two)(Tensor *t, double a, double b);
} Init;

static const Init inits[] = {
    {"normal", "t:any, mean:number=0, std:number=1", "Random numbers of a normal distribution.",
     "nn.init.normal(tensor.zeros(3, 2), 0, 0.02)", NULL, init_normal},
    {"uniform", "t:any, low:number=0, high:number=1", "Random numbers evenly spread from low to high.",
     "nn.init.uniform(tensor.zeros(3, 2), -1, 1)", NULL, init_uniform},
    {"constant", "t:any, value:number", "One number everywhere.", "nn.init.constant(tensor.zeros(3, 2), 1)", init_constant, NULL},
    {"xavier_uniform", "t:any, gain:number=1", "Even, with the variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio 2010).",
     "nn.init.xavier_uniform(nn.Linear(2, 3).weight)", init_xavier_uniform, NULL},
    {"xavier_normal", "t:any, gain:number=1", "Normal, with the variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio 2010).",
     "nn.init.xavier_normal(nn.Linear(2, 3).weight)", init_xavier_normal, NULL},
    {"kaiming_uniform", "t:any, negative_slope:number=0", "Even, with the variance 2 / ((1 + slope^2) fan_in) (He et al. 2015).",
     "nn.init.kaiming_uniform(nn.Linear(2, 3).weight)", init_kaiming_uniform, NULL},
    {"kaiming_normal", "t:any, negative_slope:number=0", "Normal, with the variance 2 / ((1 + slope^2) fan_in) (He et al. 2015).",
     "nn.init.kaiming_normal(nn.Linear(2, 3).weight)", init_kaiming_normal, NULL},
    {"orthogonal", "t:any, gain:number=1", "Orthogonal rows or columns of length gain (Saxe et al. 2013).",
     "nn.init.orthogonal(nn.Linear(2, 3).weight)", init_orthogonal, NULL},
};
enum { INITS = sizeof inits / sizeof *inits };

static int init_call(lua_State *L) {
  const Topic *topic = bind_topic(L);
  const Init *init = topic->row;
  Arguments a;
  bind_arguments(L, 1, topic->who, topic_signature(topic), &a);
  Tensor *t = value_check(L, a.place[0], KIND_TENSOR, topic->who, "argument 1 (t)");
  bool ok = init->one ? init->one(t, a.param[1].number) : init->two(t, a.param[1].number, a.param[2].number);
  if (!ok) return bind_error(L);
  lua_pushvalue(L, a.place[0]);
  return 1;
}

/* ---- clipping, and how exactly to compute ---- */

static int clip_norm(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  double norm = clip_grad_norm(a.n, a.many, a.param[0].number);
  if (nn_failed()) return bind_error(L);
  lua_pushnumber(L, norm);
  return 1;
}

static int clip_value(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return clip_grad_value(a.n, a.many, a.param[0].number) ? 0 : bind_error(L);
}

static int exact(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  if (a.place[0]) exact_enable(a.param[0].number != 0);
  lua_pushboolean(L, exact_enabled());
  return 1;
}

static const Function functions_networks[] = {
    {"nn.clip_grad_norm", "params:tensors, max_norm:number",
     "Scales the gradients so that their norm, all taken together, is at most max_norm. Returns the norm before.",
     "nn.clip_grad_norm(nn.Linear(2, 3):parameters(), 1)", clip_norm},
    {"nn.clip_grad_value", "params:tensors, bound:number", "Cuts each number of the gradients to -bound..bound.",
     "nn.clip_grad_value(nn.Linear(2, 3):parameters(), 0.1)", clip_value},
    {"nn.exact", "on:boolean=nil",
     "Whether convolutions are computed by the sums written out, and sets it when on is given. They are not at start: Winograd's "
     "algorithm takes fewer multiplications where the shape suits it, 16 for 36 with a kernel of 3x3, or of 4x4 and stride 2, 49 "
     "for "
     "100 with 5x5. Errors against double, root mean square by that of the result, for 64 to 512 channels: results and gradients "
     "by "
     "x 1.8e-7 to 3.0e-7 (written out 2.3e-7 to 3.0e-7, PyTorch 1.8e-7 to 4.1e-7, never less than ours), gradients by weight "
     "2.6e-7 "
     "to 3.7e-7 (written out 2.6e-7 to 2.9e-7, PyTorch 2.6e-7 to 1.1e-6).",
     "nn.exact()", exact},
    {0}};

void bind_networks(lua_State *L) {
  for (int i = 0; i < layers_count(); i++) {
    const Layer *row = layers_at(i);
    bind_row(L, "nn.", row->name, row->args, row->help, row->example, row, layer_call);
  }
  for (int i = 0; i < losses_count(); i++) {
    const Loss *row = losses_at(i);
    bind_row(L, "nn.", row->name, row->args, row->help, row->example, row, loss_new);
  }
  for (int i = 0; i < INITS; i++)
    bind_row(L, "nn.init.", inits[i].name, inits[i].args, inits[i].help, inits[i].example, &inits[i], init_call);
  bind_fields(L, KIND_LOSS, "reduction", loss_field, NULL);
  value_metatable(L, KIND_LOSS);
  lua_pushcfunction(L, loss_call_lua);
  lua_setfield(L, -2, "__call");
  lua_pop(L, 1);
  bind_functions(L, functions_networks);
  bind_functions(L, functions_class);
  bind_modules(L);
}
