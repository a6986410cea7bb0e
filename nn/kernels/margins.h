/* Copies of pictures with zeros left and right of them. */
#ifndef GANDER_MARGINS_H
#define GANDER_MARGINS_H

#include "../nn.h"

/* n lines of `row` numbers become lines of left + row + right; the caller's to drop. */
Tensor *margins_new(const real *lines, long n, long row, long left, long right);

#endif
