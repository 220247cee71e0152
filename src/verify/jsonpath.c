#include "config.h"

#include "verify/jsonpath.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 5000000

enum node_type {
	NODE_TEXT,
	NODE_NUMBER,
	NODE_BOOL,
	NODE_FIELD,
	NODE_WILDCARD,
	NODE_RECURSIVE,
	NODE_SLICE,
	NODE_UNION,
	NODE_FILTER,
	NODE_IDENTIFIER,
};

enum filter_op {
	OP_EXISTS,
	OP_EQUAL,
	OP_NOT_EQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_UNKNOWN, /* such as "<>": said when it is used, as Kubernetes does */
};

struct slice_param {
	int64_t value;
	bool known;
	bool derived; /* the end that [i] has without naming it */
};

struct list {
	struct node *nodes;
	size_t n, cap;
};

struct node {
	enum node_type type;
	char *text; /* text, name, or the operator of a filter */
	size_t len;
	struct value value; /* number or bool */
	struct slice_param params[3];
	struct list *lists; /* parts of a union; left and right of a filter */
	size_t n_lists;
	enum filter_op op;
};

struct jsonpath {
	struct list *blocks; /* of a text outside of braces one with that text alone */
	size_t n, cap;
	bool has_path;
};

struct parser {
	const char *s;
	size_t len, pos;
	const char *whole; /* what the user wrote, for messages */
	struct jsonpath *path;
	struct th_err *err;
};

/* ---- lists and their memory --------------------------------------------------------------- */

static void list_done(struct list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct node *node = &list->nodes[i];

		free(node->text);
		for (size_t k = 0; k < node->n_lists; k++)
			list_done(&node->lists[k]);
		free(node->lists);
	}
	free(list->nodes);
	*list = (struct list){NULL, 0, 0};
}

static struct node *list_add(struct list *list, enum node_type type)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 4;
		list->nodes = xreallocarray(list->nodes, list->cap, sizeof(*list->nodes));
	}
	list->nodes[list->n] = (struct node){.type = type};
	return &list->nodes[list->n++];
}

static void list_add_text(struct list *list, enum node_type type, const char *text, size_t len)
{
	struct node *node = list_add(list, type);

	node->text = xstrndup(text, len);
	node->len = len;
}

static struct list *path_add_block(struct jsonpath *path)
{
	if (path->n == path->cap) {
		path->cap = path->cap ? path->cap * 2 : 4;
		path->blocks = xreallocarray(path->blocks, path->cap, sizeof(*path->blocks));
	}
	path->blocks[path->n] = (struct list){NULL, 0, 0};
	return &path->blocks[path->n++];
}

void jsonpath_free(struct jsonpath *path)
{
	if (!path)
		return;
	for (size_t i = 0; i < path->n; i++)
		list_done(&path->blocks[i]);
	free(path->blocks);
	free(path);
}

bool jsonpath_has_path(const struct jsonpath *path)
{
	return path->has_path;
}

/* ---- parser ------------------------------------------------------------------------------ */

static int parse_template(struct parser *p);

PRINTF_ATTR(2, 3) static int bad(const struct parser *p, const char *fmt, ...)
{
	_cleanup_free_ char *shown = str_escape(p->whole, 80), *why = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	return err_set(
		p->err, EXIT_DATAERR, EINVAL, "jsonPath '%s': %s", shown, why ? why : "wrong");
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of UTF-8 beyond ASCII are taken for letters; Kubernetes looks closer, to the same end. */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_terminator(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '.' || c == ',' ||
	       c == '[' || c == ']' || c == '$' || c == '@' || c == '{' || c == '}';
}

static bool at_end(const struct parser *p)
{
	return p->pos >= p->len;
}

static char peek(const struct parser *p)
{
	return at_end(p) ? '\0' : p->s[p->pos];
}

static bool starts_with(const struct parser *p, const char *word)
{
	size_t len = strlen(word);

	return p->len - p->pos >= len && memcmp(p->s + p->pos, word, len) == 0;
}

/* Parses `text` as the inside of braces and moves what it holds into `list`. This ends soon: the
 * first
 * ')' ends a filter and the first ']' a union or key, so none of these holds another of its kind.
 */
static int parse_action(
	struct parser *p, const char *text, size_t len, const char *prefix, struct list *list)
{
	_cleanup_jsonpath_ struct jsonpath *path = xcalloc(1, sizeof(*path));
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct parser inner = {.whole = p->whole, .path = path, .err = p->err};
	int rc;

	strbuf_addf(&b, "{%s", prefix);
	strbuf_add(&b, text, len);
	strbuf_addc(&b, '}');
	inner.s = b.s;
	inner.len = b.len;
	rc = parse_template(&inner);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < path->blocks[0].n; i++) {
		struct node *node = list_add(list, NODE_TEXT);

		*node = path->blocks[0].nodes[i];
		path->blocks[0].nodes[i] = (struct node){.type = NODE_TEXT};
	}
	return 0;
}

