#include "config.h"

#include "verify/tmpl_reader.h"

#include "base/alloc.h"
#include "base/path.h"
#include "verify/lines.h"
#include "verify/load.h"

#include <string.h>

static void check_counts(struct reader *r, const struct tmpl_metric *m)
{
	int64_t failures = MAX(m->failure_limit, (int64_t)0);

	if (m->count > 1 && !m->has_interval)
		reader_complain(r, "interval", "interval must be specified when count > 1");
	if (m->failure_limit < 0 && m->consecutive_success_limit > 0 && m->count > 0 &&
		m->count < m->consecutive_success_limit)
		reader_complain(r, "count", "count must be >= consecutiveSuccessLimit");
	if (m->count == 0)
		return;
	if (m->count < m->inconclusive_limit)
		reader_complain(r, "count", "count must be >= inconclusiveLimit");
	if (m->count < m->successful_limit)
		reader_complain(r, "count", "count must be >= successfulLimit");
	if (m->count < failures)
		reader_complain(r, "count", "count must be >= failureLimit");
	else if (!m->bcs_streak && m->consecutive_success_limit > 0 && m->failure_limit >= 0 &&
		 m->count < failures + m->consecutive_success_limit)
		reader_complain(r, "count",
			"count (%u) must be >= failureLimit + consecutiveSuccessLimit", m->count);
}

static void warn_of_counts(struct reader *r, const struct tmpl_metric *m)
{
	unsigned count = tmpl_effective_count(m);

	if (count > 0 && m->failure_limit >= count)
		reader_warn(r, "failureLimit",
			"count (%u) is at most failureLimit (%d), so the metric can never fail",
			count, (int)m->failure_limit);
	if (count == 0 && m->successful_limit == 0 && m->consecutive_success_limit == 0)
		reader_warn(
			r, "interval", "has an interval and no count, so the metric has no end");
}

static void read_limits(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	int64_t limit = 0;

	m->count = reader_limit(r, o, "count", 0, 0);
	if (reader_integer(r, o, "failureLimit", &limit) && limit < -1)
		reader_complain(
			r, "failureLimit", "failureLimit must be >= 0, or -1 to be disabled");
	m->failure_limit = MAX(limit, (int64_t)-1);
	m->inconclusive_limit = reader_limit(r, o, "inconclusiveLimit", 0, 0);
	m->consecutive_error_limit = reader_limit(r, o, "consecutiveErrorLimit", 4, 0);
	m->successful_limit = reader_limit(r, o, "successfulLimit", 0, 0);
	m->consecutive_success_limit = reader_limit(r, o, "consecutiveSuccessLimit", 0, 0);
	if (json_object_get(o, "consecutiveSuccessfulLimit")) {
		if (m->consecutive_success_limit > 0)
			reader_complain(r, "consecutiveSuccessLimit",
				"consecutiveSuccessLimit and consecutiveSuccessfulLimit are one: "
				"give one of them");
		m->consecutive_success_limit =
			reader_limit(r, o, "consecutiveSuccessfulLimit", 0, 1);
		m->bcs_streak = true;
	}
	if (m->failure_limit < 0 && json_object_get(o, "consecutiveSuccessLimit") &&
		m->consecutive_success_limit == 0)
		reader_complain(r, "failureLimit",
			"failureLimit and consecutiveSuccessLimit cannot both be disabled");
}

static bool names_secret(const struct reader *r, const json_t *v)
{
	return json_is_string(v) && args_names_secret(r->args, json_string_value(v));
}

/* In a metric that is not rendered yet. */
static void look_for_secrets(struct reader *r, const json_t *metric)
{
	const json_t *command = json_object_get(
		json_object_get(json_object_get(metric, "provider"), "exec"), "command");
	const json_t *v;
	size_t i;

	r->raw_command = command;
	r->secret_name = names_secret(r, json_object_get(metric, "name"));
	r->secret_command = names_secret(r, command);
	json_array_foreach(command, i, v) r->secret_command =
		r->secret_command || names_secret(r, v);
}

