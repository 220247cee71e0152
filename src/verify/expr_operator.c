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

static int not_defined(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *a, const struct value *b)
{
	return expr_eval_fail(e, node, "'%s' cannot join %s and %s", expr_op_name(node->op),
		value_type_of(a), value_type_of(b));
}

static int eval_logic(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	bool is_or = node->op == EXPR_OP_OR, left;
	int rc;

	if (node->truth >= 0) {
		*ret = value_bool(node->truth);
		return 0;
	}
	/* A side that is a literal and decides nothing is left out, as upstream. */
	if (node->a->truth >= 0)
		return expr_eval_node(e, node->b, ret);
	if (node->b->truth >= 0)
		return expr_eval_node(e, node->a, ret);
	rc = expr_eval_truth(e, node->a, &left);
	if (rc != 0 || left != is_or)
		return rc != 0 ? rc : expr_eval_node(e, node->b, ret);
	*ret = value_bool(left);
	return 0;
}

/* Comparing takes as many steps as there are elements. */
static int equal(struct expr_evaluation *e, const struct expr_node *node, const struct value *a,
	const struct value *b, bool *ret)
{
	int rc = 0;

	if (a->type == b->type && (a->type == VALUE_ARRAY || a->type == VALUE_MAP))
		rc = expr_count_steps(&e->run, node, (uint64_t)MIN(a->count, b->count) * 4 + 1);
	else if (a->type == VALUE_STRING && b->type == VALUE_STRING)
		rc = expr_count_steps(&e->run, node, MIN(a->count, b->count) / 64);
	*ret = rc == 0 && value_equal(a, b);
	return rc;
}

static int eval_comparison(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *a, const struct value *b, struct value *ret)
{
	bool first = false, second = false;
	int rc;

	if (!(value_is_number(a) && value_is_number(b)) &&
		!(a->type == b->type && (a->type == VALUE_STRING || a->type == VALUE_TIME ||
						a->type == VALUE_DURATION)))
		return not_defined(e, node, a, b);
	/* Both ways round, as NaN is neither less nor more nor equal. */
	rc = expr_less(&e->run, node, a, b, &first);
	if (rc == 0)
		rc = expr_less(&e->run, node, b, a, &second);
	if (rc < 0)
		return rc;
	if (node->op == EXPR_OP_LESS)
		*ret = value_bool(first);
	else if (node->op == EXPR_OP_GREATER)
		*ret = value_bool(second);
	else if (node->op == EXPR_OP_LESS_EQUAL)
		*ret = value_bool(first || value_equal(a, b));
	else
		*ret = value_bool(second || value_equal(a, b));
	return 0;
}

int expr_eval_sum(struct expr_evaluation *e, const struct expr_node *node, bool plus,
	const struct value *a, const struct value *b, struct value *ret)
{
	uint64_t x = (uint64_t)a->u.integer, y = (uint64_t)b->u.integer;
	bool dimension_a = a->type == VALUE_TIME || a->type == VALUE_DURATION;
	bool dimension_b = b->type == VALUE_TIME || b->type == VALUE_DURATION;
	int64_t difference;

	if (a->type == VALUE_INT && b->type == VALUE_INT) {
		*ret = value_int((int64_t)(plus ? x + y : x - y));
	} else if (value_is_number(a) && value_is_number(b)) {
		*ret = value_float(plus ? value_number(a) + value_number(b)
					: value_number(a) - value_number(b));
	} else if (plus && a->type == VALUE_STRING && b->type == VALUE_STRING) {
		char *text = value_pool_alloc(e->run.pool, (size_t)a->count + b->count, 1);

		if (!text || (size_t)a->count + b->count > VALUE_COUNT_MAX)
			return expr_made(&e->run, node, -E2BIG);
		if (a->count > 0)
			memcpy(text, a->u.text, a->count);
		if (b->count > 0)
			memcpy(text + a->count, b->u.text, b->count);
		*ret = value_string_of(text, (size_t)a->count + b->count);
		return expr_count_steps(&e->run, node, ret->count / 64);
	} else if (dimension_a && dimension_b &&
		   !(plus && a->type == VALUE_TIME && b->type == VALUE_TIME) &&
		   !(!plus && a->type == VALUE_DURATION && b->type == VALUE_TIME)) {
		*ret = value_duration((int64_t)(plus ? x + y : x - y));
		if (a->type != b->type) {
			ret->type = VALUE_TIME;
			if (plus ? __builtin_add_overflow(
					   a->u.integer, b->u.integer, &ret->u.integer)
				 : __builtin_sub_overflow(
					   a->u.integer, b->u.integer, &ret->u.integer))
				return expr_eval_fail(
					e, node, "the time is not between 1678 and 2262");
		} else if (a->type == VALUE_TIME &&
			   __builtin_sub_overflow(a->u.integer, b->u.integer, &difference)) {
			ret->u.integer = a->u.integer < b->u.integer ? INT64_MIN : INT64_MAX;
		}
	} else {
		return not_defined(e, node, a, b);
	}
	return 0;
}

