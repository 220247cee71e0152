#include "config.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "os/cgroup.h"
#include "run/hookout.h"
#include "run/hookrun.h"
#include "tests/unit/cgtest.h"
#include "tests/unit/helper.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <sys/stat.h>

static struct loop *loop;
static struct hook_runner *runner;
static struct strbuf background; /* lines of what hooks left */
static int cgroup = -1;		 /* -1: keepers */
static int cgroup_base = -1;

/* ---- fixture ---- */

struct ran {
	struct hook_run r;
	struct hook *hook;
	struct strv env;
	struct strbuf lines; /* each with a newline */
	usec_t took;
	int result;
	struct th_err err;
};

static void on_line(void *arg, const struct hook *h, const char *line, size_t n)
{
	struct ran *a = arg;

	if (h != a->hook)
		bail("a line of another hook");
	strbuf_add(&a->lines, line, n);
	strbuf_addc(&a->lines, '\n');
}

static void on_background(
	void *arg, enum hook_point point, const char *name, const char *line, size_t n)
{
	(void)arg;
	strbuf_addf(&background, "[%s/%s] ", point_name(point), name);
	strbuf_add(&background, line, n);
	strbuf_addc(&background, '\n');
}

/* A script, made anew. */
static const char *script(const char *text)
{
	static unsigned int n;
	_cleanup_free_ char *name = xasprintf("script-%u", n++);
	_cleanup_free_ char *whole = xasprintf("#!/bin/sh\n%s\n", text);

	tempdir_write(name, whole);
	if (fchmodat(tempdir.fd, name, 0755, 0) < 0)
		bail("chmod %s: %s", name, strerror(errno));
	return tempdir_path("%s", name);
}

static void prepare(struct ran *a, const char *path)
{
	*a = (struct ran){.err = TH_ERR_INIT};
	a->hook = hook_new("10-test", path, HOOK_FROM_SYSTEM);
	a->hook->size = 7;
	a->hook->mtime = 1700000000 * USEC_PER_SEC;
	hook_settings_init(&a->hook->settings, 10 * USEC_PER_SEC, USEC_PER_SEC);
	strv_add(&a->env, "PATH=/usr/local/bin:/usr/bin:/bin");
	strv_addf(&a->env, "DIR=%s", tempdir.path);
	a->r = (struct hook_run){
		.runner = runner,
		.loop = loop,
		.hook = a->hook,
		.point = POINT_PRE_START,
		.env = &a->env,
		.cwd = tempdir.path,
		.cgroup_fd = cgroup,
		.line = on_line,
		.line_arg = a,
		.deadline = USEC_INFINITY,
	};
}

static void run(struct ran *a)
{
	usec_t start = clock_monotonic_usec();

	a->result = hook_run(&a->r, &a->err);
	a->took = clock_monotonic_usec() - start;
	if (a->result < 0)
		diag("%s", err_text(&a->err));
}

/* Since Linux 6.14 one that was killed kills what is started in it later, so a new one is taken. */
static void next_cgroup(void)
{
	static unsigned int n;
	_cleanup_free_ char *name = xasprintf("hook-%u", n++);

	fd_close(cgroup);
	cgroup = cgroup_make(cgroup_base, name, CGTEST_MARK, NULL, NULL);
	if (cgroup < 0)
		bail("cgroup_make: %s", strerror(-cgroup));
}

/* What is left of it is killed first. */
static void finish(struct ran *a)
{
	bool kill_it = a->r.tree.pid != 0 && proctree_populated(&a->r.tree);

	if (kill_it)
		(void)proctree_kill(&a->r.tree, cgtest_in(5 * USEC_PER_SEC));
	is_int(proctree_wait_empty(&a->r.tree, cgtest_in(10 * USEC_PER_SEC)), 0, "nothing is left");
	proctree_done(&a->r.tree);
	if (cgroup >= 0 && (kill_it || a->r.killed))
		next_cgroup();
	hook_run_done(&a->r);
	hook_free(a->hook);
	strv_done(&a->env);
	strbuf_done(&a->lines);
	err_clear(&a->err);
}

