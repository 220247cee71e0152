#ifndef TH_RUN_HOOKDIR_H
#define TH_RUN_HOOKDIR_H

/*
 * Reads the hook directories for one point of one task and decides, file by file, what runs
 * (model/hook.h has the rules). Directories that are missing hold no hooks. A directory that cannot
 * be read, a NAME.conf that is wrong and an explicit path that does not exist are errors
 * (EXIT_CONFIG).
 */

#include "base/error.h"
#include "model/hook.h"
#include "model/task.h"

/* Directory listings, trust checks and parsed NAME.conf files remembered over the points of one
 * task; stale entries are noticed by the directory's mtime and the file's size and mtime. */
struct hook_cache;
struct hook_cache *hook_cache_new(void);
struct hook_cache *hook_cache_free(struct hook_cache *c);

/* `check_trust`: running as root (DESIGN 4). `ctx` as for hook_decide(). */
int hookdir_list(const struct layout *l, const struct task *t, enum hook_point point,
	const struct hook_context *ctx, bool check_trust, struct hook_cache *cache,
	struct hook_list *ret, struct th_err *err);

/* True where no directory of the search path, the group, the task file nor the command line has
 * anything for this point: the common case, answered with one stat(2) for each directory. */
bool hookdir_is_empty(const struct layout *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache);

#endif
