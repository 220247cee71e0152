#include "config.h"

#include "run/states.h"

#include "base/alloc.h"
#include "base/log.h"
#include "os/trim.h"
#include "run/caller.h"
#include "run/deploy.h"
#include "run/exitnote.h"
#include "run/launch.h"
#include "run/maxtime.h"
#include "run/requests.h"
#include "run/restarts.h"
#include "run/stage.h"
#include "run/streams.h"
#include "run/taskdir.h"
#include "run/update.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TRIM_AFTER USEC_PER_SEC

static void set_state(struct context *c, enum task_state s)
{
	struct live_state *l;

	c->record.state = s;
	if (c->live) {
		l = live_begin(c->live);
		l->state = (int32_t)s;
		l->since_usec = clock_realtime_usec();
		l->stop_reason = (uint8_t)c->record.outcome.stop_reason;
		if (!c->hooks.resumes)
			*l->hook_done = '\0';
		live_end(c->live);
	}
	/* What the state before has answered is sent only now: whoever asks then sees where it has
	 * led. */
	loop_call_due(c->loop);
}

/* Keeps the first reason why a start failed, for the message, the record and the post-stop hooks.
 */
static enum task_event start_failed(struct context *c, enum task_result result,
	enum hook_point point, struct point_result *hooks, struct th_err *why)
{
	struct outcome *o = &c->record.outcome;

	o->result = result;
	o->failed_point = point;
	o->decided_by = "taskhook";
	if (hooks && hooks->hook) {
		o->result = hooks->timed_out ? RESULT_HOOK_TIMEOUT : RESULT_HOOK_FAILED;
		o->decided_by = "hook";
		str_replace(&o->failed_hook, hooks->hook);
		str_replace(&o->failed_reason, hooks->reason);
		strv_clear(&c->record.output);
		strv_copy(&c->record.output, &hooks->output);
		err_set(why, hooks->timed_out ? EXIT_HOOK_TIMEOUT : EXIT_HOOK_FAILED, 0,
			"%s/%s: %s", point_name(point), hooks->hook, hooks->reason);
	} else {
		str_replace(&o->failed_reason, err_text(why));
	}
	o->status = why->status;
	c->failure = *why;
	*why = (struct th_err)TH_ERR_INIT;
	return EVENT_FAILED;
}

static enum task_event start_stopped(struct context *c)
{
	struct outcome *o = &c->record.outcome;

	o->result = RESULT_START_FAILED;
	o->stop_reason = c->requests.stop_reason;
	o->decided_by = "taskhook";
	o->status = c->requests.stop_signal ? EXIT_SIGNAL_BASE + c->requests.stop_signal
					    : EXIT_SIGNAL_BASE + SIGTERM;
	str_replace(&o->failed_reason, "stopped before the launch");
	return EVENT_STOP;
}

/* A hook point at which signals end the hook that runs. */
static int run_interruptible(
	struct context *c, enum hook_point point, struct point_result *ret, struct th_err *err)
{
	int r;

	c->requests.interrupt_hooks = c->requests.stop;
	c->hooks.interrupt = &c->requests.interrupt_hooks;
	r = stage_run_point(c, point, ret, err);
	c->hooks.interrupt = NULL;
	return r;
}

static enum task_event do_deploying(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	struct th_err why = TH_ERR_INIT;
	bool waited;
	int r;

	c->hooks.interrupt = &c->requests.interrupt_hooks;
	r = deploy_group_once(c, &hooks, &waited, &why);
	c->hooks.interrupt = NULL;
	/* While we waited the group may have been removed, and our directory with it. */
	if (r == 0 && waited) {
		taskdir_close_logs(c);
		r = taskdir_open(c, &why);
		if (r == 0)
			taskdir_open_logs(c);
	}
	if (r == -EINTR && !err_is_set(&why))
		return start_stopped(c);
	if (r < 0)
		return start_failed(c, RESULT_START_FAILED, POINT_PRE_DEPLOY, &hooks, &why);
	return c->requests.stop ? start_stopped(c) : EVENT_OK;
}

