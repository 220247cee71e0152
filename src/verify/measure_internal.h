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
	bool ended, too_large, bad_length;
	/* over the network: one request after the other, by a token and redirects */
	CURL *easy;
	struct curl_slist *headers;
	char reason[CURL_ERROR_SIZE];
	size_t headers_size;
	struct measure_tokens *tokens; /* borrowed */
	bool wants_token;	       /* the request under way asks for one */
	bool token_by_body;	       /* with the client's id and secret in the body */
	bool token_was_kept;	       /* from a measurement before */
	char *token;		       /* "Bearer ...", for oauth2 */
	char *form;		       /* the body that is sent; NULL: the metric's */
	char *url;		       /* where the request goes */
	char *method;
	bool foreign; /* a redirect led to another host, which is told no secrets */
	unsigned redirects;
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
void measure_http_ended(CURLM *multi, struct measure_job *j, CURLcode code);
void measure_http_free(CURLM *multi, struct measure_job *j);

/*
 * Tokens stay in memory for as long as they are good: until shortly before they end (expires_in),
 * or where that is not told, until a server refuses them. One that was got for another metric is
 * taken where URL, client and scopes are the same.
 */
struct measure_tokens *measure_tokens_new(void);
void measure_tokens_free(struct measure_tokens *tokens);
/* Sets j->token, where there is one. */
void measure_token_find(struct measure_job *j);
/* The one in j->token was refused: neither it nor j->token is there any more. */
void measure_token_drop(struct measure_job *j);

/* The request for a token of oauth2, put into j->easy: headers, body, URL. */
void measure_token_ask(struct measure_job *j);
/* What came of it: 0, and j->token is set, and kept for others; 1: to be asked for once more, in
 * another way; -errno with err. */
int measure_token_take(struct measure_job *j, unsigned status, struct th_err *err);

/* exec, task */
void measure_command_begin(struct measure_job *j);
void measure_command_look(struct measure_job *j, usec_t now);
void measure_command_free(struct measure_job *j);

#endif
