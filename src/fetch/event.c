#include "config.h"

#include "fetch/event.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* The one channel of this process, as stderr is one. */
static struct {
	pthread_mutex_t lock;
	int fd;
	usec_t next_progress_usec;
	uint64_t down, total, unpacked, files;
} channel = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .total = EVENT_TOTAL_UNKNOWN};

void event_init(int fd)
{
	channel.fd = fd;
}

bool event_parent_is_gone(void)
{
	struct pollfd p = {.fd = channel.fd};

	/* a parent that only stopped to write is still there: POLLHUP comes with both ends closed
	 */
	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static json_t *json_from_count(uint64_t n)
{
	return n > INT64_MAX ? json_null() : json_integer((json_int_t)n);
}

static json_t *json_from_line(const char *s)
{
	json_t *j = json_string(s);
	_cleanup_free_ char *escaped = NULL;

	if (j)
		return j;
	escaped = str_escape(s, 0);
	return json_string(escaped);
}

static void put_text(json_t *event, const char *key, const char *s)
{
	if (s)
		(void)json_object_set_new(event, key, json_from_line(s));
}

static void put_count(json_t *event, const char *key, uint64_t n)
{
	(void)json_object_set_new(event, key, json_from_count(n));
}

/* Takes the reference. With the lock held. */
static void send_locked(json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT);
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	int r;

	json_decref(event);
	if (!text || channel.fd < 0) {
		free(text);
		return;
	}
	/* one write for a line, so that it comes whole or not at all */
	strbuf_adds(&line, text);
	strbuf_addc(&line, '\n');
	free(text);
	r = fd_write_all(channel.fd, line.s, line.len);
	if (r < 0)
		_exit(EXIT_INTERNAL);
}

/* Takes the reference. */
static void send_event(json_t *event)
{
	(void)pthread_mutex_lock(&channel.lock);
	send_locked(event);
	(void)pthread_mutex_unlock(&channel.lock);
}

static json_t *new_event(const char *name)
{
	json_t *event = json_object();

	put_text(event, "event", name);
	return event;
}

void event_start(uint64_t total, uint64_t resumed)
{
	json_t *event = new_event("start");

	put_count(event, "total", total);
	put_count(event, "resumed", resumed);
	send_event(event);
}

void event_warning(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	json_t *event = new_event("warning");
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	put_text(event, "text", text);
	send_event(event);
}

void event_retry(unsigned attempt, unsigned of, usec_t delay_usec, const char *text)
{
	json_t *event = new_event("retry");

	put_count(event, "attempt", attempt);
	put_count(event, "of", of);
	put_count(event, "delay_usec", delay_usec);
	put_text(event, "text", text);
	send_event(event);
}

static void progress_locked(void)
{
	usec_t now = clock_monotonic_usec();
	json_t *event;

	if (now < channel.next_progress_usec)
		return;
	channel.next_progress_usec = usec_add(now, EVENT_PROGRESS_USEC);
	event = new_event("progress");
	put_count(event, "down", channel.down);
	put_count(event, "total", channel.total);
	put_count(event, "unpacked", channel.unpacked);
	put_count(event, "files", channel.files);
	send_locked(event);
}

void event_progress_down(uint64_t down, uint64_t total)
{
	(void)pthread_mutex_lock(&channel.lock);
	channel.down = down;
	channel.total = total;
	progress_locked();
	(void)pthread_mutex_unlock(&channel.lock);
}

void event_progress_unpacked(uint64_t unpacked, uint64_t files)
{
	(void)pthread_mutex_lock(&channel.lock);
	channel.unpacked = unpacked;
	channel.files = files;
	progress_locked();
	(void)pthread_mutex_unlock(&channel.lock);
}

void event_done(const struct event_done *done)
{
	json_t *event = new_event("done");

	put_text(event, "kind", done->is_dir ? "dir" : "file");
	put_text(event, "filename", done->filename);
	put_count(event, "size", done->size);
	put_count(event, "unpacked", done->unpacked);
	put_count(event, "files", done->files);
	put_text(event, "digest", done->digest);
	put_text(event, "etag", done->etag);
	put_text(event, "last_modified", done->last_modified);
	send_event(event);
}

void event_unchanged(const char *digest)
{
	json_t *event = new_event("unchanged");

	put_text(event, "digest", digest);
	send_event(event);
}

int event_failed(const struct th_err *err, bool retryable)
{
	int status = err->status > 0 ? err->status : EXIT_INTERNAL;
	json_t *event = new_event("failed");

	put_count(event, "status", (uint64_t)status);
	put_text(event, "text", err_text(err));
	(void)json_object_set_new(event, "retryable", json_boolean(retryable));
	send_event(event);
	return status;
}
