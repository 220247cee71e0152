#include "config.h"

#include "fetch/transfer.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "fetch/client.h"
#include "fetch/event.h"
#include "fetch/header.h"
#include "fetch/retry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* What went wrong in an attempt. */
struct failure {
	int errnum; /* 0: nothing did */
	struct th_err err;
	bool retryable;
	usec_t retry_after_usec;
};

struct stream {
	const struct transfer_spec *spec;
	struct client *client;
	char *url; /* of the request under way */
	unsigned redirects;

	uint64_t position; /* bytes that the sink has */
	uint64_t total;	   /* HEADER_UNKNOWN */
	char *etag, *last_modified, *date, *filename;
	bool no_ranges;
	bool unchanged;

	/* of the attempt */
	uint64_t offset;	   /* where it asked the server to begin */
	uint64_t end;		   /* where the body must end; HEADER_UNKNOWN */
	uint64_t compare_left;	   /* bytes that the sink has already and that come again */
	struct digest *comparison; /* of these */
	struct failure failure;
};

PRINTF_ATTR(4, 5)
static int fail(struct stream *s, int status, bool retryable, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	if (s->failure.errnum != 0)
		return -s->failure.errnum;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	s->failure.errnum = EIO;
	s->failure.retryable = retryable;
	return err_set(&s->failure.err, status, EIO, "%s", text);
}

static int fail_changed(struct stream *s)
{
	(void)fail(s, EXIT_UNAVAILABLE, true,
		"it was changed on the server while it was fetched, after %" PRIu64 " bytes",
		s->position);
	s->failure.errnum = ESTALE;
	return -ESTALE;
}

static int fail_too_large(struct stream *s)
{
	char limit[32];

	return fail(s, EXIT_DATAERR, false, "it is larger than %s (max-size sets the limit)",
		format_size(s->spec->max_size, limit, sizeof(limit)));
}

/* ---- what a status means ---- */

static const char *explain_status(long status)
{
	switch (status) {
	case 400:
		return "bad request";
	case 401:
		return "unauthorized: it wants a user and password, which netrc-file, the URL or a "
		       "header can hold";
	case 403:
		return "forbidden: is it the right URL, and are these the right credentials?";
	case 404:
		return "not found: is it the right URL?";
	case 407:
		return "the proxy wants a user and password";
	case 408:
		return "request timeout";
	case 410:
		return "gone: it was removed for good";
	case 416:
		return "range not satisfiable";
	case 429:
		return "too many requests";
	case 451:
		return "unavailable for legal reasons";
	case 500:
		return "internal server error";
	case 502:
		return "bad gateway";
	case 503:
		return "service unavailable";
	case 504:
		return "gateway timeout";
	default:
		return status >= 500   ? "an error of the server"
		       : status >= 400 ? "an error of the request"
				       : "which is no answer to this request";
	}
}

static bool is_redirect(const struct client_reply *reply)
{
	switch (reply->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return reply->location != NULL;
	default:
		return false;
	}
}

static int fail_status(struct stream *s, const struct client_reply *reply)
{
	bool again = retry_status_may_pass(reply->status);

	if (reply->retry_after_usec > RETRY_AFTER_MAX_USEC) {
		char wait[CLOCK_SPAN_MAX];

		return fail(s, EXIT_UNAVAILABLE, false,
			"the server answered %ld: %s; it asks for "
			"%s of patience",
			reply->status, explain_status(reply->status),
			clock_format_span(reply->retry_after_usec, wait, sizeof(wait)));
	}
	s->failure.retry_after_usec = reply->retry_after_usec;
	return fail(s, EXIT_UNAVAILABLE, again, "the server answered %ld: %s", reply->status,
		explain_status(reply->status));
}

/* ---- the body ---- */

static bool differ(const char *a, const char *b)
{
	return a && b && strcmp(a, b) != 0;
}

/* All of it comes, whatever was asked for. */
static int begin_whole(struct stream *s, const struct client_reply *reply)
{
	if (s->position > 0 && header_etag_is_strong(s->etag) && differ(s->etag, reply->etag))
		return fail_changed(s);
	if (s->total != HEADER_UNKNOWN && reply->length != HEADER_UNKNOWN && s->position > 0 &&
		s->total != reply->length)
		return fail_changed(s);
	if (reply->length != HEADER_UNKNOWN) {
		if (reply->length > s->spec->max_size)
			return fail_too_large(s);
		s->total = reply->length;
	}
	s->end = s->total;
	if (s->position > 0) {
		s->compare_left = s->position;
		s->comparison = digest_new(NULL, &s->failure.err);
		if (!s->comparison) {
			s->failure.errnum = ENOTSUP;
			return -ENOTSUP;
		}
	}
	str_replace(&s->etag, reply->etag);
	str_replace(&s->last_modified, reply->last_modified);
	str_replace(&s->date, reply->date);
	str_replace(&s->filename, reply->filename);
	return 1;
}