/* The first start tells its caller; a restart has none, and the policy may try again. */
static enum task_event restart_failed(struct context *c)
{
	enum task_event event = restarts_after_failure(c, err_text(&c->failure));

	if (event == EVENT_RETRY) {
		context_keep_warning(c, xstrdup(err_text(&c->failure)));
		err_clear(&c->failure);
	}
	return event;
}

static enum task_event do_preparing(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	struct th_err why = TH_ERR_INIT;
	int r = run_interruptible(c, POINT_PRE_START, &hooks, &why);

	if (r < 0 || hooks.fatal) {
		(void)start_failed(c, RESULT_START_FAILED, POINT_PRE_START, &hooks, &why);
		return c->is_restart ? restart_failed(c) : EVENT_FAILED;
	}
	if (!hooks.interrupted && !c->requests.stop)
		return EVENT_OK;
	if (!c->is_restart)
		return start_stopped(c);
	restarts_give_up(c);
	return EVENT_STOP;
}

static enum task_event do_launching(struct context *c)
{
	struct th_err why = TH_ERR_INIT;

	/* For `exec`, and a supervisor that replaces this one. */
	context_write_news(c);
	if (launch_task(c, &why) < 0) {
		streams_close(c);
		return start_failed(c, RESULT_START_FAILED, POINT_NONE, NULL, &why);
	}
	maxtime_begin(c);
	return EVENT_OK;
}

/* It runs, or has run: for the first time, or once more. */
static void tell_started(struct context *c)
{
	int status = c->warned > c->requests.warned_before ? EXIT_WITH_FAILURES : EXIT_OK;

	context_write_news(c);
	caller_let_go(c);
	if (c->requests.restart_begun)
		restarts_answer(c, status, NULL);
}

static enum task_event do_post_starting(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	struct outcome *o = &c->record.outcome;

	if (c->options->no_wait)
		caller_let_go(c);
	(void)run_interruptible(c, POINT_POST_START, &hooks, NULL);
	if (hooks.fatal) {
		context_warn(c, "post-start/%s: %s, stopping the task", hooks.hook, hooks.reason);
		o->failed_point = POINT_POST_START;
		str_replace(&o->failed_hook, hooks.hook);
		str_replace(&o->failed_reason, hooks.reason);
		strv_copy(&c->record.output, &hooks.output);
		o->decided_by = "hook";
		o->status = hooks.timed_out ? EXIT_HOOK_TIMEOUT : EXIT_HOOK_FAILED;
		o->stop_reason = STOP_ASKED;
		return EVENT_FAILED;
	}
	/* It was started, though it may be over already. */
	return c->requests.stop && !c->exited ? EVENT_STOP : EVENT_OK;
}

/* A supervisor sleeps for as long as its task lives, and thousands of them do: what the start
 * needed is given back. Not at once, as most tasks are over before it would pay. */
static void trim_memory(void *arg)
{
	struct context *c = arg;

	c->hooks.cache = hook_cache_free(c->hooks.cache);
	context_forget_record_task(c);
	trim_unused_memory();
}

static enum task_event do_running(struct context *c)
{
	struct loop_timer trim = {.active = false};
	int r = 0;

	tell_started(c);
	loop_set_timer(c->loop, &trim, c->launched_at + TRIM_AFTER, trim_memory, c);
	/* It may have come here by the restart of one. */
	if (!c->requests.restart) {
		restarts_drop_hooks(c);
		update_end_restart(c);
	}
	while (r >= 0 && !c->exited && !c->requests.stop && !c->requests.restart) {
		if (!update_run_next(c)) {
			r = loop_run(c->loop, USEC_INFINITY);
			continue;
		}
		loop_set_timer(c->loop, &trim, usec_add(clock_monotonic_usec(), TRIM_AFTER),
			trim_memory, c);
	}
	if (r < 0)
		context_warn(c, "cannot wait for the process: %s, stopping it", strerror(-r));
	loop_clear_timer(c->loop, &trim);
	if (c->exited)
		return EVENT_EXITED;
	return c->requests.stop || r < 0 ? EVENT_STOP : EVENT_RESTART;
}

