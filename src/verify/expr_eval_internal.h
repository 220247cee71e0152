#ifndef TH_VERIFY_EXPR_EVAL_INTERNAL_H
#define TH_VERIFY_EXPR_EVAL_INTERNAL_H

/*
 * Between expr_eval.c, expr_operator.c, expr_closure.c and expr_reason.c. All that evaluate return
 * 0, or an error that is set, or CHAIN_IS_NIL.
 */

#include "verify/expr_builtin.h"

#define CHAIN_IS_NIL 1 /* a ?. met nil: what is around it up to the EXPR_CHAIN is nil */

struct expr_variable {
	const struct value *name;
	struct value value;
	const struct expr_variable *outer;
};

struct expr_closure {
	struct value collection;
	size_t index;
	struct value acc;
	const struct expr_closure *outer;
};

struct expr_evaluation {
	struct expr_run run;
	const struct expr_variable *variables;
	const struct expr_closure *closure;
};

/* A macro, so that the result is seen to be negative. */
#define expr_eval_fail(...) (expr_eval_complain(__VA_ARGS__), -EINVAL)
void expr_eval_complain(struct expr_evaluation *e, const struct expr_node *node, const char *fmt,
	...) PRINTF_ATTR(3, 4);

/* A new evaluation in `pool`, whose limit it sets; *ret_limit is the one before. */
void expr_eval_begin(struct expr_evaluation *e, struct value_pool *pool, size_t *ret_limit);

int expr_eval_node(struct expr_evaluation *e, const struct expr_node *node, struct value *ret);
int expr_eval_truth(struct expr_evaluation *e, const struct expr_node *node, bool *ret);
int expr_eval_unary(struct expr_evaluation *e, const struct expr_node *node, struct value *ret);
int expr_eval_binary(struct expr_evaluation *e, const struct expr_node *node, struct value *ret);
/* `a` + `b`, or without `plus` `a` - `b`: numbers, strings, times and durations. */
int expr_eval_sum(struct expr_evaluation *e, const struct expr_node *node, bool plus,
	const struct value *a, const struct value *b, struct value *ret);
/* all() and its kin, which take a closure. */
int expr_eval_closures(struct expr_evaluation *e, const struct expr_node *node, struct value *ret);
int expr_eval_predicate(struct expr_evaluation *e, const struct expr_node *node,
	struct expr_closure *closure, bool *ret);
int expr_eval_pointer(struct expr_evaluation *e, const struct expr_node *node, struct value *ret);

/* value_make_array(), counted against the limits. */
int expr_eval_make_array(struct expr_evaluation *e, const struct expr_node *node,
	const struct value *items, size_t n, enum value_type elem, struct value *ret);

#endif
