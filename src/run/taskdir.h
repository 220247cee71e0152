#ifndef TH_RUN_TASKDIR_H
#define TH_RUN_TASKDIR_H

/*
 * The directories of one task and the lock that says that its supervisor lives: made, opened, given
 * up. Private to src/run.
 *
 *	taskdir_open_base()	STATE/records/GROUP, RUN/GROUP
 *	taskdir_lock()		RUN/GROUP/ID and the lock in it
 *	taskdir_open()		STATE/tasks/GROUP/ID and its logs
 *	taskdir_open_logs()	... taskdir_close_logs()
 *	taskdir_remove(), taskdir_remove_run()
 *	taskdir_unlock()	last of all
 */

#include "run/context.h"

/* How often to try anew where somebody removes an empty directory between our mkdir and our use of
 * it. */
#define TASKDIR_TRIES 16

/* 0 or -errno with err (EXIT_CANTCREAT). May be called again: what it had opened is replaced. */
int taskdir_open_base(struct context *c, const char *group, struct th_err *err);

/* 0: the lock is ours; -EAGAIN without err: another process holds it; else -errno with err. */
int taskdir_lock(struct context *c, const char *group, const char *id, struct th_err *err);

/* With the owners and modes that HACKING tells. May be called again where somebody has removed
 * them. */
int taskdir_open(struct context *c, struct th_err *err);
/* The same once more, with what is written there, where somebody may have removed them. */
int taskdir_reopen(struct context *c, struct th_err *err);

/* hooks.log and taskhook.log; every message goes to the latter too from here on. */
void taskdir_open_logs(struct context *c);
void taskdir_close_logs(struct context *c);

/* What the task says of its log files has changed: holds for those that are open, too. */
void taskdir_set_log_limits(struct context *c);

/* Do the logs stay when the task has ended? Also with keep = none where there are some of an
 * earlier run. */
bool taskdir_keeps_logs(const struct context *c);
/* The task's directory, but for the logs where they stay; with keep = all nothing. */
void taskdir_remove(struct context *c, bool keep_logs);
/* What is in RUN/GROUP/ID but for the lock. */
void taskdir_remove_run(struct context *c);
/* Gives the lock up, and RUN/GROUP/ID with it where it is empty. */
void taskdir_unlock(struct context *c);

#endif
