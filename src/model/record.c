#include "config.h"

#include "model/record.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/macro.h"
#include "model/jsonio.h"
#include "model/name.h"

#include <errno.h>
#include <inttypes.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Who decided the status; static, as struct outcome only points to them. */
static const char *const deciders[] = {"task", "hook", "taskhook"};

void record_done(struct record *r)
{
	free(r->group);
	free(r->id);
	outcome_done(&r->outcome);
	strv_done(&r->output);
	free(r->message);
	free(r->result_file);
	strv_done(&r->warnings);
	artifact_results_done(&r->artifacts);
	record_set_task(r, NULL);
	json_decref(r->updates);
	json_decref(r->hook_state);
	*r = (struct record){0};
}

void record_set_task(struct record *r, json_t *task)
{
	json_decref(r->task);
	r->task = task;
	free(r->task_text);
	r->task_text = NULL;
}

/* ---- to JSON ---- */

static void put_time(json_t *j, const char *name, usec_t realtime)
{
	_cleanup_free_ char *usec_name = xasprintf("%s_usec", name);
	char buf[CLOCK_RFC3339_MAX];

	if (!realtime)
		return;
	json_put(j, name, json_string(clock_rfc3339(realtime, buf, sizeof(buf))));
	json_put_u64(j, usec_name, realtime);
}

static json_t *failed_to_json(const struct record *r)
{
	const struct outcome *o = &r->outcome;
	json_t *j = json_object();

	if (o->failed_point != POINT_NONE)
		json_put_text(j, "point", point_name(o->failed_point));
	json_put_text(j, "hook", o->failed_hook);
	json_put_text(j, "reason", o->failed_reason);
	json_put_strv(j, "output", &r->output);
	return j;
}

static json_t *usage_to_json(const struct usage *u)
{
	json_t *j = json_object();

	json_put_u64(j, "cpu_user_usec", u->cpu_user_usec);
	json_put_u64(j, "cpu_system_usec", u->cpu_system_usec);
	json_put_u64(j, "memory_peak", u->memory_peak);
	if (u->has_io) {
		json_put_u64(j, "io_rbytes", u->io_rbytes);
		json_put_u64(j, "io_wbytes", u->io_wbytes);
	}
	json_put_u64(j, "oom_kills", u->oom_kills);
	return j;
}

static json_t *last_exit_to_json(const struct last_exit *e)
{
	json_t *j = json_object();

	json_put_text(j, "result", result_name(e->result));
	if (e->has_exit_code)
		json_put(j, "exit_code", json_integer(e->exit_code));
	if (e->exit_signal)
		json_put(j, "signal", json_integer(e->exit_signal));
	if (e->oom_killed)
		json_put_bool(j, "oom_killed", true);
	put_time(j, "at", e->at);
	json_put_u64(j, "duration_usec", e->duration_usec);
	return j;
}

static void put_restarts(json_t *j, const struct record *r)
{
	json_t *window;

	if (r->counters.window_start) {
		window = json_object();
		json_put_u64(window, "begun_usec", r->counters.window_start);
		json_put_u64(window, "attempts", r->counters.attempts);
		json_put(j, "restart_window", window);
	}
	if (r->last_exit.known)
		json_put(j, "last_exit", last_exit_to_json(&r->last_exit));
}

static void put_outcome(json_t *j, const struct record *r)
{
	const struct outcome *o = &r->outcome;
	json_t *failed;

	if (o->result != RESULT_NONE)
		json_put_text(j, "result", result_name(o->result));
	if (o->has_exit_code)
		json_put(j, "exit_code", json_integer(o->exit_code));
	if (o->exit_signal)
		json_put(j, "signal", json_integer(o->exit_signal));
	if (o->oom_killed)
		json_put_bool(j, "oom_killed", true);
	if (o->stop_reason != STOP_NONE)
		json_put_text(j, "stop_reason", stop_reason_name(o->stop_reason));
	if (o->decided_by) {
		json_put(j, "status", json_integer(o->status));
		json_put_text(j, "decided_by", o->decided_by);
	}
	failed = failed_to_json(r);
	if (json_object_size(failed) > 0)
		json_put(j, "failed", failed);
	else
		json_decref(failed);
}