/* [-]digits or nothing; Go's strconv.Atoi. */
static int parse_param(struct parser *p, const char *text, size_t len, struct slice_param *param)
{
	if (len == 0)
		return 0;
	param->known = true;
	if (value_parse_int(text, len, &param->value) < 0)
		return bad(p, "array index %.*s is not a number", (int)len, text);
	return 0;
}

static int parse_slice(struct parser *p, const char *text, size_t len, struct list *list)
{
	struct slice_param params[3] = {{.known = false}};
	size_t at = 0;
	int n = 0;

	for (; n < 3; n++) {
		size_t from = at;

		if (at < len && text[at] == '-')
			at++;
		while (at < len && is_digit(text[at]))
			at++;
		if (parse_param(p, text + from, at - from, &params[n]) < 0)
			return -EINVAL;
		if (at == len || text[at] != ':')
			break;
		at++;
	}
	if (at < len || n == 3)
		return bad(p, "invalid array index %.*s (keys stand in single quotes)", (int)len,
			text);
	if (n == 0) {
		params[1].known = params[1].derived = true;
		params[1].value = (int64_t)((uint64_t)params[0].value + 1);
	}
	memcpy(list_add(list, NODE_SLICE)->params, params, sizeof(params));
	return 0;
}

static int parse_union(struct parser *p, const char *text, size_t len, struct list *list)
{
	struct list *parts = NULL;
	size_t n = 0, from = 0;
	int rc = 0;

	while (rc == 0 && from <= len) {
		const char *comma = memchr(text + from, ',', len - from);
		size_t to = comma ? (size_t)(comma - text) : len;
		_cleanup_strbuf_ struct strbuf part = STRBUF_INIT;
		const char *begin = text + from;
		size_t part_len = to - from;

		while (part_len > 0 && *begin == ' ') {
			begin++;
			part_len--;
		}
		while (part_len > 0 && begin[part_len - 1] == ' ')
			part_len--;
		strbuf_addc(&part, '[');
		strbuf_add(&part, begin, part_len);
		strbuf_addc(&part, ']');
		parts = xreallocarray(parts, n + 1, sizeof(*parts));
		parts[n] = (struct list){NULL, 0, 0};
		rc = parse_action(p, part.s, part.len, "", &parts[n++]);
		from = to + 1;
	}
	if (rc < 0) {
		for (size_t i = 0; i < n; i++)
			list_done(&parts[i]);
		free(parts);
		return rc;
	}
	{
		struct node *node = list_add(list, NODE_UNION);

		node->lists = parts;
		node->n_lists = n;
	}
	return 0;
}

/* Behind the bracket. */
static int parse_array(struct parser *p, struct list *list)
{
	const char *text = p->s + p->pos;
	size_t len = 0;

	for (; p->pos + len < p->len && text[len] != ']'; len++)
		if (text[len] == '\n')
			return bad(p, "unterminated array");
	if (p->pos + len >= p->len)
		return bad(p, "unterminated array");
	p->pos += len + 1;
	if (len == 1 && text[0] == '*')
		return parse_slice(p, ":", 1, list);
	if (memchr(text, ',', len))
		return parse_union(p, text, len, list);
	if (len >= 2 && text[0] == '\'' && text[len - 1] == '\'' &&
		!memchr(text + 1, '\'', len - 2))
		return parse_action(p, text + 1, len - 2, ".", list);
	return parse_slice(p, text, len, list);
}

static bool is_op_char(char c)
{
	return c == '!' || c == '<' || c == '>' || c == '=';
}

static enum filter_op find_op(const char *text, size_t len)
{
	static const struct {
		const char *text;
		enum filter_op op;
	} ops[] = {{"==", OP_EQUAL}, {"!=", OP_NOT_EQUAL}, {"<", OP_LESS}, {"<=", OP_LESS_EQUAL},
		{">", OP_GREATER}, {">=", OP_GREATER_EQUAL}};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (strlen(ops[i].text) == len && memcmp(ops[i].text, text, len) == 0)
			return ops[i].op;
	return OP_UNKNOWN;
}

