#include "config.h"

#include "os/userdb.h"

#include "base/alloc.h"
#include "base/str.h"

#include "tests/unit/helper.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_way(void)
{
	static const struct {
		const char *text, *database;
		enum userdb_way way;
	} cases[] = {
		{NULL, "passwd", USERDB_FILES},
		{"", "passwd", USERDB_FILES},
		{"passwd: files\n", "passwd", USERDB_FILES},
		{"passwd:files", "passwd", USERDB_FILES},
		{"  passwd :\tfiles\t # ldap\n", "passwd", USERDB_FILES},
		{"#passwd: ldap\n", "passwd", USERDB_FILES},
		{"passwd: files systemd\n", "passwd", USERDB_FILES_FIRST},
		{"passwd: files systemd\n", "group", USERDB_FILES},
		{"passwd: ldap\npasswd: files sss\n", "passwd", USERDB_FILES_FIRST},
		{"passwd: sss files\n", "passwd", USERDB_SWITCH},
		{"passwd: files [SUCCESS=continue] sss\n", "passwd", USERDB_SWITCH},
		{"passwd: compat\n", "passwd", USERDB_SWITCH},
		{"passwd: filesystem\n", "passwd", USERDB_SWITCH},
		{"passwd:\n", "passwd", USERDB_SWITCH},
		{"passwd_compat: nis\n", "passwd", USERDB_FILES},
		{"group: files sss\n", "initgroups", USERDB_FILES_FIRST},
		{"group: files sss\ninitgroups: files\n", "initgroups", USERDB_FILES},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;
		_cleanup_free_ char *shown = text ? str_escape(text, 0) : xstrdup("no file");

		is_int(userdb_way(text, cases[i].database), cases[i].way, "%s in \"%s\"",
			cases[i].database, shown);
	}
}

/* ---- files ----------------------------------------------------------------------------------- */

static void use_host(const char *nsswitch, usec_t timeout_usec)
{
	static struct userdb_host host;
	static char *paths[4];
	static const char *const names[] = {"passwd", "group", "nsswitch.conf", "getent"};

	for (size_t i = 0; i < 4; i++) {
		free(paths[i]);
		paths[i] = xstrdup(tempdir_path("%s", names[i]));
	}
	host = (struct userdb_host){paths[0], paths[1], paths[2], paths[3], timeout_usec};
	tempdir_write("nsswitch.conf", nsswitch);
	userdb_use_host(&host);
}

static void write_getent(const char *script)
{
	_cleanup_free_ char *text = xasprintf("#!/bin/sh\n%s\n", script);

	tempdir_write("getent", text);
	if (fchmodat(tempdir.fd, "getent", 0755, 0) < 0)
		bail("chmod: %s", strerror(errno));
}

static int compare(const void *a, const void *b)
{
	const gid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void check_groups(const char *user, const char *expected)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_strbuf_ struct strbuf list = STRBUF_INIT;
	_cleanup_free_ gid_t *gids = NULL;
	size_t n = 0;
	int r = userdb_find_groups_of(user, &gids, &n, &err);

	if (n > 0)
		qsort(gids, n, sizeof(*gids), compare);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&list, "%s%u", i ? " " : "", (unsigned)gids[i]);
	is_str(r < 0 ? err.text : strbuf_str(&list), expected, "groups of '%s'", user);
}

static void check_user(const char *name, const char *expected)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_user_entry_ struct user_entry e = {0};
	_cleanup_free_ char *got = NULL;
	int r = userdb_find_user(name, &e, &err);

	got = r > 0 ? xasprintf("%s %u:%u %s %s", e.name, (unsigned)e.uid, (unsigned)e.gid, e.home,
			      e.shell)
	      : r == 0 ? xstrdup("none")
		       : xstrdup(err.text);
	is_str(got, expected, "user '%s'", name);
	if (r < 0)
		is_int(err.status, EXIT_UNAVAILABLE, "not the configuration's fault");
}

static void check_group(const char *name, const char *expected)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	gid_t gid = 0;
	int r = userdb_find_group(name, &gid, &err);
	_cleanup_free_ char *got = r > 0    ? xasprintf("%u", (unsigned)gid)
				   : r == 0 ? xstrdup("none")
					    : xstrdup(err.text);

	is_str(got, expected, "group '%s'", name);
}

static void check_uid(uid_t uid, const char *expected)
{
	_cleanup_user_entry_ struct user_entry e = {0};
	int r = userdb_find_uid(uid, &e, NULL);

	is_str(r > 0 ? e.name : r == 0 ? "none" : "error", expected, "uid %u", (unsigned)uid);
}

static void write_files(void)
{
	tempdir_write("passwd", "+::::::\n"
				"+@admins::0:0:::\n"
				"# a comment\n"
				"\n"
				"root:x:0:0:root:/root:/bin/bash\n"
				"bare:x:7:8:::\n"
				"damaged:x\n"
				"1000:x:2000:2000::/n:/bin/n\n"
				"last:x:9:9::/l:/bin/l");
	tempdir_write("group", "+:::\n"
			       "root:x:0:\n"
			       "audio:x:29:bare,last\n"
			       "video:x:44:last\n"
			       "lasting:x:45:lasting\n");
}

static void test_files(void)
{
	write_getent("echo asked >&2; exit 1");
	use_host("passwd: files\ngroup: files\n", USEC_PER_SEC);
	write_files();
	check_user("root", "root 0:0 /root /bin/bash");
	check_user("bare", "bare 7:8  ");
	check_user("last", "last 9:9 /l /bin/l");
	check_user("1000", "1000 2000:2000 /n /bin/n");
	check_user("+@admins", "none");
	check_user("+", "none");
	check_user("damaged", "none");
	check_user("las", "none");
	check_user("", "none");
	check_uid(0, "root");
	check_uid(7, "bare");
	check_uid(77, "none");
	check_group("audio", "29");
	check_group("+", "none");
	check_group("aud", "none");
	check_groups("last", "29 44");
	check_groups("bare", "29");
	check_groups("root", "");

	if (unlinkat(tempdir.fd, "group", 0) < 0)
		bail("unlink: %s", strerror(errno));
	check_group("audio", "none");
	check_groups("last", "");
}

