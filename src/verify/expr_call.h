#ifndef TH_VERIFY_EXPR_CALL_H
#define TH_VERIFY_EXPR_CALL_H

/* One call of a function of conditions, the limits of what it may do, and what it makes. */

#include "base/macro.h"
#include "base/str.h"
#include "verify/expr_tree.h"

#define EXPR_STEPS_MAX	  20000000 /* nodes evaluated, elements and bytes looked at */
#define EXPR_ELEMENTS_MAX 1000000  /* of all arrays and maps made; as in expr-lang */
#define EXPR_MEMORY_MAX	  ((size_t)64 * 1024 * 1024) /* bytes of everything made */

/* One evaluation. */
struct expr_run {
	const struct expr *expr;
	const struct expr_env *env;
	struct value_pool *pool;
	int64_t steps; /* that are left */
	size_t elements;
	struct th_err *err;
};

struct expr_call {
	struct expr_run *run;
	const struct expr_node *node;
	const struct value *args;
	size_t n;
};

/* 0, or -E2BIG where the steps or elements are used up; the error is set. */
int expr_count_steps(struct expr_run *run, const struct expr_node *node, uint64_t steps);
int expr_count_elements(struct expr_run *run, const struct expr_node *node, size_t elements);

/* As a value_make_ function returned: sets the error where there is one. */
int expr_made(struct expr_run *run, const struct expr_node *node, int rc);

/* a < b as conditions have it: numbers, strings by bytes, times, durations; else an error. */
int expr_less(struct expr_run *run, const struct expr_node *node, const struct value *a,
	const struct value *b, bool *ret);

/* A macro, so that the result is seen to be negative. */
#define expr_call_fail(...) (expr_call_complain(__VA_ARGS__), -EINVAL)
void expr_call_complain(const struct expr_call *call, const char *fmt, ...) PRINTF_ATTR(2, 3);

/* Arguments whose parameter is declared as such, but was not known before. */
int expr_want_strings(const struct expr_call *call, size_t from, size_t to);
int expr_want_array(const struct expr_call *call, const struct value *v);
int expr_want_map(const struct expr_call *call);

/* As value_make_string() and value_make_array(), counted against the limits. */
int expr_make_string(const struct expr_call *call, const char *text, size_t len, struct value *ret);
int expr_make_array(const struct expr_call *call, const struct value *items, size_t n,
	enum value_type elem, struct value *ret);

#endif
