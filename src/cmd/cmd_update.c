#include "config.h"

#include "cmd/cmd_update.h"

#include "base/alloc.h"
#include "base/log.h"
#include "cmd/task_ask.h"
#include "cmd/task_options.h"
#include "cmd/task_view.h"
#include "model/update.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The hooks of pre-update and post-update, and of a restart; and the start that it waits for. */
#define BUDGET USEC_PER_HOUR

struct update_data {
	struct task_options task; /* first: the shared option table fills it */
	bool restart, force, dry_run;
	struct update_set *sets;
	size_t n_sets;
	/* Of the answers. */
	bool names_tasks;
	size_t n_done;
};

static const struct cmd_option update_options[] = {
	{0, "restart", NULL, "restart the tasks where a change needs it",
		.flag = offsetof(struct update_data, restart)},
	{0, "force", NULL, "set limits that are below what is in use, too",
		.flag = offsetof(struct update_data, force)},
	{0, "dry-run", NULL, "print what would be changed, and change nothing",
		.flag = offsetof(struct update_data, dry_run)},
	{0},
};

static const struct cmd_option *const groups[] = {update_option_table, update_options, NULL};

/* ---- what is to be set ---- */

/* Was it given here, in the file or with --set, and not in a layer below? */
static bool is_given(const struct update_data *d, const char *origin)
{
	const char *file = d->task.found_file;

	return strcmp(origin, "--set") == 0 || (file && strcmp(origin, file) == 0);
}

static int add_key(struct update_data *d, enum conf_key key, struct th_err *err)
{
	const struct conf_key_info *info = conf_key_info(key);
	const struct conf *c = d->task.conf;
	_cleanup_free_ char *dotted = xasprintf("%s.%s", info->section, info->name);
	_cleanup_free_ char *where = NULL;
	const char *origin, *reason;
	unsigned line;

	origin = conf_origin(c, key, &line);
	if (!is_given(d, origin))
		return 0;
	/* Nobody knows what the task was started with. */
	if (key == KEY_TASK_PASS_ENV) {
		(void)update_kind_of(key, &reason);
		if (line)
			return 0;
		return err_set(err, EXIT_CONFIG, EINVAL,
			"%s: cannot be changed while the task lives: %s", dotted, reason);
	}
	where = line ? xasprintf("%s:%u", origin, line) : xstrdup(origin);
	if (info->type == CONF_IO_MAX) { /* each of them is a whole value */
		const struct strv *list = conf_list(c, key);

		for (size_t i = 0; i < list->n; i++)
			update_set_add(&d->sets, &d->n_sets, dotted, list->v[i], where);
		if (list->n)
			return 0;
	}
	update_set_add(&d->sets, &d->n_sets, dotted, conf_string(c, key), where);
	return 0;
}

static void add_variables(struct update_data *d)
{
	const struct strv *env = conf_env(d->task.conf);
	_cleanup_free_ char *in_file =
		d->task.found_file ? xasprintf("%s:", d->task.found_file) : NULL;

	for (size_t i = 0; i < env->n; i++) {
		const char *equals = strchr(env->v[i], '=');
		_cleanup_free_ char *name = xstrndup(env->v[i], (size_t)(equals - env->v[i]));
		_cleanup_free_ char *dotted = xasprintf("env.%s", name);
		const char *origin = conf_env_origin(d->task.conf, name);

		if (origin && (strcmp(origin, "--set") == 0 ||
				      (in_file && str_starts_with(origin, in_file))))
			update_set_add(&d->sets, &d->n_sets, dotted, equals + 1, origin);
	}
}

/* The sections that have a name of their own are never changed: those of --set are refused at
 * once. */
static int refuse_named_sets(const struct task_options *o, struct th_err *err)
{
	for (size_t i = 0; i < o->n_sets; i++)
		for (enum conf_named k = 0; k < CONF_NAMED_COUNT; k++) {
			const char *word = conf_named_word(k), *reason;
			size_t n = strlen(word);

			if (strncmp(o->sets[i].key, word, n) != 0 ||
				!strchr(" .", o->sets[i].key[n]))
				continue;
			(void)update_kind_of(conf_named_first_key(k), &reason);
			return err_set(err, EXIT_CONFIG, EINVAL,
				"%s: cannot be changed while the task lives: %s", o->sets[i].key,
				reason);
		}
	return 0;
}

