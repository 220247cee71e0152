#include "config.h"

#include "run/supervisor.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "os/proc.h"
#include "os/trim.h"
#include "run/context.h"
#include "run/deploy.h"
#include "run/launch.h"
#include "run/logruns.h"
#include "run/reentry.h"
#include "run/signals.h"
#include "run/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A record younger than this may be one whose supervisor is just about to take its lock
 * (DESIGN 7.5). */
#define YOUNG_USEC (10 * USEC_PER_SEC)

/* How often `--if-running=wait` looks, and how long `replace` gives the other one beyond what it
 * may need itself. */
#define WAIT_POLL_USEC (50 * USEC_PER_MSEC)

#define TRIM_AFTER USEC_PER_SEC

/* A removed RUN/GROUP/ID between our mkdir and our lock: try anew. */
#define OPEN_TRIES 16

/* ---- opening what a task needs ---- */

static int open_dir(const char *path, mode_t mode, bool make, struct th_err *err)
{
	int fd;

	if (make)
		fd = path_mkdir_parents(path, mode);
	else {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0 && (make || fd != -ENOENT))
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot %s '%s': %s",
			make ? "make" : "open", path,
			fd == -ENOTDIR || fd == -EEXIST ? "a file is in the way" : strerror(-fd));
	return fd;
}

/* RUN/GROUP and STATE/records/GROUP. Records are their owner's alone; RUN may be passed through:
 * hooks with a user of their own have their result files below. */
static int open_base(struct context *c, const char *group, bool make, struct th_err *err)
{
	const struct {
		char *path;
		mode_t mode;
		int *fd;
	} dirs[] = {
		{xstrdup(c->layout->state_dir), 0755, NULL},
		{path_join(c->layout->state_dir, "records"), 0700, NULL},
		{xasprintf("%s/records/%s", c->layout->state_dir, group), 0700, &c->records_fd},
		{xstrdup(c->layout->run_dir), 0755, NULL},
		{layout_run_group(c->layout, group), 0711, &c->run_group_fd},
	};
	int fd = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (fd >= 0)
			fd = open_dir(dirs[i].path, dirs[i].mode, make, err);
		if (fd >= 0 && dirs[i].fd) {
			fd_close(*dirs[i].fd);
			*dirs[i].fd = fd;
		} else if (fd >= 0) {
			fd_close(fd);
		}
		free(dirs[i].path);
	}
	return fd < 0 ? fd : 0;
}

/* RUN/GROUP/ID and the lock in it. -EAGAIN: its supervisor lives. */
static int take_lock(struct context *c, const char *group, const char *id, struct th_err *err)
{
	_cleanup_free_ char *path = layout_run_task(c->layout, group, id);
	int fd = -ENOENT;

	for (int i = 0; i < OPEN_TRIES && fd == -ENOENT; i++) {
		if (i > 0) {
			int r = open_base(c, group, true, err);

			if (r < 0)
				return r;
		}
		c->run_fd = fd_close(c->run_fd);
		fd = path_mkdir_open(c->run_group_fd, id, 0711, NULL);
		if (fd < 0)
			continue;
		c->run_fd = fd;
		fd = lockfile_try(c->run_fd, "lock");
	}
	if (fd == -EAGAIN)
		return fd;
	if (fd < 0)
		return err_set(
			err, EXIT_CANTCREAT, -fd, "cannot make '%s/lock': %s", path, strerror(-fd));
	c->lock_fd = fd;
	str_replace(&c->run_path, path);
	return 0;
}

static int context_init(struct context *c, const struct layout *layout,
	const struct supervisor_options *options, struct th_err *err)
{
	*c = (struct context){.layout = layout,
		.options = options,
		.as_root = geteuid() == 0,
		.terminal = isatty(STDERR_FILENO),
		.run_group_fd = -1,
		.run_fd = -1,
		.records_fd = -1,
		.group_fd = -1,
		.task_fd = -1,
		.log_fd = -1,
		.lock_fd = -1,
		.cg = CGTREE_INIT,
		.hooks = HOOK_SESSION_INIT,
		.tree = PROCTREE_INIT};
	c->loop = loop_new();
	if (!c->loop)
		return err_set(err, EXIT_INTERNAL, errno, "cannot make an event loop: %m");
	return 0;
}

static void warn_from_hook(void *arg, const char *text)
{
	context_warn(arg, "%s", text);
}

