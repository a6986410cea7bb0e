#include "pixels.h"

#include "kernel.h"

KERNEL(pixels_to_reals, (const uint8_t *pixel, long n, real *out), (pixel, n, out)) {
  for (long i = 0; i < n; i++) out[i] = (real)pixel[i] / (real)127.5 - 1;
}
