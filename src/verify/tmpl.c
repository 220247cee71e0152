#include "config.h"

#include "verify/tmpl.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/suggest.h"
#include "base/words.h"
#include "verify/goduration.h"
#include "verify/load.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *const provider_names[] = {
	[TMPL_WEB] = "web",
	[TMPL_PROMETHEUS] = "prometheus",
	[TMPL_EXEC] = "exec",
	[TMPL_FILE] = "file",
	[TMPL_TCP] = "tcp",
	[TMPL_TASK] = "task",
};

const char *tmpl_provider_name(enum tmpl_provider provider)
{
	return provider_names[provider];
}

void findings_done(struct findings *f)
{
	strv_done(&f->errors);
	strv_done(&f->warnings);
}

struct reader {
	struct tmpl *t;
	struct args *args;
	struct findings *found;
	bool met_unknown;		  /* is_unknown() was true */
	const json_t *raw;		  /* the spec with its tags */
	const json_t *raw_command;	  /* of the metric that is read */
	char where[64];			  /* "metrics[1]: " */
	bool secret_command, secret_name; /* the metric that is read has a secret argument there */
};

static void complain(struct reader *r, const char *fmt, ...) PRINTF_ATTR(2, 3);
static void complain(struct reader *r, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup(fmt);
	va_end(ap);
	strv_addf(&r->found->errors, "%s%s", r->where, text);
}

static void complain_err(struct reader *r, const char *field, struct th_err *err)
{
	complain(r, "%s: %s", field, err_text(err));
	err_clear(err);
}

/* ---- members --------------------------------------------------------------------------------- */

/* Has all members of `o` in `known`, a list that ends with NULL? */
static void check_fields(
	struct reader *r, const json_t *o, const char *what, const char *const *known)
{
	const char *key;
	json_t *v;
	size_t n = 0;

	while (known[n])
		n++;
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	{
		_cleanup_free_ char *shown = str_escape(key, 60);
		const char *near;
		bool ok = false;

		for (size_t i = 0; i < n; i++)
			ok = ok || strcmp(known[i], key) == 0;
		if (ok)
			continue;
		near = suggest_nearest(key, known, n);
		complain(r, "%s%sunknown field '%s'%s%s%s", what, *what ? ": " : "", shown,
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	}
}

/* As text, NULL where it is not there. */
static char *get_text(struct reader *r, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return NULL;
	if (json_is_string(v))
		return xstrdup(json_string_value(v));
	if (json_is_integer(v))
		return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	if (json_is_boolean(v))
		return xstrdup(json_is_true(v) ? "true" : "false");
	complain(r, "%s: not a string", key);
	return NULL;
}

/* Is it an argument whose value --lint does not know? */
static bool is_unknown(const struct reader *r, const char *text)
{
	return r->args->lint && strstr(text, "{{");
}

/* Likewise, of one that the longest time depends on. */
static bool is_unknown_number(struct reader *r, const char *text)
{
	bool unknown = is_unknown(r, text);

	r->met_unknown = r->met_unknown || unknown;
	return unknown;
}

static bool get_bool(struct reader *r, const json_t *o, const char *key)
{
	_cleanup_free_ char *text = get_text(r, o, key);
	bool value = false;

	if (text && !is_unknown(r, text) && parse_bool(text, &value) < 0)
		complain(r, "%s: neither true nor false", key);
	return value;
}

/* False where it is not there or not known. */
static bool get_integer(struct reader *r, const json_t *o, const char *key, int64_t *ret)
{
	_cleanup_free_ char *text = get_text(r, o, key), *shown = NULL;

	if (!text || is_unknown_number(r, text))
		return false;
	if (parse_int(text, -TMPL_COUNT_MAX, TMPL_COUNT_MAX, ret) == 0)
		return true;
	shown = str_escape(text, 60);
	complain(r, "%s: '%s' is no whole number up to %d", key, shown, TMPL_COUNT_MAX);
	return false;
}

static unsigned get_limit(
	struct reader *r, const json_t *o, const char *key, unsigned absent, int64_t min)
{
	int64_t value;

	if (!get_integer(r, o, key, &value))
		return absent;
	if (value >= min)
		return (unsigned)value;
	complain(r, "%s must be >= %d", key, (int)min);
	return absent;
}

static bool get_duration(
	struct reader *r, const json_t *o, const char *key, const char *name, usec_t *ret)
{
	_cleanup_free_ char *text = get_text(r, o, key);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	int64_t nsec;

