#include "config.h"

#include "run/resume.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "os/cgroup.h"
#include "os/cred.h"
#include "os/proc.h"
#include "run/context.h"
#include "run/deploy.h"
#include "run/exitnote.h"
#include "run/hooklog.h"
#include "run/hookrun.h"
#include "run/launch.h"
#include "run/resultfile.h"
#include "run/states.h"
#include "run/streams.h"
#include "run/taskdir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Says what SIGKILL did not end; the janitor comes again. */
static int stay_stuck(struct context *c)
{
	c->stuck = true;
	c->record.state = STATE_STUCK;
	(void)record_write(c->records_fd, &c->record, NULL);
	return -EBUSY;
}

/* What it had made and was killed before it could mark. */
static int remove_unmarked(struct context *c, const struct live_state *l, struct th_err *err)
{
	bool group = l->cgroup_begun == LIVE_CGROUPS_MAKING_GROUP;
	_cleanup_lock_ int lock = -1;

	if (!group && l->cgroup_begun != LIVE_CGROUPS_MAKING_TASK)
		return 0;
	lock = context_lock_group(c, err);
	if (lock < 0)
		return lock;
	(void)cgtree_remove_unmarked(&c->cg, c->task->group, group ? NULL : c->task->id);
	return 0;
}

/* Ends the processes of a task whose supervisor is gone. -EBUSY without err: some cannot be killed,
 * a warning has named them. */
static int kill_left(struct context *c, const struct live_state *l, struct th_err *err)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), 10 * USEC_PER_SEC);
	int r = remove_unmarked(c, l, err);

	if (r == 0)
		r = cgtree_open_task(&c->cg, c->task->group, c->task->id, err);
	if (r < 0)
		return r;
	/* Seen through the same eyes as a task of our own. */
	c->tree.cgroup_fd = c->cg.task_fd;
	(void)cgtree_hooks_kill(&c->cg, c->task->group, c->task->id, NULL, deadline);
	deploy_end_killed(c, c->record.supervisor_pid, c->record.supervisor_start_ticks);
	if (l->hook_keeper_pid > 0)
		(void)proctree_kill_keeper(
			l->hook_keeper_pid, l->hook_keeper_start_ticks, deadline);
	if (l->keeper_pid > 0 && proctree_kill_keeper(l->keeper_pid, l->keeper_start_ticks,
					 deadline) == -ETIMEDOUT) {
		context_warn(c,
			"processes below the keeper %d could not be killed within 10s; 'taskhook "
			"cleanup' goes on with it later",
			l->keeper_pid);
		return stay_stuck(c);
	}
	return c->tree.cgroup_fd >= 0 && launch_kill(c) < 0 ? stay_stuck(c) : 0;
}

/* PARENT of the task's cgroup as it was noted, which `parent = auto` may not find again: we may
 * have been started in another place. NULL: unknown. The caller frees it. */
static char *noted_parent(const struct context *c, const struct live_state *l)
{
	_cleanup_free_ char *mount = NULL;
	_cleanup_free_ char *tail = xasprintf("/%s", c->task->name);
	const char *parent;

	if (!*l->cgroup || cgroup_find_mount(&mount) < 0 || !str_starts_with(l->cgroup, mount) ||
		!str_ends_with(l->cgroup, tail))
		return NULL;
	parent = l->cgroup + strlen(mount);
	return strlen(parent) < strlen(tail) ? NULL
					     : xstrndup(parent, strlen(parent) - strlen(tail));
}

int resume_open_cgroups(struct context *c, const struct live_state *l, struct th_err *err)
{
	enum cgroup_mode mode =
		c->task->cgroup_mode == CGROUP_MODE_OFF ? CGROUP_MODE_OFF : CGROUP_MODE_AUTO;
	_cleanup_free_ char *noted = noted_parent(c, l);

	if (noted) {
		int r = cgtree_open(&c->cg, mode, noted, c->layout->state_dir, false, err);

		if (r != -ENOENT)
			return r;
		/* Gone with all that was in it. */
		cgtree_done(&c->cg);
	}
	return cgtree_open(&c->cg, mode, c->task->cgroup_parent, c->layout->state_dir, true, err);
}

/* The user may be gone by now; what is owed is owed all the same. */
void resume_resolve_user(struct context *c)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (launch_resolve_user(c, &why) == 0)
		return;
	context_warn(c, "%s, continuing as ourselves", err_text(&why));
	cred_done(&c->cred);
	c->switch_user = false;
	(void)cred_self(NULL, &c->cred, NULL);
}

bool resume_log_killed_hook(struct context *c, const struct live_state *l)
{
	json_t *line;

	if (l->hook_point == POINT_NONE || !*l->hook_name)
		return false;
	if (!c->hooklog)
		return true;
	line = hook_killed_to_json(
		(enum hook_point)l->hook_point, l->hook_name, l->hook_since_usec);
	hooklog_record(c->hooklog, line);
	json_decref(line);
	hooklog_flush(c->hooklog);
	return true;
}

/* What is left of a task of this boot, as it was found. */
static bool runs(const struct live_state *l)
{
	return l->main_pid > 0 && proc_is_alive(l->main_pid, l->main_start_ticks);
}

static const char *why_lost(const struct context *c, const struct live_state *l, bool ran)
{
	if (strcmp(c->record.boot_id, proc_boot_id()) != 0)
		return "the host was started again while it ran";
	if (c->task->end_with_supervisor || l->main_pid <= 0 || ran)
		return "its supervisor was killed";
	return "its supervisor was killed, and its process ended before it had another: how is not "
	       "known";
}

