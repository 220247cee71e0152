/*
 * Conditions and results: the input is a byte for the dialect, a condition, a NUL, and a JSON text
 * (a fixed one where there is no NUL). Never a crash; a value or an error, and an error always has
 * a text; what was evaluated can be explained within its bound, and evaluates to the same again.
 */
#include "config.h"

#include "base/alloc.h"
#include "verify/expr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char fixed[] = "{\"a\":1,\"b\":\"x\",\"c\":[1,2.5,3],\"d\":{\"e\":true},\"n\":null}";

static void check(int rc, const struct th_err *err)
{
	if ((rc < 0) != err_is_set(err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum expr_dialect dialect = size > 0 && data[0] == 'b'	 ? EXPR_BCS
				    : size > 0 && data[0] == 't' ? EXPR_TIME
								 : EXPR_ARGO;
	const char *begin = (const char *)data + (size > 0);
	size_t len = size > 0 ? size - 1 : 0;
	const char *end = len > 0 ? memchr(begin, '\0', len) : NULL;
	_cleanup_free_ char *text = xstrndup(begin, end ? (size_t)(end - begin) : len);
	_cleanup_value_pool_ struct value_pool pool = {NULL, 0, (size_t)1 << 24};
	_cleanup_err_ struct th_err parse_err = TH_ERR_INIT, eval_err = TH_ERR_INIT;
	_cleanup_err_ struct th_err check_err = TH_ERR_INIT;
	_cleanup_expr_ struct expr *expr = NULL;
	_cleanup_free_ char *reason = NULL;
	struct value result, value, again;
	struct expr_env unknown = {.result = NULL}, env = {.result = &result, .now_nsec = 1};
	int rc = end ? value_from_json(
			       &pool, end + 1, len - (size_t)(end + 1 - begin), &result, NULL)
		     : value_from_json(&pool, fixed, strlen(fixed), &result, NULL);

	if (rc < 0)
		return 0;
	rc = expr_parse(text, dialect, &expr, &parse_err);
	check(rc, &parse_err);
	if (rc < 0)
		return 0;
	check(expr_check(expr, &unknown, NULL, &check_err), &check_err);
	rc = expr_eval(expr, &env, &pool, &value, &eval_err);
	check(rc, &eval_err);
	reason = expr_explain(expr, &env, 100);
	if (strlen(reason) > 100)
		abort();
	if (rc < 0)
		return 0;
	if (value.type == VALUE_BOOL &&
		(expr_eval(expr, &env, &pool, &again, NULL) < 0 || again.type != VALUE_BOOL ||
			again.u.boolean != value.u.boolean) &&
		pool.used_bytes < pool.limit_bytes / 2)
		abort();
	return 0;
}
