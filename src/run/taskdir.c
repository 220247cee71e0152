#include "config.h"

#include "run/taskdir.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "run/logruns.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_dir(const char *path, mode_t mode, struct th_err *err)
{
	int fd = path_mkdir_parents(path, mode);

	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s': %s", path,
			path_mkdir_reason(-fd));
	return fd;
}

struct base_dir {
	const char *path;
	mode_t mode;
};

/* Opens the last of `n` in *fd, making what is missing. */
static int open_base(const struct base_dir *dirs, size_t n, int *fd, struct th_err *err)
{
	/* Mostly it is there, and with it those before it. */
	int r = open(dirs[n - 1].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; r < 0 && i < n; i++) {
		r = make_dir(dirs[i].path, dirs[i].mode, err);
		if (r < 0)
			return r;
		if (i + 1 < n)
			r = fd_close(r);
	}
	fd_close(*fd);
	*fd = r;
	return 0;
}

/* RUN/GROUP and STATE/records/GROUP. Records are their owner's alone; RUN may be passed through:
 * hooks with a user of their own have their result files below. */
int taskdir_open_base(struct context *c, const char *group, struct th_err *err)
{
	const char *state = c->layout->state_dir, *run = c->layout->run_dir;
	_cleanup_free_ char *records = path_join(state, "records");
	_cleanup_free_ char *of_group = path_join(records, group);
	_cleanup_free_ char *run_group = layout_run_group(c->layout, group);
	const struct base_dir for_records[] = {{state, 0755}, {records, 0700}, {of_group, 0700}};
	const struct base_dir for_run[] = {{run, 0755}, {run_group, 0711}};
	int r = open_base(for_records, ARRAY_SIZE(for_records), &c->records_fd, err);

	return r < 0 ? r : open_base(for_run, ARRAY_SIZE(for_run), &c->run_group_fd, err);
}

/* RUN/GROUP/ID and the lock in it. -EAGAIN: its supervisor lives. */
int taskdir_lock(struct context *c, const char *group, const char *id, struct th_err *err)
{
	_cleanup_free_ char *path = layout_run_task(c->layout, group, id);
	int fd = -ENOENT;
	bool made = false;

	for (int i = 0; i < TASKDIR_TRIES && fd == -ENOENT; i++) {
		if (i > 0) {
			int r = taskdir_open_base(c, group, err);

			if (r < 0)
				return r;
		}
		c->run_fd = fd_close(c->run_fd);
		fd = path_mkdir_open(c->run_group_fd, id, 0711, &made);
		if (fd < 0)
			continue;
		c->run_fd = fd;
		fd = lockfile_try(c->run_fd, "lock");
	}
	if (fd == -EAGAIN)
		return fd;
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s/lock': %s", path,
			file_reason(-fd));
	c->lock_fd = fd;
	c->run_dir_found = !made;
	str_replace(&c->run_path, path);
	return 0;
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

/* Looked at first: on a journaling file system a change of nothing costs as much as one of
 * something. `mode` (mode_t)-1: as it is. */
static int set_owner(struct context *c, int fd, gid_t gid, mode_t mode)
{
	uid_t uid = geteuid();
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* Before the mode, whose bits it may clear (chown(2)). */
	if (c->as_root && (st.st_uid != uid || st.st_gid != gid) &&
		(fchown(fd, uid, gid) < 0 || fstat(fd, &st) < 0))
		return -errno;
	if (mode != (mode_t)-1 && (st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

/* -ENOENT: the group's directory has been removed meanwhile. */
static int open_dirs(struct context *c, const char *dir, struct th_err *err)
{
	gid_t gid = c->switch_user ? c->cred.gid : getegid();
	int fd, r;

	r = context_open_group_dir(c, err);
	if (r < 0)
		return r;
	fd = path_mkdir_open(c->group_fd, c->task->id, 0700, NULL);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s': %s", dir,
			path_mkdir_reason(-fd));
	fd_close(c->task_fd);
	c->task_fd = fd;
	/* The task's user may write there, but not rename `logs` or replace `local` (sticky). */
	r = set_owner(c, c->task_fd, gid, 01770);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot set owner and mode of '%s': %s",
			dir, strerror(-r));
	fd = path_mkdir_open(c->task_fd, "logs", 0750, NULL);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s/logs': %s", dir,
			path_mkdir_reason(-fd));
	fd_close(c->log_fd);
	c->log_fd = fd;
	r = set_owner(c, c->log_fd, gid, (mode_t)-1);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot set the owner of '%s/logs': %s",
			dir, strerror(-r));
	return 0;
}

