#ifndef TH_BASE_LOCKFILE_H
#define TH_BASE_LOCKFILE_H

/*
 * Liveness and mutual exclusion by fcntl(2) record locks (F_SETLK), over the whole file. They are
 * not inherited by fork(2), end with the process, and can be asked about without taking them;
 * flock(2) has none of that (HACKING, "What keeps it right"). The trap: closing ANY descriptor of
 * the same file in the process drops the lock, so a lock file is opened in one place only.
 */

#include "base/clock.h"

#include <sys/types.h>

/*
 * Opens (makes, mode 0600) `name` below `dirfd` and takes the lock. Returns the fd, which
 * lockfile_close() unlocks, or -EAGAIN where another process holds it, or -errno. Holding it means
 * that the name still leads to this file: a file that was unlinked while we waited is opened anew.
 * -EDEADLK: this process holds it already; -EMEDIUMTYPE: no regular file; -ELOOP: a link.
 */
int lockfile_try(int dirfd, const char *name);

/* Gives the lock up; as fd_close(), whose place it takes for a lock: after that one another file
 * that gets the inode would be taken for one that is held here. */
int lockfile_close(int fd);

static inline void lockfile_closep(int *fd)
{
	*fd = lockfile_close(*fd);
}
#define _cleanup_lock_ _cleanup_(lockfile_closep)

/* The same, waiting at most until `deadline` (monotonic): -ETIMEDOUT then. For locks that are only
 * held for moments; it polls, as F_SETLKW knows no deadline. */
int lockfile_wait(int dirfd, const char *name, usec_t deadline);

/* Who holds the lock: 1 and the pid (0 where the holder is in another pid namespace), 0 where
 * nobody does or there is no such file, or -errno. Our own lock does not count, and is not dropped
 * by the question. */
int lockfile_holder(int dirfd, const char *name, pid_t *ret_pid);

#endif
