#include "config.h"

#include "verify/expr_builtin.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/goduration.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#define NSEC INT64_C(1000000000)

/* A macro, so that the result is seen to be negative. */
#define fail(...) (complain(__VA_ARGS__), -EINVAL)

PRINTF_ATTR(2, 3) static void complain(const struct expr_call *call, const char *fmt, ...)
{
	_cleanup_free_ char *why = NULL, *shown = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	shown = str_escape(why ? why : "wrong", 200);
	expr_error_set(call->run->expr, call->node->at, EINVAL, call->run->err, "%s", shown);
}

int expr_count_steps(struct expr_run *run, const struct expr_node *node, uint64_t steps)
{
	run->steps -= (int64_t)MIN(steps, (uint64_t)EXPR_STEPS_MAX * 2);
	if (run->steps >= 0)
		return 0;
	return expr_error(run->expr, node->at, E2BIG, run->err,
		"the condition takes more than %d steps on this result", EXPR_STEPS_MAX);
}

int expr_count_elements(struct expr_run *run, const struct expr_node *node, size_t elements)
{
	run->elements += MIN(elements, (size_t)EXPR_ELEMENTS_MAX);
	if (run->elements < EXPR_ELEMENTS_MAX)
		return expr_count_steps(run, node, elements);
	return expr_error(run->expr, node->at, E2BIG, run->err,
		"memory budget exceeded: the condition makes arrays of more than %d elements in "
		"all",
		EXPR_ELEMENTS_MAX);
}

int expr_made(struct expr_run *run, const struct expr_node *node, int rc)
{
	if (rc >= 0)
		return rc;
	return expr_error(run->expr, node->at, E2BIG, run->err,
		"memory budget exceeded: the condition makes more than %zu MiB, or nests deeper "
		"than %d",
		EXPR_MEMORY_MAX >> 20, VALUE_DEPTH_MAX);
}

static bool is_number(const struct value *v)
{
	return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

static double number_of(const struct value *v)
{
	return v->type == VALUE_INT ? (double)v->u.integer : v->u.number;
}

static int64_t integer_of(const struct value *v)
{
	return v->type == VALUE_INT ? v->u.integer : value_float_to_int(v->u.number);
}

static const char *type_name(const struct value *v)
{
	return value_type_name((enum value_type)v->type);
}

static int compare_strings(const struct value *a, const struct value *b)
{
	size_t common = MIN(a->count, b->count);
	int order = common > 0 ? memcmp(a->u.text, b->u.text, common) : 0;

	if (order != 0)
		return order;
	return a->count < b->count ? -1 : a->count > b->count;
}

int expr_less(struct expr_run *run, const struct expr_node *node, const struct value *a,
	const struct value *b, bool *ret)
{
	if (is_number(a) && is_number(b)) {
		*ret = a->type == VALUE_INT && b->type == VALUE_INT ? a->u.integer < b->u.integer
								    : number_of(a) < number_of(b);
		return 0;
	}
	if (a->type == VALUE_STRING && b->type == VALUE_STRING) {
		*ret = compare_strings(a, b) < 0;
		return expr_count_steps(run, node, MIN(a->count, b->count) / 64);
	}
	if (a->type == b->type && (a->type == VALUE_TIME || a->type == VALUE_DURATION)) {
		*ret = a->u.integer < b->u.integer;
		return 0;
	}
	return expr_error(run->expr, node->at, EINVAL, run->err, "cannot compare %s with %s",
		type_name(a), type_name(b));
}

/* A string argument where the parameter is declared as one but was not known before. */
static int want_strings(const struct expr_call *call, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < call->n; i++)
		if (call->args[i].type != VALUE_STRING)
			return fail(call, "%.*s() takes a string, not %s",
				(int)call->node->value.count, call->node->value.u.text,
				type_name(&call->args[i]));
	return 0;
}

static int want_array(const struct expr_call *call, const struct value *v)
{
	if (v->type == VALUE_ARRAY)
		return 0;
	return fail(call, "%.*s() takes an array, not %s", (int)call->node->value.count,
		call->node->value.u.text, type_name(v));
}

static int want_map(const struct expr_call *call)
{
	if (call->args[0].type == VALUE_MAP)
		return 0;
	return fail(call, "%.*s() takes a map, not %s", (int)call->node->value.count,
		call->node->value.u.text, type_name(&call->args[0]));
}

static int make_string(
	const struct expr_call *call, const char *text, size_t len, struct value *ret)
{
	int rc = expr_count_steps(call->run, call->node, len / 64);

	return rc < 0 ? rc
		      : expr_made(call->run, call->node,
				value_make_string(call->run->pool, text, len, ret));
}

static int make_array(const struct expr_call *call, const struct value *items, size_t n,
	enum value_type elem, struct value *ret)
{
	int rc = expr_count_elements(call->run, call->node, n);

	return rc < 0 ? rc
		      : expr_made(call->run, call->node,
				value_make_array(call->run->pool, items, n, elem, ret));
}

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
		return fail(call, "invalid argument for len (%s)", type_name(v));
	*ret = value_int(v->count);
	return 0;
}

