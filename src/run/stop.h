#ifndef TH_RUN_STOP_H
#define TH_RUN_STOP_H

/* Asks the supervisors of tasks to stop them, all at once, and waits until all is done. */

#include "base/error.h"
#include "model/layout.h"
#include "model/request.h"
#include "os/loop.h"
#include "run/options.h"

#include <stdbool.h>

struct stop_one {
	const char *group, *id;
	int status; /* EXIT_OK: it is down; EXIT_WITH_FAILURES: down, with failures that have been
		       said; else it is not */
	bool recovered; /* own: it was given another supervisor */
};

/*
 * `request` is the same for all. One that runs on without a supervisor gets another first, which
 * has `options`. One whose supervisor was killed and that does not run on is brought down here, as
 * the janitor does it, with `finish`; without, it is none of ours. Messages are said, and the name
 * of the task that log_set_task() has set is gone afterwards. 0: all have status 0; else the first
 * other status.
 */
int stop_tasks(const struct layout *l, struct loop *loop, const struct request *request,
	const struct supervisor_options *options, bool finish, struct stop_one *v, size_t n);

/* How long the stop of a task may take, from its record: its hooks, its grace, its kill. */
usec_t stop_budget(const struct layout *l, const char *group, const char *id, usec_t grace);

#endif
