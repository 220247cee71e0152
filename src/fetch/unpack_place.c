#include "config.h"

#include "fetch/unpack_place.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "fetch/unpack_refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WORKING_MODE 0700

int unpack_place_new(struct unpack_place *p, int dirfd, const char *name,
	const struct unpack_limits *limits, struct th_err *err)
{
	int root = path_mkdir_open(dirfd, name, WORKING_MODE, NULL);

	if (root < 0)
		return err_set(err, EXIT_CANTCREAT, -root, "cannot make the directory '%s': %s",
			name, strerror(-root));
	*p = (struct unpack_place){
		.dirfd = dirfd,
		.root = root,
		.name = xstrdup(name),
		.limits = *limits,
		.held_fd = -1,
	};
	unpack_dirs_init(&p->dirs);
	return 0;
}

void unpack_place_done(struct unpack_place *p)
{
	unpack_dirs_done(&p->dirs);
	strbuf_done(&p->path);
	free(p->name);
	(void)fd_close(p->held_fd);
	(void)fd_close(p->root);
}

int unpack_place_hold(struct unpack_place *p, uint32_t dir)
{
	const struct unpack_dir *d = &p->dirs.v[dir];
	int fd;

	if (dir == 0)
		return p->root;
	if (dir == p->held)
		return p->held_fd;
	if (d->parent == 0 || d->parent == p->held) {
		/* One name, which is a directory by our table, in a place that nobody else
		 * writes to. */
		fd = openat(d->parent ? p->held_fd : p->root, d->name,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} else {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		(void)unpack_dirs_path(&p->dirs, dir, 0, &b);
		fd = path_open_beneath(p->root, b.s, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			return fd;
	}
	(void)fd_close(p->held_fd);
	p->held = dir;
	p->held_fd = fd;
	return fd;
}

int unpack_place_open(const struct unpack_place *p, int root, uint32_t top, uint32_t dir)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)unpack_dirs_path(&p->dirs, dir, top, &b);
	return path_open_beneath(root, b.len ? b.s : ".", O_RDONLY | O_DIRECTORY, 0);
}

int unpack_place_clean(const struct unpack_place *p, const char *member, const char *path,
	struct strbuf *b, struct th_err *err)
{
	uint64_t depth = 0;

	strbuf_reset(b);
	if (path_is_absolute(path))
		return unpack_refuse(err, member, "has an absolute path");
	for (;;) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			break;
		if (len == 2 && memcmp(path, "..", 2) == 0)
			return unpack_refuse(err, member, "has '..' in its path");
		if (len == 1 && *path == '.') {
			path += len;
			continue;
		}
		if (len > NAME_MAX)
			return unpack_refuse(
				err, member, "has a name of %zu bytes, over %d", len, NAME_MAX);
		if (++depth > p->limits.max_depth)
			return unpack_refuse(err, member,
				"lies deeper than %" PRIu64 " names (max-depth sets the limit)",
				p->limits.max_depth);
		if (b->len)
			strbuf_addc(b, '/');
		strbuf_add(b, path, len);
		if (b->len > UNPACK_PATH_MAX)
			return unpack_refuse(
				err, member, "has a path longer than %d bytes", UNPACK_PATH_MAX);
		path += len;
	}
	return 0;
}

static int count_member(struct unpack_place *p, struct th_err *err)
{
	if (p->members >= p->limits.max_files)
		return err_set(err, EXIT_DATAERR, EFBIG,
			"the archive holds more than %" PRIu64
			" files and directories (max-files sets the limit)",
			p->limits.max_files);
	p->members++;
	return 0;
}

/* Why `name`, which is in the way of a directory, is none. */
static const char *kind_at(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return "a symbolic link";
	return "a file";
}

int unpack_place_make_dir(struct unpack_place *p, uint32_t parent, const char *name, uint32_t *ret,
	struct th_err *err)
{
	int dirfd = unpack_place_hold(p, parent);

