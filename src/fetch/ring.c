#include "config.h"

#include "fetch/ring.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One side is woken when this part of the buffer has been filled or emptied. */
#define RING_BATCH_DIVISOR 8
/* The reader is lent no more than this part at once, so that the writer does not wait for all. */
#define RING_LOAN_DIVISOR 4

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t filled_cond, room_cond;
	size_t size, batch, loan_max;

	/* all below belong to the lock */
	size_t head;   /* where the next byte is written */
	size_t tail;   /* the first byte that the reader has not given back */
	size_t filled; /* from tail to head */
	size_t loan;   /* the part of it that the reader holds */
	bool reader_waits, writer_waits;
	bool ended, cancelled;
	int error;

	unsigned char data[];
};

struct ring *ring_new(size_t size)
{
	struct ring *r = xcalloc(1, sizeof(*r) + size);

	/* Neither fails with default attributes (glibc, musl). */
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->filled_cond, NULL);
	(void)pthread_cond_init(&r->room_cond, NULL);
	r->size = size;
	r->batch = size / RING_BATCH_DIVISOR;
	r->loan_max = size / RING_LOAN_DIVISOR;
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	(void)pthread_cond_destroy(&r->room_cond);
	(void)pthread_cond_destroy(&r->filled_cond);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static void lock(struct ring *r)
{
	(void)pthread_mutex_lock(&r->lock);
}

static void unlock(struct ring *r)
{
	(void)pthread_mutex_unlock(&r->lock);
}

int ring_reserve(struct ring *r, void **ret, size_t *ret_size)
{
	size_t n;
	bool cancelled;

	lock(r);
	/* Once it has to wait it waits for a batch of room, else any room will do. */
	if (!r->cancelled && r->filled == r->size) {
		r->writer_waits = true;
		while (!r->cancelled && r->size - r->filled < r->batch)
			(void)pthread_cond_wait(&r->room_cond, &r->lock);
		r->writer_waits = false;
	}
	cancelled = r->cancelled;
	n = MIN(r->size - r->filled, r->size - r->head);
	unlock(r);
	if (cancelled)
		return -ECANCELED;
	*ret = r->data + r->head;
	*ret_size = n;
	return 0;
}

void ring_commit(struct ring *r, size_t n)
{
	lock(r);
	r->head += n;
	if (r->head == r->size)
		r->head = 0;
	r->filled += n;
	if (r->reader_waits && r->filled >= r->batch)
		(void)pthread_cond_signal(&r->filled_cond);
	unlock(r);
}

int ring_write(struct ring *r, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n > 0) {
		void *room;
		size_t size;
		int e = ring_reserve(r, &room, &size);

		if (e < 0)
			return e;
		size = MIN(size, n);
		memcpy(room, p, size);
		ring_commit(r, size);
		p += size;
		n -= size;
	}
	return 0;
}

void ring_end(struct ring *r, int error)
{
	lock(r);
	if (!r->ended) {
		r->ended = true;
		r->error = error;
	}
	(void)pthread_cond_signal(&r->filled_cond);
	unlock(r);
}

ssize_t ring_read(struct ring *r, const void **ret)
{
	ssize_t n;

	lock(r);
	r->tail += r->loan;
	if (r->tail == r->size)
		r->tail = 0;
	r->filled -= r->loan;
	r->loan = 0;
	if (r->writer_waits && r->size - r->filled >= r->batch)
		(void)pthread_cond_signal(&r->room_cond);
	if (!r->cancelled && !r->ended && r->filled == 0) {
		r->reader_waits = true;
		while (!r->cancelled && !r->ended && r->filled < r->batch)
			(void)pthread_cond_wait(&r->filled_cond, &r->lock);
		r->reader_waits = false;
	}
	if (r->cancelled) {
		n = -ECANCELED;
	} else if (r->ended && r->error) {
		n = r->error;
	} else {
		r->loan = MIN(r->filled, r->size - r->tail);
		r->loan = MIN(r->loan, r->loan_max);
		*ret = r->data + r->tail;
		n = (ssize_t)r->loan;
	}
	unlock(r);
	return n;
}

void ring_cancel(struct ring *r)
{
	lock(r);
	r->cancelled = true;
	(void)pthread_cond_signal(&r->filled_cond);
	(void)pthread_cond_signal(&r->room_cond);
	unlock(r);
}

bool ring_is_cancelled(struct ring *r)
{
	bool cancelled;

	lock(r);
	cancelled = r->cancelled;
	unlock(r);
	return cancelled;
}

bool ring_is_ended(struct ring *r)
{
	bool ended;

	lock(r);
	ended = r->ended;
	unlock(r);
	return ended;
}
