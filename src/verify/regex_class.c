#include "config.h"

#include "verify/regex_internal.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <string.h>

/* Go's utf8.DecodeRune(): what is no character is one byte of U+FFFD. */
uint32_t regex_decode(const char *text, size_t len, size_t *ret_size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c = size == 1 ? s[0] : size == 0 ? 0 : s[0] & (0x7fU >> size);

	*ret_size = 1;
	if (size == 0 || s[0] > 0xf4 || size > len)
		return 0xfffd;
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((size == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
		(size == 4 && (c < 0x10000 || c > RUNE_MAX)))
		return 0xfffd;
	*ret_size = size;
	return c;
}

bool regex_is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_';
}

void regex_class_add(struct class *class, uint32_t from, uint32_t to)
{
	class->ranges = xreallocarray(class->ranges, class->n + 1, sizeof(*class->ranges));
	class->ranges[class->n++] = (struct range){from, to};
}

/* `ranges` are sorted and apart from each other. */
void regex_class_add_set(struct class *class, const struct range *ranges, size_t n, bool negated)
{
	uint32_t from = 0;

	for (size_t i = 0; i < n; i++) {
		if (!negated)
			regex_class_add(class, ranges[i].from, ranges[i].to);
		else if (ranges[i].from > from)
			regex_class_add(class, from, ranges[i].from - 1);
		from = ranges[i].to + 1;
	}
	if (negated && from <= RUNE_MAX)
		regex_class_add(class, from, RUNE_MAX);
}

static bool class_has(const struct class *class, uint32_t c)
{
	for (size_t i = 0; i < class->n; i++)
		if (c >= class->ranges[i].from && c <= class->ranges[i].to)
			return true;
	return false;
}

bool regex_class_matches(const struct class *class, uint32_t c)
{
	bool has = class_has(class, c);

	if (!has && class->fold && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
		has = class_has(class, c ^ 0x20);
	return has != class->negated;
}

static const struct range digits[] = {{'0', '9'}};
static const struct range spaces[] = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
static const struct range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

/* \d, \S and so on; false where `c` is none of them. */
bool regex_class_add_perl(struct class *class, char c)
{
	bool negated = c >= 'A' && c <= 'Z';

	switch (c | 0x20) {
	case 'd':
		regex_class_add_set(class, digits, ARRAY_SIZE(digits), negated);
		return true;
	case 's':
		regex_class_add_set(class, spaces, ARRAY_SIZE(spaces), negated);
		return true;
	case 'w':
		regex_class_add_set(class, words, ARRAY_SIZE(words), negated);
		return true;
	default:
		return false;
	}
}
