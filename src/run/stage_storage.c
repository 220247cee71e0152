#include "config.h"

#include "run/stage.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "run/artifacts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The shared directory of a group and the link to it in each task's directory. Everything is done
 * on held directories with O_NOFOLLOW: the task's user may write beside `local`, but not replace it
 * (mode 1770), and what an earlier task planted leads nowhere.
 */

#define LOCAL_LINK   "local"
#define LOCAL_TARGET "../shared/local"
#define GROUP_LINK   "_local" /* in the group's directory, where it leads nowhere */

/* Opens STATE/tasks/GROUP/shared/local, making what is missing. */
static int open_shared(struct context *c, struct th_err *err)
{
	_cleanup_close_ int shared = -1;
	int fd;

	shared = path_mkdir_open(c->group_fd, "shared", 0755, NULL);
	if (shared < 0)
		return err_set(err, EXIT_CANTCREAT, -shared, "cannot make '%s/tasks/%s/shared': %s",
			c->layout->state_dir, c->task->group, path_mkdir_reason(-shared));
	fd = path_mkdir_open(shared, "local", 0755, NULL);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd,
			"cannot make '%s/tasks/%s/shared/local': %s", c->layout->state_dir,
			c->task->group, path_mkdir_reason(-fd));
	return fd;
}

/*
 * shared/local belongs to the one user of all tasks of the group, else to root. Which users there
 * were is kept in the owner itself: the group's first task sets its user, the first with another
 * user sets root, for good.
 */
static int set_shared_owner(struct context *c, int fd, bool first, struct th_err *err)
{
	uid_t want = c->switch_user ? c->cred.uid : geteuid();
	struct stat st;

	if (!c->as_root)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_set(
			err, EXIT_CANTCREAT, errno, "cannot look at the shared directory: %m");
	if (!first && st.st_uid != want)
		want = 0;
	if (st.st_uid == want)
		return 0;
	if (fchown(fd, want, want == 0 ? 0 : c->cred.gid) < 0)
		return err_set(err, EXIT_CANTCREAT, errno,
			"cannot set the owner of the shared directory: %m");
	return 0;
}

static int deploy_group(struct context *c, enum hook_point point, struct th_err *err)
{
	_cleanup_lock_ int lock = -1;
	_cleanup_close_ int fd = -1;
	bool first;

	(void)point;
	lock = context_lock_group(c, err);
	if (lock < 0)
		return lock;
	first = faccessat(c->group_fd, "shared/local", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	fd = open_shared(c, err);
	if (fd < 0)
		return fd;
	return set_shared_owner(c, fd, first, err);
}

/*
 * A second name of one link that the group keeps, as to make and free a file for each run is most
 * of what a short run costs on ext4. Where that cannot be (too many names, another file system) the
 * task gets a link of its own. 0 or -errno.
 */
static int link_local(struct context *c)
{
	for (int i = 0; i < 2; i++) {
		if (linkat(c->group_fd, GROUP_LINK, c->task_fd, LOCAL_LINK, 0) == 0)
			return 0;
		if (errno == EEXIST)
			return -EEXIST;
		if (errno != ENOENT || symlinkat(LOCAL_TARGET, c->group_fd, GROUP_LINK) < 0)
			break;
	}
	return symlinkat(LOCAL_TARGET, c->task_fd, LOCAL_LINK) < 0 ? -errno : 0;
}

static int make_link(struct context *c, struct th_err *err)
{
	char target[sizeof(LOCAL_TARGET) + 1];
	int r = link_local(c);
	ssize_t n;

	if (r == 0)
		return 0;
	if (r != -EEXIST)
		return err_set(err, EXIT_CANTCREAT, -r,
			"cannot make the link '%s' in the task directory: %s", LOCAL_LINK,
			strerror(-r));
	n = readlinkat(c->task_fd, LOCAL_LINK, target, sizeof(target));
	if (n == (ssize_t)strlen(LOCAL_TARGET) && memcmp(target, LOCAL_TARGET, (size_t)n) == 0)
		return 0;
	/* Something else was left there by an earlier run (keep = all). A link is replaced, a file
	 * or directory is somebody's data. */
	if (n < 0)
		return err_set(err, EXIT_CANTCREAT, EEXIST,
			"'%s' in the task directory is in the way: it is no link (move it away)",
			LOCAL_LINK);
	r = unlinkat(c->task_fd, LOCAL_LINK, 0) < 0 ? -errno : link_local(c);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r,
			"cannot replace the link '%s' in the task directory: %s", LOCAL_LINK,
			strerror(-r));
	return 0;
}

