#include "config.h"

#include "run/janitor.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "base/suggest.h"
#include "model/name.h"
#include "os/cgroup.h"
#include "os/loop.h"
#include "os/proc.h"
#include "run/artifacts.h"
#include "run/background.h"
#include "run/context.h"
#include "run/deploy.h"
#include "run/recover.h"
#include "run/resume.h"
#include "run/stage.h"
#include "run/stop.h"
#include "run/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory or record younger than this may belong to a start that has not taken its lock yet
 * (HACKING, "What keeps it right"). */
#define YOUNG_USEC (10 * USEC_PER_SEC)

#define KILL_WAIT (10 * USEC_PER_SEC)

/* What hooks of the group need of their own in RUN/GROUP. */
#define HOOKS_DIR "_cleanup"

/* ---- what there is ---- */

/* Valid names among the entries of a directory; `suffix` is taken off. A missing directory holds
 * nothing. */
static int add_names(const char *path, const char *suffix, struct strv *ret)
{
	struct dirent *e;
	DIR *d = opendir(path);

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		_cleanup_free_ char *name = NULL;

		if (suffix && !str_ends_with(e->d_name, suffix))
			continue;
		name = xstrndup(e->d_name, strlen(e->d_name) - (suffix ? strlen(suffix) : 0));
		if (name_check(name, "", NULL) == 0)
			strv_take(ret, TAKE_PTR(name));
	}
	closedir(d);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each once, though several directories have it. */
static void sort_names(struct strv *sv)
{
	size_t n = 0;

	if (sv->n == 0)
		return;
	qsort(sv->v, sv->n, sizeof(*sv->v), by_bytes);
	for (size_t i = 1; i < sv->n; i++) {
		if (strcmp(sv->v[i], sv->v[n]) == 0)
			free(sv->v[i]);
		else
			sv->v[++n] = sv->v[i];
	}
	sv->n = n + 1;
	sv->v[sv->n] = NULL;
}

int janitor_groups(const struct layout *l, struct strv *ret)
{
	_cleanup_free_ char *tasks = path_join(l->state_dir, "tasks");
	_cleanup_free_ char *records = path_join(l->state_dir, "records");
	int r = add_names(tasks, NULL, ret);

	if (r == 0)
		r = add_names(records, NULL, ret);
	if (r == 0)
		r = add_names(l->run_dir, NULL, ret);
	sort_names(ret);
	return r;
}

int janitor_tasks(const struct layout *l, const char *group, struct strv *ret)
{
	_cleanup_free_ char *tasks = layout_group_dir(l, group);
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_free_ char *run = layout_run_group(l, group);
	int r = add_names(tasks, NULL, ret);

	if (r == 0)
		r = add_names(records, ".json", ret);
	if (r == 0)
		r = add_names(run, NULL, ret);
	sort_names(ret);
	return r;
}

/* ---- one task ---- */

enum task_life {
	LIFE_RUNNING, /* its supervisor holds the lock, or it runs on without one */
	LIFE_YOUNG,   /* may be about to take it */
	LIFE_OWED,    /* a killed supervisor left it */
	LIFE_DEAD,
	LIFE_GONE,	 /* somebody removed it meanwhile */
	LIFE_NAMED_ONLY, /* a directory without a record: a damaged one was set aside, or it was
			    lost */
	LIFE_UNKNOWN,	 /* its record cannot be read, which says nothing about the task */
};

struct dead_task {
	enum task_life life;
	bool damaged; /* there is a record, but nothing can be made of it */
	bool empty;   /* killed when it had no more than its lock: there is nothing to keep */
	bool failed;
	usec_t ended;
};

static usec_t mtime_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	return (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
}

/* `locked`: the task's lock is ours, so no start is under way, and what is not ended is owed. */
static void look_at(const struct layout *l, const char *group, const char *id, bool locked,
	struct dead_task *ret)
{
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_free_ char *dir = layout_task_dir(l, group, id);
	_cleanup_free_ char *run = layout_run_task(l, group, id);
	_cleanup_record_ struct record rec = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_close_ int fd = -1;
	usec_t now = clock_realtime_usec();
	pid_t pid;
	int r;

