#include "config.h"

#include "model/task.h"

#include "base/alloc.h"

#include "tests/unit/tap.h"

#include <signal.h>
#include <string.h>

static char *caller_environ[] = {
	(char[]){"LANG=C.UTF-8"},
	(char[]){"TOKEN=secret"},
	(char[]){"APP_PORT=80"},
	(char[]){"APP_NAME=web"},
	(char[]){"EMPTY="},
	NULL,
};

static struct conf *conf_of(const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct conf *c = conf_new();

	if (conf_read_memory(c, text, strlen(text), "web.ini", CONF_IN_TASK, NULL, NULL, &err) < 0)
		bail("cannot read the test's task file: %s", err_text(&err));
	return c;
}

/* A refused start: the text and status of the error. */
static void is_refused(
	const struct conf *c, const struct task_args *args, int status, const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct layout l = {0};
	struct task *t = NULL;

	ok(task_resolve(c, args, &l, &t, &err) < 0, "refused: %s", text);
	is_int(err.status, status, "with status %d", status);
	contains(err_text(&err), text, "the message says why");
	ok(!t, "and there is no task");
}

static const char whole_file[] = "[task]\n"
				 "group = shop\n"
				 "id = web\n"
				 "command = /bin/sh -c 'echo \"a b\"' x\n"
				 "user = 1000:1000\n"
				 "supplementary-groups = 4, 27\n"
				 "workdir = /srv\n"
				 "stdin = null\n"
				 "stop-signal = INT\n"
				 "stop-timeout = 1m30s\n"
				 "max-run-time = 2h\n"
				 "keep = none\n"
				 "pass-env = LANG APP_*\n"
				 "umask = 027\n"
				 "nice = -5\n"
				 "oom-score-adj = 100\n"
				 "limit-nofile = 1024:4096\n"
				 "limit-core = infinity\n"
				 "[env]\n"
				 "APP_PORT = 8080\n"
				 "GREETING = hello world\n"
				 "[limits]\n"
				 "memory = 1G\n"
				 "cpu = 50%\n"
				 "cpus = 0-3\n"
				 "memory-swap = infinity\n"
				 "io-max = 8:0 rbps=1M\n"
				 "io-max = 8:16 wiops=10\n"
				 "[group-limits]\n"
				 "pids = 500\n"
				 "[restart]\n"
				 "policy = on-failure\n"
				 "attempts = 5\n"
				 "interval = 1h\n"
				 "delay = 1s\n"
				 "max-delay = 1m\n"
				 "mode = delay\n"
				 "success-codes = 3, 143\n"
				 "[logs]\n"
				 "max-size = 1M\n"
				 "max-files = 3\n"
				 "[hook 20-b]\n"
				 "schedule = pre-start, postcleanup\n"
				 "path = /opt/hooks/b\n"
				 "role = worker\n"
				 "[hook 10-a]\n"
				 "schedule = post-stop\n"
				 "path = /opt/hooks/a\n"
				 "timeout = 7s\n"
				 "on-failure = ignore\n"
				 "run-if = failure\n"
				 "retries = 2\n"
				 "user = 33\n";

static struct task *whole_task(const struct conf *c)
{
	const struct hook_option options[] = {
		{.point = POINT_PRE_START,
			.path = (char[]){"/opt/x"},
			.role = (char[]){"master"},
			.option = (char[]){"--prehook"}},
		{.point = POINT_POST_STOP,
			.path = (char[]){"/opt/y"},
			.option = (char[]){"--hook"}},
	};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_strv_ struct strv env = STRV_INIT;
	struct task_args args = {
		.env = &env,
		.hook_options = options,
		.n_hook_options = 2,
		.file = "/etc/taskhook/tasks.d/web.ini",
		.environ = caller_environ,
	};
	struct layout l = {0};
	struct task *t = NULL;

	strv_add(&env, "TOKEN");
	strv_add(&env, "EMPTY");
	strv_add(&env, "BYTES=\xff\xfe");
	strv_add(&env, "GREETING=hi=there");
	if (!is_int(task_resolve(c, &args, &l, &t, &err), 0, "a task with everything"))
		bail("%s", err_text(&err));
	return t;
}

