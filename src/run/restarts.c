#include "config.h"

#include "run/restarts.h"

#include "base/alloc.h"
#include "base/log.h"
#include "os/proctree.h"
#include "run/control.h"

#include <inttypes.h>
#include <sys/random.h>

static uint32_t random_number(void)
{
	uint32_t n;

	/* Not random yet early at boot: the clock will do for a jitter. */
	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (uint32_t)(clock_monotonic_usec() * 2654435761U);
	return n;
}

static void note_counters(struct context *c)
{
	struct live_state *l;

	if (!c->live)
		return;
	l = live_begin(c->live);
	l->restart_count = c->record.restart_count;
	l->restart_attempts = c->record.counters.attempts;
	l->restart_window_usec = c->record.counters.window_start;
	l->retry_at_usec =
		c->retry_at ? clock_realtime_usec() + usec_sub(c->retry_at, clock_monotonic_usec())
			    : 0;
	live_end(c->live);
}

static void write_down(struct context *c)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (context_write_record(c, &why) < 0)
		context_warn(c, "%s, continuing", err_text(&why));
}

static enum task_event decide(struct context *c, const struct restart_input *in, const char *what)
{
	const struct restart_policy *p = &c->task->restart;
	struct restart_decision d = restart_decide(p, &c->record.counters, in);
	char span[CLOCK_SPAN_MAX], interval[CLOCK_SPAN_MAX];

	if (d.action == RESTART_END)
		return EVENT_OK;
	(void)clock_format_span(p->interval, interval, sizeof(interval));
	if (d.action == RESTART_FAIL) {
		context_warn(c, "%s: not restarted: its attempts are used up (%u in %s)", what,
			p->attempts, interval);
		return EVENT_OK;
	}
	c->retry_at = usec_add(in->now, d.delay);
	if (d.waits_for_window)
		log_notice("%s: its attempts are used up (%u in %s): restarting in %s", what,
			p->attempts, interval, clock_format_span(d.delay, span, sizeof(span)));
	else
		log_notice("%s: restarting in %s (%u of %u in %s)", what,
			clock_format_span(d.delay, span, sizeof(span)), c->record.counters.attempts,
			p->attempts, interval);
	note_counters(c);
	return EVENT_RETRY;
}

/* How the process ended, in a few words; the caller frees it. */
static char *describe_exit(const struct outcome *o)
{
	if (o->result == RESULT_OOM_KILL)
		return xstrdup("killed, out of memory");
	if (o->exit_signal)
		return xasprintf("ended by signal %d", o->exit_signal);
	if (!o->has_exit_code)
		return xstrdup("ended, nobody knows how");
	return xasprintf("ended with exit code %d", o->exit_code);
}

/* It was stopped between two processes: that is why it ended, how is told by the last one. */
static void take_stop_reason(struct context *c)
{
	struct outcome *o = &c->record.outcome;

	o->stop_reason = c->requests.stop_reason;
	if (o->stop_reason != STOP_MAX_RUN_TIME)
		return;
	o->result = RESULT_TIMEOUT;
	o->status = EXIT_TIMEOUT;
	o->decided_by = "taskhook";
}

void restarts_keep_exit(struct context *c)
{
	const struct outcome *o = &c->record.outcome;

	c->record.last_exit = (struct last_exit){.known = true,
		.result = o->result,
		.has_exit_code = o->has_exit_code,
		.exit_code = o->exit_code,
		.exit_signal = o->exit_signal,
		.oom_killed = o->oom_killed,
		.at = clock_realtime_usec(),
		.duration_usec = c->record.duration_usec};
}

enum task_event restarts_after_exit(struct context *c)
{
	const struct outcome *o = &c->record.outcome;
	_cleanup_free_ char *what = NULL;
	enum task_event event;

