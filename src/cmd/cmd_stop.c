#include "config.h"

#include "cmd/cmd_stop.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/request_hooks.h"
#include "cmd/task_select.h"
#include "run/stop.h"

#include <errno.h>
#include <string.h>

struct stop_data {
	struct task_select select; /* first: the shared option table fills it */
	int signal;
	bool has_timeout;
	usec_t timeout;
	struct request_hooks hooks;
};

static int set_prehook(void *data, const char *value, struct th_err *err)
{
	struct stop_data *d = data;

	return request_hooks_add(&d->hooks, "--prehook", value, OP_STOP, err);
}

static int set_posthook(void *data, const char *value, struct th_err *err)
{
	struct stop_data *d = data;

	return request_hooks_add(&d->hooks, "--posthook", value, OP_STOP, err);
}

static int set_signal(void *data, const char *value, struct th_err *err)
{
	struct stop_data *d = data;

	if (parse_signal(value, &d->signal) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--signal=%s: no such signal (write it as TERM, SIGTERM or 15)", value);
	return 0;
}

static int set_timeout(void *data, const char *value, struct th_err *err)
{
	struct stop_data *d = data;

	if (parse_duration(value, &d->timeout) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--timeout=%s: not a duration (write it as 10s, 1m30s or 0)", value);
	d->has_timeout = true;
	return 0;
}

static const struct cmd_option stop_options[] = {
	{'s', "signal", "SIGNAL", "instead of the task's stop-signal", .set = set_signal},
	{'t', "timeout", "TIME", "from the signal to the kill, instead of its stop-timeout",
		.set = set_timeout},
	{0, "prehook", "PATH[,ROLE]", "run it at pre-stop", .set = set_prehook},
	{0, "posthook", "PATH[,ROLE]", "run it at post-stop", .set = set_posthook},
	{0},
};

static const struct cmd_option *const groups[] = {task_select_option_table, stop_options, NULL};

static int stop(struct cmd_context *ctx, const struct stop_data *d, struct task_list *list)
{
	struct request request = REQUEST_INIT(REQUEST_STOP);
	struct supervisor_options options = {
		.quiet = ctx->arg_quiet, .verbose = ctx->arg_verbose > 0};
	_cleanup_free_ struct stop_one *v = xcalloc(MAX(list->n, (size_t)1), sizeof(*v));
	struct loop *loop = loop_new();
	int status;

	if (!loop) {
		log_error("cannot make an event loop: %m");
		return EXIT_INTERNAL;
	}
	request.signal = d->signal;
	request.timeout = d->has_timeout ? d->timeout : USEC_INFINITY;
	request.reason = STOP_ASKED;
	request.hooks = d->hooks.v;
	request.n_hooks = d->hooks.n;
	for (size_t i = 0; i < list->n; i++)
		v[i] = (struct stop_one){.group = list->v[i].group, .id = list->v[i].id};
	status = stop_tasks(&ctx->layout, loop, &request, &options, true, v, list->n);
	loop_free(loop);
	return status;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct stop_data *d = data;
	_cleanup_task_list_ struct task_list list = {.n = 0};
	int status = task_select_to_wait(ctx, &cmd_stop, &d->select, argc, argv, &list);

	if (status != EXIT_OK)
		return status;
	return stop(ctx, d, &list);
}

static void done(void *data)
{
	struct stop_data *d = data;

	request_hooks_done(&d->hooks);
}

const struct cmd cmd_stop = {
	.name = "stop",
	.synopsis = "[-s SIGNAL] [-t TIME] TASK... | -g GROUP | --all",
	.summary = "stop tasks: hooks, signal, grace, kill, hooks, clean-up",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.data_size = sizeof(struct stop_data),
	.run = run,
	.done = done,
};
