#include "config.h"

#include "cmd/cmd_config.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "cmd/task_options.h"
#include "model/hook.h"
#include "model/jsonio.h"
#include "model/name.h"
#include "os/cred.h"
#include "run/plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_FORMAT 1
#define VALUE_COLUMN  28
#define ORIGIN_COLUMN 22

/* ---- show ---- */

struct show_data {
	struct task_options task; /* first: the shared option table fills it */
	bool json;
};

static const struct cmd_option show_options[] = {
	{0, "json", NULL, "print JSON", .flag = offsetof(struct show_data, json)},
	{0},
};

static const struct cmd_option *const show_groups[] = {show_options, NULL};

/* One row of either form. `line` 0: none. `value` NULL: not set. */
struct shown {
	const char *section, *name;
	const char *value, *origin;
	unsigned line;
	const struct conf_key_info *info; /* NULL: of a free section */
};

struct show {
	const struct layout *layout;
	bool verbose;
	json_t *json; /* the list of keys; NULL: text */
};

static void show_json(const struct show *s, const struct shown *k)
{
	json_t *j = json_object();

	json_put_text(j, "section", k->section);
	json_put_text(j, "key", k->name);
	json_put(j, "value", k->value ? json_from_text(k->value) : json_null());
	json_put_text(j, "origin", k->origin);
	if (k->line)
		json_put_u64(j, "line", k->line);
	if (k->info) {
		json_put_text(j, "default", *k->info->def ? k->info->def : NULL);
		json_put_text(j, "help", k->info->help);
	}
	(void)json_array_append_new(s->json, j);
}

static void show_text(const struct show *s, const struct shown *k)
{
	_cleanup_free_ char *key = xasprintf("%s.%s", k->section, k->name);
	_cleanup_free_ char *value = k->value ? str_escape(k->value, 0) : xstrdup("(not set)");
	_cleanup_free_ char *origin = k->line ? xasprintf("%s:%u", k->origin, k->line)
					      : xstrdup(k->value ? k->origin : "");

	if (s->verbose && k->info)
		printf("\n; %s%s%s\n", k->info->help, *k->info->def ? "; default " : "",
			k->info->def);
	if (*origin)
		printf("%-*s %-*s %s\n", VALUE_COLUMN, key, ORIGIN_COLUMN, value, origin);
	else
		printf("%-*s %s\n", VALUE_COLUMN, key, value);
}

static void show_one(const struct show *s, const struct shown *k)
{
	if (s->json)
		show_json(s, k);
	else
		show_text(s, k);
}

static void show_key(
	const struct show *s, const struct conf *c, enum conf_key key, const char *section)
{
	const struct conf_key_info *info = conf_key_info(key);
	_cleanup_free_ char *value = conf_format(c, key);
	struct shown k = {.section = section, .name = info->name, .value = value, .info = info};

	/* Where things are: with --root, or for a user, not where the table says. */
	if (key == KEY_PATHS_STATE)
		k.value = s->layout->state_dir;
	else if (key == KEY_PATHS_RUN)
		k.value = s->layout->run_dir;
	k.origin = conf_origin(c, key, &k.line);
	show_one(s, &k);
}

static void show_env(const struct show *s, const struct conf *c)
{
	const struct strv *env = conf_env(c);

	for (size_t i = 0; i < env->n; i++) {
		const char *equals = strchr(env->v[i], '=');
		_cleanup_free_ char *name = xstrndup(env->v[i], (size_t)(equals - env->v[i]));
		const char *origin = conf_env_origin(c, name);
		struct shown k = {.section = "env",
			.name = name,
			.value = equals + 1,
			.origin = origin ? origin : ""};

		show_one(s, &k);
	}
}

/* Each header by its own name; what they hold is nobody's business. */
static void show_headers(const struct show *s, const struct conf *c, const char *section)
{
	const struct strv *headers = conf_list(c, KEY_ARTIFACT_HEADER);
	struct shown k = {
		.section = section, .value = "***", .info = conf_key_info(KEY_ARTIFACT_HEADER)};

	k.origin = conf_origin(c, KEY_ARTIFACT_HEADER, &k.line);
	for (size_t i = 0; i < headers->n; i++) {
		_cleanup_free_ char *name = xasprintf(
			CONF_HEADER_PREFIX "%.*s", (int)strcspn(headers->v[i], ":"), headers->v[i]);

		k.name = name;
		show_one(s, &k);
	}
}

