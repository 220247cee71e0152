#include "config.h"

#include "model/record.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int scratch_fd = -1;

static struct record sample(void)
{
	struct record r = {
		.group = xstrdup("shop"),
		.id = xstrdup("web"),
		.run_number = 3,
		.restart_count = 1,
		.counters = {.window_start = 77, .attempts = 2},
		.last_exit = {.known = true,
			.result = RESULT_SIGNAL,
			.has_exit_code = true,
			.exit_code = 137,
			.exit_signal = 9,
			.oom_killed = true,
			.at = 1000000,
			.duration_usec = 5},
		.boot_id = "6f7f6b2e-0000-4000-8000-123456789abc",
		.uid = 0,
		.supervisor_pid = 4711,
		.supervisor_start_ticks = 123456789,
		.started = 1763721885123456,
		.launched = 1763721885223456,
		.ended = 1763721889000000,
		.duration_usec = 3776544,
		.state = STATE_FAILED,
		.outcome =
			{
				.result = RESULT_HOOK_FAILED,
				.has_exit_code = true,
				.exit_code = 143,
				.exit_signal = 15,
				.oom_killed = true,
				.stop_reason = STOP_ASKED,
				.failed_point = POINT_PRE_START,
				.failed_hook = xstrdup("20-mount"),
				.failed_reason = xstrdup("exit status 3"),
				.status = EXIT_HOOK_FAILED,
				.decided_by = "hook",
			},
		.usage = {.known = true,
			.cpu_user_usec = 10,
			.cpu_system_usec = 20,
			.memory_peak = 4096,
			.has_io = true,
			.io_rbytes = 1,
			.io_wbytes = 2,
			.oom_kills = 1},
		.message = xstrdup("ready on port 80"),
		.result_file = xstrdup("/tmp/how"),
		.log_dropped = 99,
	};

	strv_add(&r.output, "mount: no medium");
	strv_add(&r.output, "\xff\xfe bytes");
	strv_add(&r.warnings, "post-start/10-x: exit status 1");
	r.task = json_pack("{s:s}", "id", "web");
	r.hook_state = json_pack("{s:{s:b}}", "pre-start/20-mount", "done", 1);
	return r;
}

static void check_sample(const struct record *r)
{
	const struct outcome *o = &r->outcome;

	is_int(r->format, RECORD_FORMAT, "format");
	is_str(r->group, "shop", "group");
	is_str(r->id, "web", "id");
	is_uint(r->run_number, 3, "run");
	is_uint(r->restart_count, 1, "restarts");
	ok(r->counters.window_start == 77 && r->counters.attempts == 2, "what the policy counted");
	ok(r->last_exit.known && r->last_exit.result == RESULT_SIGNAL &&
			r->last_exit.has_exit_code && r->last_exit.exit_code == 137 &&
			r->last_exit.exit_signal == 9 && r->last_exit.oom_killed &&
			r->last_exit.at == 1000000 && r->last_exit.duration_usec == 5,
		"how the process before ended");
	is_str(r->boot_id, "6f7f6b2e-0000-4000-8000-123456789abc", "boot id");
	is_int(r->supervisor_pid, 4711, "supervisor");
	is_uint(r->supervisor_start_ticks, 123456789, "its start time");
	is_uint(r->started, 1763721885123456, "started");
	is_uint(r->launched, 1763721885223456, "launched");
	is_uint(r->ended, 1763721889000000, "ended");
	is_uint(r->duration_usec, 3776544, "duration");
	is_int(r->state, STATE_FAILED, "state");
	is_int(o->result, RESULT_HOOK_FAILED, "result");
	ok(o->has_exit_code && o->exit_code == 143, "exit code");
	is_int(o->exit_signal, 15, "signal");
	ok(o->oom_killed, "out of memory");
	is_int(o->stop_reason, STOP_ASKED, "stop reason");
	is_int(o->failed_point, POINT_PRE_START, "failed point");
	is_str(o->failed_hook, "20-mount", "failed hook");
	is_str(o->failed_reason, "exit status 3", "failed reason");
	is_int(o->status, EXIT_HOOK_FAILED, "status");
	is_str(o->decided_by, "hook", "decided by");
	is_uint(r->output.n, 2, "last lines");
	if (r->output.n == 2)
		is_str(r->output.v[1], "\xff\xfe bytes", "also such that are no UTF-8");
	ok(r->usage.known && r->usage.has_io && r->usage.memory_peak == 4096 &&
			r->usage.io_wbytes == 2 && r->usage.oom_kills == 1,
		"usage");
	is_str(r->message, "ready on port 80", "message");
	is_str(r->result_file, "/tmp/how", "result file");
	is_uint(r->log_dropped, 99, "dropped bytes");
	is_uint(r->warnings.n, 1, "warnings");
	is_str(json_string_value(json_object_get(r->task, "id")), "web", "the task");
	ok(json_is_true(
		   json_object_get(json_object_get(r->hook_state, "pre-start/20-mount"), "done")),
		"what hooks handed back");
}

