/* Data sets and pictures as functions of the language. data.fashion() and its like are written in Lua over these. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vm.h"

static long integer_of(const Arguments *a, int param) {
  return (long)a->param[param].number;
}

/* ---- data sets ---- */

static int data_idx_call(lua_State *L) {
  Arguments a;
  int at = bind_begin(L, KIND_DATASET, &a);
  return value_give(L, at, data_idx(bind_text(L, &a, 0), bind_text(L, &a, 1)));
}

static int data_glyphs_call(lua_State *L) {
  Arguments a;
  int at = bind_begin(L, KIND_DATASET, &a);
  if (integer_of(&a, 0) < 1) return bind_fail(L, "data.glyphs: n must be at least 1, got %d", (int)integer_of(&a, 0));
  return value_give(L, at, data_glyphs(integer_of(&a, 0), (uint64_t)integer_of(&a, 1)));
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
  int at = bind_begin(L, KIND_DATASET, &a);
  Tensor *x = value_check(L, a.place[0], KIND_TENSOR, "data.tensors", "argument 1 (x)");
  Tensor *labels = a.place[1] ? value_check(L, a.place[1], KIND_TENSOR, "data.tensors", "argument 2 (labels)") : NULL;
  if (!x->data || (labels && !labels->data)) return bind_fail(L, "data.tensors: the memory of a tensor was freed");
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
  return value_give(L, at, d);
}

/* ---- folders ---- */

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

typedef struct Listing {
  const char *path;
  struct dirent **entry;
  int n;
} Listing;

