#ifndef TH_MODEL_JSONIO_H
#define TH_MODEL_JSONIO_H

/*
 * Members of the JSON that taskhook writes for itself (records). Strings hold any bytes that a
 * command line or an environment can: what is no UTF-8 stands as {"hex": "..."}, for JSON knows
 * none else (RFC 8259, 8.1). Numbers up to INT64_MAX are integers, UINT64_MAX is "infinity".
 */

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A flag of json_dumps(): as many digits as a double keeps of what was written in decimal
 * (DBL_DIG). More of them make 0.1 a 0.10000000000000001. */
#define JSON_REAL_DIGITS JSON_REAL_PRECISION(15)

/* Seeds the hashes of objects, once, before the first: left to itself jansson reads /dev/urandom.
 */
void json_seed(void);

/* A new reference; `s` is not NULL. */
json_t *json_from_text(const char *s);
json_t *json_from_strv(const struct strv *sv);
/* Above INT64_MAX: "infinity". */
json_t *json_from_u64(uint64_t n);

/* Sets a member; NULL, an empty vector: leaves it out. */
void json_put_text(json_t *object, const char *key, const char *s);
void json_put_strv(json_t *object, const char *key, const struct strv *sv);
void json_put_u64(json_t *object, const char *key, uint64_t n);
void json_put_bool(json_t *object, const char *key, bool b);
/* Takes the reference. */
void json_put(json_t *object, const char *key, json_t *value);

/*
 * Reads the members of one object. An absent member leaves *ret alone; one of the wrong type or out
 *of range makes `failed` -EINVAL and is said in err (EXIT_DATAERR), the first one wins.
 *
 *	struct json_in in = {.object = j, .what = "task", .err = err};
 *	json_in_text(&in, "user", &t->user);
 *	if (in.failed) ...
 */
struct json_in {
	const json_t *object; /* NULL: has no members */
	const char *what;     /* for the message: "'WHAT.KEY' is not a string" */
	struct th_err *err;
	int failed;
};
void json_in_text(struct json_in *in, const char *key, char **ret); /* frees what was there */
void json_in_strv(
	struct json_in *in, const char *key, struct strv *ret); /* replaces what was there */
void json_in_u64(struct json_in *in, const char *key, uint64_t *ret);
void json_in_int(struct json_in *in, const char *key, int64_t min, int64_t max, int64_t *ret);
void json_in_bool(struct json_in *in, const char *key, bool *ret);
/* The member where it is a string, object or array; NULL where absent. Borrowed. */
const char *json_in_word(struct json_in *in, const char *key);
const json_t *json_in_object(struct json_in *in, const char *key);
const json_t *json_in_array(struct json_in *in, const char *key);
/* Notes a failure of the caller's own: "'WHAT.KEY' TEXT". */
void json_in_refuse(struct json_in *in, const char *key, const char *text);

/* The text of a string or {"hex"} value; NULL where it is neither. The caller frees it. */
char *json_to_text(const json_t *value);

#endif
