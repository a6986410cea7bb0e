/* Matrices written the other way round. */
#ifndef GANDER_TURN_H
#define GANDER_TURN_H

#include "../nn.h"

/* to[c * to_step + r] is set to from[r * from_step + c], or with `add` grows by it, for all r < rows and c < columns. */
void turn(long rows, long columns, const real *from, long from_step, real *to, long to_step, bool add);

#endif
