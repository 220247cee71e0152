#include "config.h"

#include "verify/expr_check_internal.h"

#include "base/macro.h"

#include <errno.h>

static int mismatch(const struct expr_checker *c, const struct expr_node *node,
	const struct nature *a, const struct nature *b)
{
	const struct nature *other = a->type == VALUE_STRING ? b : a;
	const char *hint = "";

	if ((a->type == VALUE_STRING || b->type == VALUE_STRING) &&
		nature_is_one_of(other, NATURE_NUMBERS))
		hint = "; asFloat(…) or asInt(…) makes a number of a string";
	return expr_check_fail(c, node, "'%s' cannot join %s and %s%s", expr_op_name(node->op),
		nature_name(a), nature_name(b), hint);
}

static int check_in(struct expr_checker *c, const struct expr_node *node, const struct nature *a,
	const struct nature *b)
{
	struct nature elem = nature_elem(b);

	if (b->type == VALUE_MAP) {
		if (!b->any_key && !nature_is_any(a) && a->type != VALUE_STRING &&
			c->expr->dialect != EXPR_BCS)
			return expr_check_fail(c, node, "the keys of this map are strings, not %s",
				nature_name(a));
		return 0;
	}
	if (b->type == VALUE_ARRAY) {
		if (!nature_is_comparable(a, &elem) && c->expr->dialect != EXPR_BCS)
			return expr_check_fail(c, node,
				"the elements of this array are of type %s, not %s",
				nature_name(&elem), nature_name(a));
		return 0;
	}
	if (nature_is_any(b) || (nature_is_any(a) && b->type == VALUE_STRING))
		return 0;
	if (b->type == VALUE_STRING)
		return expr_check_fail(c, node,
			"'in' looks into arrays and maps; for strings there is 'contains'");
	return mismatch(c, node, a, b);
}

static struct nature promoted(const struct nature *a, const struct nature *b)
{
	return nature_of_type(
		a->type == VALUE_INT && b->type == VALUE_INT ? VALUE_INT : VALUE_FLOAT);
}

/* + and - of numbers, strings, times and durations. */
static bool check_sum(bool plus, const struct nature *a, const struct nature *b, struct nature *ret)
{
	unsigned types = NATURE_NUMBERS | NATURE_DIMENSIONS | (plus ? NATURE_BIT(VALUE_STRING) : 0);
	bool time_a = a->type == VALUE_TIME, time_b = b->type == VALUE_TIME;
	bool duration_a = a->type == VALUE_DURATION, duration_b = b->type == VALUE_DURATION;

	*ret = nature_untyped();
	if (nature_is_one_of(a, NATURE_NUMBERS) && nature_is_one_of(b, NATURE_NUMBERS))
		*ret = promoted(a, b);
	else if (plus && a->type == VALUE_STRING && b->type == VALUE_STRING)
		*ret = nature_of_type(VALUE_STRING);
	else if (duration_a && duration_b)
		*ret = nature_of_type(VALUE_DURATION);
	else if ((time_a && duration_b) || (plus && duration_a && time_b))
		*ret = nature_of_type(VALUE_TIME);
	else if (!plus && time_a && time_b)
		*ret = nature_of_type(VALUE_DURATION);
	else
		return nature_may_be(a, b, types);
	return true;
}

/* * of numbers and durations. */
static bool check_product(const struct nature *a, const struct nature *b, struct nature *ret)
{
	unsigned types = NATURE_NUMBERS | NATURE_BIT(VALUE_DURATION);

	*ret = nature_untyped();
	if (nature_are(a, b, NATURE_NUMBERS))
		*ret = promoted(a, b);
	else if (nature_are(a, b, types))
		*ret = nature_of_type(VALUE_DURATION);
	else
		return nature_may_be(a, b, types);
	return true;
}

/* Is it of these types on both sides, as far as they are known? */
static bool fits(const struct nature *a, const struct nature *b, unsigned types)
{
	return nature_are(a, b, types) || nature_may_be(a, b, types);
}

/* == and <, and their kin: a bool. */
static bool check_comparison(enum expr_op op, const struct nature *a, const struct nature *b)
{
	unsigned ordered = NATURE_DIMENSIONS | NATURE_BIT(VALUE_STRING);

	if (op == EXPR_OP_EQUAL || op == EXPR_OP_NOT_EQUAL)
		return nature_is_comparable(a, b);
	return nature_are(a, b, NATURE_NUMBERS) ||
	       (a->type == b->type && nature_is_one_of(a, ordered)) ||
	       nature_may_be(a, b, NATURE_NUMBERS | ordered);
}

