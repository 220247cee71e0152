#ifndef TH_RUN_FETCHVIEW_H
#define TH_RUN_FETCHVIEW_H

/* How far the downloads are, for people: one line on a terminal, drawn again a few times a second.
 */

#include "base/clock.h"
#include "run/fetch.h"

#include <stdbool.h>
#include <stddef.h>

/* How often it is worth drawing. */
#define FETCHVIEW_USEC (200 * USEC_PER_MSEC)

struct fetchview {
	bool on;
	bool drawn;
	usec_t last; /* monotonic */
};

/* `on` where stderr is a terminal that can go back to the beginning of a line. */
void fetchview_init(struct fetchview *v, bool wanted);

/* Draws, where it is time to. `label` names what is fetched. */
void fetchview_draw(struct fetchview *v, const char *label,
	const struct fetch_progress *const *progress, size_t n);

/* Takes the line away; before anything else is written to the terminal. */
void fetchview_clear(struct fetchview *v);

/* The text of the line without control sequences, at most `width` columns, as of `now`. The caller
 * frees it. */
char *fetchview_text(const char *label, const struct fetch_progress *const *progress, size_t n,
	usec_t now, size_t width);

/* "12.3M" of bytes, rounded down. `buf` of at least 32 bytes is returned. */
char *fetchview_format_bytes(uint64_t bytes, char *buf, size_t size);

#endif
