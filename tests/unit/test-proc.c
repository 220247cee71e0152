#include "config.h"

#include "os/proc.h"

#include "base/fd.h"
#include "os/spawn.h"
#include "tests/unit/helper.h"
#include "tests/unit/tempdir.h"

#include <signal.h>
#include <sys/prctl.h>

/* A child under a name that is hard to parse, which waits. */
static pid_t start_child(int *ret_pidfd)
{
	int ready[2];
	char c;
	pid_t pid;

	if (fd_pipe(ready, 0) < 0)
		bail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		(void)alarm(60);
		(void)prctl(PR_SET_NAME, "a) Z 1 (b");
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	if (pid < 0 || read(ready[0], &c, 1) != 1)
		bail("no child");
	(void)close(ready[0]);
	*ret_pidfd = proc_pidfd_open(pid);
	return pid;
}

static void test_self(void)
{
	_cleanup_free_ char *comm = proc_comm(getpid()), *none = proc_comm(-5);
	uint64_t start = 0;
	pid_t ppid = 0;
	char state = 0;

	is_int((int)strlen(proc_boot_id()), 36, "the boot id has the length of a UUID");
	ok(proc_boot_id() == proc_boot_id(), "it is read once");
	is_int(proc_start_time(getpid(), &start), 0, "our start time");
	ok(start > 0, "it is not 0");
	is_int(proc_state(getpid(), &state, &ppid), 0, "our state");
	is_int(state, 'R', "we run");
	is_int(ppid, getppid(), "our parent");
	is_int(proc_state(getpid(), &state, NULL), 0, "the parent is optional");
	is_int(proc_start_time(-5, &start), -ESRCH, "no such process");
	ok(proc_is_alive(getpid(), start), "we are alive");
	ok(!proc_is_alive(getpid(), start + 1), "with another start time we are somebody else");
	ok(*comm && strlen(comm) <= 15, "our name: %s", comm);
	is_str(none, "?", "the name of no process");
}

static void test_child(void)
{
	char state = 0;
	pid_t ppid = 0;
	uint64_t start = 0;
	int pidfd, other;
	_cleanup_free_ struct proc_entry *tree = NULL;
	pid_t pid = start_child(&pidfd);
	_cleanup_free_ char *comm = proc_comm(pid);

	is_str(comm, "a) Z 1 (b", "a name with blanks and brackets");
	is_int(proc_state(pid, &state, &ppid), 0, "the state of a process of that name");
	ok(helper_wait_for(proc_state(pid, &state, &ppid) == 0 && state == 'S'),
		"it is not taken from the name");
	is_int(ppid, getpid(), "nor is the parent");
	is_int(proc_start_time(pid, &start), 0, "start time");
	if (pidfd < 0) {
		skip(1, "no pidfd_open here (Linux 5.3; valgrind 3.19 has none either)");
		(void)kill(pid, SIGKILL);
		(void)wait_child(pid);
		return;
	}
	is_int(proc_pidfd(pid, start + 1), -ESRCH, "no pidfd where the start time is another");
	other = proc_pidfd(pid, start);
	ok(other >= 0, "a pidfd for pid and start time");
	is_int(proc_pidfd_wait(other, usec_add(clock_monotonic_usec(), 2000)), -ETIMEDOUT,
		"it runs on");
	is_int(proc_pidfd_signal(other, SIGKILL), 0, "a signal through it");
	is_int(proc_pidfd_wait(other, USEC_INFINITY), 0, "it ends");
	ok(helper_wait_for(proc_state(pid, &state, NULL) == 0 && state == 'Z'), "it is a zombie");
	ok(!proc_is_alive(pid, start), "which is not alive");
	is_int(proc_descendants(getpid(), NULL, 0), 0, "nor counted as a descendant");
	is_int(proc_tree(getpid(), &tree), 1, "although it is in the tree");
	is_int(wait_child(pid), 128 + SIGKILL, "it ended by that signal");
	is_int(proc_pidfd_signal(other, SIGTERM), -ESRCH, "once reaped it takes none");
	is_int(proc_pidfd(pid, start), -ESRCH, "and has no pidfd");
	is_int(proc_pidfd_wait(-1, 0), -ETIMEDOUT, "poll ignores an fd of -1");
	(void)close(other);
	(void)close(pidfd);
}

static void test_signal_value(void)
{
	sigset_t mask, before;
	siginfo_t si = {0};
	int pidfd = proc_pidfd_open(getpid());

	if (pidfd < 0) {
		skip(1, "no pidfd_open here");
		return;
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN);
	(void)sigprocmask(SIG_BLOCK, &mask, &before);
	is_int(proc_pidfd_signal_value(pidfd, SIGRTMIN, 4711), 0, "a signal with a value");
	is_int(sigwaitinfo(&mask, &si), SIGRTMIN, "arrives");
	is_int(si.si_value.sival_int, 4711, "with it");
	is_int(si.si_pid, getpid(), "from us");
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)close(pidfd);
}

