#include "config.h"

#include "os/mount.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

static void check_line(const char *text, const char *root, const char *point, const char *fstype)
{
	_cleanup_free_ char *line = xstrdup(text);
	struct mount_entry entry = {NULL, NULL, NULL};

	if (!is_int(mount_parse_line(line, &entry), 0, "parsed: %s", text))
		return;
	is_str(entry.root, root, "its root");
	is_str(entry.point, point, "its mount point");
	is_str(entry.fstype, fstype, "its type");
}

static void check_bad(const char *text)
{
	_cleanup_free_ char *line = xstrdup(text);
	struct mount_entry entry = {NULL, NULL, NULL};

	is_int(mount_parse_line(line, &entry), -EINVAL, "refused: '%s'", text);
	is_str(entry.point, NULL, "nothing is returned");
}

static void test_lines(void)
{
	check_line("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt1",
		"/mnt2", "ext3");
	check_line("36 35 98:0 / / rw - ext4 /dev/root rw", "/", "/", "ext4");
	check_line("36 35 98:0 / /a shared:1 master:2 propagate_from:3 unbindable - xfs x", "/",
		"/a", "xfs");
	check_line("1 2 0:3 / /a\\040b\\011c\\012z\\134e\\043f rw - tmpfs a\\040b rw", "/",
		"/a b\tc\nz\\e#f", "tmpfs");
	check_line("1 2 0:3 / /a\\04 rw - tmpfs none rw", "/", "/a\\04", "tmpfs");
	check_line("1 2 0:3 / /a\\ rw - tmpfs none rw", "/", "/a\\", "tmpfs");
	check_line("1 2 0:3 / - - rw - tmpfs none rw", "/", "-", "tmpfs");
	check_line("1 2 0:3 / /a rw -  none rw", "/", "/a", "");
	check_bad("");
	check_bad("1 2 0:3 / /a");
	check_bad("1 2 0:3 / /a rw");
	check_bad("1 2 0:3 / /a rw -");
	check_bad("1 2 0:3 / /a rw tmpfs none rw");
}

static int stop_at_third(void *arg, const struct mount_entry *entry)
{
	int *count = arg;

	(void)entry;
	return ++*count == 3 ? -ELOOP : 0;
}

static int count_all(void *arg, const struct mount_entry *entry)
{
	int *count = arg;

	(void)entry;
	++*count;
	return 0;
}

static void test_foreach(void)
{
	int count = 0;

	is_int(mount_foreach(count_all, &count), 0, "all mounts");
	if (count < 3) {
		skip(2, "fewer than three mounts");
		return;
	}
	count = 0;
	is_int(mount_foreach(stop_at_third, &count), -ELOOP,
		"the result of the callback is passed on");
	is_int(count, 3, "nothing is called after it");
}

static void test_below(void)
{
	_cleanup_strv_ struct strv none = STRV_INIT, found = STRV_INIT, one = STRV_INIT;
	char *base;

	tempdir_make();
	base = realpath(tempdir.path, NULL);
	if (!base)
		bail("realpath: %s", strerror(errno));
	is_int(mount_list_below(base, &none), 0, "a directory without mounts");
	is_uint(none.n, 0, "none");
	if (!tempdir_private_mounts()) {
		skip(8, "needs root and a mount namespace");
		free(base);
		return;
	}
	tempdir_mkdir("source");
	tempdir_mkdir("source/in");
	tempdir_mkdir("d");
	tempdir_mkdir("d/a b\nc");
	tempdir_mkdir("d/a b\nc/in");
	tempdir_mkdir("dd");
	/* The outer is mounted above the inner, which it hides; then there is another inner. */
	tempdir_bind("source", "d/a b\nc/in");
	tempdir_bind("source", "d/a b\nc");
	tempdir_bind("source", "d/a b\nc/in");
	tempdir_bind("source", "dd");
	strv_add(&found, "first");
	is_int(mount_list_below(tempdir_path("d"), &found), 0, "mounts inside each other");
	is_uint(found.n, 3, "each once, the other directory's not");
	is_str(found.v[0], "first", "what was there stays");
	is_str(found.v[1], tempdir_path("d/a b\nc"), "the outer, its blanks as they are");
	is_str(found.v[2], tempdir_path("d/a b\nc/in"), "the inner");
	is_int(mount_list_below(tempdir_path("dd"), &one), 0, "a mount point itself");
	is_uint(one.n, 1, "counts");
	is_str(one.v[0], tempdir_path("dd"), "by its name");
	free(base);
}

int main(void)
{
	test_lines();
	test_foreach();
	test_below();
	return done_testing();
}
