#include "config.h"

#include "os/spawn.h"

#include "base/fd.h"
#include "base/macro.h"
#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One number for all architectures but alpha, for headers older than the calls. */
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
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

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* struct clone_args of <linux/sched.h> as of Linux 5.7, for headers that are older. */
struct clone_args_v2 {
	uint64_t flags;
	uint64_t pidfd;
	uint64_t child_tid;
	uint64_t parent_tid;
	uint64_t exit_signal;
	uint64_t stack;
	uint64_t stack_size;
	uint64_t tls;
	uint64_t set_tid;
	uint64_t set_tid_size;
	uint64_t cgroup;
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct clone_args_v2) == 88, "clone3 tells its versions by their size");
_Static_assert(sizeof(struct rlimit) == 16, "prlimit64 takes 64-bit limits");

/* The kernel's sigset_t, which is smaller than that of libc. */
#define KERNEL_SIGSET_SIZE ((size_t)(_NSIG / 8))

/* Code that runs in a child which shares our memory, on a foreign stack: nothing there may be
 * instrumented, take memory, or call anything in libc that has state. Its system calls go through
 * syscall(2), whose only state, errno, the parent restores. */
#define IN_CHILD __attribute__((noinline, no_sanitize("address", "undefined")))

#define STACK_SIZE ((size_t)64 * 1024)

/* What the child needs, made ready before it exists, and what it reports. */
struct child {
	const struct spawn_spec *spec;
	pid_t parent;
	uint64_t ignored;
	bool attach;   /* it has to enter the cgroup by itself */
	int report_fd; /* -1: through `report` in shared memory */
	char oom_score_adj[16];
	struct report {
		int step;   /* SPAWN_OK: it has not begun */
		int errnum; /* 0: none failed */
	} report;
};

static bool force_fork, force_copy;

const char *spawn_step_name(enum spawn_step step)
{
	switch (step) {
	case SPAWN_OK:
		break;
	case SPAWN_CLONE:
		return "make a process";
	case SPAWN_CGROUP:
		return "enter the cgroup";
	case SPAWN_SESSION:
		return "make a session";
	case SPAWN_FD:
		return "set up the standard streams";
	case SPAWN_OOM_SCORE_ADJ:
		return "set the oom score";
	case SPAWN_NICE:
		return "set the nice value";
	case SPAWN_RLIMIT:
		return "set a resource limit";
	case SPAWN_CHDIR:
		return "enter the working directory";
	case SPAWN_GROUPS:
		return "set the groups";
	case SPAWN_UID:
		return "set the user";
	case SPAWN_EXEC:
		return "execute";
	}
	return "start";
}

static uint64_t signal_bit(int sig)
{
	return UINT64_C(1) << (sig - 1);
}

/*
 * The signals that were ignored when we were started, as bits. Asked from the kernel, as libc's
 * sigaction() refuses to speak of the two that it keeps to itself (32 and 33), and a caller may
 * have left those ignored as well. The handler is the first word of the kernel's struct in the
 * layout of every architecture but alpha.
 */
static uint64_t ignored_signals(void)
{
	static uint64_t ignored;

	if (ignored)
		return ignored;
	for (int sig = 1; sig < _NSIG; sig++) {
		unsigned long action[8] = {0};

		if (syscall(SYS_rt_sigaction, sig, NULL, action, KERNEL_SIGSET_SIZE) < 0 ||
			action[0] != (unsigned long)(uintptr_t)SIG_IGN)
			continue;
		if (sig == SIGCHLD)
			(void)signal(SIGCHLD, SIG_DFL);
		else
			ignored |= signal_bit(sig);
	}
	ignored |= signal_bit(SIGPIPE);
	return ignored;
}

/* ---- in the child --------------------------------------------------------------------------- */

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

/* Closes all from 3 on but `keep` (-1: none). */
IN_CHILD static int child_close_others(int keep)
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

/* Notes each step before it is done, and returns -errno of the one that failed. */
IN_CHILD static int child_set_up(struct child *c)
{
	const struct spawn_spec *spec = c->spec;
	int *step = &c->report.step;
	static const unsigned long no_signals[_NSIG / 8 / sizeof(unsigned long) + 1];
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
	r = child_close_others(c->report_fd);
	if (r < 0)
		return r;
	if (spec->set_umask)
		(void)syscall(SYS_umask, spec->umask);
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
	if (spec->set_user) {
		/* Not libc's functions: with CLONE_VM they would act on the parent's threads. */
		*step = SPAWN_GROUPS;
		if (syscall(NR_SETGROUPS, spec->n_groups, spec->groups) < 0)
			return -errno;
		if (syscall(NR_SETRESGID, spec->gid, spec->gid, spec->gid) < 0)
			return -errno;
		*step = SPAWN_UID;
		if (syscall(NR_SETRESUID, spec->uid, spec->uid, spec->uid) < 0)
			return -errno;
	}
	if (spec->die_with_parent) {
		long ppid;

		/* Only now, as the switch of user clears it (prctl(2)). A parent that has died
		 * already sends none; 0 is a parent outside our pid namespace. */
		*step = SPAWN_SESSION;
		if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
			return -errno;
		ppid = syscall(SYS_getppid);
		if (ppid != c->parent && ppid != 0)
			return -ESRCH;
	}
	*step = SPAWN_CHDIR;
	if (spec->cwd && syscall(SYS_chdir, spec->cwd) < 0)
		return -errno;
	*step = SPAWN_EXEC;
	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL, KERNEL_SIGSET_SIZE) < 0)
		return -errno;
	(void)syscall(SYS_execve, spec->path, spec->argv, spec->envp);
	return -errno;
}