/* ---- getent ---------------------------------------------------------------------------------- */

static void check_failed_user(const char *name, const char *tail)
{
	_cleanup_free_ char *expected =
		xasprintf("cannot look up user '%s': '%s%s", name, tempdir_path("getent"), tail);

	check_user(name, expected);
}

static void check_odd_groups(const char *user)
{
	_cleanup_free_ char *expected = xasprintf(
		"cannot look up the groups of user '%s': '%s initgroups' gave an answer without it",
		user, tempdir_path("getent"));

	check_groups(user, expected);
}

static void check_not_asked(const char *name, const char *why)
{
	_cleanup_free_ char *tail = xasprintf("', which asks what '%s' names beside the files: %s",
		tempdir_path("nsswitch.conf"), why);

	check_failed_user(name, tail);
}

static void test_getent(void)
{
	write_files();
	use_host("passwd: files ldap\ngroup: files ldap\n", 10 * USEC_PER_SEC);
	write_getent("case \"$1 $2\" in\n"
		     "'passwd ann') echo 'ann:*:5000:5001:Ann:/home/ann:/bin/zsh' ;;\n"
		     "'passwd 5000') echo 'ann:*:5000:5001:Ann:/home/ann:/bin/zsh' ;;\n"
		     "'passwd 6000') echo 'bob:*:6001:1::/:/bin/sh' ;;\n"
		     "'passwd Bob') echo 'bob:*:6001:1::/:/bin/sh' ;;\n"
		     "'passwd odd') echo 'nonsense' ;;\n"
		     "'passwd sick') exit 3 ;;\n"
		     "'passwd dead') kill -9 $$ ;;\n"
		     "'group staff') echo 'staff:*:6000:ann' ;;\n"
		     "'initgroups ann') printf '%-21s 6000 7000\\n' ann ;;\n"
		     "'initgroups last') echo 'last' ;;\n"
		     "'initgroups odd') echo 'odd 1 x' ;;\n"
		     "'initgroups other') echo 'another 1' ;;\n"
		     "*) exit 2 ;;\n"
		     "esac");
	check_user("last", "last 9:9 /l /bin/l");
	check_user("ann", "ann 5000:5001 /home/ann /bin/zsh");
	check_user("Bob", "bob 6001:1 / /bin/sh");
	check_user("nobody-here", "none");
	check_user("-v", "none");
	check_user("12345", "none");
	check_failed_user("odd", " passwd' gave an answer without it");
	check_failed_user("sick", " passwd' failed");
	check_failed_user("dead", " passwd' failed");
	check_uid(5000, "ann");
	check_uid(6000, "error");
	check_uid(8, "none");
	check_group("staff", "6000");
	check_group("audio", "29");
	check_group("none", "none");
	check_groups("ann", "6000 7000");
	check_groups("last", "");
	check_odd_groups("odd");
	check_odd_groups("other");

	/* another order: the file is not asked */
	use_host("passwd: ldap files\n", 10 * USEC_PER_SEC);
	check_user("last", "none");
	check_user("ann", "ann 5000:5001 /home/ann /bin/zsh");
	check_uid(0, "root");
}

static void test_getent_fails(void)
{
	write_files();
	use_host("passwd: files ldap\n", 100 * USEC_PER_MSEC);
	write_getent("exec sleep 60");
	check_failed_user("slow", " passwd' did not answer within 100ms");
	check_user("last", "last 9:9 /l /bin/l");

	use_host("passwd: files ldap\n", 60 * USEC_PER_SEC);
	/* two seconds more than its last word is too long */
	write_getent("exec >&-; exec sleep 60");
	check_failed_user("mute", " passwd' failed");
	write_getent("exec yes");
	check_not_asked("endless", "File too large");
	if (unlinkat(tempdir.fd, "getent", 0) < 0)
		bail("unlink: %s", strerror(errno));
	check_not_asked("ann", "No such file or directory");
}

/* The true one knows everybody who is in the files. */
static void test_real_getent(void)
{
	static struct userdb_host host = {.passwd = "/nonexistent",
		.group = "/nonexistent",
		.nsswitch = "/nonexistent",
		.getent = TH_GETENT,
		.timeout_usec = 20 * USEC_PER_SEC};
	_cleanup_user_entry_ struct user_entry root = {0};
	_cleanup_free_ gid_t *gids = NULL;
	size_t n = 0;

	if (access(TH_GETENT, X_OK) < 0) {
		skip(4, "%s is not installed", TH_GETENT);
		return;
	}
	tempdir_write("nsswitch.conf", "passwd: files x\ngroup: files x\n");
	host.nsswitch = tempdir_path("nsswitch.conf");
	userdb_use_host(&host);
	is_int(userdb_find_user("root", &root, NULL), 1, "root");
	is_uint(root.uid, 0, "is 0");
	check_user("no-such-user", "none");
	is_int(userdb_find_groups_of("root", &gids, &n, NULL), 0, "its groups");
	userdb_use_host(NULL);
}

int main(void)
{
	test_way();
	tempdir_make();
	test_files();
	if (helper_has_pidfd()) {
		test_getent();
		test_getent_fails();
		test_real_getent();
	} else {
		skip(1, "getent: no pidfd_open here");
	}
	return done_testing();
}
