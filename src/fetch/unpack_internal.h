#ifndef TH_FETCH_UNPACK_INTERNAL_H
#define TH_FETCH_UNPACK_INTERNAL_H

/* Between unpack.c, unpack_content.c and unpack_archive.c. */

#include "base/error.h"
#include "fetch/detect.h"
#include "fetch/unpack_feed.h"

#include <stdbool.h>
#include <stdint.h>

struct unpack_decoder;
struct unpack_spec;
struct unpack_tree;

struct unpack {
	const struct unpack_spec *spec;
	struct unpack_feed source;	/* as it comes */
	struct unpack_feed decoded;	/* what the decoder makes of it */
	struct unpack_feed *content;	/* one of the two */
	struct unpack_decoder *decoder; /* NULL: not compressed, or finished */
	struct detect_type type;
	bool as_is;
	char *all; /* "NAME.all": a tree that only a part of is wanted */
	uint64_t unpacked, files, unpacked_told;
};

/* ---- unpack_content.c: what is it? ---- */

/* Looks at the source's first bytes, begins to decompress them where they are compressed, and looks
 * at what comes of it: `content`, `type` and `as_is`. -errno as unpack_run(), and the decoder may
 * have begun. */
int unpack_open_content(struct unpack *u, struct th_err *err);

/* The content has been read to its end: ends the decoder, which may have found what follows it
 * wrong. 0 or -errno as unpack_run(). */
int unpack_finish_content(struct unpack *u, struct th_err *err);

/* The content has ended with an error: of the decoder, or of the source itself. Always -errno, as
 * unpack_run(). */
int unpack_content_failed(struct unpack *u, struct th_err *err);

/* ---- unpack_archive.c: through libarchive ---- */

/* Reads the content, an archive of the format u->type.format, to its end into the tree. 0 or -errno
 * as unpack_run(). */
int unpack_read_archive(struct unpack *u, struct unpack_tree *tree, struct th_err *err);

/* ---- unpack.c ---- */

/* Tells how far it is; `always` or not too often. */
void unpack_tell_progress(struct unpack *u, bool always);

/* Sets err to the (positive) errnum with which a file could not be written, EXIT_CANTCREAT. */
int unpack_cannot_write(struct th_err *err, int errnum);

#endif