static int eval_product(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *a, const struct value *b, struct value *ret)
{
	bool durations = a->type == VALUE_DURATION || b->type == VALUE_DURATION;

	if ((!value_is_number(a) && a->type != VALUE_DURATION) ||
		(!value_is_number(b) && b->type != VALUE_DURATION))
		return not_defined(e, node, a, b);
	if (a->type != VALUE_FLOAT && b->type != VALUE_FLOAT)
		*ret = value_int((int64_t)((uint64_t)a->u.integer * (uint64_t)b->u.integer));
	else
		*ret = value_float((a->type == VALUE_FLOAT ? a->u.number : (double)a->u.integer) *
				   (b->type == VALUE_FLOAT ? b->u.number : (double)b->u.integer));
	if (durations && ret->type == VALUE_INT)
		ret->type = VALUE_DURATION;
	return 0;
}

static int eval_quotient(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *a, const struct value *b, struct value *ret)
{
	bool integers = a->type == VALUE_INT && b->type == VALUE_INT;
	bool modulo = node->op == EXPR_OP_MODULO;

	if (!value_is_number(a) || !value_is_number(b) || (modulo && !integers))
		return not_defined(e, node, a, b);
	if (!modulo && (e->run.expr->dialect != EXPR_BCS || !integers)) {
		*ret = value_float(value_number(a) / value_number(b));
		return 0;
	}
	if (b->u.integer == 0)
		return expr_eval_fail(e, node, "integer divide by zero");
	/* INT64_MIN / -1 overflows, in Go to itself. */
	if (b->u.integer == -1)
		*ret = value_int(modulo ? 0 : (int64_t)(0 - (uint64_t)a->u.integer));
	else
		*ret = value_int(
			modulo ? a->u.integer % b->u.integer : a->u.integer / b->u.integer);
	return 0;
}

static int eval_range(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *a, const struct value *b, struct value *ret)
{
	_cleanup_free_ struct value *items = NULL;
	int64_t from, size;
	int rc;

	if (!value_is_number(a) || !value_is_number(b))
		return not_defined(e, node, a, b);
	from = a->type == VALUE_INT ? a->u.integer : value_float_to_int(a->u.number);
	size = b->type == VALUE_INT ? b->u.integer : value_float_to_int(b->u.number);
	/* As Go, which wraps around. */
	size = (int64_t)((uint64_t)size - (uint64_t)from + 1);
	if (size < 0 && e->run.expr->dialect == EXPR_BCS)
		return expr_eval_fail(e, node, "a range cannot go down in the dialect bcs");
	if (size < 0)
		size = 0;
	if (size >= EXPR_ELEMENTS_MAX)
		return expr_count_elements(&e->run, node, EXPR_ELEMENTS_MAX);
	items = xcalloc((size_t)size + 1, sizeof(*items));
	for (int64_t i = 0; i < size; i++)
		items[i] = value_int((int64_t)((uint64_t)from + (uint64_t)i));
	rc = expr_eval_make_array(e, node, items, (size_t)size, VALUE_INT, ret);
	return rc;
}