	*ret = (struct dead_task){.life = LIFE_NAMED_ONLY, .ended = mtime_of(dir)};
	if (supervisor_find(l, group, id, &pid) == 1 ||
		(!locked && recover_look(l, group, id, NULL) == 1)) {
		ret->life = LIFE_RUNNING;
		return;
	}
	fd = open(records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? err_set(&why, EXIT_UNAVAILABLE, errno, "cannot open '%s': %m", records)
		   : record_read(fd, id, &rec, &why);
	ret->damaged = r == -EBADMSG;
	if (r < 0 && r != -ENOENT && r != -EBADMSG) {
		log_warning("%s/%s: %s, leaving it alone", group, id, err_text(&why));
		ret->life = LIFE_UNKNOWN;
		return;
	}
	if (r < 0) {
		/* Taking the lock has made RUN/GROUP/ID look new. */
		if (locked)
			return;
		/* A start makes RUN/GROUP/ID first, then its lock, its record, its directory. */
		ret->empty = r == -ENOENT && !ret->ended;
		if (ret->damaged && !ret->ended) {
			_cleanup_free_ char *record = xasprintf("%s/%s.json", records, id);

			ret->ended = mtime_of(record);
		}
		ret->ended = MAX(ret->ended, mtime_of(run));
		if (ret->ended <= now && usec_sub(now, ret->ended) < YOUNG_USEC)
			ret->life = LIFE_YOUNG;
		else if (!ret->ended)
			ret->life = LIFE_GONE;
		return;
	}
	ret->failed = rec.state == STATE_FAILED || rec.outcome.result != RESULT_SUCCESS;
	ret->ended = rec.ended ? rec.ended : rec.started;
	if (state_is_final(rec.state) && rec.state != STATE_STUCK)
		ret->life = LIFE_DEAD;
	else if (!locked && rec.started <= now && usec_sub(now, rec.started) < YOUNG_USEC &&
		 proc_is_alive(rec.supervisor_pid, rec.supervisor_start_ticks))
		ret->life = LIFE_YOUNG;
	else
		ret->life = LIFE_OWED;
}

struct left_report {
	const struct layout *layout;
	const char *group;
	unsigned *failures;
};

static void report_left(void *arg, const char *path, int errnum)
{
	struct left_report *l = arg;

	if (errnum == EXDEV)
		log_warning("'%s/tasks/%s/%s' is kept: something is mounted there (umount it, then "
			    "run 'taskhook cleanup')",
			l->layout->state_dir, l->group, path);
	else
		log_warning("cannot remove '%s/tasks/%s/%s': %s", l->layout->state_dir, l->group,
			path, strerror(errnum));
	(*l->failures)++;
}

/* RUN/GROUP/ID and the lock in it, which says that no start of the task is under way. */
struct task_lock {
	int run_group, run_task, lock;
};
#define TASK_LOCK_INIT                                                                             \
	{                                                                                          \
		.run_group = -1, .run_task = -1, .lock = -1                                        \
	}

/* -EAGAIN without err: somebody else has it. */
static int take_lock(struct task_lock *t, const struct layout *l, const char *group, const char *id,
	struct th_err *err)
{
	_cleanup_free_ char *run = layout_run_group(l, group);
	int r = t->run_group = path_mkdir_parents(run, 0711);

