#include "config.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "run/hookenv.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define PAGE "man/taskhook-hooks.7"

static struct layout layout;
static struct task task;
static struct hook *hook;

static struct hook_env base_env(enum hook_point point)
{
	return (struct hook_env){
		.layout = &layout,
		.task = &task,
		.point = point,
		.hook = hook,
		.run_number = 3,
		.restart_count = 2,
		.taskhook = "/opt/bin/taskhook",
		.home = "/home/x",
		.user = "x",
	};
}

static void has(const struct strv *env, const char *name, const char *expected)
{
	is_str(env_get(env, name), expected, "%s", name);
}

static void check_names_are_known(const struct strv *env, const char *what)
{
	for (size_t i = 0; i < env->n; i++) {
		_cleanup_free_ char *name = xstrndup(env->v[i], strcspn(env->v[i], "="));
		const char *const *p = hook_env_names();
		size_t times = 0;

		if (str_starts_with(name, "STATE_") || strcmp(name, "PORT") == 0 ||
			strcmp(name, "PASSED") == 0 || strcmp(name, "UPDATE_CHANNEL") == 0)
			continue;
		while (*p && strcmp(*p, name) != 0)
			p++;
		if (!*p)
			ok(false, "%s: '%s' is in hook_env_names()", what, name);
		for (size_t k = 0; k < env->n; k++)
			if (str_starts_with(env->v[k], name) && env->v[k][strlen(name)] == '=')
				times++;
		if (times != 1)
			ok(false, "%s: '%s' is set once", what, name);
	}
}

