#include "config.h"

#include "verify/tmpl.h"

#include "base/alloc.h"

#include <string.h>

static const char *const provider_names[] = {
	[TMPL_WEB] = "web",
	[TMPL_PROMETHEUS] = "prometheus",
	[TMPL_EXEC] = "exec",
	[TMPL_FILE] = "file",
	[TMPL_TCP] = "tcp",
	[TMPL_TASK] = "task",
};

const char *tmpl_provider_name(enum tmpl_provider provider)
{
	return provider_names[provider];
}

void findings_done(struct findings *f)
{
	strv_done(&f->errors);
	strv_done(&f->warnings);
}

bool tmpl_field_is_figure(const char *field)
{
	static const char *const figures[] = {"cpu", "memory", "pids", "io", "pressure"};
	size_t n = strcspn(field, ".");

	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		if (strlen(figures[i]) == n && memcmp(figures[i], field, n) == 0)
			return true;
	return false;
}

unsigned tmpl_effective_count(const struct tmpl_metric *m)
{
	return m->count == 0 && !m->has_interval ? 1 : m->count;
}

usec_t tmpl_error_wait(const struct tmpl *t, const struct tmpl_metric *m)
{
	if (m->has_error_interval)
		return m->error_interval_usec;
	return t->dialect == EXPR_BCS && m->has_interval ? m->interval_usec : TMPL_ERROR_RETRY_USEC;
}

static void metric_done(struct tmpl_metric *m)
{
	free(m->name);
	expr_free(m->success);
	expr_free(m->failure);
	expr_free(m->start);
	expr_free(m->end);
	expr_free(m->step);
	jsonpath_free(m->path);
	free(m->method);
	free(m->url);
	free(m->body);
	strv_done(&m->headers);
	free(m->accept);
	free(m->auth.user);
	free(m->auth.password);
	free(m->auth.token_url);
	free(m->auth.scopes);
	free(m->auth.region);
	free(m->auth.service);
	free(m->auth.profile);
	free(m->query);
	free(m->query_shown);
	strv_done(&m->command);
	free(m->file);
	free(m->address);
	free(m->task);
	free(m->field);
}

void tmpl_done(struct tmpl *t)
{
	for (size_t i = 0; i < t->n; i++)
		metric_done(&t->metrics[i]);
	free(t->metrics);
	free(t->name);
	free(t->kind);
	json_decref(t->spec);
}

static usec_t times(usec_t usec, uint64_t n)
{
	usec_t product;

	return __builtin_mul_overflow(usec, (usec_t)n, &product) ? USEC_INFINITY : product;
}

/*
 * Errors are not counted: between any two counted measurements there may be as many as the limit
 * allows without an end, and behind the last one too many.
 */
static usec_t metric_worst_case(const struct tmpl *t, const struct tmpl_metric *m)
{
	uint64_t count = tmpl_effective_count(m), errors = m->consecutive_error_limit;
	usec_t retry = tmpl_error_wait(t, m);
	usec_t sum = m->initial_delay_usec;

	if (count == 0)
		return USEC_INFINITY;
	sum = usec_add(sum, times(m->timeout_usec, count * (errors + 1)));
	sum = usec_add(sum, times(retry, count * errors));
	return usec_add(sum, times(m->interval_usec, count - 1));
}

usec_t tmpl_worst_case(const struct tmpl *t, const char **ret_why)
{
	usec_t worst = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct tmpl_metric *m = &t->metrics[i];
		usec_t one = m->is_open ? USEC_INFINITY : metric_worst_case(t, m);

		worst = t->ordered ? usec_add(worst, one) : MAX(worst, one);
		if (one == USEC_INFINITY)
			*ret_why = m->is_open ? "a number or duration has an argument without a "
						"value"
					      : "a metric has an interval and no count, and the "
						"template no timeout";
	}
	return MIN(worst, t->timeout_usec);
}