static void show_named(const struct show *s, const struct conf *c, enum conf_named kind)
{
	for (size_t i = 0; i < conf_named_count(c, kind); i++) {
		const struct conf *named = conf_named(c, kind, i);
		_cleanup_free_ char *section =
			xasprintf("%s %s", conf_named_word(kind), conf_named_name(c, kind, i));

		for (enum conf_key k = conf_named_first_key(kind); k <= conf_named_last_key(kind);
			k++) {
			if (k == KEY_ARTIFACT_HEADER)
				show_headers(s, named, section);
			else if (conf_is_set(named, k))
				show_key(s, named, k, section);
		}
	}
}

static bool is_of_named(enum conf_key key)
{
	return conf_section_name(conf_key_info(key)->section, NULL) != NULL;
}

static void show_all(const struct show *s, const struct conf *c)
{
	for (enum conf_key k = 0; k < CONF_KEY_COUNT; k++)
		if (!is_of_named(k))
			show_key(s, c, k, conf_key_info(k)->section);
	show_env(s, c);
	show_named(s, c, CONF_NAMED_ARTIFACT);
	show_named(s, c, CONF_NAMED_HOOK);
}

static int show_as_json(struct show *s, const struct conf *c)
{
	json_t *all = json_object();

	s->json = json_array();
	show_all(s, c);
	json_put(all, "format", json_integer(CONFIG_FORMAT));
	json_put(all, "files", json_from_strv(conf_files(c)));
	json_put(all, "keys", s->json);
	return cmd_print_json(all, 0, "the configuration");
}

static int run_show(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct show_data *d = data;
	struct show s = {.layout = &ctx->layout, .verbose = ctx->arg_verbose > 0};
	const struct conf *c;
	struct th_err err = TH_ERR_INIT;

	if (cmd_load(ctx, &err) < 0)
		return cmd_fail(&err);
	c = ctx->conf;
	if (argc) {
		d->task.file = argv[0];
		if (task_options_read(ctx, &d->task, &err) < 0)
			return cmd_fail(&err);
		c = d->task.conf;
	}
	if (d->json)
		return show_as_json(&s, c);
	show_all(&s, c);
	return EXIT_OK;
}

static void show_done(void *data)
{
	task_options_done(&((struct show_data *)data)->task);
}

static const struct cmd cmd_config_show = {
	.name = "config show",
	.synopsis = "[--json] [TASKFILE|NAME]",
	.summary = "print every key with its value and where it comes from; -v: what it means",
	.groups = show_groups,
	.max_args = 1,
	.data_size = sizeof(struct show_data),
	.run = run_show,
	.done = show_done,
};

/* ---- check ---- */

/* What others give a task for its stop. */
struct stop_limits {
	const char *unit; /* NULL: none was named */
	usec_t unit_stop;
	usec_t kill_wait; /* 0: not told */
};

/* DefaultTimeoutStopSec= of systemd-system.conf(5) as it is shipped. */
#define UNIT_STOP_DEFAULT (90 * USEC_PER_SEC)
#define UNIT_LINES_MAX	  100000

static int parse_unit_time(const char *value, usec_t *ret)
{
	if (strcmp(value, "infinity") == 0 || strcmp(value, "0") == 0) {
		*ret = USEC_INFINITY; /* systemd.service(5): 0 disables it */
		return 0;
	}
	return parse_duration(value, ret);
}

/* TimeoutStopSec= or TimeoutSec= of [Service]; the last one counts (systemd.syntax(7)). */
static int read_unit(const char *path, usec_t *ret, struct th_err *err)
{
	_cleanup_free_ char *line = NULL;
	bool in_service = false;
	usec_t stop = UNIT_STOP_DEFAULT;
	size_t room = 0;
	ssize_t n;
	FILE *f = fopen(path, "re");
	int r = 0;

	if (!f)
		return err_set(err, EXIT_USAGE, errno, "cannot read the unit '%s': %m", path);
	for (unsigned i = 1; r == 0 && i < UNIT_LINES_MAX && (n = getline(&line, &room, f)) > 0;
		i++) {
		char *value;

		while (n > 0 && strchr(" \t\r\n", line[n - 1]))
			line[--n] = '\0';
		if (line[0] == '[')
			in_service = strcmp(line, "[Service]") == 0;
		value = in_service ? strchr(line, '=') : NULL;
		if (!value || (!str_starts_with(line, "TimeoutStopSec") &&
				      !str_starts_with(line, "TimeoutSec")))
			continue;
		value += 1 + strspn(value + 1, " \t");
		if (!*value)
			stop = UNIT_STOP_DEFAULT;
		else if (parse_unit_time(value, &stop) < 0)
			r = err_set(
				err, EXIT_CONFIG, EINVAL, "%s:%u: '%s' is no time", path, i, value);
	}
	(void)fclose(f);
	if (r == 0)
		*ret = stop;
	return r;
}

