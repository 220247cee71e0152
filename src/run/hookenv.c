#include "config.h"

#include "run/hookenv.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/path.h"
#include "os/cred.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Everything that can be set but STATE_NAME, ARTIFACT_NAME_*, UPDATE_OLD_KEY and UPDATE_NEW_KEY,
 * whose names are the hook's, the artifact's and the key's own. */
static const char *const names[] = {
	"PATH",
	"HOME",
	"LANG",
	"TASK_ID",
	"TASKGROUP",
	"HOOK_TYPE",
	"OPERATOR",
	"HOOK_POINT",
	"HOOK_NAME",
	"HOOK_TIMEOUT",
	"TASK_DIR",
	"TASK_LOG_DIR",
	"SHARED_DIR",
	"TASK_CGROUP",
	"GROUP_CGROUP",
	"TASK_COMMAND",
	"TASK_USER",
	"TASK_PID",
	"RUN_NUMBER",
	"RESTART_COUNT",
	"UPDATE_KEYS",
	"RESULT",
	"EXIT_CODE",
	"EXIT_SIGNAL",
	"OOM_KILLED",
	"DURATION",
	"FAILED_HOOK",
	"FAILED_REASON",
	"STOP_REASON",
	"ARTIFACTS",
	"NODE_NAME",
	"NODE_IP",
	"NODE_ARCH",
	"NODE_ROLE",
	"HOOK_RESULT",
	"HOOK_STATE_DIR",
	"TASKHOOK",
	"EGGO_CLUSTER_ID",
	"EGGO_CLUSTER_API_ENDPOINT",
	"EGGO_CLUSTER_CONFIG_DIR",
	"EGGO_NODE_IP",
	"EGGO_NODE_NAME",
	"EGGO_NODE_ARCH",
	"EGGO_NODE_ROLE",
	"EGGO_HOOK_TYPE",
	"EGGO_OPERATOR",
	NULL,
};

const char *const *hook_env_names(void)
{
	return names;
}

/* Of our names only these may be another's: what the caller or a hook says is better. */
static bool may_be_replaced(const char *name)
{
	return strcmp(name, "HOME") == 0 || strcmp(name, "LANG") == 0;
}

static bool is_ours(const char *name)
{
	for (const char *const *p = names; *p; p++)
		if (strcmp(*p, name) == 0)
			return !may_be_replaced(name);
	return str_starts_with(name, "STATE_") || str_starts_with(name, "ARTIFACT_") ||
	       str_starts_with(name, "UPDATE_OLD_") || str_starts_with(name, "UPDATE_NEW_");
}

static void add_others(struct strv *env, const struct strv *from)
{
	for (size_t i = 0; from && i < from->n; i++) {
		const char *eq = strchr(from->v[i], '=');
		_cleanup_free_ char *name = NULL;

		if (!eq)
			continue;
		name = xstrndup(from->v[i], (size_t)(eq - from->v[i]));
		if (!is_ours(name))
			env_set(env, name, eq + 1);
	}
}

static void add(struct strv *env, const char *name, const char *value)
{
	if (value)
		strv_addf(env, "%s=%s", name, value);
}

static void take(struct strv *env, const char *name, char *value)
{
	add(env, name, value);
	free(value);
}

/* Seconds, with as many decimals as it takes to tell the milliseconds. */
static char *format_seconds(usec_t t)
{
	usec_t msec = t / USEC_PER_MSEC;

	if (t == USEC_INFINITY)
		return xstrdup("infinity");
	if (msec % 1000 == 0)
		return xasprintf("%llu", (unsigned long long)(msec / 1000));
	return xasprintf("%llu.%03llu", (unsigned long long)(msec / 1000),
		(unsigned long long)(msec % 1000));
}

static char *join_roles(const struct strv *roles)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < roles->n; i++)
		strbuf_addf(&b, "%s%s", i > 0 ? "," : "", roles->v[i]);
	return strbuf_steal(&b);
}

static void add_base(const struct hook_env *e, struct strv *env)
{
	const char *home = e->home, *lang = getenv("LANG");
	_cleanup_free_ char *dir = e->taskhook ? path_dirname(e->taskhook) : NULL;

	if (str_is_empty(home))
		home = getenv("HOME");
	strv_addf(env, "PATH=%s%s%s", dir ? dir : "", dir ? ":" : "", SYSTEM_PATH);
	if (!env_get(env, "HOME"))
		add(env, "HOME", str_is_empty(home) ? "/" : home);
	if (!env_get(env, "LANG"))
		add(env, "LANG", str_is_empty(lang) ? "C.UTF-8" : lang);
}

static void add_hook(const struct hook_env *e, struct strv *env)
{
	const struct hook *h = e->hook;

	add(env, "TASK_ID", e->task->id ? e->task->id : "");
	add(env, "TASKGROUP", e->task->group);
	add(env, "HOOK_TYPE", hook_type_name(point_type(e->point)));
	add(env, "OPERATOR", operator_name(point_operator(e->point)));
	add(env, "HOOK_POINT", point_name(e->point));
	if (h) {
		add(env, "HOOK_NAME", h->name);
		take(env, "HOOK_TIMEOUT", format_seconds(h->settings.timeout));
	}
	add(env, "HOOK_RESULT", e->result_file);
	add(env, "HOOK_STATE_DIR", e->state_dir);
	add(env, "TASKHOOK", e->taskhook);
}

