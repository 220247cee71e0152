#ifndef TH_RUN_RESUME_H
#define TH_RUN_RESUME_H

#include "base/error.h"
#include "model/layout.h"
#include "run/context.h"
#include "run/options.h"

/*
 * Brings down what a killed supervisor of GROUP/ID left: processes, owed hooks (post-exit and
 * post-stop with STOP_REASON=lost), cgroups, the directory; the record then says `lost`. Messages
 * bear the task's name; log_set_task() is to be called again afterwards.
 *
 * 0: it is down; 1: there was nothing to do; -EAGAIN: its supervisor lives; -EBUSY without err:
 * something cannot be killed, a warning has named it and the record says `stuck`; else -errno with
 * err. Failures of hooks are said as warnings and added to *ret_warnings (may be NULL).
 */
int resume_task(const struct layout *layout, const char *group, const char *id,
	const struct supervisor_options *options, unsigned *ret_warnings, struct th_err *err);

/* ---- shared with run/recover.c ---- */

/* Reads the record, and the task from it. 0; 1: there is none (any more): somebody has removed it,
 * or it is damaged and is set aside now; else -errno with err. */
int resume_read_task(struct context *c, const char *id, struct task **ret, struct th_err *err);
/* Opens the parent of the task's cgroup, as it was noted. 0 or -errno with err. */
int resume_open_cgroups(struct context *c, const struct live_state *l, struct th_err *err);
/* The task's user; where there is no such user any more, ourselves. */
void resume_resolve_user(struct context *c);

/* The hook that ran when its supervisor was killed has failed: that goes to hooks.jsonl, which is
 * open. False: none ran. */
bool resume_log_killed_hook(struct context *c, const struct live_state *l);

#endif
