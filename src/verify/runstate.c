#include "config.h"

#include "verify/runstate.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[] = {
	[PHASE_PENDING] = "Pending",
	[PHASE_RUNNING] = "Running",
	[PHASE_SUCCESSFUL] = "Successful",
	[PHASE_FAILED] = "Failed",
	[PHASE_ERROR] = "Error",
	[PHASE_INCONCLUSIVE] = "Inconclusive",
};

const char *phase_name(enum phase phase)
{
	return names[phase];
}

bool phase_from_name(const char *name, enum phase *ret)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum phase)i;
			return true;
		}
	return false;
}

bool phase_is_terminal(enum phase phase)
{
	return phase >= PHASE_SUCCESSFUL;
}

/* How bad: the worst of all metrics is the run's. */
static int badness(enum phase phase)
{
	static const int order[] = {
		[PHASE_SUCCESSFUL] = 0,
		[PHASE_RUNNING] = 1,
		[PHASE_PENDING] = 2,
		[PHASE_INCONCLUSIVE] = 3,
		[PHASE_ERROR] = 4,
		[PHASE_FAILED] = 5,
	};

	return order[phase];
}

void measurement_done(struct measurement *m)
{
	free(m->message);
	free(m->value);
	json_decref(m->reply);
	*m = (struct measurement){.phase = PHASE_PENDING};
}

void runstate_init(struct runstate *rs, const struct tmpl *t, usec_t now)
{
	*rs = (struct runstate){.tmpl = t, .started_usec = now, .phase = PHASE_RUNNING};
	rs->metrics = xcalloc(t->n + 1, sizeof(*rs->metrics));
}

void runstate_done(struct runstate *rs)
{
	for (size_t i = 0; rs->tmpl && i < rs->tmpl->n; i++) {
		struct metric_state *s = &rs->metrics[i];

		for (size_t k = 0; k < s->n_kept; k++)
			measurement_done(&s->kept[k]);
		free(s->kept);
		free(s->message);
	}
	free(rs->metrics);
	free(rs->message);
}

/* ---- when ------------------------------------------------------------------------------------ */

bool runstate_is_terminating(const struct runstate *rs)
{
	if (rs->terminated || rs->timed_out)
		return true;
	for (size_t i = 0; i < rs->tmpl->n; i++) {
		enum phase phase = rs->metrics[i].phase;

		if (!rs->tmpl->metrics[i].dry_run && phase_is_terminal(phase) &&
			phase != PHASE_SUCCESSFUL)
			return true;
	}
	return false;
}

/* When the next measurement of a metric begins; USEC_INFINITY: none, for now. */
static usec_t due_at(const struct runstate *rs, size_t i)
{
	const struct tmpl_metric *m = &rs->tmpl->metrics[i];
	const struct metric_state *s = &rs->metrics[i];
	unsigned count = tmpl_effective_count(m);
	usec_t wait;

	if (phase_is_terminal(s->phase) || s->in_flight)
		return USEC_INFINITY;
	if (rs->tmpl->ordered && i > 0 && !phase_is_terminal(rs->metrics[i - 1].phase))
		return USEC_INFINITY;
	if (!s->measured)
		return usec_add(rs->started_usec, m->initial_delay_usec);
	if (count > 0 && s->count >= count)
		return USEC_INFINITY;
	wait = m->has_interval ? m->interval_usec : TMPL_ERROR_RETRY_USEC;
	if (s->last == PHASE_ERROR)
		wait = tmpl_error_wait(rs->tmpl, m);
	return usec_add(s->finished_usec, wait);
}

ssize_t runstate_due(const struct runstate *rs, usec_t now)
{
	if (runstate_is_terminating(rs))
		return -1;
	for (size_t i = 0; i < rs->tmpl->n; i++)
		if (due_at(rs, i) <= now)
			return (ssize_t)i;
	return -1;
}

