#ifndef TH_RUN_HOOKSESSION_H
#define TH_RUN_HOOKSESSION_H

/*
 * What the hooks of one task share from point to point: what they hand on to later hooks and to the
 * task, what each keeps for itself, the processes that they leave running. One session lasts as
 * long as the task's supervisor (or one group clean-up, or one `hooks run`). A hook is named by its
 * label, POINT/NAME.
 */

#include "base/clock.h"
#include "base/error.h"
#include "model/record.h"
#include "model/task.h"
#include "os/loop.h"
#include "os/proctree.h"
#include "run/cgtree.h"
#include "run/hookdir.h"
#include "run/hooklog.h"
#include "run/hookresult.h"
#include "run/hookshow.h"
#include "run/live.h"

#include <jansson.h>
#include <stdbool.h>

/* Processes that a hook left behind where there are no cgroups. */
struct hook_leftover {
	char *hook; /* "POINT/NAME" */
	struct proctree tree;
};

struct hook_session {
	/* Set by the owner; not owned. */
	const struct layout *layout;
	const struct task *task;
	struct loop *loop;
	struct cgtree *cg;
	struct live *live;    /* NULL: none */
	struct hooklog *log;  /* NULL: none */
	int run_fd;	      /* RUN/GROUP/ID or RUN/GROUP: result files and hook-state */
	const char *run_path; /* its path */
	bool group_only;      /* a session of the group: no task is concerned */
	bool as_root;
	enum hook_show show;
	bool terminal;				   /* stderr is one: progress */
	const char *only;			   /* run just the hook of that name; NULL: all */
	const bool *interrupt;			   /* a signal wants the hook to end; NULL: never */
	void (*warn)(void *arg, const char *text); /* a failure that stops nothing, one line */
	json_t *(*record_json)(void *arg);	   /* for stdin = record; NULL: "{}" */
	/* What a hook has handed back is to outlive us, as it is not run again; NULL: it need not.
	 */
	void (*keep_results)(void *arg);
	void *arg;
	/* Kept up to date by the owner. */
	pid_t task_pid;
	unsigned run_number, restart_count;
	/* Another session was cut off in the midst of the point that is run next: of post-exit and
	 * pre-restart those hooks have run that live->hook_done tells of. */
	bool resumes;
	const char *update_keys;	  /* what an update changes; NULL: there is none */
	const struct strv *update_values; /* NAME=VALUE, old and new; NULL: none */
	const struct outcome *outcome;	  /* its result is RESULT_NONE until the task has ended */
	usec_t duration;
	const struct artifact_results *artifacts; /* what was fetched; NULL: nothing */
	/* The session's own. */
	struct hook_cache *cache;
	struct hook_runner *runner;
	struct hook_leftover *left;
	size_t n_left;
	struct handed_env {
		uid_t uid;
		struct strv env;
	} * handed;
	size_t n_handed;
	bool has_state_fd;
	int state_fd;	      /* hook-state, opened for the first hook */
	struct strv task_env; /* what hooks handed on to the task: NAME=VALUE */
	json_t *state;	      /* of hooks: see struct record; NULL: none */
	char *message;	      /* the last hook's [result] message; NULL */
	unsigned n_results;   /* how often a hook has handed something back */
	bool knows_ip;	      /* looked up for the first hook, as a task without hooks needs none */
	char *node_ip;	      /* NULL: there is none, or [node] tells it */
	bool told_skips;
};
#define HOOK_SESSION_INIT                                                                          \
	{                                                                                          \
		.run_fd = -1                                                                       \
	}

/* What another supervisor of this task was handed (struct record, hook_state; borrowed) is ours. */
void hook_session_take_state(struct hook_session *s, json_t *state);

/* The task is prepared once more: of what hooks have handed on, that of the deploy and of those
 * that are done stays, the rest comes again when they run. */
void hook_session_begin_restart(struct hook_session *s);

/* Ends everything that hooks of this session left running. 0, or -ETIMEDOUT with what is left in
 * err. */
int hook_session_kill_left(struct hook_session *s, usec_t deadline, struct th_err *err);

void hook_session_done(struct hook_session *s);

/* ---- for run/hookpoint.c ---- */

/* Takes over what the hook of this label and user has handed back. */
void hook_session_keep_result(
	struct hook_session *s, uid_t uid, const char *label, const struct hook_result *r);

/* What a hook that is passed over has handed on when it ran. */
void hook_session_hand_on_again(struct hook_session *s, const char *label);

/* NAME=VALUE of hooks of that user, for the next of them. Lent until anything is handed on. */
const struct strv *hook_session_handed_env(struct hook_session *s, uid_t uid);

/* Appends the NAME=VALUE of the [state] that this hook handed back when it last ran, also at
 * another point. */
void hook_session_state_of(
	const struct hook_session *s, const char *label, uid_t uid, struct strv *ret);

/* The hook left processes running: they are remembered, with *tree where there are no cgroups,
 * which is empty then. */
void hook_session_keep_left(struct hook_session *s, const char *label, struct proctree *tree);

/* What `label` (NULL: any hook) left running is ended. 0 or -ETIMEDOUT. */
int hook_session_kill_left_of(struct hook_session *s, const char *label, usec_t deadline);

#endif