static int run_type(const struct expr_call *call, struct value *ret)
{
	const char *name = call->args[0].type == VALUE_TIME	  ? "time.Time"
			   : call->args[0].type == VALUE_DURATION ? "time.Duration"
								  : type_name(&call->args[0]);

	*ret = value_string_of(name, strlen(name));
	return 0;
}

static int run_abs(const struct expr_call *call, struct value *ret)
{
	*ret = call->args[0];
	if (!is_number(ret))
		return fail(call, "invalid argument for abs (%s)", type_name(ret));
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

	if (!is_number(v))
		return fail(call, "cannot round %s", type_name(v));
	x = number_of(v);
	*ret = value_float(kind == 'c' ? ceil(x) : kind == 'f' ? floor(x) : round(x));
	return 0;
}

static int run_int(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	int64_t integer;

	if (v->type == VALUE_STRING) {
		if (value_parse_int(v->u.text, v->count, &integer) < 0)
			return fail(call, "int() cannot read '%.*s'", (int)MIN(v->count, 80U),
				v->u.text);
		*ret = value_int(integer);
	} else if (is_number(v)) {
		*ret = value_int(integer_of(v));
	} else if (v->type == VALUE_DURATION) {
		*ret = value_int(v->u.integer);
	} else {
		return fail(call, "int() cannot convert %s", type_name(v));
	}
	return 0;
}

static int run_float(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	double number;

	if (v->type == VALUE_STRING) {
		if (value_parse_float(v->u.text, v->count, &number) < 0)
			return fail(call, "float() cannot read '%.*s'", (int)MIN(v->count, 80U),
				v->u.text);
		*ret = value_float(number);
	} else if (is_number(v)) {
		*ret = value_float(number_of(v));
	} else {
		return fail(call, "float() cannot convert %s", type_name(v));
	}
	return 0;
}

static int run_string(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	value_to_text(&call->args[0], &b, EXPR_MEMORY_MAX + 1);
	return make_string(call, strbuf_str(&b), b.len, ret);
}

/* ---- strings ----------------------------------------------------------------------------- */

static bool set_has(const struct value *set, const char *text, size_t len)
{
	return memmem(set->u.text, set->count, text, len) != NULL;
}

static size_t rune_size(const char *text, size_t left)
{
	unsigned char c = (unsigned char)text[0];
	size_t size = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;

	return MIN(size, left);
}

static int run_trim(const struct expr_call *call, struct value *ret)
{
	struct value set = value_string_of("\t\n\v\f\r \xc2\x85\xc2\xa0", 10);
	const char *text;
	size_t len;

	if (want_strings(call, 0, 2) < 0)
		return -EINVAL;
	if (call->n == 2)
		set = call->args[1];
	text = call->args[0].u.text;
	len = call->args[0].count;
	while (len > 0 && set_has(&set, text, rune_size(text, len))) {
		size_t size = rune_size(text, len);

		text += size;
		len -= size;
	}
	while (len > 0) {
		size_t size = 1;

		while (size < len && size < 4 && ((unsigned char)text[len - size] & 0xc0) == 0x80)
			size++;
		if (!set_has(&set, text + len - size, size))
			break;
		len -= size;
	}
	*ret = value_string_of(text, len);
	return expr_count_steps(call->run, call->node, call->args[0].count);
}

static int run_trim_affix(const struct expr_call *call, struct value *ret)
{
	bool prefix = call->node->value.u.text[4] == 'P';
	struct value affix = value_string_of(" ", 1);
	const struct value *v = &call->args[0];

	if (want_strings(call, 0, 2) < 0)
		return -EINVAL;
	if (call->n == 2)
		affix = call->args[1];
	*ret = *v;
	if (affix.count <= v->count &&
		memcmp(prefix ? v->u.text : v->u.text + v->count - affix.count, affix.u.text,
			affix.count) == 0)
		*ret = value_string_of(
			prefix ? v->u.text + affix.count : v->u.text, v->count - affix.count);
	return 0;
}

static int run_case(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	bool upper = call->node->value.u.text[0] == 'u';
	locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	const struct value *v = &call->args[0];
	mbstate_t in = {0}, out = {0};

	if (want_strings(call, 0, 1) < 0) {
		if (locale)
			freelocale(locale);
		return -EINVAL;
	}
	before = locale ? uselocale(locale) : (locale_t)0;
	for (size_t i = 0; i < v->count;) {
		char text[MB_LEN_MAX];
		wchar_t c;
		size_t size = mbrtowc(&c, v->u.text + i, v->count - i, &in);

		if (size == (size_t)-1 || size == (size_t)-2) {
			in = (mbstate_t){0};
			strbuf_adds(&b, "\xef\xbf\xbd");
			i++;
			continue;
		}
		if (size == 0)
			size = 1;
		i += size;
		c = (wchar_t)(upper ? towupper((wint_t)c) : towlower((wint_t)c));
		size = wcrtomb(text, c, &out);
		if (size != (size_t)-1)
			strbuf_add(&b, text, size);
	}
	if (locale) {
		uselocale(before);
		freelocale(locale);
	}
	if (expr_count_steps(call->run, call->node, v->count) < 0)
		return -E2BIG;
	return make_string(call, strbuf_str(&b), b.len, ret);
}

