#include "config.h"

#include "verify/hookrun.h"

#include "base/alloc.h"
#include "base/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void set_text(json_t *o, const char *key, const char *text)
{
	_cleanup_free_ char *clean = NULL;
	json_t *v;

	if (!text)
		return;
	v = json_string(text);
	if (!v) {
		/* what was measured need not be UTF-8, or was cut within a character */
		clean = str_escape(text, 0);
		v = json_string(clean);
	}
	(void)json_object_set_new(o, key, v);
}

static void set_time(json_t *o, const char *key, usec_t usec)
{
	char buf[CLOCK_RFC3339_MAX];

	if (usec > 0)
		set_text(o, key, clock_rfc3339(usec, buf, sizeof(buf)));
}

static void set_count(json_t *o, const char *key, unsigned n)
{
	if (n > 0)
		(void)json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *measurement_to_json(const struct measurement *m)
{
	json_t *o = json_object();

	set_text(o, "phase", phase_name(m->phase));
	set_text(o, "message", m->message);
	set_time(o, "startedAt", m->started_usec);
	set_time(o, "finishedAt", m->finished_usec);
	set_text(o, "value", m->value);
	return o;
}

static json_t *metric_to_json(const struct tmpl_metric *m, const struct metric_state *s)
{
	json_t *o = json_object(), *list = json_array();

	set_text(o, "name", m->name);
	set_text(o, "phase", phase_name(s->phase));
	set_text(o, "message", s->message);
	if (m->dry_run)
		(void)json_object_set_new(o, "dryRun", json_true());
	set_count(o, "count", s->count);
	set_count(o, "successful", s->successful);
	set_count(o, "failed", s->failed);
	set_count(o, "inconclusive", s->inconclusive);
	set_count(o, "error", s->error);
	set_count(o, "consecutiveError", s->consecutive_error);
	set_count(o, m->bcs_streak ? "consecutiveSuccessful" : "consecutiveSuccess",
		s->consecutive_success);
	for (size_t i = 0; i < s->n_kept; i++)
		(void)json_array_append_new(list, measurement_to_json(&s->kept[i]));
	(void)json_object_set_new(o, "measurements", list);
	return o;
}

/* Of metrics, not of measurements. */
static json_t *summary(const struct runstate *rs, bool dry_run)
{
	unsigned n = 0, by[PHASE_INCONCLUSIVE + 1] = {0};
	json_t *o = json_object();

	for (size_t i = 0; i < rs->tmpl->n; i++)
		if (rs->tmpl->metrics[i].dry_run == dry_run) {
			n++;
			by[rs->metrics[i].phase]++;
		}
	set_count(o, "count", n);
	set_count(o, "successful", by[PHASE_SUCCESSFUL]);
	set_count(o, "failed", by[PHASE_FAILED]);
	set_count(o, "inconclusive", by[PHASE_INCONCLUSIVE]);
	set_count(o, "error", by[PHASE_ERROR]);
	return o;
}

json_t *hookrun_to_json(const struct runstate *rs, usec_t started_usec, usec_t now_usec)
{
	json_t *o = json_object(), *metadata = json_object(), *status = json_object(),
	       *results = json_array();

	set_text(metadata, "name", rs->tmpl->name);
	set_text(status, "phase", phase_name(rs->phase));
	set_text(status, "message", rs->message);
	set_time(status, "startedAt", started_usec);
	if (runstate_is_over(rs))
		set_time(status, "completedAt", now_usec);
	(void)json_object_set_new(status, "runSummary", summary(rs, false));
	(void)json_object_set_new(status, "dryRunSummary", summary(rs, true));
	for (size_t i = 0; i < rs->tmpl->n; i++)
		if (rs->metrics[i].measured || rs->metrics[i].phase != PHASE_PENDING)
			(void)json_array_append_new(
				results, metric_to_json(&rs->tmpl->metrics[i], &rs->metrics[i]));
	(void)json_object_set_new(status, "metricResults", results);
	set_text(o, "kind", "HookRun");
	(void)json_object_set_new(o, "metadata", metadata);
	(void)json_object_set_new(o, "status", status);
	return o;
}

int hookrun_write(const char *path, const json_t *record, struct th_err *err)
{
	_cleanup_free_ char *text = json_dumps(record, JSON_INDENT(2));
	_cleanup_free_ char *line = xasprintf("%s\n", text ? text : "{}");
	int r = file_replace_at(AT_FDCWD, path, 0644, line, strlen(line));

	return r < 0 ? err_set(err, EXIT_CANTCREAT, -r, "cannot write the record '%s': %s", path,
			       strerror(-r))
		     : 0;
}
