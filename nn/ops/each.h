/* Ops that work element by element. */
#ifndef GANDER_OPS_EACH_H
#define GANDER_OPS_EACH_H

#include "../kernels/each.h"
#include "../row.h"

/* Fills c->out with a kernel's values of the op's tensors, at most three, broadcast to its shape. The kernel's
 * numbers are p, or those of the call when p is NULL. */
bool call_each(Call *c, void (*kernel)(const Run *), const real *p);
bool call_alike(Call *c); /* a shape function: two tensors of the same shape */

#endif
