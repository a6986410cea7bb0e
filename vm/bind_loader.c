/* Loaders as objects of the language.
 *
 * `for x, label in loader do` walks through the data with a loader of its own, made from the one that is given: what a script
 * or somebody at the prompt looks at does not change the order in which a trainer that has the same loader sees the samples. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

/* ---- augmentation: a function in Lua, among the fields of the loader's box, that C calls with each batch ---- */

typedef struct Augment {
  Loader *loader;
  Tensor *x;
} Augment;

static int call_augment(lua_State *L) {
  const Augment *a = lua_touserdata(L, 1);
  value_push(L, KIND_LOADER, a->loader);
  value_fields(L, -1);
  lua_getfield(L, -1, "augment");
  value_push(L, KIND_TENSOR, a->x);
  lua_call(L, 1, 1);
  return 1;
}

static Tensor *augment_batch(void *loader, Tensor *x) {
  Tensor *out = bind_call_back(call_augment, &(Augment){loader, x});
  if (out && (!out->ndim || out->shape[0] != x->shape[0]))
    out = nn_fail("must return as many samples as it got, %ld; it returned %s", x->shape[0], tensor_shape_text(out));
  if (!out) nn_fail_in("data.loader: augment");
  return out;
}

static int data_loader(lua_State *L) {
  Arguments a;
  const int box = bind_begin(L, KIND_LOADER, &a);
  Dataset *set = value_check(L, a.place[0], KIND_DATASET, "data.loader", "argument 1 (set)");
  value_give(L, box, loader_new(set, (long)a.param[1].number, a.param[2].number != 0, a.param[3].number != 0));
  if (!a.place[4]) return 1;
  value_fields(L, -1);
  lua_pushvalue(L, a.place[4]);
  lua_setfield(L, -2, "augment");
  lua_pop(L, 1);
  Loader *l = value_test(L, -1, KIND_LOADER);
  l->augment = augment_batch;
  l->data = l;
  l->free_data = value_forget;
  return 1;
}

/* ---- walking ---- */

static Loader *self(lua_State *L) {
  return value_check(L, 1, KIND_LOADER, "loader", "its object");
}

/* The walk's random numbers follow from the loader's, and nothing is drawn from the stream that scripts use. */
static Loader *new_walk(Loader *l) {
  Random seed = l->random, *before = random_use(&seed);
  Loader *walk = loader_new(l->set, l->batch, l->shuffle, l->drop_last);
  random_use(before);
  if (!walk) return NULL;
  walk->augment = l->augment;
  walk->data = l->data; /* l itself, whose box keeps the walk */
  return walk;
}

static Loader *walk_of(lua_State *L) {
  Loader *l = self(L);
  value_fields(L, 1);
  if (lua_getfield(L, -1, "walk") == LUA_TNIL) {
    value_new(L, KIND_LOADER);
    value_give(L, lua_gettop(L), new_walk(l));
    lua_setfield(L, -4, "walk");
  }
  Loader *walk = value_test(L, -1, KIND_LOADER);
  return walk;
}

/* Pushes the next batch and its labels; nothing at the end of an epoch. */
static int push_next(lua_State *L, Loader *walk) {
  Box *x_box = value_new(L, KIND_TENSOR), *label_box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *x, *labels;
  bool ok = loader_next(walk, &x, &labels);
  if (ok && x) value_set(L, -2, x_box, x);
  if (ok && x && labels) value_set(L, -1, label_box, labels);
  scope_leave(scope, NULL);
  if (!ok) return bind_error(L);
  if (!x) return 0;
  return labels ? 2 : (lua_pop(L, 1), 1);
}

static int loader_next_call(lua_State *L) {
  return push_next(L, walk_of(L));
}

/* Lua's for calls loader(nil, nil) and from then on loader(nil, the batch before). */
static int loader_iterate(lua_State *L) {
  bool first = lua_isnoneornil(L, 3);
  lua_settop(L, 1);
  Loader *walk = walk_of(L);
  if (first) loader_rewind(walk);
  return push_next(L, walk);
}

static int loader_rewind_call(lua_State *L) {
  loader_rewind(walk_of(L));
  return 0;
}

static int loader_batches_call(lua_State *L) {
  lua_pushinteger(L, loader_batches(self(L)));
  return 1;
}

static bool loader_field(lua_State *L, void *object, const char *key) {
  Loader *l = object;
  if (!key) return false;
  if (!strcmp(key, "set"))
    value_push(L, KIND_DATASET, l->set);
  else if (!strcmp(key, "batch"))
    lua_pushinteger(L, l->batch);
  else if (!strcmp(key, "shuffle"))
    lua_pushboolean(L, l->shuffle);
  else if (!strcmp(key, "drop_last"))
    lua_pushboolean(L, l->drop_last);
  else
    return false;
  return true;
}

static const Function functions_loader[] = {
    {"data.loader", "set:any, batch:integer=64, shuffle:boolean=false, drop_last:boolean=false, augment:function?",
     "Goes through a data set in batches: `for x, label in loader do ... end` is one epoch. augment(x) may change each batch."
     " Of pictures the next batch is made while the last one is used.",
     "data.loader(data.glyphs(100), {batch = 10, shuffle = true})", data_loader},
    {"loader:next", "", "The next batch and its labels; nothing at the end of an epoch.", "data.loader(data.glyphs(10)):next()",
     loader_next_call},
    {"loader:rewind", "", "Back to the beginning of an epoch.", "data.loader(data.glyphs(10)):rewind()", loader_rewind_call},
    {"loader:batches", "", "The number of batches in an epoch; #loader is the same.", "data.loader(data.glyphs(10)):batches()",
     loader_batches_call},
    {0}};

void bind_loaders(lua_State *L) {
  bind_fields(L, KIND_LOADER, "set batch shuffle drop_last", loader_field, NULL);
  value_metatable(L, KIND_LOADER);
  lua_pushcfunction(L, loader_iterate);
  lua_setfield(L, -2, "__call");
  lua_pushcfunction(L, loader_batches_call);
  lua_setfield(L, -2, "__len");
  lua_pop(L, 1);
  bind_functions(L, functions_loader);
}
