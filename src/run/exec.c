#include "config.h"

#include "run/exec.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "os/cgroup.h"
#include "os/proc.h"
#include "run/context.h"
#include "run/launch.h"
#include "run/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER (5 * USEC_PER_SEC)
/* For what SIGKILL has ended to be gone. */
#define KILL_WAIT (10 * USEC_PER_SEC)

/* No name of a hook or of anything that a task would make. */
#define CGROUP_NAME "_exec:%d"

struct running {
	struct context *c;
	struct live_state live;
	int task_cgroup; /* -1: none */
	char *cgroup;	 /* the name of the command's, below it */
	int cgroup_fd;
	struct proctree tree;
	struct loop_fd exit_watch, task_watch;
	struct loop_timer timer;
	usec_t timeout; /* USEC_INFINITY: none */
	int task_pidfd;
	bool ended, timed_out, task_ended;
};

/* ---- the task ---- */

static int refuse(struct th_err *err)
{
	return err_set(err, EXIT_BUSY, ESRCH, "does not run");
}

/* Has the process that it had when we came? */
static bool has_ended(const struct running *run)
{
	return run->live.main_pid > 0 &&
	       !proc_is_alive(run->live.main_pid, run->live.main_start_ticks);
}

/* What its supervisor has noted: it must live, and have launched the process. */
static int read_live(struct context *c, struct running *run, const char *group, const char *id,
	struct th_err *err)
{
	_cleanup_free_ char *path = layout_run_task(c->layout, group, id);
	pid_t pid;

	c->run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->run_fd < 0 && errno == EACCES)
		return err_set(err, EXIT_NOPERM, EACCES, "the task belongs to another user");
	if (c->run_fd < 0 || supervisor_find(c->layout, group, id, &pid) != 1)
		return refuse(err);
	if (live_read(c->run_fd, &run->live) < 0 || run->live.main_pid <= 0 ||
		strcmp(run->live.boot_id, proc_boot_id()) != 0 ||
		!state_may_have_process((enum task_state)run->live.state))
		return refuse(err);
	return 0;
}

static int read_record(
	struct context *c, const char *group, const char *id, struct task **ret, struct th_err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/records/%s", c->layout->state_dir, group);
	int r;

	c->records_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->records_fd < 0)
		return err_set(err, errno == EACCES ? EXIT_NOPERM : EXIT_UNAVAILABLE, errno,
			"cannot open '%s': %m", path);
	r = record_read(c->records_fd, id, &c->record, err);
	if (r == 0)
		r = task_from_json(c->record.task, ret, err);
	return r;
}

/* What hooks have handed on to the task, in their order. */
static void take_handed_on(struct context *c)
{
	const char *hook, *name;
	json_t *entry, *value;

	json_object_foreach(c->record.hook_state, hook, entry)
	{
		json_object_foreach(json_object_get(entry, "env"), name, value)
			env_set(&c->hooks.task_env, name, json_string_value(value));
	}
}

/* ---- its cgroup ---- */

static int open_cgroup(struct running *run, struct th_err *err)
{
	_cleanup_free_ char *mark = NULL;
	int r;

	if (!*run->live.cgroup)
		return 0;
	run->task_cgroup = open(run->live.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (run->task_cgroup < 0)
		return refuse(err);
	r = cgroup_get_mark(run->task_cgroup, &mark);
	if (r == 0) {
		run->cgroup = xasprintf(CGROUP_NAME, (int)getpid());
		r = cgroup_make(run->task_cgroup, run->cgroup, mark, NULL, NULL);
	}
	if (r < 0)
		return err_set(err, r == -ENODEV ? EXIT_BUSY : EXIT_CANTCREAT, -r,
			"cannot make a cgroup in '%s': %s", run->live.cgroup, strerror(-r));
	run->cgroup_fd = r;
	return 0;
}

static void end_all(struct running *run)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), KILL_WAIT);

	if (run->tree.pid > 0) {
		(void)proctree_kill(&run->tree, deadline);
		if (proctree_wait_empty(&run->tree, deadline) < 0)
			log_warning("not all processes of the command could be killed within 10s");
	}
	proctree_done(&run->tree);
	run->cgroup_fd = fd_close(run->cgroup_fd);
	/* The task may have come to its end meanwhile, and have removed it. */
	if (run->cgroup)
		(void)cgroup_remove_tree(run->task_cgroup, run->cgroup, NULL, deadline);
	run->task_cgroup = fd_close(run->task_cgroup);
	free(run->cgroup);
}

/* ---- the command ---- */

static void on_exit_of_command(void *arg, uint32_t events)
{
	struct running *run = arg;

	(void)events;
	if (proctree_reap(&run->tree) == 1) {
		run->ended = true;
		loop_remove_fd(run->c->loop, &run->exit_watch);
	}
}

/* With a cgroup the supervisor ends us with all that is in the task's. */
static void on_exit_of_task(void *arg, uint32_t events)
{
	struct running *run = arg;

	(void)events;
	run->task_ended = true;
	loop_remove_fd(run->c->loop, &run->task_watch);
	(void)proctree_kill(&run->tree, usec_add(clock_monotonic_usec(), KILL_WAIT));
}

