#include "config.h"

#include "base/alloc.h"
#include "os/proc.h"
#include "verify/hookrun.h"
#include "verify/load.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/verifyrun.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WALL_START (UINT64_C(1700000000) * USEC_PER_SEC)

static const char text[] =
	"[template]\nname = t\n[args]\nlimit = 1\n[metric a]\nexec.command = true\ncount = 3\n"
	"interval = 10s\nsuccessCondition = result < {{ args.limit }}\n[metric b]\nexec.command = "
	"true\ninitialDelay = 1h\n";

/* A run that was killed 2 s after its start, with a success and an error of the metric a. */
static json_t *record_of_killed(void)
{
	struct measurement good = {.phase = PHASE_SUCCESSFUL,
		.value = xstrdup("0"),
		.started_usec = WALL_START,
		.finished_usec = WALL_START + USEC_PER_SEC};
	struct measurement bad = {.phase = PHASE_ERROR,
		.message = xstrdup("why"),
		.started_usec = WALL_START + USEC_PER_SEC,
		.finished_usec = WALL_START + 2 * USEC_PER_SEC};
	struct fixture f;
	json_t *record;

	setup_with(&f, text, NULL);
	runstate_begin(&f.rs, 0);
	runstate_finish(&f.rs, 0, USEC_PER_SEC, &good);
	runstate_begin(&f.rs, 0);
	runstate_finish(&f.rs, 0, 2 * USEC_PER_SEC, &bad);
	runstate_begin(&f.rs, 0);
	record = hookrun_to_json(&f.rs, WALL_START, WALL_START + 2 * USEC_PER_SEC);
	/* who wrote it is gone */
	(void)json_object_set_new(
		json_object_get(record, "process"), "bootId", json_string("another"));
	teardown(&f);
	return record;
}

static int resume(struct fixture *f, const json_t *record, usec_t now, usec_t later, char **ret_why)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	usec_t started = 0;
	int r = hookrun_resume(record, "r", &f->rs, now, WALL_START + later, &started, &err);

	if (r == 0)
		is_uint(started, WALL_START, "it began when it began");
	else
		is_int(err.status, r == -EBUSY ? EXIT_BUSY : EXIT_DATAERR, "%s", err_text(&err));
	if (ret_why)
		*ret_why = xstrdup(err_text(&err));
	return r;
}

static void test_going_on(void)
{
	_cleanup_json_ json_t *record = record_of_killed();
	const struct metric_state *s;
	struct fixture f;

	setup_with(&f, text, NULL);
	is_int(resume(&f, record, 100 * USEC_PER_SEC, 5 * USEC_PER_SEC, NULL), 0, "taken up");
	s = &f.rs.metrics[0];
	is_uint(s->count, 1, "counted");
	is_uint(s->error, 1, "an error");
	is_uint(s->consecutive_error, 1, "in a row");
	is_uint(s->n_kept, 2, "both are kept");
	is_str(s->kept[1].message, "why", "with the message");
	is_int((int)s->phase, PHASE_RUNNING, "what was under way is to be taken again");
	ok(!s->in_flight, "and is not under way");
	is_int((int)f.rs.metrics[1].phase, PHASE_PENDING, "the other has not begun");
	/* 3 s have passed since the error, of 10 s */
	is_int((int)runstate_due(&f.rs, 106 * USEC_PER_SEC), -1, "not due yet");
	is_int((int)runstate_due(&f.rs, 107 * USEC_PER_SEC), 0, "due, 10 s after the error");
	is_uint(runstate_next(&f.rs, 100 * USEC_PER_SEC), 107 * USEC_PER_SEC, "and known before");
	teardown(&f);

	/* a clock that was set back makes no time that lies ahead */
	setup_with(&f, text, NULL);
	(void)json_object_set_new(json_object_get(record, "status"), "startedAt",
		json_string("2023-11-14T22:13:20.000Z"));
	is_int(hookrun_resume(record, "r", &f.rs, 100, 5, &(usec_t){0}, NULL), 0, "an earlier now");
	is_uint(f.rs.started_usec, 100, "began now");
	teardown(&f);
}

