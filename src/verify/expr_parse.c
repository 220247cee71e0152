#include "config.h"

#include "verify/expr_parse.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <string.h>

enum token_kind {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_OPERATOR,
	TOKEN_BRACKET,
};

struct token {
	enum token_kind kind;
	uint32_t from, to;
	struct value string; /* of TOKEN_STRING what it stands for */
};

/* All functions return 0 or an error that is set already; a node is valid on 0 only. */
struct parser {
	struct expr *expr;
	const char *s;
	uint32_t len, pos; /* pos: behind the current token */
	uint32_t end;	   /* behind the token before the current one */
	struct token current, stashed;
	bool has_stashed;
	bool after_pointer; /* a name directly behind # belongs to it */
	unsigned closures;  /* that we are in */
	unsigned nested;
	size_t nodes;
	struct th_err *err;
};

static int parse_expression(struct parser *p, int precedence, struct expr_node **ret);
static int parse_sequence(struct parser *p, struct expr_node **ret);
static int parse_postfix(struct parser *p, struct expr_node *node, struct expr_node **ret);

/* ---- lexer ------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Letters beyond ASCII are taken as they come: a name that is none is unknown anyway. */
static bool is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '$' || (c & 0x80);
}

static char at(const struct parser *p, uint32_t pos)
{
	return pos < p->len ? p->s[pos] : '\0';
}

/* Bytes of a blank at `pos`: ASCII, U+0085, U+00A0 and the spaces of U+2000 to U+3000. */
static uint32_t blank_length(const struct parser *p, uint32_t pos)
{
	static const char *const wide[] = {"\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8",
		"\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
	char c = at(p, pos);

	if (c == ' ' || (c >= '\t' && c <= '\r'))
		return 1;
	if (!(c & 0x80))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
		if (p->len - pos >= strlen(wide[i]) &&
			memcmp(p->s + pos, wide[i], strlen(wide[i])) == 0)
			return (uint32_t)strlen(wide[i]);
	if (p->len - pos >= 3 && memcmp(p->s + pos, "\xe2\x80", 2) == 0 &&
		(unsigned char)p->s[pos + 2] <= 0x8a)
		return 3;
	return 0;
}

static int skip_blanks(struct parser *p)
{
	for (;;) {
		uint32_t blank = blank_length(p, p->pos);

		if (blank > 0) {
			p->pos += blank;
		} else if (at(p, p->pos) == '/' && at(p, p->pos + 1) == '/' &&
			   p->expr->dialect != EXPR_BCS) {
			while (p->pos < p->len && p->s[p->pos] != '\n')
				p->pos++;
		} else if (at(p, p->pos) == '/' && at(p, p->pos + 1) == '*' &&
			   p->expr->dialect != EXPR_BCS) {
			const char *end = memmem(p->s + p->pos + 2, p->len - p->pos - 2, "*/", 2);

			if (!end)
				return expr_error(
					p->expr, p->pos, EINVAL, p->err, "a comment does not end");
			p->pos = (uint32_t)(end - p->s) + 2;
		} else {
			return 0;
		}
	}
}

static void add_rune(struct strbuf *b, uint32_t c)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		strbuf_addc(b, (char)c);
		return;
	}
	if (c >= 0x10000) {
		strbuf_addc(b, (char)(0xf0 | c >> 18));
		strbuf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
	} else if (c >= 0x800) {
		strbuf_addc(b, (char)(0xe0 | c >> 12));
	} else {
		strbuf_addc(b, (char)(0xc0 | c >> 6));
	}
	if (c >= 0x800)
		strbuf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
	strbuf_addc(b, (char)(0x80 | (c & 0x3f)));
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Behind the backslash. */
static int lex_escape(struct parser *p, char quote, struct strbuf *b)
{
	static const char names[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
	uint32_t from = p->pos - 1, code = 0, digits = 0, n = 0;
	char c = at(p, p->pos);
	const char *found = c ? strchr(names, c) : NULL;
	bool braces = false;

	p->pos++;
	if (found || (c && c == quote)) {
		strbuf_addc(b, found ? values[found - names] : c);
		return 0;
	}
	if (c >= '0' && c <= '3') {
		for (p->pos--; n < 3 && at(p, p->pos) >= '0' && at(p, p->pos) <= '7'; n++)
			code = code * 8 + (uint32_t)(p->s[p->pos++] - '0');
		digits = 3;
	} else if (c == 'x' || c == 'u' || c == 'U') {
		braces = c == 'u' && at(p, p->pos) == '{';
		digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
		p->pos += braces;
		for (; n < (braces ? 6 : digits) && hex_value(at(p, p->pos)) >= 0; n++)
			code = code << 4 | (uint32_t)hex_value(p->s[p->pos++]);
		if (braces) {
			digits = at(p, p->pos) == '}' && n > 0 ? n : n + 1;
			p->pos++;
		}
	}
	if (digits == 0 || n != digits || code > 0x10ffff)
		return expr_error(p->expr, from, EINVAL, p->err, "invalid char escape");
	add_rune(b, code);
	return 0;
}

/* At the quote. */
static int lex_string(struct parser *p, struct token *token)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char quote = p->s[p->pos++];

	for (;;) {
		char c = at(p, p->pos);

		if (p->pos >= p->len || (c == '\n' && quote != '`'))
			return expr_error(p->expr, token->from, EINVAL, p->err,
				"literal not terminated: %c is missing", quote);
		p->pos++;
		if (c == quote) {
			if (quote != '`' || at(p, p->pos) != '`')
				break;
			p->pos++;
		} else if (c == '\\' && quote != '`') {
			if (lex_escape(p, quote, &b) < 0)
				return -EINVAL;
			continue;
		} else if (c == '\r' && quote != '`') {
			c = '\n';
		}
		strbuf_addc(&b, c);
	}
	token->kind = TOKEN_STRING;
	return value_make_string(&p->expr->pool, strbuf_str(&b), b.len, &token->string);
}

