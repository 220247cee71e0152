/*
 * Unpacking: whatever the bytes are, nothing is made outside the directory, no limit is passed, a
 * tree holds nothing but files, directories and links that stay in it, and a failure leaves nothing
 * behind but one line. The first byte chooses how it is unpacked.
 */
#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "base/treelink.h"
#include "fetch/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UNPACKED_MAX ((uint64_t)1 << 20)
#define FILES_MAX    100
#define DEPTH_MAX    8

static char *directory;
static int directory_fd = -1;

static void remove_directory(void)
{
	(void)rmtree_at(directory_fd, "out", NULL, NULL, NULL);
	(void)fd_close(directory_fd);
	(void)rmdir(directory);
	free(directory);
}

static void make_directory(void)
{
	const char *base = getenv("TMPDIR");

	directory = xasprintf("%s/taskhook-fuzz-XXXXXX", str_is_empty(base) ? "/tmp" : base);
	if (!mkdtemp(directory))
		abort();
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory_fd < 0 || atexit(remove_directory) != 0)
		abort();
}

struct source {
	const uint8_t *data;
	size_t size, part;
};

static ssize_t read_source(void *arg, const void **ret)
{
	struct source *s = arg;
	size_t n = MIN(s->size, s->part);

	*ret = s->data;
	s->data += n;
	s->size -= n;
	return (ssize_t)n;
}

static void cancel_source(void *arg)
{
	(void)arg;
}

struct seen {
	int root;
	uint64_t files, entries;
};

static void check_entry(
	struct seen *seen, int dirfd, const char *name, const char *path, unsigned depth);

static void check_directory(struct seen *seen, int fd, const char *path, unsigned depth)
{
	struct dirent *entry;
	DIR *stream;

	if (depth > DEPTH_MAX || fd_opendir(fd, &stream) < 0)
		abort();
	while ((entry = readdir(stream))) {
		_cleanup_free_ char *below = path_join(path, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			check_entry(seen, fd, entry->d_name, below, depth + 1);
	}
	(void)closedir(stream);
}

static void check_entry(
	struct seen *seen, int dirfd, const char *name, const char *path, unsigned depth)
{
	struct stat st;

	seen->entries++;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		abort();
	if (S_ISDIR(st.st_mode)) {
		_cleanup_close_ int fd = -1;

		/* a user other than root could not look into it */
		if (st.st_mode & 07000 || fchmodat(dirfd, name, 0700, 0) < 0)
			abort();
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			abort();
		check_directory(seen, fd, path, depth);
		return;
	}
	seen->files++;
	if (S_ISLNK(st.st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

		if (n < 0)
			abort();
		target[n] = '\0';
		if (treelink_check(seen->root, path, target) < 0)
			abort();
		return;
	}
	if (!S_ISREG(st.st_mode) || st.st_mode & 07000 || (uint64_t)st.st_size > UNPACKED_MAX)
		abort();
}

static void check_result(int out, const struct unpack_result *result, bool as_is)
{
	struct seen seen = {.root = -1};
	struct stat st;

	if (fstatat(out, "tree", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		S_ISDIR(st.st_mode) != result->is_dir)
		abort();
	if (!result->is_dir) {
		if (!S_ISREG(st.st_mode) || (!as_is && result->unpacked > UNPACKED_MAX))
			abort();
		return;
	}
	seen.root = openat(out, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (seen.root < 0)
		abort();
	check_directory(&seen, seen.root, "", 0);
	if (seen.entries > FILES_MAX || (!as_is && result->unpacked > UNPACKED_MAX))
		abort();
	(void)fd_close(seen.root);
}

static bool is_empty(int fd)
{
	unsigned n = 0;
	DIR *stream;

	if (fd_opendir(fd, &stream) < 0)
		abort();
	while (readdir(stream))
		n++;
	(void)closedir(stream);
	return n == 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const extracts[] = {
		"auto", "auto", "tar", "gz", "zip", "cpio", "7z", "no"};
	static const char *const subdirs[] = {NULL, NULL, "d*", "*/x"};
	_cleanup_unpack_result_ struct unpack_result result = {0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_close_ int out = -1;
	struct source source;
	struct unpack_spec spec = {
		.name = "tree",
		.source_name = "a.tar.gz",
		.limits = {UNPACKED_MAX, FILES_MAX, DEPTH_MAX},
		.source = {read_source, cancel_source, &source},
	};
	uint8_t how;

	if (!size)
		return 0;
	if (!directory)
		make_directory();
	out = path_mkdir_open(directory_fd, "out", 0700, NULL);
	if (out < 0)
		abort();
	how = data[0];
	spec.dirfd = out;
	spec.extract = extracts[how & 7];
	spec.subdir = subdirs[how >> 3 & 3];
	spec.mode = how & 64 ? UNPACK_MODE_FILE : how & 128 ? UNPACK_MODE_DIR : UNPACK_MODE_ANY;
	source = (struct source){data + 1, size - 1, how & 32 ? 13 : 1000};

	if (unpack_run(&spec, &result, &err) == 0) {
		if (err_is_set(&err))
			abort();
		check_result(out, &result, result.unpacked == size - 1);
	} else if (!err_is_set(&err) || !err.status || strchr(err.text, '\n') || !is_empty(out)) {
		abort();
	}
	if (rmtree_at(directory_fd, "out", NULL, NULL, NULL) < 0)
		abort();
	return 0;
}
