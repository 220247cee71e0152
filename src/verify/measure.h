#ifndef TH_VERIFY_MEASURE_H
#define TH_VERIFY_MEASURE_H

/*
 * Asks: any number of measurements at once, in one process, by libcurl's multi interface
 * (libcurl-multi(3)). Each has the time that its metric gives it, and TMPL_BODY_MAX bytes. libcurl
 * looks up names in threads, which may outlive what they were made for; commands are started beside
 * them (os/spawn.h).
 *
 *	measure_begin(&ms, 0, &tmpl.metrics[0]);
 *	measure_wait(&ms, signal_fd, deadline);
 *	while ((i = measure_take(&ms, &answer)) >= 0)
 *		...
 */

#include "verify/assess.h"
#include "verify/tmpl.h"

#include <curl/curl.h>
#include <sys/types.h>

struct measure_job;
struct measure_tokens;

struct measure {
	CURLM *multi;
	struct measure_tokens *tokens; /* of oauth2, for as long as they are good */
	struct measure_job **jobs;     /* by the number of the metric; NULL: none under way */
	size_t n;
};

/* For `n` metrics. -ENOMEM: libcurl cannot start. */
int measure_init(struct measure *ms, size_t n);
/* Ends what is under way. */
void measure_done(struct measure *ms);
#define _cleanup_measure_ _cleanup_(measure_done)

/* Begins one. What cannot even begin is an answer with an error. */
void measure_begin(struct measure *ms, size_t i, const struct tmpl_metric *m);

/* Until something happens to one, `fd` can be read, or the (monotonic) time is `until`. */
void measure_wait(struct measure *ms, int fd, usec_t until);

/* One that has ended: its number and *ret; -1: none has. */
ssize_t measure_take(struct measure *ms, struct reply *ret);

/* Ends one without an answer: the connection is closed, the command is killed. */
void measure_cancel(struct measure *ms, size_t i);

#endif
