#include "config.h"

#include "os/proc.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* One number for all architectures but alpha, for headers older than the call. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Of <linux/pidfd.h>, for headers older than Linux 6.15: the first version of the struct. */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
#define GET_EXIT_INFO  _IOWR(0xFF, 11, struct exit_info)
#define EXIT_INFO_EXIT ((uint64_t)1 << 3)

/* How often to ask a kernel that does not tell by poll(2) that the process was reaped (before 6.9).
 */
#define REAP_POLL_MSEC 10

/* Up to the 22nd field a line of /proc/PID/stat has at most 21 numbers of 20 digits and a name of
 * 64 bytes (proc(5)). */
#define STAT_MAX 1024
/* All 52 fields. */
#define STAT_WHOLE_MAX 2048
#define COMM_MAX       128

/* Room for "/proc/", a pid and the longest name below it that is asked for here. */
#define PROC_PATH_MAX 48

ssize_t proc_read_file(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[PROC_PATH_MAX];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fd_read_full(fd, buf, size - 1);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* The N-th blank of s (1: the first), or NULL. */
static const char *find_blank(const char *s, unsigned n)
{
	for (; *s; s++)
		if (*s == ' ' && --n == 0)
			return s;
	return NULL;
}

static int read_entry(pid_t pid, struct proc_entry *ret)
{
	char buf[STAT_MAX];
	const char *s, *start;
	ssize_t n;

	n = proc_read_file(pid, "stat", buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	/* The name in field 2 may hold blanks and brackets itself; what follows cannot. */
	s = strrchr(buf, ')');
	if (!s || s[1] != ' ' || !s[2] || s[3] != ' ')
		return n ? -EBADMSG : -ESRCH;
	s += 2;
	start = find_blank(s, 22 - 3);
	if (!start)
		return -EBADMSG;
	*ret = (struct proc_entry){
		.pid = pid,
		.ppid = (pid_t)strtol(s + 2, NULL, 10),
		.start_ticks = strtoull(start + 1, NULL, 10),
		.state = *s,
	};
	return 0;
}

const char *proc_boot_id(void)
{
	static char id[BOOT_ID_MAX];
	static bool is_read;

	if (!is_read) {
		_cleanup_close_ int fd =
			open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : fd_read_full(fd, id, sizeof(id) - 1);

		id[n > 0 ? n : 0] = '\0';
		id[strcspn(id, "\n")] = '\0';
		is_read = true;
	}
	return id;
}

const char *proc_own_program(void)
{
	static const char gone[] = " (deleted)";
	/* No buffer, which each sleeping supervisor would have a page for. */
	static char *path;
	char buf[PATH_MAX];
	ssize_t n;

	if (path)
		return path;
	n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
	buf[MAX(n, 0)] = '\0';
	if (n > 0 && str_ends_with(buf, gone) && access(buf, F_OK) < 0)
		buf[(size_t)n - strlen(gone)] = '\0';
	path = xstrdup(n > 0 ? buf : "taskhook");
	return path;
}

int proc_start_time(pid_t pid, uint64_t *ret_ticks)
{
	struct proc_entry e;
	int r = read_entry(pid, &e);

	if (r < 0)
		return r;
	*ret_ticks = e.start_ticks;
	return 0;
}

int proc_state(pid_t pid, char *ret_state, pid_t *ret_ppid)
{
	struct proc_entry e;
	int r = read_entry(pid, &e);

	if (r < 0)
		return r;
	*ret_state = e.state;
	if (ret_ppid)
		*ret_ppid = e.ppid;
	return 0;
}

char *proc_comm(pid_t pid)
{
	char buf[COMM_MAX];
	ssize_t n = proc_read_file(pid, "comm", buf, sizeof(buf));

	if (n <= 0)
		return xstrdup("?");
	buf[strcspn(buf, "\n")] = '\0';
	return xstrdup(buf);
}

int proc_pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int proc_pidfd(pid_t pid, uint64_t start_ticks)
{
	_cleanup_close_ int fd = proc_pidfd_open(pid);
	uint64_t now;
	int r;

	if (fd < 0)
		return fd;
	/* In this order: from here on the pid cannot pass to another unnoticed, since a new owner
	 * would have a later start. */
	r = proc_start_time(pid, &now);
	if (r < 0)
		return r;
	if (now != start_ticks)
		return -ESRCH;
	return TAKE_FD(fd);
}

bool proc_is_alive(pid_t pid, uint64_t start_ticks)
{
	struct proc_entry e;

	return read_entry(pid, &e) == 0 && e.start_ticks == start_ticks && e.state != 'Z' &&
	       e.state != 'X';
}

int proc_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_pidfd_signal_value(int pidfd, int sig, int value)
{
	siginfo_t si = {
		.si_signo = sig,
		.si_code = SI_QUEUE,
	};

	si.si_pid = getpid();
	si.si_uid = getuid();
	si.si_value.sival_int = value;
	return syscall(SYS_pidfd_send_signal, pidfd, sig, &si, 0) < 0 ? -errno : 0;
}

int proc_pidfd_wait(int pidfd, usec_t deadline)
{
	for (;;) {
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		struct timespec ts;
		int n;

		if (deadline != USEC_INFINITY) {
			usec_t left = usec_sub(deadline, clock_monotonic_usec());

			ts.tv_sec = (time_t)(left / USEC_PER_SEC);
			ts.tv_nsec = (long)(left % USEC_PER_SEC) * 1000;
		}
		n = ppoll(&p, 1, deadline == USEC_INFINITY ? NULL : &ts, NULL);
		if (n > 0)
			return p.revents & POLLNVAL ? -EBADF : 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int scan_all(struct proc_entry **ret, size_t *ret_n)
{
	_cleanup_free_ struct proc_entry *all = NULL;
	size_t n = 0, room = 0;
	const struct dirent *de;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		char *end;
		long pid = strtol(de->d_name, &end, 10);

		if (*end || pid <= 0)
			continue;
		if (n == room) {
			room = room ? 2 * room : 256;
			all = xreallocarray(all, room, sizeof(*all));
		}
		if (read_entry((pid_t)pid, &all[n]) == 0)
			n++;
	}
	(void)closedir(dir);
	*ret = TAKE_PTR(all);
	*ret_n = n;
	return 0;
}

static void swap_entries(struct proc_entry *a, struct proc_entry *b)
{
	struct proc_entry e = *a;

	*a = *b;
	*b = e;
}

/* Breadth first and in place: all[0 .. found) are the descendants known so far, and `next` is the
 * first whose children have not been gathered. */
static size_t gather_tree(struct proc_entry *all, size_t n, pid_t root)
{
	pid_t parent = root;
	size_t found = 0;

	for (size_t next = 0;; next++) {
		for (size_t i = found; i < n; i++)
			if (all[i].ppid == parent && all[i].pid != root)
				swap_entries(&all[i], &all[found++]);
		if (next == found)
			return found;
		parent = all[next].pid;
	}
}

int proc_tree(pid_t root, struct proc_entry **ret)
{
	_cleanup_free_ struct proc_entry *all = NULL;
	size_t n = 0, found;
	int r = scan_all(&all, &n);

	if (r < 0)
		return r;
	found = gather_tree(all, n, root);
	*ret = TAKE_PTR(all);
	return (int)found;
}

int proc_table_tree(struct proc_table *t, pid_t root, const struct proc_entry **ret)
{
	int r = t->v ? 0 : scan_all(&t->v, &t->n);

	if (r < 0)
		return r;
	*ret = t->v;
	return (int)gather_tree(t->v, t->n, root);
}

void proc_table_done(struct proc_table *t)
{
	free(t->v);
	*t = (struct proc_table){.v = NULL};
}

int proc_entry_signal(const struct proc_entry *e, int sig)
{
	_cleanup_close_ int fd = proc_pidfd(e->pid, e->start_ticks);

	return fd < 0 ? fd : proc_pidfd_signal(fd, sig);
}

int proc_descendants(pid_t root, pid_t *pids, size_t max)
{
	_cleanup_free_ struct proc_entry *tree = NULL;
	int n, found = 0;

	n = proc_tree(root, &tree);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (tree[i].state == 'Z' || tree[i].state == 'X')
			continue;
		if ((size_t)found < max)
			pids[found] = tree[i].pid;
		found++;
	}
	return found;
}

/* ---- how it ended ---- */

/* 0; -EAGAIN: not reaped yet; -ESRCH: it is now, or was before the pidfd; -ENODATA: this kernel
 * does not tell. */
static int ask_kernel(int pidfd, int *ret_wait_status)
{
	struct exit_info info = {.mask = EXIT_INFO_EXIT};

	_Static_assert(sizeof(info) == 64, "PIDFD_INFO_SIZE_VER0");
	if (ioctl(pidfd, GET_EXIT_INFO, &info) < 0)
		return errno == ESRCH ? -ESRCH : -ENODATA;
	if (!(info.mask & EXIT_INFO_EXIT))
		return -EAGAIN;
	*ret_wait_status = info.exit_code;
	return 0;
}

/* Field 52 of a zombie's stat, which is 0 for whoever may not see it (proc(5)). */
static int ask_zombie(pid_t pid, uint64_t start_ticks, int *ret_wait_status)
{
	char buf[STAT_WHOLE_MAX];
	struct proc_entry e;
	const char *s;
	ssize_t n;

	if (geteuid() != 0 || read_entry(pid, &e) < 0 || e.state != 'Z' ||
		e.start_ticks != start_ticks)
		return -ENODATA;
	n = proc_read_file(pid, "stat", buf, sizeof(buf));
	s = n > 0 ? strrchr(buf, ')') : NULL;
	s = s && *++s ? find_blank(s + 1, 52 - 3) : NULL;
	if (!s)
		return -ENODATA;
	*ret_wait_status = (int)strtol(s + 1, NULL, 10);
	return 0;
}

int proc_pidfd_exit_status(
	int pidfd, pid_t pid, uint64_t start_ticks, usec_t deadline, int *ret_wait_status)
{
	for (bool again = false;;) {
		struct pollfd p = {.fd = pidfd};
		int r = ask_kernel(pidfd, ret_wait_status);

		if (r == 0)
			return 0;
		/* It was reaped while the kernel looked, first for its exit and then for itself
		 * (fs/pidfs.c, pidfd_info()): what the first look missed is there now. */
		if (r == -ESRCH && !again) {
			again = true;
			continue;
		}
		if (r != -EAGAIN || clock_monotonic_usec() >= deadline)
			return ask_zombie(pid, start_ticks, ret_wait_status);
		(void)poll(&p, 1, REAP_POLL_MSEC);
	}
}
