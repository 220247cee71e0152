#include "config.h"

#include "model/restart.h"

#include "base/macro.h"
#include "tests/unit/tap.h"

#include <string.h>

#define S USEC_PER_SEC
#define M USEC_PER_MIN

#define NEVER  RESTART_NEVER
#define FAILS  RESTART_ON_FAILURE
#define ALWAYS RESTART_ALWAYS
#define FAIL   RESTART_MODE_FAIL
#define DELAY  RESTART_MODE_DELAY
#define EXITED RESTART_EXITED

/* Start times of the windows are told from 0 by being 1 at least. */
static const struct {
	const char *what;
	struct restart_policy p;
	struct restart_counters before;
	struct restart_input in;
	struct restart_decision want;
	struct restart_counters after;
} cases[] = {
	{"never: a failure ends", {NEVER, 3, M, S, S, FAIL, {0}}, {0, 0}, {EXITED, 1, false, S, 0},
		{RESTART_END, 0, false}, {0, 0}},
	{"on-failure: success ends", {FAILS, 3, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 0, false, S, 0}, {RESTART_END, 0, false}, {0, 0}},
	{"on-failure: the first failure begins the window", {FAILS, 3, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 1, false, 7 * S, 0}, {RESTART_RETRY, S, false}, {7 * S, 1}},
	{"on-failure: death by a signal", {FAILS, 3, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 143, false, S, 0}, {RESTART_RETRY, S, false}, {S, 1}},
	{"on-failure: a success code ends", {FAILS, 3, M, S, S, FAIL, {0, 0, 1 << 15, 0}}, {0, 0},
		{EXITED, 143, false, S, 0}, {RESTART_END, 0, false}, {0, 0}},
	{"on-failure: its neighbour does not", {FAILS, 3, M, S, S, FAIL, {0, 0, 1 << 15, 0}},
		{0, 0}, {EXITED, 142, false, S, 0}, {RESTART_RETRY, S, false}, {S, 1}},
	{"on-failure: a lost exit status is a failure", {FAILS, 3, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 0, true, S, 0}, {RESTART_RETRY, S, false}, {S, 1}},
	{"on-failure: a failed restart counts", {FAILS, 3, M, S, S, FAIL, {0}}, {S, 1},
		{RESTART_START_FAILED, 0, false, 2 * S, 0}, {RESTART_RETRY, S, false}, {S, 2}},
	{"always: success restarts", {ALWAYS, 2, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 0, false, S, 0}, {RESTART_RETRY, S, false}, {S, 1}},
	{"the last attempt of a window", {ALWAYS, 2, M, S, S, FAIL, {0}}, {S, 1},
		{EXITED, 1, false, 9 * S, 0}, {RESTART_RETRY, S, false}, {S, 2}},
	{"mode fail: used up", {ALWAYS, 2, M, S, S, FAIL, {0}}, {S, 2},
		{EXITED, 1, false, 9 * S, 0}, {RESTART_FAIL, 0, false}, {S, 2}},
	{"mode fail: used up at the very end of the window", {ALWAYS, 2, M, S, S, FAIL, {0}},
		{S, 2}, {EXITED, 1, false, 61 * S, 0}, {RESTART_FAIL, 0, false}, {S, 2}},
	{"behind its end a new window begins", {ALWAYS, 2, M, S, S, FAIL, {0}}, {S, 2},
		{EXITED, 1, false, 61 * S + 1, 0}, {RESTART_RETRY, S, false}, {61 * S + 1, 1}},
	{"mode delay: the rest of the window, without jitter", {ALWAYS, 2, M, S, S, DELAY, {0}},
		{S, 2}, {EXITED, 1, false, 11 * S, UINT32_MAX}, {RESTART_RETRY, 50 * S + 1, true},
		{S, 2}},
	{"mode delay: used up stays so", {ALWAYS, 2, M, S, S, DELAY, {0}}, {S, 2},
		{EXITED, 1, false, 60 * S, 0}, {RESTART_RETRY, S + 1, true}, {S, 2}},
	{"no attempts: fails at once", {ALWAYS, 0, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 1, false, S, 0}, {RESTART_FAIL, 0, false}, {S, 0}},
	{"no attempts: success of on-failure ends", {FAILS, 0, M, S, S, FAIL, {0}}, {0, 0},
		{EXITED, 0, false, S, 0}, {RESTART_END, 0, false}, {0, 0}},
	{"back-off: the first", {FAILS, 9, M, S, 5 * S, FAIL, {0}}, {S, 0},
		{EXITED, 1, false, S, 0}, {RESTART_RETRY, S, false}, {S, 1}},
	{"back-off: the second", {FAILS, 9, M, S, 5 * S, FAIL, {0}}, {S, 1},
		{EXITED, 1, false, S, 0}, {RESTART_RETRY, 2 * S, false}, {S, 2}},
	{"back-off: the third", {FAILS, 9, M, S, 5 * S, FAIL, {0}}, {S, 2},
		{EXITED, 1, false, S, 0}, {RESTART_RETRY, 4 * S, false}, {S, 3}},
	{"back-off: at its most", {FAILS, 9, M, S, 5 * S, FAIL, {0}}, {S, 3},
		{EXITED, 1, false, S, 0}, {RESTART_RETRY, 5 * S, false}, {S, 4}},
	{"back-off: begins anew with the window", {FAILS, 9, M, S, 5 * S, FAIL, {0}}, {S, 9},
		{EXITED, 1, false, 2 * M, 0}, {RESTART_RETRY, S, false}, {2 * M, 1}},
	{"the most jitter is below a quarter", {FAILS, 9, M, 4 * S, 4 * S, FAIL, {0}}, {0, 0},
		{EXITED, 1, false, S, UINT32_MAX}, {RESTART_RETRY, 5 * S - 1, false}, {S, 1}},
	{"half of it", {FAILS, 9, M, 4 * S, 4 * S, FAIL, {0}}, {0, 0},
		{EXITED, 1, false, S, 1U << 31}, {RESTART_RETRY, 4 * S + 500000, false}, {S, 1}},
	{"no delay has no jitter", {FAILS, 9, M, 0, 0, FAIL, {0}}, {0, 0},
		{EXITED, 1, false, S, UINT32_MAX}, {RESTART_RETRY, 0, false}, {S, 1}},
	{"an interval without end", {FAILS, 1, USEC_INFINITY, S, S, FAIL, {0}}, {S, 1},
		{EXITED, 1, false, USEC_INFINITY - 1, 0}, {RESTART_FAIL, 0, false}, {S, 1}},
};

