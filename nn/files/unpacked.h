/* Large gzipped files are unpacked once: a copy of what was in them stays in the user's cache folder. */
#ifndef GANDER_UNPACKED_H
#define GANDER_UNPACKED_H

#include "../nn.h"

/* What the last 8 bytes of a gzipped file say of what was packed. */
typedef struct Unpacked {
  uint32_t checksum, size; /* CRC-32; bytes modulo 2^32 */
} Unpacked;

Unpacked unpacked_of(const uint8_t *packed, size_t n); /* n >= 8 */

/* Is there a copy, whole and with the right checksum? It then stands in `to`, which has room for u.size bytes. */
bool unpacked_read(Unpacked u, uint8_t *to);

/* Leaves a copy for the next time. Where that does not work, the next time takes as long as this one. */
void unpacked_keep(Unpacked u, const uint8_t *bytes);

#endif
