#include "config.h"

#include "verify/expr_eval.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr_builtin.h"
#include "verify/expr_check.h"
#include "verify/expr_eval_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define REASON_VALUES 64 /* bytes of a value in a reason */

struct reason {
	struct expr_evaluation *e;
	struct strbuf text;
	struct strbuf values; /* "result was 0.91, …" */
	size_t max;
};

static void add_value(struct reason *r, const struct expr_node *node)
{
	_cleanup_free_ char *name = NULL, *shown = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct value v;

	if (r->values.len >= r->max || expr_eval_node(r->e, node, &v) != 0)
		return;
	if (v.type == VALUE_STRING) {
		shown = str_escape_n(
			v.u.text, MIN((size_t)v.count, (size_t)REASON_VALUES * 2), REASON_VALUES);
		strbuf_addf(&b, "'%s'", shown);
	} else if (v.type == VALUE_NIL) {
		strbuf_adds(&b, "nil");
	} else if (v.type == VALUE_FLOAT && fabs(v.u.number) < 1e15) {
		/* As a person would write it, 1500000 and not 1.5e+06. */
		_cleanup_free_ char *json = value_to_json(&v, 0);

		strbuf_adds(&b, json);
	} else {
		value_to_text(&v, &b, REASON_VALUES);
	}
	free(shown);
	shown = str_escape_n(strbuf_str(&b), b.len, 0);
	name = expr_node_text(r->e->run.expr, node, REASON_VALUES);
	strbuf_addf(&r->values, "%s%s was %s", r->values.len > 0 ? ", " : "", name, shown);
}

/* The values that a reader of the condition does not see in it. */
static void add_values(struct reason *r, const struct expr_node *node)
{
	switch (node->kind) {
	case EXPR_LITERAL:
	case EXPR_ARRAY:
	case EXPR_MAP:
		return;
	case EXPR_MINUS:
	case EXPR_PLUS:
	case EXPR_NOT:
		add_values(r, node->a);
		return;
	case EXPR_BINARY:
		add_values(r, node->a);
		add_values(r, node->b);
		return;
	case EXPR_BUILTIN:
		/* What the closure gives is another matter than what it was asked of. */
		if (node->list[0]->kind != EXPR_LITERAL)
			add_value(r, node);
		return;
	case EXPR_CALL:
		/* asInt(result) says less than result. */
		if (expr_function_find(r->e->run.expr, &node->value) != EXPR_NO_FUNCTION &&
			node->n > 0) {
			add_values(r, node->list[0]);
			return;
		}
		break;
	case EXPR_NAME:
	case EXPR_CHAIN:
	case EXPR_MEMBER:
	case EXPR_SLICE:
	case EXPR_METHOD:
	case EXPR_POINTER:
	case EXPR_LET:
	case EXPR_SEQUENCE:
	case EXPR_CONDITIONAL:
		break;
	}
	add_value(r, node);
}

static void explain(struct reason *r, const struct expr_node *node, bool outcome);

static void explain_leaf(struct reason *r, const struct expr_node *node)
{
	_cleanup_free_ char *text = expr_node_text(r->e->run.expr, node, r->max);
	size_t before = r->values.len;

	if (r->text.len > 0)
		strbuf_adds(&r->text, "; ");
	strbuf_adds(&r->text, text);
	if (node->kind == EXPR_BINARY || node->kind == EXPR_NOT) {
		add_values(r, node);
	} else if (node->kind == EXPR_CALL) {
		for (size_t i = 0; i < node->n; i++)
			add_values(r, node->list[i]);
	}
	if (r->values.len > before) {
		strbuf_addf(&r->text, " (%s)", r->values.s);
		strbuf_reset(&r->values);
	}
}

