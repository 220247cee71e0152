#include "config.h"

#include "os/cgroup.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/str.h"
#include "os/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* What one tree may hold before we refuse to walk it: a task can make cgroups as it likes. */
#define WALK_MAX_CGROUPS 100000
/* Linux: PID_MAX_LIMIT of include/linux/threads.h. */
#define PIDS_MAX 4194304

static const struct {
	unsigned bit;
	const char *name;
	const char *v1_name;
} controllers[] = {
	{CGROUP_CPU, "cpu", "cpu"},
	{CGROUP_MEMORY, "memory", "memory"},
	{CGROUP_PIDS, "pids", "pids"},
	{CGROUP_IO, "io", "blkio"},
	{CGROUP_CPUSET, "cpuset", "cpuset"},
};

static bool force_old;

void cgroup_force_old(bool on)
{
	force_old = on;
}

/* ---- interface files ------------------------------------------------------------------------ */

ssize_t cgroup_read_file(int dirfd, const char *file, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, buf, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	buf[n] = '\0';
	return n;
}

int cgroup_find_value(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		char *end;
		uint64_t value;

		if (strncmp(line, key, len) != 0 || line[len] != ' ' || line[len + 1] < '0' ||
			line[len + 1] > '9')
			continue;
		errno = 0;
		value = strtoull(line + len + 1, &end, 10);
		if (errno || (*end && *end != '\n'))
			break;
		*ret = value;
		return 0;
	}
	return -ENODATA;
}

/* ---- where we are --------------------------------------------------------------------------- */

static int take_if_cgroup2(void *arg, const struct mount_entry *entry)
{
	char **ret = arg;
	struct statfs fs;

	if (strcmp(entry->fstype, "cgroup2") != 0 || strcmp(entry->root, "/") != 0)
		return 0;
	/* A later mount may hide this one. */
	if (statfs(entry->point, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return 0;
	*ret = xstrdup(entry->point);
	return 1;
}

int cgroup_find_mount(char **ret)
{
	int r = mount_foreach(take_if_cgroup2, ret);

	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int cgroup_of_pid(pid_t pid, char **ret)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	int r;

	path = pid ? xasprintf("/proc/%d/cgroup", (int)pid) : xstrdup("/proc/self/cgroup");
	r = file_read_at(AT_FDCWD, path, 0, 256 * 1024, &text, NULL);
	if (r < 0)
		return r == -ENOENT && pid ? -ESRCH : r;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!str_starts_with(line, "0::/"))
			continue;
		line += strlen("0::/");
		if (strcmp(line, "..") == 0 || str_starts_with(line, "../"))
			break;
		*ret = xstrdup(line);
		return 0;
	}
	return -ENOENT;
}

