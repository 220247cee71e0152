#include "config.h"

#include "verify/regex_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "verify/regex.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum flag {
	FLAG_FOLD = 1,	/* i */
	FLAG_LINES = 2, /* m */
	FLAG_DOT_NL = 4 /* s */
};

static int parse_alternation(struct regex_parser *p, size_t *ret);

void regex_complain(struct regex_parser *p, int errnum, const char *fmt, ...)
{
	_cleanup_free_ char *shown = str_escape_n(p->s, p->len, 60), *why = NULL;
	va_list args;

	va_start(args, fmt);
	why = xvasprintf(fmt, args);
	va_end(args);
	(void)err_set(p->err, EXIT_DATAERR, errnum, "regular expression '%s': %s", shown, why);
}

unsigned regex_new_class(struct regex_parser *p)
{
	struct regex *regex = p->regex;

	regex->classes =
		xreallocarray(regex->classes, regex->n_classes + 1, sizeof(*regex->classes));
	regex->classes[regex->n_classes] =
		(struct class){.ranges = NULL, .fold = p->flags & FLAG_FOLD};
	return (unsigned)regex->n_classes++;
}

size_t regex_new_node(struct regex_parser *p, enum regex_node_type type)
{
	p->nodes = xreallocarray(p->nodes, p->n_nodes + 1, sizeof(*p->nodes));
	p->nodes[p->n_nodes] = (struct regex_node){.type = type, .first = NONE, .next = NONE};
	return p->n_nodes++;
}

size_t regex_new_character(struct regex_parser *p, uint32_t c)
{
	size_t node = regex_new_node(p, NODE_CLASS);

	p->nodes[node].value = regex_new_class(p);
	regex_class_add(&p->regex->classes[p->nodes[node].value], c, c);
	return node;
}

size_t regex_new_assertion(struct regex_parser *p, enum assertion assertion)
{
	size_t node = regex_new_node(p, NODE_ASSERT);

	p->nodes[node].value = assertion;
	return node;
}

bool regex_is_at(const struct regex_parser *p, const char *word)
{
	size_t len = strlen(word);

	return p->len - p->pos >= len && memcmp(p->s + p->pos, word, len) == 0;
}

/* Behind "(?", up to the colon or bracket. 1: the flags hold for the rest of the group around. */
static int parse_flags(struct regex_parser *p)
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
	return regex_fail(p, EINVAL, "invalid or unsupported Perl syntax behind '(?'");
}

/* Behind the bracket. */
static int parse_group(struct regex_parser *p, size_t *ret)
{
	unsigned flags = p->flags;
	int rc;

	if (regex_is_at(p, "?P<") || regex_is_at(p, "?<")) {
		const char *end = memchr(p->s + p->pos, '>', p->len - p->pos);
		size_t from = p->pos + (regex_is_at(p, "?P<") ? 3 : 2);

		if (!end || (size_t)(end - p->s) <= from)
			return regex_fail(p, EINVAL, "invalid named capture");
		for (; p->s + from < end; from++)
			if (!regex_is_word((unsigned char)p->s[from]))
				return regex_fail(p, EINVAL, "invalid named capture");
		p->pos = from + 1;
	} else if (regex_is_at(p, "?")) {
		p->pos++;
		rc = parse_flags(p);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			*ret = regex_new_node(p, NODE_EMPTY);
			return 0;
		}
	}
	if (++p->nested > REGEX_NESTED_MAX)
		return regex_fail(p, E2BIG, "groups are nested deeper than %d", REGEX_NESTED_MAX);
	rc = parse_alternation(p, ret);
	if (rc < 0)
		return rc;
	p->nested--;
	if (!regex_is_at(p, ")"))
		return regex_fail(p, EINVAL, "missing closing ')'");
	p->pos++;
	p->flags = flags;
	return 0;
}

