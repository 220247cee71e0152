#include "config.h"

#include "run/launch.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "os/cgroup.h"
#include "os/cgstat.h"
#include "os/proc.h"
#include "os/program.h"
#include "run/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What survives SIGKILL that long is in state D (taskhook-lifecycle(7)). */
#define KILL_WAIT (10 * USEC_PER_SEC)

#define LISTED_PIDS 8

/* Puts where it was set before the message. */
static int blame(const struct context *c, enum task_origin of, int r, struct th_err *err)
{
	if (r < 0 && of != TASK_ORIGIN_COUNT && c->task->origins[of])
		err_prefix(err, "%s", c->task->origins[of]);
	return r;
}

/* Of the user and the groups that could not be had, the one that is wrong. */
static enum task_origin blamed_for_user(const struct task *t, int r)
{
	struct cred user = {0};

	if (r == 0 || !t->has_supplementary_groups)
		return TASK_ORIGIN_USER;
	if (t->user && cred_lookup(t->user, NULL, &user, NULL) < 0)
		return TASK_ORIGIN_USER;
	cred_done(&user);
	return TASK_ORIGIN_GROUPS;
}

static bool has_group(const struct cred *c, gid_t gid)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i] == gid)
			return true;
	return c->gid == gid;
}

/* Are these the groups that we have, as far as the task says which? */
static bool are_own_groups(const struct task *t, const struct cred *cred)
{
	_cleanup_cred_ struct cred own = {0};

	if (cred_self(NULL, &own, NULL) < 0 ||
		(t->user && strchr(t->user, ':') && cred->gid != own.gid))
		return false;
	for (size_t i = 0; t->has_supplementary_groups && i < cred->n_groups; i++)
		if (!has_group(&own, cred->groups[i]))
			return false;
	for (size_t i = 0; t->has_supplementary_groups && i < own.n_groups; i++)
		if (!has_group(cred, own.groups[i]))
			return false;
	return true;
}

int launch_resolve_user(struct context *c, struct th_err *err)
{
	const struct task *t = c->task;
	char *const *extra = NULL;
	int r;

	if (t->has_supplementary_groups)
		extra = strv_null_terminated((struct strv *)(uintptr_t)&t->supplementary_groups);
	r = t->user ? cred_lookup(t->user, extra, &c->cred, err) : cred_self(extra, &c->cred, err);
	c->switch_user =
		r == 0 && (t->user || extra) && (geteuid() == 0 || c->cred.uid != geteuid());
	if (r == 0 && c->switch_user && geteuid() != 0)
		r = err_set(err, EXIT_NOPERM, EPERM,
			"cannot run as user '%s': only root can change the user (run taskhook as "
			"root, or drop 'user')",
			c->cred.name);
	else if (r == 0 && geteuid() != 0 && !are_own_groups(t, &c->cred))
		r = err_set(err, EXIT_NOPERM, EPERM,
			"cannot run with other groups than our own: only root can change them (run "
			"taskhook as root, or drop '%s')",
			t->has_supplementary_groups ? "supplementary-groups" : "user");
	return blame(c, blamed_for_user(t, r), r, err);
}

static void set_format(struct strv *env, const char *name, unsigned value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", value);
	env_set(env, name, text);
}

static void set_all(struct strv *env, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *eq = strchr(from->v[i], '=');
		_cleanup_free_ char *name = NULL;

		if (!eq)
			continue;
		name = xstrndup(from->v[i], (size_t)(eq - from->v[i]));
		env_set(env, name, eq + 1);
	}
}

