#include "config.h"

#include "model/state.h"

#include "base/macro.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/*
 * The table below, drawn. An arrow without a word is EVENT_OK.
 *
 *	a start		NEW -> DEPLOYING -> PREPARING -> LAUNCHING -> POST_STARTING -> RUNNING
 *	... that fails	NEW, DEPLOYING, PREPARING, LAUNCHING -FAILED, STOP-> UNDOING -> FAILED
 *	the process ends
 *			RUNNING, RESTART_ASKED -EXITED-> EXITED
 *	a stop		POST_STARTING, RUNNING, RESTART_ASKED, RESTART_STOPPING
 *				-STOP-> STOPPING -> EXITED
 *	the end		EXITED -> POST_STOPPING -> REMOVING -> DONE
 *	a restart by policy
 *			EXITED -RETRY-> RESTART_DELAY -> PRE_RESTARTING -> PREPARING
 *	a restart that was asked for
 *			RUNNING -RESTART-> RESTART_ASKED -> RESTART_STOPPING -> EXITED
 *				-RESTART-> PREPARING
 *	... that fails before its launch
 *			PREPARING -RETRY-> RESTART_DELAY, where the policy tries again
 *	... whose pre-restart hook fails
 *			RESTART_ASKED -FAILED-> RUNNING
 *	a process that cannot be killed
 *			EXITED, STOPPING, RESTART_STOPPING, POST_STOPPING, UNDOING
 *				-UNKILLABLE-> STUCK
 *
 * post-exit hooks run at every end of the process, also at one that was asked for, so STOPPING
 * leads through EXITED. There the supervisor answers EVENT_OK where the task is to end,
 * EVENT_RETRY where the restart policy wants another run, and EVENT_RESTART where a restart was
 * asked for, whose pre-restart hooks have been run.
 *
 * What tears down cannot fail: its failures are warnings, so FAILED leads where OK leads, and a
 * second STOP (it cuts the grace short) leads nowhere else. A request that a state has no answer
 * for is refused by the supervisor.
 */

#define INVALID STATE_INVALID

struct row {
	const char *name;
	const char *summary;
	bool final;
	bool may_have_process;
	enum task_state next[EVENT_COUNT];
};