/* "{n,m}" at the brace; 0 where it is none, which is a text then. */
static int parse_counts(struct regex_parser *p, unsigned *min, unsigned *max)
{
	size_t i = p->pos + 1;
	unsigned counts[2] = {0, 0};
	bool given[2] = {false, false};
	int n = 0;

	for (;; n++) {
		for (; i < p->len && regex_is_digit(p->s[i]); i++) {
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
		return regex_fail(p, EINVAL, "invalid repeat count (at most 1000)");
	return 1;
}

/* 1: a repeat was read. */
static int parse_repeat(struct regex_parser *p, unsigned *min, unsigned *max)
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
	if (rc > 0 && regex_is_at(p, "?"))
		p->pos++;
	return rc;
}

static int parse_character(struct regex_parser *p, size_t *ret)
{
	size_t size;
	uint32_t c = regex_decode(p->s + p->pos, p->len - p->pos, &size);

	p->pos += size;
	*ret = regex_new_character(p, c);
	return 0;
}

static int parse_atom(struct regex_parser *p, size_t *ret)
{
	char c = p->s[p->pos];
	unsigned counts[2];

	switch (c) {
	case '(':
		p->pos++;
		return parse_group(p, ret);
	case '[':
		p->pos++;
		return regex_parse_class(p, ret);
	case '\\':
		p->pos++;
		return regex_parse_escape(p, ret);
	case '^':
		p->pos++;
		*ret = regex_new_assertion(
			p, p->flags & FLAG_LINES ? ASSERT_LINE_BEGIN : ASSERT_TEXT_BEGIN);
		return 0;
	case '$':
		p->pos++;
		*ret = regex_new_assertion(
			p, p->flags & FLAG_LINES ? ASSERT_LINE_END : ASSERT_TEXT_END);
		return 0;
	case '.':
		p->pos++;
		*ret = regex_new_node(p, NODE_CLASS);
		p->nodes[*ret].value = regex_new_class(p);
		p->regex->classes[p->nodes[*ret].value].negated = true;
		if (!(p->flags & FLAG_DOT_NL))
			regex_class_add(&p->regex->classes[p->nodes[*ret].value], '\n', '\n');
		return 0;
	case '*':
	case '+':
	case '?':
		return regex_fail(p, EINVAL, "missing argument to repetition operator '%c'", c);
	case '{':
		if (parse_counts(p, &counts[0], &counts[1]) != 0)
			return regex_fail(p, EINVAL, "missing argument to repetition operator '{'");
		break;
	default:
		break;
	}
	return parse_character(p, ret);
}

static void add_child(struct regex_parser *p, size_t parent, size_t *last, size_t child)
{
	if (*last == NONE)
		p->nodes[parent].first = child;
	else
		p->nodes[*last].next = child;
	*last = child;
}

/* An atom with its repeat. `quoted`: between \Q and \E, where nothing has a meaning. */
static int parse_repeated(struct regex_parser *p, bool *quoted, size_t *ret)
{
	unsigned min = 0, max = 0;
	int rc = *quoted ? parse_character(p, ret) : parse_atom(p, ret);

	if (rc < 0)
		return rc;
	if (*quoted && regex_is_at(p, "\\E")) {
		*quoted = false;
		p->pos += 2;
	}
	rc = *quoted ? 0 : parse_repeat(p, &min, &max);
	if (rc > 0 && p->nodes[*ret].type == NODE_EMPTY)
		return regex_fail(p, EINVAL, "missing argument to a repetition operator");
	if (rc > 0) {
		size_t repeat = regex_new_node(p, NODE_REPEAT);

		p->nodes[repeat].first = *ret;
		p->nodes[repeat].min = min;
		p->nodes[repeat].max = max;
		*ret = repeat;
		rc = parse_repeat(p, &min, &max);
		if (rc > 0)
			return regex_fail(p, EINVAL, "invalid nested repetition operator");
	}
	return rc;
}

static int parse_sequence(struct regex_parser *p, size_t *ret)
{
	size_t last = NONE;
	bool quoted = false;

	*ret = regex_new_node(p, NODE_SEQUENCE);
	while (p->pos < p->len && (quoted || (p->s[p->pos] != '|' && p->s[p->pos] != ')'))) {
		size_t atom = NONE;
		int rc;

		if (regex_is_at(p, quoted ? "\\E" : "\\Q")) {
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

static int parse_alternation(struct regex_parser *p, size_t *ret)
{
	size_t last = NONE;

	*ret = regex_new_node(p, NODE_ALTERNATION);
	for (;;) {
		size_t sequence = NONE;
		int rc = parse_sequence(p, &sequence);

		if (rc < 0)
			return rc;
		add_child(p, *ret, &last, sequence);
		if (!regex_is_at(p, "|"))
			return 0;
		p->pos++;
	}
}

int regex_parse(struct regex_parser *p, size_t *ret_root)
{
	int rc = parse_alternation(p, ret_root);

	if (rc == 0 && p->pos < p->len)
		rc = regex_fail(p, EINVAL, "unexpected ')'");
	return rc;
}