/* all() that failed, any() that held, none() that failed: at the element that decided. */
static bool explain_element(struct reason *r, const struct expr_node *node, bool outcome)
{
	struct expr_closure closure = {.outer = r->e->closure};
	bool all = value_is_text(&node->value, "all"), any = value_is_text(&node->value, "any");
	bool none = value_is_text(&node->value, "none");

	if (!(all && !outcome) && !(any && outcome) && !(none && !outcome))
		return false;
	if (expr_eval_node(r->e, node->list[0], &closure.collection) != 0 ||
		closure.collection.type != VALUE_ARRAY)
		return false;
	for (; closure.index < closure.collection.count; closure.index++) {
		bool holds = false;

		if (expr_eval_predicate(r->e, node, &closure, &holds) != 0)
			return false;
		if (holds == all)
			continue;
		strbuf_addf(&r->text, "%s%.*s() at element %zu: ", r->text.len > 0 ? "; " : "",
			(int)node->value.count, node->value.u.text, closure.index);
		r->e->closure = &closure;
		{
			struct reason inner = {.e = r->e,
				.text = STRBUF_INIT,
				.values = STRBUF_INIT,
				.max = r->max};

			explain(&inner, node->list[1], holds);
			strbuf_adds(&r->text, strbuf_str(&inner.text));
			strbuf_done(&inner.text);
			strbuf_done(&inner.values);
		}
		r->e->closure = closure.outer;
		return true;
	}
	return false;
}

static void explain_logic(struct reason *r, const struct expr_node *node, bool outcome)
{
	bool decisive = node->op == EXPR_OP_OR, left = false, right = false;
	struct value v;

	if (node->truth >= 0) {
		explain_leaf(r, node);
		return;
	}
	if (expr_eval_truth(r->e, node->a, &left) != 0)
		return;
	if (outcome == decisive && left == decisive) {
		explain(r, node->a, left);
		return;
	}
	if (expr_eval_node(r->e, node->b, &v) == 0 && v.type == VALUE_BOOL)
		right = v.u.boolean;
	if (outcome != decisive)
		explain(r, node->a, left);
	explain(r, node->b, right);
}

static void explain(struct reason *r, const struct expr_node *node, bool outcome)
{
	bool holds;

	if (r->text.len >= r->max)
		return;
	if (node->kind == EXPR_BINARY && (node->op == EXPR_OP_OR || node->op == EXPR_OP_AND)) {
		explain_logic(r, node, outcome);
	} else if (node->kind == EXPR_BUILTIN && node->n > 1 && explain_element(r, node, outcome)) {
		return;
	} else if (node->kind == EXPR_LET) {
		struct expr_variable variable = {.name = &node->value, .outer = r->e->variables};

		if (expr_eval_node(r->e, node->a, &variable.value) != 0)
			return;
		r->e->variables = &variable;
		explain(r, node->b, outcome);
		r->e->variables = variable.outer;
	} else if (node->kind == EXPR_SEQUENCE) {
		explain(r, node->list[node->n - 1], outcome);
	} else if (node->kind == EXPR_CONDITIONAL && expr_eval_truth(r->e, node->a, &holds) == 0) {
		explain(r, node->a, holds);
		explain(r, holds ? node->b : node->c, outcome);
	} else {
		explain_leaf(r, node);
	}
}

char *expr_reason(const struct expr *expr, const struct expr_env *env, size_t max)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct expr_evaluation e = {.run = {.expr = expr, .env = env}};
	struct reason r = {.e = &e, .text = STRBUF_INIT, .values = STRBUF_INIT, .max = max};
	struct value v;
	size_t limit;
	char *shown;

	expr_eval_begin(&e, &pool, &limit);
	if (expr_eval_node(&e, expr->root, &v) == 0 && v.type == VALUE_BOOL) {
		e.run.steps = EXPR_STEPS_MAX;
		e.run.elements = 0;
		explain(&r, expr->root, v.u.boolean);
	}
	if (r.text.len == 0) {
		char *text = expr_node_text(expr, expr->root, max);

		strbuf_adds(&r.text, text);
		free(text);
	}
	/* Already escaped; only cut where it is too long. */
	if (r.text.len > max) {
		size_t keep = max > 3 ? max - 3 : 0;

		while (keep > 0 && ((unsigned char)r.text.s[keep] & 0xc0) == 0x80)
			keep--;
		r.text.len = keep;
		r.text.s[keep] = '\0';
		strbuf_adds(&r.text, "...");
	}
	shown = strbuf_steal(&r.text);
	strbuf_done(&r.values);
	return shown;
}