/* trim_memory() drops it while the task runs. */
static void complete_record(struct context *c)
{
	if (!c->record.task)
		c->record.task = task_to_json(c->task);
}

static json_t *record_for_hook(void *arg)
{
	struct context *c = arg;

	complete_record(c);
	return record_to_json(&c->record);
}

static void init_hooks(struct context *c)
{
	struct hook_session *s = &c->hooks;

	s->layout = c->layout;
	s->task = c->task;
	s->program = c->options->program;
	s->loop = c->loop;
	s->cg = &c->cg;
	s->live = c->live;
	s->log = c->hooklog;
	s->outcome = &c->record.outcome;
	s->run_fd = c->run_fd;
	s->run_path = c->run_path;
	s->as_root = c->as_root;
	s->show = c->options->quiet		       ? HOOK_SHOW_NEVER
		  : c->options->verbose || c->terminal ? HOOK_SHOW_ALWAYS
						       : HOOK_SHOW_FAILING;
	s->terminal = c->terminal;
	s->warn = warn_from_hook;
	s->record_json = record_for_hook;
	s->arg = c;
}

static void to_task_log(void *arg, enum log_level level, const char *text)
{
	struct context *c = arg;
	char when[CLOCK_RFC3339_MAX];
	_cleanup_free_ char *escaped = NULL, *line = NULL;

	if (level > LOG_LEVEL_NOTICE)
		return;
	/* Opened with its first line: most runs have nothing to say. */
	if (!c->taskhook_log &&
		(c->log_fd < 0 || logfile_open(c->log_fd, "taskhook.log", c->task->log_max_size,
					  c->task->log_max_files, &c->taskhook_log, NULL) < 0))
		return;
	escaped = str_escape(text, 0);
	line = xasprintf(
		"%s %s\n", clock_rfc3339(clock_realtime_usec(), when, sizeof(when)), escaped);
	(void)logfile_write(c->taskhook_log, line, strlen(line), true);
}

/* STATE/tasks/GROUP/ID and its logs, owned as DESIGN 3 says. */
static int open_task_dirs(struct context *c, struct th_err *err)
{
	_cleanup_free_ char *dir = layout_task_dir(c->layout, c->task->group, c->task->id);
	gid_t gid = c->switch_user ? c->cred.gid : getegid();
	int fd, r;

	r = context_open_group_dir(c, err);
	if (r < 0)
		return r;
	fd = path_mkdir_open(c->group_fd, c->task->id, 0700, NULL);
	if (fd < 0)
		goto fail;
	fd_close(c->task_fd);
	c->task_fd = fd;
	if (c->as_root && fchown(c->task_fd, geteuid(), gid) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot set the owner of '%s': %m", dir);
	/* The task's user may write there, but not rename `logs` or replace `local` (sticky). */
	if (fchmod(c->task_fd, 01770) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot set the mode of '%s': %m", dir);
	fd = path_mkdir_open(c->task_fd, "logs", 0750, NULL);
	if (fd < 0)
		goto fail;
	fd_close(c->log_fd);
	c->log_fd = fd;
	if (c->as_root && fchown(c->log_fd, geteuid(), gid) < 0)
		return err_set(
			err, EXIT_CANTCREAT, errno, "cannot set the owner of '%s/logs': %m", dir);
	return 0;
fail:
	return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s': %s", dir,
		fd == -ENOTDIR ? "a file is in the way" : strerror(-fd));
}

static void open_logs(struct context *c)
{
	c->hooklog = hooklog_new(&(struct hooklog_spec){
		.loop = c->loop,
		.dirfd = c->log_fd,
		.max_size = c->task->log_max_size,
		.max_files = c->task->log_max_files,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	});
	c->hooks.log = c->hooklog;
	log_set_sink(to_task_log, c);
}

static void close_logs(struct context *c)
{
	log_set_sink(NULL, NULL);
	c->hooks.log = c->hooklog = hooklog_free(c->hooklog);
	c->taskhook_log = logfile_close(c->taskhook_log);
}

/* ---- state ---- */

static void set_state(struct context *c, enum task_state s)
{
	struct live_state *l;

	c->record.state = s;
	if (!c->live)
		return;
	l = live_begin(c->live);
	l->state = (int32_t)s;
	l->since_usec = clock_realtime_usec();
	l->stop_reason = (uint8_t)c->record.outcome.stop_reason;
	live_end(c->live);
}

static int write_record(struct context *c, struct th_err *err)
{
	if (!c->has_record)
		return 0;
	if (c->hooks.message)
		str_replace(&c->record.message, c->hooks.message);
	complete_record(c);
	json_decref(c->record.hook_state);
	c->record.hook_state = json_incref(c->hooks.state);
	return record_write(c->records_fd, &c->record, err);
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
		close_logs(c);
		r = open_task_dirs(c, &why);
		if (r == 0)
			open_logs(c);
	}
	if (r == -EINTR && !err_is_set(&why))
		return start_stopped(c);
	if (r < 0)
		return start_failed(c, RESULT_START_FAILED, POINT_PRE_DEPLOY, &hooks, &why);
	return c->requests.stop ? start_stopped(c) : EVENT_OK;
}