usec_t runstate_next(const struct runstate *rs, usec_t now)
{
	usec_t next = usec_add(rs->started_usec, rs->tmpl->timeout_usec);

	(void)now;
	if (runstate_is_terminating(rs))
		return USEC_INFINITY;
	for (size_t i = 0; i < rs->tmpl->n; i++)
		next = MIN(next, due_at(rs, i));
	return next;
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static void set_message(char **message, char *text)
{
	free(*message);
	*message = text;
}

/* "Metric "m" assessed Failed due to failed (1) > failureLimit (0): "Error Message: …"" */
static void assess_as(const struct tmpl_metric *m, struct metric_state *s, enum phase phase,
	const char *what, unsigned n, const char *limit, int64_t max)
{
	const struct measurement *last = s->n_kept ? &s->kept[s->n_kept - 1] : NULL;

	s->phase = phase;
	set_message(&s->message,
		xasprintf("Metric \"%s\" assessed %s due to %s (%u) > %s (%" PRId64 ")%s%s%s",
			m->name, phase_name(phase), what, n, limit, max,
			last && last->message ? ": \"Error Message: " : "",
			last && last->message ? last->message : "",
			last && last->message ? "\"" : ""));
}

/* The limits in the order of Argo: of several that are passed the last holds. */
static void assess_limits(const struct tmpl_metric *m, struct metric_state *s)
{
	if (m->failure_limit >= 0 && s->failed > m->failure_limit)
		assess_as(
			m, s, PHASE_FAILED, "failed", s->failed, "failureLimit", m->failure_limit);
	if (s->inconclusive > m->inconclusive_limit)
		assess_as(m, s, PHASE_INCONCLUSIVE, "inconclusive", s->inconclusive,
			"inconclusiveLimit", m->inconclusive_limit);
	if (s->consecutive_error > m->consecutive_error_limit)
		assess_as(m, s, PHASE_ERROR, "consecutiveErrors", s->consecutive_error,
			"consecutiveErrorLimit", m->consecutive_error_limit);
}

/* Nobody could have failed with failureLimit -1: then a count without the streak is the failure. */
static void assess_count(const struct tmpl_metric *m, struct metric_state *s)
{
	if (m->consecutive_success_limit == 0 || m->bcs_streak) {
		s->phase = PHASE_SUCCESSFUL;
		return;
	}
	s->phase = m->failure_limit < 0 ? PHASE_FAILED : PHASE_INCONCLUSIVE;
	set_message(&s->message,
		xasprintf("Metric \"%s\" assessed %s due to consecutiveSuccessLimit (%u) not "
			  "reached in "
			  "count (%u)",
			m->name, phase_name(s->phase), m->consecutive_success_limit, m->count));
}

static void assess_metric(const struct tmpl_metric *m, struct metric_state *s, bool terminating)
{
	unsigned count = tmpl_effective_count(m);

	if (phase_is_terminal(s->phase))
		return;
	if (!s->measured && !s->in_flight) {
		s->phase = terminating ? PHASE_SUCCESSFUL : PHASE_PENDING;
		return;
	}
	if (s->in_flight) {
		s->phase = PHASE_RUNNING;
		return;
	}
	assess_limits(m, s);
	if (phase_is_terminal(s->phase))
		return;
	if ((m->successful_limit > 0 && s->successful >= m->successful_limit) ||
		(m->consecutive_success_limit > 0 &&
			s->consecutive_success >= m->consecutive_success_limit))
		s->phase = PHASE_SUCCESSFUL;
	else if (count > 0 && s->count >= count)
		assess_count(m, s);
	else
		s->phase = terminating ? PHASE_SUCCESSFUL : PHASE_RUNNING;
}

static void assess_run(struct runstate *rs)
{
	enum phase worst = PHASE_SUCCESSFUL;
	const char *message = NULL;

	for (size_t i = 0; i < rs->tmpl->n; i++) {
		const struct metric_state *s = &rs->metrics[i];

		if (!phase_is_terminal(s->phase))
			return;
		if (rs->tmpl->metrics[i].dry_run || badness(s->phase) <= badness(worst))
			continue;
		worst = s->phase;
		message = s->message;
	}
	rs->phase = worst;
	if (rs->timed_out && badness(worst) < badness(PHASE_ERROR)) {
		char span[CLOCK_SPAN_MAX];

		rs->phase = PHASE_ERROR;
		set_message(&rs->message,
			xasprintf("Run not finished within its timeout of %s",
				clock_format_span(rs->tmpl->timeout_usec, span, sizeof(span))));
	} else if (message) {
		set_message(&rs->message, xstrdup(message));
	} else if (rs->terminated) {
		set_message(&rs->message, xstrdup(RUNSTATE_TERMINATED));
	}
}

void runstate_assess(struct runstate *rs)
{
	if (phase_is_terminal(rs->phase))
		return;
	for (size_t i = 0; i < rs->tmpl->n; i++)
		assess_metric(
			&rs->tmpl->metrics[i], &rs->metrics[i], rs->terminated || rs->timed_out);
	/* a metric that failed ends its siblings, also those before it */
	if (runstate_is_terminating(rs))
		for (size_t i = 0; i < rs->tmpl->n; i++)
			assess_metric(&rs->tmpl->metrics[i], &rs->metrics[i], true);
	assess_run(rs);
}

bool runstate_is_over(const struct runstate *rs)
{
	return phase_is_terminal(rs->phase);
}

/* ---- events ---------------------------------------------------------------------------------- */

void runstate_begin(struct runstate *rs, size_t i)
{
	rs->metrics[i].in_flight = true;
	runstate_assess(rs);
}

static void keep(struct metric_state *s, unsigned retention, struct measurement *m)
{
	if (s->n_kept >= retention) {
		measurement_done(&s->kept[0]);
		memmove(&s->kept[0], &s->kept[1], (s->n_kept - 1) * sizeof(*s->kept));
		s->n_kept--;
	}
	s->kept = xreallocarray(s->kept, s->n_kept + 1, sizeof(*s->kept));
	s->kept[s->n_kept++] = *m;
	*m = (struct measurement){.phase = PHASE_PENDING};
}

void runstate_finish(struct runstate *rs, size_t i, usec_t now, struct measurement *m)
{
	struct metric_state *s = &rs->metrics[i];

	s->in_flight = false;
	s->measured = true;
	s->finished_usec = now;
	s->last = m->phase;
	if (m->phase == PHASE_ERROR) {
		s->error++;
		s->consecutive_error++;
	} else {
		s->count++;
		s->consecutive_error = 0;
		s->successful += m->phase == PHASE_SUCCESSFUL;
		s->failed += m->phase == PHASE_FAILED;
		s->inconclusive += m->phase == PHASE_INCONCLUSIVE;
	}
	s->consecutive_success = m->phase == PHASE_SUCCESSFUL ? s->consecutive_success + 1 : 0;
	keep(s, rs->tmpl->metrics[i].retention, m);
	runstate_assess(rs);
}

void runstate_drop(struct runstate *rs, size_t i)
{
	rs->metrics[i].in_flight = false;
	runstate_assess(rs);
}

void runstate_terminate(struct runstate *rs)
{
	rs->terminated = true;
	runstate_assess(rs);
}

void runstate_tick(struct runstate *rs, usec_t now)
{
	if (runstate_is_over(rs) || rs->timed_out ||
		now < usec_add(rs->started_usec, rs->tmpl->timeout_usec))
		return;
	rs->timed_out = true;
	runstate_assess(rs);
}
