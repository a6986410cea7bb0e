/* A folder for a test's files, which goes when the test ends: folder_new() at the beginning of main. */
#ifndef GANDER_TESTS_FOLDER_H
#define GANDER_TESTS_FOLDER_H

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char folder[400];

static inline int folder_drop_entry(const char *path, const struct stat *about, int type, struct FTW *place) {
  (void)about, (void)type, (void)place;
  return remove(path);
}

static inline void folder_drop(void) {
  nftw(folder, folder_drop_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline bool folder_new(void) {
  const char *out = getenv("GANDER_TEST_OUT");
  snprintf(folder, sizeof folder, "%s/gander-XXXXXX", out ? out : "/tmp");
  return mkdtemp(folder) && !atexit(folder_drop);
}

/* A path in the folder; good for the next 8 calls. */
static inline const char *path_of(const char *name) {
  static char paths[8][512];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static inline void file_put(const char *path, const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  CHECK(f && fwrite(bytes, 1, n, f) == n);
  if (f) fclose(f);
}

/* As many bytes of a file as there are, up to room; how many. */
static inline size_t file_get(const char *path, uint8_t *bytes, size_t room) {
  FILE *f = fopen(path, "rb");
  if (!f) return 0;
  size_t n = fread(bytes, 1, room, f);
  fclose(f);
  return n;
}

#endif
