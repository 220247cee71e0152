#include "config.h"

#include "verify/measure_internal.h"

#include "base/alloc.h"
#include "base/parse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#define TOKEN_SIZE_MAX ((size_t)16 * 1024)
#define REASON_MAX     200

/* A token that ends so soon may have ended when it arrives. As golang.org/x/oauth2 has it. */
#define TOKEN_MARGIN_USEC (10 * USEC_PER_SEC)

struct kept_token {
	char *url, *user, *password, *scopes; /* what it was asked with */
	bool by_body;
	char *token;	  /* NULL: it was refused */
	usec_t good_usec; /* until then, monotonic */
};

struct measure_tokens {
	struct kept_token *v;
	size_t n;
};

struct measure_tokens *measure_tokens_new(void)
{
	return xcalloc(1, sizeof(struct measure_tokens));
}

void measure_tokens_free(struct measure_tokens *tokens)
{
	for (size_t i = 0; tokens && i < tokens->n; i++) {
		struct kept_token *k = &tokens->v[i];

		free(k->url);
		free(k->user);
		free(k->password);
		free(k->scopes);
		free(k->token);
	}
	if (tokens)
		free(tokens->v);
	free(tokens);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct kept_token *find_kept(const struct measure_job *j)
{
	const struct tmpl_auth *a = &j->metric->auth;

	for (size_t i = 0; i < j->tokens->n; i++) {
		struct kept_token *k = &j->tokens->v[i];

		if (same_text(k->url, a->token_url) && same_text(k->user, a->user) &&
			same_text(k->password, a->password) && same_text(k->scopes, a->scopes))
			return k;
	}
	return NULL;
}

void measure_token_find(struct measure_job *j)
{
	const struct kept_token *k = find_kept(j);

	if (!k)
		return;
	j->token_by_body = k->by_body;
	if (!k->token || clock_monotonic_usec() >= k->good_usec)
		return;
	strv_add(&j->answer.secrets, k->token);
	j->token = xasprintf("Bearer %s", k->token);
	j->token_was_kept = true;
}

void measure_token_drop(struct measure_job *j)
{
	struct kept_token *k = find_kept(j);

	/* another metric may have got a new one meanwhile */
	if (k && k->token && strcmp(k->token, j->token + strlen("Bearer ")) == 0)
		str_replace(&k->token, NULL);
	str_replace(&j->token, NULL);
	j->token_was_kept = false;
}

/* RFC 6749, 5.1: seconds, a number; some servers write it as a string. */
static usec_t good_until(const json_t *answer)
{
	const json_t *v = json_object_get(answer, "expires_in");
	usec_t now = clock_monotonic_usec();
	int64_t seconds = json_integer_value(v);

	if (json_is_real(v))
		seconds = json_real_value(v) < INT32_MAX ? (int64_t)json_real_value(v) : INT32_MAX;
	else if (json_is_string(v) &&
		 parse_int(json_string_value(v), INT64_MIN, INT64_MAX, &seconds) < 0)
		seconds = 0;
	if (!v || json_is_null(v))
		return USEC_INFINITY;
	seconds = MIN(seconds, (int64_t)INT32_MAX);
	return seconds <= 0
		       ? 0
		       : usec_sub(usec_add(now, (usec_t)seconds * USEC_PER_SEC), TOKEN_MARGIN_USEC);
}

static void keep(const struct measure_job *j, const char *token, usec_t good_usec)
{
	const struct tmpl_auth *a = &j->metric->auth;
	struct measure_tokens *all = j->tokens;
	struct kept_token *k = find_kept(j);

	if (!k) {
		all->v = xreallocarray(all->v, all->n + 1, sizeof(*all->v));
		k = &all->v[all->n++];
		*k = (struct kept_token){.url = xstrdup(a->token_url),
			.user = xstrdup(a->user),
			.password = xstrdup(a->password),
			.scopes = a->scopes ? xstrdup(a->scopes) : NULL};
	}
	k->by_body = j->token_by_body;
	k->good_usec = good_usec;
	str_replace(&k->token, token);
}

static void add_field(
	struct measure_job *j, struct strbuf *form, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(j->easy, value, 0);

	strbuf_addf(form, "&%s=%s", name, escaped ? escaped : "");
	curl_free(escaped);
}

/*
 * RFC 6749, 4.4.2, with the client's id and secret as 2.3.1 has them: in the header that all
 * servers have to know, or in the body, which some want all the same. Go's oauth2 tries both, too.
 */
void measure_token_ask(struct measure_job *j)
{
	const struct tmpl_auth *a = &j->metric->auth;
	_cleanup_strbuf_ struct strbuf form = STRBUF_INIT;

	strbuf_adds(&form, "grant_type=client_credentials");
	if (a->scopes)
		add_field(j, &form, "scope", a->scopes);
	if (j->token_by_body) {
		add_field(j, &form, "client_id", a->user);
		add_field(j, &form, "client_secret", a->password);
	} else {
		char *user = curl_easy_escape(j->easy, a->user, 0);
		char *password = curl_easy_escape(j->easy, a->password, 0);
		_cleanup_free_ char *both =
			xasprintf("%s:%s", user ? user : "", password ? password : "");

		strv_add(&j->answer.secrets, both);
		(void)curl_easy_setopt(j->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		(void)curl_easy_setopt(j->easy, CURLOPT_USERNAME, user);
		(void)curl_easy_setopt(j->easy, CURLOPT_PASSWORD, password);
		curl_free(user);
		curl_free(password);
	}
	j->headers = curl_slist_append(j->headers, "Accept: application/json");
	j->headers = curl_slist_append(j->headers, "Expect:");
	(void)curl_easy_setopt(j->easy, CURLOPT_URL, a->token_url);
	(void)curl_easy_setopt(j->easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(j->easy, CURLOPT_COPYPOSTFIELDS, strbuf_str(&form));
}

static bool is_token(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return *s && strlen(s) <= TOKEN_SIZE_MAX;
}

static int refuse(const struct measure_job *j, struct th_err *err, const char *what)
{
	return err_set(err, EXIT_UNAVAILABLE, EPROTO, "cannot get a token: %s %s",
		j->metric->auth.token_url, what);
}

/* RFC 6749, 5.2 */
static int explain_refusal(
	const struct measure_job *j, unsigned status, const json_t *answer, struct th_err *err)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *text = json_string_value(json_object_get(answer, "error_description"));
	_cleanup_free_ char *shown = str_escape(text ? text : error ? error : "", REASON_MAX);
	_cleanup_free_ char *what =
		xasprintf("answered with status %u%s%s", status, *shown ? ": " : "", shown);

	return refuse(j, err, what);
}

int measure_token_take(struct measure_job *j, unsigned status, struct th_err *err)
{
	json_t *answer = json_loadb(strbuf_str(&j->body), j->body.len, 0, NULL);
	const char *token = json_string_value(json_object_get(answer, "access_token"));
	const char *type = json_string_value(json_object_get(answer, "token_type"));
	int r;

	if (status >= 400 && status <= 499 && !j->token_by_body) {
		j->token_by_body = true;
		r = 1;
	} else if (status < 200 || status > 299) {
		r = explain_refusal(j, status, answer, err);
	} else if (!token || !is_token(token)) {
		r = refuse(j, err, "answered without an access_token");
	} else if (type && strcasecmp(type, "Bearer") != 0) {
		r = refuse(j, err, "gives a token whose token_type is not Bearer");
	} else {
		keep(j, token, good_until(answer));
		strv_add(&j->answer.secrets, token);
		j->token = xasprintf("Bearer %s", token);
		r = 0;
	}
	json_decref(answer);
	return r;
}
