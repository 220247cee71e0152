#include "config.h"

#include "model/task.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "model/name.h"
#include "model/task-internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

const struct task_rlimit_name task_rlimit_names[TASK_RLIMITS] = {
	{KEY_TASK_LIMIT_AS, RLIMIT_AS, "as"},
	{KEY_TASK_LIMIT_CORE, RLIMIT_CORE, "core"},
	{KEY_TASK_LIMIT_CPU, RLIMIT_CPU, "cpu"},
	{KEY_TASK_LIMIT_DATA, RLIMIT_DATA, "data"},
	{KEY_TASK_LIMIT_FSIZE, RLIMIT_FSIZE, "fsize"},
	{KEY_TASK_LIMIT_MEMLOCK, RLIMIT_MEMLOCK, "memlock"},
	{KEY_TASK_LIMIT_MSGQUEUE, RLIMIT_MSGQUEUE, "msgqueue"},
	{KEY_TASK_LIMIT_NICE, RLIMIT_NICE, "nice"},
	{KEY_TASK_LIMIT_NOFILE, RLIMIT_NOFILE, "nofile"},
	{KEY_TASK_LIMIT_NPROC, RLIMIT_NPROC, "nproc"},
	{KEY_TASK_LIMIT_RSS, RLIMIT_RSS, "rss"},
	{KEY_TASK_LIMIT_RTPRIO, RLIMIT_RTPRIO, "rtprio"},
	{KEY_TASK_LIMIT_RTTIME, RLIMIT_RTTIME, "rttime"},
	{KEY_TASK_LIMIT_SIGPENDING, RLIMIT_SIGPENDING, "sigpending"},
	{KEY_TASK_LIMIT_STACK, RLIMIT_STACK, "stack"},
};
struct task *task_new(void)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->stop_signal = SIGTERM;
	t->max_run_time = USEC_INFINITY;
	t->log_to_files = true;
	t->log_max_files = 1;
	restart_set_defaults(&t->restart, RESTART_NEVER);
	return t;
}

struct task *task_free(struct task *t)
{
	if (!t)
		return NULL;
	free(t->group);
	free(t->id);
	free(t->name);
	free(t->file);
	json_decref(t->artifacts_recorded);
	strv_done(&t->command);
	free(t->user);
	strv_done(&t->supplementary_groups);
	free(t->workdir);
	free(t->stdin_from);
	strv_done(&t->env);
	free(t->rlimits);
	cglimits_done(&t->limits);
	cglimits_done(&t->group_limits);
	free(t->group_limits_origin);
	for (size_t i = 0; i < TASK_ORIGIN_COUNT; i++)
		free(t->origins[i]);
	strv_done(&t->hooks_pass_env);
	for (size_t i = 0; i < t->n_hook_options; i++)
		hook_option_done(&t->hook_options[i]);
	free(t->hook_options);
	for (size_t i = 0; i < t->n_file_hooks; i++)
		hook_free(t->file_hooks[i].hook);
	free(t->file_hooks);
	free(t->cgroup_parent);
	free(t->node.name);
	free(t->node.ip);
	free(t->node.arch);
	strv_done(&t->node.roles);
	for (size_t i = 0; i < t->n_artifacts; i++)
		artifact_done(&t->artifacts[i]);
	free(t->artifacts);
	fetch_settings_done(&t->fetch);
	free(t->node.cluster_endpoint);
	free(t->node.cluster_config_dir);
	free(t);
	return NULL;
}

/* ---- resolving ---- */

/* "FILE:LINE", or the option's name. */
static char *origin_text(const struct conf *c, enum conf_key key)
{
	unsigned line = 0;
	const char *file = conf_origin(c, key, &line);

	return line ? xasprintf("%s:%u", file, line) : xstrdup(file);
}

static int resolve_name(const struct conf *c, enum conf_key key, const char *given,
	const char *option, const char *what, char **ret, struct th_err *err)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	const char *value = given ? given : conf_string(c, key);
	_cleanup_free_ char *origin = NULL;
	int r;

	if (!value)
		return 0;
	r = name_check(value, what, &why);
	if (r == 0) {
		*ret = xstrdup(value);
		return 0;
	}
	if (given)
		return err_set(err, EXIT_USAGE, -r, "%s: %s", option, err_text(&why));
	origin = origin_text(c, key);
	return err_set(err, conf_origin_status(origin), -r, "%s: %s", origin, err_text(&why));
}

