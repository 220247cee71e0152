#ifndef TH_RUN_STAGE_H
#define TH_RUN_STAGE_H

/*
 * Stages: built-in code behind one interface at every hook point (taskhook-lifecycle(7)). The
 * engine owns order, undo, timing and messages. Adding a stage is one file and one row in stage.c.
 *
 * The stages run in the order of the table, at post-stop in reverse, so that what was made last
 * goes first. A stage's function at post-stop undoes what its function at pre-start did, also when
 * that was cut short, and may be called by another process after a crash: it must accept that there
 * is nothing to do.
 */

#include "base/error.h"
#include "model/point.h"
#include "run/context.h"

#include <stdio.h>

struct stage_ops {
	const char *name;
	/* By hook point; NULL where there is nothing to do. 0, or -errno with err. At fatal points
	 * a failure ends the point. */
	int (*at[POINT_COUNT])(struct context *c, enum hook_point point, struct th_err *err);
	/* One line for each thing that it would do at this point, for dry runs; may be NULL. */
	void (*describe)(const struct context *c, enum hook_point point, FILE *out);
};

extern const struct stage_ops *const stage_table[]; /* NULL-terminated */

/*
 * Runs a hook point through all stages. At fatal points, and where the directories of a
 * group cannot be made, it stops at the first failure and returns it. Elsewhere failures are
 * warnings (context_warn) and it goes on; the result is then 0. *ret (may be NULL) says what came
 * of the hooks.
 */
int stage_run_point(
	struct context *c, enum hook_point point, struct point_result *ret, struct th_err *err);

void stage_describe_point(const struct context *c, enum hook_point point, FILE *out);

extern const struct stage_ops stage_cgroup, stage_storage, stage_scripts;

/* Removes the group's directories (taskhook-lifecycle(7)). What is mounted inside stays and is
 * named.
 */
int stage_storage_remove_group(struct context *c, struct th_err *err);

#endif
