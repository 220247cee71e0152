#include "config.h"

#include "os/cgroup.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/str.h"
#include "os/cgroup-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What is done to a cgroup with all that lies below it: its processes are listed, signalled, frozen
 * and killed, its end is waited for, it is removed. Finding, making and marking is in cgroup.c.
 */

/* What one tree may hold before we refuse to walk it: a task can make cgroups as it likes. */
#define WALK_MAX_CGROUPS 100000
/* Linux: PID_MAX_LIMIT of include/linux/threads.h. */
#define PIDS_MAX 4194304

static bool force_old;

void cgroup_force_old(bool on)
{
	force_old = on;
}

/* ---- walking a tree ------------------------------------------------------------------------- */

/*
 * Trees are walked with one open directory whatever their depth, as a task can nest cgroups
 * without end: the way up is "..", which cannot lead astray because cgroups cannot be renamed.
 */

static bool has_children(int dirfd)
{
	struct stat st;

	/* kernfs keeps the link count of a directory at 2 + its subdirectories. */
	return fstat(dirfd, &st) < 0 || st.st_nlink != 2;
}

static int open_child(int dirfd, const char *name)
{
	return path_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static int open_dir(int dirfd, DIR **ret)
{
	_cleanup_close_ int fd = cgroup_open(dirfd, "");
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	(void)TAKE_FD(fd);
	*ret = d;
	return 0;
}

/* The next child cgroup, 0 at the end, or -errno. *ret is valid until the next call. */
static int next_child(DIR *d, const char **ret)
{
	const struct dirent *e;
	int r;

	while ((r = fd_next_entry(d, &e)) > 0)
		if (fd_entry_is_dir(d, e)) {
			*ret = e->d_name;
			return 1;
		}
	return r;
}

struct pending {
	char *name;
	size_t depth; /* 1: a child of the top */
};

struct pending_list {
	struct pending *v;
	size_t n, cap;
};

static void pending_done(struct pending_list *l)
{
	while (l->n)
		free(l->v[--l->n].name);
	free(l->v);
}

static int pending_add_children(struct pending_list *l, int dirfd, size_t depth)
{
	_cleanup_dir_ DIR *d = NULL;
	const char *name;
	int r;

	if (!has_children(dirfd))
		return 0;
	r = open_dir(dirfd, &d);
	while (r >= 0 && (r = next_child(d, &name)) > 0) {
		if (l->n == WALK_MAX_CGROUPS)
			return -E2BIG;
		if (l->n == l->cap) {
			l->cap = l->cap ? 2 * l->cap : 16;
			l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
		}
		l->v[l->n++] = (struct pending){.name = xstrdup(name), .depth = depth};
	}
	return r;
}

/* Removed while we looked. */
static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

typedef int (*walk_fn)(void *arg, int dirfd);

/* Calls `fn` for the cgroup and each one below it, those above first, until it returns something
 * other than 0, which is then the result. What vanishes meanwhile is passed over. */
static int walk_tree(int top, walk_fn fn, void *arg)
{
	_cleanup_(pending_done) struct pending_list todo = {NULL, 0, 0};
	_cleanup_close_ int fd = -1;
	size_t depth = 0;
	int r = fn(arg, top);

	if (r == 0)
		r = pending_add_children(&todo, top, 1);
	while (r == 0 && todo.n) {
		struct pending next = todo.v[--todo.n];
		_cleanup_free_ char *name = next.name;
		int child;

		for (; depth >= next.depth; depth--) {
			int up = depth == 1 ? -1
					    : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (depth > 1 && up < 0)
				return -errno;
			fd_closep(&fd);
			fd = up;
		}
		child = open_child(depth ? fd : top, name);
		if (is_gone(child))
			continue;
		if (child < 0)
			return child;
		fd_closep(&fd);
		fd = child;
		depth++;
		r = fn(arg, fd);
		if (r == 0)
			r = pending_add_children(&todo, fd, depth + 1);
		if (is_gone(r))
			r = 0;
	}
	return r;
}

/* ---- processes ------------------------------------------------------------------------------ */

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static void pid_list_done(struct pid_list *l)
{
	free(l->v);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t pa = *(const pid_t *)a, pb = *(const pid_t *)b;

	return (pa > pb) - (pa < pb);
}

static void pid_list_sort(struct pid_list *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), compare_pids);
}

