/* Rows become Lua: their functions, methods and tables, and the one road of errors. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stdlib.h"
#include "vm.h"

/* ---- errors ---- */

/* Pushes "script.lua:12: ", the line of the user's that led here: functions of C and of stdlib/ are passed over. */
static void push_where(lua_State *L) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0 || !strncmp(ar.source, STDLIB_SOURCE, strlen(STDLIB_SOURCE))) continue;
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

int bind_fail(lua_State *L, const char *format, ...) {
  va_list list;
  va_start(list, format);
  push_where(L);
  lua_pushvfstring(L, format, list);
  va_end(list);
  lua_concat(L, 2);
  return lua_error(L);
}

int bind_error(lua_State *L) {
  push_where(L);
  lua_pushstring(L, nn_failed() ? nn_error() : "failed without a reason");
  nn_clear_error();
  lua_concat(L, 2);
  return lua_error(L);
}

Tensor *bind_call_back(lua_CFunction call, const void *job) {
  lua_State *L = engine_state();
  const int top = lua_gettop(L);
  if (!lua_checkstack(L, 4)) return nn_fail("the stack of Lua is full");
  lua_pushcfunction(L, call);
  lua_pushlightuserdata(L, (void *)job);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  Tensor *result = ok ? value_test(L, -1, KIND_TENSOR) : NULL;
  if (!ok)
    nn_fail("%s",
            lua_isstring(L, -1) ? lua_tostring(L, -1) : lua_pushfstring(L, "the error is a %s, not a text", luaL_typename(L, -1)));
  else if (!result)
    nn_fail("must return a tensor, got %s", value_type(L, -1));
  if (result) result = scope_leave(scope_enter(), result); /* the scope's, since its box goes */
  lua_settop(L, top);
  return result;
}

Tensor *bind_tensor(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER) return tensor_scalar(lua_tonumber(L, index));
  return value_test(L, index, KIND_TENSOR);
}

/* ---- names that are not there ---- */

enum { NAMES = 400 };

/* Adds the names that the table at index has as keys. They stay alive as long as the table. */
static int names_of(lua_State *L, int index, const char **names, int n) {
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING && n < NAMES) names[n++] = lua_tostring(L, -2);
    lua_pop(L, 1);
  }
  return n;
}

/* tensor.ones, nn.Linear: upvalue 1 is the table's name */
static int missing_in_table(lua_State *L) {
  const char *names[NAMES], *table = lua_tostring(L, lua_upvalueindex(1));
  if (lua_type(L, 2) != LUA_TSTRING) return bind_fail(L, "%s has no %s", table, value_type(L, 2));
  const char *key = lua_tostring(L, 2), *near = nearest_name(key, names, names_of(L, 1, names, 0));
  if (near) return bind_fail(L, "%s has no '%s', did you mean '%s'?", table, key, near);
  return bind_fail(L, "%s has no '%s'; help('%s') lists what it has", table, key, table);
}

void bind_table(lua_State *L, const char *path) {
  lua_pushglobaltable(L);
  for (const char *at = path; *at;) {
    size_t n = strcspn(at, ".");
    lua_pushlstring(L, at, n);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_createtable(L, 0, 3);
      lua_pushlstring(L, path, (size_t)(at - path) + n);
      lua_pushvalue(L, -1);
      lua_setfield(L, -3, "__name");
      lua_pushcclosure(L, missing_in_table, 1);
      lua_setfield(L, -2, "__index");
      lua_setmetatable(L, -2);
      lua_pushlstring(L, at, n);
      lua_pushvalue(L, -2);
      lua_rawset(L, -4);
    }
    lua_remove(L, -2);
    at += n + (at[n] == '.');
  }
}

/* ---- fields and methods of objects ---- */

typedef struct Fields {
  const char *names;
  bool (*get)(lua_State *L, void *object, const char *key);
  bool (*set)(lua_State *L, void *object, const char *key);
} Fields;

static Fields fields[KIND_COUNT];

/* Upvalues: the kind, the methods. The names of fields are put behind one another into `words`. */
static int no_such_field(lua_State *L, const char *doing) {
  int kind = (int)lua_tointeger(L, lua_upvalueindex(1)), n = 0;
  const char *names[NAMES];
  char words[512] = "", *at = words;
  if (lua_type(L, 2) != LUA_TSTRING) return bind_fail(L, "%s: cannot %s %s", kind_name(kind), doing, value_type(L, 2));
  if (fields[kind].names) snprintf(words, sizeof words, "%s", fields[kind].names);
  for (char *word; (word = strtok_r(at, " ", &at));) names[n++] = word;
  n = names_of(L, lua_upvalueindex(2), names, n);
  const char *key = lua_tostring(L, 2), *near = nearest_name(key, names, n);
  if (near) return bind_fail(L, "%s: no field or method '%s', did you mean '%s'?", kind_name(kind), key, near);
  return bind_fail(L, "%s: no field or method '%s'; help('%s') lists what it has", kind_name(kind), key, kind_name(kind));
}

static int object_index(lua_State *L) {
  int kind = (int)lua_tointeger(L, lua_upvalueindex(1));
  void *object = value_check(L, 1, kind, kind_name(kind), "what is indexed");
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (fields[kind].get && fields[kind].get(L, object, key)) return 1;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  return no_such_field(L, "be indexed with");
}

/* Is the word one of the names, which have spaces between them? */
static bool is_among(const char *names, const char *word) {
  const size_t n = strlen(word);
  for (const char *at = names; n && (at = strstr(at, word)); at += n)
    if ((at == names || at[-1] == ' ') && (!at[n] || at[n] == ' ')) return true;
  return false;
}

