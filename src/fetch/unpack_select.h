#ifndef TH_FETCH_UNPACK_SELECT_H
#define TH_FETCH_UNPACK_SELECT_H

/* Which part of an unpacked archive is wanted. */

#include "base/error.h"
#include "fetch/unpack_place.h"

#include <stdint.h>

/* With zeros all of it. */
struct unpack_selection {
	uint32_t top; /* the selected directory, or the one that holds the selected file */
	char *file;   /* its path; NULL: a directory is selected */
};
void unpack_selection_done(struct unpack_selection *s);

/* A path with shell patterns (fnmatch(3), component by component), that must match exactly one file
 * or directory, and no link; an empty one changes nothing. A name that is there is meant as it
 * stands, brackets and all. 0, or -errno with err: EXIT_DATAERR, EXIT_CANTCREAT. */
int unpack_select(struct unpack_place *p, const char *pattern, struct unpack_selection *ret,
	struct th_err *err);

/* The only file that there is. `path` is that of the last regular file that was made; NULL: none
 * was. 0, or -errno with err: EXIT_DATAERR. */
int unpack_select_only_file(
	struct unpack_place *p, const char *path, struct unpack_selection *ret, struct th_err *err);

#endif
