#include "config.h"

#include "verify/expr_builtin.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

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
			return expr_call_fail(
				call, "a map has keys of type string, not %s", value_type_of(key));
		found = value_map_get(v, key);
		if (found)
			*ret = *found;
		return 0;
	}
	if (v->type != VALUE_ARRAY && v->type != VALUE_STRING)
		return 0;
	if (!value_is_number(key))
		return expr_call_fail(
			call, "an index must be a number, not %s", value_type_of(key));
	index = value_integer(key);
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

	if (expr_want_array(call, &call->args[0]) < 0)
		return -EINVAL;
	if (call->args[1].type != VALUE_INT)
		return expr_call_fail(
			call, "cannot take %s elements", value_type_of(&call->args[1]));
	n = call->args[1].u.integer;
	if (n < 0)
		return expr_call_fail(call, "cannot take %" PRId64 " elements", n);
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

	if (expr_want_map(call) < 0)
		return -EINVAL;
	items = xcalloc(v->count + 1, sizeof(*items));
	for (size_t i = 0; i < v->count; i++) {
		const struct value_pair *pair = &v->u.map->pairs[i];

		items[i] = kind == 'k' ? pair->key : pair->value;
		if (kind == 't') {
			struct value both[2] = {pair->key, pair->value};
			int rc = expr_make_array(call, both, 2, VALUE_ANY, &items[i]);

			if (rc < 0)
				return rc;
		}
	}
	return expr_make_array(call, items, v->count, VALUE_ANY, ret);
}

static int run_from_pairs(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value_pair *pairs = NULL;
	int rc;

	if (expr_want_array(call, v) < 0)
		return -EINVAL;
	pairs = xcalloc(v->count + 1, sizeof(*pairs));
	for (size_t i = 0; i < v->count; i++) {
		const struct value *pair = &v->u.items[i];

		if (pair->type != VALUE_ARRAY || pair->count != 2)
			return expr_call_fail(call, "invalid pair: %s",
				pair->type == VALUE_ARRAY ? "not of two" : value_type_of(pair));
		if (pair->u.items[0].type == VALUE_ARRAY || pair->u.items[0].type == VALUE_MAP)
			return expr_call_fail(
				call, "%s cannot be a key", value_type_of(&pair->u.items[0]));
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

	if (expr_want_array(call, v) < 0)
		return -EINVAL;
	items = xcalloc(v->count + 1, sizeof(*items));
	for (size_t i = 0; i < v->count; i++)
		items[i] = v->u.items[v->count - 1 - i];
	return expr_make_array(call, items, v->count, VALUE_ANY, ret);
}

static int run_uniq(const struct expr_call *call, struct value *ret)
{
	const struct value *v = &call->args[0];
	_cleanup_free_ struct value *items = NULL;
	size_t n = 0;

	if (expr_want_array(call, v) < 0)
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
	return expr_make_array(call, items, n, VALUE_ANY, ret);
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
		rc = expr_want_array(call, &call->args[i]);
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

	if (expr_want_strings(call, 1, 2) < 0)
		return -EINVAL;
	if (call->n == 2) {
		struct value order = call->args[1];

		descending = order.count == 4 && memcmp(order.u.text, "desc", 4) == 0;
		if (!descending && !(order.count == 3 && memcmp(order.u.text, "asc", 3) == 0))
			return expr_call_fail(call, "invalid order, expected asc or desc");
	}
	/* As upstream, where what is no array has nothing to sort. */
	if (v->type != VALUE_ARRAY)
		return expr_make_array(call, NULL, 0, VALUE_ANY, ret);
	items = xcalloc(v->count + 1, sizeof(*items));
	spare = xcalloc(v->count + 1, sizeof(*spare));
	if (v->count > 0)
		memcpy(items, v->u.items, v->count * sizeof(*items));
	rc = sort(call, items, spare, v->count, descending);
	return rc < 0 ? rc : expr_make_array(call, items, v->count, VALUE_ANY, ret);
}

const struct expr_builtin expr_builtins_list[] = {
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
	{NULL, NULL, NULL, NULL},
};
