#include "config.h"

#include "fetch/unpack_tree.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/str.h"
#include "base/treelink.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* So that a path is of use to a program (PATH_MAX counts the NUL). */
#define MEMBER_PATH_MAX (PATH_MAX - 1)
/* Of a name in a message. */
#define SHOWN_MAX 200

#define TOP_MODE      0755
#define IMPLIED_MODE  0755
#define WORKING_MODE  0700
#define MODE_KEPT     0777
#define NO_DIRECTORY  UINT32_MAX
#define BUCKETS_FIRST 64

/* Directory 0 is the root, has no name, and is in no bucket, so that 0 ends a bucket's list. */
struct directory {
	uint32_t parent, next;
	mode_t mode;
	bool has_mtime, gone;
	struct timespec mtime;
	char *name;
};

struct unpack_tree {
	int dirfd; /* the caller's */
	int root;
	char *root_name;
	struct unpack_limits limits;
	uint64_t members, files, unpacked;

	struct directory *dirs;
	uint32_t n_dirs, cap_dirs;
	uint32_t *buckets; /* a power of 2 of them */
	uint32_t n_buckets;
	uint64_t seed;

	/* the directory that was used last: members of one come together */
	uint32_t held;
	int held_fd;

	struct strbuf path; /* of the member in work, without "." and double slashes */

	/* the file in work */
	int file;
	struct strbuf file_path;
	uint64_t file_size, file_end;

	char *a_file; /* the last regular file that was made */
	uint64_t regular_files;
	bool has_links;	  /* symbolic ones */
	bool links_again; /* to be looked at in the finished tree */

	uint32_t top;	     /* the selected directory, or the one that holds the selected file */
	char *selected_file; /* NULL: a directory is selected */
};

PRINTF_ATTR(3, 4)
static int refuse(struct th_err *err, const char *member, const char *fmt, ...)
{
	_cleanup_free_ char *shown = str_escape(member, SHOWN_MAX);
	char *why = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	r = err_set(err, EXIT_DATAERR, EBADMSG, "member '%s' %s", shown,
		why ? why : "cannot be unpacked");
	free(why);
	return r;
}

static int cannot_write(struct th_err *err, const char *member, int errnum)
{
	_cleanup_free_ char *shown = str_escape(member, SHOWN_MAX);

	if (errnum == ENAMETOOLONG)
		return refuse(err, member, "has a name that is too long for the file system");
	return err_set(err, EXIT_CANTCREAT, errnum, "member '%s' cannot be written: %s", shown,
		strerror(errnum));
}

/* ---- the table of directories ---- */

static uint32_t bucket_of(
	const struct unpack_tree *t, uint32_t parent, const char *name, size_t len)
{
	uint64_t hash = t->seed ^ parent;

	/* FNV-1a, from a start that the maker of an archive does not know. */
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	return (uint32_t)hash & (t->n_buckets - 1);
}

static uint32_t find_directory(
	const struct unpack_tree *t, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = t->buckets[bucket_of(t, parent, name, len)];

	while (i) {
		const struct directory *d = &t->dirs[i];

		if (d->parent == parent && strlen(d->name) == len &&
			memcmp(d->name, name, len) == 0)
			return i;
		i = d->next;
	}
	return NO_DIRECTORY;
}

static void put_in_bucket(struct unpack_tree *t, uint32_t i)
{
	struct directory *d = &t->dirs[i];
	uint32_t b = bucket_of(t, d->parent, d->name, strlen(d->name));

	d->next = t->buckets[b];
	t->buckets[b] = i;
}

static void grow_buckets(struct unpack_tree *t)
{
	t->n_buckets = t->n_buckets ? t->n_buckets * 2 : BUCKETS_FIRST;
	free(t->buckets);
	t->buckets = xcalloc(t->n_buckets, sizeof(*t->buckets));
	for (uint32_t i = 1; i < t->n_dirs; i++)
		if (!t->dirs[i].gone)
			put_in_bucket(t, i);
}