static void check_whole(const struct task *t)
{
	is_str(t->name, "shop/web", "name");
	is_str(t->file, "/etc/taskhook/tasks.d/web.ini", "file");
	if (is_uint(t->command.n, 4, "words of the command"))
		is_str(t->command.v[2], "echo \"a b\"", "a quoted word");
	is_str(t->user, "1000:1000", "user");
	ok(t->restart.when == RESTART_ON_FAILURE && t->restart.attempts == 5 &&
			t->restart.interval == USEC_PER_HOUR && t->restart.delay == USEC_PER_SEC &&
			t->restart.max_delay == USEC_PER_MIN &&
			t->restart.mode == RESTART_MODE_DELAY,
		"the restart policy");
	ok(restart_is_success(&t->restart, 3) && restart_is_success(&t->restart, 143) &&
			!restart_is_success(&t->restart, 4),
		"its success codes");
	ok(t->has_supplementary_groups && t->supplementary_groups.n == 2, "supplementary groups");
	is_str(t->workdir, "/srv", "workdir");
	is_str(t->stdin_from, "null", "stdin");
	is_int(t->stop_signal, SIGINT, "stop signal");
	is_uint(t->stop_timeout, 90 * USEC_PER_SEC, "stop timeout");
	is_uint(t->max_run_time, 2 * USEC_PER_HOUR, "max run time");
	is_int(t->keep, KEEP_NONE, "keep");
	ok(t->end_with_supervisor, "ends with its supervisor");
	ok(t->has_umask && t->umask == 027, "umask");
	ok(t->has_nice && t->nice == -5, "nice");
	ok(t->has_oom_score_adj && t->oom_score_adj == 100, "oom score");

	is_str(env_get(&t->env, "LANG"), "C.UTF-8", "passed by name");
	is_str(env_get(&t->env, "APP_NAME"), "web", "passed by pattern");
	is_str(env_get(&t->env, "APP_PORT"), "8080", "[env] wins over pass-env");
	is_str(env_get(&t->env, "GREETING"), "hi=there", "-e wins over [env]");
	is_str(env_get(&t->env, "TOKEN"), "secret", "-e NAME takes the caller's");
	is_str(env_get(&t->env, "EMPTY"), "", "an empty value is a value");
	is_str(env_get(&t->env, "BYTES"), "\xff\xfe", "bytes that are no UTF-8");

	is_uint(t->n_rlimits, 2, "resource limits");
	for (size_t i = 0; i < t->n_rlimits; i++)
		if (t->rlimits[i].resource == RLIMIT_NOFILE)
			ok(t->rlimits[i].value.rlim_cur == 1024 &&
					t->rlimits[i].value.rlim_max == 4096,
				"limit-nofile");
		else
			ok(t->rlimits[i].resource == RLIMIT_CORE &&
					t->rlimits[i].value.rlim_cur == RLIM_INFINITY,
				"limit-core");

	ok(t->limits.has_memory && t->limits.memory == 1024 * 1024 * 1024, "memory");
	ok(t->limits.has_cpu && t->limits.cpu_ppm == 500000, "cpu");
	ok(t->limits.has_memory_swap && t->limits.memory_swap == CGLIMIT_INFINITY, "memory-swap");
	is_str(t->limits.cpus, "0-3", "cpus");
	is_uint(t->limits.io_max.n, 2, "io-max");
	ok(!t->limits.has_pids && !t->limits.has_memory_high, "what is not set is not set");
	ok(t->group_limits.has_pids && t->group_limits.pids == 500, "the group's pids");
	ok(!t->group_limits.has_memory, "the group's other limits are not set");
	is_str(t->group_limits_origin, "web.ini:30", "and where they come from");

	ok(t->log_to_files && t->log_max_size == 1024 * 1024 && t->log_max_files == 3, "logs");

	if (is_uint(t->n_hook_options, 2, "hooks of the command line")) {
		is_int(t->hook_options[0].point, POINT_PRE_START, "the first: point");
		is_str(t->hook_options[0].role, "master", "role");
		is_str(t->hook_options[1].path, "/opt/y", "the second: path");
		is_str(t->hook_options[1].role, NULL, "no role");
	}
	if (is_uint(t->n_file_hooks, 2, "hooks of the task file")) {
		const struct task_hook *a = &t->file_hooks[0], *b = &t->file_hooks[1];

		is_str(a->hook->name, "10-a", "by name");
		is_uint(a->points, 1u << POINT_POST_STOP, "its hook point");
		is_uint(a->hook->settings.timeout, 7 * USEC_PER_SEC, "its timeout");
		is_int(a->hook->settings.on_failure, ON_FAILURE_IGNORE, "on-failure");
		is_int(a->hook->settings.run_if, RUN_IF_FAILURE, "run-if");
		is_uint(a->hook->settings.retries, 2, "retries");
		is_str(a->hook->settings.user, "33", "user");
		is_str(b->hook->path, "/opt/hooks/b", "the path of the second");
		is_str(b->hook->origin, "web.ini:43", "where it stands");
		is_int(b->hook->source, HOOK_FROM_TASK_FILE, "source");
		is_uint(b->points, 1u << POINT_PRE_START | 1u << POINT_POST_STOP,
			"two hook points, one of them in eggo's words");
		is_uint(b->hook->settings.timeout, 30 * USEC_PER_SEC, "30 s where not set");
		ok(strv_contains(&b->hook->settings.roles, "worker"), "role");
	}
	ok(t->node.name && *t->node.name, "the node has a name: %s", t->node.name);
	ok(t->node.arch && *t->node.arch, "and an architecture");
}

