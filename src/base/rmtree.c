#include "config.h"

#include "base/rmtree.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The walk keeps its place as a stack of names in memory, one for each level, and open descriptors
 * for a few of these levels only. A level whose descriptor was given up is found again by its
 * names, from a level above that is still open: never by "..", which leads wherever somebody has
 * moved the directory meanwhile. So whatever is renamed, each step starts at the tree's own root.
 */

/* How many levels are open at once, and how many of the deepest of them always are. */
#define OPEN_LEVELS_MAX	 48
#define OPEN_LEVELS_TAIL 8

/* A directory is read again this often when something has appeared in it, and all of them together
 * that often: retries inside retries would multiply. */
#define TRIES_PER_DIR_MAX 16
#define TRIES_TOTAL_MAX	  4096

/* A reading ends after this many entries, as some file systems go on to show what is made meanwhile
 * for ever; and one that follows after as many as the one before met, so that somebody who makes
 * them faster than they can be removed does not make every reading longer than the last. */
#define ENTRIES_FIRST_MAX (1UL << 24)
#define ENTRIES_NEXT_MIN  256UL

/* Of a directory at a time. */
#define READ_BYTES 8192

/* A directory without much in it, for rmtree_flat(). */
#define FLAT_BYTES     1024
#define FLAT_READS_MAX 64

struct level {
	char *name;	     /* in the level above; NULL for the tree's parent */
	int fd;		     /* -1: given up */
	unsigned tries;	     /* readings that did not get it empty */
	unsigned long most;  /* entries that the next reading may meet */
	bool is_read;	     /* subdirs are known */
	bool is_kept;	     /* something below stays, and has been reported or is to be kept */
	struct strv subdirs; /* those that were not empty, not yet entered */
};

struct rmtree {
	struct level *levels; /* [0] is the tree's parent, [1] its root */
	size_t n, cap;
	size_t open[OPEN_LEVELS_MAX]; /* which levels have an fd, ascending; the first two stay */
	size_t n_open;
	const char *const *keep;
	rmtree_report_fn report;
	void *arg;
	unsigned tries_total;
	int error; /* the first one, as -errno */
};

static void rmtree_fail(struct rmtree *rm, const char *name, int error)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;

	rm->levels[rm->n - 1].is_kept = true;
	if (!rm->error)
		rm->error = error;
	if (!rm->report)
		return;
	for (size_t i = 1; i < rm->n; i++) {
		strbuf_adds(&path, rm->levels[i].name);
		if (i + 1 < rm->n || name)
			strbuf_addc(&path, '/');
	}
	if (name)
		strbuf_adds(&path, name);
	rm->report(rm->arg, strbuf_str(&path), -error);
}

/*
 * Gives up one open level. Those that remain lie the closer together the nearer they are to the
 * end, so that going back up costs n log n steps over all.
 */
static void rmtree_close_one(struct rmtree *rm)
{
	size_t end = rm->open[rm->n_open - 1], victim = 2;

	for (size_t i = 3; i + OPEN_LEVELS_TAIL < rm->n_open; i++) {
		size_t gap = rm->open[i + 1] - rm->open[i - 1];
		size_t least = rm->open[victim + 1] - rm->open[victim - 1];

		if (gap * (end - rm->open[victim]) < least * (end - rm->open[i]))
			victim = i;
	}
	rm->levels[rm->open[victim]].fd = fd_close(rm->levels[rm->open[victim]].fd);
	rm->n_open--;
	memmove(rm->open + victim, rm->open + victim + 1,
		(rm->n_open - victim) * sizeof(*rm->open));
}

/* `index` lies below all levels that are open. */
static void rmtree_set_open(struct rmtree *rm, size_t index, int fd)
{
	if (rm->n_open == OPEN_LEVELS_MAX)
		rmtree_close_one(rm);
	rm->levels[index].fd = fd;
	rm->open[rm->n_open++] = index;
}

static void rmtree_push(struct rmtree *rm, char *name, int fd)
{
	if (rm->n == rm->cap) {
		rm->cap = rm->cap ? rm->cap * 2 : 16;
		rm->levels = xreallocarray(rm->levels, rm->cap, sizeof(*rm->levels));
	}
	rm->levels[rm->n++] = (struct level){.name = name, .fd = -1, .most = ENTRIES_FIRST_MAX};
	rmtree_set_open(rm, rm->n - 1, fd);
}

/* Leaves the last level; returns its name, which the caller frees. */
static char *rmtree_pop(struct rmtree *rm)
{
	struct level *l = &rm->levels[--rm->n];

	if (l->fd >= 0) {
		l->fd = fd_close(l->fd);
		rm->n_open--;
	}
	strv_done(&l->subdirs);
	if (l->is_kept && rm->n)
		rm->levels[rm->n - 1].is_kept = true;
	return l->name;
}

