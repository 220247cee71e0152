#ifndef TH_RUN_PUMPSTATE_H
#define TH_RUN_PUMPSTATE_H

/*
 * What a log pump has read and not written yet, in a file of RUN/GROUP/ID that is mapped, so that a
 * SIGKILL takes neither a byte of it nor the knowledge of where it belongs. The pump that comes
 * next goes on where the last one was, at whatever instruction that was: no byte is lost or written
 * twice, rotation included.
 *
 * Reading. The pump is the only reader of its FIFO, so what FIONREAD tells (ioctl_tty(2)) can be
 * read whole: all of it or, for a reader that is killed before, nothing (fs/pipe.c takes the bytes
 * under the pipe's lock and looks for signals only while the pipe is empty). Before the read a
 * canary is put where its last bytes will be. Is it gone, the read has happened. For less than a
 * canary's length the bytes are looked at first (tee(2)), and the canary is made to differ.
 *
 * Writing. The byte i of the buffer stands at `origin` + i of the log file. So the size of the file
 * tells how far a write came, and nothing has to be noted after it. What changes the origin is
 * noted: the next file (before the old one is renamed), dropped bytes, notices about them.
 *
 * Notes are made in one of two slots, and come to count by one store. The order in which they reach
 * memory is the program's: who reads them is the kernel's next process, not another processor.
 *
 * Not lost by a kill is not the same as kept for good: the file is on a tmpfs, and gone with a
 * reboot, as the FIFO is.
 */

#include "base/error.h"
#include "run/logruns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PUMPSTATE_BUFFER ((size_t)256 * 1024)

struct pumpstate;

/* Maps NAME in the held directory, made where it is not there (0600), with room for a first few
 * KiB, so that a full file system is an error here and never a SIGBUS. One of another version, or
 * damaged, is begun anew. 0, or -errno with err (EXIT_CANTCREAT). */
int pumpstate_open(int dirfd, const char *name, struct pumpstate **ret, struct th_err *err);
struct pumpstate *pumpstate_close(struct pumpstate *s); /* NULL is fine; returns NULL */

static inline void pumpstate_closep(struct pumpstate **s)
{
	*s = pumpstate_close(*s);
}
#define _cleanup_pumpstate_ _cleanup_(pumpstate_closep)

/* PUMPSTATE_BUFFER bytes. */
char *pumpstate_buffer(struct pumpstate *s);

/* What was dropped until now, as the next logfile is to go on counting it. */
struct pumpstate_drops {
	uint64_t total, unsaid;
	int errnum;
};

/*
 * Where things stand, for a log file that has just been opened: its identity and, as the offset,
 * its size. *ret_at: the first byte of the buffer that is not written; *ret_end: what was read.
 * *ret_cut: true where the file ends in a notice that is not known to be whole: it is to be cut to
 * *ret_size, and this to be called again.
 */
void pumpstate_recover(struct pumpstate *s, const struct logplace *place, size_t *ret_at,
	size_t *ret_end, struct pumpstate_drops *ret_drops, bool *ret_cut, uint64_t *ret_size);

/* Reads what the FIFO holds, as far as there is room behind `end`: the number of bytes; -EAGAIN:
 * none; -ENOSPC: memory for it cannot be had while buf[at..end) is kept; -errno. `at`: what is
 * written of the buffer, should the file be replaced by others. */
ssize_t pumpstate_read(struct pumpstate *s, int fd, size_t at, size_t end);

/* Moves buf[from..end) to the beginning of the buffer. False where it would overlap itself, which
 * a kill could not be survived in: nothing is done then. */
bool pumpstate_shift(struct pumpstate *s, size_t from, size_t end);

/* Gives the memory behind the first KiB back; the buffer is empty. */
void pumpstate_trim(struct pumpstate *s);

/* ---- for run/logfile.c: `p` is the first byte of the buffer that is not written ---- */

/* The file that is written to is about to lose its name. */
void pumpstate_begin_next(struct pumpstate *s, const char *p);
/* The next one is there, and empty. */
void pumpstate_next_begun(struct pumpstate *s, const char *p, const struct logplace *place);
/* n bytes from p on will not be written. */
void pumpstate_drop(
	struct pumpstate *s, const char *p, size_t n, const struct pumpstate_drops *drops);
/* A notice is about to be written at `size`; it is there, with n bytes; or it is not. */
void pumpstate_begin_notice(struct pumpstate *s, const char *p, uint64_t size);
void pumpstate_end_notice(struct pumpstate *s, size_t n, const struct pumpstate_drops *drops);

#endif