static void check_start(void)
{
	struct strv env = STRV_INIT;
	struct hook_env e = base_env(POINT_PRE_START);

	e.task_cgroup = "/sys/fs/cgroup/n/web/front";
	e.group_cgroup = "/sys/fs/cgroup/n/web";
	e.result_file = "/run/r";
	e.state_dir = "/run/s";
	hook_env_build(&e, &env);
	has(&env, "PATH", "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	has(&env, "HOME", "/home/x");
	has(&env, "LANG", "C.UTF-8");
	has(&env, "TASK_ID", "front");
	has(&env, "TASKGROUP", "web");
	has(&env, "HOOK_TYPE", "prehook");
	has(&env, "OPERATOR", "start");
	has(&env, "HOOK_POINT", "pre-start");
	has(&env, "HOOK_NAME", "10-net");
	has(&env, "HOOK_TIMEOUT", "60");
	has(&env, "TASK_DIR", "/state/tasks/web/front");
	has(&env, "TASK_LOG_DIR", "/state/tasks/web/front/logs");
	has(&env, "SHARED_DIR", "/state/tasks/web/shared");
	has(&env, "TASK_CGROUP", "/sys/fs/cgroup/n/web/front");
	has(&env, "GROUP_CGROUP", "/sys/fs/cgroup/n/web");
	has(&env, "TASK_COMMAND", "sleep '1 0'");
	has(&env, "TASK_USER", "x");
	has(&env, "TASK_PID", NULL);
	has(&env, "RUN_NUMBER", "3");
	has(&env, "RESTART_COUNT", "2");
	has(&env, "RESULT", NULL);
	has(&env, "STOP_REASON", NULL);
	has(&env, "NODE_NAME", "node one");
	has(&env, "NODE_IP", "10.0.0.1");
	has(&env, "NODE_ARCH", "x86_64");
	has(&env, "NODE_ROLE", "master,etcd");
	has(&env, "HOOK_RESULT", "/run/r");
	has(&env, "HOOK_STATE_DIR", "/run/s");
	has(&env, "TASKHOOK", "/opt/bin/taskhook");
	has(&env, "EGGO_CLUSTER_ID", "web");
	has(&env, "EGGO_CLUSTER_API_ENDPOINT", "10.0.0.9/6443");
	has(&env, "EGGO_CLUSTER_CONFIG_DIR", "/etc/kubernetes");
	has(&env, "EGGO_NODE_IP", "10.0.0.1");
	has(&env, "EGGO_NODE_NAME", "node one");
	has(&env, "EGGO_NODE_ARCH", "x86_64");
	has(&env, "EGGO_NODE_ROLE", "master,etcd");
	has(&env, "EGGO_HOOK_TYPE", "prehook");
	has(&env, "EGGO_OPERATOR", "join");
	check_names_are_known(&env, "pre-start");
	strv_done(&env);
}

static void check_stop(void)
{
	struct strv env = STRV_INIT;
	struct hook_env e = base_env(POINT_POST_STOP);
	struct outcome o = {
		.result = RESULT_SIGNAL,
		.has_exit_code = true,
		.exit_code = 137,
		.exit_signal = SIGKILL,
		.oom_killed = true,
		.stop_reason = STOP_ASKED,
		.failed_point = POINT_PRE_START,
		.failed_hook = xstrdup("20-mount"),
		.failed_reason = xstrdup("exit status 3"),
	};

	e.task_pid = 4711;
	e.outcome = &o;
	e.duration = 12345678;
	hook->settings.timeout = 1500 * USEC_PER_MSEC;
	hook_env_build(&e, &env);
	has(&env, "HOOK_TIMEOUT", "1.500");
	has(&env, "HOOK_TYPE", "posthook");
	has(&env, "OPERATOR", "stop");
	has(&env, "EGGO_OPERATOR", "delete");
	has(&env, "TASK_PID", "4711");
	has(&env, "RESULT", "signal");
	has(&env, "EXIT_CODE", "137");
	has(&env, "EXIT_SIGNAL", "SIGKILL");
	has(&env, "OOM_KILLED", "1");
	has(&env, "DURATION", "12.345");
	has(&env, "FAILED_HOOK", "pre-start/20-mount");
	has(&env, "FAILED_REASON", "exit status 3");
	has(&env, "STOP_REASON", "asked");
	check_names_are_known(&env, "post-stop");
	strv_done(&env);

	/* Before the end only why it is stopped is known. */
	outcome_done(&o);
	o.stop_reason = STOP_MAX_RUN_TIME;
	e.point = POINT_PRE_STOP;
	hook_env_build(&e, &env);
	has(&env, "STOP_REASON", "max-run-time");
	has(&env, "RESULT", NULL);
	has(&env, "EXIT_CODE", NULL);
	has(&env, "OOM_KILLED", NULL);
	has(&env, "DURATION", NULL);
	has(&env, "FAILED_HOOK", NULL);
	strv_done(&env);
	hook->settings.timeout = 60 * USEC_PER_SEC;
}

static void check_group(void)
{
	struct strv env = STRV_INIT;
	struct hook_env e = base_env(POINT_POST_CLEANUP);
	char *id = task.id;

	task.id = NULL;
	hook_env_build(&e, &env);
	has(&env, "TASK_ID", "");
	has(&env, "TASKGROUP", "web");
	has(&env, "TASK_DIR", NULL);
	has(&env, "TASK_USER", NULL);
	has(&env, "RUN_NUMBER", NULL);
	has(&env, "SHARED_DIR", "/state/tasks/web/shared");
	has(&env, "EGGO_HOOK_TYPE", "cluster-posthook");
	has(&env, "EGGO_OPERATOR", "cleanup");
	check_names_are_known(&env, "post-cleanup");
	strv_done(&env);
	task.id = id;
}

static void check_others(void)
{
	struct strv env = STRV_INIT, handed = STRV_INIT, state = STRV_INIT;
	struct hook_env e = base_env(POINT_PRE_START);

	strv_add(&task.hooks_pass_env, "PASSED=1");
	strv_add(&task.hooks_pass_env, "PORT=1");
	strv_add(&task.hooks_pass_env, "TASK_ID=evil");
	strv_add(&task.hooks_pass_env, "PATH=/evil");
	strv_add(&task.hooks_pass_env, "STATE_lease=evil");
	strv_add(&task.hooks_pass_env, "UPDATE_NEW_TASK_NICE=evil");
	strv_add(&task.hooks_pass_env, "UPDATE_CHANNEL=beta");
	strv_add(&handed, "PORT=8080");
	strv_add(&handed, "OPERATOR=evil");
	strv_add(&handed, "LANG=de_DE.UTF-8");
	strv_add(&state, "lease=abc");
	strv_add(&state, "PATH=/x");
	e.handed = &handed;
	e.state = &state;
	hook_env_build(&e, &env);
	has(&env, "PASSED", "1");
	has(&env, "PORT", "8080");
	has(&env, "TASK_ID", "front");
	has(&env, "OPERATOR", "start");
	has(&env, "PATH", "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	has(&env, "LANG", "de_DE.UTF-8");
	has(&env, "STATE_lease", "abc");
	has(&env, "UPDATE_NEW_TASK_NICE", NULL);
	has(&env, "UPDATE_CHANNEL", "beta");
	has(&env, "STATE_PATH", "/x");
	check_names_are_known(&env, "with others");
	strv_done(&env);
	strv_done(&handed);
	strv_done(&state);
	strv_clear(&task.hooks_pass_env);
}

static void check_users(void)
{
	struct strv env = STRV_INIT;
	struct hook_env e = base_env(POINT_PRE_START);

	task.user = xstrdup("www-data:adm");
	hook_env_build(&e, &env);
	has(&env, "TASK_USER", "www-data");
	strv_done(&env);
	free(task.user);
	task.user = NULL;

	/* A hook with a user of its own says nothing about the task's. */
	hook->settings.user = xstrdup("nobody");
	e.user = "nobody";
	e.home = NULL;
	if (setenv("HOME", "/caller", 1) != 0 || setenv("LANG", "C", 1) != 0)
		bail("setenv");
	hook_env_build(&e, &env);
	if (geteuid() == 0)
		has(&env, "TASK_USER", "root");
	else
		ok(env_get(&env, "TASK_USER") != NULL, "TASK_USER");
	has(&env, "HOME", "/caller");
	has(&env, "LANG", "C");
	strv_done(&env);
	free(hook->settings.user);
	hook->settings.user = NULL;
	if (unsetenv("HOME") != 0 || unsetenv("LANG") != 0)
		bail("unsetenv");
	hook_env_build(&e, &env);
	has(&env, "HOME", "/");
	has(&env, "LANG", "C.UTF-8");
	strv_done(&env);
}

/* The manual page has an item ".It Ev NAME" for each name, and for no other. */
static void check_page(void)
{
	const char *top = getenv("TASKHOOK_SRCDIR");
	_cleanup_free_ char *path = xasprintf("%s/%s", top ? top : ".", PAGE);
	_cleanup_free_ char *text = NULL;
	const char *p;

	if (file_read_at(AT_FDCWD, path, 0, 1 << 20, &text, NULL) < 0) {
		ok(false, "%s can be read", path);
		return;
	}
	for (const char *const *name = hook_env_names(); *name; name++) {
		_cleanup_free_ char *item = xasprintf("\n.It Ev %s\n", *name);

		ok(strstr(text, item) != NULL, "%s describes %s", PAGE, *name);
	}
	for (p = text; (p = strstr(p, "\n.It Ev ")) != NULL;) {
		const char *const *known = hook_env_names();
		_cleanup_free_ char *name = NULL;

		p += strlen("\n.It Ev ");
		name = xstrndup(p, strcspn(p, " \n"));
		while (*known && strcmp(*known, name) != 0)
			known++;
		ok(*known || str_starts_with(name, "STATE_"), "%s in %s is one that hooks get",
			name, PAGE);
	}
}

int main(void)
{
	if (unsetenv("LANG") != 0)
		bail("unsetenv");
	layout.state_dir = xstrdup("/state");
	layout.run_dir = xstrdup("/run");
	task.group = xstrdup("web");
	task.id = xstrdup("front");
	task.hooks_timeout = 60 * USEC_PER_SEC;
	strv_add(&task.command, "sleep");
	strv_add(&task.command, "1 0");
	task.node = (struct node){
		.name = xstrdup("node one"),
		.ip = xstrdup("10.0.0.1"),
		.arch = xstrdup("x86_64"),
		.cluster_endpoint = xstrdup("10.0.0.9/6443"),
	};
	strv_add(&task.node.roles, "master");
	strv_add(&task.node.roles, "etcd");
	hook = hook_new("10-net", "/h/10-net", HOOK_FROM_SYSTEM);
	hook_settings_init(&hook->settings, 60 * USEC_PER_SEC, 5 * USEC_PER_SEC);

	check_start();
	check_stop();
	check_group();
	check_others();
	check_users();
	check_page();

	hook_free(hook);
	free(task.node.name);
	free(task.node.ip);
	free(task.node.arch);
	free(task.node.cluster_endpoint);
	strv_done(&task.node.roles);
	strv_done(&task.command);
	strv_done(&task.hooks_pass_env);
	free(task.group);
	free(task.id);
	free(layout.state_dir);
	free(layout.run_dir);
	return done_testing();
}
