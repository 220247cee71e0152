#ifndef TH_OS_CGROUP_INTERNAL_H
#define TH_OS_CGROUP_INTERNAL_H

/* What cgroup.c and cgroup-tree.c share, and nobody else needs. */

#include <stdbool.h>
#include <string.h>
#include <time.h>

/* Waits 1 ms, for conditions that no file descriptor tells. */
static inline void cgroup_pause_briefly(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* One name, which leads neither up nor down. */
static inline bool cgroup_name_is_single(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

#endif