static void accept_run(struct parser *p, const char *set)
{
	while (p->pos < p->len && p->s[p->pos] && strchr(set, p->s[p->pos]))
		p->pos++;
}

static int lex_number(struct parser *p, struct token *token)
{
	const char *digits = "0123456789_";

	if (at(p, p->pos) == '0') {
		char base = (char)(at(p, ++p->pos) | 0x20);

		if (base == 'x')
			digits = "0123456789abcdefABCDEF_";
		else if (base == 'o')
			digits = "01234567_";
		else if (base == 'b')
			digits = "01_";
		if (base == 'x' || base == 'o' || base == 'b')
			p->pos++;
	}
	accept_run(p, digits);
	token->kind = TOKEN_NUMBER;
	if (at(p, p->pos) == '.') {
		/* 1..2 is a range. */
		if (at(p, p->pos + 1) == '.')
			return 0;
		p->pos++;
		accept_run(p, digits);
	}
	if ((at(p, p->pos) | 0x20) == 'e') {
		p->pos++;
		if (at(p, p->pos) == '+' || at(p, p->pos) == '-')
			p->pos++;
		accept_run(p, digits);
	}
	if (p->pos < p->len && is_name_char(p->s[p->pos]))
		return expr_error(p->expr, token->from, EINVAL, p->err, "bad number syntax: '%.*s'",
			(int)MIN(p->pos + 1 - token->from, 40U), p->s + token->from);
	return 0;
}

static bool is_word(const struct parser *p, uint32_t from, uint32_t to, const char *word)
{
	return to - from == strlen(word) && memcmp(p->s + from, word, to - from) == 0;
}