static enum task_event do_preparing(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	struct th_err why = TH_ERR_INIT;
	int r = run_interruptible(c, POINT_PRE_START, &hooks, &why);

	if (r < 0 || hooks.fatal)
		return start_failed(c, RESULT_START_FAILED, POINT_PRE_START, &hooks, &why);
	return hooks.interrupted || c->requests.stop ? start_stopped(c) : EVENT_OK;
}

static void on_max_run_time(void *arg)
{
	struct context *c = arg;

	if (c->requests.stop)
		return;
	c->requests.stop = true;
	c->requests.stop_reason = STOP_MAX_RUN_TIME;
	c->requests.stop_at = clock_monotonic_usec();
	c->requests.interrupt_hooks = true;
}

static enum task_event do_launching(struct context *c)
{
	struct th_err why = TH_ERR_INIT;

	if (launch_task(c, &why) < 0) {
		for (size_t i = 0; i < 2; i++)
			c->pumps[i] = logpump_free(c->pumps[i]);
		return start_failed(c, RESULT_START_FAILED, POINT_NONE, NULL, &why);
	}
	if (c->task->max_run_time != USEC_INFINITY)
		loop_set_timer(c->loop, &c->max_run_timer,
			usec_add(c->launched_at, c->task->max_run_time), on_max_run_time, c);
	return EVENT_OK;
}

static enum task_event do_post_starting(struct context *c)
{
	_cleanup_point_ struct point_result hooks = {0};
	struct outcome *o = &c->record.outcome;

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
	if (c->exited)
		return EVENT_EXITED;
	return c->requests.stop ? EVENT_STOP : EVENT_OK;
}

/* A supervisor sleeps for as long as its task lives, and thousands of them do: what the start
 * needed is given back. Not at once, as most tasks are over before it would pay. */
static void trim_memory(void *arg)
{
	struct context *c = arg;

	c->hooks.cache = hook_cache_free(c->hooks.cache);
	json_decref(c->record.task);
	c->record.task = NULL;
	trim_unused_memory();
}

static enum task_event do_running(struct context *c)
{
	struct loop_timer trim = {.active = false};

	loop_set_timer(c->loop, &trim, c->launched_at + TRIM_AFTER, trim_memory, c);
	while (!c->exited && !c->requests.stop)
		if (loop_run(c->loop, USEC_INFINITY) < 0)
			break;
	loop_clear_timer(c->loop, &trim);
	return c->exited ? EVENT_EXITED : EVENT_STOP;
}

static enum task_event do_stopping(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	usec_t deadline;

	if (o->stop_reason == STOP_NONE)
		o->stop_reason = c->requests.stop ? c->requests.stop_reason : STOP_ASKED;
	if (!c->exited)
		(void)stage_run_point(c, POINT_PRE_STOP, NULL, NULL);
	if (!c->exited)
		(void)proctree_signal(&c->tree, c->task->stop_signal);
	deadline = usec_add(clock_monotonic_usec(), c->task->stop_timeout);
	while (!c->exited && !c->requests.cut_grace && clock_monotonic_usec() < deadline)
		if (loop_run(c->loop, deadline) < 0)
			break;
	return launch_kill(c) < 0 ? EVENT_UNKILLABLE : EVENT_OK;
}

