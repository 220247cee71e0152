#include "config.h"

#include "model/task.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "model/jsonio.h"
#include "model/name.h"
#include "model/task-internal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* Words of the record; in the order of the configuration's words, whose index is the value. */
static const char *const keep_names[] = {"logs", "all", "none"};
static const char *const cgroup_mode_names[] = {"auto", "required", "off"};
static const char *const on_failure_names[] = {"default", "fail", "warn", "ignore", "stop"};
static const char *const run_if_names[] = {"always", "success", "failure"};

static int index_of(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], s) == 0)
			return (int)i;
	return -1;
}

/* ---- to JSON ---- */

static void put_object(json_t *j, const char *key, json_t *object)
{
	if (json_object_size(object) > 0)
		json_put(j, key, object);
	else
		json_decref(object);
}

static json_t *rlimits_to_json(const struct task *t)
{
	json_t *j = json_object();

	for (size_t i = 0; i < t->n_rlimits; i++)
		for (size_t k = 0; k < TASK_RLIMITS; k++)
			if (task_rlimit_names[k].resource == t->rlimits[i].resource)
				json_put(j, task_rlimit_names[k].name,
					json_pack("[o, o]",
						json_from_u64(t->rlimits[i].value.rlim_cur),
						json_from_u64(t->rlimits[i].value.rlim_max)));
	return j;
}

json_t *task_limits_to_json(const struct cglimits *l)
{
	json_t *j = json_object();

	if (l->has_memory)
		json_put_u64(j, "memory", l->memory);
	if (l->has_memory_high)
		json_put_u64(j, "memory_high", l->memory_high);
	if (l->has_memory_low)
		json_put_u64(j, "memory_low", l->memory_low);
	if (l->has_memory_swap)
		json_put_u64(j, "memory_swap", l->memory_swap);
	if (l->has_cpu)
		json_put_u64(j, "cpu_ppm", l->cpu_ppm);
	if (l->has_cpu_weight)
		json_put_u64(j, "cpu_weight", l->cpu_weight);
	json_put_text(j, "cpus", l->cpus);
	if (l->has_pids)
		json_put_u64(j, "pids", l->pids);
	if (l->has_io_weight)
		json_put_u64(j, "io_weight", l->io_weight);
	json_put_strv(j, "io_max", &l->io_max);
	return j;
}

static json_t *restart_to_json(const struct restart_policy *p)
{
	json_t *j = json_object(), *codes = json_array();

	if (p->when == RESTART_NEVER) {
		json_decref(codes);
		return j;
	}
	json_put_text(j, "policy", restart_when_names[p->when]);
	json_put_u64(j, "attempts", p->attempts);
	json_put_u64(j, "interval_usec", p->interval);
	json_put_u64(j, "delay_usec", p->delay);
	json_put_u64(j, "max_delay_usec", p->max_delay);
	json_put_text(j, "mode", restart_mode_names[p->mode]);
	for (int i = 1; i <= 255; i++)
		if (restart_is_success(p, i))
			(void)json_array_append_new(codes, json_integer(i));
	json_put(j, "success_codes", codes);
	return j;
}

static json_t *file_hook_to_json(const struct task_hook *h)
{
	const struct hook_settings *s = &h->hook->settings;
	json_t *j = json_object(), *points = json_array();

	json_put_text(j, "name", h->hook->name);
	json_put_text(j, "path", h->hook->path);
	json_put_text(j, "origin", h->hook->origin);
	for (enum hook_point p = 0; p < POINT_COUNT; p++)
		if (h->points & 1u << p)
			(void)json_array_append_new(points, json_string(point_name(p)));
	json_put(j, "points", points);
	json_put_u64(j, "timeout_usec", s->timeout);
	json_put_u64(j, "kill_after_usec", s->kill_after);
	json_put_text(j, "on_failure", on_failure_names[s->on_failure]);
	json_put_u64(j, "retries", s->retries);
	json_put_u64(j, "retry_delay_usec", s->retry_delay);
	json_put_strv(j, "roles", &s->roles);
	json_put_strv(j, "groups", &s->groups);
	json_put_strv(j, "operators", &s->operators);
	json_put_text(j, "user", s->user);
	json_put_bool(j, "stdin_record", s->stdin_record);
	json_put_text(j, "run_if", run_if_names[s->run_if]);
	return j;
}