void launch_environment(const struct context *c, struct strv *ret)
{
	const struct task *t = c->task;
	_cleanup_free_ char *dir = layout_task_dir(c->layout, t->group, t->id);
	_cleanup_free_ char *logs = layout_log_dir(c->layout, t->group, t->id);
	_cleanup_free_ char *shared = layout_shared_dir(c->layout, t->group);
	const char *lang = getenv("LANG"), *term = getenv("TERM");

	strv_add(ret, "PATH=" DEFAULT_PATH);
	strv_addf(ret, "HOME=%s", c->cred.home);
	strv_addf(ret, "USER=%s", c->cred.name);
	strv_addf(ret, "LOGNAME=%s", c->cred.name);
	strv_addf(ret, "SHELL=%s", c->cred.shell);
	strv_addf(ret, "LANG=%s", lang && *lang ? lang : "C.UTF-8");
	if (c->options->interactive && term)
		strv_addf(ret, "TERM=%s", term);
	set_all(ret, &t->env);
	set_all(ret, &c->hooks.task_env);
	/* Last: these tell where the task is and cannot be changed. */
	env_set(ret, "TASK_ID", t->id);
	env_set(ret, "TASKGROUP", t->group);
	env_set(ret, "TASK_DIR", dir);
	env_set(ret, "TASK_LOG_DIR", logs);
	env_set(ret, "SHARED_DIR", shared);
	set_format(ret, "RUN_NUMBER", c->record.run_number);
	set_format(ret, "RESTART_COUNT", c->record.restart_count);
}

static void on_writer(void *arg, uint32_t events)
{
	(void)events;
	*(bool *)arg = true;
}

/* Until somebody has written into the FIFO, or has opened and closed it. Who asks for a stop
 * meanwhile gets it behind the launch. open(2) would wait too, deaf to that. */
static int wait_for_writer(struct context *c, int fd)
{
	struct loop_fd watch = {.fd = -1};
	bool written = false;
	int r = loop_add_fd(c->loop, &watch, fd, EPOLLIN, on_writer, &written);

	while (r >= 0 && !written && !c->requests.stop)
		r = loop_run(c->loop, USEC_INFINITY);
	loop_remove_fd(c->loop, &watch);
	return r < 0 ? r : 0;
}

