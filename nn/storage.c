/* Memory: reference-counted blocks from a cache of size classes.
 *
 * A class is one of four steps between powers of two, so a block is at most a quarter larger than
 * asked. Blocks that are dropped wait in their class's list, already mapped: a training step that
 * has run once asks the system for nothing. */
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "machine.h"
#include "row.h"

enum { CLASSES = 160, SMALLEST = 64, LARGER = 2 }; /* LARGER: classes that an idle block may be above */

typedef struct Idle {
  struct Idle *next;
} Idle;

static Idle *idle[CLASSES];
static MemoryUse use;
static long fail_after = -1;
static void (*collect)(void *);
static void *collect_data;

/* Class 4e+q holds blocks of SMALLEST * 2^e * (1 + q/4) bytes. */
static size_t class_bytes(int class) {
  size_t unit = (size_t)SMALLEST << (class / 4);
  return unit + unit / 4 * (size_t)(class % 4);
}

static int class_of(size_t bytes) {
  int class = 0;
  while (class < CLASSES - 1 && class_bytes(class) < bytes) class += 4;
  class = class < 4 ? class : class - 3;
  while (class < CLASSES - 1 && class_bytes(class) < bytes) class ++;
  return class;
}

void memory_limit(size_t bytes) {
  if (!bytes) bytes = memory_usable(MACHINE_GROUPS) / 10 * 9; /* a tenth is for everything else */
  use.limit = bytes;
}

MemoryUse memory_use(void) {
  if (!use.limit) memory_limit(0);
  return use;
}

void memory_on_full(void (*function)(void *), void *data) {
  collect = function;
  collect_data = data;
}

void memory_fail_after(long allocations) {
  fail_after = allocations;
}

static bool injected_failure(void) {
  return fail_after > 0 && --fail_after == 0;
}

static void drop_idle(void) {
  for (int class = 0; class < CLASSES; class ++)
    while (idle[class]) {
      Idle *block = idle[class];
      idle[class] = block->next;
      block_free(block, class_bytes(class));
    }
  use.cached = 0;
}

void memory_drop_cache(void) {
  kept_drop(NULL);
  drop_idle();
}

static void *block_from_system(int class) {
  size_t bytes = class_bytes(class);
  if (use.live + bytes > use.limit) return NULL;
  if (use.live + use.cached + bytes > use.limit) drop_idle();
  void *block = block_new(bytes);
  if (block) use.fresh++;
  return block;
}

/* An idle block of the class, or of one that is not much larger: *class becomes its own. */
static void *block_take(int *class) {
  int found = *class, last = *class + LARGER < CLASSES ? *class + LARGER : CLASSES - 1;
  while (found < last && !idle[found]) found++;
  Idle *block = idle[found];
  if (!block) return block_from_system(*class);
  *class = found;
  idle[found] = block->next;
  use.cached -= class_bytes(found);
  return block;
}

static void *block_find(int *class) {
  if (!use.limit) memory_limit(0);
  void *block = injected_failure() ? NULL : block_take(class);
  if (!block) { /* the road on failure: give back what can be had again, let the language collect, try once more */
    memory_drop_cache();
    if (collect) collect(collect_data);
    if (fail_after != 0) block = block_take(class);
  }
  return block;
}

static void say_full(size_t bytes) {
  nn_fail("out of memory: %.1f MB asked for, %.1f MB of %.1f MB in use", bytes / 1e6, use.live / 1e6, use.limit / 1e6);
}

Storage *storage_new(size_t bytes) {
  Storage *s = memory_new(sizeof *s);
  if (!s) return NULL;
  s->refs = 1;
  s->bytes = bytes;
  s->size_class = class_of(bytes);
  s->data = class_bytes(s->size_class) < bytes ? NULL : block_find(&s->size_class);
  if (!s->data) {
    memory_free(s);
    say_full(bytes);
    return NULL;
  }
  use.live += class_bytes(s->size_class);
  if (use.live > use.peak) use.peak = use.live;
  return s;
}

Storage *storage_keep(Storage *s) {
  if (s) s->refs++;
  return s;
}

void storage_drop(Storage *s) {
  if (!s || --s->refs) return;
  kept_drop(s);
  Idle *block = s->data;
  size_t bytes = class_bytes(s->size_class);
  block->next = idle[s->size_class];
  idle[s->size_class] = block;
  use.live -= bytes;
  use.cached += bytes;
  memory_free(s);
}

void *memory_new(size_t bytes) {
  void *p = injected_failure() ? NULL : calloc(1, bytes ? bytes : 1);
  if (!p) say_full(bytes);
  return p;
}

void memory_free(void *p) {
  free(p);
}