static json_t *hooks_to_json(const struct task *t)
{
	json_t *j = json_object(), *options = json_array(), *file = json_array();

	json_put_u64(j, "timeout_usec", t->hooks_timeout);
	json_put_u64(j, "kill_after_usec", t->hooks_kill_after);
	json_put_u64(j, "total_timeout_usec", t->hooks_total_timeout);
	json_put_strv(j, "pass_env", &t->hooks_pass_env);
	for (size_t i = 0; i < t->n_hook_options; i++) {
		const struct hook_option *o = &t->hook_options[i];
		json_t *option = json_object();

		json_put_text(option, "point", point_name(o->point));
		json_put_text(option, "path", o->path);
		json_put_text(option, "role", o->role);
		json_put_text(option, "option", o->option);
		if (o->once)
			json_put_bool(option, "once", true);
		(void)json_array_append_new(options, option);
	}
	for (size_t i = 0; i < t->n_file_hooks; i++)
		(void)json_array_append_new(file, file_hook_to_json(&t->file_hooks[i]));
	json_put(j, "options", options);
	json_put(j, "file", file);
	return j;
}

static json_t *node_to_json(const struct node *n)
{
	json_t *j = json_object();

	json_put_text(j, "name", n->name);
	json_put_text(j, "ip", n->ip);
	json_put_text(j, "arch", n->arch);
	json_put_strv(j, "roles", &n->roles);
	json_put_text(j, "cluster_endpoint", n->cluster_endpoint);
	json_put_text(j, "cluster_config_dir", n->cluster_config_dir);
	return j;
}

/* For hooks that read the record: nothing is fetched again after a crash, so what is secret stays
 * out of it. */
static json_t *artifacts_to_json(const struct task *t)
{
	json_t *j = json_object();

	for (size_t i = 0; i < t->n_artifacts; i++)
		json_put(j, t->artifacts[i].name, artifact_definition(&t->artifacts[i]));
	return j;
}

json_t *task_to_json(const struct task *t)
{
	json_t *j = json_object();

	json_put_text(j, "group", t->group);
	json_put_text(j, "id", t->id);
	json_put_text(j, "file", t->file);
	json_put(j, "command", json_from_strv(&t->command));
	json_put_text(j, "user", t->user);
	if (t->has_supplementary_groups)
		json_put(j, "supplementary_groups", json_from_strv(&t->supplementary_groups));
	json_put_text(j, "workdir", t->workdir);
	json_put_text(j, "stdin", t->stdin_from);
	json_put_text(j, "stop_signal", signal_name(t->stop_signal));
	json_put_u64(j, "stop_timeout_usec", t->stop_timeout);
	json_put_u64(j, "max_run_time_usec", t->max_run_time);
	json_put_text(j, "keep", keep_names[t->keep]);
	json_put_bool(j, "end_with_supervisor", t->end_with_supervisor);
	json_put_strv(j, "env", &t->env);
	if (t->has_umask)
		json_put_u64(j, "umask", t->umask);
	if (t->has_nice)
		json_put(j, "nice", json_integer(t->nice));
	if (t->has_oom_score_adj)
		json_put(j, "oom_score_adj", json_integer(t->oom_score_adj));
	put_object(j, "rlimits", rlimits_to_json(t));
	put_object(j, "limits", task_limits_to_json(&t->limits));
	put_object(j, "group_limits", task_limits_to_json(&t->group_limits));
	json_put_text(j, "group_limits_origin", t->group_limits_origin);
	json_put_bool(j, "log_to_files", t->log_to_files);
	json_put_u64(j, "log_max_size", t->log_max_size);
	json_put_u64(j, "log_max_files", t->log_max_files);
	put_object(j, "restart", restart_to_json(&t->restart));
	json_put(j, "hooks", hooks_to_json(t));
	json_put_text(j, "cgroup_mode", cgroup_mode_names[t->cgroup_mode]);
	json_put_text(j, "cgroup_parent", t->cgroup_parent);
	json_put(j, "node", node_to_json(&t->node));
	if (t->n_artifacts)
		json_put(j, "artifacts", artifacts_to_json(t));
	else if (t->artifacts_recorded)
		json_put(j, "artifacts", json_incref(t->artifacts_recorded));
	return j;
}