/* True where another reading is still granted; counts it. */
static bool rmtree_may_retry(struct rmtree *rm, unsigned *tries)
{
	if (*tries >= TRIES_PER_DIR_MAX || rm->tries_total >= TRIES_TOTAL_MAX)
		return false;
	(*tries)++;
	rm->tries_total++;
	return true;
}

/* Opens level `to` by its names, from level `from`, which is open. */
static int rmtree_open_down(struct rmtree *rm, size_t from, size_t to)
{
	_cleanup_close_ int held = -1;
	int at = rm->levels[from].fd;

	for (size_t i = from + 1; i <= to;) {
		_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
		int fd;

		strbuf_adds(&path, rm->levels[i++].name);
		for (; i <= to && path.len + 1 + strlen(rm->levels[i].name) < PATH_MAX; i++)
			strbuf_addf(&path, "/%s", rm->levels[i].name);
		fd = path_open_beneath(at, path.s, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0)
			return fd;
		(void)fd_close(held);
		at = held = fd;
	}
	return TAKE_FD(held);
}

/*
 * The fd of the last level, opened again where it had been given up. Where its path is no longer
 * there the walk goes back to the level that still is and reads that one anew: what was moved
 * inside the tree is found again so, what was moved out of it is none of ours. -errno in that case.
 */
static int rmtree_last_fd(struct rmtree *rm)
{
	size_t last = rm->n - 1, from = rm->open[rm->n_open - 1];

	while (from < last) {
		size_t gap = last - from;
		size_t to = gap > OPEN_LEVELS_TAIL ? from + gap / 2 : from + 1;
		int fd = rmtree_open_down(rm, from, to);

		if (fd < 0) {
			struct level *l;

			while (rm->n - 1 > from)
				free(rmtree_pop(rm));
			l = &rm->levels[from];
			strv_clear(&l->subdirs);
			/* What stays in there is met again. */
			if (rmtree_may_retry(rm, &l->tries))
				l->is_read = l->is_kept = false;
			else
				rmtree_fail(rm, NULL, fd);
			return fd;
		}
		rmtree_set_open(rm, to, fd);
		from = to;
	}
	return rm->levels[last].fd;
}

/*
 * An ordinary user's own directory may lack the bits that its owner needs to empty it (build caches
 * are kept so); the owner may set them, through an O_PATH fd too by way of /proc.
 */
static void make_usable(int fd)
{
	char path[64];
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & S_IRWXU) == S_IRWXU)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)chmod(path, (st.st_mode & 07777) | S_IRWXU);
}

static int open_dir(int dirfd, const char *name)
{
	int fd = path_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);

	if (geteuid() == 0)
		return fd;
	if (fd == -EACCES) {
		_cleanup_close_ int entry =
			path_open_beneath(dirfd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY, 0);

		if (entry < 0)
			return fd;
		make_usable(entry);
		fd = path_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd >= 0)
		make_usable(fd);
	return fd;
}

/*
 * Removes a directory that is empty, or anything that is no directory; *is_dir is what it is
 * thought to be, and is put right.
 */
static int remove_entry(int dirfd, const char *name, bool *is_dir)
{
	for (unsigned tries = 0; tries < TRIES_PER_DIR_MAX; tries++) {
		int fd;

		if (unlinkat(dirfd, name, *is_dir ? AT_REMOVEDIR : 0) == 0)
			return 0;
		switch (errno) {
		case ENOENT:
			return 0;
		case EISDIR:
			*is_dir = true;
			continue;
		case ENOTDIR:
			if (!*is_dir)
				return -ENOTDIR;
			*is_dir = false;
			continue;
		case EEXIST: /* the other name that POSIX allows rmdir(2) for it */
			return -ENOTEMPTY;
		case EBUSY:
			/* rmdir(2) and unlink(2) say so of a mount point, before all else. */
			fd = path_open_beneath(dirfd, name, O_PATH | O_NOFOLLOW, 0);
			(void)fd_close(fd);
			return fd == -EXDEV ? -EXDEV : -EBUSY;
		default:
			return -errno;
		}
	}
	return -EBUSY;
}

