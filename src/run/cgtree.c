#include "config.h"

#include "run/cgtree.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "os/cgroup.h"
#include "os/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PARENT "nomad.slice/share.slice"
#define HOOKS_NAME     "_hooks"
#define SELF_NAME      "_self"
#define SUPERVISORS    "_supervisors"

/* Another group's last task may remove the parent between our look and our mkdir: try anew, not for
 * ever. */
#define RACE_TRIES 100

/* The cgroup of one hook is "ID:N" in GROUP/_hooks and "GROUP:ID:N" in PARENT/_hooks, with an empty
 * ID for a hook of the group. No name of a task or group holds a colon. */
static char *hook_name_prefix(bool in_group, const char *group, const char *id)
{
	if (in_group)
		return xasprintf("%s:", id ? id : "");
	return xasprintf("%s:%s:", group, id ? id : "");
}

/* Opens PARENT, making what is missing of it with our mark. */
static int open_parent(struct cgtree *t, bool make)
{
	_cleanup_close_ int fd = cgroup_open(t->mount_fd, t->parent);
	_cleanup_free_ char *copy = xstrdup(t->parent);
	char *save = NULL;

	if (fd >= 0) {
		fd_close(t->parent_fd);
		t->parent_fd = TAKE_FD(fd);
		return 0;
	}
	fd = fcntl(t->mount_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		int next = cgroup_open(fd, part);

		if (next == -ENOENT && make) {
			next = cgroup_make(fd, part, t->mark, NULL, NULL);
			/* Somebody else's by now: then it exists, which is all we need. */
			if (next == -EEXIST)
				next = cgroup_open(fd, part);
		}
		if (next < 0)
			return next;
		fd_close(fd);
		fd = next;
	}
	fd_close(t->parent_fd);
	t->parent_fd = TAKE_FD(fd);
	return 0;
}

/* Makes room in a cgroup that was delegated to us: controllers can only be enabled in one without
 * processes. */
static int move_to_leaf(struct cgtree *t, int own_fd)
{
	_cleanup_close_ int leaf = cgroup_make(own_fd, SELF_NAME, t->mark, NULL, NULL);

	if (leaf < 0)
		return leaf;
	return cgroup_attach(leaf, 0);
}

/* PARENT for `parent = auto`. */
static int choose_parent(struct cgtree *t, bool make)
{
	_cleanup_free_ char *own = NULL;
	_cleanup_close_ int fd = -1;

	if (cgroup_of_pid(0, &own) == 0 && *own) {
		size_t n = strlen(own);
		bool in_self = str_ends_with(own, "/" SELF_NAME);
		bool in_leaf = in_self || str_ends_with(own, "/" SUPERVISORS);

		if (in_leaf)
			own[n - strlen(in_self ? "/" SELF_NAME : "/" SUPERVISORS)] = '\0';
		fd = cgroup_open(t->mount_fd, own);
		if (fd >= 0 && cgroup_is_delegated(fd)) {
			if (make && !in_leaf) {
				int r = move_to_leaf(t, fd);

				if (r < 0)
					return r;
			}
			t->parent = TAKE_PTR(own);
			return 0;
		}
	}
	t->parent = xstrdup(DEFAULT_PARENT);
	return 0;
}

int cgtree_open(struct cgtree *t, enum cgroup_mode mode, const char *parent, const char *state_dir,
	bool make, struct th_err *err)
{
	const char *what = "find";
	int r;

	*t = (struct cgtree)CGTREE_INIT;
	if (mode == CGROUP_MODE_OFF)
		return 0;
	t->mark = xasprintf("%s %s", state_dir, proc_boot_id());

	r = cgroup_find_mount(&t->mount);
	if (r < 0)
		goto fail;
	t->mount_fd = open(t->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->mount_fd < 0) {
		r = -errno;
		goto fail;
	}
	what = make ? "make" : "open";
	if (parent && strcmp(parent, "auto") != 0) {
		while (*parent == '/')
			parent++;
		t->parent = xstrdup(parent);
		while (str_ends_with(t->parent, "/"))
			t->parent[strlen(t->parent) - 1] = '\0';
	} else {
		r = choose_parent(t, make);
		if (r < 0)
			goto fail;
	}
	r = open_parent(t, make);
	if (r < 0)
		goto fail;
	/* A readable parent that we may not write to is no use: find out now, not at the first
	 * mkdir. */
	if (make && faccessat(t->parent_fd, ".", W_OK, AT_EACCESS) < 0) {
		r = -errno;
		goto fail;
	}
	t->on = true;
	return 0;

fail:
	if (!make && r == -ENOENT)
		return -ENOENT;
	if (mode == CGROUP_MODE_REQUIRED) {
		if (!t->mount)
			return err_set(err, EXIT_UNAVAILABLE, -r,
				"cgroup.mode is 'required', but no cgroup2 file system is mounted "
				"here (mount -t cgroup2 none /sys/fs/cgroup/unified)");
		return err_set(err, EXIT_UNAVAILABLE, -r,
			"cgroup.mode is 'required', but taskhook cannot %s the cgroup '%s/%s': %s",
			what, t->mount, t->parent ? t->parent : "", strerror(-r));
	}
	if (!t->mount)
		t->why_off = xstrdup("no cgroup2 file system is mounted");
	else
		t->why_off = xasprintf("cannot %s the cgroup '%s/%s': %s", what, t->mount,
			t->parent ? t->parent : "", strerror(-r));
	return 0;
}

