#include "config.h"

#include "verify/args.h"

#include "base/alloc.h"
#include "verify/args_internal.h"
#include "verify/lines.h"
#include "verify/load.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

void args_add_url(struct strbuf *out, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		if ((*p < 0x80 && isalnum(*p)) || strchr("-._~", *p))
			strbuf_addc(out, (char)*p);
		else
			strbuf_addf(out, "%%%02X", *p);
}

void args_add_quoted(struct strbuf *out, const char *value, char quote)
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
		args_add_quoted(out, value, at->in);
	} else if (is_plain_literal(value)) {
		strbuf_addf(out, *value == '-' ? "(%s)" : "%s", value);
	} else {
		strbuf_addc(out, '"');
		args_add_quoted(out, value, '"');
		strbuf_addc(out, '"');
	}
}

int args_parse_tag(const char *tag, size_t n, const char **ret_name, size_t *ret_n, bool *ret_url,
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
	int r = args_parse_tag(tag, n, &name, &name_n, &url, err);

	if (r < 0)
		return r;
	own = xstrndup(name, name_n);
	if (at->escaped) {
		_cleanup_free_ char *shown = str_escape(own, 60);

		return err_set(err, EXIT_DATAERR, EINVAL,
			"a backslash before {{args.%s}} would change what the value says", shown);
	}
	a = args_find(args, name, name_n);
	if (!a && args->from_environment && getenv(own))
		a = args_add(args, own);
	if (a) {
		a->used = true;
		value = args_value(args, a);
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
		args_add_url(&encoded, value);
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

/* ---- trees ----------------------------------------------------------------------------------- */

struct rendering {
	struct args *args;
	struct th_err *err;
	size_t line; /* of the string that cannot be rendered */
};

/* A value of `parent`, with the name `key` or as an element; `path` leads to it, for messages. */
static int render_value(struct rendering *g, const char *path, const char *key, const char *parent,
	const json_t *v, const json_t *lines, json_t **ret);

static int render_object(struct rendering *g, const char *path, const char *own, const json_t *v,
	const json_t *lines, json_t **ret)
{
	_cleanup_json_ json_t *out = json_object();
	const char *key;
	json_t *child, *made;

	json_object_foreach((json_t *)(uintptr_t)v, key, child)
	{
		_cleanup_free_ char *shown = str_escape(key, 60);
		_cleanup_free_ char *to = xasprintf("%s%s%s", path, *path ? ": " : "", shown);
		const json_t *at = lines_member(lines, key);
		int r = render_value(g, to, key, own, child, at ? at : lines, &made);

		if (r < 0)
			return r;
		json_object_set_new_nocheck(out, key, made);
	}
	*ret = TAKE_PTR(out);
	return 0;
}

static int render_array(struct rendering *g, const char *path, const char *own, const json_t *v,
	const json_t *lines, json_t **ret)
{
	_cleanup_json_ json_t *out = json_array();
	json_t *child, *made;
	size_t i;

	json_array_foreach(v, i, child)
	{
		_cleanup_free_ char *to = xasprintf("%s[%zu]", path, i);
		int r = render_value(g, to, NULL, own, child, lines_element(lines, i), &made);

		if (r < 0)
			return r;
		json_array_append_new(out, made);
	}
	*ret = TAKE_PTR(out);
	return 0;
}

static int render_value(struct rendering *g, const char *path, const char *key, const char *parent,
	const json_t *v, const json_t *lines, json_t **ret)
{
	bool time = parent && key && strcmp(parent, "rangeQuery") == 0 && strcmp(key, "step") != 0;
	_cleanup_free_ char *text = NULL;
	int r;

	if (json_is_object(v))
		return render_object(g, path, key, v, lines, ret);
	if (json_is_array(v))
		return render_array(g, path, key, v, lines, ret);
	if (!json_is_string(v)) {
		*ret = json_deep_copy(v);
		return 0;
	}
	r = args_render(g->args, json_string_value(v),
		is_condition(key) || time ? ARGS_CONDITION : ARGS_TEXT, &text, g->err);
	*ret = r == 0 ? json_string(text) : NULL;
	if (r == 0 && !*ret)
		r = err_set(g->err, EXIT_DATAERR, EILSEQ, "an argument that is no UTF-8");
	if (r < 0) {
		err_prefix(g->err, "%s", lines_place(lines) ? lines_place(lines) : path);
		g->line = lines_number(lines);
	}
	return r;
}

int args_render_tree(struct args *args, const json_t *tree, const json_t *lines, json_t **ret,
	size_t *ret_line, struct th_err *err)
{
	struct rendering g = {.args = args, .err = err};
	int r = render_value(&g, "", NULL, NULL, tree, lines, ret);

	if (r < 0)
		*ret_line = g.line;
	return r;
}
