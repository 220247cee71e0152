#include "config.h"

#include "base/alloc.h"
#include "run/hookdir.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/users.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static struct layout layout;
static struct task task;

/* ---- a tree of hooks ---- */

static void make_dirs(const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *p = copy; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdirat(tempdir.fd, copy, 0755);
			*p = '/';
		}
}

static void add_file(const char *path, const char *text, mode_t mode)
{
	make_dirs(path);
	tempdir_write(path, text);
	if (fchmodat(tempdir.fd, path, mode, 0) < 0)
		bail("chmod %s: %s", path, strerror(errno));
}

static void add_hook(const char *path)
{
	add_file(path, "#!/bin/sh\n", 0755);
}

static void add_link(const char *target, const char *path)
{
	make_dirs(path);
	tempdir_symlink(target, path);
}

static void remove_all(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("find", "find", tempdir.path, "-mindepth", "1", "-delete", (char *)NULL);
		_exit(127);
	}
	is_int(wait_child(pid), 0, "the tree is empty again");
}

/* ---- what is listed ---- */

/* "NAME:VERDICT(REASON) ..." with the directory's name cut off. */
static char *describe(const struct hook_list *l)
{
	struct strbuf b = STRBUF_INIT;
	size_t skip_len = strlen(tempdir.path) + 1;

	for (size_t i = 0; i < l->n; i++) {
		const struct hook *h = l->v[i];
		const char *path =
			str_starts_with(h->path, tempdir.path) ? h->path + skip_len : h->path;

		strbuf_addf(&b, "%s%s:%s", i > 0 ? " " : "", path, hook_verdict_name(h->verdict));
	}
	return strbuf_steal(&b);
}

static struct hook_list list_with(enum hook_point point, bool trust, struct hook_cache *cache)
{
	struct hook_context ctx = {.group = task.group, .node_roles = &task.node.roles};
	struct hook_list l = {.point = point};
	struct th_err err = TH_ERR_INIT;

	if (!ok(hookdir_list(&layout, &task, point, &ctx, trust, cache, &l, &err) == 0,
		    "%s is listed", point_name(point)))
		diag("%s", err_text(&err));
	err_clear(&err);
	return l;
}

static void lists(enum hook_point point, const char *expected, const char *what)
{
	struct hook_list l = list_with(point, false, NULL);
	_cleanup_free_ char *got = describe(&l);

	is_str(got, expected, "%s", what);
	hook_list_done(&l);
}

static const struct hook *find_with(const struct hook_list *l, const char *name, bool running)
{
	static const struct hook none = {.reason = NULL};

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i]->name, name) == 0 && (!running || l->v[i]->verdict == HOOK_RUN))
			return l->v[i];
	diag("there is no '%s'", name);
	return &none;
}

static const struct hook *find(const struct hook_list *l, const char *name)
{
	return find_with(l, name, false);
}

static const struct hook *find_running(const struct hook_list *l, const char *name)
{
	return find_with(l, name, true);
}

/* ---- checks ---- */

static void check_empty(void)
{
	struct hook_cache *cache = hook_cache_new();

	lists(POINT_PRE_START, "", "nothing anywhere");
	ok(hookdir_is_empty(&layout, &task, POINT_PRE_START, cache), "nothing is empty");
	make_dirs("usr/pre-start/");
	ok(hookdir_is_empty(&layout, &task, POINT_PRE_START, cache), "an empty directory too");
	make_dirs("usr/pre-start/sub/");
	ok(hookdir_is_empty(&layout, &task, POINT_PRE_START, cache), "and one with a subdirectory");
	add_hook("usr/post/10");
	ok(hookdir_is_empty(&layout, &task, POINT_PRE_START, cache), "another type is not ours");
	add_hook("usr/pre/10");
	ok(!hookdir_is_empty(&layout, &task, POINT_PRE_START, cache), "pre/ is");
	ok(!hookdir_is_empty(&layout, &task, POINT_PRE_STOP, cache), "at each pre point");
	hook_cache_free(cache);
	remove_all();
	make_dirs("groups/web/hooks.d/pre-start/");
	add_hook("groups/web/hooks.d/pre-start/10");
	ok(!hookdir_is_empty(&layout, &task, POINT_PRE_START, NULL), "the group's is");
	lists(POINT_PRE_START, "groups/web/hooks.d/pre-start/10:run", "it is listed");
	remove_all();
}