	if (r >= 0)
		r = t->run_task = path_mkdir_open(t->run_group, id, 0711, NULL);
	if (r < 0)
		return err_set(
			err, EXIT_CANTCREAT, -r, "cannot make '%s/%s': %s", run, id, strerror(-r));
	r = t->lock = lockfile_try(t->run_task, "lock");
	if (r >= 0)
		return 0;
	return r == -EAGAIN ? r
			    : err_set(err, EXIT_CANTCREAT, -r, "cannot lock '%s/%s': %s", run, id,
				      file_reason(-r));
}

/* The file goes while the lock is held: who waits for it sees that it has lost its name. */
static void drop_lock(struct task_lock *t, const char *id)
{
	if (t->lock >= 0) {
		(void)unlinkat(t->run_task, "lock", 0);
		(void)unlinkat(t->run_group, id, AT_REMOVEDIR);
	}
	t->lock = lockfile_close(t->lock);
	t->run_task = fd_close(t->run_task);
	t->run_group = fd_close(t->run_group);
}

/* With the task's lock, as a start may have written a good record since it was found damaged. */
static void set_aside(
	const struct layout *l, const char *group, const char *id, struct janitor_report *ret)
{
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_close_ int fd = open(records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_err_ struct th_err why = TH_ERR_INIT, err = TH_ERR_INIT;
	_cleanup_record_ struct record rec = {0};
	struct task_lock lock = TASK_LOCK_INIT;
	int r = take_lock(&lock, l, group, id, &err);

	if (r == 0 && fd >= 0 && record_read(fd, id, &rec, &why) == -EBADMSG) {
		log_warning("%s/%s: the record is set aside: %s", group, id, err_text(&why));
		r = record_set_aside(fd, id, &err);
	}
	if (r < 0 && r != -EAGAIN) {
		log_error("%s/%s: %s", group, id, err_text(&err));
		ret->failures++;
	}
	drop_lock(&lock, id);
}

static bool is_old(const struct dead_task *t, usec_t older_than, usec_t failed_older_than)
{
	usec_t age = usec_sub(clock_realtime_usec(), t->ended);
	usec_t limit = t->failed ? failed_older_than : older_than;

	return limit == 0 || age >= limit;
}

/* Nothing but the names tells where the processes of such a task are; where taskhook makes its
 * cgroups now it made them then, as far as anybody knows. */
static void end_named_cgroup(const struct layout *l, const struct janitor_options *o,
	const struct task_lock *lock, const char *group, const char *id, struct janitor_report *ret)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), KILL_WAIT);
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct cgtree cg = CGTREE_INIT;
	int group_lock = -1, r;

	if (cgtree_open(&cg, CGROUP_MODE_AUTO, conf_string(o->conf, KEY_CGROUP_PARENT),
		    l->state_dir, false, NULL) < 0 ||
		!cg.on)
		goto out;
	r = cgtree_open_task(&cg, group, id, &why);
	if (r == 0 && cg.task_fd >= 0) {
		(void)cgroup_kill(cg.task_fd, deadline);
		(void)cgtree_hooks_kill(&cg, group, id, NULL, deadline);
		r = group_lock = lockfile_wait(lock->run_group, "_lock", deadline);
		if (r >= 0)
			r = cgtree_remove_task(&cg, group, id, deadline, &why);
		if (r >= 0)
			(void)unlinkat(lock->run_group, "_lock", 0);
	}
	if (r < 0) {
		log_warning(
			"%s/%s: %s", group, id, err_is_set(&why) ? err_text(&why) : strerror(-r));
		ret->failures++;
	}
out:
	lockfile_close(group_lock);
	cgtree_done(&cg);
}

/*
 * Removes the directory and the record of a task whose end is settled, under its lock, which says
 * that no start of it is under way. Looked at again with it: the ID may have been started, and have
 * ended, since it was found dead. `brought_down`: nothing of it lives, although its record may not
 * say so, as a full disk takes none. -EAGAIN: it stays.
 */
static int remove_dead(const struct layout *l, const struct janitor_options *o, const char *group,
	const char *id, bool whatever_age, bool brought_down, struct janitor_report *ret,
	struct th_err *err)
{
	static const char *const keep[] = {"lock", NULL};
	_cleanup_free_ char *dir = layout_group_dir(l, group);
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_close_ int group_fd = -1, records_fd = -1;
	struct left_report left = {l, group, &ret->failures};
	struct task_lock lock = TASK_LOCK_INIT;
	struct dead_task again;
	bool settled;
	int r = take_lock(&lock, l, group, id, err);

	if (r < 0)
		goto out;
	look_at(l, group, id, true, &again);
	settled = again.life == LIFE_DEAD || again.life == LIFE_NAMED_ONLY ||
		  (brought_down && again.life == LIFE_OWED);
	if (!settled || (!whatever_age && !is_old(&again, o->older_than, o->failed_older_than))) {
		r = -EAGAIN;
		goto out;
	}
	if (again.life == LIFE_NAMED_ONLY)
		end_named_cgroup(l, o, &lock, group, id, ret);
	group_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (group_fd >= 0 && rmtree_at(group_fd, id, NULL, report_left, &left) == 0)
		ret->removed_tasks++;
	records_fd = open(records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = records_fd < 0 ? -errno : record_remove(records_fd, id);
	if (r < 0 && r != -ENOENT) {
		log_warning("cannot remove the record '%s/%s.json': %s", records, id, strerror(-r));
		ret->failures++;
	}
	r = 0;
	(void)rmtree_at(lock.run_group, id, keep, NULL, NULL);
out:
	drop_lock(&lock, id);
	return r;
}

static int finish(const struct layout *l, const struct janitor_options *o, const char *group,
	const char *id, struct janitor_report *ret)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	unsigned warnings = 0;
	int r;

	if (o->dry_run) {
		(void)printf("finish %s/%s: its supervisor was killed\n", group, id);
		return 0;
	}
	r = resume_task(l, group, id, &o->supervisor, &warnings, &err);
	ret->failures += warnings;
	if (r == -EAGAIN)
		return r;
	if (r == -EBUSY && !err_is_set(&err)) /* a warning has said it, and counts */
		return r;
	if (r < 0) {
		log_error("%s/%s: %s", group, id, err_text(&err));
		ret->failures++;
		return r;
	}
	if (r == 0)
		ret->finished++;
	return 0;
}

