#include "config.h"

#include "cmd/cmd_status.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_view.h"
#include "model/jsonio.h"
#include "run/fetchview.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

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

/* "    label: text" */
PRINTF_ATTR(2, 3)
static void say(const char *label, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL, *safe = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	/* Much of it comes from outside: a hook's message, a command line. */
	safe = str_escape(text ? text : "", 0);
	printf("%12s  %s\n", label, safe);
}

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
		say("state", "%s%s since %s, %s", task_view_word(v), phase ? phase : "",
			clock_rfc3339(v->since, when, sizeof(when)),
			span(usec_sub(clock_realtime_usec(), v->since), how_long,
				sizeof(how_long)));
	else
		say("state", "%s%s", task_view_word(v), phase ? phase : "");
	if (v->lost)
		say("", "%s; 'taskhook cleanup' brings down what it left",
			v->rebooted ? "the host was started again since"
				    : "its supervisor is gone");
	if (v->state == STATE_STUCK)
		say("", "something of it cannot be killed; 'taskhook cleanup' tries again");
	if (v->record_problem)
		say("record", "%s", v->record_problem);
}

static void say_hook(const struct task_view *v)
{
	char now[CLOCK_SPAN_MAX], limit[CLOCK_SPAN_MAX];
	usec_t since, timeout;
	_cleanup_free_ char *name = task_view_hook(v, &since, &timeout);

	if (name)
		say("hook", "%s: %s of %s", name,
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
		say("command", "%s", text);
	}
	if (user)
		say("user", "%s", user);
	if (file)
		say("file", "%s", file);
}

static void say_end(const struct task_view *v)
{
	const struct record *r = &v->record;
	const struct outcome *o = &r->outcome;
	_cleanup_free_ char *result = task_view_result(v);
	char how_long[CLOCK_SPAN_MAX];

	if (*result)
		say("result", "%s%s%s%s", result, o->oom_killed ? ", out of memory" : "",
			r->duration_usec ? ", after " : "",
			r->duration_usec
				? clock_format_span(r->duration_usec, how_long, sizeof(how_long))
				: "");
	if (o->stop_reason != STOP_NONE && o->stop_reason != STOP_EXITED)
		say("stopped", "%s", stop_reason_name(o->stop_reason));
	if (o->decided_by)
		say("status", "%d, decided by %s", o->status, o->decided_by);
	if (o->failed_point != POINT_NONE || o->failed_reason)
		say("failed", "%s%s%s%s%s",
			o->failed_point == POINT_NONE ? "" : point_name(o->failed_point),
			o->failed_hook ? "/" : "", o->failed_hook ? o->failed_hook : "",
			o->failed_reason && (o->failed_hook || o->failed_point != POINT_NONE) ? ": "
											      : "",
			o->failed_reason ? o->failed_reason : "");
	for (size_t i = 0; i < r->output.n; i++)
		say("|", "%s", r->output.v[i]);
}

static void say_artifacts(const struct artifact_results *all)
{
	char bytes[32], took[CLOCK_SPAN_MAX];

	for (size_t i = 0; i < all->n; i++) {
		const struct artifact_result *a = &all->v[i];

		say("artifact", "%s: %s, %s in %s%s%.*s", a->name,
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
	say("CPU", "%s user, %s system", clock_format_span(u->cpu_user_usec, user, sizeof(user)),
		clock_format_span(u->cpu_system_usec, kernel, sizeof(kernel)));
	if (u->memory_peak)
		say("memory", "%s at most", format_size(u->memory_peak, memory, sizeof(memory)));
}

static void print_text(const struct task_view *v, const struct layout *l)
{
	_cleanup_free_ char *dir = layout_task_dir(l, v->group, v->id);
	_cleanup_free_ char *logs = layout_log_dir(l, v->group, v->id);
	pid_t pid = task_view_pid(v);

	printf("%s/%s\n", v->group, v->id);
	say_state(v);
	say_hook(v);
	if (pid)
		say("pid", "%d", (int)pid);
	if (v->supervised && v->supervisor_pid)
		say("supervisor", "%d", (int)v->supervisor_pid);
	if (v->has_record) {
		say("run", "%u, restarts %u", v->record.run_number,
			task_view_restarts(v));
		say_command(&v->record);
		if (v->record.message)
			say("message", "%s", v->record.message);
		say_end(v);
		say_artifacts(&v->record.artifacts);
		say_usage(&v->record.usage);
		for (size_t i = 0; i < v->record.warnings.n; i++)
			say("warning", "%s", v->record.warnings.v[i]);
		if (v->record.log_dropped)
			say("dropped", "%llu bytes of the logs",
				(unsigned long long)v->record.log_dropped);
	}
	say("directory", "%s", dir);
	say("logs", "%s", logs);
}

static int print_json(const struct task_view *v, const struct layout *l)
{
	_cleanup_free_ char *text = NULL;
	json_t *all = json_object(), *j = task_view_to_json(v, l);

	json_put(all, "format", json_integer(TASK_VIEW_FORMAT));
	(void)json_object_update(all, j);
	text = json_dumps(all, JSON_INDENT(2));
	json_decref(j);
	json_decref(all);
	if (!text) {
		log_error("cannot write the state as JSON");
		return EXIT_INTERNAL;
	}
	puts(text);
	return EXIT_OK;
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
