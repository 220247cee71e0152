#include "config.h"

#include "fetch/client.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "fetch/event.h"
#include "fetch/header.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* How long libcurl may wait before hooks->poll() is asked. */
#define POLL_MSEC 150
/* Of a body that nobody wants, such as the page of an error: more ends the connection. */
#define UNWANTED_MAX ((uint64_t)64 << 10)
#define HEADER_MAX   ((size_t)256 << 10)

struct client {
	const struct job *job;
	const struct source *source;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	/* files that libcurl and libssh2 want by name; none of them has one on a disk */
	int netrc_fd, known_hosts_fd, key_fd;
	char *netrc_path, *known_hosts_path, *key_path;

	/* of the request under way */
	const struct client_hooks *hooks;
	struct client_reply *reply;
	bool begun, wanted;
	uint64_t unwanted;
	size_t header_bytes;
	char *length; /* Content-Length as it came: libcurl takes the last of several */
	usec_t last_byte_usec;
};

/* ---- the whole client ---- */

/* A file in memory with this content, and a name for it. */
static int make_file(const char *content, size_t len, int *ret_fd, char **ret_path)
{
	int fd = memfd_create("taskhook-fetch", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, content, len);

	if (r < 0) {
		(void)fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_path = xasprintf("/proc/self/fd/%d", fd);
	return 0;
}

static int make_key_file(struct client *c, struct th_err *err)
{
	size_t len = strlen(c->source->sshkey);
	_cleanup_free_ unsigned char *key = xmalloc(len + 4);
	int n, r;

	n = len % 4 == 0 && len < 65536
		    ? EVP_DecodeBlock(key, (const unsigned char *)c->source->sshkey, (int)len)
		    : -1;
	if (n < 3)
		return err_set(err, EXIT_USAGE, EINVAL, "sshkey is not base64 of a key");
	/* what stands for padding comes out as NULs */
	while (n > 0 && key[n - 1] == '\0')
		n--;
	r = make_file((const char *)key, (size_t)n, &c->key_fd, &c->key_path);
	explicit_bzero(key, len);
	return r < 0 ? err_set(err, EXIT_INTERNAL, -r, "cannot keep the key in memory: %s",
			       strerror(-r))
		     : 0;
}

static int make_files(struct client *c, struct th_err *err)
{
	const struct job *job = c->job;
	int r = 0;

	if (job->netrc)
		r = make_file(job->netrc, strlen(job->netrc), &c->netrc_fd, &c->netrc_path);
	if (r == 0 && job->known_hosts)
		r = make_file(job->known_hosts, strlen(job->known_hosts), &c->known_hosts_fd,
			&c->known_hosts_path);
	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r,
			"cannot keep netrc or known hosts in memory: %s", strerror(-r));
	if (c->source->kind == SOURCE_SFTP && c->source->sshkey)
		return make_key_file(c, err);
	return 0;
}

int client_new(
	const struct job *job, const struct source *source, struct client **ret, struct th_err *err)
{
	_cleanup_client_ struct client *c = xcalloc(1, sizeof(*c));
	int r;

	*c = (struct client){.job = job,
		.source = source,
		.netrc_fd = -1,
		.known_hosts_fd = -1,
		.key_fd = -1,
		.multi = curl_multi_init(),
		.easy = curl_easy_init()};
	if (!c->multi || !c->easy)
		return err_set(err, EXIT_INTERNAL, ENOMEM, "libcurl cannot be initialised");
	r = make_files(c, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void client_free(struct client **p)
{
	struct client *c = *p;

	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	(void)curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->headers);
	(void)fd_close(c->netrc_fd);
	(void)fd_close(c->known_hosts_fd);
	(void)fd_close(c->key_fd);
	free(c->netrc_path);
	free(c->known_hosts_path);
	free(c->key_path);
	free(c->length);
	free(c);
	*p = NULL;
}

void client_reply_done(struct client_reply *reply)
{
	free(reply->etag);
	free(reply->last_modified);
	free(reply->date);
	free(reply->content_range);
	free(reply->filename);
	free(reply->location);
	*reply = (struct client_reply){0};
}

/* ---- URLs ---- */

static char *url_part(const char *url, CURLUPart part, unsigned flags)
{
	CURLU *u = curl_url();
	char *s = NULL;
	char *copy = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		curl_url_get(u, part, &s, flags) == CURLUE_OK)
		copy = xstrdup(s);
	curl_free(s);
	curl_url_cleanup(u);
	return copy;
}