/* Removes what is dead and old enough. 1: the task is gone (or would be), 0: it stays, -errno. */
static int clean_task(const struct layout *l, const struct janitor_options *o, const char *group,
	const char *id, struct janitor_report *ret, struct th_err *err)
{
	struct dead_task t;
	int r;

	look_at(l, group, id, false, &t);
	if (t.life == LIFE_GONE)
		return 1;
	if (t.damaged && o->dry_run)
		(void)printf("set the record of %s/%s aside: it is damaged\n", group, id);
	else if (t.damaged)
		set_aside(l, group, id, ret);
	if (t.life == LIFE_UNKNOWN)
		ret->failures++;
	if (t.life == LIFE_RUNNING || t.life == LIFE_YOUNG || t.life == LIFE_UNKNOWN)
		return 0;
	if (t.life == LIFE_OWED) {
		r = finish(l, o, group, id, ret);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		look_at(l, group, id, false, &t);
		if (!o->dry_run && t.life != LIFE_DEAD)
			return 0;
	}
	if (!t.empty && !is_old(&t, o->older_than, o->failed_older_than))
		return 0;
	if (o->dry_run) {
		(void)printf("remove %s/%s\n", group, id);
		return 1;
	}
	r = remove_dead(l, o, group, id, false, false, ret, err);
	return r == -EAGAIN ? 0 : r < 0 ? r : 1;
}

/* ---- a group ---- */

static char *group_log_dir(const struct layout *l, const char *group)
{
	return xasprintf("%s/records/_groups/%s", l->state_dir, group);
}

static int open_group_context(struct context *c, const struct layout *l,
	const struct janitor_options *o, struct task *task, struct th_err *err)
{
	_cleanup_free_ char *run = layout_run_group(l, task->group);
	int r;

	r = context_init(c, l, &o->supervisor, err);
	if (r < 0)
		return r;
	c->task = task;
	c->run_group_fd = path_mkdir_parents(run, 0711);
	if (c->run_group_fd < 0)
		return err_set(err, EXIT_CANTCREAT, -c->run_group_fd, "cannot make '%s': %s", run,
			strerror(-c->run_group_fd));
	r = cgtree_open(&c->cg,
		task->cgroup_mode == CGROUP_MODE_OFF ? CGROUP_MODE_OFF : CGROUP_MODE_AUTO,
		task->cgroup_parent, l->state_dir, true, err);
	if (r < 0)
		return r;
	c->cg.hooks_kept = true;
	context_init_hooks(c);
	c->hooks.outcome = NULL;
	c->hooks.record_json = NULL;
	c->hooks.group_only = true;
	return cgtree_open_task(&c->cg, task->group, NULL, err);
}

/* Asks those that run to stop and waits for their ends. */
static int stop_running(const struct layout *l, const struct janitor_options *o, struct loop *loop,
	const char *group, const struct strv *ids)
{
	static const struct request request = {
		.op = REQUEST_STOP, .timeout = USEC_INFINITY, .reason = STOP_CLEANUP};
	_cleanup_free_ struct stop_one *v = xcalloc(MAX(ids->n, (size_t)1), sizeof(*v));
	int status;

	for (size_t i = 0; i < ids->n; i++)
		v[i] = (struct stop_one){.group = group, .id = ids->v[i]};
	status = stop_tasks(l, loop, &request, &o->supervisor, false, v, ids->n);
	/* What went wrong on the way down is in the records; what counts here is that it is down.
	 */
	return status == EXIT_OK || status == EXIT_WITH_FAILURES ? 0 : -EBUSY;
}

static unsigned name_running(
	const struct layout *l, const char *group, const struct strv *ids, bool quiet)
{
	unsigned n = 0;

	for (size_t i = 0; i < ids->n; i++) {
		struct dead_task t;

		look_at(l, group, ids->v[i], false, &t);
		if (t.life != LIFE_RUNNING && t.life != LIFE_YOUNG)
			continue;
		if (!quiet)
			log_error("%s/%s is running (--force stops it)", group, ids->v[i]);
		n++;
	}
	return n;
}

/* RUN/GROUP and STATE/records/GROUP, as far as nobody else has begun to use them: a start that
 * waits for us has its directory and its record there. */
