#include "config.h"

#include "verify/expr_builtin.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/date.h"
#include "verify/goduration.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NSEC INT64_C(1000000000)

/* ---- of one value ------------------------------------------------------------------------ */

static size_t count_runes(const char *text, size_t len)
{
	size_t n = 0;

	/* As Go: a byte that is no character counts as one. */
	for (size_t i = 0; i < len; n++) {
		unsigned char c = (unsigned char)text[i];
		size_t size = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1, k = 1;

		while (k < size && i + k < len && ((unsigned char)text[i + k] & 0xc0) == 0x80)
			k++;
		i += k == size ? size : 1;
	}
	return n;
}

static int run_len(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];

	if (v->type == VALUE_STRING && call->run->expr->dialect != EXPR_BCS) {
		*ret = value_int((int64_t)count_runes(v->u.text, v->count));
		return expr_count_steps(call->run, call->node, v->count / 16);
	}
	if (v->type != VALUE_STRING && v->type != VALUE_ARRAY && v->type != VALUE_MAP)
		return expr_call_fail(call, "invalid argument for len (%s)", value_type_of(v));
	*ret = value_int(v->count);
	return 0;
}

static int run_type(const struct expr_call *call, struct value *ret)
{
	const char *name = call->args[0].type == VALUE_TIME	  ? "time.Time"
			   : call->args[0].type == VALUE_DURATION ? "time.Duration"
								  : value_type_of(&call->args[0]);

	*ret = value_string_of(name, strlen(name));
	return 0;
}

static int run_abs(const struct expr_call *call, struct value *ret)
{
	*ret = call->args[0];
	if (!value_is_number(ret))
		return expr_call_fail(call, "invalid argument for abs (%s)", value_type_of(ret));
	if (ret->type == VALUE_INT && ret->u.integer < 0)
		ret->u.integer = (int64_t)(0 - (uint64_t)ret->u.integer);
	else if (ret->type == VALUE_FLOAT && ret->u.number < 0)
		ret->u.number = -ret->u.number;
	return 0;
}

static int run_rounding(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	char kind = call->node->value.u.text[0];
	double x;

	if (!value_is_number(v))
		return expr_call_fail(call, "cannot round %s", value_type_of(v));
	x = value_number(v);
	*ret = value_float(kind == 'c' ? ceil(x) : kind == 'f' ? floor(x) : round(x));
	return 0;
}

static int run_int(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	int64_t integer;

	if (v->type == VALUE_STRING) {
		if (value_parse_int(v->u.text, v->count, &integer) < 0)
			return expr_call_fail(call, "int() cannot read '%.*s'",
				(int)MIN(v->count, 80U), v->u.text);
		*ret = value_int(integer);
	} else if (value_is_number(v)) {
		*ret = value_int(value_integer(v));
	} else if (v->type == VALUE_DURATION) {
		*ret = value_int(v->u.integer);
	} else {
		return expr_call_fail(call, "int() cannot convert %s", value_type_of(v));
	}
	return 0;
}

static int run_float(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	double number;

	if (v->type == VALUE_STRING) {
		if (value_parse_float(v->u.text, v->count, &number) < 0)
			return expr_call_fail(call, "float() cannot read '%.*s'",
				(int)MIN(v->count, 80U), v->u.text);
		*ret = value_float(number);
	} else if (value_is_number(v)) {
		*ret = value_float(value_number(v));
	} else {
		return expr_call_fail(call, "float() cannot convert %s", value_type_of(v));
	}
	return 0;
}

static int run_string(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	value_to_text(&call->args[0], &b, EXPR_MEMORY_MAX + 1);
	return expr_make_string(call, strbuf_str(&b), b.len, ret);
}

/* ---- numbers ----------------------------------------------------------------------------- */

