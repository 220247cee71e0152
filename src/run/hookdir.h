#ifndef TH_RUN_HOOKDIR_H
#define TH_RUN_HOOKDIR_H

/*
 * Reads the hook directories for one point of one task and decides, file by file, what runs
 * (model/hook.h has the rules). Directories that are missing hold no hooks.
 *
 * What is wrong with one hook must not keep the others from running, least of all those that clean
 * up: a path that was named and cannot be run, or settings that cannot be read, make that hook
 * HOOK_UNSAFE with `misconfigured`. hookdir_check() finds the same before anything is made.
 *
 * NAME.conf stands beside NAME. One in a later directory of the search path (or of the group) wins
 * over it, so that an admin can set the timeout of a hook of the vendor without copying it.
 */

#include "base/error.h"
#include "model/hook.h"
#include "model/task.h"
#include "run/hookcache.h"

/*
 * `check_trust`: running as root (taskhook-hooks(7)). `ctx` as for hook_decide(). `cache` may be
 * NULL. `ret` is filled; a directory that cannot be read is the one error (EXIT_CONFIG,
 * EXIT_NOPERM).
 */
int hookdir_list(const struct layout *l, const struct task *t, enum hook_point point,
	const struct hook_context *ctx, bool check_trust, struct hook_cache *cache,
	struct hook_list *ret, struct th_err *err);

/* True where no directory of the search path, the group, the task file nor the command line has
 * anything for this point: the common case, answered with one stat(2) for each directory. */
bool hookdir_is_empty(const struct layout *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache);

/*
 * Before anything is made: every path that [hook NAME] or the command line names exists and can be
 * run, every NAME.conf of the points that a task passes from its start to its end is right, and the
 * users of these hooks exist. 0, or the first error (EXIT_CONFIG).
 */
int hookdir_check(
	const struct layout *l, const struct task *t, struct hook_cache *cache, struct th_err *err);

/* Of a hook with the verdict HOOK_RUN: what would make it fail at once on this host, as a missing
 * interpreter or an unknown user, for people. NULL: nothing that is known before it is run, or no
 * such verdict. The caller frees it. */
char *hookdir_problem(const struct hook *h);

#endif
