/* Data sets, loaders and pictures as functions of the language. data.fashion() and its like are written in Lua over these. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vm.h"

/* Hands a new object to Lua, or raises the error that kept it from being made. */
static int push_new(lua_State *L, Kind kind, void *object, void (*drop)(void *)) {
  if (!object) return bind_error(L);
  value_push(L, kind, object);
  drop(object);
  return 1;
}

static void drop_dataset(void *d) {
  dataset_drop(d);
}

static void drop_loader(void *l) {
  loader_drop(l);
}

static long integer_of(const Arguments *a, int param) {
  return (long)a->param[param].number;
}

/* ---- data sets ---- */

static int data_idx_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return push_new(L, KIND_DATASET, data_idx(bind_text(L, &a, 0), bind_text(L, &a, 1)), drop_dataset);
}

static int data_glyphs_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  if (integer_of(&a, 0) < 1) return bind_fail(L, "data.glyphs: n must be at least 1, got %d", (int)integer_of(&a, 0));
  return push_new(L, KIND_DATASET, data_glyphs(integer_of(&a, 0), (uint64_t)integer_of(&a, 1)), drop_dataset);
}

/* Labels are whole numbers from 1; the largest is the number of classes. */
static bool copy_labels(Dataset *d, const Tensor *labels) {
  for (long i = 0; i < d->n; i++) {
    long label = index_at(labels, i, 1 << 24);
    if (label < 0) return false;
    d->labels[i] = (int32_t)label + 1;
    if (label + 1 > d->classes) d->classes = label + 1;
  }
  return true;
}

static int data_tensors_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  Tensor *x = a.in[0], *labels = a.n > 1 ? a.in[1] : NULL;
  if (!x->ndim) return bind_fail(L, "data.tensors: x must have samples in its first dimension, got a number");
  if (labels && (labels->ndim != 1 || labels->shape[0] != x->shape[0]))
    return bind_fail(L, "data.tensors: labels must be (%d), one for each sample of x, got %s", (int)x->shape[0],
                     tensor_shape_text(labels));
  Dataset *d = dataset_new(x->ndim - 1, x->shape + 1, x->shape[0], false, labels != NULL);
  if (d) memcpy(d->reals->data, x->data, (size_t)tensor_numel(x) * sizeof(real));
  if (d && labels && !copy_labels(d, labels)) {
    dataset_drop(d);
    d = NULL;
  }
  return push_new(L, KIND_DATASET, d, drop_dataset);
}

/* ---- folders ---- */

/* The names in a folder in alphabetical order, folders with a slash behind them; hidden ones are left out. */
static int data_list_call(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DIR *folder = opendir(path);
  if (!folder) return bind_fail(L, "data.list: cannot read the folder '%s': %s", path, strerror(errno));
  lua_newtable(L);
  lua_Integer n = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    struct stat about;
    lua_pushfstring(L, "%s/%s", path, entry->d_name);
    bool is_folder = !stat(lua_tostring(L, -1), &about) && S_ISDIR(about.st_mode);
    lua_pop(L, 1);
    lua_pushfstring(L, is_folder ? "%s/" : "%s", entry->d_name);
    lua_rawseti(L, -2, ++n);
  }
  closedir(folder);
  lua_getglobal(L, "table");
  lua_getfield(L, -1, "sort");
  lua_pushvalue(L, -3);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
  return 1;
}

static void show_progress(void *data, long done, long n) {
  (void)data;
  char text[80];
  snprintf(text, sizeof text, "reading pictures: %ld of %ld", done, n);
  engine_progress(done < n ? text : "");
}

/* The texts of a Lua table as a C array that lives as long as the table. */
static const char **texts_of(lua_State *L, int index, int n) {
  const char **texts = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *texts, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) bind_fail(L, "data.images: files[%d] must be a text, got %s", i + 1, value_type(L, -1));
    texts[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return texts;
}

static int32_t *labels_of(lua_State *L, int index, int n) {
  if (!lua_istable(L, index)) return NULL;
  int32_t *labels = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *labels, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    int whole;
    lua_Integer label = lua_tointegerx(L, -1, &whole);
    if (!whole || label < 1 || label > 1 << 24)
      bind_fail(L, "data.images: labels[%d] must be a whole number from 1, got %s", i + 1, value_type(L, -1));
    labels[i] = (int32_t)label;
    lua_pop(L, 1);
  }
  return labels;
}