static bool contains_pid(const pid_t *pids, int n, pid_t pid)
{
	for (int i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* A child with a child, and a daemon that left. */
static void test_tree(void)
{
	_cleanup_free_ char *daemonize = helper_path("daemonize");
	char *argv[] = {daemonize, NULL}, *envp[] = {NULL};
	_cleanup_free_ struct proc_entry *tree = NULL;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result result;
	pid_t pids[16], daemon;
	int fds[2], n, r;

	/* Orphans below us come to us, as they come to a keeper. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (fd_pipe(fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	spec.path = daemonize;
	spec.argv = argv;
	spec.envp = envp;
	spec.fds[1] = fds[1];
	r = spawn_process(&spec, &result);
	(void)close(fds[1]);
	if (r == -ENOSYS) {
		skip(1, "no pidfd_open here");
		(void)close(fds[0]);
		return;
	}
	(void)wait_child(result.pid);
	(void)close(result.pidfd);
	ok(helper_wait_for(proc_descendants(getpid(), NULL, 0) == 1),
		"one descendant, counted only");
	n = proc_descendants(getpid(), pids, ARRAY_SIZE(pids));
	daemon = pids[0];
	is_int(n, 1, "a daemon is found");
	ok(!contains_pid(pids, n, getpid()), "we are no descendant of our own");
	n = proc_tree(getpid(), &tree);
	ok(n == 1 && tree[0].pid == daemon && tree[0].ppid == getpid(),
		"it is a child of ours now");
	if (n == 1) {
		struct proc_entry other = tree[0];

		other.start_ticks++;
		is_int(proc_entry_signal(&other, SIGKILL), -ESRCH,
			"no signal for another of the same pid");
		is_int(proc_entry_signal(&tree[0], SIGKILL), 0, "a signal for it");
	}
	is_int(wait_child(daemon), 128 + SIGKILL, "it has ended");
	is_int(proc_descendants(getpid(), pids, ARRAY_SIZE(pids)), 0, "nothing is left");
	(void)close(fds[0]);
}

/* Four generations, each the only child of the one before. */
static void test_depth(void)
{
	pid_t pids[16], top = 0;
	int fds[2], n;
	char c;

	/* Where pidfds are missing (valgrind) tests before this one may have left a child. */
	n = proc_descendants(getpid(), pids, ARRAY_SIZE(pids));
	for (int i = 0; i < n; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	if (fd_pipe(fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	for (int depth = 0; depth < 4; depth++) {
		pid_t pid = fork();

		if (pid > 0) {
			if (depth > 0)
				for (;;)
					(void)pause();
			top = pid;
			break;
		}
		(void)alarm(60);
		if (depth == 3) {
			(void)!write(fds[1], "x", 1);
			for (;;)
				(void)pause();
		}
	}
	(void)!read(fds[0], &c, 1);
	n = proc_descendants(getpid(), pids, ARRAY_SIZE(pids));
	is_int(n, 4, "four generations");
	is_int(pids[0], top, "the eldest first");
	for (int i = 1; i < n && i < 4; i++) {
		pid_t ppid = 0;
		char state;

		(void)proc_state(pids[i], &state, &ppid);
		is_int(ppid, pids[i - 1], "each after its parent");
	}
	is_int(proc_descendants(getpid(), pids, 2), 4, "more than there is room for are counted");
	n = proc_descendants(getpid(), pids, ARRAY_SIZE(pids));
	for (int i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
	/* All of them come to us, a subreaper. */
	while (n > 0 && waitpid(-1, NULL, 0) > 0)
		n--;
	is_int(n, 0, "all have ended");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_table(void)
{
	struct proc_table table = {.v = NULL};
	const struct proc_entry *below;
	int first_fd, second_fd, n;
	pid_t first = start_child(&first_fd), second;

	n = proc_table_tree(&table, getpid(), &below);
	ok(n == 1 && below[0].pid == first, "a table has a child");
	second = start_child(&second_fd);
	is_int(proc_table_tree(&table, first, &below), 0, "which has none");
	is_int(proc_table_tree(&table, getpid(), &below), 1,
		"asked again it is the same table, without one that was born since");
	ok(n == 1 && below[0].pid == first, "and the same child");
	proc_table_done(&table);
	is_int(proc_table_tree(&table, getpid(), &below), 2, "a new one has both");
	proc_table_done(&table);
	(void)kill(first, SIGKILL);
	(void)kill(second, SIGKILL);
	(void)wait_child(first);
	(void)wait_child(second);
	fd_close(first_fd);
	fd_close(second_fd);
}

int main(void)
{
	test_self();
	test_child();
	test_signal_value();
	test_tree();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	test_depth();
	test_table();
	return done_testing();
}
