/* A view: what one window shows, or what a headless run writes to files. The engine fills its scene under a lock held
 * for a copy only; the main thread draws a copy of it. */
#ifndef GANDER_VIEW_H
#define GANDER_VIEW_H

#include <pthread.h>
#include <stdatomic.h>

#include "panels/panel.h"
#include "vm.h"

enum { SCENE_PANELS = 16, VIEWS = 8 };

typedef struct Scene {
  char title[80];
  atomic_bool dark; /* the window's key changes it at once */
  Panel status;
  int panels;
  Panel panel[SCENE_PANELS];
} Scene;

bool scene_begin(Scene *s, const char *title, bool dark);
void scene_end(Scene *s);
Panel *scene_panel(Scene *s, const PanelKind *kind, const char *name); /* found or added; NULL and nn_error() when full */
/* Brings the panels of `which` up to date, all of them if the layout changed; those that changed, a bit each. */
enum { SCENE_STATUS = 1 << SCENE_PANELS, SCENE_ALL = 0x7fffffff };
unsigned scene_copy(Scene *to, const Scene *from, unsigned which);
float scene_scale(int width, int height, float density); /* pixels per unit; density: of a dense screen, else 1 */
/* Draws the panels of `which`; how many rectangles hold what was drawn, and in `drawn`, unless that is NULL, those. */
enum { SCENE_PARTS = SCENE_PANELS + 1 };
int scene_draw(const Scene *s, Canvas *c, unsigned which, Rect *drawn);
Rect scene_place(const Scene *s, const Canvas *c, int panel); /* where a panel lies */
void scene_draw_wide(const Scene *s, Canvas *c);              /* only the curves: for a file of their own */

typedef enum ViewState { VIEW_FILES, VIEW_WANTED, VIEW_OPEN, VIEW_CLOSING, VIEW_CLOSED } ViewState;
typedef struct Gif Gif;
typedef struct Files Files;

/* What the engine knows of the trainer that a view watches. */
typedef struct Watch {
  Trainer *trainer;
  Tensor *latent; /* where a walk began; NULL before the first */
  int direction;
  double angle;
  double picture_due; /* by view_clock() */
  bool failed;        /* its picture could not be made; said once */
} Watch;

struct View {
  pthread_mutex_t lock; /* for the scene, size and state */
  pthread_cond_t changed;
  ViewState state;
  int width, height; /* of the canvas */
  float density;
  Scene scene;          /* changed by the engine only */
  atomic_uint versions; /* counts changes of the scene */
  char why[160];        /* why a window could not be opened */
  /* the engine's own */
  int refs;
  char out[512]; /* the folder of its files */
  long every;    /* steps between pictures in files */
  Watch watch;
  Files *files;
  Gif *record;
  long recorded; /* pictures since it began */
};

/* Engine. */
typedef struct ViewOptions {
  const char *title, *out; /* out NULL: the engine's folder */
  int width, height;
  bool dark;
  long every;
} ViewOptions;
View *view_new(const ViewOptions *options); /* opens a window, or files when there can be none. A reference of the caller's */
void view_close(View *v);                   /* its window goes away, its files are completed */
void view_ended(View *v);                   /* after its window went away: nothing watches on its behalf any more */
bool view_listed(const View *v);            /* is it one that has not ended? v may be an old pointer */
void view_lock(View *v);
void view_publish(View *v, Panel *p);            /* unlocks: p changed (NULL: none); wakes the window */
bool view_draw(View *v, Canvas *c);              /* as the window shows it */
bool view_picture(View *v, Canvas *c, int side); /* only its first picture; false when it has none */
bool view_save(View *v, const char *path);
bool view_record(View *v, const char *path); /* an animation of its first picture; NULL ends it */
void view_recorded(View *v);                 /* the picture changed */

/* Main thread. */
View *view_in_state(ViewState state); /* the first one, or NULL */
void view_set_state(View *v, ViewState state, const char *why);

/* Watching a trainer (watch.c). Engine. */
bool watch_begin(View *v, Trainer *t);
void watch_end(View *v);
void watch_step(View *v);                              /* after a step of its trainer */
bool watch_picture(View *v);                           /* has one made and publishes it; false with nn_error() */
void watch_now(View *v);                               /* shows what there is now, as training pauses */
void watch_status(View *v, const char *message);       /* with a message for a while, NULL none */
void watch_rate(View *v, double factor);               /* of all its learning rates */
void watch_walk(View *v, int direction, double angle); /* another direction in the latent space, or along it */
bool watch_report(Report *out, const View *v);         /* what its trainer last reported; false when it has none */

/* Sliders, whose numbers live in Lua (bind_window.c). Engine. */
void slider_drag(lua_State *L, View *v, int panel, double value); /* may raise a Lua error */
void sliders_refresh(View *v);                                    /* shows what the numbers are now */
void sliders_forget(View *v);

/* Files of a headless run (headless.c). Engine. */
Files *files_open(View *v);
bool files_want_picture(const View *v); /* is a picture to be made after this step? */
void files_log(View *v);                /* a line of what its trainer reported */
void files_step(View *v);               /* after its trainer's picture was made, if one was due */
void files_changed(View *v);            /* something was shown without a trainer */
void files_end(View *v);

/* files.c */
bool folder_make(const char *path);                             /* and those above it; false with nn_error() */
bool file_write(const char *path, const void *bytes, size_t n); /* the whole file or nothing */

/* Animations (gif.c). Engine. Frames are numbered from 0; when there get to be many, every second one goes, and from then on
 * only every second one is wanted. */
Gif *gif_new(const char *path);
bool gif_wants(const Gif *g, long number);
bool gif_add(Gif *g, const Canvas *c); /* the first frame's size is everyone's */
bool gif_write(Gif *g);                /* all frames so far, under a megabyte; false with nn_error() */
void gif_free(Gif *g);

/* A table of what a trainer reports, a line a step (log.c). Engine. */
typedef struct Log Log;
Log *log_open(const char *path, const Report *first); /* keeps the lines of steps before this one: a run that is resumed */
bool log_row(Log *log, const Report *r);
bool log_flush(Log *log);
void log_close(Log *log);

#endif