static void check_layers(void)
{
	add_hook("usr/pre-start/10-a");
	add_hook("usr/pre-start/20-b");
	add_hook("usr/pre-start/30-c");
	add_hook("run/pre-start/20-b");
	add_hook("etc/pre-start/10-a");
	add_link("/dev/null", "etc/pre-start/30-c");
	add_hook("etc/pre/25-d");
	add_hook("groups/web/hooks.d/pre-start/20-b");
	add_hook("groups/web/hooks.d/pre-start/05-g");
	add_hook("groups/other/hooks.d/pre-start/00-x");
	add_hook("etc/post-start/99");
	lists(POINT_PRE_START,
		"usr/pre-start/10-a:masked etc/pre-start/10-a:run "
		"usr/pre-start/20-b:masked run/pre-start/20-b:masked "
		"groups/web/hooks.d/pre-start/20-b:run etc/pre/25-d:run "
		"usr/pre-start/30-c:masked etc/pre-start/30-c:masked "
		"groups/web/hooks.d/pre-start/05-g:run",
		"/etc over /run over /usr/lib, then the group's");
	lists(POINT_PRE_STOP, "etc/pre/25-d:run", "pre/ is read at another point");
	remove_all();

	add_hook("usr/pre-start/10-a");
	add_link("../usr-none", "etc/pre-start/10-a");
	lists(POINT_PRE_START, "usr/pre-start/10-a:masked etc/pre-start/10-a:skip",
		"what replaces need not run");
	remove_all();
}

static void check_files(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct hook_list l;
	_cleanup_free_ char *got = NULL;

	add_hook("etc/pre-start/10-good");
	add_file("etc/pre-start/11-empty", "", 0755);
	add_file("etc/pre-start/20-no-x", "#!/bin/sh\n", 0644);
	add_file("etc/pre-start/21-text", "hello\n", 0644);
	add_file("etc/pre-start/22-group-x", "#!/bin/sh\n", 0610);
	add_file("etc/pre-start/.hidden", "#!/bin/sh\n", 0755);
	add_file("etc/pre-start/30-x.bak", "#!/bin/sh\n", 0755);
	add_file("etc/pre-start/31 x", "#!/bin/sh\n", 0755);
	add_file("etc/pre-start/10-good.conf", "[hook]\ntimeout = 7s\n", 0644);
	add_file("etc/pre-start/99-none.conf", "[hook]\ntimeout = nonsense\n", 0644);
	make_dirs("etc/pre-start/40-dir/");
	add_link("40-dir", "etc/pre-start/41-link-dir");
	add_link("nowhere", "etc/pre-start/42-dangling");
	add_link("10-good", "etc/pre-start/43-link");
	add_link("44-loop", "etc/pre-start/44-loop");
	if (mkfifoat(tempdir.fd, "etc/pre-start/50-fifo", 0755) < 0)
		bail("mkfifo: %s", strerror(errno));
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		"/proc/self/fd/%d/etc/pre-start/51-socket", tempdir.fd);
	if (bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)) < 0)
		bail("bind: %s", strerror(errno));
	close(fd);

	l = list_with(POINT_PRE_START, false, NULL);
	got = describe(&l);
	is_str(got,
		"etc/pre-start/.hidden:skip etc/pre-start/10-good:run "
		"etc/pre-start/10-good.conf:skip etc/pre-start/11-empty:run "
		"etc/pre-start/20-no-x:skip etc/pre-start/21-text:skip "
		"etc/pre-start/22-group-x:run "
		"etc/pre-start/30-x.bak:skip etc/pre-start/31 x:skip "
		"etc/pre-start/41-link-dir:skip "
		"etc/pre-start/42-dangling:skip etc/pre-start/43-link:run "
		"etc/pre-start/44-loop:skip etc/pre-start/50-fifo:skip "
		"etc/pre-start/51-socket:skip "
		"etc/pre-start/99-none.conf:skip",
		"each file, and only a subdirectory silently");
	is_str(find(&l, "20-no-x")->reason, "not executable", "no x bit");
	ok(find(&l, "20-no-x")->begins_with_shebang, "and yet a script: worth a word");
	ok(!find(&l, "21-text")->begins_with_shebang, "a text is not");
	is_str(find(&l, ".hidden")->reason, "name starts with a dot", "a dot file");
	is_str(find(&l, "30-x.bak")->reason, "ends in '.bak'", "a backup");
	ok(find(&l, "30-x.bak")->begins_with_shebang, "that is a script");
	contains(find(&l, "31 x")->reason, "character other than", "a blank in the name");
	is_str(find(&l, "41-link-dir")->reason, "a link to a directory", "a link to a directory");
	is_str(find(&l, "42-dangling")->reason, "a dangling link", "a dangling link");
	is_str(find(&l, "44-loop")->reason, "a loop of links", "a link to itself");
	is_str(find(&l, "50-fifo")->reason, "a FIFO, not a regular file", "a FIFO");
	is_str(find(&l, "51-socket")->reason, "a socket, not a regular file", "a socket");
	is_str(find(&l, "10-good.conf")->reason, "settings of '10-good'", "settings");
	is_str(find(&l, "99-none.conf")->reason, "settings of '99-none', which does not exist",
		"settings of nothing");
	is_uint(find(&l, "10-good")->settings.timeout, 7 * USEC_PER_SEC, "settings are read");
	is_uint(find(&l, "43-link")->settings.timeout, 60 * USEC_PER_SEC, "each has its own");
	is_int(find(&l, "10-good")->size, 10, "the size");
	ok(find(&l, "10-good")->mtime > 0, "and the time");
	hook_list_done(&l);
	remove_all();
}

