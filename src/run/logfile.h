#ifndef TH_RUN_LOGFILE_H
#define TH_RUN_LOGFILE_H

/*
 * A rotated file that is written to: stdout.log, stderr.log, hooks.log, hooks.jsonl, taskhook.log.
 *
 * NAME is the file that is written to, NAME.1 the newest older one. max_files counts all files
 * of the stream, the active one too: NAME and .1 to .(max_files - 1); with 1 a full file is begun
 * anew. Sizes are exact (model/rotate.h). What stands in the files is the stream, byte for byte;
 * the only thing ever added is the notice about dropped bytes.
 *
 * Nothing here fails upward or blocks on anything but the disk. What cannot be written (a full
 * disk, a quota, an I/O error, a rotation that fails) is dropped and counted; as soon as there is
 * room again a line in the file says so, in its place:
 *
 *	taskhook: 1234 bytes were dropped here: No space left on device
 *
 * A rotation that fails drops too and is tried again with each write, since to go on in the same
 * file would break the size that disks are planned with, and to begin it anew would lose
 * what was kept until now. A file size limit (RLIMIT_FSIZE) of 1 KiB or more that is reached
 * early becomes the size at which this file rotates. The process must ignore SIGXFSZ.
 */

#include "base/error.h"
#include "run/pumpstate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOGFILE_MODE 0640

struct logfile;

/*
 * Opens NAME in the held directory, or makes it, and goes on at its end: what is there counts
 * in the size. `dirfd` is not taken and must stay open until logfile_close(). Errors, with err
 * (EXIT_CANTCREAT): -ELOOP a link is in the way, -EMEDIUMTYPE (or what open(2) says: -EISDIR,
 * -ENXIO) something else that is no regular file, -errno.
 */
int logfile_open(int dirfd, const char *name, uint64_t max_size, unsigned max_files,
	struct logfile **ret, struct th_err *err);

/* The owner of this file, if it differs, and of those that follow. (uid_t)-1 and (gid_t)-1 leave
 * that half alone, as in chown(2). 0 or -errno; a later failure is said once. */
int logfile_set_owner(struct logfile *f, uid_t uid, gid_t gid);

/*
 * From now on all that is written comes from the buffer of `s` (run/pumpstate.h, not taken), where
 * it is noted so that another process can go on after a kill. Goes on with what such a one has
 * noted: *ret_at and *ret_end are what is still to be written.
 */
void logfile_set_state(struct logfile *f, struct pumpstate *s, size_t *ret_at, size_t *ret_end);

/* Other limits, from the next write and the next rotation on. */
void logfile_set_limits(struct logfile *f, uint64_t max_size, unsigned max_files);

/*
 * Writes, rotating where it must. Returns the number of bytes taken, written or dropped; the rest,
 * always less than ROTATE_LINE_MAX, is an unfinished line near the end of the file: the caller
 * keeps it and offers it again with what follows. With `flush` all is taken.
 */
size_t logfile_write(struct logfile *f, const char *p, size_t n, bool flush);

/* Where the next byte goes. */
void logfile_place(struct logfile *f, struct logplace *ret);

/* Bytes dropped since the open, and the errno of the last drop (0: none). */
uint64_t logfile_dropped(const struct logfile *f);
int logfile_dropped_errno(const struct logfile *f);

/* Says what was dropped if there is room now, and closes. NULL is fine; returns NULL. */
struct logfile *logfile_close(struct logfile *f);

static inline void logfile_closep(struct logfile **f)
{
	*f = logfile_close(*f);
}
#define _cleanup_logfile_ _cleanup_(logfile_closep)

#endif
