#include "config.h"

#include "run/pumpstate.h"

#include "base/fd.h"
#include "base/macro.h"
#include "model/rotate.h"
#include "run/logpump.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/logdir.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define PATIENCE (60 * USEC_PER_SEC)

/* One stream: a directory with its logs, its FIFO and its state, and who writes to it. */
/* So often a pump is killed at least while there is something to pump. */
#define KILLS_LEAST 20

struct rig {
	int dirfd, fifo;
	uint64_t max_size;
	const char *bytes; /* what is written */
	size_t n;
	unsigned piece_max;
	int pipe_size; /* 0: as it is */
	pid_t writer;
	unsigned kills;
	int tokens[2];
};

static void rig_begin(struct rig *r, const char *name)
{
	tempdir_mkdir(name);
	r->dirfd = open(tempdir_path("%s", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dirfd < 0 || mkfifoat(r->dirfd, "fifo", 0600) < 0)
		bail("mkfifo: %s", strerror(errno));
	r->fifo = openat(r->dirfd, "fifo", O_RDWR | O_CLOEXEC);
	if (r->fifo < 0)
		bail("open the FIFO: %s", strerror(errno));
	if (r->pipe_size)
		(void)fcntl(r->fifo, F_SETPIPE_SZ, r->pipe_size);
}

static void rig_end(struct rig *r)
{
	fd_close(r->fifo);
	fd_close(r->dirfd);
}

static struct logpump *new_pump(const struct rig *r, struct loop *loop)
{
	struct logpump_spec spec = {.loop = loop, .copy_fd = -1};
	struct th_err err = TH_ERR_INIT;
	struct logpump *pump = NULL;

	if (logfile_open(r->dirfd, "out.log", r->max_size, 1000, &spec.file, &err) < 0 ||
		pumpstate_open(r->dirfd, "state", &spec.state, &err) < 0)
		bail("%s", err_text(&err));
	spec.source_fd = openat(r->dirfd, "fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (spec.source_fd < 0 || logpump_new(&spec, &pump, &err) < 0)
		bail("a pump: %s", err_text(&err));
	return pump;
}

/* The rest, by a pump that nobody kills. */
static void finish(const struct rig *r)
{
	struct loop *loop = loop_new();
	struct logpump *pump = new_pump(r, loop);

	logpump_finish(pump, usec_add(clock_monotonic_usec(), PATIENCE));
	logpump_free(pump);
	loop_free(loop);
}

static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		bail("fork: %s", strerror(errno));
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static char *log_text(const struct rig *r, size_t *ret_files, bool *ret_fits)
{
	struct strbuf joined = STRBUF_INIT;

	*ret_files = 0;
	*ret_fits = true;
	for (unsigned i = 1000; i-- > 0;) {
		_cleanup_free_ char *name = rotate_name("out.log", i);
		_cleanup_free_ char *text = NULL;
		off_t size = logdir_size_at(r->dirfd, name);

		if (size < 0)
			continue;
		++*ret_files;
		*ret_fits = *ret_fits && (uint64_t)size <= r->max_size;
		text = logdir_read_at(r->dirfd, name);
		strbuf_add(&joined, text, (size_t)size);
	}
	return strbuf_steal(&joined);
}

/* ---- killed, again and again ---- */

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

NORETURN static void write_all(const struct rig *r)
{
	unsigned seed = 7;
	size_t parts = 0;

	for (size_t at = 0; at < r->n;) {
		size_t n = MIN(r->n - at, (size_t)next_random(&seed) % r->piece_max + 1);
		char token;

		/* A part of it for each kill, however slow the machine is. */
		for (; parts * (r->n / KILLS_LEAST) <= at && parts < KILLS_LEAST; parts++)
			if (read(r->tokens[0], &token, 1) != 1)
				_exit(1);
		if (fd_write_all(r->fifo, r->bytes + at, n) < 0)
			_exit(1);
		at += n;
	}
	_exit(0);
}

NORETURN static void pump_for_ever(const struct rig *r)
{
	struct loop *loop = loop_new();

	(void)new_pump(r, loop);
	for (;;)
		(void)loop_run(loop, USEC_INFINITY);
}

static bool has_ended(pid_t pid)
{
	siginfo_t si = {0};

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == pid;
}

/* Starts and kills pumps until all is written into the FIFO. */
static void kill_pumps(struct rig *r, unsigned most_usec)
{
	usec_t until = usec_add(clock_monotonic_usec(), PATIENCE);
	unsigned seed = (unsigned)getpid();
	int status;

	while (!has_ended(r->writer) && clock_monotonic_usec() < until) {
		pid_t pump = fork_child();

		if (pump == 0)
			pump_for_ever(r);
		/* Not to wait for anything: the moment is to be any. */
		(void)usleep(next_random(&seed) % most_usec);
		(void)kill(pump, SIGKILL);
		if (waitpid(pump, &status, 0) != pump || !WIFSIGNALED(status))
			bail("a pump ended with status %x", status);
		r->kills++;
		(void)!write(r->tokens[1], "", 1);
	}
	if (waitpid(r->writer, &status, 0) != r->writer || status != 0)
		bail("the writer ended with status %x", status);
}

static void check_kills(struct rig *r, const char *what)
{
	_cleanup_free_ char *text = NULL;
	size_t files, got;
	bool fits;

	rig_begin(r, what);
	if (pipe2(r->tokens, O_CLOEXEC) < 0)
		bail("pipe2: %s", strerror(errno));
	r->writer = fork_child();
	if (r->writer == 0)
		write_all(r);
	kill_pumps(r, 1500);
	finish(r);
	text = log_text(r, &files, &fits);
	got = strlen(text);
	is_int((intmax_t)got, (intmax_t)r->n, "%s: %zu bytes, in %zu files, after %u kills", what,
		r->n, files, r->kills);
	ok(got == r->n && memcmp(text, r->bytes, r->n) == 0, "%s: each once and in its place",
		what);
	ok(fits, "%s: no file is larger than it may be", what);
	fd_close(r->tokens[0]);
	fd_close(r->tokens[1]);
	ok(r->kills >= KILLS_LEAST, "%s: killed often enough for that to mean something", what);
	rig_end(r);
}

static void test_kills(void)
{
	const size_t size = (size_t)32 << 20;
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned seed = 1;

	if (bytes == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	/* No two places look alike; lines of all lengths. */
	for (size_t i = 0; i < size; i++)
		bytes[i] =
			next_random(&seed) % 61 == 0 ? '\n' : (char)('!' + next_random(&seed) % 94);
	check_kills(&(struct rig){.bytes = bytes,
			    .n = size,
			    .piece_max = 70000,
			    .max_size = (uint64_t)8 << 20},
		"large writes");
	check_kills(&(struct rig){.bytes = bytes,
			    .n = (size_t)2 << 20,
			    .piece_max = 2000,
			    .max_size = (uint64_t)16 << 10},
		"a rotation each 16 KiB");
	check_kills(&(struct rig){.bytes = bytes,
			    .n = (size_t)200 << 10,
			    .pipe_size = 4096,
			    .piece_max = 5,
			    .max_size = (uint64_t)64 << 10},
		"a few bytes at a time");
	(void)munmap(bytes, size);
}

/* ---- where a kill would have been ---- */

/* In the place of the C library's: ends the process as a SIGKILL would, before or after. */
static enum { READ_ON, END_BEFORE, END_AFTER } at_read;
static int at_fd;

ssize_t read(int fd, void *p, size_t n);
ssize_t read(int fd, void *p, size_t n)
{
	ssize_t got;

	if (at_read == END_BEFORE && fd == at_fd)
		_exit(0);
	got = (ssize_t)syscall(SYS_read, fd, p, n);
	if (at_read == END_AFTER && fd == at_fd)
		_exit(0);
	return got;
}

static void put(const struct rig *r, const char *text)
{
	if (fd_write_all(r->fifo, text, strlen(text)) < 0)
		bail("write: %s", strerror(errno));
}

static void check_log(const struct rig *r, const char *expected, const char *what)
{
	logdir_check_at(r->dirfd, "out.log", expected, what);
}

/* Until it is handed to a file nothing of it is anywhere else. */
static void test_read_and_not_written(void)
{
	struct rig r = {.max_size = 1000000};
	struct th_err err = TH_ERR_INIT;
	struct logplace place = {.inode = 1, .birth_sec = 1};
	struct pumpstate_drops drops;
	struct pumpstate *s = NULL;
	size_t at = 1, end = 1;
	uint64_t size;
	bool cut;

	rig_begin(&r, "read");
	if (pumpstate_open(r.dirfd, "state", &s, &err) < 0)
		bail("%s", err_text(&err));
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(at == 0 && end == 0 && !cut, "at first there is nothing");
	put(&r, "0123456789");
	is_int(pumpstate_read(s, r.fifo, 0, 0), 10, "all that is there is read");
	put(&r, "abcdefghijklmnopqrstuvwxyz");
	is_int(pumpstate_read(s, r.fifo, 0, 10), 26, "and behind it what comes");
	s = pumpstate_close(s);

	if (pumpstate_open(r.dirfd, "state", &s, &err) < 0)
		bail("%s", err_text(&err));
	place.offset = 4; /* it has got so far */
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(at == 4 && end == 36, "what was written is told by the size of the file");
	ok(memcmp(pumpstate_buffer(s) + at, "456789abcdefghijklmnopqrstuvwxyz", 32) == 0,
		"and the rest is still there");
	ok(!pumpstate_shift(s, 4, 36), "what would overlap itself is not moved");
	ok(pumpstate_shift(s, 30, 36), "what does not is");
	ok(memcmp(pumpstate_buffer(s), "uvwxyz", 6) == 0, "to the beginning");
	s = pumpstate_close(s);

	if (pumpstate_open(r.dirfd, "state", &s, &err) < 0)
		bail("%s", err_text(&err));
	place.offset = 32;
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(at == 2 && end == 6, "which is remembered");
	pumpstate_begin_next(s, pumpstate_buffer(s) + 2);
	s = pumpstate_close(s);

	if (pumpstate_open(r.dirfd, "state", &s, &err) < 0)
		bail("%s", err_text(&err));
	place = (struct logplace){.inode = 2, .birth_sec = 2};
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(at == 2 && end == 6, "after a rotation the next file begins where that one ended");
	pumpstate_close(s);
	rig_end(&r);
}

/* The only moment at which nothing but the canary tells. */
static void check_end_at_read(size_t n, bool after)
{
	_cleanup_free_ char *name = xasprintf("read-%zu-%d", n, after);
	_cleanup_free_ char *text = xmalloc(n + 1);
	struct rig r = {.max_size = 1000000};
	struct th_err err = TH_ERR_INIT;
	struct pumpstate *s = NULL;
	int status;
	pid_t pid;

	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i % 26);
	text[n] = '\0';
	rig_begin(&r, name);
	put(&r, text);
	pid = fork_child();
	if (pid == 0) {
		if (pumpstate_open(r.dirfd, "state", &s, &err) < 0)
			_exit(1);
		at_read = after ? END_AFTER : END_BEFORE;
		at_fd = r.fifo;
		(void)pumpstate_read(s, r.fifo, 0, 0);
		_exit(2);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bail("the reader ended with status %x", status);
	finish(&r);
	check_log(&r, text, name);
	rig_end(&r);
}

static void test_drops(void)
{
	struct rig r = {.max_size = 1000000};
	struct logplace place = {.inode = 1, .birth_sec = 1, .offset = 100};
	struct pumpstate_drops drops = {.total = 4, .unsaid = 4, .errnum = ENOSPC};
	struct th_err err = TH_ERR_INIT;
	struct pumpstate *s = NULL;
	size_t at, end;
	uint64_t size = 0;
	bool cut;

	rig_begin(&r, "drops");
	if (pumpstate_open(r.dirfd, "state", &s, &err) < 0)
		bail("%s", err_text(&err));
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	put(&r, "0123456789");
	(void)pumpstate_read(s, r.fifo, 0, 0);
	drops = (struct pumpstate_drops){.total = 4, .unsaid = 4, .errnum = ENOSPC};
	pumpstate_drop(s, pumpstate_buffer(s) + 2, 4, &drops);
	place.offset = 102;
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(at == 6 && end == 10, "what was dropped is not written later");
	ok(drops.total == 4 && drops.unsaid == 4 && drops.errnum == ENOSPC, "it stays counted");
	pumpstate_begin_notice(s, pumpstate_buffer(s) + 6, 102);
	place.offset = 120;
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(cut && size == 102, "half a notice is cut off");
	place.offset = 102;
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(!cut && at == 6 && end == 10, "and then it is as before");
	pumpstate_begin_notice(s, pumpstate_buffer(s) + 6, 102);
	drops.unsaid = 0;
	pumpstate_end_notice(s, 30, &drops);
	place.offset = 133;
	pumpstate_recover(s, &place, &at, &end, &drops, &cut, &size);
	ok(!cut && at == 7 && drops.unsaid == 0, "a whole one stands between the bytes");
	pumpstate_close(s);
	rig_end(&r);
}

static void test_damaged(void)
{
	struct rig r = {.max_size = 1000000};
	_cleanup_close_ int fd = -1;

	rig_begin(&r, "damaged");
	fd = openat(r.dirfd, "state", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, "THKP\1\0\0\0\1\0\0\0", 12) < 0 ||
		ftruncate(fd, 300000) < 0 || pwrite(fd, "\377\377\377\377", 4, 200) != 4)
		bail("write: %s", strerror(errno));
	put(&r, "fine\n");
	finish(&r);
	check_log(&r, "fine\n", "a state that makes no sense is begun anew");
	rig_end(&r);
}

static long long memory_of(const struct rig *r)
{
	struct stat st;

	return fstatat(r->dirfd, "state", &st, 0) == 0 ? (long long)st.st_blocks * 512 : -1;
}

static void test_idle(void)
{
	struct rig r = {.max_size = 100000000};
	usec_t until = usec_add(clock_monotonic_usec(), PATIENCE);
	_cleanup_free_ char *bytes = xmalloc(60000);
	struct loop *loop = loop_new();
	struct logpump *pump;
	long long most = 0;

	memset(bytes, 'x', 60000);
	rig_begin(&r, "idle");
	pump = new_pump(&r, loop);
	(void)loop_run(loop, clock_monotonic_usec());
	ok(memory_of(&r) <= 8192, "before the first byte it has a page");
	if (fd_write_all(r.fifo, bytes, 60000) < 0)
		bail("write: %s", strerror(errno));
	while (logdir_size_at(r.dirfd, "out.log") < 60000 && clock_monotonic_usec() < until)
		(void)loop_run(loop, until);
	most = memory_of(&r);
	while (memory_of(&r) > 8192 && clock_monotonic_usec() < until)
		(void)loop_run(loop, until);
	ok(most >= 60000 && memory_of(&r) <= 8192, "what a burst needed is given back (%lld, %lld)",
		most, memory_of(&r));
	put(&r, "more\n");
	while (logdir_size_at(r.dirfd, "out.log") < 60005 && clock_monotonic_usec() < until)
		(void)loop_run(loop, until);
	is_int(logdir_size_at(r.dirfd, "out.log"), 60005, "and taken again");
	logpump_free(pump);
	loop_free(loop);
	rig_end(&r);
}

int main(void)
{
	tempdir_make();
	logdir_catch_messages();
	(void)signal(SIGPIPE, SIG_IGN);
	test_read_and_not_written();
	for (size_t n = 1; n < 40; n = n * 2 + 1) {
		check_end_at_read(n, false);
		check_end_at_read(n, true);
	}
	test_drops();
	test_damaged();
	test_idle();
	/* It starts each pump anew. */
	if (syscall(SYS_pidfd_open, getpid(), 0) < 0)
		skip(1, "valgrind 3.19 is too slow for pumps that live a millisecond");
	else
		test_kills();
	return done_testing();
}
