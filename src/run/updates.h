#ifndef TH_RUN_UPDATES_H
#define TH_RUN_UPDATES_H

/* The updates that were asked for and not done yet: they wait until the task runs, as hooks of
 * another point may be running. Who does them is run/update.h. Private to src/run. */

#include "model/update.h"
#include "run/context.h"
#include "run/control.h"

struct update_job {
	struct update_job *next;
	uint64_t client; /* control_keep_number() */
	struct request request;
	size_t hooks_at, n_hooks; /* where its own are among those of the task */
	/* Of one whose restart is under way: what was before, for the undo. */
	struct task *before;
	struct cglimits group_before;
	json_t *marks_before;
	struct update_changes changes;
	struct strv lines; /* what is said of them when it is through */
};

/* Takes what `r` holds. */
void updates_ask(struct context *c, struct control_client *client, struct request *r);

/* The next one, the caller's from now on; NULL: none. One whose client has gone is not done. */
struct update_job *updates_take(struct context *c);

/* Tells its client; frees `text`. */
void updates_say(
	struct context *c, const struct update_job *job, enum answer_event event, char *text);

/* The hooks of its command line are the task's, and in the next record, until it ends. */
void updates_add_hooks(struct context *c, struct update_job *job);

/* The last answer to its client; frees. */
void updates_end(struct context *c, struct update_job *job, int status, const char *text);

/* The one whose restart is under way, if any, is told that the task has ended instead. */
void updates_end_restart(struct context *c, int status, const char *text);

/* All that wait are told, and forgotten. */
void updates_give_up(struct context *c, int status, const char *text);

#endif