json_t *record_to_json(const struct record *r)
{
	json_t *j = json_object(), *supervisor = json_object();

	/* record_read_settled() knows how it begins. */
	json_put(j, "format", json_integer(RECORD_FORMAT));
	json_put_text(j, "taskhook", PACKAGE_VERSION);
	json_put_text(j, "id", r->id);
	json_put_text(j, "state", state_name(r->state));
	json_put_u64(j, "run", r->run_number);
	json_put_text(j, "group", r->group);
	json_put_u64(j, "restarts", r->restart_count);
	json_put_text(j, "boot_id", r->boot_id);
	json_put_u64(j, "uid", r->uid);
	put_time(j, "started", r->started);
	put_time(j, "launched", r->launched);
	json_put(supervisor, "pid", json_integer(r->supervisor_pid));
	json_put_u64(supervisor, "start_ticks", r->supervisor_start_ticks);
	json_put(j, "supervisor", supervisor);
	put_time(j, "ended", r->ended);
	if (r->duration_usec)
		json_put_u64(j, "duration_usec", r->duration_usec);
	put_restarts(j, r);
	put_outcome(j, r);
	if (r->usage.known)
		json_put(j, "usage", usage_to_json(&r->usage));
	json_put_text(j, "message", r->message);
	json_put_text(j, "result_file", r->result_file);
	if (r->log_dropped)
		json_put_u64(j, "log_dropped", r->log_dropped);
	json_put_strv(j, "warnings", &r->warnings);
	if (r->artifacts.n)
		json_put(j, "artifacts", artifact_results_to_json(&r->artifacts));
	if (r->task)
		json_put(j, "task", json_incref(r->task));
	if (json_object_size(r->updates))
		json_put(j, "updates", json_incref(r->updates));
	if (r->hook_state)
		json_put(j, "hook_state", json_incref(r->hook_state));
	return j;
}

/* ---- from JSON ---- */

static bool in_int(struct json_in *in, const char *key, int64_t min, int64_t max, int *ret)
{
	int64_t n = INT64_MIN;

	json_in_int(in, key, min, max, &n);
	if (n == INT64_MIN)
		return false;
	*ret = (int)n;
	return true;
}

static void in_failed(struct json_in *outer, struct record *r)
{
	struct json_in in = {
		.object = json_in_object(outer, "failed"), .what = "failed", .err = outer->err};
	struct outcome *o = &r->outcome;
	const char *word = json_in_word(&in, "point");

	if (word)
		o->failed_point = point_from_name(word);
	json_in_text(&in, "hook", &o->failed_hook);
	json_in_text(&in, "reason", &o->failed_reason);
	json_in_strv(&in, "output", &r->output);
	if (in.failed)
		outer->failed = in.failed;
}

static void in_outcome(struct json_in *in, struct record *r)
{
	struct outcome *o = &r->outcome;
	const char *word;

	o->failed_point = POINT_NONE;
	/* A word of a newer taskhook is not worth the record: it stays unknown. */
	word = json_in_word(in, "result");
	if (word)
		o->result = result_from_name(word);
	word = json_in_word(in, "stop_reason");
	if (word)
		o->stop_reason = stop_reason_from_name(word);
	word = json_in_word(in, "decided_by");
	for (size_t i = 0; word && i < ARRAY_SIZE(deciders); i++)
		if (strcmp(deciders[i], word) == 0)
			o->decided_by = deciders[i];
	o->has_exit_code = in_int(in, "exit_code", 0, 255, &o->exit_code);
	(void)in_int(in, "signal", 0, 255, &o->exit_signal);
	(void)in_int(in, "status", 0, 255, &o->status);
	json_in_bool(in, "oom_killed", &o->oom_killed);
	in_failed(in, r);
}

