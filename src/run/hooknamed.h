#ifndef TH_RUN_HOOKNAMED_H
#define TH_RUN_HOOKNAMED_H

/* Hooks that a task file ([hook NAME]) or the command line names by their path: a file, or a
 * directory of them. What was named has to be there and to run, so what is not becomes HOOK_UNSAFE
 * with `misconfigured`. */

#include "base/error.h"
#include "model/hook.h"
#include "model/task.h"
#include "run/hookcache.h"

#include <stdbool.h>

/* Does anything name a hook for this point? */
bool hook_named_is_any(const struct task *t, enum hook_point point);

/* Adds them all, those of the task file first. 0; -errno with err: a named directory cannot be read
 * (hook_cache_list()). */
int hook_named_add(struct hook_list *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache, struct th_err *err);

#endif
