#include "config.h"

#include "verify/expr_check.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/suggest.h"
#include "verify/expr_builtin.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* What is known of a value before it is there. */
struct nature {
	enum value_type type; /* VALUE_ANY: anything */
	bool untyped;	      /* of VALUE_ANY: Go has not even 'interface{}' for it, which counts in
				 what a conditional may be */
	bool any_key;	      /* of a map */
	const struct nature *elem;  /* of an array; NULL: anything */
	const struct value *fields; /* of a map whose members are all known */
};

struct variable {
	const struct value *name;
	struct nature nature;
	const struct variable *outer;
};

struct closure {
	struct nature collection;
	bool has_index, has_acc;
	const struct closure *outer;
};

struct checker {
	const struct expr *expr;
	const struct expr_env *env;
	const struct variable *variables;
	const struct closure *closure;
	struct value_pool pool;
	struct th_err *err;
};

#define BIT(type)  (1U << (type))
#define NUMBERS	   (BIT(VALUE_INT) | BIT(VALUE_FLOAT))
#define DIMENSIONS (BIT(VALUE_TIME) | BIT(VALUE_DURATION))

static const struct nature untyped = {.type = VALUE_ANY, .untyped = true};

static int check(struct checker *c, const struct expr_node *node, struct nature *ret);

/* A macro, so that the result is seen to be negative. */
#define fail(...) (complain(__VA_ARGS__), -EINVAL)

PRINTF_ATTR(3, 4)
static void complain(const struct checker *c, const struct expr_node *node, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	expr_complain(c->expr, node->at, c->err, 240, fmt, args);
	va_end(args);
}

static struct nature of_type(enum value_type type)
{
	return (struct nature){.type = type};
}

static bool is_any(const struct nature *n)
{
	return n->type == VALUE_ANY;
}

static bool is_one_of(const struct nature *n, unsigned types)
{
	return BIT(n->type) & types;
}

/* Both are of these types as far as they are known. */
static bool may_be(const struct nature *a, const struct nature *b, unsigned types)
{
	return (is_any(a) || is_one_of(a, types)) && (is_any(b) || is_one_of(b, types)) &&
	       (is_any(a) || is_any(b));
}

static const char *name_of(const struct nature *n)
{
	return value_type_name(n->type);
}

static struct nature elem_of(const struct nature *n)
{
	if (n->type == VALUE_ARRAY && n->elem)
		return *n->elem;
	return of_type(VALUE_ANY);
}

static int array_of(struct checker *c, const struct nature *elem, struct nature *ret)
{
	struct nature *copy = value_pool_alloc(&c->pool, 1, sizeof(*copy));

	*ret = of_type(VALUE_ARRAY);
	if (copy) {
		*copy = *elem;
		ret->elem = copy;
	}
	return 0;
}

static int of_value(
	struct checker *c, const struct value *v, bool known_members, struct nature *ret)
{
	struct nature elem = of_type((enum value_type)v->elem);

	*ret = of_type((enum value_type)v->type);
	if (v->type == VALUE_MAP) {
		ret->any_key = v->u.map->any_key;
		ret->fields = known_members ? v : NULL;
	}
	return v->type == VALUE_ARRAY && v->elem != VALUE_ANY ? array_of(c, &elem, ret) : 0;
}

static bool assignable(const struct nature *from, const struct nature *to)
{
	if (to->type == VALUE_ANY)
		return !to->untyped && !from->untyped && from->type != VALUE_NIL;
	if (from->type == VALUE_NIL)
		return to->type == VALUE_MAP || to->type == VALUE_ARRAY;
	return from->type == to->type && (from->type != VALUE_MAP || from->any_key == to->any_key);
}

static bool comparable(const struct nature *a, const struct nature *b)
{
	return is_any(a) || is_any(b) || a->type == VALUE_NIL || b->type == VALUE_NIL ||
	       (is_one_of(a, NUMBERS) && is_one_of(b, NUMBERS)) ||
	       (a->type == b->type && (a->type != VALUE_MAP || a->any_key == b->any_key));
}

/* ---- names and functions ----------------------------------------------------------------- */

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

static const struct value *variable_of_env(
	const struct checker *c, const struct value *name, bool *ret_exists)
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

