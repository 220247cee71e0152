#include "config.h"

#include "fetch/unpack_internal.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/str.h"
#include "fetch/unpack.h"
#include "fetch/unpack_reason.h"
#include "fetch/unpack_refuse.h"
#include "fetch/unpack_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

/* What one step of libarchive may take from the stream: a header with its extensions, or a block of
 * data. It keeps what it reads of a map of holes, so this bounds its memory. */
#define STEP_BYTES_MAX ((uint64_t)8 << 20)

#define SPOOL_READ_SIZE ((size_t)256 << 10)

struct reader {
	struct unpack *u;
	struct unpack_tree *tree;
	struct archive *archive;
	uint64_t step_bytes;
};

static la_ssize_t give_content(struct archive *a, void *arg, const void **ret)
{
	struct reader *rd = arg;
	ssize_t n;

	if (rd->step_bytes > STEP_BYTES_MAX) {
		archive_set_error(a, EFBIG, "its headers are too large");
		return ARCHIVE_FATAL;
	}
	n = unpack_feed_read(rd->u->content, ret);
	if (n < 0) {
		archive_set_error(a, (int)-n, "the source failed");
		return ARCHIVE_FATAL;
	}
	rd->step_bytes += (uint64_t)n;
	return n;
}

static int archive_failed(const struct reader *rd, struct th_err *err)
{
	_cleanup_free_ char *why = unpack_reason(rd->archive);

	if (rd->u->content->error)
		return unpack_content_failed(rd->u, err);
	/* Where no format made anything of it, libarchive 3.6.2 looks one past the last. */
	if (archive_format(rd->archive) && archive_read_has_encrypted_entries(rd->archive) > 0)
		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is encrypted, which is not supported");
	if (archive_errno(rd->archive) == ENOMEM)
		return err_set(err, EXIT_DATAERR, ENOMEM,
			"the %s archive takes more memory than there is",
			detect_type_name(rd->u->type));
	return err_set(err, EXIT_DATAERR, EBADMSG, "the %s archive is damaged or cut short: %s",
		detect_type_name(rd->u->type), why);
}

static int member_failed(const struct reader *rd, const char *member, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(member, UNPACK_SHOWN_MAX);
	int r = archive_failed(rd, err);

	err_prefix(err, "member '%s'", shown);
	return r;
}

/* ---- one member ---- */

struct member {
	struct archive_entry *entry;
	const char *path;
	mode_t mode;
	struct timespec time;
	const struct timespec *mtime; /* NULL: it has none */
};

/* Data is copied where the member is a file, else passed over. */
static int take_data(struct reader *rd, const struct member *m, bool is_file, struct th_err *err)
{
	for (;;) {
		const void *data;
		size_t n;
		la_int64_t offset;
		int r;

		rd->step_bytes = 0;
		r = archive_read_data_block(rd->archive, &data, &n, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK || offset < 0)
			return member_failed(rd, m->path, err);
		if (!is_file || !n)
			continue;
		r = unpack_tree_write(rd->tree, data, n, (uint64_t)offset, err);
		if (r < 0)
			return r;
		rd->u->unpacked = unpack_tree_unpacked(rd->tree);
		unpack_tell_progress(rd->u, false);
	}
}

/* `again`: as unpack_tree_open_file(). */
static int take_file(struct reader *rd, const struct member *m, bool again, struct th_err *err)
{
	la_int64_t size = archive_entry_size_is_set(m->entry) ? archive_entry_size(m->entry) : -1;
	int r;

	r = unpack_tree_open_file(
		rd->tree, m->path, size < 0 ? UINT64_MAX : (uint64_t)size, again, err);
	if (r == 0)
		r = take_data(rd, m, true, err);
	if (r == 0)
		r = unpack_tree_close_file(rd->tree, m->mode, m->mtime, err);
	return r;
}

static int take_hardlink(
	struct reader *rd, const struct member *m, const char *target, struct th_err *err)
{
	int r = unpack_tree_add_hardlink(rd->tree, m->path, target, err);

