#include "config.h"

#include "base/alloc.h"
#include "model/hook.h"
#include "tests/unit/tap.h"

/* ---- names ---- */

static void check_names(void)
{
	static const char *const good[] = {"10-net", "a", "x.sh", "A_b-c.9", "conf", "x.confx",
		"dpkg-new", "bak", "x.disabledx", "-x"};
	static const struct {
		const char *name, *problem;
	} bad[] = {
		{"", "empty"},
		{".a.sh", "starts with a dot"},
		{"10-net~", "ends in '~'"},
		{"10-net.bak", "'.bak'"},
		{"10-net.conf", "'.conf'"},
		{"10-net.disabled", "'.disabled'"},
		{"10-net.swp", "'.swp'"},
		{"10-net.dpkg-new", "'.dpkg-*'"},
		{"10-net.dpkg-dist", "'.dpkg-*'"},
		{"10-net.dpkg-", "'.dpkg-*'"},
		{"10-net.rpmnew", "'.rpmnew'"},
		{"10-net.rpmsave", "'.rpmsave'"},
		{"10-net.rpmorig", "'.rpmorig'"},
		{"10 net", "character other than"},
		{"10,net", "character other than"},
		{"10-n\303\244t", "character other than"},
		{"10\nnet", "character other than"},
		{"10~net", "character other than"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		is_str(hook_name_problem(good[i]), NULL, "'%s' may be a hook", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		contains(hook_name_problem(bad[i].name), bad[i].problem, "'%s' may not",
			bad[i].name);
}

/* ---- order ---- */

static struct hook *candidate(struct hook_list *l, enum hook_source source, const char *dir,
	const char *name, bool from_type_dir)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct hook *h = hook_new(name, path, source);

	h->from_type_dir = from_type_dir;
	str_replace(&h->origin, dir);
	hook_list_add(l, h);
	return h;
}

/* "path:verdict ..." in order. */
static char *describe(const struct hook_list *l)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		strbuf_addf(&b, "%s%s:%s", i > 0 ? " " : "", l->v[i]->path,
			hook_verdict_name(l->v[i]->verdict));
	return strbuf_steal(&b);
}

static void is_list(struct hook_list *l, const char *expected, const char *what)
{
	_cleanup_free_ char *got = NULL;

	hook_list_resolve(l);
	got = describe(l);
	is_str(got, expected, "%s", what);
}

static void check_order(void)
{
	struct hook_list l = {.point = POINT_PRE_START};
	struct hook *h;

	is_list(&l, "", "an empty list");

	candidate(&l, HOOK_FROM_SYSTEM, "/u/pre", "20-b", true);
	candidate(&l, HOOK_FROM_SYSTEM, "/u/pre-start", "10-a", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/u/pre-start", "9-z", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/u/pre-start", "20-b", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/u/pre-start", "A", false);
	is_list(&l,
		"/u/pre-start/10-a:run /u/pre/20-b:run /u/pre-start/20-b:run "
		"/u/pre-start/9-z:run /u/pre-start/A:run",
		"by name, byte-wise, pre/ before pre-start/ where the names are equal");
	hook_list_done(&l);

	candidate(&l, HOOK_FROM_SYSTEM, "/u", "10", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/u", "30", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/r", "10", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/e", "10", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/e", "20", false);
	is_list(&l, "/u/10:masked /r/10:masked /e/10:run /e/20:run /u/30:run",
		"a later directory replaces");
	is_str(l.v[0]->reason, "replaced by /e/10", "and is named");
	is_str(l.v[1]->reason, "replaced by /e/10", "by the one in the middle too");
	is_str(l.v[2]->reason, NULL, "what runs needs no reason");
	hook_list_done(&l);

	candidate(&l, HOOK_FROM_SYSTEM, "/u", "10", false);
	h = candidate(&l, HOOK_FROM_SYSTEM, "/e", "10", false);
	h->verdict = HOOK_MASKED;
	h->is_mask = true;
	is_list(&l, "/u/10:masked /e/10:masked", "a link to /dev/null masks");
	contains(l.v[0]->reason, "masked by /e/10, a link to /dev/null", "and is named");
	hook_list_done(&l);

	candidate(&l, HOOK_FROM_SYSTEM, "/u", "10", false);
	h = candidate(&l, HOOK_FROM_SYSTEM, "/e", "10", false);
	h->verdict = HOOK_SKIP;
	is_list(&l, "/u/10:masked /e/10:skip", "what is skipped replaces too");
	hook_list_done(&l);

	candidate(&l, HOOK_FROM_COMMAND_LINE, "/c", "90", false);
	candidate(&l, HOOK_FROM_COMMAND_LINE, "/c", "10", false);
	candidate(&l, HOOK_FROM_TASK_FILE, "/t", "80", false);
	candidate(&l, HOOK_FROM_TASK_FILE, "/t", "10", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/e/pre-start", "10", false);
	candidate(&l, HOOK_FROM_SYSTEM, "/e/pre-start", "20", false);
	candidate(&l, HOOK_FROM_GROUP, "/g/pre-start", "70", false);
	candidate(&l, HOOK_FROM_GROUP, "/g/pre-start", "10", false);
	candidate(&l, HOOK_FROM_GROUP, "/g/pre-start", "05", false);
	candidate(&l, HOOK_FROM_GROUP, "/g/pre", "20", true);
	is_list(&l,
		"/e/pre-start/10:masked /g/pre-start/10:run /e/pre-start/20:run "
		"/g/pre-start/05:run /g/pre/20:run /g/pre-start/70:run "
		"/t/10:run /t/80:run /c/90:run /c/10:run",
		"search path, group, task file, command line");
	hook_list_done(&l);

	candidate(&l, HOOK_FROM_SYSTEM, "/e/pre", "10", true);
	candidate(&l, HOOK_FROM_GROUP, "/g/pre-start", "10", false);
	is_list(&l, "/e/pre/10:run /g/pre-start/10:run",
		"pre/ and pre-start/ do not replace each other");
	hook_list_done(&l);

	candidate(&l, HOOK_FROM_COMMAND_LINE, "/a", "10", false);
	candidate(&l, HOOK_FROM_COMMAND_LINE, "/b", "10", false);
	is_list(&l, "/a/10:run /b/10:run", "what was named is never replaced");
	hook_list_done(&l);
}

/* ---- decisions ---- */

static struct hook *hook_with(
	const char *role, const char *groups, const char *operators, enum hook_run_if run_if)
{
	struct hook *h = hook_new("10", "/h/10", HOOK_FROM_SYSTEM);

	hook_settings_init(&h->settings, USEC_PER_SEC, USEC_PER_SEC);
	if (role)
		strv_add(&h->settings.roles, role);
	if (groups)
		strv_add(&h->settings.groups, groups);
	if (operators)
		strv_add(&h->settings.operators, operators);
	h->settings.run_if = run_if;
	return h;
}

static void decided(struct hook *h, enum hook_point point, const struct hook_context *ctx,
	enum hook_verdict verdict, const char *reason, const char *what)
{
	hook_decide(h, point, ctx);
	is_str(hook_verdict_name(h->verdict), hook_verdict_name(verdict), "%s", what);
	if (reason)
		contains(h->reason, reason, "and why");
	else
		is_str(h->reason, NULL, "no reason is needed");
	hook_free(h);
}

static void check_decisions(void)
{
	struct strv roles = STRV_INIT;
	struct hook_context running = {.group = "web", .node_roles = &roles};
	struct hook_context ended = running, failed = running;
	struct hook *h;

	strv_add(&roles, "master");
	strv_add(&roles, "etcd");
	ended.has_ended = ended.succeeded = true;
	failed.has_ended = true;

	decided(hook_with(NULL, NULL, NULL, RUN_IF_ALWAYS), POINT_PRE_START, &running, HOOK_RUN,
		NULL, "without settings it runs");
	decided(hook_with("etcd", NULL, NULL, RUN_IF_ALWAYS), POINT_PRE_START, &running, HOOK_RUN,
		NULL, "one of the node's roles");
	decided(hook_with("worker", NULL, NULL, RUN_IF_ALWAYS), POINT_PRE_START, &running,
		HOOK_SKIP, "role = worker; this node is master, etcd", "another role");
	strv_clear(&roles);
	decided(hook_with("worker", NULL, NULL, RUN_IF_ALWAYS), POINT_PRE_START, &running,
		HOOK_SKIP, "this node has none", "a node without roles");
	decided(hook_with(NULL, "w*", NULL, RUN_IF_ALWAYS), POINT_PRE_START, &running, HOOK_RUN,
		NULL, "a pattern of groups");
	decided(hook_with(NULL, "db", NULL, RUN_IF_ALWAYS), POINT_PRE_START, &running, HOOK_SKIP,
		"groups = db", "another group");
	decided(hook_with(NULL, NULL, "start", RUN_IF_ALWAYS), POINT_PRE_START, &running, HOOK_RUN,
		NULL, "the operator");
	decided(hook_with(NULL, NULL, "start", RUN_IF_ALWAYS), POINT_PRE_STOP, &running, HOOK_SKIP,
		"operators = start", "another operator");
	decided(hook_with(NULL, NULL, NULL, RUN_IF_SUCCESS), POINT_POST_STOP, &ended, HOOK_RUN,
		NULL, "success after a success");
	decided(hook_with(NULL, NULL, NULL, RUN_IF_SUCCESS), POINT_POST_STOP, &failed, HOOK_SKIP,
		"the task failed", "success after a failure");
	decided(hook_with(NULL, NULL, NULL, RUN_IF_FAILURE), POINT_POST_STOP, &failed, HOOK_RUN,
		NULL, "failure after a failure");
	decided(hook_with(NULL, NULL, NULL, RUN_IF_FAILURE), POINT_POST_STOP, &ended, HOOK_SKIP,
		"the task succeeded", "failure after a success");
	decided(hook_with(NULL, NULL, NULL, RUN_IF_FAILURE), POINT_PRE_START, &running, HOOK_SKIP,
		"has not ended", "failure before the end");

	h = hook_with("worker", NULL, NULL, RUN_IF_ALWAYS);
	h->verdict = HOOK_MASKED;
	str_replace(&h->reason, "masked");
	decided(h, POINT_PRE_START, &running, HOOK_MASKED, "masked", "what is decided stays");
	h = hook_with("worker", NULL, NULL, RUN_IF_ALWAYS);
	h->verdict = HOOK_UNSAFE;
	str_replace(&h->reason, "unsafe");
	decided(h, POINT_PRE_START, &running, HOOK_UNSAFE, "unsafe", "so does an unsafe one");
	strv_done(&roles);
}

/* ---- options ---- */

static void parsed(const char *option, const char *value, enum operator verb, bool for_run,
	enum hook_point point, const char *path, const char *role)
{
	struct hook_option o = {.point = POINT_NONE};
	struct th_err err = TH_ERR_INIT;

	is_int(hook_option_parse(option, value, verb, for_run, &o, &err), 0, "%s=%s", option,
		value);
	is_str(point_name(o.point), point_name(point), "its point");
	is_str(o.path, path, "its path");
	is_str(o.role, role, "its role");
	is_str(o.option, option, "where it is from");
	hook_option_done(&o);
	err_clear(&err);
}

static void refused(const char *option, const char *value, const char *why)
{
	struct hook_option o = {.point = POINT_NONE};
	struct th_err err = TH_ERR_INIT;

	ok(hook_option_parse(option, value, OP_START, true, &o, &err) < 0, "%s=%s is refused",
		option, value);
	is_int(err.status, EXIT_USAGE, "as usage");
	contains(err_text(&err), why, "and why");
	ok(!o.path, "nothing is returned");
	err_clear(&err);
}

static void check_options(void)
{
	_cleanup_free_ char *cwd = realpath(".", NULL);
	_cleanup_free_ char *here = xasprintf("%s/x.sh", strcmp(cwd, "/") == 0 ? "" : cwd);

	parsed("--hook", "pre-start:/a/b", OP_START, true, POINT_PRE_START, "/a/b", NULL);
	parsed("--hook", "post-exit:/a/b,etcd", OP_START, true, POINT_POST_EXIT, "/a/b", "etcd");
	parsed("--hook", "prejoin:/a/b", OP_START, true, POINT_PRE_START, "/a/b", NULL);
	parsed("--hook", "pre-start:/a:b", OP_START, true, POINT_PRE_START, "/a:b", NULL);
	parsed("--hook", "pre-start:/a,b/c", OP_START, true, POINT_PRE_START, "/a,b/c", NULL);
	parsed("--hook", "pre-start:/a,b,worker", OP_START, true, POINT_PRE_START, "/a,b",
		"worker");
	parsed("--hook", "pre-start:x.sh", OP_START, true, POINT_PRE_START, here, NULL);
	parsed("--prehook", "/p", OP_START, true, POINT_PRE_START, "/p", NULL);
	parsed("--posthook", "/p,master", OP_START, true, POINT_POST_STOP, "/p", "master");
	parsed("--prehook", "/p", OP_START, false, POINT_PRE_START, "/p", NULL);
	parsed("--posthook", "/p", OP_START, false, POINT_POST_START, "/p", NULL);
	parsed("--prehook", "/p", OP_STOP, false, POINT_PRE_STOP, "/p", NULL);
	parsed("--posthook", "/p", OP_STOP, false, POINT_POST_STOP, "/p", NULL);
	parsed("--prehook", "/p", OP_RESTART, false, POINT_PRE_RESTART, "/p", NULL);
	parsed("--prehook", "/p", OP_UPDATE, false, POINT_PRE_UPDATE, "/p", NULL);
	parsed("--posthook", "/p", OP_UPDATE, false, POINT_POST_UPDATE, "/p", NULL);
	parsed("--cluster-prehook", "/p", OP_START, true, POINT_PRE_DEPLOY, "/p", NULL);
	parsed("--cluster-posthook", "/p", OP_START, true, POINT_POST_DEPLOY, "/p", NULL);
	parsed("--cluster-prehook", "/p", OP_CLEANUP, false, POINT_PRE_CLEANUP, "/p", NULL);
	parsed("--cluster-posthook", "/p", OP_CLEANUP, false, POINT_POST_CLEANUP, "/p", NULL);

	refused("--hook", "/a/b", "has no hook point");
	refused("--hook", "pre-strat:/a", "did you mean 'pre-start'");
	refused("--hook", "nonsense:/a", "unknown hook point 'nonsense'");
	refused("--hook", "pre-start:", "the path is empty");
	refused("--hook", "pre-start:,worker", "the path is empty");
	refused("--prehook", "/p,", "'' is no role");
	refused("--prehook", "/p, master", "' master' is no role");
	refused("--prehook", "", "the path is empty");
}

/* ---- settings ---- */

static struct conf *hook_conf(const char *text)
{
	struct conf *c = conf_new();
	struct th_err err = TH_ERR_INIT;

	if (conf_read_memory(c, text, strlen(text), "x.conf", CONF_IN_HOOK, NULL, NULL, &err) < 0)
		diag("%s", err_text(&err));
	err_clear(&err);
	return c;
}

static void check_settings(void)
{
	struct hook_settings s, copy;
	struct th_err err = TH_ERR_INIT;
	struct conf *c = hook_conf("");

	is_int(hook_settings_from_conf(&s, c, 7, 8, &err), 0, "no settings");
	is_uint(s.timeout, 7, "the default timeout");
	is_uint(s.kill_after, 8, "the default kill-after");
	is_int(s.on_failure, ON_FAILURE_DEFAULT, "failure by the point");
	is_uint(s.retries, 0, "no retry");
	is_int(s.run_if, RUN_IF_ALWAYS, "always");
	ok(!s.user && !s.stdin_record && !s.roles.n && !s.groups.n && !s.operators.n,
		"nothing else");
	hook_settings_done(&s);
	conf_free(c);

	c = hook_conf("[hook]\ntimeout = 1500ms\nkill-after = 2s\non-failure = warn\nretries = 3\n"
		      "retry-delay = 4s\nrole = etcd, worker\ngroups = w*\noperators = start stop\n"
		      "user = nobody\nstdin = record\nrun-if = failure\n");
	is_int(hook_settings_from_conf(&s, c, 7, 8, &err), 0, "all settings");
	hook_settings_copy(&copy, &s);
	hook_settings_done(&s);
	is_uint(copy.timeout, 1500 * USEC_PER_MSEC, "timeout");
	is_uint(copy.kill_after, 2 * USEC_PER_SEC, "kill-after");
	is_int(copy.on_failure, ON_FAILURE_WARN, "on-failure");
	is_uint(copy.retries, 3, "retries");
	is_uint(copy.retry_delay, 4 * USEC_PER_SEC, "retry-delay");
	ok(copy.roles.n == 2 && strv_contains(&copy.roles, "worker"), "role");
	ok(copy.groups.n == 1 && strv_contains(&copy.groups, "w*"), "groups");
	ok(copy.operators.n == 2 && strv_contains(&copy.operators, "stop"), "operators");
	is_str(copy.user, "nobody", "user");
	ok(copy.stdin_record, "stdin");
	is_int(copy.run_if, RUN_IF_FAILURE, "run-if");
	hook_settings_done(&copy);
	conf_free(c);

	for (int i = ON_FAILURE_FAIL; i <= ON_FAILURE_STOP; i++) {
		static const char *const words[] = {NULL, "fail", "warn", "ignore", "stop"};
		_cleanup_free_ char *text = xasprintf("[hook]\non-failure = %s\n", words[i]);

		c = hook_conf(text);
		is_int(hook_settings_from_conf(&s, c, 7, 8, &err), 0, "on-failure = %s", words[i]);
		is_int(s.on_failure, i, "is what it says");
		hook_settings_done(&s);
		conf_free(c);
	}

	c = hook_conf("[hook]\ntimeout = 1s\noperators = strat\n");
	ok(hook_settings_from_conf(&s, c, 7, 8, &err) < 0, "an unknown operator");
	is_int(err.status, EXIT_CONFIG, "is a configuration error");
	contains(err_text(&err), "x.conf:3: ", "with its place");
	contains(err_text(&err), "did you mean 'start'", "and the nearest");
	err_clear(&err);
	conf_free(c);
}

/* ---- budget ---- */

static void check_budget(void)
{
	struct hook_list l = {.point = POINT_PRE_START};
	struct hook *h = candidate(&l, HOOK_FROM_SYSTEM, "/u", "10", false);

	hook_settings_init(&h->settings, 10 * USEC_PER_SEC, 2 * USEC_PER_SEC);
	is_uint(hook_list_budget(&l, 300 * USEC_PER_SEC), 17 * USEC_PER_SEC,
		"timeout, kill-after and five seconds");
	h->settings.retries = 2;
	h->settings.retry_delay = USEC_PER_SEC;
	is_uint(hook_list_budget(&l, 300 * USEC_PER_SEC), 53 * USEC_PER_SEC, "three tries");
	h = candidate(&l, HOOK_FROM_SYSTEM, "/u", "20", false);
	hook_settings_init(&h->settings, 10 * USEC_PER_SEC, 8 * USEC_PER_SEC);
	is_uint(hook_list_budget(&l, 300 * USEC_PER_SEC), 76 * USEC_PER_SEC, "a second hook");
	is_uint(hook_list_budget(&l, 60 * USEC_PER_SEC), 73 * USEC_PER_SEC,
		"total-timeout and the longest kill bound it");
	h->verdict = HOOK_SKIP;
	is_uint(hook_list_budget(&l, 300 * USEC_PER_SEC), 53 * USEC_PER_SEC,
		"skipped ones cost nothing");
	h->verdict = HOOK_RUN;
	h->settings.timeout = USEC_INFINITY;
	is_uint(hook_list_budget(&l, 300 * USEC_PER_SEC), 313 * USEC_PER_SEC, "without overflow");
	is_uint(hook_list_budget(&l, USEC_INFINITY), USEC_INFINITY, "unless nothing bounds it");
	hook_list_done(&l);
}

int main(void)
{
	check_names();
	check_order();
	check_decisions();
	check_options();
	check_settings();
	check_budget();
	return done_testing();
}
