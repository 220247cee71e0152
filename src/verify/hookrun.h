#ifndef TH_VERIFY_HOOKRUN_H
#define TH_VERIFY_HOOKRUN_H

/*
 * The record of a run: a HookRun as JSON, with the names that BlueKing and Argo Rollouts give its
 * fields. Counters that are 0 are left out, as they do.
 */

#include "base/error.h"
#include "verify/runstate.h"

#include <jansson.h>

/* The caller's. `started_usec` and `now_usec` are on the wall clock; the latter is when the run was
 * completed, if it is over. */
json_t *hookrun_to_json(const struct runstate *rs, usec_t started_usec, usec_t now_usec);

/* Replaces the file at once: readers see the old or the new record. -errno with err
 * (EXIT_CANTCREAT). */
int hookrun_write(const char *path, const json_t *record, struct th_err *err);

#endif