static int unknown_name(const struct checker *c, const struct expr_node *node, bool call)
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
		return fail(c, node, "unknown name %s (did you mean %s?)", name, near);
	return fail(
		c, node, "unknown name %s%s", name, call ? "" : " (a text stands in quotes: '…')");
}

static int check_name(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct value *v;
	bool exists;

	for (const struct variable *var = c->variables; var; var = var->outer)
		if (value_equal(var->name, &node->value)) {
			*ret = var->nature;
			return 0;
		}
	v = variable_of_env(c, &node->value, &exists);
	if (!exists) {
		if (expr_function_find(c->expr, &node->value) != EXPR_NO_FUNCTION ||
			expr_builtin_find(&node->value))
			return fail(c, node, "%.*s is a function: write %.*s(…)",
				(int)node->value.count, node->value.u.text, (int)node->value.count,
				node->value.u.text);
		return unknown_name(c, node, false);
	}
	*ret = of_type(VALUE_ANY);
	return v ? of_value(c, v, !value_is_text(&node->value, "result"), ret) : 0;
}

static int wrong_count(const struct checker *c, const struct expr_node *node, bool too_many)
{
	return fail(c, node, "%s arguments to call %.*s()", too_many ? "too many" : "not enough",
		(int)node->value.count, node->value.u.text);
}

static bool param_takes(char param, const struct nature *n)
{
	if (is_any(n) || param == 'a')
		return true;
	switch (param) {
	case 's':
		return n->type == VALUE_STRING;
	case 'i':
		return n->type == VALUE_INT;
	case 'n':
		return is_one_of(n, NUMBERS);
	case 'x':
		return is_one_of(n, NUMBERS | BIT(VALUE_STRING) | BIT(VALUE_DURATION));
	case 'A':
		return n->type == VALUE_ARRAY;
	case 'M':
		return n->type == VALUE_MAP;
	case 'L':
		return is_one_of(n, BIT(VALUE_STRING) | BIT(VALUE_ARRAY) | BIT(VALUE_MAP));
	case 'g':
		return is_one_of(n, NUMBERS | BIT(VALUE_ARRAY));
	default:
		return false;
	}
}

static int result_of(struct checker *c, char result, const struct nature *first, bool any_array,
	struct nature *ret)
{
	struct nature string = of_type(VALUE_STRING);

