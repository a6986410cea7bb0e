/* Which tiles this CPU runs. */
#include "tile.h"

#include <stdlib.h>
#include <string.h>

extern const Tile tile_generic;
#ifdef __x86_64__
extern const Tile tile_avx512, tile_avx2, tile_fma;
#endif

/* The best first; NULL at the end. */
static void supported(const Tile *tiles[4]) {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    *tiles++ = &tile_avx512;
  bool fma = __builtin_cpu_supports("fma");
  if (fma && __builtin_cpu_supports("avx2")) *tiles++ = &tile_avx2;
  *tiles++ = fma ? &tile_fma : &tile_generic;
#else
  *tiles++ = &tile_generic;
#endif
  *tiles = NULL;
}

const Tile *tile_best(void) {
  static const Tile *best;
  if (best) return best;
  const char *wish = getenv("GANDER_CPU");
  const Tile *tiles[4];
  supported(tiles);
  for (const Tile **tile = tiles; *tile; tile++)
    if (!wish || !strcmp(wish, (*tile)->name)) return best = *tile;
  char names[80] = "";
  for (const Tile **tile = tiles; *tile; tile++) {
    strcat(names, tile == tiles ? "" : " or ");
    strcat(names, (*tile)->name);
  }
  return nn_fail("GANDER_CPU is %s; on this CPU it may be %s", wish, names);
}

void walk_collapse(Walk *w) {
  for (int i = 0; i < 2; i++) {
    if (w->a_step[1] != w->count[2] * w->a_step[2] || w->b_step[1] != w->count[2] * w->b_step[2]) return;
    w->count[2] *= w->count[1];
    w->count[1] = w->count[0], w->a_step[1] = w->a_step[0], w->b_step[1] = w->b_step[0];
    w->count[0] = 1;
  }
}
