#ifndef TH_VERIFY_EXPR_BUILTIN_H
#define TH_VERIFY_EXPR_BUILTIN_H

/*
 * Functions of conditions that take values: all builtins of expr-lang 1.17 but those with a closure
 * (verify/expr_eval.c). What differs from Go: upper() and lower() know one-to-one pairs of letters
 * only; keys(), values() and toPairs() keep the order of the document; a stable sort; times are
 * those from 1678 to 2262, in UTC, and the only time zone is UTC.
 */

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

/*
 * `params`: a letter for each parameter, "?" before those that may be missing, "*" behind one that
 * may come any number of times.
 *	a any, s string, i int, n number, x number or string, A array, M map,
 *	L string, array or map, g number or array
 * `result`: what comes out.
 *	a any, b bool, i int, f float, s string, A array, S array of strings,
 *	M map with keys of any type, t time, d duration, = as the first argument,
 *	e an element of it, g any where one argument is an array, else as the first
 */
struct expr_builtin {
	const char *name;
	const char *params;
	const char *result;
	int (*run)(const struct expr_call *call, struct value *ret);
};

/* NULL where there is none of the name. `expr_builtin_at` gives them in turn, NULL behind the last.
 */
const struct expr_builtin *expr_builtin_find(const struct value *name);
const struct expr_builtin *expr_builtin_at(size_t i);

/* 0, or -E2BIG where the steps or elements are used up; the error is set. */
int expr_count_steps(struct expr_run *run, const struct expr_node *node, uint64_t steps);
int expr_count_elements(struct expr_run *run, const struct expr_node *node, size_t elements);

/* As a value_make_ function returned: sets the error where there is one. */
int expr_made(struct expr_run *run, const struct expr_node *node, int rc);

/* a < b as conditions have it: numbers, strings by bytes, times, durations; else an error. */
int expr_less(struct expr_run *run, const struct expr_node *node, const struct value *a,
	const struct value *b, bool *ret);

#endif
