/* Which tiles this CPU runs. */
#include "tile.h"

#include "kernel.h"

extern const Tile tile_generic;
#ifdef __x86_64__
extern const Tile tile_fma, tile_avx2, tile_avx512;
static const Tile *const tiles[] = {
    [CPU_PLAIN] = &tile_generic, [CPU_FMA] = &tile_fma, [CPU_AVX2] = &tile_avx2, [CPU_AVX512] = &tile_avx512};
#else
static const Tile *const tiles[] = {[CPU_PLAIN] = &tile_generic};
#endif

const Tile *tile_best(void) {
  return cpu_check() ? tiles[cpu_set] : NULL;
}

void walk_collapse(Walk *w) {
  for (int i = 0; i < 2; i++) {
    if (w->a_step[1] != w->count[2] * w->a_step[2] || w->b_step[1] != w->count[2] * w->b_step[2]) return;
    w->count[2] *= w->count[1];
    w->count[1] = w->count[0], w->a_step[1] = w->a_step[0], w->b_step[1] = w->b_step[0];
    w->count[0] = 1;
  }
}
