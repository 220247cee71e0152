#include "config.h"

#include "base/fileio.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The first size where the file does not tell (procfs) or does not tell the truth (kernfs). */
#define READ_FIRST_BYTES 4096

/* As many temporary names are tried where earlier ones are left from a killed process. */
#define TEMP_TRIES_MAX 100

/* Of the name that is replaced this much stands in the temporary one, which has to fit NAME_MAX. */
#define TEMP_STEM_MAX 200

/* A name that is replaced this often while its file is locked is being fought over. */
#define OWN_TRIES_MAX 100

/* A reading meets a change this often before it gives up. */
#define STEADY_TRIES_MAX 100

/* True where nothing was written to the open file since `st`, and `path` still is that file. */
static bool is_steady(int fd, int dirfd, const char *path, const struct stat *st)
{
	struct stat now, named;

	return fstat(fd, &now) == 0 && fstatat(dirfd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_size == st->st_size && now.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == st->st_mtim.tv_nsec && named.st_dev == st->st_dev &&
	       named.st_ino == st->st_ino;
}

static int read_once(int dirfd, const char *path, unsigned flags, size_t max, char **ret,
	size_t *ret_len, bool *ret_steady)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *data = NULL;
	size_t len = 0, cap;
	struct stat st;

	fd = openat(dirfd, path,
		O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
			(flags & FILEIO_NOFOLLOW ? O_NOFOLLOW : 0));
	if (fd < 0) {
		/* So a socket answers, and a device without a driver. */
		if (errno == ENXIO && flags & FILEIO_REGULAR)
			return -EMEDIUMTYPE;
		return -errno;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	if (flags & FILEIO_REGULAR && !S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;

	/* st_size is a hint alone: kernfs says 4096 for a file of 4 bytes, procfs says 0. The byte
	 * above the limit shows that the file is too big, the last one is for the NUL. */
	max = MIN(max, (size_t)SSIZE_MAX - 2);
	cap = S_ISREG(st.st_mode) && st.st_size > 0 && (uintmax_t)st.st_size < max
		      ? (size_t)st.st_size
		      : READ_FIRST_BYTES;
	cap = MIN(cap, max) + 2;
	data = xmalloc(cap);
	for (;;) {
		ssize_t r = read(fd, data + len, cap - 1 - len);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (r == 0)
			break;
		len += (size_t)r;
		if (len > max)
			return -EFBIG;
		if (len == cap - 1) {
			cap = MIN(cap > max / 2 ? max : cap * 2, max) + 2;
			data = xreallocarray(data, cap, 1);
		}
	}
	data[len] = '\0';
	*ret_steady = !(flags & FILEIO_ALTERNATED) || is_steady(fd, dirfd, path, &st);
	*ret = TAKE_PTR(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

const char *file_reason(int errnum)
{
	if (errnum == EMEDIUMTYPE)
		return "it is no regular file";
	return errnum == ELOOP ? "a link is in its place" : strerror(errnum);
}

int file_read_at(
	int dirfd, const char *path, unsigned flags, size_t max, char **ret, size_t *ret_len)
{
	for (int i = 0; i < STEADY_TRIES_MAX; i++) {
		_cleanup_free_ char *data = NULL;
		bool steady = true;
		int r = read_once(dirfd, path, flags, max, &data, ret_len, &steady);

		if (r < 0)
			return r;
		if (steady) {
			*ret = TAKE_PTR(data);
			return 0;
		}
	}
	return -EAGAIN;
}

/* Makes a file of an unused name beside `path`: "DIR/.NAME.PID.COUNTER". */
static int temp_create(int dirfd, const char *path, char **ret_path)
{
	static unsigned counter;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int dir_len = (int)(name - path);

	for (unsigned tries = 0; tries < TEMP_TRIES_MAX; tries++) {
		_cleanup_free_ char *temp = xasprintf("%.*s.%.*s.%ld.%u", dir_len, path,
			TEMP_STEM_MAX, name, (long)getpid(), counter++);
		int fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			S_IRUSR | S_IWUSR);

		if (fd >= 0) {
			*ret_path = TAKE_PTR(temp);
			return fd;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/*
 * Puts `temp` in the place of `path`. A file that is there already changes places with it and is
 * then removed: a plain rename(2) over it makes ext4 start writing the new one out at once
 * (auto_da_alloc, Documentation/admin-guide/ext4.rst), and callers wait for no disk.
 */
static int temp_publish(int dirfd, const char *temp, const char *path)
{
	if (renameat2(dirfd, temp, dirfd, path, RENAME_EXCHANGE) < 0)
		/* ENOENT: there is none yet; EINVAL, ENOSYS: not with this file system or kernel.
		 */
		return renameat(dirfd, temp, dirfd, path) < 0 ? -errno : 0;
	if (unlinkat(dirfd, temp, 0) < 0) {
		int r = -errno;

		/* A directory was there, and stays as with rename(2). */
		(void)renameat2(dirfd, temp, dirfd, path, RENAME_EXCHANGE);
		return r;
	}
	return 0;
}

/* Asked for first, as a change of nothing costs a journal's transaction too. By fchmod(2), so that
 * the umask does not count. */
static int set_mode(int fd, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & 07777) == mode)
		return 0;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

int file_replace_at(int dirfd, const char *path, mode_t mode, const void *p, size_t n)
{
	_cleanup_free_ char *temp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	fd = temp_create(dirfd, path, &temp);
	if (fd < 0)
		return fd;
	r = fd_write_all(fd, p, n);
	if (r >= 0)
		r = set_mode(fd, mode);
	if (r >= 0)
		r = temp_publish(dirfd, temp, path);
	if (r < 0)
		(void)unlinkat(dirfd, temp, 0);
	return r;
}

/* For good where the file system knows no locks: then nobody else finds one either. */
static int lock_open_file(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &whole) == 0 || errno == ENOLCK || errno == EOPNOTSUPP ||
		errno == ENOSYS)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

static bool is_named(int dirfd, const char *path, int fd)
{
	struct stat st, named;

	return fstat(fd, &st) == 0 && fstatat(dirfd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == st.st_dev && named.st_ino == st.st_ino;
}

int file_own_at(int dirfd, const char *path)
{
	for (unsigned tries = 0; tries < OWN_TRIES_MAX; tries++) {
		_cleanup_close_ int fd = openat(
			dirfd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		struct stat st;
		int r;

		if (fd < 0)
			return errno == EISDIR || errno == ENXIO ? -EMEDIUMTYPE : -errno;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EMEDIUMTYPE;
		r = lock_open_file(fd);
		if (r < 0)
			return r;
		/* its owner may have replaced it between our open and our lock */
		if (is_named(dirfd, path, fd))
			return TAKE_FD(fd);
	}
	return -EAGAIN;
}

static int rename_to_unused(int dirfd, const char *temp, const char *path)
{
	if (renameat2(dirfd, temp, dirfd, path, RENAME_NOREPLACE) == 0)
		return 0;
	/* not with this file system or kernel */
	if (errno == EINVAL || errno == ENOSYS)
		return renameat(dirfd, temp, dirfd, path) < 0 ? -errno : 0;
	return -errno;
}

/* temp_publish(), but over nothing that is not ours. -EEXIST: there is something else now. */
static int temp_publish_owned(int dirfd, const char *temp, const char *path, int fd)
{
	_cleanup_close_ int other = -1;

	if (fd < 0 || !is_named(dirfd, path, fd)) {
		other = file_own_at(dirfd, path);
		if (other == -ENOENT)
			return rename_to_unused(dirfd, temp, path);
		if (other < 0)
			return other;
	}
	return temp_publish(dirfd, temp, path);
}

int file_replace_owned_at(
	int dirfd, const char *path, mode_t mode, const void *p, size_t n, int *fd)
{
	_cleanup_free_ char *temp = NULL;
	_cleanup_close_ int own = temp_create(dirfd, path, &temp);
	int r;

	if (own < 0)
		return own;
	r = fd_write_all(own, p, n);
	if (r >= 0)
		r = set_mode(own, mode);
	if (r >= 0)
		r = lock_open_file(own);
	if (r >= 0)
		r = temp_publish_owned(dirfd, temp, path, *fd);
	for (unsigned tries = 0; r == -EEXIST && tries < OWN_TRIES_MAX; tries++)
		r = temp_publish_owned(dirfd, temp, path, *fd);
	if (r < 0) {
		(void)unlinkat(dirfd, temp, 0);
		return r;
	}
	fd_close(*fd);
	*fd = TAKE_FD(own);
	return 0;
}

/* The file to write into: what is there is ours alone, or it is made anew. */
static int open_before(int dirfd, const char *before, struct stat *ret)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	_cleanup_close_ int fd = openat(dirfd, before, flags, S_IRUSR | S_IWUSR);

	if (fd >= 0 && fstat(fd, ret) == 0 && S_ISREG(ret->st_mode) && ret->st_nlink == 1)
		return TAKE_FD(fd);
	if (unlinkat(dirfd, before, 0) < 0 && errno != ENOENT)
		return -errno;
	fd_close(fd);
	fd = openat(dirfd, before, flags | O_EXCL, S_IRUSR | S_IWUSR);
	return fd < 0 || fstat(fd, ret) < 0 ? -errno : TAKE_FD(fd);
}

int file_alternate_at(
	int dirfd, const char *path, const char *before, mode_t mode, const void *p, size_t n)
{
	struct stat st = {0};
	_cleanup_close_ int fd = open_before(dirfd, before, &st);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_all(fd, p, n);
	if (r < 0)
		return r;
	/* Cut at the end, not at the open: ext4 writes a file out at once that was cut to nothing.
	 */
	if (st.st_size > (off_t)n && ftruncate(fd, (off_t)n) < 0)
		return -errno;
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return -errno;
	if (renameat2(dirfd, before, dirfd, path, RENAME_EXCHANGE) == 0)
		return 0;
	/* ENOENT: there is none yet; EINVAL, ENOSYS: not with this file system or kernel. */
	return renameat(dirfd, before, dirfd, path) < 0 ? -errno : 0;
}

/* Takes ".NUMBER" off the end of the first n bytes of a name: what is left of n, or 0. */
static size_t cut_number(const char *name, size_t n, unsigned long *ret)
{
	size_t digits = 0;

	while (digits < n && name[n - 1 - digits] >= '0' && name[n - 1 - digits] <= '9')
		digits++;
	if (digits == 0 || digits > 9 || n < digits + 2 || name[n - 1 - digits] != '.')
		return 0;
	*ret = strtoul(name + n - digits, NULL, 10);
	return n - digits - 1;
}

/* See temp_create(). */
static bool is_stale_temp(int dirfd, const char *name, usec_t min_age_usec)
{
	unsigned long counter, pid;
	size_t n = cut_number(name, strlen(name), &counter);
	struct stat st;
	usec_t changed;

	n = n ? cut_number(name, n, &pid) : 0;
	if (n < 2 || name[0] != '.' || pid == 0 || pid > INT_MAX)
		return false;
	if (kill((pid_t)pid, 0) == 0 || errno != ESRCH)
		return false;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	changed = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC;
	return usec_add(changed, min_age_usec) <= clock_realtime_usec();
}

unsigned file_remove_stale_temps(int dirfd, usec_t min_age_usec)
{
	unsigned removed = 0;
	struct dirent *e;
	DIR *d = NULL;

	if (fd_opendir(dirfd, &d) < 0)
		return 0;
	while ((e = readdir(d)))
		if (is_stale_temp(dirfd, e->d_name, min_age_usec) &&
			unlinkat(dirfd, e->d_name, 0) == 0)
			removed++;
	closedir(d);
	return removed;
}

int file_write_at(int dirfd, const char *path, const char *s)
{
	_cleanup_close_ int fd = -1;
	size_t n = strlen(s);
	ssize_t w;

	/* No O_TRUNC: it means nothing to kernel files, and makes kernfs keep attributes for each.
	 */
	fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	do
		w = write(fd, s, n);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	/* What a kernel file did not take in one piece it has read as another value. */
	return (size_t)w == n ? 0 : -EIO;
}