static void read_metric(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"name", "interval", "initialDelay", "count",
		"successCondition", "failureCondition", "failureLimit", "inconclusiveLimit",
		"consecutiveErrorLimit", "successfulLimit", "consecutiveSuccessfulLimit",
		"consecutiveSuccessLimit", "errorInterval", "provider", NULL};

	if (!json_is_object(o)) {
		reader_complain(r, NULL, "not a mapping with name and provider");
		m->name = xstrdup("");
		return;
	}
	reader_check_fields(r, o, "", known);
	m->name = reader_text(r, o, "name");
	if (str_is_empty(m->name)) {
		reader_complain(r, NULL, "has no name");
		str_replace(&m->name, "");
	}
	if (r->secret_name)
		reader_complain(
			r, "name", "name: it is told everywhere, so it takes no secret argument");
	for (const struct tmpl_metric *other = r->t->metrics; other < m; other++)
		if (strcmp(other->name, m->name) == 0)
			reader_complain(r, "name", "duplicate name '%s'", m->name);
	m->has_interval = reader_duration(r, o, "interval", "interval", &m->interval_usec);
	m->has_error_interval =
		reader_duration(r, o, "errorInterval", "errorInterval", &m->error_interval_usec);
	(void)reader_duration(r, o, "initialDelay", "startDelay", &m->initial_delay_usec);
	m->success = reader_condition(r, o, "successCondition", r->t->dialect);
	m->failure = reader_condition(r, o, "failureCondition", r->t->dialect);
	m->retention = TMPL_RETENTION;
	read_limits(r, m, o);
	check_counts(r, m);
	warn_of_counts(r, m);
	reader_provider(r, m, o);
	if (m->provider == TMPL_EXEC && json_object_get(o, "provider") && !m->path && !m->success &&
		!m->failure)
		reader_warn(r, "provider",
			"has no condition, so any exit status is Successful (write "
			"successCondition = result == 0)");
}

/* Go's regular expressions, unanchored, as both projects match them. */
static bool rule_matches(const json_t *rule, const char *name, bool *bad)
{
	const char *literal = json_string_value(json_object_get(rule, "literal"));
	const char *pattern = json_string_value(json_object_get(rule, "metricName"));
	_cleanup_regex_ struct regex *regex = NULL;
	int64_t steps = 1000000;

	if (literal)
		return strcmp(literal, name) == 0;
	if (!pattern || regex_compile(pattern, strlen(pattern), &regex, NULL) < 0) {
		*bad = true;
		return false;
	}
	return regex_match(regex, name, strlen(name), &steps) == 1;
}

/* One of a list; `taken`: which metrics have a rule. */
static void apply_rule(struct reader *r, const json_t *rule, const char *key, const char *what,
	size_t i, bool *taken)
{
	static const char *const known[] = {"metricName", NULL};
	static const char *const known_retention[] = {"metricName", "limit", NULL};
	bool retention = strcmp(key, "measurementRetention") == 0;
	int64_t limit = TMPL_RETENTION;
	bool bad = false, matched = false, on = true;

	/* those of INI name the metric by a member of our own */
	if (!json_object_get(rule, "literal"))
		reader_check_fields(r, rule, key, retention ? known_retention : known);
	if (retention && reader_integer(r, rule, "limit", &limit) &&
		(limit < 0 || limit > TMPL_RETENTION_MAX))
		reader_complain(
			r, "limit", "%s[%zu]: limit must be 0 to %d", key, i, TMPL_RETENTION_MAX);
	if (json_object_get(rule, "dryRun"))
		on = reader_bool(r, rule, "dryRun");
	for (size_t k = 0; k < r->t->n; k++) {
		struct tmpl_metric *m = &r->t->metrics[k];

		if (!rule_matches(rule, m->name, &bad))
			continue;
		if (taken[k])
			reader_complain(r, NULL, "%s[%zu]: two %s rules have the metric '%s'", key,
				i, what, m->name);
		taken[k] = matched = true;
		if (retention)
			m->retention = limit > 0 ? (unsigned)limit : TMPL_RETENTION;
		else
			m->dry_run = on;
	}
	if (bad)
		reader_complain(
			r, "metricName", "%s[%zu]: metricName is no regular expression", key, i);
	else if (!matched)
		reader_complain(
			r, "metricName", "%s[%zu]: Rule didn't match any metric name(s)", key, i);
}

static void apply_rules(struct reader *r, const json_t *spec, const char *key, const char *what)
{
	const json_t *list = json_object_get(spec, key), *rule;
	_cleanup_free_ bool *taken = xcalloc(r->t->n + 1, sizeof(*taken));
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		reader_complain(r, key, "%s: not a list", key);
	json_array_foreach(list, i, rule)
	{
		const json_t *outer = reader_enter_element(r, key, i);

		apply_rule(r, rule, key, what, i, taken);
		reader_leave(r, outer);
	}
}

