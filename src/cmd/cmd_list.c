#include "config.h"

#include "cmd/cmd_list.h"

#include "base/alloc.h"
#include "base/log.h"
#include "cmd/table.h"
#include "cmd/task_view.h"
#include "model/jsonio.h"
#include "model/name.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct list_data {
	bool all, json;
};

static const struct cmd_option list_options[] = {
	{'a', "all", NULL, "also tasks that have ended", .flag = offsetof(struct list_data, all)},
	{0, "json", NULL, "print JSON", .flag = offsetof(struct list_data, json)},
	{0},
};

static const struct cmd_option *const groups[] = {list_options, NULL};

static const char *const column_names[] = {
	"TASK", "STATE", "FOR", "PID", "RUN", "RESTARTS", "RESULT"};

static char *age(usec_t since)
{
	char buf[CLOCK_SPAN_MAX];

	if (!since)
		return xstrdup("-");
	/* Whole seconds: a list is no stop watch. */
	since = usec_sub(clock_realtime_usec(), since) / USEC_PER_SEC * USEC_PER_SEC;
	return xstrdup(clock_format_span(since, buf, sizeof(buf)));
}

/* How it ended, or what it is held up by. */
static char *result(const struct task_view *v)
{
	usec_t since, timeout;
	_cleanup_free_ char *hook = task_view_hook(v, &since, &timeout), *how_long = NULL;

	if (!hook)
		return task_view_result(v);
	how_long = age(since);
	return xasprintf("%s: %s", hook, how_long);
}

static char *number(bool known, unsigned n)
{
	return known ? xasprintf("%u", n) : xstrdup("-");
}

static void add_task(struct table *t, const struct task_view *v)
{
	_cleanup_free_ char *how = result(v);
	pid_t pid = task_view_pid(v);
	bool known = v->has_live || v->has_record;

	table_take(t, xasprintf("%s/%s", v->group, v->id));
	table_take(t, xstrdup(task_view_word(v)));
	table_take(t, age(v->since));
	table_take(t, pid ? xasprintf("%d", (int)pid) : xstrdup("-"));
	table_take(t, number(known, task_view_run_number(v)));
	table_take(t, number(known, task_view_restarts(v)));
	table_take(t, str_escape(how, 0));
}

/* ---- */

struct listing {
	struct cmd_context *ctx;
	const struct list_data *data;
	struct table table;
	json_t *json;
	bool failed; /* something could not be read, and was said */
};

static void list_task(struct listing *l, const char *group, const char *id)
{
	_cleanup_task_view_ struct task_view v = {0};
	struct th_err err = TH_ERR_INIT;

	if ((l->data->json ? task_view_read(&l->ctx->layout, group, id, &v, &err)
			   : task_view_read_brief(&l->ctx->layout, group, id, &v, &err)) < 0) {
		(void)cmd_fail(&err);
		l->failed = true;
		return;
	}
	if (!l->data->all && !task_view_is_live(&v))
		return;
	if (l->data->json)
		(void)json_array_append_new(l->json, task_view_to_json(&v, &l->ctx->layout));
	else if (l->ctx->arg_quiet)
		printf("%s/%s\n", group, id);
	else
		add_task(&l->table, &v);
}

static void list_group(struct listing *l, const char *group)
{
	_cleanup_strv_ struct strv ids = STRV_INIT;
	struct th_err err = TH_ERR_INIT;

	if (task_view_ids(&l->ctx->layout, group, &ids, &err) < 0) {
		(void)cmd_fail(&err);
		l->failed = true;
		return;
	}
	for (size_t i = 0; i < ids.n; i++)
		list_task(l, group, ids.v[i]);
}

static int print_json(json_t *tasks)
{
	json_t *j = json_pack("{s:i, s:O}", "format", TASK_VIEW_FORMAT, "tasks", tasks);

	return cmd_print_json(j, 0, "the list");
}

static int find_groups(
	struct cmd_context *ctx, int argc, char **argv, struct strv *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv known = STRV_INIT;
	int r = task_view_groups(&ctx->layout, &known, err);

	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		r = cmd_check_group(ctx, argv[i], err);
		if (r < 0)
			return r;
		strv_add(ret, argv[i]);
	}
	if (argc == 0)
		strv_copy(ret, &known);
	return 0;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct listing l = {.ctx = ctx,
		.data = data,
		.table = table_new(column_names, ARRAY_SIZE(column_names), 0)};
	struct th_err err = TH_ERR_INIT;
	int status = EXIT_OK;

	if (cmd_load(ctx, &err) < 0 || find_groups(ctx, argc, argv, &names, &err) < 0) {
		table_done(&l.table);
		return cmd_fail(&err);
	}
	l.json = json_array();
	for (size_t i = 0; i < names.n; i++)
		list_group(&l, names.v[i]);
	if (l.data->json)
		status = print_json(l.json);
	else if (!ctx->arg_quiet)
		table_print(&l.table, stdout);
	table_done(&l.table);
	json_decref(l.json);
	return l.failed && status == EXIT_OK ? EXIT_WITH_FAILURES : status;
}

const struct cmd cmd_list = {
	.name = "list",
	.synopsis = "[-a] [--json] [GROUP...]",
	.summary = "list tasks that run or wait for clean-up; with --all every task",
	.groups = groups,
	.max_args = -1,
	.data_size = sizeof(struct list_data),
	.run = run,
};
