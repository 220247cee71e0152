#include "config.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/str.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int try_read(const char *name, unsigned flags, size_t max, char **ret, size_t *ret_len)
{
	free(*ret);
	*ret = NULL;
	return file_read_at(tempdir.fd, name, flags, max, ret, ret_len);
}

static void test_read(void)
{
	_cleanup_free_ char *s = NULL;
	_cleanup_free_ char *big = xmalloc(300001);
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t n = 0;
	int fd;

	tempdir_write("ten", "0123456789");
	is_int(try_read("ten", FILEIO_REGULAR | FILEIO_NOFOLLOW, 10, &s, &n), 0,
		"a file as large as the limit");
	is_uint(n, 10, "its length");
	is_str(s, "0123456789", "its bytes and a NUL");
	n = 77;
	is_int(try_read("ten", 0, 9, &s, &n), -EFBIG, "one byte above the limit");
	ok(!s && n == 77, "and nothing is returned");
	is_int(try_read("ten", 0, 0, &s, &n), -EFBIG, "a limit of nothing");
	is_int(try_read("ten", 0, SIZE_MAX, &s, NULL), 0, "no limit, and no wish for the length");
	tempdir_write("empty", "");
	is_int(try_read("empty", FILEIO_REGULAR, 0, &s, &n), 0, "an empty file");
	ok(s && !*s && n == 0, "is an empty string");

	memset(big, 'x', 300000);
	big[300000] = '\0';
	tempdir_write("big", big);
	is_int(try_read("big", 0, 300000, &s, &n), 0, "a file of 300,000 bytes");
	ok(n == 300000 && strcmp(s, big) == 0, "arrives whole");
	is_int(try_read("big", 0, 299999, &s, &n), -EFBIG, "or is too big");

	/* Files whose size says nothing. */
	is_int(file_read_at(AT_FDCWD, "/proc/self/status", FILEIO_REGULAR, 1 << 20, &s, &n), 0,
		"a file of procfs, which says size 0");
	ok(n > 100 && s && strlen(s) == n, "is read whole");
	is_int(try_read("none", 0, 10, &s, &n), -ENOENT, "no such file");

	tempdir_symlink("ten", "link");
	is_int(try_read("link", 0, 10, &s, &n), 0, "a link is followed");
	is_int(try_read("link", FILEIO_NOFOLLOW, 10, &s, &n), -ELOOP, "or refused");

	/* With a writer that writes nothing this would wait for ever. */
	if (mkfifoat(tempdir.fd, "fifo", 0600) != 0)
		bail("mkfifo: %s", strerror(errno));
	is_int(try_read("fifo", FILEIO_REGULAR, 10, &s, &n), -EMEDIUMTYPE, "a FIFO is no file");
	is_int(try_read("fifo", 0, 10, &s, &n), 0, "a FIFO without a writer is empty");
	fd = openat(tempdir.fd, "fifo", O_RDWR | O_CLOEXEC);
	is_int(try_read("fifo", 0, 10, &s, &n), -EAGAIN, "a FIFO with one is not waited for");
	(void)close(fd);
	is_int(try_read(".", FILEIO_REGULAR, 10, &s, &n), -EMEDIUMTYPE, "a directory is no file");
	is_int(try_read(".", 0, 10, &s, &n), -EISDIR, "nor can it be read");
	is_int(file_read_at(AT_FDCWD, "/dev/null", FILEIO_REGULAR, 10, &s, &n), -EMEDIUMTYPE,
		"a device is no file");

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/socket", tempdir.fd);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		is_int(try_read("socket", FILEIO_REGULAR, 10, &s, &n), -EMEDIUMTYPE,
			"a socket is no file");
	else
		skip(1, "TMPDIR is too long for a socket");
	(void)close(fd);
}

