#include "config.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static NORETURN void out_of_memory(void)
{
	static const char text[] = "taskhook: out of memory\n";

	/* No stdio here: it may want memory itself. */
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(125);
}

static void *checked(void *p)
{
	if (!p)
		out_of_memory();
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

static bool is_plain(const char *fmt)
{
	for (fmt = strchr(fmt, '%'); fmt; fmt = strchr(fmt + 2, '%'))
		if (fmt[1] != 's')
			return false;
	return true;
}

/* Of a format with %s and no other conversion: the bytes of its text, written to `to` unless that
 * is NULL. */
static size_t join(char *to, const char *fmt, va_list ap)
{
	size_t total = 0;

	while (*fmt) {
		bool is_text = *fmt == '%';
		const char *s = is_text ? va_arg(ap, const char *) : fmt;
		size_t n = is_text ? strlen(s) : strcspn(s, "%");

		if (to)
			memcpy(to + total, s, n);
		total += n;
		fmt += is_text ? strlen("%s") : n;
	}
	return total;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	int n = 0;

	va_start(ap, fmt);
	if (is_plain(fmt)) { /* as most are: names and slashes, for which stdio is slow */
		va_list again;
		size_t total;

		va_copy(again, ap);
		total = join(NULL, fmt, again);
		va_end(again);
		s = xmalloc(total + 1);
		(void)join(s, fmt, ap);
		s[total] = '\0';
	} else {
		n = vasprintf(&s, fmt, ap);
	}
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}

void str_replace(char **p, const char *s)
{
	char *copy = s ? xstrdup(s) : NULL;

	free(*p);
	*p = copy;
}
