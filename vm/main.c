/* gander: the main thread reads the command line, starts the engine and then belongs to the windows. */
#include <stdio.h>
#include <string.h>

#include "engine.h"

int main(int argc, char **argv) {
  int status = options_read(argc, argv);
  if (status >= 0) return status;
  interrupt_block();
  output_open();
  int error = engine_begin();
  if (error) {
    fprintf(stderr, "gander: cannot start the engine: %s\n", strerror(error));
    return 1;
  }
  status = window_main();
  engine_join();
  return status;
}
