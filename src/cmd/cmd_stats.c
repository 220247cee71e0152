#include "config.h"

#include "cmd/cmd_stats.h"

#include "base/alloc.h"
#include "base/bars.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/openmetrics.h"
#include "cmd/stats_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

/* What a percentage of CPU is told of, where nobody watches. */
#define SAMPLE_USEC  (250 * USEC_PER_MSEC)
#define WATCH_USEC   USEC_PER_SEC
#define INTERVAL_MIN (100 * USEC_PER_MSEC)

struct stats_data {
	bool watch, json, openmetrics;
	usec_t interval_usec; /* 0: not given */
};

static int set_interval(void *data, const char *value, struct th_err *err)
{
	struct stats_data *d = data;
	usec_t usec;

	if (parse_duration(value, &usec) < 0 || usec < INTERVAL_MIN || usec > USEC_PER_DAY)
		return err_set(err, EXIT_USAGE, EINVAL,
			"'%s' is not an interval from 100ms to 1d: write for example --interval=2s",
			value);
	d->interval_usec = usec;
	return 0;
}

static const struct cmd_option stats_options[] = {
	{'w', "watch", NULL, "draw them anew until q is pressed",
		.flag = offsetof(struct stats_data, watch)},
	{0, "interval", "TIME", "how long a percentage of CPU is measured; with --watch, how often",
		.set = set_interval},
	{0, "json", NULL, "print JSON", .flag = offsetof(struct stats_data, json)},
	{0, "openmetrics", NULL, "print OpenMetrics, for Prometheus; with those of the hooks",
		.flag = offsetof(struct stats_data, openmetrics)},
	{0},
};

static const struct cmd_option *const groups[] = {stats_options, NULL};

static int find_tasks(
	struct cmd_context *ctx, int argc, char **argv, struct task_list *ret, struct th_err *err)
{
	struct task_select nothing = {.group = NULL};

	return argc ? task_select(ctx, &nothing, argc, argv, ret, err) : 0;
}

static bool any_runs(const struct stats_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].view.supervised)
			return true;
	return false;
}

static int print_openmetrics(const struct layout *l, const struct stats_rows *rows)
{
	struct hook_sums *hooks = xcalloc(rows->n + 1, sizeof(*hooks));
	bool failed = false;

	for (size_t i = 0; i < rows->n; i++) {
		struct th_err err = TH_ERR_INIT;

		if (hook_sums_read(l, rows->v[i].view.group, rows->v[i].view.id, &hooks[i], &err) <
			0) {
			(void)cmd_fail(&err);
			failed = true;
		}
	}
	openmetrics_print(rows, hooks, stdout);
	for (size_t i = 0; i < rows->n; i++)
		hook_sums_done(&hooks[i]);
	free(hooks);
	return failed ? EXIT_WITH_FAILURES : EXIT_OK;
}

static int print_json(const struct stats_rows *rows)
{
	json_t *j = stats_rows_to_json(rows);

	return cmd_print_json(j, JSON_REAL_PRECISION(9), "the figures");
}

static int print_once(struct cmd_context *ctx, const struct stats_data *d,
	const struct task_list *names, struct th_err *err)
{
	_cleanup_stats_rows_ struct stats_rows before = {0}, rows = {0};
	usec_t wait = d->interval_usec ? d->interval_usec : SAMPLE_USEC;

	if (stats_rows_read(&ctx->layout, names, &rows, err) < 0)
		return cmd_fail(err);
	if (d->openmetrics)
		return print_openmetrics(&ctx->layout, &rows);
	/* A percentage is of a time. */
	if (any_runs(&rows)) {
		before = rows;
		rows = (struct stats_rows){0};
		(void)poll(NULL, 0, (int)(wait / USEC_PER_MSEC));
		if (stats_rows_read(&ctx->layout, names, &rows, err) < 0)
			return cmd_fail(err);
		stats_rows_compare(&before, &rows);
	}
	if (d->json)
		return print_json(&rows);
	stats_rows_print(&rows, stdout);
	return EXIT_OK;
}

static int watch(struct cmd_context *ctx, const struct stats_data *d, const struct task_list *names,
	struct th_err *err)
{
	struct stats_watch_spec spec = {.layout = &ctx->layout,
		.names = names,
		.interval_usec = d->interval_usec ? d->interval_usec : WATCH_USEC,
		.unicode = bars_environment_is_utf8()};
	sigset_t mask;
	int r = stats_watch(&spec, err);

	if (r < 0)
		return cmd_fail(err);
	if (r == 0)
		return EXIT_OK;
	/* Whoever started us learns how we ended. */
	(void)signal(r, SIG_DFL);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, r);
	(void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
	(void)raise(r);
	return EXIT_SIGNAL_BASE + r;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct stats_data *d = data;
	_cleanup_task_list_ struct task_list names = {0};
	struct th_err err = TH_ERR_INIT;

	if (d->watch + d->json + d->openmetrics > 1)
		return cmd_usage(
			&cmd_stats, "--watch, --json and --openmetrics cannot stand together");
	if (cmd_load(ctx, &err) < 0 || find_tasks(ctx, argc, argv, &names, &err) < 0)
		return cmd_fail(&err);
	return d->watch ? watch(ctx, d, argc ? &names : NULL, &err)
			: print_once(ctx, d, argc ? &names : NULL, &err);
}

const struct cmd cmd_stats = {
	.name = "stats",
	.synopsis = "[-w] [--interval=TIME] [--json|--openmetrics] [TASK...]",
	.summary = "tell what tasks use: CPU, memory, processes, I/O, pressure",
	.groups = groups,
	.max_args = -1,
	.data_size = sizeof(struct stats_data),
	.run = run,
};
