#include "config.h"

#include "os/proctree.h"

#include "os/proc.h"
#include "tests/unit/cgtest.h"
#include "tests/unit/helper.h"
#include "tests/unit/tempdir.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#define SOON usec_add(clock_monotonic_usec(), HELPER_PATIENCE)

static const char *kind;
static int cgroup = -1; /* of this kind's trees; -1: keepers */

/* A tree of the helper in argv[0], its stdout in *ret_out. */
static struct proctree start(char *const argv[], bool die_with_parent, int *ret_out)
{
	_cleanup_free_ char *path = helper_path(argv[0]);
	char *envp[] = {NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct proctree t = PROCTREE_INIT;
	enum spawn_step step = SPAWN_OK;
	int fds[2], r;

	if (fd_pipe(fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	spec.path = path;
	spec.argv = argv;
	spec.envp = envp;
	spec.fds[1] = fds[1];
	spec.die_with_parent = die_with_parent;
	r = proctree_start(&t, cgroup, &spec, &step);
	if (r < 0)
		bail("%s: cannot %s: %s", path, spawn_step_name(step), strerror(-r));
	(void)close(fds[1]);
	*ret_out = fds[0];
	return t;
}

static bool wait_exit(struct proctree *t)
{
	struct pollfd p = {.fd = t->exit_fd, .events = POLLIN};

	return poll(&p, 1, (int)(HELPER_PATIENCE / USEC_PER_MSEC)) == 1 && proctree_reap(t) == 1;
}

static void finish(struct proctree *t, int out)
{
	is_int(proctree_kill(t, SOON), 0, "%s: killed", kind);
	is_int(proctree_wait_empty(t, SOON), 0, "%s: nothing is left", kind);
	is_int(proctree_populated(t), 0, "%s: it is not populated", kind);
	if (!t->reaped)
		ok(wait_exit(t), "%s: its end was told", kind);
	proctree_done(t);
	(void)close(out);
}

static void test_exit(void)
{
	char name[] = "end-by", how[] = "exit", n[] = "7", *argv[] = {name, how, n, NULL};
	char by_signal[] = "signal", *argv_signal[] = {name, by_signal, n, NULL};
	int fds = count_entries("/proc/self/fd"), out;
	struct proctree t = start(argv, false, &out);

	ok(t.pid > 0 && t.pidfd >= 0 && t.exit_fd >= 0, "%s: a process", kind);
	is_int(t.keeper > 0, cgroup < 0, "%s: a keeper only without a cgroup", kind);
	ok(wait_exit(&t), "%s: its end is told", kind);
	ok(WIFEXITED(t.wait_status) && WEXITSTATUS(t.wait_status) == 7, "%s: it exited with 7",
		kind);
	ok(t.usage.ru_maxrss > 0, "%s: with what it used", kind);
	is_int(proctree_reap(&t), 1, "%s: asked again, the same", kind);
	is_int(proctree_signal(&t, SIGTERM), -ESRCH, "%s: it takes no signal now", kind);
	is_int(proctree_wait_empty(&t, SOON), 0, "%s: nothing is left", kind);
	is_int(proctree_populated(&t), 0, "%s: not populated", kind);
	is_int(proctree_kill(&t, SOON), 0, "%s: nothing to kill is fine", kind);
	is_int(proctree_signal_all(&t, SIGTERM), 0, "%s: nothing to signal is fine", kind);
	is_int(proctree_list(&t, NULL, 0), 0, "%s: an empty list", kind);
	proctree_done(&t);
	proctree_done(&t);
	(void)close(out);

	t = start(argv_signal, false, &out);
	ok(wait_exit(&t) && WIFSIGNALED(t.wait_status) && WTERMSIG(t.wait_status) == 7,
		"%s: ended by signal 7", kind);
	is_int(proctree_wait_empty(&t, SOON), 0, "%s: nothing is left of it", kind);
	proctree_done(&t);
	(void)close(out);
	is_int(count_entries("/proc/self/fd"), fds, "%s: no fd is left", kind);
	ok(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD, "%s: no child is left",
		kind);
}

static void test_failure(void)
{
	int fds = count_entries("/proc/self/fd");
	char *argv[] = {NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct proctree t = PROCTREE_INIT;
	enum spawn_step step = SPAWN_OK;

	spec.path = "/nonexistent";
	spec.argv = spec.envp = argv;
	is_int(proctree_start(&t, cgroup, &spec, &step), -ENOENT, "%s: no such program", kind);
	is_str(spawn_step_name(step), "execute", "%s: the step", kind);
	ok(t.pid == 0 && t.keeper == 0 && t.exit_fd < 0, "%s: nothing is set", kind);
	spec.path = "/bin/sh";
	spec.cwd = "/nonexistent";
	is_int(proctree_start(&t, cgroup, &spec, &step), -ENOENT, "%s: no such directory", kind);
	is_int((int)step, SPAWN_CHDIR, "%s: the step", kind);
	ok(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD, "%s: no child is left",
		kind);
	is_int(count_entries("/proc/self/fd"), fds, "%s: no fd is left", kind);
	proctree_done(&t);
}

/* The main process ends at once, a daemon stays. */
static void test_daemon(void)
{
	char name[] = "daemonize", c[] = "close", i[] = "ignore", *argv[] = {name, c, i, NULL};
	int out;
	struct proctree t = start(argv, false, &out);
	_cleanup_free_ char *text = helper_read(out, NULL);
	pid_t daemon = (pid_t)helper_number(text, ""), pids[8] = {0};
	uint64_t ticks = 0;

	ok(daemon > 0, "%s: a daemon has left its pipe: nobody else holds it", kind);
	ok(wait_exit(&t) && t.wait_status == 0, "%s: the main process has ended", kind);
	is_int(proctree_populated(&t), 1, "%s: the tree is populated", kind);
	is_int(proctree_wait_empty(&t, usec_add(clock_monotonic_usec(), 2000)), -ETIMEDOUT,
		"%s: it does not become empty", kind);
	is_int(proctree_list(&t, pids, ARRAY_SIZE(pids)), 1, "%s: one is listed", kind);
	is_int(pids[0], daemon, "%s: the daemon", kind);
	is_int(proctree_signal_all(&t, SIGTERM), 0, "%s: a signal for all", kind);
	is_int(proc_start_time(daemon, &ticks), 0, "%s: which it ignores", kind);
	finish(&t, out);
	ok(!proc_is_alive(daemon, ticks), "%s: the daemon is dead", kind);
}

static void test_stubborn(void)
{
	char name[] = "ignore-term", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, false, &out);
	_cleanup_free_ char *text = helper_read(out, "ready");

	contains(text, "ready", "%s: a process that ignores SIGTERM", kind);
	ok(t.start_ticks > 0 && proc_is_alive(t.pid, t.start_ticks), "%s: told by its start", kind);
	is_int(proctree_signal(&t, SIGTERM), 0, "%s: a signal for it alone", kind);
	is_int(proctree_reap(&t), 0, "%s: it runs on", kind);
	is_int(proctree_populated(&t), 1, "%s: populated", kind);
	finish(&t, out);
	ok(WIFSIGNALED(t.wait_status) || t.pid == 0, "%s: it was killed", kind);
}

/* What the keeper leaves as it is: the same as without one. */
static void test_environment(void)
{
	char name[] = "show-self", w[] = "wait", *argv[] = {name, w, NULL};
	int out;
	struct proctree t = start(argv, true, &out);
	_cleanup_free_ char *text = helper_read(out, "end"), *sid = helper_line(text, "sid ");
	_cleanup_free_ char *pid = helper_line(text, "pid "),
			    *blocked = helper_line(text, "blocked");
	_cleanup_free_ char *death = helper_line(text, "death-signal "),
			    *fd3 = helper_line(text, "fd 3 "), *fd4 = helper_line(text, "fd 4 ");

	is_int(helper_number(text, "pid "), t.pid, "%s: its pid", kind);
	is_str(sid, pid, "%s: its own session", kind);
	is_str(blocked, "", "%s: no signal is blocked", kind);
	is_str(death, "9", "%s: it dies with its parent", kind);
	ok(!fd3 && !fd4, "%s: it has no other fd", kind);
	is_int(helper_number(text, "ppid "), t.keeper ? t.keeper : getpid(), "%s: its parent",
		kind);
	finish(&t, out);
}

static bool all_in_state(const struct proctree *t, const char *states)
{
	pid_t pids[8];
	int n = proctree_list(t, pids, ARRAY_SIZE(pids));

	for (int i = 0; i < n && i < 8; i++) {
		char state = 0;

		if (proc_state(pids[i], &state, NULL) < 0 || !strchr(states, state))
			return false;
	}
	return n > 0;
}

static void test_freeze(void)
{
	char name[] = "daemonize", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, false, &out);

	ok(wait_exit(&t), "%s: a daemon alone", kind);
	is_int(proctree_freeze(&t, true), 0, "%s: freeze", kind);
	if (cgroup < 0)
		ok(helper_wait_for(all_in_state(&t, "T")), "%s: all are stopped", kind);
	is_int(proctree_freeze(&t, false), 0, "%s: let run", kind);
	ok(helper_wait_for(all_in_state(&t, "SR")), "%s: all run", kind);
	is_int(proctree_freeze(&t, true), 0, "%s: freeze again", kind);
	finish(&t, out);
}

static void test_bomb(void)
{
	char name[] = "fork-bomb", n[] = "40", *argv[] = {name, n, NULL};
	int out;
	struct proctree t = start(argv, false, &out);
	_cleanup_free_ char *text = helper_read(out, "ready");
	pid_t pids[30];
	usec_t begin;

	contains(text, "ready", "%s: a fork bomb of 40", kind);
	ok(helper_wait_for(proctree_list(&t, pids, ARRAY_SIZE(pids)) == ARRAY_SIZE(pids)),
		"%s: it has gone off", kind);
	begin = clock_monotonic_usec();
	finish(&t, out);
	diag("%s: killed in %u ms", kind, (unsigned)((clock_monotonic_usec() - begin) / 1000));
}

static void test_kind(const char *name, int cgroup_fd)
{
	kind = name;
	cgroup = cgroup_fd;
	test_exit();
	test_failure();
	test_daemon();
	test_stubborn();
	test_environment();
	test_freeze();
	test_bomb();
}

/* ---- keepers only --------------------------------------------------------------------------- */

/*
 * A process that starts a tree and is killed. Returns its keeper, and what a process of the tree
 * printed.
 */
static pid_t lose_parent(char *const argv[], bool die_with_parent, uint64_t *ret_start,
	char **ret_text, int *ret_out)
{
	int report[2];
	struct {
		pid_t keeper;
		uint64_t start;
		int out;
	} found = {0};
	pid_t pid;

	if (fd_pipe(report, 0) < 0)
		bail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		int out;
		struct proctree t = start(argv, die_with_parent, &out);

		/* Read by the test, which outlives us: through /proc, as the fd is ours. */
		found.keeper = t.keeper;
		found.start = t.keeper_start_ticks;
		found.out = out;
		(void)!write(report[1], &found, sizeof(found));
		for (;;)
			(void)pause();
	}
	(void)close(report[1]);
	if (fd_read_full(report[0], &found, sizeof(found)) == (ssize_t)sizeof(found)) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/fd/%d", (int)pid, found.out);

		*ret_out = open(path, O_RDONLY | O_CLOEXEC);
		*ret_text = helper_read(*ret_out, "end");
	}
	(void)close(report[0]);
	(void)kill(pid, SIGKILL);
	(void)wait_child(pid);
	*ret_start = found.start;
	return found.keeper;
}

