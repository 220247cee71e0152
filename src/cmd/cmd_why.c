#include "config.h"

#include "cmd/cmd_why.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "cmd/field.h"
#include "cmd/hook_records.h"
#include "cmd/table.h"
#include "cmd/task_view.h"
#include "model/jsonio.h"
#include "os/cgroup.h"
#include "os/mount.h"
#include "os/proc.h"
#include "run/logread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WHY_FORMAT	1
#define SINCE_DEFAULT	USEC_PER_DAY
#define LINES_SHOWN	20
#define LINES_BYTES_MAX (64 * 1024) /* of those lines, together */
#define PIDS_SHOWN	20
#define HOOKS_LOOKED_AT 1000

struct why_data {
	bool json, has_since;
	usec_t since_usec;
};

static int set_since(void *data, const char *value, struct th_err *err)
{
	struct why_data *d = data;

	if (parse_duration(value, &d->since_usec) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"'%s' is not a time: write for example --since=12h or --since=7d", value);
	d->has_since = true;
	return 0;
}

static const struct cmd_option why_options[] = {
	{0, "since", "AGE", "without TASK: what failed in this time, as 12h; a day unless told",
		.set = set_since},
	{0, "json", NULL, "print JSON", .flag = offsetof(struct why_data, json)},
	{0},
};

static const struct cmd_option *const groups[] = {why_options, NULL};

/* ---- what failed ---- */

static bool has_failed(const struct task_view *v)
{
	const struct outcome *o = &v->record.outcome;

	if (v->lost || v->record_problem || v->state == STATE_FAILED || v->state == STATE_STUCK)
		return true;
	/* A stop that was asked for ends most tasks by its signal. */
	if (v->has_record && o->decided_by && strcmp(o->decided_by, "task") == 0 &&
		o->stop_reason != STOP_EXITED && !o->oom_killed)
		return false;
	return v->has_record && o->decided_by && o->status != 0;
}

/* In words, for the first line. The caller frees it. */
static char *describe_what(const struct task_view *v)
{
	const struct outcome *o = &v->record.outcome;
	_cleanup_free_ char *result = task_view_result(v);

	if (v->record_problem)
		return xstrdup(v->record_problem);
	if (v->lost)
		return xstrdup(v->rebooted  ? "the host was started again while it ran"
			       : v->runs_on ? "its supervisor was killed, it runs on without one"
					    : "its supervisor was killed while it ran");
	if (v->state == STATE_STUCK)
		return xstrdup("something of it cannot be killed");
	if (o->oom_killed)
		return xasprintf("%s: memory ran out", result);
	if (o->result == RESULT_TIMEOUT)
		return xstrdup("max-run-time was reached");
	if (v->state == STATE_FAILED && o->failed_point == POINT_NONE)
		return xasprintf("it could not be started");
	if (!*result)
		return xstrdup(task_view_word(v));
	return TAKE_PTR(result);
}

/* ---- its last lines ---- */

/* The last lines of a log file, from a task whose user may write to its directory: no link is
 * followed. Nothing where they cannot be read. */