/* How many names there are that begin with ".state." */
static int count_temporaries(void)
{
	_cleanup_free_ char *here = xstrdup(tempdir_path("replace"));
	DIR *dir = opendir(here);
	int n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));)
		n += str_starts_with(e->d_name, ".state.");
	if (dir)
		(void)closedir(dir);
	return n;
}

static bool holds(const char *name, const char *text)
{
	_cleanup_free_ char *s = NULL;

	return file_read_at(tempdir.fd, name, FILEIO_REGULAR | FILEIO_NOFOLLOW, 1 << 20, &s,
		       NULL) == 0 &&
	       strcmp(s, text) == 0;
}

static void test_replace(void)
{
	_cleanup_free_ char *longest = xmalloc(256);
	mode_t saved = umask(0077);
	struct stat before, after;

	tempdir_mkdir("replace");
	tempdir_mkdir("replace/dir");
	is_int(file_replace_at(tempdir.fd, "replace/state", 0644, "one", 3), 0, "makes a file");
	ok(holds("replace/state", "one"), "with its bytes");
	is_uint(tempdir_mode("replace/state"), 0644, "and its mode, whatever the umask");
	(void)fstatat(tempdir.fd, "replace/state", &before, 0);
	is_int(file_replace_at(tempdir.fd, "replace/state", 0600, "two!", 4), 0, "replaces it");
	(void)fstatat(tempdir.fd, "replace/state", &after, 0);
	ok(holds("replace/state", "two!"), "with new bytes");
	is_uint(tempdir_mode("replace/state"), 0600, "and a new mode");
	ok(before.st_ino != after.st_ino, "by another file");
	is_int(file_replace_at(tempdir.fd, "replace/state", 0600, NULL, 0), 0,
		"by an empty one too");
	is_int(count_temporaries(), 0, "no temporary is left");
	umask(saved);

	tempdir_write("outside", "outside");
	tempdir_symlink("../outside", "replace/state2");
	is_int(file_replace_at(tempdir.fd, "replace/state2", 0600, "x", 1), 0, "replaces a link");
	ok(holds("replace/state2", "x") && holds("outside", "outside"), "and not what it leads to");

	is_int(file_replace_at(tempdir.fd, "replace/dir", 0600, "x", 1), -EISDIR,
		"not a directory");
	is_int(file_replace_at(tempdir.fd, "none/state", 0600, "x", 1), -ENOENT,
		"not where there is no directory");
	is_int(count_temporaries() + count_entries(tempdir_path("replace/dir")), 0,
		"no temporary is left");

	memset(longest, 'n', 255);
	longest[255] = '\0';
	is_int(file_replace_at(tempdir.fd, longest, 0600, "x", 1), 0, "the longest name");
	ok(holds(longest, "x"), "and it holds what it should");
}

/* What a killed process left under our pid is passed over. */
static void test_replace_leftovers(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		char name[64];

		/* Whatever the counter stands at, the next of its numbers are taken. */
		for (int i = 0; i < 50; i++) {
			(void)snprintf(name, sizeof(name), "replace/.left.%d.%d", (int)getpid(), i);
			if (symlinkat("../outside", tempdir.fd, name) != 0)
				_exit(2);
		}
		_exit(file_replace_at(tempdir.fd, "replace/left", 0600, "new", 3) == 0 ? 0 : 1);
	}
	is_int(wait_child(pid), 0, "names of a former process are passed over");
	ok(holds("replace/left", "new") && holds("outside", "outside"),
		"and never written through");
}

/* A disk that takes no more, by a limit on the size of files. */
static void test_replace_fails_in_write(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10};

		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(2);
		_exit(file_replace_at(tempdir.fd, "replace/state", 0600, "0123456789abc", 13) ==
					-EFBIG
				? 0
				: 1);
	}
	tempdir_write("replace/state", "old");
	is_int(wait_child(pid), 0, "a write that fails is reported");
	ok(holds("replace/state", "old"), "what was there stays");
	is_int(count_temporaries(), 0, "no temporary is left");
}

