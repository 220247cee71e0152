#include "config.h"

#include "verify/expr_parse.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_parse_internal.h"

#include <errno.h>
#include <string.h>

/* ---- nodes ------------------------------------------------------------------------------- */

int expr_new_node(struct expr_parser *p, enum expr_kind kind, uint32_t at_byte, uint32_t from,
	struct expr_node **ret)
{
	struct expr_node *node = value_pool_alloc(&p->expr->pool, 1, sizeof(*node));

	if (++p->nodes > EXPR_NODES_MAX || !node)
		return expr_error(p->expr, at_byte, E2BIG, p->err,
			"the condition has more than %d parts", EXPR_NODES_MAX);
	*node = (struct expr_node){
		.kind = kind, .at = at_byte, .from = from, .to = p->end, .depth = 1, .truth = -1};
	*ret = node;
	return 0;
}

int expr_add_child(struct expr_parser *p, struct expr_node *node, const struct expr_node *child)
{
	if (!child)
		return 0;
	if (node->depth <= child->depth)
		node->depth = (uint16_t)(child->depth + 1);
	if (node->depth > EXPR_DEPTH_MAX)
		return expr_error(p->expr, node->at, E2BIG, p->err,
			"more than %d operators or brackets apply to one another", EXPR_DEPTH_MAX);
	return 0;
}

int expr_finish_node(struct expr_parser *p, struct expr_node *node, struct expr_node *a,
	struct expr_node *b, struct expr_node *c)
{
	node->a = a;
	node->b = b;
	node->c = c;
	node->to = p->end;
	if (expr_add_child(p, node, a) < 0 || expr_add_child(p, node, b) < 0 ||
		expr_add_child(p, node, c) < 0)
		return -E2BIG;
	return 0;
}

int expr_append(
	struct expr_parser *p, struct expr_node *node, size_t *room, struct expr_node *child)
{
	if (node->n == *room) {
		struct expr_node **grown;

		*room = *room ? *room * 2 : 4;
		grown = value_pool_alloc(&p->expr->pool, *room, sizeof(void *));
		if (!grown)
			return expr_error(
				p->expr, node->at, E2BIG, p->err, "the condition is too long");
		if (node->n > 0)
			memcpy(grown, node->list, node->n * sizeof(void *));
		node->list = grown;
	}
	node->list[node->n++] = child;
	return expr_add_child(p, node, child);
}

int8_t expr_truth_of(const struct expr_node *node)
{
	const struct expr_node *a = node->a, *b = node->b;

	if (node->kind == EXPR_LITERAL)
		return node->value.type == VALUE_BOOL ? (int8_t)node->value.u.boolean : -1;
	if (node->kind == EXPR_NOT)
		return a->truth < 0 ? -1 : (int8_t)!a->truth;
	if (node->kind != EXPR_BINARY)
		return -1;
	if (node->op == EXPR_OP_AND) {
		if (a->truth == 1 || b->truth == 1)
			return a->truth == 1 ? b->truth : a->truth;
		return a->truth == 0 || b->truth == 0 ? 0 : -1;
	}
	if (node->op == EXPR_OP_OR) {
		if (a->truth == 0 || b->truth == 0)
			return a->truth == 0 ? b->truth : a->truth;
		return a->truth == 1 || b->truth == 1 ? 1 : -1;
	}
	if (node->op == EXPR_OP_EQUAL && a->kind == EXPR_LITERAL && b->kind == EXPR_LITERAL &&
		a->value.type == b->value.type && a->value.type != VALUE_FLOAT)
		return value_equal(&a->value, &b->value);
	return -1;
}

int expr_enter(struct expr_parser *p)
{
	if (++p->nested > EXPR_NESTED_MAX)
		return expr_error(p->expr, p->current.from, E2BIG, p->err,
			"brackets and operators are nested deeper than %d", EXPR_NESTED_MAX);
	return 0;
}

void expr_leave(struct expr_parser *p)
{
	p->nested--;
}