static void check_settings(void)
{
	struct hook_list l;
	struct th_err err = TH_ERR_INIT;

	add_hook("usr/pre-start/10-a");
	add_file("usr/pre-start/10-a.conf", "[hook]\ntimeout = 1s\nretries = 2\n", 0644);
	add_hook("usr/pre-start/20-b");
	add_file("usr/pre-start/20-b.conf", "[hook]\ntimeout = 1s\n", 0644);
	add_hook("etc/pre-start/20-b");
	add_file("etc/pre-start/10-a.conf", "[hook]\ntimeout = 2s\n", 0644);
	add_file("groups/web/hooks.d/pre/10-a.conf", "[hook]\ntimeout = 3s\n", 0644);
	l = list_with(POINT_PRE_START, false, NULL);
	is_uint(find(&l, "10-a")->settings.timeout, 2 * USEC_PER_SEC,
		"settings of a later directory win");
	is_uint(find(&l, "10-a")->settings.retries, 0, "as a whole");
	is_str(find_running(&l, "20-b")->path, tempdir_path("etc/pre-start/20-b"), "what replaces");
	is_uint(find_running(&l, "20-b")->settings.timeout, 60 * USEC_PER_SEC,
		"does not take the settings of what it replaces");
	hook_list_done(&l);
	is_int(hookdir_check(&layout, &task, NULL, &err), 0, "all is right");
	remove_all();

	add_hook("etc/pre-start/10-a");
	add_hook("etc/pre-start/20-b");
	add_file("etc/pre-start/10-a.conf", "[hook]\n\ntimeot = 2s\n", 0644);
	l = list_with(POINT_PRE_START, false, NULL);
	is_int(find(&l, "10-a")->verdict, HOOK_UNSAFE, "wrong settings refuse the hook");
	ok(find(&l, "10-a")->misconfigured, "as misconfigured");
	contains(find(&l, "10-a")->reason, "etc/pre-start/10-a.conf:3: ", "with their place");
	is_int(find(&l, "20-b")->verdict, HOOK_RUN, "and no other");
	hook_list_done(&l);
	ok(hookdir_check(&layout, &task, NULL, &err) < 0, "told before anything is made");
	is_int(err.status, EXIT_CONFIG, "as configuration");
	contains(err_text(&err), "did you mean", "with the nearest key");
	err_clear(&err);
	remove_all();

	add_hook("etc/pre-start/10-a");
	add_file("etc/pre-start/10-a.conf", "[hook]\nuser = no-such-user\n", 0644);
	ok(hookdir_check(&layout, &task, NULL, &err) < 0, "an unknown user");
	is_int(err.status, EXIT_CONFIG, "is told as configuration");
	contains(err_text(&err), "pre-start/10-a.conf:2: ", "with the hook");
	contains(err_text(&err), "no-such-user", "and the name");
	err_clear(&err);
	remove_all();

	add_hook("etc/pre-start/10-a");
	add_file("etc/pre-start/10-a.conf", "[hook]\nrole = etcd\n", 0644);
	lists(POINT_PRE_START, "etc/pre-start/10-a:skip etc/pre-start/10-a.conf:skip",
		"a role that this node does not have");
	strv_add(&task.node.roles, "etcd");
	lists(POINT_PRE_START, "etc/pre-start/10-a:run etc/pre-start/10-a.conf:skip",
		"and one that it has");
	strv_clear(&task.node.roles);
	remove_all();
}

