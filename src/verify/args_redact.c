#include "config.h"

#include "verify/args.h"

#include "base/alloc.h"
#include "verify/args_internal.h"

#include <string.h>

void args_add_secret(struct args *args, const char *text)
{
	if (!str_is_empty(text))
		strv_add(&args->secrets, text);
}

bool args_names_secret(const struct args *args, const char *text)
{
	const char *end;

	for (const char *p = strstr(text, "{{"); p; p = strstr(end, "{{")) {
		const char *name = NULL;
		size_t n = 0;
		bool url;
		const struct arg *a;

		end = strstr(p + 2, "}}");
		if (!end)
			return false;
		if (args_parse_tag(p + 2, (size_t)(end - p - 2), &name, &n, &url, NULL) < 0)
			continue;
		a = args_find(args, name, n);
		if (a && a->secret)
			return true;
	}
	return false;
}

static char *to_base64(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const unsigned char *p = (const unsigned char *)text;

	for (size_t n = strlen(text); n > 0; n -= MIN(n, (size_t)3)) {
		unsigned bits = (unsigned)p[0] << 16;

		bits |= n > 1 ? (unsigned)p[1] << 8 : 0;
		bits |= n > 2 ? (unsigned)p[2] : 0;
		strbuf_addc(&b, digits[bits >> 18]);
		strbuf_addc(&b, digits[bits >> 12 & 63]);
		strbuf_addc(&b, n > 1 ? digits[bits >> 6 & 63] : '=');
		strbuf_addc(&b, n > 2 ? digits[bits & 63] : '=');
		p += n > 2 ? 3 : n;
	}
	return strbuf_steal(&b);
}

static void add_form(struct strv *forms, const char *form)
{
	for (size_t i = 0; i < forms->n; i++)
		if (strcmp(forms->v[i], form) == 0)
			return;
	strv_add(forms, form);
}

/* All that are there, once more in a string of JSON. */
static void add_forms_in_json(struct strv *forms)
{
	for (size_t i = 0, n = forms->n; i < n; i++) {
		struct value v = value_string_of(forms->v[i], strlen(forms->v[i]));
		_cleanup_free_ char *go = value_to_json(&v, 0), *plain = NULL;
		json_t *text = json_string(forms->v[i]);

		/* without its quotes */
		go[strlen(go) - 1] = '\0';
		add_form(forms, go + 1);
		plain = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
		json_decref(text);
		if (plain) {
			plain[strlen(plain) - 1] = '\0';
			add_form(forms, plain + 1);
		}
	}
}

/* A secret in all the ways in which it may be written. */
static void add_forms(struct strv *forms, const char *secret)
{
	_cleanup_strbuf_ struct strbuf url = STRBUF_INIT;
	_cleanup_strv_ struct strv own = STRV_INIT;
	_cleanup_free_ char *base64 = to_base64(secret);

	if (!*secret)
		return;
	strv_add(&own, secret);
	args_add_url(&url, secret);
	add_form(&own, strbuf_str(&url));
	add_form(&own, base64);
	for (const char *quote = "\"'`"; *quote; quote++) {
		_cleanup_strbuf_ struct strbuf quoted = STRBUF_INIT;

		args_add_quoted(&quoted, secret, *quote);
		add_form(&own, strbuf_str(&quoted));
	}
	add_forms_in_json(&own);
	/* as in a record within a value */
	add_forms_in_json(&own);
	for (size_t i = 0; i < own.n; i++) {
		_cleanup_free_ char *shown = str_escape(own.v[i], 0);

		add_form(forms, own.v[i]);
		add_form(forms, shown);
	}
}

/* Less of a secret tells nothing, and would be found everywhere. */
#define BEGINNING_MIN 4

/* How much of `text` is `form`, or its beginning where the text was cut. */
static size_t match_form(const char *text, const char *form)
{
	size_t n = 0;

	while (form[n] && text[n] == form[n])
		n++;
	if (!form[n])
		return n;
	return n >= BEGINNING_MIN && (!text[n] || strncmp(text + n, "...", 3) == 0) ? n : 0;
}

char *args_redact(const struct args *args, const struct strv *more, const char *text)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_strv_ struct strv forms = STRV_INIT;
	bool begins[256] = {false};

	for (size_t i = 0; i < args->n; i++)
		if (args->v[i].secret && args->v[i].value)
			add_forms(&forms, args->v[i].value);
	for (size_t i = 0; i < args->secrets.n; i++)
		add_forms(&forms, args->secrets.v[i]);
	for (size_t i = 0; more && i < more->n; i++)
		add_forms(&forms, more->v[i]);
	for (size_t i = 0; i < forms.n; i++)
		begins[(unsigned char)forms.v[i][0]] = true;

	while (*text) {
		size_t longest = 0;

		for (size_t i = 0; begins[(unsigned char)*text] && i < forms.n; i++)
			longest = MAX(longest, match_form(text, forms.v[i]));
		if (longest) {
			strbuf_adds(&out, "*****");
			text += longest;
		} else {
			strbuf_addc(&out, *text++);
		}
	}
	return strbuf_steal(&out);
}
