#include "config.h"

#include "os/spawn.h"

#include "os/spawn-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One number for all architectures but alpha, for headers older than the call. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* The first calls of these names had 16-bit ids on the older 32-bit architectures (setresuid(2)).
 */
#ifdef SYS_setresuid32
#define NR_SETGROUPS SYS_setgroups32
#define NR_SETRESGID SYS_setresgid32
#define NR_SETRESUID SYS_setresuid32
#else
#define NR_SETGROUPS SYS_setgroups
#define NR_SETRESGID SYS_setresgid
#define NR_SETRESUID SYS_setresuid
#endif
#ifdef SYS_fcntl64
#define NR_FCNTL SYS_fcntl64
#else
#define NR_FCNTL SYS_fcntl
#endif

_Static_assert(sizeof(struct rlimit) == 16, "prlimit64 takes 64-bit limits");

/* Code that runs in a child which shares our memory, on a foreign stack: nothing there may be
 * instrumented, take memory, or call anything in libc that has state. Its system calls go through
 * syscall(2), whose only state, errno, the parent restores. */
#define IN_CHILD __attribute__((noinline, no_sanitize("address", "undefined")))

IN_CHILD static int child_reset_signals(uint64_t ignored)
{
	/* CLONE_CLEAR_SIGHAND and execve reset handlers, but leave what is ignored. A zeroed struct
	 * is SIG_DFL without flags in the layout of every architecture. */
	static const unsigned long dfl[8];

	for (int sig = 1; sig < _NSIG; sig++)
		if ((ignored >> (sig - 1) & 1) != 0 &&
			syscall(SYS_rt_sigaction, sig, dfl, NULL, KERNEL_SIGSET_SIZE) < 0)
			return -errno;
	return 0;
}

IN_CHILD static int child_attach(int cgroup_fd)
{
	int fd = (int)syscall(SYS_openat, cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_write, fd, "0", 1) < 0)
		return -errno;
	(void)syscall(SYS_close, fd);
	return 0;
}

IN_CHILD static int child_set_streams(const int fds[3])
{
	int from[3], null = -1;

	for (int i = 0; i < 3; i++) {
		from[i] = fds[i];
		if (from[i] < 0 && null < 0) {
			null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
			if (null < 0)
				return -errno;
		}
		if (from[i] < 0)
			from[i] = null;
	}
	/* Out of the way of the copies to come, as {1, 0, 2} is allowed. */
	for (int i = 0; i < 3; i++)
		if (from[i] < 3 && from[i] != i) {
			from[i] = (int)syscall(NR_FCNTL, from[i], F_DUPFD_CLOEXEC, 3);
			if (from[i] < 0)
				return -errno;
		}
	for (int i = 0; i < 3; i++) {
		long r = from[i] == i ? syscall(NR_FCNTL, i, F_SETFD, 0)
				      : syscall(SYS_dup3, from[i], i, 0);

		if (r < 0)
			return -errno;
	}
	return 0;
}

/* until Linux 5.9 */
IN_CHILD static int child_close_listed(int keep)
{
	struct {
		uint64_t ino;
		int64_t off;
		unsigned short reclen;
		unsigned char type;
		char name[];
	} * entry;
	char buf[1024] __attribute__((aligned(8)));
	int dir = (int)syscall(
		SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0) {
		struct rlimit limit = {0};

		if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0)
			return -errno;
		for (int fd = 3; (rlim_t)fd < limit.rlim_cur && fd < 1 << 20; fd++)
			if (fd != keep)
				(void)syscall(SYS_close, fd);
		return 0;
	}
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += entry->reclen) {
			int fd = 0;

			entry = (void *)(buf + at);
			for (const char *s = entry->name; *s >= '0' && *s <= '9'; s++)
				fd = 10 * fd + (*s - '0');
			/* "." and ".." count as 0. */
			if (fd >= 3 && fd != dir && fd != keep)
				(void)syscall(SYS_close, fd);
		}
	if (n < 0)
		return -errno;
	(void)syscall(SYS_close, dir);
	return 0;
}

IN_CHILD int spawn_close_others(int keep)
{
	unsigned after = keep < 3 ? 3 : (unsigned)keep + 1;

	if (keep > 3 && syscall(SYS_close_range, 3, (unsigned)keep - 1, 0) < 0)
		return child_close_listed(keep);
	if (syscall(SYS_close_range, after, ~0U, 0) < 0)
		return child_close_listed(keep);
	return 0;
}