static void in_restarts(struct json_in *outer, struct record *r)
{
	struct json_in window = {.object = json_in_object(outer, "restart_window"),
		.what = "restart_window",
		.err = outer->err};
	struct json_in last = {.object = json_in_object(outer, "last_exit"),
		.what = "last_exit",
		.err = outer->err};
	struct last_exit *e = &r->last_exit;
	const char *word;
	int64_t n = 0;

	if (window.object) {
		json_in_u64(&window, "begun_usec", &r->counters.window_start);
		json_in_int(&window, "attempts", 0, RESTART_ATTEMPTS_MAX, &n);
		r->counters.attempts = (unsigned)n;
	}
	if (last.object) {
		e->known = true;
		word = json_in_word(&last, "result");
		if (word)
			e->result = result_from_name(word);
		e->has_exit_code = in_int(&last, "exit_code", 0, 255, &e->exit_code);
		(void)in_int(&last, "signal", 0, 255, &e->exit_signal);
		json_in_bool(&last, "oom_killed", &e->oom_killed);
		json_in_u64(&last, "at_usec", &e->at);
		json_in_u64(&last, "duration_usec", &e->duration_usec);
	}
	if (window.failed || last.failed)
		outer->failed = window.failed ? window.failed : last.failed;
}

static void in_usage(struct json_in *outer, struct usage *u)
{
	struct json_in in = {
		.object = json_in_object(outer, "usage"), .what = "usage", .err = outer->err};

	if (!in.object)
		return;
	u->known = true;
	json_in_u64(&in, "cpu_user_usec", &u->cpu_user_usec);
	json_in_u64(&in, "cpu_system_usec", &u->cpu_system_usec);
	json_in_u64(&in, "memory_peak", &u->memory_peak);
	u->has_io = json_object_get(in.object, "io_rbytes") != NULL;
	json_in_u64(&in, "io_rbytes", &u->io_rbytes);
	json_in_u64(&in, "io_wbytes", &u->io_wbytes);
	json_in_u64(&in, "oom_kills", &u->oom_kills);
	if (in.failed)
		outer->failed = in.failed;
}

static void in_identity(struct json_in *in, struct record *r)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	const char *boot_id;
	int64_t n;

	json_in_text(in, "group", &r->group);
	json_in_text(in, "id", &r->id);
	/* These become paths. */
	if (!r->group || name_check(r->group, "group", &why) < 0)
		json_in_refuse(in, "group", "is missing or no name of a group");
	if (!r->id || name_check(r->id, "task ID", &why) < 0)
		json_in_refuse(in, "id", "is missing or no ID");

	boot_id = json_in_word(in, "boot_id");
	if (boot_id && strlen(boot_id) < sizeof(r->boot_id))
		memcpy(r->boot_id, boot_id, strlen(boot_id) + 1);
	else if (boot_id)
		json_in_refuse(in, "boot_id", "is too long");

	n = 0;
	json_in_int(in, "run", 0, UINT_MAX, &n);
	r->run_number = (unsigned)n;
	n = 0;
	json_in_int(in, "restarts", 0, UINT_MAX, &n);
	r->restart_count = (unsigned)n;
	n = 0;
	json_in_int(in, "uid", 0, UINT_MAX, &n);
	r->uid = (uid_t)n;
}

static void in_supervisor(struct json_in *outer, struct record *r)
{
	struct json_in in = {.object = json_in_object(outer, "supervisor"),
		.what = "supervisor",
		.err = outer->err};
	int pid = 0;

	(void)in_int(&in, "pid", 0, INT_MAX, &pid);
	r->supervisor_pid = pid;
	json_in_u64(&in, "start_ticks", &r->supervisor_start_ticks);
	if (in.failed)
		outer->failed = in.failed;
}

