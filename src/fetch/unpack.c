#include "config.h"

#include "fetch/unpack.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "fetch/detect.h"
#include "fetch/unpack_decode.h"
#include "fetch/unpack_feed.h"
#include "fetch/unpack_reason.h"
#include "fetch/unpack_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What one step of libarchive may take from the stream: a header with its extensions, or a block of
 * data. It keeps what it reads of a map of holes, so this bounds its memory. */
#define STEP_BYTES_MAX ((uint64_t)8 << 20)

/* What an archive has beside the content of its files: for each member a header with extensions,
 * and once what fills the last block. Far more than any needs; it ends a bomb of headers. */
#define OVERHEAD_PER_MEMBER ((uint64_t)16 << 10)
#define OVERHEAD_ONCE	    ((uint64_t)16 << 20)

#define SPOOL_READ_SIZE	    ((size_t)256 << 10)
#define PROGRESS_BYTES	    ((uint64_t)1 << 20)
#define SINGLE_FILE_MODE    0644
#define SINGLE_DIR_MODE	    0755
#define SHOWN_MAX	    200
#define TAR_TYPE_OFFSET	    156
#define TAR_BLOCK	    512
#define ZIP_END_SIGNATURE   "PK\5\6"
#define ZIP_SPLIT_SIGNATURE "PK\7\10"

struct unpack {
	const struct unpack_spec *spec;
	struct unpack_feed source;	/* as it comes */
	struct unpack_feed decoded;	/* what the decoder makes of it */
	struct unpack_feed *content;	/* one of the two */
	struct unpack_decoder *decoder; /* NULL: not compressed, or finished */
	struct detect_type type;
	bool as_is;
	char *all; /* "NAME.all": a tree that only a part of is wanted */

	/* libarchive's reading */
	uint64_t step_bytes;

	uint64_t unpacked, files, unpacked_told;
};

static void tell_progress(struct unpack *u, bool always)
{
	if (!u->spec->progress || (!always && u->unpacked - u->unpacked_told < PROGRESS_BYTES))
		return;
	u->unpacked_told = u->unpacked;
	u->spec->progress(u->spec->arg, u->unpacked, u->files);
}

PRINTF_ATTR(2, 3)
static void warn(struct unpack *u, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	if (!u->spec->warning)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) >= 0)
		u->spec->warning(u->spec->arg, text);
	va_end(args);
	free(text);
}

/* Ends the decoder. What went wrong in it is the reason for what went wrong after it. */
static int finish_decoder(struct unpack *u, struct th_err *err)
{
	struct unpack_decoder *d = TAKE_PTR(u->decoder);

	return d ? unpack_decoder_finish(d, err) : 0;
}

/* The content ended with an error: of the decoder, or of the source itself. */
static int content_failed(struct unpack *u, struct th_err *err)
{
	int r = finish_decoder(u, err);

	return r < 0 ? r : u->content->error;
}

/* All that comes is read, so that the source sees its end, and the decoder what follows. */
static int drain(struct unpack *u, struct th_err *err)
{
	int r = unpack_feed_drain(u->content);

	if (r < 0)
		return content_failed(u, err);
	return finish_decoder(u, err);
}

/* ---- what is it? ---- */

static bool is_zeros(const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static uint64_t decoded_max(const struct unpack_limits *limits)
{
	uint64_t max = OVERHEAD_ONCE, more;

	if (__builtin_mul_overflow(limits->max_files, OVERHEAD_PER_MEMBER, &more) ||
		__builtin_add_overflow(max, more, &max) ||
		__builtin_add_overflow(max, limits->max_unpacked, &max))
		return UINT64_MAX;
	return max;
}

/* What a tar without members is (zeros), and an empty file, does not tell; then the name, or who
 * asked for an archive, decides. Else the content does. */
static int judge_format(struct unpack *u, const struct detect_type *forced, const void *data,
	size_t n, struct th_err *err)
{
	const char *name = u->spec->source_name ? u->spec->source_name : u->spec->filename;
	struct detect_type named = {DETECT_FILTER_NONE, DETECT_FORMAT_NONE};
	bool nothing = is_zeros(data, MIN(n, (size_t)TAR_BLOCK));

	u->type.format = detect_format(data, n);
	/* Neither streams, so compressed they would need a second file on the disk. */
	if (u->type.filter != DETECT_FILTER_NONE &&
		(u->type.format == DETECT_FORMAT_ZIP || u->type.format == DETECT_FORMAT_7ZIP))
		u->type.format = DETECT_FORMAT_NONE;
	if (forced) {
		if (forced->format == DETECT_FORMAT_NONE)
			u->type.format = DETECT_FORMAT_NONE;
		named = *forced;
	} else if (name) {
		(void)detect_suffix(name, &named);
	}
	if (named.format == DETECT_FORMAT_NONE || u->type.format == named.format)
		return 0;
	if (u->type.format == DETECT_FORMAT_NONE && nothing)
		return err_set(err, EXIT_DATAERR, EBADMSG, "the archive is empty");
	if (forced)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the content is no %s: it is a %s (see 'extract')",
			detect_type_name(*forced), detect_type_name(u->type));
	if (u->type.format == DETECT_FORMAT_NONE)
		warn(u,
			"the name ends as that of a %s archive, but the content is none: it is "
			"kept as a file",
			detect_type_name(named));
	return 0;
}

