#include "config.h"

#include "run/stage.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "os/cgroup.h"
#include "os/proc.h"
#include "run/deploy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* How long processes that were killed may take to leave their cgroup before it is reported as busy.
 */
#define REMOVE_WAIT (10 * USEC_PER_SEC)

/* With the group's lock, so nobody is about to mark it: did a supervisor that was killed note that
 * it was making the group's cgroup, and is it still as it was then? */
static bool remove_unmarked_group(struct context *c)
{
	bool noted = false;
	struct dirent *e;
	DIR *d = NULL;

	if (fd_opendir(c->run_group_fd, &d) < 0)
		return false;
	while (!noted && (e = readdir(d))) {
		_cleanup_close_ int fd = openat(
			dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		_cleanup_free_ char *path = cgtree_path(&c->cg, c->task->group, e->d_name);
		struct live_state l;

		noted = fd >= 0 && live_read(fd, &l) == 0 &&
			l.cgroup_begun == LIVE_CGROUPS_MAKING_GROUP &&
			strcmp(l.boot_id, proc_boot_id()) == 0 && strcmp(l.cgroup, path) == 0;
	}
	closedir(d);
	return noted && cgtree_remove_unmarked(&c->cg, c->task->group, NULL);
}

/* Puts where it was set before what cglimits_apply() says of a limit: "limits.memory = 1G: ...". */
static void blame_limit(const struct context *c, struct th_err *err)
{
	for (enum task_origin i = TASK_ORIGIN_LIMIT; i < TASK_ORIGIN_COUNT; i++) {
		const struct conf_key_info *key = conf_key_info(task_origin_key(i));
		_cleanup_free_ char *what = xasprintf("%s.%s = ", key->section, key->name);

		if (c->task->origins[i] && str_starts_with(err_text(err), what)) {
			err_prefix(err, "%s", c->task->origins[i]);
			return;
		}
	}
}

static int refuse_limits(const struct context *c, struct th_err *err)
{
	enum task_origin i = TASK_ORIGIN_LIMIT;
	int r = err_set(err, EXIT_UNAVAILABLE, ENOTSUP,
		"limits are set, but there is no cgroup to enforce them: %s",
		c->cg.why_off ? c->cg.why_off : "[cgroup] mode is 'off'");

	while (i < TASK_ORIGIN_COUNT && !c->task->origins[i])
		i++;
	if (i < TASK_ORIGIN_COUNT)
		err_prefix(err, "%s", c->task->origins[i]);
	return r;
}

static int make_cgroups(struct context *c, enum hook_point point, struct th_err *err)
{
	struct th_err why = TH_ERR_INIT;
	_cleanup_lock_ int lock = -1;
	int r;

	(void)point;
	if (!c->cg.on) {
		deploy_renew_limits(c);
		if (cglimits_controllers(&c->task->limits) ||
			cglimits_controllers(&c->group_limits))
			return refuse_limits(c, err);
		return 0;
	}
	if (c->live) {
		_cleanup_free_ char *path = cgtree_path(&c->cg, c->task->group, c->task->id);
		struct live_state *l = live_begin(c->live);

		(void)snprintf(l->cgroup, sizeof(l->cgroup), "%s", path);
		l->cgroup_begun = LIVE_CGROUPS_BEGUN;
		live_end(c->live);
	}
	lock = context_lock_group(c, err);
	if (lock < 0)
		return lock;
	/* Not before: they may have been changed since the group was joined, and its cgroup have
	 * gone with its last task. Who changes them has a task in it, so that whoever finds it gone
	 * reads the last word. */
	deploy_renew_limits(c);
	r = cgtree_make_task(&c->cg, c->task, &c->group_limits, c->live, &why);
	if (r == -EEXIST && remove_unmarked_group(c)) {
		err_clear(&why);
		r = cgtree_make_task(&c->cg, c->task, &c->group_limits, c->live, &why);
	}
	if (r < 0) {
		blame_limit(c, &why);
		*err = why;
	}
	return r;
}

static int remove_cgroups(struct context *c, enum hook_point point, struct th_err *err)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), REMOVE_WAIT);
	_cleanup_lock_ int lock = -1;
	int r, left;

	(void)point;
	/* What hooks of this task left in the background ends with the task. */
	left = hook_session_kill_left(&c->hooks, deadline, err);
	if (left == -ETIMEDOUT || left == -EBUSY)
		c->stuck = true;
	lock = context_lock_group(c, err);
	if (lock < 0)
		return lock;
	r = cgtree_remove_task(&c->cg, c->task->group, c->task->id, deadline, err);
	lock = context_unlock_group_last(c, lock);
	return left < 0 ? left : r;
}

static int remove_group(struct context *c, enum hook_point point, struct th_err *err)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), REMOVE_WAIT);
	_cleanup_lock_ int lock = -1;
	int r;

	(void)point;
	r = hook_session_kill_left(&c->hooks, deadline, err);
	if (r < 0 || !c->cg.on)
		return r;
	lock = context_lock_group(c, err);
	if (lock < 0)
		return lock;
	return cgtree_remove_task(&c->cg, c->task->group, NULL, deadline, err);
}

static void describe(const struct context *c, enum hook_point point, FILE *out)
{
	_cleanup_free_ char *path = cgtree_path(&c->cg, c->task->group, c->task->id);
	_cleanup_free_ char *limits = cglimits_format(&c->task->limits);
	_cleanup_free_ char *group = cglimits_format(&c->task->group_limits);

	if (!path) {
		if (point == POINT_PRE_START)
			(void)fprintf(out, "  no cgroup: processes are tracked through /proc\n");
		return;
	}
	if (point == POINT_PRE_START) {
		(void)fprintf(
			out, "  make the cgroup %s%s%s\n", path, *limits ? " with " : "", limits);
		if (*group)
			(void)fprintf(out, "  limits of the group: %s\n", group);
	} else if (point == POINT_POST_STOP) {
		(void)fprintf(
			out, "  remove the cgroup %s, as the last task the group's too\n", path);
	}
}

const struct stage_ops stage_cgroup = {
	.name = "cgroup",
	.at = {[POINT_PRE_START] = make_cgroups,
		[POINT_POST_STOP] = remove_cgroups,
		[POINT_POST_CLEANUP] = remove_group},
	.describe = describe,
};