static unsigned random_number(void)
{
	unsigned n;

	/* Not random yet early at boot; the clock will do for a name. */
	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (unsigned)clock_realtime_usec() ^ (unsigned)getpid() << 8;
	return n;
}

static int resolve_identity(
	struct task *t, const struct conf *c, const struct task_args *args, struct th_err *err)
{
	int r;

	r = resolve_name(c, KEY_TASK_GROUP, args->group, "-g", "group", &t->group, err);
	if (r < 0)
		return r;
	r = resolve_name(c, KEY_TASK_ID, args->id, "-i", "task ID", &t->id, err);
	if (r < 0)
		return r;
	if (!t->id && args->default_id) {
		r = name_check(args->default_id, "task ID", err);
		if (r < 0) {
			err_prefix(err, "-f");
			return r;
		}
		t->id = xstrdup(args->default_id);
	}
	if (!t->id)
		t->id = name_make_id(t->command.v[0], random_number());
	t->name = xasprintf("%s/%s", t->group, t->id);
	return 0;
}

static int resolve_command(
	struct task *t, const struct conf *c, const struct task_args *args, struct th_err *err)
{
	if (args->command && args->command[0])
		for (char *const *p = args->command; *p; p++)
			strv_add(&t->command, *p);
	else
		strv_copy(&t->command, conf_list(c, KEY_TASK_COMMAND));
	if (t->command.n == 0 && args->file)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"%s: the task has no command: write 'command = ...' below [task], or give "
			"it behind '--'",
			args->file);
	if (t->command.n == 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"there is no command: give it behind '--', or name a task file with -f");
	if (!*t->command.v[0])
		return err_set(err, EXIT_USAGE, EINVAL, "the command is empty");
	return 0;
}

static void pick_environment(struct strv *env, char *const *from, const struct strv *patterns)
{
	if (patterns->n == 0)
		return;
	for (; from && *from; from++) {
		const char *equals = strchr(*from, '=');
		_cleanup_free_ char *name = NULL;

		if (!equals || equals == *from)
			continue;
		name = xstrndup(*from, (size_t)(equals - *from));
		if (str_matches_any(name, patterns))
			env_set(env, name, equals + 1);
	}
}

static const char *find_environment(char *const *from, const char *name)
{
	size_t n = strlen(name);

	for (; from && *from; from++)
		if (strncmp(*from, name, n) == 0 && (*from)[n] == '=')
			return *from + n + 1;
	return NULL;
}

static void set_assignment(struct strv *env, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	_cleanup_free_ char *name = xstrndup(assignment, (size_t)(equals - assignment));

	env_set(env, name, equals + 1);
}

static int resolve_environment(
	struct task *t, const struct conf *c, const struct task_args *args, struct th_err *err)
{
	const struct strv *env = conf_env(c);

	pick_environment(&t->env, args->environ, conf_list(c, KEY_TASK_PASS_ENV));
	for (size_t i = 0; i < env->n; i++)
		set_assignment(&t->env, env->v[i]);
	for (size_t i = 0; args->env && i < args->env->n; i++) {
		const char *given = args->env->v[i], *equals = strchr(given, '='), *value;
		_cleanup_free_ char *name =
			equals ? xstrndup(given, (size_t)(equals - given)) : xstrdup(given);

		if (!env_name_is_valid(name)) {
			_cleanup_free_ char *shown = str_escape(name, 60);

			return err_set(err, EXIT_USAGE, EINVAL,
				"-e: '%s' is no name of a variable: letters, digits and '_', no "
				"digit first",
				shown);
		}
		value = equals ? equals + 1 : find_environment(args->environ, name);
		if (!value)
			return err_set(err, EXIT_USAGE, ENOENT,
				"-e %s: there is no such variable here; write -e %s=VALUE", name,
				name);
		env_set(&t->env, name, value);
	}
	pick_environment(&t->hooks_pass_env, args->environ, conf_list(c, KEY_HOOKS_PASS_ENV));
	return 0;
}

static void resolve_rlimits(struct task *t, const struct conf *c)
{
	t->rlimits = xcalloc(TASK_RLIMITS, sizeof(*t->rlimits));
	for (size_t i = 0; i < TASK_RLIMITS; i++) {
		struct rlimit value;

		if (!conf_rlimit(c, task_rlimit_names[i].key, &value))
			continue;
		t->rlimits[t->n_rlimits].resource = task_rlimit_names[i].resource;
		t->rlimits[t->n_rlimits++].value = value;
	}
}

