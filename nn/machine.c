#include "machine.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first words of a file of the folder; false if there is none. */
static bool read_words(const char *folder, const char *name, char *words, int size) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  bool ok = fgets(words, size, file);
  fclose(file);
  return ok;
}

/* ---- cores ---- */

static int cores_allowed(void) {
#ifdef __linux__
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
#endif
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Microseconds of all cores together in each period; there is no quota where the first is "max" (version 2) or -1. */
static bool read_quota(const char *groups, double *quota, double *period) {
  char words[64], more[64], *rest;
  if (read_words(groups, "cpu.max", words, sizeof words)) {
    *quota = strtod(words, &rest);
    *period = strtod(rest, NULL);
  } else {
    if (!read_words(groups, "cpu/cpu.cfs_quota_us", words, sizeof words)) return false;
    if (!read_words(groups, "cpu/cpu.cfs_period_us", more, sizeof more)) return false;
    *quota = strtod(words, NULL);
    *period = strtod(more, NULL);
  }
  return *quota > 0 && *period > 0;
}

int cores_usable(const char *groups) {
  int cores = cores_allowed();
  double quota, period;
  if (read_quota(groups, &quota, &period) && quota < cores * period) cores = (int)((quota + period - 1) / period);
  return cores < 1 ? 1 : cores;
}

/* ---- memory ---- */

size_t memory_usable(const char *groups) {
  const char *const limits[] = {"memory.max", "memory/memory.limit_in_bytes"}; /* of version 2 and 1 */
  size_t have = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  char words[64];
  for (int i = 0; i < 2; i++) {
    size_t limit = read_words(groups, limits[i], words, sizeof words) ? strtoull(words, NULL, 10) : 0; /* "max": none */
    if (limit && limit < have) have = limit;
  }
  return have;
}