int cgtree_plan(struct cgtree *t, enum cgroup_mode mode, const char *parent, struct th_err *err)
{
	int r = cgtree_open(t, mode, parent, "", false, err);

	if (r != -ENOENT)
		return r;
	/* Without a mount a run would go on without cgroups; without a parent it would make one. */
	t->on = t->mount != NULL;
	return 0;
}

static void remove_spare_hook(struct cgtree *t);

void cgtree_warn(const struct cgtree *t)
{
	if (t->why_off)
		log_warning("%s: processes are tracked through /proc ([cgroup] mode = off silences "
			    "this)",
			t->why_off);
}

void cgtree_done(struct cgtree *t)
{
	remove_spare_hook(t);
	t->mount_fd = fd_close(t->mount_fd);
	t->parent_fd = fd_close(t->parent_fd);
	t->group_fd = fd_close(t->group_fd);
	t->task_fd = fd_close(t->task_fd);
	t->hooks_fd = fd_close(t->hooks_fd);
	free(t->mount);
	free(t->parent);
	free(t->mark);
	free(t->why_off);
	*t = (struct cgtree)CGTREE_INIT;
}

static int refuse_foreign(const struct cgtree *t, const char *group, const char *id,
	const char *mark, struct th_err *err)
{
	return err_set(err, EXIT_BUSY, EEXIST,
		"the cgroup '%s/%s%s%s%s%s' %s; it is left alone (choose another name, or set "
		"[cgroup] parent)",
		t->mount, t->parent, *t->parent ? "/" : "", group, id ? "/" : "", id ? id : "",
		mark ? "belongs to another taskhook's state directory or boot"
		     : "was not made by taskhook");
}

/* Controllers for the children of the group's cgroup: what limits need (or it is an error), and
 * what tells of use and out-of-memory kills (as far as the host has it). */
int cgtree_enable(struct cgtree *t, const struct task *task, const struct cglimits *group_limits,
	struct th_err *err)
{
	unsigned need = cglimits_controllers(&task->limits) | cglimits_controllers(group_limits);
	unsigned have = 0, enabled = 0, missing = 0;
	unsigned like = CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO;
	_cleanup_free_ char *where = NULL, *path = NULL;
	int r;

	r = cgroup_controllers(t->mount_fd, &have);
	if (r < 0)
		return err_set(err, EXIT_UNAVAILABLE, -r,
			"cannot read cgroup.controllers in '%s': %s", t->mount, strerror(-r));
	t->controllers = have;
	like &= have;
	/* The common case on a host that has none, and for every task but a group's first. */
	if (!need && !like)
		return 0;
	if (cgroup_subtree_controllers(t->group_fd, &enabled) == 0 && !((need | like) & ~enabled))
		return 0;
	path = xasprintf("%s%s%s", t->parent, *t->parent ? "/" : "", task->group);
	if (need & have) {
		r = cgroup_enable(t->mount_fd, path, need & have, false, &missing, &where);
		if (r == -EBUSY)
			return err_set(err, EXIT_UNAVAILABLE, EBUSY,
				"cannot enable controllers in the cgroup '%s/%s': it has processes "
				"of its own (move them to a child, or set [cgroup] parent)",
				t->mount, where ? where : path);
		/* A missing one is reported by the limit that needs it, which knows the key. */
		if (r < 0 && r != -EOPNOTSUPP)
			return err_set(err, EXIT_UNAVAILABLE, -r,
				"cannot enable controllers in the cgroup '%s/%s': %s", t->mount,
				path, strerror(-r));
	}
	if (like & ~need)
		(void)cgroup_enable(t->mount_fd, path, like & ~need, true, &missing, NULL);
	return 0;
}

