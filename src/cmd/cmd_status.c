#include "config.h"

#include "cmd/cmd_status.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/field.h"
#include "cmd/hook_records.h"
#include "cmd/task_stats.h"
#include "cmd/task_view.h"
#include "model/jsonio.h"
#include "run/fetchview.h"
#include "run/plan.h"

#include <stddef.h>
#include <string.h>

/* The last records of hooks that are told. */
#define HOOKS_SHOWN 8

/* As much of a digest as people compare: "sha256:" and 12 digits. */
#define DIGEST_SHOWN 19

struct status_data {
	bool json;
};

static const struct cmd_option status_options[] = {
	{0, "json", NULL, "print JSON", .flag = offsetof(struct status_data, json)},
	{0},
};

static const struct cmd_option *const groups[] = {status_options, NULL};

static const char *span(usec_t usec, char *buf, size_t size)
{
	if (usec >= USEC_PER_SEC)
		usec = usec / USEC_PER_SEC * USEC_PER_SEC;
	return clock_format_span(usec, buf, size);
}

static void say_state(const struct task_view *v)
{
	char when[CLOCK_RFC3339_MAX], how_long[CLOCK_SPAN_MAX];
	_cleanup_free_ char *phase = NULL;

	/* The phase where it says more than the word. */
	if (v->state != STATE_INVALID && strcmp(state_name(v->state), task_view_word(v)) != 0)
		phase = xasprintf(" (%s)", state_name(v->state));
	if (v->since)
		field_print("state", "%s%s since %s, %s", task_view_word(v), phase ? phase : "",
			clock_rfc3339(v->since, when, sizeof(when)),
			span(usec_sub(clock_realtime_usec(), v->since), how_long,
				sizeof(how_long)));
	else
		field_print("state", "%s%s", task_view_word(v), phase ? phase : "");
	if (v->lost)
		field_print("", "%s; 'taskhook recover' %s",
			v->rebooted ? "the host was started again since" : "its supervisor is gone",
			v->runs_on ? "gives it another" : "brings down what it left");
	if (v->state == STATE_STUCK)
		field_print("", "something of it cannot be killed; 'taskhook cleanup' tries again");
	if (v->record_problem)
		field_print("record", "%s", v->record_problem);
}

static void say_hook(const struct task_view *v)
{
	char now[CLOCK_SPAN_MAX], limit[CLOCK_SPAN_MAX];
	usec_t since, timeout;
	_cleanup_free_ char *name = task_view_hook(v, &since, &timeout);

	if (name)
		field_print("hook", "%s: %s of %s", name,
			span(usec_sub(clock_realtime_usec(), since), now, sizeof(now)),
			clock_format_span(timeout, limit, sizeof(limit)));
}

