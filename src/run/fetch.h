#ifndef TH_RUN_FETCH_H
#define TH_RUN_FETCH_H

/*
 * One taskhook-fetch: started with its job, listened to, ended with all that it started. It has a
 * user of its own where we are root, an almost empty environment, and nothing but its working
 * directory to write to. What it leaves there is checked by run/publish.
 *
 *	fetch_start(&spec, &job, &f, &err);
 *	while (!fetch_is_over(f))
 *		loop_run(loop, fetch_deadline(f));
 *	fetch_finish(f, &event, &err);
 *	fetch_free(f);
 */

#include "base/clock.h"
#include "base/error.h"
#include "os/cred.h"
#include "os/loop.h"
#include "run/fetchevent.h"
#include "run/fetchjob.h"

#include <stdbool.h>
#include <stddef.h>

/* What is counted so far. */
struct fetch_progress {
	uint64_t down, total; /* bytes; total may be FETCH_SIZE_UNKNOWN */
	uint64_t resumed;     /* of `down`: there before this attempt */
	uint64_t unpacked, files;
	usec_t started; /* monotonic; of the attempt */
};

struct fetch_spec {
	struct loop *loop;
	const char *helper;	 /* absolute path of taskhook-fetch */
	const struct cred *cred; /* NULL: as ourselves */
	int cgroup_fd;	/* empty and for it alone, open as long as it lives; -1: a keeper */
	int staging_fd; /* where it works, and its path */
	const char *staging_path;
	usec_t timeout; /* the job's; the helper gets a little longer before it is killed */
	/* Warnings and retries; output that it wrote as a line. Either may be NULL. */
	void (*tell)(void *arg, const struct fetch_event *event);
	void (*line)(void *arg, const char *line, size_t n);
	void *arg;
};

struct fetch;

/* The path of taskhook-fetch, as helper_find() (run/helper.h) gives it. */
int fetch_find_helper(const char *program, char **ret, struct th_err *err);

/* Takes what `job` holds, also when it fails. 0, or -errno with err. */
int fetch_start(const struct fetch_spec *spec, struct fetchjob *job, struct fetch **ret,
	struct th_err *err);

/* It has ended, or has to be ended: fetch_finish() does not wait for it. */
bool fetch_is_over(const struct fetch *f);
/* When it will be over in any case (monotonic). */
usec_t fetch_deadline(const struct fetch *f);
const struct fetch_progress *fetch_progress(const struct fetch *f);

/*
 * Ends all that is left of it. 0: *ret is an event FETCH_EVENT_DONE or FETCH_EVENT_UNCHANGED
 * (fetch_event_done() is the caller's); else -errno with err: what the helper gave as its reason,
 * or what is wrong with the helper. Once.
 */
int fetch_finish(struct fetch *f, struct fetch_event *ret, struct th_err *err);

/* Kills what still runs. NULL is fine; returns NULL. */
struct fetch *fetch_free(struct fetch *f);

#endif