static void test_whole(void)
{
	_cleanup_conf_ struct conf *c = conf_of(whole_file);
	_cleanup_task_ struct task *t = whole_task(c), *again = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	json_t *j = task_to_json(t), *j2;
	_cleanup_free_ char *text = NULL;

	check_whole(t);
	/* The task does not lean on it. */
	c = conf_free(c);
	check_whole(t);

	text = json_dumps(j, 0);
	ok(text, "it can be written as JSON");
	json_decref(j);
	j = json_loads(text, 0, NULL);
	ok(j, "and read again");
	is_int(task_from_json(j, &again, &err), 0, "and made a task of: %s", err_text(&err));
	if (!again)
		bail("no task to look at");
	check_whole(again);
	j2 = task_to_json(again);
	ok(json_equal(j, j2), "and gives the same JSON");
	json_decref(j2);
	json_decref(j);
}

static void test_least(void)
{
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_task_ struct task *t = NULL, *again = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	char *command[] = {(char[]){"/usr/bin/sleep"}, (char[]){"1"}, NULL};
	struct task_args args = {.command = command};
	struct layout l = {0};
	json_t *j, *j2;

	is_int(task_resolve(c, &args, &l, &t, &err), 0, "a command alone");
	is_str(t->group, "default", "the group is 'default'");
	ok(strncmp(t->id, "sleep-", 6) == 0, "the ID is made from the command: %s", t->id);
	is_int(t->stop_signal, SIGTERM, "the stop signal is TERM");
	is_uint(t->max_run_time, USEC_INFINITY, "there is no longest run time");
	ok(!t->user && !t->workdir && !t->has_nice && t->n_rlimits == 0, "nothing else is set");
	ok(!t->group_limits_origin, "no limits of the group");
	is_uint(t->env.n, 0, "no environment is passed on");
	is_uint(t->hooks_timeout, 60 * USEC_PER_SEC, "hooks have 60 s");

	j = task_to_json(t);
	is_int(task_from_json(j, &again, &err), 0, "its JSON makes a task: %s", err_text(&err));
	j2 = again ? task_to_json(again) : NULL;
	ok(json_equal(j, j2), "and the same JSON");
	json_decref(j);
	json_decref(j2);
}

static void test_identity(void)
{
	_cleanup_conf_ struct conf *c = conf_of("[task]\ngroup = a\nid = b\ncommand = true\n");
	_cleanup_conf_ struct conf *no_id = conf_of("[task]\ncommand = true\n");
	_cleanup_task_ struct task *t = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct task_args args = {.group = "g", .id = "i", .default_id = "name"};
	struct layout l = {0};

	is_int(task_resolve(c, &args, &l, &t, &err), 0, "-g and -i");
	is_str(t->name, "g/i", "win over the file");
	t = task_free(t);

	args.group = args.id = NULL;
	is_int(task_resolve(c, &args, &l, &t, &err), 0, "without them");
	is_str(t->name, "a/b", "the file decides");
	t = task_free(t);

	is_int(task_resolve(no_id, &args, &l, &t, &err), 0, "without an ID");
	is_str(t->name, "default/name", "the name of the task file is the ID");
}

