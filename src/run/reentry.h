#ifndef TH_RUN_REENTRY_H
#define TH_RUN_REENTRY_H

/*
 * A command that is called from within a task, or from one of its hooks, and would wait for that
 * same task would wait for ever. It is told by where the caller is (its cgroup, its parents), not
 * by its environment, which a hook may clear.
 */

#include "model/layout.h"
#include "run/cgtree.h"

#include <stdbool.h>
#include <sys/types.h>

/* True where the calling process is part of GROUP/ID (id NULL: of a hook of the group, or of any of
 * its tasks), whose supervisor is the process `supervisor` (0: not known). */
bool reentry_is_inside(const struct layout *layout, const struct cgtree *cg, const char *group,
	const char *id, pid_t supervisor);

#endif
