#ifndef TH_RUN_LOGRUNS_H
#define TH_RUN_LOGRUNS_H

/*
 * Where each run of a task begins in its log files, which are appended to by one run after the
 * other: LOGDIR/runs, one line for each run, written before its first hook.
 *
 *	3 2026-11-21T10:44:45.123Z stdout.log=131:1795258685.123456789:5120 stderr.log=- ...
 *
 * that is: the run's number, when it began, and for each stream the file that it began in, as
 * inode number, birth time and the file's size at that moment; "-" where there was no file yet.
 * Rotation changes a file's name but none of these, so nothing has to be noted while a task runs
 * and a SIGKILL leaves nothing half noted. Where a file's birth is not known (an old kernel or file
 * system: "0.0") the inode number has to do. After the files were copied elsewhere the runs
 * cannot be told apart any more: all of it then counts as the last.
 */

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGRUNS_FILE "runs"
/* The file is cut to the newest this many lines when there are twice as many. */
#define LOGRUNS_KEEP 128

/* The streams whose places are noted. */
extern const char *const logruns_streams[]; /* NULL-terminated */
#define LOGRUNS_STREAMS 4

/* A file, whatever its name is now, and a place in it. */
struct logplace {
	bool none; /* there was no file */
	uint64_t inode;
	int64_t birth_sec;
	uint32_t birth_nsec;
	uint64_t offset;
};

struct logrun {
	unsigned number;
	usec_t begin; /* realtime, to the millisecond */
	struct logplace place[LOGRUNS_STREAMS];
};

struct logruns {
	struct logrun *v; /* oldest first */
	size_t n;
};

/*
 * Notes that run `number` begins now. The first run of a task whose log directory holds no logs
 * writes nothing: what no line tells apart belongs to it. 0, or -errno with err (EXIT_CANTCREAT),
 * after which runs may not be told apart: worth a warning, no reason to stop.
 */
int logruns_note(int dirfd, unsigned number, usec_t realtime, struct th_err *err);

/* Reads the file: 0 also where there is none. Lines that cannot be read are passed over. */
int logruns_read(int dirfd, struct logruns *ret, struct th_err *err);
void logruns_done(struct logruns *r);
#define _cleanup_logruns_ _cleanup_(logruns_done)

/* What statx(2) tells of the file `name` (below dirfd, not through a link) or of `fd`. 0 or
 * -errno. */
int logplace_of_name(int dirfd, const char *name, struct logplace *ret);
int logplace_of_fd(int fd, struct logplace *ret);

/* "INODE:SECONDS.NANOSECONDS:OFFSET", or "-"; cuts the text up. */
bool logplace_parse(char *s, struct logplace *ret);

/* The same file, whatever the offsets. */
bool logplace_same_file(const struct logplace *a, const struct logplace *b);

#endif