/* ---- operators --------------------------------------------------------------------------- */

static const struct operator_info {
	const char *text;
	enum expr_op op;
	int precedence, bcs_precedence; /* 0: not there */
	bool from_right;
	bool can_negate; /* "not" may stand before it */
} operators[] = {
	{"or", EXPR_OP_OR, 10, 10, false, false},
	{"||", EXPR_OP_OR, 10, 10, false, false},
	{"and", EXPR_OP_AND, 15, 15, false, false},
	{"&&", EXPR_OP_AND, 15, 15, false, false},
	{"==", EXPR_OP_EQUAL, 20, 20, false, false},
	{"!=", EXPR_OP_NOT_EQUAL, 20, 20, false, false},
	{"<", EXPR_OP_LESS, 20, 20, false, false},
	{">", EXPR_OP_GREATER, 20, 20, false, false},
	{"<=", EXPR_OP_LESS_EQUAL, 20, 20, false, false},
	{">=", EXPR_OP_GREATER_EQUAL, 20, 20, false, false},
	{"in", EXPR_OP_IN, 20, 20, false, true},
	{"matches", EXPR_OP_MATCHES, 20, 20, false, true},
	{"contains", EXPR_OP_CONTAINS, 20, 20, false, true},
	{"startsWith", EXPR_OP_STARTS_WITH, 20, 20, false, true},
	{"endsWith", EXPR_OP_ENDS_WITH, 20, 20, false, true},
	{"..", EXPR_OP_RANGE, 25, 25, false, false},
	{"+", EXPR_OP_ADD, 30, 30, false, false},
	{"-", EXPR_OP_SUBTRACT, 30, 30, false, false},
	{"*", EXPR_OP_MULTIPLY, 60, 60, false, false},
	{"/", EXPR_OP_DIVIDE, 60, 60, false, false},
	{"%", EXPR_OP_MODULO, 60, 60, false, false},
	{"**", EXPR_OP_POWER, 100, 70, true, false},
	{"^", EXPR_OP_POWER, 100, 0, true, false},
	{"?"
	 "?",
		EXPR_OP_COALESCE, 500, 0, false, false},
};

#define PRECEDENCE_NOT	     50
#define PRECEDENCE_MINUS     90
#define PRECEDENCE_MINUS_BCS 500

static int precedence_of(const struct expr_parser *p, const struct operator_info *info)
{
	return p->expr->dialect == EXPR_BCS ? info->bcs_precedence : info->precedence;
}

/* The binary operator that a token is; NULL where it is none. */
static const struct operator_info *find_operator(
	const struct expr_parser *p, const struct expr_token *token)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (expr_token_is(p, token, TOKEN_OPERATOR, operators[i].text) &&
			precedence_of(p, &operators[i]) > 0)
			return &operators[i];
	return NULL;
}

static bool is_comparison(const struct operator_info *info)
{
	return info && (info->op == EXPR_OP_LESS || info->op == EXPR_OP_GREATER ||
			       info->op == EXPR_OP_LESS_EQUAL || info->op == EXPR_OP_GREATER_EQUAL);
}

static int compile_regex(struct expr_parser *p, struct expr_node *node)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct expr *expr = p->expr;
	struct regex *regex = NULL;
	int rc;

	if (node->b->kind != EXPR_LITERAL || node->b->value.type != VALUE_STRING)
		return 0;
	rc = regex_compile(node->b->value.u.text, node->b->value.count, &regex, &err);
	if (rc != 0)
		return expr_error(expr, node->b->at, -rc, p->err, "%s", err_text(&err));
	expr->regexes = xreallocarray(expr->regexes, expr->n_regexes + 1, sizeof(void *));
	expr->regexes[expr->n_regexes++] = regex;
	node->regex = regex;
	return 0;
}

