#include "config.h"

#include "model/update.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"

#include <string.h>

static const struct cglimits no_limits = CGLIMITS_INIT;

static struct task *task_of(const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_conf_ struct conf *c = conf_new();
	struct task_args args = {.group = "g", .id = "t"};
	struct task *t = NULL;

	if (conf_read_memory(c, text, strlen(text), "t.ini", CONF_IN_TASK, NULL, NULL, &err) < 0 ||
		task_resolve(c, &args, NULL, &t, &err) < 0)
		bail("the test's task: %s", err_text(&err));
	return t;
}

static const char whole[] = "[task]\n"
			    "command = /bin/sh -c 'echo \"a  b\" $x' '' \"it's\"\n"
			    "user = 1000:1000\n"
			    "supplementary-groups = 4, 27\n"
			    "workdir = /srv\n"
			    "stdin = null\n"
			    "stop-signal = INT\n"
			    "stop-timeout = 90\n"
			    "max-run-time = 2h\n"
			    "keep = none\n"
			    "when-supervisor-dies = keep\n"
			    "umask = 027\n"
			    "nice = -5\n"
			    "oom-score-adj = 100\n"
			    "limit-nofile = 1024:4096\n"
			    "limit-core = infinity\n"
			    "limit-as = 64K\n"
			    "[env]\n"
			    "PORT = 80\n"
			    "[limits]\n"
			    "memory = 1G\n"
			    "memory-high = 1000000\n"
			    "memory-low = 4K\n"
			    "memory-swap = infinity\n"
			    "cpu = 1.2345%\n"
			    "cpu-weight = 7\n"
			    "cpus = 0-3,7\n"
			    "pids = 33\n"
			    "io-weight = 9\n"
			    "io-max = 8:0 rbps=1M\n"
			    "io-max = 8:16 wiops=10\n"
			    "[logs]\n"
			    "to = none\n"
			    "max-size = 1M\n"
			    "max-files = 3\n"
			    "[restart]\n"
			    "policy = on-failure\n"
			    "attempts = 5\n"
			    "interval = 1h\n"
			    "delay = 1s\n"
			    "max-delay = 1m\n"
			    "mode = delay\n"
			    "success-codes = 3, 143\n";

/* ---- which keys ---- */

