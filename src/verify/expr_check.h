#ifndef TH_VERIFY_EXPR_CHECK_H
#define TH_VERIFY_EXPR_CHECK_H

/*
 * Types before evaluation, as expr-lang 1.17 has them. What a name stands for has the type of its
 * value, and so has all that follows from it: a result that is a number cannot be compared with a
 * string, whatever the numbers are. Elements of a JSON array and members of a JSON object may be
 * anything; there a comparison of different types is false or an error when it is reached.
 */

#include "verify/expr_tree.h"

/* The functions that an environment has besides the builtins. */
enum expr_function {
	EXPR_AS_INT,
	EXPR_AS_FLOAT,
	EXPR_IS_NAN,
	EXPR_IS_INF,
	EXPR_IS_NIL,
	EXPR_DEFAULT,
	EXPR_NO_FUNCTION,
};
enum expr_function expr_function_find(const struct expr *expr, const struct value *name);

/* 0 and the type of the whole (VALUE_ANY where only evaluation tells), or -EINVAL. */
int expr_check(const struct expr *expr, const struct expr_env *env, enum value_type *ret_type,
	struct th_err *err);

#endif