/* Where `needle` begins in `text` from `from` on; len where nowhere. */
static size_t find_text(const struct value *text, size_t from, const struct value *needle)
{
	const char *found =
		memmem(text->u.text + from, text->count - from, needle->u.text, needle->count);

	return found ? (size_t)(found - text->u.text) : text->count;
}

static int run_split(const struct expr_call *call, struct value *ret)
{
	bool after = call->node->value.count > 5;
	_cleanup_free_ struct value *parts = NULL;
	const struct value *text = &call->args[0], *separator = &call->args[1];
	int64_t max = -1;
	size_t n = 0, room = 0, from = 0;

	if (want_strings(call, 0, 2) < 0)
		return -EINVAL;
	if (call->n == 3) {
		if (!is_number(&call->args[2]))
			return fail(call, "split() takes a number of parts");
		max = integer_of(&call->args[2]);
	}
	if (expr_count_steps(call->run, call->node, text->count) < 0)
		return -E2BIG;
	while (max != 0) {
		size_t at, to;

		if (n == EXPR_ELEMENTS_MAX)
			return expr_count_elements(call->run, call->node, n);
		if (n == room) {
			room = room ? room * 2 : 16;
			parts = xreallocarray(parts, room, sizeof(*parts));
		}
		if (separator->count == 0) {
			/* Into characters. */
			if (from >= text->count)
				break;
			at = to = from + rune_size(text->u.text + from, text->count - from);
		} else {
			at = find_text(text, from, separator);
			to = at + separator->count;
		}
		if ((max > 0 && (int64_t)n + 1 == max) || at >= text->count) {
			parts[n++] = value_string_of(text->u.text + from, text->count - from);
			break;
		}
		parts[n++] = value_string_of(text->u.text + from, (after ? to : at) - from);
		from = to;
	}
	return make_array(call, parts, n, VALUE_STRING, ret);
}

static int run_replace(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct value *text = &call->args[0], *old = &call->args[1], *fresh = &call->args[2];
	int64_t left = -1;
	size_t from = 0;

	if (want_strings(call, 0, 3) < 0)
		return -EINVAL;
	if (call->n == 4) {
		if (!is_number(&call->args[3]))
			return fail(call, "replace() takes a number of times");
		left = integer_of(&call->args[3]);
	}
	while (left != 0) {
		size_t at = find_text(text, from, old);

		if (expr_count_steps(call->run, call->node, 1 + fresh->count / 16) < 0)
			return -E2BIG;
		if (b.len > EXPR_MEMORY_MAX)
			return expr_made(call->run, call->node, -E2BIG);
		if (old->count > 0 && at >= text->count)
			break;
		strbuf_add(&b, text->u.text + from, at - from);
		strbuf_add(&b, fresh->u.text, fresh->count);
		from = at + old->count;
		left -= left > 0;
		if (old->count == 0) {
			size_t size;

			if (from >= text->count)
				break;
			size = rune_size(text->u.text + from, text->count - from);
			strbuf_add(&b, text->u.text + from, size);
			from += size;
		}
	}
	strbuf_add(&b, text->u.text + from, text->count - from);
	return make_string(call, strbuf_str(&b), b.len, ret);
}

static int run_repeat(const struct expr_call *call, struct value *ret)
{
	const struct value *text = &call->args[0];
	int64_t n;
	char *made;
	int rc;

	if (want_strings(call, 0, 1) < 0)
		return -EINVAL;
	if (!is_number(&call->args[1]))
		return fail(call, "repeat() takes a number of times");
	n = integer_of(&call->args[1]);
	if (n < 0)
		return fail(call,
			"invalid argument for repeat (expected positive integer, got %" PRId64 ")",
			n);
	rc = expr_count_elements(
		call->run, call->node, n > 1000000 ? SIZE_MAX : (size_t)n * text->count);
	if (rc < 0)
		return rc;
	made = value_pool_alloc(call->run->pool, (size_t)n, text->count);
	if (!made)
		return expr_made(call->run, call->node, -E2BIG);
	for (int64_t i = 0; i < n && text->count > 0; i++)
		memcpy(made + (size_t)i * text->count, text->u.text, text->count);
	*ret = value_string_of(made, (size_t)n * text->count);
	return 0;
}

static int run_join(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct value glue = value_string_of("", 0);
	const struct value *array = &call->args[0];

	if (want_array(call, array) < 0 || want_strings(call, 1, 2) < 0)
		return -EINVAL;
	if (call->n == 2)
		glue = call->args[1];
	for (size_t i = 0; i < array->count; i++) {
		const struct value *part = &array->u.items[i];

		if (part->type != VALUE_STRING)
			return fail(call, "join() takes strings, not %s", type_name(part));
		if (i > 0)
			strbuf_add(&b, glue.u.text, glue.count);
		strbuf_add(&b, part->u.text, part->count);
		if (b.len > EXPR_MEMORY_MAX)
			return expr_made(call->run, call->node, -E2BIG);
	}
	if (expr_count_steps(call->run, call->node, array->count) < 0)
		return -E2BIG;
	return make_string(call, strbuf_str(&b), b.len, ret);
}