/* Behind "[?(". */
static int parse_filter(struct parser *p, struct list *list)
{
	const char *text = p->s + p->pos;
	bool begun = false, ended = false;
	size_t len, left, op_end;
	struct list *sides;
	struct node *node;
	char quote = '\0';
	int rc;

	for (;; p->pos++) {
		char c = peek(p);

		if (at_end(p) || c == '\n')
			return bad(p, "unterminated filter");
		if (c == ')' && begun == ended)
			break;
		if (c == '"' || c == '\'') {
			if (!begun) {
				begun = true;
				quote = c;
			} else if (c == quote && p->s[p->pos - 1] != '\\') {
				ended = true;
			}
		}
	}
	len = (size_t)(p->s + p->pos - text);
	p->pos++;
	if (peek(p) != ']')
		return bad(p, "a filter ends in ')' without ']'");
	p->pos++;

	for (left = 0; left < len && !is_op_char(text[left]); left++)
		;
	for (op_end = left; op_end < len && is_op_char(text[op_end]); op_end++)
		;
	/* The operator gives back its end where nothing would stand behind it. */
	if (op_end == len && op_end > left + 1)
		op_end--;
	sides = xcalloc(2, sizeof(*sides));
	if (left == 0 || op_end == left || op_end == len) {
		rc = parse_action(p, text, len, "", &sides[0]);
		op_end = left;
	} else {
		rc = parse_action(p, text, left, "", &sides[0]);
		if (rc == 0)
			rc = parse_action(p, text + op_end, len - op_end, "", &sides[1]);
	}
	node = list_add(list, NODE_FILTER);
	node->lists = sides;
	node->n_lists = 2;
	node->op = op_end == left ? OP_EXISTS : find_op(text + left, op_end - left);
	node->text = xstrndup(text + left, op_end - left);
	return rc;
}

/* One character of a quoted string, as Go's strconv.UnquoteChar() reads it. */
static int parse_escape(struct parser *p, char quote, struct strbuf *b, size_t end)
{
	static const char simple[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
	char c = p->s[p->pos++];
	const char *found;
	unsigned digits = 0, base = 16;
	uint32_t code = 0;

	if (c != '\\') {
		strbuf_addc(b, c);
		return c == quote ? -EINVAL : 0;
	}
	if (p->pos >= end)
		return -EINVAL;
	c = p->s[p->pos++];
	found = strchr(simple, c);
	if (c && found) {
		strbuf_addc(b, values[found - simple]);
		return 0;
	}
	if (c == '\\' || c == quote) {
		strbuf_addc(b, c);
		return 0;
	}
	if (c == 'x')
		digits = 2;
	else if (c == 'u')
		digits = 4;
	else if (c == 'U')
		digits = 8;
	else if (c >= '0' && c <= '7') {
		digits = 3;
		base = 8;
		p->pos--;
	}
	if (digits == 0 || end - p->pos < digits)
		return -EINVAL;
	for (unsigned i = 0; i < digits; i++) {
		char d = p->s[p->pos++];
		unsigned value = is_digit(d) ? (unsigned)(d - '0')
				 : (d | 32) >= 'a' && (d | 32) <= 'f'
					 ? (unsigned)((d | 32) - 'a') + 10
					 : 99;

		if (value >= base || code > 0x10ffff)
			return -EINVAL;
		code = code * base + value;
	}
	if (c == 'x' || base == 8) {
		if (code > 255)
			return -EINVAL;
		strbuf_addc(b, (char)code);
	} else if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
		return -EINVAL;
	} else if (code < 0x80) {
		strbuf_addc(b, (char)code);
	} else {
		if (code >= 0x10000) {
			strbuf_addc(b, (char)(0xf0 | (code >> 18)));
			strbuf_addc(b, (char)(0x80 | (code >> 12 & 0x3f)));
		} else if (code >= 0x800) {
			strbuf_addc(b, (char)(0xe0 | (code >> 12)));
		} else {
			strbuf_addc(b, (char)(0xc0 | (code >> 6)));
		}
		if (code >= 0x800)
			strbuf_addc(b, (char)(0x80 | (code >> 6 & 0x3f)));
		strbuf_addc(b, (char)(0x80 | (code & 0x3f)));
	}
	return 0;
}

