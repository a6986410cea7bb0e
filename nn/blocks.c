/* Blocks of memory from the system, in huge pages where it has them: with pages of 4 KB, finding the page costs more than
 * the arithmetic. Blocks as large as a huge page are aligned to one; smaller ones are cut from chunks, one behind the other, and
 * a chunk goes back when none of its blocks is left. */
#include "blocks.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
  LINE = 64, /* bytes of the cache, to which all blocks are aligned */
  HUGE_PAGE = 2 << 20,
  CHUNK = 16 << 20 /* also its alignment: a block's chunk is found by its address */
};

#ifdef NN_SEPARATE_BLOCKS
static const bool separate = true; /* for tools that look for writing past a block's end */
#else
static const bool separate = false;
#endif

typedef struct Chunk {
  size_t used;
  long blocks;
} Chunk;

static Chunk *cut; /* the one that blocks are cut from */

static void *huge_pages(size_t unit, size_t bytes) {
  void *p = aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
#ifdef MADV_HUGEPAGE
  if (p && unit >= HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return p;
}

static void begin_chunk(Chunk *c) {
  *c = (Chunk){.used = LINE};
}

static void *cut_block(size_t bytes) {
  if (!cut || cut->used + bytes > CHUNK) {
    if (cut && !cut->blocks) free(cut);
    cut = huge_pages(CHUNK, CHUNK);
    if (!cut) return NULL;
    begin_chunk(cut);
  }
  void *block = (char *)cut + cut->used;
  cut->used += (bytes + LINE - 1) / LINE * LINE;
  cut->blocks++;
  return block;
}

static bool is_cut(size_t bytes) {
  return bytes < HUGE_PAGE && !separate;
}

void *block_new(size_t bytes) {
  if (is_cut(bytes)) return cut_block(bytes);
  return huge_pages(bytes < HUGE_PAGE ? LINE : HUGE_PAGE, bytes);
}

void block_free(void *block, size_t bytes) {
  if (!is_cut(bytes)) {
    free(block);
    return;
  }
  Chunk *c = (Chunk *)((uintptr_t)block / CHUNK * CHUNK);
  if (--c->blocks) return;
  if (c == cut)
    begin_chunk(c);
  else
    free(c);
}
