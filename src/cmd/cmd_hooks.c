#include "config.h"

#include "cmd/cmd_hooks.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/trust.h"
#include "cmd/task_options.h"
#include "model/jsonio.h"
#include "model/name.h"
#include "run/hookdir.h"
#include "run/hooktry.h"
#include "run/plan.h"
#include "run/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOOKS_FORMAT 1

/* Of the made-up task where no task file tells another. */
static char *const made_up_command[] = {(char[]){"true"}, NULL};

/* ---- the task that is asked for ---------------------------------------------------------------
 */

/* `file` is an operand, or NULL: then -f, or a task that is made up. */
static int load_task(struct cmd_context *ctx, struct task_options *o, const char *file,
	struct task **ret, struct th_err *err)
{
	_cleanup_free_ char *id = NULL;
	int r;

	r = cmd_load(ctx, err);
	if (r < 0)
		return r;
	if (file)
		o->file = file;
	if (!o->id)
		o->id = id = name_make_id("hooks-run", (unsigned int)getpid());
	r = task_options_load(ctx, o, o->file ? NULL : made_up_command, ret, err);
	/* The task has its copy. */
	if (id)
		o->id = NULL;
	return r;
}

/* ---- list -------------------------------------------------------------------------------------
 */

struct list_data {
	struct task_options task; /* first: the shared option table fills it */
	bool json;
};

static const struct cmd_option list_options[] = {
	{0, "json", NULL, "print JSON", .flag = offsetof(struct list_data, json)},
	{0},
};

static const struct cmd_option *const list_groups[] = {
	task_option_table, run_hook_option_table, list_options, NULL};

/* All points, in their order. */
struct all_points {
	struct hook_list v[POINT_COUNT];
};

static void all_points_done(struct all_points *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->v); i++)
		hook_list_done(&a->v[i]);
}

static int list_all(const struct layout *l, const struct task *t, bool everywhere,
	struct all_points *ret, struct th_err *err)
{
	struct hook_context ctx = {
		.group = t->group,
		.node_roles = &t->node.roles,
		.outcome_unknown = true,
		.everywhere = everywhere,
		.with_subdirs = true,
	};
	struct hook_cache *cache = hook_cache_new();
	int r = 0;

	for (enum hook_point p = 0; p < POINT_COUNT && r == 0; p++)
		r = hookdir_list(l, t, p, &ctx, geteuid() == 0, cache, &ret->v[p], err);
	hook_cache_free(cache);
	return r;
}

static const char *on_failure_name(const struct hook *h, enum hook_point point)
{
	switch (h->settings.on_failure) {
	case ON_FAILURE_DEFAULT:
		break;
	case ON_FAILURE_FAIL:
		return "fail";
	case ON_FAILURE_WARN:
		return "warn";
	case ON_FAILURE_IGNORE:
		return "ignore";
	case ON_FAILURE_STOP:
		return "stop";
	}
	return point_is_fatal(point) ? "fail" : "warn";
}

/* What else there is to say of a hook that runs: "60s, warn, 2 retries, user nobody". */
static char *describe_settings(const struct hook *h, enum hook_point point, usec_t total_timeout)
{
	const struct hook_settings *s = &h->settings;
	struct strbuf b = STRBUF_INIT;
	char span[CLOCK_SPAN_MAX];

	strbuf_addf(&b, "%s, %s", clock_format_span(s->timeout, span, sizeof(span)),
		on_failure_name(h, point));
	if (s->timeout > total_timeout)
		strbuf_addf(&b, ", ended by total-timeout after %s",
			clock_format_span(total_timeout, span, sizeof(span)));
	if (s->retries)
		strbuf_addf(&b, ", %u %s", s->retries, s->retries == 1 ? "retry" : "retries");
	if (s->user)
		strbuf_addf(&b, ", user %s", s->user);
	if (s->run_if != RUN_IF_ALWAYS)
		strbuf_addf(
			&b, ", after a %s", s->run_if == RUN_IF_SUCCESS ? "success" : "failure");
	return strbuf_steal(&b);
}

