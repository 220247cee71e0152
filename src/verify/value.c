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
#include <strings.h>
#include <time.h>

#define BLOCK_SIZE ((size_t)16 * 1024)

struct value_block {
	struct value_block *next;
	size_t used, size;
	max_align_t bytes[];
};

void *value_pool_alloc(struct value_pool *pool, size_t n, size_t size)
{
	struct value_block *block = pool->blocks;
	size_t bytes;
	char *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (pool->limit_bytes > 0 && bytes > pool->limit_bytes - pool->used_bytes)
		return NULL;
	pool->used_bytes += bytes;
	if (!block || bytes > block->size - block->used) {
		struct value_block *fresh;
		size_t room = MAX(bytes, BLOCK_SIZE);

		fresh = xmalloc(sizeof(*fresh) + room);
		fresh->used = 0;
		fresh->size = room;
		/* What has a block of its own goes behind the one that still has room. */
		if (block && bytes >= BLOCK_SIZE) {
			fresh->next = block->next;
			block->next = fresh;
		} else {
			fresh->next = block;
			pool->blocks = fresh;
		}
		block = fresh;
	}
	p = (char *)block->bytes + block->used;
	block->used += bytes;
	return p;
}

void value_pool_done(struct value_pool *pool)
{
	while (pool->blocks) {
		struct value_block *next = pool->blocks->next;

		free(pool->blocks);
		pool->blocks = next;
	}
	pool->used_bytes = 0;
}

int value_make_string(struct value_pool *pool, const char *text, size_t len, struct value *ret)
{
	char *copy;

	if (len > VALUE_COUNT_MAX)
		return -E2BIG;
	copy = value_pool_alloc(pool, len, 1);
	if (!copy)
		return -E2BIG;
	if (len > 0)
		memcpy(copy, text, len);
	*ret = value_string_of(copy, len);
	return 0;
}

int value_make_array(struct value_pool *pool, const struct value *items, size_t n,
	enum value_type elem, struct value *ret)
{
	struct value *copy;
	unsigned depth = 0;

	if (n > VALUE_COUNT_MAX)
		return -E2BIG;
	copy = value_pool_alloc(pool, n, sizeof(*copy));
	if (!copy)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		copy[i] = items[i];
		depth = MAX(depth, (unsigned)items[i].depth);
	}
	if (depth >= VALUE_DEPTH_MAX)
		return -E2BIG;
	*ret = (struct value){.type = VALUE_ARRAY,
		.elem = (uint8_t)elem,
		.depth = (uint16_t)(depth + 1),
		.count = (uint32_t)n,
		.u.items = copy};
	return 0;
}

/* Go's order of strings: by bytes, the shorter of two that begin alike first. */
static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t common = MIN(a_len, b_len);
	int order = common > 0 ? memcmp(a, b, common) : 0;

	if (order != 0)
		return order;
	return a_len < b_len ? -1 : a_len > b_len;
}

/* Any order in which equal keys stand together; strings in Go's. */
static int compare_keys(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	switch ((enum value_type)a->type) {
	case VALUE_NIL:
		return 0;
	case VALUE_BOOL:
		return (int)a->u.boolean - (int)b->u.boolean;
	case VALUE_INT:
	case VALUE_TIME:
	case VALUE_DURATION:
		return a->u.integer < b->u.integer ? -1 : a->u.integer > b->u.integer;
	case VALUE_FLOAT:
		return a->u.number < b->u.number ? -1 : a->u.number > b->u.number;
	case VALUE_STRING:
		return compare_bytes(a->u.text, a->count, b->u.text, b->count);
	case VALUE_ARRAY:
	case VALUE_MAP:
	case VALUE_ANY:
		break;
	}
	return 0;
}

static int compare_indices(const void *a, const void *b, void *arg)
{
	const struct value_pair *pairs = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	int order = compare_keys(&pairs[i].key, &pairs[k].key);

	if (order != 0)
		return order;
	return i < k ? -1 : i > k;
}

/* Drops pairs whose key came before and gives its value to the one that is kept. */
static size_t drop_doubles(struct value_pair *pairs, uint32_t *sorted, size_t n)
{
	_cleanup_free_ bool *dropped = NULL;
	size_t kept = 0;

	for (size_t i = 1; i < n; i++) {
		struct value_pair *first = &pairs[sorted[i - 1]], *again = &pairs[sorted[i]];

		if (compare_keys(&first->key, &again->key) != 0)
			continue;
		if (!dropped)
			dropped = xcalloc(n, sizeof(*dropped));
		first->value = again->value;
		dropped[sorted[i]] = true;
		sorted[i] = sorted[i - 1];
	}
	if (!dropped)
		return n;
	for (size_t i = 0; i < n; i++)
		if (!dropped[i])
			pairs[kept++] = pairs[i];
	return kept;
}