static void say_command(const struct record *r)
{
	struct json_in in = {.object = r->task, .what = "task"};
	_cleanup_strv_ struct strv command = STRV_INIT;
	_cleanup_free_ char *user = NULL, *file = NULL, *text = NULL;

	json_in_strv(&in, "command", &command);
	json_in_text(&in, "user", &user);
	json_in_text(&in, "file", &file);
	if (command.n) {
		text = strv_shell_join(command.v);
		field_print("command", "%s", text);
	}
	if (user)
		field_print("user", "%s", user);
	if (file)
		field_print("file", "%s", file);
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void say_updates(const struct record *r)
{
	const char *key;
	json_t *j;
	bool first = true;

	json_object_foreach(r->updates, key, j)
	{
		_cleanup_free_ char *from = json_to_text(json_object_get(j, "from"));
		_cleanup_free_ char *to = json_to_text(json_object_get(j, "to"));

		/* The values of variables are told nowhere. */
		if (str_starts_with(key, "env."))
			field_print(first ? "updated" : "", "%s, %s", key, text_of(j, "at"));
		else
			field_print(first ? "updated" : "", "%s: %s -> %s, %s", key,
				from ? from : "none", to ? to : "none", text_of(j, "at"));
		first = false;
	}
}

static void say_end(const struct task_view *v)
{
	const struct record *r = &v->record;
	const struct outcome *o = &r->outcome;
	_cleanup_free_ char *result = task_view_result(v);
	char how_long[CLOCK_SPAN_MAX];

	if (*result)
		field_print("result", "%s%s%s%s", result, o->oom_killed ? ", out of memory" : "",
			r->duration_usec ? ", after " : "",
			r->duration_usec
				? clock_format_span(r->duration_usec, how_long, sizeof(how_long))
				: "");
	if (o->stop_reason != STOP_NONE && o->stop_reason != STOP_EXITED)
		field_print("stopped", "%s", stop_reason_name(o->stop_reason));
	if (o->decided_by)
		field_print("status", "%d, decided by %s", o->status, o->decided_by);
	if (o->failed_point != POINT_NONE || o->failed_reason)
		field_print("failed", "%s%s%s%s%s",
			o->failed_point == POINT_NONE ? "" : point_name(o->failed_point),
			o->failed_hook ? "/" : "", o->failed_hook ? o->failed_hook : "",
			o->failed_reason && (o->failed_hook || o->failed_point != POINT_NONE) ? ": "
											      : "",
			o->failed_reason ? o->failed_reason : "");
	for (size_t i = 0; i < r->output.n; i++)
		field_print("|", "%s", r->output.v[i]);
}

static void say_artifacts(const struct artifact_results *all)
{
	char bytes[32], took[CLOCK_SPAN_MAX];

	for (size_t i = 0; i < all->n; i++) {
		const struct artifact_result *a = &all->v[i];

		field_print("artifact", "%s: %s, %s in %s%s%.*s", a->name,
			artifact_outcome_name(a->outcome),
			fetchview_format_bytes(a->size, bytes, sizeof(bytes)),
			clock_format_span(a->usec, took, sizeof(took)), a->digest ? ", " : "",
			DIGEST_SHOWN, a->digest ? a->digest : "");
	}
}

static void say_usage(const struct usage *u)
{
	char user[CLOCK_SPAN_MAX], kernel[CLOCK_SPAN_MAX], memory[32];

	if (!u->known)
		return;
	field_print("CPU", "%s user, %s system",
		clock_format_span(u->cpu_user_usec, user, sizeof(user)),
		clock_format_span(u->cpu_system_usec, kernel, sizeof(kernel)));
	if (u->memory_peak)
		field_print("memory", "%s at most",
			format_size(u->memory_peak, memory, sizeof(memory)));
}

/* How long a stop takes at most: pre-stop, grace, the kill, post-exit and post-stop, with the hooks
 * that are there now. False where it cannot be told. */
static bool stop_budget(const struct task_view *v, const struct layout *l, usec_t *ret)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_task_ struct task *task = NULL;
	struct plan_budget budget;

	if (!task_view_is_live(v) || !v->has_record || !v->record.task ||
		task_from_json(v->record.task, &task, &why) < 0 ||
		plan_budget(l, task, &budget, &why) < 0)
		return false;
	*ret = budget.stop;
	return true;
}

static void say_stop_budget(const struct task_view *v, const struct layout *l)
{
	char how_long[CLOCK_SPAN_MAX];
	usec_t usec;

	if (stop_budget(v, l, &usec))
		field_print("stop", "takes at most %s",
			clock_format_span(usec, how_long, sizeof(how_long)));
}

static uint64_t oom_kills(const struct task_view *v)
{
	struct proc_table procs = {.v = NULL};
	struct task_stats stats;

	task_stats_read(v, &procs, &stats);
	proc_table_done(&procs);
	return stats.oom_kills;
}

static json_t *last_hooks(const struct task_view *v, const struct layout *l, struct th_err *err)
{
	json_t *all;

	return hook_records_read(l, v->group, v->id, HOOKS_SHOWN, &all, err) < 0 ? NULL : all;
}

