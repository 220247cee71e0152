#include "config.h"

#include "verify/args.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

void args_done(struct args *args)
{
	for (size_t i = 0; i < args->n; i++) {
		free(args->v[i].name);
		free(args->v[i].value);
		free(args->v[i].reason);
	}
	free(args->v);
	strv_done(&args->secrets);
	*args = (struct args){.n = 0};
}

static struct arg *find(const struct args *args, const char *name, size_t n)
{
	for (size_t i = 0; i < args->n; i++)
		if (strlen(args->v[i].name) == n && memcmp(args->v[i].name, name, n) == 0)
			return &args->v[i];
	return NULL;
}

static struct arg *add(struct args *args, const char *name)
{
	struct arg *a = find(args, name, strlen(name));

	if (a)
		return a;
	args->v = xreallocarray(args->v, args->n + 1, sizeof(*args->v));
	a = &args->v[args->n++];
	*a = (struct arg){.name = xstrdup(name)};
	return a;
}

void args_set(struct args *args, const char *name, const char *value, bool secret)
{
	struct arg *a = add(args, name);

	str_replace(&a->value, value);
	a->secret = a->secret || secret;
	a->given = true;
}

/* ---- secrets --------------------------------------------------------------------------------- */

/* To its end, as far as ARGS_VALUE_MAX. 0 or -errno. */
static int read_all(int fd, char **ret)
{
	_cleanup_free_ char *text = xmalloc(ARGS_VALUE_MAX + 2);
	ssize_t n = fd_read_full(fd, text, ARGS_VALUE_MAX + 1);

	if (n < 0)
		return (int)n;
	if ((size_t)n > ARGS_VALUE_MAX)
		return -EFBIG;
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

static int read_fd(const char *where, char **ret, struct th_err *err)
{
	uint64_t fd;
	int r;

	if (parse_uint(where, 0, INT_MAX, &fd) < 0)
		return err_set(err, EXIT_USAGE, EINVAL, "'%s' is no number of a descriptor", where);
	r = read_all((int)fd, ret);
	return r < 0 ? err_set(err, EXIT_CONFIG, -r, "cannot read descriptor %s: %s", where,
			       r == -EFBIG ? "more than 64 KiB" : strerror(-r))
		     : 0;
}

/* Not by file_read_at(): of a FIFO, as a shell's <(...) is one, what will be written is waited for,
 * as with a descriptor. */
static int read_file(const char *where, char **ret, struct th_err *err)
{
	_cleanup_close_ int fd = open(where, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : read_all(fd, ret);

	return r < 0 ? err_set(err, r == -EACCES ? EXIT_NOPERM : EXIT_CONFIG, -r,
			       "cannot read '%s': %s", where,
			       r == -EFBIG ? "more than 64 KiB" : strerror(-r))
		     : 0;
}

static int read_secret(enum args_from from, const char *where, char **ret, struct th_err *err)
{
	const char *value;
	int r;

	if (from == ARGS_FROM_ENV) {
		value = getenv(where);
		if (!value)
			return err_set(err, EXIT_CONFIG, ENOENT,
				"the variable '%s' is not in the environment", where);
		*ret = xstrdup(value);
		return 0;
	}
	r = from == ARGS_FROM_FD ? read_fd(where, ret, err) : read_file(where, ret, err);
	if (r == 0) {
		size_t n = strlen(*ret);

		if (n > 0 && (*ret)[n - 1] == '\n')
			(*ret)[--n] = '\0';
		if (n > 0 && (*ret)[n - 1] == '\r')
			(*ret)[--n] = '\0';
	}
	return r;
}

int args_set_from(struct args *args, enum args_from from, const char *name, const char *where,
	struct th_err *err)
{
	_cleanup_free_ char *value = NULL;
	int r = read_secret(from, where, &value, err);

	if (r < 0) {
		err_prefix(err, "argument '%s'", name);
		return r;
	}
	args_set(args, name, value, true);
	return 0;
}

/* ---- those of the template ------------------------------------------------------------------- */

static char *scalar_text(const json_t *v)
{
	if (json_is_string(v))
		return xstrdup(json_string_value(v));
	if (json_is_integer(v))
		return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	if (json_is_boolean(v))
		return xstrdup(json_is_true(v) ? "true" : "false");
	return NULL;
}

static int declare_from(struct args *args, struct arg *a, const json_t *from, struct th_err *err)
{
	static const struct {
		const char *key;
		enum args_from from;
	} ours[] = {{"file", ARGS_FROM_FILE}, {"env", ARGS_FROM_ENV}, {"fd", ARGS_FROM_FD}};
	_cleanup_free_ char *where = NULL, *name = xstrdup(a->name);

	a->secret = true;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		const json_t *v = json_object_get(from, ours[i].key);

		if (!v)
			continue;
		where = scalar_text(v);
		if (!where || json_object_size(from) != 1)
			return err_set(err, EXIT_DATAERR, EINVAL,
				"argument '%s': valueFrom takes one of file, env, fd", name);
		if (a->value || args->lint)
			return 0;
		return args_set_from(args, ours[i].from, name, where, err);
	}
	if (!json_object_get(from, "secretKeyRef") && !json_object_get(from, "fieldRef"))
		return err_set(err, EXIT_DATAERR, EINVAL,
			"argument '%s': valueFrom takes one of file, env, fd", name);
	if (json_object_get(from, "fieldRef"))
		a->secret = false;
	str_replace(&a->reason,
		"it comes from Kubernetes there, and there is none here: give it with "
		"-a, --arg-file, --arg-env or --arg-fd");
	return 0;
}

int args_declare(struct args *args, const json_t *list, struct th_err *err)
{
	const json_t *o;
	size_t i;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(err, EXIT_DATAERR, EINVAL, "args: not a list");
	json_array_foreach(list, i, o)
	{
		const char *name = json_string_value(json_object_get(o, "name"));
		const json_t *value = json_object_get(o, "value");
		const json_t *from = json_object_get(o, "valueFrom");
		const char *key;
		json_t *v;
		struct arg *a;
		int r;

		if (str_is_empty(name))
			return err_set(err, EXIT_DATAERR, EINVAL, "args[%zu]: has no name", i);
		json_object_foreach((json_t *)(uintptr_t)o, key,
			v) if (strcmp(key, "name") != 0 && strcmp(key, "value") != 0 &&
			       strcmp(key, "valueFrom") != 0)
		{
			_cleanup_free_ char *shown = str_escape(key, 60);

			return err_set(err, EXIT_DATAERR, EINVAL, "args[%zu]: unknown field '%s'",
				i, shown);
		}
		a = add(args, name);
		if (a->declared)
			return err_set(
				err, EXIT_DATAERR, EINVAL, "argument '%s' stands twice", name);
		a->declared = true;
		if (value && !json_is_null(value) && from)
			return err_set(err, EXIT_DATAERR, EINVAL,
				"argument '%s' has both value and valueFrom", name);
		if (from) {
			r = declare_from(args, a, from, err);
			if (r < 0)
				return r;
		} else if (value && !json_is_null(value)) {
			_cleanup_free_ char *text = scalar_text(value);

			if (!text)
				return err_set(err, EXIT_DATAERR, EINVAL,
					"argument '%s': its value is no string (write it in "
					"quotes)",
					name);
			if (!a->value)
				a->value = TAKE_PTR(text);
		}
	}
	return 0;
}

/* Its value, with that of the environment; NULL where it has none. */
static const char *value_of(struct args *args, struct arg *a)
{
	if (!a->value && args->from_environment && getenv(a->name))
		a->value = xstrdup(getenv(a->name));
	return a->value;
}

int args_check(const struct args *args, struct th_err *err)
{
	for (size_t i = 0; i < args->n; i++) {
		const struct arg *a = &args->v[i];

		if (a->value || args->lint || (args->from_environment && getenv(a->name)))
			continue;
		return err_set(err, EXIT_DATAERR, EINVAL, "argument '%s' was not supplied%s%s",
			a->name, a->reason ? ": " : " (give it with -a NAME=VALUE)",
			a->reason ? a->reason : "");
	}
	return 0;
}

/* ---- rendering ------------------------------------------------------------------------------- */

static void add_url(struct strbuf *out, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		if ((*p < 0x80 && isalnum(*p)) || strchr("-._~", *p))
			strbuf_addc(out, (char)*p);
		else
			strbuf_addf(out, "%%%02X", *p);
}

/* Escaped for a literal in the quotes `quote`. */
static void add_quoted(struct strbuf *out, const char *value, char quote)
{
	for (const char *p = value; *p; p++) {
		if (quote == '`') {
			strbuf_addc(out, *p);
			if (*p == '`')
				strbuf_addc(out, '`');
		} else if (*p == '\\' || *p == quote) {
			strbuf_addc(out, '\\');
			strbuf_addc(out, *p);
		} else if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			strbuf_addf(out, "\\u%04x", (unsigned)(unsigned char)*p);
		} else {
			strbuf_addc(out, *p);
		}
	}
}

