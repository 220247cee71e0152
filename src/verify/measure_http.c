#include "config.h"

#include "verify/measure_internal.h"

#include "base/alloc.h"

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
	if (memchr(p, ':', len) && !memchr(p, '\0', len))
		strv_take(&j->answer.headers, xstrndup(p, len));
	return size * n;
}

static bool has_header(const struct tmpl_metric *m, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < m->headers.n; i++)
		if (strncasecmp(m->headers.v[i], name, len) == 0 && m->headers.v[i][len] == ':')
			return true;
	return false;
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
		j->headers = curl_slist_append(j->headers, empty ? empty : h);
	}
	j->headers = curl_slist_append(j->headers, "Expect:");
	/* libcurl would call any body a form */
	if (m->provider == TMPL_WEB && m->body && !has_header(m, "Content-Type"))
		j->headers = curl_slist_append(j->headers, "Content-Type:");
	(void)curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, j->headers);
}

static void set_body(struct measure_job *j, const char *method, const char *body)
{
	if (strcmp(method, "GET") == 0)
		return;
	(void)curl_easy_setopt(j->easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(
		j->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body ? body : ""));
	(void)curl_easy_setopt(j->easy, CURLOPT_POSTFIELDS, body ? body : "");
	if (strcmp(method, "POST") != 0)
		(void)curl_easy_setopt(j->easy, CURLOPT_CUSTOMREQUEST, method);
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
static int set_query(struct measure_job *j, struct th_err *err)
{
	const struct tmpl_metric *m = j->metric;
	_cleanup_strbuf_ struct strbuf form = STRBUF_INIT;
	_cleanup_free_ char *url = NULL, *asked = NULL;
	int64_t now = (int64_t)clock_realtime_usec() * 1000;
	size_t len = strlen(m->url);
	int r = 0;

	while (len > 0 && m->url[len - 1] == '/')
		len--;
	url = xasprintf(
		"%.*s/api/v1/query%s", (int)len, m->url, m->start && m->end ? "_range" : "");
	add_field(&form, j->easy, "query", m->query);
	if (m->start && m->end && m->step) {
		r = add_time(&form, j, "start", m->start, now, err);
		if (r == 0)
			r = add_time(&form, j, "end", m->end, now, err);
		if (r == 0)
			r = add_time(&form, j, "step", m->step, now, err);
	}
	if (r < 0)
		return r;
	j->form = strbuf_steal(&form);
	if (strlen(j->form) <= QUERY_SIZE_MAX)
		asked = xasprintf("%s?%s", url, j->form);
	else
		set_body(j, "POST", j->form);
	(void)curl_easy_setopt(j->easy, CURLOPT_URL, asked ? asked : url);
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void set_common(struct measure_job *j)
{
	const struct tmpl_metric *m = j->metric;
	CURL *e = j->easy;
	usec_t msec = MAX(m->timeout_usec / USEC_PER_MSEC, (usec_t)1);

	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, j);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, j->reason);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)MIN(msec, (usec_t)INT32_MAX));
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
	(void)curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, "taskhook-verify/" PACKAGE_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, j);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, j);
	if (m->insecure) {
		(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (m->user) {
		(void)curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		(void)curl_easy_setopt(e, CURLOPT_USERNAME, m->user);
		(void)curl_easy_setopt(e, CURLOPT_PASSWORD, m->password);
	}
}

static int set_up(struct measure_job *j, struct th_err *err)
{
	const struct tmpl_metric *m = j->metric;
	_cleanup_free_ char *url = NULL;

	set_common(j);
	if (m->provider == TMPL_TCP) {
		url = xasprintf("http://%s", m->address);
		(void)curl_easy_setopt(j->easy, CURLOPT_URL, url);
		(void)curl_easy_setopt(j->easy, CURLOPT_CONNECT_ONLY, 1L);
		(void)curl_easy_setopt(j->easy, CURLOPT_PROXY, "");
		/* a connection that was open before says nothing about now */
		(void)curl_easy_setopt(j->easy, CURLOPT_FRESH_CONNECT, 1L);
		return 0;
	}
	add_headers(j);
	if (m->provider == TMPL_PROMETHEUS)
		return set_query(j, err);
	(void)curl_easy_setopt(j->easy, CURLOPT_URL, m->url);
	set_body(j, m->method, m->body);
	return 0;
}

void measure_http_begin(CURLM *multi, struct measure_job *j)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	j->easy = curl_easy_init();
	if (!j->easy) {
		measure_end(j, xstrdup("libcurl has no memory"));
		return;
	}
	if (set_up(j, &err) < 0) {
		measure_end(j, xstrdup(err_text(&err)));
		return;
	}
	if (curl_multi_add_handle(multi, j->easy) != CURLM_OK)
		measure_end(j, xstrdup("libcurl cannot begin"));
}

static bool is_accepted(const struct tmpl_metric *m, unsigned status)
{
	for (size_t i = 0; i < m->n_accept; i++)
		if (status >= m->accept[i].from && status <= m->accept[i].to)
			return true;
	return m->n_accept == 0 && status >= 200 && status <= 299;
}

void measure_http_ended(struct measure_job *j, CURLcode code)
{
	const struct tmpl_metric *m = j->metric;
	long status = 0;

	(void)curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	j->answer.status = (unsigned)status;
	if (j->too_large)
		measure_end(j, xasprintf("the answer is larger than %zu MiB",
				       TMPL_BODY_MAX / 1024 / 1024));
	else if (j->headers_size > HEADERS_SIZE_MAX)
		measure_end(j, xasprintf("the headers of the answer are larger than %zu KiB",
				       HEADERS_SIZE_MAX / 1024));
	else if (code != CURLE_OK)
		measure_end(j, xasprintf("%s: %s", m->url ? m->url : m->address,
				       *j->reason ? j->reason : curl_easy_strerror(code)));
	else if (m->provider == TMPL_WEB && !is_accepted(m, j->answer.status))
		measure_end(j, xasprintf("%s answered with status %u", m->url, j->answer.status));
	/* its errors are JSON too, and say more than the status */
	else if (m->provider == TMPL_PROMETHEUS && (status < 200 || status > 299) &&
		 *strbuf_str(&j->body) != '{')
		measure_end(j, xasprintf("%s answered with status %u", m->url, j->answer.status));
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
	free(j->form);
}