char *client_scheme(const char *url)
{
	return url_part(url, CURLUPART_SCHEME, 0);
}

static bool same_part(const char *a, const char *b, CURLUPart part)
{
	_cleanup_free_ char *of_a = url_part(a, part, CURLU_DEFAULT_PORT);
	_cleanup_free_ char *of_b = url_part(b, part, CURLU_DEFAULT_PORT);

	return of_a && of_b && strcasecmp(of_a, of_b) == 0;
}

bool client_same_origin(const char *a, const char *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
	       same_part(a, b, CURLUPART_PORT);
}

bool client_has_protocol(const char *scheme)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

	for (const char *const *p = info->protocols; *p; p++) {
		if (strcmp(*p, scheme) == 0)
			return true;
	}
	return false;
}

/* ---- what the server says ---- */

static void keep(char **place, const char *line, size_t len, const char *name)
{
	char *value = header_value(line, len, name);

	if (!value)
		return;
	free(*place);
	*place = value;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct client *c = arg;
	struct client_reply *reply = c->reply;
	_cleanup_free_ char *length = NULL;
	_cleanup_free_ char *ranges = NULL;
	_cleanup_free_ char *disposition = NULL;
	_cleanup_free_ char *retry_after = NULL;
	size_t len = size * n;

	c->last_byte_usec = clock_monotonic_usec();
	c->header_bytes += len;
	if (c->header_bytes > HEADER_MAX)
		return 0;
	/* what is behind the body is no header of it */
	if (c->begun)
		return len;
	if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		/* another follows after 100 and its kin, and after what a proxy said */
		client_reply_done(reply);
		str_replace(&c->length, NULL);
		reply->length = HEADER_UNKNOWN;
		return len;
	}
	keep(&reply->etag, line, len, "ETag");
	keep(&reply->last_modified, line, len, "Last-Modified");
	keep(&reply->date, line, len, "Date");
	keep(&reply->content_range, line, len, "Content-Range");
	keep(&reply->location, line, len, "Location");
	length = header_value(line, len, "Content-Length");
	/* libcurl reads on to the end of the connection where the number is too large for it */
	if (length && !header_length_is_valid(length)) {
		reply->aborted = -EPROTO;
		return 0;
	}
	if (length && c->length && strcmp(length, c->length) != 0) {
		reply->aborted = -EBADMSG;
		return 0;
	}
	if (length)
		str_replace(&c->length, length);
	ranges = header_value(line, len, "Accept-Ranges");
	if (ranges)
		reply->accepts_ranges = strcasecmp(ranges, "bytes") == 0;
	disposition = header_value(line, len, "Content-Disposition");
	if (disposition) {
		free(reply->filename);
		reply->filename = header_parse_filename(disposition);
	}
	retry_after = header_value(line, len, "Retry-After");
	if (retry_after)
		reply->retry_after_usec = header_parse_retry_after(
			retry_after, (int64_t)(clock_realtime_usec() / USEC_PER_SEC));
	return len;
}

