#include "config.h"

#include "cmd/start_options.h"

#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static int set_if_running(void *data, const char *value, struct th_err *err)
{
	struct start_options *d = data;

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
	struct start_options *d = data;

	if (!*value)
		return err_set(err, EXIT_USAGE, EINVAL, "--result needs a file");
	/* A supervisor in the background has another working directory. */
	free(d->result_file);
	d->result_file = path_make_absolute(value);
	d->options.result_file = d->result_file;
	return 0;
}

const struct cmd_option start_option_table[] = {
	{0, "if-running", "WHAT",
		"when the ID runs already: fail (75), skip, wait[=TIME] or replace",
		.set = set_if_running},
	{0, "dry-run", NULL, "print the exact sequence with every budget; make nothing",
		.flag = offsetof(struct start_options, dry_run)},
	{0, "result", "FILE", "write how it ended to FILE, as JSON", .set = set_result},
	{0},
};

void start_options_complete(struct cmd_context *ctx, struct start_options *o)
{
	o->options.quiet = ctx->arg_quiet;
	o->options.verbose = ctx->arg_verbose > 0;
	if (o->dry_run)
		return;
	o->task.conf = conf_free(o->task.conf);
	ctx->conf = conf_free(ctx->conf);
}

void start_options_done(void *data)
{
	struct start_options *o = data;

	task_options_done(&o->task);
	free(o->result_file);
}
