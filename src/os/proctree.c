#include "config.h"

#include "os/proctree.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "os/cgroup.h"
#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* As waitpid(2) would tell of a process that SIGKILL ended. */
#define WAIT_STATUS_KILLED SIGKILL

/* For the new parent of an adopted process to reap it. */
#define REAP_WAIT USEC_PER_SEC

/* How often a keeper that is to kill its tree looks for what it missed. */
#define KEEPER_KILL_MSEC 100

/* The keeper's channel: SOCK_SEQPACKET, one struct a message. */
enum message_kind {
	MESSAGE_STARTED, /* to the parent, with the pidfd: pid, or step and errnum */
	MESSAGE_EXITED,	 /* to the parent: wait_status, usage */
	MESSAGE_DETACH,	 /* to the keeper: the end of the channel will not be the parent's death */
};
struct message {
	enum message_kind kind;
	pid_t pid;
	enum spawn_step step;
	int errnum;
	int wait_status;
	struct rusage usage;
};

/* ---- the tree below a keeper ---------------------------------------------------------------- */

static bool has_ended(const struct proc_entry *e)
{
	return e->state == 'Z' || e->state == 'X';
}

struct entries {
	struct proc_entry *v;
	size_t n;
};

static void entries_done(struct entries *s)
{
	free(s->v);
}

static bool entries_contain(const struct entries *s, const struct proc_entry *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].pid == e->pid && s->v[i].start_ticks == e->start_ticks)
			return true;
	return false;
}

/* Sends sig to those below root that are not in `seen` yet, and adds them. Their number or -errno.
 */
static int signal_new(pid_t root, int sig, struct entries *seen)
{
	_cleanup_free_ struct proc_entry *tree = NULL;
	int n, fresh = 0;

	n = proc_tree(root, &tree);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (has_ended(&tree[i]) || entries_contain(seen, &tree[i]))
			continue;
		seen->v = xreallocarray(seen->v, seen->n + 1, sizeof(*seen->v));
		seen->v[seen->n++] = tree[i];
		(void)proc_entry_signal(&tree[i], sig);
		fresh++;
	}
	return fresh;
}

/*
 * Stops all, and adds them to `seen`, until two scans running find nothing new: one alone may have
 * passed over a process that was changing parents. 0, -ETIMEDOUT or -errno.
 */
