#include "config.h"

#include "base/macro.h"
#include "base/parse.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <signal.h>

static void test_uint(void)
{
	static const struct {
		const char *s;
		uint64_t min, max;
		int r;
		uint64_t value;
	} cases[] = {
		{"0", 0, 10, 0, 0},
		{"10", 0, 10, 0, 10},
		{"007", 0, 10, 0, 7},
		{"11", 0, 10, -ERANGE, 0},
		{"1", 2, 10, -ERANGE, 0},
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
		{"-1", 0, 10, -ERANGE, 0},
		{"-", 0, 10, -EINVAL, 0},
		{"", 0, 10, -EINVAL, 0},
		{" 1", 0, 10, -EINVAL, 0},
		{"1 ", 0, 10, -EINVAL, 0},
		{"+1", 0, 10, -EINVAL, 0},
		{"0x1", 0, 10, -EINVAL, 0},
		{"1.0", 0, 10, -EINVAL, 0},
		{"99999999999999999999999999x", 0, 10, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 4711;

		is_int(parse_uint(cases[i].s, cases[i].min, cases[i].max, &v), cases[i].r,
			"uint '%s'", cases[i].s);
		is_uint(v, cases[i].r ? 4711 : cases[i].value, "uint '%s': value", cases[i].s);
	}
}

static void test_int(void)
{
	static const struct {
		const char *s;
		int64_t min, max;
		int r;
		int64_t value;
	} cases[] = {
		{"-20", -20, 19, 0, -20},
		{"+19", -20, 19, 0, 19},
		{"-0", -20, 19, 0, 0},
		{"-21", -20, 19, -ERANGE, 0},
		{"20", -20, 19, -ERANGE, 0},
		{"9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX},
		{"9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0},
		{"-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN},
		{"-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0},
		{"--1", -20, 19, -EINVAL, 0},
		{"+-1", -20, 19, -EINVAL, 0},
		{"", -20, 19, -EINVAL, 0},
		{"1s", -20, 19, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t v = 4711;

		is_int(parse_int(cases[i].s, cases[i].min, cases[i].max, &v), cases[i].r,
			"int '%s'", cases[i].s);
		is_int(v, cases[i].r ? 4711 : cases[i].value, "int '%s': value", cases[i].s);
	}
}

static void test_bool(void)
{
	static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True"};
	static const char *const no[] = {"no", "false", "off", "0", "Off"};
	static const char *const bad[] = {"", "y", "2", "yes ", "enabled"};
	bool b;

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		b = false;
		ok(parse_bool(yes[i], &b) == 0 && b, "bool '%s'", yes[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		b = true;
		ok(parse_bool(no[i], &b) == 0 && !b, "bool '%s'", no[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(parse_bool(bad[i], &b), -EINVAL, "bool '%s'", bad[i]);
}

static void test_size(void)
{
	static const struct {
		const char *s;
		int r;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"10M", 0, UINT64_C(10) << 20},
		{"10m", 0, UINT64_C(10) << 20},
		{"10MB", 0, UINT64_C(10) << 20},
		{"10MiB", 0, UINT64_C(10) << 20},
		{"10B", 0, 10},
		{"1K", 0, 1024},
		{"2T", 0, UINT64_C(2) << 40},
		{"1P", 0, UINT64_C(1) << 50},
		{"1.5G", 0, UINT64_C(1610612736)},
		{"0.5K", 0, 512},
		{"0.1G", 0, 107374182},		      /* .4 of a byte is dropped */
		{"0.3K", 0, 307},		      /* 307.2; the double 0.3 is below 0.3 */
		{"4.35K", 0, 4454},		      /* 4454.4 */
		{"1.1T", 0, UINT64_C(1209462790553)}, /* .6 */
		{"0.0009765625K", 0, 1},	      /* exactly 1 */
		{"1.0009765625K", 0, 1025},
		{"0.99999999999999999999999999999999E", 0, (UINT64_C(1) << 60) - 1},
		{"15.9999999999999999999999999999E", -ERANGE, 0}, /* rounds down to infinity */
		{"15E", 0, UINT64_C(15) << 60},
		{"16E", -ERANGE, 0},
		{"18446744073709551614", 0, UINT64_MAX - 1},
		{"18446744073709551615", -ERANGE, 0}, /* that is infinity */
		{"18014398509481984K", -ERANGE, 0},   /* 2^54 * 2^10 */
		{"0.0001K", -ERANGE, 0},	      /* more than 0, and 0 it would be */
		{"0.0K", 0, 0},
		{"infinity", 0, UINT64_MAX},
		{"max", 0, UINT64_MAX},
		{"-1", -ERANGE, 0},
		{"-1M", -ERANGE, 0},
		{"1.5", -EINVAL, 0}, /* half a byte */
		{"1.5B", -EINVAL, 0},
		{"1.", -EINVAL, 0},
		{"1.M", -EINVAL, 0},
		{".5M", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"10 M", -EINVAL, 0},
		{"10M ", -EINVAL, 0},
		{"10Mi", -EINVAL, 0},
		{"10MM", -EINVAL, 0},
		{"10BB", -EINVAL, 0},
		{"10X", -EINVAL, 0},
		{"1e3", -EINVAL, 0}, /* E is a unit, with nothing behind */
		{"0x10", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"-infinity", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 4711;

		is_int(parse_size(cases[i].s, &v), cases[i].r, "size '%s'", cases[i].s);
		is_uint(v, cases[i].r ? 4711 : cases[i].value, "size '%s': value", cases[i].s);
	}
}

static void test_duration(void)
{
	static const struct {
		const char *s;
		int r;
		usec_t value;
	} cases[] = {
		{"60", 0, USEC_PER_MIN},
		{"0", 0, 0},
		{"0s", 0, 0},
		{"1.5", 0, 1500000},
		{"1.5s", 0, 1500000},
		{"0.1s", 0, 100000},
		{"0.3", 0, 300000},
		{"1.000001s", 0, 1000001},
		{"1.0000019s", 0, 1000001},
		{"500ms", 0, 500000},
		{"250us", 0, 250},
		{"1h30m", 0, 90 * USEC_PER_MIN},
		{"1h 30min", 0, 90 * USEC_PER_MIN},
		{"2 days 3h", 0, 51 * USEC_PER_HOUR},
		{"2 days\t3 hours", 0, 51 * USEC_PER_HOUR},
		{"1w", 0, 7 * USEC_PER_DAY},
		{"1 week 1 day", 0, 8 * USEC_PER_DAY},
		{"0.5d", 0, 12 * USEC_PER_HOUR},
		{"3 seconds 4 msec 5 microseconds", 0, 3004005},
		{"infinity", 0, USEC_INFINITY},
		{"18446744073709551614us", 0, UINT64_MAX - 1},
		{"18446744073709551615us", -ERANGE, 0}, /* that is infinity */
		{"18446744073709.551614", 0, UINT64_MAX - 1},
		{"18446744073709.551616", -ERANGE, 0},
		{"18446744073710", -ERANGE, 0},
		{"30500568904944w", -ERANGE, 0},
		{"18446744073709551614us 1us", -ERANGE, 0},
		{"99999999999999999999999s", -ERANGE, 0},
		{"0.0000001s", -ERANGE, 0}, /* more than 0, and 0 it would be */
		{"-1", -ERANGE, 0},
		{"-5s", -ERANGE, 0},
		{"-1h30m", -ERANGE, 0},
		{"-x", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1h 30", -EINVAL, 0}, /* 30 of what */
		{"30 1h", -EINVAL, 0},
		{"1x", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1M", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"1s,2s", -EINVAL, 0},
		{"1h-5m", -EINVAL, 0},
		{"1..5s", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{".5s", -EINVAL, 0},
		{"99999999999999999999999s x", -EINVAL, 0}, /* what is wrong first to see */
		{"never", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		usec_t v = 4711;

		is_int(parse_duration(cases[i].s, &v), cases[i].r, "duration '%s'", cases[i].s);
		is_uint(v, cases[i].r ? 4711 : cases[i].value, "duration '%s': value", cases[i].s);
	}
}

static void test_percent(void)
{
	static const struct {
		const char *s;
		int r;
		uint64_t value;
	} cases[] = {
		{"50%", 0, 500000},
		{"0.5%", 0, 5000},
		{"100%", 0, 1000000},
		{"250%", 0, 2500000},
		{"33.3333%", 0, 333333},
		{"0.0001%", 0, 1},
		{"0%", 0, 0},
		{"0.00001%", -ERANGE, 0},
		{"1844674407370955%", 0, UINT64_C(18446744073709550000)},
		{"1844674407370956%", -ERANGE, 0},
		{"-1%", -ERANGE, 0},
		{"50", -EINVAL, 0},
		{"50 %", -EINVAL, 0},
		{"%", -EINVAL, 0},
		{"50%%", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 4711;

		is_int(parse_percent(cases[i].s, &v), cases[i].r, "percent '%s'", cases[i].s);
		is_uint(v, cases[i].r ? 4711 : cases[i].value, "percent '%s': value", cases[i].s);
	}
}

static void test_mode(void)
{
	static const struct {
		const char *s;
		int r;
		mode_t value;
	} cases[] = {
		{"022", 0, 022},
		{"0022", 0, 022},
		{"0", 0, 0},
		{"7777", 0, 07777},
		{"10000", -ERANGE, 0},
		{"77777777777777777777777777", -ERANGE, 0},
		{"1000000000000000000000", -ERANGE, 0},
		{"8", -EINVAL, 0},
		{"1000000000000000000008", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"0o22", -EINVAL, 0},
		{"u=rw", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		mode_t v = 04711;

		is_int(parse_mode(cases[i].s, &v), cases[i].r, "mode '%s'", cases[i].s);
		is_uint(v, cases[i].r ? 04711 : cases[i].value, "mode '%s': value", cases[i].s);
	}
}

static void test_signal(void)
{
	const struct {
		const char *s;
		int r;
		int value;
	} cases[] = {
		{"TERM", 0, SIGTERM},
		{"SIGTERM", 0, SIGTERM},
		{"sigterm", 0, SIGTERM},
		{"15", 0, 15},
		{"IOT", 0, SIGABRT},
		{"SIGPOLL", 0, SIGIO},
		{"RTMIN", 0, SIGRTMIN},
		{"SIGRTMIN+1", 0, SIGRTMIN + 1},
		{"rtmin+3", 0, SIGRTMIN + 3},
		{"RTMAX", 0, SIGRTMAX},
		{"RTMAX-2", 0, SIGRTMAX - 2},
		{"64", 0, 64},
		{"RTMIN+999", -ERANGE, 0},
		{"RTMAX-999999999999999999999", -ERANGE, 0},
		{"0", -ERANGE, 0},
		{"65", -ERANGE, 0},
		{"-1", -ERANGE, 0},
		{"RTMIN-1", -EINVAL, 0},
		{"RTMIN+", -EINVAL, 0},
		{"RTMIN+-1", -EINVAL, 0},
		{"SIG", -EINVAL, 0},
		{"SIG15", -EINVAL, 0},
		{"TERMX", -EINVAL, 0},
		{"", -EINVAL, 0},
		{" TERM", -EINVAL, 0},
	};
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int v = 4711;

		is_int(parse_signal(cases[i].s, &v), cases[i].r, "signal '%s'", cases[i].s);
		is_int(v, cases[i].r ? 4711 : cases[i].value, "signal '%s': value", cases[i].s);
	}
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		int v = 0;

		if (parse_signal(signal_name(sig), &v) != 0 || v != sig)
			bad = sig;
	}
	is_int(bad, 0, "every signal's name is read back");
	is_str(signal_name(SIGABRT), "ABRT", "the usual one of two names");
	is_str(signal_name(SIGRTMIN + 2), "RTMIN+2", "a realtime signal's name");
	is_str(signal_name(SIGRTMIN), "RTMIN", "the first realtime signal's name");
	is_str(signal_name(0), "0", "no signal");
	is_str(signal_name(9999), "9999", "no such signal");
}

static void test_format(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{0, "0"},
		{1, "1"},
		{1023, "1023"},
		{1024, "1K"},
		{1536, "1536"},
		{UINT64_C(1610612736), "1536M"},
		{UINT64_C(15) << 60, "15E"},
		{UINT64_MAX - 1, "18446744073709551614"},
		{UINT64_MAX, "infinity"},
	};
	static const struct {
		usec_t usec;
		const char *text;
	} durations[] = {
		{0, "0s"},
		{1, "1us"},
		{1500000, "1s500ms"},
		{90 * USEC_PER_MIN, "1h30m"},
		{7 * USEC_PER_DAY, "7d"},
		{UINT64_MAX - 1, "213503982d8h1m49s551ms614us"},
		{USEC_INFINITY, "infinity"},
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t v = 0;

		is_str(format_size(sizes[i].bytes, buf, sizeof(buf)), sizes[i].text,
			"size as text");
		ok(parse_size(buf, &v) == 0 && v == sizes[i].bytes, "size '%s' is read back", buf);
	}
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		usec_t v = 0;

		is_str(format_duration(durations[i].usec, buf, sizeof(buf)), durations[i].text,
			"duration as text");
		ok(parse_duration(buf, &v) == 0 && v == durations[i].usec,
			"duration '%s' is read back", buf);
	}
}

int main(void)
{
	test_uint();
	test_int();
	test_bool();
	test_size();
	test_duration();
	test_percent();
	test_mode();
	test_signal();
	test_format();
	return done_testing();
}
