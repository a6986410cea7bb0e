/* The list of all that has a name, arguments and help. It only grows, entry before count, so the terminal's
 * thread may look names up while Lua runs. */
#include <stdatomic.h>
#include <string.h>

#include "vm.h"

enum { MOST = 1024 };
static Topic *topics[MOST];
static atomic_int count;

int topics_count(void) {
  return count;
}

const Topic *topics_at(int i) {
  return topics[i];
}

const Topic *topics_find(const char *name) {
  for (int i = 0; i < count; i++)
    if (!strcmp(topics[i]->name, name)) return topics[i];
  return NULL;
}

Topic *topic_add(const char *place, const char *name, const char *args, const char *help, const char *example, const void *row) {
  size_t n = strlen(place), length = n + strlen(name) + 1;
  Topic *t = count < MOST ? memory_new(sizeof *t + length) : NULL;
  if (!t) return NULL;
  char *full = (char *)(t + 1);
  strcpy(full, place);
  strcpy(full + n, name);
  *t = (Topic){.name = full, .who = full + n, .args = args, .help = help, .example = example, .row = row, .self = -1};
  topics[count] = t;
  count++;
  return t;
}

const Signature *topic_signature(const Topic *topic) {
  Topic *t = (Topic *)topic;
  if (t->signature) return t->signature;
  Signature *s = memory_new(sizeof *s);
  if (!s || !signature_parse(t->args, s)) {
    memory_free(s);
    return NULL;
  }
  return t->signature = s;
}
