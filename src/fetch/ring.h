#ifndef TH_FETCH_RING_H
#define TH_FETCH_RING_H

/*
 * Bytes from one thread to another through a bounded buffer: one writes, one reads. Who waits is
 * woken for a batch and not for each byte, so that two threads that keep pace with each other make
 * few system calls. Neither side copies where it works in the buffer itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ring;

/* A buffer of `size` bytes, 4096 or more. */
struct ring *ring_new(size_t size);
/* Once both threads are done with it. NULL is fine. */
void ring_free(struct ring *r);

/* ---- the writing thread ---- */

/* Waits for room and lends a part of the buffer, one byte or more, until ring_commit(). 0, or
 * -ECANCELED: the reader wants no more. */
int ring_reserve(struct ring *r, void **ret, size_t *ret_size);
/* Hands the first n bytes of what was lent to the reader; n may be 0. */
void ring_commit(struct ring *r, size_t n);
/* Copies all n bytes, waiting for room. 0 or -ECANCELED. */
int ring_write(struct ring *r, const void *data, size_t n);
/* Nothing more comes. `error` is 0 or the -errno that the reader gets, at once: what it has not
 * read yet is lost then. The first call counts. */
void ring_end(struct ring *r, int error);

/* ---- the reading thread ---- */

/* Gives the bytes of the call before back and lends the next ones, until the next call. Their
 * number; 0 at the end; else the -errno of ring_end(), or -ECANCELED after ring_cancel(). */
ssize_t ring_read(struct ring *r, const void **ret);

/* ---- any thread ---- */

/* The reader wants no more; both sides get -ECANCELED from now on. */
void ring_cancel(struct ring *r);
bool ring_is_cancelled(struct ring *r);
/* ring_end() was called: the writer is done, whatever is still to be read. */
bool ring_is_ended(struct ring *r);

#endif
