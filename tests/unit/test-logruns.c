#include "config.h"

#include "run/logruns.h"

#include "base/fd.h"
#include "run/logfile.h"
#include "run/logread.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/logdir.h"

#include <sys/mman.h>
#include <sys/wait.h>

static void put(int dirfd, const char *text, uint64_t max_size, unsigned max_files)
{
	struct th_err err = TH_ERR_INIT;
	struct logfile *f = NULL;

	if (logfile_open(dirfd, "stdout.log", max_size, max_files, &f, &err) < 0)
		bail("logfile_open: %s", err_text(&err));
	(void)logfile_write(f, text, strlen(text), true);
	logfile_close(f);
}

static void note(int dirfd, unsigned number)
{
	struct th_err err = TH_ERR_INIT;

	is_int(logruns_note(dirfd, number, 1795258685123000 + number * USEC_PER_SEC, &err), 0,
		"run %u is noted", number);
	err_clear(&err);
}

static char *read_back(struct logread *r, uint64_t from, uint64_t to)
{
	int fd = openat(tempdir.fd, "out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || logread_copy(r, from, to, fd, NULL) < 0)
		bail("logread_copy");
	(void)close(fd);
	return logdir_read_at(tempdir.fd, "out");
}

static void check_run(
	int dirfd, ssize_t index, bool complete, const char *expected, const char *what)
{
	_cleanup_logruns_ struct logruns runs = {0};
	_cleanup_logread_ struct logread *r = NULL;
	_cleanup_free_ char *got = NULL;
	uint64_t from, to;

	if (logruns_read(dirfd, &runs, NULL) < 0 || logread_open(dirfd, "stdout.log", &r, NULL) < 0)
		bail("read");
	is_int(logread_find_run(r, &runs, index, &from, &to), complete, "%s: its beginning is %s",
		what, complete ? "there" : "gone");
	got = read_back(r, from, to);
	is_str(got, expected, "%s", what);
}

static void test_runs(void)
{
	int dirfd = logdir_new();
	_cleanup_logruns_ struct logruns runs = {0};

	note(dirfd, 1);
	ok(logdir_size_at(dirfd, LOGRUNS_FILE) < 0, "the first run has nothing to be told from");
	put(dirfd, "one a\none b\n", 1000, 10);
	check_run(dirfd, -1, true, "one a\none b\n", "the only run");
	note(dirfd, 2);
	put(dirfd, "two a\ntwo b\n", 1000, 10);
	note(dirfd, 3);
	check_run(dirfd, -1, true, "one a\none b\n", "the first of three");
	check_run(dirfd, 0, true, "two a\ntwo b\n", "the second");
	check_run(dirfd, 1, true, "", "the third, which has said nothing yet");
	put(dirfd, "three\n", 1000, 10);
	check_run(dirfd, 1, true, "three\n", "the third, later");

	is_int(logruns_read(dirfd, &runs, NULL), 0, "the file is read");
	is_uint(runs.n, 2, "two lines");
	is_uint(runs.v[1].number, 3, "the number of a run");
	is_uint(runs.v[1].begin, 1795258688123000, "and when it began");
	ok(runs.v[1].place[1].none, "a stream that there was not");

	/* Each line goes to a file of its own; the runs stay what they are. */
	put(dirfd, "a\nb\n", 30, 10);
	note(dirfd, 4);
	put(dirfd, "four four four four\nfour four four\n", 20, 10);
	check_run(dirfd, 0, true, "two a\ntwo b\n", "the second, rotated");
	check_run(dirfd, 1, true, "three\na\nb\n", "the third, in two files");
	check_run(dirfd, 2, true, "four four four four\nfour four four\n", "the fourth");

	put(dirfd, "longer than the size of a file\n", 20, 3);
	check_run(dirfd, -1, true, "", "the first, rotated away");
	check_run(dirfd, 1, false, "", "the third, rotated away");
	check_run(dirfd, 2, false, "four four four\nlonger than the size of a file\n",
		"the fourth, whose beginning is gone");
	(void)close(dirfd);
}

static void test_damaged(void)
{
	int dirfd = logdir_new();
	_cleanup_logruns_ struct logruns runs = {0};
	struct th_err err = TH_ERR_INIT;
	static const char *const text = "2 2026-11-21T10:44:45.123Z stdout.log=1:2.000000003:4 "
					"later.log=what=ever stderr.log=-\n"
					"\n"
					"x 2026-11-21T10:44:45.123Z\n"
					"-1 2026-11-21T10:44:45.123Z\n"
					"99999999999999 2026-11-21T10:44:45.123Z\n"
					"3\n"
					"3 yesterday\n"
					"3 2026-11-21T10:44:45.123\n"
					"3 2026-11-21T10:44:45.123Z stdout.log\n"
					"3 2026-11-21T10:44:45.123Z stdout.log=1:2:3\n"
					"3 2026-11-21T10:44:45.123Z stdout.log=1:2.3:4x\n"
					"4 2026-11-21T10:44:46.000Z stdout.log=-";
	int fd = openat(dirfd, LOGRUNS_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd_write_all(fd, text, strlen(text)) < 0)
		bail("write: %s", strerror(errno));
	(void)close(fd);
	is_int(logruns_read(dirfd, &runs, NULL), 0, "a file with bad lines");
	is_uint(runs.n, 2, "gives the good ones");
	is_uint(runs.v[0].place[0].inode, 1, "inode");
	is_int(runs.v[0].place[0].birth_sec, 2, "birth");
	is_uint(runs.v[0].place[0].birth_nsec, 3, "and its nanoseconds");
	is_uint(runs.v[0].place[0].offset, 4, "offset");
	is_uint(runs.v[0].begin, 1795257885123000, "time");
	is_uint(runs.v[1].number, 4, "the last");

	(void)unlinkat(dirfd, LOGRUNS_FILE, 0);
	if (symlinkat("target", dirfd, LOGRUNS_FILE) != 0)
		bail("symlink: %s", strerror(errno));
	is_int(logruns_note(dirfd, 2, 0, &err), -ELOOP, "a planted link is not written through");
	is_int(err.status, EXIT_CANTCREAT, "exit status");
	contains(err_text(&err), "run 2", "the message names the run");
	err_clear(&err);
	ok(logdir_size_at(dirfd, "target") < 0, "nor made");
	is_int(logruns_read(dirfd, &runs, &err), -ELOOP, "nor read through");
	err_clear(&err);
	(void)close(dirfd);
}

static void test_many(void)
{
	int dirfd = logdir_new();
	_cleanup_logruns_ struct logruns runs = {0};
	off_t largest = 0;

	put(dirfd, "x\n", 1000, 10);
	for (unsigned i = 1; i <= 1000; i++) {
		if (logruns_note(dirfd, i, 1795258685123000 + i, NULL) < 0)
			bail("logruns_note");
		largest = MAX(largest, logdir_size_at(dirfd, LOGRUNS_FILE));
	}
	is_int(logruns_read(dirfd, &runs, NULL), 0, "after a thousand runs");
	ok(runs.n >= LOGRUNS_KEEP && runs.n <= 2 * LOGRUNS_KEEP + 2, "the newest are kept");
	is_uint(runs.v[runs.n - 1].number, 1000, "up to the last");
	ok(largest < 64 * 1024, "in a small file");
	(void)close(dirfd);
}

static void check_tail(struct logread *r, uint64_t from, uint64_t to, uint64_t lines,
	const char *expected, const char *what)
{
	_cleanup_free_ char *got = read_back(r, logread_tail(r, from, to, lines), to);

	is_str(got, expected, "%s", what);
}

static void test_read(void)
{
	int dirfd = logdir_new();
	struct logread *r = NULL;
	_cleanup_free_ char *blocks = xmalloc(300001);
	struct th_err err = TH_ERR_INIT;

	is_int(logread_open(dirfd, "stdout.log", &r, &err), 0, "no files");
	is_uint(logread_size(r), 0, "are an empty text");
	check_tail(r, 0, 0, 5, "", "without lines");
	r = logread_free(r);

	put(dirfd, "1\n22\n333\n4444\n55555\n", 8, 10);
	if (symlinkat("/etc/passwd", dirfd, "stdout.log.9") != 0 ||
		mkfifoat(dirfd, "stdout.log.8", 0600) != 0 ||
		mkdirat(dirfd, "stdout.log.7", 0700) != 0)
		bail("plant: %s", strerror(errno));
	is_int(logread_open(dirfd, "stdout.log", &r, &err), 0,
		"three files, a link, a FIFO, a directory");
	check_tail(r, 0, logread_size(r), UINT64_MAX, "1\n22\n333\n4444\n55555\n", "all");
	check_tail(r, 0, logread_size(r), 2, "4444\n55555\n", "the last lines, of two files");
	check_tail(r, 0, logread_size(r), 1, "55555\n", "the last line");
	check_tail(r, 0, logread_size(r), 0, "", "no line");
	check_tail(r, 2, 9, 9, "22\n333\n", "within a part");
	check_tail(r, 2, 8, 1, "333", "an unfinished line counts");
	check_tail(r, 3, 9, 2, "2\n333\n", "a line cut by the part's beginning too");

	/* What happens afterwards is not seen, and what goes away is. */
	put(dirfd, "666666\n7777777\n", 8, 2);
	check_tail(
		r, 0, logread_size(r), UINT64_MAX, "1\n22\n333\n4444\n55555\n", "all, after more");
	r = logread_free(r);
	is_int(logread_open(dirfd, "stdout.log", &r, &err), 0, "opened again");
	check_tail(
		r, 0, logread_size(r), UINT64_MAX, "666666\n7777777\n", "shows what is there now");
	r = logread_free(r);

	memset(blocks, 'x', 300000);
	blocks[300000] = '\0';
	blocks[99999] = blocks[299999] = '\n';
	put(dirfd, blocks, 1 << 20, 10);
	is_int(logread_open(dirfd, "stdout.log", &r, &err), 0, "long lines");
	check_tail(r, 0, logread_size(r), 1, blocks + 100000, "longer than a block");
	/* Emptied by hand. */
	if (truncate(tempdir_path("logs3/stdout.log"), 0) != 0)
		bail("truncate: %s", strerror(errno));
	check_tail(
		r, 0, logread_size(r), UINT64_MAX, "666666\n", "a file that was emptied meanwhile");
	r = logread_free(r);
	is_int((intptr_t)logread_free(NULL), 0, "freeing nothing");
	(void)close(dirfd);
}

#define ROTATIONS 100

/* Writes that many files of ten bytes, and counts them. */
static int write_files(int dirfd, _Atomic unsigned *written)
{
	struct th_err err = TH_ERR_INIT;
	struct logfile *f = NULL;

	if (logfile_open(dirfd, "stdout.log", 10, 2 * ROTATIONS, &f, &err) < 0)
		return 1;
	while (*written < ROTATIONS) {
		if (logfile_write(f, "123456789\n", 10, true) != 10)
			return 1;
		++*written;
	}
	logfile_close(f);
	return 0;
}

static void test_rotating(void)
{
	int dirfd = logdir_new(), status = -1;
	_Atomic unsigned *written = mmap(
		NULL, sizeof(*written), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool all = true;
	pid_t pid;

	if (written == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		bail("fork: %s", strerror(errno));
	if (pid == 0)
		_exit(write_files(dirfd, written));
	while (all && waitpid(pid, &status, WNOHANG) == 0) {
		struct th_err err = TH_ERR_INIT;
		struct logread *r = NULL;
		unsigned before = *written;

		if (before == 0)
			continue;
		if (logread_open(dirfd, "stdout.log", &r, &err) < 0)
			bail("logread_open: %s", err_text(&err));
		all = logread_size(r) >= before * UINT64_C(10);
		if (!all)
			diag("%u files were written, and %ju bytes of them found", before,
				(uintmax_t)logread_size(r));
		r = logread_free(r);
	}
	if (status == -1)
		(void)waitpid(pid, &status, 0);
	is_int(status, 0, "all are written");
	ok(all, "and found while they rotate");
	(void)munmap(written, sizeof(*written));
	(void)close(dirfd);
}

int main(void)
{
	tempdir_make();
	logdir_catch_messages();
	test_runs();
	test_damaged();
	test_many();
	test_read();
	test_rotating();
	strv_done(&logdir_messages);
	return done_testing();
}