int record_from_json(const json_t *j, struct record *ret, struct th_err *err)
{
	_cleanup_record_ struct record r = {0};
	struct json_in in = {.object = j, .what = "record", .err = err};
	const char *state;
	const json_t *object;
	int64_t format = 0;

	if (!json_is_object(j))
		return err_set(err, EXIT_DATAERR, EBADMSG, "it is not a JSON object");
	json_in_int(&in, "format", 1, INT_MAX, &format);
	if (in.failed || format == 0)
		return err_set(err, EXIT_DATAERR, EBADMSG, "it has no format number");
	if (format > RECORD_FORMAT)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"its format is %lld, and this taskhook (" PACKAGE_VERSION
			") knows %d: use the taskhook that wrote it",
			(long long)format, RECORD_FORMAT);
	r.format = (int)format;
	in_identity(&in, &r);
	in_supervisor(&in, &r);
	json_in_u64(&in, "started_usec", &r.started);
	json_in_u64(&in, "launched_usec", &r.launched);
	json_in_u64(&in, "ended_usec", &r.ended);
	json_in_u64(&in, "duration_usec", &r.duration_usec);
	state = json_in_word(&in, "state");
	r.state = state ? state_from_name(state) : STATE_INVALID;
	if (r.state == STATE_INVALID)
		json_in_refuse(&in, "state", "is missing or unknown");
	in_restarts(&in, &r);
	in_outcome(&in, &r);
	in_usage(&in, &r.usage);
	json_in_text(&in, "message", &r.message);
	json_in_text(&in, "result_file", &r.result_file);
	json_in_u64(&in, "log_dropped", &r.log_dropped);
	json_in_strv(&in, "warnings", &r.warnings);
	if (artifact_results_from_json(json_in_array(&in, "artifacts"), &r.artifacts, err) < 0)
		in.failed = -EBADMSG;
	object = json_in_object(&in, "task");
	r.task = object ? json_incref(json_object_get(j, "task")) : NULL;
	object = json_in_object(&in, "updates");
	r.updates = object ? json_incref(json_object_get(j, "updates")) : NULL;
	object = json_in_object(&in, "hook_state");
	r.hook_state = object ? json_incref(json_object_get(j, "hook_state")) : NULL;
	if (in.failed)
		return -EBADMSG;
	*ret = r;
	r = (struct record){0};
	return 0;
}

/* ---- files ---- */

/* The record before, whose space the next one takes. Its name begins with a dot, as no ID does. */
static char *name_before(const char *id)
{
	return xasprintf(".%s.json.before", id);
}

/* Half of it is the task, which is the same each time. */
static char *to_text(struct record *r)
{
	_cleanup_free_ char *rest = NULL;
	json_t *task = r->task, *j;

	r->task = NULL;
	j = record_to_json(r);
	r->task = task;
	rest = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (!rest || !task)
		return TAKE_PTR(rest);
	if (!r->task_text)
		r->task_text = json_dumps(task, JSON_COMPACT);
	if (!r->task_text)
		return NULL;
	rest[strlen(rest) - 1] = '\0'; /* its brace */
	return xasprintf("%s,\"task\":%s}", rest, r->task_text);
}

int record_write(int dirfd, struct record *r, struct th_err *err)
{
	_cleanup_free_ char *name = xasprintf("%s.json", r->id), *text = to_text(r);
	_cleanup_free_ char *before = name_before(r->id);
	int rc;

	if (!text)
		return err_set(err, EXIT_INTERNAL, ENOMEM, "cannot write the record of '%s/%s'",
			r->group, r->id);
	if (strlen(text) > RECORD_MAX)
		return err_set(err, EXIT_DATAERR, EFBIG,
			"the record of '%s/%s' would be %zu bytes, and %d are allowed: its "
			"environment or command is too large",
			r->group, r->id, strlen(text), RECORD_MAX);
	rc = file_alternate_at(dirfd, name, before, 0600, text, strlen(text));
	if (rc < 0)
		return err_set(err, EXIT_CANTCREAT, -rc, "cannot write the record of '%s/%s': %s",
			r->group, r->id, strerror(-rc));
	return 0;
}

