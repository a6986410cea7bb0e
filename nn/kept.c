/* What was worked out from the numbers of a tensor's memory, like packed weights, and holds until they are written to. It
 * counts as memory in use; it goes with the memory it was made from, or when there is no other left. */
#include <string.h>

#include "row.h"

typedef struct Kept {
  struct Kept *next;
  Storage *from;
  unsigned version; /* of `from` */
  KeptKey key;
  Tensor *made;
} Kept;

static Kept *all;

/* Parameters are used several times before they change, other tensors rather not. */
Storage *keeper(const Tensor *weight) {
  return weight->node && !weight->node->op ? weight->storage : NULL;
}

/* Drops those of a storage (NULL: of any) that are older than its version, or all of them. */
static void drop(const Storage *from, bool old) {
  for (Kept **place = &all; *place;) {
    Kept *k = *place;
    if ((from && k->from != from) || (old && k->version == k->from->version)) {
      place = &k->next;
      continue;
    }
    *place = k->next;
    k->from->kept--;
    tensor_drop(k->made);
    memory_free(k);
  }
}

void kept_drop(const Storage *from) {
  if (!from || from->kept) drop(from, false);
}

Tensor *kept_find(const Storage *from, const KeptKey *key) {
  if (!from || !from->kept) return NULL;
  drop(from, true);
  for (Kept *k = all; k; k = k->next)
    if (k->from == from && !memcmp(&k->key, key, sizeof *key)) return tensor_keep(k->made);
  return NULL;
}

bool kept_add(Storage *from, const KeptKey *key, Tensor *made) {
  if (!from) return true;
  Kept *k = memory_new(sizeof *k);
  if (!k) return false;
  *k = (Kept){all, from, from->version, *key, tensor_keep(made)};
  all = k;
  from->kept++;
  return true;
}
