#ifndef TH_VERIFY_LOAD_H
#define TH_VERIFY_LOAD_H

/*
 * A template file becomes one JSON object {"kind", "name", "spec", "lines"}, whatever it was
 *written in; "lines" tells where each value of the spec stands (verify/lines.h). What that is, its
 *first character tells that is neither blank nor in a comment: '{' is JSON, '[' is INI, anything
 *else YAML. A first line that begins with "#!" belongs to none of them.
 *
 * YAML 1.1 through libyaml, with the plain scalars of YAML 1.2: null, true, false, integers and
 * decimal fractions; everything else is a string. Several documents may follow each other; those
 * that are no template are passed over. Refused: aliases, a key that stands twice, tags but those
 * of the core schema, more than LOAD_DEPTH_MAX levels or LOAD_NODES_MAX values.
 *
 * INI:
 *	[template]            name, policy, timeout, dialect
 *	[args]                NAME = VALUE
 *	[arg NAME]            file, env or fd: a secret
 *	[metric NAME]         fields of a metric; PROVIDER.FIELD = VALUE;
 *	                      PROVIDER.headers.NAME = VALUE; dryRun = yes;
 *	                      measurementRetention = N
 */

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

#define LOAD_SIZE_MAX  ((size_t)1024 * 1024)
#define LOAD_DEPTH_MAX 64
#define LOAD_NODES_MAX 100000

/*
 * Reads a template. `name` picks one of several, NULL takes the only one. *ret is the caller's.
 * -ENOENT and the like with err (EXIT_CONFIG, EXIT_NOPERM): cannot be read; -EINVAL with err
 * (EXIT_DATAERR): not of the form, or which template is meant is not clear.
 */
int load_file(const char *path, const char *name, json_t **ret, struct th_err *err);

/* The same from memory, with a NUL behind it; `file` is for messages. */
int load_memory(const char *text, size_t size, const char *file, const char *name, json_t **ret,
	struct th_err *err);

/* The parts: each adds documents to the array `docs`, and to `lines` where their values stand. */
int load_yaml(const char *text, size_t size, const char *file, json_t *docs, json_t *lines,
	struct th_err *err);
int load_ini(const char *text, size_t size, const char *file, json_t *docs, json_t *lines,
	struct th_err *err);

static inline void load_decref(json_t **o)
{
	json_decref(*o);
}
#define _cleanup_json_ _cleanup_(load_decref)

#endif