	*ret = of_type(VALUE_ANY);
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
		return array_of(c, &string, ret);
	case 'M':
		ret->type = VALUE_MAP;
		ret->any_key = true;
		break;
	case '=':
		*ret = *first;
		break;
	case 'e':
		*ret = elem_of(first);
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

static int check_builtin(struct checker *c, const struct expr_node *node,
	const struct expr_builtin *builtin, struct nature *ret)
{
	const char *param = builtin->params;
	struct nature first = of_type(VALUE_ANY);
	bool optional = false, any_array = false;

	for (size_t i = 0; i < node->n; i++) {
		struct nature n;
		int rc;

		if (*param == '?') {
			optional = true;
			param++;
		}
		if (!*param)
			return wrong_count(c, node, true);
		rc = check(c, node->list[i], &n);
		if (rc < 0)
			return rc;
		/* As upstream: behind an array or what may be one, max() looks at no type. */
		if (!param_takes(*param, &n) && !(*param == 'g' && any_array))
			return fail(c, node->list[i], "%s() cannot take %s", builtin->name,
				name_of(&n));
		any_array |= is_any(&n) || n.type == VALUE_ARRAY;
		if (i == 0)
			first = n;
		if (param[1] != '*')
			param++;
	}
	if (*param && *param != '?' && !optional && !(param[1] == '*' && node->n > 0))
		return wrong_count(c, node, false);
	return result_of(c, builtin->result[0], &first, any_array, ret);
}

/* get(array, index) and get(map, key). */
static int check_get(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature base, key;

	if (node->n != 2)
		return wrong_count(c, node, node->n > 2);
	if (check(c, node->list[0], &base) < 0 || check(c, node->list[1], &key) < 0)
		return -EINVAL;
	*ret = untyped;
	if (is_any(&base))
		return 0;
	if (base.type == VALUE_ARRAY && (is_any(&key) || key.type == VALUE_INT))
		*ret = elem_of(&base);
	else if (base.type == VALUE_MAP &&
		 (is_any(&key) || base.any_key || key.type == VALUE_STRING))
		*ret = of_type(VALUE_ANY);
	else
		return fail(c, node->list[0], "get() cannot take %s of %s", name_of(&key),
			name_of(&base));
	return 0;
}

static int check_call(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	static const enum value_type results[] = {[EXPR_AS_INT] = VALUE_INT,
		[EXPR_AS_FLOAT] = VALUE_FLOAT,
		[EXPR_IS_NAN] = VALUE_BOOL,
		[EXPR_IS_INF] = VALUE_BOOL,
		[EXPR_IS_NIL] = VALUE_BOOL,
		[EXPR_DEFAULT] = VALUE_ANY};
	enum expr_function function = expr_function_find(c->expr, &node->value);
	const struct expr_builtin *builtin = expr_builtin_find(&node->value);

	if (function == EXPR_NO_FUNCTION) {
		bool exists;

		if (builtin && c->expr->dialect == EXPR_BCS && strcmp(builtin->name, "len") != 0)
			return fail(c, node,
				"%s() is not in the language of BlueKing's conditions (dialect "
				"bcs)",
				builtin->name);
		if (builtin && strcmp(builtin->name, "get") == 0)
			return check_get(c, node, ret);
		if (builtin)
			return check_builtin(c, node, builtin, ret);
		(void)variable_of_env(c, &node->value, &exists);
		if (exists)
			return fail(c, node, "%.*s is not callable", (int)node->value.count,
				node->value.u.text);
		return unknown_name(c, node, true);
	}
	if (node->n != functions[function].params)
		return wrong_count(c, node, node->n > functions[function].params);
	for (size_t i = 0; i < node->n; i++) {
		bool string = c->expr->dialect == EXPR_BCS;
		bool number = function == EXPR_IS_NAN || function == EXPR_IS_INF;
		struct nature n;
		int rc = check(c, node->list[i], &n);

		if (rc < 0)
			return rc;
		if (!is_any(&n) &&
			((string && n.type != VALUE_STRING) || (number && !is_one_of(&n, NUMBERS))))
			return fail(c, node->list[i], "%s() takes a %s, not %s",
				functions[function].name, string ? "string" : "number",
				name_of(&n));
	}
	*ret = of_type(results[function]);
	return 0;
}

/* ---- operators --------------------------------------------------------------------------- */

static int mismatch(const struct checker *c, const struct expr_node *node, const struct nature *a,
	const struct nature *b)
{
	const struct nature *other = a->type == VALUE_STRING ? b : a;
	const char *hint = "";

	if ((a->type == VALUE_STRING || b->type == VALUE_STRING) && is_one_of(other, NUMBERS))
		hint = "; asFloat(…) or asInt(…) makes a number of a string";
	return fail(c, node, "'%s' cannot join %s and %s%s", expr_op_name(node->op), name_of(a),
		name_of(b), hint);
}

static int check_in(struct checker *c, const struct expr_node *node, const struct nature *a,
	const struct nature *b)
{
	struct nature elem = elem_of(b);

	if (b->type == VALUE_MAP) {
		if (!b->any_key && !is_any(a) && a->type != VALUE_STRING &&
			c->expr->dialect != EXPR_BCS)
			return fail(
				c, node, "the keys of this map are strings, not %s", name_of(a));
		return 0;
	}
	if (b->type == VALUE_ARRAY) {
		if (!comparable(a, &elem) && c->expr->dialect != EXPR_BCS)
			return fail(c, node, "the elements of this array are of type %s, not %s",
				name_of(&elem), name_of(a));
		return 0;
	}
	if (is_any(b) || (is_any(a) && b->type == VALUE_STRING))
		return 0;
	if (b->type == VALUE_STRING)
		return fail(c, node,
			"'in' looks into arrays and maps; for strings there is 'contains'");
	return mismatch(c, node, a, b);
}

static struct nature promoted(const struct nature *a, const struct nature *b)
{
	return of_type(a->type == VALUE_INT && b->type == VALUE_INT ? VALUE_INT : VALUE_FLOAT);
}

/* + and - of numbers, strings, times and durations. */
static bool check_sum(bool plus, const struct nature *a, const struct nature *b, struct nature *ret)
{
	unsigned types = NUMBERS | DIMENSIONS | (plus ? BIT(VALUE_STRING) : 0);
	bool time_a = a->type == VALUE_TIME, time_b = b->type == VALUE_TIME;
	bool duration_a = a->type == VALUE_DURATION, duration_b = b->type == VALUE_DURATION;

	*ret = untyped;
	if (is_one_of(a, NUMBERS) && is_one_of(b, NUMBERS))
		*ret = promoted(a, b);
	else if (plus && a->type == VALUE_STRING && b->type == VALUE_STRING)
		*ret = of_type(VALUE_STRING);
	else if (duration_a && duration_b)
		*ret = of_type(VALUE_DURATION);
	else if ((time_a && duration_b) || (plus && duration_a && time_b))
		*ret = of_type(VALUE_TIME);
	else if (!plus && time_a && time_b)
		*ret = of_type(VALUE_DURATION);
	else
		return may_be(a, b, types);
	return true;
}

static int check_binary(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature a, b;
	bool fits = false, bcs = c->expr->dialect == EXPR_BCS;

	if (check(c, node->a, &a) < 0 || check(c, node->b, &b) < 0)
		return -EINVAL;
	*ret = of_type(VALUE_BOOL);
	switch (node->op) {
	case EXPR_OP_EQUAL:
	case EXPR_OP_NOT_EQUAL:
		fits = comparable(&a, &b);
		break;
	case EXPR_OP_OR:
	case EXPR_OP_AND:
		fits = (a.type == VALUE_BOOL && b.type == VALUE_BOOL) ||
		       may_be(&a, &b, BIT(VALUE_BOOL));
		break;
	case EXPR_OP_LESS:
	case EXPR_OP_GREATER:
	case EXPR_OP_LESS_EQUAL:
	case EXPR_OP_GREATER_EQUAL:
		fits = (is_one_of(&a, NUMBERS) && is_one_of(&b, NUMBERS)) ||
		       (a.type == b.type && is_one_of(&a, DIMENSIONS | BIT(VALUE_STRING))) ||
		       may_be(&a, &b, NUMBERS | DIMENSIONS | BIT(VALUE_STRING));
		break;
	case EXPR_OP_IN:
		return check_in(c, node, &a, &b);
	case EXPR_OP_MATCHES:
	case EXPR_OP_CONTAINS:
	case EXPR_OP_STARTS_WITH:
	case EXPR_OP_ENDS_WITH:
		fits = (a.type == VALUE_STRING && b.type == VALUE_STRING) ||
		       may_be(&a, &b, BIT(VALUE_STRING));
		break;
	case EXPR_OP_RANGE: {
		struct nature integer = of_type(VALUE_INT);

		fits = (a.type == VALUE_INT && b.type == VALUE_INT) ||
		       may_be(&a, &b, BIT(VALUE_INT));
		(void)array_of(c, &integer, ret);
		break;
	}
	case EXPR_OP_ADD:
	case EXPR_OP_SUBTRACT:
		fits = check_sum(node->op == EXPR_OP_ADD, &a, &b, ret);
		break;
	case EXPR_OP_MULTIPLY:
		*ret = untyped;
		fits = may_be(&a, &b, NUMBERS | BIT(VALUE_DURATION));
		if (is_one_of(&a, NUMBERS) && is_one_of(&b, NUMBERS)) {
			fits = true;
			*ret = promoted(&a, &b);
		} else if (is_one_of(&a, NUMBERS | BIT(VALUE_DURATION)) &&
			   is_one_of(&b, NUMBERS | BIT(VALUE_DURATION))) {
			fits = true;
			*ret = of_type(VALUE_DURATION);
		}
		break;
	case EXPR_OP_DIVIDE:
	case EXPR_OP_POWER:
		fits = (is_one_of(&a, NUMBERS) && is_one_of(&b, NUMBERS)) ||
		       may_be(&a, &b, NUMBERS);
		*ret = of_type(VALUE_FLOAT);
		if (bcs && node->op == EXPR_OP_DIVIDE)
			*ret = is_any(&a) || is_any(&b) ? untyped : promoted(&a, &b);
		break;
	case EXPR_OP_MODULO:
		fits = (a.type == VALUE_INT && b.type == VALUE_INT) ||
		       may_be(&a, &b, BIT(VALUE_INT));
		*ret = of_type(VALUE_INT);
		if (!fits && (is_any(&a) || is_one_of(&a, NUMBERS)) &&
			(is_any(&b) || is_one_of(&b, NUMBERS)))
			return fail(c, node, "'%%' takes integers only: write int(…)");
		break;
	case EXPR_OP_COALESCE:
		if (a.type == VALUE_NIL || b.type == VALUE_NIL)
			*ret = a.type == VALUE_NIL ? b : a;
		else
			*ret = assignable(&b, &a) ? a : untyped;
		return 0;
	case EXPR_OP_NONE:
		break;
	}
	return fits ? 0 : mismatch(c, node, &a, &b);
}

static int check_unary(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature n;
	int rc = check(c, node->a, &n);

	if (rc < 0)
		return rc;
	if (node->kind == EXPR_NOT) {
		*ret = of_type(VALUE_BOOL);
		if (is_any(&n) || n.type == VALUE_BOOL)
			return 0;
		return fail(c, node, "'not' cannot apply to %s", name_of(&n));
	}
	*ret = is_any(&n) ? untyped : n;
	if (is_any(&n) || is_one_of(&n, NUMBERS))
		return 0;
	return fail(c, node, "'%c' cannot apply to %s", node->kind == EXPR_MINUS ? '-' : '+',
		name_of(&n));
}

/* ---- members, closures and the rest ------------------------------------------------------- */

static int check_known_member(struct checker *c, const struct expr_node *node,
	const struct value *map, struct nature *ret)
{
	const struct value *found = value_map_get(map, &node->b->value);

	if (found)
		return of_value(c, found, false, ret);
	{
		_cleanup_free_ char *name =
			str_escape_n(node->b->value.u.text, node->b->value.count, 60);
		_cleanup_strv_ struct strv known = STRV_INIT;
		const char *near;

		for (size_t i = 0; i < map->count; i++) {
			_cleanup_free_ char *key = xstrndup(
				map->u.map->pairs[i].key.u.text, map->u.map->pairs[i].key.count);

			strv_add(&known, key);
		}
		near = suggest_nearest(name, (const char *const *)known.v, known.n);
		return fail(c, node,
			near ? "unknown field %s (did you mean %s?)" : "unknown field %s", name,
			near);
	}
}

static int check_member(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	bool named = node->b->kind == EXPR_LITERAL && node->b->value.type == VALUE_STRING;
	struct nature base, key;
	_cleanup_free_ char *shown = NULL;

	if (check(c, node->a, &base) < 0 || check(c, node->b, &key) < 0)
		return -EINVAL;
	*ret = untyped;
	if (is_any(&base))
		return 0;
	if (base.type == VALUE_MAP) {
		*ret = of_type(VALUE_ANY);
		if (!is_any(&key) && !base.any_key && key.type != VALUE_STRING)
			return fail(
				c, node, "the keys of a map are strings, not %s", name_of(&key));
		if (named && base.fields)
			return check_known_member(c, node, base.fields, ret);
		return 0;
	}
	if (base.type == VALUE_ARRAY && !named) {
		*ret = elem_of(&base);
		if (is_any(&key) || key.type == VALUE_INT)
			return 0;
		return fail(c, node,
			"array elements can only be selected using an integer (got %s)",
			name_of(&key));
	}
	if (named) {
		shown = str_escape_n(node->b->value.u.text, node->b->value.count, 60);
		return fail(c, node, "type %s has no field %s", name_of(&base), shown);
	}
	return fail(c, node, "type %s has no elements", name_of(&base));
}

static int check_slice(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct expr_node *ends[] = {node->b, node->c};
	int rc = check(c, node->a, ret);

	if (rc < 0)
		return rc;
	if (!is_any(ret) && ret->type != VALUE_STRING && ret->type != VALUE_ARRAY)
		return fail(c, node, "cannot slice %s", name_of(ret));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct nature n;

		if (!ends[i])
			continue;
		rc = check(c, ends[i], &n);
		if (rc < 0)
			return rc;
		if (!is_any(ret) && !is_any(&n) && n.type != VALUE_INT)
			return fail(c, ends[i], "non-integer slice index (%s)", name_of(&n));
	}
	if (is_any(ret))
		*ret = untyped;
	return 0;
}

