#ifndef TH_VERIFY_REGEX_INTERNAL_H
#define TH_VERIFY_REGEX_INTERNAL_H

/*
 * Between the parts of regex.c: regex_parse.c makes a tree of a pattern (regex_atom.c reads its
 * classes and escapes), regex_program.c a program of the tree, which regex_match.c runs;
 * regex_class.c knows characters.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNE_MAX 0x10ffffU
#define NONE	 ((size_t)-1)

struct range {
	uint32_t from, to;
};

struct class
{
	struct range *ranges;
	size_t n;
	bool negated, fold;
};

enum assertion {
	ASSERT_TEXT_BEGIN,
	ASSERT_TEXT_END,
	ASSERT_LINE_BEGIN,
	ASSERT_LINE_END,
	ASSERT_WORD,
	ASSERT_NO_WORD,
};

enum op {
	OP_CLASS,
	OP_ASSERT,
	OP_SPLIT,
	OP_JUMP,
	OP_MATCH,
};

struct inst {
	enum op op;
	unsigned value;
	uint32_t x, y;
};

struct regex {
	struct class *classes;
	size_t n_classes;
	struct inst *program;
	size_t n;
};

/* ---- the tree ---- */

enum regex_node_type {
	NODE_EMPTY,
	NODE_CLASS,
	NODE_ASSERT,
	NODE_SEQUENCE,
	NODE_ALTERNATION,
	NODE_REPEAT,
};

/* Children are linked by `next`, by index, as the nodes move when there are more. */
struct regex_node {
	enum regex_node_type type;
	size_t first, next;
	unsigned value;	   /* number of the class, or enum assertion */
	unsigned min, max; /* max UINT32_MAX: no end */
};

struct regex_parser {
	const char *s;
	size_t len, pos;
	unsigned flags;
	unsigned nested;
	struct regex_node *nodes;
	size_t n_nodes;
	struct regex *regex;
	struct th_err *err;
};

/* A macro, so that the result is seen to be negative. */
#define regex_fail(p, errnum, ...) (regex_complain(p, errnum, __VA_ARGS__), -(errnum))
void regex_complain(struct regex_parser *p, int errnum, const char *fmt, ...) PRINTF_ATTR(3, 4);

/* The whole pattern: 0 and the number of its root, or an error that is set. The nodes are the
 * caller's. */
int regex_parse(struct regex_parser *p, size_t *ret_root);

/* Of an atom that is a class or an escape, behind its first character: 0 and its node, or -EINVAL
 * with an error that is set. */
int regex_parse_class(struct regex_parser *p, size_t *ret);
int regex_parse_escape(struct regex_parser *p, size_t *ret);

/* Does this stand next? */
bool regex_is_at(const struct regex_parser *p, const char *word);

/* By number, as nodes and classes move when there are more. */
size_t regex_new_node(struct regex_parser *p, enum regex_node_type type);
size_t regex_new_character(struct regex_parser *p, uint32_t c);
size_t regex_new_assertion(struct regex_parser *p, enum assertion assertion);
unsigned regex_new_class(struct regex_parser *p);

/* Adds what the tree means to p->regex. -E2BIG: more than REGEX_PROGRAM_MAX steps, the error is
 * set. */
int regex_emit(struct regex_parser *p, size_t root);

/* ---- characters ---- */

static inline bool regex_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Go's utf8.DecodeRune(): what is no character is one byte of U+FFFD. `len` is at least 1. */
uint32_t regex_decode(const char *text, size_t len, size_t *ret_size);

/* [0-9A-Za-z_] */
bool regex_is_word(uint32_t c);

void regex_class_add(struct class *class, uint32_t from, uint32_t to);
/* `ranges` are in order; with `negated` all that is not in them. */
void regex_class_add_set(struct class *class, const struct range *ranges, size_t n, bool negated);
/* \d, \s, \w and their opposites; false: `c` is none of these letters. */
bool regex_class_add_perl(struct class *class, char c);

bool regex_class_matches(const struct class *class, uint32_t c);

#endif
