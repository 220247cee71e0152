#include "config.h"

#include "cmd/cmd_recover.h"

#include "base/log.h"
#include "run/janitor.h"

#include <stddef.h>
#include <stdio.h>

struct recover_data {
	bool dry_run;
};

static const struct cmd_option recover_options[] = {
	{0, "dry-run", NULL, "print what would be done; do nothing",
		.flag = offsetof(struct recover_data, dry_run)},
	{0},
};

static const struct cmd_option *const groups[] = {recover_options, NULL};

static void print_name(const char *name)
{
	(void)printf("%s\n", name);
	/* Each as soon as it has a supervisor: whoever comes next may wait for it. */
	(void)fflush(stdout);
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct recover_data *d = data;
	struct janitor_report report = {0};
	struct th_err err = TH_ERR_INIT;
	struct janitor_options o;
	int r = cmd_load(ctx, &err);

	(void)argc;
	(void)argv;
	if (r < 0)
		return cmd_fail(&err);
	o = (struct janitor_options){
		.supervisor = {.quiet = ctx->arg_quiet, .verbose = ctx->arg_verbose > 0},
		.conf = ctx->conf,
		.dry_run = d->dry_run,
		.recovered = print_name,
	};
	r = janitor_recover(&ctx->layout, &o, &report, &err);
	if (r < 0)
		return cmd_fail(&err);
	return report.failures ? EXIT_WITH_FAILURES : EXIT_OK;
}

const struct cmd cmd_recover = {
	.name = "recover",
	.synopsis = "[--dry-run]",
	.summary = "give tasks whose supervisor was killed another; end what has ended",
	.groups = groups,
	.min_args = 0,
	.max_args = 0,
	.data_size = sizeof(struct recover_data),
	.run = run,
};
