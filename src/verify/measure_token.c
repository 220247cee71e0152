#include "config.h"

#include "verify/measure_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#define TOKEN_SIZE_MAX ((size_t)16 * 1024)
#define REASON_MAX     200

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
		strv_add(&j->answer.secrets, token);
		j->token = xasprintf("Bearer %s", token);
		r = 0;
	}
	json_decref(answer);
	return r;
}