static int eval_text_op(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *a, const struct value *b, struct value *ret)
{
	bool found = false;

	*ret = value_bool(false);
	if (value_is_nil(a) || value_is_nil(b))
		return 0;
	if (a->type != VALUE_STRING || b->type != VALUE_STRING)
		return not_defined(e, node, a, b);
	if (node->op == EXPR_OP_MATCHES) {
		_cleanup_regex_ struct regex *own = NULL;
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		int rc = 0;

		if (!node->regex)
			rc = regex_compile(b->u.text, b->count, &own, &err);
		if (rc < 0)
			return expr_eval_fail(e, node, "%s", err_text(&err));
		/* A pattern made anew each time costs more than what it then looks at. */
		if (own && expr_count_steps(&e->run, node, 1000) < 0)
			return -E2BIG;
		rc = regex_match(
			node->regex ? node->regex : own, a->u.text, a->count, &e->run.steps);
		if (rc < 0)
			return expr_count_steps(&e->run, node, 1);
		*ret = value_bool(rc > 0);
		return 0;
	}
	if (b->count > a->count)
		return 0;
	if (node->op == EXPR_OP_CONTAINS)
		found = memmem(a->u.text, a->count, b->u.text, b->count) != NULL;
	else if (node->op == EXPR_OP_STARTS_WITH)
		found = b->count == 0 || memcmp(a->u.text, b->u.text, b->count) == 0;
	else
		found = b->count == 0 ||
			memcmp(a->u.text + a->count - b->count, b->u.text, b->count) == 0;
	*ret = value_bool(found);
	return expr_count_steps(&e->run, node, a->count / 64);
}

static bool all_strings(const struct expr_node *array)
{
	for (size_t i = 0; i < array->n; i++)
		if (array->list[i]->kind != EXPR_LITERAL ||
			array->list[i]->value.type != VALUE_STRING)
			return false;
	return array->kind == EXPR_ARRAY && array->n > 0;
}

static int eval_in(struct expr_evaluation *e, const struct expr_node *node, const struct value *a,
	const struct value *b, struct value *ret)
{
	struct value key = *a;
	bool found = false;

	*ret = value_bool(false);
	if (b->type == VALUE_NIL)
		return 0;
	if (b->type == VALUE_MAP || all_strings(node->b)) {
		bool strings = b->type != VALUE_MAP || !b->u.map->any_key;

		/* Upstream makes a map of literals that are all strings; nil is the key "" there.
		 */
		if (strings && key.type == VALUE_NIL)
			key = value_string_of("", 0);
		if (strings && key.type != VALUE_STRING)
			return expr_eval_fail(
				e, node, "%s cannot be looked for among strings", value_type_of(a));
		if (b->type == VALUE_MAP) {
			*ret = value_bool(value_map_get(b, &key) != NULL);
			return 0;
		}
	}
	if (b->type != VALUE_ARRAY)
		return expr_eval_fail(
			e, node, "'in' looks into arrays and maps, not into %s", value_type_of(b));
	for (size_t i = 0; i < b->count && !found; i++) {
		int rc = equal(e, node, &b->u.items[i], &key, &found);

		if (rc == 0)
			rc = expr_count_steps(&e->run, node, 1);
		if (rc < 0)
			return rc;
	}
	*ret = value_bool(found);
	return 0;
}