IN_CHILD static int child_set_oom_score_adj(const char *text)
{
	size_t len = 0;
	int fd = (int)syscall(
		SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	while (text[len])
		len++;
	if (fd < 0 || syscall(SYS_write, fd, text, len) < 0)
		return -errno;
	(void)syscall(SYS_close, fd);
	return 0;
}

/* The steps below note each one before it is done, and return -errno of the one that failed. */

IN_CHILD static int child_set_priorities(struct spawn_child *c)
{
	const struct spawn_spec *spec = c->spec;
	int *step = &c->report.step;
	int r;

	*step = SPAWN_OOM_SCORE_ADJ;
	if (spec->set_oom_score_adj && (r = child_set_oom_score_adj(c->oom_score_adj)) < 0)
		return r;
	*step = SPAWN_NICE;
	if (spec->set_nice && syscall(SYS_setpriority, PRIO_PROCESS, 0, spec->nice) < 0)
		return -errno;
	*step = SPAWN_RLIMIT;
	for (size_t i = 0; i < spec->n_rlimits; i++)
		if (syscall(SYS_prlimit64, 0, spec->rlimits[i].resource, &spec->rlimits[i].value,
			    NULL) < 0)
			return -errno;
	return 0;
}

/* Not by libc's functions: with CLONE_VM they would act on the parent's threads. */
IN_CHILD static int child_set_user(struct spawn_child *c)
{
	const struct spawn_spec *spec = c->spec;
	int *step = &c->report.step;

	*step = SPAWN_GROUPS;
	if (syscall(NR_SETGROUPS, spec->n_groups, spec->groups) < 0)
		return -errno;
	if (syscall(NR_SETRESGID, spec->gid, spec->gid, spec->gid) < 0)
		return -errno;
	*step = SPAWN_UID;
	return syscall(NR_SETRESUID, spec->uid, spec->uid, spec->uid) < 0 ? -errno : 0;
}

/* After the switch of user, which clears it (prctl(2)). */
IN_CHILD static int child_die_with_parent(struct spawn_child *c)
{
	long ppid;

	c->report.step = SPAWN_SESSION;
	if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	/* A parent that has died already sends none; 0 is a parent outside our pid namespace. */
	ppid = syscall(SYS_getppid);
	return ppid != c->parent && ppid != 0 ? -ESRCH : 0;
}

/* Ends with exec, or with -errno. */
IN_CHILD static int child_execute(struct spawn_child *c)
{
	static const unsigned long no_signals[_NSIG / 8 / sizeof(unsigned long) + 1];
	const struct spawn_spec *spec = c->spec;
	int *step = &c->report.step;
	int r;

	*step = SPAWN_CGROUP;
	if (c->attach && (r = child_attach(spec->cgroup_fd)) < 0)
		return r;
	*step = SPAWN_SESSION;
	r = child_reset_signals(c->ignored);
	if (r < 0)
		return r;
	if (syscall(SYS_setsid) < 0)
		return -errno;
	*step = SPAWN_CHDIR;
	if (spec->cwd_fd >= 0 && syscall(SYS_fchdir, spec->cwd_fd) < 0)
		return -errno;
	*step = SPAWN_FD;
	r = child_set_streams(spec->fds);
	if (r < 0)
		return r;
	r = spawn_close_others(c->report_fd);
	if (r < 0)
		return r;
	if (spec->set_umask)
		(void)syscall(SYS_umask, spec->umask);
	r = child_set_priorities(c);
	if (r < 0)
		return r;
	if (spec->set_user && (r = child_set_user(c)) < 0)
		return r;
	if (spec->die_with_parent && (r = child_die_with_parent(c)) < 0)
		return r;
	*step = SPAWN_CHDIR;
	if (spec->cwd && syscall(SYS_chdir, spec->cwd) < 0)
		return -errno;
	*step = SPAWN_EXEC;
	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL, KERNEL_SIGSET_SIZE) < 0)
		return -errno;
	(void)syscall(SYS_execve, spec->path, spec->argv, spec->envp);
	return -errno;
}

IN_CHILD void spawn_child_main(void *arg)
{
	struct spawn_child *c = arg;

	c->report.step = SPAWN_CLONE;
	if (c->report_fd >= 0)
		(void)syscall(SYS_write, c->report_fd, &c->report, sizeof(c->report));
	c->report.errnum = -child_execute(c);
	if (c->report_fd >= 0)
		(void)syscall(SYS_write, c->report_fd, &c->report, sizeof(c->report));
	for (;;)
		(void)syscall(SYS_exit_group, 127);
}
