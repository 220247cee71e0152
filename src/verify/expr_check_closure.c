#include "config.h"

#include "verify/expr_check_internal.h"

#include "base/macro.h"

#include <errno.h>

struct closure_builtin {
	const char *name;

	char result;	/* b, i, A array of what the closure gives, F array of elements, e element,
			   S what is summed up, M map of arrays, = the array, c what the closure gives
			 */
	bool predicate; /* the closure has to be a bool */
};

static const struct closure_builtin closure_builtins[] = {
	{"all", 'b', true},
	{"none", 'b', true},
	{"any", 'b', true},
	{"one", 'b', true},
	{"filter", 'F', true},
	{"map", 'A', false},
	{"count", 'i', true},
	{"sum", 'S', false},
	{"find", 'e', true},
	{"findLast", 'e', true},
	{"findIndex", 'i', true},
	{"findLastIndex", 'i', true},
	{"groupBy", 'M', false},
	{"sortBy", '=', false},
	{"reduce", 'c', false},
};

static const struct closure_builtin *find_builtin(const struct value *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(closure_builtins); i++)
		if (value_is_text(name, closure_builtins[i].name))
			return &closure_builtins[i];
	return NULL;
}

bool expr_check_is_closure(const struct value *name)
{
	return find_builtin(name) != NULL;
}

static int check_closure(struct expr_checker *c, const struct closure_builtin *builtin,
	const struct expr_known_closure *closure, const struct expr_node *node, struct nature *ret)
{
	int rc;

	c->closure = closure;
	rc = expr_check_node(c, node, ret);
	c->closure = closure->outer;
	if (rc < 0)
		return rc;
	if (ret->type == VALUE_NIL)
		return expr_check_fail(c, node, "the closure of %s() gives nothing", builtin->name);
	if (builtin->predicate && !nature_is_any(ret) && ret->type != VALUE_BOOL)
		return expr_check_fail(c, node,
			"the closure of %s() should be true or false, not %s", builtin->name,
			nature_name(ret));
	return 0;
}

/* The third, of sortBy() and reduce(). */
static int check_last(
	struct expr_checker *c, const struct closure_builtin *builtin, const struct expr_node *node)
{
	struct nature last;
	int rc = expr_check_node(c, node, &last);

	if (rc < 0)
		return rc;
	if (builtin->result == '=' && !nature_is_any(&last) && last.type != VALUE_STRING)
		return expr_check_fail(c, node, "the order of sortBy() must be a string");
	return 0;
}

/* `inner`: what the closure gives, NULL where there is none. */
static int result_of(struct expr_checker *c, char result, const struct nature *collection,
	const struct nature *inner, struct nature *ret)
{
	struct nature elem = nature_is_any(collection) ? nature_untyped() : nature_elem(collection);
	struct nature given = inner ? *inner : nature_untyped();

	*ret = nature_of_type(VALUE_ANY);
	switch (result) {
	case 'b':
		ret->type = VALUE_BOOL;
		return 0;
	case 'i':
		ret->type = VALUE_INT;
		return 0;
	case 'F':
		return nature_array(&c->pool, &elem, ret);
	case 'A':
		return nature_array(&c->pool, &given, ret);
	case 'e':
		*ret = elem;
		return 0;
	case 'S':
		*ret = inner ? *inner : elem;
		return 0;
	case 'M':
		ret->type = VALUE_MAP;
		ret->any_key = true;
		return 0;
	case '=':
		*ret = *collection;
		return 0;
	default:
		*ret = given;
		return 0;
	}
}

int expr_check_closures(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct closure_builtin *builtin = find_builtin(&node->value);
	struct expr_known_closure closure = {.outer = c->closure};
	struct nature inner;
	int rc = expr_check_node(c, node->list[0], &closure.collection);

	if (rc < 0)
		return rc;
	/* the parser makes no others */
	if (!builtin)
		return -EINVAL;
	if (!nature_is_any(&closure.collection) && closure.collection.type != VALUE_ARRAY)
		return expr_check_fail(c, node->list[0], "%s() takes an array, not %s",
			builtin->name, nature_name(&closure.collection));
	closure.has_acc = builtin->result == 'c';
	closure.has_index = closure.has_acc || builtin->result == 'A';
	if (node->n > 1)
		rc = check_closure(c, builtin, &closure, node->list[1], &inner);
	if (rc == 0 && node->n > 2)
		rc = check_last(c, builtin, node->list[2]);
	return rc < 0 ? rc
		      : result_of(c, builtin->result, &closure.collection,
				node->n > 1 ? &inner : NULL, ret);
}

int expr_check_pointer(
	const struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct expr_known_closure *closure = c->closure;

	*ret = nature_untyped();
	if (!closure)
		return expr_check_fail(c, node, "# has a meaning in a closure only");
	if (node->value.count == 0) {
		if (!nature_is_any(&closure->collection))
			*ret = nature_elem(&closure->collection);
		return 0;
	}
	if (closure->has_index && value_is_text(&node->value, "index")) {
		*ret = nature_of_type(VALUE_INT);
		return 0;
	}
	if (closure->has_acc && value_is_text(&node->value, "acc"))
		return 0;
	return expr_check_fail(c, node, "unknown pointer #%.*s", (int)MIN(node->value.count, 60U),
		node->value.u.text);
}
