#include "config.h"

#include "os/cred.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"
#include "tests/unit/users.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

/* No user has this number, nor any group. */
#define FREE_ID 3999999999U

static bool has_group(const struct cred *c, gid_t gid)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

static void check_error(const char *spec, char *const *extra, const char *expected)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct cred c = {.uid = 7, .n_groups = 7};

	ok(cred_lookup(spec, extra, &c, &err) < 0, "'%s' is refused", spec);
	is_str(err.text, expected, "and told why");
	is_int(err.status, EXIT_CONFIG, "as the configuration's fault");
	ok(c.uid == 7 && c.n_groups == 7 && !c.name, "nothing is set");
	is_int(cred_lookup(spec, extra, &c, NULL) < 0, true, "nobody has to ask why");
}

static void test_errors(void)
{
	char *no_such[] = {xstrdup("root"), xstrdup("no-such-group"), NULL};

	check_error("no-such-user", NULL, "user 'no-such-user' does not exist");
	check_error("a\nb", NULL, "user 'a\\nb' does not exist");
	check_error("root:no-such-group", NULL, "group 'no-such-group' does not exist");
	check_error("root", no_such, "group 'no-such-group' does not exist");
	check_error("", NULL, "user '' is not of the form USER or USER:GROUP");
	check_error(":root", NULL, "user ':root' is not of the form USER or USER:GROUP");
	check_error("root:", NULL, "user 'root:' is not of the form USER or USER:GROUP");
	check_error("3999999999", NULL,
		"user '3999999999' has no entry and so no group: write UID:GID, as in "
		"'3999999999:3999999999'");
	check_error("4294967295", NULL, "user '4294967295' is out of range: 0 to 4294967294");
	check_error("0:4294967295", NULL, "group '4294967295' is out of range: 0 to 4294967294");
	check_error("99999999999999999999:0", NULL,
		"user '99999999999999999999' is out of range: 0 to 4294967294");
	check_error("-1", NULL, "user '-1' does not exist");
	check_error("0x0", NULL, "user '0x0' does not exist");
	free(no_such[0]);
	free(no_such[1]);
}

static struct cred lookup(const char *spec, char *const *extra)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct cred c = {0};

	is_int(cred_lookup(spec, extra, &c, &err), 0, "'%s'", spec);
	is_str(err.text, NULL, "no error");
	return c;
}

static void test_root(void)
{
	struct cred c = lookup("root", NULL);

	ok(c.uid == 0 && c.gid == 0, "root is 0");
	is_str(c.name, "root", "its name");
	ok(c.home && *c.home == '/', "its home");
	ok(c.shell && *c.shell == '/', "its shell");
	ok(has_group(&c, 0), "it is in group 0");
	cred_done(&c);
	cred_done(&c);
	ok(!c.name && !c.groups && c.n_groups == 0, "done twice");

	c = lookup("0", NULL);
	is_str(c.name, "root", "a number with an entry has a name");
	cred_done(&c);
}

static void test_numbers(void)
{
	char ten[] = "10", twenty[] = "20", *extra[] = {ten, twenty, ten, NULL}, *none[] = {NULL};
	struct cred c = lookup("3999999999:3999999998", NULL);

	ok(c.uid == FREE_ID && c.gid == FREE_ID - 1, "UID:GID of nobody");
	is_str(c.name, "3999999999", "the number is the name");
	is_str(c.home, "/", "home of nobody");
	is_str(c.shell, "/bin/sh", "shell of nobody");
	ok(c.n_groups == 1 && has_group(&c, FREE_ID - 1), "no group but the one given");
	cred_done(&c);

	c = lookup("3999999999:3999999998", extra);
	ok(c.n_groups == 2 && has_group(&c, 10) && has_group(&c, 20), "exactly those, each once");
	cred_done(&c);
	c = lookup("root", none);
	is_uint(c.n_groups, 0, "an empty list means none");
	cred_done(&c);
}

