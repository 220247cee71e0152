#include "config.h"

#include "verify/expr_parse.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_parse_internal.h"

#include <errno.h>
#include <string.h>

static int parse_number(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_token token = p->current;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct value value = value_nil();
	unsigned base = 10;
	char prefix;
	int rc = 0;

	for (uint32_t i = token.from; i < token.to; i++)
		if (p->s[i] != '_')
			strbuf_addc(&b, p->s[i]);
	prefix = b.len > 1 && b.s[0] == '0' ? (char)(b.s[1] | 0x20) : '\0';
	if (prefix == 'x')
		base = 16;
	else if (strpbrk(b.s, ".eE"))
		base = 0;
	else if (prefix == 'b')
		base = 2;
	else if (prefix == 'o')
		base = 8;
	if (base == 0) {
		double number;

		rc = value_parse_float(b.s, b.len, &number);
		value = value_float(rc < 0 ? 0 : number);
	} else if (base == 10) {
		int64_t integer;

		rc = value_parse_int(b.s, b.len, &integer);
		value = value_int(rc < 0 ? 0 : integer);
	} else {
		int64_t integer = 0;

		rc = b.len > 2 ? 0 : -EINVAL;
		for (size_t i = 2; i < b.len && rc == 0; i++) {
			int digit = expr_hex_value(b.s[i]);

			if (digit < 0 || (unsigned)digit >= base)
				rc = -EINVAL;
			else if (__builtin_mul_overflow(integer, (int64_t)base, &integer) ||
				 __builtin_add_overflow(integer, (int64_t)digit, &integer))
				rc = -ERANGE;
		}
		value = value_int(integer);
	}
	if (rc != 0)
		return expr_error(p->expr, token.from, EINVAL, p->err,
			rc == -ERANGE ? "the number %.*s is too large" : "invalid number %.*s",
			(int)MIN(token.to - token.from, 40U), p->s + token.from);
	rc = expr_next(p);
	if (rc == 0)
		rc = expr_new_node(p, EXPR_LITERAL, token.from, token.from, ret);
	if (rc == 0)
		(*ret)->value = value;
	return rc;
}

static int parse_array(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	size_t room = 0;
	int rc = expr_new_node(p, EXPR_ARRAY, p->current.from, p->current.from, &node);

	if (rc != 0)
		return rc;
	rc = expr_next(p);
	while (rc == 0 && !expr_is(p, TOKEN_BRACKET, "]")) {
		struct expr_node *element = NULL;

		if (node->n > 0) {
			rc = expr_expect(p, TOKEN_OPERATOR, ",");
			if (rc < 0 || expr_is(p, TOKEN_BRACKET, "]"))
				break;
		}
		rc = expr_parse_expression(p, 0, &element);
		if (rc == 0)
			rc = expr_append(p, node, &room, element);
	}
	if (rc == 0)
		rc = expr_next(p);
	node->to = p->end;
	*ret = node;
	return rc;
}

static int parse_key(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_token token = p->current;
	int rc;

	if (expr_is(p, TOKEN_BRACKET, "("))
		return expr_parse_expression(p, 0, ret);
	if (token.kind != TOKEN_NUMBER && token.kind != TOKEN_STRING && token.kind != TOKEN_NAME)
		return expr_error(p->expr, token.from, EINVAL, p->err,
			"the key of a map must be a string, a number, a name or an expression in "
			"round brackets");
	rc = expr_next(p);
	if (rc == 0)
		rc = expr_new_node(p, EXPR_LITERAL, token.from, token.from, ret);
	if (rc == 0)
		(*ret)->value = expr_token_value(p, &token);
	return rc;
}

static int parse_map(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	size_t room = 0;
	int rc = expr_new_node(p, EXPR_MAP, p->current.from, p->current.from, &node);

	if (rc != 0)
		return rc;
	rc = expr_next(p);
	while (rc == 0 && !expr_is(p, TOKEN_BRACKET, "}")) {
		struct expr_node *key = NULL, *value = NULL;

		if (node->n > 0) {
			rc = expr_expect(p, TOKEN_OPERATOR, ",");
			if (rc < 0 || expr_is(p, TOKEN_BRACKET, "}"))
				break;
		}
		rc = parse_key(p, &key);
		if (rc == 0)
			rc = expr_expect(p, TOKEN_OPERATOR, ":");
		if (rc == 0)
			rc = expr_parse_expression(p, 0, &value);
		if (rc == 0)
			rc = expr_append(p, node, &room, key);
		if (rc == 0)
			rc = expr_append(p, node, &room, value);
	}
	if (rc == 0)
		rc = expr_next(p);
	node->to = p->end;
	*ret = node;
	return rc;
}

