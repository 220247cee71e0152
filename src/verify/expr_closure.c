#include "config.h"

#include "verify/expr_eval.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_builtin.h"
#include "verify/expr_check.h"
#include "verify/expr_eval_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int expr_eval_pointer(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	const struct expr_closure *closure = e->closure;

	if (!closure)
		return expr_eval_fail(e, node, "# has a meaning in a closure only");
	if (node->value.count == 0)
		*ret = closure->collection.u.items[closure->index];
	else if (value_is_text(&node->value, "index"))
		*ret = value_int((int64_t)closure->index);
	else
		*ret = closure->acc;
	return 0;
}

/* The closure for the element that `closure` is at; without one the element itself. */
static int eval_closure(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	int rc;

	if (node->n < 2) {
		*ret = closure->collection.u.items[closure->index];
		return expr_count_steps(&e->run, node, 1);
	}
	e->closure = closure;
	rc = expr_eval_node(e, node->list[1], ret);
	e->closure = closure->outer;
	/* A ?. that ended in a closure belongs to a chain there. */
	return rc;
}

int expr_eval_predicate(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, bool *ret)
{
	struct value v;
	int rc = eval_closure(e, node, closure, &v);

	if (rc != 0)
		return rc;
	if (v.type != VALUE_BOOL)
		return expr_eval_fail(e, node->n < 2 ? node : node->list[1],
			"the closure of %.*s() should be true or false, not %s",
			(int)node->value.count, node->value.u.text, value_type_of(&v));
	*ret = v.u.boolean;
	return 0;
}

/* all, none, any: the first element that decides. */
static int eval_quantifier(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	bool any = value_is_text(&node->value, "any"), all = value_is_text(&node->value, "all");

	for (; closure->index < closure->collection.count; closure->index++) {
		bool holds;
		int rc = expr_eval_predicate(e, node, closure, &holds);

		if (rc != 0)
			return rc;
		if (holds != all) {
			*ret = value_bool(any);
			return 0;
		}
	}
	*ret = value_bool(!any);
	return 0;
}

/* find and its kin: with `last` from the end, with `index` the place and not the element. */
static int eval_find(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	bool last = node->value.count > 4 && memcmp(node->value.u.text + 4, "Last", 4) == 0;
	bool index = node->value.u.text[node->value.count - 1] == 'x';

	*ret = value_nil();
	for (size_t i = 0; i < closure->collection.count; i++) {
		bool holds;
		int rc;

		closure->index = last ? closure->collection.count - 1 - i : i;
		rc = expr_eval_predicate(e, node, closure, &holds);
		if (rc != 0)
			return rc;
		if (!holds)
			continue;
		*ret = index ? value_int((int64_t)closure->index)
			     : closure->collection.u.items[closure->index];
		return 0;
	}
	return 0;
}

/* one and count, filter. */
static int eval_selection(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	bool filter = value_is_text(&node->value, "filter");
	_cleanup_free_ struct value *items =
		xcalloc(filter ? (size_t)closure->collection.count + 1 : 1, sizeof(*items));
	size_t n = 0;

	for (; closure->index < closure->collection.count; closure->index++) {
		bool holds;
		int rc = expr_eval_predicate(e, node, closure, &holds);

		if (rc != 0)
			return rc;
		if (holds && filter)
			items[n] = closure->collection.u.items[closure->index];
		n += holds;
	}
	if (filter)
		return expr_eval_make_array(e, node, items, n, VALUE_ANY, ret);
	*ret = value_is_text(&node->value, "one") ? value_bool(n == 1) : value_int((int64_t)n);
	return 0;
}

static int eval_sum_of(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	struct value sum = value_int(0);

	for (; closure->index < closure->collection.count; closure->index++) {
		struct value v;
		int rc = eval_closure(e, node, closure, &v);

		if (rc == 0 && !(value_is_number(&v) && value_is_number(&sum)))
			return expr_eval_fail(
				e, node, "sum() takes numbers, not %s", value_type_of(&v));
		if (rc == 0)
			rc = expr_eval_sum(e, node, true, &v, &sum, &sum);
		if (rc != 0)
			return rc;
	}
	*ret = sum;
	return 0;
}

static int eval_reduce(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	if (node->n > 2) {
		int rc = expr_eval_node(e, node->list[2], &closure->acc);

		if (rc != 0)
			return rc;
	} else {
		if (closure->collection.count == 0)
			return expr_eval_fail(
				e, node, "reduce of empty array with no initial value");
		closure->acc = closure->collection.u.items[closure->index++];
	}
	for (; closure->index < closure->collection.count; closure->index++) {
		struct value v;
		int rc = eval_closure(e, node, closure, &v);

		if (rc != 0)
			return rc;
		closure->acc = v;
	}
	*ret = closure->acc;
	return 0;
}

struct keyed {
	struct value key, value;
};

static int merge(struct expr_evaluation *e, const struct expr_node *node, struct keyed *from,
	struct keyed *to, size_t n, bool descending)
{
	size_t half = n / 2, i = 0, k = half;

	for (size_t at = 0; at < n; at++) {
		bool second = i == half;

		if (i < half && k < n) {
			int rc = descending ? expr_less(&e->run, node, &from[i].key, &from[k].key,
						      &second)
					    : expr_less(&e->run, node, &from[k].key, &from[i].key,
						      &second);

			if (rc == 0)
				rc = expr_count_steps(&e->run, node, 1);
			if (rc < 0)
				return rc;
		}
		to[at] = second ? from[k++] : from[i++];
	}
	return 0;
}