static enum task_event do_exited(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	enum task_result failed = o->failed_hook ? RESULT_HOOK_FAILED : RESULT_NONE;
	int status = o->status;

	loop_clear_timer(c->loop, &c->max_run_timer);
	if (c->tree.pid > 0 && launch_collect(c) < 0)
		return EVENT_UNKILLABLE;
	if (failed != RESULT_NONE) { /* a post-start hook stopped the task: that decides */
		o->result = status == EXIT_HOOK_TIMEOUT ? RESULT_HOOK_TIMEOUT : failed;
		o->status = status;
		o->decided_by = "hook";
	}
	(void)stage_run_point(c, POINT_POST_EXIT, NULL, NULL);
	if (c->live) {
		live_begin(c->live)->post_exit_done = 1;
		live_end(c->live);
	}
	/* The restart policy will answer EVENT_RETRY here. */
	return EVENT_OK;
}

static enum task_event do_post_stopping(struct context *c)
{
	if (c->live) {
		live_begin(c->live)->post_stop_begun = 1;
		live_end(c->live);
	}
	(void)stage_run_point(c, POINT_POST_STOP, NULL, NULL);
	return EVENT_OK;
}

static void report_kept(void *arg, const char *path, int errnum)
{
	struct context *c = arg;

	if (errnum == EXDEV)
		context_warn(c,
			"'%s/tasks/%s/%s' is kept: something is mounted there (umount it, then run "
			"'taskhook cleanup')",
			c->layout->state_dir, c->task->group, path);
	else
		context_warn(c, "cannot remove '%s/tasks/%s/%s': %s", c->layout->state_dir,
			c->task->group, path, strerror(errnum));
}

/* The task's directory but for what `keep` says. A failed start keeps its evidence whatever `keep`
 * says. */
static void remove_task_dir(struct context *c, bool failed)
{
	static const char *const logs[] = {"logs", NULL};

	/* Something else in its place, which was refused, is not ours to remove. */
	if (c->task->keep == KEEP_ALL || c->group_fd < 0 || c->task_fd < 0)
		return;
	/* What is written from here on must not make the directory anew. */
	if (c->task->keep == KEEP_NONE && !failed)
		close_logs(c);
	(void)rmtree_at(c->group_fd, c->task->id,
		c->task->keep == KEEP_NONE && !failed ? NULL : logs, report_kept, c);
}

/* RUN/GROUP/ID: nothing but the lock is left until the very end. */
static void remove_run_dir(struct context *c)
{
	static const char *const keep[] = {"lock", NULL};

	(void)rmtree_at(c->run_group_fd, c->task->id, keep, NULL, NULL);
}

/* A first start that came to nothing leaves no directories of its group; others' are not empty. */
static void remove_empty_base(struct context *c)
{
	_cleanup_free_ char *run = layout_run_group(c->layout, c->task->group);
	_cleanup_free_ char *records =
		xasprintf("%s/records/%s", c->layout->state_dir, c->task->group);

	(void)rmdir(run);
	(void)rmdir(records);
}

/* Gives the lock up. Unlinked while it is held, so that whoever waits for it opens a new one. */
static void remove_lock(struct context *c)
{
	(void)unlinkat(c->run_fd, "lock", 0);
	(void)unlinkat(c->run_group_fd, c->task->id, AT_REMOVEDIR);
	c->lock_fd = fd_close(c->lock_fd);
	if (c->abandoned)
		remove_empty_base(c);
}

static void take_down(struct context *c, bool failed)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	c->record.ended = clock_realtime_usec();
	remove_task_dir(c, failed);
	remove_run_dir(c);
	c->live = live_free(c->live);
	c->hooks.live = NULL;
	c->record.state = failed ? STATE_FAILED : STATE_DONE;
	if (c->task->keep == KEEP_NONE && !failed) {
		_cleanup_free_ char *name = xasprintf("%s.json", c->task->id);

		(void)unlinkat(c->records_fd, name, 0);
	} else if (write_record(c, &why) < 0) {
		context_warn(c, "%s", err_text(&why));
	}
}

static enum task_event do_removing(struct context *c)
{
	take_down(c, false);
	return EVENT_OK;
}

static enum task_event do_undoing(struct context *c)
{
	/* Newest first. The scripts stage runs the post-stop hooks only where a pre-start hook had
	 * begun. */
	if (launch_kill(c) < 0)
		return EVENT_UNKILLABLE;
	(void)stage_run_point(c, POINT_POST_STOP, NULL, NULL);
	take_down(c, true);
	return EVENT_OK;
}