/* [limits] and [group-limits] hold the same keys in the same order. */
static bool limit_number(const struct conf *c, bool of_group, enum conf_key key, uint64_t *ret)
{
	enum conf_key k = key + (of_group ? KEY_GROUP_LIMITS_MEMORY - KEY_LIMITS_MEMORY : 0);

	if (!conf_is_set(c, k))
		return false;
	*ret = conf_uint(c, k);
	return true;
}

static void resolve_limits(struct cglimits *l, const struct conf *c, bool of_group)
{
	enum conf_key cpus = of_group ? KEY_GROUP_LIMITS_CPUS : KEY_LIMITS_CPUS;
	enum conf_key io_max = of_group ? KEY_GROUP_LIMITS_IO_MAX : KEY_LIMITS_IO_MAX;

	l->has_memory = limit_number(c, of_group, KEY_LIMITS_MEMORY, &l->memory);
	l->has_memory_high = limit_number(c, of_group, KEY_LIMITS_MEMORY_HIGH, &l->memory_high);
	l->has_memory_low = limit_number(c, of_group, KEY_LIMITS_MEMORY_LOW, &l->memory_low);
	l->has_memory_swap = limit_number(c, of_group, KEY_LIMITS_MEMORY_SWAP, &l->memory_swap);
	l->has_cpu = limit_number(c, of_group, KEY_LIMITS_CPU, &l->cpu_ppm);
	l->has_cpu_weight = limit_number(c, of_group, KEY_LIMITS_CPU_WEIGHT, &l->cpu_weight);
	l->has_pids = limit_number(c, of_group, KEY_LIMITS_PIDS, &l->pids);
	l->has_io_weight = limit_number(c, of_group, KEY_LIMITS_IO_WEIGHT, &l->io_weight);
	str_replace(&l->cpus, conf_is_set(c, cpus) ? conf_string(c, cpus) : NULL);
	if (conf_is_set(c, io_max))
		strv_copy(&l->io_max, conf_list(c, io_max));
}
_Static_assert(
	KEY_GROUP_LIMITS_IO_MAX - KEY_GROUP_LIMITS_MEMORY == KEY_LIMITS_IO_MAX - KEY_LIMITS_MEMORY,
	"[limits] and [group-limits] hold the same keys");

static char *group_limits_origin(const struct conf *c)
{
	for (enum conf_key k = KEY_GROUP_LIMITS_MEMORY; k <= KEY_GROUP_LIMITS_IO_MAX; k++)
		if (conf_is_set(c, k))
			return origin_text(c, k);
	return NULL;
}

static enum hook_point point_of_schedule(const char *word)
{
	enum hook_point p = point_from_name(word);

	return p != POINT_NONE ? p : point_from_eggo_schedule(word);
}

static int resolve_file_hook(struct task_hook *ret, const char *name, const struct conf *c,
	const struct task *t, struct th_err *err)
{
	const char *path = conf_string(c, KEY_HOOK_PATH);
	const struct strv *schedule = conf_list(c, KEY_HOOK_SCHEDULE);
	_cleanup_free_ char *origin = NULL;
	struct hook *hook;
	int r;

	for (enum conf_key k = KEY_HOOK_SCHEDULE; k <= KEY_HOOK_RUN_IF && !origin; k++)
		if (conf_is_set(c, k))
			origin = origin_text(c, k);
	if (!origin)
		origin = xstrdup("the task file");
	if (!path || schedule->n == 0)
		return err_set(err, conf_origin_status(origin), EINVAL, "%s: [hook %s] has no '%s'",
			origin, name, path ? "schedule" : "path");

	ret->points = 0;
	for (size_t i = 0; i < schedule->n; i++) {
		_cleanup_free_ char *shown = str_escape(schedule->v[i], 60);
		enum hook_point p = point_of_schedule(schedule->v[i]);
		const char *nearest = point_suggest(schedule->v[i]);

		if (p == POINT_NONE)
			return err_set(err, conf_origin_status(origin), EINVAL,
				"%s: [hook %s] schedule: unknown hook point '%s'%s%s%s", origin,
				name, shown, nearest ? "; did you mean '" : "",
				nearest ? nearest : "; see taskhook-hooks(7)", nearest ? "'?" : "");
		ret->points |= 1u << p;
	}

	hook = hook_new(name, path, HOOK_FROM_TASK_FILE);
	hook_settings_done(&hook->settings);
	r = hook_settings_from_conf(
		&hook->settings, c, TASK_FILE_HOOK_TIMEOUT, t->hooks_kill_after, err);
	if (r < 0) {
		hook->settings = (struct hook_settings){0};
		hook_free(hook);
		return r;
	}
	str_replace(&hook->origin, origin);
	ret->hook = hook;
	return 0;
}

