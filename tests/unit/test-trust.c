#include "config.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/trust.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <pwd.h>

static uid_t me;	    /* to whom the files belong, and who would run them */
static const char *my_name; /* the same, as messages have it */
static struct trust_cache *cache;

static void check_good(const char *name)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	char *fix = NULL;

	is_int(trust_check_path(tempdir_path("%s", name), me, cache, &fix, &err), 0, "%s: good",
		name);
	if (err_is_set(&err))
		diag("%s", err_text(&err));
	ok(!fix && !err_is_set(&err), "%s: with nothing to say", name);
}

/* In `part`, `what` and `fix` an '@' stands for the test's directory; a `part` of NULL is the path.
 */
static char *fill_in(const char *text)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (; *text; text++) {
		if (*text == '@')
			strbuf_adds(&b, tempdir.path);
		else
			strbuf_addc(&b, *text);
	}
	return strbuf_steal(&b);
}

static void check_refused(const char *name, uid_t uid, const char *what, const char *fix)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *got_fix = NULL;
	_cleanup_free_ char *what_here = fill_in(what);
	_cleanup_free_ char *fix_here = fill_in(fix);
	_cleanup_free_ char *text =
		xasprintf("'%s/%s' is unsafe: %s (%s)", tempdir.path, name, what_here, fix_here);

	is_int(trust_check_path(tempdir_path("%s", name), uid, cache, &got_fix, &err), -EPERM,
		"%s: refused", name);
	is_str(err.text, text, "%s: the text", name);
	is_int(err.status, EXIT_NOPERM, "%s: the status", name);
	is_str(got_fix, fix_here, "%s: the command that mends it", name);
	is_int(trust_check_path(tempdir_path("%s", name), uid, NULL, NULL, NULL), -EPERM,
		"%s: refused without a place for the text", name);
}

static void check_fails(const char *name, int error, int status, const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *text_here = fill_in(text);
	char *fix = NULL;

	is_int(trust_check_path(tempdir_path("%s", name), me, cache, &fix, &err), error,
		"%s: cannot be checked", name);
	is_str(err.text, text_here, "%s: the text", name);
	is_int(err.status, status, "%s: the status", name);
	ok(!fix, "%s: no command mends it", name);
}

static void change_mode(const char *name, mode_t mode)
{
	if (fchmodat(tempdir.fd, name, mode, 0) != 0)
		bail("chmod %s: %s", name, strerror(errno));
}

/* What was found good is forgotten, as after each reading of the hooks. */
static void set_mode(const char *name, mode_t mode)
{
	change_mode(name, mode);
	cache = trust_cache_free(cache);
	cache = trust_cache_new();
}

