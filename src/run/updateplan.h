#ifndef TH_RUN_UPDATEPLAN_H
#define TH_RUN_UPDATEPLAN_H

/* What an update would change, whether it is allowed, and whether this host can do it. Changes
 * nothing. Private to src/run. */

#include "model/update.h"
#include "run/context.h"
#include "run/updates.h"

struct update_plan {
	struct task *next; /* the task as it would be */
	struct cglimits group_from;
	struct update_changes changes;
	bool changes_group, needs_restart;
};
#define UPDATE_PLAN_INIT                                                                           \
	{                                                                                          \
		.next = NULL, .group_from = CGLIMITS_INIT                                          \
	}
void update_plan_done(struct update_plan *p);
#define _cleanup_update_plan_ _cleanup_(update_plan_done)

/* What was in *ret is freed. 0 or -errno with err, whose status says why: a value is wrong, or the
 * state of the group cannot be read. */
int update_plan_make(
	struct context *c, const struct request *r, struct update_plan *ret, struct th_err *err);

/* The exit status of the worst refusal, each of which the client has been told; EXIT_OK: there is
 * none. */
int update_plan_check(struct context *c, const struct update_job *job, const struct update_plan *p);

/* Adds a line for each change. */
void update_plan_describe(const struct context *c, const struct update_plan *p, struct strv *ret);

#endif
