#ifndef TH_RUN_DEPLOY_H
#define TH_RUN_DEPLOY_H

/*
 * A group comes into being once, whoever of its tasks comes first (taskhook-lifecycle(7)).
 *RUN/GROUP/_deploy is the lock that is held while a group comes or goes, hooks included;
 *RUN/GROUP/_group says what became of it:
 *
 *	{"format": 1, "boot_id": ..., "state": "deploying"|"deployed"|"failed"|"leaving", "attempt":
 *"PID.TICKS", "status": N, "reason": ..., "group_limits": {"memory": ...}, "origin": "FILE:LINE",
 *	 "first_group_limits": {...}}	what the first start said, where it was changed since
 *
 * Those that wait fail with the reason of the one they waited for; who comes later tries anew. When
 *the one that deploys dies, its lock is free and the next takes over.
 */

#include "run/context.h"

#include <stdbool.h>

/*
 * Makes sure that the group is deployed: does it, waits for who does it, or finds that it is. 0;
 * -EINTR: a signal or a stop request came; else -errno with err: the pre-deploy hooks failed (*ret
 * has the hook, may be NULL), or this task's [group-limits] differ from those that the group has
 * and from those that it was started with (EXIT_CONFIG). *ret_waited: others may have changed the
 * directories meanwhile.
 */
int deploy_group_once(
	struct context *c, struct point_result *ret, bool *ret_waited, struct th_err *err);

/* The limits that the group has now; *ret is empty before. What nobody has deployed has none. 0 or
 * -errno with err. */
int deploy_read_limits(struct context *c, struct cglimits *ret, struct th_err *err);

/* Those become c->group_limits; where the group is not deployed (any more) they stay. With the
 * group's lock, for whoever makes its cgroup. */
void deploy_renew_limits(struct context *c);

/*
 * Gives the group, which has `from`, the limits `to`: in its cgroup, which c->cg has open, and for
 * whoever makes that anew. 0; -ESTALE without err: it has others by now; else -errno with err, and
 * all is as it was.
 */
int deploy_change_limits(struct context *c, const struct cglimits *from, const struct cglimits *to,
	struct th_err *err);
/* A change was cut off: the group's cgroup, which c->cg has open, gets the limits that the group
 * has. 0 or -errno with err. */
int deploy_settle_limits(struct context *c, struct th_err *err);

/*
 * Takes the group's `_deploy` lock for its removal and marks it as leaving: an fd to close, -EAGAIN
 * (somebody deploys or removes it), or -errno. From then on a start either has its task's lock
 * already, or waits for ours: what is not locked after this call does not begin. *ret_before (the
 * caller frees it; may be NULL: none) is for deploy_cancel_leaving(), which makes the group what it
 * was.
 */
int deploy_begin_leaving(struct context *c, char **ret_before, struct th_err *err);
void deploy_cancel_leaving(struct context *c, const char *before);
/* The supervisor `pid` was killed: if it was deploying the group, and nobody has taken over, the
 * hooks that it was at are ended; nothing of a group that is not deployed may live on. */
void deploy_end_killed(struct context *c, pid_t pid, uint64_t start_ticks);
/* True where who deployed or removed the group of RUN/GROUP was killed, and nobody has taken over.
 */
bool deploy_is_abandoned(int run_group_fd);
/* Ends the hooks that he was at, and makes it a group that is not deployed. */
void deploy_end_abandoned(struct context *c);
/* The group is gone: its state and its lock's file go too. The lock is still held. */
void deploy_end_leaving(struct context *c);

#endif
