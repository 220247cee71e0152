#ifndef TH_OS_PROC_H
#define TH_OS_PROC_H

/*
 * Processes told apart for good: by pidfd while we hold one, else by pid, start time and boot id
 * (a pid alone is used again within minutes).
 */

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BOOT_ID_MAX 37

/* /proc/sys/kernel/random/boot_id as text, read once; "" where it cannot be read. */
const char *proc_boot_id(void);

/* The absolute path of the running program, read once (/proc/self/exe, proc(5)); "taskhook", which
 * PATH may know, where that cannot be read. That of its successor where it has been replaced since
 * it was started, as an upgrade does. */
const char *proc_own_program(void);

/* Reads /proc/PID/NAME, as far as `size` holds it and a NUL. The bytes read; -ESRCH: no such
 * process; -errno. */
ssize_t proc_read_file(pid_t pid, const char *name, char *buf, size_t size);

/* Field 22 of /proc/PID/stat, clock ticks since boot (proc(5)). -ESRCH: no such process. */
int proc_start_time(pid_t pid, uint64_t *ret_ticks);

/* The state letter of /proc/PID/stat and (optional) the parent. */
int proc_state(pid_t pid, char *ret_state, pid_t *ret_ppid);

/* "comm" for messages; the caller frees it; never NULL. */
char *proc_comm(pid_t pid);

/* pidfd_open(2) for a child of ours that is not reaped yet, the only case in which a bare pid is
 * certain. An fd or -errno. */
int proc_pidfd_open(pid_t pid);

/* A pidfd of the process with that start time: opened, then the start time is looked at. An fd;
 * -ESRCH: it is gone, or the pid is another's by now. */
int proc_pidfd(pid_t pid, uint64_t start_ticks);
/* A zombie has ended: it is not alive. */
bool proc_is_alive(pid_t pid, uint64_t start_ticks);

int proc_pidfd_signal(int pidfd, int sig); /* pidfd_send_signal(2). 0 or -errno */
/* The same with a number that arrives as ssi_int/si_value (SI_QUEUE). */
int proc_pidfd_signal_value(int pidfd, int sig, int value);
int proc_pidfd_wait(int pidfd, usec_t deadline); /* 0: exited (not reaped), -ETIMEDOUT */

/*
 * How a process that is no child of ours has ended, as waitpid(2) would tell. `pidfd` was opened
 * while it lived, and tells that it has ended. The kernel tells it once the parent has reaped it
 * (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15, include/uapi/linux/pidfd.h), which is waited
 * for until the deadline; for an older kernel, and a parent that does not reap, root asks
 * /proc/PID/stat. 0; -ENODATA: nobody can tell.
 */
int proc_pidfd_exit_status(
	int pidfd, pid_t pid, uint64_t start_ticks, usec_t deadline, int *ret_wait_status);

/* A process as a scan of /proc saw it. */
struct proc_entry {
	pid_t pid;
	pid_t ppid;
	uint64_t start_ticks;
	char state;
};

/*
 * All processes below `root` (not itself), zombies included, by the parent links of /proc, parents
 * before their children. The caller frees *ret. Returns the number, or -errno. The scan is no
 * snapshot: who is born, or orphaned, while it runs may be missing.
 */
int proc_tree(pid_t root, struct proc_entry **ret);

/* The same for many roots with one scan, which the first call makes; all zero before. *ret is the
 * table's, until the next call. */
struct proc_table {
	struct proc_entry *v;
	size_t n;
};
int proc_table_tree(struct proc_table *t, pid_t root, const struct proc_entry **ret);
void proc_table_done(struct proc_table *t);

/* A signal for the process of that entry, unless its pid is another's by now. 0 or -errno (-ESRCH).
 */
int proc_entry_signal(const struct proc_entry *e, int sig);

/*
 * All descendants of `root` (not itself), by the parent links of /proc, zombies left out, deepest
 * last. Returns the number (at most `max` are stored) or -errno. For hosts without cgroups.
 */
int proc_descendants(pid_t root, pid_t *pids, size_t max);

#endif
