/* Kernels transformed for products with the transformed pictures. */
#ifndef GANDER_WINOGRAD_KERNEL_H
#define GANDER_WINOGRAD_KERNEL_H

#include "tile.h"
#include "winograd.h"

/* For each term down and each point across a matrix of panels: its rows are the channels of one term across after another,
 * of those with this point. */
typedef struct Kernel {
  int width;   /* of a panel */
  long panels; /* of each matrix */
  long channels;
  int terms[POINTS]; /* across, with each point */
  Tensor *memory;
} Kernel;

bool kernel_make(Kernel *k, const Gather *g, const Filter *filter);
void kernel_drop(Kernel *k);
const real *kernel_panel(const Kernel *k, const Filter *filter, int term, int point, long panel);

#endif
