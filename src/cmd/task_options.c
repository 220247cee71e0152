#include "config.h"

#include "cmd/task_options.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/suggest.h"
#include "model/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int set_group(void *data, const char *value, struct th_err *err)
{
	struct task_options *o = data;

	o->group = value;
	return name_check(value, "group", err);
}

static int set_id(void *data, const char *value, struct th_err *err)
{
	struct task_options *o = data;

	o->id = value;
	return name_check(value, "task ID", err);
}

static int set_file(void *data, const char *value, struct th_err *err)
{
	struct task_options *o = data;

	if (!*value)
		return err_set(
			err, EXIT_USAGE, EINVAL, "-f needs the name or the path of a task file");
	o->file = value;
	return 0;
}

static int set_env(void *data, const char *value, struct th_err *err)
{
	struct task_options *o = data;

	(void)err;
	strv_add(&o->env, value);
	return 0;
}

static int set_set(void *data, const char *value, struct th_err *err)
{
	struct task_options *o = data;
	const char *eq = strchr(value, '=');

	if (!eq || eq == value)
		return err_set(err, EXIT_USAGE, EINVAL, "--set '%s': write it as SECTION.KEY=VALUE",
			value);
	o->sets = xreallocarray(o->sets, o->n_sets + 1, sizeof(*o->sets));
	o->sets[o->n_sets].key = xstrndup(value, (size_t)(eq - value));
	o->sets[o->n_sets].value = xstrdup(eq + 1);
	o->n_sets++;
	return 0;
}

static int add_hook(struct task_options *o, const char *option, const char *value,
	enum operator verb, bool for_run, struct th_err *err)
{
	int r;

	o->hooks = xreallocarray(o->hooks, o->n_hooks + 1, sizeof(*o->hooks));
	o->hooks[o->n_hooks] = (struct hook_option){0};
	r = hook_option_parse(option, value, verb, for_run, &o->hooks[o->n_hooks], err);
	if (r == 0)
		o->n_hooks++;
	return r;
}

static int set_hook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--hook", value, OP_START, true, err);
}

static int set_prehook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--prehook", value, OP_START, true, err);
}

static int set_run_posthook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--posthook", value, OP_START, true, err);
}

static int set_start_posthook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--posthook", value, OP_START, false, err);
}

static int set_cluster_prehook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--cluster-prehook", value, OP_START, true, err);
}

static int set_cluster_posthook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--cluster-posthook", value, OP_START, true, err);
}

static int set_update_prehook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--prehook", value, OP_UPDATE, false, err);
}

static int set_update_posthook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--posthook", value, OP_UPDATE, false, err);
}

static int set_cleanup_prehook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--cluster-prehook", value, OP_CLEANUP, true, err);
}

static int set_cleanup_posthook(void *data, const char *value, struct th_err *err)
{
	return add_hook(data, "--cluster-posthook", value, OP_CLEANUP, true, err);
}

const struct cmd_option task_option_table[] = {
	{'g', "group", "GROUP", "task group (default: default)", .set = set_group},
	{'i', "id", "ID", "task ID (default: the task file's name, or one made from the command)",
		.set = set_id},
	{'f', "file", "TASKFILE|NAME",
		"task file: a path, or NAME of tasks.d or GROUP/NAME of a group", .set = set_file},
	{'e', "env", "NAME[=VALUE]", "environment of the task; without a value the caller's",
		.set = set_env},
	{0, "set", "SECTION.KEY=VALUE", "set any key of the task file", .set = set_set},
	{0, "hook", "POINT:PATH[,ROLE]", "run the hook PATH (a file or directory) at POINT",
		.set = set_hook},
	{0, "cluster-prehook", "PATH[,ROLE]", "run it at pre-deploy", .set = set_cluster_prehook},
	{0, "cluster-posthook", "PATH[,ROLE]", "run it at post-deploy",
		.set = set_cluster_posthook},
	{0},
};

const struct cmd_option run_hook_option_table[] = {
	{0, "prehook", "PATH[,ROLE]", "run it at pre-start", .set = set_prehook},
	{0, "posthook", "PATH[,ROLE]", "run it at post-stop", .set = set_run_posthook},
	{0},
};

const struct cmd_option start_hook_option_table[] = {
	{0, "prehook", "PATH[,ROLE]", "run it at pre-start", .set = set_prehook},
	{0, "posthook", "PATH[,ROLE]", "run it at post-start", .set = set_start_posthook},
	{0},
};

const struct cmd_option update_option_table[] = {
	{'g', "group", "GROUP", "all tasks of GROUP that run, and the group's own limits",
		.set = set_group},
	{'f', "file", "TASKFILE|NAME", "the values of this task file", .set = set_file},
	{0, "set", "SECTION.KEY=VALUE", "set this key", .set = set_set},
	{0, "prehook", "PATH[,ROLE]", "run it at pre-update", .set = set_update_prehook},
	{0, "posthook", "PATH[,ROLE]", "run it at post-update", .set = set_update_posthook},
	{0},
};