static int find_extreme(
	const struct expr_call *call, bool max, const struct value *v, struct value *best)
{
	if (expr_count_steps(call->run, call->node, 1) < 0)
		return -E2BIG;
	if (v->type == VALUE_ARRAY) {
		for (size_t i = 0; i < v->count; i++)
			if (find_extreme(call, max, &v->u.items[i], best) < 0)
				return -EINVAL;
		return 0;
	}
	if (!value_is_number(v))
		return expr_call_fail(call, "invalid argument for %s (%s)", max ? "max" : "min",
			value_type_of(v));
	if (best->type != VALUE_NIL) {
		bool less;
		int rc = max ? expr_less(call->run, call->node, best, v, &less)
			     : expr_less(call->run, call->node, v, best, &less);

		if (rc < 0 || !less)
			return rc;
	}
	*best = *v;
	return 0;
}

static int run_extreme(const struct expr_call *call, struct value *ret)
{
	struct value best = value_nil();

	if (call->n == 1 && call->args[0].type != VALUE_ARRAY && !value_is_number(&call->args[0])) {
		*ret = call->args[0];
		return 0;
	}
	for (size_t i = 0; i < call->n; i++) {
		int rc = find_extreme(
			call, call->node->value.u.text[1] == 'a', &call->args[i], &best);

		if (rc < 0)
			return rc;
	}
	*ret = best;
	return 0;
}

struct numbers {
	double *v;
	size_t n, room;
};

static int collect(const struct expr_call *call, const struct value *v, struct numbers *numbers)
{
	if (expr_count_steps(call->run, call->node, 1) < 0)
		return -E2BIG;
	if (v->type == VALUE_ARRAY) {
		for (size_t i = 0; i < v->count; i++)
			if (collect(call, &v->u.items[i], numbers) < 0)
				return -EINVAL;
		return 0;
	}
	if (!value_is_number(v))
		return expr_call_fail(call, "invalid argument for %.*s (%s)",
			(int)call->node->value.count, call->node->value.u.text, value_type_of(v));
	if (numbers->n == numbers->room) {
		numbers->room = numbers->room ? numbers->room * 2 : 16;
		numbers->v = xreallocarray(numbers->v, numbers->room, sizeof(*numbers->v));
	}
	numbers->v[numbers->n++] = value_number(v);
	return 0;
}

/* Go's order: NaN before all others. */
static int compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	if (isnan(x) || isnan(y))
		return (int)isnan(y) - (int)isnan(x);
	return x < y ? -1 : x > y;
}

static int run_average(const struct expr_call *call, struct value *ret)
{
	struct numbers numbers = {NULL, 0, 0};
	double total = 0;
	size_t n;
	int rc = 0;

	for (size_t i = 0; i < call->n && rc == 0; i++)
		rc = collect(call, &call->args[i], &numbers);
	n = numbers.n;
	if (rc == 0 && n == 0) {
		*ret = value_float(0);
	} else if (rc == 0 && call->node->value.count == strlen("mean")) {
		for (size_t i = 0; i < n; i++)
			total += numbers.v[i];
		*ret = value_float(total / (double)n);
	} else if (rc == 0) {
		qsort(numbers.v, n, sizeof(*numbers.v), compare_numbers);
		*ret = value_float(n % 2 == 1 ? numbers.v[n / 2]
					      : (numbers.v[n / 2 - 1] + numbers.v[n / 2]) / 2);
	}
	free(numbers.v);
	return rc;
}

static int run_bits(const struct expr_call *call, struct value *ret)
{
	const char *name = call->node->value.u.text + strlen("bit");
	size_t len = call->node->value.count - strlen("bit");
	uint64_t x, y = 0;
	int64_t shift;

	for (size_t i = 0; i < call->n; i++)
		if (call->args[i].type != VALUE_INT)
			return expr_call_fail(call, "%.*s() takes integers, not %s",
				(int)call->node->value.count, call->node->value.u.text,
				value_type_of(&call->args[i]));
	x = (uint64_t)call->args[0].u.integer;
	if (call->n > 1)
		y = (uint64_t)call->args[1].u.integer;
	shift = (int64_t)y;
	if (len > 2 && strncmp(name + len - 2, "sh", 2) != 0 && memmem(name, len, "sh", 2) &&
		shift < 0)
		return expr_call_fail(call, "negative shift count %" PRId64, shift);
	if (len == 3 && memcmp(name, "and", 3) == 0)
		x &= y;
	else if (len == 2 && memcmp(name, "or", 2) == 0)
		x |= y;
	else if (len == 3 && memcmp(name, "xor", 3) == 0)
		x ^= y;
	else if (len == 4 && memcmp(name, "nand", 4) == 0)
		x &= ~y;
	else if (len == 3 && memcmp(name, "not", 3) == 0)
		x = ~x;
	else if (len == 3 && memcmp(name, "shl", 3) == 0)
		x = shift > 63 ? 0 : x << shift;
	else if (len == 4)
		x = shift > 63 ? 0 : x >> shift;
	else
		x = (int64_t)x < 0 ? ~(~x >> MIN(shift, 63)) : x >> MIN(shift, 63);
	*ret = value_int((int64_t)x);
	return 0;
}

