#include "config.h"

#include "base/str.h"

#include "base/alloc.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The capacity for `more` elements and a closing NUL behind `len`; doubled, so that adding one by
 * one stays linear. What overflows becomes a size that no allocator grants. */
static size_t grown_cap(size_t cap, size_t len, size_t more, size_t first)
{
	size_t need;

	if (__builtin_add_overflow(len, more, &need) || __builtin_add_overflow(need, 1, &need))
		need = SIZE_MAX;
	if (need <= cap)
		return cap;
	cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	cap = MAX(cap, need);
	return MAX(cap, first);
}

static void strbuf_reserve(struct strbuf *b, size_t more)
{
	size_t cap = grown_cap(b->cap, b->len, more, 32);

	if (!b->s || cap != b->cap) {
		b->s = xreallocarray(b->s, cap, 1);
		b->cap = cap;
	}
}

void strbuf_add(struct strbuf *b, const void *p, size_t n)
{
	strbuf_reserve(b, n);
	if (n)
		memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* Negative only for text beyond INT_MAX or a %ls that cannot be encoded: nothing is added.
	 */
	if (n >= 0) {
		strbuf_reserve(b, (size_t)n);
		(void)vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

char *strbuf_steal(struct strbuf *b)
{
	char *s = b->s ? b->s : xstrdup("");

	*b = (struct strbuf)STRBUF_INIT;
	return s;
}

const char *strbuf_str(const struct strbuf *b)
{
	return b->s ? b->s : "";
}

void strbuf_done(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf)STRBUF_INIT;
}

static void strv_reserve(struct strv *sv, size_t more)
{
	size_t cap = grown_cap(sv->cap, sv->n, more, 8);

	if (!sv->v || cap != sv->cap) {
		sv->v = xreallocarray(sv->v, cap, sizeof(*sv->v));
		sv->cap = cap;
	}
}

void strv_take(struct strv *sv, char *s)
{
	strv_reserve(sv, 1);
	sv->v[sv->n++] = s;
	sv->v[sv->n] = NULL;
}

void strv_add(struct strv *sv, const char *s)
{
	strv_take(sv, xstrdup(s));
}

void strv_addf(struct strv *sv, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	strv_take(sv, s);
}

void strv_copy(struct strv *to, const struct strv *from)
{
	size_t n = from->n; /* `to` may be `from` */

	strv_reserve(to, n);
	for (size_t i = 0; i < n; i++)
		strv_add(to, from->v[i]);
}

bool strv_contains(const struct strv *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++)
		if (strcmp(sv->v[i], s) == 0)
			return true;
	return false;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *sv)
{
	if (sv->n > 1)
		qsort(sv->v, sv->n, sizeof(*sv->v), compare_strings);
}

bool strv_contains_sorted(const struct strv *sv, const char *s)
{
	return sv->n > 0 && bsearch(&s, sv->v, sv->n, sizeof(*sv->v), compare_strings);
}

void strv_clear(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	sv->n = 0;
	if (sv->v)
		sv->v[0] = NULL;
}

void strv_done(struct strv *sv)
{
	strv_clear(sv);
	free(sv->v);
	*sv = (struct strv)STRV_INIT;
}

char **strv_null_terminated(struct strv *sv)
{
	strv_reserve(sv, 0);
	sv->v[sv->n] = NULL;
	return sv->v;
}

/* The value in "NAME=VALUE", NULL where the entry is another name's. */
static const char *env_entry_value(const char *entry, const char *name, size_t len)
{
	return strncmp(entry, name, len) == 0 && entry[len] == '=' ? entry + len + 1 : NULL;
}

void env_set(struct strv *env, const char *name, const char *value)
{
	size_t len = strlen(name), kept = 0;
	bool done = !value;

	/* All entries of that name go, the first one's place is used again: a vector that came from
	 * outside may hold a name twice, and then programs differ in which one counts. */
	for (size_t i = 0; i < env->n; i++) {
		if (!env_entry_value(env->v[i], name, len)) {
			env->v[kept++] = env->v[i];
			continue;
		}
		free(env->v[i]);
		if (!done) {
			env->v[kept++] = xasprintf("%s=%s", name, value);
			done = true;
		}
	}
	env->n = kept;
	if (env->v)
		env->v[kept] = NULL;
	if (!done)
		strv_addf(env, "%s=%s", name, value);
}

