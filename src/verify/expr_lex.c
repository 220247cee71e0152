#include "config.h"

#include "verify/expr_parse.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_parse_internal.h"

#include <errno.h>
#include <string.h>

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

static char at(const struct expr_parser *p, uint32_t pos)
{
	return pos < p->len ? p->s[pos] : '\0';
}

/* Bytes of a blank at `pos`: ASCII, U+0085, U+00A0 and the spaces of U+2000 to U+3000. */
static uint32_t blank_length(const struct expr_parser *p, uint32_t pos)
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

static int skip_blanks(struct expr_parser *p)
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

int expr_hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Behind the backslash. */
static int lex_escape(struct expr_parser *p, char quote, struct strbuf *b)
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
		for (; n < (braces ? 6 : digits) && expr_hex_value(at(p, p->pos)) >= 0; n++)
			code = code << 4 | (uint32_t)expr_hex_value(p->s[p->pos++]);
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
static int lex_string(struct expr_parser *p, struct expr_token *token)
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

static void accept_run(struct expr_parser *p, const char *set)
{
	while (p->pos < p->len && p->s[p->pos] && strchr(set, p->s[p->pos]))
		p->pos++;
}

static int lex_number(struct expr_parser *p, struct expr_token *token)
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

bool expr_is_word(const struct expr_parser *p, uint32_t from, uint32_t to, const char *word)
{
	return to - from == strlen(word) && memcmp(p->s + from, word, to - from) == 0;
}

bool expr_is_operator_word(const struct expr_parser *p, uint32_t from, uint32_t to)
{
	static const char *const words[] = {
		"not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (expr_is_word(p, from, to, words[i]))
			return true;
	return p->expr->dialect != EXPR_BCS &&
	       (expr_is_word(p, from, to, "let") || expr_is_word(p, from, to, "if") ||
		       expr_is_word(p, from, to, "else"));
}

static int lex(struct expr_parser *p, struct expr_token *token)
{
	char c, next;

	if (!p->after_pointer && skip_blanks(p) < 0)
		return -EINVAL;
	c = at(p, p->pos);
	next = at(p, p->pos + 1);
	*token = (struct expr_token){.kind = TOKEN_OPERATOR, .from = p->pos};
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
			expr_is_operator_word(p, token->from, p->pos) ? TOKEN_OPERATOR : TOKEN_NAME;
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

int expr_next(struct expr_parser *p)
{
	p->end = p->current.to;
	if (p->has_stashed) {
		p->current = p->stashed;
		p->has_stashed = false;
		return 0;
	}
	return lex(p, &p->current);
}

bool expr_token_is(const struct expr_parser *p, const struct expr_token *token,
	enum token_kind kind, const char *text)
{
	return token->kind == kind && expr_is_word(p, token->from, token->to, text);
}

bool expr_is(const struct expr_parser *p, enum token_kind kind, const char *text)
{
	return expr_token_is(p, &p->current, kind, text);
}

int expr_unexpected(struct expr_parser *p)
{
	_cleanup_free_ char *shown = NULL;

	if (p->current.kind == TOKEN_END)
		return expr_error(p->expr, p->current.from, EINVAL, p->err,
			"unexpected end of the condition");
	shown = str_escape_n(p->s + p->current.from, p->current.to - p->current.from, 40);
	return expr_error(p->expr, p->current.from, EINVAL, p->err, "unexpected %s", shown);
}

int expr_expect(struct expr_parser *p, enum token_kind kind, const char *text)
{
	_cleanup_free_ char *shown = NULL;

	if (expr_is(p, kind, text))
		return expr_next(p);
	if (p->current.kind == TOKEN_END)
		return expr_error(p->expr, p->current.from, EINVAL, p->err,
			"unexpected end of the condition: %s is missing", text);
	shown = str_escape_n(p->s + p->current.from, p->current.to - p->current.from, 40);
	return expr_error(p->expr, p->current.from, EINVAL, p->err,
		"unexpected %s where %s is expected", shown, text);
}

struct value expr_token_value(const struct expr_parser *p, const struct expr_token *token)
{
	if (token->kind == TOKEN_STRING)
		return token->string;
	return value_string_of(p->s + token->from, token->to - token->from);
}

int expr_not_in_bcs(struct expr_parser *p, const char *what)
{
	return expr_error(p->expr, p->current.from, EINVAL, p->err,
		"%s is not in the language of BlueKing's conditions (dialect bcs)", what);
}