/* In a list that is sorted. */
static bool pid_list_contains(const struct pid_list *l, pid_t pid)
{
	return l->n && bsearch(&pid, l->v, l->n, sizeof(*l->v), compare_pids);
}

static void pid_list_add(struct pid_list *l, pid_t pid)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = pid;
}

static int open_procs(int dirfd)
{
	int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Appends the processes of this one cgroup, as they are now. */
static int read_procs(int fd, struct pid_list *l)
{
	char buf[4096];
	unsigned pid = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0) {
			if (errno == EINTR)
				continue;
			/* A threaded cgroup: its processes are listed by the cgroup above that is
			 * the root of the threaded ones. */
			return errno == EOPNOTSUPP ? 0 : -errno;
		}
		if (n == 0)
			return 0;
		for (const char *p = buf; p < buf + n; p++) {
			if (*p >= '0' && *p <= '9') {
				pid = pid * 10 + (unsigned)(*p - '0');
				continue;
			}
			/* 0 is a process outside our pid namespace, which we cannot name. */
			if (pid > 0 && pid <= PIDS_MAX && l->n < PIDS_MAX)
				pid_list_add(l, (pid_t)pid);
			pid = 0;
		}
	}
}

static int add_procs(void *arg, int dirfd)
{
	_cleanup_close_ int fd = open_procs(dirfd);
	int r = fd < 0 ? fd : read_procs(fd, arg);

	return is_gone(r) ? 0 : r;
}

int cgroup_list_pids(int dirfd, pid_t *pids, size_t max)
{
	_cleanup_(pid_list_done) struct pid_list l = {NULL, 0, 0};
	int r = walk_tree(dirfd, add_procs, &l);

	if (r < 0)
		return r;
	if (l.n > max)
		l.n = max;
	if (l.n)
		memcpy(pids, l.v, l.n * sizeof(*pids));
	return (int)l.n;
}

int cgroup_attach(int dirfd, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return file_write_at(dirfd, "cgroup.procs", text);
}

/* ---- signals -------------------------------------------------------------------------------- */

#define SIGNAL_BATCH 64

struct signal_pass {
	int sig;
	int error;	      /* the first -errno */
	struct pid_list seen; /* all that were signalled */
};

/* `pidfd` may be a -errno: -ESRCH where the process was gone, others where there can be no pidfd
 * (-ENOSYS until Linux 5.3, -EMFILE). */
static int signal_one(pid_t pid, int pidfd, int sig)
{
	long r;

	if (pidfd >= 0)
		r = syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
	else if (pidfd == -ESRCH)
		return 0;
	else
		r = kill(pid, sig);
	return r < 0 && errno != ESRCH ? -errno : 0;
}

/* Between reading a pid and using it the process may have gone and its number be another's.
 * A pidfd whose number the cgroup still lists afterwards is of a process in the cgroup, or of one
 * that is dead, which a signal cannot hurt. */
