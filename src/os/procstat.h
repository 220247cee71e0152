#ifndef TH_OS_PROCSTAT_H
#define TH_OS_PROCSTAT_H

/*
 * What /proc tells of processes, added up (proc(5)): for hosts where no cgroup counts it. A page
 * that several processes map counts for each of them, and what a process did that has ended and
 * that nobody waited for is missing.
 */

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procstat {
	uint64_t processes, threads;
	/* Their own time, and that of children which they have waited for. */
	usec_t cpu_user_usec, cpu_system_usec;
	uint64_t rss_bytes, file_bytes, swap_bytes; /* file: with shared memory */
	bool io_missing;			    /* of one at least it may not be read */
	uint64_t io_rbytes, io_wbytes;		    /* from and to disks, children included */
};

/* Adds a process to `sum`. 0, -ESRCH: there is none (any more), or -errno. */
int procstat_add(pid_t pid, struct procstat *sum);

#endif