static void note_cgroups(struct live *live, enum live_cgroups what)
{
	if (!live)
		return;
	live_begin(live)->cgroup_begun = (uint8_t)what;
	live_end(live);
}

static int make_noted(struct cgtree *t, int parent_fd, const char *name, struct live *live,
	enum live_cgroups what, bool *ret_made, char **ret_mark)
{
	int r;

	if (faccessat(parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		note_cgroups(live, what);
	r = cgroup_make(parent_fd, name, t->mark, ret_made, ret_mark);
	note_cgroups(live, LIVE_CGROUPS_BEGUN);
	return r;
}

int cgtree_make_task(struct cgtree *t, const struct task *task, const struct cglimits *group_limits,
	struct live *live, struct th_err *err)
{
	_cleanup_free_ char *mark = NULL;
	bool made = false;
	int r = -ENOENT;

	for (int i = 0; i < RACE_TRIES && r == -ENOENT; i++) {
		if (i > 0) {
			r = open_parent(t, true);
			if (r < 0)
				break;
		}
		r = make_noted(t, t->parent_fd, task->group, live, LIVE_CGROUPS_MAKING_GROUP, &made,
			&mark);
	}
	if (r == -EEXIST)
		return refuse_foreign(t, task->group, NULL, mark, err);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot make the cgroup '%s/%s/%s': %s",
			t->mount, t->parent, task->group, strerror(-r));
	fd_close(t->group_fd);
	t->group_fd = r;

	r = cgtree_enable(t, task, group_limits, err);
	if (r == 0 && made)
		r = cglimits_apply(t->group_fd, group_limits, "group-limits", err);
	if (r < 0)
		return r;

	for (int i = 0; i < 2; i++) {
		usec_t deadline;

		r = make_noted(
			t, t->group_fd, task->id, live, LIVE_CGROUPS_MAKING_TASK, &made, &mark);
		if (r < 0 || made)
			break;
		/* Ours, but from a run that is over: nothing of it may get into this one's account.
		 */
		deadline = usec_add(clock_monotonic_usec(), 10 * USEC_PER_SEC);
		(void)cgroup_kill(r, deadline);
		fd_close(r);
		r = cgroup_remove_tree(t->group_fd, task->id, t->mark, deadline);
		if (r < 0)
			return err_set(err, EXIT_BUSY, -r,
				"the cgroup of an earlier run of %s cannot be removed: %s",
				task->name, strerror(-r));
		r = -EAGAIN;
	}
	if (r == -EEXIST)
		return refuse_foreign(t, task->group, task->id, mark, err);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot make the cgroup '%s/%s/%s/%s': %s",
			t->mount, t->parent, task->group, task->id, strerror(-r));
	fd_close(t->task_fd);
	t->task_fd = r;
	return cglimits_apply(t->task_fd, &task->limits, "limits", err);
}

/* Opens one of ours: an fd, -ENOENT, or -EEXIST for another's. */
static int open_ours(const struct cgtree *t, int parent_fd, const char *name)
{
	_cleanup_close_ int fd = cgroup_open(parent_fd, name);
	_cleanup_free_ char *mark = NULL;
	int r;

	if (fd < 0)
		return fd;
	r = cgroup_get_mark(fd, &mark);
	if (r < 0 && r != -ENODATA)
		return r;
	if (r < 0 || strcmp(mark, t->mark) != 0)
		return -EEXIST;
	return TAKE_FD(fd);
}

/* rmdir decides whether it is empty. */
static bool remove_unmarked(int parent_fd, const char *name)
{
	_cleanup_close_ int fd = cgroup_open(parent_fd, name);
	_cleanup_free_ char *mark = NULL;

	return fd >= 0 && cgroup_get_mark(fd, &mark) == -ENODATA &&
	       unlinkat(parent_fd, name, AT_REMOVEDIR) == 0;
}

