#include "config.h"

#include "run/logfile.h"

#include "model/rotate.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/logdir.h"

#include <sys/socket.h>
#include <sys/un.h>

/* A directory for each check, so that they do not see each other's files. */
static struct logfile *must_open(int dirfd, uint64_t max_size, unsigned max_files)
{
	struct th_err err = TH_ERR_INIT;
	struct logfile *f = NULL;

	if (logfile_open(dirfd, "out.log", max_size, max_files, &f, &err) < 0)
		bail("logfile_open: %s", err_text(&err));
	return f;
}

static size_t put(struct logfile *f, const char *text)
{
	return logfile_write(f, text, strlen(text), true);
}

static void write_file(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		bail("write %s: %s", name, strerror(errno));
	(void)close(fd);
}

static void test_open(void)
{
	int dirfd = logdir_new();
	struct logfile *f;
	struct stat st;
	mode_t umask_before = umask(077);

	f = must_open(dirfd, 100, 3);
	(void)umask(umask_before);
	is_int(fstatat(dirfd, "out.log", &st, 0), 0, "the file is made");
	is_uint(st.st_mode & 07777, 0640, "with its mode, whatever the umask");
	is_uint(put(f, "one\n"), 4, "a line is taken");
	logdir_check_at(dirfd, "out.log", "one\n", "a line is written");
	logfile_close(f);

	if (fchmodat(dirfd, "out.log", 0600, 0) != 0)
		bail("chmod: %s", strerror(errno));
	f = must_open(dirfd, 10, 3);
	(void)put(f, "two\n");
	logdir_check_at(dirfd, "out.log", "one\ntwo\n", "a second open appends");
	is_int(fstatat(dirfd, "out.log", &st, 0), 0, "stat");
	is_uint(st.st_mode & 07777, 0600, "a mode that somebody set stays");
	(void)put(f, "six\n");
	logdir_check_at(dirfd, "out.log", "six\n", "what was there counts in the size");
	logdir_check_at(dirfd, "out.log.1", "one\ntwo\n", "and is rotated");
	logfile_close(f);

	write_file(dirfd, "out.log", "unfinish");
	f = must_open(dirfd, 10, 3);
	is_uint(logfile_write(f, "ed", 2, false), 2,
		"the rest of a line that stood there is not held back");
	logfile_close(f);
	logdir_check_at(dirfd, "out.log", "unfinished", "it goes on where it is");

	write_file(dirfd, "out.log", "longer than the size\n");
	f = must_open(dirfd, 10, 3);
	(void)put(f, "new\n");
	logfile_close(f);
	logdir_check_at(dirfd, "out.log", "new\n", "a file that is too large already is rotated");
	logdir_check_at(dirfd, "out.log.1", "longer than the size\n", "as it is");
	is_int((intptr_t)logfile_close(NULL), 0, "closing nothing");
	(void)close(dirfd);
}

static void refused(int dirfd, int errnum, const char *word, const char *what)
{
	struct th_err err = TH_ERR_INIT;
	struct logfile *f = NULL;

	is_int(logfile_open(dirfd, "out.log", 100, 3, &f, &err), -errnum, "%s is refused", what);
	is_int(err.status, EXIT_CANTCREAT, "%s: exit status", what);
	contains(err_text(&err), word, "%s: the reason", what);
	contains(err_text(&err), "'out.log'", "%s: the name", what);
	ok(f == NULL, "%s: nothing is returned", what);
	err_clear(&err);
	(void)unlinkat(dirfd, "out.log", 0);
	(void)unlinkat(dirfd, "out.log", AT_REMOVEDIR);
}

