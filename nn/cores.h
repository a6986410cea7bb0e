/* How many cores this process may use. */
#ifndef GANDER_CORES_H
#define GANDER_CORES_H

/* Those it may run on, and no more than the control groups (of the given folder, usually CORES_GROUPS) give it time for: a
 * quota of one and a half is two. At least 1. */
int cores_usable(const char *groups);

#define CORES_GROUPS "/sys/fs/cgroup"

#endif
