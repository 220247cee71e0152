#include "config.h"

#include "run/resume.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "os/proc.h"
#include "run/context.h"
#include "run/launch.h"
#include "run/states.h"
#include "run/taskdir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
	r = context_begin_live(c, &l, err);
	if (r == 0)
		r = taskdir_open(c, err);
	if (r < 0)
		return r;
	taskdir_open_logs(c);
	context_init_hooks(c);
	states_go_through(c, state);
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

int resume_task(const struct layout *layout, const char *group, const char *id,
	const struct supervisor_options *options, unsigned *ret_warnings, struct th_err *err)
{
	_cleanup_task_ struct task *task = NULL;
	struct context c;
	int r;

	r = context_init(&c, layout, options, err);
	if (r == 0)
		r = taskdir_open_base(&c, group, err);
	if (r == 0)
		r = taskdir_lock(&c, group, id, err);
	if (r == 0)
		r = read_task(&c, id, &task, err);
	if (r < 0)
		goto out;
	c.task = task;
	if (state_is_final(c.record.state) && c.record.state != STATE_STUCK) {
		taskdir_remove_run(&c);
		r = 1;
	} else {
		size_t before = c.record.warnings.n;

		r = finish_locked(&c, err);
		if (ret_warnings)
			*ret_warnings += (unsigned)(c.record.warnings.n - before);
	}
	if (!c.stuck && r >= 0)
		taskdir_unlock(&c);
out:
	if (r == -EAGAIN && !err_is_set(err))
		err_set(err, EXIT_BUSY, EAGAIN, "%s/%s is running", group, id);
	context_done(&c);
	log_set_task(NULL);
	return r;
}
