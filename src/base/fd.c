#include "config.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int fd_close(int fd)
{
	int saved = errno;

	/* Not retried on EINTR: Linux has freed the descriptor by then (close(2)). */
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return -1;
}

int fd_write_all(int fd, const void *p, size_t n)
{
	const char *s = p;

	while (n) {
		ssize_t w = write(fd, s, n);

		if (w < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (w == 0)
			return -EIO;
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *p, size_t n)
{
	char *s = p;
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, s + got, n - got);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int fd_pipe(int ret[2], int flags)
{
	return pipe2(ret, O_CLOEXEC | flags) < 0 ? -errno : 0;
}

int fd_pipe_from_program(int ret[2])
{
	int on = 1, r = fd_pipe(ret, 0);

	if (r == 0 && ioctl(ret[0], FIONBIO, &on) < 0) {
		r = -errno;
		fd_close(ret[0]);
		fd_close(ret[1]);
	}
	return r;
}

int fd_opendir(int dirfd, DIR **ret)
{
	_cleanup_close_ int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	(void)TAKE_FD(fd); /* the stream's */
	*ret = d;
	return 0;
}

int fd_next_entry(DIR *d, const struct dirent **ret)
{
	const struct dirent *e;

	while (errno = 0, (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			*ret = e;
			return 1;
		}
	return -errno;
}

bool fd_entry_is_dir(DIR *d, const struct dirent *e)
{
	struct stat st;

	/* Not every file system tells it with the name. */
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int fd_pipe_enlarge(int fd, int want)
{
	int now = fcntl(fd, F_GETPIPE_SZ);

	for (; now >= 0 && want > now; want /= 2) {
		int size = fcntl(fd, F_SETPIPE_SZ, want);

		if (size >= 0)
			return size;
	}
	return now;
}

int fd_fill_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is what open(2) takes. Held open for the life of the
		 * process, across exec too: it stands for a standard stream. */
		if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 || fcntl(fd, F_SETFD, 0) < 0)
			return -errno;
	}
	return 0;
}

int fd_open_null(int first, int last)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int i = first; i <= last; i++)
		if (dup2(null, i) < 0)
			return -errno;
	return 0;
}

bool fd_same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

bool fd_is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}
