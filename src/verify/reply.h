#ifndef TH_VERIFY_REPLY_H
#define TH_VERIFY_REPLY_H

/*
 * An answer as a record keeps it with --responses: {"code", "headers", "body", "exitStatus"}, of
 * which each stands there where the answer has it.
 */

#include "verify/args.h"
#include "verify/assess.h"

#include <jansson.h>

#define REPLY_KEPT_MAX ((size_t)64 * 1024) /* bytes of a body */

/* Without the values of secrets. NULL: none came, or it is too long or no UTF-8. The caller's. */
json_t *reply_to_json(const struct reply *a, const struct args *args);

/* -EINVAL: not of the form, *ret is unset. */
int reply_from_json(const json_t *o, struct reply *ret);

#endif
