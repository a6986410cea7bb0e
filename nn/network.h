/* What the files about modules tell each other. */
#ifndef GANDER_NETWORK_H
#define GANDER_NETWORK_H

#include "nn.h"

extern const Layer *const layers_weighted[], *const layers_activation[], *const layers_plain[]; /* each ends with NULL */
extern const Layer sequential;

/* For build(): is argument i of the layer, or each number of it, whole and at least `least`, if it is given? */
bool layer_at_least(const Module *m, int i, long least);
/* For forward(): is x[0] all that was given, with `ndim` dimensions (0: any but none) and, unless it is 0, `channels` as the
 * last? `shape` says that in letters, with %ld for the channels. */
bool layer_wants(int n, Tensor *const *x, int ndim, long channels, const char *shape);

uint64_t walk_begin(void); /* the number of a new walk over modules */
/* Adds to the waiting error which of the modules on the road failed, and what ran before it. */
void road_tell(Module *const *road, int length, uint64_t since, int n, Tensor *const *x);

#endif
