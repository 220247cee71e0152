#include "config.h"

#include "verify/goduration.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LIMIT ((uint64_t)1 << 63)

static const struct {
	const char *name;
	uint64_t nsec;
} units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\xc2\xb5s", 1000},
	{"\xce\xbcs", 1000},
	{"ms", 1000000},
	{"s", 1000000000},
	{"m", 60 * UINT64_C(1000000000)},
	{"h", 3600 * UINT64_C(1000000000)},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int invalid(const char *text, int errnum, const char *why, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(text, 64);

	return err_set(err, EXIT_DATAERR, errnum, "'%s' is not a duration: %s", shown, why);
}

static int no_unit(const char *text, const char *unit, size_t len, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(text, 64),
			    *shown_unit = str_escape_n(unit, len, 16);

	if (len == 0)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"'%s' is not a duration: a number has no unit (write ns, us, ms, s, m or h "
			"behind it, as in 30s)",
			shown);
	return err_set(err, EXIT_DATAERR, EINVAL,
		"'%s' is not a duration: unknown unit '%s' (there are ns, us, ms, s, m and h)",
		shown, shown_unit);
}

int goduration_parse(const char *text, int64_t *ret_nsec, struct th_err *err)
{
	static const char too_large[] = "too large (at most 2562047h)";
	const char *s = text;
	bool negative = *s == '-';
	uint64_t total = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (strcmp(s, "0") == 0) {
		*ret_nsec = 0;
		return 0;
	}
	if (!*s)
		return invalid(text, EINVAL, "there is nothing", err);

	while (*s) {
		uint64_t whole = 0, fraction = 0, unit_nsec = 0;
		double scale = 1;
		bool has_digits = false, is_exact = true;
		const char *unit;
		size_t len;

		if (*s != '.' && !is_digit(*s))
			return invalid(text, EINVAL, "a number is missing", err);
		for (; is_digit(*s); s++) {
			has_digits = true;
			if (whole > LIMIT / 10)
				return invalid(text, ERANGE, too_large, err);
			whole = whole * 10 + (uint64_t)(*s - '0');
			if (whole > LIMIT)
				return invalid(text, ERANGE, too_large, err);
		}
		if (*s == '.') {
			for (s++; is_digit(*s); s++) {
				has_digits = true;
				/* Go ignores the digits from here on, which are less than it can
				 * tell. */
				if (!is_exact || fraction > (LIMIT - 1) / 10 ||
					fraction * 10 + (uint64_t)(*s - '0') > LIMIT) {
					is_exact = false;
					continue;
				}
				fraction = fraction * 10 + (uint64_t)(*s - '0');
				scale *= 10;
			}
		}
		if (!has_digits)
			return invalid(text, EINVAL, "a dot has no digits", err);

		unit = s;
		len = strcspn(unit, ".0123456789");
		s += len;
		for (size_t i = 0; i < ARRAY_SIZE(units) && unit_nsec == 0; i++)
			if (len == strlen(units[i].name) && memcmp(units[i].name, unit, len) == 0)
				unit_nsec = units[i].nsec;
		if (unit_nsec == 0)
			return no_unit(text, unit, len, err);

		if (whole > LIMIT / unit_nsec)
			return invalid(text, ERANGE, too_large, err);
		whole *= unit_nsec;
		/* At most an hour, hence within 64 bits. */
		if (fraction > 0)
			whole += (uint64_t)((double)fraction * ((double)unit_nsec / scale));
		if (whole > LIMIT || total + whole > LIMIT)
			return invalid(text, ERANGE, too_large, err);
		total += whole;
	}
	if (!negative && total == LIMIT)
		return invalid(text, ERANGE, too_large, err);
	*ret_nsec = negative ? (int64_t)(0 - total) : (int64_t)total;
	return 0;
}

/* Writes `value` / 10^digits without zeros at the end. */
static void add_decimal(struct strbuf *b, uint64_t value, unsigned digits)
{
	char text[32];
	uint64_t power = 1;
	size_t len;

	for (unsigned i = 0; i < digits; i++)
		power *= 10;
	strbuf_addf(b, "%" PRIu64, value / power);
	(void)snprintf(text, sizeof(text), ".%0*" PRIu64, (int)digits, value % power);
	len = strlen(text);
	while (len > 1 && text[len - 1] == '0')
		len--;
	if (len > 1)
		strbuf_add(b, text, len);
}

char *goduration_format(int64_t nsec, char *buf)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	uint64_t left = nsec < 0 ? 0 - (uint64_t)nsec : (uint64_t)nsec;
	uint64_t seconds = left / 1000000000;

	if (nsec < 0)
		strbuf_addc(&b, '-');
	if (left == 0) {
		strbuf_adds(&b, "0s");
	} else if (left < 1000) {
		strbuf_addf(&b, "%" PRIu64 "ns", left);
	} else if (left < 1000000) {
		add_decimal(&b, left, 3);
		strbuf_adds(&b, "\xc2\xb5s");
	} else if (left < 1000000000) {
		add_decimal(&b, left, 6);
		strbuf_adds(&b, "ms");
	} else {
		if (seconds >= 3600)
			strbuf_addf(&b, "%" PRIu64 "h", seconds / 3600);
		if (seconds >= 60)
			strbuf_addf(&b, "%" PRIu64 "m", seconds / 60 % 60);
		add_decimal(&b, left - seconds / 60 * 60 * 1000000000, 9);
		strbuf_addc(&b, 's');
	}
	(void)snprintf(buf, GODURATION_TEXT_SIZE, "%s", strbuf_str(&b));
	return buf;
}
