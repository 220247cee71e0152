#ifndef TH_RUN_RESULTFILE_H
#define TH_RUN_RESULTFILE_H

/* --result: how a task ended, as JSON for whoever started it. Private to src/run. */

#include "run/context.h"

/* Writes the record but for what is root's alone, where a file was asked for: by our command line,
 * or, as the record tells, by that of a supervisor before us. 0, or -errno; a message has said it.
 */
int resultfile_write(struct context *c);

#endif
