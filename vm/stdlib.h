/* The Lua files of stdlib/, embedded in the program. */
#ifndef GANDER_STDLIB_H
#define GANDER_STDLIB_H

#include <stddef.h>

typedef struct StdlibFile {
  const char *name, *text;
  size_t size;
} StdlibFile;

#define STDLIB_SOURCE "=[gander " /* how the names of their chunks begin */

extern const StdlibFile stdlib_files[]; /* ends with a NULL name */

#endif