bool cgtree_remove_unmarked(struct cgtree *t, const char *group, const char *id)
{
	_cleanup_close_ int fd = -1;

	if (!t->on)
		return false;
	if (!id)
		return remove_unmarked(t->parent_fd, group);
	fd = open_ours(t, t->parent_fd, group);
	return fd >= 0 && remove_unmarked(fd, id);
}

int cgtree_open_task(struct cgtree *t, const char *group, const char *id, struct th_err *err)
{
	int fd;

	if (!t->on)
		return 0;
	fd = open_ours(t, t->parent_fd, group);
	if (fd == -ENOENT)
		return 0;
	if (fd == -EEXIST)
		return refuse_foreign(t, group, NULL, "", err);
	if (fd < 0)
		return err_set(err, EXIT_UNAVAILABLE, -fd, "cannot open the cgroup of '%s': %s",
			group, strerror(-fd));
	fd_close(t->group_fd);
	t->group_fd = fd;
	if (!id)
		return 0;
	fd = open_ours(t, t->group_fd, id);
	if (fd == -ENOENT)
		return 0;
	if (fd == -EEXIST)
		return refuse_foreign(t, group, id, "", err);
	if (fd < 0)
		return err_set(err, EXIT_UNAVAILABLE, -fd, "cannot open the cgroup of '%s/%s': %s",
			group, id, strerror(-fd));
	fd_close(t->task_fd);
	t->task_fd = fd;
	return 0;
}

/* 1: a cgroup other than `but` lies in the one at fd; 0: none. Under the group's lock the answer
 * holds. */
static int has_other_child(int fd, const char *but)
{
	DIR *d = NULL;
	struct dirent *e;
	int found = 0;
	int r = fd_opendir(fd, &d);

	if (r < 0)
		return r;
	while (!found && (e = readdir(d)))
		found = e->d_type == DT_DIR && e->d_name[0] != '.' && strcmp(e->d_name, but) != 0;
	closedir(d);
	return found;
}

