/* Which set of kernels this CPU runs. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

CpuSet cpu_set;
static bool unknown; /* what GANDER_CPU names */

/* CPU_PLAIN and CPU_FMA share a name: those who ask for it want what every CPU has, not other bits. */
static const char *const names[] = {"generic", "generic", "avx2", "avx512"};

static CpuSet best(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("fma")) return CPU_PLAIN;
  if (!__builtin_cpu_supports("avx2")) return CPU_FMA;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return avx512 ? CPU_AVX512 : CPU_AVX2;
#else
  return CPU_PLAIN;
#endif
}

bool cpu_choose(const char *name) {
  const CpuSet most = best();
  for (int set = most; set >= 0; set--)
    if (!strcmp(name, names[set])) return cpu_set = (CpuSet)set, true;
  char list[80] = "";
  for (int set = most; set >= 0; set--) {
    if (set && !strcmp(names[set], names[set - 1])) continue;
    strcat(list, *list ? " or " : "");
    strcat(list, names[set]);
  }
  return nn_fail("GANDER_CPU is %s; on this CPU it may be %s", name, list);
}

/* Before main, as kernels have no way to fail. */
__attribute__((constructor)) static void choose_first(void) {
  const char *wish = getenv("GANDER_CPU");
  cpu_set = best();
  unknown = wish && !cpu_choose(wish);
  nn_clear_error();
}

bool cpu_check(void) {
  return !unknown || cpu_choose(getenv("GANDER_CPU"));
}