static void option(enum hook_point point, const char *path, const char *role)
{
	task.hook_options = xreallocarray(
		task.hook_options, task.n_hook_options + 1, sizeof(struct hook_option));
	task.hook_options[task.n_hook_options++] = (struct hook_option){
		.point = point,
		.path = xstrdup(path),
		.role = role ? xstrdup(role) : NULL,
		.option = xstrdup("--hook"),
	};
}

static void no_options(void)
{
	for (size_t i = 0; i < task.n_hook_options; i++)
		hook_option_done(&task.hook_options[i]);
	free(task.hook_options);
	task.hook_options = NULL;
	task.n_hook_options = 0;
}

static void file_hook(const char *name, const char *path, enum hook_point point)
{
	struct hook *h = hook_new(name, path, HOOK_FROM_TASK_FILE);

	hook_settings_init(&h->settings, 30 * USEC_PER_SEC, 5 * USEC_PER_SEC);
	str_replace(&h->origin, "web.ini:7");
	task.file_hooks =
		xreallocarray(task.file_hooks, task.n_file_hooks + 1, sizeof(struct task_hook));
	task.file_hooks[task.n_file_hooks++] = (struct task_hook){h, 1U << point};
}

static void no_file_hooks(void)
{
	for (size_t i = 0; i < task.n_file_hooks; i++)
		hook_free(task.file_hooks[i].hook);
	free(task.file_hooks);
	task.file_hooks = NULL;
	task.n_file_hooks = 0;
}

static void named_fails(const char *why, const char *what)
{
	struct hook_list l = list_with(POINT_PRE_START, false, NULL);
	struct th_err err = TH_ERR_INIT;

	ok(l.n > 0 && l.v[l.n - 1]->verdict == HOOK_UNSAFE, "%s: refused", what);
	hook_list_done(&l);
	ok(hookdir_check(&layout, &task, NULL, &err) < 0, "and told before the start");
	is_int(err.status, EXIT_CONFIG, "as configuration");
	contains(err_text(&err), why, "and why");
	err_clear(&err);
}

static void check_named(void)
{
	struct hook_list l;
	struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *got = NULL;

	add_hook("etc/pre-start/50-e");
	add_hook("own/10-one");
	add_file("own/10-one.conf", "[hook]\ntimeout = 9s\nrole = worker\n", 0644);
	add_hook("own/my hook.bak");
	add_hook("many/20-y");
	add_hook("many/10-x");
	add_file("many/30-z", "#!/bin/sh\n", 0644);
	option(POINT_PRE_START, tempdir_path("many"), NULL);
	option(POINT_PRE_START, tempdir_path("own/my hook.bak"), NULL);
	option(POINT_POST_STOP, tempdir_path("own/10-one"), NULL);
	option(POINT_PRE_START, tempdir_path("own/10-one"), "etcd");
	file_hook("10-net", tempdir_path("own/10-one"), POINT_PRE_START);
	file_hook("dir", tempdir_path("many"), POINT_PRE_START);
	file_hook("other", tempdir_path("own/10-one"), POINT_POST_START);
	strv_add(&task.node.roles, "etcd");
	ok(!hookdir_is_empty(&layout, &task, POINT_PRE_START, NULL), "named ones are there");
	ok(!hookdir_is_empty(&layout, &task, POINT_POST_START, NULL), "at their points");
	l = list_with(POINT_PRE_START, false, NULL);
	got = describe(&l);
	is_str(got,
		"etc/pre-start/50-e:run own/10-one:run many/30-z:skip many/10-x:run many/20-y:run "
		"many/10-x:run many/20-y:run many/30-z:skip own/my hook.bak:run own/10-one:run",
		"task file by name, command line in its order");
	is_uint(find(&l, "10-net")->settings.timeout, 30 * USEC_PER_SEC,
		"[hook NAME] has its settings in the task file");
	is_str(find(&l, "dir.10-x")->origin, "web.ini:7", "a directory's files are told apart");
	is_uint(l.v[l.n - 1]->settings.timeout, 9 * USEC_PER_SEC,
		"the command line's has those beside it");
	ok(strv_contains(&l.v[l.n - 1]->settings.roles, "etcd") &&
			l.v[l.n - 1]->settings.roles.n == 1,
		"and the role of the option");
	hook_list_done(&l);
	is_int(hookdir_check(&layout, &task, NULL, &err), 0, "all of them can run");
	strv_clear(&task.node.roles);
	no_options();
	no_file_hooks();

	option(POINT_PRE_START, tempdir_path("missing"), NULL);
	named_fails("missing' does not exist", "a missing file");
	no_options();
	option(POINT_PRE_UPDATE, tempdir_path("missing"), NULL);
	ok(hookdir_check(&layout, &task, NULL, NULL) < 0, "also at a point that may never come");
	no_options();
	option(POINT_PRE_START, tempdir_path("many/30-z"), NULL);
	named_fails("is not executable", "no x bit");
	no_options();
	make_dirs("none/");
	option(POINT_PRE_START, tempdir_path("none"), NULL);
	named_fails("it is empty", "an empty directory");
	no_options();
	add_file("none/a.bak", "", 0755);
	add_file("none/b", "", 0644);
	option(POINT_PRE_START, tempdir_path("none"), NULL);
	named_fails("a.bak: ends in '.bak'; b: not executable", "a directory without hooks");
	no_options();
	file_hook("x", tempdir_path("missing"), POINT_PRE_START);
	named_fails("web.ini:7: hook '", "[hook x] without its file");
	no_file_hooks();
	file_hook("../x", tempdir_path("own/10-one"), POINT_PRE_START);
	named_fails("web.ini:7: [hook ../x]: no hook can have this name: name ",
		"[hook ../x], whose name is no file's");
	no_file_hooks();
	if (mkfifoat(tempdir.fd, "fifo", 0755) < 0)
		bail("mkfifo: %s", strerror(errno));
	option(POINT_PRE_START, tempdir_path("fifo"), NULL);
	named_fails("is a FIFO", "a FIFO");
	no_options();
	option(POINT_PRE_START, "/dev/null", NULL);
	lists(POINT_PRE_START, "etc/pre-start/50-e:run /dev/null:masked", "/dev/null is no hook");
	no_options();
	remove_all();
}