static void test_parent_dies(void)
{
	char name[] = "show-self", w[] = "wait", *argv[] = {name, w, NULL};
	_cleanup_free_ char *text = NULL, *text_kept = NULL;
	uint64_t start_ticks = 0;
	int out = -1;
	pid_t keeper = lose_parent(argv, true, &start_ticks, &text, &out);

	contains(text, "\nend\n", "a tree whose supervisor is killed");
	ok(helper_wait_for(!proc_is_alive(keeper, start_ticks)), "is killed, and the keeper ends");
	is_int(kill((pid_t)helper_number(text, "pid "), 0), -1, "nothing is left of it");
	is_int(proctree_kill_keeper(keeper, start_ticks, SOON), -ESRCH, "nor to kill");
	(void)close(out);

	keeper = lose_parent(argv, false, &start_ticks, &text_kept, &out);
	contains(text_kept, "\nend\n", "a tree that is to outlive its supervisor");
	ok(proc_is_alive(keeper, start_ticks), "its keeper lives");
	is_int(kill((pid_t)helper_number(text_kept, "pid "), 0), 0, "its process lives");
	is_int(proctree_kill_keeper(keeper, start_ticks + 1, SOON), -ESRCH,
		"another process of that pid is left alone");
	is_int(proctree_kill_keeper(keeper, start_ticks, SOON), 0,
		"it can be killed by its record");
	ok(!proc_is_alive(keeper, start_ticks), "the keeper has ended");
	is_int(kill((pid_t)helper_number(text_kept, "pid "), 0), -1, "and its process");
	(void)close(out);
}

