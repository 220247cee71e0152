#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"

#include "tests/unit/no-openat2.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

static void test_text(void)
{
	static const struct {
		const char *a, *b, *joined;
	} joins[] = {
		{"a", "b", "a/b"},
		{"a/", "b", "a/b"},
		{"a//", "//b", "a/b"},
		{"/", "b", "/b"},
		{"/", "/", "/"},
		{"/a", "/b/c", "/a/b/c"},
		{"a", "", "a"},
		{"a/", "", "a"},
		{"", "b", "b"},
		{"", "/b", "b"},
		{"", "", ""},
	};
	static const struct {
		const char *p, *absolute;
	} absolutes[] = {
		{"/", "/"},
		{"//a///b/", "/a/b"},
		{"/a/./b/.", "/a/b"},
		{"/a/../b", "/b"},
		{"/a/b/../../..", "/"},
		{"/../..", "/"},
		{"/a/.../b..", "/a/.../b.."},
		{"/a/..b/.c", "/a/..b/.c"},
	};
	static const struct {
		const char *p, *base, *dir;
	} parts[] = {
		{"a", "a", "."},
		{"/a", "a", "/"},
		{"/a/b", "b", "/a"},
		{"a//b", "b", "a"},
		{"//a", "a", "/"},
		{"a/", "", "a"},
		{"/", "", "/"},
		{"", "", "."},
	};

	for (size_t i = 0; i < ARRAY_SIZE(joins); i++) {
		_cleanup_free_ char *s = path_join(joins[i].a, joins[i].b);

		is_str(s, joins[i].joined, "join '%s' and '%s'", joins[i].a, joins[i].b);
	}
	for (size_t i = 0; i < ARRAY_SIZE(absolutes); i++) {
		_cleanup_free_ char *s = path_make_absolute(absolutes[i].p);

		is_str(s, absolutes[i].absolute, "absolute '%s'", absolutes[i].p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *s = path_dirname(parts[i].p);

		is_str(path_basename(parts[i].p), parts[i].base, "basename '%s'", parts[i].p);
		is_str(s, parts[i].dir, "dirname '%s'", parts[i].p);
	}
	ok(path_is_absolute("/a") && !path_is_absolute("a") && !path_is_absolute(""), "absolute");
	ok(path_is_below("/a/b", "/a") && path_is_below("/a", "/a") && path_is_below("/a", "/a/") &&
			path_is_below("/a", "/") && path_is_below("/", "/"),
		"below");
	ok(!path_is_below("/ab", "/a") && !path_is_below("/", "/a") && !path_is_below("a/b", "/"),
		"not below");
}

static void test_cwd(void)
{
	_cleanup_free_ char *a = NULL, *b = NULL, *gone = NULL, *real = NULL;

	real = realpath(tempdir.path, NULL);
	tempdir_mkdir("cwd");
	if (!real || chdir(tempdir_path("cwd")) != 0)
		bail("chdir: %s", strerror(errno));
	a = path_make_absolute("x/../y");
	is_str(a ? a + strlen(real) : NULL, "/cwd/y", "relative to the current directory");
	b = path_make_absolute("");
	is_str(b ? b + strlen(real) : NULL, "/cwd", "nothing is the current directory");
	(void)rmdir(tempdir_path("cwd"));
	gone = path_make_absolute("x");
	ok(!gone && errno == ENOENT, "a current directory that is gone");
	if (chdir("/") != 0)
		bail("chdir /: %s", strerror(errno));
}

static int try_open(const char *path, int flags)
{
	int fd = path_open_beneath(tempdir.fd, path, flags, 0640);

	if (fd < 0)
		return fd;
	if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		fd_close(fd);
	else
		(void)close(fd);
	return 0;
}

static void make_tree(void)
{
	tempdir_mkdir("d");
	tempdir_mkdir("d/e");
	tempdir_mkdir("elsewhere");
	tempdir_write("d/e/file", "text");
	tempdir_write("d/e/cut", "text");
	tempdir_write("elsewhere/file", "elsewhere");
	tempdir_symlink("e", "d/link");
	tempdir_symlink("/", "d/root");
	tempdir_symlink("file", "d/e/filelink");
	tempdir_symlink("none", "d/dangling");
}

static void test_beneath(const char *how, bool mounts)
{
	mode_t saved;

	is_int(try_open("d/e/file", O_RDONLY), 0, "%s: a file", how);
	is_int(try_open("d//e/./file", O_RDONLY), 0, "%s: with dots and slashes", how);
	is_int(try_open(".", O_RDONLY | O_DIRECTORY), 0, "%s: the directory itself", how);
	is_int(try_open("d/e", O_PATH | O_DIRECTORY), 0, "%s: a directory", how);
	is_int(try_open("d/e/", O_RDONLY), 0, "%s: a directory with a slash behind", how);
	is_int(try_open("d/e/file/", O_RDONLY), -ENOTDIR, "%s: a file with a slash behind", how);
	is_int(try_open("d/e/file/x", O_RDONLY), -ENOTDIR, "%s: below a file", how);
	is_int(try_open("d/e/file", O_RDONLY | O_DIRECTORY), -ENOTDIR, "%s: no directory", how);
	is_int(try_open("d/none/file", O_RDONLY), -ENOENT, "%s: no such directory", how);
	is_int(try_open("d/e/none", O_RDONLY), -ENOENT, "%s: no such file", how);
	is_int(try_open("", O_RDONLY), -ENOENT, "%s: no path", how);

	is_int(try_open("d/link/file", O_RDONLY), -ELOOP, "%s: a link on the way", how);
	is_int(try_open("d/link/file", O_PATH), -ELOOP, "%s: a link on the way, O_PATH", how);
	is_int(try_open("d/root/etc", O_PATH), -ELOOP, "%s: a link to the root", how);
	is_int(try_open("d/e/filelink", O_RDONLY), -ELOOP, "%s: a link at the end", how);
	is_int(try_open("d/link", O_RDONLY | O_DIRECTORY), -ELOOP, "%s: a link as directory", how);
	is_int(try_open("d/link", O_RDONLY | O_DIRECTORY | O_NOFOLLOW), -ELOOP,
		"%s: a link as directory, O_NOFOLLOW", how);
	is_int(try_open("d/link/", O_RDONLY), -ELOOP, "%s: a link with a slash behind", how);
	is_int(try_open("d/dangling", O_RDONLY), -ELOOP, "%s: a dangling link", how);
	is_int(try_open("d/dangling", O_WRONLY | O_CREAT), -ELOOP, "%s: not made through it", how);
	is_int(try_open("d/dangling", O_WRONLY | O_CREAT | O_EXCL), -EEXIST, "%s: nor in place",
		how);
	ok(!tempdir_has("d/none"), "%s: indeed", how);
	is_int(try_open("d/link", O_PATH | O_NOFOLLOW), 0, "%s: the link itself", how);

	is_int(try_open("/etc/passwd", O_RDONLY), -EXDEV, "%s: an absolute path", how);
	is_int(try_open("..", O_PATH), -EXDEV, "%s: out of it", how);
	is_int(try_open("d/../../x", O_PATH), -EXDEV, "%s: down and out", how);
	is_int(try_open("d/../d/e", O_PATH), -EXDEV, "%s: '..' is refused wherever", how);
	is_int(try_open("d/..e", O_PATH), -ENOENT, "%s: a name with dots is a name", how);

	saved = umask(0);
	is_int(try_open("d/made", O_WRONLY | O_CREAT | O_EXCL), 0, "%s: a new file", how);
	(void)umask(saved);
	is_uint(tempdir_mode("d/made"), 0640, "%s: its mode", how);
	is_int(try_open("d/made", O_WRONLY | O_CREAT | O_EXCL), -EEXIST, "%s: O_EXCL holds", how);
	is_int(try_open("d/made", O_WRONLY | O_CREAT), 0, "%s: O_CREAT opens what is there", how);
	(void)unlinkat(tempdir.fd, "d/made", 0);
	is_int(try_open("d", O_RDWR | O_TMPFILE), 0, "%s: a file without a name", how);

	if (!mounts) {
		skip(9, "needs root, for mounts");
		return;
	}
	is_int(try_open("d/mounted", O_PATH), -EXDEV, "%s: a bind mount", how);
	is_int(try_open("d/mounted", O_RDONLY | O_DIRECTORY), -EXDEV, "%s: as a directory", how);
	is_int(try_open("d/mounted/file", O_RDONLY), -EXDEV, "%s: a file below it", how);
	is_int(try_open("d/mounted/new", O_WRONLY | O_CREAT), -EXDEV, "%s: a new one", how);
	ok(!tempdir_has("elsewhere/new"), "%s: is not made", how);
	is_int(try_open("d/e/mounted", O_RDONLY), -EXDEV, "%s: a file bound over a file", how);
	is_int(try_open("d/e/mounted", O_WRONLY | O_TRUNC), -EXDEV, "%s: to cut it", how);
	{
		struct stat st;

		ok(fstatat(tempdir.fd, "elsewhere/file", &st, 0) == 0 && st.st_size == 9,
			"%s: does not cut it", how);
	}
	is_int(path_open_beneath(AT_FDCWD, "proc/self", O_PATH, 0), -EXDEV,
		"%s: another file system, below the current directory", how);
}

static void test_mkdir_open(void)
{
	mode_t saved = umask(0077);
	bool made = false;
	struct stat st = {0};
	int fd;

	fd = path_mkdir_open(tempdir.fd, "new", 01770, &made);
	ok(fd >= 0 && made, "makes a directory");
	ok(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 01770,
		"of this mode, whatever the umask");
	ok(umask(0077) == 0077, "and leaves the umask");
	(void)close(fd);
	fd = path_mkdir_open(tempdir.fd, "new", 0700, &made);
	ok(fd >= 0 && !made, "opens one that is there");
	is_uint(tempdir_mode("new"), 01770, "as it is");
	(void)close(fd);
	(void)umask(saved);

	if (fchmodat(tempdir.fd, "new", 02777, 0) != 0)
		bail("chmod: %s", strerror(errno));
	fd = path_mkdir_open(tempdir.fd, "new/below", 0711, NULL);
	ok(fd >= 0, "below a set-group-ID directory");
	is_uint(tempdir_mode("new/below"), 0711, "that bit is not inherited");
	(void)close(fd);

	tempdir_symlink("new", "newlink");
	is_int(path_mkdir_open(tempdir.fd, "newlink", 0700, &made), -ENOTDIR, "not through a link");
	is_int(path_mkdir_open(tempdir.fd, "d/dangling", 0700, &made), -ENOTDIR, "dangling or not");
	is_int(path_mkdir_open(tempdir.fd, "d/e/file", 0700, &made), -ENOTDIR, "not over a file");
	is_int(path_mkdir_open(tempdir.fd, "none/x", 0700, &made), -ENOENT, "not below nothing");
}

static void test_mkdir_parents(void)
{
	mode_t saved = umask(0077);
	struct stat st = {0}, expected = {0};
	int fd;

	fd = path_mkdir_parents(tempdir_path("p/q//r/"), 0751);
	ok(fd >= 0 && fstat(fd, &st) == 0, "makes all that is missing");
	(void)fstatat(tempdir.fd, "p/q/r", &expected, 0);
	ok(st.st_ino == expected.st_ino, "and opens the last");
	is_int(count_entries(tempdir_path("p/q/r")), 0, "for reading too");
	ok(tempdir_mode("p") == 0751 && tempdir_mode("p/q/r") == 0751, "all of this mode");
	(void)fd_close(fd);
	fd = path_mkdir_parents(tempdir_path("p/q/r"), 0700);
	ok(fd >= 0 && tempdir_mode("p/q/r") == 0751, "what is there stays as it is");
	(void)fd_close(fd);
	tempdir_symlink("p/q", "plink");
	fd = path_mkdir_parents(tempdir_path("plink/s/t"), 0700);
	ok(fd >= 0 && tempdir_has("p/q/s/t"), "a link in the configured part is followed");
	(void)fd_close(fd);
	is_int(path_mkdir_parents(tempdir_path("d/e/file/x"), 0700), -ENOTDIR, "a file on the way");
	is_int(path_mkdir_parents(tempdir_path("d/dangling/x"), 0700), -ENOTDIR,
		"a dangling link on the way");
	is_int(path_mkdir_parents("relative", 0700), -EINVAL, "a relative path");
	fd = path_mkdir_parents("/", 0700);
	ok(fd >= 0, "the root");
	(void)fd_close(fd);
	(void)umask(saved);
}

int main(void)
{
	bool mounts = tempdir_private_mounts();

	tempdir_make();
	test_text();
	test_cwd();
	make_tree();
	if (mounts) {
		tempdir_mkdir("d/mounted");
		tempdir_write("d/e/mounted", "");
		tempdir_bind("elsewhere", "d/mounted");
		tempdir_bind("elsewhere/file", "d/e/mounted");
	}
	test_beneath("openat2", mounts);
	test_mkdir_open();
	test_mkdir_parents();
	if (openat2_take_away())
		test_beneath("without openat2", mounts);
	else
		skip(1, "no seccomp filter can be set");
	return done_testing();
}
