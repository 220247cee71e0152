#ifndef TH_RUN_PLAN_H
#define TH_RUN_PLAN_H

/* `--dry-run`: the exact sequence of a run with every budget, from the same tables that the
 * supervisor goes by. Nothing is made. */

#include "base/error.h"
#include "model/task.h"
#include "run/options.h"

#include <stdio.h>

int plan_print(const struct layout *layout, struct task *task,
	const struct supervisor_options *options, FILE *out, struct th_err *err);

/* Worst-case times of start (to the launch, and through post-start) and stop, as `hooks list`
 * prints them. */
struct plan_budget {
	usec_t start, post_start, stop;
};
int plan_budget(const struct layout *layout, struct task *task, struct plan_budget *ret,
	struct th_err *err);

#endif