static void print_hook(const struct hook *h, enum hook_point point, usec_t total_timeout, int width)
{
	_cleanup_free_ char *path = str_escape(h->path, 0);
	_cleanup_free_ char *settings =
		h->verdict == HOOK_RUN ? describe_settings(h, point, total_timeout) : NULL;
	_cleanup_free_ char *reason = h->reason ? str_escape(h->reason, 0) : NULL;
	_cleanup_free_ char *problem = hookdir_problem(h);

	printf("  %-6s  %-*s  %s%s%s\n", hook_verdict_name(h->verdict), width, path,
		settings ? settings
		: reason ? reason
			 : "",
		problem ? "; will fail: " : "", problem ? problem : "");
}

static int print_all(const struct task *t, const struct all_points *a, const struct plan_budget *b)
{
	char start[CLOCK_SPAN_MAX], post[CLOCK_SPAN_MAX], stop[CLOCK_SPAN_MAX];
	size_t width = 0;

	for (size_t p = 0; p < POINT_COUNT; p++)
		for (size_t i = 0; i < a->v[p].n; i++)
			width = MAX(width, strlen(a->v[p].v[i]->path));
	for (enum hook_point p = 0; p < POINT_COUNT; p++) {
		if (a->v[p].n == 0)
			continue;
		printf("%s\n", point_name(p));
		for (size_t i = 0; i < a->v[p].n; i++)
			print_hook(a->v[p].v[i], p, t->hooks_total_timeout,
				(int)MIN(width, (size_t)60));
	}
	if (width == 0)
		puts("no hooks; 'taskhook hooks new POINT NAME' makes one");
	printf("worst case: start %s, then post-start %s; stop %s\n",
		clock_format_span(b->start, start, sizeof(start)),
		clock_format_span(b->post_start, post, sizeof(post)),
		clock_format_span(b->stop, stop, sizeof(stop)));
	return EXIT_OK;
}

static const char *source_name(enum hook_source s)
{
	switch (s) {
	case HOOK_FROM_SYSTEM:
		return "system";
	case HOOK_FROM_GROUP:
		return "group";
	case HOOK_FROM_TASK_FILE:
		return "task-file";
	case HOOK_FROM_COMMAND_LINE:
		return "command-line";
	}
	return "";
}

static json_t *hook_to_json(const struct hook *h, enum hook_point point)
{
	const struct hook_settings *s = &h->settings;
	_cleanup_free_ char *problem = NULL;
	json_t *j = json_object();

	json_put_text(j, "name", h->name);
	json_put_text(j, "path", h->path);
	json_put_text(j, "source", source_name(h->source));
	json_put_text(j, "origin", h->origin);
	json_put_text(j, "verdict", hook_verdict_name(h->verdict));
	json_put_text(j, "reason", h->reason);
	json_put_text(j, "fix", h->fix);
	if (h->verdict != HOOK_RUN)
		return j;
	json_put_u64(j, "timeout_ms", s->timeout / USEC_PER_MSEC);
	json_put_u64(j, "kill_after_ms", s->kill_after / USEC_PER_MSEC);
	json_put_text(j, "on_failure", on_failure_name(h, point));
	json_put_u64(j, "retries", s->retries);
	json_put_text(j, "user", s->user);
	json_put_strv(j, "roles", &s->roles);
	problem = hookdir_problem(h);
	json_put_text(j, "problem", problem);
	return j;
}