static uint32_t add_directory(struct unpack_tree *t, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = t->n_dirs;

	if (t->n_dirs == t->cap_dirs) {
		t->cap_dirs = t->cap_dirs ? t->cap_dirs * 2 : 16;
		t->dirs = xreallocarray(t->dirs, t->cap_dirs, sizeof(*t->dirs));
	}
	t->dirs[t->n_dirs++] = (struct directory){
		.parent = parent,
		.mode = IMPLIED_MODE,
		.name = xstrndup(name, len),
	};
	if (i && t->n_dirs > t->n_buckets)
		grow_buckets(t);
	else if (i)
		put_in_bucket(t, i);
	return i;
}

static void forget_directory(struct unpack_tree *t, uint32_t i)
{
	struct directory *d = &t->dirs[i];
	uint32_t *link = &t->buckets[bucket_of(t, d->parent, d->name, strlen(d->name))];

	while (*link != i)
		link = &t->dirs[*link].next;
	*link = d->next;
	d->gone = true;
	if (t->held == i) {
		t->held = 0;
		t->held_fd = fd_close(t->held_fd);
	}
}

/* The path of a directory below the directory `top`; false where it is not below. */
static bool path_of(const struct unpack_tree *t, uint32_t i, uint32_t top, struct strbuf *b)
{
	const struct directory *d = &t->dirs[i];

	if (i == top)
		return true;
	if (i == 0 || !path_of(t, d->parent, top, b))
		return false;
	if (b->len)
		strbuf_addc(b, '/');
	strbuf_adds(b, d->name);
	return true;
}

/* ---- descriptors ---- */

/* A descriptor of a directory for *at() calls, the tree's own. */
static int hold_directory(struct unpack_tree *t, uint32_t i)
{
	int fd;

	if (i == 0)
		return t->root;
	if (i == t->held)
		return t->held_fd;
	if (t->dirs[i].parent == 0 || t->dirs[i].parent == t->held) {
		/* One name, which is a directory by our table, in a place that nobody else
		 * writes to. */
		fd = openat(t->dirs[i].parent ? t->held_fd : t->root, t->dirs[i].name,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} else {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		(void)path_of(t, i, 0, &b);
		fd = path_open_beneath(t->root, b.s, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			return fd;
	}
	(void)fd_close(t->held_fd);
	t->held = i;
	t->held_fd = fd;
	return fd;
}

/* A descriptor of its own, to read the directory or to set its mode; `root` is that of `top`. */
static int open_directory(const struct unpack_tree *t, int root, uint32_t top, uint32_t i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)path_of(t, i, top, &b);
	return path_open_beneath(root, b.len ? b.s : ".", O_RDONLY | O_DIRECTORY, 0);
}

/* ---- names ---- */

/* "a/b" of "./a//b/" into b; empty for the root. */
static int clean_path(const struct unpack_tree *t, const char *member, const char *path,
	struct strbuf *b, struct th_err *err)
{
	uint64_t depth = 0;

	strbuf_reset(b);
	if (path_is_absolute(path))
		return refuse(err, member, "has an absolute path");
	for (;;) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			break;
		if (len == 2 && memcmp(path, "..", 2) == 0)
			return refuse(err, member, "has '..' in its path");
		if (len == 1 && *path == '.') {
			path += len;
			continue;
		}
		if (len > NAME_MAX)
			return refuse(
				err, member, "has a name of %zu bytes, over %d", len, NAME_MAX);
		if (++depth > t->limits.max_depth)
			return refuse(err, member,
				"lies deeper than %" PRIu64 " names (max-depth sets the limit)",
				t->limits.max_depth);
		if (b->len)
			strbuf_addc(b, '/');
		strbuf_add(b, path, len);
		if (b->len > MEMBER_PATH_MAX)
			return refuse(
				err, member, "has a path longer than %d bytes", MEMBER_PATH_MAX);
		path += len;
	}
	return 0;
}

