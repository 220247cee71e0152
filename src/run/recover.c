#include "config.h"

#include "run/recover.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "os/proc.h"
#include "run/caller.h"
#include "run/context.h"
#include "run/exitnote.h"
#include "run/launch.h"
#include "run/maxtime.h"
#include "run/requests.h"
#include "run/restarts.h"
#include "run/resultfile.h"
#include "run/resume.h"
#include "run/signals.h"
#include "run/states.h"
#include "run/streams.h"
#include "run/taskdir.h"
#include "run/update.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* For the hook that ran when the last supervisor was killed. */
#define KILL_WAIT (10 * USEC_PER_SEC)

/* ---- is there something to take over? ---- */

/* From state, to state; STATE_INVALID: this is brought to its end, not taken over. */
static enum task_state state_after(const struct live_state *l)
{
	enum task_state s = (enum task_state)l->state;
	bool again = l->restart_count > 0;

	switch (s) {
	case STATE_LAUNCHING:
		if (l->main_pid > 0) /* launched, and no hook has run yet */
			return STATE_POST_STARTING;
		/* Whether there is a process is not known, but where it would be. */
		return again && *l->cgroup ? STATE_PREPARING : STATE_INVALID;
	case STATE_PREPARING: /* of a first start: its caller is told */
		return again ? s : STATE_INVALID;
	case STATE_EXITED:
		if (!l->exit.known)
			return STATE_INVALID;
		return l->retry_at_usec ? STATE_RESTART_DELAY : s;
	case STATE_POST_STARTING:
	case STATE_RUNNING:
		return STATE_RUNNING;
	case STATE_RESTART_ASKED:
	case STATE_STOPPING:
	case STATE_RESTART_STOPPING:
	case STATE_RESTART_DELAY:
	case STATE_PRE_RESTARTING:
		return s;
	case STATE_NEW:
	case STATE_DEPLOYING:
	case STATE_POST_STOPPING:
	case STATE_UNDOING:
	case STATE_REMOVING:
	case STATE_STUCK:
	case STATE_DONE:
	case STATE_FAILED:
	case STATE_COUNT:
		break;
	}
	return STATE_INVALID;
}

static bool needs_process(enum task_state s)
{
	return s == STATE_POST_STARTING || s == STATE_RUNNING || s == STATE_RESTART_ASKED ||
	       s == STATE_RESTART_STOPPING || s == STATE_STOPPING;
}

static bool is_left_running(int run_fd, struct live_state *ret)
{
	enum task_state next;

	if (live_read(run_fd, ret) < 0 || strcmp(ret->boot_id, proc_boot_id()) != 0 ||
		ret->state < 0 || ret->state >= STATE_COUNT)
		return false;
	next = state_after(ret);
	if (next == STATE_INVALID)
		return false;
	return !needs_process(next) ||
	       (ret->main_pid > 0 && proc_is_alive(ret->main_pid, ret->main_start_ticks));
}

int recover_look(const struct layout *layout, const char *group, const char *id, struct task **ret)
{
	_cleanup_free_ char *records = xasprintf("%s/records/%s", layout->state_dir, group);
	_cleanup_free_ char *run = layout_run_task(layout, group, id);
	_cleanup_close_ int run_fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int records_fd = -1;
	_cleanup_record_ struct record rec = {0};
	_cleanup_task_ struct task *task = NULL;
	struct live_state l;
	pid_t pid;

	if (run_fd < 0 || lockfile_holder(run_fd, "lock", &pid) == 1 ||
		!is_left_running(run_fd, &l))
		return 0;
	records_fd = open(records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (records_fd < 0 || record_read(records_fd, id, &rec, NULL) < 0 ||
		task_from_json(rec.task, &task, NULL) < 0 || task->end_with_supervisor)
		return 0;
	if (ret)
		*ret = TAKE_PTR(task);
	return 1;
}

/* ---- taking over ---- */

static void kill_running_hook(struct context *c, const struct live_state *l)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), KILL_WAIT);

	c->cg.hooks_kept = true;
	(void)cgtree_hooks_kill(&c->cg, c->task->group, c->task->id, "", deadline);
	if (l->hook_keeper_pid > 0)
		(void)proctree_kill_keeper(
			l->hook_keeper_pid, l->hook_keeper_start_ticks, deadline);
}

static void tell_of_hook(struct context *c, const struct live_state *l)
{
	if (!resume_log_killed_hook(c, l))
		return;
	context_warn(c, "%s/%s: was killed, as its supervisor was%s",
		point_name((enum hook_point)l->hook_point), l->hook_name,
		l->hook_point == POINT_POST_START ? "; the post-start hooks behind it are not run"
						  : "");
}

/* Of a process that has ended, the reason tells whether that was asked for. */
static bool is_stopping(const struct live_state *l)
{
	return l->state == STATE_STOPPING ||
	       (l->state == STATE_EXITED && l->stop_reason != STOP_NONE &&
		       l->stop_reason != STOP_EXITED && l->stop_reason != STOP_RESTART);
}

static void take_requests(struct context *c, const struct live_state *l)
{
	struct requests *q = &c->requests;

	c->pre_stop_begun = l->pre_stop_begun;
	q->restart = l->state == STATE_RESTART_ASKED || l->state == STATE_RESTART_STOPPING ||
		     (l->state == STATE_EXITED && l->stop_reason == STOP_RESTART) ||
		     (l->update_begun & LIVE_UPDATE_RESTART) != 0;
	if (!is_stopping(l))
		return;
	q->with_signal = l->stop_signal;
	q->has_timeout = l->has_stop_timeout;
	q->with_timeout = l->stop_timeout_usec;
	q->stop = true;
	q->stop_reason = l->stop_reason > STOP_NONE && l->stop_reason < STOP_REASON_COUNT
				 ? (enum stop_reason)l->stop_reason
				 : STOP_ASKED;
	q->stop_at = clock_monotonic_usec();
	q->warned_before = c->warned;
	c->record.outcome.stop_reason = q->stop_reason;
}