static int print_json(const struct task *t, const struct all_points *a, const struct plan_budget *b)
{
	json_t *all = json_object(), *points = json_array();

	json_put(all, "format", json_integer(HOOKS_FORMAT));
	json_put_text(all, "group", t->group);
	json_put_text(all, "id", t->id);
	for (enum hook_point p = 0; p < POINT_COUNT; p++) {
		json_t *point = json_object(), *hooks = json_array();
		usec_t budget = hook_list_budget(&a->v[p], t->hooks_total_timeout);

		for (size_t i = 0; i < a->v[p].n; i++)
			(void)json_array_append_new(hooks, hook_to_json(a->v[p].v[i], p));
		json_put_text(point, "point", point_name(p));
		json_put_bool(point, "fatal", point_is_fatal(p));
		json_put_u64(point, "budget_ms", budget / USEC_PER_MSEC);
		json_put(point, "hooks", hooks);
		(void)json_array_append_new(points, point);
	}
	json_put(all, "points", points);
	json_put_u64(all, "start_ms", b->start / USEC_PER_MSEC);
	json_put_u64(all, "post_start_ms", b->post_start / USEC_PER_MSEC);
	json_put_u64(all, "stop_ms", b->stop / USEC_PER_MSEC);
	return cmd_print_json(all, 0, "the hooks");
}

static int run_list(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct list_data *d = data;
	_cleanup_task_ struct task *task = NULL;
	_cleanup_(all_points_done) struct all_points all = {0};
	struct plan_budget budget;
	struct th_err err = TH_ERR_INIT;

	if (load_task(ctx, &d->task, argc ? argv[0] : NULL, &task, &err) < 0 ||
		list_all(&ctx->layout, task, false, &all, &err) < 0 ||
		plan_budget(&ctx->layout, task, &budget, &err) < 0)
		return cmd_fail(&err);
	return d->json ? print_json(task, &all, &budget) : print_all(task, &all, &budget);
}

static void list_done(void *data)
{
	task_options_done(&((struct list_data *)data)->task);
}

static const struct cmd cmd_hooks_list = {
	.name = "hooks list",
	.synopsis = "[-g GROUP] [--json] [OPTION...] [TASKFILE|NAME]",
	.summary = "print each file at each hook point, whether it runs and which rule decided",
	.groups = list_groups,
	.max_args = 1,
	.data_size = sizeof(struct list_data),
	.run = run_list,
	.done = list_done,
};

/* ---- check ------------------------------------------------------------------------------------
 */

struct check_data {
	struct task_options task; /* first: the shared option table fills it */
};

static const struct cmd_option *const check_groups[] = {
	task_option_table, run_hook_option_table, NULL};

struct check {
	struct strv seen; /* paths, as system hooks are those of each group */
	unsigned int hooks, unsafe, wrong;
};

/* Messages on stderr; on stdout nothing but the commands, fit for a shell. */
static void check_hook(struct check *k, const struct hook *h)
{
	_cleanup_free_ char *problem = NULL;

	if (h->verdict == HOOK_MASKED || strv_contains(&k->seen, h->path))
		return;
	strv_add(&k->seen, h->path);
	if (h->verdict == HOOK_RUN)
		k->hooks++;
	problem = hookdir_problem(h);
	if (problem) {
		log_error("%s", problem);
		k->wrong++;
	}
	if (h->verdict != HOOK_UNSAFE)
		return;
	log_error("%s", h->reason);
	if (h->fix)
		puts(h->fix);
	if (h->misconfigured)
		k->wrong++;
	else
		k->unsafe++;
}

static int check_group(struct cmd_context *ctx, struct task_options *o, const char *file,
	struct check *k, struct th_err *err)
{
	_cleanup_task_ struct task *task = NULL;
	_cleanup_(all_points_done) struct all_points all = {0};
	int r = load_task(ctx, o, file, &task, err);

	if (r == 0)
		r = list_all(&ctx->layout, task, true, &all, err);
	for (size_t p = 0; r == 0 && p < POINT_COUNT; p++)
		for (size_t i = 0; i < all.v[p].n; i++)
			check_hook(k, all.v[p].v[i]);
	return r;
}

/* Groups that have hooks of their own. */
static void find_groups(const struct layout *l, struct strv *ret)
{
	DIR *d = opendir(l->groups_dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_free_ char *hooks = NULL;

		if (name_check(e->d_name, "group", NULL) < 0)
			continue;
		hooks = layout_group_hooks(l, e->d_name);
		if (access(hooks, F_OK) == 0)
			strv_add(ret, e->d_name);
	}
	if (d)
		closedir(d);
}

