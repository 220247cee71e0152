#ifndef TH_CMD_STATS_WATCH_H
#define TH_CMD_STATS_WATCH_H

/*
 * `stats --watch`: the figures drawn anew at each interval on the whole terminal, with the last
 * minute of CPU and memory of each task as a line of bars, until q or a signal.
 */

#include "cmd/stats_rows.h"

/* Values of one figure, one for each interval, the newest last. */
#define STATS_HISTORY 60

struct stats_watch_spec {
	const struct layout *layout;
	const struct task_list *names; /* NULL: all that run */
	usec_t interval_usec;
	bool unicode;
};

/* The terminal (stdin and stdout) is as it was when this returns: 0 after q; the number of the
 * signal that ended it; -errno with err. */
int stats_watch(const struct stats_watch_spec *spec, struct th_err *err);

#endif