static bool is_operator_word(const struct parser *p, uint32_t from, uint32_t to)
{
	static const char *const words[] = {
		"not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (is_word(p, from, to, words[i]))
			return true;
	return p->expr->dialect != EXPR_BCS &&
	       (is_word(p, from, to, "let") || is_word(p, from, to, "if") ||
		       is_word(p, from, to, "else"));
}

static int lex(struct parser *p, struct token *token)
{
	char c, next;

	if (!p->after_pointer && skip_blanks(p) < 0)
		return -EINVAL;
	c = at(p, p->pos);
	next = at(p, p->pos + 1);
	*token = (struct token){.kind = TOKEN_OPERATOR, .from = p->pos};
	if (p->after_pointer) {
		p->after_pointer = false;
		if (p->pos >= p->len || !is_name_char(c))
			return lex(p, token);
		token->kind = TOKEN_NAME;
		while (p->pos < p->len && is_name_char(p->s[p->pos]))
			p->pos++;
	} else if (p->pos >= p->len) {
		token->kind = TOKEN_END;
	} else if (c == '\'' || c == '"' || (c == '`' && p->expr->dialect != EXPR_BCS)) {
		int rc = lex_string(p, token);

		if (rc != 0)
			return rc;
	} else if ((c == 'b' || c == 'B') && (next == '\'' || next == '"')) {
		return expr_error(p->expr, p->pos, EINVAL, p->err,
			"literals of bytes are not supported (write a string)");
	} else if (is_digit(c) || (c == '.' && is_digit(next))) {
		if (lex_number(p, token) < 0)
			return -EINVAL;
	} else if (is_name_char(c)) {
		while (p->pos < p->len && is_name_char(p->s[p->pos]))
			p->pos++;
		token->kind =
			is_operator_word(p, token->from, p->pos) ? TOKEN_OPERATOR : TOKEN_NAME;
	} else if (strchr("([{)]}", c)) {
		token->kind = TOKEN_BRACKET;
		p->pos++;
	} else if (c == '#') {
		p->pos++;
		p->after_pointer = true;
	} else if (c == '?') {
		p->pos += p->expr->dialect != EXPR_BCS && (next == '.' || next == '?') ? 2 : 1;
	} else if (c == '|' || c == ':' || c == '.') {
		p->pos += next == c ? 2 : 1;
	} else if (strchr("&!=*<>", c)) {
		p->pos += next && strchr("&=*", next) ? 2 : 1;
	} else if (strchr(",;%+-^/", c)) {
		p->pos++;
	} else {
		_cleanup_free_ char *shown = str_escape_n(&c, 1, 0);

		return expr_error(
			p->expr, p->pos, EINVAL, p->err, "unrecognized character: '%s'", shown);
	}
	token->to = p->pos;
	return 0;
}

static int next(struct parser *p)
{
	p->end = p->current.to;
	if (p->has_stashed) {
		p->current = p->stashed;
		p->has_stashed = false;
		return 0;
	}
	return lex(p, &p->current);
}

static bool token_is(
	const struct parser *p, const struct token *token, enum token_kind kind, const char *text)
{
	return token->kind == kind && is_word(p, token->from, token->to, text);
}

static bool is(const struct parser *p, enum token_kind kind, const char *text)
{
	return token_is(p, &p->current, kind, text);
}

static int unexpected(struct parser *p)
{
	_cleanup_free_ char *shown = NULL;

	if (p->current.kind == TOKEN_END)
		return expr_error(p->expr, p->current.from, EINVAL, p->err,
			"unexpected end of the condition");
	shown = str_escape_n(p->s + p->current.from, p->current.to - p->current.from, 40);
	return expr_error(p->expr, p->current.from, EINVAL, p->err, "unexpected %s", shown);
}

static int expect(struct parser *p, enum token_kind kind, const char *text)
{
	_cleanup_free_ char *shown = NULL;

	if (is(p, kind, text))
		return next(p);
	if (p->current.kind == TOKEN_END)
		return expr_error(p->expr, p->current.from, EINVAL, p->err,
			"unexpected end of the condition: %s is missing", text);
	shown = str_escape_n(p->s + p->current.from, p->current.to - p->current.from, 40);
	return expr_error(p->expr, p->current.from, EINVAL, p->err,
		"unexpected %s where %s is expected", shown, text);
}

static struct value token_value(const struct parser *p, const struct token *token)
{
	if (token->kind == TOKEN_STRING)
		return token->string;
	return value_string_of(p->s + token->from, token->to - token->from);
}

static int not_in_bcs(struct parser *p, const char *what)
{
	return expr_error(p->expr, p->current.from, EINVAL, p->err,
		"%s is not in the language of BlueKing's conditions (dialect bcs)", what);
}

/* ---- nodes ------------------------------------------------------------------------------- */

static int new_node(struct parser *p, enum expr_kind kind, uint32_t at_byte, uint32_t from,
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

static int add_child(struct parser *p, struct expr_node *node, const struct expr_node *child)
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

/* Gives the children their place; p->end is behind the last token of the node. */
static int finish_node(struct parser *p, struct expr_node *node, struct expr_node *a,
	struct expr_node *b, struct expr_node *c)
{
	node->a = a;
	node->b = b;
	node->c = c;
	node->to = p->end;
	if (add_child(p, node, a) < 0 || add_child(p, node, b) < 0 || add_child(p, node, c) < 0)
		return -E2BIG;
	return 0;
}

static int append(struct parser *p, struct expr_node *node, size_t *room, struct expr_node *child)
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
	return add_child(p, node, child);
}

/* What expr-lang's optimizer finds out about literals: `x and false` is false without asking x. */
static int8_t truth_of(const struct expr_node *node)
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

static int enter(struct parser *p)
{
	if (++p->nested > EXPR_NESTED_MAX)
		return expr_error(p->expr, p->current.from, E2BIG, p->err,
			"brackets and operators are nested deeper than %d", EXPR_NESTED_MAX);
	return 0;
}

static void leave(struct parser *p)
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

static int precedence_of(const struct parser *p, const struct operator_info *info)
{
	return p->expr->dialect == EXPR_BCS ? info->bcs_precedence : info->precedence;
}

/* The binary operator that a token is; NULL where it is none. */
static const struct operator_info *find_operator(const struct parser *p, const struct token *token)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (token_is(p, token, TOKEN_OPERATOR, operators[i].text) &&
			precedence_of(p, &operators[i]) > 0)
			return &operators[i];
	return NULL;
}

static bool is_comparison(const struct operator_info *info)
{
	return info && (info->op == EXPR_OP_LESS || info->op == EXPR_OP_GREATER ||
			       info->op == EXPR_OP_LESS_EQUAL || info->op == EXPR_OP_GREATER_EQUAL);
}

static int compile_regex(struct parser *p, struct expr_node *node)
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

