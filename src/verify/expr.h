#ifndef TH_VERIFY_EXPR_H
#define TH_VERIFY_EXPR_H

/*
 * Conditions of a metric: "result[0] >= 0.95 and not (result[1] > 5)". The language is expr-lang's
 * as Argo Rollouts embeds it; the grammar is in verify/expr_parse.h, types in verify/expr_check.h,
 * builtins in verify/expr_builtin.h.
 *
 * What a name stands for (struct expr_env):
 *
 *	result                what was measured; with the dialect bcs a string
 *	response.code         our own, of web metrics: the status as an integer
 *	response.headers      our own: a map, whose keys are found whatever their case
 *	args.NAME             our own: arguments of the template as strings; such a value can
 *	                      never become a part of the condition
 *	asInt(x) asFloat(x)   of a string or number
 *	isNaN(x) isInf(x)     of a float
 *	isNil(x) default(x,d) these look at the result, whatever x is, as Argo does
 *
 *	_cleanup_expr_ struct expr *expr = NULL;
 *	struct expr_env env = {.result = &value};
 *	bool holds;
 *
 *	if (expr_parse("result > 0.95", EXPR_ARGO, &expr, &err) < 0 ||
 *		expr_eval_bool(expr, &env, &holds, &err) < 0)
 *		...the measurement is an Error
 */

#include "verify/expr_check.h"
#include "verify/expr_parse.h"

static inline void expr_freep(struct expr **expr)
{
	expr_free(*expr);
}
#define _cleanup_expr_ _cleanup_(expr_freep)

/*
 * Checks the types, then evaluates. -EINVAL: types or values do not fit; -E2BIG: over a limit of
 * verify/expr_builtin.h. The value is in `pool`, in the pools of what is in `env`, and in `expr`.
 */
int expr_eval(const struct expr *expr, const struct expr_env *env, struct value_pool *pool,
	struct value *ret, struct th_err *err);

/* Likewise; a value that is no bool is -EINVAL. */
int expr_eval_bool(
	const struct expr *expr, const struct expr_env *env, bool *ret, struct th_err *err);

/*
 * Which part of the condition decided, with the values in it, in one line for a message:
 * "result > 0.95 (result was 0.91)"; of "a and b" that is false the one that is false. At most
 * `max` bytes, control bytes escaped. Whether the condition held is not said. Of one that
 * cannot be evaluated it is the text. The caller frees it.
 */
char *expr_explain(const struct expr *expr, const struct expr_env *env, size_t max);

#endif