/* The rest comes, as asked. */
static int begin_rest(struct stream *s, const struct client_reply *reply)
{
	uint64_t first, last, total;

	if (s->offset == 0)
		return fail(s, EXIT_UNAVAILABLE, false,
			"the server answered 206 with a part, and all of it was asked for");
	if (!reply->content_range ||
		!header_parse_content_range(reply->content_range, &first, &last, &total) ||
		first != s->offset) {
		s->no_ranges = true;
		return fail(s, EXIT_UNAVAILABLE, true,
			"the server answered with another part than the one asked for");
	}
	if (differ(s->etag, reply->etag) ||
		(total != HEADER_UNKNOWN && s->total != HEADER_UNKNOWN && total != s->total))
		return fail_changed(s);
	if (total != HEADER_UNKNOWN)
		s->total = total;
	if (last >= s->spec->max_size || (total != HEADER_UNKNOWN && total > s->spec->max_size))
		return fail_too_large(s);
	s->end = last + 1;
	return 1;
}

static int begin_http(struct stream *s, const struct client_reply *reply)
{
	if (reply->status == 200)
		return begin_whole(s, reply);
	if (reply->status == 206)
		return begin_rest(s, reply);
	if (is_redirect(reply))
		return 0;
	if (reply->status == 304 && s->spec->conditional) {
		s->unchanged = true;
		return 0;
	}
	if (reply->status == 416 && s->offset > 0) {
		s->no_ranges = true;
		return fail(s, EXIT_UNAVAILABLE, true,
			"the server has no byte %" PRIu64 " of it any more", s->offset);
	}
	return fail_status(s, reply);
}

static int on_begin(void *arg, const struct client_reply *reply)
{
	struct stream *s = arg;
	int r;

	if (reply->status != 0) {
		r = begin_http(s, reply);
	} else if (s->offset > 0) {
		/* of FTP: what comes is the rest, and its length is that */
		s->end = s->total;
		r = 1;
	} else {
		r = begin_whole(s, reply);
	}
	if (r > 0 && !s->spec->quiet)
		event_start(s->total, s->position);
	return r;
}

/* Looks at what the sink has already. Returns how much of it that was, or -errno. */
static ssize_t compare(struct stream *s, const void *data, size_t n)
{
	struct checksum was, is;

	n = (size_t)MIN((uint64_t)n, s->compare_left);
	digest_add(s->comparison, data, n);
	s->compare_left -= n;
	if (s->compare_left > 0)
		return (ssize_t)n;
	digest_get(s->spec->digest, CHECKSUM_SHA256, &was);
	digest_get(s->comparison, CHECKSUM_SHA256, &is);
	return strcmp(was.hex, is.hex) == 0 ? (ssize_t)n : fail_changed(s);
}

static int on_body(void *arg, const void *data, size_t n)
{
	struct stream *s = arg;
	const char *p = data;
	int r;

	if (s->compare_left > 0) {
		ssize_t known = compare(s, p, n);

		if (known < 0)
			return (int)known;
		p += known;
		n -= (size_t)known;
	}
	if (n == 0)
		return 0;
	if (n > s->spec->max_size - s->position)
		return fail_too_large(s);
	digest_add(s->spec->digest, p, n);
	r = s->spec->sink.write(s->spec->sink.arg, p, n);
	if (r < 0)
		return r;
	s->position += n;
	if (!s->spec->quiet)
		event_progress_down(s->position, s->total);
	return 0;
}

static int on_poll(void *arg)
{
	struct stream *s = arg;

	return s->spec->sink.wanted(s->spec->sink.arg) ? 0 : -ECANCELED;
}

/* ---- an attempt ---- */

static int fail_aborted(struct stream *s, int aborted)
{
	char span[CLOCK_SPAN_MAX];

	if (s->failure.errnum != 0)
		return -s->failure.errnum;
	switch (aborted) {
	case -ETIMEDOUT:
		return fail(s, EXIT_UNAVAILABLE, false,
			"it was not through within %s, after %" PRIu64
			" bytes (timeout sets the limit)",
			clock_format_span(s->spec->job->limits.timeout_usec, span, sizeof(span)),
			s->position);
	case -ETIME:
		return fail(s, EXIT_UNAVAILABLE, true,
			"nothing came for %s, after %" PRIu64
			" bytes (stall-timeout sets the limit)",
			clock_format_span(
				s->spec->job->limits.stall_timeout_usec, span, sizeof(span)),
			s->position);
	case -EBADMSG:
		return fail(s, EXIT_UNAVAILABLE, false,
			"the server's answer has two headers 'Content-Length' that differ");
	case -EPROTO:
		return fail(s, EXIT_UNAVAILABLE, false,
			"the server's answer has a header 'Content-Length' that is no length");
	case -EIO:
		return fail(s, EXIT_INTERNAL, false, "libcurl cannot wait for the network");
	default:
		/* the sink or the parent has had enough, which nobody has to be told */
		s->failure.errnum = -aborted;
		return aborted;
	}
}

