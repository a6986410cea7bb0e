/* One window, as the files that serve it share it. All of it runs on the main thread. */
#ifndef GANDER_WINDOW_H
#define GANDER_WINDOW_H

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
  bool behind;          /* panels may have changed that are not drawn yet */
  double next;          /* when changes of the status line may be drawn, by view_clock() */
  double panels_next;   /* and when those of panels may */
  double eager_until;   /* after a key, what it changes is drawn without delay */
  double message_until; /* when the message in the status line goes; 0: there is none */
} Window;

void window_close(Window *w); /* frees it and tells the engine */

/* keys.c */
void window_key(Window *w, const SDL_KeyboardEvent *e);
void window_draw_help(Window *w); /* the list of keys, over everything else */

#endif