/* Laid out to be checked by eye. */
/* clang-format off */
static const struct row rows[] = {
	[STATE_NEW] = {"new", "starting", false, false, {
		[EVENT_OK] = STATE_DEPLOYING,
		[EVENT_FAILED] = STATE_UNDOING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_UNDOING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_DEPLOYING] = {"deploying", "starting", false, false, {
		[EVENT_OK] = STATE_PREPARING,
		[EVENT_FAILED] = STATE_UNDOING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_UNDOING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_PREPARING] = {"preparing", "starting", false, false, {
		[EVENT_OK] = STATE_LAUNCHING,
		[EVENT_FAILED] = STATE_UNDOING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_UNDOING,
		[EVENT_RESTART] = INVALID,
		/* a restart: the policy tries again */
		[EVENT_RETRY] = STATE_RESTART_DELAY,
		/* what an earlier run left behind cannot be killed: nothing may start beside it */
		[EVENT_UNKILLABLE] = STATE_UNDOING,
	}},
	[STATE_LAUNCHING] = {"launching", "starting", false, true, {
		[EVENT_OK] = STATE_POST_STARTING,
		[EVENT_FAILED] = STATE_UNDOING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_UNDOING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_POST_STARTING] = {"post-starting", "starting", false, true, {
		[EVENT_OK] = STATE_RUNNING,
		/* not fatal by itself: a hook with on-failure = fail */
		[EVENT_FAILED] = STATE_STOPPING,
		/* it was started all the same, and RUNNING sees that it has ended */
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_RUNNING] = {"running", "running", false, true, {
		[EVENT_OK] = STATE_EXITED,
		[EVENT_FAILED] = STATE_STOPPING,
		[EVENT_EXITED] = STATE_EXITED,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_RESTART] = STATE_RESTART_ASKED,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_EXITED] = {"exited", "stopping", false, true, {
		[EVENT_OK] = STATE_POST_STOPPING,
		[EVENT_FAILED] = STATE_POST_STOPPING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_POST_STOPPING,
		[EVENT_RESTART] = STATE_PREPARING,
		[EVENT_RETRY] = STATE_RESTART_DELAY,
		[EVENT_UNKILLABLE] = STATE_STUCK,
	}},
	[STATE_RESTART_DELAY] = {"restart-delay", "restarting", false, false, {
		[EVENT_OK] = STATE_PRE_RESTARTING,
		[EVENT_FAILED] = STATE_POST_STOPPING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_POST_STOPPING,
		/* asked for while waiting: wait no longer */
		[EVENT_RESTART] = STATE_PRE_RESTARTING,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_PRE_RESTARTING] = {"pre-restarting", "restarting", false, false, {
		[EVENT_OK] = STATE_PREPARING,
		[EVENT_FAILED] = STATE_POST_STOPPING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_POST_STOPPING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_RESTART_ASKED] = {"restart-asked", "restarting", false, true, {
		[EVENT_OK] = STATE_RESTART_STOPPING,
		[EVENT_FAILED] = STATE_RUNNING,
		[EVENT_EXITED] = STATE_EXITED,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_RESTART_STOPPING] = {"restart-stopping", "restarting", false, true, {
		[EVENT_OK] = STATE_EXITED,
		[EVENT_FAILED] = STATE_EXITED,
		/* the process is gone, its children may not be: the sequence goes on */
		[EVENT_EXITED] = STATE_RESTART_STOPPING,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = STATE_STUCK,
	}},
	[STATE_STOPPING] = {"stopping", "stopping", false, true, {
		[EVENT_OK] = STATE_EXITED,
		[EVENT_FAILED] = STATE_EXITED,
		[EVENT_EXITED] = STATE_STOPPING,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = STATE_STUCK,
	}},
	[STATE_POST_STOPPING] = {"post-stopping", "stopping", false, false, {
		[EVENT_OK] = STATE_REMOVING,
		[EVENT_FAILED] = STATE_REMOVING,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_POST_STOPPING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = STATE_STUCK,
	}},
	[STATE_UNDOING] = {"undoing", "stopping", false, true, {
		[EVENT_OK] = STATE_FAILED,
		[EVENT_FAILED] = STATE_FAILED,
		[EVENT_EXITED] = STATE_UNDOING,
		[EVENT_STOP] = STATE_UNDOING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = STATE_STUCK,
	}},
	[STATE_REMOVING] = {"removing", "stopping", false, false, {
		[EVENT_OK] = STATE_DONE,
		[EVENT_FAILED] = STATE_DONE,
		[EVENT_EXITED] = INVALID,
		[EVENT_STOP] = STATE_REMOVING,
		[EVENT_RESTART] = INVALID,
		[EVENT_RETRY] = INVALID,
		[EVENT_UNKILLABLE] = INVALID,
	}},
	[STATE_STUCK] = {"stuck", "stuck", true, true, {
		INVALID, INVALID, INVALID, INVALID, INVALID, INVALID, INVALID,
	}},
	[STATE_DONE] = {"done", "done", true, false, {
		INVALID, INVALID, INVALID, INVALID, INVALID, INVALID, INVALID,
	}},
	[STATE_FAILED] = {"failed", "failed", true, false, {
		INVALID, INVALID, INVALID, INVALID, INVALID, INVALID, INVALID,
	}},
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(rows) == STATE_COUNT, "a row for each state");
_Static_assert(EVENT_COUNT == 7, "a new event needs an answer in each row");

static const char *const event_names[] = {
	[EVENT_OK] = "ok",
	[EVENT_FAILED] = "failed",
	[EVENT_EXITED] = "exited",
	[EVENT_STOP] = "stop",
	[EVENT_RESTART] = "restart",
	[EVENT_RETRY] = "retry",
	[EVENT_UNKILLABLE] = "unkillable",
};
_Static_assert(ARRAY_SIZE(event_names) == EVENT_COUNT, "a name for each event");

static const struct row *row_of(enum task_state s)
{
	assert((unsigned)s < STATE_COUNT);
	return &rows[s];
}

enum task_state state_next(enum task_state s, enum task_event e)
{
	assert((unsigned)e < EVENT_COUNT);
	return row_of(s)->next[e];
}

const char *state_name(enum task_state s)
{
	return row_of(s)->name;
}

enum task_state state_from_name(const char *s)
{
	for (size_t i = 0; i < STATE_COUNT; i++)
		if (strcmp(rows[i].name, s) == 0)
			return (enum task_state)i;
	return STATE_INVALID;
}

const char *event_name(enum task_event e)
{
	assert((unsigned)e < EVENT_COUNT);
	return event_names[e];
}

const char *state_summary(enum task_state s)
{
	return row_of(s)->summary;
}

bool state_is_final(enum task_state s)
{
	return row_of(s)->final;
}

bool state_may_have_process(enum task_state s)
{
	return row_of(s)->may_have_process;
}