static int run_index_of(const struct expr_call *call, struct value *ret)
{
	bool last = call->node->value.u.text[0] == 'l';
	const struct value *text = &call->args[0], *needle = &call->args[1];
	int64_t found = -1;

	if (want_strings(call, 0, 2) < 0)
		return -EINVAL;
	if (expr_count_steps(call->run, call->node, text->count) < 0)
		return -E2BIG;
	if (needle->count <= text->count && !last) {
		size_t at = find_text(text, 0, needle);

		found = at < text->count || needle->count == 0 ? (int64_t)at : -1;
		if (needle->count == 0)
			found = 0;
	} else if (needle->count <= text->count) {
		if (expr_count_steps(call->run, call->node,
			    (uint64_t)text->count * MIN(needle->count, 64U)) < 0)
			return -E2BIG;
		for (size_t i = text->count - needle->count + 1; i-- > 0 && found < 0;)
			if (needle->count == 0 ||
				memcmp(text->u.text + i, needle->u.text, needle->count) == 0)
				found = (int64_t)i;
	}
	*ret = value_int(found);
	return 0;
}

static int run_has_affix(const struct expr_call *call, struct value *ret)
{
	bool prefix = call->node->value.u.text[3] == 'P';
	const struct value *v = &call->args[0], *affix = &call->args[1];

	if (want_strings(call, 0, 2) < 0)
		return -EINVAL;
	*ret = value_bool(affix->count <= v->count &&
			  memcmp(prefix ? v->u.text : v->u.text + v->count - affix->count,
				  affix->u.text, affix->count) == 0);
	return 0;
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
	if (!is_number(v))
		return fail(
			call, "invalid argument for %s (%s)", max ? "max" : "min", type_name(v));
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

	if (call->n == 1 && call->args[0].type != VALUE_ARRAY && !is_number(&call->args[0])) {
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
	if (!is_number(v))
		return fail(call, "invalid argument for %.*s (%s)", (int)call->node->value.count,
			call->node->value.u.text, type_name(v));
	if (numbers->n == numbers->room) {
		numbers->room = numbers->room ? numbers->room * 2 : 16;
		numbers->v = xreallocarray(numbers->v, numbers->room, sizeof(*numbers->v));
	}
	numbers->v[numbers->n++] = number_of(v);
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
			return fail(call, "%.*s() takes integers, not %s",
				(int)call->node->value.count, call->node->value.u.text,
				type_name(&call->args[i]));
	x = (uint64_t)call->args[0].u.integer;
	if (call->n > 1)
		y = (uint64_t)call->args[1].u.integer;
	shift = (int64_t)y;
	if (len > 2 && strncmp(name + len - 2, "sh", 2) != 0 && memmem(name, len, "sh", 2) &&
		shift < 0)
		return fail(call, "negative shift count %" PRId64, shift);
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

/* ---- arrays and maps --------------------------------------------------------------------- */

static int run_first_last(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];

	*ret = value_nil();
	if (v->type == VALUE_ARRAY && v->count > 0)
		*ret = v->u.items[call->node->value.u.text[0] == 'f' ? 0 : v->count - 1];
	else if (v->type == VALUE_STRING && v->count > 0)
		*ret = value_int(
			(unsigned char)
				v->u.text[call->node->value.u.text[0] == 'f' ? 0 : v->count - 1]);
	return 0;
}

static int run_get(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0], *key = &call->args[1], *found;
	int64_t index;

	*ret = value_nil();
	if (v->type == VALUE_MAP) {
		if (!v->u.map->any_key && key->type != VALUE_STRING && key->type != VALUE_NIL)
			return fail(call, "a map has keys of type string, not %s", type_name(key));
		found = value_map_get(v, key);
		if (found)
			*ret = *found;
		return 0;
	}
	if (v->type != VALUE_ARRAY && v->type != VALUE_STRING)
		return 0;
	if (!is_number(key))
		return fail(call, "an index must be a number, not %s", type_name(key));
	index = integer_of(key);
	if (index < 0)
		index += v->count;
	if (index < 0 || index >= v->count)
		return 0;
	*ret = v->type == VALUE_ARRAY ? v->u.items[index]
				      : value_int((unsigned char)v->u.text[index]);
	return 0;
}

static int run_take(const struct expr_call *call, struct value *ret)
{
	int64_t n;

	if (want_array(call, &call->args[0]) < 0)
		return -EINVAL;
	if (call->args[1].type != VALUE_INT)
		return fail(call, "cannot take %s elements", type_name(&call->args[1]));
	n = call->args[1].u.integer;
	if (n < 0)
		return fail(call, "cannot take %" PRId64 " elements", n);
	*ret = call->args[0];
	if (n < ret->count)
		ret->count = (uint32_t)n;
	return 0;
}

