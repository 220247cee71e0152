/*
 * A cgroup of the test's own. The checks run in a child process; when it has ended, however it
 * ended, the parent kills and removes all that was made below that cgroup.
 *
 *     static void run_checks(int base) { ... }
 *
 *     int main(void)
 *     {
 *             return cgtest_main(run_checks);
 *     }
 *
 * `base` is the open directory of a fresh cgroup, or -1 where none could be made; cgtest_why then
 * says why.
 */
#ifndef TH_TESTS_CGTEST_H
#define TH_TESTS_CGTEST_H

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "os/cgroup.h"
#include "tests/unit/tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CGTEST_MARK "test"

static char *cgtest_why;  /* why there is no base */
static char *cgtest_path; /* of the base, relative to the mount */

static inline usec_t cgtest_in(usec_t usec)
{
	return usec_add(clock_monotonic_usec(), usec);
}

/* Below the root for root, else below our own cgroup, which may have been delegated. */
static inline int cgtest_make_base(int *ret_parent, char **ret_name)
{
	_cleanup_free_ char *mount = NULL, *own = NULL;
	_cleanup_close_ int root = -1;
	int fd, r = cgroup_find_mount(&mount);

	if (r < 0) {
		cgtest_why = xasprintf("no cgroup2 mount: %s", strerror(-r));
		return r;
	}
	root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || cgroup_of_pid(0, &own) < 0 || geteuid() == 0) {
		free(own);
		own = xstrdup("");
	}
	*ret_parent = cgroup_open(root, own);
	if (*ret_parent < 0) {
		cgtest_why = xasprintf("cannot open cgroup '%s': %s", own, strerror(-*ret_parent));
		return *ret_parent;
	}
	*ret_name = xasprintf("taskhook-test-%d", (int)getpid());
	fd = cgroup_make(*ret_parent, *ret_name, CGTEST_MARK, NULL, NULL);
	if (fd < 0)
		cgtest_why =
			xasprintf("cannot make a cgroup in '%s/%s': %s", mount, own, strerror(-fd));
	else
		cgtest_path = xasprintf("%s%s%s", own, *own ? "/" : "", *ret_name);
	return fd;
}

/* Removes what it can of a cgroup of the working directory and of those inside, by names alone, as
 * the tree may be deeper than a path can tell. */
static inline void cgtest_remove_tree(const char *name)
{
	struct dirent *e;
	DIR *d;

	if (chdir(name) < 0)
		return;
	d = opendir(".");
	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
			strcmp(e->d_name, "..") != 0)
			cgtest_remove_tree(e->d_name);
	if (d)
		(void)closedir(d);
	if (chdir("..") == 0)
		(void)rmdir(name);
}

/* With what is being tested, and if that fails without it. */
static inline void cgtest_remove_base(int parent, int base, const char *name)
{
	usec_t until = cgtest_in(10 * USEC_PER_SEC);

	cgroup_force_old(false);
	(void)cgroup_freeze(base, false);
	(void)cgroup_kill(base, until);
	if (cgroup_remove_tree(parent, name, NULL, cgtest_in(2 * USEC_PER_SEC)) < 0)
		diag("the cgroup '%s' is removed by other means", name);
	while (faccessat(parent, name, F_OK, 0) == 0 && clock_monotonic_usec() < until) {
		if (fchdir(parent) == 0)
			cgtest_remove_tree(name);
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	if (faccessat(parent, name, F_OK, 0) == 0)
		bail("cannot remove cgroup '%s'", name);
}

static volatile pid_t cgtest_checks; /* the process that runs the checks */

/* A driver that loses patience ends the checks, not the cleaning up. */
static inline void cgtest_on_signal(int sig)
{
	(void)sig;
	if (cgtest_checks > 0)
		(void)kill(cgtest_checks, SIGKILL);
}

static inline int cgtest_main(void (*run_checks)(int base))
{
	_cleanup_close_ int parent = -1, base = -1;
	_cleanup_free_ char *name = NULL;
	int status;
	pid_t pid;

	base = cgtest_make_base(&parent, &name);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork: %s", strerror(errno));
	if (pid > 0) {
		cgtest_checks = pid;
		(void)signal(SIGTERM, cgtest_on_signal);
		(void)signal(SIGINT, cgtest_on_signal);
		(void)signal(SIGHUP, cgtest_on_signal);
	}
	if (pid == 0) {
		run_checks(base);
		status = done_testing();
		free(cgtest_why);
		free(cgtest_path);
		free(name);
		exit(status);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (base >= 0)
		cgtest_remove_base(parent, base, name);
	free(cgtest_why);
	free(cgtest_path);
	if (WIFSIGNALED(status))
		bail("the checks ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* How many descriptors are open, for a look before and after. */
static inline int cgtest_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

/* Polls `condition` until it is true, at most for 10 s. */
#define cgtest_wait_for(condition)                                                                 \
	__extension__({                                                                            \
		usec_t until_ = cgtest_in(10 * USEC_PER_SEC);                                      \
		bool true_;                                                                        \
		while (!(true_ = (condition)) && clock_monotonic_usec() < until_)                  \
			(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);             \
		true_;                                                                             \
	})

/* Forks a child that is in the cgroup before this returns. It calls `body`, then waits to be
 * killed. */
static inline pid_t cgtest_fork_in(int dirfd, void (*body)(void))
{
	int ready[2];
	char c;
	pid_t pid;

	if (fd_pipe(ready, 0) < 0)
		bail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		bail("fork: %s", strerror(errno));
	if (pid == 0) {
		if (cgroup_attach(dirfd, 0) == 0) {
			(void)!write(ready[1], "x", 1);
			if (body)
				body();
			for (;;)
				pause();
		}
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		diag("a child could not enter its cgroup");
	close(ready[0]);
	return pid;
}

/* Kills (harmless where it is dead) and reaps a child; returns its wait status. */
static inline int cgtest_reap(pid_t pid, bool kill_it)
{
	int status = -1;

	if (kill_it)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

#endif
