#ifndef TH_FETCH_UNPACK_H
#define TH_FETCH_UNPACK_H

/*
 * One stream of bytes becomes a file or a directory: copied, decompressed or unpacked, as its
 * content tells. Decompression has a thread of its own.
 *
 * The content is not trusted. Nothing is made but below the held directory, and no link is followed
 * on the way. A member is refused, and with it all, where its name is absolute or has "..", leads
 * through a link or a file, is longer than 4095 bytes or has a component over 255; where a link
 * leads outside, alone or through others; where it is a device, a FIFO or a socket, or encrypted.
 * Names are bytes and kept as such. Modes lose set-user-ID, set-group-ID and sticky, whatever the
 * umask; times are kept; owners, ACLs, extended attributes and capabilities are not taken. A later
 * member of the same name replaces an earlier one, except a directory that is not empty. The top
 * directory has mode 0755.
 */

#include "base/error.h"
#include "fetch/unpack_limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct unpack_source {
	/* The next bytes, lent until the next call; 0: the end; else -errno, which unpack_run()
	 * returns without a text. Called by one thread at a time, which need not be the one that
	 * called unpack_run(). */
	ssize_t (*read)(void *arg, const void **ret_data);
	/* Ends a read() that waits in another thread, and all after it, with -ECANCELED. */
	void (*cancel)(void *arg);
	void *arg;
};

enum unpack_mode {
	UNPACK_MODE_ANY,
	UNPACK_MODE_FILE, /* an archive must hold exactly one file */
	UNPACK_MODE_DIR,  /* a single file goes into a directory */
};

struct unpack_spec {
	int dirfd;	  /* our own, and nobody else's: mode 0700 */
	const char *name; /* what is made in it, one component; "NAME.all" is used as well */
	enum unpack_mode mode;
	const char *extract;  /* "auto" or NULL, "no", or a type (detect_parse_type()) */
	const char *subdir;   /* only this part of an archive, shell patterns allowed; NULL: all */
	const char *filename; /* of a single file, as somebody wants it; NULL */
	const char *source_name; /* of a single file, as the source has it: a suffix goes with the
				    compression; NULL */
	struct unpack_limits limits;
	struct unpack_source source;
	/* Both called by the thread that calls unpack_run(); either may be NULL. */
	void (*progress)(void *arg, uint64_t unpacked, uint64_t files);
	void (*warning)(void *arg, const char *text);
	void *arg;
};

struct unpack_result {
	bool is_dir;
	char *filename;	   /* of a file, where one is known; owned */
	uint64_t unpacked; /* bytes written, holes included */
	uint64_t files;	   /* files and links, without directories */
};

/*
 * Reads the source to its end. 0, and `name` is there; else nothing is left in the directory, and
 * -errno with err: EXIT_DATAERR for what is wrong in the data or beyond a limit, EXIT_CANTCREAT for
 * what cannot be written, EXIT_CONFIG for a spec that cannot be met; or the source's own -errno
 * with err untouched.
 */
int unpack_run(const struct unpack_spec *spec, struct unpack_result *ret, struct th_err *err);

void unpack_result_done(struct unpack_result *r);
#define _cleanup_unpack_result_ _cleanup_(unpack_result_done)

#endif