/* A file for the task's stdin; an fd, which the caller closes, or -errno. */
static int open_input(struct context *c, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r, flags;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode)) {
		r = wait_for_writer(c, fd);
		if (r < 0)
			return r;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* An fd for the task's stdin; *ret_own says whether it is to be closed. -1: /dev/null. */
static int open_stdin(struct context *c, bool *ret_own, int *ret_fd, struct th_err *err)
{
	const char *from = c->task->stdin_from;
	int fd;

	*ret_own = false;
	*ret_fd = -1;
	if (strcmp(from, "null") == 0)
		return 0;
	if (strcmp(from, "auto") == 0) {
		/* A terminal only when asked for: two readers of one terminal get every other line.
		 */
		if (isatty(STDIN_FILENO) && !c->options->interactive)
			return 0;
		*ret_fd = STDIN_FILENO;
		return 0;
	}
	fd = open_input(c, from);
	if (fd < 0)
		return blame(c, TASK_ORIGIN_STDIN,
			err_set(err, EXIT_CONFIG, -fd, "cannot open '%s' for stdin: %s", from,
				strerror(-fd)),
			err);
	*ret_fd = fd;
	*ret_own = true;
	return 0;
}

static void on_process_end(void *arg, uint32_t events)
{
	struct context *c = arg;

	(void)events;
	if (proctree_reap(&c->tree) == 1) {
		c->exited = true;
		loop_remove_fd(c->loop, &c->exit_watch);
	}
}

/* The first limit that is above what this process may have; its place among task_rlimit_names, or
 * TASK_RLIMITS. */
static size_t find_refused_rlimit(const struct task *t, struct rlimit *ret_have, rlim_t *ret_want)
{
	for (size_t i = 0; i < t->n_rlimits; i++) {
		const struct spawn_rlimit *l = &t->rlimits[i];

		if (getrlimit((__rlimit_resource_t)l->resource, ret_have) < 0 ||
			l->value.rlim_max <= ret_have->rlim_max)
			continue;
		*ret_want = l->value.rlim_max;
		for (size_t k = 0; k < TASK_RLIMITS; k++)
			if (task_rlimit_names[k].resource == l->resource)
				return k;
	}
	return TASK_RLIMITS;
}

static int explain_rlimit(const struct task *t, int r, struct th_err *err)
{
	struct rlimit have;
	rlim_t want;
	size_t at = find_refused_rlimit(t, &have, &want);
	char most[32] = "infinity";

	if (at == TASK_RLIMITS)
		return err_set(err, EXIT_NOPERM, -r, "cannot %s: %s", spawn_step_name(SPAWN_RLIMIT),
			strerror(-r));
	if (want != RLIM_INFINITY)
		(void)snprintf(most, sizeof(most), "%llu", (unsigned long long)want);
	return err_set(err, EXIT_NOPERM, -r, "cannot raise limit-%s from %llu to %s: %s",
		task_rlimit_names[at].name, (unsigned long long)have.rlim_max, most, strerror(-r));
}

int launch_explain(const struct context *c, enum spawn_step step, int r, const char *path,
	const char *cwd, struct th_err *err)
{
	_cleanup_free_ char *why = NULL;

	switch (step) {
	case SPAWN_EXEC:
		why = program_explain_exec(path, -r);
		return err_set(err, r == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC, -r,
			"cannot execute '%s': %s", path, why);
	case SPAWN_CHDIR:
		return err_set(err, EXIT_CONFIG, -r, "cannot enter the working directory '%s': %s",
			cwd, strerror(-r));
	case SPAWN_GROUPS:
	case SPAWN_UID:
		return err_set(err, EXIT_NOPERM, -r, "cannot run as user '%s': %s", c->cred.name,
			strerror(-r));
	case SPAWN_RLIMIT:
		return explain_rlimit(c->task, r, err);
	case SPAWN_NICE:
	case SPAWN_OOM_SCORE_ADJ:
		return err_set(
			err, EXIT_NOPERM, -r, "cannot %s: %s", spawn_step_name(step), strerror(-r));
	case SPAWN_OK:
	case SPAWN_CLONE:
	case SPAWN_CGROUP:
	case SPAWN_SESSION:
	case SPAWN_FD:
		break;
	}
	return err_set(err, EXIT_INTERNAL, -r, "cannot start the process: %s: %s",
		spawn_step_name(step), strerror(-r));
}

int launch_find_program(
	const char *name, const struct strv *env, const char *cwd, char **ret, struct th_err *err)
{
	int r = program_find(name, env_get(env, "PATH"), cwd, ret);

	if (r == -EACCES) {
		_cleanup_free_ char *why =
			path_is_absolute(name) ? program_explain_exec(name, EACCES) : NULL;

		return err_set(err, EXIT_CANNOT_EXEC, EACCES,
			"cannot execute '%s': permission denied (%s)", name,
			why && strcmp(why, strerror(EACCES)) != 0
				? why
				: "chmod +x, or look at the directories of its path");
	}
	if (r < 0 && !strchr(name, '/'))
		return err_set(err, EXIT_NOT_FOUND, -r, "command '%s' not found in PATH=%s", name,
			env_get(env, "PATH"));
	if (r < 0 && !path_is_absolute(name))
		return err_set(err, EXIT_NOT_FOUND, -r,
			"command '%s' not found in the working directory '%s'", name, cwd);
	if (r < 0)
		return err_set(err, EXIT_NOT_FOUND, -r, "command '%s' not found", name);
	return 0;
}

static int watch_exit(struct context *c, struct th_err *err)
{
	int r = loop_add_fd(c->loop, &c->exit_watch, c->tree.exit_fd, EPOLLIN, on_process_end, c);

	if (r < 0)
		return err_set(
			err, EXIT_INTERNAL, -r, "cannot watch the process: %s", strerror(-r));
	return 0;
}

void launch_set_rights(const struct context *c, struct spawn_spec *spec)
{
	const struct task *t = c->task;

	spec->set_user = c->switch_user;
	spec->uid = c->cred.uid;
	spec->gid = c->cred.gid;
	spec->groups = c->cred.groups;
	spec->n_groups = c->cred.n_groups;
	spec->set_umask = true;
	spec->umask = t->has_umask ? t->umask : 022;
	spec->set_nice = t->has_nice;
	spec->nice = t->nice;
	spec->set_oom_score_adj = t->has_oom_score_adj;
	spec->oom_score_adj = t->oom_score_adj;
	spec->rlimits = t->rlimits;
	spec->n_rlimits = t->n_rlimits;
}

int launch_try_rights(const struct context *c, const char *cwd, struct th_err *err)
{
	static char *const argv[] = {
		(char *)(uintptr_t) "taskhook", (char *)(uintptr_t) "--version", NULL};
	static char *const environment[] = {NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result child = {.failed_step = SPAWN_OK};
	int r;

	spec.path = proc_own_program();
	spec.argv = argv;
	spec.envp = environment;
	spec.cwd = cwd;
	spec.die_with_parent = true;
	launch_set_rights(c, &spec);
	r = spawn_process(&spec, &child);
	/* It is no matter whether the task's user may execute us. */
	if (r < 0)
		return child.failed_step == SPAWN_EXEC
			       ? 0
			       : launch_explain(c, child.failed_step, r, NULL, cwd, err);
	(void)kill(child.pid, SIGKILL);
	while (waitpid(child.pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd_close(child.pidfd);
	return 0;
}

static enum task_origin origin_of(const struct task *t, enum spawn_step step)
{
	struct rlimit have;
	rlim_t want;

	switch (step) {
	case SPAWN_EXEC:
		return TASK_ORIGIN_COMMAND;
	case SPAWN_CHDIR:
		return TASK_ORIGIN_WORKDIR;
	case SPAWN_UID:
		return TASK_ORIGIN_USER;
	case SPAWN_GROUPS:
		return TASK_ORIGIN_GROUPS;
	case SPAWN_OOM_SCORE_ADJ:
		return TASK_ORIGIN_OOM_SCORE_ADJ;
	case SPAWN_NICE:
		return TASK_ORIGIN_NICE;
	case SPAWN_RLIMIT:
		return (enum task_origin)(
			TASK_ORIGIN_RLIMIT + find_refused_rlimit(t, &have, &want));
	case SPAWN_OK:
	case SPAWN_CLONE:
	case SPAWN_CGROUP:
	case SPAWN_SESSION:
	case SPAWN_FD:
		break;
	}
	return TASK_ORIGIN_COUNT;
}

int launch_task(struct context *c, struct th_err *err)
{
	const struct task *t = c->task;
	_cleanup_close_ int out = -1, errors = -1, own_in = -1;
	_cleanup_free_ char *dir = layout_task_dir(c->layout, t->group, t->id);
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct strv env = STRV_INIT;
	const char *cwd = t->workdir ? t->workdir : dir;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	enum spawn_step step = SPAWN_OK;
	struct live_state *l;
	bool own = false;
	int ends[2], r, in;

	launch_environment(c, &env);
	r = launch_find_program(t->command.v[0], &env, cwd, &path, err);
	if (r < 0)
		return blame(c, TASK_ORIGIN_COMMAND, r, err);
	r = open_stdin(c, &own, &in, err);
	if (r < 0)
		return r;
	own_in = own ? in : -1;
	r = streams_make(c, ends, err);
	if (r < 0)
		return r;
	out = ends[0];
	errors = ends[1];

	launch_set_rights(c, &spec);
	spec.path = path;
	spec.argv = t->command.v;
	spec.envp = env.v;
	spec.fds[0] = in;
	spec.fds[1] = out;
	spec.fds[2] = errors;
	spec.cwd = t->workdir;
	spec.cwd_fd = t->workdir ? -1 : c->task_fd;
	spec.die_with_parent = t->end_with_supervisor;

	/* With a cgroup nobody will ask for the start time of what ends with us: whatever is left
	 * is found there. */
	c->tree.skip_start_ticks = c->cg.on && t->end_with_supervisor;
	/* Whoever comes after a kill in between owes it the post-exit hooks. */
	l = live_begin(c->live);
	l->main_pid = -1;
	l->exit.known = 0;
	live_end(c->live);
	r = proctree_start(&c->tree, c->cg.on ? c->cg.task_fd : -1, &spec, &step);
	if (r < 0) {
		live_begin(c->live)->main_pid = 0;
		live_end(c->live);
		r = launch_explain(c, step, r, path, cwd, err);
		return blame(c, origin_of(t, step), r, err);
	}
	c->launched = true;
	c->launched_at = clock_monotonic_usec();
	c->record.launched = clock_realtime_usec();
	l = live_begin(c->live);
	l->main_pid = c->tree.pid;
	l->main_start_ticks = c->tree.start_ticks;
	l->keeper_pid = c->tree.keeper;
	l->keeper_start_ticks = c->tree.keeper_start_ticks;
	live_end(c->live);
	return watch_exit(c, err);
}

/* When it was launched, on the monotonic clock: the start time of a process is told in ticks of one
 * that also counts suspend (proc_pid_stat(5)). */
static usec_t launch_time(uint64_t start_ticks)
{
	usec_t since_boot = start_ticks * (USEC_PER_SEC / (usec_t)sysconf(_SC_CLK_TCK));

	return usec_sub(clock_monotonic_usec(), usec_sub(clock_boottime_usec(), since_boot));
}

int launch_adopt(struct context *c, const struct live_state *l, struct th_err *err)
{
	struct proctree *t = &c->tree;
	usec_t age;

	t->pid = l->main_pid;
	t->start_ticks = l->main_start_ticks;
	t->keeper = l->keeper_pid;
	t->keeper_start_ticks = l->keeper_start_ticks;
	if (proctree_adopt(t, l->keeper_pid > 0 ? -1 : c->cg.task_fd) < 0) {
		*t = (struct proctree)PROCTREE_INIT;
		return 1;
	}
	c->launched = true;
	c->launched_at = launch_time(l->main_start_ticks);
	age = usec_sub(clock_monotonic_usec(), c->launched_at);
	c->record.launched = usec_sub(clock_realtime_usec(), age);
	return watch_exit(c, err);
}

/* "1234 (sleep, state D), ..." */
static char *list_left(const struct proctree *tree)
{
	struct strbuf b = STRBUF_INIT;
	pid_t pids[LISTED_PIDS];
	int n = proctree_list(tree, pids, LISTED_PIDS);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *comm = proc_comm(pids[i]);
		char state = '?';

		(void)proc_state(pids[i], &state, NULL);
		strbuf_addf(&b, "%s%d (%s, state %c)", i ? ", " : "", pids[i], comm, state);
	}
	return strbuf_steal(&b);
}

int launch_kill(struct context *c)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), KILL_WAIT);
	_cleanup_free_ char *left = NULL;

	if (!c->exited)
		c->killed = true;
	(void)proctree_kill(&c->tree, deadline);
	while (!c->exited && c->tree.pid > 0 && !c->tree.reaped &&
		clock_monotonic_usec() < deadline)
		if (loop_run(c->loop, deadline) < 0)
			break;
	/* This waits without the loop. */
	loop_call_due(c->loop);
	if (proctree_wait_empty(&c->tree, deadline) == 0)
		return 0;
	left = list_left(&c->tree);
	context_warn(c,
		"could not be killed within 10s: %s; 'taskhook cleanup' goes on with it later",
		left);
	c->stuck = true;
	return -EBUSY;
}

