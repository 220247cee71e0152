#ifndef TH_RUN_STREAMS_H
#define TH_RUN_STREAMS_H

/*
 * The standard output and standard error of a task's process, each with its log pump. A task that
 * ends with its supervisor writes into pipes. One that outlives it writes into the FIFOs
 * RUN/GROUP/ID/stdout and stderr, which belong to its user, so that it can open /dev/stdout again,
 * and which it holds open for reading too, so that it gets no SIGPIPE while nobody else reads them;
 * what was read and not written is in pump-stdout and pump-stderr beside them (run/pumpstate.h).
 * Private to src/run.
 */

#include "run/context.h"

/* Makes both, with pumps in the loop: ret_ends are for the process, to be closed after its start. 0
 * or -errno with err, and nothing is open. */
int streams_make(struct context *c, int ret_ends[2], struct th_err *err);

/* For whoever takes over: new pumps for the FIFOs, which go on where the last ones were. A stream
 * without a FIFO has none. 0 or -errno with err. */
int streams_adopt(struct context *c, struct th_err *err);

/* Holds the FIFO of stream i (0, 1) open, for whoever ends the processes that do: what is in it is
 * gone with the last of them. An fd, or -errno. */
int streams_hold(struct context *c, size_t i);

/* No process of the task is left: the pumps take what is still to be read, write it, and are gone.
 * What the logs lost is counted in the record. */
void streams_finish(struct context *c);

/* The pumps go, whatever there is to read. */
void streams_close(struct context *c);

#endif
