#include "config.h"

#include "run/publish.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/treelink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 200

/* One more name of a file that has several. */
struct hard_link {
	ino_t ino; /* of the tree's file system */
	nlink_t nlink;
	size_t entry;
};

struct scan {
	struct publish_tree *tree;
	const struct publish_limits *limits;
	int root_fd;
	dev_t dev;
	size_t cap;
	struct hard_link *links;
	size_t n_links;
	uint64_t bytes;
	struct th_err *err;
};

/* A directory, and not what a link leads to. As openat(2). */
static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- looking at it --------------------------------------------------------------------------- */

void publish_done(struct publish_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		free(tree->entries[i].path);
	free(tree->entries);
	*tree = (struct publish_tree)PUBLISH_TREE_INIT;
}

PRINTF_ATTR(3, 4)
static int refuse(struct th_err *err, const char *path, const char *fmt, ...)
{
	_cleanup_free_ char *shown = str_escape(path, SHOWN_MAX), *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return err_set(err, EXIT_DATAERR, EINVAL, "'%s' %s", *shown ? shown : PUBLISH_TREE, text);
}

static int cannot(struct th_err *err, const char *what, const char *path, int errnum)
{
	_cleanup_free_ char *shown = str_escape(path, SHOWN_MAX);

	return err_set(err, EXIT_CANTCREAT, errnum, "cannot %s '%s': %s", what,
		*shown ? shown : PUBLISH_TREE, strerror(errnum));
}

static void note_link(struct scan *s, const struct stat *st, size_t entry)
{
	s->links = xreallocarray(s->links, s->n_links + 1, sizeof(*s->links));
	s->links[s->n_links++] =
		(struct hard_link){.ino = st->st_ino, .nlink = st->st_nlink, .entry = entry};
}

static int check_file(struct scan *s, const struct stat *st, const char *path)
{
	if (st->st_mode & (S_ISUID | S_ISGID))
		return refuse(s->err, path, "has its set-user-ID or set-group-ID bit set");
	/* All names of one file hold the same bytes; each counts, as each may be unpacked. */
	s->bytes += (uint64_t)st->st_size;
	if (s->bytes > s->limits->max_bytes)
		return refuse(s->err, path, "makes it more than %" PRIu64 " bytes (max-unpacked)",
			s->limits->max_bytes);
	return 0;
}

static int check_link(struct scan *s, int dirfd, const char *name, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));
	int r;

	if (n < 0)
		return cannot(s->err, "read the link", path, errno);
	if (n == (ssize_t)sizeof(target))
		return refuse(s->err, path, "is a link with too long a target");
	target[n] = '\0';
	r = treelink_check(s->root_fd, path, target);
	if (r == -EXDEV) {
		_cleanup_free_ char *shown = str_escape(target, SHOWN_MAX);

		return refuse(s->err, path, "is a link that leads outside: '%s'", shown);
	}
	return r < 0 ? cannot(s->err, "check the link", path, -r) : 0;
}

static int scan_dir(struct scan *s, int fd, const char *path, unsigned depth);

/* A directory of ours that an archive made unreadable cannot be moved or removed either. Root can
 * do without. */
static int open_subdir(int dirfd, const char *name, mode_t mode)
{
	int fd;

	if (geteuid() != 0 && (mode & S_IRWXU) != S_IRWXU &&
		fchmodat(dirfd, name, (mode | S_IRWXU) & 07777, 0) < 0)
		return -errno;
	fd = open_dir(dirfd, name);
	return fd < 0 ? -errno : fd;
}

static int scan_entry(struct scan *s, int dirfd, const char *name, const char *path,
	const struct stat *st, unsigned depth)
{
	_cleanup_close_ int fd = -1;

	if (st->st_dev != s->dev)
		return refuse(s->err, path, "is on another file system");
	if (S_ISREG(st->st_mode))
		return check_file(s, st, path);
	if (S_ISLNK(st->st_mode))
		return check_link(s, dirfd, name, path);
	if (!S_ISDIR(st->st_mode))
		return refuse(s->err, path, "is neither a file, a directory nor a symbolic link");
	fd = open_subdir(dirfd, name, st->st_mode);
	if (fd < 0)
		return cannot(s->err, "read the directory", path, -fd);
	return scan_dir(s, fd, path, depth + 1);
}