/* Readers see one or the other, whole, while two processes replace it. */
static void test_replace_is_whole(void)
{
	_cleanup_free_ char *a = xmalloc(5001), *b = xmalloc(9001);
	pid_t pids[2];
	int odd = 0, seen_a = 0, seen_b = 0, status[2];

	memset(a, 'a', 5000);
	memset(b, 'b', 9000);
	a[5000] = b[9000] = '\0';
	tempdir_write("replace/state", a);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			for (int j = 0; j < 2000; j++)
				if (file_replace_at(tempdir.fd, "replace/state", 0600,
					    (i + j) % 2 ? a : b, (i + j) % 2 ? 5000 : 9000) != 0)
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < (tap_is_slow() ? 200 : 2000); i++) {
		if (holds("replace/state", a))
			seen_a++;
		else if (holds("replace/state", b))
			seen_b++;
		else {
			/* It may have changed between the two looks; what it is now must be one. */
			_cleanup_free_ char *s = NULL;

			if (file_read_at(tempdir.fd, "replace/state", 0, 1 << 20, &s, NULL) != 0 ||
				(strcmp(s, a) != 0 && strcmp(s, b) != 0))
				odd++;
		}
	}
	for (int i = 0; i < 2; i++)
		status[i] = wait_child(pids[i]);
	is_int(status[0] + status[1], 0, "two processes replace one file");
	is_int(odd, 0, "and readers always find it whole");
	diag("seen %d times the one, %d times the other", seen_a, seen_b);
	is_int(count_temporaries(), 0, "no temporary is left");
}

static void test_alternate(void)
{
	_cleanup_free_ char *s = NULL;
	struct stat first, st;

	is_int(file_alternate_at(tempdir.fd, "alt", ".alt", 0640, "one", 3), 0, "makes a file");
	ok(holds("alt", "one"), "with this in it");
	ok(!tempdir_has(".alt"), "and nothing before it");
	is_int(fstatat(tempdir.fd, "alt", &first, 0), 0, "it is there");
	is_uint(first.st_mode & 07777, 0640, "with its mode");
	is_int(file_alternate_at(tempdir.fd, "alt", ".alt", 0600, "second", 6), 0, "again");
	ok(holds("alt", "second") && holds(".alt", "one"), "what was before is kept");
	is_int(file_alternate_at(tempdir.fd, "alt", ".alt", 0600, "3", 1), 0, "and again");
	ok(holds("alt", "3") && holds(".alt", "second"), "the last two, none longer than it is");
	is_int(fstatat(tempdir.fd, "alt", &st, 0), 0, "it is there");
	is_uint(st.st_ino, first.st_ino, "in the space of the first");

	tempdir_write("other", "not ours");
	is_int(unlinkat(tempdir.fd, ".alt", 0), 0, "what was before is");
	is_int(linkat(tempdir.fd, "other", tempdir.fd, ".alt", 0), 0, "another's file by a link");
	is_int(file_alternate_at(tempdir.fd, "alt", ".alt", 0600, "4", 1), 0, "is not written to");
	ok(holds("other", "not ours") && holds("alt", "4"), "indeed");
	is_int(unlinkat(tempdir.fd, ".alt", 0), 0, "a symbolic link");
	is_int(symlinkat("other", tempdir.fd, ".alt"), 0, "there");
	is_int(file_alternate_at(tempdir.fd, "alt", ".alt", 0600, "5", 1), 0, "is not followed");
	ok(holds("other", "not ours") && holds("alt", "5"), "indeed");
	is_int(file_read_at(tempdir.fd, "alt", FILEIO_ALTERNATED, 10, &s, NULL), 0, "is read");
	is_str(s, "5", "as it is");
}

