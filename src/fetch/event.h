#ifndef TH_FETCH_EVENT_H
#define TH_FETCH_EVENT_H

/*
 * What the helper tells its parent: lines of JSON on the socket that the job came from. Both
 * threads call these. Texts must be free of secrets (source_redact()); bytes that are no UTF-8 are
 * escaped here. A parent that is gone ends the process, as nobody is left to fetch for.
 *
 *	{"event": "start", "total": N or null, "resumed": N}
 *	{"event": "progress", "down": N, "total": N or null, "unpacked": N, "files": N}
 *	{"event": "warning", "text": "..."}
 *	{"event": "retry", "attempt": 2, "of": 4, "delay_usec": N, "text": "why"}
 * and at last one of
 *	{"event": "done", "kind": "file|dir", "filename": "app.bin", "size": N, "unpacked": N,
 *	 "files": N, "digest": "sha256:...", "etag": "...", "last_modified": "..."}
 *	{"event": "unchanged", "digest": "sha256:..."}
 *	{"event": "failed", "status": N, "text": "...", "retryable": false}
 * Members without a value are left out, but for total.
 */

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define EVENT_TOTAL_UNKNOWN UINT64_MAX

/* At most one progress event in this time. */
#define EVENT_PROGRESS_USEC (100 * USEC_PER_MSEC)

/* Where events go; the descriptor stays the caller's. Before the first thread is made. */
void event_init(int fd);

/* Has the parent closed its end? */
bool event_parent_is_gone(void);

/* `total`: bytes of the whole, or EVENT_TOTAL_UNKNOWN. */
void event_start(uint64_t total, uint64_t resumed);
void event_warning(const char *fmt, ...) PRINTF_ATTR(1, 2);
void event_retry(unsigned attempt, unsigned of, usec_t delay_usec, const char *text);

/* What has happened so far; each thread tells its half, and the event goes out with both when it
 * is time for one. */
void event_progress_down(uint64_t down, uint64_t total);
void event_progress_unpacked(uint64_t unpacked, uint64_t files);

struct event_done {
	bool is_dir;
	const char *filename; /* NULL: none */
	uint64_t size;	      /* bytes that came down */
	uint64_t unpacked;
	uint64_t files;
	const char *digest; /* NULL where nothing was digested: git, a directory */
	const char *etag, *last_modified;
};
void event_done(const struct event_done *done);
void event_unchanged(const char *digest);
/* Returns the exit status to end with. */
int event_failed(const struct th_err *err, bool retryable);

#endif