int record_read(int dirfd, const char *id, struct record *ret, struct th_err *err)
{
	_cleanup_free_ char *name = xasprintf("%s.json", id), *text = NULL;
	json_error_t where;
	size_t n;
	json_t *j;
	int rc;

	rc = file_read_at(dirfd, name, FILEIO_REGULAR | FILEIO_NOFOLLOW | FILEIO_ALTERNATED,
		RECORD_MAX, &text, &n);
	if (rc == -ENOENT)
		return err_set(err, EXIT_DATAERR, ENOENT, "there is no record of '%s'", id);
	if (rc == -EFBIG || rc == -ELOOP || rc == -EMEDIUMTYPE) {
		(void)err_set(err, EXIT_DATAERR, -rc, "the record '%s' is damaged: %s", name,
			file_reason(-rc));
		return -EBADMSG;
	}
	if (rc < 0)
		return err_set(err, EXIT_NOPERM, -rc, "cannot read the record '%s': %s", name,
			strerror(-rc));

	j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	if (!j) {
		(void)err_set(err, EXIT_DATAERR, EBADMSG, "the record '%s' is damaged: line %d: %s",
			name, where.line, where.text);
		return -EBADMSG;
	}
	rc = record_from_json(j, ret, err);
	json_decref(j);
	if (rc < 0) {
		err_prefix(err, "the record '%s' cannot be used", name);
		return -EBADMSG;
	}
	/* Whatever it says of itself, the name of the file is what leads to the task. */
	if (strcmp(ret->id, id) != 0) {
		rc = err_set(err, EXIT_DATAERR, EBADMSG, "the record '%s' is that of '%s'", name,
			ret->id);
		record_done(ret);
		return rc;
	}
	return 0;
}

/* Goes over `text` at *p, which moves on. */
static bool skip(const char **p, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*p, text, n) != 0)
		return false;
	*p += n;
	return true;
}

/* The name of a state in quotes that owes nothing more. */
static bool skip_settled_state(const char **p)
{
	static const enum task_state settled[] = {STATE_DONE, STATE_FAILED};

	for (size_t i = 0; i < ARRAY_SIZE(settled); i++) {
		const char *here = *p;

		if (skip(&here, state_name(settled[i])) && skip(&here, "\"")) {
			*p = here;
			return true;
		}
	}
	return false;
}

_Static_assert(RECORD_FORMAT == 1, "which the next one expects");

int record_read_settled(int dirfd, const char *id, unsigned *ret_run_number)
{
	_cleanup_free_ char *name = xasprintf("%s.json", id), *text = NULL;
	const char *p;
	char *end;
	unsigned long n;
	size_t size;
	int r = file_read_at(dirfd, name, FILEIO_REGULAR | FILEIO_NOFOLLOW | FILEIO_ALTERNATED,
		RECORD_MAX, &text, &size);

	if (r < 0)
		return r;
	p = text;
	if (!skip(&p, "{\"format\":1,\"taskhook\":\"" PACKAGE_VERSION "\",\"id\":\"") ||
		!skip(&p, id) || !skip(&p, "\",\"state\":\"") || !skip_settled_state(&p) ||
		!skip(&p, ",\"run\":") || text[size - 1] != '}')
		return -EBADMSG;
	errno = 0;
	n = strtoul(p, &end, 10);
	if (errno || end == p || *end != ',' || n > UINT_MAX)
		return -EBADMSG;
	*ret_run_number = (unsigned)n;
	return 0;
}

int record_set_aside(int dirfd, const char *id, struct th_err *err)
{
	_cleanup_free_ char *name = xasprintf("%s.json", id);
	_cleanup_free_ char *aside = xasprintf("%s.damaged-%" PRIu64, name, clock_realtime_usec());

	if (renameat(dirfd, name, dirfd, aside) < 0)
		return err_set(
			err, EXIT_CANTCREAT, errno, "cannot set the record '%s' aside: %m", name);
	return 0;
}

int record_remove(int dirfd, const char *id)
{
	_cleanup_free_ char *name = xasprintf("%s.json", id), *before = name_before(id);
	int r = unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;

	if (unlinkat(dirfd, before, 0) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	return r;
}