static bool begin(struct client *c)
{
	struct client_reply *reply = c->reply;
	curl_off_t length = -1;
	int r;

	c->begun = true;
	(void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	/* of FTP it is another list of numbers */
	if (c->source->kind == SOURCE_FTP || c->source->kind == SOURCE_SFTP) {
		_cleanup_free_ char *scheme = NULL;
		char *url = NULL;

		(void)curl_easy_getinfo(c->easy, CURLINFO_EFFECTIVE_URL, &url);
		scheme = url ? client_scheme(url) : NULL;
		if (!scheme || !str_starts_with(scheme, "http"))
			reply->status = 0;
	}
	(void)curl_easy_getinfo(c->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	reply->length = length < 0 ? HEADER_UNKNOWN : (uint64_t)length;
	r = c->hooks->begin(c->hooks->arg, reply);
	c->wanted = r > 0;
	if (r < 0)
		reply->aborted = r;
	return r >= 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct client *c = arg;
	size_t len = size * n;
	int r;

	c->last_byte_usec = clock_monotonic_usec();
	if (!c->begun && !begin(c))
		return CURL_WRITEFUNC_ERROR;
	if (!c->wanted) {
		c->unwanted += len;
		return c->unwanted > UNWANTED_MAX ? CURL_WRITEFUNC_ERROR : len;
	}
	r = c->hooks->body(c->hooks->arg, data, len);
	/* how long it took is not the server's fault */
	c->last_byte_usec = clock_monotonic_usec();
	if (r == 0)
		return len;
	c->reply->aborted = r;
	return CURL_WRITEFUNC_ERROR;
}

/* ---- a request ---- */

static bool set_text(struct client *c, CURLoption option, const char *value)
{
	return curl_easy_setopt(c->easy, option, value) == CURLE_OK;
}

static bool set_number(struct client *c, CURLoption option, long value)
{
	return curl_easy_setopt(c->easy, option, value) == CURLE_OK;
}

static bool set_blob(struct client *c, CURLoption option, const char *text)
{
	struct curl_blob blob;
	_cleanup_free_ char *copy = xstrdup(text);

	blob = (struct curl_blob){.data = copy, .len = strlen(copy), .flags = CURL_BLOB_COPY};
	return curl_easy_setopt(c->easy, option, &blob) == CURLE_OK;
}

PRINTF_ATTR(2, 3) static bool add_header(struct client *c, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	struct curl_slist *list;
	va_list ap;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	list = curl_slist_append(c->headers, line);
	if (list)
		c->headers = list;
	return list != NULL;
}

static bool set_headers(struct client *c, const struct client_request *request)
{
	bool good = true;

	curl_slist_free_all(c->headers);
	c->headers = NULL;
	for (size_t i = 0; good && request->trusted && i < c->job->headers.n; i++) {
		const char *line = c->job->headers.v[i];

		/* "Name:" would remove a header, "Name;" sends an empty one */
		if (str_ends_with(line, ": "))
			good = add_header(c, "%.*s;", (int)strlen(line) - 2, line);
		else
			good = add_header(c, "%s", line);
	}
	/* what is asked for is the thing itself, of which there is a checksum; S3 knows no other,
	 * and libcurl would sign what a proxy may change */
	if (c->source->kind != SOURCE_S3)
		good = good && add_header(c, "Accept-Encoding: identity");
	if (request->if_none_match)
		good = good && add_header(c, "If-None-Match: %s", request->if_none_match);
	else if (request->if_modified_since)
		good = good && add_header(c, "If-Modified-Since: %s", request->if_modified_since);
	if (request->offset > 0 && request->if_range)
		good = good && add_header(c, "If-Range: %s", request->if_range);
	return good;
}

static const char *first_text(const char *a, const char *b)
{
	return !str_is_empty(a) ? a : !str_is_empty(b) ? b : "";
}

/* An empty text keeps libcurl from looking into the environment. */
static bool set_proxy(struct client *c, const char *scheme)
{
	const struct job *job = c->job;
	const char *own = strcmp(scheme, "https") == 0	? job->proxy_https
			  : strcmp(scheme, "http") == 0 ? job->proxy_http
							: NULL;

	return set_text(c, CURLOPT_PROXY, first_text(own, job->proxy_all)) &&
	       set_text(c, CURLOPT_NOPROXY, first_text(job->proxy_no, NULL)) &&
	       set_number(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
}

static bool set_tls(struct client *c, bool trusted)
{
	const struct job *job = c->job;
	bool good = set_number(c, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);

	if (job->insecure)
		good = good && set_number(c, CURLOPT_SSL_VERIFYPEER, 0) &&
		       set_number(c, CURLOPT_SSL_VERIFYHOST, 0);
	/* in place of the machine's, of which libcurl would go on to use the directory */
	if (job->ca_pem)
		good = good && set_blob(c, CURLOPT_CAINFO_BLOB, job->ca_pem) &&
		       set_text(c, CURLOPT_CAPATH, NULL);
	if (trusted && job->cert_pem)
		good = good && set_text(c, CURLOPT_SSLCERTTYPE, "PEM") &&
		       set_blob(c, CURLOPT_SSLCERT_BLOB, job->cert_pem) &&
		       set_text(c, CURLOPT_SSLKEYTYPE, "PEM") &&
		       set_blob(
			       c, CURLOPT_SSLKEY_BLOB, job->key_pem ? job->key_pem : job->cert_pem);
	return good;
}

static bool set_s3(struct client *c)
{
	const struct source *s = c->source;
	const char *access = first_text(s->access_key, c->job->aws_access_key);
	const char *secret = first_text(s->secret_key, c->job->aws_secret_key);
	const char *token = s->access_key ? s->session_token : c->job->aws_session_token;
	_cleanup_free_ char *how = NULL;

	/* what is public needs no signature */
	if (!*access || !*secret)
		return true;
	how = xasprintf("aws:amz:%s:s3",
		!str_is_empty(s->region) ? s->region : first_text(c->job->aws_region, "us-east-1"));
	return set_text(c, CURLOPT_AWS_SIGV4, how) && set_text(c, CURLOPT_USERNAME, access) &&
	       set_text(c, CURLOPT_PASSWORD, secret) &&
	       add_header(c, "x-amz-content-sha256: UNSIGNED-PAYLOAD") &&
	       (str_is_empty(token) || add_header(c, "x-amz-security-token: %s", token));
}

static bool set_login(struct client *c, bool trusted)
{
	const struct source *s = c->source;
	bool good = set_number(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);

	if (c->netrc_path)
		good = good && set_number(c, CURLOPT_NETRC, CURL_NETRC_OPTIONAL) &&
		       set_text(c, CURLOPT_NETRC_FILE, c->netrc_path);
	if (!trusted)
		return good;
	if (s->kind == SOURCE_S3)
		return good && set_s3(c);
	if (s->user)
		good = good && set_text(c, CURLOPT_USERNAME, s->user);
	if (s->password)
		good = good && set_text(c, CURLOPT_PASSWORD, s->password);
	return good;
}

static bool set_ssh(struct client *c)
{
	const char *known = c->known_hosts_path ? c->known_hosts_path : "/etc/ssh/ssh_known_hosts";
	bool good = true;

	/* without a file libcurl would trust any host */
	if (!c->job->insecure)
		good = set_text(c, CURLOPT_SSH_KNOWNHOSTS, known);
	if (c->key_path)
		return good && set_text(c, CURLOPT_SSH_PRIVATE_KEYFILE, c->key_path) &&
		       set_number(c, CURLOPT_SSH_AUTH_TYPES, (long)CURLSSH_AUTH_PUBLICKEY);
	return good && set_number(c, CURLOPT_SSH_AUTH_TYPES,
			       (long)(CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD));
}

static bool set_range(struct client *c, const struct client_request *request, bool is_http)
{
	_cleanup_free_ char *range = NULL;

	if (request->offset == 0)
		return true;
	if (!is_http)
		return curl_easy_setopt(c->easy, CURLOPT_RESUME_FROM_LARGE,
			       (curl_off_t)request->offset) == CURLE_OK;
	/* not RESUME_FROM, with which libcurl takes a 200 for an error of its own */
	range = xasprintf("Range: bytes=%llu-", (unsigned long long)request->offset);
	return add_header(c, "%s", range);
}

static long to_msec(usec_t usec)
{
	return (long)MIN(usec / USEC_PER_MSEC + 1, (usec_t)INT32_MAX);
}

static bool set_up(struct client *c, const struct client_request *request)
{
	_cleanup_free_ char *scheme = client_scheme(request->url);
	bool is_http = scheme && str_starts_with(scheme, "http");

	if (!scheme)
		return false;
	curl_easy_reset(c->easy);
	return set_text(c, CURLOPT_URL, request->url) &&
	       set_text(c, CURLOPT_PROTOCOLS_STR, scheme) && set_number(c, CURLOPT_NOSIGNAL, 1) &&
	       set_text(c, CURLOPT_USERAGENT, "taskhook-fetch/" PACKAGE_VERSION) &&
	       set_number(c, CURLOPT_BUFFERSIZE, 256L << 10) &&
	       set_number(
		       c, CURLOPT_CONNECTTIMEOUT_MS, to_msec(c->job->limits.stall_timeout_usec)) &&
	       curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->reply->text) == CURLE_OK &&
	       curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c) == CURLE_OK &&
	       curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c) == CURLE_OK &&
	       set_headers(c, request) && set_range(c, request, is_http) && set_proxy(c, scheme) &&
	       set_tls(c, request->trusted) && set_login(c, request->trusted) &&
	       (strcmp(scheme, "sftp") != 0 || set_ssh(c)) &&
	       set_number(c, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE) &&
	       curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK;
}