	if (dirfd < 0)
		return unpack_refuse_write(err, p->path.s, -dirfd);
	if (mkdirat(dirfd, name, WORKING_MODE) < 0)
		return errno == EEXIST ? -EEXIST : unpack_refuse_write(err, p->path.s, errno);
	/* a umask may have taken our own rights */
	if (fchmodat(dirfd, name, WORKING_MODE, 0) < 0)
		return unpack_refuse_write(err, p->path.s, errno);
	*ret = unpack_dirs_add(&p->dirs, parent, name, strlen(name));
	return 0;
}

/* Of the member in work: the directory of the first `len` bytes of its path, a new one. */
static int make_parent(
	struct unpack_place *p, size_t len, uint32_t parent, uint32_t *ret, struct th_err *err)
{
	_cleanup_free_ char *parents = xstrndup(p->path.s, len), *shown = NULL;
	const char *name = path_basename(parents);
	int r = count_member(p, err);

	if (r < 0)
		return r;
	r = unpack_place_make_dir(p, parent, name, ret, err);
	if (r != -EEXIST)
		return r;
	shown = str_escape(parents, UNPACK_SHOWN_MAX);
	return unpack_refuse(err, p->path.s, "leads through '%s', which is %s", shown,
		kind_at(unpack_place_hold(p, parent), name));
}

/* Finds or makes the directory that the member in work lies in. */
static int make_parents(
	struct unpack_place *p, uint32_t *ret, const char **ret_name, struct th_err *err)
{
	const char *name = p->path.s;
	uint32_t dir = 0;

	for (;;) {
		size_t len = strcspn(name, "/");
		uint32_t next;

		if (!name[len])
			break;
		next = unpack_dirs_find(&p->dirs, dir, name, len);
		if (next == UNPACK_DIRS_NONE) {
			int r = make_parent(p, (size_t)(name - p->path.s) + len, dir, &next, err);

			if (r < 0)
				return r;
		}
		dir = next;
		name += len + 1;
	}
	*ret = dir;
	*ret_name = name;
	return 0;
}

int unpack_place_member(struct unpack_place *p, const char *path, uint32_t *ret_dir,
	const char **ret_name, struct th_err *err)
{
	int r;

	r = unpack_place_clean(p, path, path, &p->path, err);
	if (r < 0)
		return r;
	if (!p->path.len)
		return 1;
	r = count_member(p, err);
	return r < 0 ? r : make_parents(p, ret_dir, ret_name, err);
}

static void forget_directory(struct unpack_place *p, uint32_t i)
{
	unpack_dirs_forget(&p->dirs, i);
	if (p->held == i) {
		p->held = 0;
		p->held_fd = fd_close(p->held_fd);
	}
}

int unpack_place_make_way(
	struct unpack_place *p, uint32_t dir, const char *name, struct th_err *err)
{
	uint32_t old = unpack_dirs_find(&p->dirs, dir, name, strlen(name));
	int dirfd = unpack_place_hold(p, dir);

	if (dirfd < 0)
		return unpack_refuse_write(err, p->path.s, -dirfd);
	if (unlinkat(dirfd, name, old == UNPACK_DIRS_NONE ? 0 : AT_REMOVEDIR) < 0) {
		if (errno == ENOTEMPTY || errno == EEXIST)
			return unpack_refuse(err, p->path.s,
				"comes again as something else, as a directory it holds members");
		return unpack_refuse_write(err, p->path.s, errno);
	}
	if (old == UNPACK_DIRS_NONE)
		p->files--;
	else
		forget_directory(p, old);
	return 0;
}

int unpack_place_find(
	const struct unpack_place *p, const char *clean, uint32_t *ret_dir, const char **ret_name)
{
	uint32_t dir = 0;

	for (;;) {
		size_t len = strcspn(clean, "/");
		uint32_t next = unpack_dirs_find(&p->dirs, dir, clean, len);

		if (!clean[len]) {
			if (!len || next != UNPACK_DIRS_NONE)
				return -EISDIR;
			*ret_dir = dir;
			*ret_name = clean;
			return 0;
		}
		if (next == UNPACK_DIRS_NONE)
			return -ENOENT;
		dir = next;
		clean += len + 1;
	}
}
