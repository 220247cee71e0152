#include "config.h"

#include "verify/expr_nature.h"

bool nature_are(const struct nature *a, const struct nature *b, unsigned types)
{
	return nature_is_one_of(a, types) && nature_is_one_of(b, types);
}

bool nature_may_be(const struct nature *a, const struct nature *b, unsigned types)
{
	return (nature_is_any(a) || nature_is_one_of(a, types)) &&
	       (nature_is_any(b) || nature_is_one_of(b, types)) &&
	       (nature_is_any(a) || nature_is_any(b));
}

struct nature nature_elem(const struct nature *n)
{
	if (n->type == VALUE_ARRAY && n->elem)
		return *n->elem;
	return nature_of_type(VALUE_ANY);
}

int nature_array(struct value_pool *pool, const struct nature *elem, struct nature *ret)
{
	struct nature *copy = value_pool_alloc(pool, 1, sizeof(*copy));

	*ret = nature_of_type(VALUE_ARRAY);
	if (copy) {
		*copy = *elem;
		ret->elem = copy;
	}
	return 0;
}

int nature_of_value(
	struct value_pool *pool, const struct value *v, bool known_members, struct nature *ret)
{
	struct nature elem = nature_of_type((enum value_type)v->elem);

	*ret = nature_of_type((enum value_type)v->type);
	if (v->type == VALUE_MAP) {
		ret->any_key = v->u.map->any_key;
		ret->fields = known_members ? v : NULL;
	}
	return v->type == VALUE_ARRAY && v->elem != VALUE_ANY ? nature_array(pool, &elem, ret) : 0;
}

bool nature_is_assignable(const struct nature *from, const struct nature *to)
{
	if (to->type == VALUE_ANY)
		return !to->untyped && !from->untyped && from->type != VALUE_NIL;
	if (from->type == VALUE_NIL)
		return to->type == VALUE_MAP || to->type == VALUE_ARRAY;
	return from->type == to->type && (from->type != VALUE_MAP || from->any_key == to->any_key);
}

bool nature_is_comparable(const struct nature *a, const struct nature *b)
{
	return nature_is_any(a) || nature_is_any(b) || a->type == VALUE_NIL ||
	       b->type == VALUE_NIL || nature_are(a, b, NATURE_NUMBERS) ||
	       (a->type == b->type && (a->type != VALUE_MAP || a->any_key == b->any_key));
}