/* Builtins whose second argument is a closure. */
static const struct closure_builtin {
	const char *name;
	bool optional; /* the closure may be missing */
	bool third;    /* one more argument may follow */
	bool in_bcs;
} closure_builtins[] = {
	{"all", false, false, true},
	{"none", false, false, true},
	{"any", false, false, true},
	{"one", false, false, true},
	{"filter", false, false, true},
	{"map", false, false, true},
	{"count", true, false, true},
	{"sum", true, false, false},
	{"find", false, false, false},
	{"findIndex", false, false, false},
	{"findLast", false, false, false},
	{"findLastIndex", false, false, false},
	{"groupBy", false, false, false},
	{"sortBy", false, true, false},
	{"reduce", false, true, false},
};

static int parse_closure(struct expr_parser *p, struct expr_node **ret)
{
	bool braces = expr_is(p, TOKEN_BRACKET, "{");
	int rc;

	if (!braces && p->expr->dialect == EXPR_BCS)
		return expr_not_in_bcs(p, "a closure without braces");
	p->closures++;
	rc = braces ? expr_parse_block(p, ret) : expr_parse_expression(p, 0, ret);
	p->closures--;
	if (rc == 0 && !braces && expr_is(p, TOKEN_OPERATOR, ";"))
		return expr_error(p->expr, p->current.from, EINVAL, p->err,
			"wrap predicate with brackets { and }");
	return rc;
}

static int parse_closure_call(struct expr_parser *p, const struct closure_builtin *builtin,
	struct expr_node *node, size_t *room)
{
	bool bcs = p->expr->dialect == EXPR_BCS;
	size_t piped = node->n;
	int rc = expr_expect(p, TOKEN_BRACKET, "(");

	for (size_t i = piped; rc == 0 && i < (builtin->third ? 3U : 2U); i++) {
		bool optional = i == 2 || (i == 1 && builtin->optional && !bcs);
		struct expr_node *argument = NULL;

		if (expr_is(p, TOKEN_BRACKET, ")")) {
			if (optional)
				break;
			return expr_error(p->expr, p->current.from, EINVAL, p->err,
				"%s() needs an array and a closure", builtin->name);
		}
		if (i > piped)
			rc = expr_expect(p, TOKEN_OPERATOR, ",");
		/* Behind a comma at the end nothing has to follow. */
		if (rc == 0 && optional && expr_is(p, TOKEN_BRACKET, ")"))
			break;
		if (rc == 0)
			rc = i == 1 ? parse_closure(p, &argument)
				    : expr_parse_expression(p, 0, &argument);
		if (rc == 0)
			rc = expr_append(p, node, room, argument);
	}
	if (rc == 0 && !bcs && expr_is(p, TOKEN_OPERATOR, ","))
		rc = expr_next(p);
	return rc != 0 ? rc : expr_expect(p, TOKEN_BRACKET, ")");
}

int expr_parse_arguments(struct expr_parser *p, struct expr_node *node, size_t *room)
{
	size_t before = node->n;
	int rc = expr_expect(p, TOKEN_BRACKET, "(");

	while (rc == 0 && !expr_is(p, TOKEN_BRACKET, ")")) {
		struct expr_node *argument = NULL;

		if (node->n > before) {
			rc = expr_expect(p, TOKEN_OPERATOR, ",");
			if (rc < 0 ||
				(expr_is(p, TOKEN_BRACKET, ")") && p->expr->dialect != EXPR_BCS))
				break;
		}
		rc = expr_parse_expression(p, 0, &argument);
		if (rc == 0)
			rc = expr_append(p, node, room, argument);
	}
	return rc != 0 ? rc : expr_next(p);
}

int expr_parse_call(struct expr_parser *p, const struct expr_token *name, struct expr_node *piped,
	struct expr_node **ret)
{
	const struct closure_builtin *closure = NULL;
	struct expr_node *node = NULL;
	size_t room = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(closure_builtins); i++)
		if (expr_is_word(p, name->from, name->to, closure_builtins[i].name) &&
			(closure_builtins[i].in_bcs || p->expr->dialect != EXPR_BCS))
			closure = &closure_builtins[i];
	rc = expr_new_node(p, closure ? EXPR_BUILTIN : EXPR_CALL, name->from,
		piped ? piped->from : name->from, &node);
	if (rc == 0 && piped)
		rc = expr_append(p, node, &room, piped);
	if (rc == 0)
		rc = closure ? parse_closure_call(p, closure, node, &room)
			     : expr_parse_arguments(p, node, &room);
	if (rc != 0)
		return rc;
	node->value = expr_token_value(p, name);
	node->to = p->end;
	*ret = node;
	return 0;
}