static int count_member(struct unpack_tree *t, struct th_err *err)
{
	if (t->members >= t->limits.max_files)
		return err_set(err, EXIT_DATAERR, EFBIG,
			"the archive holds more than %" PRIu64
			" files and directories (max-files sets the limit)",
			t->limits.max_files);
	t->members++;
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

static int make_directory(struct unpack_tree *t, const char *member, uint32_t parent,
	const char *name, uint32_t *ret, struct th_err *err)
{
	int dirfd = hold_directory(t, parent);

	if (dirfd < 0)
		return cannot_write(err, member, -dirfd);
	if (mkdirat(dirfd, name, WORKING_MODE) < 0)
		return errno == EEXIST ? -EEXIST : cannot_write(err, member, errno);
	/* a umask may have taken our own rights */
	if (fchmodat(dirfd, name, WORKING_MODE, 0) < 0)
		return cannot_write(err, member, errno);
	*ret = add_directory(t, parent, name, strlen(name));
	return 0;
}

/* Finds or makes the directory that `path` lies in; *ret_name is the last component. */
static int make_parents(struct unpack_tree *t, const char *path, uint32_t *ret,
	const char **ret_name, struct th_err *err)
{
	const char *p = path;
	uint32_t dir = 0;

	for (;;) {
		size_t len = strcspn(p, "/");
		_cleanup_free_ char *name = NULL;
		uint32_t next;
		int r;

		if (!p[len])
			break;
		next = find_directory(t, dir, p, len);
		if (next == NO_DIRECTORY) {
			r = count_member(t, err);
			if (r < 0)
				return r;
			name = xstrndup(p, len);
			r = make_directory(t, path, dir, name, &next, err);
			if (r == -EEXIST) {
				_cleanup_free_ char *shown =
					str_escape_n(path, (size_t)(p - path) + len, SHOWN_MAX);

				return refuse(err, path, "leads through '%s', which is %s", shown,
					kind_at(hold_directory(t, dir), name));
			}
			if (r < 0)
				return r;
		}
		dir = next;
		p += len + 1;
	}
	*ret = dir;
	*ret_name = p;
	return 0;
}

/* Cleans the path of a member, counts it, and finds where it belongs. With 1 it is the root. */
static int place_member(struct unpack_tree *t, const char *path, uint32_t *ret_dir,
	const char **ret_name, struct th_err *err)
{
	int r;

	r = clean_path(t, path, path, &t->path, err);
	if (r < 0)
		return r;
	if (!t->path.len)
		return 1;
	r = count_member(t, err);
	return r < 0 ? r : make_parents(t, t->path.s, ret_dir, ret_name, err);
}

/* As the last member of a name wins, what is there goes. */
static int make_way(struct unpack_tree *t, uint32_t dir, const char *name, struct th_err *err)
{
	uint32_t old = find_directory(t, dir, name, strlen(name));
	int dirfd = hold_directory(t, dir);

	if (dirfd < 0)
		return cannot_write(err, t->path.s, -dirfd);
	if (unlinkat(dirfd, name, old == NO_DIRECTORY ? 0 : AT_REMOVEDIR) < 0) {
		if (errno == ENOTEMPTY || errno == EEXIST)
			return refuse(err, t->path.s,
				"comes again as something else, as a directory it holds members");
		return cannot_write(err, t->path.s, errno);
	}
	if (old == NO_DIRECTORY)
		t->files--;
	else
		forget_directory(t, old);
	return 0;
}

/* ---- members ---- */

static void set_directory(struct directory *d, mode_t mode, const struct timespec *mtime)
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

	r = place_member(t, path, &parent, &name, err);
	if (r < 0)
		return r;
	if (r > 0) {
		set_directory(&t->dirs[0], mode, mtime);
		return 0;
	}
	dir = find_directory(t, parent, name, strlen(name));
	if (dir == NO_DIRECTORY) {
		r = make_directory(t, t->path.s, parent, name, &dir, err);
		if (r == -EEXIST) {
			r = make_way(t, parent, name, err);
			if (r == 0)
				r = make_directory(t, t->path.s, parent, name, &dir, err);
		}
		if (r < 0)
			return r;
	}
	set_directory(&t->dirs[dir], mode, mtime);
	return 0;
}

static int refuse_root(const char *path, struct th_err *err)
{
	return refuse(err, path, "is the archive's own top directory and cannot be a file or link");
}

static int refuse_link(const char *path, const char *target, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(target, SHOWN_MAX);

	return refuse(err, path, "is a link to '%s', which leads outside", shown);
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
	return refuse_link(path, target, err);
}