static int signal_procs(void *arg, int dirfd)
{
	struct signal_pass *pass = arg;
	_cleanup_(pid_list_done) struct pid_list l = {NULL, 0, 0};
	/* Opened once, as the pidfds may take all descriptors that there are. */
	_cleanup_close_ int fd = open_procs(dirfd);
	int r = fd < 0 ? fd : read_procs(fd, &l);

	if (r < 0)
		return is_gone(r) ? 0 : r;
	for (size_t from = 0; from < l.n; from += SIGNAL_BATCH) {
		_cleanup_(pid_list_done) struct pid_list again = {NULL, 0, 0};
		size_t n = MIN(l.n - from, (size_t)SIGNAL_BATCH);
		int pidfds[SIGNAL_BATCH];

		for (size_t i = 0; i < n; i++) {
			pidfds[i] = (int)syscall(SYS_pidfd_open, l.v[from + i], 0);
			if (pidfds[i] < 0)
				pidfds[i] = -errno;
		}
		r = read_procs(fd, &again);
		pid_list_sort(&again);
		for (size_t i = 0; i < n; i++) {
			pid_t pid = l.v[from + i];
			int q = 0;

			if (pid_list_contains(&again, pid)) {
				q = signal_one(pid, pidfds[i], pass->sig);
				pid_list_add(&pass->seen, pid);
			}
			if (q < 0 && !pass->error)
				pass->error = q;
			fd_closep(&pidfds[i]);
		}
		if (r < 0)
			return is_gone(r) ? 0 : r;
	}
	return 0;
}

static int signal_tree(int dirfd, struct signal_pass *pass)
{
	int r = walk_tree(dirfd, signal_procs, pass);

	return r < 0 ? r : pass->error;
}

int cgroup_signal(int dirfd, int sig)
{
	struct signal_pass pass = {.sig = sig};
	int r = signal_tree(dirfd, &pass);

	pid_list_done(&pass.seen);
	return r;
}

int cgroup_freeze(int dirfd, bool freeze)
{
	return file_write_at(dirfd, "cgroup.freeze", freeze ? "1" : "0");
}

/* True where all of `now` were in `before`, which is sorted. */
static bool pids_are_known(const struct pid_list *now, const struct pid_list *before)
{
	for (size_t i = 0; i < now->n; i++)
		if (!pid_list_contains(before, now->v[i]))
			return false;
	return true;
}

/* until Linux 5.14 */
static int kill_one_by_one(int dirfd, usec_t deadline)
{
	_cleanup_(pid_list_done) struct pid_list before = {NULL, 0, 0};
	int r;

	/* Frozen processes do not fork, but freezing is not instant, and a process that sleeps
	 * uninterruptibly is not frozen at all: hence the passes. SIGKILL ends a frozen one. */
	(void)cgroup_freeze(dirfd, true);
	for (;;) {
		struct signal_pass pass = {.sig = SIGKILL};
		bool known;

		r = signal_tree(dirfd, &pass);
		known = pids_are_known(&pass.seen, &before);
		free(before.v);
		before = pass.seen;
		if (r < 0 || known)
			break;
		if (clock_monotonic_usec() >= deadline) {
			r = -ETIMEDOUT;
			break;
		}
		pid_list_sort(&before);
	}
	(void)cgroup_freeze(dirfd, false);
	return r;
}

int cgroup_kill(int dirfd, usec_t deadline)
{
	int r = force_old ? -ENOENT : file_write_at(dirfd, "cgroup.kill", "1");

	/* EOPNOTSUPP: the cgroup is threaded, its processes belong to the one above. */
	if (r == -ENOENT && !is_gone(cgroup_populated(dirfd)))
		r = kill_one_by_one(dirfd, deadline);
	return is_gone(r) ? 0 : r;
}

/* ---- waiting -------------------------------------------------------------------------------- */