static void say_hooks(const struct task_view *v, const struct layout *l)
{
	struct th_err err = TH_ERR_INIT;
	json_t *all = last_hooks(v, l, &err), *record;
	char how_long[CLOCK_SPAN_MAX];
	size_t i;

	if (!all) {
		(void)cmd_fail(&err);
		return;
	}
	json_array_foreach(all, i, record)
	{
		_cleanup_free_ char *result = hook_record_result(record);
		const json_t *ms = json_object_get(record, "duration_ms");
		bool ran = json_is_integer(ms) && json_integer_value(ms) >= 0;

		field_print(i ? "" : "hooks", "%s %s/%s: %s%s%s", text_of(record, "time"),
			text_of(record, "point"), text_of(record, "name"), result, ran ? ", " : "",
			ran ? clock_format_span((usec_t)json_integer_value(ms) * USEC_PER_MSEC,
				      how_long, sizeof(how_long))
			    : "");
	}
	json_decref(all);
}

static void print_text(const struct task_view *v, const struct layout *l)
{
	uint64_t kills = oom_kills(v);
	_cleanup_free_ char *dir = layout_task_dir(l, v->group, v->id);
	_cleanup_free_ char *logs = layout_log_dir(l, v->group, v->id);
	pid_t pid = task_view_pid(v);

	printf("%s/%s\n", v->group, v->id);
	say_state(v);
	say_hook(v);
	if (pid)
		field_print("pid", "%d", (int)pid);
	if (v->supervised && v->supervisor_pid)
		field_print("supervisor", "%d", (int)v->supervisor_pid);
	if (v->has_record) {
		field_print("run", "%u, restarts %u", v->record.run_number, task_view_restarts(v));
		say_command(&v->record);
		say_updates(&v->record);
		if (v->record.message)
			field_print("message", "%s", v->record.message);
		say_end(v);
		say_artifacts(&v->record.artifacts);
		say_usage(&v->record.usage);
		for (size_t i = 0; i < v->record.warnings.n; i++)
			field_print("warning", "%s", v->record.warnings.v[i]);
		if (v->record.log_dropped)
			field_print("dropped", "%llu bytes of the logs",
				(unsigned long long)v->record.log_dropped);
	}
	if (kills)
		field_print("memory", "ran out: %llu killed", (unsigned long long)kills);
	say_stop_budget(v, l);
	say_hooks(v, l);
	field_print("directory", "%s", dir);
	field_print("logs", "%s", logs);
}

static int print_json(const struct task_view *v, const struct layout *l)
{
	json_t *all = json_object(), *j = task_view_to_json(v, l), *hooks;
	struct th_err err = TH_ERR_INIT;
	usec_t usec;

	json_put(all, "format", json_integer(TASK_VIEW_FORMAT));
	(void)json_object_update(all, j);
	if (stop_budget(v, l, &usec))
		json_put_u64(all, "stop_at_most_usec", usec);
	json_put_u64(all, "oom_kills", oom_kills(v));
	hooks = last_hooks(v, l, &err);
	if (hooks)
		json_put(all, "hooks", hooks);
	else
		(void)cmd_fail(&err);
	json_decref(j);
	return cmd_print_json(all, 0, "the state");
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct status_data *d = data;
	_cleanup_free_ char *group = NULL, *id = NULL;
	_cleanup_task_view_ struct task_view v = {0};
	struct th_err err = TH_ERR_INIT;

	(void)argc;
	if (cmd_load(ctx, &err) < 0 || cmd_find_task(ctx, argv[0], &group, &id, &err) < 0 ||
		task_view_read(&ctx->layout, group, id, &v, &err) < 0)
		return cmd_fail(&err);
	if (d->json)
		return print_json(&v, &ctx->layout);
	print_text(&v, &ctx->layout);
	return EXIT_OK;
}

const struct cmd cmd_status = {
	.name = "status",
	.synopsis = "[--json] TASK",
	.summary = "tell all that is known of a task",
	.groups = groups,
	.min_args = 1,
	.max_args = 1,
	.data_size = sizeof(struct status_data),
	.run = run,
};
