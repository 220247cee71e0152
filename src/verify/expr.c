#include "config.h"

#include "verify/expr.h"

#include "verify/expr_eval.h"

#include <errno.h>

int expr_eval(const struct expr *expr, const struct expr_env *env, struct value_pool *pool,
	struct value *ret, struct th_err *err)
{
	int rc = expr_check(expr, env, NULL, err);

	return rc < 0 ? rc : expr_run(expr, env, pool, ret, err);
}

int expr_eval_bool(
	const struct expr *expr, const struct expr_env *env, bool *ret, struct th_err *err)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value v;
	int rc = expr_eval(expr, env, &pool, &v, err);

	if (rc < 0)
		return rc;
	if (v.type != VALUE_BOOL)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"the condition gives %s where true or false is needed: compare it with "
			"something",
			value_type_name((enum value_type)v.type));
	*ret = v.u.boolean;
	return 0;
}

char *expr_explain(const struct expr *expr, const struct expr_env *env, size_t max)
{
	/* What did not pass may not be evaluated, also not in parts. */
	if (expr_check(expr, env, NULL, NULL) < 0)
		return expr_node_text(expr, expr->root, max);
	return expr_reason(expr, env, max);
}
