#ifndef TH_RUN_CONTEXT_H
#define TH_RUN_CONTEXT_H

/*
 * What the supervisor and the stages share about one task (or, for a group's clean-up, about a
 * group: then task->id is NULL). Private to src/run.
 */

#include "base/clock.h"
#include "base/error.h"
#include "model/record.h"
#include "model/task.h"
#include "os/cred.h"
#include "os/loop.h"
#include "os/proctree.h"
#include "run/cgtree.h"
#include "run/hooklog.h"
#include "run/hookpoint.h"
#include "run/live.h"
#include "run/logpump.h"
#include "run/options.h"

#include <stdbool.h>

/* What a signal or another process asked for. Set by callbacks of the loop, read by whoever waits.
 */
struct requests {
	bool stop;
	enum stop_reason stop_reason;
	int stop_signal; /* the signal that asked, 0: none */
	usec_t stop_at;
	bool cut_grace;	      /* a second one, at least a second later */
	bool interrupt_hooks; /* the hook that runs shall end: only while the task is not launched
			       */
	int with_signal;      /* instead of the task's stop signal; 0: none */
	bool has_timeout;
	usec_t with_timeout;	/* instead of the task's grace */
	bool restart;		/* asked for, and not through yet */
	bool restart_begun;	/* its next process is being prepared */
	unsigned warned_before; /* failures that were there when the stop was asked for */
};

struct control;
struct update_job;

struct context {
	const struct layout *layout;
	struct task *task;
	const struct supervisor_options *options;
	struct loop *loop;
	bool as_root;
	bool terminal;	   /* stderr is one */
	bool process_ends; /* with the task, as that of a supervisor does */

	int run_group_fd, run_fd; /* RUN/GROUP, RUN/GROUP/ID */
	char *run_path;
	int records_fd;		       /* STATE/records/GROUP */
	int group_fd, task_fd, log_fd; /* STATE/tasks/GROUP, .../ID, .../ID/logs */
	int lock_fd;
	bool run_dir_found; /* RUN/GROUP/ID was there before us */

	struct live *live;
	struct record record;
	bool has_record;
	struct cgtree cg;
	struct cglimits group_limits; /* what the group was deployed with */
	struct cred cred;	      /* of the task */
	bool switch_user;
	struct hooklog *hooklog;
	struct logfile *taskhook_log;
	struct hook_session hooks;
	struct point_result *point; /* where the scripts stage puts what came of the hooks; set by
				       stage_run_point() */
	struct requests requests;
	struct update_job *updates;  /* asked for, in order (run/updates.h) */
	struct update_job *updating; /* whose restart is under way; NULL: none */
	bool owes_update_hooks;	     /* of one whose supervisor was killed */
	struct control *control;     /* the socket on which others ask; NULL: none */
	struct loop_timer control_timer;
	bool has_caller; /* `start` waits for us */
	struct loop_fd caller_watch;
	struct loop_call caller_report; /* that the start is through */

	struct proctree tree; /* of the task's process */
	bool launched;	      /* there was a process in this run */
	bool exited;	      /* and it has ended */
	bool pre_stop_begun;  /* by the supervisor before us */
	struct loop_fd exit_watch;
	struct loop_timer max_run_timer;
	struct logpump *pumps[2];
	struct logindex *log_index; /* of both */
	usec_t launched_at;	    /* monotonic */
	struct usage usage_before;  /* of the processes before this one */
	usec_t retry_at;	    /* monotonic; 0: no restart is waited for */
	usec_t max_run_at;	    /* monotonic, of the first launch on; 0: not yet, or none */
	bool is_restart;	    /* there was a process before this one */
	bool killed;		    /* SIGKILL came from us */
	unsigned warned; /* failures that stopped nothing, those too that the record has no
			    room for */
	unsigned warned_recorded,
		results_recorded; /* `warned`, and hooks.n_results, of the record */
	bool stuck;
	bool abandoned;	       /* nothing was made: not even a record */
	struct th_err failure; /* why a start failed */
};

/* All empty, with a loop. 0 or -errno with err; context_done() in either case. */
int context_init(struct context *c, const struct layout *layout,
	const struct supervisor_options *options, struct th_err *err);
void context_done(struct context *c);

/* Hands what there is by now to the session of hooks; called again when there is more. */
void context_init_hooks(struct context *c);

/* Makes the live state of this process. `owed` is what another that was killed has noted in its own
 * (NULL: none): it stays noted, as this process may be killed as well. */
int context_begin_live(struct context *c, const struct live_state *owed, struct th_err *err);

/* The record's task is not what c->task is any more. */
void context_forget_record_task(struct context *c);

/* Puts the task into the record where it has been dropped to save memory. */
void context_complete_record(struct context *c);

/* Writes the record, with what hooks have handed on by now. 0 or -errno with err. */
int context_write_record(struct context *c, struct th_err *err);

/* The same where the record does not tell of all failures and of all that hooks have handed back:
 * for whoever is about to tell somebody that a step is done, who may ask `status` then. Most steps
 * have neither, and write no file that nobody needs. A failure is a warning. */
void context_write_news(struct context *c);

/* Has been launched, and has not ended yet. */
bool context_has_process(const struct context *c);

/* Says a failure that stops nothing and keeps it for the record. */
void context_warn(struct context *c, const char *fmt, ...) PRINTF_ATTR(2, 3);

/* Keeps one that is said otherwise. Takes the text. A task that is restarted for ever fails for
 * ever: of more than some hundred the first and the last are kept. */
void context_keep_warning(struct context *c, char *text);

/* The group's lock (RUN/GROUP/_lock): an fd to close, or -errno with err. Never held over a hook.
 */
int context_lock_group(struct context *c, struct th_err *err);
/* Gives it up and removes its file, for whoever may be the last of the group: the next makes a new
 * one. Returns -1. */
int context_unlock_group_last(struct context *c, int lock);

/* Opens STATE/tasks/GROUP and the like, making what is missing. 0 or -errno with err
 * (EXIT_CANTCREAT). */
int context_open_group_dir(struct context *c, struct th_err *err);

#endif
