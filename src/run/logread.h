#ifndef TH_RUN_LOGREAD_H
#define TH_RUN_LOGREAD_H

/*
 * A stream of logs as one text: NAME.N to NAME.1 and NAME, one after the other, as they are at
 * the time of the open. What is written afterwards is not seen; what is rotated or removed
 * afterwards still is, as the files are held open.
 *
 *	logread_open(dirfd, "stdout.log", &r, &err);
 *	logread_find_run(r, &runs, i, &from, &to);
 *	from = logread_tail(r, from, to, 10);
 *	logread_copy(r, from, to, STDOUT_FILENO);
 *
 * Places are offsets in that text.
 */

#include "base/error.h"
#include "run/logruns.h"

#include <stdint.h>

struct logread;

/* 0 also where there is no file: an empty text. Links and what is no regular file are passed over.
 * -errno with err. */
int logread_open(int dirfd, const char *name, struct logread **ret, struct th_err *err);
struct logread *logread_free(struct logread *r);

static inline void logread_freep(struct logread **r)
{
	*r = logread_free(*r);
}
#define _cleanup_logread_ _cleanup_(logread_freep)

uint64_t logread_size(const struct logread *r);

/*
 * The part that run `index` of `runs` wrote, as [*ret_from, *ret_to); index == -1 is what was there
 * before the first line, the first run. True where its beginning is still there; false where that
 * was rotated away, perhaps all of it (then from equals to).
 */
bool logread_find_run(const struct logread *r, const struct logruns *runs, ssize_t index,
	uint64_t *ret_from, uint64_t *ret_to);

/* Where that place is in the text. False: its file is gone. */
bool logread_find(const struct logread *r, const struct logplace *place, uint64_t *ret);

/* Where the first line begins at `at` or behind it, `to` at the latest. A line of more than 64 KiB
 * is cut where it is. */
uint64_t logread_line_begin(const struct logread *r, uint64_t at, uint64_t to);

/* Where the last `lines` lines of [from, to) begin; an unfinished last one counts. */
uint64_t logread_tail(struct logread *r, uint64_t from, uint64_t to, uint64_t lines);
/* The same, where *lines is counted down by those found. */
uint64_t logread_tail_count(struct logread *r, uint64_t from, uint64_t to, uint64_t *lines);

/* Up to n bytes from `at`, within one file: their number, 0 behind the end, -errno. */
ssize_t logread_read(const struct logread *r, uint64_t at, char *buf, size_t n);

/* The place of `at`, which logread_find() finds again when the files have other names. */
void logread_place(const struct logread *r, uint64_t at, struct logplace *ret);

/* As logread_copy(), with `mark` before each line; what ends without a newline gets one. */
int logread_copy_marked(struct logread *r, uint64_t from, uint64_t to, int fd, const char *mark,
	struct th_err *err);

/* Writes [from, to) to fd. 0, or -errno of the write or, with err, of a read. */
int logread_copy(struct logread *r, uint64_t from, uint64_t to, int fd, struct th_err *err);

#endif
