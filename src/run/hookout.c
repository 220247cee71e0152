#include "config.h"

#include "run/hookout.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_BYTES ((size_t)16 * 1024)

/* As much as a pipe holds unless somebody enlarges it (pipe(7)). */
#define PIPE_BYTES ((size_t)64 * 1024)

/* Enough of a line to tell what went wrong. */
#define LAST_LINE_MAX ((size_t)1024)

struct hookout {
	struct loop *loop;
	struct loop_fd watch;
	int fd; /* -1: closed */
	hookout_line_fn fn;
	void *arg;
	struct strbuf partial; /* the beginning of a line */
	struct strbuf last;
	uint64_t bytes, told, dropped, dropped_told;
	char *buffer;
};

static bool is_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
			return false;
	return true;
}

/* `with_newline`: bytes that were read for it besides the n of the line. */
static void emit(struct hookout *o, const char *line, size_t n, size_t with_newline)
{
	if (!is_blank(line, n)) {
		strbuf_reset(&o->last);
		strbuf_add(&o->last, line, MIN(n, LAST_LINE_MAX));
	}
	if (o->told + n > HOOK_OUTPUT_MAX) {
		o->dropped += n + with_newline;
		return;
	}
	o->told += n + with_newline;
	if (o->fn)
		o->fn(o->arg, line, n);
}

static void take_bytes(struct hookout *o, const char *p, size_t n)
{
	o->bytes += n;
	while (n > 0) {
		const char *newline = memchr(p, '\n', n);
		size_t len = newline ? (size_t)(newline - p) : n;
		size_t room = HOOK_OUTPUT_LINE_MAX - o->partial.len;

		if (len > room) {
			/* A piece of a line that is too long to wait for its end. */
			strbuf_add(&o->partial, p, room);
			emit(o, o->partial.s, o->partial.len, 0);
			strbuf_reset(&o->partial);
			p += room;
			n -= room;
			continue;
		}
		if (!newline) {
			strbuf_add(&o->partial, p, len);
			return;
		}
		if (o->partial.len > 0) {
			strbuf_add(&o->partial, p, len);
			emit(o, o->partial.s, o->partial.len, 1);
			strbuf_reset(&o->partial);
		} else {
			emit(o, p, len, 1);
		}
		p += len + 1;
		n -= len + 1;
	}
}

static void close_pipe(struct hookout *o)
{
	loop_remove_fd(o->loop, &o->watch);
	o->fd = fd_close(o->fd);
}

/* One read. The number of bytes; 0: nothing there now, or closed. */
static size_t read_once(struct hookout *o)
{
	ssize_t n;

	if (o->fd < 0)
		return 0;
	do
		n = read(o->fd, o->buffer, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		take_bytes(o, o->buffer, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || errno != EAGAIN)
		close_pipe(o);
	return 0;
}

static void on_readable(void *arg, uint32_t events)
{
	struct hookout *o = arg;

	(void)events;
	(void)read_once(o);
	/* In the background nobody calls hookout_flush() at the end. */
	if (o->fd < 0)
		hookout_flush(o);
}

int hookout_open(
	struct loop *loop, hookout_line_fn fn, void *arg, struct hookout **ret, int *ret_write_fd)
{
	struct hookout *o;
	int fds[2];
	int r;

	r = fd_pipe(fds, 0);
	if (r < 0)
		return r;
	/* Our end alone: a hook must not see EAGAIN. Without it a read behind somebody who opened
	 * the pipe through /proc and took the bytes would block. */
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		r = -errno;
		goto fail;
	}
	o = xcalloc(1, sizeof(*o));
	r = loop_add_fd(loop, &o->watch, fds[0], EPOLLIN, on_readable, o);
	if (r < 0) {
		free(o);
		goto fail;
	}
	o->loop = loop;
	o->fd = fds[0];
	o->fn = fn;
	o->arg = arg;
	/* Not cleared, as most of it is never touched. */
	o->buffer = xmalloc(READ_BYTES);
	*ret = o;
	*ret_write_fd = fds[1];
	return 0;
fail:
	fd_close(fds[0]);
	fd_close(fds[1]);
	return r;
}

void hookout_redirect(struct hookout *o, hookout_line_fn fn, void *arg)
{
	o->fn = fn;
	o->arg = arg;
}

void hookout_drain(struct hookout *o)
{
	size_t left = PIPE_BYTES;

	while (left > 0) {
		size_t n = read_once(o);

		if (n == 0)
			return;
		left -= MIN(n, left);
	}
}

void hookout_flush(struct hookout *o)
{
	if (o->partial.len > 0) {
		emit(o, o->partial.s, o->partial.len, 0);
		strbuf_reset(&o->partial);
	}
	if (o->dropped > o->dropped_told && o->fn) {
		_cleanup_free_ char *text =
			xasprintf("taskhook: %llu bytes of output were dropped here: a hook may "
				  "write %llu",
				(unsigned long long)(o->dropped - o->dropped_told),
				(unsigned long long)HOOK_OUTPUT_MAX);

		o->dropped_told = o->dropped;
		o->fn(o->arg, text, strlen(text));
	}
}

bool hookout_is_closed(const struct hookout *o)
{
	return o->fd < 0;
}

uint64_t hookout_bytes(const struct hookout *o)
{
	return o->bytes;
}

uint64_t hookout_dropped(const struct hookout *o)
{
	return o->dropped;
}

char *hookout_last_line(const struct hookout *o)
{
	if (o->last.len == 0)
		return NULL;
	return str_escape_n(o->last.s, o->last.len, LAST_LINE_MAX);
}

struct hookout *hookout_free(struct hookout *o)
{
	if (!o)
		return NULL;
	close_pipe(o);
	strbuf_done(&o->partial);
	strbuf_done(&o->last);
	free(o->buffer);
	free(o);
	return NULL;
}