static const struct {
	const char *name;

	char result;	/* b, i, A array of what the closure gives, F array of elements, e element,
			   S what is summed up, M map of arrays, = the array, c what the closure gives
			 */
	bool predicate; /* the closure has to be a bool */
} closure_builtins[] = {
	{"all", 'b', true},
	{"none", 'b', true},
	{"any", 'b', true},
	{"one", 'b', true},
	{"filter", 'F', true},
	{"map", 'A', false},
	{"count", 'i', true},
	{"sum", 'S', false},
	{"find", 'e', true},
	{"findLast", 'e', true},
	{"findIndex", 'i', true},
	{"findLastIndex", 'i', true},
	{"groupBy", 'M', false},
	{"sortBy", '=', false},
	{"reduce", 'c', false},
};

static int check_closure_builtin(
	struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct closure closure = {.outer = c->closure};
	struct nature inner = untyped, order, elem;
	size_t i = 0;
	int rc;

	while (i < ARRAY_SIZE(closure_builtins) - 1 &&
		!value_is_text(&node->value, closure_builtins[i].name))
		i++;
	rc = check(c, node->list[0], &closure.collection);
	if (rc < 0)
		return rc;
	if (!is_any(&closure.collection) && closure.collection.type != VALUE_ARRAY)
		return fail(c, node->list[0], "%s() takes an array, not %s",
			closure_builtins[i].name, name_of(&closure.collection));
	closure.has_acc = closure_builtins[i].result == 'c';
	closure.has_index = closure.has_acc || closure_builtins[i].result == 'A';
	if (node->n > 1) {
		c->closure = &closure;
		rc = check(c, node->list[1], &inner);
		c->closure = closure.outer;
		if (rc < 0)
			return rc;
		if (inner.type == VALUE_NIL)
			return fail(c, node->list[1], "the closure of %s() gives nothing",
				closure_builtins[i].name);
		if (closure_builtins[i].predicate && !is_any(&inner) && inner.type != VALUE_BOOL)
			return fail(c, node->list[1],
				"the closure of %s() should be true or false, not %s",
				closure_builtins[i].name, name_of(&inner));
	}
	if (node->n > 2) {
		rc = check(c, node->list[2], &order);
		if (rc < 0)
			return rc;
		if (closure_builtins[i].result == '=' && !is_any(&order) &&
			order.type != VALUE_STRING)
			return fail(c, node->list[2], "the order of sortBy() must be a string");
	}
	elem = is_any(&closure.collection) ? untyped : elem_of(&closure.collection);
	*ret = of_type(VALUE_ANY);
	switch (closure_builtins[i].result) {
	case 'b':
		ret->type = VALUE_BOOL;
		return 0;
	case 'i':
		ret->type = VALUE_INT;
		return 0;
	case 'F':
		return array_of(c, &elem, ret);
	case 'A':
		return array_of(c, &inner, ret);
	case 'e':
		*ret = elem;
		return 0;
	case 'S':
		*ret = node->n > 1 ? inner : elem;
		return 0;
	case 'M':
		ret->type = VALUE_MAP;
		ret->any_key = true;
		return 0;
	case '=':
		*ret = closure.collection;
		return 0;
	default:
		*ret = inner;
		return 0;
	}
}

