/* A picture file decoded to bytes. Several threads may decode at a time: errors are texts in the picture. */
#ifndef GANDER_PICTURE_H
#define GANDER_PICTURE_H

#include "../nn.h"

typedef struct Picture {
  long height, width;
  int channels;   /* 1 or 3 */
  uint8_t *pixel; /* height * width * channels, to free() */
  char error[300];
} Picture;

/* A PNG or JPEG file, upright; transparency over white. `room`: the most bytes to allocate. False: the error is set. */
bool picture_decode(const char *path, size_t room, Picture *out);

/* orientation.c: how the camera was held, as the EXIF standard numbers it, 1 to 8; 1, upright, when nothing is said. */
int exif_orientation(const uint8_t *bytes, size_t n);
bool picture_turn(Picture *p, int orientation); /* turns and mirrors it until it is upright; false without memory */

#endif
