/* window.open and the methods of a window. */
#include <math.h>
#include <string.h>

#include "view.h"

enum { SMALLEST = 200, LARGEST = 8192 };

static View *view_of(lua_State *L, const char *who) {
  View *v = value_check(L, 1, KIND_WINDOW, who, "window");
  if (!view_listed(v)) bind_fail(L, "%s: the window \"%s\" is closed; open another with window.open{...}", who, v->scene.title);
  return v;
}

/* A window gives itself back, so that calls chain. */
static int itself(lua_State *L, bool ok) {
  if (!ok) return bind_error(L);
  lua_settop(L, 1);
  return 1;
}

static int window_open(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  double width = a.param[1].number, height = a.param[2].number, every = a.param[4].number;
  if (width < SMALLEST || width > LARGEST || height < SMALLEST || height > LARGEST)
    return bind_fail(L, "window.open: width and height are %d to %d, got %d and %d", SMALLEST, LARGEST, (int)width, (int)height);
  if (every < 1) return bind_fail(L, "window.open: every is the number of steps between pictures, at least 1, got %d", (int)every);
  ViewOptions o = {.title = bind_text(L, &a, 0),
                   .width = (int)width,
                   .height = (int)height,
                   .dark = a.param[3].number == 0,
                   .every = (long)every,
                   .out = bind_text(L, &a, 5)};
  Box *box = value_new(L, KIND_WINDOW);
  View *v = view_new(&o);
  if (!v) return bind_error(L);
  value_set(L, -1, box, v);
  view_drop(v);
  return 1;
}

static int window_watch(lua_State *L) {
  View *v = view_of(L, "window:watch");
  Arguments a;
  bind_own_arguments(L, &a);
  Trainer *t = value_check(L, a.place[0], KIND_TRAINER, "window:watch", "trainer");
  value_anchor(L, 1, a.place[0]);
  return itself(L, watch_begin(v, t));
}

/* Fills one panel from x: found by its name or made. */
static bool fill(View *v, const PanelKind *kind, const char *name, const Tensor *x, const char *who,
                 bool (*set)(Panel *, const Tensor *, const char *)) {
  view_lock(v);
  Panel *p = scene_panel(&v->scene, kind, name);
  bool ok = p && set(p, x, who);
  view_publish(v, ok ? p : NULL);
  if (ok) view_recorded(v);
  if (ok && v->files) files_changed(v);
  return ok;
}

static int window_images(lua_State *L) {
  View *v = view_of(L, "window:images");
  Arguments a;
  size_t scope = scope_enter();
  bind_own_arguments(L, &a);
  bool ok = fill(v, &panel_images, bind_text(L, &a, 1), a.in[0], "window:images(x)", images_set);
  scope_leave(scope, NULL);
  return itself(L, ok);
}

static int window_heatmap(lua_State *L) {
  View *v = view_of(L, "window:heatmap");
  Arguments a;
  size_t scope = scope_enter();
  bind_own_arguments(L, &a);
  bool ok = fill(v, &panel_heatmap, bind_text(L, &a, 1), a.in[0], "window:heatmap(x)", heatmap_set);
  scope_leave(scope, NULL);
  return itself(L, ok);
}

static int window_scatter(lua_State *L) {
  View *v = view_of(L, "window:scatter");
  Arguments a;
  size_t scope = scope_enter();
  bind_own_arguments(L, &a);
  const char *name = bind_text(L, &a, 2);
  bool ok = !a.in[1] || fill(v, &panel_scatter, name, a.in[1], "window:scatter(points, real)", scatter_behind);
  ok = ok && fill(v, &panel_scatter, name, a.in[0], "window:scatter(points)", scatter_set);
  scope_leave(scope, NULL);
  return itself(L, ok);
}

enum { MOST_VALUES = 8 };
typedef struct Value {
  const char *curve;
  double value;
} Value;

