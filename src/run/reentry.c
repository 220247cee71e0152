#include "config.h"

#include "run/reentry.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "os/cgroup.h"
#include "os/proc.h"
#include "run/live.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Deeper than any process tree that a person makes; bounds a look at a /proc that changes
 * meanwhile. */
#define ANCESTORS_MAX 1000

static bool is_below(pid_t ancestor)
{
	pid_t pid = getpid();

	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		char state;

		if (pid == ancestor)
			return true;
		if (proc_state(pid, &state, &pid) < 0)
			return false;
	}
	return false;
}

/* A process of the task that has left its parents (a daemon) is still in its cgroup. */
static bool is_in_cgroup_of(const struct layout *layout, const char *group, const char *id)
{
	_cleanup_free_ char *path = layout_run_task(layout, group, id);
	_cleanup_free_ char *own = NULL, *mount = NULL, *full = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct live_state l;
	size_t n;

	if (fd < 0 || live_read(fd, &l) < 0 || !*l.cgroup || cgroup_of_pid(0, &own) < 0 ||
		cgroup_find_mount(&mount) < 0)
		return false;
	full = xasprintf("%s%s%s", mount, *own == '/' ? "" : "/", own);
	n = strlen(l.cgroup);
	return str_starts_with(full, l.cgroup) && (full[n] == '/' || !full[n]);
}

bool reentry_is_inside(const struct layout *layout, const struct cgtree *cg, const char *group,
	const char *id, pid_t supervisor)
{
	_cleanup_free_ char *own_group = NULL, *own_id = NULL;

	if (supervisor > 0 && is_below(supervisor))
		return true;
	if (id && is_in_cgroup_of(layout, group, id))
		return true;
	if (cgtree_hook_of_pid(cg, 0, &own_group, &own_id) != 1 || strcmp(own_group, group) != 0)
		return false;
	return !id || !own_id || strcmp(own_id, id) == 0;
}
