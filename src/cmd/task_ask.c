#include "config.h"

#include "cmd/task_ask.h"

#include "base/alloc.h"
#include "base/log.h"
#include "run/client.h"
#include "run/stop.h"

#include <errno.h>

struct asked {
	const struct task_name *task;
	task_change_fn change;
	void *arg;
};

static void on_change(void *arg, const char *text)
{
	const struct asked *a = arg;

	if (a->change)
		a->change(a->arg, a->task, text);
}

static void on_message(void *arg, enum log_level level, const char *text)
{
	const struct task_name *t = ((const struct asked *)arg)->task;
	_cleanup_free_ char *name = xasprintf("%s/%s", t->group, t->id);

	log_set_task(name);
	log_message(level, "%s", text);
	log_set_task(NULL);
}

static int result_of(
	const struct task_name *t, const struct client *c, task_answer_fn answer, void *arg)
{
	const char *text;
	int status, r;

	if (!client_is_done(c)) {
		log_error("%s/%s: was not through in time; it goes on with it", t->group, t->id);
		return EXIT_BUSY;
	}
	r = client_result(c, &status, &text);
	if (r == -ESRCH) {
		log_error("%s/%s: does not run", t->group, t->id);
		return EXIT_BUSY;
	}
	if (r < 0)
		return client_explain(c, t->group, t->id);
	if (answer)
		answer(arg, t, status, text);
	else if (text)
		log_error("%s/%s: %s", t->group, t->id, text);
	return status;
}

int task_ask(struct cmd_context *ctx, const struct task_list *list, const struct request *request,
	usec_t budget, task_answer_fn answer, task_change_fn change, void *arg)
{
	_cleanup_free_ struct client **clients =
		xcalloc(MAX(list->n, (size_t)1), sizeof(struct client *));
	_cleanup_free_ struct asked *asked = xcalloc(MAX(list->n, (size_t)1), sizeof(*asked));
	struct loop *loop = loop_new();
	int status = EXIT_OK;
	usec_t most = 0;

	if (!loop) {
		log_error("cannot make an event loop: %m");
		return EXIT_INTERNAL;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct task_name *t = &list->v[i];

		asked[i] = (struct asked){t, change, arg};
		clients[i] = client_new(loop, &(struct client_spec){.layout = &ctx->layout,
						      .group = t->group,
						      .id = t->id,
						      .request = *request,
						      .message = on_message,
						      .change = on_change,
						      .arg = &asked[i]});
		most = MAX(most, stop_budget(&ctx->layout, t->group, t->id, USEC_INFINITY));
	}
	(void)client_wait_all(
		loop, clients, list->n, usec_add(clock_monotonic_usec(), usec_add(most, budget)));
	for (size_t i = 0; i < list->n; i++) {
		int one = result_of(&list->v[i], clients[i], answer, arg);

		status = status ? status : one;
		client_free(clients[i]);
	}
	loop_free(loop);
	return status;
}
