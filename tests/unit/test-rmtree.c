#include "config.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/rmtree.h"
#include "base/str.h"

#include "tests/unit/no-openat2.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* Less than the depth of any deep tree here, and little more than a removal may use. */
#define FILES_MAX 64

static struct strv reports = STRV_INIT; /* "PATH: ERROR" */

static void note_report(void *arg, const char *path, int errnum)
{
	if (arg != &reports)
		bail("the argument is not handed on");
	strv_addf(&reports, "%s: %s", path, strerrorname_np(errnum));
}

static int remove_tree(const char *name, const char *const *keep)
{
	strv_clear(&reports);
	return rmtree_at(tempdir.fd, name, keep, note_report, &reports);
}

static void test_small(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	is_int(remove_tree("none", NULL), 0, "nothing there is success");
	is_int(remove_tree("none/none", NULL), 0, "however deep");
	tempdir_write("x", "x");
	is_int(remove_tree("x", NULL), 0, "a file");
	ok(!tempdir_has("x"), "is gone");
	tempdir_mkdir("x");
	is_int(remove_tree("x", NULL), 0, "an empty directory");
	ok(!tempdir_has("x"), "is gone");

	tempdir_mkdir("outside");
	tempdir_write("outside/file", "stays");
	tempdir_symlink("outside", "x");
	is_int(remove_tree("x", NULL), 0, "a link");
	ok(!tempdir_has("x") && tempdir_has("outside/file"), "is removed, not what it leads to");
	is_int(remove_tree("outside/", NULL), -EINVAL, "a name with a slash behind");
	is_int(remove_tree(".", NULL), -EINVAL, "'.' is no name");
	is_int(remove_tree("outside/..", NULL), -EINVAL, "nor is '..'");
	is_int(remove_tree("", NULL), -EINVAL, "nor nothing");
	is_int(remove_tree("../x", NULL), -EXDEV, "nothing above is reached");
	ok(tempdir_has("outside/file"), "all that is still there");

	tempdir_mkdir("x");
	tempdir_mkdir("x/sub");
	tempdir_write("x/sub/file", "");
	tempdir_symlink("../../outside", "x/sub/link");
	tempdir_symlink("/", "x/root");
	tempdir_symlink("none", "x/dangling");
	if (mkfifoat(tempdir.fd, "x/fifo", 0600) != 0)
		bail("mkfifo: %s", strerror(errno));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(
		sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/x/sub/socket", tempdir.fd);
	(void)bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	(void)close(fd);
	is_int(remove_tree("x", NULL), 0, "a tree with all kinds of things");
	ok(!tempdir_has("x") && tempdir_has("outside/file"), "and nothing beyond its links");
	is_uint(reports.n, 0, "with nothing to report");

	tempdir_mkdir("x");
	tempdir_mkdir("x/y");
	tempdir_mkdir("x/y/z");
	tempdir_write("x/beside", "");
	is_int(remove_tree("x/y", NULL), 0, "a tree below a directory");
	ok(!tempdir_has("x/y") && tempdir_has("x/beside"), "and that alone");
	tempdir_symlink("../outside", "x/link");
	is_int(remove_tree("x/link/file", NULL), -ELOOP, "never by way of a link");
	ok(tempdir_has("outside/file"), "indeed");
	is_int(remove_tree("x", NULL), 0, "the rest");
	is_int(rmtree_at(tempdir.fd, "outside", NULL, NULL, NULL), 0, "without reports");
}

static void test_names(void)
{
	static const char *const names[] = {
		"\xff\xfe", "a\nb", "-rf", " ", "...", "a\\b", "*", "\x01", "\xc3", "..x"};
	char longest[256];

	memset(longest, 'l', 255);
	longest[255] = '\0';
	tempdir_mkdir("x");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *dir = xasprintf("x/%s", names[i]);
		_cleanup_free_ char *file = xasprintf("x/%s/%s", names[i], names[i]);

		tempdir_mkdir(dir);
		tempdir_write(file, "");
	}
	{
		_cleanup_free_ char *dir = xasprintf("x/%s", longest);
		_cleanup_free_ char *file = xasprintf("x/%s/%s", longest, longest);

		tempdir_mkdir(dir);
		tempdir_write(file, "");
	}
	is_int(remove_tree("x", NULL), 0, "names of any bytes and any length");
	ok(!tempdir_has("x"), "are gone");
	tempdir_mkdir("\xff");
	tempdir_write("\xff/\xfe", "");
	is_int(remove_tree("\xff", NULL), 0, "the tree's own name too");
}

