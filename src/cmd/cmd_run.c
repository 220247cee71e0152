#include "config.h"

#include "cmd/cmd_run.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_options.h"
#include "run/plan.h"
#include "run/supervisor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct run_data {
	struct task_options task; /* first: the shared option table fills it */
	struct supervisor_options options;
	bool dry_run;
};

static int set_if_running(void *data, const char *value, struct th_err *err)
{
	struct run_data *d = data;

	d->options.if_running_wait = USEC_INFINITY;
	if (strcmp(value, "fail") == 0)
		d->options.if_running = IF_RUNNING_FAIL;
	else if (strcmp(value, "skip") == 0)
		d->options.if_running = IF_RUNNING_SKIP;
	else if (strcmp(value, "wait") == 0)
		d->options.if_running = IF_RUNNING_WAIT;
	else if (strcmp(value, "replace") == 0)
		d->options.if_running = IF_RUNNING_REPLACE;
	else if (str_starts_with(value, "wait=") &&
		 parse_duration(value + strlen("wait="), &d->options.if_running_wait) == 0)
		d->options.if_running = IF_RUNNING_WAIT;
	else
		return err_set(err, EXIT_USAGE, EINVAL,
			"--if-running=%s: use fail, skip, wait, wait=TIME (as wait=5m) or replace",
			value);
	return 0;
}

static int set_result(void *data, const char *value, struct th_err *err)
{
	struct run_data *d = data;

	if (!*value)
		return err_set(err, EXIT_USAGE, EINVAL, "--result needs a file");
	d->options.result_file = value;
	return 0;
}

static const struct cmd_option run_options[] = {
	{0, "if-running", "WHAT",
		"when the ID runs already: fail (75), skip, wait[=TIME] or replace",
		.set = set_if_running},
	{0, "dry-run", NULL, "print the exact sequence with every budget; make nothing",
		.flag = offsetof(struct run_data, dry_run)},
	{0, "result", "FILE", "write how it ended to FILE, as JSON", .set = set_result},
	{0, "strict", NULL, "end with 122 where the task ended with 0 but something failed",
		.flag = offsetof(struct run_data, options.strict)},
	{'I', "interactive", NULL, "pass a terminal on as the task's stdin",
		.flag = offsetof(struct run_data, options.interactive)},
	{0},
};

static const struct cmd_option *const groups[] = {task_option_table, run_options, NULL};

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct run_data *d = data;
	_cleanup_task_ struct task *task = NULL;
	struct th_err err = TH_ERR_INIT;
	int r;

	if (argc == 0 && !d->task.file && d->task.n_sets == 0)
		return cmd_usage(
			&cmd_run, "what shall be run? Give a command, or a task file with -f");
	r = cmd_load(ctx, &err);
	if (r == 0)
		r = task_options_load(ctx, &d->task, argc ? argv : NULL, &task, &err);
	if (r < 0)
		return cmd_fail(&err);
	d->options.program = ctx->program;
	d->options.quiet = ctx->arg_quiet;
	d->options.verbose = ctx->arg_verbose > 0;
	if (d->dry_run) {
		r = plan_print(&ctx->layout, task, &d->options, stdout, &err);
		return r < 0 ? cmd_fail(&err) : EXIT_OK;
	}
	/* The task holds copies of all that it needs, and the supervisor may live for months. */
	d->task.conf = conf_free(d->task.conf);
	return supervisor_run(&ctx->layout, task, &d->options);
}

static void done(void *data)
{
	task_options_done(&((struct run_data *)data)->task);
}

const struct cmd cmd_run = {
	.name = "run",
	.synopsis = "[-g GROUP] [-i ID] [-f TASKFILE|NAME] [OPTION...] [--] [COMMAND [ARG...]]",
	.summary = "run a task in the foreground, from its hooks to its clean-up",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.stop_at_operand = true,
	.data_size = sizeof(struct run_data),
	.run = run,
	.done = done,
};
