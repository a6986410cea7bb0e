/* The one message that a failing function leaves behind. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nn.h"

static char message[4096];
static bool failed;

void *nn_fail(const char *format, ...) {
  if (!failed) {
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    failed = true;
  }
  return NULL;
}

void nn_fail_in(const char *format, ...) {
  char where[600], what[sizeof message];
  if (!failed) return;
  va_list list;
  va_start(list, format);
  vsnprintf(where, sizeof where, format, list);
  va_end(list);
  memcpy(what, message, sizeof what);
  snprintf(message, sizeof message, "%s: %.*s", where, (int)(sizeof message - sizeof where - 3), what);
}

bool nn_failed(void) {
  return failed;
}

const char *nn_error(void) {
  return failed ? message : "";
}

void nn_clear_error(void) {
  failed = false;
}
