#include "config.h"

#include "verify/regex.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/str.h"
#include "verify/regex_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum flag {
	FLAG_FOLD = 1,	/* i */
	FLAG_LINES = 2, /* m */
	FLAG_DOT_NL = 4 /* s */
};

enum node_type {
	NODE_EMPTY,
	NODE_CLASS,
	NODE_ASSERT,
	NODE_SEQUENCE,
	NODE_ALTERNATION,
	NODE_REPEAT,
};

/* Children are linked by `next`, by index, as the nodes move when there are more. */
struct node {
	enum node_type type;
	size_t first, next;
	unsigned value;	   /* number of the class, or enum assertion */
	unsigned min, max; /* max UINT_MAX: no end */
};

struct parser {
	const char *s;
	size_t len, pos;
	unsigned flags;
	unsigned nested;
	struct node *nodes;
	size_t n_nodes;
	struct regex *regex;
	struct th_err *err;
};

static int parse_alternation(struct parser *p, size_t *ret);

/* A macro, so that the result is seen to be negative. */
#define bad(p, errnum, ...) (complain(p, errnum, __VA_ARGS__), -(errnum))

PRINTF_ATTR(3, 4) static void complain(struct parser *p, int errnum, const char *fmt, ...)
{
	_cleanup_free_ char *shown = str_escape_n(p->s, p->len, 60), *why = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	(void)err_set(p->err, EXIT_DATAERR, errnum, "regular expression '%s': %s", shown,
		why ? why : "wrong");
}

/* ---- characters and classes -------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Behind "[:". */
static int add_posix_class(struct parser *p, struct class *class)
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
	return bad(p, EINVAL, "unknown class behind '[:'");
}

static unsigned new_class(struct parser *p)
{
	struct regex *regex = p->regex;

	regex->classes =
		xreallocarray(regex->classes, regex->n_classes + 1, sizeof(*regex->classes));
	regex->classes[regex->n_classes] =
		(struct class){.ranges = NULL, .fold = p->flags & FLAG_FOLD};
	return (unsigned)regex->n_classes++;
}

/* ---- parser ------------------------------------------------------------------------------ */

static size_t new_node(struct parser *p, enum node_type type)
{
	p->nodes = xreallocarray(p->nodes, p->n_nodes + 1, sizeof(*p->nodes));
	p->nodes[p->n_nodes] = (struct node){.type = type, .first = NONE, .next = NONE};
	return p->n_nodes++;
}

static size_t new_character(struct parser *p, uint32_t c)
{
	size_t node = new_node(p, NODE_CLASS);

	p->nodes[node].value = new_class(p);
	regex_class_add(&p->regex->classes[p->nodes[node].value], c, c);
	return node;
}

static size_t new_assertion(struct parser *p, enum assertion assertion)
{
	size_t node = new_node(p, NODE_ASSERT);

	p->nodes[node].value = assertion;
	return node;
}