static int run_map_parts(const struct expr_call *call, struct value *ret)
{
	char kind = call->node->value.u.text[0]; /* keys, values, toPairs */
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value *items = NULL;

	if (want_map(call) < 0)
		return -EINVAL;
	items = xcalloc(v->count + 1, sizeof(*items));
	for (size_t i = 0; i < v->count; i++) {
		const struct value_pair *pair = &v->u.map->pairs[i];

		items[i] = kind == 'k' ? pair->key : pair->value;
		if (kind == 't') {
			struct value both[2] = {pair->key, pair->value};
			int rc = make_array(call, both, 2, VALUE_ANY, &items[i]);

			if (rc < 0)
				return rc;
		}
	}
	return make_array(call, items, v->count, VALUE_ANY, ret);
}

static int run_from_pairs(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value_pair *pairs = NULL;
	int rc;

	if (want_array(call, v) < 0)
		return -EINVAL;
	pairs = xcalloc(v->count + 1, sizeof(*pairs));
	for (size_t i = 0; i < v->count; i++) {
		const struct value *pair = &v->u.items[i];

		if (pair->type != VALUE_ARRAY || pair->count != 2)
			return fail(call, "invalid pair: %s",
				pair->type == VALUE_ARRAY ? "not of two" : type_name(pair));
		if (pair->u.items[0].type == VALUE_ARRAY || pair->u.items[0].type == VALUE_MAP)
			return fail(call, "%s cannot be a key", type_name(&pair->u.items[0]));
		pairs[i] = (struct value_pair){pair->u.items[0], pair->u.items[1]};
	}
	rc = expr_count_elements(call->run, call->node, v->count);
	return rc < 0 ? rc
		      : expr_made(call->run, call->node,
				value_make_map(call->run->pool, pairs, v->count, true, ret));
}

static int run_reverse(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value *items = NULL;

	if (want_array(call, v) < 0)
		return -EINVAL;
	items = xcalloc(v->count + 1, sizeof(*items));
	for (size_t i = 0; i < v->count; i++)
		items[i] = v->u.items[v->count - 1 - i];
	return make_array(call, items, v->count, VALUE_ANY, ret);
}

static int run_uniq(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value *items = NULL;
	size_t n = 0;

	if (want_array(call, v) < 0)
		return -EINVAL;
	items = xcalloc(v->count + 1, sizeof(*items));
	for (size_t i = 0; i < v->count; i++) {
		size_t k = 0;

		if (expr_count_steps(call->run, call->node, n * 2 + 1) < 0)
			return -E2BIG;
		while (k < n && !value_equal(&v->u.items[i], &items[k]))
			k++;
		if (k == n)
			items[n++] = v->u.items[i];
	}
	return make_array(call, items, n, VALUE_ANY, ret);
}

struct list {
	struct value *v;
	size_t n, room;
};

static int add_item(const struct expr_call *call, struct list *list, const struct value *v)
{
	if (expr_count_elements(call->run, call->node, 1) < 0)
		return -E2BIG;
	if (list->n == list->room) {
		list->room = list->room ? list->room * 2 : 16;
		list->v = xreallocarray(list->v, list->room, sizeof(*list->v));
	}
	list->v[list->n++] = *v;
	return 0;
}

static int flatten(
	const struct expr_call *call, struct list *list, const struct value *v, bool deeply)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct value *item = &v->u.items[i];
		int rc = deeply && item->type == VALUE_ARRAY ? flatten(call, list, item, true)
							     : add_item(call, list, item);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int run_concat(const struct expr_call *call, struct value *ret)
{
	struct list list = {NULL, 0, 0};
	int rc = 0;

	for (size_t i = 0; i < call->n && rc == 0; i++) {
		rc = want_array(call, &call->args[i]);
		if (rc == 0)
			rc = flatten(
				call, &list, &call->args[i], call->node->value.u.text[0] == 'f');
	}
	if (rc == 0)
		rc = expr_made(call->run, call->node,
			value_make_array(call->run->pool, list.v, list.n, VALUE_ANY, ret));
	free(list.v);
	return rc;
}

/* Merges the sorted halves of from[0..n) into to; less may fail. */
static int merge(const struct expr_call *call, struct value *from, struct value *to, size_t n,
	bool descending)
{
	size_t half = n / 2, i = 0, k = half;

	for (size_t at = 0; at < n; at++) {
		bool second = i == half;

		if (i < half && k < n) {
			const struct value *a = &from[k], *b = &from[i];
			int rc = descending ? expr_less(call->run, call->node, b, a, &second)
					    : expr_less(call->run, call->node, a, b, &second);

			if (rc < 0 || expr_count_steps(call->run, call->node, 1) < 0)
				return -EINVAL;
		}
		to[at] = second ? from[k++] : from[i++];
	}
	return 0;
}

static int sort(const struct expr_call *call, struct value *items, struct value *spare, size_t n,
	bool descending)
{
	int rc;

	if (n < 2)
		return 0;
	rc = sort(call, items, spare, n / 2, descending);
	if (rc == 0)
		rc = sort(call, items + n / 2, spare + n / 2, n - n / 2, descending);
	if (rc == 0)
		rc = merge(call, items, spare, n, descending);
	if (rc == 0)
		memcpy(items, spare, n * sizeof(*items));
	return rc;
}

