/* Tiles for AVX2 with fused multiply-add: 12 of 16 registers hold sums. */
#include "tile.h"

#ifdef __AVX2__
#define VECTOR 32
#define HEIGHT 6
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5)
#include "tile_loop.h"

#include "strip_loop.h"
#include "thin_loop.h"

extern const Tile tile_avx2;
const Tile tile_avx2 = {HEIGHT, WIDTH, LANES, gather, outer, dot, mix, line, strip_sum, strip_meet};
#endif
