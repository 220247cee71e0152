#ifndef TH_FETCH_UNPACK_DECODE_H
#define TH_FETCH_UNPACK_DECODE_H

/*
 * Decompression in a thread of its own. The stream must be whole: what is cut short, damaged, or
 * followed by anything but zeros is an error. Several compressed streams one after the other are
 * one, as their programs take them.
 */

#include "base/error.h"
#include "fetch/detect.h"
#include "fetch/unpack_feed.h"

#include <stdint.h>
#include <sys/types.h>

struct unpack_decoder;

/* Starts to decompress what `feed` has, which belongs to the decoder until unpack_decoder_finish().
 * More than `max_out` bytes are an error. `cancel` ends a read of the feed's source (struct
 * unpack_source). 0; -errno with err. */
int unpack_decoder_start(enum detect_filter filter, struct unpack_feed *feed, uint64_t max_out,
	void (*cancel)(void *arg), struct unpack_decoder **ret, struct th_err *err);

/* For struct unpack_feed: the decompressed bytes. `arg` is the decoder. */
ssize_t unpack_decoder_read(void *arg, const void **ret);

/* Ends the thread, also one that is not done, and frees the decoder. 0; -ECANCELED: it was not
 * done; -errno with err, EXIT_DATAERR; or the -errno of the feed without a text. */
int unpack_decoder_finish(struct unpack_decoder *d, struct th_err *err);

#endif
