#ifndef TH_BASE_RMTREE_H
#define TH_BASE_RMTREE_H

/*
 * Removal of a directory tree that never leaves it: no link is followed, and no mount point is
 * crossed, a bind mount of the same file system included (openat2(2) RESOLVE_NO_XDEV; st_dev does
 * not tell). What is mounted inside is reported and kept, with the directories that lead to it.
 */

#include <stdbool.h>
#include <stddef.h>

/* Called for each thing that could not be removed, `path` relative to the tree's parent, `errnum`
 * positive; EXDEV: a mount point. */
typedef void (*rmtree_report_fn)(void *arg, const char *path, int errnum);

/*
 * Removes `name` below `dirfd` (file, link or tree; nothing there is success; directories before
 * the name are reached as path_open_beneath() does; -EINVAL where it ends in a slash or dots).
 * `keep` is a NULL-terminated list of names directly below the tree that stay with all they hold
 * (then the tree's root stays too), or NULL; an empty list is as NULL. A user other than root gives
 * his own directories the modes to be emptied. Depth has no limit but memory; the time is bounded
 * by what is there, entries that keep appearing are retried 16 times. Returns 0, or the first
 * -errno after having removed all that could be.
 */
int rmtree_at(
	int dirfd, const char *name, const char *const *keep, rmtree_report_fn report, void *arg);

/*
 * The common case of that: removes all files, links and the like from the directory `fd`, but not
 * those that `keep` names, and enters nothing. True where nothing but those was left in it. False:
 * there are directories, a great many entries, or some that stay; rmtree_at() does the rest, and
 * reports. Costs a tenth of it.
 */
bool rmtree_flat(int fd, const char *const *keep);

#endif