	if (!text)
		return false;
	if (is_unknown_number(r, text)) {
		*ret = USEC_PER_SEC;
		return true;
	}
	if (!*text)
		return false;
	if (goduration_parse(text, &nsec, &err) < 0) {
		complain(r, "invalid %s string: %s", name, err_text(&err));
		return false;
	}
	if (nsec < 0) {
		complain(r, "%s must not be negative", key);
		return false;
	}
	*ret = ((usec_t)nsec + 999) / 1000;
	return true;
}

/* A duration, or seconds as a number. */
static void get_timeout(struct reader *r, const json_t *o, const char *key, usec_t *timeout_usec)
{
	_cleanup_free_ char *text = get_text(r, o, key);
	int64_t seconds;

	if (!text || is_unknown_number(r, text))
		return;
	if (parse_int(text, INT64_MIN, INT64_MAX, &seconds) == 0) {
		if (seconds < 0 || seconds > 86400)
			complain(r, "%s must be 0 to 86400 seconds", key);
		else if (seconds > 0)
			*timeout_usec = (usec_t)seconds * USEC_PER_SEC;
		return;
	}
	(void)get_duration(r, o, key, key, timeout_usec);
	if (*timeout_usec == 0 || *timeout_usec > USEC_PER_DAY)
		complain(r, "%s must be more than 0 and at most 24h", key);
}

static struct expr *get_condition(
	struct reader *r, const json_t *o, const char *key, enum expr_dialect dialect)
{
	_cleanup_free_ char *text = get_text(r, o, key);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct expr *expr = NULL;
	struct expr_env env = {.result = NULL};
	enum value_type type;

	if (str_is_empty(text))
		return NULL;
	if (expr_parse(text, dialect, &expr, &err) < 0) {
		complain_err(r, key, &err);
		return NULL;
	}
	if (expr_check(expr, &env, &type, &err) < 0)
		complain_err(r, key, &err);
	else if (dialect != EXPR_TIME && type != VALUE_ANY && type != VALUE_BOOL)
		complain(r, "%s: is of type %s and not true or false", key, value_type_name(type));
	return expr;
}

static struct jsonpath *get_path(struct reader *r, const json_t *o)
{
	_cleanup_free_ char *text = get_text(r, o, "jsonPath");
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct jsonpath *path = NULL;

	if (str_is_empty(text) || is_unknown(r, text))
		return NULL;
	if (jsonpath_parse(text, &path, &err) < 0) {
		complain_err(r, "jsonPath", &err);
		return NULL;
	}
	if (!jsonpath_has_path(path)) {
		_cleanup_free_ char *shown = str_escape(text, 60);

		strv_addf(&r->found->warnings,
			"%sjsonPath: '%s' has no braces, so it is text and no path (write {%s})",
			r->where, shown, shown);
	}
	return path;
}

/* ---- providers ------------------------------------------------------------------------------- */

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
		complain(r, "headers: not a list of at most 100");
		return;
	}
	json_array_foreach(list, i, h)
	{
		_cleanup_free_ char *key = get_text(r, h, "key"), *value = get_text(r, h, "value");

		check_fields(r, h, "headers", known);
		if (!key || !is_header_name(key))
			complain(r, "headers[%zu]: key is no name of a header", i);
		else if (value && strpbrk(value, "\r\n"))
			complain(r, "headers[%zu]: a value has one line", i);
		else
			set_header(r, m, key, value ? value : "");
	}
}

static void check_url(struct reader *r, const char *key, const char *url)
{
	const char *host, *at, *colon;

	if (is_unknown(r, url))
		return;
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		complain(r, "%s: neither http:// nor https://", key);
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f) {
			complain(r,
				"%s: holds a blank or a control byte (in an argument: write {{ "
				"args.NAME | url }})",
				key);
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

static void get_basic(struct reader *r, struct tmpl_auth *a, const json_t *o)
{
	static const char *const known[] = {"username", "password", NULL};
	_cleanup_free_ char *both = NULL;

	a->kind = TMPL_AUTH_BASIC;
	check_fields(r, o, "authentication.basicAuth", known);
	a->user = get_text(r, o, "username");
	a->password = get_text(r, o, "password");
	if (!a->user || !a->password || strchr(a->user, ':')) {
		complain(r,
			"authentication.basicAuth needs username, without a colon, and password");
		return;
	}
	both = xasprintf("%s:%s", a->user, a->password);
	args_add_secret(r->args, both);
	args_add_secret(r->args, a->password);
}

static void get_scopes(struct reader *r, struct tmpl_auth *a, const json_t *o)
{
	const json_t *list = json_object_get(o, "scopes"), *v;
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	size_t i;

	if (!list || json_is_null(list))
		return;
	if (json_is_string(list))
		strbuf_adds(&all, json_string_value(list));
	else if (!json_is_array(list))
		complain(r, "authentication.oauth2.scopes: not a list");
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v))
			complain(r, "authentication.oauth2.scopes[%zu]: not a string", i);
		else
			strbuf_addf(&all, "%s%s", i ? " " : "", json_string_value(v));
	}
	if (all.len)
		a->scopes = strbuf_steal(&all);
}

static void get_oauth2(struct reader *r, struct tmpl_auth *a, const json_t *o)
{
	static const char *const known[] = {"tokenUrl", "clientId", "clientSecret", "scopes", NULL};

	a->kind = TMPL_AUTH_OAUTH2;
	check_fields(r, o, "authentication.oauth2", known);
	a->token_url = get_text(r, o, "tokenUrl");
	a->user = get_text(r, o, "clientId");
	a->password = get_text(r, o, "clientSecret");
	get_scopes(r, a, o);
	if (str_is_empty(a->token_url) || str_is_empty(a->user) || str_is_empty(a->password)) {
		complain(r, "authentication.oauth2 needs tokenUrl, clientId and clientSecret");
		return;
	}
	check_url(r, "authentication.oauth2.tokenUrl", a->token_url);
	args_add_secret(r->args, a->password);
}

