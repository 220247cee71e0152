#include "config.h"

#include "base/bars.h"

#include "tests/unit/tap.h"

#include <stdlib.h>

static void check(const double *values, size_t n, double scale, bool unicode, const char *want,
	const char *what)
{
	struct strbuf b = STRBUF_INIT;

	bars_add(&b, values, n, scale, unicode);
	is_str(strbuf_str(&b), want, "%s", what);
	strbuf_done(&b);
}

static void check_utf8(const char *all, const char *ctype, const char *lang, bool want)
{
	(void)setenv("LC_ALL", all, 1);
	(void)setenv("LC_CTYPE", ctype, 1);
	(void)setenv("LANG", lang, 1);
	ok(bars_environment_is_utf8() == want, "LC_ALL=%s LC_CTYPE=%s LANG=%s", all, ctype, lang);
}

int main(void)
{
	static const double ramp[] = {0.5, 12.5, 25, 37.5, 50, 62.5, 75, 87.5, 100, 1000};
	static const double gaps[] = {-1, 0, 0.001, 50};

	check(ramp, ARRAY_SIZE(ramp), 100, false, "_.-:=+*###", "eight steps of ASCII");
	check(ramp, ARRAY_SIZE(ramp), 100, true,
		"\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588\u2588\u2588", "of blocks");
	check(gaps, ARRAY_SIZE(gaps), 100, true, "  \u2581\u2585",
		"what is not there and what is nothing is blank, what is hardly anything is not");
	check(ramp, 2, 0, true, "  ", "no scale");
	check(ramp, 0, 1, true, "", "no values");
	check_utf8("C.UTF-8", "", "", true);
	check_utf8("", "", "de_DE.utf8", true);
	check_utf8("", "de_DE.UTF-8@euro", "C", true);
	check_utf8("C", "C.UTF-8", "C.UTF-8", false);
	check_utf8("", "", "", false);
	check_utf8("", "", "POSIX", false);
	check_utf8("", "", "de_DE.ISO-8859-1", false);
	return done_testing();
}