static int make_map(struct value_pool *pool, const struct value_pair *pairs, size_t n, bool any_key,
	bool grouped, struct value *ret)
{
	struct value_map *map = value_pool_alloc(pool, 1, sizeof(*map));
	struct value_pair *copy = value_pool_alloc(pool, n, sizeof(*copy));
	uint32_t *sorted = value_pool_alloc(pool, n, sizeof(*sorted));
	size_t kept;
	unsigned depth = 0;

	if (!map || !copy || !sorted || n > VALUE_COUNT_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		copy[i] = pairs[i];
		sorted[i] = (uint32_t)i;
	}
	qsort_r(sorted, n, sizeof(*sorted), compare_indices, copy);
	kept = drop_doubles(copy, sorted, n);
	if (kept < n) {
		for (size_t i = 0; i < kept; i++)
			sorted[i] = (uint32_t)i;
		qsort_r(sorted, kept, sizeof(*sorted), compare_indices, copy);
	}
	for (size_t i = 0; i < kept; i++)
		depth = MAX(depth, (unsigned)copy[i].value.depth);
	if (depth >= VALUE_DEPTH_MAX)
		return -E2BIG;
	*map = (struct value_map){
		.pairs = copy, .sorted = sorted, .any_key = any_key, .grouped = grouped};
	*ret = (struct value){.type = VALUE_MAP,
		.elem = VALUE_ANY,
		.depth = (uint16_t)(depth + 1),
		.count = (uint32_t)kept,
		.u.map = map};
	return 0;
}

int value_make_map(struct value_pool *pool, const struct value_pair *pairs, size_t n, bool any_key,
	struct value *ret)
{
	return make_map(pool, pairs, n, any_key, false, ret);
}

int value_make_groups(
	struct value_pool *pool, const struct value_pair *pairs, size_t n, struct value *ret)
{
	return make_map(pool, pairs, n, true, true, ret);
}

