/* What the files about modules tell each other. */
#ifndef GANDER_NETWORK_H
#define GANDER_NETWORK_H

#include "nn.h"

extern const Layer *const layers_weighted[], *const layers_activation[], *const layers_plain[],
                                                                             *const layers_sequence[]; /* each ends with NULL */
extern const Layer sequential;

/* For build(): is argument i of the layer, or each number of it, whole and at least `least`, if it is given? */
bool layer_at_least(const Module *m, int i, long least);
/* For forward(): is x[0] all that was given, with `ndim` dimensions (0: any but none) and, unless it is 0, `channels` as the
 * last? `shape` says that in letters, with %ld for the channels. */
bool layer_wants(int n, Tensor *const *x, int ndim, long channels, const char *shape);

/* A layer may do the activation that follows it along with its own work. layer_is_activation: is m one of those that can be, as
 * the layer that it was made as? layer_take: for forward(), the activation that it is asked to do, up to kind `last`; kind 0 when
 * there is none. Taking it obliges. */
bool layer_is_activation(const Module *m, Activation *a);
Activation layer_take(const Module *m, int last);
/* Is m a MaxPool2d, as it was made, that gives fewer numbers than it gets? */
bool layer_is_smaller_pool(const Module *m);
/* A layer may look up what it makes of the rows of a table, when the module before it does no more than pick such rows by the
 * indices x. layer_table: m's table, if m is an Embedding; layer_looks_up: can m do so? layer_take_table: for forward(), the
 * table that x is to be looked up in, or NULL. Taking it obliges. */
Tensor *layer_table(const Module *m);
bool layer_looks_up(const Module *m, const Tensor *table, const Tensor *x);
Tensor *layer_take_table(const Module *m);
/* For forward() of a layer with m->more: layer_asked, once: does the caller want the further results? If so, layer_give takes each.
 */
bool layer_asked(const Module *m);
void layer_give(Tensor *result);
/* Calls the first of so many modules and, where that saves work, the one that follows; says whether it did. */
Tensor *module_call_both(int modules, const Child *module, int n, Tensor *const *x, bool *both);

uint64_t walk_begin(void); /* the number of a new walk over modules */
/* Adds to the waiting error which of the modules on the road failed, and what ran before it. */
void road_tell(Module *const *road, int length, uint64_t since, int n, Tensor *const *x);

#endif
