#ifndef TH_FETCH_GIT_SIZE_H
#define TH_FETCH_GIT_SIZE_H

/*
 * What git(1) has written so far, for limits that it does not know itself: of a repository with its
 * working tree, while it is written to.
 */

#include <stdint.h>

struct git_size {
	uint64_t received_bytes; /* packs and objects of the repository and its submodules */
	uint64_t tree_bytes;	 /* of all files of the working tree */
	uint64_t tree_files;	 /* with its directories and links */
};

/* Of `name` below `dirfd`. What comes or goes meanwhile may be counted or not. Names that are
 * deeper than 200 directories are not, nor is what is behind the first number above `most`. 0;
 * -errno where the directory cannot be opened. */
int git_size_measure(
	int dirfd, const char *name, const struct git_size *most, struct git_size *ret);

#endif
