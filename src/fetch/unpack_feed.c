#include "config.h"

#include "fetch/unpack_feed.h"

#include "base/macro.h"

#include <string.h>

static ssize_t read_source(struct unpack_feed *f, const void **ret)
{
	ssize_t n;

	if (f->error)
		return f->error;
	if (f->ended)
		return 0;
	n = f->read(f->arg, ret);
	if (n < 0)
		f->error = (int)n;
	else if (n == 0)
		f->ended = true;
	return n;
}

ssize_t unpack_feed_peek(struct unpack_feed *f, const void **ret)
{
	while (f->n_begin < sizeof(f->begin)) {
		const void *data = NULL;
		ssize_t n = read_source(f, &data);
		size_t part;

		if (n < 0)
			return n;
		if (n == 0)
			break;
		f->rest = data;
		f->n_rest = (size_t)n;
		if (!f->n_begin && f->n_rest >= sizeof(f->begin)) {
			*ret = f->rest;
			return n;
		}
		part = MIN(f->n_rest, sizeof(f->begin) - f->n_begin);
		memcpy(f->begin + f->n_begin, f->rest, part);
		f->n_begin += part;
		f->rest += part;
		f->n_rest -= part;
	}
	*ret = f->begin;
	return (ssize_t)f->n_begin;
}

ssize_t unpack_feed_read(struct unpack_feed *f, const void **ret)
{
	size_t n;

	if (f->n_begin) {
		*ret = f->begin;
		n = f->n_begin;
		f->n_begin = 0;
		return (ssize_t)n;
	}
	if (f->n_rest) {
		*ret = f->rest;
		n = f->n_rest;
		f->n_rest = 0;
		return (ssize_t)n;
	}
	return read_source(f, ret);
}

bool unpack_feed_is_padding(struct unpack_feed *f, const void *p, size_t n)
{
	for (;;) {
		const unsigned char *c = p;
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			if (c[i])
				return false;
		r = unpack_feed_read(f, &p);
		if (r <= 0)
			return r == 0;
		n = (size_t)r;
	}
}

int unpack_feed_drain(struct unpack_feed *f)
{
	const void *p;
	ssize_t n;

	do
		n = unpack_feed_read(f, &p);
	while (n > 0);
	return (int)n;
}