/* STATE/tasks/GROUP/ID and its logs, owned as HACKING says. */
int taskdir_open(struct context *c, struct th_err *err)
{
	_cleanup_free_ char *dir = layout_task_dir(c->layout, c->task->group, c->task->id);
	struct th_err why = TH_ERR_INIT;
	int r = -ENOENT;

	for (int i = 0; i < TASKDIR_TRIES && r == -ENOENT; i++) {
		err_clear(&why);
		r = open_dirs(c, dir, &why);
	}
	if (r < 0 && err)
		*err = why;
	else
		err_clear(&why);
	return r;
}

int taskdir_reopen(struct context *c, struct th_err *err)
{
	int r;

	taskdir_close_logs(c);
	r = taskdir_open(c, err);
	if (r == 0)
		taskdir_open_logs(c);
	return r;
}

void taskdir_open_logs(struct context *c)
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

void taskdir_close_logs(struct context *c)
{
	log_set_sink(NULL, NULL);
	c->hooks.log = c->hooklog = hooklog_free(c->hooklog);
	c->taskhook_log = logfile_close(c->taskhook_log);
}

/* ---- removal ---- */

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

void taskdir_set_log_limits(struct context *c)
{
	uint64_t size = c->task->log_max_size;
	unsigned files = c->task->log_max_files;

	for (size_t i = 0; i < ARRAY_SIZE(c->pumps); i++)
		if (c->pumps[i])
			logpump_set_limits(c->pumps[i], size, files);
	if (c->hooklog)
		hooklog_set_limits(c->hooklog, size, files);
	if (c->taskhook_log)
		logfile_set_limits(c->taskhook_log, size, files);
}

bool taskdir_keeps_logs(const struct context *c)
{
	return c->task->keep != KEEP_NONE ||
	       faccessat(c->log_fd, LOGRUNS_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void taskdir_remove(struct context *c, bool keep_logs)
{
	static const char *const logs[] = {"logs", NULL};

	/* Something else in its place, which was refused, is not ours to remove. */
	if (c->task->keep == KEEP_ALL || c->group_fd < 0 || c->task_fd < 0)
		return;
	/* What is written from here on must not make the directory anew. */
	if (!keep_logs)
		taskdir_close_logs(c);
	/* Mostly nothing else is in it. */
	if (!keep_logs || !rmtree_flat(c->task_fd, logs))
		(void)rmtree_at(c->group_fd, c->task->id, keep_logs ? logs : NULL, report_kept, c);
}

/* RUN/GROUP/ID: nothing but the lock is left until the very end. */
void taskdir_remove_run(struct context *c)
{
	static const char *const keep[] = {"lock", NULL};

	if (!rmtree_flat(c->run_fd, keep))
		(void)rmtree_at(c->run_group_fd, path_basename(c->run_path), keep, NULL, NULL);
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
void taskdir_unlock(struct context *c)
{
	(void)unlinkat(c->run_fd, "lock", 0);
	(void)unlinkat(c->run_group_fd, path_basename(c->run_path), AT_REMOVEDIR);
	c->lock_fd = lockfile_close(c->lock_fd);
	if (c->abandoned)
		remove_empty_base(c);
}
