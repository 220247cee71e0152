#ifndef TH_VERIFY_ARGS_INTERNAL_H
#define TH_VERIFY_ARGS_INTERNAL_H

/* What args.c, args_render.c and args_redact.c share. */

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

struct arg;
struct args;

/* By its name, which need not end with a NUL; NULL: there is none. */
struct arg *args_find(const struct args *args, const char *name, size_t n);
/* The same, made where there is none. Others may move. */
struct arg *args_add(struct args *args, const char *name);
/* Its value, with that of the environment; NULL where it has none. */
const char *args_value(struct args *args, struct arg *a);

/* A tag without its braces: where its name is, and whether it has the filter url. -EINVAL with err:
 * not one of ours. */
int args_parse_tag(const char *tag, size_t n, const char **ret_name, size_t *ret_n, bool *ret_url,
	struct th_err *err);

/* Escaped for a URL (RFC 3986, 2.3); for a literal of a condition in the quotes `quote`. */
void args_add_url(struct strbuf *out, const char *value);
void args_add_quoted(struct strbuf *out, const char *value, char quote);

#endif
