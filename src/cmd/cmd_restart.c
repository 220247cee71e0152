#include "config.h"

#include "cmd/cmd_restart.h"

#include "cmd/task_ask.h"

/* The hooks of pre-start and post-start, and artifacts that are fetched anew. */
#define BUDGET USEC_PER_HOUR

struct restart_data {
	struct task_select select; /* first: the shared option table fills it */
};

static const struct cmd_option *const groups[] = {task_select_option_table, NULL};

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct restart_data *d = data;
	struct request request = REQUEST_INIT(REQUEST_RESTART);
	_cleanup_task_list_ struct task_list list = {.n = 0};
	struct th_err err = TH_ERR_INIT;
	int r;

	r = cmd_load(ctx, &err);
	if (r == 0)
		r = task_select(ctx, &d->select, argc, argv, &list, &err);
	if (r == 0)
		r = task_list_refuse_inside(ctx, &list, &err);
	if (r < 0) {
		int status = cmd_fail(&err);

		if (status == EXIT_USAGE)
			cmd_say_try(&cmd_restart);
		return status;
	}
	return task_ask(ctx, &list, &request, BUDGET, NULL, NULL);
}

const struct cmd cmd_restart = {
	.name = "restart",
	.synopsis = "TASK... | -g GROUP | --all",
	.summary = "restart tasks that run, in place",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.data_size = sizeof(struct restart_data),
	.run = run,
};
