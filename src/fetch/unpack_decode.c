#include "config.h"

#include "fetch/unpack_decode.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "fetch/ring.h"
#include "fetch/unpack_reason.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#define ZLIB_CONST /* z_stream does not write to its input */
#include <zlib.h>

/* Decompressed bytes between the two threads: small enough for a cache, large enough for writes of
 * a quarter of it. */
#define OUT_RING_SIZE ((size_t)2 << 20)

struct unpack_decoder {
	enum detect_filter filter;
	struct unpack_feed *feed;
	void (*cancel)(void *arg);
	struct ring *out;
	uint64_t max_out, n_out;
	pthread_t thread;

	/* the thread's, until it has ended */
	int result;
	struct th_err err;

	/* for the callback of libarchive */
	const unsigned char *chunk;
	size_t n_chunk;
	uint64_t n_in;
};

static const char *filter_name(const struct unpack_decoder *d)
{
	struct detect_type type = {d->filter, DETECT_FORMAT_NONE};

	return detect_type_name(type);
}

static int cut_short(struct unpack_decoder *d)
{
	return err_set(&d->err, EXIT_DATAERR, EBADMSG, "the %s data is cut short: it has no end",
		filter_name(d));
}

static int check_rest(struct unpack_decoder *d, const void *p, size_t n)
{
	if (unpack_feed_is_padding(d->feed, p, n))
		return 0;
	if (d->feed->error)
		return d->feed->error;
	return err_set(&d->err, EXIT_DATAERR, EBADMSG, "the %s data has other bytes after its end",
		filter_name(d));
}

static int count_out(struct unpack_decoder *d, size_t n)
{
	if (n > d->max_out - d->n_out)
		return err_set(&d->err, EXIT_DATAERR, EFBIG,
			"the %s data unpacks to far more than it may (max-unpacked sets the limit)",
			filter_name(d));
	d->n_out += n;
	return 0;
}

static int inflate_into_ring(struct unpack_decoder *d, z_stream *z, int *ret_end)
{
	void *room;
	size_t size, made;
	int r;

	r = ring_reserve(d->out, &room, &size);
	if (r < 0)
		return r;
	z->next_out = room;
	z->avail_out = (uInt)MIN(size, (size_t)UINT_MAX);
	size = z->avail_out;
	*ret_end = inflate(z, Z_NO_FLUSH);
	made = size - z->avail_out;
	r = count_out(d, made);
	if (r < 0)
		return r;
	ring_commit(d->out, made);
	return 0;
}

/* zlib itself, as libarchive checks neither the CRC nor the length (its TODO, up to 3.8), and as
 * this way the bytes are made where the other thread reads them. */
static int decode_members(struct unpack_decoder *d, z_stream *z)
{
	bool in_member = true;

	for (;;) {
		const void *data;
		ssize_t n = unpack_feed_read(d->feed, &data);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return in_member ? cut_short(d) : 0;
		z->next_in = data;
		z->avail_in = (uInt)n;
		do {
			int end = Z_OK, r;

			if (!in_member) {
				/* RFC 1952, 2.2: members follow each other directly. */
				if (*z->next_in != 0x1f)
					return check_rest(d, z->next_in, z->avail_in);
				(void)inflateReset(z);
				in_member = true;
			}
			r = inflate_into_ring(d, z, &end);
			if (r < 0)
				return r;
			if (end == Z_STREAM_END)
				in_member = false;
			else if (end != Z_OK && end != Z_BUF_ERROR)
				return err_set(&d->err, EXIT_DATAERR, EBADMSG,
					"the gz data is damaged: %s",
					z->msg ? z->msg : zError(end));
			/* What did not fit may still be inside zlib when all input is taken. */
		} while (z->avail_in > 0 || (in_member && z->avail_out == 0));
	}
}

static int decode_gzip(struct unpack_decoder *d)
{
	z_stream z = {0};
	int r;

	/* a gzip header and trailer, and nothing else */
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return err_set(&d->err, EXIT_INTERNAL, ENOMEM, "zlib does not start");
	r = decode_members(d, &z);
	(void)inflateEnd(&z);
	return r;
}

static la_ssize_t give_input(struct archive *a, void *arg, const void **ret)
{
	struct unpack_decoder *d = arg;
	ssize_t n = unpack_feed_read(d->feed, ret);

	if (n < 0) {
		archive_set_error(a, (int)-n, "the source failed");
		return ARCHIVE_FATAL;
	}
	d->chunk = *ret;
	d->n_chunk = (size_t)n;
	d->n_in += (size_t)n;
	return n;
}

