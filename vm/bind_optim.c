/* Optimizers and learning-rate schedules as objects of the language. */
#include <stdio.h>
#include <string.h>

#include "vm.h"

/* ---- optimizers ---- */

static int optim_call(lua_State *L) {
  Arguments a;
  const int box = bind_begin(L, KIND_OPTIM, &a);
  return value_give(L, box, optim_new(bind_topic(L)->row, a.n, a.many, a.param));
}

/* The argument of the row that is called key, and the place of its first number among the hyperparameters. */
static const Arg *hyper_argument(const Optimizer *o, const char *key, int *place) {
  static Signature s;
  if (!key || !signature_parse(o->row->args, &s)) return NULL;
  *place = optim_hyper(o, key);
  for (int i = 0; i < s.count && *place >= 0; i++)
    if (!strcmp(s.arg[i].name, key)) return &s.arg[i];
  return NULL;
}

static bool optim_get_field(lua_State *L, void *object, const char *key) {
  Optimizer *o = object;
  int place;
  const Arg *arg = hyper_argument(o, key, &place);
  if (arg && arg->kind == ARG_NUMBERS) {
    lua_createtable(L, arg->fallback.count, 0);
    for (int i = 0; i < arg->fallback.count; i++) {
      lua_pushnumber(L, o->group[0].hyper[place + i]);
      lua_rawseti(L, -2, i + 1);
    }
  } else if (key && optim_hyper(o, key) >= 0) {
    double value = optim_get(o, key);
    if (arg && arg->kind == ARG_BOOLEAN)
      lua_pushboolean(L, value != 0);
    else
      lua_pushnumber(L, value);
  } else {
    return false;
  }
  return true;
}

static double number_given(lua_State *L, int at, const Optimizer *o, const char *key) {
  if (lua_isboolean(L, at)) return lua_toboolean(L, at);
  if (lua_type(L, at) != LUA_TNUMBER) bind_fail(L, "%s: %s must be a number, got %s", o->row->name, key, value_type(L, at));
  return lua_tonumber(L, at);
}

static bool optim_set_field(lua_State *L, void *object, const char *key) {
  Optimizer *o = object;
  int place;
  const Arg *arg = hyper_argument(o, key, &place);
  if (!key || optim_hyper(o, key) < 0) return false;
  if (!arg || arg->kind != ARG_NUMBERS) {
    if (!optim_set(o, key, number_given(L, 3, o, key))) bind_error(L);
    return true;
  }
  int n = arg->fallback.count;
  if (!lua_istable(L, 3) || (int)lua_rawlen(L, 3) != n)
    bind_fail(L, "%s: %s must be a table of %d numbers, got %s", o->row->name, key, n, value_type(L, 3));
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 3, i + 1);
    if (!optim_set(o, optim_hyper_name(o->row, place + i), number_given(L, lua_gettop(L), o, key))) bind_error(L);
    lua_pop(L, 1);
  }
  return true;
}

static Optimizer *own_optim(lua_State *L) {
  return value_check(L, 1, KIND_OPTIM, bind_topic(L)->who, "self");
}

static int optim_step_call(lua_State *L) {
  return optim_step(own_optim(L)) ? 0 : bind_error(L);
}

static int optim_zero_grad_call(lua_State *L) {
  optim_zero_grad(own_optim(L));
  return 0;
}

/* opt:add_group(params, {lr = ...}): the arguments are those of the optimizer's own row. */
static int optim_add_group_call(lua_State *L) {
  Optimizer *o = own_optim(L);
  Signature s;
  Arguments a;
  if (!signature_parse(o->row->args, &s)) return bind_error(L);
  bind_arguments(L, 2, bind_topic(L)->who, &s, &a);
  return optim_add_group(o, a.n, a.many, a.param) ? 0 : bind_error(L);
}

static int optim_set_group_call(lua_State *L) {
  Optimizer *o = own_optim(L);
  Arguments a;
  bind_own_arguments(L, &a);
  int group = (int)a.param[0].number;
  if (group < 1 || group > o->groups) return bind_fail(L, "optimizer:set_group: group %d of %d", group, o->groups);
  return optim_set_group(o, group - 1, bind_text(L, &a, 1), a.param[2].number) ? 0 : bind_error(L);
}

static void bind_optims(lua_State *L) {
  static char names[600];
  size_t at = 0;
  for (int i = 0; i < optims_count(); i++) {
    const OptimRow *row = optims_at(i);
    bind_row(L, "optim.", row->name, row->args, row->help, row->example, row, optim_call);
    Signature s;
    if (!signature_parse(row->args, &s)) bind_error(L);
    for (int k = 1; k < s.count && at < sizeof names - 40; k++)
      if (!strstr(names, s.arg[k].name)) at += (size_t)snprintf(names + at, sizeof names - at, "%s ", s.arg[k].name);
  }
  bind_fields(L, KIND_OPTIM, names, optim_get_field, optim_set_field);
}

/* ---- schedules ---- */

static int schedule_call(lua_State *L) {
  const Topic *topic = bind_topic(L);
  Arguments a;
  const int box = bind_begin(L, KIND_SCHEDULE, &a);
  Optimizer *o = value_check(L, a.place[0], KIND_OPTIM, topic->who, "argument 1 (optimizer)");
  return value_give(L, box, schedule_new(topic->row, o, a.param + 1));
}

static int schedule_step_call(lua_State *L) {
  schedule_step(value_check(L, 1, KIND_SCHEDULE, "schedule:step", "self"));
  return 0;
}

static bool schedule_get_field(lua_State *L, void *object, const char *key) {
  Schedule *s = object;
  if (!key || strcmp(key, "optimizer")) return false;
  value_push(L, KIND_OPTIM, s->optim);
  return true;
}

static void bind_schedules(lua_State *L) {
  for (int i = 0; i < schedules_count(); i++) {
    const ScheduleRow *row = schedules_at(i);
    bind_row(L, "optim.", row->name, row->args, row->help, row->example, row, schedule_call);
  }
  bind_fields(L, KIND_SCHEDULE, "optimizer", schedule_get_field, NULL);
}

static const Function functions_optim[] = {
    {"optimizer:step", "", "Changes the parameters by their gradients.", "opt:step()", optim_step_call},
    {"optimizer:zero_grad", "", "Forgets the gradients of its parameters.", "opt:zero_grad()", optim_zero_grad_call},
    {"optimizer:add_group", "params:tensors, options:table?", "Further parameters with settings of their own.",
     "opt:add_group(nn.Linear(2, 3):parameters(), {lr = 1e-4})", optim_add_group_call},
    {"optimizer:set_group", "group:integer, name:text, value:number",
     "Changes a setting of one group; opt.lr = ... changes it in all.", "opt:set_group(2, \"lr\", 1e-4)", optim_set_group_call},
    {"schedule:step", "", "The next learning rate; a trainer does this itself for schedules added to it.", "schedule:step()",
     schedule_step_call},
    {0}};

void bind_optimizers(lua_State *L) {
  bind_optims(L);
  bind_schedules(L);
  bind_functions(L, functions_optim);
}