/* What came of them is written down at once: `status` of the running task tells it. */
static int fetch_artifacts(struct context *c, int fd, struct th_err *err)
{
	int r = artifacts_fetch(c, fd, err);

	if (r == -EINTR && !err_is_set(err)) {
		c->point->interrupted = true;
		return 0;
	}
	if (r < 0 || !c->has_record)
		return r;
	context_complete_record(c);
	return record_write(c->records_fd, &c->record, err);
}

static int prepare_task(struct context *c, enum hook_point point, struct th_err *err)
{
	uid_t want = c->switch_user ? c->cred.uid : geteuid();
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)point;
	/* For all but the first of a group there is nothing to do. */
	if (!c->task->n_artifacts &&
		fstatat(c->group_fd, "shared/local", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode) && (!c->as_root || st.st_uid == want))
		return make_link(c, err);
	fd = open_shared(c, err);
	if (fd < 0)
		return fd;
	/* No lock: the owner only ever changes to root from here on, whoever does it. */
	if (set_shared_owner(c, fd, false, err) < 0)
		return -EIO;
	if (c->task->n_artifacts) {
		int r = fetch_artifacts(c, fd, err);

		if (r < 0 || c->point->interrupted)
			return r;
	}
	return make_link(c, err);
}

static int release_task(struct context *c, enum hook_point point, struct th_err *err)
{
	(void)point;
	if (c->task_fd < 0 || c->task->keep == KEEP_ALL)
		return 0;
	if (unlinkat(c->task_fd, LOCAL_LINK, 0) < 0 && errno != ENOENT && errno != EISDIR)
		return err_set(
			err, EXIT_INTERNAL, errno, "cannot remove the link '%s': %m", LOCAL_LINK);
	return 0;
}

static void report_left(void *arg, const char *path, int errnum)
{
	struct context *c = arg;

	if (errnum == EXDEV)
		context_warn(c,
			"'%s/tasks/%s' is kept: something is mounted there (umount it, then run "
			"'taskhook cleanup')",
			c->layout->state_dir, path);
	else
		context_warn(c, "cannot remove '%s/tasks/%s': %s", c->layout->state_dir, path,
			strerror(errnum));
}

int stage_storage_remove_group(struct context *c, struct th_err *err)
{
	_cleanup_free_ char *tasks = path_join(c->layout->state_dir, "tasks");
	_cleanup_close_ int fd = open(tasks, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(err, EXIT_INTERNAL, errno, "cannot open '%s': %m", tasks);
	r = rmtree_at(fd, c->task->group, NULL, report_left, c);
	/* Each thing that stays has been named. */
	return r == -EXDEV ? 0 : r;
}

static int remove_group(struct context *c, enum hook_point point, struct th_err *err)
{
	(void)point;
	return stage_storage_remove_group(c, err);
}

static void describe_artifacts(const struct context *c, const char *shared, FILE *out)
{
	char span[CLOCK_SPAN_MAX];

	for (size_t i = 0; i < c->task->n_artifacts; i++) {
		const struct artifact *a = &c->task->artifacts[i];

		(void)fprintf(out,
			"  fetch the artifact '%s' to %s/local%s%s: at most %s\n    %s\n", a->name,
			shared, *a->destination ? "/" : "", a->destination,
			clock_format_span(a->timeout, span, sizeof(span)), a->shown);
	}
}

static void describe(const struct context *c, enum hook_point point, FILE *out)
{
	_cleanup_free_ char *shared = layout_shared_dir(c->layout, c->task->group);
	_cleanup_free_ char *dir = layout_task_dir(c->layout, c->task->group, c->task->id);

	if (point == POINT_POST_DEPLOY)
		(void)fprintf(out, "  make %s/local\n", shared);
	else if (point == POINT_PRE_START) {
		describe_artifacts(c, shared, out);
		(void)fprintf(out, "  link %s/local -> %s\n", dir, LOCAL_TARGET);
	} else if (point == POINT_POST_STOP)
		(void)fprintf(out, "  remove %s/local\n", dir);
}

const struct stage_ops stage_storage = {
	.name = "storage",
	.at = {[POINT_POST_DEPLOY] = deploy_group,
		[POINT_PRE_START] = prepare_task,
		[POINT_POST_STOP] = release_task,
		[POINT_POST_CLEANUP] = remove_group},
	.describe = describe,
};
