#include "config.h"

#include "run/logpump.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Reads in one go before the loop gets its turn again. */
#define BURST		  16
#define DROP_REPORT_USEC  (10 * USEC_PER_SEC)
#define PIPE_DEFAULT_SIZE ((size_t)64 * 1024) /* pipe(7) */

enum copy_kind {
	COPY_UNOPENED, /* nothing to copy yet */
	COPY_NONE,
	COPY_DIRECT,   /* never blocks: a regular file, or our own non-blocking description */
	COPY_SOCKET,   /* send(2) has a flag for it */
	COPY_CAUTIOUS, /* a blocking description that we share and may not change */
};

struct copy {
	enum copy_kind kind;
	int fd;
	int own_fd;   /* closed by us, or -1 */
	size_t piece; /* COPY_CAUTIOUS: what a writable fd takes without waiting */
	const char *name;
	struct loop_fd watch; /* active while the reader is slow */
};

struct logpump {
	struct loop *loop;
	struct logfile *file;
	struct logindex *index;
	enum log_stream stream;
	struct copy copy;
	int source_fd; /* -1: it has ended, or is not read any more */
	struct loop_fd source;
	bool asked; /* for bytes, not only for the end */
	/* One at a time: rest after a short read, or give the idle buffer back. */
	struct loop_timer gather, idle;
	struct loop_timer hold; /* the file's unfinished line has waited long enough */

	/* buf[file_at..end) is for the file, buf[copy_at..end) for the copy. */
	char *buf;		 /* NULL: not mapped */
	struct pumpstate *state; /* whose buffer it is; NULL: our own */
	size_t file_at, copy_at, end;

	size_t half_full; /* of the pipe: as much as that means that its writer may have to wait */
	bool enlarged;
	bool finishing;
	uint64_t dropped_told;
	usec_t dropped_told_at;
	void (*dropped)(void *arg, uint64_t total, int errnum);
	void *arg;
};

static void read_burst(struct logpump *p);

/* ---- the copy ------------------------------------------------------------------------------- */

/*
 * O_NONBLOCK belongs to the open file description, which we share with our caller's shell: it must
 * not be set there. A pipe or terminal is opened once more through /proc to get a description of
 * our own (proc(5), /proc/PID/fd). A regular file is not, as its offset is shared on purpose, and
 * it never blocks.
 */
static void copy_open(struct copy *c)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct stat st;
	int flags;

	c->kind = COPY_NONE;
	if (c->fd < 0 || fstat(c->fd, &st) < 0 || fd_is_null(c->fd))
		return;
	flags = fcntl(c->fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return;
	if (S_ISSOCK(st.st_mode)) {
		c->kind = COPY_SOCKET;
		return;
	}
	c->kind = COPY_DIRECT;
	if (S_ISREG(st.st_mode) || (flags & O_NONBLOCK))
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", c->fd);
	c->own_fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (c->own_fd >= 0) {
		c->fd = c->own_fd;
		return;
	}
	/* Writable means room for PIPE_BUF bytes in a pipe (pipe(7)); a terminal promises less. */
	c->kind = COPY_CAUTIOUS;
	c->piece = S_ISFIFO(st.st_mode) ? PIPE_BUF : 256;
}

static void copy_end(struct logpump *p)
{
	struct copy *c = &p->copy;

	loop_remove_fd(p->loop, &c->watch);
	c->own_fd = fd_close(c->own_fd);
	c->kind = COPY_NONE;
	p->copy_at = p->end;
}