/* One writer, readers without a lock. */
static void test_alternate_is_whole(void)
{
	_cleanup_free_ char *a = xmalloc(50000), *b = xmalloc(90000);
	int odd = 0, given_up = 0;
	pid_t pid;

	memset(a, 'a', 50000);
	memset(b, 'b', 90000);
	is_int(file_alternate_at(tempdir.fd, "w", ".w", 0600, a, 50000), 0, "a file");
	pid = fork();
	if (pid == 0) {
		for (int j = 0; j < 3000; j++)
			if (file_alternate_at(tempdir.fd, "w", ".w", 0600, j % 3 ? a : b,
				    j % 3 ? 50000 : 90000) != 0)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < (tap_is_slow() ? 100 : 1000); i++) {
		_cleanup_free_ char *s = NULL;
		size_t n;
		int r = file_read_at(tempdir.fd, "w", FILEIO_ALTERNATED, 1 << 20, &s, &n);

		if (r == -EAGAIN)
			given_up++;
		else if (r != 0 || !((n == 50000 && memcmp(s, a, n) == 0) ||
					   (n == 90000 && memcmp(s, b, n) == 0)))
			odd++;
	}
	is_int(wait_child(pid), 0, "it is written over and over");
	is_int(odd, 0, "and readers find it whole");
	diag("%d readings gave up", given_up);
}

static int replace_owned(const char *text, int *fd)
{
	return file_replace_owned_at(tempdir.fd, "own/ed", 0644, text, strlen(text), fd);
}

static void test_own(void)
{
	_cleanup_free_ char *s = NULL;
	int fd = -1, other = -1;

	tempdir_mkdir("own");
	is_int(file_own_at(tempdir.fd, "own/ed"), -ENOENT, "nothing there to own");
	is_int(replace_owned("one", &fd), 0, "made");
	ok(fd >= 0, "and owned");
	is_uint(tempdir_mode("own/ed"), 0644, "with the mode that was asked for");
	is_int(file_own_at(tempdir.fd, "own/ed"), -EAGAIN, "nobody else gets it");
	is_int(replace_owned("other", &other), -EAGAIN, "nor writes it");
	is_int(other, -1, "the other's is as it was");
	is_int(try_read("own/ed", 0, 10, &s, NULL), 0, "anybody reads it");
	is_str(s, "one", "what its owner wrote");
	is_int(replace_owned("two", &fd), 0, "replaced");
	is_int(file_own_at(tempdir.fd, "own/ed"), -EAGAIN, "it is owned all the same");

	if (unlinkat(tempdir.fd, "own/ed", 0) != 0)
		bail("unlink: %s", strerror(errno));
	is_int(replace_owned("three", &fd), 0, "made again, where somebody removed it");
	is_int(file_own_at(tempdir.fd, "own/ed"), -EAGAIN, "and owned");
	tempdir_write("mine", "x");
	if (renameat(tempdir.fd, "mine", tempdir.fd, "own/ed") != 0)
		bail("rename: %s", strerror(errno));
	is_int(replace_owned("four", &fd), 0, "what somebody put there is replaced");
	(void)unlinkat(tempdir.fd, "own/ed", 0);
	is_int(replace_owned("other", &other), 0, "another makes it, after it was removed");
	is_int(replace_owned("five", &fd), -EAGAIN, "that one is the other's now");
	is_int(try_read("own/ed", 0, 10, &s, NULL), 0, "and");
	is_str(s, "other", "stays as it is");
	(void)close(other);
	is_int(replace_owned("six", &fd), 0, "until the other is gone");
	(void)close(fd);
	fd = file_own_at(tempdir.fd, "own/ed");
	ok(fd >= 0, "free again");
	(void)close(fd);

	is_int(file_own_at(tempdir.fd, "."), -EMEDIUMTYPE, "a directory");
	tempdir_symlink("own/ed", "own-link");
	is_int(file_own_at(tempdir.fd, "own-link"), -ELOOP, "a link");
}

