#include "config.h"

#include "run/hookrun.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "os/proc.h"
#include "os/program.h"
#include "os/spawn.h"
#include "run/hookacct.h"
#include "run/hookout.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Format of the lines in logs/hooks.jsonl. */
#define RECORD_FORMAT_VERSION 1

/*
 * A process substitution, or the tail of a pipeline, may end a moment after the hook itself. Only
 * what is there longer is a background that deserves to be reported.
 */
#define STRAGGLER_USEC (20 * USEC_PER_MSEC)

/* Where the kernel's notice that a tree is empty cannot be had, it is asked this often. */
#define ASK_AGAIN_USEC (10 * USEC_PER_MSEC)

#define KEEPER_USEC (2 * USEC_PER_MSEC)

/* Each round of killing is as short as this, so that the loop goes on being served. */
#define KILL_ROUND_USEC (100 * USEC_PER_MSEC)

#define SURVIVORS_TOLD_MAX 5

/* Output of a hook that has ended and left somebody who may write on. */
struct background {
	struct hook_runner *runner;
	struct hookout *out;
	enum hook_point point;
	char *name;
	struct background *next;
};

struct hook_runner {
	struct loop *loop;
	hook_background_fn fn;
	void *arg;
	struct hookacct acct;
	struct background *background;
};

/* One hook while it runs. */
struct running {
	struct hook_run *r;
	struct hook_runner *runner;
	struct hookout *out;
	struct loop_fd exit_watch;
	bool exited;
};

/* ---- what is kept from hook to hook ---------------------------------------------------------- */

struct hook_runner *hook_runner_new(struct loop *loop, hook_background_fn fn, void *arg)
{
	struct hook_runner *runner = xcalloc(1, sizeof(*runner));

	*runner = (struct hook_runner){.loop = loop, .fn = fn, .arg = arg, .acct = HOOKACCT_INIT};
	return runner;
}

static struct background *background_free(struct background *b)
{
	hookout_free(b->out);
	free(b->name);
	free(b);
	return NULL;
}

static void sweep_background(struct hook_runner *runner)
{
	for (struct background **at = &runner->background; *at;) {
		struct background *b = *at;

		if (!hookout_is_closed(b->out)) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		background_free(b);
	}
}

struct hook_runner *hook_runner_free(struct hook_runner *runner)
{
	if (!runner)
		return NULL;
	while (runner->background) {
		struct background *b = runner->background;

		runner->background = b->next;
		background_free(b);
	}
	hookacct_done(&runner->acct);
	free(runner);
	return NULL;
}

static void on_background_line(void *arg, const char *line, size_t n)
{
	struct background *b = arg;

	if (b->runner->fn)
		b->runner->fn(b->runner->arg, b->point, b->name, line, n);
}

