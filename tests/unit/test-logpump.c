#include "config.h"

#include "run/logpump.h"

#include "base/fd.h"
#include "base/macro.h"
#include "model/rotate.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/logdir.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PATIENCE (20 * USEC_PER_SEC)

static struct loop *loop;

/* One stream under test. */
struct rig {
	int dirfd;
	int to; /* the task's end of the pipe, non-blocking; -1 once closed */
	struct logpump *pump;
};

static void on_dropped(void *arg, uint64_t total, int errnum)
{
	uint64_t *seen = arg;

	(void)errnum;
	*seen = total;
}

static void rig_start(struct rig *r, uint64_t max_size, int copy_fd, uint64_t *dropped)
{
	struct logpump_spec spec = {
		.loop = loop,
		.copy_fd = copy_fd,
		.copy_name = "standard output",
		.dropped = dropped ? on_dropped : NULL,
		.arg = dropped,
	};
	struct th_err err = TH_ERR_INIT;
	int fds[2];

	strv_clear(&logdir_messages);
	if (fd_pipe(fds, O_NONBLOCK) < 0)
		bail("pipe: %s", strerror(errno));
	/* As a task's end is: only ours is made non-blocking, for tests of a full pipe. */
	if (fcntl(fds[0], F_SETFL, 0) < 0)
		bail("fcntl: %s", strerror(errno));
	if (r->dirfd >= 0 &&
		logfile_open(r->dirfd, "out.log", max_size, 1000, &spec.file, &err) < 0)
		bail("logfile_open: %s", err_text(&err));
	spec.source_fd = fds[0];
	r->to = fds[1];
	if (logpump_new(&spec, &r->pump, &err) < 0)
		bail("logpump_new: %s", err_text(&err));
}

static void rig_close_source(struct rig *r)
{
	r->to = fd_close(r->to);
}

static void rig_end(struct rig *r)
{
	r->pump = logpump_free(r->pump);
	rig_close_source(r);
	fd_close(r->dirfd);
}

static void rig_put(struct rig *r, const char *text)
{
	if (fd_write_all(r->to, text, strlen(text)) < 0)
		bail("write: %s", strerror(errno));
}

/* Runs the loop until `condition` holds; fails the test when that takes too long. */
#define run_until(condition)                                                                       \
	__extension__({                                                                            \
		usec_t until_ = usec_add(clock_monotonic_usec(), PATIENCE);                        \
		while (!(condition) && clock_monotonic_usec() < until_)                            \
			(void)loop_run(loop, until_);                                              \
		(condition);                                                                       \
	})

static off_t log_size(const struct rig *r)
{
	return logdir_size_at(r->dirfd, "out.log");
}

/* All files of the stream, oldest first. */
static char *log_text(const struct rig *r)
{
	struct strbuf joined = STRBUF_INIT;

	for (unsigned i = 1000; i-- > 0;) {
		_cleanup_free_ char *name = rotate_name("out.log", i);
		_cleanup_free_ char *text = NULL;

		if (logdir_size_at(r->dirfd, name) < 0)
			continue;
		text = logdir_read_at(r->dirfd, name);
		strbuf_adds(&joined, text);
	}
	return strbuf_steal(&joined);
}

static char *numbered_lines(size_t count)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&b, "this is line number %zu of a longer text\n", i);
	return strbuf_steal(&b);
}

/* Reads what is there; false at the end. */
static bool collect(int fd, struct strbuf *to)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(to, buf, (size_t)n);
	return n < 0;
}

/* Writes as much as the source takes while the loop runs, until all of it is through. */
static void feed(struct rig *r, const char *text, size_t n, int reader, struct strbuf *copied)
{
	usec_t until = usec_add(clock_monotonic_usec(), PATIENCE);

	while ((r->to >= 0 || !logpump_is_done(r->pump)) && clock_monotonic_usec() < until) {
		if (r->to >= 0) {
			ssize_t w = write(r->to, text, n);

			if (w > 0) {
				text += w;
				n -= (size_t)w;
			}
			if (n == 0)
				rig_close_source(r);
		}
		if (reader >= 0)
			(void)collect(reader, copied);
		(void)loop_run(loop, usec_add(clock_monotonic_usec(), USEC_PER_MSEC));
	}
}

