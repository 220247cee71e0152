/* taskhook-test: vm */
#include "config.h"

#include "os/cgroup.h"

#include "base/fileio.h"
#include "base/str.h"
#include "tests/unit/cgtest.h"
#include "tests/unit/tempdir.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static int make(int parent, const char *name)
{
	int fd = cgroup_make(parent, name, CGTEST_MARK, NULL, NULL);

	if (fd < 0)
		bail("cannot make cgroup '%s': %s", name, strerror(-fd));
	return fd;
}

static bool exists(int parent, const char *name)
{
	return faccessat(parent, name, F_OK, 0) == 0;
}

/* Removes and tells whether that worked, for the end of each group of checks. */
static int removed(int parent, const char *name)
{
	return cgroup_remove_tree(parent, name, NULL, cgtest_in(5 * USEC_PER_SEC));
}

/* ---- what does not need a cgroup of our own ---------------------------------------------------
 */

static void test_text(void)
{
	uint64_t value = 7;

	is_int(cgroup_find_value("populated 0\nfrozen 1\n", "frozen", &value), 0,
		"a value is found");
	is_uint(value, 1, "the value of the second line");
	is_int(cgroup_find_value("populated 0\n", "popul", &value), -ENODATA,
		"the beginning of a key is no key");
	is_int(cgroup_find_value("a_oom 3\noom 5", "oom", &value), 0, "the end of a key is no key");
	is_uint(value, 5, "a last line without newline");
	is_int(cgroup_find_value("oom 99999999999999999999\n", "oom", &value), -ENODATA,
		"what does not fit 64 bits is no value");
	is_int(cgroup_find_value("oom max\n", "oom", &value), -ENODATA, "a word is no value");
	is_int(cgroup_find_value("", "oom", &value), -ENODATA, "an empty file");
	is_uint(value, 5, "the result is left alone on failure");

	is_str(cgroup_controller_name(CGROUP_MEMORY), "memory", "the name of a controller");
	is_str(cgroup_controller_name(CGROUP_IO | CGROUP_CPUSET), "io", "the lowest of several");
	is_str(cgroup_controller_name(0), "?", "no controller");
}

static void test_lookup(void)
{
	_cleanup_free_ char *mount = NULL, *own = NULL, *again = NULL, *gone = NULL;
	struct statfs fs = {0};
	pid_t pid;
	int r = cgroup_find_mount(&mount);

	if (r == -ENOENT) {
		skip(5, "no cgroup2 mount");
		return;
	}
	is_int(r, 0, "the mount is found");
	ok(statfs(mount, &fs) == 0 && fs.f_type == 0x63677270, "it is a cgroup2 file system");
	ok(cgroup_of_pid(0, &own) == 0 && cgroup_of_pid(getpid(), &again) == 0 &&
			strcmp(own, again) == 0,
		"our own cgroup, by 0 and by pid");
	ok(own && *own != '/', "it is relative to the mount");
	pid = fork();
	if (pid == 0)
		_exit(0);
	(void)cgtest_reap(pid, false);
	is_int(cgroup_of_pid(pid, &gone), -ESRCH, "no such process");
}

/* ---- making -----------------------------------------------------------------------------------
 */

