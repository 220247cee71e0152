#include "config.h"

#include "base/clock.h"

#include "base/macro.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

usec_t clock_timespec_usec(const struct timespec *ts)
{
	return (usec_t)ts->tv_sec * USEC_PER_SEC + (usec_t)ts->tv_nsec / 1000;
}

static usec_t read_clock(clockid_t id)
{
	struct timespec ts = {0};

	/* Cannot fail for the clocks used here (clock_gettime(2)). */
	(void)clock_gettime(id, &ts);
	return clock_timespec_usec(&ts);
}

usec_t clock_monotonic_usec(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

usec_t clock_realtime_usec(void)
{
	return read_clock(CLOCK_REALTIME);
}

usec_t clock_boottime_usec(void)
{
	return read_clock(CLOCK_BOOTTIME);
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

/* Of the Gregorian calendar, which repeats itself after 400 years; counted in years that begin in
 * March, the leap day is the last of its year. */
#define DAYS_OF_400_YEARS 146097
#define DAYS_OF_100_YEARS 36524
#define DAYS_OF_4_YEARS	  1461
#define DAYS_BEFORE_1970  719468 /* since 1 March of the year 0 */

/* gmtime_r(3) would do, but in glibc it reads /etc/localtime first. */
static void date_of_day(uint64_t day, uint64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	static const unsigned begin_of_month[] = {
		0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337};
	uint64_t since = day + DAYS_BEFORE_1970, year = since / DAYS_OF_400_YEARS * 400;
	unsigned rest = (unsigned)(since % DAYS_OF_400_YEARS), n, month = 11;

	/* The last of four centuries and of four years is a day longer: MIN keeps that in it. */
	n = MIN(rest / DAYS_OF_100_YEARS, 3U);
	rest -= n * DAYS_OF_100_YEARS;
	year += 100 * n;
	n = rest / DAYS_OF_4_YEARS;
	rest -= n * DAYS_OF_4_YEARS;
	year += 4 * n;
	n = MIN(rest / 365, 3U);
	rest -= n * 365;
	year += n;
	while (begin_of_month[month] > rest)
		month--;
	*ret_day = rest - begin_of_month[month] + 1;
	*ret_month = month < 10 ? month + 3 : month - 9;
	*ret_year = month < 10 ? year : year + 1;
}

char *clock_rfc3339(usec_t realtime, char *buf, size_t size)
{
	uint64_t sec = realtime / USEC_PER_SEC, year;
	unsigned msec = (unsigned)(realtime % USEC_PER_SEC / USEC_PER_MSEC), month, day;
	unsigned of_day = (unsigned)(sec % (24 * 60 * 60));

	date_of_day(sec / (24 * 60 * 60), &year, &month, &day);
	(void)snprintf(buf, size, "%04" PRIu64 "-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month, day,
		of_day / 3600, of_day / 60 % 60, of_day % 60, msec);
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