static int data_images_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  int files = a.place[0], n = (int)lua_rawlen(L, files);
  const char **names = texts_of(L, files, n);
  int32_t *labels = a.place[2] ? labels_of(L, a.place[2], n) : NULL;
  Dataset *d = data_images(n, names, labels, integer_of(&a, 1), show_progress, NULL);
  engine_progress("");
  return push_new(L, KIND_DATASET, d, drop_dataset);
}

/* ---- what a data set tells ---- */

static Dataset *own_dataset(lua_State *L) {
  return value_check(L, 1, KIND_DATASET, "dataset", "self");
}

static int dataset_size(lua_State *L) {
  lua_pushinteger(L, own_dataset(L)->n);
  return 1;
}

static int dataset_names(lua_State *L) {
  Dataset *d = own_dataset(L);
  lua_newtable(L);
  for (long i = 0; d->class_name && i < d->classes; i++) {
    lua_pushstring(L, d->class_name[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static char *copy_text(const char *text) {
  char *copy = memory_new(strlen(text) + 1);
  if (copy) strcpy(copy, text);
  return copy;
}

/* set:label(name, {"shirt", ...}): what it is called, and its classes. */
static int dataset_label(lua_State *L) {
  Dataset *d = own_dataset(L);
  snprintf(d->name, sizeof d->name, "%s", luaL_checkstring(L, 2));
  if (lua_istable(L, 3) && !d->class_name) {
    long n = (long)lua_rawlen(L, 3);
    if (n < d->classes) return bind_fail(L, "dataset:label: %d class names for %d classes", (int)n, (int)d->classes);
    d->class_name = memory_new((size_t)n * sizeof *d->class_name);
    if (!d->class_name) return bind_error(L);
    d->classes = n;
    for (long i = 0; i < n; i++) {
      lua_rawgeti(L, 3, i + 1);
      d->class_name[i] = copy_text(lua_tostring(L, -1) ? lua_tostring(L, -1) : "");
      lua_pop(L, 1);
    }
  }
  lua_settop(L, 1);
  return 1;
}

/* set:batch(from, n): samples in their own order. */
static int dataset_get(lua_State *L) {
  Dataset *d = own_dataset(L);
  lua_Integer from = luaL_checkinteger(L, 2), n = luaL_optinteger(L, 3, 1);
  if (from < 1 || n < 1 || n > d->n || from + n - 1 > d->n)
    return bind_fail(L, "dataset:batch: samples %I to %I asked for, there are %d", from, from + n - 1, (int)d->n);
  long *which = lua_newuserdatauv(L, (size_t)n * sizeof *which, 0);
  for (lua_Integer i = 0; i < n; i++) which[i] = (long)(from - 1 + i);
  size_t scope = scope_enter();
  Tensor *labels, *x = dataset_batch(d, (long)n, which, &labels);
  if (x) {
    value_push(L, KIND_TENSOR, x);
    value_push(L, KIND_TENSOR, labels);
  }
  scope_leave(scope, NULL);
  return x ? 2 : bind_error(L);
}

/* ---- loaders ---- */

typedef struct Augment {
  lua_State *L;
  int function; /* in the registry */
} Augment;

static Tensor *augment_batch(void *data, Tensor *x) {
  Augment *a = data;
  lua_State *L = a->L;
  int top = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, a->function);
  value_push(L, KIND_TENSOR, x);
  Tensor *out = NULL;
  if (lua_pcall(L, 1, 1, 0))
    nn_fail("data.loader: augment: %s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "error");
  else if (!(out = value_test(L, -1, KIND_TENSOR)))
    nn_fail("data.loader: augment must return a tensor, got %s", value_type(L, -1));
  size_t scope = scope_enter();
  out = scope_leave(scope, out); /* the scope's, before Lua may collect its box */
  lua_settop(L, top);
  return out;
}

static void augment_free(void *data) {
  Augment *a = data;
  luaL_unref(a->L, LUA_REGISTRYINDEX, a->function);
  memory_free(a);
}

static bool set_augment(lua_State *L, Loader *l, int function) {
  Augment *a = memory_new(sizeof *a);
  if (!a) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  a->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  lua_pushvalue(L, function);
  a->function = luaL_ref(L, LUA_REGISTRYINDEX);
  l->augment = augment_batch;
  l->data = a;
  l->free_data = augment_free;
  return true;
}

static int data_loader_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  Dataset *set = value_check(L, a.place[0] ? a.place[0] : 1, KIND_DATASET, "data.loader", "argument 1 (set)");
  Loader *l = loader_new(set, integer_of(&a, 1), a.param[2].number != 0, a.param[3].number != 0);
  if (l && a.place[4] && !set_augment(L, l, a.place[4])) {
    loader_drop(l);
    l = NULL;
  }
  return push_new(L, KIND_LOADER, l, drop_loader);
}

static Loader *own_loader(lua_State *L) {
  return value_check(L, 1, KIND_LOADER, "loader", "self");
}

/* The next batch and its labels; nothing at the end of an epoch. `for x, label in loader do` calls this. */
static int loader_next_call(lua_State *L) {
  Loader *l = own_loader(L);
  size_t scope = scope_enter();
  Tensor *x, *labels;
  bool ok = loader_next(l, &x, &labels);
  if (ok && x) {
    value_push(L, KIND_TENSOR, x);
    value_push(L, KIND_TENSOR, labels);
  }
  scope_leave(scope, NULL);
  return !ok ? bind_error(L) : x ? 2 : 0;
}

static int loader_rewind_call(lua_State *L) {
  loader_rewind(own_loader(L));
  return 0;
}

static int loader_batches_call(lua_State *L) {
  lua_pushinteger(L, loader_batches(own_loader(L)));
  return 1;
}

const Function functions_data[] = {
    {"data.idx", "images:text, labels:text?", "A data set from IDX files, plain or gzipped, as MNIST comes.",
     "data.idx(\"train-images-idx3-ubyte.gz\", \"train-labels-idx1-ubyte.gz\")", data_idx_call},
    {"data.glyphs", "n:integer=10000, seed:integer=1", "28x28 pictures of digits drawn by code: a data set without files.",
     "data.glyphs(100)", data_glyphs_call},
    {"data.tensors", "x, labels?", "A data set from a tensor (N,...) and labels (N) from 1.",
     "data.tensors(tensor.randn(20, 2), tensor.randint(1, 3, 20))", data_tensors_call},
    {"data.list", "folder:text", "The names in a folder, sorted; folders end with a slash.", "#data.list(\".\")", data_list_call},
    {"data.images", "files:table, size:integer=64, labels:table?",
     "A data set from picture files, PNG or JPEG: the middle square of each, made size x size, in colour.",
     "data.images({\"a.png\", \"b.jpg\"}, {size = 32})", data_images_call},
    {"data.loader", "set:any, batch:integer=64, shuffle:boolean=false, drop_last:boolean=false, augment:function?",
     "Goes through a data set in batches: `for x, label in loader do`. augment(x) may change each batch.",
     "data.loader(data.glyphs(100), {batch = 10, shuffle = true})", data_loader_call},
    {"dataset:size", "", "The number of samples.", "data.glyphs(100):size()", dataset_size},
    {"dataset:classes", "", "The names of the classes.", "data.glyphs(100):classes()", dataset_names},
    {"dataset:label", "name:text, classes:table?", "Gives the set a name, and its classes theirs.",
     "data.glyphs(10):label(\"my glyphs\")", dataset_label},
    {"dataset:batch", "from:integer, n:integer=1", "n samples and their labels, beginning with sample from.",
     "data.glyphs(10):batch(1, 4)", dataset_get},
    {"loader:next", "", "The next batch and its labels; nothing at the end of an epoch.", "data.loader(data.glyphs(10)):next()",
     loader_next_call},
    {"loader:rewind", "", "Back to the beginning of an epoch.", "data.loader(data.glyphs(10)):rewind()", loader_rewind_call},
    {"loader:batches", "", "The number of batches in an epoch.", "data.loader(data.glyphs(10)):batches()", loader_batches_call},
    {0}};

/* ---- pictures ---- */

static int image_load_call(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t scope = scope_enter();
  Tensor *x = image_load(path);
  if (x) value_push(L, KIND_TENSOR, x);
  scope_leave(scope, NULL);
  return x ? 1 : bind_error(L);
}

static int image_save_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  return image_save(bind_text(L, &a, 0), a.in[0]) ? 0 : bind_error(L);
}

const Function functions_image[] = {{"image.load", "path:text", "A PNG or JPEG file as a tensor (H,W,C) of numbers from 0 to 1.",
                                     "image.load(\"cat.jpg\")", image_load_call},
                                    {"image.save", "path:text, image",
                                     "Writes a tensor (H,W), (H,W,1) or (H,W,3) of numbers from 0 to 1 as a PNG file.",
                                     "image.save(\"noise.png\", tensor.rand(32, 32, 3))", image_save_call},
                                    {0}};
