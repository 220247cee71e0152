#include "config.h"

#include "cmd/cmd_run.h"

#include "cmd/start_options.h"
#include "run/plan.h"
#include "run/supervisor.h"

#include <stddef.h>

static const struct cmd_option run_options[] = {
	{0, "strict", NULL, "end with 122 where the task ended with 0 but something failed",
		.flag = offsetof(struct start_options, options.strict)},
	{'I', "interactive", NULL, "pass a terminal on as the task's stdin",
		.flag = offsetof(struct start_options, options.interactive)},
	{0},
};

static const struct cmd_option *const groups[] = {
	task_option_table, run_hook_option_table, start_option_table, run_options, NULL};

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct start_options *d = data;
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
	start_options_complete(ctx, d);
	if (d->dry_run) {
		r = plan_print(&ctx->layout, task, &d->options, stdout, &err);
		return r < 0 ? cmd_fail(&err) : EXIT_OK;
	}
	return supervisor_run(&ctx->layout, task, &d->options);
}

const struct cmd cmd_run = {
	.name = "run",
	.synopsis = "[-g GROUP] [-i ID] [-f TASKFILE|NAME] [OPTION...] [--] [COMMAND [ARG...]]",
	.summary = "run a task in the foreground, from its hooks to its clean-up",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.stop_at_operand = true,
	.data_size = sizeof(struct start_options),
	.run = run,
	.done = start_options_done,
};
