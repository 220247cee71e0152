#include "config.h"

#include "verify/hookrun.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "os/proc.h"
#include "verify/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

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
	if (m->reply)
		(void)json_object_set(o, "response", m->reply);
	return o;
}

static json_t *metric_to_json(const struct tmpl_metric *m, const struct metric_state *s)
{
	json_t *o = json_object(), *list = json_array();

	set_text(o, "name", m->name);
	set_text(o, "phase", phase_name(s->phase));
	set_text(o, "message", s->message);
	/* Argo's name for what was asked, with the values of arguments in it */
	if (m->query_shown) {
		json_t *metadata = json_object();

		set_text(metadata, "ResolvedPrometheusQuery", m->query_shown);
		(void)json_object_set_new(o, "metadata", metadata);
	}
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

/* Who is at it, told apart from any process that has the number later. */
static json_t *process_to_json(void)
{
	json_t *o = json_object();
	uint64_t ticks = 0;

	(void)proc_start_time(getpid(), &ticks);
	(void)json_object_set_new(o, "pid", json_integer((json_int_t)getpid()));
	(void)json_object_set_new(o, "startTicks", json_integer((json_int_t)ticks));
	set_text(o, "bootId", proc_boot_id());
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
	(void)json_object_set_new(o, "format", json_integer(HOOKRUN_FORMAT));
	if (!runstate_is_over(rs))
		(void)json_object_set_new(o, "process", process_to_json());
	(void)json_object_set_new(o, "metadata", metadata);
	(void)json_object_set(o, "spec", rs->tmpl->spec);
	(void)json_object_set_new(o, "status", status);
	return o;
}

/* The process of the run that has the file, as far as its record tells; 0. */
static int owner_of(const char *path)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_json_ json_t *record = NULL;
	json_int_t pid;

	if (hookrun_read(path, &record, &err) < 0)
		return 0;
	pid = json_integer_value(json_object_get(json_object_get(record, "process"), "pid"));
	return pid > 0 && pid <= INT_MAX ? (int)pid : 0;
}

static int refuse_busy(const char *path, struct th_err *err)
{
	int pid = owner_of(path);
	_cleanup_free_ char *where = pid ? xasprintf(", in process %d", pid) : NULL;

	return err_set(err, EXIT_BUSY, EBUSY,
		"the run of '%s' is still under way%s (wait for its end, or name another file)",
		path, where ? where : "");
}

static int refuse_write(const char *path, int r, struct th_err *err)
{
	if (r == -EAGAIN)
		return refuse_busy(path, err);
	/* a link or a device, as /dev/null, would be replaced, and not written to */
	return err_set(err, EXIT_CANTCREAT, -r, "cannot write the record '%s': %s", path,
		r == -EMEDIUMTYPE || r == -ELOOP ? "not a regular file" : strerror(-r));
}

int hookrun_own(const char *path, int *ret_fd, struct th_err *err)
{
	int r = file_own_at(AT_FDCWD, path);

	if (r < 0 && r != -ENOENT)
		return refuse_write(path, r, err);
	*ret_fd = r < 0 ? -1 : r;
	return 0;
}

int hookrun_write(const char *path, const json_t *record, int *fd, struct th_err *err)
{
	_cleanup_free_ char *text = json_dumps(record, JSON_INDENT(2));
	_cleanup_free_ char *line = xasprintf("%s\n", text ? text : "{}");
	int r = file_replace_owned_at(AT_FDCWD, path, 0644, line, strlen(line), fd);

	return r < 0 ? refuse_write(path, r, err) : 0;
}

/* ---- back ------------------------------------------------------------------------------------ */

int hookrun_read(const char *path, json_t **ret, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *o = NULL;
	const char *kind;
	json_error_t e;
	size_t size = 0;
	int r = file_read_at(AT_FDCWD, path, FILEIO_REGULAR, HOOKRUN_SIZE_MAX, &text, &size);

	if (r < 0)
		return err_set(err, r == -EACCES ? EXIT_NOPERM : EXIT_CONFIG, -r,
			"cannot read the record '%s': %s", path,
			r == -EMEDIUMTYPE ? "not a regular file" : strerror(-r));
	o = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
	if (!o) {
		_cleanup_free_ char *shown = str_escape(e.text, 200);

		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the record '%s' is damaged: line %d: %s", path, e.line, shown);
	}
	kind = json_string_value(json_object_get(o, "kind"));
	if (!kind || (strcmp(kind, "HookRun") != 0 && strcmp(kind, "AnalysisRun") != 0) ||
		!json_is_object(json_object_get(o, "status")))
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"'%s' is no record of a run (a HookRun with a status)", path);
	*ret = TAKE_PTR(o);
	return 0;
}