static int fail_code(struct stream *s, const struct client_reply *reply)
{
	const char *hint = "";
	bool again = retry_code_may_pass(reply->code);

	switch ((int)reply->code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		if (strcmp(s->spec->source->scheme, "sftp") == 0)
			return fail(s, EXIT_UNAVAILABLE, false,
				"the server's key is not in a file of known hosts, or another one "
				"is "
				"(ssh-keyscan(1) writes lines for it)");
		hint = " (ca-file names the authority to trust)";
		break;
	case CURLE_PARTIAL_FILE:
		return fail(s, EXIT_UNAVAILABLE, true,
			"the server closed the connection after %" PRIu64 " bytes, before the end",
			s->position);
	case CURLE_WRITE_ERROR:
		return fail(s, EXIT_UNAVAILABLE, false,
			"the server's answer has a header that is too long");
	case CURLE_SSL_CERTPROBLEM:
		return fail(s, EXIT_CONFIG, false, "client-cert or client-key cannot be used: %s",
			reply->text);
	case CURLE_SSL_CACERT_BADFILE:
		return fail(s, EXIT_CONFIG, false, "ca-file cannot be used: %s", reply->text);
	case CURLE_LOGIN_DENIED:
		hint = " (are user and password right?)";
		break;
	case CURLE_REMOTE_FILE_NOT_FOUND:
	case CURLE_FTP_COULDNT_RETR_FILE:
	case CURLE_REMOTE_ACCESS_DENIED:
		hint = " (is it the right URL?)";
		break;
	default:
		break;
	}
	return fail(s, EXIT_UNAVAILABLE, again, "%s%s", reply->text, hint);
}

/* What the header promised and libcurl does not look at. */
static int check_end(struct stream *s)
{
	if (s->compare_left > 0)
		return fail_changed(s);
	if (s->end != HEADER_UNKNOWN && s->position != s->end)
		return fail(s, EXIT_UNAVAILABLE, true,
			"the server sent %" PRIu64 " bytes in place of %" PRIu64, s->position,
			s->end);
	/* a part of the rest */
	if (s->total != HEADER_UNKNOWN && s->position != s->total)
		return fail(s, EXIT_UNAVAILABLE, true,
			"the server sent only a part, up to byte %" PRIu64, s->position);
	return 0;
}

