#include "config.h"

#include "cmd/cmd_signal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_select.h"
#include "run/client.h"

#include <errno.h>
#include <stddef.h>

struct signal_data {
	int signal;
	bool tree;
};

static int set_signal(void *data, const char *value, struct th_err *err)
{
	struct signal_data *d = data;

	if (parse_signal(value, &d->signal) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--signal=%s: no such signal (write it as HUP, SIGHUP or 1)", value);
	return 0;
}

static const struct cmd_option signal_options[] = {
	{'s', "signal", "SIGNAL", "the signal to send", .set = set_signal},
	{0, "tree", NULL, "to every process of the task, not to the main one alone",
		.flag = offsetof(struct signal_data, tree)},
	{0},
};

static const struct cmd_option *const groups[] = {signal_options, NULL};

static int result_of(const struct task_name *t, const struct client *c)
{
	const char *text;
	int status, r = client_result(c, &status, &text);

	if (r == -ESRCH) {
		log_error("%s/%s: does not run", t->group, t->id);
		return EXIT_BUSY;
	}
	if (r < 0)
		return client_explain(c, t->group, t->id);
	if (text)
		log_error("%s/%s: %s", t->group, t->id, text);
	return status;
}

static int send_signal(struct cmd_context *ctx, const struct signal_data *d, struct task_list *list)
{
	_cleanup_free_ struct client **clients =
		xcalloc(MAX(list->n, (size_t)1), sizeof(struct client *));
	struct request request = REQUEST_INIT(REQUEST_SIGNAL);
	struct loop *loop = loop_new();
	int status = EXIT_OK;

	if (!loop) {
		log_error("cannot make an event loop: %m");
		return EXIT_INTERNAL;
	}
	request.signal = d->signal;
	request.all = d->tree;
	for (size_t i = 0; i < list->n; i++)
		clients[i] = client_new(loop, &(struct client_spec){.layout = &ctx->layout,
						      .group = list->v[i].group,
						      .id = list->v[i].id,
						      .request = request});
	(void)client_wait_all(
		loop, clients, list->n, usec_add(clock_monotonic_usec(), 2 * CLIENT_ACCEPT_USEC));
	for (size_t i = 0; i < list->n; i++) {
		int one = result_of(&list->v[i], clients[i]);

		status = status ? status : one;
		client_free(clients[i]);
	}
	loop_free(loop);
	return status;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct signal_data *d = data;
	const struct task_select none = {.group = NULL};
	_cleanup_task_list_ struct task_list list = {.n = 0};
	struct th_err err = TH_ERR_INIT;
	int r;

	if (!d->signal)
		return cmd_usage(&cmd_signal, "which signal? Give it with -s");
	r = cmd_load(ctx, &err);
	if (r == 0)
		r = task_select(ctx, &none, argc, argv, &list, &err);
	return r < 0 ? cmd_fail(&err) : send_signal(ctx, d, &list);
}

const struct cmd cmd_signal = {
	.name = "signal",
	.synopsis = "-s SIGNAL TASK...",
	.summary = "send a signal to tasks",
	.groups = groups,
	.min_args = 1,
	.max_args = -1,
	.data_size = sizeof(struct signal_data),
	.run = run,
};
