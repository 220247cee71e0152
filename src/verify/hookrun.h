#ifndef TH_VERIFY_HOOKRUN_H
#define TH_VERIFY_HOOKRUN_H

/*
 * The record of a run: a HookRun as JSON, with the names that BlueKing and Argo Rollouts give its
 * fields. Counters that are 0 are left out, as they do. Of taskhook's own: "format", and "process"
 * while the run lasts, by which --resume sees whether it still does.
 */

#include "base/error.h"
#include "verify/runstate.h"

#include <jansson.h>

/* The caller's. `started_usec` and `now_usec` are on the wall clock; the latter is when the run was
 * completed, if it is over. */
json_t *hookrun_to_json(const struct runstate *rs, usec_t started_usec, usec_t now_usec);

/*
 * The file of a record belongs to one run at a time: its descriptor, locked, or -1 where there is
 * no file yet. The caller closes it. -EBUSY with err (EXIT_BUSY): another run's, which is still
 * under way; else -errno with err (EXIT_CANTCREAT).
 */
int hookrun_own(const char *path, int *ret_fd, struct th_err *err);

/* Replaces the file at once: readers see the old or the new record. *fd, of hookrun_own(), becomes
 * the new one. -errno with err as there. */
int hookrun_write(const char *path, const json_t *record, int *fd, struct th_err *err);

#define HOOKRUN_FORMAT	 1
#define HOOKRUN_SIZE_MAX ((size_t)256 * 1024 * 1024)

/*
 * Reads a record back, also one that comes from one of the two projects (kind HookRun or
 * AnalysisRun). The caller's. -ENOENT and the like with err (EXIT_CONFIG, EXIT_NOPERM); -EBADMSG
 * with err (EXIT_DATAERR): it is damaged, or no such record.
 */
int hookrun_read(const char *path, json_t **ret, struct th_err *err);

/* An element of measurements. -EINVAL: not of the form, *ret is unset. */
int hookrun_to_measurement(const json_t *o, struct measurement *ret);

/* When it began and when it was completed, on the wall clock; 0: not told. -EINVAL: not of the
 * form.
 */
int hookrun_times(const json_t *record, usec_t *ret_started_usec, usec_t *ret_completed_usec);

/* The results of the metric `name` in a record; NULL where it has none. */
const json_t *hookrun_find_metric(const json_t *record, const char *name);

/*
 * Puts a run back to where its record says that it was: *rs, which was begun with runstate_init()
 * at `now` for a template of the same name, text and arguments, else err says what is different.
 * *ret_started_usec is when it began, on the wall clock, as `now_usec`. -EBADMSG with err
 * (EXIT_DATAERR): damaged, no record of taskhook, or another template's; -EBUSY with err
 * (EXIT_BUSY): the run is still under way.
 */
int hookrun_resume(const json_t *record, const char *path, struct runstate *rs, usec_t now,
	usec_t now_usec, usec_t *ret_started_usec, struct th_err *err);

#endif