static void test_make(int base)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/a", "a/"};
	_cleanup_free_ char *mark = NULL, *other = NULL, *note = NULL;
	_cleanup_close_ int a = -1, b = -1;
	bool made = false;
	struct stat st;
	mode_t mask = umask(077);
	usec_t start;

	a = cgroup_make(base, "a", "one", &made, NULL);
	umask(mask);
	ok(a >= 0 && made, "a new cgroup is made");
	ok((fcntl(a, F_GETFD) & FD_CLOEXEC) != 0, "its fd is closed on exec");
	ok(fstat(a, &st) == 0 && (st.st_mode & 07777) == 0755,
		"anybody may read it, whatever the umask");
	is_int(cgroup_get_mark(a, &mark), 0, "it has a mark");
	is_str(mark, "one", "the mark");
	b = cgroup_make(base, "a", "one", &made, NULL);
	ok(b >= 0 && !made, "an existing one with the same mark is opened");
	ok(fd_same_file(a, b), "it is the same");

	start = clock_monotonic_usec();
	is_int(cgroup_make(base, "a", "two", &made, &other), -EEXIST, "another's mark is refused");
	is_str(other, "one", "and told");
	ok(usec_sub(clock_monotonic_usec(), start) < USEC_PER_SEC / 4, "at once");
	free(other);
	other = NULL;
	is_int(cgroup_make(base, "a", "two", NULL, NULL), -EEXIST, "nobody has to ask for it");

	is_int(mkdirat(base, "plain", 0755), 0, "a cgroup that somebody else made");
	is_int(cgroup_make(base, "plain", "one", NULL, &other), -EEXIST, "no mark is refused");
	is_str(other, NULL, "and there is none to tell");
	{
		_cleanup_close_ int plain = cgroup_open(base, "plain");

		is_int(cgroup_get_mark(plain, &other), -ENODATA, "it stays without");
	}

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(cgroup_make(base, bad[i], "one", NULL, NULL), -EINVAL,
			"the name '%s' is refused", bad[i]);
	is_int(cgroup_make(base, "a\nb", "one", NULL, NULL), -EINVAL,
		"as the kernel refuses a newline");

	is_int(cgroup_get_note(a, "hook", &note), -ENODATA, "no note yet");
	is_int(cgroup_set_note(a, "hook", "pre-start/20-mount"), 0, "a note is set");
	is_int(cgroup_get_note(a, "hook", &note), 0, "and read");
	is_str(note, "pre-start/20-mount", "the note");
	free(mark);
	mark = NULL;
	ok(cgroup_get_mark(a, &mark) == 0 && strcmp(mark, "one") == 0,
		"the mark is another matter");

	ok(!cgroup_is_delegated(a), "not delegated");
	if (fsetxattr(a, geteuid() == 0 ? "trusted.delegate" : "user.delegate", "1", 1, 0) < 0)
		skip(1, "cannot set the attribute: %s", strerror(errno));
	else
		ok(cgroup_is_delegated(a), "delegated, as systemd marks it");

	is_int(removed(base, "a"), 0, "removed");
	is_int(removed(base, "plain"), 0, "removed");
}

static void test_mark_of_others(int base)
{
	_cleanup_close_ int a = make(base, "user");
	_cleanup_free_ char *mark = NULL;

	if (geteuid() != 0) {
		skip(2, "needs root");
	} else {
		is_int(fremovexattr(a, "trusted.taskhook"), 0, "root's mark is taken away");
		ok(fsetxattr(a, "user.taskhook", "forged", 6, 0) == 0 &&
				cgroup_get_mark(a, &mark) == -ENODATA,
			"a user's mark is nothing to root");
	}
	(void)removed(base, "user");
}

/* `n` processes make the same cgroup at the same moment: one makes it, all get it. */
static void test_make_race(int base)
{
	enum { N = 8 };
	const int rounds = tap_is_slow() ? 10 : 100;
	int good = 0;

	for (int round = 0; round < rounds; round++) {
		_cleanup_close_ int go_r = -1, go_w = -1;
		pid_t pids[N];
		int go[2], makers = 0, users = 0;

		if (fd_pipe(go, 0) < 0)
			bail("pipe: %s", strerror(errno));
		go_r = go[0];
		go_w = go[1];
		for (int i = 0; i < N; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				bool made = false;
				char c;

				close(go_w);
				(void)!read(go_r, &c, 1);
				if (cgroup_make(base, "race", CGTEST_MARK, &made, NULL) < 0)
					_exit(2);
				_exit(made);
			}
		}
		go_w = fd_close(go_w);
		for (int i = 0; i < N; i++) {
			int status = cgtest_reap(pids[i], false);

			makers += WIFEXITED(status) && WEXITSTATUS(status) == 1;
			users += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		}
		good += makers == 1 && users == N - 1;
		if (removed(base, "race") < 0)
			bail("cannot remove 'race'");
	}
	is_int(good, rounds, "of %d processes one makes the cgroup and all get it", N);
}

