#ifndef TH_RUN_LOGMERGE_H
#define TH_RUN_LOGMERGE_H

/*
 * Both streams of a task in the order in which they came, as far as LOGDIR/index tells
 * (run/logindex.h), in whole lines: a line belongs to the moment in which its beginning was
 * written. What is older than the index comes first, standard output before standard error.
 */

#include "run/logindex.h"
#include "run/logread.h"

/* A part of a stream that is to be shown; without the stream `r` is NULL. */
struct logmerge_part {
	struct logread *r;
	uint64_t from, to; /* as logread.h counts */
};

struct logmerge_segment {
	enum log_stream stream;
	usec_t realtime; /* 0: not known */
	uint64_t from, to;
};
struct logmerge {
	struct logmerge_segment *v;
	size_t n;
};
void logmerge_done(struct logmerge *m);
#define _cleanup_logmerge_ _cleanup_(logmerge_done)

/* Fills *ret (empty before). */
void logmerge_make(const struct logmerge_part parts[LOG_STREAMS], const struct logindex_list *index,
	struct logmerge *ret);

/* Leaves what came at `realtime` or later, to LOGINDEX_EVERY_USEC. */
void logmerge_since(struct logmerge *m, usec_t realtime);
/* Leaves the last `lines` lines of all. */
void logmerge_tail(
	struct logmerge *m, const struct logmerge_part parts[LOG_STREAMS], uint64_t lines);

#endif
