#include "config.h"

#include "cmd/cmd_cleanup.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_options.h"
#include "cmd/task_view.h"
#include "model/name.h"
#include "run/cgtree.h"
#include "run/janitor.h"
#include "run/reentry.h"
#include "run/supervisor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct cleanup_data {
	struct task_options hooks; /* first: the shared option table fills its hooks */
	bool all, force, dry_run, has_older_than;
	usec_t older_than;
};

static int set_older_than(void *data, const char *value, struct th_err *err)
{
	struct cleanup_data *d = data;

	if (parse_duration(value, &d->older_than) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--older-than=%s: not a duration (write it as 12h, 7d, or 0)", value);
	d->has_older_than = true;
	return 0;
}

static const struct cmd_option cleanup_options[] = {
	{0, "all", NULL, "every group", .flag = offsetof(struct cleanup_data, all)},
	{0, "force", NULL, "stop what runs", .flag = offsetof(struct cleanup_data, force)},
	{0, "older-than", "AGE",
		"remove dead tasks and idle groups of that age (default: [cleanup])",
		.set = set_older_than},
	{0, "dry-run", NULL, "print what would be done; do nothing",
		.flag = offsetof(struct cleanup_data, dry_run)},
	{0},
};

static const struct cmd_option *const groups[] = {cleanup_options, cleanup_hook_option_table, NULL};

/* A hook that ends its own task or group would wait for itself; so would the task. */
static int refuse_from_inside(
	struct cmd_context *ctx, const char *group, const char *id, struct th_err *err)
{
	_cleanup_strv_ struct strv ids = STRV_INIT;
	struct cgtree cg = CGTREE_INIT;
	bool inside;

	if (id)
		strv_add(&ids, id);
	else
		(void)janitor_tasks(&ctx->layout, group, &ids);
	(void)cgtree_open(&cg, CGROUP_MODE_AUTO, conf_string(ctx->conf, KEY_CGROUP_PARENT),
		ctx->layout.state_dir, false, NULL);
	inside = reentry_is_inside(&ctx->layout, &cg, group, id, 0);
	for (size_t i = 0; !inside && i < ids.n; i++) {
		pid_t supervisor = 0;

		(void)supervisor_find(&ctx->layout, group, ids.v[i], &supervisor);
		inside = reentry_is_inside(&ctx->layout, &cg, group, ids.v[i], supervisor);
	}
	cgtree_done(&cg);
	if (!inside)
		return 0;
	return err_set(err, EXIT_BUSY, EDEADLK,
		"%s%s%s cannot be ended from within: this would wait for itself", group,
		id ? "/" : "", id ? id : "");
}

static int clean_one(struct cmd_context *ctx, const struct janitor_options *o, const char *operand,
	struct janitor_report *report, struct th_err *err)
{
	_cleanup_free_ char *group = NULL, *id = NULL;
	int r = name_split(operand, &group, &id, err);

	if (r < 0)
		return r;
	/* A word alone is a group here: a group is what one cleans up. */
	if (!group)
		group = TAKE_PTR(id);
	if (o->force) {
		r = refuse_from_inside(ctx, group, id, err);
		if (r < 0)
			return r;
	}
	return janitor_cleanup(&ctx->layout, o, group, id, report, err);
}

static int clean_all(struct cmd_context *ctx, const struct janitor_options *o,
	struct janitor_report *report, struct th_err *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	int r = task_view_groups(&ctx->layout, &names, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_err_ struct th_err why = TH_ERR_INIT;

		if (clean_one(ctx, o, names.v[i], report, &why) < 0) {
			log_error("%s: %s", names.v[i], err_text(&why));
			report->failures++;
		}
	}
	return 0;
}

static int status_of(const struct cleanup_data *d, const struct janitor_report *report)
{
	/* Silent off a terminal where nothing went wrong: it is run by timers. */
	if (!d->dry_run && isatty(STDERR_FILENO) &&
		(report->recovered || report->finished || report->removed_tasks ||
			report->removed_groups))
		log_notice("took over %u, brought down %u, removed %u tasks and %u groups",
			report->recovered, report->finished, report->removed_tasks,
			report->removed_groups);
	if (report->busy)
		return EXIT_BUSY;
	return report->failures ? EXIT_WITH_FAILURES : EXIT_OK;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct cleanup_data *d = data;
	struct janitor_report report = {0};
	struct janitor_options o;
	struct th_err err = TH_ERR_INIT;
	int r, status = EXIT_OK;

	if (d->all && argc)
		return cmd_usage(&cmd_cleanup, "--all names every group: give no names with it");
	if (d->force && !d->all && !argc)
		return cmd_usage(&cmd_cleanup, "--force needs names, or --all");
	r = cmd_load(ctx, &err);
	if (r < 0)
		return cmd_fail(&err);
	o = (struct janitor_options){
		.supervisor = {.quiet = ctx->arg_quiet, .verbose = ctx->arg_verbose > 0},
		.conf = ctx->conf,
		.force = d->force,
		.dry_run = d->dry_run,
		.hook_options = d->hooks.hooks,
		.n_hook_options = d->hooks.n_hooks,
	};
	if (d->has_older_than) {
		o.older_than = o.failed_older_than = d->older_than;
	} else if (!d->all && !argc) {
		o.older_than = conf_duration(ctx->conf, KEY_CLEANUP_OLDER_THAN);
		o.failed_older_than = conf_duration(ctx->conf, KEY_CLEANUP_FAILED_OLDER_THAN);
	}

	if (d->all)
		r = clean_all(ctx, &o, &report, &err);
	else if (!argc)
		r = janitor_run(&ctx->layout, &o, &report, &err);
	if (r < 0)
		return cmd_fail(&err);
	/* One that fails does not keep the others from being cleaned; the first decides the status.
	 */
	for (int i = 0; i < argc; i++)
		if (clean_one(ctx, &o, argv[i], &report, &err) < 0) {
			int failed = cmd_fail(&err);

			status = status ? status : failed;
		}
	return status ? status : status_of(d, &report);
}

static void done(void *data)
{
	task_options_done(&((struct cleanup_data *)data)->hooks);
}

const struct cmd cmd_cleanup = {
	.name = "cleanup",
	.synopsis = "[OPTION...] [GROUP|GROUP/ID...]",
	.summary = "finish what was left behind; remove what is dead; end groups",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.data_size = sizeof(struct cleanup_data),
	.run = run,
	.done = done,
};