static int compare_file_hooks(const void *a, const void *b)
{
	const struct task_hook *x = a, *y = b;

	return strcmp(x->hook->name, y->hook->name);
}

void task_add_hook_option(struct task *t, const struct hook_option *o)
{
	struct hook_option *own;

	t->hook_options =
		xreallocarray(t->hook_options, t->n_hook_options + 1, sizeof(*t->hook_options));
	own = &t->hook_options[t->n_hook_options++];
	*own = (struct hook_option){.point = o->point, .once = o->once};
	str_replace(&own->path, o->path);
	str_replace(&own->role, o->role);
	str_replace(&own->option, o->option);
}

bool task_has_hook_option(const struct task *t, const struct hook_option *o)
{
	for (size_t i = 0; i < t->n_hook_options; i++) {
		const struct hook_option *own = &t->hook_options[i];

		if (own->point == o->point && strcmp(own->path, o->path) == 0 &&
			strcmp(own->role ? own->role : "", o->role ? o->role : "") == 0)
			return true;
	}
	return false;
}

void task_remove_hook_options(struct task *t, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		hook_option_done(&t->hook_options[i]);
	t->n_hook_options -= n;
	for (size_t i = first; i < t->n_hook_options; i++)
		t->hook_options[i] = t->hook_options[i + n];
}

bool task_remove_hooks_of_once(struct task *t)
{
	size_t before = t->n_hook_options;

	for (size_t i = before; i-- > 0;)
		if (t->hook_options[i].once)
			task_remove_hook_options(t, i, 1);
	return t->n_hook_options < before;
}

static int resolve_hooks(
	struct task *t, const struct conf *c, const struct task_args *args, struct th_err *err)
{
	size_t n = conf_named_count(c, CONF_NAMED_HOOK);
	int r;

	t->hooks_timeout = conf_duration(c, KEY_HOOKS_TIMEOUT);
	t->hooks_kill_after = conf_duration(c, KEY_HOOKS_KILL_AFTER);
	t->hooks_total_timeout = conf_duration(c, KEY_HOOKS_TOTAL_TIMEOUT);

	for (size_t i = 0; i < args->n_hook_options; i++)
		task_add_hook_option(t, &args->hook_options[i]);

	t->file_hooks = xcalloc(MAX(n, (size_t)1), sizeof(*t->file_hooks));
	for (size_t i = 0; i < n; i++) {
		r = resolve_file_hook(&t->file_hooks[t->n_file_hooks],
			conf_named_name(c, CONF_NAMED_HOOK, i), conf_named(c, CONF_NAMED_HOOK, i),
			t, err);
		if (r < 0)
			return r;
		t->n_file_hooks++;
	}
	qsort(t->file_hooks, t->n_file_hooks, sizeof(*t->file_hooks), compare_file_hooks);
	return 0;
}