static void test_keeper_survives(void)
{
	char name[] = "daemonize", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, false, &out), done;
	char state = 0;

	ok(wait_exit(&t), "a daemon below a keeper");
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGCONT)
			(void)kill(t.keeper, sig);
	ok(helper_wait_for(proc_state(t.keeper, &state, NULL) == 0 && state == 'S'),
		"the keeper outlives every signal that it may block");
	is_int(proctree_populated(&t), 1, "and so does its tree");
	ok(getsid(t.keeper) == t.keeper, "it is in a session of its own");
	done = t;
	proctree_done(&t);
	/* It has read the message by then: it would otherwise take the end of the channel for our
	 * death. */
	ok(helper_wait_for(proc_state(done.keeper, &state, NULL) == 0 && state == 'S') &&
			proc_descendants(done.keeper, NULL, 0) == 1,
		"done: the tree goes on");
	is_int(proctree_kill_keeper(done.keeper, done.keeper_start_ticks, SOON), 0,
		"until it is killed");
	(void)waitpid(done.keeper, NULL, 0);
	(void)close(out);
}

static void test_done_with_mortal(void)
{
	char name[] = "daemonize", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, true, &out);
	pid_t keeper = t.keeper;
	uint64_t start_ticks = t.keeper_start_ticks;
	struct pollfd p = {0};

	ok(wait_exit(&t), "a daemon that is to die with its supervisor");
	proctree_done(&t);
	p.fd = out;
	/* The daemon's line, then nothing: its end would be the pipe's. */
	(void)!read(out, &(char[16]){0}, 16);
	is_int(poll(&p, 1, 300), 0, "is not killed by proctree_done()");
	is_int(proctree_kill_keeper(keeper, start_ticks, SOON), 0, "kill it");
	(void)waitpid(keeper, NULL, 0);
	(void)close(out);
}