static int read_values(struct cmd_context *ctx, struct update_data *d, struct th_err *err)
{
	int r = task_options_read(ctx, &d->task, err);

	if (r == 0)
		r = refuse_named_sets(&d->task, err);
	for (enum conf_key k = KEY_TASK_GROUP; k <= KEY_RESTART_SUCCESS_CODES && r == 0; k++)
		if (conf_is_set(d->task.conf, k))
			r = add_key(d, k, err);
	if (r == 0)
		add_variables(d);
	return r;
}

/* ---- sections with names ---- */

static bool section_is_given(
	const struct update_data *d, const struct conf *section, enum conf_named k)
{
	for (enum conf_key key = conf_named_first_key(k); key <= conf_named_last_key(k); key++)
		if (conf_is_set(section, key) && is_given(d, conf_origin(section, key, NULL)))
			return true;
	return false;
}

/* The hook of that name, without where it stands: lines move. A new reference; NULL: none. */
static json_t *find_hook(const json_t *task, const char *name)
{
	const json_t *all = json_object_get(json_object_get(task, "hooks"), "file");
	json_t *hook;
	size_t i;

	json_array_foreach(all, i, hook)
	{
		const char *own = json_string_value(json_object_get(hook, "name"));

		if (own && strcmp(own, name) == 0) {
			json_t *copy = json_copy(hook);

			(void)json_object_del(copy, "origin");
			return copy;
		}
	}
	return NULL;
}

static json_t *find_section(const json_t *task, enum conf_named k, const char *name)
{
	if (k == CONF_NAMED_HOOK)
		return find_hook(task, name);
	return json_incref(json_object_get(json_object_get(task, "artifacts"), name));
}

/* False: one differs, which has been said. */
static bool sections_are_same(const struct update_data *d, const struct task_name *t,
	const json_t *now, const json_t *then)
{
	const struct conf *c = d->task.conf;
	bool same = true;

	for (enum conf_named k = 0; k < CONF_NAMED_COUNT; k++)
		for (size_t i = 0; i < conf_named_count(c, k); i++) {
			const char *name = conf_named_name(c, k, i), *reason;
			json_t *a = find_section(now, k, name), *b = find_section(then, k, name);

			(void)update_kind_of(conf_named_first_key(k), &reason);
			if (section_is_given(d, conf_named(c, k, i), k) && !json_equal(a, b)) {
				log_error("%s/%s: [%s %s] of '%s' is another: it cannot be changed "
					  "while the task lives: %s",
					t->group, t->id, conf_named_word(k), name,
					d->task.found_file, reason);
				same = false;
			}
			json_decref(a);
			json_decref(b);
		}
	return same;
}

/* The hooks and artifacts of the file are what the tasks run with, or it is refused. An exit
 * status. */
static int compare_sections(
	struct cmd_context *ctx, const struct update_data *d, const struct task_list *list)
{
	char *const command[] = {(char *)(uintptr_t) "true", NULL};
	int status = EXIT_OK;

	if (!d->task.found_file ||
		conf_named_count(d->task.conf, CONF_NAMED_HOOK) +
				conf_named_count(d->task.conf, CONF_NAMED_ARTIFACT) ==
			0)
		return EXIT_OK;
	for (size_t i = 0; i < list->n; i++) {
		const struct task_name *t = &list->v[i];
		struct task_args args = {
			.group = t->group, .id = t->id, .command = command, .environ = environ};
		_cleanup_task_view_ struct task_view v = {0};
		_cleanup_task_ struct task *task = NULL;
		struct th_err err = TH_ERR_INIT;
		json_t *now;

		if (task_resolve(d->task.conf, &args, &ctx->layout, &task, &err) < 0 ||
			task_view_read(&ctx->layout, t->group, t->id, &v, &err) < 0)
			return cmd_fail(&err);
		now = task_to_json(task);
		if (v.has_record && !sections_are_same(d, t, now, v.record.task))
			status = EXIT_CONFIG;
		json_decref(now);
	}
	return status;
}