static void test_round_trip(void)
{
	_cleanup_record_ struct record r = sample(), again = {0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL;
	struct stat st;

	is_int(record_write(scratch_fd, &r, &err), 0, "written: %s", err_text(&err));
	is_int(fstatat(scratch_fd, "web.json", &st, AT_SYMLINK_NOFOLLOW), 0, "there is a file");
	is_int(st.st_mode & 07777, 0600, "that nobody else may read");
	is_int(record_read(scratch_fd, "web", &again, &err), 0, "read: %s", err_text(&err));
	check_sample(&again);
	if (file_read_at(scratch_fd, "web.json", 0, RECORD_MAX, &text, NULL) < 0)
		bail("cannot read the record's file");
	contains(text, "\"started\":\"2025-11-21T10:44:45.123Z\"", "times for people too");
	contains(text, "\"format\":1", "the format has a number");
}

static void test_least(void)
{
	_cleanup_record_ struct record r = {
		.state = STATE_NEW, .outcome = {.failed_point = POINT_NONE}};
	_cleanup_record_ struct record again = {0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	r.group = xstrdup("g");
	r.id = xstrdup("i");
	is_int(record_write(scratch_fd, &r, &err), 0, "an intent: %s", err_text(&err));
	is_int(record_read(scratch_fd, "i", &again, &err), 0, "read: %s", err_text(&err));
	is_int(again.outcome.failed_point, POINT_NONE, "no point failed");
	is_int(again.outcome.result, RESULT_NONE, "no result");
	ok(!again.outcome.has_exit_code && !again.outcome.decided_by && !again.usage.known &&
			!again.task && !again.message && again.ended == 0,
		"nothing is made up");
}

static int read_text(const char *text, struct record *ret, struct th_err *err)
{
	if (file_replace_at(scratch_fd, "x.json", 0600, text, strlen(text)) < 0)
		bail("cannot write a test file");
	return record_read(scratch_fd, "x", ret, err);
}

#define LEAST "{\"format\":1,\"group\":\"g\",\"id\":\"x\",\"state\":\"done\""

static void test_damaged(void)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"format\":\"1\"}",
		"{\"format\":1}",
		"{\"format\":2,\"group\":\"g\",\"id\":\"x\",\"state\":\"done\"}",
		"{\"format\":1,\"group\":\"g\",\"id\":\"x\"}",
		"{\"format\":1,\"group\":\"g\",\"id\":\"x\",\"state\":\"floating\"}",
		"{\"format\":1,\"group\":\"../g\",\"id\":\"x\",\"state\":\"done\"}",
		"{\"format\":1,\"group\":\"g\",\"id\":\"other\",\"state\":\"done\"}",
		"{\"format\":1,\"group\":\"g\",\"id\":\"x\",\"state\":\"done\",\"run\":-1}",
		"{\"format\":1,\"group\":\"g\",\"id\":\"x\",\"state\":\"done\",\"task\":7}",
		"{\"format\":1,\"group\":\"g\",\"id\":\"x\",\"state\":\"done\",\"exit_code\":3e3}",
	};
	_cleanup_record_ struct record r = {0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_err_ struct th_err why = TH_ERR_INIT;

		is_int(read_text(bad[i], &r, &why), -EBADMSG, "refused: %s", bad[i]);
		contains(err_text(&why), "x.json", "named: %s", err_text(&why));
		ok(!r.group, "and nothing returned");
	}
	is_int(read_text(LEAST ",\"boot_id\":\"0123456789012345678901234567890123456789\"}", &r,
		       &err),
		-EBADMSG, "a boot id that is too long");
	err_clear(&err);
	is_int(read_text(LEAST ",\"result\":\"of-tomorrow\",\"new\":[1]}", &r, &err), 0,
		"unknown members and results are left alone: %s", err_text(&err));
	is_int(r.outcome.result, RESULT_NONE, "an unknown result is none");
	record_done(&r);

	is_int(record_read(scratch_fd, "nobody", &r, &err), -ENOENT, "no record");
	err_clear(&err);
	if (symlinkat("web.json", scratch_fd, "link.json") < 0)
		bail("cannot make a link");
	is_int(record_read(scratch_fd, "link", &r, &err), -EBADMSG, "a link is no record");
	err_clear(&err);
	if (mkdirat(scratch_fd, "dir.json", 0700) < 0)
		bail("cannot make a directory");
	is_int(record_read(scratch_fd, "dir", &r, &err), -EBADMSG, "a directory is no record");
}