/* Behind the quote. */
static int parse_quoted(struct parser *p, char quote, struct list *list)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct node *node;
	size_t end = p->pos;

	/* A quote behind a backslash does not end it, even where that is an escaped one. */
	while (end < p->len && !(p->s[end] == quote && p->s[end - 1] != '\\')) {
		if (p->s[end] == '\n')
			break;
		end++;
	}
	if (end >= p->len || p->s[end] == '\n')
		return bad(p, "unterminated quoted string");
	if (!memchr(p->s + p->pos, '\\', end - p->pos)) {
		strbuf_add(&b, p->s + p->pos, end - p->pos);
	} else {
		while (p->pos < end)
			if (parse_escape(p, quote, &b, end) < 0)
				return bad(
					p, "a quoted string has an escape that Go does not know");
	}
	p->pos = end + 1;
	node = list_add(list, NODE_TEXT);
	node->len = b.len;
	node->text = strbuf_steal(&b);
	return 0;
}

static int parse_number(struct parser *p, struct list *list)
{
	size_t from = p->pos, len;
	struct node *node;
	int64_t integer;
	double number;

	if (peek(p) == '+' || peek(p) == '-')
		p->pos++;
	while (is_digit(peek(p)) || peek(p) == '.')
		p->pos++;
	len = p->pos - from;
	if (value_parse_int(p->s + from, len, &integer) == 0) {
		node = list_add(list, NODE_NUMBER);
		node->value = value_int(integer);
	} else if (value_parse_float(p->s + from, len, &number) == 0) {
		node = list_add(list, NODE_NUMBER);
		node->value = value_float(number);
	} else {
		return bad(p, "cannot parse number %.*s", (int)MIN(len, (size_t)40), p->s + from);
	}
	return 0;
}

static void parse_field(struct parser *p, struct list *list)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	size_t from = p->pos;
	struct node *node;

	while (!at_end(p) && !is_terminator(peek(p))) {
		if (peek(p) == '\\') {
			p->pos++;
			if (at_end(p))
				break;
		}
		p->pos++;
	}
	if (p->pos - from == 1 && p->s[from] == '*') {
		list_add(list, NODE_WILDCARD);
		return;
	}
	for (size_t i = from; i < p->pos; i++)
		if (p->s[i] != '\\')
			strbuf_addc(&b, p->s[i]);
	node = list_add(list, NODE_FIELD);
	node->len = b.len;
	node->text = strbuf_steal(&b);
}

static void parse_identifier(struct parser *p, struct list *list)
{
	const char *text = p->s + p->pos;
	size_t len = 0;

	while (p->pos + len < p->len && !is_terminator(text[len]))
		len++;
	p->pos += len;
	if ((len == 4 && memcmp(text, "true", 4) == 0) ||
		(len == 5 && memcmp(text, "false", 5) == 0))
		list_add(list, NODE_BOOL)->value = value_bool(text[0] == 't');
	else
		list_add_text(list, NODE_IDENTIFIER, text, len);
}

/* Behind the brace, up to and with the one that closes it. */
static int parse_steps(struct parser *p, struct list *list)
{
	for (;;) {
		char c = peek(p);
		int rc = 0;

		if (at_end(p) || c == '\r' || c == '\n')
			return bad(p, "unclosed action (a '}' is missing)");
		if (c == '}') {
			p->pos++;
			return 0;
		}
		if (starts_with(p, "[?(")) {
			p->pos += 3;
			rc = parse_filter(p, list);
		} else if (starts_with(p, "..")) {
			if (list->n > 0 && list->nodes[list->n - 1].type == NODE_RECURSIVE)
				return bad(p, "invalid multiple recursive descent");
			p->pos += 2;
			list_add(list, NODE_RECURSIVE);
			if (!at_end(p) && (is_letter(peek(p)) || is_digit(peek(p))))
				parse_field(p, list);
		} else if (c == ' ' || c == '@' || c == '$') {
			p->pos++;
		} else if (c == '[') {
			p->pos++;
			rc = parse_array(p, list);
		} else if (c == '"' || c == '\'') {
			p->pos++;
			rc = parse_quoted(p, c, list);
		} else if (c == '.') {
			p->pos++;
			parse_field(p, list);
		} else if (c == '+' || c == '-' || is_digit(c)) {
			rc = parse_number(p, list);
		} else if (is_letter(c)) {
			parse_identifier(p, list);
		} else {
			_cleanup_free_ char *shown = str_escape_n(&c, 1, 0);

			return bad(p, "unrecognized character in action: '%s'", shown);
		}
		if (rc < 0)
			return rc;
	}
}

