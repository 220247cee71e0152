#include "config.h"

#include "run/exitnote.h"

#include <stdatomic.h>

void exitnote_make(struct context *c)
{
	const struct outcome *o = &c->record.outcome;
	struct live_state *l;

	if (!c->live)
		return;
	l = live_begin(c->live);
	l->stop_reason = (uint8_t)o->stop_reason;
	l->exit = (struct live_exit){.result = (uint8_t)o->result,
		.has_exit_code = o->has_exit_code,
		.oom_killed = o->oom_killed,
		.exit_code = o->exit_code,
		.exit_signal = o->exit_signal,
		.status = o->status,
		.duration_usec = c->record.duration_usec,
		.usage = c->record.usage};
	/* Last, as a kill may come between any two stores. */
	atomic_signal_fence(memory_order_release);
	l->exit.known = 1;
	live_end(c->live);
}

static const char *decider(enum task_result r)
{
	switch (r) {
	case RESULT_HOOK_FAILED:
	case RESULT_HOOK_TIMEOUT:
		return "hook";
	case RESULT_NONE:
	case RESULT_TIMEOUT:
	case RESULT_START_FAILED:
	case RESULT_LOST:
	case RESULT_COUNT:
		return "taskhook";
	case RESULT_SUCCESS:
	case RESULT_EXIT_CODE:
	case RESULT_SIGNAL:
	case RESULT_OOM_KILL:
		break;
	}
	return "task";
}

bool exitnote_take(struct context *c, const struct live_state *l)
{
	const struct live_exit *e = &l->exit;
	struct outcome *o = &c->record.outcome;

	if (!e->known || e->result >= RESULT_COUNT)
		return false;
	outcome_done(o);
	*o = (struct outcome){.failed_point = POINT_NONE,
		.result = (enum task_result)e->result,
		.has_exit_code = e->has_exit_code,
		.oom_killed = e->oom_killed,
		.exit_code = e->exit_code,
		.exit_signal = e->exit_signal,
		.status = e->status,
		.stop_reason = l->stop_reason < STOP_REASON_COUNT ? (enum stop_reason)l->stop_reason
								  : STOP_NONE};
	o->decided_by = decider(o->result);
	c->record.duration_usec = e->duration_usec;
	c->record.usage = e->usage;
	return true;
}