static int check_all(struct cmd_context *ctx, struct check_data *d, const char *file,
	struct check *k, struct th_err *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	int r = check_group(ctx, &d->task, file, k, err);

	if (r < 0 || d->task.file || d->task.group)
		return r;
	find_groups(&ctx->layout, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct task_options o = {.group = names.v[i]};

		r = check_group(ctx, &o, NULL, k, err);
		task_options_done(&o);
	}
	return r;
}

static int run_check(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct check k = {.hooks = 0};
	struct th_err err = TH_ERR_INIT;
	int r = check_all(ctx, data, argc ? argv[0] : NULL, &k, &err);

	strv_done(&k.seen);
	if (r < 0)
		return cmd_fail(&err);
	if (k.unsafe)
		return EXIT_NOPERM;
	if (k.wrong)
		return EXIT_CONFIG;
	log_notice("%u %s, all fit to run", k.hooks, k.hooks == 1 ? "hook" : "hooks");
	return EXIT_OK;
}

static void check_done(void *data)
{
	task_options_done(&((struct check_data *)data)->task);
}

static const struct cmd cmd_hooks_check = {
	.name = "hooks check",
	.synopsis = "[-g GROUP] [OPTION...] [TASKFILE|NAME]",
	.summary = "find hooks that others could change (77) and print the commands that mend it",
	.groups = check_groups,
	.max_args = 1,
	.data_size = sizeof(struct check_data),
	.run = run_check,
	.done = check_done,
};

/* ---- new --------------------------------------------------------------------------------------
 */

struct new_data {
	const char *group;
};

static int set_group(void *data, const char *value, struct th_err *err)
{
	((struct new_data *)data)->group = value;
	return name_check(value, "group", err);
}

static const struct cmd_option new_options[] = {
	{'g', "group", "GROUP", "make it a hook of this group alone", .set = set_group},
	{0},
};

static const struct cmd_option *const new_groups[] = {new_options, NULL};

/* The text of a new hook. `point` POINT_NONE: for the directory of a type. The caller frees it. */
static char *make_text(const char *dir, enum hook_point point, const char *name)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b,
		"#!/bin/sh\n"
		"# Hook %s/%s of taskhook; taskhook-hooks(7) tells the whole contract.\n"
		"#\n",
		dir, name);
	if (point == POINT_NONE)
		strbuf_adds(&b, "# It runs at every hook point of its type: look at $HOOK_POINT.\n"
				"# A failure is fatal at pre-deploy, pre-start, pre-restart and "
				"pre-update, elsewhere a warning.\n");
	else if (point_is_fatal(point))
		strbuf_adds(&b,
			"# Exit status 0 is success. Any other, or a timeout, is fatal: what "
			"was begun is undone.\n");
	else
		strbuf_adds(&b,
			"# Exit status 0 is success. Any other, or a timeout, is a warning, and "
			"the rest goes on.\n");
	if (point == POINT_PRE_START || point == POINT_POST_STOP || point == POINT_NONE)
		strbuf_adds(&b,
			"# Be fit to be run twice: a restart runs pre-start hooks again, and a "
			"failed start post-stop hooks.\n");
	strbuf_adds(&b, "#\n"
			"# Told by the environment, among others:\n"
			"#   TASKGROUP TASK_ID HOOK_POINT OPERATOR     what happens to whom\n"
			"#   TASK_DIR SHARED_DIR TASK_LOG_DIR          where things are\n");
	if (point != POINT_NONE && point_type(point) == HOOK_POST)
		strbuf_adds(&b,
			"#   RESULT EXIT_CODE STOP_REASON              how the task ended, once it "
			"has\n");
	strbuf_adds(&b,
		"#   HOOK_STATE_DIR                            a directory of its own\n"
		"# What it prints goes to logs/hooks.log and to the terminal of 'taskhook run'.\n");
	if (point == POINT_PRE_START || point == POINT_PRE_DEPLOY)
		strbuf_adds(&b, "# To hand a variable to the task:\n"
				"#   printf '[env]\\nPORT = 8080\\n' >\"$HOOK_RESULT\"\n");
	strbuf_addf(&b,
		"# Settings, such as timeout = 10s, go to %s.conf beside it, below [hook].\n",
		name);
	strbuf_adds(&b, "set -eu\n\necho \"hello from $HOOK_POINT for $TASKGROUP/$TASK_ID\"\n");
	return strbuf_steal(&b);
}

