#ifndef TH_BASE_ALLOC_H
#define TH_BASE_ALLOC_H

/*
 * Memory that cannot fail: on exhaustion the process writes one fixed line and ends with status
 * 125. All that a supervisor has made is recorded before it is made (HACKING, "What keeps it
 * right"), so that the janitor finishes what an ended one left; carrying ENOMEM through every
 * caller would buy nothing.
 */

#include "base/macro.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* n * size is checked for overflow. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_ATTR(1, 2) __attribute__((malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) PRINTF_ATTR(1, 0)
	__attribute__((malloc, returns_nonnull));

static inline void freep(void *p)
{
	free(*(void **)p);
}

#define _cleanup_free_ _cleanup_(freep)

/* Replaces an owned string by a copy of another (NULL: by NULL). */
void str_replace(char **p, const char *s);

#endif