static int check_pointer(const struct checker *c, const struct expr_node *node, struct nature *ret)
{
	const struct closure *closure = c->closure;

	*ret = untyped;
	if (!closure)
		return fail(c, node, "# has a meaning in a closure only");
	if (node->value.count == 0) {
		if (!is_any(&closure->collection))
			*ret = elem_of(&closure->collection);
		return 0;
	}
	if (closure->has_index && value_is_text(&node->value, "index")) {
		*ret = of_type(VALUE_INT);
		return 0;
	}
	if (closure->has_acc && value_is_text(&node->value, "acc"))
		return 0;
	return fail(c, node, "unknown pointer #%.*s", (int)MIN(node->value.count, 60U),
		node->value.u.text);
}

static int check_let(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct variable variable = {.name = &node->value, .outer = c->variables};
	const struct variable *outer = c->variables;
	bool exists;
	int rc;

	(void)variable_of_env(c, &node->value, &exists);
	for (; outer && !exists; outer = outer->outer)
		exists = value_equal(outer->name, &node->value);
	for (size_t i = 0; i < ARRAY_SIZE(closure_builtins) && !exists; i++)
		exists = value_is_text(&node->value, closure_builtins[i].name);
	if (exists || expr_builtin_find(&node->value) ||
		expr_function_find(c->expr, &node->value) != EXPR_NO_FUNCTION)
		return fail(c, node, "cannot redeclare %.*s", (int)MIN(node->value.count, 60U),
			node->value.u.text);
	rc = check(c, node->a, &variable.nature);
	if (rc < 0)
		return rc;
	c->variables = &variable;
	rc = check(c, node->b, ret);
	c->variables = variable.outer;
	return rc;
}