int cgroup_open(int dirfd, const char *path)
{
	int fd = openat(dirfd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* ---- extended attributes -------------------------------------------------------------------- */

/*
 * Root's are in "trusted.", which needs CAP_SYS_ADMIN of the first user namespace, so that no
 * owner of a delegated cgroup can forge them. Root of a container lacks that and is in the
 * position of a user. Asking for the effective user would tell less than trying.
 */
static int xattr_set(int fd, const char *trusted, const char *user, const char *value)
{
	if (fsetxattr(fd, trusted, value, strlen(value), 0) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return fsetxattr(fd, user, value, strlen(value), 0) < 0 ? -errno : 0;
}

static int xattr_get_one(int fd, const char *name, char **ret)
{
	size_t size = 512;

	for (;;) {
		_cleanup_free_ char *value = xmalloc(size + 1);
		ssize_t n = fgetxattr(fd, name, value, size);

		if (n >= 0) {
			value[n] = '\0';
			*ret = TAKE_PTR(value);
			return 0;
		}
		/* XATTR_SIZE_MAX of linux/limits.h is the most there can be. */
		if (errno != ERANGE || size >= 65536)
			return -errno;
		size = 65536;
	}
}

static int xattr_get(int fd, const char *trusted, const char *user, char **ret)
{
	int r = xattr_get_one(fd, trusted, ret);

	if (r != -ENODATA)
		return r;
	/* Without the capability a trusted attribute reads as missing. Replacing one that nobody
	 * has tells the two apart and changes nothing. */
	if (fsetxattr(fd, "trusted.taskhook.?", "", 0, XATTR_REPLACE) == 0 || errno != EPERM)
		return -ENODATA;
	return xattr_get_one(fd, user, ret);
}

static int set_mark(int fd, const char *mark)
{
	return xattr_set(fd, "trusted.taskhook", "user.taskhook", mark);
}

int cgroup_get_mark(int dirfd, char **ret)
{
	return xattr_get(dirfd, "trusted.taskhook", "user.taskhook", ret);
}

int cgroup_set_note(int dirfd, const char *key, const char *value)
{
	_cleanup_free_ char *trusted = xasprintf("trusted.taskhook.%s", key);
	_cleanup_free_ char *user = xasprintf("user.taskhook.%s", key);

	return xattr_set(dirfd, trusted, user, value);
}

int cgroup_get_note(int dirfd, const char *key, char **ret)
{
	_cleanup_free_ char *trusted = xasprintf("trusted.taskhook.%s", key);
	_cleanup_free_ char *user = xasprintf("user.taskhook.%s", key);

	return xattr_get(dirfd, trusted, user, ret);
}

bool cgroup_is_delegated(int dirfd)
{
	_cleanup_free_ char *value = NULL;

	return xattr_get(dirfd, "trusted.delegate", "user.delegate", &value) == 0 &&
	       strcmp(value, "1") == 0;
}

/* ---- making --------------------------------------------------------------------------------- */

/* Waits 1 ms, for conditions that no file descriptor tells. */
static void pause_briefly(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static bool name_is_single(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int cgroup_make(int parent, const char *name, const char *mark, bool *ret_made, char **ret_mark)
{
	usec_t deadline = 0;

	if (!name_is_single(name))
		return -EINVAL;
	for (;;) {
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *found = NULL;
		bool made = mkdirat(parent, name, 0755) == 0;
		int r;

		if (!made && errno != EEXIST)
			return -errno;
		fd = cgroup_open(parent, name);
		if (made) {
			r = fd < 0 ? fd : set_mark(fd, mark);
			/* Against the umask: programs read their own limits there. */
			if (r == 0 && fchmod(fd, 0755) < 0)
				r = -errno;
			if (r < 0) {
				(void)unlinkat(parent, name, AT_REMOVEDIR);
				return r;
			}
			if (ret_made)
				*ret_made = true;
			return TAKE_FD(fd);
		}
		r = fd < 0 ? fd : cgroup_get_mark(fd, &found);
		if (r == 0 && strcmp(found, mark) == 0) {
			if (ret_made)
				*ret_made = false;
			return TAKE_FD(fd);
		}
		if (r < 0 && r != -ENODATA && r != -ENOENT && r != -ENODEV)
			return r;
		/* No mark, or gone again: whoever made it just now is about to mark it, or to
		 * remove it as it could not. That takes microseconds; a process which was not
		 * scheduled in between gets half a second. */
		if (r < 0) {
			usec_t now = clock_monotonic_usec();

			if (deadline == 0)
				deadline = usec_add(now, USEC_PER_SEC / 2);
			if (now < deadline) {
				pause_briefly();
				continue;
			}
			if (r != -ENODATA)
				return r;
		}
		if (ret_mark)
			*ret_mark = TAKE_PTR(found);
		return -EEXIST;
	}
}

/* ---- controllers ---------------------------------------------------------------------------- */

const char *cgroup_controller_name(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (controllers[i].bit & bit)
			return controllers[i].name;
	return "?";
}

static int read_controllers(int dirfd, const char *file, unsigned *ret)
{
	char buf[1024], *rest = buf, *word;
	ssize_t n = cgroup_read_file(dirfd, file, buf, sizeof(buf));
	unsigned found = 0;

	if (n < 0)
		return (int)n;
	while ((word = strsep(&rest, " \n")))
		for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
			if (strcmp(word, controllers[i].name) == 0)
				found |= controllers[i].bit;
	*ret = found;
	return 0;
}

int cgroup_controllers(int dirfd, unsigned *ret)
{
	return read_controllers(dirfd, "cgroup.controllers", ret);
}

int cgroup_subtree_controllers(int dirfd, unsigned *ret)
{
	return read_controllers(dirfd, "cgroup.subtree_control", ret);
}

static int write_subtree_control(int dirfd, unsigned add)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (controllers[i].bit & add) {
			strbuf_adds(&text, text.len ? " +" : "+");
			strbuf_adds(&text, controllers[i].name);
		}
	return file_write_at(dirfd, "cgroup.subtree_control", strbuf_str(&text));
}

/* The root of the hierarchy alone may have both processes and children with controllers. */
static bool has_internal_processes(int dirfd)
{
	_cleanup_close_ int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && faccessat(dirfd, "cgroup.type", F_OK, 0) == 0;
}

static int enable_at(int dirfd, unsigned want, bool best_effort, unsigned *missing)
{
	unsigned have, available, lacking;
	int r = cgroup_subtree_controllers(dirfd, &have);

	if (r < 0)
		return r;
	want &= ~have;
	if (!want)
		return 0;
	r = cgroup_controllers(dirfd, &available);
	if (r < 0)
		return r;
	lacking = want & ~available;
	want &= available;
	if (lacking && !best_effort) {
		*missing = lacking & -lacking;
		return -EOPNOTSUPP;
	}
	*missing |= lacking;
	if (!want)
		return 0;
	/* The kernel refuses that only for some controllers. With cpu, cpuset and pids the cgroup
	 * would become "domain threaded" and those below "domain invalid", which take no process
	 * (cgroup-v2.rst, "Threads"). */
	if (has_internal_processes(dirfd)) {
		if (!best_effort)
			return -EBUSY;
		*missing |= want;
		return 0;
	}
	r = write_subtree_control(dirfd, want);
	if (r == 0 || !best_effort)
		/* A threaded cgroup on the way says EOPNOTSUPP; no controller is missing then. */
		return r == -EOPNOTSUPP ? -EINVAL : r;
	/* The kernel takes all or none: find out which it is. */
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		unsigned bit = controllers[i].bit & want;

		if (bit && write_subtree_control(dirfd, bit) < 0)
			*missing |= bit;
	}
	return 0;
}

int cgroup_enable(int top, const char *path, unsigned want, bool best_effort, unsigned *ret_missing,
	char **ret_where)
{
	_cleanup_close_ int deepest = -1, fd = -1;
	unsigned have, missing = 0;
	const char *end = path;
	int r = 0, at = top;

	/* The usual case after the first task: what the deepest has, all above it have. */
	deepest = cgroup_open(top, path);
	if (deepest < 0)
		return deepest;
	if (cgroup_subtree_controllers(deepest, &have) == 0 && !(want & ~have))
		goto out;
	for (;;) {
		_cleanup_free_ char *name = NULL;
		const char *start;
		int next;

		r = enable_at(at, want & ~missing, best_effort, &missing);
		if (r < 0)
			break;
		start = end + strspn(end, "/");
		if (!*start)
			break;
		end = strchrnul(start, '/');
		name = xstrndup(start, (size_t)(end - start));
		next = cgroup_open(at, name);
		if (next < 0)
			return next;
		fd_closep(&fd);
		at = fd = next;
	}
	if (r == -EBUSY && ret_where)
		*ret_where = xstrndup(path, (size_t)(end - path));
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
out:
	if (ret_missing)
		*ret_missing = missing;
	return r;
}

const char *cgroup_explain_missing(unsigned bit)
{
	_cleanup_free_ char *text = NULL, *mount = NULL;
	_cleanup_close_ int root = -1;
	unsigned have = 0;
	const char *v1_name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (controllers[i].bit & bit) {
			v1_name = controllers[i].v1_name;
			break;
		}
	/* "memory\t4\t14\t1": name, hierarchy (0: version 2 or none), number of cgroups, enabled
	 * (cgroups(7)). */
	if (v1_name && file_read_at(AT_FDCWD, "/proc/cgroups", 0, 64 * 1024, &text, NULL) == 0)
		for (char *line = text, *next; line; line = next) {
			char *name, *hierarchy, *enabled;

			next = strchr(line, '\n');
			if (next)
				*next++ = '\0';
			name = strsep(&line, "\t");
			hierarchy = strsep(&line, "\t");
			(void)strsep(&line, "\t");
			enabled = strsep(&line, "\t");
			if (!enabled || strcmp(name, v1_name) != 0)
				continue;
			if (strcmp(hierarchy, "0") != 0)
				return "cgroup v1 holds it; boot with "
				       "systemd.unified_cgroup_hierarchy=1";
			if (strcmp(enabled, "0") == 0)
				return "it is switched off by cgroup_disable= on the kernel's "
				       "command line";
		}
	if (cgroup_find_mount(&mount) == 0)
		root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0 && cgroup_controllers(root, &have) == 0 && (have & bit))
		return "it is not handed down to them; enable it in cgroup.subtree_control of the "
		       "cgroup above (systemd: Delegate=yes)";
	return "this kernel does not offer it";
}

/* ---- walking a tree ------------------------------------------------------------------------- */

/*
 * Trees are walked with one open directory whatever their depth, as a task can nest cgroups
 * without end: the way up is "..", which cannot lead astray because cgroups cannot be renamed.
 */

static bool has_children(int dirfd)
{
	struct stat st;

	/* kernfs keeps the link count of a directory at 2 + its subdirectories. */
	return fstat(dirfd, &st) < 0 || st.st_nlink != 2;
}

static int open_child(int dirfd, const char *name)
{
	return path_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static int open_dir(int dirfd, DIR **ret)
{
	_cleanup_close_ int fd = cgroup_open(dirfd, "");
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	(void)TAKE_FD(fd);
	*ret = d;
	return 0;
}

static void closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* The next child cgroup, 0 at the end, or -errno. *ret is valid until the next call. */
static int next_child(DIR *d, const char **ret)
{
	struct dirent *e;

	while (errno = 0, (e = readdir(d))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_type == DT_DIR ||
			(e->d_type == DT_UNKNOWN &&
				fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				S_ISDIR(st.st_mode))) {
			*ret = e->d_name;
			return 1;
		}
	}
	return -errno;
}

struct pending {
	char *name;
	size_t depth; /* 1: a child of the top */
};

struct pending_list {
	struct pending *v;
	size_t n, cap;
};

static void pending_done(struct pending_list *l)
{
	while (l->n)
		free(l->v[--l->n].name);
	free(l->v);
}

static int pending_add_children(struct pending_list *l, int dirfd, size_t depth)
{
	_cleanup_(closedirp) DIR *d = NULL;
	const char *name;
	int r;

	if (!has_children(dirfd))
		return 0;
	r = open_dir(dirfd, &d);
	while (r >= 0 && (r = next_child(d, &name)) > 0) {
		if (l->n == WALK_MAX_CGROUPS)
			return -E2BIG;
		if (l->n == l->cap) {
			l->cap = l->cap ? 2 * l->cap : 16;
			l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
		}
		l->v[l->n++] = (struct pending){.name = xstrdup(name), .depth = depth};
	}
	return r;
}

/* Removed while we looked. */
static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

typedef int (*walk_fn)(void *arg, int dirfd);

/* Calls `fn` for the cgroup and each one below it, those above first, until it returns something
 * other than 0, which is then the result. What vanishes meanwhile is passed over. */
static int walk_tree(int top, walk_fn fn, void *arg)
{
	_cleanup_(pending_done) struct pending_list todo = {NULL, 0, 0};
	_cleanup_close_ int fd = -1;
	size_t depth = 0;
	int r = fn(arg, top);

	if (r == 0)
		r = pending_add_children(&todo, top, 1);
	while (r == 0 && todo.n) {
		struct pending next = todo.v[--todo.n];
		_cleanup_free_ char *name = next.name;
		int child;

		for (; depth >= next.depth; depth--) {
			int up = depth == 1 ? -1
					    : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (depth > 1 && up < 0)
				return -errno;
			fd_closep(&fd);
			fd = up;
		}
		child = open_child(depth ? fd : top, name);
		if (is_gone(child))
			continue;
		if (child < 0)
			return child;
		fd_closep(&fd);
		fd = child;
		depth++;
		r = fn(arg, fd);
		if (r == 0)
			r = pending_add_children(&todo, fd, depth + 1);
		if (is_gone(r))
			r = 0;
	}
	return r;
}

/* ---- processes ------------------------------------------------------------------------------ */

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static void pid_list_done(struct pid_list *l)
{
	free(l->v);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t pa = *(const pid_t *)a, pb = *(const pid_t *)b;

	return (pa > pb) - (pa < pb);
}

static void pid_list_sort(struct pid_list *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), compare_pids);
}

