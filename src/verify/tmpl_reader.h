#ifndef TH_VERIFY_TMPL_READER_H
#define TH_VERIFY_TMPL_READER_H

/*
 * How a template is read: members of a document, with a complaint of each that is not as it should
 * be. Shared by tmpl_read.c, tmpl_provider.c, tmpl_http.c, tmpl_auth.c and tmpl_record.c; from
 * outside there is tmpl_init() only.
 */

#include "verify/tmpl.h"

struct reader {
	struct tmpl *t;
	struct args *args;
	struct findings *found;
	const char *file;		  /* for messages */
	bool met_unknown;		  /* a number or duration had an argument without a value */
	const json_t *raw;		  /* the spec with its tags */
	const json_t *raw_command;	  /* of the metric that is read */
	const json_t *at;		  /* lines of the group that is read (verify/lines.h) */
	char where[64];			  /* "metrics[1]: " */
	bool secret_command, secret_name; /* the metric that is read has a secret argument there */
};

/* Goes into a group that is a member of the one that is read; the result goes to
 * reader_leave(). */
const json_t *reader_enter(struct reader *r, const char *key);
const json_t *reader_enter_element(struct reader *r, const char *key, size_t i);
void reader_leave(struct reader *r, const json_t *outer);

/* Adds "FILE:LINE: metrics[1]: ..." to what is found, of INI "FILE:LINE: [metric m] web.url: ...".
 * `key`: the member that it is about, NULL for the whole group. A text that begins with the name of
 * the member, or of groups and it, may go on as a sentence: "url is needed". */
void reader_complain(struct reader *r, const char *key, const char *fmt, ...) PRINTF_ATTR(3, 4);
void reader_complain_at(struct reader *r, size_t line, const char *text); /* 0: not known */
void reader_complain_err(struct reader *r, const char *field, struct th_err *err);
void reader_warn(struct reader *r, const char *key, const char *fmt, ...) PRINTF_ATTR(3, 4);

/* Has all members of `o` in `known`, a list that ends with NULL? And is it a mapping, if it is
 * there? `what` is its name for messages. */
void reader_check_fields(
	struct reader *r, const json_t *o, const char *what, const char *const *known);

/* Is it an argument whose value --lint does not know? */
bool reader_is_unknown(const struct reader *r, const char *text);

/* Members. Of one that is not there: NULL, false, `absent`, or the output is left as it is. */
char *reader_text(struct reader *r, const json_t *o, const char *key);
char *reader_need_text(struct reader *r, const json_t *o, const char *key); /* never NULL */
bool reader_bool(struct reader *r, const json_t *o, const char *key);
bool reader_integer(struct reader *r, const json_t *o, const char *key, int64_t *ret);
unsigned reader_limit(
	struct reader *r, const json_t *o, const char *key, unsigned absent, int64_t min);
/* `name` is what messages call it. */
bool reader_duration(
	struct reader *r, const json_t *o, const char *key, const char *name, usec_t *ret);
/* A duration, or seconds as a number. */
void reader_timeout(struct reader *r, const json_t *o, const char *key, usec_t *timeout_usec);
struct expr *reader_condition(
	struct reader *r, const json_t *o, const char *key, enum expr_dialect dialect);
struct jsonpath *reader_path(struct reader *r, const json_t *o);

/* Sets m->provider and what belongs to it, from `o`, the metric. */
void reader_provider(struct reader *r, struct tmpl_metric *m, const json_t *o);
void reader_web(struct reader *r, struct tmpl_metric *m, const json_t *o);
void reader_prometheus(struct reader *r, struct tmpl_metric *m, const json_t *o);
void reader_authentication(struct reader *r, struct tmpl_metric *m, const json_t *o);
/* A password in it becomes a secret. `name` is what messages call it. */
void reader_check_url(struct reader *r, const char *key, const char *name, const char *url);

/* What a record says was run: `spec` with the values of arguments, secrets as *****. */
json_t *tmpl_spec_as_run(const struct tmpl *t, const json_t *spec, const struct args *args);

#endif