static int make_binary(struct expr_parser *p, enum expr_op op, uint32_t at_byte,
	struct expr_node *a, struct expr_node *b, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	int rc = expr_new_node(p, EXPR_BINARY, at_byte, a->from, &node);

	if (rc == 0)
		rc = expr_finish_node(p, node, a, b, NULL);
	if (rc != 0)
		return rc;
	node->op = op;
	node->truth = expr_truth_of(node);
	*ret = node;
	return op == EXPR_OP_MATCHES ? compile_regex(p, node) : 0;
}

static int make_unary(struct expr_parser *p, enum expr_kind kind, uint32_t at_byte, uint32_t from,
	struct expr_node *a, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	int rc = expr_new_node(p, kind, at_byte, from, &node);

	if (rc == 0)
		rc = expr_finish_node(p, node, a, NULL, NULL);
	if (rc != 0)
		return rc;
	node->truth = expr_truth_of(node);
	*ret = node;
	return 0;
}

/* a < b < c is a < b and b < c. */
static int parse_comparison(struct expr_parser *p, const struct operator_info *info,
	uint32_t at_byte, struct expr_node **left)
{
	struct expr_node *all = NULL, *a = *left;

	for (;;) {
		struct expr_node *b = NULL, *compared = NULL;
		int rc = expr_parse_expression(p, precedence_of(p, info) + 1, &b);

		if (rc == 0)
			rc = make_binary(p, info->op, at_byte, a, b, &compared);
		if (rc == 0 && all)
			rc = make_binary(p, EXPR_OP_AND, at_byte, all, compared, &compared);
		if (rc != 0)
			return rc;
		all = compared;
		a = b;
		info = find_operator(p, &p->current);
		if (!is_comparison(info) || p->expr->dialect == EXPR_BCS)
			break;
		at_byte = p->current.from;
		rc = expr_next(p);
		if (rc != 0)
			return rc;
	}
	*left = all;
	return 0;
}

/* Behind "|". */
static int parse_pipe(struct expr_parser *p, struct expr_node **left)
{
	struct expr_token name = p->current;
	int rc;

	if (name.kind != TOKEN_NAME)
		return expr_unexpected(p);
	rc = expr_next(p);
	return rc != 0 ? rc : expr_parse_call(p, &name, *left, left);
}

static int parse_conditional(struct expr_parser *p, struct expr_node **node)
{
	while (expr_is(p, TOKEN_OPERATOR, "?")) {
		struct expr_node *then = *node, *otherwise, *made;
		uint32_t at_byte = p->current.from;
		int rc = expr_next(p);

		if (rc == 0 && !expr_is(p, TOKEN_OPERATOR, ":"))
			rc = expr_parse_expression(p, 0, &then);
		if (rc == 0)
			rc = expr_expect(p, TOKEN_OPERATOR, ":");
		if (rc == 0)
			rc = expr_parse_expression(p, 0, &otherwise);
		if (rc == 0)
			rc = expr_new_node(p, EXPR_CONDITIONAL, at_byte, (*node)->from, &made);
		if (rc == 0)
			rc = expr_finish_node(p, made, *node, then, otherwise);
		if (rc != 0)
			return rc;
		*node = made;
	}
	return 0;
}

/* Behind "let". */
static int parse_let(struct expr_parser *p, uint32_t from, struct expr_node **ret)
{
	struct expr_token name = p->current;
	struct expr_node *node = NULL, *value = NULL, *body = NULL;
	int rc;

	if (name.kind != TOKEN_NAME)
		return expr_unexpected(p);
	rc = expr_next(p);
	if (rc == 0)
		rc = expr_expect(p, TOKEN_OPERATOR, "=");
	if (rc == 0)
		rc = expr_parse_expression(p, 0, &value);
	if (rc == 0)
		rc = expr_expect(p, TOKEN_OPERATOR, ";");
	if (rc == 0)
		rc = expr_parse_sequence(p, &body);
	if (rc == 0)
		rc = expr_new_node(p, EXPR_LET, name.from, from, &node);
	if (rc == 0)
		rc = expr_finish_node(p, node, value, body, NULL);
	if (rc != 0)
		return rc;
	node->value = expr_token_value(p, &name);
	*ret = node;
	return 0;
}

