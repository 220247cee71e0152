#include "config.h"

#include "run/helper.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int helper_find(const char *program, const char *name, char **ret, struct th_err *err)
{
	const char *given = getenv("TASKHOOK_LIBEXECDIR");
	_cleanup_free_ char *dir = path_dirname(program);
	_cleanup_free_ char *beside = path_join(dir, name), *path = NULL;
	/* an installation that was moved, or that make install DESTDIR= made to run from there */
	_cleanup_free_ char *below = path_join(dir, "../libexec/taskhook");
	_cleanup_free_ char *moved = path_join(below, name);

	if (!str_is_empty(given))
		path = path_join(given, name);
	else if (access(beside, X_OK) == 0)
		path = TAKE_PTR(beside);
	else if (access(moved, X_OK) == 0)
		path = TAKE_PTR(moved);
	else
		path = path_join(TH_LIBEXECDIR, name);
	if (access(path, F_OK) < 0)
		return err_set(err, EXIT_UNAVAILABLE, errno,
			"the helper program '%s' is missing (install the package '%s', or set "
			"TASKHOOK_LIBEXECDIR)",
			path, name);
	*ret = TAKE_PTR(path);
	return 0;
}
