#include "config.h"

#include "verify/expr_check_internal.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/suggest.h"
#include "verify/expr_builtin.h"
#include "verify/expr_check.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	size_t params;
	bool bcs, time;
} functions[] = {
	[EXPR_AS_INT] = {"asInt", 1, true, false},
	[EXPR_AS_FLOAT] = {"asFloat", 1, true, false},
	[EXPR_IS_NAN] = {"isNaN", 1, false, true},
	[EXPR_IS_INF] = {"isInf", 1, false, true},
	[EXPR_IS_NIL] = {"isNil", 1, false, false},
	[EXPR_DEFAULT] = {"default", 2, false, false},
};

enum expr_function expr_function_find(const struct expr *expr, const struct value *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (value_is_text(name, functions[i].name) &&
			(expr->dialect == EXPR_ARGO ||
				(expr->dialect == EXPR_BCS ? functions[i].bcs : functions[i].time)))
			return (enum expr_function)i;
	return EXPR_NO_FUNCTION;
}

const struct value *expr_check_variable(
	const struct expr_checker *c, const struct value *name, bool *ret_exists)
{
	const struct expr_env *env = c->env;

	*ret_exists = true;
	if (value_is_text(name, "result") && c->expr->dialect != EXPR_TIME)
		return env->result;
	if (value_is_text(name, "response") && c->expr->dialect == EXPR_ARGO)
		return env->response;
	if (value_is_text(name, "args") && c->expr->dialect != EXPR_BCS)
		return env->args;
	*ret_exists = false;
	return NULL;
}

static int unknown_name(const struct expr_checker *c, const struct expr_node *node, bool call)
{
	static const char *const names[] = {"result", "response", "args", "true", "false", "nil"};
	_cleanup_free_ char *name = str_escape_n(node->value.u.text, node->value.count, 60);
	_cleanup_strv_ struct strv known = STRV_INIT;
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !call; i++)
		strv_add(&known, names[i]);
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		strv_add(&known, functions[i].name);
	for (size_t i = 0; call && expr_builtin_at(i); i++)
		strv_add(&known, expr_builtin_at(i)->name);
	near = suggest_nearest(name, (const char *const *)known.v, known.n);
	if (near)
		return expr_check_fail(c, node, "unknown name %s (did you mean %s?)", name, near);
	return expr_check_fail(
		c, node, "unknown name %s%s", name, call ? "" : " (a text stands in quotes: '…')");
}

int expr_check_name(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct value *v;
	bool exists;

	for (const struct expr_known_variable *var = c->variables; var; var = var->outer)
		if (value_equal(var->name, &node->value)) {
			*ret = var->nature;
			return 0;
		}
	v = expr_check_variable(c, &node->value, &exists);
	if (!exists) {
		if (expr_function_find(c->expr, &node->value) != EXPR_NO_FUNCTION ||
			expr_builtin_find(&node->value))
			return expr_check_fail(c, node, "%.*s is a function: write %.*s(…)",
				(int)node->value.count, node->value.u.text, (int)node->value.count,
				node->value.u.text);
		return unknown_name(c, node, false);
	}
	*ret = nature_of_type(VALUE_ANY);
	return v ? nature_of_value(&c->pool, v, !value_is_text(&node->value, "result"), ret) : 0;
}

int expr_check_wrong_count(
	const struct expr_checker *c, const struct expr_node *node, bool too_many)
{
	return expr_check_fail(c, node, "%s arguments to call %.*s()",
		too_many ? "too many" : "not enough", (int)node->value.count, node->value.u.text);
}

static bool param_takes(char param, const struct nature *n)
{
	if (nature_is_any(n) || param == 'a')
		return true;
	switch (param) {
	case 's':
		return n->type == VALUE_STRING;
	case 'i':
		return n->type == VALUE_INT;
	case 'n':
		return nature_is_one_of(n, NATURE_NUMBERS);
	case 'x':
		return nature_is_one_of(
			n, NATURE_NUMBERS | NATURE_BIT(VALUE_STRING) | NATURE_BIT(VALUE_DURATION));
	case 'A':
		return n->type == VALUE_ARRAY;
	case 'M':
		return n->type == VALUE_MAP;
	case 'L':
		return nature_is_one_of(n,
			NATURE_BIT(VALUE_STRING) | NATURE_BIT(VALUE_ARRAY) | NATURE_BIT(VALUE_MAP));
	case 'g':
		return nature_is_one_of(n, NATURE_NUMBERS | NATURE_BIT(VALUE_ARRAY));
	default:
		return false;
	}
}