static enum task_event do_new(struct context *c)
{
	return c->requests.stop ? start_stopped(c) : EVENT_OK;
}

typedef enum task_event (*action_fn)(struct context *c);

/* What belongs to each state. The states of restarts have no way in yet. */
static const action_fn actions[STATE_COUNT] = {
	[STATE_NEW] = do_new,
	[STATE_DEPLOYING] = do_deploying,
	[STATE_PREPARING] = do_preparing,
	[STATE_LAUNCHING] = do_launching,
	[STATE_POST_STARTING] = do_post_starting,
	[STATE_RUNNING] = do_running,
	[STATE_EXITED] = do_exited,
	[STATE_STOPPING] = do_stopping,
	[STATE_POST_STOPPING] = do_post_stopping,
	[STATE_UNDOING] = do_undoing,
	[STATE_REMOVING] = do_removing,
};

static void go_through(struct context *c, enum task_state state)
{
	while (!state_is_final(state)) {
		enum task_event event;
		enum task_state next;

		set_state(c, state);
		event = actions[state] ? actions[state](c) : EVENT_FAILED;
		next = state_next(state, event);
		if (next == STATE_INVALID) {
			context_warn(c, "internal error: event '%s' in state '%s'",
				event_name(event), state_name(state));
			next = STATE_STUCK;
		}
		state = next;
	}
	if (state == STATE_STUCK) {
		set_state(c, state);
		c->record.outcome.status = EXIT_INTERNAL;
		(void)write_record(c, NULL);
	}
}

/* ---- run ---- */

int supervisor_find(const struct layout *layout, const char *group, const char *id, pid_t *ret)
{
	_cleanup_free_ char *path = layout_run_task(layout, group, id);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return lockfile_holder(fd, "lock", ret);
}

int supervisor_ask_stop(
	const struct layout *layout, const char *group, const char *id, enum stop_reason reason)
{
	_cleanup_close_ int pidfd = -1;
	pid_t pid = 0, again = 0;
	uint64_t ticks;

	if (supervisor_find(layout, group, id, &pid) != 1 || pid <= 0)
		return -ESRCH;
	if (proc_start_time(pid, &ticks) < 0)
		return -ESRCH;
	pidfd = proc_pidfd(pid, ticks);
	/* It still holds the lock, so the pidfd is the supervisor's. */
	if (pidfd < 0 || supervisor_find(layout, group, id, &again) != 1 || again != pid)
		return -ESRCH;
	return proc_pidfd_signal_value(pidfd, SIGTERM, SIGNALS_STOP_VALUE + (int)reason);
}