/* One round of waiting, at most `most` long. 0 or why it ends. */
static int wait_round(struct client *c, usec_t most, const struct client_hooks *hooks)
{
	int msec = (int)MIN(most / USEC_PER_MSEC + 1, (usec_t)POLL_MSEC);

	if (curl_multi_poll(c->multi, NULL, 0, msec, NULL) != CURLM_OK)
		return -EIO;
	if (event_parent_is_gone())
		return -EPIPE;
	return hooks->poll(hooks->arg);
}

static void perform(struct client *c, const struct client_request *request)
{
	struct client_reply *reply = c->reply;
	usec_t stall = c->job->limits.stall_timeout_usec;
	int running = 1;

	for (;;) {
		usec_t now;
		const CURLMsg *message;
		int left;

		if (curl_multi_perform(c->multi, &running) != CURLM_OK) {
			reply->code = CURLE_FAILED_INIT;
			return;
		}
		message = curl_multi_info_read(c->multi, &left);
		if (message && message->msg == CURLMSG_DONE) {
			reply->code = message->data.result;
			return;
		}
		now = clock_monotonic_usec();
		if (now >= request->deadline_usec)
			reply->aborted = -ETIMEDOUT;
		else if (now - c->last_byte_usec >= stall)
			reply->aborted = -ETIME;
		else
			reply->aborted = wait_round(c,
				MIN(request->deadline_usec - now,
					stall - (now - c->last_byte_usec)),
				c->hooks);
		if (reply->aborted)
			return;
	}
}

