/* What this process may use of the machine, which may be less than there is: its container's control groups (in the given
 * folder, usually MACHINE_GROUPS) have a quota of time and a limit of memory. */
#ifndef GANDER_MACHINE_H
#define GANDER_MACHINE_H

#include <stddef.h>

/* Cores that it may run on and has time for: a quota of one and a half is two. At least 1. */
int cores_usable(const char *groups);

/* Bytes of memory, of all that run here. */
size_t memory_usable(const char *groups);

#define MACHINE_GROUPS "/sys/fs/cgroup"

#endif