static bool at(const struct parser *p, const char *word)
{
	size_t len = strlen(word);

	return p->len - p->pos >= len && memcmp(p->s + p->pos, word, len) == 0;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* The character of an escape that stands for one; behind the backslash. */
static int parse_character_escape(struct parser *p, uint32_t *ret)
{
	static const char names[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	const char *found;
	size_t from = p->pos - 1;
	char c;

	if (p->pos == p->len)
		return bad(p, EINVAL, "trailing backslash at end of expression");
	c = p->s[p->pos++];
	found = c ? strchr(names, c) : NULL;
	if (found) {
		*ret = (unsigned char)values[found - names];
		return 0;
	}
	/* \1 to \7 alone would be what another group matched, which RE2 has not. */
	if (c == '0' || (c >= '1' && c <= '7' && p->pos < p->len && p->s[p->pos] >= '0' &&
				p->s[p->pos] <= '7')) {
		*ret = (uint32_t)(c - '0');
		for (int i = 0;
			i < 2 && p->pos < p->len && p->s[p->pos] >= '0' && p->s[p->pos] <= '7'; i++)
			*ret = *ret * 8 + (uint32_t)(p->s[p->pos++] - '0');
		return 0;
	}
	if (c == 'x' && p->pos < p->len) {
		uint32_t code = 0;
		bool braces = p->s[p->pos] == '{';
		size_t n = 0;

		p->pos += braces;
		while (p->pos < p->len && hex_value(p->s[p->pos]) >= 0 && (braces || n < 2)) {
			code = code * 16 + (uint32_t)hex_value(p->s[p->pos++]);
			n++;
			if (code > RUNE_MAX)
				break;
		}
		if (code <= RUNE_MAX && (braces ? n > 0 && at(p, "}") : n == 2)) {
			p->pos += braces;
			*ret = code;
			return 0;
		}
	} else if ((unsigned char)c < 0x80 && (c == '_' || !regex_is_word((unsigned char)c))) {
		*ret = (unsigned char)c;
		return 0;
	}
	if (c == 'p' || c == 'P' || c == 'C')
		return bad(p, EINVAL, "'\\%c' is not supported", c);
	{
		_cleanup_free_ char *shown = str_escape_n(p->s + from, p->pos - from, 20);

		return bad(p, EINVAL, "invalid escape sequence '%s'", shown);
	}
}

static int parse_class_character(struct parser *p, uint32_t *ret)
{
	size_t size;

	if (p->pos == p->len)
		return bad(p, EINVAL, "missing closing ']'");
	if (p->s[p->pos] == '\\') {
		p->pos++;
		return parse_character_escape(p, ret);
	}
	*ret = regex_decode(p->s + p->pos, p->len - p->pos, &size);
	p->pos += size;
	return 0;
}

/* Behind the bracket. */
static int parse_class(struct parser *p, size_t *ret)
{
	size_t node = new_node(p, NODE_CLASS);
	unsigned number = new_class(p);
	struct class *class = &p->regex->classes[number];

	p->nodes[node].value = number;
	if (at(p, "^")) {
		class->negated = true;
		p->pos++;
	}
	for (bool first = true; first || !at(p, "]"); first = false) {
		uint32_t from, to;

		if (p->pos == p->len)
			return bad(p, EINVAL, "missing closing ']'");
		if (at(p, "[:")) {
			p->pos += 2;
			if (add_posix_class(p, class) < 0)
				return -EINVAL;
			continue;
		}
		if (at(p, "\\") && p->pos + 1 < p->len &&
			regex_class_add_perl(class, p->s[p->pos + 1])) {
			p->pos += 2;
			continue;
		}
		if (parse_class_character(p, &from) < 0)
			return -EINVAL;
		to = from;
		if (at(p, "-") && p->pos + 1 < p->len && p->s[p->pos + 1] != ']') {
			p->pos++;
			if (parse_class_character(p, &to) < 0)
				return -EINVAL;
		}
		if (to < from)
			return bad(p, EINVAL, "invalid character class range");
		regex_class_add(class, from, to);
	}
	p->pos++;
	*ret = node;
	return 0;
}

/* Behind the backslash. */
static int parse_escape(struct parser *p, size_t *ret)
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
				*ret = new_assertion(p, assertions[i].assertion);
				return 0;
			}
		if (strchr("dDsSwW", p->s[p->pos]) && p->s[p->pos]) {
			*ret = new_node(p, NODE_CLASS);
			p->nodes[*ret].value = new_class(p);
			regex_class_add_perl(
				&p->regex->classes[p->nodes[*ret].value], p->s[p->pos++]);
			return 0;
		}
	}
	if (parse_character_escape(p, &c) < 0)
		return -EINVAL;
	*ret = new_character(p, c);
	return 0;
}

/* Behind "(?", up to the colon or bracket. 1: the flags hold for the rest of the group around. */
static int parse_flags(struct parser *p)
{
	bool clear = false, any = false;

	for (; p->pos < p->len; p->pos++) {
		char c = p->s[p->pos];
		unsigned flag = c == 'i' ? FLAG_FOLD : c == 'm' ? FLAG_LINES : FLAG_DOT_NL;

		if (c == ':' || c == ')') {
			p->pos++;
			if (clear && !any)
				break;
			return c == ')';
		}
		if (c == '-' && !clear) {
			clear = true;
			any = false;
			continue;
		}
		if (!c || !strchr("imsU", c))
			break;
		any = true;
		if (c == 'U')
			continue;
		if (clear)
			p->flags &= ~flag;
		else
			p->flags |= flag;
	}
	return bad(p, EINVAL, "invalid or unsupported Perl syntax behind '(?'");
}