int expr_parse_block(struct expr_parser *p, struct expr_node **ret)
{
	int rc = expr_expect(p, TOKEN_BRACKET, "{");

	if (rc == 0)
		rc = expr_parse_sequence(p, ret);
	return rc != 0 ? rc : expr_expect(p, TOKEN_BRACKET, "}");
}

/* At "if". */
static int parse_if(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_node *node = NULL, *condition = NULL, *then = NULL, *otherwise = NULL;
	uint32_t from = p->current.from;
	int rc = expr_enter(p);

	if (rc == 0)
		rc = expr_next(p);
	if (rc == 0)
		rc = expr_parse_expression(p, 0, &condition);
	if (rc == 0)
		rc = expr_parse_block(p, &then);
	if (rc == 0)
		rc = expr_expect(p, TOKEN_OPERATOR, "else");
	if (rc == 0)
		rc = expr_is(p, TOKEN_OPERATOR, "if") ? parse_if(p, &otherwise)
						      : expr_parse_block(p, &otherwise);
	if (rc == 0)
		rc = expr_new_node(p, EXPR_CONDITIONAL, from, from, &node);
	if (rc == 0)
		rc = expr_finish_node(p, node, condition, then, otherwise);
	if (rc != 0)
		return rc;
	expr_leave(p);
	*ret = node;
	return 0;
}

int expr_parse_unary(struct expr_parser *p, struct expr_node **ret)
{
	bool is_not = expr_is(p, TOKEN_OPERATOR, "not") || expr_is(p, TOKEN_OPERATOR, "!");
	enum expr_kind kind = is_not				? EXPR_NOT
			      : expr_is(p, TOKEN_OPERATOR, "-") ? EXPR_MINUS
								: EXPR_PLUS;
	int precedence = is_not				? PRECEDENCE_NOT
			 : p->expr->dialect == EXPR_BCS ? PRECEDENCE_MINUS_BCS
							: PRECEDENCE_MINUS;
	uint32_t from = p->current.from;
	struct expr_node *operand = NULL;
	int rc = expr_next(p);

	if (rc == 0)
		rc = expr_parse_expression(p, precedence, &operand);
	if (rc == 0)
		rc = make_unary(p, kind, from, from, operand, &operand);
	return rc != 0 ? rc : expr_parse_postfix(p, operand, ret);
}

/* ---- postfixes --------------------------------------------------------------------------- */

static int make_chain(struct expr_parser *p, struct expr_node *inner, struct expr_node **ret)
{
	return make_unary(p, EXPR_CHAIN, inner->at, inner->from, inner, ret);
}

/* Behind the dot. As upstream, a further .name goes into the chain of a ?. before it. */
static int parse_member(struct expr_parser *p, struct expr_node **node, bool optional)
{
	struct expr_token name = p->current;
	struct expr_node *property, *member, *base = *node;
	bool in_chain = base->kind == EXPR_CHAIN;
	int rc;

	if (name.kind != TOKEN_NAME &&
		!(name.kind == TOKEN_OPERATOR && expr_is_operator_word(p, name.from, name.to)))
		return expr_error(
			p->expr, name.from, EINVAL, p->err, "a name is expected behind the dot");
	rc = expr_next(p);
	if (rc == 0)
		rc = expr_new_node(p, EXPR_LITERAL, name.from, name.from, &property);
	if (rc != 0)
		return rc;
	property->value = expr_token_value(p, &name);
	if (in_chain)
		base = base->a;
	rc = expr_new_node(p, expr_is(p, TOKEN_BRACKET, "(") ? EXPR_METHOD : EXPR_MEMBER, name.from,
		base->from, &member);
	if (rc != 0)
		return rc;
	member->optional = optional;
	if (member->kind == EXPR_METHOD) {
		size_t room = 0;

		member->value = property->value;
		rc = expr_parse_arguments(p, member, &room);
		property = NULL;
	}
	if (rc == 0)
		rc = expr_finish_node(p, member, base, property, NULL);
	if (rc == 0 && (in_chain || optional))
		rc = make_chain(p, member, &member);
	*node = member;
	return rc;
}

