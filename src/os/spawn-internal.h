#ifndef TH_OS_SPAWN_INTERNAL_H
#define TH_OS_SPAWN_INTERNAL_H

/* Between spawn.c, which makes the child, and spawn-child.c, which is the child. */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn_spec;

/* The kernel's sigset_t, which is smaller than that of libc. */
#define KERNEL_SIGSET_SIZE ((size_t)(_NSIG / 8))

/* What the child needs, made ready before it exists, and what it reports. */
struct spawn_child {
	const struct spawn_spec *spec;
	pid_t parent;
	uint64_t ignored;
	bool attach;   /* it has to enter the cgroup by itself */
	int report_fd; /* -1: through `report` in shared memory */
	char oom_score_adj[16];
	struct spawn_report {
		int step;   /* enum spawn_step; SPAWN_OK: it has not begun */
		int errnum; /* 0: none failed */
	} report;
};

/* The life of a child, `arg` a struct spawn_child: ends in exec or in exit. The report is in the
 * parent's memory or, with a pipe, in a copy of it. */
void spawn_child_main(void *arg);

#endif