static void run_path(struct ran *a, const char *path)
{
	prepare(a, path);
	run(a);
}

static void run_script(struct ran *a, const char *text)
{
	run_path(a, script(text));
}

static bool alive(pid_t pid)
{
	char state = 'X';

	return proc_state(pid, &state, NULL) == 0 && state != 'Z' && state != 'X';
}

static pid_t read_pid(const char *name)
{
	_cleanup_free_ char *text = NULL;

	if (file_read_at(tempdir.fd, name, 0, 100, &text, NULL) < 0)
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

/* ---- checks ---- */

static void check_success(void)
{
	struct ran a;
	_cleanup_free_ char *expected = NULL;
	mode_t old = umask(077);

	prepare(&a, script("echo out; echo err >&2; echo \"$0 $1 $#\"; pwd -P; umask; exec ls "
			   "/proc/self/fd; "));
	run(&a);
	(void)umask(old);
	is_int(a.result, 0, "a hook is run");
	ok(!a.r.failed && !a.r.not_started && !a.r.timed_out && !a.r.interrupted && !a.r.killed &&
			!a.r.given_up && !a.r.children_left,
		"and all is well");
	is_int(a.r.exit_code, 0, "exit status 0");
	is_int(a.r.exit_signal, 0, "no signal");
	is_str(a.r.reason, NULL, "no reason is needed");
	/* ls itself opens the directory it lists. */
	expected = xasprintf(
		"out\nerr\n%s pre-start 1\n%s\n0022\n0\n1\n2\n3\n", a.hook->path, tempdir.path);
	is_str(a.lines.s, expected, "output of both streams, $0, argv, cwd, umask and fds");
	is_str(a.r.last_line, "3", "the last line");
	is_uint(a.r.output_bytes, strlen(expected), "all bytes are counted");
	is_uint(a.r.output_dropped, 0, "none is dropped");
	ok(a.r.duration > 0 && a.r.duration <= a.took, "the duration");
	finish(&a);

	run_script(&a, "read -r x; echo \"$? $x\"; echo \"$DIR\"; ps -o pid=,sid= -p $$ | "
		       "{ read -r p s; [ $p = $s ] && echo leader; }; env | grep -c .");
	expected = (free(expected), xasprintf("1 \n%s\nleader\n", tempdir.path));
	ok(a.lines.len > 0 && str_starts_with(a.lines.s, expected),
		"empty stdin, its environment, its own session");
	finish(&a);
}

static void check_failures(void)
{
	_cleanup_free_ char *end_by = helper_path("end-by");
	_cleanup_free_ char *text = xasprintf("exec %s signal 11", end_by);
	struct ran a;

	run_script(&a, "echo what is wrong; echo '  '; exit 3");
	ok(a.r.failed && !a.r.not_started, "a hook that fails");
	is_int(a.r.exit_code, 3, "with its status");
	is_str(a.r.reason, "exit status 3", "and the reason");
	is_str(a.r.last_line, "what is wrong", "and its last words");
	finish(&a);

	run_script(&a, text);
	ok(a.r.failed, "a hook that crashes");
	is_int(a.r.exit_code, -1, "has no status");
	is_int(a.r.exit_signal, 11, "but a signal");
	is_str(a.r.reason, "killed by SIGSEGV", "and the reason");
	finish(&a);
}

static void cannot_start(const char *path, const char *why)
{
	struct ran a;

	run_path(&a, path);
	is_int(a.result, 0, "%s", why);
	ok(a.r.failed && a.r.not_started, "is not started, and failed");
	contains(a.r.reason, why, "and why");
	is_int(a.r.exit_code, -1, "without a status");
	finish(&a);
}

static void check_not_started(void)
{
	struct ran a;

	tempdir_write("no-interpreter", "#!/nowhere/sh\n");
	tempdir_write("empty", "");
	tempdir_write("no-shebang", "echo hello\n");
	tempdir_write("no-x", "#!/bin/sh\n");
	if (chmod(tempdir_path("no-interpreter"), 0755) < 0 ||
		chmod(tempdir_path("empty"), 0755) < 0 ||
		chmod(tempdir_path("no-shebang"), 0755) < 0)
		bail("chmod: %s", strerror(errno));
	cannot_start(
		tempdir_path("no-interpreter"), "its interpreter '/nowhere/sh' does not exist");
	cannot_start(tempdir_path("empty"), "it is empty");
	cannot_start(tempdir_path("no-shebang"), "it has no '#!' line and is no program");
	cannot_start(tempdir_path("no-x"), "it is not executable");
	cannot_start(tempdir_path("missing"), "No such file or directory");
	cannot_start(tempdir.path, "it is a directory");

	prepare(&a, script("exit 0"));
	a.r.cwd = tempdir_path("missing");
	run(&a);
	ok(a.r.not_started, "without its directory it is not started");
	contains(a.r.reason, "cannot enter '", "and why");
	finish(&a);
}

static void check_stdin(void)
{
	_cleanup_free_ char *data = xmalloc(300000);
	struct ran a;

	memset(data, 'x', 300000);
	prepare(&a, script("wc -c; wc -c </dev/stdin"));
	a.r.stdin_data = data;
	a.r.stdin_size = 300000;
	run(&a);
	is_str(a.lines.s, "300000\n300000\n", "the record on stdin, which can be opened again");
	finish(&a);

	prepare(&a, script("exec <&-; exit 0"));
	a.r.stdin_data = data;
	a.r.stdin_size = 300000;
	run(&a);
	ok(!a.r.failed, "a hook need not read it");
	finish(&a);
}

static void check_output(void)
{
	_cleanup_free_ char *fill = helper_path("fill-pipe");
	_cleanup_free_ char *much = xasprintf("%s 3145728; echo the end", fill);
	_cleanup_free_ char *endless = xasprintf("exec %s 0", fill);
	struct ran a;
	size_t longest = 0;

	run_script(&a, "printf 'no newline'");
	is_str(a.lines.s, "no newline\n", "a last line without a newline");
	finish(&a);

	run_script(&a, "printf 'a\\000b\\n\\n\\033[31mred\\n'");
	is_uint(a.lines.len, 4 + 1 + 9, "bytes are handed over as they are");
	is_str(a.r.last_line, "\\x1B[31mred", "and escaped in the last line");
	finish(&a);

	run_script(&a, "head -c 10000 /dev/zero | tr '\\0' x; echo; echo next");
	for (const char *p = a.lines.s; p && *p;) {
		size_t n = strcspn(p, "\n");

		longest = MAX(longest, n);
		p += n + (p[n] == '\n');
	}
	is_uint(longest, HOOK_OUTPUT_LINE_MAX, "a long line comes in pieces");
	contains(a.lines.s, "x\nnext\n", "and ends where it ends");
	finish(&a);

	run_script(&a, much);
	ok(!a.r.failed, "much output stalls nobody");
	is_uint(a.r.output_bytes, 3145728 + 8, "it is all read");
	ok(a.lines.len <= HOOK_OUTPUT_MAX + 200, "not more is handed over than is allowed");
	is_uint(a.r.output_dropped, 3145728 + 8 - HOOK_OUTPUT_MAX, "the rest is counted");
	contains(a.lines.s, "bytes of output were dropped here", "and told");
	is_str(a.r.last_line, "the end", "the last line is known nevertheless");
	finish(&a);

	prepare(&a, script(endless));
	a.hook->settings.timeout = 200 * USEC_PER_MSEC;
	run(&a);
	ok(a.r.timed_out, "endless output does not outlive the timeout");
	ok(a.took < 5 * USEC_PER_SEC, "by much");
	finish(&a);
}

/* Keeps the loop from reading until the hook has ended. */
static void wait_for_end(void *arg)
{
	const struct ran *a = arg;

	if (!helper_wait_for(!alive(a->r.tree.pid)))
		diag("the hook did not end");
}

static void check_drain(void)
{
	_cleanup_free_ char *fill = helper_path("fill-pipe");
	_cleanup_free_ char *text = xasprintf("sleep 0.05; exec %s 60000 60000", fill);
	struct loop_timer timer = {.active = false};
	struct ran a;

	prepare(&a, script(text));
	loop_set_timer(loop, &timer, cgtest_in(20 * USEC_PER_MSEC), wait_for_end, &a);
	run(&a);
	is_uint(a.r.output_bytes, 60000, "what is in the pipe at the end is read");
	finish(&a);
	loop_clear_timer(loop, &timer);
}

static void check_timeouts(void)
{
	_cleanup_free_ char *ignore = helper_path("ignore-term");
	_cleanup_free_ char *daemonize = helper_path("daemonize");
	_cleanup_free_ char *stubborn =
		xasprintf("%s ignore >$DIR/daemon; setsid %s & echo $! >$DIR/session; exec %s",
			daemonize, ignore, ignore);
	struct ran a;

	prepare(&a,
		script("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"));
	a.hook->settings.timeout = 300 * USEC_PER_MSEC;
	run(&a);
	ok(a.r.failed && a.r.timed_out && !a.r.killed, "SIGTERM at the timeout");
	contains(a.lines.s, "bye\n", "can be answered");
	is_str(a.r.reason, "timed out after 0.3s", "and the reason");
	is_int(a.r.exit_code, 0, "its status is told too");
	ok(a.took >= 300 * USEC_PER_MSEC, "not before its time");
	finish(&a);

	prepare(&a, script(stubborn));
	a.hook->settings.timeout = 300 * USEC_PER_MSEC;
	a.hook->settings.kill_after = 200 * USEC_PER_MSEC;
	run(&a);
	ok(a.r.timed_out && a.r.killed && !a.r.given_up && !a.r.children_left,
		"what ignores SIGTERM is killed");
	is_int(a.r.exit_signal, 9, "by SIGKILL");
	ok(read_pid("daemon") > 1 && !alive(read_pid("daemon")), "a daemon of it too");
	ok(read_pid("session") > 1 && !alive(read_pid("session")), "and another session");
	ok(a.took >= 500 * USEC_PER_MSEC && a.took < 5 * USEC_PER_SEC, "after kill-after");
	finish(&a);

	/* The main process obeys, a child needs a moment of the time that kill-after grants. */
	prepare(&a, script("(trap 'sleep 0.2; echo saved; exit 0' TERM; echo up; "
			   "while :; do sleep 0.05; done) & exec sleep 30"));
	a.hook->settings.timeout = 1500 * USEC_PER_MSEC;
	a.hook->settings.kill_after = 5 * USEC_PER_SEC;
	run(&a);
	ok(a.r.timed_out && !a.r.killed, "all of the tree may end politely");
	contains(a.lines.s, "saved\n", "within kill-after");
	finish(&a);

	prepare(&a, script("kill -STOP $$; echo woken"));
	a.hook->settings.timeout = 200 * USEC_PER_MSEC;
	run(&a);
	ok(a.r.timed_out && !a.r.killed, "a hook that is stopped gets its SIGTERM");
	finish(&a);

	prepare(&a, script("sleep 30"));
	a.r.deadline = cgtest_in(200 * USEC_PER_MSEC);
	run(&a);
	ok(a.r.timed_out && a.took < 5 * USEC_PER_SEC, "total-timeout ends a hook as well");
	contains(a.r.reason, "total-timeout of pre-start is used up", "and is told");
	finish(&a);

	prepare(&a, script("echo never"));
	a.r.deadline = clock_monotonic_usec();
	run(&a);
	ok(a.r.not_started && a.r.timed_out && a.r.failed, "without time left it is not started");
	contains(a.r.reason, "not started: total-timeout", "and why");
	is_str(a.lines.s, NULL, "it did nothing");
	finish(&a);
}

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

static void check_interrupt(void)
{
	struct loop_timer timer = {.active = false};
	bool interrupt = false;
	struct ran a;

	prepare(&a, script("sleep 30"));
	a.r.interrupt = &interrupt;
	loop_set_timer(loop, &timer, cgtest_in(100 * USEC_PER_MSEC), set_flag, &interrupt);
	run(&a);
	ok(interrupt, "the loop is served while a hook runs");
	ok(a.r.interrupted && a.r.failed && !a.r.timed_out, "and can interrupt it");
	is_str(a.r.reason, "interrupted", "which is the reason");
	ok(a.took < 5 * USEC_PER_SEC, "at once");
	finish(&a);

	prepare(&a, script("echo never"));
	a.r.interrupt = &interrupt;
	run(&a);
	ok(a.r.interrupted && a.r.not_started, "then none is started any more");
	is_str(a.lines.s, NULL, "nothing is done");
	finish(&a);
}

static bool serve_until_line(const char *line)
{
	usec_t until = cgtest_in(10 * USEC_PER_SEC);

	while (clock_monotonic_usec() < until) {
		if (background.s && strstr(background.s, line))
			return true;
		if (loop_run(loop, until) < 0)
			return false;
	}
	return false;
}

static void check_children(void)
{
	_cleanup_free_ char *ignore = helper_path("ignore-term");
	_cleanup_free_ char *failing = xasprintf("%s & echo $! >$DIR/left; exit 1", ignore);
	struct ran a;
	pid_t pid;

	/* It keeps the pipe, says something later, and must not be ended by that. */
	run_script(&a, "(while [ ! -e $DIR/go ]; do sleep 0.01; done; echo first; echo second; "
		       "exec sleep 60) & echo $! >$DIR/left; echo started");
	ok(!a.r.failed, "a hook that leaves a child behind succeeds");
	ok(a.took < 5 * USEC_PER_SEC, "at once, though its pipe is open");
	ok(a.r.children_left && !a.r.given_up, "and that is reported");
	is_str(a.lines.s, "started\n", "with its own output");
	pid = read_pid("left");
	ok(alive(pid), "the child lives");
	tempdir_write("go", "");
	ok(serve_until_line("second\n"), "what it says later is heard");
	is_str(background.s, "[pre-start/10-test] first\n[pre-start/10-test] second\n",
		"under the name of its hook");
	ok(alive(pid), "and does not end it");
	finish(&a);
	ok(!alive(pid), "it ends with its tree");
	strbuf_reset(&background);

	run_script(&a, failing);
	ok(a.r.failed && a.r.killed && !a.r.children_left, "what a failing hook leaves is killed");
	is_str(a.r.reason, "exit status 1", "without changing the reason");
	ok(read_pid("left") > 1 && !alive(read_pid("left")), "at once");
	finish(&a);

	run_script(&a, "(sleep 0.003) &");
	ok(!a.r.children_left, "a straggler of a few milliseconds is no background");
	finish(&a);

	prepare(&a, script("sleep 60 & echo $! >$DIR/left"));
	a.r.runner = NULL;
	run(&a);
	ok(a.r.children_left, "a background without a runner");
	ok(alive(read_pid("left")), "lives as well");
	finish(&a);
}

static void check_user(void)
{
	struct cred cred = {.uid = 65534, .gid = 65533};
	gid_t groups[] = {65532};
	struct ran a;

	if (geteuid() != 0) {
		skip(3, "needs root: a hook of another user");
		return;
	}
	if (chmod(tempdir.path, 0755) < 0)
		bail("chmod: %s", strerror(errno));
	cred.groups = groups;
	cred.n_groups = 1;
	prepare(&a, script("id -u; id -g; id -G; cat"));
	a.r.cred = &cred;
	a.r.stdin_data = "record\n";
	a.r.stdin_size = 7;
	run(&a);
	is_str(a.lines.s, "65534\n65533\n65533 65532\nrecord\n", "user, group, groups, its stdin");
	ok(!a.r.failed, "and all is well");
	finish(&a);
	(void)chmod(tempdir.path, 0700);
}

static void check_account(void)
{
	struct ran a;
	usec_t busy;

	run_script(&a, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
	busy = a.r.cpu_usec;
	ok(busy > 5 * USEC_PER_MSEC && busy < 10 * USEC_PER_SEC, "its CPU time is known");
	finish(&a);
	run_script(&a, "exit 0");
	ok(a.r.cpu_usec > 0 && a.r.cpu_usec < busy, "and is not added to that of the next");
	finish(&a);
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void check_json(void)
{
	struct ran a;
	struct hook *h;
	json_t *j;

	run_script(&a, "printf 'bad \\377 byte\\n'; exit 3");
	j = hook_run_to_json(&a.r, 2);
	is_int(json_integer_value(json_object_get(j, "format")), 1, "the format");
	is_str(text_of(j, "point"), "pre-start", "point");
	is_str(text_of(j, "name"), "10-test", "name");
	is_str(text_of(j, "path"), a.hook->path, "path");
	is_int(json_integer_value(json_object_get(j, "size")), 7, "size");
	is_str(text_of(j, "mtime"), "2023-11-14T22:13:20.000Z", "mtime");
	is_str(text_of(j, "verdict"), "run", "verdict");
	is_int(json_integer_value(json_object_get(j, "attempt")), 2, "attempt");
	is_int(json_integer_value(json_object_get(j, "exit_code")), 3, "exit_code");
	ok(!json_object_get(j, "signal"), "no signal");
	is_str(text_of(j, "reason"), "exit status 3", "reason");
	is_str(text_of(j, "last_line"), "bad \\xFF byte", "last_line, made fit for JSON");
	ok(json_is_false(json_object_get(j, "timed_out")) &&
			json_is_false(json_object_get(j, "interrupted")) &&
			json_is_false(json_object_get(j, "not_started")) &&
			json_is_false(json_object_get(j, "children_left")),
		"what did not happen");
	ok(json_is_integer(json_object_get(j, "duration_ms")) &&
			json_is_real(json_object_get(j, "cpu_ms")),
		"duration_ms and cpu_ms");
	is_int(json_integer_value(json_object_get(j, "output_bytes")), 11, "output_bytes");
	is_int(json_integer_value(json_object_get(j, "output_dropped")), 0, "output_dropped");
	ok(text_of(j, "time") && strlen(text_of(j, "time")) == 24, "time");
	json_decref(j);
	finish(&a);

	run_script(&a, "kill -USR1 $$");
	j = hook_run_to_json(&a.r, 1);
	is_str(text_of(j, "signal"), "SIGUSR1", "a signal by its name");
	ok(!json_object_get(j, "exit_code"), "and no exit_code");
	json_decref(j);
	finish(&a);

	h = hook_new("bad\377name", "/h/bad\377name", HOOK_FROM_SYSTEM);
	h->verdict = HOOK_UNSAFE;
	h->reason = xstrdup("writable");
	h->fix = xstrdup("chmod go-w /h");
	j = hook_skip_to_json(h, POINT_POST_STOP);
	is_str(text_of(j, "name"), "bad\\xFFname", "a name that is no UTF-8");
	is_str(text_of(j, "verdict"), "unsafe", "the verdict");
	is_str(text_of(j, "reason"), "writable", "the reason");
	is_str(text_of(j, "fix"), "chmod go-w /h", "and the fix");
	json_decref(j);
	hook_free(h);
}

static int count_fds(void)
{
	return count_entries("/proc/self/fd");
}

static void check_all(const char *kind)
{
	int fds;

	diag("%s", kind);
	loop = loop_new();
	runner = hook_runner_new(loop, on_background, NULL);
	check_success();
	fds = count_fds();
	check_failures();
	check_not_started();
	check_stdin();
	check_output();
	check_drain();
	check_timeouts();
	check_interrupt();
	check_user();
	check_account();
	check_json();
	is_int(count_fds(), fds, "no file descriptor is left open");
	check_children();
	runner = hook_runner_free(runner);
	loop = loop_free(loop);
	for (int i = 0; i < 3; i++)
		(void)unlinkat(tempdir.fd, (const char *[]){"go", "left", "daemon"}[i], 0);
}

static void run_checks(int base)
{
	tempdir_make();
	if (!helper_has_pidfd()) {
		skip(1, "no pidfd_open here");
		return;
	}
	if (base < 0) {
		skip(1, "hooks in a cgroup: %s", cgtest_why);
	} else {
		cgroup_base = base;
		next_cgroup();
		check_all("in a cgroup");
		cgroup = fd_close(cgroup);
		cgroup = -1;
	}
	check_all("with keepers");
	strbuf_done(&background);
}

int main(void)
{
	return cgtest_main(run_checks);
}
