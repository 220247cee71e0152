#ifndef TH_FETCH_UNPACK_PLACE_H
#define TH_FETCH_UNPACK_PLACE_H

/*
 * Where the members of an archive belong: their paths made clean and judged, the directories on the
 * way found or made, and a descriptor of each. Whoever calls makes files and links in them, and is
 * the only one who writes there.
 *
 * Failures set err as fetch/unpack_refuse.h tells.
 */

#include "base/error.h"
#include "base/str.h"
#include "fetch/unpack_dirs.h"
#include "fetch/unpack_limits.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* So that a path is of use to a program (PATH_MAX counts the NUL). */
#define UNPACK_PATH_MAX (PATH_MAX - 1)

struct unpack_place {
	int dirfd; /* borrowed; where the root is called `name` */
	char *name;
	int root;
	struct unpack_limits limits;
	struct unpack_dirs dirs;
	struct strbuf path; /* of the member in work, without "." and double slashes */
	uint64_t files;	    /* and links that are there: the caller counts up, make_way() down */

	/* private */
	uint64_t members;
	/* the directory that was used last: members of one come together */
	uint32_t held;
	int held_fd;
};

/* Makes the directory `name` in dirfd. 0 or -errno with err, and then there is nothing to end. */
int unpack_place_new(struct unpack_place *p, int dirfd, const char *name,
	const struct unpack_limits *limits, struct th_err *err);
/* Removes nothing. */
void unpack_place_done(struct unpack_place *p);

/* "a/b" of "./a//b/" into b, which is emptied first; nothing for the root. `member` is for the
 * message: a path that is absolute, has "..", is too deep or too long is refused. */
int unpack_place_clean(const struct unpack_place *p, const char *member, const char *path,
	struct strbuf *b, struct th_err *err);

/* Cleans the path of a member into p->path, counts it, and finds or makes the directory that it
 * belongs to; *ret_name is its name there, a part of p->path. 1: it is the root itself. */
int unpack_place_member(struct unpack_place *p, const char *path, uint32_t *ret_dir,
	const char **ret_name, struct th_err *err);

/* Where the clean path of something that is no directory leads; *ret_name is a part of `clean`. 0;
 * -ENOENT: its directory does not exist; -EISDIR: it is a directory itself. */
int unpack_place_find(
	const struct unpack_place *p, const char *clean, uint32_t *ret_dir, const char **ret_name);

/* For the member in work: makes a directory of mode 0700. -EEXIST, without err: something else is
 * in its place. */
int unpack_place_make_dir(struct unpack_place *p, uint32_t parent, const char *name, uint32_t *ret,
	struct th_err *err);

/* Removes what is in the place of the member in work, as the last one of a name wins; a directory
 * that is not empty is refused. */
int unpack_place_make_way(
	struct unpack_place *p, uint32_t dir, const char *name, struct th_err *err);

/* A descriptor of a directory (O_PATH), lent until the next call. -errno. */
int unpack_place_hold(struct unpack_place *p, uint32_t dir);

/* One of the caller's own, to read a directory or to set its mode; `root` is that of the directory
 * `top`, wherever that has been moved to. -errno. */
int unpack_place_open(const struct unpack_place *p, int root, uint32_t top, uint32_t dir);

#endif
