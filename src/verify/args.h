#ifndef TH_VERIFY_ARGS_H
#define TH_VERIFY_ARGS_H

/*
 * Arguments of a template: {{ args.NAME }} in any string of a metric, blanks inside mean nothing;
 * {{ args.NAME | url }} escapes for a URL all but letters, digits and -._~ (RFC 3986, 2.3). One
 * pass: a value is not looked at again.
 *
 * In a condition a value never becomes a part of the language. Within quotes it is escaped for
 * them; outside a number, true or false stands as it is, and anything else becomes a string. A
 * backslash right before a tag is an error: it would take the escape's own from it.
 */

#include "base/error.h"
#include "base/str.h"
#include "verify/value.h"

#include <jansson.h>
#include <stdbool.h>

#define ARGS_VALUE_MAX ((size_t)64 * 1024)

struct arg {
	char *name;
	char *value;  /* NULL: none */
	char *reason; /* why there is none; may be NULL */
	bool secret;  /* taken out of everything that is told */
	bool used, declared, given;
};

struct args {
	struct arg *v;
	size_t n;
	bool from_environment; /* a name that has no value is looked up there: in a hook */
	bool lint;	       /* a value that is not there is nothing wrong */
	struct strv secrets;   /* that are no arguments: args_add_secret() */
};

void args_done(struct args *args);
#define _cleanup_args_ _cleanup_(args_done)

/* A value of the caller's, which wins over the template's. */
void args_set(struct args *args, const char *name, const char *value, bool secret);
/* "NAME=FILE", its last line end left out; "NAME=VARIABLE"; "NAME=FD": secrets. Waits, without a
 * limit, until a FIFO is written and closed. 0, or -errno with err (EXIT_USAGE, EXIT_CONFIG,
 * EXIT_NOPERM). */
enum args_from { ARGS_FROM_FILE, ARGS_FROM_ENV, ARGS_FROM_FD };
int args_set_from(struct args *args, enum args_from from, const char *name, const char *where,
	struct th_err *err);

/* One of the template's, an element of spec.args. -EINVAL with err. */
int args_declare(struct args *args, const json_t *o, struct th_err *err);

/* Every one that the template lists has a value, or err tells which has none. */
int args_check(const struct args *args, struct th_err *err);

enum args_mode { ARGS_TEXT, ARGS_CONDITION };
/* -EINVAL with err: an unknown tag, one without an end, no value. With `lint` tags without a value
 * stay as they are, in a condition as something of any type. The caller frees *ret. */
int args_render(
	struct args *args, const char *text, enum args_mode mode, char **ret, struct th_err *err);
/* All strings of a tree, in a new one. -EINVAL with err, which begins with the path to the string,
 * and its line by `lines` (verify/lines.h; NULL: not known) in *ret_line. */
int args_render_tree(struct args *args, const json_t *tree, const json_t *lines, json_t **ret,
	size_t *ret_line, struct th_err *err);

/* Something else that is never told: a password that stands in the template. */
void args_add_secret(struct args *args, const char *text);

/* Does a tag in `text`, which is not rendered yet, name a secret argument? */
bool args_names_secret(const struct args *args, const char *text);

/* The value that a template gives: a text, a whole number or a truth value as text, which the
 * caller frees; NULL: of another type. */
char *args_scalar_text(const json_t *v);

/*
 * A copy with every secret as *****, those of `more` (NULL: none) as well: as it is, as it stands
 * in a URL, in quotes, in base64, and its beginning where a text was cut ("s3cr...").
 */
char *args_redact(const struct args *args, const struct strv *more, const char *text);

/* A map of strings, for conditions: args.NAME. The values stay the args'. */
int args_to_value(const struct args *args, struct value_pool *pool, struct value *ret);

#endif
