#include "config.h"

#include "run/requests.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "run/control.h"
#include "run/updates.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* A terminal that closes sends several; a user who presses again within that time means one. */
#define SECOND_AFTER USEC_PER_SEC

#define OPEN_AFTER (3 * USEC_PER_MSEC)

void requests_stop(struct context *c, int signo, enum stop_reason reason)
{
	struct requests *q = &c->requests;
	usec_t now = clock_monotonic_usec();

	if (!q->stop) {
		q->stop = true;
		q->stop_reason = reason;
		q->stop_signal = signo;
		q->stop_at = now;
		q->interrupt_hooks = true;
		q->warned_before = c->warned;
	} else if (signo && signo != SIGHUP && usec_sub(now, q->stop_at) >= SECOND_AFTER) {
		q->cut_grace = true;
	}
}

void requests_restart(struct context *c)
{
	struct requests *q = &c->requests;

	if (!q->restart)
		q->warned_before = c->warned;
	q->restart = true;
	/* One that has begun may wait for its next attempt: no longer. */
	if (c->record.state == STATE_RESTART_DELAY)
		q->restart_begun = false;
}

/* Written down at once, as whoever takes over shall run them too, and may be asked for the same
 * again. */
static void add_hooks(struct context *c, const struct request *r)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	size_t before = c->task->n_hook_options;

	for (size_t i = 0; i < r->n_hooks; i++) {
		r->hooks[i].once = r->op == REQUEST_RESTART;
		if (!task_has_hook_option(c->task, &r->hooks[i]))
			task_add_hook_option(c->task, &r->hooks[i]);
	}
	if (c->task->n_hook_options == before)
		return;
	context_forget_record_task(c);
	if (context_write_record(c, &why) < 0)
		context_warn(c, "%s, continuing", err_text(&why));
}

static void note_stop(struct context *c)
{
	const struct requests *q = &c->requests;
	struct live_state *l;

	if (!c->live)
		return;
	l = live_begin(c->live);
	l->stop_signal = q->with_signal;
	l->has_stop_timeout = q->has_timeout;
	l->stop_timeout_usec = q->with_timeout;
	live_end(c->live);
}

static void answer_stop(struct context *c, struct control_client *client, const struct request *r)
{
	struct requests *q = &c->requests;

	requests_stop(c, 0, r->reason == STOP_NONE ? STOP_ASKED : r->reason);
	if (r->signal)
		q->with_signal = r->signal;
	/* Of several the most impatient counts. */
	if (r->timeout != USEC_INFINITY)
		q->with_timeout = q->has_timeout ? MIN(q->with_timeout, r->timeout) : r->timeout;
	q->has_timeout = q->has_timeout || r->timeout != USEC_INFINITY;
	note_stop(c);
	add_hooks(c, r);
	control_keep(client);
}

static void answer_signal(struct context *c, struct control_client *client, const struct request *r)
{
	_cleanup_free_ char *why = NULL;
	int result = -ESRCH;

	if (context_has_process(c))
		result = r->all ? proctree_signal_all(&c->tree, r->signal)
				: proctree_signal(&c->tree, r->signal);
	if (result == -ESRCH)
		why = xstrdup("it has no process now");
	else if (result < 0)
		why = xasprintf(
			"cannot send the signal %s: %s", signal_name(r->signal), strerror(-result));
	control_end(client,
		result == 0	   ? EXIT_OK
		: result == -ESRCH ? EXIT_BUSY
				   : EXIT_INTERNAL,
		why);
}

static bool is_ending(const struct context *c)
{
	return c->requests.stop || c->record.state == STATE_POST_STOPPING ||
	       c->record.state == STATE_UNDOING || c->record.state == STATE_REMOVING;
}

/* A second one that comes while the first is under way is answered with it; one that comes while
 * the policy restarts the task is done afterwards. */
static void answer_restart(
	struct context *c, struct control_client *client, const struct request *r)
{
	if (is_ending(c)) {
		control_end(client, EXIT_BUSY, "it is being stopped");
		return;
	}
	requests_restart(c);
	add_hooks(c, r);
	control_keep(client);
}

/* The task has ended before it ran once more. */
static void answer_given_up(struct context *c)
{
	const struct outcome *o = &c->record.outcome;
	_cleanup_free_ char *why = NULL, *ended = NULL;
	int status;

	if (c->requests.stop) {
		control_end_all(c->control, REQUEST_RESTART, EXIT_BUSY, "it was stopped meanwhile");
		updates_end_restart(c, EXIT_BUSY, "it was stopped meanwhile");
		updates_give_up(c, EXIT_BUSY, "it was stopped meanwhile");
		return;
	}
	ended = xasprintf("the task has ended: %s", err_is_set(&c->failure) ? err_text(&c->failure)
						    : o->failed_reason	    ? o->failed_reason
									    : "see its status");
	why = xasprintf("the restart failed, %s", ended);
	status = o->status && err_is_set(&c->failure) ? o->status : EXIT_INTERNAL;
	control_end_all(c->control, REQUEST_RESTART, status, why);
	updates_end_restart(c, status, why);
	updates_give_up(c, EXIT_BUSY, ended);
}

static void on_request(void *arg, struct control_client *client, struct request *r)
{
	struct context *c = arg;

	switch (r->op) {
	case REQUEST_STOP:
		answer_stop(c, client, r);
		return;
	case REQUEST_SIGNAL:
		answer_signal(c, client, r);
		return;
	case REQUEST_RESTART:
		answer_restart(c, client, r);
		return;
	case REQUEST_UPDATE:
		if (is_ending(c))
			control_end(client, EXIT_BUSY, "it is being stopped");
		else
			updates_ask(c, client, r);
		return;
	case REQUEST_WAIT:
		control_keep(client);
		return;
	case REQUEST_PING:
	case REQUEST_OP_COUNT:
		break;
	}
	control_end(client, EXIT_OK, NULL);
}

int requests_open(struct context *c, struct th_err *err)
{
	return control_open(c->loop, c->run_fd, on_request, c, &c->control, err);
}

static void on_soon(void *arg)
{
	struct context *c = arg;
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (!state_is_final(c->record.state) && requests_open(c, &why) < 0)
		context_warn(c, "%s", err_text(&why));
}

void requests_open_soon(struct context *c)
{
	loop_set_timer(c->loop, &c->control_timer, usec_add(clock_monotonic_usec(), OPEN_AFTER),
		on_soon, c);
}

void requests_close(struct context *c, int status)
{
	int stop_status = EXIT_OK;

	loop_clear_timer(c->loop, &c->control_timer);

	if (c->stuck)
		stop_status = EXIT_INTERNAL;
	else if (c->requests.stop && c->warned > c->requests.warned_before)
		stop_status = EXIT_WITH_FAILURES;
	answer_given_up(c);
	c->control = control_close(c->control, stop_status, status);
}

int requests_stop_signal(const struct context *c)
{
	return c->requests.with_signal ? c->requests.with_signal : c->task->stop_signal;
}

usec_t requests_stop_timeout(const struct context *c)
{
	return c->requests.has_timeout ? c->requests.with_timeout : c->task->stop_timeout;
}