static void test_wide(void)
{
	tempdir_mkdir("x");
	for (int i = 0; i < 3000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "x/%d", i);
		if (i % 3)
			tempdir_write(name, "");
		else
			tempdir_mkdir(name);
		if (i % 6 == 0) {
			(void)snprintf(name, sizeof(name), "x/%d/file", i);
			tempdir_write(name, "");
		}
	}
	is_int(remove_tree("x", NULL), 0, "3000 entries in one directory");
	ok(!tempdir_has("x"), "are gone");
}

static void test_keep(void)
{
	static const char *const keep[] = {"logs", "record", NULL};
	static const char *const keep_nothing[] = {NULL};

	tempdir_mkdir("x");
	tempdir_mkdir("x/logs");
	tempdir_mkdir("x/logs/old");
	tempdir_write("x/logs/old/log", "");
	tempdir_write("x/record", "");
	tempdir_mkdir("x/work");
	tempdir_mkdir("x/work/logs");
	tempdir_write("x/work/record", "");
	is_int(remove_tree("x", keep), 0, "all but some names");
	ok(tempdir_has("x/logs/old/log") && tempdir_has("x/record"),
		"these stay with what they hold");
	ok(!tempdir_has("x/work"), "and only directly below the root");
	is_int(count_entries(tempdir_path("x")), 2, "nothing else stays");
	is_int(remove_tree("x", keep), 0, "twice is the same as once");
	is_int(remove_tree("x", keep_nothing), 0, "an empty list keeps nothing");
	ok(!tempdir_has("x"), "not the root either");
	is_int(remove_tree("x", keep), 0, "nothing there is success");
}

