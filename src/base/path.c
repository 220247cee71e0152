#include "config.h"

#include "base/path.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

/* openat2(2) answers EAGAIN when something was renamed or mounted meanwhile. */
#define OPENAT2_TRIES_MAX 64

/* A directory's has four lines. */
#define FDINFO_MAX (64 * 1024)

char *path_join(const char *a, const char *b)
{
	size_t len = strlen(a);

	while (len > 1 && a[len - 1] == '/')
		len--;
	b += strspn(b, "/");
	if (!*b)
		return xstrndup(a, len);
	/* Nothing before the slash would make an absolute path of a relative one. */
	if (len == 0)
		return xstrdup(b);
	return xasprintf("%.*s%s%s", (int)len, a, a[len - 1] == '/' ? "" : "/", b);
}

bool path_is_absolute(const char *p)
{
	return *p == '/';
}

char *path_make_absolute(const char *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *whole = NULL;

	if (!path_is_absolute(p)) {
		_cleanup_free_ char *cwd = getcwd(NULL, 0);

		if (!cwd)
			return NULL;
		whole = path_join(cwd, p);
		p = whole;
	}
	for (;;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (!len)
			break;
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (b.len && b.s[--b.len] != '/')
				;
			if (b.s)
				b.s[b.len] = '\0';
		} else if (!(len == 1 && *p == '.')) {
			strbuf_addc(&b, '/');
			strbuf_add(&b, p, len);
		}
		p += len;
	}
	if (!b.len)
		strbuf_addc(&b, '/');
	return strbuf_steal(&b);
}

const char *path_basename(const char *p)
{
	const char *slash = strrchr(p, '/');

	return slash ? slash + 1 : p;
}

char *path_dirname(const char *p)
{
	size_t len = (size_t)(path_basename(p) - p);

	if (!len)
		return xstrdup(".");
	while (len > 1 && p[len - 1] == '/')
		len--;
	return xstrndup(p, len);
}

bool path_is_below(const char *p, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 0 && dir[len - 1] == '/')
		len--;
	return path_is_absolute(p) && strncmp(p, dir, len) == 0 && (!p[len] || p[len] == '/');
}

static bool is_link_at(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* The id of the mount that fd lies on (proc(5), /proc/PID/fdinfo, Linux 3.15), or -errno. */
static int64_t mount_id(int fd)
{
	static const char key[] = "\nmnt_id:";
	_cleanup_free_ char *path = xasprintf("/proc/self/fdinfo/%d", fd);
	_cleanup_free_ char *info = NULL;
	_cleanup_free_ char *number = NULL;
	const char *value;
	int64_t id;
	int r;

	r = file_read_at(AT_FDCWD, path, 0, FDINFO_MAX, &info, NULL);
	if (r < 0)
		return r;
	value = strstr(info, key);
	if (!value)
		return -ENODATA;
	value += sizeof(key) - 1;
	value += strspn(value, "\t ");
	number = xstrndup(value, strcspn(value, "\n"));
	r = parse_int(number, 0, INT64_MAX, &id);
	return r < 0 ? r : id;
}

static bool is_same_mount(int a, int b)
{
	int64_t id_a = mount_id(a), id_b = mount_id(b);
	struct stat sa, sb;

	if (id_a >= 0 && id_b >= 0)
		return id_a == id_b;
	/* Without /proc a bind mount of the same file system passes here. */
	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev;
}

static bool component_is(const char *p, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(p, what, len) == 0;
}

static bool path_has_dotdot(const char *p)
{
	for (;;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (!len)
			return false;
		if (component_is(p, len, ".."))
			return true;
		p += len;
	}
}

/* An fd on the directory entry itself (O_PATH), which must be on the mount of `base`. */
static int open_entry(int base, int dirfd, const char *name, int flags)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);

	if (fd < 0)
		return errno == ENOTDIR && is_link_at(dirfd, name) ? -ELOOP : -errno;
	if (!is_same_mount(base, fd))
		return -EXDEV;
	return TAKE_FD(fd);
}

