#include "config.h"

#include "base/fd.h"
#include "base/macro.h"
#include "base/treelink.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static void test_text(void)
{
	static const struct {
		const char *path, *target;
		enum treelink is;
	} cases[] = {
		{"l", "a", TREELINK_INSIDE},
		{"l", "l", TREELINK_INSIDE},
		{"l", ".", TREELINK_INSIDE},
		{"l", "./a/./b/", TREELINK_INSIDE},
		{"l", "a..", TREELINK_INSIDE},
		{"l", "...", TREELINK_INSIDE},
		{"d/l", "..", TREELINK_INSIDE},
		{"d/l", "../", TREELINK_INSIDE},
		{"d/l", "../a", TREELINK_INSIDE},
		{"d//l", ".././/a", TREELINK_INSIDE},
		{"d/e/l", "../../a", TREELINK_INSIDE},
		{"l", "", TREELINK_OUTSIDE},
		{"l", "/", TREELINK_OUTSIDE},
		{"l", "/a", TREELINK_OUTSIDE},
		{"l", "..", TREELINK_OUTSIDE},
		{"l", "../l", TREELINK_OUTSIDE},
		{"l", "./..", TREELINK_OUTSIDE},
		{"d//l", "../..", TREELINK_OUTSIDE},
		{"d/l", "../../d/a", TREELINK_OUTSIDE},
		{"d/l", "a/../../..", TREELINK_OUTSIDE},
		{"/l", "a", TREELINK_OUTSIDE},
		{"../l", "a", TREELINK_OUTSIDE},
		{"./l", "a", TREELINK_OUTSIDE},
		{"d/../l", "a", TREELINK_OUTSIDE},
		{"l", "a/..", TREELINK_UNSURE},
		{"l", "a/../b", TREELINK_UNSURE},
		{"d/l", "../a/../b", TREELINK_UNSURE},
		{"d/l", "a/../../b", TREELINK_UNSURE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int(treelink_classify(cases[i].path, cases[i].target), cases[i].is,
			"'%s' to '%s'", cases[i].path, cases[i].target);
}

static void test_tree(void)
{
	static const struct {
		const char *path, *target;
		int r;
	} cases[] = {
		{"l", "d/../f", 0},
		{"l", "d/e/../../f", 0},
		{"d/l", "../d/e/../..", 0},
		{"l", "missing", 0},
		{"l", "up/f", 0},
		{"l", "up/../f", -EXDEV},
		{"l", "d/up/../f", -EXDEV},
		{"l", "up/e/../f", -EXDEV},
		{"l", "f/../f", -EXDEV},
		{"l", "missing/../f", -EXDEV},
		{"l", "d/../..", -EXDEV},
		{"l", "/", -EXDEV},
	};
	_cleanup_close_ int file = -1;

	ok(mkdirat(tempdir.fd, "d", 0755) == 0 && mkdirat(tempdir.fd, "d/e", 0755) == 0,
		"directories");
	file = openat(tempdir.fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ok(file >= 0, "a file");
	ok(symlinkat("d/e", tempdir.fd, "up") == 0 && symlinkat("..", tempdir.fd, "d/up") == 0,
		"links");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int(treelink_check(tempdir.fd, cases[i].path, cases[i].target), cases[i].r,
			"'%s' to '%s' in a tree", cases[i].path, cases[i].target);
}

int main(void)
{
	tempdir_make();
	test_text();
	test_tree();
	return done_testing();
}
