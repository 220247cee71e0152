#include "config.h"

#include "verify/value.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/goduration.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- from JSON --------------------------------------------------------------------------- */

static int from_jansson(struct value_pool *pool, const json_t *json, struct value *ret);

static int from_object(struct value_pool *pool, const json_t *json, struct value *ret)
{
	/* The iterator takes no const object, and does not change it. */
	json_t *object = json_incref((json_t *)(uintptr_t)json);
	size_t n = json_object_size(object), i = 0;
	_cleanup_free_ struct value_pair *pairs = xcalloc(n ? n : 1, sizeof(*pairs));
	const char *key;
	json_t *member;
	int rc = 0;

	json_object_foreach(object, key, member)
	{
		rc = value_make_string(pool, key, strlen(key), &pairs[i].key);
		if (rc == 0)
			rc = from_jansson(pool, member, &pairs[i].value);
		if (rc < 0)
			break;
		i++;
	}
	json_decref(object);
	if (rc < 0)
		return rc;
	return value_make_map(pool, pairs, n, false, ret);
}

static int from_array(struct value_pool *pool, const json_t *json, struct value *ret)
{
	size_t n = json_array_size(json);
	_cleanup_free_ struct value *items = xcalloc(n ? n : 1, sizeof(*items));

	for (size_t i = 0; i < n; i++) {
		int rc = from_jansson(pool, json_array_get(json, i), &items[i]);

		if (rc < 0)
			return rc;
	}
	return value_make_array(pool, items, n, VALUE_ANY, ret);
}

/* Recursion as deep as jansson lets a document be. */
static int from_jansson(struct value_pool *pool, const json_t *json, struct value *ret)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return from_object(pool, json, ret);
	case JSON_ARRAY:
		return from_array(pool, json, ret);
	case JSON_STRING:
		return value_make_string(
			pool, json_string_value(json), json_string_length(json), ret);
	case JSON_INTEGER:
	case JSON_REAL:
		*ret = value_float(json_number_value(json));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		*ret = value_bool(json_is_true(json));
		return 0;
	case JSON_NULL:
		*ret = value_nil();
		return 0;
	}
	return -EINVAL;
}

/* Bytes of the UTF-8 character at p, 0 where there is none (RFC 3629, 4). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max, length;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1},
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t length = forms[i].length;

		if (p[0] < forms[i].first_min || p[0] > forms[i].first_max)
			continue;
		if (length > left)
			return 0;
		if (length > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < length; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return length;
	}
	return 0;
}

/* The four digits of \uXXXX at p, -1 where there are none. */
static int escape_value(const unsigned char *p, size_t left)
{
	int code = 0;

	if (left < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = p[i] >= '0' && p[i] <= '9'	 ? p[i] - '0'
			    : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
			    : p[i] >= 'A' && p[i] <= 'F' ? p[i] - 'A' + 10
							 : -1;

		if (digit < 0)
			return -1;
		code = code * 16 + digit;
	}
	return code;
}

/* What Go's decoder makes of bytes that are no UTF-8 and of lone surrogates, and jansson refuses.
 */
static void replace_bad_characters(const char *text, size_t size, struct strbuf *b)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(p + i, size - i);
		int code;

		if (length == 0) {
			strbuf_adds(b, "\xef\xbf\xbd");
			i++;
		} else if (p[i] != '\\' || i + 1 == size) {
			strbuf_add(b, text + i, length);
			i += length;
		} else if (code = escape_value(p + i, size - i), code < 0xd800 || code > 0xdfff) {
			/* Both bytes, as the second may be a backslash. */
			strbuf_addc(b, text[i]);
			if (p[i + 1] < 0x80) {
				strbuf_addc(b, text[i + 1]);
				i++;
			}
			i++;
		} else {
			int second = escape_value(p + i + 6, size - i - 6);

			if (code < 0xdc00 && second >= 0xdc00 && second <= 0xdfff) {
				strbuf_add(b, text + i, 12);
				i += 12;
			} else {
				strbuf_adds(b, "\\ufffd");
				i += 6;
			}
		}
	}
}

int value_from_json(struct value_pool *pool, const char *text, size_t size, struct value *ret,
	struct th_err *err)
{
	const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
	json_error_t error;
	json_t *json = json_loadb(text, size, flags, &error);
	int rc;

