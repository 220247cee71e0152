#ifndef TH_FETCH_UNPACK_FEED_H
#define TH_FETCH_UNPACK_FEED_H

/* A stream whose beginning can be looked at before it is read. */

#include "fetch/detect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct unpack_feed {
	ssize_t (*read)(void *arg, const void **ret); /* as in struct unpack_source */
	void *arg;
	bool ended;
	int error; /* the -errno that read() has returned, and from then on unpack_feed_read() */

	/* private: what has been looked at, and what came with it */
	unsigned char begin[DETECT_BYTES];
	size_t n_begin;
	const unsigned char *rest;
	size_t n_rest;
};

/* The first DETECT_BYTES bytes, or more, or all. Their number or -errno. Before the first read. */
ssize_t unpack_feed_peek(struct unpack_feed *f, const void **ret);

/* The next bytes, lent until the next call; 0: the end; else -errno. */
ssize_t unpack_feed_read(struct unpack_feed *f, const void **ret);

/* True where nothing but zeros, n at p among them, come until the end: what fills the last block of
 * a tape. False also where the source fails, which is in f->error then. */
bool unpack_feed_is_padding(struct unpack_feed *f, const void *p, size_t n);

/* Reads to the end. 0 or -errno. */
int unpack_feed_drain(struct unpack_feed *f);

#endif
