#ifndef TH_OS_SPAWN_H
#define TH_OS_SPAWN_H

/*
 * The only fork and exec. clone3(2) with CLONE_PIDFD, CLONE_INTO_CGROUP (Linux 5.7) and, with a
 * stack of its own, CLONE_VM | CLONE_VFORK, as copying the page tables costs more than the rest;
 * where the kernel (or valgrind, or a seccomp filter) has no clone3: fork, and attach to the cgroup
 * before exec.
 *
 * The child: default dispositions for all signals, own session, fds given for 0 to 2 and all others
 * closed (close_range(2)), umask, oom_score_adj, nice, rlimits, supplementary groups, gid, uid,
 * death signal, cwd, empty signal mask, in this order; then execve of an absolute path with the
 * given argv and environment. A failure on the way comes back as {step, errno}, through shared
 * memory or a close-on-exec pipe.
 *
 * One thread of a process may call this, always the same, as the death signal comes when that
 * thread ends (prctl(2), PR_SET_PDEATHSIG). Others, as libcurl has them to look up names, go on
 * meanwhile: the child calls nothing of libc that has state, and closes what they open. They may
 * change neither user nor what signals do. spawn_fork() is for processes with one thread: its child
 * goes on in libc.
 *
 * Which signals are ignored is looked up at the first call: after that the process may ignore none
 * but SIGPIPE. An ignored SIGCHLD, inherited from a
 * careless parent, is set to its default there, as the kernel would reap our children (wait(2)).
 *
 * Needs pidfd_open (Linux 5.3). The caller sleeps until the child's exec, in state D with
 * CLONE_VFORK: a child in a frozen cgroup makes it sleep until the cgroup is thawed.
 */

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

enum spawn_step {
	SPAWN_OK,
	SPAWN_CLONE,
	SPAWN_CGROUP,
	SPAWN_SESSION,
	SPAWN_FD,
	SPAWN_OOM_SCORE_ADJ,
	SPAWN_NICE,
	SPAWN_RLIMIT,
	SPAWN_CHDIR,
	SPAWN_GROUPS,
	SPAWN_UID,
	SPAWN_EXEC,
};
const char *spawn_step_name(enum spawn_step step); /* "set the user", for "cannot ..." */

struct spawn_spec {
	const char *path;  /* absolute */
	char *const *argv; /* NULL-terminated */
	char *const *envp; /* NULL-terminated */
	int fds[3];	   /* for 0, 1, 2; -1: /dev/null */
	int cgroup_fd;	   /* -1: stay in ours */
	const char *cwd;   /* NULL: stay. Entered after the switch of user */
	int cwd_fd;	   /* -1, or a directory to start from; entered before the switch of user */
	bool set_user;	   /* uid, gid and groups below */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
	bool set_umask, set_nice, set_oom_score_adj;
	mode_t umask;
	int nice;
	int oom_score_adj;
	const struct spawn_rlimit {
		int resource;
		struct rlimit value;
	} * rlimits;
	size_t n_rlimits;
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
};
#define SPAWN_SPEC_INIT                                                                            \
	{                                                                                          \
		.fds = {-1, -1, -1}, .cgroup_fd = -1, .cwd_fd = -1                                 \
	}

struct spawn_result {
	pid_t pid;
	int pidfd;		     /* the caller's */
	enum spawn_step failed_step; /* where the result is negative */
};

/* Starts it. 0: exec has succeeded (or the child was killed on the way there: its wait status
 * tells). -errno: nothing runs, failed_step says where it failed (the child is reaped), the rest of
 * *ret is unset. */
int spawn_process(const struct spawn_spec *spec, struct spawn_result *ret);

/* Forks without exec, for a keeper (os/proctree.c) and for detaching: returns 0 in the child, the
 * pid in the parent with *ret_pidfd, or -errno. What stdio holds is the caller's to flush. */
pid_t spawn_fork(int *ret_pidfd);

/* Closes all file descriptors from 3 on but `keep` (-1: none): for what spawn_fork() made. 0 or
 * -errno. */
int spawn_close_others(int keep);

/* For tests: pretend that the kernel has no clone3, or that this architecture has no way to enter a
 * child on another stack (clone3 without CLONE_VM). */
void spawn_force_fork(bool on);
void spawn_force_copy(bool on);

/* Gives back the memory that the last start has touched; the next start takes it again. For
 * processes that sleep long. */
void spawn_trim(void);

#endif
