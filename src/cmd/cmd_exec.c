#include "config.h"

#include "cmd/cmd_exec.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "run/exec.h"

#include <errno.h>

struct exec_data {
	bool has_timeout;
	usec_t timeout;
};

static int set_timeout(void *data, const char *value, struct th_err *err)
{
	struct exec_data *d = data;

	if (parse_duration(value, &d->timeout) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--timeout=%s: not a duration (write it as 10s or 1m30s)", value);
	d->has_timeout = true;
	return 0;
}

static const struct cmd_option exec_options[] = {
	{'t', "timeout", "TIME", "end the command after TIME, with status 124", .set = set_timeout},
	{0},
};

static const struct cmd_option *const groups[] = {exec_options, NULL};

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct exec_data *d = data;
	_cleanup_free_ char *group = NULL, *id = NULL, *name = NULL;
	struct supervisor_options supervisor = {
		.quiet = ctx->arg_quiet, .verbose = ctx->arg_verbose > 0};
	struct exec_options options = {
		.supervisor = &supervisor, .timeout = d->has_timeout ? d->timeout : USEC_INFINITY};
	struct th_err err = TH_ERR_INIT;
	/* As for `run`, "--" may stand before the command; options end at the task. */
	char **command = argv + 1;
	int r = cmd_load(ctx, &err);

	if (argc > 1 && command[0][0] == '-' && command[0][1] == '-' && !command[0][2])
		command++;
	if (r == 0 && !*command)
		return cmd_usage(&cmd_exec, "what shall be executed? Give a command");
	if (r == 0)
		r = cmd_find_task(ctx, argv[0], &group, &id, &err);
	if (r < 0)
		return cmd_fail(&err);
	name = xasprintf("%s/%s", group, id);
	log_set_task(name);
	r = exec_in_task(&ctx->layout, group, id, command, &options, &err);
	if (r < 0)
		r = cmd_fail(&err);
	log_set_task(NULL);
	return r;
}

const struct cmd cmd_exec = {
	.name = "exec",
	.synopsis = "[-t TIME] TASK [--] COMMAND [ARG...]",
	.summary = "run a command in a running task",
	.groups = groups,
	.min_args = 1,
	.max_args = -1,
	.stop_at_operand = true,
	.data_size = sizeof(struct exec_data),
	.run = run,
};