static void read_spec(struct reader *r, const json_t *spec, int dialect)
{
	static const char *const known[] = {"metrics", "args", "policy", "dryRun",
		"measurementRetention", "templates", "timeout", "dialect", NULL};
	const json_t *metrics = json_object_get(spec, "metrics"), *o, *outer;
	_cleanup_free_ char *policy = reader_text(r, spec, "policy"),
			    *words = reader_text(r, spec, "dialect");
	size_t i;

	reader_check_fields(r, spec, "", known);
	if (json_array_size(json_object_get(spec, "templates")) > 0)
		reader_complain(r, "templates",
			"templates: other templates are looked up in a Kubernetes cluster, and "
			"there is none here: put their metrics into this one");
	if (policy && *policy && strcmp(policy, "Parallel") != 0 && strcmp(policy, "Ordered") != 0)
		reader_complain(r, "policy", "policy: neither Parallel nor Ordered");
	r->t->ordered = policy && strcmp(policy, "Ordered") == 0;
	if (words && strcmp(words, "argo") != 0 && strcmp(words, "bcs") != 0)
		reader_complain(r, "dialect", "dialect: neither argo nor bcs");
	if (dialect >= 0)
		r->t->dialect = (enum expr_dialect)dialect;
	else
		r->t->dialect = words && strcmp(words, "bcs") == 0 ? EXPR_BCS : EXPR_ARGO;
	r->t->timeout_usec = USEC_INFINITY;
	if (reader_duration(r, spec, "timeout", "timeout", &r->t->timeout_usec) &&
		r->t->timeout_usec == 0)
		reader_complain(r, "timeout", "timeout must be more than 0");
	if (r->met_unknown)
		r->t->timeout_usec = USEC_INFINITY;
	if (metrics && !json_is_null(metrics) && !json_is_array(metrics)) {
		reader_complain(r, "metrics", "metrics: not a list");
		return;
	}
	if (json_array_size(metrics) == 0 || json_array_size(metrics) > TMPL_METRICS_MAX) {
		reader_complain(r, "metrics",
			json_array_size(metrics) ? "more than %d metrics" : "no metrics specified",
			TMPL_METRICS_MAX);
		return;
	}
	r->t->metrics = xcalloc(json_array_size(metrics), sizeof(*r->t->metrics));
	json_array_foreach(metrics, i, o)
	{
		(void)snprintf(r->where, sizeof(r->where), "metrics[%zu]: ", i);
		r->t->n = i + 1;
		r->met_unknown = false;
		outer = reader_enter_element(r, "metrics", i);
		look_for_secrets(r, json_array_get(json_object_get(r->raw, "metrics"), i));
		read_metric(r, &r->t->metrics[i], o);
		r->t->metrics[i].is_open = r->met_unknown;
		reader_leave(r, outer);
	}
	r->where[0] = '\0';
	apply_rules(r, spec, "dryRun", "Dry-Run");
	apply_rules(r, spec, "measurementRetention", "Measurement Retention");
}

/* Those that the template lists, and what the caller gave. */
static void read_args(struct reader *r, const json_t *list)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	const json_t *o;
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		reader_complain(r, "args", "args: not a list");
	json_array_foreach(list, i, o)
	{
		const json_t *outer = reader_enter_element(r, "args", i);

		if (args_declare(r->args, o, &err) < 0) {
			reader_complain(r, NULL, "args[%zu]: %s", i, err_text(&err));
			err_clear(&err);
		}
		reader_leave(r, outer);
	}
	if (r->found->errors.n == 0 && args_check(r->args, &err) < 0)
		reader_complain(r, "args", "%s", err_text(&err));
}

static void warn_of_unused(struct reader *r, const json_t *list)
{
	const json_t *o, *outer;
	size_t i;

	for (size_t k = 0; k < r->args->n; k++) {
		const struct arg *a = &r->args->v[k];

		if (a->used)
			continue;
		outer = r->at;
		json_array_foreach(list, i, o)
		{
			const char *name = json_string_value(json_object_get(o, "name"));

			if (name && strcmp(name, a->name) == 0)
				outer = reader_enter_element(r, "args", i);
		}
		reader_warn(r, NULL, "the argument '%s' is never used", a->name);
		reader_leave(r, outer);
	}
}

void tmpl_init(struct tmpl *t, const json_t *doc, const char *file, int dialect, struct args *args,
	struct findings *found)
{
	const json_t *spec = json_object_get(doc, "spec"), *list = json_object_get(spec, "args");
	struct reader r = {.t = t,
		.args = args,
		.found = found,
		.file = file,
		.raw = spec,
		.at = json_object_get(doc, "lines")};
	const char *name = json_string_value(json_object_get(doc, "name"));
	const char *kind = json_string_value(json_object_get(doc, "kind"));
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_json_ json_t *rendered = NULL, *rest = json_copy((json_t *)(uintptr_t)spec);
	const json_t *lines = r.at;
	size_t line = 0;

	*t = (struct tmpl){.timeout_usec = USEC_INFINITY};
	t->name = str_escape(str_is_empty(name) ? path_basename(file) : name, 200);
	t->kind = str_escape(kind ? kind : "", 60);
	read_args(&r, list);
	if (found->errors.n > 0)
		return;
	/* values of arguments are not looked into */
	(void)json_object_del(rest, "args");
	if (args_render_tree(args, rest, lines, &rendered, &line, &err) < 0) {
		reader_complain_at(&r, line, err_text(&err));
		return;
	}
	read_spec(&r, rendered, dialect);
	if (!args->lint)
		t->spec = tmpl_spec_as_run(t, spec, args);
	warn_of_unused(&r, list);
}
