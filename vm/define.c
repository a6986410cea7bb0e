/* Functions written in Lua with rows like those written in C: the same checks, errors, help and completion. */
#include <string.h>

#include "vm.h"

static void push_choice(lua_State *L, const char *choices, int n) {
  while (n--) choices += strcspn(choices, "|") + 1;
  lua_pushlstring(L, choices, strcspn(choices, "|"));
}

static void push_list(lua_State *L, const Param *p, ArgKind kind) {
  lua_createtable(L, p->count, 0);
  for (int i = 0; i < p->count; i++) {
    if (kind == ARG_NUMBERS)
      lua_pushnumber(L, p->value[i]);
    else
      lua_pushinteger(L, p->list[i] + (kind == ARG_DIMS && p->list[i] >= 0));
    lua_rawseti(L, -2, i + 1);
  }
}

void bind_push_param(lua_State *L, const Arg *arg, const Param *p) {
  ArgKind kind = p->nil ? ARG_ANY : arg->kind;
  switch (kind) {
    case ARG_SIZE:
    case ARG_DIMS:
    case ARG_PAIR:
    case ARG_NUMBERS: push_list(L, p, kind); break;
    case ARG_NUMBER: lua_pushnumber(L, p->number); break;
    case ARG_INTEGER: lua_pushinteger(L, (lua_Integer)p->number); break;
    case ARG_DIM:
    case ARG_POSITION: lua_pushinteger(L, (lua_Integer)p->number + (p->number >= 0)); break;
    case ARG_BOOLEAN: lua_pushboolean(L, p->number != 0); break;
    case ARG_CHOICE: push_choice(L, arg->choices, (int)p->number); break;
    case ARG_TEXT: lua_pushstring(L, arg->choices); break;
    default: lua_pushnil(L); break;
  }
}

static void push_scalar(lua_State *L, double value) {
  Box *box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *t = tensor_scalar(value);
  if (t) value_set(L, -1, box, t);
  scope_leave(scope, NULL);
  if (!t) bind_error(L);
}

/* An argument as it was given, read where it may have several forms; or its default. */
static void push_argument(lua_State *L, const Arguments *a, int i, const Param *p) {
  ArgKind kind = a->s->arg[i].kind;
  bool list = kind == ARG_SIZE || kind == ARG_DIMS || kind == ARG_PAIR || kind == ARG_NUMBERS;
  bool number = (kind == ARG_TENSOR || kind == ARG_CONSTANT) && a->place[i] && lua_type(L, a->place[i]) == LUA_TNUMBER;
  if (number)
    push_scalar(L, lua_tonumber(L, a->place[i]));
  else if (a->place[i] && !list)
    lua_pushvalue(L, a->place[i]);
  else
    bind_push_param(L, &a->s->arg[i], p);
}

/* Upvalues: the topic, the function. */
static int defined_call(lua_State *L) {
  const Param none = {.nil = true};
  const Topic *t = bind_topic(L);
  const Signature *s = topic_signature(t);
  int params = 0, self = t->self >= 0;
  Arguments a;
  size_t scope = scope_enter();
  bind_arguments(L, 1 + self, t->who, s, &a);
  scope_leave(scope, NULL);
  luaL_checkstack(L, 8, t->who);
  int bottom = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(2));
  if (self) lua_pushvalue(L, 1);
  lua_createtable(L, 0, s->count);
  for (int i = 0; i < s->count; i++) {
    ArgKind kind = s->arg[i].kind;
    bool tensor = kind == ARG_TENSOR || kind == ARG_CONSTANT || kind == ARG_TENSORS;
    push_argument(L, &a, i, tensor ? &none : &a.param[params++]);
    lua_setfield(L, -2, s->arg[i].name);
  }
  lua_call(L, 1 + self, LUA_MULTRET);
  return lua_gettop(L) - bottom;
}

enum { TEXTS = 3 }; /* of a row: arguments, help, example */

/* Copies of them, of the row on top, in the block returned: they stay, as topics do. */
static char *copy_texts(lua_State *L, const char **text) {
  size_t size[TEXTS], all = 0;
  for (int i = 0; i < TEXTS; i++) {
    lua_rawgeti(L, -1 - i, 2 + i);
    text[i] = lua_tolstring(L, -1, &size[i]);
    all += ++size[i];
  }
  char *block = memory_new(all), *to = block;
  if (!block) bind_error(L);
  for (int i = 0; i < TEXTS; to += size[i++]) text[i] = memcpy(to, text[i], size[i]);
  lua_pop(L, TEXTS);
  return block;
}

static void check_row(lua_State *L) {
  if (lua_type(L, -1) != LUA_TTABLE) bind_fail(L, "define: a table of rows expected, got %s in it", value_type(L, -1));
  for (int i = 1; i <= 5; i++) {
    int type = lua_rawgeti(L, -1, i);
    if (type != (i < 5 ? LUA_TSTRING : LUA_TFUNCTION))
      bind_fail(L, "define: a row is {name, arguments, help, example, function}, got %s at place %d", value_type(L, -1), i);
    lua_pop(L, 1);
  }
}

static void check_arguments(lua_State *L) {
  Signature s;
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  if (!signature_parse(lua_tostring(L, -1), &s)) nn_fail_in("define: %s", lua_tostring(L, -2)), bind_error(L);
  lua_pop(L, 2);
}

/* Of the row on top. */
static void define_row(lua_State *L) {
  check_row(L);
  check_arguments(L);
  const char *text[TEXTS];
  char *block = copy_texts(L, text);
  lua_rawgeti(L, -1, 1);
  Topic *t = topic_add("", lua_tostring(L, -1), text[0], text[1], text[2], NULL);
  if (!t) memory_free(block), bind_fail(L, "define: too many functions");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, t);
  lua_rawgeti(L, -2, 5);
  lua_pushcclosure(L, defined_call, 2);
  bind_place(L, t);
}

static int define(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE) return bind_fail(L, "define: a table of rows expected, got %s", value_type(L, 1));
  for (int i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
    define_row(L);
    lua_pop(L, 1);
  }
  return 0;
}

const Function functions_define[] = {
    {"define", "rows:table",
     "Makes functions with checked arguments, help and completion from rows {name, arguments, help, example, f}. Arguments are "
     "written as help() shows them; f gets them all, defaults too, in one table.",
     "define {{\"twice\", \"x, n:number=2\", \"x times n.\", \"twice(3)\", function(o) return o.x * o.n end}}", define},
    {0}};
