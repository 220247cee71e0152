#ifndef TH_RUN_LAUNCH_H
#define TH_RUN_LAUNCH_H

/* The task's process: its environment, its descriptors, its start, and its end as seen by the
 * supervisor. */

#include "run/context.h"

/* Looks the task's user and groups up (before anything is made). 0, or -errno with err:
 * EXIT_CONFIG; EXIT_NOPERM where they are not ours and we are not root. */
int launch_resolve_user(struct context *c, struct th_err *err);

/*
 * Starts the process in the task's cgroup from its first instruction, with log pumps and exit watch
 * in the loop. 0, or -errno with err: EXIT_NOT_FOUND, EXIT_CANNOT_EXEC, EXIT_CONFIG (working
 * directory, stdin), EXIT_NOPERM (user).
 */
int launch_task(struct context *c, struct th_err *err);

/* What a process of the task may do, for launch_task() and `exec`: user, groups, umask, limits.
 * What it points to belongs to the context. */
void launch_set_rights(const struct context *c, struct spawn_spec *spec);

/* Could a process have them, with the working directory `cwd`? Tries it, with one of taskhook's own
 * that is ended at once. 0, or -errno with err as launch_task(). */
int launch_try_rights(const struct context *c, const char *cwd, struct th_err *err);

/* The program that `name` stands for in the task: program_find(), with a message
 * (EXIT_CANNOT_EXEC, EXIT_NOT_FOUND). */
int launch_find_program(
	const char *name, const struct strv *env, const char *cwd, char **ret, struct th_err *err);
/* Why did the start of such a process fail? Sets err and returns it. */
int launch_explain(const struct context *c, enum spawn_step step, int r, const char *path,
	const char *cwd, struct th_err *err);

/* Fills the environment of the task's process (empty before). */
void launch_environment(const struct context *c, struct strv *ret);

/* Takes over the process that another supervisor has launched and noted in `l`. 0; 1: it has ended;
 * -errno with err. */
int launch_adopt(struct context *c, const struct live_state *l, struct th_err *err);

/*
 * After the process has ended: ends what it left (a daemon it forked, a child with setsid), drains
 * the logs, takes the final figures and fills record.outcome. 0; -EBUSY: something cannot be killed
 * (c->stuck is set, context_warn has named it).
 */
int launch_collect(struct context *c);

/* Kills the whole tree of the task and waits up to 10 s. As above. */
int launch_kill(struct context *c);

#endif