static int parse_template(struct parser *p)
{
	while (!at_end(p)) {
		const char *text = p->s + p->pos;
		const char *brace = memchr(text, '{', p->len - p->pos);
		size_t len = brace ? (size_t)(brace - text) : p->len - p->pos;
		struct list list = {NULL, 0, 0};
		int rc;

		if (len > 0) {
			list_add_text(path_add_block(p->path), NODE_TEXT, text, len);
			p->pos += len;
		}
		if (!brace)
			break;
		p->pos++;
		p->path->has_path = true;
		rc = parse_steps(p, &list);
		*path_add_block(p->path) = list;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int jsonpath_parse(const char *text, struct jsonpath **ret, struct th_err *err)
{
	_cleanup_jsonpath_ struct jsonpath *path = xcalloc(1, sizeof(*path));
	struct parser p = {.s = text, .len = strlen(text), .whole = text, .path = path, .err = err};
	int rc;

	if (p.len > JSONPATH_SIZE_MAX)
		return err_set(err, EXIT_DATAERR, E2BIG,
			"a jsonPath has %zu bytes; the limit is %zu", p.len, JSONPATH_SIZE_MAX);
	rc = parse_template(&p);
	if (rc < 0)
		return rc;
	*ret = TAKE_PTR(path);
	return 0;
}

/* ---- evaluation -------------------------------------------------------------------------- */

struct values {
	struct value *v;
	size_t n, cap;
};

struct finder {
	const struct jsonpath *path;
	struct jsonpath_result *result;
	size_t cap;
	size_t steps;
	/* As in Kubernetes: marks that evaluating a brace leaves for the one who walks the braces.
	 */
	int begin_range, in_range, end_range;
	size_t last_end; /* the block of the {end} met last */
	struct th_err *err;
};

static int eval_list(
	struct finder *f, const struct list *list, const struct values *in, struct values *out);

static void values_done(struct values *values)
{
	free(values->v);
	*values = (struct values){NULL, 0, 0};
}
#define _cleanup_values_ _cleanup_(values_done)

static int fail(struct finder *f, int errnum, const char *fmt, ...) PRINTF_ATTR(3, 4);
static int fail(struct finder *f, int errnum, const char *fmt, ...)
{
	_cleanup_free_ char *why = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	return err_set(f->err, EXIT_DATAERR, errnum, "%s", why ? why : "cannot be evaluated");
}

static int add(struct finder *f, struct values *values, const struct value *v)
{
	if (values->n >= JSONPATH_VALUES_MAX)
		return fail(
			f, E2BIG, "the jsonPath selects more than %d values", JSONPATH_VALUES_MAX);
	if (++f->steps > STEPS_MAX)
		return fail(f, E2BIG, "the jsonPath takes too many steps on this result (%d)",
			STEPS_MAX);
	if (values->n == values->cap) {
		values->cap = values->cap ? values->cap * 2 : 8;
		values->v = xreallocarray(values->v, values->cap, sizeof(*values->v));
	}
	values->v[values->n++] = *v;
	return 0;
}

static int add_all(struct finder *f, struct values *to, const struct values *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (add(f, to, &from->v[i]) < 0)
			return -E2BIG;
	return 0;
}

static int eval_field(
	struct finder *f, const struct node *node, const struct values *in, struct values *out)
{
	struct value key = value_string_of(node->text, node->len);

	for (size_t i = 0; i < in->n; i++) {
		const struct value *found =
			in->v[i].type == VALUE_MAP ? value_map_get(&in->v[i], &key) : NULL;

		if (found && add(f, out, found) < 0)
			return -E2BIG;
	}
	if (in->n > 0 && out->n == 0) {
		_cleanup_free_ char *shown = str_escape_n(node->text, node->len, 80);

		return fail(f, ENOENT, "%s is not found", shown);
	}
	return 0;
}

static int eval_slice_of(
	struct finder *f, const struct node *node, const struct values *in, struct values *out)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct value *v = &in->v[i];
		int64_t count = v->count, from, to, step;

		if (v->type == VALUE_NIL)
			continue;
		if (v->type != VALUE_ARRAY)
			return fail(f, EINVAL, "%s is not array or slice",
				value_type_name((enum value_type)v->type));
		from = node->params[0].known ? node->params[0].value : 0;
		to = node->params[1].known ? node->params[1].value : count;
		step = node->params[2].known ? node->params[2].value : 1;
		if (from < 0)
			from += count;
		if (to < 0 || (to == 0 && node->params[1].derived))
			to += count;
		if (from == to)
			return 0;
		if (from >= count || from < 0)
			return fail(f, EINVAL,
				"array index out of bounds: index %" PRId64 ", length %" PRId64,
				from, count);
		if (to > count || to < 0)
			return fail(f, EINVAL,
				"array index out of bounds: index %" PRId64 ", length %" PRId64,
				to - 1, count);
		if (from > to)
			return fail(f, EINVAL,
				"starting index %" PRId64 " is greater than ending index %" PRId64,
				from, to);
		if (step <= 0)
			return fail(f, EINVAL, "step must be > 0");
		for (; from < to; from += MIN(step, count))
			if (add(f, out, &v->u.items[from]) < 0)
				return -E2BIG;
	}
	return 0;
}

