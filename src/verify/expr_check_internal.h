#ifndef TH_VERIFY_EXPR_CHECK_INTERNAL_H
#define TH_VERIFY_EXPR_CHECK_INTERNAL_H

/*
 * Between expr_check.c and its parts: expr_check_call.c (names, functions), expr_check_operator.c,
 * expr_check_member.c (members, slices, methods) and expr_check_closure.c (all() and its kin). All
 * that check return 0 and what the node will be, or -EINVAL with an error that is set.
 */

#include "verify/expr_nature.h"
#include "verify/expr_tree.h"

struct expr_known_variable {
	const struct value *name;
	struct nature nature;
	const struct expr_known_variable *outer;
};

struct expr_known_closure {
	struct nature collection;
	bool has_index, has_acc;
	const struct expr_known_closure *outer;
};

struct expr_checker {
	const struct expr *expr;
	const struct expr_env *env;
	const struct expr_known_variable *variables;
	const struct expr_known_closure *closure;
	struct value_pool pool;
	struct th_err *err;
};

/* A macro, so that the result is seen to be negative. */
#define expr_check_fail(...) (expr_check_complain(__VA_ARGS__), -EINVAL)
void expr_check_complain(const struct expr_checker *c, const struct expr_node *node,
	const char *fmt, ...) PRINTF_ATTR(3, 4);
int expr_check_wrong_count(
	const struct expr_checker *c, const struct expr_node *node, bool too_many);

int expr_check_node(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
/* Each of node->list; *ret is of the last. */
int expr_check_list(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_name(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_call(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_unary(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_binary(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_member(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_slice(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_method(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_closures(struct expr_checker *c, const struct expr_node *node, struct nature *ret);
int expr_check_pointer(
	const struct expr_checker *c, const struct expr_node *node, struct nature *ret);

/* The value of a name of the environment, NULL where it is not known yet, or there is none. */
const struct value *expr_check_variable(
	const struct expr_checker *c, const struct value *name, bool *ret_exists);

/* Is it all() or one of its kin? */
bool expr_check_is_closure(const struct value *name);

#endif
