#include "config.h"

#include "run/hooktry.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "base/suggest.h"
#include "run/hookpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_NAME "_try-XXXXXX"

struct
try {
	const struct layout *real;
	struct layout layout; /* a copy whose state lies in the scratch directory */
	const struct task *task;
	struct task group_task; /* as a clean-up of the group sees it: without an ID */
	char *scratch, *run_path;
	struct loop *loop;
	struct cgtree cg;
	struct hook_session session;
	struct record record;
	bool interrupt;
	int signal; /* that interrupted */
};

/* ---- a place of its own -----------------------------------------------------------------------
 */

static int make_dir(const char *path, mode_t mode, struct th_err *err)
{
	int fd = path_mkdir_parents(path, mode);

	if (fd < 0)
		return err_set(
			err, EXIT_CANTCREAT, -fd, "cannot make '%s': %s", path, strerror(-fd));
	fd_close(fd);
	return 0;
}

static int make_scratch(struct try *t, struct th_err *err)
{
	_cleanup_free_ char *path = path_join(t->real->run_dir, SCRATCH_NAME);
	int r = make_dir(t->real->run_dir, 0711, err);

	if (r < 0)
		return r;
	/* Hooks with a user of their own have to pass. */
	if (!mkdtemp(path) || chmod(path, 0711) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot make '%s': %m", path);
	t->scratch = TAKE_PTR(path);
	t->layout = *t->real;
	t->layout.state_dir = path_join(t->scratch, "state");
	t->layout.run_dir = path_join(t->scratch, "run");
	return 0;
}

/* The directories that a task has at this point. */
static int make_task_dirs(struct try *t, struct th_err *err)
{
	const char *group = t->task->group, *id = t->task->id;
	_cleanup_free_ char *dir = layout_task_dir(&t->layout, group, id);
	_cleanup_free_ char *logs = layout_log_dir(&t->layout, group, id);
	_cleanup_free_ char *shared = layout_shared_dir(&t->layout, group);
	_cleanup_free_ char *artifacts = path_join(shared, "local");
	_cleanup_free_ char *link = path_join(dir, "local");
	_cleanup_free_ char *run = layout_run_task(&t->layout, group, id);
	int r;

	r = make_dir(logs, 0755, err);
	if (r == 0)
		r = make_dir(artifacts, 0755, err);
	if (r == 0)
		r = make_dir(run, 0711, err);
	if (r < 0)
		return r;
	if (symlink("../shared/local", link) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot make '%s': %m", link);
	t->session.run_fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->session.run_fd < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot open '%s': %m", run);
	t->session.run_path = t->run_path = TAKE_PTR(run);
	return 0;
}

static void report_left(void *arg, const char *path, int errnum)
{
	const struct try *t = arg;

	log_warning("cannot remove '%s/%s': %s", t->real->run_dir, path,
		errnum == EXDEV ? "something is mounted there" : strerror(errnum));
}

static void remove_scratch(struct try *t)
{
	_cleanup_close_ int fd = open(t->real->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)rmtree_at(fd, path_basename(t->scratch), NULL, report_left, t);
}

/* ---- the session ------------------------------------------------------------------------------
 */

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	struct try *t = arg;

	t->interrupt = true;
	t->signal = (int)si->ssi_signo;
}

static int watch_signals(struct try *t, struct th_err *err)
{
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	r = loop_watch_signals(t->loop, &mask, on_signal, t);
	return r < 0 ? err_set(err, EXIT_INTERNAL, -r, "cannot watch signals: %s", strerror(-r))
		     : 0;
}

static void on_warning(void *arg, const char *text)
{
	(void)arg;
	log_warning("%s", text);
}

static json_t *make_record_json(void *arg)
{
	const struct try *t = arg;

	return record_to_json(&t->record);
}

static void fill_outcome(struct outcome *o, enum hook_point point, enum task_result result)
{
	bool success = result == RESULT_SUCCESS;

	*o = (struct outcome){
		.result = result,
		.stop_reason = STOP_EXITED,
		.failed_point = POINT_NONE,
		.decided_by = "task",
	};
	if (point == POINT_PRE_STOP || point == POINT_PRE_CLEANUP) {
		o->result = RESULT_NONE;
		o->stop_reason = point == POINT_PRE_STOP ? STOP_ASKED : STOP_CLEANUP;
		return;
	}
	o->has_exit_code = true;
	o->exit_code = success ? 0 : 1;
	if (result == RESULT_SIGNAL || result == RESULT_OOM_KILL) {
		o->exit_signal = SIGKILL;
		o->exit_code = EXIT_SIGNAL_BASE + SIGKILL;
		o->oom_killed = result == RESULT_OOM_KILL;
	}
	if (result == RESULT_START_FAILED || result == RESULT_HOOK_FAILED ||
		result == RESULT_HOOK_TIMEOUT) {
		o->has_exit_code = false;
		o->failed_point = POINT_PRE_START;
		o->failed_hook = xstrdup("00-made-up");
		o->failed_reason = xstrdup("made up by 'hooks run'");
	}
}

static bool has_outcome(enum hook_point point)
{
	enum operator op = point_operator(point);

	return op == OP_EXIT || op == OP_STOP || op == OP_CLEANUP;
}

static int set_up(
	struct try *t, enum hook_point point, const struct hooktry_options *o, struct th_err *err)
{
	struct hook_session *s = &t->session;
	int r;

	t->loop = loop_new();
	if (!t->loop)
		return err_set(err, EXIT_INTERNAL, errno, "cannot make an event loop: %m");
	r = watch_signals(t, err);
	if (r == 0)
		r = make_scratch(t, err);
	if (r == 0)
		r = make_task_dirs(t, err);
	if (r == 0)
		r = cgtree_open(&t->cg, t->task->cgroup_mode, t->task->cgroup_parent,
			t->real->state_dir, true, err);
	if (r < 0)
		return r;
	cgtree_warn(&t->cg);

	t->record.group = xstrdup(t->task->group);
	t->record.id = xstrdup(t->task->id);
	t->record.run_number = 1;
	t->record.uid = geteuid();
	t->record.started = clock_realtime_usec();
	record_set_task(&t->record, task_to_json(t->task));
	t->record.outcome.failed_point = POINT_NONE;
	if (has_outcome(point))
		fill_outcome(&t->record.outcome, point, o->result);

	s->layout = &t->layout;
	s->task = t->task;
	if (point_operator(point) == OP_CLEANUP) {
		t->group_task = *t->task;
		t->group_task.id = NULL;
		s->task = &t->group_task;
		s->group_only = true;
	}
	s->loop = t->loop;
	s->cg = &t->cg;
	s->as_root = geteuid() == 0;
	s->show = o->quiet ? HOOK_SHOW_NEVER : HOOK_SHOW_ALWAYS;
	s->terminal = isatty(STDERR_FILENO);
	s->only = o->only;
	s->interrupt = &t->interrupt;
	s->warn = on_warning;
	s->record_json = make_record_json;
	s->arg = t;
	s->run_number = 1;
	s->outcome = has_outcome(point) ? &t->record.outcome : NULL;
	s->duration = USEC_PER_SEC;
	return 0;
}

static void tear_down(struct try *t)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	usec_t deadline = usec_add(clock_monotonic_usec(), 10 * USEC_PER_SEC);
	int run_fd = t->session.run_fd;

	if (t->session.cg) {
		if (hook_session_kill_left(&t->session, deadline, &why) < 0)
			log_warning("%s", err_text(&why));
		(void)cgtree_remove_task(&t->cg, t->task->group, NULL, deadline, NULL);
	}
	hook_session_done(&t->session);
	fd_close(run_fd);
	free(t->run_path);
	cgtree_done(&t->cg);
	record_done(&t->record);
	loop_free(t->loop);
	if (t->scratch) {
		remove_scratch(t);
		free(t->layout.state_dir);
		free(t->layout.run_dir);
		free(t->scratch);
	}
}

