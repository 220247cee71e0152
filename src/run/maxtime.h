#ifndef TH_RUN_MAXTIME_H
#define TH_RUN_MAXTIME_H

/* max-run-time of a task, counted from its first launch, over all restarts. Private to src/run. */

#include "run/context.h"

/* Stops the task when it is over; called after each launch. */
void maxtime_begin(struct context *c);

/* How long the task has run, restarts included, where its max-run-time is `max`. */
usec_t maxtime_used(const struct context *c, usec_t max);

/* It was `before`, and is what the task says now; one that is over stops the task at once. */
void maxtime_change(struct context *c, usec_t before);

#endif