/* ---- asking ---- */

static void on_change(void *arg, const struct task_name *t, const char *text)
{
	const struct update_data *d = arg;
	_cleanup_free_ char *shown = str_escape(text, 0);

	if (d->names_tasks)
		printf("%s/%s: %s\n", t->group, t->id, shown);
	else
		printf("%s\n", shown);
}

static void on_answer(void *arg, const struct task_name *t, int status, const char *text)
{
	struct update_data *d = arg;

	if (text)
		log_error("%s/%s: %s", t->group, t->id, text);
	d->n_done += status == EXIT_OK || status == EXIT_WITH_FAILURES;
}

static int ask(struct cmd_context *ctx, struct update_data *d, const struct task_list *list)
{
	struct request request = REQUEST_INIT(REQUEST_UPDATE);
	_cleanup_free_ char *line = NULL;
	int status;

	request.sets = d->sets;
	request.n_sets = d->n_sets;
	request.hooks = d->task.hooks;
	request.n_hooks = d->task.n_hooks;
	request.restart = d->restart;
	request.force = d->force;
	request.dry_run = d->dry_run;
	request.group = d->names_tasks && d->task.group;
	line = request_to_line(&request);
	if (d->n_sets > UPDATE_SETS_MAX || d->task.n_hooks > REQUEST_HOOKS_MAX) {
		log_error("%zu values and %zu hooks cannot be sent at once: %zu and %zu are "
			  "allowed (give fewer of them)",
			d->n_sets, d->task.n_hooks, UPDATE_SETS_MAX, (size_t)REQUEST_HOOKS_MAX);
		return EXIT_USAGE;
	}
	if (strlen(line) > REQUEST_MAX) {
		log_error("the values and hooks are more than can be sent at once: %zu bytes, and "
			  "%zu are allowed (give fewer of them)",
			strlen(line), REQUEST_MAX);
		return EXIT_USAGE;
	}
	status = task_ask(ctx, list, &request, BUDGET, on_answer, on_change, d);
	return status && d->n_done && list->n > 1 ? EXIT_WITH_FAILURES : status;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct update_data *d = data;
	struct task_options *o = &d->task;
	struct task_select select = {.group = o->group};
	_cleanup_task_list_ struct task_list list = {.n = 0};
	struct th_err err = TH_ERR_INIT;
	int status;

	if ((argc > 0) == (o->group != NULL))
		return cmd_usage(&cmd_update, "%s",
			argc ? "give either tasks, or a group with -g"
			     : "which task? Give GROUP/ID, or a group with -g");
	if (!o->n_sets && !o->file)
		return cmd_usage(&cmd_update, "what is to be changed? Give --set "
					      "SECTION.KEY=VALUE, or a task file with -f");
	status = task_select_to_wait(ctx, &cmd_update, &select, argc, argv, &list);
	if (status != EXIT_OK)
		return status;
	if (!list.n) {
		log_error("no task of the group '%s' runs (what it is started with stands in its "
			  "files)",
			o->group);
		return EXIT_BUSY;
	}
	d->names_tasks = o->group || list.n > 1;
	if (read_values(ctx, d, &err) < 0) {
		status = cmd_fail(&err);
		if (status == EXIT_USAGE)
			cmd_say_try(&cmd_update);
		return status;
	}
	status = compare_sections(ctx, d, &list);
	return status == EXIT_OK ? ask(ctx, d, &list) : status;
}

static void done(void *data)
{
	struct update_data *d = data;

	update_set_free(d->sets, d->n_sets);
	task_options_done(&d->task);
}

const struct cmd cmd_update = {
	.name = "update",
	.synopsis = "[--set SECTION.KEY=VALUE]... [-f TASKFILE|NAME] [--restart] [--force] "
		    "[--dry-run] TASK... | -g GROUP",
	.summary = "change limits and settings of tasks that run",
	.groups = groups,
	.min_args = 0,
	.max_args = -1,
	.data_size = sizeof(struct update_data),
	.run = run,
	.done = done,
};