/* On an error `out` holds what came in, which makes a filter of existence true, as upstream. */
static int pass_on(struct finder *f, int rc, const struct values *in, struct values *out)
{
	if (rc < 0) {
		out->n = 0;
		if (add_all(f, out, in) < 0)
			return -E2BIG;
	}
	return rc;
}

/* Members, elements, or the bytes of a string. */
static int add_children(struct finder *f, const struct value *v, struct values *out)
{
	for (size_t i = 0; i < v->count; i++) {
		struct value child;

		if (v->type == VALUE_MAP)
			child = v->u.map->pairs[i].value;
		else if (v->type == VALUE_ARRAY)
			child = v->u.items[i];
		else if (v->type == VALUE_STRING)
			child = value_int((unsigned char)v->u.text[i]);
		else
			break;
		if (add(f, out, &child) < 0)
			return -E2BIG;
	}
	return 0;
}

/* Values that have others in them, outermost first. As deep as the document is. */
static int eval_recursive(struct finder *f, const struct value *v, struct values *out)
{
	if (v->count == 0 ||
		(v->type != VALUE_MAP && v->type != VALUE_ARRAY && v->type != VALUE_STRING))
		return 0;
	if (add(f, out, v) < 0)
		return -E2BIG;
	for (size_t i = 0; i < v->count && v->type != VALUE_STRING; i++)
		if (eval_recursive(f,
			    v->type == VALUE_MAP ? &v->u.map->pairs[i].value : &v->u.items[i],
			    out) < 0)
			return -E2BIG;
	return 0;
}

enum kind {
	KIND_NONE,
	KIND_BOOL,
	KIND_NUMBER,
	KIND_STRING,
};

static enum kind kind_of(const struct value *v)
{
	if (v->type == VALUE_BOOL)
		return KIND_BOOL;
	if (v->type == VALUE_INT || v->type == VALUE_FLOAT)
		return KIND_NUMBER;
	return v->type == VALUE_STRING ? KIND_STRING : KIND_NONE;
}

/* -1, 0, 1; 2 where one is NaN. */
static int compare(const struct value *a, const struct value *b)
{
	if (a->type == VALUE_STRING) {
		size_t common = MIN(a->count, b->count);
		int order = common > 0 ? memcmp(a->u.text, b->u.text, common) : 0;

		if (order != 0)
			return order < 0 ? -1 : 1;
		return a->count < b->count ? -1 : a->count > b->count;
	}
	if (a->type == VALUE_INT && b->type == VALUE_INT)
		return a->u.integer < b->u.integer ? -1 : a->u.integer > b->u.integer;
	{
		double x = a->type == VALUE_INT ? (double)a->u.integer : a->u.number;
		double y = b->type == VALUE_INT ? (double)b->u.integer : b->u.number;

		if (isnan(x) || isnan(y))
			return 2;
		return x < y ? -1 : x > y;
	}
}

