#ifndef TH_RUN_HOOKFILE_H
#define TH_RUN_HOOKFILE_H

/* One file that may be a hook: what it is, by a look at it and not by its name, and its settings.
 * What is wrong with it becomes its verdict and its reason. */

#include "model/hook.h"
#include "model/task.h"

#include <stdbool.h>

/* Looks at h->path: a mask, or what cannot run becomes HOOK_MASKED or HOOK_SKIP; a file that can
 * keeps its verdict. */
void hook_file_examine(struct hook *h);

/* The entry `name` of the directory `dir`, examined. The caller frees it. */
struct hook *hook_file_candidate(
	const char *dir, const char *name, enum hook_source source, bool from_type_dir);

/* Reads the settings of NAME.conf; what is wrong with them makes the hook HOOK_UNSAFE with
 * `misconfigured` and the settings that it would have without. */
void hook_file_apply_conf(struct hook *h, const char *conf_path, const struct task *t);

/* HOOK_SKIP, and why. */
void hook_file_skip(struct hook *h, const char *reason);
/* HOOK_UNSAFE with `misconfigured`, and why. */
void hook_file_refuse(struct hook *h, const char *reason);

#endif
