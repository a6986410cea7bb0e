/* Windows: the main thread's loop. It copies what changed of a view, draws it in memory and hands it to SDL; it waits
 * for neither the engine nor the network, and draws only what changed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sdl.h"
#include "view.h"

typedef struct Window {
  View *view;
  SDL_Window *window;
  SDL_Surface *surface; /* the canvas as SDL sees it */
  Canvas canvas;
  Scene scene;          /* a copy of the view's */
  unsigned seen;        /* version of the view's scene in the copy */
  int dragged;          /* the slider under the pressed mouse; -1: none */
  bool help, stale;     /* stale: all is to be drawn again, at once */
  double next;          /* when changes of the data may be drawn, by view_clock() */
  double eager_until;   /* after a key, what it changes is drawn without delay */
  double message_until; /* when the message in the status line goes; 0: there is none */
} Window;

/* Seconds: between frames, at least and at most; without such delay after a key; between two looks for events, when nothing
 * changed for a while. The part of a processor that drawing may take. */
static const double frame_time = 1.0 / 60, longest_wait = 0.5, eager_time = 1, idle_time = 1.0 / 30, busy_time = 5,
                    draw_share = 0.04;
enum { MIN_WIDTH = 360, MIN_HEIGHT = 260 };

static Window *window[VIEWS];
static int windows;

/* ---- sleeping ---- */

/* The thread looks for SDL's events between sleeps of its own: while SDL_WaitEvent waits, SDL (2.26) wakes it by messages to
 * its window, and one that comes after the window is gone makes Xlib end the process. */
static pthread_mutex_t wake_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static bool wake_pending;

void window_wake(void) {
  pthread_mutex_lock(&wake_lock);
  wake_pending = true;
  pthread_cond_signal(&woken);
  pthread_mutex_unlock(&wake_lock);
}

static void sleep_without_windows(void) {
  pthread_mutex_lock(&wake_lock);
  while (!wake_pending) pthread_cond_wait(&woken, &wake_lock);
  wake_pending = false;
  pthread_mutex_unlock(&wake_lock);
}

/* ---- SDL's beginning and end ---- */

static bool sdl_runs;