static int push_listing(lua_State *L) {
  const Listing *list = lua_touserdata(L, 1);
  lua_createtable(L, list->n, 0);
  for (int i = 0; i < list->n; i++) {
    const char *name = list->entry[i]->d_name;
    struct stat about;
    const char *path = lua_pushfstring(L, "%s/%s", list->path, name);
    bool is_folder = !stat(path, &about) && S_ISDIR(about.st_mode);
    lua_pop(L, 1);
    lua_pushfstring(L, is_folder ? "%s/" : "%s", name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* The names in a folder in alphabetical order, folders with a slash behind them; hidden ones are left out. */
static int data_list_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  Listing list = {.path = bind_text(L, &a, 0)};
  lua_pushcfunction(L, push_listing); /* protected: the entries must be freed whatever happens */
  lua_pushlightuserdata(L, &list);
  list.n = scandir(list.path, &list.entry, is_shown, by_name);
  if (list.n < 0) return bind_fail(L, "data.list: cannot read the folder '%s': %s", list.path, strerror(errno));
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  for (int i = 0; i < list.n; i++) free(list.entry[i]);
  free(list.entry);
  return ok ? 1 : lua_error(L);
}

static void show_progress(void *data, long done, long n) {
  (void)data;
  char text[80];
  snprintf(text, sizeof text, "reading pictures: %ld of %ld", done, n);
  engine_progress(done < n ? text : "");
  if (engine_interrupted()) nn_fail("data.folder: interrupted after %ld of %ld pictures", done, n);
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
  value_new(L, KIND_DATASET);
  Dataset *d = data_images(n, names, labels, integer_of(&a, 1), show_progress, NULL);
  engine_progress("");
  return value_give(L, lua_gettop(L), d);
}

/* ---- what a data set tells ---- */

static Dataset *own_dataset(lua_State *L) {
  return value_check(L, 1, KIND_DATASET, "dataset", "its object");
}

static int dataset_size(lua_State *L) {
  lua_pushinteger(L, own_dataset(L)->n);
  return 1;
}

static int dataset_classes(lua_State *L) {
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

static bool set_class_names(lua_State *L, Dataset *d, int table) {
  long n = (long)lua_rawlen(L, table);
  if (n < d->classes) bind_fail(L, "dataset:label: %d class names for %d classes", (int)n, (int)d->classes);
  for (long i = 0; i < n; i++)
    if (lua_rawgeti(L, table, i + 1) != LUA_TSTRING)
      bind_fail(L, "dataset:label: a class name expected, got %s", value_type(L, -1));
  d->class_name = memory_new((size_t)n * sizeof *d->class_name);
  if (!d->class_name) return false;
  d->classes = n;
  for (long i = 0; i < n; i++) {
    lua_rawgeti(L, table, i + 1);
    d->class_name[i] = copy_text(lua_tostring(L, -1));
    lua_pop(L, 1);
    if (!d->class_name[i]) return false;
  }
  return true;
}

/* set:label(name, {"shirt", ...}): what it is called, and its classes. */
static int dataset_label(lua_State *L) {
  Arguments a;
  Dataset *d = own_dataset(L);
  bind_own_arguments(L, &a);
  snprintf(d->name, sizeof d->name, "%s", bind_text(L, &a, 0));
  if (a.place[1] && d->class_name) return bind_fail(L, "dataset:label: the classes of %s have names already", d->name);
  if (a.place[1] && lua_rawlen(L, a.place[1]) > 100000) return bind_fail(L, "dataset:label: more than 100000 class names");
  if (a.place[1] && (luaL_checkstack(L, (int)lua_rawlen(L, a.place[1]) + 4, "class names"), !set_class_names(L, d, a.place[1])))
    return bind_error(L);
  lua_settop(L, 1);
  return 1;
}

/* Pushes n samples from place `from`, counted from 1, and their labels or nil. */
static int push_samples(lua_State *L, Dataset *d, long from, long n, bool alone) {
  long *which = lua_newuserdatauv(L, (size_t)n * sizeof *which, 0);
  for (long i = 0; i < n; i++) which[i] = from - 1 + i;
  Box *x_box = value_new(L, KIND_TENSOR), *label_box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *labels, *x = dataset_batch(d, n, which, &labels);
  if (alone) x = tensor_select(x, 0, 0), labels = labels ? tensor_select(labels, 0, 0) : NULL;
  if (x) value_set(L, -2, x_box, x);
  if (x && labels) value_set(L, -1, label_box, labels);
  scope_leave(scope, NULL);
  if (!x) return bind_error(L);
  if (!labels) lua_pop(L, 1), lua_pushnil(L);
  return 2;
}

/* set:batch(from, n): samples in their own order. */
static int dataset_batch_call(lua_State *L) {
  Arguments a;
  Dataset *d = own_dataset(L);
  bind_own_arguments(L, &a);
  double from = a.param[0].number, n = a.param[1].number;
  if (from < 1 || n < 1 || from + n - 1 > (double)d->n)
    return bind_fail(L, "dataset:batch: samples %I to %I asked for, there are %d", (LUAI_UACINT)from, (LUAI_UACINT)(from + n - 1),
                     (int)d->n);
  return push_samples(L, d, (long)from, (long)n, false);
}

static bool dataset_field(lua_State *L, void *object, const char *key) {
  Dataset *d = object;
  if (lua_type(L, 2) == LUA_TNUMBER) { /* set[i]: the sample alone */
    double i = lua_tonumber(L, 2);
    if (i < 1 || i > (double)d->n || i != floor(i))
      bind_fail(L, "dataset: sample %s asked for, there are %d", luaL_tolstring(L, 2, NULL), (int)d->n);
    push_samples(L, d, (long)i, 1, true);
    lua_pop(L, 1);
  } else if (key && !strcmp(key, "shape")) {
    bind_shape(L, d->ndim, d->shape);
  } else if (key && !strcmp(key, "name")) {
    lua_pushstring(L, d->name);
  } else {
    return false;
  }
  return true;
}

const Function functions_data[] = {
    {"data.idx", "images:text, labels:text?",
     "A data set from IDX files, plain or gzipped, as MNIST comes. Of large gzipped ones an unpacked copy stays in "
     "~/.cache/gander.",
     "data.idx(\"train-images-idx3-ubyte.gz\", \"train-labels-idx1-ubyte.gz\")", data_idx_call},
    {"data.glyphs", "n:integer=10000, seed:integer=1", "28x28 pictures of digits drawn by code: a data set without files.",
     "data.glyphs(100)", data_glyphs_call},
    {"data.tensors", "x:any, labels:any?", "A data set from a tensor (N,...) and labels (N) from 1.",
     "data.tensors(tensor.randn(20, 2), tensor.randint(1, 3, 20))", data_tensors_call},
    {"data.list", "folder:text", "The names in a folder, sorted; folders end with a slash.", "#data.list(\".\")", data_list_call},
    {"data.images", "files:table, size:integer=64, labels:table?",
     "A data set from picture files, PNG or JPEG: the middle square of each, made size x size, in colour.",
     "data.images({\"cat.png\", \"dog.png\"}, {size = 32})", data_images_call},
    {"dataset:size", "", "The number of samples.", "data.glyphs(100):size()", dataset_size},
    {"dataset:classes", "", "The names of the classes.", "data.glyphs(100):classes()", dataset_classes},
    {"dataset:label", "name:text, classes:table?", "Gives the set a name, and its classes theirs.",
     "data.glyphs(10):label(\"my glyphs\")", dataset_label},
    {"dataset:batch", "from:integer, n:integer=1", "n samples and their labels, beginning with sample from.",
     "data.glyphs(10):batch(1, 4)", dataset_batch_call},
    {0}};

/* ---- pictures ---- */

static int image_load_call(lua_State *L) {
  Arguments a;
  int at = bind_begin(L, KIND_TENSOR, &a);
  size_t scope = scope_enter();
  Tensor *x = image_load(bind_text(L, &a, 0));
  if (x) value_set(L, at, lua_touserdata(L, at), x);
  scope_leave(scope, NULL);
  return x ? 1 : bind_error(L);
}

static int image_save_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  Tensor *image = value_check(L, a.place[1], KIND_TENSOR, "image.save", "argument 2 (image)");
  return image_save(bind_text(L, &a, 0), image) ? 0 : bind_error(L);
}

const Function functions_image[] = {{"image.load", "path:text",
                                     "A PNG or JPEG file as a tensor (H,W,C) of numbers from 0 to 1, C 1 or 3. Transparency is put "
                                     "over white, and a JPEG is turned as its camera was held.",
                                     "image.load(\"cat.png\")", image_load_call},
                                    {"image.save", "path:text, image:any",
                                     "Writes a tensor (H,W), (H,W,1) or (H,W,3) of numbers from 0 to 1 as a PNG file.",
                                     "image.save(\"noise.png\", tensor.rand(32, 32, 3))", image_save_call},
                                    {0}};

void bind_datasets(lua_State *L) {
  bind_fields(L, KIND_DATASET, "name shape", dataset_field, NULL);
  value_metatable(L, KIND_DATASET);
  lua_pushcfunction(L, dataset_size);
  lua_setfield(L, -2, "__len");
  lua_pop(L, 1);
  bind_functions(L, functions_data);
  bind_functions(L, functions_image);
}
