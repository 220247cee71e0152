#ifndef TH_RUN_LOGINDEX_H
#define TH_RUN_LOGINDEX_H

/*
 * In which order the two streams of a task came, and when: LOGDIR/index, a line for each gathered
 * write, noted before it.
 *
 *	1795258685123456 o 131:1795258685.123456789:5120
 *
 * that is: the time in microseconds, the stream ("o", "e"), and the place where the gather begins,
 * as in `runs` (run/logruns.h): a rotation changes nothing about it. It reaches to the place of the
 * next line of that stream. While one stream alone comes, and quickly, there is a line each
 * LOGINDEX_EVERY_USEC only: the order loses nothing by that.
 *
 * index and index.1 hold LOGINDEX_MAX bytes each. What is older than they tell has no order.
 */

#include "base/clock.h"
#include "base/error.h"
#include "run/logruns.h"

#include <stddef.h>

#define LOGINDEX_FILE	    "index"
#define LOGINDEX_MAX	    ((size_t)512 * 1024)
#define LOGINDEX_EVERY_USEC (100 * USEC_PER_MSEC)

enum log_stream {
	LOG_STDOUT,
	LOG_STDERR,
	LOG_STREAMS,
};

struct logindex; /* the writer's end; one for both streams */

/* Nothing is opened before there is something to note. `dirfd` is not taken and must stay open. */
struct logindex *logindex_new(int dirfd);
struct logindex *logindex_free(struct logindex *x); /* NULL is fine; returns NULL */

/* Is a line due for what has been read of `stream`? */
bool logindex_is_due(const struct logindex *x, enum log_stream stream, usec_t monotonic);
/* Notes it. What cannot be noted is not: the logs are what counts. */
void logindex_note(
	struct logindex *x, enum log_stream stream, const struct logplace *place, usec_t monotonic);

struct logindex_entry {
	usec_t realtime;
	enum log_stream stream;
	struct logplace place;
};
struct logindex_list {
	struct logindex_entry *v; /* oldest first */
	size_t n;
};
/* 0 also where there is none; lines that cannot be read are passed over. -errno with err. */
int logindex_read(int dirfd, struct logindex_list *ret, struct th_err *err);
void logindex_list_done(struct logindex_list *l);
#define _cleanup_logindex_list_ _cleanup_(logindex_list_done)

#endif