static int compare_artifacts(const void *a, const void *b)
{
	const struct artifact *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int resolve_artifacts(struct task *t, const struct conf *c, struct th_err *err)
{
	size_t n = conf_named_count(c, CONF_NAMED_ARTIFACT);

	if (n == 0)
		return 0;
	fetch_settings_from_conf(&t->fetch, c);
	t->artifacts = xcalloc(n, sizeof(*t->artifacts));
	for (size_t i = 0; i < n; i++) {
		int r = artifact_from_conf(&t->artifacts[t->n_artifacts++],
			conf_named_name(c, CONF_NAMED_ARTIFACT, i),
			conf_named(c, CONF_NAMED_ARTIFACT, i), c, err);

		if (r < 0)
			return r;
	}
	qsort(t->artifacts, n, sizeof(*t->artifacts), compare_artifacts);
	return 0;
}

void task_resolve_node(struct node *ret, const struct conf *c)
{
	struct utsname u;

	if (uname(&u) < 0)
		u = (struct utsname){.nodename = "localhost", .machine = "unknown"};
	ret->name =
		xstrdup(conf_is_set(c, KEY_NODE_NAME) ? conf_string(c, KEY_NODE_NAME) : u.nodename);
	str_replace(&ret->ip, conf_string(c, KEY_NODE_IP));
	ret->arch = xstrdup(u.machine);
	strv_copy(&ret->roles, conf_list(c, KEY_NODE_ROLES));
	str_replace(&ret->cluster_endpoint, conf_string(c, KEY_NODE_CLUSTER_ENDPOINT));
	str_replace(&ret->cluster_config_dir, conf_string(c, KEY_NODE_CLUSTER_CONFIG_DIR));
}

enum conf_key task_origin_key(enum task_origin of)
{
	static const enum conf_key keys[TASK_ORIGIN_RLIMIT] = {
		[TASK_ORIGIN_COMMAND] = KEY_TASK_COMMAND,
		[TASK_ORIGIN_USER] = KEY_TASK_USER,
		[TASK_ORIGIN_GROUPS] = KEY_TASK_SUPPLEMENTARY_GROUPS,
		[TASK_ORIGIN_WORKDIR] = KEY_TASK_WORKDIR,
		[TASK_ORIGIN_STDIN] = KEY_TASK_STDIN,
		[TASK_ORIGIN_NICE] = KEY_TASK_NICE,
		[TASK_ORIGIN_OOM_SCORE_ADJ] = KEY_TASK_OOM_SCORE_ADJ,
	};

	if (of >= TASK_ORIGIN_LIMIT)
		return (enum conf_key)(KEY_LIMITS_MEMORY + (of - TASK_ORIGIN_LIMIT));
	if (of >= TASK_ORIGIN_RLIMIT)
		return task_rlimit_names[of - TASK_ORIGIN_RLIMIT].key;
	return keys[of];
}

static void resolve_origins(struct task *t, const struct conf *c, const struct task_args *args)
{
	for (enum task_origin i = 0; i < TASK_ORIGIN_COUNT; i++) {
		enum conf_key key = task_origin_key(i);

		if (conf_is_set(c, key) &&
			(i != TASK_ORIGIN_COMMAND || !args->command || !args->command[0]))
			t->origins[i] = origin_text(c, key);
	}
}

static int resolve_success_codes(struct restart_policy *p, const struct conf *c, struct th_err *err)
{
	const struct strv *codes = conf_list(c, KEY_RESTART_SUCCESS_CODES);

	for (size_t i = 0; i < codes->n; i++) {
		uint64_t code;

		if (parse_uint(codes->v[i], 0, 255, &code) < 0) {
			_cleanup_free_ char *origin = origin_text(c, KEY_RESTART_SUCCESS_CODES);
			_cleanup_free_ char *shown = str_escape(codes->v[i], 60);

			return err_set(err, conf_origin_status(origin), EINVAL,
				"%s: restart.success-codes: '%s' is no exit code from 0 to 255",
				origin, shown);
		}
		restart_add_success(p, (int)code);
	}
	return 0;
}

/* Takes the origin of the key instead of *origin, if it is the first or the first of an option. */
static void blame_key(const struct conf *c, enum conf_key key, char **origin)
{
	bool given = conf_origin_status(conf_origin(c, key, NULL)) == EXIT_USAGE;

	if (!conf_is_set(c, key) ||
		(*origin && (!given || conf_origin_status(*origin) == EXIT_USAGE)))
		return;
	free(*origin);
	*origin = origin_text(c, key);
}

/* Of numbers that do not fit together those of the command line are what was changed last. */
static void blame_restart(const struct conf *c, struct th_err *err)
{
	_cleanup_free_ char *origin = NULL;

	for (enum conf_key k = KEY_RESTART_ATTEMPTS; k <= KEY_RESTART_MODE; k++)
		blame_key(c, k, &origin);
	blame_key(c, KEY_RESTART_POLICY, &origin);
	if (!origin || !err)
		return;
	err->status = conf_origin_status(origin);
	err_prefix(err, "%s", origin);
}

static int resolve_restart(struct restart_policy *p, const struct conf *c, struct th_err *err)
{
	int r;

	restart_set_defaults(p, (enum restart_when)conf_enum(c, KEY_RESTART_POLICY));
	if (conf_is_set(c, KEY_RESTART_ATTEMPTS))
		p->attempts = (unsigned)conf_uint(c, KEY_RESTART_ATTEMPTS);
	if (conf_is_set(c, KEY_RESTART_INTERVAL))
		p->interval = conf_duration(c, KEY_RESTART_INTERVAL);
	p->delay = p->max_delay = conf_duration(c, KEY_RESTART_DELAY);
	if (conf_is_set(c, KEY_RESTART_MAX_DELAY))
		p->max_delay = conf_duration(c, KEY_RESTART_MAX_DELAY);
	p->mode = (enum restart_mode)conf_enum(c, KEY_RESTART_MODE);
	r = resolve_success_codes(p, c, err);
	if (r < 0)
		return r;
	r = restart_check(p, err);
	if (r < 0)
		blame_restart(c, err);
	return r;
}

static void resolve_settings(struct task *t, const struct conf *c, const struct task_args *args)
{
	str_replace(&t->file, args->file);
	str_replace(&t->user, conf_string(c, KEY_TASK_USER));
	t->has_supplementary_groups = conf_is_set(c, KEY_TASK_SUPPLEMENTARY_GROUPS);
	strv_copy(&t->supplementary_groups, conf_list(c, KEY_TASK_SUPPLEMENTARY_GROUPS));
	str_replace(&t->workdir, conf_string(c, KEY_TASK_WORKDIR));
	str_replace(&t->stdin_from, conf_string(c, KEY_TASK_STDIN));
	t->stop_signal = conf_signal(c, KEY_TASK_STOP_SIGNAL);
	t->stop_timeout = conf_duration(c, KEY_TASK_STOP_TIMEOUT);
	t->max_run_time = conf_duration(c, KEY_TASK_MAX_RUN_TIME);
	t->keep = (enum task_keep)conf_enum(c, KEY_TASK_KEEP);
	t->end_with_supervisor = conf_is_set(c, KEY_TASK_WHEN_SUPERVISOR_DIES)
					 ? conf_enum(c, KEY_TASK_WHEN_SUPERVISOR_DIES) == 0
					 : !args->background;
	t->has_umask = true;
	t->umask = conf_mode(c, KEY_TASK_UMASK);
	t->has_nice = conf_is_set(c, KEY_TASK_NICE);
	if (t->has_nice)
		t->nice = (int)conf_int(c, KEY_TASK_NICE);
	t->has_oom_score_adj = conf_is_set(c, KEY_TASK_OOM_SCORE_ADJ);
	if (t->has_oom_score_adj)
		t->oom_score_adj = (int)conf_int(c, KEY_TASK_OOM_SCORE_ADJ);
	resolve_rlimits(t, c);
	resolve_limits(&t->limits, c, false);
	resolve_limits(&t->group_limits, c, true);
	t->group_limits_origin = group_limits_origin(c);
	resolve_origins(t, c, args);
	t->log_to_files = conf_enum(c, KEY_LOGS_TO) == 0;
	t->log_max_size = conf_uint(c, KEY_LOGS_MAX_SIZE);
	t->log_max_files = (unsigned)conf_uint(c, KEY_LOGS_MAX_FILES);
	t->cgroup_mode = (enum cgroup_mode)conf_enum(c, KEY_CGROUP_MODE);
	str_replace(&t->cgroup_parent, conf_string(c, KEY_CGROUP_PARENT));
	task_resolve_node(&t->node, c);
}

int task_resolve(const struct conf *c, const struct task_args *args, const struct layout *l,
	struct task **ret, struct th_err *err)
{
	_cleanup_task_ struct task *t = task_new();
	int r;

	(void)l;
	r = resolve_command(t, c, args, err);
	if (r < 0)
		return r;
	r = resolve_identity(t, c, args, err);
	if (r < 0)
		return r;
	r = resolve_environment(t, c, args, err);
	if (r < 0)
		return r;
	resolve_settings(t, c, args);
	r = resolve_restart(&t->restart, c, err);
	if (r == 0)
		r = resolve_hooks(t, c, args, err);
	if (r == 0)
		r = resolve_artifacts(t, c, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

int task_resolve_group(
	const struct conf *c, const struct task_args *args, struct task **ret, struct th_err *err)
{
	_cleanup_task_ struct task *t = task_new();
	int r;

	t->group = xstrdup(args->group);
	t->id = xstrdup("");
	t->name = xstrdup(args->group);
	pick_environment(&t->hooks_pass_env, args->environ, conf_list(c, KEY_HOOKS_PASS_ENV));
	resolve_settings(t, c, args);
	r = resolve_hooks(t, c, args, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}
