#ifndef TH_VERIFY_ASSESS_H
#define TH_VERIFY_ASSESS_H

/*
 * From what a provider brought to a measurement: result, conditions, phase, and the reason in
 * words. Without effects, so that recorded answers are judged as live ones are.
 */

#include "verify/args.h"
#include "verify/runstate.h"
#include "verify/tmpl.h"

#define ASSESS_VALUE_MAX ((size_t)4096) /* bytes of a value that are kept */

/* An answer: `error`, or the rest. All owned by it. */
struct reply {
	char *error;	     /* why there is none */
	unsigned status;     /* of HTTP, 0: none */
	struct strv headers; /* "NAME: VALUE" */
	char *body;
	size_t size;
	int exit_status;     /* exec without a jsonPath; -1: none */
	struct strv secrets; /* that were got on the way: a token */
};
void reply_done(struct reply *a);

/* Fills phase, message and value of *ret. */
void assess(const struct tmpl *t, const struct tmpl_metric *m, const struct args *args,
	const struct reply *a, struct measurement *ret);

/* The same from a value as `value` of a measurement shows it. There is no response then, and a
 * value that was cut is an error. */
void assess_value(const struct tmpl *t, const struct tmpl_metric *m, const struct args *args,
	const char *value, struct measurement *ret);

#endif