static int set_unit(void *data, const char *value, struct th_err *err)
{
	struct stop_limits *l = data;

	l->unit = value;
	return read_unit(value, &l->unit_stop, err);
}

static int set_kill_wait(void *data, const char *value, struct th_err *err)
{
	struct stop_limits *l = data;

	if (parse_duration(value, &l->kill_wait) < 0 || l->kill_wait == 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"'%s' is not a time: write for example --kill-wait=30s", value);
	return 0;
}

static const struct cmd_option check_options[] = {
	{0, "unit", "FILE", "warn where a stop may take longer than this systemd unit allows",
		.set = set_unit},
	{0, "kill-wait", "TIME", "the same for KillWait of slurm.conf", .set = set_kill_wait},
	{0},
};

static const struct cmd_option *const check_groups[] = {check_options, NULL};

struct check {
	struct cmd_context *ctx;
	unsigned files, errors;
	bool main_is_good;
	const struct stop_limits *limits;
};

static void report(void *arg, const struct th_err *err)
{
	struct check *k = arg;

	log_error("%s", err_text(err));
	k->errors++;
}

static void ignore(void *arg, const struct th_err *err)
{
	(void)arg;
	(void)err;
}

PRINTF_ATTR(2, 3)
static void report_text(struct check *k, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_error("%s", text);
	k->errors++;
}

/* Says the one error, unless it was said by report(). */
static void report_rest(struct check *k, int r, struct th_err *err)
{
	if (r < 0)
		report(k, err);
	err_clear(err);
}

/* A file by itself. True where it is good. */
static bool check_alone(struct check *k, const char *path, unsigned where, struct conf **ret)
{
	_cleanup_conf_ struct conf *c = conf_new();
	struct th_err err = TH_ERR_INIT;
	int r;

	k->files++;
	r = conf_read_file(c, AT_FDCWD, path, path, where, report, k, &err);
	report_rest(k, r, &err);
	if (r == 0 && ret)
		*ret = TAKE_PTR(c);
	return r == 0;
}

static void check_user(struct check *k, const struct conf *c)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_cred_ struct cred cred = {0};
	unsigned line = 0;
	const char *origin;

	if (!conf_is_set(c, KEY_TASK_USER))
		return;
	origin = conf_origin(c, KEY_TASK_USER, &line);
	if (cred_lookup(conf_string(c, KEY_TASK_USER), NULL, &cred, &err) < 0)
		report_text(k, "%s:%u: %s", origin, line, err_text(&err));
}

/* What only shows once the layers lie on each other: a hook without a path, a name that is none. */
static void warn_of_limit(const struct task *t, const char *path, usec_t stop, usec_t limit,
	const char *who, const char *what)
{
	char needed[CLOCK_SPAN_MAX], given[CLOCK_SPAN_MAX];

	if (limit == USEC_INFINITY || stop <= limit)
		return;
	log_warning("%s: a stop of '%s' takes up to %s, and %s%s%s kills it after %s (raise %s, or "
		    "lower stop-timeout or the timeouts of its hooks)",
		path, t->name, clock_format_span(stop, needed, sizeof(needed)), *who ? "'" : "",
		*who ? who : "Slurm", *who ? "'" : "",
		clock_format_span(limit, given, sizeof(given)), what);
}