static void get_sigv4(
	struct reader *r, struct tmpl_auth *a, const json_t *o, enum tmpl_provider provider)
{
	static const char *const known[] = {"region", "service", "profile", "roleArn", NULL};
	_cleanup_free_ char *role = get_text(r, o, "roleArn");

	a->kind = TMPL_AUTH_SIGV4;
	check_fields(r, o, "authentication.sigv4", known);
	a->region = get_text(r, o, "region");
	a->service = get_text(r, o, "service");
	a->profile = get_text(r, o, "profile");
	if (str_is_empty(a->service))
		str_replace(&a->service, provider == TMPL_PROMETHEUS ? "aps" : "execute-api");
	if (str_is_empty(a->region) && getenv("AWS_REGION"))
		str_replace(&a->region, getenv("AWS_REGION"));
	if (str_is_empty(a->region))
		complain(r, "authentication.sigv4 needs region, here or as AWS_REGION in the "
			    "environment");
	else if (strpbrk(a->region, ": /") || strpbrk(a->service, ": /"))
		complain(r, "authentication.sigv4: region and service are words, as eu-west-1");
	if (!str_is_empty(role))
		complain(r, "authentication.sigv4.roleArn is not supported: assume the role before "
			    "and give its credentials in the environment");
}

static void get_authentication(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"basicAuth", "oauth2", "sigv4", NULL};
	const json_t *a = json_object_get(o, "authentication"), *basic, *oauth2, *sigv4;

	if (!a || json_is_null(a))
		return;
	check_fields(r, a, "authentication", known);
	/* an empty group is none, as Argo has it */
	basic = json_object_get(a, "basicAuth");
	oauth2 = json_object_get(a, "oauth2");
	sigv4 = json_object_get(a, "sigv4");
	if ((json_object_size(basic) > 0) + (json_object_size(oauth2) > 0) +
			(json_object_size(sigv4) > 0) >
		1)
		complain(r, "authentication: more than one of basicAuth, oauth2 and sigv4");
	else if (json_object_size(basic) > 0)
		get_basic(r, &m->auth, basic);
	else if (json_object_size(oauth2) > 0)
		get_oauth2(r, &m->auth, oauth2);
	else if (json_object_size(sigv4) > 0)
		get_sigv4(r, &m->auth, sigv4, m->provider);
}

static char *need_text(struct reader *r, const json_t *o, const char *key)
{
	char *text = get_text(r, o, key);

	if (!str_is_empty(text))
		return text;
	complain(r, "%s is needed", key);
	free(text);
	return xstrdup("");
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
	text = json_is_array(list) ? strbuf_steal(&all) : get_text(r, o, "acceptStatus");
	if (!text || is_unknown(r, text))
		return;
	for (char *w = strtok_r(text, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		char *dash = strchr(w, '-');
		uint64_t from, to;

		if (dash)
			*dash = '\0';
		if (parse_uint(w, 100, 999, &from) < 0 ||
			parse_uint(dash ? dash + 1 : w, 100, 999, &to) < 0 || from > to) {
			complain(r, "acceptStatus: not a list of statuses, as 200-299, 404");
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

static void read_web(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"url", "jsonPath", "method", "headers",
		"timeoutSeconds", "insecure", "body", "jsonBody", "authentication", "acceptStatus",
		NULL};
	const json_t *json = json_object_get(o, "jsonBody");
	int64_t seconds;

	check_fields(r, o, "web", known);
	m->url = need_text(r, o, "url");
	if (*m->url)
		check_url(r, "url", m->url);
	m->method = get_text(r, o, "method");
	if (str_is_empty(m->method))
		str_replace(&m->method, "GET");
	if (strcmp(m->method, "GET") != 0 && strcmp(m->method, "POST") != 0 &&
		strcmp(m->method, "PUT") != 0)
		complain(r, "method: not GET, POST or PUT");
	m->timeout_usec = 10 * USEC_PER_SEC;
	if (get_integer(r, o, "timeoutSeconds", &seconds) && seconds > 0)
		m->timeout_usec = (usec_t)MIN(seconds, 86400) * USEC_PER_SEC;
	get_headers(r, m, o);
	m->insecure = get_bool(r, o, "insecure");
	m->path = get_path(r, o);
	get_authentication(r, m, o);
	get_accepted(r, m, o);
	m->body = get_text(r, o, "body");
	if (json && !json_is_null(json)) {
		if (m->body)
			complain(r, "use either body or jsonBody");
		free(m->body);
		m->body = json_is_string(json) ? xstrdup(json_string_value(json))
					       : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
		if (json_is_string(json) && !is_unknown(r, m->body) && !is_json(m->body))
			complain(r, "jsonBody: no JSON (body is for other texts)");
		set_header(r, m, "Content-Type", "application/json");
	}
	if (m->body && strcmp(m->method, "GET") == 0)
		complain(r, "body and jsonBody need the method POST or PUT");
}

static void read_range(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"start", "end", "step", NULL};
	const json_t *range = json_object_get(o, "rangeQuery");
	_cleanup_free_ char *step = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *quoted = NULL;
	int64_t nsec;

	if (!range || json_is_null(range))
		return;
	check_fields(r, range, "rangeQuery", known);
	m->start = get_condition(r, range, "start", EXPR_TIME);
	m->end = get_condition(r, range, "end", EXPR_TIME);
	step = get_text(r, range, "step");
	if (!m->start || !m->end || !step) {
		complain(r, "rangeQuery needs start, end and step");
		return;
	}
	if (is_unknown(r, step))
		return;
	if (goduration_parse(step, &nsec, &err) < 0 || nsec <= 0) {
		complain(r, "rangeQuery.step: no duration above 0, as 1m");
		return;
	}
	quoted = xasprintf("duration(\"%s\")", step);
	(void)expr_parse(quoted, EXPR_TIME, &m->step, NULL);
}

static void read_prometheus(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"address", "query", "timeout", "insecure", "headers",
		"authentication", "rangeQuery", NULL};
	const char *address = getenv("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS");

	check_fields(r, o, "prometheus", known);
	m->url = get_text(r, o, "address");
	if (str_is_empty(m->url) && !str_is_empty(address))
		str_replace(&m->url, address);
	if (str_is_empty(m->url))
		complain(r, "address is needed");
	else
		check_url(r, "address", m->url);
	m->query = need_text(r, o, "query");
	m->query_shown = args_redact(r->args, NULL, m->query);
	str_replace(&m->method, "POST");
	m->timeout_usec = 30 * USEC_PER_SEC;
	get_timeout(r, o, "timeout", &m->timeout_usec);
	m->insecure = get_bool(r, o, "insecure");
	get_headers(r, m, o);
	get_authentication(r, m, o);
	read_range(r, m, o);
}

#define TAG_BYTE '\001'

/* The length of the tag that begins at `s`, 0: it has no end. */
static size_t tag_length(const char *s)
{
	const char *end = strstr(s, "}}");

	return end ? (size_t)(end + 2 - s) : 0;
}

/* A word of the command with the tags of `*raw`, from where it stands, in their places. */
static char *put_tags_back(const char *word, const char **raw)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	while (*word) {
		size_t n;

		if (*word != TAG_BYTE) {
			strbuf_addc(&b, *word++);
			continue;
		}
		*raw = strstr(*raw, "{{");
		n = tag_length(*raw);
		strbuf_add(&b, *raw, n);
		*raw += n;
		word += n;
	}
	return strbuf_steal(&b);
}

