#ifndef TH_RUN_HOOKPOINT_H
#define TH_RUN_HOOKPOINT_H

/*
 * Runs all hooks of one hook point: selection, order, retries, failure policy.
 */

#include "base/error.h"
#include "base/str.h"
#include "model/point.h"
#include "run/hooksession.h"

#include <stdbool.h>

/* What came of a point. */
struct point_result {
	bool begun;	/* at least one hook was run */
	bool fatal;	/* a failure that the caller must act on: fail, or stop */
	bool stop;	/* on-failure = stop (or fail at post-start): stop the task */
	bool timed_out; /* the fatal one did */
	bool interrupted;
	unsigned n_run, n_failed;
	char *hook;	    /* the fatal one's name; owned */
	char *reason;	    /* why; owned */
	struct strv output; /* its last lines */
};
void point_result_done(struct point_result *r);
#define _cleanup_point_ _cleanup_(point_result_done)

/* 0: gone through (see *ret for what came of it); -errno: the hooks could not even be listed
 * (configuration). */
int hook_session_point(struct hook_session *s, enum hook_point point, struct point_result *ret,
	struct th_err *err);

#endif