static void remove_group_remains(struct context *c)
{
	_cleanup_free_ char *records =
		xasprintf("%s/records/%s", c->layout->state_dir, c->task->group);
	_cleanup_free_ char *run = layout_run_group(c->layout, c->task->group);
	struct dirent *e;
	DIR *d = opendir(records);

	/* Records that were set aside, and what came before them. */
	while (d && (e = readdir(d)))
		if (strstr(e->d_name, ".json.damaged-") || str_ends_with(e->d_name, ".json.before"))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	(void)rmdir(records);
	(void)rmtree_at(c->run_group_fd, HOOKS_DIR, NULL, NULL, NULL);
	(void)unlinkat(c->run_group_fd, "_lock", 0);
	artifacts_remove_run(c->run_group_fd);
	deploy_end_leaving(c);
	(void)rmdir(run);
}

/* With the group's `_deploy` lock, so nobody else writes there. The group's own directory goes;
 * what its last hooks said stays beside the records. */
static void open_group_log(struct context *c)
{
	_cleanup_free_ char *path = group_log_dir(c->layout, c->task->group);

	c->log_fd = path_mkdir_parents(path, 0700);
	if (c->log_fd < 0)
		return;
	c->hooklog = hooklog_new(&(struct hooklog_spec){.loop = c->loop,
		.dirfd = c->log_fd,
		.max_size = c->task->log_max_size,
		.max_files = c->task->log_max_files,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1});
	c->hooks.log = c->hooklog;
}

static void close_group_log(struct context *c)
{
	_cleanup_free_ char *path = group_log_dir(c->layout, c->task->group);

	c->hooks.log = c->hooklog = hooklog_free(c->hooklog);
	/* Of a group without hooks nothing was said. */
	(void)rmdir(path);
}

/* "'a', 'b'": the tasks that have not come to their end; NULL: none. The caller frees it. */
static char *name_living(const struct layout *l, const char *group, const struct strv *ids)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < ids->n; i++) {
		struct dead_task t;

		look_at(l, group, ids->v[i], false, &t);
		if (t.life != LIFE_DEAD && t.life != LIFE_GONE && t.life != LIFE_NAMED_ONLY)
			strbuf_addf(&b, "%s'%s'", b.len ? ", " : "", ids->v[i]);
	}
	return b.len ? strbuf_steal(&b) : NULL;
}

/* With the group's `_deploy` lock: no task of it can begin. `before` is what the group was. */
static void end_group(struct context *c, const struct janitor_options *o, const struct strv *ids,
	const char *before, struct janitor_report *ret)
{
	const struct layout *l = c->layout;
	const char *group = c->task->group;
	_cleanup_free_ char *living = NULL;

	/* Its hooks stand in it. */
	(void)context_open_group_dir(c, NULL);
	open_group_log(c);
	c->run_fd = path_mkdir_open(c->run_group_fd, HOOKS_DIR, 0711, NULL);
	c->run_path = layout_run_task(l, group, HOOKS_DIR);
	c->hooks.run_fd = c->run_fd;
	c->hooks.run_path = c->run_path;
	(void)stage_run_point(c, POINT_PRE_CLEANUP, NULL, NULL);
	if (o->force)
		(void)stop_running(l, o, c->loop, group, ids);
	log_set_task(group);
	for (size_t i = 0; i < ids->n; i++) {
		_cleanup_err_ struct th_err why = TH_ERR_INIT;
		struct dead_task t;
		int r = -EAGAIN;

		look_at(l, group, ids->v[i], false, &t);
		if (t.life == LIFE_OWED || t.life == LIFE_YOUNG)
			r = finish(l, o, group, ids->v[i], ret);
		log_set_task(group);
		if (remove_dead(l, o, group, ids->v[i], true, r != -EBUSY && r != -EAGAIN, ret,
			    &why) < 0 &&
			err_is_set(&why))
			context_warn(c, "%s", err_text(&why));
	}
	living = name_living(l, group, ids);
	if (living) {
		context_warn(c,
			"the group '%s' is kept: %s did not end in time ('taskhook cleanup --force "
			"%s' tries again)",
			group, living, group);
		close_group_log(c);
		(void)rmtree_at(c->run_group_fd, HOOKS_DIR, NULL, NULL, NULL);
		deploy_cancel_leaving(c, before);
		return;
	}
	(void)stage_run_point(c, POINT_POST_CLEANUP, NULL, NULL);
	close_group_log(c);
	remove_group_remains(c);
	ret->removed_groups++;
}

