#include "config.h"

#include "base/alloc.h"
#include "verify/load.h"
#include "verify/runstate.h"

#include "tests/unit/tap.h"
#include "tests/unit/verifyrun.h"

#include <string.h>

static enum phase phase_of(char letter)
{
	switch (letter) {
	case 'S':
		return PHASE_SUCCESSFUL;
	case 'F':
		return PHASE_FAILED;
	case 'I':
		return PHASE_INCONCLUSIVE;
	default:
		return PHASE_ERROR;
	}
}

/* One letter for each measurement of the metric, which takes no time. When the run is over: how
 * many were taken, and the second in which it ended. */
static size_t play(struct fixture *f, const char *letters, usec_t *ret_now)
{
	usec_t now = 0;
	size_t n = 0;

	while (letters[n] && !runstate_is_over(&f->rs)) {
		struct measurement m = {.phase = phase_of(letters[n])};
		ssize_t i = runstate_due(&f->rs, now);

		if (i < 0) {
			usec_t next = runstate_next(&f->rs, now);

			if (next == USEC_INFINITY)
				break;
			now = next;
			runstate_tick(&f->rs, now);
			continue;
		}
		runstate_begin(&f->rs, (size_t)i);
		runstate_finish(&f->rs, (size_t)i, now, &m);
		n++;
	}
	*ret_now = now / USEC_PER_SEC;
	return n;
}

#define METRIC "[metric m]\nexec.command = true\nsuccessCondition = result == 0\n"

static void test_one_metric(void)
{
	static const struct {
		const char *fields, *letters;
		enum phase phase;
		size_t n;
		usec_t seconds;
	} cases[] = {
		{"", "S", PHASE_SUCCESSFUL, 1, 0},
		{"", "F", PHASE_FAILED, 1, 0},
		{"", "I", PHASE_INCONCLUSIVE, 1, 0},
		/* five errors in a row are too many, and none is counted */
		{"", "EEEES", PHASE_SUCCESSFUL, 5, 40},
		{"", "EEEEEE", PHASE_ERROR, 5, 40},
		{"consecutiveErrorLimit = 0\n", "E", PHASE_ERROR, 1, 0},
		/* BlueKing's example */
		{"count = 2\ninterval = 60s\n", "SS", PHASE_SUCCESSFUL, 2, 60},
		{"count = 2\ninterval = 60s\n", "SF", PHASE_FAILED, 2, 60},
		{"count = 2\ninterval = 60s\n", "SES", PHASE_SUCCESSFUL, 3, 70},
		{"initialDelay = 5s\n", "S", PHASE_SUCCESSFUL, 1, 5},
		{"count = 3\ninterval = 1s\nfailureLimit = 1\n", "FSS", PHASE_SUCCESSFUL, 3, 2},
		{"count = 3\ninterval = 1s\nfailureLimit = 1\n", "FSF", PHASE_FAILED, 3, 2},
		{"count = 3\ninterval = 1s\nfailureLimit = 1\n", "FF", PHASE_FAILED, 2, 1},
		{"count = 3\ninterval = 1s\ninconclusiveLimit = 1\n", "II", PHASE_INCONCLUSIVE, 2,
			1},
		{"count = 9\ninterval = 1s\nconsecutiveSuccessLimit = 2\nfailureLimit = 3\n",
			"SFSS", PHASE_SUCCESSFUL, 4, 3},
		{"count = 9\ninterval = 1s\nsuccessfulLimit = 2\nfailureLimit = 3\n", "SFS",
			PHASE_SUCCESSFUL, 3, 2},
		{"count = 3\ninterval = 1s\nconsecutiveSuccessLimit = 2\nfailureLimit = 1\n", "SFS",
			PHASE_INCONCLUSIVE, 3, 2},
		{"count = 3\ninterval = 1s\nconsecutiveSuccessLimit = 2\nfailureLimit = -1\n",
			"SFS", PHASE_FAILED, 3, 2},
		{"interval = 1s\nfailureLimit = 2\n", "SSSSFFF", PHASE_FAILED, 7, 6},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf("%s%s", METRIC, cases[i].fields);
		struct fixture f;
		usec_t seconds;
		size_t n;

		setup(&f, text);
		n = play(&f, cases[i].letters, &seconds);
		is_str(phase_name(f.rs.phase), phase_name(cases[i].phase), "case %zu: phase", i);
		is_uint(n, cases[i].n, "case %zu: measurements", i);
		is_uint(seconds, cases[i].seconds, "case %zu: seconds", i);
		teardown(&f);
	}
}

#define TWO                                                                                        \
	"[metric a]\nexec.command = true\nsuccessCondition = result == 0\n"                        \
	"[metric b]\nexec.command = true\nsuccessCondition = result == 0\n"

static void test_two_metrics(void)
{
	static const struct {
		const char *before, *after, *letters;
		enum phase phase;
		size_t n;
	} cases[] = {
		{"", "", "SS", PHASE_SUCCESSFUL, 2},
		/* what has failed ends the other before it begins */
		{"", "", "FS", PHASE_FAILED, 1},
		{"", "", "IF", PHASE_INCONCLUSIVE, 1},
		{"", "dryRun = yes\n", "SF", PHASE_SUCCESSFUL, 2},
		{"[template]\npolicy = Ordered\n", "", "SF", PHASE_FAILED, 2},
		{"[template]\npolicy = Ordered\n", "", "FS", PHASE_FAILED, 1},
		{"[template]\ntimeout = 30s\n", "interval = 10s\n", "SSSSSS", PHASE_ERROR, 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			xasprintf("%s%s%s", cases[i].before, TWO, cases[i].after);
		struct fixture f;
		usec_t seconds;
		size_t n;

		setup(&f, text);
		n = play(&f, cases[i].letters, &seconds);
		is_str(phase_name(f.rs.phase), phase_name(cases[i].phase), "two, %zu: phase", i);
		is_uint(n, cases[i].n, "two, %zu: measurements", i);
		teardown(&f);
	}
}

static void test_terminate(void)
{
	struct measurement failed = {.phase = PHASE_FAILED};
	struct fixture f;

	setup(&f, TWO);
	runstate_begin(&f.rs, 0);
	runstate_terminate(&f.rs);
	is_int((int)runstate_due(&f.rs, 0), -1, "nothing new begins");
	ok(!runstate_is_over(&f.rs), "one is under way");
	runstate_drop(&f.rs, 0);
	is_str(phase_name(f.rs.phase), "Successful", "as Argo has it");
	is_str(f.rs.message, "Run Terminated", "message");
	teardown(&f);

	setup(&f, TWO);
	runstate_begin(&f.rs, 0);
	runstate_terminate(&f.rs);
	runstate_finish(&f.rs, 0, 1, &failed);
	is_str(phase_name(f.rs.phase), "Failed", "what failed stays failed");
	contains(f.rs.message, "failed (1) > failureLimit (0)", "message");
	teardown(&f);
}

static void test_retention(void)
{
	struct fixture f;
	usec_t seconds;

	setup(&f, METRIC "interval = 1s\nmeasurementRetention = 2\n");
	is_uint(play(&f, "SSSSS", &seconds), 5, "five");
	is_uint(f.rs.metrics[0].n_kept, 2, "two are kept");
	is_uint(f.rs.metrics[0].count, 5, "all are counted");
	teardown(&f);
}

int main(void)
{
	test_one_metric();
	test_two_metrics();
	test_terminate();
	test_retention();
	return done_testing();
}
