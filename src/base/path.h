#ifndef TH_BASE_PATH_H
#define TH_BASE_PATH_H

/*
 * Paths, and opening what lies below a directory that others may write to. What runs as root
 * follows no link that somebody else could have planted: everything below a base is reached with
 * openat2(2) and RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV (Linux 5.6; before that,
 * component by component with O_NOFOLLOW and a st_dev check, which does not see bind mounts).
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* "a/b"; exactly one slash between. b's leading slashes are dropped. The caller frees it. */
char *path_join(const char *a, const char *b);
/* Absolute, without "." and double slashes and with ".." taken textually, against cwd. NULL only
 * where getcwd(3) fails (errno). */
char *path_make_absolute(const char *p);
bool path_is_absolute(const char *p);
const char *path_basename(const char *p); /* part of p; never NULL */
char *path_dirname(const char *p);	  /* the caller frees it */
/* True where the absolute path p is `dir` or below it, textually. */
bool path_is_below(const char *p, const char *dir);

/* Opens `path` (relative) below `dirfd` under the rule above. O_CLOEXEC is added. An fd, or
 * -ELOOP (a link on the way), -EXDEV (a mount point, an absolute path, or ".." anywhere in it), or
 * -errno. `mode` counts where a file is made, as with open(2). */
int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* Makes one directory below dirfd (a single name) and returns it opened (O_DIRECTORY |
 * O_NOFOLLOW). An existing directory is opened as it is; *ret_made (may be NULL) says which.
 * Otherwise -ENOTDIR (something else is there, a link included) or -errno. The mode is set
 * exactly, the umask does not count. */
int path_mkdir_open(int dirfd, const char *name, mode_t mode, bool *ret_made);

/* Makes all missing directories of an absolute path with `mode` (exactly) and opens the last.
 * Links in the existing part are followed: for configured base directories alone. */
int path_mkdir_parents(const char *path, mode_t mode);

/* Why path_mkdir_open() or path_mkdir_parents() failed with the (positive) `errnum`, for messages.
 */
const char *path_mkdir_reason(int errnum);

#endif