int cgroup_events_open(int dirfd)
{
	int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroup_events_populated(int fd)
{
	char buf[256];
	uint64_t value;
	ssize_t n;

	do
		n = pread(fd, buf, sizeof(buf) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	if (cgroup_find_value(buf, "populated", &value) < 0)
		return -EBADMSG;
	return value != 0;
}

int cgroup_populated(int dirfd)
{
	_cleanup_close_ int fd = cgroup_events_open(dirfd);

	return fd < 0 ? fd : cgroup_events_populated(fd);
}

int cgroup_wait_empty(int dirfd, usec_t deadline)
{
	_cleanup_close_ int fd = cgroup_events_open(dirfd);
	/* The kernel tells of changes at most every 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV), counted
	 * from the last, which for a short-lived process was its start. So look by ourselves at
	 * first, and rely on the notice after that. */
	usec_t look = 100;

	if (fd < 0)
		return is_gone(fd) ? 0 : fd;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		struct timespec ts;
		int r = cgroup_events_populated(fd);
		usec_t now, wait;

		if (r <= 0)
			return is_gone(r) ? 0 : r;
		now = clock_monotonic_usec();
		if (now >= deadline)
			return -ETIMEDOUT;
		wait = MIN(usec_sub(deadline, now), look);
		look = MIN(2 * look, USEC_PER_SEC);
		ts.tv_sec = (time_t)(wait / USEC_PER_SEC);
		ts.tv_nsec = (long)(wait % USEC_PER_SEC * 1000);
		if (ppoll(&p, 1, &ts, NULL) < 0 && errno != EINTR)
			return -errno;
	}
}

/* ---- removing ------------------------------------------------------------------------------- */

/* One pass over what is below `top`, deepest first. 0, -EBUSY: something is in use. */
static int remove_below(int top, usec_t deadline)
{
	_cleanup_dir_ DIR *d = NULL;
	_cleanup_strv_ struct strv way = STRV_INIT; /* from the top to what d reads */
	int r = open_dir(top, &d);

	while (r >= 0) {
		_cleanup_free_ char *name = NULL;
		_cleanup_close_ int next = -1;
		bool descend = false;
		const char *child = NULL;

		while ((r = next_child(d, &child)) > 0) {
			if (unlinkat(dirfd(d), child, AT_REMOVEDIR) == 0 || errno == ENOENT)
				continue;
			if (errno != EBUSY)
				return -errno;
			descend = true;
			break;
		}
		if (is_gone(r))
			r = 0;
		if (r < 0)
			return r;
		if (clock_monotonic_usec() >= deadline)
			return -EBUSY;
		if (descend) {
			if (way.n == WALK_MAX_CGROUPS)
				return -E2BIG;
			next = open_child(dirfd(d), child);
			if (next >= 0 && !has_children(next))
				return -EBUSY;
			if (next >= 0)
				strv_add(&way, child);
			else if (is_gone(next))
				continue;
			else
				return next;
		} else {
			if (way.n == 0)
				return 0;
			name = way.v[--way.n];
			way.v[way.n] = NULL;
			next = openat(dirfd(d), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				return -errno;
			if (unlinkat(next, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				return -errno;
		}
		fd_closedirp(&d);
		d = fdopendir(next);
		if (!d)
			return -errno;
		(void)TAKE_FD(next);
	}
	return r;
}

int cgroup_remove_tree(int parent, const char *name, const char *mark, usec_t deadline)
{
	_cleanup_close_ int fd = -1;
	usec_t work_until;

	if (!cgroup_name_is_single(name))
		return -EINVAL;
	if (mark) {
		_cleanup_free_ char *found = NULL;
		int r;

		fd = cgroup_open(parent, name);
		if (fd == -ENOENT)
			return 0;
		if (fd < 0)
			return fd;
		r = cgroup_get_mark(fd, &found);
		if (is_gone(r))
			return 0;
		if (r < 0 && r != -ENODATA)
			return r;
		if (r < 0 || strcmp(found, mark) != 0)
			return -EPERM;
	}
	/* A deadline that has passed ends the waiting, not the one pass that needs none. */
	work_until = MAX(deadline, usec_add(clock_monotonic_usec(), USEC_PER_SEC));
	for (;;) {
		int r;

		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		if (fd < 0) {
			fd = cgroup_open(parent, name);
			if (fd == -ENOENT)
				return 0;
			if (fd < 0)
				return fd;
		}
		r = cgroup_wait_empty(fd, deadline);
		if (r == -ETIMEDOUT)
			return -EBUSY;
		if (r == 0 && has_children(fd))
			r = remove_below(fd, work_until);
		if (r < 0 && r != -EBUSY)
			return r;
		if (clock_monotonic_usec() >= work_until)
			return -EBUSY;
		if (r == -EBUSY)
			cgroup_pause_briefly();
	}
}