static void test_plain(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(50000), *got = NULL;

	rig_start(&r, 1 << 20, -1, NULL);
	rig_put(&r, "one\n");
	ok(run_until(log_size(&r) == 4), "a line is written without waiting for more");
	logdir_check_at(r.dirfd, "out.log", "one\n", "the line");
	rig_put(&r, "unfinished");
	ok(run_until(log_size(&r) == 14), "so is an unfinished one far from the end of the file");
	ok(!logpump_is_done(r.pump), "an open pipe is not done");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "a closed one is");
	is_uint(logpump_dropped(r.pump), 0, "nothing dropped");
	rig_end(&r);

	r.dirfd = logdir_new();
	rig_start(&r, 100000, -1, NULL);
	feed(&r, lines, strlen(lines), -1, NULL);
	ok(logpump_is_done(r.pump), "a long text");
	got = log_text(&r);
	ok(strcmp(got, lines) == 0, "comes out as it went in, over many files");
	ok(logdir_size_at(r.dirfd, "out.log.3") <= 100000 &&
			logdir_size_at(r.dirfd, "out.log.3") > 99900,
		"each as large as whole lines allow");
	rig_end(&r);
	is_int((intptr_t)logpump_free(NULL), 0, "freeing nothing");
}

static void test_hold(void)
{
	struct rig r = {.dirfd = logdir_new()};
	usec_t before;

	rig_start(&r, 20, -1, NULL);
	before = clock_monotonic_usec();
	rig_put(&r, "first line\nhalf");
	ok(run_until(log_size(&r) > 0), "a line and a half, near the end of a file");
	is_int(log_size(&r), 11, "the half is held back");
	rig_put(&r, " a line\nnext");
	ok(run_until(log_size(&r) != 11), "its rest does not fit");
	logdir_check_at(r.dirfd, "out.log", "half a line\n", "so the line is in the next file");
	ok(run_until(log_size(&r) > 12), "an unfinished line that waits");
	ok(clock_monotonic_usec() - before >= LOGPUMP_HOLD_USEC, "is written after a while");
	logdir_check_at(r.dirfd, "out.log", "half a line\nnext", "where it is");
	rig_put(&r, " last");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "the end flushes");
	{
		_cleanup_free_ char *text = log_text(&r);

		is_str(text, "first line\nhalf a line\nnext last", "nothing is lost");
	}
	rig_end(&r);
}

static void test_no_file(void)
{
	struct rig r = {.dirfd = -1};

	rig_start(&r, 0, -1, NULL);
	rig_put(&r, "to nobody\n");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "without a file the pipe is drained");
	is_uint(logpump_dropped(r.pump), 0, "and nothing counts as dropped");
	rig_end(&r);
}

static void test_copy(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(30000), *got = NULL;
	struct strbuf copied = STRBUF_INIT;
	int copy[2];

	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	(void)fcntl(copy[0], F_SETFL, O_NONBLOCK);
	rig_start(&r, 100000, copy[1], NULL);
	rig_put(&r, "prompt> ");
	ok(run_until(collect(copy[0], &copied) && copied.len > 0), "the copy comes at once");
	is_str(strbuf_str(&copied), "prompt> ", "also of an unfinished line");
	is_int(fcntl(copy[1], F_GETFL) & O_NONBLOCK, 0,
		"the description that others share is not made non-blocking");
	feed(&r, lines, strlen(lines), copy[0], &copied);
	(void)collect(copy[0], &copied);
	ok(logpump_is_done(r.pump), "a long text with a copy ends");
	ok(strcmp(strbuf_str(&copied) + 8, lines) == 0, "the copy is complete");
	rig_end(&r);
	strbuf_done(&copied);
	fd_close(copy[0]);
	fd_close(copy[1]);

	/* A shared offset: what the shell wrote before and writes after stays. */
	r.dirfd = logdir_new();
	copy[1] = openat(r.dirfd, "copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)fd_write_all(copy[1], "before\n", 7);
	rig_start(&r, 1000, copy[1], NULL);
	rig_put(&r, "task\n");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "a copy to a file");
	(void)fd_write_all(copy[1], "after\n", 6);
	logdir_check_at(r.dirfd, "copy", "before\ntask\nafter\n", "the offset is shared");
	logdir_check_at(r.dirfd, "out.log", "task\n", "and the log is there");
	rig_end(&r);
	fd_close(copy[1]);

	r.dirfd = logdir_new();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, copy) < 0)
		bail("socketpair: %s", strerror(errno));
	(void)fcntl(copy[0], F_SETFL, O_NONBLOCK);
	rig_start(&r, 1 << 20, copy[1], NULL);
	feed(&r, lines, strlen(lines), copy[0], &copied);
	(void)collect(copy[0], &copied);
	ok(strcmp(strbuf_str(&copied), lines) == 0, "a copy to a socket is complete");
	is_int(fcntl(copy[1], F_GETFL) & O_NONBLOCK, 0, "without changing it");
	got = log_text(&r);
	ok(strcmp(got, lines) == 0, "and the log too");
	rig_end(&r);
	strbuf_done(&copied);
	fd_close(copy[0]);
	fd_close(copy[1]);
}