/* The directory where hooks of the admin are: beside groups/. The caller frees it. */
static char *admin_hooks_dir(const struct layout *l, const char *group)
{
	_cleanup_free_ char *config = NULL;

	if (group)
		return layout_group_hooks(l, group);
	config = path_dirname(l->groups_dir);
	return path_join(config, "hooks.d");
}

static int write_hook(const char *path, const char *dir, const char *text, struct th_err *err)
{
	_cleanup_close_ int dirfd = path_mkdir_parents(dir, 0755), fd = -1;
	int r;

	if (dirfd < 0)
		return err_set(
			err, EXIT_CANTCREAT, -dirfd, "cannot make '%s': %s", dir, strerror(-dirfd));
	fd = openat(dirfd, path_basename(path),
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (fd < 0 && errno == EEXIST)
		return err_set(err, EXIT_CANTCREAT, EEXIST, "'%s' exists already", path);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot make '%s': %m", path);
	r = fd_write_all(fd, text, strlen(text));
	/* The umask must not make it useless to other users of the hook, nor unsafe. */
	if (r == 0 && fchmod(fd, 0755) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, path_basename(path), 0);
		return err_set(
			err, EXIT_CANTCREAT, -r, "cannot write '%s': %s", path, strerror(-r));
	}
	return 0;
}

/* A directory that was there already may be anybody's. */
static void warn_if_unsafe(const char *path)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (geteuid() == 0 && trust_check_path(path, geteuid(), NULL, NULL, &why) < 0)
		log_warning("%s", err_text(&why));
}

/* "pre", "post" or a hook point. */
static int parse_place(const char *s, enum hook_point *ret, struct th_err *err)
{
	const char *near;

	*ret = point_from_name(s);
	if (*ret != POINT_NONE || strcmp(s, "pre") == 0 || strcmp(s, "post") == 0)
		return 0;
	near = point_suggest(s);
	return err_set(err, EXIT_USAGE, EINVAL, "'%s' is no hook point%s%s%s", s,
		near ? "; did you mean '" : "; see taskhook-hooks(7)", near ? near : "",
		near ? "'?" : "");
}

static int run_new(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct new_data *d = data;
	_cleanup_free_ char *base = NULL, *dir = NULL, *path = NULL, *text = NULL;
	const char *place = argv[0], *name = argv[1], *problem = hook_name_problem(name);
	enum hook_point point;
	struct th_err err = TH_ERR_INIT;

	(void)argc;
	if (parse_place(place, &point, &err) < 0)
		return cmd_fail(&err);
	if (problem) {
		_cleanup_free_ char *shown = str_escape(name, 60);

		err_set(&err, EXIT_USAGE, EINVAL, "a hook '%s' would never run: %s", shown,
			problem);
		return cmd_fail(&err);
	}
	if (cmd_load(ctx, &err) < 0)
		return cmd_fail(&err);
	base = admin_hooks_dir(&ctx->layout, d->group);
	dir = path_join(base, place);
	path = path_join(dir, name);
	text = make_text(place, point, name);
	if (write_hook(path, dir, text, &err) < 0)
		return cmd_fail(&err);
	puts(path);
	warn_if_unsafe(path);
	log_notice("edit it, then try it with: taskhook hooks run %s%s%s --only=%s",
		point == POINT_NONE ? (strcmp(place, "pre") == 0 ? "pre-start" : "post-stop")
				    : place,
		d->group ? " -g " : "", d->group ? d->group : "", name);
	return EXIT_OK;
}