	if (r < 0)
		return r;
	/* Some forms of cpio have the content at the last link. */
	if (archive_entry_size_is_set(m->entry) && archive_entry_size(m->entry) > 0)
		return take_file(rd, m, true, err);
	return take_data(rd, m, false, err);
}

static mode_t member_mode(const struct reader *rd, struct archive_entry *entry)
{
	mode_t mode = archive_entry_perm(entry);

	/* 7z without modes: libarchive says 0666 and 0777 and leaves the rest to a umask. */
	if (rd->u->type.format == DETECT_FORMAT_7ZIP && (mode == 0666 || mode == 0777))
		mode &= ~(mode_t)022;
	return mode;
}

static const char *refused_type(mode_t type)
{
	switch (type) {
	case AE_IFBLK:
	case AE_IFCHR:
		return "a device";
	case AE_IFIFO:
		return "a FIFO";
	case AE_IFSOCK:
		return "a socket";
	default:
		return "of an unknown type";
	}
}

static int refuse_type(const struct member *m, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(m->path, UNPACK_SHOWN_MAX);

	return err_set(err, EXIT_DATAERR, ENOTSUP,
		"member '%s' is %s: only files, "
		"directories and links are unpacked",
		shown, refused_type(archive_entry_filetype(m->entry)));
}

static int take_by_type(struct reader *rd, const struct member *m, struct th_err *err)
{
	const char *link;
	int r;

	switch (archive_entry_filetype(m->entry)) {
	case AE_IFREG:
		return take_file(rd, m, false, err);
	case AE_IFDIR:
		r = unpack_tree_add_directory(rd->tree, m->path, m->mode, m->mtime, err);
		break;
	case AE_IFLNK:
		link = archive_entry_symlink(m->entry);
		r = unpack_tree_add_symlink(rd->tree, m->path, link ? link : "", m->mtime, err);
		break;
	default:
		return refuse_type(m, err);
	}
	return r < 0 ? r : take_data(rd, m, false, err);
}

static int take_member(struct reader *rd, struct archive_entry *entry, struct th_err *err)
{
	const char *link = archive_entry_hardlink(entry);
	struct member m = {.entry = entry, .path = archive_entry_pathname(entry)};

	if (str_is_empty(m.path))
		return err_set(
			err, EXIT_DATAERR, EBADMSG, "the archive has a member without a name");
	if (archive_entry_is_encrypted(entry)) {
		_cleanup_free_ char *shown = str_escape(m.path, UNPACK_SHOWN_MAX);

		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is encrypted, which is not supported (member '%s')", shown);
	}
	m.mode = member_mode(rd, entry);
	if (archive_entry_mtime_is_set(entry)) {
		m.time.tv_sec = archive_entry_mtime(entry);
		m.time.tv_nsec = archive_entry_mtime_nsec(entry);
		m.mtime = &m.time;
	}
	return link ? take_hardlink(rd, &m, link, err) : take_by_type(rd, &m, err);
}

/* ---- all of them ---- */