int unpack_tree_add_symlink(struct unpack_tree *t, const char *path, const char *target,
	const struct timespec *mtime, struct th_err *err)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	uint32_t dir;
	const char *name;
	int dirfd, r;

	r = place_member(t, path, &dir, &name, err);
	if (r != 0)
		return r < 0 ? r : refuse_root(path, err);
	r = judge_link(t, t->path.s, target, err);
	if (r < 0)
		return r;
	if (strlen(target) > MEMBER_PATH_MAX)
		return refuse(err, t->path.s, "is a link whose target is longer than %d bytes",
			MEMBER_PATH_MAX);
	dirfd = hold_directory(t, dir);
	if (dirfd < 0)
		return cannot_write(err, t->path.s, -dirfd);
	r = symlinkat(target, dirfd, name) < 0 ? -errno : 0;
	if (r == -EEXIST) {
		r = make_way(t, dir, name, err);
		if (r < 0)
			return r;
		r = symlinkat(target, dirfd, name) < 0 ? -errno : 0;
	}
	if (r < 0)
		return cannot_write(err, t->path.s, -r);
	if (mtime) {
		times[1] = *mtime;
		/* A time is not worth failing for: not every file system has it for links. */
		(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
	}
	t->files++;
	return 0;
}

/* The directory and name of what a hard link points to, which must be there already. */
static int find_target(
	struct unpack_tree *t, const char *clean, uint32_t *ret_dir, const char **ret_name)
{
	uint32_t dir = 0;

	for (;;) {
		size_t len = strcspn(clean, "/");
		uint32_t next = find_directory(t, dir, clean, len);

		if (!clean[len]) {
			if (!len || next != NO_DIRECTORY)
				return -EISDIR;
			*ret_dir = dir;
			*ret_name = clean;
			return 0;
		}
		if (next == NO_DIRECTORY)
			return -ENOENT;
		dir = next;
		clean += len + 1;
	}
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
		return errno == EINVAL ? 0 : cannot_write(err, t->path.s, errno);
	target[n] = '\0';
	return judge_link(t, t->path.s, target, err);
}

static int link_target(struct unpack_tree *t, uint32_t target_dir, const char *target_name,
	uint32_t dir, const char *name)
{
	_cleanup_close_ int target_fd = -1;
	int dirfd;

	target_fd = open_directory(t, t->root, 0, target_dir);
	if (target_fd < 0)
		return target_fd;
	dirfd = hold_directory(t, dir);
	if (dirfd < 0)
		return dirfd;
	return linkat(target_fd, target_name, dirfd, name, 0) < 0 ? -errno : 0;
}

int unpack_tree_add_hardlink(
	struct unpack_tree *t, const char *path, const char *target, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf clean = STRBUF_INIT;
	_cleanup_free_ char *shown = str_escape(target, SHOWN_MAX);
	uint32_t dir, target_dir;
	const char *name, *target_name;
	int r;

	r = place_member(t, path, &dir, &name, err);
	if (r != 0)
		return r < 0 ? r : refuse_root(path, err);
	r = clean_path(t, target, target, &clean, NULL);
	if (r < 0)
		return refuse_link(t->path.s, target, err);
	if (strcmp(strbuf_str(&clean), t->path.s) == 0)
		return refuse(err, t->path.s, "is a hard link to itself");
	r = find_target(t, strbuf_str(&clean), &target_dir, &target_name);
	if (r == 0) {
		r = link_target(t, target_dir, target_name, dir, name);
		if (r == -EEXIST) {
			r = make_way(t, dir, name, err);
			if (r < 0)
				return r;
			r = link_target(t, target_dir, target_name, dir, name);
		}
	}
	if (r == -ENOENT)
		return refuse(err, t->path.s,
			"is a hard link to '%s', which the archive does not hold before it", shown);
	if (r == -EISDIR)
		return refuse(err, t->path.s, "is a hard link to '%s', a directory", shown);
	if (r < 0)
		return cannot_write(err, t->path.s, -r);
	t->files++;
	return judge_linked(t, hold_directory(t, dir), name, err);
}