/* Numbers as the grammar of conditions has them in decimal. */
static bool is_plain_literal(const char *value)
{
	size_t n = strlen(value), digits = strspn(value + (*value == '-'), "0123456789");
	double number;

	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
		return true;
	return digits > 0 && n < 64 && strspn(value, "-+0123456789.eE") == n &&
	       value[n - 1] != '.' && value_parse_float(value, n, &number) == 0;
}

/* Where in a condition are we? '\0' outside, else the quote; '/' and '*': a comment. */
struct place {
	char in;
	bool escaped;
};

static void follow(struct place *at, const char *p)
{
	if (at->in == '/') {
		if (*p == '\n')
			at->in = '\0';
	} else if (at->in == '*') {
		if (p[0] == '/' && p[-1] == '*')
			at->in = '\0';
	} else if (at->in == '\0') {
		if (*p == '"' || *p == '\'' || *p == '`')
			at->in = *p;
		else if (p[0] == '/' && (p[1] == '/' || p[1] == '*'))
			at->in = p[1];
	} else if (at->escaped) {
		at->escaped = false;
	} else if (*p == '\\' && at->in != '`') {
		at->escaped = true;
	} else if (*p == at->in) {
		at->in = '\0';
	}
}

static void add_to_condition(struct strbuf *out, const struct place *at, const char *value)
{
	if (at->in == '/' || at->in == '*')
		return;
	if (at->in) {
		add_quoted(out, value, at->in);
	} else if (is_plain_literal(value)) {
		strbuf_addf(out, *value == '-' ? "(%s)" : "%s", value);
	} else {
		strbuf_addc(out, '"');
		add_quoted(out, value, '"');
		strbuf_addc(out, '"');
	}
}