static void test_kinds(void)
{
	size_t n[UPDATE_NEVER + 1] = {0};

	for (enum conf_key k = 0; k < CONF_KEY_COUNT; k++) {
		const struct conf_key_info *info = conf_key_info(k);
		const char *reason = "unset";
		enum update_kind kind = update_kind_of(k, &reason);

		n[kind]++;
		if (kind == UPDATE_NEVER)
			ok(reason && strcmp(reason, "unset") != 0,
				"[%s] %s is never changed, and why", info->section, info->name);
		else
			ok(!reason, "[%s] %s: %s", info->section, info->name,
				update_kind_name(kind));
		if (!(info->where & CONF_IN_TASK))
			ok(kind == UPDATE_NEVER, "[%s] %s is of no task", info->section,
				info->name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		ok(n[i] > 0, "some keys are %s", update_kind_name((enum update_kind)i));
	is_int(update_kind_of(KEY_LIMITS_MEMORY, NULL), UPDATE_LIVE, "limits.memory");
	is_int(update_kind_of(KEY_LIMITS_IO_MAX, NULL), UPDATE_LIVE, "limits.io-max");
	is_int(update_kind_of(KEY_GROUP_LIMITS_PIDS, NULL), UPDATE_GROUP, "group-limits.pids");
	is_int(update_kind_of(KEY_TASK_COMMAND, NULL), UPDATE_RESTART, "task.command");
	is_int(update_kind_of(KEY_TASK_LIMIT_STACK, NULL), UPDATE_RESTART, "task.limit-stack");
	is_int(update_kind_of(KEY_LOGS_TO, NULL), UPDATE_RESTART, "logs.to");
	is_int(update_kind_of(KEY_TASK_USER, NULL), UPDATE_NEVER, "task.user");
	is_int(update_kind_of(KEY_HOOK_RUN_IF, NULL), UPDATE_NEVER, "[hook] run-if");
}

/* Each key that may be changed has a text, or it would be changed without being seen. */
static void test_values(void)
{
	_cleanup_task_ struct task *t = task_of(whole);

	for (enum conf_key k = 0; k < CONF_KEY_COUNT; k++) {
		const struct conf_key_info *info = conf_key_info(k);
		_cleanup_free_ char *value = update_value(t, &t->limits, k);

		if (update_kind_of(k, NULL) == UPDATE_NEVER)
			continue;
		if (info->type == CONF_RLIMIT && k != KEY_TASK_LIMIT_NOFILE &&
			k != KEY_TASK_LIMIT_CORE && k != KEY_TASK_LIMIT_AS)
			ok(!value, "[%s] %s is not set", info->section, info->name);
		else
			ok(value != NULL, "[%s] %s = %s", info->section, info->name,
				value ? value : "nothing");
	}
}

/* ---- there and back ---- */

static struct task *resolve(const struct task *t, const struct cglimits *group,
	const struct update_set *v, size_t n, int status, const char *why)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct task *next = NULL;
	int r = update_resolve(t, group, v, n, &next, &err);

	if (status) {
		ok(r < 0 && !next, "refused: %s", why);
		is_int(err.status, status, "its status");
		contains(err_text(&err), why, "and why");
	} else if (!is_int(r, 0, "resolved")) {
		bail("%s", err_text(&err));
	}
	return next;
}

static void test_unchanged(void)
{
	static const char *const files[] = {whole, "[task]\ncommand = true\n"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_update_changes_ struct update_changes changes = {.n = 0};
		_cleanup_task_ struct task *t = task_of(files[i]);
		_cleanup_task_ struct task *next = resolve(t, &t->limits, NULL, 0, 0, NULL);
		json_t *before = task_to_json(t), *after;

		update_compare(t, &t->limits, next, &changes);
		is_uint(changes.n, 0, "nothing was asked for, nothing differs%s%s",
			changes.n ? ": " : "", changes.n ? changes.v[0].key : "");
		update_swap(t, next);
		after = task_to_json(t);
		ok(json_equal(before, after), "and the record of it is the same");
		json_decref(before);
		json_decref(after);
	}
}

#define SET(k, v)                                                                                  \
	{                                                                                          \
		(char *)(uintptr_t)(k), (char *)(uintptr_t)(v), (char *)(uintptr_t) "--set"        \
	}

/* What is asked for of `file`, and what comes of it: one line for each change. */
static const struct {
	const char *what, *file;
	struct update_set sets[3];
	size_t n;
	const char *changes;
} cases[] = {
	{"a limit", whole, {SET("limits.memory", "2G")}, 1, "limits.memory: 1G -> 2G"},
	{"one that was not set", "[task]\ncommand = true\n", {SET("limits.memory", "512M")}, 1,
		"limits.memory: none -> 512M"},
	{"the same, written in another way", whole,
		{SET("limits.memory", "1024M"), SET("task.stop-timeout", "1m30s"),
			SET("task.stop-signal", "2")},
		3, ""},
	{"the last one wins", whole, {SET("limits.pids", "1"), SET("limits.pids", "2")}, 2,
		"limits.pids: 33 -> 2"},
	{"a list is replaced", whole, {SET("limits.io-max", "8:0 rbps=2M")}, 1,
		"limits.io-max: 8:0 rbps=1M, 8:16 wiops=10 -> 8:0 rbps=2M"},
	{"a command", whole, {SET("task.command", "/bin/echo 'a b' c")}, 1,
		"task.command: /bin/sh -c 'echo \"a  b\" $x' '' 'it'\\''s' -> /bin/echo 'a b' c"},
	{"a variable, without its value", whole,
		{SET("env.PORT", "81"), SET("env.TOKEN", "secret"), SET("env.PORT", "82")}, 3,
		"env.PORT: changed|env.TOKEN: changed"},
	{"a variable that is that already", whole, {SET("env.PORT", "80")}, 1, ""},
	{"the policy takes its own numbers along",
		"[task]\ncommand = true\n[restart]\n"
		"policy = on-failure\n",
		{SET("restart.policy", "always")}, 1,
		"restart.policy: on-failure -> always|restart.attempts: 3 -> 2|"
		"restart.interval: 1d -> 30m"},
	{"but not those that were set", whole, {SET("restart.policy", "always")}, 1,
		"restart.policy: on-failure -> always"},
	{"a delay takes a back-off along only where there is none",
		"[task]\ncommand = true\n[restart]\npolicy = always\n",
		{SET("restart.delay", "2s")}, 1,
		"restart.delay: 15s -> 2s|restart.max-delay: 15s -> 2s"},
	{"group and id", whole, {SET("task.id", "u"), SET("task.group", "h")}, 2,
		"task.group: g -> h|task.id: t -> u"},
	{"a limit of the group", whole, {SET("group-limits.pids", "9")}, 1,
		"group-limits.pids: none -> 9"},
};

static void test_changes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_update_changes_ struct update_changes changes = {.n = 0};
		_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;
		_cleanup_task_ struct task *t = task_of(cases[i].file);
		_cleanup_task_ struct task *next =
			resolve(t, &no_limits, cases[i].sets, cases[i].n, 0, NULL);

		update_compare(t, &no_limits, next, &changes);
		for (size_t k = 0; k < changes.n; k++) {
			_cleanup_free_ char *line = update_change_format(&changes.v[k]);

			strbuf_addf(&got, "%s%s", k ? "|" : "", line);
			is_int(changes.v[k].kind,
				changes.v[k].id == CONF_KEY_COUNT
					? UPDATE_RESTART
					: update_kind_of(changes.v[k].id, NULL),
				"its kind");
		}
		is_str(strbuf_str(&got), cases[i].changes, "%s", cases[i].what);
	}
}