/* 1: go on with s->url */
static int follow(struct stream *s, const char *location)
{
	_cleanup_free_ char *scheme = client_scheme(location);
	_cleanup_free_ char *shown = source_redact(location);
	_cleanup_free_ char *escaped = str_escape(shown, 500);

	if (!scheme)
		return fail(s, EXIT_UNAVAILABLE, false,
			"the server redirected to '%s', which is no URL", escaped);
	/* whatever may be in it, it was not the job that asked for it */
	if ((strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return fail(s, EXIT_UNAVAILABLE, false,
			"the server redirected to '%s', which is neither http nor https", escaped);
	if (++s->redirects > s->spec->job->limits.max_redirects)
		return fail(s, EXIT_UNAVAILABLE, false,
			"more than %" PRIu64
			" redirects, the last one to '%s' (max-redirects sets the limit)",
			s->spec->job->limits.max_redirects, escaped);
	if (strcmp(scheme, "http") == 0 && strncasecmp(s->url, "https:", 6) == 0 &&
		!s->spec->verified)
		event_warning("the server redirected to '%s', where anybody on the way can change "
			      "it: set a checksum",
			escaped);
	str_replace(&s->url, location);
	return 1;
}

/* May the rest be asked for? *ret_validator is NULL where the checksum will tell. */
static bool may_resume(const struct stream *s, const char **ret_validator)
{
	*ret_validator = NULL;
	if (s->position == 0 || s->no_ranges)
		return false;
	if (header_etag_is_strong(s->etag))
		*ret_validator = s->etag;
	else if (header_date_is_strong(s->last_modified, s->date))
		*ret_validator = s->last_modified;
	return *ret_validator || s->spec->verified;
}

/* 0: done, 1: there is another URL to ask, -errno */
static int request(struct stream *s)
{
	const struct transfer_spec *spec = s->spec;
	const struct client_hooks hooks = {
		.begin = on_begin, .body = on_body, .poll = on_poll, .arg = s};
	struct client_request request = {.url = s->url, .deadline_usec = spec->deadline_usec};
	_cleanup_reply_ struct client_reply reply = {0};

	request.trusted = client_same_origin(s->url, spec->trusted_url);
	s->end = HEADER_UNKNOWN;
	s->compare_left = 0;
	digest_free(&s->comparison);
	if (may_resume(s, &request.if_range))
		request.offset = s->position;
	s->offset = request.offset;
	if (spec->conditional && s->position == 0) {
		request.if_none_match = spec->job->known_etag;
		request.if_modified_since = spec->job->known_last_modified;
	}
	client_get(s->client, &request, &hooks, &reply);
	if (reply.aborted < 0)
		return fail_aborted(s, reply.aborted);
	if (s->failure.errnum != 0)
		return -s->failure.errnum;
	if (reply.code != CURLE_OK)
		return fail_code(s, &reply);
	if (is_redirect(&reply))
		return follow(s, reply.location);
	return s->unchanged ? 0 : check_end(s);
}

static int attempt(struct stream *s)
{
	int r;

	str_replace(&s->url, s->spec->source->url);
	s->redirects = 0;
	do
		r = request(s);
	while (r > 0);
	/* which of the URLs it was */
	if (r < 0 && err_is_set(&s->failure.err) && s->redirects > 0 &&
		strcmp(s->url, s->spec->source->url) != 0) {
		_cleanup_free_ char *shown = source_redact(s->url);
		_cleanup_free_ char *escaped = str_escape(shown, 500);

		err_prefix(&s->failure.err, "redirected to '%s'", escaped);
	}
	return r;
}

/* ---- all of them ---- */

static uint32_t random_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (uint32_t)clock_monotonic_usec();
	return n;
}

/* 0: try again */
static int wait_for_next(struct stream *s, unsigned number)
{
	const struct transfer_spec *spec = s->spec;
	const struct client_hooks hooks = {.poll = on_poll, .arg = s};
	usec_t delay = retry_delay(number, s->failure.retry_after_usec, random_number());
	usec_t now = clock_monotonic_usec();
	int r;

	/* no time is left for another */
	if (usec_add(now, delay) >= spec->deadline_usec)
		return -s->failure.errnum;
	event_retry(number, spec->job->retries + 1, delay, err_text(&s->failure.err));
	r = client_wait(s->client, delay, &hooks);
	err_clear(&s->failure.err);
	s->failure = (struct failure){0};
	return r;
}

static int run(struct stream *s)
{
	for (unsigned number = 1;; number++) {
		int r = attempt(s);

		if (r == 0 || r == -ESTALE || !s->failure.retryable ||
			number > s->spec->job->retries) {
			if (r < 0 && number > 1 && err_is_set(&s->failure.err)) {
				char *text = xasprintf("%s (attempt %u of %u)", s->failure.err.text,
					number, s->spec->job->retries + 1);

				free(s->failure.err.text);
				s->failure.err.text = text;
			}
			return r;
		}
		r = wait_for_next(s, number + 1);
		if (r < 0)
			return r;
	}
}

static int check_protocol(const struct transfer_spec *spec, struct th_err *err)
{
	const struct source *source = spec->source;

	if (!client_has_protocol(source->scheme))
		return err_set(err, EXIT_UNAVAILABLE, EPROTONOSUPPORT,
			"this machine's libcurl has no %s (install another build of it)",
			source->scheme);
	/* libcurl would list the directory */
	if ((source->kind == SOURCE_FTP || source->kind == SOURCE_SFTP) && !source->name)
		return err_set(err, EXIT_USAGE, EISDIR,
			"the URL names a directory: only single files can be fetched by %s",
			source->scheme);
	return 0;
}

int transfer_run(const struct transfer_spec *spec, struct transfer_result *ret, struct th_err *err)
{
	_cleanup_client_ struct client *client = NULL;
	struct stream s = {.spec = spec, .total = HEADER_UNKNOWN};
	int r;

	*ret = (struct transfer_result){0};
	r = check_protocol(spec, err);
	if (r == 0)
		r = client_new(spec->job, spec->source, &client, err);
	if (r < 0)
		return r;
	s.client = client;
	r = run(&s);
	if (r < 0 && err_is_set(&s.failure.err))
		(void)err_set(err, s.failure.err.status, -r, "%s", s.failure.err.text);
	*ret = (struct transfer_result){.size = s.position,
		.unchanged = s.unchanged,
		.etag = s.etag,
		.last_modified = s.last_modified,
		.filename = s.filename,
		.retryable = s.failure.retryable};
	err_clear(&s.failure.err);
	digest_free(&s.comparison);
	free(s.url);
	free(s.date);
	return r;
}

void transfer_result_done(struct transfer_result *r)
{
	free(r->etag);
	free(r->last_modified);
	free(r->filename);
	*r = (struct transfer_result){0};
}
