/* C objects as Lua userdata. A box holds one reference to its object; Lua's collector drops it.
 *
 * Boxes of modules, optimizers and the like, and of parameters, are found again in a weak table: the same object gives the
 * same userdata. A box may have fields, a Lua table that belongs to the object rather than to the box (the self.x of a
 * module written in Lua), so the box should live as long as C holds the object. The box of the holder refers to it
 * (value_anchor), which shows the collector cycles through C. When the holder has no box, Lua lets go of the box first; then
 * it is kept aside without a reference of its own, until it is asked for again or value_forget() says that the object is
 * gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vm.h"

typedef struct KindRow {
  const char *name;
  bool found_again; /* always the same box */
  bool fields;
} KindRow;

static const KindRow rows[KIND_COUNT] = {
    [KIND_TENSOR] = {"tensor", false, false},    [KIND_MODULE] = {"module", true, true},
    [KIND_LOSS] = {"loss", true, false},         [KIND_OPTIM] = {"optimizer", true, false},
    [KIND_SCHEDULE] = {"schedule", true, false}, [KIND_DATASET] = {"dataset", true, false},
    [KIND_LOADER] = {"loader", true, true},      [KIND_TRAINER] = {"trainer", true, true},
    [KIND_WINDOW] = {"window", true, true},
};

static const void *metatable[KIND_COUNT]; /* addresses, to know a box by */
static const char boxes_key, kept_key;    /* registry: object -> box, weak; object -> box that only C still needs */
static lua_State *main_state;             /* NULL once Lua is closed */
static lua_Integer boxes;

const char *kind_name(Kind kind) {
  return rows[kind].name;
}

int kind_find(const char *name, size_t n) {
  for (int kind = 0; kind < KIND_COUNT; kind++)
    if (strlen(rows[kind].name) == n && !strncmp(rows[kind].name, name, n)) return kind;
  return -1;
}

static void object_keep(Kind kind, void *object) {
  switch (kind) {
    case KIND_TENSOR: tensor_keep(object); break;
    case KIND_MODULE: module_keep(object); break;
    case KIND_LOSS: ((LossValue *)object)->refs++; break;
    case KIND_OPTIM: optim_keep(object); break;
    case KIND_SCHEDULE: schedule_keep(object); break;
    case KIND_DATASET: dataset_keep(object); break;
    case KIND_LOADER: loader_keep(object); break;
    case KIND_TRAINER: trainer_keep(object); break;
    case KIND_WINDOW: view_keep(object); break;
    case KIND_COUNT: break;
  }
}

static void object_drop(Kind kind, void *object) {
  switch (kind) {
    case KIND_TENSOR: tensor_drop(object); break;
    case KIND_MODULE: module_drop(object); break;
    case KIND_LOSS:
      if (!--((LossValue *)object)->refs) memory_free(object);
      break;
    case KIND_OPTIM: optim_drop(object); break;
    case KIND_SCHEDULE: schedule_drop(object); break;
    case KIND_DATASET: dataset_drop(object); break;
    case KIND_LOADER: loader_drop(object); break;
    case KIND_TRAINER: trainer_drop(object); break;
    case KIND_WINDOW: view_drop(object); break;
    case KIND_COUNT: break;
  }
}

static Box *box_at(lua_State *L, int index) {
  Box *box = lua_touserdata(L, index);
  if (!box || lua_islightuserdata(L, index) || !lua_getmetatable(L, index)) return NULL;
  const void *found = lua_topointer(L, -1);
  lua_pop(L, 1);
  for (int kind = 0; kind < KIND_COUNT; kind++)
    if (found == metatable[kind]) return box;
  return NULL;
}

void *value_test(lua_State *L, int index, Kind kind) {
  Box *box = lua_touserdata(L, index);
  if (!box || !lua_getmetatable(L, index)) return NULL;
  const void *found = lua_topointer(L, -1);
  lua_pop(L, 1);
  return found == metatable[kind] ? box->object : NULL;
}

int value_kind(lua_State *L, int index) {
  Box *box = box_at(L, index);
  return box && box->object ? (int)box->kind : -1;
}

void *value_check(lua_State *L, int index, Kind kind, const char *who, const char *argument) {
  void *object = value_test(L, index, kind);
  if (object) return object;
  bind_fail(L, "%s: %s: %s %s expected, got %s", who, argument, strchr("aeiou", rows[kind].name[0]) ? "an" : "a", rows[kind].name,
            value_type(L, index));
  return NULL;
}

lua_State *value_state(void) {
  return main_state;
}

