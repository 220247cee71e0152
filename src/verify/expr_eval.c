#include "config.h"

#include "verify/expr_eval.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_builtin.h"
#include "verify/expr_check.h"
#include "verify/expr_eval_internal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define ARGS_MAX 256 /* of one call */

void expr_eval_complain(
	struct expr_evaluation *e, const struct expr_node *node, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	expr_complain(e->run.expr, node->at, e->run.err, 200, fmt, args);
	va_end(args);
}

int expr_eval_make_array(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *items, size_t n, enum value_type elem, struct value *ret)
{
	int rc = expr_count_elements(&e->run, node, n);

	return rc < 0 ? rc
		      : expr_made(
				&e->run, node, value_make_array(e->run.pool, items, n, elem, ret));
}

int expr_eval_truth(struct expr_evaluation *e, const struct expr_node *node, bool *ret)
{
	struct value v;
	int rc = expr_eval_node(e, node, &v);

	if (rc != 0)
		return rc;
	if (v.type != VALUE_BOOL)
		return expr_eval_fail(
			e, node, "true or false is needed here, not %s", value_type_of(&v));
	*ret = v.u.boolean;
	return 0;
}

/* ---- names, members, calls --------------------------------------------------------------- */

static int eval_name(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	const struct expr_env *env = e->run.env;
	const struct value *v = NULL;

	for (const struct expr_variable *var = e->variables; var && !v; var = var->outer)
		if (value_equal(var->name, &node->value))
			v = &var->value;
	if (!v && value_is_text(&node->value, "result"))
		v = env->result;
	else if (!v && value_is_text(&node->value, "response"))
		v = env->response;
	else if (!v && value_is_text(&node->value, "args"))
		v = env->args;
	*ret = v ? *v : value_nil();
	return 0;
}

static int fetch(struct expr_evaluation *e, const struct expr_node *node, const struct value *base,
	const struct value *key, struct value *ret)
{
	const struct value *found;
	int64_t index;

	if (base->type == VALUE_MAP) {
		struct value k = *key;

		if (!base->u.map->any_key && k.type == VALUE_NIL)
			k = value_string_of("", 0);
		if (!base->u.map->any_key && k.type != VALUE_STRING)
			return expr_eval_fail(e, node, "the keys of a map are strings, not %s",
				value_type_of(key));
		found = value_map_get(base, &k);
		*ret = found ? *found : base->u.map->grouped ? value_nil_array() : value_nil();
		return 0;
	}
	if ((base->type != VALUE_ARRAY && base->type != VALUE_STRING) || !value_is_number(key)) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		value_to_text(key, &b, 60);
		return expr_eval_fail(
			e, node, "cannot fetch %s from %s", strbuf_str(&b), value_type_of(base));
	}
	index = key->type == VALUE_INT ? key->u.integer : value_float_to_int(key->u.number);
	if (index < 0 && e->run.expr->dialect != EXPR_BCS)
		index += base->count;
	if (index < 0 || index >= base->count)
		return expr_eval_fail(e, node, "index out of range: %lld (array length is %u)",
			(long long)index, base->count);
	*ret = base->type == VALUE_ARRAY ? base->u.items[index]
					 : value_int((unsigned char)base->u.text[index]);
	return 0;
}

static int eval_member(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	struct value base, key;
	int rc = expr_eval_node(e, node->a, &base);

	if (rc != 0)
		return rc;
	if (node->optional && value_is_nil(&base))
		return CHAIN_IS_NIL;
	rc = expr_eval_node(e, node->b, &key);
	return rc != 0 ? rc : fetch(e, node, &base, &key, ret);
}

/* One end of a slice of `count`; where there is none `otherwise`. */
static int eval_end(struct expr_evaluation *e, const struct expr_node *node, int64_t count,
	int64_t otherwise, int64_t *ret)
{
	struct value v;
	int rc;

	*ret = otherwise;
	if (!node)
		return 0;
	rc = expr_eval_node(e, node, &v);
	if (rc != 0)
		return rc;
	if (!value_is_number(&v))
		return expr_eval_fail(
			e, node, "an index must be a number, not %s", value_type_of(&v));
	*ret = v.type == VALUE_INT ? v.u.integer : value_float_to_int(v.u.number);
	if (*ret < 0) {
		if (e->run.expr->dialect == EXPR_BCS)
			return expr_eval_fail(
				e, node, "an index cannot be negative in the dialect bcs");
		*ret = MAX(*ret + count, (int64_t)0);
	}
	return 0;
}

