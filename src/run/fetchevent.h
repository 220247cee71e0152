#ifndef TH_RUN_FETCHEVENT_H
#define TH_RUN_FETCHEVENT_H

/*
 * What taskhook-fetch tells: one line of JSON each (src/fetch/event.h). The helper handles bytes
 * from anywhere, so nothing of it is believed further than its form: numbers are what it says it
 * saw, texts are escaped and cut here.
 */

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_EVENT_LINE_MAX ((size_t)64 * 1024)
#define FETCH_SIZE_UNKNOWN   UINT64_MAX

enum fetch_event_kind {
	FETCH_EVENT_START,
	FETCH_EVENT_PROGRESS,
	FETCH_EVENT_WARNING,
	FETCH_EVENT_RETRY,
	/* The last one is one of these. */
	FETCH_EVENT_DONE,
	FETCH_EVENT_UNCHANGED,
	FETCH_EVENT_FAILED,
};

struct fetch_event {
	enum fetch_event_kind kind;
	uint64_t total;	  /* bytes of the whole, or FETCH_SIZE_UNKNOWN */
	uint64_t resumed; /* bytes that were there before this attempt */
	uint64_t down, unpacked, files;
	unsigned attempt, of; /* retry: the next attempt's number */
	usec_t delay_usec;
	char *text; /* of a warning, a retry or a failure; never NULL there */
	int status; /* of a failure: one that a helper may decide */
	bool is_dir;
	char *filename; /* a single component, or NULL */
	char *digest;	/* "sha256:" and 64 digits, or NULL */
	char *etag, *last_modified;
};

void fetch_event_done(struct fetch_event *e);
#define _cleanup_fetch_event_ _cleanup_(fetch_event_done)

/* 0; or -EPROTO with err (EXIT_INTERNAL) for what no helper of this release says. *ret is set only
 * on success. */
int fetch_event_parse(const char *line, size_t n, struct fetch_event *ret, struct th_err *err);

#endif
