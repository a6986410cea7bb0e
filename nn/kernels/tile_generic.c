/* Tiles for any CPU with 16 or more vector registers of 16 bytes. On x86 this is for CPUs without fused multiply-add only:
 * others have tile_fma.c, whose bits are those of the wider tiles. */
#define VECTOR 16
#define HEIGHT 6
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5)
#include "tile_loop.h"

#include "strip_loop.h"
#include "thin_loop.h"

extern const Tile tile_generic;
const Tile tile_generic = {HEIGHT, WIDTH, LANES, gather, outer, dot, mix, line, strip_sum, strip_meet};
