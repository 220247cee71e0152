#include "config.h"

#include "fetch/unpack.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "fetch/unpack_decode.h"
#include "fetch/unpack_internal.h"
#include "fetch/unpack_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_BYTES	 ((uint64_t)1 << 20)
#define SINGLE_FILE_MODE 0644
#define SINGLE_DIR_MODE	 0755

void unpack_tell_progress(struct unpack *u, bool always)
{
	if (!u->spec->progress || (!always && u->unpacked - u->unpacked_told < PROGRESS_BYTES))
		return;
	u->unpacked_told = u->unpacked;
	u->spec->progress(u->spec->arg, u->unpacked, u->files);
}

int unpack_cannot_write(struct th_err *err, int errnum)
{
	return err_set(
		err, EXIT_CANTCREAT, errnum, "the file cannot be written: %s", strerror(errnum));
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

static int copy_content(struct unpack *u, int fd, struct th_err *err)
{
	for (;;) {
		const void *data;
		ssize_t n = unpack_feed_read(u->content, &data);
		int r;

		if (n < 0)
			return unpack_content_failed(u, err);
		if (n == 0)
			break;
		if (!u->as_is && (uint64_t)n > u->spec->limits.max_unpacked - u->unpacked)
			return err_set(err, EXIT_DATAERR, EFBIG,
				"the file unpacks to more than %" PRIu64
				" bytes (max-unpacked sets the limit)",
				u->spec->limits.max_unpacked);
		r = fd_write_all(fd, data, (size_t)n);
		if (r < 0)
			return unpack_cannot_write(err, -r);
		u->unpacked += (uint64_t)n;
		unpack_tell_progress(u, false);
	}
	return unpack_finish_content(u, err);
}

static int write_single(struct unpack *u, int dirfd, const char *name, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENAMETOOLONG
			       ? err_set(err, EXIT_DATAERR, errno, "the file's name is too long")
			       : unpack_cannot_write(err, errno);
	r = copy_content(u, fd, err);
	if (r < 0)
		return r;
	if (fchmod(fd, SINGLE_FILE_MODE) < 0)
		return unpack_cannot_write(err, errno);
	if (close(TAKE_FD(fd)) < 0 && errno != EINTR)
		return unpack_cannot_write(err, errno);
	u->files = 1;
	unpack_tell_progress(u, true);
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
		return unpack_cannot_write(err, -dirfd);
	r = write_single(u, dirfd, filename, err);
	if (r == 0)
		ret->is_dir = true;
	return r;
}

/* ---- an archive ---- */

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
		r = unpack_read_archive(u, tree, err);
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
	int r = unpack_open_content(u, err);

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