/* The numbers of a table by name, in the order of their names: Lua's own order changes from run to run. */
static int read_values(lua_State *L, int table, Value *out) {
  int n = 0;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    const Tensor *x = value_test(L, -1, KIND_TENSOR);
    bool number = lua_type(L, -1) == LUA_TNUMBER || (x && tensor_numel(x) == 1);
    if (lua_type(L, -2) != LUA_TSTRING || !number || n == MOST_VALUES)
      return bind_fail(L, "window:plot(name, values): values are at most %d numbers by name, like {G = 0.7, D = 1.2}, got %s = %s",
                       MOST_VALUES, lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : value_type(L, -2), value_type(L, -1));
    int at = n++;
    for (; at > 0 && strcmp(out[at - 1].curve, lua_tostring(L, -2)) > 0; at--) out[at] = out[at - 1];
    out[at] = (Value){lua_tostring(L, -2), x ? tensor_item(x) : lua_tonumber(L, -1)};
    lua_pop(L, 1);
  }
  return n;
}

static int window_plot(lua_State *L) {
  View *v = view_of(L, "window:plot");
  Value value[MOST_VALUES];
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (!name) return bind_fail(L, "window:plot(name, values): name is a text, got %s", value_type(L, 2));
  if (!lua_istable(L, 3)) {
    lua_settop(L, 3);
    lua_createtable(L, 0, 1);
    lua_insert(L, 3);
    lua_setfield(L, 3, name);
  }
  int n = read_values(L, 3, value);
  if (nn_failed()) return bind_error(L);
  view_lock(v);
  Panel *p = scene_panel(&v->scene, &panel_plot, name);
  bool ok = p;
  for (int i = 0; ok && i < n; i++) ok = plot_add(p, value[i].curve, -1, value[i].value);
  view_publish(v, p);
  return itself(L, ok);
}

/* ---- sliders ---- */

/* Pushes the table that finds the object and the key of a slider by its panel's data. */
static void push_sliders(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "gander.sliders");
}

/* Pushes object and key. */
static bool push_slider(lua_State *L, const Panel *p) {
  push_sliders(L);
  if (lua_rawgetp(L, -1, p->data) != LUA_TTABLE) {
    lua_pop(L, 2);
    return false;
  }
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  lua_replace(L, -4);
  lua_replace(L, -2); /* key, object */
  lua_insert(L, -2);
  return true;
}

static void show_value(View *v, Panel *p, double value) {
  view_lock(v);
  ((Slider *)p->data)->value = value;
  view_publish(v, p);
}

void slider_drag(lua_State *L, View *v, int panel, double value) {
  Panel *p = &v->scene.panel[panel];
  if (!push_slider(L, p)) return;
  show_value(v, p, value);
  lua_pushnumber(L, value);
  lua_settable(L, -3);
  lua_pop(L, 1);
}

static int get_value(lua_State *L) { /* object, key */
  lua_gettable(L, 1);
  return 1;
}

void sliders_refresh(View *v) {
  lua_State *L = engine_state();
  if (!L || !lua_checkstack(L, 8)) return;
  for (int i = 0; i < v->scene.panels; i++) {
    Panel *p = &v->scene.panel[i];
    if (p->kind != &panel_slider || !push_slider(L, p)) continue;
    lua_pushcfunction(L, get_value);
    lua_insert(L, -3);
    bool ok = !lua_pcall(L, 2, 1, 0) && lua_type(L, -1) == LUA_TNUMBER;
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (ok && value != ((const Slider *)p->data)->value) show_value(v, p, value);
  }
}

void sliders_forget(View *v) {
  lua_State *L = engine_state();
  if (!L || !lua_checkstack(L, 4)) return;
  push_sliders(L);
  for (int i = 0; i < v->scene.panels; i++) {
    lua_pushnil(L);
    lua_rawsetp(L, -2, v->scene.panel[i].data);
  }
  lua_pop(L, 1);
}

/* Where it may be set: as asked for, else around the value it has. */
static Slider range_of(lua_State *L, const Arguments *a, double value) {
  bool log = a->param[3].number != 0;
  double from = log ? value / 100 : fmin(0, 2 * value), to = log ? value * 100 : value == 0 ? 1 : fmax(0, 2 * value);
  if (a->place[4]) from = a->param[4].number;
  if (a->place[5]) to = a->param[5].number;
  if (!(from < to) || !isfinite(to - from)) bind_fail(L, "window:slider: from must be less than to, got %f and %f", from, to);
  if (log && !(from > 0)) bind_fail(L, "window:slider: with log, from must be above 0, got %f", from);
  return (Slider){value, from, to, log};
}