/* The report is in the parent's memory or, with a pipe, in a copy of it. */
IN_CHILD static void child_main(void *arg)
{
	struct child *c = arg;

	c->report.step = SPAWN_CLONE;
	if (c->report_fd >= 0)
		(void)syscall(SYS_write, c->report_fd, &c->report, sizeof(c->report));
	c->report.errnum = -child_set_up(c);
	if (c->report_fd >= 0)
		(void)syscall(SYS_write, c->report_fd, &c->report, sizeof(c->report));
	for (;;)
		(void)syscall(SYS_exit_group, 127);
}

/* ---- in the parent -------------------------------------------------------------------------- */

/*
 * clone3 where the child continues in fn(arg) on the stack in `args`. No C function can do this, as
 * the child must not return on a stack that has no frames; libc exports no clone3.
 */
#if defined(__x86_64__) && !defined(__ILP32__)
#define HAVE_CLONE_ON_STACK 1
static long clone_on_stack(struct clone_args_v2 *args, size_t size, void (*fn)(void *), void *arg)
{
	register long rax __asm__("rax") = SYS_clone3;
	register void (*rdx)(void *) __asm__("rdx") = fn;
	register void *r8 __asm__("r8") = arg;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r8, %%rdi\n\t"
			 "call *%%rdx\n\t"
			 "ud2\n"
			 "1:"
			 : "+r"(rax)
			 : "D"(args), "S"(size), "r"(rdx), "r"(r8)
			 : "rcx", "r11", "memory", "cc");
	return rax;
}
#elif defined(__aarch64__) && !defined(__ILP32__)
#define HAVE_CLONE_ON_STACK 1
static long clone_on_stack(struct clone_args_v2 *args, size_t size, void (*fn)(void *), void *arg)
{
	register long x0 __asm__("x0") = (long)args;
	register size_t x1 __asm__("x1") = size;
	register void (*x2)(void *) __asm__("x2") = fn;
	register void *x3 __asm__("x3") = arg;
	register long x8 __asm__("x8") = SYS_clone3;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, x3\n\t"
			 "blr x2\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x1), "r"(x2), "r"(x3), "r"(x8)
			 : "memory", "cc");
	return x0;
}
#else
#define HAVE_CLONE_ON_STACK 0
static long clone_on_stack(struct clone_args_v2 *args, size_t size, void (*fn)(void *), void *arg)
{
	(void)args;
	(void)size;
	(void)fn;
	(void)arg;
	return -ENOSYS;
}
#endif

/* The lower end of the child's stack, mapped once: the parent sleeps until the child has left it.
 */
static void *stack_base;

/* NULL where there is no memory. */
static void *child_stack(void)
{
	size_t guard;
	char *p;

	if (stack_base)
		return stack_base;
	guard = (size_t)sysconf(_SC_PAGESIZE);
	p = mmap(NULL, guard + STACK_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p, guard, PROT_NONE) < 0) {
		(void)munmap(p, guard + STACK_SIZE);
		return NULL;
	}
	stack_base = p + guard;
	return stack_base;
}

void spawn_trim(void)
{
	if (stack_base)
		(void)madvise(stack_base, STACK_SIZE, MADV_DONTNEED);
}

/* Errors of clone3 that say: not with this kernel (E2BIG, EINVAL: older than the flags), filter or
 * valgrind. */
static bool is_unsupported(long r)
{
	return r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -E2BIG || r == -EOPNOTSUPP;
}

static struct clone_args_v2 make_clone_args(const struct child *c, int *pidfd)
{
	struct clone_args_v2 args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};

	if (c->spec->cgroup_fd >= 0 && !c->attach) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)c->spec->cgroup_fd;
	}
	return args;
}

/* Our memory, and us asleep until it has executed or exited. The pid or -errno. */
static long clone_shared(struct child *c, int *ret_pidfd)
{
	struct clone_args_v2 args = make_clone_args(c, ret_pidfd);
	void *stack = NULL;
	int dumpable = -1;
	long pid;

	if (HAVE_CLONE_ON_STACK && !force_copy)
		stack = child_stack();
	if (!stack)
		return -ENOSYS;
	args.flags |= CLONE_VM | CLONE_VFORK;
	args.stack = (uintptr_t)stack;
	args.stack_size = STACK_SIZE;
	/* The switch of user makes the memory undumpable, so that the user cannot trace a child
	 * that shares it (Linux, commit_creds()); with the child gone it is as it was. */
	if (c->spec->set_user)
		dumpable = prctl(PR_GET_DUMPABLE);
	pid = clone_on_stack(&args, sizeof(args), child_main, c);
	if (dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1);
	/* A clone3 that fails late has stored a number that it then gave back. */
	if (pid < 0)
		*ret_pidfd = -1;
	return pid;
}