static int count_bytes(struct unpack_tree *t, uint64_t n, struct th_err *err)
{
	if (n > t->limits.max_unpacked - t->unpacked) {
		_cleanup_free_ char *shown = str_escape(t->file_path.s, SHOWN_MAX);

		return err_set(err, EXIT_DATAERR, EFBIG,
			"the archive unpacks to more than %" PRIu64
			" bytes with member '%s' (max-unpacked sets the limit)",
			t->limits.max_unpacked, shown);
	}
	t->unpacked += n;
	return 0;
}

static int create_file(struct unpack_tree *t, uint32_t dir, const char *name, struct th_err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int dirfd = hold_directory(t, dir);

	if (dirfd < 0)
		return cannot_write(err, t->path.s, -dirfd);
	t->file = openat(dirfd, name, flags, 0600);
	if (t->file < 0 && errno == EEXIST) {
		int r = make_way(t, dir, name, err);

		if (r < 0)
			return r;
		t->file = openat(dirfd, name, flags, 0600);
	}
	if (t->file < 0)
		return cannot_write(err, t->path.s, errno);
	t->files++;
	t->regular_files++;
	return 0;
}

/* The file that a hard link has just been made to. */
static int reopen_linked(struct unpack_tree *t, struct th_err *err)
{
	struct stat st;
	uint32_t dir;
	const char *name;
	int dirfd, r;

	r = find_target(t, t->path.s, &dir, &name);
	dirfd = r == 0 ? hold_directory(t, dir) : r;
	if (dirfd < 0)
		return cannot_write(err, t->path.s, -dirfd);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot_write(err, t->path.s, errno);
	if (!S_ISREG(st.st_mode))
		return refuse(err, t->path.s, "is a hard link to a symbolic link, with data");
	/* It has its mode already, which need not let us write. */
	if (fchmodat(dirfd, name, 0600, 0) < 0)
		return cannot_write(err, t->path.s, errno);
	t->file = openat(dirfd, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	return t->file < 0 ? cannot_write(err, t->path.s, errno) : 0;
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
		r = place_member(t, path, &dir, &name, err);
		if (r != 0)
			return r < 0 ? r : refuse_root(path, err);
		r = create_file(t, dir, name, err);
		if (r < 0)
			return r;
	}
	strbuf_reset(&t->file_path);
	strbuf_add(&t->file_path, t->path.s, t->path.len);
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
		return refuse(err, t->file_path.s, "has data beyond the end of all files");
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
			return cannot_write(err, t->file_path.s, errno);
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
		return cannot_write(err, t->file_path.s, -r);
	str_replace(&t->a_file, t->file_path.s);
	return 0;
}

/* ---- selecting ---- */

struct selection {
	struct strbuf path;
	uint32_t dir; /* the directory, or where the file is */
	bool is_dir;
	char *other; /* a second match */
	unsigned matches;
};

static void add_match(struct selection *s, const struct strbuf *path, uint32_t dir, bool is_dir)
{
	if (s->matches++ == 0) {
		strbuf_add(&s->path, path->s, path->len);
		s->dir = dir;
		s->is_dir = is_dir;
	} else if (!s->other) {
		s->other = xstrdup(path->s);
	}
}

static int match_below(struct unpack_tree *t, const char *pattern, uint32_t dir,
	struct strbuf *path, struct selection *s);

static int match_name(struct unpack_tree *t, const char *name, const char *rest, uint32_t dir,
	struct strbuf *path, struct selection *s)
{
	uint32_t next = find_directory(t, dir, name, strlen(name));
	size_t before = path->len;
	int r = 0;

	if (next == NO_DIRECTORY && *rest)
		return 0;
	if (path->len)
		strbuf_addc(path, '/');
	strbuf_adds(path, name);
	if (*rest)
		r = match_below(t, rest, next, path, s);
	else
		add_match(s, path, next == NO_DIRECTORY ? dir : next, next != NO_DIRECTORY);
	path->len = before;
	path->s[before] = '\0';
	return r;
}