/* Ends a group; with `idle` only where it has no task any more. */
static int clean_group(const struct layout *l, const struct janitor_options *o, const char *group,
	bool idle, struct janitor_report *ret, struct th_err *err)
{
	struct task_args args = {.group = group,
		.environ = environ,
		.hook_options = o->hook_options,
		.n_hook_options = o->n_hook_options};
	_cleanup_task_ struct task *task = NULL;
	_cleanup_strv_ struct strv ids = STRV_INIT;
	_cleanup_free_ char *before = NULL;
	_cleanup_lock_ int lock = -1;
	struct context c;
	int r;

	if (o->dry_run) {
		unsigned busy = 0;

		(void)janitor_tasks(l, group, &ids);
		if (!o->force)
			busy = name_running(l, group, &ids, idle);
		ret->busy += busy;
		if (busy)
			return 0;
		(void)printf("%s the group %s\n",
			o->force ? "stop all tasks of and remove" : "remove", group);
		return 0;
	}
	r = task_resolve_group(o->conf, &args, &task, err);
	if (r < 0)
		return r;
	log_set_task(group);
	r = open_group_context(&c, l, o, task, err);
	if (r == 0)
		lock = r = deploy_begin_leaving(&c, &before, err);
	if (r >= 0) {
		unsigned busy;

		/* Only now no task can begin any more. */
		(void)janitor_tasks(l, group, &ids);
		busy = o->force ? 0 : name_running(l, group, &ids, idle);
		if (busy || (idle && ids.n)) {
			deploy_cancel_leaving(&c, before);
			ret->busy += idle ? 0 : busy;
		} else {
			end_group(&c, o, &ids, before, ret);
		}
		ret->failures += (unsigned)c.record.warnings.n;
		r = 0;
	}
	context_done(&c);
	log_set_task(NULL);
	return r;
}

/* ---- what nobody asks for any more ---- */

/* A group whose deployment or removal was cut off: nothing of its hooks lives on, and its cgroup
 * goes where no task is in it. */
static int end_abandoned_change(const struct layout *l, const struct janitor_options *o,
	const char *group, struct th_err *err)
{
	struct task_args args = {.group = group, .environ = environ};
	usec_t deadline = usec_add(clock_monotonic_usec(), KILL_WAIT);
	_cleanup_free_ char *run = layout_run_group(l, group);
	_cleanup_close_ int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_task_ struct task *task = NULL;
	int lock = -1, r;
	struct context c;

	if (fd < 0 || !deploy_is_abandoned(fd))
		return 0;
	if (o->dry_run) {
		(void)printf("end what was cut off in the group %s\n", group);
		return 0;
	}
	r = task_resolve_group(o->conf, &args, &task, err);
	if (r < 0)
		return r;
	r = open_group_context(&c, l, o, task, err);
	if (r == 0) {
		deploy_end_abandoned(&c);
		(void)rmtree_at(c.run_group_fd, HOOKS_DIR, NULL, NULL, NULL);
		r = lock = context_lock_group(&c, err);
	}
	if (r >= 0) {
		r = cgtree_remove_task(&c.cg, group, NULL, deadline, err);
		(void)context_unlock_group_last(&c, lock);
	}
	context_done(&c);
	return r;
}

/* Of processes that were killed while they replaced a file. */
static void remove_stale_temps(const struct layout *l, const char *group)
{
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_free_ char *run = layout_run_group(l, group);
	const char *const dirs[] = {records, run};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_close_ int fd = open(dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			(void)file_remove_stale_temps(fd, YOUNG_USEC);
	}
}

/* What the hooks of clean-ups said, of groups that have gone for as long as failed tasks are kept.
 */
static void remove_old_group_logs(
	const struct layout *l, const struct janitor_options *o, const struct strv *groups)
{
	_cleanup_free_ char *path = path_join(l->state_dir, "records/_groups");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fd < 0 || add_names(path, NULL, &names) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = group_log_dir(l, names.v[i]);
		_cleanup_free_ char *log = path_join(dir, "hooks.jsonl");
		usec_t written = MAX(mtime_of(dir), mtime_of(log));

		if (strv_contains(groups, names.v[i]) ||
			usec_sub(clock_realtime_usec(), written) <
				MAX(o->failed_older_than, YOUNG_USEC))
			continue;
		if (o->dry_run)
			(void)printf("remove %s\n", dir);
		else
			(void)rmtree_at(fd, names.v[i], NULL, NULL, NULL);
	}
}

/* ---- those that have lost their supervisors ---- */

struct left_running {
	const struct janitor_options *options;
	struct janitor_report *report;
	struct background_start *starts;
	size_t n;
};

static void on_taken_over(void *arg, struct background_start *s)
{
	struct left_running *left = arg;
	const struct janitor_options *o = left->options;

	if (s->running)
		left->report->recovered++;
	if (s->running && o->recovered)
		o->recovered(s->task->name);
	if (!s->running && s->status != EXIT_OK) /* a message has said why */
		left->report->failures++;
}