static void test_swap(void)
{
	struct update_set sets[] = {SET("limits.memory", "2G"), SET("task.nice", "3"),
		SET("env.PORT", "81"), SET("task.command", "true"), SET("task.workdir", "/tmp")};
	_cleanup_task_ struct task *t = task_of(whole);
	_cleanup_task_ struct task *next = resolve(t, &no_limits, sets, ARRAY_SIZE(sets), 0, NULL);
	json_t *before = task_to_json(t), *after;

	update_swap(t, next);
	is_uint(t->limits.memory, (uint64_t)2 << 30, "the new limit");
	is_int(t->nice, 3, "the new nice value");
	is_str(env_get(&t->env, "PORT"), "81", "the new variable");
	is_str(t->command.v[0], "true", "the new command");
	is_str(t->origins[TASK_ORIGIN_WORKDIR], "--set", "where the new directory comes from");
	is_str(t->origins[TASK_ORIGIN_STDIN], "t.ini:6", "and what stays");
	is_str(t->name, "g/t", "the name stays");
	update_swap(t, next);
	after = task_to_json(t);
	ok(json_equal(before, after), "and once more: as it was");
	json_decref(before);
	json_decref(after);
}

static void test_refused(void)
{
	_cleanup_task_ struct task *t = task_of(whole);
	static const struct {
		struct update_set set;
		int status;
		const char *why;
	} bad[] = {
		{SET("limits.memry", "1G"), EXIT_USAGE, "did you mean 'memory'?"},
		{SET("limit.memory", "1G"), EXIT_USAGE, "did you mean [limits]?"},
		{SET("memory", "1G"), EXIT_USAGE, "limits.memory"},
		{SET("limits.memory", "much"), EXIT_USAGE, "not a size"},
		{SET("limits.memory", "1"), EXIT_USAGE, "out of range"},
		{SET("task.command", ""), EXIT_USAGE, "no command"},
		{SET("task.command", "a | b"), EXIT_USAGE, "/bin/sh -c"},
		{SET("env.1X", "b"), EXIT_USAGE, "not the name of a variable"},
		{SET("paths.state", "/x"), EXIT_USAGE, "taskhook.conf"},
		{SET("restart.success-codes", "300"), EXIT_USAGE, "exit code"},
		{SET("restart.max-delay", "1ms"), EXIT_USAGE, "max-delay"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		task_free(resolve(t, &no_limits, &bad[i].set, 1, bad[i].status, bad[i].why));
}

int main(void)
{
	test_kinds();
	test_values();
	test_unchanged();
	test_changes();
	test_swap();
	test_refused();
	return done_testing();
}
