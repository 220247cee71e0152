#include "config.h"

#include "cmd/task_stats.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "os/cgroup.h"
#include "os/proc.h"
#include "os/procstat.h"

#include <errno.h>
#include <fcntl.h>

/* Of one task, read one by one where no cgroup counts them. */
#define PIDS_MAX 65536

const char *stats_from_name(enum stats_from f)
{
	static const char *const names[] = {"unknown", "cgroup", "proc", "record"};

	return names[f];
}

static void read_cgroup(int fd, struct task_stats *ret)
{
	struct cgstat_details details;
	unsigned controllers = 0;
	struct cgstat st;

	(void)cgroup_controllers(fd, &controllers);
	if (cgstat_read(fd, controllers, &st) < 0)
		return;
	ret->cpu = STATS_FROM_CGROUP;
	ret->cpu_user_usec = st.cpu_user_usec;
	ret->cpu_system_usec = st.cpu_system_usec;
	ret->has_throttled = controllers & CGROUP_CPU;
	ret->throttled_usec = st.throttled_usec;
	cgstat_read_details(fd, &details);
	for (size_t i = 0; i < CGSTAT_RESOURCES; i++)
		ret->pressure[i] = details.pressure[i];
	if (st.has_memory) {
		ret->memory = STATS_FROM_CGROUP;
		ret->has_current = ret->has_parts = ret->has_oom_kills = true;
		ret->has_peak = st.memory_peak > 0;
		ret->memory_current = st.memory_current;
		ret->memory_peak = st.memory_peak;
		ret->memory_file = details.memory_file;
		ret->memory_swap = details.memory_swap;
		ret->memory_kernel = details.memory_kernel;
		ret->oom_kills = st.oom_kill;
	}
	if (st.has_pids) {
		ret->pids = STATS_FROM_CGROUP;
		ret->pids_current = st.pids_current;
	}
	if (st.has_io) {
		ret->io = STATS_FROM_CGROUP;
		ret->io_rbytes = st.io_rbytes;
		ret->io_wbytes = st.io_wbytes;
	}
}

/* With a cgroup its processes; else what is below the keeper, and the keeper itself, which has
 * waited for those that have ended. False where there are none. */
static bool add_processes(
	int cgroup_fd, const struct live_state *l, struct proc_table *procs, struct procstat *ret)
{
	const struct proc_entry *tree = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	pid_t root = l->keeper_pid > 0 ? l->keeper_pid : l->main_pid;
	uint64_t ticks = l->keeper_pid > 0 ? l->keeper_start_ticks : l->main_start_ticks;
	int n;

	if (cgroup_fd >= 0) {
		pids = xcalloc(PIDS_MAX, sizeof(*pids));
		n = cgroup_list_pids(cgroup_fd, pids, PIDS_MAX);
		for (int i = 0; i < MIN(n, PIDS_MAX); i++)
			(void)procstat_add(pids[i], ret);
		return n >= 0;
	}
	if (root <= 0 || !proc_is_alive(root, ticks))
		return false;
	n = proc_table_tree(procs, root, &tree);
	for (int i = 0; i < n; i++)
		(void)procstat_add(tree[i].pid, ret);
	(void)procstat_add(root, ret);
	if (l->keeper_pid > 0 && ret->processes > 0) {
		/* The keeper's thread is taskhook's. */
		ret->processes--;
		ret->threads--;
	}
	return n >= 0;
}

static void read_proc(
	int cgroup_fd, const struct task_view *v, struct proc_table *procs, struct task_stats *ret)
{
	struct procstat st = {0};

	if (!v->has_live || !add_processes(cgroup_fd, &v->live, procs, &st))
		return;
	if (ret->cpu == STATS_UNKNOWN) {
		ret->cpu = STATS_FROM_PROC;
		ret->cpu_user_usec = st.cpu_user_usec;
		ret->cpu_system_usec = st.cpu_system_usec;
	}
	if (ret->memory == STATS_UNKNOWN) {
		ret->memory = STATS_FROM_PROC;
		ret->has_current = ret->has_parts = true;
		ret->memory_current = st.rss_bytes;
		ret->memory_file = st.file_bytes;
		ret->memory_swap = st.swap_bytes;
	}
	if (ret->pids == STATS_UNKNOWN) {
		ret->pids = STATS_FROM_PROC;
		ret->pids_current = st.threads;
	}
	if (ret->io == STATS_UNKNOWN && !st.io_missing) {
		ret->io = STATS_FROM_PROC;
		ret->io_rbytes = st.io_rbytes;
		ret->io_wbytes = st.io_wbytes;
	}
}

static void read_record(const struct usage *u, struct task_stats *ret)
{
	if (!u->known)
		return;
	ret->cpu = STATS_FROM_RECORD;
	ret->cpu_user_usec = u->cpu_user_usec;
	ret->cpu_system_usec = u->cpu_system_usec;
	ret->memory = STATS_FROM_RECORD;
	ret->has_peak = u->memory_peak > 0;
	ret->memory_peak = u->memory_peak;
	ret->has_oom_kills = true;
	ret->oom_kills = u->oom_kills;
	if (u->has_io) {
		ret->io = STATS_FROM_RECORD;
		ret->io_rbytes = u->io_rbytes;
		ret->io_wbytes = u->io_wbytes;
	}
}

void task_stats_read(const struct task_view *v, struct proc_table *procs, struct task_stats *ret)
{
	_cleanup_close_ int fd = -1;

	*ret = (struct task_stats){.taken = clock_monotonic_usec()};
	if (!v->supervised && !v->lost && v->state != STATE_STUCK) {
		read_record(&v->record.usage, ret);
		return;
	}
	if (v->has_live && *v->live.cgroup)
		fd = cgroup_open(AT_FDCWD, v->live.cgroup);
	if (fd >= 0)
		read_cgroup(fd, ret);
	if (ret->cpu == STATS_UNKNOWN || ret->memory == STATS_UNKNOWN ||
		ret->pids == STATS_UNKNOWN || ret->io == STATS_UNKNOWN)
		read_proc(fd, v, procs, ret);
}

double task_stats_cpu_percent(const struct task_stats *before, const struct task_stats *now)
{
	usec_t used = usec_sub(now->cpu_user_usec + now->cpu_system_usec,
		before->cpu_user_usec + before->cpu_system_usec);

	if (before->cpu == STATS_UNKNOWN || before->cpu != now->cpu ||
		now->cpu == STATS_FROM_RECORD || now->taken <= before->taken)
		return -1;
	return 100.0 * (double)used / (double)(now->taken - before->taken);
}