static int make_binary(struct parser *p, enum expr_op op, uint32_t at_byte, struct expr_node *a,
	struct expr_node *b, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	int rc = new_node(p, EXPR_BINARY, at_byte, a->from, &node);

	if (rc == 0)
		rc = finish_node(p, node, a, b, NULL);
	if (rc != 0)
		return rc;
	node->op = op;
	node->truth = truth_of(node);
	*ret = node;
	return op == EXPR_OP_MATCHES ? compile_regex(p, node) : 0;
}

static int make_unary(struct parser *p, enum expr_kind kind, uint32_t at_byte, uint32_t from,
	struct expr_node *a, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	int rc = new_node(p, kind, at_byte, from, &node);

	if (rc == 0)
		rc = finish_node(p, node, a, NULL, NULL);
	if (rc != 0)
		return rc;
	node->truth = truth_of(node);
	*ret = node;
	return 0;
}

/* a < b < c is a < b and b < c. */
static int parse_comparison(struct parser *p, const struct operator_info *info, uint32_t at_byte,
	struct expr_node **left)
{
	struct expr_node *all = NULL, *a = *left;

	for (;;) {
		struct expr_node *b = NULL, *compared = NULL;
		int rc = parse_expression(p, precedence_of(p, info) + 1, &b);

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
		rc = next(p);
		if (rc != 0)
			return rc;
	}
	*left = all;
	return 0;
}

static int parse_call(struct parser *p, const struct token *name, struct expr_node *piped,
	struct expr_node **ret);

/* Behind "|". */
static int parse_pipe(struct parser *p, struct expr_node **left)
{
	struct token name = p->current;
	int rc;

	if (name.kind != TOKEN_NAME)
		return unexpected(p);
	rc = next(p);
	return rc != 0 ? rc : parse_call(p, &name, *left, left);
}

static int parse_conditional(struct parser *p, struct expr_node **node)
{
	while (is(p, TOKEN_OPERATOR, "?")) {
		struct expr_node *then = *node, *otherwise, *made;
		uint32_t at_byte = p->current.from;
		int rc = next(p);

		if (rc == 0 && !is(p, TOKEN_OPERATOR, ":"))
			rc = parse_expression(p, 0, &then);
		if (rc == 0)
			rc = expect(p, TOKEN_OPERATOR, ":");
		if (rc == 0)
			rc = parse_expression(p, 0, &otherwise);
		if (rc == 0)
			rc = new_node(p, EXPR_CONDITIONAL, at_byte, (*node)->from, &made);
		if (rc == 0)
			rc = finish_node(p, made, *node, then, otherwise);
		if (rc != 0)
			return rc;
		*node = made;
	}
	return 0;
}

/* Behind "let". */
static int parse_let(struct parser *p, uint32_t from, struct expr_node **ret)
{
	struct token name = p->current;
	struct expr_node *node = NULL, *value = NULL, *body = NULL;
	int rc;

	if (name.kind != TOKEN_NAME)
		return unexpected(p);
	rc = next(p);
	if (rc == 0)
		rc = expect(p, TOKEN_OPERATOR, "=");
	if (rc == 0)
		rc = parse_expression(p, 0, &value);
	if (rc == 0)
		rc = expect(p, TOKEN_OPERATOR, ";");
	if (rc == 0)
		rc = parse_sequence(p, &body);
	if (rc == 0)
		rc = new_node(p, EXPR_LET, name.from, from, &node);
	if (rc == 0)
		rc = finish_node(p, node, value, body, NULL);
	if (rc != 0)
		return rc;
	node->value = token_value(p, &name);
	*ret = node;
	return 0;
}

static int parse_block(struct parser *p, struct expr_node **ret)
{
	int rc = expect(p, TOKEN_BRACKET, "{");

	if (rc == 0)
		rc = parse_sequence(p, ret);
	return rc != 0 ? rc : expect(p, TOKEN_BRACKET, "}");
}

/* At "if". */
static int parse_if(struct parser *p, struct expr_node **ret)
{
	struct expr_node *node = NULL, *condition = NULL, *then = NULL, *otherwise = NULL;
	uint32_t from = p->current.from;
	int rc = enter(p);

	if (rc == 0)
		rc = next(p);
	if (rc == 0)
		rc = parse_expression(p, 0, &condition);
	if (rc == 0)
		rc = parse_block(p, &then);
	if (rc == 0)
		rc = expect(p, TOKEN_OPERATOR, "else");
	if (rc == 0)
		rc = is(p, TOKEN_OPERATOR, "if") ? parse_if(p, &otherwise)
						 : parse_block(p, &otherwise);
	if (rc == 0)
		rc = new_node(p, EXPR_CONDITIONAL, from, from, &node);
	if (rc == 0)
		rc = finish_node(p, node, condition, then, otherwise);
	if (rc != 0)
		return rc;
	leave(p);
	*ret = node;
	return 0;
}

