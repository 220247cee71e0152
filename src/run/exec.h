#ifndef TH_RUN_EXEC_H
#define TH_RUN_EXEC_H

/*
 * `exec`: another command in a running task, with its user, limits and environment, in a cgroup of
 * its own below the task's, so that it counts as the task's, ends with the task, and can be ended
 * alone. The caller's standard streams are the command's.
 */

#include "base/clock.h"
#include "base/error.h"
#include "model/layout.h"
#include "run/options.h"

struct exec_options {
	const struct supervisor_options *supervisor;
	usec_t timeout; /* then TERM, and 5 s later KILL; USEC_INFINITY: none */
};

/*
 * Runs it to its end. The exit status: the command's own, 128+N for signal N, EXIT_TIMEOUT, or with
 * err why it was not started: EXIT_BUSY (the task does not run), EXIT_NOPERM, EXIT_NOT_FOUND,
 * EXIT_CANNOT_EXEC. INT, TERM, HUP, QUIT, USR1, USR2 and WINCH are passed on to it.
 */
int exec_in_task(const struct layout *layout, const char *group, const char *id,
	char *const *command, const struct exec_options *options, struct th_err *err);

#endif