/* In a list that is sorted. */
static bool pid_list_contains(const struct pid_list *l, pid_t pid)
{
	return l->n && bsearch(&pid, l->v, l->n, sizeof(*l->v), compare_pids);
}

static void pid_list_add(struct pid_list *l, pid_t pid)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = pid;
}

static int open_procs(int dirfd)
{
	int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Appends the processes of this one cgroup, as they are now. */
static int read_procs(int fd, struct pid_list *l)
{
	char buf[4096];
	unsigned pid = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0) {
			if (errno == EINTR)
				continue;
			/* A threaded cgroup: its processes are listed by the cgroup above that is
			 * the root of the threaded ones. */
			return errno == EOPNOTSUPP ? 0 : -errno;
		}
		if (n == 0)
			return 0;
		for (const char *p = buf; p < buf + n; p++) {
			if (*p >= '0' && *p <= '9') {
				pid = pid * 10 + (unsigned)(*p - '0');
				continue;
			}
			/* 0 is a process outside our pid namespace, which we cannot name. */
			if (pid > 0 && pid <= PIDS_MAX && l->n < PIDS_MAX)
				pid_list_add(l, (pid_t)pid);
			pid = 0;
		}
	}
}

static int add_procs(void *arg, int dirfd)
{
	_cleanup_close_ int fd = open_procs(dirfd);
	int r = fd < 0 ? fd : read_procs(fd, arg);

	return is_gone(r) ? 0 : r;
}