/* What one of several that begin at once gets: 0, it has the file and replaced it twice. */
static int own_at_once(int gate)
{
	int fd = -1, r;
	char c;

	(void)!read(gate, &c, 1);
	r = replace_owned("text", &fd);
	return r < 0 ? -r : -replace_owned("more", &fd);
}

static void test_own_at_once(void)
{
	int odd = 0;

	for (int round = 0; round < 20; round++) {
		int gate[2], end[2], told[2], n_owners = 0, n_others = 0;
		pid_t pids[8];
		char c;

		(void)unlinkat(tempdir.fd, "own/ed", 0);
		if (round % 2)
			tempdir_write("own/ed", "x");
		if (pipe2(gate, O_CLOEXEC) || pipe2(end, O_CLOEXEC) || pipe2(told, O_CLOEXEC))
			bail("pipe2: %s", strerror(errno));
		for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
			pids[i] = fork();
			if (pids[i] != 0)
				continue;
			(void)close(gate[1]);
			(void)close(end[1]);
			c = (char)own_at_once(gate[0]);
			(void)!write(told[1], &c, 1);
			/* what it has it keeps until all have tried */
			(void)!read(end[0], &c, 1);
			_exit(0);
		}
		(void)close(gate[1]);
		for (size_t i = 0; i < ARRAY_SIZE(pids) && read(told[0], &c, 1) == 1; i++) {
			n_owners += c == 0;
			n_others += c == EAGAIN;
		}
		(void)close(end[1]);
		for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
			(void)wait_child(pids[i]);
		odd += n_owners != 1 || n_others != 7;
		(void)close(gate[0]);
		(void)close(end[0]);
		(void)close(told[0]);
		(void)close(told[1]);
	}
	is_int(odd, 0, "of eight at once one has it, twenty times");
	is_int(count_entries(tempdir_path("own")), 1, "and no temporary file is left");
}

static void test_write(void)
{
	pid_t pid;

	tempdir_write("value", "0000");
	is_int(file_write_at(tempdir.fd, "value", "12"), 0, "writes to a file that is there");
	ok(holds("value", "1200"), "and does not cut it, as kernel files want it");
	is_int(file_write_at(tempdir.fd, "none", "1"), -ENOENT, "makes none");
	ok(!tempdir_has("none"), "indeed");
	is_int(file_write_at(tempdir.fd, ".", "1"), -EISDIR, "a directory");

	pid = fork();
	if (pid == 0) {
		struct rlimit limit = {.rlim_cur = 3, .rlim_max = 3};

		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(2);
		_exit(file_write_at(tempdir.fd, "value", "12345") == -EIO ? 0 : 1);
	}
	is_int(wait_child(pid), 0, "a value taken in part is an error");
}

static void test_stale_temps(void)
{
	static const char *const names[] = {".value.4194304.0", ".a.b.4194304.17",
		"value.4194304.0", ".4194304.0", ".value.4194304.", ".value.x.1", ".value.0.1",
		".value.99999999999.1"};
	_cleanup_free_ char *own = xasprintf(".value.%d.0", (int)getpid());

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		tempdir_write(names[i], "");
	tempdir_write(own, "");
	is_uint(file_remove_stale_temps(tempdir.fd, USEC_PER_MIN), 0, "what is young stays");
	is_uint(file_remove_stale_temps(tempdir.fd, 0), 2, "what a process left that is gone goes");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		is_int(tempdir_has(names[i]), i >= 2, "'%s' %s", names[i],
			i >= 2 ? "is not one" : "was one");
	ok(tempdir_has(own), "nor is that of a process that lives");
	is_uint(file_remove_stale_temps(-1, 0), 0, "nothing of no directory");
}

int main(void)
{
	tempdir_make();
	test_read();
	test_replace();
	test_replace_leftovers();
	test_replace_fails_in_write();
	test_replace_is_whole();
	test_alternate();
	test_alternate_is_whole();
	test_own();
	test_own_at_once();
	test_write();
	test_stale_temps();
	return done_testing();
}