static int compare_sides(struct finder *f, const struct node *node, const struct value *left,
	const struct value *right, bool *ret)
{
	enum kind a = kind_of(left), b = kind_of(right);
	int order;

	if (node->op == OP_UNKNOWN)
		return fail(f, EINVAL, "unrecognized filter operator %s", node->text);
	if (a == KIND_NONE || b == KIND_NONE)
		return fail(f, EINVAL, "invalid type for comparison: %s %s %s",
			value_type_name((enum value_type)left->type), node->text,
			value_type_name((enum value_type)right->type));
	if (a != b)
		return fail(f, EINVAL, "incompatible types for comparison: %s %s %s",
			value_type_name((enum value_type)left->type), node->text,
			value_type_name((enum value_type)right->type));
	if (a == KIND_BOOL) {
		if (node->op != OP_EQUAL && node->op != OP_NOT_EQUAL)
			return fail(
				f, EINVAL, "invalid type for comparison: bool %s bool", node->text);
		*ret = (left->u.boolean == right->u.boolean) == (node->op == OP_EQUAL);
		return 0;
	}
	order = compare(left, right);
	switch (node->op) {
	case OP_EQUAL:
		*ret = order == 0;
		break;
	case OP_NOT_EQUAL:
		*ret = order != 0;
		break;
	case OP_LESS:
		*ret = order == -1;
		break;
	case OP_LESS_EQUAL:
		*ret = order == -1 || order == 0;
		break;
	case OP_GREATER:
		*ret = order == 1 || order == 2;
		break;
	case OP_GREATER_EQUAL:
		*ret = order != -1;
		break;
	case OP_EXISTS:
	case OP_UNKNOWN:
		break;
	}
	return 0;
}

/* 1 where the element passes. */
static int passes_filter(struct finder *f, const struct node *node, const struct value *element)
{
	_cleanup_values_ struct values left = {NULL, 0, 0}, right = {NULL, 0, 0};
	struct value copy = *element;
	struct values in = {&copy, 1, 1};
	struct th_err *err = f->err;
	bool pass = false;
	int rc;

	if (node->op == OP_EXISTS) {
		f->err = NULL;
		rc = eval_list(f, &node->lists[0], &in, &left);
		f->err = err;
		if (rc == -E2BIG)
			return fail(f, E2BIG, "the jsonPath selects too much in a filter");
		return left.n > 0;
	}
	rc = eval_list(f, &node->lists[0], &in, &left);
	if (rc < 0)
		return rc;
	if (left.n == 0)
		return 0;
	if (left.n == 1) {
		rc = eval_list(f, &node->lists[1], &in, &right);
		if (rc < 0)
			return rc;
		if (right.n == 0)
			return 0;
	}
	if (left.n > 1 || right.n > 1)
		return fail(f, EINVAL, "can only compare one element at a time");
	rc = compare_sides(f, node, &left.v[0], &right.v[0], &pass);
	return rc < 0 ? rc : pass;
}