int cgroup_list_pids(int dirfd, pid_t *pids, size_t max)
{
	_cleanup_(pid_list_done) struct pid_list l = {NULL, 0, 0};
	int r = walk_tree(dirfd, add_procs, &l);

	if (r < 0)
		return r;
	if (l.n > max)
		l.n = max;
	if (l.n)
		memcpy(pids, l.v, l.n * sizeof(*pids));
	return (int)l.n;
}

int cgroup_attach(int dirfd, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return file_write_at(dirfd, "cgroup.procs", text);
}

/* ---- signals -------------------------------------------------------------------------------- */

#define SIGNAL_BATCH 64

struct signal_pass {
	int sig;
	int error;	      /* the first -errno */
	struct pid_list seen; /* all that were signalled */
};

/* `pidfd` may be a -errno: -ESRCH where the process was gone, others where there can be no pidfd
 * (-ENOSYS until Linux 5.3, -EMFILE). */
static int signal_one(pid_t pid, int pidfd, int sig)
{
	long r;

	if (pidfd >= 0)
		r = syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
	else if (pidfd == -ESRCH)
		return 0;
	else
		r = kill(pid, sig);
	return r < 0 && errno != ESRCH ? -errno : 0;
}

/* Between reading a pid and using it the process may have gone and its number be another's.
 * A pidfd whose number the cgroup still lists afterwards is of a process in the cgroup, or of one
 * that is dead, which a signal cannot hurt. */
