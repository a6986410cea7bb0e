/* Names from the rows: the nearest to a misspelled one, and those that a word may become. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

/* ---- the nearest name ---- */

enum { LONGEST = 48 };

static int least(int a, int b, int c) {
  int m = a < b ? a : b;
  return m < c ? m : c;
}

/* How many letters must be inserted, dropped, changed or exchanged with their neighbour (Damerau, Levenshtein). The case of
 * a letter counts half: costs are doubled. */
static int distance(const char *a, const char *b) {
  int row[3][LONGEST + 1], n = (int)strlen(b);
  for (int j = 0; j <= n; j++) row[0][j] = 2 * j;
  for (int i = 1; a[i - 1]; i++) {
    int *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
    now[0] = 2 * i;
    for (int j = 1; j <= n; j++) {
      bool folded = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
      int change = a[i - 1] == b[j - 1] ? 0 : folded ? 1 : 2;
      now[j] = least(before[j] + 2, now[j - 1] + 2, before[j - 1] + change);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 2 < now[j])
        now[j] = earlier[j - 2] + 2;
    }
  }
  return row[strlen(a) % 3][n];
}

static int common(const char *a, const char *b) {
  int n = 0;
  while (a[n] && a[n] == b[n]) n++;
  return n;
}

/* Of two equally near names the one that begins alike for longer, then the first in order. */
static bool is_nearer(const char *word, const char *name, const char *nearest) {
  int more = common(word, name) - common(word, nearest);
  return more > 0 || (more == 0 && strcmp(name, nearest) < 0);
}

const char *nearest_name(const char *word, const char *const *names, int n) {
  size_t length = strlen(word);
  if (length > LONGEST) return NULL;
  int best = (length < 3 ? 2 : length < 6 ? 4 : 6) + 1;
  const char *nearest = NULL;
  for (int i = 0; i < n; i++) {
    if (strlen(names[i]) > LONGEST || !strcmp(names[i], word)) continue;
    int d = distance(word, names[i]);
    if (d > (int)strlen(names[i]) || d > best - !nearest || (nearest && d == best && !is_nearer(word, names[i], nearest))) continue;
    best = d;
    nearest = names[i];
  }
  return nearest;
}

/* ---- completion ---- */

typedef struct List {
  char **name;
  int n, room;
} List;

static void list_add(List *list, const char *prefix, const char *text, size_t n) {
  size_t begins = strlen(prefix);
  if (n < begins || strncmp(text, prefix, begins) != 0) return;
  for (int i = 0; i < list->n; i++)
    if (strlen(list->name[i]) == n && !strncmp(list->name[i], text, n)) return;
  if (list->n == list->room) {
    int room = list->room ? 2 * list->room : 64;
    char **grown = realloc(list->name, (size_t)room * sizeof *grown);
    if (!grown) return;
    list->name = grown;
    list->room = room;
  }
  char *copy = strndup(text, n);
  if (copy) list->name[list->n++] = copy;
}

/* x:NAME, where x may be called like a kind, "optimizer:" */
static void add_methods(List *list, const char *prefix, const char *context) {
  int kind = kind_find(context, strlen(context) - 1);
  for (int i = 0; i < topics_count(); i++) {
    const Topic *t = topics_at(i);
    const char *colon = strchr(t->name, ':');
    if (colon && (kind < 0 || t->self == kind))
      list_add(list, prefix, colon + 1, strlen(colon + 1));
    else if (t->method && (kind < 0 || kind == KIND_TENSOR))
      list_add(list, prefix, t->who, strlen(t->who));
  }
}

/* What stands in a table, "nn." or "" for globals. */
static void add_places(List *list, const char *prefix, const char *context) {
  size_t n = strlen(context);
  for (int i = 0; i < topics_count(); i++) {
    const char *name = topics_at(i)->name;
    if (strchr(name, ':') || strncmp(name, context, n) != 0) continue;
    list_add(list, prefix, name + n, strcspn(name + n, "."));
  }
}

/* x.NAME of an object: "optimizer.lr" */
static void add_fields(List *list, const char *prefix, const char *context) {
  int kind = kind_find(context, strlen(context) - 1);
  for (int k = 0; k < KIND_COUNT; k++) {
    if (kind >= 0 && kind != k) continue;
    for (const char *at = bind_field_names(k); *at; at += strspn(at, " ")) {
      size_t n = strcspn(at, " ");
      list_add(list, prefix, at, n);
      at += n;
    }
  }
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

char **complete_names(const char *prefix, const char *context, int *n) {
  List list = {0};
  size_t length = strlen(context);
  char last = length ? context[length - 1] : 0;
  if (last == ':')
    add_methods(&list, prefix, context);
  else
    add_places(&list, prefix, context);
  if (last == '.' && !list.n) add_fields(&list, prefix, context);
  if (list.n) qsort(list.name, (size_t)list.n, sizeof *list.name, by_name);
  *n = list.n;
  return list.name;
}
