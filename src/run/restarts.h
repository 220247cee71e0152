#ifndef TH_RUN_RESTARTS_H
#define TH_RUN_RESTARTS_H

/* What lies between two processes of one task: the policy's decision, the delay, and what of the
 * last process is put away before the next. Private to src/run. */

#include "run/context.h"

/*
 * After the process has ended and its post-exit hooks have run: EVENT_OK (the end), EVENT_RETRY
 * (the policy wants another) or EVENT_RESTART (one was asked for).
 */
enum task_event restarts_after_exit(struct context *c);

/* A restart failed before its launch: EVENT_RETRY where the policy tries again, which `why` is said
 * with, and emptied; else EVENT_FAILED, and nothing has changed. */
enum task_event restarts_after_failure(struct context *c, const char *why);

/* Waits for the delay: EVENT_OK, EVENT_STOP, or EVENT_RESTART (asked for: no longer). Meanwhile
 * `meanwhile` does what else there is to do, and says whether there was something. */
enum task_event restarts_wait(struct context *c, bool (*meanwhile)(struct context *c));

/* The outcome becomes record.last_exit. */
void restarts_keep_exit(struct context *c);

/* Begins the next run: what the last one was is kept in record.last_exit, all else is as before the
 * first. */
void restarts_begin(struct context *c);

/* A restart was stopped before its launch: the task has ended as it last did. */
void restarts_give_up(struct context *c);

/* The hooks of the command line of a restart that is through: they were for it alone. */
void restarts_drop_hooks(struct context *c);

/* Everybody who asked for a restart is told; its hooks are dropped before. */
void restarts_answer(struct context *c, int status, const char *text);

#endif
