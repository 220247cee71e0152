#include "config.h"

#include "verify/tmpl_reader.h"

#include "base/alloc.h"

#include <string.h>

static void get_basic(struct reader *r, struct tmpl_auth *a, const json_t *o)
{
	static const char *const known[] = {"username", "password", NULL};
	_cleanup_free_ char *both = NULL;

	a->kind = TMPL_AUTH_BASIC;
	reader_check_fields(r, o, "authentication.basicAuth", known);
	a->user = reader_text(r, o, "username");
	a->password = reader_text(r, o, "password");
	if (!a->user || !a->password || strchr(a->user, ':')) {
		reader_complain(r, NULL,
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
		reader_complain(r, "scopes", "authentication.oauth2.scopes: not a list");
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v))
			reader_complain(
				r, "scopes", "authentication.oauth2.scopes[%zu]: not a string", i);
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
	reader_check_fields(r, o, "authentication.oauth2", known);
	a->token_url = reader_text(r, o, "tokenUrl");
	a->user = reader_text(r, o, "clientId");
	a->password = reader_text(r, o, "clientSecret");
	get_scopes(r, a, o);
	if (str_is_empty(a->token_url) || str_is_empty(a->user) || str_is_empty(a->password)) {
		reader_complain(
			r, NULL, "authentication.oauth2 needs tokenUrl, clientId and clientSecret");
		return;
	}
	reader_check_url(r, "tokenUrl", "authentication.oauth2.tokenUrl", a->token_url);
	args_add_secret(r->args, a->password);
}

static void get_sigv4(
	struct reader *r, struct tmpl_auth *a, const json_t *o, enum tmpl_provider provider)
{
	static const char *const known[] = {"region", "service", "profile", "roleArn", NULL};
	_cleanup_free_ char *role = reader_text(r, o, "roleArn");

	a->kind = TMPL_AUTH_SIGV4;
	reader_check_fields(r, o, "authentication.sigv4", known);
	a->region = reader_text(r, o, "region");
	a->service = reader_text(r, o, "service");
	a->profile = reader_text(r, o, "profile");
	if (str_is_empty(a->service))
		str_replace(&a->service, provider == TMPL_PROMETHEUS ? "aps" : "execute-api");
	if (str_is_empty(a->region) && getenv("AWS_REGION"))
		str_replace(&a->region, getenv("AWS_REGION"));
	if (str_is_empty(a->region))
		reader_complain(r, NULL,
			"authentication.sigv4 needs region, here or as AWS_REGION in the "
			"environment");
	else if (strpbrk(a->region, ": /") || strpbrk(a->service, ": /"))
		reader_complain(r, "region",
			"authentication.sigv4: region and service are words, as eu-west-1");
	if (!str_is_empty(role))
		reader_complain(r, "roleArn",
			"authentication.sigv4.roleArn is not supported: assume the role before "
			"and give its credentials in the environment");
}

void reader_authentication(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"basicAuth", "oauth2", "sigv4", NULL};
	const json_t *all = json_object_get(o, "authentication"), *outer, *outermost, *group;
	const char *kind = NULL;
	size_t n = 0;

	if (!all || json_is_null(all))
		return;
	outermost = reader_enter(r, "authentication");
	reader_check_fields(r, all, "authentication", known);
	for (size_t i = 0; known[i]; i++) {
		group = json_object_get(all, known[i]);
		if (group && !json_is_object(group) && !json_is_null(group))
			reader_complain(r, known[i], "authentication.%s: not a mapping", known[i]);
		/* an empty group is none, as Argo has it */
		if (json_object_size(group) == 0)
			continue;
		kind = known[i];
		n++;
	}
	if (n > 1) {
		reader_complain(
			r, NULL, "authentication: more than one of basicAuth, oauth2 and sigv4");
	} else if (n == 1) {
		group = json_object_get(all, kind);
		outer = reader_enter(r, kind);
		if (strcmp(kind, "basicAuth") == 0)
			get_basic(r, &m->auth, group);
		else if (strcmp(kind, "oauth2") == 0)
			get_oauth2(r, &m->auth, group);
		else
			get_sigv4(r, &m->auth, group, m->provider);
		reader_leave(r, outer);
	}
	reader_leave(r, outermost);
}