static int eval_filter(
	struct finder *f, const struct node *node, const struct values *in, struct values *out)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct value *v = &in->v[i];

		if (v->type != VALUE_ARRAY)
			return pass_on(f,
				fail(f, EINVAL, "%s is not array or slice and cannot be filtered",
					value_type_name((enum value_type)v->type)),
				in, out);
		for (size_t k = 0; k < v->count; k++) {
			int rc = passes_filter(f, node, &v->u.items[k]);

			if (rc > 0)
				rc = add(f, out, &v->u.items[k]);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int eval_identifier(
	struct finder *f, const struct node *node, const struct values *in, struct values *out)
{
	_cleanup_free_ char *shown = NULL;

	if (strcmp(node->text, "range") == 0) {
		f->begin_range++;
		return add_all(f, out, in);
	}
	if (strcmp(node->text, "end") == 0) {
		if (f->in_range <= 0)
			return fail(f, EINVAL, "not in range, nothing to end");
		f->end_range++;
		return 0;
	}
	if (add_all(f, out, in) < 0)
		return -E2BIG;
	shown = str_escape_n(node->text, node->len, 80);
	return fail(f, EINVAL, "unrecognized identifier %s", shown);
}

static int eval_node(
	struct finder *f, const struct node *node, const struct values *in, struct values *out)
{
	struct value constant = node->value;

	switch (node->type) {
	case NODE_TEXT:
		constant = value_string_of(node->text, node->len);
		return add(f, out, &constant);
	case NODE_NUMBER:
	case NODE_BOOL:
		for (size_t i = 0; i < in->n; i++)
			if (add(f, out, &constant) < 0)
				return -E2BIG;
		return 0;
	case NODE_FIELD:
		return eval_field(f, node, in, out);
	case NODE_WILDCARD:
		for (size_t i = 0; i < in->n; i++)
			if (add_children(f, &in->v[i], out) < 0)
				return -E2BIG;
		return 0;
	case NODE_RECURSIVE:
		for (size_t i = 0; i < in->n; i++)
			if (eval_recursive(f, &in->v[i], out) < 0)
				return -E2BIG;
		return 0;
	case NODE_SLICE:
		return pass_on(f, eval_slice_of(f, node, in, out), in, out);
	case NODE_UNION:
		for (size_t i = 0; i < node->n_lists; i++) {
			_cleanup_values_ struct values part = {NULL, 0, 0};
			int rc = eval_list(f, &node->lists[i], in, &part);

			if (rc < 0)
				return pass_on(f, rc, in, out);
			if (add_all(f, out, &part) < 0)
				return -E2BIG;
		}
		return 0;
	case NODE_FILTER:
		return eval_filter(f, node, in, out);
	case NODE_IDENTIFIER:
		return eval_identifier(f, node, in, out);
	}
	return -EINVAL;
}

/* `out` is set also on an error, to what the step that failed had until then. */
static int eval_list(
	struct finder *f, const struct list *list, const struct values *in, struct values *out)
{
	if (add_all(f, out, in) < 0)
		return -E2BIG;
	for (size_t i = 0; i < list->n; i++) {
		struct values next = {NULL, 0, 0};
		int rc = eval_node(f, &list->nodes[i], out, &next);

		values_done(out);
		*out = next;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void add_block(struct finder *f, struct values *values)
{
	struct jsonpath_result *result = f->result;

	if (result->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 8;
		result->blocks = xreallocarray(result->blocks, f->cap, sizeof(*result->blocks));
	}
	result->blocks[result->n++] = (struct jsonpath_block){values->v, values->n};
	*values = (struct values){NULL, 0, 0};
}

static void drop_blocks(struct jsonpath_result *result, size_t from)
{
	while (result->n > from)
		free(result->blocks[--result->n].values);
}

/* Walks the blocks from `first` on, up to the {end} of the range that it is in. */
static int find_from(struct finder *f, size_t first, const struct value *root)
{
	struct value copy = *root;
	struct values in = {&copy, 1, 1};

	for (size_t i = first; i < f->path->n; i++) {
		_cleanup_values_ struct values found = {NULL, 0, 0};
		int rc = eval_list(f, &f->path->blocks[i], &in, &found);

		if (rc < 0)
			return rc;
		if (f->end_range > 0 && f->end_range <= f->in_range) {
			f->end_range--;
			f->last_end = i;
			break;
		}
		if (f->begin_range == 0) {
			if (f->result->n >= JSONPATH_VALUES_MAX)
				return fail(f, E2BIG, "the jsonPath selects more than %d values",
					JSONPATH_VALUES_MAX);
			add_block(f, &found);
			continue;
		}
		f->begin_range--;
		f->in_range++;
		for (size_t k = 0; k < found.n; k++) {
			rc = find_from(f, i + 1, &found.v[k]);
			if (rc < 0)
				return rc;
		}
		if (found.n == 0) {
			/* To find the {end}. */
			struct value nil = value_nil();
			size_t before = f->result->n;

			rc = find_from(f, i + 1, &nil);
			if (rc < 0)
				return rc;
			drop_blocks(f->result, before);
		}
		f->in_range--;
		if (f->last_end > i && f->last_end < f->path->n)
			i = f->last_end;
	}
	return 0;
}

int jsonpath_find(const struct jsonpath *path, const struct value *root,
	struct jsonpath_result *ret, struct th_err *err)
{
	_cleanup_jsonpath_result_ struct jsonpath_result result = JSONPATH_RESULT_INIT;
	struct finder f = {.path = path, .result = &result, .last_end = (size_t)-1, .err = err};
	int rc = find_from(&f, 0, root);

	if (rc < 0)
		return rc;
	*ret = result;
	result = (struct jsonpath_result)JSONPATH_RESULT_INIT;
	return 0;
}

void jsonpath_result_done(struct jsonpath_result *result)
{
	drop_blocks(result, 0);
	free(result->blocks);
	*result = (struct jsonpath_result)JSONPATH_RESULT_INIT;
}

const struct value *jsonpath_first(const struct jsonpath_result *result)
{
	for (size_t i = 0; i < result->n; i++)
		if (result->blocks[i].n > 0)
			return &result->blocks[i].values[0];
	return NULL;
}

char *jsonpath_text(const struct jsonpath_result *result)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < result->n; i++) {
		const struct jsonpath_block *block = &result->blocks[i];

		for (size_t k = 0; k < block->n; k++) {
			const struct value *v = &block->values[k];

			if (k > 0)
				strbuf_addc(&b, ' ');
			if (v->type == VALUE_ARRAY || v->type == VALUE_MAP) {
				_cleanup_free_ char *json = value_to_json(v, 0);

				strbuf_adds(&b, json);
			} else {
				value_to_text(v, &b, 0);
			}
		}
	}
	return strbuf_steal(&b);
}