static int signal_procs(void *arg, int dirfd)
{
	struct signal_pass *pass = arg;
	_cleanup_(pid_list_done) struct pid_list l = {NULL, 0, 0};
	/* Opened once, as the pidfds may take all descriptors that there are. */
	_cleanup_close_ int fd = open_procs(dirfd);
	int r = fd < 0 ? fd : read_procs(fd, &l);

	if (r < 0)
		return is_gone(r) ? 0 : r;
	for (size_t from = 0; from < l.n; from += SIGNAL_BATCH) {
		_cleanup_(pid_list_done) struct pid_list again = {NULL, 0, 0};
		size_t n = MIN(l.n - from, (size_t)SIGNAL_BATCH);
		int pidfds[SIGNAL_BATCH];

		for (size_t i = 0; i < n; i++) {
			pidfds[i] = (int)syscall(SYS_pidfd_open, l.v[from + i], 0);
			if (pidfds[i] < 0)
				pidfds[i] = -errno;
		}
		r = read_procs(fd, &again);
		pid_list_sort(&again);
		for (size_t i = 0; i < n; i++) {
			pid_t pid = l.v[from + i];
			int q = 0;

			if (pid_list_contains(&again, pid)) {
				q = signal_one(pid, pidfds[i], pass->sig);
				pid_list_add(&pass->seen, pid);
			}
			if (q < 0 && !pass->error)
				pass->error = q;
			fd_closep(&pidfds[i]);
		}
		if (r < 0)
			return is_gone(r) ? 0 : r;
	}
	return 0;
}

