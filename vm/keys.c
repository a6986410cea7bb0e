/* The keys of a window: what each does, and the list of them that h shows. */
#include <stdio.h>
#include <stdlib.h>

#include "window.h"

static const double eager_time = 1; /* seconds in which what a key changes is drawn without delay */

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
                           {SDLK_q, SDLK_ESCAPE, false, window_close, NULL, "q", "close the window; training goes on"}};
enum { KEYS = sizeof keys / sizeof *keys };

void window_key(Window *w, const SDL_KeyboardEvent *e) {
  for (int i = 0; i < KEYS; i++) {
    const Key *k = &keys[i];
    if (e->keysym.sym != k->code && (!k->also || e->keysym.sym != k->also)) continue;
    if (e->repeat && !k->repeats) return;
    w->next = w->panels_next = 0;
    w->eager_until = view_clock() + eager_time;
    if (k->here)
      k->here(w);
    else
      post(w->view, k->act);
    return;
  }
}

void window_draw_help(Window *w) {
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
