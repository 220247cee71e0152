#include "config.h"

#include "run/supervisor.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "os/proc.h"
#include "run/caller.h"
#include "run/client.h"
#include "run/context.h"
#include "run/launch.h"
#include "run/logruns.h"
#include "run/reentry.h"
#include "run/recover.h"
#include "run/requests.h"
#include "run/resultfile.h"
#include "run/resume.h"
#include "run/signals.h"
#include "run/states.h"
#include "run/taskdir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often `--if-running=wait` and `replace` look. */
#define WAIT_POLL_USEC (50 * USEC_PER_MSEC)

/* A lock that is held without a supervisor is held for a few system calls, on a disk that may be
 * busy. */
#define MOMENT_USEC	 (2 * USEC_PER_SEC)
#define MOMENT_POLL_USEC (5 * USEC_PER_MSEC)

int supervisor_find(const struct layout *layout, const char *group, const char *id, pid_t *ret)
{
	_cleanup_free_ char *path = layout_run_task(layout, group, id);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return lockfile_holder(fd, "lock", ret);
}

static int wait_for_lock(struct context *c, usec_t deadline, struct th_err *err)
{
	int r;

	while ((r = taskdir_lock(c, c->task->group, c->task->id, err)) == -EAGAIN) {
		if (c->requests.stop)
			return -EINTR;
		if (clock_monotonic_usec() >= deadline)
			return -EAGAIN;
		r = loop_run(c->loop, MIN(deadline, clock_monotonic_usec() + WAIT_POLL_USEC));
		if (r < 0)
			return err_set(err, EXIT_INTERNAL, -r, "cannot wait: %s", strerror(-r));
	}
	return r;
}

/* The one that is asked to stop may need its pre-stop and post-stop hooks, its grace and its kill.
 */
static usec_t replace_deadline(const struct context *c)
{
	usec_t most = usec_add(3 * c->task->hooks_total_timeout, c->task->stop_timeout);

	return usec_add(clock_monotonic_usec(), usec_add(most, USEC_PER_MIN));
}

static int replace(struct context *c, struct th_err *err)
{
	struct client *client = client_new(
		c->loop, &(struct client_spec){.layout = c->layout,
				 .group = c->task->group,
				 .id = c->task->id,
				 .request = {.op = REQUEST_STOP, .timeout = USEC_INFINITY}});
	int r = wait_for_lock(c, replace_deadline(c), err);

	client_free(client);
	return r;
}

static bool is_inside(struct context *c, pid_t supervisor)
{
	struct cgtree cg = CGTREE_INIT;
	bool inside;

	(void)cgtree_open(&cg,
		c->task->cgroup_mode == CGROUP_MODE_OFF ? CGROUP_MODE_OFF : CGROUP_MODE_AUTO,
		c->task->cgroup_parent, c->layout->state_dir, false, NULL);
	inside = reentry_is_inside(c->layout, &cg, c->task->group, c->task->id, supervisor);
	cgtree_done(&cg);
	return inside;
}

/* Does the live state name the process that holds the lock? A clean-up that removes an old ID, or a
 * start that has only just begun, holds it without. */
static bool is_supervised_by(struct context *c, pid_t pid)
{
	struct live_state l;

	return live_read(c->run_fd, &l) == 0 && strcmp(l.boot_id, proc_boot_id()) == 0 &&
	       l.supervisor_pid == pid;
}

/* As wait_for_lock(), but no longer than it takes to see that it is a supervisor that has it. */
static int lock_or_look(struct context *c, struct th_err *err)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), MOMENT_USEC);
	int r;

	for (;;) {
		pid_t pid = 0;

		r = taskdir_lock(c, c->task->group, c->task->id, err);
		if (r != -EAGAIN || clock_monotonic_usec() >= deadline)
			return r;
		if (supervisor_find(c->layout, c->task->group, c->task->id, &pid) == 1 &&
			is_supervised_by(c, pid))
			return -EAGAIN;
		if (c->requests.stop)
			return -EINTR;
		r = loop_run(c->loop, clock_monotonic_usec() + MOMENT_POLL_USEC);
		if (r < 0)
			return err_set(err, EXIT_INTERNAL, -r, "cannot wait: %s", strerror(-r));
	}
}