/* until kernel 5.6, and where a seccomp filter hides openat2(2) */
static int open_beneath_by_component(int base, const char *path, int flags, mode_t mode)
{
	_cleanup_close_ int dirfd = -1, entry = -1, fd = -1;
	int at = base;

	for (;;) {
		_cleanup_free_ char *name = NULL;
		size_t len = strcspn(path, "/"), slashes = strspn(path + len, "/");

		name = xstrndup(path, len);
		path += len + slashes;
		if (*path) {
			int next = open_entry(base, at, name, O_DIRECTORY);

			if (next < 0)
				return next;
			(void)fd_close(dirfd);
			at = dirfd = next;
			continue;
		}
		if (slashes)
			flags |= O_DIRECTORY;
		/* Looked at before it is opened, as opening may cut (O_TRUNC). */
		entry = open_entry(base, at, name, 0);
		if (entry < 0 && !(entry == -ENOENT && flags & O_CREAT))
			return entry;
		fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
		if (fd < 0)
			return errno == ENOTDIR && is_link_at(at, name) ? -ELOOP : -errno;
		if (!is_same_mount(base, fd))
			return -EXDEV;
		return TAKE_FD(fd);
	}
}

int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	/* A mode without a file to make is EINVAL to openat2(2). O_NOFOLLOW is left to
	 * RESOLVE_NO_SYMLINKS, which answers ELOOP where O_NOFOLLOW | O_DIRECTORY says ENOTDIR;
	 * with O_PATH it has its other meaning, to open the link itself. O_LARGEFILE (0 on 64 bits)
	 * is what the libc adds elsewhere. */
	int how_flags = flags & O_PATH ? flags : (flags & ~O_NOFOLLOW) | O_LARGEFILE;
	bool makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (unsigned)(how_flags | O_CLOEXEC),
		.mode = makes ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	if (!*path)
		return -ENOENT;
	/* No caller needs "..", and without it both ways agree on what an escape is. */
	if (path_is_absolute(path) || path_has_dotdot(path))
		return -EXDEV;
	for (unsigned tries = 0; tries < OPENAT2_TRIES_MAX; tries++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == ENOSYS)
			return open_beneath_by_component(dirfd, path, flags, mode);
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

static int open_dir_itself(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ELOOP ? -ENOTDIR : -errno;
	return fd;
}

int path_mkdir_open(int dirfd, const char *name, mode_t mode, bool *ret_made)
{
	_cleanup_close_ int fd = open_dir_itself(dirfd, name);
	struct stat st;
	bool made;
	mode_t saved;
	int r;

	if (fd != -ENOENT) {
		if (fd >= 0 && ret_made)
			*ret_made = false;
		return fd < 0 ? fd : TAKE_FD(fd);
	}
	/* The umask is set aside rather than mended by fchmod(2) afterwards: in a directory of
	 * others the name might lead to another directory by then. */
	saved = umask(0);
	r = mkdirat(dirfd, name, mode) < 0 ? -errno : 0;
	(void)umask(saved);
	if (r < 0 && r != -EEXIST)
		return r;
	made = r == 0;
	fd = open_dir_itself(dirfd, name);
	if (fd < 0)
		return fd;
	/* A parent's set-group-ID bit and default ACL have their say in mkdir(2). */
	if (made && (fstat(fd, &st) < 0 || ((st.st_mode & 07777) != mode &&
						   st.st_uid == geteuid() && fchmod(fd, mode) < 0)))
		return -errno;
	if (ret_made)
		*ret_made = made;
	return TAKE_FD(fd);
}

int path_mkdir_parents(const char *path, mode_t mode)
{
	_cleanup_close_ int dirfd = -1;
	int fd;

	if (!path_is_absolute(path))
		return -EINVAL;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return -errno;
	dirfd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	for (;;) {
		_cleanup_free_ char *name = NULL;
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			break;
		name = xstrndup(path, len);
		path += len;
		fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			return -errno;
		if (fd < 0)
			fd = path_mkdir_open(dirfd, name, mode, NULL);
		if (fd < 0)
			return fd;
		(void)fd_close(dirfd);
		dirfd = fd;
	}
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

const char *path_mkdir_reason(int errnum)
{
	return errnum == ENOTDIR || errnum == EEXIST ? "a file is in the way" : strerror(errnum);
}