/* Of the process that has ended and of what it begot. */
static void read_usage(struct context *c, struct usage *u)
{
	struct cgstat st;

	/* What waitpid(2) would tell of a child. */
	u->known = !c->tree.adopted;
	u->cpu_user_usec = (usec_t)c->tree.usage.ru_utime.tv_sec * USEC_PER_SEC +
			   (usec_t)c->tree.usage.ru_utime.tv_usec;
	u->cpu_system_usec = (usec_t)c->tree.usage.ru_stime.tv_sec * USEC_PER_SEC +
			     (usec_t)c->tree.usage.ru_stime.tv_usec;
	u->memory_peak = (uint64_t)c->tree.usage.ru_maxrss * 1024;
	if (!c->cg.on || c->cg.task_fd < 0 ||
		cgstat_read(c->cg.task_fd, c->cg.controllers & (CGROUP_MEMORY | CGROUP_IO), &st) <
			0)
		return;
	/* The cgroup counts every process, those too that nobody waited for. */
	if (st.has_cpu) {
		u->known = true;
		u->cpu_user_usec = st.cpu_user_usec;
		u->cpu_system_usec = st.cpu_system_usec;
	}
	/* The kernel counts an out-of-memory kill before it sends the signal (mm/oom_kill.c,
	 * __oom_kill_process()), so the count of a process that was reaped is complete. */
	if (st.has_memory) {
		if (st.memory_peak)
			u->memory_peak = st.memory_peak;
		u->oom_kills = st.oom_kill;
	}
	u->has_io = st.has_io;
	u->io_rbytes = st.io_rbytes;
	u->io_wbytes = st.io_wbytes;
}