/* A command line is split before its arguments are put in: a value is always within one word. */
static int split_command(struct reader *r, const char *raw, struct strv *ret, struct th_err *err)
{
	_cleanup_free_ char *marked = xstrdup(raw);
	_cleanup_strv_ struct strv words = STRV_INIT;
	size_t n;
	int rc;

	if (strchr(raw, TAG_BYTE))
		return err_set(err, EXIT_DATAERR, EINVAL, "holds a control byte");
	for (char *tag = strstr(marked, "{{"); tag && (n = tag_length(tag)) > 0;
		tag = strstr(tag + n, "{{"))
		memset(tag, TAG_BYTE, n);
	rc = words_split(marked, &words, err);
	for (size_t i = 0; rc == 0 && i < words.n; i++) {
		_cleanup_free_ char *word = put_tags_back(words.v[i], &raw), *value = NULL;

		rc = args_render(r->args, word, ARGS_TEXT, &value, err);
		if (rc == 0)
			strv_add(ret, value);
	}
	return rc;
}

static void read_exec(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"command", "timeout", "jsonPath", NULL};
	const json_t *command = json_object_get(o, "command"), *v;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	size_t i;

	check_fields(r, o, "exec", known);
	m->timeout_usec = 30 * USEC_PER_SEC;
	get_timeout(r, o, "timeout", &m->timeout_usec);
	m->path = get_path(r, o);
	json_array_foreach(command, i, v)
	{
		if (json_is_string(v))
			strv_add(&m->command, json_string_value(v));
		else
			complain(r, "command[%zu]: not a string", i);
	}
	if (json_is_string(r->raw_command) &&
		split_command(r, json_string_value(r->raw_command), &m->command, &err) < 0)
		complain_err(r, "command", &err);
	else if (m->command.n == 0)
		complain(r, "command is needed");
	if (r->secret_command)
		complain(r, "command: every user sees it in /proc, so it takes no secret argument: "
			    "let the program read it from a file or from its environment");
}

static void read_file(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"path", "jsonPath", NULL};

	check_fields(r, o, "file", known);
	m->file = need_text(r, o, "path");
	m->path = get_path(r, o);
	m->timeout_usec = USEC_PER_SEC;
}

static void read_tcp(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"address", "timeout", NULL};
	const char *colon;

	check_fields(r, o, "tcp", known);
	m->address = need_text(r, o, "address");
	m->timeout_usec = 10 * USEC_PER_SEC;
	get_timeout(r, o, "timeout", &m->timeout_usec);
	colon = strrchr(m->address, ':');
	if (*m->address && !is_unknown(r, m->address) &&
		(!colon || colon == m->address || !colon[1] || strpbrk(m->address, "/@?#% ")))
		complain(r, "address: not HOST:PORT");
}

