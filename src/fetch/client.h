#ifndef TH_FETCH_CLIENT_H
#define TH_FETCH_CLIENT_H

/*
 * One request at a time through libcurl: http, https, ftp, ftps, sftp. It neither retries nor
 * follows a redirect; transfer.c does both, as a redirect to another host must not take the job's
 * credentials along.
 */

#include "base/clock.h"
#include "base/error.h"
#include "conf/source.h"
#include "fetch/job.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

struct client_request {
	const char *url;
	/* Is it for the host that the job is about? Else its user, headers, client certificate and
	 * keys stay at home; a netrc names the host of each entry and always serves. */
	bool trusted;
	uint64_t offset;			       /* 0: all of it */
	const char *if_range;			       /* with an offset; NULL: none */
	const char *if_none_match, *if_modified_since; /* NULL: none */
	usec_t deadline_usec;			       /* on the monotonic clock */
};

/* Owned strings, NULL where the server said nothing of it. */
struct client_reply {
	CURLcode code;
	int aborted; /* 0, or what a hook returned; -ETIMEDOUT: the deadline; -ETIME: the stall
		      * time-out; -EPIPE: the parent has gone; -EBADMSG: two lengths that
		      * differ (RFC 9112, 6.3) */
	char text[CURL_ERROR_SIZE]; /* what libcurl says of `code` */
	long status;		    /* of HTTP, else 0 */
	uint64_t length;	    /* of the body; HEADER_UNKNOWN */
	char *etag, *last_modified, *date, *content_range, *filename;
	char *location; /* absolute */
	bool accepts_ranges;
	usec_t retry_after_usec;
};

struct client_hooks {
	/* The header is complete. 1: the body is wanted, 0: it is not, -errno: the end. */
	int (*begin)(void *arg, const struct client_reply *reply);
	/* A part of the body. 0, or -errno: the end. */
	int (*body)(void *arg, const void *data, size_t n);
	/* Asked at least five times a second. 0, or -errno: the end. */
	int (*poll)(void *arg);
	void *arg;
};

/* 0 or -errno with err (EXIT_INTERNAL, EXIT_USAGE for a key that cannot be read). Both stay the
 * caller's and live longer. */
int client_new(const struct job *job, const struct source *source, struct client **ret,
	struct th_err *err);
void client_free(struct client **c);
#define _cleanup_client_ _cleanup_(client_free)

/* Fills *reply, to be freed by client_reply_done(). */
void client_get(struct client *c, const struct client_request *request,
	const struct client_hooks *hooks, struct client_reply *reply);
/* Waits, asking hooks->poll() as above. 0, -EPIPE or what it returned. */
int client_wait(struct client *c, usec_t usec, const struct client_hooks *hooks);

void client_reply_done(struct client_reply *reply);
#define _cleanup_reply_ _cleanup_(client_reply_done)

/* Same scheme, host and port? */
bool client_same_origin(const char *a, const char *b);
/* The scheme in lower case, for the caller to free; NULL where it is no URL. */
char *client_scheme(const char *url);
/* Has this libcurl the protocol? */
bool client_has_protocol(const char *scheme);

#endif