static bool get_phase(const json_t *o, enum phase *ret)
{
	return phase_from_name(json_string_value(json_object_get(o, "phase")), ret);
}

/* Absent: 0. Kubernetes writes whole seconds. False: not of the form. */
static bool get_time(const json_t *o, const char *key, usec_t *ret)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);
	_cleanup_free_ char *longer = NULL;

	*ret = 0;
	if (!v || json_is_null(v))
		return true;
	if (!text)
		return false;
	if (parse_rfc3339(text, ret) == 0)
		return true;
	if (!str_ends_with(text, "Z"))
		return false;
	longer = xasprintf("%.*s.000Z", (int)MIN(strlen(text) - 1, (size_t)64), text);
	return parse_rfc3339(longer, ret) == 0;
}

/* Absent: NULL. */
static bool get_owned_text(const json_t *o, const char *key, char **ret)
{
	const json_t *v = json_object_get(o, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_string(v))
		return false;
	*ret = xstrdup(json_string_value(v));
	return true;
}

int hookrun_to_measurement(const json_t *o, struct measurement *ret)
{
	struct measurement m = {.phase = PHASE_PENDING};

	if (get_phase(o, &m.phase) && phase_is_terminal(m.phase) &&
		get_time(o, "startedAt", &m.started_usec) &&
		get_time(o, "finishedAt", &m.finished_usec) &&
		get_owned_text(o, "message", &m.message) && get_owned_text(o, "value", &m.value)) {
		m.reply = json_incref(json_object_get(o, "response"));
		*ret = m;
		return 0;
	}
	measurement_done(&m);
	return -EINVAL;
}

int hookrun_times(const json_t *record, usec_t *ret_started_usec, usec_t *ret_completed_usec)
{
	const json_t *status = json_object_get(record, "status");
	usec_t started, completed;

	if (!get_time(status, "startedAt", &started) ||
		!get_time(status, "completedAt", &completed))
		return -EINVAL;
	*ret_started_usec = started;
	*ret_completed_usec = completed;
	return 0;
}

const json_t *hookrun_find_metric(const json_t *record, const char *name)
{
	const json_t *list = json_object_get(json_object_get(record, "status"), "metricResults");
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		const char *own = json_string_value(json_object_get(o, "name"));

		if (own && strcmp(own, name) == 0)
			return o;
	}
	return NULL;
}

/* ---- going on -------------------------------------------------------------------------------- */

static int damaged(const char *path, const char *where, struct th_err *err)
{
	return err_set(err, EXIT_DATAERR, EBADMSG,
		"the record '%s' is damaged: %s (without --resume a new run begins)", path, where);
}

/* Names the first argument that has another value. */
static int compare_args(const char *path, const json_t *was, const json_t *is, struct th_err *err)
{
	const json_t *o;
	size_t i;

	json_array_foreach(is, i, o)
	{
		const json_t *other = json_array_get(was, i);
		const char *name = json_string_value(json_object_get(o, "name"));
		_cleanup_free_ char *shown = str_escape(name ? name : "", 60);

		if (!json_equal(o, other))
			return err_set(err, EXIT_DATAERR, EBADMSG,
				"the record '%s' is of a run with other arguments: '%s' differs "
				"(give "
				"the same ones, or leave out --resume)",
				path, shown);
	}
	return json_equal(was, is)
		       ? 0
		       : err_set(err, EXIT_DATAERR, EBADMSG,
				 "the record '%s' is of a run with other arguments", path);
}

static int compare_templates(
	const json_t *record, const char *path, const struct tmpl *t, struct th_err *err)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(record, "metadata"), "name"));
	const json_t *spec = json_object_get(record, "spec");
	_cleanup_free_ char *shown = str_escape(name ? name : "", 60);
	int r;

	if (!json_is_object(spec))
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the record '%s' has no format or spec, so taskhook did not write it: it "
			"cannot be gone on with",
			path);
	if (!name || strcmp(name, t->name) != 0)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the record '%s' is of the template '%s', and this one is '%s'", path,
			shown, t->name);
	if (json_equal(spec, t->spec))
		return 0;
	r = compare_args(
		path, json_object_get(spec, "args"), json_object_get(t->spec, "args"), err);
	return r < 0 ? r
		     : err_set(err, EXIT_DATAERR, EBADMSG,
			       "the record '%s' is of the template '%s' as it was before it was "
			       "changed (without --resume a new run begins)",
			       path, shown);
}

static int check_process(const json_t *record, const char *path, struct th_err *err)
{
	const json_t *o = json_object_get(record, "process");
	json_int_t pid = json_integer_value(json_object_get(o, "pid"));
	json_int_t ticks = json_integer_value(json_object_get(o, "startTicks"));
	const char *boot = json_string_value(json_object_get(o, "bootId"));

	if (boot && strcmp(boot, proc_boot_id()) == 0 && pid > 0 && pid <= INT_MAX && ticks > 0 &&
		pid != getpid() && proc_is_alive((pid_t)pid, (uint64_t)ticks))
		return refuse_busy(path, err);
	return 0;
}

