#ifndef TH_FETCH_PACK_H
#define TH_FETCH_PACK_H

/*
 * A directory of this machine as a stream, in the form of a tar archive: so what comes from a
 * directory passes the same limits and refusals as what comes from an archive.
 */

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack_spec {
	int dirfd;
	bool without_git;   /* passes over everything named .git */
	uint64_t max_bytes; /* of all files */
	uint64_t max_depth;
	usec_t deadline_usec;
	int (*write)(void *arg, const void *data, size_t n); /* 0 or -errno: the end */
	void *arg;
};

/* Adds the bytes of files to *bytes. 0; what write() returned, err untouched; else -errno with err:
 * EXIT_DATAERR for a member that is no file, directory or link, or a limit; EXIT_UNAVAILABLE for
 * what cannot be read. */
int pack_directory(const struct pack_spec *spec, uint64_t *bytes, struct th_err *err);

#endif