static void test_planted(void)
{
	int dirfd = logdir_new(), sock;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_free_ char *here = NULL;

	write_file(dirfd, "target", "precious\n");
	if (symlinkat("target", dirfd, "out.log") != 0)
		bail("symlink: %s", strerror(errno));
	refused(dirfd, ELOOP, "symbolic link", "a link");
	logdir_check_at(dirfd, "target", "precious\n", "the target is untouched");
	if (symlinkat("nowhere", dirfd, "out.log") != 0)
		bail("symlink: %s", strerror(errno));
	refused(dirfd, ELOOP, "symbolic link", "a dangling link");
	ok(logdir_size_at(dirfd, "nowhere") < 0, "its target is not made");
	if (mkfifoat(dirfd, "out.log", 0600) != 0)
		bail("mkfifo: %s", strerror(errno));
	refused(dirfd, EMEDIUMTYPE, "not a regular file", "a FIFO");
	if (mkdirat(dirfd, "out.log", 0700) != 0)
		bail("mkdir: %s", strerror(errno));
	refused(dirfd, EISDIR, "not a regular file", "a directory");
	here = xasprintf("/proc/self/fd/%d/out.log", dirfd);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", here);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(sock, (const struct sockaddr *)&address, sizeof(address)) != 0)
		bail("bind: %s", strerror(errno));
	refused(dirfd, ENXIO, "not a regular file", "a socket");
	(void)close(sock);
	(void)close(dirfd);
}