/* ---- from JSON ---- */

/* A member that is one of some words. */
static void in_word(
	struct json_in *in, const char *key, const char *const *names, size_t n, int *ret)
{
	const char *word = json_in_word(in, key);
	int i;

	if (!word)
		return;
	i = index_of(names, n, word);
	if (i < 0)
		json_in_refuse(in, key, "has an unknown word");
	else
		*ret = i;
}

static void in_unsigned(struct json_in *in, const char *key, unsigned *ret)
{
	int64_t n = *ret;

	json_in_int(in, key, 0, UINT_MAX, &n);
	*ret = (unsigned)n;
}

static bool in_int(struct json_in *in, const char *key, int64_t min, int64_t max, int *ret)
{
	int64_t n = INT64_MAX;

	json_in_int(in, key, min, max, &n);
	if (n == INT64_MAX)
		return false;
	*ret = (int)n;
	return true;
}

static void in_rlimits(struct json_in *in, struct task *t)
{
	const json_t *j = json_in_object(in, "rlimits");

	t->rlimits = xcalloc(TASK_RLIMITS, sizeof(*t->rlimits));
	for (size_t i = 0; j && i < TASK_RLIMITS; i++) {
		const json_t *pair = json_object_get(j, task_rlimit_names[i].name);
		struct spawn_rlimit *l = &t->rlimits[t->n_rlimits];
		json_t *members;
		struct json_in inner = {.what = "rlimits", .err = in->err};
		uint64_t soft = RLIM_INFINITY, hard = RLIM_INFINITY;

		if (!pair)
			continue;
		if (json_array_size(pair) != 2) {
			json_in_refuse(in, "rlimits", "has a limit that is no pair");
			return;
		}
		members = json_pack("{s:O, s:O}", "soft", json_array_get(pair, 0), "hard",
			json_array_get(pair, 1));
		inner.object = members;
		json_in_u64(&inner, "soft", &soft);
		json_in_u64(&inner, "hard", &hard);
		json_decref(members);
		if (inner.failed) {
			in->failed = inner.failed;
			return;
		}
		l->resource = task_rlimit_names[i].resource;
		l->value = (struct rlimit){.rlim_cur = (rlim_t)soft, .rlim_max = (rlim_t)hard};
		t->n_rlimits++;
	}
}

static void in_limit(struct json_in *in, const char *key, bool *ret_has, uint64_t *ret)
{
	const json_t *j = json_object_get(in->object, key);

	*ret_has = j && !json_is_null(j);
	json_in_u64(in, key, ret);
}

static void in_limits(struct json_in *outer, const char *key, struct cglimits *l)
{
	struct json_in in = {.object = json_in_object(outer, key), .what = key, .err = outer->err};

	in_limit(&in, "memory", &l->has_memory, &l->memory);
	in_limit(&in, "memory_high", &l->has_memory_high, &l->memory_high);
	in_limit(&in, "memory_low", &l->has_memory_low, &l->memory_low);
	in_limit(&in, "memory_swap", &l->has_memory_swap, &l->memory_swap);
	in_limit(&in, "cpu_ppm", &l->has_cpu, &l->cpu_ppm);
	in_limit(&in, "cpu_weight", &l->has_cpu_weight, &l->cpu_weight);
	json_in_text(&in, "cpus", &l->cpus);
	in_limit(&in, "pids", &l->has_pids, &l->pids);
	in_limit(&in, "io_weight", &l->has_io_weight, &l->io_weight);
	json_in_strv(&in, "io_max", &l->io_max);
	if (in.failed)
		outer->failed = in.failed;
}

