#include "config.h"

#include "cmd/cmd_start.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/start_options.h"
#include "cmd/task_view.h"
#include "model/name.h"
#include "run/background.h"
#include "run/plan.h"
#include "run/stop.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNT_MAX 1000

struct start_data {
	struct start_options start; /* first: the shared option tables fill it */
	unsigned count;		    /* 0: not given */
	bool all_or_none;
};

/* What is started at once. */
struct batch {
	struct task **tasks;
	struct background_start *starts;
	size_t n;
	bool print_later;
};

static int set_count(void *data, const char *value, struct th_err *err)
{
	struct start_data *d = data;
	uint64_t n;

	if (parse_uint(value, 1, COUNT_MAX, &n) < 0)
		return err_set(err, EXIT_USAGE, EINVAL, "--count=%s: not a number from 1 to %d",
			value, COUNT_MAX);
	d->count = (unsigned)n;
	return 0;
}

static const struct cmd_option start_options[] = {
	{0, "count", "N", "start N tasks, ID-0 to ID-(N-1), with TASK_INDEX in their environments",
		.set = set_count},
	{0, "all-or-none", NULL, "where one fails stop those that were started with it",
		.flag = offsetof(struct start_data, all_or_none)},
	{0, "no-wait", NULL, "return at the launch, not after the post-start hooks",
		.flag = offsetof(struct start_data, start.options.no_wait)},
	{0},
};

static const struct cmd_option *const groups[] = {
	task_option_table, start_hook_option_table, start_option_table, start_options, NULL};

static void batch_done(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		task_free(b->tasks[i]);
	free(b->tasks);
	free(b->starts);
}

static void batch_add(struct batch *b, struct task *task)
{
	b->tasks = xreallocarray(b->tasks, b->n + 1, sizeof(struct task *));
	b->starts = xreallocarray(b->starts, b->n + 1, sizeof(*b->starts));
	b->starts[b->n] = (struct background_start){.task = task};
	b->tasks[b->n++] = task;
}

/* ---- which tasks ---- */

static bool sets_command(const struct task_options *o)
{
	for (size_t i = 0; i < o->n_sets; i++)
		if (strcmp(o->sets[i].key, "task.command") == 0)
			return true;
	return false;
}

/* All task files of the group's directory. */
static int add_group(
	struct cmd_context *ctx, const struct task_options *o, struct batch *b, struct th_err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/%s/tasks", ctx->layout.groups_dir, o->group);
	_cleanup_strv_ struct strv names = STRV_INIT;
	int r = task_options_list_files(dir, &names);

	if (r < 0 || names.n == 0)
		return err_set(err, EXIT_CONFIG, r < 0 ? -r : ENOENT,
			"there are no task files in '%s'%s%s: give a command, or a task file with "
			"-f",
			dir, r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *file = xasprintf("%s/%s.ini", dir, names.v[i]);
		struct task *task;

		r = task_options_load_as(ctx, o, file, NULL, NULL, NULL, &task, err);
		if (r < 0)
			return r;
		batch_add(b, task);
	}
	return 0;
}

static int add_numbered(struct cmd_context *ctx, const struct task_options *o, unsigned count,
	char *const *command, struct batch *b, struct th_err *err)
{
	_cleanup_task_ struct task *first = NULL;
	int r = task_options_load_as(ctx, o, o->file, command, NULL, NULL, &first, err);

	for (unsigned i = 0; r == 0 && i < count; i++) {
		_cleanup_free_ char *id = xasprintf("%s-%u", first->id, i);
		_cleanup_free_ char *env = xasprintf("TASK_INDEX=%u", i);
		struct task *task;

		r = name_check(id, "task ID", err);
		if (r == 0)
			r = task_options_load_as(ctx, o, o->file, command, id, env, &task, err);
		if (r == 0)
			batch_add(b, task);
	}
	return r;
}

static int resolve(struct cmd_context *ctx, const struct start_data *d, char *const *command,
	struct batch *b, struct th_err *err)
{
	const struct task_options *o = &d->start.task;
	struct task *task;
	int r;