static int result_of(struct expr_checker *c, char result, const struct nature *first,
	bool any_array, struct nature *ret)
{
	struct nature string = nature_of_type(VALUE_STRING);

	*ret = nature_of_type(VALUE_ANY);
	switch (result) {
	case 'b':
		ret->type = VALUE_BOOL;
		break;
	case 'i':
		ret->type = VALUE_INT;
		break;
	case 'f':
		ret->type = VALUE_FLOAT;
		break;
	case 's':
		ret->type = VALUE_STRING;
		break;
	case 't':
		ret->type = VALUE_TIME;
		break;
	case 'd':
		ret->type = VALUE_DURATION;
		break;
	case 'A':
		ret->type = VALUE_ARRAY;
		break;
	case 'S':
		return nature_array(&c->pool, &string, ret);
	case 'M':
		ret->type = VALUE_MAP;
		ret->any_key = true;
		break;
	case '=':
		*ret = *first;
		break;
	case 'e':
		*ret = nature_elem(first);
		break;
	case 'g':
		if (!any_array)
			*ret = *first;
		break;
	default:
		break;
	}
	return 0;
}

static int check_builtin(struct expr_checker *c, const struct expr_node *node,
	const struct expr_builtin *builtin, struct nature *ret)
{
	const char *param = builtin->params;
	struct nature first = nature_of_type(VALUE_ANY);
	bool optional = false, any_array = false;

	for (size_t i = 0; i < node->n; i++) {
		struct nature n;
		int rc;

		if (*param == '?') {
			optional = true;
			param++;
		}
		if (!*param)
			return expr_check_wrong_count(c, node, true);
		rc = expr_check_node(c, node->list[i], &n);
		if (rc < 0)
			return rc;
		/* As upstream: behind an array or what may be one, max() looks at no type. */
		if (!param_takes(*param, &n) && !(*param == 'g' && any_array))
			return expr_check_fail(c, node->list[i], "%s() cannot take %s",
				builtin->name, nature_name(&n));
		any_array |= nature_is_any(&n) || n.type == VALUE_ARRAY;
		if (i == 0)
			first = n;
		if (param[1] != '*')
			param++;
	}
	if (*param && *param != '?' && !optional && !(param[1] == '*' && node->n > 0))
		return expr_check_wrong_count(c, node, false);
	return result_of(c, builtin->result[0], &first, any_array, ret);
}

/* get(array, index) and get(map, key). */
static int check_get(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature base, key;

	if (node->n != 2)
		return expr_check_wrong_count(c, node, node->n > 2);
	if (expr_check_node(c, node->list[0], &base) < 0 ||
		expr_check_node(c, node->list[1], &key) < 0)
		return -EINVAL;
	*ret = nature_untyped();
	if (nature_is_any(&base))
		return 0;
	if (base.type == VALUE_ARRAY && (nature_is_any(&key) || key.type == VALUE_INT))
		*ret = nature_elem(&base);
	else if (base.type == VALUE_MAP &&
		 (nature_is_any(&key) || base.any_key || key.type == VALUE_STRING))
		*ret = nature_of_type(VALUE_ANY);
	else
		return expr_check_fail(c, node->list[0], "get() cannot take %s of %s",
			nature_name(&key), nature_name(&base));
	return 0;
}

/* One of the environment. */
static int check_function(struct expr_checker *c, const struct expr_node *node,
	enum expr_function function, struct nature *ret)
{
	static const enum value_type results[] = {[EXPR_AS_INT] = VALUE_INT,
		[EXPR_AS_FLOAT] = VALUE_FLOAT,
		[EXPR_IS_NAN] = VALUE_BOOL,
		[EXPR_IS_INF] = VALUE_BOOL,
		[EXPR_IS_NIL] = VALUE_BOOL,
		[EXPR_DEFAULT] = VALUE_ANY};
	bool string = c->expr->dialect == EXPR_BCS;
	bool number = function == EXPR_IS_NAN || function == EXPR_IS_INF;

	if (node->n != functions[function].params)
		return expr_check_wrong_count(c, node, node->n > functions[function].params);
	for (size_t i = 0; i < node->n; i++) {
		struct nature n;
		int rc = expr_check_node(c, node->list[i], &n);

		if (rc < 0)
			return rc;
		if (!nature_is_any(&n) &&
			((string && n.type != VALUE_STRING) ||
				(number && !nature_is_one_of(&n, NATURE_NUMBERS))))
			return expr_check_fail(c, node->list[i], "%s() takes a %s, not %s",
				functions[function].name, string ? "string" : "number",
				nature_name(&n));
	}
	*ret = nature_of_type(results[function]);
	return 0;
}

int expr_check_call(struct expr_checker *c, const struct expr_node *node, struct nature *ret)
{
	enum expr_function function = expr_function_find(c->expr, &node->value);
	const struct expr_builtin *builtin = expr_builtin_find(&node->value);
	bool exists;

	if (function != EXPR_NO_FUNCTION)
		return check_function(c, node, function, ret);
	if (builtin && c->expr->dialect == EXPR_BCS && strcmp(builtin->name, "len") != 0)
		return expr_check_fail(c, node,
			"%s() is not in the language of BlueKing's conditions (dialect bcs)",
			builtin->name);
	if (builtin && strcmp(builtin->name, "get") == 0)
		return check_get(c, node, ret);
	if (builtin)
		return check_builtin(c, node, builtin, ret);
	(void)expr_check_variable(c, &node->value, &exists);
	if (exists)
		return expr_check_fail(c, node, "%.*s is not callable", (int)node->value.count,
			node->value.u.text);
	return unknown_name(c, node, true);
}