/* The other process was stopped between mkdir(2) and fsetxattr(2). */
static void test_make_slow_other(int base)
{
	_cleanup_close_ int fd = -1, fd2 = -1;
	bool made = true;
	pid_t pid;

	if (mkdirat(base, "slow", 0755) < 0)
		bail("mkdir: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		int slow = cgroup_open(base, "slow");

		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		_exit(fsetxattr(slow, geteuid() ? "user.taskhook" : "trusted.taskhook", CGTEST_MARK,
			      strlen(CGTEST_MARK), 0) != 0);
	}
	fd = cgroup_make(base, "slow", CGTEST_MARK, &made, NULL);
	ok(fd >= 0 && !made, "a mark that comes late is waited for");
	(void)cgtest_reap(pid, false);
	(void)removed(base, "slow");

	if (mkdirat(base, "slow", 0755) < 0)
		bail("mkdir: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		_exit(unlinkat(base, "slow", AT_REMOVEDIR) != 0);
	}
	fd2 = cgroup_make(base, "slow", CGTEST_MARK, &made, NULL);
	ok(fd2 >= 0 && made, "where the other gives up, it is made anew");
	(void)cgtest_reap(pid, false);
	(void)removed(base, "slow");
}

/* ---- controllers ------------------------------------------------------------------------------
 */

static void test_controllers(int base)
{
	_cleanup_close_ int a = make(base, "a"), b = make(a, "b"), c = make(b, "c");
	_cleanup_free_ char *where = NULL;
	unsigned have = 0,
		 all = CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO | CGROUP_CPUSET;
	unsigned missing = 77, got = 0;
	pid_t pid;

	is_int(cgroup_controllers(base, &have), 0, "controllers are read");
	is_int(cgroup_enable(base, "a/b", 0, false, &missing, NULL), 0, "to want nothing is fine");
	is_uint(missing, 0, "nothing is missing");
	is_int(cgroup_enable(base, "a/b", all, true, &missing, NULL), 0, "best effort");
	is_uint(missing, all & ~have, "what the host has not got is told");
	ok(cgroup_controllers(c, &got) == 0 && got == (all & have), "the deepest got the rest");
	is_int(cgroup_enable(base, "a/b", all & have, false, &missing, NULL), 0, "again is fine");
	is_int(cgroup_enable(base, "no/such", CGROUP_CPU, false, NULL, NULL), -ENOENT,
		"no such cgroup");
	if (have == all) {
		skip(2, "all controllers are here");
	} else {
		is_int(cgroup_enable(base, "a/b", all, false, &missing, NULL), -EOPNOTSUPP,
			"a missing controller is an error");
		ok((missing & (missing - 1)) == 0 && (missing & all & ~have),
			"one that is missing is told (%s)", cgroup_controller_name(missing));
		diag("%s: %s", cgroup_controller_name(missing), cgroup_explain_missing(missing));
	}
	is_int(removed(base, "a"), 0, "removed");

	if (!(have & CGROUP_PIDS)) {
		skip(6, "no 'pids' controller here: %s", cgroup_explain_missing(CGROUP_PIDS));
		return;
	}
	fd_closep(&a);
	fd_closep(&b);
	a = make(base, "a");
	b = make(a, "b");
	pid = cgtest_fork_in(a, NULL);
	is_int(cgroup_enable(base, "a/b", CGROUP_PIDS, false, &missing, &where), -EBUSY,
		"a cgroup with processes hands nothing on");
	is_str(where, "a", "it is told which");
	is_int(cgroup_enable(base, "a/b", CGROUP_PIDS, true, &missing, NULL), 0, "best effort");
	is_uint(missing, CGROUP_PIDS, "tells what is missing then");
	(void)cgtest_reap(pid, true);
	is_int(cgroup_enable(base, "a//b/", CGROUP_PIDS, false, &missing, NULL), 0, "empty again");
	ok(cgroup_subtree_controllers(b, &got) == 0 && got == CGROUP_PIDS,
		"the deepest hands it on");
	(void)removed(base, "a");
}

/* ---- processes --------------------------------------------------------------------------------
 */