static void on_kill(void *arg)
{
	struct running *run = arg;

	(void)proctree_kill(&run->tree, usec_add(clock_monotonic_usec(), KILL_WAIT));
}

static void on_timeout(void *arg)
{
	struct running *run = arg;
	char span[CLOCK_SPAN_MAX];

	run->timed_out = true;
	log_error("the command has not ended within %s, and is ended now (--timeout)",
		clock_format_span(run->timeout, span, sizeof(span)));
	(void)proctree_signal(&run->tree, SIGTERM);
	loop_set_timer(run->c->loop, &run->timer, usec_add(clock_monotonic_usec(), KILL_AFTER),
		on_kill, run);
}

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	struct running *run = arg;

	(void)proctree_signal(&run->tree, (int)si->ssi_signo);
}

static int watch(struct running *run, struct th_err *err)
{
	struct loop *loop = run->c->loop;
	int r = loop_add_fd(
		loop, &run->exit_watch, run->tree.exit_fd, EPOLLIN, on_exit_of_command, run);

	if (r == 0 && run->cgroup_fd < 0) {
		run->task_pidfd = proc_pidfd(run->live.main_pid, run->live.main_start_ticks);
		if (run->task_pidfd < 0)
			return refuse(err);
		r = loop_add_fd(
			loop, &run->task_watch, run->task_pidfd, EPOLLIN, on_exit_of_task, run);
	}
	if (r < 0)
		return err_set(
			err, EXIT_INTERNAL, -r, "cannot watch the command: %s", strerror(-r));
	if (run->timeout != USEC_INFINITY)
		loop_set_timer(loop, &run->timer, usec_add(clock_monotonic_usec(), run->timeout),
			on_timeout, run);
	return 0;
}

static int watch_signals(struct running *run, struct th_err *err)
{
	static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
		sigaddset(&mask, watched[i]);
	r = loop_watch_signals(run->c->loop, &mask, on_signal, run);
	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r, "cannot watch signals: %s", strerror(-r));
	return 0;
}

static int begin(struct running *run, char *const *command, struct th_err *err)
{
	struct context *c = run->c;
	const struct task *t = c->task;
	_cleanup_free_ char *dir = layout_task_dir(c->layout, t->group, t->id), *path = NULL;
	const char *cwd = t->workdir ? t->workdir : dir;
	_cleanup_strv_ struct strv env = STRV_INIT;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	enum spawn_step step = SPAWN_OK;
	int r;

	launch_environment(c, &env);
	r = launch_find_program(command[0], &env, cwd, &path, err);
	if (r == 0)
		r = open_cgroup(run, err);
	if (r < 0)
		return r;
	launch_set_rights(c, &spec);
	spec.path = path;
	spec.argv = command;
	spec.envp = env.v;
	for (int i = 0; i < 3; i++)
		spec.fds[i] = i;
	spec.cwd = cwd;
	spec.die_with_parent = true;
	r = proctree_start(&run->tree, run->cgroup_fd, &spec, &step);
	return r < 0 ? launch_explain(c, step, r, path, cwd, err) : 0;
}

static int status_of(const struct running *run)
{
	int status = run->tree.wait_status;

	/* With a cgroup nobody has told us. */
	if (run->task_ended || (run->ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
				       has_ended(run)))
		log_notice("the task has ended, and the command with it");
	if (!run->ended)
		return EXIT_INTERNAL;
	if (run->timed_out)
		return EXIT_TIMEOUT;
	return WIFSIGNALED(status) ? EXIT_SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_command(struct running *run, char *const *command, struct th_err *err)
{
	int r = watch_signals(run, err);

	if (r == 0)
		r = begin(run, command, err);
	if (r == 0)
		r = watch(run, err);
	while (r == 0 && !run->ended)
		if (loop_run(run->c->loop, USEC_INFINITY) < 0)
			break;
	loop_remove_fd(run->c->loop, &run->exit_watch);
	loop_remove_fd(run->c->loop, &run->task_watch);
	loop_clear_timer(run->c->loop, &run->timer);
	run->task_pidfd = fd_close(run->task_pidfd);
	return r;
}

int exec_in_task(const struct layout *layout, const char *group, const char *id,
	char *const *command, const struct exec_options *options, struct th_err *err)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_task_ struct task *task = NULL;
	struct context c;
	struct running run = {.c = &c,
		.task_cgroup = -1,
		.cgroup_fd = -1,
		.task_pidfd = -1,
		.timeout = options->timeout,
		.tree = PROCTREE_INIT};
	int r = context_init(&c, layout, options->supervisor, err);

	if (r == 0)
		r = read_live(&c, &run, group, id, err);
	if (r == 0)
		r = read_record(&c, group, id, &task, err);
	if (r == 0) {
		c.task = task;
		take_handed_on(&c);
		r = launch_resolve_user(&c, err);
	}
	if (r == 0)
		r = run_command(&run, command, &why);
	/* Its cgroup or its directory went away under us. */
	if (r < 0 && err_is_set(&why))
		r = has_ended(&run) ? refuse(err)
				    : err_set(err, why.status, why.errnum, "%s", err_text(&why));
	if (r == 0)
		r = status_of(&run);
	end_all(&run);
	context_done(&c);
	return r;
}