static void find_left_running(
	const struct layout *l, const struct strv *groups, struct left_running *left)
{
	for (size_t g = 0; g < groups->n; g++) {
		_cleanup_strv_ struct strv ids = STRV_INIT;

		(void)janitor_tasks(l, groups->v[g], &ids);
		for (size_t i = 0; i < ids.n; i++) {
			struct task *task = NULL;

			if (recover_look(l, groups->v[g], ids.v[i], &task) != 1)
				continue;
			left->starts =
				xreallocarray(left->starts, left->n + 1, sizeof(*left->starts));
			left->starts[left->n++] =
				(struct background_start){.task = task, .recover = true};
		}
	}
}

/* Each of them gets a supervisor again. */
static int recover_left_running(const struct layout *l, const struct janitor_options *o,
	const struct strv *groups, struct janitor_report *ret, struct th_err *err)
{
	struct left_running left = {.options = o, .report = ret};
	int r = 0, signo = 0;

	find_left_running(l, groups, &left);
	for (size_t i = 0; o->dry_run && i < left.n; i++)
		(void)printf("recover %s: its supervisor was killed, it runs on\n",
			left.starts[i].task->name);
	if (!o->dry_run && left.n)
		r = background_start_all(
			l, &o->supervisor, left.starts, left.n, on_taken_over, &left, &signo, err);
	if (r == -EINTR && !err_is_set(err))
		err_set(err, EXIT_SIGNAL_BASE + signo, EINTR, "was interrupted");
	for (size_t i = 0; i < left.n; i++)
		task_free(left.starts[i].task);
	free(left.starts);
	return r;
}

/* ---- the commands ---- */

/* No task, and none for long enough. What is younger than 10 s may be a start that has just made
 * its directories. */
static bool group_is_idle(
	const struct layout *l, const struct janitor_options *o, const char *group)
{
	_cleanup_free_ char *dir = layout_group_dir(l, group);
	_cleanup_free_ char *run = layout_run_group(l, group);
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_strv_ struct strv ids = STRV_INIT;
	usec_t changed = MAX(mtime_of(dir), mtime_of(run));

	if (janitor_tasks(l, group, &ids) < 0 || ids.n)
		return false;
	changed = MAX(changed, mtime_of(records));
	return usec_sub(clock_realtime_usec(), changed) >= MAX(o->older_than, YOUNG_USEC);
}

/* What the last task in the background has left empty, as its supervisor was in there. */
static void remove_unused_cgroups(const struct layout *l, const struct janitor_options *o)
{
	struct cgtree cg = CGTREE_INIT;

	if (!o->dry_run &&
		cgtree_open(&cg, CGROUP_MODE_AUTO, conf_string(o->conf, KEY_CGROUP_PARENT),
			l->state_dir, false, NULL) == 0)
		cgtree_remove_unused(&cg);
	cgtree_done(&cg);
}

static int read_groups(const struct layout *l, struct strv *ret, struct th_err *err)
{
	int r = janitor_groups(l, ret);

	return r < 0 ? err_set(err, r == -EACCES ? EXIT_NOPERM : EXIT_UNAVAILABLE, -r,
			       "cannot read '%s': %s", l->state_dir, strerror(-r))
		     : 0;
}

int janitor_run(const struct layout *l, const struct janitor_options *o, struct janitor_report *ret,
	struct th_err *err)
{
	_cleanup_strv_ struct strv groups = STRV_INIT;
	int r = read_groups(l, &groups, err);

	if (r < 0)
		return r;
	r = recover_left_running(l, o, &groups, ret, err);
	if (r < 0)
		return r;
	for (size_t g = 0; g < groups.n; g++) {
		_cleanup_strv_ struct strv ids = STRV_INIT;
		_cleanup_err_ struct th_err cut = TH_ERR_INIT;

		if (!o->dry_run) {
			remove_stale_temps(l, groups.v[g]);
			artifacts_remove_left(l, groups.v[g]);
		}
		if (end_abandoned_change(l, o, groups.v[g], &cut) < 0) {
			log_error("%s: %s", groups.v[g], err_text(&cut));
			ret->failures++;
		}
		(void)janitor_tasks(l, groups.v[g], &ids);
		for (size_t i = 0; i < ids.n; i++) {
			_cleanup_err_ struct th_err why = TH_ERR_INIT;

			if (clean_task(l, o, groups.v[g], ids.v[i], ret, &why) < 0 &&
				err_is_set(&why)) {
				log_error("%s/%s: %s", groups.v[g], ids.v[i], err_text(&why));
				ret->failures++;
			}
		}
		if (group_is_idle(l, o, groups.v[g])) {
			_cleanup_err_ struct th_err why = TH_ERR_INIT;

			if (clean_group(l, o, groups.v[g], true, ret, &why) < 0) {
				log_error("%s: %s", groups.v[g], err_text(&why));
				ret->failures++;
			}
		}
	}
	remove_old_group_logs(l, o, &groups);
	remove_unused_cgroups(l, o);
	return 0;
}

