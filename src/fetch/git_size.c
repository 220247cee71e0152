#include "config.h"

#include "fetch/git_size.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 200

struct walk {
	const struct git_size *most;
	struct git_size size;
};

enum place {
	IN_TREE,
	IN_REPOSITORY, /* ".git" */
	IN_OBJECTS,    /* of it, or of a submodule's in it */
};

static bool is_over(const struct walk *w)
{
	return w->size.received_bytes > w->most->received_bytes ||
	       w->size.tree_bytes > w->most->tree_bytes || w->size.tree_files > w->most->tree_files;
}

/* What git makes of a pack by itself (gitformat-pack(5)), also while it has not its name yet. */
static bool is_index(const char *name)
{
	return str_ends_with(name, ".idx") || str_ends_with(name, ".rev") ||
	       str_starts_with(name, "tmp_idx_") || str_starts_with(name, "tmp_rev_");
}

static void count(struct walk *w, enum place place, const char *name, const struct stat *st)
{
	uint64_t bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;

	/* a submodule's is a file, and no part of the result either */
	if (place == IN_TREE && strcmp(name, ".git") != 0) {
		w->size.tree_files++;
		w->size.tree_bytes += bytes;
	} else if (place == IN_OBJECTS && !is_index(name)) {
		w->size.received_bytes += bytes;
	}
}

static enum place place_of(enum place above, const char *name, unsigned depth)
{
	if (above == IN_TREE && depth == 0 && strcmp(name, ".git") == 0)
		return IN_REPOSITORY;
	if (above == IN_REPOSITORY && strcmp(name, "objects") == 0)
		return IN_OBJECTS;
	return above;
}

/* Recursion that DEPTH_MAX bounds. */
static void walk(struct walk *w, int fd, enum place place, unsigned depth)
{
	struct dirent *e;
	DIR *dir = NULL;

	if (fd_opendir(fd, &dir) < 0)
		return;
	while (!is_over(w) && (e = readdir(dir))) {
		struct stat st;
		enum place own;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		own = place_of(place, e->d_name, depth);
		count(w, own, e->d_name, &st);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			_cleanup_close_ int child = openat(
				fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (child >= 0)
				walk(w, child, own, depth + 1);
		}
	}
	(void)closedir(dir);
}

int git_size_measure(int dirfd, const char *name, const struct git_size *most, struct git_size *ret)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct walk w = {.most = most};

	if (fd < 0)
		return -errno;
	walk(&w, fd, IN_TREE, 0);
	*ret = w.size;
	return 0;
}
