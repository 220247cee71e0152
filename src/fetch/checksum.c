#include "config.h"

#include "fetch/checksum.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

static const struct {
	const char *name;
	size_t digits;
	bool weak;
} types[] = {
	[CHECKSUM_MD5] = {"md5", 32, true},
	[CHECKSUM_SHA1] = {"sha1", 40, true},
	[CHECKSUM_SHA256] = {"sha256", 64, false},
	[CHECKSUM_SHA512] = {"sha512", 128, false},
};

const char *checksum_type_name(enum checksum_type type)
{
	return types[type].name;
}

bool checksum_is_weak(enum checksum_type type)
{
	return types[type].weak;
}

/* ---- as written ---- */

/* -1: none of that name */
static int find_type(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strlen(types[i].name) == n && strncasecmp(types[i].name, name, n) == 0)
			return (int)i;
	}
	return -1;
}

static size_t count_digits(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && isxdigit((unsigned char)s[i]))
		i++;
	return i;
}

/* Whether `s` is a digest of this type; -1: of the one that its length tells. */
static bool take_hex(int type, const char *s, size_t n, struct checksum *ret)
{
	for (size_t i = 0; type < 0 && i < ARRAY_SIZE(types); i++) {
		if (types[i].digits == n)
			type = (int)i;
	}
	if (type < 0 || types[type].digits != n || count_digits(s, n) != n)
		return false;
	ret->type = (enum checksum_type)type;
	for (size_t i = 0; i < n; i++)
		ret->hex[i] = (char)tolower((unsigned char)s[i]);
	ret->hex[n] = '\0';
	return true;
}

int checksum_parse(const char *text, struct checksum *ret, char **ret_url, struct th_err *err)
{
	const char *colon = strchr(text, ':');
	const char *hex = colon ? colon + 1 : text;
	struct checksum sum = {0};
	int type = -1;

	if (strncasecmp(text, "file:", 5) == 0) {
		if (!text[5])
			return err_set(err, EXIT_USAGE, EINVAL,
				"checksum 'file:' names no file: write file:https://... or "
				"file:/PATH");
		*ret_url = xstrdup(text + 5);
		return 1;
	}
	if (colon) {
		type = find_type(text, (size_t)(colon - text));
		if (type < 0)
			return err_set(err, EXIT_USAGE, EINVAL,
				"checksum: '%.*s' is not one of md5, sha1, sha256, sha512, file",
				(int)MIN(colon - text, (ptrdiff_t)32), text);
	}
	if (take_hex(type, hex, strlen(hex), &sum)) {
		*ret = sum;
		return 0;
	}
	if (type >= 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"checksum: %s has %zu hexadecimal digits, and this is not that",
			types[type].name, types[type].digits);
	return err_set(err, EXIT_USAGE, EINVAL,
		"checksum: it is neither TYPE:HEX nor 32, 40, 64 or 128 hexadecimal digits");
}

/* ---- files of checksums ---- */

/* sha256sum(1) writes a '\' in front of the line where it had to escape the name. */
static char *unescape(const char *s, size_t n)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 1 < n) {
			i++;
			strbuf_addc(&b, s[i] == 'n' ? '\n' : s[i] == 'r' ? '\r' : s[i]);
		} else {
			strbuf_addc(&b, s[i]);
		}
	}
	return strbuf_steal(&b);
}

/* "HEX  NAME", "HEX *NAME", "HEX": *ret_name is "" for the last. */
static bool read_gnu_line(const char *s, size_t n, struct checksum *ret, char **ret_name)
{
	bool escaped = n > 0 && *s == '\\';
	size_t digits, blanks;

	s += escaped;
	n -= escaped;
	digits = count_digits(s, n);
	if (!take_hex(-1, s, digits, ret))
		return false;
	s += digits;
	n -= digits;
	blanks = strspn(s, " \t");
	blanks = MIN(blanks, n);
	if (n > 0 && blanks == 0)
		return false;
	s += blanks;
	n -= blanks;
	/* '*': binary, '?': as BSD's tools write in a mode of their own */
	if (n > 0 && (*s == '*' || *s == '?')) {
		s++;
		n--;
	}
	*ret_name = escaped ? unescape(s, n) : xstrndup(s, n);
	return true;
}

/* "SHA256 (NAME) = HEX" */
static bool read_bsd_line(const char *s, size_t n, struct checksum *ret, char **ret_name)
{
	bool escaped = n > 0 && *s == '\\';
	const char *open, *end;
	size_t digits = 0;
	int type;

	s += escaped;
	n -= escaped;
	open = memmem(s, n, " (", 2);
	type = open ? find_type(s, (size_t)(open - s)) : -1;
	if (type < 0)
		return false;
	while (digits < n && isxdigit((unsigned char)s[n - digits - 1]))
		digits++;
	end = s + n - digits;
	if (end - open < 6 || /* " (" and ") = " */ strncmp(end - 4, ") = ", 4) != 0 ||
		!take_hex(type, end, digits, ret))
		return false;
	open += 2;
	end -= 4;
	if (end == open)
		return false;
	*ret_name = escaped ? unescape(open, (size_t)(end - open))
			    : xstrndup(open, (size_t)(end - open));
	return true;
}