/* Behind the bracket. */
static int parse_group(struct parser *p, size_t *ret)
{
	unsigned flags = p->flags;
	int rc;

	if (at(p, "?P<") || at(p, "?<")) {
		const char *end = memchr(p->s + p->pos, '>', p->len - p->pos);
		size_t from = p->pos + (at(p, "?P<") ? 3 : 2);

		if (!end || (size_t)(end - p->s) <= from)
			return bad(p, EINVAL, "invalid named capture");
		for (; p->s + from < end; from++)
			if (!regex_is_word((unsigned char)p->s[from]))
				return bad(p, EINVAL, "invalid named capture");
		p->pos = from + 1;
	} else if (at(p, "?")) {
		p->pos++;
		rc = parse_flags(p);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			*ret = new_node(p, NODE_EMPTY);
			return 0;
		}
	}
	if (++p->nested > REGEX_NESTED_MAX)
		return bad(p, E2BIG, "groups are nested deeper than %d", REGEX_NESTED_MAX);
	rc = parse_alternation(p, ret);
	if (rc < 0)
		return rc;
	p->nested--;
	if (!at(p, ")"))
		return bad(p, EINVAL, "missing closing ')'");
	p->pos++;
	p->flags = flags;
	return 0;
}

/* "{n,m}" at the brace; 0 where it is none, which is a text then. */
static int parse_counts(struct parser *p, unsigned *min, unsigned *max)
{
	size_t i = p->pos + 1;
	unsigned counts[2] = {0, 0};
	bool given[2] = {false, false};
	int n = 0;

	for (;; n++) {
		for (; i < p->len && is_digit(p->s[i]); i++) {
			given[n] = true;
			if (counts[n] <= 1000)
				counts[n] = counts[n] * 10 + (unsigned)(p->s[i] - '0');
		}
		if (n == 1 || i >= p->len || p->s[i] != ',')
			break;
		i++;
	}
	if (!given[0] || i >= p->len || p->s[i] != '}')
		return 0;
	*min = counts[0];
	*max = n == 0 ? counts[0] : given[1] ? counts[1] : UINT32_MAX;
	p->pos = i + 1;
	if (*min > 1000 || (*max > 1000 && *max != UINT32_MAX) || *min > *max)
		return bad(p, EINVAL, "invalid repeat count (at most 1000)");
	return 1;
}

/* 1: a repeat was read. */
static int parse_repeat(struct parser *p, unsigned *min, unsigned *max)
{
	int rc = 1;

	if (p->pos == p->len)
		return 0;
	switch (p->s[p->pos]) {
	case '*':
		*min = 0;
		*max = UINT32_MAX;
		p->pos++;
		break;
	case '+':
		*min = 1;
		*max = UINT32_MAX;
		p->pos++;
		break;
	case '?':
		*min = 0;
		*max = 1;
		p->pos++;
		break;
	case '{':
		rc = parse_counts(p, min, max);
		break;
	default:
		return 0;
	}
	if (rc > 0 && at(p, "?"))
		p->pos++;
	return rc;
}

static int parse_character(struct parser *p, size_t *ret)
{
	size_t size;
	uint32_t c = regex_decode(p->s + p->pos, p->len - p->pos, &size);

	p->pos += size;
	*ret = new_character(p, c);
	return 0;
}

static int parse_atom(struct parser *p, size_t *ret)
{
	char c = p->s[p->pos];
	unsigned counts[2];

	switch (c) {
	case '(':
		p->pos++;
		return parse_group(p, ret);
	case '[':
		p->pos++;
		return parse_class(p, ret);
	case '\\':
		p->pos++;
		return parse_escape(p, ret);
	case '^':
		p->pos++;
		*ret = new_assertion(
			p, p->flags & FLAG_LINES ? ASSERT_LINE_BEGIN : ASSERT_TEXT_BEGIN);
		return 0;
	case '$':
		p->pos++;
		*ret = new_assertion(p, p->flags & FLAG_LINES ? ASSERT_LINE_END : ASSERT_TEXT_END);
		return 0;
	case '.':
		p->pos++;
		*ret = new_node(p, NODE_CLASS);
		p->nodes[*ret].value = new_class(p);
		p->regex->classes[p->nodes[*ret].value].negated = true;
		if (!(p->flags & FLAG_DOT_NL))
			regex_class_add(&p->regex->classes[p->nodes[*ret].value], '\n', '\n');
		return 0;
	case '*':
	case '+':
	case '?':
		return bad(p, EINVAL, "missing argument to repetition operator '%c'", c);
	case '{':
		if (parse_counts(p, &counts[0], &counts[1]) != 0)
			return bad(p, EINVAL, "missing argument to repetition operator '{'");
		break;
	default:
		break;
	}
	return parse_character(p, ret);
}

