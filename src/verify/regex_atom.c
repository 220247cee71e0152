#include "config.h"

#include "verify/regex_internal.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

/* Behind "[:". */
static int add_posix_class(struct regex_parser *p, struct class *class)
{
	static const struct {
		const char *name;
		struct range ranges[4];
		size_t n;
	} sets[] = {
		{"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
		{"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
		{"ascii", {{0, 0x7f}}, 1},
		{"blank", {{'\t', '\t'}, {' ', ' '}}, 2},
		{"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}, 2},
		{"digit", {{'0', '9'}}, 1},
		{"graph", {{'!', '~'}}, 1},
		{"lower", {{'a', 'z'}}, 1},
		{"print", {{' ', '~'}}, 1},
		{"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}, 4},
		{"space", {{'\t', '\r'}, {' ', ' '}}, 2},
		{"upper", {{'A', 'Z'}}, 1},
		{"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
		{"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
	};
	bool negated = p->pos < p->len && p->s[p->pos] == '^';
	size_t from = p->pos + negated;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		size_t len = strlen(sets[i].name);

		if (p->len - from >= len + 2 && memcmp(p->s + from, sets[i].name, len) == 0 &&
			memcmp(p->s + from + len, ":]", 2) == 0) {
			regex_class_add_set(class, sets[i].ranges, sets[i].n, negated);
			p->pos = from + len + 2;
			return 0;
		}
	}
	return regex_fail(p, EINVAL, "unknown class behind '[:'");
}

static int hex_value(char c)
{
	if (regex_is_digit(c))
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static bool is_at_octal(const struct regex_parser *p)
{
	return p->pos < p->len && p->s[p->pos] >= '0' && p->s[p->pos] <= '7';
}

/* Behind the first digit. */
static uint32_t parse_octal(struct regex_parser *p, char first)
{
	uint32_t code = (uint32_t)(first - '0');

	for (int i = 0; i < 2 && is_at_octal(p); i++)
		code = code * 8 + (uint32_t)(p->s[p->pos++] - '0');
	return code;
}

/* Behind "\x": two digits, or any number in braces. */
static bool parse_hex(struct regex_parser *p, uint32_t *ret)
{
	bool braces = regex_is_at(p, "{");
	uint32_t code = 0;
	size_t n = 0;

	p->pos += braces;
	while (p->pos < p->len && hex_value(p->s[p->pos]) >= 0 && (braces || n < 2)) {
		code = code * 16 + (uint32_t)hex_value(p->s[p->pos++]);
		n++;
		if (code > RUNE_MAX)
			return false;
	}
	if (braces ? n == 0 || !regex_is_at(p, "}") : n != 2)
		return false;
	p->pos += braces;
	*ret = code;
	return true;
}

/* Of what stands from `from` to here. */
static int refuse_escape(struct regex_parser *p, size_t from, char c)
{
	_cleanup_free_ char *shown = str_escape_n(p->s + from, p->pos - from, 20);

	if (c == 'p' || c == 'P' || c == 'C')
		return regex_fail(p, EINVAL, "'\\%c' is not supported", c);
	return regex_fail(p, EINVAL, "invalid escape sequence '%s'", shown);
}

/* The character of an escape that stands for one; behind the backslash. */
static int parse_character_escape(struct regex_parser *p, uint32_t *ret)
{
	static const char names[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	const char *found;
	size_t from = p->pos - 1;
	char c;

	if (p->pos == p->len)
		return regex_fail(p, EINVAL, "trailing backslash at end of expression");
	c = p->s[p->pos++];
	found = c ? strchr(names, c) : NULL;
	if (found) {
		*ret = (unsigned char)values[found - names];
		return 0;
	}
	/* \1 to \7 alone would be what another group matched, which RE2 has not. */
	if (c == '0' || (c >= '1' && c <= '7' && is_at_octal(p))) {
		*ret = parse_octal(p, c);
		return 0;
	}
	if (c == 'x')
		return parse_hex(p, ret) ? 0 : refuse_escape(p, from, c);
	if ((unsigned char)c < 0x80 && (c == '_' || !regex_is_word((unsigned char)c))) {
		*ret = (unsigned char)c;
		return 0;
	}
	return refuse_escape(p, from, c);
}

static int parse_class_character(struct regex_parser *p, uint32_t *ret)
{
	size_t size;

	if (p->pos == p->len)
		return regex_fail(p, EINVAL, "missing closing ']'");
	if (p->s[p->pos] == '\\') {
		p->pos++;
		return parse_character_escape(p, ret);
	}
	*ret = regex_decode(p->s + p->pos, p->len - p->pos, &size);
	p->pos += size;
	return 0;
}

/* Behind the bracket. */
int regex_parse_class(struct regex_parser *p, size_t *ret)
{
	size_t node = regex_new_node(p, NODE_CLASS);
	unsigned number = regex_new_class(p);
	struct class *class = &p->regex->classes[number];

	p->nodes[node].value = number;
	if (regex_is_at(p, "^")) {
		class->negated = true;
		p->pos++;
	}
	for (bool first = true; first || !regex_is_at(p, "]"); first = false) {
		uint32_t from, to;

		if (p->pos == p->len)
			return regex_fail(p, EINVAL, "missing closing ']'");
		if (regex_is_at(p, "[:")) {
			p->pos += 2;
			if (add_posix_class(p, class) < 0)
				return -EINVAL;
			continue;
		}
		if (regex_is_at(p, "\\") && p->pos + 1 < p->len &&
			regex_class_add_perl(class, p->s[p->pos + 1])) {
			p->pos += 2;
			continue;
		}
		if (parse_class_character(p, &from) < 0)
			return -EINVAL;
		to = from;
		if (regex_is_at(p, "-") && p->pos + 1 < p->len && p->s[p->pos + 1] != ']') {
			p->pos++;
			if (parse_class_character(p, &to) < 0)
				return -EINVAL;
		}
		if (to < from)
			return regex_fail(p, EINVAL, "invalid character class range");
		regex_class_add(class, from, to);
	}
	p->pos++;
	*ret = node;
	return 0;
}

/* Behind the backslash. */
int regex_parse_escape(struct regex_parser *p, size_t *ret)
{
	uint32_t c;

	if (p->pos < p->len) {
		static const struct {
			char name;
			enum assertion assertion;
		} assertions[] = {{'A', ASSERT_TEXT_BEGIN}, {'z', ASSERT_TEXT_END},
			{'b', ASSERT_WORD}, {'B', ASSERT_NO_WORD}};

		for (size_t i = 0; i < ARRAY_SIZE(assertions); i++)
			if (p->s[p->pos] == assertions[i].name) {
				p->pos++;
				*ret = regex_new_assertion(p, assertions[i].assertion);
				return 0;
			}
		if (strchr("dDsSwW", p->s[p->pos]) && p->s[p->pos]) {
			*ret = regex_new_node(p, NODE_CLASS);
			p->nodes[*ret].value = regex_new_class(p);
			regex_class_add_perl(
				&p->regex->classes[p->nodes[*ret].value], p->s[p->pos++]);
			return 0;
		}
	}
	if (parse_character_escape(p, &c) < 0)
		return -EINVAL;
	*ret = regex_new_character(p, c);
	return 0;
}
