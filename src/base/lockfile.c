#include "config.h"

#include "base/lockfile.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

/* A name that is replaced this often while we lock it is being fought over. */
#define REOPEN_TRIES_MAX 100

#define POLL_FIRST_USEC 500
#define POLL_MAX_USEC	(20 * USEC_PER_MSEC)

/*
 * The locks that this process holds. Asking about one of them by the kernel's means would open the
 * file and, by closing it, drop the lock, unseen. `pid` is there because a forked child has the
 * memory and the fd, but not the lock.
 */
struct held_lock {
	int fd;
	pid_t pid;
	dev_t dev;
	ino_t ino;
};

static struct {
	struct held_lock *v;
	size_t n;
} held;

static bool is_held_here(int dirfd, const char *name)
{
	struct stat st;

	if (held.n == 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	for (size_t i = 0; i < held.n; i++)
		if (held.v[i].dev == st.st_dev && held.v[i].ino == st.st_ino &&
			held.v[i].pid == getpid())
			return true;
	return false;
}

static void remember_held(int fd, const struct stat *st)
{
	held.v = xreallocarray(held.v, held.n + 1, sizeof(*held.v));
	held.v[held.n++] = (struct held_lock){fd, getpid(), st->st_dev, st->st_ino};
}

int lockfile_close(int fd)
{
	for (size_t i = 0; fd >= 0 && i < held.n; i++)
		if (held.v[i].fd == fd) {
			held.v[i] = held.v[--held.n];
			break;
		}
	if (held.n == 0) {
		free(held.v);
		held.v = NULL;
	}
	return fd_close(fd);
}

int lockfile_try(int dirfd, const char *name)
{
	for (unsigned tries = 0; tries < REOPEN_TRIES_MAX; tries++) {
		struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		_cleanup_close_ int fd = -1;
		struct stat st, named;

		if (is_held_here(dirfd, name))
			return -EDEADLK;
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			S_IRUSR | S_IWUSR);
		if (fd < 0)
			return -errno;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EMEDIUMTYPE;
		if (fcntl(fd, F_SETLK, &whole) < 0)
			return errno == EACCES ? -EAGAIN : -errno;
		/* The holder before us may have unlinked the file between our open and our lock;
		 * then this lock guards nothing, and the next one makes a new file. */
		if (fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return -errno;
			continue;
		}
		if (named.st_dev == st.st_dev && named.st_ino == st.st_ino) {
			remember_held(fd, &st);
			return TAKE_FD(fd);
		}
	}
	return -EAGAIN;
}

int lockfile_wait(int dirfd, const char *name, usec_t deadline)
{
	usec_t pause = POLL_FIRST_USEC;

	for (;;) {
		int fd = lockfile_try(dirfd, name);
		usec_t left = usec_sub(deadline, clock_monotonic_usec());
		struct timespec ts;

		if (fd != -EAGAIN)
			return fd;
		if (!left)
			return -ETIMEDOUT;
		pause = MIN(pause, left);
		ts = (struct timespec){.tv_sec = 0, .tv_nsec = (long)pause * 1000};
		(void)nanosleep(&ts, NULL);
		pause = MIN(pause * 2, POLL_MAX_USEC);
	}
}

int lockfile_holder(int dirfd, const char *name, pid_t *ret_pid)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = -1;

	if (is_held_here(dirfd, name))
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_GETLK, &whole) < 0)
		return -errno;
	if (whole.l_type == F_UNLCK)
		return 0;
	if (ret_pid)
		*ret_pid = whole.l_pid > 0 ? whole.l_pid : 0;
	return 1;
}
