#include "config.h"

#include "run/hookshow.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lines of a hook that are kept, for when it fails. */
#define TAIL_LINES 50

#define PROGRESS_AFTER (3 * USEC_PER_SEC)

static void clear_progress(struct hook_shown *o)
{
	if (!o->progress_on_screen)
		return;
	(void)fd_write_all(STDERR_FILENO, "\r\033[K", 4);
	o->progress_on_screen = false;
}

static void show_progress(void *arg)
{
	struct hook_shown *o = arg;
	usec_t now = clock_monotonic_usec();
	_cleanup_free_ char *line = NULL;

	line = xasprintf("\r\033[K%s: %" PRIu64 "s of %" PRIu64 "s", o->label,
		usec_sub(now, o->since) / USEC_PER_SEC, o->timeout / USEC_PER_SEC);
	(void)fd_write_all(STDERR_FILENO, line, strlen(line));
	o->progress_on_screen = true;
	loop_set_timer(o->loop, &o->timer, now + USEC_PER_SEC, show_progress, o);
}

static void print_line(struct hook_shown *o, const char *line, size_t n)
{
	_cleanup_free_ char *text = str_escape_n(line, n, 0);
	_cleanup_free_ char *whole = xasprintf("[%s] %s\n", o->label, text);

	clear_progress(o);
	(void)fd_write_all(STDERR_FILENO, whole, strlen(whole));
}

/* A NUL would hide the rest of the line. */
static char *copy_line(const char *line, size_t n)
{
	return memchr(line, '\0', n) ? str_escape_n(line, n, 0) : xstrndup(line, n);
}

void hook_shown_tell_line(struct hook_shown *o, const char *line, size_t n)
{
	if (o->log)
		hooklog_line(o->log, o->label, line, n);
	if (*o->show == HOOK_SHOW_ALWAYS)
		print_line(o, line, n);
}

void hook_shown_take_line(struct hook_shown *o, const char *line, size_t n)
{
	hook_shown_tell_line(o, line, n);
	if (o->tail.n < TAIL_LINES) {
		strv_take(&o->tail, copy_line(line, n));
	} else {
		free(o->tail.v[o->first]);
		o->tail.v[o->first] = copy_line(line, n);
		o->first = (o->first + 1) % TAIL_LINES;
	}
}

void hook_shown_begin(struct hook_shown *o, usec_t timeout, bool progress)
{
	o->since = clock_monotonic_usec();
	o->timeout = timeout;
	if (progress && *o->show != HOOK_SHOW_NEVER)
		loop_set_timer(o->loop, &o->timer, o->since + PROGRESS_AFTER, show_progress, o);
}

void hook_shown_end(struct hook_shown *o)
{
	loop_clear_timer(o->loop, &o->timer);
	clear_progress(o);
}

static const char *tail_line(const struct hook_shown *o, size_t i)
{
	return o->tail.v[(o->first + i) % o->tail.n];
}

void hook_shown_failing(struct hook_shown *o)
{
	if (*o->show != HOOK_SHOW_FAILING)
		return;
	for (size_t i = 0; i < o->tail.n; i++)
		print_line(o, tail_line(o, i), strlen(tail_line(o, i)));
}

void hook_shown_last(const struct hook_shown *o, size_t n, struct strv *ret)
{
	for (size_t i = o->tail.n > n ? o->tail.n - n : 0; i < o->tail.n; i++)
		strv_add(ret, tail_line(o, i));
}

void hook_shown_done(struct hook_shown *o)
{
	strv_done(&o->tail);
}