static int detect(struct unpack *u, struct th_err *err)
{
	const struct unpack_spec *spec = u->spec;
	struct detect_type forced;
	const char *extract =
		spec->extract && strcmp(spec->extract, "auto") != 0 ? spec->extract : NULL;
	const void *data;
	ssize_t n;
	int r;

	u->content = &u->source;
	if (extract && strcmp(extract, "no") == 0) {
		u->as_is = true;
		return 0;
	}
	if (extract && detect_parse_type(extract, &forced) < 0) {
		_cleanup_free_ char *shown = str_escape(extract, SHOWN_MAX);

		return err_set(err, EXIT_CONFIG, EINVAL,
			"'%s' cannot be extracted: use auto, no, or one of %s", shown,
			detect_type_names());
	}
	n = unpack_feed_peek(&u->source, &data);
	if (n < 0)
		return (int)n;
	u->type.filter = detect_filter(data, (size_t)n);
	if (extract && u->type.filter != forced.filter) {
		u->type.format = detect_format(data, (size_t)n);
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the content is no %s: %s%s (see 'extract')", detect_type_name(forced),
			n ? "it is a " : "it is empty", n ? detect_type_name(u->type) : "");
	}
	if (u->type.filter != DETECT_FILTER_NONE) {
		r = unpack_decoder_start(u->type.filter, &u->source, decoded_max(&spec->limits),
			spec->source.cancel, &u->decoder, err);
		if (r < 0)
			return r;
		u->decoded.read = unpack_decoder_read;
		u->decoded.arg = u->decoder;
		u->content = &u->decoded;
		n = unpack_feed_peek(&u->decoded, &data);
		if (n < 0)
			return content_failed(u, err);
	}
	r = judge_format(u, extract ? &forced : NULL, data, (size_t)n, err);
	if (r < 0)
		return r;
	u->as_is = u->type.filter == DETECT_FILTER_NONE && u->type.format == DETECT_FORMAT_NONE;
	if (u->type.format == DETECT_FORMAT_TAR && ((const char *)data)[TAR_TYPE_OFFSET] == 'M')
		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is a later part of one in several volumes: put them together "
			"first");
	/* which libarchive 3.6 does not take for one */
	if (u->type.format == DETECT_FORMAT_ZIP &&
		memcmp(data, ZIP_END_SIGNATURE, sizeof(ZIP_END_SIGNATURE) - 1) == 0)
		return err_set(err, EXIT_DATAERR, EBADMSG, "the archive is empty");
	if (u->type.format == DETECT_FORMAT_ZIP &&
		memcmp(data, ZIP_SPLIT_SIGNATURE, sizeof(ZIP_SPLIT_SIGNATURE) - 1) == 0)
		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is split into several files: put them together first (zip -s "
			"0)");
	return 0;
}

/* ---- a single file ---- */

/* The name of what was compressed: without the suffix of its compression. */
static char *single_name(const struct unpack *u)
{
	const char *name = u->spec->source_name, *dot;
	struct detect_type type;

	if (u->spec->filename)
		return xstrdup(u->spec->filename);
	if (!name)
		return NULL;
	dot = strrchr(name, '.');
	if (dot && dot != name && u->type.filter != DETECT_FILTER_NONE) {
		_cleanup_free_ char *probe = xasprintf("x%s", dot);

		if (detect_suffix(probe, &type) && type.filter == u->type.filter &&
			type.format == DETECT_FORMAT_NONE)
			return xstrndup(name, (size_t)(dot - name));
	}
	return xstrdup(name);
}

static int cannot_write(struct th_err *err, int errnum)
{
	return err_set(
		err, EXIT_CANTCREAT, errnum, "the file cannot be written: %s", strerror(errnum));
}