/* An ordinary user of this machine: one whose groups are all others than 0. */
static void test_ordinary(void)
{
	_cleanup_free_ char *name = NULL, *with_group = NULL;
	const struct passwd *pw;
	struct cred c;

	setpwent();
	while ((pw = getpwent()))
		if (pw->pw_uid != 0 && pw->pw_gid != 0) {
			name = xstrdup(pw->pw_name);
			break;
		}
	endpwent();
	if (!name) {
		skip(1, "this machine knows no user but root");
		return;
	}
	c = lookup(name, NULL);
	ok(c.uid != 0 && c.gid != 0, "user '%s'", name);
	ok(has_group(&c, c.gid), "its own group is among its groups");
	cred_done(&c);
	with_group = xasprintf("%s:root", name);
	c = lookup(with_group, NULL);
	ok(c.gid == 0 && c.n_groups == 1, "a group that was given is the only one");
	cred_done(&c);
	with_group = (free(with_group), xasprintf("%s:3999999998", name));
	c = lookup(with_group, NULL);
	ok(!has_group(&c, 0), "no stray group 0");
	is_str(c.name, name, "the name stays");
	cred_done(&c);
}

static void test_self(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *name = cred_user_name(geteuid()), *nobody = cred_user_name(FREE_ID);
	struct cred c = {0};

	is_int(cred_self(NULL, &c, &err), 0, "who we are");
	ok(c.uid == geteuid() && c.gid == getegid(), "our ids");
	is_int((int)c.n_groups, getgroups(0, NULL), "our groups");
	is_str(c.name, name, "our name");
	is_str(nobody, "3999999999", "the name of a number without an entry");
	cred_done(&c);
	if (geteuid() == 0) {
		gid_t many[300];

		for (gid_t i = 0; i < 300; i++)
			many[i] = 1000 + i;
		if (setgroups(300, many) < 0)
			bail("setgroups");
		(void)cred_self(NULL, &c, &err);
		is_uint(c.n_groups, 300, "three hundred groups");
		cred_done(&c);
	} else {
		skip(1, "only root may set its groups");
	}
}

static void test_self_with_groups(void)
{
	char ten[] = "10", *extra[] = {ten, NULL}, *none[] = {NULL}, *bad[] = {NULL, NULL};
	char name[] = "no-such-group";
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct cred c = {0};

	is_int(cred_self(extra, &c, &err), 0, "ourselves with other groups");
	ok(c.gid == getegid() && c.n_groups == 1 && has_group(&c, 10), "which are all it has");
	cred_done(&c);
	is_int(cred_self(none, &c, &err), 0, "ourselves with none");
	is_uint(c.n_groups, 0, "has none");
	cred_done(&c);
	bad[0] = name;
	ok(cred_self(bad, &c, &err) < 0, "no such group");
	is_str(err.text, "group 'no-such-group' does not exist", "is told");
}

static void test_self_without_entry(void)
{
	_cleanup_free_ char *home = getenv("HOME") ? xstrdup(getenv("HOME")) : NULL;
	struct cred c = {0};

	if (geteuid() != 0) {
		skip(4, "only root may be somebody else");
		return;
	}
	if (seteuid(FREE_ID) < 0)
		bail("seteuid");
	(void)setenv("HOME", "/srv/batch", 1);
	is_int(cred_self(NULL, &c, NULL), 0, "a number without an entry");
	is_str(c.home, "/srv/batch", "has the home that it says");
	cred_done(&c);
	(void)setenv("HOME", "batch", 1);
	is_int(cred_self(NULL, &c, NULL), 0, "a home that is no path");
	is_str(c.home, "/", "is none");
	cred_done(&c);
	if (seteuid(0) < 0)
		bail("seteuid");
	if (home)
		(void)setenv("HOME", home, 1);
	else
		(void)unsetenv("HOME");
}

int main(void)
{
	users_prepare();
	test_errors();
	test_root();
	test_numbers();
	test_ordinary();
	test_self_with_groups();
	test_self_without_entry();
	test_self();
	return done_testing();
}
