#ifndef TH_RUN_RECOVER_H
#define TH_RUN_RECOVER_H

/*
 * A task that outlives its supervisor gets another: the lock is taken, what the last one had noted
 * is read back, the process is known by its pid and start time and watched through a pidfd, the
 * log pumps go on where they were, and the states go on from where they were.
 *
 * What the last one was in the midst of: a hook is killed and counts as failed, and at post-start
 * those behind it are not run; pre-stop hooks are not run a second time, and the grace begins anew;
 * a restart that was asked for and had not come to its stop is off.
 */

#include "base/error.h"
#include "model/layout.h"
#include "model/task.h"
#include "run/options.h"

#include <stdbool.h>

/* Is it a task that outlives its supervisor, whose process lives, or that is between two of
 * them or between the last and its end, and whose supervisor does not live? 1 with the task (the
 * caller frees it; NULL: not wanted), else 0. */
int recover_look(const struct layout *layout, const char *group, const char *id, struct task **ret);

/* Takes over and goes on to the task's end, in this process, which run/background.h has made for
 * it. Returns the exit status; EXIT_OK also where there was nothing to take over (any more).
 * Messages have been said. */
int recover_run(const struct layout *layout, const char *group, const char *id,
	const struct supervisor_options *options);

#endif
