/* Products of matrices of which one has so few rows or columns, or the sums are so short, that fetching the others takes longer
 * than multiplying: nothing is packed or turned, and what is large is read or written once, in its order. */
#ifndef GANDER_THIN_H
#define GANDER_THIN_H

#include "multiply.h"

bool thin_suits(const Multiply *m);
bool thin_run(const Multiply *m);

#endif