/* Takes the output over. */
static void keep_background(struct running *run)
{
	struct background *b = xcalloc(1, sizeof(*b));

	b->runner = run->runner;
	b->out = TAKE_PTR(run->out);
	b->point = run->r->point;
	b->name = xstrdup(run->r->hook->name);
	b->next = run->runner->background;
	run->runner->background = b;
	hookout_redirect(b->out, on_background_line, b);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void on_line(void *arg, const char *line, size_t n)
{
	struct running *run = arg;

	if (run->r->line)
		run->r->line(run->r->line_arg, run->r->hook, line, n);
}

static void on_exit_readable(void *arg, uint32_t events)
{
	struct running *run = arg;

	(void)events;
	if (proctree_reap(&run->r->tree) != 1)
		return;
	run->exited = true;
	loop_remove_fd(run->r->loop, &run->exit_watch);
}

/*
 * The record as standard input, in memory: whole before the hook starts, so that a hook that does
 * not read it stalls nobody, and can be opened again as /dev/stdin. An fd or -errno.
 */
static int open_stdin_data(const char *data, size_t size)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = memfd_create("taskhook-record", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* until Linux 6.3 */
		fd = memfd_create("taskhook-record", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, size);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* 0, or -errno with where in *ret_step. */
static int start_process(struct hook_run *r, int stdin_fd, int output_fd, enum spawn_step *ret_step)
{
	/* Our parameters are const, those of execve are not. */
	char *argv[] = {r->hook->path, (char *)(uintptr_t)point_name(r->point), NULL};
	char *const none[] = {NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;

	spec.path = r->hook->path;
	spec.argv = argv;
	spec.envp = r->env->v ? r->env->v : none;
	spec.fds[0] = stdin_fd;
	spec.fds[1] = output_fd;
	spec.fds[2] = output_fd;
	spec.cwd = r->cwd;
	spec.set_umask = true;
	spec.umask = 022;
	/* Nobody would time it out, or take its failure. */
	spec.die_with_parent = true;
	if (r->cred) {
		spec.set_user = true;
		spec.uid = r->cred->uid;
		spec.gid = r->cred->gid;
		spec.groups = r->cred->groups;
		spec.n_groups = r->cred->n_groups;
	}
	return proctree_start(&r->tree, r->cgroup_fd, &spec, ret_step);
}

static void not_started(struct hook_run *r, char *reason)
{
	r->failed = r->not_started = true;
	r->reason = reason;
}

static char *explain_start(const struct hook_run *r, enum spawn_step step, int errnum)
{
	_cleanup_free_ char *why = NULL;

	if (step == SPAWN_EXEC) {
		why = program_explain_exec(r->hook->path, errnum);
		return xasprintf("cannot be executed: %s", why);
	}
	if (step == SPAWN_CHDIR)
		return xasprintf("cannot enter '%s': %s", r->cwd, strerror(errnum));
	return xasprintf("cannot %s: %s", spawn_step_name(step), strerror(errnum));
}

/* 1: it runs; 0: it could not be started, and the reason is told; -errno: our own failure. */
static int start_hook(struct running *run, struct th_err *err)
{
	struct hook_run *r = run->r;
	_cleanup_close_ int stdin_fd = -1, output_fd = -1;
	enum spawn_step step = SPAWN_OK;
	int k;

	if (r->stdin_data) {
		stdin_fd = open_stdin_data(r->stdin_data, r->stdin_size);
		if (stdin_fd < 0)
			return err_set(err, EXIT_INTERNAL, -stdin_fd,
				"cannot pass the record to a hook: %s", strerror(-stdin_fd));
	}
	k = hookout_open(r->loop, on_line, run, &run->out, &output_fd);
	if (k < 0)
		return err_set(
			err, EXIT_INTERNAL, -k, "cannot make the pipe of a hook: %s", strerror(-k));
	hookacct_begin(&run->runner->acct, r->cgroup_fd);
	k = start_process(r, stdin_fd, output_fd, &step);
	if (k < 0) {
		not_started(r, explain_start(r, step, -k));
		return 0;
	}
	k = loop_add_fd(r->loop, &run->exit_watch, r->tree.exit_fd, EPOLLIN, on_exit_readable, run);
	if (k < 0) {
		(void)proctree_kill(&r->tree, clock_monotonic_usec() + KILL_ROUND_USEC);
		return err_set(err, EXIT_INTERNAL, -k, "cannot watch a hook: %s", strerror(-k));
	}
	if (r->started)
		r->started(r->started_arg, &r->tree);
	return 1;
}

/* ---- wait ------------------------------------------------------------------------------------ */

static bool is_interrupted(const struct hook_run *r)
{
	return r->interrupt && *r->interrupt;
}

static void wait_exit(struct running *run, usec_t deadline)
{
	struct hook_run *r = run->r;

	/* A hook that writes without end is served without end: the clock decides, not the loop. */
	while (!run->exited && !is_interrupted(r) && clock_monotonic_usec() < deadline)
		if (loop_run(r->loop, deadline) < 0)
			return;
}

static bool is_populated(struct running *run)
{
	int r;

	if (run->r->cgroup_fd < 0) {
		const struct proctree *t = &run->r->tree;

		/* A keeper with nothing to keep is about to end: cheaper than to read /proc, and it
		 * leaves no zombie. */
		if (t->reaped &&
			proc_pidfd_wait(t->keeper_pidfd, clock_monotonic_usec() + KEEPER_USEC) == 0)
			return false;
		return proctree_populated(t) != 0;
	}
	r = hookacct_populated(&run->runner->acct);
	return r < 0 ? proctree_populated(&run->r->tree) != 0 : r > 0;
}

static void on_tree_event(void *arg, uint32_t events)
{
	/* Reading is what makes the kernel tell the next change, and not this one again. */
	(void)events;
	(void)is_populated(arg);
}

/* Until the main process has ended and nothing of its tree is left. False at the deadline. */
static bool wait_gone(struct running *run, usec_t deadline)
{
	struct hook_run *r = run->r;
	bool in_cgroup = r->cgroup_fd >= 0;
	/* First, as this is what finds out that the files are those of an earlier cgroup. */
	bool gone = !is_populated(run) && run->exited;
	int fd = in_cgroup ? run->runner->acct.events_fd : r->tree.keeper_pidfd;
	struct loop_fd watch = {.fd = -1};
	bool told;

	if (gone)
		return true;
	/* A pidfd goes on being readable, so a keeper's is not watched once its tree is empty. */
	told = loop_add_fd(r->loop, &watch, fd, in_cgroup ? EPOLLPRI : EPOLLIN, on_tree_event,
		       run) == 0;
	for (;;) {
		usec_t now = clock_monotonic_usec();

		gone = run->exited && !is_populated(run);
		if (gone || now >= deadline)
			break;
		if (loop_run(r->loop, told ? deadline : MIN(deadline, now + ASK_AGAIN_USEC)) < 0)
			break;
	}
	loop_remove_fd(r->loop, &watch);
	return gone;
}

/* SIGKILL for all of it. False: something is still there after HOOK_GIVE_UP_USEC. */
static bool kill_tree(struct running *run)
{
	usec_t now = clock_monotonic_usec();
	usec_t deadline = now + HOOK_GIVE_UP_USEC;

	run->r->killed = true;
	do {
		(void)proctree_kill(&run->r->tree, MIN(deadline, now + KILL_ROUND_USEC));
		if (wait_gone(
			    run, MIN(deadline, usec_add(clock_monotonic_usec(), KILL_ROUND_USEC))))
			return true;
		now = clock_monotonic_usec();
	} while (now < deadline);
	return false;
}

/* "1234 (sleep, state D), 1235 (...)" */
static char *describe_survivors(const struct hook_run *r)
{
	pid_t pids[SURVIVORS_TOLD_MAX + 1];
	struct strbuf b = STRBUF_INIT;
	int n = proctree_list(&r->tree, pids, ARRAY_SIZE(pids));

	for (int i = 0; i < n && i < SURVIVORS_TOLD_MAX; i++) {
		_cleanup_free_ char *comm = proc_comm(pids[i]);
		_cleanup_free_ char *shown = str_escape(comm, 0);
		char state = '?';

		(void)proc_state(pids[i], &state, NULL);
		strbuf_addf(
			&b, "%s%ld (%s, state %c)", i > 0 ? ", " : "", (long)pids[i], shown, state);
	}
	if (n > SURVIVORS_TOLD_MAX)
		strbuf_adds(&b, " and more");
	return strbuf_steal(&b);
}

/* ---- end ------------------------------------------------------------------------------------- */

static void take_status(struct hook_run *r)
{
	int status = r->tree.wait_status;

	if (!r->tree.reaped)
		return;
	if (WIFSIGNALED(status))
		r->exit_signal = WTERMSIG(status);
	else
		r->exit_code = WEXITSTATUS(status);
}

/* taskhook-verify(1) */
static const char *phase_of_status(int status)
{
	switch (status) {
	case 1:
		return " (Failed)";
	case 2:
		return " (Error)";
	case 3:
		return " (Inconclusive)";
	default:
		return "";
	}
}

static char *describe_end(const struct hook_run *r, usec_t start)
{
	char span[CLOCK_SPAN_MAX];

	if (r->interrupted)
		return xstrdup("interrupted");
	if (r->timed_out && r->deadline < usec_add(start, r->hook->settings.timeout)) {
		clock_format_span(r->duration, span, sizeof(span));
		return xasprintf("timed out after %s: total-timeout of %s is used up", span,
			point_name(r->point));
	}
	if (r->timed_out) {
		clock_format_span(r->hook->settings.timeout, span, sizeof(span));
		return xasprintf("timed out after %s", span);
	}
	if (r->exit_signal)
		return xasprintf("killed by SIG%s", signal_name(r->exit_signal));
	if (r->exit_code != 0)
		return xasprintf("exit status %d%s", r->exit_code,
			r->hook->is_template ? phase_of_status(r->exit_code) : "");
	return NULL;
}

/* The process has ended, or its time is over. */
static void end_hook(struct running *run, usec_t start)
{
	struct hook_run *r = run->r;
	bool gone = true;

	if (!run->exited) {
		r->interrupted = is_interrupted(r);
		r->timed_out = !r->interrupted;
		r->failed = true;
		(void)proctree_signal_all(&r->tree, SIGTERM);
		/* What is stopped would not see it. */
		(void)proctree_signal_all(&r->tree, SIGCONT);
		gone = wait_gone(run,
			       usec_add(clock_monotonic_usec(), r->hook->settings.kill_after)) ||
		       kill_tree(run);
	}
	r->duration = usec_sub(clock_monotonic_usec(), start);
	take_status(r);
	r->failed = r->failed || r->exit_signal != 0 || r->exit_code != 0;
	if (r->failed && gone && is_populated(run))
		gone = kill_tree(run);
	else if (!r->failed && is_populated(run))
		r->children_left = !wait_gone(run, clock_monotonic_usec() + STRAGGLER_USEC);
	hookout_drain(run->out);
	hookout_flush(run->out);

	r->reason = describe_end(r, start);
	if (!gone) {
		_cleanup_free_ char *survivors = describe_survivors(r);
		_cleanup_free_ char *reason = TAKE_PTR(r->reason);

		r->given_up = r->children_left = true;
		r->reason = xasprintf("%s; still there after SIGKILL: %s", reason, survivors);
	}
}

static void take_account(struct running *run)
{
	struct hook_run *r = run->r;

	if (r->cgroup_fd >= 0)
		hookacct_end(&run->runner->acct, &r->cpu_usec, &r->memory_peak);
	else
		r->cpu_usec = (usec_t)r->tree.usage.ru_utime.tv_sec * USEC_PER_SEC +
			      (usec_t)r->tree.usage.ru_utime.tv_usec +
			      (usec_t)r->tree.usage.ru_stime.tv_sec * USEC_PER_SEC +
			      (usec_t)r->tree.usage.ru_stime.tv_usec;
	r->output_bytes = hookout_bytes(run->out);
	r->output_dropped = hookout_dropped(run->out);
	r->last_line = hookout_last_line(run->out);
}

static void reset_results(struct hook_run *r)
{
	r->tree = (struct proctree)PROCTREE_INIT;
	/* In a cgroup it is the cgroup that finds the hook again. */
	r->tree.skip_start_ticks = r->cgroup_fd >= 0;
	r->start_realtime = clock_realtime_usec();
	r->duration = 0;
	r->failed = r->not_started = r->timed_out = r->interrupted = r->killed = false;
	r->given_up = r->children_left = false;
	r->exit_code = -1;
	r->exit_signal = 0;
	r->cpu_usec = 0;
	r->memory_peak = r->output_bytes = r->output_dropped = 0;
	r->last_line = NULL;
	r->reason = NULL;
}

int hook_run(struct hook_run *r, struct th_err *err)
{
	/* Before any I/O: what is done for the hook counts as its own time. */
	usec_t start = clock_monotonic_usec();
	usec_t deadline = MIN(usec_add(start, r->hook->settings.timeout), r->deadline);
	struct hook_runner once = {.loop = r->loop, .acct = HOOKACCT_INIT};
	struct running run = {.r = r, .runner = r->runner ? r->runner : &once};
	int result;

	reset_results(r);
	sweep_background(run.runner);
	if (is_interrupted(r)) {
		r->interrupted = true;
		not_started(r, xstrdup("not started: interrupted"));
		return 0;
	}
	if (start >= r->deadline) {
		r->timed_out = true;
		not_started(r, xasprintf("not started: total-timeout of %s is used up",
				       point_name(r->point)));
		return 0;
	}

	result = start_hook(&run, err);
	if (result > 0) {
		wait_exit(&run, deadline);
		end_hook(&run, start);
		take_account(&run);
		/* Another cgroup next time: this one is not empty, or was killed. */
		if (r->children_left || r->killed)
			hookacct_done(&run.runner->acct);
		if (r->children_left && r->runner && !r->given_up && !hookout_is_closed(run.out))
			keep_background(&run);
	}
	loop_remove_fd(r->loop, &run.exit_watch);
	hookout_free(run.out);
	hookacct_done(&once.acct);
	return MIN(result, 0);
}

void hook_run_done(struct hook_run *r)
{
	free(r->last_line);
	free(r->reason);
	r->last_line = NULL;
	r->reason = NULL;
}

/* ---- records --------------------------------------------------------------------------------- */

static void set_time(json_t *j, const char *key, usec_t realtime)
{
	char buf[CLOCK_RFC3339_MAX];

	(void)json_object_set_new(j, key, json_string(clock_rfc3339(realtime, buf, sizeof(buf))));
}

/* What comes from outside may be no UTF-8, of which JSON is made. */
static void set_text(json_t *j, const char *key, const char *text)
{
	json_t *s;

	if (!text)
		return;
	s = json_string(text);
	if (!s) {
		_cleanup_free_ char *escaped = str_escape(text, 0);

		s = json_string(escaped);
	}
	(void)json_object_set_new(j, key, s);
}

static void set_count(json_t *j, const char *key, uint64_t n)
{
	(void)json_object_set_new(j, key, json_integer((json_int_t)MIN(n, (uint64_t)INT64_MAX)));
}

static json_t *hook_to_json(
	const struct hook *h, enum hook_point point, enum hook_verdict verdict, usec_t time)
{
	json_t *j = json_object();

	set_count(j, "format", RECORD_FORMAT_VERSION);
	set_time(j, "time", time);
	set_text(j, "point", point_name(point));
	set_text(j, "name", h->name);
	set_text(j, "path", h->path);
	set_count(j, "size", (uint64_t)h->size);
	set_time(j, "mtime", h->mtime);
	set_text(j, "verdict", hook_verdict_name(verdict));
	return j;
}

json_t *hook_run_to_json(const struct hook_run *r, unsigned attempt)
{
	json_t *j = hook_to_json(r->hook, r->point, HOOK_RUN, r->start_realtime);

	set_count(j, "attempt", attempt);
	set_count(j, "duration_ms", r->duration / USEC_PER_MSEC);
	if (r->exit_signal) {
		_cleanup_free_ char *name = xasprintf("SIG%s", signal_name(r->exit_signal));

		set_text(j, "signal", name);
	} else if (r->exit_code >= 0) {
		set_count(j, "exit_code", (uint64_t)r->exit_code);
	}
	(void)json_object_set_new(j, "timed_out", json_boolean(r->timed_out));
	(void)json_object_set_new(j, "interrupted", json_boolean(r->interrupted));
	(void)json_object_set_new(j, "not_started", json_boolean(r->not_started));
	(void)json_object_set_new(j, "children_left", json_boolean(r->children_left));
	if (!r->not_started)
		(void)json_object_set_new(
			j, "cpu_ms", json_real((double)r->cpu_usec / (double)USEC_PER_MSEC));
	if (r->memory_peak > 0)
		set_count(j, "memory_peak", r->memory_peak);
	set_count(j, "output_bytes", r->output_bytes);
	set_count(j, "output_dropped", r->output_dropped);
	set_text(j, "last_line", r->last_line);
	set_text(j, "reason", r->reason);
	return j;
}

json_t *hook_skip_to_json(const struct hook *h, enum hook_point point)
{
	json_t *j = hook_to_json(h, point, h->verdict, clock_realtime_usec());

	set_text(j, "reason", h->reason);
	set_text(j, "fix", h->fix);
	return j;
}

json_t *hook_killed_to_json(enum hook_point point, const char *name, usec_t since)
{
	json_t *j = json_object();

	set_count(j, "format", RECORD_FORMAT_VERSION);
	set_time(j, "time", since);
	set_text(j, "point", point_name(point));
	set_text(j, "name", name);
	set_text(j, "verdict", hook_verdict_name(HOOK_RUN));
	set_count(j, "duration_ms", usec_sub(clock_realtime_usec(), since) / USEC_PER_MSEC);
	set_text(j, "signal", "SIGKILL");
	set_text(j, "reason", "killed, as its supervisor was");
	return j;
}
