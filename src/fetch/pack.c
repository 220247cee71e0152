#include "config.h"

#include "fetch/pack.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct packing {
	const struct pack_spec *spec;
	struct archive *archive;
	uint64_t *bytes;
	int written; /* what write() returned */
	struct th_err *err;
};

static int fail(struct packing *p, const char *path, int number)
{
	_cleanup_free_ char *shown = str_escape(path, 200);

	return err_set(p->err, EXIT_UNAVAILABLE, number, "'%s' cannot be read: %s", shown,
		strerror(number));
}

static int refuse(struct packing *p, const char *path, const char *why)
{
	_cleanup_free_ char *shown = str_escape(path, 200);

	return err_set(p->err, EXIT_DATAERR, EINVAL, "'%s' %s", shown, why);
}

static la_ssize_t on_write(struct archive *a, void *arg, const void *data, size_t n)
{
	struct packing *p = arg;

	if (p->written == 0)
		p->written = p->spec->write(p->spec->arg, data, n);
	if (p->written == 0)
		return (la_ssize_t)n;
	archive_set_error(a, -p->written, "the other side wants no more");
	return ARCHIVE_FATAL;
}

static int check_archive(struct packing *p, int result)
{
	if (result >= ARCHIVE_WARN)
		return 0;
	if (p->written < 0)
		return p->written;
	return err_set(p->err, EXIT_INTERNAL, EIO, "libarchive cannot pack it: %s",
		archive_error_string(p->archive));
}

static int add_header(
	struct packing *p, const char *path, const struct stat *st, const char *target)
{
	struct archive_entry *entry = archive_entry_new();
	int r;

	if (!entry)
		return err_set(p->err, EXIT_INTERNAL, ENOMEM, "out of memory");
	archive_entry_copy_stat(entry, st);
	archive_entry_set_pathname(entry, path);
	/* who has them here means nothing there */
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_nlink(entry, 1);
	if (target)
		archive_entry_set_symlink(entry, target);
	r = archive_write_header(p->archive, entry);
	archive_entry_free(entry);
	return check_archive(p, r);
}

static int add_link(
	struct packing *p, int dirfd, const char *name, const char *path, struct stat *st)
{
	char target[4097];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(p, path, errno);
	target[n] = '\0';
	st->st_size = 0;
	return add_header(p, path, st, target);
}

static int add_data(struct packing *p, int fd, const char *path, uint64_t size)
{
	char part[65536];
	int r = 0;

	while (r == 0 && size > 0) {
		ssize_t n = fd_read_full(fd, part, (size_t)MIN(size, (uint64_t)sizeof(part)));

		if (n < 0)
			return fail(p, path, (int)-n);
		if (n == 0)
			return refuse(p, path, "became shorter while it was read");
		if (clock_monotonic_usec() >= p->spec->deadline_usec)
			return err_set(p->err, EXIT_UNAVAILABLE, ETIMEDOUT,
				"it was not read in time (timeout sets the limit)");
		r = archive_write_data(p->archive, part, (size_t)n) == (la_ssize_t)n
			    ? 0
			    : check_archive(p, ARCHIVE_FATAL);
		size -= (uint64_t)n;
	}
	return r;
}

static int add_file(struct packing *p, int dirfd, const char *name, const char *path)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	char limit[32];
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(p, path, errno);
	if (!S_ISREG(st.st_mode))
		return refuse(p, path, "was replaced while it was read");
	if ((uint64_t)st.st_size > p->spec->max_bytes - *p->bytes)
		return err_set(p->err, EXIT_DATAERR, EFBIG,
			"its files are larger than %s (max-unpacked sets the limit)",
			format_size(p->spec->max_bytes, limit, sizeof(limit)));
	r = add_header(p, path, &st, NULL);
	if (r == 0)
		r = add_data(p, fd, path, (uint64_t)st.st_size);
	if (r == 0)
		*p->bytes += (uint64_t)st.st_size;
	return r;
}

static int add_directory(struct packing *p, int dirfd, const char *path, uint64_t depth);

static int add_member(
	struct packing *p, int dirfd, const char *name, const char *path, uint64_t depth)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(p, path, errno);
	if (S_ISLNK(st.st_mode))
		return add_link(p, dirfd, name, path, &st);
	if (S_ISREG(st.st_mode))
		return add_file(p, dirfd, name, path);
	if (S_ISDIR(st.st_mode)) {
		_cleanup_close_ int fd =
			openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int r;

		if (fd < 0)
			return fail(p, path, errno);
		r = add_header(p, path, &st, NULL);
		return r == 0 ? add_directory(p, fd, path, depth + 1) : r;
	}
	return refuse(p, path, "is neither a file, a directory nor a link");
}

/* All names first: reading goes on in other directories, each of which holds a descriptor. */
static int list(struct packing *p, int dirfd, const char *path, struct strv *names)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = fd_opendir(dirfd, &dir);

	if (r < 0)
		return fail(p, path, -r);
	while ((r = fd_next_entry(dir, &entry)) > 0)
		if (!p->spec->without_git || strcmp(entry->d_name, ".git") != 0)
			strv_add(names, entry->d_name);
	if (r < 0)
		return fail(p, path, -r);
	strv_sort(names);
	return 0;
}

static int add_directory(struct packing *p, int dirfd, const char *path, uint64_t depth)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	int r = list(p, dirfd, path, &names);

	/* whoever unpacks refuses it as well; this is for the depth of the calls */
	if (r == 0 && names.n > 0 && depth > p->spec->max_depth)
		return refuse(p, path, "is deeper than max-depth allows");
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_free_ char *below =
			*path ? xasprintf("%s/%s", path, names.v[i]) : xstrdup(names.v[i]);

		r = add_member(p, dirfd, names.v[i], below, depth);
	}
	return r;
}

static void archive_done(struct archive **a)
{
	(void)archive_write_free(*a);
}

int pack_directory(const struct pack_spec *spec, uint64_t *bytes, struct th_err *err)
{
	struct packing p = {.spec = spec, .bytes = bytes, .err = err};
	/* Behind it, as what frees the archive writes the rest of it through p. */
	_cleanup_(archive_done) struct archive *archive = archive_write_new();
	int r;

	p.archive = archive;
	/* GNU's form has names as the bytes that they are, of any length */
	if (!archive || archive_write_set_format_gnutar(archive) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
		archive_write_open(archive, &p, NULL, on_write, NULL) != ARCHIVE_OK)
		return err_set(err, EXIT_INTERNAL, EIO, "libarchive cannot pack");
	r = add_directory(&p, spec->dirfd, "", 1);
	if (r == 0)
		r = check_archive(&p, archive_write_close(archive));
	return r;
}
