#include "config.h"

#include "verify/regex.h"

#include "base/alloc.h"
#include "verify/regex_internal.h"

#include <errno.h>

/* The places of the program that are reached at one position of the text. */
struct places {
	uint32_t *list;
	uint32_t *seen_at; /* position + 1 where a place was added last */
	size_t n;
};

struct matcher {
	const struct regex *regex;
	const char *text;
	size_t len;
	uint32_t *stack;
	int64_t *steps;
};

static bool holds(const struct matcher *m, enum assertion assertion, size_t pos)
{
	bool before = pos > 0 && regex_is_word((unsigned char)m->text[pos - 1]);
	bool after = pos < m->len && regex_is_word((unsigned char)m->text[pos]);

	switch (assertion) {
	case ASSERT_TEXT_BEGIN:
		return pos == 0;
	case ASSERT_TEXT_END:
		return pos == m->len;
	case ASSERT_LINE_BEGIN:
		return pos == 0 || m->text[pos - 1] == '\n';
	case ASSERT_LINE_END:
		return pos == m->len || m->text[pos] == '\n';
	case ASSERT_WORD:
		return before != after;
	case ASSERT_NO_WORD:
		return before == after;
	}
	return false;
}

/* Adds a place and all that are reached from it without a character. 1: the end is one of them. */
static int add_place(struct matcher *m, struct places *places, uint32_t from, size_t pos)
{
	size_t depth = 0;

	m->stack[depth++] = from;
	while (depth > 0) {
		uint32_t place = m->stack[--depth];
		const struct inst *inst = &m->regex->program[place];

		if (places->seen_at[place] == pos + 1)
			continue;
		places->seen_at[place] = (uint32_t)(pos + 1);
		if (--*m->steps < 0)
			return -E2BIG;
		switch (inst->op) {
		case OP_CLASS:
			places->list[places->n++] = place;
			break;
		case OP_ASSERT:
			if (holds(m, (enum assertion)inst->value, pos))
				m->stack[depth++] = place + 1;
			break;
		case OP_SPLIT:
			m->stack[depth++] = inst->y;
			m->stack[depth++] = inst->x;
			break;
		case OP_JUMP:
			m->stack[depth++] = inst->x;
			break;
		case OP_MATCH:
			return 1;
		}
	}
	return 0;
}

int regex_match(const struct regex *regex, const char *text, size_t len, int64_t *steps)
{
	size_t n = regex->n;
	/* Each place is put on the stack at most once by each of the two that lead to it. */
	_cleanup_free_ uint32_t *memory = xcalloc(n * 6 + 2, sizeof(*memory));
	struct places here_places = {memory, memory + n, 0};
	struct places next_places = {memory + 2 * n, memory + 3 * n, 0};
	struct matcher m = {regex, text, len, memory + 4 * n, steps};

	for (size_t pos = 0;;) {
		size_t size = 0;
		uint32_t c;
		int rc = add_place(&m, &here_places, 0, pos);

		if (rc != 0)
			return rc;
		if (pos >= len)
			return 0;
		c = regex_decode(text + pos, len - pos, &size);
		next_places.n = 0;
		for (size_t i = 0; i < here_places.n; i++) {
			const struct inst *inst = &regex->program[here_places.list[i]];

			if (--*steps < 0)
				return -E2BIG;
			if (!regex_class_matches(&regex->classes[inst->value], c))
				continue;
			rc = add_place(&m, &next_places, here_places.list[i] + 1, pos + size);
			if (rc != 0)
				return rc;
		}
		pos += size;
		{
			struct places swap = here_places;

			here_places = next_places;
			next_places = swap;
		}
	}
}