static void test_others(void)
{
	_cleanup_json_ json_t *record = record_of_killed();
	_cleanup_free_ char *why = NULL, *other = NULL, *named = NULL, *later = NULL;
	struct fixture f;

	setup_with(&f, text, "2");
	is_int(resume(&f, record, 100, 0, &why), -EBADMSG, "another argument");
	ok(strstr(why, "'limit' differs"), "which is told");
	teardown(&f);

	setup_with(&f,
		"[template]\nname = t\n[args]\nlimit = 1\n[metric a]\nexec.command = false\n"
		"successCondition = result < {{ args.limit }}\n",
		NULL);
	is_int(resume(&f, record, 100, 0, &other), -EBADMSG, "changed");
	ok(strstr(other, "before it was changed"), "which is told");
	teardown(&f);

	setup_with(&f, "[template]\nname = u\n[metric a]\nexec.command = true\n", NULL);
	is_int(resume(&f, record, 100, 0, &named), -EBADMSG, "another template");
	ok(strstr(named, "'t', and this one is 'u'"), "which is told");
	teardown(&f);

	setup_with(&f, text, NULL);
	(void)json_object_set_new(record, "format", json_integer(2));
	is_int(resume(&f, record, 100, 0, &later), -EBADMSG, "of a later release");
	(void)json_object_set_new(record, "format", json_integer(1));
	(void)json_object_del(record, "spec");
	is_int(resume(&f, record, 100, 0, NULL), -EBADMSG, "not of taskhook");
	teardown(&f);
}

static void test_alive(void)
{
	_cleanup_json_ json_t *record = NULL;
	struct fixture f;
	uint64_t ticks = 0;
	json_t *process;

	setup_with(&f, text, NULL);
	record = hookrun_to_json(&f.rs, WALL_START, WALL_START);
	is_int(resume(&f, record, 100, 0, NULL), 0, "our own record is nobody else's");
	teardown(&f);
	setup_with(&f, text, NULL);
	process = json_object_get(record, "process");
	(void)json_object_set_new(process, "pid", json_integer((json_int_t)getppid()));
	(void)json_object_set_new(process, "startTicks", json_integer(1));
	is_int(resume(&f, record, 100, 0, NULL), 0, "the number of another process");
	teardown(&f);
	setup_with(&f, text, NULL);
	(void)proc_start_time(getppid(), &ticks);
	(void)json_object_set_new(process, "startTicks", json_integer((json_int_t)ticks));
	is_int(resume(&f, record, 100, 0, NULL), -EBUSY, "somebody who lives");
	(void)json_object_set_new(process, "bootId", json_string("before"));
	is_int(resume(&f, record, 100, 0, NULL), 0, "on a machine that was started anew since");
	teardown(&f);
}

/* Each is a place in the record and what it becomes; "-" takes it away. */
static void test_damage(void)
{
	static const struct {
		const char *where, *key, *becomes;
	} cases[] = {
		{"status", "phase", "\"Odd\""},
		{"status", "phase", "-"},
		{"status", "startedAt", "7"},
		{"status", "startedAt", "-"},
		{"status", "startedAt", "\"yesterday\""},
		{"status", "metricResults", "{}"},
		{"metric", "name", "\"z\""},
		{"metric", "phase", "1"},
		{"metric", "count", "-1"},
		{"metric", "count", "1.5"},
		{"metric", "count", "99999999999"},
		{"metric", "count", "2"},
		{"metric", "consecutiveError", "5"},
		{"metric", "consecutiveSuccess", "5"},
		{"metric", "measurements", "[]"},
		{"metric", "measurements", "-"},
		{"metric", "measurements", "[7]"},
		{"metric", "message", "[]"},
		{"measurement", "phase", "\"Running\""},
		{"measurement", "finishedAt", "\"x\""},
		{"measurement", "value", "5"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *record = record_of_killed();
		json_t *o = json_object_get(record, "status");
		json_t *metric = json_array_get(json_object_get(o, "metricResults"), 0);
		struct fixture f;

		if (strcmp(cases[i].where, "metric") == 0)
			o = metric;
		else if (strcmp(cases[i].where, "measurement") == 0)
			o = json_array_get(json_object_get(metric, "measurements"), 0);
		if (strcmp(cases[i].becomes, "-") == 0)
			(void)json_object_del(o, cases[i].key);
		else
			(void)json_object_set_new(o, cases[i].key,
				json_loads(cases[i].becomes, JSON_DECODE_ANY, NULL));
		setup_with(&f, text, NULL);
		is_int(resume(&f, record, 100, 0, NULL), -EBADMSG, "%s of a %s: %s", cases[i].key,
			cases[i].where, cases[i].becomes);
		teardown(&f);
	}
}

static void test_reading(void)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{"", -EBADMSG},
		{"{", -EBADMSG},
		{"[]", -EBADMSG},
		{"{\"kind\": \"Pod\", \"status\": {}}", -EBADMSG},
		{"{\"kind\": \"HookRun\"}", -EBADMSG},
		{"{\"kind\": \"HookRun\", \"status\": {}}", 0},
		{"{\"kind\": \"AnalysisRun\", \"status\": {}}", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *record = NULL;
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		tempdir_write("r", cases[i].text);
		is_int(hookrun_read(tempdir_path("r"), &record, &err), cases[i].result, "%s (%s)",
			cases[i].text, err_text(&err));
	}
}

int main(void)
{
	tempdir_make();
	test_going_on();
	test_others();
	test_alive();
	test_damage();
	test_reading();
	return done_testing();
}