/* Each process of a task that is restarted has a cgroup of its own. */
static void take_usage(struct context *c)
{
	const struct usage *before = &c->usage_before;
	struct usage u = {.known = true};

	read_usage(c, &u);
	u.cpu_user_usec += before->cpu_user_usec;
	u.cpu_system_usec += before->cpu_system_usec;
	u.memory_peak = MAX(u.memory_peak, before->memory_peak);
	u.oom_kills += before->oom_kills;
	u.has_io = u.has_io || before->has_io;
	u.io_rbytes += before->io_rbytes;
	u.io_wbytes += before->io_wbytes;
	c->record.usage = u;
}

static void fill_outcome(struct context *c)
{
	struct outcome *o = &c->record.outcome;
	int status = c->tree.wait_status;

	o->decided_by = c->tree.status_unknown ? "taskhook" : "task";
	o->has_exit_code = !c->tree.status_unknown;
	o->oom_killed = c->record.usage.oom_kills > c->usage_before.oom_kills;
	if (c->tree.status_unknown) {
		o->exit_code = EXIT_INTERNAL;
		o->result = RESULT_LOST;
		str_replace(&o->failed_reason,
			"how it ended is not known: its first supervisor was killed");
	} else if (WIFSIGNALED(status)) {
		o->exit_signal = WTERMSIG(status);
		o->exit_code = EXIT_SIGNAL_BASE + WTERMSIG(status);
		/* Something else of it may have been killed hours before we killed it. */
		o->result = o->oom_killed && WTERMSIG(status) == SIGKILL && !c->killed
				    ? RESULT_OOM_KILL
				    : RESULT_SIGNAL;
	} else {
		o->exit_code = WEXITSTATUS(status);
		o->result = o->exit_code == 0 ? RESULT_SUCCESS : RESULT_EXIT_CODE;
	}
	o->status = o->exit_code;
	if (o->stop_reason == STOP_NONE)
		o->stop_reason = STOP_EXITED;
	if (o->stop_reason == STOP_MAX_RUN_TIME) {
		o->result = RESULT_TIMEOUT;
		o->status = EXIT_TIMEOUT;
		o->decided_by = "taskhook";
	}
}

int launch_collect(struct context *c)
{
	uint64_t dropped = c->record.log_dropped;
	int r = 0;

	c->record.duration_usec = clock_monotonic_usec() - c->launched_at;
	/* Only the main process is known to have ended. */
	if (proctree_populated(&c->tree) != 0)
		r = launch_kill(c);
	streams_finish(c);
	if (c->record.log_dropped > dropped)
		context_warn(c, "%" PRIu64 " bytes of its output are missing in the logs",
			c->record.log_dropped);
	if (!c->tree.reaped)
		return r < 0 ? r : -EBUSY;
	take_usage(c);
	fill_outcome(c);
	return r;
}
