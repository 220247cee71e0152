#ifndef TH_CMD_TASK_STATS_H
#define TH_CMD_TASK_STATS_H

/*
 * What a task uses: from its cgroup, from /proc where a controller is missing or there is no
 * cgroup, from its record once it has ended.
 */

#include "base/clock.h"
#include "cmd/task_view.h"
#include "os/cgstat.h"
#include "os/proc.h"

#include <stdbool.h>
#include <stdint.h>

enum stats_from {
	STATS_UNKNOWN,
	STATS_FROM_CGROUP,
	STATS_FROM_PROC,
	STATS_FROM_RECORD,
};
const char *stats_from_name(enum stats_from f); /* "cgroup"; "unknown" */

struct task_stats {
	usec_t taken; /* monotonic */
	enum stats_from cpu, memory, pids, io;
	usec_t cpu_user_usec, cpu_system_usec;
	bool has_throttled; /* with the cpu controller */
	usec_t throttled_usec;
	bool has_current, has_peak, has_parts; /* parts: file, swap; kernel of cgroups alone */
	uint64_t memory_current, memory_peak, memory_file, memory_swap, memory_kernel;
	uint64_t pids_current; /* processes and threads */
	uint64_t io_rbytes, io_wbytes;
	bool has_oom_kills;
	uint64_t oom_kills;
	struct cgstat_pressure pressure[CGSTAT_RESOURCES];
};

/* Cannot fail: what is not known is STATS_UNKNOWN. `procs`, all zero at first, is shared by tasks
 * that are looked at together, as a scan of /proc for each is dear. */
void task_stats_read(const struct task_view *v, struct proc_table *procs, struct task_stats *ret);

/* CPU time used from `before` to `now` in percent of one CPU; below 0 where that cannot be told. */
double task_stats_cpu_percent(const struct task_stats *before, const struct task_stats *now);

#endif