	if (!json && strstr(error.text, "depth"))
		return err_set(err, EXIT_DATAERR, E2BIG,
			"the JSON is nested too deeply (line %d); at most 2048 levels are read",
			error.line);
	if (!json) {
		_cleanup_strbuf_ struct strbuf mended = STRBUF_INIT;

		replace_bad_characters(text, size, &mended);
		if (mended.len != size || (size > 0 && memcmp(mended.s, text, size) != 0))
			json = json_loadb(strbuf_str(&mended), mended.len, flags, &error);
	}
	if (!json) {
		/* "near 'xyz'" may be a part of a secret, which nobody would know for one */
		const char *near = strstr(error.text, " near ");
		size_t len = near ? (size_t)(near - error.text) : strlen(error.text);
		_cleanup_free_ char *why = str_escape_n(error.text, len, 120);

		return err_set(err, EXIT_DATAERR, EINVAL, "not JSON: line %d, column %d: %s",
			error.line, error.column, why);
	}
	rc = from_jansson(pool, json, ret);
	json_decref(json);
	if (rc < 0)
		return err_set(err, EXIT_DATAERR, -rc,
			"the JSON has more than %zu bytes of values; a path can select less of it",
			pool->limit_bytes);
	return 0;
}

/* ---- to text ----------------------------------------------------------------------------- */