static int stop_all(pid_t root, struct entries *seen, usec_t deadline)
{
	for (int calm = 0; calm < 2;) {
		int fresh = signal_new(root, SIGSTOP, seen);

		if (fresh < 0)
			return fresh;
		calm = fresh ? 0 : calm + 1;
		if (calm < 2 && clock_monotonic_usec() >= deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

/*
 * First stopped and then killed, as a stopped process has no children: what forks faster than we
 * read /proc would otherwise always have one more. A process with a stop pending cannot fork either
 * (Linux 4.20), even while it is in state D.
 */
static int kill_below(pid_t root, usec_t deadline)
{
	__attribute__((cleanup(entries_done))) struct entries seen = {0};
	size_t killed = 0;

	do {
		int r = stop_all(root, &seen, deadline);

		for (; killed < seen.n; killed++)
			(void)proc_entry_signal(&seen.v[killed], SIGKILL);
		if (r < 0)
			return r;
		/* Killed ones cannot have had children since they were stopped; strangers that a
		 * tracer or a SIGCONT let run may. */
		r = signal_new(root, SIGSTOP, &seen);
		if (r < 0)
			return r;
	} while (killed < seen.n);
	return 0;
}

/* ---- the keeper ----------------------------------------------------------------------------- */

static void send_message(int channel, const struct message *m, int pidfd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct message copy = *m;
	struct iovec iov = {.iov_base = &copy, .iov_len = sizeof(copy)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (pidfd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pidfd, sizeof(int));
	}
	/* Two messages always fit; nobody may be there to read them. */
	(void)sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Nothing of the task's or the supervisor's stays open or busy because of the keeper. */
static int keeper_let_go(int channel)
{
	int r = spawn_close_others(channel);

	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return -errno;
	return fd_open_null(STDIN_FILENO, STDERR_FILENO);
}

/* Reaps what has ended. False when no child is left. */
static bool keeper_reap(int channel, pid_t main_pid)
{
	for (;;) {
		struct message m = {.kind = MESSAGE_EXITED};

		m.pid = wait4(-1, &m.wait_status, WNOHANG | __WALL, &m.usage);
		if (m.pid <= 0)
			return m.pid == 0;
		if (m.pid == main_pid && channel >= 0)
			send_message(channel, &m, -1);
	}
}

static int keeper_watch(int channel, int signal_fd, pid_t main_pid, bool die_with_parent)
{
	bool killing = false;

	while (keeper_reap(channel, main_pid)) {
		struct pollfd p[2] = {
			{.fd = signal_fd, .events = POLLIN},
			{.fd = channel, .events = POLLIN},
		};
		struct signalfd_siginfo si;

		if (killing)
			(void)kill_below(getpid(), usec_add(clock_monotonic_usec(), USEC_PER_SEC));
		if (poll(p, 2, killing ? KEEPER_KILL_MSEC : -1) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents)
			(void)!read(signal_fd, &si, sizeof(si));
		if (p[1].revents) {
			struct message m;

			if (recv(channel, &m, sizeof(m), MSG_DONTWAIT) == (ssize_t)sizeof(m)) {
				die_with_parent = false;
				continue;
			}
			channel = fd_close(channel);
			killing = die_with_parent;
		}
	}
	return 0;
}

NORETURN static void keeper_main(int channel, const struct spawn_spec *spec)
{
	struct message m = {.kind = MESSAGE_STARTED, .step = SPAWN_CLONE};
	struct spawn_result result = {.pid = 0};
	sigset_t all, child;
	int signal_fd = -1, r;

	/* All that a stray group or terminal signal could do to it. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	(void)prctl(PR_SET_NAME, "taskhook-keeper");
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	r = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
	if (r == 0) {
		r = spawn_process(spec, &result);
		m.step = result.failed_step;
	}
	if (r < 0) {
		m.errnum = -r;
		send_message(channel, &m, -1);
		_exit(1);
	}
	m.pid = result.pid;
	send_message(channel, &m, result.pidfd);

	r = keeper_let_go(channel);
	if (r == 0) {
		signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
		r = signal_fd < 0 ? -errno
				  : keeper_watch(channel, signal_fd, m.pid, spec->die_with_parent);
	}
	_exit(r < 0 ? 1 : 0);
}

/* ---- both kinds ----------------------------------------------------------------------------- */

/* A message, or -errno; 0 is the end of the channel. *ret_fd gets the fd that came with it. */
static ssize_t receive_message(int channel, struct message *m, int flags, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(channel, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n && n != (ssize_t)sizeof(*m) ? -EBADMSG : n;
}

static void reap_keeper(pid_t keeper, int flags)
{
	while (waitpid(keeper, NULL, flags | __WALL) < 0 && errno == EINTR)
		;
}

static int start_keeper(
	struct proctree *t, const struct spawn_spec *spec, enum spawn_step *ret_step)
{
	_cleanup_close_ int ours = -1, theirs = -1, keeper_pidfd = -1, pidfd = -1;
	struct message m;
	int pair[2];
	pid_t keeper;
	ssize_t n;

	*ret_step = SPAWN_CLONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	keeper = spawn_fork(&keeper_pidfd);
	if (keeper < 0)
		return keeper;
	if (keeper == 0) {
		(void)close(ours);
		keeper_main(theirs, spec);
	}
	fd_closep(&theirs);

	n = receive_message(ours, &m, 0, &pidfd);
	if (n <= 0 || m.errnum || pidfd < 0) {
		/* Started, but we had no room for its pidfd. */
		if (n > 0 && !m.errnum)
			(void)kill_below(keeper, usec_add(clock_monotonic_usec(), USEC_PER_SEC));
		(void)proc_pidfd_signal(keeper_pidfd, SIGKILL);
		reap_keeper(keeper, 0);
		if (n <= 0)
			return n < 0 ? (int)n : -ECHILD;
		*ret_step = m.step;
		return m.errnum ? -m.errnum : -EMFILE;
	}
	t->pid = m.pid;
	t->pidfd = TAKE_FD(pidfd);
	t->exit_fd = TAKE_FD(ours);
	t->keeper = keeper;
	t->keeper_pidfd = TAKE_FD(keeper_pidfd);
	if (proc_start_time(keeper, &t->keeper_start_ticks) < 0)
		t->keeper_start_ticks = 0;
	return 0;
}

static int start_in_cgroup(
	struct proctree *t, const struct spawn_spec *spec, enum spawn_step *ret_step)
{
	struct spawn_result result;
	int r = spawn_process(spec, &result);

	if (r < 0) {
		*ret_step = result.failed_step;
		return r;
	}
	t->pid = result.pid;
	t->pidfd = t->exit_fd = result.pidfd;
	return 0;
}

int proctree_start(
	struct proctree *t, int cgroup_fd, const struct spawn_spec *spec, enum spawn_step *ret_step)
{
	struct spawn_spec placed = *spec;
	int r;

	placed.cgroup_fd = cgroup_fd;
	r = cgroup_fd >= 0 ? start_in_cgroup(t, &placed, ret_step)
			   : start_keeper(t, &placed, ret_step);
	if (r < 0)
		return r;
	t->cgroup_fd = cgroup_fd;
	t->reaped = false;
	t->start_ticks = 0;
	if (t->skip_start_ticks)
		return 0;
	/* A keeper may have reaped it by now, and the pid be another's. */
	if (proc_start_time(t->pid, &t->start_ticks) < 0 ||
		(t->keeper && proc_pidfd_wait(t->pidfd, 0) == 0))
		t->start_ticks = 0;
	return 0;
}

int proctree_adopt(struct proctree *t, int cgroup_fd)
{
	_cleanup_close_ int pidfd = proc_pidfd(t->pid, t->start_ticks), keeper_pidfd = -1;

	if (pidfd < 0)
		return -ESRCH;
	/* Of a zombie the end may not be told any more by the time that somebody asks. */
	if (proc_pidfd_wait(pidfd, 0) == 0)
		return -ESRCH;
	if (cgroup_fd < 0) {
		keeper_pidfd = proc_pidfd(t->keeper, t->keeper_start_ticks);
		if (keeper_pidfd < 0)
			return -ESRCH;
	}
	t->adopted = true;
	t->reaped = false;
	t->cgroup_fd = cgroup_fd;
	t->keeper_pidfd = TAKE_FD(keeper_pidfd);
	t->pidfd = t->exit_fd = TAKE_FD(pidfd);
	return 0;
}

static int reap_adopted(struct proctree *t)
{
	if (proc_pidfd_wait(t->pidfd, 0) != 0)
		return 0;
	t->status_unknown =
		proc_pidfd_exit_status(t->pidfd, t->pid, t->start_ticks,
			usec_add(clock_monotonic_usec(), REAP_WAIT), &t->wait_status) < 0;
	t->reaped = true;
	return 1;
}

static void set_lost(struct proctree *t)
{
	(void)proc_pidfd_signal(t->pidfd, SIGKILL);
	t->wait_status = WAIT_STATUS_KILLED;
	t->usage = (struct rusage){0};
	t->reaped = true;
}

int proctree_reap(struct proctree *t)
{
	struct message m;
	int fd = -1;

	if (t->reaped || t->pid == 0)
		return t->reaped;
	if (t->adopted)
		return reap_adopted(t);
	if (t->keeper) {
		ssize_t n = receive_message(t->exit_fd, &m, MSG_DONTWAIT, &fd);

		if (n == -EAGAIN)
			return 0;
		if (n <= 0) {
			set_lost(t);
			return 1;
		}
		t->wait_status = m.wait_status;
		t->usage = m.usage;
	} else {
		pid_t pid = wait4(t->pid, &t->wait_status, WNOHANG | __WALL, &t->usage);

		if (pid == 0)
			return 0;
		if (pid < 0) {
			set_lost(t);
			return 1;
		}
	}
	t->reaped = true;
	return 1;
}

int proctree_signal(struct proctree *t, int sig)
{
	return t->reaped || t->pidfd < 0 ? -ESRCH : proc_pidfd_signal(t->pidfd, sig);
}

static bool keeper_has_ended(const struct proctree *t)
{
	return proc_pidfd_wait(t->keeper_pidfd, 0) == 0;
}

/* -errno of the first that failed; who has ended meanwhile has not. */
static int signal_below(pid_t root, int sig)
{
	_cleanup_free_ struct proc_entry *tree = NULL;
	int n, result = 0;

	n = proc_tree(root, &tree);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		int r = has_ended(&tree[i]) ? 0 : proc_entry_signal(&tree[i], sig);

		if (r < 0 && r != -ESRCH && result == 0)
			result = r;
	}
	return result;
}

int proctree_signal_all(struct proctree *t, int sig)
{
	if (t->cgroup_fd >= 0)
		return cgroup_signal(t->cgroup_fd, sig);
	if (!t->keeper || keeper_has_ended(t))
		return 0;
	return signal_below(t->keeper, sig);
}

int proctree_freeze(struct proctree *t, bool freeze)
{
	__attribute__((cleanup(entries_done))) struct entries seen = {0};

	if (t->cgroup_fd >= 0)
		return cgroup_freeze(t->cgroup_fd, freeze);
	if (!t->keeper || keeper_has_ended(t))
		return 0;
	if (!freeze)
		return signal_below(t->keeper, SIGCONT);
	return stop_all(t->keeper, &seen, usec_add(clock_monotonic_usec(), USEC_PER_SEC));
}

int proctree_kill(struct proctree *t, usec_t deadline)
{
	if (t->cgroup_fd >= 0) {
		int r = cgroup_kill(t->cgroup_fd, deadline);

		/* SIGKILL ends frozen processes too, but the next one would not come to its exec.
		 */
		(void)cgroup_freeze(t->cgroup_fd, false);
		return r;
	}
	if (!t->keeper || keeper_has_ended(t))
		return 0;
	return kill_below(t->keeper, deadline);
}

int proctree_populated(const struct proctree *t)
{
	if (t->cgroup_fd >= 0) {
		int r = cgroup_populated(t->cgroup_fd);

		return r != 0 && r != -ENODEV && r != -ENOENT;
	}
	return t->keeper && !keeper_has_ended(t) && proc_descendants(t->keeper, NULL, 0) != 0;
}

int proctree_wait_empty(struct proctree *t, usec_t deadline)
{
	if (t->cgroup_fd >= 0) {
		int r = cgroup_wait_empty(t->cgroup_fd, deadline);

		return r == -ENODEV || r == -ENOENT ? 0 : r;
	}
	return t->keeper ? proc_pidfd_wait(t->keeper_pidfd, deadline) : 0;
}

int proctree_list(const struct proctree *t, pid_t *pids, size_t max)
{
	int n;

	if (t->cgroup_fd >= 0)
		return cgroup_list_pids(t->cgroup_fd, pids, max);
	n = t->keeper ? proc_descendants(t->keeper, pids, max) : 0;
	return n > 0 && (size_t)n > max ? (int)max : n;
}

void proctree_done(struct proctree *t)
{
	if (t->keeper && !t->adopted) {
		send_message(t->exit_fd, &(struct message){.kind = MESSAGE_DETACH}, -1);
		reap_keeper(t->keeper, WNOHANG);
	}
	if (t->exit_fd != t->pidfd)
		fd_close(t->exit_fd);
	fd_close(t->pidfd);
	fd_close(t->keeper_pidfd);
	*t = (struct proctree)PROCTREE_INIT;
}

int proctree_kill_keeper(pid_t keeper, uint64_t start_ticks, usec_t deadline)
{
	_cleanup_close_ int pidfd = proc_pidfd(keeper, start_ticks);
	int r;

	if (pidfd < 0)
		return pidfd;
	if (!proc_is_alive(keeper, start_ticks))
		return -ESRCH;
	r = kill_below(keeper, deadline);
	if (r < 0 && r != -ETIMEDOUT)
		return r;
	r = proc_pidfd_wait(pidfd, deadline);
	if (r != -ETIMEDOUT || proc_descendants(keeper, NULL, 0) != 0)
		return r;
	/* It keeps nothing and yet stays: it was stopped. */
	return proc_pidfd_signal(pidfd, SIGKILL);
}
