#ifndef TH_RUN_BACKGROUND_H
#define TH_RUN_BACKGROUND_H

/*
 * `start`: supervisors in processes of their own. Each begins as a child of the command, in a
 * session of its own, with `/` as working directory and none of the caller's descriptors but
 * standard error, which it keeps for messages until its start is through. Then it tells the command
 * how that went, lets go of standard error, and says what it has to say in logs/taskhook.log and in
 * the journal or syslog. It moves to the cgroup PARENT/_supervisors (run/cgtree.h), so that nothing
 * that ends its caller ends it.
 *
 * INT, TERM and HUP to the command ask those that are starting to stop; when the command is killed
 * they go on.
 */

#include "base/error.h"
#include "model/layout.h"
#include "model/task.h"
#include "run/options.h"

#include <stdbool.h>

/* One of several tasks that are started at once. */
struct background_start {
	struct task *task;
	bool recover; /* it runs, and has lost its supervisor (run/recover.h) */
	bool running; /* the start is through: the task runs, or has ended since */
	int status;   /* else why not, as supervisor_run() returns it; recover: 0 where there was
			 nothing to take over any more */
};

/*
 * Starts all of them, and returns when each start is through or undone. `done` is called for each
 * at that time, in any order. Messages have been said by the supervisors. 0; -EINTR: a signal came
 * (*ret_signal), and those not begun by then have the status of it; -errno with err where the
 * command itself cannot go on.
 */
int background_start_all(const struct layout *layout, const struct supervisor_options *options,
	struct background_start *starts, size_t n,
	void (*done)(void *arg, struct background_start *s), void *arg, int *ret_signal,
	struct th_err *err);

#endif