/* The shortest digits that read back as the same number, and where the point stands in them. */
static int shortest_digits(double number, char digits[static 32], int *ret_exponent)
{
	char text[40];
	int n = 0;

	for (int precision = 0; precision < 17; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = '\0';
	*ret_exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	return n;
}

/* exponent_min and _max: outside of these the number is written as 1e+21. */
static void add_number(
	struct strbuf *b, double number, int exponent_min, int exponent_max, bool short_exponent)
{
	char digits[32];
	int exponent, n;

	if (isnan(number)) {
		strbuf_adds(b, "NaN");
		return;
	}
	if (signbit(number))
		strbuf_addc(b, '-');
	if (isinf(number)) {
		strbuf_adds(b, signbit(number) ? "Inf" : "+Inf");
		return;
	}
	n = shortest_digits(fabs(number), digits, &exponent);
	if (exponent < exponent_min || exponent >= exponent_max) {
		strbuf_addc(b, digits[0]);
		if (n > 1)
			strbuf_addf(b, ".%s", digits + 1);
		strbuf_addf(b, "e%c%0*d", exponent < 0 ? '-' : '+',
			short_exponent && exponent < 0 ? 1 : 2, abs(exponent));
		return;
	}
	if (exponent < 0) {
		strbuf_adds(b, "0.");
		for (int i = -1; i > exponent; i--)
			strbuf_addc(b, '0');
		strbuf_adds(b, digits);
		return;
	}
	for (int i = 0; i <= exponent; i++)
		strbuf_addc(b, i < n ? digits[i] : '0');
	if (n > exponent + 1)
		strbuf_addf(b, ".%s", digits + exponent + 1);
}

void value_add_float(struct strbuf *b, double number)
{
	add_number(b, number, -4, 6, false);
}

static void add_json_string(struct strbuf *b, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	strbuf_addc(b, '"');
	for (size_t i = 0; i < len;) {
		size_t length = utf8_length(p + i, len - i);

		if (length == 0) {
			strbuf_adds(b, "\\ufffd");
			i++;
			continue;
		}
		if (p[i] == '"' || p[i] == '\\')
			strbuf_addf(b, "\\%c", p[i]);
		else if (p[i] == '\n')
			strbuf_adds(b, "\\n");
		else if (p[i] == '\r')
			strbuf_adds(b, "\\r");
		else if (p[i] == '\t')
			strbuf_adds(b, "\\t");
		else if (p[i] < 0x20 || p[i] == '<' || p[i] == '>' || p[i] == '&')
			strbuf_addf(b, "\\u%04x", p[i]);
		else if (length == 3 && p[i] == 0xe2 && p[i + 1] == 0x80 &&
			 (p[i + 2] & 0xfe) == 0xa8)
			strbuf_addf(b, "\\u20%x", p[i + 2] - 0x80);
		else
			strbuf_add(b, text + i, length);
		i += length;
	}
	strbuf_addc(b, '"');
}

static void add_time(struct strbuf *b, int64_t nsec)
{
	time_t seconds = (time_t)(nsec / 1000000000);
	int64_t rest = nsec % 1000000000;
	struct tm tm;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	strbuf_addf(b, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (rest > 0) {
		int width = 9;

		for (; rest % 10 == 0; width--)
			rest /= 10;
		strbuf_addf(b, ".%0*" PRId64, width, rest);
	}
	strbuf_adds(b, " +0000 UTC");
}

static void add_line(struct strbuf *b, unsigned indent, unsigned level)
{
	if (indent == 0)
		return;
	strbuf_addc(b, '\n');
	for (unsigned i = 0; i < indent * level; i++)
		strbuf_addc(b, ' ');
}

static void add_json(struct strbuf *b, const struct value *v, unsigned indent, unsigned level)
{
	switch ((enum value_type)v->type) {
	case VALUE_NIL:
	case VALUE_ANY:
		strbuf_adds(b, "null");
		return;
	case VALUE_BOOL:
		strbuf_adds(b, v->u.boolean ? "true" : "false");
		return;
	case VALUE_INT:
	case VALUE_DURATION:
		strbuf_addf(b, "%" PRId64, v->u.integer);
		return;
	case VALUE_FLOAT:
		add_number(b, v->u.number, -6, 21, true);
		return;
	case VALUE_STRING:
		add_json_string(b, v->u.text, v->count);
		return;
	case VALUE_TIME: {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		add_time(&text, v->u.integer);
		add_json_string(b, strbuf_str(&text), text.len);
		return;
	}
	case VALUE_ARRAY:
		strbuf_addc(b, '[');
		for (size_t i = 0; i < v->count; i++) {
			if (i > 0)
				strbuf_addc(b, ',');
			add_line(b, indent, level + 1);
			add_json(b, &v->u.items[i], indent, level + 1);
		}
		if (v->count > 0)
			add_line(b, indent, level);
		strbuf_addc(b, ']');
		return;
	case VALUE_MAP:
		strbuf_addc(b, '{');
		for (size_t i = 0; i < v->count; i++) {
			const struct value_pair *pair = &v->u.map->pairs[v->u.map->sorted[i]];
			_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

			if (i > 0)
				strbuf_addc(b, ',');
			add_line(b, indent, level + 1);
			value_to_text(&pair->key, &key, 0);
			add_json_string(b, strbuf_str(&key), key.len);
			strbuf_adds(b, indent > 0 ? ": " : ":");
			add_json(b, &pair->value, indent, level + 1);
		}
		if (v->count > 0)
			add_line(b, indent, level);
		strbuf_addc(b, '}');
		return;
	}
}

char *value_to_json(const struct value *v, unsigned indent)
{
	struct strbuf b = STRBUF_INIT;

	add_json(&b, v, indent, 0);
	return strbuf_steal(&b);
}

static bool is_full(const struct strbuf *b, size_t max)
{
	return max > 0 && b->len >= max;
}

void value_to_text(const struct value *v, struct strbuf *b, size_t max)
{
	char duration[GODURATION_TEXT_SIZE];

	if (is_full(b, max))
		return;
	switch ((enum value_type)v->type) {
	case VALUE_NIL:
	case VALUE_ANY:
		strbuf_adds(b, "<nil>");
		break;
	case VALUE_BOOL:
		strbuf_adds(b, v->u.boolean ? "true" : "false");
		break;
	case VALUE_INT:
		strbuf_addf(b, "%" PRId64, v->u.integer);
		break;
	case VALUE_FLOAT:
		value_add_float(b, v->u.number);
		break;
	case VALUE_STRING:
		strbuf_add(b, v->u.text, max > 0 ? MIN((size_t)v->count, max - b->len) : v->count);
		break;
	case VALUE_TIME:
		add_time(b, v->u.integer);
		break;
	case VALUE_DURATION:
		strbuf_adds(b, goduration_format(v->u.integer, duration));
		break;
	case VALUE_ARRAY:
		strbuf_addc(b, '[');
		for (size_t i = 0; i < v->count && !is_full(b, max); i++) {
			if (i > 0)
				strbuf_addc(b, ' ');
			value_to_text(&v->u.items[i], b, max);
		}
		strbuf_addc(b, ']');
		break;
	case VALUE_MAP:
		strbuf_adds(b, "map[");
		for (size_t i = 0; i < v->count && !is_full(b, max); i++) {
			const struct value_pair *pair = &v->u.map->pairs[v->u.map->sorted[i]];

			if (i > 0)
				strbuf_addc(b, ' ');
			value_to_text(&pair->key, b, max);
			strbuf_addc(b, ':');
			value_to_text(&pair->value, b, max);
		}
		strbuf_addc(b, ']');
		break;
	}
	if (max > 0 && b->len > max) {
		b->len = max;
		b->s[max] = '\0';
	}
}