/* The name alone: `user` of a task may be NAME:GROUP. */
static char *task_user(const struct hook_env *e)
{
	const char *user = e->task->user;

	if (user)
		return xstrndup(user, strcspn(user, ":"));
	/* Without a user of its own the hook runs as the task does. */
	if (e->user && !(e->hook && e->hook->settings.user))
		return xstrdup(e->user);
	return geteuid() == 0 ? xstrdup("root") : cred_user_name(geteuid());
}

static void add_task(const struct hook_env *e, struct strv *env)
{
	const struct task *t = e->task;

	if (t->id) {
		take(env, "TASK_DIR", layout_task_dir(e->layout, t->group, t->id));
		take(env, "TASK_LOG_DIR", layout_log_dir(e->layout, t->group, t->id));
	}
	take(env, "SHARED_DIR", layout_shared_dir(e->layout, t->group));
	add(env, "TASK_CGROUP", e->task_cgroup);
	add(env, "GROUP_CGROUP", e->group_cgroup);
	if (!t->id)
		return;
	if (t->command.n > 0)
		take(env, "TASK_COMMAND", strv_shell_join(t->command.v));
	take(env, "TASK_USER", task_user(e));
	if (e->task_pid > 0)
		strv_addf(env, "TASK_PID=%ld", (long)e->task_pid);
	strv_addf(env, "RUN_NUMBER=%u", e->run_number);
	strv_addf(env, "RESTART_COUNT=%u", e->restart_count);
	add(env, "UPDATE_KEYS", e->update_keys);
	for (size_t i = 0; e->update_values && i < e->update_values->n; i++)
		strv_add(env, e->update_values->v[i]);
}

static void add_outcome(const struct hook_env *e, struct strv *env)
{
	const struct outcome *o = e->outcome;

	if (!o)
		return;
	if (o->result != RESULT_NONE) {
		add(env, "RESULT", result_name(o->result));
		if (o->has_exit_code)
			strv_addf(env, "EXIT_CODE=%d", o->exit_code);
		if (o->exit_signal)
			strv_addf(env, "EXIT_SIGNAL=SIG%s", signal_name(o->exit_signal));
		add(env, "OOM_KILLED", o->oom_killed ? "1" : "0");
		take(env, "DURATION", format_seconds(e->duration));
	}
	if (o->failed_hook)
		strv_addf(env, "FAILED_HOOK=%s%s%s", point_name(o->failed_point),
			o->failed_point == POINT_NONE ? "" : "/", o->failed_hook);
	add(env, "FAILED_REASON", o->failed_reason);
	if (o->stop_reason != STOP_NONE)
		add(env, "STOP_REASON", stop_reason_name(o->stop_reason));
}

static void add_artifacts(const struct hook_env *e, struct strv *env)
{
	const struct artifact_results *all = e->artifacts;
	_cleanup_strbuf_ struct strbuf names_of = STRBUF_INIT;

	if (!all || !all->n)
		return;
	for (size_t i = 0; i < all->n; i++) {
		const struct artifact_result *a = &all->v[i];
		_cleanup_free_ char *name = artifact_variable(a->name), *variable = NULL;

		strbuf_addf(&names_of, "%s%s", i > 0 ? " " : "", a->name);
		/* Two names may give one variable. */
		variable = xasprintf("ARTIFACT_%s_PATH", name);
		if (env_get(env, variable))
			continue;
		strv_addf(env, "ARTIFACT_%s_PATH=%s", name, a->path);
		strv_addf(env, "ARTIFACT_%s_SIZE=%llu", name, (unsigned long long)a->size);
		strv_addf(env, "ARTIFACT_%s_USEC=%llu", name, (unsigned long long)a->usec);
		if (a->digest)
			strv_addf(env, "ARTIFACT_%s_DIGEST=%s", name, a->digest);
	}
	add(env, "ARTIFACTS", strbuf_str(&names_of));
}

static void add_node(const struct hook_env *e, struct strv *env)
{
	const struct node *n = &e->task->node;
	const char *ip = n->ip ? n->ip : e->node_ip;
	_cleanup_free_ char *roles = join_roles(&n->roles);

	add(env, "NODE_NAME", n->name);
	add(env, "NODE_IP", ip);
	add(env, "NODE_ARCH", n->arch);
	add(env, "NODE_ROLE", roles);
	add(env, "EGGO_CLUSTER_ID", e->task->group);
	add(env, "EGGO_CLUSTER_API_ENDPOINT", n->cluster_endpoint);
	add(env, "EGGO_CLUSTER_CONFIG_DIR",
		n->cluster_config_dir ? n->cluster_config_dir : "/etc/kubernetes");
	add(env, "EGGO_NODE_IP", ip);
	add(env, "EGGO_NODE_NAME", n->name);
	add(env, "EGGO_NODE_ARCH", n->arch);
	add(env, "EGGO_NODE_ROLE", roles);
	add(env, "EGGO_HOOK_TYPE", point_eggo_hook_type(e->point));
	add(env, "EGGO_OPERATOR", point_eggo_operator(e->point));
}

void hook_env_build(const struct hook_env *e, struct strv *ret)
{
	/* First, as only here a name may come twice: what follows comes once each. */
	add_others(ret, &e->task->hooks_pass_env);
	add_others(ret, e->handed);
	add_base(e, ret);
	add_hook(e, ret);
	add_task(e, ret);
	add_outcome(e, ret);
	add_artifacts(e, ret);
	add_node(e, ret);
	for (size_t i = 0; e->state && i < e->state->n; i++)
		strv_addf(ret, "STATE_%s", e->state->v[i]);
}
