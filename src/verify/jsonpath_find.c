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

#define STEPS_MAX 5000000

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

static int eval_list(struct finder *f, const struct jsonpath_list *list, const struct values *in,
	struct values *out);

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
	why = xvasprintf(fmt, args);
	va_end(args);
	return err_set(f->err, EXIT_DATAERR, errnum, "%s", why);
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

static int eval_field(struct finder *f, const struct jsonpath_node *node, const struct values *in,
	struct values *out)
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

static int eval_slice_of(struct finder *f, const struct jsonpath_node *node,
	const struct values *in, struct values *out)
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

static int compare_sides(struct finder *f, const struct jsonpath_node *node,
	const struct value *left, const struct value *right, bool *ret)
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
static int passes_filter(
	struct finder *f, const struct jsonpath_node *node, const struct value *element)
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

static int eval_filter(struct finder *f, const struct jsonpath_node *node, const struct values *in,
	struct values *out)
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

static int eval_identifier(struct finder *f, const struct jsonpath_node *node,
	const struct values *in, struct values *out)
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

static int eval_node(struct finder *f, const struct jsonpath_node *node, const struct values *in,
	struct values *out)
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
static int eval_list(struct finder *f, const struct jsonpath_list *list, const struct values *in,
	struct values *out)
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
