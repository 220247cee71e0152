#include "config.h"

#include "fetch/unpack_select.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "fetch/unpack_refuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct matches {
	struct strbuf path;
	uint32_t dir; /* the directory, or where the file is */
	bool is_dir;
	char *other; /* a second match */
	unsigned n;
};

static void matches_done(struct matches *m)
{
	strbuf_done(&m->path);
	free(m->other);
}

static void add_match(struct matches *m, const struct strbuf *path, uint32_t dir, bool is_dir)
{
	if (m->n++ == 0) {
		strbuf_add(&m->path, path->s, path->len);
		m->dir = dir;
		m->is_dir = is_dir;
	} else if (!m->other) {
		m->other = xstrdup(path->s);
	}
}

static int match_below(struct unpack_place *p, const char *pattern, uint32_t dir,
	struct strbuf *path, struct matches *m);

static int match_name(struct unpack_place *p, const char *name, const char *rest, uint32_t dir,
	struct strbuf *path, struct matches *m)
{
	uint32_t next = unpack_dirs_find(&p->dirs, dir, name, strlen(name));
	size_t before = path->len;
	int r = 0;

	if (next == UNPACK_DIRS_NONE && *rest)
		return 0;
	if (path->len)
		strbuf_addc(path, '/');
	strbuf_adds(path, name);
	if (*rest)
		r = match_below(p, rest, next, path, m);
	else
		add_match(m, path, next == UNPACK_DIRS_NONE ? dir : next, next != UNPACK_DIRS_NONE);
	path->len = before;
	path->s[before] = '\0';
	return r;
}

/* Tries all names of a directory, as an earlier pattern may match names that a later one drops. */
static int match_below(struct unpack_place *p, const char *pattern, uint32_t dir,
	struct strbuf *path, struct matches *m)
{
	_cleanup_free_ char *component = NULL;
	_cleanup_close_ int fd = -1;
	struct dirent *entry;
	struct stat st;
	size_t len;
	DIR *stream;
	int r;

	pattern += strspn(pattern, "/");
	len = strcspn(pattern, "/");
	component = xstrndup(pattern, len);
	pattern += len + strspn(pattern + len, "/");
	fd = unpack_place_open(p, p->root, 0, dir);
	if (fd < 0)
		return fd;
	/* What is called so is meant, brackets and all. */
	if (fstatat(fd, component, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return match_name(p, component, pattern, dir, path, m);
	if (!strpbrk(component, "*?[\\"))
		return 0;
	r = fd_opendir(fd, &stream);
	if (r < 0)
		return r;
	while (r == 0 && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			fnmatch(component, entry->d_name, 0) == 0)
			r = match_name(p, entry->d_name, pattern, dir, path, m);
	(void)closedir(stream);
	return r;
}

/* What has matched, if that is one thing. */
static int take_match(struct unpack_place *p, const struct matches *m, const char *shown,
	struct unpack_selection *ret, struct th_err *err)
{
	_cleanup_free_ char *one = str_escape(strbuf_str(&m->path), UNPACK_SHOWN_MAX);
	_cleanup_free_ char *other = m->other ? str_escape(m->other, UNPACK_SHOWN_MAX) : NULL;
	struct stat st;
	int fd;

	if (!m->n)
		return err_set(err, EXIT_DATAERR, ENOENT, "the archive holds no '%s'", shown);
	if (m->n > 1)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"'%s' matches '%s' and '%s': it must match one thing in the archive", shown,
			one, other);
	if (m->is_dir) {
		ret->top = m->dir;
		return 0;
	}
	fd = unpack_place_hold(p, m->dir);
	if (fd < 0)
		return unpack_refuse_write(err, m->path.s, -fd);
	if (fstatat(fd, path_basename(m->path.s), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return unpack_refuse_write(err, m->path.s, errno);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"'%s' is a symbolic link in the archive: name what it leads to", one);
	ret->top = m->dir;
	ret->file = xstrdup(m->path.s);
	return 0;
}

int unpack_select(struct unpack_place *p, const char *pattern, struct unpack_selection *ret,
	struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT, clean = STRBUF_INIT;
	_cleanup_free_ char *shown = str_escape(pattern, UNPACK_SHOWN_MAX);
	_cleanup_(matches_done) struct matches m = {.path = STRBUF_INIT};
	int r;

	while (*pattern == '/')
		pattern++;
	r = unpack_place_clean(p, pattern, pattern, &clean, err);
	if (r < 0 || !clean.len)
		return r;
	r = match_below(p, clean.s, 0, &path, &m);
	if (r < 0)
		return err_set(
			err, EXIT_CANTCREAT, -r, "cannot look for '%s': %s", shown, strerror(-r));
	return take_match(p, &m, shown, ret, err);
}

int unpack_select_only_file(
	struct unpack_place *p, const char *path, struct unpack_selection *ret, struct th_err *err)
{
	struct stat st;
	uint32_t dir;
	const char *name;
	int dirfd, r;

	if (p->files != 1 || !path)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the archive holds %" PRIu64 " files and links, but one file is wanted "
			"(mode = file)",
			p->files);
	/* Its name may have been taken by a later member, which then is that one file or link. */
	r = unpack_place_find(p, path, &dir, &name);
	dirfd = r == 0 ? unpack_place_hold(p, dir) : r;
	if (dirfd < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the archive holds a link, but one file is wanted (mode = file)");
	ret->top = dir;
	ret->file = xstrdup(path);
	return 0;
}

void unpack_selection_done(struct unpack_selection *s)
{
	free(s->file);
	*s = (struct unpack_selection){0};
}