static void count_tick(void *arg)
{
	++*(unsigned *)arg;
}

/* A reader that does not read: the source is paused, the loop is not. */
static void check_slow(int reader, int writer, const char *what)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(100000), *got = NULL;
	struct strbuf copied = STRBUF_INIT;
	size_t n = strlen(lines), given = 0, idle = 0;
	unsigned ticks = 0;
	bool alive = true;

	(void)fcntl(reader, F_SETFL, O_NONBLOCK);
	rig_start(&r, 1 << 20, writer, NULL);
	while (idle < 20 && given < n) {
		struct loop_timer tick = {0};
		unsigned before = ticks;
		ssize_t w = write(r.to, lines + given, n - given);

		if (w > 0)
			given += (size_t)w;
		idle = w > 0 ? 0 : idle + 1;
		loop_set_timer(
			loop, &tick, usec_add(clock_monotonic_usec(), 2000), count_tick, &ticks);
		alive = run_until(ticks > before) && alive;
	}
	ok(alive, "%s: the loop goes on", what);
	ok(given < n, "%s: the source is paused", what);
	ok(given <= LOGPUMP_PIPE_SIZE + LOGPUMP_BUFFER + 2 * 1024 * 1024,
		"%s: after a bounded amount", what);
	feed(&r, lines + given, n - given, reader, &copied);
	(void)collect(reader, &copied);
	ok(logpump_is_done(r.pump), "%s: it ends once the copy is read", what);
	ok(strcmp(strbuf_str(&copied), lines) == 0, "%s: the copy is complete", what);
	got = log_text(&r);
	ok(strcmp(got, lines) == 0, "%s: the log is complete", what);
	is_uint(logdir_messages.n, 0, "%s: nothing to say", what);
	rig_end(&r);
	strbuf_done(&copied);
}

static void test_slow_copy(void)
{
	int copy[2];

	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	check_slow(copy[0], copy[1], "slow pipe");
	fd_close(copy[0]);
	fd_close(copy[1]);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, copy) < 0)
		bail("socketpair: %s", strerror(errno));
	check_slow(copy[0], copy[1], "slow socket");
	fd_close(copy[0]);
	fd_close(copy[1]);

	/* Where the pipe may not be opened once more: it belongs to somebody else. */
	if (geteuid() != 0) {
		skip(1, "a pipe of somebody else needs root");
		return;
	}
	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	if (fchmodat(tempdir.fd, ".", 0777, 0) < 0 || seteuid(65534) < 0)
		bail("seteuid: %s", strerror(errno));
	check_slow(copy[0], copy[1], "slow pipe of somebody else");
	is_int(fcntl(copy[1], F_GETFL) & O_NONBLOCK, 0, "it stays as it is");
	if (seteuid(0) < 0)
		bail("seteuid: %s", strerror(errno));
	fd_close(copy[0]);
	fd_close(copy[1]);
}

