#ifndef TH_VERIFY_REGEX_H
#define TH_VERIFY_REGEX_H

/*
 * Regular expressions as Go has them (RE2, https://github.com/google/re2/wiki/Syntax), for the
 * 'matches' of conditions: whether there is a match, not where. Time is bounded by the length of
 * the text times that of the pattern: all alternatives are followed at once, none is tried again.
 *
 *	alternation = sequence { "|" sequence } .
 *	sequence    = { atom [ repeat [ "?" ] ] } .
 *	repeat      = "*" | "+" | "?" | "{" n "}" | "{" n "," [ m ] "}" .	n, m: up to 1000
 *	atom        = character | "." | "^" | "$" | class | escape | group .
 *	group       = "(" alternation ")" | "(?:" alternation ")"
 *	            | "(?P<name>" alternation ")" | "(?" flags ")"
 *	            | "(?" flags ":" alternation ")" .
 *	flags       = { "i" | "m" | "s" | "U" } [ "-" { "i" | "m" | "s" | "U" } ] .
 *	class       = "[" [ "^" ] { character [ "-" character ] | escape | named } "]" .
 *	named       = "[:" [ "^" ] name ":]" .
 *	escape      = "\" ( "d" | "D" | "s" | "S" | "w" | "W" | "b" | "B" | "A" | "z" | "Q" … "\E"
 *	            | "a" | "f" | "n" | "r" | "t" | "v" | octal | "x" hex hex | "x{" hex { hex } "}"
 *	            | punctuation ) .
 *
 * Not supported: \p and \P (classes of Unicode), \C. The flag i folds ASCII letters only.
 * Characters are those of UTF-8; a byte that belongs to none counts as U+FFFD, as with Go.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEX_SIZE_MAX	  ((size_t)4096) /* bytes of a pattern */
#define REGEX_PROGRAM_MAX 20000		 /* steps it is compiled to; repeats are written out */
#define REGEX_NESTED_MAX  200

struct regex;

/* -EINVAL: not of the form above; -E2BIG: over a limit. */
int regex_compile(const char *pattern, size_t len, struct regex **ret, struct th_err *err);
void regex_free(struct regex *regex);
static inline void regex_freep(struct regex **regex)
{
	regex_free(*regex);
}
#define _cleanup_regex_ _cleanup_(regex_freep)

/* 1: somewhere in the text, 0: nowhere, -E2BIG: *steps, which every step lessens, is used up. */
int regex_match(const struct regex *regex, const char *text, size_t len, int64_t *steps);

#endif
