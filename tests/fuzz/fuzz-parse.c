/*
 * Values as users write them, and texts as they are shown. What holds: a value is either refused,
 * and then nothing is set, or its text form is read back as the same value; the same with a minus
 * in front is out of range; a text that was escaped holds no control byte and keeps to its limit.
 */

#include "config.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define UNSET 4711U

static void check_result(int r, bool is_unset)
{
	CHECK(r == 0 || r == -EINVAL || r == -ERANGE);
	CHECK(r == 0 || is_unset);
}

static void check_numbers(const char *s)
{
	uint64_t u = UNSET, same = UNSET;
	int64_t i = UNSET;
	mode_t mode = UNSET;
	bool b;
	int r = parse_uint(s, 0, UINT64_MAX, &u);

	check_result(r, u == UNSET);
	if (r == 0) {
		CHECK(u == strtoull(s, NULL, 10));
		CHECK(parse_uint(s, u, u, &same) == 0 && same == u);
	}
	r = parse_int(s, INT64_MIN, INT64_MAX, &i);
	check_result(r, i == UNSET);
	CHECK(r != 0 || i == strtoll(s, NULL, 10));
	r = parse_mode(s, &mode);
	check_result(r, mode == UNSET);
	CHECK(r != 0 || (mode <= 07777 && mode == strtoul(s, NULL, 8)));
	(void)parse_bool(s, &b);
}

static void check_units(const char *s)
{
	uint64_t u = UNSET, again = UNSET;
	int sig = (int)UNSET, sig_again = (int)UNSET;
	char buf[32];
	int r;

	r = parse_size(s, &u);
	check_result(r, u == UNSET);
	if (r == 0)
		CHECK(parse_size(format_size(u, buf, sizeof(buf)), &again) == 0 && again == u);
	u = again = UNSET;
	r = parse_duration(s, &u);
	check_result(r, u == UNSET);
	if (r == 0)
		CHECK(parse_duration(format_duration(u, buf, sizeof(buf)), &again) == 0 &&
			again == u);
	if (r == 0 && u != USEC_INFINITY) {
		_cleanup_free_ char *negative = xasprintf("-%s", s);

		CHECK(parse_duration(negative, &again) == -ERANGE);
	}
	u = UNSET;
	check_result(parse_percent(s, &u), u == UNSET);
	r = parse_signal(s, &sig);
	check_result(r, sig == (int)UNSET);
	if (r == 0)
		CHECK(parse_signal(signal_name(sig), &sig_again) == 0 && sig_again == sig);
}

static void check_escapes(const uint8_t *data, size_t size)
{
	static const size_t limits[] = {0, 1, 8, 80};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		_cleanup_free_ char *shown = str_escape_n((const char *)data, size, limits[i]);

		CHECK(!limits[i] || strlen(shown) <= MAX(limits[i], (size_t)3));
		for (const char *p = shown; *p; p++)
			CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *s = xstrndup((const char *)data, size);

	check_numbers(s);
	check_units(s);
	check_escapes(data, size);
	return 0;
}