/* Behind the bracket. */
static int parse_index(
	struct expr_parser *p, struct expr_node **node, uint32_t at_byte, bool optional)
{
	struct expr_node *from = NULL, *to = NULL, *made = NULL;
	bool slice;
	int rc = 0;

	if (!expr_is(p, TOKEN_OPERATOR, ":"))
		rc = expr_parse_expression(p, 0, &from);
	slice = rc == 0 && expr_is(p, TOKEN_OPERATOR, ":");
	if (slice) {
		rc = expr_next(p);
		if (rc == 0 && !expr_is(p, TOKEN_BRACKET, "]"))
			rc = expr_parse_expression(p, 0, &to);
	}
	if (rc == 0)
		rc = expr_expect(p, TOKEN_BRACKET, "]");
	if (rc == 0)
		rc = expr_new_node(
			p, slice ? EXPR_SLICE : EXPR_MEMBER, at_byte, (*node)->from, &made);
	if (rc == 0)
		rc = expr_finish_node(p, made, *node, from, to);
	if (rc != 0)
		return rc;
	if (optional && !slice) {
		made->optional = true;
		rc = make_chain(p, made, &made);
	}
	*node = made;
	return rc;
}

int expr_parse_postfix(struct expr_parser *p, struct expr_node *node, struct expr_node **ret)
{
	for (;;) {
		uint32_t at_byte = p->current.from;
		bool optional = expr_is(p, TOKEN_OPERATOR, "?.");
		int rc;

		if (optional || expr_is(p, TOKEN_OPERATOR, ".")) {
			rc = expr_next(p);
			if (rc != 0)
				return rc;
			if (!optional || !expr_is(p, TOKEN_BRACKET, "[")) {
				rc = parse_member(p, &node, optional);
				if (rc != 0)
					return rc;
				continue;
			}
		}
		if (!expr_is(p, TOKEN_BRACKET, "["))
			break;
		rc = expr_next(p);
		if (rc == 0)
			rc = parse_index(p, &node, at_byte, optional);
		if (rc != 0)
			return rc;
	}
	*ret = node;
	return 0;
}

/* ---- expressions ------------------------------------------------------------------------- */

/* One binary operator with what is right of it. 1: there was one; 0: none of this precedence. */
static int parse_operator(
	struct expr_parser *p, int precedence, struct expr_node **left, bool *coalesced)
{
	struct expr_token before = p->current, op = p->current;
	bool negated = expr_is(p, TOKEN_OPERATOR, "not"), in_bcs = p->expr->dialect == EXPR_BCS;
	const struct operator_info *info;
	struct expr_node *right = NULL;
	int rc;

	if (op.kind != TOKEN_OPERATOR)
		return 0;
	if (negated) {
		rc = expr_next(p);
		if (rc != 0)
			return rc;
		op = p->current;
		info = find_operator(p, &op);
		if (!info || !info->can_negate)
			return expr_unexpected(p);
		if (in_bcs && info->op != EXPR_OP_IN)
			return expr_not_in_bcs(p, "'not' before any word but 'in'");
		if (precedence_of(p, info) < precedence) {
			p->stashed = p->current;
			p->has_stashed = true;
			p->current = before;
			return 0;
		}
	}
	if (expr_is(p, TOKEN_OPERATOR, "|") && !in_bcs && precedence == 0) {
		rc = expr_next(p);
		if (rc == 0)
			rc = parse_pipe(p, left);
		*coalesced = false;
		return rc < 0 ? rc : 1;
	}
	info = find_operator(p, &op);
	if (!info || precedence_of(p, info) < precedence)
		return 0;
	if (*coalesced && info->op != EXPR_OP_COALESCE)
		return expr_error(p->expr, op.from, EINVAL, p->err,
			"'%s' and '?"
			"?' cannot be mixed: put brackets around one of them",
			info->text);
	*coalesced = info->op == EXPR_OP_COALESCE;
	rc = expr_next(p);
	if (rc != 0)
		return rc;
	if (is_comparison(info)) {
		rc = parse_comparison(p, info, op.from, left);
		return rc < 0 ? rc : 1;
	}
	rc = expr_parse_expression(p, precedence_of(p, info) + !info->from_right, &right);
	if (rc == 0)
		rc = make_binary(p, info->op, op.from, *left, right, left);
	if (rc == 0 && negated)
		rc = make_unary(p, EXPR_NOT, op.from, (*left)->from, *left, left);
	return rc < 0 ? rc : 1;
}

