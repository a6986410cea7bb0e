/* Help and completion from the rows. */
#include <ctype.h>
#include <stdio.h>
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

const char *nearest_name(const char *word, const char *const *names, int n) {
  size_t length = strlen(word);
  if (length > LONGEST) return NULL;
  int limit = length < 3 ? 2 : length < 6 ? 4 : 6, best = limit + 1;
  const char *nearest = NULL;
  for (int i = 0; i < n; i++) {
    if (strlen(names[i]) > LONGEST || !strcmp(names[i], word)) continue;
    int d = distance(word, names[i]);
    if (d > (int)strlen(names[i]) || d > best || (d == best && nearest && strcmp(names[i], nearest) > 0)) continue;
    best = d;
    nearest = names[i];
  }
  return nearest;
}
