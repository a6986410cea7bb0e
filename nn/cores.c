#include "cores.h"

#include <sched.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int cores_allowed(void) {
#ifdef __linux__
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
#endif
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

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
