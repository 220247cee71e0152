#include "config.h"

#include "verify/expr_builtin.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

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

	if (expr_want_strings(call, 0, 2) < 0)
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

	if (expr_want_strings(call, 0, 2) < 0)
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

	if (expr_want_strings(call, 0, 1) < 0) {
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
	return expr_make_string(call, strbuf_str(&b), b.len, ret);
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

	if (expr_want_strings(call, 0, 2) < 0)
		return -EINVAL;
	if (call->n == 3) {
		if (!value_is_number(&call->args[2]))
			return expr_call_fail(call, "split() takes a number of parts");
		max = value_integer(&call->args[2]);
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
	return expr_make_array(call, parts, n, VALUE_STRING, ret);
}

static int run_replace(const struct expr_call *call, struct value *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct value *text = &call->args[0], *old = &call->args[1], *fresh = &call->args[2];
	int64_t left = -1;
	size_t from = 0;

	if (expr_want_strings(call, 0, 3) < 0)
		return -EINVAL;
	if (call->n == 4) {
		if (!value_is_number(&call->args[3]))
			return expr_call_fail(call, "replace() takes a number of times");
		left = value_integer(&call->args[3]);
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
	return expr_make_string(call, strbuf_str(&b), b.len, ret);
}

static int run_repeat(const struct expr_call *call, struct value *ret)
{
	const struct value *text = &call->args[0];
	int64_t n;
	char *made;
	int rc;

	if (expr_want_strings(call, 0, 1) < 0)
		return -EINVAL;
	if (!value_is_number(&call->args[1]))
		return expr_call_fail(call, "repeat() takes a number of times");
	n = value_integer(&call->args[1]);
	if (n < 0)
		return expr_call_fail(call,
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

	if (expr_want_array(call, array) < 0 || expr_want_strings(call, 1, 2) < 0)
		return -EINVAL;
	if (call->n == 2)
		glue = call->args[1];
	for (size_t i = 0; i < array->count; i++) {
		const struct value *part = &array->u.items[i];

		if (part->type != VALUE_STRING)
			return expr_call_fail(
				call, "join() takes strings, not %s", value_type_of(part));
		if (i > 0)
			strbuf_add(&b, glue.u.text, glue.count);
		strbuf_add(&b, part->u.text, part->count);
		if (b.len > EXPR_MEMORY_MAX)
			return expr_made(call->run, call->node, -E2BIG);
	}
	if (expr_count_steps(call->run, call->node, array->count) < 0)
		return -E2BIG;
	return expr_make_string(call, strbuf_str(&b), b.len, ret);
}

static int run_index_of(const struct expr_call *call, struct value *ret)
{
	bool last = call->node->value.u.text[0] == 'l';
	const struct value *text = &call->args[0], *needle = &call->args[1];
	int64_t found = -1;

	if (expr_want_strings(call, 0, 2) < 0)
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

	if (expr_want_strings(call, 0, 2) < 0)
		return -EINVAL;
	*ret = value_bool(affix->count <= v->count &&
			  memcmp(prefix ? v->u.text : v->u.text + v->count - affix->count,
				  affix->u.text, affix->count) == 0);
	return 0;
}

const struct expr_builtin expr_builtins_text[] = {
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
	{NULL, NULL, NULL, NULL},
};
