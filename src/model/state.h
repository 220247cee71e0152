#ifndef TH_MODEL_STATE_H
#define TH_MODEL_STATE_H

/*
 * The life of a task as one transition function (taskhook-lifecycle(7)). The supervisor is in a
 * state, does what belongs to it, and what came of it is an event; state_next() says where that
 * leads. Nothing else changes the state. The table is complete: for every state and event there is
 * a next state or STATE_INVALID (checked by a unit test).
 */

#include "model/point.h"

#include <stdbool.h>

enum task_state {
	STATE_NEW,	 /* intent written, nothing made */
	STATE_DEPLOYING, /* pre-deploy, group directories, post-deploy, or waiting for who does it
			  */
	STATE_PREPARING, /* pre-start: cgroup, storage, scripts */
	STATE_LAUNCHING,
	STATE_POST_STARTING, /* post-start hooks, the process runs */
	STATE_RUNNING,
	STATE_EXITED,	      /* post-exit hooks */
	STATE_RESTART_DELAY,  /* waits for the restart policy's delay */
	STATE_PRE_RESTARTING, /* pre-restart hooks of a restart by policy: no process */
	STATE_RESTART_ASKED,  /* pre-restart hooks of a restart that was asked for: the process runs
				 on */
	STATE_RESTART_STOPPING, /* pre-stop with STOP_REASON=restart, signal, grace, kill */
	STATE_STOPPING,		/* pre-stop, signal, grace, kill */
	STATE_POST_STOPPING,	/* post-stop: scripts, storage, cgroup */
	STATE_UNDOING,		/* a start failed: undo newest first */
	STATE_REMOVING,		/* directory, live state; result to the record */
	STATE_STUCK,		/* something could not be killed: the janitor goes on with it */
	STATE_DONE,		/* the end, after a run */
	STATE_FAILED,		/* the end, after a start that failed */
	STATE_COUNT,
	STATE_INVALID = STATE_COUNT,
};

enum task_event {
	EVENT_OK,	  /* what belongs to the state is done */
	EVENT_FAILED,	  /* it failed, fatally */
	EVENT_EXITED,	  /* the process has ended by itself */
	EVENT_STOP,	  /* stop asked for, a signal, max-run-time, forced clean-up, a hook with
			     on-failure = stop */
	EVENT_RESTART,	  /* restart asked for */
	EVENT_RETRY,	  /* after EXITED: the policy wants another run */
	EVENT_UNKILLABLE, /* a process survived SIGKILL for 10 s */
	EVENT_COUNT,
};

enum task_state state_next(enum task_state s, enum task_event e);

const char *state_name(enum task_state s);	/* "running"; for status, records */
enum task_state state_from_name(const char *s); /* STATE_INVALID where unknown */
const char *event_name(enum task_event e);
/* One word that users see in `list`: starting, running, restarting, stopping, stuck, done, failed.
 */
const char *state_summary(enum task_state s);
bool state_is_final(enum task_state s);
/* True where a process of the task may run in this state. */
bool state_may_have_process(enum task_state s);

#endif
