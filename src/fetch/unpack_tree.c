#include "config.h"

#include "fetch/unpack_tree.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/treelink.h"
#include "fetch/unpack_place.h"
#include "fetch/unpack_publish.h"
#include "fetch/unpack_refuse.h"
#include "fetch/unpack_select.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODE_KEPT 0777

struct unpack_tree {
	struct unpack_place place;
	uint64_t unpacked;

	/* the file in work */
	int file;
	struct strbuf file_path;
	uint64_t file_size, file_end;

	char *a_file;	  /* the last regular file that was made */
	bool has_links;	  /* symbolic ones */
	bool links_again; /* to be looked at in the finished tree */
	struct unpack_selection selection;
};

int unpack_tree_new(int dirfd, const char *name, const struct unpack_limits *limits,
	struct unpack_tree **ret, struct th_err *err)
{
	_cleanup_free_ struct unpack_tree *t = xcalloc(1, sizeof(*t));
	int r = unpack_place_new(&t->place, dirfd, name, limits, err);

	if (r < 0)
		return r;
	t->file = -1;
	*ret = TAKE_PTR(t);
	return 0;
}

void unpack_tree_free(struct unpack_tree *t)
{
	if (!t)
		return;
	unpack_place_done(&t->place);
	unpack_selection_done(&t->selection);
	strbuf_done(&t->file_path);
	free(t->a_file);
	(void)fd_close(t->file);
	free(t);
}

uint64_t unpack_tree_unpacked(const struct unpack_tree *t)
{
	return t->unpacked;
}

uint64_t unpack_tree_files(const struct unpack_tree *t)
{
	return t->place.files;
}

/* ---- directories and links ---- */

static void set_directory(struct unpack_dir *d, mode_t mode, const struct timespec *mtime)
{
	d->mode = mode & MODE_KEPT;
	d->has_mtime = mtime != NULL;
	if (mtime)
		d->mtime = *mtime;
}

int unpack_tree_add_directory(struct unpack_tree *t, const char *path, mode_t mode,
	const struct timespec *mtime, struct th_err *err)
{
	uint32_t parent, dir;
	const char *name;
	int r;

	r = unpack_place_member(&t->place, path, &parent, &name, err);
	if (r < 0)
		return r;
	if (r > 0) {
		set_directory(&t->place.dirs.v[0], mode, mtime);
		return 0;
	}
	dir = unpack_dirs_find(&t->place.dirs, parent, name, strlen(name));
	if (dir == UNPACK_DIRS_NONE) {
		r = unpack_place_make_dir(&t->place, parent, name, &dir, err);
		if (r == -EEXIST) {
			r = unpack_place_make_way(&t->place, parent, name, err);
			if (r == 0)
				r = unpack_place_make_dir(&t->place, parent, name, &dir, err);
		}
		if (r < 0)
			return r;
	}
	set_directory(&t->place.dirs.v[dir], mode, mtime);
	return 0;
}

static int refuse_root(struct th_err *err, const char *path)
{
	return unpack_refuse(
		err, path, "is the archive's own top directory and cannot be a file or link");
}

/* By its text; what that leaves open is looked at in the finished tree. */
static int judge_link(
	struct unpack_tree *t, const char *path, const char *target, struct th_err *err)
{
	t->has_links = true;
	switch (treelink_classify(path, target)) {
	case TREELINK_INSIDE:
		return 0;
	case TREELINK_UNSURE:
		t->links_again = true;
		return 0;
	case TREELINK_OUTSIDE:
		break;
	}
	return unpack_refuse_link(err, path, target);
}

int unpack_tree_add_symlink(struct unpack_tree *t, const char *path, const char *target,
	const struct timespec *mtime, struct th_err *err)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	uint32_t dir;
	const char *name;
	int dirfd, r;

	r = unpack_place_member(&t->place, path, &dir, &name, err);
	if (r != 0)
		return r < 0 ? r : refuse_root(err, path);
	r = judge_link(t, t->place.path.s, target, err);
	if (r < 0)
		return r;
	if (strlen(target) > UNPACK_PATH_MAX)
		return unpack_refuse(err, t->place.path.s,
			"is a link whose target is longer than %d bytes", UNPACK_PATH_MAX);
	dirfd = unpack_place_hold(&t->place, dir);
	if (dirfd < 0)
		return unpack_refuse_write(err, t->place.path.s, -dirfd);
	r = symlinkat(target, dirfd, name) < 0 ? -errno : 0;
	if (r == -EEXIST) {
		r = unpack_place_make_way(&t->place, dir, name, err);
		if (r < 0)
			return r;
		r = symlinkat(target, dirfd, name) < 0 ? -errno : 0;
	}
	if (r < 0)
		return unpack_refuse_write(err, t->place.path.s, -r);
	if (mtime) {
		times[1] = *mtime;
		/* A time is not worth failing for: not every file system has it for links. */
		(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
	}
	t->place.files++;
	return 0;
}

