#include "config.h"

#include "os/spawn.h"

#include "os/proc.h"
#include "tests/unit/cgtest.h"
#include "tests/unit/helper.h"
#include "tests/unit/refused.h"
#include "tests/unit/tempdir.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

static char *const no_env[] = {NULL};
static char *show_self;
static const char *way = "";

static int wait_status(const struct spawn_result *r)
{
	int status = -1;

	if (waitpid(r->pid, &status, __WALL) != r->pid)
		bail("waitpid: %s", strerror(errno));
	(void)close(r->pidfd);
	return status;
}

/* Runs show-self as `spec` says, with fds[1] a pipe; what it printed. */
static char *run_show_self(const struct spawn_spec *wanted, int *ret)
{
	char *argv[] = {show_self, NULL};
	struct spawn_spec spec = *wanted;
	struct spawn_result result;
	int pipe_fds[2];
	char *text;

	if (fd_pipe(pipe_fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	spec.path = show_self;
	if (!spec.argv)
		spec.argv = argv;
	if (!spec.envp)
		spec.envp = no_env;
	spec.fds[1] = pipe_fds[1];
	*ret = spawn_process(&spec, &result);
	(void)close(pipe_fds[1]);
	text = helper_read(pipe_fds[0], NULL);
	(void)close(pipe_fds[0]);
	if (*ret == 0) {
		*ret = wait_status(&result);
		if (helper_number(text, "pid ") != result.pid)
			*ret = -1;
	}
	return text;
}

#define is_line(text, start, expected, ...)                                                        \
	do {                                                                                       \
		_cleanup_free_ char *line_ = helper_line(text, start);                             \
		is_str(line_, expected, __VA_ARGS__);                                              \
	} while (0)

static void test_defaults(void)
{
	_cleanup_free_ char *text = NULL, *sid = NULL, *fd1 = NULL;
	_cleanup_close_ int stray = fcntl(STDOUT_FILENO, F_DUPFD, 77);
	char word[] = "a b", *argv[] = {show_self, word, NULL}, var[] = "A=1",
	     *envp[] = {var, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	sigset_t before, after;
	int r;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	spec.argv = argv;
	spec.envp = envp;
	errno = EXDEV;
	text = run_show_self(&spec, &r);
	is_int(r, 0, "%s: show-self runs, and its pid is the one returned", way);
	(void)sigprocmask(SIG_SETMASK, NULL, &after);
	ok(sigismember(&after, SIGUSR1) == 1 && sigismember(&after, SIGTERM) == 0,
		"%s: our own signal mask is as before", way);
	sigemptyset(&before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);

	is_line(text, "arg 1 ", "a b", "%s: argv", way);
	is_line(text, "env ", "A=1", "%s: environment", way);
	is_line(text, "fd 0 ", "/dev/null", "%s: fd 0 is the null device", way);
	is_line(text, "fd 2 ", "/dev/null", "%s: fd 2 is the null device", way);
	fd1 = helper_line(text, "fd 1 ");
	ok(fd1 && str_starts_with(fd1, "pipe:"), "%s: fd 1 is ours", way);
	for (int fd = 3; fd < 1024; fd++) {
		_cleanup_free_ char *start = xasprintf("\nfd %d ", fd);

		if (strstr(text, start)) {
			ok(false, "%s: fd %d is open in the child", way, fd);
			break;
		}
	}
	ok(stray >= 0 && fcntl(stray, F_GETFD) == 0, "%s: our own fds stay open", way);
	is_line(text, "blocked", "", "%s: no signal is blocked", way);
	is_line(text, "ignored", "", "%s: no signal is ignored", way);
	is_line(text, "death-signal ", "0", "%s: no death signal", way);
	sid = helper_line(text, "sid ");
	is_line(text, "pid ", sid, "%s: a session of its own", way);
	is_int(helper_number(text, "ppid "), getpid(), "%s: a child of ours", way);
}

static void test_settings(void)
{
	static const struct spawn_rlimit limits[] = {
		{RLIMIT_NOFILE, {200, 300}},
		{RLIMIT_CORE, {0, 0}},
	};
	_cleanup_free_ char *text = NULL, *start = NULL, *at = NULL;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	mode_t mask = umask(022);
	int r;

	spec.set_umask = true;
	spec.umask = 027;
	spec.set_nice = true;
	spec.nice = 7;
	spec.set_oom_score_adj = true;
	spec.oom_score_adj = 900;
	spec.rlimits = limits;
	spec.n_rlimits = ARRAY_SIZE(limits);
	spec.die_with_parent = true;
	tempdir_mkdir(way);
	at = xstrdup(tempdir_path("%s", way));
	spec.cwd_fd = tempdir.fd;
	spec.cwd = way;
	text = run_show_self(&spec, &r);
	is_int(r, 0, "%s: show-self runs with settings", way);
	is_line(text, "umask ", "0027", "%s: umask", way);
	is_line(text, "nice ", "7", "%s: nice", way);
	is_line(text, "oom-score-adj ", "900", "%s: oom score", way);
	start = xasprintf("limit %d ", RLIMIT_NOFILE);
	is_line(text, start, "200 300", "%s: a limit, soft and hard", way);
	is_line(text, "cwd ", at, "%s: the working directory, below a held one", way);
	is_line(text, "death-signal ", "9", "%s: dies with its parent", way);
	is_int(umask(mask), 022, "%s: our own umask is as before", way);
	is_int(getpriority(PRIO_PROCESS, 0), 0, "%s: so is our nice value", way);
}

static void test_user(void)
{
	const gid_t groups[] = {1111, 2222};
	_cleanup_free_ char *text = NULL, *alone = NULL;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	int r;

	if (geteuid() != 0) {
		skip(7, "only root may switch to another user");
		return;
	}
	spec.set_user = true;
	spec.uid = 54321;
	spec.gid = 12345;
	spec.groups = groups;
	spec.n_groups = ARRAY_SIZE(groups);
	spec.die_with_parent = true;
	text = run_show_self(&spec, &r);
	is_int(r, 0, "%s: show-self runs as another user", way);
	is_line(text, "uid ", "54321 54321 54321", "%s: the user, for good", way);
	is_line(text, "gid ", "12345 12345 12345", "%s: the group, for good", way);
	is_line(text, "groups", " 1111 2222", "%s: the supplementary groups", way);
	is_line(text, "death-signal ", "9", "%s: the death signal outlives the switch", way);
	spec.n_groups = 0;
	alone = run_show_self(&spec, &r);
	is_line(alone, "groups", "", "%s: no supplementary group, not ours either", way);
	ok(geteuid() == 0 && prctl(PR_GET_DUMPABLE) == 1, "%s: we are who we were", way);
}

/* In a process of its own, as it moves the standard streams about. */
static void test_stream_order(void)
{
	_cleanup_free_ char *text = NULL, *a = xstrdup(tempdir_path("a")),
			    *b = xstrdup(tempdir_path("b"));
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	char *argv[] = {show_self, NULL};
	struct spawn_result result;
	int fds[2];
	pid_t pid;

	tempdir_write("a", "");
	tempdir_write("b", "");
	if (fd_pipe(fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	spec.path = show_self;
	spec.argv = argv;
	spec.envp = no_env;

	pid = fork();
	if (pid == 0) {
		/* 0 the pipe, 1 file a, 2 file b: each where another belongs */
		if (dup2(fds[1], 0) < 0 || dup2(open(a, O_RDWR | O_CLOEXEC), 1) < 0 ||
			dup2(open(b, O_RDWR | O_CLOEXEC), 2) < 0)
			_exit(1);
		memcpy(spec.fds, (int[]){2, 0, 1}, sizeof(spec.fds));
		_exit(spawn_process(&spec, &result) < 0 || wait_status(&result) != 0);
	}
	(void)close(fds[1]);
	text = helper_read(fds[0], NULL);
	(void)close(fds[0]);
	is_int(wait_child(pid), 0, "%s: streams in a circle", way);
	is_line(text, "fd 0 ", b, "%s: 0 was 2", way);
	is_line(text, "fd 2 ", a, "%s: 2 was 1", way);
	free(text);

	if (fd_pipe(fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			(void)close(fd);
		spec.fds[0] = -1;
		spec.fds[1] = fds[1];
		spec.fds[2] = -1;
		_exit(spawn_process(&spec, &result) < 0 || wait_status(&result) != 0);
	}
	(void)close(fds[1]);
	text = helper_read(fds[0], NULL);
	(void)close(fds[0]);
	is_int(wait_child(pid), 0, "%s: with our own standard streams closed", way);
	is_line(text, "fd 0 ", "/dev/null", "%s: 0 is the null device", way);
	is_line(text, "fd 2 ", "/dev/null", "%s: 2 is the null device", way);
}

static void check_failure(
	const struct spawn_spec *spec, int expected, enum spawn_step step, const char *what)
{
	struct spawn_result result;
	int fds = count_entries("/proc/self/fd");
	int r = spawn_process(spec, &result);

	is_int(r, expected, "%s: %s", way, what);
	if (r == 0)
		(void)wait_status(&result);
	is_str(spawn_step_name(result.failed_step), spawn_step_name(step), "%s: its step", way);
	ok(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD, "%s: no child is left", way);
	is_int(count_entries("/proc/self/fd"), fds, "%s: no fd is left", way);
}

static void test_failures(void)
{
	static const struct spawn_rlimit upside_down = {RLIMIT_NOFILE, {300, 200}};
	char *argv[] = {show_self, NULL};
	struct spawn_spec good = SPAWN_SPEC_INIT, spec;
	_cleanup_close_ int no_cgroup = open("/dev/null", O_RDONLY | O_CLOEXEC);

	good.path = show_self;
	good.argv = argv;
	good.envp = no_env;

	spec = good;
	spec.path = "/nonexistent/program";
	check_failure(&spec, -ENOENT, SPAWN_EXEC, "a missing program");
	spec.path = "/";
	check_failure(&spec, -EACCES, SPAWN_EXEC, "a directory");
	spec = good;
	spec.cwd = "/nonexistent";
	check_failure(&spec, -ENOENT, SPAWN_CHDIR, "a missing working directory");
	spec = good;
	spec.cwd_fd = no_cgroup;
	check_failure(&spec, -ENOTDIR, SPAWN_CHDIR, "a working directory that is none");
	spec = good;
	spec.fds[2] = 999;
	check_failure(&spec, -EBADF, SPAWN_FD, "a closed fd");
	spec = good;
	spec.set_oom_score_adj = true;
	spec.oom_score_adj = 2000;
	check_failure(&spec, -EINVAL, SPAWN_OOM_SCORE_ADJ, "an oom score out of range");
	spec = good;
	spec.rlimits = &upside_down;
	spec.n_rlimits = 1;
	check_failure(&spec, -EINVAL, SPAWN_RLIMIT, "a soft limit above the hard");
	if (geteuid() != 0) {
		spec = good;
		spec.set_user = true;
		spec.uid = 0;
		check_failure(&spec, -EPERM, SPAWN_GROUPS, "a user that we may not become");
	}
}

static void test_exit(void)
{
	_cleanup_free_ char *end_by = helper_path("end-by");
	char kind[] = "signal", n[] = "6", *argv[] = {end_by, kind, n, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result result;
	int r;

	spec.path = end_by;
	spec.argv = argv;
	spec.envp = no_env;
	r = spawn_process(&spec, &result);
	is_int(r, 0, "%s: end-by runs", way);
	if (r < 0)
		return;
	is_int(proc_pidfd_wait(result.pidfd, usec_add(clock_monotonic_usec(), HELPER_PATIENCE)), 0,
		"%s: the pidfd tells of its end", way);
	ok(fcntl(result.pidfd, F_GETFD) & FD_CLOEXEC, "%s: the pidfd is close-on-exec", way);
	r = wait_status(&result);
	ok(WIFSIGNALED(r) && WTERMSIG(r) == 6, "%s: ended by signal 6", way);
}

static void test_death_of_parent(void)
{
	char word[] = "wait", *argv[] = {show_self, word, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	_cleanup_free_ char *text = NULL, *rest = NULL;
	int fds[2];
	pid_t pid;

	if (fd_pipe(fds, 0) < 0)
		bail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		struct spawn_result result;

		spec.path = show_self;
		spec.argv = argv;
		spec.envp = no_env;
		spec.fds[1] = fds[1];
		spec.die_with_parent = true;
		if (spawn_process(&spec, &result) < 0)
			_exit(1);
		(void)close(fds[1]);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	text = helper_read(fds[0], "end");
	contains(text, "\nend\n", "%s: a process with a mortal parent runs", way);
	(void)kill(pid, SIGKILL);
	(void)wait_child(pid);
	/* The pipe ends when its only writer does. */
	rest = helper_read(fds[0], NULL);
	is_str(rest, "\n", "%s: nothing more is printed", way);
	is_int(proc_is_alive((pid_t)helper_number(text, "pid "), 0), false,
		"%s: it ends with its parent", way);
	(void)close(fds[0]);
}

/* The report needs its pipe until exec, so that one stays open when the others are closed. */
static void test_report(void)
{
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	char *argv[] = {show_self, NULL};

	test_defaults();
	spec.path = "/nonexistent";
	spec.argv = argv;
	spec.envp = no_env;
	check_failure(&spec, -ENOENT, SPAWN_EXEC, "a missing program");
	spawn_force_copy(true);
	check_failure(&spec, -ENOENT, SPAWN_EXEC, "the same, told through a pipe");
	spawn_force_copy(false);
}

static void test_cgroup(int base)
{
	_cleanup_close_ int fd = -1, no_cgroup = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL, *path = NULL;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	char *argv[] = {show_self, NULL};
	int r;

	spec.path = show_self;
	spec.argv = argv;
	spec.envp = no_env;
	spec.cgroup_fd = no_cgroup;
	check_failure(&spec, strcmp(way, "fork") == 0 ? -ENOTDIR : -EBADF, SPAWN_CGROUP,
		"an fd that is no cgroup");
	if (base < 0) {
		skip(2, "%s", cgtest_why);
		return;
	}
	fd = cgroup_make(base, way, CGTEST_MARK, NULL, NULL);
	if (fd < 0)
		bail("cgroup_make: %s", strerror(-fd));
	path = xasprintf("/%s/%s", cgtest_path, way);
	spec.cgroup_fd = fd;
	spec.set_user = geteuid() == 0;
	spec.uid = spec.gid = 54321;
	text = run_show_self(&spec, &r);
	is_int(r, 0, "%s: show-self runs in a cgroup", way);
	is_line(text, "cgroup ", path, "%s: that one", way);
}

/* A cgroup stays of use after cgroup.kill, and so does what runs in one (not with CLONE_INTO_CGROUP
 * from Linux 6.14 on). */
static void test_killed_cgroup(int base)
{
	_cleanup_free_ char *text = NULL, *path = NULL, *name = xasprintf("%s-killed", way);
	_cleanup_close_ int fd = -1;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	char *argv[] = {show_self, NULL};
	int r;

	if (base < 0) {
		skip(4, "%s", cgtest_why);
		return;
	}
	fd = cgroup_make(base, name, CGTEST_MARK, NULL, NULL);
	if (fd < 0)
		bail("cgroup_make: %s", strerror(-fd));
	(void)cgroup_kill(fd, cgtest_in(USEC_PER_SEC));
	path = xasprintf("/%s/%s", cgtest_path, name);
	spec.cgroup_fd = fd;
	text = run_show_self(&spec, &r);
	is_int(r, 0, "%s: show-self runs in a cgroup that was killed", way);
	is_line(text, "cgroup ", path, "%s: in that one", way);
	spec.path = "/nonexistent";
	spec.argv = argv;
	spec.envp = no_env;
	check_failure(&spec, -ENOENT, SPAWN_EXEC, "a missing program there");
}

static void test_many(void)
{
	_cleanup_free_ char *end_by = helper_path("end-by");
	char kind[] = "exit", n[] = "3", *argv[] = {end_by, kind, n, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	int fds = count_entries("/proc/self/fd"), good = 0;

	spec.path = end_by;
	spec.argv = argv;
	spec.envp = no_env;
	for (int i = 0; i < 100; i++) {
		struct spawn_result result;

		if (spawn_process(&spec, &result) == 0 && wait_status(&result) == 3 << 8)
			good++;
	}
	is_int(good, 100, "%s: a hundred, one after another", way);
	is_int(count_entries("/proc/self/fd"), fds, "%s: no fd is left of them", way);
}

/* As libcurl's, which look up names: threads that take memory, descriptors and locks of libc while
 * the first one starts processes, and that come and go. */
static void *be_busy(void *arg)
{
	const atomic_bool *stop = arg;

	while (!atomic_load(stop)) {
		struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found = NULL;
		FILE *f = fopen("/dev/null", "re");

		errno = EXDEV;
		if (getaddrinfo("127.0.0.1", "80", &hints, &found) == 0)
			freeaddrinfo(found);
		if (f)
			(void)fclose(f);
	}
	return NULL;
}

static void test_threads(void)
{
	_cleanup_free_ char *end_by = helper_path("end-by");
	char kind[] = "exit", n[] = "3", *argv[] = {end_by, kind, n, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	atomic_bool stop = false;
	pthread_t threads[3];
	int good = 0, refused = 0;

	spec.argv = argv;
	spec.envp = no_env;
	spec.die_with_parent = true;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		if (pthread_create(&threads[i], NULL, be_busy, &stop) != 0)
			bail("pthread_create");
	for (int i = 0; i < 20; i++) {
		struct spawn_result result;

		spec.path = end_by;
		if (spawn_process(&spec, &result) == 0 && wait_status(&result) == 3 << 8)
			good++;
		spec.path = "/nonexistent/program";
		if (spawn_process(&spec, &result) == -ENOENT && result.failed_step == SPAWN_EXEC)
			refused++;
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		(void)pthread_join(threads[i], NULL);
	is_int(good, 20, "%s: twenty beside other threads", way);
	is_int(refused, 20, "%s: and twenty failures", way);
}

static void test_way(const char *name, int base)
{
	way = name;
	spawn_force_copy(strcmp(name, "copy") == 0);
	spawn_force_fork(strcmp(name, "fork") == 0);
	test_defaults();
	test_settings();
	test_user();
	test_stream_order();
	test_failures();
	test_exit();
	test_death_of_parent();
	test_cgroup(base);
	test_killed_cgroup(base);
	test_many();
	test_threads();
	spawn_force_copy(false);
	spawn_force_fork(false);
}

static void test_fork(void)
{
	int pidfd = -1;
	pid_t pid;

	fflush(stdout);
	pid = spawn_fork(&pidfd);
	if (pid == 0)
		_exit(9);
	ok(pid > 0 && pidfd >= 0, "spawn_fork returns a pid and a pidfd");
	is_int(proc_pidfd_wait(pidfd, usec_add(clock_monotonic_usec(), HELPER_PATIENCE)), 0,
		"the pidfd is that child's");
	is_int(wait_child(pid), 9, "the child went its own way");
	(void)close(pidfd);
}

static void run_checks(int base)
{
	if (!helper_has_pidfd()) {
		skip(1, "no pidfd_open here (Linux 5.3; valgrind 3.19 has none either)");
		return;
	}
	show_self = helper_path("show-self");
	tempdir_make();
	test_way("shared", base);
	test_way("copy", base);
	test_way("fork", base);
	way = "no clone3";
	refused_run(SYS_clone3, ENOSYS, test_report);
	way = "forbidden clone3";
	refused_run(SYS_clone3, EPERM, test_defaults);
	way = "no close_range";
	refused_run(SYS_close_range, ENOSYS, test_report);
	test_fork();
	free(show_self);
}

int main(void)
{
	/* As a parent's parent may have left them; before the first spawn looks. */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGRTMAX, SIG_IGN);
	return cgtest_main(run_checks);
}
