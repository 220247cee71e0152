#ifndef TH_FETCH_UNPACK_TREE_H
#define TH_FETCH_UNPACK_TREE_H

/*
 * The tree that an archive's members become, by the rules of fetch/unpack.h. What has been made is
 * reached through held descriptors alone. Directories are kept in a table, bounded by max_files
 * times a name's length, and get their modes and times at the end: until then all are 0700.
 *
 * Failures set err: EXIT_DATAERR for the member's fault, EXIT_CANTCREAT for the file system's.
 */

#include "base/error.h"
#include "fetch/unpack_limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct unpack_tree;

/* Makes the directory `name` in dirfd, which stays the caller's. 0 or -errno with err. */
int unpack_tree_new(int dirfd, const char *name, const struct unpack_limits *limits,
	struct unpack_tree **ret, struct th_err *err);
/* Removes nothing. NULL is fine. */
void unpack_tree_free(struct unpack_tree *t);

/* Members, with the paths as they are in the archive. `mtime` is NULL where there is none. */
int unpack_tree_add_directory(struct unpack_tree *t, const char *path, mode_t mode,
	const struct timespec *mtime, struct th_err *err);
int unpack_tree_add_symlink(struct unpack_tree *t, const char *path, const char *target,
	const struct timespec *mtime, struct th_err *err);
int unpack_tree_add_hardlink(
	struct unpack_tree *t, const char *path, const char *target, struct th_err *err);

/* A regular file: open, write any number of times, close. `again`: the member is there as a hard
 * link, and this is its content. One file at a time. `size` is UINT64_MAX where it is not known; it
 * counts before anything is written, and the closed file is as long at least. */
int unpack_tree_open_file(
	struct unpack_tree *t, const char *path, uint64_t size, bool again, struct th_err *err);
int unpack_tree_write(
	struct unpack_tree *t, const void *data, size_t n, uint64_t offset, struct th_err *err);
int unpack_tree_close_file(
	struct unpack_tree *t, mode_t mode, const struct timespec *mtime, struct th_err *err);

uint64_t unpack_tree_unpacked(const struct unpack_tree *t);
/* Files and links. */
uint64_t unpack_tree_files(const struct unpack_tree *t);

/*
 * What of the tree counts: all of it until one of these says otherwise, before
 * unpack_tree_publish(). A path with shell patterns that must match once: exactly one file or
 * directory; or the only file that there is.
 */
int unpack_tree_select(struct unpack_tree *t, const char *pattern, struct th_err *err);
int unpack_tree_select_only_file(struct unpack_tree *t, struct th_err *err);

/* What is selected is a directory. */
bool unpack_tree_is_dir(const struct unpack_tree *t);
/* The path of a selected file in the tree, else NULL. */
const char *unpack_tree_file_path(const struct unpack_tree *t);

/* Moves what is selected to `name` in the directory of unpack_tree_new() where it is not there
 * already (what is not selected stays, for the caller to remove), checks that all its links stay
 * inside it, and gives its directories their modes and times. */
int unpack_tree_publish(struct unpack_tree *t, const char *name, struct th_err *err);

#endif
