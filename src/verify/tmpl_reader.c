#include "config.h"

#include "verify/tmpl_reader.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/suggest.h"
#include "verify/goduration.h"
#include "verify/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const json_t *reader_enter(struct reader *r, const char *key)
{
	const json_t *outer = r->at;

	r->at = lines_member(outer, key);
	return outer;
}

const json_t *reader_enter_element(struct reader *r, const char *key, size_t i)
{
	const json_t *outer = r->at;

	r->at = lines_element(lines_member(outer, key), i);
	return outer;
}

void reader_leave(struct reader *r, const json_t *outer)
{
	r->at = outer;
}

static void add_at(const struct reader *r, struct strv *list, size_t line, const char *text)
{
	if (line > 0)
		strv_addf(list, "%s:%zu: %s%s", r->file, line, r->where, text);
	else
		strv_addf(list, "%s: %s%s", r->file, r->where, text);
}

static bool is_word(char c)
{
	return c == '.' || c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

/* What is behind "headers[1]: ", which nobody has written in INI. */
static const char *skip_element(const char *text)
{
	size_t n = strcspn(text, "[: ");
	const char *end = text[n] == '[' ? strstr(text + n, "]: ") : NULL;

	return end && strspn(text + n + 1, "0123456789") == (size_t)(end - text) - n - 1 ? end + 3
											 : text;
}

/* The text that follows a place: without the names that end the place already. */
static void add_behind(struct strbuf *out, const char *text)
{
	const char *place = strbuf_str(out);
	const char *name = strrchr(place, ' ');

	text = skip_element(text);
	for (name = name ? name + 1 : NULL; name && *name; name++) {
		size_t n = strlen(name);

		if (strncmp(text, name, n) == 0 && !is_word(text[n])) {
			strbuf_adds(out, text + n);
			return;
		}
		name += strcspn(name, ".");
		if (!*name)
			break;
	}
	strbuf_addf(out, ": %s", text);
}

/* Of a file that names its places: "[metric m] web.url is needed". */
static char *text_with_place(const struct reader *r, const char *key, const char *text)
{
	const json_t *member = lines_member(r->at, key);
	const char *place = lines_place(member ? member : r->at);
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	if (!place)
		return NULL;
	strbuf_adds(&out, place);
	if (!member && key && json_is_object(lines_children(r->at)))
		strbuf_addf(&out, "%c%s", place[strlen(place) - 1] == ']' ? ' ' : '.', key);
	add_behind(&out, text);
	return strbuf_steal(&out);
}

static void add(struct reader *r, struct strv *list, const char *key, const char *fmt, va_list ap)
	PRINTF_ATTR(4, 0);
static void add(struct reader *r, struct strv *list, const char *key, const char *fmt, va_list ap)
{
	size_t line = lines_number(lines_member(r->at, key));
	_cleanup_free_ char *text = xvasprintf(fmt, ap), *placed = NULL;

	if (line == 0)
		line = lines_number(r->at);
	placed = text_with_place(r, key, text);
	if (placed)
		strv_addf(list, "%s:%zu: %s", r->file, line, placed);
	else
		add_at(r, list, line, text);
}

void reader_complain_at(struct reader *r, size_t line, const char *text)
{
	add_at(r, &r->found->errors, line, text);
}

void reader_complain(struct reader *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, &r->found->errors, key, fmt, ap);
	va_end(ap);
}

void reader_warn(struct reader *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, &r->found->warnings, key, fmt, ap);
	va_end(ap);
}

void reader_complain_err(struct reader *r, const char *field, struct th_err *err)
{
	reader_complain(r, field, "%s: %s", field, err_text(err));
	err_clear(err);
}

/* What was meant: the nearest, or the only one that begins so. NULL: nobody knows. */
static const char *suggest_field(const char *key, const char *const *known, size_t n)
{
	const char *near = suggest_nearest(key, known, n), *found = NULL;

	for (size_t i = 0; !near && i < n; i++) {
		if (!str_starts_with(known[i], key))
			continue;
		if (found)
			return NULL;
		found = known[i];
	}
	return near ? near : found;
}

void reader_check_fields(
	struct reader *r, const json_t *o, const char *what, const char *const *known)
{
	const char *key;
	json_t *v;
	size_t n = 0;

	if (o && !json_is_object(o) && !json_is_null(o))
		reader_complain(r, NULL, "%s%snot a mapping", what, *what ? ": " : "");
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
		near = suggest_field(key, known, n);
		/* there the key is the place */
		if (lines_place(lines_member(r->at, key)))
			reader_complain(r, key, "unknown field%s%s%s",
				near ? " (did you mean '" : "", near ? near : "",
				near ? "'?)" : "");
		else
			reader_complain(r, key, "%s%sunknown field '%s'%s%s%s", what,
				*what ? ": " : "", shown, near ? " (did you mean '" : "",
				near ? near : "", near ? "'?)" : "");
	}
}

