/* Tiles for AVX-512: 28 of 32 registers hold sums. */
#include "tile.h"

#ifdef __AVX512F__
#define VECTOR 64
#define HEIGHT 14
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#include "tile_loop.h"

#include "strip_loop.h"
#include "thin_loop.h"

extern const Tile tile_avx512;
const Tile tile_avx512 = {HEIGHT, WIDTH, LANES, gather, outer, dot, mix, line, strip_sum, strip_meet};
#endif
