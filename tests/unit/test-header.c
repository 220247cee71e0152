#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "fetch/header.h"

#include "tests/unit/tap.h"

static const struct {
	const char *value;
	bool valid;
} lengths[] = {
	{"0", true},
	{"9223372036854775807", true},
	{"9223372036854775808", false},
	{"99999999999999999999999", false},
	{"10, 10", false},
	{"-1", false},
	{"+1", false},
	{"1x", false},
	{"", false},
};

static const struct {
	const char *value;
	bool good;
	uint64_t first, last, total;
} ranges[] = {
	{"bytes 0-9/10", true, 0, 9, 10},
	{"Bytes 5-5/6", true, 5, 5, 6},
	{"bytes 3-9/*", true, 3, 9, HEADER_UNKNOWN},
	{"bytes 9223372036854775806-9223372036854775806/9223372036854775807", true, INT64_MAX - 1,
		INT64_MAX - 1, INT64_MAX},
	{"bytes 9-3/10", false, 0, 0, 0},
	{"bytes 0-10/10", false, 0, 0, 0},
	{"bytes */10", false, 0, 0, 0},
	{"bytes 0-9", false, 0, 0, 0},
	{"bytes 0-9/", false, 0, 0, 0},
	{"bytes 0-9/10 ", false, 0, 0, 0},
	{"bytes -9/10", false, 0, 0, 0},
	{"bytes 0-99999999999999999999/*", false, 0, 0, 0},
	{"items 0-9/10", false, 0, 0, 0},
	{"", false, 0, 0, 0},
};

static const struct {
	const char *value, *name;
} dispositions[] = {
	{"attachment; filename=\"a b.tgz\"", "a b.tgz"},
	{"attachment; filename=a.tgz; size=3", "a.tgz"},
	{"attachment; FileName = a.tgz", "a.tgz"},
	{"attachment; filename=\"a\\\"b\"", "a\"b"},
	{"attachment; filename=a; filename*=UTF-8''%c3%a9.tgz", "\xc3\xa9.tgz"},
	{"attachment; filename*=utf-8'en'a%20b", "a b"},
	{"attachment; filename*=ISO-8859-1''%e9; filename=e", "e"},
	{"attachment; filename=\"../a\"", NULL},
	{"attachment; filename=\"..\"", NULL},
	{"attachment; filename=\"a/b\"", NULL},
	{"attachment; filename*=UTF-8''a%2fb", NULL},
	{"attachment; filename*=UTF-8''a%00b", NULL},
	{"attachment; filename*=UTF-8''a%0ab", NULL},
	{"attachment; filename=\"\"", NULL},
	{"attachment; filename=\"a", "a"},
	{"attachment; filename", NULL},
	{"attachment;;; =x; filename==", "="},
	{"inline", NULL},
	{"", NULL},
};

static void test_value(void)
{
	static const char line[] = "ETag:  \"a b\" \r\n";
	_cleanup_free_ char *value = header_value(line, strlen(line), "etag");
	_cleanup_free_ char *empty = header_value("ETag:\r\n", 7, "ETag");

	is_str(value, "\"a b\"", "a value is trimmed");
	is_str(empty, "", "it may be empty");
	ok(!header_value(line, strlen(line), "ETa"), "a shorter name is another");
	ok(!header_value("ETagX: y", 8, "ETag"), "so is a longer one");
	ok(!header_value("ETag", 4, "ETag"), "no colon");
}

static void test_validators(void)
{
	static const char old[] = "Sat, 21 Nov 2026 10:00:00 GMT";
	static const char now[] = "Sat, 21 Nov 2026 10:00:01 GMT";

	ok(header_etag_is_strong("\"v1\""), "a strong ETag");
	ok(!header_etag_is_strong("W/\"v1\""), "a weak one");
	ok(!header_etag_is_strong("v1") && !header_etag_is_strong("\"") &&
			!header_etag_is_strong(NULL),
		"none");
	ok(header_date_is_strong(old, now), "a date that is a second old");
	ok(!header_date_is_strong(now, now), "one of the same second");
	ok(!header_date_is_strong(old, NULL) && !header_date_is_strong(NULL, now) &&
			!header_date_is_strong("soon", now),
		"no date");
}

static void test_retry_after(void)
{
	ok(header_parse_retry_after("120", 0) == 120 * USEC_PER_SEC, "seconds");
	ok(header_parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50) == 10 * USEC_PER_SEC,
		"a date");
	ok(header_parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 70) == 0,
		"one that has passed");
	ok(header_parse_retry_after("-1", 0) == 0 && header_parse_retry_after("", 0) == 0 &&
			header_parse_retry_after("99999999999999999999", 0) == 0,
		"nonsense");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		ok(header_length_is_valid(lengths[i].value) == lengths[i].valid, "length '%s'",
			lengths[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint64_t first = 0, last = 0, total = 0;
		bool good = header_parse_content_range(ranges[i].value, &first, &last, &total);

		ok(good == ranges[i].good && first == ranges[i].first && last == ranges[i].last &&
				total == ranges[i].total,
			"range '%s'", ranges[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		_cleanup_free_ char *name = header_parse_filename(dispositions[i].value);

		is_str(name, dispositions[i].name, "disposition '%s'", dispositions[i].value);
	}
	test_value();
	test_validators();
	test_retry_after();
	return done_testing();
}
