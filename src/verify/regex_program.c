#include "config.h"

#include "verify/regex_internal.h"

#include "base/alloc.h"
#include "verify/regex.h"

#include <errno.h>

static int emit(struct regex_parser *p, enum op op, unsigned value, size_t *ret)
{
	struct regex *regex = p->regex;

	if (regex->n >= REGEX_PROGRAM_MAX)
		return regex_fail(p, E2BIG, "too large when its repeats are written out");
	regex->program = xreallocarray(regex->program, regex->n + 1, sizeof(*regex->program));
	regex->program[regex->n] = (struct inst){.op = op, .value = value};
	if (ret)
		*ret = regex->n;
	regex->n++;
	return 0;
}

static uint32_t here(const struct regex_parser *p)
{
	return (uint32_t)p->regex->n;
}

static int emit_node(struct regex_parser *p, size_t index);

static int emit_alternation(struct regex_parser *p, const struct regex_node *node)
{
	_cleanup_free_ size_t *jumps = NULL;
	size_t n = 0;

	for (size_t child = node->first; child != NONE; child = p->nodes[child].next) {
		bool is_last = p->nodes[child].next == NONE;
		size_t split = 0;

		if (!is_last && emit(p, OP_SPLIT, 0, &split) < 0)
			return -E2BIG;
		if (!is_last)
			p->regex->program[split].x = here(p);
		if (emit_node(p, child) < 0)
			return -E2BIG;
		if (is_last)
			break;
		jumps = xreallocarray(jumps, n + 1, sizeof(*jumps));
		if (emit(p, OP_JUMP, 0, &jumps[n++]) < 0)
			return -E2BIG;
		p->regex->program[split].y = here(p);
	}
	for (size_t i = 0; i < n; i++)
		p->regex->program[jumps[i]].x = here(p);
	return 0;
}

static int emit_repeat(struct regex_parser *p, const struct regex_node *node)
{
	_cleanup_free_ size_t *splits = NULL;
	size_t n = 0;

	for (unsigned i = 0; i < node->min; i++)
		if (emit_node(p, node->first) < 0)
			return -E2BIG;
	if (node->max == UINT32_MAX) {
		size_t split, jump;

		if (emit(p, OP_SPLIT, 0, &split) < 0)
			return -E2BIG;
		p->regex->program[split].x = here(p);
		if (emit_node(p, node->first) < 0 || emit(p, OP_JUMP, 0, &jump) < 0)
			return -E2BIG;
		p->regex->program[jump].x = (uint32_t)split;
		p->regex->program[split].y = here(p);
		return 0;
	}
	for (unsigned i = node->min; i < node->max; i++) {
		splits = xreallocarray(splits, n + 1, sizeof(*splits));
		if (emit(p, OP_SPLIT, 0, &splits[n]) < 0)
			return -E2BIG;
		p->regex->program[splits[n++]].x = here(p);
		if (emit_node(p, node->first) < 0)
			return -E2BIG;
	}
	for (size_t i = 0; i < n; i++)
		p->regex->program[splits[i]].y = here(p);
	return 0;
}

static int emit_node(struct regex_parser *p, size_t index)
{
	const struct regex_node *node = &p->nodes[index];

	switch (node->type) {
	case NODE_EMPTY:
		return 0;
	case NODE_CLASS:
		return emit(p, OP_CLASS, node->value, NULL);
	case NODE_ASSERT:
		return emit(p, OP_ASSERT, node->value, NULL);
	case NODE_SEQUENCE:
		for (size_t child = node->first; child != NONE; child = p->nodes[child].next)
			if (emit_node(p, child) < 0)
				return -E2BIG;
		return 0;
	case NODE_ALTERNATION:
		return emit_alternation(p, node);
	case NODE_REPEAT:
		return emit_repeat(p, node);
	}
	return 0;
}

int regex_emit(struct regex_parser *p, size_t root)
{
	int rc = emit_node(p, root);

	return rc < 0 ? rc : emit(p, OP_MATCH, 0, NULL);
}
