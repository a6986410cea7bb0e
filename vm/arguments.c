/* Reading what a script passed to a function, as the row's signature says: positions first, then a table of named options.
 * This is the one place where dimensions and positions, counted from 1 in scripts, become C's, counted from 0. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

typedef struct Reader {
  lua_State *L;
  const char *who;
  const Signature *s;
  Arguments *out;
  int slot[NN_ARGS]; /* of each argument: its place in in[] or in param[] */
  bool number[64];   /* in[] gets a number, made a tensor at the very end */
} Reader;

static bool is_tensor_kind(ArgKind kind) {
  return kind == ARG_TENSOR || kind == ARG_CONSTANT || kind == ARG_TENSORS;
}

/* "conv2d: argument 4 (stride): a whole number expected, got nil" */
static void refuse(const Reader *r, int i, const char *expected, int at) {
  bind_fail(r->L, "%s: argument %d (%s): %s expected, got %s", r->who, i + 1, r->s->arg[i].name, expected, value_type(r->L, at));
}

/* "x, dims, keepdim", left on the stack */
static const char *arguments_names(lua_State *L, const Signature *s) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; i < s->count; i++) {
    if (i) luaL_addstring(&b, ", ");
    luaL_addstring(&b, s->arg[i].name);
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

static void begin(Reader *r) {
  int tensors = 0, params = 0;
  Arguments *out = r->out;
  out->s = r->s;
  out->many = out->in;
  out->n = r->s->list ? 0 : r->s->tensors;
  for (int i = 0; i < r->s->count; i++) {
    out->place[i] = 0;
    if (is_tensor_kind(r->s->arg[i].kind)) {
      r->number[tensors] = false;
      out->in[tensors] = NULL;
      r->slot[i] = tensors++;
    } else {
      out->param[params] = r->s->arg[i].fallback;
      r->slot[i] = params++;
    }
  }
}

/* ---- one value of each kind ---- */

static const double MOST_WHOLE = 9007199254740992.0; /* what a double holds exactly */

static bool whole(lua_State *L, int at, double *value) {
  if (lua_type(L, at) != LUA_TNUMBER) return false;
  *value = lua_tonumber(L, at);
  return *value == floor(*value) && fabs(*value) <= MOST_WHOLE;
}

static void refuse_whole(const Reader *r, int i, const char *expected, int at) {
  bool large = lua_type(r->L, at) == LUA_TNUMBER && fabs(lua_tonumber(r->L, at)) > MOST_WHOLE;
  refuse(r, i, large ? "a whole number of at most 2^53" : expected, at);
}

static void read_tensor(Reader *r, int i, int at) {
  Tensor *t = value_test(r->L, at, KIND_TENSOR);
  bool number = !t && lua_type(r->L, at) == LUA_TNUMBER;
  if (!t && !number) refuse(r, i, "a tensor", at);
  r->out->in[r->slot[i]] = t;
  r->number[r->slot[i]] = number;
}

static void read_tensors(Reader *r, int i, int at) {
  lua_State *L = r->L;
  Arguments *out = r->out;
  if (lua_type(L, at) != LUA_TTABLE) refuse(r, i, "a table of tensors", at);
  lua_Unsigned n = lua_rawlen(L, at);
  if (n > INT32_MAX / 16) refuse(r, i, "a shorter table of tensors", at);
  if (n > sizeof out->in / sizeof *out->in) out->many = lua_newuserdatauv(L, (size_t)n * sizeof(Tensor *), 0);
  for (lua_Unsigned k = 1; k <= n; k++) {
    lua_rawgeti(L, at, (lua_Integer)k);
    Tensor *t = value_test(L, -1, KIND_TENSOR);
    if (!t)
      bind_fail(L, "%s: argument %d (%s): a table of tensors expected, got %s at place %d", r->who, i + 1, r->s->arg[i].name,
                value_type(L, -1), (int)k);
    out->many[k - 1] = t;
    lua_pop(L, 1);
  }
  out->n = (int)n;
}

static void read_number(Reader *r, int i, int at, Param *p) {
  if (lua_type(r->L, at) != LUA_TNUMBER) refuse(r, i, "a number", at);
  p->number = lua_tonumber(r->L, at);
}

static void read_integer(Reader *r, int i, int at, Param *p) {
  if (!whole(r->L, at, &p->number)) refuse_whole(r, i, "a whole number", at);
}

static void read_boolean(Reader *r, int i, int at, Param *p) {
  if (lua_type(r->L, at) != LUA_TBOOLEAN) refuse(r, i, "true or false", at);
  p->number = lua_toboolean(r->L, at);
}

static const char dim_words[] = "a dimension, counted from 1 or from -1 backwards,";

static void read_dim(Reader *r, int i, int at, Param *p) {
  const char *words = r->s->arg[i].kind == ARG_DIM ? dim_words : "a position, counted from 1 or from -1 backwards,";
  if (!whole(r->L, at, &p->number) || p->number == 0) refuse_whole(r, i, words, at);
  if (p->number > 0) p->number--;
}

static void read_choice(Reader *r, int i, int at, Param *p) {
  const Arg *arg = &r->s->arg[i];
  int place = lua_type(r->L, at) == LUA_TSTRING ? choice_find(arg, lua_tostring(r->L, at)) : -1;
  if (place < 0) {
    luaL_gsub(r->L, arg->choices, "|", "\", \"");
    const char *list = lua_tostring(r->L, -1);
    refuse(r, i, lua_pushfstring(r->L, "one of \"%s\"", list), at);
  }
  p->number = place;
}

/* ---- lists: a table of numbers, or the numbers themselves as arguments ---- */

static void read_place(Reader *r, int i, int at, int place, Param *p) {
  ArgKind kind = r->s->arg[i].kind;
  double value = 0;
  bool ok = whole(r->L, at, &value);
  if (kind == ARG_DIMS && (!ok || value == 0)) refuse_whole(r, i, dim_words, at);
  if (kind == ARG_SIZE && (!ok || value < -1)) refuse_whole(r, i, "whole numbers from 0", at);
  if (kind == ARG_PAIR && !ok) refuse_whole(r, i, "a whole number or a pair {height, width}", at);
  if (kind == ARG_NUMBERS) {
    if (lua_type(r->L, at) != LUA_TNUMBER) refuse(r, i, "numbers", at);
    p->value[place] = lua_tonumber(r->L, at);
  } else {
    p->list[place] = (long)value - (kind == ARG_DIMS && value > 0);
  }
}

static void check_room(Reader *r, int i, int n) {
  const Arg *arg = &r->s->arg[i];
  if (arg->kind == ARG_PAIR && n != 2)
    bind_fail(r->L, "%s: argument %d (%s): a pair {height, width} expected, got %d numbers", r->who, i + 1, arg->name, n);
  int want = arg->kind == ARG_NUMBERS ? arg->fallback.count : 0;
  if (want && n != want) bind_fail(r->L, "%s: argument %d (%s): %d numbers expected, got %d", r->who, i + 1, arg->name, want, n);
  if (n > NN_DIMS)
    bind_fail(r->L, "%s: argument %d (%s): at most %d numbers expected, got %d", r->who, i + 1, arg->name, NN_DIMS, n);
}

static void read_list(Reader *r, int i, int at, Param *p) {
  lua_State *L = r->L;
  ArgKind kind = r->s->arg[i].kind;
  if (lua_type(L, at) != LUA_TTABLE) {
    read_place(r, i, at, 0, p);
    p->count = 1;
    if (kind == ARG_PAIR) p->list[1] = p->list[0], p->count = 2;
    if (kind == ARG_NUMBERS) check_room(r, i, 1);
    return;
  }
  lua_Unsigned n = lua_rawlen(L, at);
  check_room(r, i, n > INT32_MAX ? INT32_MAX : (int)n);
  for (int k = 0; k < (int)n; k++) {
    lua_rawgeti(L, at, k + 1);
    read_place(r, i, lua_gettop(L), k, p);
    lua_pop(L, 1);
  }
  p->count = (int)n;
}

/* From `at` on as many numbers as there are; returns how many. */
static int read_run(Reader *r, int i, int at, int last, Param *p) {
  int n = 0;
  while (at + n <= last && lua_type(r->L, at + n) == LUA_TNUMBER) n++;
  check_room(r, i, n);
  for (int k = 0; k < n; k++) read_place(r, i, at + k, k, p);
  p->count = n;
  return n;
}

/* ---- one argument ---- */

static void check_type(Reader *r, int i, int at) {
  lua_State *L = r->L;
  switch (r->s->arg[i].kind) {
    case ARG_TEXT:
      if (lua_type(L, at) != LUA_TSTRING) refuse(r, i, "a string", at);
      if (strlen(lua_tostring(L, at)) != lua_rawlen(L, at)) refuse(r, i, "a string without zero bytes", at);
      break;
    case ARG_MODULE:
      if (!value_test(L, at, KIND_MODULE)) refuse(r, i, "a module", at);
      break;
    case ARG_FUNCTION:
      if (lua_type(L, at) != LUA_TFUNCTION) refuse(r, i, "a function", at);
      break;
    case ARG_MODULES:
      if (lua_type(L, at) != LUA_TTABLE) refuse(r, i, "a table of modules", at);
      break;
    case ARG_TABLE:
      if (lua_type(L, at) != LUA_TTABLE) refuse(r, i, "a table", at);
      break;
    default: break;
  }
}

static void read_value(Reader *r, int i, int at) {
  ArgKind kind = r->s->arg[i].kind;
  if (lua_isnil(r->L, at) && (r->s->arg[i].optional || kind == ARG_ANY)) return;
  Param *p = &r->out->param[r->slot[i]]; /* of a tensor: not used */
  r->out->place[i] = at;
  if (!is_tensor_kind(kind)) p->nil = false;
  switch (kind) {
    case ARG_TENSOR:
    case ARG_CONSTANT: read_tensor(r, i, at); break;
    case ARG_TENSORS: read_tensors(r, i, at); break;
    case ARG_NUMBER: read_number(r, i, at, p); break;
    case ARG_INTEGER: read_integer(r, i, at, p); break;
    case ARG_BOOLEAN: read_boolean(r, i, at, p); break;
    case ARG_DIM:
    case ARG_POSITION: read_dim(r, i, at, p); break;
    case ARG_CHOICE: read_choice(r, i, at, p); break;
    case ARG_DIMS:
    case ARG_SIZE:
    case ARG_PAIR:
    case ARG_NUMBERS: read_list(r, i, at, p); break;
    default: check_type(r, i, at);
  }
}

/* ---- positions ---- */

/* May an empty table stand for it? For a tensor that must be given it is a mistake, rather than options that leave it out. */
static bool may_be_empty(const Arg *arg) {
  const ArgKind kind = arg->kind;
  return (kind == ARG_TENSOR && !arg->optional) || kind == ARG_TENSORS || kind == ARG_DIMS || kind == ARG_SIZE ||
         kind == ARG_MODULES || kind == ARG_ANY;
}

static int argument_named(const Signature *s, const char *name) {
  for (int i = 0; i < s->count; i++)
    if (!strcmp(s->arg[i].name, name)) return i;
  return -1;
}

/* Is the last argument a table of options? It is when its first key is a name; where any value may stand, when that is the
 * name of an argument; never where a table must stand. */
static bool has_options(const Reader *r, int first, int last) {
  lua_State *L = r->L;
  if (last < first || lua_type(L, last) != LUA_TTABLE) return false;
  const Arg none = {.kind = ARG_NUMBER}, *arg = last - first < r->s->count ? &r->s->arg[last - first] : &none;
  if (arg->kind == ARG_TABLE) return false;
  lua_pushnil(L);
  if (!lua_next(L, last)) return !may_be_empty(arg);
  bool named = lua_type(L, -2) == LUA_TSTRING && (arg->kind != ARG_ANY || argument_named(r->s, lua_tostring(L, -2)) >= 0);
  lua_pop(L, 2);
  return named;
}

static void read_positions(Reader *r, int first, int last) {
  int at = first, i = 0;
  for (; at <= last && i < r->s->count; i++) {
    ArgKind kind = r->s->arg[i].kind;
    if ((kind == ARG_SIZE || kind == ARG_DIMS) && lua_type(r->L, at) == LUA_TNUMBER) {
      r->out->place[i] = at;
      r->out->param[r->slot[i]].nil = false;
      at += read_run(r, i, at, last, &r->out->param[r->slot[i]]);
    } else {
      read_value(r, i, at++);
    }
  }
  if (at <= last && !r->s->count) bind_fail(r->L, "%s: takes no arguments, got %s", r->who, value_type(r->L, at));
  if (at <= last)
    bind_fail(r->L, "%s: takes %d argument%s (%s), got %s besides", r->who, r->s->count, r->s->count == 1 ? "" : "s",
              arguments_names(r->L, r->s), value_type(r->L, at));
}

/* ---- options ---- */

static void unknown_option(const Reader *r, const char *name) {
  const char *names[NN_ARGS];
  for (int i = 0; i < r->s->count; i++) names[i] = r->s->arg[i].name;
  const char *near = nearest_name(name, names, r->s->count);
  if (near) bind_fail(r->L, "%s: unknown option '%s', did you mean '%s'?", r->who, name, near);
  bind_fail(r->L, "%s: unknown option '%s'; its arguments are %s", r->who, name, arguments_names(r->L, r->s));
}

static int option_place(const Reader *r) { /* of the key at -2 */
  lua_State *L = r->L;
  if (lua_type(L, -2) != LUA_TSTRING)
    bind_fail(L, "%s: options have names, like {%s = ...}; got %s as one", r->who,
              r->s->count ? r->s->arg[r->s->count - 1].name : "x", value_type(L, -2));
  const char *name = lua_tostring(L, -2);
  int i = argument_named(r->s, name);
  if (i < 0) unknown_option(r, name);
  if (r->out->place[i]) bind_fail(L, "%s: %s is given twice, as argument %d and as an option", r->who, name, i + 1);
  return i;
}

/* Values stay on the stack, since arguments are found there. */
static void read_options(Reader *r, int at) {
  lua_State *L = r->L;
  luaL_checkstack(L, r->s->count + 8, r->who);
  lua_pushnil(L);
  while (lua_next(L, at)) {
    int i = option_place(r);
    lua_insert(L, -2); /* value, key */
    int value = lua_gettop(L) - 1;
    read_value(r, i, value);
    if (lua_gettop(L) > value + 1) lua_insert(L, -2); /* a long list left its room there: the key must be on top */
  }
}

static void check_missing(const Reader *r) {
  for (int i = 0; i < r->s->count; i++) {
    const Arg *arg = &r->s->arg[i];
    if (!r->out->place[i] && !arg->optional) bind_fail(r->L, "%s: argument %d (%s) is missing", r->who, i + 1, arg->name);
  }
}

/* ---- all of them ---- */

/* A number given for a tensor. Comes last, since from here on nothing raises an error. */
static void make_scalars(Reader *r) {
  for (int i = 0; i < r->s->count; i++) {
    if (!is_tensor_kind(r->s->arg[i].kind) || !r->number[r->slot[i]]) continue;
    r->out->in[r->slot[i]] = tensor_scalar(lua_tonumber(r->L, r->out->place[i]));
  }
}

void bind_arguments_to(lua_State *L, int first, int last, const char *who, const Signature *s, Arguments *out) {
  Reader r = {.L = L, .who = who, .s = s, .out = out};
  if (!s) bind_error(L);
  begin(&r);
  bool options = has_options(&r, first, last);
  read_positions(&r, first, options ? last - 1 : last);
  if (options) read_options(&r, last);
  check_missing(&r);
  make_scalars(&r);
}

void bind_arguments(lua_State *L, int first, const char *who, const Signature *s, Arguments *out) {
  bind_arguments_to(L, first, lua_gettop(L), who, s, out);
}

void bind_own_arguments(lua_State *L, Arguments *out) {
  const Topic *t = lua_touserdata(L, lua_upvalueindex(1));
  bind_arguments(L, t->self < 0 ? 1 : 2, t->who, topic_signature(t), out);
}

int bind_begin(lua_State *L, Kind kind, Arguments *out) {
  bind_own_arguments(L, out);
  value_new(L, kind);
  return lua_gettop(L);
}

const char *bind_text(lua_State *L, const Arguments *a, int i) {
  if (a->place[i]) return lua_tostring(L, a->place[i]);
  const Arg *arg = &a->s->arg[i];
  return arg->fallback.nil ? NULL : arg->choices;
}