static int parse_name(struct expr_parser *p, struct expr_node **ret)
{
	static const struct {
		const char *name;
		struct value value;
	} literals[] = {{"true", {.type = VALUE_BOOL, .u.boolean = true}},
		{"false", {.type = VALUE_BOOL}}, {"nil", {.type = VALUE_NIL}}};
	struct expr_token token = p->current;
	int rc = expr_next(p);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
		if (!expr_is_word(p, token.from, token.to, literals[i].name))
			continue;
		rc = expr_new_node(p, EXPR_LITERAL, token.from, token.from, ret);
		if (rc != 0)
			return rc;
		(*ret)->value = literals[i].value;
		(*ret)->truth = expr_truth_of(*ret);
		return 0;
	}
	if (expr_is(p, TOKEN_BRACKET, "(")) {
		rc = expr_parse_call(p, &token, NULL, ret);
	} else {
		rc = expr_new_node(p, EXPR_NAME, token.from, token.from, ret);
		if (rc == 0)
			(*ret)->value = expr_token_value(p, &token);
	}
	return rc != 0 ? rc : expr_parse_postfix(p, *ret, ret);
}

/* At # or at the dot of .name, which stays for the postfix. */
static int parse_pointer(struct expr_parser *p, struct expr_node **ret)
{
	uint32_t from = p->current.from;
	struct value name = value_string_of("", 0);
	struct expr_node *node = NULL;
	int rc = 0;

	if (expr_is(p, TOKEN_OPERATOR, "#")) {
		/* A name has to follow at once. */
		uint32_t end = p->current.to;

		rc = expr_next(p);
		if (rc == 0 && p->current.kind == TOKEN_NAME && p->current.from == end &&
			p->expr->dialect != EXPR_BCS) {
			name = expr_token_value(p, &p->current);
			rc = expr_next(p);
		}
	} else {
		p->end = from;
	}
	if (rc == 0)
		rc = expr_new_node(p, EXPR_POINTER, from, from, &node);
	if (rc != 0)
		return rc;
	node->value = name;
	return expr_parse_postfix(p, node, ret);
}

int expr_parse_primary(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_token token = p->current;
	int rc;

	if (expr_is(p, TOKEN_OPERATOR, "not") || expr_is(p, TOKEN_OPERATOR, "!") ||
		expr_is(p, TOKEN_OPERATOR, "-") || expr_is(p, TOKEN_OPERATOR, "+"))
		return expr_parse_unary(p, ret);
	if (expr_is(p, TOKEN_BRACKET, "(")) {
		struct expr_node *inner = NULL;

		rc = expr_next(p);
		if (rc == 0)
			rc = expr_parse_sequence(p, &inner);
		if (rc == 0)
			rc = expr_expect(p, TOKEN_BRACKET, ")");
		if (rc != 0)
			return rc;
		inner->from = token.from;
		inner->to = p->end;
		return expr_parse_postfix(p, inner, ret);
	}
	if (expr_is(p, TOKEN_OPERATOR, "#") || expr_is(p, TOKEN_OPERATOR, ".")) {
		if (p->closures == 0)
			return expr_error(p->expr, token.from, EINVAL, p->err,
				"%.*s stands for an element and has a meaning in a closure only, "
				"as "
				"in all(result, # > 1)",
				(int)(token.to - token.from), p->s + token.from);
		return parse_pointer(p, ret);
	}
	if (expr_is(p, TOKEN_OPERATOR, "::") && p->expr->dialect != EXPR_BCS) {
		rc = expr_next(p);
		if (rc != 0)
			return rc;
		token = p->current;
		if (token.kind != TOKEN_NAME)
			return expr_unexpected(p);
		rc = expr_next(p);
		if (rc == 0)
			rc = expr_parse_call(p, &token, NULL, ret);
		return rc != 0 ? rc : expr_parse_postfix(p, *ret, ret);
	}
	switch (token.kind) {
	case TOKEN_NAME:
		return parse_name(p, ret);
	case TOKEN_NUMBER:
		return parse_number(p, ret);
	case TOKEN_STRING:
		rc = expr_next(p);
		if (rc == 0)
			rc = expr_new_node(p, EXPR_LITERAL, token.from, token.from, ret);
		if (rc != 0)
			return rc;
		(*ret)->value = token.string;
		return expr_parse_postfix(p, *ret, ret);
	case TOKEN_BRACKET:
		if (expr_is(p, TOKEN_BRACKET, "["))
			rc = parse_array(p, ret);
		else if (expr_is(p, TOKEN_BRACKET, "{"))
			rc = parse_map(p, ret);
		else
			return expr_unexpected(p);
		return rc != 0 ? rc : expr_parse_postfix(p, *ret, ret);
	case TOKEN_OPERATOR:
	case TOKEN_END:
		break;
	}
	return expr_unexpected(p);
}