static int window_slider(lua_State *L) {
  View *v = view_of(L, "window:slider");
  Arguments a;
  bind_own_arguments(L, &a);
  const char *name = bind_text(L, &a, 0), *key = bind_text(L, &a, 2);
  int object = a.place[1];
  if (!lua_istable(L, object) && !lua_isuserdata(L, object))
    return bind_fail(L, "window:slider: object is what has the number, like an optimizer, got %s", value_type(L, object));
  if (lua_getfield(L, object, key) != LUA_TNUMBER)
    return bind_fail(L, "window:slider: '%s' of the object must be a number, got %s", key, value_type(L, -1));
  Slider slider = range_of(L, &a, lua_tonumber(L, -1));
  push_sliders(L);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, object);
  lua_rawseti(L, -2, 1);
  lua_pushstring(L, key);
  lua_rawseti(L, -2, 2);
  view_lock(v);
  Panel *p = scene_panel(&v->scene, &panel_slider, name);
  if (p) *(Slider *)p->data = slider;
  view_publish(v, p);
  if (p) lua_rawsetp(L, -2, p->data);
  return itself(L, p);
}

/* ---- the rest ---- */

static int window_save(lua_State *L) {
  View *v = view_of(L, "window:save");
  Arguments a;
  bind_own_arguments(L, &a);
  return itself(L, view_save(v, bind_text(L, &a, 0)));
}

static int window_record(lua_State *L) {
  View *v = view_of(L, "window:record");
  Arguments a;
  bind_own_arguments(L, &a);
  return itself(L, view_record(v, bind_text(L, &a, 0)));
}

static int window_close(lua_State *L) {
  view_close(value_check(L, 1, KIND_WINDOW, "window:close", "window"));
  return itself(L, !nn_failed());
}

static bool get_field(lua_State *L, void *object, const char *key) {
  View *v = object;
  if (!key) return false;
  if (!strcmp(key, "title"))
    lua_pushstring(L, v->scene.title);
  else if (!strcmp(key, "headless"))
    lua_pushboolean(L, v->files != NULL);
  else if (!strcmp(key, "open"))
    lua_pushboolean(L, view_listed(v));
  else
    return false;
  return true;
}

void bind_window(lua_State *L) {
  bind_fields(L, KIND_WINDOW, "title headless open", get_field, NULL);
}

const Function functions_window[] = {
    {"window.open",
     "title:text=gander, width:integer=1180, height:integer=740, theme:dark|light=dark, every:integer=500, out:text?",
     "Opens a window; without a display its pictures are written to the folder `out` every so many steps. h lists its keys.",
     "w = window.open {title = \"rings\", theme = \"light\"}", window_open},
    {"window:watch", "trainer:any", "Shows a trainer's samples, curves and speed while it trains.", "w:watch(t)", window_watch},
    {"window:images", "x, name:text=Images", "Shows pictures (N,H,W,C) in -1..1 as a grid.", "w:images(tensor.rand(16, 8, 8, 1))",
     window_images},
    {"window:plot", "name:text, values:any", "Appends numbers to the curves of a plot, by their names.",
     "w:plot(\"loss\", {G = 0.7, D = 1.3})", window_plot},
    {"window:scatter", "points, real?, name:text=Points", "Shows points (N,2), and real ones pale behind them.",
     "w:scatter(tensor.randn(100, 2))", window_scatter},
    {"window:heatmap", "x, name:text=Heatmap", "Shows a matrix (H,W) as colours.", "w:heatmap(tensor.randn(8, 8))", window_heatmap},
    {"window:slider", "name:text, object:any, key:text, log:boolean=false, from:number?, to:number?",
     "A knob that sets a number of an object while it trains, like a learning rate.",
     "w:slider(\"lr\", optim.SGD(nn.Linear(2, 2):parameters(), {lr = 0.1}), \"lr\", {log = true})", window_slider},
    {"window:save", "path:text", "Saves what the window shows as a PNG.", "w:save(\"now.png\")", window_save},
    {"window:record", "path:text?", "Records its pictures as a GIF, written when recording ends: with the window, or w:record().",
     "w:record(\"run.gif\")", window_record},
    {"window:close", "", "Closes the window; its recording and files are completed.", "w:close()", window_close},
    {NULL, NULL, NULL, NULL, NULL}};