lua_Integer value_count(void) {
  return boxes;
}

/* ---- the two tables of boxes ---- */

static void table_put(lua_State *L, const void *key, const void *object, int box) { /* box 0: nil */
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  if (box)
    lua_pushvalue(L, box);
  else
    lua_pushnil(L);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
}

/* Pushes the box, or nothing. */
static bool table_find(lua_State *L, const void *key, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  bool found = lua_rawgetp(L, -1, object) == LUA_TUSERDATA;
  lua_remove(L, found ? -2 : -1);
  if (!found) lua_pop(L, 1);
  return found;
}

static void set_metatable(lua_State *L, Kind kind) { /* of the value on top */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable[kind]);
  lua_setmetatable(L, -2);
}

static bool is_found_again(Kind kind, void *object) {
  if (kind != KIND_TENSOR) return rows[kind].found_again;
  const Tensor *t = object;
  return t->node && tensor_is_leaf(t);
}

Box *value_new(lua_State *L, Kind kind) {
  Box *box = lua_newuserdatauv(L, sizeof *box, rows[kind].fields);
  *box = (Box){kind, NULL};
  set_metatable(L, kind);
  return box;
}

/* ---- the collector hears of tensors' memory ---- */

/* To Lua a tensor is 40 bytes. When SOME were boxed or the memory of tensors has grown by STEP, its collector collects all, as
 * long as that takes no more than one part in SHARE of the time. Else it collects what is young, after STEP or MANY. */
enum { STEP = 16 << 20, SOME = 64, MANY = 1024, SHARE = 50 };
static size_t next_step = STEP;
static int boxed;
static double full_again; /* the time from which on all may be collected */

/* Of this thread: what others take of the CPU says nothing of the collector. */
static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void collect_all(lua_State *L, double begin) {
  lua_gc(L, LUA_GCCOLLECT);
  const double end = seconds();
  full_again = end + (SHARE - 1) * (end - begin);
}

static void collect_in_proportion(lua_State *L) {
  size_t live = memory_use().live;
  if (live + STEP < next_step) next_step = live + STEP;
  if (live < next_step && ++boxed % SOME) return;
  const double now = seconds();
  if (now >= full_again)
    collect_all(L, now);
  else if (live >= next_step || boxed >= MANY)
    lua_gc(L, LUA_GCSTEP, 2 * lua_gc(L, LUA_GCCOUNT) + 1); /* more than is in use: certainly a step */
  else
    return;
  boxed = 0;
  next_step = memory_use().live + STEP;
}

void value_set(lua_State *L, int index, Box *box, void *object) {
  object_keep(box->kind, object);
  box->object = object;
  boxes++;
  if (is_found_again(box->kind, object)) table_put(L, &boxes_key, object, lua_absindex(L, index));
  if (box->kind == KIND_TENSOR) collect_in_proportion(L);
}

int value_give(lua_State *L, int at, void *object) {
  if (!object) return bind_error(L);
  Box *box = lua_touserdata(L, at);
  value_set(L, at, box, object);
  object_drop(box->kind, object);
  lua_pushvalue(L, at);
  return 1;
}

void value_remember(lua_State *L, int index) {
  Box *box = box_at(L, index);
  if (box && box->object) table_put(L, &boxes_key, box->object, lua_absindex(L, index));
}

void value_push(lua_State *L, Kind kind, void *object) {
  if (!object) {
    lua_pushnil(L);
    return;
  }
  if (is_found_again(kind, object)) {
    if (table_find(L, &boxes_key, object)) return;
    if (table_find(L, &kept_key, object)) { /* Lua wants it again */
      object_keep(kind, object);
      boxes++;
      set_metatable(L, kind); /* so that it is collected again */
      table_put(L, &boxes_key, object, lua_gettop(L));
      table_put(L, &kept_key, object, 0);
      return;
    }
  }
  Box *box = value_new(L, kind);
  value_set(L, -1, box, object);
}

void value_fields(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_getiuservalue(L, index, 1) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, 1);
}

void value_anchor(lua_State *L, int owner, int part) {
  part = lua_absindex(L, part);
  value_fields(L, owner);
  lua_pushvalue(L, part);
  lua_rawsetp(L, -2, ((Box *)lua_touserdata(L, part))->object);
  lua_pop(L, 1);
}

void value_release(lua_State *L, int owner, const void *object) {
  value_fields(L, owner);
  lua_pushnil(L);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
}