int expr_parse_expression(struct expr_parser *p, int precedence, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	bool coalesced = false;
	int rc = expr_enter(p);

	if (rc != 0)
		return rc;
	if (precedence == 0 && expr_is(p, TOKEN_OPERATOR, "let")) {
		uint32_t from = p->current.from;

		rc = expr_next(p);
		if (rc == 0)
			rc = parse_let(p, from, &node);
	} else if (precedence == 0 && expr_is(p, TOKEN_OPERATOR, "if")) {
		rc = parse_if(p, &node);
	} else {
		rc = expr_parse_primary(p, &node);
		if (rc == 0)
			do
				rc = parse_operator(p, precedence, &node, &coalesced);
			while (rc > 0);
		if (rc == 0 && precedence == 0)
			rc = parse_conditional(p, &node);
	}
	if (rc != 0)
		return rc;
	expr_leave(p);
	*ret = node;
	return 0;
}

int expr_parse_sequence(struct expr_parser *p, struct expr_node **ret)
{
	struct expr_node *first = NULL, *sequence = NULL;
	uint32_t from = p->current.from;
	size_t room = 0;
	int rc = expr_parse_expression(p, 0, &first);

	while (rc == 0 && expr_is(p, TOKEN_OPERATOR, ";") && p->expr->dialect != EXPR_BCS) {
		struct expr_node *more = NULL;

		rc = expr_next(p);
		if (rc < 0 || p->current.kind == TOKEN_END)
			break;
		if (!sequence) {
			rc = expr_new_node(p, EXPR_SEQUENCE, from, from, &sequence);
			if (rc == 0)
				rc = expr_append(p, sequence, &room, first);
		}
		if (rc == 0)
			rc = expr_parse_expression(p, 0, &more);
		if (rc == 0)
			rc = expr_append(p, sequence, &room, more);
		if (rc == 0)
			sequence->to = p->end;
	}
	if (rc != 0)
		return rc;
	*ret = sequence ? sequence : first;
	return 0;
}

int expr_parse(const char *text, enum expr_dialect dialect, struct expr **ret, struct th_err *err)
{
	struct expr *expr = xcalloc(1, sizeof(*expr));
	struct expr_parser p = {.expr = expr, .err = err};
	int rc;

	expr->dialect = dialect;
	expr->len = strlen(text);
	if (expr->len > EXPR_SIZE_MAX) {
		rc = err_set(err, EXIT_DATAERR, E2BIG,
			"the condition has %zu bytes; the limit is %zu", expr->len, EXPR_SIZE_MAX);
	} else {
		expr->text = xstrdup(text);
		p.s = expr->text;
		p.len = (uint32_t)expr->len;
		rc = expr_next(&p);
		if (rc == 0)
			rc = expr_parse_sequence(&p, &expr->root);
		if (rc == 0 && p.current.kind != TOKEN_END)
			rc = expr_unexpected(&p);
	}
	if (rc < 0) {
		expr_free(expr);
		return rc;
	}
	*ret = expr;
	return 0;
}