static bool get_count(const json_t *o, const char *key, unsigned *ret)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	if (v && (!json_is_integer(v) || n < 0 || n > INT_MAX))
		return false;
	*ret = (unsigned)n;
	return true;
}

static bool get_counts(const json_t *o, struct metric_state *s)
{
	return get_count(o, "count", &s->count) && get_count(o, "successful", &s->successful) &&
	       get_count(o, "failed", &s->failed) &&
	       get_count(o, "inconclusive", &s->inconclusive) && get_count(o, "error", &s->error) &&
	       get_count(o, "consecutiveError", &s->consecutive_error) &&
	       get_count(o,
		       json_object_get(o, "consecutiveSuccessful") ? "consecutiveSuccessful"
								   : "consecutiveSuccess",
		       &s->consecutive_success) &&
	       (uint64_t)s->successful + s->failed + s->inconclusive == s->count &&
	       s->consecutive_error <= s->error && s->consecutive_success <= s->successful;
}

/* A clock that was set back makes what lies between a time of the record and now 0. */
static bool resume_metric(const json_t *o, const struct tmpl_metric *m, struct metric_state *s,
	usec_t now, usec_t now_usec)
{
	const json_t *list = json_object_get(o, "measurements"), *v;
	enum phase phase;
	size_t i;

	if (!get_phase(o, &phase) || !get_counts(o, s) || !json_is_array(list) ||
		json_array_size(list) > m->retention || !get_owned_text(o, "message", &s->message))
		return false;
	s->kept = xcalloc(json_array_size(list) + 1, sizeof(*s->kept));
	json_array_foreach(list, i, v)
	{
		if (hookrun_to_measurement(v, &s->kept[i]) < 0)
			return false;
		s->n_kept = i + 1;
	}
	s->measured = s->count > 0 || s->error > 0;
	if (s->measured != (s->n_kept > 0))
		return false;
	if (s->measured) {
		const struct measurement *last = &s->kept[s->n_kept - 1];

		s->last = last->phase;
		s->finished_usec = usec_sub(now, usec_sub(now_usec, last->finished_usec));
	}
	/* one that was under way has to be taken again */
	s->phase = phase_is_terminal(phase) ? phase : PHASE_PENDING;
	return true;
}

static int resume_status(const json_t *record, const char *path, struct runstate *rs, usec_t now,
	usec_t now_usec, usec_t *ret_started_usec, struct th_err *err)
{
	const json_t *status = json_object_get(record, "status"), *o;
	const json_t *list = json_object_get(status, "metricResults");
	enum phase phase;
	size_t i, known = 0;

	if (!get_phase(status, &phase))
		return damaged(path, "status.phase", err);
	if (!get_time(status, "startedAt", ret_started_usec) || *ret_started_usec == 0)
		return damaged(path, "status.startedAt", err);
	if (!json_is_array(list))
		return damaged(path, "status.metricResults", err);
	rs->started_usec = usec_sub(now, usec_sub(now_usec, *ret_started_usec));
	for (i = 0; i < rs->tmpl->n; i++) {
		o = hookrun_find_metric(record, rs->tmpl->metrics[i].name);
		if (!o)
			continue;
		known++;
		if (!resume_metric(o, &rs->tmpl->metrics[i], &rs->metrics[i], now, now_usec)) {
			_cleanup_free_ char *where =
				xasprintf("the results of metric '%s'", rs->tmpl->metrics[i].name);

			return damaged(path, where, err);
		}
	}
	if (known != json_array_size(list))
		return damaged(path, "results of a metric that the template has not", err);
	if (!phase_is_terminal(phase)) {
		runstate_assess(rs);
		return 0;
	}
	rs->phase = phase;
	return get_owned_text(status, "message", &rs->message)
		       ? 0
		       : damaged(path, "status.message", err);
}

int hookrun_resume(const json_t *record, const char *path, struct runstate *rs, usec_t now,
	usec_t now_usec, usec_t *ret_started_usec, struct th_err *err)
{
	const json_t *format = json_object_get(record, "format");
	usec_t started = 0;
	int r;

	if (json_is_integer(format) && json_integer_value(format) > HOOKRUN_FORMAT)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the record '%s' is of a later taskhook (format %" JSON_INTEGER_FORMAT ")",
			path, json_integer_value(format));
	r = compare_templates(record, path, rs->tmpl, err);
	if (r == 0)
		r = check_process(record, path, err);
	if (r == 0)
		r = resume_status(record, path, rs, now, now_usec, &started, err);
	if (r == 0)
		*ret_started_usec = started;
	return r;
}