/* While it still runs: a failure leaves it running. */
static enum task_event do_restart_asked(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL;
	int status, r = run_interruptible(c, POINT_PRE_RESTART, &hooks, &why);

	if (c->exited)
		return EVENT_EXITED;
	if (c->requests.stop)
		return EVENT_STOP;
	if (r >= 0 && !hooks.fatal)
		return EVENT_OK;
	text = hooks.hook ? xasprintf("not restarted: pre-restart/%s: %s, the task runs on",
				    hooks.hook, hooks.reason)
			  : xasprintf("not restarted: %s, the task runs on", err_text(&why));
	status = hooks.timed_out ? EXIT_HOOK_TIMEOUT
		 : hooks.hook	 ? EXIT_HOOK_FAILED
		 : why.status	 ? why.status
				 : EXIT_INTERNAL;
	restarts_answer(c, status, text);
	update_cancel_restart(c, status, text);
	log_warning("%s", text);
	return EVENT_FAILED;
}

static enum task_event do_restart_delay(struct context *c)
{
	/* There is no process, and there will be: updated as while it runs. */
	return restarts_wait(c, update_run_next);
}

/* Of a restart by the policy: there is no process. */
static enum task_event do_pre_restarting(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	struct th_err why = TH_ERR_INIT;
	int r = run_interruptible(c, POINT_PRE_RESTART, &hooks, &why);

	if (r < 0 || hooks.fatal)
		return start_failed(c, RESULT_START_FAILED, POINT_PRE_RESTART, &hooks, &why);
	if (!hooks.interrupted && !c->requests.stop)
		return EVENT_OK;
	restarts_give_up(c);
	return EVENT_STOP;
}

/* Noted, as whoever takes over shall not run them a second time. */
static void run_pre_stop(struct context *c)
{
	if (c->live) {
		struct live_state *l = live_begin(c->live);

		l->pre_stop_begun = 1;
		l->stop_reason = (uint8_t)c->record.outcome.stop_reason;
		live_end(c->live);
	}
	(void)stage_run_point(c, POINT_PRE_STOP, NULL, NULL);
}

static enum task_event do_stopping(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	usec_t begun, deadline;

	if (o->stop_reason == STOP_NONE)
		o->stop_reason = c->requests.stop ? c->requests.stop_reason : STOP_ASKED;
	if (!c->exited && !c->pre_stop_begun)
		run_pre_stop(c);
	if (!c->exited)
		(void)proctree_signal(&c->tree, requests_stop_signal(c));
	begun = clock_monotonic_usec();
	while (!c->exited && !c->requests.cut_grace) {
		/* A second request may have less patience. */
		deadline = usec_add(begun, requests_stop_timeout(c));
		if (clock_monotonic_usec() >= deadline || loop_run(c->loop, deadline) < 0)
			break;
	}
	return launch_kill(c) < 0 ? EVENT_UNKILLABLE : EVENT_OK;
}

static enum task_event do_restart_stopping(struct context *c)
{
	c->record.outcome.stop_reason = STOP_RESTART;
	return do_stopping(c);
}

/* A supervisor before this one may have run them. */
static void run_post_exit(struct context *c)
{
	if (c->live && live_get(c->live)->post_exit_done)
		return;
	(void)stage_run_point(c, POINT_POST_EXIT, NULL, NULL);
	if (!c->live)
		return;
	live_begin(c->live)->post_exit_done = 1;
	live_end(c->live);
}

static enum task_event do_exited(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	enum task_result failed = o->failed_hook ? RESULT_HOOK_FAILED : RESULT_NONE;
	bool has_process = c->tree.pid > 0;
	int status = o->status;
	enum task_event event;

	if (has_process && launch_collect(c) < 0)
		return EVENT_UNKILLABLE;
	if (failed != RESULT_NONE) { /* a post-start hook stopped the task: that decides */
		o->result = status == EXIT_HOOK_TIMEOUT ? RESULT_HOOK_TIMEOUT : failed;
		o->status = status;
		o->decided_by = "hook";
	}
	if (has_process)
		exitnote_make(c);
	run_post_exit(c);
	event = restarts_after_exit(c);
	if (event == EVENT_OK)
		loop_clear_timer(c->loop, &c->max_run_timer);
	return event;
}

