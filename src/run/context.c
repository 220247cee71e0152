#include "config.h"

#include "run/context.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "os/proc.h"
#include "run/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WARNINGS_MAX 100

/* The group's lock is held for a few system calls; whoever holds it longer is in trouble. */
#define LOCK_WAIT (30 * USEC_PER_SEC)

void context_keep_warning(struct context *c, char *text)
{
	struct strv *kept = &c->record.warnings;

	c->warned++;
	if (kept->n >= WARNINGS_MAX) {
		free(kept->v[WARNINGS_MAX / 2]);
		memmove(&kept->v[WARNINGS_MAX / 2], &kept->v[WARNINGS_MAX / 2 + 1],
			(kept->n - WARNINGS_MAX / 2 - 1) * sizeof(*kept->v));
		kept->v[--kept->n] = NULL;
	}
	strv_take(kept, text);
}

void context_warn(struct context *c, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_warning("%s", text);
	control_tell(c->control, LOG_LEVEL_WARNING, text);
	context_keep_warning(c, text);
}

int context_init(struct context *c, const struct layout *layout,
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
		.group_limits = CGLIMITS_INIT,
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

void context_forget_record_task(struct context *c)
{
	record_set_task(&c->record, NULL);
}

/* trim_memory() drops it while the task runs. */
void context_complete_record(struct context *c)
{
	if (!c->record.task)
		record_set_task(&c->record, task_to_json(c->task));
}

int context_write_record(struct context *c, struct th_err *err)
{
	if (!c->has_record)
		return 0;
	if (c->hooks.message)
		str_replace(&c->record.message, c->hooks.message);
	context_complete_record(c);
	json_decref(c->record.hook_state);
	c->record.hook_state = json_incref(c->hooks.state);
	c->warned_recorded = c->warned;
	c->results_recorded = c->hooks.n_results;
	return record_write(c->records_fd, &c->record, err);
}

void context_write_news(struct context *c)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (c->warned == c->warned_recorded && c->hooks.n_results == c->results_recorded)
		return;
	if (context_write_record(c, &why) < 0)
		context_warn(c, "%s, continuing", err_text(&why));
}

static void keep_results(void *arg)
{
	context_write_news(arg);
}

static json_t *record_for_hook(void *arg)
{
	struct context *c = arg;

	context_complete_record(c);
	return record_to_json(&c->record);
}

void context_init_hooks(struct context *c)
{
	struct hook_session *s = &c->hooks;

	s->layout = c->layout;
	s->task = c->task;
	s->loop = c->loop;
	s->cg = &c->cg;
	s->live = c->live;
	s->log = c->hooklog;
	s->outcome = &c->record.outcome;
	s->artifacts = &c->record.artifacts;
	s->run_fd = c->run_fd;
	s->run_path = c->run_path;
	s->as_root = c->as_root;
	s->show = c->options->quiet		       ? HOOK_SHOW_NEVER
		  : c->options->verbose || c->terminal ? HOOK_SHOW_ALWAYS
						       : HOOK_SHOW_FAILING;
	s->terminal = c->terminal;
	s->warn = warn_from_hook;
	s->record_json = record_for_hook;
	s->keep_results = keep_results;
	s->arg = c;
}

int context_begin_live(struct context *c, const struct live_state *owed, struct th_err *err)
{
	struct live_state l = {.hook_point = POINT_NONE};
	int r;

	if (owed) {
		l = *owed;
		l.cgroup_begun = owed->cgroup_begun ? LIVE_CGROUPS_BEGUN : LIVE_CGROUPS_NONE;
		l.hook_point = POINT_NONE;
		l.update_begun = owed->update_begun & (LIVE_UPDATE_RESTART | LIVE_UPDATE_HOOKS);
		l.hook_pid = l.hook_keeper_pid = 0;
		*l.hook_name = '\0';
	}
	(void)snprintf(l.boot_id, sizeof(l.boot_id), "%s", proc_boot_id());
	l.state = (int32_t)c->record.state;
	l.since_usec = clock_realtime_usec();
	l.supervisor_pid = getpid();
	/* Where the record is another supervisor's, it does not tell. */
	if (owed)
		(void)proc_start_time(getpid(), &l.supervisor_start_ticks);
	else
		l.supervisor_start_ticks = c->record.supervisor_start_ticks;
	l.run_number = c->record.run_number;
	l.is_run = !c->options->background;
	l.dirs_begun = 1;
	r = live_create(c->run_fd, &l, &c->live, err);
	if (r == 0)
		c->hooks.live = c->live;
	return r;
}

bool context_has_process(const struct context *c)
{
	return c->launched && !c->exited;
}

int context_lock_group(struct context *c, struct th_err *err)
{
	int fd = lockfile_wait(
		c->run_group_fd, "_lock", usec_add(clock_monotonic_usec(), LOCK_WAIT));

	if (fd < 0)
		return err_set(err, fd == -ETIMEDOUT ? EXIT_BUSY : EXIT_CANTCREAT, -fd,
			"cannot take the lock '%s/%s/_lock': %s", c->layout->run_dir,
			c->task->group, strerror(-fd));
	return fd;
}

int context_unlock_group_last(struct context *c, int lock)
{
	/* Held while it is unlinked: who waits for it sees that its file has lost its name. */
	(void)unlinkat(c->run_group_fd, "_lock", 0);
	return lockfile_close(lock);
}

int context_open_group_dir(struct context *c, struct th_err *err)
{
	_cleanup_free_ char *tasks = path_join(c->layout->state_dir, "tasks");
	_cleanup_close_ int base = path_mkdir_parents(tasks, 0755);
	int fd;

	if (base < 0)
		return err_set(
			err, EXIT_CANTCREAT, -base, "cannot make '%s': %s", tasks, strerror(-base));
	fd = path_mkdir_open(base, c->task->group, 0755, NULL);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s/%s': %s", tasks,
			c->task->group, path_mkdir_reason(-fd));
	fd_close(c->group_fd);
	c->group_fd = fd;
	return 0;
}

void context_done(struct context *c)
{
	for (size_t i = 0; i < 2; i++)
		c->pumps[i] = logpump_free(c->pumps[i]);
	logindex_free(c->log_index);
	c->control = control_close(c->control, -1, -1);
	if (c->loop) {
		loop_call_due(c->loop);
		loop_remove_fd(c->loop, &c->caller_watch);
		loop_remove_fd(c->loop, &c->exit_watch);
		loop_clear_timer(c->loop, &c->max_run_timer);
	}
	proctree_done(&c->tree);
	hook_session_done(&c->hooks);
	hooklog_free(c->hooklog);
	log_set_sink(NULL, NULL);
	logfile_close(c->taskhook_log);
	cgtree_done(&c->cg);
	cglimits_done(&c->group_limits);
	cred_done(&c->cred);
	live_free(c->live);
	record_done(&c->record);
	fd_close(c->log_fd);
	fd_close(c->task_fd);
	fd_close(c->group_fd);
	fd_close(c->records_fd);
	fd_close(c->run_fd);
	fd_close(c->run_group_fd);
	loop_free(c->loop);
	err_clear(&c->failure);
	free(c->run_path);
	/* Last: whoever gets the lock finds everything done. */
	lockfile_close(c->lock_fd);
}
