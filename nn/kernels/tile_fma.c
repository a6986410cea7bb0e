/* The generic tiles of x86: vectors of 16 bytes with fused multiply-add. */
#include "tile.h"

#ifdef __FMA__
#define VECTOR 16
#define HEIGHT 6
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5)
#include "tile_loop.h"

#include "strip_loop.h"
#include "thin_loop.h"

extern const Tile tile_fma;
const Tile tile_fma = {HEIGHT, WIDTH, LANES, gather, outer, dot, mix, line, strip_sum, strip_meet};
#endif