const char *env_get(const struct strv *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->n; i++) {
		const char *value = env_entry_value(env->v[i], name, len);

		if (value)
			return value;
	}
	return NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool env_name_is_valid(const char *name)
{
	size_t i;

	if (str_is_empty(name) || is_digit(*name))
		return false;
	for (i = 0; name[i]; i++)
		if (i >= 255 || !(is_alpha(name[i]) || is_digit(name[i]) || name[i] == '_'))
			return false;
	return true;
}

bool str_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/*
 * Length of the well-formed UTF-8 sequence at s (Unicode 15, table 3-7: no overlong forms, no
 * surrogates, nothing above U+10FFFF), 0 where there is none.
 */
static size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	uint32_t c = s[0], min;
	size_t len;

	if (c < 0x80) {
		*ret = c;
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		len = 2;
		min = 0x80;
		c &= 0x1f;
	} else if (c >= 0xe0 && c <= 0xef) {
		len = 3;
		min = 0x800;
		c &= 0x0f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		len = 4;
		min = 0x10000;
		c &= 0x07;
	} else {
		return 0;
	}
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

/*
 * What must not reach a terminal as it is: C0, DEL and C1 controls (U+009B begins an escape
 * sequence as ESC [ does), line separators, and the marks that turn the direction of writing and so
 * make a line read as another one.
 */
static bool code_point_is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

char *str_escape_n(const char *s, size_t n, size_t max)
{
	static const char dots[] = "...";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	size_t room = max > sizeof(dots) - 1 ? max - (sizeof(dots) - 1) : 0;
	size_t cut = 0; /* length up to which the text still leaves room for the dots */
	const unsigned char *p = (const unsigned char *)s;

	while (n) {
		uint32_t c = 0;
		size_t len = utf8_decode(p, n, &c);

		if (len && !code_point_is_unsafe(c)) {
			strbuf_add(&b, p, len);
		} else if (*p == '\n') {
			strbuf_adds(&b, "\\n");
		} else if (*p == '\t') {
			strbuf_adds(&b, "\\t");
		} else {
			len = 1; /* the rest of a sequence is no UTF-8 of its own, and follows */
			strbuf_addf(&b, "\\x%02X", (unsigned)*p);
		}
		p += len;
		n -= len;
		if (b.len <= room)
			cut = b.len;
		if (max && b.len > max) {
			b.len = cut;
			strbuf_adds(&b, dots);
			break;
		}
	}
	return strbuf_steal(&b);
}

char *str_escape(const char *s, size_t max)
{
	return str_escape_n(s, strlen(s), max);
}

char *str_shell_quote(const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "%+,-./:=@_";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (*s && s[strspn(s, safe)] == '\0')
		return xstrdup(s);
	strbuf_addc(&b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			strbuf_adds(&b, "'\\''");
		else
			strbuf_addc(&b, *s);
	}
	strbuf_addc(&b, '\'');
	return strbuf_steal(&b);
}

char *strv_shell_join(char *const *v)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; v && v[i]; i++) {
		_cleanup_free_ char *quoted = str_shell_quote(v[i]);

		if (i)
			strbuf_addc(&b, ' ');
		strbuf_adds(&b, quoted);
	}
	return strbuf_steal(&b);
}

bool str_matches_any(const char *s, const struct strv *patterns)
{
	static const char separators[] = " \t\n,";

	for (size_t i = 0; i < patterns->n; i++) {
		const char *p = patterns->v[i];

		for (;;) {
			_cleanup_free_ char *pattern = NULL;
			size_t len;

			p += strspn(p, separators);
			len = strcspn(p, separators);
			if (!len)
				break;
			pattern = xstrndup(p, len);
			if (fnmatch(pattern, s, 0) == 0)
				return true;
			p += len;
		}
	}
	return false;
}
