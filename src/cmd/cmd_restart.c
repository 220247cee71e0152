#include "config.h"

#include "cmd/cmd_restart.h"

#include "cmd/request_hooks.h"
#include "cmd/task_ask.h"

/* The hooks of pre-start and post-start, and artifacts that are fetched anew. */
#define BUDGET USEC_PER_HOUR

struct restart_data {
	struct task_select select; /* first: the shared option table fills it */
	struct request_hooks hooks;
};

static int set_prehook(void *data, const char *value, struct th_err *err)
{
	struct restart_data *d = data;

	return request_hooks_add(&d->hooks, "--prehook", value, OP_RESTART, err);
}

static int set_posthook(void *data, const char *value, struct th_err *err)
{
	struct restart_data *d = data;

	return request_hooks_add(&d->hooks, "--posthook", value, OP_RESTART, err);
}

static const struct cmd_option restart_options[] = {
	{0, "prehook", "PATH[,ROLE]", "run it at pre-restart", .set = set_prehook},
	{0, "posthook", "PATH[,ROLE]", "run it at post-start", .set = set_posthook},
	{0},
};

static const struct cmd_option *const groups[] = {task_select_option_table, restart_options, NULL};

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct restart_data *d = data;
	struct request request = REQUEST_INIT(REQUEST_RESTART);
	_cleanup_task_list_ struct task_list list = {.n = 0};
	int status = task_select_to_wait(ctx, &cmd_restart, &d->select, argc, argv, &list);

	if (status != EXIT_OK)
		return status;
	request.hooks = d->hooks.v;
	request.n_hooks = d->hooks.n;
	return task_ask(ctx, &list, &request, BUDGET, NULL, NULL, NULL);
}

static void done(void *data)
{
	struct restart_data *d = data;

	request_hooks_done(&d->hooks);
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
	.done = done,
};
