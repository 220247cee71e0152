#ifndef TH_RUN_SUPERVISOR_H
#define TH_RUN_SUPERVISOR_H

/*
 * The process that owns one task from its first directory to its last clean-up: it goes through the
 * states of model/state.h, doing in each what taskhook-lifecycle(7) says and feeding what came of
 * it to state_next().
 */

#include "base/error.h"
#include "model/layout.h"
#include "model/result.h"
#include "model/task.h"
#include "run/options.h"

#include <sys/types.h>

/* Runs the task in the foreground to its end. Returns the exit status of taskhook(1); messages have
 * been said. */
int supervisor_run(const struct layout *layout, const struct task *task,
	const struct supervisor_options *options);

/* Asks the supervisor of a running task to stop it, for `reason`. 0, -ESRCH: none runs. */
int supervisor_ask_stop(
	const struct layout *layout, const char *group, const char *id, enum stop_reason reason);

/* The pid of the supervisor that holds the task's lock: 1, 0 (none), or -errno. */
int supervisor_find(const struct layout *layout, const char *group, const char *id, pid_t *ret);

#endif
