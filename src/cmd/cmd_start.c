#include "config.h"

#include "cmd/cmd_start.h"

#include "cmd/start_options.h"
#include "run/background.h"
#include "run/plan.h"

#include <stddef.h>
#include <stdio.h>

struct start_data {
	struct start_options start; /* first: the shared option tables fill it */
};

static const struct cmd_option start_options[] = {
	{0, "no-wait", NULL, "return at the launch, not after the post-start hooks",
		.flag = offsetof(struct start_data, start.options.no_wait)},
	{0},
};

static const struct cmd_option *const groups[] = {
	task_option_table, start_hook_option_table, start_option_table, start_options, NULL};

static void print_running(void *arg, struct background_start *s)
{
	(void)arg;
	if (!s->running)
		return;
	puts(s->task->name);
	(void)fflush(stdout);
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct start_data *d = data;
	struct start_options *o = &d->start;
	_cleanup_task_ struct task *task = NULL;
	struct background_start start = {.running = false};
	struct th_err err = TH_ERR_INIT;
	int r, signo;

	if (argc == 0 && !o->task.file && o->task.n_sets == 0)
		return cmd_usage(&cmd_start,
			"what shall be started? Give a command, or a task file with -f");
	o->task.background = true;
	r = cmd_load(ctx, &err);
	if (r == 0)
		r = task_options_load(ctx, &o->task, argc ? argv : NULL, &task, &err);
	if (r < 0)
		return cmd_fail(&err);
	start_options_complete(ctx, o);
	if (o->dry_run) {
		r = plan_print(&ctx->layout, task, &o->options, stdout, &err);
		return r < 0 ? cmd_fail(&err) : EXIT_OK;
	}
	start.task = task;
	r = background_start_all(
		&ctx->layout, &o->options, &start, 1, print_running, NULL, &signo, &err);
	if (err_is_set(&err))
		return cmd_fail(&err);
	return r < 0 && start.running ? EXIT_OK : start.status;
}

const struct cmd cmd_start = {
	.name = "start",
	.synopsis = "[-g GROUP] [-i ID] [-f TASKFILE|NAME] [OPTION...] [--] [COMMAND [ARG...]]",
	.summary = "start a task in the background",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.stop_at_operand = true,
	.data_size = sizeof(struct start_data),
	.run = run,
	.done = start_options_done,
};
