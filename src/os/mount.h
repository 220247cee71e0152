#ifndef TH_OS_MOUNT_H
#define TH_OS_MOUNT_H

/* Mount points, for messages and for what must not be crossed. */

#include "base/str.h"

/* A line of /proc/PID/mountinfo (proc(5), section 3.5 of Documentation/filesystems/proc.rst), the
 * octal escapes undone. All point into the line that was parsed. */
struct mount_entry {
	const char *root;   /* which directory of the file system is mounted */
	const char *point;  /* where, as seen from the process's root */
	const char *fstype; /* "ext4" */
};

/* Takes `line` (no newline) apart in place. 0, or -EINVAL where it is not of the form. */
int mount_parse_line(char *line, struct mount_entry *ret);

/*
 * Calls `fn` for each mount of our mount namespace in the order of mountinfo, until it returns
 * something other than 0, which is then the result. Lines that cannot be parsed are passed over. 0,
 * or -errno where mountinfo cannot be read. Nothing beyond the stopping line is asked of the
 * kernel.
 */
typedef int (*mount_fn)(void *arg, const struct mount_entry *entry);
int mount_foreach(mount_fn fn, void *arg);

/* Appends the mount points at or below the absolute directory `dir` (/proc/self/mountinfo, octal
 * escapes undone), outermost first. `dir` is compared as text: no link in it, no slash at its end.
 * 0 or -errno. */
int mount_list_below(const char *dir, struct strv *ret);

#endif
