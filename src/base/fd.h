#ifndef TH_BASE_FD_H
#define TH_BASE_FD_H

/* File descriptors: always close-on-exec, always owned by one place, -1 where there is none. */

#include "base/macro.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

/* Closes and returns -1, for `fd = fd_close(fd)`. errno is kept; fd < 0 is fine. */
int fd_close(int fd);

static inline void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}
#define _cleanup_close_ _cleanup_(fd_closep)

/* Writes all of it, over EINTR and short writes. 0 or -errno. For files and blocking fds. */
int fd_write_all(int fd, const void *p, size_t n);

/* Reads until `n` bytes or the end; returns the count or -errno. */
ssize_t fd_read_full(int fd, void *p, size_t n);

/* pipe2(2) with O_CLOEXEC; ret[0] reads, ret[1] writes. `flags` as O_NONBLOCK. 0 or -errno. */
int fd_pipe(int ret[2], int flags);
/* The same for the output of a program: our end, which reads, is non-blocking; that of the program
 * blocks, as programs expect of their output. */
int fd_pipe_from_program(int ret[2]);

/* A stream over the held directory, with a descriptor and a position of its own; closed by
 * closedir(3). 0 or -errno. */
int fd_opendir(int dirfd, DIR **ret);

static inline void fd_closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}
#define _cleanup_dir_ _cleanup_(fd_closedirp)

static inline void fd_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}
#define _cleanup_file_ _cleanup_(fd_fclosep)

/* The next entry but "." and "..", lent until the next call. 1; 0: there is none; -errno. */
int fd_next_entry(DIR *d, const struct dirent **ret);

/* Is it a directory itself, and no link to one? */
bool fd_entry_is_dir(DIR *d, const struct dirent *e);

/* Enlarges a pipe to `want` bytes, halving until the kernel allows it (pipe-user-pages-soft, see
 * pipe(7)); returns the size it has. */
int fd_pipe_enlarge(int fd, int want);

/* Opens /dev/null wherever 0, 1 or 2 is closed, so that no later fd lands there. 0 or -errno. */
int fd_fill_standard(void);

/* Puts /dev/null in the place of each descriptor from `first` to `last`, whatever was there; they
 * are inherited by exec. 0 or -errno. */
int fd_open_null(int first, int last);

/* True where both are the same open file object by device and inode. */
bool fd_same_file(int a, int b);

/* True where fd is the null device. */
bool fd_is_null(int fd);

#endif