static int check_conditional(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature condition, then, otherwise;

	if (check(c, node->a, &condition) < 0)
		return -EINVAL;
	if (!is_any(&condition) && condition.type != VALUE_BOOL)
		return fail(c, node->a, "non-bool expression (%s) used as condition",
			name_of(&condition));
	if (check(c, node->b, &then) < 0 || check(c, node->c, &otherwise) < 0)
		return -EINVAL;
	if (then.type == VALUE_NIL)
		*ret = otherwise;
	else if (otherwise.type == VALUE_NIL)
		*ret = then;
	else if (!assignable(&then, &otherwise))
		*ret = untyped;
	else if (then.type == VALUE_ARRAY)
		*ret = of_type(VALUE_ARRAY);
	else
		*ret = then;
	return 0;
}

static int check_array(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature elem = untyped, previous = untyped;
	bool same = true;

	for (size_t i = 0; i < node->n; i++) {
		int rc = check(c, node->list[i], &elem);

		if (rc < 0)
			return rc;
		same = same && (i == 0 || elem.type == previous.type);
		previous = elem;
	}
	/* expr 1.8 looks at no element. */
	if (same && c->expr->dialect != EXPR_BCS)
		return array_of(c, &elem, ret);
	*ret = of_type(VALUE_ARRAY);
	return 0;
}

