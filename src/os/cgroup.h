#ifndef TH_OS_CGROUP_H
#define TH_OS_CGROUP_H

/*
 * Control groups, version 2 (Documentation/admin-guide/cgroup-v2.rst, Linux 6.1). The mount is
 * looked up, never assumed. Cgroups are held as O_PATH-less directory fds and everything below one
 * is reached with *at calls.
 *
 * What taskhook makes it marks with an extended attribute, "trusted.taskhook" for root and
 * "user.taskhook" (Linux 5.7) for a user or the root of a container, and it touches only what bears
 * its mark.
 */

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the cgroup2 file system is mounted, from /proc/self/mountinfo: the first mount whose root
 * is the root of our cgroup namespace. The caller frees *ret. -ENOENT: there is none. */
int cgroup_find_mount(char **ret);

/* Our own cgroup v2 path, relative to the mount ("" for the root): the "0::" line of
 * /proc/PID/cgroup, pid 0: ours. The caller frees it. -ENOENT: no v2 hierarchy, or outside our
 * namespace ("/.."). */
int cgroup_of_pid(pid_t pid, char **ret);

/* True where the cgroup at dirfd was delegated to us: systemd's xattr trusted.delegate or
 * user.delegate is "1" (systemd, CGROUP_DELEGATION.md). */
bool cgroup_is_delegated(int dirfd);

/* Opens an existing cgroup; `path` relative to dirfd. An fd or -errno. */
int cgroup_open(int dirfd, const char *path);

/*
 * Makes the cgroup `name` below `parent` and marks it with `mark`, or opens an existing one that
 * bears the same mark. Returns the fd; *ret_made (may be NULL) tells which. -EEXIST: there is one
 * with another's mark or none (*ret_mark, may be NULL, gets the other mark, NULL for none; the
 * caller frees it); -errno otherwise. A cgroup whose marking fails is removed again, so nothing
 * unmarked is left.
 */
int cgroup_make(int parent, const char *name, const char *mark, bool *ret_made, char **ret_mark);

/* The mark of a cgroup; -ENODATA where it has none. The caller frees it. */
int cgroup_get_mark(int dirfd, char **ret);
/* A small note of ours beside the mark ("trusted.taskhook.KEY" or "user.taskhook.KEY"), e.g. which
 * hook left processes in it. -ENODATA where there is none. */
int cgroup_set_note(int dirfd, const char *key, const char *value);
int cgroup_get_note(int dirfd, const char *key, char **ret);

/* The controllers available in a cgroup (cgroup.controllers), as bits. */
enum {
	CGROUP_CPU = 1 << 0,
	CGROUP_MEMORY = 1 << 1,
	CGROUP_PIDS = 1 << 2,
	CGROUP_IO = 1 << 3,
	CGROUP_CPUSET = 1 << 4,
};
int cgroup_controllers(int dirfd, unsigned *ret);
/* Those enabled for children (cgroup.subtree_control). */
int cgroup_subtree_controllers(int dirfd, unsigned *ret);
const char *cgroup_controller_name(unsigned bit); /* "memory"; of several the lowest bit's */
/* Why the cgroups that taskhook makes have not got the controller `bit`, and what to do, as the end
 * of a message: "cgroup v1 holds it; boot with systemd.unified_cgroup_hierarchy=1". Static memory.
 * Slow: for errors alone. */
const char *cgroup_explain_missing(unsigned bit);

/* Reads an interface file whole into buf as text. The length, or -errno; -EFBIG where it does not
 * fit. */
ssize_t cgroup_read_file(int dirfd, const char *file, char *buf, size_t size);
/* The value of `key` in a flat keyed file ("KEY VALUE" lines). 0, or -ENODATA where there is none.
 */
int cgroup_find_value(const char *text, const char *key, uint64_t *ret);

/*
 * Enables `want` for the children of each cgroup on the way from the one at `top` down to `path`
 * (relative, "" only top), top first, as a child can only get what its parent enabled. What is
 * enabled already is left. Returns 0; -EOPNOTSUPP: the host lacks one (*ret_missing gets its bit);
 * -EBUSY: a cgroup on the way has processes of its own (the no-internal-process rule; *ret_where
 * its path, the caller frees it); -errno. With `best_effort`, what cannot be had is left out and
 * *ret_missing gets all of it, and the result is 0.
 */
int cgroup_enable(int top, const char *path, unsigned want, bool best_effort, unsigned *ret_missing,
	char **ret_where);

/* Moves a process (0: ourselves) in. 0 or -errno. Dear: for hosts without clone3 and for
 * supervisors. */
int cgroup_attach(int dirfd, pid_t pid);

/* 1: there are processes in it or below, 0: none, or -errno (-ENODEV, -ENOENT: removed meanwhile).
 */
int cgroup_populated(int dirfd);
/* Processes in it and below: appends up to `max` pids. Returns the number, or -errno. For messages
 * and fallbacks. */
int cgroup_list_pids(int dirfd, pid_t *pids, size_t max);

/* SIGKILL for all in it and below: cgroup.kill (Linux 5.14); before, freeze, kill each, thaw, until
 * none is new or `deadline` (monotonic). Does not wait for them to be gone. 0 or -errno. */
int cgroup_kill(int dirfd, usec_t deadline);
/* cgroup.kill exists? (tests force the other way with cgroup_force_old()) */
void cgroup_force_old(bool on);

/* Sends a signal to every process in it and below. 0 or the first -errno. */
int cgroup_signal(int dirfd, int sig);

int cgroup_freeze(int dirfd, bool freeze); /* cgroup.freeze; does not wait. 0 or -errno */

/* An fd of cgroup.events for poll(2)/epoll: POLLPRI | POLLERR when `populated` or `frozen` changes.
 * An fd or -errno. */
int cgroup_events_open(int dirfd);
/* Reads `populated` through such an fd. 1, 0 or -errno. */
int cgroup_events_populated(int fd);

/* Waits until nothing is in it or below. 0, -ETIMEDOUT at `deadline` (monotonic), -errno. */
int cgroup_wait_empty(int dirfd, usec_t deadline);

/*
 * Removes `name` below `parent` with all cgroups that were made inside it, deepest first; waits for
 * exits that are under way until `deadline`. Nothing there is success. Does not kill. Inside it
 * marks do not count (the task may have made them); the mark of `name` itself must be `mark` unless
 * that is NULL: -EPERM otherwise. -EBUSY: processes are left.
 */
int cgroup_remove_tree(int parent, const char *name, const char *mark, usec_t deadline);

#endif