/* Without one SDL goes on to drivers that show nothing, or take the whole console. */
static bool is_display(const char *driver) {
  static const char *const none[] = {"offscreen", "dummy", "evdev", "KMSDRM"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (!strcmp(driver, none[i])) return false;
  return true;
}

static const char *sdl_begin(void) {
  const char *why = sdl_runs ? NULL : sdl_load();
  if (sdl_runs || why) return why;
  sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); /* signals are the engine's */
  sdl.SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
  sdl.SetHint(SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0");
  if (sdl.Init(SDL_INIT_VIDEO)) return sdl.GetError();
  if (!getenv("SDL_VIDEODRIVER") && !is_display(sdl.GetCurrentVideoDriver())) {
    sdl.Quit();
    return "the display cannot be opened";
  }
  /* X takes pixels from shared memory; through OpenGL a machine without a graphics card would draw them twice */
  if (!strcmp(sdl.GetCurrentVideoDriver(), "x11")) sdl.SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
  sdl_runs = true;
  return NULL;
}

static void sdl_end(void) {
  if (sdl_runs) sdl.Quit();
  sdl_runs = false;
}

/* ---- opening and closing ---- */

static bool measure(Window *w) {
  const SDL_Surface *screen = sdl.GetWindowSurface(w->window);
  int width = 0, height = 0;
  if (!screen || screen->w < 1 || screen->h < 1) return false;
  sdl.GetWindowSize(w->window, &width, &height);
  float density = width > 0 ? (float)screen->w / (float)width : 1;
  view_lock(w->view);
  w->view->width = screen->w;
  w->view->height = screen->h;
  w->view->density = density;
  pthread_mutex_unlock(&w->view->lock);
  w->stale = true;
  if (w->surface) sdl.FreeSurface(w->surface);
  w->surface = NULL;
  if (!canvas_resize(&w->canvas, screen->w, screen->h)) return false;
  w->canvas.scale = scene_scale(screen->w, screen->h, density);
  w->surface = sdl.CreateRGBSurfaceWithFormatFrom(w->canvas.pixel, screen->w, screen->h, 32, screen->w * 4, SDL_PIXELFORMAT_RGBA32);
  return w->surface && !sdl.SetSurfaceBlendMode(w->surface, SDL_BLENDMODE_NONE);
}

static void destroy(Window *w) {
  if (w->surface) sdl.FreeSurface(w->surface);
  if (w->window) sdl.DestroyWindow(w->window);
  canvas_free(&w->canvas);
  scene_end(&w->scene);
  free(w);
}

static const char *create(Window *w) {
  const Scene *s = &w->view->scene; /* the engine waits: nobody changes it */
  if (!scene_begin(&w->scene, s->title, s->dark)) return "no memory";
  w->scene.status.version = 0;
  Uint32 flags = SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI;
  w->window = sdl.CreateWindow(s->title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, w->view->width, w->view->height, flags);
  if (!w->window) return sdl.GetError();
  sdl.SetWindowMinimumSize(w->window, MIN_WIDTH, MIN_HEIGHT);
  return measure(w) ? NULL : sdl.GetError();
}

static void open_wanted(View *v) {
  const char *why = sdl_begin();
  Window *w = why ? NULL : calloc(1, sizeof *w);
  if (!why && !w) why = "no memory";
  if (w) {
    w->view = v;
    w->dragged = -1;
    why = create(w);
    if (why) {
      char text[160]; /* destroying may change SDL's text */
      snprintf(text, sizeof text, "%s", why);
      destroy(w);
      view_set_state(v, VIEW_FILES, text);
      return;
    }
    window[windows++] = w;
  }
  view_set_state(v, why ? VIEW_FILES : VIEW_OPEN, why);
}

static void tell_ended(lua_State *L, void *view) {
  (void)L;
  view_ended(view);
}

static void close_window(Window *w) {
  View *v = w->view;
  for (int i = 0; i < windows; i++)
    if (window[i] == w) window[i] = window[--windows];
  destroy(w);
  view_set_state(v, VIEW_CLOSED, NULL);
  engine_post(tell_ended, v);
}

/* ---- keys ---- */

/* What a key has the engine do, between two steps. */
typedef struct Press {
  View *view;
  void (*act)(View *v);
} Press;

static void run_press(lua_State *L, void *data) {
  (void)L;
  Press *p = data;
  if (view_listed(p->view)) p->act(p->view);
  free(p);
}

static void post(View *v, void (*act)(View *v)) {
  Press *p = malloc(sizeof *p);
  if (!p) return;
  *p = (Press){v, act};
  engine_post(run_press, p);
}

static void pause_or_go(View *v) {
  engine_pause(!engine_paused());
  watch_now(v);
}

/* "DCGAN" at step 500 becomes OUT/DCGAN-000500.png. */
static void save(View *v) {
  Report r = {0};
  char path[700], name[80], message[96];
  watch_report(&r, v);
  snprintf(name, sizeof name, "%s", v->scene.title);
  for (char *s = name; *s; s++)
    if (*s == '/' || *s == ' ') *s = '-';
  snprintf(path, sizeof path, "%s/%s-%06ld.png", v->out, name, r.step);
  bool ok = folder_make(v->out) && view_save(v, path);
  snprintf(message, sizeof message, ok ? "saved %.80s" : "not saved", path);
  engine_say("%s%s", ok ? "saved " : "", ok ? path : nn_error());
  nn_clear_error();
  watch_status(v, message);
}

static const double rate_factor = 1.25, walk_step = 0.1; /* radians */

static void faster(View *v) {
  watch_rate(v, rate_factor);
}

static void slower(View *v) {
  watch_rate(v, 1 / rate_factor);
}

static void forward(View *v) {
  watch_walk(v, v->watch.direction ? 0 : 1, walk_step);
}

static void back(View *v) {
  watch_walk(v, v->watch.direction ? 0 : 1, -walk_step);
}

static void next(View *v) {
  watch_walk(v, 1, 0);
}

static void previous(View *v) {
  watch_walk(v, -1, 0);
}

static void toggle_theme(Window *w) {
  atomic_store(&w->view->scene.dark, !w->view->scene.dark);
  w->stale = true;
}

static void toggle_help(Window *w) {
  w->help = !w->help;
  w->stale = true;
}

static void toggle_full(Window *w) {
  bool full = sdl.GetWindowFlags(w->window) & SDL_WINDOW_FULLSCREEN_DESKTOP;
  sdl.SetWindowFullscreen(w->window, full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
}

/* What a key does: something of the window's, or something of the engine's. */
typedef struct Key {
  SDL_Keycode code, also;
  bool repeats; /* while it is held */
  void (*here)(Window *w);
  void (*act)(View *v);
  const char *name, *help; /* a row of the list; NULL: it stands in the row above */
} Key;

static const Key keys[] = {{SDLK_SPACE, 0, false, NULL, pause_or_go, "space", "pause, go on"},
                           {SDLK_PLUS, SDLK_KP_PLUS, true, NULL, faster, "+  −", "change the learning rate"},
                           {SDLK_EQUALS, 0, true, NULL, faster, NULL, NULL},
                           {SDLK_MINUS, SDLK_KP_MINUS, true, NULL, slower, NULL, NULL},
                           {SDLK_RIGHT, 0, true, NULL, forward, "←  →", "walk through the latent space"},
                           {SDLK_LEFT, 0, true, NULL, back, NULL, NULL},
                           {SDLK_UP, 0, true, NULL, next, "↑  ↓", "choose the direction of the walk"},
                           {SDLK_DOWN, 0, true, NULL, previous, NULL, NULL},
                           {SDLK_s, 0, false, NULL, save, "s", "save a picture"},
                           {SDLK_t, 0, false, toggle_theme, NULL, "t", "dark, light"},
                           {SDLK_f, SDLK_F11, false, toggle_full, NULL, "f", "whole screen"},
                           {SDLK_h, 0, false, toggle_help, NULL, "h", "this list"},
                           {SDLK_q, SDLK_ESCAPE, false, close_window, NULL, "q", "close the window; training goes on"}};
enum { KEYS = sizeof keys / sizeof *keys };

static void press(Window *w, const SDL_KeyboardEvent *e) {
  for (int i = 0; i < KEYS; i++) {
    const Key *k = &keys[i];
    if (e->keysym.sym != k->code && (!k->also || e->keysym.sym != k->also)) continue;
    if (e->repeat && !k->repeats) return;
    w->next = 0;
    w->eager_until = view_clock() + eager_time;
    if (k->here)
      k->here(w);
    else
      post(w->view, k->act);
    return;
  }
}

/* ---- sliders ---- */

typedef struct Drag {
  View *view;
  int panel;
  double value;
} Drag;

static void run_drag(lua_State *L, void *data) {
  Drag d = *(Drag *)data;
  free(data); /* before Lua, which may raise an error */
  if (view_listed(d.view)) slider_drag(L, d.view, d.panel, d.value);
}

static void drag_to(Window *w, int x) {
  Panel *p = &w->scene.panel[w->dragged];
  Slider *shown = p->data;
  double value = slider_at(p, &w->canvas, scene_place(&w->scene, &w->canvas, w->dragged), x);
  if (value == shown->value) return;
  Drag *d = malloc(sizeof *d);
  if (!d) return;
  *d = (Drag){w->view, w->dragged, value};
  shown->value = value; /* at once; the engine's answer follows */
  w->stale = true;
  engine_post(run_drag, d);
}

/* x, y and width are SDL's, which may be coarser than pixels. */
static void mouse(Window *w, int x, int y, bool pressed) {
  int width = 0, height = 0;
  sdl.GetWindowSize(w->window, &width, &height);
  if (width < 1) return;
  x = (int)((long)x * w->canvas.width / width);
  y = (int)((long)y * w->canvas.width / width);
  for (int i = 0; pressed && i < w->scene.panels; i++) {
    Rect r = scene_place(&w->scene, &w->canvas, i);
    bool inside = x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
    if (inside && w->scene.panel[i].kind == &panel_slider) w->dragged = i;
  }
  if (w->dragged >= 0) drag_to(w, x);
}

/* ---- drawing ---- */

static void draw_help(Window *w) {
  Canvas *c = &w->canvas;
  const Theme *theme = w->scene.dark ? &theme_dark : &theme_light;
  int rows = 0, line = canvas_units(c, 27), column = canvas_units(c, 78), width = column, pad = canvas_units(c, 26);
  Face plain = {14, false}, bold = {14, true};
  for (int i = 0; i < KEYS; i++) {
    if (!keys[i].name) continue;
    int wide = column + text_width(c, plain, keys[i].help);
    rows++;
    if (wide > width) width = wide;
  }
  Rect card = {0, 0, width + 2 * pad, rows * line + 2 * pad};
  card.x = (c->width - card.w) / 2;
  card.y = (c->height - card.h) / 2;
  canvas_fill(c, (Rect){0, 0, c->width, c->height}, (Colour){0, 0, 0, 130});
  canvas_round(c, card, (float)canvas_units(c, 12), theme->card);
  float x = (float)(card.x + pad), y = (float)(card.y + pad) + (float)line / 2;
  for (int i = 0; i < KEYS; i++) {
    if (!keys[i].name) continue;
    text_draw(c, x, y, ALIGN_LEFT, bold, theme->accent[1], keys[i].name);
    text_draw(c, x + (float)column, y, ALIGN_LEFT, plain, theme->text, keys[i].help);
    y += (float)line;
  }
}

static void show(Window *w, Rect part) {
  SDL_Surface *screen = sdl.GetWindowSurface(w->window);
  if (!screen || !w->surface || !part.w) return;
  SDL_Rect from = {part.x, part.y, part.w, part.h}, to = from;
  sdl.UpperBlit(w->surface, &from, screen, &to);
  sdl.UpdateWindowSurfaceRects(w->window, &to, 1);
}

static void draw(Window *w) {
  double began = view_clock();
  w->seen = atomic_load(&w->view->versions);
  view_lock(w->view);
  unsigned changed = scene_copy(&w->scene, &w->view->scene);
  pthread_mutex_unlock(&w->view->lock);
  if (w->message_until > 0 && began >= w->message_until) changed |= SCENE_STATUS;
  if (w->stale || w->help) changed = SCENE_ALL;
  Rect part = scene_draw(&w->scene, &w->canvas, changed);
  if (w->help) draw_help(w);
  w->stale = false;
  show(w, part);
  double now = view_clock();
  double wait = began < w->eager_until ? 0 : fmin((now - began) / draw_share, longest_wait);
  w->next = began + fmax(frame_time, wait);
  double until = ((const Status *)w->scene.status.data)->message_until;
  w->message_until = until > began ? until : 0;
}

/* When w is to be drawn, by view_clock(); INFINITY while nothing changes. */
static double due(const Window *w) {
  if (w->stale) return 0;
  if (sdl.GetWindowFlags(w->window) & (SDL_WINDOW_MINIMIZED | SDL_WINDOW_HIDDEN)) return (double)INFINITY;
  if (atomic_load(&w->view->versions) != w->seen) return w->next;
  return w->message_until > 0 ? w->message_until : (double)INFINITY;
}

/* Draws what is to be drawn; how many seconds the loop may then sleep. */
static double draw_due(void) {
  static double busy; /* when something was last drawn */
  double now = view_clock(), soonest = now - busy < busy_time ? frame_time : idle_time;
  for (int i = 0; i < windows; i++) {
    double at = due(window[i]);
    if (at > now) {
      soonest = fmin(soonest, at - now);
      continue;
    }
    draw(window[i]);
    busy = now;
    soonest = 0;
  }
  return soonest;
}

/* ---- the loop ---- */

static Window *find(Uint32 id) {
  for (int i = 0; i < windows; i++)
    if (sdl.GetWindowID(window[i]->window) == id) return window[i];
  return NULL;
}

static void window_event(Window *w, const SDL_WindowEvent *e) {
  switch (e->event) {
    case SDL_WINDOWEVENT_SIZE_CHANGED: measure(w); break;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED: w->stale = true; break;
    case SDL_WINDOWEVENT_CLOSE:
      close_window(w);
      engine_quit(0);
      break;
    default: break;
  }
}

static void handle(const SDL_Event *e) {
  Window *w = NULL;
  if (e->type == SDL_WINDOWEVENT && (w = find(e->window.windowID))) window_event(w, &e->window);
  if (e->type == SDL_KEYDOWN && (w = find(e->key.windowID))) press(w, &e->key);
  if (e->type == SDL_MOUSEBUTTONDOWN && (w = find(e->button.windowID))) mouse(w, e->button.x, e->button.y, true);
  if (e->type == SDL_MOUSEMOTION && (w = find(e->motion.windowID))) mouse(w, e->motion.x, e->motion.y, false);
  if (e->type == SDL_MOUSEBUTTONUP && (w = find(e->button.windowID))) w->dragged = -1;
  if (e->type == SDL_QUIT) engine_quit(0);
}

static void serve_views(void) {
  View *v;
  while ((v = view_in_state(VIEW_WANTED))) open_wanted(v);
  while ((v = view_in_state(VIEW_CLOSING)))
    for (int i = 0; i < windows; i++)
      if (window[i]->view == v) {
        close_window(window[i]);
        break;
      }
}

int window_main(void) {
  int status = 0;
  while (!engine_ended(&status)) {
    serve_views();
    if (!windows) {
      sleep_without_windows();
      continue;
    }
    SDL_Event e;
    while (windows && sdl.PollEvent(&e)) handle(&e);
    double rest = draw_due();
    nanosleep(&(struct timespec){0, (long)(rest * 1e9)}, NULL);
  }
  while (windows) close_window(window[0]);
  sdl_end();
  return status;
}
