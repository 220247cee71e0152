#ifndef TH_CMD_TASK_VIEW_H
#define TH_CMD_TASK_VIEW_H

/*
 * What the file system tells of a task: its record, its live state and whether a supervisor holds
 *its lock. For the commands that read; they change nothing.
 *
 *	struct task_view v = {0};
 *	if (task_view_read(&ctx->layout, group, id, &v, &err) == 0)
 *		puts(task_view_word(&v));
 *	task_view_done(&v);
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "model/layout.h"
#include "model/record.h"
#include "run/live.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* Of the JSON that list and status print. */
#define TASK_VIEW_FORMAT 1

struct task_view {
	char *group, *id;
	bool has_record;
	struct record record;
	char *record_problem; /* why there is none though there is a file; NULL */
	bool supervised;      /* a supervisor holds the lock */
	pid_t supervisor_pid; /* 0: unknown, or in another pid namespace */
	bool has_live;	      /* of this boot and, where supervised, of that supervisor */
	struct live_state live;
	enum task_state state; /* STATE_INVALID: nothing is known but the name */
	bool lost;	       /* it should run, but its supervisor is gone */
	bool rebooted;	       /* lost, and the host has been started again since */
	bool runs_on;	       /* lost, and `recover` gives it another; not read for a list */
	usec_t since;	       /* realtime, of the state; 0: unknown */
};

/* All groups, all IDs of a group; sorted. 0 or -errno with err. */
int task_view_groups(const struct layout *l, struct strv *ret, struct th_err *err);
int task_view_ids(const struct layout *l, const char *group, struct strv *ret, struct th_err *err);

/* True where the files know of such a task. */
bool task_view_exists(const struct layout *l, const char *group, const char *id);

/* 0; -EACCES and the like with err where the files cannot be read. `ret` is zeroed. */
int task_view_read(const struct layout *l, const char *group, const char *id, struct task_view *ret,
	struct th_err *err);
/* The same without reading the record where the live state tells all that a line of a list does: of
 * a task that runs and was never restarted. Then has_record is false. */
int task_view_read_brief(const struct layout *l, const char *group, const char *id,
	struct task_view *ret, struct th_err *err);
void task_view_done(struct task_view *v);
#define _cleanup_task_view_ _cleanup_(task_view_done)

/* One word: that of state_summary(), or "lost", "damaged" (its record), "unknown". */
const char *task_view_word(const struct task_view *v);
/* True where something of it runs or is owed: what `list` shows without --all. */
bool task_view_is_live(const struct task_view *v);
/* Which start of this ID it is, and how often it was restarted; 0: unknown. */
unsigned task_view_run_number(const struct task_view *v);
unsigned task_view_restarts(const struct task_view *v);
/* pid of the task's process; 0: none. */
pid_t task_view_pid(const struct task_view *v);
/* How it ended, for people: "exit 3", "SIGKILL", "pre-start/20-mount failed"; "" before its end.
 * The caller frees it. */
char *task_view_result(const struct task_view *v);
/* "pre-start/20-mount", the hook that runs now; NULL: none. *ret_since is realtime. The caller
 * frees it. */
char *task_view_hook(const struct task_view *v, usec_t *ret_since, usec_t *ret_timeout);

/* The whole as JSON, without what may be secret (the environment). A new reference. */
json_t *task_view_to_json(const struct task_view *v, const struct layout *l);

#endif