/* Removes an empty folder of PARENT. False: something is in it. */
static bool remove_folder(struct cgtree *t, const char *name)
{
	return unlinkat(t->parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

void cgtree_remove_unused(struct cgtree *t)
{
	_cleanup_free_ char *path = NULL;
	bool hooks, supervisors;

	if (!t->on)
		return;
	hooks = remove_folder(t, HOOKS_NAME);
	supervisors = remove_folder(t, SUPERVISORS);
	if (!hooks || !supervisors)
		return;
	path = xstrdup(t->parent);
	while (*path) {
		_cleanup_close_ int fd = open_ours(t, t->mount_fd, path);
		char *slash;

		if (fd < 0 || unlinkat(t->mount_fd, path, AT_REMOVEDIR) < 0)
			return;
		slash = strrchr(path, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

int cgtree_remove_task(
	struct cgtree *t, const char *group, const char *id, usec_t deadline, struct th_err *err)
{
	int r;

	if (!t->on)
		return 0;
	remove_spare_hook(t);
	if (t->group_fd >= 0) {
		if (id) {
			r = cgroup_remove_tree(t->group_fd, id, t->mark, deadline);
			if (r < 0 && r != -ENOENT)
				return err_set(err, EXIT_INTERNAL, -r,
					"cannot remove the cgroup '%s/%s/%s/%s': %s", t->mount,
					t->parent, group, id, strerror(-r));
			t->task_fd = fd_close(t->task_fd);
		}
		/* Mostly nothing is in it any more. */
		if (unlinkat(t->parent_fd, group, AT_REMOVEDIR) < 0 &&
			has_other_child(t->group_fd, HOOKS_NAME) == 0) {
			/* A busy one means hooks that live on; the group's clean-up ends them. */
			(void)unlinkat(t->group_fd, HOOKS_NAME, AT_REMOVEDIR);
			if (unlinkat(t->parent_fd, group, AT_REMOVEDIR) < 0 && errno != EBUSY &&
				errno != ENOTEMPTY && errno != ENOENT)
				return err_set(err, EXIT_INTERNAL, errno,
					"cannot remove the cgroup '%s/%s/%s': %m", t->mount,
					t->parent, group);
		}
		t->group_fd = fd_close(t->group_fd);
		if (t->hooks_in_group) {
			t->hooks_fd = fd_close(t->hooks_fd);
			t->hooks_in_group = false;
		}
	}
	if (!t->hooks_in_group)
		t->hooks_fd = fd_close(t->hooks_fd);
	cgtree_remove_unused(t);
	return 0;
}

int cgtree_enter_supervisors(struct cgtree *t)
{
	int r = t->on ? -ENOENT : 0;

	/* Another may remove it while it is empty. The last supervisor cannot: it is in there
	 * itself. */
	for (int i = 0; i < RACE_TRIES && (r == -ENOENT || r == -ENODEV); i++) {
		_cleanup_close_ int fd = -1;

		if (i > 0 && open_parent(t, true) < 0)
			continue;
		fd = cgroup_make(t->parent_fd, SUPERVISORS, t->mark, NULL, NULL);
		/* Another state directory's is only a folder, as PARENT/_hooks is. */
		if (fd == -EEXIST)
			fd = cgroup_open(t->parent_fd, SUPERVISORS);
		r = fd < 0 ? fd : cgroup_attach(fd, 0);
	}
	return r;
}

/* ---- hooks ---- */

static void remove_spare_hook(struct cgtree *t)
{
	if (!t->spare_hook_name)
		return;
	t->spare_hook_fd = fd_close(t->spare_hook_fd);
	/* Fails only where a process got in behind our back: then it is left for the janitor. */
	if (t->hooks_fd >= 0)
		(void)unlinkat(t->hooks_fd, t->spare_hook_name, AT_REMOVEDIR);
	free(t->spare_hook_name);
	t->spare_hook_name = NULL;
}

/* Opens (makes) the _hooks directory that is right now: the group's where the group has a cgroup.
 */
static int open_hooks(struct cgtree *t, bool make)
{
	bool in_group = t->group_fd >= 0, made = false;
	unsigned missing = 0;
	int r;

	if (t->hooks_fd >= 0 && t->hooks_in_group == in_group)
		return 0;
	remove_spare_hook(t);
	t->hooks_fd = fd_close(t->hooks_fd);
	if (make) {
		r = cgroup_make(
			in_group ? t->group_fd : t->parent_fd, HOOKS_NAME, t->mark, &made, NULL);
		/* PARENT/_hooks may be another state directory's: it is only a folder, and its
		 * entries bear marks of their own. */
		if (r == -EEXIST)
			r = cgroup_open(in_group ? t->group_fd : t->parent_fd, HOOKS_NAME);
	} else {
		r = cgroup_open(in_group ? t->group_fd : t->parent_fd, HOOKS_NAME);
	}
	if (r < 0)
		return r;
	/* For what the record of a hook tells; a host that cannot has hooks all the same. */
	if (made)
		(void)cgroup_enable(r, "", CGROUP_MEMORY, true, &missing, NULL);
	t->hooks_fd = r;
	t->hooks_in_group = in_group;
	return 0;
}

int cgtree_hook(struct cgtree *t, const char *group, const char *id, struct th_err *err)
{
	_cleanup_free_ char *prefix = NULL;
	int r = -ENOENT;

	if (!t->on)
		return -1;
	r = open_hooks(t, true);
	if (r == 0 && t->spare_hook_name)
		return t->spare_hook_fd;
	for (int i = 0; i < RACE_TRIES; i++) {
		_cleanup_free_ char *name = NULL;
		bool made = false;

		if (r == -ENOENT) { /* somebody removed an empty _hooks, or PARENT */
			t->hooks_fd = fd_close(t->hooks_fd);
			if (t->group_fd < 0)
				(void)open_parent(t, true);
			r = open_hooks(t, true);
			if (r < 0)
				continue;
		}
		if (r < 0)
			break;
		free(prefix);
		prefix = hook_name_prefix(t->hooks_in_group, group, id);
		name = xasprintf("%s%u", prefix, t->hook_seq++);
		r = cgroup_make(t->hooks_fd, name, t->mark, &made, NULL);
		if (r >= 0 && !made) { /* left by a dead run and not yet cleaned */
			fd_close(r);
			r = 0;
			continue;
		}
		if (r == -EEXIST) {
			r = 0;
			continue;
		}
		if (r < 0)
			continue;
		t->spare_hook_name = TAKE_PTR(name);
		t->spare_hook_fd = r;
		return r;
	}
	err_set(err, EXIT_CANTCREAT, r < 0 ? -r : EEXIST,
		"cannot make a cgroup for a hook of '%s': %s", group,
		strerror(r < 0 ? -r : EEXIST));
	return -1;
}

void cgtree_hook_keep(struct cgtree *t, const char *hook_name)
{
	if (!t->spare_hook_name)
		return;
	(void)cgroup_set_note(t->spare_hook_fd, "hook", hook_name);
	t->spare_hook_fd = fd_close(t->spare_hook_fd);
	free(t->spare_hook_name);
	t->spare_hook_name = NULL;
	t->hooks_kept = true;
}

void cgtree_hook_drop(struct cgtree *t)
{
	remove_spare_hook(t);
}

static int kill_hooks_in(
	struct cgtree *t, int hooks_fd, const char *prefix, const char *hook_name, usec_t deadline)
{
	DIR *d = NULL;
	struct dirent *e;
	int result = 0;
	int r = fd_opendir(hooks_fd, &d);

	if (r < 0)
		return r;
	while ((e = readdir(d))) {
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *note = NULL;

		if (e->d_type != DT_DIR || !str_starts_with(e->d_name, prefix))
			continue;
		if (t->spare_hook_name && strcmp(e->d_name, t->spare_hook_name) == 0)
			continue;
		fd = open_ours(t, hooks_fd, e->d_name);
		/* No name but a hook's is like that: its maker was killed before the mark. */
		if (fd == -EEXIST)
			(void)remove_unmarked(hooks_fd, e->d_name);
		if (fd < 0)
			continue;
		if (hook_name) {
			bool kept = cgroup_get_note(fd, "hook", &note) >= 0;

			if (*hook_name ? !kept || strcmp(note, hook_name) != 0 : kept)
				continue;
		}
		r = cgroup_kill(fd, deadline);
		if (r == 0)
			r = cgroup_remove_tree(hooks_fd, e->d_name, t->mark, deadline);
		if (r < 0 && result == 0)
			result = r;
	}
	closedir(d);
	return result;
}

int cgtree_hooks_kill(
	struct cgtree *t, const char *group, const char *id, const char *hook_name, usec_t deadline)
{
	int result = 0;

	if (!t->on)
		return 0;
	/* A hook may have been started before the group had a cgroup and live on: look in both
	 * places. */
	for (int in_group = 0; in_group < 2; in_group++) {
		int dir = in_group ? t->group_fd : t->parent_fd;
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *prefix = NULL;
		int r;

		if (dir < 0)
			continue;
		fd = cgroup_open(dir, HOOKS_NAME);
		if (fd < 0)
			continue;
		prefix = hook_name_prefix(in_group, group, id);
		r = kill_hooks_in(t, fd, prefix, hook_name, deadline);
		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

char *cgtree_path(const struct cgtree *t, const char *group, const char *id)
{
	if (!t->on)
		return NULL;
	return xasprintf("%s/%s%s%s%s%s", t->mount, t->parent, *t->parent ? "/" : "", group,
		id ? "/" : "", id ? id : "");
}

int cgtree_hook_of_pid(const struct cgtree *t, pid_t pid, char **ret_group, char **ret_id)
{
	_cleanup_free_ char *path = NULL, *head = NULL;
	const char *rest, *slash, *colon, *second;

	if (!t->on || cgroup_of_pid(pid, &path) < 0)
		return 0;
	head = xasprintf("%s%s", t->parent, *t->parent ? "/" : "");
	if (!str_starts_with(path, head))
		return 0;
	rest = path + strlen(head);
	if (str_starts_with(rest, HOOKS_NAME "/")) { /* GROUP:ID:N */
		rest += strlen(HOOKS_NAME "/");
		colon = strchr(rest, ':');
		second = colon ? strchr(colon + 1, ':') : NULL;
		if (!second)
			return 0;
		*ret_group = xstrndup(rest, (size_t)(colon - rest));
		*ret_id = second > colon + 1 ? xstrndup(colon + 1, (size_t)(second - colon - 1))
					     : NULL;
		return 1;
	}
	slash = strchr(rest, '/');
	if (!slash || !str_starts_with(slash + 1, HOOKS_NAME "/"))
		return 0;
	second = slash + 1 + strlen(HOOKS_NAME "/"); /* ID:N */
	colon = strchr(second, ':');
	if (!colon)
		return 0;
	*ret_group = xstrndup(rest, (size_t)(slash - rest));
	*ret_id = colon > second ? xstrndup(second, (size_t)(colon - second)) : NULL;
	return 1;
}
