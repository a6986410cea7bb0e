/* Views: the list of them, their life from window.open to the end, and saving what they show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER; /* the engine changes the list, the main thread looks for work */
static View *list[VIEWS];
static int listed;

View *view_keep(View *v) {
  v->refs++;
  return v;
}

void view_drop(View *v) {
  if (!v || --v->refs > 0) return;
  scene_end(&v->scene);
  pthread_cond_destroy(&v->changed);
  pthread_mutex_destroy(&v->lock);
  free(v);
}

/* ---- the list ---- */

static bool enlist(View *v) {
  pthread_mutex_lock(&list_lock);
  bool room = listed < VIEWS;
  if (room) list[listed++] = view_keep(v);
  pthread_mutex_unlock(&list_lock);
  return room;
}

static void delist(View *v) {
  pthread_mutex_lock(&list_lock);
  for (int i = 0; i < listed; i++) {
    if (list[i] != v) continue;
    memmove(list + i, list + i + 1, (size_t)(--listed - i) * sizeof *list);
    break;
  }
  pthread_mutex_unlock(&list_lock);
  view_drop(v);
}

bool view_listed(const View *v) {
  for (int i = 0; i < listed; i++)
    if (list[i] == v) return true;
  return false;
}

static ViewState state_of(View *v) {
  pthread_mutex_lock(&v->lock);
  ViewState state = v->state;
  pthread_mutex_unlock(&v->lock);
  return state;
}

View *view_in_state(ViewState state) {
  View *found = NULL;
  pthread_mutex_lock(&list_lock);
  for (int i = 0; i < listed && !found; i++)
    if (state_of(list[i]) == state) found = list[i];
  pthread_mutex_unlock(&list_lock);
  return found;
}

void view_set_state(View *v, ViewState state, const char *why) {
  pthread_mutex_lock(&v->lock);
  v->state = state;
  if (why) snprintf(v->why, sizeof v->why, "%s", why);
  pthread_cond_broadcast(&v->changed);
  pthread_mutex_unlock(&v->lock);
}

bool views_open(void) {
  return view_in_state(VIEW_OPEN) || view_in_state(VIEW_WANTED);
}

/* ---- life ---- */

static View *view_make(const ViewOptions *o) {
  View *v = calloc(1, sizeof *v);
  if (!v || !scene_begin(&v->scene, o->title, o->dark)) {
    free(v);
    return nn_fail("window.open: no memory");
  }
  pthread_mutex_init(&v->lock, NULL);
  pthread_cond_init(&v->changed, NULL);
  v->refs = 1;
  v->width = o->width;
  v->height = o->height;
  v->density = 1;
  v->every = o->every;
  snprintf(v->out, sizeof v->out, "%s", o->out ? o->out : engine_out());
  return v;
}

/* The main thread opens the window; this waits for its answer, which takes as long as the display takes. */
static void open_window(View *v) {
  view_set_state(v, VIEW_WANTED, NULL);
  window_wake();
  pthread_mutex_lock(&v->lock);
  while (v->state == VIEW_WANTED) pthread_cond_wait(&v->changed, &v->lock);
  pthread_mutex_unlock(&v->lock);
}

static bool open_files(View *v) {
  v->files = files_open(v);
  if (!v->files) return false;
  if (v->why[0])
    engine_say("window.open: %s; the pictures of \"%s\" go to %s/", v->why, v->scene.title, v->out);
  else
    engine_say("no window: the pictures of \"%s\" go to %s/", v->scene.title, v->out);
  return true;
}

View *view_new(const ViewOptions *o) {
  View *v = view_make(o);
  if (!v) return NULL;
  if (!enlist(v)) {
    view_drop(v);
    return nn_fail("window.open: %d windows are open, which is as many as can be; close one first, w:close()", VIEWS);
  }
  if (!engine_headless()) open_window(v);
  if (state_of(v) == VIEW_FILES && !open_files(v)) {
    view_close(v);
    view_drop(v);
    return NULL;
  }
  watch_status(v, NULL);
  return v;
}

