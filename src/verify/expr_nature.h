#ifndef TH_VERIFY_EXPR_NATURE_H
#define TH_VERIFY_EXPR_NATURE_H

/* What is known of a value of a condition before it is there: its type, and what follows from it.
 */

#include "verify/value.h"

#include <stdbool.h>

struct nature {
	enum value_type type; /* VALUE_ANY: anything */
	bool untyped;	      /* of VALUE_ANY: Go has not even 'interface{}' for it, which counts in
				 what a conditional may be */
	bool any_key;	      /* of a map */
	const struct nature *elem;  /* of an array; NULL: anything */
	const struct value *fields; /* of a map whose members are all known */
};

/* Sets of types. */
#define NATURE_BIT(type)  (1U << (type))
#define NATURE_NUMBERS	  (NATURE_BIT(VALUE_INT) | NATURE_BIT(VALUE_FLOAT))
#define NATURE_DIMENSIONS (NATURE_BIT(VALUE_TIME) | NATURE_BIT(VALUE_DURATION))

static inline struct nature nature_of_type(enum value_type type)
{
	return (struct nature){.type = type};
}

static inline struct nature nature_untyped(void)
{
	return (struct nature){.type = VALUE_ANY, .untyped = true};
}

/* Of a value that is known; `known_members`: a map has no others. As nature_array(). */
int nature_of_value(
	struct value_pool *pool, const struct value *v, bool known_members, struct nature *ret);

/* Of an array whose elements are all of `elem`; they are anything where `pool` is used up. 0. */
int nature_array(struct value_pool *pool, const struct nature *elem, struct nature *ret);

/* Of an element. */
struct nature nature_elem(const struct nature *n);

static inline bool nature_is_any(const struct nature *n)
{
	return n->type == VALUE_ANY;
}

static inline bool nature_is_one_of(const struct nature *n, unsigned types)
{
	return NATURE_BIT(n->type) & types;
}

/* Both are of these types. */
bool nature_are(const struct nature *a, const struct nature *b, unsigned types);

/* The same as far as they are known, which at least one is not. */
bool nature_may_be(const struct nature *a, const struct nature *b, unsigned types);

/* As Go has it for the two ends of a conditional. */
bool nature_is_assignable(const struct nature *from, const struct nature *to);

/* By == and 'in'. */
bool nature_is_comparable(const struct nature *a, const struct nature *b);

/* For messages. */
static inline const char *nature_name(const struct nature *n)
{
	return value_type_name(n->type);
}

#endif
