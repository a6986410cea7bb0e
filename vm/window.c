/* Windows: the main thread's loop. It copies what changed of a view, draws it in memory and hands it to SDL; it waits
 * for neither the engine nor the network, and draws only what changed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "window.h"

/* Seconds: between frames, at least and at most; between two looks for events, when nothing changed for a while. The part of a
 * processor that drawing panels may take; the status line, of a tenth of a millisecond, is as quick as the screen. */
static const double frame_time = 1.0 / 60, longest_wait = 0.5, idle_time = 1.0 / 30, busy_time = 5, draw_share = 0.015;
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

void window_close(Window *w) {
  View *v = w->view;
  for (int i = 0; i < windows; i++)
    if (window[i] == w) window[i] = window[--windows];
  destroy(w);
  view_set_state(v, VIEW_CLOSED, NULL);
  engine_post(tell_ended, v);
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

static void show(Window *w, const Rect *part, int parts) {
  SDL_Surface *screen = sdl.GetWindowSurface(w->window);
  SDL_Rect to[SCENE_PARTS];
  if (!screen || !w->surface || !parts) return;
  for (int i = 0; i < parts; i++) {
    SDL_Rect from = to[i] = (SDL_Rect){part[i].x, part[i].y, part[i].w, part[i].h};
    sdl.UpperBlit(w->surface, &from, screen, &to[i]);
  }
  sdl.UpdateWindowSurfaceRects(w->window, to, parts);
}

static void draw(Window *w) {
  double began = view_clock();
  w->behind = !w->stale && began < w->panels_next;
  w->seen = atomic_load(&w->view->versions);
  view_lock(w->view);
  unsigned changed = scene_copy(&w->scene, &w->view->scene, w->behind ? SCENE_STATUS : SCENE_ALL);
  pthread_mutex_unlock(&w->view->lock);
  if (w->message_until > 0 && began >= w->message_until) changed |= SCENE_STATUS;
  if (w->stale || w->help) changed = SCENE_ALL;
  Rect part[SCENE_PARTS];
  int parts = scene_draw(&w->scene, &w->canvas, changed, part);
  if (w->help) window_draw_help(w);
  w->stale = false;
  show(w, part, parts);
  double now = view_clock(), wait = began < w->eager_until ? 0 : fmin((now - began) / draw_share, longest_wait);
  w->next = began + (w->help ? fmax(wait, frame_time) : frame_time);
  if (!w->behind) w->panels_next = began + wait;
  double until = ((const Status *)w->scene.status.data)->message_until;
  w->message_until = until > began ? until : 0;
}

/* When w is to be drawn, by view_clock(); INFINITY while nothing changes. */
static double due(const Window *w) {
  if (w->stale) return 0;
  if (sdl.GetWindowFlags(w->window) & (SDL_WINDOW_MINIMIZED | SDL_WINDOW_HIDDEN)) return (double)INFINITY;
  if (atomic_load(&w->view->versions) != w->seen) return w->next;
  double at = w->message_until > 0 ? w->message_until : (double)INFINITY;
  return w->behind ? fmin(at, w->panels_next) : at;
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
      window_close(w);
      engine_quit(0);
      break;
    default: break;
  }
}

static void handle(const SDL_Event *e) {
  Window *w = NULL;
  if (e->type == SDL_WINDOWEVENT && (w = find(e->window.windowID))) window_event(w, &e->window);
  if (e->type == SDL_KEYDOWN && (w = find(e->key.windowID))) window_key(w, &e->key);
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
        window_close(window[i]);
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
  while (windows) window_close(window[0]);
  sdl_end();
  return status;
}