static int signal_tree(int dirfd, struct signal_pass *pass)
{
	int r = walk_tree(dirfd, signal_procs, pass);

	return r < 0 ? r : pass->error;
}

int cgroup_signal(int dirfd, int sig)
{
	struct signal_pass pass = {.sig = sig};
	int r = signal_tree(dirfd, &pass);

	pid_list_done(&pass.seen);
	return r;
}

int cgroup_freeze(int dirfd, bool freeze)
{
	return file_write_at(dirfd, "cgroup.freeze", freeze ? "1" : "0");
}

/* True where all of `now` were in `before`, which is sorted. */
static bool pids_are_known(const struct pid_list *now, const struct pid_list *before)
{
	for (size_t i = 0; i < now->n; i++)
		if (!pid_list_contains(before, now->v[i]))
			return false;
	return true;
}

/* until Linux 5.14 */
static int kill_one_by_one(int dirfd, usec_t deadline)
{
	_cleanup_(pid_list_done) struct pid_list before = {NULL, 0, 0};
	int r;

	/* Frozen processes do not fork, but freezing is not instant, and a process that sleeps
	 * uninterruptibly is not frozen at all: hence the passes. SIGKILL ends a frozen one. */
	(void)cgroup_freeze(dirfd, true);
	for (;;) {
		struct signal_pass pass = {.sig = SIGKILL};
		bool known;

		r = signal_tree(dirfd, &pass);
		known = pids_are_known(&pass.seen, &before);
		free(before.v);
		before = pass.seen;
		if (r < 0 || known)
			break;
		if (clock_monotonic_usec() >= deadline) {
			r = -ETIMEDOUT;
			break;
		}
		pid_list_sort(&before);
	}
	(void)cgroup_freeze(dirfd, false);
	return r;
}

int cgroup_kill(int dirfd, usec_t deadline)
{
	int r = force_old ? -ENOENT : file_write_at(dirfd, "cgroup.kill", "1");

	/* EOPNOTSUPP: the cgroup is threaded, its processes belong to the one above. */
	if (r == -ENOENT && !is_gone(cgroup_populated(dirfd)))
		r = kill_one_by_one(dirfd, deadline);
	return is_gone(r) ? 0 : r;
}

/* ---- waiting -------------------------------------------------------------------------------- */