bool tmpl_field_is_figure(const char *field)
{
	static const char *const figures[] = {"cpu", "memory", "pids", "io", "pressure"};
	size_t n = strcspn(field, ".");

	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		if (strlen(figures[i]) == n && memcmp(figures[i], field, n) == 0)
			return true;
	return false;
}

static void read_task(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"task", "field", NULL};

	check_fields(r, o, "task", known);
	m->task = need_text(r, o, "task");
	m->field = need_text(r, o, "field");
	m->timeout_usec = 10 * USEC_PER_SEC;
}

static void (*const readers[])(struct reader *, struct tmpl_metric *, const json_t *) = {
	[TMPL_WEB] = read_web,
	[TMPL_PROMETHEUS] = read_prometheus,
	[TMPL_EXEC] = read_exec,
	[TMPL_FILE] = read_file,
	[TMPL_TCP] = read_tcp,
	[TMPL_TASK] = read_task,
};

/* Providers of the two projects that taskhook has not, and why. */
static const char *foreign_provider(const char *name)
{
	static const struct {
		const char *name;
		const char *why;
	} foreign[] = {
		{"kubernetes", "reads and changes objects of a Kubernetes cluster, and there is "
			       "none here"},
		{"job", "runs a job in a Kubernetes cluster, and there is none here: 'exec' runs a "
			"command"},
		{"plugin",
			"is a program inside of Argo Rollouts' controller: 'exec' runs a command"},
		{"kayenta", "is not supported: ask its HTTP API with 'web'"},
		{"datadog", "is not supported: ask its HTTP API with 'web'"},
		{"wavefront", "is not supported: ask its HTTP API with 'web'"},
		{"newRelic", "is not supported: ask its HTTP API with 'web'"},
		{"cloudWatch", "is not supported: ask its HTTP API with 'web'"},
		{"graphite", "is not supported: ask its HTTP API with 'web'"},
		{"influxdb", "is not supported: ask its HTTP API with 'web'"},
		{"skywalking", "is not supported: ask its HTTP API with 'web'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (strcmp(foreign[i].name, name) == 0)
			return foreign[i].why;
	return NULL;
}

static void read_provider(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	const json_t *p = json_object_get(o, "provider");
	const char *name;
	json_t *v;

	if (json_object_size(p) == 0) {
		complain(r, "no provider specified");
		return;
	}
	if (json_object_size(p) > 1) {
		complain(r, "multiple providers specified");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)p, name, v)
	{
		const char *why = foreign_provider(name);
		_cleanup_free_ char *shown = str_escape(name, 60);
		const char *near;

		for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
			if (strcmp(provider_names[i], name) == 0) {
				m->provider = (enum tmpl_provider)i;
				readers[i](r, m, v);
				return;
			}
		near = suggest_nearest(name, provider_names, ARRAY_SIZE(provider_names));
		if (why)
			complain(r, "the provider '%s' %s", name, why);
		else
			complain(r, "unknown provider '%s'%s%s%s", shown,
				near ? " (did you mean '" : "", near ? near : "",
				near ? "'?)" : "");
		return;
	}
}

/* ---- metrics --------------------------------------------------------------------------------- */

unsigned tmpl_effective_count(const struct tmpl_metric *m)
{
	return m->count == 0 && !m->has_interval ? 1 : m->count;
}

static void check_counts(struct reader *r, const struct tmpl_metric *m)
{
	int64_t failures = MAX(m->failure_limit, (int64_t)0);

	if (m->count > 1 && !m->has_interval)
		complain(r, "interval must be specified when count > 1");
	if (m->failure_limit < 0 && m->consecutive_success_limit > 0 && m->count > 0 &&
		m->count < m->consecutive_success_limit)
		complain(r, "count must be >= consecutiveSuccessLimit");
	if (m->count == 0)
		return;
	if (m->count < m->inconclusive_limit)
		complain(r, "count must be >= inconclusiveLimit");
	if (m->count < m->successful_limit)
		complain(r, "count must be >= successfulLimit");
	if (m->count < failures)
		complain(r, "count must be >= failureLimit");
	else if (!m->bcs_streak && m->consecutive_success_limit > 0 && m->failure_limit >= 0 &&
		 m->count < failures + m->consecutive_success_limit)
		complain(r, "count (%u) must be >= failureLimit + consecutiveSuccessLimit",
			m->count);
}

static void warn_of_counts(struct reader *r, const struct tmpl_metric *m)
{
	unsigned count = tmpl_effective_count(m);

	if (count > 0 && m->failure_limit >= count)
		strv_addf(&r->found->warnings,
			"%scount (%u) is at most failureLimit (%d), so the metric can never fail",
			r->where, count, (int)m->failure_limit);
	if (count == 0 && m->successful_limit == 0 && m->consecutive_success_limit == 0)
		strv_addf(&r->found->warnings,
			"%shas an interval and no count, so the metric has no end", r->where);
}

static void read_limits(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	int64_t limit = 0;

	m->count = get_limit(r, o, "count", 0, 0);
	if (get_integer(r, o, "failureLimit", &limit) && limit < -1)
		complain(r, "failureLimit must be >= 0, or -1 to be disabled");
	m->failure_limit = MAX(limit, (int64_t)-1);
	m->inconclusive_limit = get_limit(r, o, "inconclusiveLimit", 0, 0);
	m->consecutive_error_limit = get_limit(r, o, "consecutiveErrorLimit", 4, 0);
	m->successful_limit = get_limit(r, o, "successfulLimit", 0, 0);
	m->consecutive_success_limit = get_limit(r, o, "consecutiveSuccessLimit", 0, 0);
	if (json_object_get(o, "consecutiveSuccessfulLimit")) {
		if (m->consecutive_success_limit > 0)
			complain(r,
				"consecutiveSuccessLimit and consecutiveSuccessfulLimit are one: "
				"give one of them");
		m->consecutive_success_limit = get_limit(r, o, "consecutiveSuccessfulLimit", 0, 1);
		m->bcs_streak = true;
	}
	if (m->failure_limit < 0 && json_object_get(o, "consecutiveSuccessLimit") &&
		m->consecutive_success_limit == 0)
		complain(r, "failureLimit and consecutiveSuccessLimit cannot both be disabled");
}

static bool names_secret(const struct reader *r, const json_t *v)
{
	return json_is_string(v) && args_names_secret(r->args, json_string_value(v));
}

/* In a metric that is not rendered yet. */
static void look_for_secrets(struct reader *r, const json_t *metric)
{
	const json_t *command = json_object_get(
		json_object_get(json_object_get(metric, "provider"), "exec"), "command");
	const json_t *v;
	size_t i;

	r->raw_command = command;
	r->secret_name = names_secret(r, json_object_get(metric, "name"));
	r->secret_command = names_secret(r, command);
	json_array_foreach(command, i, v) r->secret_command =
		r->secret_command || names_secret(r, v);
}

static void read_metric(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"name", "interval", "initialDelay", "count",
		"successCondition", "failureCondition", "failureLimit", "inconclusiveLimit",
		"consecutiveErrorLimit", "successfulLimit", "consecutiveSuccessfulLimit",
		"consecutiveSuccessLimit", "errorInterval", "provider", NULL};

	if (!json_is_object(o)) {
		complain(r, "not a mapping with name and provider");
		m->name = xstrdup("");
		return;
	}
	check_fields(r, o, "", known);
	m->name = get_text(r, o, "name");
	if (str_is_empty(m->name)) {
		complain(r, "has no name");
		str_replace(&m->name, "");
	}
	if (r->secret_name)
		complain(r, "name: it is told everywhere, so it takes no secret argument");
	for (const struct tmpl_metric *other = r->t->metrics; other < m; other++)
		if (strcmp(other->name, m->name) == 0)
			complain(r, "duplicate name '%s'", m->name);
	m->has_interval = get_duration(r, o, "interval", "interval", &m->interval_usec);
	m->has_error_interval =
		get_duration(r, o, "errorInterval", "errorInterval", &m->error_interval_usec);
	(void)get_duration(r, o, "initialDelay", "startDelay", &m->initial_delay_usec);
	m->success = get_condition(r, o, "successCondition", r->t->dialect);
	m->failure = get_condition(r, o, "failureCondition", r->t->dialect);
	m->retention = TMPL_RETENTION;
	read_limits(r, m, o);
	check_counts(r, m);
	warn_of_counts(r, m);
	read_provider(r, m, o);
}

