#ifndef TH_RUN_OPTIONS_H
#define TH_RUN_OPTIONS_H

/* What the command line says about how a supervisor does its work, as opposed to about the task. */

#include "base/clock.h"

#include <stdbool.h>

enum if_running {
	IF_RUNNING_FAIL,
	IF_RUNNING_SKIP,
	IF_RUNNING_WAIT,
	IF_RUNNING_REPLACE,
};

struct supervisor_options {
	bool quiet, verbose;
	bool strict;	  /* failures that stop nothing turn status 0 into 122 */
	bool interactive; /* -i: a terminal's stdin is passed on */
	bool background;  /* `start`: run/background.h */
	bool no_wait;	  /* the start is through at the launch */
	int caller_fd;	  /* background: the channel to who called `start` */
	enum if_running if_running;
	usec_t if_running_wait;	 /* IF_RUNNING_WAIT; USEC_INFINITY: no limit */
	const char *result_file; /* --result; NULL. background: absolute */
};

#endif