/* Whoever kills taskhook before it is through leaves post-stop hooks to the janitor. */
static void check_stop_time(struct check *k, struct task *t, const char *path)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	const struct stop_limits *limits = k->limits;
	struct plan_budget budget;

	if (!limits->unit && limits->kill_wait == 0)
		return;
	/* An unsafe hook is for 'hooks check' to tell. */
	if (plan_budget(&k->ctx->layout, t, &budget, &why) < 0)
		return;
	if (limits->unit)
		warn_of_limit(
			t, path, budget.stop, limits->unit_stop, limits->unit, "TimeoutStopSec");
	if (limits->kill_wait)
		warn_of_limit(t, path, budget.stop, limits->kill_wait, "", "KillWait");
}

static void check_resolved(struct check *k, const char *path)
{
	struct task_options o = {.file = path};
	char *stand_in[] = {(char[]){"true"}, NULL};
	struct th_err err = TH_ERR_INIT;
	struct task *task = NULL;
	int r;

	r = task_options_read(k->ctx, &o, &err);
	if (r == 0) {
		struct task_args args = {
			.group = o.default_group,
			.default_id = o.default_id,
			.file = o.found_file,
			/* The command may come from the command line. */
			.command = conf_is_set(o.conf, KEY_TASK_COMMAND) ? NULL : stand_in,
		};

		check_user(k, o.conf);
		r = task_resolve(o.conf, &args, &k->ctx->layout, &task, &err);
	}
	if (r == 0)
		check_stop_time(k, task, path);
	report_rest(k, r, &err);
	task_free(task);
	task_options_done(&o);
}

static void check_task_file(struct check *k, const char *path, bool deep)
{
	if (check_alone(k, path, CONF_IN_TASK, NULL) && deep)
		check_resolved(k, path);
}

static void check_hook_file(struct check *k, const char *path)
{
	_cleanup_conf_ struct conf *c = NULL;
	struct hook_settings settings;
	struct th_err err = TH_ERR_INIT;
	int r;

	if (!check_alone(k, path, CONF_IN_HOOK, &c))
		return;
	r = hook_settings_from_conf(&settings, c, 0, 0, &err);
	if (r == 0)
		hook_settings_done(&settings);
	report_rest(k, r, &err);
}

