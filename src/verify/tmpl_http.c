#include "config.h"

#include "verify/tmpl_reader.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "verify/goduration.h"

#include <string.h>
#include <strings.h>

static bool is_header_name(const char *name)
{
	return *name &&
	       strspn(name, "!#$%&'*+-.^_`|~0123456789"
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(name);
}

/* The last of one name counts, as in Go's http.Header.Set(). */
static void drop_header(struct tmpl_metric *m, const char *name)
{
	size_t n = strlen(name), kept = 0;

	for (size_t i = 0; i < m->headers.n; i++) {
		char *h = m->headers.v[i];

		if (strncasecmp(h, name, n) == 0 && h[n] == ':')
			free(h);
		else
			m->headers.v[kept++] = h;
	}
	m->headers.n = kept;
}

static void set_header(struct reader *r, struct tmpl_metric *m, const char *name, const char *value)
{
	drop_header(m, name);
	strv_addf(&m->headers, "%s: %s", name, value);
	if (strcasecmp(name, "Authorization") == 0 ||
		strcasecmp(name, "Proxy-Authorization") == 0 || strcasecmp(name, "Cookie") == 0) {
		const char *blank = strchr(value, ' ');

		/* behind the scheme, as "Bearer" */
		args_add_secret(r->args, blank ? blank + 1 : value);
	}
}

static void get_headers(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"key", "value", NULL};
	const json_t *list = json_object_get(o, "headers"), *h;
	size_t i;

	if (!list || json_is_null(list))
		return;
	if (!json_is_array(list) || json_array_size(list) > 100) {
		reader_complain(r, "headers",
			json_is_string(list) ? "headers: not a list (in INI: "
					       "PROVIDER.headers.NAME = VALUE)"
					     : "headers: not a list of at most 100");
		return;
	}
	json_array_foreach(list, i, h)
	{
		const json_t *outer = reader_enter_element(r, "headers", i);
		_cleanup_free_ char *key = reader_text(r, h, "key"),
				    *value = reader_text(r, h, "value");

		reader_check_fields(r, h, "headers", known);
		if (!key || !is_header_name(key))
			reader_complain(r, "key", "headers[%zu]: key is no name of a header", i);
		else if (value && strpbrk(value, "\r\n"))
			reader_complain(r, "value", "headers[%zu]: a value has one line", i);
		else
			set_header(r, m, key, value ? value : "");
		reader_leave(r, outer);
	}
}

void reader_check_url(struct reader *r, const char *key, const char *name, const char *url)
{
	const char *host, *at, *colon;

	if (reader_is_unknown(r, url))
		return;
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		reader_complain(r, key, "%s: neither http:// nor https://", name);
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f) {
			reader_complain(r, key,
				"%s: holds a blank or a control byte (in an argument: write {{ "
				"args.NAME | url }})",
				name);
			return;
		}
	/* "//USER:PASSWORD@HOST" */
	host = strstr(url, "//");
	host = host ? host + 2 : url;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	if (colon) {
		_cleanup_free_ char *password = xstrndup(colon + 1, (size_t)(at - colon - 1));

		args_add_secret(r->args, password);
	}
}