/* A hard link to a symbolic link is that link at another place, where it may lead elsewhere. */
static int judge_linked(struct unpack_tree *t, int dirfd, const char *name, struct th_err *err)
{
	_cleanup_free_ char *target = xmalloc(PATH_MAX);
	ssize_t n;

	if (!t->has_links)
		return 0;
	n = readlinkat(dirfd, name, target, PATH_MAX - 1);
	if (n < 0)
		return errno == EINVAL ? 0 : unpack_refuse_write(err, t->place.path.s, errno);
	target[n] = '\0';
	return judge_link(t, t->place.path.s, target, err);
}

static int link_target(struct unpack_tree *t, uint32_t target_dir, const char *target_name,
	uint32_t dir, const char *name)
{
	_cleanup_close_ int target_fd = -1;
	int dirfd;

	target_fd = unpack_place_open(&t->place, t->place.root, 0, target_dir);
	if (target_fd < 0)
		return target_fd;
	dirfd = unpack_place_hold(&t->place, dir);
	if (dirfd < 0)
		return dirfd;
	return linkat(target_fd, target_name, dirfd, name, 0) < 0 ? -errno : 0;
}

int unpack_tree_add_hardlink(
	struct unpack_tree *t, const char *path, const char *target, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf clean = STRBUF_INIT;
	_cleanup_free_ char *shown = str_escape(target, UNPACK_SHOWN_MAX);
	uint32_t dir, target_dir;
	const char *name, *target_name;
	int r;

	r = unpack_place_member(&t->place, path, &dir, &name, err);
	if (r != 0)
		return r < 0 ? r : refuse_root(err, path);
	r = unpack_place_clean(&t->place, target, target, &clean, NULL);
	if (r < 0)
		return unpack_refuse_link(err, t->place.path.s, target);
	if (strcmp(strbuf_str(&clean), t->place.path.s) == 0)
		return unpack_refuse(err, t->place.path.s, "is a hard link to itself");
	r = unpack_place_find(&t->place, strbuf_str(&clean), &target_dir, &target_name);
	if (r == 0) {
		r = link_target(t, target_dir, target_name, dir, name);
		if (r == -EEXIST) {
			r = unpack_place_make_way(&t->place, dir, name, err);
			if (r < 0)
				return r;
			r = link_target(t, target_dir, target_name, dir, name);
		}
	}
	if (r == -ENOENT)
		return unpack_refuse(err, t->place.path.s,
			"is a hard link to '%s', which the archive does not hold before it", shown);
	if (r == -EISDIR)
		return unpack_refuse(
			err, t->place.path.s, "is a hard link to '%s', a directory", shown);
	if (r < 0)
		return unpack_refuse_write(err, t->place.path.s, -r);
	t->place.files++;
	return judge_linked(t, unpack_place_hold(&t->place, dir), name, err);
}

/* ---- files ---- */

static int count_bytes(struct unpack_tree *t, uint64_t n, struct th_err *err)
{
	if (n > t->place.limits.max_unpacked - t->unpacked) {
		_cleanup_free_ char *shown = str_escape(t->file_path.s, UNPACK_SHOWN_MAX);

		return err_set(err, EXIT_DATAERR, EFBIG,
			"the archive unpacks to more than %" PRIu64
			" bytes with member '%s' (max-unpacked sets the limit)",
			t->place.limits.max_unpacked, shown);
	}
	t->unpacked += n;
	return 0;
}

static int create_file(struct unpack_tree *t, uint32_t dir, const char *name, struct th_err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int dirfd = unpack_place_hold(&t->place, dir);

	if (dirfd < 0)
		return unpack_refuse_write(err, t->place.path.s, -dirfd);
	t->file = openat(dirfd, name, flags, 0600);
	if (t->file < 0 && errno == EEXIST) {
		int r = unpack_place_make_way(&t->place, dir, name, err);

		if (r < 0)
			return r;
		t->file = openat(dirfd, name, flags, 0600);
	}
	if (t->file < 0)
		return unpack_refuse_write(err, t->place.path.s, errno);
	t->place.files++;
	return 0;
}

