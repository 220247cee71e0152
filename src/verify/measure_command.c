#include "config.h"

#include "verify/measure_internal.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "os/program.h"
#include "os/spawn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(struct measure_job *j, char *const *argv)
{
	_cleanup_close_ int out = -1;
	_cleanup_free_ char *path = NULL;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result result;
	int ends[2];
	int r = program_find(argv[0], getenv("PATH"), NULL, &path);

	if (r < 0) {
		measure_end(j, xasprintf("cannot run '%s': %s", argv[0], strerror(-r)));
		return;
	}
	r = fd_pipe_from_program(ends);
	if (r < 0) {
		measure_end(j, xasprintf("cannot make a pipe: %s", strerror(-r)));
		return;
	}
	j->out_fd = ends[0];
	out = ends[1];
	spec.path = path;
	spec.argv = argv;
	spec.envp = environ;
	spec.fds[1] = out;
	spec.fds[2] = STDERR_FILENO;
	spec.die_with_parent = true;
	r = spawn_process(&spec, &result);
	if (r < 0) {
		_cleanup_free_ char *why = program_explain_exec(path, -r);

		measure_end(j, xasprintf("cannot run '%s': %s", argv[0], why));
		return;
	}
	j->pid = result.pid;
	j->pidfd = result.pidfd;
}

/* taskhook verify says so which taskhook is meant, and of which root. */
static void add_option(struct strv *argv, const char *option, const char *name)
{
	const char *value = getenv(name);

	if (value)
		strv_addf(argv, "%s=%s", option, value);
}

void measure_command_begin(struct measure_job *j)
{
	const char *taskhook = getenv("TASKHOOK");
	_cleanup_strv_ struct strv argv = STRV_INIT;

	if (j->metric->provider == TMPL_EXEC) {
		strv_copy(&argv, &j->metric->command);
	} else {
		strv_add(&argv, taskhook ? taskhook : "taskhook");
		add_option(&argv, "--root", "TASKHOOK_VERIFY_ROOT");
		add_option(&argv, "--config", "TASKHOOK_VERIFY_CONFIG");
		strv_add(&argv, tmpl_field_is_figure(j->metric->field) ? "stats" : "status");
		strv_add(&argv, "--json");
		strv_add(&argv, "--");
		strv_add(&argv, j->metric->task);
	}
	start(j, strv_null_terminated(&argv));
}

/* What is in the pipe. A process that the command left behind may hold it open: its end does not
 * matter. */
static void drain(struct measure_job *j)
{
	char buf[16384];

	while (j->out_fd >= 0) {
		ssize_t n = read(j->out_fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !measure_add(j, buf, (size_t)n))
			j->out_fd = fd_close(j->out_fd);
	}
}

/* The session is the command's own; until it is waited for, its number is nobody else's. */
static int reap(struct measure_job *j)
{
	int status = 0;

	(void)kill(-j->pid, SIGKILL);
	(void)kill(j->pid, SIGKILL);
	while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
		;
	j->pid = 0;
	j->pidfd = fd_close(j->pidfd);
	return status;
}

static bool has_ended(const struct measure_job *j)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)j->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == j->pid;
}

static void judge(struct measure_job *j, int status)
{
	const struct tmpl_metric *m = j->metric;

	if (WIFSIGNALED(status)) {
		measure_end(j, xasprintf("the command was ended by signal %d", WTERMSIG(status)));
		return;
	}
	j->answer.exit_status = WEXITSTATUS(status);
	if (m->provider == TMPL_TASK && j->answer.exit_status != 0)
		measure_end(j, xasprintf("the task '%s' has no status: taskhook exited with %d",
				       m->task, j->answer.exit_status));
	else if (m->provider == TMPL_EXEC && m->path && j->answer.exit_status != 0)
		measure_end(j, xasprintf("the command exited with %d, its output is not looked at",
				       j->answer.exit_status));
	else
		measure_end(j, NULL);
}

void measure_command_look(struct measure_job *j, usec_t now)
{
	bool ended = has_ended(j);

	drain(j);
	if (j->too_large) {
		(void)reap(j);
		measure_end(j, xasprintf("the output is larger than %zu MiB",
				       TMPL_BODY_MAX / 1024 / 1024));
	} else if (ended) {
		judge(j, reap(j));
	} else if (now >= j->deadline) {
		char span[CLOCK_SPAN_MAX];

		(void)reap(j);
		measure_end(
			j, xasprintf("the command did not end within %s",
				   clock_format_span(j->metric->timeout_usec, span, sizeof(span))));
	}
}

void measure_command_free(struct measure_job *j)
{
	if (j->pid > 0)
		(void)reap(j);
	j->out_fd = fd_close(j->out_fd);
}
