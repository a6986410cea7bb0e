/* Files and folders that views write. */
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "view.h"

bool file_write(const char *path, const void *bytes, size_t n) {
  SafeFile *file = safe_open(path);
  if (!file) return false;
  safe_write(file, bytes, n);
  return safe_close(file); /* which says what went wrong, here or before */
}

bool folder_make(const char *path) {
  char part[512];
  for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
    if (path[i] != '/' && path[i]) continue;
    snprintf(part, sizeof part, "%.*s", (int)i, path);
    if (mkdir(part, 0777) && errno != EEXIST) {
      nn_fail("%s: the folder cannot be made: %s", path, strerror(errno));
      return false;
    }
  }
  struct stat s;
  if (!stat(path, &s) && S_ISDIR(s.st_mode)) return true;
  nn_fail("%s: not a folder", path);
  return false;
}

bool canvas_save(const Canvas *c, const char *path) {
  png_image image = {
      .version = PNG_IMAGE_VERSION, .width = (png_uint_32)c->width, .height = (png_uint_32)c->height, .format = PNG_FORMAT_RGB};
  size_t n = (size_t)c->width * (size_t)c->height, size = PNG_IMAGE_PNG_SIZE_MAX(image);
  uint8_t *rgb = malloc(n * 3), *png = malloc(size);
  bool ok = false;
  if (rgb && png) {
    for (size_t i = 0; i < n; i++) memcpy(rgb + 3 * i, c->pixel + 4 * i, 3);
    ok = png_image_write_to_memory(&image, png, &size, 0, rgb, 0, NULL);
    if (!ok) nn_fail("%s: %s", path, image.message);
  } else
    nn_fail("%s: no memory for a picture of %d by %d pixels", path, c->width, c->height);
  ok = ok && file_write(path, png, size);
  free(rgb);
  free(png);
  return ok;
}