/* There is no process: it has ended, and the next is waited for or prepared. */
static void take_exit(struct context *c, const struct live_state *l)
{
	struct record *rec = &c->record;

	if (exitnote_take(c, l) && (l->state != STATE_EXITED || l->retry_at_usec)) {
		c->usage_before = rec->usage;
		restarts_keep_exit(c);
	}
	if (state_after(l) != STATE_PREPARING)
		return;
	c->exited = false;
	outcome_done(&rec->outcome);
	rec->outcome = (struct outcome){.failed_point = POINT_NONE};
}

/* What the policy has counted, and what the processes before this one have used. */
static void take_restarts(struct context *c, const struct live_state *l)
{
	struct record *rec = &c->record;

	rec->restart_count = l->restart_count;
	rec->counters = (struct restart_counters){
		.window_start = l->restart_window_usec, .attempts = l->restart_attempts};
	c->is_restart = l->restart_count > 0;
	c->max_run_at = l->max_run_at_usec;
	c->usage_before = rec->usage;
	if (needs_process(state_after(l)))
		return;
	c->launched = c->exited = true;
	take_exit(c, l);
	if (l->retry_at_usec)
		c->retry_at = usec_add(
			clock_monotonic_usec(), usec_sub(l->retry_at_usec, clock_realtime_usec()));
}

/* The lock is ours. 1: the process has ended; -errno with err: all is as it was, but for who has
 * noted it. */
static int take_over(struct context *c, struct live_state *l, struct th_err *err)
{
	bool has_process = needs_process(state_after(l));
	struct record *rec = &c->record;
	int r = resume_open_cgroups(c, l, err);

	if (r == 0)
		r = cgtree_open_task(&c->cg, c->task->group, c->task->id, err);
	if (r < 0)
		return r;
	update_take_over(c, l);
	if (has_process)
		r = launch_adopt(c, l, err);
	if (r != 0)
		return r;
	take_restarts(c, l);
	maxtime_begin(c);
	kill_running_hook(c, l);
	resume_resolve_user(c);

	rec->supervisor_pid = getpid();
	(void)proc_start_time(getpid(), &rec->supervisor_start_ticks);
	rec->state = (enum task_state)l->state;
	c->has_record = true;
	hook_session_take_state(&c->hooks, rec->hook_state);
	/* The pre-start hooks are run again, and hand on anew. */
	if (state_after(l) == STATE_PREPARING)
		hook_session_begin_restart(&c->hooks);
	take_requests(c, l);
	r = context_begin_live(c, l, err);
	if (r == 0)
		r = taskdir_open(c, err);
	if (r == 0)
		r = requests_open(c, err);
	if (r == 0 && has_process)
		r = streams_adopt(c, err);
	if (r == 0)
		r = record_write(c->records_fd, rec, err);
	if (r < 0)
		return r;
	taskdir_open_logs(c);
	context_init_hooks(c);
	r = cgtree_enter_supervisors(&c->cg);
	if (r < 0)
		log_warning(
			"stays in the cgroup of its caller, and ends with it: %s", strerror(-r));
	return 0;
}

/* 0: taken over, to go on in *ret; 1: there is nothing (any more). */
static int begin(struct context *c, const char *group, const char *id, struct task **ret_task,
	struct live_state *l, struct th_err *err)
{
	int r = taskdir_open_base(c, group, err);

	if (r == 0)
		r = taskdir_lock(c, group, id, err);
	if (r == -EAGAIN)
		return 1;
	if (r == 0 && !c->run_dir_found) {
		taskdir_unlock(c);
		return 1;
	}
	/* Looked at again, now that nobody else does anything about it. */
	if (r == 0 && !is_left_running(c->run_fd, l))
		return 1;
	if (r == 0)
		r = resume_read_task(c, id, ret_task, err);
	if (r != 0)
		return r;
	c->task = *ret_task;
	if (state_is_final(c->record.state) || c->task->end_with_supervisor)
		return 1;
	return take_over(c, l, err);
}

int recover_run(const struct layout *layout, const char *group, const char *id,
	const struct supervisor_options *options)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", group, id);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_task_ struct task *task = NULL;
	struct live_state l = {.hook_point = POINT_NONE};
	struct context c;
	int r, status = EXIT_OK;

	log_set_task(name);
	r = context_init(&c, layout, options, &err);
	if (r == 0)
		r = signals_watch(&c, &err);
	if (r == 0)
		r = caller_listen(&c, &err);
	if (r == 0)
		r = begin(&c, group, id, &task, &l, &err);
	if (r < 0) {
		log_error("cannot be taken over: %s", err_text(&err));
		status = err.status ? err.status : EXIT_INTERNAL;
	}
	if (r == 0) {
		tell_of_hook(&c, &l);
		c.hooks.resumes = state_after(&l) == (enum task_state)l.state;
		caller_let_go(&c);
		log_notice("its supervisor was killed, process %d has taken over", (int)getpid());
		states_go_through(&c, state_after(&l));
		status = c.record.outcome.status;
		(void)resultfile_write(&c);
		taskdir_unlock(&c);
		requests_close(&c, status);
	}
	context_done(&c);
	log_set_task(NULL);
	return status;
}
