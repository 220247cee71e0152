#ifndef TH_VERIFY_REGEX_INTERNAL_H
#define TH_VERIFY_REGEX_INTERNAL_H

/* What a regular expression is compiled to, between regex.c, regex_class.c and regex_match.c. */

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