void value_forget(void *object) {
  if (!main_state) return;
  lua_State *L = main_state;
  if (!lua_checkstack(L, 4)) return;
  if (table_find(L, &kept_key, object)) {
    ((Box *)lua_touserdata(L, -1))->object = NULL;
    lua_pop(L, 1);
    table_put(L, &kept_key, object, 0);
  }
}

/* Does the object tell when it goes? Then it has a free_data that calls value_forget. */
static bool will_tell(const Box *box) {
  const Module *m = box->object;
  const Loader *l = box->object;
  return (box->kind == KIND_MODULE && m->free_data) || (box->kind == KIND_LOADER && l->free_data);
}

static bool is_still_needed(lua_State *L, const Box *box) {
  if (!will_tell(box)) return false;
  if ((box->kind == KIND_MODULE ? ((Module *)box->object)->refs : ((Loader *)box->object)->refs) < 2) return false;
  bool fields = lua_getiuservalue(L, 1, 1) == LUA_TTABLE;
  lua_pop(L, 1);
  return fields;
}

static int box_collect(lua_State *L) {
  Box *box = box_at(L, 1);
  if (!box || !box->object) return 0;
  void *object = box->object;
  if (is_still_needed(L, box))
    table_put(L, &kept_key, object, 1);
  else
    box->object = NULL;
  boxes--;
  object_drop(box->kind, object);
  return 0;
}

/* `local t <close> = ...`: a tensor's memory goes now, other objects stay what they are. */
static int box_close(lua_State *L) {
  Tensor *t = value_test(L, 1, KIND_TENSOR);
  if (t) tensor_free_memory(t);
  return 0;
}

static int box_equal(lua_State *L) {
  Box *a = box_at(L, 1), *b = box_at(L, 2);
  lua_pushboolean(L, a && b && a->object && a->object == b->object);
  return 1;
}

static int box_text(lua_State *L) {
  char *text = value_kind(L, 1) < 0 ? NULL : print_value(L, 1);
  lua_pushstring(L, text ? text : "an object that is gone");
  free(text);
  return 1;
}

/* ---- opening and closing ---- */

static int lua_closes(lua_State *L) {
  (void)L;
  main_state = NULL;
  return 0;
}

static void new_table(lua_State *L, const void *key, bool weak) {
  lua_newtable(L);
  if (weak) {
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static void new_metatable(lua_State *L, Kind kind) {
  static const luaL_Reg methods[] = {
      {"__gc", box_collect}, {"__close", box_close}, {"__eq", box_equal}, {"__tostring", box_text}, {NULL, NULL}};
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_pushstring(L, rows[kind].name);
  lua_setfield(L, -2, "__name");
  metatable[kind] = lua_topointer(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable[kind]);
}

void value_metatable(lua_State *L, Kind kind) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable[kind]);
}

void value_open(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main_state = lua_tothread(L, -1);
  lua_pop(L, 1);
  boxes = 0;
  new_table(L, &boxes_key, true);
  new_table(L, &kept_key, false);
  for (int kind = 0; kind < KIND_COUNT; kind++) new_metatable(L, kind);
  lua_newuserdatauv(L, 0, 0); /* finalized when Lua closes, after all boxes, since it is older */
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, lua_closes);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &main_state);
}

/* ---- a value in an error message ---- */

const char *value_type(lua_State *L, int index) {
  static char texts[4][160];
  static unsigned next;
  char *text = texts[next++ % 4];
  size_t size = sizeof texts[0], n;
  int kind = value_kind(L, index);
  switch (lua_type(L, index)) {
    case LUA_TNONE: return "nothing";
    case LUA_TNIL: return "nil";
    case LUA_TBOOLEAN: return lua_toboolean(L, index) ? "true" : "false";
    case LUA_TNUMBER:
      lua_pushvalue(L, index);
      snprintf(text, size, "number %s", lua_tolstring(L, -1, NULL));
      lua_pop(L, 1);
      return text;
    case LUA_TSTRING: {
      const char *string = lua_tolstring(L, index, &n);
      snprintf(text, size, "string \"%.60s%s\"", string, n > 60 ? "..." : "");
      return text;
    }
    case LUA_TUSERDATA:
      if (kind == KIND_TENSOR)
        snprintf(text, size, "tensor %s", tensor_shape_text(value_test(L, index, KIND_TENSOR)));
      else if (kind == KIND_MODULE)
        snprintf(text, size, "module %.60s", ((Module *)value_test(L, index, KIND_MODULE))->name);
      else
        snprintf(text, size, "%s", kind < 0 ? "userdata" : rows[kind].name);
      return text;
    default: return luaL_typename(L, index);
  }
}