static void in_restart(struct json_in *outer, struct restart_policy *p)
{
	struct json_in in = {
		.object = json_in_object(outer, "restart"), .what = "restart", .err = outer->err};
	const json_t *codes;
	int word = RESTART_NEVER;
	int64_t n;

	if (!in.object)
		return;
	in_word(&in, "policy", restart_when_names, RESTART_ALWAYS + 1, &word);
	restart_set_defaults(p, (enum restart_when)word);
	n = p->attempts;
	json_in_int(&in, "attempts", 0, RESTART_ATTEMPTS_MAX, &n);
	p->attempts = (unsigned)n;
	json_in_u64(&in, "interval_usec", &p->interval);
	json_in_u64(&in, "delay_usec", &p->delay);
	json_in_u64(&in, "max_delay_usec", &p->max_delay);
	word = (int)p->mode;
	in_word(&in, "mode", restart_mode_names, RESTART_MODE_DELAY + 1, &word);
	p->mode = (enum restart_mode)word;
	codes = json_in_array(&in, "success_codes");
	for (size_t i = 0; i < json_array_size(codes); i++) {
		json_int_t code = json_integer_value(json_array_get(codes, i));

		if (code < 1 || code > 255)
			json_in_refuse(&in, "success_codes", "holds no exit code");
		else
			restart_add_success(p, (int)code);
	}
	if (in.failed)
		outer->failed = in.failed;
}

static void in_point(struct json_in *in, const char *key, const json_t *word, enum hook_point *ret)
{
	*ret = json_is_string(word) ? point_from_name(json_string_value(word)) : POINT_NONE;
	if (*ret == POINT_NONE)
		json_in_refuse(in, key, "has an unknown hook point");
}

static void in_hook_options(struct json_in *outer, struct task *t)
{
	const json_t *j = json_in_array(outer, "options");
	size_t n = json_array_size(j);

	t->hook_options = xcalloc(MAX(n, (size_t)1), sizeof(*t->hook_options));
	for (size_t i = 0; i < n; i++) {
		struct json_in in = {
			.object = json_array_get(j, i), .what = "hooks.options", .err = outer->err};
		struct hook_option *o = &t->hook_options[t->n_hook_options++];

		in_point(&in, "point", json_object_get(in.object, "point"), &o->point);
		json_in_text(&in, "path", &o->path);
		json_in_text(&in, "role", &o->role);
		json_in_text(&in, "option", &o->option);
		json_in_bool(&in, "once", &o->once);
		if (!o->path || !o->option)
			json_in_refuse(&in, "path", "is missing");
		if (in.failed)
			outer->failed = in.failed;
	}
}

