#include "turn.h"

#include "kernel.h"

enum { SIDE = 8 }; /* of a block */

typedef real Eight __attribute__((vector_size(SIDE * sizeof(real)), aligned(sizeof(real)), may_alias));

/* Three times, the first half of the vectors is shuffled into the second. */
INLINE void turn_block(const real *from, long from_step, real *to, long to_step, bool add) {
  Eight x[SIDE], y[SIDE];
  for (int k = 0; k < SIDE; k++) x[k] = *(const Eight *)(from + k * from_step);
  for (int round = 0; round < 3; round++) {
    for (int k = 0; k < SIDE / 2; k++) {
      y[2 * k] = __builtin_shufflevector(x[k], x[k + 4], 0, 8, 1, 9, 2, 10, 3, 11);
      y[2 * k + 1] = __builtin_shufflevector(x[k], x[k + 4], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    for (int k = 0; k < SIDE; k++) x[k] = y[k];
  }
  for (int k = 0; k < SIDE; k++) {
    Eight *at = (Eight *)(to + k * to_step);
    if (add) x[k] += *at;
    *at = x[k];
  }
}

INLINE void turn_line(const real *from, long from_step, long n, real *to, long to_step, bool add) {
  for (long i = 0; i < n; i++) to[i * to_step] = add ? to[i * to_step] + from[i * from_step] : from[i * from_step];
}

KERNEL(turn, (long rows, long columns, const real *from, long from_step, real *to, long to_step, bool add),
       (rows, columns, from, from_step, to, to_step, add)) {
  const long whole_rows = rows / SIDE * SIDE, whole_columns = columns / SIDE * SIDE;
  const bool along = from_step > to_step; /* the one of the two whose lines are further apart is passed in its order */
  const long outer = along ? whole_rows : whole_columns, inner = along ? whole_columns : whole_rows;
  for (long i = 0; i < outer; i += SIDE)
    for (long j = 0; j < inner; j += SIDE) {
      const long r = along ? i : j, c = along ? j : i;
      turn_block(from + r * from_step + c, from_step, to + c * to_step + r, to_step, add);
    }
  for (long r = whole_rows; r < rows; r++) turn_line(from + r * from_step, 1, columns, to + r, to_step, add);
  for (long c = whole_columns; c < columns; c++) turn_line(from + c, from_step, whole_rows, to + c * to_step, 1, add);
}