static int parse_unary(struct parser *p, struct expr_node **ret)
{
	bool is_not = is(p, TOKEN_OPERATOR, "not") || is(p, TOKEN_OPERATOR, "!");
	enum expr_kind kind = is_not			   ? EXPR_NOT
			      : is(p, TOKEN_OPERATOR, "-") ? EXPR_MINUS
							   : EXPR_PLUS;
	int precedence = is_not				? PRECEDENCE_NOT
			 : p->expr->dialect == EXPR_BCS ? PRECEDENCE_MINUS_BCS
							: PRECEDENCE_MINUS;
	uint32_t from = p->current.from;
	struct expr_node *operand = NULL;
	int rc = next(p);

	if (rc == 0)
		rc = parse_expression(p, precedence, &operand);
	if (rc == 0)
		rc = make_unary(p, kind, from, from, operand, &operand);
	return rc != 0 ? rc : parse_postfix(p, operand, ret);
}

/* ---- primaries --------------------------------------------------------------------------- */

static int parse_number(struct parser *p, struct expr_node **ret)
{
	struct token token = p->current;
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
			int digit = hex_value(b.s[i]);

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
	rc = next(p);
	if (rc == 0)
		rc = new_node(p, EXPR_LITERAL, token.from, token.from, ret);
	if (rc == 0)
		(*ret)->value = value;
	return rc;
}

static int parse_array(struct parser *p, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	size_t room = 0;
	int rc = new_node(p, EXPR_ARRAY, p->current.from, p->current.from, &node);

	if (rc != 0)
		return rc;
	rc = next(p);
	while (rc == 0 && !is(p, TOKEN_BRACKET, "]")) {
		struct expr_node *element = NULL;

		if (node->n > 0) {
			rc = expect(p, TOKEN_OPERATOR, ",");
			if (rc < 0 || is(p, TOKEN_BRACKET, "]"))
				break;
		}
		rc = parse_expression(p, 0, &element);
		if (rc == 0)
			rc = append(p, node, &room, element);
	}
	if (rc == 0)
		rc = next(p);
	node->to = p->end;
	*ret = node;
	return rc;
}

static int parse_key(struct parser *p, struct expr_node **ret)
{
	struct token token = p->current;
	int rc;

	if (is(p, TOKEN_BRACKET, "("))
		return parse_expression(p, 0, ret);
	if (token.kind != TOKEN_NUMBER && token.kind != TOKEN_STRING && token.kind != TOKEN_NAME)
		return expr_error(p->expr, token.from, EINVAL, p->err,
			"the key of a map must be a string, a number, a name or an expression in "
			"round brackets");
	rc = next(p);
	if (rc == 0)
		rc = new_node(p, EXPR_LITERAL, token.from, token.from, ret);
	if (rc == 0)
		(*ret)->value = token_value(p, &token);
	return rc;
}