static enum task_event do_post_stopping(struct context *c)
{
	if (c->live) {
		live_begin(c->live)->post_stop_begun = 1;
		live_end(c->live);
	}
	(void)stage_run_point(c, POINT_POST_STOP, NULL, NULL);
	/* Something that a hook left cannot be killed. */
	return c->stuck ? EVENT_UNKILLABLE : EVENT_OK;
}

/* On a full disk the record is what a start fails with, and cannot be written in the end either. */
static bool has_said(const struct context *c, const char *what)
{
	const char *failed = c->record.outcome.failed_reason;

	return failed && strcmp(failed, what) == 0;
}

void states_take_down(struct context *c, bool failed)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	bool keep_logs = failed || taskdir_keeps_logs(c);

	c->record.ended = clock_realtime_usec();
	taskdir_remove(c, keep_logs);
	c->record.state = failed ? STATE_FAILED : STATE_DONE;
	if (!keep_logs) {
		(void)record_remove(c->records_fd, c->task->id);
	} else if (context_write_record(c, &why) < 0 && !has_said(c, err_text(&why))) {
		context_warn(c, "%s", err_text(&why));
	}
	/* Only now: until the record tells the end, the live state tells what is owed. */
	taskdir_remove_run(c);
	c->live = c->process_ends ? live_leave(c->live) : live_free(c->live);
	c->hooks.live = NULL;
}

static enum task_event do_removing(struct context *c)
{
	states_take_down(c, false);
	return EVENT_OK;
}

static enum task_event do_undoing(struct context *c)
{
	/* Newest first. The scripts stage runs the post-stop hooks only where a pre-start hook had
	 * begun. */
	if (launch_kill(c) < 0)
		return EVENT_UNKILLABLE;
	(void)stage_run_point(c, POINT_POST_STOP, NULL, NULL);
	if (c->stuck)
		return EVENT_UNKILLABLE;
	/* A restart that was stopped before its launch has not failed. */
	states_take_down(c, err_is_set(&c->failure) || !c->is_restart);
	return EVENT_OK;
}

static enum task_event do_new(struct context *c)
{
	return c->requests.stop ? start_stopped(c) : EVENT_OK;
}

typedef enum task_event (*action_fn)(struct context *c);

/* What belongs to each state. */
static const action_fn actions[STATE_COUNT] = {
	[STATE_NEW] = do_new,
	[STATE_DEPLOYING] = do_deploying,
	[STATE_PREPARING] = do_preparing,
	[STATE_LAUNCHING] = do_launching,
	[STATE_POST_STARTING] = do_post_starting,
	[STATE_RUNNING] = do_running,
	[STATE_EXITED] = do_exited,
	[STATE_RESTART_DELAY] = do_restart_delay,
	[STATE_PRE_RESTARTING] = do_pre_restarting,
	[STATE_RESTART_ASKED] = do_restart_asked,
	[STATE_RESTART_STOPPING] = do_restart_stopping,
	[STATE_STOPPING] = do_stopping,
	[STATE_POST_STOPPING] = do_post_stopping,
	[STATE_UNDOING] = do_undoing,
	[STATE_REMOVING] = do_removing,
};

void states_go_through(struct context *c, enum task_state state)
{
	while (!state_is_final(state)) {
		enum task_event event;
		enum task_state next;

		set_state(c, state);
		event = actions[state] ? actions[state](c) : EVENT_FAILED;
		c->hooks.resumes = false;
		next = state_next(state, event);
		if (next == STATE_INVALID) {
			context_warn(c, "internal error: event '%s' in state '%s'",
				event_name(event), state_name(state));
			next = STATE_STUCK;
		}
		/* From wherever: what is prepared now is another process. */
		if (next == STATE_PREPARING && state != STATE_DEPLOYING)
			restarts_begin(c);
		state = next;
	}
	if (state == STATE_STUCK) {
		set_state(c, state);
		c->record.outcome.status = EXIT_INTERNAL;
		(void)context_write_record(c, NULL);
	}
}