/* A tag without its braces. -EINVAL with err: not one of ours. */
static int parse_tag(const char *tag, size_t n, const char **ret_name, size_t *ret_n, bool *ret_url,
	struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape_n(tag, n, 60);
	const char *end = tag + n, *bar;

	while (tag < end && isspace((unsigned char)*tag))
		tag++;
	bar = memchr(tag, '|', (size_t)(end - tag));
	*ret_url = false;
	if (bar) {
		const char *filter = bar + 1, *last = end;

		while (filter < last && isspace((unsigned char)*filter))
			filter++;
		while (last > filter && isspace((unsigned char)last[-1]))
			last--;
		if (last - filter != 3 || memcmp(filter, "url", 3) != 0)
			return err_set(err, EXIT_DATAERR, EINVAL,
				"unknown filter in {{%s}} (there is: url)", shown);
		*ret_url = true;
		end = bar;
	}
	while (end > tag && isspace((unsigned char)end[-1]))
		end--;
	if (end - tag <= 5 || memcmp(tag, "args.", 5) != 0)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"failed to resolve {{%s}} (write {{ args.NAME }})", shown);
	*ret_name = tag + 5;
	*ret_n = (size_t)(end - tag - 5);
	return 0;
}

static int render_tag(struct args *args, const char *tag, size_t n, enum args_mode mode,
	const struct place *at, struct strbuf *out, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf encoded = STRBUF_INIT;
	_cleanup_free_ char *own = NULL;
	const char *name = NULL, *value = NULL;
	struct arg *a;
	size_t name_n = 0;
	bool url = false;
	int r = parse_tag(tag, n, &name, &name_n, &url, err);

	if (r < 0)
		return r;
	own = xstrndup(name, name_n);
	if (at->escaped) {
		_cleanup_free_ char *shown = str_escape(own, 60);

		return err_set(err, EXIT_DATAERR, EINVAL,
			"a backslash before {{args.%s}} would change what the value says", shown);
	}
	a = find(args, name, name_n);
	if (!a && args->from_environment && getenv(own))
		a = add(args, own);
	if (a) {
		a->used = true;
		value = value_of(args, a);
	}
	if (!value && args->lint && (a || args->from_environment)) {
		if (mode == ARGS_TEXT)
			strbuf_addf(out, "{{%.*s}}", (int)n, tag);
		else if (at->in == '\0')
			strbuf_adds(out, "(result)");
		return 0;
	}
	if (!value) {
		_cleanup_free_ char *shown = str_escape(own, 60);

		return err_set(err, EXIT_DATAERR, EINVAL,
			"failed to resolve {{args.%s}}: the template has no such argument", shown);
	}
	if (url) {
		add_url(&encoded, value);
		value = strbuf_str(&encoded);
	}
	if (mode == ARGS_CONDITION)
		add_to_condition(out, at, value);
	else
		strbuf_adds(out, value);
	return 0;
}