static void test_terminal(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(20000), *got = NULL;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), slave = -1;
	struct strbuf copied = STRBUF_INIT;
	usec_t before;

	if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
		slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0) {
		skip(4, "no pseudo-terminals here");
		fd_close(master);
		fd_close(r.dirfd);
		return;
	}
	rig_start(&r, 1 << 20, slave, NULL);
	before = clock_monotonic_usec();
	for (int i = 0; i < 50; i++) {
		(void)!write(r.to, lines + i * 1000, 1000);
		(void)loop_run(loop, usec_add(clock_monotonic_usec(), USEC_PER_MSEC));
	}
	ok(clock_monotonic_usec() - before < PATIENCE,
		"a terminal that nobody reads stalls nothing");
	ok(!logpump_is_done(r.pump), "it is waited for");
	feed(&r, lines + 50000, strlen(lines) - 50000, master, &copied);
	(void)collect(master, &copied);
	ok(copied.len >= 20000, "it gets what there is");
	got = log_text(&r);
	ok(str_ends_with(got, "number 19999 of a longer text\n"), "and the log is complete");
	rig_end(&r);
	strbuf_done(&copied);
	fd_close(slave);
	fd_close(master);
}

static void test_copy_gone(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(20000), *got = NULL;
	int copy[2], full;

	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	rig_start(&r, 1 << 20, copy[1], NULL);
	rig_put(&r, "seen\n");
	ok(run_until(log_size(&r) == 5), "a copy with a reader");
	fd_close(copy[0]);
	feed(&r, lines, strlen(lines), -1, NULL);
	ok(logpump_is_done(r.pump), "whose reader goes away");
	got = log_text(&r);
	ok(strcmp(got + 5, lines) == 0, "the log goes on without it");
	is_uint(logdir_messages.n, 1, "which is said once");
	contains(logdir_messages.v[0], "standard output has no reader any more", "with the reason");
	rig_end(&r);
	fd_close(copy[1]);

	/* Gone while it is waited for. */
	r.dirfd = logdir_new();
	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	rig_start(&r, 1 << 20, copy[1], NULL);
	(void)!write(r.to, lines, strlen(lines));
	for (int i = 0; i < 10; i++) {
		(void)loop_run(loop, usec_add(clock_monotonic_usec(), 5 * USEC_PER_MSEC));
		(void)!write(r.to, lines, 65536);
	}
	fd_close(copy[0]);
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "a reader that goes away while it is waited for");
	is_uint(logdir_messages.n, 1, "is missed once");
	rig_end(&r);
	fd_close(copy[1]);

	/* Gone before the first byte. */
	r.dirfd = logdir_new();
	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	fd_close(copy[0]);
	rig_start(&r, 1 << 20, copy[1], NULL);
	rig_put(&r, "unseen\n");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "a reader that was never there");
	logdir_check_at(r.dirfd, "out.log", "unseen\n", "the log is complete");
	is_uint(logdir_messages.n, 1, "it is said");
	rig_end(&r);
	fd_close(copy[1]);

	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	r.dirfd = logdir_new();
	rig_start(&r, 1 << 20, full, NULL);
	rig_put(&r, "one\n");
	ok(run_until(log_size(&r) == 4), "a copy that cannot be written");
	rig_put(&r, "two\n");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "ends");
	logdir_check_at(r.dirfd, "out.log", "one\ntwo\n", "the log is complete");
	is_uint(logdir_messages.n, 1, "it is said once");
	contains(logdir_messages.v[0], strerror(ENOSPC), "with the reason");
	rig_end(&r);
	fd_close(full);

	full = open("/dev/null", O_WRONLY | O_CLOEXEC);
	r.dirfd = logdir_new();
	rig_start(&r, 1 << 20, full, NULL);
	rig_put(&r, "one\n");
	rig_close_source(&r);
	ok(run_until(logpump_is_done(r.pump)), "a copy to the null device");
	is_uint(logdir_messages.n, 0, "is none");
	rig_end(&r);
	fd_close(full);
}