static void metric_done(struct tmpl_metric *m)
{
	free(m->name);
	expr_free(m->success);
	expr_free(m->failure);
	expr_free(m->start);
	expr_free(m->end);
	expr_free(m->step);
	jsonpath_free(m->path);
	free(m->method);
	free(m->url);
	free(m->body);
	strv_done(&m->headers);
	free(m->accept);
	free(m->auth.user);
	free(m->auth.password);
	free(m->auth.token_url);
	free(m->auth.scopes);
	free(m->auth.region);
	free(m->auth.service);
	free(m->auth.profile);
	free(m->query);
	free(m->query_shown);
	strv_done(&m->command);
	free(m->file);
	free(m->address);
	free(m->task);
	free(m->field);
}

void tmpl_done(struct tmpl *t)
{
	for (size_t i = 0; i < t->n; i++)
		metric_done(&t->metrics[i]);
	free(t->metrics);
	free(t->name);
	free(t->kind);
	json_decref(t->spec);
}

/* ---- rules that name metrics by a pattern ---------------------------------------------------- */

/* Go's regular expressions, unanchored, as both projects match them. */
static bool rule_matches(struct reader *r, const json_t *rule, const char *name, bool *bad)
{
	const char *literal = json_string_value(json_object_get(rule, "literal"));
	const char *pattern = json_string_value(json_object_get(rule, "metricName"));
	_cleanup_regex_ struct regex *regex = NULL;
	int64_t steps = 1000000;

	(void)r;
	if (literal)
		return strcmp(literal, name) == 0;
	if (!pattern || regex_compile(pattern, strlen(pattern), &regex, NULL) < 0) {
		*bad = true;
		return false;
	}
	return regex_match(regex, name, strlen(name), &steps) == 1;
}

