#include "config.h"

#include "run/maxtime.h"

#include "run/requests.h"

static void on_over(void *arg)
{
	struct context *c = arg;

	if (!c->requests.stop)
		requests_stop(c, 0, STOP_MAX_RUN_TIME);
}

static void note(struct context *c)
{
	if (!c->live)
		return;
	live_begin(c->live)->max_run_at_usec = c->max_run_at;
	live_end(c->live);
}

void maxtime_begin(struct context *c)
{
	if (c->task->max_run_time == USEC_INFINITY || c->max_run_timer.active)
		return;
	if (!c->max_run_at)
		c->max_run_at = usec_add(c->launched_at, c->task->max_run_time);
	loop_set_timer(c->loop, &c->max_run_timer, c->max_run_at, on_over, c);
	note(c);
}

usec_t maxtime_used(const struct context *c, usec_t max)
{
	usec_t now = clock_monotonic_usec();

	if (c->max_run_at)
		return usec_sub(usec_add(now, max), c->max_run_at);
	/* Nobody has noted the first launch: it came right after the start. */
	return c->is_restart ? usec_sub(clock_realtime_usec(), c->record.started)
			     : usec_sub(now, c->launched_at);
}

void maxtime_change(struct context *c, usec_t before)
{
	usec_t used = maxtime_used(c, before), max = c->task->max_run_time;

	if (max == before)
		return;
	loop_clear_timer(c->loop, &c->max_run_timer);
	c->max_run_at =
		max == USEC_INFINITY ? 0 : usec_add(usec_sub(clock_monotonic_usec(), used), max);
	if (max != USEC_INFINITY)
		loop_set_timer(c->loop, &c->max_run_timer, c->max_run_at, on_over, c);
	note(c);
}