static void check_trusted(void)
{
	struct hook_list l;

	if (geteuid() != 0) {
		skip(11, "needs root: an ordinary user's hooks are not checked");
		return;
	}
	add_hook("etc/pre-start/10-good");
	add_file("etc/pre-start/20-writable", "#!/bin/sh\n", 0775);
	add_hook("etc/pre-start/30-foreign");
	add_hook("bad/40-in-bad-dir");
	add_link("../../bad/40-in-bad-dir", "etc/pre-start/40-link");
	if (chown(tempdir_path("etc/pre-start/30-foreign"), 12345, 12345) < 0 ||
		chmod(tempdir_path("bad"), 0777) < 0)
		bail("chown, chmod: %s", strerror(errno));
	l = list_with(POINT_PRE_START, true, NULL);
	is_int(find(&l, "10-good")->verdict, HOOK_RUN, "a good one runs");
	is_int(find(&l, "20-writable")->verdict, HOOK_UNSAFE,
		"one that a group can write does not");
	contains(find(&l, "20-writable")->fix, "chmod go-w", "and how to mend it");
	ok(find(&l, "20-writable")->reason && !strstr(find(&l, "20-writable")->reason, "chmod"),
		"which the reason does not say again");
	is_int(find(&l, "30-foreign")->verdict, HOOK_UNSAFE, "nor one that is another's");
	is_int(find(&l, "40-link")->verdict, HOOK_UNSAFE, "nor one that a link leads to");
	contains(find(&l, "40-link")->reason, "/bad'", "through a directory of everybody's");
	hook_list_done(&l);
	l = list_with(POINT_PRE_START, false, NULL);
	is_int(find(&l, "20-writable")->verdict, HOOK_RUN, "unless it is not asked for");
	hook_list_done(&l);
	remove_all();
}

