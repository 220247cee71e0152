#include "config.h"

#include "verify/date.h"

#include "base/macro.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NSEC INT64_C(1000000000)

struct date {
	int year, month, day, hour, minute, second, nsec, offset_sec;
	bool pm, has_pm;
};

static bool read_digits(const char **text, int min, int max, int *ret)
{
	int n = 0, value = 0;

	for (; n < max && (*text)[n] >= '0' && (*text)[n] <= '9'; n++)
		value = value * 10 + ((*text)[n] - '0');
	if (n < min)
		return false;
	*text += n;
	*ret = value;
	return true;
}

static bool read_name(const char **text, const char *const *names, size_t n, size_t len, int *ret)
{
	for (size_t i = 0; i < n; i++) {
		size_t size = len > 0 ? len : strlen(names[i]);

		if (strncasecmp(*text, names[i], size) == 0) {
			*text += size;
			*ret = (int)i;
			return true;
		}
	}
	return false;
}

/* "+07:00", "+0700" or "Z" as the layout has it. */
static bool read_zone(const char **text, bool z, bool colon, bool minutes, int *ret)
{
	int sign, hours, rest = 0;

	if (z && **text == 'Z') {
		(*text)++;
		*ret = 0;
		return true;
	}
	if (**text != '+' && **text != '-')
		return false;
	sign = *(*text)++ == '-' ? -1 : 1;
	if (!read_digits(text, 2, 2, &hours) || hours > 24)
		return false;
	if (minutes) {
		if (colon && *(*text)++ != ':')
			return false;
		if (!read_digits(text, 2, 2, &rest) || rest > 60)
			return false;
	}
	*ret = sign * (hours * 3600 + rest * 60);
	return true;
}

static void read_fraction(const char **text, struct date *date)
{
	int scale = 100000000;

	if ((**text != '.' && **text != ',') || (*text)[1] < '0' || (*text)[1] > '9')
		return;
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++) {
		date->nsec += (**text - '0') * scale;
		scale /= 10;
	}
}

enum element {
	MONTH_NAME,
	MONTH_SHORT,
	DAY_NAME,
	DAY_SHORT,
	ZONE_NAME,
	YEAR,
	YEAR_SHORT,
	MONTH,
	DAY,
	HOUR,
	HOUR_12,
	MINUTE,
	SECOND,
	PM,
	ZONE,
	FRACTION
};

/* In an order in which none hides a longer one. */
static const struct layout {
	const char *text;
	enum element what;
	int min;
} elements[] = {{"January", MONTH_NAME, 0}, {"Jan", MONTH_SHORT, 0}, {"Monday", DAY_NAME, 0},
	{"Mon", DAY_SHORT, 0}, {"MST", ZONE_NAME, 0}, {"2006", YEAR, 4}, {"Z07:00", ZONE, 0},
	{"Z0700", ZONE, 0}, {"-07:00", ZONE, 0}, {"-0700", ZONE, 0}, {"-07", ZONE, 0},
	{"PM", PM, 0}, {"pm", PM, 0}, {"01", MONTH, 2}, {"02", DAY, 2}, {"03", HOUR_12, 2},
	{"04", MINUTE, 2}, {"05", SECOND, 2}, {"06", YEAR_SHORT, 2}, {"15", HOUR, 1},
	{"_2", DAY, 1}, {"1", MONTH, 1}, {"2", DAY, 1}, {"3", HOUR_12, 1}, {"4", MINUTE, 1},
	{"5", SECOND, 1}, {".0", FRACTION, 0}, {".9", FRACTION, 0}, {",0", FRACTION, 0},
	{",9", FRACTION, 0}};

static bool read_month(const char **text, bool brief, struct date *date)
{
	static const char *const months[] = {"January", "February", "March", "April", "May", "June",
		"July", "August", "September", "October", "November", "December"};
	int i;

	if (!read_name(text, months, ARRAY_SIZE(months), brief ? 3 : 0, &i))
		return false;
	date->month = i + 1;
	return true;
}

