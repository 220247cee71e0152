#ifndef TH_RUN_SUPERVISOR_H
#define TH_RUN_SUPERVISOR_H

/*
 * The process that owns one task from its first directory to its last clean-up: it goes through the
 * states of model/state.h, doing in each what taskhook-lifecycle(7) says and feeding what came of
 * it to state_next().
 */

#include "base/error.h"
#include "model/layout.h"
#include "model/task.h"
#include "run/options.h"

#include <sys/types.h>

/* Runs the task to its end, in this process. Returns the exit status of taskhook(1); messages have
 * been said. */
int supervisor_run(
	const struct layout *layout, struct task *task, const struct supervisor_options *options);

/* The pid of the supervisor that holds the task's lock: 1, 0 (none), or -errno. */
int supervisor_find(const struct layout *layout, const char *group, const char *id, pid_t *ret);

#endif
