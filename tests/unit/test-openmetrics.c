#include "config.h"

#include "cmd/openmetrics.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

static void escapes(const char *s, const char *want)
{
	_cleanup_free_ char *got = openmetrics_escape(s);

	is_str(got, want, "a label's value");
}

static char *print(const struct stats_rows *rows, const struct hook_sums *hooks)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return xstrdup("");
	openmetrics_print(rows, hooks, f);
	(void)fclose(f);
	return text;
}

static bool has(const char *text, const char *what)
{
	return strstr(text, what) != NULL;
}

int main(void)
{
	struct stats_row row = {
		.view = {.group = (char[]){"g"}, .id = (char[]){"i"}, .since = 1795275720816400},
		.stats = {.cpu = STATS_FROM_CGROUP, .cpu_user_usec = 1500000},
	};
	struct stats_rows rows = {.v = &row, .n = 1};
	struct hook_sum sum = {.point = (char[]){"pre-start"},
		.name = (char[]){"a\"b"},
		.runs = 3,
		.failures = 2,
		.timeouts = 1,
		.last_duration = 250000};
	struct hook_sums hooks = {.v = &sum, .n = 1}, none = {0};
	struct stats_rows nothing = {0};
	_cleanup_free_ char *text = print(&rows, &hooks), *empty = print(&nothing, &none);

	escapes("plain", "plain");
	escapes("a\"b", "a\\\"b");
	escapes("a\\b", "a\\\\b");
	escapes("a\nb\n", "a\\nb\\n");
	escapes("\\", "\\\\");
	escapes("", "");
	escapes("\xc3\xa4", "\xc3\xa4");
	escapes("\xff", "\\\\xFF");

	is_str(empty, "# EOF\n", "nothing is an end");
	ok(has(text, "# TYPE taskhook_task_cpu_user_seconds counter\n"
		     "# HELP taskhook_task_cpu_user_seconds CPU time in user mode, exited children "
		     "included\n"
		     "taskhook_task_cpu_user_seconds_total{group=\"g\",id=\"i\"} 1.5\n"),
		"a counter");
	ok(has(text, "\ntaskhook_task_state_since_seconds{group=\"g\",id=\"i\"} 1795275720.8164\n"),
		"a time, exact");
	ok(!has(text, "taskhook_task_memory"), "what is not known has no family");
	ok(has(text, "\ntaskhook_hook_failures_total{group=\"g\",id=\"i\",point=\"pre-start\",hook="
		     "\"a\\\"b\"} 2\n"),
		"a hook");
	ok(has(text, "taskhook_hook_timeouts_total{group=\"g\",id=\"i\",point=\"pre-start\"") &&
			!has(text, "last_success"),
		"which has never succeeded");
	return done_testing();
}