static void apply_rules(struct reader *r, const json_t *spec, const char *key, const char *what)
{
	const json_t *list = json_object_get(spec, key), *rule;
	_cleanup_free_ bool *taken = xcalloc(r->t->n + 1, sizeof(*taken));
	bool retention = strcmp(key, "measurementRetention") == 0;
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		complain(r, "%s: not a list", key);
	json_array_foreach(list, i, rule)
	{
		int64_t limit = TMPL_RETENTION;
		bool bad = false, matched = false, on = true;

		if (retention && get_integer(r, rule, "limit", &limit) &&
			(limit < 0 || limit > TMPL_RETENTION_MAX))
			complain(r, "%s[%zu]: limit must be 0 to %d", key, i, TMPL_RETENTION_MAX);
		if (json_object_get(rule, "on"))
			on = get_bool(r, rule, "on");
		for (size_t k = 0; k < r->t->n; k++) {
			struct tmpl_metric *m = &r->t->metrics[k];

			if (!rule_matches(r, rule, m->name, &bad))
				continue;
			if (taken[k])
				complain(r, "%s[%zu]: two %s rules have the metric '%s'", key, i,
					what, m->name);
			taken[k] = matched = true;
			if (retention)
				m->retention = limit > 0 ? (unsigned)limit : TMPL_RETENTION;
			else
				m->dry_run = on;
		}
		if (bad)
			complain(r, "%s[%zu]: metricName is no regular expression", key, i);
		else if (!matched)
			complain(r, "%s[%zu]: Rule didn't match any metric name(s)", key, i);
	}
}

static void read_spec(struct reader *r, const json_t *spec, int dialect)
{
	static const char *const known[] = {"metrics", "args", "policy", "dryRun",
		"measurementRetention", "templates", "timeout", "dialect", NULL};
	const json_t *metrics = json_object_get(spec, "metrics"), *o;
	_cleanup_free_ char *policy = get_text(r, spec, "policy"),
			    *words = get_text(r, spec, "dialect");
	size_t i;

	check_fields(r, spec, "", known);
	if (json_array_size(json_object_get(spec, "templates")) > 0)
		complain(r, "templates: other templates are looked up in a Kubernetes cluster, and "
			    "there is none here: put their metrics into this one");
	if (policy && *policy && strcmp(policy, "Parallel") != 0 && strcmp(policy, "Ordered") != 0)
		complain(r, "policy: neither Parallel nor Ordered");
	r->t->ordered = policy && strcmp(policy, "Ordered") == 0;
	if (words && strcmp(words, "argo") != 0 && strcmp(words, "bcs") != 0)
		complain(r, "dialect: neither argo nor bcs");
	if (dialect >= 0)
		r->t->dialect = (enum expr_dialect)dialect;
	else
		r->t->dialect = words && strcmp(words, "bcs") == 0 ? EXPR_BCS : EXPR_ARGO;
	r->t->timeout_usec = USEC_INFINITY;
	if (get_duration(r, spec, "timeout", "timeout", &r->t->timeout_usec) &&
		r->t->timeout_usec == 0)
		complain(r, "timeout must be more than 0");
	if (r->met_unknown)
		r->t->timeout_usec = USEC_INFINITY;
	if (metrics && !json_is_null(metrics) && !json_is_array(metrics)) {
		complain(r, "metrics: not a list");
		return;
	}
	if (json_array_size(metrics) == 0 || json_array_size(metrics) > TMPL_METRICS_MAX) {
		complain(r,
			json_array_size(metrics) ? "more than %d metrics" : "no metrics specified",
			TMPL_METRICS_MAX);
		return;
	}
	r->t->metrics = xcalloc(json_array_size(metrics), sizeof(*r->t->metrics));
	json_array_foreach(metrics, i, o)
	{
		(void)snprintf(r->where, sizeof(r->where), "metrics[%zu]: ", i);
		r->t->n = i + 1;
		r->met_unknown = false;
		look_for_secrets(r, json_array_get(json_object_get(r->raw, "metrics"), i));
		read_metric(r, &r->t->metrics[i], o);
		r->t->metrics[i].is_open = r->met_unknown;
	}
	r->where[0] = '\0';
	apply_rules(r, spec, "dryRun", "Dry-Run");
	apply_rules(r, spec, "measurementRetention", "Measurement Retention");
}

/* ---- what a record says was run -------------------------------------------------------------- */

static json_t *clean_string(const struct args *args, const char *text)
{
	_cleanup_free_ char *clean = args_redact(args, NULL, text), *shown = NULL;
	json_t *v = json_string(clean);

	if (v)
		return v;
	/* the value of an argument need not be UTF-8, and need not be after it was cut */
	shown = str_escape(clean, 0);
	return json_string(shown);
}