static int run_sort(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value *items = NULL, *spare = NULL;
	bool descending = false;
	int rc;

	if (want_strings(call, 1, 2) < 0)
		return -EINVAL;
	if (call->n == 2) {
		struct value order = call->args[1];

		descending = order.count == 4 && memcmp(order.u.text, "desc", 4) == 0;
		if (!descending && !(order.count == 3 && memcmp(order.u.text, "asc", 3) == 0))
			return fail(call, "invalid order, expected asc or desc");
	}
	/* As upstream, where what is no array has nothing to sort. */
	if (v->type != VALUE_ARRAY)
		return make_array(call, NULL, 0, VALUE_ANY, ret);
	items = xcalloc(v->count + 1, sizeof(*items));
	spare = xcalloc(v->count + 1, sizeof(*spare));
	if (v->count > 0)
		memcpy(items, v->u.items, v->count * sizeof(*items));
	rc = sort(call, items, spare, v->count, descending);
	return rc < 0 ? rc : make_array(call, items, v->count, VALUE_ANY, ret);
}

/* ---- conversions ------------------------------------------------------------------------- */

static int run_to_json(const struct expr_call *call, struct value *ret)
{
	_cleanup_free_ char *json = value_to_json(&call->args[0], 2);

	return make_string(call, json, strlen(json), ret);
}

static int run_from_json(const struct expr_call *call, struct value *ret)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	if (want_strings(call, 0, 1) < 0)
		return -EINVAL;
	if (expr_count_steps(call->run, call->node, call->args[0].count) < 0)
		return -E2BIG;
	if (value_from_json(call->run->pool, call->args[0].u.text, call->args[0].count, ret, &err) <
		0)
		return fail(call, "fromJSON(): %s", err_text(&err));
	return 0;
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int run_to_base64(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct value *v = &call->args[0];

	if (want_strings(call, 0, 1) < 0)
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
	return make_string(call, strbuf_str(&b), b.len, ret);
}

static int run_from_base64(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf plain = STRBUF_INIT, b = STRBUF_INIT;
	const struct value *v = &call->args[0];
	size_t padding = 0;

	if (want_strings(call, 0, 1) < 0)
		return -EINVAL;
	for (size_t i = 0; i < v->count; i++)
		if (v->u.text[i] != '\n' && v->u.text[i] != '\r')
			strbuf_addc(&plain, v->u.text[i]);
	while (padding < 2 && padding < plain.len && plain.s[plain.len - 1 - padding] == '=')
		padding++;
	if (plain.len % 4 != 0)
		return fail(call, "fromBase64(): the length is wrong");
	for (size_t i = 0; i < plain.len; i += 4) {
		uint32_t bits = 0;
		size_t n = i + 4 == plain.len ? 4 - padding : 4;

		for (size_t k = 0; k < 4; k++) {
			const char *digit = k < n && plain.s[i + k]
						    ? strchr(base64_digits, plain.s[i + k])
						    : NULL;

			if (k < n && !digit)
				return fail(call, "fromBase64(): an illegal character");
			bits = bits << 6 | (digit ? (uint32_t)(digit - base64_digits) : 0);
		}
		strbuf_addc(&b, (char)(bits >> 16 & 255));
		if (n > 2)
			strbuf_addc(&b, (char)(bits >> 8 & 255));
		if (n > 3)
			strbuf_addc(&b, (char)(bits & 255));
	}
	return make_string(call, strbuf_str(&b), b.len, ret);
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

	if (want_strings(call, 0, 1) < 0)
		return -EINVAL;
	text = xstrndup(call->args[0].u.text, MIN(call->args[0].count, 1000U));
	if (goduration_parse(text, &nsec, &err) < 0)
		return fail(call, "duration(): %s", err_text(&err));
	*ret = value_duration(nsec);
	return 0;
}

struct date {
	int year, month, day, hour, minute, second, nsec, offset_sec;
	bool pm, has_pm;
};

static bool read_digits(const char **text, int min, int max, int *ret)
{
	int n = 0, value = 0;

	for (; n < max && (*text)[n] >= '0' && (*text)[n] <= '9'; n++)
		value = value * 10 + ((*text)[n] - '0');
	if (n < min)
		return false;
	*text += n;
	*ret = value;
	return true;
}

static bool read_name(const char **text, const char *const *names, size_t n, size_t len, int *ret)
{
	for (size_t i = 0; i < n; i++) {
		size_t size = len > 0 ? len : strlen(names[i]);

		if (strncasecmp(*text, names[i], size) == 0) {
			*text += size;
			*ret = (int)i;
			return true;
		}
	}
	return false;
}