/* The file that a hard link has just been made to. */
static int reopen_linked(struct unpack_tree *t, struct th_err *err)
{
	struct stat st;
	uint32_t dir;
	const char *name;
	int dirfd, r;

	r = unpack_place_find(&t->place, t->place.path.s, &dir, &name);
	dirfd = r == 0 ? unpack_place_hold(&t->place, dir) : r;
	if (dirfd < 0)
		return unpack_refuse_write(err, t->place.path.s, -dirfd);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return unpack_refuse_write(err, t->place.path.s, errno);
	if (!S_ISREG(st.st_mode))
		return unpack_refuse(
			err, t->place.path.s, "is a hard link to a symbolic link, with data");
	/* It has its mode already, which need not let us write. */
	if (fchmodat(dirfd, name, 0600, 0) < 0)
		return unpack_refuse_write(err, t->place.path.s, errno);
	t->file = openat(dirfd, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	return t->file < 0 ? unpack_refuse_write(err, t->place.path.s, errno) : 0;
}

int unpack_tree_open_file(
	struct unpack_tree *t, const char *path, uint64_t size, bool again, struct th_err *err)
{
	uint32_t dir = 0;
	const char *name = NULL;
	int r;

	if (again) {
		r = reopen_linked(t, err);
		if (r < 0)
			return r;
	} else {
		r = unpack_place_member(&t->place, path, &dir, &name, err);
		if (r != 0)
			return r < 0 ? r : refuse_root(err, path);
		r = create_file(t, dir, name, err);
		if (r < 0)
			return r;
	}
	strbuf_reset(&t->file_path);
	strbuf_add(&t->file_path, t->place.path.s, t->place.path.len);
	t->file_end = 0;
	t->file_size = size == UINT64_MAX ? 0 : size;
	/* Before a byte is written: a header that lies costs nothing then. */
	return count_bytes(t, t->file_size, err);
}

int unpack_tree_write(
	struct unpack_tree *t, const void *data, size_t n, uint64_t offset, struct th_err *err)
{
	const char *p = data;
	uint64_t end;

	if (offset > INT64_MAX - n)
		return unpack_refuse(err, t->file_path.s, "has data beyond the end of all files");
	end = offset + n;
	if (end > t->file_size) {
		int r = count_bytes(t, end - t->file_size, err);

		if (r < 0)
			return r;
		t->file_size = end;
	}
	while (n > 0) {
		ssize_t done = pwrite(t->file, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return unpack_refuse_write(err, t->file_path.s, errno);
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	t->file_end = MAX(t->file_end, end);
	return 0;
}

int unpack_tree_close_file(
	struct unpack_tree *t, mode_t mode, const struct timespec *mtime, struct th_err *err)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	int fd = TAKE_FD(t->file);
	int r = 0;

	/* a hole at the end */
	if (t->file_end < t->file_size && ftruncate(fd, (off_t)t->file_size) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, mode & MODE_KEPT) < 0)
		r = -errno;
	if (mtime) {
		times[1] = *mtime;
		/* A time that the file system cannot hold is not worth failing for. */
		(void)futimens(fd, times);
	}
	/* Some file systems tell only here that there is no room. */
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	if (r < 0)
		return unpack_refuse_write(err, t->file_path.s, -r);
	str_replace(&t->a_file, t->file_path.s);
	return 0;
}

/* ---- what counts of it ---- */

int unpack_tree_select(struct unpack_tree *t, const char *pattern, struct th_err *err)
{
	return unpack_select(&t->place, pattern, &t->selection, err);
}

int unpack_tree_select_only_file(struct unpack_tree *t, struct th_err *err)
{
	return unpack_select_only_file(&t->place, t->a_file, &t->selection, err);
}

bool unpack_tree_is_dir(const struct unpack_tree *t)
{
	return !t->selection.file;
}

const char *unpack_tree_file_path(const struct unpack_tree *t)
{
	return t->selection.file;
}

int unpack_tree_publish(struct unpack_tree *t, const char *name, struct th_err *err)
{
	/* What leads nowhere but inside the whole may lead out of a part of it. */
	bool check_links = t->links_again || (t->has_links && t->selection.top != 0);

	return unpack_publish(&t->place, &t->selection, check_links, name, err);
}
