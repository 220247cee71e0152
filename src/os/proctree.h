#ifndef TH_OS_PROCTREE_H
#define TH_OS_PROCTREE_H

/*
 * All processes that one started process begot, double-forked and setsid ones included, as one
 *thing that can be asked and killed. Two kinds behind one interface:
 *
 *  cgroup	the cgroup at cgroup_fd is theirs alone; the kernel keeps the account.
 *  keeper	no cgroup can be made: a small forked process (a child subreaper, prctl(2)
 *		PR_SET_CHILD_SUBREAPER) in a session of its own stands between, starts the process,
 *reaps whatever is orphaned below it, and ends when nothing is left. The tree is what /proc shows
 *		below it. When its parent dies without proctree_done() it kills its tree if
 *		`die_with_parent`. A process that changes its user may be beyond an ordinary user's
 *reach.
 *
 *	struct proctree t = PROCTREE_INIT;
 *	proctree_start(&t, cgroup_fd or -1, &spec, &step);
 *	... poll t.exit_fd (POLLIN: the main process has ended), proctree_reap() ...
 *	proctree_kill(&t, deadline); proctree_wait_empty(&t, deadline); proctree_done(&t);
 */

#include "base/clock.h"
#include "os/spawn.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct proctree {
	pid_t pid;	      /* main process; 0: none */
	uint64_t start_ticks; /* its start time, for records (0 where it could not be read) */
	/* Set before the start where nobody will ask for start_ticks: to read it costs a fifth of a
	 * spawn. */
	bool skip_start_ticks;
	/* Readable when the main process has ended: the pidfd, or the keeper's channel. Not to be
	 * watched any longer once proctree_reap() has returned 1, as it stays readable. */
	int exit_fd;
	int pidfd;     /* of the main process, for signals */
	int cgroup_fd; /* not owned; -1: keeper */
	pid_t keeper;  /* 0: cgroup */
	uint64_t keeper_start_ticks;
	int keeper_pidfd;
	bool adopted; /* no child of ours: another process has started it */
	bool reaped;
	bool status_unknown; /* adopted, and nobody can tell how it ended */
	int wait_status;     /* as waitpid(2), once reaped */
	struct rusage usage; /* of the main process and its waited-for children */
};
#define PROCTREE_INIT                                                                              \
	{                                                                                          \
		.exit_fd = -1, .pidfd = -1, .cgroup_fd = -1, .keeper_pidfd = -1                    \
	}

/* Starts spec (spec->cgroup_fd is set from cgroup_fd). 0; or -errno with *ret_step, and t is as it
 * was before. cgroup_fd stays open until proctree_done(). */
int proctree_start(struct proctree *t, int cgroup_fd, const struct spawn_spec *spec,
	enum spawn_step *ret_step);

/*
 * Takes a tree over whose parent is gone, as that one had noted it: t->pid, t->start_ticks, and for
 * a keeper t->keeper and t->keeper_start_ticks are set before. 0; -ESRCH: the main process or the
 * keeper has ended, and t is as it was. Of usage nothing will be known.
 */
int proctree_adopt(struct proctree *t, int cgroup_fd);

/* Reaps the main process where it has ended (never blocks). 1: ended, wait_status and usage are
 * set; 0: it runs. Where somebody has killed the keeper, what it kept can be told no more: the main
 * process is killed and counts as ended by SIGKILL. For the end of an adopted one it may wait up to
 * a second. */
int proctree_reap(struct proctree *t);

/* A signal for the main process alone. 0; -ESRCH: it has ended. */
int proctree_signal(struct proctree *t, int sig);
/* A signal for every process of the tree. */
int proctree_signal_all(struct proctree *t, int sig);
/* Stops or lets run every process of the tree (cgroup.freeze; keeper: SIGSTOP, SIGCONT to each). */
int proctree_freeze(struct proctree *t, bool freeze);

/* SIGKILL for all of it; repeated for what was born meanwhile, until none is left to signal (0) or
 * the deadline (-ETIMEDOUT). Does not wait for the last to be gone. A frozen tree is no
 * longer frozen then. */
int proctree_kill(struct proctree *t, usec_t deadline);
/* 1: processes are left (zombies do not count), 0: none. */
int proctree_populated(const struct proctree *t);
/* 0 or -ETIMEDOUT. Polls cgroup.events, or the keeper's end. */
int proctree_wait_empty(struct proctree *t, usec_t deadline);
/* Up to max pids still there, for messages ("1234 (sleep, state D)"). Returns how many there are,
 * or -errno. */
int proctree_list(const struct proctree *t, pid_t *pids, size_t max);

/* Closes fds; kills nothing. What still runs in a keeper's tree goes on until somebody kills it;
 * such a keeper stays a child of ours, and a zombie from its end to ours. */
void proctree_done(struct proctree *t);

/* For another process, later: a keeper known from a record. Kills its tree and it. 0, -ESRCH where
 * it is gone, -ETIMEDOUT where some of it is left at the deadline (its keeper too), -errno. */
int proctree_kill_keeper(pid_t keeper, uint64_t start_ticks, usec_t deadline);

#endif
