#include "config.h"

#include "model/layout.h"

#include "base/alloc.h"

#include "tests/unit/tap.h"

#include <string.h>
#include <unistd.h>

/* Any number that is not root's; no entry in a user database is needed. */
#define ORDINARY_UID 54321

static void is_path(char *got, const char *expected, const char *what)
{
	is_str(got, expected, "%s", what);
	free(got);
}

static int read_main(struct conf *c, const char *text, struct th_err *err)
{
	return conf_read_memory(
		c, text, strlen(text), "taskhook.conf", CONF_IN_MAIN, NULL, NULL, err);
}

static void test_system(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct layout l;

	if (geteuid() != 0) {
		skip(1, "the system's layout is root's");
		return;
	}
	is_int(layout_init(&l, NULL, NULL, &err), 0, "root's layout");
	ok(!l.user, "it is not an ordinary user's");
	is_str(l.config_file, TH_SYSCONFDIR "/taskhook/taskhook.conf", "configuration");
	is_str(l.config_dropin, TH_SYSCONFDIR "/taskhook/taskhook.conf.d", "drop-in directory");
	is_str(l.tasks_dir, TH_SYSCONFDIR "/taskhook/tasks.d", "task files");
	is_str(l.groups_dir, TH_SYSCONFDIR "/taskhook/groups", "groups");
	is_str(l.state_dir, TH_LOCALSTATEDIR "/lib/taskhook", "state");
	is_str(l.run_dir, TH_RUNSTATEDIR "/taskhook", "live state");
	if (is_uint(l.hook_dirs.n, 3, "three hook directories")) {
		is_str(l.hook_dirs.v[0], TH_LIBDIR "/taskhook/hooks.d", "the lowest is shipped");
		is_str(l.hook_dirs.v[1], TH_RUNSTATEDIR "/taskhook/hooks.d", "then /run");
		is_str(l.hook_dirs.v[2], TH_SYSCONFDIR "/taskhook/hooks.d", "then /etc");
	}
	layout_done(&l);
}

static void test_root_option(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_conf_ struct conf *c = conf_new();
	struct layout l;

	is_int(layout_init(&l, "/srv/jail//", NULL, &err), 0, "--root");
	is_str(l.root, "/srv/jail", "without slashes at its end");
	is_str(l.config_file, "/srv/jail" TH_SYSCONFDIR "/taskhook/taskhook.conf",
		"configuration below it");
	is_str(l.state_dir, "/srv/jail" TH_LOCALSTATEDIR "/lib/taskhook", "state below it");
	is_str(l.run_dir, "/srv/jail" TH_RUNSTATEDIR "/taskhook", "live state below it");
	is_str(l.hook_dirs.v[0], "/srv/jail" TH_LIBDIR "/taskhook/hooks.d", "hooks below it");

	is_path(layout_group_dir(&l, "g"), "/srv/jail" TH_LOCALSTATEDIR "/lib/taskhook/tasks/g",
		"group directory");
	is_path(layout_shared_dir(&l, "g"),
		"/srv/jail" TH_LOCALSTATEDIR "/lib/taskhook/tasks/g/shared", "shared directory");
	is_path(layout_task_dir(&l, "g", "t"),
		"/srv/jail" TH_LOCALSTATEDIR "/lib/taskhook/tasks/g/t", "task directory");
	is_path(layout_log_dir(&l, "g", "t"),
		"/srv/jail" TH_LOCALSTATEDIR "/lib/taskhook/tasks/g/t/logs", "logs");
	is_path(layout_record(&l, "g", "t"),
		"/srv/jail" TH_LOCALSTATEDIR "/lib/taskhook/records/g/t.json", "record");
	is_path(layout_run_group(&l, "g"), "/srv/jail" TH_RUNSTATEDIR "/taskhook/g",
		"live state of a group");
	is_path(layout_run_task(&l, "g", "t"), "/srv/jail" TH_RUNSTATEDIR "/taskhook/g/t",
		"live state of a task");
	is_path(layout_group_conf(&l, "g"),
		"/srv/jail" TH_SYSCONFDIR "/taskhook/groups/g/group.ini", "group file");
	is_path(layout_group_hooks(&l, "g"), "/srv/jail" TH_SYSCONFDIR "/taskhook/groups/g/hooks.d",
		"the group's hooks");

	is_int(read_main(c,
		       "[paths]\nstate = /data/th\nrun = /dev/shm/th\n"
		       "[hooks]\npath = /opt/a /opt/b\n",
		       &err),
		0, "[paths] and [hooks] path: %s", err_text(&err));
	is_int(layout_apply_conf(&l, c, &err), 0, "paths of the configuration");
	is_str(l.state_dir, "/srv/jail/data/th", "state, below --root too");
	is_str(l.run_dir, "/srv/jail/dev/shm/th", "live state");
	if (is_uint(l.hook_dirs.n, 5, "two more hook directories"))
		is_str(l.hook_dirs.v[4], "/srv/jail/opt/b", "in their order, the last wins");
	layout_done(&l);

	is_int(layout_init(&l, "/", "/x/own.conf", &err), 0, "--root=/ --config");
	is_str(l.root, "", "--root=/ is no prefix");
	is_str(l.config_file, "/x/own.conf", "another configuration");
	is_str(l.config_dropin, "/x/own.conf.d", "its drop-in directory is beside it");
	layout_done(&l);

	ok(layout_init(&l, "", NULL, &err) < 0, "an empty --root");
	is_int(err.status, EXIT_USAGE, "is a usage error");
	err_clear(&err);
	ok(layout_init(&l, NULL, "", &err) < 0, "an empty --config");
	is_int(err.status, EXIT_USAGE, "is a usage error");
}

