/* Ops that work element by element. */
#ifndef GANDER_OPS_EACH_H
#define GANDER_OPS_EACH_H

#include "../kernels/each.h"
#include "../row.h"

/* Fills c->out with a kernel's values of the op's tensors, at most three, broadcast to its shape. The kernel's
 * numbers are p, or those of the call when p is NULL. */
bool call_each(Call *c, void (*kernel)(const Run *), const real *p);
bool call_alike(Call *c); /* a shape function: two tensors of the same shape */

/* The last arguments of a row that applies an activation to the result of another: what they say, and for C how to say it. */
#define ACTIVATION_ARGS "activation:relu|leaky_relu|sigmoid|tanh=relu, negative_slope:number=0.01"
Activation activation_read(const Param *p);
void activation_write(Param *p, Activation a);
/* Shape function of such a row: that of the other, whose name errors bear, and a look at the activation in `param`. */
bool activated_shape(Call *c, const Op *other, int param);
/* From the gradient of the activated result y that of what was activated. */
Tensor *activation_gradient(Activation a, Tensor *g, Tensor *y);

#endif
