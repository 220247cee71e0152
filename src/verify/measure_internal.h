#ifndef TH_VERIFY_MEASURE_INTERNAL_H
#define TH_VERIFY_MEASURE_INTERNAL_H

/* Between measure.c and its providers. */

#include "base/clock.h"
#include "base/str.h"
#include "verify/assess.h"
#include "verify/tmpl.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/types.h>

struct measure_job {
	const struct tmpl_metric *metric;
	struct reply answer;
	struct strbuf body;
	usec_t deadline;
	bool ended, too_large;
	/* over the network */
	CURL *easy;
	struct curl_slist *headers;
	char *form;
	char reason[CURL_ERROR_SIZE];
	size_t headers_size;
	/* a command */
	pid_t pid;
	int pidfd, out_fd;
};

/* Adds to the body; false where it is too large now. */
bool measure_add(struct measure_job *j, const void *p, size_t n);
/* The end, with an error that is owned by it from now on (NULL: none). */
void measure_end(struct measure_job *j, char *error);

/* web, prometheus, tcp */
void measure_http_begin(CURLM *multi, struct measure_job *j);
void measure_http_ended(struct measure_job *j, CURLcode code);
void measure_http_free(CURLM *multi, struct measure_job *j);

/* exec, task */
void measure_command_begin(struct measure_job *j);
void measure_command_look(struct measure_job *j, usec_t now);
void measure_command_free(struct measure_job *j);

#endif
