#include "openblas.h"

#include <dlfcn.h>
#include <string.h>

/* A function's pointer from a data pointer by its bytes, as POSIX promises of dlsym. */
static bool find(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

static bool load(OpenBlas *b) {
  static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libopenblas.dylib", NULL};
  void *library = NULL;
  void (*set_threads)(int);
  for (const char *const *name = names; *name && !library; name++) library = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
  if (!library || !find(library, "openblas_set_num_threads", &set_threads)) return false;
  set_threads(1);
  return find(library, "cblas_" OPENBLAS_PREFIX "gemm", &b->gemm) && find(library, OPENBLAS_PREFIX "geqrf_", &b->geqrf) &&
         find(library, OPENBLAS_PREFIX "orgqr_", &b->orgqr);
}

const OpenBlas *openblas(const char *who) {
  static OpenBlas functions;
  static bool loaded;
  if (!loaded && !(loaded = load(&functions)))
    return nn_fail("%s needs OpenBLAS, which is not installed (Debian: libopenblas0-pthread)", who);
  return &functions;
}
