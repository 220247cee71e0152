#ifndef TH_VERIFY_EXPR_BUILTIN_H
#define TH_VERIFY_EXPR_BUILTIN_H

/*
 * Functions of conditions that take values: all builtins of expr-lang 1.17 but those with a closure
 * (verify/expr_eval.c). What differs from Go: upper() and lower() know one-to-one pairs of letters
 * only; keys(), values() and toPairs() keep the order of the document; a stable sort; times are
 * those from 1678 to 2262, in UTC, and the only time zone is UTC.
 */

#include "verify/expr_call.h"

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

/* Of strings, and of arrays and maps: tables whose last entry has no name. */
extern const struct expr_builtin expr_builtins_text[];
extern const struct expr_builtin expr_builtins_list[];

/* NULL where there is none of the name. `expr_builtin_at` gives them in turn, NULL behind the last.
 */
const struct expr_builtin *expr_builtin_find(const struct value *name);
const struct expr_builtin *expr_builtin_at(size_t i);

#endif