/* The names of a directory in byte order; none where it is missing. */
static void read_names(struct check *k, const char *dir, struct strv *ret)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, NULL);

	if (n < 0) {
		if (errno != ENOENT)
			report_text(k, "cannot read '%s': %s", dir, strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.')
			strv_add(ret, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	strv_sort(ret);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void check_task_dir(struct check *k, const char *dir, bool deep)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	read_names(k, dir, &names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = path_join(dir, names.v[i]), *id = NULL;
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		if (!str_ends_with(names.v[i], ".ini"))
			continue;
		id = xstrndup(names.v[i], strlen(names.v[i]) - strlen(".ini"));
		if (name_check(id, "task file's name", &err) < 0)
			report_text(k, "%s: %s", path, err_text(&err));
		check_task_file(k, path, deep);
	}
}

/* pre/, post/ and a directory for each hook point; a misspelt one would never be read. */
static void check_hook_dirs(struct check *k, const char *base)
{
	_cleanup_strv_ struct strv points = STRV_INIT;

	read_names(k, base, &points);
	for (size_t i = 0; i < points.n; i++) {
		const char *name = points.v[i];
		_cleanup_free_ char *dir = path_join(base, name);
		_cleanup_strv_ struct strv files = STRV_INIT;

		if (!is_directory(dir))
			continue;
		if (strcmp(name, "pre") != 0 && strcmp(name, "post") != 0 &&
			point_from_name(name) == POINT_NONE) {
			const char *nearest = point_suggest(name);

			report_text(k, "%s: no hook point has this name%s%s%s", dir,
				nearest ? "; did you mean '" : "", nearest ? nearest : "",
				nearest ? "'?" : "");
			continue;
		}
		read_names(k, dir, &files);
		for (size_t n = 0; n < files.n; n++) {
			_cleanup_free_ char *path = path_join(dir, files.v[n]);

			if (str_ends_with(files.v[n], ".conf"))
				check_hook_file(k, path);
		}
	}
}

static void check_group(struct check *k, const char *group)
{
	const struct layout *l = &k->ctx->layout;
	_cleanup_free_ char *dir = path_join(l->groups_dir, group);
	_cleanup_free_ char *file = layout_group_conf(l, group);
	_cleanup_free_ char *tasks = path_join(dir, "tasks");
	_cleanup_free_ char *hooks = layout_group_hooks(l, group);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	bool good = k->main_is_good;

	if (!is_directory(dir))
		return;
	if (name_check(group, "group", &err) < 0) {
		report_text(k, "%s: %s", dir, err_text(&err));
		return;
	}
	if (access(file, F_OK) == 0 && !check_alone(k, file, CONF_IN_GROUP, NULL))
		good = false;
	check_task_dir(k, tasks, good);
	check_hook_dirs(k, hooks);
}

static void check_everything(struct check *k)
{
	const struct layout *l = &k->ctx->layout;
	_cleanup_strv_ struct strv names = STRV_INIT;

	check_task_dir(k, l->tasks_dir, k->main_is_good);
	read_names(k, l->groups_dir, &names);
	for (size_t i = 0; i < names.n; i++)
		check_group(k, names.v[i]);
	for (size_t i = 0; i < l->hook_dirs.n; i++)
		check_hook_dirs(k, l->hook_dirs.v[i]);
}

/* What a file given by its path is. */
static void check_given(struct check *k, const char *path)
{
	const struct layout *l = &k->ctx->layout;
	_cleanup_free_ char *absolute = path_make_absolute(path), *dir = NULL;

	if (!absolute) {
		report_text(k, "cannot tell the current directory: %s", strerror(errno));
		return;
	}
	dir = path_dirname(absolute);
	if (strcmp(absolute, l->config_file) == 0 || str_ends_with(dir, ".conf.d") ||
		strcmp(path_basename(absolute), "taskhook.conf") == 0)
		(void)check_alone(k, path, CONF_IN_MAIN, NULL);
	else if (strcmp(path_basename(absolute), "group.ini") == 0)
		(void)check_alone(k, path, CONF_IN_GROUP, NULL);
	else if (str_ends_with(absolute, ".conf"))
		check_hook_file(k, path);
	else
		check_task_file(k, absolute, k->main_is_good);
}

/* The main configuration comes first, for all others stand on it: what it holds is read with its
 * errors reported and not, as cmd_load() does, with the first of them as the end. */
static int check_main(struct check *k, bool given, struct th_err *err)
{
	struct cmd_context *ctx = k->ctx;
	_cleanup_conf_ struct conf *c = conf_new();
	int r;

	r = layout_init(&ctx->layout, ctx->arg_root, ctx->arg_config, err);
	if (r < 0)
		return r;
	/* Errors of files that were not asked about are their own matter. */
	r = conf_read_main(c, ctx->layout.config_file, ctx->arg_config != NULL,
		ctx->layout.config_dropin, given ? ignore : report, k, err);
	if (r < 0) {
		report(k, err);
		err_clear(err);
	}
	k->main_is_good = r == 0;
	if (!given)
		k->files += (unsigned)conf_files(c)->n;
	r = layout_apply_conf(&ctx->layout, c, err);
	if (r < 0)
		return r;
	ctx->conf = TAKE_PTR(c);
	return 0;
}

static int run_check(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct check k = {.ctx = ctx, .limits = data};
	struct th_err err = TH_ERR_INIT;

	if (check_main(&k, argc > 0, &err) < 0)
		return cmd_fail(&err);
	if (argc == 0)
		check_everything(&k);
	for (int i = 0; i < argc; i++)
		check_given(&k, argv[i]);
	if (k.errors) {
		log_error("%u %s in %u %s", k.errors, k.errors == 1 ? "error" : "errors", k.files,
			k.files == 1 ? "file" : "files");
		return EXIT_CONFIG;
	}
	if (!ctx->arg_quiet && k.files == 0)
		puts("there are no files to check; the defaults hold");
	else if (!ctx->arg_quiet)
		printf("%u %s\n", k.files, k.files == 1 ? "file is good" : "files are good");
	return EXIT_OK;
}

static const struct cmd cmd_config_check = {
	.name = "config check",
	.synopsis = "[--unit=FILE] [--kill-wait=TIME] [FILE...]",
	.summary =
		"report every error in the configuration, the task files and the hooks' settings",
	.groups = check_groups,
	.max_args = -1,
	.data_size = sizeof(struct stop_limits),
	.run = run_check,
};

static const struct cmd *const subcommands[] = {&cmd_config_show, &cmd_config_check, NULL};

const struct cmd cmd_config = {
	.name = "config",
	.synopsis = "show|check",
	.summary = "show or check the configuration",
	.subcommands = subcommands,
};
