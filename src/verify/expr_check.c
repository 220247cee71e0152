#include "config.h"

#include "verify/expr_check.h"

#include "base/macro.h"
#include "verify/expr_builtin.h"
#include "verify/expr_check_internal.h"

#include <errno.h>
#include <stdarg.h>

void expr_check_complain(
	const struct expr_checker *c, const struct expr_node *node, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	expr_complain(c->expr, node->at, c->err, 240, fmt, args);
	va_end(args);
}

static int check_let(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct expr_known_variable variable = {.name = &node->value, .outer = c->variables};
	const struct expr_known_variable *outer = c->variables;
	bool exists;
	int rc;

	(void)expr_check_variable(c, &node->value, &exists);
	for (; outer && !exists; outer = outer->outer)
		exists = value_equal(outer->name, &node->value);
	if (exists || expr_check_is_closure(&node->value) || expr_builtin_find(&node->value) ||
		expr_function_find(c->expr, &node->value) != EXPR_NO_FUNCTION)
		return expr_check_fail(c, node, "cannot redeclare %.*s",
			(int)MIN(node->value.count, 60U), node->value.u.text);
	rc = expr_check_node(c, node->a, &variable.nature);
	if (rc < 0)
		return rc;
	c->variables = &variable;
	rc = expr_check_node(c, node->b, ret);
	c->variables = variable.outer;
	return rc;
}

static int check_conditional(
	struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature condition, then, otherwise;

	if (expr_check_node(c, node->a, &condition) < 0)
		return -EINVAL;
	if (!nature_is_any(&condition) && condition.type != VALUE_BOOL)
		return expr_check_fail(c, node->a, "non-bool expression (%s) used as condition",
			nature_name(&condition));
	if (expr_check_node(c, node->b, &then) < 0 || expr_check_node(c, node->c, &otherwise) < 0)
		return -EINVAL;
	if (then.type == VALUE_NIL)
		*ret = otherwise;
	else if (otherwise.type == VALUE_NIL)
		*ret = then;
	else if (!nature_is_assignable(&then, &otherwise))
		*ret = nature_untyped();
	else if (then.type == VALUE_ARRAY)
		*ret = nature_of_type(VALUE_ARRAY);
	else
		*ret = then;
	return 0;
}

static int check_array(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature elem = nature_untyped(), previous = nature_untyped();
	bool same = true;

	for (size_t i = 0; i < node->n; i++) {
		int rc = expr_check_node(c, node->list[i], &elem);

		if (rc < 0)
			return rc;
		same = same && (i == 0 || elem.type == previous.type);
		previous = elem;
	}
	/* expr 1.8 looks at no element. */
	if (same && c->expr->dialect != EXPR_BCS)
		return nature_array(&c->pool, &elem, ret);
	*ret = nature_of_type(VALUE_ARRAY);
	return 0;
}

int expr_check_list(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	for (size_t i = 0; i < node->n; i++) {
		int rc = expr_check_node(c, node->list[i], ret);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Recursion as deep as the tree, which is bounded. */
int expr_check_node(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	int rc;

	*ret = nature_untyped();
	switch (node->kind) {
	case EXPR_LITERAL:
		*ret = nature_of_type((enum value_type)node->value.type);
		return 0;
	case EXPR_NAME:
		return expr_check_name(c, node, ret);
	case EXPR_NOT:
	case EXPR_MINUS:
	case EXPR_PLUS:
		return expr_check_unary(c, node, ret);
	case EXPR_BINARY:
		return expr_check_binary(c, node, ret);
	case EXPR_CHAIN:
		return expr_check_node(c, node->a, ret);
	case EXPR_MEMBER:
		return expr_check_member(c, node, ret);
	case EXPR_SLICE:
		return expr_check_slice(c, node, ret);
	case EXPR_CALL:
		return expr_check_call(c, node, ret);
	case EXPR_METHOD:
		return expr_check_method(c, node, ret);
	case EXPR_BUILTIN:
		return expr_check_closures(c, node, ret);
	case EXPR_POINTER:
		return expr_check_pointer(c, node, ret);
	case EXPR_LET:
		return check_let(c, node, ret);
	case EXPR_SEQUENCE:
		return expr_check_list(c, node, ret);
	case EXPR_CONDITIONAL:
		return check_conditional(c, node, ret);
	case EXPR_ARRAY:
		return check_array(c, node, ret);
	case EXPR_MAP:
		rc = expr_check_list(c, node, ret);
		*ret = nature_of_type(VALUE_MAP);
		return rc;
	}
	return -EINVAL;
}

int expr_check(const struct expr *expr, const struct expr_env *env, enum value_type *ret_type,
	struct th_err *err)
{
	struct expr_checker c = {.expr = expr, .env = env, .pool = VALUE_POOL_INIT, .err = err};
	struct nature nature;
	int rc = expr_check_node(&c, expr->root, &nature);

	value_pool_done(&c.pool);
	if (rc == 0 && ret_type)
		*ret_type = nature.type;
	return rc;
}