static ssize_t copy_write_piece(const struct copy *c, const char *p, size_t n)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLOUT};

	switch (c->kind) {
	case COPY_SOCKET:
		return send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	case COPY_CAUTIOUS:
		if (poll(&pfd, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		return write(c->fd, p, MIN(n, c->piece));
	case COPY_DIRECT:
	case COPY_UNOPENED:
	case COPY_NONE:
	default:
		return write(c->fd, p, n);
	}
}

/* Gives the copy what it takes without waiting. */
static void copy_write(struct logpump *p)
{
	if (p->copy.kind == COPY_UNOPENED && p->copy_at < p->end)
		copy_open(&p->copy);
	while (p->copy.kind != COPY_NONE && p->copy_at < p->end) {
		ssize_t w = copy_write_piece(&p->copy, p->buf + p->copy_at, p->end - p->copy_at);

		if (w >= 0) {
			p->copy_at += (size_t)w;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		if (errno == EPIPE)
			log_warning(
				"%s has no reader any more, continuing without it", p->copy.name);
		else
			log_warning("cannot write to %s: %s, continuing without it", p->copy.name,
				strerror(errno));
		copy_end(p);
	}
	if (p->copy.kind == COPY_NONE)
		p->copy_at = p->end;
}

static bool copy_is_behind(const struct logpump *p)
{
	return p->copy_at < p->end;
}

/* ---- the buffer ----------------------------------------------------------------------------- */

static void buffer_release(struct logpump *p)
{
	if (p->state) {
		pumpstate_trim(p->state);
		p->file_at = p->copy_at = p->end = 0;
		return;
	}
	if (p->buf)
		(void)munmap(p->buf, LOGPUMP_BUFFER);
	p->buf = NULL;
	p->file_at = p->copy_at = p->end = 0;
}

/* Room at the end, at least half of the buffer: neither the file (less than ROTATE_LINE_MAX is
 * held back) nor the copy (reading waits for it) is ever far behind. */
static int buffer_make_room(struct logpump *p)
{
	size_t at = MIN(p->file_at, p->copy_at);

	if (!p->buf) {
		void *m = mmap(NULL, LOGPUMP_BUFFER, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (m == MAP_FAILED)
			return -errno;
		p->buf = m;
	}
	/* What cannot be moved is less than half, and so leaves room behind it. */
	if (p->state && !pumpstate_shift(p->state, at, p->end))
		return 0;
	if (at > 0) {
		if (!p->state)
			memmove(p->buf, p->buf + at, p->end - at);
		p->file_at -= at;
		p->copy_at -= at;
		p->end -= at;
	}
	return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

static void tell_dropped(struct logpump *p)
{
	uint64_t total = logfile_dropped(p->file);
	usec_t now;

	if (total == p->dropped_told || !p->dropped)
		return;
	now = clock_monotonic_usec();
	if (p->dropped_told > 0 && now < usec_add(p->dropped_told_at, DROP_REPORT_USEC))
		return;
	p->dropped_told = total;
	p->dropped_told_at = now;
	p->dropped(p->arg, total, logfile_dropped_errno(p->file));
}

static void on_hold(void *arg);

static void file_write(struct logpump *p, bool flush)
{
	if (!p->file) {
		p->file_at = p->end;
		return;
	}
	if (p->file_at < p->end) {
		p->file_at +=
			logfile_write(p->file, p->buf + p->file_at, p->end - p->file_at, flush);
		tell_dropped(p);
	}
	/* The first unfinished byte counts: the timer is not moved by what follows. */
	if (p->file_at == p->end)
		loop_clear_timer(p->loop, &p->hold);
	else if (!p->hold.active)
		loop_set_timer(p->loop, &p->hold,
			usec_add(clock_monotonic_usec(), LOGPUMP_HOLD_USEC), on_hold, p);
}

static void on_hold(void *arg)
{
	file_write(arg, true);
}

/* ---- the source ----------------------------------------------------------------------------- */

static void source_end(struct logpump *p)
{
	loop_remove_fd(p->loop, &p->source);
	loop_clear_timer(p->loop, &p->gather);
	p->source_fd = fd_close(p->source_fd);
	file_write(p, true);
}

static void note_gather(struct logpump *p)
{
	usec_t now = p->index && p->file ? clock_monotonic_usec() : 0;
	struct logplace place;

	if (!now || !logindex_is_due(p->index, p->stream, now))
		return;
	logfile_place(p->file, &place);
	/* Behind what is held back. */
	place.offset += p->end - p->file_at;
	logindex_note(p->index, p->stream, &place, now);
}

static ssize_t read_noted(struct logpump *p)
{
	ssize_t n = pumpstate_read(p->state, p->source_fd, p->file_at, p->end);

	if (n != -ENOSPC)
		return n;
	/* The file system of the state is full: without what is held back there is room. */
	file_write(p, true);
	(void)buffer_make_room(p);
	return pumpstate_read(p->state, p->source_fd, p->file_at, p->end);
}

static ssize_t read_plain(struct logpump *p)
{
	ssize_t n;

	do
		n = read(p->source_fd, p->buf + p->end, LOGPUMP_BUFFER - p->end);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Reads once and hands on. The number of bytes, 0 at the end, -errno. */
static ssize_t read_once(struct logpump *p)
{
	ssize_t n = buffer_make_room(p);

	if (n < 0)
		return n;
	n = p->state ? read_noted(p) : read_plain(p);
	if (n < 0)
		return n;
	if (n > 0)
		note_gather(p);
	p->end += (size_t)n;
	copy_write(p);
	file_write(p, false);
	return n;
}

static void on_idle(void *arg)
{
	struct logpump *p = arg;

	if (p->file_at == p->end && p->copy_at == p->end)
		buffer_release(p);
	else
		loop_set_timer(p->loop, &p->idle,
			usec_add(clock_monotonic_usec(), LOGPUMP_IDLE_USEC), on_idle, p);
}

static void on_readable(void *arg, uint32_t events);

static void wait_for_source(struct logpump *p)
{
	int r;

	if (p->source.active)
		r = loop_change_fd(p->loop, &p->source, EPOLLIN);
	else
		r = loop_add_fd(p->loop, &p->source, p->source_fd, EPOLLIN, on_readable, p);
	if (r < 0) {
		log_warning(
			"cannot wait for a task's output: %s, continuing without it", strerror(-r));
		source_end(p);
		return;
	}
	p->asked = true;
	if (!p->idle.active)
		loop_set_timer(p->loop, &p->idle,
			usec_add(clock_monotonic_usec(), LOGPUMP_IDLE_USEC), on_idle, p);
}

static void on_gather(void *arg)
{
	read_burst(arg);
}

/* Reads again in `usec`, whether or not there is something by then. */
static void rest(struct logpump *p, usec_t usec)
{
	loop_set_timer(p->loop, &p->gather, usec_add(clock_monotonic_usec(), usec), on_gather, p);
}

static void resume_source(struct logpump *p)
{
	if (p->source_fd >= 0 && !p->finishing)
		rest(p, 0);
}

static void on_copy_writable(void *arg, uint32_t events)
{
	struct logpump *p = arg;

	(void)events;
	copy_write(p);
	if (copy_is_behind(p))
		return;
	loop_remove_fd(p->loop, &p->copy.watch);
	resume_source(p);
}

/* Waits for the reader of the copy instead of for more. */
static void wait_for_copy(struct logpump *p)
{
	int r = 0;

	/* Watched, the end of the pipe would be reported again and again (epoll_ctl(2), EPOLLHUP).
	 */
	loop_remove_fd(p->loop, &p->source);
	if (!p->copy.watch.active)
		r = loop_add_fd(p->loop, &p->copy.watch, p->copy.fd, EPOLLOUT, on_copy_writable, p);
	if (r == 0)
		return;
	log_warning("cannot wait for %s: %s, continuing without it", p->copy.name, strerror(-r));
	copy_end(p);
	resume_source(p);
}

static void read_burst(struct logpump *p)
{
	for (int i = 0; i < BURST && p->source_fd >= 0; i++) {
		ssize_t n = read_once(p);

		if (n == -EAGAIN) {
			wait_for_source(p);
			return;
		}
		if (n <= 0) {
			if (n < 0)
				log_warning(
					"cannot read a task's output: %s, continuing without it",
					strerror((int)-n));
			source_end(p);
			if (copy_is_behind(p))
				wait_for_copy(p);
			return;
		}
		if (copy_is_behind(p)) {
			wait_for_copy(p);
			return;
		}
		if ((size_t)n < p->half_full) {
			rest(p, LOGPUMP_GATHER_USEC);
			return;
		}
		if (!p->enlarged) {
			p->enlarged = true;
			p->half_full = (size_t)fd_pipe_enlarge(p->source_fd, LOGPUMP_PIPE_SIZE) / 2;
			p->half_full = MIN(p->half_full, LOGPUMP_BUFFER / 2);
		}
	}
	rest(p, 0);
}

static void on_readable(void *arg, uint32_t events)
{
	struct logpump *p = arg;

	loop_clear_timer(p->loop, &p->idle);
	loop_clear_timer(p->loop, &p->gather);
	/* Bytes would be told of: this is the end alone, and finding it needs no buffer. */
	if (p->asked && !(events & EPOLLIN)) {
		source_end(p);
		return;
	}
	/* Not asked for again until a read finds nothing: while data flows the timer alone paces
	 * the reads, without a system call for the loop. */
	p->asked = false;
	(void)loop_change_fd(p->loop, &p->source, 0);
	read_burst(p);
}

/* ---- outside -------------------------------------------------------------------------------- */

/* Goes on where the pump before us was. */
static void take_state(struct logpump *p, struct pumpstate *state)
{
	p->state = state;
	p->buf = pumpstate_buffer(state);
	if (!p->file)
		return;
	logfile_set_state(p->file, state, &p->file_at, &p->end);
	p->dropped_told = logfile_dropped(p->file);
	p->copy_at = p->end;
	if (p->file_at < p->end)
		file_write(p, false);
	loop_set_timer(
		p->loop, &p->idle, usec_add(clock_monotonic_usec(), LOGPUMP_IDLE_USEC), on_idle, p);
}

int logpump_new(const struct logpump_spec *spec, struct logpump **ret, struct th_err *err)
{
	_cleanup_close_ int fd = spec->source_fd;
	_cleanup_logfile_ struct logfile *file = spec->file;
	_cleanup_pumpstate_ struct pumpstate *state = spec->state;
	struct logpump *p;
	int on = 1, r;

	if (ioctl(fd, FIONBIO, &on) < 0)
		return err_set(err, EXIT_INTERNAL, errno, "cannot read a task's output: %m");
	p = xcalloc(1, sizeof(*p));
	r = loop_add_fd(spec->loop, &p->source, fd, EPOLLIN, on_readable, p);
	if (r < 0) {
		free(p);
		return err_set(err, EXIT_INTERNAL, -r, "cannot wait for a task's output: %s",
			strerror(-r));
	}
	p->loop = spec->loop;
	p->source_fd = TAKE_FD(fd);
	p->asked = true;
	p->file = TAKE_PTR(file);
	p->index = spec->index;
	p->stream = spec->stream;
	p->copy = (struct copy){.fd = spec->copy_fd, .own_fd = -1, .name = spec->copy_name};
	p->half_full = PIPE_DEFAULT_SIZE / 2;
	p->dropped = spec->dropped;
	p->arg = spec->arg;
	if (state)
		take_state(p, TAKE_PTR(state));
	*ret = p;
	return 0;
}

void logpump_set_limits(struct logpump *p, uint64_t max_size, unsigned max_files)
{
	if (p->file)
		logfile_set_limits(p->file, max_size, max_files);
}

bool logpump_is_done(const struct logpump *p)
{
	return p->source_fd < 0 && p->file_at == p->end && p->copy_at == p->end;
}

/* Ends the watching; what the pipe holds now is all that is still read, as whoever holds its other
 * end may write for ever. */
static size_t begin_finish(struct logpump *p)
{
	int unread = 0;

	p->finishing = true;
	loop_remove_fd(p->loop, &p->source);
	loop_clear_timer(p->loop, &p->gather);
	loop_clear_timer(p->loop, &p->idle);
	if (p->source_fd >= 0 && ioctl(p->source_fd, FIONREAD, &unread) < 0)
		return 0;
	return (size_t)unread;
}

/* Reads once more; what is unread then. */
static size_t read_rest(struct logpump *p, size_t unread)
{
	ssize_t n = read_once(p);

	return n <= 0 ? 0 : unread - MIN(unread, (size_t)n);
}

void logpump_drain(struct logpump *p, const bool *give_up)
{
	size_t unread = begin_finish(p);

	for (;;) {
		while (copy_is_behind(p) && !*give_up) {
			wait_for_copy(p);
			if (copy_is_behind(p) && loop_run(p->loop, USEC_INFINITY) < 0)
				return;
		}
		if (unread == 0 || *give_up)
			return;
		unread = read_rest(p, unread);
	}
}

/* `unread`: what the pipe still holds. */
static void finish_copy(struct logpump *p, usec_t deadline, size_t unread)
{
	while (copy_is_behind(p)) {
		wait_for_copy(p);
		if (!copy_is_behind(p))
			return;
		if (clock_monotonic_usec() >= deadline || loop_run(p->loop, deadline) < 0) {
			log_warning("%s took too long, %zu bytes are not shown there", p->copy.name,
				p->end - p->copy_at + unread);
			copy_end(p);
		}
	}
}

void logpump_finish(struct logpump *p, usec_t deadline)
{
	size_t unread = begin_finish(p);

	finish_copy(p, deadline, unread);
	while (unread > 0) {
		unread = read_rest(p, unread);
		finish_copy(p, deadline, unread);
	}
	if (p->source_fd >= 0)
		source_end(p);
}

uint64_t logpump_dropped(const struct logpump *p)
{
	return p->file ? logfile_dropped(p->file) : 0;
}

const void *logpump_buffer(const struct logpump *p)
{
	return p->buf;
}

struct logpump *logpump_free(struct logpump *p)
{
	if (!p)
		return NULL;
	p->finishing = true;
	if (p->source_fd >= 0)
		source_end(p);
	file_write(p, true);
	copy_write(p);
	copy_end(p);
	loop_clear_timer(p->loop, &p->idle);
	loop_clear_timer(p->loop, &p->hold);
	if (!p->state)
		buffer_release(p);
	logfile_close(p->file);
	pumpstate_close(p->state);
	free(p);
	return NULL;
}