/* A copy of our memory, returning in the child as fork(2) does. The pid or -errno. */
static long clone_copied(struct child *c, int *ret_pidfd)
{
	struct clone_args_v2 args = make_clone_args(c, ret_pidfd);
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0) {
		pid = -errno;
		*ret_pidfd = -1;
	}
	return pid;
}

/* Runs the child in a copy of our memory, made by `clone`, with the report through a pipe. */
static long run_copied(
	struct child *c, int *ret_pidfd, long (*clone)(struct child *c, int *ret_pidfd))
{
	_cleanup_close_ int reader = -1, writer = -1, high = -1;
	struct report report;
	int fds[2];
	long pid;
	int r;

	r = fd_pipe(fds, 0);
	if (r < 0)
		return r;
	reader = fds[0];
	writer = fds[1];
	/* 0 to 2 are overwritten in the child. */
	high = fcntl(writer, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return -errno;
	c->report_fd = high;
	pid = clone(c, ret_pidfd);
	if (pid == 0)
		child_main(c);
	c->report_fd = -1;
	if (pid < 0)
		return pid;
	fd_closep(&writer);
	fd_closep(&high);
	/* The last one counts. The pipe ends when exec closes the child's. */
	while (fd_read_full(reader, &report, sizeof(report)) == (ssize_t)sizeof(report))
		c->report = report;
	return pid;
}

static void reap_child(long pid)
{
	while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static long fork_with_pidfd(struct child *c, int *ret_pidfd)
{
	pid_t pid = fork();
	int fd;

	(void)c;
	if (pid <= 0)
		return pid < 0 ? -errno : 0;
	fd = proc_pidfd_open(pid);
	if (fd < 0) {
		(void)kill(pid, SIGKILL);
		reap_child(pid);
		return fd;
	}
	*ret_pidfd = fd;
	return pid;
}

static long run_by_clone3(struct child *c, int *ret_pidfd)
{
	long pid = clone_shared(c, ret_pidfd);

	return is_unsupported(pid) ? run_copied(c, ret_pidfd, clone_copied) : pid;
}

/* The pid or -errno. */
static long run_child(struct child *c, int *ret_pidfd)
{
	bool placed = c->spec->cgroup_fd >= 0;
	long pid = -ENOSYS;

	if (!force_fork) {
		pid = run_by_clone3(c, ret_pidfd);
		/*
		 * Linux 6.14 and later kill a child at birth where CLONE_INTO_CGROUP leads to or
		 * from a cgroup that cgroup.kill has ever been written to, as they compare the kill
		 * counts of two different cgroups (seen with 6.18). Such a child goes there itself.
		 */
		if (placed && pid > 0 && c->report.step == SPAWN_OK) {
			reap_child(pid);
			*ret_pidfd = fd_close(*ret_pidfd);
			pid = -EOPNOTSUPP;
		}
		if (placed && is_unsupported(pid)) {
			c->attach = true;
			pid = run_by_clone3(c, ret_pidfd);
		}
	}
	if (is_unsupported(pid)) {
		c->attach = placed;
		pid = run_copied(c, ret_pidfd, fork_with_pidfd);
	}
	return pid;
}

static bool is_cgroup_error(long r)
{
	return r == -EACCES || r == -EBUSY || r == -ENODEV || r == -ENOENT || r == -EBADF;
}

int spawn_process(const struct spawn_spec *spec, struct spawn_result *ret)
{
	struct child c = {
		.spec = spec,
		.parent = getpid(),
		.ignored = ignored_signals(),
		.report_fd = -1,
	};
	_cleanup_close_ int pidfd = -1;
	sigset_t all, before;
	int saved_errno = errno;
	long pid;

	ret->failed_step = SPAWN_CLONE;
	if (spec->set_oom_score_adj)
		(void)snprintf(c.oom_score_adj, sizeof(c.oom_score_adj), "%d", spec->oom_score_adj);

	/* No handler of ours may run in a child that has our memory. */
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
		return -errno;
	pid = run_child(&c, &pidfd);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved_errno;

	if (pid < 0) {
		if (spec->cgroup_fd >= 0 && is_cgroup_error(pid))
			ret->failed_step = SPAWN_CGROUP;
		return (int)pid;
	}
	if (c.report.errnum) {
		reap_child(pid);
		errno = saved_errno;
		ret->failed_step = (enum spawn_step)c.report.step;
		return -c.report.errnum;
	}
	ret->pid = (pid_t)pid;
	ret->pidfd = TAKE_FD(pidfd);
	ret->failed_step = SPAWN_OK;
	return 0;
}

pid_t spawn_fork(int *ret_pidfd)
{
	(void)ignored_signals();
	return (pid_t)fork_with_pidfd(NULL, ret_pidfd);
}

int spawn_close_others(int keep)
{
	return child_close_others(keep);
}

void spawn_force_fork(bool on)
{
	force_fork = on;
}

void spawn_force_copy(bool on)
{
	force_copy = on;
}