static void test_user(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_conf_ struct conf *c = conf_new();
	struct layout l;
	bool was_root = geteuid() == 0;

	if (was_root && seteuid(ORDINARY_UID) < 0)
		bail("cannot become uid %d", ORDINARY_UID);

	setenv("HOME", "/home/u", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_STATE_HOME");
	is_int(layout_init(&l, NULL, NULL, &err), 0, "a user's layout");
	ok(l.user, "it is an ordinary user's");
	is_str(l.config_file, "/home/u/.config/taskhook/taskhook.conf", "configuration at home");
	is_str(l.state_dir, "/home/u/.local/state/taskhook", "state at home");
	is_str(l.run_dir, "/home/u/.local/state/taskhook/run", "live state with it");
	if (is_uint(l.hook_dirs.n, 2, "two hook directories")) {
		is_str(l.hook_dirs.v[0], TH_LIBDIR "/taskhook/hooks.d", "the shipped");
		is_str(l.hook_dirs.v[1], "/home/u/.config/taskhook/hooks.d", "the user's own");
	}
	is_int(read_main(c, "[paths]\nstate = /scratch/u\n", &err), 0, "[paths] state");
	is_int(layout_apply_conf(&l, c, &err), 0, "paths of the configuration");
	is_str(l.run_dir, "/scratch/u/run", "the live state goes with the state");
	layout_done(&l);

	setenv("XDG_CONFIG_HOME", "/c", 1);
	setenv("XDG_STATE_HOME", "relative/path", 1);
	is_int(layout_init(&l, NULL, NULL, &err), 0, "XDG variables");
	is_str(l.tasks_dir, "/c/taskhook/tasks.d", "XDG_CONFIG_HOME is followed");
	is_str(l.state_dir, "/home/u/.local/state/taskhook", "a relative one is ignored");
	layout_done(&l);

	unsetenv("HOME");
	ok(layout_init(&l, NULL, NULL, &err) < 0, "without HOME");
	is_int(err.status, EXIT_CONFIG, "is an error of the configuration");
	contains(err_text(&err), "XDG_STATE_HOME", "that names the variable");
	err_clear(&err);

	is_int(layout_init(&l, "/r", NULL, &err), 0, "--root as a user, without HOME");
	is_str(l.state_dir, "/r" TH_LOCALSTATEDIR "/lib/taskhook", "all is below it");
	layout_done(&l);

	if (was_root && seteuid(0) < 0)
		bail("cannot become root again");
}

int main(void)
{
	test_system();
	test_root_option();
	test_user();
	return done_testing();
}
