/* Panels: the parts of a view. The engine fills a panel, readers draw a copy of it. */
#ifndef GANDER_PANEL_H
#define GANDER_PANEL_H

#include "../../nn/nn.h"
#include "../canvas.h"

enum { ACCENTS = 7, PANEL_NAME = 48 };

typedef struct Theme {
  Colour background, card, text, faint, grid;
  Colour accent[ACCENTS]; /* Okabe and Ito's colours, which the colour-blind tell apart */
} Theme;
extern const Theme theme_dark, theme_light;

typedef struct Panel Panel;

typedef enum PanelShape { SHAPE_SQUARE, SHAPE_WIDE, SHAPE_LINE } PanelShape; /* pictures, curves, sliders */

typedef struct PanelKind {
  size_t size; /* of what it shows */
  PanelShape shape;
  bool (*copy)(void *to, const void *from);                               /* reuses what `to` holds; called with the view locked */
  void (*clear)(void *data);                                              /* frees what data holds */
  void (*draw)(const Panel *p, Canvas *c, Rect area, const Theme *theme); /* the card is already there */
} PanelKind;

struct Panel {
  const PanelKind *kind;
  char name[PANEL_NAME];
  unsigned version; /* counts changes */
  void *data;
};

extern const PanelKind panel_images, panel_plot, panel_scatter, panel_heatmap, panel_slider, panel_status;

/* Filling, on the engine's thread. Those that return false leave nn_error() and what was there before. */

/* x (N,H,W,C), (H,W,C), (H,W) or (N,D) with D pixels of a square; -1..1. */
bool images_set(Panel *p, const Tensor *x, const char *who);
bool images_fits(const Tensor *x);
/* The grid alone in a canvas of its own, about `side` pixels wide: for files. False when there is no picture. */
bool images_grid(const Panel *p, Canvas *c, int side);

/* Curves of minimum, mean and maximum in buckets; when they are full, pairs merge, so that memory stays the same. */
bool plot_add(Panel *p, const char *curve, long step, double value);
double plot_last(const Panel *p, const char *curve); /* NaN if there is none */

bool scatter_set(Panel *p, const Tensor *points, const char *who);  /* (N,2) */
bool scatter_behind(Panel *p, const Tensor *real, const char *who); /* pale points that stay */

bool heatmap_set(Panel *p, const Tensor *x, const char *who); /* (H,W) or (H,W,1) */

typedef struct Slider {
  double value, from, to;
  bool log; /* equal ways are equal factors */
} Slider;
double slider_at(const Panel *p, const Canvas *c, Rect area, int x); /* the value under the mouse */

typedef struct Status {
  bool trains, paused;
  long epoch, epoch_steps, step, until; /* epoch_steps 0, until -1: unknown */
  double seconds_per_step;
  int lrs;
  double lr[4];
  int walk; /* number of the latent direction, 0: none */
  double angle;
  const char *hint;     /* at the right, */
  char message[96];     /* and for a while a message instead */
  double message_until; /* by view_clock() */
} Status;
double view_clock(void);                                      /* seconds, monotonic */
void status_duration(char *out, size_t size, double seconds); /* 1:05 or 2:00:59 */

/* For those who draw: a card's heading and axes. */
Rect panel_heading(Canvas *c, Rect area, const char *name, const char *right, const Theme *theme); /* what is left below */
/* Round numbers that cut low..high in at most `most` parts: the first, the step, the decimals to print. */
typedef struct Ticks {
  double first, step;
  int count, decimals;
} Ticks;
Ticks ticks_for(double low, double high, int most);
size_t rate_text(char *out, size_t size, double value);             /* 0.0002 becomes 2e-4; the length */
void tick_text(char *out, size_t size, double value, int decimals); /* 0.25, 1,500, 20k, 1e-5; decimals -1: 20,000 */

#endif