static int wait_for_lock(struct context *c, usec_t deadline, struct th_err *err)
{
	int r;

	while ((r = take_lock(c, c->task->group, c->task->id, err)) == -EAGAIN) {
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

static bool is_inside(struct context *c, pid_t supervisor)
{
	struct cgtree cg = CGTREE_INIT;
	bool inside;

	(void)cgtree_open(&cg,
		c->task->cgroup_mode == CGROUP_MODE_OFF ? CGROUP_MODE_OFF : CGROUP_MODE_AUTO,
		c->task->cgroup_parent, c->layout->state_dir, false, NULL);
	inside = reentry_is_inside(&cg, c->task->group, c->task->id, supervisor);
	cgtree_done(&cg);
	return inside;
}

/* 0: the lock is ours; 1: skip; else -errno with err. */
static int lock_or_decide(struct context *c, struct th_err *err)
{
	const struct task *t = c->task;
	pid_t pid = 0;
	int r = take_lock(c, t->group, t->id, err);

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
		(void)supervisor_ask_stop(c->layout, t->group, t->id, STOP_ASKED);
		r = wait_for_lock(c, replace_deadline(c), err);
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

/* What an earlier run of this ID says, and what it still owes. Its lock is ours. */
static int settle_earlier(struct context *c, struct th_err *err)
{
	_cleanup_record_ struct record old = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int r = record_read(c->records_fd, c->task->id, &old, &why);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		context_warn(c, "the record of the earlier run is set aside: %s", err_text(&why));
		return record_set_aside(c->records_fd, c->task->id, err);
	}
	c->record.run_number = old.run_number;
	if (state_is_final(old.state) && old.state != STATE_STUCK)
		return 0;
	log_notice("the supervisor of the earlier run did not finish: bringing that down first");
	c->lock_fd = fd_close(c->lock_fd);
	r = supervisor_finish(c->layout, c->task->group, c->task->id, c->options, NULL, err);
	if (r < 0)
		return r;
	r = take_lock(c, c->task->group, c->task->id, err);
	if (r == -EAGAIN)
		err_set(err, EXIT_BUSY, EAGAIN, "is running already");
	return r;
}

/* An empty STATE/records/GROUP may have been removed since it was opened: a clean-up of the group
 * cannot see us until we have written here. */
static int write_first_record(struct context *c, struct th_err *err)
{
	int r = -ENOENT;

	for (int i = 0; i < OPEN_TRIES && r == -ENOENT; i++) {
		_cleanup_err_ struct th_err why = TH_ERR_INIT;

		r = i > 0 ? open_base(c, c->task->group, true, &why) : 0;
		if (r == 0)
			r = record_write(c->records_fd, &c->record, &why);
		if (r < 0 && (r != -ENOENT || i + 1 == OPEN_TRIES))
			err_set(err, why.status, why.errnum, "%s", err_text(&why));
	}
	return r;
}

static int write_intent(struct context *c, struct th_err *err)
{
	struct record *rec = &c->record;

	rec->format = RECORD_FORMAT;
	rec->group = xstrdup(c->task->group);
	rec->id = xstrdup(c->task->id);
	rec->run_number++;
	(void)snprintf(rec->boot_id, sizeof(rec->boot_id), "%s", proc_boot_id());
	rec->uid = geteuid();
	rec->started = clock_realtime_usec();
	rec->supervisor_pid = getpid();
	(void)proc_start_time(getpid(), &rec->supervisor_start_ticks);
	rec->state = STATE_NEW;
	rec->outcome.failed_point = POINT_NONE;
	rec->task = task_to_json(c->task);
	c->has_record = true;
	return write_first_record(c, err);
}

static int begin_live(struct context *c, struct th_err *err)
{
	struct live_state *l;
	int r = live_create(c->run_fd, &c->live, err);

	if (r < 0)
		return r;
	l = live_begin(c->live);
	(void)snprintf(l->boot_id, sizeof(l->boot_id), "%s", proc_boot_id());
	l->supervisor_pid = getpid();
	l->supervisor_start_ticks = c->record.supervisor_start_ticks;
	l->run_number = c->record.run_number;
	l->is_run = 1;
	l->dirs_begun = 1;
	live_end(c->live);
	c->hooks.live = c->live;
	return 0;
}

/* From the lock to the first state. What fails here has made nothing but directories of taskhook's
 * own. */
static int prepare(struct context *c, struct th_err *err)
{
	_cleanup_err_ struct th_err runs = TH_ERR_INIT;
	int r = settle_earlier(c, err);

	if (r == 0)
		r = cgtree_open(&c->cg, c->task->cgroup_mode, c->task->cgroup_parent,
			c->layout->state_dir, true, err);
	if (r == 0)
		r = write_intent(c, err);
	if (r == 0)
		r = begin_live(c, err);
	if (r == 0)
		r = open_task_dirs(c, err);
	if (r < 0)
		return r;
	open_logs(c);
	if (c->cg.warning)
		log_warning("%s", c->cg.warning);
	if (logruns_note(c->log_fd, c->record.run_number, c->record.started, &runs) < 0)
		context_warn(c, "%s: 'taskhook logs --run' cannot tell this run apart, continuing",
			err_text(&runs));
	return 0;
}

/* A start that failed before its first state: nothing runs, and no hook has. */
static void abandon(struct context *c, const struct th_err *why)
{
	c->record.outcome.result = RESULT_START_FAILED;
	c->record.outcome.status = why->status;
	c->record.outcome.decided_by = "taskhook";
	str_replace(&c->record.outcome.failed_reason, err_text(why));
	if (c->lock_fd < 0)
		return;
	if (c->has_record) {
		take_down(c, true);
	} else {
		remove_run_dir(c);
		c->abandoned = true;
	}
	(void)cgtree_remove_task(&c->cg, c->task->group, NULL, clock_monotonic_usec(), NULL);
}

static int write_result_file(struct context *c)
{
	_cleanup_free_ char *text = NULL;
	json_t *j;
	int r;

	if (!c->options->result_file)
		return 0;
	j = record_to_json(&c->record);
	/* The values of the environment stay in the 0600 record. */
	(void)json_object_del(j, "task");
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	r = file_replace_at(AT_FDCWD, c->options->result_file, 0644, text, strlen(text));
	if (r < 0)
		log_error("cannot write '%s': %s", c->options->result_file, strerror(-r));
	return r;
}

static int final_status(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	size_t failures = c->record.warnings.n;

	if (err_is_set(&c->failure))
		log_error("%s", err_text(&c->failure));
	else if (!c->launched && o->result == RESULT_START_FAILED)
		log_notice("stopped before the launch");
	if (failures > 1)
		log_warning("%zu failures did not stop it; 'taskhook status %s' names them",
			failures, c->task->name);
	if (write_result_file(c) < 0 && o->status == 0)
		return EXIT_CANTCREAT;
	if (failures && c->options->strict && o->status == 0)
		return EXIT_WITH_FAILURES;
	return o->status;
}

int supervisor_run(const struct layout *layout, const struct task *task,
	const struct supervisor_options *options)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct context c;
	int r, status;

	log_set_task(task->name);
	r = context_init(&c, layout, options, &err);
	c.task = task;
	if (r == 0)
		r = launch_resolve_user(&c, &err);
	if (r == 0) {
		c.hooks.cache = hook_cache_new();
		r = hookdir_check(layout, task, c.hooks.cache, &err);
	}
	if (r == 0)
		r = signals_watch(&c, &err);
	if (r == 0)
		r = open_base(&c, task->group, true, &err);
	if (r == 0)
		r = lock_or_decide(&c, &err);
	if (r == 1) {
		status = EXIT_OK;
		goto out;
	}
	if (r == 0) {
		init_hooks(&c);
		r = prepare(&c, &err);
		if (r < 0)
			abandon(&c, &err);
	}
	if (r == -EINTR && !err_is_set(&err)) {
		status = EXIT_SIGNAL_BASE +
			 (c.requests.stop_signal ? c.requests.stop_signal : SIGTERM);
		goto out;
	}
	if (r < 0) {
		log_error("%s", err_text(&err));
		status = err.status ? err.status : EXIT_INTERNAL;
		goto out;
	}
	init_hooks(&c);
	go_through(&c, STATE_NEW);
	status = final_status(&c);
	if (options->verbose || err_is_set(&c.failure)) {
		_cleanup_free_ char *logs = layout_log_dir(layout, task->group, task->id);

		if (task->keep != KEEP_NONE || err_is_set(&c.failure))
			log_notice("logs are in %s ('taskhook status %s' tells more)", logs,
				task->name);
	}
out:
	if (c.lock_fd >= 0)
		remove_lock(&c);
	context_done(&c);
	log_set_task(NULL);
	return status;
}

/* ---- what others left ---- */

/* Ends the processes of a task whose supervisor is gone. */
static int kill_left(struct context *c, const struct live_state *l, struct th_err *err)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), 10 * USEC_PER_SEC);
	int r = 0;

	if (c->cg.on) {
		r = cgtree_open_task(&c->cg, c->task->group, c->task->id, err);
		if (r < 0)
			return r;
		/* Seen through the same eyes as a task of our own. */
		c->tree.cgroup_fd = c->cg.task_fd;
		(void)cgtree_hooks_kill(&c->cg, c->task->group, c->task->id, NULL, deadline);
		/* It was deploying the group, which so is not deployed: nothing of its hooks may
		 * live on. */
		if (l->hook_point != POINT_NONE && point_is_group((enum hook_point)l->hook_point))
			(void)cgtree_hooks_kill(&c->cg, c->task->group, NULL, NULL, deadline);
	}
	if (l->keeper_pid > 0)
		(void)proctree_kill_keeper(l->keeper_pid, l->keeper_start_ticks, deadline);
	if (l->hook_keeper_pid > 0)
		(void)proctree_kill_keeper(
			l->hook_keeper_pid, l->hook_keeper_start_ticks, deadline);
	if (c->tree.cgroup_fd >= 0 && launch_kill(c) < 0)
		return err_set(
			err, EXIT_BUSY, EBUSY, "processes of %s cannot be killed", c->task->name);
	return r;
}

