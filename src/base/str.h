#ifndef TH_BASE_STR_H
#define TH_BASE_STR_H

/* Growing strings and string vectors. All memory is owned by the struct until stolen. */

#include "base/macro.h"

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *s;    /* NUL-terminated whenever not NULL */
	size_t len; /* without the NUL */
	size_t cap;
};
#define STRBUF_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void strbuf_add(struct strbuf *b, const void *p, size_t n);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) PRINTF_ATTR(2, 3);
void strbuf_reset(struct strbuf *b);		/* length 0, memory kept */
char *strbuf_steal(struct strbuf *b);		/* never NULL; the buffer is empty again */
const char *strbuf_str(const struct strbuf *b); /* "" where nothing was added */
void strbuf_done(struct strbuf *b);
#define _cleanup_strbuf_ _cleanup_(strbuf_done)

/* A NULL-terminated vector of owned strings, fit for execve(2) through v (NULL while empty). */
struct strv {
	char **v;
	size_t n;
	size_t cap;
};
#define STRV_INIT                                                                                  \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void strv_add(struct strv *sv, const char *s); /* copies */
void strv_take(struct strv *sv, char *s);      /* takes ownership */
void strv_addf(struct strv *sv, const char *fmt, ...) PRINTF_ATTR(2, 3);
void strv_copy(struct strv *to, const struct strv *from); /* appends copies */
bool strv_contains(const struct strv *sv, const char *s);
void strv_sort(struct strv *sv);				 /* by bytes (strcmp(3)) */
bool strv_contains_sorted(const struct strv *sv, const char *s); /* after strv_sort() */
void strv_clear(struct strv *sv);
void strv_done(struct strv *sv);
#define _cleanup_strv_ _cleanup_(strv_done)
char **strv_null_terminated(struct strv *sv); /* v, allocated even when empty */

/* Environment vectors: entries "NAME=VALUE"; set replaces, NULL value removes. */
void env_set(struct strv *env, const char *name, const char *value);
const char *env_get(const struct strv *env, const char *name);
/* [A-Za-z_][A-Za-z0-9_]*, at most 255 bytes (POSIX.1-2017, 8.1). */
bool env_name_is_valid(const char *name);

bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
static inline bool str_is_empty(const char *s)
{
	return !s || !*s;
}

/* A copy fit for a message: control bytes and bytes that are no UTF-8 as \n, \t or \xHH, longer
 * than `max` bytes cut with "..." (0: never). The caller frees it. */
char *str_escape(const char *s, size_t max);
char *str_escape_n(const char *s, size_t n, size_t max);
/* Quoted so that a shell would read it as one word; unquoted where that is safe. */
char *str_shell_quote(const char *s);
/* Words joined with blanks, each shell-quoted: a command line for people. */
char *strv_shell_join(char *const *v);

/* True where `s` matches one of the blank- or comma-separated shell patterns (fnmatch(3)). */
bool str_matches_any(const char *s, const struct strv *patterns);

#endif
