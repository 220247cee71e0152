#ifndef TH_RUN_HOOKTRY_H
#define TH_RUN_HOOKTRY_H

/*
 * `hooks run`: the hooks of one point as a task would run them, with a task that does not exist. It
 * has directories of its own below RUN/_try-XXXXXX, which are removed in the end, no process and
 * no cgroup; the hooks' own cgroups, users, timeouts and environment are the real ones.
 */

#include "base/error.h"
#include "model/result.h"
#include "model/task.h"

#include <stdbool.h>

struct hooktry_options {
	const char *only;	 /* the one hook to run; NULL: all */
	enum task_result result; /* how the task is said to have ended, at points after its end */
	bool quiet;
};

/*
 * Runs them. What they hand on to the task is printed on stdout as NAME=VALUE. Returns the exit
 * status: 0; EXIT_WITH_FAILURES where a hook failed and the point goes on; EXIT_HOOK_FAILED or
 * EXIT_HOOK_TIMEOUT where it does not; messages have been said. -errno with err: nothing was run.
 */
int hooktry_run(const struct layout *layout, const struct task *task, enum hook_point point,
	const struct hooktry_options *options, struct th_err *err);

#endif