static int add_entry(
	struct scan *s, int dirfd, const char *name, const char *parent, unsigned depth)
{
	struct publish_tree *t = s->tree;
	_cleanup_free_ char *path = *parent ? xasprintf("%s/%s", parent, name) : xstrdup(name);
	struct stat st;

	if (t->n >= s->limits->max_files)
		return refuse(s->err, path, "makes it more than %" PRIu64 " files (max-files)",
			s->limits->max_files);
	if (depth > s->limits->max_depth)
		return refuse(s->err, path, "lies deeper than %u directories (max-depth)",
			s->limits->max_depth);
	if (strlen(path) >= PATH_MAX)
		return refuse(s->err, path, "has too long a path");
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot(s->err, "look at", path, errno);
	if (t->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		t->entries = xreallocarray(t->entries, s->cap, sizeof(*t->entries));
	}
	t->entries[t->n++] = (struct publish_entry){
		.path = xstrdup(path),
		.mode = st.st_mode,
		.size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size,
		.mtime_nsec = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
	};
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		note_link(s, &st, t->n - 1);
	return scan_entry(s, dirfd, name, path, &st, depth);
}

static int scan_dir(struct scan *s, int fd, const char *path, unsigned depth)
{
	struct dirent *e;
	DIR *d = NULL;
	int r = fd_opendir(fd, &d);

	if (r < 0)
		return cannot(s->err, "read the directory", path, -r);
	while (errno = 0, r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = add_entry(s, fd, e->d_name, path, depth);
	if (r == 0 && errno)
		r = cannot(s->err, "read the directory", path, errno);
	closedir(d);
	return r;
}

static int compare_links(const void *a, const void *b)
{
	const struct hard_link *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return 0;
}

/* A file has as many names as were found in the tree: none outside, through which somebody could
 * change it later, or which would get another owner with it. */
static int check_hard_links(struct scan *s)
{
	if (s->n_links)
		qsort(s->links, s->n_links, sizeof(*s->links), compare_links);
	for (size_t i = 0; i < s->n_links;) {
		size_t n = 1;

		while (i + n < s->n_links && s->links[i + n].ino == s->links[i].ino)
			n++;
		if (s->links[i].nlink != n)
			return refuse(s->err, s->tree->entries[s->links[i].entry].path,
				"is a hard link to a file that is not part of it");
		i += n;
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct publish_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int scan_file(struct scan *s, const struct stat *st)
{
	s->tree->file = (struct publish_entry){.mode = st->st_mode,
		.size = (uint64_t)st->st_size,
		.mtime_nsec = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec};
	if (st->st_nlink != 1)
		return refuse(s->err, "", "is a hard link to a file that is not part of it");
	return check_file(s, st, "");
}

int publish_scan(int staging_fd, const struct publish_limits *limits, struct publish_tree *ret,
	struct th_err *err)
{
	struct scan s = {.tree = ret, .limits = limits, .root_fd = -1, .err = err};
	struct stat st;
	int r;

	ret->staging_fd = staging_fd;
	if (fstatat(staging_fd, PUBLISH_TREE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, EXIT_INTERNAL, errno,
			"the helper left no '" PUBLISH_TREE "' behind: %m");
	s.dev = st.st_dev;
	if (S_ISREG(st.st_mode))
		return scan_file(&s, &st);
	if (!S_ISDIR(st.st_mode))
		return refuse(err, "", "is neither a file nor a directory");
	ret->is_dir = true;
	s.root_fd = open_subdir(staging_fd, PUBLISH_TREE, st.st_mode);
	if (s.root_fd < 0)
		return cannot(err, "read the directory", "", -s.root_fd);
	r = scan_dir(&s, s.root_fd, "", 1);
	if (r == 0)
		r = check_hard_links(&s);
	if (r == 0 && ret->n)
		qsort(ret->entries, ret->n, sizeof(*ret->entries), compare_entries);
	free(s.links);
	fd_close(s.root_fd);
	return r;
}

/* ---- owners ---------------------------------------------------------------------------------- */

static int set_owner_of(int dirfd, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	_cleanup_close_ int fd = path_open_beneath(dirfd, path,
		S_ISDIR(mode) ? O_RDONLY | O_DIRECTORY | O_NOFOLLOW : O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	/* The directory that it was made in may have had it. */
	if (S_ISDIR(mode) && (mode & (S_ISGID | S_ISUID)) &&
		fchmod(fd, mode & 07777 & ~(mode_t)(S_ISGID | S_ISUID)) < 0)
		return -errno;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int publish_set_owner(const struct publish_tree *tree, uid_t uid, gid_t gid, struct th_err *err)
{
	_cleanup_close_ int root = -1;
	int r = set_owner_of(
		tree->staging_fd, PUBLISH_TREE, tree->is_dir ? S_IFDIR : tree->file.mode, uid, gid);

	if (r < 0)
		return cannot(err, "set the owner of", "", -r);
	if (!tree->is_dir)
		return 0;
	root = open_dir(tree->staging_fd, PUBLISH_TREE);
	if (root < 0)
		return cannot(err, "read the directory", "", errno);
	for (size_t i = 0; i < tree->n; i++) {
		const struct publish_entry *e = &tree->entries[i];

		r = set_owner_of(root, e->path, e->mode, uid, gid);
		if (r < 0)
			return cannot(err, "set the owner of", e->path, -r);
	}
	return 0;
}

/* ---- to its place ---------------------------------------------------------------------------- */

/* What was done, to be undone newest first. */
enum deed_kind {
	DEED_MADE_DIR, /* path below the base */
	DEED_NEW,      /* path below the destination, and below the tree before */
	DEED_SWAPPED,  /* the old one is in the tree now */
	DEED_KEPT,     /* where the file system cannot swap: the old one has a second name */
	DEED_REPLACED, /* nor that: the old one is gone */
};
struct deed {
	enum deed_kind kind;
	char *path;
	char *kept; /* that name, in the staging directory */
};

struct publishing {
	const struct publish_tree *tree;
	const struct publish_where *where;
	int from_fd, to_fd; /* the tree (or the staging directory), the destination */
	struct deed *deeds;
	size_t n_deeds, cap;
	unsigned n_kept;
	bool dry; /* only looks for what is in the way */
	struct th_err *err;
};

static void note_deed(struct publishing *p, enum deed_kind kind, const char *path)
{
	if (p->n_deeds == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->deeds = xreallocarray(p->deeds, p->cap, sizeof(*p->deeds));
	}
	p->deeds[p->n_deeds++] = (struct deed){.kind = kind, .path = xstrdup(path)};
}

/* The path as people know it. The caller frees it. */
static char *shown_path(const struct publishing *p, const char *path)
{
	const struct publish_where *w = p->where;
	_cleanup_free_ char *all = xasprintf(
		"%s%s%s%s%s", w->base, *w->dir ? "/" : "", w->dir, *path ? "/" : "", path);

	return str_escape(all, 0);
}

static int cannot_put(struct publishing *p, const char *path, int errnum)
{
	_cleanup_free_ char *shown = shown_path(p, path);

	if (errnum == ENOTDIR || errnum == ELOOP)
		return err_set(p->err, EXIT_CANTCREAT, errnum,
			"cannot make '%s': a file or a link is in the way (remove it)", shown);
	return err_set(
		p->err, EXIT_CANTCREAT, errnum, "cannot make '%s': %s", shown, strerror(errnum));
}

static int refuse_kind(struct publishing *p, const char *path, bool new_is_dir)
{
	_cleanup_free_ char *shown = shown_path(p, path);

	return err_set(p->err, EXIT_DATAERR, new_is_dir ? ENOTDIR : EISDIR,
		new_is_dir ? "it holds a directory '%s', and '%s' is something else"
			   : "it holds a file '%s', and '%s' is a directory",
		*path ? path : PUBLISH_TREE, shown);
}

/* Without replacing. */
static int rename_new(int from, const char *name, int to, const char *as)
{
	struct stat st;

	if (renameat2(from, name, to, as, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system that knows no flags. */
	if (fstatat(to, as, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(from, name, to, as) < 0 ? -errno : 0;
}

/* A second name for what is about to be replaced; NULL where it can have none. The caller frees it.
 * Nobody else writes to the staging directory any more. */
static char *keep_old(struct publishing *p, int to, const char *as)
{
	char *name = xasprintf(PUBLISH_TREE ".old.%u", p->n_kept);

	if (linkat(to, as, p->tree->staging_fd, name, 0) < 0) {
		free(name);
		return NULL;
	}
	p->n_kept++;
	return name;
}

/* Over something that is no directory. */
static int put_over(
	struct publishing *p, int from, int to, const char *name, const char *as, const char *path)
{
	_cleanup_free_ char *kept = NULL;

	if (renameat2(from, name, to, as, RENAME_EXCHANGE) == 0) {
		note_deed(p, DEED_SWAPPED, path);
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return cannot_put(p, path, errno);
	kept = keep_old(p, to, as);
	if (renameat(from, name, to, as) < 0)
		return cannot_put(p, path, errno);
	note_deed(p, kept ? DEED_KEPT : DEED_REPLACED, path);
	p->deeds[p->n_deeds - 1].kept = TAKE_PTR(kept);
	return 0;
}

static int merge_dir(struct publishing *p, int from, int to, const char *path);

/* What is there already, of the same name. */
static int merge_existing(struct publishing *p, int from, int to, const char *name,
	const char *path, mode_t old, mode_t new)
{
	_cleanup_close_ int from_sub = -1, to_sub = -1;

	if (S_ISDIR(old) != S_ISDIR(new))
		return refuse_kind(p, path, S_ISDIR(new));
	if (!S_ISDIR(new))
		return p->dry ? 0 : put_over(p, from, to, name, name, path);
	from_sub = open_dir(from, name);
	to_sub = open_dir(to, name);
	if (from_sub < 0 || to_sub < 0)
		return cannot_put(p, path, errno);
	return merge_dir(p, from_sub, to_sub, path);
}

static int merge_entry(struct publishing *p, int from, int to, const char *name, const char *parent)
{
	_cleanup_free_ char *path = *parent ? xasprintf("%s/%s", parent, name) : xstrdup(name);
	struct stat old, new;
	int r;

	if (fstatat(from, name, &new, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot_put(p, path, errno);
	if (fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) == 0)
		return merge_existing(p, from, to, name, path, old.st_mode, new.st_mode);
	if (errno != ENOENT)
		return cannot_put(p, path, errno);
	if (p->dry)
		return 0;
	/* With all that is below it. */
	r = rename_new(from, name, to, name);
	if (r < 0)
		return cannot_put(p, path, -r);
	note_deed(p, DEED_NEW, path);
	return 0;
}

/* The names first, as moving them away changes what is being read. */
static int read_names(int fd, struct strv *ret)
{
	struct dirent *e;
	DIR *d = NULL;
	int r = fd_opendir(fd, &d);

	if (r < 0)
		return r;
	while (errno = 0, (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			strv_add(ret, e->d_name);
	r = -errno;
	closedir(d);
	return r;
}

static int merge_dir(struct publishing *p, int from, int to, const char *path)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	int r = read_names(from, &names);

	if (r < 0)
		return cannot_put(p, path, -r);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = merge_entry(p, from, to, names.v[i], path);
	return r;
}

static int merge(struct publishing *p)
{
	int r;

	p->dry = true;
	r = merge_dir(p, p->from_fd, p->to_fd, "");
	p->dry = false;
	return r < 0 ? r : merge_dir(p, p->from_fd, p->to_fd, "");
}

/* ---- undone ---------------------------------------------------------------------------------- */

/* The directory of `path` below fd, opened over no link, and its last part. */
static int open_parent(int fd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;

	*ret_name = slash ? slash + 1 : path;
	return path_open_beneath(fd, parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static void undo(struct publishing *p, const struct deed *d)
{
	_cleanup_close_ int from = -1, to = -1;
	const char *name, *as;

	to = open_parent(d->kind == DEED_MADE_DIR ? p->where->base_fd : p->to_fd, d->path, &as);
	if (to < 0)
		return;
	if (d->kind == DEED_MADE_DIR) {
		(void)unlinkat(to, as, AT_REMOVEDIR);
		return;
	}
	/* One file of a staging directory has another name there. */
	if (p->tree->is_dir)
		from = open_parent(p->from_fd, d->path, &name);
	else
		from = open_parent(p->from_fd, PUBLISH_TREE, &name);
	if (from < 0)
		return;
	if (d->kind == DEED_NEW)
		(void)rename_new(to, as, from, name);
	else if (d->kind == DEED_SWAPPED)
		(void)renameat2(to, as, from, name, RENAME_EXCHANGE);
	else if (d->kind == DEED_KEPT)
		(void)renameat(p->tree->staging_fd, d->kept, to, as);
}

static void settle(struct publishing *p, bool good)
{
	while (p->n_deeds > 0) {
		struct deed *d = &p->deeds[--p->n_deeds];

		if (!good)
			undo(p, d);
		free(d->path);
		free(d->kept);
	}
	free(p->deeds);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* One directory on the way to the destination. */
static int enter_dir(struct publishing *p, int fd, const char *name, const char *path)
{
	const struct publish_where *w = p->where;
	bool made = false;
	int r = path_mkdir_open(fd, name, 0755, &made);

	if (r < 0)
		return r;
	if (made)
		note_deed(p, DEED_MADE_DIR, path);
	if (made && w->uid != (uid_t)-1 && fchown(r, w->uid, w->gid) < 0) {
		int errnum = errno;

		fd_close(r);
		return -errnum;
	}
	return r;
}

/* The first `n` bytes of where->dir, made where they are missing. An fd, or -errno with err. */
static int open_dirs(struct publishing *p, size_t n)
{
	const char *dir = p->where->dir;
	_cleanup_close_ int fd = fcntl(p->where->base_fd, F_DUPFD_CLOEXEC, 3);
	size_t at = 0;

	if (fd < 0)
		return cannot_put(p, "", errno);
	while (at < n) {
		size_t len = strcspn(dir + at, "/");
		_cleanup_free_ char *name = xstrndup(dir + at, len);
		_cleanup_free_ char *path = xstrndup(dir, at + len);
		int next = enter_dir(p, fd, name, path);

		if (next < 0)
			return cannot_put(p, "", -next);
		fd_close(fd);
		fd = next;
		at += len + (dir[at + len] == '/');
	}
	return TAKE_FD(fd);
}

static int open_tree(struct publishing *p)
{
	p->from_fd = open_dir(p->tree->staging_fd, PUBLISH_TREE);
	return p->from_fd < 0 ? cannot(p->err, "read the directory", "", errno) : 0;
}

static int put_dir(struct publishing *p)
{
	const char *dir = p->where->dir, *slash = strrchr(dir, '/');
	size_t parent_len = slash ? (size_t)(slash - dir) : 0;
	_cleanup_close_ int parent = -1;
	int r = -EEXIST;

	if (*dir) {
		const char *name = slash ? slash + 1 : dir;

		parent = open_dirs(p, parent_len);
		if (parent < 0)
			return parent;
		r = rename_new(p->tree->staging_fd, PUBLISH_TREE, parent, name);
		if (r == 0)
			return 0;
		if (r != -EEXIST)
			return cannot_put(p, "", -r);
		p->to_fd = open_dir(parent, name);
	} else {
		p->to_fd = fcntl(p->where->base_fd, F_DUPFD_CLOEXEC, 3);
	}
	if (p->to_fd < 0)
		return cannot_put(p, "", errno);
	r = open_tree(p);
	return r < 0 ? r : merge(p);
}

static int put_file(struct publishing *p)
{
	const char *name = p->where->name;
	struct stat st;
	int r;

	p->to_fd = open_dirs(p, strlen(p->where->dir));
	if (p->to_fd < 0)
		return p->to_fd;
	p->from_fd = fcntl(p->tree->staging_fd, F_DUPFD_CLOEXEC, 3);
	if (p->from_fd < 0)
		return cannot_put(p, name, errno);
	r = rename_new(p->from_fd, PUBLISH_TREE, p->to_fd, name);
	if (r == 0)
		return 0;
	if (r != -EEXIST)
		return cannot_put(p, name, -r);
	if (fstatat(p->to_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot_put(p, name, errno);
	if (S_ISDIR(st.st_mode))
		return refuse_kind(p, name, false);
	return put_over(p, p->from_fd, p->to_fd, PUBLISH_TREE, name, name);
}

int publish_tree(
	const struct publish_tree *tree, const struct publish_where *where, struct th_err *err)
{
	struct publishing p = {
		.tree = tree, .where = where, .from_fd = -1, .to_fd = -1, .err = err};
	int r = tree->is_dir ? put_dir(&p) : put_file(&p);

	settle(&p, r == 0);
	fd_close(p.from_fd);
	fd_close(p.to_fd);
	return r;
}