static void add_child(struct parser *p, size_t parent, size_t *last, size_t child)
{
	if (*last == NONE)
		p->nodes[parent].first = child;
	else
		p->nodes[*last].next = child;
	*last = child;
}

/* An atom with its repeat. `quoted`: between \Q and \E, where nothing has a meaning. */
static int parse_repeated(struct parser *p, bool *quoted, size_t *ret)
{
	unsigned min = 0, max = 0;
	int rc = *quoted ? parse_character(p, ret) : parse_atom(p, ret);

	if (rc < 0)
		return rc;
	if (*quoted && at(p, "\\E")) {
		*quoted = false;
		p->pos += 2;
	}
	rc = *quoted ? 0 : parse_repeat(p, &min, &max);
	if (rc > 0 && p->nodes[*ret].type == NODE_EMPTY)
		return bad(p, EINVAL, "missing argument to a repetition operator");
	if (rc > 0) {
		size_t repeat = new_node(p, NODE_REPEAT);

		p->nodes[repeat].first = *ret;
		p->nodes[repeat].min = min;
		p->nodes[repeat].max = max;
		*ret = repeat;
		rc = parse_repeat(p, &min, &max);
		if (rc > 0)
			return bad(p, EINVAL, "invalid nested repetition operator");
	}
	return rc;
}

static int parse_sequence(struct parser *p, size_t *ret)
{
	size_t last = NONE;
	bool quoted = false;

	*ret = new_node(p, NODE_SEQUENCE);
	while (p->pos < p->len && (quoted || (p->s[p->pos] != '|' && p->s[p->pos] != ')'))) {
		size_t atom = NONE;
		int rc;

		if (at(p, quoted ? "\\E" : "\\Q")) {
			quoted = !quoted;
			p->pos += 2;
			continue;
		}
		rc = parse_repeated(p, &quoted, &atom);
		if (rc < 0)
			return rc;
		add_child(p, *ret, &last, atom);
	}
	return 0;
}

static int parse_alternation(struct parser *p, size_t *ret)
{
	size_t last = NONE;

	*ret = new_node(p, NODE_ALTERNATION);
	for (;;) {
		size_t sequence = NONE;
		int rc = parse_sequence(p, &sequence);

		if (rc < 0)
			return rc;
		add_child(p, *ret, &last, sequence);
		if (!at(p, "|"))
			return 0;
		p->pos++;
	}
}

/* ---- program ----------------------------------------------------------------------------- */

static int emit(struct parser *p, enum op op, unsigned value, size_t *ret)
{
	struct regex *regex = p->regex;

	if (regex->n >= REGEX_PROGRAM_MAX)
		return bad(p, E2BIG, "too large when its repeats are written out");
	regex->program = xreallocarray(regex->program, regex->n + 1, sizeof(*regex->program));
	regex->program[regex->n] = (struct inst){.op = op, .value = value};
	if (ret)
		*ret = regex->n;
	regex->n++;
	return 0;
}

static uint32_t here(const struct parser *p)
{
	return (uint32_t)p->regex->n;
}

static int emit_node(struct parser *p, size_t index);

static int emit_alternation(struct parser *p, const struct node *node)
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

static int emit_repeat(struct parser *p, const struct node *node)
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

static int emit_node(struct parser *p, size_t index)
{
	const struct node *node = &p->nodes[index];

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

int regex_compile(const char *pattern, size_t len, struct regex **ret, struct th_err *err)
{
	_cleanup_regex_ struct regex *regex = xcalloc(1, sizeof(*regex));
	struct parser p = {.s = pattern, .len = len, .regex = regex, .err = err};
	size_t root;
	int rc;

	if (len > REGEX_SIZE_MAX)
		return err_set(err, EXIT_DATAERR, E2BIG,
			"a regular expression has %zu bytes; the limit is %zu", len,
			REGEX_SIZE_MAX);
	rc = parse_alternation(&p, &root);
	if (rc == 0 && p.pos < p.len)
		rc = bad(&p, EINVAL, "unexpected ')'");
	if (rc == 0)
		rc = emit_node(&p, root);
	if (rc == 0)
		rc = emit(&p, OP_MATCH, 0, NULL);
	free(p.nodes);
	if (rc < 0)
		return rc;
	*ret = TAKE_PTR(regex);
	return 0;
}

void regex_free(struct regex *regex)
{
	if (!regex)
		return;
	for (size_t i = 0; i < regex->n_classes; i++)
		free(regex->classes[i].ranges);
	free(regex->classes);
	free(regex->program);
	free(regex);
}