void view_ended(View *v) {
  if (!view_listed(v)) return;
  view_record(v, NULL);
  watch_end(v);
  sliders_forget(v);
  delist(v);
}

void view_close(View *v) {
  if (!view_listed(v)) return;
  if (state_of(v) == VIEW_OPEN) { /* the main thread closes it and tells the engine, which calls view_ended */
    view_set_state(v, VIEW_CLOSING, NULL);
    window_wake();
    return;
  }
  if (state_of(v) == VIEW_FILES) {
    if (v->files) files_end(v);
    view_set_state(v, VIEW_CLOSED, NULL);
    view_ended(v);
  }
}

static void wait_closed(View *v) {
  if (state_of(v) != VIEW_OPEN && state_of(v) != VIEW_CLOSING) return;
  view_set_state(v, VIEW_CLOSING, NULL);
  window_wake();
  pthread_mutex_lock(&v->lock);
  while (v->state == VIEW_CLOSING) pthread_cond_wait(&v->changed, &v->lock);
  pthread_mutex_unlock(&v->lock);
}

void views_finish(void) {
  while (listed) {
    View *v = list[listed - 1];
    wait_closed(v);
    if (v->files) files_end(v);
    view_ended(v);
  }
}

void views_after_step(Trainer *t) {
  for (int i = 0; i < listed; i++)
    if (list[i]->watch.trainer == t) watch_step(list[i]);
}

/* ---- what it shows ---- */

void view_lock(View *v) {
  pthread_mutex_lock(&v->lock);
}

void view_publish(View *v, Panel *p) {
  if (p) p->version++;
  bool open = v->state == VIEW_OPEN;
  pthread_mutex_unlock(&v->lock);
  atomic_fetch_add(&v->versions, 1);
  if (open) window_wake();
}

/* The engine is the only one to change a scene, so it reads its own without the lock. */
bool view_draw(View *v, Canvas *c) {
  pthread_mutex_lock(&v->lock);
  int width = v->width, height = v->height;
  c->scale = scene_scale(width, height, v->density);
  pthread_mutex_unlock(&v->lock);
  if (!canvas_resize(c, width, height)) {
    nn_fail("window: no memory for a picture of %d by %d pixels", width, height);
    return false;
  }
  scene_draw(&v->scene, c, SCENE_ALL, NULL);
  return true;
}

bool view_picture(View *v, Canvas *c, int side) {
  const Scene *s = &v->scene;
  c->scale = 1;
  for (int i = 0; i < s->panels; i++) {
    if (s->panel[i].kind->shape != SHAPE_SQUARE) continue;
    if (s->panel[i].kind == &panel_images) return images_grid(&s->panel[i], c, side);
    if (!canvas_resize(c, side, side)) return false;
    const Theme *theme = s->dark ? &theme_dark : &theme_light;
    Rect all = {0, 0, side, side};
    canvas_fill(c, all, theme->card);
    s->panel[i].kind->draw(&s->panel[i], c, all, theme);
    return true;
  }
  return false;
}

bool view_save(View *v, const char *path) {
  Canvas c = {0};
  bool ok = view_draw(v, &c) && canvas_save(&c, path);
  canvas_free(&c);
  return ok;
}

enum { RECORD_SIDE = 480 };

bool view_record(View *v, const char *path) {
  bool ok = true;
  if (v->record) ok = gif_write(v->record);
  gif_free(v->record);
  v->record = path ? gif_new(path) : NULL;
  v->recorded = 0;
  if (path && !v->record) return false;
  if (path) view_recorded(v);
  return ok;
}

void view_recorded(View *v) {
  Canvas c = {0};
  if (v->record && gif_wants(v->record, v->recorded++) && view_picture(v, &c, RECORD_SIDE)) gif_add(v->record, &c);
  canvas_free(&c);
}