static void test_processes(int base)
{
	_cleanup_close_ int a = make(base, "a"), b = make(a, "b"), events = -1;
	_cleanup_free_ char *path = NULL, *expected = xasprintf("%s/a/b", cgtest_path);
	pid_t in_a, in_b, pids[8];
	struct pollfd p;

	is_int(cgroup_populated(a), 0, "empty");
	events = cgroup_events_open(a);
	is_int(cgroup_events_populated(events), 0, "empty, through its events");
	is_int(cgroup_wait_empty(a, 0), 0, "no wait for what is empty");
	is_int(cgroup_list_pids(a, pids, 8), 0, "no pids");

	in_a = cgtest_fork_in(a, NULL);
	in_b = cgtest_fork_in(b, NULL);
	p = (struct pollfd){.fd = events, .events = POLLPRI};
	is_int(poll(&p, 1, 10000), 1, "a change is told");
	is_int(cgroup_events_populated(events), 1, "populated, through its events");
	is_int(cgroup_populated(a), 1, "populated");
	is_int(cgroup_of_pid(in_b, &path), 0, "the cgroup of a process");
	is_str(path, expected, "its path");
	is_int(cgroup_list_pids(a, pids, 8), 2, "two processes");
	ok(pids[0] == in_a && pids[1] == in_b, "those above first");
	is_int(cgroup_list_pids(a, pids, 1), 1, "no more than asked for");
	is_int(cgroup_wait_empty(a, cgtest_in(20 * USEC_PER_MSEC)), -ETIMEDOUT,
		"the wait has an end");
	is_int(cgroup_remove_tree(base, "a", CGTEST_MARK, cgtest_in(20 * USEC_PER_MSEC)), -EBUSY,
		"what is in use is not removed");
	ok(exists(a, "b"), "nor what is below");

	is_int(cgroup_signal(a, SIGTERM), 0, "a signal to all");
	ok(WTERMSIG(cgtest_reap(in_a, false)) == SIGTERM &&
			WTERMSIG(cgtest_reap(in_b, false)) == SIGTERM,
		"has reached all");
	is_int(cgroup_wait_empty(a, cgtest_in(5 * USEC_PER_SEC)), 0, "then it is empty");
	is_int(cgroup_remove_tree(base, "a", CGTEST_MARK, cgtest_in(5 * USEC_PER_SEC)), 0,
		"removed");
	ok(!exists(base, "a"), "it is gone");
	is_int(cgroup_wait_empty(a, 0), 0, "what is gone is empty");
	is_int(cgroup_kill(a, 0), 0, "and needs no kill");
	ok(cgroup_populated(a) == -ENOENT || cgroup_populated(a) == -ENODEV, "it says so");
}

/* More than fit one batch, and with fewer descriptors than a batch wants. */
static void test_signal_many(int base, rlim_t descriptors)
{
	enum { N = 150 };
	_cleanup_close_ int a = make(base, "many");
	struct rlimit saved, few;
	pid_t pids[N];
	int good = 0;

	for (int i = 0; i < N; i++)
		pids[i] = cgtest_fork_in(a, NULL);
	(void)getrlimit(RLIMIT_NOFILE, &saved);
	few = saved;
	few.rlim_cur = MIN(descriptors, saved.rlim_cur);
	(void)setrlimit(RLIMIT_NOFILE, &few);
	is_int(cgroup_signal(a, SIGUSR1), 0, "a signal to %d processes", N);
	(void)setrlimit(RLIMIT_NOFILE, &saved);
	for (int i = 0; i < N; i++)
		good += WTERMSIG(cgtest_reap(pids[i], false)) == SIGUSR1;
	is_int(good, N, "has reached all");
	is_int(removed(base, "many"), 0, "removed");
}

static volatile unsigned *counter; /* shared by all children */

