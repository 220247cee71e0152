#include "config.h"

#include "run/publish.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct publish_limits wide = {
	.max_files = 1000, .max_bytes = 1000000, .max_depth = 64};

static int staging = -1, base = -1;

/* An empty staging directory and an empty place to publish to. */
static void begin(void)
{
	static unsigned n;

	fd_close(staging);
	fd_close(base);
	n++;
	tempdir_mkdir(tempdir_path("%u", n) + strlen(tempdir.path) + 1);
	(void)mkdirat(tempdir.fd, tempdir_path("%u/s", n) + strlen(tempdir.path) + 1, 0755);
	(void)mkdirat(tempdir.fd, tempdir_path("%u/d", n) + strlen(tempdir.path) + 1, 0755);
	staging = open(tempdir_path("%u/s", n), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	base = open(tempdir_path("%u/d", n), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (staging < 0 || base < 0)
		bail("cannot make the directories");
}

static void put(int dirfd, const char *path, const char *text)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		bail("%s: %s", path, strerror(errno));
	fd_close(fd);
}

static void make_dir(int dirfd, const char *path)
{
	if (mkdirat(dirfd, path, 0755) < 0)
		bail("%s: %s", path, strerror(errno));
}

static void holds(int dirfd, const char *path, const char *text, const char *what)
{
	_cleanup_free_ char *found = NULL;

	if (file_read_at(dirfd, path, FILEIO_NOFOLLOW, 4096, &found, NULL) < 0)
		found = NULL;
	is_str(found, text, "%s", what);
}

static bool has(int dirfd, const char *path)
{
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* tree/{app, bin/, bin/run, link -> bin/run} */
static void fill(void)
{
	make_dir(staging, "tree");
	put(staging, "tree/app", "new");
	make_dir(staging, "tree/bin");
	put(staging, "tree/bin/run", "new run");
	if (symlinkat("bin/run", staging, "tree/link") < 0)
		bail("symlink");
}

/* The error's text, or NULL where it is as it has to be; kept until the next call. */
static const char *scan(const struct publish_limits *limits, int wanted_status)
{
	static char *kept;
	_cleanup_publish_ struct publish_tree tree = PUBLISH_TREE_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	int r = publish_scan(staging, limits, &tree, &err);

	free(kept);
	kept = r < 0 ? xstrdup(err_text(&err)) : NULL;
	is_int(r < 0 ? err.status : 0, wanted_status, "the status of '%s'",
		kept ? kept : "success");
	return kept;
}

static void test_scan(void)
{
	_cleanup_publish_ struct publish_tree tree = PUBLISH_TREE_INIT;
	struct publish_limits exact = {.max_files = 4, .max_bytes = 10, .max_depth = 2};
	struct publish_limits less;

	begin();
	fill();
	is_int(publish_scan(staging, &exact, &tree, NULL), 0, "a good tree, exactly at its limits");
	is_uint(tree.n, 4, "its entries");
	ok(tree.is_dir, "is a directory");
	is_str(tree.n == 4 ? tree.entries[0].path : "", "app", "in the order of bytes");
	is_uint(tree.n == 4 ? tree.entries[0].size : 0, 3, "with their sizes");
	less = exact;
	less.max_files--;
	ok(strstr(scan(&less, EXIT_DATAERR), "max-files"), "one file too many");
	less = exact;
	less.max_bytes--;
	ok(strstr(scan(&less, EXIT_DATAERR), "max-unpacked"), "one byte too many");
	less = exact;
	less.max_depth--;
	ok(strstr(scan(&less, EXIT_DATAERR), "max-depth"), "one directory too deep");
}

static void test_refused(void)
{
	begin();
	is_str(scan(&wide, EXIT_INTERNAL),
		"the helper left no 'tree' behind: No such file or directory", "nothing at all");
	fill();
	if (mkfifoat(staging, "tree/bin/fifo", 0644) < 0)
		bail("mkfifo");
	is_str(scan(&wide, EXIT_DATAERR),
		"'bin/fifo' is neither a file, a directory nor a symbolic link", "a FIFO");

	begin();
	fill();
	if (fchmodat(staging, "tree/app", 04755, 0) < 0)
		bail("chmod");
	is_str(scan(&wide, EXIT_DATAERR), "'app' has its set-user-ID or set-group-ID bit set",
		"set-user-ID");

	begin();
	fill();
	if (symlinkat("../../etc", staging, "tree/bin/out") < 0)
		bail("symlink");
	is_str(scan(&wide, EXIT_DATAERR), "'bin/out' is a link that leads outside: '../../etc'",
		"a link that leads outside");

	begin();
	fill();
	put(base, "theirs", "x");
	if (linkat(base, "theirs", staging, "tree/mine", 0) < 0)
		bail("link");
	is_str(scan(&wide, EXIT_DATAERR), "'mine' is a hard link to a file that is not part of it",
		"a hard link to the outside");

	begin();
	fill();
	if (linkat(staging, "tree/app", staging, "tree/bin/app", 0) < 0)
		bail("link");
	is_str(scan(&wide, 0), NULL, "a hard link inside is fine");

	begin();
	if (symlinkat("../d", staging, "tree") < 0)
		bail("symlink");
	is_str(scan(&wide, EXIT_DATAERR), "'tree' is neither a file nor a directory",
		"a link in the place of the tree");
}

static int publish(const char *dir, const char *name, struct th_err *err)
{
	_cleanup_publish_ struct publish_tree tree = PUBLISH_TREE_INIT;
	struct publish_where where = {.base_fd = base,
		.base = "/base",
		.dir = dir,
		.name = name,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1};
	int r = publish_scan(staging, &wide, &tree, err);

	return r < 0 ? r : publish_tree(&tree, &where, err);
}

static void test_new(void)
{
	begin();
	fill();
	is_int(publish("a/b", NULL, NULL), 0, "to a destination that is not there");
	holds(base, "a/b/app", "new", "a file of it");
	holds(base, "a/b/bin/run", "new run", "one below it");
	ok(!has(staging, "tree"), "moved there by one rename");

	begin();
	put(staging, "tree", "one file");
	is_int(publish("a", "app.bin", NULL), 0, "one file");
	holds(base, "a/app.bin", "one file", "under its name");
	put(staging, "tree", "short");
	is_int(publish("a", "app.bin", NULL), 0, "another one over it");
	holds(base, "a/app.bin", "short", "without the tail of the longer one");
	make_dir(base, "a/dir");
	put(staging, "tree", "x");
	is_int(publish("a", "dir", NULL), -EISDIR, "not over a directory");
	ok(has(base, "a/dir"), "which stays");
}

static void test_merge(void)
{
	begin();
	fill();
	put(base, "app", "the old one, which is longer");
	make_dir(base, "bin");
	put(base, "bin/theirs", "stays");
	if (symlinkat("/etc/hostname", base, "link") < 0)
		bail("symlink");
	is_int(publish("", NULL, NULL), 0, "into a directory that exists");
	holds(base, "app", "new", "a file is replaced");
	holds(base, "bin/run", "new run", "one comes in beside others");
	holds(base, "bin/theirs", "stays", "which stay");
	holds(base, "link", NULL, "a link of the same name is replaced, not followed");
	ok(has(base, "link"), "and is there");
}

/* Both ways round; nothing is moved. */
static void test_conflicts(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT, other = TH_ERR_INIT;

	begin();
	fill();
	put(base, "bin", "a file");
	is_int(publish("", NULL, &err), -ENOTDIR, "a directory where a file is");
	is_str(err.text, "it holds a directory 'bin', and '/base/bin' is something else",
		"both are named");
	is_int(err.status, EXIT_DATAERR, "its status");
	ok(!has(base, "app") && has(staging, "tree/app"), "nothing was moved");
	holds(base, "bin", "a file", "the file is as it was");

	begin();
	fill();
	make_dir(base, "app");
	is_int(publish("", NULL, &other), -EISDIR, "a file where a directory is");
	is_str(other.text, "it holds a file 'app', and '/base/app' is a directory", "its text");
	ok(!has(base, "bin"), "nothing was moved");
}

static void test_planted(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT, other = TH_ERR_INIT, third = TH_ERR_INIT;

	begin();
	fill();
	make_dir(base, "real");
	if (symlinkat("real", base, "a") < 0)
		bail("symlink");
	ok(publish("a", NULL, &err) < 0, "a destination that is a link");
	is_int(err.status, EXIT_CANTCREAT, "is refused");
	ok(strstr(err_text(&err), "a file or a link is in the way"), "and said: %s",
		err_text(&err));
	ok(publish("a/b", NULL, &other) < 0, "and one below a link");
	ok(!has(base, "real/app") && !has(base, "real/b"), "nothing got through it");

	begin();
	fill();
	if (symlinkat("..", base, "bin") < 0)
		bail("symlink");
	ok(publish("", NULL, &third) < 0, "a link where a directory is to be merged");
	ok(!has(base, "run") && !has(base, "../run"), "is not gone through");
}

/* A directory that cannot be written to, found only in the middle. */
static void test_undo(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	begin();
	fill();
	put(staging, "tree/zz", "last");
	put(base, "app", "old");
	make_dir(base, "bin");
	make_dir(base, "zz2");
	put(staging, "tree/bin/more", "more");
	if (geteuid() == 0) {
		skip(4, "root may write everywhere");
		return;
	}
	if (fchmodat(base, "bin", 0555, 0) < 0)
		bail("chmod");
	ok(publish("", NULL, &err) < 0, "a directory that cannot be written to");
	is_int(err.status, EXIT_CANTCREAT, "its status");
	holds(base, "app", "old", "what was replaced is there again");
	ok(!has(base, "zz") && !has(base, "link"), "what was new is gone");
	if (fchmodat(base, "bin", 0755, 0) < 0)
		bail("chmod");
}

/* From here on as on a file system that knows no flags of renameat2(2). */
static void forbid_rename_flags(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

/* A file that cannot be replaced, as it is in a directory that cannot be written to. */
static bool fails_without_flags(void)
{
	_cleanup_publish_ struct publish_tree tree = PUBLISH_TREE_INIT;
	const struct publish_where where = {
		.base_fd = base, .base = "/b", .dir = "", .uid = (uid_t)-1, .gid = (gid_t)-1};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
		_exit(77);
	forbid_rename_flags();
	return publish_scan(staging, &wide, &tree, NULL) == 0 &&
	       publish_tree(&tree, &where, &err) == -EACCES;
}

static void test_undo_without_flags(void)
{
	struct stat st;
	int status = 0;
	pid_t pid;

	begin();
	make_dir(staging, "tree");
	make_dir(staging, "tree/locked");
	make_dir(base, "locked");
	put(staging, "tree/locked/f", "new");
	put(base, "locked/f", "old");
	for (char name[] = "a"; *name <= 'z'; name[0]++) {
		_cleanup_free_ char *path = xasprintf("tree/%s", name);

		put(staging, path, "new");
		if (*name == 'c')
			continue;
		put(base, name, "old");
		if (geteuid() == 0 && fchownat(base, name, 65534, 65534, 0) < 0)
			bail("chown: %s", strerror(errno));
	}
	if (geteuid() == 0 &&
		(fchown(staging, 65534, 65534) < 0 || fchown(base, 65534, 65534) < 0 ||
			fchownat(staging, "tree", 65534, 65534, 0) < 0 ||
			fchownat(staging, "tree/locked", 65534, 65534, 0) < 0 ||
			chmod(tempdir.path, 0755) < 0))
		bail("cannot give it away: %s", strerror(errno));
	if (fchmodat(base, "locked", 0555, 0) < 0)
		bail("chmod: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		_exit(fails_without_flags() ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		bail("fork: %s", strerror(errno));
	if (WEXITSTATUS(status) == 77) {
		skip(28, "needs seccomp filters");
		return;
	}
	is_int(status, 0, "it fails in the midst");
	for (char name[] = "a"; *name <= 'z'; name[0]++)
		if (*name != 'c')
			holds(base, name, "old", "what was replaced is back");
	ok(fstatat(base, "c", &st, 0) < 0, "what is new is gone");
	holds(base, "locked/f", "old", "what could not be replaced is there");
	if (fchmodat(base, "locked", 0755, 0) < 0)
		bail("chmod: %s", strerror(errno));
}

static void test_owner(void)
{
	_cleanup_publish_ struct publish_tree tree = PUBLISH_TREE_INIT;
	struct stat st;

	begin();
	fill();
	if (geteuid() != 0) {
		skip(4, "needs root: owners");
		return;
	}
	put(base, "outside", "x");
	if (symlinkat("run", staging, "tree/bin/self") < 0)
		bail("symlink");
	is_int(publish_scan(staging, &wide, &tree, NULL), 0, "a tree");
	is_int(publish_set_owner(&tree, 4711, 4712, NULL), 0, "gets an owner");
	ok(fstatat(staging, "tree/bin/run", &st, 0) == 0 && st.st_uid == 4711 && st.st_gid == 4712,
		"a file has it");
	ok(fstatat(staging, "tree/bin/self", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 4711,
		"a link has it itself");
}

int main(void)
{
	tempdir_make();
	test_scan();
	test_refused();
	test_new();
	test_merge();
	test_conflicts();
	test_planted();
	test_undo();
	test_undo_without_flags();
	test_owner();
	fd_close(staging);
	fd_close(base);
	return done_testing();
}