/* Until a listing of the directory is old enough to be believed. */
static void wait_until_old(const char *path)
{
	struct stat st;

	if (fstatat(tempdir.fd, path, &st, 0) < 0)
		bail("stat %s: %s", path, strerror(errno));
	while (clock_realtime_usec() < ((usec_t)st.st_mtim.tv_sec + 1) * USEC_PER_SEC)
		(void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static void check_cache(void)
{
	struct hook_cache *cache = hook_cache_new();
	struct hook_list l;

	add_hook("etc/pre-start/10-a");
	for (int i = 0; i < 2; i++) {
		l = list_with(POINT_PRE_START, false, cache);
		is_uint(l.n, 1, "one hook, however fresh the listing");
		hook_list_done(&l);
		wait_until_old("etc/pre-start");
	}
	add_hook("etc/pre-start/20-b");
	l = list_with(POINT_PRE_START, false, cache);
	is_uint(l.n, 2, "a new one is noticed");
	hook_list_done(&l);
	add_hook("etc/pre-start/21-b");
	l = list_with(POINT_PRE_START, false, cache);
	is_uint(l.n, 3, "and one within the same tick of the clock");
	hook_list_done(&l);
	if (unlinkat(tempdir.fd, "etc/pre-start/21-b", 0) < 0)
		bail("unlink: %s", strerror(errno));
	if (unlinkat(tempdir.fd, "etc/pre-start/10-a", 0) < 0)
		bail("unlink: %s", strerror(errno));
	l = list_with(POINT_PRE_START, false, cache);
	is_uint(l.n, 1, "one that is gone too");
	hook_list_done(&l);
	wait_until_old("etc/pre-start");
	ok(!hookdir_is_empty(&layout, &task, POINT_PRE_START, cache), "and a cached one is there");
	/* The same directory twice at once: the second reading must not take the first one away. */
	strv_add(&layout.hook_dirs, tempdir_path("etc"));
	option(POINT_PRE_START, tempdir_path("etc/pre-start"), NULL);
	add_hook("etc/pre-start/30-c");
	l = list_with(POINT_PRE_START, false, cache);
	is_uint(l.n, 6, "a directory that is named three times");
	hook_list_done(&l);
	no_options();
	free(layout.hook_dirs.v[--layout.hook_dirs.n]);
	layout.hook_dirs.v[layout.hook_dirs.n] = NULL;
	hook_cache_free(cache);
	remove_all();
}

static void check_bad_dirs(void)
{
	struct hook_context ctx = {.group = task.group};
	struct hook_list l = {.point = POINT_PRE_START};
	struct th_err err = TH_ERR_INIT;

	add_file("etc/pre-start", "not a directory\n", 0644);
	ok(hookdir_list(&layout, &task, POINT_PRE_START, &ctx, false, NULL, &l, &err) < 0,
		"a file where a directory is due");
	is_int(err.status, EXIT_CONFIG, "is a configuration error");
	contains(err_text(&err), "etc/pre-start': Not a directory", "and named");
	ok(!hookdir_is_empty(&layout, &task, POINT_PRE_START, NULL), "and not taken for empty");
	err_clear(&err);
	remove_all();
	make_dirs("etc/pre-start/");
	if (chmod(tempdir_path("etc/pre-start"), 0) < 0)
		bail("chmod: %s", strerror(errno));
	if (geteuid() == 0) {
		skip(2, "needs an ordinary user: root reads everything");
	} else {
		ok(hookdir_list(&layout, &task, POINT_PRE_START, &ctx, false, NULL, &l, &err) < 0,
			"a directory that cannot be read");
		contains(err_text(&err), "Permission denied", "is told");
		err_clear(&err);
	}
	(void)chmod(tempdir_path("etc/pre-start"), 0755);
	remove_all();
}

/* As in a tree below --root, or a bare container. */
static void check_without_null(void)
{
	if (!tempdir_private_mounts()) {
		skip(3, "needs root: to hide /dev/null");
		return;
	}
	add_hook("usr/pre-start/10-a");
	add_link("/dev/null", "etc/pre-start/10-a");
	tempdir_mkdir("no-dev");
	if (mount(tempdir_path("no-dev"), "/dev", "", MS_BIND, NULL) != 0)
		bail("mount: %s", strerror(errno));
	lists(POINT_PRE_START, "usr/pre-start/10-a:masked etc/pre-start/10-a:masked",
		"a link to /dev/null masks without one");
	(void)umount2("/dev", MNT_DETACH);
	remove_all();
}

int main(void)
{
	(void)umask(022);
	users_prepare();
	tempdir_make();
	layout.groups_dir = xstrdup(tempdir_path("groups"));
	strv_add(&layout.hook_dirs, tempdir_path("usr"));
	strv_add(&layout.hook_dirs, tempdir_path("run"));
	strv_add(&layout.hook_dirs, tempdir_path("etc"));
	task.group = xstrdup("web");
	task.id = xstrdup("front");
	task.hooks_timeout = 60 * USEC_PER_SEC;
	task.hooks_kill_after = 5 * USEC_PER_SEC;

	check_empty();
	check_layers();
	check_files();
	check_settings();
	check_named();
	check_trusted();
	check_cache();
	check_bad_dirs();
	check_without_null();

	free(layout.groups_dir);
	strv_done(&layout.hook_dirs);
	strv_done(&task.node.roles);
	free(task.group);
	free(task.id);
	return done_testing();
}
