#include "config.h"

#include "base/macro.h"
#include "verify/goduration.h"

#include "tests/unit/tap.h"

#include <errno.h>

#define SECOND INT64_C(1000000000)

static void test_parse(void)
{
	static const struct {
		const char *text;
		int rc;
		int64_t nsec;
		const char *printed; /* or of an error what it says */
	} cases[] = {
		{"0", 0, 0, "0s"},
		{"+0", 0, 0, "0s"},
		{"-0", 0, 0, "0s"},
		{"5s", 0, 5 * SECOND, "5s"},
		{"30s", 0, 30 * SECOND, "30s"},
		{"1478s", 0, 1478 * SECOND, "24m38s"},
		{"-5s", 0, -5 * SECOND, "-5s"},
		{"+5s", 0, 5 * SECOND, "5s"},
		{"5.0s", 0, 5 * SECOND, "5s"},
		{"5.6s", 0, 5600000000, "5.6s"},
		{"5.s", 0, 5 * SECOND, "5s"},
		{".5s", 0, SECOND / 2, "500ms"},
		{"1.004s", 0, 1004000000, "1.004s"},
		{"100.00100s", 0, 100001000000, "1m40.001s"},
		{"10ns", 0, 10, "10ns"},
		{"11us", 0, 11000, "11\xc2\xb5s"},
		{"12\xc2\xb5s", 0, 12000, "12\xc2\xb5s"},
		{"12\xce\xbcs", 0, 12000, "12\xc2\xb5s"},
		{"13ms", 0, 13000000, "13ms"},
		{"14s", 0, 14 * SECOND, "14s"},
		{"15m", 0, 900 * SECOND, "15m0s"},
		{"16h", 0, 57600 * SECOND, "16h0m0s"},
		{"1h30m", 0, 5400 * SECOND, "1h30m0s"},
		{"3h30m", 0, 12600 * SECOND, "3h30m0s"},
		{"10.5s4m", 0, 250500000000, "4m10.5s"},
		{"-2m3.4s", 0, -123400000000, "-2m3.4s"},
		{"1h2m3s4ms5us6ns", 0, 3723004005006, "1h2m3.004005006s"},
		{"39h9m14.425s", 0, 140954425000000, "39h9m14.425s"},
		{"52763797000ns", 0, 52763797000, "52.763797s"},
		{"0.3333333333333333333h", 0, 1200 * SECOND, "20m0s"},
		{"9007199254740993ns", 0, 9007199254740993, "2501h59m59.254740993s"},
		{"9223372036854775807ns", 0, INT64_MAX, "2562047h47m16.854775807s"},
		{"9223372036854775.807us", 0, INT64_MAX, "2562047h47m16.854775807s"},
		{"9223372036s854ms775us807ns", 0, INT64_MAX, "2562047h47m16.854775807s"},
		{"-9223372036854775808ns", 0, INT64_MIN, "-2562047h47m16.854775808s"},
		{"-9223372036854775.808us", 0, INT64_MIN, "-2562047h47m16.854775808s"},
		{"0.100000000000000000000h", 0, 360 * SECOND, "6m0s"},
		{"0.830103483285477580700h", 0, 2988372539827, "49m48.372539827s"},
		{"0.0000000001s", 0, 0, "0s"},
		{"1s1s", 0, 2 * SECOND, "2s"},
		{"", -EINVAL, 0, "there is nothing"},
		{"30", -EINVAL, 0, "no unit (write ns, us, ms, s, m or h behind it, as in 30s)"},
		{"3", -EINVAL, 0, "no unit"},
		{"-", -EINVAL, 0, "there is nothing"},
		{"s", -EINVAL, 0, "a number is missing"},
		{".", -EINVAL, 0, "a dot has no digits"},
		{"-.", -EINVAL, 0, "a dot has no digits"},
		{".s", -EINVAL, 0, "a dot has no digits"},
		{"+.s", -EINVAL, 0, "a dot has no digits"},
		{"1d", -EINVAL, 0, "unknown unit 'd'"},
		{"1w", -EINVAL, 0, "unknown unit 'w'"},
		{"1 h", -EINVAL, 0, "unknown unit ' h'"},
		{" 1h", -EINVAL, 0, "a number is missing"},
		{"1h ", -EINVAL, 0, "unknown unit 'h '"},
		{"1H", -EINVAL, 0, "unknown unit 'H'"},
		{"1h-1m", -EINVAL, 0, "unknown unit 'h-'"},
		{"00", -EINVAL, 0, "no unit"},
		{"\x85\x85", -EINVAL, 0, "'\\x85\\x85' is not a duration: a number is missing"},
		{"9223372036854775810ns", -ERANGE, 0, "too large"},
		{"9223372036854775808ns", -ERANGE, 0, "too large"},
		{"-9223372036854775809ns", -ERANGE, 0, "too large"},
		{"9223372036854776us", -ERANGE, 0, "too large"},
		{"3000000h", -ERANGE, 0, "too large"},
		{"9223372036854775.808us", -ERANGE, 0, "too large"},
		{"9223372036854ms775us808ns", -ERANGE, 0, "too large"},
		{"99999999999999999999999999s", -ERANGE, 0, "too large"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		char printed[GODURATION_TEXT_SIZE];
		int64_t nsec = 4711;

		is_int(goduration_parse(cases[i].text, &nsec, &err), cases[i].rc, "'%s'",
			cases[i].text);
		is_int(nsec, cases[i].rc < 0 ? 4711 : cases[i].nsec, "'%s': nanoseconds",
			cases[i].text);
		if (cases[i].rc < 0) {
			contains(
				err_text(&err), cases[i].printed, "'%s': the error", cases[i].text);
			is_int(err.status, EXIT_DATAERR, "'%s': status", cases[i].text);
		} else {
			is_str(goduration_format(nsec, printed), cases[i].printed, "'%s': printed",
				cases[i].text);
		}
	}
}

int main(void)
{
	test_parse();
	return done_testing();
}
