#ifndef TH_MODEL_REQUEST_H
#define TH_MODEL_REQUEST_H

/*
 * What a command asks of a task's supervisor through its socket, and what comes back: one line of
 * JSON each (HACKING, "The control socket"). Pure: text from and to structs.
 *
 *	{"format": 1, "op": "stop", "signal": "TERM", "timeout_usec": 5000000, "reason": "asked",
 *	 "hooks": [{"point": "pre-stop", "path": "/...", "role": "...", "option": "--prehook"}]}
 *	{"format": 1, "op": "signal", "signal": "HUP", "all": true}
 *	{"format": 1, "op": "restart", "hooks": [{"point": "pre-restart", ...}]}
 *	{"format": 1, "op": "update", "sets": [{"key": "limits.memory", "value": "1G", "origin":
 *"--set"}], "restart": true, "force": true, "dry_run": true, "group": true, "hooks": [...]}
 *	{"format": 1, "op": "wait"}
 *	{"format": 1, "op": "ping"}
 *
 *	{"event": "accepted", "format": 1}
 *	{"event": "message", "level": "warning", "text": "..."}
 *	{"event": "change", "text": "limits.memory: 2G -> 1G (in use 700M)"}
 *	{"event": "end", "status": 0, "text": "..."}
 *
 * The first answer is `accepted`, unless the request is refused; the last is `end`. Its text, where
 * there is one, says why the status is not 0.
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "model/hook.h"
#include "model/result.h"
#include "model/update.h"

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_FORMAT 1
/* Of a request and of each answer, the newline included. */
#define REQUEST_MAX	  ((size_t)64 * 1024)
#define REQUEST_HOOKS_MAX ((size_t)100)

enum request_op {
	REQUEST_PING,
	REQUEST_STOP,
	REQUEST_SIGNAL,
	REQUEST_RESTART,
	REQUEST_UPDATE,
	REQUEST_WAIT,
	REQUEST_OP_COUNT,
};
const char *request_op_name(enum request_op op);

struct request {
	enum request_op op;
	int signal;	/* stop: instead of the task's own; signal: which. 0: none */
	bool all;	/* signal: for every process, not the main one alone */
	usec_t timeout; /* stop: the grace, instead of the task's own; USEC_INFINITY: not given */
	enum stop_reason reason;   /* stop; STOP_NONE where absent */
	struct hook_option *hooks; /* stop, restart, update: at their points also; owned by who made
				      them */
	size_t n_hooks;
	struct update_set *sets; /* update; owned by who made them */
	size_t n_sets;
	/* update: with a restart where one is needed; also below what is in use; only say what
	 * would be done; the limits of the group too */
	bool restart, force, dry_run, group;
};
#define REQUEST_INIT(o)                                                                            \
	{                                                                                          \
		.op = (o), .timeout = USEC_INFINITY                                                \
	}

/* One line with its newline; the caller frees it. */
char *request_to_line(const struct request *r);
/* Frees the hooks and values of one that request_from_line() has filled. */
void request_done(struct request *r);
/* From one line without its newline. -EINVAL with err (EXIT_DATAERR, or EXIT_UNAVAILABLE for a
 * newer format). Unknown members are left alone. */
int request_from_line(const char *line, size_t n, struct request *ret, struct th_err *err);

enum answer_event {
	ANSWER_ACCEPTED,
	ANSWER_MESSAGE,
	ANSWER_CHANGE,
	ANSWER_END,
};

struct answer {
	enum answer_event event;
	enum log_level level; /* of a message */
	int status;	      /* of an end: an exit status, 0 to 255 */
	char *text;	      /* owned; NULL: none */
};
void answer_done(struct answer *a);
#define _cleanup_answer_ _cleanup_(answer_done)

/* As for requests. Text that would make the line longer than REQUEST_MAX is cut. */
char *answer_to_line(const struct answer *a);
int answer_from_line(const char *line, size_t n, struct answer *ret, struct th_err *err);

#endif
