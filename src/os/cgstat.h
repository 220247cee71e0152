#ifndef TH_OS_CGSTAT_H
#define TH_OS_CGSTAT_H

/* What a cgroup tells of its processes, exited ones included. */

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct cgstat {
	bool has_cpu; /* cpu.stat is always there, without the controller too */
	usec_t cpu_usec, cpu_user_usec, cpu_system_usec, throttled_usec;
	bool has_memory;
	uint64_t memory_current, memory_peak; /* peak: Linux 5.19; 0 before */
	uint64_t oom_kill; /* memory.events: oom_kill, of this cgroup and below */
	bool has_pids;
	uint64_t pids_current, pids_peak; /* peak: Linux 6.1; 0 before */
	bool has_io;
	uint64_t io_rbytes, io_wbytes;
};

/* Reads what is there of the controllers CGROUP_* of os/cgroup.h, and CPU time; a missing one is
 * has_* false, not an error. 0, or -errno: -ENOENT or -ENODEV where the cgroup was removed. */
int cgstat_read(int dirfd, unsigned controllers, struct cgstat *ret);
/* Only CPU time (one file), for hooks. */
int cgstat_read_cpu(int dirfd, usec_t *ret_cpu_usec);

/* How long processes waited for something (Documentation/accounting/psi.rst): `some` of them, or
 * all
 * (`full`). Averages over 10 s in hundredths of a percent. */
struct cgstat_pressure {
	bool known;
	unsigned some_avg10, full_avg10;
	usec_t some_usec, full_usec;
};

enum cgstat_resource {
	CGSTAT_CPU,
	CGSTAT_MEMORY,
	CGSTAT_IO,
	CGSTAT_RESOURCES,
};
const char *cgstat_resource_name(enum cgstat_resource r); /* "cpu" */

/* What `stats` shows beside. */
struct cgstat_details {
	/* memory.stat and memory.swap.current; kernel: Linux 5.18, 0 before. */
	uint64_t memory_file, memory_kernel, memory_swap;
	/* Each cgroup has these, with or without controllers; unknown where the kernel does not
	 * count. */
	struct cgstat_pressure pressure[CGSTAT_RESOURCES];
};
/* Missing files are no error; 0 bytes and unknown. */
void cgstat_read_details(int dirfd, struct cgstat_details *ret);

#endif