static int copy_content(struct unpack *u, int fd, struct th_err *err)
{
	for (;;) {
		const void *data;
		ssize_t n = unpack_feed_read(u->content, &data);
		int r;

		if (n < 0)
			return content_failed(u, err);
		if (n == 0)
			break;
		if (!u->as_is && (uint64_t)n > u->spec->limits.max_unpacked - u->unpacked)
			return err_set(err, EXIT_DATAERR, EFBIG,
				"the file unpacks to more than %" PRIu64
				" bytes (max-unpacked sets the limit)",
				u->spec->limits.max_unpacked);
		r = fd_write_all(fd, data, (size_t)n);
		if (r < 0)
			return cannot_write(err, -r);
		u->unpacked += (uint64_t)n;
		tell_progress(u, false);
	}
	return finish_decoder(u, err);
}

static int write_single(struct unpack *u, int dirfd, const char *name, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENAMETOOLONG
			       ? err_set(err, EXIT_DATAERR, errno, "the file's name is too long")
			       : cannot_write(err, errno);
	r = copy_content(u, fd, err);
	if (r < 0)
		return r;
	if (fchmod(fd, SINGLE_FILE_MODE) < 0)
		return cannot_write(err, errno);
	if (close(TAKE_FD(fd)) < 0 && errno != EINTR)
		return cannot_write(err, errno);
	u->files = 1;
	tell_progress(u, true);
	return 0;
}

static int unpack_single(struct unpack *u, struct unpack_result *ret, struct th_err *err)
{
	_cleanup_free_ char *filename = single_name(u);
	_cleanup_close_ int dirfd = -1;
	int r;

	if (!str_is_empty(u->spec->subdir))
		return err_set(err, EXIT_DATAERR, ENOTDIR,
			"the content is no archive, so there is no '//%s' in it", u->spec->subdir);
	if (u->spec->mode != UNPACK_MODE_DIR) {
		r = write_single(u, u->spec->dirfd, u->spec->name, err);
		if (r < 0)
			return r;
		ret->is_dir = false;
		ret->filename = TAKE_PTR(filename);
		return 0;
	}
	if (!filename)
		return err_set(
			err, EXIT_CONFIG, EINVAL, "the source has no file name: set 'filename'");
	dirfd = path_mkdir_open(u->spec->dirfd, u->spec->name, SINGLE_DIR_MODE, NULL);
	if (dirfd < 0)
		return cannot_write(err, -dirfd);
	r = write_single(u, dirfd, filename, err);
	if (r == 0)
		ret->is_dir = true;
	return r;
}

/* ---- archives ---- */

static la_ssize_t give_content(struct archive *a, void *arg, const void **ret)
{
	struct unpack *u = arg;
	ssize_t n;

	if (u->step_bytes > STEP_BYTES_MAX) {
		archive_set_error(a, EFBIG, "its headers are too large");
		return ARCHIVE_FATAL;
	}
	n = unpack_feed_read(u->content, ret);
	if (n < 0) {
		archive_set_error(a, (int)-n, "the source failed");
		return ARCHIVE_FATAL;
	}
	u->step_bytes += (uint64_t)n;
	return n;
}

static int archive_failed(struct unpack *u, struct archive *a, struct th_err *err)
{
	_cleanup_free_ char *why = unpack_reason(a);

	if (u->content->error)
		return content_failed(u, err);
	/* Where no format made anything of it, libarchive 3.6.2 looks one past the last. */
	if (archive_format(a) && archive_read_has_encrypted_entries(a) > 0)
		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is encrypted, which is not supported");
	if (archive_errno(a) == ENOMEM)
		return err_set(err, EXIT_DATAERR, ENOMEM,
			"the %s archive takes more memory than there is",
			detect_type_name(u->type));
	return err_set(err, EXIT_DATAERR, EBADMSG, "the %s archive is damaged or cut short: %s",
		detect_type_name(u->type), why);
}

static int member_failed(
	struct unpack *u, struct archive *a, const char *member, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(member, SHOWN_MAX);
	int r = archive_failed(u, a, err);

	err_prefix(err, "member '%s'", shown);
	return r;
}

/* Data is copied where the member is a file, else passed over. */
static int take_data(struct unpack *u, struct archive *a, struct unpack_tree *tree,
	const char *member, bool is_file, struct th_err *err)
{
	for (;;) {
		const void *data;
		size_t n;
		la_int64_t offset;
		int r;

		u->step_bytes = 0;
		r = archive_read_data_block(a, &data, &n, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK || offset < 0)
			return member_failed(u, a, member, err);
		if (!is_file || !n)
			continue;
		r = unpack_tree_write(tree, data, n, (uint64_t)offset, err);
		if (r < 0)
			return r;
		u->unpacked = unpack_tree_unpacked(tree);
		tell_progress(u, false);
	}
}