/* 0: the lock is ours; 1: skip; else -errno with err. */
static int lock_or_decide(struct context *c, struct th_err *err)
{
	const struct task *t = c->task;
	pid_t pid = 0;
	int r = lock_or_look(c, err);

	if (r != -EAGAIN)
		return r;
	(void)supervisor_find(c->layout, t->group, t->id, &pid);
	if (c->options->if_running != IF_RUNNING_FAIL &&
		c->options->if_running != IF_RUNNING_SKIP && is_inside(c, pid))
		return err_set(err, EXIT_BUSY, EDEADLK,
			"is called from within itself: it would wait for its own end");
	switch (c->options->if_running) {
	case IF_RUNNING_SKIP:
		log_notice("is running already (process %d), skipping", pid);
		return 1;
	case IF_RUNNING_WAIT:
		log_notice("is running already (process %d), waiting for its end", pid);
		r = wait_for_lock(
			c, usec_add(clock_monotonic_usec(), c->options->if_running_wait), err);
		break;
	case IF_RUNNING_REPLACE:
		log_notice("is running already (process %d), stopping it", pid);
		r = replace(c, err);
		break;
	case IF_RUNNING_FAIL:
		break;
	}
	if (r == -EAGAIN)
		return err_set(err, EXIT_BUSY, EAGAIN,
			"is running already (process %d; --if-running=skip, wait or replace says "
			"what to do then)",
			pid);
	return r;
}

/* Left by a supervisor that was killed after it had written how its run ended. */
static void remove_left_run_dir(struct context *c)
{
	if (c->run_dir_found)
		taskdir_remove_run(c);
}

/* Whoever ended the group since we opened its records has removed their directory; another start
 * of this ID may have come and gone in a new one. */
static int reopen_records(struct context *c, struct th_err *err)
{
	struct stat st;

	if (fstat(c->records_fd, &st) == 0 && st.st_nlink > 0)
		return 0;
	return taskdir_open_base(c, c->task->group, err);
}

/* What an earlier run of this ID says, and what it still owes. Its lock is ours. */
static int settle_earlier(struct context *c, struct th_err *err)
{
	_cleanup_record_ struct record old = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int r = reopen_records(c, err);

	if (r < 0)
		return r;
	r = record_read_settled(c->records_fd, c->task->id, &c->record.run_number);
	if (r == 0) {
		remove_left_run_dir(c);
		return 0;
	}
	r = record_read(c->records_fd, c->task->id, &old, &why);
	if (r == -ENOENT) {
		remove_left_run_dir(c);
		return 0;
	}
	if (r < 0) {
		context_warn(c, "the record of the earlier run is set aside: %s", err_text(&why));
		return record_set_aside(c->records_fd, c->task->id, err);
	}
	c->record.run_number = old.run_number;
	if (state_is_final(old.state) && old.state != STATE_STUCK) {
		remove_left_run_dir(c);
		return 0;
	}
	c->lock_fd = lockfile_close(c->lock_fd);
	if (recover_look(c->layout, c->task->group, c->task->id, NULL) == 1 &&
		c->options->if_running != IF_RUNNING_REPLACE)
		return err_set(err, EXIT_BUSY, EAGAIN,
			"is running already, without a supervisor ('taskhook recover' gives it "
			"one)");
	log_notice("the supervisor of the earlier run did not finish: bringing that down first");
	r = resume_task(c->layout, c->task->group, c->task->id, c->options, NULL, err);
	log_set_task(c->task->name);
	if (r == -EBUSY && !err_is_set(err))
		err_set(err, EXIT_BUSY, EBUSY,
			"what the earlier run left cannot be killed: nothing is started beside it");
	if (r < 0)
		return r;
	r = lock_or_look(c, err);
	if (r == -EAGAIN)
		err_set(err, EXIT_BUSY, EAGAIN, "is running already");
	return r;
}