const struct cmd_option cleanup_hook_option_table[] = {
	{0, "cluster-prehook", "PATH[,ROLE]", "run it at pre-cleanup", .set = set_cleanup_prehook},
	{0, "cluster-posthook", "PATH[,ROLE]", "run it at post-cleanup",
		.set = set_cleanup_posthook},
	{0},
};

/* ---- files ---- */

int task_options_list_files(const char *dir, struct strv *ret)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		_cleanup_free_ char *name = NULL;

		if (!str_ends_with(e->d_name, ".ini"))
			continue;
		name = xstrndup(e->d_name, strlen(e->d_name) - strlen(".ini"));
		if (name_check(name, "task ID", NULL) == 0)
			strv_take(ret, TAKE_PTR(name));
	}
	closedir(d);
	strv_sort(ret);
	return 0;
}

/* The nearest name among the .ini files of a directory, for a message. The caller frees it. */
static char *nearest_file(const char *dir, const char *name)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *best;

	if (task_options_list_files(dir, &names) < 0)
		return NULL;
	best = suggest_nearest(name, (const char *const *)names.v, names.n);
	return best ? xstrdup(best) : NULL;
}

static int not_found(
	const char *file, const char *path, const char *dir, const char *name, struct th_err *err)
{
	_cleanup_free_ char *near = nearest_file(dir, name);

	return err_set(err, EXIT_CONFIG, ENOENT,
		"there is no task file '%s': looked for '%s'%s%s%s", file, path,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* GROUP of a file in groups/GROUP/tasks; NULL: it lies elsewhere. The caller frees it. */
static char *find_group_of(const struct layout *l, const char *path)
{
	_cleanup_free_ char *dir = path_dirname(path), *real = realpath(dir, NULL);
	_cleanup_free_ char *groups = realpath(l->groups_dir, NULL), *group = NULL;
	const char *rest, *slash;
	size_t n = groups ? strlen(groups) : 0;

	if (!real || !groups || !str_starts_with(real, groups) || real[n] != '/')
		return NULL;
	rest = real + n + 1;
	slash = strchrnul(rest, '/');
	group = xstrndup(rest, (size_t)(slash - rest));
	return strcmp(slash, "/tasks") == 0 && name_check(group, "group", NULL) == 0
		       ? TAKE_PTR(group)
		       : NULL;
}

/* "NAME", "GROUP/NAME", or a path: with a slash that is no GROUP/NAME of ours, or ending in ".ini".
 */
static int find_file(struct cmd_context *ctx, struct task_options *o, struct th_err *err)
{
	_cleanup_free_ char *group = NULL, *id = NULL, *path = NULL, *dir = NULL, *base = NULL;
	size_t n;

	if (!str_ends_with(o->file, ".ini") && name_split(o->file, &group, &id, NULL) == 0) {
		dir = group ? xasprintf("%s/%s/tasks", ctx->layout.groups_dir, group)
			    : xstrdup(ctx->layout.tasks_dir);
		path = xasprintf("%s/%s.ini", dir, id);
		if (access(path, F_OK) == 0 || access(o->file, F_OK) < 0) {
			if (access(path, F_OK) < 0)
				return not_found(o->file, path, dir, id, err);
			o->found_file = TAKE_PTR(path);
			o->default_id = TAKE_PTR(id);
			o->default_group = TAKE_PTR(group);
			return 0;
		}
	}
	if (access(o->file, F_OK) < 0)
		return err_set(
			err, EXIT_CONFIG, errno, "cannot read the task file '%s': %m", o->file);
	o->found_file = xstrdup(o->file);
	o->default_group = find_group_of(&ctx->layout, o->file);
	base = xstrdup(path_basename(o->file));
	n = strlen(base);
	if (str_ends_with(base, ".ini"))
		base[n - strlen(".ini")] = '\0';
	/* A file of any name may be given by path; only a fit one names the task. */
	if (name_check(base, "task ID", NULL) == 0)
		o->default_id = TAKE_PTR(base);
	return 0;
}

static int read_layers(struct cmd_context *ctx, struct task_options *o, const char *group_file,
	struct conf **ret, struct th_err *err)
{
	/* cmd_load() has read the lowest layers, which nobody else needs any more. */
	_cleanup_conf_ struct conf *c = TAKE_PTR(ctx->conf);
	int r = 0;

	if (!c) {
		c = conf_new();
		r = conf_read_main(c, ctx->layout.config_file, ctx->arg_config != NULL,
			ctx->layout.config_dropin, NULL, NULL, err);
	}
	if (r == 0 && group_file)
		r = conf_read_file(
			c, AT_FDCWD, group_file, group_file, CONF_IN_GROUP, NULL, NULL, err);
	if (r == 0 && o->found_file)
		r = conf_read_file(
			c, AT_FDCWD, o->found_file, o->found_file, CONF_IN_TASK, NULL, NULL, err);
	for (size_t i = 0; r == 0 && i < o->n_sets; i++)
		r = conf_set_text(c, o->sets[i].key, o->sets[i].value, "--set", err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

/* Puts in front of a refusal where the value stands. */
static int blame(const char *origin, unsigned line, struct th_err *err)
{
	if (origin) {
		err_prefix(err, line ? "%s:%u" : "%s", origin, line);
		err->status = conf_origin_status(origin);
	}
	return -EINVAL;
}

/* A task file of a group that says it is of another. --set may say so. */
static int check_place(struct task_options *o, struct th_err *err)
{
	unsigned line = 0;
	const char *origin = conf_origin(o->conf, KEY_TASK_GROUP, &line);
	const char *says = conf_string(o->conf, KEY_TASK_GROUP);

	if (!o->default_group || !origin || strcmp(says, o->default_group) == 0)
		return 0;
	if (strcmp(origin, "--set") == 0)
		str_replace(&o->default_group, says);
	if (strcmp(origin, o->found_file) != 0)
		return 0;
	return err_set(err, EXIT_CONFIG, EINVAL,
		"%s:%u: group = %s: task files in this directory are of the group '%s' (remove the "
		"line, or move the file)",
		origin, line, says, o->default_group);
}

static int load_conf(struct cmd_context *ctx, struct task_options *o, struct th_err *err)
{
	_cleanup_free_ char *group_file = NULL;
	const char *group, *origin = NULL;
	unsigned line = 0;
	int r = read_layers(ctx, o, NULL, &o->conf, err);

	if (r == 0 && !o->group)
		r = check_place(o, err);
	if (r < 0)
		return r;
	group = o->group ? o->group : o->default_group;
	/* Which group it is may stand in the task file, whose values win over the group's: so the
	 * group's file is known only now, and goes below. */
	if (!group) {
		group = conf_string(o->conf, KEY_TASK_GROUP);
		origin = conf_origin(o->conf, KEY_TASK_GROUP, &line);
	}
	if (name_check(group, "group", err) < 0)
		return blame(origin, line, err);
	group_file = layout_group_conf(&ctx->layout, group);
	if (access(group_file, F_OK) < 0)
		return 0;
	o->conf = conf_free(o->conf);
	return read_layers(ctx, o, group_file, &o->conf, err);
}

int task_options_read(struct cmd_context *ctx, struct task_options *o, struct th_err *err)
{
	int r = 0;

	if (o->file)
		r = find_file(ctx, o, err);
	if (r == 0)
		r = load_conf(ctx, o, err);
	return r;
}

int task_options_load(struct cmd_context *ctx, struct task_options *o, char *const *command,
	struct task **ret, struct th_err *err)
{
	struct task_args args;
	int r = task_options_read(ctx, o, err);

	if (r < 0)
		return r;
	args = (struct task_args){
		.group = o->group ? o->group : o->default_group,
		.id = o->id,
		.command = command,
		.env = &o->env,
		.hook_options = o->hooks,
		.n_hook_options = o->n_hooks,
		.default_id = o->default_id,
		.file = o->found_file,
		.background = o->background,
		.environ = environ,
	};
	return task_resolve(o->conf, &args, &ctx->layout, ret, err);
}

int task_options_load_as(struct cmd_context *ctx, const struct task_options *o, const char *file,
	char *const *command, const char *id, const char *env, struct task **ret,
	struct th_err *err)
{
	/* Borrows what the command line has made, and makes the rest anew. */
	struct task_options one = *o;
	int r;

	one.file = file;
	one.id = id ? id : o->id;
	one.env = (struct strv)STRV_INIT;
	strv_copy(&one.env, &o->env);
	if (env)
		strv_add(&one.env, env);
	one.conf = NULL;
	one.found_file = one.default_id = one.default_group = NULL;
	r = task_options_load(ctx, &one, command, ret, err);
	strv_done(&one.env);
	conf_free(one.conf);
	free(one.found_file);
	free(one.default_id);
	free(one.default_group);
	return r;
}

void task_options_done(struct task_options *o)
{
	strv_done(&o->env);
	for (size_t i = 0; i < o->n_sets; i++) {
		free(o->sets[i].key);
		free(o->sets[i].value);
	}
	free(o->sets);
	for (size_t i = 0; i < o->n_hooks; i++)
		hook_option_done(&o->hooks[i]);
	free(o->hooks);
	conf_free(o->conf);
	free(o->found_file);
	free(o->default_id);
	free(o->default_group);
}