/* It says nothing of the date. */
static bool read_day_name(const char **text, bool brief)
{
	static const char *const days[] = {
		"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
	int i;

	return read_name(text, days, ARRAY_SIZE(days), brief ? 3 : 0, &i);
}

/* As Go: a name alone says nothing of the offset. */
static bool read_zone_name(const char **text)
{
	size_t n = 0;

	while ((*text)[n] >= 'A' && (*text)[n] <= 'Z')
		n++;
	*text += n;
	return n >= 3 && n <= 5;
}

static bool read_pm(const char **text, struct date *date)
{
	if (strncasecmp(*text, "PM", 2) != 0 && strncasecmp(*text, "AM", 2) != 0)
		return false;
	date->has_pm = true;
	date->pm = (**text | 0x20) == 'p';
	*text += 2;
	return true;
}

/* What an element stands for; `layout` is where it begins. */
static bool read_value(
	const struct layout *e, const char *layout, const char **text, struct date *date)
{
	size_t len = strlen(e->text);

	switch (e->what) {
	case MONTH_NAME:
	case MONTH_SHORT:
		return read_month(text, e->what == MONTH_SHORT, date);
	case DAY_NAME:
	case DAY_SHORT:
		return read_day_name(text, e->what == DAY_SHORT);
	case ZONE_NAME:
		return read_zone_name(text);
	case YEAR:
		return read_digits(text, 4, 4, &date->year);
	case YEAR_SHORT:
		if (!read_digits(text, 2, 2, &date->year))
			return false;
		date->year += date->year >= 69 ? 1900 : 2000;
		return true;
	case MONTH:
		return read_digits(text, e->min, 2, &date->month) && date->month >= 1 &&
		       date->month <= 12;
	case DAY:
		if (*layout == '_' && **text == ' ')
			(*text)++;
		return read_digits(text, e->min, 2, &date->day);
	case HOUR:
		return read_digits(text, 1, 2, &date->hour) && date->hour < 24;
	case HOUR_12:
		return read_digits(text, e->min, 2, &date->hour) && date->hour <= 12;
	case MINUTE:
		return read_digits(text, e->min, 2, &date->minute) && date->minute < 60;
	case SECOND:
		if (!read_digits(text, e->min, 2, &date->second) || date->second >= 60)
			return false;
		/* a fraction may stand here also where the layout has none */
		if (layout[len] != '.' && layout[len] != ',')
			read_fraction(text, date);
		return true;
	case PM:
		return read_pm(text, date);
	case ZONE:
		return read_zone(text, *layout == 'Z', memchr(layout, ':', len) != NULL, len > 3,
			&date->offset_sec);
	case FRACTION:
		read_fraction(text, date);
		break;
	}
	return true;
}

/* One element of the layout, whose text it moves on. False: `text` is not of this form. */
static bool read_element(const char **layout, const char **text, struct date *date)
{
	const char *begin = *layout;
	size_t i = 0;

	while (i < ARRAY_SIZE(elements) &&
		strncmp(begin, elements[i].text, strlen(elements[i].text)) != 0)
		i++;
	if (i == ARRAY_SIZE(elements)) {
		(*layout)++;
		return *(*text)++ == *begin;
	}
	*layout += strlen(elements[i].text);
	if (elements[i].what == FRACTION)
		*layout += strspn(*layout, begin[1] == '0' ? "0" : "9");
	return read_value(&elements[i], begin, text, date);
}

int date_parse(const char *layout, const char *text, int64_t *ret)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct date date = {.month = 1, .day = 1};
	struct tm tm = {0};
	int64_t nsec;
	bool leap;

	while (*layout)
		if (!read_element(&layout, &text, &date))
			return -EINVAL;
	if (*text)
		return -EINVAL;
	leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
	if (date.day < 1 || date.day > month_days[date.month - 1] + (leap && date.month == 2))
		return -ERANGE;
	if (date.has_pm)
		date.hour = date.hour % 12 + (date.pm ? 12 : 0);
	tm.tm_year = date.year - 1900;
	tm.tm_mon = date.month - 1;
	tm.tm_mday = date.day;
	tm.tm_hour = date.hour;
	tm.tm_min = date.minute;
	tm.tm_sec = date.second;
	if (__builtin_mul_overflow((int64_t)timegm(&tm) - date.offset_sec, NSEC, &nsec) ||
		__builtin_add_overflow(nsec, (int64_t)date.nsec, &nsec))
		return -ERANGE;
	*ret = nsec;
	return 0;
}