/* Makes name/d/d/d..., `depth` levels, each with a file; returns an fd of the last, or -1. */
static int make_deep(const char *name, const char *level, int depth)
{
	int fd;

	tempdir_mkdir(name);
	fd = openat(tempdir.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth && fd >= 0; i++) {
		int next, file;

		file = openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		(void)close(file);
		next = mkdirat(fd, level, 0700) == 0
			       ? openat(fd, level, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			       : -1;
		(void)close(fd);
		fd = next;
	}
	if (fd < 0)
		bail("a tree of %d levels: %s", depth, strerror(errno));
	return fd;
}

static void test_deep(void)
{
	char longest[201];
	/* On a disk that others write to as well each level can take a millisecond. */
	const int depth = tap_is_slow() ? 500 : tempdir.in_memory ? 10000 : 2000;
	usec_t start;
	int fd;

	(void)close(make_deep("x", "d", depth));
	start = clock_monotonic_usec();
	is_int(remove_tree("x", NULL), 0, "%d levels, with %d files open at most", depth,
		FILES_MAX);
	ok(!tempdir_has("x"), "are gone");
	diag("in %d ms", (int)((clock_monotonic_usec() - start) / 1000));

	memset(longest, 'l', 200);
	longest[200] = '\0';
	(void)close(make_deep("x", longest, 300));
	is_int(remove_tree("x", NULL), 0, "300 levels of 200 bytes, many times PATH_MAX");
	ok(!tempdir_has("x"), "are gone");

	/* A spine with long teeth: the walk goes down and up again and again. */
	tempdir_mkdir("x");
	fd = openat(tempdir.fd, "x", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < (tap_is_slow() ? 5 : 60); i++) {
		int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		for (int j = 0; j < 200; j++) {
			int next;

			(void)mkdirat(at, j ? "t" : "tooth", 0700);
			next = openat(at, j ? "t" : "tooth", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			(void)close(at);
			at = next;
		}
		(void)close(at);
		for (int j = 0; j < 40; j++) {
			int next;

			(void)mkdirat(fd, "spine", 0700);
			next = openat(fd, "spine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			(void)close(fd);
			fd = next;
		}
	}
	ok(fd >= 0, "a comb of 2,400 levels with teeth of 200");
	(void)close(fd);
	is_int(remove_tree("x", NULL), 0, "is removed");
	ok(!tempdir_has("x"), "whole");
}

static void test_mounts(const char *how)
{
	static const char *const keep[] = {"logs", NULL};

	tempdir_mkdir("outside");
	tempdir_mkdir("outside/dir");
	tempdir_write("outside/dir/file", "stays");
	tempdir_write("outside/file", "stays");

	tempdir_mkdir("x");
	tempdir_mkdir("x/a");
	tempdir_mkdir("x/a/b");
	tempdir_mkdir("x/a/b/mounted");
	tempdir_write("x/a/b/file", "goes");
	tempdir_mkdir("x/c");
	tempdir_write("x/c/file", "goes");
	tempdir_bind("outside", "x/a/b/mounted");
	is_int(remove_tree("x", NULL), -EXDEV, "%s: a bind mount of the same file system", how);
	ok(tempdir_has("outside/dir/file") && tempdir_has("outside/file"),
		"%s: what is mounted stays", how);
	is_uint(reports.n, 1, "%s: one report", how);
	is_str(reports.n ? reports.v[0] : NULL, "x/a/b/mounted: EXDEV", "%s: that names it", how);
	ok(!tempdir_has("x/a/b/file") && !tempdir_has("x/c"), "%s: the rest is gone", how);
	is_int(remove_tree("x", keep), -EXDEV, "%s: also where something is to be kept", how);
	is_int(remove_tree("x/a/b/mounted", NULL), -EXDEV, "%s: a tree that is a mount itself",
		how);
	is_str(reports.n ? reports.v[0] : NULL, "mounted: EXDEV", "%s: is named", how);
	is_int(remove_tree("x/a/b/mounted/dir", NULL), -EXDEV, "%s: a tree inside one", how);
	ok(tempdir_has("outside/dir/file"), "%s: stays", how);
	tempdir_unmount_all();
	is_int(remove_tree("x", NULL), 0, "%s: without the mount it is removed", how);
	ok(!tempdir_has("x") && tempdir_has("outside/dir/file"), "%s: and that alone", how);

	tempdir_mkdir("x");
	tempdir_mkdir("x/a");
	tempdir_write("x/a/mounted", "");
	tempdir_write("x/a/file", "");
	tempdir_bind("outside/file", "x/a/mounted");
	is_int(remove_tree("x", NULL), -EXDEV, "%s: a file bound over a file", how);
	is_str(reports.n ? reports.v[0] : NULL, "x/a/mounted: EXDEV", "%s: is named", how);
	ok(reports.n == 1 && tempdir_has("outside/file"), "%s: and stays", how);
	tempdir_unmount_all();
	is_int(remove_tree("x", NULL), 0, "%s: until it is unmounted", how);

	tempdir_mkdir("x");
	tempdir_mkdir("x/proc");
	if (mount("none", tempdir_path("x/proc"), "tmpfs", 0, NULL) == 0) {
		tempdir_write("x/proc/file", "stays");
		is_int(remove_tree("x", NULL), -EXDEV, "%s: another file system", how);
		ok(tempdir_has("x/proc/file"), "%s: stays", how);
		(void)umount2(tempdir_path("x/proc"), MNT_DETACH);
	} else {
		skip(2, "no tmpfs can be mounted");
	}
	/* A mount far below, beyond what is held open. */
	{
		_cleanup_strbuf_ struct strbuf deep = STRBUF_INIT;

		strbuf_adds(&deep, "x");
		for (int i = 0; i < 150; i++) {
			strbuf_adds(&deep, "/d");
			tempdir_mkdir(deep.s);
		}
		tempdir_bind("outside", deep.s);
		is_int(remove_tree("x", NULL), -EXDEV, "%s: a mount 150 levels down", how);
		is_uint(reports.n, 1, "%s: one report", how);
		strbuf_adds(&deep, ": EXDEV");
		is_str(reports.n ? reports.v[0] : NULL, deep.s, "%s: with the whole path", how);
		ok(tempdir_has("outside/dir/file"), "%s: stays", how);
		tempdir_unmount_all();
	}
	is_int(remove_tree("x", NULL), 0, "%s: until it is unmounted", how);
	is_int(remove_tree("outside", NULL), 0, "%s: what is no mount is removed", how);
}

static const char *move_to; /* where a report moves the tree's upper part, once */

static void move_on_report(void *arg, const char *path, int errnum)
{
	note_report(arg, path, errnum);
	if (move_to && renameat(tempdir.fd, "x/d/d/d", tempdir.fd, move_to) != 0)
		bail("rename: %s", strerror(errno));
	move_to = NULL;
}

/* 150 levels with full directories beside each, and a mount in the last. */
static void make_ladder(void)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;

	strbuf_adds(&path, "x");
	tempdir_mkdir(path.s);
	for (int i = 0; i < 150; i++) {
		static const char *const sides[] = {"/a", "/a/file", "/d", "/z", "/z/file"};

		for (size_t j = 0; j < ARRAY_SIZE(sides); j++) {
			_cleanup_free_ char *side = xasprintf("%s%s", path.s, sides[j]);

			if (str_ends_with(side, "file"))
				tempdir_write(side, "");
			else
				tempdir_mkdir(side);
		}
		strbuf_adds(&path, "/d");
	}
	tempdir_bind("outside", path.s);
}

/* The mount went along with its directory. */
static void unmount_moved(const char *base)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;

	strbuf_adds(&path, base);
	for (int i = 3; i < 150; i++)
		strbuf_adds(&path, "/d");
	if (umount2(tempdir_path("%s", path.s), MNT_DETACH) != 0)
		bail("umount: %s", strerror(errno));
	tempdir_unmount_all(); /* forgets the old path */
}

/* What the walk stands in is moved away, exactly when the way up is no longer held open. */
static void test_moved(const char *how)
{
	_cleanup_strbuf_ struct strbuf deep = STRBUF_INIT;

	tempdir_mkdir("outside");
	tempdir_write("outside/file", "stays");
	make_ladder();
	strv_clear(&reports);
	move_to = "x/moved";
	is_int(rmtree_at(tempdir.fd, "x", NULL, move_on_report, &reports), -EXDEV,
		"%s: a tree that is moved inside itself while its depth is removed", how);
	strbuf_adds(&deep, "x/moved");
	for (int i = 3; i < 150; i++) {
		if (count_entries(tempdir_path("%s", deep.s)) != 1)
			break;
		strbuf_adds(&deep, "/d");
	}
	strbuf_adds(&deep, "/file");
	is_uint(deep.len, strlen("x/moved/file") + 2 * 147, "%s: only the way to the mount is left",
		how);
	ok(tempdir_has(deep.s), "%s: and what is mounted", how);
	ok(!tempdir_has("x/d"), "%s: and the old one is gone", how);
	unmount_moved("x/moved");
	is_int(remove_tree("x", NULL), 0, "%s: the rest", how);

	make_ladder();
	tempdir_mkdir("holder");
	tempdir_write("holder/file", "stays");
	tempdir_mkdir("holder/a");
	tempdir_write("holder/a/file", "stays");
	strv_clear(&reports);
	move_to = "holder/moved";
	is_int(rmtree_at(tempdir.fd, "x", NULL, move_on_report, &reports), -EXDEV,
		"%s: a tree that is moved out while its depth is removed", how);
	ok(!tempdir_has("x"), "%s: what is left of it is gone", how);
	ok(tempdir_has("holder/file") && tempdir_has("holder/a/file"),
		"%s: what lies beside the new place stays", how);
	unmount_moved("holder/moved");
	is_int(remove_tree("holder", NULL), 0, "%s: that too in the end", how);
	(void)remove_tree("outside", NULL);
}

/* Starts a child that does `work` over and over until it is told to end. */
static pid_t start_racer(void (*work)(unsigned round))
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned round = 0;; round++)
			work(round);
	}
	return pid;
}