	if (!command && !o->file && o->group && !o->id && !sets_command(o))
		return add_group(ctx, o, b, err);
	if (d->count)
		return add_numbered(ctx, o, d->count, command, b, err);
	r = task_options_load_as(ctx, o, o->file, command, NULL, NULL, &task, err);
	if (r == 0)
		batch_add(b, task);
	return r;
}

/* ---- starting ---- */

static void print_running(void *arg, struct background_start *s)
{
	const struct batch *b = arg;

	if (!s->running || b->print_later)
		return;
	puts(s->task->name);
	(void)fflush(stdout);
}

static int plan_all(struct cmd_context *ctx, const struct start_data *d, const struct batch *b,
	struct th_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->n; i++)
		r = plan_print(&ctx->layout, b->tasks[i], &d->start.options, stdout, err);
	return r;
}

/* The status of the first that does not run; EXIT_OK where all do. */
static int status_of(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->starts[i].running)
			return b->starts[i].status ? b->starts[i].status : EXIT_INTERNAL;
	return EXIT_OK;
}

/* --all-or-none, and one failed. What the stop says is said; what decides is why not all run. */
static void stop_started(struct cmd_context *ctx, const struct start_data *d, const struct batch *b)
{
	struct request request = REQUEST_INIT(REQUEST_STOP);
	_cleanup_free_ struct stop_one *v = xcalloc(b->n, sizeof(*v));
	struct loop *loop = loop_new();
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (!b->starts[i].running)
			continue;
		v[n++] = (struct stop_one){.group = b->tasks[i]->group, .id = b->tasks[i]->id};
		log_notice("%s: stopping it, as not all could be started", b->tasks[i]->name);
	}
	request.reason = STOP_ASKED;
	if (!loop) {
		log_error("cannot make an event loop: %m");
		return;
	}
	(void)stop_tasks(&ctx->layout, loop, &request, &d->start.options, true, v, n);
	loop_free(loop);
}

static int start(struct cmd_context *ctx, const struct start_data *d, struct batch *b)
{
	struct th_err err = TH_ERR_INIT;
	int status, signo;

	b->print_later = d->all_or_none;
	(void)background_start_all(
		&ctx->layout, &d->start.options, b->starts, b->n, print_running, b, &signo, &err);
	status = err_is_set(&err) ? cmd_fail(&err) : status_of(b);
	if (!d->all_or_none)
		return status;
	if (status != EXIT_OK) {
		stop_started(ctx, d, b);
		return status;
	}
	for (size_t i = 0; i < b->n; i++)
		puts(b->tasks[i]->name);
	return status;
}

static int check_options(const struct start_data *d, int argc)
{
	const struct task_options *o = &d->start.task;
	bool group = argc == 0 && !o->file && !sets_command(o);

	if (group && (!o->group || o->id))
		return cmd_usage(&cmd_start,
			"what shall be started? Give a command, a task file with -f, or a group "
			"that has task files with -g");
	if (group && d->count)
		return cmd_usage(&cmd_start, "--count needs a command, or a task file with -f");
	if ((group || d->count) && d->start.options.result_file)
		return cmd_usage(&cmd_start, "--result is for one task");
	return EXIT_OK;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct start_data *d = data;
	struct batch b = {.n = 0};
	struct th_err err = TH_ERR_INIT;
	int status = check_options(d, argc), r;

	if (status != EXIT_OK)
		return status;
	d->start.task.background = true;
	r = cmd_load(ctx, &err);
	if (r == 0)
		r = resolve(ctx, d, argc ? argv : NULL, &b, &err);
	if (r == 0) {
		start_options_complete(ctx, &d->start);
		if (d->start.dry_run)
			r = plan_all(ctx, d, &b, &err);
		else
			status = start(ctx, d, &b);
	}
	batch_done(&b);
	return r < 0 ? cmd_fail(&err) : status;
}

const struct cmd cmd_start = {
	.name = "start",
	.synopsis = "[-g GROUP] [-i ID] [-f TASKFILE|NAME] [OPTION...] [--] [COMMAND [ARG...]]",
	.summary = "start tasks in the background",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.stop_at_operand = true,
	.data_size = sizeof(struct start_data),
	.run = run,
	.done = start_options_done,
};
