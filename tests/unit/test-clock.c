#include "config.h"

#include "base/clock.h"
#include "base/macro.h"

#include "tests/unit/tap.h"

#include <time.h>

int main(void)
{
	static const struct {
		usec_t span;
		const char *text;
	} spans[] = {
		{0, "0s"},
		{1500, "1ms"},
		{99999, "99ms"},
		{100000, "0.1s"},
		{USEC_PER_SEC, "1s"},
		{1234567, "1.2s"},
		{9990000, "9.9s"},
		{10 * USEC_PER_SEC, "10s"},
		{59999999, "59s"},
		{USEC_PER_MIN, "1m"},
		{330 * USEC_PER_SEC, "5m30s"},
		{USEC_PER_HOUR + USEC_PER_SEC, "1h"},
		{51 * USEC_PER_HOUR + 59 * USEC_PER_MIN, "2d3h"},
		{USEC_INFINITY - 1, "213503982d8h"},
		{USEC_INFINITY, "infinity"},
	};
	static const struct {
		usec_t time;
		const char *text;
	} times[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{UINT64_C(1795257885123456), "2026-11-21T10:44:45.123Z"},
		{UINT64_C(951782399999999), "2000-02-28T23:59:59.999Z"},
		{UINT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
		{UINT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
	};
	char buf[CLOCK_SPAN_MAX], at[CLOCK_RFC3339_MAX];
	usec_t a, b, last, backwards = 0, wrong = 0;
	time_t now;

	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		is_str(clock_format_span(spans[i].span, buf, sizeof(buf)), spans[i].text, "span");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		is_str(clock_rfc3339(times[i].time, at, sizeof(at)), times[i].text, "time");
	for (uint64_t day = 0; day < 3 * 146097; day++) {
		time_t sec = (time_t)(day * 86400 + day % 86400);
		struct tm tm;

		(void)gmtime_r(&sec, &tm);
		(void)strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		wrong +=
			strcmp(buf, clock_rfc3339((usec_t)sec * USEC_PER_SEC, at, sizeof(at))) != 0;
	}
	is_uint(wrong, 0, "1200 years of days, as gmtime_r() has them");
	contains(clock_rfc3339(USEC_INFINITY, at, sizeof(at)), "Z", "a time far off fits");

	is_uint(usec_add(1, 2), 3, "add");
	is_uint(usec_add(USEC_INFINITY, 1), USEC_INFINITY, "infinity and more");
	is_uint(usec_add(1, USEC_INFINITY), USEC_INFINITY, "more and infinity");
	is_uint(usec_add(USEC_INFINITY - 1, 2), USEC_INFINITY, "an overflow ends at infinity");
	is_uint(usec_sub(3, 2), 1, "subtract");
	is_uint(usec_sub(2, 3), 0, "not below 0");
	is_uint(usec_sub(USEC_INFINITY, 3), USEC_INFINITY, "infinity stays");

	last = clock_monotonic_usec();
	for (int i = 0; i < 1000; i++) {
		usec_t next = clock_monotonic_usec();

		backwards += next < last;
		last = next;
	}
	is_uint(backwards, 0, "the monotonic clock does not go back");
	a = clock_realtime_usec();
	now = time(NULL);
	b = clock_realtime_usec();
	/* time(2) reads a coarser clock, which may be a tick behind. */
	ok(a / USEC_PER_SEC <= (usec_t)now + 1 && b / USEC_PER_SEC >= (usec_t)now,
		"the real time is that of time(2)");
	return done_testing();
}