static void stop_racer(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)wait_child(pid);
}

/* Moves the lower half of a deep tree out and in again. */
static void race_move_out(unsigned round)
{
	(void)round;
	(void)renameat(tempdir.fd, "x/d/d/d/d", tempdir.fd, "outside/dir/moved");
	(void)renameat(tempdir.fd, "outside/dir/moved", tempdir.fd, "x/d/d/d/d");
}

/* Swaps a directory for a link to a foreign one. */
static void race_swap_link(unsigned round)
{
	(void)round;
	(void)syscall(SYS_renameat2, tempdir.fd, "x/d/d/d", tempdir.fd, "bait", RENAME_EXCHANGE);
}

/* Moves directories about inside the tree. */
static void race_move_inside(unsigned round)
{
	(void)renameat(tempdir.fd, "x/d/d/d", tempdir.fd, round % 2 ? "x/moved" : "x/d/moved");
	(void)renameat(tempdir.fd, round % 2 ? "x/moved" : "x/d/moved", tempdir.fd, "x/d/d/d");
}

static void race_add(unsigned round)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "x/d/d/new-%u", round);
	(void)mkdirat(tempdir.fd, name, 0700);
	(void)snprintf(name, sizeof(name), "x/d/d/new-%u/file", round);
	(void)mknodat(tempdir.fd, name, S_IFREG | 0600, 0);
	(void)usleep(100); /* the racer's pace */
}

