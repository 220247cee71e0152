#include "config.h"

#include "base/parse.h"

#include "base/macro.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * The digits at *s, which there must be. Overflow is -ERANGE, with *s behind all digits all the
 * same, so that what follows can still be found malformed.
 */
static int take_digits(const char **s, uint64_t *ret)
{
	uint64_t v = 0;
	int r = 0;

	if (!is_digit(**s))
		return -EINVAL;
	for (; is_digit(**s); (*s)++)
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(**s - '0'), &v))
			r = -ERANGE;
	if (r == 0)
		*ret = v;
	return r;
}

int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v = 0;
	int r;

	s += negative;
	r = take_digits(&s, &v);
	if (r == -EINVAL || *s)
		return -EINVAL;
	if (r < 0 || negative || v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v = 0;
	int64_t value;
	int r;

	s += negative || *s == '+';
	r = take_digits(&s, &v);
	if (r == -EINVAL || *s)
		return -EINVAL;
	if (r < 0 || v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	/* -1 - (v - 1): INT64_MIN has no positive twin to negate. */
	value = negative && v ? -1 - (int64_t)(v - 1) : (int64_t)v;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_bool(const char *s, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"yes", true},
		{"no", false},
		{"true", true},
		{"false", false},
		{"on", true},
		{"off", false},
		{"1", true},
		{"0", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(s, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

/* A decimal number as text: its parts are only multiplied out when the unit is known. */
struct decimal {
	uint64_t whole;
	const char *fraction;
	size_t fraction_len;
	bool too_big;
};

static int take_decimal(const char **s, struct decimal *ret)
{
	struct decimal d = {0};
	int r = take_digits(s, &d.whole);

	if (r == -EINVAL)
		return r;
	d.too_big = r < 0;
	if (**s == '.') {
		d.fraction = ++*s;
		while (is_digit(**s))
			(*s)++;
		d.fraction_len = (size_t)(*s - d.fraction);
		if (!d.fraction_len)
			return -EINVAL;
	}
	*ret = d;
	return 0;
}

/*
 * d * unit, rounded down, in whole numbers all through: 0.1G in binary floating point is not what
 * was written. unit is at most 2^60. More than 0 that would become 0 is -ERANGE, as 0 often means
 * another thing than little.
 */
static int decimal_multiply(const struct decimal *d, uint64_t unit, uint64_t *ret)
{
	uint64_t whole, fraction = 0;
	bool nonzero = d->whole > 0;

	if (d->too_big || __builtin_mul_overflow(d->whole, unit, &whole))
		return -ERANGE;
	/* 0.d1d2d3 * unit = (d1 * unit + (d2 * unit + (d3 * unit) / 10) / 10) / 10, and rounding
	 * down inside changes nothing outside. The sum is at most 9 * 2^60 + 2^60. */
	for (size_t i = d->fraction_len; i > 0; i--) {
		uint64_t digit = (uint64_t)(d->fraction[i - 1] - '0');

		nonzero |= digit > 0;
		fraction = (digit * unit + fraction) / 10;
	}
	if (__builtin_add_overflow(whole, fraction, ret) || (nonzero && *ret == 0))
		return -ERANGE;
	return 0;
}

static const char size_units[] = "KMGTPE"; /* 2^10, 2^20, ... */

int parse_size(const char *s, uint64_t *ret)
{
	struct decimal d;
	uint64_t v = 0;
	unsigned shift = 0;
	bool negative = *s == '-';
	int r;

	if (strcmp(s, "infinity") == 0 || strcmp(s, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	s += negative;
	r = take_decimal(&s, &d);
	if (r < 0)
		return r;
	if (*s && *s != 'B' && *s != 'b') {
		char upper = *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
		const char *unit = strchr(size_units, upper);

		if (!unit)
			return -EINVAL;
		shift = 10 * (unsigned)(unit - size_units + 1);
		s++;
		if (*s == 'i' && (s[1] == 'B' || s[1] == 'b'))
			s++;
	}
	if (*s == 'B' || *s == 'b')
		s++;
	if (*s || (d.fraction && !shift)) /* there are no parts of a byte */
		return -EINVAL;
	r = decimal_multiply(&d, UINT64_C(1) << shift, &v);
	if (r < 0)
		return r;
	if (negative || v == UINT64_MAX) /* that number is taken: infinity */
		return -ERANGE;
	*ret = v;
	return 0;
}

static const struct {
	const char *name;
	usec_t unit;
} duration_units[] = {
	{"us", 1},
	{"usec", 1},
	{"microsecond", 1},
	{"microseconds", 1},
	{"ms", USEC_PER_MSEC},
	{"msec", USEC_PER_MSEC},
	{"millisecond", USEC_PER_MSEC},
	{"milliseconds", USEC_PER_MSEC},
	{"s", USEC_PER_SEC},
	{"sec", USEC_PER_SEC},
	{"second", USEC_PER_SEC},
	{"seconds", USEC_PER_SEC},
	{"m", USEC_PER_MIN},
	{"min", USEC_PER_MIN},
	{"minute", USEC_PER_MIN},
	{"minutes", USEC_PER_MIN},
	{"h", USEC_PER_HOUR},
	{"hour", USEC_PER_HOUR},
	{"hours", USEC_PER_HOUR},
	{"d", USEC_PER_DAY},
	{"day", USEC_PER_DAY},
	{"days", USEC_PER_DAY},
	{"w", 7 * USEC_PER_DAY},
	{"week", 7 * USEC_PER_DAY},
	{"weeks", 7 * USEC_PER_DAY},
};

static usec_t take_duration_unit(const char **s)
{
	size_t len = 0;

	while ((*s)[len] >= 'a' && (*s)[len] <= 'z')
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++)
		if (strlen(duration_units[i].name) == len &&
			memcmp(duration_units[i].name, *s, len) == 0) {
			*s += len;
			return duration_units[i].unit;
		}
	return 0;
}

int parse_duration(const char *s, usec_t *ret)
{
	usec_t sum = 0;
	bool negative = *s == '-';
	bool out_of_range = negative;

	if (strcmp(s, "infinity") == 0) {
		*ret = USEC_INFINITY;
		return 0;
	}
	s += negative;
	/* A malformed rest counts for more than a number before it that is too big. */
	for (bool first = true;; first = false) {
		struct decimal d;
		const char *end;
		usec_t unit, v = 0;
		int r = take_decimal(&s, &d);

		if (r < 0)
			return r;
		end = s;
		while (is_blank(*s))
			s++;
		if (first && !*s && s == end) {
			unit = USEC_PER_SEC;
		} else {
			unit = take_duration_unit(&s);
			if (!unit)
				return -EINVAL;
			end = s;
			while (is_blank(*s))
				s++;
		}
		if (decimal_multiply(&d, unit, &v) < 0 || __builtin_add_overflow(sum, v, &sum))
			out_of_range = true;
		if (!*s) {
			if (s != end)
				return -EINVAL;
			break;
		}
	}
	if (out_of_range || sum == USEC_INFINITY)
		return -ERANGE;
	*ret = sum;
	return 0;
}

int parse_percent(const char *s, uint64_t *ret_ppm)
{
	struct decimal d;
	uint64_t v = 0;
	bool negative = *s == '-';
	int r;

	s += negative;
	r = take_decimal(&s, &d);
	if (r < 0)
		return r;
	if (strcmp(s, "%") != 0)
		return -EINVAL;
	r = decimal_multiply(&d, 10000, &v);
	if (r < 0)
		return r;
	if (negative)
		return -ERANGE;
	*ret_ppm = v;
	return 0;
}

int parse_mode(const char *s, mode_t *ret)
{
	mode_t v = 0;
	bool out_of_range = false;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return -EINVAL;
		v = v * 8 + (mode_t)(*s - '0');
		if (v > 07777) {
			out_of_range = true;
			v = 0;
		}
	}
	if (out_of_range)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* signal(7). Where a number has two names the one to show stands first. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{"HUP", SIGHUP},
	{"INT", SIGINT},
	{"QUIT", SIGQUIT},
	{"ILL", SIGILL},
	{"TRAP", SIGTRAP},
	{"ABRT", SIGABRT},
	{"IOT", SIGABRT},
	{"BUS", SIGBUS},
	{"FPE", SIGFPE},
	{"KILL", SIGKILL},
	{"USR1", SIGUSR1},
	{"SEGV", SIGSEGV},
	{"USR2", SIGUSR2},
	{"PIPE", SIGPIPE},
	{"ALRM", SIGALRM},
	{"TERM", SIGTERM},
#ifdef SIGSTKFLT
	{"STKFLT", SIGSTKFLT},
#endif
	{"CHLD", SIGCHLD},
	{"CLD", SIGCHLD},
	{"CONT", SIGCONT},
	{"STOP", SIGSTOP},
	{"TSTP", SIGTSTP},
	{"TTIN", SIGTTIN},
	{"TTOU", SIGTTOU},
	{"URG", SIGURG},
	{"XCPU", SIGXCPU},
	{"XFSZ", SIGXFSZ},
	{"VTALRM", SIGVTALRM},
	{"PROF", SIGPROF},
	{"WINCH", SIGWINCH},
	{"IO", SIGIO},
	{"POLL", SIGIO},
	{"PWR", SIGPWR},
	{"SYS", SIGSYS},
};

/* "RTMIN", "RTMIN+N", "RTMAX", "RTMAX-N". -EINVAL: none of these. */
static int parse_realtime_signal(const char *s, int *ret)
{
	const int span = SIGRTMAX - SIGRTMIN;
	bool from_max = strncasecmp(s, "RTMAX", 5) == 0;
	uint64_t n = 0;

	if (!from_max && strncasecmp(s, "RTMIN", 5) != 0)
		return -EINVAL;
	s += 5;
	if (*s) {
		int r;

		if (*s != (from_max ? '-' : '+') || !is_digit(s[1]))
			return -EINVAL;
		r = parse_uint(s + 1, 0, (uint64_t)span, &n);
		if (r < 0)
			return r;
	}
	*ret = from_max ? SIGRTMAX - (int)n : SIGRTMIN + (int)n;
	return 0;
}

int parse_signal(const char *s, int *ret)
{
	if (is_digit(*s) || *s == '-') {
		uint64_t n;
		int r = parse_uint(s, 1, (uint64_t)SIGRTMAX, &n);

		if (r == 0)
			*ret = (int)n;
		return r;
	}
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcasecmp(s, signals[i].name) == 0) {
			*ret = signals[i].number;
			return 0;
		}
	return parse_realtime_signal(s, ret);
}

const char *signal_name(int sig)
{
	static _Thread_local char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == sig)
			return signals[i].name;
	if (sig == SIGRTMIN)
		return "RTMIN";
	(void)snprintf(buf, sizeof(buf), "%s%d", sig > SIGRTMIN && sig <= SIGRTMAX ? "RTMIN+" : "",
		sig > SIGRTMIN && sig <= SIGRTMAX ? sig - SIGRTMIN : sig);
	return buf;
}

char *format_size(uint64_t bytes, char *buf, size_t size)
{
	size_t unit = 0;

	if (bytes == UINT64_MAX) {
		(void)snprintf(buf, size, "infinity");
		return buf;
	}
	while (bytes && bytes % 1024 == 0 && size_units[unit]) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(buf, size, "%" PRIu64 "%.*s", bytes, unit ? 1 : 0,
		unit ? size_units + unit - 1 : "");
	return buf;
}

char *format_duration(usec_t usec, char *buf, size_t size)
{
	static const struct {
		const char *name;
		usec_t unit;
	} units[] = {
		{"d", USEC_PER_DAY},
		{"h", USEC_PER_HOUR},
		{"m", USEC_PER_MIN},
		{"s", USEC_PER_SEC},
		{"ms", USEC_PER_MSEC},
		{"us", 1},
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (usec == USEC_INFINITY)
		strbuf_adds(&b, "infinity");
	else if (usec == 0)
		strbuf_adds(&b, "0s");
	for (size_t i = 0; i < ARRAY_SIZE(units) && usec != USEC_INFINITY; i++) {
		if (usec >= units[i].unit)
			strbuf_addf(&b, "%" PRIu64 "%s", usec / units[i].unit, units[i].name);
		usec %= units[i].unit;
	}
	(void)snprintf(buf, size, "%s", strbuf_str(&b));
	return buf;
}

int parse_rfc3339(const char *s, usec_t *ret)
{
	struct tm tm = {0};
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	char digits[] = "000";
	uint64_t msec;
	time_t t;

	if (!rest || strlen(rest) != strlen(".123Z") || rest[0] != '.' || rest[4] != 'Z')
		return -EINVAL;
	memcpy(digits, rest + 1, 3);
	t = timegm(&tm);
	if (parse_uint(digits, 0, 999, &msec) < 0 || t < 0)
		return -EINVAL;
	*ret = (usec_t)t * USEC_PER_SEC + msec * USEC_PER_MSEC;
	return 0;
}