/* An empty STATE/records/GROUP may have been removed since it was opened: a clean-up of the group
 * cannot see us until we have written here. */
static int write_first_record(struct context *c, struct th_err *err)
{
	int r = -ENOENT;

	for (int i = 0; i < TASKDIR_TRIES && r == -ENOENT; i++) {
		_cleanup_err_ struct th_err why = TH_ERR_INIT;

		r = i > 0 ? taskdir_open_base(c, c->task->group, &why) : 0;
		if (r == 0)
			r = record_write(c->records_fd, &c->record, &why);
		if (r < 0 && (r != -ENOENT || i + 1 == TASKDIR_TRIES))
			err_set(err, why.status, why.errnum, "%s", err_text(&why));
	}
	return r;
}

static void name_record(struct context *c)
{
	struct record *rec = &c->record;

	rec->format = RECORD_FORMAT;
	str_replace(&rec->group, c->task->group);
	str_replace(&rec->id, c->task->id);
	rec->uid = geteuid();
}

static int write_intent(struct context *c, struct th_err *err)
{
	struct record *rec = &c->record;

	name_record(c);
	rec->run_number++;
	(void)snprintf(rec->boot_id, sizeof(rec->boot_id), "%s", proc_boot_id());
	rec->started = clock_realtime_usec();
	rec->supervisor_pid = getpid();
	(void)proc_start_time(getpid(), &rec->supervisor_start_ticks);
	rec->state = STATE_NEW;
	rec->outcome.failed_point = POINT_NONE;
	record_set_task(rec, task_to_json(c->task));
	/* `run` ends with its supervisor, and so does who waits for the file. */
	if (c->options->background)
		str_replace(&rec->result_file, c->options->result_file);
	c->has_record = true;
	return write_first_record(c, err);
}

/* What ends the caller's cgroup, a oneshot unit's end or a hook's timeout, shall not end us. */
static void leave_cgroup(struct context *c)
{
	int r = cgtree_enter_supervisors(&c->cg);

	if (r < 0)
		log_warning(
			"stays in the cgroup of its caller, and ends with it: %s", strerror(-r));
}

/* From the lock to the first state. What fails here has made nothing but directories of taskhook's
 * own. */
static int prepare(struct context *c, struct th_err *err)
{
	_cleanup_err_ struct th_err runs = TH_ERR_INIT;
	int r = settle_earlier(c, err);

	if (r == 0 && !c->has_caller)
		requests_open_soon(c);
	else if (r == 0)
		r = requests_open(c, err);
	if (r == 0)
		r = cgtree_open(&c->cg, c->task->cgroup_mode, c->task->cgroup_parent,
			c->layout->state_dir, true, err);
	if (r == 0)
		r = write_intent(c, err);
	if (r == 0)
		r = context_begin_live(c, NULL, err);
	if (r == 0)
		r = taskdir_open(c, err);
	if (r < 0)
		return r;
	taskdir_open_logs(c);
	/* With limits that is a failure, which the stage tells. */
	if (!cglimits_controllers(&c->task->limits) &&
		!cglimits_controllers(&c->task->group_limits))
		cgtree_warn(&c->cg);
	if (c->options->background)
		leave_cgroup(c);
	if (logruns_note(c->log_fd, c->record.run_number, c->record.started, &runs) < 0)
		context_warn(c, "%s: 'taskhook logs --run' cannot tell this run apart, continuing",
			err_text(&runs));
	return 0;
}

/* A start that came to nothing before its first state: nothing runs, and no hook has. */
static void abandon(struct context *c)
{
	if (c->lock_fd < 0)
		return;
	if (c->has_record) {
		states_take_down(c, true);
	} else {
		taskdir_remove_run(c);
		c->abandoned = true;
	}
	(void)cgtree_remove_task(&c->cg, c->task->group, NULL, clock_monotonic_usec(), NULL);
}