static int sort(struct expr_evaluation *e, const struct expr_node *node, struct keyed *items,
	struct keyed *spare, size_t n, bool descending)
{
	int rc;

	if (n < 2)
		return 0;
	rc = sort(e, node, items, spare, n / 2, descending);
	if (rc == 0)
		rc = sort(e, node, items + n / 2, spare + n / 2, n - n / 2, descending);
	if (rc == 0)
		rc = merge(e, node, items, spare, n, descending);
	if (rc == 0)
		memcpy(items, spare, n * sizeof(*items));
	return rc;
}

/* Keys and elements of map, sortBy and groupBy. */
static int eval_keys(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct keyed *items)
{
	for (; closure->index < closure->collection.count; closure->index++) {
		struct keyed *item = &items[closure->index];
		int rc = eval_closure(e, node, closure, &item->key);

		if (rc != 0)
			return rc;
		item->value = closure->collection.u.items[closure->index];
	}
	return 0;
}

static int eval_sort_by(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	size_t n = closure->collection.count;
	_cleanup_free_ struct keyed *items = xcalloc(n + 1, sizeof(*items));
	_cleanup_free_ struct keyed *spare = xcalloc(n + 1, sizeof(*spare));
	_cleanup_free_ struct value *sorted = xcalloc(n + 1, sizeof(*sorted));
	struct value order = value_string_of("asc", 3);
	int rc = 0;

	if (node->n > 2)
		rc = expr_eval_node(e, node->list[2], &order);
	if (rc == 0 && (order.type != VALUE_STRING ||
			       (!value_is_text(&order, "asc") && !value_is_text(&order, "desc"))))
		return expr_eval_fail(e, node->list[2], "unknown order, use asc or desc");
	if (rc == 0)
		rc = eval_keys(e, node, closure, items);
	if (rc == 0)
		rc = sort(e, node, items, spare, n, value_is_text(&order, "desc"));
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		sorted[i] = items[i].value;
	return expr_eval_make_array(e, node, sorted, n, VALUE_ANY, ret);
}

static int eval_map_of(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	size_t n = closure->collection.count;
	_cleanup_free_ struct keyed *items = xcalloc(n + 1, sizeof(*items));
	_cleanup_free_ struct value *values = xcalloc(n + 1, sizeof(*values));
	int rc = eval_keys(e, node, closure, items);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		values[i] = items[i].key;
	return expr_eval_make_array(e, node, values, n, VALUE_ANY, ret);
}

static int eval_group_by(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, struct value *ret)
{
	size_t n = closure->collection.count, groups = 0;
	_cleanup_free_ struct keyed *items = xcalloc(n + 1, sizeof(*items));
	_cleanup_free_ struct value_pair *pairs = xcalloc(n + 1, sizeof(*pairs));
	_cleanup_free_ struct value *members = xcalloc(n + 1, sizeof(*members));
	_cleanup_free_ uint32_t *group_of = xcalloc(n + 1, sizeof(*group_of));
	struct value seen;
	int rc = eval_keys(e, node, closure, items);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (items[i].key.type == VALUE_ARRAY || items[i].key.type == VALUE_MAP)
			return expr_eval_fail(
				e, node, "%s cannot be a key", value_type_of(&items[i].key));
		pairs[i] = (struct value_pair){items[i].key, value_int((int64_t)i)};
	}
	/* A first map finds which keys there are, in the order in which they came. */
	rc = expr_made(&e->run, node, value_make_map(e->run.pool, pairs, n, true, &seen));
	if (rc < 0)
		return rc;
	groups = seen.count;
	for (size_t g = 0; g < groups; g++) {
		const struct value *key = &seen.u.map->pairs[g].key;
		size_t count = 0;

		pairs[g].key = *key;
		for (size_t i = 0; i < n; i++)
			if (value_map_get(&seen, &items[i].key) == &seen.u.map->pairs[g].value)
				members[count++] = items[i].value;
		rc = expr_count_steps(&e->run, node, n);
		if (rc == 0)
			rc = expr_eval_make_array(
				e, node, members, count, VALUE_ANY, &pairs[g].value);
		if (rc < 0)
			return rc;
	}
	return expr_made(&e->run, node, value_make_groups(e->run.pool, pairs, groups, ret));
}

int expr_eval_closures(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	static const struct {
		const char *name;
		int (*run)(struct expr_evaluation *e, const struct expr_node *node,
			struct expr_closure *closure, struct value *ret);
	} kinds[] = {{"all", eval_quantifier}, {"none", eval_quantifier}, {"any", eval_quantifier},
		{"one", eval_selection}, {"count", eval_selection}, {"filter", eval_selection},
		{"map", eval_map_of}, {"sum", eval_sum_of}, {"find", eval_find},
		{"findIndex", eval_find}, {"findLast", eval_find}, {"findLastIndex", eval_find},
		{"groupBy", eval_group_by}, {"sortBy", eval_sort_by}, {"reduce", eval_reduce}};
	struct expr_closure closure = {.outer = e->closure};
	int rc = expr_eval_node(e, node->list[0], &closure.collection);

	if (rc != 0)
		return rc;
	if (closure.collection.type != VALUE_ARRAY)
		return expr_eval_fail(e, node->list[0], "%.*s() takes an array, not %s",
			(int)node->value.count, node->value.u.text,
			value_type_of(&closure.collection));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (value_is_text(&node->value, kinds[i].name))
			return kinds[i].run(e, node, &closure, ret);
	return -EINVAL;
}