static int take_members(struct reader *rd, struct th_err *err)
{
	bool any = false;

	for (;;) {
		struct archive_entry *entry;
		int r;

		rd->step_bytes = 0;
		r = archive_read_next_header(rd->archive, &entry);
		if (r == ARCHIVE_EOF)
			break;
		/* A warning is about what is not taken (owners, attributes) or about names that
		 * are not of this character set: their bytes are kept. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_failed(rd, err);
		any = true;
		r = take_member(rd, entry, err);
		if (r < 0)
			return r;
		rd->u->unpacked = unpack_tree_unpacked(rd->tree);
		rd->u->files = unpack_tree_files(rd->tree);
		unpack_tell_progress(rd->u, true);
	}
	if (!any && archive_read_has_encrypted_entries(rd->archive) > 0)
		return archive_failed(rd, err);
	if (!any)
		return err_set(err, EXIT_DATAERR, EBADMSG, "the archive is empty");
	return 0;
}

/* A copy without a name on the disk, as the directory of a zip or 7z is at its end. Not the file
 * that a file: source opened, which may change between its digest and this. */
static int spool(struct unpack *u, int *ret_fd, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	const void *data;
	ssize_t n;

	fd = openat(u->spec->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		/* not every file system has O_TMPFILE */
		fd = openat(u->spec->dirfd, u->all,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 || unlinkat(u->spec->dirfd, u->all, 0) < 0)
			return unpack_cannot_write(err, errno);
	}
	while ((n = unpack_feed_read(u->content, &data)) > 0) {
		int r = fd_write_all(fd, data, (size_t)n);

		if (r < 0)
			return unpack_cannot_write(err, -r);
	}
	if (n < 0)
		return unpack_content_failed(u, err);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return unpack_cannot_write(err, errno);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int support_format(struct archive *a, enum detect_format format)
{
	switch (format) {
	case DETECT_FORMAT_TAR:
		return archive_read_support_format_tar(a);
	case DETECT_FORMAT_CPIO:
		return archive_read_support_format_cpio(a);
	case DETECT_FORMAT_ZIP:
		/* The other reader, for streams, misses modes and links. */
		return archive_read_support_format_zip_seekable(a);
	case DETECT_FORMAT_7ZIP:
		return archive_read_support_format_7zip(a);
	case DETECT_FORMAT_NONE:
		break;
	}
	return ARCHIVE_FATAL;
}

static int read_members(struct reader *rd, struct th_err *err)
{
	struct unpack *u = rd->u;
	_cleanup_close_ int fd = -1;
	int r;

	if (support_format(rd->archive, u->type.format) != ARCHIVE_OK)
		return err_set(err, EXIT_UNAVAILABLE, ENOTSUP,
			"this libarchive cannot read %s: fetch another form of the archive",
			detect_type_name(u->type));
	if (u->type.format == DETECT_FORMAT_ZIP || u->type.format == DETECT_FORMAT_7ZIP) {
		r = spool(u, &fd, err);
		if (r < 0)
			return r;
		r = archive_read_open_fd(rd->archive, fd, SPOOL_READ_SIZE);
	} else {
		r = archive_read_open(rd->archive, rd, NULL, give_content, NULL);
	}
	if (r != ARCHIVE_OK)
		return archive_failed(rd, err);
	r = take_members(rd, err);
	/* Before the descriptor is closed below it. */
	(void)archive_read_close(rd->archive);
	return r;
}

/*
 * libarchive turns names into the character set of the locale. For zip and 7z, which say what
 * theirs is, that shall be UTF-8. For tar and cpio it shall do nothing: in the C locale it cannot
 * convert pax headers, and then takes their bytes; where the locale is UTF-8 it would compose
 * characters anew (its normalization form C).
 */
static locale_t use_locale(enum detect_format format, locale_t *ret_before)
{
	bool utf8 = format == DETECT_FORMAT_ZIP || format == DETECT_FORMAT_7ZIP;
	locale_t locale = newlocale(LC_CTYPE_MASK, utf8 ? "C.UTF-8" : "C", (locale_t)0);

	if (locale)
		*ret_before = uselocale(locale);
	return locale;
}

/* All that comes is read, so that the source sees its end, and the decoder what follows. */
static int drain(struct unpack *u, struct th_err *err)
{
	int r = unpack_feed_drain(u->content);

	if (r < 0)
		return unpack_content_failed(u, err);
	return unpack_finish_content(u, err);
}

int unpack_read_archive(struct unpack *u, struct unpack_tree *tree, struct th_err *err)
{
	struct reader rd = {.u = u, .tree = tree, .archive = archive_read_new()};
	locale_t locale, before = (locale_t)0;
	int r;

	if (!rd.archive)
		return err_set(err, EXIT_INTERNAL, ENOMEM, "libarchive does not start");
	locale = use_locale(u->type.format, &before);
	r = read_members(&rd, err);
	archive_read_free(rd.archive);
	if (locale) {
		(void)uselocale(before);
		freelocale(locale);
	}
	return r < 0 ? r : drain(u, err);
}
