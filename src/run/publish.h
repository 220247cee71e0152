#ifndef TH_RUN_PUBLISH_H
#define TH_RUN_PUBLISH_H

/*
 * What a helper left in its staging directory becomes what tasks see. The helper is gone by then,
 * and nothing of what it said about its tree is believed: everything is looked at again on held
 * directories, owners are set on held descriptors, and no link is followed, neither in the tree nor
 * in the destination, which may belong to a task's user.
 *
 *	publish_scan(staging_fd, &limits, &tree, &err);
 *	... who else claims one of tree.entries? ...
 *	publish_set_owner(&tree, uid, gid, &err);
 *	publish_tree(&tree, &where, &err);
 *	publish_done(&tree);
 *
 * A new destination comes into being by one rename; in one that exists each file is replaced by
 * rename, which is undone where a later one fails.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The name of the result in a staging directory. */
#define PUBLISH_TREE "tree"

struct publish_limits {
	uint64_t max_files; /* files, directories and links, the tree's root not counted */
	uint64_t max_bytes;
	unsigned max_depth;
};

struct publish_entry {
	char *path; /* relative to the tree's root, which has no entry itself */
	mode_t mode;
	uint64_t size; /* of files and links */
	int64_t mtime_nsec;
};

struct publish_tree {
	int staging_fd; /* not owned */
	bool is_dir;
	struct publish_entry file;     /* where it is one file: path is NULL */
	struct publish_entry *entries; /* by path, byte-wise */
	size_t n;
};
#define PUBLISH_TREE_INIT                                                                          \
	{                                                                                          \
		.staging_fd = -1                                                                   \
	}

/*
 * Looks at all of `tree` in the staging directory. *ret is PUBLISH_TREE_INIT before;
 * publish_done() is the caller's in either case. Refused (EXIT_DATAERR) are devices, FIFOs and
 * sockets, files with set-user-ID or set-group-ID, links that lead out of the tree, hard links to
 * what is not in it, mounts, and more than the limits. 0 or -errno with err.
 */
int publish_scan(int staging_fd, const struct publish_limits *limits, struct publish_tree *ret,
	struct th_err *err);

/* Gives all of it to uid and gid. Takes set-group-ID off directories. 0 or -errno with err
 * (EXIT_CANTCREAT). */
int publish_set_owner(const struct publish_tree *tree, uid_t uid, gid_t gid, struct th_err *err);

/* Where it goes. */
struct publish_where {
	int base_fd;	  /* a directory that exists */
	const char *base; /* its path, for messages */
	const char *dir;  /* below it, "" is itself: of a directory, or of the file */
	const char *name; /* of the file; not used for a directory */
	uid_t uid;	  /* owner of directories that are made; (uid_t)-1: as they come */
	gid_t gid;
};

/*
 * Puts it there. 0; -errno with err: EXIT_CANTCREAT, or EXIT_DATAERR where a file of it would
 * replace a directory or the other way round. Then everything is as it was before, except that a
 * concurrent change of the destination by others is theirs.
 */
int publish_tree(
	const struct publish_tree *tree, const struct publish_where *where, struct th_err *err);

void publish_done(struct publish_tree *tree);
#define _cleanup_publish_ _cleanup_(publish_done)

#endif
