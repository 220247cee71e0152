#ifndef TH_RUN_STATES_H
#define TH_RUN_STATES_H

/*
 * What is done in each state of model/state.h, as taskhook-lifecycle(7) says; what came of it is
 * the event for state_next(). Private to src/run.
 */

#include "run/context.h"

/* From `state` to a final one. The record is written in the end. */
void states_go_through(struct context *c, enum task_state state);

/* The end of a task: its directories go but for what is kept, its result is recorded. */
void states_take_down(struct context *c, bool failed);

#endif
