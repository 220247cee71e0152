#ifndef TH_MODEL_ROTATE_H
#define TH_MODEL_ROTATE_H

/*
 * Where to cut a log stream into files: a decision without effects, fuzzed.
 *
 * No file is ever larger than max_size. A line of up to ROTATE_LINE_MAX bytes (or up to max_size,
 * where that is less) stands whole in one file: near the end of a file (less than that left) an
 * unfinished line is held back until it is complete, until it no longer fits, which begins the
 * next file, or until the caller says that it has waited long enough (`flush`). A longer line is
 * split exactly at the size. Where a stream is cut does not depend on the pieces it arrives in,
 * as long as nothing is flushed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTATE_LINE_MAX ((size_t)(64 * 1024))

struct rotate_state {
	uint64_t size;	   /* of the active file */
	uint64_t max_size; /* at least 1 */
	bool mid_line;	   /* what was written last did not end in a newline */
};

enum rotate_action {
	ROTATE_WRITE, /* write the first *ret_n bytes (> 0) to the active file */
	ROTATE_NEXT,  /* close the active file, begin the next (size 0), ask again */
	ROTATE_HOLD,  /* keep all of it until there is more, or flush */
};

/*
 * `p`, `n`: what is not written yet (n > 0). `flush`: nothing more comes soon; never answers HOLD.
 * After WRITE the caller adds *ret_n to size and sets mid_line by the last byte; after NEXT
 * mid_line stays as it is. Never NEXT twice in a row; never HOLD for ROTATE_LINE_MAX bytes or
 * more, so that a buffer of that size is enough.
 */
enum rotate_action rotate_next(
	const struct rotate_state *s, const char *p, size_t n, bool flush, size_t *ret_n);

/* Names: index 0 is the active file "stdout.log", 1 is "stdout.log.1" (the newest old one). The
 * caller frees it. */
char *rotate_name(const char *base, unsigned index);

/* The index of a directory entry of that base: 0 for the base itself, -1 for anything else
 * ("stdout.log.01", "stdout.log.x", a number above INT_MAX). */
int rotate_index(const char *base, const char *entry);

#endif
