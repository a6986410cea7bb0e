/* A file of named arrays, each with a checksum: what checkpoints are made of. */
#ifndef GANDER_ARCHIVE_H
#define GANDER_ARCHIVE_H

#include "../nn.h"

/* Types: f 4-byte and d 8-byte floats, i 8-byte integers, c characters. */
enum { ARCHIVE_REAL = sizeof(real) == 4 ? 'f' : 'd' };

typedef struct ArchiveWriter {
  SafeFile *file;
  long entries;
} ArchiveWriter;

bool archive_create(ArchiveWriter *w, const char *path);
void archive_put(ArchiveWriter *w, const char *name, char type, int ndim, const long *shape, const void *values);
bool archive_finish(ArchiveWriter *w); /* false: the old file is as it was */
void archive_cancel(ArchiveWriter *w);

typedef struct ArchiveEntry {
  const char *name;
  char type;
  bool used; /* for readers: was it asked for? */
  int ndim;
  long shape[NN_DIMS], n; /* n values */
  const uint8_t *bytes;   /* not aligned */
} ArchiveEntry;

typedef struct Archive {
  uint8_t *bytes;
  size_t size;
  ArchiveEntry *entry;
  int entries;
} Archive;

bool archive_open(Archive *a, const char *path); /* reads all of it and checks every sum; false: an error and nothing to close */
ArchiveEntry *archive_find(Archive *a, const char *name);
void archive_close(Archive *a);

#endif