/* A copy without the values of secrets. */
static json_t *redact_tree(const struct args *args, const json_t *tree)
{
	json_t *copy, *v;
	const char *key;
	size_t i;

	if (json_is_string(tree))
		return clean_string(args, json_string_value(tree));
	if (json_is_array(tree)) {
		copy = json_array();
		json_array_foreach(tree, i, v)
		{
			(void)json_array_append_new(copy, redact_tree(args, v));
		}
		return copy;
	}
	if (json_is_object(tree)) {
		copy = json_object();
		json_object_foreach((json_t *)(uintptr_t)tree, key, v)
		{
			(void)json_object_set_new(copy, key, redact_tree(args, v));
		}
		return copy;
	}
	return json_incref((json_t *)(uintptr_t)tree);
}

static int compare_args(const void *a, const void *b)
{
	return strcmp((*(const struct arg *const *)a)->name, (*(const struct arg *const *)b)->name);
}

/* By name: in which order they were given means nothing. */
static json_t *args_to_json(const struct args *args)
{
	_cleanup_free_ const struct arg **sorted = xcalloc(args->n + 1, sizeof(const struct arg *));
	json_t *list = json_array();
	size_t n = 0;

	for (size_t i = 0; i < args->n; i++)
		if (args->v[i].declared || args->v[i].used)
			sorted[n++] = &args->v[i];
	if (n > 1)
		qsort(sorted, n, sizeof(const struct arg *), compare_args);
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		(void)json_object_set_new(o, "name", clean_string(args, sorted[i]->name));
		if (sorted[i]->value)
			(void)json_object_set_new(o, "value",
				sorted[i]->secret ? json_string("*****")
						  : clean_string(args, sorted[i]->value));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *spec_as_run(const struct tmpl *t, const json_t *spec, const struct args *args)
{
	json_t *o = redact_tree(args, spec);

	(void)json_object_set_new(o, "args", args_to_json(args));
	(void)json_object_set_new(
		o, "dialect", json_string(t->dialect == EXPR_BCS ? "bcs" : "argo"));
	return o;
}

void tmpl_init(struct tmpl *t, const json_t *doc, const char *file, int dialect, struct args *args,
	struct findings *found)
{
	const json_t *spec = json_object_get(doc, "spec");
	struct reader r = {.t = t, .args = args, .found = found, .raw = spec};
	const char *name = json_string_value(json_object_get(doc, "name"));
	const char *kind = json_string_value(json_object_get(doc, "kind"));
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_json_ json_t *rendered = NULL, *rest = json_copy((json_t *)(uintptr_t)spec);

	*t = (struct tmpl){.timeout_usec = USEC_INFINITY};
	t->name = str_escape(str_is_empty(name) ? path_basename(file) : name, 200);
	t->kind = str_escape(kind ? kind : "", 60);
	/* values of arguments are not looked into */
	(void)json_object_del(rest, "args");
	if (args_declare(args, json_object_get(spec, "args"), &err) < 0 ||
		args_check(args, &err) < 0 || args_render_tree(args, rest, &rendered, &err) < 0) {
		strv_add(&found->errors, err_text(&err));
		return;
	}
	read_spec(&r, rendered, dialect);
	if (!args->lint)
		t->spec = spec_as_run(t, spec, args);
	for (size_t i = 0; i < args->n; i++)
		if (!args->v[i].used)
			strv_addf(&found->warnings, "the argument '%s' is never used",
				args->v[i].name);
}

usec_t tmpl_error_wait(const struct tmpl *t, const struct tmpl_metric *m)
{
	if (m->has_error_interval)
		return m->error_interval_usec;
	return t->dialect == EXPR_BCS && m->has_interval ? m->interval_usec : TMPL_ERROR_RETRY_USEC;
}

/* ---- the longest run ------------------------------------------------------------------------- */

static usec_t times(usec_t usec, uint64_t n)
{
	usec_t product;

	return __builtin_mul_overflow(usec, (usec_t)n, &product) ? USEC_INFINITY : product;
}

/*
 * Errors are not counted: between any two counted measurements there may be as many as the limit
 * allows without an end, and behind the last one too many.
 */
static usec_t metric_worst_case(const struct tmpl *t, const struct tmpl_metric *m)
{
	uint64_t count = tmpl_effective_count(m), errors = m->consecutive_error_limit;
	usec_t retry = tmpl_error_wait(t, m);
	usec_t sum = m->initial_delay_usec;

	if (count == 0)
		return USEC_INFINITY;
	sum = usec_add(sum, times(m->timeout_usec, count * (errors + 1)));
	sum = usec_add(sum, times(retry, count * errors));
	return usec_add(sum, times(m->interval_usec, count - 1));
}

usec_t tmpl_worst_case(const struct tmpl *t, const char **ret_why)
{
	usec_t worst = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct tmpl_metric *m = &t->metrics[i];
		usec_t one = m->is_open ? USEC_INFINITY : metric_worst_case(t, m);

		worst = t->ordered ? usec_add(worst, one) : MAX(worst, one);
		if (one == USEC_INFINITY)
			*ret_why = m->is_open ? "a number or duration has an argument without a "
						"value"
					      : "a metric has an interval and no count, and the "
						"template no timeout";
	}
	return MIN(worst, t->timeout_usec);
}