static int support_filter(struct archive *a, enum detect_filter filter)
{
	switch (filter) {
	case DETECT_FILTER_BZIP2:
		return archive_read_support_filter_bzip2(a);
	case DETECT_FILTER_XZ:
		return archive_read_support_filter_xz(a);
	case DETECT_FILTER_ZSTD:
		return archive_read_support_filter_zstd(a);
	case DETECT_FILTER_LZ4:
		return archive_read_support_filter_lz4(a);
	case DETECT_FILTER_LZIP:
		return archive_read_support_filter_lzip(a);
	case DETECT_FILTER_LZMA:
		return archive_read_support_filter_lzma(a);
	case DETECT_FILTER_COMPRESS:
		return archive_read_support_filter_compress(a);
	case DETECT_FILTER_NONE:
	case DETECT_FILTER_GZIP:
		break;
	}
	return ARCHIVE_FATAL;
}

static int archive_failed(struct unpack_decoder *d, struct archive *a)
{
	_cleanup_free_ char *why = unpack_reason(a);

	if (d->feed->error)
		return d->feed->error;
	if (archive_errno(a) == ENOMEM)
		return err_set(&d->err, EXIT_DATAERR, ENOMEM,
			"the %s data takes more memory than there is", filter_name(d));
	return err_set(&d->err, EXIT_DATAERR, EBADMSG, "the %s data is damaged or cut short: %s",
		filter_name(d), why);
}

static int decode_blocks(struct unpack_decoder *d, struct archive *a)
{
	struct archive_entry *entry;
	uint64_t taken;
	int r;

	r = archive_read_open(a, d, NULL, give_input, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(a, &entry);
	while (r == ARCHIVE_OK) {
		const void *data;
		size_t n;
		la_int64_t offset;
		int e;

		r = archive_read_data_block(a, &data, &n, &offset);
		if (r != ARCHIVE_OK)
			break;
		e = count_out(d, n);
		if (e == 0)
			e = ring_write(d->out, data, n);
		if (e < 0)
			return e;
	}
	if (r != ARCHIVE_EOF)
		return archive_failed(d, a);
	if (archive_filter_code(a, 0) == ARCHIVE_FILTER_NONE)
		return err_set(&d->err, EXIT_DATAERR, EBADMSG,
			"the %s data is damaged: libarchive does not know it", filter_name(d));
	/* What the decompressor left of its input: it ended before the source did. */
	taken = (uint64_t)archive_filter_bytes(a, -1);
	if (d->n_in > taken && d->n_in - taken > d->n_chunk)
		return err_set(&d->err, EXIT_DATAERR, EBADMSG,
			"the %s data has other bytes after its end", filter_name(d));
	d->n_in -= taken;
	return check_rest(d, d->n_in ? d->chunk + d->n_chunk - d->n_in : NULL, (size_t)d->n_in);
}

static int decode_by_libarchive(struct unpack_decoder *d)
{
	struct archive *a = archive_read_new();
	int r;

	if (!a)
		return err_set(&d->err, EXIT_INTERNAL, ENOMEM, "libarchive does not start");
	/* Built without a library it would run a program, and say ARCHIVE_WARN. */
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
		archive_read_support_format_empty(a) != ARCHIVE_OK ||
		support_filter(a, d->filter) != ARCHIVE_OK)
		r = err_set(&d->err, EXIT_UNAVAILABLE, ENOTSUP,
			"this libarchive cannot decompress %s: fetch another form of the file",
			filter_name(d));
	else
		r = decode_blocks(d, a);
	archive_read_free(a);
	return r;
}

static void *decode(void *arg)
{
	struct unpack_decoder *d = arg;

	if (d->filter == DETECT_FILTER_GZIP)
		d->result = decode_gzip(d);
	else
		d->result = decode_by_libarchive(d);
	ring_end(d->out, d->result);
	return NULL;
}

int unpack_decoder_start(enum detect_filter filter, struct unpack_feed *feed, uint64_t max_out,
	void (*cancel)(void *arg), struct unpack_decoder **ret, struct th_err *err)
{
	struct unpack_decoder *d = xcalloc(1, sizeof(*d));
	sigset_t all, before;
	int r;

	d->filter = filter;
	d->feed = feed;
	d->cancel = cancel;
	d->max_out = max_out;
	d->out = ring_new(OUT_RING_SIZE);
	/* Signals are for the thread that was there before. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&d->thread, NULL, decode, d);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		ring_free(d->out);
		free(d);
		return err_set(err, EXIT_INTERNAL, r, "cannot start a thread: %s", strerror(r));
	}
	*ret = d;
	return 0;
}

ssize_t unpack_decoder_read(void *arg, const void **ret)
{
	struct unpack_decoder *d = arg;

	return ring_read(d->out, ret);
}

int unpack_decoder_finish(struct unpack_decoder *d, struct th_err *err)
{
	int r;

	if (!ring_is_ended(d->out)) {
		ring_cancel(d->out);
		d->cancel(d->feed->arg);
	}
	(void)pthread_join(d->thread, NULL);
	r = d->result;
	if (err_is_set(&d->err))
		(void)err_set(err, d->err.status, d->err.errnum, "%s", d->err.text);
	err_clear(&d->err);
	ring_free(d->out);
	free(d);
	return r;
}