static int check_modulo(struct expr_checker *c, const struct expr_node *node,
	const struct nature *a, const struct nature *b, struct nature *ret)
{
	*ret = nature_of_type(VALUE_INT);
	if (fits(a, b, NATURE_BIT(VALUE_INT)))
		return 0;
	if ((nature_is_any(a) || nature_is_one_of(a, NATURE_NUMBERS)) &&
		(nature_is_any(b) || nature_is_one_of(b, NATURE_NUMBERS)))
		return expr_check_fail(c, node, "'%%' takes integers only: write int(…)");
	return mismatch(c, node, a, b);
}

static struct nature check_coalesce(const struct nature *a, const struct nature *b)
{
	if (a->type == VALUE_NIL)
		return *b;
	if (b->type == VALUE_NIL)
		return *a;
	return nature_is_assignable(b, a) ? *a : nature_untyped();
}

/* + - * / ** and .. */
static bool check_arithmetic(struct expr_checker *c, enum expr_op op, const struct nature *a,
	const struct nature *b, struct nature *ret)
{
	struct nature integer = nature_of_type(VALUE_INT);

	if (op == EXPR_OP_ADD || op == EXPR_OP_SUBTRACT)
		return check_sum(op == EXPR_OP_ADD, a, b, ret);
	if (op == EXPR_OP_MULTIPLY)
		return check_product(a, b, ret);
	if (op == EXPR_OP_RANGE) {
		(void)nature_array(&c->pool, &integer, ret);
		return fits(a, b, NATURE_BIT(VALUE_INT));
	}
	*ret = nature_of_type(VALUE_FLOAT);
	if (op == EXPR_OP_DIVIDE && c->expr->dialect == EXPR_BCS)
		*ret = nature_is_any(a) || nature_is_any(b) ? nature_untyped() : promoted(a, b);
	return fits(a, b, NATURE_NUMBERS);
}

int expr_check_binary(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature a, b;
	bool good = false;

	if (expr_check_node(c, node->a, &a) < 0 || expr_check_node(c, node->b, &b) < 0)
		return -EINVAL;
	*ret = nature_of_type(VALUE_BOOL);
	switch (node->op) {
	case EXPR_OP_EQUAL:
	case EXPR_OP_NOT_EQUAL:
	case EXPR_OP_LESS:
	case EXPR_OP_GREATER:
	case EXPR_OP_LESS_EQUAL:
	case EXPR_OP_GREATER_EQUAL:
		good = check_comparison(node->op, &a, &b);
		break;
	case EXPR_OP_OR:
	case EXPR_OP_AND:
		good = fits(&a, &b, NATURE_BIT(VALUE_BOOL));
		break;
	case EXPR_OP_MATCHES:
	case EXPR_OP_CONTAINS:
	case EXPR_OP_STARTS_WITH:
	case EXPR_OP_ENDS_WITH:
		good = fits(&a, &b, NATURE_BIT(VALUE_STRING));
		break;
	case EXPR_OP_IN:
		return check_in(c, node, &a, &b);
	case EXPR_OP_RANGE:
	case EXPR_OP_ADD:
	case EXPR_OP_SUBTRACT:
	case EXPR_OP_MULTIPLY:
	case EXPR_OP_DIVIDE:
	case EXPR_OP_POWER:
		good = check_arithmetic(c, node->op, &a, &b, ret);
		break;
	case EXPR_OP_MODULO:
		return check_modulo(c, node, &a, &b, ret);
	case EXPR_OP_COALESCE:
		*ret = check_coalesce(&a, &b);
		return 0;
	case EXPR_OP_NONE:
		break;
	}
	return good ? 0 : mismatch(c, node, &a, &b);
}

int expr_check_unary(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature n;
	int rc = expr_check_node(c, node->a, &n);

	if (rc < 0)
		return rc;
	if (node->kind == EXPR_NOT) {
		*ret = nature_of_type(VALUE_BOOL);
		if (nature_is_any(&n) || n.type == VALUE_BOOL)
			return 0;
		return expr_check_fail(c, node, "'not' cannot apply to %s", nature_name(&n));
	}
	*ret = nature_is_any(&n) ? nature_untyped() : n;
	if (nature_is_any(&n) || nature_is_one_of(&n, NATURE_NUMBERS))
		return 0;
	return expr_check_fail(c, node, "'%c' cannot apply to %s",
		node->kind == EXPR_MINUS ? '-' : '+', nature_name(&n));
}