/* Tries all names of a directory, as an earlier pattern may match names that a later one drops. */
static int match_below(struct unpack_tree *t, const char *pattern, uint32_t dir,
	struct strbuf *path, struct selection *s)
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
	fd = open_directory(t, t->root, 0, dir);
	if (fd < 0)
		return fd;
	/* What is called so is meant, brackets and all. */
	if (fstatat(fd, component, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return match_name(t, component, pattern, dir, path, s);
	if (!strpbrk(component, "*?[\\"))
		return 0;
	r = fd_opendir(fd, &stream);
	if (r < 0)
		return r;
	while (r == 0 && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			fnmatch(component, entry->d_name, 0) == 0)
			r = match_name(t, entry->d_name, pattern, dir, path, s);
	(void)closedir(stream);
	return r;
}

static int take_selection(
	struct unpack_tree *t, struct selection *s, const char *shown, struct th_err *err)
{
	_cleanup_free_ char *one = str_escape(strbuf_str(&s->path), SHOWN_MAX);
	_cleanup_free_ char *other = s->other ? str_escape(s->other, SHOWN_MAX) : NULL;
	struct stat st;
	int fd;

	if (!s->matches)
		return err_set(err, EXIT_DATAERR, ENOENT, "the archive holds no '%s'", shown);
	if (s->matches > 1)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"'%s' matches '%s' and '%s': it must match one thing in the archive", shown,
			one, other);
	t->top = s->dir;
	if (s->is_dir)
		return 0;
	fd = hold_directory(t, s->dir);
	if (fd < 0)
		return cannot_write(err, s->path.s, -fd);
	if (fstatat(fd, path_basename(s->path.s), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot_write(err, s->path.s, errno);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"'%s' is a symbolic link in the archive: name what it leads to", one);
	t->selected_file = xstrdup(s->path.s);
	return 0;
}

int unpack_tree_select(struct unpack_tree *t, const char *pattern, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT, clean = STRBUF_INIT;
	_cleanup_free_ char *shown = str_escape(pattern, SHOWN_MAX);
	struct selection s = {.path = STRBUF_INIT};
	int r;

	while (*pattern == '/')
		pattern++;
	r = clean_path(t, pattern, pattern, &clean, err);
	if (r < 0 || !clean.len)
		return r;
	r = match_below(t, clean.s, 0, &path, &s);
	if (r < 0)
		r = err_set(
			err, EXIT_CANTCREAT, -r, "cannot look for '%s': %s", shown, strerror(-r));
	else
		r = take_selection(t, &s, shown, err);
	strbuf_done(&s.path);
	free(s.other);
	return r;
}

int unpack_tree_select_only_file(struct unpack_tree *t, struct th_err *err)
{
	struct selection s = {.path = STRBUF_INIT};
	struct stat st;
	uint32_t dir;
	const char *name;
	int dirfd, r;

	if (t->files != 1 || !t->a_file)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the archive holds %" PRIu64 " files and links, but one file is wanted "
			"(mode = file)",
			t->files);
	/* Its name may have been taken by a later member, which then is that one file or link. */
	r = find_target(t, t->a_file, &dir, &name);
	dirfd = r == 0 ? hold_directory(t, dir) : r;
	if (dirfd < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the archive holds a link, but one file is wanted (mode = file)");
	strbuf_adds(&s.path, t->a_file);
	s.dir = dir;
	s.matches = 1;
	r = take_selection(t, &s, t->a_file, err);
	strbuf_done(&s.path);
	return r;
}

bool unpack_tree_is_dir(const struct unpack_tree *t)
{
	return !t->selected_file;
}

const char *unpack_tree_file_path(const struct unpack_tree *t)
{
	return t->selected_file;
}

/* ---- publishing ---- */

static int move_selected(struct unpack_tree *t, const char *name)
{
	const char *from;
	uint32_t dir;
	int dirfd;

	if (t->top == 0 && !t->selected_file) {
		if (strcmp(name, t->root_name) == 0)
			return 0;
		return renameat(t->dirfd, t->root_name, t->dirfd, name) < 0 ? -errno : 0;
	}
	from = t->selected_file ? path_basename(t->selected_file) : t->dirs[t->top].name;
	dir = t->selected_file ? t->top : t->dirs[t->top].parent;
	dirfd = hold_directory(t, dir);
	if (dirfd < 0)
		return dirfd;
	return renameat(dirfd, from, t->dirfd, name) < 0 ? -errno : 0;
}

static int check_link(int root, const char *path, int dirfd, const char *name, struct th_err *err)
{
	_cleanup_free_ char *target = xmalloc(PATH_MAX);
	ssize_t n = readlinkat(dirfd, name, target, PATH_MAX - 1);
	int r;

	if (n < 0)
		return errno == EINVAL ? 0 : cannot_write(err, path, errno);
	target[n] = '\0';
	r = treelink_check(root, path, target);
	if (r == -EXDEV)
		return refuse_link(path, target, err);
	return r < 0 ? cannot_write(err, path, -r) : 0;
}

static int check_links_in(struct unpack_tree *t, int root, uint32_t dir, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	_cleanup_close_ int fd = open_directory(t, root, t->top, dir);
	struct dirent *entry;
	size_t len;
	DIR *stream;
	int r;

	(void)path_of(t, dir, t->top, &path);
	if (path.len)
		strbuf_addc(&path, '/');
	len = path.len;
	r = fd < 0 ? fd : fd_opendir(fd, &stream);
	if (r < 0)
		return cannot_write(err, strbuf_str(&path), -r);
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

static bool is_selected(const struct unpack_tree *t, uint32_t i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	return !t->dirs[i].gone && (t->top == 0 || path_of(t, i, t->top, &b));
}

static int set_modes(struct unpack_tree *t, int root, uint32_t i, struct th_err *err)
{
	const struct directory *d = &t->dirs[i];
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, d->mtime};
	_cleanup_close_ int fd = open_directory(t, root, t->top, i);

	if (fd < 0)
		return cannot_write(err, d->name, -fd);
	if (fchmod(fd, i == t->top ? TOP_MODE : d->mode) < 0)
		return cannot_write(err, d->name, errno);
	if (d->has_mtime)
		(void)futimens(fd, times);
	return 0;
}

int unpack_tree_publish(struct unpack_tree *t, const char *name, struct th_err *err)
{
	_cleanup_close_ int root = -1;
	int r;

	r = move_selected(t, name);
	if (r < 0)
		return cannot_write(err, name, -r);
	if (t->selected_file)
		return 0;
	root = openat(t->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return cannot_write(err, name, errno);
	if (t->links_again || (t->has_links && t->top != 0))
		for (uint32_t i = 0; r == 0 && i < t->n_dirs; i++)
			if (is_selected(t, i))
				r = check_links_in(t, root, i, err);
	/* A directory is made after the one it lies in, so from the last to the first none is
	 * closed before what it holds is done. */
	for (uint32_t i = t->n_dirs; r == 0 && i-- > 0;)
		if (is_selected(t, i))
			r = set_modes(t, root, i, err);
	return r;
}

/* ---- the tree ---- */

int unpack_tree_new(int dirfd, const char *name, const struct unpack_limits *limits,
	struct unpack_tree **ret, struct th_err *err)
{
	struct unpack_tree *t;
	int root = path_mkdir_open(dirfd, name, WORKING_MODE, NULL);

	if (root < 0)
		return err_set(err, EXIT_CANTCREAT, -root, "cannot make the directory '%s': %s",
			name, strerror(-root));
	t = xcalloc(1, sizeof(*t));
	t->dirfd = dirfd;
	t->root = root;
	t->root_name = xstrdup(name);
	t->limits = *limits;
	t->held_fd = -1;
	t->file = -1;
	/* Without it a table may become slow, no more. */
	(void)!getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK);
	grow_buckets(t);
	(void)add_directory(t, 0, "", 0);
	*ret = t;
	return 0;
}

void unpack_tree_free(struct unpack_tree *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_dirs; i++)
		free(t->dirs[i].name);
	free(t->dirs);
	free(t->buckets);
	strbuf_done(&t->path);
	strbuf_done(&t->file_path);
	free(t->a_file);
	free(t->selected_file);
	free(t->root_name);
	(void)fd_close(t->file);
	(void)fd_close(t->held_fd);
	(void)fd_close(t->root);
	free(t);
}

uint64_t unpack_tree_unpacked(const struct unpack_tree *t)
{
	return t->unpacked;
}

uint64_t unpack_tree_files(const struct unpack_tree *t)
{
	return t->files;
}