/* As text, NULL where it is not there. */
char *reader_text(struct reader *r, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	char *text;

	if (!v || json_is_null(v))
		return NULL;
	text = args_scalar_text(v);
	if (!text)
		reader_complain(r, key, "%s: not a string", key);
	return text;
}

char *reader_need_text(struct reader *r, const json_t *o, const char *key)
{
	char *text = reader_text(r, o, key);

	if (!str_is_empty(text))
		return text;
	reader_complain(r, key, "%s is needed", key);
	free(text);
	return xstrdup("");
}

bool reader_is_unknown(const struct reader *r, const char *text)
{
	return r->args->lint && strstr(text, "{{");
}

/* Likewise, of one that the longest time depends on. */
static bool is_unknown_number(struct reader *r, const char *text)
{
	bool unknown = reader_is_unknown(r, text);

	r->met_unknown = r->met_unknown || unknown;
	return unknown;
}

bool reader_bool(struct reader *r, const json_t *o, const char *key)
{
	_cleanup_free_ char *text = reader_text(r, o, key);
	bool value = false;

	if (text && !reader_is_unknown(r, text) && parse_bool(text, &value) < 0)
		reader_complain(r, key, "%s: neither true nor false", key);
	return value;
}

/* False where it is not there or not known. */
bool reader_integer(struct reader *r, const json_t *o, const char *key, int64_t *ret)
{
	_cleanup_free_ char *text = reader_text(r, o, key), *shown = NULL;

	if (!text || is_unknown_number(r, text))
		return false;
	if (parse_int(text, -TMPL_COUNT_MAX, TMPL_COUNT_MAX, ret) == 0)
		return true;
	shown = str_escape(text, 60);
	reader_complain(r, key, "%s: '%s' is no whole number up to %d", key, shown, TMPL_COUNT_MAX);
	return false;
}

unsigned reader_limit(
	struct reader *r, const json_t *o, const char *key, unsigned absent, int64_t min)
{
	int64_t value;

	if (!reader_integer(r, o, key, &value))
		return absent;
	if (value >= min)
		return (unsigned)value;
	reader_complain(r, key, "%s must be >= %d", key, (int)min);
	return absent;
}

bool reader_duration(
	struct reader *r, const json_t *o, const char *key, const char *name, usec_t *ret)
{
	_cleanup_free_ char *text = reader_text(r, o, key);
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
		reader_complain(r, key, "invalid %s string: %s", name, err_text(&err));
		return false;
	}
	if (nsec < 0) {
		reader_complain(r, key, "%s must not be negative", key);
		return false;
	}
	*ret = ((usec_t)nsec + 999) / 1000;
	return true;
}

void reader_timeout(struct reader *r, const json_t *o, const char *key, usec_t *timeout_usec)
{
	_cleanup_free_ char *text = reader_text(r, o, key);
	int64_t seconds;

	if (!text || is_unknown_number(r, text))
		return;
	if (parse_int(text, INT64_MIN, INT64_MAX, &seconds) == 0) {
		if (seconds < 0 || seconds > 86400)
			reader_complain(r, key, "%s must be 0 to 86400 seconds", key);
		else if (seconds > 0)
			*timeout_usec = (usec_t)seconds * USEC_PER_SEC;
		return;
	}
	(void)reader_duration(r, o, key, key, timeout_usec);
	if (*timeout_usec == 0 || *timeout_usec > USEC_PER_DAY)
		reader_complain(r, key, "%s must be more than 0 and at most 24h", key);
}

struct expr *reader_condition(
	struct reader *r, const json_t *o, const char *key, enum expr_dialect dialect)
{
	_cleanup_free_ char *text = reader_text(r, o, key);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct expr *expr = NULL;
	struct expr_env env = {.result = NULL};
	enum value_type type;

	if (str_is_empty(text))
		return NULL;
	if (expr_parse(text, dialect, &expr, &err) < 0) {
		reader_complain_err(r, key, &err);
		return NULL;
	}
	if (expr_check(expr, &env, &type, &err) < 0)
		reader_complain_err(r, key, &err);
	else if (dialect != EXPR_TIME && type != VALUE_ANY && type != VALUE_BOOL)
		reader_complain(r, key, "%s: is of type %s and not true or false", key,
			value_type_name(type));
	return expr;
}

struct jsonpath *reader_path(struct reader *r, const json_t *o)
{
	_cleanup_free_ char *text = reader_text(r, o, "jsonPath");
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct jsonpath *path = NULL;

	if (str_is_empty(text) || reader_is_unknown(r, text))
		return NULL;
	if (jsonpath_parse(text, &path, &err) < 0) {
		reader_complain(r, "jsonPath", "%s", err_text(&err));
		return NULL;
	}
	if (!jsonpath_has_path(path)) {
		_cleanup_free_ char *shown = str_escape(text, 60);

		reader_warn(r, "jsonPath",
			"jsonPath: '%s' has no braces, so it is text and no path (write {%s})",
			shown, shown);
	}
	return path;
}
