#ifndef TH_VERIFY_VALUE_H
#define TH_VERIFY_VALUE_H

/*
 * A measured value: what a JSON document holds and what conditions (verify/expr.h) compute.
 *
 * As with Go, which the templates were written for, every number of a JSON document is a double, so
 * an integer above 2^53 is the nearest one that a double can be (9007199254740993 reads as
 * 9007199254740992). Integers come from the condition itself only: from literals, len() and int().
 *
 * Values are small and copied freely. What they point at belongs to a pool, never changes, and goes
 * with the pool; a value may point into several pools, all of which have to live as long.
 */

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
	VALUE_NIL,
	VALUE_BOOL,
	VALUE_INT,
	VALUE_FLOAT,
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_MAP,
	VALUE_TIME,	/* nanoseconds since 1970 */
	VALUE_DURATION, /* nanoseconds */
	VALUE_ANY,	/* only as the type of an array's elements, or of what is not known yet */
};

struct value_map;

struct value {
	uint8_t type;	/* enum value_type */
	uint8_t elem;	/* of an array: the type that all elements have by the way it was made, or
			   VALUE_ANY */
	uint16_t depth; /* of arrays and maps: how deep they go, 1 where nothing is nested */
	uint32_t count; /* bytes of a string, elements of an array, pairs of a map */
	union {
		bool boolean;
		int64_t integer; /* also times and durations */
		double number;
		const char *text; /* without a NUL at the end, may hold NULs */
		const struct value *items;
		const struct value_map *map;
	} u;
};

struct value_pair {
	struct value key; /* a string, but for what groupBy() and fromPairs() make */
	struct value value;
};

struct value_map {
	const struct value_pair *pairs; /* in the order of the document */
	const uint32_t *sorted;		/* indices into pairs, by key */
	bool any_key;			/* keys may be of any type */
	bool grouped; /* of groupBy(): a key that is not there has an empty array, which is nil too
		       */
	bool fold_case; /* case of ASCII letters in keys means nothing: headers of a response */
};

#define VALUE_DEPTH_MAX 4096
#define VALUE_COUNT_MAX (1U << 30)

struct value_pool {
	struct value_block *blocks;
	size_t used_bytes;
	size_t limit_bytes; /* 0: none */
};
#define VALUE_POOL_INIT                                                                            \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

/* Memory aligned for any value, not cleared; NULL where the pool would grow over its limit. */
void *value_pool_alloc(struct value_pool *pool, size_t n, size_t size);
void value_pool_done(struct value_pool *pool);
#define _cleanup_value_pool_ _cleanup_(value_pool_done)

static inline struct value value_nil(void)
{
	return (struct value){.type = VALUE_NIL};
}
static inline struct value value_bool(bool boolean)
{
	return (struct value){.type = VALUE_BOOL, .u.boolean = boolean};
}
static inline struct value value_int(int64_t integer)
{
	return (struct value){.type = VALUE_INT, .u.integer = integer};
}
static inline struct value value_float(double number)
{
	return (struct value){.type = VALUE_FLOAT, .u.number = number};
}
static inline struct value value_time(int64_t nsec)
{
	return (struct value){.type = VALUE_TIME, .u.integer = nsec};
}
static inline struct value value_duration(int64_t nsec)
{
	return (struct value){.type = VALUE_DURATION, .u.integer = nsec};
}
/* An array without elements that is nil as well, as Go has it. */
static inline struct value value_nil_array(void)
{
	return (struct value){.type = VALUE_ARRAY, .elem = VALUE_ANY};
}
static inline bool value_is_nil(const struct value *v)
{
	return v->type == VALUE_NIL || (v->type == VALUE_ARRAY && v->depth == 0);
}
/* Points at the bytes. */
static inline struct value value_string_of(const char *text, size_t len)
{
	return (struct value){.type = VALUE_STRING, .count = (uint32_t)len, .u.text = text};
}

/*
 * Copies, and makers of arrays and maps. All return 0 or -E2BIG: over the pool's limit, more than
 * VALUE_COUNT_MAX of anything, or nested deeper than VALUE_DEPTH_MAX. A map takes the pairs as they
 * are; of two with one key the last is kept, at the place of the first.
 */
int value_make_string(struct value_pool *pool, const char *text, size_t len, struct value *ret);
int value_make_array(struct value_pool *pool, const struct value *items, size_t n,
	enum value_type elem, struct value *ret);
int value_make_map(struct value_pool *pool, const struct value_pair *pairs, size_t n, bool any_key,
	struct value *ret);

/* A map with `grouped` and keys of any type. */
int value_make_groups(
	struct value_pool *pool, const struct value_pair *pairs, size_t n, struct value *ret);

/* The value of a key; NULL where the map has none. */
const struct value *value_map_get(const struct value *map, const struct value *key);
const struct value *value_map_get_str(const struct value *map, const char *key);

/*
 * The value of a JSON text (RFC 8259; any value, not only objects). As Go's decoder does: bytes
 * that are no UTF-8 and lone surrogates become U+FFFD, of two members with one name the last holds.
 * -EINVAL: not JSON, also for a number beyond a double; -E2BIG: as above, or nested more than 2048
 * deep, which is jansson's limit. The value is in `pool`, nothing points at `text`.
 */
int value_from_json(struct value_pool *pool, const char *text, size_t size, struct value *ret,
	struct th_err *err);

/*
 * Compact JSON as Go writes it: keys sorted, 1 and not 1.0, <, > and & as \u003c and so on. NaN and
 * infinities, which JSON has not, are NaN, +Inf, -Inf. With `indent` over several lines. The caller
 * frees it.
 */
char *value_to_json(const struct value *v, unsigned indent);

/* As Go's Println writes it: 1e+06, <nil>, [1 2], map[a:1], a string as it is. `b` grows to at most
 * `max` bytes (0: no limit), what is beyond is left out. */
void value_to_text(const struct value *v, struct strbuf *b, size_t max);

/* A number alone, as value_to_text() writes it. */
void value_add_float(struct strbuf *b, double number);

/*
 * Equal as == of conditions has it: numbers by value, arrays by elements; values of different types
 * and nil are unequal; maps by keys and values, of which 1 and 1.0 are not the same.
 */
bool value_equal(const struct value *a, const struct value *b);

/* Nil, or an array without elements: Argo has messages of its own for these. */
bool value_is_empty(const struct value *v);

/* "nil", "bool", "int", "float", "string", "array", "map", "time", "duration", "any". */
const char *value_type_name(enum value_type type);

/* Whole strings, as Go's strconv reads them (Go 1.19): ParseInt(s, 10, 64) and ParseFloat(s, 64).
 * -EINVAL: not of the form; -ERANGE: out of range. */
int value_parse_int(const char *text, size_t len, int64_t *ret);
int value_parse_float(const char *text, size_t len, double *ret);

/* As Go converts on amd64: to zero; NaN and what is out of range becomes INT64_MIN. */
int64_t value_float_to_int(double number);

/* Of a number: an int or a float. */
bool value_is_number(const struct value *v);
double value_number(const struct value *v);
int64_t value_integer(const struct value *v);

/* value_type_name() of its type. */
const char *value_type_of(const struct value *v);

/* Of strings: is it this text? By bytes, as strcmp() returns. */
bool value_is_text(const struct value *v, const char *text);
int value_compare_strings(const struct value *a, const struct value *b);

#endif