static void test_rotation(void)
{
	int dirfd = logdir_new();
	struct logfile *f = must_open(dirfd, 10, 3);
	struct stat st;

	(void)put(f, "aaaa\nbbbb\ncccc\ndddd\neeee\nffff\ngggg\n");
	logdir_check_at(dirfd, "out.log", "gggg\n", "three files");
	logdir_check_at(dirfd, "out.log.1", "eeee\nffff\n", "three files");
	logdir_check_at(dirfd, "out.log.2", "cccc\ndddd\n", "three files");
	logdir_check_at(dirfd, "out.log.3", "(none)", "three files");
	is_int(fstatat(dirfd, "out.log", &st, 0), 0, "stat");
	is_uint(st.st_mode & 07777, 0640, "a later file's mode");
	logfile_close(f);

	write_file(dirfd, "out.log.7", "old\n");
	write_file(dirfd, "out.log.07", "not ours\n");
	write_file(dirfd, "out.log.gz", "not ours\n");
	f = must_open(dirfd, 10, 2);
	(void)put(f, "hhhh\niiii\n");
	logfile_close(f);
	logdir_check_at(dirfd, "out.log", "iiii\n", "fewer files");
	logdir_check_at(dirfd, "out.log.1", "gggg\nhhhh\n", "fewer files");
	logdir_check_at(dirfd, "out.log.2", "(none)", "fewer files");
	logdir_check_at(dirfd, "out.log.7", "(none)", "fewer files");
	logdir_check_at(dirfd, "out.log.07", "not ours\n", "other names stay");
	logdir_check_at(dirfd, "out.log.gz", "not ours\n", "other names stay");

	f = must_open(dirfd, 10, 1);
	(void)put(f, "jjjj\nkkkk\n");
	logfile_close(f);
	logdir_check_at(dirfd, "out.log", "kkkk\n", "one file");
	logdir_check_at(dirfd, "out.log.1", "(none)", "one file");

	f = must_open(dirfd, 10, 4);
	(void)put(f, "a\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
	logfile_close(f);
	logdir_check_at(dirfd, "out.log", "\n", "a line longer than a file");
	logdir_check_at(dirfd, "out.log.1", "xxxxxxxxxx", "a line longer than a file");
	logdir_check_at(dirfd, "out.log.3", "xxxxxxxxxx", "a line longer than a file");
	(void)close(dirfd);
}

static void test_hold(void)
{
	int dirfd = logdir_new();
	struct logfile *f = must_open(dirfd, 10, 3);

	(void)put(f, "aaaa\n");
	is_uint(logfile_write(f, "bb", 2, false), 0,
		"an unfinished line near the end is the caller's to keep");
	logdir_check_at(dirfd, "out.log", "aaaa\n", "held");
	is_uint(logfile_write(f, "bb\ncc", 5, false), 3, "with its end it is taken");
	logdir_check_at(dirfd, "out.log", "aaaa\nbb\n", "up to there");
	is_uint(logfile_write(f, "cccc", 4, false), 4, "what no longer fits begins the next file");
	logdir_check_at(dirfd, "out.log", "cccc", "the next");
	logfile_close(f);
	(void)close(dirfd);
}

static void test_slots_taken(void)
{
	int dirfd = logdir_new();
	struct logfile *f = must_open(dirfd, 5, 4);

	strv_clear(&logdir_messages);
	if (mkdirat(dirfd, "out.log.2", 0700) != 0)
		bail("mkdir: %s", strerror(errno));
	(void)put(f, "aaaa\nbbbb\ncccc\ndddd\neeee\n");
	logdir_check_at(dirfd, "out.log", "eeee\n", "beside a directory");
	logdir_check_at(dirfd, "out.log.1", "dddd\n", "beside a directory");
	logdir_check_at(dirfd, "out.log.3", "cccc\n", "beside a directory");
	is_uint(logdir_messages.n, 1, "it is said once");
	contains(logdir_messages.v[0], "'out.log.2' is a directory", "which is in the way");
	is_uint(logfile_dropped(f), 0, "nothing is dropped");
	logfile_close(f);

	f = must_open(dirfd, 5, 3);
	(void)unlinkat(dirfd, "out.log.1", 0);
	if (mkdirat(dirfd, "out.log.1", 0700) != 0)
		bail("mkdir: %s", strerror(errno));
	(void)put(f, "ffff\ngggg\n");
	logdir_check_at(dirfd, "out.log", "gggg\n", "nothing but directories behind: begun anew");
	is_uint(logfile_dropped(f), 0, "as with one file");
	logfile_close(f);
	(void)unlinkat(dirfd, "out.log.1", AT_REMOVEDIR);
	(void)unlinkat(dirfd, "out.log.2", AT_REMOVEDIR);

	write_file(dirfd, "target", "precious\n");
	if (symlinkat("target", dirfd, "out.log.1") != 0)
		bail("symlink: %s", strerror(errno));
	f = must_open(dirfd, 5, 3);
	(void)put(f, "hhhh\niiii\njjjj\n");
	logdir_check_at(dirfd, "out.log.1", "iiii\n", "a planted link is moved on");
	logdir_check_at(dirfd, "out.log.2", "hhhh\n", "and out");
	logdir_check_at(dirfd, "target", "precious\n", "its target is untouched");

	(void)unlinkat(dirfd, "out.log", 0);
	(void)put(f, "kkkk\n");
	logdir_check_at(dirfd, "out.log", "kkkk\n", "a file that was removed under it comes back");
	logdir_check_at(dirfd, "out.log.1", "iiii\n", "and the older ones stay");
	logfile_close(f);
	(void)close(dirfd);
}

/* A rotation that fails for root too: a directory where the next file is due. */
static void test_rotation_fails(void)
{
	int dirfd = logdir_new();
	struct logfile *f = must_open(dirfd, 64, 3);
	_cleanup_free_ char *expected = NULL;
	_cleanup_free_ char *full = xcalloc(1, 65);

	memset(full, 'a', 63);
	full[63] = '\n';
	(void)put(f, full);
	if (renameat(dirfd, "out.log", dirfd, "elsewhere") != 0 ||
		mkdirat(dirfd, "out.log", 0700) != 0)
		bail("rename: %s", strerror(errno));
	is_uint(put(f, "bbbb\n"), 5, "what comes is taken");
	is_uint(put(f, "ccc\n"), 4, "and taken");
	is_uint(logfile_dropped(f), 9, "but dropped and counted");
	is_int(logfile_dropped_errno(f), EISDIR, "for that reason");
	(void)unlinkat(dirfd, "out.log", AT_REMOVEDIR);
	(void)put(f, "dddd\n");
	logdir_check_at(dirfd, "elsewhere", full, "the full file has not grown");
	expected = xasprintf("taskhook: 9 bytes were dropped here: %s\ndddd\n", strerror(EISDIR));
	logdir_check_at(dirfd, "out.log", expected, "said once it can be, before what follows");
	is_uint(logfile_dropped(f), 9, "the count stays");
	logfile_close(f);
	(void)close(dirfd);
}

static void test_rotation_denied(void)
{
	int dirfd = logdir_new();
	struct logfile *f;

	if (geteuid() == 0) {
		skip(4, "root may write to any directory");
		(void)close(dirfd);
		return;
	}
	f = must_open(dirfd, 128, 2);
	for (int i = 0; i < 16; i++)
		(void)put(f, "1234567\n");
	(void)fchmod(dirfd, 0555);
	(void)put(f, "lost\n");
	is_uint(logfile_dropped(f), 5, "a directory that may not be written to");
	is_int(logfile_dropped_errno(f), EACCES, "is the reason");
	is_int(logdir_size_at(dirfd, "out.log"), 128, "the size is kept");
	(void)fchmod(dirfd, 0755);
	(void)put(f, "back\n");
	{
		_cleanup_free_ char *text = logdir_read_at(dirfd, "out.log");

		contains(text, "taskhook: 5 bytes were dropped here: Permission denied\nback\n",
			"and it goes on when it may");
	}
	logfile_close(f);
	(void)close(dirfd);
}

static void test_size_limit(void)
{
	int dirfd = logdir_new();
	struct logfile *f = must_open(dirfd, 10000, 10);
	_cleanup_free_ char *expected = NULL, *text = NULL;

	strv_clear(&logdir_messages);
	if (!logdir_limit_file_size(1500)) {
		skip(9, "no file size limit can be set here");
		logfile_close(f);
		(void)close(dirfd);
		return;
	}
	for (int i = 0; i < 400; i++)
		(void)put(f, "1234567\n");
	/* Lifted before each report, as that may go to a file too. */
	(void)logdir_limit_file_size(RLIM_INFINITY);
	/* The first file shows where the limit is, in the middle of a line; then lines are whole.
	 */
	is_int(logdir_size_at(dirfd, "out.log.2"), 1500, "a file size limit begins the next file");
	is_int(logdir_size_at(dirfd, "out.log.1"), 1500, "each time");
	is_int(logdir_size_at(dirfd, "out.log"), 200, "and so on");
	is_uint(logfile_dropped(f), 0, "nothing is dropped");
	is_uint(logdir_messages.n, 1, "it is said once");
	contains(logdir_messages.n ? logdir_messages.v[0] : "", "cannot grow beyond 1500 bytes",
		"where it is");

	(void)logdir_limit_file_size(0);
	for (int i = 0; i < 20; i++)
		(void)put(f, "1234567\n");
	(void)logdir_limit_file_size(RLIM_INFINITY);
	is_int(logfile_dropped_errno(f), EFBIG, "where not a byte may be written all is dropped");
	(void)put(f, "back\n");
	expected = xasprintf("taskhook: %ju bytes were dropped here: %s\nback\n",
		(uintmax_t)logfile_dropped(f), strerror(EFBIG));
	text = logdir_read_at(dirfd, "out.log");
	contains(text, expected, "and said");
	is_uint(logfile_dropped(f), 160, "all of it");
	logfile_close(f);
	(void)close(dirfd);
}

static void test_full_disk(void)
{
	struct logfile *f;
	_cleanup_free_ char *text = NULL, *expected = NULL;
	char line[100];
	size_t written = 0, at;
	uint64_t dropped;
	int dirfd, filler;

	if (!tempdir_private_mounts()) {
		skip(7, "a small file system needs root");
		return;
	}
	dirfd = logdir_small_disk("full", 64 * 1024);
	f = must_open(dirfd, 1 << 20, 3);
	filler = openat(dirfd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (ftruncate(filler, 0) < 0 || posix_fallocate(filler, 0, 32 * 1024) != 0)
		bail("filler: %s", strerror(errno));
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 1000; i++)
		written += logfile_write(f, line, sizeof(line), false);
	is_uint(written, 100000, "a full disk takes what comes");
	dropped = logfile_dropped(f);
	ok(dropped > 0, "by dropping");
	is_int(logfile_dropped_errno(f), ENOSPC, "as it is full");
	at = (size_t)logdir_size_at(dirfd, "out.log");
	is_uint(at + dropped, written, "written and dropped are all there was");

	if (ftruncate(filler, 0) != 0)
		bail("ftruncate: %s", strerror(errno));
	(void)logfile_write(f, "back\n", 5, false);
	text = logdir_read_at(dirfd, "out.log");
	expected = xasprintf(
		"%staskhook: %ju bytes were dropped here: No space left on device\nback\n",
		at % 100 ? "\n" : "", (uintmax_t)dropped);
	is_str(strlen(text) > at ? text + at : text, expected,
		"said in its place once there is room");
	is_uint(logfile_dropped(f), dropped, "nothing more is dropped");

	/* Full again, and closed while there is room for the notice alone. */
	if (posix_fallocate(filler, 0, 24 * 1024) != 0)
		bail("filler: %s", strerror(errno));
	for (int i = 0; i < 200; i++)
		(void)logfile_write(f, line, sizeof(line), false);
	dropped = logfile_dropped(f) - dropped;
	if (ftruncate(filler, 0) != 0)
		bail("ftruncate: %s", strerror(errno));
	logfile_close(f);
	free(text);
	text = logdir_read_at(dirfd, "out.log");
	free(expected);
	expected = xasprintf("taskhook: %ju bytes were dropped here", (uintmax_t)dropped);
	contains(text, expected, "said at the close at the latest");
	(void)close(filler);
	(void)close(dirfd);
}

static void test_owner(void)
{
	int dirfd = logdir_new();
	struct logfile *f = must_open(dirfd, 5, 2);
	struct stat st = {0};

	is_int(logfile_set_owner(f, (uid_t)-1, (gid_t)-1), 0, "no owner is no change");
	is_int(logfile_set_owner(f, geteuid(), getegid()), 0, "our own is allowed to everybody");
	if (geteuid() != 0) {
		is_int(logfile_set_owner(f, 0, 0), -EPERM, "another's is not");
		skip(3, "giving files away needs root");
	} else {
		is_int(logfile_set_owner(f, 65534, 65533), 0, "another's");
		(void)put(f, "aaaa\nbbbb\n");
		(void)fstatat(dirfd, "out.log.1", &st, 0);
		is_uint(st.st_uid, 65534, "the open file is his");
		(void)fstatat(dirfd, "out.log", &st, 0);
		is_uint(st.st_uid, 65534, "and the next");
		is_uint(st.st_gid, 65533, "with his group");
	}
	logfile_close(f);
	(void)close(dirfd);
}

/* All files together are the stream, whatever the pieces. */
static void test_stream(void)
{
	int dirfd = logdir_new();
	size_t total = 300000, from = 0, to = 0;
	_cleanup_free_ char *data = xmalloc(total + 1);
	struct strbuf joined = STRBUF_INIT;
	struct logfile *f = must_open(dirfd, 7000, 1000);
	unsigned seed = 12345;
	bool sizes_fine = true;

	for (size_t i = 0; i < total; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] =
			(seed >> 16) % (i / 3000 + 2) == 0 ? '\n' : (char)('a' + (seed >> 20) % 26);
	}
	data[total] = '\0';
	while (from < total) {
		seed = seed * 1103515245 + 12345;
		to = MIN(total, to + 1 + (seed >> 16) % 9000);
		if ((seed >> 8) % 50 == 0) {
			logfile_close(f);
			f = must_open(dirfd, 7000, 1000);
		}
		from += logfile_write(f, data + from, to - from, to == total);
	}
	logfile_close(f);
	for (unsigned i = 100; i-- > 0;) {
		_cleanup_free_ char *name = rotate_name("out.log", i);
		_cleanup_free_ char *text = NULL;

		if (logdir_size_at(dirfd, name) < 0)
			continue;
		sizes_fine = sizes_fine && logdir_size_at(dirfd, name) <= 7000;
		text = logdir_read_at(dirfd, name);
		strbuf_adds(&joined, text);
	}
	ok(sizes_fine, "no file is larger than the size");
	is_uint(joined.len, total, "as many bytes as went in");
	ok(strcmp(strbuf_str(&joined), data) == 0, "and the same");
	strbuf_done(&joined);
	(void)close(dirfd);
}

int main(void)
{
	tempdir_make();
	logdir_catch_messages();
	test_open();
	test_planted();
	test_rotation();
	test_hold();
	test_slots_taken();
	test_rotation_fails();
	test_rotation_denied();
	test_size_limit();
	test_owner();
	test_stream();
	test_full_disk(); /* last: it leaves the mount namespace */
	strv_done(&logdir_messages);
	return done_testing();
}
