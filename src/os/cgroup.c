#include "config.h"

#include "os/cgroup.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/str.h"
#include "os/cgroup-internal.h"
#include "os/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

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

/* Where the link of the first cgroup namespace leads to: its inode is PROC_CGROUP_INIT_INO,
 * 0xEFFFFFFB (Linux <linux/proc_ns.h>). */
#define FIRST_CGROUP_NAMESPACE "cgroup:[4026531835]"
/* Of the root of every hierarchy (Linux, kernfs). */
#define HIERARCHY_ROOT 1

/* By reading the link: to follow it costs twice as much. */
static bool is_first_namespace(void)
{
	char target[sizeof(FIRST_CGROUP_NAMESPACE)];
	ssize_t n = readlink("/proc/self/ns/cgroup", target, sizeof(target));

	return n == sizeof(target) - 1 && memcmp(target, FIRST_CGROUP_NAMESPACE, (size_t)n) == 0;
}

/* The two usual places, where what is there can be known without the list of mounts, which on some
 * hosts has thousands. In a namespace it cannot: a root may be that of the host. */
static const char *usual_mount(void)
{
	static const char *const usual[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;
	struct stat st;

	if (!is_first_namespace())
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (statfs(usual[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
			stat(usual[i], &st) == 0 && st.st_ino == HIERARCHY_ROOT)
			return usual[i];
	return NULL;
}

int cgroup_find_mount(char **ret)
{
	const char *usual = usual_mount();
	int r;

	if (usual) {
		*ret = xstrdup(usual);
		return 0;
	}
	r = mount_foreach(take_if_cgroup2, ret);
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

int cgroup_make(int parent, const char *name, const char *mark, bool *ret_made, char **ret_mark)
{
	usec_t deadline = 0;

	if (!cgroup_name_is_single(name))
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
				cgroup_pause_briefly();
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