/* ---- conversions ------------------------------------------------------------------------- */

static int run_to_json(const struct expr_call *call, struct value *ret)
{
	_cleanup_free_ char *json = value_to_json(&call->args[0], 2);

	return expr_make_string(call, json, strlen(json), ret);
}

static int run_from_json(const struct expr_call *call, struct value *ret)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	if (expr_want_strings(call, 0, 1) < 0)
		return -EINVAL;
	if (expr_count_steps(call->run, call->node, call->args[0].count) < 0)
		return -E2BIG;
	if (value_from_json(call->run->pool, call->args[0].u.text, call->args[0].count, ret, &err) <
		0)
		return expr_call_fail(call, "fromJSON(): %s", err_text(&err));
	return 0;
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int run_to_base64(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct value *v = &call->args[0];

	if (expr_want_strings(call, 0, 1) < 0)
		return -EINVAL;
	for (size_t i = 0; i < v->count; i += 3) {
		const unsigned char *p = (const unsigned char *)v->u.text + i;
		size_t n = MIN(v->count - i, (size_t)3);
		uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) |
				(n > 2 ? p[2] : 0);

		strbuf_addc(&b, base64_digits[bits >> 18]);
		strbuf_addc(&b, base64_digits[bits >> 12 & 63]);
		strbuf_addc(&b, n > 1 ? base64_digits[bits >> 6 & 63] : '=');
		strbuf_addc(&b, n > 2 ? base64_digits[bits & 63] : '=');
	}
	return expr_make_string(call, strbuf_str(&b), b.len, ret);
}

static int run_from_base64(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf plain = STRBUF_INIT, b = STRBUF_INIT;
	const struct value *v = &call->args[0];
	size_t padding = 0;

	if (expr_want_strings(call, 0, 1) < 0)
		return -EINVAL;
	for (size_t i = 0; i < v->count; i++)
		if (v->u.text[i] != '\n' && v->u.text[i] != '\r')
			strbuf_addc(&plain, v->u.text[i]);
	while (padding < 2 && padding < plain.len && plain.s[plain.len - 1 - padding] == '=')
		padding++;
	if (plain.len % 4 != 0)
		return expr_call_fail(call, "fromBase64(): the length is wrong");
	for (size_t i = 0; i < plain.len; i += 4) {
		uint32_t bits = 0;
		size_t n = i + 4 == plain.len ? 4 - padding : 4;

		for (size_t k = 0; k < 4; k++) {
			const char *digit = k < n && plain.s[i + k]
						    ? strchr(base64_digits, plain.s[i + k])
						    : NULL;

			if (k < n && !digit)
				return expr_call_fail(call, "fromBase64(): an illegal character");
			bits = bits << 6 | (digit ? (uint32_t)(digit - base64_digits) : 0);
		}
		strbuf_addc(&b, (char)(bits >> 16 & 255));
		if (n > 2)
			strbuf_addc(&b, (char)(bits >> 8 & 255));
		if (n > 3)
			strbuf_addc(&b, (char)(bits & 255));
	}
	return expr_make_string(call, strbuf_str(&b), b.len, ret);
}

/* ---- time -------------------------------------------------------------------------------- */

static int run_now(const struct expr_call *call, struct value *ret)
{
	struct timespec now;

	*ret = value_time(call->run->env->now_nsec);
	if (call->run->env->now_nsec == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0)
		*ret = value_time((int64_t)now.tv_sec * NSEC + now.tv_nsec);
	return 0;
}