static int final_status(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	size_t failures = c->record.warnings.n;

	if (err_is_set(&c->failure))
		log_error("%s", err_text(&c->failure));
	else if (!c->launched && o->result == RESULT_START_FAILED)
		log_notice("stopped before the launch");
	else if (c->has_caller && o->decided_by && strcmp(o->decided_by, "hook") != 0)
		log_notice("stopped before its start was through");
	if (failures > 1)
		log_warning("%zu failures did not stop it; 'taskhook status %s' names them",
			failures, c->task->name);
	if (resultfile_write(c) < 0 && o->status == 0)
		return EXIT_CANTCREAT;
	if (failures && c->options->strict && o->status == 0)
		return EXIT_WITH_FAILURES;
	return o->status;
}

/* From nothing to the lock: 0; 1: skip; -EINTR without err: a signal came; else -errno with err. */
static int get_ready(struct context *c, struct th_err *err)
{
	int r = launch_resolve_user(c, err);

	if (r == 0) {
		c->hooks.cache = hook_cache_new();
		hook_cache_set_moment(c->hooks.cache, loop_waits(c->loop));
		r = hookdir_check(c->layout, c->task, c->hooks.cache, err);
	}
	if (r == 0)
		r = signals_watch(c, err);
	if (r == 0)
		r = caller_listen(c, err);
	if (r == 0)
		r = taskdir_open_base(c, c->task->group, err);
	return r == 0 ? lock_or_decide(c, err) : r;
}

/* A start that failed before its first state. Returns the exit status. */
static int refuse(struct context *c, int r, const struct th_err *why)
{
	struct record *rec = &c->record;
	struct outcome *o = &rec->outcome;

	if (r == -EINTR && !err_is_set(why)) {
		o->status = EXIT_SIGNAL_BASE +
			    (c->requests.stop_signal ? c->requests.stop_signal : SIGTERM);
		str_replace(&o->failed_reason, "stopped before the launch");
	} else {
		log_error("%s", err_text(why));
		o->status = why->status ? why->status : EXIT_INTERNAL;
		str_replace(&o->failed_reason, err_text(why));
	}
	o->result = RESULT_START_FAILED;
	o->decided_by = "taskhook";
	o->failed_point = POINT_NONE;
	abandon(c);
	if (!c->has_record) { /* only for --result */
		name_record(c);
		rec->started = rec->ended = clock_realtime_usec();
		rec->state = STATE_FAILED;
	}
	(void)resultfile_write(c);
	return o->status;
}

static int finish_run(struct context *c)
{
	const struct task *t = c->task;
	_cleanup_free_ char *logs = layout_log_dir(c->layout, t->group, t->id);
	bool failed = err_is_set(&c->failure);
	int status = final_status(c);

	if (failed || (c->options->verbose && t->keep != KEEP_NONE))
		log_notice("logs are in %s ('taskhook status %s' tells more)", logs, t->name);
	return status;
}

int supervisor_run(
	const struct layout *layout, struct task *task, const struct supervisor_options *options)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct context c;
	int r, status;

	log_set_task(task->name);
	r = context_init(&c, layout, options, &err);
	c.task = task;
	c.process_ends = true;
	if (r == 0)
		r = get_ready(&c, &err);
	if (r == 0) {
		context_init_hooks(&c);
		r = prepare(&c, &err);
	}
	if (r == 1) {
		status = EXIT_OK;
	} else if (r < 0) {
		status = refuse(&c, r, &err);
	} else {
		context_init_hooks(&c);
		states_go_through(&c, STATE_NEW);
		status = finish_run(&c);
	}
	if (c.lock_fd >= 0)
		taskdir_unlock(&c);
	requests_close(&c, status);
	context_done(&c);
	log_set_task(NULL);
	return status;
}