static void in_file_hook(struct json_in *in, struct task_hook *ret, const struct task *t)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	const json_t *points = json_in_array(in, "points");
	struct hook_settings *s;
	int word;

	json_in_text(in, "name", &name);
	json_in_text(in, "path", &path);
	if (!name || !path) {
		json_in_refuse(in, "name", "is missing");
		return;
	}
	for (size_t i = 0; i < json_array_size(points); i++) {
		enum hook_point p;

		in_point(in, "points", json_array_get(points, i), &p);
		if (p != POINT_NONE)
			ret->points |= 1u << p;
	}
	ret->hook = hook_new(name, path, HOOK_FROM_TASK_FILE);
	json_in_text(in, "origin", &ret->hook->origin);
	s = &ret->hook->settings;
	hook_settings_done(s);
	hook_settings_init(s, TASK_FILE_HOOK_TIMEOUT, t->hooks_kill_after);
	json_in_u64(in, "timeout_usec", &s->timeout);
	json_in_u64(in, "kill_after_usec", &s->kill_after);
	word = (int)s->on_failure;
	in_word(in, "on_failure", on_failure_names, ARRAY_SIZE(on_failure_names), &word);
	s->on_failure = (enum hook_on_failure)word;
	in_unsigned(in, "retries", &s->retries);
	json_in_u64(in, "retry_delay_usec", &s->retry_delay);
	json_in_strv(in, "roles", &s->roles);
	json_in_strv(in, "groups", &s->groups);
	json_in_strv(in, "operators", &s->operators);
	json_in_text(in, "user", &s->user);
	json_in_bool(in, "stdin_record", &s->stdin_record);
	word = (int)s->run_if;
	in_word(in, "run_if", run_if_names, ARRAY_SIZE(run_if_names), &word);
	s->run_if = (enum hook_run_if)word;
}

static void in_file_hooks(struct json_in *outer, struct task *t)
{
	const json_t *j = json_in_array(outer, "file");
	size_t n = json_array_size(j);

	t->file_hooks = xcalloc(MAX(n, (size_t)1), sizeof(*t->file_hooks));
	for (size_t i = 0; i < n; i++) {
		struct json_in in = {
			.object = json_array_get(j, i), .what = "hooks.file", .err = outer->err};

		in_file_hook(&in, &t->file_hooks[t->n_file_hooks], t);
		if (in.failed)
			outer->failed = in.failed;
		if (t->file_hooks[t->n_file_hooks].hook)
			t->n_file_hooks++;
	}
}

static void in_hooks(struct json_in *outer, struct task *t)
{
	struct json_in in = {
		.object = json_in_object(outer, "hooks"), .what = "hooks", .err = outer->err};

	json_in_u64(&in, "timeout_usec", &t->hooks_timeout);
	json_in_u64(&in, "kill_after_usec", &t->hooks_kill_after);
	json_in_u64(&in, "total_timeout_usec", &t->hooks_total_timeout);
	json_in_strv(&in, "pass_env", &t->hooks_pass_env);
	in_hook_options(&in, t);
	in_file_hooks(&in, t);
	if (in.failed)
		outer->failed = in.failed;
}

static void in_node(struct json_in *outer, struct node *n)
{
	struct json_in in = {
		.object = json_in_object(outer, "node"), .what = "node", .err = outer->err};

	json_in_text(&in, "name", &n->name);
	json_in_text(&in, "ip", &n->ip);
	json_in_text(&in, "arch", &n->arch);
	json_in_strv(&in, "roles", &n->roles);
	json_in_text(&in, "cluster_endpoint", &n->cluster_endpoint);
	json_in_text(&in, "cluster_config_dir", &n->cluster_config_dir);
	if (in.failed)
		outer->failed = in.failed;
}

/* What a record without them (an older one, or one that somebody cut) means. */
static void set_defaults(struct task *t)
{
	_cleanup_conf_ struct conf *defaults = conf_new();

	t->stdin_from = xstrdup(conf_string(defaults, KEY_TASK_STDIN));
	t->stop_signal = conf_signal(defaults, KEY_TASK_STOP_SIGNAL);
	t->stop_timeout = conf_duration(defaults, KEY_TASK_STOP_TIMEOUT);
	t->max_run_time = conf_duration(defaults, KEY_TASK_MAX_RUN_TIME);
	t->end_with_supervisor = true;
	t->log_max_size = conf_uint(defaults, KEY_LOGS_MAX_SIZE);
	t->log_max_files = (unsigned)conf_uint(defaults, KEY_LOGS_MAX_FILES);
	t->hooks_timeout = conf_duration(defaults, KEY_HOOKS_TIMEOUT);
	t->hooks_kill_after = conf_duration(defaults, KEY_HOOKS_KILL_AFTER);
	t->hooks_total_timeout = conf_duration(defaults, KEY_HOOKS_TOTAL_TIMEOUT);
	t->cgroup_parent = xstrdup(conf_string(defaults, KEY_CGROUP_PARENT));
}