static int parse_map(struct parser *p, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	size_t room = 0;
	int rc = new_node(p, EXPR_MAP, p->current.from, p->current.from, &node);

	if (rc != 0)
		return rc;
	rc = next(p);
	while (rc == 0 && !is(p, TOKEN_BRACKET, "}")) {
		struct expr_node *key = NULL, *value = NULL;

		if (node->n > 0) {
			rc = expect(p, TOKEN_OPERATOR, ",");
			if (rc < 0 || is(p, TOKEN_BRACKET, "}"))
				break;
		}
		rc = parse_key(p, &key);
		if (rc == 0)
			rc = expect(p, TOKEN_OPERATOR, ":");
		if (rc == 0)
			rc = parse_expression(p, 0, &value);
		if (rc == 0)
			rc = append(p, node, &room, key);
		if (rc == 0)
			rc = append(p, node, &room, value);
	}
	if (rc == 0)
		rc = next(p);
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

static int parse_closure(struct parser *p, struct expr_node **ret)
{
	bool braces = is(p, TOKEN_BRACKET, "{");
	int rc;

	if (!braces && p->expr->dialect == EXPR_BCS)
		return not_in_bcs(p, "a closure without braces");
	p->closures++;
	rc = braces ? parse_block(p, ret) : parse_expression(p, 0, ret);
	p->closures--;
	if (rc == 0 && !braces && is(p, TOKEN_OPERATOR, ";"))
		return expr_error(p->expr, p->current.from, EINVAL, p->err,
			"wrap predicate with brackets { and }");
	return rc;
}

static int parse_closure_call(struct parser *p, const struct closure_builtin *builtin,
	struct expr_node *node, size_t *room)
{
	bool bcs = p->expr->dialect == EXPR_BCS;
	size_t piped = node->n;
	int rc = expect(p, TOKEN_BRACKET, "(");

	for (size_t i = piped; rc == 0 && i < (builtin->third ? 3U : 2U); i++) {
		bool optional = i == 2 || (i == 1 && builtin->optional && !bcs);
		struct expr_node *argument = NULL;

		if (is(p, TOKEN_BRACKET, ")")) {
			if (optional)
				break;
			return expr_error(p->expr, p->current.from, EINVAL, p->err,
				"%s() needs an array and a closure", builtin->name);
		}
		if (i > piped)
			rc = expect(p, TOKEN_OPERATOR, ",");
		/* Behind a comma at the end nothing has to follow. */
		if (rc == 0 && optional && is(p, TOKEN_BRACKET, ")"))
			break;
		if (rc == 0)
			rc = i == 1 ? parse_closure(p, &argument)
				    : parse_expression(p, 0, &argument);
		if (rc == 0)
			rc = append(p, node, room, argument);
	}
	if (rc == 0 && !bcs && is(p, TOKEN_OPERATOR, ","))
		rc = next(p);
	return rc != 0 ? rc : expect(p, TOKEN_BRACKET, ")");
}

static int parse_arguments(struct parser *p, struct expr_node *node, size_t *room)
{
	size_t before = node->n;
	int rc = expect(p, TOKEN_BRACKET, "(");

	while (rc == 0 && !is(p, TOKEN_BRACKET, ")")) {
		struct expr_node *argument = NULL;

		if (node->n > before) {
			rc = expect(p, TOKEN_OPERATOR, ",");
			if (rc < 0 || (is(p, TOKEN_BRACKET, ")") && p->expr->dialect != EXPR_BCS))
				break;
		}
		rc = parse_expression(p, 0, &argument);
		if (rc == 0)
			rc = append(p, node, room, argument);
	}
	return rc != 0 ? rc : next(p);
}

/* Behind the name. Which names there are is found out later. */
static int parse_call(
	struct parser *p, const struct token *name, struct expr_node *piped, struct expr_node **ret)
{
	const struct closure_builtin *closure = NULL;
	struct expr_node *node = NULL;
	size_t room = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(closure_builtins); i++)
		if (is_word(p, name->from, name->to, closure_builtins[i].name) &&
			(closure_builtins[i].in_bcs || p->expr->dialect != EXPR_BCS))
			closure = &closure_builtins[i];
	rc = new_node(p, closure ? EXPR_BUILTIN : EXPR_CALL, name->from,
		piped ? piped->from : name->from, &node);
	if (rc == 0 && piped)
		rc = append(p, node, &room, piped);
	if (rc == 0)
		rc = closure ? parse_closure_call(p, closure, node, &room)
			     : parse_arguments(p, node, &room);
	if (rc != 0)
		return rc;
	node->value = token_value(p, name);
	node->to = p->end;
	*ret = node;
	return 0;
}

static int parse_name(struct parser *p, struct expr_node **ret)
{
	static const struct {
		const char *name;
		struct value value;
	} literals[] = {{"true", {.type = VALUE_BOOL, .u.boolean = true}},
		{"false", {.type = VALUE_BOOL}}, {"nil", {.type = VALUE_NIL}}};
	struct token token = p->current;
	int rc = next(p);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
		if (!is_word(p, token.from, token.to, literals[i].name))
			continue;
		rc = new_node(p, EXPR_LITERAL, token.from, token.from, ret);
		if (rc != 0)
			return rc;
		(*ret)->value = literals[i].value;
		(*ret)->truth = truth_of(*ret);
		return 0;
	}
	if (is(p, TOKEN_BRACKET, "(")) {
		rc = parse_call(p, &token, NULL, ret);
	} else {
		rc = new_node(p, EXPR_NAME, token.from, token.from, ret);
		if (rc == 0)
			(*ret)->value = token_value(p, &token);
	}
	return rc != 0 ? rc : parse_postfix(p, *ret, ret);
}

/* At # or at the dot of .name, which stays for the postfix. */
static int parse_pointer(struct parser *p, struct expr_node **ret)
{
	uint32_t from = p->current.from;
	struct value name = value_string_of("", 0);
	struct expr_node *node = NULL;
	int rc = 0;

	if (is(p, TOKEN_OPERATOR, "#")) {
		/* A name has to follow at once. */
		uint32_t end = p->current.to;

		rc = next(p);
		if (rc == 0 && p->current.kind == TOKEN_NAME && p->current.from == end &&
			p->expr->dialect != EXPR_BCS) {
			name = token_value(p, &p->current);
			rc = next(p);
		}
	} else {
		p->end = from;
	}
	if (rc == 0)
		rc = new_node(p, EXPR_POINTER, from, from, &node);
	if (rc != 0)
		return rc;
	node->value = name;
	return parse_postfix(p, node, ret);
}