static void test_finish(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(20000), *got = NULL;
	usec_t before;
	ssize_t given;
	int copy[2];

	rig_start(&r, 1 << 20, -1, NULL);
	given = write(r.to, lines, strlen(lines));
	logpump_finish(r.pump, usec_add(clock_monotonic_usec(), PATIENCE));
	ok(logpump_is_done(r.pump), "the end of a pipe that somebody holds open");
	got = log_text(&r);
	ok(given > 0 && strlen(got) == (size_t)given && strncmp(got, lines, strlen(got)) == 0,
		"all that it held is written");
	is_int(write(r.to, "x", 1), -1, "later writers are told");
	rig_end(&r);

	/* A copy that is not read: bounded, and the log complete. */
	r.dirfd = logdir_new();
	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	rig_start(&r, 1 << 20, copy[1], NULL);
	given = 0;
	for (int i = 0; i < 20; i++) {
		ssize_t w = write(r.to, lines + given, strlen(lines) - (size_t)given);

		given += MAX(w, (ssize_t)0);
		(void)loop_run(loop, usec_add(clock_monotonic_usec(), USEC_PER_MSEC));
	}
	before = clock_monotonic_usec();
	logpump_finish(r.pump, usec_add(before, 100 * USEC_PER_MSEC));
	ok(clock_monotonic_usec() - before >= 100 * USEC_PER_MSEC, "an unread copy is waited for");
	ok(clock_monotonic_usec() - before < PATIENCE, "for a while");
	ok(logpump_is_done(r.pump), "then it ends");
	free(got);
	got = log_text(&r);
	ok(strlen(got) == (size_t)given && strncmp(got, lines, strlen(got)) == 0,
		"with the log complete");
	is_uint(logdir_messages.n, 1, "it is said once");
	{
		_cleanup_free_ char *expected =
			xasprintf("standard output took too long, %zd bytes are not shown there",
				given - (ssize_t)fcntl(copy[1], F_GETPIPE_SZ));

		is_str(logdir_messages.v[0], expected, "with how much is missing");
	}
	rig_end(&r);
	fd_close(copy[0]);
	fd_close(copy[1]);

	/* Held back and never finished. */
	r.dirfd = logdir_new();
	rig_start(&r, 20, -1, NULL);
	rig_put(&r, "first line\nhalf");
	ok(run_until(log_size(&r) == 11), "a half line is held back");
	r.pump = logpump_free(r.pump);
	logdir_check_at(
		r.dirfd, "out.log", "first line\nhalf", "and written when the pump is freed");
	rig_end(&r);
}

struct slow_reader {
	int fd;
	struct strbuf text;
	struct loop_timer timer;
	bool *give_up; /* set instead of reading */
};

static void on_slow_read(void *arg)
{
	struct slow_reader *s = arg;
	char buf[16384];
	ssize_t n;

	if (s->give_up) {
		*s->give_up = true;
		return;
	}
	n = read(s->fd, buf, sizeof(buf));
	if (n > 0)
		strbuf_add(&s->text, buf, (size_t)n);
	loop_set_timer(
		loop, &s->timer, usec_add(clock_monotonic_usec(), USEC_PER_MSEC), on_slow_read, s);
}

