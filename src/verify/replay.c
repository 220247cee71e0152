#include "config.h"

#include "verify/replay.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "verify/assess.h"
#include "verify/hookrun.h"
#include "verify/load.h"
#include "verify/reply.h"
#include "verify/report.h"
#include "verify/runstate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct recorded {
	size_t metric;
	struct measurement m;
	const json_t *reply; /* NULL: was not kept */
	size_t order;	     /* in the record */
};

struct replay {
	const struct options *o;
	const struct tmpl *t;
	const json_t *record;
	struct recorded *v;
	size_t n;
	usec_t started_usec, ended_usec; /* of the recorded run, wall clock; 0: not told */
	struct runstate rs;
};

static void replay_done(struct replay *p)
{
	for (size_t i = 0; i < p->n; i++)
		measurement_done(&p->v[i].m);
	free(p->v);
	runstate_done(&p->rs);
}

static int damaged(const struct replay *p, const char *where, struct th_err *err)
{
	return err_set(
		err, EXIT_DATAERR, EBADMSG, "the record '%s' is damaged: %s", p->o->replay, where);
}

static int collect_metric(struct replay *p, size_t i, const json_t *o, struct th_err *err)
{
	const json_t *list = json_object_get(o, "measurements"), *v;
	size_t k;

	json_array_foreach(list, k, v)
	{
		struct recorded r = {
			.metric = i, .reply = json_object_get(v, "response"), .order = p->n};

		if (hookrun_to_measurement(v, &r.m) < 0) {
			const char *phase = json_string_value(json_object_get(v, "phase"));
			_cleanup_free_ char *where = xasprintf(
				"measurement %zu of metric '%s'", k, p->t->metrics[i].name);

			/* one that was under way has brought nothing */
			if (phase &&
				(strcmp(phase, "Running") == 0 || strcmp(phase, "Pending") == 0))
				continue;
			return damaged(p, where, err);
		}
		p->v = xreallocarray(p->v, p->n + 1, sizeof(*p->v));
		p->v[p->n++] = r;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct recorded *x = a, *y = b;

	if (x->m.finished_usec != y->m.finished_usec)
		return x->m.finished_usec < y->m.finished_usec ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int collect(struct replay *p, struct th_err *err)
{
	const json_t *status = json_object_get(p->record, "status");
	size_t known = 0;
	int r = 0;

	if (hookrun_times(p->record, &p->started_usec, &p->ended_usec) < 0)
		return damaged(p, "status.startedAt or status.completedAt", err);
	if (!json_is_array(json_object_get(status, "metricResults")))
		return damaged(p, "status.metricResults", err);
	for (size_t i = 0; i < p->t->n && r == 0; i++) {
		const json_t *o = hookrun_find_metric(p->record, p->t->metrics[i].name);

		known += o != NULL;
		r = collect_metric(p, i, o, err);
	}
	if (r == 0 && known == 0)
		return err_set(err, EXIT_DATAERR, ENOENT,
			"the record '%s' has no measurements of the metrics of template '%s'",
			p->o->replay, p->t->name);
	if (p->n > 1)
		qsort(p->v, p->n, sizeof(*p->v), by_time);
	return r;
}

static void judge(const struct replay *p, const struct recorded *r, struct measurement *ret)
{
	const struct tmpl_metric *m = &p->t->metrics[r->metric];
	struct reply a = {.exit_status = -1};

	ret->started_usec = r->m.started_usec;
	ret->finished_usec = r->m.finished_usec;
	if (r->reply && reply_from_json(r->reply, &a) == 0) {
		assess(p->t, m, &p->o->args, &a, ret);
		ret->reply = json_deep_copy(r->reply);
		reply_done(&a);
	} else if (r->m.value) {
		assess_value(p->t, m, &p->o->args, r->m.value, ret);
	} else {
		ret->phase = r->m.phase;
		ret->message = r->m.message ? xstrdup(r->m.message) : NULL;
	}
}

/* Microseconds into the run. */
static usec_t since_start(const struct replay *p, usec_t when)
{
	return p->started_usec > 0 ? usec_sub(when, p->started_usec) : 0;
}

static void play(struct replay *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct recorded *r = &p->v[i];
		usec_t now = since_start(p, r->m.finished_usec);
		struct measurement m = {.phase = PHASE_PENDING};

		runstate_tick(&p->rs, now);
		if (runstate_is_over(&p->rs) || runstate_is_terminating(&p->rs))
			return;
		if (phase_is_terminal(p->rs.metrics[r->metric].phase))
			continue;
		judge(p, r, &m);
		report_measurement(p->t, r->metric, &m, false);
		runstate_begin(&p->rs, r->metric);
		runstate_finish(&p->rs, r->metric, now, &m);
	}
}

/* The recording is over, and the run is not: it ended there, or nobody knows how it would go on. */
static void end(struct replay *p)
{
	const json_t *status = json_object_get(p->record, "status");
	const char *message = json_string_value(json_object_get(status, "message"));

	if (runstate_is_over(&p->rs))
		return;
	if (p->ended_usec > 0)
		runstate_tick(&p->rs, since_start(p, p->ended_usec));
	if (!runstate_is_over(&p->rs) && message && strcmp(message, RUNSTATE_TERMINATED) == 0)
		runstate_terminate(&p->rs);
	if (runstate_is_over(&p->rs))
		return;
	for (size_t i = 0; i < p->t->n; i++) {
		const struct metric_state *s = &p->rs.metrics[i];
		unsigned count = tmpl_effective_count(&p->t->metrics[i]);

		if (phase_is_terminal(s->phase))
			continue;
		p->rs.phase = PHASE_INCONCLUSIVE;
		p->rs.message = xasprintf("the record ends before the run: metric \"%s\" has %u "
					  "recorded measurements that count, and would go on%s",
			p->t->metrics[i].name, s->count,
			count > p->t->metrics[i].retention
				? " (measurementRetention says how many are kept)"
				: "");
		return;
	}
}

int replay_run(const struct options *o, const struct tmpl *t, struct th_err *err)
{
	_cleanup_json_ json_t *record = NULL, *result = NULL;
	struct replay p = {.o = o, .t = t};
	_cleanup_close_ int fd = -1;
	int r = hookrun_read(o->replay, &record, err);

	if (r < 0)
		return r;
	p.record = record;
	runstate_init(&p.rs, t, 0);
	r = collect(&p, err);
	if (r == 0) {
		play(&p);
		end(&p);
		result = hookrun_to_json(&p.rs, p.started_usec, p.ended_usec);
		if (o->output)
			r = hookrun_write(o->output, result, &fd, err);
	}
	if (r == 0) {
		report_end(&p.rs, o->json ? result : NULL);
		r = report_exit_status(p.rs.phase);
	}
	replay_done(&p);
	return r;
}