	if (c->requests.stop) {
		/* It came after the restart had begun to stop the process. */
		if (o->stop_reason == STOP_RESTART)
			take_stop_reason(c);
		return EVENT_OK;
	}
	if (c->requests.restart) {
		restarts_keep_exit(c);
		return EVENT_RESTART;
	}
	/* Stopped by a hook, at max-run-time, or for good. */
	if (o->stop_reason != STOP_EXITED)
		return EVENT_OK;
	what = describe_exit(o);
	event = decide(c,
		&(struct restart_input){.event = RESTART_EXITED,
			.exit_code = o->exit_code,
			.is_lost = !o->has_exit_code,
			.now = clock_monotonic_usec(),
			.random = random_number()},
		what);
	if (event == EVENT_RETRY) {
		restarts_keep_exit(c);
		/* Before the live state says so: whoever sees the delay finds its reason. */
		c->record.state = STATE_RESTART_DELAY;
		write_down(c);
	}
	return event;
}

enum task_event restarts_after_failure(struct context *c, const char *why)
{
	if (c->requests.stop)
		return EVENT_FAILED;
	return decide(c,
		       &(struct restart_input){.event = RESTART_START_FAILED,
			       .now = clock_monotonic_usec(),
			       .random = random_number()},
		       why) == EVENT_RETRY
		       ? EVENT_RETRY
		       : EVENT_FAILED;
}

enum task_event restarts_wait(struct context *c, bool (*meanwhile)(struct context *c))
{
	const struct requests *q = &c->requests;
	int r = 0;

	/* One that has begun, and whose start failed, waits as the policy says. */
	while (!q->stop && !(q->restart && !q->restart_begun) && r >= 0 &&
		clock_monotonic_usec() < c->retry_at)
		r = meanwhile(c) ? 0 : loop_run(c->loop, c->retry_at);
	c->retry_at = 0;
	note_counters(c);
	if (c->requests.stop) {
		take_stop_reason(c);
		return EVENT_STOP;
	}
	if (r < 0) {
		context_warn(c, "cannot wait for the restart: %m");
		return EVENT_FAILED;
	}
	return c->requests.restart ? EVENT_RESTART : EVENT_OK;
}

void restarts_begin(struct context *c)
{
	struct live_state *l;

	outcome_done(&c->record.outcome);
	c->record.outcome = (struct outcome){.failed_point = POINT_NONE};
	strv_clear(&c->record.output);
	err_clear(&c->failure);
	c->usage_before = c->record.usage;
	c->record.restart_count++;
	proctree_done(&c->tree);
	c->tree = (struct proctree)PROCTREE_INIT;
	c->exited = false;
	c->is_restart = true;
	c->requests.restart_begun = c->requests.restart;
	c->killed = false;
	c->pre_stop_begun = false;
	hook_session_begin_restart(&c->hooks);
	if (c->live) {
		l = live_begin(c->live);
		/* With the rest: whoever takes over shall not count it a second time. */
		l->state = STATE_PREPARING;
		l->restart_count = c->record.restart_count;
		l->main_pid = 0;
		l->main_start_ticks = 0;
		l->keeper_pid = 0;
		l->keeper_start_ticks = 0;
		l->post_exit_done = 0;
		l->pre_stop_begun = 0;
		l->update_begun &= LIVE_UPDATE_HOOKS;
		live_end(c->live);
	}
	note_counters(c);
	write_down(c);
}

void restarts_give_up(struct context *c)
{
	const struct last_exit *e = &c->record.last_exit;
	struct outcome *o = &c->record.outcome;

	outcome_done(o);
	*o = (struct outcome){.failed_point = POINT_NONE,
		.result = e->result,
		.has_exit_code = e->has_exit_code,
		.exit_code = e->exit_code,
		.exit_signal = e->exit_signal,
		.oom_killed = e->oom_killed,
		.status = e->has_exit_code ? e->exit_code : EXIT_INTERNAL,
		.decided_by = "task"};
	take_stop_reason(c);
}

void restarts_drop_hooks(struct context *c)
{
	if (!task_remove_hooks_of_once(c->task))
		return;
	context_forget_record_task(c);
	write_down(c);
}

void restarts_answer(struct context *c, int status, const char *text)
{
	c->requests.restart = c->requests.restart_begun = false;
	restarts_drop_hooks(c);
	control_end_all(c->control, REQUEST_RESTART, status, text);
}