#define HEAD "{\"format\":1,\"taskhook\":\"" PACKAGE_VERSION "\","

static void settled(const char *text, int expected)
{
	unsigned run = 7;

	if (file_replace_at(scratch_fd, "x.json", 0600, text, strlen(text)) < 0)
		bail("cannot write a test file");
	is_int(record_read_settled(scratch_fd, "x", &run), expected, "settled: %s", text);
	is_int(run, expected ? 7 : 12, "with its run");
}

static void test_settled(void)
{
	char group[] = "g", id[] = "x";
	struct record r = {.group = group,
		.id = id,
		.state = STATE_DONE,
		.run_number = 12,
		.format = RECORD_FORMAT};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	unsigned run = 0;

	is_int(record_read_settled(scratch_fd, "nobody", &run), -ENOENT, "no record");
	is_int(record_write(scratch_fd, &r, &err), 0, "write");
	is_int(record_read_settled(scratch_fd, "x", &run), 0, "what is written is what is read");
	is_int(run, 12, "with its run");
	r.state = STATE_STUCK;
	is_int(record_write(scratch_fd, &r, &err), 0, "write");
	is_int(record_read_settled(scratch_fd, "x", &run), -EBADMSG, "a stuck one still owes");
	settled(HEAD "\"id\":\"x\",\"state\":\"done\",\"run\":12,\"group\":\"g\"}", 0);
	settled(HEAD "\"id\":\"x\",\"state\":\"failed\",\"run\":12,\"group\":\"g\"}", 0);
	settled(HEAD "\"id\":\"x\",\"state\":\"failed\",\"run\":12,\"group\":\"g\"", -EBADMSG);
	settled(HEAD "\"id\":\"x\",\"state\":\"running\",\"run\":12,\"group\":\"g\"}", -EBADMSG);
	settled(HEAD "\"id\":\"xy\",\"state\":\"done\",\"run\":12,\"group\":\"g\"}", -EBADMSG);
	settled(HEAD "\"id\":\"x\",\"state\":\"done\",\"run\":12.5,\"group\":\"g\"}", -EBADMSG);
	settled(HEAD "\"id\":\"x\",\"state\":\"done\",\"run\":99999999999,\"group\":\"g\"}",
		-EBADMSG);
	settled("{\"format\":2}", -EBADMSG);
	settled("", -EBADMSG);
}

int main(void)
{
	char path[] = "/tmp/test-record-XXXXXX";
	static const char *const made[] = {
		"web.json", "i.json", "x.json", "link.json", ".x.json.before"};

	if (!mkdtemp(path))
		bail("cannot make a directory");
	scratch_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_round_trip();
	test_least();
	test_damaged();
	test_settled();
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		(void)unlinkat(scratch_fd, made[i], 0);
	(void)unlinkat(scratch_fd, "dir.json", AT_REMOVEDIR);
	ok(rmdir(path) == 0, "no temporary file is left");
	fd_close(scratch_fd);
	return done_testing();
}