static void test_refusals(void)
{
	_cleanup_conf_ struct conf *none = conf_new();
	_cleanup_conf_ struct conf *plain = conf_of("[task]\ncommand = true\n");
	_cleanup_conf_ struct conf *shared = conf_of("[task]\ncommand = true\nid = shared\n");
	_cleanup_conf_ struct conf *no_path =
		conf_of("[task]\ncommand = true\n[hook x]\nschedule = pre-start\n");
	_cleanup_conf_ struct conf *bad_point =
		conf_of("[task]\ncommand = true\n[hook x]\npath = /x\nschedule = pre-strat\n");
	_cleanup_conf_ struct conf *bad_code =
		conf_of("[task]\ncommand = true\n[restart]\nsuccess-codes = 1 256\n");
	_cleanup_conf_ struct conf *bad_numbers = conf_of("[task]\ncommand = true\n[restart]\n"
							  "policy = always\ninterval = 20s\n");
	_cleanup_strv_ struct strv env = STRV_INIT;
	char *empty[] = {(char[]){""}, NULL};
	struct task_args args = {.environ = caller_environ};

	is_refused(none, &args, EXIT_USAGE, "there is no command");
	args.file = "x.ini";
	is_refused(none, &args, EXIT_CONFIG, "x.ini: the task has no command");
	args.file = NULL;
	args.command = empty;
	is_refused(none, &args, EXIT_USAGE, "the command is empty");
	args.command = NULL;

	args.group = "a/b";
	is_refused(plain, &args, EXIT_USAGE, "-g: group 'a/b'");
	args.group = NULL;
	args.id = "..";
	is_refused(plain, &args, EXIT_USAGE, "-i: task ID '..'");
	args.id = NULL;
	is_refused(shared, &args, EXIT_CONFIG, "web.ini:3");

	args.env = &env;
	strv_add(&env, "NOT_THERE");
	is_refused(plain, &args, EXIT_USAGE, "-e NOT_THERE: there is no such variable");
	strv_clear(&env);
	strv_add(&env, "1X=2");
	is_refused(plain, &args, EXIT_USAGE, "'1X' is no name of a variable");
	strv_clear(&env);
	strv_add(&env, "=x");
	is_refused(plain, &args, EXIT_USAGE, "is no name of a variable");
	strv_clear(&env);

	is_refused(bad_code, &args, EXIT_CONFIG,
		"web.ini:4: restart.success-codes: '256' is no exit code");
	is_refused(bad_numbers, &args, EXIT_CONFIG, "web.ini:5: restart.attempts is 2");
	is_refused(no_path, &args, EXIT_CONFIG, "web.ini:4: [hook x] has no 'path'");
	is_refused(bad_point, &args, EXIT_CONFIG, "did you mean 'pre-start'?");
}

static void test_group(void)
{
	_cleanup_conf_ struct conf *c =
		conf_of("[task]\ncommand = true\n[hook x]\nschedule = pre-deploy\npath = /x\n");
	_cleanup_task_ struct task *t = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct task_args args = {.group = "shop", .environ = caller_environ};

	is_int(task_resolve_group(c, &args, &t, &err), 0, "a stand-in for a group");
	is_str(t->group, "shop", "its group");
	is_str(t->id, "", "it has no ID");
	is_uint(t->n_file_hooks, 1, "its hooks are there");
}

static void test_bad_json(void)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"group\":\"g\",\"id\":\"../x\",\"command\":[\"a\"]}",
		"{\"group\":\"g\",\"id\":\"x\"}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[]}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[1]}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[{\"hex\":\"0\"}]}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[{\"hex\":\"6100\"}]}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"nice\":99}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"keep\":\"some\"}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"stop_signal\":\"NONE\"}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"stop_timeout_usec\":-1}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"limits\":[]}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"restart\":{\"policy\":\"x\"}}",
		("{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"restart\":{\"success_codes\":"
		 "["
		 "256]}}"),
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"rlimits\":{\"core\":[1]}}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"hooks\":{\"file\":[{}]}}",
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"hooks\":{\"options\":[1]}}",
	};
	_cleanup_task_ struct task *t = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	json_t *j;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_err_ struct th_err why = TH_ERR_INIT;
		struct task *none = NULL;

		j = json_loads(bad[i], 0, NULL);
		ok(task_from_json(j, &none, &why) < 0, "refused: %s", bad[i]);
		ok(err_is_set(&why), "with a reason: %s", err_text(&why));
		ok(!none, "and no task");
		json_decref(j);
	}

	j = json_loads(
		"{\"group\":\"g\",\"id\":\"x\",\"command\":[\"a\"],\"of_tomorrow\":{}}", 0, NULL);
	is_int(task_from_json(j, &t, &err), 0, "an unknown member is left alone");
	is_uint(t->stop_timeout, 5 * USEC_PER_SEC, "what is missing has its default");
	json_decref(j);
}

int main(void)
{
	test_whole();
	test_least();
	test_identity();
	test_refusals();
	test_group();
	test_bad_json();
	return done_testing();
}
