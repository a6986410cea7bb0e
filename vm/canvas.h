/* Drawing in memory: the same pixels for the window and for files. Lengths are in pixels, colours are 8-bit sRGB. */
#ifndef GANDER_CANVAS_H
#define GANDER_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Colour {
  uint8_t r, g, b, a;
} Colour;

typedef struct Rect {
  int x, y, w, h;
} Rect;

typedef struct Point {
  float x, y;
} Point;

typedef struct Canvas {
  int width, height;
  float scale;     /* pixels for one unit of the design: 1 on a plain screen, 2 on a dense one */
  uint8_t *pixel;  /* RGBA, opaque */
  uint8_t *mask;   /* coverage of the shape being collected */
  Rect area, used; /* of the mask: where shapes may be, and around those that are */
} Canvas;

bool canvas_resize(Canvas *c, int width, int height); /* contents undefined; false when there is no memory */
void canvas_free(Canvas *c);
int canvas_units(const Canvas *c, float units);         /* a length of the design in whole pixels, at least 1 */
bool canvas_save(const Canvas *c, const char *path);    /* as PNG; false with nn_error(). Engine only */
Colour colour_mix(Colour a, Colour b, float part_of_b); /* opaque */
Colour colour_fade(Colour c, float opacity);
Rect rect_inset(Rect r, int by);

void canvas_fill(Canvas *c, Rect r, Colour colour);
void canvas_round(Canvas *c, Rect r, float radius, Colour colour); /* with rounded corners */
/* Shows w x h pixels of 1 (grey) or 3 channels in `to`: each pixel is the average of what lies under it, so whole multiples
 * stay sharp and the rest has soft edges between pixels; smooth interpolates when it grows. */
void canvas_image(Canvas *c, Rect to, const uint8_t *pixel, int w, int h, int channels, bool smooth);

/* Lines and bands are collected as coverage and painted together, so that crossings of pale lines do not darken. */
void mask_begin(Canvas *c, Rect area);
void mask_line(Canvas *c, int n, const Point *p, float width);    /* through n points, with round joints */
void mask_band(Canvas *c, int n, const Point *p, const float *y); /* between the line p and the heights y above it */
void mask_disc(Canvas *c, Point centre, float radius);
void mask_paint(Canvas *c, Colour colour);
void canvas_line(Canvas *c, Rect clip, Point from, Point to, float width, Colour colour);

typedef enum Align { ALIGN_LEFT, ALIGN_CENTRE, ALIGN_RIGHT } Align;
typedef struct Face {
  float size; /* units of the design */
  bool bold;
} Face;
/* Text (text.c) with x at its left, centre or right and y at the middle of its capitals; UTF-8. Nothing without a font. */
void text_draw(Canvas *c, float x, float y, Align align, Face face, Colour colour, const char *text);
int text_width(const Canvas *c, Face face, const char *text); /* pixels */

#endif