/* Says what is missing of what no removal may touch. */
static int count_lost(const char *what, int round)
{
	static const char *const names[] = {"outside/file", "outside/dir", "outside/dir/file",
		"outside/dir/sub", "outside/dir/sub/file"};
	int lost = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!tempdir_has(names[i])) {
			diag("%s: round %d: '%s' is gone", what, round, names[i]);
			lost++;
		}
	return lost;
}

static void check_race(const char *what, void (*work)(unsigned round))
{
	const int rounds = tempdir.in_memory ? 12 : 3;
	int lost = 0, left = 0, failed = 0;

	tempdir_mkdir("outside");
	tempdir_mkdir("outside/dir");
	tempdir_write("outside/dir/file", "stays");
	tempdir_mkdir("outside/dir/sub");
	tempdir_write("outside/dir/sub/file", "stays");
	tempdir_write("outside/file", "stays");
	for (int round = 0; round < rounds; round++) {
		pid_t racer;
		int r;

		(void)close(make_deep("x", "d", 150));
		tempdir_symlink("outside/dir", "bait");
		racer = start_racer(work);
		r = remove_tree("x", NULL);
		stop_racer(racer);
		failed += r != 0;
		lost += count_lost(what, round);
		r = remove_tree("x", NULL);
		if (r != 0 || tempdir_has("x"))
			diag("%s: round %d: left: %s: %s", what, round, strerrorname_np(-r),
				reports.n ? reports.v[0] : "nothing reported");
		left += r != 0 || tempdir_has("x");
		(void)remove_tree("outside/dir/moved", NULL);
		(void)remove_tree("bait", NULL);
	}
	is_int(lost, 0, "%s: nothing outside is touched", what);
	is_int(left, 0, "%s: and in the end all is gone", what);
	diag("%s: %d of %d removals were held up", what, failed, rounds);
	(void)remove_tree("outside", NULL);
}

static void test_races(void)
{
	check_race("directories moved out and in", race_move_out);
	check_race("a directory swapped for a link", race_swap_link);
	check_race("directories moved about inside", race_move_inside);
	check_race("entries that keep appearing", race_add);
}

/* As the user who owns the tree and is not root. */
static void check_as_user(void)
{
	static const mode_t modes[] = {0, 0111, 0222, 0444, 0555};
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		tempdir_mkdir("user/x");
		tempdir_mkdir("user/x/sub");
		tempdir_write("user/x/sub/file", "");
		if (fchmodat(tempdir.fd, "user/x/sub", modes[i], 0) != 0 ||
			fchmodat(tempdir.fd, "user/x", modes[i], 0) != 0)
			_exit(2);
		bad += remove_tree("user/x", NULL) != 0 || tempdir_has("user/x");
	}
	_exit(bad);
}