int args_render(
	struct args *args, const char *text, enum args_mode mode, char **ret, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct place at = {'\0', false};
	const char *p = text;

	while (*p) {
		const char *end;
		int r;

		if (p[0] != '{' || p[1] != '{') {
			/* the two signs of a comment are passed together, as "/" "*" "/" is not one
			 */
			if (mode == ARGS_CONDITION) {
				bool outside = at.in == '\0';

				follow(&at, p);
				if (outside && (at.in == '/' || at.in == '*'))
					strbuf_addc(&out, *p++);
			}
			strbuf_addc(&out, *p++);
			continue;
		}
		end = strstr(p + 2, "}}");
		if (!end)
			return err_set(err, EXIT_DATAERR, EINVAL,
				"cannot find the end of a tag: '{{' without '}}'");
		r = render_tag(args, p + 2, (size_t)(end - p - 2), mode, &at, &out, err);
		if (r < 0)
			return r;
		if (out.len > ARGS_VALUE_MAX * 16)
			return err_set(
				err, EXIT_DATAERR, E2BIG, "more than 1 MiB with its arguments");
		p = end + 2;
	}
	*ret = strbuf_steal(&out);
	return 0;
}

static bool is_condition(const char *key)
{
	return key &&
	       (strcmp(key, "successCondition") == 0 || strcmp(key, "failureCondition") == 0);
}

static int render_value(struct args *args, const char *key, const char *parent, const json_t *v,
	json_t **ret, struct th_err *err);

static int render_object(
	struct args *args, const char *parent, const json_t *v, json_t **ret, struct th_err *err)
{
	json_t *out = json_object(), *child, *made;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, child)
	{
		int r = render_value(args, key, parent, child, &made, err);

		if (r < 0) {
			err_prefix(err, "%s", key);
			json_decref(out);
			return r;
		}
		json_object_set_new_nocheck(out, key, made);
	}
	*ret = out;
	return 0;
}

static int render_array(
	struct args *args, const char *key, const json_t *v, json_t **ret, struct th_err *err)
{
	json_t *out = json_array(), *child, *made;
	size_t i;

	json_array_foreach(v, i, child)
	{
		int r = render_value(args, NULL, key, child, &made, err);

		if (r < 0) {
			json_decref(out);
			return r;
		}
		json_array_append_new(out, made);
	}
	*ret = out;
	return 0;
}

static int render_value(struct args *args, const char *key, const char *parent, const json_t *v,
	json_t **ret, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	bool time = parent && key && strcmp(parent, "rangeQuery") == 0 && strcmp(key, "step") != 0;
	int r;

	if (json_is_object(v))
		return render_object(args, key, v, ret, err);
	if (json_is_array(v))
		return render_array(args, key, v, ret, err);
	if (!json_is_string(v)) {
		*ret = json_deep_copy(v);
		return 0;
	}
	r = args_render(args, json_string_value(v),
		is_condition(key) || time ? ARGS_CONDITION : ARGS_TEXT, &text, err);
	if (r < 0)
		return r;
	*ret = json_string(text);
	return *ret ? 0 : err_set(err, EXIT_DATAERR, EILSEQ, "an argument that is no UTF-8");
}

int args_render_tree(struct args *args, const json_t *tree, json_t **ret, struct th_err *err)
{
	return render_value(args, NULL, NULL, tree, ret, err);
}

/* ---- redaction ------------------------------------------------------------------------------- */

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
		if (parse_tag(p + 2, (size_t)(end - p - 2), &name, &n, &url, NULL) < 0)
			continue;
		a = find(args, name, n);
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
	add_url(&url, secret);
	add_form(&own, strbuf_str(&url));
	add_form(&own, base64);
	for (const char *quote = "\"'`"; *quote; quote++) {
		_cleanup_strbuf_ struct strbuf quoted = STRBUF_INIT;

		add_quoted(&quoted, secret, *quote);
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

int args_to_value(const struct args *args, struct value_pool *pool, struct value *ret)
{
	_cleanup_free_ struct value_pair *pairs = xcalloc(args->n + 1, sizeof(*pairs));
	size_t n = 0;

	for (size_t i = 0; i < args->n; i++) {
		const struct arg *a = &args->v[i];

		if (!a->value)
			continue;
		pairs[n].key = value_string_of(a->name, strlen(a->name));
		pairs[n].value = value_string_of(a->value, strlen(a->value));
		n++;
	}
	return value_make_map(pool, pairs, n, false, ret);
}