/* ---- one hook of the point --------------------------------------------------------------------
 */

/* That the hook `only` exists and would run; else the reason why not. */
static int check_only(struct try *t, enum hook_point point, const char *only, struct th_err *err)
{
	struct hook_context ctx = {
		.group = t->task->group,
		.node_roles = &t->task->node.roles,
		.has_ended = t->session.outcome && t->session.outcome->result != RESULT_NONE,
		.succeeded = t->session.outcome && t->session.outcome->result == RESULT_SUCCESS,
	};
	struct hook_list list = {.point = point};
	_cleanup_free_ const char **names = NULL;
	const struct hook *found = NULL;
	size_t n = 0;
	int r;

	r = hookdir_list(&t->layout, t->task, point, &ctx, t->session.as_root, NULL, &list, err);
	if (r < 0)
		return r;
	names = xreallocarray(NULL, list.n + 1, sizeof(*names));
	for (size_t i = 0; i < list.n; i++) {
		const struct hook *h = list.v[i];

		if (strcmp(h->name, only) == 0 && (!found || found->verdict != HOOK_RUN))
			found = h;
		if (h->verdict == HOOK_RUN)
			names[n++] = h->name;
	}
	if (!found) {
		const char *near = suggest_nearest(only, names, n);

		r = err_set(err, EXIT_USAGE, ENOENT, "there is no hook '%s' at %s%s%s%s", only,
			point_name(point), near ? "; did you mean '" : "", near ? near : "",
			near ? "'?" : "");
	} else if (found->verdict == HOOK_SKIP || found->verdict == HOOK_MASKED) {
		r = err_set(err, EXIT_USAGE, EINVAL, "'%s' does not run at %s: %s", found->path,
			point_name(point), found->reason ? found->reason : "skipped");
	}
	hook_list_done(&list);
	return r;
}

static int status_of(const struct try *t, enum hook_point point, const struct point_result *p)
{
	if (p->interrupted)
		return EXIT_SIGNAL_BASE + t->signal;
	if (p->fatal) {
		log_error("%s/%s: %s", point_name(point), p->hook, p->reason);
		return p->timed_out ? EXIT_HOOK_TIMEOUT : EXIT_HOOK_FAILED;
	}
	if (!p->begun && p->n_failed == 0)
		log_notice(
			"no hook runs at %s: 'taskhook hooks list' tells why", point_name(point));
	return p->n_failed > 0 ? EXIT_WITH_FAILURES : EXIT_OK;
}

int hooktry_run(const struct layout *layout, const struct task *task, enum hook_point point,
	const struct hooktry_options *options, struct th_err *err)
{
	struct try t = {
		.real = layout,
		.task = task,
		.cg = CGTREE_INIT,
		.session = HOOK_SESSION_INIT,
	};
	_cleanup_point_ struct point_result result = {.begun = false};
	int r;

	r = set_up(&t, point, options, err);
	if (r == 0 && options->only)
		r = check_only(&t, point, options->only, err);
	if (r == 0)
		r = hook_session_point(&t.session, point, &result, err);
	if (r == 0) {
		r = status_of(&t, point, &result);
		for (size_t i = 0; i < t.session.task_env.n; i++)
			puts(t.session.task_env.v[i]);
		if (t.session.message)
			log_notice("message: %s", t.session.message);
	}
	tear_down(&t);
	return r;
}