static int take_file(struct unpack *u, struct archive *a, struct unpack_tree *tree,
	struct archive_entry *entry, mode_t mode, const struct timespec *mtime, bool again,
	struct th_err *err)
{
	const char *path = archive_entry_pathname(entry);
	la_int64_t size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
	int r;

	r = unpack_tree_open_file(tree, path, size < 0 ? UINT64_MAX : (uint64_t)size, again, err);
	if (r == 0)
		r = take_data(u, a, tree, path, true, err);
	if (r == 0)
		r = unpack_tree_close_file(tree, mode, mtime, err);
	return r;
}

static mode_t member_mode(const struct unpack *u, struct archive_entry *entry)
{
	mode_t mode = archive_entry_perm(entry);

	/* 7z without modes: libarchive says 0666 and 0777 and leaves the rest to a umask. */
	if (u->type.format == DETECT_FORMAT_7ZIP && (mode == 0666 || mode == 0777))
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

static int take_member(struct unpack *u, struct archive *a, struct unpack_tree *tree,
	struct archive_entry *entry, struct th_err *err)
{
	const char *path = archive_entry_pathname(entry), *link = archive_entry_hardlink(entry);
	struct timespec time = {0};
	const struct timespec *mtime = NULL;
	mode_t mode;
	int r;

	if (str_is_empty(path))
		return err_set(
			err, EXIT_DATAERR, EBADMSG, "the archive has a member without a name");
	if (archive_entry_is_encrypted(entry)) {
		_cleanup_free_ char *shown = str_escape(path, SHOWN_MAX);

		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is encrypted, which is not supported (member '%s')", shown);
	}
	mode = member_mode(u, entry);
	if (archive_entry_mtime_is_set(entry)) {
		time.tv_sec = archive_entry_mtime(entry);
		time.tv_nsec = archive_entry_mtime_nsec(entry);
		mtime = &time;
	}
	if (link) {
		r = unpack_tree_add_hardlink(tree, path, link, err);
		if (r < 0)
			return r;
		/* Some forms of cpio have the content at the last link. */
		if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0)
			return take_file(u, a, tree, entry, mode, mtime, true, err);
		return take_data(u, a, tree, path, false, err);
	}
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return take_file(u, a, tree, entry, mode, mtime, false, err);
	case AE_IFDIR:
		r = unpack_tree_add_directory(tree, path, mode, mtime, err);
		break;
	case AE_IFLNK:
		link = archive_entry_symlink(entry);
		r = unpack_tree_add_symlink(tree, path, link ? link : "", mtime, err);
		break;
	default: {
		_cleanup_free_ char *shown = str_escape(path, SHOWN_MAX);

		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"member '%s' is %s: only files, "
			"directories and links are unpacked",
			shown, refused_type(archive_entry_filetype(entry)));
	}
	}
	return r < 0 ? r : take_data(u, a, tree, path, false, err);
}

static int take_members(
	struct unpack *u, struct archive *a, struct unpack_tree *tree, struct th_err *err)
{
	bool any = false;

