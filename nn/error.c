/* The one message that a failing function leaves behind. */
#include <stdarg.h>
#include <stdio.h>

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

bool nn_failed(void) {
  return failed;
}

const char *nn_error(void) {
  return failed ? message : "";
}

void nn_clear_error(void) {
  failed = false;
}
