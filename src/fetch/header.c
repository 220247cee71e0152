#include "config.h"

#include "fetch/header.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"

#include <ctype.h>
#include <curl/curl.h>
#include <limits.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *header_value(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	len -= n + 1;
	while (len > 0 && is_blank(*line)) {
		line++;
		len--;
	}
	while (len > 0 && is_blank(line[len - 1]))
		len--;
	return xstrndup(line, len);
}

/* Digits up to `end`, or all of what is left. */
static const char *take_number(const char *s, uint64_t *ret)
{
	size_t n = strspn(s, "0123456789");
	_cleanup_free_ char *digits = xstrndup(s, n);

	/* UINT64_MAX is HEADER_UNKNOWN */
	if (parse_uint(digits, 0, INT64_MAX, ret) < 0)
		return NULL;
	return s + n;
}

bool header_length_is_valid(const char *value)
{
	uint64_t n;
	const char *end = *value ? take_number(value, &n) : NULL;

	return end && !*end;
}

bool header_parse_content_range(
	const char *value, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total)
{
	uint64_t first, last, total = HEADER_UNKNOWN;

	if (strncasecmp(value, "bytes ", 6) != 0)
		return false;
	value = take_number(value + 6, &first);
	if (!value || *value != '-')
		return false;
	value = take_number(value + 1, &last);
	if (!value || *value != '/' || last < first)
		return false;
	value++;
	if (strcmp(value, "*") != 0) {
		value = take_number(value, &total);
		if (!value || *value || total <= last)
			return false;
	}
	*ret_first = first;
	*ret_last = last;
	*ret_total = total;
	return true;
}

bool header_etag_is_strong(const char *etag)
{
	size_t n = etag ? strlen(etag) : 0;

	return n >= 2 && etag[0] == '"' && etag[n - 1] == '"';
}

bool header_date_is_strong(const char *last_modified, const char *date)
{
	time_t changed, now;

	if (!last_modified || !date)
		return false;
	changed = curl_getdate(last_modified, NULL);
	now = curl_getdate(date, NULL);
	return changed != -1 && now != -1 && changed < now;
}

usec_t header_parse_retry_after(const char *value, int64_t date_now)
{
	uint64_t seconds;
	time_t date;

	if (parse_uint(value, 0, UINT32_MAX, &seconds) == 0)
		return seconds * USEC_PER_SEC;
	date = curl_getdate(value, NULL);
	if (date == -1 || date <= date_now)
		return 0;
	return (usec_t)(date - date_now) * USEC_PER_SEC;
}

/* ---- Content-Disposition ---- */

static bool is_file_name(const char *s)
{
	if (!*s || strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || strlen(s) > NAME_MAX)
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 127 || *s == '/')
			return false;
	}
	return true;
}

/* A token or a quoted string; *p moves behind it. */
static char *take_parameter_value(const char **p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *s = *p;

	if (*s != '"') {
		size_t n = strcspn(s, "; \t");

		*p = s + n;
		return xstrndup(s, n);
	}
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		strbuf_addc(&b, *s);
	}
	*p = *s ? s + 1 : s;
	return strbuf_steal(&b);
}

/* UTF-8''PERCENT-ENCODED (RFC 8187) */
static char *decode_extended(const char *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (strncasecmp(s, "UTF-8'", 6) != 0)
		return NULL;
	s = strchr(s + 6, '\'');
	if (!s)
		return NULL;
	for (s++; *s; s++) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			const char hex[3] = {s[1], s[2], '\0'};

			strbuf_addc(&b, (char)strtoul(hex, NULL, 16));
			s += 2;
		} else {
			strbuf_addc(&b, *s);
		}
	}
	/* %00 */
	if (b.s && strlen(b.s) != b.len)
		return NULL;
	return strbuf_steal(&b);
}

char *header_parse_filename(const char *value)
{
	_cleanup_free_ char *plain = NULL;
	_cleanup_free_ char *extended = NULL;
	const char *p = value + strcspn(value, ";");

	while (*p) {
		_cleanup_free_ char *name = NULL;
		_cleanup_free_ char *text = NULL;
		size_t n;

		p += strspn(p, "; \t");
		n = strcspn(p, "=; \t");
		name = xstrndup(p, n);
		p += n;
		p += strspn(p, " \t");
		if (*p != '=')
			continue;
		p++;
		p += strspn(p, " \t");
		text = take_parameter_value(&p);
		p += strcspn(p, ";");
		if (strcasecmp(name, "filename") == 0 && !plain)
			plain = TAKE_PTR(text);
		else if (strcasecmp(name, "filename*") == 0 && !extended)
			extended = decode_extended(text);
	}
	if (extended && is_file_name(extended))
		return TAKE_PTR(extended);
	return plain && is_file_name(plain) ? TAKE_PTR(plain) : NULL;
}
