/* Memory from the system, for tensors. */
#ifndef GANDER_BLOCKS_H
#define GANDER_BLOCKS_H

#include <stddef.h>

void *block_new(size_t bytes); /* aligned to a line of the cache; NULL when there is none */
void block_free(void *block, size_t bytes);

#endif
