#ifndef TH_RUN_HOOKLOG_H
#define TH_RUN_HOOKLOG_H

/*
 * What hooks say and what became of them: LOGDIR/hooks.log, one line for each line of output, and
 * LOGDIR/hooks.jsonl, one JSON object for each run (taskhook-hooks(7)).
 *
 *	2026-11-21T10:44:45.123Z pre-start/20-mount: text
 *
 * Both are opened with their first byte: a task without hooks has neither. Lines are gathered for
 * HOOKLOG_GATHER_USEC, so that a directory of quick hooks does not cost a write for each of
 * them; a SIGKILL of the supervisor loses what the hooks said and ended with in that time
 * at most. hooklog_flush() is for whoever is about to tell somebody that a hook ended or failed,
 * and for the end of a point.
 */

#include "base/clock.h"
#include "base/error.h"
#include "os/loop.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOOKLOG_GATHER_USEC (20 * USEC_PER_MSEC)

struct hooklog;

struct hooklog_spec {
	struct loop *loop; /* NULL: nothing is gathered */
	int dirfd;	   /* the log directory; not taken, open as long as the hooklog lives */
	uint64_t max_size; /* of each of the two streams, as [logs] */
	unsigned max_files;
	uid_t uid; /* owner of the files; -1: as they come */
	gid_t gid;
};

/* Opens nothing; cannot fail. */
struct hooklog *hooklog_new(const struct hooklog_spec *spec);

/* One line of output, without the newline, read just now; control bytes are escaped. `label` is
 * "pre-start/20-mount". A file that cannot be opened is said once (a warning), and what it was
 * to get is lost and counted. */
void hooklog_line(struct hooklog *l, const char *label, const char *line, size_t n);

/* One record, written as one compact line; not taken. */
void hooklog_record(struct hooklog *l, const json_t *record);

/* logfile_set_limits() of both files. */
void hooklog_set_limits(struct hooklog *l, uint64_t max_size, unsigned max_files);

/* Writes what was gathered. */
void hooklog_flush(struct hooklog *l);

/* Bytes that could not be written. */
uint64_t hooklog_dropped(const struct hooklog *l);

/* Flushes and closes. NULL is fine; returns NULL. */
struct hooklog *hooklog_free(struct hooklog *l);

static inline void hooklog_freep(struct hooklog **l)
{
	*l = hooklog_free(*l);
}
#define _cleanup_hooklog_ _cleanup_(hooklog_freep)

#endif