/* "+07:00", "+0700" or "Z" as the layout has it. */
static bool read_zone(const char **text, bool z, bool colon, bool minutes, int *ret)
{
	int sign, hours, rest = 0;

	if (z && **text == 'Z') {
		(*text)++;
		*ret = 0;
		return true;
	}
	if (**text != '+' && **text != '-')
		return false;
	sign = *(*text)++ == '-' ? -1 : 1;
	if (!read_digits(text, 2, 2, &hours) || hours > 24)
		return false;
	if (minutes) {
		if (colon && *(*text)++ != ':')
			return false;
		if (!read_digits(text, 2, 2, &rest) || rest > 60)
			return false;
	}
	*ret = sign * (hours * 3600 + rest * 60);
	return true;
}

static void read_fraction(const char **text, struct date *date)
{
	int scale = 100000000;

	if ((**text != '.' && **text != ',') || (*text)[1] < '0' || (*text)[1] > '9')
		return;
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++) {
		date->nsec += (**text - '0') * scale;
		scale /= 10;
	}
}

/* One element of the layout, whose text it moves on. False: `text` is not of this form. */
static bool read_element(const char **layout, const char **text, struct date *date)
{
	static const char *const months[] = {"January", "February", "March", "April", "May", "June",
		"July", "August", "September", "October", "November", "December"};
	static const char *const days[] = {
		"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
	static const struct {
		const char *layout;
		enum {
			MONTH_NAME,
			MONTH_SHORT,
			DAY_NAME,
			DAY_SHORT,
			ZONE_NAME,
			YEAR,
			YEAR_SHORT,
			MONTH,
			DAY,
			HOUR,
			HOUR_12,
			MINUTE,
			SECOND,
			PM,
			ZONE,
			FRACTION
		} what;
		int min;
	} elements[] = {{"January", MONTH_NAME, 0}, {"Jan", MONTH_SHORT, 0},
		{"Monday", DAY_NAME, 0}, {"Mon", DAY_SHORT, 0}, {"MST", ZONE_NAME, 0},
		{"2006", YEAR, 4}, {"Z07:00", ZONE, 0}, {"Z0700", ZONE, 0}, {"-07:00", ZONE, 0},
		{"-0700", ZONE, 0}, {"-07", ZONE, 0}, {"PM", PM, 0}, {"pm", PM, 0},
		{"01", MONTH, 2}, {"02", DAY, 2}, {"03", HOUR_12, 2}, {"04", MINUTE, 2},
		{"05", SECOND, 2}, {"06", YEAR_SHORT, 2}, {"15", HOUR, 1}, {"_2", DAY, 1},
		{"1", MONTH, 1}, {"2", DAY, 1}, {"3", HOUR_12, 1}, {"4", MINUTE, 1},
		{"5", SECOND, 1}, {".0", FRACTION, 0}, {".9", FRACTION, 0}, {",0", FRACTION, 0},
		{",9", FRACTION, 0}};
	size_t i = 0, len;
	int index;
	bool ok = true;

	while (i < ARRAY_SIZE(elements) &&
		strncmp(*layout, elements[i].layout, strlen(elements[i].layout)) != 0)
		i++;
	if (i == ARRAY_SIZE(elements)) {
		if (**text != **layout)
			return false;
		(*text)++;
		(*layout)++;
		return true;
	}
	len = strlen(elements[i].layout);
	switch (elements[i].what) {
	case MONTH_NAME:
	case MONTH_SHORT:
		ok = read_name(text, months, ARRAY_SIZE(months),
			elements[i].what == MONTH_SHORT ? 3 : 0, &index);
		if (ok)
			date->month = index + 1;
		break;
	case DAY_NAME:
	case DAY_SHORT:
		ok = read_name(text, days, ARRAY_SIZE(days), elements[i].what == DAY_SHORT ? 3 : 0,
			&index);
		break;
	case ZONE_NAME:
		for (index = 0; (*text)[index] >= 'A' && (*text)[index] <= 'Z'; index++)
			;
		/* As Go: a name alone says nothing of the offset. */
		ok = index >= 3 && index <= 5;
		*text += index;
		break;
	case YEAR:
		ok = read_digits(text, 4, 4, &date->year);
		break;
	case YEAR_SHORT:
		ok = read_digits(text, 2, 2, &date->year);
		date->year += date->year >= 69 ? 1900 : 2000;
		break;
	case MONTH:
		ok = read_digits(text, elements[i].min, 2, &date->month) && date->month >= 1 &&
		     date->month <= 12;
		break;
	case DAY:
		if (**layout == '_' && **text == ' ')
			(*text)++;
		ok = read_digits(text, elements[i].min, 2, &date->day);
		break;
	case HOUR:
		ok = read_digits(text, 1, 2, &date->hour) && date->hour < 24;
		break;
	case HOUR_12:
		ok = read_digits(text, elements[i].min, 2, &date->hour) && date->hour <= 12;
		break;
	case MINUTE:
		ok = read_digits(text, elements[i].min, 2, &date->minute) && date->minute < 60;
		break;
	case SECOND:
		ok = read_digits(text, elements[i].min, 2, &date->second) && date->second < 60;
		/* A fraction may stand here also where the layout has none. */
		if (ok && (*layout)[len] != '.' && (*layout)[len] != ',')
			read_fraction(text, date);
		break;
	case PM:
		ok = strncasecmp(*text, "PM", 2) == 0 || strncasecmp(*text, "AM", 2) == 0;
		date->has_pm = true;
		date->pm = (**text | 0x20) == 'p';
		*text += ok ? 2 : 0;
		break;
	case ZONE:
		ok = read_zone(text, **layout == 'Z', memchr(*layout, ':', len) != NULL, len > 3,
			&date->offset_sec);
		break;
	case FRACTION:
		read_fraction(text, date);
		len += strspn(*layout + len, **layout && (*layout)[1] == '0' ? "0" : "9");
		break;
	}
	*layout += len;
	return ok;
}

/* Nanoseconds since 1970; -EINVAL: not of the layout; -ERANGE: no such day, or out of int64. */
static int parse_date(const char *layout, const char *text, int64_t *ret)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct date date = {.month = 1, .day = 1};
	struct tm tm = {0};
	int64_t nsec;
	bool leap;

	while (*layout)
		if (!read_element(&layout, &text, &date))
			return -EINVAL;
	if (*text)
		return -EINVAL;
	leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
	if (date.day < 1 || date.day > month_days[date.month - 1] + (leap && date.month == 2))
		return -ERANGE;
	if (date.has_pm)
		date.hour = date.hour % 12 + (date.pm ? 12 : 0);
	tm.tm_year = date.year - 1900;
	tm.tm_mon = date.month - 1;
	tm.tm_mday = date.day;
	tm.tm_hour = date.hour;
	tm.tm_min = date.minute;
	tm.tm_sec = date.second;
	if (__builtin_mul_overflow((int64_t)timegm(&tm) - date.offset_sec, NSEC, &nsec) ||
		__builtin_add_overflow(nsec, (int64_t)date.nsec, &nsec))
		return -ERANGE;
	*ret = nsec;
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

	if (want_strings(call, 0, 3) < 0)
		return -EINVAL;
	text = xstrndup(call->args[0].u.text, MIN(call->args[0].count, 1000U));
	if (call->n == 3) {
		const struct value *zone = &call->args[2];

		if (!(zone->count == 0 ||
			    (zone->count == 3 && memcmp(zone->u.text, "UTC", 3) == 0)))
			return fail(call, "date(): the time zone '%.*s' is not known, only UTC",
				(int)MIN(zone->count, 40U), zone->u.text);
	}
	if (call->n > 1) {
		layout = xstrndup(call->args[1].u.text, MIN(call->args[1].count, 1000U));
		rc = parse_date(layout, text, &nsec);
	}
	for (size_t i = 0; i < ARRAY_SIZE(layouts) && call->n == 1 && rc == -EINVAL; i++)
		rc = parse_date(layouts[i], text, &nsec);
	if (rc == -ERANGE)
		return fail(call, "date(): '%s' is no day, or not between 1678 and 2262", text);
	if (rc < 0)
		return fail(call, "date(): invalid date '%s'", text);
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
	{"trim", "s?s", "s", run_trim},
	{"trimPrefix", "s?s", "s", run_trim_affix},
	{"trimSuffix", "s?s", "s", run_trim_affix},
	{"upper", "s", "s", run_case},
	{"lower", "s", "s", run_case},
	{"split", "ss?i", "S", run_split},
	{"splitAfter", "ss?i", "S", run_split},
	{"replace", "sss?i", "s", run_replace},
	{"repeat", "si", "s", run_repeat},
	{"join", "A?s", "s", run_join},
	{"indexOf", "ss", "i", run_index_of},
	{"lastIndexOf", "ss", "i", run_index_of},
	{"hasPrefix", "ss", "b", run_has_affix},
	{"hasSuffix", "ss", "b", run_has_affix},
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
	{"first", "A", "e", run_first_last},
	{"last", "A", "e", run_first_last},
	{"get", "aa", "a", run_get},
	{"take", "Ai", "=", run_take},
	{"keys", "M", "A", run_map_parts},
	{"values", "M", "A", run_map_parts},
	{"toPairs", "M", "A", run_map_parts},
	{"fromPairs", "A", "M", run_from_pairs},
	{"reverse", "A", "A", run_reverse},
	{"uniq", "A", "A", run_uniq},
	{"concat", "A*", "A", run_concat},
	{"flatten", "A", "A", run_concat},
	{"sort", "A?s", "A", run_sort},
	{"bitand", "ii", "i", run_bits},
	{"bitor", "ii", "i", run_bits},
	{"bitxor", "ii", "i", run_bits},
	{"bitnand", "ii", "i", run_bits},
	{"bitshl", "ii", "i", run_bits},
	{"bitshr", "ii", "i", run_bits},
	{"bitushr", "ii", "i", run_bits},
	{"bitnot", "i", "i", run_bits},
};

const struct expr_builtin *expr_builtin_at(size_t i)
{
	return i < ARRAY_SIZE(builtins) ? &builtins[i] : NULL;
}

const struct expr_builtin *expr_builtin_find(const struct value *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (strlen(builtins[i].name) == name->count &&
			memcmp(builtins[i].name, name->u.text, name->count) == 0)
			return &builtins[i];
	return NULL;
}
