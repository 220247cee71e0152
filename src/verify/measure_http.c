#include "config.h"

#include "verify/measure_internal.h"

#include "base/alloc.h"
#include "verify/awskeys.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define REDIRECTS_MAX	 10
#define HEADERS_SIZE_MAX ((size_t)256 * 1024)

/* Longer ones are posted: servers limit the length of a URL. */
#define QUERY_SIZE_MAX 4096

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	return measure_add(data, p, size * n) ? size * n : 0;
}

static bool is_header(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* Of an answer whose length is not clear, libcurl takes the last one, or what it can read of it
 * (RFC 9112, 6.3: to be refused). */
static bool is_clear_length(const struct measure_job *j, const char *line)
{
	const char *value = strchr(line, ':') + 1;

	value += strspn(value, " \t");
	if (!*value || strlen(value) > 18 || strspn(value, "0123456789") != strlen(value))
		return false;
	for (size_t i = 0; i + 1 < j->answer.headers.n; i++)
		if (is_header(j->answer.headers.v[i], "Content-Length") &&
			strcmp(j->answer.headers.v[i], line) != 0)
			return false;
	return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *data)
{
	struct measure_job *j = data;
	size_t len = size * n;

	/* of several responses, as with redirects, the last counts */
	if (len >= 5 && memcmp(p, "HTTP/", 5) == 0) {
		strv_clear(&j->answer.headers);
		return len;
	}
	j->headers_size += len;
	if (j->headers_size > HEADERS_SIZE_MAX)
		return 0;
	while (len > 0 && (p[len - 1] == '\r' || p[len - 1] == '\n'))
		len--;
	if (memchr(p, ':', len) && !memchr(p, '\0', len)) {
		char *line = xstrndup(p, len);

		strv_take(&j->answer.headers, line);
		if (is_header(line, "Content-Length") && !is_clear_length(j, line)) {
			j->bad_length = true;
			return 0;
		}
	}
	return size * n;
}

static bool has_header(const struct tmpl_metric *m, const char *name)
{
	for (size_t i = 0; i < m->headers.n; i++)
		if (is_header(m->headers.v[i], name))
			return true;
	return false;
}

static void add_header(struct measure_job *j, const char *line)
{
	j->headers = curl_slist_append(j->headers, line);
}

/* Another host, where a redirect led to, is told what the body is and no more: any header may be a
 * secret. */
static bool is_sent(const struct measure_job *j, const char *line)
{
	if (j->foreign)
		return is_header(line, "Content-Type") || is_header(line, "Accept");
	return !j->token || !is_header(line, "Authorization");
}

static void add_headers(struct measure_job *j)
{
	const struct tmpl_metric *m = j->metric;

	for (size_t i = 0; i < m->headers.n; i++) {
		const char *h = m->headers.v[i], *colon = strchr(h, ':');
		_cleanup_free_ char *empty = NULL;

		/* how libcurl wants a header without a value (CURLOPT_HTTPHEADER(3)) */
		if (colon && colon[1 + strspn(colon + 1, " ")] == '\0')
			empty = xasprintf("%.*s;", (int)(colon - h), h);
		if (is_sent(j, h))
			add_header(j, empty ? empty : h);
	}
	if (j->token && !j->foreign) {
		_cleanup_free_ char *line = xasprintf("Authorization: %s", j->token);

		add_header(j, line);
	}
	/* libcurl would sign these, which are not sent (7.88) */
	if (m->auth.kind == TMPL_AUTH_SIGV4)
		return;
	add_header(j, "Expect:");
	/* libcurl would call any body a form */
	if (m->provider == TMPL_WEB && m->body && !has_header(m, "Content-Type"))
		add_header(j, "Content-Type:");
}

static void set_body(struct measure_job *j)
{
	const char *body = j->form ? j->form : j->metric->body;

	if (strcmp(j->method, "GET") == 0)
		return;
	(void)curl_easy_setopt(j->easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(
		j->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body ? body : ""));
	(void)curl_easy_setopt(j->easy, CURLOPT_POSTFIELDS, body ? body : "");
	if (strcmp(j->method, "POST") != 0)
		(void)curl_easy_setopt(j->easy, CURLOPT_CUSTOMREQUEST, j->method);
}

/* ---- who asks -------------------------------------------------------------------------------- */

static void set_basic(struct measure_job *j, const char *user, const char *password)
{
	(void)curl_easy_setopt(j->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	(void)curl_easy_setopt(j->easy, CURLOPT_USERNAME, user);
	(void)curl_easy_setopt(j->easy, CURLOPT_PASSWORD, password);
}

/* https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html */
static int set_sigv4(struct measure_job *j, struct th_err *err)
{
	const struct tmpl_auth *a = &j->metric->auth;
	_cleanup_awskeys_ struct awskeys keys = AWSKEYS_INIT;
	_cleanup_free_ char *scheme = xasprintf("aws:amz:%s:%s", a->region, a->service);
	int r = awskeys_find(a->profile, &keys, err);

	if (r < 0) {
		err_prefix(err, "authentication.sigv4");
		return r;
	}
	strv_add(&j->answer.secrets, keys.secret);
	if (keys.session) {
		_cleanup_free_ char *line = xasprintf("X-Amz-Security-Token: %s", keys.session);

		strv_add(&j->answer.secrets, keys.session);
		add_header(j, line);
	}
	(void)curl_easy_setopt(j->easy, CURLOPT_USERNAME, keys.id);
	(void)curl_easy_setopt(j->easy, CURLOPT_PASSWORD, keys.secret);
	(void)curl_easy_setopt(j->easy, CURLOPT_AWS_SIGV4, scheme);
	return 0;
}

static int set_authentication(struct measure_job *j, struct th_err *err)
{
	const struct tmpl_auth *a = &j->metric->auth;

	if (j->foreign)
		return 0;
	switch (a->kind) {
	case TMPL_AUTH_BASIC:
		set_basic(j, a->user, a->password);
		break;
	case TMPL_AUTH_SIGV4:
		return set_sigv4(j, err);
	case TMPL_AUTH_OAUTH2:
	case TMPL_AUTH_NONE:
		break;
	}
	return 0;
}

/* ---- prometheus ------------------------------------------------------------------------------ */

static void add_field(struct strbuf *form, CURL *easy, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(easy, value, 0);

	strbuf_addf(form, "%s%s=%s", form->len ? "&" : "", name, escaped ? escaped : "");
	curl_free(escaped);
}

/* A time or a duration in seconds, as the API takes it. */
static int add_time(struct strbuf *form, const struct measure_job *j, const char *name,
	const struct expr *expr, int64_t now_nsec, struct th_err *err)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct expr_env env = {.now_nsec = now_nsec};
	_cleanup_free_ char *text = NULL;
	struct value v;
	int r = expr_eval(expr, &env, &pool, &v, err);

	if (r == 0 && v.type != VALUE_TIME && v.type != VALUE_DURATION)
		r = err_set(err, EXIT_DATAERR, EINVAL, "neither a time nor a duration");
	if (r < 0) {
		err_prefix(err, "rangeQuery.%s", name);
		return r;
	}
	text = xasprintf("%" PRId64 ".%03" PRId64, v.u.integer / 1000000000,
		v.u.integer % 1000000000 / 1000000);
	add_field(form, j->easy, name, text);
	return 0;
}

/* https://prometheus.io/docs/prometheus/latest/querying/api/ */
static int make_query(struct measure_job *j, struct th_err *err)
{
	const struct tmpl_metric *m = j->metric;
	_cleanup_strbuf_ struct strbuf form = STRBUF_INIT;
	_cleanup_free_ char *url = NULL;
	int64_t now = (int64_t)clock_realtime_usec() * 1000;
	size_t len = strlen(m->url);
	int r = 0;

	while (len > 0 && m->url[len - 1] == '/')
		len--;
	url = xasprintf(
		"%.*s/api/v1/query%s", (int)len, m->url, m->start && m->end ? "_range" : "");
	/* in the order of their names, as signatures want them */
	if (m->start && m->end && m->step)
		r = add_time(&form, j, "end", m->end, now, err);
	add_field(&form, j->easy, "query", m->query);
	if (r == 0 && m->start && m->end && m->step)
		r = add_time(&form, j, "start", m->start, now, err);
	if (r == 0 && m->start && m->end && m->step)
		r = add_time(&form, j, "step", m->step, now, err);
	if (r < 0)
		return r;
	if (form.len <= QUERY_SIZE_MAX) {
		free(j->url);
		j->url = xasprintf("%s?%s", url, strbuf_str(&form));
		str_replace(&j->method, "GET");
	} else {
		free(j->url);
		j->url = TAKE_PTR(url);
		free(j->form);
		j->form = strbuf_steal(&form);
		str_replace(&j->method, "POST");
	}
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* As in Go, of whose programs the template may come: what is on this host needs no proxy. */
static void set_proxy(struct measure_job *j)
{
	const char *exempt = getenv("no_proxy");
	_cleanup_free_ char *all = NULL;

	if (!exempt)
		exempt = getenv("NO_PROXY");
	if (exempt && strcmp(exempt, "*") == 0)
		return;
	all = xasprintf("%s%slocalhost,127.0.0.0/8,::1", exempt ? exempt : "",
		str_is_empty(exempt) ? "" : ",");
	(void)curl_easy_setopt(j->easy, CURLOPT_NOPROXY, all);
}

static void set_tls(struct measure_job *j)
{
	const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");

	if (!str_is_empty(file))
		(void)curl_easy_setopt(j->easy, CURLOPT_CAINFO, file);
	if (!str_is_empty(dir))
		(void)curl_easy_setopt(j->easy, CURLOPT_CAPATH, dir);
	if (j->metric->insecure) {
		(void)curl_easy_setopt(j->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(j->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_common(struct measure_job *j)
{
	CURL *e = j->easy;
	usec_t left = usec_sub(j->deadline, clock_monotonic_usec()) / USEC_PER_MSEC;

	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, j);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, j->reason);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* a thread that waits for a name server is left to itself, not waited for */
#if LIBCURL_VERSION_NUM >= 0x075700
	(void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	(void)curl_easy_setopt(
		e, CURLOPT_TIMEOUT_MS, (long)MIN(MAX(left, (usec_t)1), (usec_t)INT32_MAX));
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, "taskhook-verify/" PACKAGE_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, j);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, j);
	set_proxy(j);
	set_tls(j);
}

/* What the request under way is told apart from others by. */
static int set_up(struct measure_job *j, struct th_err *err)
{
	int r = 0;

	if (j->wants_token) {
		measure_token_ask(j);
	} else if (j->metric->provider == TMPL_TCP) {
		(void)curl_easy_setopt(j->easy, CURLOPT_CONNECT_ONLY, 1L);
		(void)curl_easy_setopt(j->easy, CURLOPT_PROXY, "");
		/* a connection that was open before says nothing about now */
		(void)curl_easy_setopt(j->easy, CURLOPT_FRESH_CONNECT, 1L);
		(void)curl_easy_setopt(j->easy, CURLOPT_URL, j->url);
	} else {
		add_headers(j);
		set_body(j);
		r = set_authentication(j, err);
		(void)curl_easy_setopt(j->easy, CURLOPT_URL, j->url);
	}
	(void)curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, j->headers);
	return r;
}

/* One request; what the one before has left is forgotten. */
static void ask(CURLM *multi, struct measure_job *j)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	curl_easy_reset(j->easy);
	curl_slist_free_all(j->headers);
	j->headers = NULL;
	strbuf_done(&j->body);
	strv_clear(&j->answer.headers);
	j->headers_size = 0;
	j->bad_length = false;
	j->reason[0] = '\0';
	set_common(j);
	if (set_up(j, &err) < 0)
		measure_end(j, xstrdup(err_text(&err)));
	else if (curl_multi_add_handle(multi, j->easy) != CURLM_OK)
		measure_end(j, xstrdup("libcurl cannot begin"));
}

/* From the beginning: a token where one is needed, and the metric's own URL. */
static void start(CURLM *multi, struct measure_job *j)
{
	const struct tmpl_metric *m = j->metric;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	int r = 0;

	if (m->auth.kind == TMPL_AUTH_OAUTH2)
		measure_token_find(j);
	j->wants_token = m->auth.kind == TMPL_AUTH_OAUTH2 && !j->token;
	if (m->provider == TMPL_TCP) {
		j->url = xasprintf("http://%s", m->address);
	} else if (m->provider == TMPL_PROMETHEUS) {
		r = make_query(j, &err);
	} else {
		str_replace(&j->url, m->url);
		str_replace(&j->method, m->method);
	}
	if (r < 0)
		measure_end(j, xstrdup(err_text(&err)));
	else
		ask(multi, j);
}

void measure_http_begin(CURLM *multi, struct measure_job *j)
{
	j->easy = curl_easy_init();
	if (!j->easy) {
		measure_end(j, xstrdup("libcurl has no memory"));
		return;
	}
	start(multi, j);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool is_listed(const struct tmpl_metric *m, unsigned status)
{
	for (size_t i = 0; i < m->n_accept; i++)
		if (status >= m->accept[i].from && status <= m->accept[i].to)
			return true;
	return false;
}

static bool is_accepted(const struct tmpl_metric *m, unsigned status)
{
	return m->n_accept ? is_listed(m, status) : status >= 200 && status <= 299;
}

/* Whom the request went to, for messages. */
static const char *asked(const struct measure_job *j)
{
	const struct tmpl_metric *m = j->metric;

	if (j->wants_token)
		return m->auth.token_url;
	if (j->redirects)
		return j->url;
	return m->url ? m->url : m->address;
}

/* Why there is no answer; NULL: there is one. The caller frees it. */
static char *why_none(const struct measure_job *j, CURLcode code)
{
	if (j->too_large)
		return xasprintf("%s: the answer is larger than %zu MiB", asked(j),
			TMPL_BODY_MAX / 1024 / 1024);
	if (j->bad_length)
		return xasprintf("%s: the answer has no clear Content-Length", asked(j));
	if (j->headers_size > HEADERS_SIZE_MAX)
		return xasprintf("%s: the headers of the answer are larger than %zu KiB", asked(j),
			HEADERS_SIZE_MAX / 1024);
	if (code == CURLE_OPERATION_TIMEDOUT) {
		char span[CLOCK_SPAN_MAX];

		return xasprintf("%s: no answer within %s", asked(j),
			clock_format_span(j->metric->timeout_usec, span, sizeof(span)));
	}
	if (code != CURLE_OK)
		return xasprintf(
			"%s: %s", asked(j), *j->reason ? j->reason : curl_easy_strerror(code));
	return NULL;
}

static void take_token(CURLM *multi, struct measure_job *j)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	int r = measure_token_take(j, j->answer.status, &err);

	if (r < 0) {
		measure_end(j, xstrdup(err_text(&err)));
		return;
	}
	j->wants_token = r > 0;
	ask(multi, j);
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char *x = NULL, *y = NULL;
	bool same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		    curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		    strcasecmp(x, y) == 0;

	curl_free(x);
	curl_free(y);
	return same;
}

/* RFC 6454, 5 */
static bool same_origin(const char *x, const char *y)
{
	CURLU *a = curl_url(), *b = curl_url();
	bool same = a && b && curl_url_set(a, CURLUPART_URL, x, 0) == CURLUE_OK &&
		    curl_url_set(b, CURLUPART_URL, y, 0) == CURLUE_OK &&
		    same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
		    same_part(a, b, CURLUPART_PORT);

	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return same;
}

static const char *redirect_of(const struct measure_job *j)
{
	char *url = NULL;

	switch (j->answer.status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		break;
	default:
		return NULL;
	}
	/* who accepts such a status wants to see it */
	if (is_listed(j->metric, j->answer.status))
		return NULL;
	(void)curl_easy_getinfo(j->easy, CURLINFO_REDIRECT_URL, &url);
	return url;
}

/* By the rules of Go's net/http, which both projects use: 307 and 308 keep method and body. */
static void follow(CURLM *multi, struct measure_job *j, const char *to)
{
	if (++j->redirects > REDIRECTS_MAX) {
		measure_end(j, xasprintf("%s: more than %d redirects, the last to %s",
				       j->metric->url, REDIRECTS_MAX, to));
		return;
	}
	j->foreign = j->foreign || !same_origin(j->url, to);
	str_replace(&j->url, to);
	if (j->answer.status < 307)
		str_replace(&j->method, "GET");
	ask(multi, j);
}

/*
 * RFC 6750, 3.1: a token that was kept may have been revoked. Another one is got for the same
 * measurement, once: a new one that is refused is an answer.
 */
static bool was_token_refused(CURLM *multi, struct measure_job *j)
{
	bool again = j->token_was_kept;

	if (!j->token || j->foreign || j->answer.status != 401)
		return false;
	measure_token_drop(j);
	if (!again)
		return false;
	j->redirects = 0;
	start(multi, j);
	return true;
}

void measure_http_ended(CURLM *multi, struct measure_job *j, CURLcode code)
{
	const struct tmpl_metric *m = j->metric;
	_cleanup_free_ char *why = NULL;
	const char *to;
	long status = 0;

	(void)curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_multi_remove_handle(multi, j->easy);
	j->answer.status = (unsigned)status;
	why = why_none(j, code);
	to = !why && !j->wants_token && m->provider != TMPL_TCP ? redirect_of(j) : NULL;
	if (why)
		measure_end(j,
			j->wants_token ? xasprintf("cannot get a token: %s", why) : TAKE_PTR(why));
	else if (j->wants_token)
		take_token(multi, j);
	else if (was_token_refused(multi, j))
		return;
	else if (to)
		follow(multi, j, to);
	else if (m->provider == TMPL_WEB && !is_accepted(m, j->answer.status))
		measure_end(j, xasprintf("%s answered with status %u", asked(j), j->answer.status));
	/* its errors are JSON too, and say more than the status */
	else if (m->provider == TMPL_PROMETHEUS && (status < 200 || status > 299) &&
		 *strbuf_str(&j->body) != '{')
		measure_end(j, xasprintf("%s answered with status %u", asked(j), j->answer.status));
	else
		measure_end(j, NULL);
}

void measure_http_free(CURLM *multi, struct measure_job *j)
{
	if (j->easy) {
		(void)curl_multi_remove_handle(multi, j->easy);
		curl_easy_cleanup(j->easy);
	}
	curl_slist_free_all(j->headers);
	free(j->token);
	free(j->form);
	free(j->url);
	free(j->method);
}