static int parse_primary(struct parser *p, struct expr_node **ret)
{
	struct token token = p->current;
	int rc;

	if (is(p, TOKEN_OPERATOR, "not") || is(p, TOKEN_OPERATOR, "!") ||
		is(p, TOKEN_OPERATOR, "-") || is(p, TOKEN_OPERATOR, "+"))
		return parse_unary(p, ret);
	if (is(p, TOKEN_BRACKET, "(")) {
		struct expr_node *inner = NULL;

		rc = next(p);
		if (rc == 0)
			rc = parse_sequence(p, &inner);
		if (rc == 0)
			rc = expect(p, TOKEN_BRACKET, ")");
		if (rc != 0)
			return rc;
		inner->from = token.from;
		inner->to = p->end;
		return parse_postfix(p, inner, ret);
	}
	if (is(p, TOKEN_OPERATOR, "#") || is(p, TOKEN_OPERATOR, ".")) {
		if (p->closures == 0)
			return expr_error(p->expr, token.from, EINVAL, p->err,
				"%.*s stands for an element and has a meaning in a closure only, "
				"as "
				"in all(result, # > 1)",
				(int)(token.to - token.from), p->s + token.from);
		return parse_pointer(p, ret);
	}
	if (is(p, TOKEN_OPERATOR, "::") && p->expr->dialect != EXPR_BCS) {
		rc = next(p);
		if (rc != 0)
			return rc;
		token = p->current;
		if (token.kind != TOKEN_NAME)
			return unexpected(p);
		rc = next(p);
		if (rc == 0)
			rc = parse_call(p, &token, NULL, ret);
		return rc != 0 ? rc : parse_postfix(p, *ret, ret);
	}
	switch (token.kind) {
	case TOKEN_NAME:
		return parse_name(p, ret);
	case TOKEN_NUMBER:
		return parse_number(p, ret);
	case TOKEN_STRING:
		rc = next(p);
		if (rc == 0)
			rc = new_node(p, EXPR_LITERAL, token.from, token.from, ret);
		if (rc != 0)
			return rc;
		(*ret)->value = token.string;
		return parse_postfix(p, *ret, ret);
	case TOKEN_BRACKET:
		if (is(p, TOKEN_BRACKET, "["))
			rc = parse_array(p, ret);
		else if (is(p, TOKEN_BRACKET, "{"))
			rc = parse_map(p, ret);
		else
			return unexpected(p);
		return rc != 0 ? rc : parse_postfix(p, *ret, ret);
	case TOKEN_OPERATOR:
	case TOKEN_END:
		break;
	}
	return unexpected(p);
}

/* ---- postfixes --------------------------------------------------------------------------- */

static int make_chain(struct parser *p, struct expr_node *inner, struct expr_node **ret)
{
	return make_unary(p, EXPR_CHAIN, inner->at, inner->from, inner, ret);
}

/* Behind the dot. As upstream, a further .name goes into the chain of a ?. before it. */
static int parse_member(struct parser *p, struct expr_node **node, bool optional)
{
	struct token name = p->current;
	struct expr_node *property, *member, *base = *node;
	bool in_chain = base->kind == EXPR_CHAIN;
	int rc;

	if (name.kind != TOKEN_NAME &&
		!(name.kind == TOKEN_OPERATOR && is_operator_word(p, name.from, name.to)))
		return expr_error(
			p->expr, name.from, EINVAL, p->err, "a name is expected behind the dot");
	rc = next(p);
	if (rc == 0)
		rc = new_node(p, EXPR_LITERAL, name.from, name.from, &property);
	if (rc != 0)
		return rc;
	property->value = token_value(p, &name);
	if (in_chain)
		base = base->a;
	rc = new_node(p, is(p, TOKEN_BRACKET, "(") ? EXPR_METHOD : EXPR_MEMBER, name.from,
		base->from, &member);
	if (rc != 0)
		return rc;
	member->optional = optional;
	if (member->kind == EXPR_METHOD) {
		size_t room = 0;

		member->value = property->value;
		rc = parse_arguments(p, member, &room);
		property = NULL;
	}
	if (rc == 0)
		rc = finish_node(p, member, base, property, NULL);
	if (rc == 0 && (in_chain || optional))
		rc = make_chain(p, member, &member);
	*node = member;
	return rc;
}

/* Behind the bracket. */
static int parse_index(struct parser *p, struct expr_node **node, uint32_t at_byte, bool optional)
{
	struct expr_node *from = NULL, *to = NULL, *made = NULL;
	bool slice;
	int rc = 0;

	if (!is(p, TOKEN_OPERATOR, ":"))
		rc = parse_expression(p, 0, &from);
	slice = rc == 0 && is(p, TOKEN_OPERATOR, ":");
	if (slice) {
		rc = next(p);
		if (rc == 0 && !is(p, TOKEN_BRACKET, "]"))
			rc = parse_expression(p, 0, &to);
	}
	if (rc == 0)
		rc = expect(p, TOKEN_BRACKET, "]");
	if (rc == 0)
		rc = new_node(p, slice ? EXPR_SLICE : EXPR_MEMBER, at_byte, (*node)->from, &made);
	if (rc == 0)
		rc = finish_node(p, made, *node, from, to);
	if (rc != 0)
		return rc;
	if (optional && !slice) {
		made->optional = true;
		rc = make_chain(p, made, &made);
	}
	*node = made;
	return rc;
}