static int eval_slice(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	struct value base;
	int64_t from, to;
	int rc = expr_eval_node(e, node->a, &base);

	if (rc != 0)
		return rc;
	if (base.type != VALUE_ARRAY && base.type != VALUE_STRING)
		return expr_eval_fail(e, node, "cannot slice %s", value_type_of(&base));
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

static int eval_function(struct expr_evaluation *e, const struct expr_node *node,
	enum expr_function function, const struct value *args, struct value *ret)
{
	const struct value *v = &args[0];
	const struct value *result = e->run.env->result;
	bool is_nil = !result || result->type == VALUE_NIL;
	int64_t integer;
	double number;
	int rc = 0;

	switch (function) {
	case EXPR_AS_INT:
		if (value_is_number(v))
			integer = v->type == VALUE_INT ? v->u.integer
						       : value_float_to_int(v->u.number);
		else if (v->type == VALUE_STRING)
			rc = value_parse_int(v->u.text, v->count, &integer);
		else
			return expr_eval_fail(
				e, node, "asInt() not supported on %s", value_type_of(v));
		if (rc < 0)
			return expr_eval_fail(e, node, "asInt(): '%.*s' is %s",
				(int)MIN(v->count, 60U), v->u.text,
				rc == -ERANGE ? "out of range" : "no integer");
		*ret = value_int(integer);
		return 0;
	case EXPR_AS_FLOAT:
		if (value_is_number(v))
			number = value_number(v);
		else if (v->type == VALUE_STRING)
			rc = value_parse_float(v->u.text, v->count, &number);
		else
			return expr_eval_fail(
				e, node, "asFloat() not supported on %s", value_type_of(v));
		if (rc < 0)
			return expr_eval_fail(e, node, "asFloat(): '%.*s' is %s",
				(int)MIN(v->count, 60U), v->u.text,
				rc == -ERANGE ? "out of range" : "no number");
		*ret = value_float(number);
		return 0;
	case EXPR_IS_NAN:
	case EXPR_IS_INF:
		if (v->type != VALUE_FLOAT &&
			!(v->type == VALUE_INT && has_integer_literal(node->list[0])))
			return expr_eval_fail(e, node,
				"%.*s() takes a float, not %s: write float(…)",
				(int)node->value.count, node->value.u.text, value_type_of(v));
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

static int eval_call(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	enum expr_function function = expr_function_find(e->run.expr, &node->value);
	const struct expr_builtin *builtin = expr_builtin_find(&node->value);
	_cleanup_free_ struct value *args = xcalloc(node->n + 1, sizeof(*args));
	struct expr_call call = {.run = &e->run, .node = node, .args = args, .n = node->n};

	for (size_t i = 0; i < node->n; i++) {
		int rc = expr_eval_node(e, node->list[i], &args[i]);

		if (rc != 0)
			return rc;
	}
	if (function != EXPR_NO_FUNCTION)
		return eval_function(e, node, function, args, ret);
	return builtin ? builtin->run(&call, ret) : expr_eval_fail(e, node, "unknown function");
}

/* A few methods of Go's time.Time and time.Duration. */
static int eval_method(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
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
	int rc = expr_eval_node(e, node->a, &base);

	if (rc != 0)
		return rc;
	if (node->optional && value_is_nil(&base))
		return CHAIN_IS_NIL;
	for (size_t i = 0; i < ARRAY_SIZE(floats) && base.type == VALUE_DURATION; i++)
		if (value_is_text(&node->value, floats[i].name)) {
			*ret = value_float((double)base.u.integer / floats[i].nsec);
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(integers) && base.type == VALUE_DURATION; i++)
		if (value_is_text(&node->value, integers[i].name)) {
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
				if (value_is_text(&node->value, parts[i].name)) {
					*ret = value_int(parts[i].value);
					return 0;
				}
		}
	}
	return expr_eval_fail(e, node, "%s has no method %.*s()", value_type_of(&base),
		(int)MIN(node->value.count, 60U), node->value.u.text);
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int eval_list(struct expr_evaluation *e, const struct expr_node *node, struct value *items)
{
	for (size_t i = 0; i < node->n; i++) {
		int rc = expr_eval_node(e, node->list[i], &items[i]);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int eval_array(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	_cleanup_free_ struct value *items = xcalloc(node->n + 1, sizeof(*items));
	int rc = eval_list(e, node, items);

	return rc != 0 ? rc : expr_eval_make_array(e, node, items, node->n, VALUE_ANY, ret);
}

static int eval_map(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
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
			return expr_eval_fail(e, node, "the key of a map must be a string, not %s",
				value_type_of(key));
		pairs[i] = (struct value_pair){*key, items[node->n - 1 - 2 * i]};
	}
	return expr_made(
		&e->run, node, value_make_map(e->run.pool, pairs, node->n / 2, false, ret));
}

static int eval_let(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	struct expr_variable variable = {.name = &node->value, .outer = e->variables};
	int rc = expr_eval_node(e, node->a, &variable.value);

	if (rc != 0)
		return rc;
	e->variables = &variable;
	rc = expr_eval_node(e, node->b, ret);
	e->variables = variable.outer;
	return rc;
}

static int eval_chain(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
{
	int rc = expr_eval_node(e, node->a, ret);

	if (rc != CHAIN_IS_NIL)
		return rc;
	*ret = value_nil();
	return 0;
}

/* Recursion as deep as the tree, which is bounded. */
int expr_eval_node(struct expr_evaluation *e, const struct expr_node *node, struct value *ret)
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
		return expr_eval_unary(e, node, ret);
	case EXPR_BINARY:
		return expr_eval_binary(e, node, ret);
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
		return expr_eval_closures(e, node, ret);
	case EXPR_POINTER:
		return expr_eval_pointer(e, node, ret);
	case EXPR_LET:
		return eval_let(e, node, ret);
	case EXPR_SEQUENCE:
		for (size_t i = 0; i < node->n && rc == 0; i++)
			rc = expr_eval_node(e, node->list[i], ret);
		return rc;
	case EXPR_CONDITIONAL:
		rc = expr_eval_truth(e, node->a, &holds);
		return rc != 0 ? rc : expr_eval_node(e, holds ? node->b : node->c, ret);
	case EXPR_ARRAY:
		return eval_array(e, node, ret);
	case EXPR_MAP:
		return eval_map(e, node, ret);
	}
	return -EINVAL;
}

/* The pool may have what is in it already and this much more. */
void expr_eval_begin(struct expr_evaluation *e, struct value_pool *pool, size_t *saved_limit)
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
	struct expr_evaluation e = {.run = {.expr = expr, .env = env, .err = err}};
	struct value value = value_nil();
	size_t limit;
	int rc;

	expr_eval_begin(&e, pool, &limit);
	rc = expr_eval_node(&e, expr->root, &value);
	pool->limit_bytes = limit;
	if (rc == 0)
		*ret = value;
	return rc;
}
