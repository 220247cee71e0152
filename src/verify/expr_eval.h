#ifndef TH_VERIFY_EXPR_EVAL_H
#define TH_VERIFY_EXPR_EVAL_H

/* The value of a condition, and why it came out as it did. Behind verify/expr.h. */

#include "verify/expr_tree.h"

/*
 * Evaluates a tree that expr_check() let pass. -EINVAL: the values do not fit; -E2BIG: over one of
 * the limits of verify/expr_builtin.h. The value is in `pool`, in the pools of what is in `env`,
 * and in `expr`.
 */
int expr_run(const struct expr *expr, const struct expr_env *env, struct value_pool *pool,
	struct value *ret, struct th_err *err);

/* Of a tree that evaluates to a bool: the text of the part that decided, with values: "result >
 * 0.95 (result was 0.91)". At most `max` bytes. The caller frees it. */
char *expr_reason(const struct expr *expr, const struct expr_env *env, size_t max);

#endif