static int parse_postfix(struct parser *p, struct expr_node *node, struct expr_node **ret)
{
	for (;;) {
		uint32_t at_byte = p->current.from;
		bool optional = is(p, TOKEN_OPERATOR, "?.");
		int rc;

		if (optional || is(p, TOKEN_OPERATOR, ".")) {
			rc = next(p);
			if (rc != 0)
				return rc;
			if (!optional || !is(p, TOKEN_BRACKET, "[")) {
				rc = parse_member(p, &node, optional);
				if (rc != 0)
					return rc;
				continue;
			}
		}
		if (!is(p, TOKEN_BRACKET, "["))
			break;
		rc = next(p);
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
	struct parser *p, int precedence, struct expr_node **left, bool *coalesced)
{
	struct token before = p->current, op = p->current;
	bool negated = is(p, TOKEN_OPERATOR, "not"), in_bcs = p->expr->dialect == EXPR_BCS;
	const struct operator_info *info;
	struct expr_node *right = NULL;
	int rc;

	if (op.kind != TOKEN_OPERATOR)
		return 0;
	if (negated) {
		rc = next(p);
		if (rc != 0)
			return rc;
		op = p->current;
		info = find_operator(p, &op);
		if (!info || !info->can_negate)
			return unexpected(p);
		if (in_bcs && info->op != EXPR_OP_IN)
			return not_in_bcs(p, "'not' before any word but 'in'");
		if (precedence_of(p, info) < precedence) {
			p->stashed = p->current;
			p->has_stashed = true;
			p->current = before;
			return 0;
		}
	}
	if (is(p, TOKEN_OPERATOR, "|") && !in_bcs && precedence == 0) {
		rc = next(p);
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
	rc = next(p);
	if (rc != 0)
		return rc;
	if (is_comparison(info)) {
		rc = parse_comparison(p, info, op.from, left);
		return rc < 0 ? rc : 1;
	}
	rc = parse_expression(p, precedence_of(p, info) + !info->from_right, &right);
	if (rc == 0)
		rc = make_binary(p, info->op, op.from, *left, right, left);
	if (rc == 0 && negated)
		rc = make_unary(p, EXPR_NOT, op.from, (*left)->from, *left, left);
	return rc < 0 ? rc : 1;
}

static int parse_expression(struct parser *p, int precedence, struct expr_node **ret)
{
	struct expr_node *node = NULL;
	bool coalesced = false;
	int rc = enter(p);

	if (rc != 0)
		return rc;
	if (precedence == 0 && is(p, TOKEN_OPERATOR, "let")) {
		uint32_t from = p->current.from;

		rc = next(p);
		if (rc == 0)
			rc = parse_let(p, from, &node);
	} else if (precedence == 0 && is(p, TOKEN_OPERATOR, "if")) {
		rc = parse_if(p, &node);
	} else {
		rc = parse_primary(p, &node);
		if (rc == 0)
			do
				rc = parse_operator(p, precedence, &node, &coalesced);
			while (rc > 0);
		if (rc == 0 && precedence == 0)
			rc = parse_conditional(p, &node);
	}
	if (rc != 0)
		return rc;
	leave(p);
	*ret = node;
	return 0;
}

static int parse_sequence(struct parser *p, struct expr_node **ret)
{
	struct expr_node *first = NULL, *sequence = NULL;
	size_t room = 0;
	int rc = parse_expression(p, 0, &first);

	while (rc == 0 && is(p, TOKEN_OPERATOR, ";") && p->expr->dialect != EXPR_BCS) {
		struct expr_node *more = NULL;

		rc = next(p);
		if (rc < 0 || p->current.kind == TOKEN_END)
			break;
		if (!sequence) {
			rc = new_node(p, EXPR_SEQUENCE, first->at, first->from, &sequence);
			if (rc == 0)
				rc = append(p, sequence, &room, first);
		}
		if (rc == 0)
			rc = parse_expression(p, 0, &more);
		if (rc == 0)
			rc = append(p, sequence, &room, more);
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
	struct parser p = {.expr = expr, .err = err};
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
		rc = next(&p);
		if (rc == 0)
			rc = parse_sequence(&p, &expr->root);
		if (rc == 0 && p.current.kind != TOKEN_END)
			rc = unexpected(&p);
	}
	if (rc < 0) {
		expr_free(expr);
		return rc;
	}
	*ret = expr;
	return 0;
}
