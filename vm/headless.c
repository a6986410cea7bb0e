/* A view without a window: the same pictures and curves as files. Which steps they show depends on the step alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

enum { PICTURE_SIDE = 720, ANIMATION_SIDE = 480, FRAMES_A_PICTURE = 10 };
static const double write_share = 0.03; /* of the time may go into rewriting the animation and the curves */

struct Files {
  View *view;
  Log *log;
  Gif *gif;
  long picture; /* step of the last one written; -1 before the first */
  long frame;   /* step of the last one in the animation */
  long shown;   /* pictures shown without a trainer */
  double due;   /* when the animation and the curves may be written again */
  bool failed;  /* said once: files could not be written */
};

/* ---- writing ---- */

static void in_folder(const Files *f, char *path, size_t size, const char *name) {
  snprintf(path, size, "%s/%s", f->view->out, name);
}

/* Files that cannot be written do not end the training. */
static void say_failure(Files *f) {
  if (!nn_failed()) return;
  if (!f->failed) engine_say("%s", nn_error());
  f->failed = true;
  nn_clear_error();
}

static void save_canvas(Files *f, const Canvas *c, const char *name) {
  char path[600];
  in_folder(f, path, sizeof path, name);
  canvas_save(c, path);
  say_failure(f);
}

static long step_of(const Files *f) {
  Report r;
  return watch_report(&r, f->view) ? r.step : f->shown;
}

static void save_picture(Files *f) {
  Canvas c = {0};
  char name[64];
  f->picture = step_of(f);
  snprintf(name, sizeof name, "step-%06ld.png", f->picture);
  if (view_picture(f->view, &c, PICTURE_SIDE)) {
    save_canvas(f, &c, name);
    save_canvas(f, &c, "latest.png");
  }
  canvas_free(&c);
}

static void add_frame(Files *f) {
  Canvas c = {0};
  f->frame = step_of(f);
  if (view_picture(f->view, &c, ANIMATION_SIDE)) gif_add(f->gif, &c);
  canvas_free(&c);
}

static void save_curves(Files *f) {
  const Scene *s = &f->view->scene;
  int plots = 0;
  for (int i = 0; i < s->panels; i++) plots += s->panel[i].kind->shape == SHAPE_WIDE;
  Canvas c = {.scale = 1};
  if (plots && canvas_resize(&c, 960, plots == 1 ? 420 : 340 * plots)) {
    scene_draw_wide(s, &c);
    save_canvas(f, &c, "curves.png");
  }
  if (view_draw(f->view, &c)) save_canvas(f, &c, "view.png");
  canvas_free(&c);
}

/* What grows with the run is written now and then, and at the end. */
static void save_summary(Files *f, bool now) {
  double began = view_clock();
  if (!now && began < f->due) return;
  save_curves(f);
  gif_write(f->gif);
  if (f->log) log_flush(f->log);
  say_failure(f);
  double end = view_clock();
  f->due = end + (end - began) / write_share;
}

/* ---- when ---- */

static long frame_step(const View *v) {
  return v->every < FRAMES_A_PICTURE ? 1 : v->every / FRAMES_A_PICTURE;
}

static bool frame_due(const View *v, long step) {
  return step % frame_step(v) == 0 && gif_wants(v->files->gif, step / frame_step(v));
}

static bool picture_due(const View *v, long step) {
  return step % v->every == 0 || step == engine_until(v->watch.trainer);
}

bool files_want_picture(const View *v) {
  long step = step_of(v->files);
  return picture_due(v, step) || frame_due(v, step);
}

Files *files_open(View *v) {
  if (!folder_make(v->out)) return NULL;
  char path[600];
  Files *f = calloc(1, sizeof *f);
  if (!f) return nn_fail("window.open: no memory");
  *f = (Files){.view = v, .picture = -1, .frame = -1};
  in_folder(f, path, sizeof path, "run.gif");
  f->gif = gif_new(path);
  if (f->gif) return f;
  free(f);
  return NULL;
}

void files_log(View *v) {
  Files *f = v->files;
  Report r;
  char path[600];
  if (!watch_report(&r, v) || !r.n || f->failed) return;
  in_folder(f, path, sizeof path, "log.csv");
  if (!f->log) f->log = log_open(path, &r);
  if (f->log) log_row(f->log, &r);
  say_failure(f);
}

void files_step(View *v) {
  Files *f = v->files;
  Report r;
  if (!watch_report(&r, v)) return;
  if (frame_due(v, r.step)) add_frame(f);
  if (!picture_due(v, r.step)) return;
  save_picture(f);
  save_summary(f, false);
}

/* Without a trainer the number of pictures shown counts as the step, and the script has chosen which to show. */
void files_changed(View *v) {
  Files *f = v->files;
  Report r;
  if (watch_report(&r, v)) return;
  if (gif_wants(f->gif, f->shown)) add_frame(f);
  if (f->shown++ % v->every == 0) save_picture(f);
  save_summary(f, false);
}

void files_end(View *v) {
  Files *f = v->files;
  Report r;
  bool trains = watch_report(&r, v);
  if (trains && f->picture != r.step && !watch_picture(v)) say_failure(f);
  if (f->picture != step_of(f)) save_picture(f);
  if (f->frame != step_of(f)) add_frame(f);
  watch_status(v, NULL);
  save_summary(f, true);
  log_close(f->log);
  say_failure(f);
  gif_free(f->gif);
  free(f);
  v->files = NULL;
}