static void test_user(void)
{
	pid_t pid;

	tempdir_mkdir("user");
	if (geteuid() == 0 && (fchmodat(tempdir.fd, ".", 0711, 0) != 0 ||
				      fchownat(tempdir.fd, "user", 65534, 65534, 0) != 0))
		bail("chown: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(100);
		check_as_user();
	}
	is_int(wait_child(pid), 0, "a user's own directories without the bits to empty them");

	if (geteuid() != 0) {
		skip(5, "needs root, to have another's files");
		return;
	}
	tempdir_mkdir("user/x");
	tempdir_mkdir("user/x/theirs");
	tempdir_write("user/x/theirs/file", "");
	tempdir_mkdir("user/x/empty");
	tempdir_write("user/x/mine", "");
	if (fchownat(tempdir.fd, "user/x", 65534, 65534, 0) < 0)
		bail("fchownat: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		int r;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(100);
		r = remove_tree("user/x", NULL);
		_exit(r == -EACCES && reports.n == 1 &&
					strcmp(reports.v[0], "x/theirs/file: EACCES") == 0
				? 0
				: 1);
	}
	is_int(wait_child(pid), 0, "another's directory: what may not be removed is named");
	ok(tempdir_has("user/x/theirs/file"), "and stays");
	ok(!tempdir_has("user/x/empty") && !tempdir_has("user/x/mine"), "the rest is gone");
	if (fchmodat(tempdir.fd, "user/x/theirs", 0777, 0) != 0 ||
		fchownat(tempdir.fd, "user/x", 0, 0, 0) != 0)
		bail("chown: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		int r;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(100);
		r = remove_tree("user/x", NULL);
		_exit(r == -EACCES && reports.n == 1 &&
					strcmp(reports.v[0], "x/theirs: EACCES") == 0
				? 0
				: 1);
	}
	is_int(wait_child(pid), 0, "a directory that may not be removed, but emptied");
	ok(tempdir_has("user/x/theirs") && !tempdir_has("user/x/theirs/file"), "is emptied");
	(void)remove_tree("user", NULL);
}

static void test_flat(void)
{
	const char *const keep[] = {"logs", "lock", NULL};
	int fd;

	tempdir_mkdir("flat");
	tempdir_mkdir("flat/logs");
	tempdir_write("flat/logs/file", "stays");
	tempdir_write("flat/lock", "stays");
	tempdir_write("flat/file", "goes");
	tempdir_symlink("lock", "flat/link");
	for (int i = 0; i < 100; i++)
		tempdir_write(tempdir_path("flat/%d", i) + strlen(tempdir.path) + 1, "goes");
	fd = openat(tempdir.fd, "flat", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(rmtree_flat(fd, keep), "files and links go");
	is_int(count_entries(tempdir_path("flat")), 2, "and nothing else");
	ok(tempdir_has("flat/logs/file") && tempdir_has("flat/lock"), "what is kept stays");
	ok(rmtree_flat(fd, keep), "again: nothing to do");
	tempdir_mkdir("flat/dir");
	ok(!rmtree_flat(fd, keep), "a directory is for the walk");
	ok(tempdir_has("flat/dir"), "and stays");
	is_int(remove_tree("flat", keep), 0, "which removes it");
	ok(!tempdir_has("flat/dir"), "all of it");
	ok(!rmtree_flat(fd, NULL), "without a list nothing is kept");
	ok(tempdir_has("flat/logs/file"), "but directories are not entered");
	fd_close(fd);
	is_int(remove_tree("flat", NULL), 0, "the rest");
}

int main(void)
{
	struct rlimit limit;
	bool mounts = tempdir_private_mounts();

	tempdir_make();
	if (mounts)
		tempdir_use_memory();
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		bail("getrlimit: %s", strerror(errno));
	limit.rlim_cur = FILES_MAX;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		bail("setrlimit: %s", strerror(errno));
	test_small();
	test_names();
	test_wide();
	test_keep();
	test_flat();
	test_deep();
	test_races();
	test_user();
	if (mounts) {
		test_mounts("openat2");
		test_moved("openat2");
	} else {
		skip(1, "mounts need root");
	}
	if (openat2_take_away()) {
		test_small();
		test_names();
		(void)close(make_deep("x", "d", 300));
		is_int(remove_tree("x", NULL), 0, "without openat2: 300 levels");
		if (mounts) {
			test_mounts("without openat2");
			test_moved("without openat2");
		} else {
			skip(1, "mounts need root");
		}
	} else {
		skip(1, "no seccomp filter can be set");
	}
	strv_done(&reports);
	return done_testing();
}