struct candidate {
	bool found, ambiguous;
	struct checksum sum;
};

static void consider(struct candidate *c, const struct checksum *sum)
{
	if (!c->found || sum->type > c->sum.type) {
		*c = (struct candidate){.found = true, .sum = *sum};
		return;
	}
	if (sum->type == c->sum.type && strcmp(sum->hex, c->sum.hex) != 0)
		c->ambiguous = true;
}

int checksum_find(
	const char *sums, size_t len, const char *name, struct checksum *ret, struct th_err *err)
{
	struct candidate exact = {0}, by_end = {0}, alone = {0};
	const struct candidate *best;
	_cleanup_free_ char *shown = str_escape(name, 200);
	size_t lines = 0;

	while (len > 0) {
		const char *newline = memchr(sums, '\n', len);
		size_t whole = newline ? (size_t)(newline - sums) + 1 : len;
		size_t n = newline ? whole - 1 : whole;
		_cleanup_free_ char *line = NULL;
		_cleanup_free_ char *of = NULL;
		struct checksum sum;

		while (n > 0 && isspace((unsigned char)sums[n - 1]))
			n--;
		line = xstrndup(sums, n);
		sums += whole;
		len -= whole;
		n = strlen(line);
		lines += n > 0;
		if (!read_gnu_line(line, n, &sum, &of) && !read_bsd_line(line, n, &sum, &of))
			continue;
		if (!*of) {
			consider(&alone, &sum);
		} else {
			const char *slash = strrchr(of, '/');
			bool here = str_starts_with(of, "./") && slash == of + 1;

			if (strcmp(of, name) == 0 || (here && strcmp(of + 2, name) == 0))
				consider(&exact, &sum);
			else if (slash && strcmp(slash + 1, name) == 0)
				consider(&by_end, &sum);
		}
	}
	best = exact.found ? &exact : &by_end;
	/* one digest and nothing else, as some write beside each file */
	if (!best->found && alone.found && lines == 1)
		best = &alone;
	if (!best->found)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"the file of checksums has no line for '%s' (is it under another name "
			"there? "
			"then set filename)",
			shown);
	if (best->ambiguous)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"the file of checksums has different ones for '%s'", shown);
	*ret = best->sum;
	return 0;
}

/* ---- digests ---- */

struct digest {
	EVP_MD_CTX *sha256;
	EVP_MD_CTX *other; /* NULL: none is wanted */
	enum checksum_type other_type;
};

static EVP_MD_CTX *start(enum checksum_type type)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = EVP_get_digestbyname(types[type].name);

	if (ctx && md && EVP_DigestInit_ex(ctx, md, NULL) == 1)
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

struct digest *digest_new(const struct checksum *want, struct th_err *err)
{
	_cleanup_digest_ struct digest *d = xcalloc(1, sizeof(*d));

	d->sha256 = start(CHECKSUM_SHA256);
	if (want && want->type != CHECKSUM_SHA256) {
		d->other_type = want->type;
		d->other = start(want->type);
	}
	if (d->sha256 && (d->other || !want || want->type == CHECKSUM_SHA256))
		return TAKE_PTR(d);
	(void)err_set(err, EXIT_UNAVAILABLE, ENOTSUP,
		"libcrypto has no %s here (FIPS mode?); use sha256",
		d->sha256 && want ? types[want->type].name : "sha256");
	return NULL;
}

void digest_add(struct digest *d, const void *data, size_t n)
{
	/* fails on memory alone, and for these digests takes none */
	if (EVP_DigestUpdate(d->sha256, data, n) != 1 ||
		(d->other && EVP_DigestUpdate(d->other, data, n) != 1))
		abort();
}

void digest_get(const struct digest *d, enum checksum_type type, struct checksum *ret)
{
	static const char digits[] = "0123456789abcdef";
	const EVP_MD_CTX *from = type == CHECKSUM_SHA256 ? d->sha256 : d->other;
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!copy || !from || EVP_MD_CTX_copy_ex(copy, from) != 1 ||
		EVP_DigestFinal_ex(copy, raw, &n) != 1 || 2 * n != types[type].digits)
		abort();
	EVP_MD_CTX_free(copy);
	ret->type = type;
	for (unsigned i = 0; i < n; i++) {
		ret->hex[2 * i] = digits[raw[i] >> 4];
		ret->hex[2 * i + 1] = digits[raw[i] & 15];
	}
	ret->hex[2 * n] = '\0';
}

void digest_free(struct digest **d)
{
	if (!*d)
		return;
	EVP_MD_CTX_free((*d)->sha256);
	EVP_MD_CTX_free((*d)->other);
	free(*d);
	*d = NULL;
}
