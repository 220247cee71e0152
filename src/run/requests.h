#ifndef TH_RUN_REQUESTS_H
#define TH_RUN_REQUESTS_H

/* What others ask of a supervisor, by a signal (run/signals.h), through its socket (run/control.h)
 * or as the caller of `start` (run/caller.h), and what it does about it. Private to src/run. */

#include "run/context.h"

/* The task is to stop. `signo` is the signal that asked; 0: none. A second one at least a second
 * later cuts the grace short; HUP does not, as a closing terminal sends it twice. */
void requests_stop(struct context *c, int signo, enum stop_reason reason);

/* The process is to be ended and started anew; the delay of the restart policy ends. */
void requests_restart(struct context *c);

/* Makes the control socket. 0 or -errno with err. */
int requests_open(struct context *c, struct th_err *err);

/*
 * The same for `run`, a moment later: many of its tasks are over before anybody could ask, and a
 * client waits for the socket of whoever holds the lock. That it cannot be made is a warning then.
 */
void requests_open_soon(struct context *c);

/* The task has come to its end with `status`, and its lock is free: whoever waits is told. */
void requests_close(struct context *c, int status);

/* The signal and the grace of the stop that is under way: the task's own, or those that were asked
 * for. */
int requests_stop_signal(const struct context *c);
usec_t requests_stop_timeout(const struct context *c);

#endif
