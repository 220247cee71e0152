#ifndef TH_RUN_HOOKACCT_H
#define TH_RUN_HOOKACCT_H

/*
 * What the kernel accounted for one hook in its cgroup. A cgroup is used again for the next hook
 * where the last one left nothing in it, so its files are kept open and the difference is taken.
 * Private to src/run.
 */

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct hookacct {
	int cgroup_fd; /* not owned; -1: none */
	int events_fd, cpu_fd, peak_fd;
	usec_t cpu_before;
	uint64_t peak_before;
	bool peak_resets; /* memory.peak can be reset (Linux 6.12) */
};
#define HOOKACCT_INIT                                                                              \
	{                                                                                          \
		.cgroup_fd = -1, .events_fd = -1, .cpu_fd = -1, .peak_fd = -1                      \
	}

/* Before the hook starts. The same number means the same cgroup, or a new one of which it is the
 * first hook. */
void hookacct_begin(struct hookacct *a, int cgroup_fd);

/* Processes in the cgroup or below: 1, 0, -errno. */
int hookacct_populated(struct hookacct *a);

/* What came since the beginning. *ret_peak is 0 where it is not known: no memory controller, or a
 * peak that an earlier hook set. */
void hookacct_end(struct hookacct *a, usec_t *ret_cpu, uint64_t *ret_peak);

/* Closes its files: the next cgroup is another one. */
void hookacct_done(struct hookacct *a);

#endif
