#include "config.h"

#include "model/restart.h"

#include "base/macro.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

const char *const restart_when_names[] = {"never", "on-failure", "always", NULL};
const char *const restart_mode_names[] = {"fail", "delay", NULL};

bool restart_is_success(const struct restart_policy *p, int exit_code)
{
	if (exit_code < 0 || exit_code > 255)
		return false;
	return exit_code == 0 || (p->success[exit_code / 64] >> (exit_code % 64) & 1) != 0;
}

void restart_add_success(struct restart_policy *p, int exit_code)
{
	assert(exit_code >= 0 && exit_code <= 255);
	p->success[exit_code / 64] |= (uint64_t)1 << (exit_code % 64);
}

void restart_set_defaults(struct restart_policy *p, enum restart_when when)
{
	p->when = when;
	p->attempts = when == RESTART_ALWAYS ? 2 : 3;
	p->interval = when == RESTART_ALWAYS ? 30 * USEC_PER_MIN : USEC_PER_DAY;
	p->delay = p->max_delay = RESTART_DELAY_DEFAULT;
	p->mode = RESTART_MODE_FAIL;
}

/* Of the n-th restart of a window, from 1 on, before the jitter. */
static usec_t delay_of(const struct restart_policy *p, unsigned n)
{
	usec_t delay = p->delay;

	/* Once it is at its most, or is 0 for good, the rest changes nothing. */
	for (unsigned i = 1; i < n && delay > 0 && delay < p->max_delay; i++)
		delay = delay > p->max_delay / 2 ? p->max_delay : 2 * delay;
	return MIN(delay, p->max_delay);
}

/* Only upward, and less than a quarter: what is written down as the delay is the least. */
static usec_t jitter_of(usec_t delay, uint32_t random)
{
	usec_t quarter = delay / 4;

	return (quarter >> 32) * random + ((quarter & UINT32_MAX) * random >> 32);
}

static bool wants_more(const struct restart_policy *p, const struct restart_input *in)
{
	if (p->when == RESTART_NEVER)
		return false;
	if (p->when == RESTART_ALWAYS || in->event == RESTART_START_FAILED || in->is_lost)
		return true;
	return !restart_is_success(p, in->exit_code);
}

struct restart_decision restart_decide(
	const struct restart_policy *p, struct restart_counters *c, const struct restart_input *in)
{
	struct restart_decision d = {.action = RESTART_END};
	usec_t end;

	if (!wants_more(p, in))
		return d;
	end = usec_add(c->window_start, p->interval);
	if (c->window_start == 0 || in->now > end) {
		*c = (struct restart_counters){.window_start = in->now};
		end = usec_add(in->now, p->interval);
	}
	/* What is used up stays so: in mode delay a task that ends at once comes by often. */
	if (c->attempts < p->attempts) {
		usec_t delay = delay_of(p, ++c->attempts);

		d.action = RESTART_RETRY;
		d.delay = usec_add(delay, jitter_of(delay, in->random));
	} else if (p->mode == RESTART_MODE_FAIL || p->attempts == 0) {
		d.action = RESTART_FAIL;
	} else {
		d.action = RESTART_RETRY;
		d.waits_for_window = true;
		/* The window is over only behind its end. */
		d.delay = usec_sub(end, in->now) + 1;
	}
	return d;
}

int restart_check(const struct restart_policy *p, struct th_err *err)
{
	usec_t sum = 0;
	char span[CLOCK_SPAN_MAX], whole[CLOCK_SPAN_MAX];

	if (p->when == RESTART_NEVER)
		return 0;
	if (p->interval < RESTART_INTERVAL_MIN)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"restart.interval is %s: it is at least %s",
			clock_format_span(p->interval, span, sizeof(span)),
			clock_format_span(RESTART_INTERVAL_MIN, whole, sizeof(whole)));
	if (p->attempts == 0 && p->mode != RESTART_MODE_FAIL)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"restart.attempts is 0, which goes with restart.mode = fail alone");
	if (p->max_delay < p->delay)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"restart.max-delay is %s, and restart.delay %s is more",
			clock_format_span(p->max_delay, span, sizeof(span)),
			clock_format_span(p->delay, whole, sizeof(whole)));
	/* The key has a most, so this is no long way. */
	for (unsigned i = 1; i <= p->attempts && sum <= p->interval; i++)
		sum = usec_add(sum, delay_of(p, i));
	if (sum > p->interval)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"restart.attempts is %u, whose delays do not fit into restart.interval %s: "
			"they would never be used up (fewer attempts, shorter delays, or a longer "
			"interval)",
			p->attempts, clock_format_span(p->interval, span, sizeof(span)));
	return 0;
}