static int object_newindex(lua_State *L) {
  int kind = (int)lua_tointeger(L, lua_upvalueindex(1));
  void *object = value_check(L, 1, kind, kind_name(kind), "what is indexed");
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (fields[kind].set && fields[kind].set(L, object, key)) return 0;
  if (key && fields[kind].names && is_among(fields[kind].names, key))
    return bind_fail(L, "%s: '%s' can be read but not set", kind_name(kind), key);
  return no_such_field(L, "set");
}

void bind_methods(lua_State *L, Kind kind) {
  value_metatable(L, kind);
  lua_getfield(L, -1, "methods");
  lua_remove(L, -2);
}

void bind_fields(lua_State *L, Kind kind, const char *names, bool (*get)(lua_State *, void *, const char *),
                 bool (*set)(lua_State *, void *, const char *)) {
  (void)L;
  fields[kind] = (Fields){names, get, set};
}

const char *bind_field_names(Kind kind) {
  return fields[kind].names ? fields[kind].names : "";
}

static void open_kind(lua_State *L, Kind kind) {
  static const char *const events[] = {"__index", "__newindex"};
  static const lua_CFunction calls[] = {object_index, object_newindex};
  value_metatable(L, kind);
  lua_newtable(L);
  for (int i = 0; i < 2; i++) {
    lua_pushinteger(L, kind);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, calls[i], 2);
    lua_setfield(L, -3, events[i]);
  }
  lua_setfield(L, -2, "methods");
  lua_pop(L, 1);
}

/* ---- rows ---- */

static Topic *new_topic(lua_State *L, const char *place, const char *name, const char *args, const char *help, const char *example,
                        const void *row) {
  Topic *t = topic_add(place, name, args, help, example, row);
  if (!t) luaL_error(L, "not enough memory");
  return t;
}

Topic *bind_row(lua_State *L, const char *place, const char *name, const char *args, const char *help, const char *example,
                const void *row, lua_CFunction call) {
  char path[64];
  Topic *t = new_topic(L, place, name, args, help, example, row);
  snprintf(path, sizeof path, "%.*s", (int)(*place ? strlen(place) - 1 : 0), place);
  bind_table(L, path);
  lua_pushlightuserdata(L, t);
  lua_pushcclosure(L, call, 1);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  return t;
}

const Topic *bind_topic(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

const Topic *bind_topic_of(lua_State *L, int index) {
  if (!lua_iscfunction(L, index) || !lua_getupvalue(L, index, 1)) return NULL;
  const void *topic = lua_touserdata(L, -1);
  lua_pop(L, 1);
  for (int i = 0; i < topics_count(); i++)
    if (topics_at(i) == topic) return topic;
  return NULL;
}

static int function_call(lua_State *L) {
  const Topic *t = bind_topic(L);
  if (t->self >= 0 && !value_test(L, 1, t->self)) {
    const char *method = strchr(t->name, ':') + 1;
    return bind_fail(L, "%s: its object must be a %s, got %s; write x:%s(...), with a colon", t->who, kind_name(t->self),
                     value_type(L, 1), method);
  }
  return t->call(L);
}

/* The function of a table that is called itself: tensor{1, 2}. */
static int table_call(lua_State *L) {
  lua_remove(L, 1);
  return function_call(L);
}

/* Puts the function on top where its topic's name says, and pops it. */
void bind_place(lua_State *L, Topic *t) {
  const char *colon = strchr(t->name, ':'), *dot = strrchr(t->name, '.'), *last = colon ? colon : dot;
  if (colon) t->self = kind_find(t->name, (size_t)(colon - t->name));
  if (t->self >= 0) {
    bind_methods(L, t->self);
  } else {
    lua_pushlstring(L, t->name, dot ? (size_t)(dot - t->name) : 0);
    bind_table(L, lua_tostring(L, -1));
    lua_remove(L, -2);
  }
  lua_insert(L, -2);
  lua_setfield(L, -2, last ? last + 1 : t->name);
  lua_pop(L, 1);
}

/* A row with the name of a table is what calling the table does. */
static bool place_call(lua_State *L, Topic *t) {
  lua_pushglobaltable(L);
  lua_pushstring(L, t->name);
  if (lua_rawget(L, -2) != LUA_TTABLE || !lua_getmetatable(L, -1)) return false;
  lua_pushlightuserdata(L, t);
  lua_pushcclosure(L, table_call, 1);
  lua_setfield(L, -2, "__call");
  return true;
}

void bind_functions(lua_State *L, const Function *rows) {
  int top = lua_gettop(L);
  for (const Function *f = rows; f->name; f++) {
    Topic *t = new_topic(L, "", f->name, f->args, f->help, f->example, f);
    t->call = f->call;
    if (!place_call(L, t)) {
      lua_pushlightuserdata(L, t);
      lua_pushcclosure(L, function_call, 1);
      bind_place(L, t);
    }
    lua_settop(L, top);
  }
}

/* ---- everything ---- */

static void collect(void *data) {
  (void)data;
  lua_gc(engine_state(), LUA_GCCOLLECT);
}

void bind_all(lua_State *L) {
  static const Function *const tables[] = {functions_base,      functions_define, functions_index, functions_tensor,
                                           functions_gradcheck, functions_window, functions_engine};
  lua_gc(L, LUA_GCGEN, 0, 0);
  memory_on_full(collect, NULL);
  value_open(L);
  for (int kind = 0; kind < KIND_COUNT; kind++) open_kind(L, kind);
  bind_ops(L);
  bind_index(L);
  bind_networks(L);
  bind_datasets(L);
  bind_loaders(L);
  bind_optimizers(L);
  bind_training(L);
  bind_window(L);
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) bind_functions(L, tables[i]);
}
