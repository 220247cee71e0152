#include "config.h"

#include "base/alloc.h"
#include "fetch/ring.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <pthread.h>

#define RING_SIZE ((size_t)4096)

/* Byte i of the stream. */
static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761U >> 13);
}

struct writer {
	struct ring *ring;
	size_t total;
	size_t part; /* bytes in one write; 0: straight into the buffer */
	int end;     /* for ring_end() */
	int result;  /* of the last call */
	pthread_t thread;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;
	unsigned char part[1000];
	size_t done = 0;

	while (done < w->total && w->result == 0) {
		void *room = part;
		size_t n = w->part;

		if (!w->part)
			w->result = ring_reserve(w->ring, &room, &n);
		if (w->result < 0)
			break;
		if (n > w->total - done)
			n = w->total - done;
		for (size_t i = 0; i < n; i++)
			((unsigned char *)room)[i] = byte_at(done + i);
		if (w->part)
			w->result = ring_write(w->ring, part, n);
		else
			ring_commit(w->ring, n);
		done += n;
	}
	ring_end(w->ring, w->end);
	return NULL;
}

static void start(struct writer *w)
{
	if (pthread_create(&w->thread, NULL, write_all, w) != 0)
		bail("no thread");
}

static void stream(size_t total, size_t part)
{
	struct writer w = {.ring = ring_new(RING_SIZE), .total = total, .part = part};
	const void *data;
	size_t got = 0;
	bool same = true;
	ssize_t n;

	start(&w);
	while ((n = ring_read(w.ring, &data)) > 0) {
		const unsigned char *p = data;

		for (size_t i = 0; i < (size_t)n; i++)
			same = same && p[i] == byte_at(got + i);
		got += (size_t)n;
	}
	pthread_join(w.thread, NULL);
	ok(n == 0 && w.result == 0, "%zu bytes in parts of %zu end well", total, part);
	is_uint(got, total, "all came");
	ok(same, "as they were");
	ring_free(w.ring);
}

static void test_streams(void)
{
	static const size_t totals[] = {0, 1, 511, 512, 4095, 4096, 4097, 8192, 1000003};
	static const size_t parts[] = {0, 1, 7, 1000};

	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
			stream(totals[i], parts[k]);
}

static void test_limits(void)
{
	struct ring *r = ring_new(RING_SIZE);
	const void *data;
	void *room;
	size_t size, lent = 0;
	ssize_t n;

	is_int(ring_reserve(r, &room, &size), 0, "room");
	is_uint(size, RING_SIZE, "all of it");
	memset(room, 'x', size);
	ring_commit(r, size);
	n = ring_read(r, &data);
	ok(n > 0 && (size_t)n < RING_SIZE, "a reader is not lent all at once");
	lent = (size_t)n;
	ok(ring_read(r, &data) > 0, "more is lent");
	is_int(ring_reserve(r, &room, &size), 0, "what was given back");
	is_uint(size, lent, "is room again");
	ring_free(r);
}

static void test_errors(void)
{
	struct writer w = {.ring = ring_new(RING_SIZE), .total = 100, .part = 10, .end = -EIO};
	const void *data;
	ssize_t n;

	start(&w);
	do
		n = ring_read(w.ring, &data);
	while (n > 0);
	is_int(n, -EIO, "the writer's error comes");
	is_int(ring_read(w.ring, &data), -EIO, "and stays");
	ring_end(w.ring, 0);
	is_int(ring_read(w.ring, &data), -EIO, "the first end counts");
	pthread_join(w.thread, NULL);
	ring_free(w.ring);
}

static void *cancel(void *arg)
{
	ring_cancel(arg);
	return NULL;
}

static void test_cancel(void)
{
	struct writer w = {.ring = ring_new(RING_SIZE), .total = 100 * RING_SIZE, .part = 100};
	const void *data;
	pthread_t thread;
	void *room;
	size_t size;

	start(&w);
	ok(ring_read(w.ring, &data) > 0, "some is read");
	ok(!ring_is_cancelled(w.ring), "not cancelled");
	ring_cancel(w.ring);
	pthread_join(w.thread, NULL);
	is_int(w.result, -ECANCELED, "a writer without room is woken");
	ok(ring_is_cancelled(w.ring), "cancelled");
	is_int(ring_read(w.ring, &data), -ECANCELED, "nothing more is read");
	is_int(ring_reserve(w.ring, &room, &size), -ECANCELED, "or written");
	ring_free(w.ring);

	w.ring = ring_new(RING_SIZE);
	if (pthread_create(&thread, NULL, cancel, w.ring) != 0)
		bail("no thread");
	is_int(ring_read(w.ring, &data), -ECANCELED, "a waiting reader is woken");
	pthread_join(thread, NULL);
	ring_free(w.ring);
	ring_free(NULL);
}

int main(void)
{
	test_streams();
	test_limits();
	test_errors();
	test_cancel();
	return done_testing();
}
