#ifndef TH_RUN_UPDATE_H
#define TH_RUN_UPDATE_H

/*
 * `update`: other values for a task that runs (taskhook-update(1)). What is not allowed is refused
 * before anything is done; then the pre-update hooks; then everything is put in place, or nothing;
 * then the post-update hooks. What needs a restart is put in place too and told after the restart.
 *
 * The live state notes what is owed before the record has the new values, so that a supervisor that
 * takes over goes on with them. Private to src/run.
 */

#include "run/context.h"

/* Does the next update that was asked for. False: there is none. */
bool update_run_next(struct context *c);

/* The task runs: the update that has restarted it is through, or that of a supervisor before us. */
void update_end_restart(struct context *c);

/* The task was not restarted: everything is as it was before the update. */
void update_cancel_restart(struct context *c, int status, const char *text);

/* For who takes over from a supervisor that was killed in the middle: the limits of the record are
 * put in place, and the post-update hooks follow when the task runs. */
void update_take_over(struct context *c, const struct live_state *l);

#endif