int janitor_recover(const struct layout *l, const struct janitor_options *o,
	struct janitor_report *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv groups = STRV_INIT;
	int r = read_groups(l, &groups, err);

	if (r < 0)
		return r;
	r = recover_left_running(l, o, &groups, ret, err);
	for (size_t g = 0; r == 0 && g < groups.n; g++) {
		_cleanup_strv_ struct strv ids = STRV_INIT;

		(void)janitor_tasks(l, groups.v[g], &ids);
		for (size_t i = 0; i < ids.n; i++) {
			struct dead_task t;

			look_at(l, groups.v[g], ids.v[i], false, &t);
			if (t.life == LIFE_OWED)
				(void)finish(l, o, groups.v[g], ids.v[i], ret);
		}
	}
	return r;
}

/* A stop of one task alone, for `cleanup --force GROUP/ID`. */
static int stop_task(const struct layout *l, const struct janitor_options *o, const char *group,
	const char *id, struct th_err *err)
{
	_cleanup_strv_ struct strv ids = STRV_INIT;
	struct loop *loop = loop_new();
	int r;

	if (!loop)
		return err_set(err, EXIT_INTERNAL, errno, "cannot make an event loop: %m");
	strv_add(&ids, id);
	r = stop_running(l, o, loop, group, &ids);
	loop_free(loop);
	if (r < 0)
		return err_set(err, EXIT_BUSY, -r, "%s/%s could not be stopped", group, id);
	return 0;
}

static int unknown(const char *what, const char *name, const struct strv *known, struct th_err *err)
{
	const char *near = suggest_nearest(name, (const char *const *)known->v, known->n);

	return near ? err_set(err, EXIT_USAGE, ENOENT, "there is no %s '%s'; did you mean '%s'?",
			      what, name, near)
		    : err_set(err, EXIT_USAGE, ENOENT,
			      "there is no %s '%s' ('taskhook list --all' names them)", what, name);
}

/* A word alone is a group here, unlike elsewhere: it may have been meant as the ID of a task. */
static int unknown_group(const struct layout *l, const char *group, bool alone,
	const struct strv *groups, struct th_err *err)
{
	for (size_t i = 0; alone && i < groups->n; i++) {
		_cleanup_strv_ struct strv ids = STRV_INIT;

		(void)janitor_tasks(l, groups->v[i], &ids);
		if (strv_contains(&ids, group))
			return err_set(err, EXIT_USAGE, ENOENT,
				"there is no group '%s'; did you mean the task '%s/%s'?", group,
				groups->v[i], group);
	}
	return unknown("group", group, groups, err);
}

static int unknown_task(
	const char *group, const char *id, const struct strv *ids, struct th_err *err)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", group, id);
	_cleanup_strv_ struct strv known = STRV_INIT;

	for (size_t i = 0; i < ids->n; i++)
		strv_addf(&known, "%s/%s", group, ids->v[i]);
	return unknown("task", name, &known, err);
}

int janitor_cleanup(const struct layout *l, const struct janitor_options *o, const char *group,
	const char *id, struct janitor_report *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv groups = STRV_INIT, ids = STRV_INIT;
	struct dead_task t;
	int r = read_groups(l, &groups, err);

	if (r < 0)
		return r;
	if (!strv_contains(&groups, group))
		return unknown_group(l, group, !id, &groups, err);
	(void)janitor_tasks(l, group, &ids);
	if (!id) {
		r = clean_group(l, o, group, false, ret, err);
		remove_unused_cgroups(l, o);
		return r;
	}
	if (!strv_contains(&ids, id))
		return unknown_task(group, id, &ids, err);
	look_at(l, group, id, false, &t);
	if (t.life == LIFE_RUNNING || t.life == LIFE_YOUNG) {
		if (!o->force) {
			log_error("%s/%s is running (--force stops it)", group, id);
			ret->busy++;
			return 0;
		}
		if (o->dry_run) {
			(void)printf("stop %s/%s\nremove %s/%s\n", group, id, group, id);
			return 0;
		}
		r = stop_task(l, o, group, id, err);
		if (r < 0)
			return r;
	}
	r = clean_task(l, o, group, id, ret, err);
	return r < 0 ? r : 0;
}
