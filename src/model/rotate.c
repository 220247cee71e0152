#include "config.h"

#include "model/rotate.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <limits.h>
#include <string.h>

enum rotate_action rotate_next(
	const struct rotate_state *s, const char *p, size_t n, bool flush, size_t *ret_n)
{
	uint64_t left = s->max_size > s->size ? s->max_size - s->size : 0;
	uint64_t whole = MIN((uint64_t)ROTATE_LINE_MAX, s->max_size);
	size_t fits, lines;
	const char *newline;

	if (left == 0)
		return ROTATE_NEXT;
	/* Whatever begins in these bytes begins far from the end: nothing to look for. */
	if (n <= left && left - n >= whole) {
		*ret_n = n;
		return ROTATE_WRITE;
	}
	fits = (size_t)MIN((uint64_t)n, left);
	newline = memrchr(p, '\n', fits);
	lines = newline ? (size_t)(newline - p) + 1 : 0;

	/* Behind `lines` stands a piece of a line. It may go where it is if it belongs to a line
	 * that began before (what is written cannot be moved), if it began far enough from the end
	 * to be longer than a line that is kept whole, or if its line's end is not coming. */
	if (lines == fits || (lines == 0 && s->mid_line) || left - lines >= whole ||
		(n <= left && flush)) {
		*ret_n = fits;
		return ROTATE_WRITE;
	}
	if (lines > 0) {
		*ret_n = lines;
		return ROTATE_WRITE;
	}
	/* left < whole, hence size > 0: the file that begins has more room than this one. */
	return n <= left ? ROTATE_HOLD : ROTATE_NEXT;
}

char *rotate_name(const char *base, unsigned index)
{
	return index == 0 ? xstrdup(base) : xasprintf("%s.%u", base, index);
}

int rotate_index(const char *base, const char *entry)
{
	size_t len = strlen(base);
	int index = 0;

	if (strncmp(entry, base, len) != 0)
		return -1;
	if (entry[len] == '\0')
		return 0;
	if (entry[len] != '.' || entry[len + 1] == '0' || entry[len + 1] == '\0')
		return -1;
	for (const char *c = entry + len + 1; *c; c++) {
		if (*c < '0' || *c > '9')
			return -1;
		if (index > (INT_MAX - (*c - '0')) / 10)
			return -1;
		index = index * 10 + (*c - '0');
	}
	return index;
}