static int check_list(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	for (size_t i = 0; i < node->n; i++) {
		int rc = check(c, node->list[i], ret);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Times and durations have a few methods, which need no argument. */
static int check_method(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	struct nature base, ignored;
	int rc = check(c, node->a, &base);

	if (rc == 0)
		rc = check_list(c, node, &ignored);
	if (rc < 0)
		return rc;
	*ret = untyped;
	if (is_any(&base) || base.type == VALUE_MAP)
		return 0;
	if (base.type == VALUE_TIME || base.type == VALUE_DURATION) {
		if (node->n == 0)
			return 0;
		return wrong_count(c, node, true);
	}
	return fail(c, node, "type %s has no method %.*s", name_of(&base),
		(int)MIN(node->value.count, 60U), node->value.u.text);
}

/* Recursion as deep as the tree, which is bounded. */
static int check(struct checker *c, const struct expr_node *node, struct nature *ret)
{
	int rc;

	*ret = untyped;
	switch (node->kind) {
	case EXPR_LITERAL:
		*ret = of_type((enum value_type)node->value.type);
		return 0;
	case EXPR_NAME:
		return check_name(c, node, ret);
	case EXPR_NOT:
	case EXPR_MINUS:
	case EXPR_PLUS:
		return check_unary(c, node, ret);
	case EXPR_BINARY:
		return check_binary(c, node, ret);
	case EXPR_CHAIN:
		return check(c, node->a, ret);
	case EXPR_MEMBER:
		return check_member(c, node, ret);
	case EXPR_SLICE:
		return check_slice(c, node, ret);
	case EXPR_CALL:
		return check_call(c, node, ret);
	case EXPR_METHOD:
		return check_method(c, node, ret);
	case EXPR_BUILTIN:
		return check_closure_builtin(c, node, ret);
	case EXPR_POINTER:
		return check_pointer(c, node, ret);
	case EXPR_LET:
		return check_let(c, node, ret);
	case EXPR_SEQUENCE:
		return check_list(c, node, ret);
	case EXPR_CONDITIONAL:
		return check_conditional(c, node, ret);
	case EXPR_ARRAY:
		return check_array(c, node, ret);
	case EXPR_MAP:
		rc = check_list(c, node, ret);
		*ret = of_type(VALUE_MAP);
		return rc;
	}
	return -EINVAL;
}

int expr_check(const struct expr *expr, const struct expr_env *env, enum value_type *ret_type,
	struct th_err *err)
{
	struct checker c = {.expr = expr, .env = env, .pool = VALUE_POOL_INIT, .err = err};
	struct nature nature;
	int rc = check(&c, expr->root, &nature);

	value_pool_done(&c.pool);
	if (rc == 0 && ret_type)
		*ret_type = nature.type;
	return rc;
}
