#ifndef TH_RUN_CGTREE_H
#define TH_RUN_CGTREE_H

/*
 * taskhook's part of the cgroup tree (taskhook(1), FILES):
 *
 *	PARENT: nomad.slice/share.slice, our own delegated cgroup, or [cgroup] parent
 *	PARENT/_supervisors: those that outlive their callers
 *	PARENT/_hooks/GROUP:ID:N: hooks while the group has no cgroup
 *	PARENT/GROUP: marked; the group's limits; exists while it has a task
 *	PARENT/GROUP/_hooks/ID:N: hooks, outside the task's limits
 *	PARENT/GROUP/ID: the task; its limits
 *
 * The directory is the reference count: who removes a task's cgroup tries the group's, then the
 * parent's where taskhook made them; a rmdir of one that others use fails, and that is fine. Making
 * and removing a group's first or last member happens under the group's lock, which the caller
 * holds where it says so.
 */

#include "base/error.h"
#include "model/task.h"
#include "run/live.h"

#include <stdbool.h>

struct cgtree {
	bool on;      /* false: no cgroups; keepers track processes */
	char *mount;  /* "/sys/fs/cgroup" */
	char *parent; /* below the mount, no slash at either end; "" is the root */
	char *mark;
	int mount_fd, parent_fd;
	int group_fd; /* -1: the group has none (for us) */
	int task_fd;
	int hooks_fd; /* GROUP/_hooks or PARENT/_hooks */
	bool hooks_in_group;
	unsigned hook_seq;
	int spare_hook_fd; /* an empty cgroup for the next hook */
	char *spare_hook_name;
	bool hooks_kept; /* a hook has left processes behind, or one of another process may have */
	unsigned controllers; /* what cgroups can have of CGROUP_*, as far as is known; else all */
	char *why_off;	      /* in mode auto; NULL: it is on, or the mode is off */
};
#define CGTREE_INIT                                                                                \
	{                                                                                          \
		.mount_fd = -1, .parent_fd = -1, .group_fd = -1, .task_fd = -1, .hooks_fd = -1,    \
		.spare_hook_fd = -1, .controllers = ~0U                                            \
	}

/* Finds the mount and makes (or opens) the parent. With mode auto a host where that cannot be
 * leaves `on` false and `why_off` set; required: EXIT_UNAVAILABLE. `make` false: nothing is made,
 * -ENOENT where there is no parent. */
int cgtree_open(struct cgtree *t, enum cgroup_mode mode, const char *parent, const char *state_dir,
	bool make, struct th_err *err);
/* For dry runs: finds mount and parent as cgtree_open() would, and makes nothing, not even sure
 * that it could. */
int cgtree_plan(struct cgtree *t, enum cgroup_mode mode, const char *parent, struct th_err *err);
void cgtree_done(struct cgtree *t);

/* Says that there is no cgroup, where that was not asked for. Once for each task. */
void cgtree_warn(const struct cgtree *t);

/* Lock held. Makes or joins the group's cgroup (`group_limits` are applied when it is made), then
 * the task's, anew: one left by a dead run is killed and removed first. What is about to be made is
 * noted in `live` (NULL: nowhere). -EEXIST: another's cgroup, EXIT_BUSY, named. */
int cgtree_make_task(struct cgtree *t, const struct task *task, const struct cglimits *group_limits,
	struct live *live, struct th_err *err);
/* Enables what other limits of a task or of its group need, below the group's cgroup. Needs
 * group_fd. 0 or -errno with err. */
int cgtree_enable(struct cgtree *t, const struct task *task, const struct cglimits *group_limits,
	struct th_err *err);
/* Lock held. Removes the group's cgroup, with `id` the task's, where it is empty and bears no mark:
 * for what somebody noted who was killed before he could mark it. True where it was removed. */
bool cgtree_remove_unmarked(struct cgtree *t, const char *group, const char *id);

/* Opens what exists, for clean-up: group_fd and task_fd stay -1 where there is nothing. A cgroup of
 * another's is -EEXIST (EXIT_BUSY). */
int cgtree_open_task(struct cgtree *t, const char *group, const char *id, struct th_err *err);

/* Lock held. Removes the task's cgroup and, as the last, the group's and the parent's. -EBUSY:
 * something lives there (the caller killed it before). `id` NULL: only the group's. */
int cgtree_remove_task(
	struct cgtree *t, const char *group, const char *id, usec_t deadline, struct th_err *err);

/* Removes PARENT/_hooks, PARENT/_supervisors and PARENT where taskhook made them and nobody uses
 * them: rmdir decides. cgtree_remove_task() does it too. */
void cgtree_remove_unused(struct cgtree *t);

/* Moves this process to PARENT/_supervisors, for a supervisor that is to outlive its caller. 0
 * (also where there are no cgroups), or -errno. Dear, as any move. */
int cgtree_enter_supervisors(struct cgtree *t);

/* An empty cgroup for one hook: an fd; -1 where there are no cgroups (use a keeper) or one cannot
 * be made (err is set then and the caller warns). `id` NULL: a group's hook. Reused by the next
 * call unless _keep was called. */
int cgtree_hook(struct cgtree *t, const char *group, const char *id, struct th_err *err);
/* The last hook left processes in it: note whose it is, and take a new one next time. */
void cgtree_hook_keep(struct cgtree *t, const char *hook_name);
/* The last hook was killed through its cgroup: take a new one next time. Since Linux 6.14 a process
 * that is cloned into a cgroup which has once been killed is killed too, as its parent has not seen
 * that kill (kernel/cgroup/cgroup.c, kill_seq). */
void cgtree_hook_drop(struct cgtree *t);
/* Kills what `hook_name` (NULL: any hook of that task, or of the group with id NULL; "": one that
 * was still running when the process that ran it was killed) left, and removes it. */
int cgtree_hooks_kill(struct cgtree *t, const char *group, const char *id, const char *hook_name,
	usec_t deadline);

/* Absolute path of the group's or task's cgroup; NULL where off. The caller frees it. */
char *cgtree_path(const struct cgtree *t, const char *group, const char *id);

/* GROUP/ID of the task whose hook the process `pid` (0: ourselves) is, by its cgroup: 1, or 0 where
 * it is none. The caller frees both; *ret_id is NULL for a group's hook. */
int cgtree_hook_of_pid(const struct cgtree *t, pid_t pid, char **ret_group, char **ret_id);

#endif
