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

/* ---- comparison and numbers -------------------------------------------------------------- */

bool value_is_number(const struct value *v)
{
	return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

double value_number(const struct value *v)
{
	return v->type == VALUE_INT ? (double)v->u.integer : v->u.number;
}

int64_t value_integer(const struct value *v)
{
	return v->type == VALUE_INT ? v->u.integer : value_float_to_int(v->u.number);
}

const char *value_type_of(const struct value *v)
{
	return value_type_name((enum value_type)v->type);
}

bool value_is_text(const struct value *v, const char *text)
{
	return v->count == strlen(text) && memcmp(v->u.text, text, v->count) == 0;
}

int value_compare_strings(const struct value *a, const struct value *b)
{
	return compare_bytes(a->u.text, a->count, b->u.text, b->count);
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
	if (value_is_number(a) && value_is_number(b)) {
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