static void test_drain(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *lines = numbered_lines(20000);
	struct slow_reader reader = {0};
	bool give_up = false;
	ssize_t given;
	int copy[2];

	if (fd_pipe(copy, 0) < 0)
		bail("pipe");
	(void)fcntl(copy[0], F_SETFL, O_NONBLOCK);
	reader.fd = copy[0];
	rig_start(&r, 1 << 20, copy[1], NULL);
	given = write(r.to, lines, strlen(lines));
	(void)loop_run(loop, usec_add(clock_monotonic_usec(), USEC_PER_MSEC));
	given += MAX(write(r.to, lines + given, strlen(lines) - (size_t)given), (ssize_t)0);
	on_slow_read(&reader);
	logpump_drain(r.pump, &give_up);
	loop_clear_timer(loop, &reader.timer);
	(void)collect(copy[0], &reader.text);
	ok(given > 65536 && reader.text.len == (size_t)given, "a slow reader gets all of it");
	ok(strncmp(strbuf_str(&reader.text), lines, (size_t)given) == 0, "as it was");
	logpump_finish(r.pump, clock_monotonic_usec());
	ok(logpump_is_done(r.pump), "then it ends");
	is_uint(logdir_messages.n, 0, "with nothing to say");
	is_int(log_size(&r), given, "and the log complete");
	rig_end(&r);
	strbuf_done(&reader.text);

	r.dirfd = logdir_new();
	rig_start(&r, 1 << 20, copy[1], NULL);
	given = 0;
	for (int i = 0; i < 5; i++) {
		given += MAX(write(r.to, lines + given, strlen(lines) - (size_t)given), (ssize_t)0);
		(void)loop_run(loop, usec_add(clock_monotonic_usec(), USEC_PER_MSEC));
	}
	reader = (struct slow_reader){.fd = copy[0], .give_up = &give_up};
	loop_set_timer(loop, &reader.timer, usec_add(clock_monotonic_usec(), 20 * USEC_PER_MSEC),
		on_slow_read, &reader);
	logpump_drain(r.pump, &give_up);
	ok(give_up && !logpump_is_done(r.pump), "one that does not read is given up when told to");
	logpump_finish(r.pump, clock_monotonic_usec());
	ok(logpump_is_done(r.pump), "then it ends too");
	is_uint(logdir_messages.n, 1, "and says what is missing");
	is_int(log_size(&r), given, "the log is complete");
	rig_end(&r);
	fd_close(copy[0]);
	fd_close(copy[1]);
}

/* The pages of this process that are its own. */
/* Whether anything is mapped there (mincore(2), ENOMEM): what the whole process holds tells nothing
 * under a sanitizer or valgrind. */
static bool is_mapped(const void *at)
{
	uintptr_t page = (uintptr_t)at & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	unsigned char seen;

	return mincore((void *)page, 1, &seen) == 0;
}

static void test_idle(void)
{
	struct rig r = {.dirfd = logdir_new()};
	_cleanup_free_ char *block = xmalloc(60001);
	const void *buffer;

	memset(block, 'x', 60000);
	block[60000] = '\0';
	rig_start(&r, 1 << 20, -1, NULL);
	is_int((intptr_t)logpump_buffer(r.pump), 0, "no buffer before the first byte");
	rig_put(&r, block);
	ok(run_until(log_size(&r) == 60000), "a busy stream");
	buffer = logpump_buffer(r.pump);
	ok(buffer && is_mapped(buffer), "has a buffer");
	ok(run_until(!is_mapped(buffer)), "gives it back when idle");
	is_int((intptr_t)logpump_buffer(r.pump), 0, "and has none then");
	rig_put(&r, "again\n");
	ok(run_until(log_size(&r) == 60006), "and goes on");
	rig_end(&r);
}

static void test_full_disk(void)
{
	struct rig r = {.dirfd = -1};
	_cleanup_free_ char *lines = numbered_lines(20000), *got = NULL;
	uint64_t told = 0;

	if (!tempdir_private_mounts()) {
		skip(4, "a small file system needs root");
		return;
	}
	r.dirfd = logdir_small_disk("full", 128 * 1024);
	rig_start(&r, 1 << 20, -1, &told);
	feed(&r, lines, strlen(lines), -1, NULL);
	ok(logpump_is_done(r.pump), "a full disk does not stop the stream");
	ok(told > 0 && told <= logpump_dropped(r.pump), "it is told");
	is_uint(logpump_dropped(r.pump) + (uint64_t)log_size(&r), strlen(lines), "and counted");
	got = log_text(&r);
	ok(strncmp(got, lines, strlen(got)) == 0, "what is there is the beginning");
	rig_end(&r);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	tempdir_make();
	logdir_catch_messages();
	loop = loop_new();
	if (!loop)
		bail("loop_new: %s", strerror(errno));
	test_plain();
	test_hold();
	test_no_file();
	test_copy();
	test_slow_copy();
	test_terminal();
	test_copy_gone();
	test_finish();
	test_drain();
	test_idle();
	test_full_disk(); /* last: it leaves the mount namespace */
	loop = loop_free(loop);
	strv_done(&logdir_messages);
	return done_testing();
}
