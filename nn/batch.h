/* A batch of samples in the making. */
#ifndef GANDER_BATCH_H
#define GANDER_BATCH_H

#include "nn.h"

typedef struct Batch {
  const Dataset *set;
  const long *which; /* samples, n of them; borrowed */
  long n, size;      /* of a sample, in elements */
  Tensor *x, *labels;
} Batch;

bool batch_begin(Batch *b, const Dataset *d, long n, const long *which, bool labels); /* x is still to be filled */
long batch_grain(const Batch *b);                                                     /* for workers_for */
void batch_fill(void *batch, long from, long to);                                     /* some of the samples */
Tensor *batch_take(Batch *b, Tensor **labels); /* x, and the labels unless NULL: the scope's from now on */
void batch_drop(Batch *b);

#endif
