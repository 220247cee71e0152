#ifndef TH_RUN_LOGPUMP_H
#define TH_RUN_LOGPUMP_H

/*
 * One stream of a task: read from a pipe, or from a FIFO that outlives the supervisor, written
 * to LOGDIR/BASE with rotation (run/logfile.h), and copied to our own stdout or stderr for `run`.
 * Never blocks the supervisor: the pipe is non-blocking; a copy whose reader is slow pauses the
 * reading of this stream (back-pressure as in any pipeline), never the loop.
 *
 * Small writes are gathered: after a short read the stream rests for LOGPUMP_GATHER_USEC, as a
 * read for each 100 bytes costs five times the CPU (measured; splice(2) into a file is slower than
 * read and write). An unfinished line near the end of a file is held back for LOGPUMP_HOLD_USEC
 * at most; the copy gets everything at once.
 *
 * The buffer is mapped with the first byte and given back when the stream has been idle for
 * LOGPUMP_IDLE_USEC, and the pipe is enlarged only when it was found half full, so that a task
 * that says little costs little.
 *
 * With a `state` (run/pumpstate.h) another process can go on after this one was killed, without a
 * byte lost or written twice. Its source is a FIFO, opened for reading and writing: it has no end
 * then, as a reader that opens it after its last writer would not see one either. Who knows that
 * no writer is left calls logpump_finish().
 *
 * The process must ignore SIGPIPE.
 */

#include "base/clock.h"
#include "base/error.h"
#include "os/loop.h"
#include "run/logfile.h"
#include "run/logindex.h"
#include "run/pumpstate.h"

#include <stdbool.h>
#include <stdint.h>

#define LOGPUMP_GATHER_USEC ((usec_t)200)
#define LOGPUMP_HOLD_USEC   (250 * USEC_PER_MSEC)
#define LOGPUMP_IDLE_USEC   (2 * USEC_PER_SEC)
#define LOGPUMP_PIPE_SIZE   (1024 * 1024)
#define LOGPUMP_BUFFER	    PUMPSTATE_BUFFER

struct logpump;

struct logpump_spec {
	struct loop *loop;
	int source_fd;		 /* taken; made non-blocking */
	struct logfile *file;	 /* taken; NULL: no file (`[logs] to = none`) */
	int copy_fd;		 /* 1 or 2, or -1; not taken. Skipped where it is the null device */
	const char *copy_name;	 /* "standard output", for the one message when it is gone */
	struct pumpstate *state; /* taken; NULL: a kill loses what was read and not written */
	struct logindex *index;	 /* of both streams, not taken; NULL: none */
	enum log_stream stream;	 /* which of them */
	/* After a first drop of the file, and each 10 s in which more is dropped; may be NULL. */
	void (*dropped)(void *arg, uint64_t total, int errnum);
	void *arg;
};

/* 0, or -errno with err; source, file and state are taken also then. */
int logpump_new(const struct logpump_spec *spec, struct logpump **ret, struct th_err *err);

/* logfile_set_limits() of its file, where it has one. */
void logpump_set_limits(struct logpump *p, uint64_t max_size, unsigned max_files);

/* True once the source has ended and all is written. */
bool logpump_is_done(const struct logpump *p);

/*
 * For the end of a task whose output is read slowly, in a pager perhaps: reads what the pipe holds
 * now and runs the loop until the copy has all of it, as any program in a pipeline would, or until
 * *give_up is true. logpump_finish() must follow; the source is not watched any more.
 */
void logpump_drain(struct logpump *p, const bool *give_up);

/*
 * For the end of a task whose children may keep the pipe open: reads until the pipe is empty,
 * writes and copies all of it, running the loop while the copy is slow, at most until `deadline`
 * (monotonic). Then what the pipe holds goes to the file alone, and what the copy did not take is
 * said once. Afterwards nothing is watched any more.
 */
void logpump_finish(struct logpump *p, usec_t deadline);

/* Bytes that the file did not take. */
uint64_t logpump_dropped(const struct logpump *p);

/* Where the buffer is, NULL while there is none of our own: for tests, which look whether it is
 * mapped. */
const void *logpump_buffer(const struct logpump *p);

/* NULL is fine; returns NULL. What was read is written to the file; the copy gets what it takes
 * at once. */
struct logpump *logpump_free(struct logpump *p);

#endif
