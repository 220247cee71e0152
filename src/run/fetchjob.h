#ifndef TH_RUN_FETCHJOB_H
#define TH_RUN_FETCHJOB_H

/*
 * The job of one taskhook-fetch (src/fetch/job.h): a line of JSON, and the files that go along with
 * it. What only the caller may read (keys, netrc, a local source) is read or opened here, with the
 * caller's rights, as the helper has fewer.
 */

#include "base/error.h"
#include "model/artifact.h"

#include <stddef.h>

#define FETCHJOB_FDS_MAX 2

struct fetchjob {
	char *text; /* with the newline; it holds secrets */
	size_t len;
	int fds[FETCHJOB_FDS_MAX];
	size_t n_fds;
};
#define FETCHJOB_INIT                                                                              \
	{                                                                                          \
		.fds = { -1, -1 }                                                                  \
	}

/* What is there already, for a conditional request; all NULL: nothing is. */
struct fetch_known {
	const char *digest, *etag, *last_modified;
};

/* *ret is FETCHJOB_INIT before; fetchjob_done() is the caller's in either case. 0, or -errno with
 * err: a file that cannot be read (EXIT_NOPERM, EXIT_UNAVAILABLE), what no JSON can hold
 * (EXIT_CONFIG). */
int fetchjob_make(const struct artifact *a, const struct fetch_settings *settings,
	const struct fetch_known *known, struct fetchjob *ret, struct th_err *err);

/* Overwrites and frees. */
void fetchjob_done(struct fetchjob *job);
#define _cleanup_fetchjob_ _cleanup_(fetchjob_done)

#endif