int cgroup_events_open(int dirfd)
{
	int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroup_events_populated(int fd)
{
	char buf[256];
	uint64_t value;
	ssize_t n;

	do
		n = pread(fd, buf, sizeof(buf) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	if (cgroup_find_value(buf, "populated", &value) < 0)
		return -EBADMSG;
	return value != 0;
}

int cgroup_populated(int dirfd)
{
	_cleanup_close_ int fd = cgroup_events_open(dirfd);

	return fd < 0 ? fd : cgroup_events_populated(fd);
}

int cgroup_wait_empty(int dirfd, usec_t deadline)
{
	_cleanup_close_ int fd = cgroup_events_open(dirfd);
	/* The kernel tells of changes at most every 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV), counted
	 * from the last, which for a short-lived process was its start. So look by ourselves at
	 * first, and rely on the notice after that. */
	usec_t look = 100;

	if (fd < 0)
		return is_gone(fd) ? 0 : fd;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		struct timespec ts;
		int r = cgroup_events_populated(fd);
		usec_t now, wait;

		if (r <= 0)
			return is_gone(r) ? 0 : r;
		now = clock_monotonic_usec();
		if (now >= deadline)
			return -ETIMEDOUT;
		wait = MIN(usec_sub(deadline, now), look);
		look = MIN(2 * look, USEC_PER_SEC);
		ts.tv_sec = (time_t)(wait / USEC_PER_SEC);
		ts.tv_nsec = (long)(wait % USEC_PER_SEC * 1000);
		if (ppoll(&p, 1, &ts, NULL) < 0 && errno != EINTR)
			return -errno;
	}
}

/* ---- removing ------------------------------------------------------------------------------- */

/* One pass over what is below `top`, deepest first. 0, -EBUSY: something is in use. */
static int remove_below(int top, usec_t deadline)
{
	_cleanup_(closedirp) DIR *d = NULL;
	_cleanup_strv_ struct strv way = STRV_INIT; /* from the top to what d reads */
	int r = open_dir(top, &d);

	while (r >= 0) {
		_cleanup_free_ char *name = NULL;
		_cleanup_close_ int next = -1;
		bool descend = false;
		const char *child;

		while ((r = next_child(d, &child)) > 0) {
			if (unlinkat(dirfd(d), child, AT_REMOVEDIR) == 0 || errno == ENOENT)
				continue;
			if (errno != EBUSY)
				return -errno;
			descend = true;
			break;
		}
		if (is_gone(r))
			r = 0;
		if (r < 0)
			return r;
		if (clock_monotonic_usec() >= deadline)
			return -EBUSY;
		if (descend) {
			if (way.n == WALK_MAX_CGROUPS)
				return -E2BIG;
			next = open_child(dirfd(d), child);
			if (next >= 0 && !has_children(next))
				return -EBUSY;
			if (next >= 0)
				strv_add(&way, child);
			else if (is_gone(next))
				continue;
			else
				return next;
		} else {
			if (way.n == 0)
				return 0;
			name = way.v[--way.n];
			way.v[way.n] = NULL;
			next = openat(dirfd(d), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				return -errno;
			if (unlinkat(next, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				return -errno;
		}
		closedirp(&d);
		d = fdopendir(next);
		if (!d)
			return -errno;
		(void)TAKE_FD(next);
	}
	return r;
}

int cgroup_remove_tree(int parent, const char *name, const char *mark, usec_t deadline)
{
	_cleanup_close_ int fd = -1;
	usec_t work_until;

	if (!name_is_single(name))
		return -EINVAL;
	if (mark) {
		_cleanup_free_ char *found = NULL;
		int r;

		fd = cgroup_open(parent, name);
		if (fd == -ENOENT)
			return 0;
		if (fd < 0)
			return fd;
		r = cgroup_get_mark(fd, &found);
		if (is_gone(r))
			return 0;
		if (r < 0 && r != -ENODATA)
			return r;
		if (r < 0 || strcmp(found, mark) != 0)
			return -EPERM;
	}
	/* A deadline that has passed ends the waiting, not the one pass that needs none. */
	work_until = MAX(deadline, usec_add(clock_monotonic_usec(), USEC_PER_SEC));
	for (;;) {
		int r;

		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		if (fd < 0) {
			fd = cgroup_open(parent, name);
			if (fd == -ENOENT)
				return 0;
			if (fd < 0)
				return fd;
		}
		r = cgroup_wait_empty(fd, deadline);
		if (r == -ETIMEDOUT)
			return -EBUSY;
		if (r == 0 && has_children(fd))
			r = remove_below(fd, work_until);
		if (r < 0 && r != -EBUSY)
			return r;
		if (clock_monotonic_usec() >= work_until)
			return -EBUSY;
		if (r == -EBUSY)
			pause_briefly();
	}
}