const struct value *value_map_get(const struct value *map, const struct value *key)
{
	const struct value_map *m = map->u.map;
	size_t from = 0, to = map->count;

	if (m->fold_case && key->type == VALUE_STRING) {
		for (size_t i = 0; i < map->count; i++)
			if (m->pairs[i].key.count == key->count &&
				strncasecmp(m->pairs[i].key.u.text, key->u.text, key->count) == 0)
				return &m->pairs[i].value;
		return NULL;
	}
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct value_pair *pair = &m->pairs[m->sorted[middle]];
		int order = compare_keys(key, &pair->key);

		if (order == 0)
			return &pair->value;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

const struct value *value_map_get_str(const struct value *map, const char *key)
{
	struct value k = value_string_of(key, strlen(key));

	return value_map_get(map, &k);
}

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
		_cleanup_free_ char *why = str_escape(error.text, 120);

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

/* ---- comparison and numbers -------------------------------------------------------------- */

static bool is_number(const struct value *v)
{
	return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

/* Go's reflect.DeepEqual(): the types have to be the same too. */
static bool equal_deeply(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;
	switch ((enum value_type)a->type) {
	case VALUE_NIL:
	case VALUE_ANY:
		return true;
	case VALUE_BOOL:
		return a->u.boolean == b->u.boolean;
	case VALUE_INT:
	case VALUE_TIME:
	case VALUE_DURATION:
		return a->u.integer == b->u.integer;
	case VALUE_FLOAT:
		return a->u.number == b->u.number;
	case VALUE_STRING:
		return compare_bytes(a->u.text, a->count, b->u.text, b->count) == 0;
	case VALUE_ARRAY:
		if (a->count != b->count || a->elem != b->elem)
			return false;
		for (size_t i = 0; i < a->count; i++)
			if (!equal_deeply(&a->u.items[i], &b->u.items[i]))
				return false;
		return true;
	case VALUE_MAP:
		if (a->count != b->count || a->u.map->any_key != b->u.map->any_key)
			return false;
		for (size_t i = 0; i < a->count; i++) {
			const struct value_pair *pair = &a->u.map->pairs[i];
			const struct value *other = value_map_get(b, &pair->key);

			if (!other || !equal_deeply(&pair->value, other))
				return false;
		}
		return true;
	}
	return false;
}

bool value_equal(const struct value *a, const struct value *b)
{
	if (is_number(a) && is_number(b)) {
		double x = a->type == VALUE_INT ? (double)a->u.integer : a->u.number;
		double y = b->type == VALUE_INT ? (double)b->u.integer : b->u.number;

		if (a->type == VALUE_INT && b->type == VALUE_INT)
			return a->u.integer == b->u.integer;
		return x == y;
	}
	if (a->type == VALUE_ARRAY && b->type == VALUE_ARRAY &&
		(a->elem == b->elem || a->elem == VALUE_ANY || b->elem == VALUE_ANY)) {
		if (a->count != b->count)
			return false;
		for (size_t i = 0; i < a->count; i++)
			if (!value_equal(&a->u.items[i], &b->u.items[i]))
				return false;
		return true;
	}
	if (value_is_nil(a) && value_is_nil(b))
		return true;
	return equal_deeply(a, b);
}

bool value_is_empty(const struct value *v)
{
	return v->type == VALUE_NIL || (v->type == VALUE_ARRAY && v->count == 0);
}

const char *value_type_name(enum value_type type)
{
	switch (type) {
	case VALUE_NIL:
		return "nil";
	case VALUE_BOOL:
		return "bool";
	case VALUE_INT:
		return "int";
	case VALUE_FLOAT:
		return "float";
	case VALUE_STRING:
		return "string";
	case VALUE_ARRAY:
		return "array";
	case VALUE_MAP:
		return "map";
	case VALUE_TIME:
		return "time";
	case VALUE_DURATION:
		return "duration";
	case VALUE_ANY:
		break;
	}
	return "any";
}

int value_parse_int(const char *text, size_t len, int64_t *ret)
{
	bool negative = len > 0 && text[0] == '-';
	size_t i = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
	uint64_t limit = negative ? (uint64_t)1 << 63 : INT64_MAX, total = 0;

	if (i == len)
		return -EINVAL;
	for (size_t k = i; k < len; k++)
		if (text[k] < '0' || text[k] > '9')
			return -EINVAL;
	for (; i < len; i++)
		if (__builtin_mul_overflow(total, 10U, &total) ||
			__builtin_add_overflow(total, (uint64_t)(text[i] - '0'), &total) ||
			total > limit)
			return -ERANGE;
	*ret = negative ? (int64_t)(0 - total) : (int64_t)total;
	return 0;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static size_t count_digits(const char *text, size_t len, bool hex, bool *underscores)
{
	size_t n = 0;

	for (; n < len; n++) {
		char c = text[n];

		if (c == '_')
			*underscores = true;
		else if (!(c >= '0' && c <= '9') &&
			 !(hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))))
			break;
	}
	return n;
}

/* Go allows an underscore between two digits, the prefix of a base being one. */
static bool underscores_are_between(const char *text, size_t len, bool hex)
{
	char last = hex ? '0' : '^';

	for (size_t i = hex ? 2 : 0; i < len; i++) {
		bool unused = false;

		if (text[i] == '_') {
			if (last != '0')
				return false;
			last = '_';
		} else if (count_digits(text + i, 1, hex, &unused) == 1) {
			last = '0';
		} else {
			if (last == '_')
				return false;
			last = '!';
		}
	}
	return last != '_';
}

int value_parse_float(const char *text, size_t len, double *ret)
{
	_cleanup_strbuf_ struct strbuf plain = STRBUF_INIT;
	size_t sign = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, at = sign, whole;
	size_t part = 0;
	bool hex, underscores = false;
	double number;

	if (is_word(text, len, "nan")) {
		*ret = (double)NAN;
		return 0;
	}
	if (is_word(text + sign, len - sign, "inf") ||
		is_word(text + sign, len - sign, "infinity")) {
		*ret = text[0] == '-' ? (double)-INFINITY : (double)INFINITY;
		return 0;
	}
	hex = len - at > 2 && text[at] == '0' && (text[at + 1] == 'x' || text[at + 1] == 'X');
	if (hex)
		at += 2;
	whole = count_digits(text + at, len - at, hex, &underscores);
	at += whole;
	if (at < len && text[at] == '.') {
		at++;
		part = count_digits(text + at, len - at, hex, &underscores);
		at += part;
	}
	if (whole + part == 0)
		return -EINVAL;
	if (at < len &&
		(hex ? text[at] == 'p' || text[at] == 'P' : text[at] == 'e' || text[at] == 'E')) {
		size_t digits;

		at++;
		if (at < len && (text[at] == '+' || text[at] == '-'))
			at++;
		if (at == len || text[at] < '0' || text[at] > '9')
			return -EINVAL;
		digits = count_digits(text + at, len - at, false, &underscores);
		at += digits;
	} else if (hex) {
		return -EINVAL;
	}
	if (at != len || (underscores && !underscores_are_between(text + sign, len - sign, hex)))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (text[i] != '_')
			strbuf_addc(&plain, text[i]);
	number = strtod(strbuf_str(&plain), NULL);
	if (isinf(number))
		return -ERANGE;
	*ret = number;
	return 0;
}

int64_t value_float_to_int(double number)
{
	if (number >= -9223372036854775808.0 && number < 9223372036854775808.0)
		return (int64_t)number;
	return INT64_MIN;
}