/* Makes the location absolute: not by CURLINFO_REDIRECT_URL, which is missing where the body of the
 * redirect was not read to its end. */
static void resolve_location(struct client_reply *reply, const char *url)
{
	CURLU *u = curl_url();
	char *absolute = NULL;

	if (reply->location && u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_set(u, CURLUPART_URL, reply->location,
			CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_URL, &absolute, 0) == CURLUE_OK)
		str_replace(&reply->location, absolute);
	curl_free(absolute);
	curl_url_cleanup(u);
}

void client_get(struct client *c, const struct client_request *request,
	const struct client_hooks *hooks, struct client_reply *reply)
{
	*reply = (struct client_reply){.length = HEADER_UNKNOWN};
	c->hooks = hooks;
	c->reply = reply;
	c->begun = c->wanted = false;
	c->unwanted = 0;
	c->header_bytes = 0;
	str_replace(&c->length, NULL);
	c->last_byte_usec = clock_monotonic_usec();
	if (!set_up(c, request) || curl_multi_add_handle(c->multi, c->easy) != CURLM_OK) {
		reply->code = CURLE_FAILED_INIT;
		return;
	}
	perform(c, request);
	if (reply->aborted == 0 && reply->code == CURLE_OK && !c->begun)
		(void)begin(c);
	/* the page of an error or a redirect that was longer than anybody would read */
	if (reply->aborted == 0 && reply->code == CURLE_WRITE_ERROR && c->begun && !c->wanted)
		reply->code = CURLE_OK;
	if (reply->aborted == 0 && reply->code == CURLE_OK)
		resolve_location(reply, request->url);
	(void)curl_multi_remove_handle(c->multi, c->easy);
	c->reply = NULL;
	c->hooks = NULL;
	if (!*reply->text)
		(void)snprintf(
			reply->text, sizeof(reply->text), "%s", curl_easy_strerror(reply->code));
	/* libcurl begins a sentence, we go on with one; "SSL" and the like stay */
	if (!isupper((unsigned char)reply->text[1]))
		reply->text[0] = (char)tolower((unsigned char)reply->text[0]);
}

int client_wait(struct client *c, usec_t usec, const struct client_hooks *hooks)
{
	usec_t end = usec_add(clock_monotonic_usec(), usec);

	for (;;) {
		usec_t now = clock_monotonic_usec();
		int r;

		if (now >= end)
			return 0;
		r = wait_round(c, end - now, hooks);
		if (r < 0)
			return r;
	}
}