/* x in a..b without making the array. */
static int eval_in_range(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	struct value a, from, to;
	double x;
	int rc = expr_eval_node(e, node->a, &a);

	if (rc == 0)
		rc = expr_eval_node(e, node->b->a, &from);
	if (rc == 0)
		rc = expr_eval_node(e, node->b->b, &to);
	if (rc != 0)
		return rc;
	if (from.type != VALUE_INT || to.type != VALUE_INT) {
		struct value range = value_nil();

		rc = eval_range(e, node->b, &from, &to, &range);
		return rc != 0 ? rc : eval_in(e, node, &a, &range, ret);
	}
	*ret = value_bool(false);
	if (a.type == VALUE_INT) {
		*ret = value_bool(a.u.integer >= from.u.integer && a.u.integer <= to.u.integer);
	} else if (a.type == VALUE_FLOAT) {
		x = a.u.number;
		*ret = value_bool(
			x == floor(x) && x >= (double)from.u.integer && x <= (double)to.u.integer);
	}
	return 0;
}

int expr_eval_binary(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	struct value a = value_nil(), b = value_nil();
	bool same = false;
	int rc;

	if (node->op == EXPR_OP_OR || node->op == EXPR_OP_AND)
		return eval_logic(e, node, ret);
	if (node->op == EXPR_OP_IN && node->b->kind == EXPR_BINARY && node->b->op == EXPR_OP_RANGE)
		return eval_in_range(e, node, ret);
	rc = expr_eval_node(e, node->a, &a);
	if (rc == 0 && node->op == EXPR_OP_COALESCE && !value_is_nil(&a)) {
		*ret = a;
		return 0;
	}
	if (rc == 0)
		rc = expr_eval_node(e, node->b, &b);
	if (rc != 0)
		return rc;
	switch (node->op) {
	case EXPR_OP_EQUAL:
	case EXPR_OP_NOT_EQUAL:
		rc = equal(e, node, &a, &b, &same);
		*ret = value_bool(same == (node->op == EXPR_OP_EQUAL));
		return rc;
	case EXPR_OP_LESS:
	case EXPR_OP_GREATER:
	case EXPR_OP_LESS_EQUAL:
	case EXPR_OP_GREATER_EQUAL:
		return eval_comparison(e, node, &a, &b, ret);
	case EXPR_OP_IN:
		return eval_in(e, node, &a, &b, ret);
	case EXPR_OP_MATCHES:
	case EXPR_OP_CONTAINS:
	case EXPR_OP_STARTS_WITH:
	case EXPR_OP_ENDS_WITH:
		return eval_text_op(e, node, &a, &b, ret);
	case EXPR_OP_RANGE:
		return eval_range(e, node, &a, &b, ret);
	case EXPR_OP_ADD:
	case EXPR_OP_SUBTRACT:
		return expr_eval_sum(e, node, node->op == EXPR_OP_ADD, &a, &b, ret);
	case EXPR_OP_MULTIPLY:
		return eval_product(e, node, &a, &b, ret);
	case EXPR_OP_DIVIDE:
	case EXPR_OP_MODULO:
		return eval_quotient(e, node, &a, &b, ret);
	case EXPR_OP_POWER:
		if (!value_is_number(&a) || !value_is_number(&b))
			return not_defined(e, node, &a, &b);
		*ret = value_float(pow(value_number(&a), value_number(&b)));
		return 0;
	case EXPR_OP_COALESCE:
		*ret = b;
		return 0;
	case EXPR_OP_OR:
	case EXPR_OP_AND:
	case EXPR_OP_NONE:
		break;
	}
	return -EINVAL;
}

int expr_eval_unary(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	int rc = expr_eval_node(e, node->a, ret);

	if (rc != 0)
		return rc;
	if (node->kind == EXPR_NOT) {
		if (ret->type != VALUE_BOOL)
			return expr_eval_fail(
				e, node, "'not' cannot apply to %s", value_type_of(ret));
		ret->u.boolean = !ret->u.boolean;
		return 0;
	}
	if (node->kind == EXPR_PLUS)
		return 0;
	if (!value_is_number(ret))
		return expr_eval_fail(e, node, "'-' cannot apply to %s", value_type_of(ret));
	if (ret->type == VALUE_INT)
		ret->u.integer = (int64_t)(0 - (uint64_t)ret->u.integer);
	else
		ret->u.number = -ret->u.number;
	return 0;
}
