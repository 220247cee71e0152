#include "config.h"

#include "verify/expr_call.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void expr_call_complain(const struct expr_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	expr_complain(call->run->expr, call->node->at, call->run->err, 200, fmt, args);
	va_end(args);
}

int expr_count_steps(struct expr_run *run, const struct expr_node *node, uint64_t steps)
{
	run->steps -= (int64_t)MIN(steps, (uint64_t)EXPR_STEPS_MAX * 2);
	if (run->steps >= 0)
		return 0;
	return expr_error(run->expr, node->at, E2BIG, run->err,
		"the condition takes more than %d steps on this result", EXPR_STEPS_MAX);
}

int expr_count_elements(struct expr_run *run, const struct expr_node *node, size_t elements)
{
	run->elements += MIN(elements, (size_t)EXPR_ELEMENTS_MAX);
	if (run->elements < EXPR_ELEMENTS_MAX)
		return expr_count_steps(run, node, elements);
	return expr_error(run->expr, node->at, E2BIG, run->err,
		"memory budget exceeded: the condition makes arrays of more than %d elements in "
		"all",
		EXPR_ELEMENTS_MAX);
}

int expr_made(struct expr_run *run, const struct expr_node *node, int rc)
{
	if (rc >= 0)
		return rc;
	return expr_error(run->expr, node->at, E2BIG, run->err,
		"memory budget exceeded: the condition makes more than %zu MiB, or nests deeper "
		"than %d",
		EXPR_MEMORY_MAX >> 20, VALUE_DEPTH_MAX);
}

int expr_less(struct expr_run *run, const struct expr_node *node, const struct value *a,
	const struct value *b, bool *ret)
{
	if (value_is_number(a) && value_is_number(b)) {
		*ret = a->type == VALUE_INT && b->type == VALUE_INT
			       ? a->u.integer < b->u.integer
			       : value_number(a) < value_number(b);
		return 0;
	}
	if (a->type == VALUE_STRING && b->type == VALUE_STRING) {
		*ret = value_compare_strings(a, b) < 0;
		return expr_count_steps(run, node, MIN(a->count, b->count) / 64);
	}
	if (a->type == b->type && (a->type == VALUE_TIME || a->type == VALUE_DURATION)) {
		*ret = a->u.integer < b->u.integer;
		return 0;
	}
	return expr_error(run->expr, node->at, EINVAL, run->err, "cannot compare %s with %s",
		value_type_of(a), value_type_of(b));
}

int expr_want_strings(const struct expr_call *call, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < call->n; i++)
		if (call->args[i].type != VALUE_STRING)
			return expr_call_fail(call, "%.*s() takes a string, not %s",
				(int)call->node->value.count, call->node->value.u.text,
				value_type_of(&call->args[i]));
	return 0;
}

int expr_want_array(const struct expr_call *call, const struct value *v)
{
	if (v->type == VALUE_ARRAY)
		return 0;
	return expr_call_fail(call, "%.*s() takes an array, not %s", (int)call->node->value.count,
		call->node->value.u.text, value_type_of(v));
}

int expr_want_map(const struct expr_call *call)
{
	if (call->args[0].type == VALUE_MAP)
		return 0;
	return expr_call_fail(call, "%.*s() takes a map, not %s", (int)call->node->value.count,
		call->node->value.u.text, value_type_of(&call->args[0]));
}

int expr_make_string(const struct expr_call *call, const char *text, size_t len, struct value *ret)
{
	int rc = expr_count_steps(call->run, call->node, len / 64);

	return rc < 0 ? rc
		      : expr_made(call->run, call->node,
				value_make_string(call->run->pool, text, len, ret));
}

int expr_make_array(const struct expr_call *call, const struct value *items, size_t n,
	enum value_type elem, struct value *ret)
{
	int rc = expr_count_elements(call->run, call->node, n);

	return rc < 0 ? rc
		      : expr_made(call->run, call->node,
				value_make_array(call->run->pool, items, n, elem, ret));
}
