#include "config.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "verify/lines.h"
#include "verify/load.h"
#include "verify/value.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

struct frame {
	json_t *container; /* borrowed: its parent has it */
	json_t *lines;	   /* what belongs to it: likewise */
	char *key;	   /* of a mapping, where its value is awaited */
	size_t key_line;
};

struct reader {
	const char *file;
	yaml_parser_t parser;
	json_t *docs, *lines;
	json_t *root, *root_lines; /* of the document that is being read */
	struct frame stack[LOAD_DEPTH_MAX];
	size_t depth;
	size_t nodes;
};

static int refuse(
	const struct reader *r, const yaml_mark_t *mark, const char *what, struct th_err *err)
{
	return err_set(err, EXIT_DATAERR, EINVAL, "%s:%zu: %s", r->file, mark->line + 1, what);
}

static int refuse_syntax(const struct reader *r, struct th_err *err)
{
	const yaml_parser_t *p = &r->parser;
	size_t line = p->problem_mark.line ? p->problem_mark.line : p->mark.line;
	_cleanup_free_ char *problem = str_escape(p->problem ? p->problem : "not YAML", 200);

	return err_set(err, EXIT_DATAERR, EINVAL, "%s:%zu: %s%s%s", r->file, line + 1, problem,
		p->context ? " " : "", p->context ? p->context : "");
}

/* YAML 1.2, core schema, of what a template can hold: the words and numbers that are no strings. */
static json_t *plain_scalar(const char *text, size_t n)
{
	int64_t integer;
	double number;

	if (n == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
		strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0)
		return json_null();
	if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0 || strcmp(text, "TRUE") == 0)
		return json_true();
	if (strcmp(text, "false") == 0 || strcmp(text, "False") == 0 || strcmp(text, "FALSE") == 0)
		return json_false();
	if (parse_int(text, INT64_MIN, INT64_MAX, &integer) == 0)
		return json_integer(integer);
	if (strspn(text, "+-0123456789.eE") == n && strpbrk(text, "0123456789") &&
		value_parse_float(text, n, &number) == 0 && isfinite(number))
		return json_real(number);
	return json_stringn(text, n);
}

static json_t *scalar(const struct reader *r, const yaml_event_t *e, struct th_err *err)
{
	const char *text = (const char *)e->data.scalar.value;
	const char *tag = (const char *)e->data.scalar.tag;
	size_t n = e->data.scalar.length;
	json_t *v;

	if (memchr(text, '\0', n)) {
		(void)refuse(r, &e->start_mark, "a NUL in a value", err);
		return NULL;
	}
	if (tag && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0) {
		(void)refuse(r, &e->start_mark, "tags are not supported", err);
		return NULL;
	}
	v = !tag && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text, n)
								    : json_stringn(text, n);
	if (!v)
		(void)refuse(r, &e->start_mark, "a value that is no UTF-8", err);
	return v;
}

static int take_key(struct reader *r, const json_t *v, const yaml_mark_t *mark, struct th_err *err)
{
	struct frame *top = &r->stack[r->depth - 1];

	if (json_is_string(v))
		top->key = xstrdup(json_string_value(v));
	else if (json_is_integer(v))
		top->key = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_boolean(v))
		top->key = xstrdup(json_is_true(v) ? "true" : "false");
	else
		return refuse(r, mark, "a key that is no plain word", err);
	top->key_line = mark->line + 1;
	if (json_object_get(top->container, top->key)) {
		_cleanup_free_ char *shown = str_escape(top->key, 60);
		_cleanup_free_ char *what = xasprintf("the key '%s' stands twice", shown);

		return refuse(r, mark, what, err);
	}
	return 0;
}

/* Takes `v`; `children`, of a container, stays in what tells the lines. */
static void place(struct reader *r, json_t *v, json_t *children, const yaml_mark_t *mark)
{
	struct frame *top = r->depth ? &r->stack[r->depth - 1] : NULL;
	size_t line = top && top->key ? top->key_line : mark->line + 1;
	json_t *node = children ? lines_of_group(line, children) : lines_of_scalar(line);

	if (!top) {
		r->root = v;
		r->root_lines = node;
	} else if (json_is_array(top->container)) {
		json_array_append_new(top->container, v);
		json_array_append_new(top->lines, node);
	} else {
		json_object_set_new_nocheck(top->container, top->key, v);
		json_object_set_new_nocheck(top->lines, top->key, node);
		free(TAKE_PTR(top->key));
	}
}

static bool awaits_key(const struct reader *r)
{
	const struct frame *top = r->depth ? &r->stack[r->depth - 1] : NULL;

	return top && json_is_object(top->container) && !top->key;
}

static int take_scalar(struct reader *r, const yaml_event_t *e, struct th_err *err)
{
	json_t *v = scalar(r, e, err);
	int rc;

	if (!v)
		return -EINVAL;
	if (!awaits_key(r)) {
		place(r, v, NULL, &e->start_mark);
		return 0;
	}
	rc = take_key(r, v, &e->start_mark, err);
	json_decref(v);
	return rc;
}

static int open_container(
	struct reader *r, bool mapping, const yaml_mark_t *mark, struct th_err *err)
{
	struct frame next = {.container = mapping ? json_object() : json_array(),
		.lines = mapping ? json_object() : json_array()};

	if (r->depth == LOAD_DEPTH_MAX || awaits_key(r)) {
		json_decref(next.container);
		json_decref(next.lines);
		return refuse(r, mark,
			r->depth == LOAD_DEPTH_MAX ? "nested too deep"
						   : "a key that is no plain word",
			err);
	}
	place(r, next.container, next.lines, mark);
	r->stack[r->depth++] = next;
	return 0;
}

/* 1: the stream has ended. */
static int take_event(struct reader *r, const yaml_event_t *e, struct th_err *err)
{
	switch (e->type) {
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_DOCUMENT_END_EVENT:
		if (r->root && !json_is_null(r->root)) {
			json_array_append(r->docs, r->root);
			json_array_append(r->lines, r->root_lines);
		}
		json_decref(TAKE_PTR(r->root));
		json_decref(TAKE_PTR(r->root_lines));
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(
			r, &e->start_mark, "aliases are not supported: write the value out", err);
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++r->nodes > LOAD_NODES_MAX)
			return refuse(r, &e->start_mark, "too many values", err);
		return e->type == YAML_SCALAR_EVENT
			       ? take_scalar(r, e, err)
			       : open_container(r, e->type == YAML_MAPPING_START_EVENT,
					 &e->start_mark, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		free(TAKE_PTR(r->stack[r->depth].key));
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		break;
	}
	return 0;
}

int load_yaml(const char *text, size_t size, const char *file, json_t *docs, json_t *lines,
	struct th_err *err)
{
	struct reader r = {.file = file, .docs = docs, .lines = lines};
	int rc = 0;

	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, EXIT_INTERNAL, ENOMEM, "libyaml cannot be initialised");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	while (rc == 0) {
		yaml_event_t e;

		if (!yaml_parser_parse(&r.parser, &e)) {
			rc = refuse_syntax(&r, err);
			break;
		}
		rc = take_event(&r, &e, err);
		yaml_event_delete(&e);
	}
	while (r.depth > 0)
		free(r.stack[--r.depth].key);
	json_decref(r.root);
	json_decref(r.root_lines);
	yaml_parser_delete(&r.parser);
	return rc < 0 ? rc : 0;
}