	for (;;) {
		struct archive_entry *entry;
		int r;

		u->step_bytes = 0;
		r = archive_read_next_header(a, &entry);
		if (r == ARCHIVE_EOF)
			break;
		/* A warning is about what is not taken (owners, attributes) or about names that
		 * are not of this character set: their bytes are kept. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_failed(u, a, err);
		any = true;
		r = take_member(u, a, tree, entry, err);
		if (r < 0)
			return r;
		u->unpacked = unpack_tree_unpacked(tree);
		u->files = unpack_tree_files(tree);
		tell_progress(u, true);
	}
	if (!any && archive_read_has_encrypted_entries(a) > 0)
		return archive_failed(u, a, err);
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
			return cannot_write(err, errno);
	}
	while ((n = unpack_feed_read(u->content, &data)) > 0) {
		int r = fd_write_all(fd, data, (size_t)n);

		if (r < 0)
			return cannot_write(err, -r);
	}
	if (n < 0)
		return content_failed(u, err);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return cannot_write(err, errno);
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

static int read_archive(
	struct unpack *u, struct archive *a, struct unpack_tree *tree, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (support_format(a, u->type.format) != ARCHIVE_OK)
		return err_set(err, EXIT_UNAVAILABLE, ENOTSUP,
			"this libarchive cannot read %s: fetch another form of the archive",
			detect_type_name(u->type));
	if (u->type.format == DETECT_FORMAT_ZIP || u->type.format == DETECT_FORMAT_7ZIP) {
		r = spool(u, &fd, err);
		if (r < 0)
			return r;
		r = archive_read_open_fd(a, fd, SPOOL_READ_SIZE);
	} else {
		r = archive_read_open(a, u, NULL, give_content, NULL);
	}
	if (r != ARCHIVE_OK)
		return archive_failed(u, a, err);
	r = take_members(u, a, tree, err);
	/* Before the descriptor is closed below it. */
	(void)archive_read_close(a);
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

static int fill_tree(struct unpack *u, struct unpack_tree *tree, struct th_err *err)
{
	struct archive *a = archive_read_new();
	locale_t locale, before = (locale_t)0;
	int r;

	if (!a)
		return err_set(err, EXIT_INTERNAL, ENOMEM, "libarchive does not start");
	locale = use_locale(u->type.format, &before);
	r = read_archive(u, a, tree, err);
	archive_read_free(a);
	if (locale) {
		(void)uselocale(before);
		freelocale(locale);
	}
	return r < 0 ? r : drain(u, err);
}

static int publish_tree(
	struct unpack *u, struct unpack_tree *tree, struct unpack_result *ret, struct th_err *err)
{
	const struct unpack_spec *spec = u->spec;
	int r = 0;

	if (!str_is_empty(spec->subdir))
		r = unpack_tree_select(tree, spec->subdir, err);
	else if (spec->mode == UNPACK_MODE_FILE)
		r = unpack_tree_select_only_file(tree, err);
	if (r < 0)
		return r;
	if (unpack_tree_is_dir(tree) ? spec->mode == UNPACK_MODE_FILE
				     : spec->mode == UNPACK_MODE_DIR)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"'//%s' is a %s in the archive (see 'mode')", spec->subdir,
			unpack_tree_is_dir(tree) ? "directory" : "file");
	r = unpack_tree_publish(tree, spec->name, err);
	if (r < 0)
		return r;
	ret->is_dir = unpack_tree_is_dir(tree);
	if (spec->filename && !ret->is_dir)
		ret->filename = xstrdup(spec->filename);
	else if (!ret->is_dir)
		ret->filename = xstrdup(path_basename(unpack_tree_file_path(tree)));
	return 0;
}

static int unpack_archive(struct unpack *u, struct unpack_result *ret, struct th_err *err)
{
	const struct unpack_spec *spec = u->spec;
	bool part = spec->mode == UNPACK_MODE_FILE || !str_is_empty(spec->subdir);
	struct unpack_tree *tree = NULL;
	int r;

	r = unpack_tree_new(spec->dirfd, part ? u->all : spec->name, &spec->limits, &tree, err);
	if (r == 0)
		r = fill_tree(u, tree, err);
	if (r == 0)
		r = publish_tree(u, tree, ret, err);
	unpack_tree_free(tree);
	return r;
}

/* ---- all of it ---- */

static int remove_left(const struct unpack *u, const char *name, struct th_err *err)
{
	int r = rmtree_at(u->spec->dirfd, name, NULL, NULL, NULL);

	if (r < 0)
		return err_set(
			err, EXIT_CANTCREAT, -r, "'%s' cannot be removed: %s", name, strerror(-r));
	return 0;
}

static int unpack_content(struct unpack *u, struct unpack_result *ret, struct th_err *err)
{
	int r = detect(u, err);

	if (r < 0)
		return r;
	if (u->type.format == DETECT_FORMAT_NONE)
		return unpack_single(u, ret, err);
	return unpack_archive(u, ret, err);
}

int unpack_run(const struct unpack_spec *spec, struct unpack_result *ret, struct th_err *err)
{
	struct unpack_result result = {0};
	struct unpack u = {
		.spec = spec,
		.source = {.read = spec->source.read, .arg = spec->source.arg},
		.all = xasprintf("%s.all", spec->name),
	};
	int r;

	r = unpack_content(&u, &result, err);
	/* On failure only: else it is finished. */
	if (u.decoder)
		(void)unpack_decoder_finish(u.decoder, NULL);
	if (r == 0)
		r = remove_left(&u, u.all, err);
	if (r < 0) {
		(void)remove_left(&u, spec->name, NULL);
		(void)remove_left(&u, u.all, NULL);
		unpack_result_done(&result);
	} else {
		result.unpacked = u.unpacked;
		result.files = u.files;
		*ret = result;
	}
	free(u.all);
	return r;
}

void unpack_result_done(struct unpack_result *r)
{
	free(r->filename);
	*r = (struct unpack_result){0};
}
