#include "config.h"

#include "os/spawn.h"

#include "base/fd.h"
#include "base/macro.h"
#include "os/proc.h"
#include "os/spawn-internal.h"

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

#define STACK_SIZE ((size_t)64 * 1024)

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

static struct clone_args_v2 make_clone_args(const struct spawn_child *c, int *pidfd)
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
static long clone_shared(struct spawn_child *c, int *ret_pidfd)
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
	pid = clone_on_stack(&args, sizeof(args), spawn_child_main, c);
	if (dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1);
	/* A clone3 that fails late has stored a number that it then gave back. */
	if (pid < 0)
		*ret_pidfd = -1;
	return pid;
}

/* A copy of our memory, returning in the child as fork(2) does. The pid or -errno. */
static long clone_copied(struct spawn_child *c, int *ret_pidfd)
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
	struct spawn_child *c, int *ret_pidfd, long (*clone)(struct spawn_child *c, int *ret_pidfd))
{
	_cleanup_close_ int reader = -1, writer = -1, high = -1;
	struct spawn_report report;
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
		spawn_child_main(c);
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

static long fork_with_pidfd(struct spawn_child *c, int *ret_pidfd)
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

static long run_by_clone3(struct spawn_child *c, int *ret_pidfd)
{
	long pid = clone_shared(c, ret_pidfd);

	return is_unsupported(pid) ? run_copied(c, ret_pidfd, clone_copied) : pid;
}

/* The pid or -errno. */
static long run_child(struct spawn_child *c, int *ret_pidfd)
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
	struct spawn_child c = {
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

void spawn_force_fork(bool on)
{
	force_fork = on;
}

void spawn_force_copy(bool on)
{
	force_copy = on;
}
