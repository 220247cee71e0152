#ifndef TH_BASE_FILEIO_H
#define TH_BASE_FILEIO_H

/* Small whole files, read with a limit and replaced at once. */

#include "base/clock.h"

#include <stddef.h>
#include <sys/types.h>

/* The (positive) `errnum` of a function that wants a regular file, for messages: strerror(3), where
 * it has words for it. */
const char *file_reason(int errnum);

/*
 * Reads a file whole. `dirfd` may be AT_FDCWD. Opened O_NONBLOCK | O_NOCTTY so that a FIFO or a
 * terminal cannot stall us; with FILEIO_REGULAR anything but a regular file is -EMEDIUMTYPE, with
 * FILEIO_NOFOLLOW a link is -ELOOP. More than `max` bytes: -EFBIG, nothing is returned. *ret is
 * NUL-terminated (the caller frees it), *ret_len (may be NULL) does not count that NUL.
 */
enum {
	FILEIO_REGULAR = 1 << 0,
	FILEIO_NOFOLLOW = 1 << 1,
	FILEIO_ALTERNATED = 1 << 2, /* written by file_alternate_at(): read anew if it changed
				       meanwhile (-EAGAIN: it never stopped) */
};
int file_read_at(
	int dirfd, const char *path, unsigned flags, size_t max, char **ret, size_t *ret_len);

/* Replaces (or makes) a file by a temporary name beside it and renameat2(2): readers see the old or
 * the new, whole. No fsync (HACKING, "What keeps it right"). The temporary is gone on failure. 0 or
 * -errno. */
int file_replace_at(int dirfd, const char *path, mode_t mode, const void *p, size_t n);

/*
 * As file_replace_at(), but what was there before stays, under the name `before` in the same
 * directory, and the next call writes into its space: to make and free a file for each change is
 * most of what a change costs on a file system with a journal. For one writer at a time; a reader
 * that still has the file before open would see it change and uses FILEIO_ALTERNATED. A kill at any
 * moment leaves `path` whole. 0 or -errno.
 */
int file_alternate_at(
	int dirfd, const char *path, const char *before, mode_t mode, const void *p, size_t n);

/*
 * A file that one process at a time replaces, again and again. It is locked for as long as its
 * descriptor is open (F_OFD_SETLK: fcntl_locking(2), so that reading it drops no lock), and each
 *new one is locked before it has the name. There is no lock file that a kill could leave.
 *
 *	fd = file_own_at(AT_FDCWD, path);
 *	...
 *	r = file_replace_owned_at(AT_FDCWD, path, 0644, p, n, &fd);
 */

/* The file, locked; the caller closes it. -EAGAIN: another has it; -ENOENT; -EMEDIUMTYPE: no
 * regular file; -ELOOP: a link. Where the file system knows no locks it is had without one. */
int file_own_at(int dirfd, const char *path);

/* As file_replace_at(); *fd, which is -1 where there was no file, is the new one on success, and
 * the one before is closed. What else has got the name meanwhile is replaced, too, unless another
 * has locked that: -EAGAIN. */
int file_replace_owned_at(
	int dirfd, const char *path, mode_t mode, const void *p, size_t n, int *fd);

/* Removes from a directory the temporary files that file_replace_at() made in processes that are
 * gone, and that were not written to for `min_age_usec`. Everything else stays. Returns how many.
 */
unsigned file_remove_stale_temps(int dirfd, usec_t min_age_usec);

/* Writes `s` to an existing file in one write(2), as kernel interfaces want it. 0 or -errno. */
int file_write_at(int dirfd, const char *path, const char *s);

#endif