static void count_on(void)
{
	for (;;) {
		__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static bool is_frozen(int dirfd)
{
	char buf[256];
	uint64_t frozen = 0;

	return cgroup_read_file(dirfd, "cgroup.events", buf, sizeof(buf)) > 0 &&
	       cgroup_find_value(buf, "frozen", &frozen) == 0 && frozen;
}

static void test_freeze(int base)
{
	_cleanup_close_ int a = make(base, "ice");
	pid_t pid;
	unsigned before;

	*counter = 0;
	pid = cgtest_fork_in(a, count_on);
	ok(cgtest_wait_for(*counter > 2), "it runs");
	is_int(cgroup_freeze(a, true), 0, "freeze");
	ok(cgtest_wait_for(is_frozen(a)), "it is frozen");
	before = *counter;
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	is_uint(*counter, before, "it does nothing");
	is_int(cgroup_freeze(a, false), 0, "thaw");
	ok(cgtest_wait_for(*counter > before + 2), "it runs on");

	for (int old = 0; old < 2; old++) {
		const char *how = old ? "one by one" : "cgroup.kill";

		cgroup_force_old(old);
		if (old)
			pid = cgtest_fork_in(a, count_on);
		is_int(cgroup_freeze(a, true), 0, "freeze");
		ok(cgtest_wait_for(is_frozen(a)), "it is frozen");
		is_int(cgroup_kill(a, cgtest_in(5 * USEC_PER_SEC)), 0, "%s", how);
		is_int(WTERMSIG(cgtest_reap(pid, false)), SIGKILL, "%s ends a frozen process", how);
		is_int(cgroup_wait_empty(a, cgtest_in(5 * USEC_PER_SEC)), 0, "nothing is left");
		if (old)
			ok(cgtest_wait_for(!is_frozen(a)),
				"it is thawed, fit for the next process");
		is_int(cgroup_freeze(a, false), 0, "thaw");
	}
	cgroup_force_old(false);
	is_int(removed(base, "ice"), 0, "removed");
}

/* At most 48 processes at a time, half of which leave again, so that no parent link leads to the
 * rest; and 100000 in all. */
static void bomb(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		if (counter[1] < 100000 && counter[0] < 48) {
			pid_t pid = fork();

			if (pid == 0) {
				__atomic_add_fetch(&counter[0], 1, __ATOMIC_SEQ_CST);
				__atomic_add_fetch(&counter[1], 1, __ATOMIC_SEQ_CST);
				continue;
			}
		} else if (__atomic_sub_fetch(&counter[0], 1, __ATOMIC_SEQ_CST) > 24) {
			_exit(0);
		} else {
			__atomic_add_fetch(&counter[0], 1, __ATOMIC_SEQ_CST);
		}
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
}

static void test_kill_bomb(int base)
{
	for (int old = 0; old < 2; old++) {
		const char *how = old ? "one by one" : "cgroup.kill";
		int rounds = old ? 5 : 1, good = 0, live = 0;

		cgroup_force_old(old);
		for (int i = 0; i < rounds; i++) {
			_cleanup_close_ int a = make(base, "bomb"), b = make(a, "nested");
			pid_t pid, any[64];

			counter[0] = counter[1] = 1;
			pid = cgtest_fork_in(b, bomb);
			cgtest_wait_for(counter[1] > 100 && cgroup_list_pids(a, any, 64) > 8);
			live += counter[1] < 100000 && cgroup_populated(a) == 1;
			good += cgroup_kill(a, cgtest_in(10 * USEC_PER_SEC)) == 0 &&
				cgroup_wait_empty(a, cgtest_in(10 * USEC_PER_SEC)) == 0;
			(void)cgtest_reap(pid, true);
			while (waitpid(-1, NULL, 0) > 0)
				;
			good += removed(base, "bomb") == 0;
		}
		is_int(live, rounds, "a fork bomb is under way");
		is_int(good, 2 * rounds, "%s ends it, and its cgroup is removed", how);
	}
	cgroup_force_old(false);
}

/* ---- removing ---------------------------------------------------------------------------------
 */

static void test_remove_names(int base)
{
	static const char *const names[] = {" ", "-rf", "...", "\x01\x7f", "\xff\xfe", "a b\tc",
		"$(x)", "'", "\"", "\\", "*", "cgroup", "_hooks", "é"};
	_cleanup_close_ int a = make(base, "odd");
	int made = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int b = cgroup_make(a, names[i], CGTEST_MARK, NULL, NULL);

		made += b >= 0 && mkdirat(b, names[ARRAY_SIZE(names) - 1 - i], 0755) == 0;
	}
	is_int(made, ARRAY_SIZE(names), "cgroups with odd names, each with another inside");
	is_int(removed(base, "odd"), 0, "are removed");
	ok(!exists(base, "odd"), "they are gone");
}

static void test_remove_deep(int base)
{
	enum { DEEP = 300, WIDE = 500 };
	_cleanup_close_ int a = make(base, "deep"), at = fcntl(a, F_DUPFD_CLOEXEC, 3);
	char name[64];
	struct rlimit saved, few;
	pid_t pid, pids[4];
	int depth = 0;

	memset(name, 'n', 60);
	name[60] = '\0';
	for (; depth < DEEP && at >= 0; depth++) {
		int next =
			mkdirat(at, name, 0755) < 0 ? -1 : openat(at, name, O_RDONLY | O_CLOEXEC);

		fd_closep(&at);
		at = next;
	}
	ok(at >= 0, "%d cgroups inside each other, longer than any path", DEEP);
	for (int i = 0; i < WIDE; i++) {
		(void)snprintf(name, sizeof(name), "w%d", i);
		if (mkdirat(a, name, 0755) < 0)
			bail("mkdir: %s", strerror(errno));
	}
	pid = cgtest_fork_in(at, NULL);
	/* One open directory for each level would be too many. */
	(void)getrlimit(RLIMIT_NOFILE, &saved);
	few = saved;
	few.rlim_cur = 40;
	(void)setrlimit(RLIMIT_NOFILE, &few);
	is_int(cgroup_list_pids(a, pids, 4), 1, "the process at the bottom is found");
	is_int(pids[0], pid, "its pid");
	is_int(cgroup_kill(a, 0), 0, "it is killed");
	(void)cgtest_reap(pid, false);
	is_int(removed(base, "deep"), 0, "all are removed");
	(void)setrlimit(RLIMIT_NOFILE, &saved);
	ok(!exists(base, "deep"), "they are gone");
}

static void test_remove_threaded(int base)
{
	_cleanup_close_ int a = make(base, "thr"), b = make(a, "t1"), c = make(a, "t2"), d = -1;
	pid_t pid, pids[4];
	int r = file_write_at(b, "cgroup.type", "threaded");

	if (r == 0)
		r = file_write_at(c, "cgroup.type", "threaded");
	if (r < 0) {
		skip(5, "cannot make a threaded cgroup: %s", strerror(-r));
		(void)removed(base, "thr");
		return;
	}
	d = make(b, "t3");
	(void)file_write_at(d, "cgroup.type", "threaded");
	pid = cgtest_fork_in(a, NULL);
	{
		_cleanup_free_ char *tid = xasprintf("%d", (int)pid);

		is_int(file_write_at(d, "cgroup.threads", tid), 0,
			"its thread goes to a threaded cgroup");
	}
	ok(cgroup_list_pids(a, pids, 4) == 1 && pids[0] == pid, "the process is found");
	cgroup_force_old(true);
	is_int(cgroup_kill(a, cgtest_in(5 * USEC_PER_SEC)), 0, "killed one by one");
	cgroup_force_old(false);
	is_int(WTERMSIG(cgtest_reap(pid, false)), SIGKILL, "it is dead");
	is_int(removed(base, "thr"), 0, "threaded cgroups are removed");
}

static void test_remove(int base)
{
	_cleanup_close_ int a = make(base, "a");
	usec_t start;
	pid_t pid;

	is_int(cgroup_remove_tree(base, "none", "x", 0), 0, "nothing there is success");
	is_int(cgroup_remove_tree(base, "none", NULL, 0), 0, "also when nobody asks for a mark");
	is_int(cgroup_remove_tree(base, "a", "other", 0), -EPERM, "another's mark is left alone");
	is_int(cgroup_remove_tree(base, "a/b", NULL, 0), -EINVAL, "one name, no path");
	is_int(cgroup_remove_tree(base, "..", NULL, 0), -EINVAL, "and not the way up");
	ok(exists(base, "a"), "it is there");
	is_int(mkdirat(base, "plain", 0755), 0, "a cgroup that somebody else made");
	is_int(cgroup_remove_tree(base, "plain", CGTEST_MARK, 0), -EPERM, "is left alone");
	is_int(removed(base, "plain"), 0, "unless told so");

	/* What a task left inside, with a deadline that is over. */
	ok(mkdirat(a, "x", 0755) == 0 && mkdirat(a, "x/y", 0755) == 0 && mkdirat(a, "z", 0755) == 0,
		"cgroups that a task made");
	is_int(cgroup_remove_tree(base, "a", CGTEST_MARK, 0), 0, "go too, without waiting");

	fd_closep(&a);
	a = make(base, "a");
	pid = cgtest_fork_in(a, NULL);
	start = clock_monotonic_usec();
	is_int(cgroup_remove_tree(base, "a", CGTEST_MARK, 0), -EBUSY, "a process is left");
	ok(usec_sub(clock_monotonic_usec(), start) < USEC_PER_SEC / 2,
		"no wait after the deadline");
	if (fork() == 0) {
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		_exit(kill(pid, SIGKILL) < 0);
	}
	is_int(cgroup_remove_tree(base, "a", CGTEST_MARK, cgtest_in(10 * USEC_PER_SEC)), 0,
		"an exit that is under way is waited for");
	ok(!exists(base, "a"), "it is gone");
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* A process outside goes on making cgroups inside: the removal ends at its deadline. */
static void test_remove_against(int base)
{
	_cleanup_close_ int a = make(base, "a");
	usec_t start;
	pid_t pid = fork();
	int r;

	if (pid == 0)
		for (unsigned i = 0;; i++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "%u", i % 50);
			(void)mkdirat(a, name, 0755);
		}
	start = clock_monotonic_usec();
	r = cgroup_remove_tree(base, "a", CGTEST_MARK, cgtest_in(200 * USEC_PER_MSEC));
	ok(r == 0 || r == -EBUSY, "against one who makes new ones");
	ok(usec_sub(clock_monotonic_usec(), start) < 3 * USEC_PER_SEC, "it comes to an end");
	(void)cgtest_reap(pid, true);
	is_int(removed(base, "a"), 0, "and succeeds when that one has gone");
}

/* What is mounted on a nested cgroup is not entered. */
static void test_remove_mount(int base)
{
	_cleanup_close_ int a = make(base, "a");
	pid_t pid;
	int status;

	if (mkdirat(a, "b", 0755) < 0)
		bail("mkdir: %s", strerror(errno));
	tempdir_mkdir("outside");
	tempdir_mkdir("outside/empty");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		_cleanup_free_ char *root = NULL, *path = NULL, *target = NULL;
		_cleanup_close_ int inside = -1;

		/* What is open already does not see mounts of the new namespace. */
		if (cgroup_find_mount(&root) < 0)
			_exit(77);
		path = xasprintf("%s/%s", root, cgtest_path);
		target = xasprintf("%s/a/b", path);
		if (!tempdir_private_mounts() ||
			mount(tempdir_path("outside"), target, "none", MS_BIND, NULL) < 0)
			_exit(77);
		inside = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_exit(cgroup_remove_tree(inside, "a", CGTEST_MARK, 0) == -EXDEV ? 0 : 1);
	}
	status = cgtest_reap(pid, false);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(1, "needs root and a mount namespace");
	else
		is_int(status, 0, "a mount inside is told");
	ok(tempdir_has("outside/empty"), "what is mounted is left alone");
	is_int(removed(base, "a"), 0, "without it, removed");
}

static void run_checks(int base)
{
	int fds;

	tempdir_make();
	fds = cgtest_count_fds();
	test_text();
	test_lookup();
	if (base < 0) {
		skip(1, "%s", cgtest_why);
		return;
	}
	/* What is orphaned comes to us, as not every process 1 reaps. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counter == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	test_make(base);
	test_mark_of_others(base);
	test_make_race(base);
	test_make_slow_other(base);
	test_controllers(base);
	test_processes(base);
	test_signal_many(base, RLIM_INFINITY);
	test_signal_many(base, 20);
	test_freeze(base);
	test_kill_bomb(base);
	test_remove_names(base);
	test_remove_deep(base);
	test_remove_threaded(base);
	test_remove(base);
	test_remove_against(base);
	test_remove_mount(base);
	is_int(cgtest_count_fds(), fds, "no descriptor is left open");
}

int main(void)
{
	return cgtest_main(run_checks);
}
