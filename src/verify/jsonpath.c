#include "config.h"

#include "verify/jsonpath.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/jsonpath_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct parser {
	const char *s;
	size_t len, pos;
	const char *whole; /* what the user wrote, for messages */
	struct jsonpath *path;
	struct th_err *err;
};

/* ---- lists and their memory --------------------------------------------------------------- */

static void list_done(struct jsonpath_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct jsonpath_node *node = &list->nodes[i];

		free(node->text);
		for (size_t k = 0; k < node->n_lists; k++)
			list_done(&node->lists[k]);
		free(node->lists);
	}
	free(list->nodes);
	*list = (struct jsonpath_list){NULL, 0, 0};
}

static struct jsonpath_node *list_add(struct jsonpath_list *list, enum jsonpath_node_type type)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 4;
		list->nodes = xreallocarray(list->nodes, list->cap, sizeof(*list->nodes));
	}
	list->nodes[list->n] = (struct jsonpath_node){.type = type};
	return &list->nodes[list->n++];
}

static void list_add_text(
	struct jsonpath_list *list, enum jsonpath_node_type type, const char *text, size_t len)
{
	struct jsonpath_node *node = list_add(list, type);

	node->text = xstrndup(text, len);
	node->len = len;
}

static struct jsonpath_list *path_add_block(struct jsonpath *path)
{
	if (path->n == path->cap) {
		path->cap = path->cap ? path->cap * 2 : 4;
		path->blocks = xreallocarray(path->blocks, path->cap, sizeof(*path->blocks));
	}
	path->blocks[path->n] = (struct jsonpath_list){NULL, 0, 0};
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
	why = xvasprintf(fmt, args);
	va_end(args);
	return err_set(p->err, EXIT_DATAERR, EINVAL, "jsonPath '%s': %s", shown, why);
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
static int parse_action(struct parser *p, const char *text, size_t len, const char *prefix,
	struct jsonpath_list *list)
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
		struct jsonpath_node *node = list_add(list, NODE_TEXT);

		*node = path->blocks[0].nodes[i];
		path->blocks[0].nodes[i] = (struct jsonpath_node){.type = NODE_TEXT};
	}
	return 0;
}

/* [-]digits or nothing; Go's strconv.Atoi. */
static int parse_param(struct parser *p, const char *text, size_t len, struct jsonpath_bound *param)
{
	if (len == 0)
		return 0;
	param->known = true;
	if (value_parse_int(text, len, &param->value) < 0)
		return bad(p, "array index %.*s is not a number", (int)len, text);
	return 0;
}

static int parse_slice(struct parser *p, const char *text, size_t len, struct jsonpath_list *list)
{
	struct jsonpath_bound params[3] = {{.known = false}};
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

static int parse_union(struct parser *p, const char *text, size_t len, struct jsonpath_list *list)
{
	struct jsonpath_list *parts = NULL;
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
		parts[n] = (struct jsonpath_list){NULL, 0, 0};
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
		struct jsonpath_node *node = list_add(list, NODE_UNION);

		node->lists = parts;
		node->n_lists = n;
	}
	return 0;
}

/* Behind the bracket. */
static int parse_array(struct parser *p, struct jsonpath_list *list)
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

static enum jsonpath_op find_op(const char *text, size_t len)
{
	static const struct {
		const char *text;
		enum jsonpath_op op;
	} ops[] = {{"==", OP_EQUAL}, {"!=", OP_NOT_EQUAL}, {"<", OP_LESS}, {"<=", OP_LESS_EQUAL},
		{">", OP_GREATER}, {">=", OP_GREATER_EQUAL}};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (strlen(ops[i].text) == len && memcmp(ops[i].text, text, len) == 0)
			return ops[i].op;
	return OP_UNKNOWN;
}

/* Behind "[?(". */
static int parse_filter(struct parser *p, struct jsonpath_list *list)
{
	const char *text = p->s + p->pos;
	bool begun = false, ended = false;
	size_t len, left, op_end;
	struct jsonpath_list *sides;
	struct jsonpath_node *node;
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
static int parse_quoted(struct parser *p, char quote, struct jsonpath_list *list)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct jsonpath_node *node;
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

static int parse_number(struct parser *p, struct jsonpath_list *list)
{
	size_t from = p->pos, len;
	struct jsonpath_node *node;
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

static void parse_field(struct parser *p, struct jsonpath_list *list)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	size_t from = p->pos;
	struct jsonpath_node *node;

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

static void parse_identifier(struct parser *p, struct jsonpath_list *list)
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
static int parse_steps(struct parser *p, struct jsonpath_list *list)
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
		struct jsonpath_list list = {NULL, 0, 0};
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