static void test_table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct restart_counters c = cases[i].before;
		struct restart_decision d = restart_decide(&cases[i].p, &c, &cases[i].in);

		ok(d.action == cases[i].want.action, "%s: action", cases[i].what);
		is_uint(d.delay, cases[i].want.delay, "%s: delay", cases[i].what);
		ok(d.waits_for_window == cases[i].want.waits_for_window, "%s: why", cases[i].what);
		is_uint(c.attempts, cases[i].after.attempts, "%s: attempts", cases[i].what);
		is_uint(c.window_start, cases[i].after.window_start, "%s: window", cases[i].what);
	}
}

/* Whatever is given, a decision waits for at least the delay and less than 5/4 of the most. */
static void test_bounds(void)
{
	struct restart_policy p = {FAILS, 1000, USEC_PER_DAY, 100, 86399, FAIL, {0}};
	struct restart_counters c = {0, 0};
	uint32_t random = 1;
	usec_t least = USEC_INFINITY, most = 0;

	for (unsigned i = 0; i < 1000; i++) {
		struct restart_input in = {EXITED, 1, false, S, random};
		struct restart_decision d = restart_decide(&p, &c, &in);

		random = random * 1664525 + 1013904223;
		least = MIN(least, d.delay);
		most = MAX(most, d.delay);
	}
	ok(least >= 100 && least < 125, "the least delay (%ju)", (uintmax_t)least);
	ok(most > 86399 && most < 86399 * 5 / 4, "the most (%ju)", (uintmax_t)most);
}

static void test_long_delays(void)
{
	struct restart_policy p = {
		FAILS, 3, USEC_INFINITY, USEC_INFINITY / 2, USEC_INFINITY - 1, FAIL, {0}};
	struct restart_counters c = {S, 1};
	struct restart_input in = {EXITED, 1, false, 2 * S, UINT32_MAX};
	struct restart_decision d = restart_decide(&p, &c, &in);

	ok(d.delay >= USEC_INFINITY - 1, "delays of ages do not overflow");
	p.attempts = RESTART_ATTEMPTS_MAX;
	ok(restart_check(&p, NULL) == 0, "nor does their sum");
}

static void test_defaults(void)
{
	struct restart_policy p = {.when = NEVER};

	restart_set_defaults(&p, FAILS);
	ok(p.attempts == 3 && p.interval == USEC_PER_DAY && p.delay == 15 * S &&
			p.max_delay == p.delay && p.mode == FAIL,
		"on-failure: Nomad's numbers of a batch job");
	ok(restart_check(&p, NULL) == 0, "they are valid");
	restart_set_defaults(&p, ALWAYS);
	ok(p.attempts == 2 && p.interval == 30 * M && p.delay == 15 * S && p.mode == FAIL,
		"always: those of a service");
	ok(restart_check(&p, NULL) == 0, "they are valid");
	restart_set_defaults(&p, NEVER);
	ok(p.when == NEVER, "never stays never");
}

static const struct {
	const char *what;
	struct restart_policy p;
	const char *said;
} checks[] = {
	{"an interval of 5s", {FAILS, 1, 5 * S, S, S, FAIL, {0}}, NULL},
	{"a shorter one", {FAILS, 1, 5 * S - 1, S, S, FAIL, {0}}, "restart.interval"},
	{"not asked without restarts", {NEVER, 1, S, 9 * S, S, DELAY, {0}}, NULL},
	{"no attempts with fail", {FAILS, 0, M, S, S, FAIL, {0}}, NULL},
	{"no attempts with delay", {FAILS, 0, M, S, S, DELAY, {0}}, "restart.attempts is 0"},
	{"attempts x delay = interval", {FAILS, 6, M, 10 * S, 10 * S, FAIL, {0}}, NULL},
	{"attempts x delay > interval", {FAILS, 7, M, 10 * S, 10 * S, FAIL, {0}},
		"do not fit into restart.interval"},
	{"a back-off that fits: 10+20+30", {FAILS, 3, M, 10 * S, 30 * S, FAIL, {0}}, NULL},
	{"one that does not: 10+20+31", {FAILS, 3, M, 10 * S, 31 * S, FAIL, {0}},
		"do not fit into restart.interval"},
	{"max-delay below delay", {FAILS, 1, M, 10 * S, 9 * S, FAIL, {0}}, "restart.max-delay"},
};

static void test_checks(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		int r = restart_check(&checks[i].p, &err);

		if (checks[i].said)
			ok(r < 0 && err.status == EXIT_CONFIG &&
					strstr(err_text(&err), checks[i].said),
				"%s: refused (%s)", checks[i].what, r < 0 ? err_text(&err) : "");
		else
			ok(r == 0, "%s: fine", checks[i].what);
	}
}

int main(void)
{
	test_table();
	test_bounds();
	test_long_delays();
	test_defaults();
	test_checks();
	return done_testing();
}