static int run_duration(const struct expr_call *call, struct value *ret)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL;
	int64_t nsec;

	if (expr_want_strings(call, 0, 1) < 0)
		return -EINVAL;
	text = xstrndup(call->args[0].u.text, MIN(call->args[0].count, 1000U));
	if (goduration_parse(text, &nsec, &err) < 0)
		return expr_call_fail(call, "duration(): %s", err_text(&err));
	*ret = value_duration(nsec);
	return 0;
}

static int run_date(const struct expr_call *call, struct value *ret)
{
	static const char *const layouts[] = {"2006-01-02", "15:04:05", "2006-01-02 15:04:05",
		"2006-01-02T15:04:05Z07:00", "02 Jan 06 15:04 MST",
		"Monday, 02-Jan-06 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 MST"};
	_cleanup_free_ char *text = NULL, *layout = NULL;
	int64_t nsec = 0;
	int rc = -EINVAL;

	if (expr_want_strings(call, 0, 3) < 0)
		return -EINVAL;
	text = xstrndup(call->args[0].u.text, MIN(call->args[0].count, 1000U));
	if (call->n == 3) {
		const struct value *zone = &call->args[2];

		if (!(zone->count == 0 ||
			    (zone->count == 3 && memcmp(zone->u.text, "UTC", 3) == 0)))
			return expr_call_fail(call,
				"date(): the time zone '%.*s' is not known, only UTC",
				(int)MIN(zone->count, 40U), zone->u.text);
	}
	if (call->n > 1) {
		layout = xstrndup(call->args[1].u.text, MIN(call->args[1].count, 1000U));
		rc = date_parse(layout, text, &nsec);
	}
	for (size_t i = 0; i < ARRAY_SIZE(layouts) && call->n == 1 && rc == -EINVAL; i++)
		rc = date_parse(layouts[i], text, &nsec);
	if (rc == -ERANGE)
		return expr_call_fail(
			call, "date(): '%s' is no day, or not between 1678 and 2262", text);
	if (rc < 0)
		return expr_call_fail(call, "date(): invalid date '%s'", text);
	*ret = value_time(nsec);
	return 0;
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct expr_builtin builtins[] = {
	{"len", "L", "i", run_len},
	{"type", "a", "s", run_type},
	{"abs", "n", "=", run_abs},
	{"ceil", "n", "f", run_rounding},
	{"floor", "n", "f", run_rounding},
	{"round", "n", "f", run_rounding},
	{"int", "x", "i", run_int},
	{"float", "x", "f", run_float},
	{"string", "a", "s", run_string},
	{"max", "g*", "g", run_extreme},
	{"min", "g*", "g", run_extreme},
	{"mean", "g*", "g", run_average},
	{"median", "g*", "g", run_average},
	{"toJSON", "a", "s", run_to_json},
	{"fromJSON", "s", "a", run_from_json},
	{"toBase64", "s", "s", run_to_base64},
	{"fromBase64", "s", "s", run_from_base64},
	{"now", "", "t", run_now},
	{"duration", "s", "d", run_duration},
	{"date", "s?ss", "t", run_date},
	{"bitand", "ii", "i", run_bits},
	{"bitor", "ii", "i", run_bits},
	{"bitxor", "ii", "i", run_bits},
	{"bitnand", "ii", "i", run_bits},
	{"bitshl", "ii", "i", run_bits},
	{"bitshr", "ii", "i", run_bits},
	{"bitushr", "ii", "i", run_bits},
	{"bitnot", "i", "i", run_bits},
	{NULL, NULL, NULL, NULL},
};

static const struct expr_builtin *const families[] = {
	builtins, expr_builtins_text, expr_builtins_list};

const struct expr_builtin *expr_builtin_at(size_t i)
{
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (const struct expr_builtin *b = families[f]; b->name; b++)
			if (i-- == 0)
				return b;
	return NULL;
}

const struct expr_builtin *expr_builtin_find(const struct value *name)
{
	const struct expr_builtin *b;

	for (size_t i = 0; (b = expr_builtin_at(i)); i++)
		if (strlen(b->name) == name->count &&
			memcmp(b->name, name->u.text, name->count) == 0)
			return b;
	return NULL;
}
