#ifndef TH_RUN_ARTIFACTS_H
#define TH_RUN_ARTIFACTS_H

/*
 * The artifacts of a task, fetched once for its group: whoever comes first fetches, the others wait
 * for it, and take over when it dies.
 *
 *	RUN/GROUP/_artifact.NAME	the lock, held while it is fetched
 *	RUN/GROUP/_attempt.NAME		who fetches it, or why he could not:
 *		{"attempt": "PID.TICKS", "origin": ..., "status": N, "reason": ...}
 *	RUN/GROUP/_publish		the lock, held while something is published in the group
 *	STATE/tasks/GROUP/_artifacts/	what is there, 0700
 *		NAME.json {"format": 1, "boot_id", "state": "published"|"publishing", "task",
 *			"origin", "definition": {...}, "digest", "etag", "last_modified", "size",
 *"files", "usec", "uid", "gid"} NAME.list	its files: KIND SIZE MTIME PATH, each with a NUL
 *behind it NAME.new	the list of what is being published STATE/tasks/GROUP/_fetch.NAME.XXXXXXXX
 *where a helper works; whoever has the lock of NAME may remove it
 */

#include "run/context.h"

/*
 * Fetches what the task needs and is not there, into shared/local, held at `local_fd`; its owner
 * will be that of what is fetched. c->record.artifacts tells what came of it. 0; -EINTR without
 * err: a stop request came; else -errno with err. Not to be called for a task without artifacts.
 */
int artifacts_fetch(struct context *c, int local_fd, struct th_err *err);

/* What a killed supervisor has left: staging directories, locks that nobody holds. For the janitor
 * and for whoever finishes such a task. */
void artifacts_remove_left(const struct layout *layout, const char *group);

/* The files of RUN/GROUP, for the end of the group. */
void artifacts_remove_run(int run_group_fd);

/* The longest time that fetching may take. */
usec_t artifacts_budget(const struct task *task);

#endif