static const struct cmd cmd_hooks_new = {
	.name = "hooks new",
	.synopsis = "[-g GROUP] POINT NAME",
	.summary = "write a commented hook, ready to run, and print its path",
	.groups = new_groups,
	.min_args = 2,
	.max_args = 2,
	.data_size = sizeof(struct new_data),
	.run = run_new,
};

/* ---- run --------------------------------------------------------------------------------------
 */

struct run_data {
	struct task_options task; /* first: the shared option table fills it */
	const char *only;
	enum task_result result; /* RESULT_NONE: not given */
};

static int set_only(void *data, const char *value, struct th_err *err)
{
	(void)err;
	((struct run_data *)data)->only = value;
	return 0;
}

static int set_outcome(void *data, const char *value, struct th_err *err)
{
	enum task_result r = result_from_name(value);

	if (r == RESULT_NONE)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--outcome=%s: use success, exit-code, signal, oom-kill, timeout, "
			"start-failed, hook-failed, hook-timeout or lost",
			value);
	((struct run_data *)data)->result = r;
	return 0;
}

static const struct cmd_option run_options[] = {
	{0, "only", "NAME", "run the hook of this name alone", .set = set_only},
	{0, "outcome", "RESULT", "how the task is said to have ended (success)",
		.set = set_outcome},
	{0},
};

static const struct cmd_option *const run_groups[] = {
	task_option_table, run_hook_option_table, run_options, NULL};

/* A real task of that name would find its hooks' processes ended at the end. */
static int check_not_running(const struct layout *l, const struct task *t, struct th_err *err)
{
	pid_t pid;

	if (supervisor_find(l, t->group, t->id, &pid) != 1)
		return 0;
	return err_set(
		err, EXIT_BUSY, EBUSY, "%s is running: give another ID with -i, or none", t->name);
}

static int run_run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct run_data *d = data;
	_cleanup_task_ struct task *task = NULL;
	struct hooktry_options options = {
		.only = d->only,
		.result = d->result == RESULT_NONE ? RESULT_SUCCESS : d->result,
		.quiet = ctx->arg_quiet,
	};
	enum hook_point point = point_from_name(argv[0]);
	struct th_err err = TH_ERR_INIT;
	int r;

	if (point == POINT_NONE) {
		const char *near = point_suggest(argv[0]);

		return cmd_usage(&cmd_hooks, "'%s' is no hook point%s%s%s", argv[0],
			near ? "; did you mean '" : "; see taskhook-hooks(7)", near ? near : "",
			near ? "'?" : "");
	}
	r = load_task(ctx, &d->task, argc > 1 ? argv[1] : NULL, &task, &err);
	if (r == 0)
		r = check_not_running(&ctx->layout, task, &err);
	if (r == 0)
		r = hooktry_run(&ctx->layout, task, point, &options, &err);
	return r < 0 ? cmd_fail(&err) : r;
}

static void run_done(void *data)
{
	task_options_done(&((struct run_data *)data)->task);
}

static const struct cmd cmd_hooks_run = {
	.name = "hooks run",
	.synopsis = "[--only=NAME] [OPTION...] POINT [TASKFILE|NAME]",
	.summary = "run the hooks of one point, for a task that is made up",
	.groups = run_groups,
	.min_args = 1,
	.max_args = 2,
	.data_size = sizeof(struct run_data),
	.run = run_run,
	.done = run_done,
};

/* ---- all of them ------------------------------------------------------------------------------
 */

static const struct cmd *const subcommands[] = {
	&cmd_hooks_list,
	&cmd_hooks_check,
	&cmd_hooks_new,
	&cmd_hooks_run,
	NULL,
};

const struct cmd cmd_hooks = {
	.name = "hooks",
	.synopsis = "list|check|new|run ...",
	.summary = "show, check, make and try hooks",
	.subcommands = subcommands,
};
