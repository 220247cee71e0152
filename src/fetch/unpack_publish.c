#include "config.h"

#include "fetch/unpack_publish.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/treelink.h"
#include "fetch/unpack_refuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TOP_MODE 0755

static int move_selected(struct unpack_place *p, const struct unpack_selection *s, const char *name)
{
	const char *from;
	uint32_t dir;
	int dirfd;

	if (s->top == 0 && !s->file) {
		if (strcmp(name, p->name) == 0)
			return 0;
		return renameat(p->dirfd, p->name, p->dirfd, name) < 0 ? -errno : 0;
	}
	from = s->file ? path_basename(s->file) : p->dirs.v[s->top].name;
	dir = s->file ? s->top : p->dirs.v[s->top].parent;
	dirfd = unpack_place_hold(p, dir);
	if (dirfd < 0)
		return dirfd;
	return renameat(dirfd, from, p->dirfd, name) < 0 ? -errno : 0;
}

static int check_link(int root, const char *path, int dirfd, const char *name, struct th_err *err)
{
	_cleanup_free_ char *target = xmalloc(PATH_MAX);
	ssize_t n = readlinkat(dirfd, name, target, PATH_MAX - 1);
	int r;

	if (n < 0)
		return errno == EINVAL ? 0 : unpack_refuse_write(err, path, errno);
	target[n] = '\0';
	r = treelink_check(root, path, target);
	if (r == -EXDEV)
		return unpack_refuse_link(err, path, target);
	return r < 0 ? unpack_refuse_write(err, path, -r) : 0;
}

static int check_links_in(const struct unpack_place *p, const struct unpack_selection *s, int root,
	uint32_t dir, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	_cleanup_close_ int fd = unpack_place_open(p, root, s->top, dir);
	struct dirent *entry;
	size_t len;
	DIR *stream;
	int r;

	(void)unpack_dirs_path(&p->dirs, dir, s->top, &path);
	if (path.len)
		strbuf_addc(&path, '/');
	len = path.len;
	r = fd < 0 ? fd : fd_opendir(fd, &stream);
	if (r < 0)
		return unpack_refuse_write(err, strbuf_str(&path), -r);
	while (r == 0 && (entry = readdir(stream))) {
		if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
			continue;
		path.len = len;
		strbuf_adds(&path, entry->d_name);
		r = check_link(root, path.s, fd, entry->d_name, err);
	}
	(void)closedir(stream);
	return r;
}

static bool is_selected(const struct unpack_place *p, const struct unpack_selection *s, uint32_t i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	return !p->dirs.v[i].gone && (s->top == 0 || unpack_dirs_path(&p->dirs, i, s->top, &b));
}

static int set_modes(const struct unpack_place *p, const struct unpack_selection *s, int root,
	uint32_t i, struct th_err *err)
{
	const struct unpack_dir *d = &p->dirs.v[i];
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, d->mtime};
	_cleanup_close_ int fd = unpack_place_open(p, root, s->top, i);

	if (fd < 0)
		return unpack_refuse_write(err, d->name, -fd);
	if (fchmod(fd, i == s->top ? TOP_MODE : d->mode) < 0)
		return unpack_refuse_write(err, d->name, errno);
	if (d->has_mtime)
		(void)futimens(fd, times);
	return 0;
}

int unpack_publish(struct unpack_place *p, const struct unpack_selection *s, bool check_links,
	const char *name, struct th_err *err)
{
	_cleanup_close_ int root = -1;
	int r;

	r = move_selected(p, s, name);
	if (r < 0)
		return unpack_refuse_write(err, name, -r);
	if (s->file)
		return 0;
	root = openat(p->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return unpack_refuse_write(err, name, errno);
	if (check_links)
		for (uint32_t i = 0; r == 0 && i < p->dirs.n; i++)
			if (is_selected(p, s, i))
				r = check_links_in(p, s, root, i, err);
	/* A directory is made after the one it lies in, so from the last to the first none is
	 * closed before what it holds is done. */
	for (uint32_t i = p->dirs.n; r == 0 && i-- > 0;)
		if (is_selected(p, s, i))
			r = set_modes(p, s, root, i, err);
	return r;
}
