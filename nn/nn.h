/* gander's library: tensors, gradients, networks and their training, in plain C.
 *
 * This header and those that it includes are the manual. The library prints nothing, never exits, and knows neither Lua nor
 * a window. Five rules hold everywhere:
 *
 * 1. One thread at a time calls it (its own workers only run kernels).
 * 2. Whoever makes an object with X_new owns it and ends it with X_drop; X_keep takes a further
 *    reference. A *function of tensors* (tensor_add, ...) returns a tensor that belongs to the
 *    open scope: scope_leave() drops all that were made since scope_enter(), but for the result.
 *    So expressions nest, `tensor_mean(tensor_square(tensor_sub(a, b)), ...)`, and leak nothing.
 * 3. What fails returns NULL (or false) and leaves a message in nn_error(); the first message
 *    wins. Functions of tensors given a NULL return NULL, so one check at the end is enough.
 * 4. Dimensions and positions given as C integers count from 0; dimensions may be negative (-1 is
 *    the last). Tensors that *hold* indices or class labels hold them counted from 1, since the
 *    same tensor is seen by scripts; index_at() is the one place that converts.
 * 5. The channel is the last dimension: images are N,H,W,C, sequences N,T,C.
 *
 * Letters in shapes: N samples, H height, W width, C channels, T time, D features, K kernel;
 * m,k,n the sides of a matrix product. */
#ifndef GANDER_NN_H
#define GANDER_NN_H

#include "tensor.h"  /* errors, memory, workers, random numbers, tensors, gradients */
#include "ops.h"     /* what is computed with tensors */
#include "modules.h" /* layers, losses, optimizers, schedules */
#include "train.h"   /* data, files, trainers */

#endif
