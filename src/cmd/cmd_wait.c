#include "config.h"

#include "cmd/cmd_wait.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_select.h"
#include "cmd/task_view.h"
#include "run/client.h"

#include <errno.h>

struct wait_data {
	bool has_timeout;
	usec_t timeout;
};

static int set_timeout(void *data, const char *value, struct th_err *err)
{
	struct wait_data *d = data;

	if (parse_duration(value, &d->timeout) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--timeout=%s: not a duration (write it as 10s or 1m30s)", value);
	d->has_timeout = true;
	return 0;
}

static const struct cmd_option wait_options[] = {
	{'t', "timeout", "TIME", "wait at most that long, then end with 75", .set = set_timeout},
	{0},
};

static const struct cmd_option *const groups[] = {wait_options, NULL};

/* No supervisor holds its lock: how it ended stands in its record. */
static int status_from_record(struct cmd_context *ctx, const struct task_name *t)
{
	_cleanup_task_view_ struct task_view v = {0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	if (task_view_read(&ctx->layout, t->group, t->id, &v, &err) < 0) {
		log_error("%s/%s: %s", t->group, t->id, err_text(&err));
		return err.status ? err.status : EXIT_INTERNAL;
	}
	if (v.has_record && (v.state == STATE_DONE || v.state == STATE_FAILED))
		return v.record.outcome.status;
	if (v.has_record)
		log_error("%s/%s: %s ('taskhook recover' %s)", t->group, t->id,
			v.rebooted ? "the host was started again while it ran"
				   : "its supervisor was killed",
			v.runs_on ? "gives it another: it runs on" : "brings it to its end");
	else
		log_error("%s/%s: how it ended is not known: it has no record", t->group, t->id);
	return EXIT_INTERNAL;
}

static int result_of(struct cmd_context *ctx, const struct task_name *t, const struct client *c)
{
	const char *text;
	int status, r;

	if (!client_is_done(c)) {
		log_error("%s/%s: has not ended in that time", t->group, t->id);
		return EXIT_BUSY;
	}
	r = client_result(c, &status, &text);
	if (r == -ESRCH)
		return status_from_record(ctx, t);
	if (r < 0)
		return client_explain(c, t->group, t->id);
	if (text)
		log_error("%s/%s: %s", t->group, t->id, text);
	return status;
}

static int wait_for(struct cmd_context *ctx, const struct wait_data *d, struct task_list *list)
{
	_cleanup_free_ struct client **clients =
		xcalloc(MAX(list->n, (size_t)1), sizeof(struct client *));
	struct loop *loop = loop_new();
	int status = EXIT_OK;

	if (!loop) {
		log_error("cannot make an event loop: %m");
		return EXIT_INTERNAL;
	}
	for (size_t i = 0; i < list->n; i++)
		clients[i] = client_new(loop, &(struct client_spec){.layout = &ctx->layout,
						      .group = list->v[i].group,
						      .id = list->v[i].id,
						      .request = REQUEST_INIT(REQUEST_WAIT)});
	(void)client_wait_all(loop, clients, list->n,
		d->has_timeout ? usec_add(clock_monotonic_usec(), d->timeout) : USEC_INFINITY);
	for (size_t i = 0; i < list->n; i++) {
		int one = result_of(ctx, &list->v[i], clients[i]);

		status = status ? status : one;
		client_free(clients[i]);
	}
	loop_free(loop);
	return status;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct task_select none = {.group = NULL};
	_cleanup_task_list_ struct task_list list = {.n = 0};
	int status = task_select_to_wait(ctx, NULL, &none, argc, argv, &list);

	return status == EXIT_OK ? wait_for(ctx, data, &list) : status;
}

const struct cmd cmd_wait = {
	.name = "wait",
	.synopsis = "[-t TIME] TASK...",
	.summary = "wait for the end of tasks, and exit as they did",
	.groups = groups,
	.min_args = 1,
	.max_args = -1,
	.data_size = sizeof(struct wait_data),
	.run = run,
};
