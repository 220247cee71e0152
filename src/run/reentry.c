#include "config.h"

#include "run/reentry.h"

#include "base/alloc.h"
#include "os/proc.h"

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

bool reentry_is_inside(const struct cgtree *cg, const char *group, const char *id, pid_t supervisor)
{
	_cleanup_free_ char *own_group = NULL, *own_id = NULL;

	if (supervisor > 0 && is_below(supervisor))
		return true;
	if (cgtree_hook_of_pid(cg, 0, &own_group, &own_id) != 1 || strcmp(own_group, group) != 0)
		return false;
	return !id || !own_id || strcmp(own_id, id) == 0;
}
