#include "config.h"

#include "base/clock.h"

#include "base/macro.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static usec_t read_clock(clockid_t id)
{
	struct timespec ts = {0};

	/* Cannot fail for the two clocks used here (clock_gettime(2)). */
	(void)clock_gettime(id, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

usec_t clock_monotonic_usec(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

usec_t clock_realtime_usec(void)
{
	return read_clock(CLOCK_REALTIME);
}

usec_t usec_add(usec_t a, usec_t b)
{
	return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

usec_t usec_sub(usec_t a, usec_t b)
{
	if (a == USEC_INFINITY)
		return USEC_INFINITY;
	return a > b ? a - b : 0;
}

char *clock_rfc3339(usec_t realtime, char *buf, size_t size)
{
	time_t sec = (time_t)(realtime / USEC_PER_SEC);
	unsigned msec = (unsigned)(realtime % USEC_PER_SEC / USEC_PER_MSEC);
	struct tm tm;
	size_t n;

	if (!gmtime_r(&sec, &tm))
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, size - n, ".%03uZ", msec);
	return buf;
}

char *clock_format_span(usec_t span, char *buf, size_t size)
{
	static const struct {
		usec_t unit;
		const char *name;
	} units[] = {
		{USEC_PER_DAY, "d"},
		{USEC_PER_HOUR, "h"},
		{USEC_PER_MIN, "m"},
		{USEC_PER_SEC, "s"},
	};

	if (span == USEC_INFINITY) {
		(void)snprintf(buf, size, "infinity");
		return buf;
	}
	if (span < 10 * USEC_PER_SEC) {
		usec_t tenth = span / (USEC_PER_SEC / 10);

		if (tenth % 10)
			(void)snprintf(
				buf, size, "%" PRIu64 ".%" PRIu64 "s", tenth / 10, tenth % 10);
		else if (tenth || !span)
			(void)snprintf(buf, size, "%" PRIu64 "s", tenth / 10);
		else
			(void)snprintf(buf, size, "%" PRIu64 "ms", span / USEC_PER_MSEC);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		usec_t rest;

		if (span < units[i].unit)
			continue;
		rest = i + 1 < ARRAY_SIZE(units) ? span % units[i].unit / units[i + 1].unit : 0;
		if (rest)
			(void)snprintf(buf, size, "%" PRIu64 "%s%" PRIu64 "%s",
				span / units[i].unit, units[i].name, rest, units[i + 1].name);
		else
			(void)snprintf(
				buf, size, "%" PRIu64 "%s", span / units[i].unit, units[i].name);
		break;
	}
	return buf;
}
