#ifndef TH_FETCH_TRANSFER_H
#define TH_FETCH_TRANSFER_H

/*
 * Bytes of one URL, in order and each once, over redirects and all attempts: what was broken off is
 * taken up with a Range request where the server proves that it is the same thing (RFC 9110,
 * 13.1.5), else it is asked for anew, and what is there already is compared and passed over.
 */

#include "base/error.h"
#include "conf/source.h"
#include "fetch/checksum.h"
#include "fetch/job.h"

#include <stdbool.h>
#include <stdint.h>

struct transfer_sink {
	/* Takes all of it. 0; -ECANCELED: no more is wanted, which is no failure of the transfer.
	 */
	int (*write)(void *arg, const void *data, size_t n);
	/* Is more wanted? Asked at least five times a second. */
	bool (*wanted)(void *arg);
	void *arg;
};

struct transfer_spec {
	const struct job *job; /* settings and limits */
	const struct source *source;
	const char *trusted_url; /* requests to the origin of this one get the job's credentials */
	struct transfer_sink sink;
	struct digest *digest; /* of all that the sink gets */
	usec_t deadline_usec;  /* on the monotonic clock */
	uint64_t max_size;
	bool conditional; /* ask whether job->known_* is still what the server has */
	bool verified;	  /* a checksum will tell a mixture of two versions: resume without
			   * a validator too */
	bool quiet;	  /* no start and progress events: a small file beside the real one */
};

struct transfer_result {
	uint64_t size;
	bool unchanged;
	char *etag, *last_modified; /* NULL: none */
	char *filename;		    /* of Content-Disposition (RFC 6266); NULL: none or unsafe */
	bool retryable;		    /* of a failure: would a later start find it otherwise? */
};

/* 0; -ECANCELED: the sink wanted no more, err is not set; -ESTALE with err: what the server has
 * changed between two attempts, all of it must be fetched anew; else -errno with err:
 * EXIT_UNAVAILABLE for what the source did, EXIT_DATAERR for max_size. *ret is always to be freed
 * by transfer_result_done(). */
int transfer_run(const struct transfer_spec *spec, struct transfer_result *ret, struct th_err *err);

void transfer_result_done(struct transfer_result *r);
#define _cleanup_transfer_result_ _cleanup_(transfer_result_done)

#endif