static void last_lines(
	const struct layout *l, const struct task_view *v, const char *name, json_t *to)
{
	_cleanup_free_ char *dir = layout_group_dir(l, v->group), *text = NULL;
	_cleanup_close_ int group_fd = -1, task_fd = -1, logs_fd = -1, copy = -1;
	_cleanup_logread_ struct logread *r = NULL;
	_cleanup_logruns_ struct logruns runs = {0};
	uint64_t from = 0, size;
	char *line, *rest;
	ssize_t n;

	group_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group_fd >= 0)
		task_fd = openat(group_fd, v->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (task_fd >= 0)
		logs_fd = openat(task_fd, "logs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (logs_fd < 0 || logruns_read(logs_fd, &runs, NULL) < 0 ||
		logread_open(logs_fd, name, &r, NULL) < 0)
		return;
	size = logread_size(r);
	(void)logread_find_run(r, &runs, (ssize_t)runs.n - 1, &from, &size);
	from = logread_tail(r, from, size, LINES_SHOWN);
	from = MAX(from, size > LINES_BYTES_MAX ? size - LINES_BYTES_MAX : 0);
	copy = memfd_create(name, MFD_CLOEXEC);
	if (copy < 0 || logread_copy(r, from, size, copy, NULL) < 0)
		return;
	text = xcalloc(1, (size_t)(size - from) + 1);
	n = pread(copy, text, (size_t)(size - from), 0);
	if (n <= 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (*line || rest) {
			_cleanup_free_ char *safe = str_escape(line, 0);

			(void)json_array_append_new(to, json_from_text(safe));
		}
}

static json_t *output_of(const struct layout *l, const struct task_view *v, const char **ret_from)
{
	json_t *lines = json_array();

	*ret_from = "";
	if (v->record.output.n) {
		for (size_t i = 0; i < v->record.output.n; i++)
			(void)json_array_append_new(lines, json_from_text(v->record.output.v[i]));
		*ret_from = "hook";
		return lines;
	}
	last_lines(l, v, "stderr.log", lines);
	*ret_from = "stderr";
	if (json_array_size(lines) == 0) {
		last_lines(l, v, "stdout.log", lines);
		*ret_from = "stdout";
	}
	return lines;
}

/* ---- the hook that failed, and those that cleaned up ---- */

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void put_hooks(json_t *j, const struct layout *l, const struct task_view *v)
{
	const struct outcome *o = &v->record.outcome;
	const char *point = o->failed_point == POINT_NONE ? "" : point_name(o->failed_point);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	json_t *all, *record, *undone = json_array(), *failed = json_array();
	usec_t begun;
	size_t i;

	if (hook_records_read(l, v->group, v->id, HOOKS_LOOKED_AT, &all, &err) < 0)
		all = json_array();
	json_array_foreach(all, i, record)
	{
		_cleanup_free_ char *result = hook_record_result(record), *text = NULL;
		const char *at = text_of(record, "point"), *name = text_of(record, "name");
		bool bad = strcmp(result, "ok") != 0 && strcmp(result, "skip") != 0;

		/* Of this start; its record has microseconds, these milliseconds. */
		if (parse_rfc3339(text_of(record, "time"), &begun) < 0 ||
			usec_add(begun, USEC_PER_MSEC) < v->record.started)
			continue;
		text = xasprintf("%s/%s: %s", at, name, result);
		if (o->failed_hook && strcmp(at, point) == 0 && strcmp(name, o->failed_hook) == 0)
			json_put_text(j, "command", text_of(record, "path"));
		else if (bad)
			(void)json_array_append_new(failed, json_from_text(text));
		if (v->state == STATE_FAILED && strcmp(at, "post-stop") == 0)
			(void)json_array_append_new(undone, json_from_text(text));
	}
	json_decref(all);
	json_put(j, "undone", undone);
	json_put(j, "other_failures", failed);
}

static void put_task_command(json_t *j, const struct record *r)
{
	struct json_in in = {.object = r->task, .what = "task"};
	_cleanup_strv_ struct strv command = STRV_INIT;
	_cleanup_free_ char *text = NULL;

	json_in_strv(&in, "command", &command);
	if (!command.n)
		return;
	text = strv_shell_join(command.v);
	json_put_text(j, "command", text);
}

/* ---- what still lies about ---- */

static void put_processes(json_t *left, const struct task_view *v)
{
	_cleanup_close_ int fd = -1;
	json_t *processes = json_array();
	pid_t pids[PIDS_SHOWN];
	int n = 0;

	if (v->has_live && *v->live.cgroup)
		fd = cgroup_open(AT_FDCWD, v->live.cgroup);
	if (fd >= 0) {
		json_put_text(left, "cgroup", v->live.cgroup);
		n = cgroup_list_pids(fd, pids, PIDS_SHOWN);
	} else if (v->has_live && v->live.keeper_pid > 0 &&
		   proc_is_alive(v->live.keeper_pid, v->live.keeper_start_ticks)) {
		n = proc_descendants(v->live.keeper_pid, pids, PIDS_SHOWN);
	}
	for (int i = 0; i < MIN(n, PIDS_SHOWN); i++) {
		_cleanup_free_ char *comm = proc_comm(pids[i]), *safe = str_escape(comm, 0);
		json_t *p = json_object();
		char state[2] = "?";

		(void)proc_state(pids[i], &state[0], NULL);
		json_put(p, "pid", json_integer(pids[i]));
		json_put_text(p, "name", safe);
		json_put_text(p, "state", state);
		(void)json_array_append_new(processes, p);
	}
	json_put(left, "processes", processes);
}

static void add_staging(json_t *to, const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (str_starts_with(e->d_name, "_fetch.")) {
			_cleanup_free_ char *path = path_join(dir, e->d_name),
					    *safe = str_escape(path, 0);

			(void)json_array_append_new(to, json_from_text(safe));
		}
	if (d)
		(void)closedir(d);
}

static json_t *left_of(const struct layout *l, const struct task_view *v)
{
	_cleanup_free_ char *dir = layout_task_dir(l, v->group, v->id);
	_cleanup_free_ char *shared = layout_shared_dir(l, v->group);
	_cleanup_strv_ struct strv mounts = STRV_INIT;
	json_t *left = json_object(), *points = json_array(), *staging = json_array();

	put_processes(left, v);
	(void)mount_list_below(dir, &mounts);
	for (size_t i = 0; i < mounts.n; i++) {
		_cleanup_free_ char *safe = str_escape(mounts.v[i], 0);

		(void)json_array_append_new(points, json_from_text(safe));
	}
	add_staging(staging, shared);
	json_put(left, "mounts", points);
	json_put(left, "staging", staging);
	return left;
}

/* ---- what to type next ---- */

PRINTF_ATTR(2, 3)
static void add_text(json_t *to, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	(void)json_array_append_new(to, json_from_text(text));
}

static json_t *next_of(const struct task_view *v, const json_t *left)
{
	const struct outcome *o = &v->record.outcome;
	json_t *next = json_array(), *mount;
	size_t i;

	json_array_foreach(json_object_get(left, "mounts"), i, mount)
		add_text(next, "umount '%s'", json_string_value(mount));
	if (v->lost)
		add_text(next, "taskhook recover");
	else if (v->state == STATE_STUCK || v->record_problem ||
		 json_array_size(json_object_get(left, "staging")))
		add_text(next, "taskhook cleanup %s/%s", v->group, v->id);
	if (o->failed_hook && o->failed_point != POINT_NONE)
		add_text(next, "taskhook logs --hooks %s/%s", v->group, v->id);
	else if (v->has_record)
		add_text(next, "taskhook logs %s/%s", v->group, v->id);
	if (o->failed_hook && o->failed_point != POINT_NONE)
		add_text(
			next, "taskhook hooks run -g %s %s", v->group, point_name(o->failed_point));
	return next;
}

/* ---- one task ---- */

static void put_when(json_t *j, const struct task_view *v)
{
	char buf[CLOCK_RFC3339_MAX];

	if (v->since)
		json_put_text(j, "since", clock_rfc3339(v->since, buf, sizeof(buf)));
}

static json_t *explain(const struct layout *l, const struct task_view *v)
{
	const struct outcome *o = &v->record.outcome;
	_cleanup_free_ char *name = xasprintf("%s/%s", v->group, v->id);
	_cleanup_free_ char *what = describe_what(v);
	json_t *j = json_object(), *left = left_of(l, v);
	const char *from;

	json_put_text(j, "task", name);
	json_put_text(j, "state", task_view_word(v));
	json_put_bool(j, "failed", has_failed(v));
	json_put_text(j, "what", what);
	put_when(j, v);
	if (v->has_record) {
		put_task_command(j, &v->record);
		if (o->failed_point != POINT_NONE)
			json_put_text(j, "point", point_name(o->failed_point));
		json_put_text(j, "hook", o->failed_hook);
		json_put_text(j, "reason", o->failed_reason);
		if (o->decided_by)
			json_put(j, "status", json_integer(o->status));
		put_hooks(j, l, v);
		json_put(j, "output", output_of(l, v, &from));
		json_put_text(j, "output_from", from);
		json_put_strv(j, "warnings", &v->record.warnings);
	}
	json_put(j, "left", left);
	json_put(j, "next", next_of(v, left));
	return j;
}

static void print_list(const char *label, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		field_print(i ? "" : label, "%s", json_string_value(item));
}

static void print_left(const json_t *left)
{
	const json_t *processes = json_object_get(left, "processes"), *p;
	const char *cgroup = json_string_value(json_object_get(left, "cgroup"));
	bool nothing = !cgroup && json_array_size(processes) == 0 &&
		       json_array_size(json_object_get(left, "mounts")) == 0 &&
		       json_array_size(json_object_get(left, "staging")) == 0;
	size_t i;

	if (nothing)
		field_print("left", "nothing");
	if (cgroup)
		field_print("left", "cgroup %s", cgroup);
	json_array_foreach(processes, i, p) field_print(i ? "" : "processes", "%lld (%s, state %s)",
		(long long)json_integer_value(json_object_get(p, "pid")), text_of(p, "name"),
		text_of(p, "state"));
	print_list("mounts", json_object_get(left, "mounts"));
	print_list("staging", json_object_get(left, "staging"));
}

static void print_text(const json_t *j, const struct task_view *v)
{
	const json_t *output = json_object_get(j, "output"), *line;
	size_t i;

	puts(text_of(j, "task"));
	field_print("what", "%s%s",
		json_is_true(json_object_get(j, "failed")) ? "" : "no failure: ",
		text_of(j, "what"));
	if (*text_of(j, "since"))
		field_print("when", "%s", text_of(j, "since"));
	if (*text_of(j, "point"))
		field_print("point", "%s%s%s", text_of(j, "point"), *text_of(j, "hook") ? "/" : "",
			text_of(j, "hook"));
	if (*text_of(j, "reason"))
		field_print("reason", "%s", text_of(j, "reason"));
	if (*text_of(j, "command"))
		field_print("command", "%s", text_of(j, "command"));
	json_array_foreach(output, i, line)
		field_print(i ? "|" : text_of(j, "output_from"), "%s", json_string_value(line));
	print_list("also failed", json_object_get(j, "other_failures"));
	if (v->state == STATE_FAILED)
		field_print("undone", "what the start had made, newest first");
	print_list("by", json_object_get(j, "undone"));
	print_list("warning", json_object_get(j, "warnings"));
	/* What a living supervisor has is not left by anybody. */
	if (!v->supervised)
		print_left(json_object_get(j, "left"));
	print_list("next", json_object_get(j, "next"));
}

static int print_json(json_t *tasks)
{
	json_t *j = json_pack("{s:i, s:O}", "format", WHY_FORMAT, "tasks", tasks);

	return cmd_print_json(j, 0, "it");
}

static int explain_one(
	struct cmd_context *ctx, const struct why_data *d, const char *operand, struct th_err *err)
{
	_cleanup_free_ char *group = NULL, *id = NULL;
	_cleanup_task_view_ struct task_view v = {0};
	json_t *tasks, *j;
	int status = EXIT_OK;

	if (cmd_find_task(ctx, operand, &group, &id, err) < 0 ||
		task_view_read(&ctx->layout, group, id, &v, err) < 0)
		return cmd_fail(err);
	tasks = json_array();
	j = explain(&ctx->layout, &v);
	(void)json_array_append_new(tasks, j);
	if (d->json)
		status = print_json(tasks);
	else
		print_text(j, &v);
	json_decref(tasks);
	return status;
}

/* ---- all that failed ---- */

struct morning {
	struct cmd_context *ctx;
	usec_t since;
	json_t *tasks;
	struct table table;
	bool failed; /* something could not be read, and was said */
};

static void add_row(struct morning *m, const json_t *j)
{
	_cleanup_free_ char *what = str_escape(text_of(j, "what"), 0);
	_cleanup_free_ char *reason = str_escape(text_of(j, "reason"), 0);

	table_take(&m->table, xstrdup(text_of(j, "task")));
	table_take(&m->table, xstrdup(text_of(j, "since")));
	table_take(&m->table, TAKE_PTR(what));
	table_take(&m->table, TAKE_PTR(reason));
}

static void look_at(struct morning *m, const char *group, const char *id)
{
	_cleanup_task_view_ struct task_view v = {0};
	struct th_err err = TH_ERR_INIT;
	json_t *j;

	if (task_view_read(&m->ctx->layout, group, id, &v, &err) < 0) {
		(void)cmd_fail(&err);
		m->failed = true;
		return;
	}
	/* What is owed something is news however old it is. */
	if (!has_failed(&v) || (v.since && v.since < m->since && !task_view_is_live(&v)))
		return;
	j = explain(&m->ctx->layout, &v);
	(void)json_array_append_new(m->tasks, j);
	add_row(m, j);
}

static int explain_all(struct cmd_context *ctx, const struct why_data *d, struct th_err *err)
{
	static const char *const names[] = {"TASK", "SINCE", "WHAT", "REASON"};
	usec_t age = d->has_since ? d->since_usec : SINCE_DEFAULT;
	struct morning m = {.ctx = ctx, .since = usec_sub(clock_realtime_usec(), age)};
	_cleanup_strv_ struct strv all = STRV_INIT;
	char span[CLOCK_SPAN_MAX];
	int status = EXIT_OK;

	if (task_view_groups(&ctx->layout, &all, err) < 0)
		return cmd_fail(err);
	m.tasks = json_array();
	m.table = table_new(names, ARRAY_SIZE(names), 0);
	for (size_t g = 0; g < all.n; g++) {
		_cleanup_strv_ struct strv ids = STRV_INIT;

		if (task_view_ids(&ctx->layout, all.v[g], &ids, err) < 0) {
			(void)cmd_fail(err);
			m.failed = true;
		}
		for (size_t i = 0; i < ids.n; i++)
			look_at(&m, all.v[g], ids.v[i]);
	}
	if (d->json) {
		status = print_json(m.tasks);
	} else if (json_array_size(m.tasks) == 0) {
		printf("nothing failed in %s\n", clock_format_span(age, span, sizeof(span)));
	} else {
		table_print(&m.table, stdout);
		puts("'taskhook why TASK' tells more of one");
	}
	table_done(&m.table);
	json_decref(m.tasks);
	return m.failed && status == EXIT_OK ? EXIT_WITH_FAILURES : status;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct why_data *d = data;
	struct th_err err = TH_ERR_INIT;

	if (argc && d->has_since)
		return cmd_usage(&cmd_why, "--since is for all tasks, not for one");
	if (cmd_load(ctx, &err) < 0)
		return cmd_fail(&err);
	return argc ? explain_one(ctx, d, argv[0], &err) : explain_all(ctx, d, &err);
}

const struct cmd cmd_why = {
	.name = "why",
	.synopsis = "[--since=AGE] [--json] [TASK]",
	.summary = "tell why a task failed, what still lies about, and what to type next",
	.groups = groups,
	.max_args = 1,
	.data_size = sizeof(struct why_data),
	.run = run,
};