static bool is_in_list(const char *const *list, const char *name)
{
	for (; list && *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* Removes what `e` names from the last level, or notes it. */
static void rmtree_remove_entry(struct rmtree *rm, const struct dirent64 *e)
{
	struct level *l = &rm->levels[rm->n - 1];
	bool is_dir = e->d_type == DT_DIR;
	int r;

	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return;
	if (rm->n == 2 && is_in_list(rm->keep, e->d_name))
		return;
	if (e->d_type == DT_UNKNOWN) {
		struct stat st;

		is_dir = fstatat(l->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 S_ISDIR(st.st_mode);
	}
	r = remove_entry(l->fd, e->d_name, &is_dir);
	/* What we may not remove from here may hold what we may. */
	if (is_dir && (r == -ENOTEMPTY || r == -EACCES || r == -EPERM))
		strv_add(&l->subdirs, e->d_name);
	else if (r < 0)
		rmtree_fail(rm, e->d_name, r);
}

/*
 * Removes from the last level all but the directories that are not empty, and notes those. By
 * getdents64(2): a stream would want a descriptor of its own and five calls to be made.
 */
static void rmtree_read_level(struct rmtree *rm)
{
	struct level *l = &rm->levels[rm->n - 1];
	_Alignas(struct dirent64) char buffer[READ_BYTES];
	unsigned long entries = 0;
	ssize_t n = 0;

	l->is_read = true;
	if (lseek(l->fd, 0, SEEK_SET) < 0)
		n = -1;
	while (n >= 0 && entries < l->most && (n = getdents64(l->fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n; entries++) {
			const struct dirent64 *e = (const void *)(buffer + at);

			rmtree_remove_entry(rm, e);
			at += e->d_reclen;
		}
	}
	/* ENOENT: the directory itself was removed by another. */
	if (n < 0 && errno != ENOENT)
		rmtree_fail(rm, NULL, -errno);
	l->most = MAX(entries, ENTRIES_NEXT_MIN);
}

/* Enters `name`, which it takes over, below the last level. */
static void rmtree_enter(struct rmtree *rm, char *name_taken)
{
	_cleanup_free_ char *name = name_taken;
	int dirfd = rmtree_last_fd(rm);
	int fd;

	if (dirfd < 0)
		return;
	fd = open_dir(dirfd, name);
	if (fd >= 0) {
		rmtree_push(rm, TAKE_PTR(name), fd);
		return;
	}
	if (fd == -ENOTDIR || fd == -ELOOP) {
		bool is_dir = false;

		fd = remove_entry(dirfd, name, &is_dir);
	}
	if (fd < 0 && fd != -ENOENT)
		rmtree_fail(rm, name, fd);
}

/* Removes the last level, which has been emptied as far as that could be, and goes up. */
static void rmtree_leave(struct rmtree *rm)
{
	const struct level *l = &rm->levels[rm->n - 1];
	bool is_root = rm->n == 2, stays = l->is_kept, is_dir = true;
	unsigned tries = l->tries;
	unsigned long most = l->most;
	_cleanup_free_ char *name = rmtree_pop(rm);
	size_t depth = rm->n;
	int dirfd, r;

	if (stays || (is_root && rm->keep && *rm->keep))
		return;
	dirfd = rmtree_last_fd(rm);
	if (dirfd < 0)
		return;
	r = remove_entry(dirfd, name, &is_dir);
	if (r == -ENOTEMPTY && rmtree_may_retry(rm, &tries)) {
		rmtree_enter(rm, TAKE_PTR(name));
		if (rm->n > depth) {
			rm->levels[depth].tries = tries;
			rm->levels[depth].most = most;
		}
	} else if (r < 0) {
		rmtree_fail(rm, name, r);
	}
}

int rmtree_at(
	int dirfd, const char *name, const char *const *keep, rmtree_report_fn report, void *arg)
{
	struct rmtree rm = {.keep = keep, .report = report, .arg = arg};
	const char *base = path_basename(name);
	_cleanup_free_ char *parent = path_dirname(name);
	int fd;

	if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return -EINVAL;
	fd = path_open_beneath(dirfd, parent, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rmtree_push(&rm, NULL, fd);
	rm.levels[0].is_read = true;
	strv_add(&rm.levels[0].subdirs, base);
	for (;;) {
		struct level *l = &rm.levels[rm.n - 1];

		if (!l->is_read) {
			rmtree_read_level(&rm);
		} else if (l->subdirs.n) {
			char *next = l->subdirs.v[--l->subdirs.n];

			l->subdirs.v[l->subdirs.n] = NULL;
			rmtree_enter(&rm, next);
		} else if (rm.n > 1) {
			rmtree_leave(&rm);
		} else {
			break;
		}
	}
	(void)rmtree_pop(&rm);
	free(rm.levels);
	return rm.error;
}

/* False: it is not for rmtree_flat(). */
static bool remove_flat_entry(int fd, const struct dirent64 *e, const char *const *keep)
{
	const char *name = e->d_name;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_in_list(keep, name))
		return true;
	if (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN)
		return false;
	return unlinkat(fd, name, 0) == 0 || errno == ENOENT;
}

bool rmtree_flat(int fd, const char *const *keep)
{
	_Alignas(struct dirent64) char buffer[FLAT_BYTES];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return false;
	for (unsigned reads = 0; reads < FLAT_READS_MAX; reads++) {
		n = getdents64(fd, buffer, sizeof(buffer));
		if (n <= 0)
			return n == 0;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buffer + at);

			if (!remove_flat_entry(fd, e, keep))
				return false;
			at += e->d_reclen;
		}
	}
	return false;
}