/* [200, 204], "200-299, 404" */
static void get_accepted(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	const json_t *list = json_object_get(o, "acceptStatus"), *v;
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	size_t i;

	if (!list)
		return;
	json_array_foreach(list, i, v)
	{
		if (json_is_integer(v))
			strbuf_addf(&all, "%" JSON_INTEGER_FORMAT ",", json_integer_value(v));
		else
			strbuf_addf(&all, "%s,", json_is_string(v) ? json_string_value(v) : "?");
	}
	text = json_is_array(list) ? strbuf_steal(&all) : reader_text(r, o, "acceptStatus");
	if (!text || reader_is_unknown(r, text))
		return;
	for (char *w = strtok_r(text, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		char *dash = strchr(w, '-');
		uint64_t from, to;

		if (dash)
			*dash = '\0';
		if (parse_uint(w, 100, 999, &from) < 0 ||
			parse_uint(dash ? dash + 1 : w, 100, 999, &to) < 0 || from > to) {
			reader_complain(r, "acceptStatus",
				"acceptStatus: not a list of statuses, as 200-299, 404");
			return;
		}
		m->accept = xreallocarray(m->accept, m->n_accept + 1, sizeof(*m->accept));
		m->accept[m->n_accept++] = (struct tmpl_range){(unsigned)from, (unsigned)to};
	}
}

static bool is_json(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
	bool good = v != NULL;

	json_decref(v);
	return good;
}

void reader_web(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"url", "jsonPath", "method", "headers",
		"timeoutSeconds", "insecure", "body", "jsonBody", "authentication", "acceptStatus",
		NULL};
	const json_t *json = json_object_get(o, "jsonBody");
	int64_t seconds;

	reader_check_fields(r, o, "web", known);
	m->url = reader_need_text(r, o, "url");
	if (*m->url)
		reader_check_url(r, "url", "url", m->url);
	m->method = reader_text(r, o, "method");
	if (str_is_empty(m->method))
		str_replace(&m->method, "GET");
	if (strcmp(m->method, "GET") != 0 && strcmp(m->method, "POST") != 0 &&
		strcmp(m->method, "PUT") != 0)
		reader_complain(r, "method", "method: not GET, POST or PUT");
	m->timeout_usec = 10 * USEC_PER_SEC;
	if (reader_integer(r, o, "timeoutSeconds", &seconds) && seconds > 0)
		m->timeout_usec = (usec_t)MIN(seconds, 86400) * USEC_PER_SEC;
	get_headers(r, m, o);
	m->insecure = reader_bool(r, o, "insecure");
	m->path = reader_path(r, o);
	reader_authentication(r, m, o);
	get_accepted(r, m, o);
	m->body = reader_text(r, o, "body");
	if (json && !json_is_null(json)) {
		if (m->body)
			reader_complain(r, "jsonBody", "use either body or jsonBody");
		free(m->body);
		m->body = json_is_string(json) ? xstrdup(json_string_value(json))
					       : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
		if (json_is_string(json) && !reader_is_unknown(r, m->body) && !is_json(m->body))
			reader_complain(
				r, "jsonBody", "jsonBody: no JSON (body is for other texts)");
		set_header(r, m, "Content-Type", "application/json");
	}
	if (m->body && strcmp(m->method, "GET") == 0)
		reader_complain(r, "body", "body and jsonBody need the method POST or PUT");
}

/* In the group rangeQuery. */
static void read_range(struct reader *r, struct tmpl_metric *m, const json_t *range)
{
	static const char *const known[] = {"start", "end", "step", NULL};
	_cleanup_free_ char *step = reader_text(r, range, "step"), *quoted = NULL;
	int64_t nsec;

	reader_check_fields(r, range, "rangeQuery", known);
	m->start = reader_condition(r, range, "start", EXPR_TIME);
	m->end = reader_condition(r, range, "end", EXPR_TIME);
	if (!m->start || !m->end || !step) {
		reader_complain(r, NULL, "rangeQuery needs start, end and step");
		return;
	}
	if (reader_is_unknown(r, step))
		return;
	if (goduration_parse(step, &nsec, NULL) < 0 || nsec <= 0) {
		reader_complain(r, "step", "rangeQuery.step: no duration above 0, as 1m");
		return;
	}
	quoted = xasprintf("duration(\"%s\")", step);
	(void)expr_parse(quoted, EXPR_TIME, &m->step, NULL);
}

void reader_prometheus(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"address", "query", "timeout", "insecure", "headers",
		"authentication", "rangeQuery", NULL};
	const char *address = getenv("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS");
	const json_t *range = json_object_get(o, "rangeQuery");

	reader_check_fields(r, o, "prometheus", known);
	m->url = reader_text(r, o, "address");
	if (str_is_empty(m->url) && !str_is_empty(address))
		str_replace(&m->url, address);
	if (str_is_empty(m->url))
		reader_complain(r, "address", "address is needed");
	else
		reader_check_url(r, "address", "address", m->url);
	m->query = reader_need_text(r, o, "query");
	m->query_shown = args_redact(r->args, NULL, m->query);
	str_replace(&m->method, "POST");
	m->timeout_usec = 30 * USEC_PER_SEC;
	reader_timeout(r, o, "timeout", &m->timeout_usec);
	m->insecure = reader_bool(r, o, "insecure");
	get_headers(r, m, o);
	reader_authentication(r, m, o);
	if (range && !json_is_null(range)) {
		const json_t *outer = reader_enter(r, "rangeQuery");

		read_range(r, m, range);
		reader_leave(r, outer);
	}
}