/* A lock of the group whose holder was killed: the file is all that is left of it. */
static void remove_stale_lock(struct context *c, const char *name)
{
	_cleanup_close_ int fd = -1;

	if (faccessat(c->run_group_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	fd = lockfile_try(c->run_group_fd, name);
	if (fd >= 0)
		(void)unlinkat(c->run_group_fd, name, 0);
}

/* Where to go on, from what was noted before each step. */
static enum task_state resume_state(const struct live_state *l)
{
	if (l->post_stop_begun || l->post_exit_done)
		return STATE_POST_STOPPING;
	if (l->main_pid > 0)
		return STATE_EXITED;
	if (l->pre_start_begun || l->cgroup_begun)
		return STATE_POST_STOPPING;
	return STATE_REMOVING;
}

/* What was owed stays noted: this process may be killed as well. */
static void carry_over(struct context *c, const struct live_state *old)
{
	struct live_state *l = live_begin(c->live);

	l->main_pid = old->main_pid;
	l->cgroup_begun = old->cgroup_begun;
	l->pre_start_begun = old->pre_start_begun;
	l->post_exit_done = old->post_exit_done;
	l->post_stop_begun = old->post_stop_begun;
	live_end(c->live);
}

static int finish_locked(struct context *c, struct th_err *err)
{
	struct live_state l = {.hook_point = POINT_NONE};
	enum task_state state;
	int r;

	r = live_read(c->run_fd, &l);
	if (r < 0 || strcmp(l.boot_id, proc_boot_id()) != 0) {
		/* Another boot, or nothing to go by: no process is left of it, and all hooks are
		 * owed, as they are idempotent. */
		l = (struct live_state){
			.main_pid = 0, .pre_start_begun = 1, .hook_point = POINT_NONE};
		if (c->record.launched)
			l.main_pid = 1;
	}
	log_set_task(c->task->name);
	r = cgtree_open(&c->cg,
		c->task->cgroup_mode == CGROUP_MODE_OFF ? CGROUP_MODE_OFF : CGROUP_MODE_AUTO,
		c->task->cgroup_parent, c->layout->state_dir, true, err);
	if (r == 0)
		r = kill_left(c, &l, err);
	if (r == 0)
		r = launch_resolve_user(c, err);
	if (r < 0)
		return r;
	state = resume_state(&l);
	c->record.outcome.result = RESULT_LOST;
	c->record.outcome.stop_reason = STOP_LOST;
	c->record.outcome.status = EXIT_INTERNAL;
	c->record.outcome.decided_by = "taskhook";
	str_replace(&c->record.outcome.failed_reason, "its supervisor was killed");
	c->has_record = true;
	r = begin_live(c, err);
	if (r == 0)
		r = open_task_dirs(c, err);
	if (r < 0)
		return r;
	carry_over(c, &l);
	open_logs(c);
	init_hooks(c);
	go_through(c, state);
	remove_stale_lock(c, "_deploy");
	remove_stale_lock(c, "_lock");
	return 0;
}

static int read_task(struct context *c, const char *id, struct task **ret, struct th_err *err)
{
	int r = record_read(c->records_fd, id, &c->record, err);

	if (r < 0)
		return r;
	return task_from_json(c->record.task, ret, err);
}

int supervisor_finish(const struct layout *layout, const char *group, const char *id,
	const struct supervisor_options *options, unsigned *ret_warnings, struct th_err *err)
{
	_cleanup_task_ struct task *task = NULL;
	struct context c;
	int r;

	r = context_init(&c, layout, options, err);
	if (r == 0)
		r = open_base(&c, group, true, err);
	if (r == 0)
		r = take_lock(&c, group, id, err);
	if (r == 0)
		r = read_task(&c, id, &task, err);
	if (r < 0)
		goto out;
	c.task = task;
	if (state_is_final(c.record.state) && c.record.state != STATE_STUCK) {
		remove_run_dir(&c);
		r = 1;
	} else {
		size_t before = c.record.warnings.n;

		r = finish_locked(&c, err);
		if (ret_warnings)
			*ret_warnings += (unsigned)(c.record.warnings.n - before);
	}
	if (!c.stuck && r >= 0)
		remove_lock(&c);
out:
	if (r == -EAGAIN && !err_is_set(err))
		err_set(err, EXIT_BUSY, EAGAIN, "%s/%s is running", group, id);
	context_done(&c);
	log_set_task(NULL);
	return r;
}
