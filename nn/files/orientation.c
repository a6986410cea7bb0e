/* Turning pictures upright: cameras write pixels as they were held, and say in the EXIF block how that was.
 *
 * The block is "Exif", two zeros, and a TIFF header: II or MM for the byte order, 42, and where the directory begins. That has
 * its number of entries, of 12 bytes each: tag, type, count, value. (Exif 2.3, 4.5.2 and 4.6.2) */
#include <stdlib.h>
#include <string.h>

#include "picture.h"

enum { HEAD = 6, ENTRY = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

typedef struct Block {
  const uint8_t *bytes;
  size_t n;
  bool big_endian;
} Block;

/* A number of `count` bytes; 0 outside the block. */
static uint32_t number_at(const Block *b, size_t at, int count) {
  uint32_t value = 0;
  if (at > b->n || b->n - at < (size_t)count) return 0;
  for (int i = 0; i < count; i++) value |= (uint32_t)b->bytes[at + (size_t)i] << 8 * (b->big_endian ? count - 1 - i : i);
  return value;
}

int exif_orientation(const uint8_t *bytes, size_t n) {
  if (n < HEAD + 8 || memcmp(bytes, "Exif\0", HEAD)) return 1;
  const Block b = {bytes + HEAD, n - HEAD, bytes[HEAD] == 'M'};
  size_t directory = number_at(&b, 4, 4);
  for (uint32_t i = 0, entries = number_at(&b, directory, 2); i < entries; i++) {
    const size_t entry = directory + 2 + (size_t)i * ENTRY;
    if (number_at(&b, entry, 2) != TAG_ORIENTATION || number_at(&b, entry + 2, 2) != TYPE_SHORT) continue;
    const uint32_t orientation = number_at(&b, entry + 8, 2);
    return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
  }
  return 1;
}

bool picture_turn(Picture *p, int orientation) {
  const bool sideways = orientation > 4;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const long height = sideways ? p->width : p->height, width = sideways ? p->height : p->width;
  const size_t channels = (size_t)p->channels;
  if (orientation == 1) return true;
  uint8_t *upright = malloc((size_t)height * (size_t)width * channels), *to = upright;
  if (!upright) return false;
  for (long y = 0; y < height; y++)
    for (long x = 0; x < width; x++, to += channels) {
      const long row = sideways ? x : y, column = sideways ? y : x;
      const long i = (from_below ? p->height - 1 - row : row) * p->width + (from_right ? p->width - 1 - column : column);
      memcpy(to, p->pixel + (size_t)i * channels, channels);
    }
  free(p->pixel);
  p->pixel = upright;
  p->height = height;
  p->width = width;
  return true;
}
