#include "config.h"

#include "verify/expr_check_internal.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/suggest.h"

#include <errno.h>

static int check_known_member(struct expr_checker *c, const struct expr_node *node,
	const struct value *map, struct nature *ret)
{
	const struct value *found = value_map_get(map, &node->b->value);

	if (found)
		return nature_of_value(&c->pool, found, false, ret);
	{
		_cleanup_free_ char *name =
			str_escape_n(node->b->value.u.text, node->b->value.count, 60);
		_cleanup_strv_ struct strv known = STRV_INIT;
		const char *near;

		for (size_t i = 0; i < map->count; i++) {
			_cleanup_free_ char *key = xstrndup(
				map->u.map->pairs[i].key.u.text, map->u.map->pairs[i].key.count);

			strv_add(&known, key);
		}
		near = suggest_nearest(name, (const char *const *)known.v, known.n);
		return expr_check_fail(c, node,
			near ? "unknown field %s (did you mean %s?)" : "unknown field %s", name,
			near);
	}
}

int expr_check_member(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	bool named = node->b->kind == EXPR_LITERAL && node->b->value.type == VALUE_STRING;
	struct nature base, key;
	_cleanup_free_ char *shown = NULL;

	if (expr_check_node(c, node->a, &base) < 0 || expr_check_node(c, node->b, &key) < 0)
		return -EINVAL;
	*ret = nature_untyped();
	if (nature_is_any(&base))
		return 0;
	if (base.type == VALUE_MAP) {
		*ret = nature_of_type(VALUE_ANY);
		if (!nature_is_any(&key) && !base.any_key && key.type != VALUE_STRING)
			return expr_check_fail(c, node, "the keys of a map are strings, not %s",
				nature_name(&key));
		if (named && base.fields)
			return check_known_member(c, node, base.fields, ret);
		return 0;
	}
	if (base.type == VALUE_ARRAY && !named) {
		*ret = nature_elem(&base);
		if (nature_is_any(&key) || key.type == VALUE_INT)
			return 0;
		return expr_check_fail(c, node,
			"array elements can only be selected using an integer (got %s)",
			nature_name(&key));
	}
	if (named) {
		shown = str_escape_n(node->b->value.u.text, node->b->value.count, 60);
		return expr_check_fail(
			c, node, "type %s has no field %s", nature_name(&base), shown);
	}
	return expr_check_fail(c, node, "type %s has no elements", nature_name(&base));
}

int expr_check_slice(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct expr_node *ends[] = {node->b, node->c};
	int rc = expr_check_node(c, node->a, ret);

	if (rc < 0)
		return rc;
	if (!nature_is_any(ret) && ret->type != VALUE_STRING && ret->type != VALUE_ARRAY)
		return expr_check_fail(c, node, "cannot slice %s", nature_name(ret));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct nature n;

		if (!ends[i])
			continue;
		rc = expr_check_node(c, ends[i], &n);
		if (rc < 0)
			return rc;
		if (!nature_is_any(ret) && !nature_is_any(&n) && n.type != VALUE_INT)
			return expr_check_fail(
				c, ends[i], "non-integer slice index (%s)", nature_name(&n));
	}
	if (nature_is_any(ret))
		*ret = nature_untyped();
	return 0;
}

/* Times and durations have a few methods, which need no argument. */
int expr_check_method(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature base, ignored;
	int rc = expr_check_node(c, node->a, &base);

	if (rc == 0)
		rc = expr_check_list(c, node, &ignored);
	if (rc < 0)
		return rc;
	*ret = nature_untyped();
	if (nature_is_any(&base) || base.type == VALUE_MAP)
		return 0;
	if (base.type == VALUE_TIME || base.type == VALUE_DURATION) {
		if (node->n == 0)
			return 0;
		return expr_check_wrong_count(c, node, true);
	}
	return expr_check_fail(c, node, "type %s has no method %.*s", nature_name(&base),
		(int)MIN(node->value.count, 60U), node->value.u.text);
}
