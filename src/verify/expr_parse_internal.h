#ifndef TH_VERIFY_EXPR_PARSE_INTERNAL_H
#define TH_VERIFY_EXPR_PARSE_INTERNAL_H

/* Between expr_parse.c, expr_lex.c and expr_primary.c. */

#include "verify/expr_tree.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_OPERATOR,
	TOKEN_BRACKET,
};

struct expr_token {
	enum token_kind kind;
	uint32_t from, to;
	struct value string; /* of TOKEN_STRING what it stands for */
};

/* All functions return 0 or an error that is set already; a node is valid on 0 only. */
struct expr_parser {
	struct expr *expr;
	const char *s;
	uint32_t len, pos; /* pos: behind the current token */
	uint32_t end;	   /* behind the token before the current one */
	struct expr_token current, stashed;
	bool has_stashed;
	bool after_pointer; /* a name directly behind # belongs to it */
	unsigned closures;  /* that we are in */
	unsigned nested;
	size_t nodes;
	struct th_err *err;
};

/* ---- expr_lex.c ------------------------------------------------------------------------------ */

/* Makes the token behind the current one the current one. */
int expr_next(struct expr_parser *p);
/* Goes on behind the current token if that is `text`; an error else. */
int expr_expect(struct expr_parser *p, enum token_kind kind, const char *text);

bool expr_is(const struct expr_parser *p, enum token_kind kind, const char *text);
bool expr_token_is(const struct expr_parser *p, const struct expr_token *token,
	enum token_kind kind, const char *text);
/* The same of bytes of the condition; and is it an operator that is written as a word? */
bool expr_is_word(const struct expr_parser *p, uint32_t from, uint32_t to, const char *word);
bool expr_is_operator_word(const struct expr_parser *p, uint32_t from, uint32_t to);

/* A string, in the pool of the condition or within it: what a literal stands for, else the text. */
struct value expr_token_value(const struct expr_parser *p, const struct expr_token *token);
int expr_hex_value(char c); /* 0 to 15; -1: is no such digit */

/* Errors, always negative: the current token has no place here; only Argo's language has `what`. */
int expr_unexpected(struct expr_parser *p);
int expr_not_in_bcs(struct expr_parser *p, const char *what);

/* ---- expr_parse.c ---------------------------------------------------------------------------- */

/* Around whatever may hold itself: -E2BIG where it is nested too deep. */
int expr_enter(struct expr_parser *p);
void expr_leave(struct expr_parser *p);

/* A node of the source from `from` on; messages name the byte `at_byte`. */
int expr_new_node(struct expr_parser *p, enum expr_kind kind, uint32_t at_byte, uint32_t from,
	struct expr_node **ret);
/* Sets the children, NULL for none, and the end: p->end is behind the last token of the node. */
int expr_finish_node(struct expr_parser *p, struct expr_node *node, struct expr_node *a,
	struct expr_node *b, struct expr_node *c);
/* Another element of node->list, which has room for *room, at first 0. */
int expr_append(
	struct expr_parser *p, struct expr_node *node, size_t *room, struct expr_node *child);
/* That node is deep enough for a child that it has in another way. */
int expr_add_child(struct expr_parser *p, struct expr_node *node, const struct expr_node *child);
/* What expr-lang's optimizer finds out about literals: `x and false` is false without asking x.
 * 0, 1, or -1 for not known. */
int8_t expr_truth_of(const struct expr_node *node);

/* Each from the current token on, by the grammar of verify/expr_parse.h; `precedence`: operators
 * that bind weaker end the expression. */
int expr_parse_sequence(struct expr_parser *p, struct expr_node **ret);
int expr_parse_expression(struct expr_parser *p, int precedence, struct expr_node **ret);
int expr_parse_block(struct expr_parser *p, struct expr_node **ret); /* { sequence } */
int expr_parse_unary(struct expr_parser *p, struct expr_node **ret);
/* What stands behind `node`: members, indices, calls; `node` itself where nothing does. */
int expr_parse_postfix(struct expr_parser *p, struct expr_node *node, struct expr_node **ret);

/* ---- expr_primary.c -------------------------------------------------------------------------- */

int expr_parse_primary(struct expr_parser *p, struct expr_node **ret);
/* In brackets, appended to node->list. */
int expr_parse_arguments(struct expr_parser *p, struct expr_node *node, size_t *room);
/* Behind the name. Which names there are is found out later. `piped`: the first argument, or NULL.
 */
int expr_parse_call(struct expr_parser *p, const struct expr_token *name, struct expr_node *piped,
	struct expr_node **ret);

#endif