static void test_keeper_killed(void)
{
	char name[] = "ignore-term", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, false, &out);
	_cleanup_free_ char *text = helper_read(out, "ready"), *rest = NULL;

	contains(text, "ready", "a process below a keeper");
	(void)kill(t.keeper, SIGKILL);
	ok(wait_exit(&t), "a keeper that somebody killed");
	ok(WIFSIGNALED(t.wait_status) && WTERMSIG(t.wait_status) == SIGKILL,
		"the main process counts as killed");
	rest = helper_read(out, NULL);
	is_str(rest, "\n", "and is");
	is_int(proctree_wait_empty(&t, SOON), 0, "nothing to wait for");
	proctree_done(&t);
	(void)close(out);
}

static void test_unreaped(void)
{
	char name[] = "ignore-term", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, false, &out);
	_cleanup_free_ char *text = helper_read(out, "ready"), *comm = proc_comm(t.keeper);
	_cleanup_free_ char *fd_dir = xasprintf("/proc/%d/fd", (int)t.keeper);

	contains(text, "ready", "another process below a keeper");
	is_str(comm, "taskhook-keeper", "a keeper goes by its name");
	ok(helper_wait_for(count_entries(fd_dir) <= 5), "it holds its channel and no more: %d fds",
		count_entries(fd_dir));
	finish(&t, out);
}

/* As another process would, which knows it from a record. */
static void test_adopted(void)
{
	char name[] = "ignore-term", *argv[] = {name, NULL};
	int out;
	struct proctree t = start(argv, false, &out);
	_cleanup_free_ char *text = helper_read(out, "ready");
	struct proctree other = PROCTREE_INIT;

	contains(text, "ready", "a process below a keeper, to be adopted");
	other.pid = t.pid;
	other.start_ticks = t.start_ticks + 1;
	other.keeper = t.keeper;
	other.keeper_start_ticks = t.keeper_start_ticks;
	is_int(proctree_adopt(&other, -1), -ESRCH, "a later owner of its pid is not it");
	other.start_ticks = t.start_ticks;
	is_int(proctree_adopt(&other, -1), 0, "it is found again");
	is_int(proctree_reap(&other), 0, "it runs");
	is_int(proctree_populated(&other), 1, "and is seen");
	is_int(proctree_signal(&other, SIGKILL), 0, "a signal reaches it");
	ok(wait_exit(&other), "its end is told");
	if (other.status_unknown)
		skip(1, "this kernel does not tell how a stranger has ended (Linux 6.15)");
	else
		ok(WIFSIGNALED(other.wait_status) && WTERMSIG(other.wait_status) == SIGKILL,
			"and how it ended");
	is_int(proctree_wait_empty(&other, SOON), 0, "adopted: nothing is left");
	is_int(proctree_adopt(&(struct proctree){.pid = other.pid,
				      .start_ticks = other.start_ticks,
				      .keeper = other.keeper},
		       -1),
		-ESRCH, "what has ended is not adopted");
	proctree_done(&other);
	ok(wait_exit(&t), "its own parent was told too");
	proctree_done(&t);
	(void)close(out);
}

static void run_checks(int base)
{
	if (!helper_has_pidfd()) {
		skip(1, "no pidfd_open here (Linux 5.3; valgrind 3.19 has none either)");
		return;
	}
	test_kind("keeper", -1);
	test_parent_dies();
	test_keeper_survives();
	test_done_with_mortal();
	test_keeper_killed();
	test_unreaped();
	test_adopted();
	if (base >= 0)
		test_kind("cgroup", base);
	else
		skip(1, "%s", cgtest_why);
}

int main(void)
{
	return cgtest_main(run_checks);
}