static void set_lost(struct context *c, const struct live_state *l, bool ran)
{
	struct outcome *o = &c->record.outcome;
	bool known;

	/* How a stuck one ended is known. */
	if (c->record.state == STATE_STUCK && o->result != RESULT_NONE)
		return;
	/* So is how one ended whose supervisor was killed later, or that waited for a restart. */
	known = exitnote_take(c, l) ||
		(c->record.state == STATE_RESTART_DELAY && o->result != RESULT_NONE);
	o->stop_reason = STOP_LOST;
	if (known)
		return;
	o->result = RESULT_LOST;
	o->status = EXIT_INTERNAL;
	o->decided_by = "taskhook";
	str_replace(&o->failed_reason, why_lost(c, l, ran));
}

/* A lock of the group whose holder was killed: the file is all that is left of it. */
static void remove_stale_lock(struct context *c, const char *name)
{
	_cleanup_lock_ int fd = -1;

	if (faccessat(c->run_group_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	fd = lockfile_try(c->run_group_fd, name);
	if (fd >= 0)
		(void)unlinkat(c->run_group_fd, name, 0);
}

/* Where to go on, from what was noted before each step. */
static enum task_state resume_state(const struct context *c, const struct live_state *l)
{
	/* A start that failed, and left what could not be killed. */
	if (c->record.state == STATE_STUCK && !c->record.launched)
		return STATE_UNDOING;
	if (l->post_stop_begun || l->post_exit_done)
		return STATE_POST_STOPPING;
	if (l->main_pid != 0)
		return STATE_EXITED;
	if (l->pre_start_begun || l->cgroup_begun)
		return STATE_POST_STOPPING;
	return STATE_REMOVING;
}

/* What was written and not read, or read and not written to the logs. */
static void finish_streams(struct context *c)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (streams_adopt(c, &why) < 0)
		context_warn(c, "%s, continuing without its last output", err_text(&why));
	streams_finish(c);
}

static int finish_locked(struct context *c, struct th_err *err)
{
	_cleanup_close_ int out = streams_hold(c, 0), errors = streams_hold(c, 1);
	struct live_state l = {.hook_point = POINT_NONE};
	bool ran;
	int r;

	(void)out;
	(void)errors; /* held to the end */
	r = live_read(c->run_fd, &l);
	if (r < 0 || strcmp(l.boot_id, proc_boot_id()) != 0) {
		/* Another boot, or nothing to go by: no process is left of it, and all hooks are
		 * owed, as they are idempotent. */
		l = (struct live_state){
			.main_pid = 0, .pre_start_begun = 1, .hook_point = POINT_NONE};
		if (c->record.launched)
			l.main_pid = 1;
	}
	ran = runs(&l);
	r = resume_open_cgroups(c, &l, err);
	c->cg.hooks_kept = true;
	if (r == 0)
		r = kill_left(c, &l, err);
	if (r < 0)
		return r;
	resume_resolve_user(c);
	set_lost(c, &l, ran);
	c->has_record = true;
	r = context_begin_live(c, &l, err);
	if (r == 0)
		r = taskdir_open(c, err);
	if (r < 0)
		return r;
	taskdir_open_logs(c);
	finish_streams(c);
	context_init_hooks(c);
	(void)resume_log_killed_hook(c, &l);
	states_go_through(c, resume_state(c, &l));
	remove_stale_lock(c, "_lock");
	return c->stuck ? -EBUSY : 0;
}

int resume_read_task(struct context *c, const char *id, struct task **ret, struct th_err *err)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int r = record_read(c->records_fd, id, &c->record, &why);

	if (r == 0)
		r = task_from_json(c->record.task, ret, &why);
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		return 1;
	if (r == -EBADMSG) {
		log_warning("the record is set aside: %s", err_text(&why));
		r = record_set_aside(c->records_fd, id, err);
		return r < 0 ? r : 1;
	}
	return err_set(err, why.status, -r, "%s", err_text(&why));
}

int resume_task(const struct layout *layout, const char *group, const char *id,
	const struct supervisor_options *options, unsigned *ret_warnings, struct th_err *err)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", group, id);
	_cleanup_task_ struct task *task = NULL;
	struct context c;
	int r;

	log_set_task(name);
	r = context_init(&c, layout, options, err);
	if (r == 0)
		r = taskdir_open_base(&c, group, err);
	if (r == 0)
		r = taskdir_lock(&c, group, id, err);
	if (r < 0)
		goto out;
	r = resume_read_task(&c, id, &task, err);
	c.task = task;
	if (r == 0 && state_is_final(c.record.state) && c.record.state != STATE_STUCK) {
		taskdir_remove_run(&c);
		r = 1;
	} else if (r == 0) {
		size_t before = c.record.warnings.n;

		assert(task); /* resume_read_task() has made it */
		r = finish_locked(&c, err);
		if (r == 0)
			(void)resultfile_write(&c);
		if (ret_warnings)
			*ret_warnings += (unsigned)(c.record.warnings.n - before);
	}
	/* Where something is still owed, all that tells of it stays. */
	if (r >= 0)
		taskdir_unlock(&c);
out:
	if (r == -EAGAIN && !err_is_set(err))
		err_set(err, EXIT_BUSY, EAGAIN, "is running");
	context_done(&c);
	log_set_task(NULL);
	return r;
}