static void set_owner(const char *name, uid_t uid)
{
	if (fchownat(tempdir.fd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
		bail("chown %s: %s", name, strerror(errno));
	cache = trust_cache_free(cache);
	cache = trust_cache_new();
}

static void test_modes(void)
{
	_cleanup_free_ char *text = NULL;

	check_good("hooks/10-net");
	check_good("hooks");
	check_good("hooks//./10-net");
	check_good("hooks/../hooks/10-net");

	set_mode("hooks/10-net", 0775);
	text = xasprintf("it is writable by group, mode 0775, owner %s", my_name);
	check_refused("hooks/10-net", me, text, "chmod go-w @/hooks/10-net");
	free(text);
	set_mode("hooks/10-net", 0757);
	text = xasprintf("it is writable by others, mode 0757, owner %s", my_name);
	check_refused("hooks/10-net", me, text, "chmod go-w @/hooks/10-net");
	free(text);
	/* A sticky bit on a file keeps nobody from writing to it. */
	set_mode("hooks/10-net", 01777);
	text = xasprintf("it is writable by group and others, mode 1777, owner %s", my_name);
	check_refused("hooks/10-net", me, text, "chmod go-w @/hooks/10-net");
	free(text);
	set_mode("hooks/10-net", 0755);

	set_mode("hooks", 0775);
	text = xasprintf("directory '@/hooks' is writable by group, mode 0775, owner %s", my_name);
	check_refused("hooks/10-net", me, text, "chmod go-w @/hooks");
	check_refused("hooks/../hooks/10-net", me, text, "chmod go-w @/hooks");
	/* Passed through and left again: it could have been a link meanwhile. */
	check_refused("hooks/../other/20-disk", me, text, "chmod go-w @/hooks");
	set_mode("hooks", 01777);
	check_good("hooks/10-net");
	set_mode("hooks", 0755);

	tempdir_mkdir("a b\n");
	tempdir_write("a b\n/x'y", "");
	set_mode("a b\n/x'y", 0755);
	set_mode("a b\n", 0777);
	free(text);
	{
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *fix = NULL;
		_cleanup_free_ char *fix_here = fill_in("chmod go-w '@/a b\n'");

		text = xasprintf("'%s/a b\\n/x'y' is unsafe: directory '%s/a b\\n' is writable by "
				 "group and others, mode 0777, owner %s (chmod go-w '%s/a b\\n')",
			tempdir.path, tempdir.path, my_name, tempdir.path);
		is_int(trust_check_path(tempdir_path("a b\n/x'y"), me, cache, &fix, &err), -EPERM,
			"odd names");
		is_str(err.text, text, "are shown without control bytes");
		is_str(fix, fix_here, "and quoted for a shell");
	}
}

static void test_links(void)
{
	_cleanup_free_ char *text = NULL;
	char name[32], target[32];

	tempdir_symlink("10-net", "hooks/link");
	tempdir_symlink(tempdir_path("other/20-disk"), "hooks/absolute");
	tempdir_symlink("../other/./20-disk", "hooks/relative");
	tempdir_symlink("../other", "hooks/dir");
	tempdir_symlink("dir/", "hooks/dir2");
	tempdir_symlink("none", "hooks/dangling");
	tempdir_symlink("loop", "hooks/loop");
	check_good("hooks/link");
	check_good("hooks/absolute");
	check_good("hooks/relative");
	check_good("hooks/dir/20-disk");
	check_good("hooks/dir2/20-disk");
	/* '..' behind a link is the parent of where it leads, not of where it stands. */
	check_good("hooks/dir/../other/20-disk");
	check_fails("hooks/dir/../10-net", -ENOENT, EXIT_NOT_FOUND,
		"'@/hooks/dir/../10-net': '@/10-net': No such file or directory");

	set_mode("other", 0770);
	text = xasprintf("directory '@/other' is writable by group, mode 0770, owner %s", my_name);
	check_refused("hooks/absolute", me, text, "chmod go-w @/other");
	check_refused("hooks/relative", me, text, "chmod go-w @/other");
	check_refused("hooks/dir2/20-disk", me, text, "chmod go-w @/other");
	check_good("hooks/link");
	set_mode("other", 0755);

	check_fails("hooks/dangling", -ENOENT, EXIT_NOT_FOUND,
		"'@/hooks/dangling': '@/hooks/none': No such file or directory");
	check_fails(
		"hooks/none", -ENOENT, EXIT_NOT_FOUND, "'@/hooks/none': No such file or directory");
	check_fails("hooks/loop", -ELOOP, EXIT_NOPERM,
		"'@/hooks/loop': Too many levels of symbolic links");
	check_fails("hooks/10-net/x", -ENOTDIR, EXIT_NOPERM,
		"'@/hooks/10-net/x': '@/hooks/10-net': Not a directory");
	check_fails("hooks/10-net/", -ENOTDIR, EXIT_NOPERM,
		"'@/hooks/10-net/': '@/hooks/10-net': Not a directory");
	check_fails("hooks/10-net/..", -ENOTDIR, EXIT_NOPERM,
		"'@/hooks/10-net/..': '@/hooks/10-net': Not a directory");

	/* As many as the kernel follows, and one more. */
	tempdir_mkdir("chain");
	tempdir_write("chain/0", "");
	set_mode("chain/0", 0755);
	for (int i = 1; i <= 41; i++) {
		(void)snprintf(name, sizeof(name), "chain/%d", i);
		(void)snprintf(target, sizeof(target), "%d", i - 1);
		tempdir_symlink(target, name);
	}
	is_int(access(tempdir_path("chain/40"), R_OK), 0, "the kernel follows 40 links");
	check_good("chain/40");
	ok(access(tempdir_path("chain/41"), R_OK) != 0, "and no 41");
	check_fails("chain/41", -ELOOP, EXIT_NOPERM,
		"'@/chain/41': '@/chain/1': Too many levels of symbolic links");
}

static void test_relative(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	is_int(trust_check_path("hooks/10-net", me, NULL, NULL, &err), -EINVAL, "a relative path");
	is_str(err.text, "'hooks/10-net': Invalid argument", "is refused");
}

static void test_owners(void)
{
	struct passwd *pw = getpwuid(65534);
	_cleanup_free_ char *foreign = NULL;
	_cleanup_free_ char *both = NULL;
	_cleanup_free_ char *dir = NULL;
	_cleanup_free_ char *link = NULL;

	if (geteuid() != 0) {
		skip(37, "needs root, to have another's files");
		return;
	}
	/* A uid that has no name. */
	set_owner("hooks/10-net", 3999999999);
	check_refused("hooks/10-net", 0, "it is not owned by root, mode 0755, owner 3999999999",
		"chown root @/hooks/10-net");
	set_owner("hooks/10-net", 65534);
	foreign = xasprintf(
		"it is not owned by root, mode 0755, owner %s", pw ? pw->pw_name : "65534");
	check_refused("hooks/10-net", 0, foreign, "chown root @/hooks/10-net");
	set_mode("hooks/10-net", 0777);
	both = xasprintf(
		"it is not owned by root and is writable by group and others, mode 0777, owner %s",
		pw ? pw->pw_name : "65534");
	check_refused(
		"hooks/10-net", 0, both, "chown root @/hooks/10-net && chmod go-w @/hooks/10-net");
	set_mode("hooks/10-net", 0755);
	set_owner("hooks/10-net", 0);

	/* Who owns a sticky directory can still replace what is in it. */
	set_mode("hooks", 01777);
	set_owner("hooks", 65534);
	dir = xasprintf("directory '@/hooks' is not owned by root, mode 1777, owner %s",
		pw ? pw->pw_name : "65534");
	check_refused("hooks/10-net", 0, dir, "chown root @/hooks");
	set_owner("hooks", 0);
	set_mode("hooks", 0755);

	set_owner("hooks/relative", 65534);
	link = xasprintf("link '@/hooks/relative' is not owned by root, mode 0777, owner %s",
		pw ? pw->pw_name : "65534");
	{
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *fix = NULL;

		is_int(trust_check_path(tempdir_path("hooks/relative"), 0, cache, &fix, &err),
			-EPERM, "another's link");
		contains(err.text, "is unsafe: it is not owned by root, mode 0777", "is told");
		contains(fix, "chown -h root ", "and mended without following it");
	}
	tempdir_symlink("relative", "hooks/first");
	check_refused("hooks/first", 0, link, "chown -h root @/hooks/relative");
	set_owner("hooks/relative", 0);

	/* A user trusts root and himself. */
	set_owner("other/20-disk", 65534);
	if (fchmodat(tempdir.fd, ".", 0711, 0) != 0)
		bail("chmod: %s", strerror(errno));
	is_int(trust_check_path(tempdir_path("other/20-disk"), 65534, cache, NULL, NULL), 0,
		"a user's own file below root's directories");
	is_int(trust_check_path(tempdir_path("hooks/10-net"), 65534, cache, NULL, NULL), 0,
		"root's file, for a user");
	check_refused("other/20-disk", 65533,
		pw ? "it is owned by neither root nor the effective user, mode 0755, owner nobody"
		   : "it is owned by neither root nor the effective user, mode 0755, owner 65534",
		"chown root @/other/20-disk");

	/* What a cache holds for one user is not good for another. */
	set_owner("other/20-disk", 0);
	set_owner("other", 65534);
	is_int(trust_check_path(tempdir_path("other/20-disk"), 65534, cache, NULL, NULL), 0,
		"root's file in a user's own directory");
	is_int(trust_check_path(tempdir_path("other/20-disk"), 0, cache, NULL, NULL), -EPERM,
		"is not good for root");
}

/* A directory once found good is not looked at again with the same cache. */
static void test_cache(void)
{
	struct trust_cache *c = trust_cache_new();

	is_int(trust_check_path(tempdir_path("hooks/10-net"), me, c, NULL, NULL), 0, "good");
	change_mode("hooks", 0777);
	is_int(trust_check_path(tempdir_path("hooks/10-net"), me, c, NULL, NULL), 0,
		"a directory is looked at once for each cache");
	is_int(trust_check_path(tempdir_path("hooks/10-net"), me, NULL, NULL, NULL), -EPERM,
		"and every time without");
	change_mode("hooks", 0755);
	change_mode("hooks/10-net", 0777);
	is_int(trust_check_path(tempdir_path("hooks/10-net"), me, c, NULL, NULL), -EPERM,
		"a file always is");
	change_mode("hooks/10-net", 0755);
	c = trust_cache_free(c);
	ok(!c && !trust_cache_free(NULL), "freeing gives NULL");
}

int main(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct passwd *pw;
	mode_t saved = umask(022);
	char *real;
	char number[32];

	tempdir_make();
	(void)umask(saved);
	me = geteuid();
	(void)snprintf(number, sizeof(number), "%lu", (unsigned long)me);
	pw = getpwuid(me);
	my_name = xstrdup(pw ? pw->pw_name : number);
	/* Messages name resolved paths. */
	real = realpath(tempdir.path, NULL);
	if (!real)
		bail("realpath: %s", strerror(errno));
	free(tempdir.path);
	tempdir.path = real;
	if (trust_check_path(tempdir.path, me, NULL, NULL, &err) != 0) {
		skip(1, "TMPDIR itself: %s", err_text(&err));
		return done_testing();
	}
	cache = trust_cache_new();
	tempdir_mkdir("hooks");
	tempdir_write("hooks/10-net", "");
	set_mode("hooks/10-net", 0755);
	tempdir_mkdir("other");
	tempdir_write("other/20-disk", "");
	set_mode("other/20-disk", 0755);
	test_modes();
	test_links();
	test_relative();
	test_cache();
	test_owners();
	cache = trust_cache_free(cache);
	free((void *)(uintptr_t)my_name);
	return done_testing();
}
