#include "config.h"

#include "verify/expr_eval.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_builtin.h"
#include "verify/expr_check.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ARGS_MAX      256 /* of one call */
#define CHAIN_IS_NIL  1	  /* a ?. met nil: what is around it up to the EXPR_CHAIN is nil */
#define REASON_VALUES 64  /* bytes of a value in a reason */

struct variable {
	const struct value *name;
	struct value value;
	const struct variable *outer;
};

struct closure {
	struct value collection;
	size_t index;
	struct value acc;
	const struct closure *outer;
};

struct eval {
	struct expr_run run;
	const struct variable *variables;
	const struct closure *closure;
};

static int eval(struct eval *e, const struct expr_node *node, struct value *ret);

/* A macro, so that the result is seen to be negative. */
#define fail(...) (complain(__VA_ARGS__), -EINVAL)

PRINTF_ATTR(3, 4)
static void complain(struct eval *e, const struct expr_node *node, const char *fmt, ...)
{
	_cleanup_free_ char *why = NULL, *shown = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	shown = str_escape(why ? why : "wrong", 200);
	expr_error_set(e->run.expr, node->at, EINVAL, e->run.err, "%s", shown);
}

static const char *type_name(const struct value *v)
{
	return value_type_name((enum value_type)v->type);
}

static bool is_number(const struct value *v)
{
	return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

static double number_of(const struct value *v)
{
	return v->type == VALUE_INT ? (double)v->u.integer : v->u.number;
}

static bool is_named(const struct value *name, const char *text)
{
	return name->count == strlen(text) && memcmp(name->u.text, text, name->count) == 0;
}

static int make_array(struct eval *e, const struct expr_node *node, const struct value *items,
	size_t n, enum value_type elem, struct value *ret)
{
	int rc = expr_count_elements(&e->run, node, n);

	return rc < 0 ? rc
		      : expr_made(
				&e->run, node, value_make_array(e->run.pool, items, n, elem, ret));
}

/* ---- operators --------------------------------------------------------------------------- */

static int not_defined(
	struct eval *e, const struct expr_node *node, const struct value *a, const struct value *b)
{
	return fail(e, node, "'%s' cannot join %s and %s", expr_op_name(node->op), type_name(a),
		type_name(b));
}

static int eval_bool(struct eval *e, const struct expr_node *node, bool *ret)
{
	struct value v;
	int rc = eval(e, node, &v);

	if (rc != 0)
		return rc;
	if (v.type != VALUE_BOOL)
		return fail(e, node, "true or false is needed here, not %s", type_name(&v));
	*ret = v.u.boolean;
	return 0;
}

static int eval_logic(struct eval *e, const struct expr_node *node, struct value *ret)
{
	bool is_or = node->op == EXPR_OP_OR, left;
	int rc;

	if (node->truth >= 0) {
		*ret = value_bool(node->truth);
		return 0;
	}
	/* A side that is a literal and decides nothing is left out, as upstream. */
	if (node->a->truth >= 0)
		return eval(e, node->b, ret);
	if (node->b->truth >= 0)
		return eval(e, node->a, ret);
	rc = eval_bool(e, node->a, &left);
	if (rc != 0 || left != is_or)
		return rc != 0 ? rc : eval(e, node->b, ret);
	*ret = value_bool(left);
	return 0;
}

/* Comparing takes as many steps as there are elements. */
static int equal(struct eval *e, const struct expr_node *node, const struct value *a,
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

static int eval_comparison(struct eval *e, const struct expr_node *node, const struct value *a,
	const struct value *b, struct value *ret)
{
	bool first = false, second = false;
	int rc;

	if (!(is_number(a) && is_number(b)) &&
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

static int eval_sum(struct eval *e, const struct expr_node *node, bool plus, const struct value *a,
	const struct value *b, struct value *ret)
{
	uint64_t x = (uint64_t)a->u.integer, y = (uint64_t)b->u.integer;
	bool dimension_a = a->type == VALUE_TIME || a->type == VALUE_DURATION;
	bool dimension_b = b->type == VALUE_TIME || b->type == VALUE_DURATION;
	int64_t difference;

	if (a->type == VALUE_INT && b->type == VALUE_INT) {
		*ret = value_int((int64_t)(plus ? x + y : x - y));
	} else if (is_number(a) && is_number(b)) {
		*ret = value_float(
			plus ? number_of(a) + number_of(b) : number_of(a) - number_of(b));
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
				return fail(e, node, "the time is not between 1678 and 2262");
		} else if (a->type == VALUE_TIME &&
			   __builtin_sub_overflow(a->u.integer, b->u.integer, &difference)) {
			ret->u.integer = a->u.integer < b->u.integer ? INT64_MIN : INT64_MAX;
		}
	} else {
		return not_defined(e, node, a, b);
	}
	return 0;
}

static int eval_product(struct eval *e, const struct expr_node *node, const struct value *a,
	const struct value *b, struct value *ret)
{
	bool durations = a->type == VALUE_DURATION || b->type == VALUE_DURATION;

	if ((!is_number(a) && a->type != VALUE_DURATION) ||
		(!is_number(b) && b->type != VALUE_DURATION))
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

static int eval_quotient(struct eval *e, const struct expr_node *node, const struct value *a,
	const struct value *b, struct value *ret)
{
	bool integers = a->type == VALUE_INT && b->type == VALUE_INT;
	bool modulo = node->op == EXPR_OP_MODULO;

	if (!is_number(a) || !is_number(b) || (modulo && !integers))
		return not_defined(e, node, a, b);
	if (!modulo && (e->run.expr->dialect != EXPR_BCS || !integers)) {
		*ret = value_float(number_of(a) / number_of(b));
		return 0;
	}
	if (b->u.integer == 0)
		return fail(e, node, "integer divide by zero");
	/* INT64_MIN / -1 overflows, in Go to itself. */
	if (b->u.integer == -1)
		*ret = value_int(modulo ? 0 : (int64_t)(0 - (uint64_t)a->u.integer));
	else
		*ret = value_int(
			modulo ? a->u.integer % b->u.integer : a->u.integer / b->u.integer);
	return 0;
}

static int eval_range(struct eval *e, const struct expr_node *node, const struct value *a,
	const struct value *b, struct value *ret)
{
	_cleanup_free_ struct value *items = NULL;
	int64_t from, size;
	int rc;

	if (!is_number(a) || !is_number(b))
		return not_defined(e, node, a, b);
	from = a->type == VALUE_INT ? a->u.integer : value_float_to_int(a->u.number);
	size = b->type == VALUE_INT ? b->u.integer : value_float_to_int(b->u.number);
	/* As Go, which wraps around. */
	size = (int64_t)((uint64_t)size - (uint64_t)from + 1);
	if (size < 0 && e->run.expr->dialect == EXPR_BCS)
		return fail(e, node, "a range cannot go down in the dialect bcs");
	if (size < 0)
		size = 0;
	if (size >= EXPR_ELEMENTS_MAX)
		return expr_count_elements(&e->run, node, EXPR_ELEMENTS_MAX);
	items = xcalloc((size_t)size + 1, sizeof(*items));
	for (int64_t i = 0; i < size; i++)
		items[i] = value_int((int64_t)((uint64_t)from + (uint64_t)i));
	rc = make_array(e, node, items, (size_t)size, VALUE_INT, ret);
	return rc;
}

static int eval_text_op(struct eval *e, const struct expr_node *node, const struct value *a,
	const struct value *b, struct value *ret)
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
			return fail(e, node, "%s", err_text(&err));
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

static int eval_in(struct eval *e, const struct expr_node *node, const struct value *a,
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
			return fail(e, node, "%s cannot be looked for among strings", type_name(a));
		if (b->type == VALUE_MAP) {
			*ret = value_bool(value_map_get(b, &key) != NULL);
			return 0;
		}
	}
	if (b->type != VALUE_ARRAY)
		return fail(e, node, "'in' looks into arrays and maps, not into %s", type_name(b));
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
static int eval_in_range(struct eval *e, const struct expr_node *node, struct value *ret)
{
	struct value a, from, to;
	double x;
	int rc = eval(e, node->a, &a);

	if (rc == 0)
		rc = eval(e, node->b->a, &from);
	if (rc == 0)
		rc = eval(e, node->b->b, &to);
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

static int eval_binary(struct eval *e, const struct expr_node *node, struct value *ret)
{
	struct value a = value_nil(), b = value_nil();
	bool same = false;
	int rc;

	if (node->op == EXPR_OP_OR || node->op == EXPR_OP_AND)
		return eval_logic(e, node, ret);
	if (node->op == EXPR_OP_IN && node->b->kind == EXPR_BINARY && node->b->op == EXPR_OP_RANGE)
		return eval_in_range(e, node, ret);
	rc = eval(e, node->a, &a);
	if (rc == 0 && node->op == EXPR_OP_COALESCE && !value_is_nil(&a)) {
		*ret = a;
		return 0;
	}
	if (rc == 0)
		rc = eval(e, node->b, &b);
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
		return eval_sum(e, node, node->op == EXPR_OP_ADD, &a, &b, ret);
	case EXPR_OP_MULTIPLY:
		return eval_product(e, node, &a, &b, ret);
	case EXPR_OP_DIVIDE:
	case EXPR_OP_MODULO:
		return eval_quotient(e, node, &a, &b, ret);
	case EXPR_OP_POWER:
		if (!is_number(&a) || !is_number(&b))
			return not_defined(e, node, &a, &b);
		*ret = value_float(pow(number_of(&a), number_of(&b)));
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

static int eval_unary(struct eval *e, const struct expr_node *node, struct value *ret)
{
	int rc = eval(e, node->a, ret);

	if (rc != 0)
		return rc;
	if (node->kind == EXPR_NOT) {
		if (ret->type != VALUE_BOOL)
			return fail(e, node, "'not' cannot apply to %s", type_name(ret));
		ret->u.boolean = !ret->u.boolean;
		return 0;
	}
	if (node->kind == EXPR_PLUS)
		return 0;
	if (!is_number(ret))
		return fail(e, node, "'-' cannot apply to %s", type_name(ret));
	if (ret->type == VALUE_INT)
		ret->u.integer = (int64_t)(0 - (uint64_t)ret->u.integer);
	else
		ret->u.number = -ret->u.number;
	return 0;
}

/* ---- names, members, calls --------------------------------------------------------------- */

static int eval_name(struct eval *e, const struct expr_node *node, struct value *ret)
{
	const struct expr_env *env = e->run.env;
	const struct value *v = NULL;

	for (const struct variable *var = e->variables; var && !v; var = var->outer)
		if (value_equal(var->name, &node->value))
			v = &var->value;
	if (!v && is_named(&node->value, "result"))
		v = env->result;
	else if (!v && is_named(&node->value, "response"))
		v = env->response;
	else if (!v && is_named(&node->value, "args"))
		v = env->args;
	*ret = v ? *v : value_nil();
	return 0;
}

static int fetch(struct eval *e, const struct expr_node *node, const struct value *base,
	const struct value *key, struct value *ret)
{
	const struct value *found;
	int64_t index;

	if (base->type == VALUE_MAP) {
		struct value k = *key;

		if (!base->u.map->any_key && k.type == VALUE_NIL)
			k = value_string_of("", 0);
		if (!base->u.map->any_key && k.type != VALUE_STRING)
			return fail(
				e, node, "the keys of a map are strings, not %s", type_name(key));
		found = value_map_get(base, &k);
		*ret = found ? *found : base->u.map->grouped ? value_nil_array() : value_nil();
		return 0;
	}
	if ((base->type != VALUE_ARRAY && base->type != VALUE_STRING) || !is_number(key)) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		value_to_text(key, &b, 60);
		return fail(e, node, "cannot fetch %s from %s", strbuf_str(&b), type_name(base));
	}
	index = key->type == VALUE_INT ? key->u.integer : value_float_to_int(key->u.number);
	if (index < 0 && e->run.expr->dialect != EXPR_BCS)
		index += base->count;
	if (index < 0 || index >= base->count)
		return fail(e, node, "index out of range: %lld (array length is %u)",
			(long long)index, base->count);
	*ret = base->type == VALUE_ARRAY ? base->u.items[index]
					 : value_int((unsigned char)base->u.text[index]);
	return 0;
}

static int eval_member(struct eval *e, const struct expr_node *node, struct value *ret)
{
	struct value base, key;
	int rc = eval(e, node->a, &base);

	if (rc != 0)
		return rc;
	if (node->optional && value_is_nil(&base))
		return CHAIN_IS_NIL;
	rc = eval(e, node->b, &key);
	return rc != 0 ? rc : fetch(e, node, &base, &key, ret);
}

/* One end of a slice of `count`; where there is none `otherwise`. */
static int eval_end(struct eval *e, const struct expr_node *node, int64_t count, int64_t otherwise,
	int64_t *ret)
{
	struct value v;
	int rc;

	*ret = otherwise;
	if (!node)
		return 0;
	rc = eval(e, node, &v);
	if (rc != 0)
		return rc;
	if (!is_number(&v))
		return fail(e, node, "an index must be a number, not %s", type_name(&v));
	*ret = v.type == VALUE_INT ? v.u.integer : value_float_to_int(v.u.number);
	if (*ret < 0) {
		if (e->run.expr->dialect == EXPR_BCS)
			return fail(e, node, "an index cannot be negative in the dialect bcs");
		*ret = MAX(*ret + count, (int64_t)0);
	}
	return 0;
}

static int eval_slice(struct eval *e, const struct expr_node *node, struct value *ret)
{
	struct value base;
	int64_t from, to;
	int rc = eval(e, node->a, &base);

	if (rc != 0)
		return rc;
	if (base.type != VALUE_ARRAY && base.type != VALUE_STRING)
		return fail(e, node, "cannot slice %s", type_name(&base));
	rc = eval_end(e, node->c, base.count, base.count, &to);
	if (rc == 0)
		rc = eval_end(e, node->b, base.count, 0, &from);
	if (rc != 0)
		return rc;
	to = MIN(to, (int64_t)base.count);
	from = MIN(from, to);
	*ret = base;
	ret->count = (uint32_t)(to - from);
	if (base.type == VALUE_ARRAY)
		ret->u.items = base.u.items + from;
	else
		ret->u.text = base.u.text + from;
	return 0;
}

/* Whether expr-lang would have made a float of a literal in the argument of isNaN() and isInf(). */
static bool has_integer_literal(const struct expr_node *node)
{
	if (node->kind == EXPR_LITERAL)
		return node->value.type == VALUE_INT;
	if (node->kind == EXPR_MINUS || node->kind == EXPR_PLUS)
		return has_integer_literal(node->a);
	return node->kind == EXPR_BINARY &&
	       (node->op == EXPR_OP_ADD || node->op == EXPR_OP_SUBTRACT ||
		       node->op == EXPR_OP_MULTIPLY) &&
	       (has_integer_literal(node->a) || has_integer_literal(node->b));
}

static int eval_function(struct eval *e, const struct expr_node *node, enum expr_function function,
	const struct value *args, struct value *ret)
{
	const struct value *v = &args[0];
	const struct value *result = e->run.env->result;
	bool is_nil = !result || result->type == VALUE_NIL;
	int64_t integer;
	double number;
	int rc = 0;

	switch (function) {
	case EXPR_AS_INT:
		if (is_number(v))
			integer = v->type == VALUE_INT ? v->u.integer
						       : value_float_to_int(v->u.number);
		else if (v->type == VALUE_STRING)
			rc = value_parse_int(v->u.text, v->count, &integer);
		else
			return fail(e, node, "asInt() not supported on %s", type_name(v));
		if (rc < 0)
			return fail(e, node, "asInt(): '%.*s' is %s", (int)MIN(v->count, 60U),
				v->u.text, rc == -ERANGE ? "out of range" : "no integer");
		*ret = value_int(integer);
		return 0;
	case EXPR_AS_FLOAT:
		if (is_number(v))
			number = number_of(v);
		else if (v->type == VALUE_STRING)
			rc = value_parse_float(v->u.text, v->count, &number);
		else
			return fail(e, node, "asFloat() not supported on %s", type_name(v));
		if (rc < 0)
			return fail(e, node, "asFloat(): '%.*s' is %s", (int)MIN(v->count, 60U),
				v->u.text, rc == -ERANGE ? "out of range" : "no number");
		*ret = value_float(number);
		return 0;
	case EXPR_IS_NAN:
	case EXPR_IS_INF:
		if (v->type != VALUE_FLOAT &&
			!(v->type == VALUE_INT && has_integer_literal(node->list[0])))
			return fail(e, node, "%.*s() takes a float, not %s: write float(…)",
				(int)node->value.count, node->value.u.text, type_name(v));
		*ret = value_bool(v->type == VALUE_FLOAT &&
				  (function == EXPR_IS_NAN ? isnan(v->u.number) != 0
							   : isinf(v->u.number) != 0));
		return 0;
	case EXPR_IS_NIL:
		*ret = value_bool(is_nil);
		return 0;
	case EXPR_DEFAULT:
		*ret = is_nil ? args[1] : *result;
		return 0;
	case EXPR_NO_FUNCTION:
		break;
	}
	return -EINVAL;
}

static int eval_call(struct eval *e, const struct expr_node *node, struct value *ret)
{
	enum expr_function function = expr_function_find(e->run.expr, &node->value);
	const struct expr_builtin *builtin = expr_builtin_find(&node->value);
	_cleanup_free_ struct value *args = xcalloc(node->n + 1, sizeof(*args));
	struct expr_call call = {.run = &e->run, .node = node, .args = args, .n = node->n};

	for (size_t i = 0; i < node->n; i++) {
		int rc = eval(e, node->list[i], &args[i]);

		if (rc != 0)
			return rc;
	}
	if (function != EXPR_NO_FUNCTION)
		return eval_function(e, node, function, args, ret);
	return builtin ? builtin->run(&call, ret) : fail(e, node, "unknown function");
}

/* A few methods of Go's time.Time and time.Duration. */
static int eval_method(struct eval *e, const struct expr_node *node, struct value *ret)
{
	static const struct {
		const char *name;
		double nsec;
	} floats[] = {{"Hours", 3600e9}, {"Minutes", 60e9}, {"Seconds", 1e9}};
	static const struct {
		const char *name;
		int64_t nsec;
	} integers[] = {{"Milliseconds", 1000000}, {"Microseconds", 1000}, {"Nanoseconds", 1}};
	struct value base;
	int64_t seconds;
	time_t at;
	struct tm tm;
	int rc = eval(e, node->a, &base);

	if (rc != 0)
		return rc;
	if (node->optional && value_is_nil(&base))
		return CHAIN_IS_NIL;
	for (size_t i = 0; i < ARRAY_SIZE(floats) && base.type == VALUE_DURATION; i++)
		if (is_named(&node->value, floats[i].name)) {
			*ret = value_float((double)base.u.integer / floats[i].nsec);
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(integers) && base.type == VALUE_DURATION; i++)
		if (is_named(&node->value, integers[i].name)) {
			*ret = value_int(base.u.integer / integers[i].nsec);
			return 0;
		}
	if (base.type == VALUE_TIME && node->n == 0) {
		seconds = base.u.integer / 1000000000 - (base.u.integer % 1000000000 < 0);
		at = (time_t)seconds;
		gmtime_r(&at, &tm);
		{
			const struct {
				const char *name;
				int64_t value;
			} parts[] = {{"Unix", seconds}, {"UnixMilli", base.u.integer / 1000000},
				{"UnixNano", base.u.integer}, {"Year", tm.tm_year + 1900},
				{"Month", tm.tm_mon + 1}, {"Day", tm.tm_mday}, {"Hour", tm.tm_hour},
				{"Minute", tm.tm_min}, {"Second", tm.tm_sec},
				{"Weekday", tm.tm_wday}, {"YearDay", tm.tm_yday + 1}};

			for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
				if (is_named(&node->value, parts[i].name)) {
					*ret = value_int(parts[i].value);
					return 0;
				}
		}
	}
	return fail(e, node, "%s has no method %.*s()", type_name(&base),
		(int)MIN(node->value.count, 60U), node->value.u.text);
}

/* ---- closures ---------------------------------------------------------------------------- */

static int eval_pointer(struct eval *e, const struct expr_node *node, struct value *ret)
{
	const struct closure *closure = e->closure;

	if (!closure)
		return fail(e, node, "# has a meaning in a closure only");
	if (node->value.count == 0)
		*ret = closure->collection.u.items[closure->index];
	else if (is_named(&node->value, "index"))
		*ret = value_int((int64_t)closure->index);
	else
		*ret = closure->acc;
	return 0;
}

/* The closure for the element that `closure` is at; without one the element itself. */
static int eval_closure(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	int rc;

	if (node->n < 2) {
		*ret = closure->collection.u.items[closure->index];
		return expr_count_steps(&e->run, node, 1);
	}
	e->closure = closure;
	rc = eval(e, node->list[1], ret);
	e->closure = closure->outer;
	/* A ?. that ended in a closure belongs to a chain there. */
	return rc;
}

static int eval_predicate(
	struct eval *e, const struct expr_node *node, struct closure *closure, bool *ret)
{
	struct value v;
	int rc = eval_closure(e, node, closure, &v);

	if (rc != 0)
		return rc;
	if (v.type != VALUE_BOOL)
		return fail(e, node->n < 2 ? node : node->list[1],
			"the closure of %.*s() should be true or false, not %s",
			(int)node->value.count, node->value.u.text, type_name(&v));
	*ret = v.u.boolean;
	return 0;
}

/* all, none, any: the first element that decides. */
static int eval_quantifier(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	bool any = is_named(&node->value, "any"), all = is_named(&node->value, "all");

	for (; closure->index < closure->collection.count; closure->index++) {
		bool holds;
		int rc = eval_predicate(e, node, closure, &holds);

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
static int eval_find(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	bool last = node->value.count > 4 && memcmp(node->value.u.text + 4, "Last", 4) == 0;
	bool index = node->value.u.text[node->value.count - 1] == 'x';

	*ret = value_nil();
	for (size_t i = 0; i < closure->collection.count; i++) {
		bool holds;
		int rc;

		closure->index = last ? closure->collection.count - 1 - i : i;
		rc = eval_predicate(e, node, closure, &holds);
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
static int eval_selection(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	bool filter = is_named(&node->value, "filter");
	_cleanup_free_ struct value *items =
		xcalloc(filter ? (size_t)closure->collection.count + 1 : 1, sizeof(*items));
	size_t n = 0;

	for (; closure->index < closure->collection.count; closure->index++) {
		bool holds;
		int rc = eval_predicate(e, node, closure, &holds);

		if (rc != 0)
			return rc;
		if (holds && filter)
			items[n] = closure->collection.u.items[closure->index];
		n += holds;
	}
	if (filter)
		return make_array(e, node, items, n, VALUE_ANY, ret);
	*ret = is_named(&node->value, "one") ? value_bool(n == 1) : value_int((int64_t)n);
	return 0;
}

static int eval_sum_of(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	struct value sum = value_int(0);

	for (; closure->index < closure->collection.count; closure->index++) {
		struct value v;
		int rc = eval_closure(e, node, closure, &v);

		if (rc == 0 && !(is_number(&v) && is_number(&sum)))
			return fail(e, node, "sum() takes numbers, not %s", type_name(&v));
		if (rc == 0)
			rc = eval_sum(e, node, true, &v, &sum, &sum);
		if (rc != 0)
			return rc;
	}
	*ret = sum;
	return 0;
}

static int eval_reduce(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	if (node->n > 2) {
		int rc = eval(e, node->list[2], &closure->acc);

		if (rc != 0)
			return rc;
	} else {
		if (closure->collection.count == 0)
			return fail(e, node, "reduce of empty array with no initial value");
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

static int merge(struct eval *e, const struct expr_node *node, struct keyed *from, struct keyed *to,
	size_t n, bool descending)
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

static int sort(struct eval *e, const struct expr_node *node, struct keyed *items,
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
static int eval_keys(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct keyed *items)
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

static int eval_sort_by(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	size_t n = closure->collection.count;
	_cleanup_free_ struct keyed *items = xcalloc(n + 1, sizeof(*items));
	_cleanup_free_ struct keyed *spare = xcalloc(n + 1, sizeof(*spare));
	_cleanup_free_ struct value *sorted = xcalloc(n + 1, sizeof(*sorted));
	struct value order = value_string_of("asc", 3);
	int rc = 0;

	if (node->n > 2)
		rc = eval(e, node->list[2], &order);
	if (rc == 0 && (order.type != VALUE_STRING ||
			       (!is_named(&order, "asc") && !is_named(&order, "desc"))))
		return fail(e, node->list[2], "unknown order, use asc or desc");
	if (rc == 0)
		rc = eval_keys(e, node, closure, items);
	if (rc == 0)
		rc = sort(e, node, items, spare, n, is_named(&order, "desc"));
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		sorted[i] = items[i].value;
	return make_array(e, node, sorted, n, VALUE_ANY, ret);
}

static int eval_map_of(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
{
	size_t n = closure->collection.count;
	_cleanup_free_ struct keyed *items = xcalloc(n + 1, sizeof(*items));
	_cleanup_free_ struct value *values = xcalloc(n + 1, sizeof(*values));
	int rc = eval_keys(e, node, closure, items);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		values[i] = items[i].key;
	return make_array(e, node, values, n, VALUE_ANY, ret);
}

static int eval_group_by(
	struct eval *e, const struct expr_node *node, struct closure *closure, struct value *ret)
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
			return fail(e, node, "%s cannot be a key", type_name(&items[i].key));
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
			rc = make_array(e, node, members, count, VALUE_ANY, &pairs[g].value);
		if (rc < 0)
			return rc;
	}
	return expr_made(&e->run, node, value_make_groups(e->run.pool, pairs, groups, ret));
}

static int eval_builtin(struct eval *e, const struct expr_node *node, struct value *ret)
{
	static const struct {
		const char *name;
		int (*run)(struct eval *e, const struct expr_node *node, struct closure *closure,
			struct value *ret);
	} kinds[] = {{"all", eval_quantifier}, {"none", eval_quantifier}, {"any", eval_quantifier},
		{"one", eval_selection}, {"count", eval_selection}, {"filter", eval_selection},
		{"map", eval_map_of}, {"sum", eval_sum_of}, {"find", eval_find},
		{"findIndex", eval_find}, {"findLast", eval_find}, {"findLastIndex", eval_find},
		{"groupBy", eval_group_by}, {"sortBy", eval_sort_by}, {"reduce", eval_reduce}};
	struct closure closure = {.outer = e->closure};
	int rc = eval(e, node->list[0], &closure.collection);

	if (rc != 0)
		return rc;
	if (closure.collection.type != VALUE_ARRAY)
		return fail(e, node->list[0], "%.*s() takes an array, not %s",
			(int)node->value.count, node->value.u.text, type_name(&closure.collection));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (is_named(&node->value, kinds[i].name))
			return kinds[i].run(e, node, &closure, ret);
	return -EINVAL;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int eval_list(struct eval *e, const struct expr_node *node, struct value *items)
{
	for (size_t i = 0; i < node->n; i++) {
		int rc = eval(e, node->list[i], &items[i]);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int eval_array(struct eval *e, const struct expr_node *node, struct value *ret)
{
	_cleanup_free_ struct value *items = xcalloc(node->n + 1, sizeof(*items));
	int rc = eval_list(e, node, items);

	return rc != 0 ? rc : make_array(e, node, items, node->n, VALUE_ANY, ret);
}

static int eval_map(struct eval *e, const struct expr_node *node, struct value *ret)
{
	_cleanup_free_ struct value *items = xcalloc(node->n + 1, sizeof(*items));
	_cleanup_free_ struct value_pair *pairs = xcalloc(node->n / 2 + 1, sizeof(*pairs));
	int rc = eval_list(e, node, items);

	if (rc == 0)
		rc = expr_count_elements(&e->run, node, node->n / 2);
	if (rc != 0)
		return rc;
	/* From the end, as upstream: of two with one key the first holds. */
	for (size_t i = 0; i < node->n / 2; i++) {
		const struct value *key = &items[node->n - 2 - 2 * i];

		if (key->type != VALUE_STRING)
			return fail(e, node, "the key of a map must be a string, not %s",
				type_name(key));
		pairs[i] = (struct value_pair){*key, items[node->n - 1 - 2 * i]};
	}
	return expr_made(
		&e->run, node, value_make_map(e->run.pool, pairs, node->n / 2, false, ret));
}

static int eval_let(struct eval *e, const struct expr_node *node, struct value *ret)
{
	struct variable variable = {.name = &node->value, .outer = e->variables};
	int rc = eval(e, node->a, &variable.value);

	if (rc != 0)
		return rc;
	e->variables = &variable;
	rc = eval(e, node->b, ret);
	e->variables = variable.outer;
	return rc;
}

static int eval_chain(struct eval *e, const struct expr_node *node, struct value *ret)
{
	int rc = eval(e, node->a, ret);

	if (rc != CHAIN_IS_NIL)
		return rc;
	*ret = value_nil();
	return 0;
}

/* Recursion as deep as the tree, which is bounded. */
static int eval(struct eval *e, const struct expr_node *node, struct value *ret)
{
	bool holds = false;
	int rc = expr_count_steps(&e->run, node, 1);

	*ret = value_nil();
	if (rc < 0)
		return rc;
	switch (node->kind) {
	case EXPR_LITERAL:
		*ret = node->value;
		return 0;
	case EXPR_NAME:
		return eval_name(e, node, ret);
	case EXPR_NOT:
	case EXPR_MINUS:
	case EXPR_PLUS:
		return eval_unary(e, node, ret);
	case EXPR_BINARY:
		return eval_binary(e, node, ret);
	case EXPR_CHAIN:
		return eval_chain(e, node, ret);
	case EXPR_MEMBER:
		return eval_member(e, node, ret);
	case EXPR_SLICE:
		return eval_slice(e, node, ret);
	case EXPR_CALL:
		return eval_call(e, node, ret);
	case EXPR_METHOD:
		return eval_method(e, node, ret);
	case EXPR_BUILTIN:
		return eval_builtin(e, node, ret);
	case EXPR_POINTER:
		return eval_pointer(e, node, ret);
	case EXPR_LET:
		return eval_let(e, node, ret);
	case EXPR_SEQUENCE:
		for (size_t i = 0; i < node->n && rc == 0; i++)
			rc = eval(e, node->list[i], ret);
		return rc;
	case EXPR_CONDITIONAL:
		rc = eval_bool(e, node->a, &holds);
		return rc != 0 ? rc : eval(e, holds ? node->b : node->c, ret);
	case EXPR_ARRAY:
		return eval_array(e, node, ret);
	case EXPR_MAP:
		return eval_map(e, node, ret);
	}
	return -EINVAL;
}

/* The pool may have what is in it already and this much more. */
static void begin(struct eval *e, struct value_pool *pool, size_t *saved_limit)
{
	size_t limit = pool->used_bytes + EXPR_MEMORY_MAX;

	*saved_limit = pool->limit_bytes;
	if (pool->limit_bytes == 0 || pool->limit_bytes > limit)
		pool->limit_bytes = limit;
	e->run.pool = pool;
	e->run.steps = EXPR_STEPS_MAX;
}

int expr_run(const struct expr *expr, const struct expr_env *env, struct value_pool *pool,
	struct value *ret, struct th_err *err)
{
	struct eval e = {.run = {.expr = expr, .env = env, .err = err}};
	struct value value = value_nil();
	size_t limit;
	int rc;

	begin(&e, pool, &limit);
	rc = eval(&e, expr->root, &value);
	pool->limit_bytes = limit;
	if (rc == 0)
		*ret = value;
	return rc;
}

/* ---- why it came out so ------------------------------------------------------------------- */

struct reason {
	struct eval *e;
	struct strbuf text;
	struct strbuf values; /* "result was 0.91, …" */
	size_t max;
};

static void add_value(struct reason *r, const struct expr_node *node)
{
	_cleanup_free_ char *name = NULL, *shown = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct value v;

	if (r->values.len >= r->max || eval(r->e, node, &v) != 0)
		return;
	if (v.type == VALUE_STRING) {
		shown = str_escape_n(
			v.u.text, MIN((size_t)v.count, (size_t)REASON_VALUES * 2), REASON_VALUES);
		strbuf_addf(&b, "'%s'", shown);
	} else if (v.type == VALUE_NIL) {
		strbuf_adds(&b, "nil");
	} else if (v.type == VALUE_FLOAT && fabs(v.u.number) < 1e15) {
		/* As a person would write it, 1500000 and not 1.5e+06. */
		_cleanup_free_ char *json = value_to_json(&v, 0);

		strbuf_adds(&b, json);
	} else {
		value_to_text(&v, &b, REASON_VALUES);
	}
	free(shown);
	shown = str_escape_n(strbuf_str(&b), b.len, 0);
	name = expr_node_text(r->e->run.expr, node, REASON_VALUES);
	strbuf_addf(&r->values, "%s%s was %s", r->values.len > 0 ? ", " : "", name, shown);
}

/* The values that a reader of the condition does not see in it. */
static void add_values(struct reason *r, const struct expr_node *node)
{
	switch (node->kind) {
	case EXPR_LITERAL:
	case EXPR_ARRAY:
	case EXPR_MAP:
		return;
	case EXPR_MINUS:
	case EXPR_PLUS:
	case EXPR_NOT:
		add_values(r, node->a);
		return;
	case EXPR_BINARY:
		add_values(r, node->a);
		add_values(r, node->b);
		return;
	case EXPR_BUILTIN:
		/* What the closure gives is another matter than what it was asked of. */
		if (node->list[0]->kind != EXPR_LITERAL)
			add_value(r, node);
		return;
	case EXPR_CALL:
		/* asInt(result) says less than result. */
		if (expr_function_find(r->e->run.expr, &node->value) != EXPR_NO_FUNCTION &&
			node->n > 0) {
			add_values(r, node->list[0]);
			return;
		}
		break;
	case EXPR_NAME:
	case EXPR_CHAIN:
	case EXPR_MEMBER:
	case EXPR_SLICE:
	case EXPR_METHOD:
	case EXPR_POINTER:
	case EXPR_LET:
	case EXPR_SEQUENCE:
	case EXPR_CONDITIONAL:
		break;
	}
	add_value(r, node);
}

static void explain(struct reason *r, const struct expr_node *node, bool outcome);

static void explain_leaf(struct reason *r, const struct expr_node *node)
{
	_cleanup_free_ char *text = expr_node_text(r->e->run.expr, node, r->max);
	size_t before = r->values.len;

	if (r->text.len > 0)
		strbuf_adds(&r->text, "; ");
	strbuf_adds(&r->text, text);
	if (node->kind == EXPR_BINARY || node->kind == EXPR_NOT) {
		add_values(r, node);
	} else if (node->kind == EXPR_CALL) {
		for (size_t i = 0; i < node->n; i++)
			add_values(r, node->list[i]);
	}
	if (r->values.len > before) {
		strbuf_addf(&r->text, " (%s)", r->values.s);
		strbuf_reset(&r->values);
	}
}

/* all() that failed, any() that held, none() that failed: at the element that decided. */
static bool explain_element(struct reason *r, const struct expr_node *node, bool outcome)
{
	struct closure closure = {.outer = r->e->closure};
	bool all = is_named(&node->value, "all"), any = is_named(&node->value, "any");
	bool none = is_named(&node->value, "none");

	if (!(all && !outcome) && !(any && outcome) && !(none && !outcome))
		return false;
	if (eval(r->e, node->list[0], &closure.collection) != 0 ||
		closure.collection.type != VALUE_ARRAY)
		return false;
	for (; closure.index < closure.collection.count; closure.index++) {
		bool holds = false;

		if (eval_predicate(r->e, node, &closure, &holds) != 0)
			return false;
		if (holds == all)
			continue;
		strbuf_addf(&r->text, "%s%.*s() at element %zu: ", r->text.len > 0 ? "; " : "",
			(int)node->value.count, node->value.u.text, closure.index);
		r->e->closure = &closure;
		{
			struct reason inner = {.e = r->e,
				.text = STRBUF_INIT,
				.values = STRBUF_INIT,
				.max = r->max};

			explain(&inner, node->list[1], holds);
			strbuf_adds(&r->text, strbuf_str(&inner.text));
			strbuf_done(&inner.text);
			strbuf_done(&inner.values);
		}
		r->e->closure = closure.outer;
		return true;
	}
	return false;
}

static void explain_logic(struct reason *r, const struct expr_node *node, bool outcome)
{
	bool decisive = node->op == EXPR_OP_OR, left = false, right = false;
	struct value v;

	if (node->truth >= 0) {
		explain_leaf(r, node);
		return;
	}
	if (eval_bool(r->e, node->a, &left) != 0)
		return;
	if (outcome == decisive && left == decisive) {
		explain(r, node->a, left);
		return;
	}
	if (eval(r->e, node->b, &v) == 0 && v.type == VALUE_BOOL)
		right = v.u.boolean;
	if (outcome != decisive)
		explain(r, node->a, left);
	explain(r, node->b, right);
}

static void explain(struct reason *r, const struct expr_node *node, bool outcome)
{
	bool holds;

	if (r->text.len >= r->max)
		return;
	if (node->kind == EXPR_BINARY && (node->op == EXPR_OP_OR || node->op == EXPR_OP_AND)) {
		explain_logic(r, node, outcome);
	} else if (node->kind == EXPR_BUILTIN && node->n > 1 && explain_element(r, node, outcome)) {
		return;
	} else if (node->kind == EXPR_LET) {
		struct variable variable = {.name = &node->value, .outer = r->e->variables};

		if (eval(r->e, node->a, &variable.value) != 0)
			return;
		r->e->variables = &variable;
		explain(r, node->b, outcome);
		r->e->variables = variable.outer;
	} else if (node->kind == EXPR_SEQUENCE) {
		explain(r, node->list[node->n - 1], outcome);
	} else if (node->kind == EXPR_CONDITIONAL && eval_bool(r->e, node->a, &holds) == 0) {
		explain(r, node->a, holds);
		explain(r, holds ? node->b : node->c, outcome);
	} else {
		explain_leaf(r, node);
	}
}

char *expr_reason(const struct expr *expr, const struct expr_env *env, size_t max)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct eval e = {.run = {.expr = expr, .env = env}};
	struct reason r = {.e = &e, .text = STRBUF_INIT, .values = STRBUF_INIT, .max = max};
	struct value v;
	size_t limit;
	char *shown;

	begin(&e, &pool, &limit);
	if (eval(&e, expr->root, &v) == 0 && v.type == VALUE_BOOL) {
		e.run.steps = EXPR_STEPS_MAX;
		e.run.elements = 0;
		explain(&r, expr->root, v.u.boolean);
	}
	if (r.text.len == 0) {
		char *text = expr_node_text(expr, expr->root, max);

		strbuf_adds(&r.text, text);
		free(text);
	}
	/* Already escaped; only cut where it is too long. */
	if (r.text.len > max) {
		size_t keep = max > 3 ? max - 3 : 0;

		while (keep > 0 && ((unsigned char)r.text.s[keep] & 0xc0) == 0x80)
			keep--;
		r.text.len = keep;
		r.text.s[keep] = '\0';
		strbuf_adds(&r.text, "...");
	}
	shown = strbuf_steal(&r.text);
	strbuf_done(&r.values);
	return shown;
}
