#ifndef TH_RUN_EXITNOTE_H
#define TH_RUN_EXITNOTE_H

/* How the process ended, as the live state has it from before the first post-exit hook until the
 * next launch: the record tells it only later, and nobody can ask the kernel twice. Private to
 * src/run. */

#include "run/context.h"

/* From record.outcome; nothing where there is no live state. */
void exitnote_make(struct context *c);

/* Into record.outcome, duration and usage; what a failed start left there is replaced. False where
 * `l` knows of no exit: then nothing has changed. */
bool exitnote_take(struct context *c, const struct live_state *l);

#endif