int task_from_json(const json_t *j, struct task **ret, struct th_err *err)
{
	_cleanup_task_ struct task *t = task_new();
	struct json_in in = {.object = j, .what = "task", .err = err};
	const char *stop_signal;
	int word, r;

	if (!json_is_object(j))
		return err_set(err, EXIT_DATAERR, EINVAL, "'task' is not an object");
	set_defaults(t);
	json_in_text(&in, "group", &t->group);
	json_in_text(&in, "id", &t->id);
	if (!t->group || !t->id) {
		json_in_refuse(&in, "id", "is missing");
		return in.failed;
	}
	r = name_check(t->group, "group", err);
	if (r == 0)
		r = name_check(t->id, "task ID", err);
	if (r < 0)
		return r;
	t->name = xasprintf("%s/%s", t->group, t->id);

	json_in_text(&in, "file", &t->file);
	json_in_strv(&in, "command", &t->command);
	if (t->command.n == 0)
		json_in_refuse(&in, "command", "is missing");
	json_in_text(&in, "user", &t->user);
	t->has_supplementary_groups = json_object_get(j, "supplementary_groups") != NULL;
	json_in_strv(&in, "supplementary_groups", &t->supplementary_groups);
	json_in_text(&in, "workdir", &t->workdir);
	json_in_text(&in, "stdin", &t->stdin_from);
	stop_signal = json_in_word(&in, "stop_signal");
	if (stop_signal && parse_signal(stop_signal, &t->stop_signal) < 0)
		json_in_refuse(&in, "stop_signal", "is no signal");
	json_in_u64(&in, "stop_timeout_usec", &t->stop_timeout);
	json_in_u64(&in, "max_run_time_usec", &t->max_run_time);
	word = KEEP_LOGS;
	in_word(&in, "keep", keep_names, ARRAY_SIZE(keep_names), &word);
	t->keep = (enum task_keep)word;
	json_in_bool(&in, "end_with_supervisor", &t->end_with_supervisor);
	json_in_strv(&in, "env", &t->env);
	t->has_umask = in_int(&in, "umask", 0, 07777, &word);
	if (t->has_umask)
		t->umask = (mode_t)word;
	t->has_nice = in_int(&in, "nice", -20, 19, &t->nice);
	t->has_oom_score_adj = in_int(&in, "oom_score_adj", -1000, 1000, &t->oom_score_adj);
	in_rlimits(&in, t);
	in_limits(&in, "limits", &t->limits);
	in_limits(&in, "group_limits", &t->group_limits);
	json_in_text(&in, "group_limits_origin", &t->group_limits_origin);
	json_in_bool(&in, "log_to_files", &t->log_to_files);
	json_in_u64(&in, "log_max_size", &t->log_max_size);
	in_unsigned(&in, "log_max_files", &t->log_max_files);
	in_restart(&in, &t->restart);
	in_hooks(&in, t);
	word = CGROUP_MODE_AUTO;
	in_word(&in, "cgroup_mode", cgroup_mode_names, ARRAY_SIZE(cgroup_mode_names), &word);
	t->cgroup_mode = (enum cgroup_mode)word;
	json_in_text(&in, "cgroup_parent", &t->cgroup_parent);
	in_node(&in, &t->node);
	t->artifacts_recorded = json_incref(json_object_get(j, "artifacts"));
	if (in.failed)
		return in.failed;
	*ret = TAKE_PTR(t);
	return 0;
}

int task_group_limits_from_json(
	const json_t *j, const char *key, struct cglimits *ret, struct th_err *err)
{
	struct json_in in = {.object = j, .what = "group state", .err = err};

	in_limits(&in, key, ret);
	return in.failed;
}
