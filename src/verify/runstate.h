#ifndef TH_VERIFY_RUNSTATE_H
#define TH_VERIFY_RUNSTATE_H

/*
 * A run of a template as a state machine: what is measured when, and what comes of it. Pure: time
 * is given, nothing is asked or waited for. The rules are those of Argo Rollouts' analysis
 * controller, with BlueKing's policy and limits (taskhook-template(5)).
 *
 *	runstate_init(&rs, &tmpl, now);
 *	while (!runstate_is_over(&rs)) {
 *		while ((i = runstate_due(&rs, now)) >= 0)
 *			runstate_begin(&rs, i, now, realtime), then measure
 *		wait until runstate_next(&rs, now) or the end of a measurement
 *		runstate_finish(&rs, i, now, &measurement);
 *	}
 */

#include "verify/tmpl.h"

#include <stdbool.h>
#include <sys/types.h>

enum phase {
	PHASE_PENDING,
	PHASE_RUNNING,
	PHASE_SUCCESSFUL,
	PHASE_FAILED,
	PHASE_ERROR,
	PHASE_INCONCLUSIVE,
};
const char *phase_name(enum phase phase); /* "Successful" */
bool phase_from_name(const char *name, enum phase *ret);
bool phase_is_terminal(enum phase phase);

#define RUNSTATE_TERMINATED "Run Terminated" /* the message of a run that was */

struct measurement {
	enum phase phase;
	char *message;			    /* owned; NULL: none */
	char *value;			    /* as it is shown; owned; NULL: none */
	json_t *reply;			    /* the answer, where it is kept; owned; NULL: none */
	usec_t started_usec, finished_usec; /* wall clock, for the record */
};
void measurement_done(struct measurement *m);

struct metric_state {
	enum phase phase;
	char *message; /* owned */
	unsigned count, successful, failed, inconclusive, error;
	unsigned consecutive_error, consecutive_success;
	struct measurement *kept; /* the newest, oldest first */
	size_t n_kept;
	bool in_flight, measured;
	enum phase last;      /* of the last measurement */
	usec_t finished_usec; /* of it, monotonic */
};

struct runstate {
	const struct tmpl *tmpl;
	struct metric_state *metrics; /* as many as in tmpl */
	usec_t started_usec;	      /* monotonic */
	enum phase phase;
	char *message;	 /* owned */
	bool terminated; /* asked for */
	bool timed_out;	 /* the template's timeout is over */
};

/* `t` stays the caller's and lives longer. */
void runstate_init(struct runstate *rs, const struct tmpl *t, usec_t now);
void runstate_done(struct runstate *rs);

/* A metric to be measured now, -1 where there is none. */
ssize_t runstate_due(const struct runstate *rs, usec_t now);
/* When one will be due, or the timeout is; USEC_INFINITY: only when a measurement ends. */
usec_t runstate_next(const struct runstate *rs, usec_t now);

void runstate_begin(struct runstate *rs, size_t i);
/* Takes what `m` holds. */
void runstate_finish(struct runstate *rs, size_t i, usec_t now, struct measurement *m);

/* Ends it: nothing new begins. The measurements that are under way are the caller's to end, and to
 * forget with runstate_drop(). */
void runstate_terminate(struct runstate *rs);
void runstate_drop(struct runstate *rs, size_t i);
/* To be called as time passes: finds the end of the template's timeout. */
void runstate_tick(struct runstate *rs, usec_t now);

/* Nothing new begins: asked for, timed out, or a metric failed. */
bool runstate_is_terminating(const struct runstate *rs);
bool runstate_is_over(const struct runstate *rs);

/* Phases and messages from the counters; called by the others, and after a record was read. */
void runstate_assess(struct runstate *rs);

#endif
